//! Text to the terms that are indexed and looked for.
//!
//! One function serves both, so that a term of a query is spelt as the index spells it: lower case,
//! without accents, English endings taken off. Scripts without blanks between words (Chinese,
//! Japanese, Thai, and Korean with its particles) become single characters and pairs. Names of code
//! give their parts, too: `parseHttpHeader` is also `parse`, `http` and `header`.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// A longer run of letters is no word; its head is kept.
const TERM_CHARS_MAX: usize = 64;

pub fn terms(text: &str) -> Vec<String> {
    let plain: String = text.nfkd().filter(|c| !is_accent(*c)).nfc().collect();
    let stemmer = Stemmer::create(Algorithm::English);
    let mut terms = vec![];
    for run in plain.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let mut rest = run;
        while let Some(first) = rest.chars().next() {
            let pairs = is_unspaced(first);
            let end = rest.find(|c| is_unspaced(c) != pairs).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            if pairs {
                characters(piece, &mut terms)
            } else {
                word(piece, &stemmer, &mut terms)
            }
            rest = after;
        }
    }
    terms
}

/// Words that stand in most texts: a query is looked for without them, if anything is left.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "by", "can", "could", "did", "do",
    "does", "for", "from", "give", "had", "has", "have", "how", "i", "in", "is", "it", "its", "me",
    "my", "of", "on", "or", "our", "please", "should", "show", "tell", "that", "the", "their",
    "them", "there", "these", "they", "this", "to", "us", "was", "we", "were", "what", "when",
    "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

/// Whether a word, in lower case, stands in most texts.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// A question without the words that say nothing of its matter; itself where nothing else is left.
pub fn keywords(query: &str) -> String {
    let is_stop = |word: &&str| {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        plain.is_empty() || is_stop_word(&plain)
    };
    let kept: Vec<&str> = query.split_whitespace().filter(|word| !is_stop(word)).collect();
    let kept = kept.join(" ");
    let kept = kept.trim_end_matches(['?', '!', '.', ',']);
    if kept.is_empty() { query.trim().to_owned() } else { kept.to_owned() }
}

/// Combining diacritical marks, as NFKD splits them off Latin, Greek and Cyrillic letters.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// A letter of a script without blanks between words.
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3040}'..='\u{30ff}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{ac00}'..='\u{d7af}' // Hangul
        | '\u{20000}'..='\u{3ffff}' // Han, further planes
    )
}

fn characters(piece: &str, terms: &mut Vec<String>) {
    let starts: Vec<usize> = piece.char_indices().map(|(at, _)| at).chain([piece.len()]).collect();
    terms.extend(starts.windows(2).map(|w| piece[w[0]..w[1]].to_owned()));
    terms.extend(starts.windows(3).map(|w| piece[w[0]..w[2]].to_owned()));
}

fn word(piece: &str, stemmer: &Stemmer, terms: &mut Vec<String>) {
    let mut push = |word: &str| {
        let lower: String =
            word.chars().flat_map(char::to_lowercase).take(TERM_CHARS_MAX).collect();
        let english = lower.len() > 3 && lower.bytes().all(|b| b.is_ascii_lowercase());
        terms.push(if english { stemmer.stem(&lower).into_owned() } else { lower });
    };
    push(piece);
    let mut parts = vec![];
    let (mut from, mut before) = (0, None);
    for (at, c) in piece.char_indices() {
        if before.is_some_and(char::is_lowercase) && c.is_uppercase() {
            parts.push(&piece[from..at]);
            from = at;
        }
        before = Some(c);
    }
    if from > 0 {
        parts.push(&piece[from..]);
        parts.into_iter().for_each(push);
    }
}
