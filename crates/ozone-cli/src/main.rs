//! The binary `ozone`: arguments, configuration, exit codes.

mod ask;
mod config;
mod cost;
mod curves;
mod doctor;
mod eval;
mod failure;
mod interrupt;
mod mcp;
mod paint;
mod reinforce;
mod serve;
mod setup;
mod train;

use std::process::ExitCode;

use clap::Parser;

use failure::Failure;
use ozone_python::Subset;

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
    /// Lists the models that can be asked.
    Models(doctor::ModelsArgs),
    /// Trains the shipped model from nothing, or goes on with a run.
    Train(train::TrainArgs),
    /// Scores a model on questions with known answers.
    Eval(eval::EvalArgs),
    /// Says what was spent, and what the same answer would cost elsewhere.
    Cost(cost::CostArgs),
    /// Says what works on this machine.
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    // The sandboxed worker of the subset interpreter is this very program.
    if std::env::args().nth(1).as_deref() == Some(Subset::WORKER_ARGUMENT) {
        return Subset::serve();
    }
    let cli = Cli::parse();
    // A server's log is its face; the other commands speak for themselves.
    let level =
        if matches!(cli.command, Command::Serve(_)) { "warn,ozone_server=info" } else { "off" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("OZONE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done: Result<(), Failure> = match &cli.command {
        Command::Ask(args) => ask::run(args, &cli.common),
        Command::Serve(args) => serve::run(args, &cli.common),
        Command::Models(args) => doctor::models(args, &cli.common),
        Command::Train(args) => train::run(args, &cli.common),
        Command::Eval(args) => eval::run(args, &cli.common),
        Command::Cost(args) => cost::run(args, &cli.common),
        Command::Doctor(args) => doctor::doctor(args, &cli.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ozone: {failure}");
            failure.exit_code()
        }
    }
}
