//! The four sorts of plots, and what is asked of each.

use ozone_tasks::{Rng, Value};

use super::{Asked, Axis, PALETTE, PLOT, Sheet, plot_x, plot_y, wave};
use crate::paint::{Colour, Paint, WHITE, between};

/// Of lines at the place that is asked for.
const APART_PX: f64 = 16.0;
/// Of a greatest value over the next one, as a share of the axis.
const AHEAD: f64 = 0.03;
/// Of a line.
const STEPS: usize = 10;
const POINT_PX: f64 = 8.0;

impl Sheet<'_> {
    fn count(&self) -> usize {
        self.names.len()
    }

    pub(super) fn lines(&mut self, second: Option<&Axis>, asks_x: bool, rng: &mut Rng) -> Asked {
        let step = *rng.pick(&[1i64, 2, 5, 10]);
        let lines: Vec<Vec<f64>> = (0..self.count()).map(|_| wave(STEPS, rng)).collect();
        for (line, colour) in lines.iter().zip(PALETTE) {
            let place =
                |(i, share): (usize, &f64)| [plot_x(i as f64 / STEPS as f64), plot_y(*share)];
            let points: Vec<[f64; 2]> = line.iter().enumerate().map(place).collect();
            self.canvas.line(&points, *colour, 4.0);
        }
        self.level(STEPS as i64, step, asks_x, rng);
        let along = |at: f64| Value::Within {
            value: at * step as f64,
            tolerance: 0.01 * STEPS as f64 * step as f64,
        };
        if asks_x {
            let crossings = crossings(&lines);
            if second.is_none() && !crossings.is_empty() {
                let ([a, b], at) = *rng.pick(&crossings);
                let (a, b) = (self.names[a], self.names[b]);
                return (format!("At which x do the lines \"{a}\" and \"{b}\" cross"), along(at));
            }
            let peaks = peaks(&lines);
            if !peaks.is_empty() {
                let (s, at) = *rng.pick(&peaks);
                let name = self.names[s];
                return (format!("At which x is \"{name}\" greatest"), along(at as f64));
            }
        }
        let asked = match second {
            Some(_) if rng.chance(0.5) => self.count() - 1,
            _ => rng.below(self.count() as u64) as usize,
        };
        let free: Vec<usize> =
            (1..STEPS).filter(|i| is_free(&lines, &[asked], *i as f64)).collect();
        // Where all are near somewhere, the middle has to do.
        let at = free.get(rng.below(free.len().max(1) as u64) as usize).copied().unwrap_or(5);
        let axis = match second {
            Some(second) if asked + 1 == self.count() => second,
            _ => &self.axis,
        };
        let (name, x) = (self.names[asked], at as i64 * step);
        let question = format!("What is the value of \"{name}\" at x = {x}");
        (question, axis.asked(lines[asked][at]))
    }

    pub(super) fn bars(&mut self, asks_x: bool, rng: &mut Rng) -> Asked {
        let count = self.wish.grade(3.0, 6.0).round() as usize;
        let group = 1.0 / count as f64;
        let bar = 0.8 * group / self.count() as f64;
        let shares: Vec<Vec<f64>> = (0..count)
            .map(|_| (0..self.count()).map(|_| between(rng, 0.06, 0.98)).collect())
            .collect();
        for (c, shares) in shares.iter().enumerate() {
            let begin = group * (c as f64 + 0.1);
            for (s, (share, colour)) in shares.iter().zip(PALETTE).enumerate() {
                let [x0, x1] = [s, s + 1].map(|s| plot_x(begin + bar * s as f64));
                self.canvas.rect([x0 + 1.0, plot_y(*share), x1 - 1.0, PLOT[3]], *colour);
            }
        }
        self.categories(count);
        let (c, s) = (rng.below(count as u64) as usize, rng.below(self.count() as u64) as usize);
        if let Some(greatest) = ahead(&shares, s).filter(|_| asks_x && self.wish.readable) {
            return self.greatest(s, greatest);
        }
        let (name, category) = (self.names[s], self.categories[c]);
        let question = format!("What is the value of \"{name}\" for \"{category}\"");
        (question, self.axis.asked(shares[c][s]))
    }

    pub(super) fn stacks(&mut self, asks_x: bool, rng: &mut Rng) -> Asked {
        let count = self.wish.grade(3.0, 6.0).round() as usize;
        let group = 1.0 / count as f64;
        let most = 0.97 / self.count() as f64;
        let shares: Vec<Vec<f64>> = (0..count)
            .map(|_| (0..self.count()).map(|_| between(rng, 0.3 * most, most)).collect())
            .collect();
        for (c, shares) in shares.iter().enumerate() {
            let [x0, x1] = [0.2, 0.8].map(|at| plot_x(group * (c as f64 + at)));
            let mut below = 0.0;
            for (share, colour) in shares.iter().zip(PALETTE) {
                self.canvas.rect([x0, plot_y(below + share), x1, plot_y(below)], *colour);
                below += share;
            }
        }
        self.categories(count);
        let (c, s) = (rng.below(count as u64) as usize, rng.below(self.count() as u64) as usize);
        if let Some(greatest) = ahead(&shares, s).filter(|_| asks_x && self.wish.readable) {
            return self.greatest(s, greatest);
        }
        let (name, category) = (self.names[s], self.categories[c]);
        match rng.chance(0.3) {
            true => {
                let question = format!("How high is the whole stacked bar of \"{category}\"");
                (question, self.axis.asked(shares[c].iter().sum()))
            }
            false => {
                let question = format!(
                    "What is the value of \"{name}\" alone, from the lower to the upper end of \
                     its part of the stacked bar, for \"{category}\""
                );
                (question, self.axis.asked(shares[c][s]))
            }
        }
    }

    fn greatest(&self, series: usize, category: usize) -> Asked {
        let question =
            format!("For which name below the axis is \"{}\" greatest", self.names[series]);
        (question, Value::Text(self.categories[category].to_owned()))
    }

    pub(super) fn points(&mut self, asks_x: bool, rng: &mut Rng) -> Asked {
        const EACH: usize = 6;
        let step = *rng.pick(&[1i64, 2, 5, 10]);
        let mut taken: Vec<[f64; 2]> = vec![];
        let mut all: Vec<Vec<[f64; 2]>> = vec![];
        for _ in 0..self.count() {
            let mut own: Vec<[f64; 2]> = vec![];
            // What is outermost shall be so by more than can be misread.
            for _ in 0..400 {
                let at = [between(rng, 0.04, 0.97), between(rng, 0.05, 0.96)];
                let far = |other: &[f64; 2]| {
                    let (x, y) =
                        (plot_x(at[0]) - plot_x(other[0]), plot_y(at[1]) - plot_y(other[1]));
                    x.hypot(y) > 3.0 * POINT_PX
                };
                let apart = |other: &[f64; 2]| (0..2).all(|i| (at[i] - other[i]).abs() > AHEAD);
                if own.len() < EACH && taken.iter().all(far) && own.iter().all(apart) {
                    own.push(at);
                    taken.push(at);
                }
            }
            all.push(own);
        }
        for (own, colour) in all.iter().zip(PALETTE) {
            own.iter().for_each(|[x, y]| self.dot([plot_x(*x), plot_y(*y)], *colour));
        }
        self.level(STEPS as i64, step, asks_x, rng);
        let s = rng.below(self.count() as u64) as usize;
        let name = self.names[s];
        let outermost = |i: usize, last: bool| {
            let mut sorted = all[s].clone();
            sorted.sort_by(|a, b| a[i].total_cmp(&b[i]));
            if last { sorted[sorted.len() - 1] } else { sorted[0] }
        };
        let last = rng.chance(0.5);
        if asks_x {
            let which = if last { "highest" } else { "lowest" };
            let (at, whole) = (outermost(1, last)[0], STEPS as f64 * step as f64);
            let value = Value::Within { value: at * whole, tolerance: 0.01 * whole };
            return (format!("At which x is the {which} point of \"{name}\""), value);
        }
        let which = if last { "rightmost" } else { "leftmost" };
        let question =
            format!("What is the value (on the upright axis) of the {which} point of \"{name}\"");
        (question, self.axis.asked(outermost(0, last)[1]))
    }

    fn dot(&mut self, at: [f64; 2], colour: Colour) {
        self.canvas.circle(at, POINT_PX, Paint::Fill(colour));
        self.canvas.circle(at, POINT_PX, Paint::Outline(WHITE, 1.0));
    }
}

