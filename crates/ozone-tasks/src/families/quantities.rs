//! Word problems, units and money.
//!
//! A kind here names its slots, its thought, its one line of code and its replies; what Python
//! prints is worked out from the code (`expr`), and the answer from what is printed.

mod expr;
mod money;
mod story;
mod unit;
mod words;

use crate::grade::{number, text};
use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = story::kinds();
    kinds.extend(unit::kinds());
    kinds.extend(money::kinds());
    kinds
}

/// A draw before its program was run.
struct Spec {
    slots: Vec<(&'static str, String)>,
    thoughts: Vec<String>,
    code: String,
    /// Each `@` stands for the next value that is printed.
    replies: Vec<String>,
}

fn spec<const S: usize, const T: usize, const R: usize>(
    slots: [(&'static str, String); S],
    thoughts: [String; T],
    code: String,
    replies: [String; R],
) -> Spec {
    Spec { slots: slots.into(), thoughts: thoughts.into(), code, replies: replies.into() }
}

/// Draws until the answer does not hang on the last bit of a float.
fn settled(rng: &mut Rng, draw: fn(&mut Rng) -> Spec) -> Draw {
    loop {
        let spec = draw(rng);
        let printed = expr::run(&spec.code);
        if printed.tie {
            continue;
        }
        let mut reply = rng.pick(&spec.replies).clone();
        for (value, _) in &printed.values {
            reply = reply.replacen('@', value, 1);
        }
        let values = printed.values.into_iter().map(|(value, sort)| match sort {
            expr::Sort::Whole => number(value),
            expr::Sort::Decimal if value.ends_with(".0") => number(value),
            expr::Sort::Decimal => Value::Rounded(value),
            expr::Sort::Words => text(value),
        });
        return Draw {
            answer: Answer::Values(values.collect()),
            steps: vec![Step::new(rng.pick(&spec.thoughts).clone(), spec.code, printed.line)],
            slots: spec.slots,
            think: String::new(),
            reply,
            offer: Offer::Python,
        };
    }
}

/// `name weight function` for each kind.
macro_rules! table {
    ($($name:literal $weight:literal $draw:path),* $(,)?) => {
        vec![$(crate::Kind {
            name: $name,
            weight: $weight,
            draw: |rng| super::settled(rng, $draw),
        }),*]
    };
}
use table;

/// Money: two decimals, always.
fn cents(expression: &str) -> String {
    format!("print(f'{{{expression}:.2f}}')")
}

/// A measure: at most `places` decimals.
fn rounded(expression: &str, places: u32) -> String {
    format!("print(round({expression}, {places}))")
}

fn print(expression: &str) -> String {
    format!("print({expression})")
}
