//! A question with its trace as the text that the model is trained on: the Qwen3 chat format with
//! Hermes tool calls.
//!
//! It is the same text that `models/ozone-mini/chat_template.jinja` renders and that the engine
//! samples (test `traces_are_what_the_template_renders` of `ozone-cli`).

use crate::{Call, IMAGE_TOOLS, Offer, Question};

/// A stretch of text, and whether the model is trained to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub trained: bool,
}

/// The chat template of the shipped models. Tools are offered by name alone: the models know them.
pub const CHAT_TEMPLATE: &str = include_str!("chat_template.jinja");

/// The whole conversation. Text of the user and of the tool is never trained on, nor is a call that
/// goes wrong on purpose.
pub fn segments(question: &Question) -> Vec<Segment> {
    let mut out = vec![];
    let mut push = |text: String, trained: bool| out.push(Segment { text, trained });
    let offered = match question.offer {
        Offer::Python => vec!["python"],
        Offer::Images { python: true } => [&["python"], IMAGE_TOOLS].concat(),
        Offer::Images { python: false } => IMAGE_TOOLS.to_vec(),
        Offer::Nothing => vec![],
    };
    let system = match offered.is_empty() {
        true => String::new(),
        false => format!("<|im_start|>system\n# Tools\n{}<|im_end|>\n", offered.join("\n")),
    };
    push(
        format!("{system}<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n", question.text),
        false,
    );
    for step in &question.steps {
        push(
            format!(
                "{}<tool_call>\n{}\n</tool_call><|im_end|>",
                thought(&step.think),
                call(&step.call)
            ),
            !step.masked,
        );
        push(
            format!(
                "\n<|im_start|>user\n<tool_response>\n{}\n</tool_response><|im_end|>\n\
                 <|im_start|>assistant\n",
                step.output
            ),
            false,
        );
    }
    push(format!("{}{}<|im_end|>", thought(&question.think), question.reply), true);
    out
}

fn thought(think: &str) -> String {
    if think.is_empty() { String::new() } else { format!("<think>\n{think}\n</think>\n\n") }
}

/// The call as the model writes it: JSON with Python's spacing.
fn call(call: &Call) -> String {
    match call {
        Call::Python { code } => {
            let code = serde_json::to_string(code).expect("a string is always JSON");
            format!("{{\"name\": \"python\", \"arguments\": {{\"code\": {code}}}}}")
        }
        Call::Image { name, arguments } => {
            format!("{{\"name\": \"{name}\", \"arguments\": {arguments}}}")
        }
    }
}
