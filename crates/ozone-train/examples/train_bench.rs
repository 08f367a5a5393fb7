//! `cargo run --release -p ozone-train --example train_bench -- ROUNDS`: training steps with 32-bit
//! and with bfloat16 products in turns on one thread, as JSON.
//!
//! The shape is one for which PyTorch's speed is known (3.2 million parameters, 16 rows of 256
//! tokens, loss at every position; forward, backward, clipping and update).

use std::time::Instant;

use ozone_train::model::{Batch, ModelConfig, Pass, Weights};
use ozone_train::optimizer::{Optimizer, OptimizerConfig};
use ozone_train::{Precision, TrainError};

const ROWS: usize = 16;
const WIDTH: usize = 256;
const STEPS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    ozone_train::memory::keep_freed();
    let rounds = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse())?;
    let config = ModelConfig {
        hidden_size: 256,
        num_hidden_layers: 5,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        intermediate_size: 512,
        vocab_size: 1024,
        ..ModelConfig::default()
    };
    let mut contenders =
        [Contender::new(&config, Precision::F32)?, Contender::new(&config, Precision::Bf16)?];
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (contender, rates) in contenders.iter_mut().zip(&mut rates) {
            let rate = contender.tokens_per_s();
            // The first round warms caches and the allocator.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let mut ratios: Vec<f64> = rates[1].iter().zip(&rates[0]).map(|(b, f)| b / f).collect();
    let [f32, bf16] = &mut rates;
    println!(
        "{:#}",
        serde_json::json!({
            "parameters": contenders[0].weights.count(),
            "rows": ROWS,
            "width": WIDTH,
            "threads": 1,
            "rounds": rounds,
            "has_bf16": Precision::fastest() == Precision::Bf16,
            "f32_tokens_per_s": median(f32),
            "bf16_tokens_per_s": median(bf16),
            "bf16_over_f32": median(&mut ratios),
        })
    );
    Ok(())
}

struct Contender {
    weights: Weights,
    optimizer: Optimizer,
    batch: Batch,
    precision: Precision,
}

impl Contender {
    fn new(config: &ModelConfig, precision: Precision) -> Result<Self, TrainError> {
        let weights = Weights::init(config, 1)?;
        let optimizer = Optimizer::new(OptimizerConfig::default(), &weights);
        let vocab = config.vocab_size;
        let ids: Vec<u32> = (0..ROWS * WIDTH).map(|i| (i * i * 31 % vocab) as u32).collect();
        let targets = (0u32..).zip(ids.iter().map(|id| (id + 1) % vocab as u32)).collect();
        let batch = Batch { rows: ROWS, width: WIDTH, ids, targets, ..Batch::default() };
        Ok(Self { weights, optimizer, batch, precision })
    }

    fn tokens_per_s(&mut self) -> f64 {
        let Self { weights, optimizer, batch, precision } = self;
        let begun = Instant::now();
        for _ in 0..STEPS {
            let scale = 1.0 / batch.targets.len() as f32;
            let lesson = weights.learn(batch, scale, Pass::Fused(*precision));
            optimizer.step(weights, &lesson.gradients, 0.1, 1, *precision);
        }
        (STEPS * ROWS * WIDTH) as f64 / begun.elapsed().as_secs_f64()
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
