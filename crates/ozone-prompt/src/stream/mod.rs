//! Splits a sampled stream into reasoning, text and tool calls.
//!
//! One parser serves the engine (tokens), upstreams that send text, the trainer and the evals, so
//! that a reward is computed on exactly the text that a user would have seen. Bytes or tokens are
//! pushed in, deltas come out at once, and where the stream was cut makes no difference (test
//! `cuts_change_nothing`). Only what is still ambiguous is held back: the beginning of a tag, white
//! space that a tag would swallow, and a message that may yet turn out to be a call printed as text.
//!
//! On tokens, a tag that the vocabulary has as a special token is a tag only as that token: the
//! same characters spelt with ordinary tokens are text, whoever wrote them.

mod call;
mod harmony;
mod lexer;
mod repair;
mod tags;
mod text;

use crate::{Format, Message, Tokenizer, ToolCall, ToolSpec};
use harmony::Harmony;
use lexer::{Lex, Lexer};
use tags::Tags;

/// What became known with one push. Joined per item, deltas equal the items of [`Parsed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    Reasoning(String),
    /// The answer.
    Text(String),
    /// What gpt-oss says to the user between its calls (`phase: "commentary"`).
    Commentary(String),
    /// `index` counts the calls of this stream from 0.
    ToolCallStart {
        index: usize,
        name: String,
    },
    /// A piece of the arguments' JSON text.
    ToolCallArguments {
        index: usize,
        text: String,
    },
    /// With a problem, the call must not run: the text goes back to the model as its output.
    ToolCallEnd {
        index: usize,
        problem: Option<String>,
    },
}

impl Delta {
    /// What it says.
    pub fn text(&self) -> &str {
        match self {
            Delta::Reasoning(text) | Delta::Text(text) | Delta::Commentary(text) => text,
            Delta::ToolCallArguments { text, .. } => text,
            Delta::ToolCallStart { .. } | Delta::ToolCallEnd { .. } => "",
        }
    }

    /// Takes in the delta behind it; gives that back where it does not go on with the same.
    pub fn join(&mut self, next: Delta) -> Option<Delta> {
        match (self, next) {
            (Delta::Reasoning(text), Delta::Reasoning(more))
            | (Delta::Text(text), Delta::Text(more))
            | (Delta::Commentary(text), Delta::Commentary(more)) => text.push_str(&more),
            (
                Delta::ToolCallArguments { index, text },
                Delta::ToolCallArguments { index: same, text: more },
            ) if *index == same => text.push_str(&more),
            (_, next) => return Some(next),
        }
        None
    }
}

/// The items of one sampled turn, in the order in which the model wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    pub items: Vec<ParsedItem>,
    /// Calls that cannot be run as written, also those that have no item because not even their
    /// name was readable.
    pub problems: Vec<Problem>,
    pub cut: Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedItem {
    Reasoning(String),
    Text(String),
    Commentary(String),
    /// `arguments` is a JSON object's text unless there is a problem.
    ToolCall {
        index: usize,
        name: String,
        arguments: String,
        problem: Option<String>,
    },
}

/// A call that went wrong. `message` is written for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The item it belongs to; `None` if the call has none.
    pub index: Option<usize>,
    pub name: Option<String>,
    pub message: String,
    /// What the model wrote, at most [`RAW_BYTES_MAX`] bytes of it.
    pub raw: String,
}

/// Where the stream ended in the middle of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    #[default]
    Nowhere,
    InReasoning,
    InToolCall,
}

/// Of a broken call, as much as helps to see what went wrong.
pub const RAW_BYTES_MAX: usize = 2000;

impl Parsed {
    /// All reasoning; several stretches are joined with an empty line.
    pub fn reasoning(&self) -> String {
        self.join(|item| match item {
            ParsedItem::Reasoning(text) => Some(text),
            _ => None,
        })
    }

