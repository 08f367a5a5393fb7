//! `ozone eval images` as a person runs it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::{Home, says, stderr, stdout};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_oracle_is_told_against_tools_that_do_nothing() {
    let home = Home::new();
    let args = ["eval", "images", "--family", "geometry", "-n", "10", "--oracle", "--ablate"];
    let args = [&args[..], &["--json", "--no-cache", "--out", "kept"]].concat();
    let output = home.run(&args);
    let runs = lines(&stdout(&output));
    assert_eq!(runs.len(), 2, "{}", stderr(&output));
    let accuracy = |run: &Value| run["families"][0]["accuracy"]["mean"].as_f64().unwrap();
    // One in ten is unreadable, which is right without any tool.
    assert_eq!(accuracy(&runs[0]), 0.1, "{}", runs[0]);
    assert!(accuracy(&runs[1]) >= 0.9, "{}", runs[1]);
    assert!(runs[1]["gains"]["geometry"]["low"].as_f64().unwrap() > 0.0, "{}", runs[1]);
    assert_eq!(runs[1]["against"], runs[0]["run"]);
    assert_eq!(lines(&stdout(&home.run(&args))), runs, "the same command takes what is there");

    let report = home.run(&["eval", "report", "kept"]);
    assert!(stdout(&report).contains("oracle images ablated"), "{}", stdout(&report));
}

#[test]
fn a_model_without_eyes_is_asked_in_each_arm() {
    let home = Home::scripted(json!([says("**unreadable**")]), 0);
    let args = ["eval", "images", "--family", "maze,count", "-n", "10", "--arm", "alone"];
    let output = home.run(&[&args[..], &["--arm", "images", "--ablate", "--no-cache"]].concat());
    let table = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for run in ["scripted alone", "scripted images", "scripted images ablated"] {
        assert!(table.contains(run), "{table}");
    }
    // It gives up on all that it could have read.
    assert!(table.contains("10.0 %") && table.contains("100.0 %"), "{table}");
}

#[test]
fn pictures_and_questions_are_written_as_files() {
    let home = Home::new();
    let output = home.run(&["eval", "images", "--family", "maze", "-n", "2", "--pictures", "made"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let list = std::fs::read_to_string(home.path().join("made/questions.jsonl")).unwrap();
    for line in lines(&list) {
        let name = line["picture"].as_str().unwrap();
        let bytes = std::fs::read(home.path().join("made").join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{name}");
        assert!(line["text"].as_str().unwrap().contains("maze"));
    }
}

#[test]
fn what_cannot_be_asked_is_told_with_what_could() {
    let home = Home::new();
    let output = home.run(&["eval", "images", "--family", "sums"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("use oriented, tiny"), "{}", stderr(&output));
    let help = stdout(&home.run(&["eval", "images", "--help"]));
    assert!(help.contains("Examples:") && help.contains("--oracle --ablate"), "{help}");
}

/// An upstream that gives up on every question, and what it was asked.
fn upstream() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(body) = body(&stream) else { continue };
            let chunk = json!({
                "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop",
                    "delta": {"role": "assistant", "content": "**unreadable**"}}]
            });
            let mut stream = stream;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                 data: {chunk}\n\ndata: [DONE]\n\n"
            );
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, asked)
}

fn body(mut stream: &TcpStream) -> Option<String> {
    let (mut text, mut part) = (vec![], [0; 4096]);
    loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&part[..count]);
        let seen = String::from_utf8_lossy(&text);
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(body.to_owned());
        }
    }
}

#[test]
fn a_model_with_eyes_gets_the_picture_and_in_its_arm_the_tools() {
    let home = Home::new();
    let (url, asked) = upstream();
    let args = ["eval", "images", "--family", "geometry", "-n", "1", "-m", "m", "--no-cache"];
    let seen = ["--upstream", &url, "--upstream-sees", "--arm", "alone", "--arm", "images"];
    let output = home.run(&[&args[..], &seen].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let bodies: Vec<Value> =
        asked.try_iter().filter_map(|body| serde_json::from_str(&body).ok()).collect();
    assert_eq!(bodies.len(), 2, "{}", stdout(&output));
    for body in &bodies {
        assert!(body["messages"].to_string().contains("data:image/png;base64,"));
    }
    let tools = |body: &Value| body["tools"].to_string();
    assert!(!tools(&bodies[0]).contains("image_measure"));
    assert!(tools(&bodies[1]).contains("image_measure"));
}
