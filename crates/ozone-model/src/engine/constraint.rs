//! What limits the next token of one sequence, beside its probabilities: grammars and the end of
//! thinking.
//!
//! A grammar sleeps until its trigger was generated, rules until it is complete, and sleeps again:
//! an answer may hold several calls. A token that completes a textual trigger and goes on must fit
//! the grammar with the rest, or it is refused; so no token can jump over the start of a grammar.

use toktrie::SimpleVob;

use super::guide::Guide;
use super::{EngineError, ThinkingLimit, Trigger};

/// The grammars of one sequence and where it is in them.
pub(super) struct Constraint {
    rules: Vec<(Trigger, Guide)>,
    state: State,
    /// The latest bytes, as many as a textual trigger may need.
    tail: Vec<u8>,
    tail_bytes_max: usize,
}

#[expect(clippy::large_enum_variant, reason = "one per sequence, and never moved while large")]
enum State {
    Watching,
    Inside {
        rule: usize,
        guide: Guide,
    },
    /// An `AtOnce` grammar has ended: so has the answer.
    Complete,
}

/// What became of a drawn token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Accepted,
    /// Draw another one.
    Refused,
}

impl Constraint {
    pub fn new(rules: Vec<(Trigger, Guide)>) -> Constraint {
        let text_len = |trigger: &Trigger| match trigger {
            Trigger::Text(text) => text.len(),
            Trigger::AtOnce | Trigger::Tokens(_) => 0,
        };
        let tail_bytes_max = rules.iter().map(|(trigger, _)| text_len(trigger)).max().unwrap_or(0);
        let at_once = rules.iter().position(|(trigger, _)| *trigger == Trigger::AtOnce);
        let state = match at_once {
            Some(rule) => State::Inside { rule, guide: rules[rule].1.fork() },
            None => State::Watching,
        };
        Constraint { rules, state, tail: Vec::new(), tail_bytes_max }
    }

    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Whether a grammar rules that knows nothing of thoughts: a call. That of a whole answer
    /// knows where they may end.
    pub fn is_inside_call(&self) -> bool {
        match &self.state {
            State::Inside { rule, .. } => self.rules[*rule].0 != Trigger::AtOnce,
            State::Watching | State::Complete => false,
        }
    }

    /// The tokens that may follow, where a grammar rules.
    pub fn mask(&mut self) -> Result<Option<SimpleVob>, EngineError> {
        let State::Inside { guide, .. } = &mut self.state else { return Ok(None) };
        let mask = guide.mask()?;
        if mask.is_zero() {
            return Err(EngineError::DeadEnd("the grammar allows none"));
        }
        Ok(Some(mask))
    }

    /// Whether a token may follow now: within a character, its end must.
    pub fn allows(&mut self, id: u32) -> bool {
        match &mut self.state {
            State::Inside { guide, .. } => guide.allows(id),
            State::Watching => true,
            State::Complete => false,
        }
    }

    /// Takes a token that was drawn. `before` are the tokens generated so far.
    pub fn offer(&mut self, before: &[u32], id: u32, bytes: &[u8]) -> Result<Offer, EngineError> {
        match &mut self.state {
            State::Complete => Ok(Offer::Refused),
            State::Inside { .. } => self.consume(id, bytes).map(|()| Offer::Accepted),
            State::Watching if self.rules.is_empty() => Ok(Offer::Accepted),
            State::Watching => Ok(self.watch(before, id, bytes)),
        }
    }

    fn consume(&mut self, id: u32, bytes: &[u8]) -> Result<(), EngineError> {
        let State::Inside { rule, guide } = &mut self.state else { return Ok(()) };
        guide.consume(id)?;
        if guide.is_stopped() {
            let at_once = self.rules[*rule].0 == Trigger::AtOnce;
            self.state = if at_once { State::Complete } else { State::Watching };
            self.tail.clear();
        } else {
            self.remember(bytes);
        }
        Ok(())
    }

