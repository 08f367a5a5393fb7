//! Bytes of strangers to pixels.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage, RgbaImage};

use crate::drawing;

/// What a picture may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes_max: usize,
    pub pixels_max: u64,
    /// Of what a decoder allocates, in bytes.
    pub memory_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes_max: 64 << 20, pixels_max: 100_000_000, memory_max: 512 << 20 }
    }
}

/// A longer side is refused: fewer pixels of it fit into any view.
const SIDE_MAX: u32 = 65_535;
/// Progressive files have about ten scans. Each is a pass over all pixels, and costs a few bytes.
const JPEG_SCANS_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
    Tiff,
    Bmp,
    Svg,
}

impl Format {
    /// What the first bytes say.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        let head = &bytes[..bytes.len().min(4096)];
        Some(match head {
            [0x89, b'P', b'N', b'G', ..] => Format::Png,
            [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
            [b'G', b'I', b'F', b'8', ..] => Format::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::WebP,
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Format::Tiff,
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Format::Bmp,
            _ if contains(head, b"<svg") => Format::Svg,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::Gif => "GIF",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
            Format::Bmp => "BMP",
            Format::Svg => "SVG",
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Why a file is no picture here. The text is for whoever gave it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("this is no picture that can be read: PNG, JPEG, WebP, GIF, TIFF, BMP and SVG can be")]
    Unknown,
    #[error("{0} files cannot be read here; save it as PNG or JPEG")]
    Unsupported(&'static str),
    #[error("the picture has {bytes} bytes, at most {max} are taken; save it smaller")]
    TooManyBytes { bytes: usize, max: usize },
    #[error(
        "the picture has {width}x{height} pixels, at most {max} in all and {SIDE_MAX} along a side \
         are taken; save it smaller"
    )]
    TooManyPixels { width: u64, height: u64, max: u64 },
    #[error("the {} file is refused: {why}", format.name())]
    TooComplex { format: Format, why: String },
    #[error("the {} file is damaged: {why}", format.name())]
    Broken { format: Format, why: String },
}

/// A decoded picture: upright, 8 bits for each of red, green and blue, see-through parts on white.
#[derive(Debug, Clone)]
pub struct Picture {
    pixels: RgbImage,
    format: Option<Format>,
    notes: Vec<String>,
    fill: Rgb<u8>,
}

impl Picture {
    /// A picture that was made here.
    pub fn of(pixels: RgbImage) -> Picture {
        let fill = border(&pixels);
        Picture { pixels, format: None, notes: vec![], fill }
    }

    pub fn pixels(&self) -> &RgbImage {
        &self.pixels
    }

    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// Of the file that it came from.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// What was done to the file's pixels, for whoever compares.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What lies around the picture where a view shows more than it: the colour of its border, so
    /// that turning a page adds no edge to it.
    pub(crate) fn fill(&self) -> Rgb<u8> {
        self.fill
    }
}

/// Decodes a picture; of a film its first frame.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    if bytes.len() > limits.bytes_max {
        return Err(DecodeError::TooManyBytes { bytes: bytes.len(), max: limits.bytes_max });
    }
    let format = Format::of(bytes).ok_or_else(|| unknown(bytes))?;
    let (pixels, notes) = match format {
        Format::Svg => drawing::render(bytes, limits)?,
        _ => {
            let (decoded, mut notes) = raster(bytes, format, limits)?;
            if decoded.color().has_alpha() {
                notes.push("see-through parts are shown on white".to_owned());
            }
            (on_white(decoded), notes)
        }
    };
    Ok(Picture { format: Some(format), notes, ..Picture::of(pixels) })
}

/// The same with what is see-through left so; of a drawing, nothing is.
pub fn decode_with_alpha(bytes: &[u8], limits: &Limits) -> Result<RgbaImage, DecodeError> {
    match Format::of(bytes) {
        Some(format) if format != Format::Svg && bytes.len() <= limits.bytes_max => {
            Ok(raster(bytes, format, limits)?.0.into_rgba8())
        }
        _ => Ok(DynamicImage::from(decode(bytes, limits)?.pixels).into_rgba8()),
    }
}

/// The width and the height of a picture that is shown upright; its pixels are not looked at.
pub fn dimensions(bytes: &[u8]) -> Option<[u32; 2]> {
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    Some(match decoder.orientation() {
        Ok(Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH) => [height, width],
        _ => [width, height],
    })
}

