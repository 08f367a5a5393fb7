//! Find all shapes of the colour, keep those whose figure, filling and size are asked for, and
//! where a line is meant, those that it runs through.

use serde_json::json;

use super::reading::{Shape, shapes};
use super::{Desk, OracleError};

const PALETTE: &[(&str, &str)] =
    &[("red", "#d62424"), ("blue", "#2054d6"), ("green", "#188c3e"), ("orange", "#f09614")];

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let asked = question.split("How many ").nth(1).unwrap_or_default();
    let words: Vec<&str> = asked.split([' ', '?']).collect();
    let has = |word: &str| words.contains(&word);
    let Some((_, colour)) = PALETTE.iter().find(|(name, _)| has(name)) else { return Ok(None) };
    // A gray part covers what was there.
    let Some(covers) = listed(desk, "#969696", 2_000).await? else { return Ok(None) };
    let Some(found) = listed(desk, colour, 12).await?.filter(|_| covers.is_empty()) else {
        return Ok(None);
    };
    let wide = |shape: &Shape| shape.rect[2] - shape.rect[0];
    let line = match has("line") {
        true => Some(the_line(desk).await?),
        false => None,
    };
    let fits = |shape: &&Shape| {
        let figure = match shape.corners {
            Some(3) => "triangles",
            Some(4) => "squares",
            _ => "circles",
        };
        let is_large = wide(shape) > 37.0;
        let through = match &line {
            None => true,
            Some(None) => false,
            Some(Some(ends)) => off(middle(shape), *ends) < 0.5 * wide(shape),
        };
        has(figure)
            && (!has("hollow") || shape.hollow)
            && (!has("filled") || !shape.hollow)
            && (!has("large") || is_large)
            && (!has("small") || !is_large)
            && through
    };
    Ok(Some(found.iter().filter(fits).count().to_string()))
}

fn middle(shape: &Shape) -> [f64; 2] {
    let [x0, y0, x1, y1] = shape.rect;
    [(x0 + x1) / 2.0, (y0 + y1) / 2.0]
}

/// All shapes of a colour, however many lists that takes. `None` where nothing was counted.
async fn listed(
    desk: &mut Desk,
    colour: &str,
    area_min: u64,
) -> Result<Option<Vec<Shape>>, OracleError> {
    let mut found: Vec<Shape> = vec![];
    loop {
        let text = desk
            .measure(json!({
                "image": "img_0", "what": "components", "colour": colour, "tolerance": 40,
                "area_min": area_min, "skip": found.len()
            }))
            .await?;
        if !text.lines().next().unwrap_or_default().contains(" shapes") {
            return Ok(None);
        }
        found.extend(shapes(&text));
        if !text.ends_with(']') || !text.contains(" more: ask with") {
            return Ok(Some(found));
        }
    }
}

/// Where the black line begins and ends: the outermost of its pieces between the shapes.
async fn the_line(desk: &mut Desk) -> Result<Option<[[f64; 2]; 2]>, OracleError> {
    let pieces = listed(desk, "#141418", 6).await?.unwrap_or_default();
    let left = pieces.iter().min_by(|a, b| a.rect[0].total_cmp(&b.rect[0]));
    let right = pieces.iter().max_by(|a, b| a.rect[2].total_cmp(&b.rect[2]));
    let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
    // Whether it rises is in how the first piece lies to the last.
    let rises = match left == right {
        true => match &left.places[..] {
            [] => false,
            places => {
                let first = places.iter().min_by(|a, b| a[0].total_cmp(&b[0])).copied();
                first.is_some_and(|p| p[1] > left.centre[1])
            }
        },
        false => left.centre[1] > right.centre[1],
    };
    let ends = |shape: &Shape, at_left: bool| {
        let [x0, y0, x1, y1] = shape.rect;
        let half = 1.5;
        let low = if rises == at_left { y1 - half } else { y0 + half };
        [if at_left { x0 } else { x1 }, low]
    };
    Ok(Some([ends(left, true), ends(right, false)]))
}

fn off(at: [f64; 2], [a, b]: [[f64; 2]; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    ((at[0] - a[0]) * dy - (at[1] - a[1]) * dx).abs() / dx.hypot(dy)
}
