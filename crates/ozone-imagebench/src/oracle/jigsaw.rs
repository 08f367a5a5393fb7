//! Find what lies on the table, ask which sides continue one another, and put together what fits
//! best: a square of pieces, or a row of strips that is then read.

use std::collections::HashMap;

use serde_json::json;

use super::reading::{Print, Shape, code, numbers, shapes};
use super::{Desk, OracleError};

/// Of what was put together, on average over its seams; pieces of different pictures stay below.
const FIT_MIN: f64 = 0.5;
const SIDES: [&str; 4] = ["top", "right", "bottom", "left"];

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let ground = desk.measure(json!({"image": "img_0", "what": "colour", "point": [2, 2]})).await?;
    let Some(ground) = ground.split_whitespace().next().filter(|c| c.starts_with('#')) else {
        return Ok(None);
    };
    let asked = json!({
        "image": "img_0", "what": "components", "colour": format!("not {ground}"), "tolerance": 24,
        "area_min": 1_000
    });
    let parts = in_rows(shapes(&desk.measure(asked).await?));
    if parts.len() < 2 {
        return Ok(None);
    }
    let asked = json!({"image": "img_0", "what": "edges", "boxes": parts});
    let fits = Fits::read(&desk.measure(asked).await?);
    match question.contains("strips") {
        true => page(question, &parts, &fits, desk).await,
        false => Ok(picture(&parts, &fits, question.contains("turned"))),
    }
}

/// As they lie, row by row.
fn in_rows(mut found: Vec<Shape>) -> Vec<[f64; 4]> {
    found.sort_by(|a, b| a.rect[1].total_cmp(&b.rect[1]));
    let mut rows: Vec<Vec<[f64; 4]>> = vec![];
    for shape in found {
        match rows.last_mut() {
            // Its upper side is above the middle of the row's first one.
            Some(row) if shape.rect[1] < (row[0][1] + row[0][3]) / 2.0 => row.push(shape.rect),
            _ => rows.push(vec![shape.rect]),
        }
    }
    rows.iter_mut().for_each(|row| row.sort_by(|a, b| a[0].total_cmp(&b[0])));
    rows.concat()
}

/// A part, and by how many quarters it is turned clockwise.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Laid {
    part: usize,
    turns: usize,
}

/// How well two sides continue one another; 0 where that was not told.
struct Fits(HashMap<[(usize, usize); 2], f64>);

impl Fits {
    /// `1 right: 4 left 0.96, 7 top 0.31`.
    fn read(text: &str) -> Fits {
        let side = |name: &str| SIDES.iter().position(|side| *side == name);
        let mut fits = HashMap::new();
        for line in text.lines() {
            let Some((own, others)) = line.split_once(": ") else { continue };
            let mut words = own.split_whitespace();
            let own =
                words.next().and_then(|n| n.parse::<usize>().ok()).zip(words.next().and_then(side));
            let Some((part, own)) = own else { continue };
            for other in others.split(", ") {
                let mut words = other.split_whitespace();
                let with = words.next().and_then(|n| n.parse::<usize>().ok());
                let (with_side, fit) = (words.next().and_then(side), words.next());
                let fit = fit.and_then(|fit| fit.parse::<f64>().ok());
                if let (Some(with), Some(with_side), Some(fit)) = (with, with_side, fit) {
                    let (a, b) = ((part - 1, own), (with - 1, with_side));
                    fits.insert([a, b], fit);
                    fits.insert([b, a], fit);
                }
            }
        }
        Fits(fits)
    }

    /// Of `b` lying above (0), right of (1), below (2) or left of (3) `a`.
    fn beside(&self, a: Laid, b: Laid, direction: usize) -> f64 {
        let own = (direction + 4 - a.turns) % 4;
        let other = (direction + 6 - b.turns) % 4;
        self.0.get(&[(a.part, own), (b.part, other)]).copied().unwrap_or(0.0)
    }
}

/// Columns and rows.
type Place = [i32; 2];

const AROUND: [Place; 4] = [[0, -1], [1, 0], [0, 1], [-1, 0]];

/// Which piece belongs where.
fn picture(parts: &[[f64; 4]], fits: &Fits, turned: bool) -> Option<String> {
    let across = (parts.len() as f64).sqrt().round() as usize;
    if across * across != parts.len() {
        return None;
    }
    let grown = (0..parts.len()).filter_map(|first| grown(first, across, fits, turned));
    let (square, _) =
        grown.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, fit)| *fit >= FIT_MIN)?;
    let corner: Place = [0, 1].map(|i| square.keys().map(|p| p[i]).min().unwrap_or(0));
    // The first piece is not turned: the whole is turned back by what it was.
    let turns = square.values().find(|laid| laid.part == 0)?.turns;
    let most = across as i32 - 1;
    let mut order = vec![0; parts.len()];
    for (place, laid) in &square {
        let [mut x, mut y] = [place[0] - corner[0], place[1] - corner[1]];
        for _ in 0..(4 - turns) % 4 {
            [x, y] = [most - y, x];
        }
        order[(y * across as i32 + x) as usize] = laid.part + 1;
    }
    Some(order.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
}

