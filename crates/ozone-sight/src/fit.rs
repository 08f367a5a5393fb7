//! Which convention the boxes of a model were written in.
//!
//! Each convention turns the answer into parts of the picture's sides, and the one is right by which
//! they lie where the boxes are. Where two come near, or none does, nobody knows.

use ozone_image::Coords;

use crate::board::Board;
use crate::boxes;

const ALL: [Coords; 4] = [Coords::PxSeen, Coords::PxFile, Coords::Rel1000, Coords::Rel1];
/// The fewest boxes that tell anything.
const BOXES_MIN: usize = 3;
/// The largest residual, in parts of a side, of an answer that is one.
const RESIDUAL_MAX: f64 = 0.05;
/// The next best convention must be off by at least so much more, and so many times as much.
const APART_MIN: f64 = 0.03;
const TIMES_MIN: f64 = 2.5;

/// A convention, how far off the boxes are in it, and how far in the next best one. In parts of the
/// picture's sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub coords: Coords,
    pub residual: f64,
    pub next: f64,
    pub boxes: usize,
}

/// The answer chooses no convention.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unclear {
    #[error("it named {found} of {} boxes, and {BOXES_MIN} are needed{}", Board::COLOURS.len(), quoted(.said))]
    TooFew { found: usize, said: String },
    #[error(
        "its boxes lie where none is, whatever convention they are in: {} is nearest, and {:.0} % \
         of a side off{}", name(*.nearest), .residual * 100.0,
        .hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"))
    )]
    NoneFits { nearest: Coords, residual: f64, hint: Option<String> },
    #[error(
        "its boxes may be in {} ({:.1} % of a side off) or in {} ({:.1} %)",
        name(*.first), .residual * 100.0, name(*.second), .next * 100.0
    )]
    Ambiguous { first: Coords, residual: f64, second: Coords, next: f64 },
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said `{said}`") }
}

pub(crate) fn name(coords: Coords) -> &'static str {
    match coords {
        Coords::PxSeen => "px_seen",
        Coords::PxFile => "px_file",
        Coords::Rel1000 => "rel1000",
        Coords::Rel1 => "rel1",
    }
}

/// The convention of an answer about a board.
pub fn fit(board: &Board, answer: &str) -> Result<Fit, Unclear> {
    let boxes = boxes::read(answer);
    if boxes.len() < BOXES_MIN {
        let said = crate::ways::excerpt(answer);
        return Err(Unclear::TooFew { found: boxes.len(), said });
    }
    let extent = |coords| board.frame(coords).extent();
    let mut by: Vec<(f64, Coords)> =
        ALL.map(|coords| (off(board, &boxes, extent(coords)), coords)).to_vec();
    by.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(residual, coords), (next, second)] = [by[0], by[1]];
    if residual.is_nan() || residual > RESIDUAL_MAX {
        let hint = hint(board, &boxes);
        return Err(Unclear::NoneFits { nearest: coords, residual, hint });
    }
    if next - residual < APART_MIN || next < residual * TIMES_MIN {
        return Err(Unclear::Ambiguous { first: coords, residual, second, next });
    }
    Ok(Fit { coords, residual, next, boxes: boxes.len() })
}

/// How far off the boxes are if the sides are so long: the mean of a box's four coordinates, and of
/// the boxes the upper median, so that one of them may be mistaken.
fn off(board: &Board, boxes: &[(usize, [f64; 4])], extent: [f64; 2]) -> f64 {
    let mut each: Vec<f64> = boxes
        .iter()
        .map(|(at, written)| {
            let truth = board.boxes[*at];
            let off = (0..4).map(|i| (written[i] / extent[i % 2] - truth[i]).abs());
            off.sum::<f64>() / 4.0
        })
        .collect();
    each.sort_by(f64::total_cmp);
    each[each.len() / 2]
}

/// What else the numbers may be.
fn hint(board: &Board, boxes: &[(usize, [f64; 4])]) -> Option<String> {
    let turned: Vec<(usize, [f64; 4])> =
        boxes.iter().map(|(at, [a, b, c, d])| (*at, [*b, *a, *d, *c])).collect();
    let is_near = |boxes: &[(usize, [f64; 4])], extent| off(board, boxes, extent) <= RESIDUAL_MAX;
    for coords in ALL {
        if is_near(&turned, board.frame(coords).extent()) {
            let name = name(coords);
            return Some(format!(
                "they fit {name} if it writes y before x, against what it was told"
            ));
        }
    }
    if is_near(boxes, [100.0, 100.0]) {
        return Some("they fit percent of the sides, which is no convention here".to_owned());
    }
    // A server that makes pictures smaller before the model sees them.
    let [width, height] = board.seen.map(f64::from);
    let ratios = boxes.iter().flat_map(|(at, written)| {
        let truth = board.boxes[*at];
        let sides = [width, height];
        (0..4).map(move |i| written[i] / (truth[i] * sides[i % 2])).collect::<Vec<_>>()
    });
    let mut ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
    ratios.sort_by(f64::total_cmp);
    let scale = *ratios.get(ratios.len() / 2)?;
    let smaller = [width * scale, height * scale];
    (scale > 0.0 && is_near(boxes, smaller)).then(|| {
        format!(
            "they fit a picture of {:.0}x{:.0} pixels: its server seems to resize the {width}x{height} \
             that it is sent, and should be told to take them as they are",
            smaller[0], smaller[1]
        )
    })
}
