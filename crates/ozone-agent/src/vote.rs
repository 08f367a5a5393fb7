//! A vote of several samples, as pure functions: which answers are the same, how much each counts,
//! and when more samples would change nothing.
//!
//! The rule to stop is that of Adaptive-Consistency (arXiv:2305.11860): with v votes for the leader
//! and w for the runner-up, the chance that the leader is the likelier answer is that of a
//! Beta(v + 1, w + 1) variable to be above 1/2. Votes count by the sample's own confidence, as in
//! CGES: the least sure stretch of its tokens, as DeepConf measures it.

use std::collections::BTreeMap;

use ozone_types::item::Known;
use ozone_types::{Item, Role, Votes};
use serde_json::Value;

use crate::text::TextFormat;

/// An answer of more bytes is prose, and is compared with no other.
const CLOSED_BYTES_MAX: usize = 160;
/// The stretch of tokens whose mean logprob is taken.
const WINDOW_TOKENS: usize = 128;

/// What a sample that has ended says in the vote.
#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    /// The answer, so that equal ones are equal; `None` for prose.
    pub answer: Option<String>,
    /// In (0, 1]; `None` where nothing was measured.
    pub confidence: Option<f64>,
}

/// Of the least sure stretch of tokens: the geometric mean of their probabilities, in (0, 1].
pub fn confidence(logprobs: &[f32]) -> Option<f64> {
    let known: Vec<f64> = logprobs.iter().map(|l| f64::from(*l)).filter(|l| !l.is_nan()).collect();
    let window = WINDOW_TOKENS.min(known.len());
    if window == 0 {
        return None;
    }
    let means = known.windows(window).map(|stretch| stretch.iter().sum::<f64>() / window as f64);
    means.reduce(f64::min).map(|least| least.exp().clamp(f64::MIN_POSITIVE, 1.0))
}

/// The answers by what their votes count, the leading one first; of equals, the one that came first.
/// Weights are relative to the mean confidence, so that they sum to the number of votes.
pub fn count(ballots: &BTreeMap<u32, Ballot>) -> Vec<Votes> {
    let sure: Vec<f64> = ballots.values().filter_map(|ballot| ballot.confidence).collect();
    let mean = sure.iter().sum::<f64>() / sure.len().max(1) as f64;
    let mut votes: Vec<Votes> = vec![];
    for ballot in ballots.values() {
        let Some(answer) = &ballot.answer else { continue };
        let weight = ballot.confidence.filter(|_| mean > 0.0).map_or(1.0, |sure| sure / mean);
        match votes.iter_mut().find(|votes| votes.answer == *answer) {
            Some(votes) => {
                votes.count += 1;
                votes.weight += weight;
            }
            None => votes.push(Votes { answer: answer.clone(), count: 1, weight }),
        }
    }
    // Stable: those that came first stay first.
    votes.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    votes
}

/// The chance that an answer with `leader` votes is likelier than one with `runner_up` votes.
pub fn posterior(leader: f64, runner_up: f64) -> f64 {
    half_beta(runner_up + 1.0, leader + 1.0)
}

