//! The rows of a price book as files hold them. Every price is a decimal in quotes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Meter;

/// Prices per million tokens, by kind of token.
pub type Rates = BTreeMap<Meter, String>;

/// A price book file, in TOML or JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub price: Vec<PriceRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool: Vec<ToolRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate: Vec<RateRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub machine: Vec<MachineRow>,
}

/// What the tokens of one model cost, at one service tier, during one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// Made from the other fields where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub provider: String,
    /// The model's name and its other names.
    pub models: Vec<String>,
    #[serde(default = "tier", skip_serializing_if = "is_tier")]
    pub tier: String,
    /// The only place that the row is for; without it, requests that are bound to no place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default = "currency", skip_serializing_if = "is_currency")]
    pub currency: String,
    /// The first instant that the row is for.
    pub from: String,
    /// The first instant that it is no longer for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The longest prompt that is sold at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_max: Option<u64>,
    /// When the model goes. It is no end of the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_on: Option<String>,
    pub source: String,
    /// The day on which the source said so.
    pub checked: String,
    pub rates: Rates,
    /// Factors on every price of the row for requests that are bound to a place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regional: BTreeMap<String, String>,
    /// Prices of requests with a long prompt, in rising order. They are for every token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Tier>,
    /// Prices at certain hours; the first window that holds the instant counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

fn tier() -> String {
    crate::TIER_DEFAULT.to_owned()
}

fn is_tier(text: &str) -> bool {
    text == crate::TIER_DEFAULT
}

fn currency() -> String {
    "USD".to_owned()
}

fn is_currency(text: &str) -> bool {
    text == "USD"
}

/// The whole request is priced so when its prompt has *more* tokens than this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub prompt_tokens: u64,
    pub rates: Rates,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Half-open, in UTC, over midnight if need be: `16:30-00:30`.
    pub hours: Vec<String>,
    /// 1 is Monday. It is the day on which the stretch began.
    #[serde(default = "every_day", skip_serializing_if = "is_every_day")]
    pub weekdays: Vec<u8>,
    pub rates: Rates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Tier>,
}

fn every_day() -> Vec<u8> {
    (1..=7).collect()
}

fn is_every_day(days: &[u8]) -> bool {
    days == every_day()
}

/// What a call of a hosted tool costs, or a quantity other than tokens: seconds, pages, storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub provider: String,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The models that it is for; all of the provider's where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The only service tier that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    #[serde(default = "currency", skip_serializing_if = "is_currency")]
    pub currency: String,
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The price of `per` units.
    pub price: String,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub per: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Free>,
    pub source: String,
    pub checked: String,
}

fn one() -> u64 {
    1
}

fn is_one(per: &u64) -> bool {
    *per == 1
}

/// Units that cost nothing, counted for an account over a period, by all rows of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    pub units: u64,
    pub period: crate::Period,
    pub group: String,
}

/// Dollars for one unit of another currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRow {
    pub currency: String,
    pub usd: String,
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub source: String,
    pub checked: String,
}

/// What a second of an own machine costs: the second ledger of local models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRow {
    pub machine: String,
    pub per_second: String,
    #[serde(default = "currency", skip_serializing_if = "is_currency")]
    pub currency: String,
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub source: String,
    pub checked: String,
}
