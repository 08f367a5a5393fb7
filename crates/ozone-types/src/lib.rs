//! The Responses API's vocabulary: items, events, ids, usage and errors. Plain data, no I/O.
//!
//! Everything speaks it: the loop writes events, the journal stores them, the terminal and the
//! server read them. Names are OpenAI's. Items of kinds that Ozone does not run itself are kept as
//! they came ([`Item::Other`]), so that what a client sent is what it gets back.

pub mod error;
pub mod event;
pub mod fold;
pub mod id;
pub mod item;
pub mod machine;
pub mod picture;
pub mod pro;
pub mod response;
pub mod rollout;
pub mod usage;

pub use error::{ErrorBody, ErrorCode, ResponseError};
pub use event::{Event, EventKind};
pub use fold::{Fold, FoldError};
pub use id::{CallId, ItemId, ResponseId};
pub use item::{
    Annotation, CodeOutput, Content, FoundPassage, Item, ItemStatus, McpTool, OutputPart, Phase,
    Role, SeenLines, SeenWeb, Text, WebAction, WebResult, WebSource,
};
pub use machine::{
    PatchOperation, PatchStatus, ShellAction, ShellDelta, ShellEnvironment, ShellOutcome,
    ShellOutput,
};
pub use picture::{DrawnImage, GeneratedImage, ImageFacts};
pub use pro::{ProReport, ProStop, Votes};
pub use response::{
    ConversationRef, Effort, IncompleteDetails, IncompleteReason, Mode, Reasoning, Response,
    ResponseStatus, Summary, ToolChoice, ToolMode, Truncation,
};
pub use rollout::Passage;
pub use usage::{Cost, InputDetails, OutputDetails, ReasoningBudget, Usage};
