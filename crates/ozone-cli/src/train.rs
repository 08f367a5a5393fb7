//! `ozone train`: makes the shipped model from nothing, or goes on with a run that was stopped.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ozone_agent::Prices;
use ozone_cost::ModelPrice;
use ozone_model::LocalBackend;
use ozone_model::engine::EngineOptions;
use ozone_python::Refill;
use ozone_tasks::{Difficulty, Generator, Practice, Question, Split, render};
use ozone_train::checkpoint::{self, Checkpoint};
use ozone_train::export::{self, GgufType, HfType, ModelCard};
use ozone_train::model::ModelConfig;
use ozone_train::optimizer::OptimizerConfig;
use ozone_train::sft::{self, Record, SftConfig, Sources, TrainObserver};
use ozone_train::{Example, Segment};
use serde::de::DeserializeOwned;

use crate::config::{Common, Config};
use crate::eval;
use crate::failure::Failure;
use crate::output::print;
use crate::reinforce::{self, ReinforceArgs};
use crate::setup::Python;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone train runs/mini                      start, or go on where it was stopped
  ozone train runs/mini --tokens 40000000    the same, with more tokens
  ozone train runs/mini --export models/new  write GGUF and Hugging Face files from the last checkpoint
  ozone train runs/new --layers 8 --intermediate-size 1024 --grow-from runs/mini
                                             start from the weights of another run, in a larger shape
  ozone train runs/mini --measure-wordings difficult.jsonl
  ozone train runs/new --grow-from runs/mini --practise difficult.jsonl --learning-rate 0.003
                                             find the wordings that a model misreads, then practise them
  ozone train runs/seeing --grow-from runs/mini --pictures 0.35 --learning-rate 0.0015
                                             learn to read print in pictures with the image tools
  ozone train runs/rl --reinforce-from runs/mini --steps 200
                                             learn from rewards (GRPO) through the real loop")]
pub struct TrainArgs {
    /// The run's folder: checkpoints and log.jsonl. A run that exists goes on.
    pub run: PathBuf,
    /// How many tokens to train on, those of earlier legs included.
    #[arg(long, default_value_t = 20_000_000)]
    tokens: u64,
    /// Seed of the questions, the weights and the order.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Layers of the model [default of a new run: 5].
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the residual stream, a multiple of 32 [default of a new run: 256].
    #[arg(long, value_name = "N")]
    hidden_size: Option<usize>,
    /// Width of the feed-forward part, a multiple of 32 [default of a new run: 512].
    #[arg(long, value_name = "N")]
    intermediate_size: Option<usize>,
    /// Query heads, of 128 numbers each [default of a new run: 4].
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// A run whose last weights and tokenizer a new run starts from. It can have more layers and a
    /// wider feed-forward part.
    #[arg(long, value_name = "RUN")]
    grow_from: Option<PathBuf>,
    /// Peak learning rate of the hidden matrices; that of embeddings and norms follows in
    /// proportion [default: 0.01, of reinforcement 0.0004].
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f32>,
    /// Measures with the last checkpoint how difficult each wording is, writes that to this file,
    /// and trains no further.
    #[arg(long, value_name = "JSONL", conflicts_with = "export")]
    measure_wordings: Option<PathBuf>,
    /// Draws half of the questions from the wordings that were found difficult.
    #[arg(long, value_name = "JSONL")]
    practise: Option<PathBuf>,
    /// Draws this share of the questions, 0 to 1, from those about pictures: print that is turned,
    /// blurred or on photographed paper, read with the image tools.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pictures: f64,
    /// Answers this share of the questions that need Python by head instead, 0 to 1: a start that
    /// does not know when to use its tool, for reinforcement learning to teach.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    by_head: f64,
    /// Writes the last checkpoint to this folder as GGUF (F16, Q8_0) and Hugging Face files, and
    /// trains no further.
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// The name that the exported model goes by.
    #[arg(long, default_value = "ozone-mini")]
    name: String,
    /// Prints one JSON object a line instead of the progress line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    reinforce: ReinforceArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("use a number from 0 to 1".into()),
    }
}

