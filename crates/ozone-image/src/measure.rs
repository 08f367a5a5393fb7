//! Numbers from pixels: what stands in for sight where a model has none, and is more exact than
//! sight where it has.

use image::RgbImage;

use crate::filter::{self, Plane};

/// A colour and the share of the pixels that have it, or nearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub rgb: [u8; 3],
    pub share: f64,
}

/// A stretch of one colour along a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Where along the path it begins and ends: pixels of a line, degrees of a ring.
    pub from: f64,
    pub to: f64,
    pub rgb: [u8; 3],
}

/// The circle through the edges around a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    pub centre: [f64; 2],
    pub radius: f64,
    /// How far the edges lie from it, on average (root mean square), in pixels.
    pub error: f64,
    /// The share of the directions in which an edge was found.
    pub found: f64,
}

/// A picture in letters: each cell of a grid with the letter of its colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// The colours, the commonest first; the letters are `.`, `A`, `B` and so on.
    pub colours: Vec<Share>,
    pub rows: Vec<String>,
}

/// The mean colour of a square around a place.
pub fn colour_at(pixels: &RgbImage, [x, y]: [f64; 2], radius: u32) -> [u8; 3] {
    let (width, height) = (i64::from(pixels.width()), i64::from(pixels.height()));
    let (x, y, radius) = (x.floor() as i64, y.floor() as i64, i64::from(radius));
    let range = |at: i64, side: i64| {
        let at = at.clamp(0, side - 1);
        (at - radius).max(0)..=(at + radius).min(side - 1)
    };
    let (mut sums, mut count) = ([0u64; 3], 0);
    for y in range(y, height) {
        for x in range(x, width) {
            let pixel = pixels.get_pixel(x as u32, y as u32);
            (0..3).for_each(|c| sums[c] += u64::from(pixel[c]));
            count += 1;
        }
    }
    sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8)
}

/// The commonest colours. Colours that differ by less than a step of `STEP` are one.
pub fn colours(pixels: &RgbImage, max: usize) -> Vec<Share> {
    const STEP: usize = 32;
    const BINS: usize = 256 / STEP;
    const NEAR: u32 = 48;
    let mut bins = vec![(0u64, [0u64; 3]); BINS * BINS * BINS];
    for pixel in pixels.pixels() {
        let [r, g, b] = pixel.0.map(usize::from);
        let bin = &mut bins[(r / STEP * BINS + g / STEP) * BINS + b / STEP];
        bin.0 += 1;
        (0..3).for_each(|c| bin.1[c] += u64::from(pixel[c]));
    }
    bins.retain(|(count, _)| *count > 0);
    bins.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    // Where one colour lies on the border of two bins, the larger takes in the smaller.
    let mut found: Vec<(u64, [u8; 3])> = vec![];
    for (count, sums) in bins {
        let rgb = sums.map(|sum| (sum / count) as u8);
        match found.iter_mut().find(|(_, other)| distance(*other, rgb) < NEAR) {
            Some((total, _)) => *total += count,
            None => found.push((count, rgb)),
        }
    }
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let total = (u64::from(pixels.width()) * u64::from(pixels.height())).max(1) as f64;
    found.into_iter().take(max).map(|(n, rgb)| Share { rgb, share: n as f64 / total }).collect()
}

/// The sum of what the channels differ by.
fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum()
}

/// The share of pixels in each of so many equal steps of brightness.
pub fn histogram(pixels: &RgbImage, steps: usize) -> Vec<f64> {
    let counts = filter::histogram(&filter::gray(pixels));
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let steps = steps.clamp(1, 256);
    let mut shares = vec![0.0; steps];
    counts.iter().enumerate().for_each(|(v, n)| shares[v * steps / 256] += *n as f64 / total);
    shares
}

/// The stretches of one colour from one place to another. Where one ends and the next begins is
/// known to a part of a pixel: where the colour is halfway between theirs.
pub fn line(pixels: &RgbImage, from: [f64; 2], to: [f64; 2], tolerance: u8) -> Vec<Run> {
    let length = (to[0] - from[0]).hypot(to[1] - from[1]);
    let along = |t: f64| {
        let share = if length > 0.0 { t / length } else { 0.0 };
        [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]
    };
    runs(pixels, length, tolerance, along)
}

/// The stretches of one colour around a place, in degrees clockwise from the top.
pub fn ring(pixels: &RgbImage, centre: [f64; 2], radius: f64, tolerance: u8) -> Vec<Run> {
    let length = 2.0 * std::f64::consts::PI * radius;
    let along = |t: f64| {
        let (sin, cos) = (t / radius.max(1e-9)).sin_cos();
        [centre[0] + radius * sin, centre[1] - radius * cos]
    };
    let to_degrees = |t: f64| t / length.max(1e-9) * 360.0;
    let mut found = runs(pixels, length, tolerance, along);
    for run in &mut found {
        (run.from, run.to) = (to_degrees(run.from), to_degrees(run.to));
    }
    // The top is nobody's border: what is of one colour on both sides of it is one stretch, which
    // then begins below 0°.
    if let [first, .., last] = found.as_mut_slice()
        && distance(first.rgb, last.rgb) <= 3 * u32::from(tolerance)
    {
        first.from = last.from - 360.0;
        found.pop();
    }
    found
}

