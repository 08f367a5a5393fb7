//! Read the numbers along the axes and fit what a pixel is worth; find the series' colour in the
//! legend; look where that colour lies.

use serde_json::{Value, json};

use super::reading::{self, Line, Shape, numbers, shapes, stretches};
use super::{Desk, OracleError};
use crate::words::distance;

/// Left of it stand the numbers of the upright axis.
const LEFT_SHARE: f64 = 0.088;
/// Left, top, right, bottom of the plot, without its axes.
const PLOT: [f64; 4] = [0.096, 0.03, 0.727, 0.864];
/// Where the numbers of a second axis stand, and behind its swatches the legend.
const SECOND: [f64; 2] = [0.736, 0.806];
const LEGEND_SHARE: f64 = 0.842;
const BELOW: [f64; 4] = [0.05, 0.88, 0.78, 1.0];
/// From the begin of a name to the middle of its swatch.
const SWATCH_PX: f64 = 25.0;
/// How much the values of one colour may differ.
const TOLERANCE: u8 = 40;

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let mut chart = Chart { desk, is_log: question.contains("logarithmic") };
    let quoted: Vec<&str> = question.split('"').skip(1).step_by(2).collect();
    let Some(name) = quoted.first() else { return Ok(None) };
    if question.contains("the whole stacked bar") {
        let Some(top) = chart.top(name).await? else { return Ok(None) };
        return chart.value(top, false).await;
    }
    let Some(series) = chart.series(name).await? else { return Ok(None) };
    if question.contains("which name below") {
        return chart.greatest(&series).await;
    }
    if question.contains("cross") {
        let Some(other) = quoted.get(1) else { return Ok(None) };
        let Some(other) = chart.series(other).await? else { return Ok(None) };
        let Some(x) = chart.crossing(&series, &other).await? else { return Ok(None) };
        return chart.along(x).await;
    }
    if question.contains(" point of ") {
        let Some([x, y]) = chart.outermost(question, &series).await? else { return Ok(None) };
        return match question.contains("At which x") {
            true => chart.along(x).await,
            false => chart.value(y, false).await,
        };
    }
    if question.contains("is \"") && question.contains("At which x") {
        let Some(x) = chart.peak(&series).await? else { return Ok(None) };
        return chart.along(x).await;
    }
    match quoted.get(1) {
        Some(category) => {
            let Some(bar) = chart.bar(&series, category).await? else { return Ok(None) };
            match question.contains("stacked") {
                true => chart.part(&bar).await,
                false => chart.value(bar.rect[1], series.second).await,
            }
        }
        None => {
            let at = question.split("x = ").nth(1).map(numbers).unwrap_or_default();
            let (Some(at), Some(level)) = (at.first(), chart.level().await?) else {
                return Ok(None);
            };
            let x = (at - level.first) / level.factor;
            let Some(y) = chart.passes(&series, x).await? else { return Ok(None) };
            chart.value(y, series.second).await
        }
    }
}

struct Series {
    /// As `#1f5ac8`.
    colour: String,
    /// Its values are those of the axis at the right.
    second: bool,
}

/// value = first + factor · place; of logarithms where the axis is logarithmic.
#[derive(Debug, Clone, Copy)]
struct Fit {
    first: f64,
    factor: f64,
}

struct Chart<'a> {
    desk: &'a mut Desk,
    is_log: bool,
}

