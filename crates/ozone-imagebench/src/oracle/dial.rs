//! Show the plate straight on, find the dial, and measure its hands and marks around its middle.

use serde_json::json;

use super::reading::{Shape, Stretch, numbers, shapes, stretches};
use super::{Desk, Made, OracleError};

/// Dark, of 255.
const DARK_MAX: f64 = 120.0;

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let straight = json!({"mode": "perspective", "image": "img_0"});
    let Some(plate) = desk.make("image_straighten", straight).await? else { return Ok(None) };
    let row = question.split("in row ").nth(1).map(numbers).unwrap_or_default();
    let column = question.split("column ").nth(1).map(numbers).unwrap_or_default();
    let place = [row, column].map(|n| n.first().map_or(0, |n| *n as usize - 1));
    let Some(dial) = find(desk, &plate, place).await? else { return Ok(None) };
    // From the original's pixels: marks are thin.
    let bbox = box_around(&dial, &plate, REACH);
    let zoom = json!({"bbox_2d": bbox, "image": plate.name, "scale": 2.5});
    let Some(close) = desk.make("image_zoom_in_tool", zoom).await? else { return Ok(None) };
    let radius = close.size[0] / (2.0 * REACH * PADDED);
    let dial = Dial { centre: close.size.map(|side| side / 2.0), radius };
    match question.contains("clock") {
        true => time(desk, &close, &dial).await,
        false => value(desk, &close, &dial).await,
    }
}

/// How much of the surroundings is zoomed at, in radii, and what the tool adds to it.
const REACH: f64 = 1.08;
const PADDED: f64 = 1.1;

#[derive(Debug, Clone, Copy)]
struct Dial {
    centre: [f64; 2],
    radius: f64,
}

/// The outlines of the dials are the largest round shapes that surround something.
async fn find(
    desk: &mut Desk,
    plate: &Made,
    [row, column]: [usize; 2],
) -> Result<Option<Dial>, OracleError> {
    let asked = json!({
        "image": plate.name, "what": "components", "colour": "#18181e", "tolerance": 90,
        "area_min": 300
    });
    let found = shapes(&desk.measure(asked).await?);
    let wide = |shape: &Shape| shape.rect[2] - shape.rect[0];
    let largest = found
        .iter()
        .filter(|s| s.hollow && s.corners.is_none() && !s.cut)
        .map(wide)
        .fold(0.0, f64::max);
    let mut dials: Vec<Dial> = found
        .iter()
        .filter(|s| s.hollow && s.corners.is_none() && wide(s) > 0.7 * largest)
        .map(|s| {
            let [x0, y0, x1, y1] = s.rect;
            Dial { centre: [(x0 + x1) / 2.0, (y0 + y1) / 2.0], radius: (x1 - x0 + y1 - y0) / 4.0 }
        })
        .collect();
    dials.sort_by(|a, b| a.centre[1].total_cmp(&b.centre[1]));
    let mut rows: Vec<Vec<Dial>> = vec![];
    for dial in dials {
        match rows.last_mut() {
            Some(last) if dial.centre[1] - last[0].centre[1] < dial.radius => last.push(dial),
            _ => rows.push(vec![dial]),
        }
    }
    let dials = rows.get_mut(row);
    Ok(dials.and_then(|dials| {
        dials.sort_by(|a, b| a.centre[0].total_cmp(&b.centre[0]));
        dials.get(column).copied()
    }))
}

async fn ring(
    desk: &mut Desk,
    plate: &Made,
    dial: &Dial,
    share: f64,
) -> Result<Vec<Stretch>, OracleError> {
    let asked = json!({
        "image": plate.name, "what": "ring", "point": dial.centre, "radius": dial.radius * share,
        "tolerance": 60
    });
    Ok(stretches(&desk.measure(asked).await?))
}

fn is_dark(stretch: &Stretch) -> bool {
    stretch.brightness() < DARK_MAX
}

fn box_around(dial: &Dial, plate: &Made, share: f64) -> [f64; 4] {
    let ([x, y], reach) = (dial.centre, dial.radius * share);
    let [width, height] = plate.size;
    [(x - reach).max(0.0), (y - reach).max(0.0), (x + reach).min(width), (y + reach).min(height)]
}

