//! A tree of HTML to lines: what a reader sees of it, its tables as Markdown, its links numbered.
//!
//! What the page marks as its main part comes first, and what stands around it (menus, related
//! pages, the foot) behind, so that nothing is lost and the first lines are worth reading.

use std::collections::{HashMap, HashSet};

use url::Url;

use crate::dom::{Content, NodeId, ROOT, Tree};
use crate::page::{Link, Page, rule};
use crate::text;

const LINKS_MAX: usize = 3000;
const LINK_CHARS_MAX: usize = 200;
const URL_BYTES_MAX: usize = 2000;
/// The most columns of a table; a row is cut to its line anyway.
const COLUMNS_MAX: usize = 100;
const ROWS_MAX: usize = 20_000;
const CELL_CHARS_MAX: usize = 1000;
/// Of all lines: cells that span many places say their text in each.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// A main part with less text than this is none.
const MAIN_BYTES_MIN: usize = 200;
const AROUND: &str = "[Around the page:]";

const UNSEEN: &[&str] = &[
    "script", "style", "template", "svg", "iframe", "object", "embed", "canvas", "audio", "video",
    "head", "input", "textarea", "select", "datalist", "noframes",
];
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "button",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "html",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

pub(crate) fn read(source: &str, page: &mut Page) {
    let tree = Tree::parse(source);
    page.cut = tree.cut.map(|why| format!("not the whole page was read: {why}"));
    let facts = Facts::of(&tree);
    let own = Url::parse(&page.url).ok();
    let base = facts.base.and_then(|base| match &own {
        Some(own) => own.join(&base).ok(),
        None => Url::parse(&base).ok(),
    });
    page.title = facts.title;
    page.saved_from = facts.saved_from;
    let mut flow = Flow {
        tree: &tree,
        nested: facts.nested,
        base: base.or(own),
        skip: None,
        page,
        inline: String::new(),
        prefix: String::new(),
        lists: vec![],
        pre: 0,
        link: None,
        bytes: 0,
    };
    match facts.main {
        Some(main) => {
            flow.walk(main);
            let before = flow.page.lines.len();
            flow.write([AROUND.to_owned()]);
            flow.skip = Some(main);
            flow.walk(ROOT);
            if flow.page.lines.len() == before + 1 {
                flow.page.lines.pop();
            }
        }
        None => flow.walk(ROOT),
    }
}

/// What one pass over the tree tells of the page as a whole.
struct Facts {
    title: String,
    base: Option<String>,
    saved_from: Option<String>,
    main: Option<NodeId>,
    /// Tables with tables in them: they are there for the layout.
    nested: HashSet<NodeId>,
}

impl Facts {
    fn of(tree: &Tree) -> Facts {
        let (mut title, mut heading) = (None, None);
        let (mut base, mut saved, mut canonical) = (None, None, None);
        let (mut mains, mut articles) = (vec![], vec![]);
        for id in tree.below(ROOT) {
            match tree.content(id) {
                Content::Comment(comment) => saved = saved.or_else(|| saved_from(comment)),
                Content::Text(_) | Content::Plain => {}
                Content::Element { name, .. } => match name.as_str() {
                    "title" => title = title.or_else(|| Some(text_below(tree, id))),
                    "h1" => heading = heading.or_else(|| Some(text_below(tree, id))),
                    "base" => base = base.or_else(|| tree.attribute(id, "href").map(str::to_owned)),
                    "link" if tree.attribute(id, "rel") == Some("canonical") => {
                        canonical = canonical.or_else(|| tree.attribute(id, "href").and_then(web));
                    }
                    "main" => mains.push(id),
                    "article" => articles.push(id),
                    _ if tree.attribute(id, "role") == Some("main") => mains.push(id),
                    _ => {}
                },
            }
        }
        let main = match (mains.as_slice(), articles.as_slice()) {
            ([first, ..], _) => Some(*first),
            ([], [only]) => Some(*only),
            _ => None,
        };
        let is_full = |id: &NodeId| text_below(tree, *id).len() >= MAIN_BYTES_MIN;
        let title = title.filter(|title| !title.trim().is_empty()).or(heading);
        Facts {
            title: title.unwrap_or_default(),
            base,
            saved_from: saved.or(canonical),
            main: main.filter(is_full),
            nested: nested(tree),
        }
    }
}

