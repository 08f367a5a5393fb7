//! F11: a triangle drawn by a hand that is not quite steady, with a dot of another colour at each
//! corner and a bar for the scale: an angle, a length, an area.

use ozone_tasks::{Rng, Value};

use crate::paint::{Canvas, Colour, Paint, Type, between};
use crate::{Scene, Wish};

const DOTS: &[(&str, Colour)] =
    &[("red", [220, 30, 30]), ("green", [20, 150, 60]), ("blue", [30, 80, 220])];
const BAR: Colour = [150, 40, 170];
const PAPER: Colour = [250, 249, 244];
const STAIN: Colour = [172, 150, 120];
const PENCIL: Colour = [60, 60, 70];

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let (width, height) = (wish.grade(700.0, 1500.0), wish.grade(560.0, 1100.0));
    let points = loop {
        let mut point = || [between(rng, 0.08, 0.92) * width, between(rng, 0.08, 0.78) * height];
        let points = [point(), point(), point()];
        let least = (0..3).map(|i| angle(&points, i)).fold(180.0, f64::min);
        let short = (0..3).map(|i| length(points[i], points[(i + 1) % 3])).fold(1e9, f64::min);
        if least > 15.0 && short > 0.22 * height {
            break points;
        }
    };
    let units = rng.int(2, 20) as f64;
    let bar_px = between(rng, 0.15, 0.3) * width;
    let per_px = units / bar_px;
    let kind = rng.below(3);
    let corner = rng.below(3) as usize;
    let (a, b) = ((corner + 1) % 3, (corner + 2) % 3);
    let (value, tolerance) = match kind {
        0 => (angle(&points, corner), 1.0),
        1 => {
            let long = length(points[a], points[b]) * per_px;
            (long, 0.015 * long)
        }
        _ => {
            let area = area(&points) * per_px * per_px;
            (area, 0.03 * area)
        }
    };
    let scale = format!("The purple bar is {units} units long.");
    let question = match kind {
        0 => format!(
            "How large is the angle of the triangle at the corner with the {} dot, in degrees?",
            DOTS[corner].0
        ),
        1 => format!(
            "How long is the side of the triangle between the {} and the {} dot, in units? {scale}",
            DOTS[a].0, DOTS[b].0
        ),
        _ => format!("How large is the area of the triangle, in square units? {scale}"),
    };
    let mut canvas = Canvas::new(width as u32, height as u32, PAPER);
    for _ in 0..wish.grade(0.0, 12.0) as u32 {
        // Old pencil lines that mean nothing.
        let mut end = || [between(rng, 0.0, width), between(rng, 0.0, 0.8 * height)];
        let (from, to) = (end(), end());
        canvas.line(&[from, to], [206, 205, 200], 2.0);
    }
    let shake = wish.grade(0.5, 2.5);
    // Of a corner that a stain has taken the sides are gone, too: they would tell where it was.
    let gone = (!wish.readable).then_some(if kind == 0 { corner } else { a });
    for i in 0..3 {
        let next = (i + 1) % 3;
        let side = shaky(points[i], points[next], shake, rng);
        if gone != Some(i) && gone != Some(next) {
            canvas.line(&side, PENCIL, 3.0);
        }
    }
    for (i, point) in points.iter().enumerate() {
        match gone == Some(i) {
            true => canvas.circle(*point, 0.12 * height, Paint::Fill(STAIN)),
            false => canvas.circle(*point, 9.0, Paint::Fill(DOTS[i].1)),
        }
    }
    let (left, base) = (0.08 * width, 0.9 * height);
    canvas.rect([left, base - 3.0, left + bar_px, base + 3.0], BAR);
    let text = [left + bar_px + 14.0, base + 7.0];
    canvas.text(text, &format!("{units} units"), Type::plain(20.0).coloured(BAR));
    Scene {
        question,
        value: Value::Within { value, tolerance },
        paint: Box::new(move || canvas.draw()),
        jpeg_quality: None,
    }
}

fn length(a: [f64; 2], b: [f64; 2]) -> f64 {
    (b[0] - a[0]).hypot(b[1] - a[1])
}

fn angle(points: &[[f64; 2]; 3], at: usize) -> f64 {
    let (o, a, b) = (points[at], points[(at + 1) % 3], points[(at + 2) % 3]);
    let direction = |p: [f64; 2]| (p[1] - o[1]).atan2(p[0] - o[0]);
    let between = (direction(a) - direction(b)).to_degrees().rem_euclid(360.0);
    between.min(360.0 - between)
}

fn area([a, b, c]: &[[f64; 2]; 3]) -> f64 {
    ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs() / 2.0
}

/// From one place to another, with a little to the left and right on the way.
fn shaky(from: [f64; 2], to: [f64; 2], shake: f64, rng: &mut Rng) -> Vec<[f64; 2]> {
    const PARTS: u32 = 14;
    let long = length(from, to);
    let across = [-(to[1] - from[1]) / long, (to[0] - from[0]) / long];
    (0..=PARTS)
        .map(|i| {
            let share = f64::from(i) / f64::from(PARTS);
            let off = if i == 0 || i == PARTS { 0.0 } else { between(rng, -shake, shake) };
            [0, 1].map(|k| from[k] + (to[k] - from[k]) * share + across[k] * off)
        })
        .collect()
}
