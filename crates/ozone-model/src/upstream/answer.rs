//! An answer on its way from an upstream: how long it may be silent, and what becomes of it when it
//! breaks off or comes faster than it is read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use reqwest::Response;

use super::piece::Fault;
use super::reader::AnswerReader;
use super::{Endpoint, Shared, USAGE_WAIT_MAX, causes};
use crate::{ModelError, SampleEvent, SampleRequest};

/// The most reads that are joined when an answer has waited for us.
const JOINED_MAX: usize = 32;

/// An answer that is coming in.
pub struct Answer {
    pub shared: Arc<Shared>,
    pub endpoint: Arc<Endpoint>,
    pub request: Arc<SampleRequest>,
    pub reader: AnswerReader,
    /// `None` once it has ended or failed: its connection is closed or free again.
    pub response: Option<Response>,
    pub ready: VecDeque<SampleEvent>,
    /// Comes behind what is ready.
    pub fault: Option<Fault>,
    /// The body of an upstream that does not stream.
    pub whole: Option<Vec<u8>>,
}

impl Answer {
    pub async fn next(&mut self) -> Option<Result<SampleEvent, ModelError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if let Some(fault) = self.fault.take() {
                return Some(Err(self.broke_off(fault)));
            }
            self.response.as_ref()?;
            let wait = match self.reader.has_ended() {
                true => USAGE_WAIT_MAX,
                false => self.shared.config.limits.idle(),
            };
            let read = match tokio::time::timeout(wait, self.read()).await {
                Ok(Ok(())) => self.catch_up().await,
                Ok(fault) => fault,
                Err(_) if self.reader.has_ended() => self.end(),
                Err(_) => Err(silent(wait)),
            };
            if let Err(fault) = read {
                self.response = None;
                self.fault = Some(fault);
            }
        }
    }

    /// Whoever reads us may be slower than the upstream: what else has come by now is read at once
    /// and joined, so that under load deltas get longer, and not later and later.
    async fn catch_up(&mut self) -> Result<(), Fault> {
        let (first, mut read) = (self.ready.len(), Ok(()));
        for _ in 0..JOINED_MAX {
            if self.response.is_none() {
                break;
            }
            // The connection, which is a task of its own, hands over one piece at a time.
            tokio::task::yield_now().await;
            match self.read().now_or_never() {
                Some(Ok(())) => {}
                Some(fault) => {
                    read = fault;
                    break;
                }
                None => break,
            }
        }
        let later = self.ready.split_off(first);
        join(&mut self.ready, later);
        read
    }

    /// The next bytes, or the end.
    pub async fn read(&mut self) -> Result<(), Fault> {
        let Some(response) = &mut self.response else { return Ok(()) };
        let bytes = match response.chunk().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return self.end(),
            // Some servers end a complete answer without the end of its encoding.
            Err(_) if self.reader.has_ended() => return self.end(),
            Err(error) => return Err(Fault::Passing(causes(error))),
        };
        if let Some(whole) = &mut self.whole {
            if (whole.len() + bytes.len()) as u64 > self.shared.config.limits.response_bytes_max {
                return Err(Fault::Passing("its answer is longer than the limit".into()));
            }
            whole.extend_from_slice(&bytes);
            return Ok(());
        }
        let mut events = vec![];
        let read = self.reader.push(&bytes, &mut events);
        self.take(events);
        if self.reader.finished()
            && let Some(mut response) = self.response.take()
        {
            // With its end read the connection serves the next request.
            let _ = response.chunk().now_or_never();
        }
        read
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.response = None;
        let mut events = vec![];
        let ended = match self.whole.take() {
            Some(whole) => self.reader.whole(&whole, &mut events),
            None => self.reader.end(&mut events),
        };
        self.take(events);
        ended
    }

    fn take(&mut self, events: Vec<SampleEvent>) {
        if let Some(SampleEvent::Finished(sample)) = events.last() {
            let items = self.reader.take_items();
            self.shared.kept.keep(&self.request.key, &sample.message, items);
        }
        self.ready.extend(events);
    }

    fn broke_off(&self, fault: Fault) -> ModelError {
        self.shared.log(&self.endpoint, &fault);
        if matches!(fault, Fault::Passing(_)) {
            self.endpoint.breaker.broke_off((self.shared.surroundings.now)());
        }
        self.shared.redacted(fault.in_mid_sample())
    }
}

/// Chunks become part of the one before them. No ids are known here.
fn join(events: &mut VecDeque<SampleEvent>, later: VecDeque<SampleEvent>) {
    for event in later {
        match (events.back_mut(), event) {
            (
                Some(SampleEvent::Chunk { deltas, logprobs, .. }),
                SampleEvent::Chunk { deltas: more, logprobs: further, .. },
            ) => {
                for delta in more {
                    let apart = match deltas.last_mut() {
                        Some(last) => last.join(delta),
                        None => Some(delta),
                    };
                    deltas.extend(apart);
                }
                logprobs.extend(further);
            }
            (_, event) => events.push_back(event),
        }
    }
}

pub fn silent(limit: Duration) -> Fault {
    Fault::Passing(format!("it said nothing for {limit:?}"))
}

#[cfg(test)]
mod tests {
    use ozone_prompt::Delta;

    use super::*;

    fn chunk(deltas: Vec<Delta>) -> SampleEvent {
        SampleEvent::Chunk { ids: vec![], deltas, logprobs: vec![] }
    }

    #[test]
    fn what_follows_one_another_is_joined_and_keeps_its_order() {
        let text = |text: &str| Delta::Text(text.into());
        let thought = |text: &str| Delta::Reasoning(text.into());
        let start = || SampleEvent::Started { input_tokens: 1, cached_tokens: 0 };
        let mut events = VecDeque::from([start(), chunk(vec![thought("a")])]);
        let later = [chunk(vec![thought("b"), text("c")]), chunk(vec![text("d")])];
        join(&mut events, later.into());
        assert_eq!(events, [start(), chunk(vec![thought("ab"), text("cd")])]);
    }
}
