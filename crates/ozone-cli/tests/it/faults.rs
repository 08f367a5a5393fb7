//! Bad input and faults: a one-line cause and what to do, a non-zero exit code, a journal that ends.

use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, object, runs, says, stderr, stdout};

/// Runs to a refusal: nothing on stdout, one line on stderr.
fn refusal(home: &Home, args: &[&str]) -> (String, i32) {
    let output = home.run(args);
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
    let text = stderr(&output);
    let line = text.lines().last().unwrap_or_default().to_owned();
    assert!(line.starts_with("ozone: "), "{text}");
    (line, output.status.code().unwrap())
}

#[test]
fn a_model_that_is_not_there() {
    let (line, code) = refusal(&Home::new(), &["ask", "-m", "nowhere.gguf", "hi"]);
    assert_eq!(
        line,
        "ozone: no model `nowhere.gguf`: it is neither a GGUF file nor one of ozone-mini; see \
         `ozone models`"
    );
    assert_eq!(code, 2);
}

#[test]
fn a_damaged_gguf() {
    let home = Home::new();
    let shipped = include_bytes!("../../../../models/ozone-mini/ozone-mini-q8_0.gguf");
    let path = home.path().join("cut.gguf");
    for length in [0, 3, 100, 4_000, shipped.len() / 2, shipped.len() - 1] {
        std::fs::write(&path, &shipped[..length]).unwrap();
        let (line, code) = refusal(&home, &["ask", "-m", "cut.gguf", "hi"]);
        assert!(line.contains("cut.gguf"), "{length}: {line}");
        assert_eq!(code, 1, "{length}: {line}");
    }
    std::fs::write(&path, b"<html>not found</html>").unwrap();
    refusal(&home, &["ask", "-m", "cut.gguf", "hi"]);
}

#[test]
fn an_empty_question() {
    for question in ["", "   \n"] {
        let (line, code) = refusal(&Home::new(), &["ask", question]);
        assert!(line.contains("the question is empty"), "{line}");
        assert_eq!(code, 2);
    }
}

