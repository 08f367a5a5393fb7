//! What a reader is told of a vote: `x_pro` of a response in pro mode, in each of its keep-alives and
//! in its end.

use serde::{Deserialize, Serialize};

use crate::ResponseId;

/// One answer and who gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Votes {
    /// As it was counted: the number or the words alone.
    pub answer: String,
    pub count: u32,
    /// What its votes count, by how sure of itself each sample was; an average vote counts 1.
    pub weight: f64,
}

/// Why no more samples were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProStop {
    /// The leading answer is certain enough.
    Posterior,
    /// As many have finished as were asked for (`stop.m_of_k`).
    MOfK,
    /// All samples were taken.
    Exhausted,
    /// No two agreed, and the model chose among them.
    Verified,
    /// The model wrote one answer out of all.
    Fused,
    /// The time or the money ran out, or somebody stopped it.
    CutShort,
}

/// How far a vote has got, or how it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProReport {
    /// The most samples that may be taken.
    pub samples_max: u32,
    pub started: u32,
    /// Ended with an answer.
    pub finished: u32,
    /// Ended without one.
    pub failed: u32,
    /// Cancelled, since the vote was decided.
    pub cut: u32,
    /// The answers that can be compared, the leading one first.
    pub votes: Vec<Votes>,
    /// How likely it is that the leading answer stays ahead.
    pub posterior: Option<f64>,
    pub stop_reason: Option<ProStop>,
    /// One for each sample, and one for the check behind them. Each is a response of its own.
    pub child_ids: Vec<ResponseId>,
    /// Whose answer this is.
    pub winner: Option<ResponseId>,
    /// In dollars, for all of them; `null` where a price is unknown.
    pub cost_usd: Option<String>,
}
