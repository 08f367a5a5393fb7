//! Builds what the loop is given: a backend for a model's name, and the tools of a response.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ozone_agent::Prices;
use ozone_cost::{Facts, ModelPrice, PriceBook, Tokens};
use ozone_model::engine::EngineOptions;
use ozone_model::upstream::UpstreamBackend;
use ozone_model::{LocalBackend, ModelBackend, Script, ScriptedBackend};
use ozone_python::{EnvError, KernelPool, PoolConfig, PythonEnv, Refill, Reuse};
use ozone_store::SqliteStore;
use ozone_tools::Source;
use ozone_types::Effort;

use crate::config::{BackendEntry, Config, ModelEntry, SHIPPED};
use crate::failure::Failure;

/// The shipped model's weights, so that the binary needs no other file.
const SHIPPED_GGUF: &[u8] = include_bytes!("../../../models/ozone-mini/ozone-mini-q8_0.gguf");

/// A model that is ready to be asked.
pub struct Model {
    pub backend: Arc<dyn ModelBackend>,
    pub instructions: Option<String>,
    /// The backend, where it is one.
    pub upstream: Option<Arc<UpstreamBackend>>,
    pub local: bool,
    /// By this project, in this very loop.
    pub trained_here: bool,
}

/// What a model is told that has not been trained in Ozone's own loop.
const INSTRUCTIONS: &str = "You are a careful reasoner. Use the python tool whenever a calculation, \
     a date, data or code is involved, look at what it printed, and mend what failed. Give the \
     final answer in one or two sentences, with the result in bold.";

/// Finds `name`: a `[[model]]` of the configuration, the shipped model, a GGUF file, another name
/// of one of these, or one with an effort behind it (`ozone-mini-high`).
pub fn entry(config: &Config, name: &str) -> Result<ModelEntry, Failure> {
    let name = config.aliases.get(name).map_or(name, String::as_str);
    if let Some(entry) = exact(config, name)? {
        return Ok(entry);
    }
    if let Some((base, effort)) = name.rsplit_once('-')
        && let Ok(effort) = serde_json::from_value::<Effort>(effort.into())
        && let Some(entry) = exact(config, base)?
    {
        return Ok(ModelEntry { effort: Some(effort), ..entry });
    }
    let known: Vec<&str> = config.models.iter().map(|m| m.id.as_str()).chain([SHIPPED]).collect();
    Err(Failure::usage(format!(
        "no model `{name}`: it is neither a GGUF file nor one of {}; see `ozone models`",
        known.join(", ")
    )))
}

fn exact(config: &Config, name: &str) -> Result<Option<ModelEntry>, Failure> {
    if let Some(entry) = config.models.iter().find(|m| m.id == name) {
        return Ok(Some(entry.clone()));
    }
    if name == SHIPPED {
        return Ok(Some(ModelEntry::local(SHIPPED, shipped(config.data_dir()?)?)));
    }
    let path = Path::new(name);
    Ok(path.is_file().then(|| {
        let id = path.file_stem().map_or(name.into(), |s| s.to_string_lossy());
        ModelEntry::local(&id, path.to_owned())
    }))
}

/// Loads a model. Blocks while the file is read.
pub fn model(entry: &ModelEntry) -> Result<Model, Failure> {
    // A model that was trained in this loop needs no instructions for it.
    let mut trained_here = false;
    let mut of_upstream = None;
    let (backend, local): (Arc<dyn ModelBackend>, bool) = match &entry.backend {
        BackendEntry::Local { path, mmproj, context_window } => {
            let defaults = EngineOptions::default();
            let context_tokens = context_window.unwrap_or(defaults.context_tokens);
            let options = EngineOptions {
                context_tokens,
                cells: context_tokens.max(defaults.cells),
                mmproj: mmproj.clone(),
                ..defaults
            };
            let backend = LocalBackend::load(&entry.id, path, options)?;
            let own =
                backend.engine().info().name.as_deref().is_some_and(|n| n.starts_with("ozone"));
            trained_here = own;
            for warning in backend.warnings() {
                tracing::warn!("{warning}");
            }
            (Arc::new(backend), true)
        }
        BackendEntry::Upstream(upstream) => {
            let env = |name: &str| std::env::var(name).ok();
            let backend = UpstreamBackend::new(entry.id.clone(), (**upstream).clone(), env)
                .map_err(|e| Failure::usage(format!("the model `{}`: {e}", entry.id)))?;
            let backend = Arc::new(backend);
            of_upstream = Some(backend.clone());
            (backend, false)
        }
        BackendEntry::Scripted { path, pace_ms } => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::usage(format!("cannot read the script {place}: {e}")))?;
            let script: Vec<Script> = serde_json::from_str(&text)
                .map_err(|e| Failure::usage(format!("{place} is no script: {e}")))?;
            let backend = ScriptedBackend::new(script)
                .named(&entry.id, &place)
                .with_pace(Duration::from_millis(*pace_ms));
            (Arc::new(backend), true)
        }
    };
    let scripted = matches!(entry.backend, BackendEntry::Scripted { .. });
    let instructions = match &entry.instructions {
        Some(own) => Some(own.clone()),
        None if scripted || trained_here => None,
        None => Some(INSTRUCTIONS.to_owned()),
    };
    Ok(Model { backend, instructions, upstream: of_upstream, local, trained_here })
}

