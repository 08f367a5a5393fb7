//! A run family by family, and runs against one another: what the benchmark of pictures reports.

use std::collections::BTreeMap;

use ozone_cost::columns;
use serde::Serialize;

use crate::stats::{self, Estimate};
use crate::{Cell, RunFolder};

/// How a kind ends whose answer is that there is none to be seen.
pub const UNREADABLE: &str = "unreadable";

/// The figures of one family, or of all. Questions that failed are in none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FamilyFigures {
    pub family: String,
    pub asked: usize,
    pub right: usize,
    /// With its bootstrap interval at 95 %.
    pub accuracy: Estimate,
    /// The share of what is readable that was called unreadable.
    pub falsely_unreadable: f64,
    /// Per answer.
    pub calls_mean: f64,
    pub tokens_mean: f64,
    pub seconds_mean: f64,
}

/// A run's families, and all of them together at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByFamily {
    pub run: String,
    pub model: String,
    pub seed: u64,
    pub failed: usize,
    pub missing: usize,
    pub families: Vec<FamilyFigures>,
    /// Of the accuracy over the first run's, over the questions that both have answered.
    pub against: Option<String>,
    pub gains: BTreeMap<String, Estimate>,
}

const ALL: &str = "all";

impl ByFamily {
    /// Each run, and what it gains over the first one of the same questions.
    pub fn of(runs: &[RunFolder]) -> Vec<ByFamily> {
        let of = |(index, run): (usize, &RunFolder)| {
            let plan = &run.manifest.plan;
            let first =
                runs[..index].iter().find(|r| r.manifest.plan.suite_hash == plan.suite_hash);
            let (failed, cells): (Vec<&Cell>, Vec<&Cell>) =
                run.cells().partition(|c| c.is_failed());
            let planned = plan.questions * plan.repeats as usize;
            ByFamily {
                run: plan.label(),
                model: plan.model.clone(),
                seed: plan.seed,
                failed: failed.len(),
                missing: planned.saturating_sub(cells.len() + failed.len()),
                families: grouped(&cells)
                    .into_iter()
                    .map(|(f, cells)| figures(f, &cells))
                    .collect(),
                against: first.map(|first| first.manifest.plan.label()),
                gains: first.map(|first| gains(first, &cells)).unwrap_or_default(),
            }
        };
        runs.iter().enumerate().map(of).collect()
    }
}

/// By family in their order, and all at the end.
fn grouped<'c>(cells: &[&'c Cell]) -> Vec<(String, Vec<&'c Cell>)> {
    let mut groups: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups.entry(cell.group()).or_default().push(cell);
    }
    let several = groups.len() > 1;
    let named = groups.into_iter().map(|(name, cells)| (name.to_owned(), cells));
    named.chain(several.then(|| (ALL.to_owned(), cells.to_vec()))).collect()
}

fn figures(family: String, cells: &[&Cell]) -> FamilyFigures {
    let right: Vec<f64> = cells.iter().map(|c| f64::from(u8::from(c.right))).collect();
    let is_readable = |cell: &&&Cell| !cell.kind.ends_with(UNREADABLE);
    let gave_up = |cell: &&&Cell| cell.answer.as_deref() == Some(UNREADABLE);
    let readable = cells.iter().filter(is_readable).count();
    let gave_up = cells.iter().filter(is_readable).filter(gave_up).count();
    let n = cells.len().max(1) as f64;
    let mean = |value: fn(&Cell) -> f64| cells.iter().map(|c| value(c)).sum::<f64>() / n;
    FamilyFigures {
        family,
        asked: cells.len(),
        right: cells.iter().filter(|c| c.right).count(),
        accuracy: stats::bootstrap(&right).unwrap_or(Estimate { mean: 0.0, low: 0.0, high: 1.0 }),
        falsely_unreadable: gave_up as f64 / readable.max(1) as f64,
        calls_mean: mean(|c| c.answered.calls as f64),
        tokens_mean: mean(|c| c.answered.usage.total_tokens as f64),
        seconds_mean: mean(|c| c.answered.seconds),
    }
}

fn gains(first: &RunFolder, cells: &[&Cell]) -> BTreeMap<String, Estimate> {
    let gain = |cell: &&Cell| {
        let before = first.get(&cell.id, cell.epoch).filter(|before| !before.is_failed())?;
        Some(f64::from(u8::from(cell.right)) - f64::from(u8::from(before.right)))
    };
    let of = |(family, cells): (String, Vec<&Cell>)| {
        let gains: Vec<f64> = cells.iter().filter_map(gain).collect();
        Some((family, stats::bootstrap(&gains)?))
    };
    grouped(cells).into_iter().filter_map(of).collect()
}

/// The figures in a terminal: a part for each run, and what it gains.
pub fn family_table(runs: &[ByFamily]) -> String {
    let mut out = String::new();
    for run in runs {
        let more = run.against.is_some();
        let mut head = vec![run.run.clone()];
        head.extend(["right", "of", "accuracy", "95 %"].map(str::to_owned));
        head.extend(
            run.against.iter().flat_map(|first| [format!("over {first}"), "95 %".to_owned()]),
        );
        head.extend(["unread", "calls", "tokens", "seconds"].map(str::to_owned));
        let columns_right = head.len();
        let mut rows = vec![head];
        for f in &run.families {
            let mut row = vec![
                f.family.clone(),
                f.right.to_string(),
                f.asked.to_string(),
                percent(f.accuracy.mean),
                format!("{:.1} to {:.1}", 100.0 * f.accuracy.low, 100.0 * f.accuracy.high),
            ];
            if more {
                let gain = run.gains.get(&f.family);
                row.push(gain.map_or("–".into(), |g| format!("{:+.1}", 100.0 * g.mean)));
                row.push(gain.map_or("–".into(), |g| {
                    format!("{:+.1} to {:+.1}", 100.0 * g.low, 100.0 * g.high)
                }));
            }
            row.extend([
                percent(f.falsely_unreadable),
                format!("{:.1}", f.calls_mean),
                format!("{:.0}", f.tokens_mean),
                format!("{:.1}", f.seconds_mean),
            ]);
            rows.push(row);
        }
        out.push_str(&columns(&rows, columns_right));
        if run.failed + run.missing > 0 {
            out.push_str(&format!(
                "{} failed and {} were not asked: the same command asks them\n",
                run.failed, run.missing
            ));
        }
        out.push('\n');
    }
    out.push_str(
        "Intervals are bootstrapped. unread: readable pictures that were called unreadable.\n",
    );
    out
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
