//! Answers with the tools alone, to show that they suffice.
//!
//! A policy is written down for each family. It gets the question as a model gets it, calls the
//! tools through the seam that serves models, with arguments in JSON, and reads nothing but the
//! text that comes back: never the pixels, and never what the picture was drawn from.

mod chart;
mod count;
mod degraded;
mod dial;
mod geometry;
mod jigsaw;
mod maze;
mod oriented;
pub(crate) mod reading;
mod receipt;
mod tiny;

use std::path::Path;
use std::time::Duration;

use ozone_image::Coords;
use ozone_tools::image::{Album, AlbumError, Ocr, Profile, image_tools};
use ozone_tools::{Call, Tool, ToolError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Family, PictureFile, UNREADABLE, ablation};

/// Longer than any call of these takes, also on a machine with much else to do.
const CALL_TIME_MAX: Duration = Duration::from_secs(900);
const OUTPUT_CHARS_MAX: usize = 32_000;

/// Not the fault of the picture.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    #[error(transparent)]
    Album(#[from] AlbumError),
    #[error("the picture cannot be laid out: {0}")]
    Io(#[from] std::io::Error),
    /// It can do without sight but not without a tool.
    #[error("{0}")]
    Unavailable(String),
    #[error("a tool failed: {0}")]
    Tool(String),
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub text: String,
    pub calls: usize,
}

/// Answers a question about a picture. `folder` is empty and the oracle's own.
pub async fn answer(
    family: Family,
    question: &str,
    picture: &PictureFile,
    folder: &Path,
    ocr: Ocr,
    ablated: bool,
) -> Result<Reply, OracleError> {
    let mut desk = Desk::lay(picture, folder, ocr, ablated).await?;
    let found = match family {
        Family::Oriented => oriented::answer(question, &mut desk).await?,
        Family::Tiny => tiny::answer(question, &mut desk).await?,
        Family::Degraded => degraded::answer(question, &mut desk).await?,
        Family::Count => count::answer(question, &mut desk).await?,
        Family::Receipt => receipt::answer(question, &mut desk).await?,
        Family::Chart => chart::answer(question, &mut desk).await?,
        Family::Dial => dial::answer(question, &mut desk).await?,
        Family::Maze => maze::answer(question, &mut desk).await?,
        Family::Geometry => geometry::answer(question, &mut desk).await?,
        Family::Jigsaw => jigsaw::answer(question, &mut desk).await?,
    };
    let text = format!("**{}**", found.as_deref().unwrap_or(UNREADABLE));
    Ok(Reply { text, calls: desk.calls })
}

/// The tools, and the size of the picture as the model is told it.
pub(crate) struct Desk {
    tools: Vec<Box<dyn Tool>>,
    size: [f64; 2],
    calls: usize,
}

impl Desk {
    pub async fn lay(
        picture: &PictureFile,
        folder: &Path,
        ocr: Ocr,
        ablated: bool,
    ) -> Result<Desk, OracleError> {
        std::fs::write(folder.join(picture.name), &picture.bytes)?;
        // Pictures of results are cheaper than sketches in letters; they are not looked at.
        let profile = Profile { coords: Coords::PxFile, ..Profile::new(true) };
        let (folder, names) = (folder.to_owned(), [picture.name.to_owned()]);
        let open = move || Album::open(&folder, &names, profile);
        let opened = tokio::task::spawn_blocking(open).await;
        let album = opened.map_err(|e| OracleError::Tool(e.to_string()))??;
        let size = reading::size(&album.told());
        let tools = image_tools(album, ocr);
        let tools = if ablated { ablation::unchanged(tools) } else { tools };
        Ok(Desk { tools, size, calls: 0 })
    }

    /// The text that a model would read.
    async fn call(&mut self, name: &str, arguments: Value) -> Result<String, OracleError> {
        self.calls += 1;
        let missing = || OracleError::Tool(format!("there is no tool `{name}`"));
        let tool = self.tools.iter_mut().find(|t| t.spec().name == name).ok_or_else(missing)?;
        let call = Call {
            key: format!("oracle:{}", self.calls),
            arguments: arguments.to_string(),
            timeout: CALL_TIME_MAX,
            output_chars_max: OUTPUT_CHARS_MAX,
            cancel: CancellationToken::new(),
        };
        match tool.call(call, &mut |_| {}).await {
            Ok(output) if output.failed => Err(OracleError::Tool(output.text)),
            Ok(output) => Ok(output.text),
            Err(ToolError::BadArguments(text)) => Ok(text),
            Err(ToolError::Unavailable(text)) => Err(OracleError::Unavailable(text)),
            Err(ToolError::Internal(e)) => Err(OracleError::Tool(e.to_string())),
        }
    }

    async fn measure(&mut self, arguments: Value) -> Result<String, OracleError> {
        self.call("image_measure", arguments).await
    }

    /// A new picture; its name.
    pub async fn make(
        &mut self,
        name: &str,
        arguments: Value,
    ) -> Result<Option<Made>, OracleError> {
        Ok(reading::made(&self.call(name, arguments).await?))
    }

    pub async fn ocr(&mut self, arguments: Value) -> Result<reading::Print, OracleError> {
        Ok(reading::print(&self.call("image_ocr", arguments).await?))
    }

    pub async fn transform(
        &mut self,
        image: &str,
        ops: Value,
    ) -> Result<Option<Made>, OracleError> {
        self.make("image_transform", json!({"image": image, "ops": ops})).await
    }
}

/// A picture that a tool made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    pub name: String,
    size: [f64; 2],
}
