//! `ozone memory`: what is remembered of the person who asks, and how `ozone ask` remembers.

use std::collections::HashSet;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use ozone_agent::{Remembered, Request};
use ozone_memory::{Fact, Memory, MemoryError, Session, Source, block, listed};
use ozone_server::{LOCAL_TENANT, recaller};
use ozone_store::{Library, StoreError};
use ozone_tools::Tool;
use ozone_types::ResponseId;
use serde_json::{Value, json};

use crate::ask::clock;
use crate::config::{Common, Config};
use crate::failure::Failure;
use crate::output::print;
use crate::setup;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone memory                              what is remembered, and by which words of yours
  ozone memory add \"I answer e-mails on Fridays\"
  ozone memory edit mem_0190… \"I answer e-mails on Mondays\"
  ozone memory delete mem_0190…
  ozone memory clear                        deletes all facts
  ozone memory off                          nothing is saved, told or recalled; on undoes it
  ozone memory export -o facts.json
  ozone memory list --json | jq -r .data[].text

Models save only what you state in your own words, and each fact shows them. `ozone serve` without
API keys has the same memory; requests ask for it with {\"type\": \"mcp\", \"server_label\": \"memory\"}.")]
pub struct MemoryArgs {
    #[command(subcommand)]
    command: Option<MemoryCommand>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum MemoryCommand {
    /// Lists all facts, oldest first: their ids, dates, texts and sources.
    List,
    /// Adds a fact by hand.
    Add { text: String },
    /// Gives a fact another text.
    Edit { id: String, text: String },
    /// Deletes facts.
    Delete {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Deletes all facts.
    Clear {
        /// Without asking, as scripts need it.
        #[arg(short, long)]
        yes: bool,
    },
    /// Switches the memory on, as it is at first.
    On,
    /// Switches it off: facts stay, but no model is told them, and nothing is saved or recalled.
    Off,
    /// Writes all facts as JSON.
    Export {
        /// The file to write; stdout without it.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub fn run(args: &MemoryArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let memory = of(setup::store(&config)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command(args, &memory))
}

/// The memory of the person at this machine: `ozone serve` without keys has the same.
pub fn of(store: Arc<dyn Library>) -> Memory {
    Memory::of(store, LOCAL_TENANT, clock)
}

async fn command(args: &MemoryArgs, memory: &Memory) -> Result<(), Failure> {
    let told = |object: Value, line: String| {
        print(&if args.json { pretty(&object)? } else { format!("{line}\n") })
    };
    match args.command.as_ref().unwrap_or(&MemoryCommand::List) {
        MemoryCommand::List => list(memory, args.json).await,
        MemoryCommand::Add { text } => {
            let added = memory.add(text).await.map_err(wrong)?;
            let Fact { id, text, .. } = &added.fact;
            let how = if added.known { "known already" } else { "added" };
            told(added.fact.view(), format!("{how}: {text} ({id})"))
        }
        MemoryCommand::Edit { id, text } => {
            let fact = memory.edit(id, text).await.map_err(wrong)?;
            let before = fact.replaced.as_ref().map_or("", |replaced| &replaced.text);
            told(fact.view(), format!("{id}: {} (before: {before})", fact.text))
        }
        MemoryCommand::Delete { ids } => {
            // All of them or none: the first wrong id is said before anything is gone.
            for id in ids {
                memory.fact(id).await.map_err(wrong)?;
            }
            for id in ids {
                match memory.delete(id).await {
                    Ok(fact) => {
                        let gone = json!({ "id": id, "object": "memory.deleted", "deleted": true });
                        told(gone, format!("deleted: {}", fact.text))?;
                    }
                    // It was named twice.
                    Err(MemoryError::NoFact(_)) => {}
                    Err(e) => return Err(wrong(e)),
                }
            }
            Ok(())
        }
        MemoryCommand::Clear { yes } => {
            let count = memory.facts().await?.len();
            if !yes && count > 0 {
                if !io::stdin().is_terminal() {
                    return Err(Failure::usage(format!(
                        "nothing was deleted: nobody can be asked here (facts: {count}); --yes \
                         deletes them"
                    )));
                }
                if !agreed(count)? {
                    return Err(Failure::new("nothing was deleted"));
                }
            }
            let count = memory.clear().await?;
            let gone = json!({ "object": "memory.deleted", "deleted": true, "count": count });
            told(gone, format!("deleted {count} fact{}", if count == 1 { "" } else { "s" }))
        }
        MemoryCommand::On => switch(memory, true, &told).await,
        MemoryCommand::Off => switch(memory, false, &told).await,
        MemoryCommand::Export { out } => {
            let text = pretty(&all(memory).await?)?;
            match out {
                None => print(&text),
                Some(path) => std::fs::write(path, text)
                    .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display()))),
            }
        }
    }
}

