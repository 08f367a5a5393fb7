//! SVG to pixels, and the guard around renderers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use image::RgbImage;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, Options, fontdb, roxmltree};

use crate::decode::{DecodeError, Format, Limits, check_size};
use crate::parts::Parts;

/// A drawing of fewer pixels is drawn larger: its lines have no pixels of their own.
const SIDE_MIN: f32 = 1024.0;
const SIDE_MAX: f32 = 4096.0;
/// Elements, those that `use` repeats counted each time.
const ELEMENTS_MAX: u64 = 200_000;
const DEPTH_MAX: usize = 200;
/// Renderers go down into a file's structure by recursion.
const STACK_BYTES: usize = 64 << 20;

/// Runs a renderer of others on a stack of its own: what it panics about is the file's fault.
pub(crate) fn guarded<T: Send + 'static>(
    format: Format,
    job: impl FnOnce() -> Result<T, DecodeError> + Send + 'static,
) -> Result<T, DecodeError> {
    let broken = |why: &str| DecodeError::Broken { format, why: why.to_owned() };
    let thread = std::thread::Builder::new().name("ozone-render".into()).stack_size(STACK_BYTES);
    let run = move || catch_unwind(AssertUnwindSafe(job));
    let running = thread.spawn(run).map_err(|e| broken(&format!("no thread for it ({e})")))?;
    match running.join() {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err(broken("the renderer gave up on it")),
    }
}

pub(crate) fn render(
    bytes: &[u8],
    limits: &Limits,
) -> Result<(RgbImage, Vec<String>), DecodeError> {
    let format = Format::Svg;
    let text = std::str::from_utf8(bytes)
        .map_err(|_| DecodeError::Broken { format, why: "it is no UTF-8".to_owned() })?;
    let (text, limits) = (text.to_owned(), *limits);
    guarded(format, move || draw(&text, &limits))
}

fn draw(text: &str, limits: &Limits) -> Result<(RgbImage, Vec<String>), DecodeError> {
    let format = Format::Svg;
    let broken = |why: String| DecodeError::Broken { format, why };
    let options = roxmltree::ParsingOptions {
        // Without a DTD there are no entities that unfold.
        allow_dtd: false,
        nodes_limit: ELEMENTS_MAX as u32 * 4,
        ..roxmltree::ParsingOptions::default()
    };
    let text = without_doctype(text);
    let document = roxmltree::Document::parse_with_options(&text, options)
        .map_err(|e| broken(e.to_string()))?;
    Parts { max: ELEMENTS_MAX, depth_max: DEPTH_MAX, own: |_| 1 }
        .check(&document)
        .map_err(|why| DecodeError::TooComplex { format, why })?;
    let tree =
        usvg::Tree::from_xmltree(&document, &svg_options()).map_err(|e| broken(e.to_string()))?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let longer = width.max(height);
    let scale = (SIDE_MIN / longer).max(1.0).min(SIDE_MAX / longer);
    let (across, down) = ((width * scale).ceil() as u64, (height * scale).ceil() as u64);
    check_size(across, down, limits)?;
    let mut pixmap = Pixmap::new(across as u32, down as u32)
        .ok_or_else(|| broken("the drawing has no size".to_owned()))?;
    pixmap.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    let notes = vec![format!("a drawing of {width:.0}x{height:.0}, drawn at {scale:.3} its size")];
    Ok((rgb(&pixmap), notes))
}

/// A drawing of our own, at the size that is asked for, over white. Its fonts are DejaVu Sans (also
/// bold), DejaVu Serif and DejaVu Sans Mono.
pub fn drawn(svg: &str, [width, height]: [u32; 2]) -> Result<RgbImage, DecodeError> {
    let broken = |why: String| DecodeError::Broken { format: Format::Svg, why };
    check_size(width.into(), height.into(), &Limits::default())?;
    let tree = usvg::Tree::from_str(svg, &svg_options()).map_err(|e| broken(e.to_string()))?;
    let mut pixmap =
        Pixmap::new(width, height).ok_or_else(|| broken("the drawing has no size".to_owned()))?;
    pixmap.fill(resvg::tiny_skia::Color::WHITE);
    let (across, down) = (width as f32 / tree.size().width(), height as f32 / tree.size().height());
    resvg::render(&tree, Transform::from_scale(across, down), &mut pixmap.as_mut());
    Ok(rgb(&pixmap))
}

/// Of an opaque pixmap: no factor of alpha is in its colours.
pub(crate) fn rgb(pixmap: &Pixmap) -> RgbImage {
    let data = pixmap.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    RgbImage::from_raw(pixmap.width(), pixmap.height(), data).unwrap_or_default()
}

/// What an SVG may look at: the font that is part of this program, and nothing outside.
pub(crate) fn svg_options() -> Options<'static> {
    Options {
        font_family: "DejaVu Sans".to_owned(),
        fontdb: fonts(),
        image_href_resolver: ImageHrefResolver {
            // A picture within the drawing could be a bomb of its own.
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    }
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        fonts.load_font_data(dejavu::serif::regular().to_vec());
        fonts.load_font_data(dejavu::sans_mono::regular().to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        fonts.set_serif_family("DejaVu Serif");
        fonts.set_monospace_family("DejaVu Sans Mono");
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

/// Many programs write a DOCTYPE without entities; one with them stays and is refused.
fn without_doctype(text: &str) -> String {
    let Some(start) = text.find("<!DOCTYPE") else { return text.to_owned() };
    let Some(end) = text[start..].find('>').map(|end| start + end + 1) else {
        return text.to_owned();
    };
    if text[start..end].contains('[') {
        return text.to_owned();
    }
    format!("{}{}", &text[..start], &text[end..])
}
