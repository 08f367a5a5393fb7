//! One answer on its way: what was generated, what limits it and who reads it.
//!
//! A run knows nothing of the KV cache. `worker.rs` feeds its tokens and hands it the logits; it
//! answers with the next tokens, and tells its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::constraint::{Constraint, Offer, Thinking};
use super::sampling::{Constraints, Picked, Sampler};
use super::sight::Placed;
use super::{
    EngineError, EngineUsage, FORCED_TOKENS_MAX, FinishReason, GenerateRequest, Generated, Token,
    Vocab,
};

/// A sequence is fed only while its reader leaves this much room for events.
const EVENTS_ROOM_MIN: usize = FORCED_TOKENS_MAX + 32;
/// Tokens that a grammar may force in one step.
const GRAMMAR_FORCED_MAX: usize = 16;
/// Drawn tokens that may be refused in one step before the answer fails.
const REFUSED_MAX: usize = 64;

type Events = mpsc::Sender<Result<Generated, EngineError>>;

/// One of the answers to a request.
pub(super) struct Child {
    pub seed: u64,
    pub events: Events,
    pub paused: Arc<AtomicBool>,
    pub constraint: Constraint,
}

/// An answer on its way.
pub(super) struct Run {
    pub request: Arc<GenerateRequest>,
    /// When it came: the oldest goes first.
    pub order: u64,
    /// Prompt and answer.
    pub tokens: Vec<u32>,
    pub prompt_len: usize,
    /// In the prompt, by where they start.
    pub pictures: Arc<[Placed]>,
    pub me: Child,
    /// Answers that begin where this one's prompt ends.
    pub children: Vec<Child>,
    pub sampler: Sampler,
    pub thinking: Thinking,
    pub started: bool,
    pub usage: EngineUsage,
}

impl Run {
    /// `children` must not be empty; the first one computes the prompt for all.
    pub fn new(
        mut request: GenerateRequest,
        pictures: Arc<[Placed]>,
        mut children: Vec<Child>,
    ) -> Run {
        let me = children.remove(0);
        let mut tokens = std::mem::take(&mut request.prompt);
        let prompt_len = tokens.len();
        tokens.append(&mut request.resumed);
        Run::with(Arc::new(request), tokens, prompt_len, pictures, me, children)
    }

    pub fn with(
        request: Arc<GenerateRequest>,
        tokens: Vec<u32>,
        prompt_len: usize,
        pictures: Arc<[Placed]>,
        me: Child,
        children: Vec<Child>,
    ) -> Run {
        let mut sampling = request.sampling.clone();
        sampling.seed = me.seed;
        let usage = EngineUsage { prompt_tokens: tokens.len() as u32, ..EngineUsage::default() };
        Run {
            sampler: Sampler::new(sampling, request.logprobs),
            thinking: Thinking::new(request.thinking.clone()),
            request,
            order: 0,
            tokens,
            prompt_len,
            pictures,
            me,
            children,
            started: false,
            usage,
        }
    }

    /// The pictures that are still to be fed, after the first `fed` tokens.
    pub fn unfed(&self, fed: usize) -> &[Placed] {
        let first = self.pictures.partition_point(|placed| placed.start < fed);
        &self.pictures[first..]
    }

    /// Takes note of the tokens that were generated earlier, as if they came now.
    pub fn resume(&mut self, vocab: &Vocab) -> Result<(), EngineError> {
        for at in self.prompt_len..self.tokens.len() {
            let (id, before) = (self.tokens[at], &self.tokens[self.prompt_len..at]);
            let refused = EngineError::DeadEnd("what was generated earlier does not fit");
            if self.me.constraint.offer(before, id, vocab.decode_bytes(id))? == Offer::Refused {
                return Err(refused);
            }
            self.sampler.accept(id);
            self.thinking.accept(&self.tokens[self.prompt_len..=at]);
        }
        Ok(())
    }

    pub fn is_decoding(&self) -> bool {
        self.started
    }

    pub fn is_cancelled(&self) -> bool {
        self.me.events.is_closed()
    }

    /// Whether the reader keeps up. Where not, it will send `Wake`.
    pub fn is_read(&self) -> bool {
        if self.me.events.capacity() >= EVENTS_ROOM_MIN {
            return true;
        }
        self.me.paused.store(true, Ordering::Release);
        // It may have read between the look and the note.
        self.me.events.capacity() >= EVENTS_ROOM_MIN
    }

    pub fn send(&self, event: Result<Generated, EngineError>) {
        // A closed channel is found at the next step; a full one cannot be, see `is_read`.
        let _ = self.me.events.try_send(event);
    }

