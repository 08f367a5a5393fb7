//! What a trainer fetches of a recorded response.

use ozone_model::{Script, ScriptedBackend, Take};
use ozone_tools::Step;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

fn recording(script: impl IntoIterator<Item = Script>) -> Setup {
    let mut setup = Setup::with(ScriptedBackend::takes([Take::new(script).sure(-0.5)]));
    setup.models[0].rollouts = true;
    setup
}

async fn rollout(server: &TestServer, body: Value) -> (Value, Value) {
    let response = server.respond(body).await;
    let id = response["id"].as_str().unwrap();
    let rollout = server.get(&format!("/v1/responses/{id}/rollout")).await.ok();
    (response, rollout)
}

/// A scripted model's tokens are bytes.
fn text(passage: &Value, sampled: u64) -> String {
    let pairs = passage["ids"].as_array().unwrap().iter().zip(passage["mask"].as_array().unwrap());
    let ids = pairs.filter(|(_, mask)| **mask == sampled).map(|(id, _)| id.as_u64().unwrap() as u8);
    String::from_utf8(ids.collect()).unwrap()
}

#[tokio::test]
async fn a_run_with_tools_is_one_passage_with_its_samples_marked() {
    let script = [Script::runs("Count.", "6 * 7"), says("It is 42.")];
    let mut setup = recording(script);
    setup.tool_steps = vec![Step::Prints("forty-two".into())];
    let server = setup.start().await;
    let tools = json!([{"type": "code_interpreter", "container": {"type": "auto"}}]);
    let asked = json!({"input": "6 * 7?", "tools": tools, "x_record": true});
    let (response, rollout) = rollout(&server, asked).await;
    assert_eq!(response["status"], "completed", "{response}");
    assert_eq!(
        (&rollout["object"], &rollout["status"]),
        (&json!("response.rollout"), &json!("completed"))
    );
    assert_eq!(rollout["output_text"], "It is 42.");

    let passages = rollout["passages"].as_array().unwrap();
    assert_eq!(passages.len(), 1, "{rollout}");
    let passage = &passages[0];
    let (given, sampled) = (text(passage, 0), text(passage, 1));
    assert!(given.starts_with("6 * 7?") && given.ends_with("forty-two"), "{given}");
    assert!(sampled.contains("Count.") && sampled.ends_with("It is 42."), "{sampled}");
    let logprobs = passage["logprobs"].as_array().unwrap();
    let mask = passage["mask"].as_array().unwrap();
    for (logprob, mask) in logprobs.iter().zip(mask) {
        assert_eq!(*logprob, if *mask == 1 { json!(-0.5) } else { Value::Null });
    }
    assert_eq!(
        (logprobs.len(), mask.len()),
        (passage["ids"].as_array().unwrap().len(), mask.len())
    );
}

#[tokio::test]
async fn what_was_not_recorded_is_not_there() {
    let server = recording([says("Yes.")]).start().await;
    let response = server.respond(json!({"input": "Well?"})).await;
    let path = format!("/v1/responses/{}/rollout", response["id"].as_str().unwrap());
    let refused = server.get(&path).await.error();
    assert_eq!(refused, "400 x_record -");
    let unknown = server.get("/v1/responses/resp_0/rollout").await.error();
    assert!(unknown.starts_with("404"), "{unknown}");
}

#[tokio::test]
async fn only_an_entry_that_allows_it_is_recorded_and_only_where_it_stays() {
    let server = Setup::with(ScriptedBackend::new([says("Yes.")])).start().await;
    let post = async |server: &TestServer, body| server.post("/v1/responses", body).await.error();
    let refused =
        post(&server, json!({"model": "scripted", "input": "Well?", "x_record": true})).await;
    assert_eq!(refused, "400 x_record unsupported_parameter");

    let server = recording([says("Yes.")]).start().await;
    let body = json!({"model": "scripted", "input": "Well?", "x_record": true, "store": false});
    let refused = post(&server, body).await;
    assert_eq!(refused, "400 x_record invalid_value");
}
