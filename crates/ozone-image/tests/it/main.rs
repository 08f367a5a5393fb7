//! What this crate does with pictures, at its boundary.

mod decoding;
mod finding;
mod joining;
mod painting;
mod places;
mod tones;
mod views;

use std::sync::Arc;

use ozone_image::{Picture, Rgb, RgbImage, View};

/// A picture from a function of its pixels.
pub fn drawn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb(colour(x, y)))
}

pub fn view(pixels: RgbImage) -> View {
    View::of(Arc::new(Picture::of(pixels)))
}

/// Each pixel is like no other.
pub fn speckled(width: u32, height: u32) -> RgbImage {
    drawn(width, height, |x, y| {
        let hash =
            (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35);
        [(hash >> 8) as u8, (hash >> 16) as u8, (hash >> 24) as u8]
    })
}

/// Dark bars where lines of words would be.
pub fn lines_of_text(width: u32, height: u32) -> RgbImage {
    drawn(width, height, |x, y| {
        let is_word = y % 20 < 7 && x % 37 > 5 && x > 12 && x + 12 < width;
        let is_inside = y > 14 && y + 14 < height;
        if is_word && is_inside { [20; 3] } else { [240; 3] }
    })
}

/// The mean of what two pictures differ by.
pub fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}
