//! Reinforcement learning: group relative policy optimisation (GRPO, Shao et al., 2024).
//!
//! On-policy: every step samples anew with the weights as they are, so there is no ratio to clip and
//! no reference model. Each question is played several times; what a rollout has earned is its
//! reward minus its group's mean, on each token that the model sampled, and a step is normed by its
//! sampled tokens (DAPO, Yu et al., 2025). Groups that are all right or all wrong teach nothing and
//! are replaced by other questions. How questions are played and judged is the
//! [`Environment`]'s business; ids come from the sampler and are never made from text again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ozone_types::Passage;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::batch::{self, plan};
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::example::TokenizedExample;
use crate::export::{self, GgufType, ModelCard};
use crate::kernels::{Credit, Precision};
use crate::model::Lesson;
use crate::optimizer::{Optimizer, OptimizerConfig};

/// Marks a run's checkpoints, so that no other kind of training goes on with them.
pub(crate) const BATCHING: &str = "rollouts";

#[derive(Clone, Debug, PartialEq)]
pub struct GrpoConfig {
    pub optimizer: OptimizerConfig,
    pub seed: u64,
    /// Where the run ends. May be changed when it is resumed.
    pub steps: u64,
    /// Steps in which the learning rate rises.
    pub warmup_steps: u64,
    /// The last part of the run, in which the learning rate falls to zero.
    pub decay_share: f64,
    /// Groups with something to learn in one step.
    pub groups: usize,
    /// Questions that one step may try to find them.
    pub questions_max: usize,
    /// Rollouts of one question.
    pub samples: usize,
    /// Tokens of one pass, padding included.
    pub batch_tokens: usize,
    pub workers: usize,
    pub precision: Precision,
    pub checkpoint_every_steps: u64,
    /// 0: never.
    pub score_every_steps: u64,
}

impl Default for GrpoConfig {
    fn default() -> Self {
        Self {
            optimizer: OptimizerConfig {
                muon_lr: 4e-4,
                adam_lr: 1e-4,
                weight_decay: 0.0,
                ..OptimizerConfig::default()
            },
            seed: 1,
            steps: 150,
            warmup_steps: 5,
            decay_share: 0.3,
            groups: 12,
            questions_max: 48,
            samples: 8,
            batch_tokens: 4096,
            workers: 2,
            precision: Precision::fastest(),
            checkpoint_every_steps: 10,
            score_every_steps: 25,
        }
    }
}

impl GrpoConfig {
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |reason: &str| Err(TrainError::BadConfig(reason.to_owned()));
        if self.samples < 2 {
            return fail(
                "a group needs at least 2 samples: one alone has nothing to be better than",
            );
        }
        if self.groups == 0 || self.questions_max < self.groups || self.workers == 0 {
            return fail("groups and workers have to be at least 1, questions_max at least groups");
        }
        Ok(())
    }

    fn lr_share(&self, step: u64) -> f32 {
        let (step, steps) = (step as f64, self.steps.max(1) as f64);
        let rise = (step + 1.0) / self.warmup_steps.max(1) as f64;
        let fall = (steps - step) / (steps * self.decay_share).max(1.0);
        rise.min(fall).clamp(0.0, 1.0) as f32
    }
}

/// One question played once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// One, unless the history was rendered anew on the way.
    pub passages: Vec<Passage>,
    pub reward: f32,
    pub correct: bool,
    pub tool_calls: usize,
    /// A turn had neither a call nor an answer: it is left out (SimpleTIR, Xue et al., 2025).
    pub void: bool,
}

impl Rollout {
    fn sampled(&self) -> impl Iterator<Item = f32> {
        self.passages.iter().flat_map(|passage| passage.logprobs.iter().flatten().copied())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `None` where nobody said.
    pub needs_tool: Option<bool>,
    pub rollouts: Vec<Rollout>,
}

impl Group {
    /// What each rollout that counts has earned; `None` where nothing can be learned.
    fn advantages(&self) -> Option<Vec<(&Rollout, f32)>> {
        let counted: Vec<&Rollout> = self.rollouts.iter().filter(|r| !r.void).collect();
        let right = counted.iter().filter(|rollout| rollout.correct).count();
        if right == 0 || right == counted.len() {
            return None;
        }
        let mean = counted.iter().map(|r| r.reward).sum::<f32>() / counted.len() as f32;
        Some(counted.into_iter().map(|rollout| (rollout, rollout.reward - mean)).collect())
    }
}

/// What an [`Environment`] played.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub groups: Vec<Group>,
    /// Index of the question that comes next.
    pub next: u64,
    /// Rollouts in which a tool or the model died: they are not in the groups.
    pub failed: usize,
}

