//! When answers are the same, what a vote counts, and when it is clear.

use std::collections::BTreeMap;

use ozone_agent::text::TextFormat;
use ozone_agent::vote::{Ballot, ballot, confidence, count, normalised, posterior};
use ozone_types::Item;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn answers_that_say_the_same_are_the_same() {
    let same = [
        ("42", "It is **42**."),
        ("42", "So 6 * 7 = 42."),
        ("42", "The final answer is: $42$."),
        ("42", r"Thus \boxed{42}, as was to be shown."),
        ("42", "First 12, then 30.\n\n**Answer:** 42"),
        ("42", "#### 42"),
        ("1234567", "1,234,567"),
        ("1.5", "1.50"),
        ("0.5", ".5"),
        ("0", "-0.0"),
        ("-3", "−3"),
        ("1/2", r"\boxed{\frac{2}{4}}"),
        ("-1/2", "1/-2"),
        ("4", "8/2"),
        ("12%", "12 %"),
        ("paris", "The capital is Paris."),
        ("paris", "**Paris**"),
        ("eiffel tower", "It is the Eiffel Tower!"),
    ];
    for (plain, said) in same {
        assert_eq!(normalised(said).as_deref(), Some(plain), "{said}");
    }
}

#[test]
fn answers_that_differ_stay_apart() {
    let apart = ["42", "-42", "4.2", "42%", "42 km", "42 m", "1/42", "1,23,4", "forty two"];
    for (at, one) in apart.iter().enumerate() {
        for other in &apart[at + 1..] {
            assert_ne!(normalised(one), normalised(other), "{one} and {other}");
        }
    }
}

#[test]
fn prose_is_no_vote() {
    assert_eq!(normalised(&"It was a dark and stormy night. ".repeat(30)), None);
    assert_eq!(normalised("  \n "), None);
    // Also a long text may end in an answer that is marked as one.
    let long = format!("{}\n\nThe answer is 7.", "Let us see. ".repeat(200));
    assert_eq!(normalised(&long).as_deref(), Some("7"));
}

#[test]
fn calls_and_json_are_compared_by_what_they_say() {
    let said = |text: &str| -> Vec<Item> {
        let item = json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
        });
        vec![serde_json::from_value(item).unwrap()]
    };
    let json = TextFormat::JsonObject;
    let (one, other) = (r#"{"a": 1, "b": [2]}"#, r#"{ "b":[2], "a":1 }"#);
    assert_eq!(ballot(&said(one), &json), ballot(&said(other), &json));
    assert_ne!(ballot(&said(one), &json), ballot(&said(r#"{"a": 2}"#), &json));
    let call = |arguments: &str| -> Vec<Item> {
        let item = json!({
            "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look",
            "arguments": arguments, "status": "completed",
        });
        vec![serde_json::from_value(item).unwrap()]
    };
    let text = TextFormat::Text;
    assert_eq!(ballot(&call(one), &text), ballot(&call(other), &text));
    assert_ne!(ballot(&call(one), &text), ballot(&call("{}"), &text));
    assert_eq!(ballot(&[], &text), None);
}

/// The sums of binomial coefficients that the incomplete beta function comes to at 1/2.
#[test]
fn the_posterior_is_that_of_the_binomial_sums() {
    let chosen = |n: u32, k: u32| (0..k).fold(1.0, |c, i| c * f64::from(n - i) / f64::from(i + 1));
    for leader in 0..20u32 {
        for runner_up in 0..=leader {
            let n = leader + runner_up + 1;
            let sum: f64 = (0..=leader).map(|k| chosen(n, k)).sum();
            let exact = sum / 2f64.powi(n as i32);
            let found = posterior(f64::from(leader), f64::from(runner_up));
            assert!((found - exact).abs() < 1e-10, "{leader} to {runner_up}: {found}, {exact}");
        }
    }
    assert_eq!(posterior(3.0, 0.0), 0.9375);
}

#[test]
fn confidence_is_that_of_the_least_sure_stretch() {
    assert_eq!(confidence(&[]), None);
    let sure = vec![-0.1f32; 1_000];
    assert!((confidence(&sure).unwrap() - (-0.1f64).exp()).abs() < 1e-6);
    let mut doubtful = sure.clone();
    doubtful[300..428].fill(-2.0);
    assert!((confidence(&doubtful).unwrap() - (-2.0f64).exp()).abs() < 1e-6);
    assert!(confidence(&[f32::NEG_INFINITY]).unwrap() > 0.0);
}

proptest! {
    #[test]
    fn more_votes_make_the_leader_likelier(v in 0.0..40.0f64, w in 0.0..40.0f64, more in 0.1..5.0f64) {
        let (before, after) = (posterior(v, w), posterior(v + more, w));
        prop_assert!((0.0..=1.0).contains(&before) && after >= before - 1e-12);
        prop_assert!((posterior(v, w) + posterior(w, v) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn weights_sum_to_the_votes(sure in prop::collection::vec(0.01..1.0f64, 1..20)) {
        let ballots: BTreeMap<u32, Ballot> = (0..).zip(&sure).map(|(at, sure)| {
            let answer = Some((at % 3).to_string());
            (at, Ballot { answer, confidence: Some(*sure) })
        }).collect();
        let votes = count(&ballots);
        let sum: f64 = votes.iter().map(|votes| votes.weight).sum();
        prop_assert!((sum - sure.len() as f64).abs() < 1e-9);
        prop_assert!(votes.is_sorted_by(|a, b| a.weight >= b.weight));
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,400}") {
        if let Some(plain) = normalised(&text) {
            prop_assert!(!plain.is_empty() && plain.len() <= 160);
        }
    }
}
