//! `ozone train --reinforce-from`: the policy plays questions through the loop, tools and sandbox
//! that serve users, and learns from what came of it.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use ozone_agent::{Limits, Request, Run};
use ozone_cost::PriceBook;
use ozone_eval::STAGED;
use ozone_model::engine::EngineOptions;
use ozone_model::{LocalBackend, ModelBackend};
use ozone_store::{Journal, MemoryStore, Store, Stored};
use ozone_tasks::{Generator, Offer, Question, Rng, Split, grade};
use ozone_tools::{PythonTool, Tool};
use ozone_train::TrainError;
use ozone_train::checkpoint::Checkpoint;
use ozone_train::export::ModelCard;
use ozone_train::grpo::{
    Environment, Group, GrpoConfig, Played, Policy, Record, Rollout, Step, reinforce,
};
use ozone_types::item::{CodeOutput, Known};
use ozone_types::{Item, Passage, Response, ResponseId, ResponseStatus};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::curves;
use crate::failure::Failure;
use crate::setup::Python;
use crate::train::{TrainArgs, cancelled_by_ctrl_c, optimizer, score};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reinforcement learning")]
pub struct ReinforceArgs {
    /// Learns from rewards, from the last weights of this run on.
    #[arg(long, value_name = "RUN")]
    pub reinforce_from: Option<PathBuf>,
    /// How many updates, those of earlier legs included.
    #[arg(long, default_value_t = 150, requires = "reinforce_from")]
    steps: u64,
    /// How often each question is played.
    #[arg(long, default_value_t = 8, requires = "reinforce_from")]
    samples: usize,
    /// How many questions that are answered rightly at times go into one update.
    #[arg(long, default_value_t = 12, requires = "reinforce_from")]
    groups: usize,
    /// Asks 100 held-out questions every so many updates; 0: never.
    #[arg(long, default_value_t = 25, requires = "reinforce_from")]
    score_every: u64,
    /// Appends every rollout to this file, one JSON object a line: ids, logprobs, reward.
    #[arg(long, value_name = "JSONL", requires = "reinforce_from")]
    export_rollouts: Option<PathBuf>,
}

/// Kernels, and questions played at once.
pub const CONCURRENCY: usize = 8;
/// Sampled tokens of one rollout at most.
const TOKENS_MAX: u64 = 512;
/// What the dearest right answer loses, so that it stays above any wrong one.
const PRICE_SHARE: f32 = 0.1;
/// For an answer that does not end.
const UNFINISHED: f32 = -0.05;
/// The model by whose price tokens are counted: the cheap one of the announcement.
const PRICED_LIKE: (&str, &str) = ("openai", "o4-mini");
/// A rollout that costs so many dollars, some 1,000 tokens, is as dear as any.
const DEAREST_DOLLARS: f64 = 0.0045;

pub fn run(
    args: &ReinforceArgs,
    TrainArgs { run, seed, json, learning_rate, .. }: &TrainArgs,
    start: &Checkpoint,
    card: &ModelCard,
    python: Python,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), Failure> {
    if let Some(cause) = &python.cause {
        return Err(Failure::new(format!("rollouts need Python: {cause}")));
    }
    let rollouts_file = match &args.export_rollouts {
        None => None,
        Some(path) => {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            Some(file.map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())))?)
        }
    };
    let mut rollouts = Rollouts {
        generator: Generator::new(Split::Train, *seed)?,
        seed: *seed,
        python,
        runtime,
        book: PriceBook::built_in(),
        skill: HashMap::new(),
        rollouts_file,
        run: run.to_owned(),
        curves: curves::read(&run.join("log.jsonl")),
        json: *json,
    };
    let usual = GrpoConfig::default();
    let config = GrpoConfig {
        optimizer: optimizer(*learning_rate, usual.optimizer)?,
        seed: *seed,
        steps: args.steps,
        samples: args.samples,
        groups: args.groups,
        questions_max: args.groups * 4,
        score_every_steps: args.score_every,
        ..usual
    };
    let cancel = cancelled_by_ctrl_c()?;
    reinforce(run, &config, start, card, &mut rollouts, &cancel)?;
    if cancel.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Failure::interrupted("stopped; the same command goes on"));
    }
    Ok(())
}

struct Rollouts<'a> {
    generator: Generator,
    seed: u64,
    python: Python,
    runtime: &'a tokio::runtime::Runtime,
    book: Arc<PriceBook>,
    /// Of each kind, how often it was answered rightly of late.
    skill: HashMap<String, f64>,
    rollouts_file: Option<std::fs::File>,
    run: PathBuf,
    curves: curves::Curves,
    json: bool,
}

/// What a larger trainer reads.
#[derive(Serialize)]
struct Exported<'a> {
    step: u64,
    kind: &'a str,
    question: &'a str,
    #[serde(flatten)]
    rollout: &'a Rollout,
}

