//! Configuration in layers: flags, environment (`OZONE_…`), `ozone.toml`, defaults that work.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ozone_agent::ProPolicy;
use ozone_cost::{BudgetRule, ModelPrice};
use ozone_image::Coords;
use ozone_model::upstream::UpstreamConfig;
use ozone_types::Effort;
use serde::Deserialize;

use crate::failure::Failure;
use crate::image_generation::ImageEntry;
use crate::mcp::McpEntry;
use crate::web::{WebConfig, WebEntry};

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The configuration file. Default: ozone.toml here, then in the user's configuration folder.
    #[arg(long, global = true, env = "OZONE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where journals and files are kept. Default: the user's data folder.
    #[arg(long, global = true, env = "OZONE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    default_model: Option<String>,
    listen: Option<SocketAddr>,
    api_keys_env: Option<String>,
    api_keys_file: Option<PathBuf>,
    aliases: BTreeMap<String, String>,
    prices: Vec<PathBuf>,
    machine: Option<String>,
    model: Vec<ModelEntry>,
    mcp: Vec<McpEntry>,
    reachable_networks: Vec<String>,
    web: WebEntry,
    memory: Option<bool>,
    image_generation: Option<ImageEntry>,
    budget: Vec<BudgetRule>,
}

/// One `[[model]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelEntry {
    pub id: String,
    pub instructions: Option<String>,
    /// Dollars per million tokens.
    pub price: Option<ModelPrice>,
    /// Where the question names none.
    pub effort: Option<Effort>,
    /// How samples vote in pro mode, as `{ n_max = 8 }`.
    #[serde(default)]
    pub pro: ProPolicy,
    /// `ozone serve`: where the request names none.
    pub temperature: Option<f32>,
    /// `ozone serve`: streams the reasoning as it is, in place of summaries.
    #[serde(default)]
    pub raw_reasoning: bool,
    /// `ozone serve`: requests may have the tokens recorded that the model sees and samples.
    #[serde(default)]
    pub rollouts: bool,
    /// How it writes places in pictures: px_seen, px_file, rel1000 or rel1.
    pub coords: Option<Coords>,
    #[serde(flatten)]
    pub backend: BackendEntry,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "backend", rename_all = "snake_case")]
pub enum BackendEntry {
    /// A GGUF file, in process, and the encoder of pictures that belongs to it.
    Local { path: PathBuf, mmproj: Option<PathBuf>, context_window: Option<u32> },
    /// An OpenAI-compatible server.
    Upstream(Box<UpstreamConfig>),
    /// A JSON list of samples; milliseconds between two tokens.
    Scripted {
        path: PathBuf,
        #[serde(default)]
        pace_ms: u64,
    },
}

impl ModelEntry {
    /// A GGUF file, with the defaults.
    pub fn local(id: &str, path: PathBuf) -> ModelEntry {
        ModelEntry {
            id: id.to_owned(),
            instructions: None,
            price: None,
            effort: None,
            pro: ProPolicy::default(),
            temperature: None,
            raw_reasoning: false,
            rollouts: false,
            coords: None,
            backend: BackendEntry::Local { path, mmproj: None, context_window: None },
        }
    }

    /// The same with eyes (`--mmproj`).
    pub fn seeing(mut self, eyes: Option<&Path>) -> Result<ModelEntry, Failure> {
        match (eyes, &mut self.backend) {
            (None, _) => Ok(self),
            (Some(eyes), BackendEntry::Local { mmproj, .. }) => {
                *mmproj = Some(eyes.to_owned());
                Ok(self)
            }
            (Some(_), BackendEntry::Upstream(_) | BackendEntry::Scripted { .. }) => {
                Err(Failure::usage(format!(
                    "--mmproj is for a GGUF file, and the model `{}` is none",
                    self.id
                )))
            }
        }
    }

    /// A GGUF file with eyes.
    pub fn has_eyes(&self) -> bool {
        matches!(&self.backend, BackendEntry::Local { mmproj: Some(_), .. })
    }

    /// Where it is, for a person.
    pub fn source(&self) -> String {
        match &self.backend {
            BackendEntry::Local { path, .. } | BackendEntry::Scripted { path, .. } => {
                path.display().to_string()
            }
            BackendEntry::Upstream(upstream) => {
                format!("{} at {}", upstream.model, upstream.base_url.as_slice().join(", "))
            }
        }
    }

    /// Paths of a file are relative to its folder.
    fn inside(mut self, folder: &Path) -> ModelEntry {
        match &mut self.backend {
            BackendEntry::Local { path, mmproj, .. } => {
                *path = folder.join(&*path);
                mmproj.iter_mut().for_each(|mmproj| *mmproj = folder.join(&*mmproj));
            }
            BackendEntry::Scripted { path, .. } => *path = folder.join(&*path),
            BackendEntry::Upstream(_) => {}
        }
        self
    }
}

