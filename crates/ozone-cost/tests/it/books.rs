//! Books that are wrong are refused with file, row and reason; what a book does not say is unknown.

use ozone_cost::{Facts, Meter, PriceBook, ToolUse};

use crate::support::{
    at, book, in_and_out, price, row, ten_thousand_in, today, tokens, total, why,
};

fn refused(rows: &str) -> String {
    PriceBook::default().with("my.toml", rows).unwrap_err().to_string()
}

#[test]
fn a_wrong_row_is_named_with_its_file_line_and_reason() {
    let first = row("");
    let cases = [
        (row("rates = { input = \"-1\" }"), "`input`: `-1` is not a price"),
        (row("rates = { input = \"1e3\" }"), "`1e3` is not a price"),
        (row("rates = {}"), "`rates` is empty"),
        (row("models = []"), "`models` is empty"),
        (row("from = \"2025-02-29\""), "`from`: `2025-02-29` is no date"),
        (
            row("from = \"2025-02-01\"\nto = \"2025-02-01\""),
            "it ends (2025-02-01) before it begins",
        ),
        (row("currency = \"dollars\""), "`dollars` is no currency"),
        (row("source = \"\""), "`source` is empty"),
        (
            row("models = [\"x\", \"m\"]"),
            "it speaks of `m` at a time when p/m/default@2025-01-01 does",
        ),
        (row("regional = { eu = \"0\" }\nmodels = [\"n\"]"), "`regional.eu` is zero"),
        (
            row("models = [\"n\"]\n[[price.above]]\nprompt_tokens = 9\nrates = { input = \"2\" }"),
            "the tier above 9 tokens has no price for `output`",
        ),
        (
            row("models = [\"n\"]\n[[price.windows]]\nhours = [\"25:00-01:00\"]\n\
                 rates = { input = \"2\", output = \"2\" }"),
            "`25:00-01:00` are no hours",
        ),
        (
            row("models = [\"n\"]\n[[price.windows]]\nhours = [\"22:00-01:00\"]\nweekdays = [8]\n\
                 rates = { input = \"2\", output = \"2\" }"),
            "8 is no weekday",
        ),
    ];
    for (second, reason) in cases {
        let text = format!("{first}\n{second}");
        let error = refused(&text);
        let line = first.lines().count() + 2;
        assert!(error.starts_with(&format!("my.toml:{line}, [[price]] 2 (")), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn what_is_no_book_is_named_with_its_line() {
    let error = refused(&row("rates = { input = 2.0 }"));
    assert!(error.starts_with("my.toml:") && error.contains("expected a string"), "{error}");
    let error = refused(&row("rates = { inputs = \"2\" }"));
    assert!(error.contains("inputs"), "{error}");
    let error = refused(&row("colour = \"blue\""));
    assert!(error.contains("colour"), "{error}");
    let error = PriceBook::default().with("my.json", "{\n \"price\": 3\n}").unwrap_err();
    assert!(error.to_string().starts_with("my.json:2"), "{error}");
    assert!(PriceBook::default().with("empty.toml", "").unwrap().is_empty());
}

#[test]
fn wrong_tools_rates_and_machines_are_refused_too() {
    let rest = "from = \"2025-01-01\"\nsource = \"t\"\nchecked = \"2025-01-01\"\n";
    let tool = "[[tool]]\nprovider = \"p\"\ntool = \"t\"\n";
    for (text, reason) in [
        (format!("{tool}price = \"1\"\nper = 3\n{rest}"), "no exact price of one"),
        (format!("{tool}price = \"1\"\nper = 0\n{rest}"), "no exact price of one"),
        (
            format!("{tool}price = \"1\"\n{rest}\n{tool}price = \"2\"\n{rest}"),
            "it speaks of the same as p/t@2025-01-01",
        ),
        (format!("[[rate]]\ncurrency = \"USD\"\nusd = \"1\"\n{rest}"), "a dollar is a dollar"),
        (format!("[[rate]]\ncurrency = \"EUR\"\nusd = \"0\"\n{rest}"), "`usd` is zero"),
        (format!("[[machine]]\nmachine = \"\"\nper_second = \"1\"\n{rest}"), "`machine` is empty"),
    ] {
        let error = refused(&text);
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn unknown_is_null_with_a_reason_and_never_zero() {
    for (facts, reason) in [
        (in_and_out("gpt-99", 0, 0), "no price for the model `gpt-99`"),
        (
            Facts::new("azure", "o3", tokens(&[(Meter::Input, 1)])),
            "no price for the model `o3` of azure",
        ),
        (in_and_out("o3", 1, 1).at_tier("turbo"), "no price for `o3` at the service tier `turbo`"),
        (in_and_out("o3", 1, 1).in_region("eu"), "no price for `o3` in the region `eu`"),
        (ten_thousand_in("o3").at_tier("batch"), "has no price for cached_input"),
        (in_and_out("claude-opus-4", 200_001, 1), "is sold for prompts up to 200000 tokens"),
        (
            in_and_out("deepseek-v4-pro", 1, 1).with_tools([ToolUse::new("web_search", 1)]),
            "no price for the tool `web_search` of deepseek",
        ),
        (
            Facts::new("openai", "o3", tokens(&[(Meter::AudioInput, 5)])),
            "has no price for audio_input",
        ),
    ] {
        let priced = price(&facts, today());
        assert_eq!(priced.total, None, "{facts:?}");
        assert!(why(&priced).contains(reason), "{}", why(&priced));
    }
    let early = price(&in_and_out("o3", 1, 1), at("2025-04-15"));
    assert_eq!(why(&early), "no price for `o3` on 2025-04-15T00:00:00Z");
}

/// What is known of it is still shown, beside the reason.
#[test]
fn the_known_lines_stay_when_the_total_is_unknown() {
    let priced = price(&ten_thousand_in("o3").at_tier("batch"), today());
    assert_eq!(priced.total, None);
    let known: Vec<_> = priced.lines.iter().map(|l| (&*l.what, l.amount.to_string())).collect();
    assert_eq!(
        known,
        [
            ("input", "0.004".to_owned()),
            ("output", "0.002".to_owned()),
            ("reasoning_output", "0.008".to_owned())
        ]
    );
}

#[test]
fn a_file_that_was_added_later_wins() {
    let own = row(
        "provider = \"openai\"\nmodels = [\"o3\"]\nrates = { input = \"1.5\", output = \"6\" }\n\
         from = \"2026-01-01\"",
    );
    let book = PriceBook::built_in().as_ref().clone().with("own.toml", &own).unwrap();
    let facts = in_and_out("o3", 1_000_000, 0);
    assert_eq!(book.price(&facts, today()).total.unwrap().to_string(), "1.5");
    // Before the own row begins, the shipped one holds.
    assert_eq!(book.price(&facts, at("2025-12-31")).total.unwrap().to_string(), "2");
}

#[test]
fn a_model_of_two_providers_needs_its_provider() {
    let book = book(&format!("{}{}", row("provider = \"a\""), row("provider = \"b\"")));
    let facts = in_and_out("m", 1_000_000, 0);
    assert_eq!(why(&book.price(&facts, today())), "`m` is sold by a, b: say which");
    let of_b = Facts { provider: "b".into(), ..facts };
    assert_eq!(book.price(&of_b, today()).total.unwrap().to_string(), "1");
}

#[test]
fn a_place_has_its_factor_or_its_row() {
    let text = row("regional = { eu = \"1.1\" }")
        + &row("region = \"us\"\nmodels = [\"m\"]\n\
        rates = { input = \"3\", output = \"9\" }");
    let book = book(&text);
    let million = in_and_out("m", 1_000_000, 0);
    let total = |facts: &Facts| book.price(facts, today()).total.map(|t| t.to_string());
    assert_eq!(total(&million).as_deref(), Some("1"));
    assert_eq!(total(&million.clone().in_region("eu")).as_deref(), Some("1.1"));
    assert_eq!(total(&million.clone().in_region("us")).as_deref(), Some("3"));
    assert_eq!(total(&million.clone().in_region("asia")), None);
}

#[test]
fn another_currency_is_kept_beside_the_dollars() {
    let rate = "[[rate]]\ncurrency = \"CNY\"\nusd = \"0.1372\"\nfrom = \"2025-01-02\"\n\
        source = \"t\"\nchecked = \"2025-01-02\"\n";
    let facts = Facts::new(
        "deepseek",
        "deepseek-chat",
        tokens(&[(Meter::Input, 1_000_000), (Meter::CachedInput, 1_000_000)]),
    );
    let day = at("2025-01-10");
    let without = price(&facts, day);
    assert_eq!(why(&without).split(" on ").next(), Some("no rate of CNY to USD"));
    let book = PriceBook::built_in().as_ref().clone().with("rates.toml", rate).unwrap();
    let priced = book.price(&facts, day);
    assert_eq!(priced.total.unwrap().to_string(), "0.15092");
    let original = priced.lines[0].original.as_ref().unwrap();
    assert_eq!(
        (original.amount.to_string(), &*original.currency, original.date.as_str()),
        ("1".to_owned(), "CNY", "2025-01-02")
    );
}

#[test]
fn a_free_quota_covers_what_is_left_of_it() {
    let searches = |units, free_used| ToolUse { free_used, ..ToolUse::new("web_search", units) };
    let cost =
        |tool: ToolUse| total(&in_and_out("gemini-2.5-pro", 0, 0).with_tools([tool]), today());
    assert_eq!(cost(searches(10, Some(0))), "0");
    assert_eq!(cost(searches(10, Some(9_995))), "0.175");
    assert_eq!(cost(searches(10, Some(10_000))), "0.35");
    assert_eq!(cost(searches(10, Some(u64::MAX))), "0.35");
    // The counter is down: all is billed.
    assert_eq!(cost(searches(10, None)), "0.35");
    let facts = Facts::new("gemini", "gemini-2.5-pro", tokens(&[]));
    let book = PriceBook::built_in();
    let free = book.free_quota(&facts, &ToolUse::new("web_search", 1), today()).unwrap();
    assert_eq!((free.units, free.group.as_str()), (10_000, "gemini-2.5-pro"));
}

#[test]
fn every_shipped_row_has_an_id_of_its_own_and_a_hash() {
    let book = PriceBook::built_in();
    assert!(book.len() > 30);
    let one = price(&ten_thousand_in("o3"), today()).row.unwrap();
    let other = price(&ten_thousand_in("o3"), at("2025-06-09")).row.unwrap();
    assert_eq!(&*one.id, "openai/o3/default@2025-06-10");
    assert_ne!(one.id, other.id);
    assert_ne!(one.hash, other.hash);
    assert_eq!(one.hash.len(), 16);
}

#[test]
fn a_machine_has_a_price_by_the_second() {
    let machines = "[[machine]]\nmachine = \"gpu\"\nper_second = \"0.0007\"\nfrom = \"2025-01-01\"\n\
        source = \"t\"\nchecked = \"2025-01-02\"\n";
    let book = book(machines);
    assert_eq!(book.machine_time("gpu", 12_345, today()).unwrap().to_string(), "0.0086415");
    assert_eq!(book.machine_time("gpu", 1, at("2024-12-31")), None);
    assert_eq!(book.machine_time("cpu", 1, today()), None);
}
