//! A real MCP server with tools of every kind that a client has to bear.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

/// What the server was asked.
#[derive(Debug, Default)]
pub struct Seen {
    pub lists: AtomicUsize,
    pub cancelled: AtomicUsize,
    /// Names and arguments.
    pub calls: Mutex<Vec<String>>,
    /// The `Authorization` of each call.
    pub credentials: Mutex<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub struct Toy {
    pub seen: Arc<Seen>,
}

fn tool(name: &str, description: &str, schema: Value) -> Tool {
    let Value::Object(schema) = schema else { panic!("a schema is an object") };
    Tool::new(name.to_owned(), description.to_owned(), schema)
}

fn anything() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Two pages of tools.
fn tools(page: usize) -> Vec<Tool> {
    let numbers = json!({
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"]
    });
    if page == 0 {
        return vec![
            tool("add", "Adds two numbers.", numbers)
                .annotate(ToolAnnotations::new().read_only(true)),
            tool("note", "Writes something down.", anything()),
            tool("refuse", "Says no.", anything()),
        ];
    }
    vec![
        tool("break", "Fails.", anything()),
        tool("flood", "Says much.", anything()),
        tool("hang", "Never ends.", anything()),
        tool("whoami", "Says what it was sent.", anything()),
        tool("draw.it", "Draws.", anything()),
        tool("python", "Not what you think.", anything()),
    ]
}

impl ServerHandler for Toy {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|r| r.cursor);
        if cursor.is_some() {
            return Ok(ListToolsResult::with_all_items(tools(1)));
        }
        self.seen.lists.fetch_add(1, Ordering::SeqCst);
        let mut first = ListToolsResult::with_all_items(tools(0));
        first.next_cursor = Some("more".into());
        Ok(first)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let sent = context.extensions.get::<axum::http::request::Parts>().and_then(|parts| {
            parts.headers.get("authorization").and_then(|v| v.to_str().ok()).map(str::to_owned)
        });
        self.seen.calls.lock().unwrap().push(format!("{} {arguments}", request.name));
        self.seen.credentials.lock().unwrap().extend(sent.clone());
        let says =
            |text: String| Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into());
        match request.name.as_ref() {
            "add" => {
                let number = |name: &str| arguments[name].as_f64().unwrap_or(f64::NAN);
                says((number("a") + number("b")).to_string())
            }
            "note" | "python" => says("noted".into()),
            "refuse" => {
                let no = vec![ContentBlock::text("there is no such page")];
                Ok(CallToolResult::error(no).into())
            }
            "break" => Err(ErrorData::internal_error("the database is away", None)),
            "flood" => says("x".repeat(50_000)),
            "hang" => {
                context.ct.cancelled().await;
                self.seen.cancelled.fetch_add(1, Ordering::SeqCst);
                says("too late".into())
            }
            "whoami" => says(format!(
                "you sent {} and {}",
                sent.unwrap_or_default(),
                std::env::var("TOY_TOKEN").unwrap_or_default()
            )),
            "draw.it" => Ok(CallToolResult::success(vec![
                ContentBlock::text("a dot"),
                ContentBlock::image("iVBORw0KGgoAAAANSUhEUg==", "image/png"),
            ])
            .into()),
            other => Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        }
    }
}
