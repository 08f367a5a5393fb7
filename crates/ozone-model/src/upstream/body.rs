//! What the two dialects' requests have in common.

use std::collections::BTreeSet;

use ozone_prompt::Effort;
use ozone_types::Effort as Word;
use serde_json::{Value, json};

use crate::Sampling;

/// Fields that an answer can do without: an upstream that refuses one is asked again without it.
/// What a caller would miss in the answer (tools, formats, logprobs) is not among them.
pub const OPTIONAL: [&str; 16] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "reasoning_effort",
    "reasoning",
    "chat_template_kwargs",
    "parallel_tool_calls",
    "prompt_cache_key",
    "include",
    "store",
];

/// Not a field: user messages in a row, and system messages behind the first. Where a template takes
/// none, they are joined.
pub const ROLES_IN_A_ROW: &str = "messages of one role in a row";

/// Which fields a request may have.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// By configuration, or because this upstream has refused them.
    pub without: BTreeSet<String>,
    /// `None`: as many as the window holds.
    pub output_tokens_max: Option<u64>,
}

impl Fields {
    pub fn wants(&self, name: &str) -> bool {
        !self.without.contains(name)
    }
}

pub fn sampling(sampling: &Sampling, put: &mut impl FnMut(&str, Value)) {
    put("temperature", rounded(sampling.temperature));
    if sampling.top_p < 1.0 {
        put("top_p", rounded(sampling.top_p));
    }
    if sampling.top_k > 0 {
        put("top_k", json!(sampling.top_k));
    }
    if sampling.min_p > 0.0 {
        put("min_p", rounded(sampling.min_p));
    }
}

/// 0.7 rather than 0.699999988079071.
fn rounded(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}

/// What an upstream may be told that names no words: those beyond are known to few.
const USUAL_EFFORTS: [Word; 5] = [Word::None, Word::Minimal, Word::Low, Word::Medium, Word::High];

/// The strongest word that the upstream knows and that asks for no more than `effort`, or else its
/// weakest.
pub fn effort(effort: Effort, known: &[Word]) -> Word {
    let asked = match effort {
        Effort::None => Word::None,
        Effort::Minimal => Word::Minimal,
        Effort::Low => Word::Low,
        Effort::Medium => Word::Medium,
        Effort::High => Word::High,
        Effort::Xhigh => Word::Xhigh,
        Effort::Max => Word::Max,
    };
    let known: &[Word] = if known.is_empty() { &USUAL_EFFORTS } else { known };
    let within = known.iter().filter(|word| **word <= asked).max();
    within.or(known.iter().min()).copied().unwrap_or(asked)
}

/// Arguments as history has them. Servers parse them and refuse the whole request where they
/// cannot, so a broken call is kept as a string within an object.
pub fn arguments(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(_)) => arguments.to_owned(),
        _ if arguments.trim().is_empty() => "{}".to_owned(),
        _ => json!({"not_a_json_object": arguments}).to_string(),
    }
}

/// `{"type": "object"}` and no more.
pub fn is_any_object(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| {
        schema.get("type").is_some_and(|kind| kind == "object")
            && schema.keys().all(|key| matches!(key.as_str(), "type" | "additionalProperties"))
            && schema.get("additionalProperties") != Some(&json!(false))
    })
}

/// Whether a schema is of the kind that OpenAI's `strict` takes: each object closed, and each of its
/// properties required.
pub fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let closed = match fields.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let required = fields.get("required").and_then(Value::as_array);
                    let needed =
                        |key: &String| required.is_some_and(|r| r.iter().any(|n| n == key));
                    fields.get("additionalProperties") == Some(&json!(false))
                        && properties.keys().all(needed)
                }
                None => fields.get("type").is_none_or(|kind| kind != "object"),
            };
            closed && fields.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}
