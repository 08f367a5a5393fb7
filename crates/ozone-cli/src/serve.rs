//! `ozone serve`: the Responses API on this machine's models.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ozone_agent::SamplingOptions;
use ozone_cost::{BudgetRule, PriceBook};
use ozone_python::Refill;
use ozone_server::{
    Accounts, KeyEntry, Keys, ModelEntry as Served, SealingKey, Server, ServerLimits,
};
use ozone_store::SqliteStore;
use ozone_tools::{PythonTool, Tool};
use ozone_types::Effort;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::config::{Common, Config, SHIPPED};
use crate::failure::Failure;
use crate::files;
use crate::image_generation;
use crate::interrupt::Interrupts;
use crate::mcp;
use crate::setup::{self, Python};
use crate::sight;
use crate::web;

/// Keys that seal the reasoning which clients carry; the first one seals, all of them open.
const SEALING_KEYS_ENV: &str = "OZONE_SEALING_KEYS";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone serve                                      the shipped model and those of ozone.toml
  ozone serve --listen 127.0.0.1:9000 -m ./qwen3-4b-q8_0.gguf
  OZONE_API_KEYS=ann:9f2c51d07a ozone serve --listen 0.0.0.0:8033
  curl http://127.0.0.1:8033/v1/responses -H 'Content-Type: application/json' \\
       -d '{\"model\": \"ozone-mini\", \"input\": \"What is 17 % of 2350?\",
            \"tools\": [{\"type\": \"code_interpreter\", \"container\": {\"type\": \"auto\"}}]}'")]
pub struct ServeArgs {
    /// Where to listen. Default: `listen` of the configuration, then 127.0.0.1:8033. Without API
    /// keys only this machine may be served.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Serves this model only: one of the configuration, or a GGUF file. May be repeated.
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// The encoder of pictures that belongs to the GGUF file of -m, which then sees.
    #[arg(long, value_name = "FILE", requires = "models")]
    mmproj: Option<PathBuf>,
    /// How many Python kernels are kept warm.
    #[arg(long, default_value_t = 2, value_name = "N")]
    kernels: usize,
    /// How many responses of a model in this process run at once.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    running_max: u16,
}

pub fn run(args: &ServeArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(serve(args, &config));
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

async fn serve(args: &ServeArgs, config: &Config) -> Result<(), Failure> {
    let keys = keys(config)?;
    let book = setup::price_book(config)?;
    let mcp = mcp::access(&config.mcp, &config.reachable_networks)?;
    let address = args.listen.unwrap_or(config.listen);
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Failure::new(format!("cannot listen on {address} ({e}); choose another with --listen"))
    })?;
    let store = setup::store(config)?;
    let python = Python::start(config.data_dir()?, args.kernels, Refill::WhenTaken);
    if let Some(cause) = &python.cause {
        eprintln!("note: {cause}");
    }
    let models = models(args, config, &book, &store).await?;
    let names: Vec<String> = models.iter().map(|m| m.id.clone()).collect();
    let open = keys.is_empty();
    let pages = tokio::task::block_in_place(|| web::open(config))?;
    let index = pages.as_ref().and_then(|web| web.index.clone());
    let fresh = index.map(|index| tokio::spawn(web::keep_fresh(index)));
    let server = Server {
        models,
        store,
        tools: Arc::new(move |place| {
            let tool = PythonTool::new(python.source(), place.container_id, Some(place.folder));
            let (shell, patch) = (tool.shell(), tool.patch());
            vec![Box::new(tool) as Box<dyn Tool>, Box::new(shell), Box::new(patch)]
        }),
        mcp,
        web: pages,
        image_generation: image_generation::open(config)?,
        accounts: Accounts {
            book,
            budgets: budgets(args, config),
            machine: config.machine.clone(),
        },
        keys,
        sealing_keys: std::env::var(SEALING_KEYS_ENV)
            .unwrap_or_default()
            .split_whitespace()
            .map(SealingKey::from_text)
            .collect(),
        reader: files::reader()?,
        containers_dir: config.data_dir()?.join("containers"),
        limits: ServerLimits::default(),
        clock: crate::ask::clock,
    };
    let interrupts = Interrupts::listen()?;
    let whom = if open { "this machine only: no API keys are set" } else { "with API keys" };
    let address = listener.local_addr()?;
    eprintln!("ozone serves {} on http://{address}/v1 ({whom})", names.join(", "));
    server.serve(listener, stopped(interrupts)).await?;
    if let Some(fresh) = fresh {
        fresh.abort();
    }
    eprintln!("stopped");
    Ok(())
}

