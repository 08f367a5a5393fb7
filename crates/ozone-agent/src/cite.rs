//! The marks in an answer to citations: `【a1b2†a.pdf†page 3】` of files, `【g3fa01†L12-L18】` of lines of
//! pages.
//!
//! A mark that the loop gave the model is taken out of the text, and a citation stands in its place;
//! in the place of lines of a page stands a link, which the citation covers. Lines that the model
//! was not shown cannot be cited: their mark is taken out, and that is all. Whatever else is between
//! such brackets stays as it was written. What might be the beginning of a mark is held back until
//! it is told, so that the deltas never say what the text does not.

use ozone_tools::file_search::{PAGE, mark_id};
use ozone_tools::web;
use ozone_types::{Annotation, FoundPassage, SeenLines};

const OPEN: char = '【';
const CLOSE: char = '】';
/// A longer text between brackets is no mark.
const MARK_BYTES_MAX: usize = 1024;

/// A file of which the model was shown passages.
#[derive(Debug, Clone)]
struct KnownFile {
    mark: String,
    id: String,
    name: String,
    /// The pages that they stand on.
    pages: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    known: Vec<KnownFile>,
    /// What was shown of pages.
    lines: Vec<SeenLines>,
    /// What looks like a mark of lines is one, known or not.
    expects_lines: bool,
    /// The beginning of a mark, or of something like it.
    held: String,
    /// The last character that was said of the text.
    last: Option<char>,
}

/// A piece of a text, without its marks.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub text: String,
    pub citations: Vec<Annotation>,
}

/// What stands between brackets.
enum Mark {
    File(Annotation),
    Lines(SeenLines),
    /// Of lines that were not shown.
    Unseen,
    No,
}

impl Marks {
    /// Passages that an answer may cite from now on.
    pub fn learn(&mut self, found: &[FoundPassage]) {
        for FoundPassage { file_id, filename, page, .. } in found {
            let at = self.known.iter().position(|file| file.id == *file_id);
            let at = at.unwrap_or_else(|| {
                let (mark, id, name) = (mark_id(file_id), file_id.clone(), filename.clone());
                self.known.push(KnownFile { mark, id, name, pages: vec![] });
                self.known.len() - 1
            });
            self.known[at].pages.extend(page);
        }
    }

    /// Lines that an answer may cite from now on.
    pub fn learn_lines(&mut self, seen: &[SeenLines]) {
        self.lines.extend_from_slice(seen);
    }

    /// The model can look at pages.
    pub fn expect_lines(&mut self) {
        self.expects_lines = true;
    }

    /// Reads on in a text of which `chars` characters are said.
    pub fn read(&mut self, delta: &str, chars: u64) -> Read {
        let looks_at_pages = self.expects_lines || !self.lines.is_empty();
        if self.known.is_empty() && !looks_at_pages {
            return Read { text: delta.to_owned(), citations: vec![] };
        }
        if chars == 0 {
            self.last = Some(' ');
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
                    self.close(&mark, looks_at_pages, chars, &mut read);
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
        self.last = read.text.chars().last().or(self.last);
        read
    }

    /// What was held back, when the text has ended.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// `mark` is without its last bracket.
    fn close(&self, mark: &str, looks_at_pages: bool, chars: u64, read: &mut Read) {
        let index = |text: &str| chars + text.chars().count() as u64;
        let inner = mark.strip_prefix(OPEN).unwrap_or(mark);
        let told = match looks_at_pages {
            true => self.page(inner),
            false => Mark::No,
        };
        let told = match told {
            Mark::No => self.file(inner, index(&read.text)).map_or(Mark::No, Mark::File),
            page => page,
        };
        match told {
            Mark::File(citation) => read.citations.push(citation),
            Mark::Lines(lines) => {
                let last = read.text.chars().last().or(self.last);
                if !last.is_some_and(char::is_whitespace) {
                    read.text.push(' ');
                }
                let start_index = index(&read.text);
                read.text.push_str(&link(&lines));
                read.citations.push(Annotation::UrlCitation {
                    url: lines.url,
                    title: lines.title,
                    start_index,
                    end_index: index(&read.text),
                });
            }
            Mark::Unseen => tracing::info!("a citation of lines that were not shown is left out"),
            Mark::No => {
                read.text.push_str(mark);
                read.text.push(CLOSE);
            }
        }
    }

    fn file(&self, inner: &str, index: u64) -> Option<Annotation> {
        let mut spelt = inner.split('†');
        let (id, name) = (spelt.next().unwrap_or_default(), spelt.next().unwrap_or_default());
        let of_this_mark = || self.known.iter().filter(|file| file.mark == id.trim());
        let file =
            of_this_mark().find(|file| file.name == name).or_else(|| of_this_mark().next())?;
        // A page that the model was not shown is not cited; its file is.
        let page = spelt.next().and_then(|page| page.trim().strip_prefix(PAGE)?.parse().ok());
        let page = page.filter(|page| file.pages.contains(page));
        let (file_id, filename) = (file.id.clone(), file.name.clone());
        Some(Annotation::FileCitation { file_id, filename, index, page })
    }

    /// Lines of a page, if all of them were shown.
    fn page(&self, inner: &str) -> Mark {
        let (id, spelt) = inner.split_once('†').unwrap_or((inner, ""));
        let id = id.trim();
        if !web::is_mark(id) {
            return Mark::No;
        }
        let ranges: Option<Vec<(u64, u64)>> = spelt.split(',').map(range).collect();
        let of_page = || self.lines.iter().filter(|lines| lines.mark == id);
        let was_shown = |(first, last): &(u64, u64)| {
            let mut next = *first;
            while let Some(lines) = of_page().find(|l| (l.first..=l.last).contains(&next)) {
                if lines.last >= *last {
                    return true;
                }
                next = lines.last + 1;
            }
            false
        };
        match (ranges, of_page().next()) {
            (Some(ranges), Some(page)) if ranges.iter().all(was_shown) => Mark::Lines(page.clone()),
            _ => Mark::Unseen,
        }
    }
}

/// `L12-L18` or `L12`, also without the letters.
fn range(spelt: &str) -> Option<(u64, u64)> {
    let number = |text: &str| text.trim().trim_start_matches(['L', 'l']).parse::<u64>().ok();
    let (first, last) = spelt.split_once(['-', '–']).unwrap_or((spelt, spelt));
    let (first, last) = (number(first)?, number(last)?);
    (1 <= first && first <= last).then_some((first, last))
}

/// A page as an answer names it: `([grid.test](https://grid.test/load))`.
fn link(lines: &SeenLines) -> String {
    let (_, rest) = lines.url.split_once("://").unwrap_or(("", &lines.url));
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty());
    let name = host.unwrap_or(&lines.title).replace(['[', ']'], "");
    let url = lines.url.replace('(', "%28").replace(')', "%29");
    format!("([{name}]({url}))")
}