    pub fn start(&mut self) {
        self.started = true;
        self.send(Ok(Generated::Started {
            prompt_tokens: self.usage.prompt_tokens,
            cached_tokens: self.usage.cached_tokens,
            prefilled_tokens: self.usage.prefilled_tokens,
        }));
    }

    /// Draws what follows the last token, from its logits.
    pub fn advance(
        &mut self,
        logits: &[f32],
        vocab: &Vocab,
        context_tokens: usize,
    ) -> Result<Option<FinishReason>, EngineError> {
        // A call that was begun within a thought is finished first.
        if !self.me.constraint.is_inside_call()
            && let Some(ids) = self.thinking.forced()
            && ids.first().is_some_and(|id| self.me.constraint.allows(*id))
        {
            return self.write_by_force(&ids, vocab, context_tokens);
        }
        let picked = self.pick(logits, vocab)?;
        if let Some(reason) = self.push(picked, false, vocab, context_tokens) {
            return Ok(Some(reason));
        }
        let mut ids = self.me.constraint.forced();
        ids.truncate(GRAMMAR_FORCED_MAX);
        self.write_by_force(&ids, vocab, context_tokens)
    }

    fn write_by_force(
        &mut self,
        ids: &[u32],
        vocab: &Vocab,
        context_tokens: usize,
    ) -> Result<Option<FinishReason>, EngineError> {
        for &id in ids {
            let before = &self.tokens[self.prompt_len..];
            let bytes = vocab.decode_bytes(id);
            if !self.me.constraint.allows(id)
                || self.me.constraint.offer(before, id, bytes)? == Offer::Refused
            {
                break;
            }
            let picked = Picked { id, logprob: None, top: Vec::new() };
            if let Some(reason) = self.push(picked, true, vocab, context_tokens) {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn pick(&mut self, logits: &[f32], vocab: &Vocab) -> Result<Picked, EngineError> {
        let mask = self.me.constraint.mask()?;
        let bias = self.thinking.bias();
        let mut refused = Vec::new();
        loop {
            let ban = [&self.request.ban[..], &refused].concat();
            let constraints = Constraints { mask: mask.as_ref(), ban: &ban, bias: bias.as_slice() };
            let picked = self
                .sampler
                .pick(logits, &constraints)
                .ok_or(EngineError::DeadEnd("the model gives every token no chance"))?;
            let bytes = vocab.decode_bytes(picked.id);
            let before = &self.tokens[self.prompt_len..];
            match self.me.constraint.offer(before, picked.id, bytes)? {
                Offer::Accepted => return Ok(picked),
                Offer::Refused if refused.len() < REFUSED_MAX => refused.push(picked.id),
                Offer::Refused => {
                    return Err(EngineError::DeadEnd("the grammar refuses what the model wants"));
                }
            }
        }
    }

    /// Adds a token to the answer and reports it.
    fn push(
        &mut self,
        picked: Picked,
        forced: bool,
        vocab: &Vocab,
        context_tokens: usize,
    ) -> Option<FinishReason> {
        let id = picked.id;
        self.tokens.push(id);
        self.usage.generated_tokens += 1;
        self.sampler.accept(id);
        self.thinking.accept(&self.tokens[self.prompt_len..]);
        self.send(Ok(Generated::Token(Token {
            id,
            bytes: vocab.decode_bytes(id).to_vec(),
            is_special: vocab.is_special(id),
            forced,
            logprob: picked.logprob,
            top_logprobs: picked.top,
        })));
        if vocab.is_end_of_generation(id) {
            Some(FinishReason::EndOfGeneration)
        } else if self.request.stop_ids.contains(&id) {
            Some(FinishReason::Stop)
        } else if self.me.constraint.is_complete() {
            Some(FinishReason::GrammarComplete)
        } else if self.usage.generated_tokens >= self.request.max_tokens {
            Some(FinishReason::Length)
        } else if self.tokens.len() >= context_tokens {
            Some(FinishReason::ContextFull)
        } else {
            None
        }
    }
}

/// Lets the next child that is still wanted take the place of a cancelled parent. Returns how many
/// children have gone.
pub(super) fn promote(run: &mut Run) -> usize {
    let before = run.children.len();
    run.children.retain(|child| !child.events.is_closed());
    let mut gone = before - run.children.len();
    if run.is_cancelled() && !run.started && !run.children.is_empty() {
        let child = run.children.remove(0);
        let mut sampling = run.request.sampling.clone();
        sampling.seed = child.seed;
        run.sampler = Sampler::new(sampling, run.request.logprobs);
        run.me = child;
        gone += 1;
    }
    gone
}
