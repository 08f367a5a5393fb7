//! A page: its address, its title, its lines and where its links lead.

use std::time::SystemTime;

use serde_json::Value;
use url::Url;

use crate::{html, text};

/// The most bytes of a page that are read.
const BYTES_MAX: usize = 32 << 20;
/// Of HTML, whose tags take most of it and whose parser is slower.
const HTML_BYTES_MAX: usize = 8 << 20;
const LINES_MAX: usize = 100_000;
const TITLE_CHARS_MAX: usize = 200;
/// Bytes of HTML in which it names its encoding.
const PRESCAN_BYTES: usize = 1024;

/// Why some bytes are no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A kind of file that is not read here.
    #[error("it is {0}, which cannot be read as a page")]
    Kind(&'static str),
    #[error("there is no text in it")]
    Empty,
}

/// Where a page leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub text: String,
}

/// A page as a model reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub url: String,
    pub title: String,
    /// Line 1 is the first.
    pub lines: Vec<String>,
    /// Link n is the n-th, counted from 1, and stands in the lines as `【n†text】`.
    pub links: Vec<Link>,
    /// The address that the page says it was saved from.
    pub saved_from: Option<String>,
    /// What was left out, and why.
    pub cut: Option<String>,
    pub modified: Option<SystemTime>,
}

/// What a piece of HTML or of text says, on one line.
pub fn plain_text(html: &str, chars_max: usize) -> String {
    let page = Page::read("about:blank", Some("text/html; charset=utf-8"), html.as_bytes());
    let lines = page.map(|page| page.lines.join(" ")).unwrap_or_default();
    let line = text::collapsed(&lines);
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

enum Kind {
    Html,
    Json,
    Table(u8),
    Text,
}

impl Page {
    /// Reads the bytes that an address gave. `media_type` is what its server says they are, with its
    /// `charset`; without one the address's ending tells, and then the bytes themselves.
    pub fn read(url: &str, media_type: Option<&str>, bytes: &[u8]) -> Result<Page, Unreadable> {
        if let Some(kind) = binary(bytes) {
            return Err(Unreadable::Kind(kind));
        }
        let kind = Kind::of(url, media_type, bytes);
        let bytes_max = if matches!(kind, Kind::Html) { HTML_BYTES_MAX } else { BYTES_MAX };
        let taken = &bytes[..bytes.len().min(bytes_max)];
        let charset = media_type.and_then(charset).or_else(|| match kind {
            Kind::Html => html_charset(taken),
            _ => None,
        });
        let source = text::decoded(taken, charset.as_deref());
        let mut page = Page {
            url: url.to_owned(),
            title: String::new(),
            lines: vec![],
            links: vec![],
            saved_from: None,
            cut: None,
            modified: None,
        };
        match kind {
            Kind::Html => html::read(&source, &mut page),
            Kind::Json => page.text(&indented(source)),
            Kind::Table(delimiter) => page.table(&source, delimiter),
            Kind::Text => page.text(&source),
        }
        if taken.len() < bytes.len() {
            page.cut = Some(format!("only the first {bytes_max} of {} bytes", bytes.len()));
        }
        if page.lines.len() > LINES_MAX {
            page.cut = Some(format!("only the first {LINES_MAX} of {} lines", page.lines.len()));
            page.lines.truncate(LINES_MAX);
        }
        while page.lines.last().is_some_and(|line| line.trim().is_empty()) {
            page.lines.pop();
        }
        if page.lines.is_empty() {
            return Err(Unreadable::Empty);
        }
        page.entitle();
        Ok(page)
    }

    /// A page that says of something else what it is, such as of a picture.
    pub fn described(url: &str, lines: Vec<String>) -> Page {
        let lines = lines.iter().map(|line| text::shown(line)).collect();
        let (title, links) = (name_of(url), vec![]);
        let (saved_from, cut, modified) = (None, None, None);
        Page { url: url.to_owned(), title, lines, links, saved_from, cut, modified }
    }

    /// A page out of what was read of a document: its parts, each with its name, such as `page 3`.
    pub fn of_document(url: &str, parts: &[(String, String)]) -> Page {
        let mut page = Page::described(url, vec![]);
        for (name, said) in parts {
            let mut part = Page::described(url, vec![]);
            part.text(said);
            if !name.is_empty() {
                page.lines.push(format!("[{}]", text::shown(&text::collapsed(name))));
            }
            page.lines.append(&mut part.lines);
        }
        if page.lines.len() > LINES_MAX {
            page.cut = Some(format!("only the first {LINES_MAX} of {} lines", page.lines.len()));
            page.lines.truncate(LINES_MAX);
        }
        page
    }

    fn text(&mut self, source: &str) {
        let is_running = |line: &str| !line.starts_with([' ', '\t', '|']);
        for line in source.lines() {
            let line = text::shown(line.trim_end());
            self.lines.extend(match is_running(&line) {
                true => text::wrapped(&line, ""),
                false => text::rows(&line),
            });
            if self.lines.len() > LINES_MAX {
                break;
            }
        }
        let blank = self.lines.iter().take_while(|line| line.is_empty()).count();
        self.lines.drain(..blank);
        self.title = match self.lines.first().and_then(|line| line.strip_prefix("# ")) {
            Some(heading) => heading.trim().to_owned(),
            None => String::new(),
        };
    }

    /// A table of separated values, its rows as a Markdown table's: one line each, whatever is
    /// quoted in it.
    fn table(&mut self, source: &str, delimiter: u8) {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(source.as_bytes());
        let mut record = csv::StringRecord::new();
        let mut count = 0;
        while reader.read_record(&mut record).unwrap_or(false) {
            if self.lines.len() <= LINES_MAX {
                self.lines.extend(text::rows(&row(record.iter())));
                if count == 0 {
                    self.lines.push(rule(record.len()));
                }
            }
            count += 1;
        }
        if self.lines.len() > LINES_MAX {
            self.lines.truncate(LINES_MAX);
            self.cut = Some(format!("only the first {LINES_MAX} lines of {count} rows"));
        }
    }

    fn entitle(&mut self) {
        let title: String =
            text::collapsed(&text::shown(&self.title)).chars().take(TITLE_CHARS_MAX).collect();
        self.title = if title.is_empty() { name_of(&self.url) } else { title };
    }
}

impl Kind {
    fn of(url: &str, media_type: Option<&str>, bytes: &[u8]) -> Kind {
        let media = media_type.map(|m| m.split(';').next().unwrap_or(m).trim().to_lowercase());
        match media.as_deref() {
            Some("text/html" | "application/xhtml+xml") => return Kind::Html,
            Some("text/csv") => return Kind::Table(delimiter(bytes)),
            Some("text/tab-separated-values") => return Kind::Table(b'\t'),
            Some("application/json") => return Kind::Json,
            Some("text/markdown") => return Kind::Text,
            _ => {}
        }
        let path = url.split(['?', '#']).next().unwrap_or(url).to_lowercase();
        let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|n| n.1);
        match ending {
            Some("html" | "htm" | "xhtml") => Kind::Html,
            Some("csv") => Kind::Table(delimiter(bytes)),
            Some("tsv") => Kind::Table(b'\t'),
            Some("json") => Kind::Json,
            Some("md" | "markdown" | "txt") => Kind::Text,
            _ => {
                let head = &bytes[..bytes.len().min(PRESCAN_BYTES)];
                let head = String::from_utf8_lossy(head).to_lowercase();
                let head = head.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
                let is_html = head.starts_with("<!doctype html") || head.contains("<html");
                if is_html { Kind::Html } else { Kind::Text }
            }
        }
    }
}

