//! From a row of logits to one token.
//!
//! The engine samples by itself and not through llama.cpp's samplers, so that a seed gives the
//! same tokens whatever else is in the batch: the random number for a token depends only on the
//! seed and on the token's place in the answer. Order of the steps, as in vLLM: penalties and
//! bans, grammar mask, temperature, top-k, top-p, min-p.

use std::collections::HashMap;

use toktrie::SimpleVob;

/// How tokens are drawn. The default is greedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token.
    pub temperature: f32,
    /// Keeps the smallest set of tokens with at least this probability; 1 keeps all.
    pub top_p: f32,
    /// Keeps this many tokens; 0 keeps all.
    pub top_k: u32,
    /// Drops tokens less likely than this share of the most likely one; 0 keeps all.
    pub min_p: f32,
    /// Taken off the logit of every token that was generated before.
    pub presence_penalty: f32,
    /// Taken off once for each time that the token was generated before.
    pub frequency_penalty: f32,
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// The name of the first number that is out of its range.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let within = |x: f32, min: f32, max: f32| x.is_finite() && (min..=max).contains(&x);
        if !within(self.temperature, 0.0, 100.0) {
            Some("temperature must be from 0 to 100")
        } else if !within(self.top_p, 0.0, 1.0) {
            Some("top_p must be from 0 to 1")
        } else if !within(self.min_p, 0.0, 1.0) {
            Some("min_p must be from 0 to 1")
        } else if !within(self.presence_penalty, -100.0, 100.0)
            || !within(self.frequency_penalty, -100.0, 100.0)
        {
            Some("penalties must be from -100 to 100")
        } else {
            None
        }
    }
}

/// What else decides about the next token, beside the model.
#[derive(Default)]
pub(super) struct Constraints<'a> {
    /// Tokens that the grammar allows.
    pub mask: Option<&'a SimpleVob>,
    pub ban: &'a [u32],
    /// Added to the logits of these tokens.
    pub bias: &'a [(u32, f32)],
}

impl Constraints<'_> {
    fn is_empty(&self) -> bool {
        self.mask.is_none() && self.ban.is_empty() && self.bias.is_empty()
    }
}

/// One drawn token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picked {
    pub id: u32,
    /// Natural logarithm of the model's own probability, before temperature and constraints.
    pub logprob: Option<f32>,
    /// The most likely tokens, best first.
    pub top: Vec<(u32, f32)>,
}

