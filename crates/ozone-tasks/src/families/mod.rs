//! The kinds, one file per group of families, and the wordings that belong to them.

mod lists;
mod numbers;
mod quantities;
mod world;

use crate::Kind;

/// Every kind.
pub fn all() -> Vec<Kind> {
    let mut kinds = numbers::kinds();
    kinds.extend(quantities::kinds());
    kinds.extend(lists::kinds());
    kinds.extend(world::kinds());
    kinds
}

macro_rules! texts {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../", $file)))),*] };
}

pub(crate) const TRAIN_WORDINGS: &[(&str, &str)] = texts![
    "wordings/around.txt",
    "wordings/arithmetic.txt",
    "wordings/percent.txt",
    "wordings/equation.txt",
    "wordings/story.txt",
    "wordings/unit.txt",
    "wordings/money.txt",
    "wordings/number.txt",
    "wordings/base.txt",
    "wordings/counting.txt",
    "wordings/list.txt",
    "wordings/word.txt",
    "wordings/date.txt",
    "wordings/table.txt",
    "wordings/steps.txt",
    "wordings/chat.txt",
    "wordings/beyond.txt",
    "wordings/tool.txt",
];

pub(crate) const HELD_OUT_WORDINGS: &[(&str, &str)] = texts![
    "heldout/around.txt",
    "heldout/arithmetic.txt",
    "heldout/percent.txt",
    "heldout/equation.txt",
    "heldout/story.txt",
    "heldout/unit.txt",
    "heldout/money.txt",
    "heldout/number.txt",
    "heldout/base.txt",
    "heldout/counting.txt",
    "heldout/list.txt",
    "heldout/word.txt",
    "heldout/date.txt",
    "heldout/table.txt",
    "heldout/steps.txt",
    "heldout/chat.txt",
    "heldout/beyond.txt",
    "heldout/tool.txt",
];
