//! Pictures on their way: their beginnings are journaled as they come, while the model writes a
//! drawing and while a call makes one.

use std::pin::pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_prompt::ToolCall;
use ozone_store::{Durability, StoreError};
use ozone_tools::{IMAGE_GENERATION, Shown, Watch};
use ozone_types::{DrawnImage, ImageFacts};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::ahead::{self, Ran};
use crate::run::{KEEP_ALIVE, Run, State, json as records_json, keep_alive};
use crate::spans;
use crate::writer::Written;

/// The most characters of an earlier call that the model reads again.
const ARGUMENTS_CHARS_MAX: usize = 64_000;

impl Run {
    /// Shows the beginning of the drawing that the model is writing, where one is due.
    pub(crate) async fn sketch(&mut self, state: &mut State, written: &mut Written) {
        let Some((so_far, shown)) = state.writer.being_drawn() else { return };
        let draws = self.tools.iter_mut().find(|tool| tool.shown() == Shown::ImageGeneration);
        let Some(tool) = draws else { return };
        if let Some(bytes) = tool.sketch(so_far, shown).await {
            state.writer.sketched(&bytes, written);
        }
    }

    /// Makes a call of the tool at this place that makes a picture.
    pub(crate) async fn draw(
        &mut self,
        state: &mut State,
        at: usize,
        key: String,
        call: &ToolCall,
        deadline: Instant,
    ) -> Result<Ran, StoreError> {
        let cancel = self.cancel.child_token();
        let request = self.tool_call(key, &call.arguments, &cancel);
        let (sender, mut pictures) = mpsc::channel(1);
        let shown = state.writer.being_drawn().map_or(0, |(_, shown)| shown);
        let tool = &mut *self.tools[at];
        tool.watched(Watch { shown, pictures: sender });
        let mut running = pin!(ahead::run(tool, request, spans::tool(&call.name, &call.id)));
        let journal = &mut self.journal;
        let mut ran = None;
        loop {
            let picture = match &ran {
                Some(_) => pictures.try_recv().ok(),
                None => tokio::select! {
                    biased;
                    Some(picture) = pictures.recv() => Some(picture),
                    ended = &mut running => {
                        ran = Some(ended);
                        continue;
                    }
                    () = tokio::time::sleep_until(deadline), if !cancel.is_cancelled() => {
                        cancel.cancel();
                        continue;
                    }
                    () = tokio::time::sleep(KEEP_ALIVE) => {
                        keep_alive(journal).await?;
                        continue;
                    }
                },
            };
            if let Some(picture) = picture {
                let mut written = Written::default();
                state.writer.sketched(&picture, &mut written);
                let Written { events, records } = written;
                journal.append(events, records_json(&records), Durability::Process).await?;
            } else if let Some(ran) = ran {
                return Ok(ran);
            }
        }
    }
}

/// What the model reads again of an earlier call: its arguments and its result.
pub(crate) fn reread(
    facts: &ImageFacts,
    drawn: Option<&DrawnImage>,
    is_there: bool,
) -> (String, String) {
    let title = facts.revised_prompt.as_deref().unwrap_or("a picture");
    match drawn {
        Some(drawn) if drawn.arguments.chars().count() <= ARGUMENTS_CHARS_MAX => {
            (drawn.arguments.clone(), drawn.told.clone())
        }
        Some(drawn) => (json!({ "title": title }).to_string(), drawn.told.clone()),
        None => {
            let told = match is_there {
                true => format!(
                    "done; the description of `{IMAGE_GENERATION}` has the picture's number, where \
                     it is offered"
                ),
                false => "no picture was made".to_owned(),
            };
            (json!({ "title": title }).to_string(), told)
        }
    }
}

/// Whether this is a picture in base64, as an item of a client's may bring one.
pub fn is_picture(result: &str) -> bool {
    STANDARD.decode(result).is_ok_and(|bytes| !bytes.is_empty())
}