/// The sampling state of one sequence.
pub(super) struct Sampler {
    sampling: Sampling,
    /// None: no logprobs; Some(n): the drawn token's and the n most likely ones'.
    logprobs: Option<u32>,
    counts: HashMap<u32, u32>,
    drawn: u64,
    scratch: Vec<f32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    pub fn new(sampling: Sampling, logprobs: Option<u32>) -> Sampler {
        Sampler {
            sampling,
            logprobs,
            counts: HashMap::new(),
            drawn: 0,
            scratch: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Draws a token; `None` where nothing is allowed or the logits are no numbers.
    pub fn pick(&mut self, logits: &[f32], constraints: &Constraints) -> Option<Picked> {
        let id = if constraints.is_empty() && !self.has_penalties() {
            self.draw(logits)?
        } else {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            scratch.extend_from_slice(logits);
            self.apply(&mut scratch, constraints);
            let id = self.draw(&scratch);
            self.scratch = scratch;
            id?
        };
        let (logprob, top) = match self.logprobs {
            None => (None, Vec::new()),
            Some(n) => logprobs(logits, id, n as usize),
        };
        Some(Picked { id, logprob, top })
    }

    /// Counts a token as generated, drawn or forced.
    pub fn accept(&mut self, id: u32) {
        self.drawn += 1;
        if self.has_penalties() {
            *self.counts.entry(id).or_default() += 1;
        }
    }

    fn has_penalties(&self) -> bool {
        self.sampling.presence_penalty != 0.0 || self.sampling.frequency_penalty != 0.0
    }

    fn apply(&self, logits: &mut [f32], constraints: &Constraints) {
        for (&id, &count) in &self.counts {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit -=
                    self.sampling.presence_penalty + self.sampling.frequency_penalty * count as f32;
            }
        }
        for &(id, bias) in constraints.bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        for &id in constraints.ban {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        if let Some(mask) = constraints.mask {
            apply_mask(logits, mask);
        }
    }

    fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        let (best, max) = argmax(logits)?;
        if self.sampling.temperature <= 0.0 || self.sampling.top_k == 1 {
            return Some(best);
        }
        self.collect_candidates(logits, max);
        self.cut();
        let total: f64 = self.candidates.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let mut left = uniform(self.sampling.seed, self.drawn) * total;
        for &(id, weight) in &self.candidates {
            left -= f64::from(weight);
            if left < 0.0 {
                return Some(id);
            }
        }
        Some(best)
    }

    /// Weights relative to the best token, without those that 32-bit sums would not notice.
    fn collect_candidates(&mut self, logits: &[f32], max: f32) {
        const NEGLIGIBLE_NATS: f32 = 30.0;
        let scale = self.sampling.temperature.recip();
        let floor = match self.sampling.min_p {
            min_p if min_p > 0.0 => min_p.ln().max(-NEGLIGIBLE_NATS),
            _ => -NEGLIGIBLE_NATS,
        };
        self.candidates.clear();
        for (id, logit) in (0u32..).zip(logits) {
            let nats = (logit - max) * scale;
            if nats >= floor {
                self.candidates.push((id, nats.exp()));
            }
        }
    }

    fn cut(&mut self) {
        let k = self.sampling.top_k as usize;
        if k > 0 && k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(k - 1, by_weight);
            self.candidates.truncate(k);
        }
        if self.sampling.top_p < 1.0 {
            cut_top_p(&mut self.candidates, self.sampling.top_p);
        } else {
            // The order in which chance walks over them must not depend on the selection above.
            self.candidates.sort_unstable_by_key(|(id, _)| *id);
        }
    }
}

fn by_weight(a: &(u32, f32), b: &(u32, f32)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Keeps the most likely candidates until they hold `top_p` of the weight; at least one.
fn cut_top_p(candidates: &mut Vec<(u32, f32)>, top_p: f32) {
    const HEAD: usize = 512;
    let total: f64 = candidates.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let wanted = total * f64::from(top_p);
    // Most of the time a few hundred tokens hold the weight: the rest is not sorted.
    if candidates.len() > 2 * HEAD {
        candidates.select_nth_unstable_by(HEAD - 1, by_weight);
        let head: f64 = candidates[..HEAD].iter().map(|(_, weight)| f64::from(*weight)).sum();
        if head >= wanted {
            candidates.truncate(HEAD);
        }
    }
    candidates.sort_unstable_by(by_weight);
    let mut held = 0.0;
    let keep = candidates.iter().take_while(|(_, weight)| {
        let goes_on = held < wanted;
        held += f64::from(*weight);
        goes_on
    });
    let keep = keep.count().max(1);
    candidates.truncate(keep);
}

fn apply_mask(logits: &mut [f32], mask: &SimpleVob) {
    let words = mask.as_slice();
    for (i, chunk) in logits.chunks_mut(32).enumerate() {
        match words.get(i).copied().unwrap_or(0) {
            0 => chunk.fill(f32::NEG_INFINITY),
            u32::MAX => {}
            word => {
                for (bit, logit) in chunk.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
    }
}

/// The first of the largest logits and its place; `None` where there is no finite one.
///
/// Two passes that the compiler turns into vector code: a greedy step over 152,000 tokens must
/// not cost a noticeable share of the step.
fn argmax(logits: &[f32]) -> Option<(u32, f32)> {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, logit) in lanes.iter_mut().zip(chunk) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    if max.is_infinite() {
        return None;
    }
    let place = logits.iter().position(|logit| *logit == max)?;
    Some((place as u32, max))
}

/// The log-probability of `id` and of the `n` most likely tokens.
fn logprobs(logits: &[f32], id: u32, n: usize) -> (Option<f32>, Vec<(u32, f32)>) {
    let Some((_, max)) = argmax(logits) else { return (None, Vec::new()) };
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - max).exp())).sum();
    let log_sum = max + sum.ln() as f32;
    let mut top: Vec<(u32, f32)> = Vec::new();
    if n > 0 {
        let mut all: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
        let n = n.min(all.len());
        all.select_nth_unstable_by(n - 1, by_weight);
        all.truncate(n);
        all.sort_unstable_by(by_weight);
        top.extend(all.into_iter().map(|(id, logit)| (id, logit - log_sum)));
    }
    (logits.get(id as usize).map(|logit| logit - log_sum), top)
}