/// Clockwise from the top.
fn direction(from: [f64; 2], to: [f64; 2]) -> f64 {
    (to[0] - from[0]).atan2(from[1] - to[1]).to_degrees().rem_euclid(360.0)
}

async fn value(desk: &mut Desk, plate: &Made, dial: &Dial) -> Result<Option<String>, OracleError> {
    let needle = ring(desk, plate, dial, 0.42).await?;
    let is_red = |s: &&Stretch| s.rgb[0] > s.rgb[1] + 70.0 && s.rgb[0] > s.rgb[2] + 70.0;
    let Some([needle, _]) = needle.iter().find(is_red).and_then(Stretch::degrees) else {
        return Ok(None);
    };
    let marks = ring(desk, plate, dial, 0.865).await?;
    let mut marks: Vec<f64> = marks
        .iter()
        .filter(|s| is_dark(s))
        .filter_map(|s| Some(s.degrees()?[0].rem_euclid(360.0)))
        .collect();
    marks.sort_by(f64::total_cmp);
    if marks.len() < 3 {
        return Ok(None);
    }
    // The scale begins behind the widest gap.
    let gap = |i: usize| (marks[i] - marks[(i + marks.len() - 1) % marks.len()]).rem_euclid(360.0);
    let begin = (0..marks.len()).max_by(|a, b| gap(*a).total_cmp(&gap(*b))).unwrap_or(0);
    marks.rotate_left(begin);
    let from = marks[0];
    let turned: Vec<f64> = marks.iter().map(|mark| (mark - from).rem_euclid(360.0)).collect();
    let needle = (needle - from + 5.0).rem_euclid(360.0) - 5.0;
    let numbers = labels(desk, plate, dial, &marks).await?;
    let Some((first, step)) = progression(&numbers) else { return Ok(None) };
    let at = interpolated(&turned, needle);
    Ok(Some(format!("{:.3}", first + step * at)))
}

/// The number beside each mark, as far as they can be read: all at once, then one by one.
async fn labels(
    desk: &mut Desk,
    plate: &Made,
    dial: &Dial,
    marks: &[f64],
) -> Result<Vec<(f64, f64)>, OracleError> {
    let nearest = |degrees: f64| {
        let off = |mark: f64| ((degrees - mark + 180.0).rem_euclid(360.0) - 180.0).abs();
        (0..marks.len()).min_by(|a, b| off(marks[*a]).total_cmp(&off(marks[*b]))).unwrap_or(0)
    };
    let whole = json!({
        "image": plate.name, "bbox": box_around(dial, plate, 0.8), "psm": 11, "orientations": "none"
    });
    let mut found: Vec<(f64, f64)> = vec![];
    for line in desk.ocr(whole).await?.lines {
        let read = numbers(&line.text);
        let is_alone = line.text.split_whitespace().count() == 1 && read.len() == 1;
        let near = (line.centre()[0] - dial.centre[0]).hypot(line.centre()[1] - dial.centre[1]);
        if is_alone && (0.45..0.8).contains(&(near / dial.radius)) {
            found.push((nearest(direction(dial.centre, line.centre())) as f64, read[0]));
        }
    }
    let agreed = |found: &[(f64, f64)]| {
        progression(found).map_or(0, |(first, step)| supporters(found, first, step))
    };
    if agreed(&found) >= 4 {
        return Ok(found);
    }
    for (i, mark) in marks.iter().enumerate() {
        let (sin, cos) = mark.to_radians().sin_cos();
        let reach = 0.63 * dial.radius;
        let [x, y] = [dial.centre[0] + reach * sin, dial.centre[1] - reach * cos];
        let half = [0.19 * dial.radius, 0.13 * dial.radius];
        let bbox = [x - half[0], y - half[1], x + half[0], y + half[1]];
        let asked = json!({"image": plate.name, "bbox": bbox, "psm": 7, "orientations": "none"});
        let read: Vec<f64> =
            desk.ocr(asked).await?.lines.iter().flat_map(|line| numbers(&line.text)).collect();
        if let [number] = read[..] {
            found.push((i as f64, number));
        }
        if agreed(&found) >= 4 {
            break;
        }
    }
    Ok(found)
}

