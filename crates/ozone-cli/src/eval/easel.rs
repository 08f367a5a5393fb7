//! The picture of one question, in a folder of its own, as a model meets it.

use std::path::Path;

use ozone_eval::Outfit;
use ozone_imagebench::{Case, ablation};
use ozone_tools::Tool;
use ozone_tools::image::{Album, Profile};
use ozone_types::item::Known;
use ozone_types::{Content, Item, Role, Text};

use crate::failure::Failure;
use crate::pictures;

pub(super) struct Easel {
    folder: tempfile::TempDir,
    outfit: Outfit,
    profile: Profile,
    /// What the model is told of the picture.
    told: String,
    /// Its pixels, for a model that sees.
    shown: Vec<Content>,
}

impl Easel {
    /// Paints the picture of this name and lays it out.
    pub async fn set_up(picture: &str, outfit: Outfit, profile: Profile) -> Result<Easel, Failure> {
        let case = Case::named(picture)
            .ok_or_else(|| Failure::new(format!("no picture is called `{picture}`")))?;
        let paint = move || -> Result<Easel, Failure> {
            let file = case.draw().paint();
            let folder = tempfile::tempdir()?;
            std::fs::write(folder.path().join(file.name), &file.bytes)?;
            let names = [file.name.to_owned()];
            let album = Album::open(folder.path(), &names, profile)
                .map_err(|e| Failure::new(e.to_string()))?;
            let mut told = match (outfit.arm.has_images(), profile.reads_images) {
                (true, _) => album.told(),
                (false, true) => String::new(),
                (false, false) => "You cannot see the picture.".to_owned(),
            };
            if outfit.arm.has_python() {
                told.push_str(&format!("\nFile in the current folder of Python: {}", file.name));
            }
            let shown = if profile.reads_images { pictures::shown(&album)? } else { vec![] };
            Ok(Easel { folder, outfit, profile, told, shown })
        };
        tokio::task::spawn_blocking(paint).await?
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The question with its picture.
    pub fn message(&self, question: &str) -> Item {
        let text = format!("{question}\n\n{}", self.told).trim_end().to_owned();
        let text = Content::InputText { text };
        let content = [text].into_iter().chain(self.shown.iter().cloned()).collect();
        let (role, content) = (Role::User, Text::Parts(content));
        Known::Message { id: None, status: None, role, content, phase: None }.into()
    }

    /// Those for pictures, where the outfit has them.
    pub fn tools(&self) -> Vec<Box<dyn Tool>> {
        if !self.outfit.arm.has_images() {
            return vec![];
        }
        let tools = pictures::tools(self.folder.path(), self.profile, None, false);
        if self.outfit.ablated { ablation::unchanged(tools) } else { tools }
    }
}
