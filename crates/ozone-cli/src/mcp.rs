//! `[[mcp]]` of the configuration: servers whose tools `ozone ask --mcp` and requests may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ozone_server::Mcp;
use ozone_tools::egress::Egress;
use ozone_tools::image;
use ozone_tools::mcp::{Allowed, Approval, McpServer, Reached, Secret, bearer};
use serde::Deserialize;

use crate::failure::Failure;

/// One `[[mcp]]`: a command, or a URL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpEntry {
    label: String,
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    /// The command's environment, beside PATH, HOME and the like.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    /// Variables of our own environment that the command gets, too.
    #[serde(default)]
    env_from: Vec<String>,
    /// Where the command runs. Relative to the configuration file.
    cwd: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The environment variable that holds the access token.
    bearer_token_env: Option<String>,
    allowed_tools: Option<Allowed>,
    /// Whoever wrote the configuration chose the server: by default its calls need no consent.
    require_approval: Option<Approval>,
}

impl McpEntry {
    /// Paths of a file are relative to its folder.
    pub fn inside(mut self, folder: &Path) -> McpEntry {
        self.cwd = self.cwd.map(|cwd| folder.join(cwd));
        self
    }

    fn server(self, getenv: impl Fn(&str) -> Option<String>) -> Result<McpServer, String> {
        if !McpServer::is_label(&self.label) {
            return Err(
                "a label begins with a letter and has at most 64 letters, digits, `_` and \
                        `-`"
                .into(),
            );
        }
        if [image::SERVER_LABEL, ozone_memory::SERVER_LABEL].contains(&self.label.as_str()) {
            return Err("this is the label of built-in tools: choose another".into());
        }
        let variable = |name: &str| {
            getenv(name).ok_or_else(|| format!("the environment variable {name} is not set"))
        };
        let reached = match (self.command, self.url) {
            (Some(command), None) => {
                if !self.headers.is_empty() || self.bearer_token_env.is_some() {
                    return Err(
                        "headers and tokens are for a `url`; use `env` or `env_from`".into()
                    );
                }
                let mut env = self.env;
                for name in self.env_from {
                    let value = variable(&name)?;
                    env.insert(name, Secret::new(value));
                }
                Reached::Stdio { command, args: self.args, env, cwd: self.cwd }
            }
            (None, Some(url)) => {
                let has_command = !self.args.is_empty()
                    || !self.env.is_empty()
                    || !self.env_from.is_empty()
                    || self.cwd.is_some();
                if has_command {
                    return Err("`args`, `env`, `env_from` and `cwd` are for a `command`".into());
                }
                let egress = Egress::trusting(&url).map_err(|e| format!("`url`: {e}"))?;
                let url = egress.url(&url).map_err(|e| format!("`url`: {e}"))?;
                let mut headers = vec![];
                for (name, value) in self.headers {
                    let header =
                        name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
                    headers.push((header, Secret::new(value)));
                }
                if let Some(name) = self.bearer_token_env {
                    headers.push(bearer(&variable(&name)?));
                }
                Reached::Http { url, headers, egress }
            }
            (Some(_), Some(_)) => return Err("it has a `command` and a `url`; keep one".into()),
            (None, None) => return Err("it needs a `command` or a `url`".into()),
        };
        Ok(McpServer {
            label: self.label,
            reached,
            allowed: self.allowed_tools.into_iter().collect(),
            approval: self.require_approval.unwrap_or(Approval::Never),
        })
    }
}

/// What `ozone serve` is given. `networks` may be reached although they are not public.
pub fn access(entries: &[McpEntry], networks: &[String]) -> Result<Mcp, Failure> {
    let mut servers: Vec<McpServer> = vec![];
    for entry in entries {
        let label = entry.label.clone();
        let wrong = |why: &str| Failure::usage(format!("[[mcp]] `{label}`: {why}"));
        let getenv = |name: &str| std::env::var(name).ok();
        let server = entry.clone().server(getenv).map_err(|why| wrong(&why))?;
        if servers.iter().any(|other| other.label == label) {
            return Err(wrong("two servers have this label"));
        }
        servers.push(server);
    }
    let nets = crate::web::networks(networks)?;
    let egress = Egress::new(nets).map_err(|e| Failure::new(format!("no HTTP client: {e}")))?;
    Ok(Mcp { servers, egress })
}

/// The servers of these labels, in their order. With `approve`, nothing waits for consent.
pub fn chosen(access: &Mcp, labels: &[String], approve: bool) -> Result<Vec<McpServer>, Failure> {
    let find = |label: &String| {
        let found = access.servers.iter().find(|server| server.label == *label).cloned();
        let mut server = found.ok_or_else(|| {
            let known: Vec<&str> = access.servers.iter().map(|s| s.label.as_str()).collect();
            Failure::usage(match known.as_slice() {
                [] => format!("no MCP server `{label}`: the configuration has no [[mcp]]"),
                some => format!("no MCP server `{label}`; there are: {}", some.join(", ")),
            })
        })?;
        if approve {
            server.approval = Approval::Never;
        }
        Ok(server)
    };
    labels.iter().map(find).collect()
}
