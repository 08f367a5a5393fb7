//! Try one operation after the other until two of them read the same eight digits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::reading::as_digits;
use super::{Desk, OracleError};

const DIGITS: usize = 8;
/// Two readings of this confidence are enough, or three with one that is sure.
const CERTAIN: f64 = 88.0;
const SURE: f64 = 60.0;

pub(super) async fn answer(_: &str, desk: &mut Desk) -> Result<Option<String>, OracleError> {
    let mut votes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ops in operations() {
        let image = match ops.as_array().is_some_and(Vec::is_empty) {
            true => "img_0".to_owned(),
            false => match desk.transform("img_0", ops).await? {
                Some(made) => made.name,
                None => continue,
            },
        };
        let asked = json!({"image": image, "psm": 6, "orientations": "none"});
        let print = desk.ocr(asked).await?;
        for line in &print.lines {
            let digits: String =
                as_digits(&line.text).chars().filter(|c| c.is_alphanumeric()).collect();
            if digits.len() == DIGITS && digits.chars().all(|c| c.is_ascii_digit()) {
                votes.entry(digits).or_default().push(line.confidence);
            }
        }
        let is_agreed = |sure: &Vec<f64>| match &sure[..] {
            [] | [_] => false,
            [a, b] => a.min(*b) >= CERTAIN,
            several => several.iter().any(|c| *c >= SURE),
        };
        if let Some((digits, _)) = votes.iter().find(|(_, sure)| is_agreed(sure)) {
            return Ok(Some(digits.clone()));
        }
    }
    // The most votes by how sure they are, with one that is sure.
    let sum = |sure: &Vec<f64>| sure.iter().sum::<f64>();
    let best = votes.into_iter().max_by(|a, b| sum(&a.1).total_cmp(&sum(&b.1)));
    let is_sure = |sure: &Vec<f64>| sure.iter().any(|c| *c >= SURE);
    Ok(best.filter(|(_, sure)| is_sure(sure)).map(|(digits, _)| digits))
}

fn operations() -> Vec<Value> {
    vec![
        json!([]),
        json!([{"blur": {"sigma": 1.2}}, "flatten", "autocontrast"]),
        json!(["denoise", "flatten", "autocontrast"]),
        json!([{"deconvolve": {"sigma": 1.5}}, "autocontrast"]),
        json!([{"deconvolve": {"sigma": 2.5}}, "autocontrast"]),
        json!([{"blur": {"sigma": 1.8}}, "flatten", "autocontrast", {"gamma": 0.6}]),
        json!([{"blur": {"sigma": 1.8}}, "flatten", "autocontrast", {"binarize": "otsu"}]),
        json!(["flatten", "autocontrast", {"unsharp": {"sigma": 3, "amount": 3}}]),
        json!([{"blur": {"sigma": 1.2}}, "autocontrast", {"binarize": "adaptive"}]),
        json!([{"blur": {"sigma": 2.5}}, "flatten", "autocontrast"]),
        json!([{"blur": {"sigma": 1}}, {"deconvolve": {"sigma": 3}}, "autocontrast"]),
    ]
}
