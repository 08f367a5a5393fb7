//! Pixels to bytes, for delivery.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

/// A file's bytes and their type.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Each keeps about two thirds of the bytes of the one before.
const QUALITIES: [u8; 5] = [92, 80, 60, 40, 20];

/// As PNG.
pub fn png(pixels: &RgbImage) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = vec![];
    pixels.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    Ok(bytes)
}

/// As JPEG of a quality from 1 to 100.
pub fn jpeg(pixels: &RgbImage, quality: u8) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = vec![];
    pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(bytes)
}

/// With what is see-through, where anything is, as PNG.
pub fn png_with_alpha(pixels: &RgbaImage) -> Result<Vec<u8>, image::ImageError> {
    with_alpha(pixels, ImageFormat::Png)
}

/// The same as WebP, without loss.
pub fn webp_with_alpha(pixels: &RgbaImage) -> Result<Vec<u8>, image::ImageError> {
    with_alpha(pixels, ImageFormat::WebP)
}

fn with_alpha(pixels: &RgbaImage, format: ImageFormat) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = vec![];
    if is_opaque(pixels) {
        DynamicImage::from(pixels.clone())
            .into_rgb8()
            .write_to(&mut Cursor::new(&mut bytes), format)?;
    } else {
        pixels.write_to(&mut Cursor::new(&mut bytes), format)?;
    }
    Ok(bytes)
}

/// What is see-through shows white.
pub fn on_white(pixels: &RgbaImage) -> RgbImage {
    crate::decode::on_white(DynamicImage::from(pixels.clone()))
}

/// Whether nothing of it is see-through.
pub fn is_opaque(pixels: &RgbaImage) -> bool {
    pixels.pixels().all(|pixel| pixel[3] == 255)
}

/// As PNG where that takes at most so many bytes, and as JPEG of the best quality that does
/// otherwise. `None` if none does: then fewer pixels are needed.
pub fn within(pixels: &RgbImage, bytes_max: usize) -> Result<Option<Encoded>, image::ImageError> {
    let bytes = png(pixels)?;
    if bytes.len() <= bytes_max {
        return Ok(Some(Encoded { media_type: "image/png", bytes }));
    }
    for quality in QUALITIES {
        let bytes = jpeg(pixels, quality)?;
        if bytes.len() <= bytes_max {
            return Ok(Some(Encoded { media_type: "image/jpeg", bytes }));
        }
    }
    Ok(None)
}