/// Between the points of a line it is straight.
fn at(line: &[f64], x: f64) -> f64 {
    let before = (x.floor() as usize).min(line.len() - 2);
    line[before] + (line[before + 1] - line[before]) * (x - before as f64)
}

/// No line but these is near the first of them.
fn is_free(lines: &[Vec<f64>], own: &[usize], x: f64) -> bool {
    let here = at(&lines[own[0]], x);
    let height = PLOT[3] - PLOT[1];
    let others = lines.iter().enumerate().filter(|(s, _)| !own.contains(s));
    others.into_iter().all(|(_, line)| (at(line, x) - here).abs() * height > APART_PX)
}

/// Pairs of lines that cross once, at a wide angle, away from others.
fn crossings(lines: &[Vec<f64>]) -> Vec<([usize; 2], f64)> {
    /// Of the axis, at the points before and behind.
    const WIDE: f64 = 0.05;
    let mut found = vec![];
    for a in 0..lines.len() {
        for b in a + 1..lines.len() {
            let over: Vec<f64> = lines[a].iter().zip(&lines[b]).map(|(a, b)| a - b).collect();
            let changes: Vec<usize> =
                (0..STEPS).filter(|i| over[*i].signum() != over[i + 1].signum()).collect();
            let &[i] = &changes[..] else { continue };
            let x = i as f64 + over[i] / (over[i] - over[i + 1]);
            let is_wide = over[i].abs() > WIDE && over[i + 1].abs() > WIDE;
            // Nowhere else do they nearly meet.
            let is_only = over.iter().all(|gap| gap.abs() > WIDE);
            if is_wide
                && is_only
                && [-0.15, 0.0, 0.15].iter().all(|d| is_free(lines, &[a, b], x + d))
            {
                found.push(([a, b], x));
            }
        }
    }
    found
}

/// Lines whose greatest value is at one point, seen and by far.
fn peaks(lines: &[Vec<f64>]) -> Vec<(usize, usize)> {
    let peak = |s: usize| {
        let line = &lines[s];
        let top = (1..STEPS).max_by(|a, b| line[*a].total_cmp(&line[*b]))?;
        let is_ahead = |i: usize| i == top || line[i] < line[top] - AHEAD;
        ((0..=STEPS).all(is_ahead) && is_free(lines, &[s], top as f64)).then_some((s, top))
    };
    (0..lines.len()).filter_map(peak).collect()
}

/// The group in which a series is greatest, if it is so by far.
fn ahead(shares: &[Vec<f64>], series: usize) -> Option<usize> {
    let value = |c: usize| shares[c][series];
    let top = (0..shares.len()).max_by(|a, b| value(*a).total_cmp(&value(*b)))?;
    (0..shares.len()).all(|c| c == top || value(c) < value(top) - AHEAD).then_some(top)
}
