//! Supervised fine-tuning: examples to batches to steps, in resumable legs.
//!
//! Batches are a pure function of the seed and the source, so a run that was killed and resumed
//! takes the same steps as one that was not (test `a_cut_run_ends_with_the_same_weights`). Each
//! step is shared out by rows over the worker threads, whose gradients are summed in a fixed
//! order.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::batch::{self, each, plan};
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::example::{Example, ExampleSource, TokenizedExample};
use crate::export::{self, GgufType, ModelCard};
use crate::kernels::Precision;
use crate::model::{Batch, Lesson, ModelConfig, Weights};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::tokenizer::Tokenizer;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SftConfig {
    pub model: ModelConfig,
    pub optimizer: OptimizerConfig,
    pub seed: u64,
    /// Where the run ends. May be changed when it is resumed.
    pub total_tokens: u64,
    pub warmup_tokens: u64,
    /// The last part of the run, in which the learning rate falls to zero.
    pub decay_share: f64,
    /// Tokens of one step, padding included.
    pub batch_tokens: usize,
    /// Examples that are sorted by length together.
    pub window_examples: usize,
    /// Examples from which a new run's tokenizer is trained.
    pub tokenizer_examples: u64,
    /// Threads, each with its own rows of a step.
    pub workers: usize,
    pub precision: Precision,
    pub checkpoint_every: Duration,
    pub log_every_steps: u64,
    pub held_out_every_tokens: u64,
    pub held_out_examples: u64,
    pub score_every_tokens: u64,
}

impl Default for SftConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig::default(),
            optimizer: OptimizerConfig::default(),
            seed: 1,
            total_tokens: 30_000_000,
            warmup_tokens: 200_000,
            decay_share: 0.6,
            batch_tokens: 4096,
            window_examples: 1536,
            tokenizer_examples: 20_000,
            workers: 2,
            precision: Precision::fastest(),
            checkpoint_every: Duration::from_secs(180),
            log_every_steps: 20,
            held_out_every_tokens: 500_000,
            held_out_examples: 256,
            score_every_tokens: 5_000_000,
        }
    }
}

impl SftConfig {
    pub fn check(&self) -> Result<(), TrainError> {
        self.model.check()?;
        let fail = |reason: &str| Err(TrainError::BadConfig(reason.to_owned()));
        if self.batch_tokens == 0 || self.window_examples == 0 || self.workers == 0 {
            return fail("batch_tokens, window_examples and workers have to be at least 1");
        }
        if !(0.0..=1.0).contains(&self.decay_share) {
            return fail("decay_share has to be between 0 and 1");
        }
        Ok(())
    }

    /// Learning rate after `tokens`, as a share of its peak: up, constant, down to zero.
    pub fn lr_share(&self, tokens: u64) -> f32 {
        let (tokens, total) = (tokens as f64, self.total_tokens.max(1) as f64);
        let rise = if self.warmup_tokens == 0 {
            1.0
        } else {
            // The very first step must not be lost.
            ((tokens + self.batch_tokens as f64) / self.warmup_tokens as f64).min(1.0)
        };
        let fall = if self.decay_share == 0.0 {
            1.0
        } else {
            ((total - tokens) / (total * self.decay_share)).clamp(0.0, 1.0)
        };
        rise.min(fall) as f32
    }

    fn row_tokens_max(&self) -> usize {
        self.model.max_position_embeddings.min(self.batch_tokens)
    }

    fn batching(&self) -> String {
        let width = self.model.max_position_embeddings;
        format!("{} tokens, {} examples, {width} wide", self.batch_tokens, self.window_examples)
    }
}

/// One line of `log.jsonl`, and what an observer hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Started {
        step: u64,
        tokens: u64,
        parameters: usize,
        vocab_used: usize,
    },
    /// A checkpoint was damaged and an older one is used.
    PassedOver {
        reason: String,
    },
    Step {
        step: u64,
        tokens: u64,
        loss: f64,
        lr_share: f32,
        gradient_norm: f32,
        tokens_per_second: f64,
        seconds_left: f64,
    },
    HeldOut {
        step: u64,
        tokens: u64,
        loss: f64,
    },
    Score {
        step: u64,
        tokens: u64,
        score: serde_json::Value,
    },
    Checkpoint {
        step: u64,
        tokens: u64,
        seconds: f64,
    },
    Finished {
        step: u64,
        tokens: u64,
        loss: Option<f64>,
        cancelled: bool,
    },
}

/// Hears about a run, and judges exported models.
pub trait TrainObserver {
    fn record(&mut self, record: &Record) {
        let _ = record;
    }

