//! Text on its way out: white space at its edges goes, and a message that may be a call printed as
//! text waits until that is decided.

use super::{Cut, Out, call, repair};
use crate::ToolSpec;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Reasoning,
    Text,
    Commentary,
}

/// One stretch of text.
pub struct Stretch {
    into: Into,
    /// White space after the last visible character: swallowed if the stretch ends here.
    space: String,
    blank: bool,
    /// Something visible came out.
    started: bool,
    /// A whole message that may be a call.
    held: Option<String>,
    /// A token of another family's call syntax came: held to the end whatever it looks like.
    foreign: bool,
}

impl Stretch {
    /// `may_be_call`: the message has nothing before this, and tools were offered.
    pub fn new(into: Into, may_be_call: bool) -> Stretch {
        Stretch {
            into,
            space: String::new(),
            blank: true,
            started: false,
            held: may_be_call.then(String::new),
            foreign: false,
        }
    }

    /// Nothing but white space so far.
    pub fn blank(&self) -> bool {
        self.blank
    }

    pub fn is_reasoning(&self) -> bool {
        self.into == Into::Reasoning
    }

    pub fn push(&mut self, text: &str, tools: &[ToolSpec], out: &mut Out) {
        self.blank &= text.trim().is_empty();
        match &mut self.held {
            Some(held) => {
                held.push_str(text);
                if !self.foreign && !repair::could_be_call(held, tools) {
                    let held = std::mem::take(held);
                    self.held = None;
                    self.emit(&held, out);
                }
            }
            None => self.emit(text, out),
        }
    }

    /// From here on the text is a call in another family's syntax, or nothing of ours.
    pub fn push_foreign(&mut self, literal: &str) {
        self.blank = false;
        self.foreign = true;
        self.held.get_or_insert_default().push_str(literal);
    }

    /// At the end of the message: calls, if that is what it was.
    pub fn end_message(self, tools: &[ToolSpec], at_end_of_stream: bool, out: &mut Out) -> usize {
        let Some(held) = &self.held else {
            self.end(out);
            return 0;
        };
        match repair::parse(held, tools, out.cut_off) {
            repair::Repaired::Calls(calls) => {
                let count = calls.len();
                for (name, arguments) in calls {
                    let end = call::check(&name, &arguments, false);
                    out.whole_call(&name, &arguments, end, held);
                }
                count
            }
            repair::Repaired::Broken { name, message } => {
                if at_end_of_stream && repair::is_cut(held) {
                    out.cut = Cut::InToolCall;
                }
                out.problems.push(super::Problem {
                    index: None,
                    name: Some(name),
                    message,
                    raw: super::head(held),
                });
                0
            }
            repair::Repaired::Text => {
                self.end(out);
                0
            }
        }
    }

    /// Something else follows: what was held is text.
    pub fn end(mut self, out: &mut Out) {
        if let Some(held) = self.held.take() {
            self.emit(&held, out);
        }
        out.closed = true;
    }

    fn emit(&mut self, text: &str, out: &mut Out) {
        let text = if self.started { text } else { text.trim_start() };
        let visible = text.trim_end();
        if visible.is_empty() {
            self.space.push_str(text);
            return;
        }
        let mut piece = std::mem::take(&mut self.space);
        piece.push_str(visible);
        match self.into {
            Into::Reasoning => out.reasoning(&piece),
            Into::Text => out.text(&piece),
            Into::Commentary => out.commentary(&piece),
        }
        self.space.push_str(&text[visible.len()..]);
        self.started = true;
    }
}
