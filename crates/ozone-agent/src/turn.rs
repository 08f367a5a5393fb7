//! The decisions of the loop, without a model, a tool or a clock.

use std::collections::BTreeMap;

use ozone_model::{Calls, Enforces, Stop};
use ozone_prompt::ToolCall;
use ozone_tools::web::WebCall;
use ozone_types::{ErrorCode, IncompleteReason, ResponseError};

use crate::choice::Offer;
use crate::mcp;
use crate::record::CallProblem;
use crate::request::Limits;
use crate::text::TextFormat;

/// How often a sample that is not what was asked for is asked for again.
pub const MENDS_MAX: u32 = 2;

/// What follows a sample. Plain data.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// With a call for the client among them, the response ends once the others have run.
    RunningTools {
        calls: Vec<Decided>,
    },
    /// Not what was asked for: the model reads why and samples again.
    Again {
        why: String,
    },
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
    /// The client runs it, or agrees to it first.
    Hand(ToolCall),
    /// Not run; the model reads why.
    Refuse {
        call: ToolCall,
        why: String,
    },
}

impl Decided {
    pub fn call(&self) -> &ToolCall {
        match self {
            Decided::Run(call) | Decided::Hand(call) | Decided::Refuse { call, .. } => call,
        }
    }
}

/// What a response has used up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Used {
    pub steps: u32,
    pub tool_calls: u32,
    pub output_tokens: u64,
    /// A call was run or handed over: where one was due, it was made.
    pub called: bool,
    mends: u32,
    /// How often each `(name, arguments)` was run; of looks at pages, how often in a row.
    repeats: BTreeMap<(String, String), u32>,
    /// The model was told that no call is left.
    warned: bool,
}

/// What the decision needs to know of a sample.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleEnd<'a> {
    pub stop: Stop,
    pub text: &'a str,
    pub calls: &'a [ToolCall],
    pub problems: &'a [CallProblem],
    pub output_tokens: u64,
}

/// What a response is held to.
pub(crate) struct Rules<'a> {
    pub offer: &'a Offer,
    pub limits: &'a Limits,
    pub format: &'a TextFormat,
    pub parallel_calls: bool,
    pub tool_calls_max: u32,
    pub output_tokens_max: Option<u64>,
    pub enforces: Enforces,
}

impl Rules<'_> {
    fn names(&self) -> Vec<&str> {
        let built_in = self.offer.built_in.iter().map(|s| s.name.as_str());
        built_in.chain(self.offer.client.iter().map(|t| t.spec.name.as_str())).collect()
    }
}

/// A link's number leads from what was shown last: after another look the same call leads elsewhere.
fn is_look(name: &str) -> bool {
    [WebCall::Search, WebCall::Open, WebCall::Find].iter().any(|call| call.name() == name)
}

impl Used {
    /// `true` while a tool that runs here may still be called.
    pub fn calls_left(&self, tool_calls_max: u32) -> bool {
        self.tool_calls < tool_calls_max
    }

    /// What follows a sample.
    pub fn after(&mut self, sample: &SampleEnd<'_>, rules: &Rules<'_>) -> Turn {
        self.steps += 1;
        self.output_tokens += sample.output_tokens;
        let incomplete = |reason| Turn::Finished(Outcome::Incomplete(reason));
        match sample.stop {
            Stop::Length | Stop::ContextFull => {
                return incomplete(IncompleteReason::MaxOutputTokens);
            }
            Stop::ContentFilter => return incomplete(IncompleteReason::ContentFilter),
            Stop::EndOfTurn => {}
        }
        if sample.calls.is_empty() && sample.problems.is_empty() {
            return match self.wanting(sample.text, rules) {
                None => Turn::Finished(Outcome::Completed),
                Some(_) if self.steps >= rules.limits.steps_max => {
                    incomplete(IncompleteReason::MaxSteps)
                }
                Some(turn) => turn,
            };
        }
        let warned = self.warned;
        let calls: Vec<Decided> = (sample.calls.iter().enumerate())
            .map(|(index, call)| self.decide(index, call, sample, rules))
            .collect();
        if calls.iter().any(|decided| matches!(decided, Decided::Hand(_))) {
            return Turn::RunningTools { calls };
        }
        if rules.output_tokens_max.is_some_and(|max| self.output_tokens >= max) {
            return incomplete(IncompleteReason::MaxOutputTokens);
        }
        if self.steps >= rules.limits.steps_max || warned {
            return incomplete(IncompleteReason::MaxSteps);
        }
        Turn::RunningTools { calls }
    }

