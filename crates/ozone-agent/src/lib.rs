//! The reasoning loop: sample, run tools, sample, finish.
//!
//! It opens no socket and touches no database: it is given a backend, tools, a clock and a journal.
//! The decisions are pure ([`turn`]); the async shell ([`run`]) journals each step before its
//! effect is visible, so that a run that was killed goes on where it stood ([`record`]).

pub mod record;
pub mod request;
pub mod run;
pub mod turn;
mod writer;

pub use request::{Limits, Request, SamplingOptions};
pub use run::{AgentError, Run};
pub use turn::Outcome;