/// From one piece on, always the one that fits best to those that lie, within a square; and how
/// well all seams fit on average.
fn grown(
    first: usize,
    across: usize,
    fits: &Fits,
    turned: bool,
) -> Option<(HashMap<Place, Laid>, f64)> {
    let count = across * across;
    let mut laid = HashMap::from([([0, 0], Laid { part: first, turns: 0 })]);
    let mut is_left = vec![true; count];
    is_left[first] = false;
    let beside = |laid: &HashMap<Place, Laid>, [x, y]: Place, own: Laid| -> Vec<f64> {
        let there = AROUND.iter().enumerate();
        let there = there.filter_map(|(d, [dx, dy])| Some((d, *laid.get(&[x + dx, y + dy])?)));
        there.map(|(direction, other)| fits.beside(own, other, direction)).collect()
    };
    while laid.len() < count {
        let mut best: Option<(f64, Place, Laid)> = None;
        for place in free(&laid, across as i32) {
            for part in (0..count).filter(|part| is_left[*part]) {
                for turns in 0..if turned { 4 } else { 1 } {
                    let own = Laid { part, turns };
                    let seams = beside(&laid, place, own);
                    // Of equal means the one that more neighbours bear out.
                    let mean = seams.iter().sum::<f64>() / seams.len() as f64;
                    let score = mean + 0.02 * seams.len() as f64;
                    if best.is_none_or(|(most, ..)| score > most) {
                        best = Some((score, place, own));
                    }
                }
            }
        }
        let (_, place, own) = best?;
        is_left[own.part] = false;
        laid.insert(place, own);
    }
    let seams: Vec<f64> =
        laid.iter().flat_map(|(place, own)| beside(&laid, *place, *own)).collect();
    let fit = seams.iter().sum::<f64>() / seams.len() as f64;
    Some((laid, fit))
}

/// Beside what lies, as long as all fits into a square of so many.
fn free(laid: &HashMap<Place, Laid>, across: i32) -> Vec<Place> {
    let span = |i: usize| {
        let all = || laid.keys().map(move |place| place[i]);
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    };
    let spans = [span(0), span(1)];
    let fits = |place: &Place| {
        (0..2).all(|i| place[i].max(spans[i].1) - place[i].min(spans[i].0) < across)
    };
    let beside = laid.keys().flat_map(|[x, y]| AROUND.map(|[dx, dy]| [x + dx, y + dy]));
    let mut free: Vec<Place> = beside.filter(|p| !laid.contains_key(p)).filter(fits).collect();
    free.sort();
    free.dedup();
    free
}

/// The strips in their order, put together and read.
async fn page(
    question: &str,
    parts: &[[f64; 4]],
    fits: &Fits,
    desk: &mut Desk,
) -> Result<Option<String>, OracleError> {
    const STRIPS_MAX: usize = 14;
    let count = numbers(question).first().map_or(0, |count| *count as usize);
    let line = question.split("ends line ").nth(1).map(numbers).unwrap_or_default();
    let (Some(line), true) = (line.first(), parts.len() <= STRIPS_MAX) else { return Ok(None) };
    let line = *line as usize;
    let row = in_a_row(parts.len(), fits, question.contains("upside down"));
    let boxes: Vec<[f64; 4]> = row.iter().map(|laid| parts[laid.part]).collect();
    let turns: Vec<usize> = row.iter().map(|laid| 90 * laid.turns).collect();
    let asked = json!({"image": "img_0", "cols": row.len(), "boxes": boxes, "turns": turns});
    let Some(whole) = desk.make("image_tile", asked).await? else { return Ok(None) };
    let mut best = Print::default();
    for (turn, scale) in [(0.0, 1.0), (180.0, 1.0), (0.0, 1.6), (180.0, 1.6)] {
        let size = whole.size.map(|side| (side * scale).round() as u32);
        let ops = json!([{"rotate": turn}, {"resize": size}]);
        let Some(upright) = desk.transform(&whole.name, ops).await? else { continue };
        let asked = json!({"image": upright.name, "psm": 6, "orientations": "none"});
        let print = desk.ocr(asked).await?;
        let read = print.lines.get(line - 1).and_then(|line| code(&line.text));
        if let (true, Some(code)) = (print.lines.len() == count, read) {
            return Ok(Some(code));
        }
        if print.confidence > best.confidence {
            best = print;
        }
    }
    // Specks are read as lines at times: those with words count.
    let worded =
        best.lines.iter().filter(|l| l.text.chars().filter(|c| c.is_alphabetic()).count() > 5);
    let worded: Vec<_> = worded.collect();
    let asked = worded.get(line - 1).filter(|_| worded.len() == count);
    Ok(asked.and_then(|line| code(&line.text)))
}

/// All parts once, so that the seams between them fit best in all.
///
/// Source: Held and Karp, "A dynamic programming approach to sequencing problems" (1962).
fn in_a_row(count: usize, fits: &Fits, turned: bool) -> Vec<Laid> {
    const RIGHT: usize = 1;
    let ways = if turned { 2 } else { 1 };
    let laid = |node: usize| Laid { part: node / ways, turns: 2 * (node % ways) };
    let nodes = count * ways;
    // Of each set of parts and each node at its end: the best sum, and the node before.
    let mut best = vec![vec![(f64::NEG_INFINITY, usize::MAX); nodes]; 1 << count];
    for node in 0..nodes {
        best[1 << laid(node).part][node] = (0.0, usize::MAX);
    }
    for set in 1..1usize << count {
        for last in (0..nodes).filter(|node| set >> laid(*node).part & 1 == 1) {
            let (sum, _) = best[set][last];
            for next in (0..nodes).filter(|node| set >> laid(*node).part & 1 == 0) {
                let more = sum + fits.beside(laid(last), laid(next), RIGHT);
                let to = &mut best[set | 1 << laid(next).part][next];
                if more > to.0 {
                    *to = (more, last);
                }
            }
        }
    }
    let mut set = (1usize << count) - 1;
    let mut at = (0..nodes).max_by(|a, b| best[set][*a].0.total_cmp(&best[set][*b].0)).unwrap_or(0);
    let mut row = vec![];
    while at != usize::MAX {
        row.push(laid(at));
        let before = best[set][at].1;
        set &= !(1 << laid(at).part);
        at = before;
    }
    row.reverse();
    row
}
