//! Look for the triangle part by part at full size, then read what is beside it.

use serde_json::json;

use super::reading::{Shape, code, shapes};
use super::{Desk, OracleError};

/// A part of this side is measured pixel by pixel.
const PART_PX: f64 = 1_900.0;
/// Parts reach so far into their neighbours: a figure that is cut in one is whole in another.
const OVERLAP_PX: f64 = 60.0;

pub(super) async fn answer(_: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    for triangle in triangles(desk).await? {
        let [x0, y0, x1, y1] = triangle.rect;
        let (side, [width, height]) = (y1 - y0, desk.size);
        for (above, psm) in [(0.35, 7), (0.6, 6), (0.2, 7), (0.5, 11)] {
            let beside = [
                x1 + 0.15 * (x1 - x0),
                (y0 - above * side).max(0.0),
                (x1 + 9.0 * side).min(width),
                (y1 + above * side).min(height),
            ];
            let arguments =
                json!({"image": "img_0", "bbox": beside, "psm": psm, "orientations": "none"});
            let print = desk.ocr(arguments).await?;
            if let Some(code) = print.lines.iter().find_map(|line| code(&line.text)) {
                return Ok(Some(code));
            }
        }
    }
    Ok(None)
}

async fn triangles(desk: &mut Desk) -> Result<Vec<Shape>, OracleError> {
    let [width, height] = desk.size;
    let (columns, rows) = ((width / PART_PX).ceil() as u32, (height / PART_PX).ceil() as u32);
    let mut found: Vec<Shape> = vec![];
    for part in 0..columns * rows {
        let span = |i: u32, of: u32, side: f64| {
            let own = side / f64::from(of);
            let from = f64::from(i) * own;
            [(from - OVERLAP_PX).max(0.0), (from + own + OVERLAP_PX).min(side)]
        };
        let ([x0, x1], [y0, y1]) =
            (span(part % columns, columns, width), span(part / columns, rows, height));
        let arguments = json!({
            "image": "img_0", "what": "components", "colour": "#d02020", "tolerance": 60,
            "bbox": [x0, y0, x1, y1], "area_min": 12
        });
        let text = desk.measure(arguments).await?;
        found.extend(shapes(&text).into_iter().filter(|s| s.corners == Some(3) && !s.cut));
    }
    found.sort_by(|a, b| b.area.total_cmp(&a.area));
    Ok(found)
}