/// Where a curve passes a column of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The middle of the curve there.
    pub at: [f64; 2],
    /// How much of the column it takes.
    pub thickness: f64,
}

/// The longest stretch of a colour in each column: a curve of a chart, as far as no other one hides
/// it. Columns without it are left out.
pub fn curve(pixels: &RgbImage, rgb: [u8; 3], tolerance: u8) -> Vec<Crossing> {
    let column = |x: u32| {
        let is_near = |y: u32| {
            let pixel = pixels.get_pixel(x, y);
            (0..3).all(|c| pixel[c].abs_diff(rgb[c]) <= tolerance)
        };
        let (mut best, mut begin) = ([0, 0], 0);
        for y in 0..pixels.height() {
            if !is_near(y) {
                begin = y + 1;
            } else if y + 1 - begin > best[1] - best[0] {
                best = [begin, y + 1];
            }
        }
        let [from, to] = best.map(f64::from);
        let at = [f64::from(x) + 0.5, (from + to) / 2.0];
        (from < to).then_some(Crossing { at, thickness: to - from })
    };
    (0..pixels.width()).filter_map(column).collect()
}

/// The most samples along one path.
const SAMPLES_MAX: f64 = 50_000.0;

fn runs(
    pixels: &RgbImage,
    length: f64,
    tolerance: u8,
    along: impl Fn(f64) -> [f64; 2],
) -> Vec<Run> {
    let planes = [0, 1, 2].map(|c| Plane::channel(pixels, c));
    let count = (length * 4.0).ceil().clamp(1.0, SAMPLES_MAX) as usize;
    let step = length / count as f64;
    let sample = |i: usize| {
        let [x, y] = along((i as f64 + 0.5) * step);
        planes.each_ref().map(|plane| plane.between(x, y))
    };
    let samples: Vec<[f32; 3]> = (0..count).map(sample).collect();
    let apart =
        |a: &[f32; 3], b: &[f32; 3]| (0..3).map(|c| (a[c] - b[c]).abs()).fold(0.0, f32::max);
    // A slope between two colours is no colour of its own: it is shorter than two pixels.
    let (mut begins, mut at) = (vec![0], 0);
    for i in 1..count {
        if apart(&samples[i], &samples[at]) > f32::from(tolerance) {
            begins.push(i);
            at = i;
        }
    }
    begins.push(count);
    let slope_max = (2.0 / step.max(1e-9)).ceil() as usize;
    let long: Vec<[usize; 2]> = begins
        .windows(2)
        .map(|pair| [pair[0], pair[1]])
        .filter(|[from, to]| to - from > slope_max || count <= slope_max)
        .collect();
    let middle = |[from, to]: [usize; 2]| {
        let half = (to - from) / 4;
        let part = &samples[from + half..(to - half).max(from + half + 1)];
        [0, 1, 2].map(|c| part.iter().map(|s| s[c]).sum::<f32>() / part.len() as f32)
    };
    let mut runs: Vec<([usize; 2], [f32; 3])> = vec![];
    for part in long {
        let colour = middle(part);
        match runs.last_mut() {
            Some((before, known))
                if part[0] - before[1] <= slope_max
                    && apart(known, &colour) <= f32::from(tolerance) =>
            {
                before[1] = part[1];
            }
            _ => runs.push((part, colour)),
        }
    }
    let mut borders = vec![0.0];
    for pair in runs.windows(2) {
        let ((before, a), (after, b)) = (pair[0], pair[1]);
        let nearer_b = |s: &[f32; 3]| apart(s, &b) < apart(s, &a);
        let (from, to) = (before[1].saturating_sub(1), (after[0] + 1).min(count));
        let cross = (from..to).find(|i| nearer_b(&samples[*i])).unwrap_or(after[0]);
        borders.push(cross as f64 * step);
    }
    borders.push(length);
    let colour = |c: [f32; 3]| c.map(filter::byte);
    let spans = borders.windows(2).zip(&runs);
    spans.map(|(b, (_, c))| Run { from: b[0], to: b[1], rgb: colour(*c) }).collect()
}

