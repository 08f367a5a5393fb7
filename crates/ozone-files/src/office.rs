//! Documents that are archives of XML: Word, PowerPoint, OpenDocument, EPUB.

use std::collections::HashMap;

use crate::unpack::Package;
use crate::xml::{Node, attribute, walk};
use crate::{Kind, Out, Unit, Unreadable};

/// What a document's XML has been read to.
#[derive(Default)]
struct Text {
    text: String,
    /// Cells of tables that are open.
    cells: usize,
    /// Elements that are open and hold text.
    texts: usize,
}

impl Text {
    fn end_paragraph(&mut self) {
        // A cell stays on its row's line.
        self.text.push(if self.cells > 0 { ' ' } else { '\n' });
    }

    fn end_cell(&mut self) {
        self.cells = self.cells.saturating_sub(1);
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\t');
    }

    fn end_row(&mut self) {
        self.text.truncate(self.text.trim_end_matches('\t').len());
        self.text.push('\n');
    }

    /// What WordprocessingML and DrawingML have in common.
    fn read(&mut self, node: Node<'_>) {
        match node {
            Node::Start("t", _) => self.texts += 1,
            Node::End("t") => self.texts = self.texts.saturating_sub(1),
            Node::End("p") => self.end_paragraph(),
            Node::Start("tc", _) => self.cells += 1,
            Node::End("tc") => self.end_cell(),
            Node::End("tr") => self.end_row(),
            Node::Text(said) if self.texts > 0 => self.text.push_str(said),
            Node::Start(..) | Node::End(_) | Node::Text(_) => {}
        }
    }
}

pub(crate) fn docx(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let mut text = word(&package.required("word/document.xml", out)?, out)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"] {
        let Some(xml) = package.text(notes, out)? else { continue };
        let notes = word(&xml, out)?;
        if !notes.trim().is_empty() {
            text.push_str("\n\n");
            text.push_str(notes.trim());
            text.push('\n');
        }
    }
    out.begins(Kind::Docx, Some(1));
    out.part(Unit::Text, 1, None, text)
}

/// WordprocessingML. What was deleted while changes were tracked stays out; the form of a drawing
/// for old programs does, too.
fn word(xml: &str, out: &Out<'_>) -> Result<String, Unreadable> {
    let mut read = Text::default();
    let (mut runs, mut skipped) = (0usize, 0usize);
    walk(xml, out.limits.depth_max, |node| {
        match node {
            Node::Start("Fallback", _) => skipped += 1,
            Node::End("Fallback") => skipped = skipped.saturating_sub(1),
            _ if skipped > 0 => {}
            Node::Start("r", _) => runs += 1,
            Node::End("r") => runs = runs.saturating_sub(1),
            Node::Start("tab", _) if runs > 0 => read.text.push('\t'),
            Node::Start("br" | "cr", _) if runs > 0 => read.text.push('\n'),
            Node::Start("noBreakHyphen", _) => read.text.push('-'),
            Node::Start("pStyle", style) => {
                let level = attribute(style, "val").and_then(|name| {
                    let level = name.strip_prefix("Heading")?.parse::<usize>().ok()?;
                    (1..=6).contains(&level).then_some(level)
                });
                if let Some(level) = level {
                    read.text.push_str(&"#".repeat(level));
                    read.text.push(' ');
                }
            }
            Node::Start("numPr", _) => read.text.push_str("- "),
            node => read.read(node),
        }
        out.has_room(read.text.len())
    })?;
    Ok(read.text)
}

/// Slides in their order, which is not that of their files' names, with the speaker's notes.
pub(crate) fn pptx(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let presentation = package.required("ppt/presentation.xml", out)?;
    let links = relations(&mut package, "ppt/_rels/presentation.xml.rels", out)?;
    let mut slides = vec![];
    walk(&presentation, out.limits.depth_max, |node| {
        if let Node::Start("sldId", slide) = node {
            // Both its number and the link's are called `id`; the link's has a prefix.
            let mut attributes = slide.attributes();
            let mut links = attributes.with_checks(false).filter_map(Result::ok);
            let link = links.find(|a| a.key.as_ref().ends_with(":id"));
            slides.extend(link.map(|a| a.value.into_owned()));
        }
        Ok(())
    })?;
    if slides.len() > out.limits.pages_max {
        let max = out.limits.pages_max;
        let why =
            format!("The presentation has {} slides, and at most {max} are read.", slides.len());
        return Err(Unreadable::Invalid(why));
    }
    out.begins(Kind::Pptx, Some(slides.len()));
    for (link, number) in slides.iter().zip(1..) {
        let path = links.get(link).map(|(_, target)| resolved("ppt/", target)).unwrap_or_default();
        let Some(xml) = package.text(&path, out)? else {
            out.note(format!("slide {number} is missing in the file."));
            continue;
        };
        let mut text = drawing(&xml, out)?;
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let own = relations(&mut package, &format!("{folder}/_rels/{file}.rels"), out)?;
        let notes = own.values().find(|(kind, _)| kind.ends_with("/notesSlide"));
        if let Some((_, target)) = notes
            && let Some(xml) = package.text(&resolved(&format!("{folder}/"), target), out)?
        {
            let notes = drawing(&xml, out)?;
            // PowerPoint keeps the slide's number there.
            if notes.trim().parse::<usize>().is_err() && !notes.trim().is_empty() {
                text.push_str(&format!("\nNotes:\n{}\n", notes.trim()));
            }
        }
        out.part(Unit::Slide, number, None, text)?;
    }
    Ok(())
}

