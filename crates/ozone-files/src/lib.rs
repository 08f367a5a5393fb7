//! Bytes of a stranger's file to its text: pages, slides, sheets, chapters, members of an archive.
//!
//! A file is read in a process of its own ([`Reader`]): PDF, Office and archive parsers meet hostile
//! input, and a panic, an endless loop, an overflowing stack or a bomb must end one file's reading
//! and nothing else. The process limits its own memory and processor time before it looks at a byte,
//! inherits no environment, and is killed when its time is over. It is our own executable, started
//! with [`Reader::ARGUMENT`] and handing over to [`serve`].
//!
//! Parts arrive as they are read, so that the first page of a long document can be searched while
//! the last one is still being parsed.
//!
//! What it does not cover: the process may open files and sockets as its user may; the parsers are
//! safe Rust, so what is defended against is their use of resources. Macros, scripts and links in
//! documents are never followed. Text in pictures is not read here.

mod archive;
mod kind;
mod lines;
mod office;
mod pdf;
#[cfg(feature = "pages")]
mod picture;
mod reader;
mod rtf;
mod sheets;
mod shown;
mod text;
mod unpack;
mod xml;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use kind::Kind;
#[cfg(feature = "pages")]
pub use picture::MAX_SIDE_PX;
pub use reader::{Document, Reader, Reading, serve};
pub use shown::shown;

/// What reading one file may use up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Of the file itself.
    pub file_bytes_max: u64,
    /// Of the text that is made of it: as many as OpenAI takes of one file, at four bytes a token.
    pub text_bytes_max: usize,
    pub pages_max: usize,
    /// Cells of all sheets, empty ones between full ones counted.
    pub cells_max: u64,
    /// Members of an archive.
    pub entries_max: usize,
    /// Of one member once it is unpacked.
    pub member_bytes_max: u64,
    /// Of all members once they are unpacked.
    pub unpacked_bytes_max: u64,
    /// How much larger than itself a member may become, once it is larger than
    /// [`RATIO_FREE_BYTES`].
    pub ratio_max: u64,
    /// Elements of XML or HTML within one another.
    pub depth_max: usize,
    pub memory_bytes_max: u64,
    pub time_max: Duration,
}

/// Smaller members may be as compressible as they like.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            file_bytes_max: 256 << 20,
            text_bytes_max: 5_000_000 * 4,
            pages_max: 5_000,
            cells_max: 5_000_000,
            entries_max: 10_000,
            member_bytes_max: 256 << 20,
            unpacked_bytes_max: 1 << 30,
            ratio_max: 200,
            depth_max: 2_000,
            memory_bytes_max: 2 << 30,
            time_max: Duration::from_secs(120),
        }
    }
}

/// Why a file has no text, in words for who sent it, or for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "why", content = "text", rename_all = "snake_case")]
pub enum Unreadable {
    /// A kind of file that is not read here.
    #[error("{0}")]
    Unsupported(String),
    /// A file of a known kind that is broken, or has nothing in it, or too much.
    #[error("{0}")]
    Invalid(String),
}

impl Unreadable {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Unreadable::Invalid(why.into())
    }
}

/// What a part of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// All of a document that has no parts.
    Text,
    Page,
    Slide,
    Sheet,
    Chapter,
    /// What an archive holds.
    Contents,
}

/// A piece of a document that has a number or a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The member of an archive that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    pub unit: Unit,
    /// From 1.
    pub number: u32,
    /// A sheet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub text: String,
}

impl Part {
    /// The number that a citation names, where the document has such numbers.
    pub fn page(&self) -> Option<u32> {
        matches!(self.unit, Unit::Page | Unit::Slide).then_some(self.number)
    }

    /// As a person would name it: `page 3`, `sheet Sales`, `data/a.pdf, page 2`. Empty for a text
    /// without parts.
    pub fn label(&self) -> String {
        let place = match (self.unit, &self.name) {
            (Unit::Text, _) => String::new(),
            (Unit::Contents, _) => "contents".into(),
            (Unit::Page, _) => format!("page {}", self.number),
            (Unit::Slide, _) => format!("slide {}", self.number),
            (Unit::Sheet, Some(name)) => format!("sheet {name}"),
            (Unit::Sheet, None) => format!("sheet {}", self.number),
            (Unit::Chapter, _) => format!("chapter {}", self.number),
        };
        match &self.entry {
            None => place,
            Some(entry) if place.is_empty() => entry.clone(),
            Some(entry) => format!("{entry}, {place}"),
        }
    }
}

