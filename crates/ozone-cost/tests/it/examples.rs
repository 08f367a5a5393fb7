//! The worked examples of the specification, to the last digit.

use ozone_cost::{Amount, Facts, Meter, ToolUse};

use crate::support::{at, in_and_out, price, ten_thousand_in, today, tokens, total};

#[test]
fn t1_o3_with_cached_input() {
    assert_eq!(total(&ten_thousand_in("o3"), today()), "0.031");
}

#[test]
fn t2_before_the_cut_it_was_five_times_as_much() {
    assert_eq!(total(&ten_thousand_in("o3"), at("2025-06-10") - 1), "0.155");
    assert_eq!(total(&ten_thousand_in("o3"), at("2025-06-10")), "0.031");
}

#[test]
fn t3_flex_and_priority_are_rows_of_their_own() {
    assert_eq!(total(&ten_thousand_in("o3").at_tier("flex"), today()), "0.0155");
    assert_eq!(total(&ten_thousand_in("o3").at_tier("priority"), today()), "0.05425");
}

#[test]
fn t4_o3_pro_is_ten_times_o3() {
    assert_eq!(total(&in_and_out("o3-pro", 10_000, 2_500), today()), "0.4");
    assert_eq!(total(&in_and_out("o3", 10_000, 2_500), today()), "0.04");
}

#[test]
fn t5_tools_are_counted_by_call_and_by_container() {
    let tools = [
        ToolUse::new("web_search", 3),
        ToolUse::new("file_search", 1),
        ToolUse::new("container", 1),
    ];
    assert_eq!(total(&ten_thousand_in("o3").with_tools(tools.clone()), today()), "0.0935");
    // The steps at which a peer went wrong.
    let with =
        |tools: &[ToolUse]| total(&ten_thousand_in("o3").with_tools(tools.to_vec()), today());
    assert_eq!(with(&tools[..1]), "0.061");
    assert_eq!(with(&[ToolUse::new("file_search", 2)]), "0.036");
    assert_eq!(with(&tools[..2]), "0.0635");
    assert_eq!(with(&tools[2..]), "0.061");
}

#[test]
fn t6_t7_t8_a_long_prompt_reprices_every_token() {
    assert_eq!(total(&in_and_out("gemini-2.5-pro", 200_000, 1_000), today()), "0.26");
    assert_eq!(total(&in_and_out("gemini-2.5-pro", 200_001, 1_000), today()), "0.5150025");
    assert_eq!(total(&in_and_out("gemini-2.5-pro", 300_000, 2_000), today()), "0.78");
}

#[test]
fn t10_cache_writes_by_lifetime_and_batches() {
    let facts = |write: Meter| {
        let counts = [
            (Meter::Input, 2_000),
            (write, 50_000),
            (Meter::CachedInput, 100_000),
            (Meter::Output, 3_000),
        ];
        Facts::new("anthropic", "claude-opus-4-20250514", tokens(&counts))
    };
    assert_eq!(total(&facts(Meter::CacheWrite), today()), "1.3425");
    assert_eq!(total(&facts(Meter::CacheWrite).at_tier("batch"), today()), "0.67125");
    assert_eq!(total(&facts(Meter::CacheWrite1h), today()), "1.905");
}

/// The announcement's suite: what o3, Gemini 2.5 Pro and Claude Sonnet 4 came to, of calls that add
/// up to those sums at the prices of the day.
#[test]
fn t13_a_suite_keeps_its_order_and_its_ratios() {
    let sum = |model: &str, calls: usize, input: u64, output: u64, day: &str| -> Amount {
        let facts = in_and_out(model, input, output);
        (0..calls).map(|_| price(&facts, at(day)).total.unwrap()).sum()
    };
    let o3 = sum("o3", 300, 50_000, 150_000, "2025-06-20");
    let gemini = sum("gemini-2.5-pro", 400, 100_000, 230_250, "2025-06-20");
    let sonnet = sum("claude-sonnet-4", 300, 80_000, 60_000, "2025-06-20");
    assert_eq!([o3, gemini, sonnet].map(|sum| sum.to_string()), ["390", "971", "342"]);
    assert!(sonnet < o3 && o3 < gemini);
    let ratio = |a: Amount, b: Amount| format!("{:.3}", a.approximately() / b.approximately());
    assert_eq!(ratio(gemini, o3), "2.490");
    assert_eq!(ratio(sonnet, o3), "0.877");
    assert_eq!(sum("o3", 300, 50_000, 150_000, "2025-06-09").to_string(), "1950");
}
