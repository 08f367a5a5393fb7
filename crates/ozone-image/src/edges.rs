//! Which sides of a picture's parts continue one another: for putting cut pictures together.

use image::RgbImage;

use crate::map::Rect;

/// Along a side so many places are compared, on average.
const SAMPLES: usize = 128;
/// Sides whose lengths differ by a larger share do not belong together.
const LENGTH_SHARE: f64 = 0.04;
/// Of what lies along two sides, in values of 0 to 255: with less in it nothing is said of them.
const PATTERN_MIN: f64 = 5.0;
/// Cuts are seldom true to the pixel.
const SHIFT_PX: i64 = 1;

/// Of a part, in the order in which one walks around it clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Top,
    Right,
    Bottom,
    Left,
}

impl Side {
    pub const ALL: [Side; 4] = [Side::Top, Side::Right, Side::Bottom, Side::Left];

    pub fn name(self) -> &'static str {
        match self {
            Side::Top => "top",
            Side::Right => "right",
            Side::Bottom => "bottom",
            Side::Left => "left",
        }
    }
}

/// Two sides of different parts, and how well one continues the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub sides: [(usize, Side); 2],
    /// 1: the same pattern in the same place. 0: no more alike than if one was shuffled.
    pub fit: f64,
}

/// All pairs of sides of about one length, whichever way a part would have to be turned for it,
/// the best first.
pub fn fits(pixels: &RgbImage, parts: &[Rect]) -> Vec<Fit> {
    let rims: Vec<(usize, Side, Vec<[u8; 3]>)> = parts
        .iter()
        .enumerate()
        .flat_map(|(i, part)| Side::ALL.map(|side| (i, side, rim(pixels, part, side))))
        .collect();
    let mut found = vec![];
    for (at, (i, side, rim)) in rims.iter().enumerate() {
        for (j, other, with) in rims[at + 1..].iter().filter(|(j, _, _)| j != i) {
            if let Some(fit) = fit(rim, with) {
                found.push(Fit { sides: [(*i, *side), (*j, *other)], fit });
            }
        }
    }
    found.sort_by(|a, b| b.fit.total_cmp(&a.fit));
    found
}

/// The outermost pixels of a side, walking clockwise around the part.
fn rim(pixels: &RgbImage, part: &Rect, side: Side) -> Vec<[u8; 3]> {
    let (width, height) = pixels.dimensions();
    let whole = |v: f64, most: u32| (v.round().max(0.0) as u32).min(most);
    let (x0, x1) = (whole(part.x0, width), whole(part.x1, width));
    let (y0, y1) = (whole(part.y0, height), whole(part.y1, height));
    if x0 >= x1 || y0 >= y1 {
        return vec![];
    }
    let at = |x: u32, y: u32| pixels.get_pixel(x, y).0;
    match side {
        Side::Top => (x0..x1).map(|x| at(x, y0)).collect(),
        Side::Right => (y0..y1).map(|y| at(x1 - 1, y)).collect(),
        Side::Bottom => (x0..x1).rev().map(|x| at(x, y1 - 1)).collect(),
        Side::Left => (y0..y1).rev().map(|y| at(x0, y)).collect(),
    }
}

/// `None` where nothing can be said: the lengths differ, or neither has a pattern.
fn fit(a: &[[u8; 3]], b: &[[u8; 3]]) -> Option<f64> {
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    if short < 2 || (long - short) as f64 > LENGTH_SHARE * long as f64 {
        return None;
    }
    let apart =
        |a: [u8; 3], b: [u8; 3]| (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum::<u32>();
    // Both are walked clockwise, so where they meet they run against one another.
    let meets = |shift: i64| {
        let pair = |k: i64| {
            let other = short as i64 - 1 - k + shift;
            Some(apart(*a.get(usize::try_from(k).ok()?)?, *b.get(usize::try_from(other).ok()?)?))
        };
        let pairs: Vec<u32> = (0..short as i64).filter_map(pair).collect();
        pairs.iter().sum::<u32>() as f64 / pairs.len().max(1) as f64
    };
    let best = (-SHIFT_PX..=SHIFT_PX).map(meets).fold(f64::INFINITY, f64::min);
    let step = short.div_ceil(SAMPLES);
    let (mut chance, mut count) = (0u64, 0u64);
    for a in a.iter().step_by(step) {
        for b in b.iter().step_by(step) {
            chance += u64::from(apart(*a, *b));
            count += 1;
        }
    }
    let chance = chance as f64 / count.max(1) as f64;
    (chance >= 3.0 * PATTERN_MIN).then(|| 1.0 - best / chance)
}
