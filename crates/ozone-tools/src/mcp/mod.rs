//! MCP servers as tools: over streamable HTTP, or as a child process.
//!
//! A [`Session`] belongs to one response. It connects when its server is first needed, and ends with
//! the response, so that no state of one user is seen by another. What a server says is for the
//! model to read, errors included, and is capped. Secrets that were given for a server are kept out
//! of errors and logs, and are cut out of what the server says.
//!
//! What it does not cover: a child process runs outside of the sandbox, with the rights of its user,
//! since whoever wrote the configuration named it.

mod http;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ozone_prompt::ToolSpec;
use ozone_types::McpTool;
use process_wrap::tokio::{CommandWrap, ProcessGroup};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation,
    JsonObject, PaginatedRequestParams,
};
use rmcp::service::{ClientInitializeError, RunningService, ServiceError, serve_client};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{Peer, RoleClient};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio::sync::Mutex;
use url::Url;

use crate::egress::{Egress, EgressError};
use crate::{Call, OnText, Shown, Tool, ToolError, ToolOutput};

/// A server that is asked for its tools answers within this time, connection included.
pub const LIST_TIME_MAX: Duration = Duration::from_secs(30);
/// The most tools that one server may bring.
pub const TOOLS_MAX: usize = 128;
const PAGES_MAX: usize = 64;
const LABEL_CHARS_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 4_000;
const SCHEMA_BYTES_MAX: usize = 32 << 10;
/// Of all tools of a server together: a list is kept in the conversation.
const LIST_BYTES_MAX: usize = 512 << 10;
const ERROR_CHARS_MAX: usize = 1_000;

