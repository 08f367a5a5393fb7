//! Tools that the client runs, and which of all tools may be called.

use ozone_agent::{InvalidRequest, OfferedTools, Request};
use ozone_model::Calls;
use ozone_tools::{ScriptedTool, Shown};
use ozone_types::{Fold, Item, ResponseStatus, ToolChoice};
use serde_json::{Value, json};

use crate::support::{Scene, call, prints, says, show};

fn weather() -> Value {
    json!({
        "type": "function", "name": "get_weather", "description": "The weather.", "strict": true,
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
            "additionalProperties": false
        }
    })
}

fn patch() -> Value {
    json!({
        "type": "custom", "name": "apply_patch", "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark",
                   "definition": "start: \"*** Begin\\n\" line+ \"*** End\"\nline: /[+-][^\\n]*\\n/\n"}
    })
}

fn group() -> Value {
    json!({
        "type": "namespace", "name": "mcp__tiny", "description": "A server.",
        "tools": [{"type": "function", "name": "echo", "parameters": {"type": "object"}}]
    })
}

fn offering(tools: Vec<Value>) -> Request {
    let request = Request::new("scripted", vec![Item::user("What is it?")], false).unwrap();
    Request { tools: OfferedTools::parse(tools).unwrap(), ..request }
}

fn choosing(tools: Vec<Value>, choice: Value) -> Request {
    let tool_choice: ToolChoice = serde_json::from_value(choice).unwrap();
    Request { tool_choice, ..offering(tools) }
}