    /// The answer, without commentary.
    pub fn text(&self) -> String {
        self.join(|item| match item {
            ParsedItem::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The calls that can run: (index, name, arguments).
    pub fn tool_calls(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        self.items.iter().filter_map(|item| match item {
            ParsedItem::ToolCall { index, name, arguments, problem: None } => {
                Some((*index, name.as_str(), arguments.as_str()))
            }
            _ => None,
        })
    }

    /// The turn as the next prompt's history has it. `ids` gives each call (by index) its id; calls
    /// with problems are part of the history too, since their outputs answer them.
    pub fn to_message(&self, mut ids: impl FnMut(usize) -> String) -> Message {
        let reasoning = Some(self.reasoning()).filter(|text| !text.is_empty());
        let text = self.join(|item| match item {
            ParsedItem::Text(text) | ParsedItem::Commentary(text) => Some(text),
            _ => None,
        });
        let tool_calls = self.items.iter().filter_map(|item| match item {
            ParsedItem::ToolCall { index, name, arguments, .. } => {
                Some(ToolCall { id: ids(*index), name: name.clone(), arguments: arguments.clone() })
            }
            _ => None,
        });
        Message::Assistant { reasoning, text, tool_calls: tool_calls.collect() }
    }

    fn join(&self, pick: impl Fn(&ParsedItem) -> Option<&String>) -> String {
        let parts: Vec<&str> = self.items.iter().filter_map(pick).map(String::as_str).collect();
        parts.join("\n\n")
    }
}

/// One turn's parser. Push until the stream ends or [`StreamParser::finished`], then `finish`.
pub struct StreamParser {
    lexer: Lexer,
    machine: Machine,
    out: Out,
    finished: bool,
}

enum Machine {
    Tags(Tags),
    Harmony(Harmony),
}

impl StreamParser {
    /// For a stream of text: tags are recognised by their characters. `thinking_open` is
    /// [`crate::Rendered::thinking_open`] of the prompt. `tools` are those that were offered.
    pub fn for_text(format: Format, tools: &[ToolSpec], thinking_open: bool) -> StreamParser {
        StreamParser::new(format, tools, thinking_open, true, |_| false)
    }

    /// For a stream of tokens of this vocabulary; feed it with [`StreamParser::push_token`].
    pub fn for_tokens(
        format: Format,
        tools: &[ToolSpec],
        thinking_open: bool,
        tokenizer: &dyn Tokenizer,
    ) -> StreamParser {
        let specials = tokenizer.special_tokens();
        StreamParser::new(format, tools, thinking_open, true, |tag| {
            specials.iter().any(|token| token.text == tag)
        })
    }

    fn new(
        format: Format,
        tools: &[ToolSpec],
        thinking_open: bool,
        repairs: bool,
        is_token: impl Fn(&str) -> bool,
    ) -> StreamParser {
        let machine = match format {
            Format::Harmony => Machine::Harmony(Harmony::new(tools)),
            Format::HermesQwen | Format::DeepSeekR1 | Format::Plain => {
                Machine::Tags(Tags::new(tools, thinking_open, repairs))
            }
        };
        StreamParser {
            lexer: Lexer::new(lexer::tags_of(format), is_token),
            machine,
            out: Out::default(),
            finished: false,
        }
    }

    /// The next bytes of a text stream, cut anywhere, also inside a character.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Vec<Delta> {
        let lexed = self.lexer.push(bytes);
        self.step(lexed)
    }

    pub fn push_token(&mut self, id: u32, tokenizer: &dyn Tokenizer) -> Vec<Delta> {
        if tokenizer.is_eog(id) && !self.lexer.is_tag(&tokenizer.decode_bytes(id)) {
            let lexed = self.lexer.flush();
            let deltas = self.step(lexed);
            self.finished = true;
            return deltas;
        }
        self.push_piece(&tokenizer.decode_bytes(id), tokenizer.is_special(id))
    }

    /// The bytes of one token, and whether it is a special one.
    pub fn push_piece(&mut self, bytes: &[u8], special: bool) -> Vec<Delta> {
        let lexed = if special { self.lexer.push_special(bytes) } else { self.lexer.push(bytes) };
        self.step(lexed)
    }

    /// The model has ended its turn; what is pushed from here on is ignored.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Ends a stream that a limit or a fault broke off. What does not show its own end, such as
    /// bare code where JSON is expected, is then not taken for a call.
    pub fn finish_cut_off(mut self) -> (Vec<Delta>, Parsed) {
        self.out.cut_off = !self.finished;
        self.finish()
    }

    /// Ends the stream: what was held back comes out, what is open is closed.
    pub fn finish(mut self) -> (Vec<Delta>, Parsed) {
        let lexed = self.lexer.flush();
        let mut deltas = self.step(lexed);
        match &mut self.machine {
            Machine::Tags(machine) => machine.finish(&mut self.out),
            Machine::Harmony(machine) => machine.finish(&mut self.out),
        }
        deltas.append(&mut self.out.deltas);
        let Out { items, problems, cut, .. } = self.out;
        (deltas, Parsed { items, problems, cut })
    }

    /// The whole of a text at once.
    pub fn parse(format: Format, tools: &[ToolSpec], thinking_open: bool, text: &str) -> Parsed {
        let mut parser = StreamParser::for_text(format, tools, thinking_open);
        parser.push_bytes(text.as_bytes());
        parser.finish().1
    }

    /// The whole of a text in exactly this format, without repairs.
    fn parse_strictly(format: Format, tools: &[ToolSpec], text: &str) -> Parsed {
        let mut parser = StreamParser::new(format, tools, false, false, |_| false);
        parser.push_bytes(text.as_bytes());
        parser.finish().1
    }

    fn step(&mut self, lexed: Vec<Lex>) -> Vec<Delta> {
        for lex in lexed {
            if self.finished {
                break;
            }
            self.finished = match &mut self.machine {
                Machine::Tags(machine) => machine.push(lex, &mut self.out),
                Machine::Harmony(machine) => machine.push(lex, &mut self.out),
            };
        }
        std::mem::take(&mut self.out.deltas)
    }
}

/// Collects deltas and, from the same pushes, the items that they add up to.
#[derive(Default)]
struct Out {
    deltas: Vec<Delta>,
    items: Vec<ParsedItem>,
    problems: Vec<Problem>,
    cut: Cut,
    calls: usize,
    /// The stream did not end by itself.
    cut_off: bool,
    /// The next text begins a new item even if the last one is of its kind.
    closed: bool,
}

impl Out {
    fn reasoning(&mut self, text: &str) {
        match (self.items.last_mut(), self.closed) {
            (Some(ParsedItem::Reasoning(item)), false) => item.push_str(text),
            _ => self.items.push(ParsedItem::Reasoning(text.to_string())),
        }
        match self.deltas.last_mut() {
            Some(Delta::Reasoning(delta)) if !self.closed => delta.push_str(text),
            _ => self.deltas.push(Delta::Reasoning(text.to_string())),
        }
        self.closed = false;
    }

    fn text(&mut self, text: &str) {
        match (self.items.last_mut(), self.closed) {
            (Some(ParsedItem::Text(item)), false) => item.push_str(text),
            _ => self.items.push(ParsedItem::Text(text.to_string())),
        }
        match self.deltas.last_mut() {
            Some(Delta::Text(delta)) if !self.closed => delta.push_str(text),
            _ => self.deltas.push(Delta::Text(text.to_string())),
        }
        self.closed = false;
    }

    fn commentary(&mut self, text: &str) {
        match (self.items.last_mut(), self.closed) {
            (Some(ParsedItem::Commentary(item)), false) => item.push_str(text),
            _ => self.items.push(ParsedItem::Commentary(text.to_string())),
        }
        match self.deltas.last_mut() {
            Some(Delta::Commentary(delta)) if !self.closed => delta.push_str(text),
            _ => self.deltas.push(Delta::Commentary(text.to_string())),
        }
        self.closed = false;
    }

    fn call_start(&mut self, name: &str) -> usize {
        let index = self.calls;
        self.calls += 1;
        self.deltas.push(Delta::ToolCallStart { index, name: name.to_string() });
        self.items.push(ParsedItem::ToolCall {
            index,
            name: name.to_string(),
            arguments: String::new(),
            problem: None,
        });
        index
    }

    /// Calls follow one another, so these arguments are of the last item.
    fn call_arguments(&mut self, index: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(ParsedItem::ToolCall { arguments, .. }) = self.items.last_mut() {
            arguments.push_str(text);
        }
        match self.deltas.last_mut() {
            Some(Delta::ToolCallArguments { index: last, text: delta }) if *last == index => {
                delta.push_str(text)
            }
            _ => self.deltas.push(Delta::ToolCallArguments { index, text: text.to_string() }),
        }
    }

    fn call_end(&mut self, index: usize, end: Result<(), String>, raw: &str) {
        let problem = end.err();
        if let Some(ParsedItem::ToolCall { problem: slot, name, .. }) = self.items.last_mut() {
            slot.clone_from(&problem);
            if let Some(message) = &problem {
                let name = Some(name.clone());
                self.problems.push(Problem {
                    index: Some(index),
                    name,
                    message: message.clone(),
                    raw: head(raw),
                });
            }
        }
        self.deltas.push(Delta::ToolCallEnd { index, problem });
        self.closed = true;
    }

    fn whole_call(&mut self, name: &str, arguments: &str, end: Result<(), String>, raw: &str) {
        let index = self.call_start(name);
        self.call_arguments(index, arguments);
        self.call_end(index, end, raw);
    }

    /// A call without so much as a name.
    fn nameless(&mut self, message: String, raw: &str) {
        self.problems.push(Problem { index: None, name: None, message, raw: head(raw) });
    }
}

fn head(raw: &str) -> String {
    let mut end = raw.len().min(RAW_BYTES_MAX);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    raw[..end].to_string()
}