pub fn run(args: &TrainArgs, common: &Common) -> Result<(), Failure> {
    let card = ModelCard {
        name: args.name.clone(),
        license: "apache-2.0".into(),
        chat_template: render::CHAT_TEMPLATE.into(),
    };
    if let Some(folder) = &args.export {
        return export(&args.run, folder, &card);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if let Some(from) = &args.reinforce.reinforce_from {
        let start = last_checkpoint(from)?;
        let python = {
            let _inside = runtime.enter();
            Python::reused(&Config::load(common)?.data_dir, reinforce::CONCURRENCY)
        };
        return reinforce::run(&args.reinforce, args, &start, &card, python, &runtime);
    }
    let train = Generator::new(Split::Train, args.seed)?;
    if let Some(file) = &args.measure_wordings {
        return measure(&args.run, &train, file);
    }
    let train = match &args.practise {
        Some(file) => train.practising(Practice::new(read_jsonl(file)?, PRACTICE_SHARE))?,
        None => train,
    };
    let train = train.with_pictures(args.pictures)?.with_by_head(args.by_head);
    let held_out = Generator::new(Split::HeldOut, args.seed)?.with_pictures(args.pictures)?;
    let train = move |index: u64| example(&train, index);
    let held_out = move |index: u64| example(&held_out, index);
    let start = args.grow_from.as_deref().map(last_checkpoint).transpose()?;
    let config = SftConfig {
        total_tokens: args.tokens,
        seed: args.seed,
        model: shape(args, start.as_ref())?,
        optimizer: optimizer(args.learning_rate, OptimizerConfig::default())?,
        ..SftConfig::default()
    };
    let cancel = cancelled_by_ctrl_c()?;
    let sources =
        Sources { train: &train, held_out: Some(&held_out), card: &card, start: start.as_ref() };
    let python = {
        let _inside = runtime.enter();
        Python::start(&Config::load(common)?.data_dir, 1, Refill::WhenTaken)
    };
    let mut observer = Observer {
        json: args.json,
        live: io::stderr().is_terminal(),
        python,
        runtime,
        held_out_loss: None,
        score: None,
    };
    if let Some(cause) = &observer.python.cause {
        eprintln!("no scores while it trains: {cause}");
    }
    sft::train(&args.run, &config, &sources, &mut observer, &cancel)?;
    if cancel.load(Ordering::SeqCst) {
        return Err(Failure::interrupted("stopped; the same command goes on"));
    }
    Ok(())
}

/// Set by the first Ctrl-C; the second ends the process.
pub fn cancelled_by_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping at the next step, with a checkpoint (Ctrl-C again: at once)");
    })?;
    Ok(cancel)
}

/// The shape that the flags ask for, and for what they leave open that of the run itself, of the
/// run it grows out of, or the default.
fn shape(args: &TrainArgs, start: Option<&Checkpoint>) -> Result<ModelConfig, Failure> {
    let own = checkpoint::latest(&args.run)?.map(|found| found.checkpoint.weights.config);
    let mut model = own.or_else(|| start.map(|start| start.weights.config.clone()));
    let model = model.get_or_insert_default();
    let asked = [
        (args.layers, &mut model.num_hidden_layers),
        (args.hidden_size, &mut model.hidden_size),
        (args.intermediate_size, &mut model.intermediate_size),
        (args.heads, &mut model.num_attention_heads),
    ];
    for (asked, size) in asked {
        *size = asked.unwrap_or(*size);
    }
    Ok(model.clone())
}

/// Of the questions of a training that practises.
const PRACTICE_SHARE: f64 = 0.5;

pub fn optimizer(
    learning_rate: Option<f32>,
    usual: OptimizerConfig,
) -> Result<OptimizerConfig, Failure> {
    let Some(rate) = learning_rate else { return Ok(usual) };
    if !(rate > 0.0 && rate < 1.0) {
        return Err(Failure::usage("--learning-rate has to be above 0 and below 1"));
    }
    let adam_lr = usual.adam_lr * rate / usual.muon_lr;
    Ok(OptimizerConfig { muon_lr: rate, adam_lr, ..usual })
}

/// How many wordings are measured between two signs of life.
const MEASURED_AT_ONCE: usize = 512;
/// Beyond what its kind's other wordings cost: the model would have said something else.
const MISREAD_NATS: f64 = 1.5;

fn measure(run: &Path, train: &Generator, file: &Path) -> Result<(), Failure> {
    let Checkpoint { weights, tokenizer, progress, .. } = last_checkpoint(run)?;
    let lines = train.lines();
    let mut measured = vec![];
    for (part, lines_now) in lines.chunks(MEASURED_AT_ONCE).enumerate() {
        // Questions that the run has not been trained on yet.
        let fresh = progress.window.wrapping_add(1) << 32;
        let questions: Vec<Question> =
            lines_now.iter().filter_map(|place| train.question_in(*place, fresh)).collect();
        let examples: Vec<Example> = questions.iter().map(segments).collect();
        let nats = sft::worst_tokens(&weights, &tokenizer, &examples, 2);
        for ((question, (_, line)), nats) in questions.into_iter().zip(lines_now).zip(nats) {
            measured.push(Difficulty { kind: question.kind, line: *line, nats });
        }
        eprint!("\r{} of {} wordings", part * MEASURED_AT_ONCE + lines_now.len(), lines.len());
    }
    let misread = Difficulty::excess(&measured).into_iter().filter(|e| *e > MISREAD_NATS).count();
    eprintln!("\r{} wordings, {misread} of them misread", lines.len());
    let mut text = String::new();
    for line in &measured {
        text.push_str(&serde_json::to_string(line)?);
        text.push('\n');
    }
    std::fs::write(file, text)
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", file.display())))
}

