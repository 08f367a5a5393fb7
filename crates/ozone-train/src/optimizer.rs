//! Muon for the hidden matrices, AdamW for embeddings and norms.
//!
//! Muon (Jordan et al., 2024): the momentum's update is replaced by the nearest orthogonal matrix,
//! found by a quintic Newton-Schulz iteration. Departure from burn's own `Muon`: state and
//! parameters are slices on the host, so that a checkpoint is a plain copy of them, and the
//! matrices are shared out over the worker threads.

use serde::{Deserialize, Serialize};

use crate::kernels::{Precision, Target, View, Write, product};
use crate::model::{Parameter, Weights};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// Peak learning rate of the hidden matrices: the spectral size of one update of a square one.
    pub muon_lr: f32,
    pub muon_momentum: f32,
    /// Peak learning rate of embeddings and norms.
    pub adam_lr: f32,
    pub adam_beta1: f32,
    pub adam_beta2: f32,
    /// Each step shrinks matrices by `lr * weight_decay`.
    pub weight_decay: f32,
    /// The gradients' norm above which they are scaled down.
    pub clip_norm: f32,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            muon_lr: 0.01,
            muon_momentum: 0.95,
            adam_lr: 0.003,
            adam_beta1: 0.9,
            adam_beta2: 0.98,
            weight_decay: 0.02,
            clip_norm: 1.0,
        }
    }
}

/// What an optimizer remembers of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Memory {
    Muon { momentum: Vec<f32> },
    Adam { mean: Vec<f32>, square: Vec<f32> },
}

impl Memory {
    fn for_parameter(parameter: &Parameter) -> Self {
        let zeros = vec![0.0; parameter.data.len()];
        let hidden = parameter.shape.len() == 2 && parameter.name.contains(".layers.");
        if hidden {
            Self::Muon { momentum: zeros }
        } else {
            Self::Adam { mean: zeros.clone(), square: zeros }
        }
    }

    /// The remembered slices, in a fixed order, for checkpoints.
    pub fn slices(&self) -> Vec<&[f32]> {
        match self {
            Self::Muon { momentum } => vec![momentum],
            Self::Adam { mean, square } => vec![mean, square],
        }
    }

    pub(crate) fn slices_mut(&mut self) -> Vec<&mut Vec<f32>> {
        match self {
            Self::Muon { momentum } => vec![momentum],
            Self::Adam { mean, square } => vec![mean, square],
        }
    }
}

/// The state of both optimizers, one [`Memory`] per parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    pub config: OptimizerConfig,
    pub memories: Vec<Memory>,
    /// Steps taken, for Adam's bias correction.
    pub steps: u64,
}

impl Optimizer {
    pub fn new(config: OptimizerConfig, weights: &Weights) -> Self {
        let memories = weights.parameters.iter().map(Memory::for_parameter).collect();
        Self { config, memories, steps: 0 }
    }

    /// One step at `lr_share` (0 to 1) of the peak learning rates, matrix products in `precision`
    /// (Muon's authors use bfloat16). Returns the gradients' norm
    /// before clipping.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        gradients: &[Vec<f32>],
        lr_share: f32,
        threads: usize,
        precision: Precision,
    ) -> f32 {
        self.steps += 1;
        let norm = gradients.iter().map(|gradient| square_sum(gradient)).sum::<f64>().sqrt() as f32;
        let clip = if norm > self.config.clip_norm { self.config.clip_norm / norm } else { 1.0 };
        let update = Update { config: &self.config, steps: self.steps, lr_share, clip, precision };
        let mut jobs: Vec<_> =
            weights.parameters.iter_mut().zip(&mut self.memories).zip(gradients).collect();
        jobs.sort_by_key(|((parameter, _), _)| std::cmp::Reverse(update.cost(parameter)));
        let mut shares: Vec<(u64, Vec<_>)> = (0..threads.max(1)).map(|_| (0, Vec::new())).collect();
        for job in jobs {
            let share = shares.iter_mut().min_by_key(|(cost, _)| *cost).expect("at least one");
            share.0 += update.cost(job.0.0);
            share.1.push(job);
        }
        std::thread::scope(|scope| {
            let (_, own) = shares.pop().expect("at least one");
            for (_, share) in shares {
                scope.spawn(|| update.all(share));
            }
            update.all(own);
        });
        norm
    }
}

type Job<'a> = ((&'a mut Parameter, &'a mut Memory), &'a Vec<f32>);

struct Update<'a> {
    config: &'a OptimizerConfig,
    steps: u64,
    lr_share: f32,
    clip: f32,
    precision: Precision,
}

