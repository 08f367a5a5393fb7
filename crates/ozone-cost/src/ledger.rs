//! The ledger: one line for each model call and each tool call, kept for ever.
//!
//! A line's key names the call, so that a step that is run again after a crash writes the same line
//! and not a second one. What a response cost is the sum of its lines and of its children's: pro
//! samples, monitor calls and compaction are responses with a parent.

use ozone_types::Cost;
use serde::{Deserialize, Serialize};

use crate::{Amount, Facts, PriceBook, Priced, RowRef};

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Model,
    Tool,
}

/// Who pays. Empty where nobody is told apart: a person at a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Payer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// One call and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerLine {
    pub response_id: String,
    /// Names the call within its response: [`LedgerLine::model_call`], [`LedgerLine::tool_call`].
    pub call: String,
    /// The response that asked for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub kind: Kind,
    /// The model or the tool, as it was asked for.
    pub name: String,
    #[serde(default)]
    pub payer: Payer,
    /// What was used, as it was priced.
    pub facts: Facts,
    /// In dollars; `None` when anything is unknown.
    pub amount: Option<Amount>,
    /// Why there is no amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// The rows that it was priced with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowRef>,
    /// What the counts are not the provider's own for: a sample that was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimate: bool,
    /// How long an own machine was busy, and what that cost: the second ledger, never added to the
    /// first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_amount: Option<Amount>,
    /// When the call ended: the instant of its prices, in seconds since 1970.
    pub at: i64,
}

impl LedgerLine {
    /// The key of the model call of a step.
    pub fn model_call(step: u32) -> String {
        format!("{step}:model")
    }

    /// The key of a tool call of a step.
    pub fn tool_call(step: u32, index: usize) -> String {
        format!("{step}:tool:{index}")
    }

    /// A line with nothing on it yet: no amount, and why not.
    pub fn new(response_id: &str, call: String, kind: Kind, name: &str, at: i64) -> LedgerLine {
        LedgerLine {
            response_id: response_id.to_owned(),
            call,
            parent: None,
            kind,
            name: name.to_owned(),
            payer: Payer::default(),
            facts: Facts::new("", "", crate::Tokens::default()),
            amount: None,
            unknown: vec!["not priced".to_owned()],
            rows: vec![],
            estimate: false,
            machine_ms: None,
            machine_amount: None,
            at,
        }
    }

    /// With facts, priced by the book at the line's instant.
    pub fn priced(self, book: &PriceBook, facts: Facts) -> LedgerLine {
        let Priced { total, lines, unknown, row, .. } = book.price(&facts, self.at);
        let mut rows: Vec<RowRef> =
            row.into_iter().chain(lines.into_iter().map(|l| l.row)).collect();
        rows.sort();
        rows.dedup();
        let unknown = unknown.iter().map(|u| u.to_string()).collect();
        LedgerLine { facts, amount: total, unknown, rows, ..self }
    }

    /// With facts and an amount that no book was needed for: a model or a tool of one's own.
    pub fn costing(self, facts: Facts, amount: Amount) -> LedgerLine {
        LedgerLine { facts, amount: Some(amount), unknown: vec![], rows: vec![], ..self }
    }
}

/// What lines come to. Unknown amounts are counted, and never taken for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The sum of the amounts that are known.
    pub known: Amount,
    /// How many lines have none.
    pub unknown: u64,
    pub estimates: u64,
    pub lines: u64,
}

impl Total {
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a LedgerLine>) -> Total {
        let mut total = Total::default();
        lines.into_iter().for_each(|line| total.add(line));
        total
    }

    pub fn add(&mut self, line: &LedgerLine) {
        self.lines += 1;
        self.estimates += u64::from(line.estimate);
        match line.amount {
            Some(amount) => self.known = self.known + amount,
            None => self.unknown += 1,
        }
    }

    /// As a response's usage says it.
    pub fn cost(&self) -> Cost {
        Cost {
            amount: self.amount().map(Amount::units),
            is_estimate: self.estimates > 0,
            unknown_calls: self.unknown,
        }
    }

    /// `None` when a line has no amount.
    pub fn amount(&self) -> Option<Amount> {
        (self.unknown == 0).then_some(self.known)
    }
}

/// For people: `$0.031`, `at least $0.02 (1 call of unknown price)`, `about $0.5`.
impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = if self.estimates > 0 { "about " } else { "" };
        match (self.unknown, self.lines) {
            (0, _) => write!(f, "{about}${}", self.known),
            (unknown, lines) if unknown == lines => f.write_str("cost unknown"),
            (1, _) => write!(f, "at least ${} (1 call of unknown price)", self.known),
            (n, _) => write!(f, "at least ${} ({n} calls of unknown price)", self.known),
        }
    }
}

/// Which lines are asked for. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerQuery {
    /// From this instant on.
    pub from: Option<i64>,
    /// Before this instant.
    pub to: Option<i64>,
    pub response_id: Option<String>,
    /// The children of this response.
    pub parent: Option<String>,
    pub kind: Option<Kind>,
    pub name: Option<String>,
    pub key: Option<String>,
    pub project: Option<String>,
}

impl LedgerQuery {
    pub fn response(id: &str) -> LedgerQuery {
        LedgerQuery { response_id: Some(id.to_owned()), ..LedgerQuery::default() }
    }

    pub fn children(id: &str) -> LedgerQuery {
        LedgerQuery { parent: Some(id.to_owned()), ..LedgerQuery::default() }
    }

    pub fn between(from: i64, to: i64) -> LedgerQuery {
        LedgerQuery { from: Some(from), to: Some(to), ..LedgerQuery::default() }
    }

    pub fn holds(&self, line: &LedgerLine) -> bool {
        let is = |asked: &Option<String>, value: &str| asked.as_ref().is_none_or(|a| a == value);
        self.from.is_none_or(|from| line.at >= from)
            && self.to.is_none_or(|to| line.at < to)
            && is(&self.response_id, &line.response_id)
            && self.parent.as_ref().is_none_or(|p| line.parent.as_ref() == Some(p))
            && self.kind.is_none_or(|kind| line.kind == kind)
            && is(&self.name, &line.name)
            && is(&self.key, &line.payer.key)
            && is(&self.project, &line.payer.project)
    }
}
