//! Facts and an instant to lines that add up.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::book::{Row, Tool};
use crate::time::show_instant;
use crate::{Amount, Facts, Meter, Price, PriceBook, ToolUse};

/// The row that a line was priced with. Shared: each line of a pricing holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowRef(Arc<RowName>);

/// A row's id, and a hash of what it said then.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowName {
    pub id: String,
    pub hash: String,
}

impl RowRef {
    pub(crate) fn new(id: String, hash: String) -> RowRef {
        RowRef(Arc::new(RowName { id, hash }))
    }
}

impl Deref for RowRef {
    type Target = RowName;

    fn deref(&self) -> &RowName {
        &self.0
    }
}

impl Serialize for RowRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RowRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RowName::deserialize(deserializer).map(|name| RowRef(Arc::new(name)))
    }
}

impl fmt::Display for RowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.hash)
    }
}

/// Why there is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("no price for the model `{model}`{}", of(provider))]
    Model { provider: String, model: String },
    #[error("no price for `{model}` at the service tier `{tier}`")]
    Tier { model: String, tier: String },
    #[error("no price for `{model}` on {}", show_instant(*at))]
    Time { model: String, at: i64 },
    #[error("no price for `{model}` in the region `{region}`")]
    Region { model: String, region: String },
    #[error("no price for `{model}` in {currency}")]
    Currency { model: String, currency: String },
    #[error("`{model}` is sold by {providers}: say which")]
    Providers { model: String, providers: String },
    #[error("{} has no price for {}", row.id, meter.name())]
    Meter { row: RowRef, meter: Meter },
    #[error("{} is sold for prompts up to {max} tokens", row.id)]
    Prompt { row: RowRef, max: u64 },
    #[error("no price for the tool `{tool}`{}", of(provider))]
    Tool { provider: String, tool: String },
    #[error("no rate of {currency} to USD on {}", show_instant(*at))]
    Rate { currency: String, at: i64 },
    #[error("the provider's usage is not complete: {0}")]
    Usage(String),
    #[error("{quantity} × {what} comes to more than any bill")]
    TooLarge { what: Cow<'static, str>, quantity: u64 },
}

fn of(provider: &str) -> String {
    if provider.is_empty() { String::new() } else { format!(" of {provider}") }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One kind of thing that was used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// `input`, `web_search`, …
    pub what: Cow<'static, str>,
    pub quantity: u64,
    /// How many of them the free quota covered.
    #[serde(skip_serializing_if = "is_zero")]
    pub free: u64,
    #[serde(serialize_with = "unit_price")]
    pub price: Price,
    /// In dollars.
    pub amount: Amount,
    /// What it came to where it is billed, when that is not in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Box<Original>>,
    pub row: RowRef,
}

fn is_zero(free: &u64) -> bool {
    *free == 0
}

fn unit_price<S: Serializer>(price: &Price, serializer: S) -> Result<S::Ok, S::Error> {
    price.amount().serialize(serializer)
}

/// An amount in another currency, and how it became dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Original {
    pub amount: Amount,
    pub currency: String,
    pub usd_per_unit: Amount,
    /// The day of the rate.
    pub date: String,
}

/// What facts cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Priced {
    /// In dollars; `None` when anything is unknown, and never 0 then.
    pub total: Option<Amount>,
    /// What is known of it; the total is their sum when nothing is unknown.
    pub lines: Vec<Line>,
    pub unknown: Vec<Unknown>,
    /// The model's row.
    pub row: Option<RowRef>,
    /// The instant whose prices these are: the end of the call.
    pub at: i64,
}