impl Environment for Rollouts<'_> {
    fn play(
        &mut self,
        policy: Policy<'_>,
        step: u64,
        first: u64,
        questions: usize,
        samples: usize,
    ) -> Result<Played, TrainError> {
        let failed = |error: Failure| TrainError::BadConfig(error.to_string());
        let options = EngineOptions {
            sequences_max: CONCURRENCY as u32,
            holds_max: 2 * CONCURRENCY,
            ..EngineOptions::default()
        };
        let backend = LocalBackend::load("policy", policy.gguf, options);
        let backend: Arc<dyn ModelBackend> = Arc::new(backend.map_err(|e| failed(e.into()))?);
        let (chosen, next) = self.choose(first, questions);
        let asked = chosen.iter().flat_map(|(index, question)| {
            (0..samples as u64).map(move |sample| {
                let mut seeds = Rng::new(*index, Split::Train, step << 16 | sample);
                (question, seeds.below(u64::MAX))
            })
        });
        let (python, book) = (&self.python, &self.book);
        let playing = stream::iter(asked)
            .map(|(question, seed)| {
                let backend = backend.clone();
                async move { one(backend, python, book, question, seed).await }
            })
            .buffered(CONCURRENCY);
        let mut all: std::vec::IntoIter<Option<Rollout>> =
            self.runtime.block_on(playing.collect::<Vec<_>>()).into_iter();
        let mut played = Played { next, ..Played::default() };
        for (_, question) in chosen {
            let of_one: Vec<Option<Rollout>> = all.by_ref().take(samples).collect();
            played.failed += of_one.iter().filter(|rollout| rollout.is_none()).count();
            let rollouts: Vec<Rollout> = of_one.into_iter().flatten().collect();
            if rollouts.is_empty() {
                continue;
            }
            let right = rollouts.iter().filter(|rollout| rollout.correct).count();
            let share = right as f64 / rollouts.len() as f64;
            let skill = self.skill.entry(question.kind.clone()).or_insert(share);
            *skill += 0.5 * (share - *skill);
            self.export(step, &question, &rollouts)?;
            played.groups.push(Group { needs_tool: Some(question.needs_python), rollouts });
        }
        Ok(played)
    }

    fn score(&mut self, policy: Policy<'_>) -> Option<serde_json::Value> {
        score(policy.gguf, &self.python, self.runtime)
    }

    fn record(&mut self, record: &Record) {
        if self.json {
            if let Ok(line) = serde_json::to_string(record) {
                println!("{line}");
            }
        } else {
            show(record);
        }
        self.curves.add(record);
        if matches!(record, Record::Step(_) | Record::Score { .. }) {
            // A picture that cannot be written costs nobody the training.
            let _ = std::fs::write(self.run.join("curves.svg"), self.curves.svg());
        }
        if matches!(record, Record::Finished { .. }) && !self.json {
            eprintln!("curves: {}", self.run.join("curves.svg").display());
        }
    }
}

impl Rollouts<'_> {
    /// The next questions. Kinds that are nearly always answered rightly, or never, come less often:
    /// their groups would teach nothing.
    fn choose(&self, first: u64, count: usize) -> (Vec<(u64, Question)>, u64) {
        let mut chosen = Vec::new();
        let mut index = first;
        while chosen.len() < count {
            let question = self.generator.question(index);
            let skill = self.skill.get(&question.kind).copied().unwrap_or(0.5);
            let worth = (4.0 * skill * (1.0 - skill)).clamp(0.15, 1.0);
            let mut chance = Rng::new(self.seed ^ 0x5eed, Split::Train, index);
            if !question.kind.starts_with(STAGED) && chance.chance(worth) {
                chosen.push((index, question));
            }
            index += 1;
        }
        (chosen, index)
    }

    fn export(
        &mut self,
        step: u64,
        question: &Question,
        rollouts: &[Rollout],
    ) -> Result<(), TrainError> {
        let Some(file) = &mut self.rollouts_file else { return Ok(()) };
        for rollout in rollouts {
            let (kind, question) = (question.kind.as_str(), question.text.as_str());
            let line = Exported { step, kind, question, rollout };
            let line = serde_json::to_string(&line).expect("rollouts have text keys");
            writeln!(file, "{line}")
                .map_err(|e| TrainError::BadConfig(format!("cannot write the rollouts: {e}")))?;
        }
        Ok(())
    }
}

