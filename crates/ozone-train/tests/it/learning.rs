use std::path::Path;
use std::sync::atomic::AtomicBool;

use ozone_train::checkpoint::Checkpoint;
use ozone_train::model::{Batch, ModelConfig, Pass, Weights};
use ozone_train::sft::{Record, SftConfig, TrainObserver, held_out_loss};
use ozone_train::{Credit, Precision, TrainError};

use crate::{config, echo, finish, run, small};

fn greedy(model: &Checkpoint, prompt: &str, tokens: usize) -> String {
    let mut ids = model.tokenizer.encode(prompt);
    let start = ids.len();
    for _ in 0..tokens {
        let logits = model.weights.logits(&ids).unwrap().pop().unwrap();
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        ids.push(best as u32);
    }
    model.tokenizer.decode(&ids[start..])
}

/// Held-out letters are copied exactly: the model has learned to look back, not the examples.
#[test]
fn training_learns_to_copy() {
    let folder = tempfile::tempdir().unwrap();
    let config = SftConfig { workers: 2, ..config(120_000) };
    let model = finish(folder.path(), &config).unwrap();
    let held_out = |index: u64| echo(index + (1 << 40));
    let loss = held_out_loss(&model.weights, &model.tokenizer, &held_out, &config);
    assert!(loss < 0.1, "held-out loss {loss}");
    let right = (0..20u64).filter(|index| {
        let example = held_out(1000 + index);
        let [asked, answer] = &example.segments[..] else { unreachable!("echo has two segments") };
        greedy(&model, &asked.text, 6).starts_with(&answer.text)
    });
    let right = right.count();
    assert!(right >= 18, "{right} of 20 copied");
}

/// The kernels' gradients are those of burn's own differentiation.
#[test]
fn fused_gradients_are_burns() {
    let mut weights = Weights::init(&small(), 5).unwrap();
    for (i, parameter) in weights.parameters.iter_mut().enumerate() {
        if parameter.shape.len() == 1 {
            let wave = |(j, value): (usize, &mut f32)| *value += ((i + j) as f32).sin() * 0.3;
            parameter.data.iter_mut().enumerate().for_each(wave);
        }
    }
    // Wider than one block of queries, and more targets than one block of logits.
    let (rows, width) = (7, 70);
    let ids: Vec<u32> = (0..rows * width).map(|i| (i * i * 31 % 288) as u32).collect();
    let targets = (0..480).map(|i| (i, (i * 7) % 288)).collect();
    let supervised = Batch { rows, width, ids, targets, ..Batch::default() };
    // Some better than their group, some worse, some likelier than when they were sampled.
    let credit = |i: u16| {
        let advantage = f32::from(i % 5) - 1.5;
        Credit { advantage, logprob: -4.0 - f32::from(i % 7) / 2.0 }
    };
    let sampled = Batch { credits: (0..480).map(credit).collect(), ..supervised.clone() };
    for batch in [supervised, sampled] {
        compare(&weights, &batch);
    }
}

fn compare(weights: &Weights, batch: &Batch) {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
    let burns = weights.learn(batch, 0.01, Pass::Composed);
    assert!((weights.loss(batch) / burns.loss - 1.0).abs() < 1e-5);
    // Factors in bfloat16 keep 8 bits; without instructions for it they stay as they are.
    for (precision, of_loss, of_all) in
        [(Precision::F32, 1e-5, 1e-4), (Precision::Bf16, 5e-3, 3e-2)]
    {
        let fused = weights.learn(batch, 0.01, Pass::Fused(precision));
        let (loss, burn_loss) = (fused.loss, burns.loss);
        assert!((loss / burn_loss - 1.0).abs() < of_loss, "{precision:?}: {loss} {burn_loss}");
        for (fused, burns) in fused.logprobs.iter().zip(&burns.logprobs) {
            assert!((fused - burns).abs() < 0.05, "{precision:?}: {fused} {burns}");
        }
        let gradients = fused.gradients.iter().zip(&burns.gradients);
        for (parameter, (fused, burns)) in weights.parameters.iter().zip(gradients) {
            let name = &parameter.name;
            let apart = norm(&mut fused.iter().zip(burns).map(|(f, b)| f - b));
            let all = norm(&mut burns.iter().copied());
            assert!(all > 0.0, "{name} has no gradient");
            assert!(apart < of_all * all, "{precision:?} {name}: {apart} of {all}");
        }
    }
}

#[test]
fn later_tokens_do_not_change_earlier_logits() {
    let weights = Weights::init(&small(), 1).unwrap();
    let (a, b) = (weights.logits(&[20, 30, 40]).unwrap(), weights.logits(&[20, 30, 50]).unwrap());
    assert_eq!(a[..2], b[..2]);
    assert_ne!(a[2], b[2]);
}

