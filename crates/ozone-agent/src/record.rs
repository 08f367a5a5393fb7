//! What only the loop reads from the journal: the ids that were sampled, and where a tool call
//! stands. A killed run is rebuilt from it.

use ozone_model::{Sample, Stop, Turn as ModelTurn};
use ozone_prompt::{Delta, Message, ToolCall};
use ozone_types::{DrawnImage, FoundPassage, ItemId, Passage, SeenLines, SeenWeb, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step of the loop, in the same transaction as the events that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A sample begins: what the model sees, where the request is recorded.
    Prompted { ids: Vec<u32> },
    /// Part of the sample that is under way: its ids, and what they said.
    Ids {
        ids: Vec<u32>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        said: Vec<Said>,
        /// Of each id, where the request is measured or recorded; `None` of one that was forced.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<Option<f32>>,
    },
    /// What the sample said so far has come to its end; it is made anew.
    StartedOver,
    /// The sample is complete.
    Sampled(Sampled),
    /// The call is about to run: if nothing follows, it may have run or not.
    ToolStarted { index: usize },
    /// What the model reads as the call's result.
    ToolDone {
        index: usize,
        output: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<MadeFile>,
    },
    /// What was thought in an item that does not show it.
    Reasoned { item_id: ItemId, text: String },
    /// What a search found, in an item that need not show it.
    Found { item_id: ItemId, passages: Vec<FoundPassage> },
    /// What a look at pages showed, in an item that does not say it.
    Seen { item_id: ItemId, seen: Box<SeenWeb> },
    /// What the model said and read of a picture, in an item that shows the picture.
    Drawn { item_id: ItemId, drawn: Box<DrawnImage> },
    /// A summary stands for what came before, in the item of this id.
    Compacted { item_id: ItemId, text: String, usage: Usage },
    /// So many of the oldest turns no longer go to the model: they did not fit.
    Dropped { turns: usize },
}

/// A file that a call left in its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    pub container_id: String,
    pub name: String,
}

/// A piece of a sample. The writer is a function of the pieces, so a killed run's writer is rebuilt
/// from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    Reasoning(String),
    Text {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<Value>,
    },
    /// To the user, between calls.
    Commentary(String),
    Call {
        index: usize,
        name: String,
    },
    Arguments {
        index: usize,
        text: String,
    },
    CallEnd {
        index: usize,
    },
}

impl Said {
    /// `logprobs` are those of a text.
    pub fn of(delta: Delta, logprobs: Vec<Value>) -> Self {
        match delta {
            Delta::Reasoning(text) => Said::Reasoning(text),
            Delta::Text(text) => Said::Text { text, logprobs },
            Delta::Commentary(text) => Said::Commentary(text),
            Delta::ToolCallStart { index, name } => Said::Call { index, name },
            Delta::ToolCallArguments { index, text } => Said::Arguments { index, text },
            Delta::ToolCallEnd { index, .. } => Said::CallEnd { index },
        }
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        match self {
            Said::Reasoning(text) | Said::Commentary(text) => text.len(),
            Said::Text { text, .. } | Said::Arguments { text, .. } => text.len(),
            Said::Call { name, .. } => name.len(),
            Said::CallEnd { .. } => 0,
        }
    }

