//! Batches: a file of requests in, a file of answers out.

use std::sync::Arc;

use ozone_model::{Script, ScriptedBackend};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says, text_of};

fn line(id: &str, body: Value) -> String {
    json!({"custom_id": id, "method": "POST", "url": "/v1/responses", "body": body}).to_string()
}

async fn batch(server: &TestServer, lines: &[String]) -> String {
    let part = Part::bytes(lines.join("\n").into_bytes()).file_name("in.jsonl");
    let form = Form::new().text("purpose", "batch").part("file", part);
    let sent = server.request(Method::POST, "/v1/files").multipart(form).send().await.unwrap();
    let file: Value = sent.json().await.unwrap();
    let body = json!({
        "input_file_id": file["id"], "endpoint": "/v1/responses", "completion_window": "24h",
    });
    let batch = server.post("/v1/batches", body).await.ok();
    assert_eq!(batch["status"], "validating");
    batch["id"].as_str().unwrap().to_owned()
}

async fn until(server: &TestServer, id: &str, status: &str) -> Value {
    for _ in 0..2000 {
        let batch = server.get(&format!("/v1/batches/{id}")).await.ok();
        if batch["status"] == status {
            return batch;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("batch {id} did not become {status}");
}

async fn lines_of(server: &TestServer, file: &Value) -> Vec<Value> {
    let path = format!("/v1/files/{}/content", file.as_str().unwrap());
    let text = server.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_batch_answers_each_line() {
    let server = TestServer::scripted([says("Four.")]).await;
    let lines: Vec<String> = (0..20)
        .map(|n| line(&format!("q{n}"), json!({"model": "scripted", "input": "2 + 2?"})))
        .chain([line("bad", json!({"model": "none", "input": "?"}))])
        .collect();
    let id = batch(&server, &lines).await;
    let done = until(&server, &id, "completed").await;
    assert_eq!(done["request_counts"], json!({"total": 21, "completed": 20, "failed": 1}));
    let answers = lines_of(&server, &done["output_file_id"]).await;
    assert_eq!(answers.len(), 20);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["custom_id"], format!("q{n}"));
        assert_eq!(text_of(&answer["response"]["body"]), "Four.");
        assert_eq!(answer["response"]["body"]["service_tier"], "batch");
    }
    let failures = lines_of(&server, &done["error_file_id"]).await;
    assert_eq!(failures[0]["response"]["status_code"], 404);
    let list = server.get("/v1/batches").await.ok();
    assert_eq!(list["data"][0]["id"], json!(id));
}

#[tokio::test]
async fn a_file_with_mistakes_fails_with_their_lines() {
    let server = TestServer::scripted([says("Four.")]).await;
    let good = line("a", json!({"model": "scripted", "input": "?"}));
    let id = batch(&server, &[good.clone(), "no json".into(), good]).await;
    let failed = until(&server, &id, "failed").await;
    let found: Vec<(&str, u64)> = failed["errors"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["code"].as_str().unwrap(), e["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("invalid_json_line", 2), ("duplicate_custom_id", 3)]);
}

#[tokio::test]
async fn a_cancelled_batch_stops_its_lines() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let server = TestServer::scripted([hangs]).await;
    let lines: Vec<String> = (0..30)
        .map(|n| line(&format!("q{n}"), json!({"model": "scripted", "input": "?"})))
        .collect();
    let id = batch(&server, &lines).await;
    while server.store.list(1).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let path = format!("/v1/batches/{id}/cancel");
    assert_eq!(server.post(&path, json!({})).await.ok()["status"], "cancelling");
    let done = until(&server, &id, "cancelled").await;
    assert!(done["request_counts"]["completed"].as_u64().unwrap() < 30);
}

/// What one process answered, the next one does not ask again.
#[tokio::test]
async fn a_batch_goes_on_after_a_restart() {
    let hangs = Script::Hangs { text: "Four.".into(), after: 2 };
    let mut first = Setup::new([hangs]);
    let quick = Arc::new(ScriptedBackend::new([says("Quick.")]));
    first.models.push(ozone_server::ModelEntry::new("quick", quick.clone()));
    first.limits.drain = std::time::Duration::ZERO;
    let (store, containers) = (first.store.clone(), first.containers.clone());
    let server = first.start().await;
    let lines = ["quick", "scripted", "quick"]
        .iter()
        .enumerate()
        .map(|(n, model)| line(&format!("q{n}"), json!({"model": model, "input": "?"})))
        .collect::<Vec<_>>();
    let id = batch(&server, &lines).await;
    while quick.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    server.stop().await;

    let mut second = Setup::new([says("Four.")]);
    second.models.push(ozone_server::ModelEntry::new("quick", quick.clone()));
    (second.store, second.containers) = (store, containers);
    let server = second.start().await;
    let done = until(&server, &id, "completed").await;
    let answers = lines_of(&server, &done["output_file_id"]).await;
    let texts: Vec<String> = answers.iter().map(|a| text_of(&a["response"]["body"])).collect();
    assert_eq!(texts, ["Quick.", "Four.", "Quick."]);
    assert_eq!(quick.requests().len(), 2);
}
