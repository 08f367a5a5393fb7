//! Level the lines, let the reader find which way up they are, take the line that is asked for.

use serde_json::json;

use super::reading::{Print, code, numbers};
use super::{Desk, OracleError};

pub(super) async fn answer(question: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let asked = numbers(question);
    let line = question.split("ends line ").nth(1).map(numbers).unwrap_or_default();
    let (Some(count), Some(line)) = (asked.first(), line.first()) else { return Ok(None) };
    let (count, line) = (*count as usize, *line as usize);
    let level = desk.make("image_straighten", json!({"mode": "deskew", "image": "img_0"})).await?;
    let Some(level) = level else { return Ok(None) };
    let mut best: Option<Print> = None;
    for scale in [1.0, 2.0, 1.5] {
        let image = if scale == 1.0 {
            level.clone()
        } else {
            let [width, height] = level.size.map(|side| (side * scale).round() as u32);
            let Some(larger) =
                desk.transform(&level.name, json!([{"resize": [width, height]}])).await?
            else {
                continue;
            };
            larger
        };
        let print = desk.ocr(json!({"image": image.name, "psm": 6})).await?;
        let is_whole = print.lines.len() == count;
        let read = print.lines.get(line - 1).and_then(|line| code(&line.text));
        if let (true, Some(code)) = (is_whole, read) {
            return Ok(Some(code));
        }
        if best.as_ref().is_none_or(|best| best.confidence < print.confidence) {
            best = Some(print);
        }
    }
    let lines = best.unwrap_or_default().lines;
    // Specks are read as lines at times: those with words count.
    let worded =
        lines.iter().filter(|line| line.text.chars().filter(|c| c.is_alphabetic()).count() > 5);
    Ok(worded.collect::<Vec<_>>().get(line - 1).and_then(|line| code(&line.text)))
}
