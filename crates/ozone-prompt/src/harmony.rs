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
    let mut out = String::new();
    let functions = conversation.tools.iter().any(|tool| !is_builtin(tool));
    out.push_str("<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06");
    if let Some(day) = conversation.today {
        out.push_str(&format!("\nCurrent date: {}-{:02}-{:02}", day.year, day.month, day.day));
    }
    let effort = conversation.effort.unwrap_or(Effort::Medium).level();
    out.push_str(&format!(
        "\n\nReasoning: {effort}\n\n# Valid channels: analysis, commentary, final. Channel must be \
         included for every message."
    ));
    if functions {
        out.push_str("\nCalls to these tools must go to the commentary channel: 'functions'.");
    }
    out.push_str("<|end|>");

    let head = messages
        .iter()
        .take_while(|m| matches!(m, Message::System { .. } | Message::Developer { .. }))
        .count();
    let instructions: Vec<String> = conversation
        .instructions
        .iter()
        .map(String::as_str)
        .chain(messages[..head].iter().filter_map(|message| match message {
            Message::System { text } | Message::Developer { text } => Some(text.as_str()),
            _ => None,
        }))
        .filter(|text| !text.is_empty())
        .map(|text| marks.mark(text))
        .collect();
    let mut developer = vec![];
    if !instructions.is_empty() {
        developer.push(format!("# Instructions\n\n{}", instructions.join("\n\n")));
    }
    if functions {
        developer.push(namespace(&conversation.tools, marks));
    }
    if !developer.is_empty() {
        out.push_str("<|start|>developer<|message|>");
        out.push_str(&developer.join("\n\n"));
        out.push_str("<|end|>");
    }

    // Analysis is only read again until the turn's answer.
    let last_final = messages.iter().rposition(
        |message| matches!(message, Message::Assistant { tool_calls, .. } if tool_calls.is_empty()),
    );
    for (at, message) in messages.iter().enumerate().skip(head) {
        match message {
            Message::System { text } | Message::Developer { text } => {
                out.push_str("<|start|>developer<|message|># Instructions\n\n");
                out.push_str(&marks.mark(text));
                out.push_str("<|end|>");
            }
            Message::User { text } => {
                out.push_str("<|start|>user<|message|>");
                out.push_str(&marks.mark(text));
                out.push_str("<|end|>");
            }
            Message::Assistant { reasoning, text, tool_calls } => {
                let reasoning = reasoning.as_deref().filter(|text| !text.is_empty());
                if let Some(reasoning) = reasoning
                    && last_final.is_none_or(|last| at > last)
                {
                    out.push_str("<|start|>assistant<|channel|>analysis<|message|>");
                    out.push_str(&marks.mark(reasoning));
                    out.push_str("<|end|>");
                }
                if !text.is_empty() {
                    let channel = if tool_calls.is_empty() { "final" } else { "commentary" };
                    out.push_str(&format!("<|start|>assistant<|channel|>{channel}<|message|>"));
                    out.push_str(&marks.mark(text));
                    out.push_str("<|end|>");
                }
                for call in tool_calls {
                    out.push_str("<|start|>assistant to=");
                    out.push_str(&recipient(&call.name, conversation, marks));
                    out.push_str("<|channel|>commentary <|constrain|>json<|message|>");
                    out.push_str(&marks.mark(&call.arguments));
                    out.push_str("<|call|>");
                }
            }
            Message::ToolResult { name, output, .. } => {
                out.push_str("<|start|>");
                out.push_str(&recipient(name, conversation, marks));
                out.push_str(" to=assistant<|channel|>commentary<|message|>");
                out.push_str(&marks.mark(output));
                out.push_str("<|end|>");
            }
        }
    }
    if generation_prompt {
        out.push_str("<|start|>assistant");
    }
    out
}

/// Every tool of a [`Conversation`] has a schema, so all of them are functions to gpt-oss; a name
/// with a dot, such as `browser.search`, is a recipient of its own.
fn is_builtin(tool: &ToolSpec) -> bool {
    tool.name.contains('.')
}

fn recipient(name: &str, conversation: &Conversation, marks: &Marks) -> String {
    let known_builtin = conversation.tools.iter().any(|tool| tool.name == name && is_builtin(tool));
    let name = marks.mark(&name.replace(char::is_whitespace, "_"));
    if known_builtin { name } else { format!("functions.{name}") }
}

/// Tools as TypeScript, grouped by namespace.
fn namespace(tools: &[ToolSpec], marks: &Marks) -> String {
    let mut out = String::from("# Tools\n\n## functions\n\nnamespace functions {\n");
    for tool in tools.iter().filter(|tool| !is_builtin(tool)) {
        out.push('\n');
        for line in tool.description.lines() {
            out.push_str(&format!("// {}\n", marks.mark(line)));
        }
        let name = marks.mark(&tool.name);
        let empty = tool
            .parameters
            .get("properties")
            .and_then(|p| p.as_object())
            .is_none_or(|p| p.is_empty());
        if empty {
            out.push_str(&format!("type {name} = () => any;\n"));
        } else {
            let parameters = crate::template::mark_json(&tool.parameters, marks);
            out.push_str(&format!(
                "type {name} = (_: {}) => any;\n",
                typescript(&parameters, "", 0)
            ));
        }
    }
    out.push_str("\n} // namespace functions");
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
