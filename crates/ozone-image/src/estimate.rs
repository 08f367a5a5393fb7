//! What can be said of a picture as a whole: for a model that chooses its next step, and for one
//! that sees nothing.

use image::RgbImage;

use crate::filter::{self, Plane};
use crate::view::{View, ViewError};

/// Of a picture as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// The standard deviation of the Laplacian: below about 5, text is blurred or there is none.
    pub sharpness: f32,
    /// The standard deviation of the noise, in values of 0 to 255.
    pub noise: f32,
    /// The brightness that 5 % and 95 % of the pixels do not exceed.
    pub brightness: [u8; 2],
}

/// How far lines of text, or other long edges, are turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skew {
    /// Clockwise; a turn by as much the other way makes them level.
    pub degrees: f64,
    /// 0 where no direction stands out, 1 where one is beyond doubt.
    pub confidence: f64,
}

/// The corners of a page, and how sure that it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page {
    /// From the top left clockwise.
    pub corners: [[f64; 2]; 4],
    /// The share of the area between the corners that the page covers.
    pub confidence: f64,
}

pub fn estimates(pixels: &RgbImage) -> Estimates {
    let luma = Plane::luma(pixels);
    let counts = filter::histogram(&luma.to_gray());
    let laplacian = laplacian(&luma);
    let count = laplacian.len().max(1) as f32;
    let mean = laplacian.iter().sum::<f32>() / count;
    let variance = laplacian.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    Estimates {
        sharpness: variance.sqrt(),
        noise: noise(pixels),
        brightness: [percentile(&counts, 0.05), percentile(&counts, 0.95)],
    }
}

fn laplacian(luma: &Plane) -> Vec<f32> {
    let inner = |from: usize| 1..from.saturating_sub(1);
    let at = |x: usize, y: usize| luma.get(x, y);
    inner(luma.height)
        .flat_map(|y| inner(luma.width).map(move |x| (x, y)))
        .map(|(x, y)| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y))
        .collect()
}

/// The standard deviation of the noise: the median absolute value of a filter that edges and slopes
/// hardly pass.
///
/// Source: Immerkær, "Fast Noise Variance Estimation" (1996), with the median for the mean, since
/// text has many edges.
pub(crate) fn noise(pixels: &RgbImage) -> f32 {
    let luma = Plane::luma(pixels);
    let mut values = vec![];
    for y in 1..luma.height.saturating_sub(1) {
        for x in 1..luma.width.saturating_sub(1) {
            let at = |dx: usize, dy: usize| luma.get(x + dx - 1, y + dy - 1);
            let corners = at(0, 0) + at(2, 0) + at(0, 2) + at(2, 2);
            let sides = at(1, 0) + at(0, 1) + at(2, 1) + at(1, 2);
            values.push((corners - 2.0 * sides + 4.0 * at(1, 1)).abs());
        }
    }
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    // The filter's norm is 6; the median of |N(0,1)| is 0.6745.
    *median / (6.0 * 0.6745)
}

/// The least value that so large a share of the pixels does not exceed.
pub(crate) fn percentile(counts: &[u64; 256], share: f64) -> u8 {
    let total: u64 = counts.iter().sum();
    let wanted = (total as f64 * share).ceil().max(1.0) as u64;
    let mut seen = 0;
    let at = counts.iter().position(|n| {
        seen += n;
        seen >= wanted
    });
    at.unwrap_or(255) as u8
}

/// How far lines are turned, from −45° to 45°: the direction in which ink gathers in rows.
///
/// The profile of the ink along each direction is as uneven as can be where the direction is that
/// of the lines (Postl's projection profile); whole degrees first, then tenths.
pub fn skew(view: &View) -> Result<Skew, ViewError> {
    const PIXELS_MAX: u64 = 500_000;
    let pixels = view.within(PIXELS_MAX)?.render_plain()?;
    let ink = ink(&pixels);
    if ink.len() < 16 {
        return Ok(Skew { degrees: 0.0, confidence: 0.0 });
    }
    let score = |degrees: f64| unevenness(&ink, degrees);
    let coarse: Vec<f64> = (-45..=45).map(f64::from).collect();
    let scores: Vec<f64> = coarse.iter().map(|d| score(*d)).collect();
    let best = coarse.iter().zip(&scores).max_by(|a, b| a.1.total_cmp(b.1)).map_or(0.0, |b| *b.0);
    let fine = (-10..=10).map(|tenth| best + f64::from(tenth) / 10.0).map(|d| (d, score(d)));
    let (degrees, top) = fine.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0.0, 0.0));
    let mut sorted = scores;
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    let confidence = if top > 0.0 { (1.0 - middle / top).clamp(0.0, 1.0) } else { 0.0 };
    Ok(Skew { degrees: (degrees * 10.0).round() / 10.0, confidence })
}

