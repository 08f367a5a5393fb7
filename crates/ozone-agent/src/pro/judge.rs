//! Where no two samples agree, the model reads their answers and chooses one, or writes one out of
//! all. It is one more response, with no tools and a form that its choice must have.

use ozone_types::item::Known;
use ozone_types::{Content, Item, Response, Role, Text, ToolChoice};
use serde::Deserialize;
use serde_json::json;

use crate::request::Request;
use crate::text::TextFormat;
use crate::tools::OfferedTools;

/// The most answers that are put before the model.
pub const JUDGED_MAX: usize = 8;
/// The most bytes of one answer that it reads.
const ANSWER_BYTES_MAX: usize = 16_000;

#[derive(Deserialize)]
struct Verdict {
    best: usize,
}

/// Asks which of the answers is the best.
pub fn choose(request: &Request, answers: &[String]) -> Request {
    let told = "Below are candidate answers to the request above. Check the work of each, compare \
                them pairwise, and choose the one that is right; of several, the clearest. Reply \
                with its number.";
    let mut asked = asking(request, told, answers);
    asked.sampling.temperature = 0.0;
    let numbers: Vec<usize> = (1..=answers.len()).collect();
    asked.text.format = TextFormat::JsonSchema {
        name: "verdict".into(),
        description: None,
        schema: json!({
            "type": "object",
            "properties": {"best": {"type": "integer", "enum": numbers}},
            "required": ["best"],
            "additionalProperties": false
        }),
        strict: Some(true),
    };
    asked
}

/// Asks for one answer out of all.
pub fn fuse(request: &Request, answers: &[String]) -> Request {
    let told = "Below are candidate answers to the request above. Take what is right in each, \
                correct what is wrong, and write the one best answer to the request. Do not \
                mention the candidates.";
    asking(request, told, answers)
}

fn asking(request: &Request, told: &str, answers: &[String]) -> Request {
    let mut asked = request.clone();
    let listed = answers.iter().enumerate().map(|(at, answer)| {
        let answer = cut(answer, ANSWER_BYTES_MAX);
        format!("\n\n--- Candidate {} ---\n{answer}", at + 1)
    });
    let text = format!("{told}{}", listed.collect::<String>());
    let item = Known::Message {
        id: None,
        status: None,
        role: Role::User,
        content: Text::Parts(vec![Content::InputText { text }]),
        phase: None,
    };
    asked.input.push(item.into());
    asked.tools = OfferedTools::default();
    asked.tool_choice = ToolChoice::default();
    asked.logprobs = false;
    asked.measured = false;
    asked
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[{} more bytes]", &text[..end], text.len() - end)
}

/// Which of the answers the model has chosen, by its place.
pub fn chosen(response: &Response, answers: usize) -> Option<usize> {
    let verdict: Verdict = serde_json::from_str(response.output_text().trim()).ok()?;
    (1..=answers).contains(&verdict.best).then(|| verdict.best - 1)
}

/// An answer as the model reads it: its text, or its calls for the client.
pub fn shown(output: &[Item]) -> String {
    let lines = output.iter().filter_map(|item| match item {
        Item::Known(Known::Message { role: Role::Assistant, content, .. }) => {
            Some(content.joined())
        }
        Item::Known(Known::FunctionCall { name, arguments, .. }) => {
            Some(format!("[calls {name} with {arguments}]"))
        }
        Item::Known(Known::CustomToolCall { name, input, .. }) => {
            Some(format!("[calls {name} with {input}]"))
        }
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n\n")
}
