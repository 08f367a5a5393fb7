//! Reads cards and boards from their pixels, as an eye would that makes no mistakes.

use ozone_image::{Limits, RgbImage, View, decode};
use ozone_sight::{Board, Card};

fn pixels(png: &[u8]) -> RgbImage {
    let picture = decode(png, &Limits::default()).unwrap();
    View::of(std::sync::Arc::new(picture)).render().unwrap()
}

/// Dark or light, of each pixel of one letter's place.
fn letter(pixels: &RgbImage, at: usize) -> Vec<bool> {
    let wide = Card::SIZE[0] as usize / Card::CHARS;
    let places = (0..Card::SIZE[1]).flat_map(|y| (at * wide..(at + 1) * wide).map(move |x| (x, y)));
    places.map(|(x, y)| pixels[(x as u32, y)][0] < 128).collect()
}

/// The code of a card.
pub fn code(png: &[u8]) -> String {
    let seen = pixels(png);
    assert_eq!(seen.dimensions(), (Card::SIZE[0], Card::SIZE[1]));
    let known: Vec<(char, RgbImage)> = Card::ALPHABET
        .chars()
        .map(|c| (c, pixels(&Card::draw(&c.to_string().repeat(Card::CHARS), 0).png)))
        .collect();
    let read = |at| {
        let seen = letter(&seen, at);
        let off =
            |known: &RgbImage| letter(known, at).iter().zip(&seen).filter(|(a, b)| a != b).count();
        known.iter().min_by_key(|(_, picture)| off(picture)).unwrap().0
    };
    (0..Card::CHARS).map(read).collect()
}

/// Whether it is a board and not a card.
pub fn is_board(png: &[u8]) -> bool {
    pixels(png).width() > Card::SIZE[0]
}

/// The four boxes of a board in parts of its sides, by colour.
pub fn boxes(png: &[u8]) -> [[f64; 4]; 4] {
    let seen = pixels(png);
    let is = |at: usize, [r, g, b]: [u8; 3]| match Board::COLOURS[at] {
        "red" => r > 150 && g < 90,
        "green" => g > 120 && r < 90 && b < 110,
        "blue" => b > 150 && r < 90,
        _ => r < 60 && g < 60 && b < 60,
    };
    std::array::from_fn(|at| {
        let mine = || seen.enumerate_pixels().filter(|(_, _, pixel)| is(at, pixel.0));
        let [wide, high] = [seen.width(), seen.height()].map(f64::from);
        let (xs, ys) = (|| mine().map(|(x, _, _)| x), || mine().map(|(_, y, _)| y));
        [
            f64::from(xs().min().unwrap()) / wide,
            f64::from(ys().min().unwrap()) / high,
            f64::from(xs().max().unwrap() + 1) / wide,
            f64::from(ys().max().unwrap() + 1) / high,
        ]
    })
}
