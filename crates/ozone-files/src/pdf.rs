//! PDFs: the text of each page in the order in which it is drawn.
//!
//! `hayro` interprets the page as a renderer would, so that fonts, encodings and forms within forms
//! are understood as they are shown; what would be glyphs on paper becomes characters with places
//! ([`Lines`]).

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt, interpret_page,
};

use crate::lines::{Lines, Placed};
use crate::{Kind, Out, Unit, Unreadable};

/// Glyphs are measured in thousandths of an em.
const UNITS_PER_EM: f64 = 1000.0;
/// Pages of which is said that they could not be read, by their numbers.
const TOLD_MAX: usize = 20;

pub(crate) fn read(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let pdf = open(bytes)?;
    let pages = pdf.pages();
    let count = pages.len();
    if count > out.limits.pages_max {
        let max = out.limits.pages_max;
        let why = format!("The PDF has {count} pages, and at most {max} are read; split it.");
        return Err(Unreadable::Invalid(why));
    }
    if count == 0 {
        return Err(Unreadable::invalid("The PDF has no pages; it is broken."));
    }
    out.begins(Kind::Pdf, Some(count));
    let cache = InterpreterCache::new();
    let (mut broken, mut blank) = (vec![], vec![]);
    for (page, number) in pages.iter().zip(1..) {
        let text = catch_unwind(AssertUnwindSafe(|| text_of(page, &pdf, &cache)));
        let text = text.unwrap_or_else(|_| {
            broken.push(number);
            String::new()
        });
        if text.is_empty() && broken.last() != Some(&number) {
            blank.push(number);
        }
        out.part(Unit::Page, number, None, text)?;
    }
    if blank.len() + broken.len() == count && out.is_alone() {
        let why = if broken.is_empty() {
            format!(
                "There is no text in the PDF: its {count} pages are pictures, perhaps scanned. Look \
                 at a page as a picture."
            )
        } else {
            "No page of the PDF could be read; it is broken.".to_owned()
        };
        return Err(Unreadable::Invalid(why));
    }
    if !broken.is_empty() {
        out.note(format!("{} could not be read; the PDF is damaged.", told(&broken)));
    }
    if !blank.is_empty() {
        out.note(format!("{} without text; what is on them may be pictures.", told(&blank)));
    }
    Ok(())
}

/// `pages 2, 5 and 9 more`
fn told(pages: &[usize]) -> String {
    let numbers: Vec<String> = pages.iter().take(TOLD_MAX).map(usize::to_string).collect();
    let word = if pages.len() == 1 { "page" } else { "pages" };
    match pages.len().checked_sub(TOLD_MAX) {
        None | Some(0) => format!("{word} {}", numbers.join(", ")),
        Some(more) => format!("{word} {} and {more} more", numbers.join(", ")),
    }
}

pub(crate) fn open(bytes: &[u8]) -> Result<Pdf, Unreadable> {
    let opened = catch_unwind(|| Pdf::new(bytes.to_vec()));
    let why = match opened {
        Ok(Ok(pdf)) => return Ok(pdf),
        Ok(Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected))) => {
            "The PDF is encrypted with a password; save it without one."
        }
        Ok(Err(LoadPdfError::Decryption(_))) => {
            "The PDF is encrypted in a way that is not read here; save it without encryption."
        }
        Ok(Err(LoadPdfError::Invalid)) | Err(_) => "The PDF is broken: it could not be opened.",
    };
    Err(Unreadable::invalid(why))
}

fn text_of<'a>(page: &'a Page<'a>, pdf: &'a Pdf, cache: &InterpreterCache<'a>) -> String {
    let (width, height) = page.render_dimensions();
    let mut context = Context::new(
        page.initial_transform(true).to_kurbo(),
        Rect::new(0.0, 0.0, f64::from(width), f64::from(height)),
        cache,
        pdf.xref(),
        InterpreterSettings::default(),
    );
    let mut reader = Reader::default();
    interpret_page(page, &mut context, &mut reader);
    reader.lines.finish()
}

/// A device on which only text leaves a trace.
#[derive(Default)]
struct Reader {
    lines: Lines,
    /// Where the last run of glyphs began that was filled.
    filled: Option<Affine>,
}

impl<'a> Device<'a> for Reader {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}

    /// Invisible text counts, too: the text of a scanned page lies so behind its picture.
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        // Text that is filled and outlined is drawn twice.
        let place = run.glyphs().first().map(|first| props.transform * first.transform());
        let is_outline = matches!(mode, DrawMode::Stroke(_));
        if is_outline && place.is_some() && self.filled == place {
            return;
        }
        self.filled = place.filter(|_| !is_outline);
        for glyph in run.glyphs() {
            let advance = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width(),
                Glyph::Type3(type3) => type3.advance_width(),
            };
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => char::REPLACEMENT_CHARACTER.to_string(),
            };
            let is_vertical = run.writing_mode() == WritingMode::Vertical;
            let placed =
                placed(props.transform * glyph.transform(), advance.map(f64::from), is_vertical);
            self.lines.push(&text, placed);
        }
    }
}

fn placed(transform: Affine, advance: Option<f64>, is_vertical: bool) -> Placed {
    let [a, b, c, d, x, y] = transform.as_coeffs();
    let size = c.hypot(d) * UNITS_PER_EM;
    let advance = advance.unwrap_or(UNITS_PER_EM / 2.0) * a.hypot(b);
    let along = if is_vertical { b.atan2(a) + std::f64::consts::FRAC_PI_2 } else { b.atan2(a) };
    let (sin, cos) = along.sin_cos();
    Placed {
        angle: along,
        start: x * cos + y * sin,
        advance: if is_vertical { size } else { advance },
        baseline: y * cos - x * sin,
        size,
    }
}
