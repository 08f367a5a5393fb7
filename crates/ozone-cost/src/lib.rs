//! Usage to money, exactly.
//!
//! Prices are decimals per million tokens, as providers print them; amounts are whole picodollars
//! (10⁻¹² $), so a price with six decimals per million times any number of tokens is exact and sums
//! do not drift. A missing price gives no amount: unknown is not zero.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use ozone_types::Usage;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of money, in 10⁻¹² US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u128);

const PICO_PER_USD: u128 = 1_000_000_000_000;

impl Add for PicoUsd {
    type Output = PicoUsd;

    fn add(self, other: PicoUsd) -> PicoUsd {
        PicoUsd(self.0 + other.0)
    }
}

impl Sum for PicoUsd {
    fn sum<I: Iterator<Item = PicoUsd>>(amounts: I) -> PicoUsd {
        amounts.fold(PicoUsd(0), Add::add)
    }
}

/// Dollars with all their decimals and no more: `0.0155`, `2`.
impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 / PICO_PER_USD)?;
        let fraction = format!("{:012}", self.0 % PICO_PER_USD);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

/// As a decimal string: JSON numbers would be read as floats.
impl Serialize for PicoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A price per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    pico_per_token: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a price: write dollars per million tokens as a plain decimal with at most six \
     decimals, as \"1.10\""
)]
pub struct BadPrice(String);

impl FromStr for Price {
    type Err = BadPrice;

    fn from_str(text: &str) -> Result<Self, BadPrice> {
        let bad = || BadPrice(text.to_owned());
        let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(bad());
        }
        // A dollar per million tokens is 10⁻⁶ $ = 10⁶ picodollars per token.
        let micro: u64 = format!("{whole}{fraction:0<6}").parse().map_err(|_| bad())?;
        Ok(Price { pico_per_token: micro })
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Price {
    fn of(self, tokens: u64) -> PicoUsd {
        PicoUsd(u128::from(self.pico_per_token) * u128::from(tokens))
    }
}

/// What the tokens of one model cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    pub input_per_million: Price,
    /// Input that was computed before; the input price where it is absent.
    pub cached_input_per_million: Option<Price>,
    pub output_per_million: Price,
}

impl ModelPrice {
    /// What a model in this process costs when its owner set no price: nothing for a token.
    pub const FREE: ModelPrice = ModelPrice {
        input_per_million: Price { pico_per_token: 0 },
        cached_input_per_million: None,
        output_per_million: Price { pico_per_token: 0 },
    };

    /// Cached tokens are part of the input; reasoning tokens are part of the output and cost the
    /// same.
    pub fn cost(&self, usage: &Usage) -> PicoUsd {
        let cached = usage.input_tokens_details.cached_tokens.min(usage.input_tokens);
        let cached_price = self.cached_input_per_million.unwrap_or(self.input_per_million);
        self.input_per_million.of(usage.input_tokens - cached)
            + cached_price.of(cached)
            + self.output_per_million.of(usage.output_tokens)
    }
}