#[test]
fn ids_that_cannot_be_are_an_error_not_a_panic() {
    let weights = Weights::init(&small(), 1).unwrap();
    assert!(weights.logits(&[288]).is_err());
    assert!(weights.logits(&[1; 65]).is_err());
    assert!(weights.logits(&[]).unwrap().is_empty());
}

#[test]
fn a_shape_that_cannot_work_is_refused_in_words() {
    let mut bad = config(1000);
    bad.model.num_key_value_heads = 3;
    let folder = tempfile::tempdir().unwrap();
    let error = finish(folder.path(), &bad).unwrap_err().to_string();
    assert_eq!(error, "num_attention_heads has to be a multiple of num_key_value_heads");
}

/// Every record of a run, and the size of the model that was scored.
#[derive(Default)]
struct Heard {
    records: Vec<Record>,
}

impl TrainObserver for Heard {
    fn record(&mut self, record: &Record) {
        self.records.push(record.clone());
    }

    fn score(&mut self, gguf: &Path) -> Option<serde_json::Value> {
        Some(std::fs::metadata(gguf).unwrap().len().into())
    }
}

#[test]
fn progress_held_out_loss_and_scores_are_heard_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        SftConfig { held_out_every_tokens: 1000, score_every_tokens: 2000, ..config(3000) };
    let mut heard = Heard::default();
    run(folder.path(), &config, &mut heard, &AtomicBool::new(false)).unwrap();
    let count = |wanted: fn(&Record) -> bool| heard.records.iter().filter(|r| wanted(r)).count();
    assert!(count(|record| matches!(record, Record::Step { loss, .. } if loss.is_finite())) > 5);
    assert!(count(|record| matches!(record, Record::HeldOut { .. })) >= 3);
    assert!(count(|record| matches!(record, Record::Score { .. })) >= 1);
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    let logged: Vec<Record> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(logged.len(), heard.records.len());
    assert!(matches!(logged.last(), Some(Record::Finished { cancelled: false, .. })));
}

#[test]
fn the_learning_rate_rises_stays_and_falls_to_zero() {
    let config = SftConfig { warmup_tokens: 1000, decay_share: 0.25, ..config(10_000) };
    assert!(config.lr_share(0) > 0.0 && config.lr_share(0) < 0.5);
    assert_eq!(config.lr_share(2000), 1.0);
    assert_eq!(config.lr_share(7500), 1.0);
    assert!((config.lr_share(8750) - 0.5).abs() < 1e-6);
    assert_eq!(config.lr_share(10_000), 0.0);
}

#[test]
fn a_source_with_nothing_to_learn_is_an_error() {
    use ozone_train::export::ModelCard;
    use ozone_train::sft::{Sources, train};
    let folder = tempfile::tempdir().unwrap();
    let nothing = |_: u64| ozone_train::Example::default();
    let card = ModelCard::default();
    let sources = Sources { train: &nothing, held_out: None, card: &card, start: None };
    let cancel = AtomicBool::new(false);
    let error = train(folder.path(), &config(1000), &sources, &mut (), &cancel).unwrap_err();
    assert!(matches!(error, TrainError::BadConfig(_)), "{error}");
}

/// New layers and units write nothing at first; then they learn like all others.
#[test]
fn a_grown_model_says_the_same() {
    let weights = Weights::init(&small(), 3).unwrap();
    let larger = ModelConfig {
        num_hidden_layers: small().num_hidden_layers * 2 + 1,
        intermediate_size: small().intermediate_size * 2,
        ..small()
    };
    let grown = weights.grow(&larger, 4).unwrap();
    assert!(grown.count() > weights.count());
    let ids = [20, 30, 40, 50];
    for (grown, old) in grown.logits(&ids).unwrap().iter().zip(weights.logits(&ids).unwrap()) {
        for (grown, old) in grown.iter().zip(old) {
            assert!((grown - old).abs() < 1e-4, "{grown} {old}");
        }
    }
    let (ids, targets) = (ids.to_vec(), vec![(3, 60)]);
    let batch = Batch { rows: 1, width: 4, ids, targets, ..Batch::default() };
    let gradients = grown.learn(&batch, 1.0, Pass::Composed).gradients;
    let silent = grown.parameters.iter().zip(&gradients).filter(|(parameter, gradient)| {
        parameter.name.contains("down_proj") && gradient.iter().all(|&g| g == 0.0)
    });
    assert_eq!(silent.count(), 0);
    let narrower = ModelConfig { hidden_size: small().hidden_size / 2, ..larger };
    assert!(matches!(weights.grow(&narrower, 4), Err(TrainError::BadConfig(_))));
}