/// The pixels of the rarer side of Otsu's level, seen from the middle; within a circle, so that the
/// frame's own directions say nothing.
fn ink(pixels: &RgbImage) -> Vec<[f32; 2]> {
    let gray = filter::gray(pixels);
    let counts = filter::histogram(&gray);
    let level = filter::otsu(&counts);
    let dark: u64 = counts[..=usize::from(level)].iter().sum();
    let total: u64 = counts.iter().sum();
    let is_ink = |v: u8| (v <= level) == (dark * 2 <= total);
    let [half_x, half_y] = [gray.width() as f32 / 2.0, gray.height() as f32 / 2.0];
    let radius = half_x.hypot(half_y);
    let inked = gray.enumerate_pixels().filter(|(_, _, p)| is_ink(p[0]));
    let points = inked.map(|(x, y, _)| [x as f32 + 0.5 - half_x, y as f32 + 0.5 - half_y]);
    points.filter(|[x, y]| x.hypot(*y) < radius).collect()
}

fn unevenness(ink: &[[f32; 2]], degrees: f64) -> f64 {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (sin, cos) = (sin as f32, cos as f32);
    let rows: Vec<f32> = ink.iter().map(|[x, y]| y * cos - x * sin).collect();
    let least = rows.iter().copied().fold(f32::INFINITY, f32::min);
    let most = rows.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut profile = vec![0f64; (most - least) as usize + 2];
    // Shared between two steps: whole ones would beat with the raster along its diagonals.
    for row in rows {
        let (step, rest) = ((row - least).floor(), f64::from((row - least).fract()));
        profile[step as usize] += 1.0 - rest;
        profile[step as usize + 1] += rest;
    }
    profile.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum()
}

/// The corners of the largest bright part, such as a page on a table. `None` where there is none
/// that could be one.
pub fn page(view: &View) -> Result<Option<Page>, ViewError> {
    const PIXELS_MAX: u64 = 500_000;
    const SHARE_MIN: f64 = 0.1;
    let small = view.within(PIXELS_MAX)?;
    let pixels = small.render_plain()?;
    let luma = Plane::luma(&pixels);
    let level = f32::from(filter::otsu(&filter::histogram(&luma.to_gray())));
    // Print is dark on the page: it must not cut it into parts.
    let closed = luma.extreme(4, f32::max).extreme(4, f32::min);
    let parts = crate::shapes::parts(closed.width, closed.height, |x, y| closed.get(x, y) > level);
    let Some(largest) = parts.iter().max_by_key(|part| part.pixels.len()) else { return Ok(None) };
    let area = largest.pixels.len() as f64;
    if area < SHARE_MIN * luma.data.len() as f64 {
        return Ok(None);
    }
    // The corner that lies farthest in each diagonal direction.
    let farthest = |key: fn(f64, f64) -> f64| {
        let points = largest.pixels.iter().map(|[x, y]| [f64::from(*x), f64::from(*y)]);
        points.max_by(|a, b| key(a[0], a[1]).total_cmp(&key(b[0], b[1]))).unwrap_or_default()
    };
    let [x0, y0] = farthest(|x, y| -x - y);
    let [x1, y1] = farthest(|x, y| x - y);
    let [x2, y2] = farthest(|x, y| x + y);
    let [x3, y3] = farthest(|x, y| y - x);
    let corners = [[x0, y0], [x1 + 1.0, y1], [x2 + 1.0, y2 + 1.0], [x3, y3 + 1.0]];
    let between = enclosed(&corners);
    let back = [
        f64::from(view.width()) / f64::from(small.width()),
        f64::from(view.height()) / f64::from(small.height()),
    ];
    let corners = corners.map(|[x, y]| [x * back[0], y * back[1]]);
    let confidence = if between > 0.0 { (area / between).min(between / area) } else { 0.0 };
    Ok(Some(Page { corners, confidence }))
}

/// The area of a polygon.
fn enclosed(corners: &[[f64; 2]]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let sum: f64 = corners.iter().zip(next).map(|([ax, ay], [bx, by])| ax * by - bx * ay).sum();
    (sum / 2.0).abs()
}
