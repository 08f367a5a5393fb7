//! The tokens that the engine has seen, so that text is never tokenised twice.
//!
//! A model's own words stay the ids that were sampled. What follows them, such as a tool's result,
//! is found by rendering the conversation with and without it: the difference is what the template
//! adds, and only that is tokenised and prefilled. Where the template rewrites history instead
//! (Qwen3 drops old thinking when the user speaks again) the whole is rendered anew, and said so.

use std::collections::BTreeMap;

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
    /// What stands in a sequence for a picture of the conversation ([`Conversation::pictures`]).
    fn picture(&self, _number: usize) -> Vec<u32> {
        vec![]
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
        self.append_shown(messages, BTreeMap::new(), template, tokenizer)
    }

    /// The same with pictures: [`Conversation::pictures`], by the index in `messages`.
    pub fn append_shown(
        &mut self,
        messages: Vec<Message>,
        pictures: BTreeMap<usize, Vec<usize>>,
        template: &ChatTemplate,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Appended, TemplateError> {
        let seen = self.conversation.messages.len();
        let mut conversation = self.conversation.clone();
        conversation.messages.extend(messages);
        conversation.pictures.extend(pictures.into_iter().map(|(at, places)| (seen + at, places)));
        let full = template.render(&conversation, &self.marks)?;
        self.thinking_open = full.thinking_open;
        let suffix = self
            .turn_end(&full, &conversation, seen, template, tokenizer)
            .map(|(end, missing)| (&full.marked[end..], missing));
        self.conversation = conversation;
        Ok(match suffix {
            Some((text, missing)) => {
                let mut ids: Vec<u32> = missing.into_iter().collect();
                ids.extend(tokens(text, tokenizer));
                self.tokens.extend_from_slice(&ids);
                Appended::Suffix(ids)
            }
            None => {
                self.tokens = full.tokens(tokenizer);
                Appended::Rerendered(self.tokens.clone())
            }
        })
    }

    /// Where in the full rendering the last sampled turn has ended, and its end-of-turn token if the
    /// engine has not seen it. `None` if the rendering is not a continuation of what was seen.
    ///
    /// The turn's own words are not looked for, since a template may write them otherwise than the
    /// model did (spaces in JSON, an empty thought). What stands before the turn must be unchanged,
    /// and what stands between the turn and the first new message is found by changing that message.
    fn turn_end(
        &self,
        full: &Rendered,
        conversation: &Conversation,
        seen: usize,
        template: &ChatTemplate,
        tokenizer: &dyn Tokenizer,
    ) -> Option<(usize, Option<u32>)> {
        let history = &conversation.messages[..seen.checked_sub(1)?];
        if !matches!(conversation.messages[seen - 1], Message::Assistant { .. })
            || self.drops_thoughts(&full.marked, conversation, seen)
        {
            return None;
        }
        let before = template.render_until(conversation, history, &self.marks, false);
        let before = before.map(|rendered| rendered.marked).unwrap_or_default();
        if !full.marked.starts_with(&before) {
            return None;
        }
        let head = self.head(full, conversation, seen, template)?;
        let last = self.tokens.last().copied().filter(|id| tokenizer.is_eog(*id));
        // gpt-oss ends an answer with `<|return|>` but reads `<|end|>` in its history.
        if last.is_some_and(|id| tokenizer.decode_bytes(id) == b"<|return|>") {
            return None;
        }
        let end = tokenizer
            .special_tokens()
            .iter()
            .filter(|token| tokenizer.is_eog(token.id) && !token.text.is_empty())
            .filter_map(|token| Some((head.rfind(token.text.as_str())?, token)))
            .filter(|(at, _)| *at >= before.len())
            .max_by_key(|(at, token)| (*at, token.text.len()));
        if let Some((at, end)) = end {
            return Some((at + end.text.len(), last.is_none().then_some(end.id)));
        }
        // The template ends the turn with no token (R1's first one, after a call): then the text
        // with the turn must be what the full text begins with.
        let with_turn =
            template.render_until(conversation, &conversation.messages[..seen], &self.marks, false);
        let with_turn = with_turn.ok()?.marked;
        full.marked.starts_with(&with_turn).then_some((with_turn.len(), None))
    }

    /// The full rendering up to the first new message's own words.
    fn head<'a>(
        &self,
        full: &'a Rendered,
        conversation: &Conversation,
        seen: usize,
        template: &ChatTemplate,
    ) -> Option<&'a str> {
        let mut changed = conversation.clone();
        let other = match changed.messages.get_mut(seen) {
            None => template.render_until(conversation, &conversation.messages, &self.marks, false),
            Some(Message::Assistant { .. }) => return None,
            Some(
                Message::System { text: words }
                | Message::Developer { text: words }
                | Message::User { text: words }
                | Message::ToolResult { output: words, .. },
            ) => {
                words.insert(0, CHANGED);
                template.render(&changed, &self.marks)
            }
        };
        Some(common_prefix(&full.marked, &other.ok()?.marked))
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

/// Any character that a text does not begin with by chance.
const CHANGED: char = '\u{FDD1}';

fn common_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
    match same {
        Some(((at, _), _)) => &a[..at],
        None => &a[..a.len().min(b.len())],
    }
}