/// The address that a browser writes into a page that it saves:
/// `saved from url=(0034)https://example.org/`.
fn saved_from(comment: &str) -> Option<String> {
    let (_, after) = comment.trim().strip_prefix("saved from url=(")?.split_once(')')?;
    web(after.trim())
}

/// An address of the web, as it is written in full.
fn web(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.as_str().len() <= URL_BYTES_MAX).then(|| url.to_string())
}

fn text_below(tree: &Tree, id: NodeId) -> String {
    let mut all = String::new();
    for id in tree.below(id) {
        if let Content::Text(text) = tree.content(id) {
            all.push_str(text);
            all.push(' ');
        }
    }
    all
}

/// On the way down a node is entered, on the way up it is left.
enum Step {
    Enter(NodeId),
    Leave(NodeId),
}

fn nested(tree: &Tree) -> HashSet<NodeId> {
    let (mut steps, mut open, mut nested) = (vec![Step::Enter(ROOT)], vec![], HashSet::new());
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(id) => {
                if tree.name(id) == "table" {
                    nested.extend(open.last().copied());
                    open.push(id);
                    steps.push(Step::Leave(id));
                }
                steps.extend(tree.children(id).iter().rev().map(|child| Step::Enter(*child)));
            }
            Step::Leave(_) => {
                open.pop();
            }
        }
    }
    nested
}

fn is_hidden(tree: &Tree, id: NodeId) -> bool {
    let style = tree.attribute(id, "style").unwrap_or_default();
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    let style = style.to_ascii_lowercase();
    UNSEEN.contains(&tree.name(id))
        || tree.attribute(id, "hidden").is_some()
        || tree.attribute(id, "aria-hidden") == Some("true")
        || style.contains("display:none")
        || style.contains("visibility:hidden")
        || style.contains("font-size:0;")
}

struct Flow<'a> {
    tree: &'a Tree,
    nested: HashSet<NodeId>,
    base: Option<Url>,
    /// It was written already.
    skip: Option<NodeId>,
    page: &'a mut Page,
    /// The line that is being written.
    inline: String,
    /// Stands before the next line: of a heading, or of an item of a list.
    prefix: String,
    /// The lists that are open: `None` with bullets, else the number of the next item.
    lists: Vec<Option<u32>>,
    /// So many `pre` are open.
    pre: usize,
    /// The address of the link that is open, and where its text begins in the line.
    link: Option<(String, usize)>,
    /// Of the lines.
    bytes: usize,
}

