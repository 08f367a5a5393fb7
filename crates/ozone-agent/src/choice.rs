//! `tool_choice`: which of the tools a response may call, and whether it must.

use ozone_model::Calls;
use ozone_prompt::ToolSpec;
use ozone_tools::{Shown, Tool};
use ozone_types::ToolChoice;
use ozone_types::response::ToolMode;
use serde_json::Value;

use crate::request::InvalidRequest;
use crate::tools::{ClientKind, ClientTool, OfferedTools};

/// The tools of a response, after its `tool_choice`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offer {
    /// Those that run here.
    pub built_in: Vec<ToolSpec>,
    /// Those of them, by name, whose calls somebody has to agree to first.
    pub asks: Vec<String>,
    pub client: Vec<ClientTool>,
    pub calls: Calls,
}

impl Offer {
    pub fn of(choice: &ToolChoice, tools: &OfferedTools, built_in: &[Box<dyn Tool>]) -> Offer {
        let choice = Choice::of(choice);
        let offered = |tool: &Named<'_>| choice.offers(tool);
        let asks = built_in.iter().filter(|t| t.needs_approval()).map(|t| t.spec().name.clone());
        let asks = asks.collect();
        let built_in: Vec<ToolSpec> = built_in
            .iter()
            .filter(|t| offered(&Named::BuiltIn { name: &t.spec().name, shown: &t.shown() }))
            .map(|t| t.spec().clone())
            .collect();
        let client: Vec<ClientTool> =
            tools.client().iter().filter(|t| offered(&Named::Client(t))).cloned().collect();
        let calls = match (&choice.mode, built_in.as_slice(), client.as_slice()) {
            (ToolMode::Auto, ..) => Calls::Auto,
            (ToolMode::None, ..) => Calls::None,
            (ToolMode::Required, [only], []) => Calls::Named(only.name.clone()),
            (ToolMode::Required, [], [only]) => Calls::Named(only.spec.name.clone()),
            (ToolMode::Required, ..) => Calls::Required,
        };
        Offer { built_in, asks, client, calls }
    }

    pub fn client_tool(&self, name: &str) -> Option<&ClientTool> {
        self.client.iter().find(|tool| tool.spec.name == name)
    }

    /// A call is due, and there is nothing that could be called.
    pub fn is_impossible(&self) -> bool {
        matches!(self.calls, Calls::Required | Calls::Named(_))
            && self.built_in.is_empty()
            && self.client.is_empty()
    }
}

struct Choice<'a> {
    mode: ToolMode,
    /// `None`: all of them.
    only: Option<Vec<&'a Value>>,
}

enum Named<'a> {
    BuiltIn { name: &'a str, shown: &'a Shown },
    Client(&'a ClientTool),
}

impl<'a> Choice<'a> {
    fn of(choice: &'a ToolChoice) -> Choice<'a> {
        let value = match choice {
            ToolChoice::Mode(mode) => return Choice { mode: *mode, only: None },
            ToolChoice::Only(value) => value,
        };
        if text(value, "type") != Some("allowed_tools") {
            return Choice { mode: ToolMode::Required, only: Some(vec![value]) };
        }
        let mode = match text(value, "mode") {
            Some("required") => ToolMode::Required,
            _ => ToolMode::Auto,
        };
        let tools = value.get("tools").and_then(Value::as_array);
        Choice { mode, only: Some(tools.into_iter().flatten().collect()) }
    }

    fn offers(&self, tool: &Named<'_>) -> bool {
        self.mode != ToolMode::None
            && self.only.as_ref().is_none_or(|only| only.iter().any(|spelt| names(spelt, tool)))
    }
}

/// Whether an entry of a `tool_choice` speaks of this tool.
fn names(spelt: &Value, tool: &Named<'_>) -> bool {
    let (kind, name) = (text(spelt, "type"), text(spelt, "name"));
    match tool {
        Named::Client(tool) => match kind {
            Some("function" | "custom") => {
                let namespace = text(spelt, "namespace");
                name == Some(&tool.spec.name)
                    || (name == Some(&tool.name)
                        && (namespace.is_none() || namespace == tool.namespace.as_deref()))
            }
            Some("shell") => tool.kind == ClientKind::Shell,
            Some("apply_patch") => tool.kind == ClientKind::ApplyPatch,
            Some("namespace") => name.is_some() && name == tool.namespace.as_deref(),
            _ => false,
        },
        Named::BuiltIn { name: own, shown } => match shown {
            Shown::CodeInterpreter { .. } => kind == Some("code_interpreter"),
            Shown::FileSearch => kind == Some("file_search"),
            Shown::Web(_) => kind.is_some_and(|kind| kind.starts_with("web_search")),
            Shown::Shell { .. } => kind == Some("shell"),
            Shown::ImageGeneration => kind == Some("image_generation"),
            Shown::Patch { .. } => kind == Some("apply_patch"),
            Shown::McpCall { server_label, name: own } => {
                kind == Some("mcp")
                    && text(spelt, "server_label") == Some(server_label)
                    && name.is_none_or(|name| name == own)
            }
            Shown::FunctionCall => kind == Some("function") && name == Some(own),
        },
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Whether each tool that the choice speaks of is among the tools of the request.
pub(crate) fn check(choice: &ToolChoice, tools: &OfferedTools) -> Result<(), InvalidRequest> {
    let bad = |why: String| Err(InvalidRequest::ToolChoice(why));
    let ToolChoice::Only(value) = choice else { return Ok(()) };
    if text(value, "type") == Some("allowed_tools") {
        if !matches!(text(value, "mode"), None | Some("auto" | "required")) {
            return bad("the `mode` of `allowed_tools` is `auto` or `required`".into());
        }
        if value.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return bad("`allowed_tools` needs a list of `tools`".into());
        }
    }
    for spelt in Choice::of(choice).only.into_iter().flatten() {
        let Some(kind) = text(spelt, "type") else {
            return bad("a tool that is to be called needs a `type`".into());
        };
        let known = tools.client().iter().any(|t| names(spelt, &Named::Client(t)))
            || tools.spelt().iter().any(|t| is_hosted(spelt, t, kind));
        if !known {
            let name = text(spelt, "name").or(text(spelt, "server_label")).unwrap_or(kind);
            return bad(format!("the tool `{name}` is not among the `tools` of the request"));
        }
    }
    Ok(())
}

fn is_hosted(spelt: &Value, tool: &Value, kind: &str) -> bool {
    !matches!(kind, "function" | "custom" | "namespace")
        && text(tool, "type") == Some(kind)
        && (kind != "mcp" || text(tool, "server_label") == text(spelt, "server_label"))
}