    /// Called every `score_every_tokens` with a Q8_0 GGUF of the model as it is. What it returns
    /// is logged; training waits for it.
    fn score(&mut self, gguf: &Path) -> Option<serde_json::Value> {
        let _ = gguf;
        None
    }
}

/// Hears nothing.
impl TrainObserver for () {}

/// What a run learns from, and what its held-out loss is measured on.
pub struct Sources<'a> {
    pub train: &'a dyn ExampleSource,
    pub held_out: Option<&'a dyn ExampleSource>,
    pub card: &'a ModelCard,
    /// What a new run grows out of, with its tokenizer; else it starts from random weights.
    pub start: Option<&'a Checkpoint>,
}

/// Starts a run in `run_dir`, or goes on with the one there. Ends at `total_tokens` or soon after
/// `cancel` is set; both leave a checkpoint.
pub fn train(
    run_dir: &Path,
    config: &SftConfig,
    sources: &Sources<'_>,
    observer: &mut dyn TrainObserver,
    cancel: &AtomicBool,
) -> Result<Checkpoint, TrainError> {
    config.check()?;
    crate::memory::keep_freed();
    std::fs::create_dir_all(run_dir).map_err(TrainError::io(run_dir))?;
    let log = Log { path: run_dir.join("log.jsonl"), observer };
    Run::open(run_dir, config, sources, log, cancel)?.go()
}

struct Log<'a> {
    path: PathBuf,
    observer: &'a mut dyn TrainObserver,
}

impl Log<'_> {
    fn put(&mut self, record: &Record) -> Result<(), TrainError> {
        self.observer.record(record);
        let mut line = serde_json::to_string(record).expect("records have text keys");
        line.push('\n');
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(TrainError::io(&self.path))
    }
}

struct Run<'a> {
    run_dir: &'a Path,
    config: &'a SftConfig,
    sources: &'a Sources<'a>,
    log: Log<'a>,
    cancel: &'a AtomicBool,
    state: Checkpoint,
}

impl<'a> Run<'a> {
    fn open(
        run_dir: &'a Path,
        config: &'a SftConfig,
        sources: &'a Sources<'a>,
        mut log: Log<'a>,
        cancel: &'a AtomicBool,
    ) -> Result<Self, TrainError> {
        let state = match checkpoint::latest(run_dir)? {
            Some(found) => {
                for error in &found.passed_over {
                    log.put(&Record::PassedOver { reason: error.to_string() })?;
                }
                resume(config, found.checkpoint)?
            }
            None => begin(config, sources)?,
        };
        Ok(Self { run_dir, config, sources, log, cancel, state })
    }

    fn go(&mut self) -> Result<Checkpoint, TrainError> {
        let Progress { step, tokens, window, batch, .. } = self.state.progress;
        self.log.put(&Record::Started {
            step,
            tokens,
            parameters: self.state.weights.count(),
            vocab_used: self.state.tokenizer.used(),
        })?;
        let tokenizer = self.state.tokenizer.clone();
        let (config, train) = (self.config, self.sources.train);
        std::thread::scope(|scope| {
            let (sender, steps) = mpsc::sync_channel(4);
            scope.spawn(move || {
                let mut batches = Batches::at(config, train, &tokenizer, window, batch);
                // The receiver is dropped when training ends: that is the end of this thread too.
                while sender.send(batches.next_step()).is_ok() {}
            });
            self.steps(&steps)
        })?;
        self.finish()
    }

    fn steps(&mut self, steps: &mpsc::Receiver<StepBatch>) -> Result<(), TrainError> {
        let begun = Instant::now();
        let seconds_before = self.state.progress.seconds;
        let mut saved = Instant::now();
        let mut logged = (Instant::now(), self.state.progress.tokens);
        while self.state.progress.tokens < self.config.total_tokens
            && !self.cancel.load(Ordering::Relaxed)
        {
            let step = match steps.recv() {
                Ok(step) => step,
                Err(_) => return Err(TrainError::BadConfig("the example source failed".into())),
            };
            if step.tokens == 0 {
                let reason = "a whole window of examples has nothing to learn or is too long";
                return Err(TrainError::BadConfig(reason.to_owned()));
            }
            let tokens_before = self.state.progress.tokens;
            let norm = self.take_step(&step)?;
            self.state.progress.seconds = seconds_before + begun.elapsed().as_secs_f64();
            let Progress { step, tokens, .. } = self.state.progress;
            let crossed = |every: u64| every > 0 && tokens / every > tokens_before / every;
            if step.is_multiple_of(self.config.log_every_steps.max(1)) {
                let rate = (tokens - logged.1) as f64 / logged.0.elapsed().as_secs_f64().max(1e-9);
                logged = (Instant::now(), tokens);
                let left = self.config.total_tokens.saturating_sub(tokens) as f64;
                self.log.put(&Record::Step {
                    step,
                    tokens,
                    loss: self.state.progress.loss_smoothed.unwrap_or(f64::NAN),
                    lr_share: self.config.lr_share(tokens_before),
                    gradient_norm: norm,
                    tokens_per_second: rate,
                    seconds_left: left / rate.max(1e-9),
                })?;
            }
            if crossed(self.config.held_out_every_tokens) {
                self.held_out()?;
            }
            if crossed(self.config.score_every_tokens) {
                self.score()?;
            }
            if saved.elapsed() >= self.config.checkpoint_every {
                self.save()?;
                saved = Instant::now();
            }
        }
        Ok(())
    }

