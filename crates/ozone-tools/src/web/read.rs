//! Bytes that an address gave, as a page and as a file where Python works.

use std::sync::Arc;

use futures::future::BoxFuture;
use ozone_web::{Page, Unreadable};

use super::fetch::Fetched;
use super::files::Files;

/// Reads what is no page, such as a PDF, by its name and its bytes. `Err` says why not.
pub type Documents = Arc<dyn Fn(String, Vec<u8>) -> BoxFuture<'static, Read> + Send + Sync>;
type Read = Result<Document, String>;

/// What was read of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Their names, such as `page 3`, and their texts.
    pub parts: Vec<(String, String)>,
    /// What is missing of it, in words.
    pub notes: Vec<String>,
}

/// A page, and what of it was kept as a file, in words. `None`: its tables may be.
type Opened = (Page, Option<String>);

/// `document`: what a reader of documents has made of it. `Err` says why there is no page. What has
/// no text becomes a page that says what it is, if it can be kept as a file.
pub(super) fn read(
    fetched: &Fetched,
    document: Option<Read>,
    files: Option<&Files>,
) -> Result<Opened, String> {
    let Fetched { url, media_type, bytes, .. } = fetched;
    let unread = match document {
        Some(Ok(document)) => return Ok(of_document(fetched, document, files)),
        Some(Err(why)) => Some(why),
        None => None,
    };
    let is_svg = media_type.as_deref().is_some_and(|media| media.starts_with("image/svg"));
    let page = match is_svg {
        true => Err(Unreadable::Kind("a picture")),
        false => Page::read(url, media_type.as_deref(), bytes),
    };
    match page {
        Ok(page) => Ok(of_text(fetched, page, files)),
        Err(Unreadable::Empty) => Err(format!("{url}: {}", Unreadable::Empty)),
        Err(Unreadable::Kind(kind)) => match picture(bytes).or(is_svg.then_some("svg")) {
            Some(ending) => of_other(fetched, "a picture", ending, None, files),
            None => {
                let ending = document_ending(fetched).or(ending(url)).unwrap_or("bin");
                of_other(fetched, kind, ending, unread, files)
            }
        },
    }
}

fn of_document(fetched: &Fetched, document: Document, files: Option<&Files>) -> Opened {
    let mut page = Page::of_document(&fetched.url, &document.parts);
    let missing: Vec<String> = document.notes.into_iter().chain(page.cut).collect();
    page.cut = (!missing.is_empty()).then(|| missing.join("; "));
    let kept = document_ending(fetched).and_then(|ending| kept(fetched, ending, files));
    (page, Some(kept.unwrap_or_default()))
}

fn of_text(fetched: &Fetched, mut page: Page, files: Option<&Files>) -> Opened {
    let ending = data_ending(&fetched.url, fetched.media_type.as_deref());
    page.cut = fetched.cut.clone().or(page.cut);
    (page, ending.and_then(|ending| kept(fetched, ending, files)))
}

fn kept(fetched: &Fetched, ending: &str, files: Option<&Files>) -> Option<String> {
    let part = if fetched.cut.is_some() { ", cut like the page" } else { "" };
    let bytes = fetched.bytes.len();
    Some(match files?.keep(&fetched.url, ending, &fetched.bytes) {
        Ok(name) => format!("\n[For Python: {name} ({bytes} bytes{part})]"),
        Err(e) => format!("\n[It could not be kept as a file for Python: {e}]"),
    })
}

/// `unread` says why a reader of documents could not read it.
fn of_other(
    fetched: &Fetched,
    what: &str,
    ending: &str,
    unread: Option<String>,
    files: Option<&Files>,
) -> Result<Opened, String> {
    let (url, bytes) = (&fetched.url, fetched.bytes.len());
    if fetched.cut.is_some() {
        return Err(format!("{url}: it is {what}, and {bytes} bytes of it are too few"));
    }
    let why = match unread {
        Some(why) => format!("its text cannot be read ({why})"),
        None => "it cannot be read as a page".to_owned(),
    };
    let Some(files) = files else { return Err(format!("{url}: it is {what}: {why}")) };
    let name = files
        .keep(url, ending, &fetched.bytes)
        .map_err(|e| format!("{url}: it is {what}: {why}, and it could not be kept: {e}"))?;
    let how = match what {
        "a picture" => {
            format!("image tools, if there are any, open it as {{\"image\": \"{name}\"}}")
        }
        _ => why,
    };
    let line = format!("It is {what} of {bytes} bytes, kept for Python as {name}; {how}.");
    Ok((Page::described(url, vec![line]), Some(String::new())))
}

/// The ending of a document that another reader may read.
pub(super) fn document_ending(fetched: &Fetched) -> Option<&'static str> {
    let bytes = &fetched.bytes;
    if bytes.starts_with(b"%PDF") {
        return Some("pdf");
    }
    let is_packed = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0");
    is_packed.then(|| ending(&fetched.url).unwrap_or("zip"))
}

/// The ending of a file of data, which Python reads better than its page.
fn data_ending(url: &str, media_type: Option<&str>) -> Option<&'static str> {
    let media = media_type.map(|m| m.split(';').next().unwrap_or(m).trim().to_lowercase());
    match media.as_deref() {
        Some("text/csv") => return Some("csv"),
        Some("text/tab-separated-values") => return Some("tsv"),
        Some("application/json") => return Some("json"),
        Some("text/html" | "application/xhtml+xml") => return None,
        _ => {}
    }
    ending(url).filter(|ending| matches!(*ending, "csv" | "tsv" | "json"))
}

/// That of the address, if it says something.
fn ending(url: &str) -> Option<&'static str> {
    const KNOWN: &[&str] = &[
        "csv", "tsv", "json", "zip", "gz", "xlsx", "xls", "ods", "odt", "odp", "docx", "pptx",
        "epub", "parquet", "db",
    ];
    let path = url.split(['?', '#']).next().unwrap_or(url).to_lowercase();
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    KNOWN.iter().find(|known| **known == ending).copied()
}

/// The ending of a picture, by its first bytes.
fn picture(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 6] = [
        (b"\x89PNG", "png"),
        (b"\xff\xd8\xff", "jpg"),
        (b"GIF8", "gif"),
        (b"BM", "bmp"),
        (b"II*\0", "tif"),
        (b"MM\0*", "tif"),
    ];
    let known = kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, ending)| *ending);
    known.or_else(|| (bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP").then_some("webp"))
}
