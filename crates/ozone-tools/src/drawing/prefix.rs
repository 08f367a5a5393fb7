//! The beginning of a drawing that is still being written, closed so that it can be drawn.
//!
//! Cuts are made behind whole shapes alone, at any depth: whatever is open there is closed.

/// What is drawn by itself.
const SHAPES: [&str; 9] =
    ["path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "image"];
/// What is drawn where something refers to it, or not at all.
const UNDRAWN: [&str; 10] = [
    "defs", "style", "symbol", "marker", "mask", "pattern", "clipPath", "filter", "text",
    "metadata",
];

/// Reads a drawing as it comes and counts its shapes.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Elements that are open.
    open: Vec<String>,
    /// Of the markup that is being read, from its `<`.
    markup: String,
    /// Within which an attribute's value stands.
    quote: Option<char>,
    count: usize,
}

impl Shapes {
    /// Whole shapes so far.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn push(&mut self, text: &str) {
        text.chars().for_each(|c| self.take(c));
    }

    fn take(&mut self, c: char) {
        if self.markup.is_empty() {
            if c == '<' {
                self.markup.push(c);
            }
            return;
        }
        self.markup.push(c);
        let is_prose = |start: &str, end: &str| {
            self.markup
                .starts_with(start)
                .then(|| self.markup.len() >= start.len() + end.len() && self.markup.ends_with(end))
        };
        let prose = is_prose("<!--", "-->").or_else(|| is_prose("<![CDATA[", "]]>"));
        let ended = match (prose.or_else(|| is_prose("<?", "?>")), self.quote) {
            (Some(ended), _) => ended,
            (None, Some(quote)) => {
                if c == quote {
                    self.quote = None;
                }
                false
            }
            (None, None) if matches!(c, '"' | '\'') && !self.markup.starts_with("<!") => {
                self.quote = Some(c);
                false
            }
            (None, None) => c == '>',
        };
        if ended {
            let markup = std::mem::take(&mut self.markup);
            self.element(&markup);
        }
    }

    fn element(&mut self, markup: &str) {
        let inner = markup.trim_start_matches('<').trim_end_matches('>');
        if inner.starts_with(['!', '?']) {
            return;
        }
        if inner.starts_with('/') {
            if let Some(name) = self.open.pop() {
                self.ended(&name);
            }
            return;
        }
        let name = inner.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        match inner.ends_with('/') {
            true => self.ended(name),
            false => self.open.push(name.to_owned()),
        }
    }

    fn ended(&mut self, name: &str) {
        let is_drawn = !self.open.iter().any(|open| UNDRAWN.contains(&open.as_str()));
        let is_shape = SHAPES.contains(&name) || name == "use";
        self.count += usize::from(is_shape && is_drawn && !self.open.is_empty());
    }
}

/// The first so many shapes of a drawing; all of it if it has no more. `None` if it has none.
pub(super) fn first(svg: &str, shapes: usize) -> Option<String> {
    let mut read = Shapes::default();
    for (at, c) in svg.char_indices() {
        read.take(c);
        if read.count >= shapes.max(1) {
            let mut begun = svg[..at + c.len_utf8()].to_owned();
            for name in read.open.iter().rev() {
                begun.push_str(&format!("</{name}>"));
            }
            return Some(begun);
        }
    }
    (read.count > 0).then(|| svg.to_owned())
}