/// The model as it is at this very moment.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    /// For an engine.
    pub gguf: &'a Path,
    pub model: &'a Checkpoint,
}

/// Where questions are played and judged.
pub trait Environment {
    /// Plays `questions` questions from index `first` on, each `samples` times, drawing tokens at
    /// temperature 1 from all of the vocabulary.
    fn play(
        &mut self,
        policy: Policy<'_>,
        step: u64,
        first: u64,
        questions: usize,
        samples: usize,
    ) -> Result<Played, TrainError>;

    /// Judges the model on questions that no training sees. What it returns is logged.
    fn score(&mut self, policy: Policy<'_>) -> Option<serde_json::Value> {
        let _ = policy;
        None
    }

    fn record(&mut self, record: &Record) {
        let _ = record;
    }
}

/// One line of `log.jsonl`, and what the environment hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Started { step: u64, steps: u64, parameters: usize },
    PassedOver { reason: String },
    Step(Box<Step>),
    Score { step: u64, score: serde_json::Value },
    Finished { step: u64, cancelled: bool },
}

/// One update, with the health of the learning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub step: u64,
    pub questions: usize,
    pub rollouts: usize,
    /// Groups in which some were right and some wrong.
    pub groups: usize,
    pub void: usize,
    pub failed: usize,
    pub reward: f64,
    pub accuracy: f64,
    pub accuracy_with_tools: Option<f64>,
    pub accuracy_without_tools: Option<f64>,
    /// Of rollouts whose question needs a tool, and doesn't, the share that called one.
    pub tool_use_when_needed: Option<f64>,
    pub tool_use_when_not_needed: Option<f64>,
    /// Sampled tokens of a rollout.
    pub tokens: f64,
    /// In nats a token: minus the mean logprob of what was sampled at temperature 1.
    pub entropy: f64,
    /// Mean distance of the engine's and the trainer's logprobs of the same sampled tokens, in nats.
    pub logprob_gap: Option<f64>,
    pub gradient_norm: f32,
    pub lr_share: f32,
    pub rollouts_per_second: f64,
    pub seconds: f64,
}

/// Starts a run in `run_dir` from `start`, or goes on with the one there. Ends after `steps` or soon
/// after `cancel` is set; both leave a checkpoint.
pub fn reinforce(
    run_dir: &Path,
    config: &GrpoConfig,
    start: &Checkpoint,
    card: &ModelCard,
    environment: &mut dyn Environment,
    cancel: &AtomicBool,
) -> Result<Checkpoint, TrainError> {
    config.check()?;
    crate::memory::keep_freed();
    std::fs::create_dir_all(run_dir).map_err(TrainError::io(run_dir))?;
    let mut run = Run { run_dir, config, card, environment, cancel, state: start.clone() };
    run.open(start)?;
    run.go()?;
    Ok(run.state)
}

struct Run<'a> {
    run_dir: &'a Path,
    config: &'a GrpoConfig,
    card: &'a ModelCard,
    environment: &'a mut dyn Environment,
    cancel: &'a AtomicBool,
    state: Checkpoint,
}

