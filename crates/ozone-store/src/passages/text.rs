//! The bytes of a file to text that can be searched.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Why a file has no text, in words for who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A kind of file that is not read here.
    #[error("{0}")]
    Unsupported(String),
    /// A file of a known kind with nothing in it, or too much.
    #[error("{0}")]
    Invalid(String),
}

/// As many as OpenAI takes of one file, at four bytes a token.
pub const TEXT_BYTES_MAX: usize = 5_000_000 * 4;
/// Columns at which the text of a page is wrapped.
const PAGE_COLUMNS: usize = 120;
/// Elements within one another; no page has so many, and the parser's time grows with their square.
const PAGE_DEPTH_MAX: usize = 2000;

/// The text of a file: plain text in any encoding that can be told, Markdown, CSV, JSON, code, and
/// HTML without its tags. `name` tells what kind it is.
pub fn text_of(name: &str, bytes: &[u8]) -> Result<String, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable::Invalid("The file is empty.".into()));
    }
    if let Some(kind) = known_binary(bytes) {
        return Err(Unreadable::Unsupported(format!(
            "The file is {kind}, which is not read here."
        )));
    }
    let text = decoded(bytes)?;
    let text = match extension(name).as_str() {
        "html" | "htm" | "xhtml" => page(&text)?,
        "json" => lined(text),
        _ => text,
    };
    if text.trim().is_empty() {
        return Err(Unreadable::Invalid("There is no text in the file.".into()));
    }
    if text.len() > TEXT_BYTES_MAX {
        let message =
            format!("The file holds more than {} tokens of text; split it.", TEXT_BYTES_MAX / 4);
        return Err(Unreadable::Invalid(message));
    }
    Ok(text)
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default()
}

/// Kinds of files that are no text, by their first bytes.
fn known_binary(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 9] = [
        (b"%PDF", "a PDF"),
        (b"PK\x03\x04", "an Office document or a ZIP archive"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"GIF8", "a picture"),
        (b"RIFF", "a picture or a sound"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"SQLite format 3\0", "a database"),
    ];
    kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind)
}

/// UTF-8, UTF-16 with its mark, or else Windows-1252, if no control characters are in it.
fn decoded(bytes: &[u8]) -> Result<String, Unreadable> {
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

fn page(html: &str) -> Result<String, Unreadable> {
    if depth(html) > PAGE_DEPTH_MAX {
        let message = "The page's elements stand too deep within one another.";
        return Err(Unreadable::Invalid(message.into()));
    }
    html2text::config::plain_no_decorate()
        .raw_mode(true)
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), PAGE_COLUMNS)
        .map_err(|e| Unreadable::Invalid(format!("The page could not be read: {e}.")))
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
    if json.len() / (json.matches('\n').count() + 1) < 500 {
        return json;
    }
    let value: Option<serde_json::Value> = serde_json::from_str(&json).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or(json)
}
