//! The figures, as pure functions of counts.
//!
//! n samples of a question, c of them right: everything here is an unbiased estimator over the
//! subsets of k samples, never a power of the mean (for c = 7 of n = 8, four of four are right in
//! 0.500 of the subsets; (7/8)⁴ would say 0.586). Intervals are at 95 % and clustered by question:
//! samples of one question are no independent evidence.

use std::collections::BTreeMap;

use ozone_tasks::{Rng, Split};
use serde::Serialize;

/// A mean with its interval at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// Of one question: how often it was asked, and how often answered right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub asked: u32,
    pub right: u32,
}

/// The share of subsets of `k` samples with a right one: 1 − C(n−c, k) / C(n, k). `None` where
/// there are fewer than `k` samples. Source: arXiv:2107.03374.
pub fn pass_at_k(tally: Tally, k: u32) -> Option<f64> {
    let Tally { asked, right } = tally;
    (k >= 1 && k <= asked && right <= asked).then(|| 1.0 - subsets(asked - right, asked, k))
}

/// The share of subsets of `k` samples that are right to the last: C(c, k) / C(n, k). `None` where
/// there are fewer than `k` samples. Source: arXiv:2406.12045.
pub fn pass_hat_k(tally: Tally, k: u32) -> Option<f64> {
    let Tally { asked, right } = tally;
    (k >= 1 && k <= asked && right <= asked).then(|| subsets(right, asked, k))
}

/// C(part, k) / C(all, k), as a product of k factors of at most 1.
fn subsets(part: u32, all: u32, k: u32) -> f64 {
    (0..k).map(|i| f64::from(part.saturating_sub(i)) / f64::from(all - i)).product()
}

/// The most samples of a question that a majority is computed for: the sum is exact, and grows with
/// the fourth power.
const VOTES_MAX: usize = 128;

/// How often the answer that most of `k` samples give is right, over all subsets of `k` samples.
/// Each vote is an answer and whether it is right; `None` abstains. Equal counts share the win.
/// `None` where there are fewer than `k` samples, or more than 128.
pub fn maj_at_k(votes: &[(Option<&str>, bool)], k: u32) -> Option<f64> {
    let k = k as usize;
    if k == 0 || k > votes.len() || votes.len() > VOTES_MAX {
        return None;
    }
    let mut classes: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    let mut abstained = 0;
    for (answer, right) in votes {
        match answer {
            Some(answer) => {
                let class = classes.entry(answer).or_default();
                *class = (class.0 + 1, class.1 || *right);
            }
            None => abstained += 1,
        }
    }
    let sizes: Vec<(usize, bool)> = classes.into_values().collect();
    let all = choose(votes.len(), k);
    let winning = sizes.iter().enumerate().filter(|(_, (_, right))| *right).map(|(winner, _)| {
        let others: Vec<usize> =
            sizes.iter().enumerate().filter(|(i, _)| *i != winner).map(|(_, s)| s.0).collect();
        (1..=sizes[winner].0.min(k))
            .map(|most| choose(sizes[winner].0, most) * rest(&others, abstained, most, k - most))
            .sum::<f64>()
    });
    // The sum of nothing is -0.
    Some((winning.sum::<f64>() / all + 0.0).clamp(0.0, 1.0))
}

/// In how many ways `left` samples come from the other classes and from those that abstained, with
/// no class above `most`; a way with t classes at `most` counts 1/(t+1).
fn rest(others: &[usize], abstained: usize, most: usize, left: usize) -> f64 {
    // ways[ties][taken]
    let ties_max = left / most;
    let mut ways = vec![vec![0.0; left + 1]; ties_max + 1];
    ways[0][0] = 1.0;
    for size in others {
        let mut next = vec![vec![0.0; left + 1]; ties_max + 1];
        for (ties, row) in ways.iter().enumerate() {
            for (taken, count) in row.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                for more in 0..=(*size).min(most).min(left - taken) {
                    let ties = ties + usize::from(more == most);
                    if ties <= ties_max {
                        next[ties][taken + more] += count * choose(*size, more);
                    }
                }
            }
        }
        ways = next;
    }
    let ended = |row: &Vec<f64>| -> f64 {
        row.iter().enumerate().map(|(taken, count)| count * choose(abstained, left - taken)).sum()
    };
    ways.iter().enumerate().map(|(ties, row)| ended(row) / (ties + 1) as f64).sum()
}

