//! V4A diffs: the form in which models are taught to change files, as `apply_patch` takes it.
//!
//! A diff names places by what stands there, never by line numbers, so it has to be found in the
//! file. Models copy badly; the levels of likeness at which a place still counts as found are those of
//! the public reference appliers (exact, without trailing white space, without white space around,
//! with plain punctuation), and what is kept is always the file's own text. What cannot be applied
//! is told in words by which a model mends it: the line that was not found, and the nearest one.
//! Plain functions of texts: no files, no clocks.

mod nearest;
mod parse;
mod seek;

use parse::{Line, Piece};
use seek::{Likeness, Seeker};

/// The longest diff that is read.
pub const DIFF_BYTES_MAX: usize = 1 << 20;

/// Why a diff cannot be applied, in words for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(String);

impl PatchError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        PatchError(why.into())
    }
}

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    pub text: String,
    pub lines_added: usize,
    pub lines_removed: usize,
    /// What the writer of the diff should know, though it was applied.
    pub notes: Vec<String>,
}

/// The text of a new file: each line stands behind a `+`. It ends with a line break unless the diff
/// says otherwise (`\ No newline at end of file`).
pub fn create(diff: &str) -> Result<String, PatchError> {
    parse::short_enough(diff)?;
    let line_end = if diff.contains("\r\n") { "\r\n" } else { "\n" };
    let (mut lines, mut is_open) = (vec![], false);
    for (number, line) in parse::lines(diff) {
        match line.strip_prefix('+') {
            Some(line) => lines.push(line),
            None if line.is_empty() => lines.push(""),
            None if line.starts_with('\\') => is_open = true,
            None => {
                let line = nearest::short(line);
                return Err(PatchError::new(format!(
                    "line {number} of the diff, `{line}`, does not begin with `+`: in a new file \
                     each line does"
                )));
            }
        }
    }
    let mut text = lines.join(line_end);
    if !text.is_empty() && !text.ends_with('\n') && !is_open {
        text.push_str(line_end);
    }
    Ok(text)
}

/// Applies a diff to a file's text.
pub fn update(text: &str, diff: &str) -> Result<Updated, PatchError> {
    let pieces = parse::pieces(diff)?;
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let file = File::of(body);
    let texts: Vec<&str> = file.lines.iter().map(|line| line.text).collect();
    let mut seeker = Seeker::new(&texts);
    let (mut edits, mut notes, mut cursor) = (vec![], vec![], 0);
    for (piece, number) in pieces.iter().zip(1..) {
        let place = place(piece, number, cursor, &mut seeker, &mut notes)?;
        edits.push(Edit { piece, at: place.at, old_lines: place.old_lines });
        cursor = place.at + place.old_lines;
    }
    let changed = file.with(&edits, diff.contains("\r\n"));
    if changed == body {
        return Err(PatchError::new("the diff changes nothing: the file stays as it is"));
    }
    let count = |is_it: fn(&Line<'_>) -> bool| {
        pieces.iter().flat_map(|piece| &piece.lines).filter(|line| is_it(line)).count()
    };
    Ok(Updated {
        text: format!("{mark}{changed}"),
        lines_added: count(|line| matches!(line, Line::Add(_))),
        lines_removed: count(|line| matches!(line, Line::Remove(_))),
        notes,
    })
}

/// Where a piece belongs.
struct Place {
    at: usize,
    /// Fewer than the piece has where empty lines at its end were left out.
    old_lines: usize,
}

