//! F5: lines over numbers, or bars over names, of one to five series; a fifth of the axes is
//! logarithmic. Where a line is asked for, no other one is near.

use ozone_tasks::{Rng, Value};

use crate::paint::{self, BLACK, Canvas, Colour, Type, between};
use crate::words::words;
use crate::{Scene, Wish};

const PALETTE: &[Colour] =
    &[[31, 90, 200], [214, 60, 40], [30, 150, 70], [150, 60, 190], [235, 150, 20]];
const GRID: Colour = [225, 225, 225];
const LABEL_PX: f64 = 19.0;
/// Of lines at the place that is asked for.
const APART_PX: f64 = 16.0;

struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    fn draw(rng: &mut Rng) -> Axis {
        if rng.chance(0.2) {
            let powers = rng.int(3, 5) as i32;
            let ticks: Vec<f64> = (0..=powers).map(|p| 10f64.powi(p)).collect();
            return Axis { low: 1.0, high: 10f64.powi(powers), log: true, ticks };
        }
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

    /// 1 % of the axis at this place.
    fn tolerance(&self, share: f64) -> f64 {
        self.value(share + 0.01) - self.value(share)
    }
}

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let [width, height] = [1_100.0, 680.0];
    let [left, top, right, bottom] = [110.0, 50.0, 860.0, 590.0];
    let axis = Axis::draw(rng);
    let series = wish.grade(1.0, 5.0).round() as usize;
    let names = words(rng, series + 6);
    let (names, categories) = names.split_at(series);
    let asked = rng.below(series as u64) as usize;
    let are_bars = rng.chance(0.5);
    let y = |share: f64| bottom - share * (bottom - top);
    let mut canvas = Canvas::new(width as u32, height as u32, paint::WHITE);
    let label = Type::plain(LABEL_PX);
    for tick in &axis.ticks {
        let at = y(axis.share(*tick));
        canvas.line(&[[left, at], [right, at]], GRID, 1.5);
        if wish.readable {
            let text = format!("{tick}");
            canvas.text(
                [left - 14.0, at + 0.36 * LABEL_PX],
                &text,
                Type { anchor: "end", ..label },
            );
        }
    }
    if !wish.readable {
        paint::scribbled(&mut canvas, [30.0, top, left - 14.0, bottom], BLACK, rng);
    }
    let (question, share) = match are_bars {
        true => {
            let count = wish.grade(3.0, 6.0).round() as usize;
            let group = (right - left) / count as f64;
            let bar = 0.8 * group / series as f64;
            let chosen = rng.below(count as u64) as usize;
            let mut found = 0.0;
            for (c, category) in categories[..count].iter().enumerate() {
                let begin = left + group * (c as f64 + 0.1);
                for (s, colour) in PALETTE[..series].iter().enumerate() {
                    let share = between(rng, 0.06, 0.98);
                    let x = begin + bar * s as f64;
                    canvas.rect([x + 1.0, y(share), x + bar - 1.0, bottom], *colour);
                    if (c, s) == (chosen, asked) {
                        found = share;
                    }
                }
                let middle = left + group * (c as f64 + 0.5);
                canvas.text([middle, bottom + 30.0], category, label.centred());
            }
            let question = format!(
                "What is the value of \"{}\" for \"{}\" in this chart",
                names[asked], categories[chosen]
            );
            (question, found)
        }
        false => {
            let step = *rng.pick(&[1i64, 2, 5, 10]);
            let count = 10i64;
            let x = |i: f64| left + i / count as f64 * (right - left);
            let lines: Vec<Vec<f64>> = (0..series).map(|_| wave(count as usize, rng)).collect();
            for (line, colour) in lines.iter().zip(PALETTE) {
                let points: Vec<[f64; 2]> =
                    line.iter().enumerate().map(|(i, share)| [x(i as f64), y(*share)]).collect();
                canvas.line(&points, *colour, 4.0);
            }
            for i in (0..=count).step_by(2) {
                let text = (i * step).to_string();
                canvas.text([x(i as f64), bottom + 30.0], &text, label.centred());
                canvas.line(&[[x(i as f64), bottom], [x(i as f64), bottom + 8.0]], BLACK, 2.0);
            }
            let is_free = |i: &usize| {
                let own = lines[asked][*i];
                let others = lines.iter().enumerate().filter(|(s, _)| *s != asked);
                others
                    .into_iter()
                    .all(|(_, line)| (line[*i] - own).abs() * (bottom - top) > APART_PX)
            };
            let free: Vec<usize> = (1..count as usize).filter(is_free).collect();
            // Where all are near somewhere, the widest gap has to do.
            let at = free.get(rng.below(free.len() as u64) as usize).copied().unwrap_or(5);
            let question = format!(
                "What is the value of \"{}\" at x = {} in this chart",
                names[asked],
                at as i64 * step
            );
            (question, lines[asked][at])
        }
    };
    canvas.line(&[[left, top], [left, bottom], [right, bottom]], BLACK, 2.0);
    for (i, name) in names.iter().enumerate() {
        let at = top + 20.0 + 38.0 * i as f64;
        canvas.rect([890.0, at - 10.0, 912.0, at + 10.0], PALETTE[i]);
        canvas.text([926.0, at + 7.0], name, label);
    }
    let scale = if axis.log { "; its axis is logarithmic" } else { "" };
    let value = Value::Within { value: axis.value(share), tolerance: axis.tolerance(share) };
    Scene {
        question: format!("{question}{scale}? Give it to about 1 % of the axis."),
        value,
        paint: Box::new(move || canvas.draw()),
        jpeg_quality: None,
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