impl Update<'_> {
    /// Rough work of one parameter, to share parameters out evenly.
    fn cost(&self, parameter: &Parameter) -> u64 {
        let size = parameter.data.len() as u64;
        match parameter.shape[..] {
            [rows, columns] if parameter.name.contains(".layers.") => {
                size * rows.min(columns) as u64
            }
            _ => size,
        }
    }

    fn all(&self, jobs: Vec<Job<'_>>) {
        for ((parameter, memory), gradient) in jobs {
            match memory {
                Memory::Muon { momentum } => self.muon(parameter, momentum, gradient),
                Memory::Adam { mean, square } => self.adam(parameter, mean, square, gradient),
            }
        }
    }

    fn muon(&self, parameter: &mut Parameter, momentum: &mut [f32], gradient: &[f32]) {
        let beta = self.config.muon_momentum;
        let nesterov = momentum
            .iter_mut()
            .zip(gradient)
            .map(|(momentum, &gradient)| {
                *momentum = beta * *momentum + (1.0 - beta) * gradient * self.clip;
                beta * *momentum + (1.0 - beta) * gradient * self.clip
            })
            .collect();
        let (rows, columns) = (parameter.shape[0], parameter.shape[1]);
        let update = orthogonalize(nesterov, rows, columns, self.precision);
        let lr = self.config.muon_lr * self.lr_share;
        let keep = 1.0 - lr * self.config.weight_decay;
        let scale = lr * (rows as f32 / columns as f32).max(1.0).sqrt();
        for (weight, update) in parameter.data.iter_mut().zip(update) {
            *weight = *weight * keep - scale * update;
        }
    }

    fn adam(
        &self,
        parameter: &mut Parameter,
        mean: &mut [f32],
        square: &mut [f32],
        gradient: &[f32],
    ) {
        let OptimizerConfig { adam_beta1: beta1, adam_beta2: beta2, .. } = *self.config;
        let steps = self.steps.min(1_000_000) as i32;
        let (bias1, bias2) = (1.0 - beta1.powi(steps), 1.0 - beta2.powi(steps));
        let lr = self.config.adam_lr * self.lr_share;
        for (((weight, mean), square), &gradient) in
            parameter.data.iter_mut().zip(mean).zip(square).zip(gradient)
        {
            let gradient = gradient * self.clip;
            *mean = beta1 * *mean + (1.0 - beta1) * gradient;
            *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
            *weight -= lr * (*mean / bias1) / ((*square / bias2).sqrt() + 1e-8);
        }
    }
}

/// The nearest matrix with all singular values near 1, of `matrix (rows, columns)`.
///
/// Five steps of Newton-Schulz with Jordan's coefficients; singular values end in 0.7 to 1.2.
fn orthogonalize(
    mut matrix: Vec<f32>,
    rows: usize,
    columns: usize,
    precision: Precision,
) -> Vec<f32> {
    let norm = square_sum(&matrix).sqrt().max(1e-12) as f32;
    matrix.iter_mut().for_each(|x| *x /= norm);
    let short = rows.min(columns);
    let mut gram = vec![0.0; short * short];
    for _ in 0..5 {
        let x = View::new(&matrix, 0, rows, columns, columns);
        let (left, right) = if rows > columns { (x.transposed(), x) } else { (x, x.transposed()) };
        let target = Target { data: &mut gram, start: 0, row_stride: short };
        product(precision, target, Write::Replace, left, right, 1.0);
        // both = -4.775 gram + 2.0315 gram^2
        let mut both: Vec<f32> = gram.iter().map(|g| g * -4.775).collect();
        let square = View::new(&gram, 0, short, short, short);
        let target = Target { data: &mut both, start: 0, row_stride: short };
        product(precision, target, Write::Add, square, square, 2.0315);
        // x = 3.4445 x + both x; `both` is symmetric, so a tall x is multiplied from the right.
        let mut next: Vec<f32> = matrix.iter().map(|x| x * 3.4445).collect();
        let both = View::new(&both, 0, short, short, short);
        let (left, right) = if rows > columns { (x, both) } else { (both, x) };
        let target = Target { data: &mut next, start: 0, row_stride: columns };
        product(precision, target, Write::Add, left, right, 1.0);
        matrix = next;
    }
    matrix
}

fn square_sum(values: &[f32]) -> f64 {
    values.chunks(4096).map(|part| f64::from(part.iter().map(|v| v * v).sum::<f32>())).sum()
}