/// Finds a piece behind the one before it.
fn place(
    piece: &Piece<'_>,
    number: usize,
    cursor: usize,
    seeker: &mut Seeker<'_>,
    notes: &mut Vec<String>,
) -> Result<Place, PatchError> {
    let (mut from, mut missing) = (cursor, None);
    for (index, anchor) in piece.anchors.iter().enumerate() {
        match seeker.anchor(anchor, from, index > 0) {
            Some(behind) => from = behind,
            None => missing = Some(*anchor),
        }
    }
    let old = piece.old();
    if old.is_empty() {
        if let Some(anchor) = missing {
            return Err(nearest::no_anchor(anchor, number, seeker.lines()));
        }
        // With nothing to go by, lines are added at the end.
        let is_anchored = !piece.anchors.is_empty() && !piece.at_end;
        let at = if is_anchored { from } else { seeker.lines().len() };
        return Ok(Place { at, old_lines: 0 });
    }
    // Models leave an empty line between two pieces.
    let shorter = old.len() - piece.empty_at_end();
    let shorter = (0 < shorter && shorter < old.len()).then_some(&old[..shorter]);
    let found = [Some(&old[..]), shorter].into_iter().flatten().find_map(|old| {
        let (at, likeness) = seeker.find(old, from, piece.at_end)?;
        Some((at, likeness, old.len()))
    });
    let Some((at, likeness, old_lines)) = found else {
        return Err(nearest::not_found(piece, number, from, seeker));
    };
    let next = seeker.find_alike(&old[..old_lines], at + 1, likeness);
    let is_vague = piece.anchors.is_empty() && !piece.at_end;
    match next {
        Some(next) if missing.is_some() => {
            let anchor = nearest::short(missing.unwrap_or_default());
            return Err(PatchError::new(format!(
                "piece {number} fits at line {} and at line {}, and its `@@ {anchor}` is not in the \
                 file: copy a line above the place",
                at + 1,
                next + 1
            )));
        }
        Some(next) if is_vague => notes.push(format!(
            "piece {number} also fits at line {}: the first place, line {}, was changed; `@@ ` and a \
             line above the place tells them apart",
            next + 1,
            at + 1
        )),
        _ => {}
    }
    if likeness > Likeness::Exact {
        let what = match likeness {
            Likeness::Plain => "punctuation and white space",
            _ => "white space",
        };
        notes.push(format!(
            "piece {number} was taken for the lines from {} on, which differ in {what}",
            at + 1
        ));
    }
    Ok(Place { at, old_lines })
}

/// A file's lines with their ends.
struct File<'a> {
    lines: Vec<FileLine<'a>>,
    ends_whole: bool,
}

#[derive(Clone, Copy)]
struct FileLine<'a> {
    text: &'a str,
    end: &'a str,
}

/// A piece at its place.
struct Edit<'a> {
    piece: &'a Piece<'a>,
    at: usize,
    old_lines: usize,
}

impl<'a> File<'a> {
    fn of(text: &'a str) -> File<'a> {
        let line = |line: &'a str| {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let bare = bare.strip_suffix('\r').filter(|_| line.ends_with('\n')).unwrap_or(bare);
            FileLine { text: bare, end: &line[bare.len()..] }
        };
        let lines = text.split_inclusive('\n').map(line).collect();
        File { lines, ends_whole: text.is_empty() || text.ends_with('\n') }
    }

    /// How most lines end.
    fn line_end(&self, otherwise: &'static str) -> &'static str {
        let count = |end: &str| self.lines.iter().filter(|line| line.end == end).count();
        match (count("\r\n"), count("\n")) {
            (0, 0) => otherwise,
            (windows, unix) if windows > unix => "\r\n",
            _ => "\n",
        }
    }

    /// The text with all edits, which stand in their order and do not overlap.
    fn with(&self, edits: &[Edit<'_>], diff_is_windows: bool) -> String {
        let line_end = self.line_end(if diff_is_windows { "\r\n" } else { "\n" });
        let (mut lines, mut done, mut ends_whole): (Vec<FileLine<'_>>, _, _) =
            (vec![], 0, self.ends_whole);
        for edit in edits {
            lines.extend(&self.lines[done..edit.at]);
            let (mut at, last) = (edit.at, edit.at + edit.old_lines);
            for line in &edit.piece.lines {
                match line {
                    Line::Add(text) => {
                        // As its neighbours end.
                        let near = lines.last().or(self.lines.get(at)).map_or("", |line| line.end);
                        lines.push(FileLine { text, end: near });
                    }
                    Line::Keep(_) if at < last => {
                        lines.push(self.lines[at]);
                        at += 1;
                    }
                    // An empty line behind the piece, which the file does not have.
                    Line::Keep(_) => {}
                    Line::Remove(_) => at += usize::from(at < last),
                }
            }
            done = last;
            if done == self.lines.len() {
                match (edit.piece.open_before, edit.piece.open_after) {
                    (_, true) => ends_whole = false,
                    (true, false) => ends_whole = true,
                    (false, false) => {}
                }
            }
        }
        lines.extend(&self.lines[done..]);
        let count = lines.len();
        let mut text = String::new();
        for (line, number) in lines.into_iter().zip(1..) {
            text.push_str(line.text);
            if number < count || ends_whole {
                text.push_str(if line.end.is_empty() { line_end } else { line.end });
            }
        }
        text
    }
}