/// Kinds of files that are no text, by their first bytes.
fn binary(bytes: &[u8]) -> Option<&'static str> {
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
    let known = kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind);
    let head = &bytes[..bytes.len().min(PRESCAN_BYTES)];
    // Text whose characters take two bytes each has zeroes among them.
    let is_wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    known.or_else(|| (head.contains(&0) && !is_wide).then_some("a binary file"))
}

fn charset(media_type: &str) -> Option<String> {
    let lower = media_type.to_lowercase();
    let label = lower.split_once("charset=")?.1.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
    Some(label[..end.unwrap_or(label.len())].to_owned())
}

/// What a `meta` says near the beginning. One that names UTF-16 is wrong: it could not be read.
fn html_charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(PRESCAN_BYTES)]).to_lowercase();
    charset(&head[head.find("<meta")?..]).filter(|label| !label.starts_with("utf-16"))
}

/// The separator that the first line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |d: u8| line.iter().filter(|b| **b == d).count();
    [b',', b';', b'\t', b'|'].into_iter().max_by_key(|d| (count(*d), *d == b',')).unwrap_or(b',')
}

/// JSON on one line has no places to point at.
fn indented(json: String) -> String {
    if json.lines().count() > 3 {
        return json;
    }
    let value: Option<Value> = serde_json::from_str(&json).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or(json)
}

/// A row of a Markdown table.
fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::from("|");
    for cell in cells {
        line.push(' ');
        line.push_str(&text::collapsed(&text::shown(cell)).replace('|', "\\|"));
        line.push_str(" |");
    }
    line
}

/// The line below the head of a Markdown table.
pub(crate) fn rule(columns: usize) -> String {
    format!("|{}", " --- |".repeat(columns.clamp(1, 60)))
}

/// What the last part of an address says.
fn name_of(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let path = parsed.as_ref().map_or(url, |url| url.path());
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let host = parsed.as_ref().and_then(|url| url.host_str()).unwrap_or("page");
    text::shown(if name.is_empty() { host } else { name })
}
