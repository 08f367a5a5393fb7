//! `ozone eval images`: the benchmark of pictures. What a model gains by the tools for them, what
//! the tools can do without any model, and what is left of it when they do nothing.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ozone_eval::{
    Answered, Arm, ByFamily, Cache, Ended, Expected, Judge, Options, Outfit, Plan, Problem,
    RunFolder, Session, Suite, family_table, page,
};
use ozone_imagebench::degradation::{self, Reading};
use ozone_imagebench::{Case, Family, oracle};
use ozone_python::Refill;
use ozone_tasks::Offer;
use ozone_tools::image::Ocr;
use ozone_types::{Effort, ResponseStatus, Usage};

use super::asking::Asker;
use super::models::{ModelArgs, commit, model_hash, prices_hash, program};
use super::{KERNELS_MAX, filled, folder_name, without_failures};
use crate::ask::{clock, parse_effort};
use crate::config::{BackendEntry, Common, Config};
use crate::failure::Failure;
use crate::output::print;
use crate::setup::{self, Python};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Families: oriented (turned and mirrored text), tiny (a label in a large picture), degraded (blur,
noise, shadow), receipt, chart, dial (gauges and clocks), maze, count, geometry, jigsaw (pieces of a
picture, strips of a page). Pictures are drawn here from the seed; one in ten has what is asked for
destroyed, and `unreadable` is right.

Arms: alone (the picture and no tool), images (the image tools), python, full (both).

Examples:
  ozone eval images --oracle --ablate         what the tools can do without a model, and what is
                                              left when they return the unchanged picture
  ozone eval images -m my-vision-model        all four arms, 40 cases of each family
  ozone eval images -m qwen --arm alone --arm images --ablate --family tiny,dial -n 100
  ozone eval images -m qwen3-vl --upstream http://127.0.0.1:9000/v1 --upstream-sees --out runs/img
                                              the same command goes on with a run that was stopped
  ozone eval images --family dial -n 5 --pictures /tmp/dials    the pictures and questions as files
  ozone eval images --ocr-table               what each operation brings to reading damaged print")]
pub struct ImagesArgs {
    #[command(flatten)]
    models: ModelArgs,
    /// Only these families.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_family)]
    family: Vec<Family>,
    /// Cases of each family.
    #[arg(short = 'n', long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    each: u64,
    /// Seed of the pictures and of the samples.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Only these arms. May be repeated.
    #[arg(long, value_enum)]
    arm: Vec<ArmName>,
    /// No model: a policy per family, which uses the image tools alone.
    #[arg(long, conflicts_with_all = ["model", "arm", "effort"])]
    oracle: bool,
    /// Once more with tools that return the unchanged picture, whatever they are asked for.
    #[arg(long)]
    ablate: bool,
    /// Reads print under each kind of damage before and after an operation, and asks nobody.
    #[arg(long, conflicts_with_all = ["oracle", "ablate", "pictures", "model"])]
    ocr_table: bool,
    /// Writes the pictures and their questions into this folder, and asks nobody.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["oracle", "ablate"])]
    pictures: Option<PathBuf>,
    /// none, minimal, low, medium, high, xhigh or max.
    #[arg(short, long, value_parser = parse_effort)]
    effort: Option<Effort>,
    /// Ends an answer after so many tokens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_output_tokens: Option<u64>,
    /// Ends an answer after so many seconds.
    #[arg(long, value_name = "S", default_value_t = 600)]
    time_limit: u64,
    /// How many questions are asked at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Keeps every answer in this folder: the same command goes on with what is missing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Asks anew what this very program has answered before.
    #[arg(long)]
    no_cache: bool,
    /// Prints the figures as JSON, a line for each run.
    #[arg(long)]
    json: bool,
    /// Writes one page that needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ArmName {
    Alone,
    Images,
    Python,
    Full,
}

