//! F5: lines, bars beside one another, stacked bars and scattered points of two to six series. A
//! fifth of the upright axes is logarithmic, a fifth of the charts with lines has a second axis at
//! the right. Points between the numbers of an axis carry none. What is asked for is not hidden.

mod plots;

use ozone_tasks::{Rng, Value};

use crate::paint::{self, BLACK, Canvas, Colour, Type, between};
use crate::words::words;
use crate::{Scene, Wish};

const PALETTE: &[Colour] =
    &[[31, 90, 200], [214, 60, 40], [30, 150, 70], [150, 60, 190], [235, 150, 20], [120, 75, 45]];
const GRID: Colour = [225, 225, 225];
const LABEL_PX: f64 = 19.0;
const SIZE: [f64; 2] = [1_180.0, 680.0];
/// Left, top, right, bottom of the plot.
const PLOT: [f64; 4] = [110.0, 50.0, 860.0, 590.0];
/// Where the legend begins, right of the numbers of a second axis.
const LEGEND_X: f64 = 960.0;

/// An upright axis.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    fn log(rng: &mut Rng) -> Axis {
        let powers = rng.int(3, 5) as i32;
        let ticks: Vec<f64> = (0..=powers).map(|p| 10f64.powi(p)).collect();
        Axis { low: 1.0, high: 10f64.powi(powers), log: true, ticks }
    }

    fn linear(rng: &mut Rng) -> Axis {
        let count = rng.int(4, 8) as f64;
        let step = *rng.pick(&[2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0]);
        let ticks = (0..=count as u32).map(|i| f64::from(i) * step).collect();
        Axis { low: 0.0, high: count * step, log: false, ticks }
    }

    /// From 0 at the bottom to 1 at the top.
    fn share(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    fn value(&self, share: f64) -> f64 {
        match self.log {
            true => self.low * (self.high / self.low).powf(share),
            false => self.low + share * (self.high - self.low),
        }
    }

    /// What is at this place, to 1 % of the axis.
    fn asked(&self, share: f64) -> Value {
        let value = self.value(share);
        Value::Within { value, tolerance: self.value(share + 0.01) - value }
    }
}

fn plot_y(share: f64) -> f64 {
    let [_, top, _, bottom] = PLOT;
    bottom - share * (bottom - top)
}

fn plot_x(share: f64) -> f64 {
    let [left, _, right, _] = PLOT;
    left + share * (right - left)
}

/// What a plot asks, and the answer.
type Asked = (String, Value);

/// What all plots draw on.
struct Sheet<'a> {
    canvas: Canvas,
    axis: Axis,
    /// Of the series.
    names: &'a [&'static str],
    /// Of the bars.
    categories: &'a [&'static str],
    wish: Wish,
}

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let series = wish.grade(2.0, 6.0).round() as usize;
    let names = words(rng, series + 6);
    let (names, categories) = names.split_at(series);
    let kind = rng.below(10);
    let is_stacked = (6..8).contains(&kind);
    let is_log = !is_stacked && rng.chance(0.2);
    let axis = if is_log { Axis::log(rng) } else { Axis::linear(rng) };
    // Of the last series.
    let second = (kind < 4 && !is_log && rng.chance(0.2)).then(|| Axis::linear(rng));
    let canvas = Canvas::new(SIZE[0] as u32, SIZE[1] as u32, paint::WHITE);
    let mut sheet = Sheet { canvas, axis, names, categories, wish };
    sheet.upright(second.as_ref(), rng);
    let asks_x = rng.chance(0.35);
    let (question, value) = match kind {
        0..4 => sheet.lines(second.as_ref(), asks_x, rng),
        4..6 => sheet.bars(asks_x, rng),
        6..8 => sheet.stacks(asks_x, rng),
        _ => sheet.points(asks_x, rng),
    };
    let [left, top, right, bottom] = PLOT;
    let Sheet { mut canvas, axis, names, .. } = sheet;
    canvas.line(&[[left, top], [left, bottom], [right, bottom]], BLACK, 2.0);
    let label = Type::plain(LABEL_PX);
    for (i, name) in names.iter().enumerate() {
        let at = top + 20.0 + 38.0 * i as f64;
        let is_second = second.is_some() && i + 1 == names.len();
        let name = if is_second { format!("{name} (right)") } else { (*name).to_owned() };
        canvas.rect([LEGEND_X, at - 10.0, LEGEND_X + 22.0, at + 10.0], PALETTE[i]);
        canvas.text([LEGEND_X + 36.0, at + 7.0], &name, label);
    }
    let scale = if axis.log { "; its upright axis is logarithmic" } else { "" };
    let how = match &value {
        Value::Text(_) => "",
        _ => " Give it to about 1 % of the axis.",
    };
    Scene {
        question: format!("{question} in this chart{scale}?{how}"),
        value,
        paint: Box::new(move || canvas.draw()),
        jpeg_quality: None,
    }
}