fn choose(n: usize, k: usize) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
}

/// pass@1: the mean over questions of each one's share. With one sample each, Wilson's interval;
/// with more, Student's over the questions. `None` without questions.
pub fn pass_at_1(tallies: &[Tally]) -> Option<Estimate> {
    let shares: Vec<f64> = tallies.iter().filter_map(|t| pass_at_k(*t, 1)).collect();
    if shares.is_empty() {
        return None;
    }
    let is_single = tallies.iter().all(|t| t.asked <= 1);
    let clustered = clustered(&shares)?;
    let has_spread = clustered.high > clustered.low;
    if is_single || !has_spread {
        // Also where all questions came out alike: no spread is no certainty.
        let (low, high) = wilson(clustered.mean, shares.len());
        return Some(Estimate { mean: clustered.mean, low, high });
    }
    Some(Estimate { low: clustered.low.max(0.0), high: clustered.high.min(1.0), ..clustered })
}

/// The mean of one value for each question, with Student's interval. `None` without values.
pub fn clustered(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let half = match values.len() {
        1 => 0.0,
        count => {
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            student(count - 1) * (squares / (n - 1.0) / n).sqrt()
        }
    };
    Some(Estimate { mean, low: mean - half, high: mean + half })
}

/// The mean of one value for each question, with the interval that holds 95 % of the means of
/// questions drawn again with replacement. The draws are the same each time. `None` without values.
///
/// Source: Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979), percentiles.
pub fn bootstrap(values: &[f64]) -> Option<Estimate> {
    const DRAWS: u64 = 2_000;
    let n = values.len();
    let mean = clustered(values)?.mean;
    let draw = |index: u64| {
        let mut rng = Rng::new(0, Split::Known, index);
        (0..n).map(|_| values[rng.below(n as u64) as usize]).sum::<f64>() / n as f64
    };
    let mut means: Vec<f64> = (0..DRAWS).map(draw).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((DRAWS - 1) as f64 * share).round() as usize];
    Some(Estimate { mean, low: at(0.025), high: at(0.975) })
}

const Z: f64 = 1.959_964;

/// Wilson's score interval for a share of `n` (E. B. Wilson, JASA 22, 1927).
pub fn wilson(share: f64, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (n as f64, share);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// The 97.5 % point of Student's distribution: exact for one and two degrees, else Cornish and
/// Fisher's expansion, off by less than 0.4 % (Abramowitz and Stegun 26.7.5).
fn student(degrees: usize) -> f64 {
    match degrees {
        0 => f64::INFINITY,
        1 => 12.706_205,
        2 => 4.302_653,
        _ => {
            let v = degrees as f64;
            let g1 = (Z.powi(3) + Z) / 4.0;
            let g2 = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
            let g3 = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
            Z + g1 / v + g2 / v.powi(2) + g3 / v.powi(3)
        }
    }
}

/// Two runs over the questions that both have answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    pub questions: usize,
    /// The second's pass@1 minus the first's, over the questions.
    pub difference: Estimate,
    /// Questions that the second answers right more often, and less often.
    pub better: usize,
    pub worse: usize,
    /// Of a two-sided sign test: how likely such a split is if neither is better.
    pub p: f64,
}

/// Question by question, each pair being the two shares of right answers. `None` without questions.
pub fn paired(pairs: &[(f64, f64)]) -> Option<Paired> {
    let differences: Vec<f64> = pairs.iter().map(|(first, second)| second - first).collect();
    let better = differences.iter().filter(|d| **d > 0.0).count();
    let worse = differences.iter().filter(|d| **d < 0.0).count();
    let difference = clustered(&differences)?;
    Some(Paired { questions: pairs.len(), difference, better, worse, p: sign_test(better, worse) })
}

/// Twice the tail of a fair coin, at most 1; in logarithms, so that thousands do not underflow.
fn sign_test(better: usize, worse: usize) -> f64 {
    let n = better + worse;
    let mut log_ways = 0.0f64;
    let mut tail = 0.0;
    for i in 0..=better.min(worse) {
        tail += (log_ways - n as f64 * std::f64::consts::LN_2).exp();
        log_ways += ((n - i) as f64 / (i + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}
