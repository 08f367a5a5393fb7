//! `{"type": "mcp", "server_label": …}` with a label of our own: tools that run here and stand in the
//! output as calls of an MCP server.

use ozone_tools::image;
use serde_json::Value;

use crate::ModelEntry;
use crate::error::ApiError;
use crate::fields::Fields;

/// A family of tools behind one label.
pub(crate) struct BuiltIn {
    pub label: &'static str,
    /// What they are, for a person.
    tools: &'static str,
    /// What its tools are called.
    names: fn() -> Vec<&'static str>,
    /// Narrow models ([`ModelEntry::narrow`]) know them.
    learnt: bool,
}

pub(crate) const IMAGE: BuiltIn = BuiltIn {
    label: image::SERVER_LABEL,
    tools: "image tools",
    names: || image::names().collect(),
    learnt: true,
};

pub(crate) const MEMORY: BuiltIn = BuiltIn {
    label: ozone_memory::SERVER_LABEL,
    tools: "memory tools",
    names: || ozone_memory::names().collect(),
    learnt: false,
};

/// Whether a tool is one of these, and no server of a stranger's.
pub(crate) fn is_built_in(tool: &Value) -> bool {
    IMAGE.is_it(tool) || MEMORY.is_it(tool)
}

impl BuiltIn {
    pub fn is_it(&self, tool: &Value) -> bool {
        tool["type"] == "mcp" && tool["server_label"] == self.label && tool["server_url"].is_null()
    }

    /// Whether the request asks for these tools, and the model can have them.
    pub fn asked(&self, tools: &[Value], entry: &ModelEntry) -> Result<bool, ApiError> {
        let BuiltIn { label, tools: family, .. } = self;
        let mut asked = false;
        for (index, tool) in tools.iter().enumerate() {
            if tool["type"] != "mcp" || tool["server_label"] != *label {
                continue;
            }
            let place = format!("tools[{index}]");
            let fields = Fields::of(tool, &place)?;
            let bad = |name: &str, why: &str| {
                let param = fields.param(name);
                ApiError::coded(&param, "invalid_value", format!("Invalid '{param}': {why}."))
            };
            if !self.is_it(tool) {
                let why = format!("'{label}' is the label of the built-in {family}");
                return Err(bad("server_label", &why));
            }
            if std::mem::replace(&mut asked, true) {
                return Err(bad("server_label", &format!("the {family} are there already")));
            }
            if !matches!(fields.string("require_approval"), Ok(None | Some("never"))) {
                let why = format!("the {family} run here and need none");
                return Err(bad("require_approval", &why));
            }
            let known = (self.names)();
            for name in allowed(tool).into_iter().flatten() {
                if !known.contains(&name.as_str()) {
                    let why =
                        format!("there is no '{name}' among the {family}; there are {known:?}");
                    return Err(bad("allowed_tools", &why));
                }
            }
            if entry.narrow && !self.learnt {
                return Err(ApiError::untrained(&place, &entry.id, &format!("the {family}")));
            }
        }
        Ok(asked)
    }
}

/// The tools that the request wants of them; `None`: all.
pub(crate) fn allowed(tool: &Value) -> Option<Vec<String>> {
    let allowed = &tool["allowed_tools"];
    let names = allowed.as_array().or_else(|| allowed["tool_names"].as_array())?;
    Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Leaves the tools that the request wants.
pub(crate) fn only_allowed(tools: &mut Vec<Box<dyn ozone_tools::Tool>>, tool: &Value) {
    if let Some(names) = allowed(tool) {
        tools.retain(|tool| match tool.shown() {
            ozone_tools::Shown::McpCall { name, .. } => names.contains(&name),
            _ => false,
        });
    }
}
