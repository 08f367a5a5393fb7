//! Which models are asked, and what tells them and this program apart from others.

use std::path::{Path, PathBuf};

use ozone_model::upstream::{Api, UpstreamConfig};
use sha2::{Digest, Sha256};

use crate::config::{BackendEntry, Config, ModelEntry};
use crate::failure::Failure;
use crate::setup;

use ozone_eval::hash_file;

#[derive(Debug, clap::Args)]
pub(super) struct ModelArgs {
    /// A model of the configuration, or a GGUF file. May be repeated.
    #[arg(short, long, value_name = "NAME_OR_GGUF")]
    model: Vec<String>,
    /// The models are those of an OpenAI-compatible server at this address; --model is its name.
    #[arg(long, value_name = "URL", requires = "model")]
    upstream: Option<String>,
    /// The environment variable that holds the server's key.
    #[arg(long, value_name = "NAME", requires = "upstream")]
    upstream_key_env: Option<String>,
    /// The server speaks Responses in place of Chat Completions.
    #[arg(long, requires = "upstream")]
    upstream_responses: bool,
    /// The server's context, in tokens.
    #[arg(long, value_name = "TOKENS", requires = "upstream", default_value_t = 131_072)]
    upstream_context: u64,
    /// The server's models see pictures.
    #[arg(long, requires = "upstream")]
    upstream_sees: bool,
}

impl ModelArgs {
    pub fn entries(&self, config: &Config) -> Result<Vec<ModelEntry>, Failure> {
        let Some(base_url) = &self.upstream else {
            let names = match &self.model[..] {
                [] => std::slice::from_ref(&config.default_model),
                names => names,
            };
            return names.iter().map(|name| setup::entry(config, name)).collect();
        };
        let api = if self.upstream_responses { Api::Responses } else { Api::Chat };
        let entry = |name: &String| {
            let upstream = UpstreamConfig {
                api_key_env: self.upstream_key_env.clone(),
                reads_images: Some(self.upstream_sees),
                ..UpstreamConfig::new(base_url, api, name, self.upstream_context)
            };
            let backend = BackendEntry::Upstream(Box::new(upstream));
            ModelEntry { backend, ..ModelEntry::local(name, PathBuf::new()) }
        };
        Ok(self.model.iter().map(entry).collect())
    }
}

/// Of the weights or of the script; of an upstream, its address and its own name of the model.
pub(super) fn model_hash(entry: &ModelEntry) -> Result<String, Failure> {
    let of_file = |path: &Path| {
        hash_file(path).map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))
    };
    match &entry.backend {
        BackendEntry::Local { path, mmproj: Some(mmproj), .. } => {
            Ok(sha256(&[of_file(path)?.as_bytes(), of_file(mmproj)?.as_bytes()]))
        }
        BackendEntry::Local { path, .. } | BackendEntry::Scripted { path, .. } => of_file(path),
        BackendEntry::Upstream(upstream) => {
            let extra = serde_json::to_string(&upstream.extra_body)?;
            Ok(sha256(&[entry.source().as_bytes(), extra.as_bytes()]))
        }
    }
}

/// What the prices rest on beside the program's own book.
pub(super) fn prices_hash(config: &Config, entry: &ModelEntry) -> Result<String, Failure> {
    let mut parts = vec![format!("{:?}", entry.price).into_bytes()];
    for path in &config.prices {
        parts.push(
            std::fs::read(path)
                .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?,
        );
    }
    Ok(sha256(&parts))
}

fn sha256(parts: &[impl AsRef<[u8]>]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.as_ref().len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn program() -> Result<String, Failure> {
    Ok(hash_file(&std::env::current_exe()?)?)
}

/// Of the checkout that this program lies in, where it does.
pub(super) fn commit() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let describe = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let mut git = std::process::Command::new("git");
    let output = git.arg("-C").arg(program.parent()?).args(describe).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|t| output.status.success() && !t.is_empty())
}