impl Chart<'_> {
    fn plot(&self) -> [f64; 4] {
        self.part_of(PLOT)
    }

    fn part_of(&self, shares: [f64; 4]) -> [f64; 4] {
        let [width, height] = self.desk.size;
        let [x0, y0, x1, y1] = shares;
        [x0 * width, y0 * height, x1 * width, y1 * height]
    }

    /// The words of a part of the picture.
    async fn words(&mut self, shares: [f64; 4]) -> Result<Vec<Line>, OracleError> {
        let bbox = self.part_of(shares);
        let asked = json!({
            "image": "img_0", "bbox": bbox, "psm": 6, "orientations": "none", "words": true
        });
        Ok(self.desk.ocr(asked).await?.lines)
    }

    async fn measure(&mut self, what: &str, with: Value) -> Result<String, OracleError> {
        let mut asked = with;
        asked["image"] = "img_0".into();
        asked["what"] = what.into();
        self.desk.measure(asked).await
    }

    /// By its name in the legend.
    async fn series(&mut self, name: &str) -> Result<Option<Series>, OracleError> {
        let legend = self.words([LEGEND_SHARE, 0.0, 1.0, 0.6]).await?;
        let Some(named) = nearest(&legend, name) else { return Ok(None) };
        let [x, y] = [named.rect[0] - SWATCH_PX, named.centre()[1]];
        let is_right = |word: &Line| {
            word.text.to_lowercase().contains("right")
                && (word.centre()[1] - y).abs() < named.rect[3] - named.rect[1]
                && word.rect[0] > named.rect[0]
        };
        let second = legend.iter().any(is_right);
        let text = self.measure("colour", json!({"point": [x, y]})).await?;
        let colour = text.split_whitespace().next().filter(|c| c.starts_with('#'));
        Ok(colour.map(|colour| Series { colour: colour.to_owned(), second }))
    }

    /// What a height is worth, in words.
    async fn value(&mut self, y: f64, second: bool) -> Result<Option<String>, OracleError> {
        let fit = self.upright(second).await?;
        Ok(fit.map(|fit| {
            let value = fit.first + fit.factor * y;
            format!("{:.4}", if self.is_log { 10f64.powf(value) } else { value })
        }))
    }

    async fn along(&mut self, x: f64) -> Result<Option<String>, OracleError> {
        Ok(self.level().await?.map(|fit| format!("{:.4}", fit.first + fit.factor * x)))
    }

    async fn upright(&mut self, second: bool) -> Result<Option<Fit>, OracleError> {
        let [from, to] = if second { SECOND } else { [0.0, LEFT_SHARE] };
        let words = self.words([from, 0.0, to, 0.93]).await?;
        Ok(fitted(&numbered(&words, 1), self.is_log))
    }

    async fn level(&mut self) -> Result<Option<Fit>, OracleError> {
        Ok(fitted(&numbered(&self.words(BELOW).await?, 0), false))
    }

    async fn shapes(&mut self, colour: &str) -> Result<Vec<Shape>, OracleError> {
        let asked = json!({
            "colour": colour, "tolerance": TOLERANCE, "area_min": 60, "bbox": self.plot()
        });
        Ok(shapes(&self.measure("components", asked).await?))
    }

    /// The bar of a series over a name.
    async fn bar(&mut self, series: &Series, name: &str) -> Result<Option<Shape>, OracleError> {
        let below = self.words(BELOW).await?;
        let Some(middle) = nearest(&below, name).map(|word| word.centre()[0]) else {
            return Ok(None);
        };
        let bars = self.shapes(&series.colour).await?;
        let off = |shape: &Shape| ((shape.rect[0] + shape.rect[2]) / 2.0 - middle).abs();
        Ok(bars.into_iter().min_by(|a, b| off(a).total_cmp(&off(b))))
    }

    /// What a part of a stacked bar is worth.
    async fn part(&mut self, bar: &Shape) -> Result<Option<String>, OracleError> {
        let fit = self.upright(false).await?;
        let height = bar.rect[3] - bar.rect[1];
        Ok(fit.map(|fit| format!("{:.4}", (fit.factor * height).abs())))
    }

    /// Where a stacked bar ends: its uppermost stretch of a colour that is none of the paper's.
    async fn top(&mut self, name: &str) -> Result<Option<f64>, OracleError> {
        const COLOURFUL: f64 = 50.0;
        let below = self.words(BELOW).await?;
        let Some(x) = nearest(&below, name).map(|word| word.centre()[0]) else { return Ok(None) };
        let [_, top, _, bottom] = self.plot();
        let asked = json!({"from": [x, top], "to": [x, bottom], "tolerance": TOLERANCE});
        let found = stretches(&self.measure("line", asked).await?);
        let spread = |rgb: [f64; 3]| {
            rgb.iter().fold(0.0, |m: f64, v| m.max(*v))
                - rgb.iter().fold(255.0, |m: f64, v| m.min(*v))
        };
        let first = found.iter().find(|stretch| spread(stretch.rgb) > COLOURFUL);
        Ok(first.and_then(|stretch| stretch.at.get(1).copied()))
    }

    /// The name below the largest bar of a series.
    async fn greatest(&mut self, series: &Series) -> Result<Option<String>, OracleError> {
        let bars = self.shapes(&series.colour).await?;
        let height = |shape: &Shape| shape.rect[3] - shape.rect[1];
        let Some(bar) = bars.iter().max_by(|a, b| height(a).total_cmp(&height(b))) else {
            return Ok(None);
        };
        let middle = (bar.rect[0] + bar.rect[2]) / 2.0;
        let below = self.words(BELOW).await?;
        let off = |word: &&Line| (word.centre()[0] - middle).abs();
        let named = below.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        Ok(named.map(|word| word.text.chars().filter(|c| c.is_alphabetic()).collect()))
    }

    /// Where the outermost point of a series lies.
    async fn outermost(
        &mut self,
        question: &str,
        series: &Series,
    ) -> Result<Option<[f64; 2]>, OracleError> {
        let (axis, sign) = match question {
            q if q.contains("the leftmost") => (0, 1.0),
            q if q.contains("the rightmost") => (0, -1.0),
            q if q.contains("the highest") => (1, 1.0),
            _ => (1, -1.0),
        };
        let points = self.shapes(&series.colour).await?;
        let far = |shape: &Shape| sign * shape.centre[axis];
        let outermost = points.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
        Ok(outermost.map(|shape| shape.centre))
    }

    /// Where a line of a colour passes an upright line at `x`.
    async fn passes(&mut self, series: &Series, x: f64) -> Result<Option<f64>, OracleError> {
        let [left, top, right, bottom] = self.plot();
        if !(left..right).contains(&x) {
            return Ok(None);
        }
        let asked = json!({"from": [x, top], "to": [x, bottom], "tolerance": TOLERANCE});
        let Some(wanted) = reading::rgb(series.colour.trim_start_matches('#')) else {
            return Ok(None);
        };
        let off = |rgb: [f64; 3]| (0..3).map(|c| (rgb[c] - wanted[c]).abs()).fold(0.0, f64::max);
        let found = stretches(&self.measure("line", asked).await?);
        let own = found.iter().min_by(|a, b| off(a.rgb).total_cmp(&off(b.rgb)));
        Ok(own.filter(|own| off(own.rgb) < 70.0).and_then(|own| Some(own.middle()?[1])))
    }

    /// Where a colour lies, column by column, between two places across.
    async fn curve(
        &mut self,
        series: &Series,
        across: [f64; 2],
    ) -> Result<Vec<[f64; 2]>, OracleError> {
        let [left, top, right, bottom] = self.plot();
        let [from, to] = across.map(|x| x.clamp(left, right).round());
        let asked = json!({
            "colour": series.colour, "tolerance": TOLERANCE, "bbox": [from, top, to, bottom]
        });
        Ok(reading::curve(&self.measure("curve", asked).await?))
    }

    /// Around so much of it a place is looked at once more, column by column.
    const NEAR_PX: f64 = 22.0;

    /// Where one line is above the other before and below it behind.
    async fn crossing(&mut self, a: &Series, b: &Series) -> Result<Option<f64>, OracleError> {
        let mut across = [0.0, f64::INFINITY];
        // Where they meet, one hides the other: from there on both are taken as straight.
        for apart in [1.0, 6.0] {
            let (a, b) = (self.curve(a, across).await?, self.curve(b, across).await?);
            let over: Vec<[f64; 2]> = a
                .iter()
                .filter_map(|[x, y]| Some([*x, y - b.iter().find(|b| b[0] == *x)?[1]]))
                .filter(|[_, gap]| gap.abs() >= apart)
                .collect();
            let change = over.windows(2).find(|pair| pair[0][1].signum() != pair[1][1].signum());
            let Some(&[[x0, gap0], [x1, gap1]]) = change.and_then(|pair| pair.first_chunk()) else {
                return Ok(None);
            };
            let x = x0 + (x1 - x0) * gap0 / (gap0 - gap1);
            if across[1].is_finite() {
                return Ok(Some(x));
            }
            across = [x - Self::NEAR_PX, x + Self::NEAR_PX];
        }
        Ok(None)
    }

    async fn peak(&mut self, series: &Series) -> Result<Option<f64>, OracleError> {
        let mut across = [0.0, f64::INFINITY];
        loop {
            let curve = self.curve(series, across).await?;
            let top = curve.iter().map(|[_, y]| *y).fold(f64::INFINITY, f64::min);
            let at: Vec<f64> = curve.iter().filter(|c| c[1] <= top + 0.6).map(|c| c[0]).collect();
            if at.is_empty() {
                return Ok(None);
            }
            let x = at.iter().sum::<f64>() / at.len() as f64;
            if across[1].is_finite() {
                return Ok(Some(x));
            }
            across = [x - Self::NEAR_PX, x + Self::NEAR_PX];
        }
    }
}

