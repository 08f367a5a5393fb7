//! The reasoning loop: sample, run tools, sample, finish.
//!
//! It opens no socket and touches no database: it is given a backend, tools, a clock and a journal.
//! The decisions are pure ([`turn`]); the async shell ([`run`]) journals each step before its
//! effect is visible, so that a run that was killed goes on where it stood ([`record`]).

mod abandon;
mod ahead;
mod arguments;
mod aside;
pub mod check;
mod choice;
mod cite;
mod context;
pub mod costs;
mod drawing;
mod input;
mod logprobs;
mod machine;
pub mod mcp;
mod pictures;
pub mod pro;
pub mod record;
pub mod request;
pub mod run;
mod spans;
mod summary;
pub mod text;
pub mod tools;
pub mod turn;
pub mod vote;
mod writer;

pub use abandon::abandon;
pub use aside::{Aside, Unanswered};
pub use context::SUM_UP;
pub use costs::{Costs, Prices};
pub use drawing::is_picture;
pub use input::{is_remembered_otherwise, remembered};
pub use pro::{Outfit, Pro, ProPolicy, Select};
pub use record::passages;
pub use request::{Echo, InvalidRequest, Limits, Remembered, Request, SamplingOptions};
pub use run::{AgentError, Run, enqueue};
pub use text::{TextFormat, TextOptions, Verbosity};
pub use tools::OfferedTools;
pub use turn::Outcome;
pub use writer::Seal;