impl From<ArmName> for Arm {
    fn from(name: ArmName) -> Arm {
        match name {
            ArmName::Alone => Arm::Alone,
            ArmName::Images => Arm::Images,
            ArmName::Python => Arm::Python,
            ArmName::Full => Arm::Full,
        }
    }
}

fn parse_family(name: &str) -> Result<Family, String> {
    let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
    Family::named(name.trim()).ok_or_else(|| format!("use {}", names.join(", ")))
}

/// Whom the answers of the oracle are by.
const ORACLE: &str = "oracle";
const ANSWER_TOKENS: u64 = 4_096;

pub fn run(args: &ImagesArgs, common: &Common) -> Result<(), Failure> {
    let cases = cases(args);
    if let Some(folder) = &args.pictures {
        return write_pictures(&cases, folder);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if args.ocr_table {
        return runtime.block_on(ocr_table(args));
    }
    let config = Config::load(common)?;
    let kept = match &args.out {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let out = kept.as_ref().map(|dir| dir.path()).or(args.out.as_deref()).unwrap_or(Path::new("."));
    let suite = suite(&cases, args);
    let done = runtime.block_on(async {
        match args.oracle {
            true => oracle_runs(args, &config, &suite, out).await,
            false => model_runs(args, &config, &suite, out).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    let (runs, ended) = done?;
    tell(args, &runs)?;
    match (ended, &args.out) {
        (Ended::Complete, _) => without_failures(&runs),
        (Ended::Stopped, Some(out)) => Err(Failure::interrupted(format!(
            "stopped; what was answered is kept in {}, and the same command goes on",
            out.display()
        ))),
        (Ended::Stopped, None) => {
            Err(Failure::interrupted("stopped; keep the answers of the next run with --out"))
        }
    }
}

fn cases(args: &ImagesArgs) -> Vec<Case> {
    let families = if args.family.is_empty() { Family::ALL } else { &args.family[..] };
    let of = |family: &Family| {
        let (family, seed) = (*family, args.seed);
        (0..args.each).map(move |index| Case { family, seed, index })
    };
    families.iter().flat_map(of).collect()
}

fn suite(cases: &[Case], args: &ImagesArgs) -> Suite {
    let problem = |case: &Case| {
        let drawn = case.draw();
        let kind = match case.is_readable() {
            true => format!("{}/{}", case.family.name(), case.difficulty()),
            false => format!("{}/{}", case.family.name(), ozone_imagebench::UNREADABLE),
        };
        Problem {
            id: case.id(),
            kind,
            text: drawn.question,
            expected: Expected::Own(drawn.answer),
            needs_python: None,
            offer: Offer::Nothing,
            picture: Some(case.name()),
        }
    };
    let families: Vec<&str> = args.family.iter().map(|family| family.name()).collect();
    let name = if families.is_empty() { "all".to_owned() } else { families.join(",") };
    Suite { name: format!("images {name}"), problems: cases.iter().map(problem).collect() }
}

type Runs = (Vec<RunFolder>, Ended);

fn cache(args: &ImagesArgs, config: &Config) -> Result<Option<Cache>, Failure> {
    Ok(match args.no_cache {
        true => None,
        false => Some(Cache::open(&config.data_dir()?.join("eval-cache"))?),
    })
}

/// The tools that do nothing come first: what the others bring is said against them.
async fn oracle_runs(
    args: &ImagesArgs,
    config: &Config,
    suite: &Suite,
    out: &Path,
) -> Result<Runs, Failure> {
    let reads = args.family.is_empty() || args.family.iter().any(|family| family.reads_text());
    let ocr = if reads { reader()? } else { Ocr::find(None) };
    let mut runs = vec![];
    for ablated in [true, false].into_iter().skip(usize::from(!args.ablate)) {
        let outfit = Some(Outfit { arm: Arm::Images, ablated });
        let plan = Plan {
            seed: args.seed,
            seconds_max: args.time_limit,
            outfit,
            ..Plan::new(suite, ORACLE, "")
        };
        let mut run =
            RunFolder::open(&out.join(folder_name(&plan)), plan, session(String::new())?)?;
        let options = Options { concurrency: args.concurrency.into(), cache: cache(args, config)? };
        let ask = |problem: Problem, _| consulted(problem, ocr.clone(), ablated);
        let judge = Judge::new(None);
        let ended = filled(&mut run, suite, &options, &judge, ask, args.json).await?;
        runs.push(run);
        if ended == Ended::Stopped {
            return Ok((runs, ended));
        }
    }
    Ok((runs, Ended::Complete))
}

/// The oracle's answer; what is wrong with the tools is a failed answer with its cause.
async fn consulted(problem: Problem, ocr: Ocr, ablated: bool) -> Answered {
    let started = Instant::now();
    let reply = async {
        let case = problem.picture.as_deref().and_then(Case::named);
        let case = case.ok_or_else(|| Failure::new("the question has no picture"))?;
        let file = tokio::task::spawn_blocking(move || case.draw().paint()).await?;
        let folder = tempfile::tempdir()?;
        let asked = &problem.text;
        let reply = oracle::answer(case.family, asked, &file, folder.path(), ocr, ablated).await;
        reply.map_err(|e| Failure::new(e.to_string()))
    };
    let (reply, calls, status, reason) = match reply.await {
        Ok(reply) => (reply.text, reply.calls, ResponseStatus::Completed, None),
        Err(e) => (String::new(), 0, ResponseStatus::Failed, Some(e.to_string())),
    };
    let seconds = started.elapsed().as_secs_f64();
    let (usage, ledger) = (Usage::default(), vec![]);
    Answered { reply, status, reason, calls, samples: 1, usage, ledger, seconds }
}

fn session(prices: String) -> Result<Session, Failure> {
    Ok(Session { at: clock(), program: program()?, commit: commit(), prices })
}

async fn model_runs(
    args: &ImagesArgs,
    config: &Config,
    suite: &Suite,
    out: &Path,
) -> Result<Runs, Failure> {
    let outfits = outfits(args);
    let python = Python::start(
        &config.data_dir,
        usize::from(args.concurrency).min(KERNELS_MAX),
        Refill::WhenTaken,
    );
    if let Some(cause) = &python.cause
        && outfits.iter().any(|outfit| outfit.arm.has_python())
    {
        let why = format!("the arms python and full need Python: {cause}");
        return Err(Failure::new(why));
    }
    let book = setup::price_book(config)?;
    let questions = suite.hash();
    let mut runs = vec![];
    for entry in &args.models.entries(config)? {
        let model = setup::model(entry)?;
        let effort = args.effort.or(entry.effort);
        let thinking = effort.map_or(Some(0), Effort::thinking_tokens_max);
        for outfit in &outfits {
            let mut suite = suite.clone();
            if outfit.arm.has_python() {
                suite.problems.iter_mut().for_each(|p| p.offer = Offer::Python);
            }
            let plan = Plan {
                // The same questions under every arm, whether Python is offered or not.
                suite_hash: questions.clone(),
                instructions: model.instructions.clone(),
                effort,
                seed: args.seed,
                max_output_tokens: args
                    .max_output_tokens
                    .or(thinking.map(|thinking| ANSWER_TOKENS + thinking)),
                seconds_max: args.time_limit,
                outfit: Some(*outfit),
                ..Plan::new(&suite, &entry.id, &model_hash(entry)?)
            };
            let session = session(prices_hash(config, entry)?)?;
            let mut run = RunFolder::open(&out.join(folder_name(&plan)), plan.clone(), session)?;
            let is_local = !matches!(entry.backend, BackendEntry::Upstream(_));
            let machine = config.machine.as_ref().filter(|_| is_local);
            let asker = Asker {
                backend: model.backend.clone(),
                prices: setup::prices(entry, &book),
                machine: machine.map(|name| (Arc::clone(&book), name.clone())),
                python: &python,
                coords: entry.coords,
                plan,
            };
            let options =
                Options { concurrency: args.concurrency.into(), cache: cache(args, config)? };
            let ask = |problem: Problem, epoch| asker.ask(problem, epoch);
            let judge = Judge::new(None);
            let ended = filled(&mut run, &suite, &options, &judge, ask, args.json).await?;
            runs.push(run);
            if ended == Ended::Stopped {
                return Ok((runs, ended));
            }
        }
    }
    Ok((runs, Ended::Complete))
}

/// The arms in their order; with tools that do nothing, what remains of the image tools' arm.
fn outfits(args: &ImagesArgs) -> Vec<Outfit> {
    let is_asked =
        |arm: &Arm| args.arm.is_empty() || args.arm.iter().any(|a| Arm::from(*a) == *arm);
    let arms = Arm::ALL.iter().copied().filter(is_asked);
    let plain = arms.map(|arm| Outfit { arm, ablated: false });
    let ablated = args.ablate.then_some(Outfit { arm: Arm::Images, ablated: true });
    plain.chain(ablated).collect()
}

fn write_pictures(cases: &[Case], folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let mut list = std::fs::File::create(folder.join("questions.jsonl"))?;
    for case in cases {
        let drawn = case.draw();
        let (text, answer) = (drawn.question.clone(), drawn.answer.clone());
        let file = drawn.paint();
        let end = file.name.rsplit('.').next().unwrap_or_default();
        let name = format!("{}-{}.{end}", case.family.name(), case.index);
        std::fs::write(folder.join(&name), &file.bytes)?;
        let line = serde_json::json!({"picture": name, "text": text, "answer": answer});
        writeln!(list, "{line}")?;
    }
    print(&format!("{} pictures and their questions are in {}\n", cases.len(), folder.display()))
}

/// A row for each operation, as it comes.
async fn ocr_table(args: &ImagesArgs) -> Result<(), Failure> {
    let ocr = reader()?;
    let folder =
        || -> io::Result<Box<dyn AsRef<Path> + Send>> { Ok(Box::new(tempfile::tempdir()?)) };
    let mut out = io::stdout().lock();
    if !args.json {
        writeln!(
            out,
            "Print that is damaged, read as it is and after an operation. Of 1.000: characters, \
             then words; {} seeds",
            args.each
        )?;
        const HEAD: &str =
            "damage                             as it is      operation                  after";
        writeln!(out, "\n{HEAD}")?;
    }
    for trial in degradation::trials() {
        let row = trial.run(args.each, &ocr, folder).await;
        let row = row.map_err(|e| Failure::new(e.to_string()))?;
        let pair = |reading: Reading| [reading.characters, reading.words];
        let (raw, after) = (pair(row.raw), pair(row.after));
        let (damage, operation, seeds) = (row.damage, row.operation, args.each);
        if args.json {
            let line = serde_json::json!({
                "damage": damage, "operation": operation, "seeds": seeds, "raw": raw, "after": after
            });
            writeln!(out, "{line}")?;
        } else {
            let [[a, b], [c, d]] = [raw, after];
            writeln!(out, "{damage:<34} {a:.3} {b:.3}   {operation:<26} {c:.3} {d:.3}")?;
        }
    }
    Ok(())
}

fn reader() -> Result<Ocr, Failure> {
    let ocr = Ocr::find(std::env::var_os("PATH").as_deref());
    if ocr.program().is_none() {
        return Err(Failure::new(
            "reading print needs the program `tesseract`: install tesseract-ocr, or choose the \
             families without print with --family maze,count,geometry",
        ));
    }
    Ok(ocr)
}

fn tell(args: &ImagesArgs, runs: &[RunFolder]) -> Result<(), Failure> {
    if let Some(path) = &args.html {
        std::fs::write(path, page(runs, None))
            .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
    }
    let figures = ByFamily::of(runs);
    let mut out = io::stdout().lock();
    if !args.json {
        return Ok(write!(out, "{}", family_table(&figures))?);
    }
    for run in &figures {
        writeln!(out, "{}", serde_json::to_string(run)?)?;
    }
    Ok(())
}
