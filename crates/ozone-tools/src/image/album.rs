//! The pictures of one response, and every view that was made of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ozone_image::{
    Coords, DecodeError, Frame, Limits, Picture, Recipe, Rect, View, decode, encode,
};
use serde::{Deserialize, Serialize};

use crate::{ToolError, ToolFile};

/// The most pictures and views of one response.
const VIEWS_MAX: usize = 200;
/// What views are made of, beside their files. Hidden, so that Python does not see it.
const RECORD: &str = ".ozone-images.jsonl";

/// For a model without eyes.
pub const CANNOT_SEE: &str = "You cannot see pictures. Find out what is in them with the image tools: \
     image_ocr reads text, image_view gives a sketch in letters and the colours, image_measure gives \
     numbers. Do not guess; say so if they do not tell.";

/// What the model that calls can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    pub coords: Coords,
    /// It gets the pixels of results.
    pub reads_images: bool,
    /// It has room for little: results are told without sketches and places, and what was hardly
    /// read is left out.
    pub brief: bool,
    /// How large the user's picture is shown, and how large a result.
    pub first_pixels_max: u64,
    pub result_pixels_max: u64,
    pub result_bytes_max: usize,
}

/// Models without eyes with a context of at most so many tokens are told less.
const BRIEF_CONTEXT_TOKENS: u64 = 4_096;

impl Profile {
    pub fn new(reads_images: bool) -> Profile {
        Profile {
            coords: Coords::default(),
            reads_images,
            brief: false,
            first_pixels_max: 1_500_000,
            result_pixels_max: 1_000_000,
            result_bytes_max: 1 << 20,
        }
    }

    pub fn of_context(self, tokens: u64) -> Profile {
        Profile { brief: !self.reads_images && tokens <= BRIEF_CONTEXT_TOKENS, ..self }
    }
}

/// The album cannot be opened: a picture of the user's, or its folder.
#[derive(Debug, thiserror::Error)]
pub enum AlbumError {
    #[error("{name}: {source}")]
    Picture {
        name: String,
        #[source]
        source: DecodeError,
    },
    #[error(
        "there is no room for {more} more: a response works on at most {VIEWS_MAX} pictures and views of them"
    )]
    Full { more: usize },
    #[error("the folder of the pictures cannot be used: {0}")]
    Folder(#[from] std::io::Error),
}

/// Draws a page of a PDF's bytes. The error is for the model. It may block.
pub type PageDrawer = Arc<dyn Fn(Vec<u8>, u32) -> Result<Vec<u8>, String> + Send + Sync>;

/// The pictures that a response works on.
pub struct Album {
    folder: PathBuf,
    pages: Option<PageDrawer>,
    pub(super) profile: Profile,
    pictures: Vec<Loaded>,
    entries: Vec<Entry>,
}

impl std::fmt::Debug for Album {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Album").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Loaded {
    name: String,
    /// Length and time: code may write a file of the same name again.
    stamp: (u64, Option<SystemTime>),
    picture: Arc<Picture>,
}

/// One id.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub view: View,
    pub caption: String,
    /// Of which view it is which part.
    pub part: Option<(usize, Rect)>,
    /// The size at which the model saw it.
    pub seen: [u32; 2],
    /// Its file in the folder.
    pub file: String,
}

/// One line of the record.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// The file of the folder whose pixels it shows.
    picture: String,
    recipe: Recipe,
    caption: String,
    part: Option<(usize, Rect)>,
    file: String,
}

impl Album {
    /// Opens the pictures `names` of a folder, as `img_0` and on; where the folder has a record,
    /// what it tells instead, with all that an earlier process made. Blocks while they are decoded.
    pub fn open(folder: &Path, names: &[String], profile: Profile) -> Result<Album, AlbumError> {
        std::fs::create_dir_all(folder)?;
        let (folder_owned, pages) = (folder.to_owned(), None);
        let mut album =
            Album { folder: folder_owned, pages, profile, pictures: vec![], entries: vec![] };
        if !Album::is_in(folder) {
            album.has_room(names.len())?;
            for name in names {
                album.take(name)?;
            }
            return Ok(album);
        }
        let lines = std::fs::read_to_string(folder.join(RECORD)).unwrap_or_default();
        // A line that a crash cut is the last one, and nobody has heard of its view.
        for line in lines.lines().map_while(|line| serde_json::from_str::<Line>(line).ok()) {
            let Ok(picture) = album.load(&line.picture) else { break };
            let view = View::restore(picture, line.recipe);
            album.enter(view, line.caption, line.part, line.file);
        }
        Ok(album)
    }

