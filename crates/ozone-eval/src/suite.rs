//! Which questions are asked: the own families, or a set that the user has as a file.

use std::path::Path;

use ozone_tasks::{Generator, Offer, Rng, Split, WordingError};

use crate::problem::hash;
use crate::read::{self, Format, ReadError};
use crate::{Expected, Problem};

/// Families whose questions take several steps: what more thinking is measured on.
pub const HARD: &[&str] = &["steps", "story", "equation", "counting", "table"];

/// Kinds whose trace depends on a tool that fails, or on today's date: nobody can play them here.
pub const STAGED: &str = "tool/outside";

#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error(transparent)]
    Wording(#[from] WordingError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("no suite `{name}`; there are {known}")]
    Unknown { name: String, known: String },
    #[error("the suite {0} has no questions")]
    Empty(String),
}

/// Questions in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    pub name: String,
    pub problems: Vec<Problem>,
}

/// What is drawn from the own families.
#[derive(Debug, Clone)]
pub struct OwnQuestions {
    pub split: Split,
    pub seed: u64,
    pub count: usize,
    /// `ozone`, `hard`, families and kinds; empty is all.
    pub only: Vec<String>,
}

impl Suite {
    /// Questions of the own families, as a user would ask them: `only` keeps families and kinds.
    pub fn own(asked: &OwnQuestions) -> Result<Suite, SuiteError> {
        let generator = Generator::new(asked.split, asked.seed)?;
        let names: Vec<&str> = generator.kinds().iter().map(|k| k.name).collect();
        let mut kept: Vec<&str> = vec![];
        for name in &asked.only {
            let found: Vec<&str> =
                names.iter().copied().filter(|kind| covers(name, kind)).collect();
            if found.is_empty() {
                return Err(SuiteError::Unknown { name: name.clone(), known: known(&names) });
            }
            kept.extend(found);
        }
        let is_asked = |kind: &str| {
            !kind.starts_with(STAGED) && (asked.only.is_empty() || kept.contains(&kind))
        };
        if !names.iter().any(|kind| is_asked(kind)) {
            return Err(SuiteError::Empty(asked.only.join(",")));
        }
        let drawn = (0u64..).map(|index| (index, generator.question(index)));
        let problems = drawn
            .filter(|(_, q)| is_asked(&q.kind))
            .take(asked.count)
            .map(|(index, q)| Problem {
                id: format!("{}#{index}", q.kind),
                kind: q.kind,
                text: q.text,
                expected: Expected::Own(q.answer),
                needs_python: Some(q.needs_python),
                offer: q.offer,
                picture: None,
            })
            .collect();
        let split = match asked.split {
            Split::HeldOut => "",
            Split::Known => " known wordings",
            Split::Train => " training",
        };
        let name = if asked.only.is_empty() { "ozone".into() } else { asked.only.join(",") };
        Ok(Suite { name: format!("{name}{split}"), problems })
    }

    /// A public set, or questions of the user's own, from a file or a folder.
    pub fn read(format: Format, path: &Path) -> Result<Suite, SuiteError> {
        let problems = read::read(format, path)?;
        if problems.is_empty() {
            return Err(SuiteError::Empty(path.display().to_string()));
        }
        Ok(Suite { name: format.name().to_owned(), problems })
    }

    /// At most `count` questions, drawn by the seed, in their old order.
    pub fn limited(mut self, count: usize, seed: u64) -> Suite {
        let mut order: Vec<usize> = (0..self.problems.len()).collect();
        Rng::new(seed, Split::HeldOut, 0).shuffle(&mut order);
        order.truncate(count);
        order.sort_unstable();
        let mut kept = order.into_iter().peekable();
        let mut index = 0;
        self.problems.retain(|_| {
            let is_kept = kept.next_if_eq(&index).is_some();
            index += 1;
            is_kept
        });
        self
    }

    /// No question is offered a tool.
    pub fn without_tools(mut self) -> Suite {
        self.problems.iter_mut().for_each(|p| p.offer = Offer::Nothing);
        self
    }

    /// Of the questions and what makes their answers right.
    pub fn hash(&self) -> String {
        hash(&self.problems)
    }

    /// Replies can only be judged by running code.
    pub fn runs_code(&self) -> bool {
        self.problems.iter().any(|p| p.expected.runs_code())
    }
}

fn covers(name: &str, kind: &str) -> bool {
    let family = kind.split('/').next().unwrap_or(kind);
    match name {
        "ozone" => true,
        "hard" => HARD.contains(&family),
        _ => name == family || name == kind,
    }
}

fn known(kinds: &[&str]) -> String {
    let mut names = vec!["ozone", "hard"];
    for kind in kinds {
        let family = kind.split('/').next().unwrap_or(kind);
        if !names.contains(&family) {
            names.push(family);
        }
    }
    names.extend(Format::ALL.iter().map(|f| f.name()));
    format!("{}, and the kinds of a family, as steps/days-prime", names.join(", "))
}
