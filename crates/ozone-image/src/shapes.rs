//! Connected parts of a picture: for counting and finding.

use image::{Rgb, RgbImage};

use crate::filter::{self, Plane};
use crate::map::Rect;
use crate::outline;

/// Which pixels belong to a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// Darker than Otsu's level.
    Dark,
    Bright,
    /// So far from this colour at most, along the channel in which it is farthest.
    Colour {
        rgb: [u8; 3],
        tolerance: u8,
    },
    /// Farther from this colour than that: all that lies on a ground.
    Unlike {
        rgb: [u8; 3],
        tolerance: u8,
    },
    /// The rarer side of Otsu's level.
    Ink,
}

/// One connected part.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub bbox: Rect,
    pub centre: [f64; 2],
    /// In pixels.
    pub area: u64,
    pub colour: [u8; 3],
    /// The share of its box that it covers: 1 for a rectangle, 0.79 for a disc, less for outlines.
    pub filled: f64,
    /// The corners of the figure around it, clockwise from the topmost; none where it is round.
    pub corners: Vec<[f64; 2]>,
    /// It surrounds something that is not part of it.
    pub hollow: bool,
    /// It touches the picture's border, so a part may be missing.
    pub cut: bool,
}

/// Those that were found, the largest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shapes {
    pub shapes: Vec<Shape>,
    /// Parts that were too small to count.
    pub specks: usize,
}

impl Shapes {
    /// Connected parts (also by their corners) of at least `area_min` pixels.
    pub fn find(pixels: &RgbImage, wanted: Wanted, area_min: u64) -> Shapes {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let is_wanted = mask(pixels, wanted);
        let at = |x: usize, y: usize| is_wanted[y * width + x];
        let found = parts(width, height, at);
        let holes = Holes::find(width, height, &at);
        let all = found.len();
        let mut shapes: Vec<Shape> = found
            .iter()
            .filter(|part| part.pixels.len() as u64 >= area_min)
            .map(|part| shape(pixels, part, &holes))
            .collect();
        shapes.sort_by(|a, b| {
            let place = |s: &Shape| (s.bbox.y0, s.bbox.x0);
            b.area.cmp(&a.area).then(place(a).partial_cmp(&place(b)).unwrap_or(a.area.cmp(&b.area)))
        });
        let specks = all - shapes.len();
        Shapes { shapes, specks }
    }
}

pub(crate) struct Part {
    pub pixels: Vec<[u32; 2]>,
}

impl Part {
    pub fn bbox(&self) -> Rect {
        let corners = self.pixels.iter().flat_map(|[x, y]| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            [[x, y], [x + 1.0, y + 1.0]]
        });
        Rect::around(corners)
    }
}

fn mask(pixels: &RgbImage, wanted: Wanted) -> Vec<bool> {
    if let Wanted::Colour { rgb, tolerance } | Wanted::Unlike { rgb, tolerance } = wanted {
        let wants_near = matches!(wanted, Wanted::Colour { .. });
        let is_near = |p: &Rgb<u8>| (0..3).all(|c| p[c].abs_diff(rgb[c]) <= tolerance);
        return pixels.pixels().map(|p| is_near(p) == wants_near).collect();
    }
    let luma = Plane::luma(pixels).to_gray();
    let counts = filter::histogram(&luma);
    let level = filter::otsu(&counts);
    let dark: u64 = counts[..=usize::from(level)].iter().sum();
    let wants_dark = match wanted {
        Wanted::Bright => false,
        Wanted::Ink => dark * 2 <= u64::from(pixels.width()) * u64::from(pixels.height()),
        Wanted::Dark | Wanted::Colour { .. } | Wanted::Unlike { .. } => true,
    };
    luma.pixels().map(|p| (p[0] <= level) == wants_dark).collect()
}

/// Connected parts, also by corners.
pub(crate) fn parts(width: usize, height: usize, is: impl Fn(usize, usize) -> bool) -> Vec<Part> {
    const AROUND: [[i64; 2]; 8] =
        [[-1, -1], [0, -1], [1, -1], [-1, 0], [1, 0], [-1, 1], [0, 1], [1, 1]];
    flood(width, height, is, &AROUND)
}

