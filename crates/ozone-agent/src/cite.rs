//! The marks in an answer, `【a1b2†notes.md】`, to citations of files.
//!
//! A mark that the loop gave the model is taken out of the text, and a citation stands in its place;
//! whatever else is between such brackets stays as it was written. What might be the beginning of a
//! mark is held back until it is told, so that the deltas never say what the text does not.

use ozone_tools::file_search::mark_id;
use ozone_types::{Annotation, FoundPassage};

const OPEN: char = '【';
const CLOSE: char = '】';
/// A longer text between brackets is no mark.
const MARK_BYTES_MAX: usize = 1024;

#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    /// `(mark, file id, file name)`
    known: Vec<(String, String, String)>,
    /// The beginning of a mark, or of something like it.
    held: String,
}

/// A piece of a text, without its marks.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub text: String,
    pub citations: Vec<Annotation>,
}

impl Marks {
    /// Passages that an answer may cite from now on.
    pub fn learn(&mut self, found: &[FoundPassage]) {
        for FoundPassage { file_id, filename, .. } in found {
            if !self.known.iter().any(|(_, id, _)| id == file_id) {
                self.known.push((mark_id(file_id), file_id.clone(), filename.clone()));
            }
        }
    }

    /// Reads on in a text of which `chars` characters are said.
    pub fn read(&mut self, delta: &str, chars: u64) -> Read {
        if self.known.is_empty() {
            return Read { text: delta.to_owned(), citations: vec![] };
        }
        let mut read = Read::default();
        for c in delta.chars() {
            match c {
                OPEN => {
                    read.text.push_str(&std::mem::take(&mut self.held));
                    self.held.push(c);
                }
                CLOSE if !self.held.is_empty() => {
                    let mark = std::mem::take(&mut self.held);
                    let index = chars + read.text.chars().count() as u64;
                    match self.citation(&mark, index) {
                        Some(citation) => read.citations.push(citation),
                        None => {
                            read.text.push_str(&mark);
                            read.text.push(c);
                        }
                    }
                }
                c if self.held.is_empty() => read.text.push(c),
                c => {
                    self.held.push(c);
                    if self.held.len() > MARK_BYTES_MAX {
                        read.text.push_str(&std::mem::take(&mut self.held));
                    }
                }
            }
        }
        read
    }

    /// What was held back, when the text has ended.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// `mark` is without its last bracket.
    fn citation(&self, mark: &str, index: u64) -> Option<Annotation> {
        let inner = mark.strip_prefix(OPEN)?;
        let (id, name) = inner.split_once('†').unwrap_or((inner, ""));
        let of_this_mark = || self.known.iter().filter(|(mark, ..)| mark == id.trim());
        let (_, file_id, filename) = of_this_mark()
            .find(|(_, _, filename)| filename == name)
            .or_else(|| of_this_mark().next())?;
        Some(Annotation::FileCitation {
            file_id: file_id.clone(),
            filename: filename.clone(),
            index,
        })
    }
}
