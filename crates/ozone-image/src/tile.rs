//! A large picture as several views, and several views as one picture.

use image::{Rgb, RgbImage, imageops};

use crate::draw::{self, Mark};
use crate::map::Rect;
use crate::view::{View, ViewError, check};

/// The most tiles of one view.
pub const TILES_MAX: u32 = 64;

/// The view cut into columns and rows, row by row. Each tile reaches into its neighbours by a share
/// `overlap` (0 to 0.5) of its side, so that nothing is cut in all of them.
pub fn tiles(view: &View, columns: u32, rows: u32, overlap: f64) -> Result<Vec<View>, ViewError> {
    let (columns, rows) = (columns.clamp(1, TILES_MAX), rows.clamp(1, TILES_MAX));
    let [width, height] = view.size().map(f64::from);
    let span = |i: u32, of: u32, side: f64| {
        let own = side / f64::from(of);
        let more = own * overlap.clamp(0.0, 0.5);
        let (from, to) = (f64::from(i) * own - more, f64::from(i + 1) * own + more);
        [from.max(0.0).floor(), to.min(side).ceil().min(side)]
    };
    let tile = |i: u32| {
        let ([x0, x1], [y0, y1]) =
            (span(i % columns, columns, width), span(i / columns, rows, height));
        view.crop(Rect::new(x0, y0, x1, y1))
    };
    (0..(columns * rows).min(TILES_MAX)).map(tile).collect()
}

/// Pictures of one row beside one another and rows below one another, without gaps: the reverse of
/// cutting. In a row each is as high, and in the sheet each row as wide, as the largest.
pub fn joined(parts: &[RgbImage], columns: usize) -> Result<RgbImage, ViewError> {
    let rows: Vec<&[RgbImage]> = parts.chunks(columns.max(1)).collect();
    let height = |row: &[RgbImage]| row.iter().map(RgbImage::height).max().unwrap_or(0);
    let width = |row: &[RgbImage]| row.iter().map(RgbImage::width).sum::<u32>();
    let across = rows.iter().map(|row| width(row)).max().unwrap_or(0);
    let down = rows.iter().map(|row| height(row)).sum();
    check(across, down)?;
    let mut sheet = RgbImage::from_pixel(across, down, Rgb([255; 3]));
    let mut y = 0;
    for row in rows {
        let mut x = 0;
        for part in row {
            imageops::replace(&mut sheet, part, x, y);
            x += i64::from(part.width());
        }
        y += i64::from(height(row));
    }
    Ok(sheet)
}

/// A contact sheet of `columns`, each view with its label, of at most so many pixels.
pub fn sheet(
    views: &[(View, String)],
    columns: u32,
    pixels_max: u64,
) -> Result<RgbImage, ViewError> {
    const GAP: u32 = 6;
    let columns = columns.clamp(1, TILES_MAX);
    let rows = (views.len() as u32).div_ceil(columns).max(1);
    let cell_pixels = pixels_max / u64::from(columns * rows);
    let mut small = vec![];
    for (view, _) in views {
        small.push(view.within(cell_pixels.max(64))?.render()?);
    }
    let side = |f: fn(&RgbImage) -> u32| small.iter().map(f).max().unwrap_or(1) + GAP;
    let (width, height) = (side(RgbImage::width), side(RgbImage::height));
    let mut sheet = RgbImage::from_pixel(columns * width, rows * height, Rgb([255; 3]));
    let mut labels = vec![];
    for (i, (pixels, (_, label))) in small.iter().zip(views).enumerate() {
        let (x, y) = (i as u32 % columns * width, i as u32 / columns * height);
        imageops::replace(&mut sheet, pixels, x.into(), y.into());
        let place = [f64::from(x) + 2.0, f64::from(y) + 2.0];
        labels.push(Mark::text(place, label));
    }
    Ok(draw::over(sheet, &labels))
}
