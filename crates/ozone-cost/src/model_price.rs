//! A price that a user writes into the configuration: three numbers, no dates.

use ozone_types::Usage;
use serde::{Deserialize, Deserializer};

use crate::{Amount, Price};

/// What the tokens of one model cost, in dollars per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    #[serde(deserialize_with = "per_million")]
    pub input_per_million: Price,
    /// Input that was computed before; the input price where it is absent.
    #[serde(default, deserialize_with = "per_million_or_absent")]
    pub cached_input_per_million: Option<Price>,
    #[serde(deserialize_with = "per_million")]
    pub output_per_million: Price,
}

fn per_million<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
    let text = String::deserialize(deserializer)?;
    Price::per_million(&text).map_err(serde::de::Error::custom)
}

fn per_million_or_absent<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Price>, D::Error> {
    per_million(d).map(Some)
}

impl ModelPrice {
    /// What a model in this process costs when its owner set no price: nothing for a token.
    pub const FREE: ModelPrice = ModelPrice {
        input_per_million: Price::ZERO,
        cached_input_per_million: None,
        output_per_million: Price::ZERO,
    };

    /// Cached tokens are part of the input; reasoning tokens are part of the output and cost the
    /// same. A count beyond all reason costs the most that a line can.
    pub fn cost(&self, usage: &Usage) -> Amount {
        let cached = usage.input_tokens_details.cached_tokens.min(usage.input_tokens);
        let cached_price = self.cached_input_per_million.unwrap_or(self.input_per_million);
        let of = |price: Price, tokens| price.of(tokens).unwrap_or(Amount::LINE_MAX);
        of(self.input_per_million, usage.input_tokens - cached)
            + of(cached_price, cached)
            + of(self.output_per_million, usage.output_tokens)
    }
}
