//! What a suite would have cost elsewhere, from each form of its report.

use ozone_cost::{
    Comparison, Facts, Kind, LedgerLine, PriceBook, Suite, Tokens, compare_suite, response,
};
use ozone_types::Usage;
use serde_json::{Value, json};

use crate::support::{in_and_out, today};

fn compared(text: &str) -> Comparison {
    compare_suite(&PriceBook::built_in(), &Suite::read(text).unwrap(), today())
}

fn cost(comparison: &Comparison, model: &str) -> String {
    let is_it = |o: &&ozone_cost::Compared| o.model == model && o.tier == "default";
    comparison.offers.iter().find(is_it).unwrap().total.unwrap().to_string()
}

fn usage(input: u64, output: u64) -> Value {
    json!(Usage::of_sample(input, 0, output, 0))
}

fn lines(questions: &[Value]) -> String {
    questions.iter().map(|q| format!("{q}\n")).collect()
}

#[test]
fn json_lines_are_priced_question_by_question() {
    let question = |right, input, calls| {
        json!({
            "kind": "k", "text": "?", "right": right, "model": "ozone-mini", "calls": calls,
            "usage": usage(input, 1_000)
        })
    };
    let comparison = compared(&lines(&[question(true, 200_000, 0), question(false, 200_001, 2)]));
    // T6 and T7: the second question alone has a long prompt.
    assert_eq!(cost(&comparison, "gemini-2.5-pro"), "0.7750025");
    assert_eq!(cost(&comparison, "o3"), "0.816002");
    let table = comparison.table();
    let head = "2 questions, 1 right · ozone-mini · 400001 tokens in, 2000 out · \
                at least $0 (2 calls of unknown price)\n";
    assert!(table.starts_with(head), "{table}");
    for part in ["2 tool calls ran on this machine", "model calls of 1 questions stand as one"] {
        assert!(table.contains(part), "{table}");
    }
    assert!(comparison.offers.iter().map(|o| o.total).filter(Option::is_some).is_sorted());
}

#[test]
fn the_ledger_of_a_question_is_priced_call_by_call() {
    let call = |step| {
        let facts = in_and_out("ozone-mini", 150_000, 1_000);
        let line = LedgerLine::new(
            "resp_1",
            LedgerLine::model_call(step),
            Kind::Model,
            "ozone-mini",
            today(),
        );
        json!(line.costing(facts, "0".parse().unwrap()))
    };
    // Together the prompts would be long; each by itself is not.
    let question = json!({"right": true, "ledger": [call(1), call(2)], "usage": usage(300_000, 2)});
    let comparison = compared(&lines(&[question]));
    assert_eq!(cost(&comparison, "gemini-2.5-pro"), "0.395");
    assert_eq!(comparison.actual.to_string(), "$0");
    assert!(!comparison.table().contains("stand as one"));
}

#[test]
fn a_report_of_sums_keeps_every_token_and_says_what_it_cannot() {
    let report = json!({
        "model": "m", "questions": 3, "right": 2, "accuracy": 0.67, "tool_calls": 4,
        "usage": usage(1_000_001, 10)
    });
    let comparison = compared(&serde_json::to_string_pretty(&report).unwrap());
    assert_eq!((comparison.tokens.prompt(), comparison.tokens.output()), (1_000_001, 10));
    assert_eq!(cost(&comparison, "o3"), "2.000082");
    let table = comparison.table();
    assert!(table.contains("3 questions, 2 right") && table.contains("sums alone"), "{table}");
    assert!(table.contains("4 tool calls ran on this machine"), "{table}");
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["suite"], json!({"questions": 3, "right": 2}));
}

#[test]
fn what_is_no_suite_is_refused_with_its_line() {
    for (text, line, reason) in [
        (String::new(), 1, "no questions"),
        ("[]".into(), 1, "no question"),
        (
            lines(&[json!({"right": true, "usage": usage(1, 1)}), json!({"right": true})]),
            2,
            "ledger",
        ),
        (
            format!("{}nonsense", lines(&[json!({"right": true, "usage": usage(1, 1)})])),
            2,
            "no question",
        ),
        (json!({"model": "m", "questions": 3, "right": 2}).to_string(), 1, "`usage`"),
        (
            json!({"model": "m", "questions": 0, "right": 0, "usage": usage(1, 1)}).to_string(),
            1,
            "no counts",
        ),
        (
            json!({"right": true, "calls": u64::MAX, "usage": usage(1, 1)}).to_string(),
            1,
            "more than any",
        ),
    ] {
        let error = Suite::read(&text).unwrap_err();
        assert!(error.line == line && error.to_string().contains(reason), "{text}: {error}");
    }
}

/// Counts that contradict each other have no price, in a suite as elsewhere.
#[test]
fn impossible_counts_are_unknown() {
    let mut impossible = Usage::of_sample(5, 0, 5, 0);
    impossible.input_tokens_details.cached_tokens = 6;
    let facts: Facts = response("", "o3", &impossible);
    assert_eq!(facts.missing, ["the parts of `input_tokens` come to more than the whole"]);
    assert_eq!(
        facts.tokens,
        Tokens::default()
            .with(ozone_cost::Meter::CachedInput, 6)
            .with(ozone_cost::Meter::Output, 5)
    );
    let question = json!({"right": false, "usage": impossible});
    let comparison = compared(&lines(&[question]));
    assert!(comparison.offers.iter().all(|offer| offer.total.is_none()));
}
