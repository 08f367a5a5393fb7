//! `ozone serve` as a process of its own: it says where it listens, answers, and stops when told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Home, says};

pub struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    pub fn start(home: &Home, args: &[&str]) -> Serving {
        Serving::start_with(home, args, &[])
    }

    fn start_with(home: &Home, args: &[&str], environment: &[(&str, &str)]) -> Serving {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--kernels", "0"], args].concat();
        let mut command = home.command(&args);
        command.envs(environment.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|l| l.ok().filter(|l| l.contains("http://"))).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        // Whoever logs must not meet a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Serving { child, address }
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string())
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.send_with("", method, path, body)
    }

    /// With these lines among the headers.
    fn send_with(&self, headers: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             {headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
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

/// Bodies that were posted to an address, which takes each.
fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Arc::<Mutex<Vec<Value>>>::default();
    let kept = bodies.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = given.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            stream.get_mut().write_all(answer).unwrap();
        }
    });
    (url, bodies)
}

/// The last spans are sent before the server is gone, and belong to the trace of the request.
#[test]
fn spans_of_responses_reach_a_collector_before_the_server_stops() {
    let answers = ["It is 42.", "It is 43.", "It is 44.", "It is 44."].map(says);
    let home = Home::scripted(json!(answers), 0);
    let (url, bodies) = collector();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let mut serving = Serving::start_with(&home, &["-m", "scripted"], &environment);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    let question = json!({"model": "scripted", "input": "What is 6 times 7?"}).to_string();
    let (status, asked) = serving.send_with(&headers, "POST", "/v1/responses", &question);
    assert_eq!(status, 200, "{asked}");
    let chat = json!({"model": "scripted", "messages": [{"role": "user", "content": "And now?"}]});
    let chat = chat.to_string();
    let (status, answer) = serving.send_with(&headers, "POST", "/v1/chat/completions", &chat);
    assert_eq!(status, 200, "{answer}");
    let vote = json!({
        "model": "scripted", "input": "What is 6 times 7?",
        "reasoning": {"mode": "pro"}, "x_pro": {"n_max": 2},
    });
    let (status, vote) = serving.post("/v1/responses", &vote);
    assert_eq!(status, 200, "{vote}");
    serving.signal("-TERM");
    assert!(serving.child.wait().unwrap().success());

    let bodies = bodies.lock().unwrap();
    let spans = bodies.iter().flat_map(|body| {
        body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    });
    let agents: Vec<Value> = spans.filter(|span| span["name"] == "invoke_agent ozone").collect();
    assert_eq!(agents.len(), 5, "{bodies:?}");
    for agent in &agents[..2] {
        assert_eq!(agent["traceId"], trace);
        assert_eq!(agent["parentSpanId"], "00f067aa0ba902b7");
    }
    assert!(agents[0]["attributes"].to_string().contains(asked["id"].as_str().unwrap()));

    let root = &agents[4];
    assert!(root.get("parentSpanId").is_none() && root["traceId"] != trace, "{root}");
    assert!(root["attributes"].to_string().contains(vote["id"].as_str().unwrap()));
    for sample in &agents[2..4] {
        assert_eq!(
            (&sample["traceId"], &sample["parentSpanId"]),
            (&root["traceId"], &root["spanId"])
        );
    }
}

/// The shipped model knows nothing of these tools; what it calls them with fits all the same.
#[test]
fn a_custom_tools_input_is_a_text_of_its_grammar() {
    let lark =
        "start: line{1,3} \"*** \\\"Ende\\\"\"\nline: /[+-][ab\\\\é]{1,3}/ LF\n%import common.LF\n";
    let grammar = |name: &str, syntax: &str, definition: &str| {
        json!({"type": "custom", "name": name, "description": "Marks lines.",
               "format": {"type": "grammar", "syntax": syntax, "definition": definition}})
    };
    let add = json!({"type": "function", "name": "add", "parameters": {"type": "object"}});
    let tools =
        json!([add, grammar("edit", "lark", lark), grammar("pick", "regex", "\"[à-ö]\\n\"")]);
    let is_edit = |input: &str| {
        let Some(lines) = input.strip_suffix("\n*** \"Ende\"") else { return false };
        lines.lines().count() <= 3
            && lines.lines().all(|line| {
                let marks = line.strip_prefix(['+', '-']).unwrap_or_default();
                (1..=3).contains(&marks.chars().count())
                    && marks.trim_matches(['a', 'b', '\\', 'é']).is_empty()
            })
    };
    let is_pick = |input: &str| {
        let inside = input.strip_prefix('"').and_then(|input| input.strip_suffix("\n\""));
        inside.is_some_and(|inside| inside.chars().count() == 1 && ("à"..="ö").contains(&inside))
    };
    let home = Home::new();
    let server = Serving::start(&home, &[]);
    let both = json!({"type": "allowed_tools", "mode": "required",
                      "tools": [{"type": "custom", "name": "edit"}, {"type": "custom", "name": "pick"}]});
    for choice in
        [json!({"type": "custom", "name": "edit"}), json!({"type": "custom", "name": "pick"}), both]
    {
        let body = json!({"model": "ozone-mini", "input": "Mark the lines.", "tools": tools,
                          "tool_choice": choice, "parallel_tool_calls": false,
                          "reasoning": {"effort": "none"}, "max_output_tokens": 600});
        let (status, response) = server.post("/v1/responses", &body);
        assert_eq!((status, &response["status"]), (200, &json!("completed")), "{response}");
        let items = response["output"].as_array().unwrap();
        let call = items.iter().find(|item| item["type"] == "custom_tool_call").unwrap();
        let input = call["input"].as_str().unwrap();
        let fits = if call["name"] == "edit" { is_edit(input) } else { is_pick(input) };
        assert!(fits, "{call}");
        assert!(choice["name"].is_null() || choice["name"] == call["name"], "{call}");
    }
    let bad = json!({"model": "ozone-mini", "input": "x", "tools": [grammar("edit", "lark", "start: b")]});
    let (status, refused) = server.post("/v1/responses", &bad);
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("tools")), "{refused}");
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
