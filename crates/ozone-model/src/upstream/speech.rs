//! Pieces of an upstream's answer to deltas, and to the message that they add up to.
//!
//! An upstream separates thinking, text and calls itself, or leaves some of it in the text: a
//! missing parser there, a template that a model has outgrown. So the text goes through the same
//! `StreamParser` as a local model's, which finds thinking in tags and calls printed as text, and
//! says what is wrong with those that it cannot read.

use std::collections::VecDeque;

use ozone_prompt::{
    Delta, Format, Message, Parsed, ParsedItem, Problem, RAW_BYTES_MAX, StreamParser, ToolCall,
    ToolSpec,
};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::piece::Piece;

/// How gpt-oss's text begins where nobody took its channels apart.
const HARMONY_OPENINGS: [&str; 2] = ["<|channel|>", "<|start|>"];

pub struct Speech {
    tools: Vec<ToolSpec>,
    /// `None`: recognised by the first characters of the text.
    format: Option<Format>,
    thinking_open: bool,
    /// Makes the ids of calls that have none unlike those of other turns.
    turn: usize,
    content: Content,
    parts: Vec<Part>,
    /// Calls that have an index.
    calls: usize,
    /// Calls of the upstream's own, in the order in which they began; those before `current` are
    /// written out.
    native: Vec<Native>,
    current: usize,
    /// What came while a call was still incomplete.
    late: VecDeque<Piece>,
    problems: Vec<Problem>,
    out: Vec<Delta>,
    reasoning_bytes: u64,
    other_bytes: u64,
}

enum Content {
    Idle,
    /// May still turn out to begin with a mark of Harmony.
    Undecided(String),
    /// `base` is the index of its first call.
    Parsing {
        parser: Box<StreamParser>,
        base: usize,
    },
}

enum Part {
    Reasoning(String),
    Parsed { parsed: Parsed, base: usize },
    Call(ToolCall),
}

#[derive(Default)]
struct Native {
    id: String,
    name: String,
    arguments: String,
    index: Option<usize>,
    /// Bytes of the arguments that are written out.
    written: usize,
    /// Bytes of the arguments that were not a whole value.
    incomplete: usize,
}

impl Native {
    /// Whether its arguments are a whole value. Each length is looked at once.
    fn is_complete(&mut self) -> bool {
        if self.arguments.len() > self.incomplete {
            match serde_json::from_str::<IgnoredAny>(&self.arguments) {
                Ok(_) => return true,
                Err(_) => self.incomplete = self.arguments.len(),
            }
        }
        false
    }
}

/// What was said, when all is said.
pub struct Said {
    pub message: Message,
    pub problems: Vec<Problem>,
    /// Of the thinking's bytes in all bytes, for upstreams that do not count it. 0 to 1.
    pub reasoning_share: f64,
    pub bytes: u64,
}

impl Speech {
    pub fn new(
        tools: &[ToolSpec],
        format: Option<Format>,
        thinking_open: bool,
        turn: usize,
    ) -> Speech {
        Speech {
            tools: tools.to_vec(),
            format,
            thinking_open,
            turn,
            content: Content::Idle,
            parts: vec![],
            calls: 0,
            native: vec![],
            current: 0,
            late: VecDeque::new(),
            problems: vec![],
            out: vec![],
            reasoning_bytes: 0,
            other_bytes: 0,
        }
    }

    pub fn push(&mut self, piece: Piece) -> Vec<Delta> {
        match piece {
            Piece::CallStart { call, id, name } => {
                self.end_content(false);
                let name = self.offered(&name);
                let native = self.native(call);
                (native.id, native.name) = (id, name);
                self.write_calls();
            }
            Piece::CallArguments { call, text } => {
                self.other_bytes += text.len() as u64;
                self.native(call).arguments.push_str(&text);
                self.write_calls();
            }
            piece => self.push_words(piece),
        }
        std::mem::take(&mut self.out)
    }

    /// All was said; `cut` if a limit ended it.
    pub fn finish(mut self, cut: bool) -> (Vec<Delta>, Said) {
        self.end_calls(cut);
        while let Some(piece) = self.late.pop_front() {
            self.words(piece);
        }
        self.end_content(cut);
        let all = (self.reasoning_bytes + self.other_bytes).max(1);
        let said = Said {
            reasoning_share: self.reasoning_bytes as f64 / all as f64,
            bytes: self.reasoning_bytes + self.other_bytes,
            message: message(self.parts, self.turn),
            problems: self.problems,
        };
        (self.out, said)
    }

    /// gpt-oss writes `functions.NAME`.
    fn offered(&self, name: &str) -> String {
        let is_offered = |name: &str| self.tools.iter().any(|tool| tool.name == name);
        match name.strip_prefix("functions.") {
            Some(bare) if is_offered(bare) && !is_offered(name) => bare.to_owned(),
            _ => name.to_owned(),
        }
    }

    fn native(&mut self, call: usize) -> &mut Native {
        if self.native.len() <= call {
            self.native.resize_with(call + 1, Native::default);
        }
        &mut self.native[call]
    }

