//! The compatibility door.

use std::sync::Arc;

use ozone_model::ScriptedBackend;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

fn weather() -> Value {
    json!([{"type": "function", "function": {
        "name": "weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }}])
}

const CALL: &str =
    "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";

async fn chunks(server: &TestServer, mut body: Value) -> Vec<Value> {
    body["model"] = json!("scripted");
    body["stream"] = json!(true);
    let request = server.request(Method::POST, "/v1/chat/completions").json(&body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let mut lines: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("data: ")).collect();
    assert_eq!(lines.pop(), Some("[DONE]"));
    lines.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One field of all deltas, joined.
fn joined(chunks: &[Value], field: &str) -> String {
    chunks.iter().filter_map(|c| c["choices"][0]["delta"][field].as_str()).collect()
}

#[tokio::test]
async fn a_chat_is_answered() {
    let server = TestServer::scripted([says("<think>\nhm\n</think>\n\nFour.")]).await;
    let messages = json!([{"role": "system", "content": "Be brief."},
                          {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}]}]);
    let body = json!({"model": "scripted", "messages": messages});
    let answer = server.post("/v1/chat/completions", body).await.ok();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], "Four.");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let usage = &answer["usage"];
    let sum =
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
}

#[tokio::test]
async fn a_streamed_chat_says_the_same() {
    let server = TestServer::scripted([says("It is four.")]).await;
    let messages = json!([{"role": "user", "content": "2 + 2?"}]);
    let body = json!({"messages": messages, "stream_options": {"include_usage": true}});
    let chunks = chunks(&server, body).await;
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(joined(&chunks, "content"), "It is four.");
    let [.., finish, usage] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

/// Raw reasoning where the model's entry allows it, in both names that clients know.
#[tokio::test]
async fn reasoning_is_told_apart_from_the_answer() {
    let mut setup = Setup::new([says("<think>\nIt is even.\n</think>\n\nFour.")]);
    setup.models[0].raw_reasoning = true;
    let server = setup.start().await;
    let messages = json!([{"role": "user", "content": "2 + 2?"}]);
    let chunks = chunks(&server, json!({"messages": messages})).await;
    assert_eq!(joined(&chunks, "reasoning_content").trim(), "It is even.");
    assert_eq!(joined(&chunks, "reasoning"), joined(&chunks, "reasoning_content"));
    assert_eq!(joined(&chunks, "content"), "Four.");
    let body = json!({"model": "scripted", "messages": messages});
    let answer = server.post("/v1/chat/completions", body).await.ok();
    let thought = answer["choices"][0]["message"]["reasoning_content"].as_str().unwrap();
    assert_eq!(thought.trim(), "It is even.");
}

#[tokio::test]
async fn calls_are_handed_over_and_their_results_read() {
    let backend = Arc::new(ScriptedBackend::new([says(CALL)]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let mut messages = json!([{"role": "user", "content": "Oslo?"}]);
    let body = json!({"model": "scripted", "messages": messages, "tools": weather()});
    let answer = server.post("/v1/chat/completions", body).await.ok();
    let message = &answer["choices"][0]["message"];
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(message["content"], Value::Null);
    let call = &message["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");

    let streamed = chunks(&server, json!({"messages": messages, "tools": weather()})).await;
    let calls: Vec<&Value> =
        streamed.iter().map(|c| &c["choices"][0]["delta"]["tool_calls"][0]).collect();
    let call_chunk = calls.iter().find(|c| !c.is_null()).unwrap();
    assert_eq!(call_chunk["function"], call["function"]);
    assert_eq!(call_chunk["index"], 0);

    messages.as_array_mut().unwrap().push(message.clone());
    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "rain"});
    messages.as_array_mut().unwrap().push(result);
    let body = json!({"model": "scripted", "messages": messages, "tools": weather()});
    server.post("/v1/chat/completions", body).await.ok();
    let read = format!("{:?}", backend.requests().pop().unwrap().turns);
    assert!(read.contains("weather") && read.contains("rain"), "{read}");
}

#[tokio::test]
async fn what_is_not_done_is_refused() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let messages = json!([{"role": "user", "content": "?"}]);
    let cases = [
        (json!({}), "400 messages missing_required_parameter"),
        (json!({"messages": []}), "400 messages invalid_value"),
        (json!({"messages": messages, "n": 2}), "400 n unsupported_parameter"),
        (json!({"messages": messages, "stop": "."}), "400 stop unsupported_parameter"),
        (json!({"messages": messages, "store": true}), "400 store unsupported_parameter"),
        (
            json!({"messages": [{"content": "?"}]}),
            "400 messages[0].role missing_required_parameter",
        ),
        (
            json!({"messages": [{"role": "poet", "content": "?"}]}),
            "400 messages[0].role invalid_value",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "400 messages[0].content missing_required_parameter",
        ),
        (json!({"messages": messages, "temperature": 9}), "400 temperature invalid_value"),
        (
            json!({"messages": messages, "tools": [{"type": "function"}]}),
            "400 tools[0].function missing_required_parameter",
        ),
    ];
    for (mut body, expected) in cases {
        body["model"] = json!("scripted");
        let answer = server.post("/v1/chat/completions", body.clone()).await;
        assert_eq!(answer.error(), expected, "{body}");
    }
}
