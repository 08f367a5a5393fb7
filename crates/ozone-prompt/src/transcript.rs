//! The tokens that the engine has seen, so that text is never tokenised twice.
//!
//! A model's own words stay the ids that were sampled. What follows them, such as a tool's result,
//! is found by rendering the conversation with and without it: the difference is what the template
//! adds, and only that is tokenised and prefilled. Where the template rewrites history instead
//! (Qwen3 drops old thinking when the user speaks again) the whole is rendered anew, and said so.

use crate::marks::{Marks, tokens};
use crate::message::{Conversation, Message};
use crate::template::{ChatTemplate, Rendered, TemplateError};

/// What this crate needs of a vocabulary. The engine implements it.
pub trait Tokenizer {
    /// With `parse_special`, special tokens are recognised in the text. Adds no token of its own.
    fn encode(&self, text: &str, parse_special: bool) -> Vec<u32>;
    /// The token's bytes; of a special token, its text.
    fn decode_bytes(&self, id: u32) -> Vec<u8>;
    /// A control or user-defined token: one that [`Tokenizer::special_tokens`] lists.
    fn is_special(&self, id: u32) -> bool;
    /// Ends a turn.
    fn is_eog(&self, id: u32) -> bool;
    fn special_tokens(&self) -> &[SpecialToken];
    /// Put in front of every prompt that does not begin with it; `None` if the model wants none.
    fn bos(&self) -> Option<u32> {
        None
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    pub id: u32,
    pub text: String,
}

/// What [`Transcript::append`] asks of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Exactly these follow what the engine has.
    Suffix(Vec<u32>),
    /// The history reads differently now: the whole prompt. What it has in common with the old one
    /// is for the engine's prefix cache to find.
    Rerendered(Vec<u32>),
}

/// A conversation and the tokens that stand for it.
#[derive(Debug, Clone)]
pub struct Transcript {
    conversation: Conversation,
    tokens: Vec<u32>,
    /// The prompt that was last built ends inside `<think>`.
    thinking_open: bool,
    marks: Marks,
}

impl Transcript {
    /// Renders the whole prompt. `tokens()` is what the engine should see.
    pub fn start(
        conversation: Conversation,
        template: &ChatTemplate,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Transcript, TemplateError> {
        let marks = Marks::of(tokenizer);
        let rendered = template.render(&conversation, &marks)?;
        Ok(Transcript {
            conversation,
            tokens: rendered.tokens(tokenizer),
            thinking_open: rendered.thinking_open,
            marks,
        })
    }

    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// All that the engine has seen or should see, prompt and sampled.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Whether the next sampled stream begins inside a thought (for [`crate::StreamParser`]).
    pub fn thinking_open(&self) -> bool {
        self.thinking_open
    }

    /// What the model just sampled: its ids as they are, with the end-of-turn token if it came, and
    /// the message that they were parsed into ([`crate::Parsed::to_message`]).
    pub fn push_sampled(&mut self, ids: &[u32], message: Message) {
        self.tokens.extend_from_slice(ids);
        self.conversation.messages.push(message);
    }

    /// Adds tool results or a user's turn, and the head of the assistant's next one.
    pub fn append(
        &mut self,
        messages: Vec<Message>,
        template: &ChatTemplate,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Appended, TemplateError> {
        let seen = self.conversation.messages.len();
        let mut conversation = self.conversation.clone();
        conversation.messages.extend(messages);
        let full = template.render(&conversation, &self.marks)?;
        let before = template
            .render_until(&conversation, &conversation.messages[..seen], &self.marks, false)
            .ok();
        self.thinking_open = full.thinking_open;
        let suffix =
            before.and_then(|before| self.suffix(&before, &full, &conversation, seen, tokenizer));
        self.conversation = conversation;
        Ok(match suffix {
            Some(ids) => {
                self.tokens.extend_from_slice(&ids);
                Appended::Suffix(ids)
            }
            None => {
                self.tokens = full.tokens(tokenizer);
                Appended::Rerendered(self.tokens.clone())
            }
        })
    }

    fn suffix(
        &self,
        before: &Rendered,
        full: &Rendered,
        conversation: &Conversation,
        seen: usize,
        tokenizer: &dyn Tokenizer,
    ) -> Option<Vec<u32>> {
        let rest = full.marked.strip_prefix(before.marked.as_str())?;
        if self.drops_thoughts(&full.marked, conversation, seen) {
            return None;
        }
        // Without the last turn, to look for its end only where it was written.
        let last_turn = conversation.messages[..seen]
            .last()
            .map_or(0, |last| last_turn_start(&before.marked, &self.marks, last));
        let end = tokenizer
            .special_tokens()
            .iter()
            .filter(|token| tokenizer.is_eog(token.id) && !token.text.is_empty())
            .filter_map(|token| {
                let at = before.marked.rfind(token.text.as_str()).filter(|at| *at >= last_turn)?;
                Some((at, token))
            })
            .max_by_key(|(at, token)| (*at, token.text.len()));
        let last = self.tokens.last().copied();
        let ended = last.is_some_and(|id| tokenizer.is_eog(id));
        Some(match end {
            Some((at, token)) => {
                let tail = &before.marked[at + token.text.len()..];
                let mut ids = vec![];
                match last {
                    // gpt-oss ends an answer with `<|return|>` but reads `<|end|>` in its history.
                    Some(id) if ended && id != token.id && is_return(id, tokenizer) => return None,
                    _ if !ended => ids.push(token.id),
                    _ => {}
                }
                ids.extend(tokens(&format!("{tail}{rest}"), tokenizer));
                ids
            }
            None if ended && last.is_some_and(|id| is_return(id, tokenizer)) => return None,
            None => tokens(rest, tokenizer),
        })
    }

    /// A user's new turn makes most templates leave out the thoughts before it. They are then taken
    /// out of the model's sight too; between a call and its result they stay, whatever the template.
    fn drops_thoughts(&self, full: &str, conversation: &Conversation, seen: usize) -> bool {
        let new_turn = conversation.messages[seen..]
            .iter()
            .any(|message| matches!(message, Message::User { .. }));
        new_turn
            && conversation.messages[..seen].iter().any(|message| match message {
                Message::Assistant { reasoning: Some(reasoning), .. } => {
                    let reasoning = self.marks.mark(reasoning.trim());
                    !reasoning.is_empty() && !full.contains(&reasoning)
                }
                _ => false,
            })
    }
}

fn is_return(id: u32, tokenizer: &dyn Tokenizer) -> bool {
    tokenizer.decode_bytes(id) == b"<|return|>"
}

/// Where the last message's own words begin, so that an end-of-turn token of an earlier turn is not
/// taken for its.
fn last_turn_start(before: &str, marks: &Marks, last: &Message) -> usize {
    let Message::Assistant { reasoning, text, tool_calls } = last else { return 0 };
    let words = [
        tool_calls.last().map(|call| call.name.as_str()),
        Some(text.trim()).filter(|text| !text.is_empty()),
        reasoning.as_deref().map(str::trim).filter(|text| !text.is_empty()),
    ];
    words.into_iter().flatten().find_map(|word| before.rfind(&marks.mark(word))).unwrap_or(0)
}
