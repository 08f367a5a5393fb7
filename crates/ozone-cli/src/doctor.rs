//! `ozone doctor` and `ozone models`: what works on this machine, and what it can be asked.

use ozone_python::{KernelPool, PoolConfig, PythonEnv, Refill, WarmUp};
use serde_json::json;

use crate::config::{Common, Config, SHIPPED};
use crate::failure::Failure;
use crate::setup;

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
pub struct ModelsArgs {
    #[arg(long)]
    json: bool,
}

pub fn models(args: &ModelsArgs, common: &Common) -> Result<(), Failure> {
    let config = Config::load(common)?;
    let shipped = (SHIPPED.to_owned(), "trained by this project, in the binary".to_owned(), false);
    let all: Vec<(String, String, bool)> = [shipped]
        .into_iter()
        .chain(config.models.iter().map(|m| (m.id.clone(), m.source(), m.reads_images())))
        .collect();
    if args.json {
        let list: Vec<_> = all
            .iter()
            .map(|(id, source, reads_images)| {
                json!({"id": id, "object": "model", "source": source,
                       "reads_images": reads_images, "default": *id == config.default_model})
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&json!({"object": "list", "data": list}))?);
        return Ok(());
    }
    for (id, source, reads_images) in all {
        let mark = if id == config.default_model { "*" } else { " " };
        let sees = if reads_images { ", sees pictures" } else { "" };
        println!("{mark} {id:<20} {source}{sees}");
    }
    println!("  any GGUF file: ozone ask -m FILE");
    Ok(())
}
