//! Find the dots by their colours and measure between their centres.

use serde_json::json;

use super::reading::{numbers, shapes};
use super::{Desk, OracleError};

const RED: &str = "#dc1e1e";
const GREEN: &str = "#14963c";
const BLUE: &str = "#1e50dc";
const PURPLE: &str = "#9628aa";

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let is_named = |name: &str| question.contains(&format!("the {name} "));
    let dots = [("red", RED), ("green", GREEN), ("blue", BLUE)];
    let mut named = vec![];
    let mut others = vec![];
    for (name, colour) in dots {
        let place = centre(desk, colour).await?;
        if is_named(name) { named.push(place) } else { others.push(place) }
    }
    if question.contains("the angle") {
        let (&[Some(at)], &[Some(from), Some(to)]) = (&named[..], &others[..]) else {
            return Ok(None);
        };
        let asked = json!({
            "image": "img_0", "what": "angle", "point": at, "from": from, "to": to
        });
        let text = desk.measure(asked).await?;
        let smaller = text.split("smaller angle is ").nth(1).map(numbers).unwrap_or_default();
        return Ok(smaller.first().map(f64::to_string));
    }
    let units = question.split("bar is ").nth(1).map(numbers).unwrap_or_default();
    let bar = json!({
        "image": "img_0", "what": "components", "colour": PURPLE, "tolerance": 60, "area_min": 40
    });
    let bars = shapes(&desk.measure(bar).await?);
    let bar = bars.iter().map(|bar| bar.rect[2] - bar.rect[0]).fold(0.0, f64::max);
    let (Some(units), true) = (units.first(), bar > 0.0) else { return Ok(None) };
    let per_px = units / bar;
    if question.contains("How long") {
        let &[Some(from), Some(to)] = &named[..] else { return Ok(None) };
        let asked = json!({"image": "img_0", "what": "distance", "from": from, "to": to});
        let text = desk.measure(asked).await?;
        return Ok(numbers(&text).first().map(|px| format!("{:.4}", px * per_px)));
    }
    let all: Option<Vec<[f64; 2]>> = others.into_iter().chain(named).collect();
    let Some(&[a, b, c]) = all.as_deref() else { return Ok(None) };
    let area = ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs() / 2.0;
    Ok(Some(format!("{:.4}", area * per_px * per_px)))
}

/// Of the largest round shape of a colour.
async fn centre(desk: &mut Desk, colour: &str) -> Result<Option<[f64; 2]>, OracleError> {
    let asked = json!({
        "image": "img_0", "what": "components", "colour": colour, "tolerance": 60, "area_min": 40
    });
    Ok(shapes(&desk.measure(asked).await?).first().map(|dot| dot.centre))
}
