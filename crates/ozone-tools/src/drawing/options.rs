//! How a picture is wanted.

use std::io;
use std::sync::Arc;

use ozone_image::{Format as Of, RgbaImage, encode};
use serde::Deserialize;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    #[default]
    Auto,
    Generate,
    Edit,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    #[default]
    Auto,
    Opaque,
    Transparent,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    #[default]
    Png,
    Jpeg,
    Webp,
}

impl OutputFormat {
    pub fn name(self) -> &'static str {
        match self {
            OutputFormat::Png => "png",
            OutputFormat::Jpeg => "jpeg",
            OutputFormat::Webp => "webp",
        }
    }

    /// Whether these bytes are in it.
    pub(super) fn is_of(self, bytes: &[u8]) -> bool {
        let wanted = match self {
            OutputFormat::Png => Of::Png,
            OutputFormat::Jpeg => Of::Jpeg,
            OutputFormat::Webp => Of::WebP,
        };
        Of::of(bytes) == Some(wanted)
    }
}

/// What a request says of the pictures that it wants.
#[derive(Debug, Clone, Default)]
pub struct PictureOptions {
    pub action: Action,
    /// In pixels. `None`: as suits the picture.
    pub size: Option<[u32; 2]>,
    pub background: Background,
    pub format: OutputFormat,
    /// 0 to 100: how much of a JPEG is kept.
    pub compression: Option<u8>,
    /// How many beginnings of a picture are shown, 0 to 3.
    pub partial_images: u64,
    /// What is see-through in it may be changed, in the newest picture.
    pub mask: Option<Arc<Vec<u8>>>,
    /// For an image model.
    pub quality: Option<String>,
    pub moderation: Option<String>,
    pub input_fidelity: Option<String>,
}

impl PictureOptions {
    /// The most beginnings of one picture.
    pub const PARTIAL_IMAGES_MAX: u64 = 3;

    /// Why these bytes are no mask.
    pub fn check_mask(bytes: &[u8]) -> Result<(), String> {
        let pixels = super::sources::mask(bytes).map_err(|e| e.to_string())?;
        match encode::is_opaque(&pixels) {
            true => Err("nothing of the mask is see-through, so nothing could be changed".into()),
            false => Ok(()),
        }
    }

    pub(super) fn encoded(&self, pixels: &RgbaImage) -> io::Result<Vec<u8>> {
        let bytes = match self.format {
            OutputFormat::Png => encode::png_with_alpha(pixels),
            OutputFormat::Webp => encode::webp_with_alpha(pixels),
            OutputFormat::Jpeg => {
                let quality = self.compression.unwrap_or(92).clamp(1, 100);
                encode::jpeg(&encode::on_white(pixels), quality)
            }
        };
        bytes.map_err(io::Error::other)
    }
}
