//! `ozone eval`: questions with known answers through the very loop, tools and sandbox that serve
//! users. Suites, figures and charts are `ozone-eval`'s; here are arguments, models and files.

mod asking;
mod easel;
mod images;
mod models;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ozone_agent::Prices;
use ozone_agent::ProPolicy;
use ozone_agent::pro::TEMPERATURE;
use ozone_eval::{
    Answered, Axis, Cache, Compared, Ended, Format, Judge, Options, OwnQuestions, Plan, Pro,
    Problem, Progress, RunFolder, Session, Suite, Summary, chart, page, table,
};
use ozone_model::ModelBackend;
use ozone_python::Refill;
use ozone_tasks::Split;
use ozone_types::Effort;

use crate::ask::{clock, parse_effort};
use crate::config::{BackendEntry, Common, Config, ModelEntry};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::setup::{self, Model, Python};
use asking::Asker;
use models::{ModelArgs, commit, model_hash, prices_hash, program};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Suites: ozone (all own families), hard (those in several steps), one or more families or kinds
(steps,story/buy), and public sets from a --file of yours: gsm8k, math500, aime, humaneval, mbpp,
mmlu, bbh, ifeval. Code runs in the sandbox or not at all.

Examples:
  ozone eval                                       500 questions in held-out wordings
  ozone eval --split known -n 500 --seed 7         the same in wordings that were trained on
  ozone eval --file questions.jsonl -m model.gguf  your own: {\"text\": …, \"answer\": …} a line
  ozone eval hard --no-tools -e none -e low -e medium -e high --html curve.html
                                                   accuracy against cost, a point for each effort
  ozone eval gsm8k --file test.jsonl -m qwen.gguf --repeats 4 --out runs/gsm8k
                                                   pass@4, maj@4, pass^4; the same command goes on
                                                   with a run that was stopped
  ozone eval math500 --file test.jsonl --upstream http://127.0.0.1:9000/v1 -m o3 --concurrency 32
  ozone eval --repeats 4 --out runs/a              how reliable answers are, and how much more so
  ozone eval --repeats 4 --out runs/a --pro        when several samples vote
  ozone eval images --oracle --ablate              what the image tools can do, without a model
  ozone eval images -m my-vision-model             what they are worth to one
  ozone eval report runs/a runs/b --html all.html  one page of several runs"
)]
pub struct EvalArgs {
    #[command(subcommand)]
    command: Option<EvalCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, clap::Subcommand)]
