//! Calls that a model printed as text, in the syntax of another family.
//!
//! Local models do this when a template or a quantisation loses their own syntax, and then "nothing
//! happens" (codex#1558, opencode#1034). It is only repaired when the whole message is such a call
//! and the name is that of an offered tool; everything else is an answer.

use serde_json::Value;

use super::call::{bad_json, check, cut_off, unfenced, wrapped};
use super::{Out, ParsedItem, StreamParser};
use crate::{Format, ToolSpec};

pub enum Repaired {
    Calls(Vec<(String, String)>),
    /// It is a call of this tool, but not a readable one.
    Broken {
        name: String,
        message: String,
    },
    Text,
}

const OPENINGS: [&str; 9] = [
    "```",
    "<function=",
    "<function_call>",
    "<tool_call>",
    "<｜tool▁calls▁begin｜>",
    "<tools>",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<|tool_call|>",
];
const NAME_KEYS: [&str; 5] = ["name", "tool", "tool_name", "function", "recipient_name"];
const ARGUMENT_KEYS: [&str; 5] = ["arguments", "parameters", "args", "input", "params"];

/// Whether a message that begins like this may still turn out to be a call. Once it says no, it says
/// no to every longer text.
pub fn could_be_call(text: &str, tools: &[ToolSpec]) -> bool {
    let text = text.trim_start();
    if tools.is_empty() {
        return false;
    }
    if text.is_empty() {
        return true;
    }
    if let Some(opening) = OPENINGS.iter().find(|opening| text.starts_with(*opening)) {
        return match *opening {
            "```" => fence_could_be_call(&text[3..], tools),
            "<function=" => name_could_be(text["<function=".len()..].split(['>', ' ']), tools),
            "<function_call>" | "<tools>" | "<tool_call>" => {
                let inner = text[opening.len()..].trim_start();
                inner.is_empty() || inner.starts_with('<') || json_could_be_call(inner, tools)
            }
            _ => true,
        };
    }
    OPENINGS.iter().any(|opening| opening.starts_with(text)) || json_could_be_call(text, tools)
}

fn name_could_be<'a>(mut split: impl Iterator<Item = &'a str>, tools: &[ToolSpec]) -> bool {
    let name = split.next().unwrap_or_default();
    let ended = split.next().is_some();
    tools.iter().any(|tool| if ended { tool.name == name } else { tool.name.starts_with(name) })
}

fn fence_could_be_call(after: &str, tools: &[ToolSpec]) -> bool {
    const LABELS: [&str; 5] = ["json", "tool_call", "tool_code", "tool", "xml"];
    let Some((label, inner)) = after.split_once('\n') else {
        let label = after.trim_end();
        return LABELS.iter().any(|known| known.starts_with(label));
    };
    let label = label.trim();
    let inner = inner.trim_start();
    (label.is_empty() || LABELS.contains(&label))
        && (inner.is_empty()
            || json_could_be_call(inner, tools)
            || "<function=".starts_with(inner)
            || inner.starts_with("<function="))
}

/// `{"name": "TOOL"…`, or a list that begins so. The keys before the name must be such as calls have.
fn json_could_be_call(text: &str, tools: &[ToolSpec]) -> bool {
    let text = text.strip_prefix('[').map_or(text, str::trim_start);
    if text.is_empty() {
        return true;
    }
    let Some(mut rest) = text.strip_prefix('{') else { return false };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            return true;
        }
        let Some((key, after)) = string_at(rest) else {
            // An unfinished key, as long as it is the beginning of a known one.
            return rest.strip_prefix('"').is_some_and(|open| {
                NAME_KEYS
                    .iter()
                    .chain(&ARGUMENT_KEYS)
                    .chain(&["type", "id"])
                    .any(|k| k.starts_with(open))
            });
        };
        let after = after.trim_start();
        if after.is_empty() {
            return is_call_key(&key);
        }
        let Some(value) = after.strip_prefix(':').map(str::trim_start) else { return false };
        if !is_call_key(&key) {
            return false;
        }
        if value.is_empty() {
            return true;
        }
        if NAME_KEYS.contains(&key.as_str()) {
            if key == "function" && value.starts_with('{') {
                rest = &value[1..];
                continue;
            }
            return match string_at(value) {
                Some((name, _)) => offered(&name, tools),
                None => value.strip_prefix('"').is_some_and(|open| {
                    tools.iter().any(|tool| {
                        tool.name.starts_with(open)
                            || format!("functions.{}", tool.name).starts_with(open)
                    })
                }),
            };
        }
        if ARGUMENT_KEYS.contains(&key.as_str()) {
            // Arguments before the name: the name decides at the end.
            return matches!(value.as_bytes()[0], b'{' | b'"');
        }
        let Some((_, after)) = string_at(value) else { return value.starts_with('"') };
        rest = after;
    }
}

