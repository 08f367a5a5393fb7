//! The figures of one run, and how two runs compare.

use std::collections::BTreeMap;

use ozone_types::Usage;
use serde::Serialize;

use crate::stats::{self, Estimate, Paired, Tally};
use crate::{Cell, Outfit, Plan, Pro, RunFolder};

/// What a run came to. Questions that failed are in no figure but `failed`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub suite: String,
    pub suite_hash: String,
    pub model: String,
    pub effort: Option<String>,
    pub pro: Option<Pro>,
    pub tools: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outfit: Option<Outfit>,
    pub temperature: f32,
    pub seed: u64,
    /// That have at least one answer.
    pub questions: usize,
    /// Answers.
    pub samples: usize,
    /// Answers that are right in the form that was asked for.
    pub right: usize,
    /// Asked without an answer, and not asked yet.
    pub failed: usize,
    pub missing: usize,
    /// pass@1 in the form that was asked for, at 95 % clustered by question.
    pub accuracy: f64,
    pub accuracy_low: f64,
    pub accuracy_high: f64,
    /// pass@1 in any form.
    pub lenient: Option<Estimate>,
    /// Over the questions with at least k answers, for each k.
    pub pass_at_k: BTreeMap<u32, f64>,
    pub maj_at_k: BTreeMap<u32, f64>,
    pub pass_hat_k: BTreeMap<u32, f64>,
    /// Of the questions that need Python, the share that used it.
    pub python_when_needed: Option<f64>,
    /// Of the questions that don't, the share that used it.
    pub python_when_not_needed: Option<f64>,
    pub tool_calls: usize,
    pub usage: Usage,
    /// Per answer.
    pub input_tokens_mean: f64,
    pub output_tokens_mean: f64,
    pub reasoning_tokens_mean: f64,
    pub seconds_mean: f64,
    /// Of a vote, with those that were cut; 1 without one.
    pub samples_mean: f64,
    /// `None` where a price is unknown.
    pub usd_mean: Option<f64>,
    /// What own machines cost.
    pub machine_usd_mean: Option<f64>,
    /// Seconds of all answers together.
    pub seconds: f64,
    /// Group to right answers and answers.
    pub families: BTreeMap<String, (usize, usize)>,
}

impl Summary {
    pub fn of(folder: &RunFolder) -> Summary {
        Summary::new(&folder.manifest.plan, folder.cells())
    }

