//! Boxes in what a model said: in JSON of whatever shape, or in lines.

use serde_json::Value;

use crate::board::Board;

/// Beyond it nobody looks: an answer of four boxes is a tenth of it.
const SAID_BYTES_MAX: usize = 64 << 10;

/// The first box of each colour, by the colour's number.
pub fn read(said: &str) -> Vec<(usize, [f64; 4])> {
    let said = &said[..said.floor_char_boundary(SAID_BYTES_MAX)];
    let mut found = vec![];
    let mut rest = said;
    while let Some(start) = rest.find(['[', '{']) {
        rest = &rest[start..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                walk(&value, None, &mut found);
                rest = &rest[values.byte_offset().max(1)..];
            }
            _ => rest = &rest[1..],
        }
    }
    for line in said.lines() {
        let numbers = numbers(line);
        if let (Some(colour), [a, b, c, d]) = (colour(line), numbers.as_slice()) {
            found.push((colour, [*a, *b, *c, *d]));
        }
    }
    let mut first: Vec<(usize, [f64; 4])> = vec![];
    for (colour, places) in found {
        if first.iter().all(|(known, _)| *known != colour) {
            first.push((colour, places));
        }
    }
    first
}

/// `named`: the key that the value stands under, if it names a colour.
fn walk(value: &Value, named: Option<usize>, found: &mut Vec<(usize, [f64; 4])>) {
    if let (Some(colour), Some(places)) = (named, places(value)) {
        return found.push((colour, places));
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, named, found)),
        Value::Object(fields) => {
            let label = fields.values().filter_map(Value::as_str).find_map(colour);
            if label.is_none() && fields.len() == 4 {
                // {"x1": …, "y1": …, "x2": …, "y2": …} under a colour's name.
                let four: Vec<f64> = fields.values().filter_map(Value::as_f64).collect();
                if let (Some(colour), [a, b, c, d]) = (named, four.as_slice()) {
                    return found.push((colour, [*a, *b, *c, *d]));
                }
            }
            for (key, value) in fields {
                walk(value, colour(key).or(label).or(named), found);
            }
        }
        _ => {}
    }
}

/// `[x1, y1, x2, y2]`, or `[[x1, y1], [x2, y2]]`.
fn places(value: &Value) -> Option<[f64; 4]> {
    let values = value.as_array()?;
    let flat: Vec<&Value> = match values.iter().all(Value::is_array) {
        true => values.iter().filter_map(Value::as_array).flatten().collect(),
        false => values.iter().collect(),
    };
    let numbers: Option<Vec<f64>> = flat.into_iter().map(Value::as_f64).collect();
    numbers?.try_into().ok()
}

/// The one colour that a text names.
fn colour(text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let words = || text.split(|c: char| !c.is_alphabetic());
    let mut named =
        (0..Board::COLOURS.len()).filter(|at| words().any(|w| w == Board::COLOURS[*at]));
    named.next().filter(|_| named.next().is_none())
}

fn numbers(line: &str) -> Vec<f64> {
    let parts = line.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')));
    parts.filter_map(|part| part.trim_end_matches('.').parse().ok()).collect()
}
