//! Number theory, bases, counting, lists and statistics, letters and words.
//!
//! The code of a kind has one shape, whatever the wording; the reply only copies what it printed.

mod base;
mod chance;
mod counting;
mod digits;
mod list;
mod number;
mod numbers;
mod sequence;
mod spelling;
mod vocabulary;
mod word;

use crate::grade::{number, text};
use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = word::kinds();
    kinds.extend(spelling::kinds());
    kinds.extend(list::kinds());
    kinds.extend(number::kinds());
    kinds.extend(base::kinds());
    kinds.extend(counting::kinds());
    kinds
}

type Slots = Vec<(&'static str, String)>;

/// A question that one call answers. Each `@` in a reply stands for the next bold value, and the
/// values are `shown` as they were printed.
fn call<const T: usize, const R: usize>(
    slots: Slots,
    thoughts: [String; T],
    code: String,
    output: String,
    values: Vec<(Value, String)>,
    replies: [String; R],
    rng: &mut Rng,
) -> Draw {
    let mut reply = rng.pick(&replies).clone();
    let mut answer = vec![];
    for (value, shown) in values {
        reply = reply.replacen('@', &format!("**{shown}**"), 1);
        answer.push(value);
    }
    Draw {
        slots,
        answer: Answer::Values(answer),
        steps: vec![Step::new(rng.pick(&thoughts).clone(), code, output)],
        think: String::new(),
        reply,
        offer: Offer::Python,
    }
}

/// One whole number that is printed.
fn count<const T: usize, const R: usize>(
    slots: Slots,
    thoughts: [String; T],
    code: String,
    n: impl std::fmt::Display,
    replies: [String; R],
    rng: &mut Rng,
) -> Draw {
    let n = n.to_string();
    call(slots, thoughts, code, n.clone(), vec![(number(&n), n)], replies, rng)
}

/// One text that is printed.
fn words<const T: usize, const R: usize>(
    slots: Slots,
    thoughts: [String; T],
    code: String,
    t: String,
    replies: [String; R],
    rng: &mut Rng,
) -> Draw {
    call(slots, thoughts, code, t.clone(), vec![(text(&t), t)], replies, rng)
}

/// `True` or `False` is printed; the reply says yes or no, and `yes` or `no` with its reason.
fn decide<const T: usize>(
    slots: Slots,
    thoughts: [String; T],
    code: String,
    b: bool,
    yes: String,
    no: String,
    rng: &mut Rng,
) -> Draw {
    let (word, lower, reason) = if b { ("Yes", "yes", yes) } else { ("No", "no", no) };
    let output = crate::python::boolean(b).to_owned();
    let replies = [format!("@, {reason}."), format!("@: {reason}.")];
    call(slots, thoughts, code, output, vec![(text(lower), word.to_owned())], replies, rng)
}

/// `name weight function` for each kind.
macro_rules! kind_table {
    ($($name:literal $weight:literal $draw:path),* $(,)?) => {
        vec![$(crate::Kind { name: $name, weight: $weight, draw: $draw }),*]
    };
}
use kind_table;
