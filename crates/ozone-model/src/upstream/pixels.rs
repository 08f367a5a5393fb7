//! Pixels never stand in a text.
//!
//! A picture of 10 KB is about 200 tokens as a picture and about 10,000 as base64 in a text, of which
//! no model reads anything; conversations have died of it. This is the last look before the wire,
//! whichever dialect wrote the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::{Image, ModelError, Turn};

/// So many bytes from the middle of a picture tell it from everything else. A multiple of three, so
/// that they begin and end with a character of base64.
const SAMPLE_BYTES: usize = 36;

/// `Err` where a text of the request holds pixels of one of its pictures.
pub fn check(body: &Value, turns: &[Turn]) -> Result<(), ModelError> {
    let images = turns.iter().flat_map(|turn| match turn {
        Turn::Shown { images, .. } | Turn::Returned { images, .. } => images.as_slice(),
        Turn::Given(_) | Turn::Sampled { .. } => &[],
    });
    let samples: Vec<String> = images.filter_map(sample).collect();
    match !samples.is_empty() && is_in_text(body, &samples) {
        false => Ok(()),
        true => Err(ModelError::InvalidRequest(
            "a text of the conversation holds a picture as base64, which no model can read: leave \
             it out of the text, since the model is shown the picture"
                .to_owned(),
        )),
    }
}

fn sample(image: &Image) -> Option<String> {
    let middle = image.bytes.len() / 2 / 3 * 3;
    image.bytes.get(middle..middle + SAMPLE_BYTES).map(|bytes| STANDARD.encode(bytes))
}

fn is_in_text(value: &Value, samples: &[String]) -> bool {
    match value {
        Value::String(text) => samples.iter().any(|sample| text.contains(sample.as_str())),
        Value::Array(values) => values.iter().any(|value| is_in_text(value, samples)),
        Value::Object(fields) => {
            let is_picture = fields
                .get("type")
                .is_some_and(|kind| *kind == "image_url" || *kind == "input_image");
            !is_picture && fields.values().any(|value| is_in_text(value, samples))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