    fn watch(&mut self, before: &[u32], id: u32, bytes: &[u8]) -> Offer {
        for rule in 0..self.rules.len() {
            let (trigger, fresh) = &self.rules[rule];
            let entered = match trigger {
                Trigger::AtOnce => None,
                Trigger::Tokens(ids) => match ids.split_last() {
                    Some((last, rest)) if *last == id && before.ends_with(rest) => {
                        Some(Ok(fresh.fork()))
                    }
                    _ => None,
                },
                Trigger::Text(text) => {
                    let beyond = self.beyond_trigger(text.as_bytes(), bytes);
                    beyond.map(|beyond| start_with(fresh, &beyond))
                }
            };
            match entered {
                None => {}
                Some(Ok(guide)) => {
                    self.tail.clear();
                    self.state = State::Inside { rule, guide };
                    return Offer::Accepted;
                }
                Some(Err(())) => return Offer::Refused,
            }
        }
        self.remember(bytes);
        Offer::Accepted
    }

    /// If `bytes` complete the trigger: what follows it.
    fn beyond_trigger(&self, trigger: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        if trigger.is_empty() {
            return None;
        }
        let text = [&self.tail, bytes].concat();
        let at = text.windows(trigger.len()).position(|window| window == trigger)?;
        let end = at + trigger.len();
        (end > self.tail.len()).then(|| text[end..].to_vec())
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.tail_bytes_max == 0 {
            return;
        }
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(self.tail_bytes_max);
        self.tail.drain(..surplus);
    }

    /// Tokens that must follow: there is no other way on in the grammar.
    pub fn forced(&mut self) -> Vec<u32> {
        match &mut self.state {
            State::Inside { guide, .. } => guide.forced(),
            State::Watching | State::Complete => Vec::new(),
        }
    }
}

/// A guide that has read `bytes` already.
fn start_with(fresh: &Guide, bytes: &[u8]) -> Result<Guide, ()> {
    let mut guide = fresh.fork();
    if bytes.is_empty() || guide.read(bytes) { Ok(guide) } else { Err(()) }
}

/// Counts the tokens of thinking and ends it at its limit.
pub(super) struct Thinking {
    limit: Option<ThinkingLimit>,
    phase: Phase,
    tokens: u32,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Thinking,
    NotThinking,
}

/// The logit that the end tag has gained at the limit: enough for any but the firmest will.
const END_BIAS_MAX: f32 = 8.0;

impl Thinking {
    pub fn new(limit: Option<ThinkingLimit>) -> Thinking {
        let opened = limit.as_ref().is_some_and(|limit| limit.start.is_none());
        let phase = if opened { Phase::Thinking } else { Phase::NotThinking };
        Thinking { limit, phase, tokens: 0 }
    }

    /// Notes that the last of `generated` was generated.
    pub fn accept(&mut self, generated: &[u32]) {
        let Some(limit) = &self.limit else { return };
        match self.phase {
            Phase::Thinking => {
                self.tokens += 1;
                if generated.ends_with(&limit.end) {
                    self.phase = Phase::NotThinking;
                }
            }
            Phase::NotThinking => {
                let starts = limit.start.as_ref();
                if starts.is_some_and(|start| !start.is_empty() && generated.ends_with(start)) {
                    self.phase = Phase::Thinking;
                }
            }
        }
    }

    /// The tokens to write by force now, if the limit is reached.
    pub fn forced(&self) -> Option<Vec<u32>> {
        let limit = self.limit.as_ref()?;
        let over = self.phase == Phase::Thinking && self.tokens >= limit.tokens_max;
        over.then(|| limit.forced())
    }

    /// What makes the end likelier as the limit comes near.
    pub fn bias(&self) -> Option<(u32, f32)> {
        let limit = self.limit.as_ref()?;
        let eighth = (limit.tokens_max / 8).max(1);
        let into = self.tokens.checked_sub(limit.tokens_max.saturating_sub(eighth))?;
        if self.phase == Phase::NotThinking || into == 0 {
            return None;
        }
        let share = (into as f32 / eighth as f32).min(1.0);
        limit.end.first().map(|id| (*id, share * END_BIAS_MAX))
    }
}
