//! Show the paper straight on, read it, and take the price behind the name. Prices that add up to
//! the total were read right.

use std::collections::BTreeMap;

use serde_json::json;

use super::reading::{Print, as_digits};
use super::{Desk, OracleError};
use crate::words::distance;

const TOTAL: &str = "total";

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let wanted = question.split('"').nth(1).unwrap_or(TOTAL).to_lowercase();
    let straight = json!({"mode": "perspective", "image": "img_0"});
    let Some(paper) = desk.make("image_straighten", straight).await? else { return Ok(None) };
    let resized = |factor: f64| {
        let [width, height] = paper.size.map(|side| (side * factor).round() as u32);
        json!([{"resize": [width, height]}])
    };
    let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
    for ops in [
        json!([]),
        json!(["flatten"]),
        resized(1.5),
        resized(0.8),
        json!([{"blur": {"sigma": 0.8}}, "flatten", "autocontrast"]),
        json!([{"unsharp": {"sigma": 1.5, "amount": 1}}]),
    ] {
        let image = match ops.as_array().is_some_and(Vec::is_empty) {
            true => paper.name.clone(),
            false => match desk.transform(&paper.name, ops).await? {
                Some(made) => made.name,
                None => continue,
            },
        };
        let asked = json!({"image": image, "psm": 6, "orientations": "none"});
        let rows = rows(&desk.ocr(asked).await?);
        let price = rows.iter().find(|row| row.is(&wanted)).and_then(|row| row.cents);
        let total = rows.iter().position(|row| row.is(TOTAL));
        let adds_up = total.is_some_and(|at| {
            let sum: Option<i64> = rows[..at].iter().map(|row| row.cents).sum();
            sum.is_some() && sum == rows[at].cents
        });
        if let (Some(cents), true) = (price, adds_up) {
            return Ok(Some(told(cents)));
        }
        if let Some(cents) = price {
            *votes.entry(cents).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.map(|(cents, _)| told(cents)))
}

fn told(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A line with something like a price at its end.
struct Row {
    name: String,
    /// `None` where it is not read as a price is written.
    cents: Option<i64>,
}

impl Row {
    /// Names differ in most letters; a reader errs in few.
    fn is(&self, name: &str) -> bool {
        let plain = |text: &str| -> Vec<char> {
            text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect()
        };
        let (own, name) = (plain(&self.name), plain(name));
        distance(&own, &name) * 4 <= name.len().max(own.len())
    }
}

fn rows(print: &Print) -> Vec<Row> {
    let row = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let begin =
            words.iter().rposition(|word| word.chars().any(char::is_alphabetic) && !is_price(word));
        let (name, price) = words.split_at(begin.map_or(0, |at| at + 1));
        if name.is_empty() || price.is_empty() {
            return None;
        }
        Some(Row { name: name.join(" "), cents: cents(&price.concat()) })
    };
    print.lines.iter().filter_map(|line| row(&line.text)).collect()
}

/// Digits, a point and two digits; what stands around them is dirt.
fn cents(price: &str) -> Option<i64> {
    let price = as_digits(price).replace(',', ".");
    let price = price.trim_matches(|c: char| !c.is_ascii_digit());
    let (whole, part) = price.split_once('.')?;
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_price = is_plain(whole) && is_plain(part) && part.len() == 2 && whole.len() <= 4;
    is_price.then(|| format!("{whole}{part}").parse().ok())?
}

fn is_price(word: &str) -> bool {
    as_digits(word).chars().filter(char::is_ascii_digit).count() * 2 > word.chars().count()
}