/// `None`: the run failed by no fault of the model, or Python did not end a call.
async fn one(
    backend: Arc<dyn ModelBackend>,
    python: &Python,
    book: &PriceBook,
    question: &Question,
    seed: u64,
) -> Option<Rollout> {
    let (response, passages) = play(backend, python, question, seed).await.ok()?;
    if response.status == ResponseStatus::Failed {
        return None;
    }
    if response.output.iter().any(was_cut) {
        return None;
    }
    let correct = response.status == ResponseStatus::Completed
        && grade(&question.answer, &response.output_text());
    let calls = |item: &&Item| matches!(item, Item::Known(Known::CodeInterpreterCall { .. }));
    let usage = response.usage.unwrap_or_default();
    let facts = ozone_cost::response(PRICED_LIKE.0, PRICED_LIKE.1, &usage);
    let price = book.price(&facts, crate::ask::clock()).total;
    let dear = price.map_or(1.0, |price| price.approximately() / DEAREST_DOLLARS).min(1.0);
    let reward = match (correct, response.status) {
        (true, _) => 1.0 - PRICE_SHARE * dear as f32,
        (false, ResponseStatus::Completed) => 0.0,
        (false, _) => UNFINISHED,
    };
    let tool_calls = response.output.iter().filter(calls).count();
    let void =
        response.output_text().trim().is_empty() && response.status == ResponseStatus::Completed;
    Some(Rollout { passages, reward, correct, tool_calls, void })
}

/// A call that Python did not end: that the machine is busy says nothing about the model.
fn was_cut(item: &Item) -> bool {
    let Item::Known(Known::CodeInterpreterCall { outputs: Some(outputs), .. }) = item else {
        return false;
    };
    outputs.iter().any(|output| match output {
        CodeOutput::Logs { logs } => ozone_python::was_cut(logs),
        CodeOutput::Image { .. } => false,
    })
}

async fn play(
    backend: Arc<dyn ModelBackend>,
    python: &Python,
    question: &Question,
    seed: u64,
) -> Result<(Response, Vec<Passage>), Failure> {
    let store = Arc::new(MemoryStore::default());
    let id = ResponseId::mint();
    let mut request = Request::new("policy", vec![Item::user(&question.text)], false)?;
    request.max_output_tokens = Some(TOKENS_MAX);
    request.sampling.temperature = 1.0;
    request.sampling.seed = seed;
    request.recorded = true;
    let stored = Stored {
        id: id.clone(),
        created_at: 0,
        status: ResponseStatus::InProgress,
        model: "policy".into(),
        request: serde_json::Value::Null,
    };
    store.create(stored).await?;
    let tools: Vec<Box<dyn Tool>> = match question.offer {
        // Questions about pictures are not played: their pictures are never drawn.
        Offer::Python | Offer::Images { .. } => {
            vec![Box::new(PythonTool::new(python.source(), "cntr_rollout".into(), None))]
        }
        Offer::Nothing => vec![],
    };
    let run = Run {
        backend,
        tools,
        journal: Journal::open(store.clone(), id.clone()).await?,
        request,
        limits: Limits { steps_max: 8, time_max: Duration::from_secs(60), ..Limits::default() },
        clock: crate::ask::clock,
        cancel: CancellationToken::new(),
        seal: None,
    };
    let response = run.run().await?;
    Ok((response, ozone_agent::passages(store.records(&id).await?)?))
}

fn show(record: &Record) {
    let percent =
        |share: Option<f64>| share.map_or("–".into(), |s| format!("{:.0} %", 100.0 * s));
    match record {
        Record::Started { step, steps, parameters } => eprintln!(
            "{} at step {step} of {steps}: {:.2} million parameters",
            if *step == 0 { "starts" } else { "goes on" },
            *parameters as f64 / 1e6,
        ),
        Record::PassedOver { reason } => eprintln!("a checkpoint is passed over: {reason}"),
        Record::Step(step) => {
            let Step { accuracy, reward, entropy, tokens, rollouts_per_second, .. } = **step;
            let line = format!(
                "step {} · right {:.0} % · reward {reward:.2} · Python {} where needed, {} where \
                 not · {tokens:.0} tokens · entropy {entropy:.3} · gap {:.4} · {} of {} groups · \
                 {rollouts_per_second:.1} rollouts/s",
                step.step,
                100.0 * accuracy,
                percent(step.tool_use_when_needed),
                percent(step.tool_use_when_not_needed),
                step.logprob_gap.unwrap_or_default(),
                step.groups,
                step.questions,
            );
            if io::stderr().is_terminal() {
                eprint!("\r\x1b[2K{line}")
            } else {
                eprintln!("{line}")
            }
        }
        Record::Score { step, score } => {
            let accuracy = score.get("accuracy").and_then(serde_json::Value::as_f64);
            eprintln!("\nafter {step} steps: {} of held-out questions right", percent(accuracy));
        }
        Record::Finished { step, cancelled } => {
            eprintln!("\n{} at step {step}", if *cancelled { "stopped" } else { "finished" });
        }
    }
}
