//! What the loop decides.

use std::time::Duration;

use ozone_agent::Limits;
use ozone_model::Script;
use ozone_tools::{ScriptedTool, Shown, Step, Tool};
use ozone_types::{Fold, ResponseStatus};
use serde_json::json;

use crate::support::{Scene, call, prints, runs, says, show};

#[tokio::test]
async fn it_thinks_calls_reads_and_answers() {
    let scene = Scene::new([runs("print(6 * 7)"), says("It is **42**.")]).await;
    let response = scene.run([prints("42")]).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning I compute it.
    python    print(6 * 7) -> 42
    message   It is **42**.
    completed
    ");
    let fold = Fold::of(&scene.events().await).unwrap();
    assert_eq!(fold.finished(), Some(&response));
}

#[tokio::test]
async fn usage_is_the_sum_of_the_samples() {
    let scene = Scene::new([runs("print(1)"), says("1")]).await;
    let usage = scene.run([prints("1")]).await.usage.unwrap();
    let texts: usize = scene.backend.requests().len();
    assert_eq!(texts, 2);
    let said = Script::runs("I compute it.", "print(1)");
    let Script::Says { text } = said else { unreachable!() };
    assert_eq!(usage.output_tokens, text.len() as u64 + 1);
    assert_eq!(usage.total_tokens, usage.input_tokens + usage.output_tokens);
    assert!(usage.input_tokens_details.cached_tokens > 0, "the second prompt extends the first");
    assert!(usage.output_tokens_details.reasoning_tokens > 0);
}

/// A tool's error is an output that the model reads; the response itself goes on.
#[tokio::test]
async fn a_tool_error_reaches_the_model() {
    let scene = Scene::new([runs("1/0"), says("It cannot be divided.")]).await;
    let response = scene.run([Step::Fails("ZeroDivisionError: division by zero".into())]).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning I compute it.
    python    1/0 -> ZeroDivisionError: division by zero (failed)
    message   It cannot be divided.
    completed
    ");
    let second = &scene.backend.requests()[1];
    assert!(format!("{:?}", second.turns).contains("division by zero"));
}

