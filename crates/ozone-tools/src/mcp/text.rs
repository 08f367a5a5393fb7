//! What a tool's result says, as text for the model.

use rmcp::model::CallToolResult;
use serde_json::Value;

/// The parts of a result, a line between them. What is no text is named with its size.
pub(super) fn of(result: &CallToolResult) -> String {
    let parts: Vec<String> = result
        .content
        .iter()
        .map(|block| part(&serde_json::to_value(block).unwrap_or_default()))
        .collect();
    match (&result.structured_content, parts.is_empty()) {
        (Some(value), true) => value.to_string(),
        (Some(_) | None, _) => parts.join("\n"),
    }
}

fn part(block: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match block["type"].as_str() {
        Some("text") => text(&block["text"]),
        Some("resource_link") => {
            format!("[resource `{}`: {}]", text(&block["name"]), text(&block["uri"]))
        }
        Some("resource") => match &block["resource"]["text"] {
            Value::String(own) => own.clone(),
            _ => omitted("resource", &block["resource"], "blob"),
        },
        Some(kind) => omitted(kind, block, "data"),
        None => "[a part that cannot be read is left out]".to_owned(),
    }
}

fn omitted(kind: &str, block: &Value, data: &str) -> String {
    // Base64: four characters for three bytes.
    let bytes = block[data].as_str().map_or(0, str::len) / 4 * 3;
    let mime = block["mimeType"].as_str().unwrap_or("of no stated type");
    format!("[{kind}, {mime}, about {bytes} bytes: left out]")
}
