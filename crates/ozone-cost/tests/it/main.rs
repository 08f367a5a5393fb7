//! Money as a user of the crate sees it.

use ozone_cost::{ModelPrice, PicoUsd, Price};
use ozone_types::Usage;
use proptest::prelude::*;

fn price(input: &str, cached: Option<&str>, output: &str) -> ModelPrice {
    ModelPrice {
        input_per_million: input.parse().unwrap(),
        cached_input_per_million: cached.map(|c| c.parse().unwrap()),
        output_per_million: output.parse().unwrap(),
    }
}

/// o3's list price of June 2025, 4,000 uncached and 6,000 cached input tokens, 2,500 out.
#[test]
fn cached_input_has_its_own_price() {
    let usage = Usage::of_sample(10_000, 6_000, 2_500, 2_000);
    assert_eq!(price("2", Some("0.50"), "8").cost(&usage).to_string(), "0.031");
    assert_eq!(price("1", Some("0.25"), "4").cost(&usage).to_string(), "0.0155");
    assert_eq!(price("3.5", Some("0.875"), "14").cost(&usage).to_string(), "0.05425");
}

#[test]
fn without_a_cached_price_cached_input_costs_as_input() {
    let usage = Usage::of_sample(10_000, 6_000, 2_500, 0);
    assert_eq!(price("20", None, "80").cost(&usage).to_string(), "0.4");
}

#[test]
fn what_is_no_price_is_refused() {
    for text in ["", ".", "-1", "1e3", "1,10", "$2", "0.0000001", "99999999999999999999"] {
        assert!(text.parse::<Price>().is_err(), "{text}");
    }
}

proptest! {
    /// The price before the cut was five times the price after it, for any usage, exactly.
    #[test]
    fn five_times_the_price_is_five_times_the_cost(
        input in 0u64..1 << 40, cached in 0u64..1 << 40, output in 0u64..1 << 40
    ) {
        let usage = Usage::of_sample(input, cached, output, 0);
        let after = price("2", Some("0.5"), "8").cost(&usage);
        let before = price("10", Some("2.5"), "40").cost(&usage);
        prop_assert_eq!(before, PicoUsd(after.0 * 5));
    }

    #[test]
    fn parts_sum_to_the_whole(amounts in prop::collection::vec(0u64.., 0..50)) {
        let sum: PicoUsd = amounts.iter().map(|a| PicoUsd(u128::from(*a))).sum();
        prop_assert_eq!(sum.0, amounts.iter().map(|a| u128::from(*a)).sum::<u128>());
    }
}
