//! F1: three to eight lines of words, each with a code; the sheet is turned by any angle, and half
//! of the sheets are mirrored.

use ozone_tasks::{Rng, Value};

use crate::paint::{self, BLACK, Canvas, FONTS, Type, between};
use crate::words::{code, words};
use crate::{Scene, Wish};

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let count = rng.int(3, 8) as usize;
    let size_px = wish.grade(40.0, 15.0) * between(rng, 0.95, 1.05);
    let degrees = between(rng, -180.0, 180.0);
    let mirrored = rng.chance(0.5);
    let font = *rng.pick(FONTS);
    let set = Type::plain(size_px).font(font);
    let lines: Vec<(String, String)> =
        (0..count).map(|_| (words(rng, 2).join(" "), code(rng))).collect();
    let asked = rng.below(count as u64) as usize;
    // In the font of fixed width letters are widest.
    let letter = 0.602 * size_px;
    let chars = lines.iter().map(|(words, code)| words.len() + 1 + code.len()).max().unwrap_or(0);
    let (left, pitch) = (1.5 * size_px, 1.7 * size_px);
    let width = (chars as f64 + 1.0) * letter * 1.06 + 2.0 * left;
    let height = pitch * count as f64 + 2.0 * left;
    let mut canvas = Canvas::new(width as u32, height as u32, [252, 252, 250]);
    for (i, (words, code)) in lines.iter().enumerate() {
        let base = left + pitch * (i as f64 + 0.8);
        let destroyed = i == asked && !wish.readable;
        let text = if destroyed { words.clone() } else { format!("{words} {code}") };
        canvas.text([left, base], &text, set);
        if destroyed {
            let from = left + (words.len() + 1) as f64 * letter * 1.06;
            let place = [from, base - 0.75 * size_px, from + 7.0 * letter, base];
            paint::scribbled(&mut canvas, place, BLACK, rng);
        }
    }
    let question = format!(
        "The picture shows {count} lines of text; the sheet may be turned by any angle and \
         mirrored. Seen upright, which code (two letters, a hyphen, five digits) ends line {} from \
         the top?",
        asked + 1
    );
    let paint = move || paint::turned(canvas.draw(), degrees, mirrored);
    Scene {
        question,
        value: Value::Text(lines[asked].1.clone()),
        paint: Box::new(paint),
        jpeg_quality: None,
    }
}