    /// Takes pages of the folder's PDFs as pictures, too: `report.pdf#3`.
    pub fn with_pages(mut self, pages: PageDrawer) -> Album {
        self.pages = Some(pages);
        self
    }

    /// Whether so many more pictures fit.
    pub fn has_room(&self, more: usize) -> Result<(), AlbumError> {
        match self.entries.len() + more <= VIEWS_MAX {
            true => Ok(()),
            false => Err(AlbumError::Full { more }),
        }
    }

    /// Opens one more picture of the folder. Gives its number.
    pub fn take(&mut self, name: &str) -> Result<usize, AlbumError> {
        self.has_room(1)?;
        let picture = self.load(name).map_err(|e| match e {
            LoadError::Decode(source) => AlbumError::Picture { name: name.to_owned(), source },
            LoadError::Io(e) => AlbumError::Folder(e),
        })?;
        self.keep(View::of(picture), name, name.to_owned(), None, name.to_owned())
            .map_err(|e| AlbumError::Folder(std::io::Error::other(e.to_string())))
    }

    /// Whether a folder holds the record of one.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(RECORD).is_file()
    }

    /// The user's pictures, in words for the model.
    pub fn told(&self) -> String {
        let lines: Vec<String> = (0..self.entries.len()).map(|at| self.told_of(at)).collect();
        let mut told = format!("Pictures:\n{}", lines.join("\n"));
        if !self.profile.reads_images {
            told.push_str(&format!("\n{CANNOT_SEE}"));
        }
        told
    }

    /// The same of one of them.
    pub fn told_of(&self, at: usize) -> String {
        let entry = &self.entries[at];
        let [width, height] = entry.view.size();
        let format = entry.view.picture().format().map_or("picture", |f| f.name());
        let notes: String = entry.view.picture().notes().iter().map(|n| format!("; {n}")).collect();
        format!("img_{at}: {}, {format}, {width}x{height} pixels{notes}", entry.caption)
    }

    /// The pixels of the user's pictures as they are shown at first.
    pub fn first_views(&self) -> Result<Vec<encode::Encoded>, ToolError> {
        (0..self.entries.len()).map(|at| self.first_view(at)).collect()
    }

    /// The pixels of one picture as they are shown at first.
    pub fn first_view(&self, at: usize) -> Result<encode::Encoded, ToolError> {
        self.delivered(&self.entries[at].view)
    }

    /// How places are written, in words for the tools' descriptions.
    pub(super) fn convention(&self) -> &'static str {
        match self.profile.coords {
            Coords::PxSeen => "pixels of the picture as it was shown",
            Coords::PxFile => "pixels of the picture's file",
            Coords::Rel1000 => "thousandths of the picture's sides, 0 to 1000",
            Coords::Rel1 => "parts of the picture's sides, 0 to 1",
        }
    }

    /// The place of an id, of a picture's file name, or of the newest.
    pub(super) fn find(&mut self, name: Option<&str>) -> Result<usize, ToolError> {
        let last = self.entries.len().checked_sub(1);
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
            return last.ok_or_else(|| bad("there is no picture"));
        };
        let page = self.pages.clone().zip(page_of(name));
        if let Some((draw, (pdf, page))) = page {
            let drawn = self.page(&draw, pdf, page)?;
            return self.find(Some(&drawn));
        }
        let number = name.strip_prefix("img_").unwrap_or(name).parse::<usize>().ok();
        if let Some(at) = number.filter(|at| *at < self.entries.len()) {
            return Ok(at);
        }
        if number.is_none() && is_plain(name) && self.folder.join(name).is_file() {
            let picture = self.load(name).map_err(|e| bad(&format!("{name}: {e}")))?;
            let is_it = |e: &Entry| Arc::ptr_eq(e.view.picture(), &picture) && e.file == name;
            if let Some(at) = self.entries.iter().position(is_it) {
                return Ok(at);
            }
            return self.keep(View::of(picture), name, name.to_owned(), None, name.to_owned());
        }
        let known = match last {
            Some(last) => format!("img_0 to img_{last}"),
            None => "none yet".to_owned(),
        };
        Err(bad(&format!(
            "there is no picture `{name}`: known are {known}, and files by their name"
        )))
    }

    /// The page of a PDF as a picture beside it, which is drawn once.
    fn page(&self, draw: &PageDrawer, pdf: &str, page: u32) -> Result<String, ToolError> {
        let wrong = |why: &dyn std::fmt::Display| bad(&format!("{pdf}: {why}"));
        let bytes_max = Limits::default().bytes_max as u64;
        if !is_plain(pdf) {
            return Err(wrong(&"not the name of a file here"));
        }
        let (length, _) = self.stamp(pdf).map_err(|e| wrong(&e))?;
        if length > bytes_max {
            return Err(wrong(&format!("{length} bytes, at most {bytes_max} are taken")));
        }
        let stem = Path::new(pdf).with_extension("");
        let drawn = format!("{}-page-{page}.png", stem.display());
        let path = self.folder.join(&drawn);
        if !path.is_file() {
            let bytes = std::fs::read(self.folder.join(pdf)).map_err(internal)?;
            std::fs::write(path, draw(bytes, page).map_err(|why| wrong(&why))?)
                .map_err(internal)?;
        }
        Ok(drawn)
    }

    pub(super) fn entry(&self, at: usize) -> &Entry {
        &self.entries[at]
    }

    pub(super) fn frame(&self, at: usize) -> Frame {
        let entry = &self.entries[at];
        Frame { coords: self.profile.coords, size: entry.view.size(), seen: entry.seen }
    }

    /// A part that was asked for before.
    pub(super) fn same_part(&self, of: usize, rect: &Rect) -> Option<usize> {
        const OVERLAP_MIN: f64 = 0.9;
        self.entries.iter().position(|entry| {
            let part = entry.part.as_ref();
            part.is_some_and(|(at, other)| *at == of && other.overlap(rect) > OVERLAP_MIN)
        })
    }

    /// Gives a view an id and a file. It is made of the picture behind view `of`.
    pub(super) fn add(
        &mut self,
        view: View,
        caption: String,
        part: Option<(usize, Rect)>,
    ) -> Result<usize, ToolError> {
        let is_it = |loaded: &&Loaded| Arc::ptr_eq(&loaded.picture, view.picture());
        let source = self.pictures.iter().rev().find(is_it).map(|loaded| loaded.name.clone());
        self.room_for_one()?;
        let file = self.file_name();
        self.write(&file, &view)?;
        let Some(source) = source else {
            // A picture that was made here: its file holds its pixels.
            let stamp = self.stamp(&file).map_err(internal)?;
            let (name, picture) = (file.clone(), view.picture().clone());
            self.pictures.push(Loaded { name, stamp, picture });
            return self.keep(view, &file.clone(), caption, None, file);
        };
        self.keep(view, &source, caption, part, file)
    }

    /// Of the next view; no file of the user's is written over.
    fn file_name(&self) -> String {
        let mut name = format!("img_{}.png", self.entries.len());
        while self.folder.join(&name).exists() {
            name.insert_str(0, "view_");
        }
        name
    }

    /// For a view that the model asks for.
    fn room_for_one(&self) -> Result<(), ToolError> {
        let why = format!("{VIEWS_MAX} pictures are enough: answer with what you have");
        self.has_room(1).map_err(|_| bad(&why))
    }

    fn keep(
        &mut self,
        view: View,
        picture: &str,
        caption: String,
        part: Option<(usize, Rect)>,
        file: String,
    ) -> Result<usize, ToolError> {
        self.room_for_one()?;
        let (picture, recipe) = (picture.to_owned(), view.recipe());
        let line = Line { picture, recipe, caption: caption.clone(), part, file: file.clone() };
        let mut text = serde_json::to_string(&line).map_err(internal)?;
        text.push('\n');
        let record = OpenOptions::new().create(true).append(true).open(self.folder.join(RECORD));
        record.and_then(|mut file| file.write_all(text.as_bytes())).map_err(internal)?;
        Ok(self.enter(view, caption, part, file))
    }

    fn enter(
        &mut self,
        view: View,
        caption: String,
        part: Option<(usize, Rect)>,
        file: String,
    ) -> usize {
        let seen = view.within(self.profile.first_pixels_max);
        let seen = seen.map_or(view.size(), |seen| seen.size());
        // Who sees nothing has only the size that it was told.
        let seen = if self.profile.reads_images { seen } else { view.size() };
        self.entries.push(Entry { view, caption, part, seen, file });
        self.entries.len() - 1
    }

    /// The file of a view.
    pub(super) fn file(&self, at: usize) -> ToolFile {
        let name = self.entries[at].file.clone();
        let host_path = self.folder.join(&name);
        ToolFile { bytes: host_path.metadata().map_or(0, |m| m.len()), host_path, name }
    }

    fn write(&self, name: &str, view: &View) -> Result<(), ToolError> {
        let pixels = view.render().map_err(|e| bad(&e.to_string()))?;
        let png = encode::png(&pixels).map_err(internal)?;
        std::fs::write(self.folder.join(name), &png).map_err(internal)
    }

    /// A view's pixels at the size at which it is seen.
    pub(super) fn delivered(&self, view: &View) -> Result<encode::Encoded, ToolError> {
        let small = view.within(self.profile.first_pixels_max).map_err(|e| bad(&e.to_string()))?;
        let pixels = small.render().map_err(|e| bad(&e.to_string()))?;
        let encoded = encode::within(&pixels, self.profile.result_bytes_max).map_err(internal)?;
        encoded.ok_or_else(|| bad("the picture cannot be delivered: look at a smaller part"))
    }

    fn stamp(&self, name: &str) -> std::io::Result<(u64, Option<SystemTime>)> {
        let known = self.folder.join(name).symlink_metadata()?;
        if !known.is_file() {
            return Err(std::io::Error::other("it is no plain file"));
        }
        Ok((known.len(), known.modified().ok()))
    }

    fn load(&mut self, name: &str) -> Result<Arc<Picture>, LoadError> {
        if !is_plain(name) {
            return Err(LoadError::Io(std::io::Error::other("not the name of a file here")));
        }
        let stamp = self.stamp(name).map_err(LoadError::Io)?;
        let is_it = |loaded: &&Loaded| loaded.name == name && loaded.stamp == stamp;
        if let Some(loaded) = self.pictures.iter().find(is_it) {
            return Ok(loaded.picture.clone());
        }
        let (limits, bytes) = (Limits::default(), stamp.0 as usize);
        if bytes > limits.bytes_max {
            let max = limits.bytes_max;
            return Err(LoadError::Decode(DecodeError::TooManyBytes { bytes, max }));
        }
        let bytes = std::fs::read(self.folder.join(name)).map_err(LoadError::Io)?;
        let picture = Arc::new(decode(&bytes, &limits).map_err(LoadError::Decode)?);
        self.pictures.push(Loaded { name: name.to_owned(), stamp, picture: picture.clone() });
        Ok(picture)
    }
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Decode(DecodeError),
    #[error("it cannot be read: {0}")]
    Io(std::io::Error),
}

/// A PDF and the number of its page, as `report.pdf#3`; without one, the first.
fn page_of(name: &str) -> Option<(&str, u32)> {
    let (pdf, page) = match name.rsplit_once('#') {
        Some((pdf, page)) => (pdf, page.parse().ok().filter(|page| *page > 0)?),
        None => (name, 1),
    };
    pdf.to_lowercase().ends_with(".pdf").then_some((pdf, page))
}

/// A file of the folder itself or below, and no hidden one.
fn is_plain(name: &str) -> bool {
    let is_normal = |part: Component| match part {
        Component::Normal(part) => part.to_str().is_some_and(|part| !part.starts_with('.')),
        _ => false,
    };
    !name.is_empty() && Path::new(name).components().all(is_normal)
}

pub(super) fn bad(why: &str) -> ToolError {
    ToolError::BadArguments(why.to_owned())
}

pub(super) fn internal(e: impl std::error::Error + Send + Sync + 'static) -> ToolError {
    ToolError::Internal(Box::new(e))
}
