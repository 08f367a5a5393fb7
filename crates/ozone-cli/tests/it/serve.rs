//! `ozone serve` as a process of its own: it says where it listens, answers, and stops when told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Home, says};

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(home: &Home, args: &[&str]) -> Serving {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--kernels", "0"], args].concat();
        let mut child = home.command(&args).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|l| l.ok().filter(|l| l.contains("http://"))).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        // Whoever logs must not meet a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Serving { child, address }
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string())
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}")))
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_question_over_http_is_answered_and_kept_over_a_restart() {
    let home = Home::scripted(json!([says("It is **42**.")]), 0);
    let mut first = Serving::start(&home, &["-m", "scripted"]);
    let question = json!({"model": "scripted", "input": "What is 6 times 7?"});
    let (status, response) = first.post("/v1/responses", &question);
    assert_eq!((status, &response["status"]), (200, &json!("completed")), "{response}");
    assert!(response["output"].to_string().contains("It is **42**."), "{response}");
    first.signal("-TERM");
    assert!(first.child.wait().unwrap().success());

    let second = Serving::start(&home, &["-m", "scripted"]);
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    let (status, again) = second.send("GET", &path, "");
    assert_eq!((status, &again["output"]), (200, &response["output"]));
}

#[test]
fn without_keys_only_this_machine_is_served() {
    let home = Home::scripted(json!([says("x")]), 0);
    let output = home.run(&["serve", "--listen", "0.0.0.0:0", "-m", "scripted", "--kernels", "0"]);
    assert!(!output.status.success());
    let line = crate::support::stderr(&output);
    assert!(line.contains("OZONE_API_KEYS"), "{line}");
}

#[test]
fn a_misspelt_key_of_a_model_is_named() {
    let home = Home::new();
    std::fs::write(
        home.path().join("ozone.toml"),
        "[[model]]\nid = \"x\"\nbackend = \"upstream\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
         model = \"m\"\ncontext_window = 4096\napi_key_evn = \"KEY\"\n",
    )
    .unwrap();
    let output = home.run(&["ask", "-m", "x", "hi"]);
    let line = crate::support::stderr(&output);
    assert!(line.contains("api_key_evn") && line.contains("ozone.toml"), "{line}");
    assert_eq!(output.status.code(), Some(2));
}
