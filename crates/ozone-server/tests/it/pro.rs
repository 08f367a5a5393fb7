//! Pro mode and effort over HTTP.

use ozone_model::{ScriptedBackend, Take};
use serde_json::{Value, json};

use crate::support::{Setup, says, text_of};

fn saying(answers: &[&str]) -> ScriptedBackend {
    ScriptedBackend::takes(answers.iter().map(|answer| Take::new([says(answer)])))
}

fn asking(more: Value) -> Value {
    let mut body = json!({"input": "2 + 2?", "seed": 0, "reasoning": {"mode": "pro"}});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

#[tokio::test]
async fn samples_vote_and_each_can_be_read_until_the_response_is_deleted() {
    let server = Setup::with(saying(&["4", "5", "4", "4"])).start().await;
    let response = server.respond(asking(json!({"x_pro": {"n_max": 4}}))).await;
    assert_eq!(
        (response["status"].as_str(), text_of(&response).as_str()),
        (Some("completed"), "4")
    );
    assert_eq!(response["reasoning"]["mode"], "pro");
    let pro = &response["x_pro"];
    assert_eq!(pro["votes"][0]["answer"], "4");
    assert_eq!((pro["votes"][0]["count"].as_u64(), pro["finished"].as_u64()), (Some(3), Some(4)));
    assert_eq!(pro["stop_reason"], "exhausted");

    let id = response["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), response);
    let second = pro["child_ids"][1].as_str().unwrap();
    let sample = server.get(&format!("/v1/responses/{second}")).await.ok();
    assert_eq!(
        (text_of(&sample).as_str(), &sample["reasoning"]["mode"]),
        ("5", &json!("standard"))
    );
    server.delete(&format!("/v1/responses/{id}")).await.ok();
    let gone = server.get(&format!("/v1/responses/{second}")).await.error();
    assert!(gone.starts_with("404"), "{gone}");
}

#[tokio::test]
async fn a_stream_tells_how_the_vote_stands_and_then_the_answer() {
    let server = Setup::with(saying(&["4"])).start().await;
    let stream = server.stream(asking(json!({}))).await.sound();
    let names = stream.names();
    assert!(names.iter().filter(|name| **name == "response.in_progress").count() > 4, "{names:?}");
    let last = stream.last();
    assert_eq!(last["x_pro"]["stop_reason"], "posterior");
    assert_eq!(text_of(&last), "4");
}

#[tokio::test]
async fn a_conversation_goes_on_behind_a_vote() {
    let take = Take::new([says("4"), says("4")]);
    let server = Setup::with(ScriptedBackend::takes([take])).start().await;
    let unstored = server.respond(asking(json!({"store": false}))).await;
    assert_eq!(text_of(&unstored), "4");
    let response = server.respond(asking(json!({}))).await;
    let next = json!({"input": "And 3 + 1?", "previous_response_id": response["id"]});
    assert_eq!(text_of(&server.respond(next).await), "4");
}

#[tokio::test]
async fn chat_completions_vote_too() {
    let server = Setup::with(saying(&["4", "4", "5", "4", "4", "4"])).start().await;
    let body = json!({
        "model": "scripted", "messages": [{"role": "user", "content": "2 + 2?"}], "seed": 0,
        "reasoning": {"mode": "pro"}, "x_pro": {"n_max": 5},
    });
    let answer = server.post("/v1/chat/completions", body).await.ok();
    assert_eq!(answer["choices"][0]["message"]["content"], "4");
}

#[tokio::test]
async fn an_effort_is_a_budget_of_thinking_that_usage_shows() {
    let thought = format!("<think>\n{}\n</think>\n\nIt is 4.", "Hm. ".repeat(500));
    for (effort, tokens_max) in [("none", 0), ("minimal", 512)] {
        let server = Setup::with(ScriptedBackend::new([says(&thought)])).start().await;
        let body = json!({"input": "2 + 2?", "reasoning": {"effort": effort}});
        let response = server.respond(body).await;
        assert_eq!(text_of(&response), "It is 4.");
        let details = &response["usage"]["output_tokens_details"];
        let budget = json!({"tokens_max": tokens_max, "enforced": true, "forced_ends": 1});
        assert_eq!(response["usage"]["reasoning_budget"], budget);
        assert!(details["reasoning_tokens"].as_u64().unwrap() <= tokens_max, "{details}");
        assert_eq!(response["reasoning"]["effort"], effort);
    }
}
