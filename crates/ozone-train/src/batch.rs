//! Rows of tokens to batches, and batches to one lesson.

use crate::example::TokenizedExample;
use crate::kernels::Precision;
use crate::model::{Batch, Lesson, Pass, Weights};
use crate::tokenizer::END_OF_TEXT;

/// What all `parts` teach together: each on a thread of its own, gradients summed in a fixed order.
/// `parts` is not empty.
pub(crate) fn learn(
    weights: &Weights,
    parts: &[Batch],
    scale: f32,
    precision: Precision,
) -> Lesson {
    let mut lessons =
        each(parts, |part| weights.learn(part, scale, Pass::Fused(precision))).into_iter();
    let mut all = lessons.next().expect("a step has at least one part");
    lessons.for_each(|lesson| all.add(lesson));
    all
}

impl Lesson {
    pub(crate) fn add(&mut self, other: Lesson) {
        self.loss += other.loss;
        self.logprobs.extend(other.logprobs);
        for (sum, other) in self.gradients.iter_mut().zip(other.gradients) {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
    }
}

/// `work` on each part, all parts but the first on threads of their own.
pub(crate) fn each<R: Send>(parts: &[Batch], work: impl Fn(&Batch) -> R + Sync) -> Vec<R> {
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let handles: Vec<_> = others.iter().map(|part| scope.spawn(|| work(part))).collect();
        let mut results = vec![work(first)];
        for handle in handles {
            results.push(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// The rows of a step, shared out to the workers.
pub(crate) fn shares(rows: &[TokenizedExample], workers: usize) -> Vec<Batch> {
    let shares =
        (0..workers.min(rows.len())).map(|worker| pad(rows.iter().skip(worker).step_by(workers)));
    shares.filter(|part| !part.targets.is_empty()).collect()
}

/// Rows side by side, padded at the end, with a target wherever the next token is trained.
pub(crate) fn pad<'a>(rows: impl Iterator<Item = &'a TokenizedExample> + Clone) -> Batch {
    // The last token of a row is only ever a target.
    let width = rows.clone().map(|row| row.ids.len() - 1).max().unwrap_or(0);
    let mut batch = Batch { width, ..Batch::default() };
    for row in rows {
        let start = batch.ids.len();
        batch.ids.extend_from_slice(&row.ids[..row.ids.len() - 1]);
        batch.ids.resize(start + width, END_OF_TEXT);
        for next in (1..row.ids.len()).filter(|&next| row.trained[next]) {
            batch.targets.push(((start + next - 1) as u32, row.ids[next]));
            batch.credits.extend(row.credits.get(next));
        }
        batch.rows += 1;
    }
    batch
}

/// Batches of about `batch_tokens` each, rows of about equal length. Examples that are longer than
/// `row_tokens_max`, or have nothing to learn, are left out.
pub(crate) fn plan(
    mut examples: Vec<TokenizedExample>,
    row_tokens_max: usize,
    batch_tokens: usize,
) -> Vec<Vec<TokenizedExample>> {
    examples.retain(|example| {
        example.ids.len() <= row_tokens_max
            && example.trained.iter().skip(1).any(|&trained| trained)
    });
    examples.sort_by_key(|example| example.ids.len());
    let mut batches: Vec<Vec<TokenizedExample>> = Vec::new();
    for example in examples {
        match batches.last_mut() {
            Some(rows) if (rows.len() + 1) * example.ids.len() <= batch_tokens => {
                rows.push(example);
            }
            _ => batches.push(vec![example]),
        }
    }
    batches
}
