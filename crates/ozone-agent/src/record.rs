//! What only the loop reads from the journal: the ids that were sampled, and where a tool call
//! stands. A killed run is rebuilt from it.

use ozone_model::{Sample, Stop, Turn as ModelTurn};
use ozone_prompt::{Message, ToolCall};
use ozone_types::Usage;
use serde::{Deserialize, Serialize};

/// One step of the loop, in the same transaction as the events that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// Part of the sample that is under way.
    Ids { ids: Vec<u32> },
    /// The sample is complete.
    Sampled(Sampled),
    /// The call is about to run: if nothing follows, it may have run or not.
    ToolStarted { index: usize },
    /// What the model reads as the call's result.
    ToolDone { index: usize, output: String },
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedStop {
    EndOfTurn,
    Length,
    ContextFull,
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
    pub fn of(sample: Sample) -> Self {
        let (reasoning, text, calls) = match sample.message {
            Message::Assistant { reasoning, text, tool_calls } => (reasoning, text, tool_calls),
            _ => (None, String::new(), vec![]),
        };
        Sampled {
            stop: match sample.stop {
                Stop::EndOfTurn => RecordedStop::EndOfTurn,
                Stop::Length => RecordedStop::Length,
                Stop::ContextFull => RecordedStop::ContextFull,
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
        }
    }

    pub fn stop(&self) -> Stop {
        match self.stop {
            RecordedStop::EndOfTurn => Stop::EndOfTurn,
            RecordedStop::Length => Stop::Length,
            RecordedStop::ContextFull => Stop::ContextFull,
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

/// What the records amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// Complete samples, each with the results of its calls so far (by index).
    pub steps: Vec<ReplayedStep>,
    /// Ids of the sample that was cut.
    pub started: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedStep {
    pub sampled: Sampled,
    pub outputs: Vec<(usize, String)>,
}

impl Replay {
    pub fn of(records: Vec<serde_json::Value>) -> Result<Self, serde_json::Error> {
        let mut replay = Replay::default();
        for record in records {
            match serde_json::from_value(record)? {
                Record::Ids { ids } => replay.started.extend(ids),
                Record::Sampled(sampled) => {
                    replay.started.clear();
                    replay.steps.push(ReplayedStep { sampled, outputs: vec![] });
                }
                Record::ToolStarted { .. } => {}
                Record::ToolDone { index, output } => {
                    if let Some(step) = replay.steps.last_mut() {
                        step.outputs.push((index, output));
                    }
                }
            }
        }
        Ok(replay)
    }
}