async fn switch(
    memory: &Memory,
    on: bool,
    told: &impl Fn(Value, String) -> Result<(), Failure>,
) -> Result<(), Failure> {
    memory.switch(on).await?;
    let line = match on {
        true => "the memory is on",
        false => "the memory is off: facts stay, but nothing is saved, told or recalled",
    };
    told(json!({ "object": "memory.settings", "enabled": on }), line.to_owned())
}

async fn list(memory: &Memory, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print(&pretty(&all(memory).await?)?);
    }
    let facts = memory.facts().await?;
    let mut text = String::new();
    for fact in &facts {
        let date = ozone_cost::civil_date(fact.updated_at);
        text.push_str(&format!("{}  {date}  {}\n    {}\n", fact.id, fact.text, source(fact)));
    }
    if facts.is_empty() {
        eprintln!("nothing is remembered yet; add something with `ozone memory add \"…\"`");
    }
    if !memory.is_on().await? {
        eprintln!("note: the memory is off; `ozone memory on` switches it on");
    }
    print(&text)
}

fn source(fact: &Fact) -> String {
    let mut told = match &fact.source {
        Source::Manual => "added by hand".to_owned(),
        Source::UserMessage { quote, response_id, .. } => {
            let place = response_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
            format!("you said: “{quote}”{place}")
        }
    };
    if let Some(replaced) = &fact.replaced {
        told.push_str(&format!("; before: {}", replaced.text));
    }
    told
}

async fn all(memory: &Memory) -> Result<Value, Failure> {
    let mut all = listed(&memory.facts().await?);
    all["enabled"] = json!(memory.is_on().await?);
    Ok(all)
}

fn agreed(count: usize) -> Result<bool, Failure> {
    eprint!("Delete all {count} facts? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn wrong(error: MemoryError) -> Failure {
    match error {
        MemoryError::NoFact(id) => {
            Failure::usage(format!("there is no fact `{id}`; `ozone memory list` has their ids"))
        }
        MemoryError::Store(e) => e.into(),
        other => Failure::usage(other.to_string()),
    }
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// What a question is told of the person who asks it, recorded with it. What was piped in may be
/// anybody's: only what was `typed` states facts.
pub async fn remembered(
    store: Arc<dyn Library>,
    question: &str,
    typed: bool,
) -> Result<Remembered, StoreError> {
    let memory = of(store);
    let facts = if memory.is_on().await? { memory.facts().await? } else { vec![] };
    let said = if typed { vec![question.to_owned()] } else { vec![] };
    Ok(Remembered { told: block(&facts, question), said })
}

/// The memory tools of a question that was asked with them.
pub fn tools(store: Arc<dyn Library>, id: &ResponseId, request: &Request) -> Vec<Box<dyn Tool>> {
    let Some(remembered) = &request.memory else { return vec![] };
    let skip = HashSet::from([id.to_string()]);
    ozone_memory::tools(Session {
        memory: of(store.clone()),
        said: remembered.said.clone(),
        response_id: Some(id.to_string()),
        conversation_id: None,
        recaller: recaller(store, LOCAL_TENANT, skip),
        reads_only: request.pro.is_some(),
    })
}

/// What a person is told of a call, where it changed something: `None` for other calls.
pub fn told(name: &str, output: &str) -> Option<String> {
    let output: Value = serde_json::from_str(output).ok()?;
    match name {
        "save" => {
            let saved = &output["remembered"];
            let (id, fact) = (saved["id"].as_str()?, saved["fact"].as_str()?);
            let undo = match output["instead_of"].as_str() {
                Some(before) => {
                    return Some(format!(
                        "remembered: {fact} — in place of: {before} — `ozone memory edit {id} …` changes it"
                    ));
                }
                None => format!("`ozone memory delete {id}` undoes it"),
            };
            Some(format!("remembered: {fact} — {undo}"))
        }
        "forget" => {
            let gone = &output["forgotten"];
            Some(format!("forgotten: {}", gone["fact"].as_str().or(gone["id"].as_str())?))
        }
        _ => None,
    }
}
