//! Pro mode: several samples of the whole loop vote on one answer.
//!
//! Each sample is a response of its own, with a journal, tools and a container of its own; its id
//! says whose sample it is, and its seed follows from the request's. So a killed vote goes on with
//! what its samples' journals hold, a sample that has ended is not run again, and the same seeds
//! give the same votes. Samples begin alike, so a backend that keeps prefixes computes the prompt
//! once. What is decided is in [`poll`], without a model or a clock; [`run`] waits.

mod folders;
mod judge;
pub mod poll;
mod run;

use ozone_cost::{Amount, Price};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use folders::Folders;
pub use run::{CHILD_OF, Outfit, Pro};

use crate::request::InvalidRequest;

/// The most samples that a policy may ask for.
pub const SAMPLES_MAX: u32 = 64;
/// How tokens are drawn where the request leaves it open: samples must be able to differ.
pub const TEMPERATURE: f32 = 0.8;

/// How the answer is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The most votes.
    Vote,
    /// The most votes, each by how sure of itself its sample was.
    #[default]
    Confidence,
    /// The model chooses among the answers that differ.
    Verifier,
    /// The model writes one answer out of all.
    Fuse,
}

/// `stop.m_of_k`: of k samples, the first m that finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MOfK {
    pub m: u32,
    pub k: u32,
}

/// How many samples are taken and what becomes of them: the model's entry says it, and `x_pro` of a
/// request what is to be otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ProPolicy {
    /// So many answers at least before the vote may be decided.
    pub n_min: u32,
    pub n_max: u32,
    /// So many samples run at once at least; 0: no more than could decide the vote.
    pub parallel: u32,
    pub select: Select,
    pub stop: StopRule,
    /// For all samples together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StopRule {
    /// So likely must it be that the leading answer stays ahead.
    pub posterior: f64,
    pub m_of_k: Option<MOfK>,
}

impl Default for ProPolicy {
    fn default() -> Self {
        ProPolicy {
            n_min: 3,
            n_max: 16,
            parallel: 0,
            select: Select::default(),
            stop: StopRule { posterior: 0.95, m_of_k: None },
            max_cost_usd: None,
            deadline_s: None,
        }
    }
}

impl TryFrom<Value> for ProPolicy {
    type Error = InvalidRequest;

    fn try_from(value: Value) -> Result<Self, InvalidRequest> {
        ProPolicy::default().with(&value)
    }
}

impl ProPolicy {
    /// As this one, but for what `x_pro` says. Fewer samples than `n_min` lower that.
    pub fn with(mut self, x_pro: &Value) -> Result<Self, InvalidRequest> {
        let Some(fields) = x_pro.as_object() else {
            return Err(wrong("x_pro", x_pro, "an object"));
        };
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "n_min" => self.n_min = samples("x_pro.n_min", value)?,
                "n_max" => self.n_max = samples("x_pro.n_max", value)?,
                // 0 is what it is where nobody says it.
                "parallel" if value.as_u64() == Some(0) => self.parallel = 0,
                "parallel" => self.parallel = samples("x_pro.parallel", value)?,
                "select" => {
                    let range = "vote, confidence, verifier or fuse";
                    self.select = serde_json::from_value(value.clone())
                        .map_err(|_| wrong("x_pro.select", value, range))?;
                }
                "stop" => self.stop = self.stop.with(value)?,
                "max_cost_usd" => {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let amount = Price::per_unit(&text).ok().map(Price::amount);
                    let amount = amount.filter(|amount| !amount.is_zero());
                    let range = "an amount of dollars such as \"0.05\"";
                    self.max_cost_usd =
                        Some(amount.ok_or_else(|| wrong("x_pro.max_cost_usd", value, range))?);
                }
                "deadline_s" => {
                    let seconds = value.as_u64().filter(|s| *s > 0);
                    let range = "a whole number of seconds, at least 1";
                    self.deadline_s =
                        Some(seconds.ok_or_else(|| wrong("x_pro.deadline_s", value, range))?);
                }
                _ => {
                    let known = "one of n_min, n_max, parallel, select, stop, max_cost_usd and \
                                 deadline_s";
                    return Err(wrong("x_pro", &Value::from(name.as_str()), known));
                }
            }
        }
        if !fields.contains_key("n_min") {
            self.n_min = self.n_min.min(self.n_max);
        }
        self.check()?;
        Ok(self)
    }

    /// Whether the numbers fit together.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        if self.n_min > self.n_max {
            return Err(wrong("x_pro.n_min", &self.n_min.into(), "at most n_max"));
        }
        if self.parallel > self.n_max {
            return Err(wrong("x_pro.parallel", &self.parallel.into(), "at most n_max"));
        }
        if let Some(MOfK { m, k }) = self.stop.m_of_k
            && (m == 0 || m > k || k > self.n_max)
        {
            let found = Value::from(format!("{m} of {k}"));
            return Err(wrong("x_pro.stop.m_of_k", &found, "1 <= m <= k <= n_max"));
        }
        Ok(())
    }
}

impl StopRule {
    fn with(mut self, value: &Value) -> Result<Self, InvalidRequest> {
        let Some(fields) = value.as_object() else {
            return Err(wrong("x_pro.stop", value, "an object"));
        };
        for (name, value) in fields {
            match name.as_str() {
                "posterior" if !value.is_null() => {
                    let share = value.as_f64().filter(|p| (0.5..=1.0).contains(p));
                    self.posterior = share
                        .ok_or_else(|| wrong("x_pro.stop.posterior", value, "from 0.5 to 1"))?;
                }
                "m_of_k" if !value.is_null() => {
                    let range = "an object such as {\"m\": 3, \"k\": 8}";
                    let rule = serde_json::from_value(value.clone());
                    self.m_of_k = Some(rule.map_err(|_| wrong("x_pro.stop.m_of_k", value, range))?);
                }
                "posterior" | "m_of_k" => {}
                _ => {
                    let known = "one of posterior and m_of_k";
                    return Err(wrong("x_pro.stop", &Value::from(name.as_str()), known));
                }
            }
        }
        Ok(self)
    }
}

fn samples(param: &'static str, value: &Value) -> Result<u32, InvalidRequest> {
    let count = value.as_u64().and_then(|n| u32::try_from(n).ok());
    count
        .filter(|n| (1..=SAMPLES_MAX).contains(n))
        .ok_or_else(|| wrong(param, value, "a whole number from 1 to 64"))
}

fn wrong(param: &'static str, value: &Value, range: &'static str) -> InvalidRequest {
    InvalidRequest::Range { param, found: value.to_string().chars().take(80).collect(), range }
}
