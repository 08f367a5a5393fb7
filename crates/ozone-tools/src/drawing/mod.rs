//! Pictures that a model has made: the `image_generation` tool.
//!
//! There are two engines. Without further ado the model writes an SVG, which is drawn here ([`svg`]);
//! where the operator has an image model, the model writes a prompt for that ([`upstream`]). Either
//! way the picture stands in the call's item, which names the engine; it is a file where Python
//! finds it; and it has a number, by which later calls work on its pixels. Pixels are never put into
//! the text that a model reads.

mod options;
mod prefix;
mod sources;
mod svg;
mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use ozone_image::{Format, Limits, decode, encode};
use ozone_prompt::ToolSpec;
use ozone_types::{GeneratedImage, ImageFacts, Item};
use serde_json::Value;

pub use options::{Action, Background, OutputFormat, PictureOptions};
pub use ozone_image::canvas::{PIXELS_MAX, SIDE_MAX, SIDE_MIN};
pub use upstream::{BadImageUpstream, ImageUpstream};

use crate::{
    Call, IMAGE_GENERATION, OnText, Paid, Shown, Tool, ToolError, ToolFile, ToolOutput, Watch, cap,
};
use sources::Sources;

/// As the item's `x_engine` has it.
pub const SVG: &str = "svg";

/// A picture of more bytes is not delivered.
const RESULT_BYTES_MAX: usize = 10 << 20;
/// What a model with eyes is shown of it.
const SEEN_PIXELS_MAX: u64 = 1_000_000;
const SEEN_BYTES_MAX: usize = 1 << 20;
const TITLE_CHARS_MAX: usize = 2_000;

enum Engine {
    Svg(svg::Svg),
    Upstream(Arc<ImageUpstream>),
}

/// What both engines work with.
struct Easel {
    options: PictureOptions,
    /// Where pictures lie as files.
    folder: Option<PathBuf>,
    sources: Sources,
    watch: Option<Watch>,
}

/// Makes pictures for one response.
pub struct PictureTool {
    spec: ToolSpec,
    engine: Engine,
    easel: Easel,
}

/// A picture, and what is to be said of it.
struct Made {
    bytes: Vec<u8>,
    facts: ImageFacts,
    /// For the model.
    notes: Vec<String>,
    paid: Option<Paid>,
}

impl PictureTool {
    /// Without an image model, the model draws.
    pub fn new(
        options: PictureOptions,
        folder: Option<PathBuf>,
        upstream: Option<Arc<ImageUpstream>>,
    ) -> Self {
        let engine = match upstream {
            Some(upstream) => Engine::Upstream(upstream),
            None => Engine::Svg(svg::Svg::default()),
        };
        let easel = Easel { options, folder, sources: Sources::default(), watch: None };
        PictureTool { spec: specified(&engine, &easel), engine, easel }
    }
}

fn specified(engine: &Engine, easel: &Easel) -> ToolSpec {
    let (mut description, parameters) = match engine {
        Engine::Svg(_) => svg::described(&easel.options),
        Engine::Upstream(_) => upstream::described(&easel.options),
    };
    let pictures = easel.sources.told();
    if !pictures.is_empty() && easel.options.action != Action::Generate {
        description.push_str("\nPictures of this conversation:");
        description.push_str(&pictures);
    }
    ToolSpec { name: IMAGE_GENERATION.to_owned(), description, parameters, grammar: None }
}

#[async_trait]
impl Tool for PictureTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::ImageGeneration
    }

    // Pictures stand in the items of the response.
    fn resumed(&mut self, _: usize) {}

    fn conversation(&mut self, before: &[&Item], done: &[Item]) {
        self.easel.sources = Sources::default();
        self.easel.sources.read(before.iter().copied());
        // A run that goes on says what it said: only what was there at its beginning is told.
        self.spec = specified(&self.engine, &self.easel);
        self.easel.sources.read(done.iter());
    }

    fn paid(&self) -> Option<Paid> {
        match &self.engine {
            Engine::Svg(_) => None,
            Engine::Upstream(upstream) => Some(upstream.paid()),
        }
    }

    async fn sketch(&mut self, written: &str, shown: u64) -> Option<Vec<u8>> {
        match &mut self.engine {
            Engine::Svg(svg) => svg.sketch(&self.easel, written, shown).await,
            Engine::Upstream(_) => None,
        }
    }

    fn watched(&mut self, watch: Watch) {
        self.easel.watch = Some(watch);
    }

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let arguments: Value = serde_json::from_str(&call.arguments)
            .map_err(|e| bad(format!("the arguments are no JSON: {e}")))?;
        let PictureTool { engine, easel, .. } = self;
        let work = async {
            match engine {
                Engine::Svg(svg) => svg.draw(easel, &arguments, call.timeout).await,
                Engine::Upstream(upstream) => upstream.make(easel, &arguments, &call.key).await,
            }
        };
        let made = tokio::select! {
            made = work => made,
            () = call.cancel.cancelled() => Ok(Err(stopped("the call was cancelled", None))),
        };
        self.easel.watch = None;
        let made = match made? {
            Ok(made) => made,
            Err(failed) => return Ok(failed),
        };
        let mut output = self.easel.keep(made).await?;
        output.text = cap(&output.text, call.output_chars_max);
        Ok(output)
    }
}

