//! What a template can express, found out by rendering small conversations with it.
//!
//! Templates in the wild do not say what they support: some ignore tools, some refuse a system
//! message, some want a call's arguments as a string. The probes are the same idea as those of
//! llama.cpp's minja: put a needle in and look whether it comes out.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    pub system: bool,
    /// A system message is also taken after a user's.
    pub late_system: bool,
    pub tools: bool,
    pub calls: Calls,
    pub tool_results: bool,
    /// Calls are only rendered when the content is null.
    pub null_content: bool,
    /// Text beside a call is rendered too.
    pub text_with_calls: bool,
    /// Mistral's rule: call ids are nine letters or digits.
    pub short_ids: bool,
    /// Two user messages in a row are taken.
    pub repeated_roles: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// `arguments` as the JSON text that the model wrote: nothing of it is lost.
    Text,
    Object,
    Unsupported,
}

const NEEDLE: &str = "Needle7";
const ARGUMENTS: &str = r#"{"needle_key": "needle_value"}"#;

/// `render` is given the messages and the tools, and never asked for a generation prompt.
pub fn probe(render: impl Fn(&Value, &Value) -> Option<String>) -> Caps {
    let user = json!({"role": "user", "content": "Hello"});
    let shows = |messages: Value, needle: &str| {
        render(&messages, &Value::Null).is_some_and(|text| text.contains(needle))
    };
    let system = shows(json!([{"role": "system", "content": NEEDLE}, user]), NEEDLE);
    let late_system = shows(
        json!([user, {"role": "assistant", "content": "Yes?"}, {"role": "system", "content": NEEDLE}, user]),
        NEEDLE,
    );
    let repeated_roles = shows(json!([user, {"role": "user", "content": NEEDLE}]), NEEDLE);
    let tool = json!([{"type": "function", "function": {
        "name": NEEDLE,
        "description": "A probe.",
        "parameters": {"type": "object", "properties": {"x": {"type": "string", "description": "X."}}, "required": ["x"]},
    }}]);
    let tools = render(&json!([user]), &tool).is_some_and(|text| text.contains(NEEDLE));

    let turn = |arguments: Value, content: Value, id: &str| {
        json!([user, {"role": "assistant", "content": content, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "probe", "arguments": arguments}}
        ]}])
    };
    let with_result = |mut messages: Value, id: &str| {
        if let Some(list) = messages.as_array_mut() {
            list.push(
                json!({"role": "tool", "tool_call_id": id, "name": "probe", "content": NEEDLE}),
            );
        }
        messages
    };
    let object: Value = serde_json::from_str(ARGUMENTS).unwrap_or_default();
    let short = "call12345";
    // How arguments are written depends on nothing else; whether a call without text is written
    // with an empty or a null content does, and the form that renders less adds no empty turn and
    // no word "none".
    let with_content = |content: Value| {
        // A call may only be rendered together with its result, so both are tried.
        let text = |arguments: Value| {
            let messages = turn(arguments, content.clone(), short);
            render(&messages, &Value::Null)
                .filter(|text| text.contains("needle_value"))
                .or_else(|| render(&with_result(messages, short), &Value::Null))
                .unwrap_or_default()
        };
        let as_text = text(json!(ARGUMENTS));
        if as_text.contains(ARGUMENTS) {
            return Some((Calls::Text, as_text.len()));
        }
        let as_object = text(object.clone());
        let found = as_object.contains("needle_key") && as_object.contains("needle_value");
        found.then_some((Calls::Object, as_object.len()))
    };
    let (calls, null_content) = match (with_content(json!("")), with_content(Value::Null)) {
        (None, None) => (Calls::Unsupported, false),
        (None, Some((calls, _))) => (calls, true),
        (Some((calls, empty)), Some((_, null))) => (calls, null < empty),
        (Some((calls, _)), None) => (calls, false),
    };
    let arguments = if calls == Calls::Object { object } else { json!(ARGUMENTS) };
    let content = if null_content { Value::Null } else { json!("") };
    let tool_results = calls != Calls::Unsupported
        && shows(with_result(turn(arguments.clone(), content.clone(), short), short), NEEDLE);
    let long = "call_0123456789abcdef";
    let short_ids =
        tool_results && !shows(with_result(turn(arguments.clone(), content, long), long), NEEDLE);
    let text_with_calls = calls != Calls::Unsupported
        && render(&turn(arguments, json!(NEEDLE), short), &Value::Null)
            .is_some_and(|text| text.contains(NEEDLE) && text.contains("needle_value"));
    Caps {
        system,
        late_system,
        tools,
        calls,
        tool_results,
        null_content,
        text_with_calls,
        short_ids,
        repeated_roles,
    }
}
