//! IFEval's verifiable instructions (arXiv:2311.07911), as google-research's
//! `instruction_following_eval` checks them.
//!
//! Departures: sentences are told apart by their marks and not by a trained model, words with
//! capitals by white space and punctuation and not by a tokenizer, and languages by another library
//! (see `language`). A keyword that is no pattern is looked for as it stands.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::language;

type Arguments = Map<String, Value>;

/// The eight forms of a reply of which one must follow, for the lenient figure: without asterisks,
/// without the first line, without the last, without both.
pub(super) fn loosened(reply: &str) -> Vec<String> {
    let lines: Vec<&str> = reply.split('\n').collect();
    let cut = |from: usize, to: usize| {
        lines.get(from..to.max(from)).unwrap_or_default().join("\n").trim().to_owned()
    };
    let n = lines.len();
    let forms = [reply.to_owned(), cut(1.min(n), n), cut(0, n - 1), cut(1.min(n), n - 1)];
    let bare: Vec<String> = forms.iter().map(|form| form.replace('*', "")).collect();
    forms.into_iter().chain(bare).collect()
}

/// An instruction that a file names is one that [`follows`] knows, with the arguments that it needs.
pub(crate) fn check(id: &str, arguments: &Arguments) -> Result<(), String> {
    let needed: &[&str] = match id {
        "keywords:existence" => &["keywords"],
        "keywords:frequency" => &["keyword", "frequency", "relation"],
        "keywords:forbidden_words" => &["forbidden_words"],
        "keywords:letter_frequency" => &["letter", "let_frequency", "let_relation"],
        "language:response_language" => &["language"],
        "length_constraints:number_sentences" => &["num_sentences", "relation"],
        "length_constraints:number_paragraphs" => &["num_paragraphs"],
        "length_constraints:number_words" => &["num_words", "relation"],
        "length_constraints:nth_paragraph_first_word" => {
            &["num_paragraphs", "nth_paragraph", "first_word"]
        }
        "detectable_content:number_placeholders" => &["num_placeholders"],
        "detectable_content:postscript" => &["postscript_marker"],
        "detectable_format:number_bullet_lists" => &["num_bullets"],
        "detectable_format:number_highlighted_sections" => &["num_highlights"],
        "detectable_format:multiple_sections" => &["section_spliter", "num_sections"],
        "combination:repeat_prompt" => &["prompt_to_repeat"],
        "startend:end_checker" => &["end_phrase"],
        "change_case:capital_word_frequency" => &["capital_frequency", "capital_relation"],
        "detectable_format:constrained_response"
        | "detectable_format:json_format"
        | "detectable_format:title"
        | "combination:two_responses"
        | "change_case:english_capital"
        | "change_case:english_lowercase"
        | "punctuation:no_comma"
        | "startend:quotation" => &[],
        _ => return Err(format!("nobody here can check the instruction `{id}`")),
    };
    for name in needed {
        let value = arguments.get(*name).filter(|v| !v.is_null());
        let value = value.ok_or_else(|| format!("`{id}` needs `{name}`"))?;
        let is_right = match *name {
            "keywords" | "forbidden_words" => {
                value.as_array().is_some_and(|a| a.iter().all(Value::is_string))
            }
            "relation" | "let_relation" | "capital_relation" => {
                matches!(value.as_str(), Some("less than" | "at least"))
            }
            name if is_count(name) => value.as_f64().is_some_and(|n| n >= 0.0),
            _ => value.is_string(),
        };
        if !is_right {
            return Err(format!("`{name}` of `{id}` cannot be {value}"));
        }
    }
    Ok(())
}

fn is_count(name: &str) -> bool {
    name.starts_with("num_") || name.ends_with("frequency") || name == "nth_paragraph"
}

