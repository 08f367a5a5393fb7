//! Is a reply right? Strictly, in the form that was asked for; and leniently, in any form. Both are
//! reported, since much of what looks like learning is learning the form.

mod choice;
mod code;
mod ifeval;
mod language;
mod math;

use ozone_python::{KernelPool, PythonError};
use ozone_tasks::{Answer, grade};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use ifeval::check as check_instruction;

/// What makes a reply right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// A question of the own families, or in their form.
    Own(Answer),
    /// GSM8K: a number behind `####`.
    Number(String),
    /// MATH, AIME: LaTeX in `\boxed{…}`.
    Boxed(String),
    /// MMLU: `Answer: C`.
    Letter(char),
    /// BBH: `So the answer is …`.
    Stated(String),
    /// The code of the reply, between these texts, ends without an error. The prompt stands before
    /// a reply that only goes on with it.
    Code { prompt: Option<String>, before: String, after: String },
    /// IFEval: instructions that a program can check, each with its arguments.
    Instructions { prompt: String, list: Vec<(String, Map<String, Value>)> },
}

impl Expected {
    pub fn runs_code(&self) -> bool {
        matches!(self, Expected::Code { .. })
    }

    /// Samples can be counted by their answers.
    pub fn has_votes(&self) -> bool {
        !matches!(self, Expected::Code { .. } | Expected::Instructions { .. })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub strict: bool,
    pub lenient: bool,
    /// What the reply answers, in a form in which equal answers are equal.
    pub answer: Option<String>,
    pub note: Option<String>,
}

/// A reply that could not be judged: no fault of the model's.
#[derive(Debug, thiserror::Error)]
pub enum Unjudged {
    #[error("its code cannot be run: {0}")]
    Python(#[from] PythonError),
    #[error("its code can only be run in the sandbox, and there is none; see `ozone doctor`")]
    NoSandbox,
}

/// Judges replies; code runs in a kernel of its own inside the sandbox, or not at all.
#[derive(Default)]
pub struct Judge {
    kernels: Option<KernelPool>,
}

impl Judge {
    pub fn new(kernels: Option<KernelPool>) -> Judge {
        Judge { kernels }
    }

    pub async fn judge(&self, expected: &Expected, reply: &str) -> Result<Verdict, Unjudged> {
        let (strict, lenient, answer) = match expected {
            Expected::Own(answer) => {
                let strict = grade(answer, reply);
                (strict, strict || own_lenient(answer, reply), own_answer(answer, reply))
            }
            Expected::Number(right) => choice::number(right, reply),
            Expected::Boxed(right) => math::boxed(right, reply),
            Expected::Letter(right) => choice::letter(*right, reply),
            Expected::Stated(right) => choice::stated(right, reply),
            Expected::Instructions { prompt, list } => {
                let all = |replies: &[String]| {
                    list.iter().all(|(id, arguments)| {
                        let follows = |r: &String| {
                            !r.trim().is_empty() && ifeval::follows(id, arguments, prompt, r)
                        };
                        replies.iter().any(follows)
                    })
                };
                let strict = all(&[reply.to_owned()]);
                (strict, strict || all(&ifeval::loosened(reply)), None)
            }
            Expected::Code { prompt, before, after } => {
                let kernels = self.kernels.as_ref().ok_or(Unjudged::NoSandbox)?;
                return code::judge(kernels, prompt.as_deref(), before, after, reply).await;
            }
        };
        Ok(Verdict { strict, lenient, answer, note: None })
    }
}

/// The right values stand in the reply's last bold texts, or behind one another at its end, though
/// not in the form that was asked for.
fn own_lenient(answer: &Answer, reply: &str) -> bool {
    let values = match answer {
        Answer::Values(values) | Answer::Following { values, .. } => values,
        Answer::Declined | Answer::AnyOf(_) => return false,
    };
    let bold = ozone_tasks::grade::bold(reply);
    let last_bold = bold.len().checked_sub(values.len()).map(|from| bold[from..].to_vec());
    let words = choice::numbers(reply);
    let last_words = words.len().checked_sub(values.len()).map(|from| words[from..].to_vec());
    let as_reply = |found: Vec<&str>| {
        found.iter().map(|value| format!("**{value}**")).collect::<Vec<_>>().join(" ")
    };
    let alone = (values.len() == 1 && bold.is_empty()).then(|| vec![reply.trim()]);
    [last_bold, last_words, alone]
        .into_iter()
        .flatten()
        .any(|found| grade(&Answer::Values(values.clone()), &as_reply(found)))
}

fn own_answer(answer: &Answer, reply: &str) -> Option<String> {
    let bold = ozone_tasks::grade::bold(reply);
    match answer {
        Answer::AnyOf(_) => Some(reply.trim().to_lowercase()),
        Answer::Declined | Answer::Values(_) | Answer::Following { .. } if bold.is_empty() => {
            let reply = reply.trim().to_lowercase();
            let declines = grade(&Answer::Declined, &reply);
            declines.then(|| "(declined)".to_owned())
        }
        Answer::Declined | Answer::Values(_) | Answer::Following { .. } => {
            let values = bold.iter().map(|value| choice::canonical(value));
            Some(values.collect::<Vec<_>>().join(" | "))
        }
    }
}
