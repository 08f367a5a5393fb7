//! F10: a picture in four to twenty-five pieces, or a page of print in upright strips, laid out in
//! another order, some of them turned.

use ozone_image::{Rgb, RgbImage};
use ozone_tasks::{Rng, Split, Value};

use crate::paint::{self, BLACK, Canvas, FONTS, Type, between};
use crate::words::{code, words};
use crate::{Scene, Wish};

/// No picture and no paper is as dark.
const TABLE: Rgb<u8> = Rgb([22, 22, 26]);
const DARKEST: f64 = 70.0;
const GAP_PX: u32 = 26;

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    match rng.chance(0.5) {
        true => pieces(wish, rng),
        false => strips(wish, rng),
    }
}

/// In the order in which they lie: which part, and by how many quarters it is turned clockwise.
type Order = Vec<(usize, u32)>;

fn pieces(wish: Wish, rng: &mut Rng) -> Scene {
    let across = wish.grade(2.0, 5.0).round() as usize;
    let count = across * across;
    let turned = wish.difficulty >= 3 && rng.chance(0.5);
    let mut order: Order = (0..count).map(|i| (i, 0)).collect();
    rng.shuffle(&mut order);
    if turned {
        // The first one says which way up the picture is.
        order[1..].iter_mut().for_each(|(_, turns)| *turns = rng.below(4) as u32);
    }
    let places = (0..count).map(|part| order.iter().position(|(p, _)| *p == part));
    let numbers: Vec<String> = places.flatten().map(|place| (place + 1).to_string()).collect();
    let how = match turned {
        true => {
            "; some were turned by quarter turns, and the first one lies as it was in the picture"
        }
        false => "",
    };
    let question = format!(
        "A picture was cut into {across} rows of {across} square pieces, which lie on a table in \
         another order{how}. As they lie they are numbered row by row from 1. Which piece belongs \
         at each place of the picture, row by row from its top left? Give the numbers with a comma \
         and a space between them, as 2, 1, 4, 3."
    );
    let side = (wish.grade(220.0, 130.0) * between(rng, 0.9, 1.1)) as u32;
    let (seed, noise, readable) = (rng.u64(), wish.grade(0.0, 3.0), wish.readable);
    let paint = move || {
        let mut rng = Rng::new(seed, Split::HeldOut, 0);
        let whole = side * across as u32;
        let picture = scenery(whole, &mut rng);
        let cut = |part: usize, picture: &RgbImage| {
            let (column, row) = ((part % across) as u32, (part / across) as u32);
            part_of(picture, [column * side, row * side], [side, side])
        };
        let mut parts = vec![];
        for (part, turns) in order {
            // Pieces of as many pictures fit nowhere.
            let own = match readable {
                true => cut(part, &picture),
                false => cut(part, &scenery(whole, &mut rng)),
            };
            parts.push(quartered(own, turns));
        }
        laid_out(&parts, across, noise, &mut rng)
    };
    Scene {
        question,
        value: Value::Text(numbers.join(", ")),
        paint: Box::new(paint),
        jpeg_quality: None,
    }
}

fn strips(wish: Wish, rng: &mut Rng) -> Scene {
    let count = wish.grade(4.0, 12.0).round() as usize;
    let turned = wish.difficulty >= 3 && rng.chance(0.5);
    let lines = rng.int(6, 9) as usize;
    let size_px = wish.grade(34.0, 24.0);
    let font = *rng.pick(&FONTS[..2]);
    let set = Type::plain(size_px).font(font);
    let text: Vec<(String, String)> =
        (0..lines).map(|_| (words(rng, 3).join(" "), code(rng))).collect();
    let asked = rng.below(lines as u64) as usize;
    let chars = text.iter().map(|(words, code)| words.len() + 1 + code.len()).max().unwrap_or(0);
    let (left, pitch, letter) = (1.2 * size_px, 1.75 * size_px, 0.62 * size_px);
    let width = chars as f64 * letter + 2.0 * left;
    let height = pitch * lines as f64 + 2.0 * left;
    let mut canvas = Canvas::new(width as u32, height as u32, [250, 250, 247]);
    for (i, (words, code)) in text.iter().enumerate() {
        let base = left + pitch * (i as f64 + 0.75);
        // Lines of other lengths, so that no cut runs between two columns of print.
        let is_gone = i == asked && !wish.readable;
        let line = if is_gone { words.clone() } else { format!("{words} {code}") };
        canvas.text([left, base], &line, set);
        if is_gone {
            let from = left + (words.len() + 1) as f64 * letter;
            let place = [from, base - 0.75 * size_px, from + 8.0 * letter, base];
            paint::scribbled(&mut canvas, place, BLACK, rng);
        }
    }
    let mut order: Order = (0..count).map(|i| (i, 0)).collect();
    rng.shuffle(&mut order);
    if turned {
        order.iter_mut().for_each(|(_, turns)| *turns = 2 * rng.below(2) as u32);
    }
    let how = if turned { ", some of them upside down" } else { "" };
    let question = format!(
        "A page with {lines} lines of print was cut into {count} upright strips, which lie on a \
         table in another order{how}. Which code (two letters, a hyphen, five digits) ends line {} \
         of the page from the top?",
        asked + 1
    );
    let (seed, noise) = (rng.u64(), wish.grade(0.0, 3.0));
    let paint = move || {
        let mut rng = Rng::new(seed, Split::HeldOut, 0);
        let page = canvas.draw();
        let cut = |i: usize| i as u32 * page.width() / count as u32;
        let strip = |(part, turns): &(usize, u32)| {
            let (from, to) = (cut(*part), cut(*part + 1));
            let own = part_of(&page, [from, 0], [to - from, page.height()]);
            quartered(own, *turns)
        };
        let parts: Vec<RgbImage> = order.iter().map(strip).collect();
        laid_out(&parts, count, noise, &mut rng)
    };
    let value = Value::Text(text[asked].1.clone());
    Scene { question, value, paint: Box::new(paint), jpeg_quality: None }
}

