//! Practising what is difficult: wordings that a model still misreads are drawn more often.
//!
//! Most of some 25,000 wordings are learned early, and a uniform draw then spends nearly all of a
//! training on them. How difficult each line is gets measured once with a trained model; the next
//! training draws a share of its questions by that. The measure is fixed for a training, so a
//! question stays a pure function of its index.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, Rng, WordingError, Wordings};

/// What a model makes of one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difficulty {
    pub kind: String,
    pub line: usize,
    /// Minus the logprob of the least likely token that the model should write.
    pub nats: f64,
}

impl Difficulty {
    /// What the line costs beyond the median of its kind. A trace may say the same in several ways,
    /// so a kind that is well understood has its own floor; a line far above it is misread.
    pub fn excess(measured: &[Difficulty]) -> Vec<f64> {
        let mut of_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for line in measured {
            of_kind.entry(&line.kind).or_default().push(line.nats);
        }
        let median = |nats: &mut Vec<f64>| {
            nats.sort_by(f64::total_cmp);
            nats[nats.len() / 2]
        };
        let medians: BTreeMap<&str, f64> =
            of_kind.iter_mut().map(|(kind, nats)| (*kind, median(nats))).collect();
        measured.iter().map(|line| line.nats - medians[line.kind.as_str()]).collect()
    }
}

/// A draw of lines by their difficulty.
#[derive(Debug, Clone, PartialEq)]
pub struct Practice {
    share: f64,
    measured: Vec<Difficulty>,
    lines: Vec<(usize, usize)>,
    /// Summed weights up to and with each line.
    sums: Vec<f64>,
}

/// Excess that is noise.
const NOISE: f64 = 0.3;
/// A line's difficulty counts up to here: what is misread counts the same, however surely.
const NATS_MAX: f64 = 3.0;
/// What is left of a line that is understood.
const NATS_MIN: f64 = 0.02;

impl Practice {
    /// `share` of the questions are drawn by difficulty, the others as ever.
    pub fn new(measured: Vec<Difficulty>, share: f64) -> Self {
        Practice { share, measured, lines: vec![], sums: vec![] }
    }

    /// Finds the lines again. A file of another state of the wordings is an error, not a guess.
    pub(crate) fn check(
        &mut self,
        kinds: &[Kind],
        wordings: &Wordings,
    ) -> Result<(), WordingError> {
        let mut sum = 0.0;
        let weight_of = |kind: usize| f64::from(kinds[kind].weight);
        let measured = std::mem::take(&mut self.measured);
        let excess = Difficulty::excess(&measured);
        for (Difficulty { kind: name, line, .. }, excess) in measured.into_iter().zip(excess) {
            let kind = kinds.iter().position(|kind| kind.name == name);
            let kind = kind.filter(|_| line < wordings.lines_of(&name));
            let kind =
                kind.ok_or_else(|| WordingError::UnknownLine { kind: name.clone(), line })?;
            // A line of a kind that is asked often matters more, and less the more lines share it.
            let asked = weight_of(kind) / wordings.lines_of(&name) as f64;
            sum += asked * (excess - NOISE).clamp(NATS_MIN, NATS_MAX);
            self.lines.push((kind, line));
            self.sums.push(sum);
        }
        Ok(())
    }

    /// The line to be asked, if this is a question of practice.
    pub(crate) fn pick(&self, rng: &mut Rng) -> Option<(usize, usize)> {
        let total = self.sums.last().copied().filter(|total| *total > 0.0)?;
        if !rng.chance(self.share) {
            return None;
        }
        const STEPS: u64 = 1 << 40;
        let at = rng.below(STEPS) as f64 / STEPS as f64 * total;
        self.lines.get(self.sums.partition_point(|sum| *sum <= at)).copied()
    }
}