    pub fn new<'c>(plan: &Plan, cells: impl Iterator<Item = &'c Cell>) -> Summary {
        let (failed, cells): (Vec<&Cell>, Vec<&Cell>) = cells.partition(|c| c.is_failed());
        let mut questions: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
        let mut families: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut usage = Usage::default();
        for cell in &cells {
            questions.entry(&cell.id).or_default().push(cell);
            let family = families.entry(cell.group().to_owned()).or_default();
            *family = (family.0 + usize::from(cell.right), family.1 + 1);
            usage += cell.answered.usage;
        }
        let tally = |right: fn(&Cell) -> bool| -> Vec<Tally> {
            let of = |cells: &Vec<&Cell>| Tally {
                asked: cells.len() as u32,
                right: cells.iter().filter(|c| right(c)).count() as u32,
            };
            questions.values().map(of).collect()
        };
        let strict = tally(|c| c.right);
        let accuracy =
            stats::pass_at_1(&strict).unwrap_or(Estimate { mean: 0.0, low: 0.0, high: 1.0 });
        let most = strict.iter().map(|t| t.asked).max().unwrap_or(0);
        let doubled = std::iter::successors(Some(2u32), |k| k.checked_mul(2));
        let mut ks: Vec<u32> = doubled.take_while(|k| *k < most).collect();
        ks.extend((most > 1).then_some(most));
        let over = |figure: &dyn Fn(u32) -> Vec<f64>| -> BTreeMap<u32, f64> {
            let means = ks.iter().filter_map(|k| Some((*k, stats::clustered(&figure(*k))?.mean)));
            means.collect()
        };
        let votes: Vec<Vec<(Option<&str>, bool)>> = questions
            .values()
            .map(|cells| cells.iter().map(|c| (c.answer.as_deref(), c.lenient)).collect())
            .collect();
        let can_vote = votes.iter().flatten().any(|(answer, _)| answer.is_some());
        let n = cells.len().max(1) as f64;
        // The sum of nothing is -0.
        let sum = |value: &dyn Fn(&Cell) -> f64| cells.iter().map(|c| value(c)).sum::<f64>() + 0.0;
        let mean = |value: &dyn Fn(&Cell) -> f64| sum(value) / n;
        let mean_if_known = |value: fn(&Cell) -> Option<f64>| -> Option<f64> {
            let known: Option<Vec<f64>> = cells.iter().map(|c| value(c)).collect();
            known.filter(|k| !k.is_empty()).map(|k| k.iter().sum::<f64>() / n)
        };
        let used = |needed: bool| {
            let all: Vec<_> = cells.iter().filter(|c| c.needs_python == Some(needed)).collect();
            let used = all.iter().filter(|c| c.answered.calls > 0).count();
            (!all.is_empty()).then(|| used as f64 / all.len() as f64)
        };
        let planned = plan.questions * plan.repeats as usize;
        Summary {
            suite: plan.suite.clone(),
            suite_hash: plan.suite_hash.clone(),
            model: plan.model.clone(),
            effort: plan.effort_name(),
            pro: plan.pro,
            tools: plan.tools,
            outfit: plan.outfit,
            temperature: plan.temperature,
            seed: plan.seed,
            questions: questions.len(),
            samples: cells.len(),
            right: cells.iter().filter(|c| c.right).count(),
            failed: failed.len(),
            missing: planned.saturating_sub(cells.len() + failed.len()),
            accuracy: accuracy.mean,
            accuracy_low: accuracy.low,
            accuracy_high: accuracy.high,
            lenient: stats::pass_at_1(&tally(|c| c.lenient)),
            pass_at_k: over(&|k| strict.iter().filter_map(|t| stats::pass_at_k(*t, k)).collect()),
            maj_at_k: match can_vote {
                true => over(&|k| votes.iter().filter_map(|v| stats::maj_at_k(v, k)).collect()),
                false => BTreeMap::new(),
            },
            pass_hat_k: over(&|k| strict.iter().filter_map(|t| stats::pass_hat_k(*t, k)).collect()),
            python_when_needed: used(true),
            python_when_not_needed: used(false),
            tool_calls: cells.iter().map(|c| c.answered.calls).sum(),
            usage,
            input_tokens_mean: mean(&|c| c.answered.usage.input_tokens as f64),
            output_tokens_mean: mean(&|c| c.answered.usage.output_tokens as f64),
            reasoning_tokens_mean: mean(&|c| {
                c.answered.usage.output_tokens_details.reasoning_tokens as f64
            }),
            seconds_mean: mean(&|c| c.answered.seconds),
            samples_mean: mean(&|c| f64::from(c.answered.samples)),
            usd_mean: mean_if_known(Cell::usd),
            machine_usd_mean: mean_if_known(Cell::machine_usd),
            seconds: sum(&|c| c.answered.seconds),
            families,
        }
    }

    /// What a point of the chart is called beside its model.
    pub fn setting(&self) -> String {
        let mut words: Vec<&str> = self.effort.as_deref().into_iter().collect();
        words.extend(self.pro.map(Pro::name));
        words.extend((!self.tools).then_some("no tools"));
        let outfit = self.outfit.map(Outfit::name);
        words.extend(outfit.as_deref());
        words.join(" ")
    }

    pub fn label(&self) -> String {
        format!("{} {}", self.model, self.setting()).trim_end().to_owned()
    }
}

/// Two runs of one suite, over the questions that both have answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub first: String,
    pub second: String,
    #[serde(flatten)]
    pub paired: Paired,
}

impl Compared {
    /// Each run against the first one of its suite.
    pub fn all(runs: &[RunFolder]) -> Vec<Compared> {
        let mut compared = vec![];
        for (index, second) in runs.iter().enumerate() {
            let hash = &second.manifest.plan.suite_hash;
            let first = runs[..index].iter().find(|r| r.manifest.plan.suite_hash == *hash);
            compared.extend(first.and_then(|first| Compared::of(first, second)));
        }
        compared
    }

    pub fn of(first: &RunFolder, second: &RunFolder) -> Option<Compared> {
        let (before, after) = (shares(first), shares(second));
        let pairs: Vec<(f64, f64)> =
            before.iter().filter_map(|(id, share)| Some((*share, *after.get(id)?))).collect();
        let [first, second] = [first, second].map(|run| run.manifest.plan.label());
        Some(Compared { first, second, paired: stats::paired(&pairs)? })
    }
}

/// Of each question, the share of right answers.
fn shares(run: &RunFolder) -> BTreeMap<&str, f64> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for cell in run.cells().filter(|c| !c.is_failed()) {
        let tally = tallies.entry(&cell.id).or_default();
        *tally = Tally { asked: tally.asked + 1, right: tally.right + u32::from(cell.right) };
    }
    tallies.into_iter().filter_map(|(id, t)| Some((id, stats::pass_at_k(t, 1)?))).collect()
}
