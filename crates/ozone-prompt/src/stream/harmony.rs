//! gpt-oss: messages with a header. The prompt has already opened the first one:
//! `<|start|>assistant`.

use super::call::CallBody;
use super::lexer::{Lex, Tag};
use super::text::{Into, Stretch};
use super::{Cut, Out};
use crate::ToolSpec;

/// Longer than any header: a stream without tags is then read as the answer.
const HEADER_CHARS_MAX: usize = 256;

pub struct Harmony {
    tools: Vec<ToolSpec>,
    state: State,
    /// A tag came, so the stream is in this format at all.
    tagged: bool,
    begun: bool,
}

enum State {
    Header(Header),
    Text(Stretch),
    Call(CallBody),
    Between,
}

#[derive(Default)]
struct Header {
    /// Role and perhaps recipient.
    role: String,
    /// Channel and perhaps recipient and content type.
    channel: Option<String>,
}

impl Harmony {
    pub fn new(tools: &[ToolSpec]) -> Harmony {
        let state = State::Header(Header::default());
        Harmony { tools: tools.to_vec(), state, tagged: false, begun: false }
    }

    /// Returns whether the turn is over.
    pub fn push(&mut self, lex: Lex, out: &mut Out) -> bool {
        match lex {
            Lex::Text(text) => self.text(&text, out),
            Lex::Tag { tag, literal, special } => return self.tag(tag, literal, special, out),
        }
        false
    }

    fn text(&mut self, text: &str, out: &mut Out) {
        match &mut self.state {
            State::Header(header) => {
                header.channel.as_mut().unwrap_or(&mut header.role).push_str(text);
                if !self.tagged && header.role.chars().count() > HEADER_CHARS_MAX {
                    let text = std::mem::take(&mut header.role);
                    let mut stretch = Stretch::new(Into::Text, !self.tools.is_empty());
                    stretch.push(&text, &self.tools, out);
                    self.state = State::Text(stretch);
                }
            }
            State::Text(stretch) => stretch.push(text, &self.tools, out),
            State::Call(body) => body.push(text, out),
            State::Between => {}
        }
    }

    fn tag(&mut self, tag: Tag, literal: &str, special: bool, out: &mut Out) -> bool {
        let quoted = match &self.state {
            State::Call(body) => body.quotes(),
            State::Text(_) => matches!(tag, Tag::Channel | Tag::Message | Tag::Constrain),
            State::Header(_) | State::Between => false,
        };
        if !special && quoted {
            self.text(literal, out);
            return false;
        }
        self.tagged = true;
        match tag {
            Tag::Start => {
                // Some turns repeat the head that the prompt already gave.
                self.close(false, out);
                self.state = State::Header(Header::default());
            }
            Tag::Channel => match &mut self.state {
                State::Header(header) => {
                    header.channel.get_or_insert_default();
                }
                // The model left out `<|end|><|start|>assistant`.
                _ => {
                    self.close(false, out);
                    let channel = Some(String::new());
                    self.state = State::Header(Header { role: String::new(), channel });
                }
            },
            Tag::Constrain => {
                if let State::Header(header) = &mut self.state {
                    header.channel.as_mut().unwrap_or(&mut header.role).push(' ');
                }
            }
            Tag::Message => {
                if let State::Header(header) = &self.state {
                    self.state = self.body(header);
                }
            }
            Tag::End => {
                self.close(false, out);
                self.state = State::Between;
            }
            Tag::Call | Tag::Stop => {
                self.close(false, out);
                self.state = State::Between;
                return true;
            }
            _ => self.text(literal, out),
        }
        false
    }

    fn body(&self, header: &Header) -> State {
        let channel = header.channel.as_deref().unwrap_or_default();
        let recipient = [header.role.as_str(), channel]
            .iter()
            .filter_map(|part| part.split_whitespace().find_map(|word| word.strip_prefix("to=")))
            .find(|name| !matches!(*name, "" | "assistant" | "user" | "all"));
        if let Some(recipient) = recipient {
            let name = recipient.strip_prefix("functions.").unwrap_or(recipient);
            return State::Call(CallBody::new(name));
        }
        match channel.split_whitespace().next() {
            Some("analysis") => State::Text(Stretch::new(Into::Reasoning, false)),
            Some("commentary") => State::Text(Stretch::new(Into::Commentary, false)),
            _ => State::Text(Stretch::new(Into::Text, !self.begun && !self.tools.is_empty())),
        }
    }

    fn close(&mut self, at_end_of_stream: bool, out: &mut Out) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Text(stretch) => {
                let calls = stretch.end_message(&self.tools, at_end_of_stream, out);
                self.begun |= calls > 0;
            }
            State::Call(body) => {
                let complete = !at_end_of_stream || body.complete();
                if !complete {
                    out.cut = Cut::InToolCall;
                }
                body.end(&self.tools, !complete, out);
                self.begun = true;
            }
            State::Header(_) | State::Between => {}
        }
    }

    pub fn finish(&mut self, out: &mut Out) {
        match &self.state {
            State::Header(header) if !self.tagged => {
                // An upstream that strips special tokens: there is nothing to tell channels by.
                let mut stretch = Stretch::new(Into::Text, !self.tools.is_empty());
                stretch.push(&header.role.clone(), &self.tools, out);
                self.state = State::Text(stretch);
            }
            State::Header(header) => {
                let called = header.role.contains("to=")
                    || header.channel.as_ref().is_some_and(|channel| channel.contains("to="));
                out.cut = if called { Cut::InToolCall } else { Cut::InReasoning };
            }
            State::Text(stretch) if stretch.is_reasoning() => out.cut = Cut::InReasoning,
            _ => {}
        }
        self.close(true, out);
    }
}
