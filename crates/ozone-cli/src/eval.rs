//! `ozone eval`: the task families through the very loop, tools and sandbox that serve users.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use ozone_agent::{Costs, Limits, Prices, Request, Run};
use ozone_cost::{LedgerLine, LedgerQuery, Payer};
use ozone_model::ModelBackend;
use ozone_python::Refill;
use ozone_store::{Journal, Ledger, MemoryStore, Store, Stored};
use ozone_tasks::{Answer, Generator, Offer, Split, grade};
use ozone_tools::{PythonTool, Tool};
use ozone_types::item::Known;
use ozone_types::{Item, Response, ResponseId, ResponseStatus, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::config::{Common, Config};
use crate::failure::Failure;
use crate::setup::{self, Python};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone eval                                       500 questions in held-out wordings
  ozone eval --split known -n 500 --seed 7         the same in wordings that were trained on
  ozone eval --file questions.jsonl -m model.gguf  your own: {\"text\": …, \"answer\": …} a line
  ozone eval --out run.jsonl                       keeps every answer, one JSON object a line")]
pub struct EvalArgs {
    /// Which wordings.
    #[arg(long, value_enum, default_value_t = Wording::HeldOut)]
    split: Wording,
    /// How many questions.
    #[arg(short = 'n', long, default_value_t = 500)]
    questions: u64,
    /// Seed of the questions. Trainings use 1.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// A model of the configuration, or a GGUF file.
    #[arg(short, long)]
    model: Option<String>,
    /// Questions from a file instead.
    #[arg(long, value_name = "JSONL")]
    file: Option<PathBuf>,
    /// Where each question and answer is written.
    #[arg(long, value_name = "JSONL")]
    out: Option<PathBuf>,
    /// How many questions are asked at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    concurrency: u8,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Wording {
    /// Sentences that no training saw.
    HeldOut,
    /// Sentences of the training, with other numbers.
    Known,
}

/// A question to be scored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    #[serde(default = "file_kind")]
    pub kind: String,
    pub text: String,
    pub answer: Answer,
    /// `None` where nobody said.
    #[serde(default)]
    pub needs_python: Option<bool>,
    #[serde(default = "python")]
    pub offer: Offer,
}

fn file_kind() -> String {
    "file".into()
}

fn python() -> Offer {
    Offer::Python
}

/// One question with what came of it.
#[derive(Debug, Serialize)]
pub struct Scored {
    #[serde(flatten)]
    asked: Asked,
    reply: String,
    right: bool,
    calls: usize,
    status: ResponseStatus,
    output_tokens: u64,
    model: String,
    /// Of all model calls together.
    usage: Usage,
    /// Of each call: what `ozone cost compare --suite` prices.
    ledger: Vec<LedgerLine>,
}

/// The figures of one eval.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub model: String,
    pub questions: usize,
    pub right: usize,
    /// pass@1, greedy.
    pub accuracy: f64,
    /// Wilson's interval at 95 %.
    pub accuracy_low: f64,
    pub accuracy_high: f64,
    /// Of the questions that need Python, the share that used it.
    pub python_when_needed: Option<f64>,
    /// Of the questions that don't, the share that used it.
    pub python_when_not_needed: Option<f64>,
    pub output_tokens_mean: f64,
    pub usage: Usage,
    pub tool_calls: usize,
    pub seconds: f64,
    /// Family to (right, asked).
    pub families: BTreeMap<String, (usize, usize)>,
}

/// Kinds whose trace depends on a tool that fails or on today's date: they cannot be played here.
pub const STAGED: &str = "tool/outside";

/// Questions of the generator that a working tool can answer.
pub fn generated(split: Split, seed: u64, count: u64) -> Result<Vec<Asked>, Failure> {
    let generator = Generator::new(split, seed)?;
    let questions = (0u64..).map(|index| generator.question(index));
    Ok(questions
        .filter(|q| !q.kind.starts_with(STAGED))
        .take(count as usize)
        .map(|q| Asked {
            kind: q.kind,
            text: q.text,
            answer: q.answer,
            needs_python: Some(q.needs_python),
            offer: q.offer,
        })
        .collect())
}

