//! The kinds, one file per group of families, and the wordings that belong to them.

mod lists;
mod numbers;
mod pictures;
mod quantities;
mod world;

pub use pictures::CANNOT_SEE;

use crate::{Kind, Split};

macro_rules! texts {
    ($($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!("../../", $file)))),*] };
}

/// How many times more often than its weight says a common kind is drawn.
const COMMON_FACTOR: u32 = 4;
/// Small talk and questions beyond the model's world are few kinds of many forms.
const TALK_FACTOR: u32 = 3;

/// What people ask most.
#[rustfmt::skip]
pub const COMMON: &[&str] = &[
    "arithmetic/add", "arithmetic/subtract", "arithmetic/product", "arithmetic/divide",
    "arithmetic/divmod", "arithmetic/remainder", "arithmetic/sum", "arithmetic/power",
    "arithmetic/square", "arithmetic/sqrt", "arithmetic/expression", "arithmetic/worded",
    "arithmetic/easy", "arithmetic/factorial", "arithmetic/largest", "arithmetic/average",
    "arithmetic/fraction", "arithmetic/fraction_sum", "arithmetic/fraction_of", "percent/of",
    "percent/what", "percent/increase", "percent/decrease", "percent/change", "percent/whole",
    "equation/linear", "equation/both_sides", "equation/quadratic", "equation/system",
    "equation/think_of", "story/buy", "story/groups", "story/share", "story/left_over",
    "story/boxes", "story/gain_lose", "story/difference", "story/add_up", "story/distance",
    "story/travel_time", "story/speed", "story/area", "story/perimeter", "story/times_as_many",
    "story/more", "story/ratio", "unit/convert", "unit/length", "unit/mass", "unit/volume",
    "unit/time", "unit/temperature", "unit/compound", "unit/split", "unit/speed",
    "money/discount", "money/with_tax", "money/tip", "money/split", "money/simple_interest",
    "money/compound", "money/change", "money/exchange", "money/wage", "word/length",
    "word/count_letter", "word/reverse", "word/vowels", "word/sort", "word/longest",
    "word/nth_letter", "word/palindrome", "word/word_count", "list/sum", "list/mean",
    "list/median", "list/mode", "list/range", "list/min", "list/max", "list/sort",
    "list/count_above", "list/next_term", "list/sum_range", "list/stdev", "number/gcd",
    "number/lcm", "number/prime", "number/next_prime", "number/nth_prime", "number/count_primes",
    "number/factorisation", "number/divisors", "number/divisor_count", "number/digit_sum",
    "number/divisible", "number/fibonacci", "number/list_primes", "base/to_binary", "base/to_hex",
    "base/from_binary", "base/from_hex", "base/to_octal", "base/to_roman", "base/from_roman",
    "counting/arrangements", "counting/choose", "counting/permutations",
    "counting/letter_arrangements", "counting/handshakes", "counting/passwords",
    "counting/dice_sum", "counting/heads_exactly", "date/between", "date/until", "date/weekday",
    "date/add-days", "date/subtract-days", "date/add-weeks", "date/leap", "date/days-in-month",
    "date/day-of-year", "date/age", "date/clock-add", "date/duration", "table/total",
    "table/mean", "table/largest", "table/smallest", "table/difference", "table/count-above",
    "table/bill", "table/column-total", "steps/days-prime", "steps/days-even",
    "steps/days-divisible", "steps/days-factors", "steps/days-then", "steps/product-then",
    "steps/sum-then", "steps/date-weekday", "steps/gcd-lcm", "steps/then-prime",
    "steps/length-then",
];

/// Every kind.
pub fn all() -> Vec<Kind> {
    let mut kinds = numbers::kinds();
    kinds.extend(quantities::kinds());
    kinds.extend(lists::kinds());
    kinds.extend(world::kinds());
    for kind in &mut kinds {
        if COMMON.contains(&kind.name) {
            kind.weight *= COMMON_FACTOR;
        } else if matches!(kind.family(), "chat" | "beyond") {
            kind.weight *= TALK_FACTOR;
        }
    }
    kinds
}

/// The kinds that ask about pictures. They are no part of [`all`]: what was measured on those stays
/// comparable.
pub fn pictures() -> Vec<Kind> {
    pictures::kinds()
}

pub(crate) fn wordings(split: Split) -> &'static [(&'static str, &'static str)] {
    match split {
        Split::Train | Split::Known => TRAIN_WORDINGS,
        Split::HeldOut => HELD_OUT_WORDINGS,
    }
}

pub(crate) fn picture_wordings(split: Split) -> &'static [(&'static str, &'static str)] {
    match split {
        Split::Train | Split::Known => {
            texts!["wordings/around.txt", "wordings/picture.txt"]
        }
        Split::HeldOut => texts!["heldout/around.txt", "heldout/picture.txt"],
    }
}

const TRAIN_WORDINGS: &[(&str, &str)] = texts![
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

const HELD_OUT_WORDINGS: &[(&str, &str)] = texts![
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
