//! The binary `ozone`: arguments, configuration, exit codes.

mod ask;
mod config;
mod cost;
mod curves;
mod doctor;
mod documents;
mod draw;
mod eval;
mod failure;
mod files;
mod image_generation;
mod interrupt;
mod mcp;
mod memory;
mod output;
mod paint;
mod pictures;
mod reinforce;
mod serve;
mod setup;
mod sight;
mod train;
mod web;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use failure::Failure;
use ozone_python::Subset;
use ozone_telemetry::Telemetry;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Debug, Parser)]
#[command(
    name = "ozone",
    version,
    about = "An open o3 in one binary: asks, reasons with Python, answers with a cost and a time"
)]
struct Cli {
    #[command(flatten)]
    common: config::Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Asks one question and shows the way to the answer.
    Ask(Box<ask::AskArgs>),
    /// Serves the Responses API.
    Serve(serve::ServeArgs),
    /// Lists the models that can be asked; finds out what they see.
    Models(doctor::ModelsArgs),
    /// Trains the shipped model from nothing, or goes on with a run.
    Train(train::TrainArgs),
    /// Scores a model on questions with known answers.
    Eval(eval::EvalArgs),
    /// Says what was spent, and what the same answer would cost elsewhere.
    Cost(cost::CostArgs),
    /// Shows and changes what is remembered of you.
    Memory(memory::MemoryArgs),
    /// Says what works on this machine.
    Doctor(doctor::DoctorArgs),
}

/// Where OpenTelemetry's variables name a collector. They may be meant for other programs, so what
/// is wrong with them stops nothing.
fn telemetry() -> Option<Telemetry> {
    let options = ozone_telemetry::Options::from_env(|name| std::env::var(name).ok());
    let started = match options {
        Ok(options) => Telemetry::start(options?).map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    started.inspect_err(|why| eprintln!("ozone: no spans are sent: {why}")).ok()
}

fn main() -> ExitCode {
    // The sandboxed worker of the subset interpreter is this very program.
    if std::env::args().nth(1).as_deref() == Some(Subset::WORKER_ARGUMENT) {
        return Subset::serve();
    }
    // So is the process in which a stranger's file is read.
    if std::env::args().nth(1).as_deref() == Some(ozone_files::Reader::ARGUMENT) {
        return ozone_files::serve();
    }
    let cli = Cli::parse();
    // A server's log is its face; the other commands speak for themselves.
    let level =
        if matches!(cli.command, Command::Serve(_)) { "warn,ozone_server=info" } else { "off" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("OZONE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    let telemetry = telemetry();
    let spans = telemetry.as_ref().map(|telemetry| telemetry.layer());
    tracing_subscriber::registry().with(log).with(spans).init();
    let done: Result<(), Failure> = match &cli.command {
        Command::Ask(args) => ask::run(args, &cli.common),
        Command::Serve(args) => serve::run(args, &cli.common),
        Command::Models(args) => doctor::models(args, &cli.common),
        Command::Train(args) => train::run(args, &cli.common),
        Command::Eval(args) => eval::run(args, &cli.common),
        Command::Cost(args) => cost::run(args, &cli.common),
        Command::Memory(args) => memory::run(args, &cli.common),
        Command::Doctor(args) => doctor::doctor(args, &cli.common),
    };
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ozone: {failure}");
            failure.exit_code()
        }
    };
    if let Some(telemetry) = telemetry {
        // Somebody waits for their prompt; a server that stops has more time.
        let seconds = if matches!(cli.command, Command::Serve(_)) { 5 } else { 1 };
        telemetry.stop(Duration::from_secs(seconds));
    }
    code
}
