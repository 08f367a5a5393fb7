//! The engine thread: who is computed next, and where its KV lives.
//!
//! A sequence is a list of tokens, and its slot holds how many of them are in the KV cache. The
//! rest is to be fed; when the last one was fed, the next is drawn. So a long prompt, a decode
//! step, tokens that a grammar forces and a sequence that had to make room are one case.

mod seeing;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Instant;

use super::cells::Cells;
use super::disk::{self, Disk};
use super::llama::{Context, DecodeFailure};
use super::run::{Child, Run, promote};
use super::sight::{Eyes, FIRST_ID};
use super::threads::Threads;
use super::{
    EngineError, EngineOptions, FinishReason, Generated, Shared, Vocab, common_prefix, threads_max,
};

/// A request waits for a running prefill that shares at least this many tokens more.
const WORTH_WAITING_TOKENS: usize = 32;

pub(super) enum Command {
    Generate(Box<Run>),
    Release(String),
    /// Drops all that finished sequences have left.
    Forget,
    /// Somebody reads again, or has gone.
    Wake,
    Shutdown,
}

/// A place in the context; its index is llama.cpp's sequence id.
struct Slot {
    /// The tokens in the KV cache, the cell of each, and its position.
    tokens: Vec<u32>,
    cells: Vec<u32>,
    positions: Vec<u32>,
    /// The position of what comes next: less than there are tokens, where a picture's rows and
    /// columns are positions of their own.
    end: u32,
    role: Role,
    last_used: u64,
}

enum Role {
    /// Nobody's. Its tokens may still serve a later prompt.
    Resident {
        /// Kept for this conversation's next turn.
        hold: Option<String>,
        /// Tokens of the finished answer that are still to be fed.
        flush: Vec<u32>,
    },
    Active(Box<Run>),
}

impl Slot {
    fn run(&self) -> Option<&Run> {
        match &self.role {
            Role::Active(run) => Some(run),
            Role::Resident { .. } => None,
        }
    }

    /// Where the token `at` is or would be.
    fn position(&self, at: usize) -> u32 {
        self.positions.get(at).copied().unwrap_or(self.end)
    }

    fn shows_pictures(&self) -> bool {
        self.tokens.iter().any(|id| *id >= FIRST_ID)
    }

    fn is_held(&self) -> bool {
        matches!(&self.role, Role::Resident { hold: Some(_), .. })
    }

    fn is_empty(&self) -> bool {
        self.tokens.is_empty() && matches!(self.role, Role::Resident { hold: None, .. })
    }
}

/// What a batch holds of one slot.
struct Feed {
    slot: usize,
    tokens: Vec<u32>,
    cells: Vec<u32>,
    /// The row of logits that belongs to the last token.
    row: Option<usize>,
}

pub(super) struct Worker {
    context: Context,
    vocab: Arc<Vocab>,
    /// The memory cannot go back to an earlier token.
    recurrent: bool,
    options: EngineOptions,
    shared: Arc<Shared>,
    commands: std_mpsc::Receiver<Command>,
    disk: Option<Disk>,
    slots: Vec<Slot>,
    cells: Cells,
    waiting: VecDeque<Box<Run>>,
    clock: u64,
    threads: Threads,
    /// Of a model that sees.
    eyes: Option<Eyes>,
    shutdown: bool,
}

impl Worker {
    pub fn new(
        context: Context,
        vocab: Arc<Vocab>,
        recurrent: bool,
        options: EngineOptions,
        shared: Arc<Shared>,
        commands: std_mpsc::Receiver<Command>,
        disk: Option<Disk>,
    ) -> Worker {
        let threads = match options.threads {
            Some(threads) => Threads::fixed(threads),
            None => Threads::adapted(threads_max(&options)),
        };
        let slots = (0..super::slots(&options)).map(|_| Slot {
            tokens: Vec::new(),
            cells: Vec::new(),
            positions: Vec::new(),
            end: 0,
            role: Role::Resident { hold: None, flush: Vec::new() },
            last_used: 0,
        });
        let cells = Cells::new(context.cells().min(options.cells));
        set(&shared.counters.cells, cells.len() as u64);
        Worker {
            slots: slots.collect(),
            cells,
            threads,
            context,
            vocab,
            recurrent,
            options,
            shared,
            commands,
            disk,
            waiting: VecDeque::new(),
            clock: 0,
            eyes: None,
            shutdown: false,
        }
    }

