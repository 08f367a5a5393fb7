//! The grammar of a custom tool's input, as a part of the grammar of its call.
//!
//! A model writes the input as a JSON string, whose escapes a grammar of texts does not know. So the
//! text stands in the call's grammar as it is, between two marks, and the engine unescapes what it
//! samples there (`engine/guide.rs` in `ozone-model`).

use crate::{InputGrammar, Tokenizer};

/// The special tokens that mark a text in the grammar, each as good as the other: with a choice of
/// two none is ever forced. Where they stand the engine enters and leaves the JSON string; they are
/// never sampled. `None` if the vocabulary has too few.
pub fn input_marks(tokenizer: &dyn Tokenizer) -> Option<[u32; 2]> {
    let mut specials =
        tokenizer.special_tokens().iter().map(|token| token.id).filter(|id| !tokenizer.is_eog(*id));
    Some([specials.next()?, specials.next()?])
}

/// The items of a Lark grammar (llguidance's dialect) of the same texts. `None` if it says more than
/// what a text must be, or could swallow the mark behind it: then the call is checked when it is whole.
pub fn input_items(grammar: &InputGrammar) -> Option<String> {
    let (InputGrammar::Regex(definition) | InputGrammar::Lark(definition)) = grammar;
    // llguidance's lookahead: a text would end before its end.
    if definition.contains("<stop>") {
        return None;
    }
    match grammar {
        InputGrammar::Regex(regex) => Some(format!("start: /{}/", between_slashes(regex))),
        InputGrammar::Lark(lark) => speaks_of_text(lark).then(|| lark.clone()),
    }
}

/// As llguidance's `regex_to_lark` does it.
fn between_slashes(regex: &str) -> String {
    let mut out = String::new();
    let mut escaped = false;
    for c in regex.chars() {
        let written = match c {
            '/' => r"\/",
            '\n' => r"\n",
            '\r' => r"\r",
            '\t' => r"\t",
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ => "",
        };
        if !written.is_empty() {
            out.push_str(written);
        } else {
            out.extend(escaped.then_some('\\'));
            out.push(c);
        }
        escaped = false;
    }
    if out.is_empty() { "(?:)".into() } else { out }
}

/// Whether a grammar has none of: special tokens, other grammars (`@…`), options of the engine, limits
/// in tokens and hidden stops among the attributes, and complements on their own, which match bytes that
/// are no text. What follows `&` is only what is left of a text.
fn speaks_of_text(lark: &str) -> bool {
    let mut rest = lark;
    let mut before = String::new();
    while let Some(c) = rest.chars().next() {
        let line = || rest.find('\n').unwrap_or(rest.len());
        let end = match c {
            '#' => line(),
            '/' if rest.starts_with("//") => line(),
            '"' | '/' => match delimited(rest, c) {
                Some(end) => end,
                None => return false,
            },
            '<' | '@' => return false,
            '=' if !before.ends_with("suffix") && !before.ends_with("capture") => return false,
            '%' if rest.starts_with("%llguidance") => return false,
            '~' if !before.ends_with('&') && !repeats(&rest[1..]) => return false,
            c => c.len_utf8(),
        };
        if !c.is_whitespace() {
            before.push(c);
        } else if c == '\n' {
            before.clear();
        }
        rest = &rest[end..];
    }
    true
}

/// `~ 2` and `~ 2..3`: so often.
fn repeats(after: &str) -> bool {
    let after = after.trim_start_matches([' ', '\t']);
    after.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
}

/// Where what begins with a delimiter ends.
fn delimited(text: &str, delimiter: char) -> Option<usize> {
    let mut escaped = false;
    let inside = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == delimiter && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    inside.map(|(at, _)| at + 1)
}
