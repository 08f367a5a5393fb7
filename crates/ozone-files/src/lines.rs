//! Characters with places to lines of text.
//!
//! Characters are taken in the order in which they are drawn, which is the order of reading in what
//! almost all programs write, columns included. Only what the order does not say is read off the
//! places: where a word, a line and a paragraph end.

/// Where a character stands, in its own direction of writing; lengths are in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// In radians.
    pub angle: f64,
    pub start: f64,
    pub advance: f64,
    /// Grows from line to line.
    pub baseline: f64,
    pub size: f64,
}

/// In parts of the size of the text.
const WORD_GAP: f64 = 0.17;
const CELL_GAP: f64 = 2.5;
const LINE_DRIFT: f64 = 0.45;
const PARAGRAPH_GAP: f64 = 1.9;
/// Less than this apart, the same character was drawn twice to look bold.
const TWICE: f64 = 0.12;
/// One page; longer ones are an attack, and end there.
const TEXT_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Lines {
    text: String,
    last: Option<(String, Placed)>,
}

impl Lines {
    pub fn push(&mut self, text: &str, placed: Placed) {
        let is_sound = [placed.start, placed.advance, placed.baseline, placed.size]
            .iter()
            .all(|n| n.is_finite());
        if !is_sound || self.text.len() > TEXT_BYTES_MAX {
            return;
        }
        if let Some((before, last)) = &self.last {
            let size = placed.size.max(last.size).max(f64::MIN_POSITIVE);
            let drift = (placed.baseline - last.baseline) / size;
            let moved = (placed.start - last.start) / size;
            let gap = (placed.start - last.start - last.advance) / size;
            let is_line = (placed.angle - last.angle).abs() < 0.05 && drift.abs() < LINE_DRIFT;
            if is_line && before == text && moved.abs() < TWICE && !text.trim().is_empty() {
                return;
            }
            if !is_line || moved < -1.0 {
                self.end_line();
                if drift.abs() > PARAGRAPH_GAP {
                    self.end_paragraph();
                }
            } else if gap > CELL_GAP {
                self.gap("  ");
            } else if gap > WORD_GAP {
                self.gap(" ");
            }
        }
        for c in text.chars() {
            self.character(c);
        }
        self.last = Some((text.to_owned(), placed));
    }

    fn character(&mut self, c: char) {
        match c {
            '\u{ad}' | '\u{feff}' | '\u{200b}' => {}
            '\u{fb00}' => self.text.push_str("ff"),
            '\u{fb01}' => self.text.push_str("fi"),
            '\u{fb02}' => self.text.push_str("fl"),
            '\u{fb03}' => self.text.push_str("ffi"),
            '\u{fb04}' => self.text.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => self.text.push_str("st"),
            c if c.is_whitespace() => self.gap(" "),
            c if c.is_control() => {}
            c => self.text.push(c),
        }
    }

    fn gap(&mut self, blanks: &str) {
        if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.text.push_str(blanks);
        }
    }

    fn end_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn end_paragraph(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}
