//! gpt-oss's prompt. Source: the Harmony response format, and the `openai-harmony` crate 0.0.8,
//! which cannot be used itself because it downloads its vocabulary when it is first asked.

use crate::marks::Marks;
use crate::message::{Conversation, Effort, Message, ToolSpec};

/// Every message is closed, so a rendering is a prefix of the rendering of a longer conversation,
/// except where the analysis of a finished turn is dropped.
pub fn render(
    conversation: &Conversation,
    messages: &[Message],
    marks: &Marks,
    generation_prompt: bool,
) -> String {
    let head = messages
        .iter()
        .take_while(|m| matches!(m, Message::System { .. } | Message::Developer { .. }))
        .count();
    let mut out = system(conversation);
    out.push_str(&developer(conversation, &messages[..head], marks));
    // Analysis is only read again until the turn's answer.
    let last_final = messages.iter().rposition(
        |message| matches!(message, Message::Assistant { tool_calls, .. } if tool_calls.is_empty()),
    );
    for (at, message) in messages.iter().enumerate().skip(head) {
        let analysis = last_final.is_none_or(|last| at > last);
        push_message(&mut out, (at, message), analysis, conversation, marks);
    }
    if generation_prompt {
        out.push_str("<|start|>assistant");
    }
    out
}

fn system(conversation: &Conversation) -> String {
    let mut out = String::from(
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n\
         Knowledge cutoff: 2024-06",
    );
    if let Some(day) = conversation.today {
        out.push_str(&format!("\nCurrent date: {}-{:02}-{:02}", day.year, day.month, day.day));
    }
    let effort = conversation.effort.unwrap_or(Effort::Medium).level();
    out.push_str(&format!(
        "\n\nReasoning: {effort}\n\n# Valid channels: analysis, commentary, final. Channel must be \
         included for every message."
    ));
    if conversation.tools.iter().any(|tool| namespace_of(&tool.name).is_none()) {
        out.push_str("\nCalls to these tools must go to the commentary channel: 'functions'.");
    }
    out.push_str("<|end|>");
    out
}

/// Instructions and tools; nothing if there are neither.
fn developer(conversation: &Conversation, head: &[Message], marks: &Marks) -> String {
    let instructions: Vec<String> = conversation
        .instructions
        .iter()
        .map(String::as_str)
        .chain(head.iter().filter_map(|message| match message {
            Message::System { text } | Message::Developer { text } => Some(text.as_str()),
            _ => None,
        }))
        .filter(|text| !text.is_empty())
        .map(|text| marks.mark(text))
        .collect();
    let mut parts = vec![];
    if !instructions.is_empty() {
        parts.push(format!("# Instructions\n\n{}", instructions.join("\n\n")));
    }
    if !conversation.tools.is_empty() {
        parts.push(tools(&conversation.tools, marks));
    }
    if parts.is_empty() {
        return String::new();
    }
    format!("<|start|>developer<|message|>{}<|end|>", parts.join("\n\n"))
}

fn push_message(
    out: &mut String,
    (at, message): (usize, &Message),
    analysis: bool,
    conversation: &Conversation,
    marks: &Marks,
) {
    match message {
        Message::System { text } | Message::Developer { text } => {
            let text = marks.mark(text);
            out.push_str(&format!("<|start|>developer<|message|># Instructions\n\n{text}<|end|>"));
        }
        Message::User { text } => {
            let text = conversation.shown(at, text, marks);
            out.push_str(&format!("<|start|>user<|message|>{text}<|end|>"));
        }
        Message::Assistant { reasoning, text, tool_calls } => {
            let mut say = |channel: &str, text: &str| {
                if !text.is_empty() {
                    let text = marks.mark(text);
                    out.push_str(&format!(
                        "<|start|>assistant<|channel|>{channel}<|message|>{text}<|end|>"
                    ));
                }
            };
            say("analysis", reasoning.as_deref().filter(|_| analysis).unwrap_or_default());
            say(if tool_calls.is_empty() { "final" } else { "commentary" }, text);
            for call in tool_calls {
                let to = recipient(&call.name, conversation, marks);
                let arguments = marks.mark(&call.arguments);
                out.push_str(&format!(
                    "<|start|>assistant to={to}<|channel|>commentary <|constrain|>json<|message|>\
                     {arguments}<|call|>"
                ));
            }
        }
        Message::ToolResult { name, output, .. } => {
            let (from, output) = (recipient(name, conversation, marks), marks.mark(output));
            out.push_str(&format!(
                "<|start|>{from} to=assistant<|channel|>commentary<|message|>{output}<|end|>"
            ));
        }
    }
}