    /// Joins a piece to the one before, where they are of one kind.
    pub fn join(said: &mut Vec<Said>, next: Said) {
        match (said.last_mut(), next) {
            (Some(Said::Reasoning(a)), Said::Reasoning(b))
            | (Some(Said::Commentary(a)), Said::Commentary(b)) => a.push_str(&b),
            (Some(Said::Text { text: a, logprobs: p }), Said::Text { text: b, logprobs: q }) => {
                a.push_str(&b);
                p.extend(q);
            }
            (Some(Said::Arguments { index: i, text: a }), Said::Arguments { index, text: b })
                if *i == index =>
            {
                a.push_str(&b)
            }
            (_, next) => said.push(next),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    pub stop: RecordedStop,
    pub ids: Vec<u32>,
    pub reasoning: Option<String>,
    pub text: String,
    pub calls: Vec<RecordedCall>,
    pub problems: Vec<CallProblem>,
    pub usage: Usage,
    /// How sure the model was of what it said, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedStop {
    EndOfTurn,
    Length,
    ContextFull,
    ContentFilter,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// A call that could not be read, in words that the model can mend it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallProblem {
    /// Which of the sample's calls; `None` when not even its name was readable.
    pub call: Option<usize>,
    pub message: String,
}

impl Sampled {
    pub fn of(sample: Sample, confidence: Option<f64>) -> Self {
        let (reasoning, text, calls) = match sample.message {
            Message::Assistant { reasoning, text, tool_calls } => (reasoning, text, tool_calls),
            _ => (None, String::new(), vec![]),
        };
        Sampled {
            stop: match sample.stop {
                Stop::EndOfTurn => RecordedStop::EndOfTurn,
                Stop::Length => RecordedStop::Length,
                Stop::ContextFull => RecordedStop::ContextFull,
                Stop::ContentFilter => RecordedStop::ContentFilter,
            },
            ids: sample.ids,
            reasoning,
            text,
            calls: calls
                .into_iter()
                .map(|c| RecordedCall { id: c.id, name: c.name, arguments: c.arguments })
                .collect(),
            problems: sample
                .problems
                .into_iter()
                .map(|p| CallProblem { call: p.index, message: p.message })
                .collect(),
            usage: sample.usage,
            confidence,
        }
    }

    pub fn stop(&self) -> Stop {
        match self.stop {
            RecordedStop::EndOfTurn => Stop::EndOfTurn,
            RecordedStop::Length => Stop::Length,
            RecordedStop::ContextFull => Stop::ContextFull,
            RecordedStop::ContentFilter => Stop::ContentFilter,
        }
    }

    pub fn calls(&self) -> Vec<ToolCall> {
        self.calls
            .iter()
            .map(|c| ToolCall {
                id: c.id.clone(),
                name: c.name.clone(),
                arguments: c.arguments.clone(),
            })
            .collect()
    }

    pub fn turn(&self) -> ModelTurn {
        let message = Message::Assistant {
            reasoning: self.reasoning.clone(),
            text: self.text.clone(),
            tool_calls: self.calls(),
        };
        ModelTurn::Sampled { ids: self.ids.clone(), message }
    }
}

/// What the model saw and sampled, by the records of a response that was recorded
/// ([`crate::Request::recorded`]): samples that have ended, behind one another.
pub fn passages(records: Vec<Value>) -> Result<Vec<Passage>, serde_json::Error> {
    Ok(Passage::join(Replay::of(records)?.samples))
}

/// What the records amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// Complete samples, each with the results of its calls so far (by index).
    pub steps: Vec<ReplayedStep>,
    /// Ids of the sample that was cut.
    pub started: Vec<u32>,
    /// Their logprobs.
    pub logprobs: Vec<Option<f32>>,
    /// What that sample sees, where the request is recorded.
    pub prompt: Vec<u32>,
    /// The complete samples as the model saw them, where the request is recorded.
    pub samples: Vec<(Vec<u32>, Passage)>,
    /// What that sample said; after a complete one, what it said while none of its calls is done.
    pub said: Vec<Said>,
    /// `true` in the middle of a sample.
    pub in_sample: bool,
    /// Turns that no longer go to the model.
    pub dropped: usize,
    /// In their order.
    pub compactions: Vec<ReplayedCompaction>,
    /// What the calls left behind.
    pub files: Vec<MadeFile>,
    /// What they found.
    pub found: Vec<FoundPassage>,
    /// What they showed of pages.
    pub seen: Vec<SeenLines>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedStep {
    pub sampled: Sampled,
    pub outputs: Vec<(usize, String)>,
    /// Calls that were started, those that have ended among them.
    pub begun: Vec<usize>,
}

/// A summary that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedCompaction {
    /// Behind so many samples.
    pub steps: usize,
    /// Turns that went to no model when it was made.
    pub dropped: usize,
    pub text: String,
    pub usage: Usage,
}

impl Replay {
    pub fn of(records: Vec<Value>) -> Result<Self, serde_json::Error> {
        let mut replay = Replay::default();
        for record in records {
            replay.push(serde_json::from_value(record)?);
        }
        Ok(replay)
    }

    fn push(&mut self, record: Record) {
        match record {
            Record::Ids { ids, said, logprobs } => {
                if !std::mem::replace(&mut self.in_sample, true) {
                    self.said.clear();
                }
                self.started.extend(ids);
                self.logprobs.extend(logprobs);
                self.said.extend(said);
            }
            Record::Prompted { ids } => self.prompt = ids,
            Record::StartedOver => {
                self.in_sample = false;
                self.started.clear();
                self.said.clear();
                self.logprobs.clear();
            }
            Record::Sampled(sampled) => {
                if !std::mem::take(&mut self.in_sample) {
                    self.said.clear();
                }
                self.started.clear();
                let mut logprobs = std::mem::take(&mut self.logprobs);
                let prompt = std::mem::take(&mut self.prompt);
                if !prompt.is_empty() {
                    logprobs.resize(sampled.ids.len(), None);
                    self.samples.push((prompt, Passage { ids: sampled.ids.clone(), logprobs }));
                }
                self.steps.push(ReplayedStep { sampled, outputs: vec![], begun: vec![] });
            }
            Record::ToolDone { index, output, files } => {
                self.said.clear();
                self.files.extend(files);
                if let Some(step) = self.steps.last_mut() {
                    step.outputs.push((index, output));
                }
            }
            Record::Found { passages, .. } => self.found.extend(passages),
            Record::Seen { seen, .. } => self.seen.extend(seen.lines),
            Record::Dropped { turns } => self.dropped = turns,
            Record::Compacted { text, usage, .. } => {
                let (steps, dropped) = (self.steps.len(), std::mem::take(&mut self.dropped));
                self.compactions.push(ReplayedCompaction { steps, dropped, text, usage });
            }
            Record::ToolStarted { index } => {
                if let Some(step) = self.steps.last_mut() {
                    step.begun.push(index);
                }
            }
            Record::Reasoned { .. } | Record::Drawn { .. } => {}
        }
    }
}
