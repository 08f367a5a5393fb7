//! `ozone eval` as a person runs it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Home, object, says, stderr, stdout};

/// A home whose model always says 42, and questions of which every second one wants that.
fn home(questions: usize, pace_ms: u64) -> Home {
    let home = Home::scripted(json!([says("It is **42**.")]), pace_ms);
    let lines: Vec<String> = (0..questions)
        .map(|n| {
            let answer = json!({"Values": [{"Number": if n % 2 == 0 { "42" } else { "7" }}]});
            json!({"text": format!("Question {n}?"), "answer": answer}).to_string()
        })
        .collect();
    std::fs::write(home.path().join("questions.jsonl"), lines.join("\n")).unwrap();
    home
}

fn cells(home: &Home) -> Vec<Value> {
    let file = home.path().join("kept/scripted/cells.jsonl");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // A line that is being written is none yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const KEPT: [&str; 6] = ["eval", "--file", "questions.jsonl", "--out", "kept", "--no-cache"];

#[test]
fn questions_are_scored_kept_and_reported() {
    let home = home(4, 0);
    let asked = [&KEPT[..], &["--json"]].concat();
    let first = object(&home.run(&asked));
    assert_eq!((&first["questions"], &first["right"]), (&json!(4), &json!(2)), "{first}");
    assert_eq!(first["accuracy"], 0.5);
    assert_eq!(cells(&home).len(), 4);

    assert_eq!(object(&home.run(&asked)), first, "the same command takes what is there");
    assert_eq!(cells(&home).len(), 4);
    let other = home.run(&[&asked[..], &["--temperature", "1"]].concat());
    assert!(stderr(&other).contains("holds another run (temperature was"), "{}", stderr(&other));

    let report = home.run(&["eval", "report", "kept", "--html", "page.html", "--svg", "c.svg"]);
    assert!(report.status.success(), "{}", stderr(&report));
    assert!(stdout(&report).contains("50.0"), "{}", stdout(&report));
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    assert!(read("page.html").contains("<svg") && read("c.svg").starts_with("<svg"));

    let suite = "kept/scripted/cells.jsonl";
    let priced = home.run(&["cost", "compare", "--suite", suite]);
    assert!(stdout(&priced).starts_with("4 questions, 2 right"), "{}", stdout(&priced));
}

#[test]
fn a_stopped_run_asks_only_what_is_missing() {
    let home = home(8, 20);
    let slowly = [&KEPT[..], &["--concurrency", "1"]].concat();
    let mut child = home.command(&slowly).stderr(Stdio::null()).spawn().unwrap();
    while cells(&home).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first answer");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let before = cells(&home);
    assert!(before.len() < 8, "{before:?}");

    let done = home.run(&slowly);
    assert!(done.status.success(), "{}", stderr(&done));
    let after = cells(&home);
    assert_eq!(after[..before.len()], before);
    let ids: BTreeSet<&str> = after.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
    assert_eq!((after.len(), ids.len()), (8, 8));
}

#[test]
fn each_effort_is_a_run_of_its_own() {
    let home = home(2, 0);
    let output = home.run(&[&KEPT[..], &["--json", "-e", "low", "-e", "high"]].concat());
    let text = stdout(&output);
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let efforts: Vec<&Value> = lines.iter().map(|line| &line["effort"]).collect();
    assert_eq!(efforts, ["low", "high"], "{text} {}", stderr(&output));
}

#[test]
fn a_vote_stops_early_unless_all_samples_are_wanted() {
    let home = home(2, 0);
    let pro = [&KEPT[..], &["--json", "--pro", "--samples", "9"]].concat();
    let early = object(&home.run(&pro));
    let all = object(&home.run(&[&pro[..], &["--all-samples"]].concat()));
    let samples = [&early, &all].map(|run| run["samples_mean"].as_f64().unwrap());
    assert!((3.0..9.0).contains(&samples[0]) && samples[1] == 9.0, "{samples:?}");
    assert_eq!((&early["right"], &all["right"]), (&json!(1), &json!(1)), "{early} {all}");
    let tokens = |run: &Value| run["output_tokens_mean"].as_f64().unwrap();
    assert!(tokens(&early) < tokens(&all), "every sample is counted");

    let table = home.run(&["eval", "report", "kept"]);
    assert!(stdout(&table).contains("scripted pro without a stop"), "{}", stdout(&table));
}

#[test]
fn what_cannot_be_asked_is_told_with_the_next_step() {
    let home = home(2, 0);
    let says = |args: &[&str]| {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        stderr(&output)
    };
    assert!(says(&["eval", "gsm8k"]).contains("name your copy with --file"));
    assert!(says(&["eval", "sums"]).contains("no suite `sums`; there are ozone, hard"));
    assert!(says(&["eval", "--file", "nowhere.jsonl"]).contains("nowhere.jsonl"));
    std::fs::write(home.path().join("torn.jsonl"), "{\"text\": \"a\"").unwrap();
    assert!(says(&["eval", "--file", "torn.jsonl"]).contains("torn.jsonl:1"));
}

#[test]
fn an_answer_that_failed_is_told_with_its_cause() {
    let home = Home::scripted(json!([{"script": "unavailable", "text": "", "times": 1000}]), 0);
    let answer = json!({"Values": [{"Number": "42"}]});
    let question = json!({"text": "Question?", "answer": answer});
    std::fs::write(home.path().join("questions.jsonl"), question.to_string()).unwrap();
    let failed = home.run(&KEPT);
    assert_eq!(failed.status.code(), Some(1), "{}", stdout(&failed));
    assert!(stderr(&failed).contains("1 answers failed ("), "{}", stderr(&failed));
}
