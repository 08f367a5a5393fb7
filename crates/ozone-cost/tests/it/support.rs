//! Facts in few words.

use ozone_cost::{Facts, Meter, PriceBook, Priced, Tokens, parse_instant};

pub fn at(text: &str) -> i64 {
    parse_instant(text).unwrap()
}

/// The day on which the shipped book was checked.
pub fn today() -> i64 {
    at("2026-11-22")
}

pub fn tokens(counts: &[(Meter, u64)]) -> Tokens {
    counts.iter().fold(Tokens::default(), |tokens, (meter, n)| tokens.with(*meter, *n))
}

/// 4,000 new and 6,000 cached tokens in, 2,500 out, 2,000 of them thinking.
pub fn ten_thousand_in(model: &str) -> Facts {
    let counts = [
        (Meter::Input, 4_000),
        (Meter::CachedInput, 6_000),
        (Meter::Output, 500),
        (Meter::ReasoningOutput, 2_000),
    ];
    Facts::new("", model, tokens(&counts))
}

pub fn in_and_out(model: &str, input: u64, output: u64) -> Facts {
    Facts::new("", model, tokens(&[(Meter::Input, input), (Meter::Output, output)]))
}

pub fn price(facts: &Facts, instant: i64) -> Priced {
    PriceBook::built_in().price(facts, instant)
}

pub fn total(facts: &Facts, instant: i64) -> String {
    let priced = price(facts, instant);
    priced.total.map_or_else(|| why(&priced), |total| total.to_string())
}

pub fn why(priced: &Priced) -> String {
    priced.unknown.iter().map(|u| u.to_string()).collect::<Vec<_>>().join("; ")
}

/// A book with nothing but these rows.
pub fn book(rows: &str) -> PriceBook {
    PriceBook::default().with("test.toml", rows).unwrap()
}

/// One row with what a test does not care about filled in.
pub fn row(fields: &str) -> String {
    let mut text = String::from("[[price]]\n");
    for (field, default) in [
        ("provider", "\"p\""),
        ("models", "[\"m\"]"),
        ("from", "\"2025-01-01\""),
        ("source", "\"test\""),
        ("checked", "\"2025-01-01\""),
        ("rates", "{ input = \"1\", output = \"2\" }"),
    ] {
        let mut own = fields.lines().take_while(|l| !l.starts_with("[["));
        if !own.any(|l| l.starts_with(&format!("{field} ="))) {
            text.push_str(&format!("{field} = {default}\n"));
        }
    }
    text + fields + "\n"
}
