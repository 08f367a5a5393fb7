//! The same answer's price elsewhere: the very same tokens and tool calls, on every model and tier
//! that the book can price.
//!
//! It is arithmetic on counts and no forecast, and says so: another model cuts the same text into
//! other tokens, thinks for longer or less, and may not have had the prompt in its cache.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::report::columns;
use crate::suite::{Suite, Tally};
use crate::{
    Amount, Facts, Kind, LedgerLine, Meter, PriceBook, Priced, Tokens, ToolUse, Total, Unknown,
};

/// One model at one tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub provider: String,
    pub model: String,
    pub tier: String,
    /// `None` when anything of it is unknown.
    pub total: Option<Amount>,
    /// Why there is no total, each reason once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Where it was a suite: how many questions, and how many of them were answered right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<Tally>,
    /// What it cost where it ran.
    pub actual: Total,
    /// The models that it ran on.
    pub models: Vec<String>,
    /// The instant of the prices.
    pub at: i64,
    pub tokens: Tokens,
    /// Cheapest first, those of unknown price last.
    pub offers: Vec<Compared>,
    /// What these numbers cannot know.
    pub caveats: Vec<String>,
}

/// Compares what `lines` used at the prices of `at`.
pub fn compare(book: &PriceBook, lines: &[LedgerLine], at: i64) -> Comparison {
    // One set of facts for each line, which each offer puts its name on.
    let mut facts: Vec<Facts> = lines.iter().map(|line| line.facts.clone()).collect();
    for facts in &mut facts {
        (facts.region, facts.billed_in) = (None, None);
    }
    let mut offers: Vec<Compared> = book
        .offers(at)
        .into_iter()
        .map(|(provider, model, tier)| offer(book, &mut facts, at, provider, model, tier))
        .collect();
    offers.sort_by(|a, b| {
        let rank = |c: &Compared| (c.total.is_none(), c.total);
        let name = |c: &Compared| (c.provider.clone(), c.model.clone(), c.tier.clone());
        rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(&name(b)))
    });
    let mut models: Vec<String> =
        lines.iter().filter(|l| l.kind == Kind::Model).map(|l| l.name.clone()).collect();
    models.sort();
    models.dedup();
    let mut tokens = Tokens::default();
    for (meter, n) in lines.iter().flat_map(|l| l.facts.tokens.iter()) {
        tokens.set(meter, tokens.get(meter).saturating_add(n));
    }
    let caveats = caveats(book, lines, &tokens, &offers, at);
    Comparison { suite: None, actual: Total::of(lines), models, at, tokens, offers, caveats }
}

/// Compares what the questions of a suite used.
pub fn compare_suite(book: &PriceBook, suite: &Suite, at: i64) -> Comparison {
    let mut comparison = compare(book, &suite.lines, at);
    comparison.suite = Some(suite.tally);
    comparison.caveats.extend(suite.caveats.iter().cloned());
    comparison
}

fn offer(
    book: &PriceBook,
    facts: &mut [Facts],
    at: i64,
    provider: &str,
    model: &str,
    tier: &str,
) -> Compared {
    let mut total = Some(Amount::ZERO);
    let mut unknown = BTreeSet::new();
    for facts in facts {
        provider.clone_into(&mut facts.provider);
        model.clone_into(&mut facts.model);
        tier.clone_into(&mut facts.tier);
        let priced = price_anywhere(book, facts, at);
        total = total.zip(priced.total).map(|(sum, amount)| sum + amount);
        unknown.extend(priced.unknown.iter().map(|u| u.to_string()));
    }
    let unknown = unknown.into_iter().collect();
    let [provider, model, tier] = [provider, model, tier].map(str::to_owned);
    Compared { provider, model, tier, total, unknown }
}