fn is_call_key(key: &str) -> bool {
    NAME_KEYS.contains(&key) || ARGUMENT_KEYS.contains(&key) || matches!(key, "type" | "id")
}

/// The JSON string at the beginning, if it is complete, and what follows it.
fn string_at(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let literal = &text[..at + 2];
                return Some((serde_json::from_str(literal).unwrap_or_default(), &inner[at + 1..]));
            }
            _ => {}
        }
    }
    None
}

fn offered(name: &str, tools: &[ToolSpec]) -> bool {
    tools.iter().any(|tool| tool.name == bare(name))
}

fn bare(name: &str) -> &str {
    name.strip_prefix("functions.").unwrap_or(name)
}

/// Whether the text ends before what it opened.
pub fn is_cut(text: &str) -> bool {
    let text = unfenced(text);
    match text.find(['{', '[']) {
        Some(at) => {
            let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
            matches!(values.next(), Some(Err(error)) if error.is_eof())
        }
        None => true,
    }
}

/// The whole message.
pub fn parse(text: &str, tools: &[ToolSpec], cut_off: bool) -> Repaired {
    if !could_be_call(text, tools) && !text.trim_start().starts_with(['[', '<']) {
        return Repaired::Text;
    }
    let text = text.trim();
    if text.starts_with("<tool_call>") {
        return in_format(Format::HermesQwen, text, tools);
    }
    if text.starts_with("<｜tool▁calls▁begin｜>") {
        return in_format(Format::DeepSeekR1, text, tools);
    }
    if let Some(rest) = text.strip_prefix("[TOOL_CALLS]") {
        return mistral(rest, tools);
    }
    if let Some(rest) = text.strip_prefix("<|tool_call|>") {
        return json(rest.trim_end().trim_end_matches("<|/tool_call|>"), tools);
    }
    if let Some(rest) = text.strip_prefix("<|python_tag|>") {
        return llama(rest, tools, cut_off);
    }
    let mut body = unfenced(text);
    for (open, close) in [("<function_call>", "</function_call>"), ("<tools>", "</tools>")] {
        if let Some(inner) = body.strip_prefix(open) {
            body = inner.trim().strip_suffix(close).unwrap_or(inner).trim();
        }
    }
    if body.starts_with("<function=") {
        return xml(body, tools);
    }
    json(body, tools)
}

fn json(text: &str, tools: &[ToolSpec]) -> Repaired {
    match values(text) {
        Ok(values) => {
            let mut calls = vec![];
            for value in values {
                match calls_of(&value, tools) {
                    Some(more) if more.iter().all(|(name, _)| offered(name, tools)) => {
                        calls.extend(more)
                    }
                    _ => return Repaired::Text,
                }
            }
            if calls.is_empty() { Repaired::Text } else { Repaired::Calls(calls) }
        }
        Err(error) => match named(text, tools) {
            // A call and then words: an answer that shows one.
            Some(_) if first_value(text).is_some() => Repaired::Text,
            Some(name) if error.is_eof() => {
                let message = cut_off(&name);
                Repaired::Broken { name, message }
            }
            Some(name) => {
                let message = bad_json(&name, &error, text);
                Repaired::Broken { name, message }
            }
            None => Repaired::Text,
        },
    }
}

/// One value, or several one after the other: Llama puts `;` between its calls.
fn values(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    let text = escaped_breaks(text);
    let mut out = vec![];
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => out.push(value),
            Some(Err(error)) => return Err(error),
            None => break,
        }
        let used = stream.byte_offset();
        rest =
            rest[used..].trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ';' | ','));
    }
    Ok(out)
}

fn first_value(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(&escaped_breaks(text)).into_iter().next()?.ok()
}

/// Line breaks and tabs inside strings as JSON wants them.
fn escaped_breaks(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if in_string => out.push_str("\\n"),
            '\r' if in_string => out.push_str("\\r"),
            '\t' if in_string => out.push_str("\\t"),
            c => out.push(c),
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    out
}

/// The offered tool that a broken call begins with.
fn named(text: &str, tools: &[ToolSpec]) -> Option<String> {
    let at = text.find("\"name\"")?;
    let value = text[at + 6..].trim_start().strip_prefix(':')?.trim_start();
    let (name, _) = string_at(value)?;
    offered(&name, tools).then(|| bare(&name).to_string())
}

