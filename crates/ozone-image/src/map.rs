//! Maps between the pixels of two pictures.
//!
//! Coordinates are continuous, x to the right and y down: the first pixel covers 0 to 1 and its
//! centre is at 0.5. A crop by whole pixels is then a shift, and a resize is a plain factor.

use serde::{Deserialize, Serialize};

/// A box: left, top, right, bottom in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

impl Rect {
    pub fn new(x0: f64, y0: f64, x1: f64, y1: f64) -> Rect {
        Rect { x0, y0, x1, y1 }
    }

    pub fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    pub fn height(&self) -> f64 {
        self.y1 - self.y0
    }

    /// The part that both cover, as a share of what either covers.
    pub fn overlap(&self, other: &Rect) -> f64 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        let both = width.max(0.0) * height.max(0.0);
        let either = self.width() * self.height() + other.width() * other.height() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    pub(crate) fn corners(&self) -> [[f64; 2]; 4] {
        [[self.x0, self.y0], [self.x1, self.y0], [self.x1, self.y1], [self.x0, self.y1]]
    }

    /// The smallest box that holds these places.
    pub fn around_points(points: &[[f64; 2]]) -> Rect {
        Rect::around(points.iter().copied())
    }

    pub(crate) fn around(points: impl IntoIterator<Item = [f64; 2]>) -> Rect {
        let none = Rect::new(f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        points
            .into_iter()
            .fold(none, |r, [x, y]| Rect::new(r.x0.min(x), r.y0.min(y), r.x1.max(x), r.y1.max(y)))
    }
}

/// A projective map of the plane, a 3×3 matrix by rows. Most are affine: their last row is 0 0 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Map([f64; 9]);

impl Map {
    pub const IDENTITY: Map = Map([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);

    pub fn affine([a, b, c, d, e, f]: [f64; 6]) -> Map {
        Map([a, b, c, d, e, f, 0.0, 0.0, 1.0])
    }

    pub fn shift(x: f64, y: f64) -> Map {
        Map::affine([1.0, 0.0, x, 0.0, 1.0, y])
    }

    pub fn scale(x: f64, y: f64) -> Map {
        Map::affine([x, 0.0, 0.0, 0.0, y, 0.0])
    }

    /// Clockwise about the origin, as y points down. Quarter turns are exact.
    pub fn rotation(degrees: f64) -> Map {
        let quarters = degrees / 90.0;
        let (sin, cos) = if quarters == quarters.round() {
            match (quarters.round() as i64).rem_euclid(4) {
                0 => (0.0, 1.0),
                1 => (1.0, 0.0),
                2 => (0.0, -1.0),
                _ => (-1.0, 0.0),
            }
        } else {
            degrees.to_radians().sin_cos()
        };
        Map::affine([cos, -sin, 0.0, sin, cos, 0.0])
    }

    /// The map that takes the corners of a `width`×`height` box (from the top left, clockwise) to
    /// these points. `None` if three of them lie on one line.
    ///
    /// Source: Heckbert, "Fundamentals of Texture Mapping and Image Warping" (1989), section 2.2.3.
    pub fn from_box(width: f64, height: f64, to: [[f64; 2]; 4]) -> Option<Map> {
        let [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = to;
        let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let area = dx1 * dy2 - dx2 * dy1;
        let g = (sx * dy2 - dx2 * sy) / area;
        let h = (dx1 * sy - sx * dy1) / area;
        let square = Map([
            x1 - x0 + g * x1,
            x3 - x0 + h * x3,
            x0,
            y1 - y0 + g * y1,
            y3 - y0 + h * y3,
            y0,
            g,
            h,
            1.0,
        ]);
        let map = Map::scale(1.0 / width, 1.0 / height).then(&square);
        // A box that is turned inside out or folded over has no inverse anywhere in it.
        let sides = |i: usize| {
            let ([ax, ay], [bx, by], [cx, cy]) = (to[i], to[(i + 1) % 4], to[(i + 2) % 4]);
            (bx - ax) * (cy - by) - (by - ay) * (cx - bx)
        };
        let convex = (0..4).all(|i| sides(i) > 0.0) || (0..4).all(|i| sides(i) < 0.0);
        (convex && map.0.iter().all(|v| v.is_finite())).then_some(map)
    }

    /// First this, then `next`.
    pub fn then(&self, next: &Map) -> Map {
        let (a, b) = (&next.0, &self.0);
        let cell = |row: usize, col: usize| {
            a[3 * row] * b[col] + a[3 * row + 1] * b[3 + col] + a[3 * row + 2] * b[6 + col]
        };
        let mut m: [f64; 9] = std::array::from_fn(|i| cell(i / 3, i % 3));
        if m[8] != 0.0 && m[8] != 1.0 {
            let last = m[8];
            m.iter_mut().for_each(|v| *v /= last);
        }
        Map(m)
    }

    pub fn inverse(&self) -> Option<Map> {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let minors = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * minors[0] + b * minors[3] + c * minors[6];
        let inverse = Map(minors.map(|m| m / determinant));
        let last = inverse.0[8];
        let inverse = Map(inverse.0.map(|m| m / last));
        inverse.0.iter().all(|v| v.is_finite()).then_some(inverse)
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let w = g * x + h * y + i;
        [(a * x + b * y + c) / w, (d * x + e * y + f) / w]
    }

    /// The six numbers `x' = a·x + b·y + c`, `y' = d·x + e·y + f`, if they say it all.
    pub fn coefficients(&self) -> Option<[f64; 6]> {
        let [a, b, c, d, e, f, g, h, _] = self.0;
        (g == 0.0 && h == 0.0).then_some([a, b, c, d, e, f])
    }

    /// How much the map stretches at a point, in the direction in which it does so most.
    pub(crate) fn stretch(&self, [x, y]: [f64; 2]) -> f64 {
        const STEP: f64 = 0.5;
        let column = |dx: f64, dy: f64| {
            let ([ax, ay], [bx, by]) = (self.apply([x - dx, y - dy]), self.apply([x + dx, y + dy]));
            [bx - ax, by - ay]
        };
        let ([a, c], [b, d]) = (column(STEP, 0.0), column(0.0, STEP));
        let (sum, det) = (a * a + b * b + c * c + d * d, a * d - b * c);
        ((sum + (sum * sum - 4.0 * det * det).max(0.0).sqrt()) / 2.0).sqrt()
    }
}
