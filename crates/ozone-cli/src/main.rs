//! The binary `ozone`: arguments, configuration, exit codes.

mod train;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "ozone", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Trains the shipped model from nothing.
    Train(train::TrainArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Train(args) => train::run(&args),
    }
}
