//! What kind of file some bytes are: by what they begin with, and only then by their name.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

use crate::Unreadable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Text,
    Json,
    Html,
    Pdf,
    Docx,
    Pptx,
    OpenText,
    OpenSlides,
    Epub,
    Sheets(Sheets),
    Rtf,
    Zip,
    Tar,
    Gzip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sheets {
    Xlsx,
    Xlsb,
    Xls,
    Ods,
}

impl Kind {
    /// As a person calls it, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Json => "a JSON file",
            Kind::Html => "an HTML page",
            Kind::Pdf => "a PDF",
            Kind::Docx => "a Word document",
            Kind::Pptx => "a PowerPoint presentation",
            Kind::OpenText => "an OpenDocument text",
            Kind::OpenSlides => "an OpenDocument presentation",
            Kind::Epub => "an EPUB book",
            Kind::Sheets(Sheets::Xlsx | Sheets::Xlsb | Sheets::Xls) => "an Excel workbook",
            Kind::Sheets(Sheets::Ods) => "an OpenDocument spreadsheet",
            Kind::Rtf => "an RTF document",
            Kind::Zip => "a ZIP archive",
            Kind::Tar => "a tar archive",
            Kind::Gzip => "a gzip file",
        }
    }

    /// Whether it is certain that no parser of documents will see these bytes.
    pub(crate) fn is_plain(name: &str, bytes: &[u8]) -> bool {
        !(is_pdf(name, bytes)
            || is_zip(bytes)
            || bytes.starts_with(OLD_OFFICE)
            || bytes.starts_with(GZIP)
            || is_tar(bytes)
            || bytes.starts_with(RTF))
    }

    pub(crate) fn of(name: &str, bytes: &[u8]) -> Result<Kind, Unreadable> {
        if is_pdf(name, bytes) {
            return Ok(Kind::Pdf);
        }
        if is_zip(bytes) {
            return Ok(zipped(name, bytes));
        }
        if bytes.starts_with(OLD_OFFICE) {
            return old_office(name, bytes);
        }
        if bytes.starts_with(GZIP) {
            return Ok(Kind::Gzip);
        }
        if is_tar(bytes) {
            return Ok(Kind::Tar);
        }
        if bytes.starts_with(RTF) {
            return Ok(Kind::Rtf);
        }
        let unread: [(&[u8], &str); 10] = [
            (b"\x89PNG", "a picture"),
            (b"\xff\xd8\xff", "a picture"),
            (b"GIF8", "a picture"),
            (b"II*\0", "a picture"),
            (b"MM\0*", "a picture"),
            (b"RIFF", "a picture or a sound"),
            (b"SQLite format 3\0", "a database"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
            (b"Rar!", "a RAR archive"),
            (b"\x7fELF", "a program"),
        ];
        if let Some((_, kind)) = unread.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            let why = format!("The file is {kind}, which is not read as text.");
            return Err(Unreadable::Unsupported(why));
        }
        Ok(match extension(name).as_str() {
            "html" | "htm" | "xhtml" => Kind::Html,
            "json" => Kind::Json,
            _ => Kind::Text,
        })
    }
}

pub(crate) fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default()
}

const OLD_OFFICE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const GZIP: &[u8] = b"\x1f\x8b";
const RTF: &[u8] = b"{\\rtf";

fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Some producers write a few bytes before the mark, and readers look through the first kilobyte; a
/// text that only speaks of PDFs is none.
fn is_pdf(name: &str, bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"%PDF-";
    let head = &bytes[..bytes.len().min(1024)];
    let start = head.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.starts_with(MARK)
        || extension(name) == "pdf" && head.windows(MARK.len()).any(|window| window == MARK)
}

/// Office documents are archives; what they are stands in their members. One that cannot be opened
/// is left to the reader of its name's kind, which says what is wrong.
fn zipped(name: &str, bytes: &[u8]) -> Kind {
    if let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(bytes)) {
        let has = |name: &str| zip.index_for_name(name).is_some();
        if has("word/document.xml") {
            return Kind::Docx;
        }
        if has("ppt/presentation.xml") {
            return Kind::Pptx;
        }
        if has("xl/workbook.xml") {
            return Kind::Sheets(Sheets::Xlsx);
        }
        if has("xl/workbook.bin") {
            return Kind::Sheets(Sheets::Xlsb);
        }
        let mut mimetype = String::new();
        if let Ok(member) = zip.by_name("mimetype") {
            let _ =
                std::io::Read::read_to_string(&mut std::io::Read::take(member, 100), &mut mimetype);
        }
        return match mimetype.trim() {
            "application/vnd.oasis.opendocument.text" => Kind::OpenText,
            "application/vnd.oasis.opendocument.presentation" => Kind::OpenSlides,
            "application/vnd.oasis.opendocument.spreadsheet" => Kind::Sheets(Sheets::Ods),
            "application/epub+zip" => Kind::Epub,
            _ => Kind::Zip,
        };
    }
    match extension(name).as_str() {
        "docx" => Kind::Docx,
        "pptx" => Kind::Pptx,
        "xlsx" => Kind::Sheets(Sheets::Xlsx),
        "xlsb" => Kind::Sheets(Sheets::Xlsb),
        "odt" => Kind::OpenText,
        "odp" => Kind::OpenSlides,
        "ods" => Kind::Sheets(Sheets::Ods),
        "epub" => Kind::Epub,
        _ => Kind::Zip,
    }
}

/// Workbooks of old Excel are read. The names of streams are UTF-16.
fn old_office(name: &str, bytes: &[u8]) -> Result<Kind, Unreadable> {
    let has = |stream: &str| {
        let wanted: Vec<u8> = stream.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    };
    if has("EncryptedPackage") {
        let why = "The document is encrypted with a password; save it without one.";
        return Err(Unreadable::invalid(why));
    }
    let old = extension(name);
    if has("Workbook") || old == "xls" {
        return Ok(Kind::Sheets(Sheets::Xls));
    }
    let why = "The file is an Office document of before 2007, which is not read here; save it as \
               docx, pptx or PDF.";
    Err(Unreadable::Unsupported(why.into()))
}
