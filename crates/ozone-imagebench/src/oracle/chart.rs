//! Read the numbers along the axes and fit what a pixel is worth; find the series' colour in the
//! legend; look where that colour lies at the place that is asked for.

use serde_json::json;

use super::reading::{Line, numbers, shapes, stretches};
use super::{Desk, OracleError};
use crate::words::distance;

/// Left of it stand the numbers of the upright axis, right of it the legend, as shares of the width.
const AXIS_SHARE: f64 = 0.1;
const LEGEND_SHARE: f64 = 0.8;
const BELOW_SHARE: f64 = 0.88;

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let [width, height] = desk.size;
    let (is_log, mut quoted) =
        (question.contains("logarithmic"), question.split('"').skip(1).step_by(2));
    let Some(series) = quoted.next() else { return Ok(None) };
    let upright = read(desk, [0.0, 0.0, AXIS_SHARE * width, height], 11).await?;
    let Some(fit) = fitted(&numbered(&upright, 1), is_log) else { return Ok(None) };
    let legend = read(desk, [0.83 * width, 0.0, width, height], 6).await?;
    let Some(named) = nearest(&legend, series) else { return Ok(None) };
    let swatch = [named.rect[0] - 26.0, named.centre()[1]];
    let text = desk.measure(json!({"image": "img_0", "what": "colour", "point": swatch})).await?;
    let Some(colour) = text.split_whitespace().next().filter(|c| c.starts_with('#')) else {
        return Ok(None);
    };
    let below = [0.05 * width, BELOW_SHARE * height, LEGEND_SHARE * width, height];
    let below = read(desk, below, 11).await?;
    let y = match quoted.next() {
        Some(category) => bar(desk, &below, category, colour).await?,
        None => {
            let at = question.split("x = ").nth(1).map(numbers).unwrap_or_default();
            let (Some(at), Some(across)) = (at.first(), fitted(&numbered(&below, 0), false)) else {
                return Ok(None);
            };
            line(desk, (at - across.0) / across.1, colour).await?
        }
    };
    let value = y.map(|y| fit.0 + fit.1 * y);
    Ok(value.map(|v| format!("{:.4}", if is_log { 10f64.powf(v) } else { v })))
}

async fn read(desk: &mut Desk, bbox: [f64; 4], psm: u8) -> Result<Vec<Line>, OracleError> {
    let asked = json!({"image": "img_0", "bbox": bbox, "psm": psm, "orientations": "none"});
    Ok(desk.ocr(asked).await?.lines)
}

/// Where along an axis which number stands; lines with several are left out.
fn numbered(lines: &[Line], axis: usize) -> Vec<(f64, f64)> {
    let one = |line: &Line| {
        let read = numbers(&line.text);
        let is_alone = read.len() == 1 && line.text.split_whitespace().count() == 1;
        is_alone.then(|| (line.centre()[axis], read[0]))
    };
    lines.iter().filter_map(one).collect()
}

/// What most of the numbers agree on: value = first + factor · place, of logarithms if need be.
fn fitted(found: &[(f64, f64)], is_log: bool) -> Option<(f64, f64)> {
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
    Some((v - over / under * p, over / under))
}

/// The line that reads most like a name.
fn nearest<'l>(lines: &'l [Line], name: &str) -> Option<&'l Line> {
    let letters = |text: &str| -> Vec<char> {
        text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect()
    };
    let name = letters(name);
    let off = |line: &&Line| distance(&letters(&line.text), &name);
    lines.iter().min_by_key(off).filter(|line| off(line) * 3 <= name.len())
}

/// Where the bar of a colour over a name ends.
async fn bar(
    desk: &mut Desk,
    below: &[Line],
    category: &str,
    colour: &str,
) -> Result<Option<f64>, OracleError> {
    let Some(named) = nearest(below, category) else { return Ok(None) };
    let middle = named.centre()[0];
    let asked = json!({
        "image": "img_0", "what": "components", "colour": colour, "tolerance": 30, "area_min": 60,
        "bbox": [0.0, 0.0, LEGEND_SHARE * desk.size[0], BELOW_SHARE * desk.size[1]]
    });
    let bars = shapes(&desk.measure(asked).await?);
    let off = |rect: &[f64; 4]| ((rect[0] + rect[2]) / 2.0 - middle).abs();
    let own = bars.iter().min_by(|a, b| off(&a.rect).total_cmp(&off(&b.rect)));
    Ok(own.map(|bar| bar.rect[1]))
}

/// Where a line of a colour passes an upright line at `x`.
async fn line(desk: &mut Desk, x: f64, colour: &str) -> Result<Option<f64>, OracleError> {
    let [width, height] = desk.size;
    if !(0.0..width).contains(&x) {
        return Ok(None);
    }
    let asked = json!({
        "image": "img_0", "what": "line", "from": [x, 0.02 * height], "to": [x, BELOW_SHARE * height - 12.0],
        "tolerance": 40
    });
    let Some(wanted) = super::reading::rgb(colour.trim_start_matches('#')) else { return Ok(None) };
    let off = |rgb: [f64; 3]| (0..3).map(|c| (rgb[c] - wanted[c]).abs()).fold(0.0, f64::max);
    let found = stretches(&desk.measure(asked).await?);
    let own = found.iter().min_by(|a, b| off(a.rgb).total_cmp(&off(b.rgb)));
    Ok(own.filter(|own| off(own.rgb) < 70.0).and_then(|own| Some(own.middle()?[1])))
}
