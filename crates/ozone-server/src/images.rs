//! `{"type": "mcp", "server_label": "image"}`: the image tools, over the pictures of a conversation.
//!
//! The pictures of a request go into its container, where Python finds them, too; what the model is
//! shown, and what is kept with the request, is the view that the tools' places are counted in. Its id
//! stands before it, as a text.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_agent::Request;
use ozone_model::Delivery;
use ozone_tools::Tool;
use ozone_tools::image::{self, Album, AlbumError, Coords, Ocr, Profile, image_tools};
use ozone_types::item::Known;
use ozone_types::{Content, Item, Role, Text};
use serde_json::Value;

use crate::ModelEntry;
use crate::built_in::{IMAGE, only_allowed};
use crate::error::ApiError;

pub(crate) fn profile(entry: &ModelEntry) -> Profile {
    let info = entry.backend.info();
    let sees = entry.backend.delivery() != Delivery::Text;
    let profile = Profile::new(sees).of_context(info.context_window);
    Profile { coords: coords(entry), ..profile }
}

/// How a model writes places.
pub(crate) fn coords(entry: &ModelEntry) -> Coords {
    let found = || entry.eyes.as_ref().and_then(|eyes| eyes.coords());
    entry.coords.or_else(found).unwrap_or_default()
}

/// Finds out what a model sees before the first picture comes to it: of earlier items, or of the
/// input as it was sent.
pub(crate) async fn look(entry: &ModelEntry, earlier: &[Item], input: &[Value]) {
    let Some(eyes) = &entry.eyes else { return };
    let is_picture = |part: &Content| matches!(part, Content::InputImage { .. });
    let holds_picture = |item: &Value| {
        let parts = [&item["content"], &item["output"]].into_iter().filter_map(Value::as_array);
        parts.flatten().any(|part| part["type"] == "input_image")
    };
    if input.iter().any(holds_picture) || earlier.iter().flat_map(parts).any(is_picture) {
        eyes.open().await;
    }
}

/// The image tools of a request, if it has any, over what lies in its container.
pub(crate) async fn tools(
    spelt: &[Value],
    folder: &Path,
    entry: &ModelEntry,
) -> io::Result<Vec<Box<dyn Tool>>> {
    let Some(tool) = spelt.iter().find(|tool| IMAGE.is_it(tool)) else { return Ok(vec![]) };
    let (folder, profile) = (folder.to_owned(), profile(entry));
    let opened = tokio::task::spawn_blocking(move || Album::open(&folder, &[], profile)).await?;
    let album = opened.map_err(io::Error::other)?;
    let mut tools = image_tools(album, Ocr::find(std::env::var_os("PATH").as_deref()));
    only_allowed(&mut tools, tool);
    Ok(tools)
}

/// Puts the pictures of a request into its container. A new one gets those of earlier turns, too.
pub(crate) async fn put(
    folder: PathBuf,
    is_new: bool,
    request: &mut Request,
    profile: Profile,
) -> Result<(), ApiError> {
    let earlier: Vec<Vec<u8>> = match is_new {
        true => request.earlier.iter().flat_map(parts).filter_map(picture).collect(),
        false => vec![],
    };
    let mut input = std::mem::take(&mut request.input);
    let putting = move || {
        let mut given = Given { album: Album::open(&folder, &[], profile)?, folder, profile };
        given.earlier(earlier, &mut input);
        given.input(&mut input)?;
        Ok::<_, AlbumError>(input)
    };
    let put = tokio::task::spawn_blocking(putting).await.map_err(ApiError::internal)?;
    request.input = put.map_err(|e| match e {
        AlbumError::Picture { .. } => {
            ApiError::coded("input", "invalid_image_format", format!("Invalid picture: {e}."))
        }
        AlbumError::Full { .. } => {
            let message = format!(
                "The pictures of 'input' do not fit into their container: {e}. Begin a new \
                 conversation with them, or name a new container (POST /v1/containers)."
            );
            ApiError::coded("input", "too_many_images", message)
        }
        AlbumError::Folder(_) => ApiError::internal(e),
    })?;
    Ok(())
}

struct Given {
    album: Album,
    folder: PathBuf,
    profile: Profile,
}

impl Given {
    /// Tells of the pictures of earlier turns at the beginning of what the user says now. One that
    /// cannot be opened was shown to the model in its time, and is left out.
    fn earlier(&mut self, pictures: Vec<Vec<u8>>, input: &mut [Item]) {
        let taken = pictures.iter().filter_map(|bytes| self.take(bytes).ok());
        let lines: Vec<String> =
            taken.collect::<Vec<_>>().iter().map(|at| self.told(*at)).collect();
        if lines.is_empty() {
            return;
        }
        let text = format!("Pictures from before: {}\n", lines.concat());
        let said = input.iter_mut().rev().find_map(said_by_user);
        let Some(content) = said else { return };
        let before = match std::mem::replace(content, Text::Parts(vec![])) {
            Text::Parts(parts) => parts,
            Text::Plain(text) => vec![Content::InputText { text }],
        };
        *content = Text::Parts([Content::InputText { text }].into_iter().chain(before).collect());
    }

    fn input(&mut self, input: &mut [Item]) -> Result<(), AlbumError> {
        // Before the first file: what is refused leaves nothing.
        let given = input.iter().flat_map(parts).filter(|part| picture(part).is_some());
        self.album.has_room(given.count())?;
        let mut any = false;
        for content in input.iter_mut().filter_map(said_by_user) {
            let Text::Parts(parts) = content else { continue };
            let mut labelled = vec![];
            for mut part in std::mem::take(parts) {
                if let Some(bytes) = picture(&part) {
                    any = true;
                    let at = self.take(&bytes)?;
                    labelled.push(Content::InputText { text: self.told(at) });
                    if let Content::InputImage { image_url, .. } = &mut part
                        && let Ok(view) = self.album.first_view(at)
                    {
                        let data = STANDARD.encode(view.bytes);
                        *image_url = Some(format!("data:{};base64,{data}", view.media_type));
                    }
                }
                labelled.push(part);
            }
            *parts = labelled;
        }
        let last = input.iter_mut().rev().find_map(said_by_user);
        if any
            && !self.profile.reads_images
            && let Some(Text::Parts(parts)) = last
        {
            parts.push(Content::InputText { text: image::CANNOT_SEE.to_owned() });
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, AlbumError> {
        let mut number = 1;
        let name = loop {
            let name = format!("picture_{number}");
            if !self.folder.join(&name).exists() {
                break name;
            }
            number += 1;
        };
        std::fs::write(self.folder.join(&name), bytes)?;
        self.album.take(&name)
    }

    fn told(&self, at: usize) -> String {
        format!("\n[{}]\n", self.album.told_of(at))
    }
}

fn said_by_user(item: &mut Item) -> Option<&mut Text> {
    match item {
        Item::Known(Known::Message { role: Role::User, content, .. }) => Some(content),
        _ => None,
    }
}

fn parts(item: &Item) -> &[Content] {
    match item {
        Item::Known(Known::Message { role: Role::User, content: Text::Parts(parts), .. }) => parts,
        _ => &[],
    }
}

/// The bytes of a picture that stands in a part.
fn picture(part: &Content) -> Option<Vec<u8>> {
    let Content::InputImage { image_url: Some(url), .. } = part else { return None };
    let (_, data) = url.strip_prefix("data:")?.split_once("base64,")?;
    STANDARD.decode(data.trim()).ok()
}