    fn take_step(&mut self, step: &StepBatch) -> Result<f32, TrainError> {
        let (workers, precision) = (self.config.workers, self.config.precision);
        let scale = 1.0 / step.targets as f32;
        let Lesson { loss, gradients, .. } =
            batch::learn(&self.state.weights, &step.parts, scale, precision);
        let loss = loss / step.targets as f64;
        let Checkpoint { optimizer, weights, progress, .. } = &mut self.state;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step: progress.step });
        }
        let lr_share = self.config.lr_share(progress.tokens);
        let norm = optimizer.step(weights, &gradients, lr_share, workers, precision);
        progress.loss_smoothed =
            Some(progress.loss_smoothed.map_or(loss, |smooth| smooth + 0.02 * (loss - smooth)));
        progress.step += 1;
        progress.tokens += step.tokens as u64;
        (progress.window, progress.batch) = step.next;
        Ok(norm)
    }

    fn held_out(&mut self) -> Result<(), TrainError> {
        let Some(source) = self.sources.held_out else { return Ok(()) };
        let Progress { step, tokens, .. } = self.state.progress;
        let loss = held_out_loss(&self.state.weights, &self.state.tokenizer, source, self.config);
        self.log.put(&Record::HeldOut { step, tokens, loss })
    }

    fn score(&mut self) -> Result<(), TrainError> {
        let path = self.run_dir.join("latest.gguf");
        let (weights, tokenizer) = (&self.state.weights, &self.state.tokenizer);
        export::gguf(&path, weights, tokenizer, self.sources.card, GgufType::Q8_0)?;
        let Progress { step, tokens, .. } = self.state.progress;
        match self.log.observer.score(&path) {
            Some(score) => self.log.put(&Record::Score { step, tokens, score }),
            None => Ok(()),
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        checkpoint::save(self.run_dir, &self.state)?;
        let Progress { step, tokens, .. } = self.state.progress;
        self.log.put(&Record::Checkpoint { step, tokens, seconds: begun.elapsed().as_secs_f64() })
    }

    fn finish(&mut self) -> Result<Checkpoint, TrainError> {
        self.save()?;
        let Progress { step, tokens, loss_smoothed: loss, .. } = self.state.progress;
        let cancelled = tokens < self.config.total_tokens;
        self.log.put(&Record::Finished { step, tokens, loss, cancelled })?;
        Ok(self.state.clone())
    }
}

fn begin(config: &SftConfig, sources: &Sources<'_>) -> Result<Checkpoint, TrainError> {
    let (tokenizer, weights) = match sources.start {
        Some(start) => (start.tokenizer.clone(), start.weights.grow(&config.model, config.seed)?),
        None => {
            let texts = (0..config.tokenizer_examples)
                .flat_map(|index| sources.train.example(index).segments)
                .map(|segment| segment.text);
            let tokenizer = Tokenizer::train(texts, config.model.vocab_size)?;
            (tokenizer, Weights::init(&config.model, config.seed)?)
        }
    };
    let optimizer = Optimizer::new(config.optimizer.clone(), &weights);
    let progress =
        Progress { seed: config.seed, batching: config.batching(), ..Progress::default() };
    Ok(Checkpoint { progress, weights, optimizer, tokenizer })
}

/// Takes the run's state under today's settings, as far as they can change.
fn resume(config: &SftConfig, mut state: Checkpoint) -> Result<Checkpoint, TrainError> {
    let other =
        |what, stored: String, asked: String| Err(TrainError::OtherShape { what, stored, asked });
    if state.weights.config != config.model {
        let text = |model: &ModelConfig| serde_json::to_string(model).unwrap_or_default();
        return other("shape", text(&state.weights.config), text(&config.model));
    }
    if state.progress.seed != config.seed {
        return other("seed", state.progress.seed.to_string(), config.seed.to_string());
    }
    if state.progress.batching == crate::grpo::BATCHING {
        let (stored, asked) = ("reinforcement".to_owned(), "supervised".to_owned());
        return other("kind of training", stored, asked);
    }
    if state.progress.batching != config.batching() {
        state.progress.batching = config.batching();
        state.progress.window += u64::from(state.progress.batch > 0);
        state.progress.batch = 0;
    }
    state.optimizer.config = config.optimizer.clone();
    Ok(state)
}