    /// Thinking or text: after the calls before it, if those are complete.
    fn push_words(&mut self, piece: Piece) {
        let blank = matches!(&piece, Piece::Text(t) | Piece::Reasoning(t) if t.trim().is_empty());
        if self.current == self.native.len() && self.late.is_empty() {
            self.words(piece);
        } else if self.late.is_empty() && !blank && self.open_calls_are_complete() {
            self.end_calls(false);
            self.words(piece);
        } else if !blank || !self.late.is_empty() {
            self.late.push_back(piece);
        }
    }

    fn words(&mut self, piece: Piece) {
        match piece {
            Piece::Reasoning(text) => self.reasoning(&text),
            Piece::Text(text) => self.text(&text),
            Piece::Break => match (&self.content, self.parts.last()) {
                (Content::Parsing { .. }, _) => self.parse("\n\n"),
                (Content::Idle, Some(Part::Reasoning(_))) => {
                    self.parts.push(Part::Reasoning(String::new()));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn reasoning(&mut self, text: &str) {
        self.end_content(false);
        let first = !matches!(self.parts.last(), Some(Part::Reasoning(said)) if !said.is_empty());
        let text = if first { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.reasoning_bytes += text.len() as u64;
        // A later stretch of thinking stands apart from the one before.
        let apart =
            first && self.parts.iter().any(|p| matches!(p, Part::Reasoning(t) if !t.is_empty()));
        match self.parts.last_mut() {
            Some(Part::Reasoning(said)) => said.push_str(text),
            _ => self.parts.push(Part::Reasoning(text.to_owned())),
        }
        let text = if apart { format!("\n\n{text}") } else { text.to_owned() };
        self.out.push(Delta::Reasoning(text));
    }

    fn text(&mut self, text: &str) {
        match &mut self.content {
            Content::Parsing { .. } => self.parse(text),
            Content::Undecided(held) => {
                held.push_str(text);
                self.decide(false);
            }
            Content::Idle => {
                self.content = Content::Undecided(text.to_owned());
                self.decide(false);
            }
        }
    }

    /// Which syntax the text is in, as soon as its beginning shows it.
    fn decide(&mut self, at_end: bool) {
        let Content::Undecided(held) = &mut self.content else { return };
        let start = held.trim_start();
        let begins = |opening: &&str| start.starts_with(*opening);
        let may_begin = |opening: &&str| opening.starts_with(start);
        let format = match self.format {
            Some(format) => format,
            None if HARMONY_OPENINGS.iter().any(begins) => Format::Harmony,
            None if !at_end && HARMONY_OPENINGS.iter().any(may_begin) => return,
            None => Format::Plain,
        };
        let held = std::mem::take(held);
        let open = self.thinking_open && self.parts.is_empty();
        let parser = Box::new(StreamParser::for_text(format, &self.tools, open));
        self.content = Content::Parsing { parser, base: self.calls };
        self.parse(&held);
    }

    fn parse(&mut self, text: &str) {
        let Content::Parsing { parser, base } = &mut self.content else { return };
        let base = *base;
        let deltas = parser.push_bytes(text.as_bytes());
        self.parsed(deltas, base);
    }

    fn parsed(&mut self, deltas: Vec<Delta>, base: usize) {
        for delta in deltas {
            let delta = match delta {
                Delta::ToolCallStart { index, name } => {
                    self.calls = self.calls.max(base + index + 1);
                    Delta::ToolCallStart { index: base + index, name }
                }
                Delta::ToolCallArguments { index, text } => {
                    self.other_bytes += text.len() as u64;
                    Delta::ToolCallArguments { index: base + index, text }
                }
                Delta::ToolCallEnd { index, problem } => {
                    Delta::ToolCallEnd { index: base + index, problem }
                }
                Delta::Reasoning(text) => {
                    self.reasoning_bytes += text.len() as u64;
                    Delta::Reasoning(text)
                }
                Delta::Text(text) | Delta::Commentary(text) if text.is_empty() => continue,
                Delta::Text(text) => {
                    self.other_bytes += text.len() as u64;
                    Delta::Text(text)
                }
                Delta::Commentary(text) => {
                    self.other_bytes += text.len() as u64;
                    Delta::Commentary(text)
                }
            };
            self.out.push(delta);
        }
    }

    fn end_content(&mut self, cut: bool) {
        self.decide(true);
        let Content::Parsing { parser, base } = std::mem::replace(&mut self.content, Content::Idle)
        else {
            return;
        };
        let (deltas, parsed) = if cut { parser.finish_cut_off() } else { parser.finish() };
        self.parsed(deltas, base);
        self.problems.extend(
            parsed.problems.iter().cloned().map(|problem| Problem {
                index: problem.index.map(|index| base + index),
                ..problem
            }),
        );
        self.parts.push(Part::Parsed { parsed, base });
    }

    fn open_calls_are_complete(&mut self) -> bool {
        self.native[self.current..].iter_mut().all(Native::is_complete)
    }

    /// Writes out what is known of the calls, one after the other.
    fn write_calls(&mut self) {
        while self.current < self.native.len() {
            self.write_call();
            let followed = self.current + 1 < self.native.len();
            if !(followed && self.native[self.current].is_complete()) {
                return;
            }
            self.end_call(false);
        }
    }

    fn end_calls(&mut self, cut: bool) {
        while self.current < self.native.len() {
            self.write_call();
            let last = self.current + 1 == self.native.len();
            self.end_call(cut && last);
        }
    }

    /// Begins the current call once its name is known. Arguments that are not an object wait for
    /// their end.
    fn write_call(&mut self) {
        let call = &mut self.native[self.current];
        if call.name.is_empty() {
            return;
        }
        let index = *call.index.get_or_insert_with(|| {
            let index = self.calls;
            self.calls += 1;
            self.out.push(Delta::ToolCallStart { index, name: call.name.clone() });
            index
        });
        if call.arguments.trim_start().starts_with('{') && call.written < call.arguments.len() {
            let text = call.arguments[call.written..].to_owned();
            call.written = call.arguments.len();
            self.out.push(Delta::ToolCallArguments { index, text });
        }
    }

    fn end_call(&mut self, cut: bool) {
        let call = std::mem::take(&mut self.native[self.current]);
        self.current += 1;
        let Some(index) = call.index else {
            if !call.arguments.is_empty() {
                self.problems.push(Problem {
                    index: None,
                    name: None,
                    message: "Your call was not run: it has no name. Write the call again.".into(),
                    raw: head(&call.arguments),
                });
            }
            return;
        };
        let (arguments, problem) = match call.written {
            0 => usable(&call.name, &call.arguments, cut),
            _ => (call.arguments.clone(), problem(&call.name, &call.arguments, cut)),
        };
        if call.written == 0 {
            self.out.push(Delta::ToolCallArguments { index, text: arguments.clone() });
        }
        if let Some(message) = &problem {
            self.problems.push(Problem {
                index: Some(index),
                name: Some(call.name.clone()),
                message: message.clone(),
                raw: head(&arguments),
            });
        }
        self.out.push(Delta::ToolCallEnd { index, problem });
        let id = if call.id.is_empty() { made_id(self.turn, index) } else { call.id };
        self.parts.push(Part::Call(ToolCall { id, name: call.name, arguments }));
    }
}

fn made_id(turn: usize, index: usize) -> String {
    format!("call_{turn}_{index}")
}

/// Arguments that are not an object's text: none at all, `null`, or an object within a string.
fn usable(name: &str, arguments: &str, cut: bool) -> (String, Option<String>) {
    let bare = arguments.trim();
    if bare == "null" || (bare.is_empty() && !cut) {
        return ("{}".to_owned(), None);
    }
    if let Ok(inner) = serde_json::from_str::<String>(bare)
        && problem(name, &inner, cut).is_none()
    {
        return (inner, None);
    }
    let problem = problem(name, arguments, cut);
    (if bare.is_empty() { "{}".to_owned() } else { arguments.to_owned() }, problem)
}

/// What is wrong with a call, in words that the model can mend it by.
fn problem(name: &str, arguments: &str, cut: bool) -> Option<String> {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(_)) => None,
        Ok(_) => Some(format!(
            "Your call of `{name}` was not run: its arguments must be a JSON object such as \
             {{\"argument\": \"value\"}}. Write the call again."
        )),
        Err(_) if cut => {
            Some(format!("Your call of `{name}` was not run: it was cut off before its end."))
        }
        Err(error) => Some(format!(
            "Your call of `{name}` was not valid JSON: {error}. Nothing was run. Write the call \
             again, with quotes, backslashes and line breaks inside strings escaped."
        )),
    }
}

fn head(raw: &str) -> String {
    let mut end = raw.len().min(RAW_BYTES_MAX);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    raw[..end].to_owned()
}

fn message(parts: Vec<Part>, turn: usize) -> Message {
    let (mut thoughts, mut texts, mut tool_calls) = (vec![], vec![], vec![]);
    for part in parts {
        match part {
            Part::Reasoning(text) => thoughts.push(text),
            Part::Call(call) => tool_calls.push(call),
            Part::Parsed { parsed, base } => {
                for item in parsed.items {
                    match item {
                        ParsedItem::Reasoning(text) => thoughts.push(text),
                        ParsedItem::Text(text) | ParsedItem::Commentary(text) => texts.push(text),
                        ParsedItem::ToolCall { index, name, arguments, .. } => {
                            let id = made_id(turn, base + index);
                            tool_calls.push(ToolCall { id, name, arguments });
                        }
                    }
                }
            }
        }
    }
    let joined = |texts: Vec<String>| {
        let said: Vec<&str> =
            texts.iter().map(|t| t.trim_end()).filter(|t| !t.is_empty()).collect();
        said.join("\n\n")
    };
    let reasoning = Some(joined(thoughts)).filter(|text| !text.is_empty());
    Message::Assistant { reasoning, text: joined(texts), tool_calls }
}
