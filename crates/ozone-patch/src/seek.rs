//! Finds lines in a file, at the levels of likeness that the reference appliers have.

/// How much a place of the file is like what was looked for, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    Exact,
    /// Without white space at the lines' ends.
    TrimmedEnd,
    /// Without white space around the lines.
    Trimmed,
    /// The same with plain punctuation: dashes, quotes and blanks of other kinds.
    Plain,
}

const LEVELS: [Likeness; 4] =
    [Likeness::Exact, Likeness::TrimmedEnd, Likeness::Trimmed, Likeness::Plain];

/// Lines that are compared before a search gives up: a file of equal lines is searched in time.
const COMPARISONS_MAX: usize = 10_000_000;

pub(crate) struct Seeker<'a> {
    lines: &'a [&'a str],
    /// Made when it is first wanted.
    plain: Option<Vec<String>>,
    comparisons_left: usize,
}

impl<'a> Seeker<'a> {
    pub fn new(lines: &'a [&'a str]) -> Self {
        Seeker { lines, plain: None, comparisons_left: COMPARISONS_MAX }
    }

    pub fn lines(&self) -> &'a [&'a str] {
        self.lines
    }

    /// The first place from a line on, at the closest level that has one. What stands `at_end` is
    /// looked for there first.
    pub fn find(
        &mut self,
        wanted: &[&str],
        from: usize,
        at_end: bool,
    ) -> Option<(usize, Likeness)> {
        let last = self.lines.len().checked_sub(wanted.len())?;
        if at_end && last >= from {
            let found = LEVELS.into_iter().find(|level| self.is_at(last, wanted, *level));
            if let Some(level) = found {
                return Some((last, level));
            }
        }
        LEVELS.into_iter().find_map(|level| Some((self.find_alike(wanted, from, level)?, level)))
    }

    /// The first place from a line on at this level.
    pub fn find_alike(&mut self, wanted: &[&str], from: usize, level: Likeness) -> Option<usize> {
        let last = self.lines.len().checked_sub(wanted.len())?;
        (from..=last).find(|at| self.is_at(*at, wanted, level))
    }

    /// The line behind the one that an anchor names. One that was passed is where we are, unless it
    /// is `within` another.
    pub fn anchor(&mut self, anchor: &str, from: usize, within: bool) -> Option<usize> {
        for level in LEVELS {
            if !within && (0..from).any(|at| self.is_at(at, &[anchor], level)) {
                return Some(from);
            }
            if let Some(at) = self.find_alike(&[anchor], from, level) {
                return Some(at + 1);
            }
        }
        // `@@ def f` for `def f(x):`.
        let mut lines = self.lines.iter().skip(from);
        let at = lines.position(|line| line.trim_start().starts_with(anchor.trim()));
        at.map(|at| from + at + 1)
    }

    fn is_at(&mut self, at: usize, wanted: &[&str], level: Likeness) -> bool {
        for (index, wanted) in wanted.iter().enumerate() {
            let Some(left) = self.comparisons_left.checked_sub(1) else { return false };
            self.comparisons_left = left;
            let line = self.lines[at + index];
            let is_like = match level {
                Likeness::Exact => line == *wanted,
                Likeness::TrimmedEnd => line.trim_end() == wanted.trim_end(),
                Likeness::Trimmed => line.trim() == wanted.trim(),
                Likeness::Plain => {
                    let lines = self.lines;
                    let made = || lines.iter().map(|line| plain(line)).collect();
                    self.plain.get_or_insert_with(made)[at + index] == plain(wanted)
                }
            };
            if !is_like {
                return false;
            }
        }
        true
    }
}

/// A line with the punctuation of ASCII, and no white space around it.
pub(crate) fn plain(line: &str) -> String {
    let one = |c: char| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    };
    line.trim().chars().map(one).collect::<String>().trim().to_owned()
}
