//! Pixels of a picture through a map.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::imageops::{crop_imm, flip_horizontal_in_place, flip_vertical_in_place, rotate90};
use image::{Rgb, RgbImage};

use crate::map::{Map, Rect};

/// What composing maps may have added to a whole number.
const ROUNDING: f64 = 1e-6;
/// Below this reduction bicubic taps see every pixel.
const REDUCTION_MIN: f64 = 1.5;

/// A picture of `size` whose places lead to the source through `to_source`. Whole pixels that are
/// only moved, mirrored or turned by quarters are copied; along the axes Lanczos (3 lobes) shrinks
/// and grows; everything else is bicubic (Catmull-Rom), after shrinking.
pub(crate) fn resample(
    source: &RgbImage,
    fill: Rgb<u8>,
    to_source: &Map,
    size: [u32; 2],
) -> RgbImage {
    straight(source, to_source, size).unwrap_or_else(|| slanted(source, fill, to_source, size))
}

/// Where the source's axes are the picture's, in either order and direction.
fn straight(source: &RgbImage, to_source: &Map, size: [u32; 2]) -> Option<RgbImage> {
    let [a, b, c, d, e, f] = to_source.coefficients()?.map(snapped);
    let [width, height] = size.map(f64::from);
    let transposed = match [a, b, d, e] {
        [_, 0.0, 0.0, _] => false,
        [0.0, _, _, 0.0] => true,
        _ => return None,
    };
    // Along the source's axes: the factor, the begin, and the length in pixels of the picture.
    let (across, down) = match transposed {
        false => ((a, c, width), (e, f, height)),
        true => ((b, c, height), (d, f, width)),
    };
    let span = |(factor, begin, length): (f64, f64, f64)| {
        let end = begin + factor * length;
        [snapped(begin.min(end)), snapped(begin.max(end))]
    };
    let ([x0, x1], [y0, y1]) = (span(across), span(down));
    let inside = x0 >= 0.0
        && y0 >= 0.0
        && x1 <= f64::from(source.width())
        && y1 <= f64::from(source.height());
    if !inside || x0 >= x1 || y0 >= y1 {
        return None;
    }
    let part = Rect::new(x0, y0, x1, y1);
    let mut pixels = scaled(source, &part, across.2 as u32, down.2 as u32)?;
    if transposed {
        // A quarter turn and a mirror are a transposition.
        pixels = rotate90(&pixels);
        flip_horizontal_in_place(&mut pixels);
    }
    let (flip_x, flip_y) = match transposed {
        false => (a < 0.0, e < 0.0),
        true => (d < 0.0, b < 0.0),
    };
    if flip_x {
        flip_horizontal_in_place(&mut pixels);
    }
    if flip_y {
        flip_vertical_in_place(&mut pixels);
    }
    Some(pixels)
}

fn snapped(v: f64) -> f64 {
    let whole = v.round();
    if (v - whole).abs() < ROUNDING { whole } else { v }
}

/// A part of the source at another size.
fn scaled(source: &RgbImage, part: &Rect, width: u32, height: u32) -> Option<RgbImage> {
    let whole = [part.x0, part.y0].iter().all(|v| v.fract() == 0.0);
    if whole && part.width() == f64::from(width) && part.height() == f64::from(height) {
        return Some(crop_imm(source, part.x0 as u32, part.y0 as u32, width, height).to_image());
    }
    let (source_width, source_height) = source.dimensions();
    let from = ImageRef::new(source_width, source_height, source.as_raw(), PixelType::U8x3).ok()?;
    let mut to = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new()
        .crop(part.x0, part.y0, part.width(), part.height())
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&from, &mut to, &options).ok()?;
    RgbImage::from_raw(width, height, to.into_vec())
}

fn slanted(source: &RgbImage, fill: Rgb<u8>, to_source: &Map, size: [u32; 2]) -> RgbImage {
    let [width, height] = size.map(f64::from);
    let centre = [width / 2.0, height / 2.0];
    let shrunk = shrunk(source, to_source, Rect::new(0.0, 0.0, width, height), centre);
    let (source, map) = match &shrunk {
        Some((smaller, to_smaller)) => (smaller, to_source.then(to_smaller)),
        None => (source, *to_source),
    };
    let (right, bottom) = (f64::from(source.width()), f64::from(source.height()));
    let mut pixels = RgbImage::from_pixel(size[0], size[1], fill);
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let [sx, sy] = map.apply([f64::from(x) + 0.5, f64::from(y) + 0.5]);
        if (0.0..right).contains(&sx) && (0.0..bottom).contains(&sy) {
            *pixel = bicubic(source, sx, sy);
        }
    }
    pixels
}

/// The part of the source behind a box, made smaller where several of its pixels fall into one.
fn shrunk(
    source: &RgbImage,
    to_source: &Map,
    rect: Rect,
    centre: [f64; 2],
) -> Option<(RgbImage, Map)> {
    let reduction = to_source.stretch(centre);
    if !reduction.is_finite() || reduction < REDUCTION_MIN {
        return None;
    }
    let behind = Rect::around(rect.corners().map(|p| to_source.apply(p)));
    let (right, bottom) = (f64::from(source.width()), f64::from(source.height()));
    let part = Rect::new(
        behind.x0.floor().clamp(0.0, right),
        behind.y0.floor().clamp(0.0, bottom),
        behind.x1.ceil().clamp(0.0, right),
        behind.y1.ceil().clamp(0.0, bottom),
    );
    let side = |side: f64| ((side / reduction).round() as u32).max(1);
    let (width, height) = (side(part.width()), side(part.height()));
    if !(part.width() >= 1.0 && part.height() >= 1.0) {
        return None;
    }
    let smaller = scaled(source, &part, width, height)?;
    let factors = [f64::from(width) / part.width(), f64::from(height) / part.height()];
    let to_smaller = Map::shift(-part.x0, -part.y0).then(&Map::scale(factors[0], factors[1]));
    Some((smaller, to_smaller))
}

/// Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), a = −1/2.
fn bicubic(source: &RgbImage, x: f64, y: f64) -> Rgb<u8> {
    let (x, y) = (x as f32 - 0.5, y as f32 - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (weights(x - left), weights(y - top));
    let (width, height) = (source.width() as i64, source.height() as i64);
    let data = source.as_raw();
    let mut sum = [0f32; 3];
    for (j, down) in down.iter().enumerate() {
        let row = (top as i64 + j as i64 - 1).clamp(0, height - 1);
        for (i, across) in across.iter().enumerate() {
            let column = (left as i64 + i as i64 - 1).clamp(0, width - 1);
            let at = (row * width + column) as usize * 3;
            let weight = across * down;
            for c in 0..3 {
                sum[c] += weight * f32::from(data[at + c]);
            }
        }
    }
    Rgb(sum.map(|v| (v + 0.5).clamp(0.0, 255.0) as u8))
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t + t2 - 0.5 * t3,
        1.0 - 2.5 * t2 + 1.5 * t3,
        0.5 * t + 2.0 * t2 - 1.5 * t3,
        -0.5 * t2 + 0.5 * t3,
    ]
}
