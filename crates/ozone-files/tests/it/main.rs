//! What becomes of files, read as users' files are: in a process of their own.

mod archives;
mod documents;
mod fuzz;
mod hostile;
mod make;
mod texts;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ozone_files::{Document, Limits, Reader, Unreadable};

/// A reader whose process is the crate's own.
pub fn reader(limits: Limits) -> Reader {
    Reader::new(Some(Path::new(env!("CARGO_BIN_EXE_ozone-read-file"))), limits)
}

pub async fn read_within(
    limits: Limits,
    name: &str,
    bytes: impl Into<Vec<u8>>,
) -> Result<Document, Unreadable> {
    let bytes: Arc<[u8]> = bytes.into().into();
    reader(limits).document(name, bytes).await.unwrap()
}

pub async fn read(name: &str, bytes: impl Into<Vec<u8>>) -> Result<Document, Unreadable> {
    // A loaded machine is no reason to fail.
    let limits = Limits { time_max: Duration::from_secs(300), ..Limits::default() };
    read_within(limits, name, bytes).await
}

/// Why it is not read.
pub async fn refused(name: &str, bytes: impl Into<Vec<u8>>) -> String {
    read(name, bytes).await.unwrap_err().to_string()
}

/// The parts as `label: text`.
pub fn told(document: &Document) -> Vec<String> {
    let one = |part: &ozone_files::Part| format!("{}: {}", part.label(), part.text.trim_end());
    document.parts.iter().map(one).collect()
}