impl Sheet<'_> {
    /// The upright axes with their numbers, or with blots in their place.
    fn upright(&mut self, second: Option<&Axis>, rng: &mut Rng) {
        let readable = self.wish.readable;
        let [left, top, right, bottom] = PLOT;
        let label = Type::plain(LABEL_PX);
        for tick in &self.axis.ticks {
            let at = plot_y(self.axis.share(*tick));
            self.canvas.line(&[[left, at], [right, at]], GRID, 1.5);
            if readable {
                let place = [left - 14.0, at + 0.36 * LABEL_PX];
                self.canvas.text(place, &format!("{tick}"), Type { anchor: "end", ..label });
            }
        }
        if let Some(axis) = second {
            for tick in &axis.ticks {
                let at = plot_y(axis.share(*tick));
                self.canvas.line(&[[right, at], [right + 7.0, at]], BLACK, 2.0);
                if readable {
                    let place = [right + 14.0, at + 0.36 * LABEL_PX];
                    self.canvas.text(place, &format!("{tick}"), label);
                }
            }
            self.canvas.line(&[[right, top], [right, bottom]], BLACK, 2.0);
        }
        if !readable {
            self.blot([30.0, top, left - 14.0, bottom], rng);
            if second.is_some() {
                self.blot([right + 14.0, top, right + 80.0, bottom], rng);
            }
        }
    }

    fn blot(&mut self, place: [f64; 4], rng: &mut Rng) {
        paint::scribbled(&mut self.canvas, place, BLACK, rng);
    }

    /// A level axis with so many steps, each second of which has its number; blots where it is what
    /// must not be read.
    fn level(&mut self, steps: i64, step: i64, is_asked: bool, rng: &mut Rng) {
        let [left, _, right, bottom] = PLOT;
        let readable = self.wish.readable || !is_asked;
        for i in (0..=steps).step_by(2) {
            let x = plot_x(i as f64 / steps as f64);
            self.canvas.line(&[[x, bottom], [x, bottom + 8.0]], BLACK, 2.0);
            if readable {
                let text = (i * step).to_string();
                self.canvas.text([x, bottom + 30.0], &text, Type::plain(LABEL_PX).centred());
            }
        }
        if !readable {
            self.blot([left - 10.0, bottom + 12.0, right + 10.0, bottom + 34.0], rng);
        }
    }

    fn categories(&mut self, count: usize) {
        let group = 1.0 / count as f64;
        for (c, category) in self.categories[..count].iter().enumerate() {
            let place = [plot_x(group * (c as f64 + 0.5)), PLOT[3] + 30.0];
            self.canvas.text(place, category, Type::plain(LABEL_PX).centred());
        }
    }
}

/// Shares that wander up and down between the ends of the axis.
fn wave(count: usize, rng: &mut Rng) -> Vec<f64> {
    let mut at = between(rng, 0.15, 0.85);
    (0..=count)
        .map(|_| {
            at = (at + between(rng, -0.17, 0.17)).clamp(0.04, 0.97);
            at
        })
        .collect()
}