impl Run<'_> {
    fn open(&mut self, start: &Checkpoint) -> Result<(), TrainError> {
        let config = self.config;
        let Some(found) = checkpoint::latest(self.run_dir)? else {
            let optimizer = Optimizer::new(config.optimizer.clone(), &start.weights);
            let batching = BATCHING.to_owned();
            let progress = Progress { seed: config.seed, batching, ..Progress::default() };
            self.state = Checkpoint { progress, optimizer, ..start.clone() };
            return Ok(());
        };
        for error in &found.passed_over {
            self.log(&Record::PassedOver { reason: error.to_string() })?;
        }
        self.state = found.checkpoint;
        let Progress { seed, batching, .. } = &self.state.progress;
        let other = |what, stored: String, asked: String| {
            Err(TrainError::OtherShape { what, stored, asked })
        };
        if batching != BATCHING {
            let (stored, asked) = ("supervised".to_owned(), "reinforcement".to_owned());
            return other("kind of training", stored, asked);
        }
        if *seed != config.seed {
            return other("seed", seed.to_string(), config.seed.to_string());
        }
        self.state.optimizer.config = config.optimizer.clone();
        Ok(())
    }

    fn go(&mut self) -> Result<(), TrainError> {
        let (step, steps) = (self.state.progress.step, self.config.steps);
        let parameters = self.state.weights.count();
        self.log(&Record::Started { step, steps, parameters })?;
        let every = self.config.score_every_steps;
        if step == 0 && every > 0 {
            self.score()?;
        }
        while self.state.progress.step < steps && !self.cancel.load(Ordering::Relaxed) {
            if !self.step()? {
                break;
            }
            let step = self.state.progress.step;
            if step.is_multiple_of(self.config.checkpoint_every_steps.max(1)) {
                checkpoint::save(self.run_dir, &self.state)?;
            }
            if every > 0 && (step.is_multiple_of(every) || step == steps) {
                self.score()?;
            }
        }
        checkpoint::save(self.run_dir, &self.state)?;
        let step = self.state.progress.step;
        self.log(&Record::Finished { step, cancelled: step < steps })
    }

    /// `false`: cancelled while it sampled; nothing was learned.
    fn step(&mut self) -> Result<bool, TrainError> {
        let begun = Instant::now();
        let played = self.play()?;
        if self.cancel.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let sampling = begun.elapsed().as_secs_f64();
        let mut step = summary(&played);
        step.rollouts_per_second = step.rollouts as f64 / sampling.max(1e-9);
        step.lr_share = self.config.lr_share(self.state.progress.step);
        let mut rows = Vec::new();
        for group in &played.groups {
            for (rollout, advantage) in group.advantages().into_iter().flatten() {
                rows.extend(rollout.passages.iter().map(|passage| row(passage, advantage)));
            }
        }
        let tokens: usize = rows.iter().map(|row| row.ids.len()).sum();
        let (workers, precision) = (self.config.workers, self.config.precision);
        let Checkpoint { weights, optimizer, progress, .. } = &mut self.state;
        if let Some((lesson, sampled)) = learn(weights, rows, self.config) {
            if !lesson.loss.is_finite() {
                return Err(TrainError::Diverged { step: progress.step });
            }
            let gaps = lesson.logprobs.iter().zip(&sampled).map(|(a, b)| f64::from((a - b).abs()));
            step.logprob_gap = Some(gaps.sum::<f64>() / sampled.len().max(1) as f64);
            step.gradient_norm =
                optimizer.step(weights, &lesson.gradients, step.lr_share, workers, precision);
        }
        progress.step += 1;
        progress.tokens += tokens as u64;
        progress.window = played.next;
        progress.seconds += begun.elapsed().as_secs_f64();
        (step.step, step.seconds) = (progress.step, progress.seconds);
        self.log(&Record::Step(Box::new(step)))?;
        Ok(true)
    }

    /// Plays until enough groups have something to learn.
    fn play(&mut self) -> Result<Played, TrainError> {
        let gguf = self.export()?;
        let GrpoConfig { groups, questions_max, samples, .. } = *self.config;
        let step = self.state.progress.step;
        let mut all = Played { next: self.state.progress.window, ..Played::default() };
        loop {
            let useful = all.groups.iter().filter(|group| group.advantages().is_some()).count();
            let asked = all.groups.len();
            if useful >= groups || asked >= questions_max || self.cancel.load(Ordering::Relaxed) {
                return Ok(all);
            }
            let questions = (groups - useful).max(groups / 2).min(questions_max - asked);
            let policy = Policy { gguf: &gguf, model: &self.state };
            let played = self.environment.play(policy, step, all.next, questions, samples)?;
            if played.groups.is_empty() {
                let reason = "the environment played no question: every rollout failed";
                return Err(TrainError::BadConfig(reason.to_owned()));
            }
            all.groups.extend(played.groups);
            all.next = played.next;
            all.failed += played.failed;
        }
    }

    /// Half-precision floats: closer to the weights than Q8_0, and read as fast.
    fn export(&self) -> Result<PathBuf, TrainError> {
        let path = self.run_dir.join("policy.gguf");
        let Checkpoint { weights, tokenizer, .. } = &self.state;
        export::gguf(&path, weights, tokenizer, self.card, GgufType::F16)?;
        Ok(path)
    }

    fn score(&mut self) -> Result<(), TrainError> {
        let gguf = self.export()?;
        let step = self.state.progress.step;
        let policy = Policy { gguf: &gguf, model: &self.state };
        match self.environment.score(policy) {
            Some(score) => self.log(&Record::Score { step, score }),
            None => Ok(()),
        }
    }

    fn log(&mut self, record: &Record) -> Result<(), TrainError> {
        self.environment.record(record);
        let path = self.run_dir.join("log.jsonl");
        let mut line = serde_json::to_string(record).expect("records have text keys");
        line.push('\n');
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(TrainError::io(&path))
    }
}

