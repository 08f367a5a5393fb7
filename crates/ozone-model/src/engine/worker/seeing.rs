//! The engine thread's part in pictures: when each is encoded, and when it is computed.
//!
//! A picture is computed alone, between two batches of words, and whole: no slot ever ends within
//! one. Of several that are ready, the oldest sequence's goes first, one in each step.

use std::sync::Arc;
use std::time::Instant;

use super::{Feed, Slot, Worker, add};
use crate::engine::EngineError;
use crate::engine::run::Run;
use crate::engine::sight::{Encoded, Eyes, Part};

impl Slot {
    /// The picture that comes next, if one does.
    fn next_part(&self) -> Option<&Arc<Part>> {
        let next = self.run()?.unfed(self.tokens.len()).first()?;
        (next.start == self.tokens.len()).then_some(&next.part)
    }

    pub(super) fn waits_for_a_picture(&self) -> bool {
        let waits = |part: &Arc<Part>| matches!(part.state(), Encoded::Not | Encoded::Asked);
        self.next_part().is_some_and(waits)
    }
}

impl Worker {
    pub fn with_eyes(self, eyes: Option<Eyes>) -> Worker {
        Worker { eyes, ..self }
    }

    /// Has the pictures of all sequences encoded, and computes one that is. False where none is.
    pub(super) fn step_picture(&mut self) -> bool {
        let Some(eyes) = &mut self.eyes else { return false };
        let mut order: Vec<usize> = (0..self.slots.len())
            .filter(|index| self.slots[*index].run().is_some_and(Run::is_read))
            .collect();
        order.sort_by_key(|index| self.slots[*index].run().map(|run| run.order));
        for index in &order {
            let slot = &self.slots[*index];
            let unfed = slot.run().map_or(&[][..], |run| run.unfed(slot.tokens.len()));
            unfed.iter().for_each(|placed| eyes.ask(&placed.part));
        }
        for index in order {
            let Some(part) = self.slots[index].next_part().cloned() else { continue };
            match part.state() {
                Encoded::Not | Encoded::Asked => {}
                Encoded::Done(embeddings) => {
                    if self.see(index, &part, &embeddings) {
                        return true;
                    }
                }
                Encoded::Failed(cause) => {
                    part.forget_failure();
                    self.fail(index, EngineError::Picture(cause));
                    return true;
                }
            }
        }
        false
    }

    /// Computes a picture at the end of a slot. False where there is no room for it.
    fn see(&mut self, index: usize, part: &Arc<Part>, embeddings: &[f32]) -> bool {
        let count = part.tokens();
        if !self.make_room(count) {
            return false;
        }
        let Some(eyes) = &self.eyes else { return false };
        let slot = &self.slots[index];
        let Some(run) = slot.run() else { return false };
        let threads = self.threads.threads(count);
        self.context.set_threads(threads);
        let begun = Instant::now();
        let outcome = self.context.see(
            eyes.projector(),
            &part.media,
            embeddings,
            slot.end,
            index as i32,
            &|| !run.is_cancelled(),
        );
        self.threads.record(count, threads, begun.elapsed());
        add(&self.shared.counters.steps, 1);
        if let Err(failure) = outcome {
            let feed = Feed { slot: index, tokens: Vec::new(), cells: Vec::new(), row: None };
            self.give_up(vec![feed], failure);
            return true;
        }
        let cells: Vec<u32> = (0..count).filter_map(|_| self.cells.take()).collect();
        let slot = &mut self.slots[index];
        slot.cells.extend(cells);
        slot.tokens.extend(std::iter::repeat_n(part.id, count));
        slot.positions.extend(std::iter::repeat_n(slot.end, count));
        slot.end += part.media.positions;
        self.note_prefilled(index, count);
        true
    }

    /// Pictures of sequences that were cancelled are not encoded any further.
    pub(super) fn drop_unwanted_pictures(&mut self) {
        let Some(eyes) = &mut self.eyes else { return };
        let slots = &self.slots;
        eyes.drop_unwanted(|part| {
            slots
                .iter()
                .filter_map(Slot::run)
                .any(|run| run.pictures.iter().any(|placed| Arc::ptr_eq(&placed.part, part)))
        });
    }
}