pub fn run(args: &EvalArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let questions = match &args.file {
        Some(path) => read_jsonl(path)?,
        None => {
            let split = match args.split {
                Wording::HeldOut => Split::HeldOut,
                Wording::Known => Split::Known,
            };
            generated(split, args.seed, args.questions)?
        }
    };
    let name = args.model.as_deref().unwrap_or(&config.default_model);
    let entry = setup::entry(&config, name)?;
    let prices = setup::prices(&entry, &setup::price_book(&config)?);
    let model = setup::model(&entry)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let python = {
        let _inside = runtime.enter();
        Python::start(&config.data_dir, usize::from(args.concurrency), Refill::WhenTaken)
    };
    if let Some(cause) = &python.cause {
        return Err(Failure::new(format!("scores need Python: {cause}")));
    }
    let (report, scored) = runtime.block_on(async {
        tokio::select! {
            done = play(model.backend, prices, model.instructions, &python, questions, args.concurrency.into(), !args.json) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted("stopped; nothing was scored")),
        }
    })?;
    if let Some(path) = &args.out {
        let mut text = String::new();
        for one in &scored {
            text.push_str(&serde_json::to_string(one)?);
            text.push('\n');
        }
        std::fs::write(path, text)
            .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table(&report));
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(())
}

/// One value a line.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
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

/// Asks all questions, some at a time.
pub async fn play(
    backend: Arc<dyn ModelBackend>,
    prices: Prices,
    instructions: Option<String>,
    python: &Python,
    questions: Vec<Asked>,
    concurrency: usize,
    progress: bool,
) -> Result<(Report, Vec<Scored>), Failure> {
    let started = Instant::now();
    let total = questions.len();
    let (done, right) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = progress && io::stderr().is_terminal();
    let asking = stream::iter(questions).map(|asked| {
        let (backend, prices) = (backend.clone(), prices.clone());
        let instructions = instructions.clone();
        let (done, right) = (&done, &right);
        async move {
            let (response, ledger) = one(backend, prices, instructions, python, &asked).await?;
            let scored = score(asked, response, ledger);
            let n = done.fetch_add(1, Ordering::Relaxed) + 1;
            let r = right.fetch_add(usize::from(scored.right), Ordering::Relaxed)
                + usize::from(scored.right);
            if progress {
                let _ = write!(io::stderr(), "\r{n}/{total} asked, {r} right");
            }
            Ok::<_, Failure>(scored)
        }
    });
    let scored: Vec<Result<Scored, Failure>> = asking.buffered(concurrency).collect().await;
    if progress {
        eprintln!();
    }
    let scored: Vec<Scored> = scored.into_iter().collect::<Result<_, _>>()?;
    let report = summarise(&backend.info().id, &scored, started.elapsed());
    Ok((report, scored))
}

async fn one(
    backend: Arc<dyn ModelBackend>,
    prices: Prices,
    instructions: Option<String>,
    python: &Python,
    asked: &Asked,
) -> Result<(Response, Vec<LedgerLine>), Failure> {
    let store = Arc::new(MemoryStore::default());
    let id = ResponseId::mint();
    let model = backend.info().id.clone();
    let mut request = Request::new(&model, vec![Item::user(&asked.text)], false)?;
    request.instructions = instructions;
    request.max_output_tokens = Some(1024);
    let stored = Stored {
        id: id.clone(),
        created_at: 0,
        status: ResponseStatus::InProgress,
        model,
        request: serde_json::Value::Null,
    };
    store.create(stored).await?;
    let tools: Vec<Box<dyn Tool>> = match asked.offer {
        Offer::Python => {
            vec![Box::new(PythonTool::new(python.source(), "cntr_eval".into(), None))]
        }
        Offer::Nothing => vec![],
    };
    let run = Run {
        backend,
        tools,
        journal: Journal::open(store.clone(), id).await?,
        request,
        limits: Limits { steps_max: 8, time_max: Duration::from_secs(120), ..Limits::default() },
        clock: crate::ask::clock,
        cancel: CancellationToken::new(),
        seal: None,
    };
    let costs = Costs {
        prices,
        payer: Payer::default(),
        parent: None,
        budgets: vec![],
        ledger: store.clone(),
        machine: None,
    };
    let response = run.run_costing(costs).await?;
    Ok((response, store.ledger(&LedgerQuery::default()).await?))
}

