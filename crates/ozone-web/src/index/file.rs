//! The index on disk: a line that says what it is, then for each page a line of JSON with its terms,
//! and its text.
//!
//! It is written beside the old one and then put in its place, so that a reader sees one or the
//! other. A file that cannot be understood is no index, and everything is read anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::walk::File;
use super::{IndexError, Refreshed, Site, Terms};
use crate::page::Page;

const HEAD: &str = r#"{"ozone-web":"index","version":1}"#;
/// Of a file of a page.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Of a page's text that is indexed and kept.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Of a text that is searched for a snippet.
const SNIPPET_BYTES_MAX: usize = 64 << 10;
/// How often a word of the title counts.
const TITLE_WEIGHT: u16 = 3;

/// A file as the index knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub url: String,
    pub title: String,
    path: PathBuf,
    /// The address of its folder, as it was when the page was read.
    base: Option<String>,
    modified: u64,
    bytes: u64,
    /// `false` for a file that is no page.
    pub is_page: bool,
    /// In terms.
    pub length: u32,
    text_bytes: u64,
    /// Where its record begins in the file, and where its text does.
    #[serde(skip)]
    at: (u64, u64),
}

#[derive(Serialize, Deserialize)]
struct Record {
    entry: Entry,
    terms: BTreeMap<String, u16>,
}

#[derive(Default)]
pub(super) struct Stored {
    pub entries: Vec<Entry>,
    /// Stays open: another may be put in its place meanwhile.
    file: Option<fs::File>,
}

impl Stored {
    /// `each` is called with the place, the entry and the terms of each file.
    pub fn load(path: &Path, mut each: impl FnMut(usize, &Entry, BTreeMap<String, u16>)) -> Stored {
        let mut entries = vec![];
        let read = || -> io::Result<Stored> {
            let file = fs::File::open(path)?;
            let mut reader = BufReader::with_capacity(1 << 20, &file);
            let (mut line, mut at) = (String::new(), reader.read_line(&mut String::new())? as u64);
            loop {
                line.clear();
                let head = reader.read_line(&mut line)? as u64;
                if head == 0 {
                    break;
                }
                let Record { mut entry, terms } = serde_json::from_str(&line)?;
                let text = &mut (&mut reader).take(entry.text_bytes);
                if io::copy(text, &mut io::sink())? < entry.text_bytes {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                entry.at = (at, at + head);
                at = entry.end();
                each(entries.len(), &entry, terms);
                entries.push(entry);
            }
            Ok(Stored { entries, file: Some(file) })
        };
        match is_index(path).and_then(|is| if is { read() } else { Ok(Stored::default()) }) {
            Ok(stored) => stored,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Stored::default(),
            Err(e) => {
                tracing::warn!("the index {} is read anew: {e}", path.display());
                Stored::default()
            }
        }
    }

    /// The beginning of a page's text.
    pub fn text(&self, entry: &Entry) -> String {
        let Some(file) = &self.file else { return String::new() };
        let mut text = vec![0; (entry.text_bytes as usize).min(SNIPPET_BYTES_MAX)];
        match file.read_exact_at(&mut text, entry.at.1) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) => String::new(),
        }
    }

    fn copy(&self, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut record = vec![0; (entry.end() - entry.at.0) as usize];
        file.read_exact_at(&mut record, entry.at.0)?;
        out.write_all(&record)
    }
}

impl Entry {
    /// Where its record ends in the file.
    fn end(&self) -> u64 {
        self.at.1 + self.text_bytes
    }
}

fn is_index(path: &Path) -> io::Result<bool> {
    let mut head = String::new();
    let limit = HEAD.len() as u64 + 1;
    BufReader::new(fs::File::open(path)?.take(limit)).read_line(&mut head)?;
    Ok(head.trim_end() == HEAD)
}

