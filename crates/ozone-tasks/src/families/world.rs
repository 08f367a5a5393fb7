//! Dates and clocks, tables, questions in several steps, chat, what is beyond the model, and tools
//! that go wrong.

mod beyond;
mod chat;
mod date;
mod steps;
mod table;
mod tool;

use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = vec![];
    for more in [date::kinds, table::kinds, steps::kinds, chat::kinds, beyond::kinds, tool::kinds] {
        kinds.extend(more());
    }
    kinds
}

type Slots = Vec<(&'static str, String)>;

/// A question that one call answers.
fn call(slots: Slots, step: Step, values: Vec<Value>, reply: String) -> Draw {
    Draw {
        slots,
        answer: Answer::Values(values),
        steps: vec![step],
        think: String::new(),
        reply,
        offer: Offer::Python,
    }
}

/// A question that needs no tool.
fn plain(slots: Slots, think: impl Into<String>, answer: Answer, reply: String) -> Draw {
    Draw { slots, answer, steps: vec![], think: think.into(), reply, offer: Offer::Python }
}

fn either<const N: usize>(rng: &mut Rng, ways: [String; N]) -> String {
    rng.pick(&ways).clone()
}

fn yes_no(b: bool) -> &'static str {
    if b { "yes" } else { "no" }
}

/// `**Yes**` or `**No**`, for the beginning of a reply.
fn bold_yes_no(b: bool) -> &'static str {
    if b { "**Yes**" } else { "**No**" }
}
