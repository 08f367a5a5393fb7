//! The figure around pixels: a triangle, a box, or something round.

/// A figure of more corners is round.
const CORNERS_MAX: usize = 6;
/// A figure with fewer sides may be larger by so much of the area: of a circle that leaves eight.
const GROWTH_MAX: f64 = 0.06;
/// What the raster cuts off the tips of a small one, in pixels.
const TIPS_PX: f64 = 3.0;

/// The corners of the convex figure around these pixels, clockwise from the topmost. Empty where it
/// is round.
///
/// Sides of the hull are taken away, the least first, and their neighbours extended until they
/// meet: so a corner lies where its sides would meet, and not where the raster has cut it.
pub(crate) fn corners(pixels: &[[u32; 2]]) -> Vec<[f64; 2]> {
    let mut points = hull(pixels);
    let mut left = GROWTH_MAX * enclosed(&points) + TIPS_PX;
    while points.len() > 3 {
        let sides = 0..points.len();
        let least = sides
            .filter_map(|side| extended(&points, side).map(|(meet, growth)| (side, meet, growth)))
            .min_by(|a, b| a.2.total_cmp(&b.2));
        let Some((side, meet, growth)) = least else { break };
        left -= growth;
        if left < 0.0 {
            break;
        }
        let next = (side + 1) % points.len();
        points[side] = meet;
        points.remove(next);
    }
    if points.len() > CORNERS_MAX {
        return vec![];
    }
    let height = |p: &[f64; 2]| p[1];
    let top = (0..points.len()).min_by(|a, b| height(&points[*a]).total_cmp(&height(&points[*b])));
    points.rotate_left(top.unwrap_or_default());
    points
}

/// Where the sides beside a side meet beyond it, and the area that this adds. `None` where they
/// part.
fn extended(points: &[[f64; 2]], side: usize) -> Option<([f64; 2], f64)> {
    let n = points.len();
    let [before, from, to, after] =
        [(side + n - 1) % n, side, (side + 1) % n, (side + 2) % n].map(|i| points[i]);
    let (a, b) = ([from[0] - before[0], from[1] - before[1]], [to[0] - after[0], to[1] - after[1]]);
    let cross = a[0] * b[1] - a[1] * b[0];
    let gap = [to[0] - from[0], to[1] - from[1]];
    let along = (gap[0] * b[1] - gap[1] * b[0]) / cross;
    if !along.is_finite() || along < 0.0 || cross * orientation(points) > 0.0 {
        return None;
    }
    let meet = [from[0] + along * a[0], from[1] + along * a[1]];
    Some((meet, enclosed(&[from, meet, to])))
}

/// 1 or -1, by which way round the corners go.
fn orientation(points: &[[f64; 2]]) -> f64 {
    signed(points).signum()
}

fn enclosed(points: &[[f64; 2]]) -> f64 {
    signed(points).abs()
}

fn signed(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|([ax, ay], [bx, by])| ax * by - bx * ay).sum::<f64>() / 2.0
}

/// The convex hull of the pixels' corners, clockwise as y points down.
///
/// Source: Andrew, "Another efficient algorithm for convex hulls in two dimensions" (1979).
fn hull(pixels: &[[u32; 2]]) -> Vec<[f64; 2]> {
    let top = pixels.iter().map(|[_, y]| *y).min().unwrap_or_default();
    let bottom = pixels.iter().map(|[_, y]| *y).max().unwrap_or_default();
    // What lies between the ends of a row is not on the hull.
    let mut rows = vec![[u32::MAX, 0]; (bottom - top) as usize + 1];
    for [x, y] in pixels {
        let row = &mut rows[(y - top) as usize];
        *row = [row[0].min(*x), row[1].max(*x)];
    }
    let inked = rows.iter().zip(i64::from(top)..).filter(|(row, _)| row[0] <= row[1]);
    let mut points: Vec<[i64; 2]> = inked
        .flat_map(|([from, to], y)| {
            let (from, to) = (i64::from(*from), i64::from(*to) + 1);
            [[from, y], [to, y], [from, y + 1], [to, y + 1]]
        })
        .collect();
    points.sort_unstable();
    points.dedup();
    let half = |points: &mut dyn Iterator<Item = [i64; 2]>| {
        let mut chain: Vec<[i64; 2]> = vec![];
        for p in points {
            while let [.., a, b] = chain[..] {
                let cross = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
                if cross > 0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut chain = half(&mut points.iter().copied());
    chain.extend(half(&mut points.iter().rev().copied()));
    chain.into_iter().map(|p| p.map(|v| v as f64)).collect()
}
