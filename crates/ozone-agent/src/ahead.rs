//! Calls of one sample that do not depend on one another run at the same time.
//!
//! The first call runs where it stands; independent ones behind it begin together with it. Their
//! items come in the order of the sample all the same, so readers see one call after another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ozone_tools::{Call, Tool, ToolError, ToolOutput};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::spans;

/// How many calls of a response run at once.
const AT_ONCE_MAX: usize = 16;

/// A call that has ended, and how long it took. The error is a fault of ours.
pub(crate) struct Ran {
    pub output: Result<ToolOutput, String>,
    pub took: Duration,
}

/// Makes a call. Its mistakes are outputs that the model reads.
pub(crate) async fn run(tool: &mut dyn Tool, call: Call, span: Span) -> Ran {
    let began = Instant::now();
    let output = match tool.call(call, &mut |_| {}).instrument(span.clone()).await {
        Ok(output) => Ok(output),
        Err(ToolError::BadArguments(text) | ToolError::Unavailable(text)) => {
            Ok(ToolOutput { text, failed: true, ..ToolOutput::default() })
        }
        Err(ToolError::Internal(cause)) => Err(cause.to_string()),
    };
    if let Ok(output) = &output {
        spans::ran(&span, output);
    }
    Ran { output, took: began.elapsed() }
}

/// The calls that were begun before their turn. Dropping it drops what still runs.
pub(crate) struct Ahead {
    running: JoinSet<(usize, Ran)>,
    done: HashMap<usize, Ran>,
    begun: Vec<usize>,
    /// Those that a process began which was killed since.
    pub interrupted: Vec<usize>,
    room: Arc<Semaphore>,
    /// Ends all of them soon.
    pub cancel: CancellationToken,
}

impl Ahead {
    pub fn new(interrupted: Vec<usize>, cancel: CancellationToken) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE_MAX));
        Ahead {
            running: JoinSet::new(),
            done: HashMap::new(),
            begun: vec![],
            interrupted,
            room,
            cancel,
        }
    }

    pub fn begin(&mut self, index: usize, mut tool: Box<dyn Tool>, call: Call, span: Span) {
        let room = self.room.clone();
        self.begun.push(index);
        self.running.spawn(async move {
            let _place = room.acquire_owned().await;
            (index, run(&mut *tool, call, span).await)
        });
    }

    pub fn has(&self, index: usize) -> bool {
        self.begun.contains(&index)
    }

    /// Waits for one of those that were begun.
    pub async fn ended(&mut self, index: usize) -> Ran {
        loop {
            if let Some(ran) = self.done.remove(&index) {
                return ran;
            }
            let cause = match self.running.join_next().await {
                Some(Ok((index, ran))) => {
                    self.done.insert(index, ran);
                    continue;
                }
                Some(Err(panicked)) => panicked.to_string(),
                None => "the call is lost".to_owned(),
            };
            return Ran { output: Err(cause), took: Duration::ZERO };
        }
    }
}