fn unknown(bytes: &[u8]) -> DecodeError {
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => DecodeError::Unsupported("AVIF"),
        Some([b'f', b't', b'y', b'p', b'h' | b'm', ..]) => DecodeError::Unsupported("HEIC"),
        _ if contains(&bytes[..bytes.len().min(1024)], b"%PDF-") => DecodeError::Unsupported("PDF"),
        _ if bytes.starts_with(b"8BPS") => DecodeError::Unsupported("Photoshop"),
        _ if bytes.starts_with(&[0x1f, 0x8b]) => DecodeError::Unsupported("packed (gzip)"),
        _ => DecodeError::Unknown,
    }
}

/// Says no before anything of that size is allocated.
pub(crate) fn check_size(width: u64, height: u64, limits: &Limits) -> Result<(), DecodeError> {
    let max = limits.pixels_max;
    let side = width.max(height);
    if width.saturating_mul(height) > max || side > u64::from(SIDE_MAX) {
        return Err(DecodeError::TooManyPixels { width, height, max });
    }
    Ok(())
}

fn raster(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
) -> Result<(DynamicImage, Vec<String>), DecodeError> {
    let broken = |e: image::ImageError| DecodeError::Broken { format, why: e.to_string() };
    let codec = match format {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Gif => ImageFormat::Gif,
        Format::WebP => ImageFormat::WebP,
        Format::Tiff => ImageFormat::Tiff,
        Format::Bmp => ImageFormat::Bmp,
        Format::Svg => return Err(DecodeError::Unknown),
    };
    if format == Format::Jpeg {
        let scans = bytes.windows(2).filter(|pair| pair == &[0xff, 0xda]).count();
        if scans > JPEG_SCANS_MAX {
            let why = format!("it has {scans} scans, at most {JPEG_SCANS_MAX} are taken");
            return Err(DecodeError::TooComplex { format, why });
        }
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), codec);
    let mut own = image::Limits::default();
    own.max_alloc = Some(limits.memory_max);
    reader.limits(own);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), limits)?;
    if width == 0 || height == 0 {
        let why = "it has no pixels".to_owned();
        return Err(DecodeError::Broken { format, why });
    }
    if decoder.total_bytes() > limits.memory_max {
        let (width, height) = (width.into(), height.into());
        return Err(DecodeError::TooManyPixels { width, height, max: limits.pixels_max });
    }
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let mut notes = vec![];
    if orientation != image::metadata::Orientation::NoTransforms {
        decoded.apply_orientation(orientation);
        notes.push(format!("turned upright as its EXIF tag {} says", orientation.to_exif()));
    }
    Ok((decoded, notes))
}

pub(crate) fn on_white(decoded: DynamicImage) -> RgbImage {
    if !decoded.color().has_alpha() {
        return decoded.into_rgb8();
    }
    let with_alpha = decoded.into_rgba8();
    let mut pixels = RgbImage::new(with_alpha.width(), with_alpha.height());
    for (to, from) in pixels.pixels_mut().zip(with_alpha.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        let over = |c: u32| ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        *to = Rgb([over(r), over(g), over(b)]);
    }
    pixels
}

/// The middle colour along the border, each channel for itself.
fn border(pixels: &RgbImage) -> Rgb<u8> {
    let (width, height) = pixels.dimensions();
    if width == 0 || height == 0 {
        return Rgb([255; 3]);
    }
    let mut counts = [[0u32; 256]; 3];
    let mut count = |x: u32, y: u32| {
        let pixel = pixels.get_pixel(x, y);
        (0..3).for_each(|c| counts[c][usize::from(pixel[c])] += 1);
    };
    (0..width).for_each(|x| [0, height - 1].iter().for_each(|y| count(x, *y)));
    (0..height).for_each(|y| [0, width - 1].iter().for_each(|x| count(*x, y)));
    let half = width + height;
    let middle = |counts: &[u32; 256]| {
        let mut seen = 0;
        let at = counts.iter().position(|n| {
            seen += n;
            seen >= half
        });
        at.unwrap_or(255) as u8
    };
    Rgb([middle(&counts[0]), middle(&counts[1]), middle(&counts[2])])
}
