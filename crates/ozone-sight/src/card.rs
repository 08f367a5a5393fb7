//! A card with a code on it, which nobody knows who has not seen the card.

use std::fmt::Write as _;

use ozone_image::{RgbImage, drawn, encode};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// The code and its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub code: String,
    pub png: Vec<u8>,
}

impl Card {
    /// Letters and digits that no font makes alike.
    pub const ALPHABET: &str = "ACDEFHJKLMNPRTUVWXY3479";
    pub const CHARS: usize = 6;
    pub const SIZE: [u32; 2] = [480, 160];

    pub fn of_seed(seed: u64) -> Card {
        let mut rng = SmallRng::seed_from_u64(seed);
        let alphabet: Vec<char> = Card::ALPHABET.chars().collect();
        let code = (0..Card::CHARS).filter_map(|_| alphabet.choose(&mut rng)).collect::<String>();
        Card::draw(&code, rng.random())
    }

    /// The letters stand on grain that makes the file large beside its pixels: as base64 in a text it
    /// is told from a picture by its tokens.
    pub fn draw(code: &str, grain: u64) -> Card {
        let [width, height] = Card::SIZE;
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">"#
        );
        let cell = f64::from(width) / Card::CHARS as f64;
        for (at, letter) in code.chars().enumerate() {
            let x = cell * (at as f64 + 0.5);
            let _ = write!(
                svg,
                r##"<text x="{x:.1}" y="112" font-family="DejaVu Sans" font-weight="bold" font-size="86" fill="#141418" text-anchor="middle">{letter}</text>"##
            );
        }
        svg.push_str("</svg>");
        let mut pixels = drawn(&svg, Card::SIZE).expect("our own drawing is well formed");
        grained(&mut pixels, grain);
        let png = encode::png(&pixels).expect("a picture in memory is encoded");
        Card { code: code.to_owned(), png }
    }

    /// Whether somebody who says this has read the code. One character may be misread; by chance that
    /// is one in ten million.
    pub fn is_read(&self, said: &str) -> bool {
        /// Of an answer: beyond it nobody answers a question of six characters.
        const CHARS_MAX: usize = 4_000;
        let said = said.chars().take(CHARS_MAX).filter(char::is_ascii_alphanumeric);
        let said: Vec<u8> = said.map(|c| c.to_ascii_uppercase() as u8).collect();
        let right = |window: &[u8]| {
            let same = window.iter().zip(self.code.bytes()).filter(|(a, b)| **a == *b);
            same.count() + 1 >= self.code.len()
        };
        said.windows(self.code.len()).any(right)
    }
}

/// Darkens the ground and lightens the letters a little, in squares.
fn grained(pixels: &mut RgbImage, seed: u64) {
    const STEPS: u8 = 8;
    const STEP: u8 = 8;
    const SIDE: u32 = 8;
    let mut rng = SmallRng::seed_from_u64(seed);
    let (across, down) = (pixels.width().div_ceil(SIDE), pixels.height().div_ceil(SIDE));
    let grain: Vec<u8> = (0..across * down).map(|_| rng.random_range(0..STEPS) * STEP).collect();
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let by = grain[(y / SIDE * across + x / SIDE) as usize];
        for value in &mut pixel.0 {
            *value = if *value > 127 { value.saturating_sub(by) } else { value.saturating_add(by) };
        }
    }
}