/// The configuration in force.
#[derive(Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    pub default_model: String,
    pub listen: SocketAddr,
    /// The environment variable that holds the keys of `ozone serve`.
    pub api_keys_env: String,
    /// `[[key]]` entries, as TOML.
    pub api_keys_file: Option<PathBuf>,
    /// Other names of models.
    pub aliases: BTreeMap<String, String>,
    pub models: Vec<ModelEntry>,
    pub mcp: Vec<McpEntry>,
    /// Networks that the URLs of requests may lead to, beside the public Internet.
    pub reachable_networks: Vec<String>,
    pub web: WebConfig,
    /// `ozone ask`: what is remembered is told to models, which may remember more.
    pub memory: bool,
    pub image_generation: Option<ImageEntry>,
    /// Price books of the user's own; where they speak of a thing, they are right.
    pub prices: Vec<PathBuf>,
    /// What the price books call this machine.
    pub machine: Option<String>,
    pub budgets: Vec<BudgetRule>,
}

/// Where `ozone serve` listens.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8033);

/// Price book files, separated by commas.
const PRICES_ENV: &str = "OZONE_PRICES";

/// The model that this project trained and ships.
pub const SHIPPED: &str = "ozone-mini";

impl Config {
    pub fn load(common: &Common) -> Result<Config, Failure> {
        let dirs = directories::ProjectDirs::from("", "", "ozone");
        let found = common.config.clone().or_else(|| {
            let here = PathBuf::from("ozone.toml");
            let user = dirs.as_ref().map(|d| d.config_dir().join("ozone.toml"));
            [Some(here), user].into_iter().flatten().find(|path| path.is_file())
        });
        let (file, folder) = match &found {
            Some(path) => (read(path)?, path.parent().unwrap_or(Path::new(""))),
            None => (File::default(), Path::new("")),
        };
        let data_dir = common
            .data
            .clone()
            .or(file.data_dir.map(|dir| folder.join(dir)))
            .or_else(|| dirs.map(|d| d.data_dir().to_owned()))
            .ok_or_else(|| {
                Failure::usage("there is no home folder to keep data in; name one with --data DIR")
            })?;
        let models = file.model.into_iter().map(|entry| entry.inside(folder)).collect();
        let mcp = file.mcp.into_iter().map(|entry| entry.inside(folder)).collect();
        let prices = match std::env::var(PRICES_ENV) {
            Ok(paths) => paths.split(',').filter(|p| !p.is_empty()).map(PathBuf::from).collect(),
            Err(_) => file.prices.into_iter().map(|path| folder.join(path)).collect(),
        };
        // A budget of another name is one of the model that it names.
        let budgets = file.budget.into_iter().map(|rule| {
            let model = rule.model.map(|name| file.aliases.get(&name).cloned().unwrap_or(name));
            BudgetRule { model, ..rule }
        });
        let budgets = budgets.collect();
        let default_model = std::env::var("OZONE_MODEL")
            .ok()
            .or(file.default_model)
            .unwrap_or_else(|| SHIPPED.to_owned());
        Ok(Config {
            data_dir,
            default_model,
            listen: file.listen.unwrap_or(LISTEN),
            api_keys_env: file.api_keys_env.unwrap_or_else(|| "OZONE_API_KEYS".to_owned()),
            api_keys_file: file.api_keys_file.map(|path| folder.join(path)),
            aliases: file.aliases,
            models,
            mcp,
            reachable_networks: file.reachable_networks,
            web: file.web.checked(folder)?,
            memory: file.memory.unwrap_or(true),
            image_generation: file.image_generation,
            prices,
            machine: file.machine,
            budgets,
        })
    }

    /// Makes the data folder.
    pub fn data_dir(&self) -> Result<&Path, Failure> {
        std::fs::create_dir_all(&self.data_dir).map_err(|e| {
            let dir = self.data_dir.display();
            Failure::new(format!("the data folder {dir} cannot be made ({e}); use another --data"))
        })?;
        Ok(&self.data_dir)
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
    let wrong = |e: toml::de::Error| {
        let line = e.span().map_or(1, |s| text[..s.start].lines().count().max(1));
        let message = e.message().replace('\n', " ");
        Failure::usage(format!("{}:{line}: {message}", path.display()))
    };
    let file = toml::from_str(&text).map_err(wrong)?;
    let table: toml::Table = toml::from_str(&text).map_err(wrong)?;
    match unknown_key(&table) {
        Some(problem) => Err(Failure::usage(format!("{}: {problem}", path.display()))),
        None => Ok(file),
    }
}

/// A misspelt key of a `[[model]]` would otherwise be passed over in silence.
fn unknown_key(file: &toml::Table) -> Option<String> {
    const EACH: &[&str] = &[
        "id",
        "backend",
        "instructions",
        "price",
        "effort",
        "pro",
        "temperature",
        "raw_reasoning",
        "rollouts",
        "coords",
    ];
    let models = file.get("model")?.as_array()?.iter().filter_map(|m| m.as_table());
    for model in models {
        let own: &[&str] = match model.get("backend").and_then(|b| b.as_str()) {
            Some("local") => &["path", "mmproj", "context_window"],
            Some("scripted") => &["path", "pace_ms"],
            _ => UpstreamConfig::KEYS,
        };
        if let Some(key) = model.keys().find(|k| ![EACH, own].concat().contains(&k.as_str())) {
            let id = model.get("id").and_then(|id| id.as_str()).unwrap_or_default();
            let known = [own, EACH].concat().join(", ");
            return Some(format!("[[model]] `{id}` has an unknown key `{key}`; known are {known}"));
        }
    }
    None
}
