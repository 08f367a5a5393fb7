//! What of a conversation goes to the model: all of it, all but its oldest exchanges, or a summary in
//! place of what came before.
//!
//! A summary is a sample of its own, asked of the same model behind the same turns, so that an
//! engine has read them already. It is journaled as one item before anything is left out, and it is
//! a step of the response: budgets and the ledger see it as they see any sample.

use ozone_model::{Calls, Constraints, ModelError, SampleEvent, SampleRequest, Turn};
use ozone_prompt::Message;
use ozone_store::Durability;
use ozone_types::item::Known;
use ozone_types::{ItemId, Usage};
use tracing::Instrument;

use crate::record::{Record, ReplayedCompaction};
use crate::run::{Run, State, Stopped};
use crate::spans;
use crate::writer::Written;

/// What the model is asked when a conversation is compacted.
pub const SUM_UP: &str = "Sum up the conversation so far for somebody who goes on with it and sees \
     nothing else: what was asked and decided, every fact, number, name and file that still \
     matters, what was tried and failed, and what is left to do. Write only the summary.";

/// How a summary is put before the model.
const SUMMARY: &str = "Summary of the conversation so far:\n";
/// The most tokens of a summary.
const SUMMARY_TOKENS_MAX: u64 = 8_192;
/// What users said last stays word for word beside a summary: so many bytes of it, and always the
/// last question.
const USERS_BYTES_MAX: usize = 64 << 10;
/// About so many bytes are a token in the languages that models are mostly trained on.
const BYTES_PER_TOKEN: u64 = 4;

/// How much of what users said stays beside a summary: about a quarter of the threshold, since a
/// token is about four bytes.
pub(crate) fn users_bytes_max(threshold: Option<u64>) -> usize {
    let threshold = threshold.and_then(|tokens| usize::try_from(tokens).ok());
    USERS_BYTES_MAX.min(threshold.unwrap_or(usize::MAX))
}

/// The turns with a summary in place of what the model and its tools said. What tells the model who
/// it is stays.
pub(crate) fn compacted(turns: Vec<Turn>, summary: &str, users_bytes_max: usize) -> Vec<Turn> {
    let stays = staying(&turns, users_bytes_max);
    let mut kept: Vec<Turn> =
        turns.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(turn, _)| turn).collect();
    let text = format!("{SUMMARY}{summary}");
    kept.push(Turn::Given(Message::Developer { text }));
    kept
}

/// Which turns stay beside a summary. An older summary is part of the new one.
fn staying(turns: &[Turn], users_bytes_max: usize) -> Vec<bool> {
    let (mut left, mut is_last) = (users_bytes_max, true);
    let mut stays: Vec<bool> = (turns.iter().rev())
        .map(|turn| match turn {
            turn if is_user(turn) => {
                let fits = left.checked_sub(length(turn));
                // What is older than what was left out is left out, too.
                left = fits.unwrap_or(0);
                std::mem::take(&mut is_last) || fits.is_some()
            }
            turn if is_summary(turn) => false,
            turn => tells(turn),
        })
        .collect();
    stays.reverse();
    stays
}

fn is_user(turn: &Turn) -> bool {
    matches!(turn, Turn::Given(Message::User { .. }) | Turn::Shown { .. })
}

fn is_summary(turn: &Turn) -> bool {
    matches!(turn, Turn::Given(Message::Developer { text }) if text.starts_with(SUMMARY))
}

/// It tells the model who it is.
fn tells(turn: &Turn) -> bool {
    matches!(turn, Turn::Given(Message::System { .. } | Message::Developer { .. }))
}

/// The turns that go to the model: what tells it who it is stays, whatever its age.
pub(crate) fn kept(turns: &[Turn], dropped: usize) -> Vec<Turn> {
    let kept = turns.iter().enumerate().filter(|(at, turn)| *at >= dropped || tells(turn));
    kept.map(|(_, turn)| turn.clone()).collect()
}

