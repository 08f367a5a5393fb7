//! What users of the trainer see: a run's folder, a tokenizer, exported files.

mod export;
mod learning;
mod reinforcing;
mod resuming;
mod tokenizing;

use ozone_train::export::ModelCard;
use ozone_train::model::ModelConfig;
use ozone_train::sft::{SftConfig, Sources, TrainObserver, train};
use ozone_train::{Example, ExampleSource, Segment, TrainError, checkpoint::Checkpoint};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// A conversation that asks for three letters back.
pub fn echo(index: u64) -> Example {
    let letter = |n: u64| char::from(b'a' + (index.wrapping_mul(n) >> 24) as u8 % 12);
    let asked: String = [0x9e37_79b1, 0x85eb_ca6b, 0xc2b2_ae35].map(letter).iter().collect();
    Example {
        segments: vec![
            Segment { text: format!("<|im_start|>{asked}<|im_end|>"), trained: false },
            Segment { text: format!("{asked}<|im_end|>"), trained: true },
        ],
    }
}

/// A shape that trains in moments.
pub fn small() -> ModelConfig {
    ModelConfig {
        hidden_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        intermediate_size: 96,
        vocab_size: 288,
        max_position_embeddings: 64,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-6,
    }
}

pub fn config(total_tokens: u64) -> SftConfig {
    SftConfig {
        model: small(),
        total_tokens,
        warmup_tokens: 1000,
        batch_tokens: 256,
        window_examples: 100,
        tokenizer_examples: 50,
        workers: 1,
        log_every_steps: 1,
        held_out_every_tokens: 0,
        score_every_tokens: 0,
        ..SftConfig::default()
    }
}

pub fn run(
    folder: &Path,
    config: &SftConfig,
    observer: &mut dyn TrainObserver,
    cancel: &AtomicBool,
) -> Result<Checkpoint, TrainError> {
    let source: &dyn ExampleSource = &echo;
    let held_out = |index: u64| echo(index + (1 << 40));
    let card = ModelCard::default();
    let sources = Sources { train: source, held_out: Some(&held_out), card: &card, start: None };
    train(folder, config, &sources, observer, cancel)
}

pub fn finish(folder: &Path, config: &SftConfig) -> Result<Checkpoint, TrainError> {
    run(folder, config, &mut (), &AtomicBool::new(false))
}
