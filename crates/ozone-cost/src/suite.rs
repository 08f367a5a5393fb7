//! A suite's report as ledger lines: what each question of `ozone eval` used.
//!
//! Three forms are read, the most exact first: JSON lines that hold the ledger of each question, one
//! line for each call; JSON lines that hold the usage of each question; one report with the sums of
//! all. What a form leaves open is said in `caveats`, since the size of a prompt may choose its price.

use std::fmt;

use ozone_types::Usage;
use serde::{Deserialize, Serialize};

use crate::{Amount, Facts, Kind, LedgerLine, Tokens, response};

/// How many questions were asked, and how many of them were answered right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub questions: u64,
    pub right: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} questions, {} right", self.questions, self.right)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    pub lines: Vec<LedgerLine>,
    pub tally: Tally,
    /// What the form of the report cannot tell.
    pub caveats: Vec<String>,
}

/// A line that is no question, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadSuite {
    pub line: usize,
    pub reason: String,
}

/// One question, as `ozone eval --out` writes it; what is not read here is left alone.
#[derive(Deserialize)]
struct Question {
    right: bool,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    calls: u64,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    ledger: Vec<LedgerLine>,
}

/// The report of `ozone eval --json`.
#[derive(Deserialize)]
struct Report {
    model: String,
    questions: u64,
    /// Where questions were asked several times, so many answers.
    #[serde(default)]
    samples: Option<u64>,
    right: u64,
    #[serde(default)]
    tool_calls: u64,
    #[serde(default)]
    usage: Option<Usage>,
}

/// A report that speaks of more is a mistake.
const QUESTIONS_MAX: u64 = 100_000;
const CALLS_MAX: u64 = 1_000_000;

impl Suite {
    pub fn read(text: &str) -> Result<Suite, BadSuite> {
        // JSON lines are no JSON, unless there is one line only; that has no `questions`.
        match serde_json::from_str::<Report>(text) {
            Ok(report) => Suite::of_report(&report),
            Err(_) => Suite::of_lines(text),
        }
    }

    fn of_report(report: &Report) -> Result<Suite, BadSuite> {
        let bad = |reason: &str| BadSuite { line: 1, reason: reason.to_owned() };
        let usage = report.usage.ok_or_else(|| bad("the report has no `usage`: eval anew"))?;
        let questions = report.samples.unwrap_or(report.questions);
        if !(1..=QUESTIONS_MAX).contains(&questions) || report.right > questions {
            return Err(bad("`questions` and `right` are no counts of one suite"));
        }
        if report.tool_calls > CALLS_MAX {
            return Err(bad("`tool_calls` is more than any suite makes"));
        }
        let all = response("", &report.model, &usage);
        let mut lines = vec![];
        for index in 0..questions {
            // The sums are kept to the last token: the first questions take what is left over.
            let share = |n: u64| n / questions + u64::from(index < n % questions);
            let counts = all.tokens.iter();
            let tokens = counts.fold(Tokens::default(), |t, (meter, n)| t.with(meter, share(n)));
            let facts = Facts { tokens, ..all.clone() };
            lines.push(model_call(index + 1, &report.model, facts));
            lines.extend(tool_calls(index + 1, share(report.tool_calls)));
        }
        let caveats = vec![
            "The report holds sums alone: each question is taken to have used the same, so a price \
             for long prompts may be missed. The lines of `ozone eval --out` are exact."
                .to_owned(),
        ];
        Ok(Suite { lines, tally: Tally { questions, right: report.right }, caveats })
    }

    fn of_lines(text: &str) -> Result<Suite, BadSuite> {
        let mut suite = Suite { lines: vec![], tally: Tally::default(), caveats: vec![] };
        let mut merged = 0u64;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad = |reason: String| BadSuite { line: index + 1, reason };
            let question: Question =
                serde_json::from_str(line).map_err(|e| bad(format!("this is no question: {e}")))?;
            suite.tally.questions += 1;
            suite.tally.right += u64::from(question.right);
            if !question.ledger.is_empty() {
                suite.lines.extend(question.ledger);
                continue;
            }
            let usage = question.usage.ok_or_else(|| {
                bad("it has neither a `ledger` nor a `usage`: nothing is known of its tokens"
                    .into())
            })?;
            if question.calls > CALLS_MAX {
                return Err(bad("`calls` is more than any question makes".into()));
            }
            let model = question.model.as_deref().unwrap_or("(no model named)");
            let number = suite.tally.questions;
            suite.lines.push(model_call(number, model, response("", model, &usage)));
            suite.lines.extend(tool_calls(number, question.calls));
            merged += u64::from(question.calls > 0);
        }
        if suite.tally.questions == 0 {
            return Err(BadSuite { line: 1, reason: "there are no questions in it".to_owned() });
        }
        if merged > 0 {
            suite.caveats.push(format!(
                "The model calls of {merged} questions stand as one each: a price for long prompts \
                 may be taken too early."
            ));
        }
        Ok(suite)
    }
}

fn model_call(question: u64, model: &str, facts: Facts) -> LedgerLine {
    let id = format!("question_{question}");
    LedgerLine { facts, ..LedgerLine::new(&id, LedgerLine::model_call(1), Kind::Model, model, 0) }
}

/// Calls of tools that ran on the machine of the suite.
fn tool_calls(question: u64, calls: u64) -> impl Iterator<Item = LedgerLine> {
    let id = format!("question_{question}");
    (0..calls).map(move |index| {
        let call = LedgerLine::tool_call(1, index as usize);
        let nothing = Facts::new("", "", Tokens::default());
        LedgerLine::new(&id, call, Kind::Tool, "python", 0).costing(nothing, Amount::ZERO)
    })
}
