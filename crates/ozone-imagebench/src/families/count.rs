//! F8: many shapes of five kinds of difference, and a line through them; how many of one kind there
//! are, or how many of them the line crosses.
//!
//! Others may cover one another, but nothing covers what is asked for: how much of a covered shape
//! still counts would be a matter of opinion.

use ozone_tasks::{Rng, Value};

use super::tiny::COLOURS;
use crate::paint::{self, BLACK, Canvas, Colour, Paint, WHITE, between};
use crate::{Scene, Wish};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    Triangle,
    Square,
    Circle,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    colour: usize,
    figure: Figure,
    hollow: bool,
    large: bool,
}

const FIGURES: &[Figure] = &[Figure::Triangle, Figure::Square, Figure::Circle];
const SMALL_PX: f64 = 13.0;
const LARGE_PX: f64 = 24.0;

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let count = wish.grade(30.0, 320.0) * between(rng, 0.9, 1.2);
    // As much room for each whatever their number.
    let side = (count.sqrt() * 78.0).max(600.0);
    let (width, height) = (side * 1.25, side * 0.8);
    let asked = Asked::draw(rng);
    let line = [[0.0, between(rng, 0.2, 0.8) * height], [width, between(rng, 0.2, 0.8) * height]];
    let mut canvas = Canvas::new(width as u32, height as u32, WHITE);
    canvas.line(&line, BLACK, 3.0);
    let mut placed: Vec<([f64; 2], Look)> = vec![];
    for _ in 0..count as usize {
        let look = Look {
            colour: rng.below(COLOURS.len() as u64) as usize,
            figure: *rng.pick(FIGURES),
            hollow: rng.chance(0.5),
            large: rng.chance(0.5),
        };
        // What is asked for would be rare among so many kinds.
        let look = if rng.chance(0.18) { asked.some(look) } else { look };
        if let Some(at) = place(&placed, look, &asked, [width, height], line, wish, rng) {
            placed.push((at, look));
        }
    }
    for (at, look) in &placed {
        draw(&mut canvas, *at, *look);
    }
    if !wish.readable {
        // A half of the picture is gone.
        let (cut, gray) = (width * between(rng, 0.35, 0.5), [150, 150, 150]);
        let from = if rng.chance(0.5) { 0.0 } else { width - cut };
        canvas.rect([from, 0.0, from + cut, height], gray);
    }
    let right = placed.iter().filter(|(at, look)| {
        asked.covers(*look) && (!asked.on_line || crosses(*at, line, reach(*look)))
    });
    Scene {
        question: asked.question(),
        value: Value::Number(right.count().to_string()),
        paint: Box::new(move || canvas.draw()),
        jpeg_quality: None,
    }
}

/// What of a look is asked for.
struct Asked {
    colour: usize,
    figure: Figure,
    hollow: Option<bool>,
    large: Option<bool>,
    on_line: bool,
}

impl Asked {
    fn draw(rng: &mut Rng) -> Asked {
        let on_line = rng.chance(0.4);
        Asked {
            colour: rng.below(COLOURS.len() as u64) as usize,
            figure: *rng.pick(FIGURES),
            hollow: rng.chance(0.7).then(|| rng.chance(0.5)),
            large: rng.chance(0.4).then(|| rng.chance(0.5)),
            on_line,
        }
    }

    fn covers(&self, look: Look) -> bool {
        look.colour == self.colour
            && look.figure == self.figure
            && self.hollow.is_none_or(|hollow| hollow == look.hollow)
            && self.large.is_none_or(|large| large == look.large)
    }

    fn some(&self, look: Look) -> Look {
        Look {
            colour: self.colour,
            figure: self.figure,
            hollow: self.hollow.unwrap_or(look.hollow),
            large: self.large.unwrap_or(look.large),
        }
    }

    fn question(&self) -> String {
        let size = match self.large {
            Some(true) => "large ",
            Some(false) => "small ",
            None => "",
        };
        let fill = match self.hollow {
            Some(true) => "hollow ",
            Some(false) => "filled ",
            None => "",
        };
        let figure = match self.figure {
            Figure::Triangle => "triangles",
            Figure::Square => "squares",
            Figure::Circle => "circles",
        };
        let line = if self.on_line { " does the black line run through" } else { " are there" };
        format!(
            "Shapes are {}, red, blue, green or orange, filled or hollow, and large (about {:.0} \
             pixels across) or small (about {:.0}). How many {size}{fill}{} {figure}{line}?",
            "triangles, squares or circles",
            2.0 * LARGE_PX,
            2.0 * SMALL_PX,
            COLOURS[self.colour].0
        )
    }
}

fn radius(look: Look) -> f64 {
    if look.large { LARGE_PX } else { SMALL_PX }
}

/// How near the line must come to the middle to run through for certain.
fn reach(look: Look) -> f64 {
    radius(look) * 0.45
}

fn off(at: [f64; 2], [a, b]: [[f64; 2]; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    ((at[0] - a[0]) * dy - (at[1] - a[1]) * dx).abs() / dx.hypot(dy)
}

fn crosses(at: [f64; 2], line: [[f64; 2]; 2], reach: f64) -> bool {
    off(at, line) <= reach
}

/// A place with room, where the line runs through it or is clearly beside it.
fn place(
    placed: &[([f64; 2], Look)],
    look: Look,
    asked: &Asked,
    [width, height]: [f64; 2],
    line: [[f64; 2]; 2],
    wish: Wish,
    rng: &mut Rng,
) -> Option<[f64; 2]> {
    const TRIES: usize = 60;
    let own = radius(look);
    // Those of the colour that is asked for keep clear of everything.
    let overlap = wish.grade(0.0, 0.3);
    (0..TRIES).find_map(|_| {
        let at = [
            between(rng, own + 4.0, width - own - 4.0),
            between(rng, own + 4.0, height - own - 4.0),
        ];
        let distance = off(at, line);
        let is_clear = placed.iter().all(|(other, their)| {
            let apart = (at[0] - other[0]).hypot(at[1] - other[1]);
            let bare = look.colour == asked.colour || their.colour == asked.colour;
            let touch = 1.45 * (own + radius(*their));
            let gap = if bare { touch + 3.0 } else { touch * (1.0 - overlap) };
            apart >= gap
        });
        let is_plain = distance <= reach(look) || distance >= 1.5 * own + 5.0;
        (is_clear && is_plain).then_some(at)
    })
}

fn draw(canvas: &mut Canvas, at: [f64; 2], look: Look) {
    let colour: Colour = COLOURS[look.colour].1;
    let stroke = radius(look) / 4.5;
    let radius = radius(look) - if look.hollow { stroke / 2.0 } else { 0.0 };
    let paint = if look.hollow { Paint::Outline(colour, stroke) } else { Paint::Fill(colour) };
    match look.figure {
        // A triangle and a square as wide as the circle.
        Figure::Triangle => canvas.polygon(&paint::corners(3, at, radius * 1.15, 0.0), paint),
        Figure::Square => canvas.polygon(&paint::corners(4, at, radius * 1.414, 45.0), paint),
        Figure::Circle => canvas.circle(at, radius, paint),
    }
}
