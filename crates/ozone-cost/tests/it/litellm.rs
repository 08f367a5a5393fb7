//! LiteLLM's price map. The entries are of version 1.109.1, shortened.

use ozone_cost::litellm::{Imported, import};
use ozone_cost::{Facts, Meter, PriceBook, Tokens, ToolUse};
use proptest::prelude::*;

use crate::support::at;

const DAY: &str = "2026-11-22";

fn imported(entries: &str) -> (Imported, PriceBook) {
    let imported = import(&format!("{{{entries}}}"), DAY).unwrap();
    let book = PriceBook::default().with("map.toml", &imported.to_toml().unwrap()).unwrap();
    (imported, book)
}

fn cost(book: &PriceBook, facts: Facts, instant: &str) -> String {
    let priced = book.price(&facts, at(instant));
    match priced.total {
        Some(total) => total.to_string(),
        None => priced.unknown.iter().map(|u| u.to_string()).collect::<Vec<_>>().join("; "),
    }
}

fn million(meters: &[Meter]) -> Tokens {
    meters.iter().fold(Tokens::default(), |tokens, meter| tokens.with(*meter, 1_000_000))
}

#[test]
fn service_tiers_become_rows() {
    let (imported, book) = imported(
        r#""o3": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 200000,
        "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06,
        "cache_read_input_token_cost": 5e-07, "input_cost_per_token_flex": 1e-06,
        "output_cost_per_token_flex": 4e-06, "cache_read_input_token_cost_flex": 2.5e-07,
        "input_cost_per_token_batches": 1e-06, "output_cost_per_token_batches": 4e-06,
        "cache_read_input_token_cost_priority": 8.75e-07, "input_cost_per_token_priority": 3.5e-06,
        "output_cost_per_token_priority": 1.4e-05, "deprecation_date": "2026-12-11",
        "search_context_cost_per_query": {"search_context_size_low": 0.01,
        "search_context_size_medium": 0.01, "search_context_size_high": 0.01}}"#,
    );
    assert_eq!(imported.notes, [] as [&str; 0]);
    let facts = || {
        let tokens = Tokens::default().with(Meter::Input, 4_000).with(Meter::Output, 2_500);
        Facts::new("openai", "o3", tokens.with(Meter::CachedInput, 6_000))
    };
    assert_eq!(cost(&book, facts(), DAY), "0.031");
    assert_eq!(cost(&book, facts().at_tier("flex"), DAY), "0.0155");
    assert_eq!(cost(&book, facts().at_tier("priority"), DAY), "0.05425");
    assert!(cost(&book, facts().at_tier("batch"), DAY).contains("no price for cached_input"));
    assert_eq!(cost(&book, facts().with_tools([ToolUse::new("web_search", 3)]), DAY), "0.061");
    // The map has no dates: it says nothing of the day before.
    assert!(cost(&book, facts(), "2026-11-21").contains("no price for `o3` on"));
    assert_eq!(imported.file.price[0].deprecated_on.as_deref(), Some("2026-12-11"));
}

#[test]
fn long_prompts_and_lifetimes_keep_their_prices() {
    let (imported, book) = imported(
        r#""c": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05, "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06, "cache_read_input_token_cost": 3e-07,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "output_cost_per_token_above_200k_tokens": 2.25e-05,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        "cache_creation_input_audio_token_cost_above_200k_tokens": 1e-06,
        "provider_specific_entry": {"us": 1.1, "fast": 6.0}}"#,
    );
    let facts = |meters: &[Meter]| Facts::new("anthropic", "c", million(meters));
    assert_eq!(cost(&book, facts(&[Meter::CacheWrite1h]), DAY), "12");
    assert_eq!(cost(&book, facts(&[Meter::Input, Meter::Output]), DAY), "28.5");
    // The map leaves the cached price of long prompts out: it stays what it is below.
    assert_eq!(cost(&book, facts(&[Meter::CachedInput]), DAY), "0.3");
    assert_eq!(cost(&book, facts(&[Meter::Input]).in_region("us"), DAY), "6.6");
    assert_eq!(
        imported.notes,
        [
            "c: `provider_specific_entry.fast` = 6.0 cannot be said",
            "c: `audio_cache_write` has a price above 200000 tokens (default) and none below: \
             left out"
        ]
    );
}

#[test]
fn ranges_are_exclusive_at_their_start() {
    let (imported, book) = imported(
        r#""q": {"litellm_provider": "dashscope", "tiered_pricing": [
        {"input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "range": [0, 256000.0]},
        {"input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06,
         "range": [256000.0, 1000000.0]}]}"#,
    );
    assert_eq!(imported.notes, [] as [&str; 0]);
    let facts = |n| Facts::new("", "q", Tokens::default().with(Meter::Input, n));
    assert_eq!(cost(&book, facts(256_000), DAY), "0.0128");
    assert_eq!(cost(&book, facts(256_001), DAY), "0.06400025");
    assert!(cost(&book, facts(1_000_001), DAY).contains("is sold for prompts up to 1000000"));
}