/// How many of the oldest turns must go so that the rest may fit: whole exchanges, and never the
/// last question. `None` when nothing more can go.
pub(crate) fn to_drop(
    turns: &[Turn],
    dropped: usize,
    input_tokens: u64,
    context_window: u64,
) -> Option<usize> {
    let starts: Vec<usize> = (turns.iter().enumerate())
        .filter(|(at, turn)| *at > dropped && is_user(turn))
        .map(|(at, _)| at)
        .collect();
    // Room for an answer: a quarter of the window.
    let keep = context_window - context_window / 4;
    let excess = input_tokens.saturating_sub(keep);
    let length = |turns: &[Turn]| turns.iter().map(length).sum::<usize>() as u64;
    let all = length(&kept(turns, dropped)).max(1);
    let enough = |at: &usize| {
        let gone = length(&turns[dropped..*at]);
        gone.saturating_mul(input_tokens) >= excess.saturating_mul(all)
    };
    starts.iter().copied().find(enough).or(starts.last().copied())
}

/// How long a turn is, roughly, in bytes.
fn length(turn: &Turn) -> usize {
    let of_images = |images: &[ozone_model::Image]| 4096 * images.len();
    match turn {
        Turn::Shown { text, images } => text.len() + of_images(images),
        Turn::Returned { result, images } => length_of(result) + of_images(images),
        Turn::Given(message) | Turn::Sampled { message, .. } => length_of(message),
    }
}

fn length_of(message: &Message) -> usize {
    match message {
        Message::System { text } | Message::Developer { text } | Message::User { text } => {
            text.len()
        }
        Message::Assistant { reasoning, text, tool_calls } => {
            let calls = tool_calls.iter().map(|c| c.name.len() + c.arguments.len());
            reasoning.as_ref().map_or(0, String::len) + text.len() + calls.sum::<usize>()
        }
        Message::ToolResult { output, .. } => output.len(),
    }
}

impl State {
    /// A summary stands for the turns, of which the first `dropped` had gone before.
    pub(crate) fn summed_up(&mut self, made: &ReplayedCompaction, users_bytes_max: usize) {
        let turns = kept(&self.turns, made.dropped);
        self.turns = compacted(turns, &made.text, users_bytes_max);
        self.read = None;
        self.usage += made.usage;
        self.used.steps += 1;
        if let Some(spending) = &mut self.spending {
            spending.forget_prompt();
        }
    }

    /// What the next prompt will come to, where the last one was counted.
    fn tokens(&self) -> Option<u64> {
        let (tokens, turns) = self.read?;
        let new: usize = self.turns.get(turns..)?.iter().map(length).sum();
        Some(tokens + new as u64 / BYTES_PER_TOKEN)
    }
}

impl Run {
    /// Whether a summary is due before the next sample, as far as that can be told.
    pub(crate) fn is_over(&self, state: &State) -> bool {
        state.tokens().is_some_and(|tokens| self.is_over_with(state, tokens))
    }

    /// Whether a prompt of so many tokens is too long for the client, and a summary shortens it.
    pub(crate) fn is_over_with(&self, state: &State, tokens: u64) -> bool {
        self.request.compact_threshold.is_some_and(|max| tokens >= max) && self.can_compact(state)
    }

    /// Once before each sample.
    pub(crate) fn can_compact(&self, state: &State) -> bool {
        let Some(threshold) = self.request.compact_threshold else { return false };
        let turns = kept(&state.turns, state.dropped);
        let stays = staying(&turns, users_bytes_max(Some(threshold)));
        let goes = |(turn, stays): (&Turn, bool)| !stays && !is_summary(turn);
        !state.tried_to_compact && turns.iter().zip(stays).any(goes)
    }

