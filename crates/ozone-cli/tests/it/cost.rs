//! `ozone cost` as a person runs it.

use serde_json::json;

use crate::support::{Home, object, says, stderr, stdout};

fn suite(home: &Home, text: &str) -> String {
    std::fs::write(home.path().join("run.jsonl"), text).unwrap();
    "run.jsonl".to_owned()
}

#[test]
fn a_suite_is_compared_without_asking_anything() {
    let home = Home::new();
    let usage = json!({
        "input_tokens": 10_000, "input_tokens_details": {"cached_tokens": 6_000},
        "output_tokens": 2_500, "output_tokens_details": {"reasoning_tokens": 2_000},
        "total_tokens": 12_500
    });
    let question = json!({"right": true, "model": "ozone-mini", "usage": usage});
    let file = suite(&home, &format!("{question}\n{question}\n"));
    let args = ["cost", "compare", "--suite", &file, "--at", "2025-12-01"];
    let comparison = object(&home.run(&[&args[..], &["--json"]].concat()));
    let offers = comparison["offers"].as_array().unwrap();
    let o3 = offers.iter().find(|o| o["model"] == "o3" && o["tier"] == "flex").unwrap();
    assert_eq!(o3["total"], "0.031");
    let table = stdout(&home.run(&args));
    assert!(table.starts_with("2 questions, 2 right · ozone-mini · 20000 tokens in"), "{table}");
    assert!(table.contains("note: 12000 tokens came from a cache"), "{table}");
}

#[test]
fn what_is_no_suite_is_named_with_its_line() {
    let home = Home::new();
    let file = suite(&home, "{\"right\": true}\n");
    let output = home.run(&["cost", "compare", "--suite", &file]);
    let line = stderr(&output);
    assert!(line.contains("run.jsonl, line 1: it has neither"), "{line}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_was_asked_is_reported_and_drawn() {
    let home = Home::scripted(json!([says("It is **42**.")]), 0);
    let asked = home.run(&["ask", "--no-tools", "What is 6 times 7?"]);
    assert!(asked.status.success(), "{}", stderr(&asked));
    let report = object(&home.run(&["cost", "--by", "model", "--json"]));
    assert_eq!(report["groups"][0]["name"], "scripted");
    assert_eq!(report["total"]["lines"], 1);
    let drawn = home.run(&["cost", "--svg", "costs.svg"]);
    assert!(drawn.status.success(), "{}", stderr(&drawn));
    let svg = std::fs::read_to_string(home.path().join("costs.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
}