#[tokio::test]
async fn a_tool_that_is_not_offered_is_never_run() {
    let call = r#"<tool_call>
{"name": "shell", "arguments": {"cmd": "rm -rf /"}}
</tool_call>"#;
    let scene = Scene::new([says(call), says("I have no shell.")]).await;
    let response = scene.run([]).await;
    insta::assert_snapshot!(show(&response), @r"
    message   I have no shell.
    completed
    ");
    let told = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(told.contains("there is no tool `shell`; the tools are: python"), "{told}");
}

#[tokio::test]
async fn a_call_that_cannot_be_read_goes_back_to_the_model() {
    let scene =
        Scene::new([says("<tool_call>\n{\"name\": \"python\", \n</tool_call>"), says("5")]).await;
    let response = scene.run([]).await;
    assert_eq!(response.status, ResponseStatus::Completed);
    let told = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(told.contains("ToolResult") && told.contains("JSON"), "{told}");
}

#[tokio::test]
async fn the_same_call_is_not_made_for_ever() {
    let scene = Scene::new((0..20).map(|_| runs("print(1)"))).await;
    let response = scene.run((0..20).map(|_| prints("1"))).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning I compute it.
    python    print(1) -> 1
    reasoning I compute it.
    python    print(1) -> 1
    reasoning I compute it.
    python    print(1) -> not run: you have made this very call 2 times already, and its result will not change; use it, or try something else (failed)
    reasoning I compute it.
    python    print(1) -> not run: you have made this very call 2 times already, and its result will not change; use it, or try something else (failed)
    reasoning I compute it.
    python    print(1) -> not run: you have made this very call 2 times already, and its result will not change; use it, or try something else (failed)
    reasoning I compute it.
    python    print(1) -> the call was interrupted (incomplete)
    incomplete max_steps
    ");
}

#[tokio::test]
async fn steps_are_limited() {
    let mut scene = Scene::new((0..9).map(|n| runs(&format!("print({n})")))).await;
    scene.limits = Limits { steps_max: 3, ..scene.limits };
    let response = scene.run((0..9).map(|_| prints("1"))).await;
    assert!(show(&response).ends_with("incomplete max_steps"));
    assert_eq!(scene.backend.requests().len(), 3);
}

#[tokio::test]
async fn past_the_last_call_the_model_may_still_answer() {
    let mut scene = Scene::new([runs("print(1)"), runs("print(2)"), says("I have only 1.")]).await;
    scene.limits = Limits { tool_calls_max: 1, ..scene.limits };
    let response = scene.run([prints("1")]).await;
    assert!(show(&response).ends_with("message   I have only 1.\ncompleted"));
}

#[tokio::test]
async fn a_cut_sample_is_incomplete_and_last() {
    let mut scene = Scene::new([says("<think>\nlong long thought")]).await;
    scene.request.max_output_tokens = Some(12);
    let response = scene.run([]).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning long (incomplete)
    incomplete max_output_tokens
    ");
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_breaks_off_goes_on_where_it_broke() {
    let text = "The answer is 12.".to_owned();
    let scene = Scene::new([Script::Breaks { text, after: 8, times: 2 }]).await;
    let response = scene.run([]).await;
    assert_eq!(response.output_text(), "The answer is 12.");
    Fold::of(&scene.events().await).unwrap();
}

/// As of an upstream: what was read of an answer cannot be taken back, but a thought can be thought
/// again.
#[tokio::test(start_paused = true)]
async fn without_ids_only_a_thought_that_broke_off_is_made_again() {
    let broken_after = async |after: usize| {
        let text = "<think>\nLet me think.\n</think>\n\nIt is 12.".to_owned();
        let mut scene = Scene::new([Script::Breaks { text, after, times: 2 }]).await;
        scene.manner.without_ids = true;
        let response = scene.run([]).await;
        Fold::of(&scene.events().await).unwrap();
        show(&response)
    };
    insta::assert_snapshot!(broken_after(5).await, @r"
    reasoning Let me think.
    message   It is 12.
    completed
    ");
    insta::assert_snapshot!(broken_after(16).await, @r"
    reasoning Let me t
    reasoning Let me t
    reasoning Let me think.
    message   It is 12.
    completed
    ");
    insta::assert_snapshot!(broken_after(37).await, @r"
    reasoning Let me think.
    message   It is (incomplete)
    failed the model stopped answering: the script breaks off
    ");
}

/// Calls of an answer that was not let come to its end are not made.
#[tokio::test]
async fn what_a_content_filter_stops_is_incomplete() {
    let mut scene = Scene::new([runs("print(1)"), says("Never asked.")]).await;
    scene.manner.filtered = true;
    let response = scene.run([prints("1")]).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning I compute it.
    python    print(1) -> the call was interrupted (incomplete)
    incomplete content_filter
    ");
    assert_eq!(scene.backend.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stays_away_fails_the_response_once() {
    let script = Script::Unavailable { text: String::new(), times: 99 };
    let scene = Scene::new([script]).await;
    let response = scene.run([]).await;
    assert_eq!(show(&response), "failed the model stopped answering: the script refuses");
    let events = scene.events().await;
    let names: Vec<_> = events.iter().map(|e| e.kind.name()).collect();
    assert_eq!(&names[names.len() - 2..], ["error", "response.failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_ends_at_the_time_limit_with_keep_alives_before() {
    let mut scene = Scene::new([Script::Hangs { text: "Hm, let me".into(), after: 5 }]).await;
    scene.limits = Limits { time_max: Duration::from_secs(35), ..scene.limits };
    let response = scene.run([]).await;
    insta::assert_snapshot!(show(&response), @r"
    message   Hm, l (incomplete)
    incomplete time_limit
    ");
    let events = scene.events().await;
    let alive = events.iter().filter(|e| e.kind.name() == "response.in_progress").count();
    assert_eq!(alive, 1 + 3, "one at the start, then one every ten seconds");
}

#[tokio::test(start_paused = true)]
async fn cancelling_closes_the_open_call_and_ends_the_journal() {
    let scene = Scene::new([runs("while True: pass")]).await;
    let cancel = scene.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    let response = scene.run([Step::Hangs]).await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning I compute it.
    python    while True: pass -> the call was interrupted (incomplete)
    cancelled cancelled
    ");
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn a_conversation_that_does_not_fit_fails_with_the_cause() {
    let mut scene = Scene::new([says("x")]).await;
    scene.backend =
        std::sync::Arc::new(ozone_model::ScriptedBackend::new([says("x")]).with_context_window(5));
    let response = scene.run([]).await;
    assert!(
        show(&response).starts_with("failed the question is too long for this model: 11 tokens")
    );
}

/// A link's number leads from what was shown last, and another look comes between.
#[tokio::test]
async fn a_look_at_pages_is_a_repeat_only_in_a_row() {
    let names = ["open", "find", "open", "find", "open", "find", "find", "find"];
    let names = names.map(|name| format!("web_{name}"));
    let script = names.iter().map(|name| says(&call(name, json!({"id": "1"}))));
    let scene = Scene::new(script.chain([says("5")])).await;
    let tool = |name: &str| -> Box<dyn Tool> {
        let shown = Shown::McpCall { server_label: "pages".into(), name: name.into() };
        Box::new(ScriptedTool::new((0..8).map(|_| prints("a page"))).shown_as(name, shown))
    };
    let tools = vec![tool("web_open"), tool("web_find")];
    let response = scene.run_tools(scene.store.clone(), tools).await;
    assert_eq!(response.status, ResponseStatus::Completed);
    let told = format!("{:?}", scene.backend.requests()[8].turns);
    assert_eq!((told.matches("a page").count(), told.matches("not run").count()), (7, 1), "{told}");
}
