//! What the model reads of earlier responses.

use ozone_agent::{InvalidRequest, OfferedTools, Request, remembered};
use ozone_model::ScriptedBackend;
use ozone_store::Store;
use ozone_tools::{ScriptedTool, Shown};
use ozone_types::{Item, Response, Truncation};
use serde_json::{Value, json};

use crate::support::{Scene, call, prints, says, show};

fn items(values: Value) -> Vec<Item> {
    serde_json::from_value(values).unwrap()
}

fn request(input: Value) -> Request {
    Request::new("scripted", items(input), false).unwrap()
}

/// What the model is given, one turn a line.
async fn reads(request: Request) -> String {
    let scene = Scene::asking(request, [says("ok"), says("ok"), says("ok")]).await;
    scene.answer().await;
    let turns = scene.backend.requests()[0].turns.clone();
    turns.iter().map(|turn| format!("{turn:?}")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn items_of_clients_become_turns() {
    let turns = reads(request(json!([
        {"type": "message", "role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "input_text", "text": "Fix it."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content":
            [{"type": "reasoning_text", "text": "I patch."}]},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** a"},
        {"type": "function_call", "call_id": "c2", "name": "echo", "namespace": "mcp__t",
         "arguments": "{}"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call_output", "call_id": "c2", "output":
            [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "summary": [], "content": null, "encrypted_content": "x"},
        {"type": "computer_call", "id": "cu_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": "Fixed."},
        {"type": "message", "role": "user", "content": "Thanks"}
    ])))
    .await;
    insta::assert_snapshot!(turns, @r#"
    Given(Developer { text: "Be kind." })
    Given(User { text: "Fix it." })
    Given(Assistant { reasoning: Some("I patch."), text: "", tool_calls: [ToolCall { id: "c1", name: "apply_patch", arguments: "{\"input\":\"*** a\"}" }, ToolCall { id: "c2", name: "mcp__t__echo", arguments: "{}" }] })
    Given(ToolResult { call_id: "c1", name: "apply_patch", output: "done" })
    Given(ToolResult { call_id: "c2", name: "mcp__t__echo", output: "hi" })
    Given(Assistant { reasoning: None, text: "Fixed.", tool_calls: [] })
    Given(User { text: "Thanks" })
    "#);
}

/// A tool that runs here is called again by the name that the model knows.
#[tokio::test]
async fn calls_of_tools_that_run_here_keep_the_models_name() {
    let shown = Shown::McpCall { server_label: "image".into(), name: "crop".into() };
    let tool = ScriptedTool::new([]).shown_as("image_crop", shown);
    let request = request(json!([
        {"role": "user", "content": "Crop."},
        {"type": "mcp_call", "id": "mcp_1", "server_label": "image", "name": "crop",
         "arguments": "{}", "output": null, "error": "no picture"},
        {"role": "user", "content": "Again."}
    ]));
    let scene = Scene::asking(request, [says("ok")]).await;
    scene.run_with(tool).await;
    let turns = format!("{:?}", scene.backend.requests()[0].turns);
    assert!(turns.contains(r#"name: "image_crop", output: "no picture""#), "{turns}");
}

#[tokio::test]
async fn a_call_that_was_never_answered_is_answered_with_aborted() {
    let turns = reads(request(json!([
        {"role": "user", "content": "Go."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"role": "user", "content": "Stop."}
    ])))
    .await;
    insta::assert_snapshot!(turns, @r#"
    Given(User { text: "Go." })
    Given(Assistant { reasoning: None, text: "", tool_calls: [ToolCall { id: "c1", name: "f", arguments: "{}" }] })
    Given(ToolResult { call_id: "c1", name: "f", output: "aborted" })
    Given(User { text: "Stop." })
    "#);
}

/// Reasoning that the client never saw is read again by the model that thought it.
#[tokio::test]
async fn the_next_turn_reads_what_was_thought_and_what_came_back() {
    let tools = vec![json!({"type": "function", "name": "look"})];
    let mut first = request(json!([{"role": "user", "content": "Where?"}]));
    first.tools = OfferedTools::parse(tools).unwrap();
    first.raw_reasoning = false;
    first.instructions = Some("Only now.".into());
    let script = [
        says(
            "<think>\nFirst Python.\n</think>\n\n<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"print(1)\"}}\n</tool_call>",
        ),
        says(&format!("<think>\nI must look.\n</think>\n\n{}", call("look", json!({"at": 1})))),
    ];
    let scene = Scene::asking(first, script).await;
    let response: Response = scene.run([prints("1")]).await;
    insta::assert_snapshot!(show(&response), @r#"
    reasoning
    python    print(1) -> 1
    reasoning
    function  look {"at":1}
    completed
    "#);

    let records = scene.store.records(&scene.id).await.unwrap();
    let mut earlier = items(json!([{"role": "user", "content": "Where?"}]));
    earlier.extend(remembered(response.output.clone(), records));
    let call_id = serde_json::to_value(&response.output[3]).unwrap()["call_id"].clone();
    let mut next = request(json!([
        {"type": "function_call_output", "call_id": call_id, "output": "a cat"}
    ]));
    next.earlier = earlier;
    let turns = reads(next.checked().unwrap()).await;
    let id = |text: &str| {
        let ids = [response.output[1].id().unwrap(), call_id.as_str().unwrap()];
        ids.iter().fold(text.to_owned(), |text, id| text.replace(id, "ID"))
    };
    insta::assert_snapshot!(id(&turns), @r#"
    Given(User { text: "Where?" })
    Given(Assistant { reasoning: Some("First Python."), text: "", tool_calls: [ToolCall { id: "ID", name: "python", arguments: "{\"code\":\"print(1)\"}" }] })
    Given(ToolResult { call_id: "ID", name: "python", output: "1" })
    Given(Assistant { reasoning: Some("I must look."), text: "", tool_calls: [ToolCall { id: "ID", name: "look", arguments: "{\"at\":1}" }] })
    Given(ToolResult { call_id: "ID", name: "look", output: "a cat" })
    "#);
}

#[tokio::test]
async fn a_conversation_that_does_not_fit_loses_its_oldest_exchanges_if_it_may() {
    let long = "x".repeat(400);
    let input = json!([
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": long}, {"role": "assistant", "content": long},
        {"role": "user", "content": "second"}, {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "third"}
    ]);
    let mut scene = Scene::asking(request(input), [says("ok"), says("ok"), says("ok")]).await;
    scene.backend = std::sync::Arc::new(
        ScriptedBackend::new((0..4).map(|_| says("ok"))).with_context_window(300),
    );
    scene.request.truncation = Truncation::Auto;
    let response = scene.answer().await;
    assert_eq!(show(&response), "message   ok\ncompleted");
    assert_eq!(serde_json::to_value(response.truncation).unwrap(), "auto");
    let turns = format!("{:?}", scene.backend.requests().last().unwrap().turns);
    assert!(turns.contains("Be kind.") && turns.contains("third") && turns.contains("second"));
    assert!(!turns.contains(&long));
}

#[test]
fn an_output_without_its_call_is_refused_in_openais_words() {
    let lone = json!([{"type": "function_call_output", "call_id": "c9", "output": ""}]);
    let error = request(lone).checked().unwrap_err();
    assert_eq!(error.to_string(), "No tool call found for function call output with call_id c9.");
    assert_eq!(error.param(), "input");
    let malformed =
        json!([{"role": "user", "content": "x"}, {"type": "function_call", "name": "f"}]);
    let error = request(malformed).checked().unwrap_err();
    assert!(matches!(&error, InvalidRequest::Item(why) if why.contains("call_id")), "{error}");
}

#[test]
fn numbers_out_of_range_are_refused_by_their_name() {
    let base = request(json!([{"role": "user", "content": "x"}]));
    let mut hot = base.clone();
    hot.sampling.temperature = 2.5;
    let error = hot.checked().unwrap_err();
    assert_eq!(error.param(), "temperature");
    assert_eq!(error.to_string(), "`temperature` is 2.5: it must be 0 to 2");
    let none = Request { max_output_tokens: Some(0), ..base };
    assert_eq!(none.checked().unwrap_err().param(), "max_output_tokens");
}
