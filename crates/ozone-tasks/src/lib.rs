//! Questions with verifiable answers and worked traces: what the model is trained and scored on.
//!
//! A *kind* draws the numbers of a question, its answer and the way to it; a *wording* turns them
//! into a sentence. The two are kept apart so that a model is scored on wordings that it has never
//! seen ([`Split::HeldOut`]), written apart from those that it was trained on. Everything is a pure
//! function of `(seed, index)`: a resumed training goes on with exactly the next example.
//!
//! No tensors, no sockets, no Python: each trace states what Python prints, and a test of
//! `ozone-cli` runs them through the real kernel to see that it is true.

pub mod families;
pub mod grade;
mod practice;
pub mod python;
pub mod render;
pub mod rng;
pub mod surface;
pub mod wording;

use serde::{Deserialize, Serialize};

pub use grade::{Answer, Value, grade};
pub use practice::{Difficulty, Practice};
pub use rng::Rng;
pub use wording::{Split, WordingError, Wordings};

/// What a step asks of which tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    Python {
        code: String,
    },
    /// `arguments` is JSON, with the tool's own order of names.
    Image {
        name: String,
        arguments: String,
    },
}

/// One call of a tool, with what it prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the model thinks before the call: a short plan in canonical words.
    pub think: String,
    pub call: Call,
    /// What the tool answers, without a final newline.
    pub output: String,
    /// A call that goes wrong on purpose, so that the model learns to mend it. It is shown to the
    /// model but never trained on.
    pub masked: bool,
}

impl Step {
    pub fn new(
        think: impl Into<String>,
        code: impl Into<String>,
        output: impl Into<String>,
    ) -> Self {
        let call = Call::Python { code: code.into() };
        Step { think: think.into(), call, output: output.into(), masked: false }
    }

    /// The code, if it is Python that is called.
    pub fn code(&self) -> Option<&str> {
        match &self.call {
            Call::Python { code } => Some(code),
            Call::Image { .. } => None,
        }
    }

    pub fn masked(mut self) -> Self {
        self.masked = true;
        self
    }
}

/// Which tools the system message offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Offer {
    Python,
    /// The tools for pictures ([`IMAGE_TOOLS`]), beside Python or alone.
    Images {
        python: bool,
    },
    Nothing,
}

/// The tools for pictures, as they are called and in the order in which they are offered.
pub const IMAGE_TOOLS: &[&str] = &[
    "image_zoom_in_tool",
    "image_view",
    "image_transform",
    "image_straighten",
    "image_ocr",
    "image_measure",
    "image_draw",
    "image_compare",
    "image_tile",
    "image_decode",
];

/// What a kind draws: the numbers and words for the wording's slots, and the way to the answer.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Slot name to surface text, as it stands in the question.
    pub slots: Vec<(&'static str, String)>,
    pub answer: Answer,
    /// The calls in their order; empty when the answer needs none.
    pub steps: Vec<Step>,
    /// What the model thinks before it replies. May be empty after a call, never without one.
    pub think: String,
    /// The reply. Values asked for stand in bold, in the order of the question.
    pub reply: String,
    pub offer: Offer,
}

/// One sort of question.
pub struct Kind {
    /// `family/name`, unique.
    pub name: &'static str,
    /// How often it is drawn, relative to the others.
    pub weight: u32,
    pub draw: fn(&mut Rng) -> Draw,
}

impl Kind {
    pub fn family(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }
}

/// A question as a user would type it, with all that is needed to train on it and to score it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    pub kind: String,
    pub text: String,
    pub answer: Answer,
    pub needs_python: bool,
    pub steps: Vec<Step>,
    pub think: String,
    pub reply: String,
    pub offer: Offer,
}

impl Question {
    /// The same question answered at once, as somebody would who guesses: no call, the right reply.
    /// A question about pictures, or one that needs no tool, stays as it is.
    pub fn by_head(mut self) -> Self {
        if self.needs_python && self.offer == Offer::Python {
            self.steps.clear();
            self.think = BY_HEAD.into();
        }
        self
    }
}

/// What the model thinks before it answers without a tool that it could have used.
pub const BY_HEAD: &str = "I can do this in my head.";

const PICTURES_SEED: u64 = 0x9_1c70_5e5d;
const BY_HEAD_SEED: u64 = 0xb1_4ead;

/// Draws questions of all kinds.
pub struct Generator {
    kinds: Vec<Kind>,
    weights_total: u64,
    wordings: Wordings,
    split: Split,
    seed: u64,
    practice: Option<Practice>,
    /// Questions about pictures, and their share.
    pictures: Option<(Box<Generator>, f64)>,
    /// The share of the questions that are answered by head.
    by_head: f64,
}

