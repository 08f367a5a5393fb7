//! How a model writes places in a picture.
//!
//! Families of models were trained on different conventions, and the wrong one is the commonest
//! cause of a crop beside the point. A box outside the legal range is therefore an error that names
//! the range, never a silent clamp: it is the sign of a convention misunderstood.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::map::Rect;

/// The convention of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coords {
    /// Pixels of the picture as the model was shown it (Qwen2.5-VL).
    #[default]
    PxSeen,
    /// Pixels of the file.
    PxFile,
    /// 0 to 1000 along each side (Qwen3-VL).
    Rel1000,
    /// 0 to 1 along each side (Mini-o3, Pixel-Reasoner).
    Rel1,
}

/// A picture as a model knows it: its own size, and the size at which it was shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub coords: Coords,
    pub size: [u32; 2],
    pub seen: [u32; 2],
}

/// A place that is not in the picture.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadPlace {
    #[error("{given} is not inside the picture: {legal}")]
    Outside { given: String, legal: String },
    #[error(
        "the box {0} is empty: write left, top, right, bottom, with left < right and top < bottom"
    )]
    Empty(String),
}

impl Frame {
    /// The largest legal coordinates.
    pub fn extent(&self) -> [f64; 2] {
        match self.coords {
            Coords::PxSeen => self.seen.map(f64::from),
            Coords::PxFile => self.size.map(f64::from),
            Coords::Rel1000 => [1000.0; 2],
            Coords::Rel1 => [1.0; 2],
        }
    }

    /// What is legal, in words for the model.
    pub fn legal(&self) -> String {
        let [x, y] = self.extent();
        let unit = match self.coords {
            Coords::PxSeen | Coords::PxFile => "pixels",
            Coords::Rel1000 => "thousandths of the side",
            Coords::Rel1 => "parts of the side",
        };
        format!("x is from 0 to {x} and y from 0 to {y}, in {unit}")
    }

    /// A place in pixels of the picture itself.
    pub fn point(&self, [x, y]: [f64; 2]) -> Result<[f64; 2], BadPlace> {
        let [right, bottom] = self.extent();
        // NaN is in no range.
        if !((0.0..=right).contains(&x) && (0.0..=bottom).contains(&y)) {
            let given = List(&[x, y]).to_string();
            return Err(BadPlace::Outside { given, legal: self.legal() });
        }
        let [width, height] = self.size.map(f64::from);
        Ok([x / right * width, y / bottom * height])
    }

    /// A box in pixels of the picture itself.
    pub fn rect(&self, [x0, y0, x1, y1]: [f64; 4]) -> Result<Rect, BadPlace> {
        let given = || List(&[x0, y0, x1, y1]).to_string();
        let outside =
            |_| BadPlace::Outside { given: format!("the box {}", given()), legal: self.legal() };
        let [left, top] = self.point([x0, y0]).map_err(outside)?;
        let [right, bottom] = self.point([x1, y1]).map_err(outside)?;
        if left >= right || top >= bottom {
            return Err(BadPlace::Empty(given()));
        }
        Ok(Rect::new(left, top, right, bottom))
    }

    /// A length along the x axis in pixels of the picture itself.
    pub fn length(&self, length: f64) -> f64 {
        length / self.extent()[0] * f64::from(self.size[0])
    }

    /// A place of the picture itself as the model would write it.
    pub fn write(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let ([right, bottom], [width, height]) = (self.extent(), self.size.map(f64::from));
        let digits = if self.coords == Coords::Rel1 { 10_000.0 } else { 10.0 };
        let round = |v: f64| (v * digits).round() / digits;
        [round(x / width * right), round(y / height * bottom)]
    }

    /// A box of the picture itself as the model would write it.
    pub fn write_rect(&self, rect: &Rect) -> [f64; 4] {
        let ([x0, y0], [x1, y1]) = (self.write([rect.x0, rect.y0]), self.write([rect.x1, rect.y1]));
        [x0, y0, x1, y1]
    }
}

struct List<'a>(&'a [f64]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(f64::to_string).collect();
        write!(f, "[{}]", numbers.join(", "))
    }
}