/// DrawingML: the text of the shapes of a slide.
fn drawing(xml: &str, out: &Out<'_>) -> Result<String, Unreadable> {
    let mut read = Text::default();
    walk(xml, out.limits.depth_max, |node| {
        match node {
            Node::Start("br", _) => read.text.push('\n'),
            node => read.read(node),
        }
        out.has_room(read.text.len())
    })?;
    Ok(read.text)
}

/// What a part of a package links to, by the links' ids: its kind and its target.
fn relations(
    package: &mut Package<'_>,
    name: &str,
    out: &mut Out<'_>,
) -> Result<HashMap<String, (String, String)>, Unreadable> {
    let Some(xml) = package.text(name, out)? else { return Ok(HashMap::new()) };
    let mut links = HashMap::new();
    walk(&xml, out.limits.depth_max, |node| {
        if let Node::Start("Relationship", link) = node
            && let (Some(id), Some(kind), Some(target)) =
                (attribute(link, "Id"), attribute(link, "Type"), attribute(link, "Target"))
        {
            links.insert(id, (kind, target));
        }
        Ok(())
    })?;
    Ok(links)
}

/// A path within a package, from a folder of it that ends in a slash.
fn resolved(folder: &str, target: &str) -> String {
    let (base, target) = match target.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (folder, target),
    };
    let mut parts: Vec<&str> = vec![];
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(crate) fn open_text(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let mut pages = open_document(&package.required("content.xml", out)?, out)?;
    out.begins(Kind::OpenText, Some(1));
    out.part(Unit::Text, 1, None, pages.remove(0))
}

pub(crate) fn open_slides(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let pages = open_document(&package.required("content.xml", out)?, out)?;
    // What stands before the first slide is none.
    let slides = &pages[1..];
    out.begins(Kind::OpenSlides, Some(slides.len()));
    for (text, number) in slides.iter().zip(1..) {
        out.part(Unit::Slide, number, None, text.clone())?;
    }
    Ok(())
}

/// What stands before the first page of a drawing, and each page. A text is all before it.
fn open_document(xml: &str, out: &Out<'_>) -> Result<Vec<String>, Unreadable> {
    /// `text:s` stands for so many blanks at most.
    const BLANKS_MAX: usize = 100;
    let mut pages = vec![];
    let mut read = Text::default();
    let (mut paragraphs, mut skipped) = (0usize, 0usize);
    walk(xml, out.limits.depth_max, |node| {
        match node {
            Node::Start("tracked-changes", _) => skipped += 1,
            Node::End("tracked-changes") => skipped = skipped.saturating_sub(1),
            _ if skipped > 0 => {}
            // `draw:page`, and not the field `text:page-number`.
            Node::Start("page", _) => pages.push(std::mem::take(&mut read.text)),
            Node::Start("p", _) => paragraphs += 1,
            Node::Start("h", heading) => {
                paragraphs += 1;
                let level = attribute(heading, "outline-level").and_then(|l| l.parse().ok());
                read.text.push_str(&"#".repeat(level.unwrap_or(1usize).clamp(1, 6)));
                read.text.push(' ');
            }
            Node::End("p" | "h") => {
                paragraphs = paragraphs.saturating_sub(1);
                read.end_paragraph();
            }
            Node::Start("s", blanks) if paragraphs > 0 => {
                let count = attribute(blanks, "c").and_then(|c| c.parse().ok()).unwrap_or(1);
                read.text.push_str(&" ".repeat(BLANKS_MAX.min(count)));
            }
            Node::Start("tab", _) if paragraphs > 0 => read.text.push('\t'),
            Node::Start("line-break", _) if paragraphs > 0 => read.text.push('\n'),
            Node::Start("table-cell", _) => read.cells += 1,
            Node::End("table-cell") => read.end_cell(),
            Node::End("table-row") => read.end_row(),
            Node::Text(said) if paragraphs > 0 => read.text.push_str(said),
            Node::Start(..) | Node::End(_) | Node::Text(_) => {}
        }
        out.has_room(read.text.len())
    })?;
    pages.push(read.text);
    Ok(pages)
}

/// The chapters of a book in the order of its spine.
pub(crate) fn epub(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let container = package.required("META-INF/container.xml", out)?;
    let (mut root, depth_max) = (None, out.limits.depth_max);
    walk(&container, depth_max, |node| {
        if let Node::Start("rootfile", file) = node {
            root = root.take().or(attribute(file, "full-path"));
        }
        Ok(())
    })?;
    let root =
        root.ok_or_else(|| Unreadable::invalid("The book is broken: it names no content."))?;
    let (mut files, mut spine) = (HashMap::new(), vec![]);
    walk(&package.required(&root, out)?, depth_max, |node| {
        match node {
            Node::Start("item", item) => {
                if let (Some(id), Some(file)) = (attribute(item, "id"), attribute(item, "href")) {
                    files.insert(id, file);
                }
            }
            Node::Start("itemref", chapter) => spine.extend(attribute(chapter, "idref")),
            Node::Start(..) | Node::End(_) | Node::Text(_) => {}
        }
        Ok(())
    })?;
    if spine.len() > out.limits.pages_max {
        let max = out.limits.pages_max;
        let why = format!("The book has {} chapters, and at most {max} are read.", spine.len());
        return Err(Unreadable::Invalid(why));
    }
    let folder = root.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    out.begins(Kind::Epub, Some(spine.len()));
    for (id, number) in spine.iter().zip(1..) {
        let path = files.get(id).map(|file| resolved(&folder, file)).unwrap_or_default();
        match package.text(&path, out)? {
            Some(html) => {
                let text = crate::text::page(&html, depth_max)?;
                out.part(Unit::Chapter, number, None, text)?;
            }
            None => out.note(format!("chapter {number} is missing in the file.")),
        }
    }
    Ok(())
}
