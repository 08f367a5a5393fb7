//! The tools of a request, as the client spelt them. Those that the client runs are offered to the
//! model under one flat name each, and get their own shape back in the output; kinds that Ozone
//! does not know are echoed and never offered.

use ozone_prompt::{InputGrammar, ToolCall, ToolSpec};
use ozone_tools::{patch, shell};
use ozone_types::item::Known;
use ozone_types::{CallId, Item, ItemId, ItemStatus, ShellEnvironment};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::check::{fits_grammar, fits_schema, grammar_compiles};
use crate::machine;
use crate::request::InvalidRequest;

/// The most tools that one request may offer, those within namespaces counted.
pub const TOOLS_MAX: usize = 512;
const NAME_CHARS_MAX: usize = 128;

/// The tools of a request: valid once they exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Value>", into = "Vec<Value>")]
pub struct OfferedTools {
    spelt: Vec<Value>,
    client: Vec<ClientTool>,
}

/// A tool that the client runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientTool {
    /// As the model knows it: a custom tool has one string, `input`. With a grammar, only an input
    /// that fits it is handed over.
    pub spec: ToolSpec,
    /// As the client knows it.
    pub name: String,
    pub namespace: Option<String>,
    pub kind: ClientKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ClientKind {
    /// `strict`: only arguments that fit the schema are handed over.
    Function { strict: bool },
    /// Free text.
    Custom,
    /// Commands for a shell of its own.
    Shell,
    /// Changes of its own files.
    ApplyPatch,
}

impl OfferedTools {
    /// Reads the `tools` of a request.
    pub fn parse(spelt: Vec<Value>) -> Result<Self, InvalidRequest> {
        let mut client: Vec<ClientTool> = vec![];
        for tool in &spelt {
            match text(tool, "type") {
                None => return Err(InvalidRequest::tools("each tool needs a `type`")),
                Some("namespace") => {
                    let namespace = name(tool)?;
                    for inner in tool.get("tools").and_then(Value::as_array).into_iter().flatten() {
                        client.extend(client_tool(inner, Some(namespace))?);
                    }
                }
                Some(_) => client.extend(client_tool(tool, None)?),
            }
        }
        if client.len() > TOOLS_MAX {
            let why = format!("{} tools are too many: at most {TOOLS_MAX} are taken", client.len());
            return Err(InvalidRequest::tools(why));
        }
        for (at, tool) in client.iter().enumerate() {
            if client[..at].iter().any(|other| other.spec.name == tool.spec.name) {
                let why = format!("two tools have the name `{}`", tool.spec.name);
                return Err(InvalidRequest::tools(why));
            }
        }
        Ok(OfferedTools { spelt, client })
    }

    /// As the request had them.
    pub fn spelt(&self) -> &[Value] {
        &self.spelt
    }

    /// Those that the client runs.
    pub fn client(&self) -> &[ClientTool] {
        &self.client
    }
}

impl TryFrom<Vec<Value>> for OfferedTools {
    type Error = InvalidRequest;

    fn try_from(spelt: Vec<Value>) -> Result<Self, InvalidRequest> {
        OfferedTools::parse(spelt)
    }
}

impl From<OfferedTools> for Vec<Value> {
    fn from(tools: OfferedTools) -> Self {
        tools.spelt
    }
}

/// `None` for a kind that the client does not run.
fn client_tool(
    tool: &Value,
    namespace: Option<&str>,
) -> Result<Option<ClientTool>, InvalidRequest> {
    let description = text(tool, "description").unwrap_or_default().to_owned();
    let (kind, description, parameters, grammar) = match text(tool, "type") {
        Some("function") => {
            let strict = tool.get("strict").and_then(Value::as_bool).unwrap_or(false);
            let parameters = parameters(tool, strict)?;
            (ClientKind::Function { strict }, description, parameters, None)
        }
        Some("custom") => {
            let grammar = grammar(tool)?;
            let (description, parameters) = custom(description, grammar.as_ref());
            (ClientKind::Custom, description, parameters, grammar)
        }
        Some("shell") if runs_at_client(tool)? => {
            return Ok(Some(own(shell::spec(false), ClientKind::Shell)));
        }
        Some("apply_patch") if runs_at_client(tool)? => {
            return Ok(Some(own(patch::spec(), ClientKind::ApplyPatch)));
        }
        _ => return Ok(None),
    };
    let name = name(tool)?;
    let flat = flat(namespace, name);
    Ok(Some(ClientTool {
        spec: ToolSpec { name: flat, description, parameters, grammar },
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        kind,
    }))
}

/// A tool that the API defines and the client runs.
fn own(spec: ToolSpec, kind: ClientKind) -> ClientTool {
    ClientTool { name: spec.name.clone(), spec, namespace: None, kind }
}

/// Where a `shell` or an `apply_patch` works: at the client, unless it names a container.
pub fn runs_at_client(tool: &Value) -> Result<bool, InvalidRequest> {
    match tool.get("environment").filter(|environment| !environment.is_null()) {
        None => Ok(true),
        Some(environment) => match text(environment, "type") {
            Some("local") => Ok(true),
            Some("container_auto" | "container_reference") => Ok(false),
            _ => Err(InvalidRequest::tools(
                "the `environment` of a shell or of apply_patch has the `type` local, \
                 container_auto or container_reference",
            )),
        },
    }
}

