//! Answers in LaTeX. The normalisation is the one of the MATH set (`math_equivalence.py` of
//! hendrycks/math); leniently, numbers are also compared by their value.

use super::choice::{self, Graded};

/// MATH, AIME. Strictly the last `\boxed{…}`, leniently also the last bold text or number.
pub(super) fn boxed(right: &str, reply: &str) -> Graded {
    let found = last_boxed(reply);
    let is_strict = found.is_some_and(|given| normal(given) == normal(right));
    let bold = || ozone_tasks::grade::bold(reply).last().copied();
    let number = || choice::numbers(reply).last().copied();
    let candidates = match found {
        Some(given) => vec![given],
        None => [bold(), number()].into_iter().flatten().collect(),
    };
    let is_lenient = candidates.iter().any(|given| equal(right, given));
    let answer = candidates.first().filter(|given| !given.trim().is_empty());
    let answer = answer.map(|given| match value(given) {
        Some(value) => format!("{value}"),
        None => normal(given),
    });
    (is_strict, is_strict || is_lenient, answer)
}

/// What stands in the last `\boxed{…}` or `\fbox{…}`; behind a `\boxed ` without braces, the word.
fn last_boxed(text: &str) -> Option<&str> {
    let at = text.rfind("\\boxed").or_else(|| text.rfind("\\fbox"))?;
    let rest = text[at..].trim_start_matches("\\boxed").trim_start_matches("\\fbox");
    match rest.trim_start().strip_prefix('{') {
        Some(inside) => {
            let mut depth = 1;
            for (i, c) in inside.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    return Some(&inside[..i]);
                }
            }
            None
        }
        None => rest.split(['$', ' ', '\n']).find(|word| !word.is_empty()),
    }
}

fn equal(right: &str, given: &str) -> bool {
    if normal(right) == normal(given) {
        return true;
    }
    match (value(right), value(given)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => false,
    }
}

/// A plain number, or a fraction of two.
fn value(text: &str) -> Option<f64> {
    let text = normal(text).replace("{,}", "").replace(',', "");
    let text = text.trim_end_matches('.');
    let (sign, bare) = text.strip_prefix('-').map_or((1.0, text), |t| (-1.0, t));
    let plain = |t: &str| {
        let is_number = t.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && t.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        is_number.then(|| t.parse::<f64>().ok()).flatten()
    };
    if let Some((top, bottom)) = bare.strip_prefix("\\frac{").and_then(|t| t.split_once("}{")) {
        let bottom = plain(bottom.strip_suffix('}')?)?;
        return (bottom != 0.0).then_some(sign * plain(top)? / bottom);
    }
    plain(bare).map(|value| sign * value)
}

fn normal(text: &str) -> String {
    let mut t = text.replace('\n', "").replace("\\!", "").replace("\\\\", "\\");
    t = t.replace("tfrac", "frac").replace("dfrac", "frac");
    t = t.replace("\\left", "").replace("\\right", "");
    t = t.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "").replace('$', "");
    // What stands in `\text{ …}` at the end is a unit.
    if let Some((before, _)) = t.split_once("\\text{ ") {
        t = before.to_owned();
    }
    t = t.replace("\\%", "").replace('%', "").replace(" .", " 0.").replace("{.", "{0.");
    if t.starts_with('.') {
        t.insert(0, '0');
    }
    // `x = 5` is 5, a longer left side is an equation.
    if let Some((left, right)) = t.split_once('=')
        && left.trim().chars().count() <= 2
        && !right.contains('=')
    {
        t = right.to_owned();
    }
    t.retain(|c| !c.is_whitespace());
    t = braced(&t, "\\sqrt", 1);
    t = braced(&t, "\\frac", 2);
    if t == "0.5" {
        t = "\\frac{1}{2}".to_owned();
    }
    match t.split_once('/') {
        Some((a, b)) if is_integer(a) && is_integer(b) => format!("\\frac{{{a}}}{{{b}}}"),
        _ => t,
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// `\frac12` as `\frac{1}{2}`, `\sqrt3` as `\sqrt{3}`: so many arguments of one character get their
/// braces.
fn braced(text: &str, command: &str, arguments: usize) -> String {
    let mut pieces = text.split(command);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(command);
        let bare = |c: &char| !matches!(c, '{' | '[' | '\\');
        let first: Vec<char> = piece.chars().take(arguments).take_while(bare).collect();
        first.iter().for_each(|c| out.push_str(&format!("{{{c}}}")));
        out.extend(piece.chars().skip(first.len()));
    }
    out
}
