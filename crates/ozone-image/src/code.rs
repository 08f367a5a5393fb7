//! QR codes.

use image::RgbImage;

use crate::filter;

/// A code that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    pub text: String,
    /// From the top left of the code clockwise, as far as the code shows where that is.
    pub corners: [[f64; 2]; 4],
}

/// The most characters of a code: the standard's largest holds fewer.
const CHARS_MAX: usize = 8_000;

/// The QR codes of a picture, and how many more looked like one and could not be read.
pub fn codes(pixels: &RgbImage) -> (Vec<Code>, usize) {
    let gray = filter::gray(pixels);
    let (width, height) = (gray.width() as usize, gray.height() as usize);
    let value = |x: usize, y: usize| gray.get_pixel(x as u32, y as u32)[0];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, value);
    let grids = prepared.detect_grids();
    let all = grids.len();
    let read: Vec<Code> = grids
        .iter()
        .filter_map(|grid| {
            let (_, text) = grid.decode().ok()?;
            let corners = grid.bounds.map(|p| [f64::from(p.x), f64::from(p.y)]);
            Some(Code { text: text.chars().take(CHARS_MAX).collect(), corners })
        })
        .collect();
    let unread = all - read.len();
    (read, unread)
}