#[tokio::test]
async fn a_call_of_the_clients_function_ends_the_response() {
    let script = says(&format!(
        "<think>\nI must look.\n</think>\n\n{}",
        call("get_weather", json!({"city": "Ulm"}))
    ));
    let scene = Scene::asking(offering(vec![weather()]), [script]).await;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    reasoning I must look.
    function  get_weather {"city":"Ulm"}
    completed
    "#);
    insta::assert_snapshot!(scene.event_names().await, @r"
    response.created
    response.in_progress
    response.output_item.added
    response.reasoning_text.delta
    response.reasoning_text.done
    response.output_item.done
    response.output_item.added
    response.function_call_arguments.delta
    response.function_call_arguments.done
    response.output_item.done
    response.completed
    ");
    assert_eq!(response.tools, [weather()], "the tools are echoed as they were sent");
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn a_custom_call_is_free_text_and_fits_its_grammar() {
    let script = [
        says(&call("apply_patch", json!({"input": "rm -rf"}))),
        says(&call("apply_patch", json!({"input": "*** Begin\n+\"a\"\n*** End"}))),
    ];
    let scene = Scene::asking(offering(vec![patch()]), script).await;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    custom    apply_patch *** Begin
    +"a"
    *** End
    completed
    "#);
    let names = scene.event_names().await;
    assert!(names.contains("custom_tool_call_input.delta\nresponse.custom_tool_call_input.done"));
    let told = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(told.contains("does not fit its grammar: byte 0 is not allowed"), "{told}");
}

#[tokio::test]
async fn a_namespace_is_flat_for_the_model_and_whole_for_the_client() {
    let script = [says(&call("mcp__tiny__echo", json!({"text": "hi"})))];
    let scene = Scene::asking(offering(vec![group()]), script).await;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    function  mcp__tiny/echo {"text":"hi"}
    completed
    "#);
    assert_eq!(scene.backend.requests()[0].tools[0].name, "mcp__tiny__echo");
}

/// The client's calls come last, once the tools that run here have run.
#[tokio::test]
async fn built_in_tools_of_the_same_sample_run_first() {
    let both = format!(
        "{}\n{}",
        call("get_weather", json!({"city": "Ulm"})),
        call("python", json!({"code": "print(1)"}))
    );
    let scene = Scene::asking(offering(vec![weather()]), [says(&both)]).await;
    let response = scene.run([prints("1")]).await;
    insta::assert_snapshot!(show(&response), @r#"
    python    print(1) -> 1
    function  get_weather {"city":"Ulm"}
    completed
    "#);
    assert_eq!(scene.backend.requests().len(), 1);
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn several_calls_are_handed_over_in_one_response_unless_only_one_is_allowed() {
    let two = format!(
        "{}\n{}",
        call("get_weather", json!({"city": "Ulm"})),
        call("get_weather", json!({"city": "Bonn"}))
    );
    let mut scene = Scene::asking(offering(vec![weather()]), [says(&two)]).await;
    assert_eq!(scene.answer().await.output.len(), 2);

    scene = Scene::asking(offering(vec![weather()]), [says(&two)]).await;
    scene.request.parallel_tool_calls = false;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    function  get_weather {"city":"Ulm"}
    completed
    "#);
    assert!(!response.parallel_tool_calls);
}

#[tokio::test]
async fn strict_arguments_that_do_not_fit_go_back_to_the_model() {
    let script = [
        says(&call("get_weather", json!({"town": "Ulm"}))),
        says(&call("get_weather", json!({"city": "Ulm"}))),
    ];
    let scene = Scene::asking(offering(vec![weather()]), script).await;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    function  get_weather {"city":"Ulm"}
    completed
    "#);
    let told = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(told.contains("do not fit"), "{told}");
}

#[tokio::test]
async fn no_tool_is_offered_when_none_may_be_called() {
    let scene =
        Scene::asking(choosing(vec![weather()], json!("none")), [says("It is warm.")]).await;
    let response = scene.run([]).await;
    assert_eq!(show(&response), "message   It is warm.\ncompleted");
    let request = &scene.backend.requests()[0];
    assert_eq!((request.tools.len(), &request.constraints.calls), (0, &Calls::None));
}

/// What the model says instead of the call is not shown: it was not asked for.
#[tokio::test]
async fn a_call_that_is_due_is_asked_for_again() {
    let script = [says("It is warm, I think."), says(&call("get_weather", json!({"city": "Ulm"})))];
    let scene = Scene::asking(choosing(vec![weather()], json!("required")), script).await;
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r#"
    function  get_weather {"city":"Ulm"}
    completed
    "#);
    assert_eq!(scene.backend.requests()[0].constraints.calls, Calls::Named("get_weather".into()));
    let told = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(told.contains("Call `get_weather` now."), "{told}");
}

#[tokio::test]
async fn a_model_that_never_calls_what_is_due_fails_the_response() {
    let scene =
        Scene::asking(choosing(vec![weather()], json!("required")), (0..9).map(|_| says("No.")))
            .await;
    let response = scene.answer().await;
    assert_eq!(response.status, ResponseStatus::Failed);
    assert!(show(&response).contains("Call `get_weather` now."), "{}", show(&response));
    assert_eq!(scene.backend.requests().len(), 3);
}

#[tokio::test]
async fn once_a_due_call_was_made_here_the_model_may_answer() {
    let tools = vec![json!({"type": "code_interpreter", "container": {"type": "auto"}}), weather()];
    let request = choosing(tools, json!({"type": "code_interpreter"})).checked().unwrap();
    let script = [says(&call("python", json!({"code": "print(1)"}))), says("One.")];
    let scene = Scene::asking(request, script).await;
    let response = scene.run([prints("1")]).await;
    assert_eq!(show(&response), "python    print(1) -> 1\nmessage   One.\ncompleted");
    let names: Vec<_> = scene.backend.requests()[0].tools.iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["python"]);
}

#[tokio::test]
async fn allowed_tools_are_a_hard_filter_and_the_echo_is_unchanged() {
    let choice = json!({"type": "allowed_tools", "mode": "auto",
                        "tools": [{"type": "function", "name": "get_weather"}]});
    let request = choosing(vec![weather(), patch()], choice.clone()).checked().unwrap();
    let script = [says(&call("apply_patch", json!({"input": "x"}))), says("I cannot edit.")];
    let scene = Scene::asking(request, script).await;
    let response = scene.run([]).await;
    assert_eq!(show(&response), "message   I cannot edit.\ncompleted");
    assert_eq!(response.tools.len(), 2);
    assert_eq!(serde_json::to_value(&response.tool_choice).unwrap(), choice);
    let names: Vec<_> = scene.backend.requests()[0].tools.iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["get_weather"]);
}

#[tokio::test]
async fn a_limit_on_calls_counts_those_that_run_here() {
    let script = [
        says(&call("python", json!({"code": "print(1)"}))),
        says(&call("python", json!({"code": "print(2)"}))),
        says("Only one."),
    ];
    let mut scene = Scene::new(script).await;
    scene.request.max_tool_calls = Some(1);
    let response = scene.run([prints("1")]).await;
    assert_eq!(show(&response), "python    print(1) -> 1\nmessage   Only one.\ncompleted");
    assert_eq!(scene.backend.requests()[1].constraints.calls, Calls::None);
}

#[tokio::test]
async fn other_tools_that_run_here_have_items_of_their_own() {
    let shown = Shown::McpCall { server_label: "image".into(), name: "crop".into() };
    let tool = ScriptedTool::new([prints("cropped")]).shown_as("image_crop", shown);
    let script = || [says(&call("image_crop", json!({"box": [0, 0, 2, 2]}))), says("Done.")];
    let scene = Scene::new(script()).await;
    let response = scene.run_with(tool).await;
    insta::assert_snapshot!(show(&response), @r#"
    mcp       image/crop {"box":[0,0,2,2]} -> Some("cropped")
    message   Done.
    completed
    "#);
    assert!(scene.event_names().await.contains(
        "response.mcp_call.in_progress\nresponse.mcp_call_arguments.delta\n\
         response.mcp_call_arguments.done\nresponse.mcp_call.completed"
    ));

    let tool = ScriptedTool::new([prints("kept")]).shown_as("image_crop", Shown::FunctionCall);
    let scene = Scene::new(script()).await;
    let response = scene.run_with(tool).await;
    insta::assert_snapshot!(show(&response), @r#"
    function  image_crop {"box":[0,0,2,2]}
    output    kept
    message   Done.
    completed
    "#);
    Fold::of(&scene.events().await).unwrap();
}

#[test]
fn tools_that_cannot_be_offered_are_refused_with_the_reason() {
    let refused = |tools: Value| {
        let Value::Array(tools) = tools else { unreachable!() };
        OfferedTools::parse(tools).unwrap_err().to_string()
    };
    assert_eq!(refused(json!([{"name": "x"}])), "each tool needs a `type`");
    let bad_name = refused(json!([{"type": "function", "name": "a b"}]));
    assert!(bad_name.contains("`a b` is no name"), "{bad_name}");
    let twice = refused(json!([weather(), weather()]));
    assert_eq!(twice, "two tools have the name `get_weather`");
    let schema = refused(json!([
        {"type": "function", "name": "f", "strict": true, "parameters": {"type": "objekt"}}
    ]));
    assert!(schema.starts_with("the `parameters` of `f`: "), "{schema}");
    let lark = refused(json!([{"type": "custom", "name": "f", "format":
        {"type": "grammar", "syntax": "lark", "definition": "start: ("}}]));
    assert!(lark.starts_with("the grammar of `f`: "), "{lark}");
    // What Ozone does not know is kept, and not offered.
    let tools = OfferedTools::parse(vec![json!({"type": "tool_search"})]).unwrap();
    assert_eq!((tools.spelt().len(), tools.client().len()), (1, 0));
}

#[test]
fn a_choice_of_a_tool_that_is_not_there_is_refused() {
    let error = choosing(vec![weather()], json!({"type": "function", "name": "nope"})).checked();
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "the tool `nope` is not among the `tools` of the request");
    assert_eq!((error.param(), error.code()), ("tool_choice", Some("invalid_value")));
    assert!(matches!(
        choosing(vec![], json!({"type": "allowed_tools", "tools": []})).checked(),
        Err(InvalidRequest::ToolChoice(_))
    ));
}