fn part_of(picture: &RgbImage, [x, y]: [u32; 2], [width, height]: [u32; 2]) -> RgbImage {
    RgbImage::from_fn(width, height, |i, j| *picture.get_pixel(x + i, y + j))
}

fn quartered(pixels: RgbImage, turns: u32) -> RgbImage {
    paint::turned(pixels, 90.0 * f64::from(turns), false)
}

/// In rows of so many, none quite in line with its neighbours.
fn laid_out(parts: &[RgbImage], across: usize, noise: f64, rng: &mut Rng) -> RgbImage {
    let (width, height) =
        parts.iter().fold((1, 1), |(w, h), p| (w.max(p.width()), h.max(p.height())));
    let rows = parts.len().div_ceil(across) as u32;
    let (pitch_x, pitch_y) = (width + GAP_PX, height + GAP_PX);
    let mut table =
        RgbImage::from_pixel(across as u32 * pitch_x + GAP_PX, rows * pitch_y + GAP_PX, TABLE);
    for (i, part) in parts.iter().enumerate() {
        let mut off = || rng.below(u64::from(GAP_PX / 2)) as u32 + GAP_PX / 2;
        let (x, y) = ((i % across) as u32 * pitch_x + off(), (i / across) as u32 * pitch_y + off());
        paint::paste(&mut table, part, x, y);
    }
    paint::noise(&mut table, noise, rng);
    table
}

/// Soft hills of colour with discs and rings before them: no two places of it look alike.
fn scenery(side: u32, rng: &mut Rng) -> RgbImage {
    struct Wave {
        across: f64,
        down: f64,
        phase: f64,
    }
    struct Disc {
        centre: [f64; 2],
        radius: [f64; 2],
        colour: [f64; 3],
    }
    let size = f64::from(side);
    let wave = |rng: &mut Rng| {
        let (turn, length) =
            (between(rng, 0.0, std::f64::consts::TAU), between(rng, 0.15, 0.6) * size);
        let per_px = std::f64::consts::TAU / length;
        Wave {
            across: per_px * turn.cos(),
            down: per_px * turn.sin(),
            phase: between(rng, 0.0, 6.3),
        }
    };
    let waves: [Vec<Wave>; 3] = [(); 3].map(|()| (0..4).map(|_| wave(rng)).collect());
    let disc = |rng: &mut Rng| {
        let outer = between(rng, 0.02, 0.11) * size;
        let inner = if rng.chance(0.5) { outer * between(rng, 0.4, 0.8) } else { 0.0 };
        let centre = [between(rng, 0.0, size), between(rng, 0.0, size)];
        let colour = [(); 3].map(|()| between(rng, DARKEST, 250.0));
        Disc { centre, radius: [inner, outer], colour }
    };
    let discs: Vec<Disc> = (0..40).map(|_| disc(rng)).collect();
    RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let on = |disc: &&Disc| {
            let away = (x - disc.centre[0]).hypot(y - disc.centre[1]);
            (disc.radius[0]..disc.radius[1]).contains(&away)
        };
        let colour = match discs.iter().rev().find(on) {
            Some(disc) => disc.colour,
            None => waves.each_ref().map(|waves| {
                let sum: f64 =
                    waves.iter().map(|w| (w.across * x + w.down * y + w.phase).sin()).sum();
                160.0 + (250.0 - DARKEST) / 2.0 * (sum / 2.5).clamp(-1.0, 1.0)
            }),
        };
        Rgb(colour.map(|v| v.round() as u8))
    })
}
