//! The pictures of a conversation, by the numbers under which a model may work on them.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_image::canvas::{SIDE_MAX, SIDE_MIN};
use ozone_image::{DecodeError, Format, Limits, RgbaImage, decode_with_alpha, dimensions, encode};
use ozone_types::item::Known;
use ozone_types::{Content, Item, Role, Text};

use crate::ToolError;

/// So many of the newest can be worked on.
const KEPT_MAX: usize = 16;
const LIMITS: Limits = Limits { bytes_max: 32 << 20, pixels_max: 24 << 20, memory_max: 256 << 20 };

/// The longer side of a picture that is changed where nobody asks for a size.
const CHANGED_SIDE_MAX: u32 = 2048;

#[derive(Clone)]
pub(super) struct Source {
    /// For the model: who made it.
    what: String,
    bytes: Arc<Vec<u8>>,
    /// Its pixels as PNG, upright.
    png: Arc<OnceLock<Arc<Vec<u8>>>>,
}

impl Source {
    fn new(what: String, bytes: Vec<u8>) -> Source {
        Source { what, bytes: Arc::new(bytes), png: Arc::default() }
    }

    pub fn pixels(&self) -> Result<RgbaImage, DecodeError> {
        decode_with_alpha(&self.bytes, &LIMITS)
    }

    /// The size of a change of it.
    pub fn fitting(&self) -> Option<[u32; 2]> {
        let [width, height] = dimensions(&self.bytes)?;
        let longer = width.max(height).max(1);
        let shrunk = |side: u32| {
            let side =
                u64::from(side) * u64::from(longer.min(CHANGED_SIDE_MAX)) / u64::from(longer);
            (side as u32).clamp(SIDE_MIN, SIDE_MAX)
        };
        Some([shrunk(width), shrunk(height)])
    }

    /// As its file is, where image models take it, and its media type.
    pub fn file(&self) -> Result<(Arc<Vec<u8>>, &'static str), ToolError> {
        let media_type = match Format::of(&self.bytes) {
            Some(Format::Png) => "image/png",
            Some(Format::Jpeg) => "image/jpeg",
            Some(Format::WebP) => "image/webp",
            _ => return Ok((self.png()?, "image/png")),
        };
        Ok((self.bytes.clone(), media_type))
    }

    /// Blocks while it is decoded.
    pub fn png(&self) -> Result<Arc<Vec<u8>>, ToolError> {
        if let Some(png) = self.png.get() {
            return Ok(png.clone());
        }
        let cannot =
            |e: String| ToolError::BadArguments(format!("{} cannot be read: {e}", self.what));
        let pixels = self.pixels().map_err(|e| cannot(e.to_string()))?;
        let png = encode::png_with_alpha(&pixels).map_err(|e| cannot(e.to_string()))?;
        Ok(self.png.get_or_init(|| Arc::new(png)).clone())
    }
}

/// The pixels of a mask.
pub(super) fn mask(bytes: &[u8]) -> Result<RgbaImage, DecodeError> {
    decode_with_alpha(bytes, &LIMITS)
}

/// Numbered from 1, in the order of the conversation.
#[derive(Default, Clone)]
pub(super) struct Sources {
    /// Before the first that is kept.
    gone: usize,
    kept: Vec<Source>,
}

impl Sources {
    /// Adds the pictures of these items. What is no picture has no number.
    pub fn read<'a>(&mut self, items: impl Iterator<Item = &'a Item>) {
        for item in items {
            match item {
                Item::Known(Known::Message { role: Role::User, content, .. }) => {
                    self.given(content);
                }
                Item::Known(
                    Known::FunctionCallOutput { output, .. }
                    | Known::CustomToolCallOutput { output, .. },
                ) => self.given(output),
                Item::Known(Known::ImageGenerationCall { result: Some(result), facts, .. }) => {
                    if let Ok(bytes) = STANDARD.decode(result) {
                        let title = facts.revised_prompt.as_deref().unwrap_or("no title");
                        self.add(format!("made by you: {}", short(title)), bytes);
                    }
                }
                _ => {}
            }
        }
    }

    fn given(&mut self, content: &Text) {
        let Text::Parts(parts) = content else { return };
        for part in parts {
            let Content::InputImage { image_url: Some(url), .. } = part else { continue };
            let data = url.strip_prefix("data:").and_then(|url| url.split_once("base64,"));
            if let Some(bytes) = data.and_then(|(_, data)| STANDARD.decode(data.trim()).ok()) {
                self.add("from the user".to_owned(), bytes);
            }
        }
    }

    /// Gives its number.
    pub fn add(&mut self, what: String, bytes: Vec<u8>) -> usize {
        self.kept.push(Source::new(what, bytes));
        if self.kept.len() > KEPT_MAX {
            self.kept.remove(0);
            self.gone += 1;
        }
        self.gone + self.kept.len()
    }

    pub fn get(&self, number: usize) -> Result<&Source, ToolError> {
        let at = number.checked_sub(self.gone + 1);
        at.and_then(|at| self.kept.get(at)).ok_or_else(|| {
            let known = match self.numbers() {
                None => "there is no picture yet".to_owned(),
                Some(known) => {
                    format!("known are image:{} to image:{}", known.start(), known.end())
                }
            };
            ToolError::BadArguments(format!("there is no image:{number}; {known}"))
        })
    }

    fn numbers(&self) -> Option<RangeInclusive<usize>> {
        (!self.kept.is_empty()).then(|| self.gone + 1..=self.gone + self.kept.len())
    }

    pub fn last(&self) -> Option<&Source> {
        self.kept.last()
    }

    pub fn last_number(&self) -> usize {
        self.gone + self.kept.len()
    }

    /// In words for the model, a line for each.
    pub fn told(&self) -> String {
        let line = |(at, source): (usize, &Source)| {
            let size = dimensions(&source.bytes);
            let size = size.map_or(String::new(), |[width, height]| format!("{width}x{height}, "));
            format!("\nimage:{}: {size}{}", self.gone + at + 1, source.what)
        };
        self.kept.iter().enumerate().map(line).collect()
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
