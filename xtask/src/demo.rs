//! `cargo xtask demo-energy`: builds `ozone` and the made-up state, and lets one answer about the
//! other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::cargo;

#[derive(clap::Args)]
pub struct DemoArgs {
    /// A model of the configuration, or a GGUF file, in place of the script.
    #[arg(short, long)]
    model: Option<String>,
    /// Where the chart and the data go.
    #[arg(long, default_value = "runs/energy")]
    out: PathBuf,
}

pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    // Together, so that they share what they are built of.
    let packages = ["--package", "ozone-cli", "--package", "ozone-energy"];
    let build =
        ["build", "--release", "--locked", "--quiet", "--bin", "ozone", "--example", "demo"];
    cargo(&[&build[..], &packages].concat())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let built = std::path::absolute(target.join("release"))?;
    let status = Command::new(built.join("examples/demo"))
        .arg(built.join("ozone"))
        .arg(&args.out)
        .args(&args.model)
        .status()
        .context("the demonstration does not start")?;
    if !status.success() {
        bail!("the answer is not as it should be");
    }
    Ok(())
}
