//! A board with four boxes at known places.

use std::fmt::Write as _;

use ozone_image::{Frame, Rect, drawn, encode};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// As a tool would have it: a large file, of which a model is shown a smaller view.
///
/// The file is larger than what servers take, and no side of it or of the view is near 1000: of the
/// places below, each convention writes other numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    pub size: [u32; 2],
    pub seen: [u32; 2],
    /// In parts of the sides: left, top, right, bottom.
    pub boxes: [[f64; 4]; 4],
    /// The view.
    pub png: Vec<u8>,
}

impl Board {
    pub const COLOURS: [&str; 4] = ["red", "green", "blue", "black"];
    const FILL: [&str; 4] = ["#e01b24", "#1f9d3a", "#1d5fd1", "#101014"];
    const SIZE: [u32; 2] = [5200, 2600];

    /// `pixels_max` is how much of a picture models are shown.
    pub fn of_seed(seed: u64, pixels_max: u64) -> Board {
        let mut rng = SmallRng::seed_from_u64(seed);
        let [width, height] = Board::SIZE.map(f64::from);
        let scale = (pixels_max as f64 / (width * height)).sqrt().min(1.0);
        let seen = [width, height].map(|side| (side * scale).round().max(1.0) as u32);
        // One in each quarter, none at its border; the last reaches far to the right and down.
        let corners = [[0.06, 0.08], [0.56, 0.12], [0.1, 0.56], [0.6, 0.6]];
        let mut place = |[x, y]: [f64; 2]| {
            let (left, top) = (x + rng.random_range(0.0..0.06), y + rng.random_range(0.0..0.08));
            let (wide, high) = (rng.random_range(0.14..0.26), rng.random_range(0.12..0.22));
            [left, top, left + wide, top + high]
        };
        let boxes = corners.map(&mut place);
        let [across, down] = seen.map(f64::from);
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}">"#,
            seen[0], seen[1]
        );
        for ([left, top, right, bottom], fill) in boxes.iter().zip(Board::FILL) {
            let _ = write!(
                svg,
                r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{fill}"/>"#,
                left * across,
                top * down,
                (right - left) * across,
                (bottom - top) * down
            );
        }
        svg.push_str("</svg>");
        let pixels = drawn(&svg, seen).expect("our own drawing is well formed");
        let png = encode::png(&pixels).expect("a picture in memory is encoded");
        Board { size: Board::SIZE, seen, boxes, png }
    }

    /// As the image tools tell of it.
    pub fn told(&self) -> String {
        let [width, height] = self.size;
        format!("Pictures:\nimg_0: board.png, PNG, {width}x{height} pixels")
    }

    /// A box as a model of this convention writes it.
    pub fn written(&self, at: usize, coords: ozone_image::Coords) -> [f64; 4] {
        let [left, top, right, bottom] = self.boxes[at];
        let [width, height] = self.size.map(f64::from);
        let rect = Rect::new(left * width, top * height, right * width, bottom * height);
        self.frame(coords).write_rect(&rect)
    }

    pub(crate) fn frame(&self, coords: ozone_image::Coords) -> Frame {
        Frame { coords, size: self.size, seen: self.seen }
    }
}