/// What the calls of a model cost: as its entry says, nothing on this machine, or as the price book
/// has it for the upstream's own name of the model.
pub fn prices(entry: &ModelEntry, book: &Arc<PriceBook>) -> Prices {
    match (&entry.price, &entry.backend) {
        (Some(own), _) => Prices::Own(*own),
        (None, BackendEntry::Upstream(upstream)) => {
            let tier = upstream.extra_body.get("service_tier").and_then(|tier| tier.as_str());
            let like = Facts::new("", &upstream.model, Tokens::default());
            let like = Box::new(like.at_tier(tier.unwrap_or_default()));
            Prices::Book { book: book.clone(), like }
        }
        (None, _) => Prices::Own(ModelPrice::FREE),
    }
}

/// The shipped price book with the user's own on top; the machine that it knows this one as.
pub fn price_book(config: &Config) -> Result<Arc<PriceBook>, Failure> {
    let book = crate::cost::book(&config.prices)?;
    match &config.machine {
        Some(machine) if book.machine(machine, crate::ask::clock()).is_none() => {
            Err(Failure::usage(format!(
                "no price book has the machine `{machine}`; add a [[machine]] to one of `prices`"
            )))
        }
        _ => Ok(book),
    }
}

/// The shipped model as a file. Its name holds the length and a checksum, so a newer binary writes
/// a new one; it is renamed into place when it is whole.
fn shipped(data_dir: &Path) -> Result<PathBuf, Failure> {
    let checksum = SHIPPED_GGUF
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let folder = data_dir.join("models");
    let path = folder.join(format!("{SHIPPED}-{checksum:016x}.gguf"));
    let whole = |p: &Path| p.metadata().is_ok_and(|m| m.len() == SHIPPED_GGUF.len() as u64);
    if whole(&path) {
        return Ok(path);
    }
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let part = folder.join(format!("{SHIPPED}-{}.part", std::process::id()));
        std::fs::write(&part, SHIPPED_GGUF)
            .and_then(|()| std::fs::rename(&part, &path))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&part);
            })
    };
    write().map_err(|e| {
        Failure::new(format!(
            "the shipped model cannot be written to {} ({e}); use another --data",
            folder.display()
        ))
    })?;
    Ok(path)
}

/// The journal's database, in the data folder.
pub const STORE: &str = "ozone.db";

pub fn store(config: &Config) -> Result<Arc<SqliteStore>, Failure> {
    Ok(Arc::new(SqliteStore::open(&config.data_dir()?.join(STORE))?))
}

/// Where Python runs on this machine, and what a person should know of it.
pub struct Python {
    pub pool: Option<Arc<KernelPool>>,
    /// Why there is no real kernel.
    pub cause: Option<String>,
    subset: bool,
}

impl Python {
    /// Starts the first kernels in the background.
    pub fn start(data_dir: &Path, kernels: usize, refill: Refill) -> Python {
        Python::with(data_dir, |env| PoolConfig { size: kernels, refill, ..PoolConfig::new(env) })
    }

    /// Kernels that serve one conversation after the other: for a training, whose conversations are
    /// all one person's.
    pub fn reused(data_dir: &Path, kernels: usize) -> Python {
        const TIMES: u32 = 200;
        let (refill, reuse) = (Refill::Never, Reuse::Times(TIMES));
        let config = |env| PoolConfig { size: kernels, refill, reuse, ..PoolConfig::new(env) };
        Python::with(data_dir, config)
    }

    fn with(data_dir: &Path, config: impl FnOnce(PythonEnv) -> PoolConfig) -> Python {
        let env = match PythonEnv::find(Some(data_dir)) {
            Ok(env) => env,
            Err(e) => return Python::none(&e),
        };
        match KernelPool::new(config(env)) {
            Ok(pool) => Python { pool: Some(Arc::new(pool)), cause: None, subset: false },
            Err(e) => {
                Python { pool: None, cause: Some(Failure::from(e).to_string()), subset: false }
            }
        }
    }

    fn none(error: &EnvError) -> Python {
        Python { pool: None, cause: Some(error.to_string()), subset: true }
    }

    /// No subset of Python, and not refused.
    pub fn is_real(&self) -> bool {
        self.pool.is_some()
    }

    pub fn source(&self) -> Source {
        match (&self.pool, &self.cause) {
            (Some(pool), _) => Source::Kernels(pool.clone()),
            (None, _) if self.subset => match std::env::current_exe() {
                Ok(executable) => Source::Subset { executable },
                Err(e) => {
                    Source::Refused { cause: format!("this program cannot find itself: {e}") }
                }
            },
            (None, cause) => Source::Refused { cause: cause.clone().unwrap_or_default() },
        }
    }
}
