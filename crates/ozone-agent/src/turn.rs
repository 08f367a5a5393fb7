//! The decisions of the loop, without a model, a tool or a clock.

use std::collections::BTreeMap;

use ozone_model::Stop;
use ozone_prompt::ToolCall;
use ozone_types::{IncompleteReason, ResponseError};

use crate::record::CallProblem;
use crate::request::Limits;

/// What follows a sample. Plain data.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    RunningTools { calls: Vec<Decided> },
    Finished(Outcome),
}

/// How a response ended: exactly one.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Completed,
    Incomplete(IncompleteReason),
    Cancelled,
    Failed(ResponseError),
}

/// A call and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    Run(ToolCall),
    /// Not run; the model reads why.
    Refuse {
        call: ToolCall,
        why: String,
    },
}

impl Decided {
    pub fn call(&self) -> &ToolCall {
        match self {
            Decided::Run(call) | Decided::Refuse { call, .. } => call,
        }
    }
}

/// What a response has used up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Used {
    pub steps: u32,
    pub tool_calls: u32,
    pub output_tokens: u64,
    /// How often each `(name, arguments)` was run.
    repeats: BTreeMap<(String, String), u32>,
    /// The model was told that no call is left.
    warned: bool,
}

/// What the decision needs to know of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleEnd<'a> {
    pub stop: Stop,
    pub calls: &'a [ToolCall],
    pub problems: &'a [CallProblem],
    pub output_tokens: u64,
}

impl Used {
    /// What follows a sample.
    pub fn after(
        &mut self,
        sample: &SampleEnd<'_>,
        advertised: &[String],
        limits: &Limits,
        output_tokens_max: Option<u64>,
    ) -> Turn {
        self.steps += 1;
        self.output_tokens += sample.output_tokens;
        match sample.stop {
            Stop::Length | Stop::ContextFull => {
                return Turn::Finished(Outcome::Incomplete(IncompleteReason::MaxOutputTokens));
            }
            Stop::EndOfTurn => {}
        }
        if sample.calls.is_empty() && sample.problems.is_empty() {
            return Turn::Finished(Outcome::Completed);
        }
        if output_tokens_max.is_some_and(|max| self.output_tokens >= max) {
            return Turn::Finished(Outcome::Incomplete(IncompleteReason::MaxOutputTokens));
        }
        if self.steps >= limits.steps_max || self.warned {
            return Turn::Finished(Outcome::Incomplete(IncompleteReason::MaxSteps));
        }
        let decide = |(index, call): (usize, &ToolCall)| match sample
            .problems
            .iter()
            .find(|p| p.call == Some(index))
        {
            Some(problem) => Decided::Refuse { call: call.clone(), why: problem.message.clone() },
            None => self.decide(call, advertised, limits),
        };
        Turn::RunningTools { calls: sample.calls.iter().enumerate().map(decide).collect() }
    }

    fn decide(&mut self, call: &ToolCall, advertised: &[String], limits: &Limits) -> Decided {
        let refuse = |why: String| Decided::Refuse { call: call.clone(), why };
        if !advertised.contains(&call.name) {
            let name: String = call.name.chars().take(80).collect();
            return refuse(match advertised {
                [] => format!("there is no tool `{name}`: no tool is offered; answer without one"),
                some => format!("there is no tool `{name}`; the tools are: {}", some.join(", ")),
            });
        }
        if self.tool_calls >= limits.tool_calls_max {
            self.warned = true;
            return refuse(format!(
                "not run: the limit of {} tool calls is reached; answer with what you have",
                limits.tool_calls_max
            ));
        }
        let count = self.repeats.entry((call.name.clone(), call.arguments.clone())).or_default();
        *count += 1;
        if *count > limits.repeats_max.saturating_mul(2) {
            self.warned = true;
        }
        if *count > limits.repeats_max {
            return refuse(format!(
                "not run: you have made this very call {} times already, and its result will not \
                 change; use it, or try something else",
                limits.repeats_max
            ));
        }
        self.tool_calls += 1;
        Decided::Run(call.clone())
    }
}
