//! One question asked once, and what came of it: a line of `cells.jsonl`.
//!
//! `ozone cost compare --suite` reads the same lines: `right`, `model`, `calls`, `usage`, `ledger`.

use ozone_cost::{LedgerLine, Total};
use ozone_types::{ResponseStatus, Usage};
use serde::{Deserialize, Serialize};

/// What the caller of [`crate::fill`] brings back from the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    pub reply: String,
    pub status: ResponseStatus,
    /// Why it failed, or why it is incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Calls of tools.
    pub calls: usize,
    /// Samples that voted, or were cut as the vote was decided; 1 without a vote.
    pub samples: u32,
    /// Of all model calls together.
    pub usage: Usage,
    /// Of each call.
    pub ledger: Vec<LedgerLine>,
    pub seconds: f64,
}

/// A question and its repeat, with the answer and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub id: String,
    pub kind: String,
    /// The repeat, from 0.
    pub epoch: u32,
    pub text: String,
    pub needs_python: Option<bool>,
    pub model: String,
    /// The reply gives the right answer in the form that was asked for.
    pub right: bool,
    /// It gives the right answer in some form.
    pub lenient: bool,
    /// What a majority is counted by; `None` where the reply has no answer.
    pub answer: Option<String>,
    /// What the grader says beside that: the error of a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(flatten)]
    pub answered: Answered,
}

impl Cell {
    /// Nobody answered: it is not counted as wrong, and asked again by the next run.
    pub fn is_failed(&self) -> bool {
        !matches!(self.answered.status, ResponseStatus::Completed | ResponseStatus::Incomplete)
    }

    pub fn group(&self) -> &str {
        self.kind.split('/').next().unwrap_or(&self.kind)
    }

    /// Dollars, where every call has a price.
    pub fn usd(&self) -> Option<f64> {
        Total::of(&self.answered.ledger).amount().map(|amount| amount.approximately())
    }

    /// What own machines cost: the second ledger.
    pub fn machine_usd(&self) -> Option<f64> {
        let lines: Vec<_> = self.answered.ledger.iter().filter_map(|l| l.machine_amount).collect();
        (!lines.is_empty()).then(|| lines.into_iter().sum::<ozone_cost::Amount>().approximately())
    }
}