/// The one name under which the model knows a tool.
pub(crate) fn flat(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}__{name}"),
        None => name.to_owned(),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn name(tool: &Value) -> Result<&str, InvalidRequest> {
    let name = text(tool, "name").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
        let name: String = name.chars().take(80).collect();
        return Err(InvalidRequest::tools(format!(
            "`{name}` is no name for a tool: it needs 1 to {NAME_CHARS_MAX} letters, digits, `_`, \
             `-` or `.`"
        )));
    }
    Ok(name)
}

fn parameters(tool: &Value, strict: bool) -> Result<Value, InvalidRequest> {
    let parameters = match tool.get("parameters") {
        None | Some(Value::Null) => return Ok(json!({"type": "object", "properties": {}})),
        Some(parameters @ Value::Object(_)) => parameters.clone(),
        Some(_) => {
            let why = "the `parameters` of a function must be a JSON schema, an object";
            return Err(InvalidRequest::tools(why));
        }
    };
    if strict && let Err(why) = crate::check::compiles(&parameters) {
        let name = text(tool, "name").unwrap_or_default();
        return Err(InvalidRequest::tools(format!("the `parameters` of `{name}`: {why}")));
    }
    Ok(parameters)
}

fn grammar(tool: &Value) -> Result<Option<InputGrammar>, InvalidRequest> {
    let Some(format) = tool.get("format").filter(|f| !f.is_null()) else { return Ok(None) };
    let definition = text(format, "definition").unwrap_or_default().to_owned();
    let grammar = match (text(format, "type"), text(format, "syntax")) {
        (Some("text"), _) => return Ok(None),
        (Some("grammar"), Some("lark")) => InputGrammar::Lark(definition),
        (Some("grammar"), Some("regex")) => InputGrammar::Regex(definition),
        _ => {
            let why = "the `format` of a custom tool is `text`, or a `grammar` with the `syntax` \
                       `lark` or `regex` and its `definition`";
            return Err(InvalidRequest::tools(why));
        }
    };
    let name = text(tool, "name").unwrap_or_default();
    let bad = |why| InvalidRequest::tools(format!("the grammar of `{name}`: {why}"));
    grammar_compiles(&grammar).map_err(bad)?;
    Ok(Some(grammar))
}

/// A custom tool as a function of one string.
fn custom(mut description: String, grammar: Option<&InputGrammar>) -> (String, Value) {
    let mut input = Map::new();
    input.insert("type".into(), "string".into());
    input.insert("description".into(), "The whole input of the tool, as free text.".into());
    match grammar {
        None => {}
        Some(InputGrammar::Lark(lark)) => {
            description.push_str(&format!("\n\nThe input must fit this Lark grammar:\n{lark}"));
        }
        Some(InputGrammar::Regex(regex)) => {
            description.push_str(&format!("\n\nThe input must match: {regex}"));
            input.insert("pattern".into(), format!("^(?:{regex})$").into());
        }
    }
    let parameters = json!({
        "type": "object",
        "properties": { "input": input },
        "required": ["input"],
        "additionalProperties": false
    });
    (description, parameters)
}

impl ClientTool {
    /// Whether the client may be given this call. The error is the model's to read.
    pub(crate) fn fits(&self, call: &ToolCall, arguments_enforced: bool) -> Result<(), String> {
        let value: Value = serde_json::from_str(&call.arguments)
            .map_err(|e| format!("the arguments of `{}` are no JSON: {e}", call.name))?;
        match &self.kind {
            ClientKind::Function { strict: true } if !arguments_enforced => {
                fits_schema(&self.spec.parameters, &value)
                    .map_err(|why| format!("the arguments of `{}` do not fit: {why}", call.name))
            }
            ClientKind::Function { .. } => Ok(()),
            ClientKind::Shell => shell::action(&call.arguments).map(drop),
            ClientKind::ApplyPatch => patch::operation(&call.arguments).map(drop),
            ClientKind::Custom => {
                let Some(input) = text(&value, "input") else {
                    return Err(format!("`{}` takes one string: {{\"input\": \"…\"}}", call.name));
                };
                let grammar = self.spec.grammar.as_ref();
                grammar.map_or(Ok(()), |grammar| fits_grammar(grammar, input)).map_err(|why| {
                    format!("the input of `{}` does not fit its grammar: {why}", call.name)
                })
            }
        }
    }

    /// The item of a call, with its text and without.
    pub(crate) fn item(&self, ids: &(ItemId, CallId), text: &str, status: ItemStatus) -> Item {
        let (id, call_id) = (Some(ids.0.clone()), ids.1.clone());
        let (name, namespace) = (self.name.clone(), self.namespace.clone());
        let text = text.to_owned();
        match self.kind {
            ClientKind::Shell => {
                let local = ShellEnvironment::Local;
                return machine::shell_call(ids, &text, local, status);
            }
            ClientKind::ApplyPatch => return machine::patch_call(ids, &text, None, status),
            ClientKind::Function { .. } => {
                let status = Some(status);
                Known::FunctionCall { id, call_id, name, namespace, arguments: text, status }
            }
            ClientKind::Custom => {
                let status = Some(status);
                Known::CustomToolCall { id, call_id, name, namespace, input: text, status }
            }
        }
        .into()
    }

    /// What the client reads of a call: JSON, or the free text.
    pub(crate) fn text(&self, arguments: &str) -> String {
        match self.kind {
            ClientKind::Function { .. } | ClientKind::Shell | ClientKind::ApplyPatch => {
                arguments.to_owned()
            }
            ClientKind::Custom => serde_json::from_str::<Value>(arguments)
                .ok()
                .and_then(|v| text(&v, "input").map(str::to_owned))
                .unwrap_or_default(),
        }
    }
}
