//! The tool `web_search` of a request, over what the operator lets models search and open.

use std::path::PathBuf;

use ozone_tools::Tool;
use ozone_tools::web::fetch::Allowed;
use ozone_tools::web::{self, WebOptions};
use serde_json::Value;

use crate::app::App;
use crate::error::ApiError;
use crate::fields::Fields;

const DOMAINS_MAX: usize = 100;

/// The names that the tool has had.
pub(crate) fn is_web_search(kind: &str) -> bool {
    kind == "web_search"
        || kind.starts_with("web_search_20")
        || kind.starts_with("web_search_preview")
}

/// The `web_search` tool of a request. Where the user is changes nothing.
fn of_tools(tools: &[Value]) -> Result<Option<WebOptions>, ApiError> {
    let is_it = |tool: &Value| tool["type"].as_str().is_some_and(is_web_search);
    let mut found = tools.iter().enumerate().filter(|(_, tool)| is_it(tool));
    let Some((index, tool)) = found.next() else { return Ok(None) };
    if let Some((second, _)) = found.next() {
        let message = "A request may have one web_search tool.";
        return Err(ApiError::coded(&format!("tools[{second}]"), "invalid_value", message));
    }
    let fields = Fields::of(tool, &format!("tools[{index}]"))?;
    let only_cached = fields.bool("external_web_access")? == Some(false);
    let results_max = match fields.string("search_context_size")? {
        Some("low") => 5,
        None | Some("medium") => WebOptions::default().results_max,
        Some("high") => 20,
        Some(other) => {
            return Err(fields.bad_word("search_context_size", other, "'low', 'medium', 'high'"));
        }
    };
    let mut domains = vec![];
    if let Some(filters) = fields.object("filters")?
        && let Some(allowed) = filters.list("allowed_domains")?
    {
        let param = filters.param("allowed_domains");
        let spelt: Option<Vec<String>> = allowed.iter().map(|d| d.as_str().map(domain)).collect();
        domains = spelt.filter(|all| all.len() <= DOMAINS_MAX).ok_or_else(|| {
            let message = format!("Invalid '{param}': expected at most {DOMAINS_MAX} domains.");
            ApiError::coded(&param, "invalid_value", message)
        })?;
    }
    let allowed = Allowed { domains, only_cached };
    Ok(Some(WebOptions { allowed, results_max, folder: None }))
}

/// As hosts are spelt, also where somebody wrote an address.
fn domain(spelt: &str) -> String {
    let bare = spelt.trim().split_once("://").map_or(spelt.trim(), |(_, rest)| rest);
    bare.split('/').next().unwrap_or(bare).trim_end_matches('.').to_lowercase()
}

impl App {
    /// Whether the `web_search` of a request can be done.
    pub fn check_web_search(&self, tools: &[Value]) -> Result<(), ApiError> {
        match self.web {
            Some(_) => of_tools(tools).map(drop),
            None => Ok(()),
        }
    }

    /// The tools behind `{"type": "web_search"}`, if the request asked for it and there are pages.
    /// What was opened becomes files in `folder`.
    pub fn web_tools(&self, spelt: &[Value], folder: Option<PathBuf>) -> Vec<Box<dyn Tool>> {
        // It was checked when the response was made.
        let options = of_tools(spelt).ok().flatten();
        match (&self.web, options) {
            (Some(web), Some(options)) => web::tools(web, &WebOptions { folder, ..options }),
            _ => vec![],
        }
    }
}
