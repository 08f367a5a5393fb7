//! Tokens used. Cached tokens are part of the input, reasoning tokens part of the output.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub input_tokens_details: InputDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputDetails,
    pub total_tokens: u64,
    /// Ozone's own: what the thinking was held to, where an effort was asked for. It stands beside the
    /// details, which clients read as numbers alone (the Agents SDK for JavaScript).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_budget: Option<ReasoningBudget>,
    /// What a whole response cost: in its last event, where somebody counts.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Dollars as a whole number of this part of them.
const DECIMALS: usize = 24;

/// What a response cost. `cost` is a number of dollars, where OpenRouter's clients look for it;
/// `cost_details` says it exactly. What is not known is `null`, and never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireCost", try_from = "WireCost")]
pub struct Cost {
    /// In 10⁻²⁴ dollars; `None` where the price of a call is unknown.
    pub amount: Option<i128>,
    /// Some of it rests on counts that are not the provider's own.
    pub is_estimate: bool,
    /// Calls without a price.
    pub unknown_calls: u64,
}

impl Cost {
    /// What two of them come to; what is unknown of one is unknown of both.
    pub fn and(self, other: Cost) -> Cost {
        let both = self.amount.zip(other.amount);
        Cost {
            amount: both.and_then(|(one, other)| one.checked_add(other)),
            is_estimate: self.is_estimate || other.is_estimate,
            unknown_calls: self.unknown_calls + other.unknown_calls,
        }
    }

    /// In dollars, with all its decimals and no more.
    pub fn dollars(self) -> Option<String> {
        self.amount.map(decimal)
    }
}

#[derive(Serialize, Deserialize)]
struct WireCost {
    cost: Option<f64>,
    cost_details: CostDetails,
}

#[derive(Serialize, Deserialize)]
struct CostDetails {
    amount: Option<String>,
    currency: String,
    is_estimate: bool,
    unknown_calls: u64,
}

impl From<Cost> for WireCost {
    fn from(cost: Cost) -> WireCost {
        let amount = cost.amount.map(decimal);
        WireCost {
            cost: amount.as_ref().and_then(|amount| amount.parse().ok()),
            cost_details: CostDetails {
                amount,
                currency: "usd".into(),
                is_estimate: cost.is_estimate,
                unknown_calls: cost.unknown_calls,
            },
        }
    }
}

impl TryFrom<WireCost> for Cost {
    type Error = String;

    fn try_from(wire: WireCost) -> Result<Cost, String> {
        let CostDetails { amount, is_estimate, unknown_calls, .. } = wire.cost_details;
        let read = |text: String| units(&text).ok_or_else(|| format!("`{text}` is no amount"));
        Ok(Cost { amount: amount.map(read).transpose()?, is_estimate, unknown_calls })
    }
}

/// With all its decimals and no more.
fn decimal(units: i128) -> String {
    let (sign, magnitude) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    let one = 10u128.pow(DECIMALS as u32);
    let fraction = format!("{:0DECIMALS$}", magnitude % one);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}", magnitude / one),
        digits => format!("{sign}{}.{digits}", magnitude / one),
    }
}

fn units(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if fraction.len() > DECIMALS || !plain(fraction) || !plain(whole.trim_start_matches('-')) {
        return None;
    }
    format!("{whole}{fraction:0<DECIMALS$}").parse().ok()
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDetails {
    /// Read from a prefix that was computed before.
    pub cached_tokens: u64,
    #[serde(default)]
    pub cache_write_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDetails {
    pub reasoning_tokens: u64,
}

/// What the effort came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningBudget {
    pub tokens_max: u64,
    /// `false` where an upstream was only asked to think so much.
    pub enforced: bool,
    /// How often a thought was ended by force.
    pub forced_ends: u64,
}

impl ReasoningBudget {
    /// Later samples of a response get what earlier ones left: its budget is the largest of them.
    fn with(self, other: ReasoningBudget) -> Self {
        ReasoningBudget {
            tokens_max: self.tokens_max.max(other.tokens_max),
            enforced: self.enforced && other.enforced,
            forced_ends: self.forced_ends + other.forced_ends,
        }
    }
}

impl Usage {
    /// With the budget that the thinking was held to.
    pub fn with_budget(mut self, budget: Option<ReasoningBudget>) -> Self {
        self.reasoning_budget = budget;
        self
    }

    /// The usage of one sample. `cached` is at most `input`, `reasoning` at most `output`.
    pub fn of_sample(input: u64, cached: u64, output: u64, reasoning: u64) -> Self {
        Usage {
            input_tokens: input,
            input_tokens_details: InputDetails {
                cached_tokens: cached.min(input),
                cache_write_tokens: 0,
            },
            output_tokens: output,
            output_tokens_details: OutputDetails { reasoning_tokens: reasoning.min(output) },
            total_tokens: input + output,
            reasoning_budget: None,
            cost: None,
        }
    }
}

/// A response that samples several times has used the sum. Its cost is the ledger's to say.
impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.input_tokens += other.input_tokens;
        self.input_tokens_details.cached_tokens += other.input_tokens_details.cached_tokens;
        self.input_tokens_details.cache_write_tokens +=
            other.input_tokens_details.cache_write_tokens;
        self.output_tokens += other.output_tokens;
        self.output_tokens_details.reasoning_tokens += other.output_tokens_details.reasoning_tokens;
        self.total_tokens += other.total_tokens;
        self.reasoning_budget = match (self.reasoning_budget, other.reasoning_budget) {
            (Some(one), Some(other)) => Some(one.with(other)),
            (one, other) => one.or(other),
        };
    }
}
