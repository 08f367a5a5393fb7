//! MCP servers of a request: read from its `tools`, asked for what they offer, and turned into tools
//! of the loop.
//!
//! Secrets go from the body to the connection and nowhere else. The request that is stored and the
//! `tools` that are echoed hold `<redacted>` in their place; a run that goes on after a restart
//! finds them gone, and its model reads that.

use std::collections::HashSet;

use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use ozone_agent::{Request, check};
use ozone_store::{Journal, StoreError};
use ozone_tools::Tool;
use ozone_tools::egress::EgressError;
use ozone_tools::mcp::{McpServer, Reached, Secret, Session, bearer};
use ozone_types::{Item, McpTool};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::built_in;
use crate::error::ApiError;
use crate::fields::Fields;

const REDACTED: &str = "<redacted>";
const HEADERS_MAX: usize = 64;
/// Headers that the protocol or the connection sets.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A server of one response.
#[derive(Debug, Clone)]
pub struct McpUse {
    server: McpServer,
    /// What it offers, where the context holds that already.
    known: Option<Vec<McpTool>>,
}

impl App {
    /// The MCP servers among `tools`, whose secrets are cut out.
    pub fn mcp_servers(&self, tools: &mut [Value]) -> Result<Vec<McpServer>, ApiError> {
        let mut servers: Vec<McpServer> = vec![];
        for (index, tool) in tools.iter_mut().enumerate() {
            if tool["type"] != "mcp" || built_in::is_built_in(tool) {
                continue;
            }
            let place = format!("tools[{index}]");
            let server = self.mcp_server(&Fields::of(tool, &place)?)?;
            if servers.iter().any(|other| other.label == server.label) {
                let message = format!("Two MCP servers have the label '{}'.", server.label);
                return Err(ApiError::invalid(&format!("{place}.server_label"), message));
            }
            servers.push(server);
            redact(tool);
        }
        Ok(servers)
    }

    fn mcp_server(&self, fields: &Fields<'_>) -> Result<McpServer, ApiError> {
        let bad = |name: &str, message: String| {
            ApiError::coded(&fields.param(name), "invalid_value", message)
        };
        let label = fields.required("server_label")?;
        if !McpServer::is_label(label) {
            let message = "Invalid 'server_label': it begins with a letter and has at most 64 \
                           letters, digits, '_' and '-'.";
            return Err(bad("server_label", message.into()));
        }
        for name in ["connector_id", "tunnel_id"] {
            if fields.get(name).is_some() {
                let param = fields.param(name);
                let message = format!("Unsupported parameter: '{param}': use 'server_url'.");
                return Err(ApiError::unsupported(&param, message));
            }
        }
        if fields.bool("defer_loading")?.unwrap_or(false) {
            let param = fields.param("defer_loading");
            let message = format!("Unsupported value: '{param}': tools are not loaded later.");
            return Err(ApiError::unsupported(&param, message));
        }
        let allowed = read(fields, "allowed_tools")?;
        let approval = read(fields, "require_approval")?;
        let Some(url) = fields.string("server_url")? else {
            let named = self.mcp.servers.iter().find(|server| server.label == label);
            let mut server =
                named.cloned().ok_or_else(|| ApiError::missing(&fields.param("server_url")))?;
            for name in ["headers", "authorization"] {
                if fields.get(name).is_some() {
                    let message = format!(
                        "Invalid '{name}': the server '{label}' is configured here, with its own."
                    );
                    return Err(bad(name, message));
                }
            }
            server.allowed.extend(allowed);
            server.approval = approval.unwrap_or(server.approval);
            return Ok(server);
        };
        let reached = self.mcp_reached(fields, url)?;
        let (label, approval) = (label.to_owned(), approval.unwrap_or_default());
        Ok(McpServer { label, reached, allowed: allowed.into_iter().collect(), approval })
    }

    fn mcp_reached(&self, fields: &Fields<'_>, url: &str) -> Result<Reached, ApiError> {
        let param = fields.param("server_url");
        let egress = self.mcp.egress.clone();
        let headers = headers(fields)?;
        if url.contains(REDACTED) || headers.iter().any(|(_, value)| value.is(REDACTED)) {
            let cause = "its credentials are not kept here; send them again".to_owned();
            return Ok(Reached::Nowhere { cause });
        }
        match egress.url(url) {
            Ok(url) => Ok(Reached::Http { url, headers, egress }),
            Err(e @ (EgressError::BadUrl(_) | EgressError::Refused { .. })) => {
                let message = format!("Invalid '{param}': {e}.");
                Err(ApiError::coded(&param, "invalid_value", message))
            }
            Err(e) => Err(ApiError::internal(e)),
        }
    }
}

