//! What a model is worth: suites of questions, runs that can be killed, figures with their
//! uncertainty, and the chart of accuracy against cost.
//!
//! How a question is answered is the caller's affair: [`fill`] is given a function that asks, so
//! that the very loop, tools and sandbox of the users are scored, and this crate knows neither
//! models nor storage. The figures ([`stats`]) are pure functions of the stored cells, and the
//! cells keep what was answered, so that a report can be made anew without asking again.

mod arm;
mod cache;
mod cell;
mod chart;
mod families;
mod folder;
mod grade;
mod page;
mod plan;
mod problem;
mod read;
mod run;
pub mod stats;
mod suite;
mod summary;
mod table;

pub use arm::{Arm, Outfit};
pub use cache::Cache;
pub use cell::{Answered, Cell};
pub use chart::{Axis, chart};
pub use families::{ByFamily, FamilyFigures, family_table};
pub use folder::{FolderError, RunFolder};
pub use grade::{Expected, Judge, Unjudged, Verdict};
pub use page::page;
pub use plan::{Manifest, Plan, Pro, Session, hash_file};
pub use problem::Problem;
pub use read::{Format, ReadError};
pub use run::{Ended, Options, Progress, RunError, fill};
pub use suite::{HARD, OwnQuestions, STAGED, Suite, SuiteError};
pub use summary::{Compared, Summary};
pub use table::table;