#[test]
fn off_peak_hours_and_free_searches_are_kept() {
    let (imported, book) = imported(
        r#""d": {"litellm_provider": "deepseek", "input_cost_per_token": 1.32e-06,
        "input_cost_per_token_cache_hit": 4.4e-08, "cache_read_input_token_cost": 4.4e-08,
        "output_cost_per_token": 3.96e-06, "off_peak_pricing": {
        "cache_read_input_token_cost": 2.2e-08, "input_cost_per_token": 6.6e-07,
        "output_cost_per_token": 1.98e-06, "windows": [
        {"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
        {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]},
        "search_context_cost_per_query": {"search_context_size_low": 0.03,
        "search_context_size_high": 0.05},
        "search_free_requests": {"count": 1500, "period": "day", "shared_group": "g"}}"#,
    );
    assert_eq!(imported.notes, [] as [&str; 0]);
    let facts = || Facts::new("", "d", million(&[Meter::Input]));
    assert_eq!(cost(&book, facts(), "2026-11-23T09:59:59Z"), "1.32");
    assert_eq!(cost(&book, facts(), "2026-11-23T10:00:00Z"), "0.66");
    assert_eq!(cost(&book, facts(), "2026-11-28T09:00:00Z"), "0.66");
    let search = |variant: Option<&str>, free_used| {
        let variant = variant.map(str::to_owned);
        Facts::new("deepseek", "d", Tokens::default()).with_tools([ToolUse {
            variant,
            free_used,
            ..ToolUse::new("web_search", 10)
        }])
    };
    assert_eq!(cost(&book, search(Some("high"), None), DAY), "0.5");
    assert_eq!(cost(&book, search(Some("low"), Some(1_495)), DAY), "0.15");
    assert!(cost(&book, search(None, None), DAY).contains("no price for the tool"));
}

#[test]
fn quantities_other_than_tokens_are_tools() {
    let (imported, book) = imported(
        r#""w": {"litellm_provider": "assemblyai", "input_cost_per_second": 3.333e-05,
        "output_cost_per_second": 0.0},
        "o": {"litellm_provider": "mistral", "ocr_cost_per_page": 0.001,
        "ocr_cost_per_page_batches": 0.0005},
        "i": {"litellm_provider": "azure", "input_cost_per_pixel": 2.0751953125e-09},
        "openai/container": {"litellm_provider": "openai", "code_interpreter_cost_per_session": 0.03}"#,
    );
    assert_eq!(imported.notes, [] as [&str; 0]);
    let used = |provider: &str, model: &str, tool: &str, units| {
        Facts::new(provider, model, Tokens::default()).with_tools([ToolUse::new(tool, units)])
    };
    assert_eq!(cost(&book, used("assemblyai", "w", "input_second", 60), DAY), "0.0019998");
    assert_eq!(cost(&book, used("mistral", "o", "ocr_page", 3), DAY), "0.003");
    assert_eq!(cost(&book, used("mistral", "o", "ocr_page", 3).at_tier("batch"), DAY), "0.0015");
    assert_eq!(cost(&book, used("azure", "i", "input_pixel", 1_048_576), DAY), "0.002176");
    assert_eq!(cost(&book, used("openai", "openai/container", "container", 1), DAY), "0.03");
}

#[test]
fn what_a_row_cannot_say_is_reported() {
    let (imported, _) = imported(
        r#""sample_spec": {"input_cost_per_token": "a number"},
        "x": {"litellm_provider": "p", "input_cost_per_token": -1e-06,
        "output_cost_per_token": 1e-06, "citation_cost_per_token": 2e-06,
        "input_dbu_cost_per_token": 1e-05, "guardrail_cost_per_unit": {"a": 1}},
        "y": {"input_cost_per_token": 1e-06},
        "z": 3"#,
    );
    assert_eq!(imported.models, 1);
    assert_eq!(
        imported.notes,
        [
            "x: `input_cost_per_token` = -1e-06 is no price",
            "x: `citation_cost_per_token` = 2e-06 cannot be said by a row",
            "x: `input_dbu_cost_per_token` = 1e-05 cannot be said by a row",
            "x: `guardrail_cost_per_unit` = {\"a\":\"1\"} cannot be said by a row",
            "y: it names no `litellm_provider`",
            "z: it is no object"
        ]
    );
}

#[test]
fn what_is_no_map_is_refused() {
    assert!(import("[]", DAY).is_err());
    assert!(import("{", DAY).is_err());
    let error = import("{}", "today").unwrap_err();
    assert_eq!(error.to_string(), "`today` is no date such as 2026-11-22");
}

proptest! {
    /// Any price of the map comes back to the last digit.
    #[test]
    fn a_price_is_the_number_that_was_written(digits in 1u64..1_000_000_000_000, exponent in 0i32..12) {
        let written = format!("{digits}e-{}", exponent + 12);
        let (imported, book) = imported(&format!(
            r#""m": {{"litellm_provider": "p", "output_cost_per_token": {written}}}"#
        ));
        prop_assert_eq!(imported.notes.len(), 0);
        let facts = Facts::new("p", "m", Tokens::default().with(Meter::Output, 1));
        let exact = format!("{digits:0>40}");
        let (whole, fraction) = exact.split_at(40 - (exponent as usize + 12));
        let exact = format!("{}.{fraction}", whole.trim_start_matches('0'));
        let exact = exact.trim_end_matches('0').trim_end_matches('.');
        let exact = if exact.starts_with('.') { format!("0{exact}") } else { exact.to_owned() };
        prop_assert_eq!(cost(&book, facts, DAY), if exact.is_empty() { "0".into() } else { exact });
    }

    /// Any object of any fields is imported without a panic, into rows that a book takes.
    #[test]
    fn any_entry_gives_rows_that_hold(
        fields in prop::collection::vec(
            ("(in|out)put_cost_per_(token|second|image)(_above_[0-9]{1,3}k_tokens)?(_flex|_batches)?",
             prop_oneof![Just("1e-6"), Just("-1"), Just("\"x\""), Just("null"), Just("1e300"), Just("0")]),
            0..8,
        )
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let fields: String = fields
            .iter()
            .filter(|(name, _)| seen.insert(name.clone()))
            .map(|(name, value)| format!(", \"{name}\": {value}"))
            .collect();
        imported(&format!("\"m\": {{\"litellm_provider\": \"p\"{fields}}}"));
    }
}
