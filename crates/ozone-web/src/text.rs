//! Bytes to text, and text to lines.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Columns at which running text is wrapped.
const COLUMNS: usize = 100;
/// A row of a table, or of a text that has its own lines, is broken only here.
pub(crate) const ROW_CHARS_MAX: usize = 600;

/// Text in the encoding that its mark or the page itself names; else UTF-8, else Windows-1252. What
/// cannot be decoded becomes U+FFFD.
pub(crate) fn decoded(bytes: &[u8], named: Option<&str>) -> String {
    if let Some((encoding, bom)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[bom..]).0.into_owned();
    }
    let named = named.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(encoding) = named {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    match UTF_8.decode_without_bom_handling(bytes) {
        (text, false) => text.into_owned(),
        // A cut in the middle of a character is no other encoding.
        (text, true) if text.matches('\u{fffd}').count() * 1000 < text.len() => text.into_owned(),
        _ => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The text as it may be shown to a model: without what no reader would see, and without the
/// brackets that links and citations are made of.
pub(crate) fn shown(text: &str) -> String {
    let seen = |c: char| match c {
        '【' => Some('〖'),
        '】' => Some('〗'),
        '†' => Some('‡'),
        '\n' | '\t' => Some(c),
        '\u{a0}' => Some(' '),
        c if c.is_control() || is_invisible(c) => None,
        c => Some(c),
    };
    text.chars().filter_map(seen).collect()
}

/// Direction marks, zero-width characters, and tags, with which text can be hidden in text.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Runs of blanks to one blank each.
pub(crate) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks running text into lines, between words where there are any.
pub(crate) fn wrapped(text: &str, indent: &str) -> Vec<String> {
    broken(text, COLUMNS, indent)
}

/// A row stays one line unless it is far too long.
pub(crate) fn rows(text: &str) -> Vec<String> {
    broken(text, ROW_CHARS_MAX, "")
}

/// Lines after the first begin with `indent`.
fn broken(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let mut lines = vec![];
    let mut rest = text;
    loop {
        let head = if lines.is_empty() { "" } else { indent };
        let room = columns.saturating_sub(head.len()).max(1);
        let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
        if end == rest.len() {
            lines.push(format!("{head}{rest}"));
            return lines;
        }
        let blank = rest[..end].rfind(' ').filter(|at| *at > 0 && !rest[..*at].trim().is_empty());
        let at = match rest[end..].starts_with(' ') {
            true => end,
            false => blank.unwrap_or(end),
        };
        lines.push(format!("{head}{}", rest[..at].trim_end()));
        rest = rest[at..].trim_start_matches(' ');
        if rest.is_empty() {
            return lines;
        }
    }
}
