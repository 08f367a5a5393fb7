//! What a local model saw and sampled, id by id: what a trainer learns from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures::StreamExt;

use crate::{
    Enforces, LocalBackend, ModelBackend, ModelError, ModelInfo, SampleEvent, SampleRequest,
    SampleStream,
};

/// One sample of a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    pub prompt: Vec<u32>,
    pub ids: Vec<u32>,
    /// Of each of `ids`, from the model's own distribution; `None` where the id was forced, or came
    /// in one piece with one that was.
    pub logprobs: Vec<Option<f32>>,
}

/// A local model whose samples are written down until they are taken.
pub struct Recorder {
    inner: Arc<LocalBackend>,
    /// By the conversation's key.
    samples: Arc<Mutex<HashMap<String, Vec<Recorded>>>>,
}

impl Recorder {
    pub fn new(inner: Arc<LocalBackend>) -> Self {
        Recorder { inner, samples: Arc::default() }
    }

    /// The samples of a conversation in their order, and forgets them.
    pub fn take(&self, key: &str) -> Vec<Recorded> {
        locked(&self.samples).remove(key).unwrap_or_default()
    }
}

#[async_trait]
impl ModelBackend for Recorder {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    async fn sample(&self, mut request: SampleRequest) -> Result<SampleStream, ModelError> {
        // Without rivals no logprobs are computed.
        request.sampling.top_logprobs = request.sampling.top_logprobs.max(1);
        let key = request.key.clone();
        let mut recorded = Recorded { prompt: self.inner.prompt(&request)?, ..Recorded::default() };
        recorded.logprobs.extend(request.started.iter().map(|_| None));
        recorded.ids.clone_from(&request.started);
        let samples = self.samples.clone();
        let events = self.inner.sample(request).await?.inspect(move |event| match event {
            Ok(SampleEvent::Chunk { ids, logprobs, .. }) => {
                recorded.ids.extend(ids);
                let known = logprobs.len() == ids.len();
                let logprob = |i: usize| known.then(|| logprobs[i].logprob);
                recorded.logprobs.extend((0..ids.len()).map(logprob));
            }
            Ok(SampleEvent::Finished(_)) => {
                let sample = std::mem::take(&mut recorded);
                locked(&samples).entry(key.clone()).or_default().push(sample);
            }
            _ => {}
        });
        Ok(events.boxed())
    }

    fn enforces(&self) -> Enforces {
        self.inner.enforces()
    }

    fn measures(&self) -> bool {
        self.inner.measures()
    }

    fn release(&self, key: &str) {
        self.inner.release(key);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