    /// Works until the engine is dropped. A panic ends all streams with an error.
    pub fn run(mut self) {
        let waiting = Arc::clone(&self.shared);
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            self.work();
            self.end();
        }));
        if outcome.is_err() {
            tracing::error!("the engine thread has failed; its model must be loaded again");
        }
        waiting.waiting.store(0, Ordering::Relaxed);
    }

    fn work(&mut self) {
        let mut progress = true;
        while !self.shutdown {
            if !progress {
                match self.commands.recv() {
                    Ok(command) => self.obey(command),
                    Err(_) => return,
                }
            }
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            self.drop_cancelled();
            // A finished answer's last token goes first, so that its next turn finds it.
            let admitted = !self.has_flush() && self.admit();
            let stepped = !self.shutdown && self.step();
            progress = admitted || stepped;
            self.publish();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Generate(mut run) => {
                self.clock += 1;
                run.order = self.clock;
                self.waiting.push_back(run);
            }
            Command::Release(key) => {
                for slot in &mut self.slots {
                    if let Role::Resident { hold, .. } = &mut slot.role
                        && hold.as_ref() == Some(&key)
                    {
                        *hold = None;
                    }
                }
            }
            Command::Forget => {
                for index in 0..self.slots.len() {
                    if self.slots[index].run().is_none() {
                        self.clear(index);
                    }
                }
            }
            Command::Wake => {}
            Command::Shutdown => self.shutdown = true,
        }
    }

    /// Tells everybody who still waits, and keeps what is worth keeping.
    fn end(&mut self) {
        let reason = FinishReason::Cancelled;
        for run in &self.waiting {
            run.send(Ok(Generated::Finished { reason, usage: run.usage }));
        }
        for slot in &self.slots {
            if let Some(run) = slot.run() {
                run.send(Ok(Generated::Finished { reason, usage: run.usage }));
            }
        }
        for index in 0..self.slots.len() {
            self.save_cold(index);
        }
    }

    fn publish(&self) {
        let counters = &self.shared.counters;
        set(&counters.cells_used, self.cells.used() as u64);
        set(&counters.sequences_active, self.active() as u64);
        let resident =
            self.slots.iter().filter(|slot| slot.run().is_none() && !slot.tokens.is_empty());
        set(&counters.sequences_resident, resident.count() as u64);
    }

    fn active(&self) -> usize {
        self.slots.iter().filter(|slot| slot.run().is_some()).count()
    }

    fn has_flush(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| matches!(&slot.role, Role::Resident { flush, .. } if !flush.is_empty()))
    }

    fn left_waiting_line(&self, places: usize) {
        let waiting = &self.shared.waiting;
        let _ = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            Some(now.saturating_sub(places))
        });
    }

    // --- Cancelling

    fn drop_cancelled(&mut self) {
        let mut gone = 0;
        for run in &mut self.waiting {
            gone += promote(run);
        }
        let before = self.waiting.len();
        self.waiting.retain(|run| !run.is_cancelled());
        gone += before - self.waiting.len();
        for index in 0..self.slots.len() {
            if let Role::Active(run) = &mut self.slots[index].role {
                gone += promote(run);
                if run.is_cancelled() {
                    self.retire(index, None, Vec::new());
                }
            }
        }
        if gone > 0 {
            self.left_waiting_line(gone);
        }
        self.drop_unwanted_pictures();
    }

    /// An active slot becomes a resident one.
    fn retire(&mut self, index: usize, hold: Option<String>, flush: Vec<u32>) -> Option<Box<Run>> {
        self.clock += 1;
        let slot = &mut self.slots[index];
        slot.last_used = self.clock;
        match std::mem::replace(&mut slot.role, Role::Resident { hold, flush }) {
            Role::Active(run) => Some(run),
            Role::Resident { .. } => None,
        }
    }

    // --- Admission

    /// Gives waiting requests a slot, oldest first. True if one got it.
    fn admit(&mut self) -> bool {
        let mut admitted = false;
        while self.active() < self.options.sequences_max as usize {
            let Some(run) = self.waiting.pop_front() else { break };
            match self.place(run) {
                Ok(()) => admitted = true,
                Err(run) => {
                    self.waiting.push_front(run);
                    break;
                }
            }
        }
        admitted
    }

    /// Finds the slot that saves most of the work. `Err`: not now.
    fn place(&mut self, mut run: Box<Run>) -> Result<(), Box<Run>> {
        let (mut source, mut shared) = self.best_source(&run.tokens);
        if self.is_being_computed(&run.tokens, shared) {
            return Err(run);
        }
        if let Some(index) = self.restore_cold(&run.tokens, shared) {
            shared = common_prefix(&self.slots[index].tokens, &run.tokens);
            source = Some(index);
        }
        // The last token is always fed: its logits are needed.
        let mut reuse = shared.min(run.tokens.len() - 1);
        if self.active() > 0 && run.tokens.len() - reuse + 1 > self.available(source) {
            return Err(run);
        }
        let Some(index) = self.choose_slot(source, shared, run.request.hold.as_ref()) else {
            return Err(run);
        };
        match source {
            Some(source) if source != index => self.share(source, index, reuse),
            Some(_) => {
                if self.slots[index].tokens.len() > reuse && !self.truncate(index, reuse) {
                    reuse = 0;
                }
            }
            None => reuse = 0,
        }
        reuse = reuse.min(self.slots[index].tokens.len());
        if !run.started {
            run.usage.cached_tokens = reuse as u32;
            add(&self.shared.counters.cached_tokens, reuse as u64);
        }
        self.clock += 1;
        self.slots[index].last_used = self.clock;
        self.slots[index].role = Role::Active(run);
        self.left_waiting_line(1);
        Ok(())
    }

    /// The slot whose tokens have the longest common beginning with `tokens`.
    fn best_source(&self, tokens: &[u32]) -> (Option<usize>, usize) {
        let mut best = (None, 0);
        for (index, slot) in self.slots.iter().enumerate() {
            let shared = common_prefix(&slot.tokens, tokens);
            // Such a memory can only go on where it is.
            let usable = !self.recurrent
                || (shared == slot.tokens.len() && shared < tokens.len() && slot.run().is_none());
            if usable && shared > best.1 {
                best = (Some(index), shared);
            }
        }
        best
    }

    /// Whether a running prefill will soon hold clearly more of `tokens` than `shared`.
    fn is_being_computed(&self, tokens: &[u32], shared: usize) -> bool {
        !self.recurrent
            && self.slots.iter().filter_map(Slot::run).any(|run| {
                !run.started && common_prefix(&run.tokens, tokens) >= shared + WORTH_WAITING_TOKENS
            })
    }

    /// Cells that are free or can be made free without the source.
    fn available(&self, source: Option<usize>) -> usize {
        let evictable = self
            .slots
            .iter()
            .enumerate()
            .filter(|(index, slot)| Some(*index) != source && slot.run().is_none());
        let evictable: usize = evictable.map(|(_, slot)| self.cells.unshared(&slot.cells)).sum();
        self.cells.free() + evictable
    }

    /// The source itself where nothing is lost by going on in it, else an empty or old slot.
    fn choose_slot(
        &mut self,
        source: Option<usize>,
        shared: usize,
        hold: Option<&String>,
    ) -> Option<usize> {
        if let Some(index) = source
            && let Role::Resident { hold: held, .. } = &self.slots[index].role
        {
            let extends = shared == self.slots[index].tokens.len();
            let own = held.is_some() && held.as_ref() == hold;
            if own || (extends && held.is_none()) || self.recurrent {
                return Some(index);
            }
        }
        if let Some(index) = self.slots.iter().position(Slot::is_empty) {
            return Some(index);
        }
        let index = self.oldest_resident(source).or(source)?;
        if self.slots[index].run().is_some() {
            return None;
        }
        if Some(index) != source {
            self.evict(index);
        }
        Some(index)
    }

    /// The resident slot to give up first: the least recently used, held ones last.
    fn oldest_resident(&self, except: Option<usize>) -> Option<usize> {
        let residents = self.slots.iter().enumerate().filter(|(index, slot)| {
            Some(*index) != except && slot.run().is_none() && !slot.tokens.is_empty()
        });
        residents.min_by_key(|(_, slot)| (slot.is_held(), slot.last_used)).map(|(index, _)| index)
    }

    // --- The KV cache

    /// Lets the empty slot `target` begin with `tokens` tokens of `source`.
    fn share(&mut self, source: usize, target: usize, tokens: usize) {
        let from = &self.slots[source];
        let end = from.position(tokens);
        self.context.share(source as i32, target as i32, end);
        let (prefix, cells) = (from.tokens[..tokens].to_vec(), from.cells[..tokens].to_vec());
        let positions = from.positions[..tokens].to_vec();
        self.cells.share(&cells);
        let to = &mut self.slots[target];
        (to.tokens, to.cells, to.positions, to.end) = (prefix, cells, positions, end);
    }

    /// Forgets all but the first `keep` tokens. False where all had to be forgotten.
    fn truncate(&mut self, index: usize, keep: usize) -> bool {
        let kept = self.context.truncate(index as i32, self.slots[index].position(keep));
        let keep = if kept { keep } else { 0 };
        if !kept {
            self.context.truncate(index as i32, 0);
        }
        let slot = &mut self.slots[index];
        slot.end = slot.position(keep);
        slot.tokens.truncate(keep);
        slot.positions.truncate(keep);
        self.cells.release(slot.cells.drain(keep..));
        kept
    }

    fn evict(&mut self, index: usize) {
        self.save_cold(index);
        self.clear(index);
        add(&self.shared.counters.evictions, 1);
    }

    fn clear(&mut self, index: usize) {
        self.truncate(index, 0);
        self.slots[index].role = Role::Resident { hold: None, flush: Vec::new() };
    }

    /// Makes `count` cells free. False where not even the oldest residents give enough.
    fn make_room(&mut self, count: usize) -> bool {
        while self.cells.free() < count {
            match self.oldest_resident(None) {
                Some(index) => self.evict(index),
                None => return false,
            }
        }
        true
    }

    fn save_cold(&mut self, index: usize) {
        let slot = &self.slots[index];
        let Some(disk) = &mut self.disk else { return };
        // The ids of pictures are this process's own.
        let is_kept = slot.tokens.len() >= disk::TOKENS_MIN && !slot.shows_pictures();
        if !is_kept || disk.contains(&slot.tokens) {
            return;
        }
        if let Some(state) = self.context.save(index as i32) {
            disk.write(&slot.tokens, &state);
            add(&self.shared.counters.cold_saved, 1);
        }
    }

    /// Brings a cold prefix back where it holds clearly more than the warm ones.
    fn restore_cold(&mut self, tokens: &[u32], shared: usize) -> Option<usize> {
        let disk = self.disk.as_ref()?;
        let (entry, cold) = disk.longest_prefix(tokens)?;
        let count = disk.tokens(entry).len();
        if cold < shared + WORTH_WAITING_TOKENS || (self.recurrent && cold != count) {
            return None;
        }
        if count > self.cells.len() || !self.make_room(count) {
            return None;
        }
        let index = self.slots.iter().position(Slot::is_empty)?;
        let stored = self.disk.as_ref()?.tokens(entry).to_vec();
        let state = self.disk.as_mut()?.read(entry)?;
        if !self.context.restore(index as i32, &state) {
            self.context.truncate(index as i32, 0);
            return None;
        }
        let cells: Vec<u32> = (0..count).filter_map(|_| self.cells.take()).collect();
        let slot = &mut self.slots[index];
        (slot.cells, slot.tokens) = (cells, stored);
        slot.positions = (0..count as u32).collect();
        slot.end = count as u32;
        add(&self.shared.counters.cold_restored, 1);
        Some(index)
    }

    // --- One step

    /// Feeds one batch of words and one picture, and draws. False where there was nothing to feed.
    fn step(&mut self) -> bool {
        let stepped = self.step_words();
        let seen = !self.shutdown && self.step_picture();
        stepped || seen || self.resolve_shortage()
    }

    fn step_words(&mut self) -> bool {
        let feeds = self.plan();
        if feeds.is_empty() {
            return false;
        }
        let rows = self.context.batch_len();
        let threads = self.threads.threads(rows);
        self.context.set_threads(threads);
        set(&self.shared.counters.threads, u64::from(threads));
        let begun = Instant::now();
        let outcome = self.context.decode();
        self.threads.record(rows, threads, begun.elapsed());
        add(&self.shared.counters.steps, 1);
        match outcome {
            Ok(()) => self.take_in(feeds),
            Err(failure) => self.give_up(feeds, failure),
        }
        true
    }

    /// Fills the batch: decoding sequences first, then prompts, each oldest first.
    fn plan(&mut self) -> Vec<Feed> {
        self.context.clear_batch();
        let mut feeds = Vec::new();
        for index in 0..self.slots.len() {
            self.plan_flush(index, &mut feeds);
        }
        let mut order: Vec<usize> = (0..self.slots.len())
            .filter(|index| self.slots[*index].run().is_some_and(Run::is_read))
            .collect();
        order.sort_by_key(|index| self.slots[*index].run().map(|run| run.order));
        let (decoding, prefilling): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|i| self.slots[*i].run().is_some_and(Run::is_decoding));
        for index in decoding {
            self.plan_run(index, usize::MAX, &mut feeds);
        }
        let mut budget = match feeds.is_empty() {
            true => self.options.batch_tokens as usize,
            false => self.options.prefill_beside_decode_tokens as usize,
        };
        for index in prefilling {
            budget -= self.plan_run(index, budget, &mut feeds);
        }
        feeds
    }

    /// Adds up to `limit` unfed words of an active slot to the batch, those before the next picture.
    /// Returns how many.
    fn plan_run(&mut self, index: usize, limit: usize, feeds: &mut Vec<Feed>) -> usize {
        let slot = &self.slots[index];
        let Some(run) = slot.run() else { return 0 };
        let fed = slot.tokens.len();
        let unfed = run.tokens.len() - fed;
        let words = run.unfed(fed).first().map_or(unfed, |placed| placed.start - fed);
        let mut count = words.min(limit).min(self.context.batch_room());
        if !self.make_room(count) {
            count = count.min(self.cells.free());
        }
        if count == 0 {
            return 0;
        }
        let Some(run) = self.slots[index].run() else { return 0 };
        let tokens = run.tokens[fed..fed + count].to_vec();
        self.push_feed(index, tokens, count == unfed, feeds);
        count
    }

    fn plan_flush(&mut self, index: usize, feeds: &mut Vec<Feed>) {
        let room = self.context.batch_room();
        let Role::Resident { flush, .. } = &mut self.slots[index].role else { return };
        if flush.is_empty() {
            return;
        }
        let tokens = std::mem::take(flush);
        // Only a convenience for the next turn: without room it is left.
        if tokens.len() <= room && tokens.len() <= self.cells.free() {
            add(&self.shared.counters.flushed_tokens, tokens.len() as u64);
            self.push_feed(index, tokens, false, feeds);
        }
    }

    fn push_feed(&mut self, slot: usize, tokens: Vec<u32>, draws: bool, feeds: &mut Vec<Feed>) {
        let start = self.slots[slot].end;
        let mut cells = Vec::with_capacity(tokens.len());
        for (i, token) in tokens.iter().enumerate() {
            let wants_logits = draws && i + 1 == tokens.len();
            self.context.push(*token, start + i as u32, slot as i32, wants_logits);
            cells.extend(self.cells.take());
        }
        let row = draws.then(|| self.context.batch_len() - 1);
        feeds.push(Feed { slot, tokens, cells, row });
    }

    /// Nothing could be fed: the youngest sequence makes room, or the only one is at its end.
    fn resolve_shortage(&mut self) -> bool {
        let ready =
            |slot: &Slot| slot.run().is_some_and(Run::is_read) && !slot.waits_for_a_picture();
        let stuck: Vec<usize> =
            (0..self.slots.len()).filter(|index| ready(&self.slots[*index])).collect();
        let youngest = stuck.iter().copied().max_by_key(|i| self.slots[*i].run().map(|r| r.order));
        let Some(index) = youngest else { return false };
        if stuck.len() == 1 {
            self.finish(index, FinishReason::ContextFull);
        } else {
            self.preempt(index);
        }
        true
    }

    /// Puts a sequence back into the waiting line; its KV may be given to others.
    fn preempt(&mut self, index: usize) {
        if let Some(run) = self.retire(index, None, Vec::new()) {
            self.shared.waiting.fetch_add(1, Ordering::Relaxed);
            self.waiting.push_front(run);
            add(&self.shared.counters.preemptions, 1);
        }
    }

    /// The batch was computed: note it, and draw the next tokens.
    fn take_in(&mut self, feeds: Vec<Feed>) {
        let mut rows = Vec::new();
        for feed in feeds {
            let count = feed.tokens.len();
            let slot = &mut self.slots[feed.slot];
            slot.tokens.extend(feed.tokens);
            slot.cells.extend(feed.cells);
            slot.positions.extend(slot.end..slot.end + count as u32);
            slot.end += count as u32;
            self.note_prefilled(feed.slot, count);
            rows.extend(feed.row.map(|row| (feed.slot, row)));
        }
        for (index, row) in rows {
            let mut indices = vec![index];
            if let Role::Active(run) = &mut self.slots[index].role
                && !run.started
            {
                run.start();
                let resumed = run.resume(&self.vocab);
                let children = std::mem::take(&mut run.children);
                if let Err(error) = resumed {
                    run.children = children;
                    self.fail(index, error);
                    continue;
                }
                if !children.is_empty() {
                    indices.extend(self.fork(index, children));
                }
            }
            for index in indices {
                self.draw(index, row);
            }
        }
    }

    fn note_prefilled(&mut self, index: usize, count: usize) {
        if let Role::Active(run) = &mut self.slots[index].role
            && !run.started
        {
            run.usage.prefilled_tokens += count as u32;
            add(&self.shared.counters.prefilled_tokens, count as u64);
        }
    }

    /// Gives each child a slot that shares the parent's prompt. Those without one wait.
    fn fork(&mut self, parent: usize, children: Vec<Child>) -> Vec<usize> {
        let begun = Instant::now();
        let mut placed = Vec::new();
        let mut left = Vec::new();
        let places = self.options.sequences_max as usize;
        let Some(run) = self.slots[parent].run() else { return placed };
        let (request, order) = (Arc::clone(&run.request), run.order);
        let (prompt, prompt_len) = (run.tokens.clone(), run.prompt_len);
        let pictures = Arc::clone(&run.pictures);
        for child in children {
            let mut run = Box::new(Run::with(
                Arc::clone(&request),
                prompt.clone(),
                prompt_len,
                Arc::clone(&pictures),
                child,
                vec![],
            ));
            run.order = order;
            let slot = if self.active() < places { self.empty_slot(parent) } else { None };
            match slot {
                Some(index) if !self.recurrent => {
                    self.share(parent, index, prompt.len());
                    run.usage.cached_tokens = prompt.len() as u32;
                    add(&self.shared.counters.cached_tokens, prompt.len() as u64);
                    run.start();
                    let resumed = run.resume(&self.vocab);
                    self.clock += 1;
                    self.slots[index].last_used = self.clock;
                    self.slots[index].role = Role::Active(run);
                    match resumed {
                        Ok(()) => placed.push(index),
                        Err(error) => self.fail(index, error),
                    }
                }
                _ => left.push(run),
            }
        }
        set(&self.shared.counters.fork_last_ns, begun.elapsed().as_nanos() as u64);
        add(&self.shared.counters.forks, placed.len() as u64);
        self.left_waiting_line(placed.len());
        for run in left.into_iter().rev() {
            self.waiting.push_front(run);
        }
        placed
    }

    fn empty_slot(&mut self, except: usize) -> Option<usize> {
        if let Some(index) = self.slots.iter().position(Slot::is_empty) {
            return Some(index);
        }
        let index = self.oldest_resident(Some(except))?;
        self.evict(index);
        Some(index)
    }

    fn draw(&mut self, index: usize, row: usize) {
        let Role::Active(run) = &mut self.slots[index].role else { return };
        let before = run.usage.generated_tokens;
        let outcome = match self.context.logits(row) {
            Some(logits) => run.advance(logits, &self.vocab, self.options.context_tokens as usize),
            None => Err(EngineError::DeadEnd("the step gave no logits")),
        };
        let generated = run.usage.generated_tokens - before;
        add(&self.shared.counters.generated_tokens, u64::from(generated));
        match outcome {
            Ok(None) => {}
            Ok(Some(reason)) => self.finish(index, reason),
            Err(error) => self.fail(index, error),
        }
    }

    fn finish(&mut self, index: usize, reason: FinishReason) {
        let fed = self.slots[index].tokens.len();
        let Some(run) = self.slots[index].run() else { return };
        run.send(Ok(Generated::Finished { reason, usage: run.usage }));
        let hold = run.request.hold.clone();
        let flush = match hold {
            Some(_) => run.tokens[fed.min(run.tokens.len())..].to_vec(),
            None => Vec::new(),
        };
        if let Some(key) = &hold {
            self.obey(Command::Release(key.clone()));
        }
        let orphans = self.retire(index, hold, flush).map(|run| run.children);
        self.left_waiting_line(orphans.map_or(0, |children| children.len()));
        self.limit_holds();
    }

    fn limit_holds(&mut self) {
        let held = |slot: &&mut Slot| slot.is_held();
        while self.slots.iter().filter(|slot| slot.is_held()).count() > self.options.holds_max {
            let oldest = self.slots.iter_mut().filter(held).min_by_key(|slot| slot.last_used);
            if let Some(slot) = oldest
                && let Role::Resident { hold, .. } = &mut slot.role
            {
                *hold = None;
            }
        }
    }

    fn fail(&mut self, index: usize, error: EngineError) {
        if let Some(run) = self.retire(index, None, Vec::new()) {
            for child in &run.children {
                let _ = child.events.try_send(Err(error.clone()));
            }
            self.left_waiting_line(run.children.len());
            run.send(Err(error));
        }
    }

    /// The batch was not computed.
    fn give_up(&mut self, feeds: Vec<Feed>, failure: DecodeFailure) {
        let slots: Vec<usize> = feeds.iter().map(|feed| feed.slot).collect();
        for feed in feeds {
            self.cells.release(feed.cells);
            let keep = self.slots[feed.slot].tokens.len();
            self.truncate(feed.slot, keep);
        }
        match failure {
            // The engine is being dropped: `work` ends with the command that says so.
            DecodeFailure::Aborted => self.shutdown = true,
            DecodeFailure::NoRoom => {
                // llama.cpp sees less room than we: make some, or the step cannot be repeated.
                match self.oldest_resident(None) {
                    Some(index) => self.evict(index),
                    None => drop(self.resolve_shortage()),
                }
            }
            // The next look for cancelled sequences finds it.
            DecodeFailure::Unwanted => {}
            DecodeFailure::Fatal(code) => {
                for index in slots {
                    self.fail(index, EngineError::Compute { code });
                    self.truncate(index, 0);
                }
            }
        }
    }
}

fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}
