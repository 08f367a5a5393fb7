//! The most that a call can cost before it is made, and how long an answer a sum can pay for.

use crate::{Amount, Facts, Meter, ModelPrice, Price, PriceBook, Unknown};

/// The worst case of a call whose prompt has at most so many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// All of the prompt at its dearest.
    pub prompt: Amount,
    /// One token of output at its dearest.
    pub output_token: Amount,
}

impl WorstCase {
    /// With so many tokens of output; `None` when it is more than any honest line.
    pub fn amount(&self, output_tokens: u64) -> Option<Amount> {
        Some(self.prompt + self.output_token.times(output_tokens)?)
    }

    /// How many tokens of output `left` can pay for beside the prompt; `None` when it cannot even
    /// pay for the prompt.
    pub fn output_tokens(&self, left: Amount) -> Option<u64> {
        let left = left - self.prompt;
        (left >= Amount::ZERO).then(|| left.holds(self.output_token))
    }
}

impl ModelPrice {
    pub fn worst_case(&self, prompt_tokens: u64) -> WorstCase {
        let input = self.input_per_million;
        let dearest = self.cached_input_per_million.map_or(input, |cached| cached.max(input));
        WorstCase {
            prompt: dearest.of(prompt_tokens).unwrap_or(Amount::LINE_MAX),
            output_token: self.output_per_million.amount(),
        }
    }
}

impl PriceBook {
    /// The worst case of a call like `facts`, whose tokens do not matter. A prompt that the
    /// provider caches is dearest when all of it is written.
    pub fn worst_case(
        &self,
        facts: &Facts,
        prompt_tokens: u64,
        at: i64,
    ) -> Result<WorstCase, Unknown> {
        let row = self.select(facts, at)?;
        let prompt_tokens = prompt_tokens.min(row.prompt_tokens_max.unwrap_or(u64::MAX));
        let region = || facts.region.clone().unwrap_or_default();
        let card = row
            .card(at, facts.region.as_deref())
            .ok_or_else(|| Unknown::Region { model: facts.model.clone(), region: region() })?;
        let rates = card.for_prompt(prompt_tokens);
        let dearest = |meters: &[Meter]| -> Result<Price, Unknown> {
            let prices = meters.iter().filter_map(|meter| rates[*meter as usize]);
            let meter = meters[0];
            prices.max().ok_or_else(|| Unknown::Meter { row: row.at.clone(), meter })
        };
        let input = dearest(&[Meter::Input, Meter::CachedInput, Meter::CacheWrite])?;
        let output = dearest(&[Meter::Output, Meter::ReasoningOutput])?;
        let in_dollars = |amount: Amount| -> Result<Amount, Unknown> {
            if row.currency == "USD" {
                return Ok(amount);
            }
            let unknown = || Unknown::Rate { currency: row.currency.clone(), at };
            let (rate, _) = self.rate(&row.currency, at).ok_or_else(unknown)?;
            Ok(amount.converted(rate).unwrap_or(Amount::LINE_MAX))
        };
        Ok(WorstCase {
            prompt: in_dollars(input.of(prompt_tokens).unwrap_or(Amount::LINE_MAX))?,
            output_token: in_dollars(output.amount())?,
        })
    }
}
