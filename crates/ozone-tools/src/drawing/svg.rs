//! The embedded engine: the model writes an SVG, and it is drawn here.
//!
//! While it is still being written, its beginning is drawn behind the 2nd, 8th and 32nd shape, as far
//! as the request wants to see it; what is left of the beginnings that were asked for is drawn of the
//! finished document, in its order.

use std::time::Duration;

use ozone_image::canvas::{self, Canvas, Painted};
use ozone_types::ImageFacts;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::prefix::{self, Shapes};
use super::{
    Action, Background, Easel, Made, OutputFormat, PictureOptions, SVG, bad, internal, stopped,
};
use crate::{ToolError, ToolOutput};

/// Drawings that are drawn at once: the processor has other work, and each takes memory.
static ROOM: Semaphore = Semaphore::const_new(2);

/// Behind so many shapes the first beginning is shown, and behind so many times as many the next.
const FIRST_SHAPES: usize = 2;
const MORE_SHAPES: usize = 4;

/// Where the drawing stands that is being written.
#[derive(Default)]
pub(super) struct Svg {
    written: String,
    shapes: Shapes,
    /// Shapes of the last beginning that was shown.
    sketched: usize,
}

type Done = Result<Made, ToolOutput>;

pub(super) fn described(options: &PictureOptions) -> (String, Value) {
    let mut told = "Draws a picture that you write as SVG, and shows it to the user. Good for \
         diagrams, charts, icons, logos, posters, maps, plain illustrations. It draws and does not \
         photograph: if a photo or anything that looks like one is wanted, say that you cannot make \
         one here, and offer a drawing. What can be used: shapes, paths, gradients, patterns, masks, \
         clip paths, filters, and text in DejaVu Sans, Serif and Sans Mono (no emoji). What cannot: \
         scripts, animations, foreignObject, files, URLs. Write the background first and the rest \
         from back to front: the user sees it grow."
        .to_owned();
    if let Some([width, height]) = options.size {
        told.push_str(&format!(
            " The picture is {width}x{height} pixels: begin with <svg \
             xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\">."
        ));
    } else {
        told.push_str(" Give the <svg> a width, a height and a viewBox.");
    }
    match options.background {
        Background::Transparent => told.push_str(" Its background must stay see-through."),
        Background::Opaque => told.push_str(" Its background must be filled."),
        Background::Auto => {}
    }
    if options.action != Action::Generate {
        told.push_str(
            " To change a picture, write your earlier drawing again with the change; or place the \
             picture itself, with its own pixels, by <image href=\"image:1\" x=\"0\" y=\"0\" \
             width=\"…\" height=\"…\"/>, and draw over it.",
        );
    }
    if options.mask.is_some() {
        told.push_str(" The user's mask lets you change a part of the newest picture only.");
    }
    let parameters = json!({
        "type": "object",
        "properties": {
            "svg": {"type": "string", "description": "The whole document, from <svg to </svg>."},
            "title": {"type": "string", "description": "What the picture shows, in a few words."}
        },
        "required": ["svg"],
        "additionalProperties": false
    });
    (told, parameters)
}

impl Svg {
    /// The beginning of a drawing, where the next one is due.
    pub async fn sketch(&mut self, easel: &Easel, written: &str, shown: u64) -> Option<Vec<u8>> {
        if shown >= easel.options.partial_images {
            return None;
        }
        if !written.starts_with(&self.written) {
            *self = Svg::default();
        }
        let more = &written[self.written.len()..];
        self.shapes.push(more);
        self.written.push_str(more);
        let due = FIRST_SHAPES * MORE_SHAPES.pow(u32::try_from(shown).ok()?);
        if self.shapes.count() < due.max(self.sketched + 1) {
            return None;
        }
        // Also where it cannot be drawn: it is not tried again with each character.
        self.sketched = self.shapes.count();
        let begun = prefix::first(written, self.sketched)?;
        let painter = Painter::of(easel, &begun).await.ok()?;
        painter.paint(begun).await.ok()?.ok().map(|(bytes, _)| bytes)
    }

