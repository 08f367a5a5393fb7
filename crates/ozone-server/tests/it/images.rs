//! The image tools of a request: its pictures, the model's calls, and what is left in the container.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_model::{Script, ScriptedBackend, Take};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says, text_of};

struct Asked {
    server: TestServer,
    backend: Arc<ScriptedBackend>,
}

async fn asked(backend: ScriptedBackend) -> Asked {
    let backend = Arc::new(backend);
    Asked { server: Setup::with_backend(backend.clone()).start().await, backend }
}

/// A red square on white, 40 of 200 by 100 pixels.
fn picture() -> String {
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>\
               <rect width='200' height='100' fill='white'/>\
               <rect x='20' y='30' width='40' height='40' fill='red'/></svg>";
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

fn body(question: &str) -> Value {
    json!({
        "input": [{"role": "user", "content": [
            {"type": "input_text", "text": question},
            {"type": "input_image", "image_url": picture()}
        ]}],
        "tools": [{"type": "mcp", "server_label": "image"}]
    })
}

fn calls(name: &str, arguments: Value) -> Script {
    let call = json!({"name": name, "arguments": arguments});
    says(&format!("<tool_call>\n{call}\n</tool_call>"))
}

fn zooms() -> Script {
    calls("image_zoom_in_tool", json!({"bbox_2d": [20, 30, 60, 70]}))
}

#[tokio::test]
async fn a_model_without_eyes_works_on_a_picture_with_tools() {
    let script = [
        zooms(),
        calls("image_measure", json!({"what": "colour", "point": [10, 10]})),
        says("It is red."),
    ];
    let Asked { server, backend } = asked(ScriptedBackend::new(script)).await;
    let response = server.respond(body("Which colour is the square?")).await;
    assert_eq!(text_of(&response), "It is red.");
    let calls: Vec<&Value> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["type"] == "mcp_call")
        .collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["server_label"], "image");
    assert!(calls[0]["output"].as_str().unwrap().contains("img_1"), "{}", calls[0]);
    let told = format!("{:?}", backend.requests()[0].turns);
    assert!(told.contains("img_0: picture_1, SVG, 1024x512 pixels"), "{told}");
    assert!(told.contains("You cannot see pictures"), "{told}");
    assert!(!told.contains("base64"), "no pixels in the text");
    let container = response["id"].as_str().unwrap().replacen("resp_", "cntr_", 1);
    let files = server.get(&format!("/v1/containers/{container}/files")).await.ok();
    let paths: Vec<&str> =
        files["data"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert!(paths.iter().any(|path| path.ends_with("img_1.png")), "{paths:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_model_with_eyes_is_shown_the_picture_and_the_results() {
    let backend = ScriptedBackend::new([zooms(), says("Red.")]).that_sees();
    let Asked { server, backend } = asked(backend).await;
    server.respond(body("Which colour?")).await;
    let shown = |at: usize| {
        let turns = &backend.requests()[at].turns;
        turns.iter().filter(|turn| matches!(turn, ozone_model::Turn::Shown { .. })).count()
    };
    assert_eq!((shown(0), shown(1)), (1, 2));
    server.stop().await;
}

#[tokio::test]
async fn the_next_turn_finds_the_pictures_and_the_views_of_the_last() {
    let view = calls("image_view", json!({"image": "img_1"}));
    let takes = [Take::new([zooms(), says("Red.")]), Take::new([view, says("40.")])];
    let Asked { server, backend } = asked(ScriptedBackend::takes(takes)).await;
    let mut before = body("Which colour?");
    before["seed"] = json!(0);
    let first = server.respond(before).await;
    let next = json!({
        "input": "How wide is it?", "previous_response_id": first["id"], "seed": 1,
        "tools": [{"type": "mcp", "server_label": "image"}]
    });
    let second = server.respond(next).await;
    let call = &second["output"][0];
    assert_eq!((&call["name"], &call["status"]), (&json!("view"), &json!("completed")));
    let told = format!("{:?}", backend.requests()[2].turns);
    assert_eq!(told.matches("img_0: picture_1").count(), 1, "{told}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_may_want_some_of_the_tools() {
    let Asked { server, backend } = asked(ScriptedBackend::new([says("A square.")])).await;
    let mut some = body("What is it?");
    some["tools"][0]["allowed_tools"] = json!(["view", "ocr"]);
    server.respond(some).await;
    let mut names: Vec<String> =
        backend.requests()[0].tools.iter().map(|tool| tool.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["image_ocr", "image_view"]);
    server.stop().await;
}

/// A response without the tools had the picture; the next one has the tools.
#[tokio::test]
async fn pictures_of_earlier_turns_come_along() {
    let takes = [Take::new([says("A square.")]), Take::new([zooms(), says("Red.")])];
    let Asked { server, backend } = asked(ScriptedBackend::takes(takes).that_sees()).await;
    let mut before = body("What is it?");
    before["seed"] = json!(0);
    before.as_object_mut().unwrap().remove("tools");
    let first = server.respond(before).await;
    let next = json!({
        "input": "Which colour?", "previous_response_id": first["id"], "seed": 1,
        "tools": [{"type": "mcp", "server_label": "image"}]
    });
    let second = server.respond(next).await;
    assert_eq!(text_of(&second), "Red.", "{second:#}");
    let told = format!("{:?}", backend.requests()[1].turns);
    assert!(told.contains("Pictures from before: \\n[img_0: picture_1"), "{told}");
    server.stop().await;
}

#[tokio::test]
async fn a_container_that_is_full_takes_no_further_picture() {
    let say = || Take::new([says("Red.")]);
    let Asked { server, .. } = asked(ScriptedBackend::takes([say(), say(), say()])).await;
    let with = |count: usize| {
        let mut body = body("Which colour?");
        let pictures = vec![json!({"type": "input_image", "image_url": picture()}); count];
        body["input"][0]["content"] = Value::from(pictures);
        body
    };
    let mut first = with(199);
    first["seed"] = json!(0);
    let first = server.respond(first).await;
    let container = first["id"].as_str().unwrap().replacen("resp_", "cntr_", 1);
    let folder = server.containers.path().join(container);
    let count = || folder.read_dir().unwrap().count();
    let before = count();
    let next = |pictures: usize| {
        let mut body = with(pictures);
        (body["previous_response_id"], body["seed"]) = (first["id"].clone(), json!(1));
        body["model"] = json!("scripted");
        body
    };
    let refused = server.post("/v1/responses", next(2)).await;
    let message = refused.body["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(refused.error(), "400 input too_many_images");
    assert!(message.contains("at most 200") && message.contains("Begin a new"), "{message}");
    assert_eq!(count(), before, "what was refused leaves nothing");
    server.respond(next(1)).await;
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_leaves_nothing() {
    let server = Setup::new([]).start().await;
    let refused = async |change: &dyn Fn(&mut Value)| {
        let mut body = body("What?");
        body["model"] = json!("scripted");
        change(&mut body);
        server.post("/v1/responses", body).await.error()
    };
    let mut all = vec![];
    all.push(refused(&|body| body["tools"][0]["server_url"] = json!("https://a.test/mcp")).await);
    all.push(refused(&|body| body["tools"][0]["require_approval"] = json!("always")).await);
    all.push(refused(&|body| body["tools"][0]["allowed_tools"] = json!(["paint"])).await);
    let broken = json!(format!("data:image/png;base64,{}", STANDARD.encode("\u{89}PNG but not")));
    all.push(refused(&|body| body["input"][0]["content"][1]["image_url"] = broken.clone()).await);
    insta::assert_snapshot!(all.join("\n"), @r"
    400 tools[0].server_label invalid_value
    400 tools[0].require_approval invalid_value
    400 tools[0].allowed_tools invalid_value
    400 input invalid_image_format
    ");
    let left: Vec<_> = std::fs::read_dir(server.containers.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    server.stop().await;
}
