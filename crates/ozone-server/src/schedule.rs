//! Who runs next: priority before default before flex before batch, with a stated number of runs at
//! once and of those that wait.
//!
//! A run holds its place from its first sample to its last; a place that becomes free goes to the
//! highest tier that waits, and within a tier to the one that waits longest. So the tier that a
//! response answers is the tier that it was treated as.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::error::ApiError;

/// In the order of who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    Priority,
    Default,
    Flex,
    Batch,
}

impl Tier {
    /// `service_tier` of a request. `None` when nobody knows the word.
    pub fn parse(text: &str) -> Option<Tier> {
        match text {
            "auto" | "default" | "scale" => Some(Tier::Default),
            "priority" | "fast" | "ultrafast" => Some(Tier::Priority),
            "flex" => Some(Tier::Flex),
            "batch" => Some(Tier::Batch),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Tier::Priority => "priority",
            Tier::Default => "default",
            Tier::Flex => "flex",
            Tier::Batch => "batch",
        }
    }
}

/// What a lane may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub running_max: usize,
    pub waiting_max: usize,
    /// Flex work is refused when so many wait already.
    pub flex_waiting_max: usize,
}

/// The places of one model.
#[derive(Clone)]
pub(crate) struct Lanes {
    inner: Arc<Mutex<Inner>>,
    room: Room,
}

#[derive(Default)]
struct Inner {
    running: usize,
    /// By tier, in its order.
    waiting: [VecDeque<oneshot::Sender<Place>>; 4],
}

impl Inner {
    fn waiting(&self) -> usize {
        self.waiting.iter().flatten().filter(|w| !w.is_closed()).count()
    }
}

/// A place to run in; dropping it lets the next one in.
pub(crate) struct Place {
    lanes: Option<Lanes>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(lanes) = self.lanes.take() else { return };
        let mut inner = lanes.lock();
        let next = inner.waiting.iter_mut().find_map(|tier| {
            while let Some(waiter) = tier.pop_front() {
                match waiter.send(Place { lanes: Some(lanes.clone()) }) {
                    Ok(()) => return Some(()),
                    // Gave up waiting: disarmed, so that dropping it does not come back here.
                    Err(mut place) => place.lanes = None,
                }
            }
            None
        });
        if next.is_none() {
            inner.running -= 1;
        }
    }
}

/// A place, now or later.
pub(crate) enum Entry {
    Now(Place),
    Later(oneshot::Receiver<Place>),
}

impl Entry {
    pub async fn place(self) -> Place {
        match self {
            Entry::Now(place) => place,
            Entry::Later(waiting) => waiting.await.expect("lanes outlive those who wait in them"),
        }
    }
}

impl Lanes {
    pub fn new(room: Room) -> Self {
        Lanes { inner: Arc::default(), room }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes a place or one in the queue. What was acknowledged before (`known`) is never refused.
    pub fn enter(&self, tier: Tier, known: bool) -> Result<Entry, ApiError> {
        let mut inner = self.lock();
        if inner.running < self.room.running_max {
            inner.running += 1;
            return Ok(Entry::Now(Place { lanes: Some(self.clone()) }));
        }
        let waiting = inner.waiting();
        if !known && tier >= Tier::Flex && waiting >= self.room.flex_waiting_max {
            return Err(ApiError::FlexUnavailable);
        }
        if !known && waiting >= self.room.waiting_max {
            return Err(ApiError::Overloaded { waiting });
        }
        let (sender, receiver) = oneshot::channel();
        let lane = &mut inner.waiting[tier as usize];
        lane.retain(|w| !w.is_closed());
        lane.push_back(sender);
        Ok(Entry::Later(receiver))
    }

    /// `(running, waiting)`.
    pub fn load(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.running, inner.waiting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(running_max: usize) -> Lanes {
        Lanes::new(Room { running_max, waiting_max: 4, flex_waiting_max: 2 })
    }

    fn later(entry: Result<Entry, ApiError>) -> oneshot::Receiver<Place> {
        match entry {
            Ok(Entry::Later(receiver)) => receiver,
            _ => panic!("was not queued"),
        }
    }

    /// Whoever comes first, the higher tier goes first.
    #[tokio::test]
    async fn a_free_place_goes_to_the_highest_tier() {
        let lanes = lanes(1);
        let Ok(Entry::Now(place)) = lanes.enter(Tier::Batch, false) else { panic!() };
        let mut flex = later(lanes.enter(Tier::Flex, false));
        let mut default = later(lanes.enter(Tier::Default, false));
        let mut priority = later(lanes.enter(Tier::Priority, false));
        drop(place);
        let place = priority.try_recv().expect("priority is next");
        assert!(default.try_recv().is_err() && flex.try_recv().is_err());
        drop(place);
        let place = default.try_recv().expect("default is next");
        drop(place);
        drop(flex.try_recv().expect("flex is next"));
        assert_eq!(lanes.load(), (0, 0));
    }

    #[tokio::test]
    async fn who_gave_up_is_passed_over() {
        let lanes = lanes(1);
        let Ok(Entry::Now(place)) = lanes.enter(Tier::Default, false) else { panic!() };
        drop(later(lanes.enter(Tier::Priority, false)));
        let mut second = later(lanes.enter(Tier::Default, false));
        drop(place);
        drop(second.try_recv().unwrap());
        assert_eq!(lanes.load(), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_flex_before_the_others() {
        let lanes = lanes(1);
        let _running = lanes.enter(Tier::Default, false).unwrap();
        let _waiting: Vec<_> = (0..2).map(|_| later(lanes.enter(Tier::Default, false))).collect();
        assert!(matches!(lanes.enter(Tier::Flex, false), Err(ApiError::FlexUnavailable)));
        let _more: Vec<_> = (0..2).map(|_| later(lanes.enter(Tier::Default, false))).collect();
        let refused = lanes.enter(Tier::Default, false);
        assert!(matches!(refused, Err(ApiError::Overloaded { waiting: 4 })));
        assert!(lanes.enter(Tier::Batch, true).is_ok());
    }
}