#[test]
fn a_question_longer_than_the_context() {
    let home = Home::new();
    let long = "How many words are there? ".repeat(20_000);
    std::fs::write(home.path().join("long.txt"), long).unwrap();
    let file = std::fs::File::open(home.path().join("long.txt")).unwrap();
    let output = home.command(&["ask", "--json"]).stdin(file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let response = object(&output);
    assert_eq!(response["status"], "failed");
    assert_eq!(response["error"]["code"], "context_length_exceeded");
    assert!(stderr(&output).contains("too long for this model"), "{}", stderr(&output));
}

#[test]
fn a_picture_for_a_model_without_eyes() {
    let home = Home::scripted(json!([says("A cat.")]), 0);
    std::fs::write(home.path().join("a.png"), b"\x89PNG\r\n\x1a\nrest").unwrap();
    for without_use in [&["--no-tools"][..], &["--no-tools", "-m", "ozone-mini"]] {
        let asked = [&["ask", "-i", "a.png", "what is it?"], without_use].concat();
        let (line, code) = refusal(&home, &asked);
        assert!(line.contains("cannot see pictures"), "{line}");
        assert_eq!(code, 2);
    }
    let (line, _) = refusal(&home, &["ask", "-i", "a.png", "what is it?"]);
    assert!(line.contains("a.png: the PNG file is damaged"), "{line}");
    std::fs::write(home.path().join("a.txt"), b"text").unwrap();
    let (line, _) = refusal(&home, &["ask", "-i", "a.txt", "what is it?"]);
    assert!(line.contains("a.txt: this is no picture"), "{line}");
    let kept = std::fs::read_dir(home.path().join("data/files")).map_or(0, |files| files.count());
    assert_eq!(kept, 0, "what was refused leaves nothing");
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let home = Home::new();
    std::fs::write(home.path().join("ozone.toml"), "[[model]]\nid = \"x\"\nbackend = \"cloud\"\n")
        .unwrap();
    let (line, code) = refusal(&home, &["ask", "hi"]);
    assert!(line.contains("ozone.toml:"), "{line}");
    assert_eq!(code, 2);
}

#[test]
fn resuming_what_is_not_there() {
    let home = Home::scripted(json!([says("x")]), 0);
    let (line, _) = refusal(&home, &["ask", "--resume", "last"]);
    assert!(line.contains("no run waits"), "{line}");
    let (line, _) = refusal(&home, &["ask", "--resume", "resp_abc"]);
    assert!(line.contains("resp_abc"), "{line}");
    refusal(&home, &["ask", "--resume", "nonsense"]);
}

#[test]
fn ctrl_c_ends_the_journal() {
    let home = Home::scripted(json!([says("a long story that goes on and on and on")]), 60);
    let mut child = home
        .command(&["ask", "tell"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("cancelled"), "{}", stderr(&output));
    let id = stderr(&output).lines().next().unwrap().split(' ').next().unwrap().to_owned();
    let again = home.run(&["ask", "--json", "--resume", &id]);
    let response = object(&again);
    assert_eq!(response["status"], "cancelled");
    assert_eq!(response["output"][0]["status"], "incomplete");
}

#[test]
fn a_closed_pipe_ends_the_run_and_its_journal() {
    let home = Home::scripted(json!([says("a long story that goes on and on and on")]), 20);
    let mut child = home
        .command(&["ask", "tell"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("the output was closed"), "{}", stderr(&output));
    let (line, _) = refusal(&home, &["ask", "--resume", "last"]);
    assert!(line.contains("no run waits"), "the journal has its end: {line}");
}

#[test]
fn a_data_folder_that_cannot_be_written() {
    let home = Home::new();
    std::fs::write(home.path().join("data"), b"a file").unwrap();
    let (line, code) = refusal(&home, &["ask", "hi"]);
    assert!(line.contains("data") && line.contains("--data"), "{line}");
    assert_eq!(code, 1);
}

/// Python's own output floods end in a note, and the run goes on.
#[test]
fn a_flood_of_output_is_cut_with_a_note() {
    let home = Home::scripted(json!([runs("print('x' * 10_000_000)"), says("long")]), 0);
    let output = home.run(&["ask", "--json", "flood"]);
    let response = object(&output);
    let logs = response["output"][1]["outputs"][0]["logs"].as_str().unwrap();
    assert!(logs.chars().count() < 20_000, "{}", logs.len());
    assert!(logs.contains("omitted"), "{}", &logs[logs.len() - 200..]);
    assert_eq!(response["status"], "completed");
}

fn signal(child: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A file system of its own with very little room (a user namespace may mount one).
#[test]
fn a_full_disk_ends_the_journal() {
    let home = Home::scripted(json!([says(&"many words ".repeat(40_000))]), 0);
    std::fs::create_dir(home.path().join("data")).unwrap();
    let inside = "mount -t tmpfs -o size=1500k tmpfs data || exit 99
        \"$1\" ask --no-tools hi >out 2>err
        code=$?
        \"$1\" ask --json --resume \"$(grep -o 'resp_[0-9a-f]*' err | head -1)\" >again
        exit $code";
    let plain = home.command(&[]);
    let mut command = std::process::Command::new("unshare");
    command.args(["-Urm", "sh", "-c", inside, "sh", env!("CARGO_BIN_EXE_ozone")]);
    command.current_dir(home.path());
    command.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let status = command.status().unwrap();
    let error = std::fs::read_to_string(home.path().join("err")).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    let line = error.lines().last().unwrap();
    assert!(line.starts_with("ozone: the disk is full"), "{line}");
    let again = std::fs::read_to_string(home.path().join("again")).unwrap();
    let response: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(response["status"], "failed", "the journal has its end");
}
