//! The families of output syntax: how a model marks its thinking and its calls.

use crate::SpecialToken;

/// What a model writes. Detected from its template and vocabulary; a caller may name another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `<think>…</think>` and `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Qwen, Hermes,
    /// and the models of this project. Qwen3-Coder's XML calls are read too.
    HermesQwen,
    /// `<think>` opened by the template, calls between `<｜tool▁calls▁begin｜>` and its end.
    DeepSeekR1,
    /// gpt-oss: channels `analysis`, `commentary` and `final`, calls by recipient.
    Harmony,
    /// No syntax of its own. Read like `HermesQwen`, since tools are offered to it in that form.
    Plain,
}

impl Format {
    pub fn detect(template: &str, specials: &[SpecialToken]) -> Format {
        let has =
            |text: &str| template.contains(text) || specials.iter().any(|token| token.text == text);
        if has("<|channel|>") && has("<|message|>") {
            Format::Harmony
        } else if has("<｜tool▁calls▁begin｜>") || template.contains("<｜Assistant｜>") {
            Format::DeepSeekR1
        } else if has("<tool_call>") || has("<|im_start|>") || has("<think>") {
            Format::HermesQwen
        } else {
            Format::Plain
        }
    }

    /// As in a configuration: `hermes` (or `qwen`), `deepseek`, `harmony` (or `gpt-oss`), `plain`.
    pub fn from_name(name: &str) -> Option<Format> {
        Some(match name {
            "hermes" | "qwen" => Format::HermesQwen,
            "deepseek" => Format::DeepSeekR1,
            "harmony" | "gpt-oss" => Format::Harmony,
            "plain" => Format::Plain,
            _ => return None,
        })
    }

    /// Texts at which a turn is over. An engine that works on tokens stops at the vocabulary's
    /// end-of-generation tokens as well.
    pub fn stop_texts(self) -> &'static [&'static str] {
        match self {
            Format::HermesQwen => &["<|im_end|>", "<|endoftext|>"],
            Format::DeepSeekR1 => &["<｜end▁of▁sentence｜>"],
            Format::Harmony => &["<|return|>", "<|call|>"],
            Format::Plain => &[],
        }
    }
}
