//! How long pricing one response takes, as one line of JSON.
//!
//! `cargo run --release -p ozone-cost --example price_bench`

use std::hint::black_box;
use std::time::Instant;

use ozone_cost::{Facts, Meter, PriceBook, Tokens, ToolUse, parse_instant};

const ROUNDS: u32 = 200_000;
const RUNS: usize = 7;

fn main() {
    let book = PriceBook::built_in();
    let at = parse_instant("2026-11-22").expect("it is a date");
    let tokens = Tokens::default()
        .with(Meter::Input, 4_000)
        .with(Meter::CachedInput, 6_000)
        .with(Meter::Output, 500)
        .with(Meter::ReasoningOutput, 2_000);
    let tools = [
        ToolUse::new("web_search", 3),
        ToolUse::new("file_search", 1),
        ToolUse::new("container", 1),
    ];
    let plain = Facts::new("openai", "o3", tokens);
    let windowed = Facts::new("deepseek", "deepseek-v4-pro", tokens);
    let with_tools = plain.clone().with_tools(tools);
    let cases = [("o3", &plain), ("o3_with_three_tools", &with_tools), ("windows", &windowed)];
    let results: serde_json::Map<String, serde_json::Value> = cases
        .into_iter()
        .map(|(name, facts)| (format!("{name}_ns"), nanoseconds(&book, facts, at).into()))
        .collect();
    println!("{}", serde_json::Value::Object(results));
}

/// The median of several runs, for one pricing.
fn nanoseconds(book: &PriceBook, facts: &Facts, at: i64) -> u64 {
    let mut runs: Vec<u64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..ROUNDS {
                black_box(book.price(black_box(facts), black_box(at)));
            }
            (started.elapsed().as_nanos() / u128::from(ROUNDS)) as u64
        })
        .collect();
    runs.sort_unstable();
    runs[RUNS / 2]
}
