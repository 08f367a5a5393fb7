//! The grammars under which calls and whole answers are sampled, so that a malformed one cannot be
//! produced.
//!
//! That of a call begins where the format's opening tag ends and covers everything up to and with the closing
//! tag: one of the offered names, and arguments that fit that tool's own schema, or the input of a custom tool
//! in its own grammar (`input.rs`). It is written in
//! llguidance's dialect of Lark, with the spacing that the models were trained on (Python's
//! `json.dumps`; a model that writes JSON without spaces may do so) and no other white space, so that
//! a weak model cannot get lost in it.

use serde_json::{Value, json};

use crate::input::{input_items, input_marks};
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
    let tags = Tags { tokenizer };
    let Call { trigger, body, rules } = call(format, tools.iter(), &tags)?;
    let lark = format!("start: {body}\n{rules}");
    Some(CallGrammar { trigger: trigger.to_string(), trigger_token: tags.id(trigger), lark })
}

/// Which calls an answer may or must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerCalls<'a> {
    Auto,
    None,
    /// At least one.
    Required,
    /// This one.
    Named(&'a str),
}

/// What a whole answer must look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerShape<'a> {
    pub calls: AnswerCalls<'a>,
    /// `false`: at most one call.
    pub parallel_calls: bool,
    /// A JSON schema that the text, where there is one, must fit.
    pub text: Option<&'a Value>,
}

impl AnswerShape<'_> {
    /// Whether any answer will do.
    pub fn is_free(&self) -> bool {
        self.calls == AnswerCalls::Auto && self.parallel_calls && self.text.is_none()
    }
}

/// The grammar of a whole answer, from its first token on, in llguidance's Lark: perhaps thoughts,
/// which are free, then text or calls. `thinking_open` says that the prompt has opened the thought.
///
/// `None` where it cannot be written: the format's tags are no tokens of this vocabulary (text could
/// not be told from tags), or a call is due and none of its tools can be called.
pub fn answer_grammar(
    format: Format,
    tools: &[ToolSpec],
    shape: &AnswerShape<'_>,
    thinking_open: bool,
    tokenizer: &dyn Tokenizer,
) -> Option<String> {
    let tags = Tags { tokenizer: Some(tokenizer) };
    let tag = |tag: &str| tags.id(tag).map(|id| format!("<[{id}]>"));
    let may_call = |tool: &&ToolSpec| match shape.calls {
        AnswerCalls::None => false,
        AnswerCalls::Named(name) => tool.name == name,
        AnswerCalls::Auto | AnswerCalls::Required => true,
    };
    let call = call(format, tools.iter().filter(may_call), &tags);
    let is_due = matches!(shape.calls, AnswerCalls::Required | AnswerCalls::Named(_));
    let thoughts = match format {
        Format::HermesQwen | Format::Plain | Format::DeepSeekR1 => {
            match (thinking_open, tag("<think>"), tag("</think>")) {
                (true, _, close) => format!("free {} gap", close?),
                (false, Some(open), Some(close)) => format!("(gap {open} free {close})? gap"),
                (false, _, _) => "gap".to_owned(),
            }
        }
        Format::Harmony => format!(
            "({} (\"analysis\" | \"commentary\") {} free {} {} \"assistant\")*",
            tag("<|channel|>")?,
            tag("<|message|>")?,
            tag("<|end|>")?,
            tag("<|start|>")?
        ),
    };
    let mut lark = String::new();
    let text = match shape.text {
        Some(schema) => {
            lark.push_str(&format!("json: %json {}\n", spaced(schema.clone(), false)));
            "json"
        }
        None => "free",
    };
    let said = match format {
        Format::Harmony => format!(
            "{} \"final\" (\" \"? {} \"json\")? {} {text}",
            tag("<|channel|>")?,
            tag("<|constrain|>")?,
            tag("<|message|>")?
        ),
        Format::HermesQwen | Format::Plain | Format::DeepSeekR1 => text.to_owned(),
    };
    let called = match call {
        None if is_due => return None,
        None => None,
        Some(Call { trigger, body, rules }) => {
            lark.push_str(&rules);
            let one = match format {
                Format::Harmony => {
                    format!("({} \"commentary\")? {} {body}", tag("<|channel|>")?, literal(trigger))
                }
                Format::HermesQwen | Format::Plain | Format::DeepSeekR1 => {
                    format!("{} {body}", tag(trigger)?)
                }
            };
            lark.push_str(&format!("call: {one}\n"));
            let all = match (format, shape.parallel_calls) {
                (Format::Harmony, _) | (_, false) => "call".to_owned(),
                (_, true) => "call (gap call)*".to_owned(),
            };
            Some(match format {
                Format::DeepSeekR1 => {
                    format!(
                        "{} {all} {}",
                        tag("<｜tool▁calls▁begin｜>")?,
                        tag("<｜tool▁calls▁end｜>")?
                    )
                }
                Format::HermesQwen | Format::Plain | Format::Harmony => all,
            })
        }
    };
    // Without a schema, text may stand before calls too.
    let before = if shape.text.is_none() && format != Format::Harmony { "free " } else { "" };
    let answer = match called {
        Some(called) if is_due => called,
        Some(called) => format!("({said} | {before}{called})"),
        None => said,
    };
    Some(format!("start: {thoughts} {answer}\nfree: /(?s:.*)/\ngap: /[ \\n]{{0,4}}/\n{lark}"))
}

