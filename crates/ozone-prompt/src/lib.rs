//! Items to a model family's text and tokens, and the sampled stream back to items.
//!
//! The engine, the agent's loop and the trainer share this one crate, so that a model reads exactly
//! the text that it was trained on, and a reward is computed on exactly what a user would have seen.
//! It owns no I/O and no clock: a conversation and a day go in, text and tokens come out; sampled
//! bytes are pushed in, deltas come out, and where the bytes were cut makes no difference (test
//! `cuts_change_nothing`).
//!
//! Text of people and of tools never becomes markup: see [`Marks`].

mod caps;
mod format;
mod grammar;
mod harmony;
mod input;
mod json;
mod marks;
mod message;
mod stream;
mod strftime;
mod template;
mod transcript;

pub use format::Format;
pub use grammar::{AnswerCalls, AnswerShape, CallGrammar, answer_grammar, call_grammar};
pub use input::input_marks;
pub use marks::Marks;
pub use message::{Conversation, Day, Effort, InputGrammar, Message, ToolCall, ToolSpec};
pub use stream::{Cut, Delta, Parsed, ParsedItem, Problem, RAW_BYTES_MAX, StreamParser};
pub use template::{ChatTemplate, Degraded, Rendered, TemplateError};
pub use transcript::{Appended, SpecialToken, Tokenizer, Transcript};
