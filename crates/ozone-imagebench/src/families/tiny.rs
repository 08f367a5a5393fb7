//! F2: a very large picture full of small labels; the one beside the red triangle is asked for.

use ozone_tasks::{Rng, Value};

use crate::paint::{self, BLACK, Canvas, Colour, Paint, Type, between};
use crate::words::code;
use crate::{Scene, Wish};

pub(super) const COLOURS: &[(&str, Colour)] = &[
    ("red", [214, 36, 36]),
    ("blue", [32, 84, 214]),
    ("green", [24, 140, 62]),
    ("orange", [240, 150, 20]),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Marker {
    Triangle,
    Square,
    Circle,
}

const MARKERS: &[Marker] = &[Marker::Triangle, Marker::Square, Marker::Circle];

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let width = wish.grade(4000.0, 8000.0);
    let height = width * 0.75;
    let text_px = wish.grade(28.0, 13.0);
    let count = wish.grade(8.0, 60.0) as usize;
    let ground: Colour = [238, 236, 228];
    let mut canvas = Canvas::new(width as u32, height as u32, ground);
    for _ in 0..wish.grade(20.0, 120.0) as u32 {
        clutter(&mut canvas, [width, height], rng);
    }
    // One label to a cell, so that none covers another.
    let (columns, rows) = (8u64, 9u64);
    let mut cells: Vec<u64> = (0..columns * rows).collect();
    rng.shuffle(&mut cells);
    let (cell_w, cell_h) = (width / columns as f64, height / rows as f64);
    let label_w = 9.0 * 0.68 * text_px + 2.0 * text_px;
    let mut right = String::new();
    for (i, cell) in cells.into_iter().take(count).enumerate() {
        let (column, row) = ((cell % columns) as f64, (cell / columns) as f64);
        let left = column * cell_w + between(rng, 0.02, 0.98) * (cell_w - label_w - 2.0 * text_px);
        let left = left + text_px;
        let middle = row * cell_h + between(rng, 2.5 * text_px, cell_h - 2.5 * text_px);
        let is_asked = i == 0;
        let (colour, marker) = match is_asked {
            true => (0, Marker::Triangle),
            false => other(rng),
        };
        let text = code(rng);
        let plate =
            [left, middle - 1.2 * text_px, left + label_w + text_px, middle + 1.2 * text_px];
        canvas.rect(plate, ground);
        let at = [left + text_px, middle];
        draw(&mut canvas, marker, at, 0.62 * text_px, COLOURS[colour].1);
        let begin = left + 2.1 * text_px;
        if is_asked && !wish.readable {
            let place =
                [begin, middle - 0.4 * text_px, begin + 5.5 * text_px, middle + 0.4 * text_px];
            paint::scribbled(&mut canvas, place, BLACK, rng);
        } else {
            canvas.text([begin, middle + 0.36 * text_px], &text, Type::plain(text_px));
        }
        if is_asked {
            right = text;
        }
    }
    let noise_seed = rng.u64();
    let paint = move || {
        let mut pixels = canvas.draw();
        let mut rng = Rng::new(noise_seed, ozone_tasks::Split::HeldOut, 0);
        paint::shaded(&mut pixels, between(&mut rng, 0.0, 360.0), 0.15);
        pixels
    };
    Scene {
        question: "In this large picture small labels stand beside small coloured figures. Which \
                   code (two letters, a hyphen, five digits) stands directly to the right of the \
                   red triangle?"
            .to_owned(),
        value: Value::Text(right),
        paint: Box::new(paint),
        jpeg_quality: Some(92),
    }
}

/// Anything but the red triangle.
fn other(rng: &mut Rng) -> (usize, Marker) {
    loop {
        let found = (rng.below(COLOURS.len() as u64) as usize, *rng.pick(MARKERS));
        if found != (0, Marker::Triangle) {
            return found;
        }
    }
}

fn draw(canvas: &mut Canvas, marker: Marker, at: [f64; 2], radius: f64, colour: Colour) {
    let fill = Paint::Fill(colour);
    match marker {
        Marker::Triangle => canvas.polygon(&paint::corners(3, at, radius * 1.2, 0.0), fill),
        Marker::Square => canvas.polygon(&paint::corners(4, at, radius * 1.2, 45.0), fill),
        Marker::Circle => canvas.circle(at, radius, fill),
    }
}

/// Pale bars and lines.
fn clutter(canvas: &mut Canvas, [width, height]: [f64; 2], rng: &mut Rng) {
    let gray = rng.int(190, 222) as u8;
    let colour = [gray, gray, gray.saturating_add(6)];
    let [x, y] = [between(rng, 0.0, width), between(rng, 0.0, height)];
    let long = between(rng, 0.05, 0.4) * width;
    if rng.chance(0.5) {
        canvas.rect([x, y, x + long, y + between(rng, 4.0, 0.05 * height)], colour);
    } else {
        let turn = between(rng, 0.0, std::f64::consts::TAU);
        canvas.line(&[[x, y], [x + long * turn.cos(), y + long * turn.sin()]], colour, 3.0);
    }
}
