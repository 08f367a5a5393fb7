//! What a user wants to be remembered: facts, each with the user's own words that state it, and
//! recall over past conversations.
//!
//! Where a fact comes from is decided here and not by a prompt: a model's save is refused unless the
//! words that it quotes stand in a message of the user's own ([`words`]), so that no page, file,
//! picture or tool can write into the memory, whatever the model makes of it. Facts go to later
//! models as data ([`block`]). The crate knows no HTTP and no model; what was said before is given
//! to it by whoever stores conversations ([`tool::Recaller`]).
//!
//! Not covered: a text of somebody else's that the user pastes into their own message without any
//! sign of it (quotation marks at the line's start, a fence, a tag) is the user's message.

pub mod block;
mod facts;
pub mod tool;
mod vocabulary;
pub mod words;

pub use block::block;
pub use facts::{
    Added, FACT_CHARS_MAX, FACTS_MAX, Fact, Memory, MemoryError, Replaced, Source, listed,
};
pub use tool::{Recalled, Recaller, Recalling, SERVER_LABEL, Session, Turn, names, tools};