    /// Puts a summary in the place of what came before. Where the model gives none, the run goes on
    /// with all of it.
    pub(crate) async fn compact(&mut self, state: &mut State) -> Result<(), Stopped> {
        state.tried_to_compact = true;
        let Some((text, usage)) = self.sum_up(state).await? else { return Ok(()) };
        let id = ItemId::compaction();
        let encrypted_content = self.seal.as_ref().map(|seal| seal(&text));
        let mut written = Written::default();
        let item = Known::Compaction { id: id.clone(), encrypted_content, text: None };
        state.writer.item(item.into(), &mut written);
        let record = Record::Compacted { item_id: id, text: text.clone(), usage };
        written.records.push(record);
        self.append(written, Durability::Process).await?;
        let dropped = std::mem::take(&mut state.dropped);
        let made = ReplayedCompaction { steps: 0, dropped, text, usage };
        state.summed_up(&made, users_bytes_max(self.request.compact_threshold));
        Ok(())
    }

    /// A summary by the model, and what it took.
    async fn sum_up(&mut self, state: &mut State) -> Result<Option<(String, Usage)>, Stopped> {
        let mut dropped = state.dropped;
        loop {
            let once = self.sum_up_once(state, dropped).await;
            if !matches!(once, Ok(Ok(_))) {
                self.cut(state).await?;
            }
            match once? {
                Ok(summary) => return Ok(Some(summary)),
                Err(ModelError::ContextLength { input_tokens, context_window }) => {
                    match to_drop(&state.turns, dropped, input_tokens, context_window) {
                        Some(more) => dropped = more,
                        None => return Ok(None),
                    }
                }
                Err(e) => {
                    tracing::warn!("{} is not compacted: {e}", self.journal.id());
                    return Ok(None);
                }
            }
        }
    }

    async fn sum_up_once(
        &mut self,
        state: &mut State,
        dropped: usize,
    ) -> Result<Result<(String, Usage), ModelError>, Stopped> {
        let mut request = self.sample_request(state, &[]);
        request.turns = kept(&state.turns, dropped);
        request.turns.push(Turn::Given(Message::User { text: SUM_UP.to_owned() }));
        // The form of the answer is not that of the summary.
        request.instructions = self.request.instructions.clone();
        request.constraints = Constraints { calls: Calls::None, ..Constraints::default() };
        request.sampling.top_logprobs = 0;
        request.output_tokens_max = SUMMARY_TOKENS_MAX;
        self.reserve(state, &mut request).await?;
        let span = spans::chat(&self.request.model, &request);
        let once = self.summary_of(state, request).instrument(span.clone()).await?;
        match &once {
            Ok((_, usage)) => spans::summed_up(&span, usage),
            Err(e) => spans::sample_failed(&span, e),
        }
        Ok(once)
    }

    async fn summary_of(
        &mut self,
        state: &mut State,
        request: SampleRequest,
    ) -> Result<Result<(String, Usage), ModelError>, Stopped> {
        let mut stream = match self.open(request, state.deadline).await? {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(e)),
        };
        let sample = loop {
            match self.next_of(&mut stream, state.deadline).await? {
                Some(Ok(SampleEvent::Finished(sample))) => break sample,
                Some(Ok(SampleEvent::Started { input_tokens, .. })) => {
                    if let Some(spending) = &mut state.spending {
                        spending.started(input_tokens);
                    }
                }
                Some(Ok(SampleEvent::Chunk { ids, deltas, .. })) => {
                    if let Some(spending) = &mut state.spending {
                        spending.saw(ids.len(), &deltas);
                    }
                }
                Some(Err(e)) => return Ok(Err(e)),
                None => {
                    let why = "its stream ended too early".to_owned();
                    return Ok(Err(ModelError::Unavailable(why)));
                }
            }
        };
        let text = match &sample.message {
            Message::Assistant { text, .. } => text.trim().to_owned(),
            _ => String::new(),
        };
        if text.is_empty() {
            return Ok(Err(ModelError::Internal("it wrote no summary".into())));
        }
        if let Some(spending) = &mut state.spending {
            let (usage, now) = (&sample.usage, (self.clock)());
            let line = spending.sampled(usage, sample.usage_estimated, now).await?;
            self.journal.charge(line);
        }
        Ok(Ok((text, sample.usage)))
    }
}
