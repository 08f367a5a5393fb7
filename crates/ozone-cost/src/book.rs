//! The price book: rows from files, checked when they are read, found by model, tier, place and
//! instant.
//!
//! Whoever holds a [`PriceBook`] has nothing left to check: every price is a decimal that we can
//! keep, tiers and windows name each kind of token that their row names, and no two rows of one
//! file speak of the same thing at the same time. A file that was added later wins.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::pricing::{RowRef, Unknown};
use crate::row::{self, File, Free, MachineRow, PriceRow, RateRow, ToolRow};
use crate::time::{Hours, parse_instant};
use crate::{Facts, Meter, Price};

/// The rows that Ozone ships.
const BUILT_IN: &str = include_str!("../prices.toml");

/// A file, a row in it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{place}: {reason}")]
pub struct BookError {
    pub file: String,
    /// `:12` for a line; `, [[price]] 3 (o3)` for a row.
    pub place: String,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Toml,
    Json,
}

impl FileKind {
    /// By the file's name; TOML where it says nothing.
    pub fn of(name: &str) -> FileKind {
        let json = std::path::Path::new(name).extension().is_some_and(|e| e == "json");
        if json { FileKind::Json } else { FileKind::Toml }
    }
}

#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    pub(crate) rows: Vec<Row>,
    by_model: HashMap<String, Vec<usize>>,
    tools: Vec<Tool>,
    by_tool: HashMap<String, Vec<usize>>,
    rates: Vec<Rate>,
    machines: Vec<Machine>,
    layers: usize,
}

/// A price row that is right.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub at: RowRef,
    pub provider: String,
    pub models: Vec<String>,
    pub tier: String,
    pub region: Option<String>,
    pub currency: String,
    pub span: Span,
    pub prompt_tokens_max: Option<u64>,
    pub card: Card,
    pub windows: Vec<(Vec<Hours>, Vec<u8>, Card)>,
    /// Cards and windows with the factor in them, by place.
    pub regional: BTreeMap<String, (Card, Vec<Card>)>,
    layer: usize,
}

/// Half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    from: i64,
    to: i64,
}

impl Span {
    pub fn holds(self, at: i64) -> bool {
        at >= self.from && at < self.to
    }

    fn meets(self, other: Span) -> bool {
        self.from < other.to && other.from < self.to
    }
}

pub(crate) type RateCard = [Option<Price>; Meter::COUNT];

/// Prices by kind of token, and those for long prompts.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    base: RateCard,
    above: Vec<(u64, RateCard)>,
}

impl Card {
    /// The prices for a prompt of this size.
    pub fn for_prompt(&self, tokens: u64) -> &RateCard {
        let tier = self.above.iter().rev().find(|(above, _)| tokens > *above);
        tier.map_or(&self.base, |(_, rates)| rates)
    }

    fn times(&self, factor: Price) -> Option<Card> {
        let scale = |rates: &RateCard| -> Option<RateCard> {
            let mut scaled = [None; Meter::COUNT];
            for (to, from) in scaled.iter_mut().zip(rates) {
                *to = match from {
                    Some(price) => Some(price.times(factor)?),
                    None => None,
                };
            }
            Some(scaled)
        };
        let above = self.above.iter().map(|(n, rates)| Some((*n, scale(rates)?)));
        Some(Card { base: scale(&self.base)?, above: above.collect::<Option<_>>()? })
    }
}

impl Row {
    /// Any provider will do where none is named.
    fn is_of(&self, provider: &str) -> bool {
        provider.is_empty() || self.provider == provider
    }

    fn is_for(&self, region: Option<&str>) -> bool {
        match (region, &self.region) {
            (None, own) => own.is_none(),
            (Some(place), Some(own)) => own == place,
            (Some(place), None) => self.regional.contains_key(place),
        }
    }

