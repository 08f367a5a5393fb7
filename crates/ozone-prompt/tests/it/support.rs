//! A byte-level vocabulary, and conversations in few words.

use ozone_prompt::{
    ChatTemplate, Conversation, Marks, Message, SpecialToken, Tokenizer, ToolCall, ToolSpec,
};
use serde_json::json;

/// Tokens 0 to 255 are bytes; the special ones follow. As in llama.cpp, special tokens are found
/// in a text by their characters.
pub struct Bytes {
    specials: Vec<SpecialToken>,
    eog: Vec<&'static str>,
}

impl Bytes {
    pub fn new(specials: &[&str], eog: &[&'static str]) -> Bytes {
        let specials = specials
            .iter()
            .enumerate()
            .map(|(at, text)| SpecialToken { id: 256 + at as u32, text: text.to_string() })
            .collect();
        Bytes { specials, eog: eog.to_vec() }
    }

    pub fn qwen() -> Bytes {
        Bytes::new(
            &[
                "<|endoftext|>",
                "<|im_start|>",
                "<|im_end|>",
                "<think>",
                "</think>",
                "<tool_call>",
                "</tool_call>",
                "<tool_response>",
                "</tool_response>",
            ],
            &["<|im_end|>", "<|endoftext|>"],
        )
    }

    pub fn deep_seek() -> Bytes {
        Bytes::new(
            &[
                "<｜begin▁of▁sentence｜>",
                "<｜end▁of▁sentence｜>",
                "<｜User｜>",
                "<｜Assistant｜>",
                "<think>",
                "</think>",
                "<｜tool▁calls▁begin｜>",
                "<｜tool▁calls▁end｜>",
                "<｜tool▁call▁begin｜>",
                "<｜tool▁call▁end｜>",
                "<｜tool▁sep｜>",
                "<｜tool▁outputs▁begin｜>",
                "<｜tool▁outputs▁end｜>",
                "<｜tool▁output▁begin｜>",
                "<｜tool▁output▁end｜>",
            ],
            &["<｜end▁of▁sentence｜>"],
        )
    }

    pub fn harmony() -> Bytes {
        Bytes::new(
            &[
                "<|start|>",
                "<|end|>",
                "<|message|>",
                "<|channel|>",
                "<|constrain|>",
                "<|return|>",
                "<|call|>",
            ],
            &["<|return|>", "<|call|>"],
        )
    }

    /// Ids as text, special ones between ⟦ and ⟧, so that a test sees which they are.
    pub fn show(&self, ids: &[u32]) -> String {
        let mut bytes = vec![];
        for id in ids {
            match self.specials.iter().find(|token| token.id == *id) {
                Some(token) => bytes.extend(format!("⟦{}⟧", token.text).bytes()),
                None => bytes.push(*id as u8),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn id(&self, text: &str) -> u32 {
        self.specials.iter().find(|token| token.text == text).expect("a special token").id
    }
}

impl Tokenizer for Bytes {
    fn encode(&self, text: &str, parse_special: bool) -> Vec<u32> {
        let mut out = vec![];
        let mut rest = text;
        while !rest.is_empty() {
            let special = self.specials.iter().find(|t| parse_special && rest.starts_with(&t.text));
            match special {
                Some(token) => {
                    out.push(token.id);
                    rest = &rest[token.text.len()..];
                }
                None => {
                    let len = rest.chars().next().map_or(1, char::len_utf8);
                    out.extend(rest.bytes().take(len).map(u32::from));
                    rest = &rest[len..];
                }
            }
        }
        out
    }

    fn decode_bytes(&self, id: u32) -> Vec<u8> {
        match self.specials.iter().find(|token| token.id == id) {
            Some(token) => token.text.clone().into_bytes(),
            None => vec![id as u8],
        }
    }

    fn is_special(&self, id: u32) -> bool {
        id >= 256
    }

    fn is_eog(&self, id: u32) -> bool {
        self.specials.iter().any(|t| t.id == id && self.eog.contains(&t.text.as_str()))
    }

    fn special_tokens(&self) -> &[SpecialToken] {
        &self.specials
    }
}

pub fn python() -> ToolSpec {
    ToolSpec {
        name: "python".into(),
        description: "Runs Python.".into(),
        parameters: json!({
            "type": "object",
            "properties": {"code": {"type": "string", "description": "What to run."}},
            "required": ["code"],
        }),
        grammar: None,
    }
}

pub fn weather() -> ToolSpec {
    ToolSpec {
        name: "get_weather".into(),
        description: "Tells the weather.\nOnly now.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "default": 1},
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
            },
            "required": ["city"],
        }),
        grammar: None,
    }
}

pub fn tools() -> Vec<ToolSpec> {
    vec![python(), weather()]
}

pub fn user(text: &str) -> Message {
    Message::User { text: text.into() }
}

pub fn system(text: &str) -> Message {
    Message::System { text: text.into() }
}

pub fn says(text: &str) -> Message {
    Message::Assistant { reasoning: None, text: text.into(), tool_calls: vec![] }
}

pub fn calls(reasoning: &str, text: &str, names_and_arguments: &[(&str, &str)]) -> Message {
    let calls = names_and_arguments.iter().enumerate().map(|(at, (name, arguments))| ToolCall {
        id: format!("call_{at}"),
        name: name.to_string(),
        arguments: arguments.to_string(),
    });
    Message::Assistant {
        reasoning: Some(reasoning.to_string()).filter(|text| !text.is_empty()),
        text: text.into(),
        tool_calls: calls.collect(),
    }
}

pub fn result(output: &str) -> Message {
    Message::ToolResult { call_id: "call_0".into(), name: "python".into(), output: output.into() }
}

pub fn conversation(messages: Vec<Message>, tools: Vec<ToolSpec>) -> Conversation {
    Conversation { messages, tools, ..Conversation::default() }
}

pub fn template(name: &str) -> ChatTemplate {
    let source = match name {
        "ozone" => include_str!("../../../ozone-tasks/src/chat_template.jinja"),
        "qwen3" => include_str!("templates/qwen3.jinja"),
        "qwen25" => include_str!("templates/qwen25.jinja"),
        "r1" => include_str!("templates/r1.jinja"),
        "llama31" => include_str!("templates/llama31.jinja"),
        "mistral" => include_str!("templates/mistral.jinja"),
        "gemma" => include_str!("templates/gemma.jinja"),
        "harmony" => "<|start|>{# #}<|channel|><|message|>",
        other => panic!("no template {other}"),
    };
    let (bos, eos) = match name {
        "r1" => ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        "llama31" => ("<|begin_of_text|>", "<|eot_id|>"),
        "mistral" | "gemma" => ("<s>", "</s>"),
        _ => ("", "<|im_end|>"),
    };
    ChatTemplate::new(source, bos, eos, &[]).expect("a valid template")
}

pub fn render(name: &str, conversation: &Conversation) -> String {
    let marks = Marks::new([]);
    template(name).render(conversation, &marks).map_or_else(|e| format!("error: {e}"), |r| r.text())
}
