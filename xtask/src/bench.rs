//! Speed, measured side by side in one run and printed as JSON. Nothing is asserted here: the
//! figures are for people to read and to compare; where there is a target it stands beside them.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

#[derive(clap::Args)]
pub struct BenchArgs {
    /// Repeats of each measurement.
    #[arg(long, default_value_t = 5)]
    repeats: u32,
    /// How long each measurement of the server lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Of the server only `latency`, `streams` or `history`.
    #[arg(long)]
    only: Option<String>,
    /// Leaves out the 600-million-parameter shape.
    #[arg(long)]
    small: bool,
    /// Only this part.
    #[arg(value_enum)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Engine,
    Python,
    /// Pricing one response.
    Cost,
    /// Training steps in both precisions.
    Train,
    /// Searching an index of saved pages, shrinking a large picture, indexing a PDF, calls at once.
    Tools,
    /// What the server adds to its upstream.
    Server,
    WholeJob,
}

const QUESTION: &str =
    "How many days lie between 1969-07-20 and 2026-11-22, and is that number prime?";

pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let is_asked = |part| args.part.is_none_or(|only| only == part);
    let mut report = Map::new();
    if is_asked(Part::Engine) {
        report.insert("engine_small".into(), engine("small", args.repeats)?);
        let big = if args.small { Value::Null } else { engine("600m", args.repeats)? };
        report.insert("engine_big".into(), big);
    }
    if is_asked(Part::Python) {
        report.insert("python".into(), python()?);
    }
    if is_asked(Part::Cost) {
        let package = ["--package", "ozone-cost", "--example", "price_bench"];
        report.insert("cost".into(), example(&package, &[])?);
    }
    if is_asked(Part::Train) {
        let package = ["--package", "ozone-train", "--example", "train_bench"];
        report.insert("train".into(), example(&package, &[&args.repeats.to_string()])?);
    }
    if is_asked(Part::Tools) {
        let package = ["--package", "ozone-web", "--example", "search_bench"];
        let search = example(&package, &[])?;
        let package = ["--package", "ozone-image", "--example", "tools_bench"];
        let picture = example(&package, &[&args.repeats.to_string()])?;
        let package = ["--package", "ozone-store", "--example", "pdf_bench"];
        let pdf = example(&package, &[])?;
        let package = ["--package", "ozone-agent", "--example", "at_once_bench"];
        let calls = example(&package, &[&args.repeats.to_string()])?;
        let all = json!({
            "search": held_against(search, "search_ms_p50", 10.0),
            "jpeg_24_mp_to_1_mp": held_against(picture, "ratio", 1.2),
            "pdf_300_pages_indexed": held_against(pdf, "seconds", 30.0),
            "ten_calls_at_once": held_against(calls, "over_slowest_percent", 20.0),
        });
        report.insert("tools".into(), all);
    }
    if is_asked(Part::Server) {
        let package = ["--package", "ozone-server", "--example", "bench"];
        let seconds = args.seconds.to_string();
        let mut flags = vec!["--seconds", &seconds];
        flags.extend(args.only.iter().flat_map(|only| ["--only", only.as_str()]));
        report.insert("server".into(), example(&package, &flags)?);
    }
    if is_asked(Part::WholeJob) {
        crate::cargo(&["build", "--release", "--quiet", "--package", "ozone-cli"])?;
        report.insert("whole_job".into(), whole_job(args.repeats)?);
    }
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// What was measured, with what it may be at most and whether it is.
fn held_against(mut figures: Value, name: &str, at_most: f64) -> Value {
    let is_kept = figures[name].as_f64().is_some_and(|measured| measured <= at_most);
    figures["target"] = json!({name: {"at_most": at_most, "kept": is_kept}});
    figures
}

/// Our engine against a bare llama.cpp loop on the same random-weight file.
fn engine(shape: &str, repeats: u32) -> anyhow::Result<Value> {
    let package = ["--package", "ozone-model", "--features", "local", "--example", "engine_bench"];
    example(&package, &[shape, &repeats.to_string()])
}

/// The Python tool's waits, in milliseconds.
fn python() -> anyhow::Result<Value> {
    let text = output(&["--package", "ozone-python", "--example", "latency"], &[])?;
    let figures = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), json!(value.trim().parse::<f64>().ok()?)))
    });
    Ok(Value::Object(figures.collect()))
}

fn example(package: &[&str], args: &[&str]) -> anyhow::Result<Value> {
    serde_json::from_str(&output(package, args)?).context("an example printed no JSON")
}

/// What an example prints.
fn output(package: &[&str], args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("cargo");
    command.args(["run", "--release", "--quiet"]).args(package).arg("--").args(args);
    let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("{} failed", package.join(" "));
    }
    String::from_utf8(output.stdout).context("an example printed no text")
}

/// `ozone ask` from the start of its process to its exit. The first run warms the files.
fn whole_job(repeats: u32) -> anyhow::Result<Value> {
    let data = tempfile::tempdir()?;
    let mut seconds = vec![];
    for turn in 0..=repeats {
        let started = Instant::now();
        let output = Command::new("target/release/ozone")
            .args(["ask", "--json", QUESTION])
            .env("OZONE_DATA", data.path())
            .output()
            .context("ozone does not start")?;
        if !output.status.success() {
            bail!("ozone failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        if turn > 0 {
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.get(seconds.len() / 2).copied();
    Ok(json!({"question": QUESTION, "seconds_p50": middle, "seconds": seconds}))
}