    /// The prices that hold at this instant, in this place.
    pub fn card(&self, at: i64, region: Option<&str>) -> Option<&Card> {
        let window =
            self.windows.iter().position(|(hours, days, _)| hours.iter().any(|h| h.hold(at, days)));
        match region.filter(|_| self.region.is_none()) {
            None => Some(window.map_or(&self.card, |i| &self.windows[i].2)),
            Some(region) => {
                let (card, windows) = self.regional.get(region)?;
                Some(window.map_or(card, |i| &windows[i]))
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub at: RowRef,
    pub row: ToolRow,
    pub currency: String,
    pub span: Span,
    pub price: Price,
    layer: usize,
}

#[derive(Debug, Clone)]
struct Rate {
    currency: String,
    usd: Price,
    date: String,
    span: Span,
    layer: usize,
}

#[derive(Debug, Clone)]
struct Machine {
    row: MachineRow,
    price: Price,
    span: Span,
    layer: usize,
}

impl PriceBook {
    /// The rows that Ozone ships.
    pub fn built_in() -> Arc<PriceBook> {
        static BOOK: OnceLock<Arc<PriceBook>> = OnceLock::new();
        BOOK.get_or_init(|| {
            let book = PriceBook::default().with("prices.toml", BUILT_IN);
            Arc::new(book.expect("the shipped price book is read by a test"))
        })
        .clone()
    }

    /// A book with this file's rows too; where both speak of a thing, this file is right.
    pub fn with(mut self, name: &str, text: &str) -> Result<PriceBook, BookError> {
        let file = match FileKind::of(name) {
            FileKind::Toml => toml::from_str::<File>(text).map_err(|e| BookError {
                file: name.to_owned(),
                place: e.span().map_or(String::new(), |s| format!(":{}", line_of(text, s.start))),
                reason: e.message().replace('\n', " "),
            })?,
            FileKind::Json => serde_json::from_str::<File>(text).map_err(|e| BookError {
                file: name.to_owned(),
                place: format!(":{}", e.line()),
                reason: e.to_string(),
            })?,
        };
        self.layers += 1;
        self.add(file).map_err(|(kind, index, label, reason)| {
            let header = format!("[[{kind}]]");
            let line = text
                .lines()
                .enumerate()
                .filter(|(_, l)| l.trim() == header)
                .nth(index)
                .map_or(String::new(), |(i, _)| format!(":{}", i + 1));
            let place = format!("{line}, [[{kind}]] {} ({label})", index + 1);
            BookError { file: name.to_owned(), place, reason }
        })?;
        Ok(self)
    }

    fn add(&mut self, file: File) -> Result<(), (&'static str, usize, String, String)> {
        let layer = self.layers;
        for (i, row) in file.price.into_iter().enumerate() {
            let label = row.models.first().unwrap_or(&row.provider).clone();
            self.add_price(row, layer).map_err(|reason| ("price", i, label, reason))?;
        }
        for (i, row) in file.tool.into_iter().enumerate() {
            let label = format!("{} {}", row.provider, row.tool);
            self.add_tool(row, layer).map_err(|reason| ("tool", i, label, reason))?;
        }
        for (i, row) in file.rate.into_iter().enumerate() {
            let label = row.currency.clone();
            self.add_rate(row, layer).map_err(|reason| ("rate", i, label, reason))?;
        }
        for (i, row) in file.machine.into_iter().enumerate() {
            let label = row.machine.clone();
            self.add_machine(row, layer).map_err(|reason| ("machine", i, label, reason))?;
        }
        Ok(())
    }

    fn add_price(&mut self, raw: PriceRow, layer: usize) -> Result<(), String> {
        let span = common(&raw.from, raw.to.as_deref(), &raw.source, &raw.checked, &raw.currency)?;
        named("provider", &raw.provider)?;
        named("tier", &raw.tier)?;
        if raw.models.is_empty() {
            return Err("`models` is empty".into());
        }
        raw.models.iter().try_for_each(|model| named("models", model))?;
        if let Some(day) = &raw.deprecated_on {
            parse_instant(day).ok_or_else(|| format!("`deprecated_on`: {}", no_date(day)))?;
        }
        let card = card(&raw.rates, &raw.above)?;
        let mut windows = vec![];
        for window in &raw.windows {
            let (hours, days, own) = self::window(window)?;
            same_kinds("a window", &raw.rates, &window.rates)?;
            windows.push((hours, days, own));
        }
        let mut regional = BTreeMap::new();
        for (region, factor) in &raw.regional {
            if raw.region.is_some() {
                return Err("a row of one region cannot have factors for others".into());
            }
            let price = Price::per_unit(factor).map_err(|e| e.to_string())?;
            let scaled = |card: &Card| {
                card.times(price).ok_or_else(|| {
                    format!("`regional.{region}` = {factor} gives more decimals than are kept")
                })
            };
            if price.is_zero() {
                return Err(format!("`regional.{region}` is zero"));
            }
            let in_windows =
                windows.iter().map(|(_, _, card)| scaled(card)).collect::<Result<_, _>>();
            regional.insert(region.clone(), (scaled(&card)?, in_windows?));
        }
        for model in &raw.models {
            for other in self.by_model.get(model).into_iter().flatten().map(|i| &self.rows[*i]) {
                let same = other.layer == layer
                    && other.provider == raw.provider
                    && other.tier == raw.tier
                    && other.region == raw.region
                    && other.currency == raw.currency;
                if same && other.span.meets(span) {
                    return Err(format!(
                        "it speaks of `{model}` at a time when {} does",
                        other.at.id
                    ));
                }
            }
        }
        let id = raw.id.clone().unwrap_or_else(|| {
            let region = raw.region.as_ref().map(|r| format!("/{r}")).unwrap_or_default();
            let currency = if raw.currency == "USD" { "" } else { raw.currency.as_str() };
            let (provider, model, tier) = (&raw.provider, &raw.models[0], &raw.tier);
            format!("{provider}/{model}/{tier}{region}{currency}@{}", raw.from)
        });
        let at = RowRef::new(id, hash(&raw));
        let index = self.rows.len();
        for model in &raw.models {
            self.by_model.entry(model.clone()).or_default().push(index);
        }
        self.rows.push(Row {
            at,
            provider: raw.provider,
            models: raw.models,
            tier: raw.tier,
            region: raw.region,
            currency: raw.currency,
            span,
            prompt_tokens_max: raw.prompt_tokens_max,
            card,
            windows,
            regional,
            layer,
        });
        Ok(())
    }

    fn add_tool(&mut self, raw: ToolRow, layer: usize) -> Result<(), String> {
        let span = common(&raw.from, raw.to.as_deref(), &raw.source, &raw.checked, &raw.currency)?;
        named("provider", &raw.provider)?;
        named("tool", &raw.tool)?;
        raw.models.iter().try_for_each(|model| named("models", model))?;
        let price = Price::per_unit(&raw.price).map_err(|e| e.to_string())?;
        let price = price.divided(raw.per).ok_or_else(|| {
            format!("a price of {} per {} has no exact price of one", raw.price, raw.per)
        })?;
        if let Some(free) = &raw.free {
            named("free.group", &free.group)?;
        }
        let others = self.by_tool.get(&raw.tool).into_iter().flatten().map(|i| &self.tools[*i]);
        for other in others {
            let shared = |a: &[String], b: &[String]| {
                a.is_empty() && b.is_empty() || a.iter().any(|model| b.contains(model))
            };
            let same = other.layer == layer
                && other.row.provider == raw.provider
                && other.row.variant == raw.variant
                && other.row.tier == raw.tier
                && other.row.currency == raw.currency
                && shared(&other.row.models, &raw.models);
            if same && other.span.meets(span) {
                return Err(format!("it speaks of the same as {} at the same time", other.at.id));
            }
        }
        let id = raw.id.clone().unwrap_or_else(|| {
            let more = |part: Option<&String>| part.map(|p| format!("/{p}")).unwrap_or_default();
            let (variant, model) = (more(raw.variant.as_ref()), more(raw.models.first()));
            let tier = more(raw.tier.as_ref());
            format!("{}/{}{variant}{model}{tier}@{}", raw.provider, raw.tool, raw.from)
        });
        let at = RowRef::new(id, hash(&raw));
        self.by_tool.entry(raw.tool.clone()).or_default().push(self.tools.len());
        let currency = raw.currency.clone();
        self.tools.push(Tool { at, row: raw, currency, span, price, layer });
        Ok(())
    }

    fn add_rate(&mut self, raw: RateRow, layer: usize) -> Result<(), String> {
        let span = common(&raw.from, raw.to.as_deref(), &raw.source, &raw.checked, &raw.currency)?;
        if raw.currency == "USD" {
            return Err("a dollar is a dollar".into());
        }
        let usd = Price::per_unit(&raw.usd).map_err(|e| e.to_string())?;
        if usd.is_zero() {
            return Err("`usd` is zero".into());
        }
        let twice =
            |r: &&Rate| r.layer == layer && r.currency == raw.currency && r.span.meets(span);
        if self.rates.iter().find(twice).is_some() {
            return Err("two rates hold at the same time".into());
        }
        self.rates.push(Rate { currency: raw.currency, usd, date: raw.from, span, layer });
        Ok(())
    }

    fn add_machine(&mut self, raw: MachineRow, layer: usize) -> Result<(), String> {
        let span = common(&raw.from, raw.to.as_deref(), &raw.source, &raw.checked, &raw.currency)?;
        named("machine", &raw.machine)?;
        let second = Price::per_unit(&raw.per_second).map_err(|e| e.to_string())?;
        let price = second.divided(1_000).ok_or("`per_second` has more decimals than are kept")?;
        let twice =
            |m: &&Machine| m.layer == layer && m.row.machine == raw.machine && m.span.meets(span);
        if self.machines.iter().find(twice).is_some() {
            return Err("two rows of one machine hold at the same time".into());
        }
        self.machines.push(Machine { row: raw, price, span, layer });
        Ok(())
    }

    /// The row that prices these facts.
    pub(crate) fn select(&self, facts: &Facts, at: i64) -> Result<&Row, Unknown> {
        let region = facts.region.as_deref();
        // Numbers first: most rows of a model are of another time.
        let fits = |row: &&Row| {
            row.span.holds(at)
                && row.tier == facts.tier
                && row.is_of(&facts.provider)
                && row.is_for(region)
        };
        let placed = || self.rows_of(&facts.model).filter(fits);
        let Some(layer) = placed().map(|row| row.layer).max() else {
            return Err(self.why_none(facts, at));
        };
        let currency = facts.billed_in.as_deref();
        let rank = |row: &&Row| {
            let own = region.is_some() && row.region.is_some();
            (own, row.currency == currency.unwrap_or("USD"))
        };
        let best = || placed().filter(|row| row.layer == layer);
        let first = best().max_by_key(rank).expect("`placed` has a row of its highest layer");
        let model = || facts.model.clone();
        if let Some(currency) = currency.filter(|c| first.currency != **c) {
            return Err(Unknown::Currency { model: model(), currency: currency.to_owned() });
        }
        if best().any(|row| row.provider != first.provider) {
            let providers: BTreeSet<&str> = best().map(|row| row.provider.as_str()).collect();
            let providers = providers.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Unknown::Providers { model: model(), providers });
        }
        Ok(first)
    }

    fn rows_of(&self, model: &str) -> impl Iterator<Item = &Row> {
        let known = self.by_model.get(model).map_or(&[][..], Vec::as_slice);
        known.iter().map(|i| &self.rows[*i])
    }

    /// The first thing by which no row is left.
    fn why_none(&self, facts: &Facts, at: i64) -> Unknown {
        let model = facts.model.clone();
        let sold = || self.rows_of(&facts.model).filter(|row| row.is_of(&facts.provider));
        let tiered = || sold().filter(|row| row.tier == facts.tier);
        if sold().next().is_none() {
            Unknown::Model { provider: facts.provider.clone(), model }
        } else if tiered().next().is_none() {
            Unknown::Tier { model, tier: facts.tier.clone() }
        } else if !tiered().any(|row| row.span.holds(at)) {
            Unknown::Time { model, at }
        } else {
            let region = facts.region.as_deref().unwrap_or("any").to_owned();
            Unknown::Region { model, region }
        }
    }

    /// The row that prices a tool: the most particular of the newest file.
    pub(crate) fn tool(
        &self,
        provider: &str,
        facts: &Facts,
        tool: &crate::ToolUse,
        at: i64,
    ) -> Option<&Tool> {
        let known = self.by_tool.get(&tool.tool)?;
        known
            .iter()
            .map(|i| &self.tools[*i])
            .filter(|t| {
                let row = &t.row;
                t.span.holds(at)
                    && row.provider == provider
                    && row.variant.as_ref().is_none_or(|v| Some(v) == tool.variant.as_ref())
                    && (tool.variant.is_none() || row.variant == tool.variant)
                    && (row.models.is_empty() || row.models.contains(&facts.model))
                    && row.tier.as_ref().is_none_or(|tier| *tier == facts.tier)
            })
            .max_by_key(|t| (t.layer, !t.row.models.is_empty(), t.row.tier.is_some()))
    }

    /// The free quota that a tool's calls draw on, so that a caller can count it.
    pub fn free_quota(&self, facts: &Facts, tool: &crate::ToolUse, at: i64) -> Option<&Free> {
        self.tool(&facts.provider, facts, tool, at)?.row.free.as_ref()
    }

    /// Dollars for one unit of `currency`, and the day of the rate.
    pub(crate) fn rate(&self, currency: &str, at: i64) -> Option<(Price, &str)> {
        let rates = self.rates.iter().filter(|r| r.currency == currency && r.span.holds(at));
        rates.max_by_key(|r| r.layer).map(|r| (r.usd, r.date.as_str()))
    }

    /// The price of a millisecond of an own machine, and its currency.
    pub fn machine(&self, name: &str, at: i64) -> Option<(Price, &str)> {
        let rows = self.machines.iter().filter(|m| m.row.machine == name && m.span.holds(at));
        rows.max_by_key(|m| m.layer).map(|m| (m.price, m.row.currency.as_str()))
    }

    /// Everything that is sold at this instant without being bound to a place: provider, model and
    /// tier, each once.
    pub fn offers(&self, at: i64) -> Vec<(&str, &str, &str)> {
        let sold = self.rows.iter().filter(|row| row.span.holds(at) && row.region.is_none());
        let offers: BTreeSet<_> = sold
            .map(|row| (row.provider.as_str(), row.models[0].as_str(), row.tier.as_str()))
            .collect();
        offers.into_iter().collect()
    }

    pub fn len(&self) -> usize {
        self.rows.len() + self.tools.len() + self.rates.len() + self.machines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or(1, |before| before.matches('\n').count() + 1)
}

fn hash(row: &impl serde::Serialize) -> String {
    let json = serde_json::to_vec(row).unwrap_or_default();
    let digest = Sha256::digest(&json);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn named(field: &str, value: &str) -> Result<(), String> {
    if value.trim().is_empty() || value.len() > 200 {
        return Err(format!("`{field}` is empty or longer than 200 bytes"));
    }
    Ok(())
}

fn no_date(text: &str) -> String {
    format!("`{text}` is no date such as 2025-06-10 or 2025-09-05T16:00:00Z")
}

/// What every row has.
fn common(
    from: &str,
    to: Option<&str>,
    source: &str,
    checked: &str,
    currency: &str,
) -> Result<Span, String> {
    named("source", source)?;
    parse_instant(checked).ok_or_else(|| format!("`checked`: {}", no_date(checked)))?;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(format!("`{currency}` is no currency such as USD"));
    }
    let instant = |name, text: &str| {
        parse_instant(text).ok_or_else(|| format!("`{name}`: {}", no_date(text)))
    };
    let from_instant = instant("from", from)?;
    let to_instant = to.map_or(Ok(i64::MAX), |text| instant("to", text))?;
    if from_instant >= to_instant {
        return Err(format!("it ends ({}) before it begins ({from})", to.unwrap_or("never")));
    }
    Ok(Span { from: from_instant, to: to_instant })
}

fn rate_card(rates: &row::Rates) -> Result<RateCard, String> {
    if rates.is_empty() {
        return Err("`rates` is empty".into());
    }
    let mut card = [None; Meter::COUNT];
    for (meter, text) in rates {
        let price = Price::per_million(text).map_err(|e| format!("`{}`: {e}", meter.name()))?;
        card[*meter as usize] = Some(price);
    }
    Ok(card)
}

fn card(rates: &row::Rates, tiers: &[row::Tier]) -> Result<Card, String> {
    let mut above: Vec<(u64, RateCard)> = vec![];
    for tier in tiers {
        if above.last().is_some_and(|(last, _)| *last >= tier.prompt_tokens) {
            return Err("the tiers of `above` do not rise".into());
        }
        same_kinds(&format!("the tier above {} tokens", tier.prompt_tokens), rates, &tier.rates)?;
        above.push((tier.prompt_tokens, rate_card(&tier.rates)?));
    }
    Ok(Card { base: rate_card(rates)?, above })
}

/// A tier or a window that forgot a kind of token would give it no price, or the wrong one.
fn same_kinds(what: &str, base: &row::Rates, own: &row::Rates) -> Result<(), String> {
    let only = |a: &row::Rates, b: &row::Rates| a.keys().copied().find(|m| !b.contains_key(m));
    match (only(base, own), only(own, base)) {
        (Some(meter), _) => Err(format!("{what} has no price for `{}`", meter.name())),
        (None, Some(meter)) => {
            Err(format!("{what} has a price for `{}`, and the row has none", meter.name()))
        }
        (None, None) => Ok(()),
    }
}

fn window(raw: &row::Window) -> Result<(Vec<Hours>, Vec<u8>, Card), String> {
    let parse = |text: &String| {
        Hours::parse(text).ok_or_else(|| format!("`{text}` are no hours such as 16:30-00:30"))
    };
    let hours = raw.hours.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    if hours.is_empty() || raw.weekdays.is_empty() {
        return Err("a window has no hours or no weekdays".into());
    }
    if let Some(day) = raw.weekdays.iter().find(|day| !(1..=7).contains(*day)) {
        return Err(format!("{day} is no weekday from 1 (Monday) to 7"));
    }
    Ok((hours, raw.weekdays.clone(), card(&raw.rates, &raw.above)?))
}
