//! Pictures with questions whose answers can be checked, drawn here and not downloaded; and a
//! policy per family that answers them with the image tools alone.
//!
//! A case is a pure function of its seed, family and number. What a model with tools gains over one
//! without is only worth something if the tools suffice and if it is they that help: the [`oracle`]
//! shows the first (it reads what the tools return, and nothing else), the [`ablation`] the second
//! (the same calls, answered with the unchanged picture).

pub mod ablation;
pub mod degradation;
mod families;
pub mod oracle;
mod paint;
mod words;

use ozone_image::{RgbImage, encode};
use ozone_tasks::{Answer, Rng, Split, Value};

/// What is asked, and of what sort of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Lines of text, turned and mirrored.
    Oriented,
    /// A small label in a very large picture.
    Tiny,
    /// A number under blur, noise, shadow, weak contrast.
    Degraded,
    /// A photo of a receipt.
    Receipt,
    /// Lines, bars, stacked bars and points: values, crossings, what is greatest.
    Chart,
    /// Gauges and clocks.
    Dial,
    /// Which exit, and how far.
    Maze,
    /// How many shapes of a kind.
    Count,
    /// Angles and lengths of drawn figures.
    Geometry,
    /// Pieces of a picture, or strips of a page, in another order.
    Jigsaw,
}

impl Family {
    pub const ALL: &[Family] = &[
        Family::Oriented,
        Family::Tiny,
        Family::Degraded,
        Family::Receipt,
        Family::Chart,
        Family::Dial,
        Family::Maze,
        Family::Count,
        Family::Geometry,
        Family::Jigsaw,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Family::Oriented => "oriented",
            Family::Tiny => "tiny",
            Family::Degraded => "degraded",
            Family::Receipt => "receipt",
            Family::Chart => "chart",
            Family::Dial => "dial",
            Family::Maze => "maze",
            Family::Count => "count",
            Family::Geometry => "geometry",
            Family::Jigsaw => "jigsaw",
        }
    }

    pub fn named(name: &str) -> Option<Family> {
        Family::ALL.iter().copied().find(|family| family.name() == name)
    }

    /// It cannot be answered without reading print.
    pub fn reads_text(self) -> bool {
        match self {
            Family::Oriented
            | Family::Tiny
            | Family::Degraded
            | Family::Receipt
            | Family::Dial
            | Family::Chart
            | Family::Jigsaw => true,
            Family::Maze | Family::Count | Family::Geometry => false,
        }
    }
}

/// The answer where a picture does not show what is asked for.
pub const UNREADABLE: &str = "unreadable";

/// Raised whenever the same seed gives another question or picture than before: answers that were
/// kept for the old ones are then not taken for the new.
pub const VERSION: u32 = 2;

/// One case in every so many has its information destroyed.
const UNREADABLE_EACH: u64 = 10;

/// Which case; all of it follows from this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub family: Family,
    pub seed: u64,
    pub index: u64,
}

/// A question about a picture that is not drawn yet.
pub struct Drawn {
    pub question: String,
    pub answer: Answer,
    scene: Scene,
}

/// What a family draws.
pub(crate) struct Scene {
    pub question: String,
    /// What a readable picture shows.
    pub value: Value,
    pub paint: Box<dyn FnOnce() -> RgbImage + Send>,
    /// `None` for PNG.
    pub jpeg_quality: Option<u8>,
}

/// How a family shall draw a case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// 1 to 5.
    pub difficulty: u32,
    /// `false`: what is asked for cannot be found out.
    pub readable: bool,
}

impl Wish {
    /// From `easy` at difficulty 1 to `hard` at 5.
    pub fn grade(&self, easy: f64, hard: f64) -> f64 {
        easy + (hard - easy) * f64::from(self.difficulty - 1) / 4.0
    }
}

/// A picture file.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureFile {
    /// `picture.png` or `picture.jpg`.
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

impl Case {
    /// Unique within a seed.
    pub fn id(&self) -> String {
        format!("{}#{}", self.family.name(), self.index)
    }

    /// All that follows from is in its name: `oriented/20261122/7/v2`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}/v{VERSION}", self.family.name(), self.seed, self.index)
    }

    /// The case of a name of this version.
    pub fn named(name: &str) -> Option<Case> {
        let mut parts = name.split('/');
        let case = Case {
            family: Family::named(parts.next()?)?,
            seed: parts.next()?.parse().ok()?,
            index: parts.next()?.parse().ok()?,
        };
        (case.name() == name).then_some(case)
    }

    /// 1 to 5.
    pub fn difficulty(&self) -> u32 {
        (self.index % 5) as u32 + 1
    }

    pub fn is_readable(&self) -> bool {
        let block = self.rng(u64::MAX - self.index / UNREADABLE_EACH).below(UNREADABLE_EACH);
        self.index % UNREADABLE_EACH != block
    }

    fn rng(&self, index: u64) -> Rng {
        let family = self.family as u64 + 1;
        Rng::new(self.seed ^ family.wrapping_mul(0x9e37_79b9_7f4a_7c15), Split::HeldOut, index)
    }

    /// The question and its answer, before the picture is painted.
    pub fn draw(&self) -> Drawn {
        let wish = Wish { difficulty: self.difficulty(), readable: self.is_readable() };
        let scene = families::scene(self.family, wish, &mut self.rng(self.index));
        let value = match wish.readable {
            true => scene.value.clone(),
            false => Value::Text(UNREADABLE.to_owned()),
        };
        let question = format!(
            "{} Give the answer alone in bold, as **{}**. If the picture does not show it, answer \
             **{UNREADABLE}**.",
            scene.question,
            example(&scene.value)
        );
        Drawn { question, answer: Answer::Values(vec![value]), scene }
    }
}

/// Of the form of an answer, whatever the right one is.
fn example(value: &Value) -> &'static str {
    match value {
        Value::Number(_) => "12",
        Value::Rounded(_) | Value::Within { .. } => "12.3",
        Value::Text(_) | Value::OneOf(_) => "the answer",
    }
}

impl Drawn {
    /// Paints the picture. Takes up to some seconds for the largest.
    pub fn paint(self) -> PictureFile {
        let pixels = (self.scene.paint)();
        let (name, bytes) = match self.scene.jpeg_quality {
            Some(quality) => ("picture.jpg", encode::jpeg(&pixels, quality)),
            None => ("picture.png", encode::png(&pixels)),
        };
        PictureFile { name, bytes: bytes.expect("encoding into memory does not fail") }
    }
}
