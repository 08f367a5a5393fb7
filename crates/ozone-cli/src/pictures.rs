//! The pictures of a question: what the model is told and shown of them, and its tools for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use ozone_agent::request::InvalidRequest;
use ozone_files::Reader;
use ozone_image::Coords;
use ozone_model::Delivery;
use ozone_tools::Tool;
use ozone_tools::image::{Album, Ocr, PageDrawer, Profile, image_tools};
use ozone_types::Content;

use crate::documents::PAGE_SIDE_PX;
use crate::failure::Failure;
use crate::setup::Model;

/// A model with so much context is offered the image tools also where no picture is given: their
/// descriptions are long.
pub const ALWAYS_TOKENS_MIN: u64 = 32 << 10;

/// What the tools should know of a model.
pub fn profile(model: &Model, coords: Option<Coords>) -> Profile {
    let info = model.backend.info();
    let sees = model.backend.delivery() != Delivery::Text;
    let profile = Profile::new(sees).of_context(info.context_window);
    Profile { coords: coords.unwrap_or(profile.coords), ..profile }
}

/// Opens pictures that were copied into the folder of a response. A model that cannot see them
/// needs tools.
pub fn open(
    images: &[PathBuf],
    has_tools: bool,
    folder: &Path,
    profile: Profile,
    model: &str,
) -> Result<Option<Album>, Failure> {
    if images.is_empty() {
        return Ok(None);
    }
    if !has_tools && !profile.reads_images {
        let model = model.to_owned();
        return Err(Failure::usage(InvalidRequest::Images { model }.to_string()));
    }
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let names: Vec<String> = images.iter().filter_map(name).collect();
    let album = Album::open(folder, &names, profile).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(Some(album))
}

/// The user's pictures as a model is shown them.
pub fn shown(album: &Album) -> Result<Vec<Content>, Failure> {
    let views = album.first_views().map_err(|e| Failure::new(e.to_string()))?;
    let part = |view: ozone_image::encode::Encoded| {
        let data = base64::engine::general_purpose::STANDARD.encode(view.bytes);
        let image_url = Some(format!("data:{};base64,{data}", view.media_type));
        Content::InputImage { image_url, file_id: None, detail: None }
    };
    Ok(views.into_iter().map(part).collect())
}

/// The tools for the pictures of a folder, if it holds any of a question or others may come.
pub fn tools(
    folder: &Path,
    profile: Profile,
    reader: Option<&Reader>,
    others_may_come: bool,
) -> Vec<Box<dyn Tool>> {
    if !others_may_come && !Album::is_in(folder) {
        return vec![];
    }
    match tokio::task::block_in_place(|| Album::open(folder, &[], profile)) {
        Ok(album) => {
            let album = match reader {
                Some(reader) => album.with_pages(pages(reader)),
                None => album,
            };
            image_tools(album, Ocr::find(std::env::var_os("PATH").as_deref()))
        }
        Err(e) => {
            tracing::warn!("the image tools are left out: {e}");
            vec![]
        }
    }
}

/// Draws pages of PDFs, by the process that reads files.
fn pages(reader: &Reader) -> PageDrawer {
    let (reader, runtime) = (reader.clone(), tokio::runtime::Handle::current());
    Arc::new(move |bytes, page| {
        let drawn = runtime.block_on(reader.picture(bytes.into(), page, PAGE_SIDE_PX));
        let drawn = drawn.map_err(|e| e.to_string())?;
        drawn.map(|(png, _)| png).map_err(|why| why.to_string())
    })
}
