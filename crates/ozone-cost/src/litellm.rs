//! LiteLLM's price map to rows of ours.
//!
//! Its prices are numbers per token, and are read as they are written: no float comes between. It
//! has no dates, so rows begin on the day of the import. Whatever a row cannot say is
//! reported, and so is each price that was copied to where the map leaves a gap: nothing is lost
//! silently. A map entry that would make a book be refused is left out and named.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::row::{File, Free, PriceRow, Rates, Tier, ToolRow, Window};
use crate::time::parse_instant;
use crate::{Meter, Period, PriceBook, TIER_DEFAULT};

/// What an import gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    pub file: File,
    /// How many entries of the map have a price now.
    pub models: usize,
    /// `model: what could not be said, or was filled in`.
    pub notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("it is no JSON object of models: {0}")]
    NotAMap(#[from] serde_json::Error),
    #[error("`{0}` is no date such as 2026-11-22")]
    Date(String),
}

impl Imported {
    /// The rows as a book's file.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&self.file)
    }
}

/// Reads a map as it is on `day`.
pub fn import(map: &str, day: &str) -> Result<Imported, ImportError> {
    parse_instant(day).ok_or_else(|| ImportError::Date(day.to_owned()))?;
    let map: Map<String, Value> = serde_json::from_str(&with_numbers_as_text(map))?;
    let mut imported = Imported::default();
    for (model, entry) in map.iter().filter(|(model, _)| *model != "sample_spec") {
        let Some(entry) = entry.as_object() else {
            imported.notes.push(format!("{model}: it is no object"));
            continue;
        };
        let mut reader = Entry::new(model, entry, day);
        reader.read();
        let rows = reader.file.price.len() + reader.file.tool.len();
        imported.models += usize::from(rows > 0);
        imported.file.price.append(&mut reader.file.price);
        imported.file.tool.append(&mut reader.file.tool);
        imported.notes.extend(reader.notes.iter().map(|note| format!("{model}: {note}")));
    }
    Ok(imported)
}

/// Prices at one service tier, by the size above which they hold (0 is the base).
type Cards = BTreeMap<u64, Rates>;

struct Entry<'a> {
    model: &'a str,
    entry: &'a Map<String, Value>,
    day: &'a str,
    provider: String,
    source: String,
    file: File,
    notes: Vec<String>,
}

const TIERS: [(&str, &str); 6] = [
    ("_batches", crate::TIER_BATCH),
    ("_flex", crate::TIER_FLEX),
    ("_priority", crate::TIER_PRIORITY),
    ("_ultrafast", "ultrafast"),
    ("_balanced", "balanced"),
    ("_decisions", "decisions"),
];

/// Fields that are about something other than one price.
const STRUCTURED: [&str; 8] = [
    "off_peak_pricing",
    "tiered_pricing",
    "search_context_cost_per_query",
    "search_free_requests",
    "web_search_billing_unit",
    "regional_processing_uplift_multiplier_us",
    "regional_processing_uplift_multiplier_eu",
    "regional_endpoint_uplift_multiplier",
];