/// A number in `[0, 1)` from a seed and a place (splitmix64, <https://prng.di.unimi.it>).
fn uniform(seed: u64, place: u64) -> f64 {
    let mut z = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for _ in 0..2 {
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
    }
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling, Some(2))
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let mut logits = vec![0.0; 40];
        logits[7] = 3.0;
        logits[33] = 3.0;
        let picked = sampler(Sampling::default()).pick(&logits, &Constraints::default()).unwrap();
        assert_eq!(picked.id, 7);
        assert_eq!(picked.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [7, 33]);
    }

    #[test]
    fn nothing_is_drawn_from_what_is_not_a_number() {
        let mut sampler = sampler(Sampling { temperature: 1.0, ..Sampling::default() });
        assert_eq!(sampler.pick(&[f32::NAN; 8], &Constraints::default()), None);
        assert_eq!(sampler.pick(&[f32::NEG_INFINITY; 8], &Constraints::default()), None);
    }

    #[test]
    fn bans_and_masks_hold_at_every_temperature() {
        let mut mask = SimpleVob::alloc(64);
        mask.allow_token(40);
        mask.allow_token(41);
        for temperature in [0.0, 1.0, 50.0] {
            let mut sampler = sampler(Sampling { temperature, ..Sampling::default() });
            for seed in 0..50 {
                sampler.sampling.seed = seed;
                let constraints =
                    Constraints { mask: Some(&mask), ban: &[40], ..Constraints::default() };
                assert_eq!(sampler.pick(&[1.0; 64], &constraints).unwrap().id, 41);
            }
        }
    }

    /// Frequencies over many seeds follow the softmax, and cuts remove what they should.
    #[test]
    fn draws_follow_the_distribution() {
        let logits = [2.0f32.ln(), 1.0f32.ln(), 1.0f32.ln(), f32::NEG_INFINITY];
        let share = |sampling: Sampling| {
            let mut counts = [0; 4];
            for seed in 0..4000 {
                let mut sampler = Sampler::new(Sampling { seed, ..sampling.clone() }, None);
                counts[sampler.pick(&logits, &Constraints::default()).unwrap().id as usize] += 1;
            }
            counts
        };
        let warm = Sampling { temperature: 1.0, ..Sampling::default() };
        let counts = share(warm.clone());
        assert!((1850..2150).contains(&counts[0]) && counts[3] == 0, "{counts:?}");
        assert_eq!(share(Sampling { top_p: 0.5, ..warm.clone() })[0], 4000);
        assert_eq!(share(Sampling { top_k: 2, ..warm.clone() })[2], 0);
        assert_eq!(share(Sampling { min_p: 0.6, ..warm })[0], 4000);
    }

    #[test]
    fn penalties_lower_what_was_said() {
        let sampling = Sampling { frequency_penalty: 1.0, ..Sampling::default() };
        let mut sampler = Sampler::new(sampling, None);
        sampler.accept(0);
        assert_eq!(sampler.pick(&[1.5, 1.0], &Constraints::default()).unwrap().id, 1);
    }
}
