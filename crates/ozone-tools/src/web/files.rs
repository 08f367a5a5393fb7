//! What was opened, as files: Python has no network, and what a page holds must reach it somehow.
//!
//! Data and pictures are kept as they came, tables of pages as CSV, all below `web/` in the folder
//! where Python works. A name is the address's own; where another page has it already, the page's
//! mark is added.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ozone_web::{Page, mark_id};
use url::Url;

/// Below the folder of a response.
pub const FOLDER: &str = "web";
const FILES_MAX: usize = 200;
/// Of all files together.
const BYTES_MAX: u64 = 256 << 20;
const TABLES_MAX: usize = 10;
const STEM_CHARS_MAX: usize = 60;

/// The folder where Python works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub fn of(folder: PathBuf) -> Files {
        Files { folder }
    }

    /// Keeps bytes as they came. Gives the name, from the folder.
    pub fn keep(&self, url: &str, ending: &str, bytes: &[u8]) -> io::Result<String> {
        self.write(&stem(url), ending, url, bytes)
    }

    /// Keeps the tables of a page. Gives their names and how many rows each has.
    pub fn tables(&self, page: &Page) -> io::Result<Vec<(String, usize)>> {
        let mut kept = vec![];
        for (at, rows) in page.tables().into_iter().take(TABLES_MAX).enumerate() {
            let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(vec![]);
            for row in &rows {
                csv.write_record(row)?;
            }
            let bytes = csv.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
            let stem = format!("{}-table{}", stem(&page.url), at + 1);
            kept.push((self.write(&stem, "csv", &page.url, &bytes)?, rows.len() - 1));
        }
        Ok(kept)
    }

    fn write(&self, stem: &str, ending: &str, url: &str, bytes: &[u8]) -> io::Result<String> {
        let folder = self.folder.join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let plain = format!("{stem}.{ending}");
        let name = match holds_other(&folder.join(&plain), bytes) {
            true => format!("{stem}-{}.{ending}", mark_id(url)),
            false => plain,
        };
        let path = folder.join(&name);
        let told = format!("{FOLDER}/{name}");
        if path.is_file() && !holds_other(&path, bytes) {
            return Ok(told);
        }
        let (mut count, mut taken) = (0, bytes.len() as u64);
        for entry in std::fs::read_dir(&folder)?.flatten() {
            count += 1;
            taken += entry.metadata().map_or(0, |metadata| metadata.len());
        }
        if count >= FILES_MAX || taken > BYTES_MAX {
            return Err(io::Error::other("there is no more room for files of pages"));
        }
        // Whoever reads the folder meanwhile sees all of a file or nothing.
        let mut file = tempfile::NamedTempFile::with_prefix_in(".ozone-", &folder)?;
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(told)
    }
}

fn holds_other(path: &Path, bytes: &[u8]) -> bool {
    let is_as_long = path.metadata().is_ok_and(|m| m.len() == bytes.len() as u64);
    path.exists() && !(is_as_long && std::fs::read(path).is_ok_and(|held| held == bytes))
}

/// What the address calls it, without an ending.
fn stem(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return "page".to_owned() };
    let last = parsed.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let bare = match last.rsplit_once('.') {
        Some((bare, ending)) if !bare.is_empty() && ending.len() <= 5 => bare,
        _ => last,
    };
    let name = match bare {
        "" | "index" => parsed.host_str().unwrap_or("page"),
        bare => bare,
    };
    let query = parsed.query().map(|query| format!("-{query}")).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let spelt = format!("{name}{query}");
    let plain = spelt.chars().map(|c| if is_plain(c) { c } else { '-' }).take(STEM_CHARS_MAX);
    let plain: String = plain.collect();
    match plain.trim_matches(['.', '-']) {
        "" => "page".to_owned(),
        plain => plain.to_owned(),
    }
}
