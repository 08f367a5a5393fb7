//! The organization's usage and costs, page by page.

use ozone_cost::usage::{Usage, UsageQuery};
use ozone_cost::{Amount, Facts, Kind, LedgerLine, Meter, Payer, PriceBook, Tokens};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{at, ten_thousand_in};

fn params(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn line(instant: i64, key: &str, tier: &str) -> LedgerLine {
    let facts = ten_thousand_in("o3").at_tier(tier);
    let line =
        LedgerLine::new(&format!("resp_{instant}"), "1:model".into(), Kind::Model, "o3", instant);
    let payer = Payer { key: key.into(), ..Payer::default() };
    LedgerLine { payer, ..line.priced(&PriceBook::built_in(), facts) }
}

fn page(usage: Usage, text: &str, lines: &[LedgerLine]) -> Value {
    let query = UsageQuery::parse(usage, &params(text), at("2026-11-22")).unwrap();
    let asked = query.ledger();
    let lines: Vec<_> = lines.iter().filter(|l| asked.holds(l)).cloned().collect();
    query.page(&lines)
}

#[test]
fn buckets_are_half_open_and_grouped() {
    let day = at("2026-11-20");
    let lines = [
        line(day - 1, "a", "default"),
        line(day, "a", "default"),
        line(day + 86_399, "b", "flex"),
        line(day + 86_400, "b", "flex"),
    ];
    let text = format!("start_time={day}&end_time={}&group_by[]=api_key_id", day + 86_400);
    let first = page(Usage::Completions, &text, &lines);
    assert_eq!(first["data"].as_array().unwrap().len(), 1);
    assert_eq!(first["has_more"], false);
    let results = first["data"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(
        results[0],
        json!({
            "object": "organization.usage.completions.result",
            "input_tokens": 10_000, "output_tokens": 2_500, "input_cached_tokens": 6_000,
            "input_audio_tokens": 0, "output_audio_tokens": 0, "num_model_requests": 1,
            "project_id": null, "user_id": null, "api_key_id": "a", "model": null, "batch": null,
            "service_tier": null
        })
    );
    let flat = page(Usage::Completions, &format!("start_time={day}"), &lines);
    assert_eq!(flat["data"][0]["results"][0]["num_model_requests"], 2);
    assert_eq!(flat["data"].as_array().unwrap().len(), 2);
    let only = page(Usage::Completions, &format!("start_time={day}&api_key_ids=b"), &lines);
    assert_eq!(only["data"][0]["results"][0]["num_model_requests"], 1);
}

#[test]
fn costs_are_by_day_and_say_what_is_unknown() {
    let day = at("2026-11-20");
    let mut unknown = line(day, "a", "default");
    unknown.amount = None;
    let lines = [line(day, "a", "default"), line(day + 5, "a", "flex"), unknown];
    let costs = page(Usage::Costs, &format!("start_time={day}&group_by=line_item"), &lines);
    let result = &costs["data"][0]["results"][0];
    assert_eq!(result["amount_exact"], "0.0465");
    assert_eq!(result["amount"]["currency"], "usd");
    assert_eq!(result["unknown_lines"], 1);
    assert_eq!(result["line_item"], "o3");
}

#[test]
fn sessions_are_containers_and_not_calls() {
    let day = at("2026-11-20");
    let call = |response: &str, index| {
        let key = LedgerLine::tool_call(1, index);
        LedgerLine::new(response, key, Kind::Tool, "python", day)
            .costing(Facts::new("", "", Tokens::default()), Amount::ZERO)
    };
    let lines = [call("resp_1", 0), call("resp_1", 1), call("resp_2", 0)];
    let text = format!("start_time={day}");
    let sessions = page(Usage::CodeInterpreterSessions, &text, &lines);
    assert_eq!(sessions["data"][0]["results"][0]["num_sessions"], 2);
}

#[test]
fn a_wrong_parameter_is_named() {
    for (usage, text, param) in [
        (Usage::Completions, "", "start_time"),
        (Usage::Completions, "start_time=-1", "start_time"),
        (Usage::Completions, "start_time=9&end_time=8", "end_time"),
        (Usage::Completions, "start_time=0&bucket_width=2d", "bucket_width"),
        (Usage::Costs, "start_time=0&bucket_width=1h", "bucket_width"),
        (Usage::Completions, "start_time=0&bucket_width=1m&limit=1441", "limit"),
        (Usage::Completions, "start_time=0&limit=0", "limit"),
        (Usage::Costs, "start_time=0&limit=181", "limit"),
        (Usage::Completions, "start_time=0&group_by=line_item", "group_by"),
        (Usage::Completions, "start_time=0&page=page_7", "page"),
        (Usage::Completions, "start_time=0&page=next", "page"),
    ] {
        let error = UsageQuery::parse(usage, &params(text), at("2026-11-22")).unwrap_err();
        assert_eq!(error.param, param, "{text}: {error}");
    }
}

proptest! {
    /// Whatever the width and the pages, each line is counted exactly once.
    #[test]
    fn pages_cover_everything_once(
        shifts in prop::collection::vec(0i64..40 * 86_400, 0..40), limit in 1usize..30,
        width in prop_oneof![Just("1h"), Just("1d")]
    ) {
        let start = at("2026-09-01") + 1_234;
        let lines: Vec<_> = shifts.iter().map(|s| line(start + s, "k", "default")).collect();
        let end = start + 40 * 86_400;
        let (mut counted, mut tokens, mut cursor) = (0, 0, String::new());
        for _ in 0..2_000 {
            let text = format!(
                "start_time={start}&end_time={end}&bucket_width={width}&limit={limit}&page={cursor}"
            );
            let page = page(Usage::Completions, &text, &lines);
            for result in page["data"].as_array().unwrap().iter().flat_map(|b| b["results"].as_array().unwrap()) {
                counted += result["num_model_requests"].as_u64().unwrap();
                tokens += result["input_tokens"].as_u64().unwrap();
            }
            match page["next_page"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        prop_assert_eq!(counted, lines.len() as u64);
        let expected: u64 = lines.iter().map(|l| l.facts.tokens.prompt()).sum();
        prop_assert_eq!(tokens, expected);
        prop_assert!(lines.iter().all(|l| l.facts.tokens.get(Meter::Input) == 4_000));
    }
}