impl Flow<'_> {
    fn walk(&mut self, from: NodeId) {
        let tree = self.tree;
        let mut steps = vec![Step::Enter(from)];
        while let Some(step) = steps.pop().filter(|_| !self.is_full()) {
            let id = match step {
                Step::Leave(id) => {
                    self.leave(id);
                    continue;
                }
                Step::Enter(id) if Some(id) == self.skip => continue,
                Step::Enter(id) => id,
            };
            match tree.content(id) {
                Content::Text(text) => self.text(text),
                Content::Comment(_) => {}
                Content::Element { .. } if is_hidden(tree, id) => {}
                Content::Element { name, .. } if name == "table" && self.table(id) => {}
                Content::Element { .. } | Content::Plain => {
                    self.enter(id);
                    steps.push(Step::Leave(id));
                    steps.extend(tree.children(id).iter().rev().map(|child| Step::Enter(*child)));
                }
            }
        }
        self.flush();
    }

    fn write(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.bytes += line.len() + 1;
            self.page.lines.push(line);
        }
    }

    fn is_full(&mut self) -> bool {
        let is_full = self.bytes > TEXT_BYTES_MAX;
        if is_full && self.page.cut.is_none() {
            self.page.cut = Some(format!("only the first {TEXT_BYTES_MAX} bytes of its text"));
        }
        is_full
    }

    fn enter(&mut self, id: NodeId) {
        let name = self.tree.name(id);
        if BLOCKS.contains(&name) {
            self.flush();
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.gap();
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.prefix = format!("{} ", "#".repeat(level));
            }
            "ul" | "menu" | "dl" => self.lists.push(None),
            "ol" => {
                let start = self.tree.attribute(id, "start").and_then(|s| s.trim().parse().ok());
                self.lists.push(Some(start.unwrap_or(1)));
            }
            "li" => {
                self.prefix = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number = number.saturating_add(1);
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
            }
            "pre" => self.pre += 1,
            "a" => {
                let href = self.tree.attribute(id, "href").and_then(|href| self.address(href));
                self.end_link();
                self.link = href.map(|url| (url, self.inline.len()));
            }
            "img" => {
                self.picture(id);
            }
            "td" | "th" => self.text(" "),
            _ => {}
        }
    }

    /// A link to a picture, unless it stands in one already. One with an empty `alt` is decoration.
    fn picture(&mut self, id: NodeId) {
        let source = self.tree.attribute(id, "src");
        let name = || source?.split(['?', '#']).next()?.rsplit('/').next().map(str::to_owned);
        let alt = self.tree.attribute(id, "alt").map(|alt| alt.trim().to_owned());
        let Some(alt) = alt.or_else(name).filter(|alt| !alt.is_empty()) else { return };
        match source.and_then(|source| self.address(source)).filter(|_| self.link.is_none()) {
            Some(url) => {
                self.text(" ");
                self.link = Some((url, self.inline.len()));
                self.text(&format!("image: {alt}"));
                self.end_link();
                self.text(" ");
            }
            None => self.text(&format!(" [image: {alt}] ")),
        }
    }

    fn leave(&mut self, id: NodeId) {
        let name = self.tree.name(id);
        match name {
            "a" => self.end_link(),
            _ if BLOCKS.contains(&name) => self.flush(),
            _ => {}
        }
        match name {
            "pre" => self.pre = self.pre.saturating_sub(1),
            "ul" | "menu" | "dl" | "ol" => {
                self.lists.pop();
            }
            "li" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.prefix.clear(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            for (at, line) in text.split('\n').enumerate() {
                if at > 0 {
                    self.flush();
                }
                self.inline.push_str(&text::shown(line));
            }
            return;
        }
        for c in text::shown(text).chars() {
            if !c.is_whitespace() {
                self.inline.push(c);
            } else if !self.inline.ends_with(' ') {
                self.inline.push(' ');
            }
        }
    }

    /// The address that a link leads to, where that is another page.
    fn address(&self, href: &str) -> Option<String> {
        let href = href.trim();
        if href.is_empty() || href.starts_with('#') || self.page.links.len() >= LINKS_MAX {
            return None;
        }
        let url = match &self.base {
            Some(base) => base.join(href).ok()?,
            None => Url::parse(href).ok()?,
        };
        let leads = matches!(url.scheme(), "http" | "https" | "file");
        (leads && url.as_str().len() <= URL_BYTES_MAX).then(|| url.to_string())
    }

    /// The text of the open link becomes a link, if there is any.
    fn end_link(&mut self) {
        let Some((url, from)) = self.link.take() else { return };
        let Some(text) = self.inline.get(from..) else { return };
        let plain: String = text::collapsed(text).chars().take(LINK_CHARS_MAX).collect();
        if plain.is_empty() {
            return;
        }
        let (before, after) = (text.starts_with(' '), text.ends_with(' '));
        let host = |url: &str| Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned));
        let elsewhere = host(&url).filter(|there| Some(there) != host(&self.page.url).as_ref());
        let elsewhere = elsewhere.map_or_else(String::new, |there| format!("†{there}"));
        self.page.links.push(Link { url, text: plain.clone() });
        let mark = format!("【{}†{plain}{elsewhere}】", self.page.links.len());
        self.inline.truncate(from);
        let blank = |is: bool| if is { " " } else { "" };
        self.inline.push_str(&format!("{}{mark}{}", blank(before), blank(after)));
    }

    /// Ends the line that is being written.
    fn flush(&mut self) {
        self.end_link();
        let inline = std::mem::take(&mut self.inline);
        let line = if self.pre > 0 { inline.trim_end() } else { inline.trim() };
        if line.is_empty() {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(8));
        let prefix = std::mem::take(&mut self.prefix);
        let line = format!("{indent}{prefix}{line}");
        self.write(match self.pre {
            0 => text::wrapped(&line, &indent),
            _ => text::rows(&line),
        });
    }

    fn gap(&mut self) {
        if self.page.lines.last().is_some_and(|line| !line.is_empty()) {
            self.write([String::new()]);
        }
    }

    /// Writes a table of data. One that is there for the layout is read like any other part.
    fn table(&mut self, id: NodeId) -> bool {
        if self.nested.contains(&id) || self.skip.is_some_and(|skip| self.holds(id, skip)) {
            return false;
        }
        let rows = self.rows(id);
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns < 2 || rows.len() < 2 {
            return false;
        }
        self.flush();
        self.gap();
        let tree = self.tree;
        if let Some(caption) = tree.below(id).find(|id| tree.name(*id) == "caption") {
            let caption = self.cell(caption);
            self.write(text::wrapped(&caption, ""));
        }
        let mut said: HashMap<NodeId, String> = HashMap::from([(ROOT, String::new())]);
        for (at, cells) in rows.iter().enumerate() {
            let mut line = String::from("|");
            for place in 0..columns {
                let cell = cells.get(place).copied().unwrap_or(ROOT);
                let text = said.entry(cell).or_insert_with(|| self.cell(cell));
                line.push_str(&format!(" {text} |"));
            }
            self.write(text::rows(&line));
            if at == 0 {
                self.write([rule(columns)]);
            }
            if self.is_full() {
                break;
            }
        }
        self.write([String::new()]);
        true
    }

    fn holds(&self, table: NodeId, other: NodeId) -> bool {
        self.tree.below(table).any(|id| id == other)
    }

    /// The cells of each row; one that spans several places stands in each, so that every row can be
    /// read by itself.
    fn rows(&self, table: NodeId) -> Vec<Vec<NodeId>> {
        let mut rows: Vec<Vec<NodeId>> = vec![];
        // By column: a cell from above and the rows that it still spans.
        let mut above: Vec<(NodeId, usize)> = vec![];
        let is_row = |id: &NodeId| self.tree.name(*id) == "tr";
        for tr in self.tree.below(table).filter(is_row).take(ROWS_MAX) {
            if is_hidden(self.tree, tr) {
                continue;
            }
            let mut cells: Vec<NodeId> = vec![];
            let mut next: Vec<(NodeId, usize)> = vec![];
            let own = self.tree.children(tr).iter().filter(|id| {
                matches!(self.tree.name(**id), "td" | "th") && !is_hidden(self.tree, **id)
            });
            let mut own = own.copied().peekable();
            while cells.len() < COLUMNS_MAX {
                let column = cells.len();
                if let Some((cell, left)) = above.get(column).copied().filter(|(_, left)| *left > 0)
                {
                    cells.push(cell);
                    next.push((cell, left - 1));
                    continue;
                }
                let Some(cell) = own.next() else {
                    if column >= above.len() {
                        break;
                    }
                    match above[column..].iter().any(|(_, left)| *left > 0) {
                        // A hole before a cell from above.
                        true => {
                            cells.push(ROOT);
                            next.push((ROOT, 0));
                        }
                        false => break,
                    }
                    continue;
                };
                let span = |key: &str| {
                    let span = self.tree.attribute(cell, key).and_then(|s| s.trim().parse().ok());
                    span.unwrap_or(1).clamp(1, COLUMNS_MAX)
                };
                let (wide, high) = (span("colspan"), span("rowspan"));
                for _ in 0..wide.min(COLUMNS_MAX - cells.len()) {
                    cells.push(cell);
                    next.push((cell, high - 1));
                }
            }
            above = next;
            if !cells.is_empty() {
                rows.push(cells);
            }
        }
        rows
    }

    /// The text of a cell on one line, with its links.
    fn cell(&mut self, cell: NodeId) -> String {
        let tree = self.tree;
        let kept = (std::mem::take(&mut self.inline), self.link.take());
        let mut steps = vec![Step::Enter(cell)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Leave(_) => self.end_link(),
                Step::Enter(id) => match tree.content(id) {
                    Content::Text(text) => self.text(text),
                    Content::Comment(_) => {}
                    _ if is_hidden(tree, id) => {}
                    _ => {
                        match tree.name(id) {
                            "img" => self.enter(id),
                            "a" => {
                                self.enter(id);
                                steps.push(Step::Leave(id));
                            }
                            name if BLOCKS.contains(&name) => self.text(" "),
                            _ => {}
                        }
                        let below = tree.children(id).iter().rev();
                        steps.extend(below.map(|child| Step::Enter(*child)));
                    }
                },
            }
        }
        let line = std::mem::take(&mut self.inline);
        (self.inline, self.link) = kept;
        let line = text::collapsed(&line).replace('|', "\\|");
        if line.chars().count() <= CELL_CHARS_MAX {
            return line;
        }
        let head: String = line.chars().take(CELL_CHARS_MAX).collect();
        format!("{head} […]")
    }
}
