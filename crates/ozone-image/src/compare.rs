//! What differs between two pictures.

use image::{Rgb, RgbImage};

use crate::filter::Plane;
use crate::map::Rect;
use crate::shapes;

/// The second picture against the first.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What lies at a place of the first lies so many pixels to the right and down in the second.
    pub shift: [i32; 2],
    /// The share of the pixels that differ.
    pub share: f64,
    /// Where they differ, in the first's pixels, the largest first.
    pub boxes: Vec<Rect>,
    /// The first picture faded, with what differs in red.
    pub map: RgbImage,
}

/// Values of 0 to 255 that differ by less are the same: JPEG and resizing do as much.
const TOLERANCE: f32 = 24.0;
const BOXES_MAX: usize = 64;
/// What is this near is one difference.
const GAP_PX: usize = 4;

/// Compares pictures of one size. With `align` the second may be shifted by up to an eighth of its
/// sides.
pub fn compare(first: &RgbImage, second: &RgbImage, align: bool) -> Difference {
    let (a, b) = (Plane::luma(first), Plane::luma(second));
    let shift = if align { best_shift(&a, &b) } else { [0, 0] };
    let (width, height) = (a.width, a.height);
    let planes = |pixels: &RgbImage| [0, 1, 2].map(|c| Plane::channel(pixels, c).blurred(0.7));
    let (of_a, of_b) = (planes(first), planes(second));
    let differs = |x: usize, y: usize| {
        let (bx, by) = (x as i64 + i64::from(shift[0]), y as i64 + i64::from(shift[1]));
        let is_there = bx >= 0 && by >= 0 && (bx as usize) < b.width && (by as usize) < b.height;
        is_there
            && (0..3).any(|c| {
                (of_a[c].get(x, y) - of_b[c].get(bx as usize, by as usize)).abs() > TOLERANCE
            })
    };
    let mut data = vec![0.0; width * height];
    let mut map = first.clone();
    let mut count = 0u64;
    for (x, y, pixel) in map.enumerate_pixels_mut() {
        if differs(x as usize, y as usize) {
            data[y as usize * width + x as usize] = 255.0;
            count += 1;
            *pixel = Rgb([225, 20, 40]);
        } else {
            *pixel = Rgb(pixel.0.map(|v| 200 + v / 5));
        }
    }
    let grown = Plane::of(width, height, data).extreme(GAP_PX, f32::max);
    let mut parts = shapes::parts(width, height, |x, y| grown.get(x, y) > 0.0);
    parts.sort_by_key(|part| std::cmp::Reverse(part.pixels.len()));
    let bbox = |part: &shapes::Part| {
        let around = part.bbox();
        let gap = GAP_PX as f64;
        let shrink = |low: f64, high: f64, side: usize| {
            let low = if low > 0.0 { low + gap } else { low };
            let high = if high < side as f64 { high - gap } else { high };
            if low < high { [low, high] } else { [low.min(high), low.max(high) + 1.0] }
        };
        let ([x0, x1], [y0, y1]) =
            (shrink(around.x0, around.x1, width), shrink(around.y0, around.y1, height));
        Rect::new(x0, y0, x1, y1)
    };
    let boxes = parts.iter().take(BOXES_MAX).map(bbox).collect();
    let share = count as f64 / (width * height).max(1) as f64;
    Difference { shift, share, boxes, map }
}

/// The shift under which the pictures differ least: coarse on small copies, then finer.
fn best_shift(a: &Plane, b: &Plane) -> [i32; 2] {
    const SMALL: usize = 96;
    let mut level = 1;
    while a.width.max(a.height) / level > SMALL {
        level *= 2;
    }
    let mut best = [0, 0];
    let mut reach = (a.width.min(a.height) / level / 8) as i32;
    loop {
        let (small_a, small_b) = (halved(a, level), halved(b, level));
        let around = best;
        let mut least = f64::INFINITY;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let shift = [around[0] + dx, around[1] + dy];
                let cost = mean_difference(&small_a, &small_b, shift);
                // Of equal ones the nearest to none.
                let cost = cost + 1e-6 * f64::from(shift[0].abs() + shift[1].abs());
                if cost < least {
                    (least, best) = (cost, shift);
                }
            }
        }
        if level == 1 {
            return best;
        }
        level /= 2;
        best = best.map(|v| v * 2);
        reach = 2;
    }
}

fn halved(plane: &Plane, by: usize) -> Plane {
    if by == 1 {
        return plane.clone();
    }
    let (width, height) = ((plane.width / by).max(1), (plane.height / by).max(1));
    let mean = |x: usize, y: usize| {
        let cells = (0..by).flat_map(|j| (0..by).map(move |i| (i, j)));
        let near = |(i, j): (usize, usize)| plane.near((x * by + i) as i64, (y * by + j) as i64);
        cells.map(near).sum::<f32>() / (by * by) as f32
    };
    let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mean(x, y));
    Plane::of(width, height, data.collect())
}

fn mean_difference(a: &Plane, b: &Plane, [dx, dy]: [i32; 2]) -> f64 {
    let (mut sum, mut count) = (0f64, 0u64);
    // Every third pixel of large pictures says enough.
    let step = if a.data.len() > 200_000 { 3 } else { 1 };
    for y in (0..a.height).step_by(step) {
        for x in (0..a.width).step_by(step) {
            let (bx, by) = (x as i64 + i64::from(dx), y as i64 + i64::from(dy));
            if bx < 0 || by < 0 || bx >= b.width as i64 || by >= b.height as i64 {
                continue;
            }
            sum += f64::from((a.get(x, y) - b.get(bx as usize, by as usize)).abs());
            count += 1;
        }
    }
    if count == 0 { f64::INFINITY } else { sum / count as f64 }
}
