//! Budgets without a store.

use ozone_cost::{Amount, Budget, Facts, Meter, ModelPrice, Over, PriceBook, Standing, Tokens};
use proptest::prelude::*;

use crate::support::{at, in_and_out, price, today};

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn an_alert_is_due_once_when_its_share_is_reached() {
    let budget = Budget { alerts: vec![50, 80, 100], ..Budget::new("key:a", usd("10"), Over::Day) };
    assert_eq!(budget.alerts(usd("0"), usd("4.99")), [] as [u8; 0]);
    assert_eq!(budget.alerts(usd("4.99"), usd("5")), [50]);
    assert_eq!(budget.alerts(usd("5"), usd("7")), [] as [u8; 0]);
    assert_eq!(budget.alerts(usd("7"), usd("12")), [80, 100]);
}

#[test]
fn what_is_left_is_never_less_than_nothing() {
    let budget = Budget::new("key:a", usd("1"), Over::Ever);
    let standing = Standing { budget, spent: usd("0.8"), reserved: usd("0.7") };
    assert_eq!(standing.left(), Amount::ZERO);
}

#[test]
fn a_window_begins_where_its_calendar_says() {
    let instant = at("2028-02-29T13:14:15Z");
    assert_eq!(Over::Day.since(instant), at("2028-02-29"));
    assert_eq!(Over::Month.since(instant), at("2028-02-01"));
    assert_eq!(Over::Rolling(60).since(instant), instant - 59);
    assert_eq!(Over::Ever.since(instant), i64::MIN);
    assert!(Over::Rolling(i64::MAX).since(i64::MIN) <= i64::MIN + 1);
}

#[test]
fn a_sum_pays_for_so_long_an_answer() {
    let worst = PriceBook::built_in().worst_case(&in_and_out("o3", 0, 0), 10_000, today()).unwrap();
    assert_eq!(worst.amount(2_500), Some(usd("0.04")));
    assert_eq!(worst.output_tokens(usd("0.04")), Some(2_500));
    assert_eq!(worst.output_tokens(usd("0.039999")), Some(2_499));
    assert_eq!(worst.output_tokens(usd("0.02")), Some(0));
    assert_eq!(worst.output_tokens(usd("0.0199")), None);
    assert_eq!(ModelPrice::FREE.worst_case(10_000).output_tokens(Amount::ZERO), Some(u64::MAX));
    let unknown = PriceBook::built_in().worst_case(&in_and_out("x", 0, 0), 1, today());
    assert_eq!(unknown.unwrap_err().to_string(), "no price for the model `x`");
}

proptest! {
    /// No call costs more than its worst case, wherever its prompt came from.
    #[test]
    fn the_worst_case_is_the_worst(
        new in 0u64..200_000, cached in 0u64..200_000, written in 0u64..100_000,
        output in 0u64..50_000, thinking in 0u64..50_000, slack in 0u64..100_000
    ) {
        let tokens = Tokens::default()
            .with(Meter::Input, new)
            .with(Meter::CachedInput, cached)
            .with(Meter::Output, output)
            .with(Meter::ReasoningOutput, thinking);
        for model in ["o3", "gemini-2.5-pro", "claude-sonnet-4", "deepseek-v4-pro"] {
            let tokens = match model {
                "claude-sonnet-4" => tokens.with(Meter::CacheWrite, written),
                _ => tokens,
            };
            let facts = Facts::new("", model, tokens);
            let bound = tokens.prompt() + slack;
            let worst = PriceBook::built_in().worst_case(&facts, bound, today()).unwrap();
            let cost = price(&facts, today()).total.unwrap();
            prop_assert!(cost <= worst.amount(output + thinking).unwrap());
        }
    }
}