impl McpUse {
    /// Looks for lists in what came before, newest last.
    pub fn of(servers: Vec<McpServer>, before: &[&[Item]]) -> Vec<McpUse> {
        let of = |server: McpServer| {
            let items = before.iter().flat_map(|items| items.iter());
            let known = ozone_agent::mcp::known_tools(items, &server.label);
            let known = known.map(|tools| server.usable(tools.to_vec()));
            let lacks = |tools: &Vec<McpTool>| {
                let wanted = server.allowed.iter().flat_map(|allowed| allowed.names());
                let has = |name: &String| tools.iter().any(|tool| tool.name == *name);
                !wanted.clone().all(has)
            };
            McpUse { known: known.filter(|tools| !lacks(tools)), server }
        };
        servers.into_iter().map(of).collect()
    }
}

/// The tools of these servers, under names that no other tool has: `taken` are those of built-in
/// ones. A server whose tools are not
/// known is asked in front of everybody.
pub async fn tools(
    uses: Vec<McpUse>,
    journal: &mut Journal,
    request: &Request,
    now: i64,
    mut taken: Vec<String>,
    cancel: &CancellationToken,
) -> Result<Vec<Box<dyn Tool>>, StoreError> {
    taken.extend(request.tools.client().iter().map(|tool| tool.spec.name.clone()));
    let mut tools = vec![];
    for McpUse { server, known } in uses {
        let session = Session::new(server);
        let label = session.server().label.clone();
        let mut listed = match known {
            Some(known) => known,
            None => {
                let listing = async {
                    tokio::select! {
                        biased;
                        () = cancel.cancelled() => Err("the response was cancelled".to_owned()),
                        listed = session.list() => listed.map_err(|e| e.to_string()),
                    }
                };
                let listed =
                    ozone_agent::mcp::list_tools(journal, request, now, &label, listing).await?;
                listed.unwrap_or_default()
            }
        };
        for tool in &mut listed {
            if let Err(why) = check::compiles(&tool.input_schema) {
                tracing::info!("MCP server `{label}`: the schema of `{}`: {why}", tool.name);
                tool.input_schema = json!({"type": "object"});
            }
        }
        tools.extend(session.tools(&listed, &mut taken));
    }
    Ok(tools)
}

fn read<T: DeserializeOwned>(fields: &Fields<'_>, name: &str) -> Result<Option<T>, ApiError> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|_| {
        let param = fields.param(name);
        let wanted = match name {
            "allowed_tools" => "an array of names, or an object with 'tool_names' or 'read_only'",
            _ => "'always', 'never', or an object with 'always' or 'never'",
        };
        let message = format!("Invalid '{param}': expected {wanted}.");
        ApiError::coded(&param, "invalid_value", message)
    })
}

/// `headers` and `authorization`, as headers.
fn headers(fields: &Fields<'_>) -> Result<Vec<(HeaderName, Secret)>, ApiError> {
    let mut headers = vec![];
    let mut seen = HashSet::new();
    let given = fields.object("headers")?;
    for (name, value) in given.iter().flat_map(Fields::entries) {
        let param = format!("{}.{name}", fields.param("headers"));
        let bad = |why: &str| {
            ApiError::coded(&param, "invalid_value", format!("Invalid '{param}': {why}."))
        };
        let header: HeaderName = name.parse().map_err(|_| bad("this is no name of a header"))?;
        if RESERVED.contains(&header.as_str()) {
            return Err(bad("this header is not the client's to set"));
        }
        let text = value.as_str().ok_or_else(|| bad("expected a string"))?;
        HeaderValue::from_str(text).map_err(|_| bad("this is no value of a header"))?;
        if !seen.insert(header.clone()) || seen.len() > HEADERS_MAX {
            return Err(bad("the same header twice, or too many headers"));
        }
        headers.push((header, Secret::new(text)));
    }
    if let Some(token) = fields.string("authorization")? {
        let param = fields.param("authorization");
        let bad = |why: &str| {
            ApiError::coded(&param, "invalid_value", format!("Invalid '{param}': {why}."))
        };
        if seen.contains(&AUTHORIZATION) {
            return Err(bad("'headers' has an Authorization, too"));
        }
        HeaderValue::from_str(token).map_err(|_| bad("this is no value of a header"))?;
        headers.push(match token {
            REDACTED => (AUTHORIZATION, Secret::new(REDACTED)),
            token => bearer(token),
        });
    }
    Ok(headers)
}

/// What may be stored and shown of the tool.
fn redact(tool: &mut Value) {
    if let Some(headers) = tool.get_mut("headers").and_then(Value::as_object_mut) {
        headers.values_mut().for_each(|value| *value = json!(REDACTED));
    }
    if tool["authorization"].is_string() {
        tool["authorization"] = json!(REDACTED);
    }
    let url = tool["server_url"].as_str().unwrap_or_default();
    if let Some((base, _)) = url.split_once(['?', '#']) {
        tool["server_url"] = json!(format!("{base}?{REDACTED}"));
    }
}