/// What a child process sees of our environment, beside what it is given.
const INHERITED: &[&str] =
    &["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

/// A server, and what its user may do with it.
#[derive(Debug, Clone)]
pub struct McpServer {
    pub label: String,
    pub reached: Reached,
    /// A tool must be in each of them: none allows all.
    pub allowed: Vec<Allowed>,
    pub approval: Approval,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Reached {
    Http {
        url: Url,
        headers: Vec<(HeaderName, Secret)>,
        egress: Egress,
    },
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, Secret>,
        cwd: Option<PathBuf>,
    },
    /// Not from here: each attempt fails with this cause.
    Nowhere {
        cause: String,
    },
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    pub fn is(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Some of a server's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "AllowedForm")]
pub struct Allowed {
    names: Option<Vec<String>>,
    /// Only those that say so, or only those that do not.
    read_only: Option<bool>,
}

/// As requests write it: names, or a filter.
#[derive(Deserialize)]
#[serde(untagged)]
enum AllowedForm {
    Names(Vec<String>),
    Filter { tool_names: Option<Vec<String>>, read_only: Option<bool> },
}

impl From<AllowedForm> for Allowed {
    fn from(form: AllowedForm) -> Self {
        match form {
            AllowedForm::Names(names) => Allowed { names: Some(names), read_only: None },
            AllowedForm::Filter { tool_names, read_only } => {
                Allowed { names: tool_names, read_only }
            }
        }
    }
}

impl Allowed {
    pub fn named(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Allowed { names: Some(names.into_iter().map(Into::into).collect()), read_only: None }
    }

    pub fn names(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }

    fn holds(&self, tool: &McpTool) -> bool {
        let named = self.names.as_ref().is_none_or(|names| names.contains(&tool.name));
        named && self.read_only.is_none_or(|wanted| wanted == says(tool, "readOnlyHint"))
    }
}

/// Which calls somebody must agree to. The API's default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ApprovalForm")]
pub enum Approval {
    #[default]
    Always,
    Never,
    /// A tool that neither of them holds needs it.
    Some {
        always: Option<Allowed>,
        never: Option<Allowed>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ApprovalForm {
    Word(String),
    Filter { always: Option<Allowed>, never: Option<Allowed> },
}

impl TryFrom<ApprovalForm> for Approval {
    type Error = String;

    fn try_from(form: ApprovalForm) -> Result<Self, String> {
        match form {
            ApprovalForm::Word(word) if word == "always" => Ok(Approval::Always),
            ApprovalForm::Word(word) if word == "never" => Ok(Approval::Never),
            ApprovalForm::Word(word) => {
                let word: String = word.chars().take(80).collect();
                Err(format!("`{word}` is neither `always` nor `never`"))
            }
            ApprovalForm::Filter { always: None, never: None } => {
                Err("it needs `always` or `never`".into())
            }
            ApprovalForm::Filter { always, never } => Ok(Approval::Some { always, never }),
        }
    }
}

impl Approval {
    fn needed(&self, tool: &McpTool) -> bool {
        let holds = |some: &Option<Allowed>| some.as_ref().is_some_and(|some| some.holds(tool));
        match self {
            Approval::Always => true,
            Approval::Never => false,
            // Naming some that always need it would mean nothing if the others did, too.
            Approval::Some { always, never: None } => holds(always),
            Approval::Some { always, never } => holds(always) || !holds(never),
        }
    }
}

/// A hint of the server.
fn says(tool: &McpTool, hint: &str) -> bool {
    tool.annotations.as_ref().is_some_and(|a| a[hint] == json!(true))
}

/// Why a server cannot be used. For its user and the model: no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct McpError(String);

impl McpServer {
    /// A label is a short name: letters, digits, `_` and `-`, a letter first.
    pub fn is_label(label: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        label.len() <= LABEL_CHARS_MAX
            && label.starts_with(|c: char| c.is_ascii_alphabetic())
            && label.chars().all(plain)
    }

    /// The tools of a list that may be used.
    pub fn usable(&self, mut tools: Vec<McpTool>) -> Vec<McpTool> {
        tools.retain(|tool| self.allowed.iter().all(|allowed| allowed.holds(tool)));
        tools
    }

    /// `text` without what must not be shown.
    fn scrub(&self, mut text: String) -> String {
        let cut = |text: &mut String, secret: &str| {
            // A short one would tear holes into anything.
            if secret.len() >= 6 && text.contains(secret) {
                *text = text.replace(secret, "[redacted]");
            }
        };
        match &self.reached {
            Reached::Http { url, headers, .. } => {
                for (_, Secret(value)) in headers {
                    cut(&mut text, value);
                    cut(&mut text, value.strip_prefix("Bearer ").unwrap_or(value));
                }
                for (_, value) in url.query_pairs() {
                    cut(&mut text, &value);
                }
            }
            Reached::Stdio { env, .. } => {
                for Secret(value) in env.values() {
                    cut(&mut text, value);
                }
            }
            Reached::Nowhere { .. } => {}
        }
        text
    }
}

type Connection = RunningService<RoleClient, ClientConfig>;

/// A server as one response uses it.
#[derive(Clone)]
pub struct Session {
    server: Arc<McpServer>,
    /// `None` until it is needed, and after it broke.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Session {
    pub fn new(server: McpServer) -> Self {
        Session { server: Arc::new(server), connection: Arc::default() }
    }

    pub fn server(&self) -> &McpServer {
        &self.server
    }

    /// Asks the server what it offers. Gives what may be used of it.
    pub async fn list(&self) -> Result<Vec<McpTool>, McpError> {
        match tokio::time::timeout(LIST_TIME_MAX, self.list_pages()).await {
            Ok(listed) => listed,
            Err(_) => Err(McpError(format!("it did not answer within {LIST_TIME_MAX:?}"))),
        }
    }

    async fn list_pages(&self) -> Result<Vec<McpTool>, McpError> {
        let peer = self.peer().await?;
        let (mut tools, mut cursor) = (vec![], None);
        for _ in 0..PAGES_MAX {
            let mut page = PaginatedRequestParams::default();
            page.cursor = cursor.take();
            let listed = match peer.list_tools(Some(page)).await {
                Ok(listed) => listed,
                Err(e) => return Err(McpError(self.failed(&e).await)),
            };
            tools.extend(self.server.usable(listed.tools.into_iter().map(listed_tool).collect()));
            if tools.len() > TOOLS_MAX {
                return Err(McpError(format!(
                    "it offers more than {TOOLS_MAX} tools; choose some with `allowed_tools`"
                )));
            }
            let length =
                |tool: &McpTool| tool.input_schema.to_string().len() + description(tool).len();
            if tools.iter().map(length).sum::<usize>() > LIST_BYTES_MAX {
                return Err(McpError(format!(
                    "its list is longer than {LIST_BYTES_MAX} bytes; choose some tools with \
                     `allowed_tools`"
                )));
            }
            cursor = listed.next_cursor;
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(McpError(format!("its list has more than {PAGES_MAX} pages")))
    }

    /// The tools of a list, each under a name that is not among `taken`.
    pub fn tools(&self, listed: &[McpTool], taken: &mut Vec<String>) -> Vec<Box<dyn Tool>> {
        let tool = |listed: &McpTool| {
            let name = free_name(&self.server.label, &listed.name, taken);
            taken.push(name.clone());
            let tool = ServerTool {
                spec: spec(name, listed),
                name: listed.name.clone(),
                session: self.clone(),
                needs_approval: self.server.approval.needed(listed),
                repeatable: says(listed, "readOnlyHint") || says(listed, "idempotentHint"),
                interrupted: false,
            };
            Box::new(tool) as Box<dyn Tool>
        };
        listed.iter().map(tool).collect()
    }

    /// A connection, made anew where there is none.
    async fn peer(&self) -> Result<Peer<RoleClient>, McpError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.peer().clone());
        }
        let open = connect(&self.server).await?;
        let peer = open.peer().clone();
        *connection = Some(open);
        Ok(peer)
    }

    /// What went wrong, in words. A connection that is of no more use is dropped.
    async fn failed(&self, error: &ServiceError) -> String {
        let what = match error {
            ServiceError::McpError(e) => return self.told(&e.message),
            ServiceError::TransportSend(e) => cause(e.error.as_ref()),
            ServiceError::TransportClosed => "the connection to it was lost".to_owned(),
            ServiceError::UnexpectedResponse => "it answered with something else".to_owned(),
            _ => "the connection to it failed".to_owned(),
        };
        *self.connection.lock().await = None;
        self.told(&what)
    }

    fn told(&self, what: &str) -> String {
        crate::cap(&self.server.scrub(what.to_owned()), ERROR_CHARS_MAX)
    }
}

/// What a server lists, without what nobody here reads.
fn listed_tool(tool: rmcp::model::Tool) -> McpTool {
    let mut description = tool.description.map(|d| crate::cap(&d, DESCRIPTION_CHARS_MAX));
    let mut input_schema = Value::Object(Arc::unwrap_or_clone(tool.input_schema));
    let bytes = input_schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        input_schema = json!({"type": "object"});
        let note = format!("\n[the schema of its arguments, {bytes} bytes, is left out]");
        description.get_or_insert_default().push_str(&note);
    }
    let annotations = tool.annotations.and_then(|a| serde_json::to_value(a).ok());
    McpTool { name: tool.name.into_owned(), description, input_schema, annotations }
}

fn description(tool: &McpTool) -> &str {
    tool.description.as_deref().unwrap_or_default()
}

/// A tool as the model knows it.
fn spec(name: String, listed: &McpTool) -> ToolSpec {
    let parameters = listed.input_schema.clone();
    ToolSpec { name, description: description(listed).to_owned(), parameters, grammar: None }
}

/// Its own name where that is free and one that models may use; else with the label in front.
fn free_name(label: &str, name: &str, taken: &[String]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let own: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
    let own = if own.is_empty() { "tool".to_owned() } else { own };
    let with_label: String =
        format!("{label}__{own}").chars().map(plain).take(NAME_CHARS_MAX).collect();
    let numbered = (2..).map(|n| {
        let head: String = with_label.chars().take(NAME_CHARS_MAX - 8).collect();
        format!("{head}_{n}")
    });
    let mut names = [own, with_label.clone()].into_iter().chain(numbered);
    names.find(|name| !taken.contains(name)).expect("the numbers do not end")
}

async fn connect(server: &McpServer) -> Result<Connection, McpError> {
    let told = |what: String| McpError(crate::cap(&server.scrub(what), ERROR_CHARS_MAX));
    let own = Implementation::new("ozone", env!("CARGO_PKG_VERSION"));
    let client = ClientConfig::new(ClientCapabilities::default(), own);
    let connected = match &server.reached {
        Reached::Nowhere { cause } => return Err(McpError(cause.clone())),
        Reached::Http { url, headers, egress } => {
            let mut all = HashMap::new();
            for (name, Secret(value)) in headers {
                let mut value = HeaderValue::from_str(value)
                    .map_err(|_| told(format!("the header `{name}` is no text")))?;
                value.set_sensitive(true);
                all.insert(name.clone(), value);
            }
            let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
            config.custom_headers = all;
            let client_of = http::HttpClient { egress: egress.clone() };
            serve_client(client, StreamableHttpClientTransport::with_client(client_of, config))
                .await
        }
        Reached::Stdio { command, args, env, cwd } => {
            let mut process = Command::new(command);
            process.args(args).env_clear();
            for name in INHERITED {
                if let Some(value) = std::env::var_os(name) {
                    process.env(name, value);
                }
            }
            process.envs(env.iter().map(|(name, Secret(value))| (name, value)));
            if let Some(cwd) = cwd {
                process.current_dir(cwd);
            }
            process.kill_on_drop(true);
            let mut wrapped = CommandWrap::from(process);
            // Launchers such as npx start another process: all of them go.
            wrapped.wrap(ProcessGroup::leader());
            let spawned = TokioChildProcess::builder(wrapped).stderr(Stdio::piped()).spawn();
            let (child, stderr) =
                spawned.map_err(|e| told(format!("`{command}` did not start: {e}")))?;
            if let Some(stderr) = stderr {
                tokio::spawn(log(server.clone(), stderr));
            }
            serve_client(client, child).await
        }
    };
    connected.map_err(|e| told(not_connected(&e)))
}

/// What a child process says beside the protocol is for whoever looks for a fault.
async fn log(server: McpServer, stderr: ChildStderr) {
    let mut lines = tokio::io::BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!("MCP server `{}`: {}", server.label, server.scrub(line));
    }
}

fn not_connected(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => cause(error.error.as_ref()),
        ClientInitializeError::JsonRpcError(e) => e.message.to_string(),
        ClientInitializeError::ConnectionClosed(_) => "it ended without an answer".to_owned(),
        _ => "it does not speak MCP".to_owned(),
    }
}

