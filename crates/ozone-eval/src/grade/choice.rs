//! Answers in one word: a number, a letter, what stands behind "the answer is".

use std::sync::LazyLock;

use regex::Regex;

/// Strictly right, leniently right, and what was answered.
pub(super) type Graded = (bool, bool, Option<String>);

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a fixed pattern is well formed"));
    };
}

pattern!(NUMBER, r"-?\$?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?");
pattern!(HASHES, r"#### *(-?\$?[0-9][0-9,]*(?:\.\d+)?|-?\$?\.\d+)");
pattern!(ANSWER_LETTER, r"(?i:answer)\s*(?i:is)?\s*[:\s]\s*\**\$?\(?([A-D])\b");
pattern!(BOXED_LETTER, r"\\boxed\{\s*(?:\\text\{)?\(?([A-D])\)?\}?\s*\}");
pattern!(LONE_LETTER, r"(?:^|[\s(*])([A-D])(?:[).:*\s]|$)");
pattern!(STATED, r"(?i)the answer is:?\s*([^\n]*)");
pattern!(BRACKETED, r"\(([A-Z])\)");

/// Every number of a text, as it stands there.
pub(super) fn numbers(text: &str) -> Vec<&str> {
    let found = NUMBER.find_iter(text).map(|m| m.as_str());
    found.filter(|n| n.bytes().any(|b| b.is_ascii_digit())).collect()
}

/// In a form in which equal numbers are equal: no `$`, commas, or zeros that say nothing.
pub(super) fn canonical(text: &str) -> String {
    let bare: String = text.trim().to_lowercase().replace(['$', ','], "");
    let bare = bare.trim_end_matches('.').trim();
    match bare.split_once('.') {
        Some((whole, fraction))
            if is_digits(whole.trim_start_matches('-')) && is_digits(fraction) =>
        {
            match fraction.trim_end_matches('0') {
                "" => canonical(whole),
                rest if whole.is_empty() => format!("0.{rest}"),
                rest => format!("{whole}.{rest}"),
            }
        }
        _ => {
            let (sign, digits) = bare.strip_prefix('-').map_or(("", bare), |d| ("-", d));
            if digits.is_empty() || !is_digits(digits) {
                return text.trim().to_lowercase();
            }
            match digits.trim_start_matches('0') {
                "" => "0".to_owned(),
                digits => format!("{sign}{digits}"),
            }
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// GSM8K. Strictly the first number behind `####`, leniently the last number of the reply.
pub(super) fn number(right: &str, reply: &str) -> Graded {
    let strict = HASHES.captures(reply).map(|c| canonical(&c[1]));
    let lenient = numbers(reply).last().map(|n| canonical(n));
    let right = canonical(right);
    let is_strict = strict.as_ref() == Some(&right);
    (is_strict, is_strict || lenient.as_ref() == Some(&right), strict.or(lenient))
}

/// MMLU. Strictly the last `Answer: C`, leniently also in a box, or the last letter that stands
/// alone.
pub(super) fn letter(right: char, reply: &str) -> Graded {
    let first = |m: regex::Captures<'_>| m[1].to_ascii_uppercase();
    let strict = ANSWER_LETTER.captures_iter(reply).last().map(first);
    let boxed = || BOXED_LETTER.captures_iter(reply).last().map(first);
    let alone = || LONE_LETTER.captures_iter(reply).last().map(first);
    let lenient = strict.clone().or_else(boxed).or_else(alone);
    let right = right.to_ascii_uppercase().to_string();
    (strict.as_ref() == Some(&right), lenient.as_ref() == Some(&right), lenient)
}

/// BBH. Strictly what stands behind the last "the answer is", as the set's own scripts have it;
/// leniently without regard to case, quotes and brackets, or the last `(C)`, or the last line.
pub(super) fn stated(right: &str, reply: &str) -> Graded {
    let strict = STATED.captures_iter(reply).last().map(|c| tidy(&c[1]).to_owned());
    let bracketed = || BRACKETED.find_iter(reply).last().map(|m| m.as_str().to_owned());
    let last_line = || reply.lines().map(tidy).rfind(|l| !l.is_empty()).map(str::to_owned);
    let is_bracketed = BRACKETED.is_match(right);
    let lenient = match (&strict, is_bracketed) {
        (Some(strict), true) => {
            BRACKETED.find(strict).map(|m| m.as_str().to_owned()).or(Some(strict.clone()))
        }
        (Some(strict), false) => Some(strict.clone()),
        (None, true) => bracketed().or_else(last_line),
        (None, false) => last_line(),
    };
    let answer = lenient.as_deref().map(plain);
    let is_strict = strict.as_deref() == Some(right.trim());
    (is_strict, is_strict || answer.as_deref() == Some(plain(right).as_str()), answer)
}

/// Without what models put around an answer.
fn tidy(text: &str) -> &str {
    let text = text.trim().trim_matches(['*', '"', '`', '$']).trim();
    // A sequence of brackets or a number keeps its own marks; a sentence loses its full stop.
    text.strip_suffix('.').unwrap_or(text).trim_matches(['*', '"', '`', '$']).trim()
}

fn plain(text: &str) -> String {
    let text = text.trim().trim_matches(['"', '\'', '`', '*', '.']).to_lowercase();
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let inner = inner.filter(|t| t.len() == 1).unwrap_or(&text);
    inner.split_whitespace().collect::<Vec<_>>().join(" ")
}