/// The circle whose edge lies around a place, within so many pixels: in each direction the
/// strongest edge is taken, and the circle that fits most of them best.
pub fn circle(pixels: &RgbImage, centre: [f64; 2], radius_max: f64) -> Option<Circle> {
    const DIRECTIONS: usize = 180;
    /// A weaker edge is none, in values of 0 to 255.
    const EDGE_MIN: f32 = 12.0;
    const RADIUS_MIN: f64 = 2.0;
    let luma = Plane::luma(pixels);
    let (width, height) = (f64::from(pixels.width()), f64::from(pixels.height()));
    let ray = |direction: usize| {
        let (sin, cos) = (direction as f64 * std::f64::consts::TAU / DIRECTIONS as f64).sin_cos();
        let place = |r: f64| [centre[0] + r * cos, centre[1] + r * sin];
        let value = |r: f64| {
            let [x, y] = place(r);
            ((0.0..width).contains(&x) && (0.0..height).contains(&y)).then(|| luma.between(x, y))
        };
        let mut best = (EDGE_MIN, None);
        let mut r = RADIUS_MIN;
        while r < radius_max.min(width.hypot(height)) {
            let (Some(inner), Some(outer)) = (value(r - 1.0), value(r + 1.0)) else { break };
            let edge = (outer - inner).abs();
            if edge > best.0 {
                best = (edge, Some(place(r)));
            }
            r += 0.25;
        }
        best.1
    };
    let mut points: Vec<[f64; 2]> = (0..DIRECTIONS).filter_map(ray).collect();
    let found = points.len() as f64 / DIRECTIONS as f64;
    let mut fitted = fit(&points)?;
    // What lies far off is another edge, such as a needle's.
    for _ in 0..4 {
        let off = |p: &[f64; 2]| ((p[0] - fitted.0[0]).hypot(p[1] - fitted.0[1]) - fitted.1).abs();
        let mut sorted: Vec<f64> = points.iter().map(off).collect();
        sorted.sort_by(f64::total_cmp);
        let limit = (3.0 * sorted[sorted.len() / 2]).max(0.75);
        let kept: Vec<[f64; 2]> = points.iter().copied().filter(|p| off(p) <= limit).collect();
        fitted = fit(&kept)?;
        points = kept;
    }
    let (centre, radius) = fitted;
    let squares: f64 =
        points.iter().map(|p| ((p[0] - centre[0]).hypot(p[1] - centre[1]) - radius).powi(2)).sum();
    let error = (squares / points.len() as f64).sqrt();
    let kept = points.len() as f64 / DIRECTIONS as f64;
    Some(Circle { centre, radius, error, found: found.min(kept) })
}

/// Source: Kåsa, "A circle fitting procedure and its error analysis" (1976).
fn fit(points: &[[f64; 2]]) -> Option<([f64; 2], f64)> {
    if points.len() < 6 {
        return None;
    }
    let count = points.len() as f64;
    let mean = |f: fn(&[f64; 2]) -> f64| points.iter().map(f).sum::<f64>() / count;
    let (mx, my) = (mean(|p| p[0]), mean(|p| p[1]));
    let (mut suu, mut svv, mut suv, mut su, mut sv) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for [x, y] in points {
        let (u, v) = (x - mx, y - my);
        let square = u * u + v * v;
        (suu, svv, suv) = (suu + u * u, svv + v * v, suv + u * v);
        (su, sv) = (su + u * square, sv + v * square);
    }
    let determinant = suu * svv - suv * suv;
    let (u, v) =
        ((su * svv - sv * suv) / (2.0 * determinant), (sv * suu - su * suv) / (2.0 * determinant));
    let radius = (u * u + v * v + (suu + svv) / count).sqrt();
    let is_plain = u.is_finite() && v.is_finite() && radius.is_finite();
    is_plain.then_some(([mx + u, my + v], radius))
}

/// The picture in letters, for a model that sees nothing: `columns` across, and as many rows as
/// cells about twice as high as wide need, like letters.
pub fn sketch(pixels: &RgbImage, columns: u32) -> Sketch {
    const COLOURS_MAX: usize = 12;
    let (width, height) = (pixels.width().max(1), pixels.height().max(1));
    let columns = columns.clamp(1, 120).min(width);
    let cell = f64::from(width) / f64::from(columns);
    let rows = ((f64::from(height) / (2.0 * cell)).round() as u32).clamp(1, 120).min(height);
    let colours = colours(pixels, COLOURS_MAX);
    let nearest = |rgb: [u8; 3]| {
        (0..colours.len()).min_by_key(|i| distance(colours[*i].rgb, rgb)).unwrap_or_default()
    };
    let letter = |i: usize| if i == 0 { '.' } else { char::from(b'A' + (i as u8 - 1)) };
    let at = |i: u32, of: u32, side: u32| (u64::from(i) * u64::from(side) / u64::from(of)) as u32;
    let row = |j: u32| {
        let (top, bottom) = (at(j, rows, height), at(j + 1, rows, height));
        (0..columns)
            .map(|i| {
                let (left, right) = (at(i, columns, width), at(i + 1, columns, width));
                let mut counts = [0u32; COLOURS_MAX];
                for y in top..bottom {
                    for x in left..right {
                        counts[nearest(pixels.get_pixel(x, y).0)] += 1;
                    }
                }
                // A thin line is seen although most of its cell is ground.
                let cells = (bottom - top) * (right - left);
                let drawn = (1..COLOURS_MAX).max_by_key(|c| (counts[*c], COLOURS_MAX - c));
                let drawn = drawn.filter(|c| counts[*c] * 4 >= cells.max(1));
                letter(drawn.unwrap_or(0))
            })
            .collect()
    };
    let rows = (0..rows).map(row).collect();
    Sketch { colours, rows }
}