enum EvalCommand {
    /// Reads runs that were kept with --out, and reports them together.
    Report(ReportArgs),
    /// Asks about pictures that are drawn here: what tools for pictures are worth.
    Images(Box<images::ImagesArgs>),
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Folders of runs, or folders of such folders.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

/// How a report is given.
#[derive(Debug, clap::Args)]
struct FormArgs {
    /// Prints the figures as JSON, a line for each run.
    #[arg(long)]
    json: bool,
    /// Writes one page that needs no other file: the curve, the figures, what they were taken with.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes the curve alone.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What the curve counts as cost; dollars where every run has some, else tokens.
    #[arg(long, value_enum, value_name = "COST")]
    by: Option<By>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Cost,
    Tokens,
    Seconds,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// What is asked; `ozone` without it.
    suite: Option<String>,
    /// The file or folder of a public set; without a suite, questions of your own.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Which wordings of the own families.
    #[arg(long, value_enum, default_value_t = Wording::HeldOut)]
    split: Wording,
    /// At most so many questions, drawn by the seed; 500 of the own families without it.
    #[arg(short = 'n', long, alias = "questions", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: Option<u64>,
    /// Seed of the questions and of the samples. Trainings use 1.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    #[command(flatten)]
    models: ModelArgs,
    /// none, minimal, low, medium, high, xhigh or max. May be repeated: a run for each.
    #[arg(short, long, value_parser = parse_effort)]
    effort: Vec<Effort>,
    /// How often each question is asked.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=128))]
    repeats: u32,
    /// Lets several samples vote on each answer.
    #[arg(long)]
    pro: bool,
    /// The most samples that vote; 16 without it.
    #[arg(long, value_name = "N", requires = "pro", value_parser = clap::value_parser!(u32).range(1..=64))]
    samples: Option<u32>,
    /// Takes all of them, also where the vote is decided before.
    #[arg(long, requires = "pro")]
    all_samples: bool,
    /// 0 takes the most likely token. 0 without it, 0.7 where questions are asked several times, 0.8
    /// where samples vote.
    #[arg(long, value_parser = parse_temperature)]
    temperature: Option<f32>,
    /// Offers no tool.
    #[arg(long)]
    no_tools: bool,
    /// Ends an answer after so many tokens; in the own families 1024 and what the effort allows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_output_tokens: Option<u64>,
    /// Ends an answer after so many seconds; 120 in the own families, 600 in others and for votes.
    #[arg(long, value_name = "S")]
    time_limit: Option<u64>,
    /// How many questions are asked at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Keeps every answer in this folder: the same command goes on with what is missing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Asks anew what this very program has answered before.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    form: FormArgs,
}

fn parse_temperature(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(t) if (0.0..=2.0).contains(&t) => Ok(t),
        _ => Err("use a number from 0 to 2".into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wording {
    /// Sentences that no training saw.
    HeldOut,
    /// Sentences of the training, with other numbers.
    Known,
}

impl From<Wording> for Split {
    fn from(wording: Wording) -> Split {
        match wording {
            Wording::HeldOut => Split::HeldOut,
            Wording::Known => Split::Known,
        }
    }
}

const QUESTIONS: usize = 500;
/// Several samples at a temperature of 0 would be one.
const TEMPERATURE_OF_REPEATS: f32 = 0.7;
const ANSWER_TOKENS: u64 = 1024;
/// The most kernels that are kept warm; questions wait for them.
const KERNELS_MAX: usize = 8;

/// Questions of all own families.
pub fn generated(split: Split, seed: u64, count: u64) -> Result<Suite, Failure> {
    Ok(Suite::own(&OwnQuestions { split, seed, count: count as usize, only: vec![] })?)
}

/// Asks all questions once, some at a time, and keeps nothing.
pub async fn play(
    backend: Arc<dyn ModelBackend>,
    prices: Prices,
    python: &Python,
    suite: &Suite,
    concurrency: usize,
) -> Result<Summary, Failure> {
    let model = backend.info().id.clone();
    let plan = Plan { max_output_tokens: Some(ANSWER_TOKENS), ..Plan::new(suite, &model, "") };
    let session =
        Session { at: clock(), program: String::new(), commit: None, prices: String::new() };
    let folder = tempfile::tempdir()?;
    let mut run = RunFolder::open(folder.path(), plan.clone(), session)?;
    let asker = Asker { backend, prices, machine: None, python, coords: None, plan };
    let judge = Judge::new(python.pool.as_deref().cloned());
    let options = Options { concurrency, cache: None };
    let ask = |problem: Problem, epoch| asker.ask(problem, epoch);
    let never = std::future::pending();
    ozone_eval::fill(&mut run, &suite.problems, &options, &judge, ask, never, |_| {}).await?;
    Ok(Summary::of(&run))
}

pub fn run(args: &EvalArgs, common: &Common) -> Result<(), Failure> {
    match &args.command {
        Some(EvalCommand::Report(report)) => {
            let mut runs = vec![];
            for folder in &report.folders {
                runs.extend(RunFolder::read_all(folder)?);
            }
            tell(&runs, &report.form)
        }
        Some(EvalCommand::Images(args)) => images::run(args, common),
        None => ask_all(&args.run, common),
    }
}

fn ask_all(args: &RunArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let suite = suite(args)?;
    let entries = args.models.entries(&config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let python = {
        let _inside = runtime.enter();
        let kernels = usize::from(args.concurrency).min(KERNELS_MAX);
        Python::start(&config.data_dir, kernels, Refill::WhenTaken)
    };
    if let Some(cause) = &python.cause
        && (suite.runs_code() || !args.no_tools)
    {
        return Err(Failure::new(format!("scores need Python: {cause}")));
    }
    let kept = match &args.out {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let out = kept.as_ref().map(|dir| dir.path()).or(args.out.as_deref()).unwrap_or(Path::new("."));
    let program = program()?;
    let mut runs = vec![];
    let done = runtime.block_on(async {
        for entry in &entries {
            let model = setup::model(entry)?;
            for effort in efforts(args, entry) {
                let plan = plan(args, &suite, entry, &model, effort)?;
                let session = Session {
                    at: clock(),
                    program: program.clone(),
                    commit: commit(),
                    prices: prices_hash(&config, entry)?,
                };
                let folder = out.join(folder_name(&plan));
                let run = RunFolder::open(&folder, plan, session)?;
                let (run, ended) =
                    one_run(args, &config, entry, &model, &python, &suite, run).await?;
                runs.push(run);
                if ended == Ended::Stopped {
                    return Ok(Ended::Stopped);
                }
            }
        }
        Ok::<_, Failure>(Ended::Complete)
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    let ended = done?;
    tell(&runs, &args.form)?;
    match (ended, &args.out) {
        (Ended::Complete, _) => without_failures(&runs),
        (Ended::Stopped, Some(out)) => Err(Failure::interrupted(format!(
            "stopped; what was answered is kept in {}, and the same command goes on",
            out.display()
        ))),
        (Ended::Stopped, None) if args.no_cache => Err(Failure::interrupted("stopped")),
        (Ended::Stopped, None) => {
            Err(Failure::interrupted("stopped; the same command asks only what is missing"))
        }
    }
}

/// What was asked without an answer is told with its cause.
fn without_failures(runs: &[RunFolder]) -> Result<(), Failure> {
    let mut failed = runs.iter().flat_map(RunFolder::cells).filter(|cell| cell.is_failed());
    let Some(first) = failed.next() else { return Ok(()) };
    let cause = first.answered.reason.as_deref().unwrap_or("no cause was given");
    Err(Failure::new(format!(
        "{} answers failed ({cause}); the same command asks them again",
        1 + failed.count()
    )))
}

async fn one_run(
    args: &RunArgs,
    config: &Config,
    entry: &ModelEntry,
    model: &Model,
    python: &Python,
    suite: &Suite,
    mut run: RunFolder,
) -> Result<(RunFolder, Ended), Failure> {
    let plan = run.manifest.plan.clone();
    let book = setup::price_book(config)?;
    if run.torn_bytes > 0 {
        eprintln!("note: a torn last line of {} was cut away", run.path().display());
    }
    if let [.., before, now] = &run.manifest.sessions[..]
        && before.program != now.program
        && run.cells().next().is_some()
    {
        let path = run.path().display();
        eprintln!(
            "note: a part of the answers in {path} is another build's; see its manifest.json"
        );
    }
    let is_local = !matches!(entry.backend, BackendEntry::Upstream(_));
    let machine = config.machine.as_ref().filter(|_| is_local);
    let asker = Asker {
        backend: model.backend.clone(),
        prices: setup::prices(entry, &book),
        machine: machine.map(|name| (book.clone(), name.clone())),
        python,
        coords: entry.coords,
        plan: plan.clone(),
    };
    let judge = Judge::new(python.pool.as_deref().cloned());
    let cache = match args.no_cache {
        true => None,
        false => Some(Cache::open(&config.data_dir()?.join("eval-cache"))?),
    };
    let options = Options { concurrency: args.concurrency.into(), cache };
    let ask = |problem: Problem, epoch| asker.ask(problem, epoch);
    let ended = filled(&mut run, suite, &options, &judge, ask, args.form.json).await?;
    Ok((run, ended))
}

/// Asks what is missing, until Ctrl-C, with a line that a person watches.
async fn filled<A, F>(
    run: &mut RunFolder,
    suite: &Suite,
    options: &Options,
    judge: &Judge,
    ask: A,
    is_quiet: bool,
) -> Result<Ended, Failure>
where
    A: Fn(Problem, u32) -> F,
    F: Future<Output = Answered>,
{
    let shows = !is_quiet && io::stderr().is_terminal();
    let label = run.manifest.plan.label();
    let mut interrupts = Interrupts::listen()?;
    let watch = |progress: &Progress| {
        if shows {
            let _ = write!(io::stderr(), "\r\x1b[K{label}: {progress}");
        }
    };
    let stop = interrupts.next();
    let ended = ozone_eval::fill(run, &suite.problems, options, judge, ask, stop, watch).await;
    if shows {
        eprintln!();
    }
    Ok(ended?)
}

fn suite(args: &RunArgs) -> Result<Suite, Failure> {
    let limit = args.limit.map(|n| n as usize);
    let named = args.suite.as_deref().and_then(Format::named);
    let suite = match (named, &args.suite, &args.file) {
        (Some(format), _, Some(path)) => Suite::read(format, path),
        (None, None, Some(path)) => Suite::read(Format::Own, path),
        (Some(format), _, None) => {
            return Err(Failure::usage(format!(
                "{} is not part of Ozone: name your copy with --file ({})",
                format.name(),
                format.origin()
            )));
        }
        (None, Some(name), Some(_)) => {
            return Err(Failure::usage(format!(
                "`{name}` is no set that is read from a file; leave --file or the name away"
            )));
        }
        (None, name, None) => {
            let names = name.iter().flat_map(|name| name.split(','));
            let only = names.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty() && n != "ozone");
            let count = limit.unwrap_or(QUESTIONS);
            let asked = OwnQuestions {
                split: args.split.into(),
                seed: args.seed,
                count,
                only: only.collect(),
            };
            Suite::own(&asked)
        }
    };
    let mut suite = suite.map_err(|e| Failure::usage(Failure::from(e).to_string()))?;
    if let (Some(limit), true) = (limit, args.file.is_some()) {
        suite = suite.limited(limit, args.seed);
    }
    Ok(if args.no_tools { suite.without_tools() } else { suite })
}

/// Each that was asked for; else the one of the model's name or entry.
fn efforts(args: &RunArgs, entry: &ModelEntry) -> Vec<Option<Effort>> {
    match &args.effort[..] {
        [] => vec![entry.effort],
        efforts => efforts.iter().copied().map(Some).collect(),
    }
}

fn plan(
    args: &RunArgs,
    suite: &Suite,
    entry: &ModelEntry,
    model: &Model,
    effort: Option<Effort>,
) -> Result<Plan, Failure> {
    let is_own = args.file.is_none();
    let thinking = effort.map_or(Some(0), Effort::thinking_tokens_max);
    let own_max = thinking.filter(|_| is_own).map(|thinking| ANSWER_TOKENS + thinking);
    let pro = args.pro.then(|| Pro {
        samples_max: args.samples.unwrap_or(ProPolicy::default().n_max),
        stops_early: !args.all_samples,
    });
    let temperature = match pro {
        Some(_) => TEMPERATURE,
        None if args.repeats > 1 => TEMPERATURE_OF_REPEATS,
        None => 0.0,
    };
    let seconds_max = if is_own && pro.is_none() { 120 } else { 600 };
    Ok(Plan {
        instructions: model.instructions.clone(),
        effort,
        pro,
        repeats: args.repeats,
        seed: args.seed,
        temperature: args.temperature.unwrap_or(temperature),
        max_output_tokens: args.max_output_tokens.or(own_max),
        seconds_max: args.time_limit.unwrap_or(seconds_max),
        tools: !args.no_tools,
        ..Plan::new(suite, &entry.id, &model_hash(entry)?)
    })
}

/// A run's folder inside of --out: a name that all file systems take.
fn folder_name(plan: &Plan) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = plan.label().chars().map(plain).collect();
    name.trim_start_matches('.').to_owned()
}

fn tell(runs: &[RunFolder], form: &FormArgs) -> Result<(), Failure> {
    let summaries: Vec<Summary> = runs.iter().map(Summary::of).collect();
    let axis = form.by.map(|by| match by {
        By::Cost => Axis::Usd,
        By::Tokens => Axis::Tokens,
        By::Seconds => Axis::Seconds,
    });
    let write = |path: &Path, text: String| {
        std::fs::write(path, text)
            .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
    };
    if let Some(path) = &form.html {
        write(path, page(runs, axis))?;
    }
    if let Some(path) = &form.svg {
        let suites = summaries.iter().map(|s| s.suite_hash.as_str());
        if suites.collect::<std::collections::BTreeSet<_>>().len() > 1 {
            return Err(Failure::usage("one curve is over one suite: --html draws one for each"));
        }
        let title = summaries.first().map_or("no runs".into(), |s| {
            format!("Accuracy against cost: {}, {} questions", s.suite, s.questions)
        });
        let axis = axis.unwrap_or_else(|| Axis::fitting(&summaries));
        write(path, chart(&summaries, axis, &title))?;
    }
    let mut out = io::stdout().lock();
    if form.json {
        for summary in &summaries {
            writeln!(out, "{}", serde_json::to_string(summary)?)?;
        }
    } else {
        write!(out, "{}", table(&summaries, &Compared::all(runs)))?;
    }
    Ok(())
}
