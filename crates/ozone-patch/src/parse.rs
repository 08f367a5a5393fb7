//! A diff to its pieces.

use crate::nearest::short;
use crate::{DIFF_BYTES_MAX, PatchError};

/// A line of a piece, without the sign before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Keep(&'a str),
    Remove(&'a str),
    Add(&'a str),
}

/// Lines that stand together in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Lines above it, from the outermost in.
    pub anchors: Vec<&'a str>,
    pub lines: Vec<Line<'a>>,
    /// It stands at the end of the file.
    pub at_end: bool,
    /// The file's last line has no line break, before the change and after it.
    pub open_before: bool,
    pub open_after: bool,
}

impl<'a> Piece<'a> {
    /// What the file has there.
    pub fn old(&self) -> Vec<&'a str> {
        let old = self.lines.iter().filter_map(|line| match line {
            Line::Keep(text) | Line::Remove(text) => Some(*text),
            Line::Add(_) => None,
        });
        old.collect()
    }

    /// What it is to have.
    pub fn new_lines(&self) -> Vec<&'a str> {
        let new = self.lines.iter().filter_map(|line| match line {
            Line::Keep(text) | Line::Add(text) => Some(*text),
            Line::Remove(_) => None,
        });
        new.collect()
    }

    /// The empty lines at its end: they may only part it from the next piece.
    pub fn empty_at_end(&self) -> usize {
        let is_empty =
            |line: &&Line<'_>| matches!(line, Line::Keep(text) if text.trim().is_empty());
        self.lines.iter().rev().take_while(is_empty).count()
    }
}

pub(crate) fn short_enough(diff: &str) -> Result<(), PatchError> {
    if diff.len() > DIFF_BYTES_MAX {
        let bytes = diff.len();
        return Err(PatchError::new(format!(
            "the diff has {bytes} bytes, and at most {DIFF_BYTES_MAX} are taken: make it in several"
        )));
    }
    Ok(())
}

/// The numbered lines of a diff, without what models put around it: the frame of a whole patch, the
/// head of a unified diff, a fence.
pub(crate) fn lines(diff: &str) -> impl Iterator<Item = (usize, &str)> {
    let all = diff.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut all: Vec<(usize, &str)> = (1..).zip(all).collect();
    while all.last().is_some_and(|(_, line)| line.is_empty()) {
        all.pop();
    }
    let mut from = all.iter().take_while(|(_, line)| line.is_empty()).count();
    let mut to = all.len();
    let at = |index: usize| all.get(index).map_or("", |(_, line)| *line);
    if at(from).starts_with("```") && to > from + 1 && at(to - 1).trim_end() == "```" {
        (from, to) = (from + 1, to - 1);
    }
    if at(from).trim_end() == "*** Begin Patch" {
        from += 1;
    }
    if ["*** Update File: ", "*** Add File: "].iter().any(|head| at(from).starts_with(head)) {
        from += 1;
    }
    while ["diff --git ", "index "].iter().any(|head| at(from).starts_with(head)) {
        from += 1;
    }
    if at(from).starts_with("--- ") && at(from + 1).starts_with("+++ ") {
        from += 2;
    }
    if to > from && at(to - 1).trim_end() == "*** End Patch" {
        to -= 1;
    }
    all.truncate(to);
    all.into_iter().skip(from)
}

pub(crate) fn pieces(diff: &str) -> Result<Vec<Piece<'_>>, PatchError> {
    short_enough(diff)?;
    let (mut pieces, mut open): (Vec<Piece<'_>>, Option<Piece<'_>>) = (vec![], None);
    for (number, line) in lines(diff) {
        let wrong = |why: &str| {
            Err(PatchError::new(format!("line {number} of the diff, `{}`, {why}", short(line))))
        };
        if line.trim_end() == "*** End of File" {
            match open.take().filter(|piece| !piece.lines.is_empty()) {
                Some(piece) => pieces.push(Piece { at_end: true, ..piece }),
                None => return wrong("ends no piece: it stands behind the file's last lines"),
            }
        } else if line.starts_with("***") {
            return wrong(
                "is no part of a file's diff: a call changes one file, and a line of context stands \
                 behind a space",
            );
        } else if let Some(anchor) = line.strip_prefix("@@") {
            if let Some(piece) = open.take_if(|piece| !piece.lines.is_empty()) {
                pieces.push(piece);
            }
            let piece = open.get_or_insert_default();
            piece.anchors.extend(named(anchor));
        } else {
            if open.is_none() && !pieces.is_empty() {
                if line.trim().is_empty() {
                    continue;
                }
                return wrong("begins a piece without a line `@@` before it");
            }
            let piece = open.get_or_insert_default();
            let mut chars = line.chars();
            let line_read = match chars.next() {
                Some('+') => Line::Add(chars.as_str()),
                Some('-') => Line::Remove(chars.as_str()),
                Some(' ') => Line::Keep(chars.as_str()),
                None => Line::Keep(""),
                Some('\\') => {
                    match piece.lines.last() {
                        Some(Line::Add(_)) => piece.open_after = true,
                        Some(Line::Remove(_)) => piece.open_before = true,
                        _ => (piece.open_before, piece.open_after) = (true, true),
                    }
                    continue;
                }
                Some(_) => {
                    return wrong(
                        "begins with none of `@@`, `+`, `-` and a space: a line of context stands \
                         behind a space",
                    );
                }
            };
            piece.lines.push(line_read);
        }
    }
    // An `@@` with nothing behind it says nothing.
    pieces.extend(open.filter(|piece| !piece.lines.is_empty()));
    let changes = |line: &Line<'_>| !matches!(line, Line::Keep(_));
    if !pieces.iter().flat_map(|piece| &piece.lines).any(changes) {
        return Err(PatchError::new(
            "the diff changes nothing: no line of it begins with `+` or `-`; write pieces such as\n\
             @@\n context\n-old\n+new\n context",
        ));
    }
    Ok(pieces)
}

/// The line that an `@@` names. Line numbers of unified diffs are passed over: models make them up.
fn named(behind: &str) -> Option<&str> {
    let mut anchor = behind.trim();
    let mut words = anchor.split(' ');
    let is_range = |word: Option<&str>, sign: char| {
        let numbers = word.and_then(|word| word.strip_prefix(sign)).unwrap_or_default();
        !numbers.is_empty() && numbers.chars().all(|c| c.is_ascii_digit() || c == ',')
    };
    if is_range(words.next(), '-') && is_range(words.next(), '+') {
        anchor = anchor.split_once("@@").map_or("", |(_, rest)| rest.trim());
    }
    anchor = anchor.strip_suffix("@@").unwrap_or(anchor).trim_end();
    // Its indentation may tell it from another line.
    let start = behind.strip_prefix(' ').unwrap_or(behind);
    let is_whole = start.trim() == anchor;
    Some(if is_whole { start.trim_end() } else { anchor }).filter(|_| !anchor.is_empty())
}
