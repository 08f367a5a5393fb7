//! Arithmetic, percentages and equations.

use crate::grade::number;
use crate::{Answer, Draw, Kind, Offer, Rng, Step, surface};

pub(super) fn kinds() -> Vec<Kind> {
    vec![Kind { name: "arithmetic/product", weight: 10, draw: product }]
}

/// `{a}` times `{b}`.
fn product(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.magnitude(5), rng.magnitude(5));
    let value = a * b;
    let think = match rng.below(3) {
        0 => format!("Multiply {a} by {b} with Python."),
        1 => format!("I need {a} times {b}. Python will be exact."),
        _ => format!("{a} * {b}: too large to do in my head, so I call Python."),
    };
    Draw {
        slots: vec![("a", surface::integer(a, rng)), ("b", surface::integer(b, rng))],
        answer: Answer::Values(vec![number(value)]),
        steps: vec![Step::new(think, format!("print({a} * {b})"), value.to_string())],
        think: String::new(),
        reply: match rng.below(3) {
            0 => format!("{a} times {b} is **{value}**."),
            1 => format!("The product is **{value}**."),
            _ => format!("{a} × {b} = **{value}**"),
        },
        offer: Offer::Python,
    }
}