/// The calls that a JSON value stands for: an object, a list, or OpenAI's nested form.
pub fn calls_of(value: &Value, tools: &[ToolSpec]) -> Option<Vec<(String, String)>> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let calls: Option<Vec<_>> = items.iter().map(|item| calls_of(item, tools)).collect();
            Some(calls?.into_iter().flatten().collect())
        }
        Value::Object(map) => {
            if let Some(inner @ Value::Object(_)) = map.get("function") {
                return calls_of(inner, tools);
            }
            let name = NAME_KEYS.iter().find_map(|key| map.get(*key)?.as_str())?;
            let name = bare(name).to_string();
            let arguments = ARGUMENT_KEYS.iter().find_map(|key| map.get(*key));
            let arguments = match arguments {
                None | Some(Value::Null) => "{}".to_string(),
                Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
                    Ok(Value::Object(_)) => text.clone(),
                    _ => wrapped(&name, text, tools)?,
                },
                Some(object @ Value::Object(_)) => crate::json::dumps(object),
                Some(_) => return None,
            };
            Some(vec![(name, arguments)])
        }
        _ => None,
    }
}

/// Run through another family's own parser; it counts if nothing but calls comes out.
fn in_format(format: Format, text: &str, tools: &[ToolSpec]) -> Repaired {
    let parsed = StreamParser::parse_strictly(format, tools, text);
    let mut calls = vec![];
    for item in &parsed.items {
        match item {
            ParsedItem::ToolCall { name, arguments, problem, .. } if offered(name, tools) => {
                match problem {
                    Some(message) => {
                        return Repaired::Broken { name: name.clone(), message: message.clone() };
                    }
                    None => calls.push((name.clone(), arguments.clone())),
                }
            }
            _ => return Repaired::Text,
        }
    }
    if calls.is_empty() { Repaired::Text } else { Repaired::Calls(calls) }
}

/// `[TOOL_CALLS][{…}]`, and the later `[TOOL_CALLS]NAME[ARGS]{…}`, also several of them.
fn mistral(text: &str, tools: &[ToolSpec]) -> Repaired {
    let text = text.trim();
    if text.starts_with(['[', '{']) && !text.starts_with("[ARGS]") {
        return json(text, tools);
    }
    let mut calls = vec![];
    for part in text.split("[TOOL_CALLS]").filter(|part| !part.trim().is_empty()) {
        let Some(at) = part.find('{') else { return Repaired::Text };
        let head = part[..at].trim();
        let head = head.strip_suffix("[ARGS]").unwrap_or(head);
        let name = head.split("[CALL_ID]").next().unwrap_or(head).trim();
        if !offered(name, tools) {
            return Repaired::Text;
        }
        match values(&part[at..]) {
            Ok(values) => match values.as_slice() {
                [object @ Value::Object(_)] => {
                    calls.push((bare(name).to_string(), crate::json::dumps(object)));
                }
                _ => return Repaired::Text,
            },
            Err(error) => {
                let message = if error.is_eof() {
                    cut_off(name)
                } else {
                    bad_json(name, &error, &part[at..])
                };
                return Repaired::Broken { name: name.to_string(), message };
            }
        }
    }
    if calls.is_empty() { Repaired::Text } else { Repaired::Calls(calls) }
}

/// `<|python_tag|>{…}`, or plain code if a Python tool was offered.
fn llama(text: &str, tools: &[ToolSpec], cut_off: bool) -> Repaired {
    let text = text.trim();
    if text.starts_with('{') && json_could_be_call(text, tools) {
        return json(text, tools);
    }
    let interpreter = ["python", "ipython", "code_interpreter"]
        .iter()
        .find_map(|name| Some((*name, wrapped(name, text, tools)?)));
    match interpreter {
        Some((name, _)) if cut_off => {
            Repaired::Broken { name: name.to_string(), message: super::call::cut_off(name) }
        }
        Some((name, arguments)) if !text.is_empty() => {
            Repaired::Calls(vec![(name.to_string(), arguments)])
        }
        _ => Repaired::Text,
    }
}

fn xml(text: &str, tools: &[ToolSpec]) -> Repaired {
    let mut calls = vec![];
    let mut rest = text.trim();
    while let Some(after) = rest.strip_prefix("<function=") {
        let Some((name, body)) = after.split_once('>') else { return Repaired::Text };
        let name = name.trim().trim_matches('"');
        if !offered(name, tools) {
            return Repaired::Text;
        }
        let Some((body, after)) = body.split_once("</function>") else {
            // Llama leaves the closing tag out when it stops at once.
            if let Ok(values) = values(body)
                && let [object @ Value::Object(_)] = values.as_slice()
            {
                calls.push((bare(name).to_string(), crate::json::dumps(object)));
                return Repaired::Calls(calls);
            }
            return Repaired::Broken { name: name.to_string(), message: cut_off(name) };
        };
        match function_arguments(name, body, tools) {
            Ok(arguments) => calls.push((bare(name).to_string(), arguments)),
            Err(message) => return Repaired::Broken { name: name.to_string(), message },
        }
        rest = after.trim_start();
    }
    if calls.is_empty() || !rest.is_empty() { Repaired::Text } else { Repaired::Calls(calls) }
}