impl PriceBook {
    /// What these facts cost at this instant, which is the end of the call.
    pub fn price(&self, facts: &Facts, at: i64) -> Priced {
        let unknown = facts.missing.iter().cloned().map(Unknown::Usage).collect();
        let lines = Vec::with_capacity(4 + facts.tools.len());
        let mut priced = Priced { total: None, lines, unknown, row: None, at };
        let mut provider = facts.provider.as_str();
        if !facts.model.is_empty() {
            match self.select(facts, at) {
                Ok(row) => {
                    provider = &row.provider;
                    priced.row = Some(row.at.clone());
                    self.price_tokens(row, facts, &mut priced);
                }
                // What has no tokens needs no price of tokens: an image, a transcription.
                Err(_) if facts.tokens.iter().next().is_none() && !facts.tools.is_empty() => {}
                Err(unknown) => priced.unknown.push(unknown),
            }
        }
        for tool in &facts.tools {
            match self.tool(provider, facts, tool, at) {
                Some(row) => self.price_tool(row, tool, &mut priced),
                None => priced.unknown.push(Unknown::Tool {
                    provider: provider.to_owned(),
                    tool: match &tool.variant {
                        Some(variant) => format!("{} ({variant})", tool.tool),
                        None => tool.tool.clone(),
                    },
                }),
            }
        }
        if priced.unknown.is_empty() {
            priced.total = Some(priced.lines.iter().map(|line| line.amount).sum());
        }
        priced
    }

    fn price_tokens(&self, row: &Row, facts: &Facts, priced: &mut Priced) {
        let prompt = facts.tokens.prompt();
        if let Some(max) = row.prompt_tokens_max.filter(|max| prompt > *max) {
            return priced.unknown.push(Unknown::Prompt { row: row.at.clone(), max });
        }
        let card = row.card(priced.at, facts.region.as_deref());
        let Some(card) = card else {
            let region = facts.region.clone().unwrap_or_default();
            let model = facts.model.clone();
            return priced.unknown.push(Unknown::Region { model, region });
        };
        let rates = card.for_prompt(prompt);
        for (meter, quantity) in facts.tokens.iter() {
            let price = rates[meter as usize].or_else(|| match meter {
                // Thinking is output, unless a row sets it apart.
                Meter::ReasoningOutput => rates[Meter::Output as usize],
                _ => None,
            });
            match price {
                Some(price) => {
                    let what = Cow::Borrowed(meter.name());
                    self.line(what, quantity, 0, price, &row.currency, &row.at, priced);
                }
                None => priced.unknown.push(Unknown::Meter { row: row.at.clone(), meter }),
            }
        }
    }

    fn price_tool(&self, tool: &Tool, used: &ToolUse, priced: &mut Priced) {
        let free = match (&tool.row.free, used.free_used) {
            (Some(quota), Some(before)) => quota.units.saturating_sub(before).min(used.units),
            // The counter is down: all is billed.
            _ => 0,
        };
        let what = Cow::Owned(used.tool.clone());
        self.line(what, used.units, free, tool.price, &tool.currency, &tool.at, priced);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one line, and where it goes")]
    fn line(
        &self,
        what: Cow<'static, str>,
        quantity: u64,
        free: u64,
        price: Price,
        currency: &str,
        row: &RowRef,
        priced: &mut Priced,
    ) {
        let Some(billed) = price.of(quantity - free) else {
            return priced.unknown.push(Unknown::TooLarge { what, quantity });
        };
        let (amount, original) = if currency == "USD" {
            (billed, None)
        } else {
            let Some((rate, date)) = self.rate(currency, priced.at) else {
                let unknown = Unknown::Rate { currency: currency.to_owned(), at: priced.at };
                return priced.unknown.push(unknown);
            };
            let Some(amount) = billed.converted(rate) else {
                return priced.unknown.push(Unknown::TooLarge { what, quantity });
            };
            let original = Original {
                amount: billed,
                currency: currency.to_owned(),
                usd_per_unit: rate.amount(),
                date: date.to_owned(),
            };
            (amount, Some(Box::new(original)))
        };
        let row = row.clone();
        priced.lines.push(Line { what, quantity, free, price, amount, original, row });
    }

    /// What a stretch of an own machine cost: the second ledger, beside the list price.
    pub fn machine_time(&self, machine: &str, milliseconds: u64, at: i64) -> Option<Amount> {
        let (price, currency) = self.machine(machine, at)?;
        let amount = price.of(milliseconds)?;
        match currency {
            "USD" => Some(amount),
            other => amount.converted(self.rate(other, at)?.0),
        }
    }
}
