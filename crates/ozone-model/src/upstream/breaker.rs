//! Leaves an upstream alone that keeps failing, and asks it again with one request at a time.
//!
//! Closed: requests pass. After so many failures in a row it opens: none passes for a while. Then it
//! is half open: one request passes as a probe, and decides. An upstream that asks for a pause
//! (`retry-after`) rests until then, whatever its state. Time comes in with each call.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Breaker {
    failures_max: u32,
    open_for: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// It asked not to be asked before.
    resting_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

/// No request may pass yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    pub until: Instant,
    /// Because of failures, and not because it asked for a pause.
    pub is_open: bool,
}

/// One request may pass. Dropped without a verdict, it changes nothing.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Breaker {
    pub fn new(failures_max: u32, open_for: Duration) -> Arc<Breaker> {
        let state = State::Closed { failures: 0 };
        let inner = Mutex::new(Inner { state, resting_until: None });
        Arc::new(Breaker { failures_max: failures_max.max(1), open_for, inner })
    }

    /// Lets a request pass, or says when to ask again.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Result<Permit, Denied> {
        let mut inner = self.lock();
        if let Some(until) = inner.resting_until.filter(|until| now < *until) {
            return Err(Denied { until, is_open: false });
        }
        let open = |until| Err(Denied { until, is_open: true });
        let is_probe = match inner.state {
            State::Closed { .. } => false,
            State::Open { until } if now < until => return open(until),
            State::HalfOpen { probing: true } => return open(now + self.open_for),
            State::Open { .. } | State::HalfOpen { probing: false } => {
                inner.state = State::HalfOpen { probing: true };
                true
            }
        };
        Ok(Permit { breaker: Arc::clone(self), is_probe })
    }

    /// A request that had passed long ago has broken off since.
    pub fn broke_off(&self, now: Instant) {
        self.count_failure(now);
    }

    /// It wants no request before `until`. No failure: it lives.
    pub fn rest(&self, until: Instant) {
        let mut inner = self.lock();
        inner.resting_until = inner.resting_until.max(Some(until));
    }

    fn count_failure(&self, now: Instant) {
        let mut inner = self.lock();
        let open = State::Open { until: now + self.open_for };
        inner.state = match inner.state {
            State::Closed { failures } if failures + 1 < self.failures_max => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen { .. } => open,
            already @ State::Open { .. } => already,
        };
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Permit {
    /// It answers.
    pub fn succeeded(mut self) {
        self.breaker.lock().state = State::Closed { failures: 0 };
        self.is_probe = false;
    }

    pub fn failed(mut self, now: Instant) {
        self.breaker.count_failure(now);
        self.is_probe = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.lock().state = State::HalfOpen { probing: false };
        }
    }
}