    pub async fn draw(
        &mut self,
        easel: &Easel,
        arguments: &Value,
        timeout: Duration,
    ) -> Result<Done, ToolError> {
        let before = std::mem::take(self);
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
        let svg =
            text("svg").ok_or_else(|| bad("`svg` is missing: write the drawing as a string"))?;
        let painter = Painter::of(easel, &svg).await?;
        let drawing = async {
            if let Some(watch) = &easel.watch {
                let mut all = Shapes::default();
                all.push(&svg);
                let (from, rest) =
                    (before.sketched, easel.options.partial_images.saturating_sub(watch.shown));
                for at in 1..=rest as usize {
                    let more = all.count().saturating_sub(from);
                    let shapes = from + (more * at).div_ceil(rest as usize + 1);
                    let Some(begun) = prefix::first(&svg, shapes) else { break };
                    if let Ok((bytes, _)) = painter.paint(begun).await? {
                        // Nobody may watch any more.
                        let _ = watch.pictures.send(bytes).await;
                    }
                }
            }
            painter.paint(svg.clone()).await
        };
        let drawn = match tokio::time::timeout(timeout, drawing).await {
            Ok(drawn) => drawn?,
            Err(_) => {
                let why =
                    format!("not drawn within {} s: draw a simpler picture", timeout.as_secs());
                return Ok(Err(stopped(&why, None)));
            }
        };
        let (bytes, painted) = match drawn {
            Ok(drawn) => drawn,
            Err(why) => {
                let why = format!("not drawn: {why}\nMend the SVG and call again.");
                return Ok(Err(stopped(&why, None)));
            }
        };
        let mut notes = vec![];
        if !painted.missing.is_empty() {
            notes.push(format!(
                "note: no font here has these characters, which became empty boxes: {}",
                painted.missing
            ));
        }
        let options = &easel.options;
        let is_edit =
            options.action == Action::Edit || options.mask.is_some() || !painted.placed.is_empty();
        let has_holes = options.format != OutputFormat::Jpeg
            && painted.pixels.pixels().any(|pixel| pixel[3] < 255);
        let [width, height] = [painted.pixels.width(), painted.pixels.height()];
        let facts = ImageFacts {
            action: Some(if is_edit { "edit" } else { "generate" }.to_owned()),
            background: Some(if has_holes { "transparent" } else { "opaque" }.to_owned()),
            output_format: Some(options.format.name().to_owned()),
            // Whatever was asked for: a drawing has one.
            quality: Some("high".to_owned()),
            revised_prompt: text("title").filter(|title| !title.trim().is_empty()),
            size: Some(format!("{width}x{height}")),
            x_engine: Some(SVG.to_owned()),
        };
        Ok(Ok(Made { bytes, facts, notes, paid: None }))
    }
}

/// All that a drawing needs, taken from the easel once.
struct Painter {
    canvas: Canvas,
    options: PictureOptions,
    /// What the mask belongs to.
    masked: Option<super::sources::Source>,
}

impl Painter {
    async fn of(easel: &Easel, svg: &str) -> Result<Painter, ToolError> {
        let options = easel.options.clone();
        let named: Vec<usize> = named(svg).collect();
        if !named.is_empty() && options.action == Action::Generate {
            return Err(bad("the user wants a new picture: place no earlier one"));
        }
        let mut canvas = Canvas {
            size: options.size,
            opaque: options.background == Background::Opaque
                || options.format == OutputFormat::Jpeg,
            ..Canvas::default()
        };
        for number in named {
            let source = easel.sources.get(number)?.clone();
            let png = tokio::task::spawn_blocking(move || source.png()).await;
            canvas.pictures.insert(number, png.map_err(internal)??);
        }
        let masked = match options.mask {
            Some(_) => Some(easel.sources.last().cloned().ok_or_else(|| {
                ToolError::Unavailable(
                    "the mask belongs to a picture, and there is none".to_owned(),
                )
            })?),
            None => None,
        };
        if let (Some(masked), None) = (&masked, canvas.size) {
            canvas.size = masked.fitting();
        }
        Ok(Painter { canvas, options, masked })
    }

    /// The outer error is ours, the inner one is for the drawing's author.
    async fn paint(&self, svg: String) -> Result<Result<(Vec<u8>, Painted), String>, ToolError> {
        let _room = ROOM.acquire().await.map_err(internal)?;
        let (canvas, options, masked) =
            (self.canvas.clone(), self.options.clone(), self.masked.clone());
        let painting = tokio::task::spawn_blocking(move || {
            let mut painted = canvas::paint(&svg, &canvas).map_err(|e| e.to_string())?;
            if painted.pixels.pixels().all(|pixel| pixel[3] == 0) {
                return Err("nothing of it can be seen: it draws nothing, or outside of its \
                            viewBox, or without a fill and a stroke"
                    .to_owned());
            }
            if let (Some(mask), Some(masked)) = (&options.mask, &masked) {
                let unreadable = |e: ozone_image::DecodeError| e.to_string();
                let mask = super::sources::mask(mask).map_err(unreadable)?;
                let before = masked.pixels().map_err(unreadable)?;
                canvas::keep_masked(&mut painted.pixels, &before, &mask);
            }
            let bytes = options.encoded(&painted.pixels).map_err(|e| e.to_string())?;
            Ok((bytes, painted))
        });
        painting.await.map_err(internal)
    }
}

/// The pictures that a drawing speaks of.
fn named(svg: &str) -> impl Iterator<Item = usize> {
    svg.split("image:").skip(1).filter_map(|rest| {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest[..digits].parse().ok()
    })
}