/// `browser.search` is the tool `search` of the namespace `browser`; a name without a dot is one of
/// the `functions`.
fn namespace_of(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(space, name)| !space.is_empty() && !name.is_empty())
}

fn recipient(name: &str, conversation: &Conversation, marks: &Marks) -> String {
    let spaced = namespace_of(name).is_some() && conversation.tools.iter().any(|t| t.name == name);
    let name = marks.mark(&name.replace(char::is_whitespace, "_"));
    if spaced { name } else { format!("functions.{name}") }
}

/// Tools as TypeScript, grouped by namespace.
fn tools(tools: &[ToolSpec], marks: &Marks) -> String {
    let mut spaces: Vec<(&str, String)> = vec![];
    for tool in tools {
        let (space, name) = namespace_of(&tool.name).unwrap_or(("functions", &tool.name));
        let declared = declaration(tool, name, marks);
        match spaces.iter_mut().find(|(known, _)| *known == space) {
            Some((_, text)) => text.push_str(&declared),
            None => spaces.push((space, declared)),
        }
    }
    let mut out = String::from("# Tools");
    for (space, text) in spaces {
        let space = marks.mark(space);
        out.push_str(&format!(
            "\n\n## {space}\n\nnamespace {space} {{\n{text}\n}} // namespace {space}"
        ));
    }
    out
}

fn declaration(tool: &ToolSpec, name: &str, marks: &Marks) -> String {
    let mut out = String::from("\n");
    for line in tool.description.lines() {
        out.push_str(&format!("// {}\n", marks.mark(line)));
    }
    let name = marks.mark(name);
    let properties = tool.parameters.get("properties").and_then(|p| p.as_object());
    if properties.is_none_or(|p| p.is_empty()) {
        out.push_str(&format!("type {name} = () => any;\n"));
    } else {
        let parameters = crate::template::mark_json(&tool.parameters, marks);
        out.push_str(&format!("type {name} = (_: {}) => any;\n", typescript(&parameters, "", 0)));
    }
    out
}

const SCHEMA_DEPTH_MAX: usize = 32;

fn typescript(schema: &serde_json::Value, indent: &str, depth: usize) -> String {
    if depth > SCHEMA_DEPTH_MAX {
        return "any".into();
    }
    let union = |key: &str| schema.get(key).and_then(|v| v.as_array()).filter(|v| !v.is_empty());
    if let Some(values) = union("enum") {
        return values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(variants) = union("oneOf").or_else(|| union("anyOf")) {
        let parts: Vec<String> =
            variants.iter().map(|variant| typescript(variant, indent, depth + 1)).collect();
        return parts.join(" | ");
    }
    let one = |name: &str| match name {
        "object" => object(schema, indent, depth),
        "array" => match schema.get("items") {
            Some(items) => {
                let inner = typescript(items, indent, depth + 1);
                if inner.contains(" | ") { format!("({inner})[]") } else { format!("{inner}[]") }
            }
            None => "Array<any>".into(),
        },
        "integer" | "number" => "number".into(),
        "string" | "boolean" | "null" => name.to_string(),
        _ => "any".into(),
    };
    match schema.get("type") {
        Some(serde_json::Value::String(name)) => one(name),
        Some(serde_json::Value::Array(names)) => {
            names.iter().filter_map(|name| name.as_str()).map(one).collect::<Vec<_>>().join(" | ")
        }
        _ if schema.get("properties").is_some() => one("object"),
        _ => "any".into(),
    }
}

fn object(schema: &serde_json::Value, indent: &str, depth: usize) -> String {
    let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else {
        return "object".into();
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(|r| r.as_array())
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    let mut out = String::from("{\n");
    for (key, property) in properties {
        if let Some(text) = property.get("description").and_then(|d| d.as_str()) {
            for line in text.lines() {
                out.push_str(&format!("{indent}// {line}\n"));
            }
        }
        let optional = if required.contains(&key.as_str()) { "" } else { "?" };
        let inner = typescript(property, &format!("{indent}    "), depth + 1);
        let nullable = property.get("nullable").and_then(|n| n.as_bool()).unwrap_or(false);
        let null = if nullable && !inner.contains("null") { " | null" } else { "" };
        out.push_str(&format!("{indent}{key}{optional}: {inner}{null},"));
        if let Some(default) = property.get("default") {
            out.push_str(&format!(" // default: {default}"));
        }
        out.push('\n');
    }
    out.push_str(&format!("{indent}}}"));
    out
}
