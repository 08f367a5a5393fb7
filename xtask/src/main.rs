//! The project's own commands: `cargo xtask check`, `cargo xtask bench` and `cargo xtask demo-energy`.

mod bench;
mod demo;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Parser;

#[derive(Parser)]
#[command(name = "xtask", about = "The project's own commands")]
enum Task {
    /// Format, clippy with warnings as errors, tests, docs, the project's own rules.
    Check,
    /// Speed, side by side in one run, as JSON.
    Bench(bench::BenchArgs),
    /// A question about a made-up state, answered before your eyes with sources and a chart.
    DemoEnergy(demo::DemoArgs),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Check => check(),
        Task::Bench(args) => bench::run(&args),
        Task::DemoEnergy(args) => demo::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    rules()?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    match nextest {
        Ok(out) if out.status.success() => cargo(&["nextest", "run", "--release", "--workspace"])?,
        _ => cargo(&["test", "--release", "--workspace"])?,
    }
    cargo(&["doc", "--release", "--workspace", "--no-deps", "--quiet"])
}

pub(crate) fn cargo(args: &[&str]) -> anyhow::Result<()> {
    eprintln!("cargo {}", args.join(" "));
    let status = Command::new("cargo").args(args).status().context("cargo does not start")?;
    if !status.success() {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

/// What a boundary crate alone may know. `(dependency, the crates that may name it)`.
const BOUNDARIES: &[(&str, &[&str])] = &[
    ("llama-cpp-2", &["ozone-model"]),
    ("rusqlite", &["ozone-store"]),
    ("axum", &["ozone-server"]),
    ("burn", &["ozone-train"]),
    ("clap", &["ozone-cli", "xtask"]),
    ("jupyter-zmq-client", &["ozone-python"]),
];

/// The largest tracked file that is no model, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The largest model, in bytes.
const MODEL_BYTES_MAX: u64 = 40 << 20;

/// Boundaries between crates, and the sizes of files.
fn rules() -> anyhow::Result<()> {
    let mut broken = vec![];
    let folders = std::fs::read_dir("crates").context("run this in the workspace's root")?;
    for folder in folders {
        let folder = folder?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml"))?;
        for (dependency, allowed) in BOUNDARIES {
            let named =
                manifest.lines().any(|l| l.split(['=', '.', ' ']).next() == Some(dependency));
            if named && !allowed.contains(&name.as_str()) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    let tracked = Command::new("git").args(["ls-files", "-z"]).output()?;
    for file in String::from_utf8(tracked.stdout)?.split('\0').filter(|f| !f.is_empty()) {
        let Ok(length) = Path::new(file).metadata().map(|m| m.len()) else { continue };
        let max = if file.starts_with("models/") { MODEL_BYTES_MAX } else { FILE_BYTES_MAX };
        if length > max {
            broken.push(format!("{file} has {length} bytes, at most {max} are allowed"));
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("; ")) }
}
