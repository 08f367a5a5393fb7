//! Is a reply right? One verifier for training, evals and rewards.
//!
//! A reply states each value asked for in bold (`**…**`). The bold values, in their order, are
//! compared with the expected ones: numbers by value (`1,234.50` is `1234.5`; a unit behind the
//! number does not count), words without regard to case. A right number inside a wrong set of
//! values is wrong. Where a question asks only for what follows from a value, that value may be
//! stated before it, and must then be right too.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Values in the order in which the question asks for them.
    Values(Vec<Value>),
    /// `values`, with or without the value `on_the_way` before them: for "is 48 times 69 prime?"
    /// the reply may state 3312.
    Following { on_the_way: Value, values: Vec<Value> },
    /// The reply must decline: it names no value, and says so in the words of [`DECLINES`].
    Declined,
    /// Small talk: the reply must hold one of these words (any case).
    AnyOf(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// An exact decimal in plain digits, as `-12`, `0.25`.
    Number(String),
    /// Equal within half a unit of the last digit that is given here.
    Rounded(String),
    /// A number that was measured: at most so far off.
    Within { value: f64, tolerance: f64 },
    /// Any of these texts.
    OneOf(Vec<String>),
    /// Words, compared without case and with single spaces: names, weekdays, letters, `yes`, dates
    /// as ISO 8601, fractions such as `3/4`, lists such as `2, 3, 5`.
    Text(String),
}

/// How a reply declines. Each is part of the replies that the model is trained on.
pub const DECLINES: &[&str] = &[
    "i can't",
    "i cannot",
    "i was trained for",
    "i don't know",
    "a larger model",
    "i do not know",
    "not able to",
];

pub fn number(n: impl std::fmt::Display) -> Value {
    Value::Number(n.to_string())
}

pub fn text(t: impl Into<String>) -> Value {
    Value::Text(t.into())
}

/// `true` when `reply` gives exactly the expected answer.
pub fn grade(answer: &Answer, reply: &str) -> bool {
    let bold = bold(reply);
    match answer {
        Answer::Values(values) => all_equal(values, &bold),
        Answer::Following { on_the_way, values } => match bold.split_first() {
            Some((first, rest)) if rest.len() == values.len() => {
                equal(on_the_way, first) && all_equal(values, rest)
            }
            _ => all_equal(values, &bold),
        },
        Answer::Declined => {
            let reply = reply.to_lowercase().replace('’', "'");
            bold.is_empty() && DECLINES.iter().any(|d| reply.contains(d))
        }
        Answer::AnyOf(words) => {
            let reply = reply.to_lowercase();
            words.iter().any(|w| reply.contains(&w.to_lowercase()))
        }
    }
}

/// The texts between pairs of `**`.
pub fn bold(reply: &str) -> Vec<&str> {
    let pieces: Vec<&str> = reply.split("**").collect();
    let pairs = pieces.len().saturating_sub(1) / 2;
    (0..pairs).map(|i| pieces[2 * i + 1].trim()).collect()
}

fn all_equal(expected: &[Value], given: &[&str]) -> bool {
    expected.len() == given.len() && expected.iter().zip(given).all(|(e, g)| equal(e, g))
}

fn equal(expected: &Value, given: &str) -> bool {
    match expected {
        Value::Number(n) => match (decimal(n), decimal(given)) {
            (Some(a), Some(b)) => a == b,
            _ => words(n) == words(given),
        },
        Value::Rounded(n) => match (n.parse::<f64>(), decimal(given)) {
            (Ok(a), Some(b)) => {
                let places = n.split_once('.').map_or(0, |(_, f)| f.len() as i32);
                let b: f64 = b.parse().unwrap_or(f64::NAN);
                (a - b).abs() <= 0.5 * 10f64.powi(-places) + 1e-9 * a.abs()
            }
            _ => false,
        },
        Value::Within { value, tolerance } => {
            let given = decimal(given).and_then(|n| n.parse::<f64>().ok());
            given.is_some_and(|given| (given - value).abs() <= tolerance * (1.0 + 1e-9))
        }
        Value::OneOf(texts) => texts.iter().any(|t| words(t) == words(given)),
        Value::Text(t) => words(t) == words(given),
    }
}

/// The leading number of `text` in a canonical spelling, a unit behind it left aside.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches(['$', '€', '£', '=', '≈', '~']).trim_start();
    let text = text.replace('\u{2212}', "-");
    let end = text
        .char_indices()
        .find(|(i, c)| {
            !(c.is_ascii_digit() || *c == '.' || *c == ',' || (*i == 0 && (*c == '-' || *c == '+')))
        })
        .map_or(text.len(), |(i, _)| i);
    let (digits, rest) = text.split_at(end);
    if rest.starts_with('/')
        || rest.starts_with('e') && rest[1..].starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let digits = digits.trim_end_matches(['.', ',']).replace(',', "");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(d) => ("-", d.to_owned()),
        None => ("", digits.trim_start_matches('+').to_owned()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if whole == "0" && fraction.is_empty() { "" } else { sign };
    Some(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

fn words(text: &str) -> String {
    let text = text.to_lowercase().replace(['[', ']', '"', '\'', '`', '“', '”'], "");
    let text = text.trim().trim_end_matches('.').replace(',', ", ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_way_may_be_stated_and_must_be_right() {
        let answer = Answer::Following { on_the_way: number(3312), values: vec![text("no")] };
        assert!(grade(&answer, "**No**, it is not prime."));
        assert!(grade(&answer, "48 times 69 is **3312**. **No**, 3312 is not prime."));
        for wrong in [
            "**Yes**",
            "It is **3311**. **No**.",
            "It is **3312**. **Yes**.",
            "**3312**",
            "**No**, **3312**",
            "**No**. **3312**. **No**.",
            "no",
        ] {
            assert!(!grade(&answer, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_measured_number_may_be_off_by_its_tolerance() {
        let answer = Answer::Values(vec![Value::Within { value: 41.5, tolerance: 0.5 }]);
        for right in ["**41.5**", "about **42** units", "**41.0**", "**41.02 degrees**"] {
            assert!(grade(&answer, right), "{right}");
        }
        for wrong in ["**42.1**", "41.5", "**unreadable**", "**40.9**", "**41.5** or **41.6**"] {
            assert!(!grade(&answer, wrong), "{wrong}");
        }
        let time = Answer::Values(vec![Value::OneOf(vec!["7:05".into(), "07:05".into()])]);
        assert!(grade(&time, "**07:05**") && grade(&time, "**7:05**") && !grade(&time, "**7:06**"));
    }
}