/// Whether what stands between the tags, if it is no single JSON object, is whole.
pub fn other_complete(raw: &str) -> bool {
    let raw = raw.trim();
    if raw.starts_with('[') {
        return values(raw).is_ok();
    }
    raw.ends_with("</function>")
}

/// The end of a `<tool_call>` with XML or a list in it.
pub fn end_other(raw: &str, tools: &[ToolSpec], cut: bool, out: &mut Out) {
    if raw.trim().starts_with('[') {
        return end_list(raw, tools, cut, out);
    }
    let text = raw.trim();
    let name = text
        .strip_prefix("<function=")
        .and_then(|after| after.split_once('>'))
        .map(|(name, _)| name.trim().trim_matches('"'));
    let (Some(name), Some((_, body))) = (name, text.split_once('>')) else {
        let message = "Your call was not run: it is neither JSON nor <function=NAME>…</function>.";
        return out.nameless(message.into(), raw);
    };
    if cut {
        return out.whole_call(name, "", Err(cut_off(name)), raw);
    }
    let body = body.strip_suffix("</function>").unwrap_or(body);
    match function_arguments(name, body, tools) {
        Ok(arguments) => out.whole_call(name, &arguments, Ok(()), raw),
        Err(message) => out.whole_call(name, "", Err(message), raw),
    }
}

fn end_list(raw: &str, tools: &[ToolSpec], cut: bool, out: &mut Out) {
    let calls = match values(raw) {
        Ok(values) => calls_of(&Value::Array(values), tools),
        Err(_) if cut => {
            return out
                .nameless("Your call was not run: it was cut off before its end.".into(), raw);
        }
        Err(error) => return out.nameless(bad_json("", &error, raw), raw),
    };
    let Some(calls) = calls else {
        let message = "Your calls were not run: write each as {\"name\": …, \"arguments\": {…}}.";
        return out.nameless(message.into(), raw);
    };
    for (name, arguments) in calls {
        let end = check(&name, &arguments, false);
        out.whole_call(&name, &arguments, end, raw);
    }
}

/// JSON, or `<parameter=KEY>VALUE</parameter>` with the type of each value from the tool's schema.
fn function_arguments(name: &str, body: &str, tools: &[ToolSpec]) -> Result<String, String> {
    let body = body.trim();
    if body.is_empty() {
        return Ok("{}".into());
    }
    if body.starts_with('{') {
        return match values(body) {
            Ok(values) => match values.as_slice() {
                [object @ Value::Object(_)] => Ok(crate::json::dumps(object)),
                _ => Err(format!(
                    "Your call of `{name}` was not run: its arguments must be one JSON object."
                )),
            },
            Err(error) => Err(bad_json(name, &error, body)),
        };
    }
    let properties = tools
        .iter()
        .find(|tool| tool.name == bare(name))
        .and_then(|tool| tool.parameters.get("properties"));
    let mut map = serde_json::Map::new();
    let mut rest = body;
    while let Some(after) = rest.strip_prefix("<parameter=") {
        let Some((key, after)) = after.split_once('>') else { break };
        let end = after.find("</parameter>").unwrap_or(after.len());
        let value = &after[..end];
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let schema = properties.and_then(|p| p.get(key.trim()));
        map.insert(key.trim().to_string(), typed(value, schema));
        rest = after[end..].trim_start_matches("</parameter>").trim_start();
    }
    if !rest.is_empty() || map.is_empty() {
        return Err(format!(
            "Your call of `{name}` was not run: write each argument as \
             <parameter=NAME>VALUE</parameter>."
        ));
    }
    Ok(crate::json::dumps(&Value::Object(map)))
}

/// Text stays text where the schema wants it; otherwise JSON if it is some.
fn typed(value: &str, schema: Option<&Value>) -> Value {
    let text = || Value::String(value.to_string());
    match schema.and_then(|s| s.get("type")).and_then(Value::as_str) {
        Some("string") => text(),
        Some("boolean") if value.trim() == "True" => true.into(),
        Some("boolean") if value.trim() == "False" => false.into(),
        Some(_) => serde_json::from_str(value.trim()).unwrap_or_else(|_| text()),
        None => match serde_json::from_str(value.trim()) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => text(),
        },
    }
}
