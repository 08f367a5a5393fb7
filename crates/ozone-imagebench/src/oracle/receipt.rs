//! Show the paper straight on, read it, and take the price behind the name. Prices that add up to
//! the total were read right.

use std::collections::BTreeMap;

use serde_json::json;

use super::reading::{Line, Print, as_digits};
use super::{Desk, Made, OracleError};
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
    let mut place = None;
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
        let print = desk.ocr(asked).await?;
        if image == paper.name {
            place = place.or_else(|| placed(&print, &wanted));
        }
        let rows = rows(&print);
        let price = rows.iter().find(|row| row.is(&wanted)).and_then(|row| row.cents);
        let total = rows.iter().position(|row| row.is(TOTAL));
        let adds_up = total.is_some_and(|at| {
            let sum: Option<i64> = rows[..at].iter().map(|row| row.cents).sum();
            sum.is_some() && sum == rows[at].cents
        });
        if let (Some(cents), true) = (price, adds_up) {
            return Ok(Some(told(cents)));
        }
        for cents in price.into_iter().chain(worked_out(&print, &wanted)) {
            *votes.entry(cents).or_default() += 1;
        }
    }
    let was_read = !votes.is_empty();
    if let Some([_, y0, _, y1]) = place {
        close_up(desk, &paper, [y0, y1], &mut votes).await?;
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    // What is read as digits because nothing else can be there may be dirt.
    Ok(most.filter(|(_, count)| was_read || *count > 1).map(|(cents, _)| told(cents)))
}

/// The row of a name, if need be one without anything like a price.
fn placed(print: &Print, name: &str) -> Option<[f64; 4]> {
    let own = |line: &&Line| row(&line.text).unwrap_or_else(|| Row::bare(&line.text)).is(name);
    print.lines.iter().find(own).map(|line| line.rect)
}

/// The total is the sum of the others, and a price what they leave of the total: where all those
/// were read.
fn worked_out(print: &Print, wanted: &str) -> Option<i64> {
    const LETTERS_MIN: usize = 3;
    // The first line is the shop's name; what has no letters is a rule or dirt.
    let worded =
        |line: &&Line| line.text.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS_MIN;
    let mut others = 0;
    let (mut seen, mut total) = (0, None);
    for line in print.lines.iter().skip(1).filter(worded) {
        let row = row(&line.text).unwrap_or_else(|| Row::bare(&line.text));
        if row.is(TOTAL) {
            total = Some(row);
            break;
        }
        if row.is(wanted) { seen += 1 } else { others += row.cents? }
    }
    match (wanted == TOTAL, seen) {
        (true, _) => total.map(|_| others).filter(|sum| *sum > 0),
        (false, 1) => {
            total.and_then(|row| row.cents).map(|all| all - others).filter(|left| *left > 0)
        }
        (false, _) => None,
    }
}

/// The right end of a row alone, in several sizes, where nothing but digits and a point can be.
async fn close_up(
    desk: &mut Desk,
    paper: &Made,
    [y0, y1]: [f64; 2],
    votes: &mut BTreeMap<i64, usize>,
) -> Result<(), OracleError> {
    /// Of the paper's width.
    const FROM: f64 = 0.68;
    const UNTIL: f64 = 0.97;
    let [width, height] = paper.size;
    let more = 0.12 * (y1 - y0);
    let part = [FROM * width, (y0 - more).max(0.0), UNTIL * width, (y1 + more).min(height)];
    for (factor, tone) in [
        (1.0, json!("autocontrast")),
        (0.5, json!("autocontrast")),
        (0.6, json!("autocontrast")),
        (0.8, json!("flatten")),
        (1.3, json!("autocontrast")),
        (1.6, json!("flatten")),
        (1.0, json!({"blur": {"sigma": 1.2}})),
    ] {
        let size = paper.size.map(|side| (side * factor).round() as u32);
        let ops = json!([{"resize": size}, tone]);
        let Some(made) = desk.transform(&paper.name, ops).await? else { continue };
        let asked = json!({
            "image": made.name, "bbox": part.map(|v| v * factor), "psm": 7,
            "orientations": "none", "chars": "0123456789."
        });
        let print = desk.ocr(asked).await?;
        let read = print.lines.first().and_then(|line| cents(&line.text.replace(' ', "")));
        if let Some(cents) = read {
            *votes.entry(cents).or_default() += 1;
        }
    }
    Ok(())
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
    /// Of a name alone.
    fn bare(name: &str) -> Row {
        Row { name: name.to_owned(), cents: None }
    }

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
    print.lines.iter().filter_map(|line| row(&line.text)).collect()
}

fn row(text: &str) -> Option<Row> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let begin =
        words.iter().rposition(|word| word.chars().any(char::is_alphabetic) && !is_price(word));
    let (name, price) = words.split_at(begin.map_or(0, |at| at + 1));
    if name.is_empty() || price.is_empty() {
        return None;
    }
    Some(Row { name: name.join(" "), cents: cents(&price.concat()) })
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
