//! Hermes and DeepSeek: a stream of text with tags in it.

use super::call::{CallBody, CallObject};
use super::lexer::{Lex, Tag};
use super::text::{Into, Stretch};
use super::{Cut, Out, repair};
use crate::ToolSpec;

pub struct Tags {
    tools: Vec<ToolSpec>,
    state: State,
    /// Text or calls came already, so what follows is not the whole message.
    begun: bool,
    /// Look for calls of other families in the text. Off when this parser is asked by the repair.
    repairs: bool,
}

enum State {
    Text(Stretch),
    Thought(Stretch),
    /// `<tool_call>` came; with the first character after it one sees whether it is a call.
    Opened {
        literal: String,
        back: Box<State>,
    },
    Call(CallObject),
    /// Another form between the same tags: Qwen3-Coder's `<function=NAME><parameter=KEY>…`, Granite's
    /// list of calls.
    Other(String),
    /// Between DeepSeek's calls.
    DeepBetween,
    /// The kind, or from V3.1 on the name, before the separator.
    DeepKind(String),
    /// The name, up to the end of its line.
    DeepName(String),
    DeepBody(CallBody),
}

impl Tags {
    pub fn new(tools: &[ToolSpec], thinking_open: bool, repairs: bool) -> Tags {
        let state = if thinking_open {
            State::Thought(Stretch::new(Into::Reasoning, false))
        } else {
            State::Text(Stretch::new(Into::Text, repairs && !tools.is_empty()))
        };
        Tags { tools: tools.to_vec(), state, begun: false, repairs }
    }

    /// Returns whether the turn is over.
    pub fn push(&mut self, lex: Lex, out: &mut Out) -> bool {
        match lex {
            Lex::Text(text) => self.text(&text, out),
            Lex::Tag { tag, literal, special } => return self.tag(tag, literal, special, out),
        }
        false
    }

    fn next_text(&self) -> State {
        State::Text(Stretch::new(Into::Text, self.repairs && !self.begun && !self.tools.is_empty()))
    }

    fn text(&mut self, text: &str, out: &mut Out) {
        match &mut self.state {
            State::Text(stretch) => {
                stretch.push(text, &self.tools, out);
            }
            State::Thought(stretch) => stretch.push(text, &self.tools, out),
            State::Opened { literal, .. } => {
                let after = text.trim_start();
                let Some(first) = after.chars().next() else {
                    literal.push_str(text);
                    return;
                };
                let whole = format!("{literal}{text}");
                let State::Opened { back, .. } =
                    std::mem::replace(&mut self.state, State::DeepBetween)
                else {
                    return;
                };
                match first {
                    '{' | '<' | '[' => {
                        self.close(*back, out);
                        self.begun = true;
                        self.state = match first {
                            '{' => State::Call(CallObject::default()),
                            _ => State::Other(String::new()),
                        };
                        self.text(after, out);
                    }
                    _ => {
                        self.state = *back;
                        self.text(&whole, out);
                    }
                }
            }
            State::Call(call) => call.push(text, out),
            State::Other(raw) => raw.push_str(text),
            State::DeepBetween => {}
            State::DeepKind(kind) => kind.push_str(text),
            State::DeepName(name) => {
                name.push_str(text);
                self.deep_name(out);
            }
            State::DeepBody(body) => body.push(text, out),
        }
    }

    fn tag(&mut self, tag: Tag, literal: &str, special: bool, out: &mut Out) -> bool {
        if !special && self.is_quoted(tag) {
            self.text(literal, out);
            return false;
        }
        if let State::Opened { .. } = &self.state {
            // `<tool_call>` and at once another tag: it was text.
            let back = std::mem::replace(&mut self.state, State::DeepBetween);
            if let State::Opened { literal, back } = back {
                self.state = *back;
                self.text(&literal, out);
            }
            return self.tag(tag, literal, special, out);
        }
        match tag {
            Tag::Stop => {
                self.finish(out);
                return true;
            }
            Tag::ThinkOpen if matches!(self.state, State::Text(_)) => {
                self.switch(State::Thought(Stretch::new(Into::Reasoning, false)), out);
            }
            Tag::ThinkClose if matches!(self.state, State::Thought(_)) => {
                let next = self.next_text();
                self.switch(next, out);
            }
            // The template opens and closes an empty thought, or the model closes it twice.
            Tag::ThinkOpen | Tag::ThinkClose => {}
            Tag::CallOpen => {
                let back = std::mem::replace(&mut self.state, State::DeepBetween);
                match back {
                    State::Text(_) | State::Thought(_) => {
                        self.state =
                            State::Opened { literal: literal.to_string(), back: Box::new(back) };
                    }
                    // The model forgot to close the call before.
                    _ => {
                        self.close(back, out);
                        let back = Box::new(self.next_text());
                        self.state = State::Opened { literal: literal.to_string(), back };
                    }
                }
            }
            Tag::CallClose => {
                if matches!(self.state, State::Call(_) | State::Other(_)) {
                    self.begun = true;
                    let next = self.next_text();
                    self.switch(next, out);
                }
            }
            Tag::DeepCalls => {
                self.switch(State::DeepBetween, out);
                self.begun = true;
            }
            Tag::DeepCall => {
                self.switch(State::DeepKind(String::new()), out);
                self.begun = true;
            }
            Tag::DeepSeparator => {
                if let State::DeepKind(kind) = &self.state {
                    let kind = kind.trim();
                    self.state = match kind {
                        "function" | "" => State::DeepName(String::new()),
                        name => State::DeepBody(CallBody::new(name)),
                    };
                }
            }
            Tag::DeepCallEnd => self.switch(State::DeepBetween, out),
            Tag::DeepCallsEnd => {
                let next = self.next_text();
                self.switch(next, out);
            }
            Tag::Foreign => {
                if let (State::Text(stretch), true) = (&mut self.state, self.repairs) {
                    stretch.push_foreign(literal);
                } else {
                    self.text(literal, out);
                }
            }
            Tag::Start | Tag::Channel | Tag::Message | Tag::Constrain | Tag::End | Tag::Call => {
                self.text(literal, out);
            }
        }
        false
    }

