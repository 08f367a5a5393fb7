//! Conversations: items in order, whoever adds them.

use std::sync::Arc;

use ozone_model::ScriptedBackend;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

async fn conversation(server: &TestServer, body: Value) -> String {
    let made = server.post("/v1/conversations", body).await.ok();
    assert_eq!(made["object"], "conversation");
    made["id"].as_str().unwrap().to_owned()
}

/// `type text` of each item, oldest first.
async fn items(server: &TestServer, id: &str) -> Vec<String> {
    let path = format!("/v1/conversations/{id}/items?order=asc&limit=100");
    let list = server.get(&path).await.ok();
    let text = |item: &Value| item["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    let items = list["data"].as_array().unwrap().iter();
    items.map(|i| format!("{} {}", i["type"].as_str().unwrap(), text(i))).collect()
}

#[tokio::test]
async fn responses_prolong_their_conversation() {
    let backend = Arc::new(ScriptedBackend::new([says("Four.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let hello = json!({"items": [{"role": "developer", "content": "Be brief."}]});
    let id = conversation(&server, hello).await;
    for question in ["2 + 2?", "Sure?"] {
        let response = server.respond(json!({"input": question, "conversation": id})).await;
        assert_eq!(response["conversation"]["id"], json!(id));
    }
    assert_eq!(
        items(&server, &id).await,
        ["message Be brief.", "message 2 + 2?", "message Four.", "message Sure?", "message Four."]
    );
    assert_eq!(backend.requests().pop().unwrap().turns.len(), 4);
}

/// Raw reasoning is kept for the model and not listed.
#[tokio::test]
async fn hidden_reasoning_is_kept_but_not_shown() {
    let backend = Arc::new(ScriptedBackend::new([says("<think>\nsecret\n</think>\n\nFour.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let id = conversation(&server, json!({})).await;
    server.respond(json!({"input": "2 + 2?", "conversation": id})).await;
    let list = server.get(&format!("/v1/conversations/{id}/items")).await.ok();
    assert!(!list.to_string().contains("secret"), "{list}");
    server.respond(json!({"input": "Sure?", "conversation": id})).await;
    assert!(format!("{:?}", backend.requests().pop().unwrap().turns).contains("secret"));
}

#[tokio::test]
async fn items_are_added_fetched_and_deleted() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let id = conversation(&server, json!({"metadata": {"a": "1"}})).await;
    let path = format!("/v1/conversations/{id}");
    let added =
        json!({"items": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]});
    let added = server.post(&format!("{path}/items"), added).await.ok();
    let one = added["data"][0]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{path}/items/{one}")).await.ok(), added["data"][0]);
    assert_eq!(server.delete(&format!("{path}/items/{one}")).await.ok()["id"], json!(id));
    assert_eq!(server.get(&format!("{path}/items/{one}")).await.error(), "404 - -");
    assert_eq!(items(&server, &id).await, ["message two"]);
    let changed = server.post(&path, json!({"metadata": {"b": "2"}})).await.ok();
    assert_eq!(changed["metadata"], json!({"b": "2"}));
    let deleted = server.delete(&path).await.ok();
    assert_eq!(
        (&deleted["object"], &deleted["deleted"]),
        (&json!("conversation.deleted"), &json!(true))
    );
    assert_eq!(server.get(&path).await.error(), "404 - -");
}

/// Responses on one conversation run one after the other; none is lost.
#[tokio::test]
async fn responses_at_the_same_time_lose_nothing() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let id = conversation(&server, json!({})).await;
    let ask = |n: usize| server.respond(json!({"input": format!("q{n}"), "conversation": id}));
    futures::future::join_all((0..6).map(ask)).await;
    let items = items(&server, &id).await;
    assert_eq!(items.len(), 12, "{items:?}");
    for pair in items.chunks(2) {
        assert!(pair[0].starts_with("message q") && pair[1] == "message Yes.", "{items:?}");
    }
}

/// Clients read the items of a conversation as they read an output, whoever wrote them and however.
#[tokio::test]
async fn items_are_shown_in_one_shape() {
    let server = TestServer::scripted([says("Four.")]).await;
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "4"});
    let given = json!([
        {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "Four."}, call, output
    ]);
    let id = conversation(&server, json!({"items": given})).await;
    server.respond(json!({"input": "Sure?", "conversation": id})).await;
    let path = format!("/v1/conversations/{id}/items?order=asc");
    let list = server.get(&path).await.ok();
    let shape = |item: &Value| {
        format!("{} {} {}", item["type"], item["status"], item["content"][0]["type"])
    };
    let shapes: Vec<String> = list["data"].as_array().unwrap().iter().map(shape).collect();
    let message = |part: &str| format!(r#""message" "completed" "{part}""#);
    assert_eq!(
        shapes,
        [
            message("input_text"),
            message("output_text"),
            r#""function_call" "completed" null"#.into(),
            r#""function_call_output" "completed" null"#.into(),
            message("input_text"),
            message("output_text"),
        ]
    );
}
