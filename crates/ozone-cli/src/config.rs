//! Configuration in layers: flags, environment (`OZONE_…`), `ozone.toml`, defaults that work.

use std::path::{Path, PathBuf};

use ozone_cost::ModelPrice;
use serde::Deserialize;

use crate::failure::Failure;

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
    model: Vec<ModelEntry>,
}

/// One `[[model]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    pub id: String,
    pub backend: BackendKind,
    /// `local`: a GGUF file. `scripted`: a JSON list of samples.
    pub path: PathBuf,
    pub context_window: Option<u32>,
    pub instructions: Option<String>,
    /// Dollars per million tokens.
    pub price: Option<ModelPrice>,
    /// `scripted`: milliseconds between two tokens.
    #[serde(default)]
    pub pace_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    Local,
    Scripted,
}

/// The configuration in force.
#[derive(Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    pub default_model: String,
    pub models: Vec<ModelEntry>,
}

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
        let models = file
            .model
            .into_iter()
            .map(|entry| ModelEntry { path: folder.join(&entry.path), ..entry })
            .collect();
        let default_model = std::env::var("OZONE_MODEL")
            .ok()
            .or(file.default_model)
            .unwrap_or_else(|| SHIPPED.to_owned());
        Ok(Config { data_dir, default_model, models })
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
    toml::from_str(&text).map_err(|e| {
        let line = e.span().map_or(1, |s| text[..s.start].lines().count().max(1));
        let message = e.message().replace('\n', " ");
        Failure::usage(format!("{}:{line}: {message}", path.display()))
    })
}