fn flood(
    width: usize,
    height: usize,
    is: impl Fn(usize, usize) -> bool,
    around: &[[i64; 2]],
) -> Vec<Part> {
    let mut seen = vec![false; width * height];
    let mut found = vec![];
    for start in 0..width * height {
        if seen[start] || !is(start % width, start / width) {
            continue;
        }
        seen[start] = true;
        let mut pixels = vec![[(start % width) as u32, (start / width) as u32]];
        let mut next = 0;
        while let Some([x, y]) = pixels.get(next).copied() {
            next += 1;
            for [dx, dy] in around {
                let (x, y) = (i64::from(x) + dx, i64::from(y) + dy);
                if x < 0 || y < 0 || x >= width as i64 || y >= height as i64 {
                    continue;
                }
                let (x, y) = (x as usize, y as usize);
                if !seen[y * width + x] && is(x, y) {
                    seen[y * width + x] = true;
                    pixels.push([x as u32, y as u32]);
                }
            }
        }
        found.push(Part { pixels });
    }
    found
}

/// What is not wanted and not connected to the border by its sides.
struct Holes {
    /// Of each pixel: which hole it is in, from 1.
    at: Vec<u32>,
    boxes: Vec<Rect>,
}

impl Holes {
    fn find(width: usize, height: usize, is: &impl Fn(usize, usize) -> bool) -> Holes {
        const SIDES: [[i64; 2]; 4] = [[0, -1], [-1, 0], [1, 0], [0, 1]];
        let mut holes = Holes { at: vec![0; width * height], boxes: vec![] };
        for part in flood(width, height, |x, y| !is(x, y), &SIDES) {
            if part.pixels.iter().any(|p| is_border(*p, width, height)) {
                continue;
            }
            holes.boxes.push(part.bbox());
            let id = holes.boxes.len() as u32;
            part.pixels.iter().for_each(|[x, y]| holes.at[*y as usize * width + *x as usize] = id);
        }
        holes
    }

    fn get(&self, index: usize) -> Option<&Rect> {
        let id = *self.at.get(index)? as usize;
        id.checked_sub(1).and_then(|id| self.boxes.get(id))
    }
}

fn is_border([x, y]: [u32; 2], width: usize, height: usize) -> bool {
    x == 0 || y == 0 || x as usize + 1 == width || y as usize + 1 == height
}

fn shape(pixels: &RgbImage, part: &Part, holes: &Holes) -> Shape {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let count = part.pixels.len() as f64;
    let (mut sums, mut places) = ([0f64; 3], [0f64; 2]);
    for [x, y] in &part.pixels {
        let pixel = pixels.get_pixel(*x, *y);
        (0..3).for_each(|c| sums[c] += f64::from(pixel[c]));
        places = [places[0] + f64::from(*x) + 0.5, places[1] + f64::from(*y) + 0.5];
    }
    let bbox = part.bbox();
    // A hole that reaches no farther than the part is the part's own, and not that of what is
    // around both.
    let is_own = |hole: &Rect| {
        hole.x0 > bbox.x0 && hole.y0 > bbox.y0 && hole.x1 < bbox.x1 && hole.y1 < bbox.y1
    };
    let has_hole = |[x, y]: [u32; 2]| {
        let at = y as usize * width + x as usize;
        [at + 1, at + width].iter().any(|beside| holes.get(*beside).is_some_and(is_own))
    };
    Shape {
        bbox,
        centre: places.map(|sum| sum / count),
        area: part.pixels.len() as u64,
        colour: sums.map(|sum| (sum / count).round() as u8),
        filled: count / (bbox.width() * bbox.height()),
        corners: outline::corners(&part.pixels),
        hollow: part.pixels.iter().any(|p| has_hole(*p)),
        cut: part.pixels.iter().any(|p| is_border(*p, width, height)),
    }
}
