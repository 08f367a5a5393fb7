//! Walk along the middle of each row and column, note where walls are crossed, and search the
//! shortest way in what was noted.

use std::collections::VecDeque;

use serde_json::json;

use super::reading::{numbers, shapes, stretches};
use super::{Desk, OracleError};

const DARK_MAX: f64 = 110.0;

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let Some(n) = numbers(question).first().map(|n| *n as usize) else { return Ok(None) };
    let dot = json!({
        "image": "img_0", "what": "components", "colour": "#dc1e1e", "tolerance": 60, "area_min": 9
    });
    let Some(dot) = shapes(&desk.measure(dot).await?).into_iter().next() else { return Ok(None) };
    let Some([left, top, right, bottom]) = extent(desk).await? else { return Ok(None) };
    let (across, down) = ((right - left) / n as f64, (bottom - top) / n as f64);
    // Of each row and column, which of the n + 1 borders are crossed by a wall.
    let mut walls = [vec![vec![false; n + 1]; n], vec![vec![false; n + 1]; n]];
    for (axis, walls) in walls.iter_mut().enumerate() {
        let (cell, begin) = if axis == 0 { (across, left) } else { (down, top) };
        for (i, crossed) in walls.iter_mut().enumerate() {
            let (from, to) = match axis {
                0 => {
                    let y = top + (i as f64 + 0.5) * down;
                    ([left - 0.5 * across, y], [right + 0.5 * across, y])
                }
                _ => {
                    let x = left + (i as f64 + 0.5) * across;
                    ([x, top - 0.5 * down], [x, bottom + 0.5 * down])
                }
            };
            let asked = json!({
                "image": "img_0", "what": "line", "from": from, "to": to, "tolerance": 90
            });
            for stretch in stretches(&desk.measure(asked).await?) {
                let Some(middle) = stretch.middle() else { continue };
                if stretch.brightness() < DARK_MAX && stretch.rgb[0] < DARK_MAX {
                    let border = ((middle[axis] - begin) / cell).round().clamp(0.0, n as f64);
                    crossed[border as usize] = true;
                }
            }
        }
    }
    let start = [
        ((dot.centre[0] - left) / across).floor() as usize,
        ((dot.centre[1] - top) / down).floor() as usize,
    ];
    let Some((side, steps)) = way_out(n, start, &walls) else { return Ok(None) };
    Ok(Some(if question.contains("How many steps") { steps.to_string() } else { side.to_owned() }))
}

/// Between the middles of the outer walls.
async fn extent(desk: &mut Desk) -> Result<Option<[f64; 4]>, OracleError> {
    const WALL_PX: f64 = 4.0;
    let mut seen = 0;
    let mut extent: Option<[f64; 4]> = None;
    loop {
        let asked = json!({
            "image": "img_0", "what": "components", "colour": "#141418", "tolerance": 90,
            "area_min": 12, "skip": seen
        });
        let text = desk.measure(asked).await?;
        let found = shapes(&text);
        seen += found.len();
        for shape in &found {
            let [x0, y0, x1, y1] = shape.rect;
            let [a, b, c, d] = extent.unwrap_or(shape.rect);
            extent = Some([a.min(x0), b.min(y0), c.max(x1), d.max(y1)]);
        }
        if found.is_empty() || !text.contains(" more: ask with") {
            let half = WALL_PX / 2.0;
            return Ok(extent.map(|[a, b, c, d]| [a + half, b + half, c - half, d - half]));
        }
    }
}

/// The side of the nearest exit, and the steps to it.
fn way_out(
    n: usize,
    start: [usize; 2],
    walls: &[Vec<Vec<bool>>; 2],
) -> Option<(&'static str, usize)> {
    if start.iter().any(|at| *at >= n) {
        return None;
    }
    let [rows, columns] = walls;
    let mut steps = vec![usize::MAX; n * n];
    steps[start[1] * n + start[0]] = 0;
    let mut queue = VecDeque::from([start]);
    while let Some([x, y]) = queue.pop_front() {
        let so_far = steps[y * n + x];
        let ways = [
            ("left", !rows[y][x], (x > 0).then(|| [x - 1, y])),
            ("right", !rows[y][x + 1], (x + 1 < n).then_some([x + 1, y])),
            ("top", !columns[x][y], (y > 0).then(|| [x, y - 1])),
            ("bottom", !columns[x][y + 1], (y + 1 < n).then_some([x, y + 1])),
        ];
        for (side, is_open, next) in ways {
            match next {
                _ if !is_open => {}
                None => return Some((side, so_far + 1)),
                Some([x, y]) if steps[y * n + x] == usize::MAX => {
                    steps[y * n + x] = so_far + 1;
                    queue.push_back([x, y]);
                }
                Some(_) => {}
            }
        }
    }
    None
}