fn score(asked: Asked, response: Response, ledger: Vec<LedgerLine>) -> Scored {
    let reply = response.output_text();
    let calls = response
        .output
        .iter()
        .filter(|item| matches!(item, Item::Known(Known::CodeInterpreterCall { .. })))
        .count();
    Scored {
        right: response.status == ResponseStatus::Completed && grade(&asked.answer, &reply),
        asked,
        reply,
        calls,
        status: response.status,
        output_tokens: response.usage.map_or(0, |u| u.output_tokens),
        usage: response.usage.unwrap_or_default(),
        model: response.model,
        ledger,
    }
}

fn summarise(model: &str, scored: &[Scored], elapsed: Duration) -> Report {
    let right = scored.iter().filter(|s| s.right).count();
    let (accuracy_low, accuracy_high) = wilson(right, scored.len());
    let share = |needed: bool| {
        let all: Vec<_> = scored.iter().filter(|s| s.asked.needs_python == Some(needed)).collect();
        let used = all.iter().filter(|s| s.calls > 0).count();
        (!all.is_empty()).then(|| used as f64 / all.len() as f64)
    };
    let mut families: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for s in scored {
        let family = s.asked.kind.split('/').next().unwrap_or_default().to_owned();
        let entry = families.entry(family).or_default();
        entry.0 += usize::from(s.right);
        entry.1 += 1;
    }
    let n = scored.len().max(1) as f64;
    let mut usage = Usage::default();
    scored.iter().for_each(|s| usage += s.usage);
    Report {
        model: model.to_owned(),
        questions: scored.len(),
        right,
        accuracy: right as f64 / n,
        accuracy_low,
        accuracy_high,
        python_when_needed: share(true),
        python_when_not_needed: share(false),
        output_tokens_mean: scored.iter().map(|s| s.output_tokens as f64).sum::<f64>() / n,
        usage,
        tool_calls: scored.iter().map(|s| s.calls).sum(),
        seconds: elapsed.as_secs_f64(),
        families,
    }
}

/// Wilson's score interval for `right` of `n` at 95 % (E. B. Wilson, JASA 22, 1927).
fn wilson(right: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_964;
    let (n, p) = (n as f64, right as f64 / n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    ((centre - half) / scale, (centre + half) / scale)
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    for (family, (right, asked)) in &report.families {
        let share = 100.0 * *right as f64 / (*asked).max(1) as f64;
        out.push_str(&format!("{family:<12} {right:>4} of {asked:>4}  {share:>5.1} %\n"));
    }
    out.push_str(&format!(
        "{:<12} {:>4} of {:>4}  {:>5.1} %  (95 %: {:.1} to {:.1})\n",
        "all",
        report.right,
        report.questions,
        100.0 * report.accuracy,
        100.0 * report.accuracy_low,
        100.0 * report.accuracy_high,
    ));
    let percent =
        |share: Option<f64>| share.map_or("–".into(), |s| format!("{:.1} %", 100.0 * s));
    out.push_str(&format!(
        "Python used: {} of the questions that need it, {} of those that don't; {:.1} tokens an \
         answer; {:.1} s\n",
        percent(report.python_when_needed),
        percent(report.python_when_not_needed),
        report.output_tokens_mean,
        report.seconds,
    ));
    out
}
