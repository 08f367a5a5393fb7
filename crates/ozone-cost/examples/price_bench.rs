//! How long pricing one response takes, as one line of JSON in nanoseconds.
//!
//! `cargo run --release -p ozone-cost --example price_bench`
//!
//! The time is the processor's for this thread where the system tells it (Linux), so that other
//! programs on a busy machine do not count; `clock` says which it was.

use std::hint::black_box;
use std::time::Instant;

use ozone_cost::{
    Facts, Kind, LedgerLine, Meter, PriceBook, Tokens, ToolUse, parse_instant, response,
};
use ozone_types::Usage;

const ROUNDS: u32 = 100_000;
const RUNS: usize = 9;

fn main() {
    let book = PriceBook::built_in();
    let at = parse_instant("2026-11-22").expect("it is a date");
    let tokens = Tokens::default()
        .with(Meter::Input, 4_000)
        .with(Meter::CachedInput, 6_000)
        .with(Meter::Output, 500)
        .with(Meter::ReasoningOutput, 2_000);
    let tools = || {
        [
            ToolUse::new("web_search", 3),
            ToolUse::new("file_search", 1),
            ToolUse::new("container", 1),
        ]
    };
    let plain = Facts::new("openai", "o3", tokens);
    let windowed = Facts::new("deepseek", "deepseek-v4-pro", tokens);
    let with_tools = plain.clone().with_tools(tools());
    let usage = Usage::of_sample(10_000, 6_000, 2_500, 2_000);
    let ledger_line = || {
        let facts = response("openai", "o3", black_box(&usage)).with_tools(tools());
        let call = LedgerLine::model_call(1);
        LedgerLine::new("resp_1", call, Kind::Model, "o3", at).priced(&book, facts)
    };
    let report = serde_json::json!({
        "tokens_ns": nanoseconds(|| book.price(black_box(&plain), at)),
        "tokens_and_three_tools_ns": nanoseconds(|| book.price(black_box(&with_tools), at)),
        "hours_of_the_day_ns": nanoseconds(|| book.price(black_box(&windowed), at)),
        "usage_to_ledger_line_ns": nanoseconds(ledger_line),
        "clock": if on_processor().is_some() { "processor" } else { "wall" },
    });
    println!("{report}");
}

/// The median of several runs, for one call.
fn nanoseconds<T>(call: impl Fn() -> T) -> u64 {
    let mut runs: Vec<u64> = (0..RUNS)
        .map(|_| {
            let (started, before) = (Instant::now(), on_processor());
            for _ in 0..ROUNDS {
                black_box(call());
            }
            let taken = match before.zip(on_processor()) {
                Some((before, after)) => after - before,
                None => started.elapsed().as_nanos() as u64,
            };
            taken / u64::from(ROUNDS)
        })
        .collect();
    runs.sort_unstable();
    runs[RUNS / 2]
}

/// Nanoseconds that this thread has run so far: the first field of schedstat (proc(5)).
fn on_processor() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().filter(|ns| *ns > 0)
}
