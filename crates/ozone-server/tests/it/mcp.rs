//! MCP servers as tools, from the request to a real server and back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ozone_model::{Script, ScriptedBackend};
use ozone_prompt::Message;
use ozone_server::{Mcp, ModelEntry, ServerLimits};
use ozone_tools::egress::Egress;
use ozone_tools::mcp::{Allowed, Approval, McpServer, Reached, Secret};
use reqwest::Method;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Setup, Stream, TestServer, says, text_of};
use crate::toy::{Seen, Toy};

/// A toy on a port of its own.
struct HttpToy {
    url: String,
    seen: Arc<Seen>,
}

async fn http_toy() -> HttpToy {
    let toy = Toy::default();
    let seen = toy.seen.clone();
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default();
    let service = StreamableHttpService::new(move || Ok(toy.clone()), sessions, config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let moved = axum::routing::any(|| async { axum::response::Redirect::temporary("/mcp") });
    let router = axum::Router::new().route("/moved", moved).nest_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    HttpToy { url, seen }
}

fn loopback() -> Mcp {
    let egress = Egress::new(["127.0.0.0/8".parse().unwrap()]).unwrap();
    Mcp { servers: vec![], egress }
}

fn calls(name: &str, arguments: Value) -> Script {
    let call = json!({"name": name, "arguments": arguments});
    Script::says(format!("<tool_call>\n{call}\n</tool_call>"))
}

/// A server over this script, and the script's model to look into.
async fn serving(
    script: impl IntoIterator<Item = Script>,
    change: impl FnOnce(&mut Setup),
) -> (TestServer, Arc<ScriptedBackend>) {
    let backend = Arc::new(ScriptedBackend::new(script));
    let mut setup = Setup { mcp: loopback(), ..Setup::with_backend(backend.clone()) };
    change(&mut setup);
    (setup.start().await, backend)
}

/// A server with a model for each turn of a conversation: a script begins anew with each response.
async fn by_turns(scripts: Vec<Vec<Script>>) -> (TestServer, Vec<Arc<ScriptedBackend>>) {
    let backends: Vec<_> =
        scripts.into_iter().map(|script| Arc::new(ScriptedBackend::new(script))).collect();
    let entry = |(n, backend): (usize, &Arc<ScriptedBackend>)| {
        ModelEntry::new(format!("turn-{}", n + 1), backend.clone())
    };
    let models = backends.iter().enumerate().map(entry).collect();
    let setup = Setup { models, mcp: loopback(), ..Setup::new([]) };
    (setup.start().await, backends)
}

/// The finished response of one turn, streamed by the rules.
async fn turn(server: &TestServer, n: usize, mut body: Value) -> Value {
    body["model"] = json!(format!("turn-{n}"));
    body["stream"] = json!(true);
    let request = server.request(Method::POST, "/v1/responses").json(&body);
    Stream::of(request.send().await.unwrap()).await.sound().last()
}

fn toy_tool(toy: &HttpToy) -> Value {
    json!({
        "type": "mcp", "server_label": "toy", "server_url": toy.url, "require_approval": "never"
    })
}

/// The items of an output, one line each.
fn lines(response: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let line = |item: &Value| match item["type"].as_str().unwrap() {
        "mcp_list_tools" => {
            let names: Vec<_> =
                item["tools"].as_array().unwrap().iter().map(|t| text(&t["name"])).collect();
            format!("list {} {} {}", text(&item["server_label"]), names.join(","), item["error"])
        }
        "mcp_call" => format!(
            "call {}/{} {} -> {} {}",
            text(&item["server_label"]),
            text(&item["name"]),
            text(&item["arguments"]),
            item["output"],
            item["error"]
        ),
        "mcp_approval_request" => format!(
            "approve? {}/{} {}",
            text(&item["server_label"]),
            text(&item["name"]),
            text(&item["arguments"])
        ),
        "message" => format!("message {}", text(&item["content"][0]["text"])),
        other => other.to_owned(),
    };
    let items = response["output"].as_array().unwrap();
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_server_is_listed_and_called() {
    let toy = http_toy().await;
    let script = [calls("add", json!({"a": 2, "b": 40})), says("It is 42.")];
    let (server, backend) = serving(script, |_| {}).await;
    let stream = server.stream(json!({"input": "2 + 40?", "tools": [toy_tool(&toy)]})).await;
    let stream = stream.sound();
    insta::assert_snapshot!(lines(&stream.last()), @r#"
    list toy add,note,refuse,break,flood,hang,whoami,draw.it,python null
    call toy/add {"a":2,"b":40} -> "42" null
    message It is 42.
    "#);
    let mut names = stream.names();
    names.retain(|name| name.contains("mcp"));
    names.dedup();
    insta::assert_snapshot!(names.join("\n"), @r"
    response.mcp_list_tools.in_progress
    response.mcp_list_tools.completed
    response.mcp_call.in_progress
    response.mcp_call_arguments.delta
    response.mcp_call_arguments.done
    response.mcp_call.completed
    ");
    let add = &backend.requests()[0].tools[0];
    assert_eq!((add.name.as_str(), add.description.as_str()), ("add", "Adds two numbers."));
    assert_eq!(add.parameters["required"], json!(["a", "b"]));
    let id = stream.last()["id"].as_str().unwrap().to_owned();
    let stored = server.get(&format!("/v1/responses/{id}")).await.ok();
    assert_eq!(stored, stream.last());
}

#[tokio::test]
async fn only_allowed_tools_are_offered() {
    let toy = http_toy().await;
    for (allowed, offered) in [
        (json!(["note", "add"]), "add,note"),
        (json!({"tool_names": ["flood"]}), "flood"),
        (json!({"read_only": true}), "add"),
        (json!([]), ""),
    ] {
        let (server, backend) = serving([says("Well.")], |_| {}).await;
        let mut tool = toy_tool(&toy);
        tool["allowed_tools"] = allowed;
        let response = server.respond(json!({"input": "?", "tools": [tool]})).await;
        let names: Vec<_> = backend.requests()[0].tools.iter().map(|t| t.name.clone()).collect();
        assert_eq!(names.join(","), offered);
        assert_eq!(response["output"][0]["tools"].as_array().unwrap().len(), names.len());
    }
}

/// Whatever goes wrong at the server is for the model to read; the response goes on.
#[tokio::test]
async fn errors_of_the_server_are_outputs() {
    let toy = http_toy().await;
    let script = [
        calls("refuse", json!({})),
        calls("break", json!({})),
        calls("draw_it", json!({})),
        says("I give up."),
    ];
    let (server, _) = serving(script, |_| {}).await;
    let stream = server.stream(json!({"input": "?", "tools": [toy_tool(&toy)]})).await.sound();
    insta::assert_snapshot!(lines(&stream.last()), @r#"
    list toy add,note,refuse,break,flood,hang,whoami,draw.it,python null
    call toy/refuse {} -> null "there is no such page"
    call toy/break {} -> null "the database is away"
    call toy/draw.it {} -> "a dot\n[image, image/png, about 18 bytes: left out]" null
    message I give up.
    "#);
    let failed = stream.names().iter().filter(|n| **n == "response.mcp_call.failed").count();
    assert_eq!(failed, 2);
}

#[tokio::test]
async fn a_long_output_is_cut_with_a_note() {
    let toy = http_toy().await;
    let script = [calls("flood", json!({})), says("Much.")];
    let (server, _) = serving(script, |_| {}).await;
    let response = server.respond(json!({"input": "?", "tools": [toy_tool(&toy)]})).await;
    let output = response["output"][1]["output"].as_str().unwrap();
    assert!(output.contains("34000 characters omitted"), "{}", output.len());
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_stopped_and_its_server_told() {
    let toy = http_toy().await;
    let script = [calls("hang", json!({})), says("It hangs.")];
    let (server, _) = serving(script, |setup| {
        setup.limits.run.tool_time_max = Duration::from_millis(200);
    })
    .await;
    let response = server.respond(json!({"input": "?", "tools": [toy_tool(&toy)]})).await;
    let error = response["output"][1]["error"].as_str().unwrap();
    assert_eq!(error, "the call was stopped: no answer within 200ms");
    assert_eq!(text_of(&response), "It hangs.");
    until(|| toy.seen.cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn cancelling_a_response_cancels_its_call() {
    let toy = http_toy().await;
    let (server, _) = serving([calls("hang", json!({}))], |_| {}).await;
    let body = json!({
        "model": "scripted", "input": "?", "background": true, "tools": [toy_tool(&toy)]
    });
    let id = server.post("/v1/responses", body).await.ok()["id"].as_str().unwrap().to_owned();
    until(|| toy.seen.calls.lock().unwrap().len() == 1).await;
    let cancelled = server.post(&format!("/v1/responses/{id}/cancel"), json!({})).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["output"][1]["status"], "incomplete");
    until(|| toy.seen.cancelled.load(Ordering::SeqCst) == 1).await;
}

/// Waits for what another task does.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come about");
}

#[tokio::test]
async fn a_list_is_kept_over_turns() {
    let toy = http_toy().await;
    let second = vec![calls("add", json!({"a": 1, "b": 1})), says("2.")];
    let (server, models) =
        by_turns(vec![vec![says("Hello.")], second, vec![says("3.")], vec![says("4.")]]).await;
    let tools = json!([toy_tool(&toy)]);
    let first = turn(&server, 1, json!({"input": "Hi", "tools": tools})).await;
    let body = json!({"input": "1 + 1?", "tools": tools, "previous_response_id": first["id"]});
    let second = turn(&server, 2, body).await;
    assert_eq!(lines(&second), "call toy/add {\"a\":1,\"b\":1} -> \"2\" null\nmessage 2.");
    // Without the store: the client sends what it got.
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(first["output"].as_array().unwrap().clone());
    input.push(json!({"role": "user", "content": "And?"}));
    let body = json!({"input": input, "store": false, "tools": tools});
    assert_eq!(lines(&turn(&server, 3, body).await), "message 3.");
    assert_eq!(toy.seen.lists.load(Ordering::SeqCst), 1);
    let offered: Vec<usize> =
        models.iter().flat_map(|m| m.requests()).map(|r| r.tools.len()).collect();
    assert_eq!(offered, [9, 9, 9, 9]);
    // A conversation that has no list yet.
    let anew = turn(&server, 4, json!({"input": "Hi", "tools": tools})).await;
    assert_eq!(anew["output"][0]["type"], "mcp_list_tools");
    assert_eq!(toy.seen.lists.load(Ordering::SeqCst), 2);
}

/// What the model reads last.
fn last_result(backend: &ScriptedBackend) -> String {
    let request = backend.requests().last().cloned().unwrap();
    let mut results = request.turns.iter().filter_map(|turn| match turn {
        ozone_model::Turn::Given(Message::ToolResult { name, output, .. }) => {
            Some(format!("{name}: {output}"))
        }
        _ => None,
    });
    results.next_back().unwrap_or_default()
}

#[tokio::test]
async fn a_call_waits_for_consent_and_is_made_once() {
    let toy = http_toy().await;
    let mut tool = toy_tool(&toy);
    tool["require_approval"] = json!("always");
    let scripts =
        vec![vec![calls("note", json!({"x": 1}))], vec![says("It is noted.")], vec![says("Yes.")]];
    let (server, models) = by_turns(scripts).await;
    let asked = turn(&server, 1, json!({"input": "Note it.", "tools": [tool]})).await;
    insta::assert_snapshot!(lines(&asked), @r#"
    list toy add,note,refuse,break,flood,hang,whoami,draw.it,python null
    approve? toy/note {"x":1}
    "#);
    assert_eq!(asked["status"], "completed");
    assert!(toy.seen.calls.lock().unwrap().is_empty());
    let request_id = asked["output"][1]["id"].as_str().unwrap();
    assert!(request_id.starts_with("mcpr_"));
    let answer = json!({
        "type": "mcp_approval_response", "approval_request_id": request_id, "approve": true
    });
    let body = json!({"input": [answer], "tools": [tool], "previous_response_id": asked["id"]});
    let done = turn(&server, 2, body).await;
    assert_eq!(lines(&done), "call toy/note {\"x\":1} -> \"noted\" null\nmessage It is noted.");
    assert_eq!(done["output"][0]["approval_request_id"], request_id);
    assert_eq!(last_result(&models[1]), "note: noted");
    // The same consent again: nothing more happens.
    let body = json!({
        "input": [answer, {"role": "user", "content": "Is it?"}],
        "tools": [tool], "previous_response_id": done["id"]
    });
    assert_eq!(lines(&turn(&server, 3, body).await), "message Yes.");
    assert_eq!(*toy.seen.calls.lock().unwrap(), [r#"note {"x":1}"#]);
    assert_eq!(last_result(&models[2]), "note: noted");
}

#[tokio::test]
async fn a_refused_call_is_not_made_and_the_model_hears_why() {
    let toy = http_toy().await;
    let mut tool = toy_tool(&toy);
    tool["require_approval"] = json!({"never": {"tool_names": ["add"]}});
    let scripts =
        vec![vec![calls("note", json!({}))], vec![says("I did not.")], vec![says("Never mind.")]];
    let (server, models) = by_turns(scripts).await;
    let asked = turn(&server, 1, json!({"input": "Note it.", "tools": [tool]})).await;
    let answer = json!({
        "type": "mcp_approval_response", "approval_request_id": asked["output"][1]["id"],
        "approve": false, "reason": "not today"
    });
    let body = json!({"input": [answer], "tools": [tool], "previous_response_id": asked["id"]});
    assert_eq!(lines(&turn(&server, 2, body).await), "message I did not.");
    assert!(toy.seen.calls.lock().unwrap().is_empty());
    let heard = "note: not run: the user did not agree to this call; the reason given: not today";
    assert_eq!(last_result(&models[1]), heard);
    // Somebody who says something else gives no consent either.
    let body = json!({"input": "Stop.", "tools": [tool], "previous_response_id": asked["id"]});
    turn(&server, 3, body).await;
    assert_eq!(last_result(&models[2]), "note: aborted");
    assert!(toy.seen.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn consent_is_needed_for_what_was_said() {
    let toy = http_toy().await;
    for (approval, asks) in [
        (json!("always"), true),
        (json!("never"), false),
        (Value::Null, true),
        (json!({"always": {"tool_names": ["add"]}}), true),
        (json!({"always": {"tool_names": ["note"]}}), false),
        (json!({"never": {"tool_names": ["add"]}}), false),
        (json!({"never": {"tool_names": ["note"]}}), true),
        (json!({"never": {"read_only": true}}), false),
    ] {
        let script = [calls("add", json!({"a": 1, "b": 2})), says("3.")];
        let (server, _) = serving(script, |_| {}).await;
        let mut tool = toy_tool(&toy);
        tool["require_approval"] = approval.clone();
        let response = server.respond(json!({"input": "?", "tools": [tool]})).await;
        let asked = response["output"][1]["type"] == "mcp_approval_request";
        assert_eq!(asked, asks, "{approval}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_refused() {
    let (server, _) = serving([], |_| {}).await;
    let answer = json!({
        "type": "mcp_approval_response", "approval_request_id": "mcpr_none", "approve": true
    });
    let refused =
        server.post("/v1/responses", json!({"model": "scripted", "input": [answer]})).await;
    assert_eq!(refused.error(), "400 input -");
}

const SECRET: &str = "sk-very-secret-123456";

/// Neither the echo, nor what is stored, nor what the server repeats.
#[tokio::test]
async fn secrets_reach_the_server_and_nobody_else() {
    let toy = http_toy().await;
    for credentials in [
        json!({"authorization": SECRET}),
        json!({"headers": {"Authorization": format!("Bearer {SECRET}")}}),
    ] {
        let script = [calls("whoami", json!({})), says("Hm.")];
        let (server, backend) = serving(script, |_| {}).await;
        let mut tool = toy_tool(&toy);
        tool.as_object_mut().unwrap().extend(credentials.as_object().unwrap().clone());
        tool["server_url"] = json!(format!("{}?token={SECRET}", toy.url));
        let stream = server.stream(json!({"input": "?", "tools": [tool]})).await.sound();
        assert_eq!(
            toy.seen.credentials.lock().unwrap().last().unwrap(),
            &format!("Bearer {SECRET}")
        );
        assert!(!stream.frames.concat().contains(SECRET));
        let response = stream.last();
        assert_eq!(response["output"][1]["output"], "you sent [redacted] and ");
        let echoed = &response["tools"][0];
        assert_eq!(echoed["server_url"], format!("{}?<redacted>", toy.url));
        assert!(!last_result(&backend).contains(SECRET));
        let id = response["id"].as_str().unwrap().parse().unwrap();
        let stored = server.store.get(&id).await.unwrap();
        assert!(!stored.request.to_string().contains(SECRET));
        let kept = json!(server.store.events(&id, 0, 1000).await.unwrap());
        assert!(!kept.to_string().contains(SECRET));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_listed_is_said_to_be() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp?key={SECRET}", gone.local_addr().unwrap());
    drop(gone);
    let (server, backend) = serving([says("I cannot.")], |_| {}).await;
    let tool = json!({"type": "mcp", "server_label": "toy", "server_url": url});
    let stream = server.stream(json!({"input": "?", "tools": [tool]})).await.sound();
    let response = stream.last();
    insta::assert_snapshot!(lines(&response), @r#"
    list toy  "no connection could be made"
    message I cannot.
    "#);
    assert!(stream.names().contains(&"response.mcp_list_tools.failed"));
    assert!(!stream.frames.concat().contains(SECRET));
    let told = format!("{:?}", backend.requests()[0].turns);
    assert!(told.contains("The tools of `toy` cannot be used"), "{told}");
}

/// Only public addresses, unless the configuration says more.
#[tokio::test]
async fn private_addresses_are_refused() {
    let toy = http_toy().await;
    let public_only = |setup: &mut Setup| setup.mcp.egress = Egress::new([]).unwrap();
    let (server, _) = serving([says("No.")], public_only).await;
    let port = toy.url.rsplit(':').next().unwrap().to_owned();
    for url in [
        toy.url.clone(),
        "http://169.254.169.254/latest/meta-data".into(),
        "http://[::1]/mcp".into(),
        "http://[::ffff:10.0.0.1]/mcp".into(),
        "http://2130706433/mcp".into(),
        "http://0x7f.1/mcp".into(),
        "file:///etc/passwd".into(),
        "https://user:password@example.com/mcp".into(),
        "not a url".into(),
    ] {
        let tool = json!({"type": "mcp", "server_label": "toy", "server_url": url});
        let body = json!({"model": "scripted", "input": "?", "tools": [tool]});
        let refused = server.post("/v1/responses", body).await;
        assert_eq!(refused.error(), "400 tools[0].server_url invalid_value", "{url}");
    }
    // A name tells only when it is resolved.
    let url = format!("http://localhost:{port}");
    let tool = json!({"type": "mcp", "server_label": "toy", "server_url": url});
    let response = server.respond(json!({"input": "?", "tools": [tool]})).await;
    let error = response["output"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("`localhost` is not a public address"), "{error}");
    assert_eq!(toy.seen.lists.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let toy = http_toy().await;
    let (server, _) = serving([says("Well.")], |_| {}).await;
    let mut tool = toy_tool(&toy);
    tool["server_url"] = json!(toy.url.replace("/mcp", "/moved"));
    let response = server.respond(json!({"input": "?", "tools": [tool]})).await;
    assert_eq!(response["output"][0]["tools"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn what_is_wrong_with_a_tool_is_named() {
    let (server, _) = serving([], |_| {}).await;
    let url = "https://example.com/mcp";
    let cases = [
        (json!({}), "tools[0].server_label missing_required_parameter"),
        (json!({"server_label": "a"}), "tools[0].server_url missing_required_parameter"),
        (json!({"server_label": "a b", "server_url": url}), "tools[0].server_label invalid_value"),
        (json!({"server_label": "a", "server_url": 7}), "tools[0].server_url invalid_type"),
        (
            json!({"server_label": "a", "connector_id": "connector_gmail"}),
            "tools[0].connector_id unsupported_parameter",
        ),
        (
            json!({"server_label": "a", "server_url": url, "require_approval": "sometimes"}),
            "tools[0].require_approval invalid_value",
        ),
        (
            json!({"server_label": "a", "server_url": url, "allowed_tools": "all"}),
            "tools[0].allowed_tools invalid_value",
        ),
        (
            json!({"server_label": "a", "server_url": url, "headers": {"Host": "b"}}),
            "tools[0].headers.Host invalid_value",
        ),
        (
            json!({"server_label": "a", "server_url": url, "headers": {"a b": "c"}}),
            "tools[0].headers.a b invalid_value",
        ),
        (
            json!({"server_label": "a", "server_url": url, "authorization": "a\nb"}),
            "tools[0].authorization invalid_value",
        ),
    ];
    for (mut tool, wanted) in cases {
        tool["type"] = json!("mcp");
        let body = json!({"model": "scripted", "input": "?", "tools": [tool]});
        let refused = server.post("/v1/responses", body).await;
        assert_eq!(refused.error(), format!("400 {wanted}"), "{tool}");
    }
    let twice = json!({"type": "mcp", "server_label": "a", "server_url": url});
    let body = json!({"model": "scripted", "input": "?", "tools": [twice, twice]});
    let refused = server.post("/v1/responses", body).await;
    assert!(refused.error().starts_with("400 tools[1].server_label"), "{refused:?}");
}

/// A tool that has the name of another is offered under its server's label.
#[tokio::test]
async fn names_do_not_collide() {
    let (one, two) = (http_toy().await, http_toy().await);
    let script = [calls("two__add", json!({"a": 1, "b": 2})), says("3.")];
    let (server, backend) = serving(script, |_| {}).await;
    let tool = |label: &str, toy: &HttpToy| {
        json!({
            "type": "mcp", "server_label": label, "server_url": toy.url,
            "allowed_tools": ["add", "python"], "require_approval": "never"
        })
    };
    let container = json!({"type": "code_interpreter", "container": {"type": "auto"}});
    let own = json!({"type": "function", "name": "note", "parameters": {"type": "object"}});
    let tools = json!([tool("one", &one), own, container, tool("two", &two)]);
    let response = server.respond(json!({"input": "?", "tools": tools})).await;
    let names: Vec<_> = backend.requests()[0].tools.iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["python", "add", "one__python", "two__add", "two__python", "note"]);
    let call = &response["output"][2];
    assert_eq!((&call["server_label"], &call["name"]), (&json!("two"), &json!("add")));
    assert!(one.seen.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tool_choice_names_a_servers_tool() {
    let toy = http_toy().await;
    let script = [calls("add", json!({"a": 1, "b": 2})), says("3.")];
    let (server, backend) = serving(script, |_| {}).await;
    let body = json!({
        "input": "?", "tools": [toy_tool(&toy)],
        "tool_choice": {"type": "mcp", "server_label": "toy", "name": "add"}
    });
    let response = server.respond(body).await;
    assert_eq!(text_of(&response), "3.");
    let offered: Vec<_> = backend.requests()[0].tools.iter().map(|t| t.name.clone()).collect();
    assert_eq!(offered, ["add"]);
}

/// The tests' server as a child process, as `ozone.toml` names one.
fn child() -> McpServer {
    let exe = std::env::current_exe().unwrap();
    let command = exe.parent().unwrap().parent().unwrap().join("examples/mcp_child");
    McpServer {
        label: "child".into(),
        reached: Reached::Stdio {
            command: command.display().to_string(),
            args: vec![],
            env: BTreeMap::from([("TOY_TOKEN".to_owned(), Secret::new(SECRET))]),
            cwd: None,
        },
        allowed: vec![Allowed::named(["add", "whoami", "hang"])],
        approval: Approval::Never,
    }
}

#[tokio::test]
async fn a_configured_child_process_is_used_by_its_label() {
    let script = [calls("add", json!({"a": 1, "b": 2})), calls("whoami", json!({})), says("3.")];
    let (server, _) = serving(script, |setup| setup.mcp.servers.push(child())).await;
    let tool = json!({"type": "mcp", "server_label": "child", "allowed_tools": ["add", "whoami", "flood"]});
    let response = server.stream(json!({"input": "?", "tools": [tool]})).await.sound().last();
    insta::assert_snapshot!(lines(&response), @r#"
    list child add,whoami null
    call child/add {"a":1,"b":2} -> "3" null
    call child/whoami {} -> "you sent  and [redacted]" null
    message 3.
    "#);
    // What is configured brings its own credentials.
    let tool = json!({"type": "mcp", "server_label": "child", "authorization": "mine"});
    let body = json!({"model": "scripted", "input": "?", "tools": [tool]});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 tools[0].authorization invalid_value");
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_said_to_be() {
    let (server, _) = serving([says("No.")], |setup| {
        let mut gone = child();
        if let Reached::Stdio { command, .. } = &mut gone.reached {
            *command = "/nowhere/mcp".into();
        }
        setup.mcp.servers.push(gone);
    })
    .await;
    let tool = json!({"type": "mcp", "server_label": "child"});
    let response = server.respond(json!({"input": "?", "tools": [tool]})).await;
    let error = response["output"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("`/nowhere/mcp` did not start"), "{error}");
}

/// A run that was killed before its call ended: the call is not made twice, since nobody knows
/// whether it took effect. Credentials were never stored, so its server is out of reach after that.
#[tokio::test]
async fn a_call_that_was_interrupted_is_not_made_again() {
    let toy = http_toy().await;
    let script =
        [calls("hang", json!({})), calls("add", json!({"a": 1, "b": 2})), says("I cannot tell.")];
    let backend = Arc::new(ScriptedBackend::new(script));
    let setup =
        || Setup { mcp: loopback(), limits: stops_soon(), ..Setup::with_backend(backend.clone()) };
    let first = setup();
    let store = first.store.clone();
    let server = first.start().await;
    let mut tool = toy_tool(&toy);
    tool["authorization"] = json!(SECRET);
    let body = json!({"model": "scripted", "input": "?", "background": true, "tools": [tool]});
    let id = server.post("/v1/responses", body).await.ok()["id"].as_str().unwrap().to_owned();
    until(|| toy.seen.calls.lock().unwrap().len() == 1).await;
    server.stop().await;
    let server = Setup { store, ..setup() }.start().await;
    let response = server.until(&id, "completed").await;
    let error = response["output"][1]["error"].as_str().unwrap();
    assert!(error.contains("whether it took effect is not known"), "{error}");
    let error = response["output"][2]["error"].as_str().unwrap();
    assert!(error.contains("its credentials are not kept here; send them again"), "{error}");
    assert_eq!(toy.seen.calls.lock().unwrap().len(), 1);
    assert_eq!(toy.seen.lists.load(Ordering::SeqCst), 1);
}

/// The same for a call that somebody agreed to.
#[tokio::test]
async fn an_approved_call_that_was_interrupted_is_not_made_again() {
    let toy = http_toy().await;
    let mut tool = toy_tool(&toy);
    tool["require_approval"] = json!("always");
    let backend = Arc::new(ScriptedBackend::new([calls("hang", json!({}))]));
    let next = Arc::new(ScriptedBackend::new([says("I cannot tell.")]));
    let setup = || Setup {
        models: vec![
            ModelEntry::new("turn-1", backend.clone()),
            ModelEntry::new("turn-2", next.clone()),
        ],
        mcp: loopback(),
        limits: stops_soon(),
        ..Setup::new([])
    };
    let first = setup();
    let store = first.store.clone();
    let server = first.start().await;
    let asked = turn(&server, 1, json!({"input": "?", "tools": [tool]})).await;
    let answer = json!({
        "type": "mcp_approval_response", "approval_request_id": asked["output"][1]["id"],
        "approve": true
    });
    let body = json!({
        "model": "turn-2", "input": [answer], "tools": [tool], "background": true,
        "previous_response_id": asked["id"]
    });
    let id = server.post("/v1/responses", body).await.ok()["id"].as_str().unwrap().to_owned();
    until(|| toy.seen.calls.lock().unwrap().len() == 1).await;
    server.stop().await;
    let server = Setup { store, ..setup() }.start().await;
    let response = server.until(&id, "completed").await;
    let call = &response["output"][0];
    assert_eq!(call["approval_request_id"], asked["output"][1]["id"]);
    let error = call["error"].as_str().unwrap();
    assert!(error.contains("whether it took effect is not known"), "{error}");
    assert_eq!(text_of(&response), "I cannot tell.");
    assert!(last_result(&next).contains("whether it took effect is not known"));
    assert_eq!(toy.seen.calls.lock().unwrap().len(), 1);
}

fn stops_soon() -> ServerLimits {
    ServerLimits { drain: Duration::from_millis(50), ..Default::default() }
}
