//! Arithmetic, percentages and equations.
//!
//! What Python prints is worked out here with Python's own rules: whole numbers stay whole, and as
//! soon as a decimal or a division is in it the result is a double, rounded to six places. So the
//! code has one shape for one intent, and the reply copies what was printed.

mod arithmetic;
mod equation;
mod expression;
mod fraction;
mod percent;

use crate::grade::number;
use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = arithmetic::kinds();
    kinds.extend(fraction::kinds());
    kinds.extend(percent::kinds());
    kinds.extend(equation::kinds());
    kinds
}

type Slots = Vec<(&'static str, String)>;

/// One of the ways to say it.
fn one<const N: usize>(rng: &mut Rng, ways: [String; N]) -> String {
    rng.pick(&ways).clone()
}

/// A question that one call answers.
fn solved(
    slots: Slots,
    answer: Vec<Value>,
    think: String,
    code: String,
    output: String,
    reply: String,
) -> Draw {
    Draw {
        slots,
        answer: Answer::Values(answer),
        steps: vec![Step::new(think, code, output)],
        think: String::new(),
        reply,
        offer: Offer::Python,
    }
}

/// A printed number that stands for its exact value, or for the rounded one when all of the
/// `places` that were asked for are used.
fn printed(text: &str, places: usize) -> Value {
    let used = text.split_once('.').map_or(0, |(_, f)| f.len());
    if places > 0 && used >= places { Value::Rounded(text.to_owned()) } else { number(text) }
}

/// Six places: what an unlimited quotient is rounded to where nobody asks for a precision.
const PLACES: usize = 6;

/// `true` for a text that Python reads as a float.
fn is_decimal(n: &str) -> bool {
    n.contains('.')
}

fn value(n: &str) -> f64 {
    n.parse().expect("an operand is written in plain digits")
}

/// A positive decimal such as `12.5`, its last digit not 0.
fn decimal(rng: &mut Rng, digits_max: u32) -> String {
    let places = *rng.pick(&[1u32, 1, 1, 2, 2, 3]);
    let whole = if rng.chance(0.15) { 0 } else { rng.magnitude(digits_max) };
    let scale = 10i64.pow(places);
    let mut part = rng.int(1, scale - 1);
    if part % 10 == 0 {
        part += rng.int(1, 9);
    }
    format!("{whole}.{part:0width$}", width = places as usize)
}

/// A number to reckon with: mostly whole, at times a decimal, zero or negative.
fn operand(rng: &mut Rng, digits_max: u32) -> String {
    match rng.below(100) {
        0..=15 => decimal(rng, digits_max.min(4)),
        16..=17 => "0".into(),
        18..=24 => (-rng.magnitude(digits_max.min(5))).to_string(),
        25..=26 => format!("-{}", decimal(rng, digits_max.min(3))),
        _ => rng.magnitude(digits_max).to_string(),
    }
}

fn positive(rng: &mut Rng, digits_max: u32) -> String {
    if rng.chance(0.16) {
        decimal(rng, digits_max.min(4))
    } else {
        rng.magnitude(digits_max).to_string()
    }
}

/// A number as people type it: separators, or words for a small one, in a part of the cases.
fn show(n: &str, rng: &mut Rng) -> String {
    if let Some(abs) = n.strip_prefix('-') {
        return match rng.below(12) {
            0 => format!("minus {abs}"),
            1 => format!("negative {abs}"),
            2 => format!("(-{abs})"),
            _ => n.to_owned(),
        };
    }
    match n.parse::<i64>() {
        Ok(i) if i < 1000 && rng.chance(if i <= 20 { 0.10 } else { 0.05 }) => surface::spoken(i),
        Ok(i) => surface::integer(i, rng),
        Err(_) => n.to_owned(),
    }
}

/// A number in figures, with separators at times.
fn figures(n: &str, rng: &mut Rng) -> String {
    n.parse::<i64>().map_or_else(|_| n.to_owned(), |i| surface::integer(i, rng))
}

/// `4th`, or `fourth` for a small one.
fn nth(n: i64, rng: &mut Rng) -> String {
    const WORDS: [&str; 11] = [
        "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
        "ninth", "tenth",
    ];
    match WORDS.get(n as usize) {
        Some(word) if rng.chance(0.4) => (*word).to_owned(),
        _ => format!("{n}{}", surface::ordinal(n)),
    }
}

/// `2 decimal places` and the like.
fn places(n: usize, rng: &mut Rng) -> String {
    let count = if rng.chance(0.35) { surface::spoken(n as i64) } else { n.to_string() };
    let s = if n == 1 { "" } else { "s" };
    match rng.below(7) {
        0 => format!("{count} decimal{s}"),
        1 => format!("{count} digit{s} after the decimal point"),
        2 => format!("{count} place{s}"),
        3 => format!("{count} dp"),
        _ => format!("{count} decimal place{s}"),
    }
}
