//! A page of a PDF as a picture, white where nothing is drawn.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hayro::hayro_interpret::InterpreterSettings;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};

use crate::reader::Wanted;
use crate::{Said, Unreadable};

/// The most pixels of a picture's longer side.
pub const MAX_SIDE_PX: u32 = 4096;

pub(crate) fn draw(bytes: &[u8], wanted: Wanted, say: &mut dyn FnMut(Said)) {
    match catch_unwind(AssertUnwindSafe(|| drawn(bytes, wanted))) {
        Ok(Ok(picture)) => {
            say(picture);
            say(Said::Ended);
        }
        Ok(Err(why)) => say(Said::Refused { why }),
        Err(_) => {
            let why = format!("Page {} of the PDF could not be drawn; it is damaged.", wanted.page);
            say(Said::Refused { why: Unreadable::Invalid(why) });
        }
    }
}

fn drawn(bytes: &[u8], wanted: Wanted) -> Result<Said, Unreadable> {
    let pdf = crate::pdf::open(bytes)?;
    let pages = pdf.pages();
    let count = pages.len();
    let page = (wanted.page as usize).checked_sub(1).and_then(|index| pages.get(index));
    let page = page.ok_or_else(|| {
        let why = format!("There is no page {}: the PDF has pages 1 to {count}.", wanted.page);
        Unreadable::Invalid(why)
    })?;
    let (width, height) = page.render_dimensions();
    let longer = width.max(height);
    if !(longer.is_finite() && width.min(height) > 0.0) {
        return Err(Unreadable::invalid("The page has no size; the PDF is broken."));
    }
    let scale = wanted.side_px.min(MAX_SIDE_PX) as f32 / longer;
    let size = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let (cache, settings) = (RenderCache::new(), InterpreterSettings::default());
    let pixels = hayro::render(page, &cache, &settings, &RenderSettings::default(), &size);
    let png = pixels.into_png().map_err(|e| Unreadable::Invalid(e.to_string()))?;
    Ok(Said::Picture { png: STANDARD.encode(png), pages: count.try_into().unwrap_or(u32::MAX) })
}