impl Generator {
    /// Fails when a kind has no wording in this split, or a wording names a slot that its kind
    /// does not draw.
    pub fn new(split: Split, seed: u64) -> Result<Self, WordingError> {
        Generator::of(families::all(), Wordings::load(split)?, split, seed)
    }

    /// The kinds that ask about pictures. They are for training: the pictures are never drawn, and
    /// what the tools print about them is put together from the same draw.
    pub fn pictures(split: Split, seed: u64) -> Result<Self, WordingError> {
        Generator::of(families::pictures(), Wordings::of_pictures(split)?, split, seed)
    }

    fn of(
        kinds: Vec<Kind>,
        wordings: Wordings,
        split: Split,
        seed: u64,
    ) -> Result<Self, WordingError> {
        wordings.check(&kinds)?;
        let weights_total = kinds.iter().map(|k| u64::from(k.weight)).sum();
        let (practice, pictures, by_head) = (None, None, 0.0);
        Ok(Generator { kinds, weights_total, wordings, split, seed, practice, pictures, by_head })
    }

    /// Draws this share of the questions from those about pictures.
    pub fn with_pictures(mut self, share: f64) -> Result<Self, WordingError> {
        // Draws of its own: those of this seed have decided that it is asked.
        let pictures = Generator::pictures(self.split, self.seed ^ PICTURES_SEED)?;
        self.pictures = Some((Box::new(pictures), share));
        Ok(self)
    }

    /// Answers this share of the questions that need Python without it ([`Question::by_head`]):
    /// whoever learns from them does not know when a tool is worth its price.
    pub fn with_by_head(mut self, share: f64) -> Self {
        self.by_head = share;
        self
    }

    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Draws a part of the questions from the wordings that a model finds difficult. Fails when
    /// `practice` was measured on other wordings.
    pub fn practising(mut self, mut practice: Practice) -> Result<Self, WordingError> {
        practice.check(&self.kinds, &self.wordings)?;
        self.practice = Some(practice);
        Ok(self)
    }

    /// Every written line, as (index of its kind, line).
    pub fn lines(&self) -> Vec<(usize, usize)> {
        let lines = |(kind, k): (usize, &Kind)| {
            (0..self.wordings.lines_of(k.name)).map(move |line| (kind, line))
        };
        self.kinds.iter().enumerate().flat_map(lines).collect()
    }

    /// The question number `index` of this seed.
    pub fn question(&self, index: u64) -> Question {
        let question = self.with_trace(index);
        let mut coin = Rng::new(self.seed ^ BY_HEAD_SEED, self.split, index);
        if coin.chance(self.by_head) { question.by_head() } else { question }
    }

    fn with_trace(&self, index: u64) -> Question {
        let mut rng = Rng::new(self.seed, self.split, index);
        if let Some((pictures, share)) = &self.pictures
            && rng.chance(*share)
        {
            return pictures.question(index);
        }
        if let Some((kind, line)) = self.practice.as_ref().and_then(|p| p.pick(&mut rng)) {
            return self.of_kind(&self.kinds[kind], Some(line), &mut rng);
        }
        let mut at = rng.below(self.weights_total);
        let kind = self
            .kinds
            .iter()
            .find(|k| {
                let here = at < u64::from(k.weight);
                at = at.saturating_sub(u64::from(k.weight));
                here
            })
            .expect("the weights add up to weights_total");
        self.of_kind(kind, None, &mut rng)
    }

    /// A question of one kind, for looking at it and for per-kind scores.
    pub fn question_of(&self, kind: &str, index: u64) -> Option<Question> {
        let kind = self.kinds.iter().find(|k| k.name == kind)?;
        Some(self.of_kind(kind, None, &mut Rng::new(self.seed, self.split, index)))
    }

    /// A question in the words of one line of [`Generator::lines`].
    pub fn question_in(&self, (kind, line): (usize, usize), index: u64) -> Option<Question> {
        let kind = self.kinds.get(kind)?;
        Some(self.of_kind(kind, Some(line), &mut Rng::new(self.seed, self.split, index)))
    }

    fn of_kind(&self, kind: &Kind, line: Option<usize>, rng: &mut Rng) -> Question {
        let draw = (kind.draw)(rng);
        let text = self.wordings.write(kind, line, &draw, rng);
        Question {
            kind: kind.name.to_owned(),
            text,
            answer: draw.answer,
            needs_python: draw.steps.iter().any(|step| step.code().is_some()),
            steps: draw.steps,
            think: draw.think,
            reply: draw.reply,
            offer: draw.offer,
        }
    }
}