/// A provider that sells no cache writes reads those tokens as any others.
fn price_anywhere(book: &PriceBook, facts: &Facts, at: i64) -> Priced {
    let priced = book.price(facts, at);
    let writes = [Meter::CacheWrite, Meter::CacheWrite1h, Meter::CacheWrite12h];
    let has_no_price =
        |u: &Unknown| matches!(u, Unknown::Meter { meter, .. } if writes.contains(meter));
    if !priced.unknown.iter().any(has_no_price) {
        return priced;
    }
    let mut facts = facts.clone();
    for meter in writes {
        let written = facts.tokens.get(meter);
        facts.tokens.set(Meter::Input, facts.tokens.get(Meter::Input).saturating_add(written));
        facts.tokens.set(meter, 0);
    }
    book.price(&facts, at)
}

fn caveats(
    book: &PriceBook,
    lines: &[LedgerLine],
    tokens: &Tokens,
    offers: &[Compared],
    at: i64,
) -> Vec<String> {
    let mut caveats = vec![
        "The counts are those of the models that ran: another model cuts the same text into other \
         tokens and thinks for longer or less."
            .to_owned(),
    ];
    let cached = tokens.get(Meter::CachedInput);
    if cached > 0 {
        caveats.push(format!(
            "{cached} tokens came from a cache and are priced so; elsewhere they may not have been \
             in one."
        ));
    }
    let ran_here = |l: &&LedgerLine| l.kind == Kind::Tool && l.facts.tools.is_empty();
    let here = lines.iter().filter(ran_here).count();
    if here > 0 {
        let calls = if here == 1 { "call" } else { "calls" };
        let hosted = containers(book, offers, at);
        let hosted = match hosted.is_empty() {
            true => String::new(),
            false => format!(" A hosted container would be charged too: {}.", hosted.join(", ")),
        };
        caveats.push(format!(
            "{here} tool {calls} ran on this machine and count for nothing anywhere.{hosted}"
        ));
    }
    if lines.iter().any(|l| !l.facts.tools.is_empty()) {
        caveats.push("Hosted tools are priced without anybody's free quota.".to_owned());
    }
    if lines.iter().any(|l| l.estimate) {
        caveats.push("Some counts are estimates: a call was cut before it told its usage.".into());
    }
    caveats
}

/// What a container of a provider's own costs, where it sells any.
fn containers(book: &PriceBook, offers: &[Compared], at: i64) -> Vec<String> {
    let providers: BTreeSet<&str> = offers.iter().map(|o| o.provider.as_str()).collect();
    let price = |provider: &str| {
        let facts = Facts::new(provider, "", Tokens::default());
        let tool = book.tool(provider, &facts, &ToolUse::new("container", 1), at)?;
        (tool.currency == "USD").then(|| format!("${} at {provider}", tool.price.amount()))
    };
    providers.into_iter().filter_map(price).collect()
}

impl Comparison {
    /// For people.
    pub fn table(&self) -> String {
        let mut rows = vec![["provider", "model", "tier", "cost"].map(str::to_owned).to_vec()];
        for offer in &self.offers {
            let cost = match offer.total {
                Some(total) => format!("${total}"),
                None => format!("unknown: {}", offer.unknown.join("; ")),
            };
            rows.push(vec![offer.provider.clone(), offer.model.clone(), offer.tier.clone(), cost]);
        }
        let suite = self.suite.as_ref().map(|tally| format!("{tally} · ")).unwrap_or_default();
        let mut text = format!(
            "{suite}{} · {} tokens in, {} out · {}\n\n{}",
            self.models.join(", "),
            self.tokens.prompt(),
            self.tokens.output(),
            self.actual,
            columns(&rows, 0)
        );
        for caveat in &self.caveats {
            text.push_str(&format!("\nnote: {caveat}"));
        }
        text.push('\n');
        text
    }

    pub fn csv(&self) -> String {
        let mut text = String::from("provider,model,tier,cost_usd,unknown\n");
        for offer in &self.offers {
            let cost = offer.total.map(|t| t.to_string()).unwrap_or_default();
            let fields =
                [&offer.provider, &offer.model, &offer.tier, &cost, &offer.unknown.join("; ")];
            text.push_str(&crate::report::csv_line(fields.map(String::as_str)));
        }
        text
    }
}
