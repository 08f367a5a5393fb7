//! The grammar under which a call is sampled, so that a malformed one cannot be produced.
//!
//! It begins where the format's opening tag ends and covers everything up to and with the closing
//! tag: one of the offered names, and arguments that fit that tool's own schema. It is written in
//! llguidance's dialect of Lark, with the spacing that the models were trained on (Python's
//! `json.dumps`; a model that writes JSON without spaces may do so) and no other white space, so that
//! a weak model cannot get lost in it.

use serde_json::{Value, json};

use crate::{Format, Tokenizer, ToolSpec};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallGrammar {
    /// Sampling is constrained as soon as the sampled text ends with this.
    pub trigger: String,
    /// The trigger as one token, if the vocabulary has it; then only that token triggers.
    pub trigger_token: Option<u32>,
    /// For `llguidance::api::TopLevelGrammar::from_lark`.
    pub lark: String,
}

/// `None` where nothing can be called. With a `tokenizer`, tags that are special tokens stand in the
/// grammar as `<[id]>`; without, as their characters.
pub fn call_grammar(
    format: Format,
    tools: &[ToolSpec],
    tokenizer: Option<&dyn Tokenizer>,
) -> Option<CallGrammar> {
    // In Harmony a name with a dot is a recipient outside of `functions`, which does not trigger.
    let triggers = |tool: &&ToolSpec| format != Format::Harmony || !tool.name.contains('.');
    let tools: Vec<&ToolSpec> = tools.iter().filter(triggers).collect();
    if tools.is_empty() {
        return None;
    }
    let tags = Tags { tokenizer };
    let (trigger, start, rules) = match format {
        Format::HermesQwen | Format::Plain => hermes(&tools, &tags),
        Format::DeepSeekR1 => deep_seek(&tools, &tags),
        Format::Harmony => harmony(&tools, &tags),
    };
    let mut lark = format!("start: {start}\n{rules}");
    for (at, tool) in tools.iter().enumerate() {
        lark.push_str(&format!("args_{at}: %json {}\n", schema(&tool.parameters)));
    }
    Some(CallGrammar { trigger: trigger.to_string(), trigger_token: tags.id(trigger), lark })
}

struct Tags<'a> {
    tokenizer: Option<&'a dyn Tokenizer>,
}

impl Tags<'_> {
    fn id(&self, tag: &str) -> Option<u32> {
        self.tokenizer?
            .special_tokens()
            .iter()
            .find(|token| token.text == tag)
            .map(|token| token.id)
    }

    fn lark(&self, tag: &str) -> String {
        self.id(tag).map_or_else(|| literal(tag), |id| format!("<[{id}]>"))
    }
}

/// JSON, or the XML of Qwen3-Coder: which of them, the model knows.
fn hermes(tools: &[&ToolSpec], tags: &Tags) -> (&'static str, String, String) {
    let close = tags.lark("</tool_call>");
    let mut rules = String::from("value[suffix=\"\\n</parameter>\\n\"]: /(?s:.*)/\n");
    for (at, tool) in tools.iter().enumerate() {
        let name = escaped(&Value::from(tool.name.as_str()).to_string());
        rules.push_str(&format!(
            "call_{at}: /\\{{\"name\": ?{name}, ?\"arguments\": ?/ args_{at} \"}}\" | {}\n",
            xml(tool)
        ));
    }
    ("<tool_call>", format!("\"\\n\"? ({}) \"\\n\"? {close}", alternatives(tools)), rules)
}

/// The parameters in the order of the schema, each once; values are free text.
fn xml(tool: &ToolSpec) -> String {
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let needed = |key: &str| required.is_some_and(|names| names.iter().any(|name| name == key));
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let mut out = literal(&format!("<function={}>\n", tool.name));
    for key in properties.into_iter().flat_map(|properties| properties.keys()) {
        let open = literal(&format!("<parameter={key}>\n"));
        let optional = if needed(key) { "" } else { "?" };
        out.push_str(&format!(" ({open} value){optional}"));
    }
    out.push_str(" \"</function>\"");
    out
}

/// R1's form, and the shorter one from V3.1 on.
fn deep_seek(tools: &[&ToolSpec], tags: &Tags) -> (&'static str, String, String) {
    let (separator, end) = (tags.lark("<｜tool▁sep｜>"), tags.lark("<｜tool▁call▁end｜>"));
    let mut rules = String::new();
    for (at, tool) in tools.iter().enumerate() {
        let name = literal(&tool.name);
        rules.push_str(&format!(
            "call_{at}: \"function\" {separator} {name} \"\\n```json\\n\" args_{at} \"\\n```\" | {name} {separator} args_{at}\n"
        ));
    }
    ("<｜tool▁call▁begin｜>", format!("({}) {end}", alternatives(tools)), rules)
}

/// The recipient stands after the role or after the channel; what follows it says which it was.
fn harmony(tools: &[&ToolSpec], tags: &Tags) -> (&'static str, String, String) {
    let [channel, constrain, message, call] =
        ["<|channel|>", "<|constrain|>", "<|message|>", "<|call|>"].map(|tag| tags.lark(tag));
    let mut rules = format!(
        "head: channel? kind? {message}\nchannel: {channel} \"commentary\"\n\
         kind: \" \"? {constrain} \"json\" | \" json\"\n"
    );
    for (at, tool) in tools.iter().enumerate() {
        let name = literal(&tool.name);
        rules.push_str(&format!("call_{at}: {name} head args_{at}\n"));
    }
    (" to=functions.", format!("({}) {call}", alternatives(tools)), rules)
}

fn alternatives(tools: &[&ToolSpec]) -> String {
    (0..tools.len()).map(|at| format!("call_{at}")).collect::<Vec<_>>().join(" | ")
}

/// A JSON string is a Lark string.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// For the inside of `/…/`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '"' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The tool's schema as llguidance should read it. Keywords that it does not know do not lose the
/// whole constraint, and arguments that the schema does not name are not invented.
fn schema(parameters: &Value) -> Value {
    let mut schema = match parameters {
        Value::Object(map) => Value::Object(map.clone()),
        _ => json!({}),
    };
    schema["type"] = json!("object");
    if schema.get("additionalProperties").is_none() {
        let named =
            schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
        let composed =
            ["allOf", "anyOf", "oneOf", "$ref"].iter().any(|key| schema.get(*key).is_some());
        if named && !composed {
            schema["additionalProperties"] = json!(false);
        }
    }
    schema["x-guidance"] = json!({
        "whitespace_flexible": false,
        "item_separator": ", ?",
        "key_separator": ": ?",
        "lenient": true,
    });
    schema
}
