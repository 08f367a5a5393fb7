//! Pictures as tools of the model: it zooms, turns, clears, measures, reads and marks them.
//!
//! All tools of a response share one [`Album`]. Every result is a view with an id of its own,
//! sampled from the original pixels, and lies as a file where Python finds it. A model with eyes
//! gets its pixels beside the text; one without is told that it cannot see, and gets colours, a
//! sketch in letters, measurements and what is written. Pixels are never put into the text.

mod acts;
mod album;
mod arguments;
mod measures;
mod ocr;
mod specs;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ozone_prompt::ToolSpec;

pub use album::{Album, AlbumError, CANNOT_SEE, PageDrawer, Profile};
pub use ocr::Ocr;
pub use ozone_image::Coords;

use crate::{Call, OnText, Shown, Tool, ToolError, ToolOutput, cap};
use specs::Act;

/// Under which the calls stand in a response.
pub const SERVER_LABEL: &str = "image";

/// What the image tools are called.
pub fn names() -> impl Iterator<Item = &'static str> {
    Act::ALL.iter().map(|act| act.name())
}

/// The image tools of one response.
pub fn image_tools(album: Album, ocr: Ocr) -> Vec<Box<dyn Tool>> {
    let (album, ocr) = (Arc::new(Mutex::new(album)), Arc::new(ocr));
    let tool = |act: &Act| -> Box<dyn Tool> {
        let legal = album.lock().unwrap_or_else(|e| e.into_inner()).convention();
        let spec = act.spec(legal);
        Box::new(ImageTool { act: *act, spec, album: album.clone(), ocr: ocr.clone() })
    };
    Act::ALL.iter().map(tool).collect()
}

struct ImageTool {
    act: Act,
    spec: ToolSpec,
    album: Arc<Mutex<Album>>,
    ocr: Arc<Ocr>,
}

#[async_trait]
impl Tool for ImageTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::McpCall { server_label: SERVER_LABEL.to_owned(), name: self.act.name().to_owned() }
    }

    // What a view is made of lies in the album's folder and outlives the process.
    fn resumed(&mut self, _: usize) {}

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let (act, album, ocr) = (self.act, self.album.clone(), self.ocr.clone());
        let (arguments, timeout) = (call.arguments, call.timeout);
        let mut working = tokio::task::spawn_blocking(move || {
            let mut album = album.lock().unwrap_or_else(|e| e.into_inner());
            acts::run(act, &arguments, &mut album, &ocr, timeout)
        });
        let done = tokio::select! {
            done = &mut working => done,
            () = call.cancel.cancelled() => return Ok(stopped("the call was cancelled")),
            () = tokio::time::sleep(timeout) => {
                let why = format!("stopped after {} s: ask for a smaller part", timeout.as_secs());
                return Ok(stopped(&why));
            }
        };
        let mut output = done.map_err(|e| ToolError::Internal(Box::new(e)))??;
        output.text = cap(&output.text, call.output_chars_max);
        Ok(output)
    }
}

fn stopped(why: &str) -> ToolOutput {
    ToolOutput { text: why.to_owned(), failed: true, ..ToolOutput::default() }
}
