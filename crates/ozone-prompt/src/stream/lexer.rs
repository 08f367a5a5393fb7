//! Bytes to text and tags.

use crate::Format;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    ThinkOpen,
    ThinkClose,
    CallOpen,
    CallClose,
    DeepCalls,
    DeepCall,
    DeepSeparator,
    DeepCallEnd,
    DeepCallsEnd,
    /// Begins a call in a family that has no parser of its own here: Mistral, Llama, Phi.
    Foreign,
    Start,
    Channel,
    Message,
    Constrain,
    End,
    Call,
    /// The turn is over.
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lex {
    Text(String),
    /// `special`: it came as one token of the vocabulary, which no text can imitate.
    Tag {
        tag: Tag,
        literal: &'static str,
        special: bool,
    },
}

const THINK: [(&str, Tag); 2] = [("<think>", Tag::ThinkOpen), ("</think>", Tag::ThinkClose)];
const FOREIGN: [(&str, Tag); 3] = [
    ("[TOOL_CALLS]", Tag::Foreign),
    ("<|python_tag|>", Tag::Foreign),
    ("<|tool_call|>", Tag::Foreign),
];
/// Magistral's.
const THINK_IN_BRACKETS: [(&str, Tag); 2] =
    [("[THINK]", Tag::ThinkOpen), ("[/THINK]", Tag::ThinkClose)];
const HERMES: [(&str, Tag); 2] = [("<tool_call>", Tag::CallOpen), ("</tool_call>", Tag::CallClose)];
/// Small distilled models misspell the first of them with `_` or a space.
const DEEP_SEEK: [(&str, Tag); 7] = [
    ("<｜tool▁calls▁begin｜>", Tag::DeepCalls),
    ("<｜tool_calls_begin｜>", Tag::DeepCalls),
    ("<｜tool calls begin｜>", Tag::DeepCalls),
    ("<｜tool▁call▁begin｜>", Tag::DeepCall),
    ("<｜tool▁sep｜>", Tag::DeepSeparator),
    ("<｜tool▁call▁end｜>", Tag::DeepCallEnd),
    ("<｜tool▁calls▁end｜>", Tag::DeepCallsEnd),
];
const HARMONY: [(&str, Tag); 7] = [
    ("<|start|>", Tag::Start),
    ("<|channel|>", Tag::Channel),
    ("<|message|>", Tag::Message),
    ("<|constrain|>", Tag::Constrain),
    ("<|end|>", Tag::End),
    ("<|call|>", Tag::Call),
    ("<|return|>", Tag::Stop),
];

pub fn tags_of(format: Format) -> Vec<(&'static str, Tag)> {
    let mut tags = vec![];
    match format {
        Format::Harmony => return HARMONY.to_vec(),
        Format::HermesQwen | Format::Plain => tags.extend(HERMES),
        Format::DeepSeekR1 => tags.extend(DEEP_SEEK),
    }
    if format == Format::Plain {
        tags.extend(THINK_IN_BRACKETS);
    }
    tags.extend(THINK);
    tags.extend(FOREIGN);
    tags.extend(format.stop_texts().iter().map(|text| (*text, Tag::Stop)));
    tags
}

pub struct Lexer {
    tags: Vec<(&'static str, Tag)>,
    /// Those that are recognised in text, because the vocabulary has no token for them.
    in_text: Vec<(&'static str, Tag)>,
    /// The beginning of a character whose last bytes have not come yet: three at most.
    bytes: Vec<u8>,
    /// The beginning of what may become a tag.
    text: String,
}

impl Lexer {
    pub fn new(tags: Vec<(&'static str, Tag)>, is_token: impl Fn(&str) -> bool) -> Lexer {
        let in_text = tags.iter().copied().filter(|(literal, _)| !is_token(literal)).collect();
        Lexer { tags, in_text, bytes: vec![], text: String::new() }
    }

    pub fn is_tag(&self, bytes: &[u8]) -> bool {
        self.tags.iter().any(|(literal, _)| literal.as_bytes() == bytes)
    }

    pub fn push(&mut self, bytes: &[u8]) -> Vec<Lex> {
        self.decode(bytes);
        let mut out = vec![];
        while let Some((at, literal, tag)) = self.first_tag() {
            push_text(&mut out, &self.text[..at]);
            out.push(Lex::Tag { tag, literal, special: false });
            self.text.drain(..at + literal.len());
        }
        let held = self.held_back();
        let sure = self.text.len() - held;
        push_text(&mut out, &self.text[..sure]);
        self.text.drain(..sure);
        out
    }

    /// A special token: a tag if it is one of ours, otherwise its text.
    pub fn push_special(&mut self, bytes: &[u8]) -> Vec<Lex> {
        let mut out = self.flush();
        match self.tags.iter().find(|(literal, _)| literal.as_bytes() == bytes) {
            Some((literal, tag)) => out.push(Lex::Tag { tag: *tag, literal, special: true }),
            None => push_text(&mut out, &String::from_utf8_lossy(bytes)),
        }
        out
    }

    /// Nothing more comes that could complete what is held back.
    pub fn flush(&mut self) -> Vec<Lex> {
        let mut out = vec![];
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.text.push('\u{FFFD}');
        }
        push_text(&mut out, &self.text);
        self.text.clear();
        out
    }

    /// As `String::from_utf8_lossy` on the whole, for any cut: one U+FFFD for each maximal invalid
    /// piece.
    fn decode(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.bytes);
        let mut rest = &pending[..];
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    return;
                }
                Err(error) => {
                    let (valid, invalid) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        Some(len) => {
                            self.text.push('\u{FFFD}');
                            rest = &invalid[len..];
                        }
                        None => {
                            self.bytes = invalid.to_vec();
                            return;
                        }
                    }
                }
            }
        }
    }

    fn first_tag(&self) -> Option<(usize, &'static str, Tag)> {
        self.in_text
            .iter()
            .filter_map(|(literal, tag)| Some((self.text.find(literal)?, *literal, *tag)))
            .min_by_key(|(at, _, _)| *at)
    }

    /// How many bytes at the end are the proper beginning of a tag.
    fn held_back(&self) -> usize {
        let longest = self.in_text.iter().map(|(literal, _)| literal.len()).max().unwrap_or(0);
        let from = self.text.len().saturating_sub(longest.saturating_sub(1));
        (from..self.text.len())
            .filter(|at| self.text.is_char_boundary(*at))
            .find(|at| {
                let tail = &self.text[*at..];
                self.in_text.iter().any(|(literal, _)| literal.starts_with(tail))
            })
            .map_or(0, |at| self.text.len() - at)
    }
}

fn push_text(out: &mut Vec<Lex>, text: &str) {
    if text.is_empty() {
        return;
    }
    match out.last_mut() {
        Some(Lex::Text(last)) => last.push_str(text),
        _ => out.push(Lex::Text(text.to_string())),
    }
}