/// How a format writes a call.
struct Call {
    /// What it begins with.
    trigger: &'static str,
    /// What follows, to the end of the call.
    body: String,
    /// The rules that `body` names.
    rules: String,
}

/// `None` where nothing can be called.
fn call<'a>(
    format: Format,
    tools: impl Iterator<Item = &'a ToolSpec>,
    tags: &Tags<'_>,
) -> Option<Call> {
    // In Harmony a name with a dot is a recipient outside of `functions`, which does not trigger.
    let triggers = |tool: &&ToolSpec| format != Format::Harmony || !tool.name.contains('.');
    let tools: Vec<&ToolSpec> = tools.filter(triggers).collect();
    if tools.is_empty() {
        return None;
    }
    let marks = tags.tokenizer.and_then(input_marks);
    let inputs: Vec<Option<String>> = tools
        .iter()
        .map(|tool| Some(input(marks?, &input_items(tool.grammar.as_ref()?)?)))
        .collect();
    let (trigger, body, mut rules) = match format {
        Format::HermesQwen | Format::Plain => {
            hermes(&tools, inputs.iter().all(Option::is_none), tags)
        }
        Format::DeepSeekR1 => deep_seek(&tools, tags),
        Format::Harmony => harmony(&tools, tags),
    };
    for (at, (tool, input)) in tools.iter().zip(inputs).enumerate() {
        let arguments = input.unwrap_or_else(|| format!("%json {}", schema(&tool.parameters)));
        rules.push_str(&format!("args_{at}: {arguments}\n"));
    }
    Some(Call { trigger, body, rules })
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

/// JSON, or the XML of Qwen3-Coder: which of them, the model knows. Where an input has a grammar all
/// calls are JSON: XML has no escapes, so that what ends a text could be part of it.
fn hermes(tools: &[&ToolSpec], or_xml: bool, tags: &Tags) -> (&'static str, String, String) {
    let close = tags.lark("</tool_call>");
    let mut rules = match or_xml {
        true => String::from("value[suffix=\"\\n</parameter>\\n\"]: /(?s:.*)/\n"),
        false => String::new(),
    };
    for (at, tool) in tools.iter().enumerate() {
        let name = escaped(&Value::from(tool.name.as_str()).to_string());
        let or_xml = if or_xml { format!(" | {}", xml(tool)) } else { String::new() };
        rules.push_str(&format!(
            "call_{at}: /\\{{\"name\": ?{name}, ?\"arguments\": ?/ args_{at} \"}}\"{or_xml}\n"
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

/// The arguments of a custom tool.
fn input([first, second]: [u32; 2], items: &str) -> String {
    let mark = format!("<[{first},{second}]>");
    format!("/\\{{\"input\": ?\"/ {mark} %lark {{\n{items}\n}} {mark} \"\\\"}}\"")
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
    spaced(schema, true)
}

/// The schema with the spacing of `json.dumps`. A `lenient` one passes over what cannot be enforced.
fn spaced(mut schema: Value, lenient: bool) -> Value {
    if !schema.is_object() {
        schema = json!({});
    }
    schema["x-guidance"] = json!({
        "whitespace_flexible": false,
        "item_separator": ", ?",
        "key_separator": ": ?",
        "lenient": lenient,
    });
    schema
}
