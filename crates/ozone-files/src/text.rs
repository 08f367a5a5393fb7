//! Text as it stands: in any encoding that can be told, HTML without its tags, JSON with lines.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::{Kind, Out, Unit, Unreadable};

/// Columns at which the text of a page is wrapped.
const PAGE_COLUMNS: usize = 120;
/// A JSON file with longer lines than this is given lines of its own.
const LINE_BYTES_MEAN_MAX: usize = 500;

pub(crate) fn read(kind: Kind, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    out.has_room(bytes.len() / 4)?;
    let text = decoded(bytes)?;
    let text = match kind {
        Kind::Html => page(&text, out.limits.depth_max)?,
        Kind::Json => lined(text),
        _ => text,
    };
    out.begins(kind, Some(1));
    out.part(Unit::Text, 1, None, text)
}

/// UTF-8, UTF-16 with its mark, or else Windows-1252, if no control characters are in it.
pub(crate) fn decoded(bytes: &[u8]) -> Result<String, Unreadable> {
    let garbage = || Unreadable::Unsupported("The file is no text in a known encoding.".into());
    let (text, had_errors) = match Encoding::for_bom(bytes) {
        Some((encoding, bom)) => encoding.decode_without_bom_handling(&bytes[bom..]),
        None => match UTF_8.decode_without_bom_handling(bytes) {
            (text, false) => (text, false),
            (_, true) => WINDOWS_1252.decode_without_bom_handling(bytes),
        },
    };
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b');
    // A few strays, as in a terminal's log, are taken out.
    let controls = text.chars().filter(|c| is_control(*c)).count();
    if had_errors || controls * 100 > text.chars().count() {
        return Err(garbage());
    }
    Ok(text.chars().filter(|c| !is_control(*c)).collect::<String>().replace("\r\n", "\n"))
}

/// The parser's time grows with the square of the depth; no page is very deep.
pub(crate) fn page(html: &str, depth_max: usize) -> Result<String, Unreadable> {
    if depth(html) > depth_max {
        let message = "The page's elements stand too deep within one another.";
        return Err(Unreadable::invalid(message));
    }
    html2text::config::plain_no_decorate()
        .raw_mode(true)
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), PAGE_COLUMNS)
        .map_err(|e| Unreadable::invalid(format!("The page could not be read: {e}.")))
}

/// How deep elements stand within one another at most, roughly: those that need no end tag do not
/// count.
fn depth(html: &str) -> usize {
    const UNCLOSED: &[&str] = &[
        "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link",
        "meta", "option", "p", "param", "source", "tbody", "td", "th", "thead", "tr", "track",
        "wbr",
    ];
    let html = html.to_ascii_lowercase();
    let (mut now, mut max) = (0usize, 0);
    let mut rest = html.as_str();
    while let Some((_, tag)) = rest.split_once('<') {
        rest = tag;
        if tag.starts_with('/') {
            now = now.saturating_sub(1);
            continue;
        }
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = &tag[..end];
        if matches!(name, "script" | "style") {
            // What is in there is no HTML.
            let close = format!("</{name}");
            rest = tag.split_once(&close).map_or("", |(_, after)| after);
        } else if !name.is_empty()
            && !UNCLOSED.contains(&name)
            && !tag.split(['<', '>']).next().is_some_and(|tag| tag.ends_with('/'))
        {
            now += 1;
            max = max.max(now);
        }
    }
    max
}

/// JSON on one line has no places where it may be cut well: it gets lines.
fn lined(json: String) -> String {
    if json.len() / (json.matches('\n').count() + 1) < LINE_BYTES_MEAN_MAX {
        return json;
    }
    let value: Option<serde_json::Value> = serde_json::from_str(&json).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or(json)
}