/// One value a line.
fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line)
                .map_err(|e| Failure::usage(format!("{}:{}: {e}", path.display(), i + 1)))
        })
        .collect()
}

fn last_checkpoint(run: &Path) -> Result<Checkpoint, Failure> {
    let found = checkpoint::latest(run)?.ok_or_else(|| {
        Failure::usage(format!("no checkpoint in {}; train first", run.display()))
    })?;
    Ok(found.checkpoint)
}

fn example(generator: &Generator, index: u64) -> Example {
    segments(&generator.question(index))
}

fn segments(question: &Question) -> Example {
    let segments = render::segments(question)
        .into_iter()
        .map(|s| Segment { text: s.text, trained: s.trained })
        .collect();
    Example { segments }
}

fn export(run: &Path, folder: &Path, card: &ModelCard) -> Result<(), Failure> {
    let checkpoint = last_checkpoint(run)?;
    std::fs::create_dir_all(folder)
        .map_err(|e| Failure::new(format!("cannot make the folder {}: {e}", folder.display())))?;
    for (name, kind) in [("f16", GgufType::F16), ("q8_0", GgufType::Q8_0)] {
        let path = folder.join(format!("{}-{name}.gguf", card.name));
        export::gguf(&path, &checkpoint.weights, &checkpoint.tokenizer, card, kind)?;
        print(&format!("{}\n", path.display()))?;
    }
    let hf = folder.join("hf");
    export::hugging_face(&hf, &checkpoint.weights, &checkpoint.tokenizer, card, HfType::F32)?;
    print(&format!("{}\n", hf.display()))?;
    Ok(())
}

/// How many held-out questions one score asks.
const SCORE_QUESTIONS: u64 = 100;
/// Seed of the scores' questions; no training draws from it.
const SCORE_SEED: u64 = 20_260_101;

struct Observer {
    json: bool,
    live: bool,
    python: Python,
    runtime: tokio::runtime::Runtime,
    held_out_loss: Option<f64>,
    score: Option<f64>,
}

impl TrainObserver for Observer {
    fn record(&mut self, record: &Record) {
        if self.json {
            if let Ok(line) = serde_json::to_string(record) {
                println!("{line}");
            }
            return;
        }
        match record {
            Record::Started { step, tokens, parameters, vocab_used } => eprintln!(
                "{} at step {step}, {} tokens: {:.2} million parameters, {vocab_used} pieces",
                if *step == 0 { "starts" } else { "goes on" },
                millions(*tokens),
                *parameters as f64 / 1e6,
            ),
            Record::PassedOver { reason } => eprintln!("a checkpoint is passed over: {reason}"),
            Record::Step { step, tokens, loss, tokens_per_second, seconds_left, .. } => {
                let mut line = format!(
                    "step {step} · {} tokens · loss {loss:.3} · {tokens_per_second:.0} tokens/s · \
                     {} left",
                    millions(*tokens),
                    duration(*seconds_left)
                );
                if let Some(loss) = self.held_out_loss {
                    line.push_str(&format!(" · held-out loss {loss:.3}"));
                }
                if let Some(score) = self.score {
                    line.push_str(&format!(" · score {:.0} %", 100.0 * score));
                }
                if self.live { eprint!("\r\x1b[2K{line}") } else { eprintln!("{line}") }
            }
            Record::HeldOut { loss, .. } => self.held_out_loss = Some(*loss),
            Record::Score { score, .. } => {
                self.score = score.get("accuracy").and_then(serde_json::Value::as_f64);
            }
            Record::Checkpoint { .. } => {}
            Record::Finished { step, tokens, cancelled, .. } => {
                let how = if *cancelled { "stopped, can go on" } else { "finished" };
                eprintln!("\n{how} at step {step}, {} tokens", millions(*tokens));
            }
        }
    }

    fn score(&mut self, gguf: &Path) -> Option<serde_json::Value> {
        score(gguf, &self.python, &self.runtime)
    }
}

/// Asks held-out questions through the loop and the tools that serve users.
pub fn score(
    gguf: &Path,
    python: &Python,
    runtime: &tokio::runtime::Runtime,
) -> Option<serde_json::Value> {
    if python.cause.is_some() {
        return None;
    }
    let asked = || -> Result<ozone_eval::Summary, Failure> {
        let backend = LocalBackend::load(
            "training",
            gguf,
            EngineOptions { threads: Some(1), ..EngineOptions::default() },
        )?;
        let suite = eval::generated(Split::HeldOut, SCORE_SEED, SCORE_QUESTIONS)?;
        let free = Prices::Own(ModelPrice::FREE);
        runtime.block_on(eval::play(Arc::new(backend), free, python, &suite, 4))
    };
    match asked() {
        Ok(report) => serde_json::to_value(report).ok(),
        Err(e) => {
            eprintln!("\nno score: {e}");
            None
        }
    }
}

fn millions(tokens: u64) -> String {
    format!("{:.2} million", tokens as f64 / 1e6)
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}
