//! What a model is given beside a picture: the same questions under several outfits say what each
//! of them is worth.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The picture, as far as it can be seen, and no tool.
    Alone,
    /// The tools for pictures.
    Images,
    /// Python, with the picture as a file.
    Python,
    /// Both.
    Full,
}

impl Arm {
    pub const ALL: &[Arm] = &[Arm::Alone, Arm::Images, Arm::Python, Arm::Full];

    pub fn name(self) -> &'static str {
        match self {
            Arm::Alone => "alone",
            Arm::Images => "images",
            Arm::Python => "python",
            Arm::Full => "full",
        }
    }

    pub fn has_images(self) -> bool {
        matches!(self, Arm::Images | Arm::Full)
    }

    pub fn has_python(self) -> bool {
        matches!(self, Arm::Python | Arm::Full)
    }
}

/// An arm, and whether its tools for pictures do what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outfit {
    pub arm: Arm,
    /// Whatever is asked of a tool, it shows the picture as it is.
    pub ablated: bool,
}

impl Outfit {
    pub fn name(self) -> String {
        format!("{}{}", self.arm.name(), if self.ablated { " ablated" } else { "" })
    }
}
