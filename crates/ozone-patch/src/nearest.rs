//! What is told of a place that was not found: the line that differs, and the nearest one.

use crate::PatchError;
use crate::parse::{Line, Piece};
use crate::seek::{Seeker, plain};

/// Of a line in a message.
const LINE_CHARS_MAX: usize = 160;
/// The lines before the nearest one that are shown, and how many in all.
const SHOWN_BEFORE: usize = 2;
const SHOWN_LINES: usize = 6;
/// How much is compared for a message: the file's lines, and the piece's.
const FILE_LINES_MAX: usize = 50_000;
const PIECE_LINES_MAX: usize = 60;
/// Two lines with less in common are not told as near.
const LIKENESS_MIN: f64 = 0.35;

pub(crate) fn short(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// The anchor of a piece is not in the file.
pub(crate) fn no_anchor(anchor: &str, number: usize, lines: &[&str]) -> PatchError {
    let told = format!("the line `{}` that piece {number} names is not in the file", short(anchor));
    PatchError::new(format!("{told}; {}", like(anchor, lines)))
}

/// A piece is not in the file behind `from`.
pub(crate) fn not_found(
    piece: &Piece<'_>,
    number: usize,
    from: usize,
    seeker: &mut Seeker<'_>,
) -> PatchError {
    let (old, lines) = (piece.old(), seeker.lines());
    if lines.is_empty() {
        return PatchError::new(format!(
            "piece {number} was not found: the file is empty; add lines with `@@` and `+` alone"
        ));
    }
    let adds = piece.lines.iter().any(|line| matches!(line, Line::Add(_)));
    if adds && let Some((at, _)) = seeker.find(&piece.new_lines(), 0, false) {
        return PatchError::new(format!(
            "piece {number} is applied already: its new lines stand at line {} of the file",
            at + 1
        ));
    }
    if let Some((at, _)) = seeker.find(&old, 0, false) {
        return PatchError::new(format!(
            "piece {number} stands at line {}, above what the diff speaks of before it: give pieces \
             in the order of the file, and as an anchor a line above the place",
            at + 1
        ));
    }
    match nearest_place(&old, from, lines) {
        Some((at, index)) => {
            let wanted = short(old[index]);
            let there = match lines.get(at + index) {
                Some(_) => format!("differs from line {}", at + index + 1),
                None => "stands behind the file's last line".to_owned(),
            };
            PatchError::new(format!(
                "piece {number} was not found: its line `{wanted}` {there}; near it the file has\n{}",
                shown(at + index, lines)
            ))
        }
        None => {
            let first = old.iter().find(|line| !line.trim().is_empty()).unwrap_or(&"");
            PatchError::new(format!(
                "piece {number} was not found: its line `{}` is not in the file; {}",
                short(first),
                like(first, lines)
            ))
        }
    }
}

/// Where most lines of a piece fit, and the first of them that does not. `None` where none does.
fn nearest_place(old: &[&str], from: usize, lines: &[&str]) -> Option<(usize, usize)> {
    let old: Vec<String> = old.iter().take(PIECE_LINES_MAX).map(|line| plain(line)).collect();
    let lines: Vec<String> = lines.iter().take(FILE_LINES_MAX).map(|line| plain(line)).collect();
    let mut best = None;
    for at in 0..lines.len() {
        // Empty lines are everywhere.
        let fits = |index: &usize| lines.get(at + index) == Some(&old[*index]);
        let count = (0..old.len()).filter(fits).filter(|index| !old[*index].is_empty()).count();
        let rank = (count, at >= from, std::cmp::Reverse(at));
        if count > 0 && best.is_none_or(|(known, _)| rank > known) {
            let differs = (0..old.len()).find(|index| !fits(index)).unwrap_or_default();
            best = Some((rank, (at, differs)));
        }
    }
    best.map(|(_, place)| place)
}

/// The line of a file that is most like another, in words.
fn like(wanted: &str, lines: &[&str]) -> String {
    let pairs = |line: &str| {
        let chars: Vec<char> = plain(line).to_lowercase().chars().take(LINE_CHARS_MAX).collect();
        let mut pairs: Vec<[char; 2]> = chars.windows(2).map(|two| [two[0], two[1]]).collect();
        pairs.sort_unstable();
        pairs
    };
    let wanted = pairs(wanted);
    let ranked = lines.iter().take(FILE_LINES_MAX).enumerate().map(|(at, line)| {
        let other = pairs(line);
        let common = common(&wanted, &other) as f64;
        (at, 2.0 * common / (wanted.len() + other.len()).max(1) as f64)
    });
    let best = ranked.max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)));
    match best {
        Some((at, likeness)) if likeness >= LIKENESS_MIN => {
            format!("the nearest one is\n{}", shown(at, lines))
        }
        _ => "no line of it is near; read the file again".to_owned(),
    }
}

/// How many elements two sorted lists have in common.
fn common(a: &[[char; 2]], b: &[[char; 2]]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}

/// The lines around one of a file, with their numbers.
fn shown(at: usize, lines: &[&str]) -> String {
    let from = at.saturating_sub(SHOWN_BEFORE).min(lines.len().saturating_sub(1));
    let near = lines.iter().zip(1..).skip(from).take(SHOWN_LINES);
    let near: Vec<String> =
        near.map(|(line, number)| format!("L{number}: {}", short(line))).collect();
    near.join("\n")
}