/// The regularized incomplete beta function at 1/2: the chance that a Beta(a, b) variable is at most
/// 1/2. `a` and `b` are at least 1. By its continued fraction (DLMF 8.17.22), which converges fast
/// where 1/2 is left of the mean.
fn half_beta(a: f64, b: f64) -> f64 {
    if a < b {
        return 1.0 - half_beta(b, a);
    }
    const TERMS_MAX: u32 = 200;
    const TINY: f64 = 1e-300;
    let x: f64 = 0.5;
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + (a + b) * x.ln()).exp() / a;
    let kept = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / kept(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in (1..=TERMS_MAX).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / kept(1.0 + term * d);
            c = kept(1.0 + term / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() < 1e-14 * fraction.abs() {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// Lanczos' approximation (g = 7, nine terms), exact to about 1e-14 for arguments of at least 1.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.5203681218851,
        -1259.1392167224028,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507343278686905,
        -0.13857109526572012,
        9.984_369_578_019_572e-6,
        1.5056327351493116e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS
        .iter()
        .zip(1u32..)
        .fold(0.999_999_999_999_809_9, |sum, (term, n)| sum + term / (x + f64::from(n)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// What an output says in a vote: its calls for the client, or else the answer of its last message.
/// `None` where it is prose that no other sample would write in the same words.
pub fn ballot(output: &[Item], format: &TextFormat) -> Option<String> {
    let calls: Vec<String> = output.iter().filter_map(call).collect();
    if !calls.is_empty() {
        return Some(calls.join(" "));
    }
    let text = output.iter().rev().find_map(|item| match item {
        Item::Known(Known::Message { role: Role::Assistant, content, .. }) => {
            Some(content.joined())
        }
        _ => None,
    })?;
    if format.is_json() {
        return sorted(&text);
    }
    normalised(&text)
}

/// A call that the client is to make or to agree to, and nobody has made yet.
fn call(item: &Item) -> Option<String> {
    let arguments = |text: &str| sorted(text).unwrap_or_else(|| text.to_owned());
    match item {
        Item::Known(Known::FunctionCall { name, arguments: given, .. }) => {
            Some(format!("{name}({})", arguments(given)))
        }
        Item::Known(Known::CustomToolCall { name, input, .. }) => Some(format!("{name}({input})")),
        Item::Known(Known::McpApprovalRequest { server_label, name, arguments: given, .. }) => {
            Some(format!("{server_label}/{name}({})", arguments(given)))
        }
        _ => None,
    }
}

/// JSON with the keys of its objects in order and no needless space.
fn sorted(json: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    value.sort_all_objects();
    Some(value.to_string())
}

/// The answer of a text, without the words around it: what is boxed, what follows "answer", what is
/// bold, or the end of a short last line. Numbers are written in one way.
pub fn normalised(text: &str) -> Option<String> {
    let text = text.trim();
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let found = boxed(text)
        .or_else(|| behind_answer(text))
        .or_else(|| bold(last))
        .or_else(|| (last.len() <= CLOSED_BYTES_MAX && is_short(text)).then(|| value_of(last)))?;
    let plain = plain(found);
    (!plain.is_empty() && plain.len() <= CLOSED_BYTES_MAX).then_some(plain)
}

/// A few lines at most: the working of a sum, and not an essay.
fn is_short(text: &str) -> bool {
    text.len() <= 4 * CLOSED_BYTES_MAX
}

/// The inside of the last `\boxed{…}`, with the braces in it.
fn boxed(text: &str) -> Option<&str> {
    let (_, inside) = text.rsplit_once("\\boxed{")?;
    let mut depth = 1;
    let end = inside.char_indices().find(|(_, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    end.map(|(at, _)| &inside[..at])
}

/// What the last "answer is", "answer:" or "####" (GSM8K's mark) of a line leads to.
fn behind_answer(text: &str) -> Option<&str> {
    text.lines().rev().find_map(|line| {
        if let Some((_, rest)) = line.rsplit_once("####") {
            return Some(rest);
        }
        let lower = line.to_ascii_lowercase();
        let at = lower.rfind("answer")? + "answer".len();
        let rest = line[at..].trim_start_matches(['*', ' ']);
        let rest = rest.strip_prefix("is").or_else(|| rest.strip_prefix([':', '=']))?;
        let rest = rest.trim_start_matches([':', ' ']);
        (!rest.is_empty()).then_some(rest)
    })
}

/// The last bold words of a line.
fn bold(line: &str) -> Option<&str> {
    let (before, _) = line.rsplit_once("**")?;
    let (_, inside) = before.rsplit_once("**")?;
    (!inside.trim().is_empty()).then_some(inside)
}

/// What a line says of its subject: "17 * 23 = 391." says 391.
fn value_of(line: &str) -> &str {
    match line.rsplit_once('=').or_else(|| line.rsplit_once(" is ")) {
        Some((_, value)) if !value.trim().is_empty() => value,
        _ => line,
    }
}

/// Lower case, without marks, articles and ornaments; a number as a number.
fn plain(text: &str) -> String {
    let text = text.replace("\\$", "$").replace("\\%", "%").replace("\\,", "").replace("\\!", "");
    let text = fraction(&text);
    let ornament = |c: char| matches!(c, '*' | '`' | '_' | '"' | '“' | '”' | '$' | '€' | '£' | '~');
    let text: String = text.chars().filter(|c| !ornament(*c)).collect::<String>().to_lowercase();
    let text = text.trim().trim_end_matches(['.', '!', ',', ';', ':']).trim_start_matches("about ");
    if let Some(number) = number(text) {
        return number;
    }
    let words = text.split_whitespace().filter(|word| !matches!(*word, "the" | "a" | "an"));
    let words: Vec<String> = words
        .map(|word| {
            let bare = word.trim_matches([',', ';', '(', ')', '\'']);
            number(bare).unwrap_or_else(|| bare.to_owned())
        })
        .collect();
    words.join(" ")
}

/// `\frac{1}{2}` as `1/2`.
fn fraction(text: &str) -> String {
    let mut out = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac");
    while let Some((before, rest)) = out.split_once("\\frac{") {
        let Some((above, rest)) = rest.split_once("}{") else { break };
        let Some((below, after)) = rest.split_once('}') else { break };
        out = format!("{before}{above}/{below}{after}");
    }
    out
}

/// A number in one spelling: no thousands' commas, no needless zeros, fractions in lowest terms.
fn number(text: &str) -> Option<String> {
    let (text, percent) = match text.strip_suffix('%') {
        Some(rest) => (rest.trim_end(), "%"),
        None => (text, ""),
    };
    if let Some((above, below)) = text.split_once('/') {
        let (above, below): (i128, i128) = (above.trim().parse().ok()?, below.trim().parse().ok()?);
        let divisor = gcd(above.unsigned_abs(), below.unsigned_abs());
        let divisor = i128::try_from(divisor).ok().filter(|d| *d > 0 && below != 0)?;
        let sign = below.signum();
        let (above, below) = (above.checked_mul(sign)? / divisor, below.checked_abs()? / divisor);
        let whole = below == 1;
        return Some(if whole { format!("{above}{percent}") } else { format!("{above}/{below}") });
    }
    let unsigned = text.trim_start_matches(['+', '-', '−']);
    let sign = if text.starts_with(['-', '−']) { "-" } else { "" };
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains(',');
    let fits = |group: &str| group.len() == 3 && digits(group);
    let short_first = !grouped || (1..=3).contains(&first.len());
    if !digits(first) || !short_first || !groups.all(fits) || !digits(decimals) {
        return None;
    }
    if whole.is_empty() && decimals.is_empty() {
        return None;
    }
    let whole = whole.replace(',', "");
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    let sign = if whole == "0" && decimals.is_empty() { "" } else { sign };
    Some(format!("{sign}{whole}{point}{decimals}{percent}"))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}
