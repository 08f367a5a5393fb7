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
            "input_tokens": 10_000, "input_uncached_tokens": 4_000, "input_text_tokens": 4_000,
            "input_audio_tokens": 0, "input_image_tokens": 0, "input_cached_tokens": 6_000,
            "input_cached_text_tokens": 6_000, "input_cached_audio_tokens": 0,
            "input_cached_image_tokens": 0, "input_cache_write_tokens": 0,
            "output_tokens": 2_500, "output_text_tokens": 2_500, "output_audio_tokens": 0,
            "output_image_tokens": 0, "num_model_requests": 1,
            "project_id": null, "user_id": null, "api_key_id": "a", "model": null, "batch": null,
            "service_tier": null, "api_source": null
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
    let lines = [line(day, "a", "default"), line(day + 5, "a", "flex"), unknown.clone()];
    let costs = page(Usage::Costs, &format!("start_time={day}&group_by=line_item"), &lines);
    let result = &costs["data"][0]["results"][0];
    assert_eq!(result["amount_exact"], "0.0465");
    assert_eq!(result["amount"], json!({"value": 0.0465, "currency": "usd"}));
    assert_eq!(result["unknown_calls"], 1);
    assert_eq!(result["line_item"], "o3");
    assert_eq!((&result["quantity"], &result["quantity_unit"]), (&json!(37_500), &json!("tokens")));
    // Where nothing is known, there is no number, and it is not 0.
    let costs = page(Usage::Costs, &format!("start_time={day}"), &[unknown]);
    let result = &costs["data"][0]["results"][0];
    assert_eq!(result["amount"]["value"], Value::Null);
    assert_eq!((&result["amount_exact"], &result["unknown_calls"]), (&Value::Null, &json!(1)));
}

#[test]
fn filters_hold_together_and_a_key_sees_its_own() {
    let day = at("2026-11-20");
    let mut lines = vec![line(day, "a", "default"), line(day, "b", "batch")];
    lines[1].payer.user = "u".into();
    let count = |text: &str| {
        let page = page(Usage::Completions, &format!("start_time={day}&{text}"), &lines);
        let requests = &page["data"][0]["results"][0]["num_model_requests"];
        requests.as_u64().unwrap_or(0)
    };
    assert_eq!(count(""), 2);
    assert_eq!(count("batch=true"), 1);
    assert_eq!(count("batch=true&api_key_ids=a"), 0);
    assert_eq!(count("user_ids[]=u&batch=true"), 1);
    assert_eq!(count("models=o3&models=x"), 2);
    assert_eq!(count("models=x"), 0);
    assert_eq!(count("api_key_ids=a&api_key_ids=b"), 2);
    let own = |text: &str| {
        let params = params(&format!("start_time={day}&{text}"));
        let query = UsageQuery::parse(Usage::Completions, &params, day + 9).unwrap().of_key("a");
        let seen: Vec<_> = lines.iter().filter(|l| query.ledger().holds(l)).cloned().collect();
        // Also when the store gave more than was asked.
        assert_eq!(query.page(&seen), query.page(&lines));
        query.page(&lines)["data"][0]["results"].as_array().unwrap().len()
    };
    assert_eq!(own(""), 1);
    assert_eq!(own("api_key_ids=b"), 0);
}

#[test]
fn searches_are_counted_by_call_and_by_the_model_calls_that_made_them() {
    let day = at("2026-11-20");
    let call = |name: &str, step, index| {
        let key = LedgerLine::tool_call(step, index);
        LedgerLine::new("resp_1", key, Kind::Tool, name, day)
            .costing(Facts::new("", "", Tokens::default()), Amount::ZERO)
    };
    let lines = [
        call("web_search", 1, 0),
        call("web_search", 1, 1),
        call("web_search", 2, 0),
        call("file_search", 2, 1),
    ];
    let text = format!("start_time={day}");
    let web = &page(Usage::WebSearchCalls, &text, &lines)["data"][0]["results"][0];
    assert_eq!((&web["num_requests"], &web["num_model_requests"]), (&json!(3), &json!(2)));
    assert_eq!(web["object"], "organization.usage.web_searches.result");
    let file = &page(Usage::FileSearchCalls, &text, &lines)["data"][0]["results"][0];
    assert_eq!(file["num_requests"], 1);
    assert_eq!(file["object"], "organization.usage.file_searches.result");
}

#[test]
fn what_is_stored_is_told_at_the_end_of_each_bucket() {
    let day = at("2026-11-20");
    let query = |text: &str| {
        let params = params(&format!("start_time={day}&end_time={}&{text}", day + 2 * 86_400));
        UsageQuery::parse(Usage::VectorStores, &params, day).unwrap()
    };
    let held = |until: i64| match until > day + 86_400 {
        true => vec![("p".to_owned(), 7), (String::new(), 5)],
        false => vec![("p".to_owned(), 7)],
    };
    let results = |page: &Value| -> Vec<Value> {
        page["data"].as_array().unwrap().iter().map(|b| b["results"].clone()).collect()
    };
    let result = |bytes: u64, project: Value| {
        json!({
            "object": "organization.usage.vector_stores.result", "usage_bytes": bytes,
            "project_id": project
        })
    };
    let null = Value::Null;
    let all = results(&query("").stored(held));
    assert_eq!(all, [json!([result(7, null.clone())]), json!([result(12, null.clone())])]);
    let by_project = results(&query("group_by=project_id").stored(held));
    assert_eq!(by_project[1], json!([result(5, null), result(7, json!("p"))]));
    assert_eq!(results(&query("project_ids=x").stored(held)), [json!([]), json!([])]);
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
        (Usage::Completions, "start_time=0&batch=maybe", "batch"),
        (Usage::WebSearchCalls, "start_time=0&group_by=context_level", "group_by"),
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