/// Writes the index of these files, unless the one there is theirs. Says whether it did.
pub(super) fn renew(
    path: &Path,
    before: &Stored,
    sites: &[Site],
    files: &[File],
    terms: Terms,
) -> Result<(Refreshed, bool), IndexError> {
    let known: HashMap<&Path, &Entry> =
        before.entries.iter().map(|entry| (entry.path.as_path(), entry)).collect();
    let same = |file: &File| {
        known.get(file.path.as_path()).copied().filter(|entry| {
            (entry.modified, entry.bytes) == (file.modified, file.bytes)
                && entry.base.as_deref() == sites[file.site].url.as_ref().map(Url::as_str)
        })
    };
    let kept = files.iter().filter(|file| same(file).is_some()).count();
    let unreadable = before.entries.iter().filter(|entry| !entry.is_page).count();
    let mut refreshed = Refreshed { unreadable, ..Refreshed::default() };
    if kept == files.len() && kept == before.entries.len() && before.file.is_some() {
        return Ok((refreshed, false));
    }
    refreshed.unreadable = 0;
    let failed = |source| IndexError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let write = |refreshed: &mut Refreshed| -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(&beside)?);
        writeln!(out, "{HEAD}")?;
        for file in files {
            match same(file) {
                Some(entry) => {
                    refreshed.unreadable += usize::from(!entry.is_page);
                    before.copy(entry, &mut out)?;
                }
                None => {
                    refreshed.read += 1;
                    let (record, text) = record(file, &sites[file.site], terms);
                    refreshed.unreadable += usize::from(!record.entry.is_page);
                    serde_json::to_writer(&mut out, &record)?;
                    out.write_all(b"\n")?;
                    out.write_all(text.as_bytes())?;
                }
            }
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, path)
    };
    let written = write(&mut refreshed);
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)?;
    let now: HashSet<&Path> = files.iter().map(|f| f.path.as_path()).collect();
    refreshed.gone = known.keys().filter(|path| !now.contains(*path)).count();
    Ok((refreshed, true))
}

/// What the index keeps of a file, and its text.
fn record(file: &File, site: &Site, terms: Terms) -> (Record, String) {
    let address = address(&file.path, site);
    let page = read(&file.path, &address);
    let mut entry = Entry {
        url: address,
        title: String::new(),
        path: file.path.clone(),
        base: site.url.as_ref().map(Url::to_string),
        modified: file.modified,
        bytes: file.bytes,
        is_page: page.is_ok(),
        length: 0,
        text_bytes: 0,
        at: (0, 0),
    };
    let page = match page {
        Ok(page) => page,
        Err(why) => {
            tracing::debug!("{} is not indexed: {why}", file.path.display());
            return (Record { entry, terms: BTreeMap::new() }, String::new());
        }
    };
    if let Some(saved_from) = page.saved_from.filter(|from| is_of(from, site)) {
        entry.url = saved_from;
    }
    entry.title = page.title;
    let mut text = page.lines.join("\n");
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    entry.text_bytes = text.len() as u64;
    let mut counts: BTreeMap<String, u16> = BTreeMap::new();
    let mut add = |term: String, by: u16| {
        let count = counts.entry(term).or_default();
        *count = count.saturating_add(by);
    };
    let words = terms(&text);
    entry.length = words.len() as u32;
    words.into_iter().for_each(|term| add(term, 1));
    terms(&entry.title).into_iter().for_each(|term| add(term, TITLE_WEIGHT));
    (Record { entry, terms: counts }, text)
}

/// Whether a page of this site may have this address.
fn is_of(address: &str, site: &Site) -> bool {
    let host = |url: &Url| url.host_str().map(str::to_owned);
    match &site.url {
        None => true,
        Some(base) => Url::parse(address).is_ok_and(|url| host(&url) == host(base)),
    }
}

/// The address of a file: below its folder's, or its own.
fn address(path: &Path, site: &Site) -> String {
    let own = || Url::from_file_path(path).map_or_else(|()| String::new(), |url| url.to_string());
    let Some(base) = &site.url else { return own() };
    let folder = site.folder.canonicalize().unwrap_or_else(|_| site.folder.clone());
    let Ok(inner) = path.strip_prefix(&folder) else { return own() };
    let mut parts: Vec<String> =
        inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|name| matches!(name.as_str(), "index.html" | "index.htm")) {
        parts.pop();
        parts.push(String::new());
    }
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => drop(segments.pop_if_empty().extend(&parts)),
        Err(()) => return own(),
    }
    url.to_string()
}

/// The page of an entry, as its file is now.
pub(super) fn page(entry: &Entry) -> Result<Page, IndexError> {
    let url = || entry.url.clone();
    read(&entry.path, &entry.url).map_err(|why| match why {
        Failed::File(source) => IndexError::Gone { url: url(), source },
        Failed::Page(source) => IndexError::Unreadable { url: url(), source },
    })
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Page(#[from] crate::page::Unreadable),
}

fn read(path: &Path, url: &str) -> Result<Page, Failed> {
    let file = fs::File::open(path)?;
    let modified = file.metadata().ok().and_then(|metadata| metadata.modified().ok());
    let mut bytes = vec![];
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let page = Page::read(url, media_type(path), &bytes)?;
    Ok(Page { modified, ..page })
}

/// The file's ending tells, also where the address has none.
fn media_type(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    Some(match ending.as_str() {
        "html" | "htm" | "xhtml" => "text/html",
        "md" | "markdown" => "text/markdown",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "json" => "application/json",
        _ => return None,
    })
}
