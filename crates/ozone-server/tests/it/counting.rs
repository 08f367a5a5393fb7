//! Counting and compacting.

use std::sync::Arc;

use ozone_model::{Script, ScriptedBackend};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says, text_of};

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