    /// Whether a tag that came as ordinary text is only being talked about.
    fn is_quoted(&self, tag: Tag) -> bool {
        let calls = !self.tools.is_empty();
        match (&self.state, tag) {
            (State::Call(call), _) => call.quotes(),
            (State::DeepBody(body), _) => body.quotes(),
            (State::Other(raw), _) => !repair::other_complete(raw) && tag != Tag::Stop,
            // A model that explains `<think>` in the middle of its answer does not think.
            (State::Text(stretch), Tag::ThinkOpen | Tag::ThinkClose) => !stretch.blank(),
            (State::Text(_), Tag::CallOpen | Tag::DeepCalls | Tag::DeepCall) => !calls,
            (State::Text(stretch), Tag::Foreign) => {
                !calls || !self.repairs || !stretch.blank() || self.begun
            }
            (State::Text(_), Tag::Stop) => false,
            (State::Text(_), _) => true,
            (State::Thought(_), Tag::ThinkClose | Tag::Stop) => false,
            (State::Thought(_), _) => true,
            (State::Opened { .. } | State::DeepBetween, _) => false,
            (State::DeepKind(_) | State::DeepName(_), _) => false,
        }
    }

    fn deep_name(&mut self, out: &mut Out) {
        let State::DeepName(name) = &self.state else { return };
        // V3.1 writes nothing before the name's separator in some conversions: `{` ends it as well.
        let Some(end) = name.find(['\n', '{', '`']) else { return };
        let (name, rest) = (name[..end].trim().to_string(), name[end..].to_string());
        if name.is_empty() && rest.trim().is_empty() {
            return;
        }
        let mut body = CallBody::new(&name);
        body.push(&rest, out);
        self.state = State::DeepBody(body);
    }

    fn switch(&mut self, next: State, out: &mut Out) {
        let state = std::mem::replace(&mut self.state, next);
        self.close(state, out);
    }

    fn close(&mut self, state: State, out: &mut Out) {
        match state {
            State::Text(stretch) => {
                self.begun |= !stretch.blank();
                stretch.end(out);
            }
            State::Thought(stretch) => stretch.end(out),
            State::Call(call) => call.end(&self.tools, false, out),
            State::Other(raw) => repair::end_other(&raw, &self.tools, false, out),
            State::DeepBody(body) => body.end(&self.tools, false, out),
            State::DeepKind(raw) if raw.trim().is_empty() => {}
            State::DeepKind(name) | State::DeepName(name) => {
                CallBody::new(name.trim()).end(&self.tools, false, out);
            }
            State::Opened { .. } | State::DeepBetween => {}
        }
    }

    /// The stream or the turn has ended.
    pub fn finish(&mut self, out: &mut Out) {
        let state = std::mem::replace(&mut self.state, State::DeepBetween);
        match state {
            State::Text(stretch) => {
                stretch.end_message(&self.tools, true, out);
            }
            State::Thought(stretch) => {
                out.cut = Cut::InReasoning;
                stretch.end(out);
                self.calls_in_thought(out);
            }
            State::Opened { back, .. } => {
                out.cut = Cut::InToolCall;
                self.close(*back, out);
            }
            State::Call(call) => {
                let complete = call.complete();
                if !complete {
                    out.cut = Cut::InToolCall;
                }
                call.end(&self.tools, !complete, out);
            }
            State::Other(raw) => {
                let complete = repair::other_complete(&raw);
                if !complete {
                    out.cut = Cut::InToolCall;
                }
                repair::end_other(&raw, &self.tools, !complete, out);
            }
            State::DeepBetween => {}
            State::DeepKind(name) | State::DeepName(name) => {
                out.cut = Cut::InToolCall;
                let name = name.trim();
                if !name.is_empty() {
                    CallBody::new(name).end(&self.tools, true, out);
                }
            }
            State::DeepBody(body) => {
                let complete = body.complete();
                if !complete {
                    out.cut = Cut::InToolCall;
                }
                body.end(&self.tools, !complete, out);
            }
        }
    }

    /// A model that never closes its thought but ends it with a whole call meant to make the call.
    fn calls_in_thought(&mut self, out: &mut Out) {
        let Some(super::ParsedItem::Reasoning(thought)) = out.items.last() else { return };
        let Some(at) = thought.rfind("<tool_call>") else { return };
        let tail = thought[at..].to_string();
        if let repair::Repaired::Calls(calls) = repair::parse(&tail, &self.tools, out.cut_off) {
            out.cut = Cut::Nowhere;
            for (name, arguments) in calls {
                let end = super::call::check(&name, &arguments, false);
                out.whole_call(&name, &arguments, end, &tail);
            }
        }
    }
}