/// The cause of a failed transport, without its wrappings.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(e) = e.downcast_ref::<StreamableHttpError<EgressError>>() {
            return match e {
                StreamableHttpError::Client(e) => e.to_string(),
                StreamableHttpError::UnexpectedServerResponse(what) => what.to_string(),
                StreamableHttpError::SessionExpired => "its session has ended".to_owned(),
                _ => "the connection to it failed".to_owned(),
            };
        }
        next = e.source();
    }
    "the connection to it was lost".to_owned()
}

/// One tool of a server.
#[derive(Clone)]
struct ServerTool {
    spec: ToolSpec,
    /// As the server knows it.
    name: String,
    session: Session,
    needs_approval: bool,
    /// Calling it twice does no more than calling it once, its server says.
    repeatable: bool,
    interrupted: bool,
}

#[async_trait]
impl Tool for ServerTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        let server_label = self.session.server.label.clone();
        Shown::McpCall { server_label, name: self.name.clone() }
    }

    fn resumed(&mut self, _: usize) {}

    fn needs_approval(&self) -> bool {
        self.needs_approval
    }

    fn interrupted(&mut self) {
        self.interrupted = true;
    }

    fn beside(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let arguments: JsonObject = serde_json::from_str(&call.arguments).map_err(|e| {
            ToolError::BadArguments(format!("the arguments are no JSON object ({e})"))
        })?;
        if std::mem::take(&mut self.interrupted) && !self.repeatable {
            return Ok(failed(
                "this call was under way when the process was interrupted, and was not made \
                 again: whether it took effect is not known; look before you repeat it",
            ));
        }
        // Dropping the request tells the server that nobody waits any more.
        let done = tokio::select! {
            biased;
            () = call.cancel.cancelled() => None,
            done = tokio::time::timeout(call.timeout, self.request(arguments)) => Some(done),
        };
        let response = match done {
            None => return Ok(failed("the call was cancelled")),
            Some(Err(_)) => {
                let limit = call.timeout;
                return Ok(failed(&format!("the call was stopped: no answer within {limit:?}")));
            }
            Some(Ok(Err(why))) => return Ok(failed(&why)),
            Some(Ok(Ok(response))) => response,
        };
        let (text, failed) = match response {
            CallToolResponse::Complete(result) => {
                let failed = result.is_error.unwrap_or(false);
                (text::of(&result), failed)
            }
            CallToolResponse::InputRequired(_) => {
                ("the tool asks its user for more, which cannot be given here".to_owned(), true)
            }
            // A task that goes on in the background, and what later versions add.
            _ => ("the tool answered with something that is not followed here".to_owned(), true),
        };
        let text = crate::cap(&self.session.server.scrub(text), call.output_chars_max);
        Ok(ToolOutput { text, failed, ..ToolOutput::default() })
    }
}

impl ServerTool {
    async fn request(&self, arguments: JsonObject) -> Result<CallToolResponse, String> {
        let unreachable = |e: McpError| {
            format!("the MCP server `{}` cannot be reached: {e}", self.session.server.label)
        };
        let peer = self.session.peer().await.map_err(unreachable)?;
        let params = CallToolRequestParams::new(self.name.clone()).with_arguments(arguments);
        match peer.call_tool_once(params).await {
            Ok(response) => Ok(response),
            Err(e) => Err(self.session.failed(&e).await),
        }
    }
}

fn failed(text: &str) -> ToolOutput {
    ToolOutput { text: text.to_owned(), failed: true, ..ToolOutput::default() }
}

/// The header that an access token goes into.
pub fn bearer(token: &str) -> (HeaderName, Secret) {
    (AUTHORIZATION, Secret::new(format!("Bearer {token}")))
}