/// `true` where the reply does as it was told.
pub(super) fn follows(id: &str, arguments: &Arguments, prompt: &str, reply: &str) -> bool {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let count = |name: &str| arguments.get(name).and_then(Value::as_f64).unwrap_or(0.0) as usize;
    let words = |name: &str| -> Vec<&str> {
        let list = arguments.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let holds = |found: usize, count: usize, relation: &str| match relation {
        "less than" => found < count,
        _ => found >= count,
    };
    match id {
        "keywords:existence" => words("keywords").iter().all(|w| occurrences(w, "", reply) > 0),
        "keywords:frequency" => {
            let found = occurrences(text("keyword"), "", reply);
            holds(found, count("frequency"), text("relation"))
        }
        "keywords:forbidden_words" => {
            !words("forbidden_words").iter().any(|w| occurrences(w, r"\b", reply) > 0)
        }
        "keywords:letter_frequency" => {
            let letter = text("letter").to_lowercase();
            let found = reply.to_lowercase().matches(letter.as_str()).count();
            holds(found, count("let_frequency"), text("let_relation"))
        }
        "language:response_language" => language::is_in(text("language"), reply),
        "length_constraints:number_sentences" => {
            holds(sentences(reply), count("num_sentences"), text("relation"))
        }
        "length_constraints:number_paragraphs" => {
            paragraphs(reply) == Some(count("num_paragraphs"))
        }
        "length_constraints:number_words" => {
            holds(WORD.find_iter(reply).count(), count("num_words"), text("relation"))
        }
        "length_constraints:nth_paragraph_first_word" => nth_paragraph(
            reply,
            count("num_paragraphs"),
            count("nth_paragraph"),
            &text("first_word").to_lowercase(),
        ),
        "detectable_content:number_placeholders" => {
            PLACEHOLDER.find_iter(reply).count() >= count("num_placeholders")
        }
        "detectable_content:postscript" => postscript(text("postscript_marker"), reply),
        "detectable_format:number_bullet_lists" => {
            let stars = STAR_BULLET.find_iter(reply).count();
            stars + DASH_BULLET.find_iter(reply).count() == count("num_bullets")
        }
        "detectable_format:constrained_response" => {
            ["My answer is yes.", "My answer is no.", "My answer is maybe."]
                .iter()
                .any(|option| reply.contains(option))
        }
        "detectable_format:number_highlighted_sections" => {
            highlights(reply) >= count("num_highlights")
        }
        "detectable_format:multiple_sections" => {
            let splitter = regex::escape(text("section_spliter"));
            let found = pattern(&format!(r"\s?{splitter}\s?\d+\s?"), false);
            found.is_some_and(|p| p.find_iter(reply).count() >= count("num_sections"))
        }
        "detectable_format:json_format" => is_json(reply),
        "detectable_format:title" => TITLE.find_iter(reply).any(|title| {
            !title.as_str().trim_start_matches('<').trim_end_matches('>').trim().is_empty()
        }),
        "combination:two_responses" => two_responses(reply),
        "combination:repeat_prompt" => {
            let repeated = match text("prompt_to_repeat") {
                "" => prompt.trim(),
                given => given,
            };
            reply.trim().to_lowercase().starts_with(&repeated.to_lowercase())
        }
        "startend:end_checker" => {
            let end = text("end_phrase").to_lowercase();
            reply.trim().trim_matches('"').to_lowercase().ends_with(&end)
        }
        "startend:quotation" => {
            let reply = reply.trim();
            reply.len() > 1 && reply.starts_with('"') && reply.ends_with('"')
        }
        "change_case:capital_word_frequency" => {
            let shouted = reply.split(|c: char| c.is_whitespace() || ",.;:!?()[]{}\"".contains(c));
            let found = shouted.filter(|w| is_upper(w)).count();
            holds(found, count("capital_frequency"), text("capital_relation"))
        }
        "change_case:english_capital" => {
            is_upper(reply) && language::is_in("en", &reply.to_lowercase())
        }
        "change_case:english_lowercase" => {
            let has_letters = reply.chars().any(char::is_lowercase);
            has_letters && !reply.chars().any(char::is_uppercase) && language::is_in("en", reply)
        }
        "punctuation:no_comma" => !reply.contains(','),
        _ => false,
    }
}

macro_rules! fixed {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a fixed pattern is well formed"));
    };
}

