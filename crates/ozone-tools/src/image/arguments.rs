//! The arguments of the calls, as models write them.

use ozone_image::{Binarize, Channel, Flip, Morphology, Tone};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::album::bad;
use crate::ToolError;

/// Reads arguments; what is wrong with them is for the model.
pub(super) fn read<T: DeserializeOwned>(arguments: &str) -> Result<T, ToolError> {
    let value: Value =
        serde_json::from_str(if arguments.trim().is_empty() { "{}" } else { arguments })
            .map_err(|e| bad(&format!("the arguments are no JSON: {e}")))?;
    let Value::Object(fields) = value else {
        return Err(bad("the arguments must be a JSON object"));
    };
    // Models write null for what they leave out.
    let fields: Map<String, Value> = fields.into_iter().filter(|(_, v)| !v.is_null()).collect();
    serde_json::from_value(Value::Object(fields))
        .map_err(|e| bad(&format!("the arguments are not as they should be: {e}")))
}

/// A picture by id, number or file name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Number(u64),
    Name(String),
}

impl Named {
    pub fn name(this: &Option<Named>) -> Option<String> {
        match this {
            None => None,
            Some(Named::Number(number)) => Some(format!("img_{number}")),
            Some(Named::Name(name)) => Some(name.clone()),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Zoom {
    pub bbox_2d: [f64; 4],
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default, alias = "image")]
    pub img_idx: Option<Named>,
    #[serde(default)]
    pub scale: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Look {
    #[serde(default)]
    pub image: Option<Named>,
    #[serde(default)]
    pub max_side: Option<u32>,
    #[serde(default)]
    pub grid: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transform {
    #[serde(default)]
    pub image: Option<Named>,
    pub ops: Vec<Op>,
}

/// One step. Those without numbers are words.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Rotate(f64),
    Flip(Flip),
    Transpose,
    Resize([u32; 2]),
    Invert,
    Gray,
    Autocontrast,
    Gamma(f64),
    Flatten,
    Equalize,
    Blur { sigma: f64 },
    Unsharp { sigma: f64, amount: f64 },
    Deconvolve { sigma: f64 },
    Denoise,
    Median,
    Binarize(Binarize),
    Morphology { step: Morphology, radius: u32 },
    Channel(Channel),
}

impl Op {
    /// What it does to the values of pixels; `None` if it moves them.
    pub fn tone(&self) -> Option<Tone> {
        Some(match *self {
            Op::Rotate(_) | Op::Flip(_) | Op::Transpose | Op::Resize(_) => return None,
            Op::Invert => Tone::Invert,
            Op::Gray => Tone::Gray,
            Op::Autocontrast => Tone::Autocontrast,
            Op::Gamma(gamma) => Tone::Gamma(gamma),
            Op::Flatten => Tone::Flatten,
            Op::Equalize => Tone::Equalize,
            Op::Blur { sigma } => Tone::Blur { sigma },
            Op::Unsharp { sigma, amount } => Tone::Unsharp { sigma, amount },
            Op::Deconvolve { sigma } => Tone::Deconvolve { sigma },
            Op::Denoise => Tone::Denoise,
            Op::Median => Tone::Median,
            Op::Binarize(how) => Tone::Binarize(how),
            Op::Morphology { step, radius } => Tone::Morphology { step, radius },
            Op::Channel(channel) => Tone::Channel(channel),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Straighten {
    #[serde(default)]
    pub image: Option<Named>,
    pub mode: Mode,
    #[serde(default)]
    pub corners: Option<[[f64; 2]; 4]>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Deskew,
    Perspective,
}

#[derive(Debug, Deserialize)]
pub(super) struct Read {
    #[serde(default)]
    pub image: Option<Named>,
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
    #[serde(default)]
    pub psm: Option<u8>,
    #[serde(default)]
    pub lang: Option<String>,
    #[serde(default)]
    pub orientations: Orientations,
    #[serde(default)]
    pub words: bool,
    #[serde(default)]
    pub chars: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Orientations {
    #[default]
    Auto,
    None,
}

#[derive(Debug, Deserialize)]
pub(super) struct Measure {
    #[serde(default)]
    pub image: Option<Named>,
    pub what: What,
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
    #[serde(default)]
    pub point: Option<[f64; 2]>,
    #[serde(default)]
    pub from: Option<[f64; 2]>,
    #[serde(default)]
    pub to: Option<[f64; 2]>,
    #[serde(default)]
    pub radius: Option<f64>,
    #[serde(default)]
    pub colour: Option<String>,
    #[serde(default)]
    pub tolerance: Option<u8>,
    #[serde(default)]
    pub area_min: Option<u64>,
    #[serde(default)]
    pub skip: Option<usize>,
    #[serde(default)]
    pub boxes: Vec<[f64; 4]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Colour,
    Colours,
    Histogram,
    Distance,
    Angle,
    Line,
    Ring,
    Circle,
    Components,
    Curve,
    Edges,
    Sketch,
    Quality,
}

#[derive(Debug, Deserialize)]
pub(super) struct Draw {
    #[serde(default)]
    pub image: Option<Named>,
    #[serde(default)]
    pub guides_x: Vec<f64>,
    #[serde(default)]
    pub guides_y: Vec<f64>,
    #[serde(default)]
    pub lines: Vec<[f64; 4]>,
    #[serde(default)]
    pub boxes: Vec<[f64; 4]>,
    #[serde(default)]
    pub labels: Vec<Label>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Label {
    pub at: [f64; 2],
    pub text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Compare {
    pub a: Named,
    pub b: Named,
    #[serde(default)]
    pub align: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tile {
    #[serde(default)]
    pub image: Option<Named>,
    pub cols: u32,
    #[serde(default)]
    pub rows: u32,
    #[serde(default)]
    pub overlap: f64,
    #[serde(default)]
    pub boxes: Vec<[f64; 4]>,
    #[serde(default)]
    pub turns: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Decode {
    #[serde(default)]
    pub image: Option<Named>,
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
}