/// The first Ctrl-C or SIGTERM lets running work end, the second one does not.
async fn stopped(mut interrupts: Interrupts) {
    interrupts.next().await;
    eprintln!("stopping when running responses have ended (once more: at once)");
    tokio::spawn(async move {
        interrupts.next().await;
        std::process::exit(i32::from(crate::failure::INTERRUPTED));
    });
}

/// From the environment and from the file; both together.
fn keys(config: &Config) -> Result<Keys, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        key: Vec<KeyEntry>,
    }
    let name = &config.api_keys_env;
    let Some(path) = &config.api_keys_file else {
        let text = std::env::var(name).unwrap_or_default();
        return Keys::parse(&text).map_err(|e| Failure::usage(format!("{name}: {e}")));
    };
    if std::env::var_os(name).is_some() {
        return Err(Failure::usage(format!(
            "API keys are given twice, in {name} and in {}; keep one",
            path.display()
        )));
    }
    let wrong = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    let file: File = toml::from_str(&text).map_err(|e| wrong(&e.message()))?;
    Keys::new(file.key).map_err(|e| wrong(&e))
}

/// Those that speak of what is served: with `-m` some models are left out, and their budgets with
/// them.
fn budgets(args: &ServeArgs, config: &Config) -> Vec<BudgetRule> {
    let is_left_out = |rule: &BudgetRule| {
        let named = rule.model.as_deref().and_then(|name| setup::entry(config, name).ok());
        named.is_some_and(|entry| {
            let is_it = |name: &String| setup::entry(config, name).is_ok_and(|e| e.id == entry.id);
            !args.models.is_empty() && !args.models.iter().any(is_it)
        })
    };
    config.budgets.iter().filter(|rule| !is_left_out(rule)).cloned().collect()
}

async fn models(
    args: &ServeArgs,
    config: &Config,
    book: &Arc<PriceBook>,
    store: &Arc<SqliteStore>,
) -> Result<Vec<Served>, Failure> {
    let names: Vec<String> = if args.models.is_empty() {
        config.models.iter().map(|m| m.id.clone()).chain([SHIPPED.to_owned()]).collect()
    } else {
        args.models.clone()
    };
    if args.mmproj.is_some() && names.len() > 1 {
        return Err(Failure::usage(
            "--mmproj belongs to one model: give one -m, or name it as `mmproj` in ozone.toml",
        ));
    }
    let mut served: Vec<Served> = vec![];
    for name in &names {
        let entry = setup::entry(config, name)?.seeing(args.mmproj.as_deref())?;
        let entry = sight::informed(&**store, entry).await?;
        let loading = entry.clone();
        let model = tokio::task::spawn_blocking(move || setup::model(&loading)).await??;
        let greedy = model.trained_here || entry.temperature == Some(0.0);
        // As `ask` names it; of a path, its last part.
        let id = if Path::new(name).is_file() { entry.id.clone() } else { name.clone() };
        let mut one = Served::new(id, model.backend);
        one.prices = setup::prices(&entry, book);
        one.budgeted_as = entry.id.clone();
        one.runs_here = model.local;
        one.instructions = model.instructions;
        one.effort = entry.effort;
        one.pro = entry.pro.clone();
        one.coords = entry.coords;
        if let Some(upstream) = model.upstream.filter(|upstream| upstream.must_look()) {
            one.eyes = Some(Arc::new(sight::eyes(config, store, &entry, book, upstream)?));
        }
        one.narrow = entry.id == SHIPPED;
        one.raw_reasoning = entry.raw_reasoning;
        one.rollouts = entry.rollouts;
        one.running_max = if model.local { usize::from(args.running_max) } else { one.running_max };
        one.sampling = SamplingOptions {
            temperature: entry.temperature.unwrap_or(if greedy { 0.0 } else { 1.0 }),
            ..one.sampling
        };
        served.push(one);
    }
    for (alias, name) in &config.aliases {
        if let Some(of) = served.iter().find(|m| m.id == *name) {
            let alias = Served { id: alias.clone(), ..of.clone() };
            served.push(alias);
        }
    }
    if let Some(mini) = served.iter().find(|m| m.id == SHIPPED) {
        let id = format!("{SHIPPED}-high");
        let high = Served { id, effort: Some(Effort::High), ..mini.clone() };
        served.push(high);
    }
    Ok(served)
}