fn row(passage: &Passage, advantage: f32) -> TokenizedExample {
    let logprobs = &passage.logprobs;
    let credits =
        logprobs.iter().map(|&l| Credit { advantage, logprob: l.unwrap_or_default() }).collect();
    let trained = logprobs.iter().map(Option::is_some).collect();
    TokenizedExample { ids: passage.ids.clone(), trained, credits }
}

/// What `rows` teach, and the sampler's logprobs of the same targets in the same order.
fn learn(
    weights: &crate::model::Weights,
    rows: Vec<TokenizedExample>,
    config: &GrpoConfig,
) -> Option<(Lesson, Vec<f32>)> {
    let sampled: usize = rows.iter().flat_map(|row| &row.trained).filter(|&&t| t).count();
    let scale = 1.0 / sampled.max(1) as f32;
    let width = weights.config.max_position_embeddings;
    let mut all: Option<(Lesson, Vec<f32>)> = None;
    for rows in plan(rows, width, config.batch_tokens) {
        let parts = batch::shares(&rows, config.workers);
        let lesson = batch::learn(weights, &parts, scale, config.precision);
        let by_sampler = parts.iter().flat_map(|part| &part.credits).map(|credit| credit.logprob);
        match &mut all {
            None => all = Some((lesson, by_sampler.collect())),
            Some((sum, logprobs)) => {
                sum.add(lesson);
                logprobs.extend(by_sampler);
            }
        }
    }
    all
}

fn summary(played: &Played) -> Step {
    let groups = &played.groups;
    let all = || groups.iter().flat_map(|group| &group.rollouts);
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
        (count > 0).then(|| sum / count as f64)
    };
    let right = |rollout: &Rollout| f64::from(u8::from(rollout.correct));
    let called = |rollout: &Rollout| f64::from(u8::from(rollout.tool_calls > 0));
    let use_where = |needed: bool| {
        let groups = groups.iter().filter(move |group| group.needs_tool == Some(needed));
        mean(&mut groups.flat_map(|group| &group.rollouts).map(called))
    };
    let sampled = || all().flat_map(Rollout::sampled);
    Step {
        questions: groups.len(),
        rollouts: all().count() + played.failed,
        groups: groups.iter().filter(|group| group.advantages().is_some()).count(),
        void: all().filter(|rollout| rollout.void).count(),
        failed: played.failed,
        reward: mean(&mut all().map(|r| f64::from(r.reward))).unwrap_or_default(),
        accuracy: mean(&mut all().map(right)).unwrap_or_default(),
        accuracy_with_tools: mean(&mut all().filter(|r| r.tool_calls > 0).map(right)),
        accuracy_without_tools: mean(&mut all().filter(|r| r.tool_calls == 0).map(right)),
        tool_use_when_needed: use_where(true),
        tool_use_when_not_needed: use_where(false),
        tokens: sampled().count() as f64 / all().count().max(1) as f64,
        entropy: -mean(&mut sampled().map(f64::from)).unwrap_or_default(),
        ..Step::default()
    }
}