fixed!(WORD, r"\w+");
fixed!(PLACEHOLDER, r"\[.*?\]");
fixed!(STAR_BULLET, r"(?m)^\s*\*[^\*].*$");
fixed!(DASH_BULLET, r"(?m)^\s*-.*$");
fixed!(DIVIDER, r"\s?\*\*\*\s?");
fixed!(HIGHLIGHT, r"\*[^\n\*]*\*");
fixed!(DOUBLE_HIGHLIGHT, r"\*\*[^\n\*]*\*\*");
fixed!(TITLE, r"<<[^\n]+>>");
fixed!(SENTENCE_END, r#"[.!?]+["'”’)\]]*(?:\s+|$)"#);
fixed!(
    ABBREVIATION,
    r"(?i)(?:^|[\s(])(?:mr|mrs|ms|dr|st|prof|vs|etc|e\.g|i\.e|inc|ltd|jr|sr|co|[a-z])\.$"
);

/// Patterns come from the set's file; a bound on what they compile to keeps a damaged one harmless.
fn pattern(text: &str, ignore_case: bool) -> Option<Regex> {
    RegexBuilder::new(text).case_insensitive(ignore_case).size_limit(1 << 20).build().ok()
}

/// How often the keyword stands there, between these edges.
fn occurrences(keyword: &str, edge: &str, reply: &str) -> usize {
    let between = |keyword: &str| pattern(&format!("{edge}{keyword}{edge}"), true);
    let found = between(keyword).or_else(|| between(&regex::escape(keyword)));
    found.map_or(0, |p| p.find_iter(reply).count())
}

fn sentences(reply: &str) -> usize {
    let mut found = 0;
    let mut from = 0;
    for end in SENTENCE_END.find_iter(reply) {
        let sentence = &reply[from..end.start() + 1];
        let is_last = end.end() == reply.len();
        if is_last || !ABBREVIATION.is_match(sentence) {
            found += 1;
            from = end.end();
        }
    }
    found + usize::from(!reply[from..].trim().is_empty())
}

/// `None` where one in the middle is empty.
fn paragraphs(reply: &str) -> Option<usize> {
    let pieces: Vec<&str> = DIVIDER.split(reply).collect();
    let empty = |i: usize| pieces[i].trim().is_empty();
    let last = pieces.len() - 1;
    if (1..last).any(empty) {
        return None;
    }
    let at_ends = usize::from(empty(0)) + usize::from(last > 0 && empty(last));
    Some(pieces.len() - at_ends)
}

fn nth_paragraph(reply: &str, paragraphs: usize, nth: usize, first_word: &str) -> bool {
    let pieces: Vec<&str> = reply.split("\n\n").collect();
    let filled = pieces.iter().filter(|p| !p.trim().is_empty()).count();
    if nth == 0 || nth > filled {
        return false;
    }
    let word = pieces[nth - 1].split_whitespace().next().unwrap_or_default();
    let word = word.trim_start_matches('\'').trim_start_matches('"');
    let word: String = word.chars().take_while(|c| !".,?!'\"".contains(*c)).collect();
    filled == paragraphs && word.to_lowercase() == first_word
}

fn postscript(marker: &str, reply: &str) -> bool {
    let reply = reply.to_lowercase();
    let found = match marker {
        "P.P.S" => pattern(r"p\.\s?p\.\s?s", false),
        "P.S." => pattern(r"p\.\s?s\.", false),
        other => pattern(&regex::escape(&other.to_lowercase()), false),
    };
    found.is_some_and(|p| p.is_match(&reply))
}

fn highlights(reply: &str) -> usize {
    let single = HIGHLIGHT.find_iter(reply).filter(|m| {
        let inside = m.as_str().trim_matches('*');
        !inside.trim().is_empty()
    });
    let double = DOUBLE_HIGHLIGHT.find_iter(reply).filter(|m| {
        let inside = m.as_str().trim_start_matches("**").trim_end_matches("**");
        !inside.trim().is_empty()
    });
    single.count() + double.count()
}

fn is_json(reply: &str) -> bool {
    let mut text = reply.trim();
    for prefix in ["```json", "```Json", "```JSON", "```"] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let text = text.strip_suffix("```").unwrap_or(text).trim();
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn two_responses(reply: &str) -> bool {
    let pieces: Vec<&str> = reply.split("******").collect();
    let last = pieces.len() - 1;
    if pieces.iter().enumerate().any(|(i, p)| p.trim().is_empty() && i != 0 && i != last) {
        return false;
    }
    let filled: Vec<&str> = pieces.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect();
    filled.len() == 2 && filled[0] != filled[1]
}

/// Has capitals and no small letters.
fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
}
