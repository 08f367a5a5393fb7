//! Counting and compacting.

use std::sync::Arc;

use ozone_model::{Script, ScriptedBackend};
use ozone_server::ModelEntry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, Stream, TestServer, says, text_of};

#[tokio::test]
async fn a_count_is_what_a_response_is_charged() {
    let server = TestServer::scripted([says("It is a fine day.")]).await;
    let body = json!({"model": "scripted", "input": "How is it?", "instructions": "Be brief."});
    let count = server.post("/v1/responses/input_tokens", body.clone()).await.ok();
    assert_eq!(count["object"], "response.input_tokens");
    let response = server.post("/v1/responses", body).await.ok();
    assert_eq!(count["input_tokens"], response["usage"]["input_tokens"]);
    let body =
        json!({"model": "scripted", "input": "And?", "previous_response_id": response["id"]});
    let count = server.post("/v1/responses/input_tokens", body.clone()).await.ok();
    let second = server.post("/v1/responses", body).await.ok();
    assert_eq!(count["input_tokens"], second["usage"]["input_tokens"]);
    assert_eq!(server.store.list(10).await.unwrap().len(), 2, "a count is not stored");
}

#[tokio::test]
async fn a_compacted_conversation_is_gone_on_with() {
    let backend = Arc::new(ScriptedBackend::new([says("The code word is heron.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let input = json!([
        {"role": "user", "content": "The code word is heron."},
        {"role": "assistant", "content": "Noted."},
    ]);
    let body = json!({"model": "scripted", "input": input});
    let compacted = server.post("/v1/responses/compact", body).await.ok();
    assert_eq!(compacted["object"], "response.compaction");
    let output = compacted["output"].as_array().unwrap();
    let kinds: Vec<&str> = output.iter().map(|i| i["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "compaction"]);
    assert_eq!(output[0]["content"][0]["text"], "The code word is heron.");
    assert!(compacted["usage"]["output_tokens"].as_u64().unwrap() > 0);

    let mut input = output.clone();
    input.push(json!({"role": "user", "content": "What was it?"}));
    let next = server.respond(json!({"input": input})).await;
    assert_eq!(text_of(&next), "The code word is heron.");
    let read = format!("{:?}", backend.requests().pop().unwrap().turns);
    assert!(read.contains("Summary of the conversation so far"), "{read}");
    assert!(!read.contains("Noted."), "{read}");

    input[1]["encrypted_content"] = json!("oz1.nonsense");
    let body = json!({"model": "scripted", "input": input});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 input[1].encrypted_content invalid_encrypted_content");
}

#[tokio::test]
async fn a_compaction_needs_a_model_and_a_model_that_works() {
    let server = TestServer::scripted([Script::Says { text: String::new() }]).await;
    let refused = server.post("/v1/responses/compact", json!({"input": "?"})).await;
    assert_eq!(refused.error(), "400 model missing_required_parameter");
    let body = json!({"model": "scripted", "input": "?"});
    let failed: Value = server.post("/v1/responses/compact", body).await.body;
    assert_eq!(failed["error"]["message"], "the model wrote no summary");
}

/// A server whose models say these things, each one after another.
async fn saying(scripts: &[&[&str]]) -> (TestServer, Vec<Arc<ScriptedBackend>>) {
    let of = |texts: &&[&str]| {
        let script = texts.iter().map(|text| says(text));
        Arc::new(ScriptedBackend::new(script).in_order())
    };
    let backends: Vec<Arc<ScriptedBackend>> = scripts.iter().map(of).collect();
    let entry = |(n, backend): (usize, &Arc<ScriptedBackend>)| {
        ModelEntry::new(format!("turn-{}", n + 1), backend.clone())
    };
    let models = backends.iter().enumerate().map(entry).collect();
    (Setup { models, ..Setup::new([]) }.start().await, backends)
}

async fn turn(server: &TestServer, n: usize, mut body: Value) -> Value {
    body["model"] = json!(format!("turn-{n}"));
    body["stream"] = json!(true);
    let request = server.request(Method::POST, "/v1/responses").json(&body);
    Stream::of(request.send().await.unwrap()).await.sound().last()
}

fn read_by(backend: &ScriptedBackend) -> String {
    format!("{:?}", backend.requests().last().unwrap().turns)
}

#[tokio::test]
async fn a_response_is_compacted_while_it_runs_and_a_later_turn_still_knows() {
    let long = "And so on. ".repeat(50);
    let second = ["(not read)", "Word: heron.", "Heron."];
    let (server, models) = saying(&[&[long.as_str()], &second, &["Yes."]]).await;
    let first = turn(&server, 1, json!({"input": "The word is heron."})).await;
    let body = json!({
        "input": "What was it?", "previous_response_id": first["id"],
        "context_management": [{"type": "compaction", "compact_threshold": 300}],
    });
    let second = turn(&server, 2, body).await;
    let kinds: Vec<_> = second["output"].as_array().unwrap().iter().map(|i| &i["type"]).collect();
    assert_eq!(kinds, ["compaction", "message"]);
    let keys: Vec<&String> = second["output"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["type", "id", "encrypted_content"]);
    assert!(!second.to_string().contains("Word: heron."), "the summary is sealed");
    let stored = server.get(&format!("/v1/responses/{}", second["id"].as_str().unwrap())).await;
    assert_eq!(stored.ok()["output"], second["output"]);

    let next = json!({"input": "Sure?", "previous_response_id": second["id"]});
    assert_eq!(text_of(&turn(&server, 3, next).await), "Yes.");
    let read = read_by(&models[2]);
    for stays in ["The word is heron.", "Word: heron.", "What was it?", "Heron.", "Sure?"] {
        assert!(read.contains(stays), "{stays}: {read}");
    }
    assert!(!read.contains("And so on."), "{read}");
}

/// The client may send the compaction in place of everything before it.
#[tokio::test]
async fn a_compaction_of_a_response_that_is_not_stored_is_sent_back() {
    let long = "And so on. ".repeat(50);
    let second = ["(not read)", "Word: heron.", "Heron."];
    let (server, models) = saying(&[&second]).await;
    let body = json!({
        "input": [
            {"role": "user", "content": "The word is heron."}, {"role": "assistant", "content": long},
            {"role": "user", "content": "What was it?"},
        ],
        "store": false,
        "context_management": [{"type": "compaction", "compact_threshold": 300}],
    });
    let first = turn(&server, 1, body).await;
    let mut input = first["output"].as_array().unwrap().clone();
    assert_eq!(input[0]["type"], "compaction");
    input.push(json!({"role": "user", "content": "Sure?"}));
    let kept = turn(&server, 1, json!({"input": input})).await;
    let read = read_by(&models[0]);
    assert!(read.contains("Word: heron.") && read.contains("Sure?"), "{read}");
    let id = kept["id"].as_str().unwrap();
    let listed = server.get(&format!("/v1/responses/{id}/input_items?order=asc")).await.ok();
    assert_eq!(listed["data"][0], input[0], "what was sealed is listed as it was");
}

#[tokio::test]
async fn context_management_takes_one_compaction() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let cases = [
        (json!("compaction"), "400 context_management invalid_type"),
        (json!([{}]), "400 context_management[0].type missing_required_parameter"),
        (json!([{"type": "pruning"}]), "400 context_management[0].type invalid_value"),
        (
            json!([{"type": "compaction", "compact_threshold": 0}]),
            "400 context_management[0].compact_threshold invalid_value",
        ),
        (
            json!([{"type": "compaction"}, {"type": "compaction"}]),
            "400 context_management[1] invalid_value",
        ),
    ];
    for (given, expected) in cases {
        let body = json!({"model": "scripted", "input": "?", "context_management": given});
        assert_eq!(server.post("/v1/responses", body).await.error(), expected);
    }
    let body = json!({"input": "?", "context_management": [{"type": "compaction"}]});
    assert_eq!(text_of(&server.respond(body).await), "Yes.");
}
