//! Amounts and prices by themselves.

use ozone_cost::{Amount, ModelPrice, Price};
use ozone_types::Usage;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn what_is_no_price_is_refused() {
    for text in
        ["", ".", "5.", "-1", "1e3", "1,10", "$2", " 2", "+2", "0.0000000000000000001", "2 "]
    {
        assert!(Price::per_million(text).is_err(), "{text:?}");
    }
    assert!(Price::per_unit("99999999999999999999999999").is_err());
}

#[test]
fn an_amount_reads_back_as_it_was_written() {
    for text in ["0", "0.0155", "1950", "-3.25", "0.000000000000000000000001"] {
        assert_eq!(amount(text).to_string(), text);
        let json = serde_json::to_string(&amount(text)).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount(text));
    }
}

#[test]
fn rounding_is_half_to_even_and_once() {
    for (text, decimals, rounded) in [
        ("0.0155", 2, "0.02"),
        ("0.025", 2, "0.02"),
        ("0.035", 2, "0.04"),
        ("0.02500000000001", 2, "0.03"),
        ("-0.025", 2, "-0.02"),
        ("2.5", 0, "2"),
        ("3.5", 0, "4"),
        ("-0.001", 2, "0.00"),
        ("1", 4, "1.0000"),
    ] {
        assert_eq!(amount(text).to_fixed(decimals), rounded, "{text}");
    }
}

#[test]
fn limits_are_rounded_against_the_spender() {
    assert_eq!(amount("0.0000000001").nano_rounded_up(), 1);
    assert_eq!(amount("0.000000001").nano_rounded_up(), 1);
    assert_eq!(amount("-0.0000000001").nano_rounded_up(), 0);
    assert_eq!(Amount::from_nano(31_000_000).to_string(), "0.031");
}

/// A float would give 0.500000000003959.
#[test]
fn a_million_lines_add_up_exactly() {
    let line = amount("0.0000005");
    let sum: Amount = std::iter::repeat_n(line, 1_000_000).sum();
    assert_eq!(sum.to_string(), "0.5");
}

#[test]
fn a_count_beyond_all_reason_has_no_amount() {
    assert_eq!(Price::per_unit("1").unwrap().of(u64::MAX), None);
    assert!(Price::per_million("40").unwrap().of(1 << 40).is_some());
}

#[test]
fn a_users_own_price_needs_three_numbers_at_most() {
    let price: ModelPrice = serde_json::from_str(
        r#"{"input_per_million": "2", "cached_input_per_million": "0.50", "output_per_million": "8"}"#,
    )
    .unwrap();
    let usage = Usage::of_sample(10_000, 6_000, 2_500, 2_000);
    assert_eq!(price.cost(&usage).to_string(), "0.031");
    let plain: ModelPrice =
        serde_json::from_str(r#"{"input_per_million": "20", "output_per_million": "80"}"#).unwrap();
    assert_eq!(plain.cost(&usage).to_string(), "0.4");
    assert!(ModelPrice::FREE.cost(&usage).is_zero());
    let float = r#"{"input_per_million": 2.0, "output_per_million": "8"}"#;
    assert!(serde_json::from_str::<ModelPrice>(float).is_err(), "a float is no exact price");
}
