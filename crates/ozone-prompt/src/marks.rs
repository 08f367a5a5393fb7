//! Keeps text of people and tools from turning into markup.
//!
//! Whatever in such text reads like a special token is broken with an invisible mark before the
//! template sees it. Template logic (trim, split, JSON quoting, `startswith`) still works on the
//! text, and a template that looks for its own tags does not find the user's. When the rendered
//! text becomes tokens it is cut at the marks, so that no piece of it contains a special token that
//! the template did not write.
//!
//! What it does not cover: tags that a vocabulary spells with ordinary tokens. There the model
//! reads the same tokens whoever wrote them, and only its training tells them apart.

use crate::Tokenizer;

/// A noncharacter: Unicode reserves it for the inner use of a program. Where it comes in from
/// outside it becomes U+FFFD.
pub(crate) const MARK: char = '\u{FDD0}';

/// Stands before and behind the number of a picture: another noncharacter, so nobody's words become
/// a picture.
const PICTURE: char = '\u{FDD2}';

/// Tags of the formats that this crate speaks, guarded even where they are ordinary text, so that
/// a template's own search for them is not misled.
const TAGS: &[&str] = &[
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
    "<|im_start|>",
    "<|im_end|>",
];

/// The literals that are markup to one model.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Each at least two characters long, longest first.
    literals: Vec<String>,
    /// Which first characters occur, so that ordinary text is passed over quickly.
    starts: Vec<char>,
}

impl Marks {
    /// The special tokens of a vocabulary, and the tags of the known formats.
    pub fn of(tokenizer: &dyn Tokenizer) -> Marks {
        Marks::new(tokenizer.special_tokens().iter().map(|token| token.text.as_str()))
    }

    /// User-defined tokens that are natural text, such as runs of spaces, are left alone: breaking
    /// them would only change how ordinary words are spelt.
    pub fn new<'a>(specials: impl IntoIterator<Item = &'a str>) -> Marks {
        let mut literals: Vec<String> = TAGS
            .iter()
            .copied()
            .chain(specials)
            .filter(|text| text.chars().nth(1).is_some())
            .filter(|text| {
                text.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace() && c != '▁')
            })
            .map(str::to_string)
            .collect();
        literals.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        literals.dedup();
        let mut starts: Vec<char> =
            literals.iter().filter_map(|text| text.chars().next()).collect();
        starts.sort_unstable();
        starts.dedup();
        Marks { literals, starts }
    }

    /// The text with every special literal in it broken after its first character, also one that
    /// only begins or ends here and might be completed by its surroundings.
    pub(crate) fn mark(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        for (at, c) in text.char_indices() {
            if at == 0 && self.could_end_a_literal(text) {
                out.push(MARK);
            }
            if matches!(c, MARK | PICTURE) {
                out.push('\u{FFFD}');
                continue;
            }
            out.push(c);
            if self.starts.binary_search(&c).is_ok() && self.literal_starts(&text[at..]) {
                out.push(MARK);
            }
        }
        out
    }

    fn literal_starts(&self, rest: &str) -> bool {
        self.literals.iter().any(|literal| {
            rest.starts_with(literal.as_str())
                || (rest.len() < literal.len() && literal.starts_with(rest))
        })
    }

    /// Whether the text begins with the tail of a special literal, such as `im_end|>`.
    fn could_end_a_literal(&self, text: &str) -> bool {
        self.literals.iter().any(|literal| {
            literal.char_indices().skip(1).any(|(at, _)| {
                let tail = &literal[at..];
                tail.chars().nth(1).is_some() && text.starts_with(tail)
            })
        })
    }
}

/// What stands for a picture until the text becomes tokens.
pub(crate) fn picture(number: usize) -> String {
    format!("{PICTURE}{number}{PICTURE}")
}

/// The text as the model reads it; of a picture, that there is one.
pub(crate) fn unmarked(text: &str) -> String {
    let pieces = pieces(text).map(|piece| match piece {
        Piece::Words(words) => words.to_owned(),
        Piece::Picture(number) => format!("[picture {}]", number + 1),
    });
    pieces.collect()
}

/// The text as tokens: each piece between marks on its own, special tokens only where the template
/// wrote them.
pub(crate) fn tokens(text: &str, tokenizer: &dyn Tokenizer) -> Vec<u32> {
    let tokens = pieces(text).flat_map(|piece| match piece {
        Piece::Words(words) => tokenizer.encode(words, true),
        Piece::Picture(number) => tokenizer.picture(number),
    });
    tokens.collect()
}

enum Piece<'a> {
    Words(&'a str),
    Picture(usize),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split(PICTURE)
        .enumerate()
        .flat_map(|(at, piece)| match (at % 2, piece.parse()) {
            (1, Ok(number)) => vec![Piece::Picture(number)],
            _ => piece.split(MARK).map(Piece::Words).collect(),
        })
        .filter(|piece| !matches!(piece, Piece::Words(words) if words.is_empty()))
}
