//! Questions of Ozone's own to a model, beside any response.
//!
//! They cost money like any other call, so each has its room in the budgets before it is asked and
//! its line in the ledger after it, also where it was cut. None of them is tried again: who asks has
//! something else to do if there is no answer.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ozone_model::{ModelBackend, ModelError, Sample, SampleEvent, SampleRequest};
use ozone_store::{Ledger, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::costs::{Costs, NoRoom, Spending};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error(transparent)]
    Model(ModelError),
    #[error("no answer came within {} seconds", .0.as_secs_f64().ceil())]
    OutOfTime(Duration),
    #[error("it was stopped")]
    Cancelled,
    /// A budget is spent, or nothing measures the call by it.
    #[error("{0}")]
    NoMoney(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who asks a model a few things.
pub struct Aside {
    backend: Arc<dyn ModelBackend>,
    spending: Spending,
    ledger: Arc<dyn Ledger>,
    clock: fn() -> i64,
    cancel: CancellationToken,
    deadline: Instant,
    asked: u32,
}

impl Aside {
    /// `id` names the lines in the ledger, `model` is the name that budgets and reports know, and all
    /// questions together take no longer than `time_max`.
    pub async fn begin(
        backend: Arc<dyn ModelBackend>,
        costs: Costs,
        id: &str,
        model: &str,
        time_max: Duration,
        clock: fn() -> i64,
        cancel: CancellationToken,
    ) -> Result<Aside, StoreError> {
        let ledger = costs.ledger.clone();
        let spending = Spending::begin(costs, id, model, false).await?;
        let deadline = Instant::now() + time_max;
        Ok(Aside { backend, spending, ledger, clock, cancel, deadline, asked: 0 })
    }

    /// How many questions were asked.
    pub fn asked(&self) -> u32 {
        self.asked
    }

    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Asks, for at most so long.
    pub async fn ask(
        &mut self,
        mut request: SampleRequest,
        time_max: Duration,
    ) -> Result<Sample, Unanswered> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(time_max);
        self.asked += 1;
        let window = self.backend.info().context_window;
        let room = self.spending.reserve(self.asked, &mut request, window, self.now(), left).await;
        room.map_err(|no| match no {
            NoRoom::Store(e) => Unanswered::Store(e),
            NoRoom::Limit(standing) | NoRoom::Taken(standing) => {
                Unanswered::NoMoney(format!("the budget of {} is spent", standing.budget))
            }
            NoRoom::NoPrice(why) => Unanswered::NoMoney(format!(
                "there is a budget, and nothing to measure it by: {why}; give the model a price"
            )),
        })?;
        let (cancel, key) = (self.cancel.clone(), request.key.clone());
        let sampled = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Unanswered::Cancelled),
            sampled = self.sample(request) => sampled.map_err(Unanswered::Model),
            () = tokio::time::sleep(left) => Err(Unanswered::OutOfTime(left)),
        };
        self.backend.release(&key);
        let now = self.now();
        let line = match &sampled {
            Ok(sample) => {
                Some(self.spending.sampled(&sample.usage, sample.usage_estimated, now).await?)
            }
            Err(_) => self.spending.cut(now).await?,
        };
        self.ledger.charge(line.into_iter().collect()).await?;
        sampled
    }

    async fn sample(&mut self, request: SampleRequest) -> Result<Sample, ModelError> {
        let mut stream = self.backend.sample(request).await?;
        loop {
            match stream.next().await {
                Some(Ok(SampleEvent::Finished(sample))) => return Ok(sample),
                Some(Ok(SampleEvent::Started { input_tokens, .. })) => {
                    self.spending.started(input_tokens);
                }
                Some(Ok(SampleEvent::Chunk { ids, deltas, .. })) => {
                    self.spending.saw(ids.len(), &deltas);
                }
                Some(Err(e)) => return Err(e),
                None => return Err(ModelError::Unavailable("it ended without an answer".into())),
            }
        }
    }
}