/// The first number and the step from mark to mark that most readings agree with.
fn progression(found: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut best: Option<(usize, f64, f64)> = None;
    for (i, a) in found.iter().enumerate() {
        for b in &found[i + 1..] {
            let step = (b.1 - a.1) / (b.0 - a.0);
            if !step.is_finite() || step <= 0.0 {
                continue;
            }
            let first = a.1 - step * a.0;
            let count = supporters(found, first, step);
            if best.is_none_or(|best| best.0 < count) {
                best = Some((count, first, step));
            }
        }
    }
    best.filter(|best| best.0 >= 2).map(|(_, first, step)| (first, step))
}

fn supporters(found: &[(f64, f64)], first: f64, step: f64) -> usize {
    found.iter().filter(|(i, v)| (first + step * i - v).abs() < 1e-6 * step.max(1.0)).count()
}

/// Which mark, and how far behind it: a polynomial through the four marks around.
fn interpolated(marks: &[f64], at: f64) -> f64 {
    let below = marks.iter().filter(|mark| **mark <= at).count().saturating_sub(1);
    let from = below.saturating_sub(1).min(marks.len().saturating_sub(4));
    let near = &marks[from..(from + 4).min(marks.len())];
    let term = |i: usize| {
        let others = (0..near.len()).filter(|j| *j != i);
        let factors = others.map(|j| (at - near[j]) / (near[i] - near[j]));
        (from + i) as f64 * factors.product::<f64>()
    };
    (0..near.len()).map(term).sum()
}

async fn time(desk: &mut Desk, plate: &Made, dial: &Dial) -> Result<Option<String>, OracleError> {
    let outer = ring(desk, plate, dial, 0.56).await?;
    let Some([minute, _]) = outer.iter().find(|s| is_dark(s)).and_then(Stretch::degrees) else {
        return Ok(None);
    };
    let inner = ring(desk, plate, dial, 0.34).await?;
    let off = |a: f64, b: f64| ((a - b + 180.0).rem_euclid(360.0) - 180.0).abs();
    let hands = inner.iter().filter(|s| is_dark(s)).filter_map(|s| Some(s.degrees()?[0]));
    let hour = hands.max_by(|a, b| off(*a, minute).total_cmp(&off(*b, minute))).unwrap_or(minute);
    let mirrored = is_mirrored(desk, plate).await?;
    let sign = if mirrored { -1.0 } else { 1.0 };
    let minutes = (sign * minute / 6.0).round().rem_euclid(60.0);
    let hour = (sign * hour / 30.0 - minutes / 60.0).round().rem_euclid(12.0);
    let hour = if hour == 0.0 { 12.0 } else { hour };
    Ok(Some(format!("{hour}:{minutes:02}")))
}

/// Whether more of the numerals stand at their hours when the clock is seen in a mirror.
async fn is_mirrored(desk: &mut Desk, plate: &Made) -> Result<bool, OracleError> {
    let flipped = desk.transform(&plate.name, json!([{"flip": "horizontal"}])).await?;
    let mut counts = [0; 2];
    for (count, made) in counts.iter_mut().zip([Some(plate.clone()), flipped]) {
        let Some(made) = made else { continue };
        let middle = made.size.map(|side| side / 2.0);
        let asked = json!({"image": made.name, "psm": 11, "orientations": "none"});
        for line in desk.ocr(asked).await?.lines {
            let read = numbers(&line.text);
            if let [hour] = read[..]
                && (1.0..=12.0).contains(&hour)
            {
                let expected = (30.0 * hour).rem_euclid(360.0);
                let found = direction(middle, line.centre());
                let off = ((found - expected + 180.0).rem_euclid(360.0) - 180.0).abs();
                *count += usize::from(off < 14.0);
            }
        }
    }
    Ok(counts[1] > counts[0])
}
