//! A model's SVG to a picture of the size that somebody asked for.
//!
//! The drawing is a stranger's work: it may look at nothing outside but the pictures it is given, its
//! cost is weighed before a pixel is drawn, and what is wrong with it is said with its line, so that
//! its author can mend it. What this does not cover: the weight is an estimate, so a drawing within
//! it may take seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image::{Rgba, RgbaImage, imageops};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, ImageKind, Options, roxmltree};

use crate::decode::Format;
use crate::drawing::{guarded, svg_options};
use crate::{DecodeError, weight};

/// Bytes of a drawing.
pub const SVG_BYTES_MAX: usize = 1 << 20;
/// A picture's longer side.
pub const SIDE_MAX: u32 = 4096;
/// Its shorter one.
pub const SIDE_MIN: u32 = 16;
/// All of its pixels.
pub const PIXELS_MAX: u64 = 8 << 20;
/// The longer side of a drawing that does not say how large it is.
const SIDE: f32 = 1024.0;
/// A drawing that says so is at least, and at most, so large.
const OWN_SIDES: std::ops::RangeInclusive<f32> = 256.0..=2048.0;

/// What a drawing is drawn on.
#[derive(Debug, Clone, Default)]
pub struct Canvas {
    /// `None`: as large as the drawing is.
    pub size: Option<[u32; 2]>,
    /// White behind everything.
    pub opaque: bool,
    /// What it may place, as `image:1`, by their numbers: PNG files.
    pub pictures: BTreeMap<usize, Arc<Vec<u8>>>,
}

/// A drawing that was drawn.
#[derive(Debug)]
pub struct Painted {
    pub pixels: RgbaImage,
    /// The numbers of the pictures that it placed.
    pub placed: BTreeSet<usize>,
    /// Characters that no font here has.
    pub missing: String,
}

/// Why there is no picture, in words for the drawing's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    #[error("line {line}: {why}")]
    At { line: u32, why: String },
    #[error("{0}")]
    Whole(String),
}

impl From<DecodeError> for PaintError {
    fn from(e: DecodeError) -> Self {
        PaintError::Whole(match e {
            DecodeError::Broken { why, .. } | DecodeError::TooComplex { why, .. } => why,
            other => other.to_string(),
        })
    }
}

/// Draws. Blocks for as long as that takes.
pub fn paint(svg: &str, canvas: &Canvas) -> Result<Painted, PaintError> {
    if svg.len() > SVG_BYTES_MAX {
        let (bytes, max) = (svg.len(), SVG_BYTES_MAX);
        let why = format!("the drawing has {bytes} bytes, at most {max} are taken");
        return Err(PaintError::Whole(why));
    }
    let (svg, canvas) = (svg.trim().to_owned(), canvas.clone());
    guarded(Format::Svg, move || Ok(draw(&svg, &canvas)))?
}

fn draw(svg: &str, canvas: &Canvas) -> Result<Painted, PaintError> {
    let svg = with_namespaces(svg);
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: weight::PARTS_MAX as u32 * 4,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(&svg, options)
        .map_err(|e| PaintError::At { line: e.pos().row, why: e.to_string() })?;
    if document.root_element().tag_name().name() != "svg" {
        let name = document.root_element().tag_name().name().to_owned();
        return Err(PaintError::Whole(format!("the drawing is a <{name}>, not an <svg>")));
    }
    let placed = check_references(&document, &canvas.pictures)?;
    weight::check_parts(&document)?;
    let options = own_options(&canvas.pictures);
    let tree = usvg::Tree::from_xmltree(&document, &options)
        .map_err(|e| PaintError::Whole(e.to_string()))?;
    let own = [tree.size().width(), tree.size().height()];
    let [width, height] = match canvas.size {
        Some(size) => size,
        None => own_size(own, &document),
    };
    let scale = (width as f32 / own[0]).min(height as f32 / own[1]);
    let across = (width as f32 - own[0] * scale) / 2.0;
    let down = (height as f32 - own[1] * scale) / 2.0;
    let place = Transform::from_scale(scale, scale).post_translate(across, down);
    weight::check(&tree, [width, height], place)?;
    let mut pixmap = Pixmap::new(width, height)
        .ok_or_else(|| PaintError::Whole("the picture has no size".to_owned()))?;
    if canvas.opaque {
        pixmap.fill(Color::WHITE);
    }
    resvg::render(&tree, place, &mut pixmap.as_mut());
    let plain = pixmap.pixels().iter().flat_map(|pixel| {
        let pixel = pixel.demultiply();
        [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
    });
    let pixels = RgbaImage::from_raw(width, height, plain.collect()).unwrap_or_default();
    Ok(Painted { pixels, placed, missing: missing(tree.root()) })
}

/// Models forget them, and everybody knows which are meant.
fn with_namespaces(svg: &str) -> String {
    let Some(at) = svg.find("<svg") else { return svg.to_owned() };
    let behind = at + "<svg".len();
    let tag = &svg[at..svg[at..].find('>').map_or(svg.len(), |end| at + end)];
    let mut added = String::new();
    if !tag.contains("xmlns=") {
        added.push_str(" xmlns=\"http://www.w3.org/2000/svg\"");
    }
    if svg.contains("xlink:") && !tag.contains("xmlns:xlink") {
        added.push_str(" xmlns:xlink=\"http://www.w3.org/1999/xlink\"");
    }
    format!("{}{added}{}", &svg[..behind], &svg[behind..])
}

fn own_options(pictures: &BTreeMap<usize, Arc<Vec<u8>>>) -> Options<'static> {
    let pictures = pictures.clone();
    Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(move |href, _| {
                pictures.get(&number(href)?).cloned().map(ImageKind::PNG)
            }),
        },
        ..svg_options()
    }
}