/// Mean loss per trained token on the first `held_out_examples` of `source`.
pub fn held_out_loss(
    weights: &Weights,
    tokenizer: &Tokenizer,
    source: &dyn ExampleSource,
    config: &SftConfig,
) -> f64 {
    let examples = (0..config.held_out_examples).map(|i| source.example(i).tokenize(tokenizer));
    let batches = plan(examples.collect(), config.row_tokens_max(), config.batch_tokens);
    let (mut loss, mut targets) = (0.0, 0usize);
    for rows in &batches {
        let step = StepBatch::new(rows, config.workers, (0, 0));
        loss += each(&step.parts, |part| weights.loss(part)).into_iter().sum::<f64>();
        targets += step.targets;
    }
    loss / targets.max(1) as f64
}

/// Minus the logprob of the least likely trained token of each example, in nats; 0 for an example
/// that is too long or has none.
pub fn worst_tokens(
    weights: &Weights,
    tokenizer: &Tokenizer,
    examples: &[Example],
    workers: usize,
) -> Vec<f64> {
    let width = weights.config.max_position_embeddings;
    let mut rows: Vec<(usize, TokenizedExample)> =
        examples.iter().map(|example| example.tokenize(tokenizer)).enumerate().collect();
    rows.retain(|(_, row)| row.ids.len() <= width && row.learns());
    rows.sort_by_key(|(_, row)| row.ids.len());
    let mut worst = vec![0.0f64; examples.len()];
    let per_pass = 32 * workers.max(1);
    for rows in rows.chunks(per_pass) {
        let shares: Vec<&[(usize, TokenizedExample)]> =
            rows.chunks(rows.len().div_ceil(workers.max(1))).collect();
        let parts: Vec<_> =
            shares.iter().map(|share| batch::pad(share.iter().map(|(_, row)| row))).collect();
        let logprobs = each(&parts, |part| weights.logprobs(part));
        for (share, logprobs) in shares.iter().zip(logprobs) {
            let mut logprobs = logprobs.into_iter();
            for (index, row) in *share {
                let targets = row.trained.iter().skip(1).filter(|&&trained| trained).count();
                let least = logprobs.by_ref().take(targets).fold(0.0, f32::min);
                worst[*index] = f64::from(-least);
            }
        }
    }
    worst
}

/// One optimizer step's rows, shared out to the workers.
#[derive(Debug)]
struct StepBatch {
    parts: Vec<Batch>,
    /// Tokens that are not padding.
    tokens: usize,
    targets: usize,
    /// Window and batch that come after this step.
    next: (u64, u64),
}

impl StepBatch {
    fn new(rows: &[TokenizedExample], workers: usize, next: (u64, u64)) -> Self {
        let parts = batch::shares(rows, workers);
        let targets = parts.iter().map(|part| part.targets.len()).sum();
        Self { parts, tokens: rows.iter().map(|row| row.ids.len()).sum(), targets, next }
    }
}

/// The endless sequence of steps, from any place in it.
struct Batches<'a> {
    config: &'a SftConfig,
    source: &'a dyn ExampleSource,
    tokenizer: &'a Tokenizer,
    window: u64,
    batch: u64,
    planned: Vec<Vec<TokenizedExample>>,
}

impl<'a> Batches<'a> {
    fn at(
        config: &'a SftConfig,
        source: &'a dyn ExampleSource,
        tokenizer: &'a Tokenizer,
        window: u64,
        batch: u64,
    ) -> Self {
        let mut batches = Self { config, source, tokenizer, window, batch, planned: Vec::new() };
        batches.plan_window();
        batches
    }

    fn plan_window(&mut self) {
        let size = self.config.window_examples as u64;
        let first = self.window.wrapping_mul(size);
        let examples = (0..size)
            .map(|i| self.source.example(first.wrapping_add(i)).tokenize(self.tokenizer))
            .collect();
        self.planned = plan(examples, self.config.row_tokens_max(), self.config.batch_tokens);
        let seed = self.config.seed.rotate_left(32) ^ self.window;
        self.planned.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
    }

    fn next_step(&mut self) -> StepBatch {
        if self.batch as usize >= self.planned.len() {
            (self.window, self.batch) = (self.window + 1, 0);
            self.plan_window();
        }
        let rows = self.planned.get(self.batch as usize).map_or(&[][..], Vec::as_slice);
        self.batch += 1;
        StepBatch::new(rows, self.config.workers, (self.window, self.batch))
    }
}