/// Where along an axis which number stands.
fn numbered(words: &[Line], axis: usize) -> Vec<(f64, f64)> {
    let one = |word: &Line| match numbers(&word.text)[..] {
        [number] => Some((word.centre()[axis], number)),
        _ => None,
    };
    words.iter().filter_map(one).collect()
}

/// What most of the numbers agree on.
fn fitted(found: &[(f64, f64)], is_log: bool) -> Option<Fit> {
    const OFF_PX: f64 = 2.5;
    let found: Vec<(f64, f64)> = match is_log {
        true => found.iter().filter(|(_, v)| *v > 0.0).map(|(p, v)| (*p, v.log10())).collect(),
        false => found.to_vec(),
    };
    let line = |a: (f64, f64), b: (f64, f64)| {
        let factor = (b.1 - a.1) / (b.0 - a.0);
        (a.1 - factor * a.0, factor)
    };
    let near = |(first, factor): (f64, f64)| -> Vec<(f64, f64)> {
        let is_near = |(p, v): &&(f64, f64)| ((first + factor * p - v) / factor).abs() < OFF_PX;
        found.iter().filter(is_near).copied().collect()
    };
    let pairs =
        found.iter().enumerate().flat_map(|(i, a)| found[i + 1..].iter().map(move |b| (*a, *b)));
    let fits = pairs.map(|(a, b)| line(a, b)).filter(|fit| fit.1.is_finite() && fit.1 != 0.0);
    let best = fits.map(near).max_by_key(Vec::len).filter(|near| near.len() >= 3)?;
    // The line of least squares through those.
    let n = best.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| best.iter().map(f).sum::<f64>() / n;
    let (p, v) = (mean(|b| b.0), mean(|b| b.1));
    let over: f64 = best.iter().map(|b| (b.0 - p) * (b.1 - v)).sum();
    let under: f64 = best.iter().map(|b| (b.0 - p).powi(2)).sum();
    Some(Fit { first: v - over / under * p, factor: over / under })
}

/// The word that reads most like a name.
fn nearest<'l>(words: &'l [Line], name: &str) -> Option<&'l Line> {
    let letters = |text: &str| -> Vec<char> {
        text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect()
    };
    let name = letters(name);
    let off = |word: &&Line| distance(&letters(&word.text), &name);
    words.iter().min_by_key(off).filter(|word| off(word) * 3 <= name.len())
}