/// Of `image:1`.
fn number(href: &str) -> Option<usize> {
    href.trim().strip_prefix("image:")?.parse().ok()
}

/// The pictures that the drawing places. Anything else outside of it is refused, and so is what would
/// be left out without a word.
fn check_references(
    document: &roxmltree::Document,
    pictures: &BTreeMap<usize, Arc<Vec<u8>>>,
) -> Result<BTreeSet<usize>, PaintError> {
    let mut placed = BTreeSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let bad = |why: String| {
            let line = document.text_pos_at(node.range().start).row;
            Err(PaintError::At { line, why })
        };
        let name = node.tag_name().name();
        match name {
            "script" => return bad("scripts are not run".to_owned()),
            "foreignObject" => {
                return bad("<foreignObject> is not drawn; write <text> elements".to_owned());
            }
            "feImage" => return bad("<feImage> is not drawn".to_owned()),
            _ => {}
        }
        if name == "style" && node.text().is_some_and(|css| css.contains("@import")) {
            return bad("a style sheet may import nothing".to_owned());
        }
        let css = node.text().filter(|_| name == "style");
        let values = node.attributes().map(|attribute| attribute.value());
        if let Some(url) = values.chain(css).flat_map(urls).find(|url| !url.starts_with('#')) {
            return bad(format!("url({}) leads outside of the drawing", short(url)));
        }
        for attribute in node.attributes() {
            let value = attribute.value().trim();
            if attribute.name().starts_with("on") {
                return bad(format!("scripts are not run: take `{}` away", attribute.name()));
            }
            if attribute.name() != "href" || value.starts_with('#') || name == "a" {
                continue;
            }
            match number(value).filter(|_| name == "image") {
                Some(number) if pictures.contains_key(&number) => {
                    placed.insert(number);
                }
                Some(number) => {
                    let known: Vec<String> =
                        pictures.keys().map(|number| format!("image:{number}")).collect();
                    let known = match known.is_empty() {
                        true => "none".to_owned(),
                        false => known.join(", "),
                    };
                    return bad(format!("there is no image:{number}; there is {known}"));
                }
                None => {
                    let value = short(value);
                    return bad(format!(
                        "`{value}` leads outside of the drawing; only pictures of this \
                         conversation can be placed, as <image href=\"image:1\" …/>"
                    ));
                }
            }
        }
    }
    Ok(placed)
}

/// What stands in each `url(…)`.
fn urls(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).map(|rest| {
        let inside = rest.split(')').next().unwrap_or_default();
        inside.trim().trim_matches(['"', '\''])
    })
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// As the drawing says, within bounds; of one that does not, its shape.
fn own_size([width, height]: [f32; 2], document: &roxmltree::Document) -> [u32; 2] {
    let root = document.root_element();
    let is_said = |name: &str| root.attribute(name).is_some_and(|value| !value.contains('%'));
    let longer = width.max(height);
    let wanted = match is_said("width") && is_said("height") {
        true => longer.clamp(*OWN_SIDES.start(), *OWN_SIDES.end()),
        false => SIDE,
    };
    let side = |own: f32| ((own * wanted / longer).round() as u32).clamp(SIDE_MIN, SIDE_MAX);
    [side(width), side(height)]
}

/// Characters of the drawing's texts that became an empty box.
fn missing(group: &usvg::Group) -> String {
    fn collect(group: &usvg::Group, found: &mut BTreeSet<char>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => collect(group, found),
                usvg::Node::Text(text) => {
                    let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
                    let boxes = glyphs.filter(|glyph| glyph.id.0 == 0);
                    found.extend(boxes.flat_map(|glyph| glyph.text.chars()));
                }
                usvg::Node::Path(_) | usvg::Node::Image(_) => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(group, &mut found);
    found.into_iter().take(32).collect()
}

/// Keeps what was there before, but where the mask is see-through.
pub fn keep_masked(pixels: &mut RgbaImage, before: &RgbaImage, mask: &RgbaImage) {
    let (width, height) = pixels.dimensions();
    let before = imageops::resize(before, width, height, imageops::FilterType::Lanczos3);
    let mask = imageops::resize(mask, width, height, imageops::FilterType::Triangle);
    for ((to, from), mask) in pixels.pixels_mut().zip(before.pixels()).zip(mask.pixels()) {
        let kept = u32::from(mask[3]);
        let mix = |new: u8, old: u8| {
            ((u32::from(old) * kept + u32::from(new) * (255 - kept) + 127) / 255) as u8
        };
        *to = Rgba(std::array::from_fn(|c| mix(to[c], from[c])));
    }
}