    /// What an answer without calls lacks.
    fn wanting(&mut self, text: &str, rules: &Rules<'_>) -> Option<Turn> {
        let due = match &rules.offer.calls {
            _ if self.called => None,
            Calls::Auto | Calls::None => None,
            Calls::Required => Some(format!("one of {}", rules.names().join(", "))),
            Calls::Named(name) => Some(format!("`{name}`")),
        };
        let (why, is_final) = match (due, rules.format.read(text)) {
            (Some(tool), _) => (format!("Nothing was called. Call {tool} now."), true),
            (None, Ok(_)) => return None,
            (None, Err(why)) => {
                let why = format!(
                    "The answer does not have the form that was asked for: {why}. Answer again, \
                     with nothing but the JSON."
                );
                (why, rules.format.is_strict())
            }
        };
        self.mends += 1;
        if self.mends <= MENDS_MAX {
            return Some(Turn::Again { why });
        }
        is_final.then(|| {
            let message = format!("the model did not do what was asked for. It was told: {why}");
            Turn::Finished(Outcome::Failed(ResponseError { code: ErrorCode::ServerError, message }))
        })
    }

    fn decide(
        &mut self,
        index: usize,
        call: &ToolCall,
        sample: &SampleEnd<'_>,
        rules: &Rules<'_>,
    ) -> Decided {
        let refuse = |why: String| Decided::Refuse { call: call.clone(), why };
        if let Some(problem) = sample.problems.iter().find(|p| p.call == Some(index)) {
            return refuse(problem.message.clone());
        }
        if index > 0 && !rules.parallel_calls {
            return refuse("not run: only one call at a time is allowed; make it again".into());
        }
        if let Some(tool) = rules.offer.client_tool(&call.name) {
            return match tool.fits(call, rules.enforces.arguments) {
                Ok(()) => {
                    self.called = true;
                    Decided::Hand(call.clone())
                }
                Err(why) => refuse(format!("not run: {why}. Make the call again.")),
            };
        }
        if !rules.offer.built_in.iter().any(|spec| spec.name == call.name) {
            let name: String = call.name.chars().take(80).collect();
            return refuse(match rules.names().as_slice() {
                [] => format!("there is no tool `{name}`: no tool is offered; answer without one"),
                some => format!("there is no tool `{name}`; the tools are: {}", some.join(", ")),
            });
        }
        self.decide_built_in(call, rules)
    }

    fn decide_built_in(&mut self, call: &ToolCall, rules: &Rules<'_>) -> Decided {
        let refuse = |why: String| Decided::Refuse { call: call.clone(), why };
        if rules.offer.asks.contains(&call.name) {
            if !mcp::is_object(&call.arguments) {
                return refuse("not run: the arguments are no JSON object; write one".into());
            }
            self.called = true;
            return Decided::Hand(call.clone());
        }
        if !self.calls_left(rules.tool_calls_max) {
            self.warned = true;
            return refuse(format!(
                "not run: the limit of {} tool calls is reached; answer with what you have",
                rules.tool_calls_max
            ));
        }
        let repeats_max = rules.limits.repeats_max;
        let key = (call.name.clone(), call.arguments.clone());
        if is_look(&call.name) && !self.repeats.contains_key(&key) {
            self.repeats.retain(|(name, _), _| !is_look(name));
        }
        let count = self.repeats.entry(key).or_default();
        *count += 1;
        if *count > repeats_max.saturating_mul(2) {
            self.warned = true;
        }
        if *count > repeats_max {
            return refuse(format!(
                "not run: you have made this very call {repeats_max} times already, and its \
                 result will not change; use it, or try something else"
            ));
        }
        self.tool_calls += 1;
        self.called = true;
        Decided::Run(call.clone())
    }
}
