//! `kill -9` at any step, then `--resume`: nothing acknowledged is lost, no finished call is made
//! twice.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, object, runs, says, stderr};

/// Each call leaves a line in a file that lasts.
fn script() -> serde_json::Value {
    json!([
        runs("open('calls.txt', 'a').write('one '); print(1)"),
        runs("open('calls.txt', 'a').write('two '); print(2)"),
        says("It is **3**, as both calls show."),
    ])
}

#[test]
fn a_killed_run_goes_on_from_where_it_was() {
    // The lines of stderr after which it is killed: the id, a thought, a call, its output, …
    for lines in [1, 2, 3, 4, 5, 6] {
        let home = Home::scripted(script(), 2);
        let mut child = home.command(&["ask", "both?"]).stderr(Stdio::piped()).spawn().unwrap();
        let reader = BufReader::new(child.stderr.take().unwrap());
        let seen: Vec<String> = reader.lines().take(lines).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let id = seen[0].split(' ').next().unwrap();

        let output = home.run(&["ask", "--json", "--resume", id]);
        assert!(output.status.success(), "killed after {seen:?}: {}", stderr(&output));
        let response = object(&output);
        assert_eq!(response["id"], id);
        assert_eq!(response["status"], "completed");
        let kinds: Vec<_> = response["output"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["reasoning", "code_interpreter_call", "reasoning", "code_interpreter_call", "message"],
            "killed after {seen:?}"
        );
        let finished = seen.iter().filter(|l| l.trim() == "1" || l.trim() == "2").count();
        let file = home.path().join("data/files").join(id).join("calls.txt");
        let calls = std::fs::read_to_string(file).unwrap_or_default();
        for name in ["one", "two"].iter().take(finished) {
            assert_eq!(calls.matches(name).count(), 1, "killed after {seen:?}: {calls}");
        }
    }
}

#[test]
fn a_run_that_lives_is_not_taken_over() {
    let home = Home::scripted(json!([says("a long story that goes on and on and on and on")]), 40);
    let mut child = home.command(&["ask", "tell"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    reader.read_line(&mut line).unwrap();
    let id = line.split(' ').next().unwrap().to_owned();
    let output = home.run(&["ask", "--resume", &id]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("is being run by process"), "{}", stderr(&output));
    child.kill().unwrap();
    child.wait().unwrap();
}