impl Easel {
    /// Gives a picture its number and its file.
    async fn keep(&mut self, made: Made) -> Result<ToolOutput, ToolError> {
        let Made { bytes, mut facts, notes, paid } = made;
        if bytes.len() > RESULT_BYTES_MAX {
            let why = format!(
                "the picture has {} bytes, at most {RESULT_BYTES_MAX} are delivered; draw a simpler \
                 one",
                bytes.len()
            );
            return Ok(stopped(&why, paid));
        }
        facts.revised_prompt =
            facts.revised_prompt.map(|title| title.chars().take(TITLE_CHARS_MAX).collect());
        let title = facts.revised_prompt.clone().unwrap_or_else(|| "no title".to_owned());
        let number = self.sources.add(format!("made by you: {title}"), bytes.clone());
        let (size, format) = (facts.size.as_deref(), facts.output_format.as_deref());
        let mut text = format!(
            "done: image:{number}, {} pixels, {}; the user sees it",
            size.unwrap_or_default(),
            format.unwrap_or_default().to_uppercase()
        );
        let mut files = vec![];
        if let Some(folder) = self.folder.clone() {
            let (name, bytes) = (format!("generated_{number}"), bytes.clone());
            let end = format.unwrap_or("png").to_owned();
            let written =
                tokio::task::spawn_blocking(move || write(&folder, &name, &end, &bytes)).await;
            let file = written.map_err(internal)?.map_err(internal)?;
            text.push_str(&format!("; its file is {}", file.name));
            files.push(file);
        }
        for note in &notes {
            text.push_str(&format!("\n{note}"));
        }
        let seen = bytes.clone();
        let seen = tokio::task::spawn_blocking(move || seen_of(&seen)).await.map_err(internal)?;
        let picture = Some(Box::new(GeneratedImage { bytes, facts }));
        let images = seen.into_iter().collect();
        Ok(ToolOutput { text, images, files, picture, paid, ..ToolOutput::default() })
    }
}

/// As a model with eyes is shown it.
fn seen_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let picture = Arc::new(decode(bytes, &Limits::default()).ok()?);
    let view = ozone_image::View::of(picture).within(SEEN_PIXELS_MAX).ok()?;
    Some(encode::within(&view.render().ok()?, SEEN_BYTES_MAX).ok()??.bytes)
}

/// No file of somebody else's is written over; a call that is made again finds its own.
fn write(folder: &Path, name: &str, end: &str, bytes: &[u8]) -> std::io::Result<ToolFile> {
    std::fs::create_dir_all(folder)?;
    let mut at = 1;
    loop {
        let name = match at {
            1 => format!("{name}.{end}"),
            _ => format!("{name}_{at}.{end}"),
        };
        let host_path = folder.join(&name);
        match std::fs::read(&host_path) {
            Ok(there) if there == bytes => {}
            Ok(_) => {
                at += 1;
                continue;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                std::fs::write(&host_path, bytes)?
            }
            Err(e) => return Err(e),
        }
        return Ok(ToolFile { name, bytes: bytes.len() as u64, host_path });
    }
}

/// The size of a picture in its facts.
fn size_of(bytes: &[u8]) -> Option<String> {
    Format::of(bytes)?;
    ozone_image::dimensions(bytes).map(|[width, height]| format!("{width}x{height}"))
}

/// Pictures that arguments name, as `[1, 2]`.
fn numbers(arguments: &Value, name: &str) -> Result<Vec<usize>, ToolError> {
    let Some(list) = arguments.get(name).filter(|list| !list.is_null()) else { return Ok(vec![]) };
    let number = |value: &Value| match value {
        Value::String(text) => text.trim_start_matches("image:").parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    let read: Option<Vec<usize>> = match list {
        Value::Array(list) => list.iter().map(number).collect(),
        one => number(one).map(|number| vec![number]),
    };
    read.ok_or_else(|| bad(format!("`{name}` is a list of numbers of pictures, as [1]")))
}

fn bad(why: impl Into<String>) -> ToolError {
    ToolError::BadArguments(why.into())
}

fn internal(e: impl std::error::Error + Send + Sync + 'static) -> ToolError {
    ToolError::Internal(Box::new(e))
}

/// What did not come to a picture, though it may have cost something.
fn stopped(why: &str, paid: Option<Paid>) -> ToolOutput {
    ToolOutput { text: why.to_owned(), failed: true, paid, ..ToolOutput::default() }
}
