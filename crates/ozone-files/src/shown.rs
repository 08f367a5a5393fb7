//! A document as it stands in a model's context: whole, or its beginning and what is left out.

use crate::{Document, Part, Unit};

/// The text of a document between tags that name it, at most about `bytes_max` of it, and what is
/// missing. `more` says how the rest can be read.
pub fn shown(document: &Document, name: &str, bytes_max: usize, more: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').collect();
    let mut text = format!("<file name=\"{name}\">\n");
    let mut left = bytes_max;
    let mut cut = None;
    for (index, part) in document.parts.iter().enumerate() {
        let label = part.label();
        let heading = if label.is_empty() { String::new() } else { format!("[{label}]\n") };
        let body = part.text.trim_end();
        if heading.len() + body.len() <= left {
            left -= heading.len() + body.len();
            text.push_str(&heading);
            text.push_str(body);
            text.push('\n');
            continue;
        }
        // A part is shown in part only where nothing else would be.
        let shown_bytes = if index == 0 { floor_line(body, left) } else { 0 };
        if shown_bytes > 0 {
            text.push_str(&heading);
            text.push_str(&body[..shown_bytes]);
            text.push('\n');
        }
        cut = Some((index, shown_bytes));
        break;
    }
    for note in &document.notes {
        text.push_str(&format!("[Note: {note}]\n"));
    }
    if let Some((index, bytes)) = cut {
        text.push_str(&format!("[{} {more}]\n", left_out(&document.parts, index, bytes)));
    }
    text.push_str("</file>");
    text
}

/// What is shown of how much.
fn left_out(parts: &[Part], index: usize, bytes: usize) -> String {
    let unit = |unit: Unit| match unit {
        Unit::Page => "pages",
        Unit::Slide => "slides",
        Unit::Sheet => "sheets",
        Unit::Chapter => "chapters",
        Unit::Text | Unit::Contents => "parts",
    };
    let first = &parts[index.saturating_sub(1)];
    match (index, parts) {
        (0, [only]) => {
            let lines = |text: &str| text.lines().count();
            let (shown, all) = (lines(&only.text[..bytes.min(only.text.len())]), lines(&only.text));
            format!("Lines 1 to {shown} of {all} are shown.")
        }
        (0, _) => format!("Only the beginning of the first of {} parts is shown.", parts.len()),
        _ if first.entry.is_some() || first.unit == Unit::Contents => {
            format!("{index} of {} parts of the archive are shown.", parts.len())
        }
        (1, _) => format!("1 of {} {} is shown.", parts.len(), unit(first.unit)),
        _ => format!("{} 1 to {index} of {} are shown.", capital(unit(first.unit)), parts.len()),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// The end of the last line within so many bytes, or of the last character.
fn floor_line(text: &str, bytes_max: usize) -> usize {
    let at = text.floor_char_boundary(bytes_max);
    text[..at].rfind('\n').unwrap_or(at)
}
