//! F6: gauges and clocks on a plate that is seen at a slant; clocks at times in a mirror.

use ozone_image::RgbImage;
use ozone_tasks::{Rng, Value};

use crate::paint::{self, Canvas, Colour, Paint, Type, between};
use crate::{Scene, Wish};

const RADIUS_PX: f64 = 150.0;
const CELL_PX: f64 = 360.0;
const MARGIN_PX: f64 = 30.0;
const PLATE: Colour = [232, 232, 226];
const FACE: Colour = [250, 250, 250];
const INK: Colour = [24, 24, 30];
const NEEDLE: Colour = [206, 26, 26];
const TABLE: Colour = [70, 78, 84];
/// Columns and rows, by difficulty.
const GRIDS: &[[u32; 2]] = &[[1, 1], [2, 1], [2, 2], [3, 2], [3, 3]];
/// A needle seldom stands where the scale is bent most.
const BENT: f64 = 0.2;

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let [columns, rows] = GRIDS[(wish.difficulty as usize - 1).min(GRIDS.len() - 1)];
    let are_clocks = rng.chance(0.4);
    let mirrored = are_clocks && rng.chance(0.3);
    let asked = [rng.below(columns.into()) as u32, rng.below(rows.into()) as u32];
    let width = f64::from(columns) * CELL_PX + 2.0 * MARGIN_PX;
    let height = f64::from(rows) * CELL_PX + 2.0 * MARGIN_PX;
    let mut canvas = Canvas::new(width as u32, height as u32, PLATE);
    let mut value = Value::Text(String::new());
    let mut scale = String::new();
    for row in 0..rows {
        for column in 0..columns {
            let centre = [column, row].map(|i| MARGIN_PX + (f64::from(i) + 0.5) * CELL_PX);
            // Columns are counted as they are seen.
            let seen = if mirrored { columns - 1 - column } else { column };
            let is_asked = [seen, row] == asked;
            let shows = !is_asked || wish.readable;
            canvas.circle(centre, RADIUS_PX - 2.0, Paint::Fill(FACE));
            canvas.circle(centre, RADIUS_PX - 2.0, Paint::Outline(INK, 5.0));
            let found = match are_clocks {
                true => clock(&mut canvas, centre, shows, rng),
                false => gauge(&mut canvas, centre, shows, rng),
            };
            if is_asked {
                (value, scale) = found;
            }
        }
    }
    let place = match columns * rows {
        1 => String::new(),
        _ => {
            format!(" in row {} from the top, column {} from the left", asked[1] + 1, asked[0] + 1)
        }
    };
    let question = match are_clocks {
        true => format!(
            "What time does the clock{place} show? The picture may have been taken through a \
             mirror: give the time of the clock itself, in hours and minutes as 7:05."
        ),
        false => format!(
            "What does the gauge{place} read? Its red needle points to a value between the \
             numbers of its scale; give it to about 1 % of the scale ({scale})."
        ),
    };
    let corners = slanted([width, height], wish, rng);
    let paint = move || photographed(canvas.draw(), corners, mirrored);
    Scene { question, value, paint: Box::new(paint), jpeg_quality: Some(93) }
}

fn gauge(canvas: &mut Canvas, centre: [f64; 2], shows: bool, rng: &mut Rng) -> (Value, String) {
    let intervals = rng.int(5, 10);
    let step = *rng.pick(&[1i64, 2, 5, 10, 20, 25, 50]);
    let first = *rng.pick(&[0i64, 0, 0, 1, 2, -1, -2]) * step;
    let from = between(rng, -140.0, -110.0);
    let span = between(rng, 225.0, 270.0);
    // At times the scale is wider at one end.
    let bend = if rng.chance(BENT) { *rng.pick(&[0.75, 1.3]) } else { 1.0 };
    let degrees = |share: f64| from + span * share.powf(bend);
    let at = |degrees: f64, radius: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [centre[0] + radius * RADIUS_PX * sin, centre[1] - radius * RADIUS_PX * cos]
    };
    for i in 0..=intervals {
        let turn = degrees(i as f64 / intervals as f64);
        canvas.line(&[at(turn, 0.80), at(turn, 0.93)], INK, 5.0);
        let [x, y] = at(turn, 0.63);
        let number = (first + i * step).to_string();
        canvas.text([x, y + 7.5], &number, Type::plain(21.0).coloured(INK).centred());
    }
    let low = if bend == 1.0 { 0.02 } else { 1.2 / intervals as f64 };
    let share = between(rng, low, 0.98);
    if shows {
        let turn = degrees(share);
        canvas.line(&[at(turn, -0.12), at(turn, 0.76)], NEEDLE, 5.0);
        canvas.circle(centre, 0.06 * RADIUS_PX, Paint::Fill(INK));
    }
    let full = (intervals * step) as f64;
    let value = first as f64 + share * full;
    let tolerance = 0.01 * full;
    let scale = format!("{} to {}", first, first + intervals * step);
    (Value::Within { value, tolerance }, scale)
}

fn clock(canvas: &mut Canvas, centre: [f64; 2], shows: bool, rng: &mut Rng) -> (Value, String) {
    let minutes = rng.int(0, 719);
    let at = |degrees: f64, radius: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [centre[0] + radius * RADIUS_PX * sin, centre[1] - radius * RADIUS_PX * cos]
    };
    for hour in 1..=12 {
        let turn = 30.0 * f64::from(hour);
        canvas.line(&[at(turn, 0.90), at(turn, 0.96)], INK, 4.0);
        let [x, y] = at(turn, 0.77);
        canvas.text([x, y + 9.5], &hour.to_string(), Type::plain(26.0).coloured(INK).centred());
    }
    if shows {
        canvas.line(&[centre, at(minutes as f64 / 2.0, 0.46)], INK, 9.0);
        canvas.line(&[centre, at(minutes as f64 * 6.0, 0.66)], INK, 4.0);
        canvas.circle(centre, 0.05 * RADIUS_PX, Paint::Fill(INK));
    }
    let time = |minutes: i64| {
        let minutes = minutes.rem_euclid(720);
        let hour = if minutes < 60 { 12 } else { minutes / 60 };
        [format!("{hour}:{:02}", minutes % 60), format!("{hour:02}:{:02}", minutes % 60)]
    };
    (Value::OneOf((minutes - 1..=minutes + 1).flat_map(time).collect()), String::new())
}

/// Where the corners of the plate lie in the picture, and how large that is.
fn slanted(size: [f64; 2], wish: Wish, rng: &mut Rng) -> ([[f64; 2]; 4], [u32; 2]) {
    let [width, height] = size;
    let most = wish.grade(0.01, 0.07) * width.min(height);
    let edge = most + 50.0;
    let mut corner = |x: f64, y: f64| {
        [x + edge + between(rng, -most, most), y + edge + between(rng, -most, most)]
    };
    let corners =
        [corner(0.0, 0.0), corner(width, 0.0), corner(width, height), corner(0.0, height)];
    (corners, [width + 2.0 * edge, height + 2.0 * edge].map(|side| side as u32))
}

fn photographed(
    plate: RgbImage,
    (corners, size): ([[f64; 2]; 4], [u32; 2]),
    mirrored: bool,
) -> RgbImage {
    let plate = if mirrored { paint::turned(plate, 0.0, true) } else { plate };
    let mut pixels = paint::on_table(plate, corners, size, TABLE);
    paint::shaded(&mut pixels, 120.0, 0.1);
    pixels
}
