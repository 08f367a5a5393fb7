//! `ozone train`: makes the shipped model from nothing, or goes on with a run that was stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use ozone_tasks::{Generator, Split, render};
use ozone_train::export::{self, GgufType, HfType, ModelCard};
use ozone_train::sft::{self, Record, SftConfig, Sources, TrainObserver};
use ozone_train::{Example, Segment};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone train runs/mini                      start, or go on where it was stopped
  ozone train runs/mini --tokens 40000000    the same, with more tokens
  ozone train runs/mini --export models/new  write GGUF and Hugging Face files from the last checkpoint")]
pub struct TrainArgs {
    /// The run's folder: checkpoints and log.jsonl. A run that exists goes on.
    run: PathBuf,
    /// How many tokens to train on, those of earlier legs included.
    #[arg(long, default_value_t = 20_000_000)]
    tokens: u64,
    /// Seed of the questions, the weights and the order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the last checkpoint to this folder as GGUF (F16, Q8_0) and Hugging Face files, and
    /// trains no further.
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// The name that the exported model goes by.
    #[arg(long, default_value = "ozone-mini")]
    name: String,
    /// Prints one JSON object a line instead of the progress line.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let card = ModelCard {
        name: args.name.clone(),
        license: "apache-2.0".into(),
        chat_template: render::CHAT_TEMPLATE.into(),
    };
    if let Some(folder) = &args.export {
        return export(&args.run, folder, &card);
    }
    let train = Generator::new(Split::Train, args.seed)?;
    let held_out = Generator::new(Split::HeldOut, args.seed)?;
    let train = move |index: u64| example(&train, index);
    let held_out = move |index: u64| example(&held_out, index);
    let config =
        SftConfig { total_tokens: args.tokens, seed: args.seed, ..SftConfig::default() };
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping at the next step, with a checkpoint (Ctrl-C again: at once)");
    })?;
    let sources = Sources { train: &train, held_out: Some(&held_out), card: &card };
    let mut observer = Observer { json: args.json };
    sft::train(&args.run, &config, &sources, &mut observer, &cancel)?;
    Ok(())
}

fn example(generator: &Generator, index: u64) -> Example {
    let segments = render::segments(&generator.question(index))
        .into_iter()
        .map(|s| Segment { text: s.text, trained: s.trained })
        .collect();
    Example { segments }
}

fn export(run: &Path, folder: &Path, card: &ModelCard) -> anyhow::Result<()> {
    let found = ozone_train::checkpoint::latest(run)?
        .with_context(|| format!("no checkpoint in {}; train first", run.display()))?;
    let checkpoint = found.checkpoint;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, kind) in [("f16", GgufType::F16), ("q8_0", GgufType::Q8_0)] {
        let path = folder.join(format!("{}-{name}.gguf", card.name));
        export::gguf(&path, &checkpoint.weights, &checkpoint.tokenizer, card, kind)?;
        println!("{}", path.display());
    }
    let hf = folder.join("hf");
    export::hugging_face(&hf, &checkpoint.weights, &checkpoint.tokenizer, card, HfType::F32)?;
    println!("{}", hf.display());
    Ok(())
}

struct Observer {
    json: bool,
}

impl TrainObserver for Observer {
    fn record(&mut self, record: &Record) {
        match serde_json::to_string(record) {
            Ok(line) if self.json => println!("{line}"),
            Ok(line) => eprintln!("{line}"),
            Err(_) => {}
        }
    }

    fn score(&mut self, _gguf: &Path) -> Option<serde_json::Value> {
        None
    }
}
