//! `ozone doctor` and `ozone models`: what works on this machine, and what it can be asked.

use ozone_python::{KernelPool, PoolConfig, PythonEnv, Refill, WarmUp};
use ozone_sight::Facts;
use serde_json::json;

use crate::config::{BackendEntry, Common, Config, SHIPPED};
use crate::failure::Failure;
use crate::{setup, sight};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ozone doctor          one line for each part; exit code 1 when something is wrong
  ozone doctor --json")]
pub struct DoctorArgs {
    #[arg(long)]
    json: bool,
}

struct Finding {
    part: &'static str,
    result: Result<String, String>,
}

pub fn doctor(args: &DoctorArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let text = |e: Failure| e.to_string();
    let data = config.data_dir().map(|d| d.display().to_string()).map_err(text);
    let store = setup::store(&config).map(|_| "opens".to_owned()).map_err(text);
    let model = setup::entry(&config, &config.default_model)
        .and_then(|entry| setup::model(&entry))
        .map(|m| {
            let info = m.backend.info();
            let sees = if info.reads_images { ", sees pictures" } else { "" };
            let (id, source, tokens) = (&info.id, &info.source, info.context_window);
            format!("{id} ({source}), {tokens} tokens of context{sees}")
        })
        .map_err(text);
    let mut findings = vec![
        Finding { part: "data folder", result: data },
        Finding { part: "journal", result: store },
        Finding { part: "model", result: model },
    ];
    findings
        .extend(pictures(&config).into_iter().map(|result| Finding { part: "pictures", result }));
    findings.extend(python(&config));
    let of_web = crate::web::probe(&config).into_iter();
    findings.extend(of_web.map(|result| Finding { part: "web", result }));
    let broken = findings.iter().filter(|f| f.result.is_err()).count();
    if args.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| match &f.result {
                Ok(text) => json!({"part": f.part, "ok": true, "detail": text}),
                Err(text) => json!({"part": f.part, "ok": false, "detail": text}),
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        for f in &findings {
            let (mark, text) = match &f.result {
                Ok(text) => ("ok   ", text),
                Err(text) => ("WRONG", text),
            };
            println!("{mark} {:<12} {text}", f.part);
        }
    }
    if broken > 0 {
        Err(Failure::new(format!("{broken} of {} parts do not work", findings.len())))
    } else {
        Ok(())
    }
}

/// How the default model gets pictures, where that depends on a server.
fn pictures(config: &Config) -> Option<Result<String, String>> {
    let at = config.models.iter().position(|entry| entry.id == config.default_model)?;
    let entry = &config.models[at];
    matches!(entry.backend, BackendEntry::Upstream(_)).then_some(())?;
    let found = found(config).map(|found| sight::line(entry, &found[at]));
    Some(found.map_err(|e| e.to_string()))
}

fn python(config: &Config) -> Vec<Finding> {
    let env = match PythonEnv::find(Some(&config.data_dir)) {
        Ok(env) => env,
        Err(e) => return vec![Finding { part: "python", result: Err(e.to_string()) }],
    };
    let found = format!("{} ({})", env.version(), env.executable().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _inside = runtime.as_ref().ok().map(|r| r.enter());
    let pool = KernelPool::new(PoolConfig {
        size: 0,
        refill: Refill::Never,
        warm_up: WarmUp::None,
        ..PoolConfig::new(env)
    });
    let sandbox =
        pool.map(|pool| pool.capabilities().to_string()).map_err(|e| Failure::from(e).to_string());
    vec![
        Finding { part: "python", result: Ok(found) },
        Finding { part: "sandbox", result: sandbox },
    ]
}

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  ozone models                 each with its source, and how it gets pictures
  ozone models --json
  ozone models probe vision    finds out by trial what a model sees"
)]
pub struct ModelsArgs {
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<ModelsCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum ModelsCommand {
    /// Finds out how pictures reach a model, and how it writes places in them.
    Probe(sight::ProbeArgs),
}

pub fn models(args: &ModelsArgs, common: &Common) -> Result<(), Failure> {
    if let Some(ModelsCommand::Probe(args)) = &args.command {
        return sight::probe(args, common);
    }
    let config = Config::load(common)?;
    let found = found(&config)?;
    if args.json {
        let default = |id: &str| id == config.default_model;
        let shipped = json!({
            "id": SHIPPED, "object": "model", "source": SHIPPED_SOURCE, "default": default(SHIPPED),
        });
        let others = config.models.iter().zip(&found).map(|(entry, facts)| {
            json!({"id": entry.id, "object": "model", "source": entry.source(),
                   "default": default(&entry.id),
                   "sight": sight::in_force(&sight::with(entry.clone(), facts)),
                   "found": facts})
        });
        let list: Vec<_> = [shipped].into_iter().chain(others).collect();
        println!("{}", serde_json::to_string_pretty(&json!({"object": "list", "data": list}))?);
        return Ok(());
    }
    let mark = |id: &str| if id == config.default_model { "*" } else { " " };
    println!("{} {SHIPPED:<20} {SHIPPED_SOURCE}", mark(SHIPPED));
    for (entry, facts) in config.models.iter().zip(&found) {
        let sees = if entry.has_eyes() { ", sees pictures" } else { "" };
        println!("{} {:<20} {}{sees}", mark(&entry.id), entry.id, entry.source());
        if matches!(entry.backend, BackendEntry::Upstream(_)) {
            println!("  {:<20} {}", "", sight::line(entry, facts));
        }
    }
    println!("  any GGUF file: ozone ask -m FILE");
    Ok(())
}

const SHIPPED_SOURCE: &str = "trained by this project, in the binary";

/// What was found out about each model. Who has asked nothing yet has no store, and gets none.
fn found(config: &Config) -> Result<Vec<Facts>, Failure> {
    if !config.data_dir.join(setup::STORE).is_file() {
        return Ok(config.models.iter().map(|_| Facts::default()).collect());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = setup::store(config)?;
        let mut found = vec![];
        for entry in &config.models {
            found.push(sight::facts(&*store, entry).await?);
        }
        Ok(found)
    })
}