/// What is said of a document while it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// First, once. `parts` is how many will come, where that is known.
    Begins {
        kind: Kind,
        parts: Option<u32>,
    },
    Part(Part),
    /// Something that is missing of the text.
    Note {
        text: String,
    },
    /// What [`Reader::picture`] asked for: a PNG in base64, of a PDF with so many pages.
    Picture {
        png: String,
        pages: u32,
    },
    /// Last: the file cannot be read, or not to its end.
    Refused {
        why: Unreadable,
    },
    /// Last.
    Ended,
}

/// Where the parts of a document go, within limits.
pub(crate) struct Out<'a> {
    pub limits: &'a Limits,
    say: &'a mut dyn FnMut(Said),
    bytes_left: usize,
    /// Unpacked so far, of all members.
    unpacked: u64,
    begun: bool,
    /// Whether anything but blanks was said.
    has_text: bool,
    /// The member of an archive that is being read.
    entry: Option<String>,
}

impl<'a> Out<'a> {
    fn new(limits: &'a Limits, say: &'a mut dyn FnMut(Said)) -> Self {
        let bytes_left = limits.text_bytes_max;
        let (unpacked, begun, has_text, entry) = (0, false, false, None);
        Out { limits, say, bytes_left, unpacked, begun, has_text, entry }
    }

    /// Says what comes; within an archive it was said.
    pub fn begins(&mut self, kind: Kind, parts: Option<usize>) {
        if !std::mem::replace(&mut self.begun, true) {
            let parts = parts.map(|parts| parts.try_into().unwrap_or(u32::MAX));
            (self.say)(Said::Begins { kind, parts });
        }
    }

    pub fn part(
        &mut self,
        unit: Unit,
        number: usize,
        name: Option<&str>,
        mut text: String,
    ) -> Result<(), Unreadable> {
        if text.len() > self.bytes_left {
            return Err(self.too_much());
        }
        self.bytes_left -= text.len();
        self.has_text |= !text.trim().is_empty();
        if !text.ends_with('\n') && (unit != Unit::Text || self.entry.is_some()) {
            text.push('\n');
        }
        let number = number.try_into().unwrap_or(u32::MAX);
        let (name, entry) = (name.map(str::to_owned), self.entry.clone());
        (self.say)(Said::Part(Part { entry, unit, number, name, text }));
        Ok(())
    }

    /// Whether so many bytes of text would still be taken.
    pub fn has_room(&self, bytes: usize) -> Result<(), Unreadable> {
        if bytes > self.bytes_left { Err(self.too_much()) } else { Ok(()) }
    }

    fn too_much(&self) -> Unreadable {
        let tokens = self.limits.text_bytes_max / 4;
        Unreadable::invalid(format!("The file holds more than {tokens} tokens of text; split it."))
    }

    /// Whether this is the document itself, and no member of an archive.
    pub fn is_alone(&self) -> bool {
        self.entry.is_none()
    }

    pub fn note(&mut self, text: String) {
        let text = match &self.entry {
            Some(entry) => format!("{entry}: {text}"),
            None => text,
        };
        (self.say)(Said::Note { text });
    }
}

/// Reads a file here and now. [`Reader`] calls this in a process of its own; whoever else calls it
/// shares the fate of the parsers.
pub fn read(name: &str, bytes: &[u8], limits: &Limits, say: &mut dyn FnMut(Said)) {
    let mut out = Out::new(limits, say);
    let read = if bytes.is_empty() {
        Err(Unreadable::invalid("The file is empty."))
    } else if bytes.len() as u64 > limits.file_bytes_max {
        let max = limits.file_bytes_max >> 20;
        Err(Unreadable::invalid(format!("The file is larger than {max} MiB; split it.")))
    } else {
        document(name, bytes, &mut out)
    };
    let read = read.and_then(|()| match out.has_text {
        true => Ok(()),
        false => Err(Unreadable::invalid("There is no text in the file.")),
    });
    (out.say)(match read {
        Ok(()) => Said::Ended,
        Err(why) => Said::Refused { why },
    });
}

fn document(name: &str, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let kind = Kind::of(name, bytes)?;
    match kind {
        Kind::Text | Kind::Html | Kind::Json => text::read(kind, bytes, out),
        Kind::Pdf => pdf::read(bytes, out),
        Kind::Docx => office::docx(bytes, out),
        Kind::Pptx => office::pptx(bytes, out),
        Kind::OpenText => office::open_text(bytes, out),
        Kind::OpenSlides => office::open_slides(bytes, out),
        Kind::Epub => office::epub(bytes, out),
        Kind::Sheets(format) => sheets::read(format, bytes, out),
        Kind::Rtf => rtf::read(bytes, out),
        Kind::Zip | Kind::Tar | Kind::Gzip => archive::read(kind, name, bytes, out),
    }
}