impl<'a> Entry<'a> {
    fn new(model: &'a str, entry: &'a Map<String, Value>, day: &'a str) -> Self {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
        Entry {
            model,
            entry,
            day,
            provider: text("litellm_provider").unwrap_or_default(),
            source: match text("source").filter(|s| !s.trim().is_empty() && s.len() <= 200) {
                Some(source) => format!("LiteLLM's price map, after {source}"),
                None => "LiteLLM's price map".to_owned(),
            },
            file: File::default(),
            notes: vec![],
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn read(&mut self) {
        if self.provider.is_empty() {
            return self.note("it names no `litellm_provider`");
        }
        let mut cards: BTreeMap<&str, Cards> = BTreeMap::new();
        for (field, value) in self.entry {
            self.field(field, value, &mut cards);
        }
        let prompt_tokens_max = self.tiered(&mut cards);
        let windows = self.windows(cards.get(TIER_DEFAULT).and_then(|c| c.get(&0)));
        let regional = self.regional();
        for (tier, mut own) in cards {
            let Some(rates) = own.remove(&0) else {
                self.note(format!("the tier `{tier}` has prices for long prompts only: left out"));
                continue;
            };
            let above = self.above(tier, &rates, own);
            let is_default = tier == TIER_DEFAULT;
            let row = PriceRow {
                id: None,
                provider: self.provider.clone(),
                models: vec![self.model.to_owned()],
                tier: tier.to_owned(),
                region: None,
                currency: "USD".to_owned(),
                from: self.day.to_owned(),
                to: None,
                prompt_tokens_max: prompt_tokens_max.filter(|_| is_default),
                deprecated_on: self.deprecated_on(),
                source: self.source.clone(),
                checked: self.day.to_owned(),
                rates,
                regional: regional.clone(),
                above,
                windows: if is_default { windows.clone() } else { vec![] },
            };
            self.keep(File { price: vec![row], ..File::default() });
        }
        self.searches();
    }

    /// Takes rows that a book takes.
    fn keep(&mut self, mut rows: File) {
        let book = toml::to_string(&rows)
            .map_err(|e| e.to_string())
            .and_then(|text| PriceBook::default().with("row", &text).map_err(|e| e.reason));
        match book {
            Ok(_) => {
                self.file.price.append(&mut rows.price);
                self.file.tool.append(&mut rows.tool);
            }
            Err(reason) => self.note(format!("left out: {reason}")),
        }
    }

    fn field<'b>(&mut self, field: &'b str, value: &Value, cards: &mut BTreeMap<&'b str, Cards>) {
        let (name, tier) = TIERS
            .iter()
            .find_map(|(suffix, tier)| Some((field.strip_suffix(suffix)?, *tier)))
            .unwrap_or((field, TIER_DEFAULT));
        let (name, above) = match above(name) {
            Some((name, tokens)) => (name, tokens),
            None => (name, 0),
        };
        if let Some(meter) = meter(name) {
            let Some(price) = decimal(value, 6) else {
                return self.note(format!("`{field}` = {} is no price", shown(value)));
            };
            let rates = cards.entry(tier).or_default().entry(above).or_default();
            // A second spelling of the same price.
            if let Some(before) = rates.get(&meter).filter(|before| **before != price) {
                let kept = before.clone();
                return self
                    .note(format!("`{field}` = {} contradicts {kept}: left out", shown(value)));
            }
            rates.insert(meter, price);
        } else if let Some((tool, per)) = unit(name) {
            if above > 0 {
                return self.note(format!("`{field}`: a price by prompt size of what is no token"));
            }
            let Some(price) = decimal(value, 0) else {
                return self.note(format!("`{field}` = {} is no price", shown(value)));
            };
            let tier = (tier != TIER_DEFAULT).then(|| tier.to_owned());
            let row = ToolRow { tier, per, ..self.tool(&tool, price) };
            self.keep(File { tool: vec![row], ..File::default() });
        } else if !STRUCTURED.contains(&field) && is_about_money(field) {
            self.note(format!("`{field}` = {} cannot be said by a row", shown(value)));
        }
    }

    fn tool(&self, tool: &str, price: String) -> ToolRow {
        ToolRow {
            id: None,
            provider: self.provider.clone(),
            tool: tool.to_owned(),
            variant: None,
            models: vec![self.model.to_owned()],
            tier: None,
            currency: "USD".to_owned(),
            from: self.day.to_owned(),
            to: None,
            price,
            per: 1,
            free: None,
            source: self.source.clone(),
            checked: self.day.to_owned(),
        }
    }

    /// Tiers name every kind of token that the row names; the map leaves out those that stay.
    fn above(&mut self, tier: &str, base: &Rates, cards: Cards) -> Vec<Tier> {
        let mut tiers = vec![];
        // A kind that one tier leaves out has the price of the tier below it.
        let mut below = base.clone();
        for (prompt_tokens, own) in cards {
            for (meter, price) in own {
                if base.contains_key(&meter) {
                    below.insert(meter, price);
                } else {
                    let name = meter.name();
                    self.note(format!(
                        "`{name}` has a price above {prompt_tokens} tokens ({tier}) and none \
                         below: left out"
                    ));
                }
            }
            tiers.push(Tier { prompt_tokens, rates: below.clone() });
        }
        tiers
    }

    /// `tiered_pricing`: ranges by prompt size, each start exclusive and each end inclusive.
    /// Returns the end of the last one.
    fn tiered(&mut self, cards: &mut BTreeMap<&str, Cards>) -> Option<u64> {
        let ranges = self.entry.get("tiered_pricing")?.as_array()?;
        let mut own = Cards::new();
        let mut last = 0;
        for range in ranges {
            let bounds = range.get("range").and_then(Value::as_array);
            let bound = |i: usize| bounds.and_then(|b| whole(b.get(i)?));
            let (Some(start), Some(end)) = (bound(0), bound(1)) else {
                self.note(format!("`tiered_pricing`: {range} is no range of tokens"));
                return None;
            };
            let rates = self.rates(range, "tiered_pricing", &["range"]);
            own.insert(start, rates);
            last = last.max(end);
        }
        if !own.contains_key(&0) {
            self.note("`tiered_pricing` does not begin at 0: left out");
            return None;
        }
        let flat = cards.entry(TIER_DEFAULT).or_default();
        if let Some(base) = flat.get(&0).filter(|base| !base.is_empty()) {
            let first = own.get_mut(&0).expect("it was looked up above");
            for (meter, price) in base {
                first.entry(*meter).or_insert_with(|| price.clone());
            }
        }
        *flat = own;
        (last > 0).then_some(last)
    }

    fn rates(&mut self, object: &Value, field: &str, others: &[&str]) -> Rates {
        let mut rates = Rates::new();
        for (name, value) in object.as_object().into_iter().flatten() {
            let price = decimal(value, 6);
            match (meter(name), price) {
                (Some(meter), Some(price)) => {
                    rates.insert(meter, price);
                }
                _ if others.contains(&name.as_str()) => {}
                _ => self
                    .note(format!("`{field}.{name}` = {} cannot be said by a row", shown(value))),
            }
        }
        rates
    }

    fn windows(&mut self, base: Option<&Rates>) -> Vec<Window> {
        let Some(off_peak) = self.entry.get("off_peak_pricing") else { return vec![] };
        let Some(base) = base else {
            self.note("`off_peak_pricing` stands beside no price");
            return vec![];
        };
        let own = self.rates(off_peak, "off_peak_pricing", &["windows"]);
        let mut rates = base.clone();
        for (meter, price) in own {
            if base.contains_key(&meter) {
                rates.insert(meter, price);
            } else {
                let name = meter.name();
                self.note(format!("`off_peak_pricing`: `{name}` has no price at other times"));
            }
        }
        let windows = off_peak.get("windows").and_then(Value::as_array);
        let read = |window: &Value| {
            let hours = match window.get("hours_utc")? {
                Value::String(one) => vec![one.clone()],
                many => serde_json::from_value(many.clone()).ok()?,
            };
            let weekdays = match window.get("weekdays") {
                Some(days) => days
                    .as_array()?
                    .iter()
                    .map(|day| u8::try_from(whole(day)?).ok())
                    .collect::<Option<_>>()?,
                None => (1..=7).collect(),
            };
            Some(Window { hours, weekdays, rates: rates.clone(), above: vec![] })
        };
        let all: Option<Vec<_>> = windows.into_iter().flatten().map(read).collect();
        all.unwrap_or_else(|| {
            self.note("`off_peak_pricing.windows` cannot be read");
            vec![]
        })
    }

    fn regional(&mut self) -> BTreeMap<String, String> {
        let mut regional = BTreeMap::new();
        for (field, region) in [
            ("regional_processing_uplift_multiplier_us", "us"),
            ("regional_processing_uplift_multiplier_eu", "eu"),
            ("regional_endpoint_uplift_multiplier", "regional"),
        ] {
            let Some(value) = self.entry.get(field) else { continue };
            match decimal(value, 0) {
                Some(factor) => {
                    regional.insert(region.to_owned(), factor);
                }
                None => self.note(format!("`{field}` = {} is no factor", shown(value))),
            }
        }
        let specific = self.entry.get("provider_specific_entry").and_then(Value::as_object);
        for (name, value) in specific.into_iter().flatten() {
            let factor = decimal(value, 0);
            match (name.as_str(), factor) {
                ("us" | "eu", Some(factor)) => {
                    regional.insert(name.clone(), factor);
                }
                (_, Some(_)) => {
                    self.note(format!(
                        "`provider_specific_entry.{name}` = {} cannot be said",
                        shown(value)
                    ));
                }
                (_, None) => {}
            }
        }
        regional
    }

    fn deprecated_on(&self) -> Option<String> {
        let day = self.entry.get("deprecation_date")?.as_str()?;
        parse_instant(day).map(|_| day.to_owned())
    }

    /// Searches by grade of context, with the calls that are free.
    fn searches(&mut self) {
        let Some(costs) = self.entry.get("search_context_cost_per_query") else { return };
        let free = self.entry.get("search_free_requests").and_then(|free| {
            let period = match free.get("period")?.as_str()? {
                "day" => Period::Day,
                "month" => Period::Month,
                _ => return None,
            };
            let units = whole(free.get("count")?)?;
            let group = free.get("shared_group").and_then(Value::as_str).unwrap_or(self.model);
            Some(Free { units, period, group: format!("{}/{group}", self.provider) })
        });
        if self.entry.contains_key("search_free_requests") && free.is_none() {
            self.note("`search_free_requests` cannot be read");
        }
        let mut grades: Vec<(&str, String)> = vec![];
        for grade in ["low", "medium", "high"] {
            let cost = costs.get(format!("search_context_size_{grade}"));
            match cost.and_then(|c| decimal(c, 0)) {
                Some(price) => grades.push((grade, price)),
                None if cost.is_some() => self.note(format!("the search price `{grade}` is none")),
                None => {}
            }
        }
        let one_price = grades.windows(2).all(|pair| pair[0].1 == pair[1].1) && grades.len() == 3;
        if one_price {
            // Whatever the grade: a call need not name it.
            let row =
                ToolRow { free: free.clone(), ..self.tool("web_search", grades[0].1.clone()) };
            self.keep(File { tool: vec![row], ..File::default() });
        }
        for (grade, price) in grades {
            let variant = Some(grade.to_owned());
            let row = ToolRow { variant, free: free.clone(), ..self.tool("web_search", price) };
            self.keep(File { tool: vec![row], ..File::default() });
        }
    }
}

/// `x_above_200k_tokens` to `x` and 200,000.
fn above(name: &str) -> Option<(&str, u64)> {
    let head = name.strip_suffix("k_tokens")?;
    let at = head.rfind("_above_")?;
    let thousands: u64 = head[at + "_above_".len()..].parse().ok()?;
    (thousands > 0).then_some(())?;
    Some((&name[..at], thousands.checked_mul(1_000)?))
}

fn meter(name: &str) -> Option<Meter> {
    Some(match name {
        "input_cost_per_token" => Meter::Input,
        "cache_read_input_token_cost" | "input_cost_per_token_cache_hit" => Meter::CachedInput,
        "cache_creation_input_token_cost" => Meter::CacheWrite,
        "cache_creation_input_token_cost_above_1hr" => Meter::CacheWrite1h,
        "cache_creation_input_token_cost_above_12hr" => Meter::CacheWrite12h,
        "output_cost_per_token" => Meter::Output,
        "output_cost_per_reasoning_token" => Meter::ReasoningOutput,
        "input_cost_per_audio_token" => Meter::AudioInput,
        "cache_read_input_audio_token_cost" => Meter::CachedAudioInput,
        "cache_creation_input_audio_token_cost" => Meter::AudioCacheWrite,
        "output_cost_per_audio_token" => Meter::AudioOutput,
        "input_cost_per_image_token" => Meter::ImageInput,
        "cache_read_input_image_token_cost" => Meter::CachedImageInput,
        "output_cost_per_image_token" => Meter::ImageOutput,
        "input_cost_per_video_token" => Meter::VideoInput,
        "output_cost_per_video_token" => Meter::VideoOutput,
        _ => return None,
    })
}

/// The tool, or the quantity, that a field prices, and how many of it.
fn unit(name: &str) -> Option<(String, u64)> {
    Some(match name {
        "code_interpreter_cost_per_session" => ("container".to_owned(), 1),
        "google_maps_grounding_cost_per_query" => ("maps_search".to_owned(), 1),
        "file_search_cost_per_1k_calls" => ("file_search".to_owned(), 1_000),
        "vector_store_cost_per_gb_per_day" | "file_search_cost_per_gb_per_day" => {
            ("storage_gb_day".to_owned(), 1)
        }
        "cost_per_second" => ("second".to_owned(), 1),
        _ => {
            let (what, per) = name.split_once("_cost_per_")?;
            let is_known = matches!(what, "input" | "output" | "ocr" | "annotation");
            let unit = format!("{what}_{per}");
            return (is_known && !per.contains("token")).then_some((unit, 1));
        }
    })
}

fn is_about_money(field: &str) -> bool {
    ["cost", "pric", "multiplier", "billing"].iter().any(|part| field.contains(part))
}

/// The map with each number in quotes, so that its digits are kept.
fn with_numbers_as_text(map: &str) -> String {
    let mut text = String::with_capacity(map.len() + map.len() / 8);
    let mut rest = map.chars().peekable();
    let mut in_string = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' if in_string => {
                text.push(c);
                text.extend(rest.next());
            }
            '"' => {
                in_string = !in_string;
                text.push(c);
            }
            '-' | '0'..='9' if !in_string => {
                text.push('"');
                text.push(c);
                let is_number = |c: &char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
                while let Some(c) = rest.next_if(is_number) {
                    text.push(c);
                }
                text.push('"');
            }
            _ => text.push(c),
        }
    }
    text
}

/// A value as the map wrote it.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A count, which some entries write as `256000.0`.
fn whole(value: &Value) -> Option<u64> {
    decimal(value, 0)?.parse().ok()
}

/// A number of the map, `1.25e-7` say, times 10^`shift`, as a plain decimal; `None` when it is
/// negative or no number.
fn decimal(value: &Value, shift: i64) -> Option<String> {
    let number = value.as_str()?;
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The point stands this far from the left of the digits.
    let point = whole.len() as i64 + exponent.checked_add(shift)?;
    if !(-60..=60).contains(&point) {
        return None;
    }
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else if (point as usize) < digits.len() {
        (digits[..point as usize].to_owned(), digits[point as usize..].to_owned())
    } else {
        (format!("{digits:0<width$}", width = point as usize), String::new())
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    Some(match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    })
}
