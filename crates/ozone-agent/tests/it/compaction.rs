//! A conversation that grew too long goes on behind a summary.

use std::sync::Arc;

use ozone_agent::{Costs, Prices, remembered};
use ozone_cost::{Facts, LedgerQuery, Payer, PriceBook, Tokens};
use ozone_model::{Script, ScriptedBackend};
use ozone_store::{Append, Ledger, MemoryStore, Store};
use ozone_tools::ScriptedTool;
use ozone_types::{Item, Response, Truncation};
use serde_json::{Value, json};

use crate::resume::Recorder;
use crate::support::{Scene, prints, runs, says, show};

/// A scene whose backend says these things one after another.
async fn scene(input: Value, threshold: u64, script: Vec<Script>) -> Scene {
    let items: Vec<Item> = serde_json::from_value(input).unwrap();
    let mut request = ozone_agent::Request::new("scripted", items, false).unwrap();
    request.compact_threshold = Some(threshold);
    let mut scene = Scene::asking(request, []).await;
    scene.backend = Arc::new(ScriptedBackend::new(script).in_order());
    scene.seal = Some(Arc::new(|text: &str| format!("sealed {} bytes", text.len())));
    scene
}

/// What the model read last, without what surrounds it.
fn last_read(scene: &Scene) -> String {
    format!("{:?}", scene.backend.requests().last().unwrap().turns)
}

fn long_talk() -> Value {
    let long = "x".repeat(400);
    json!([
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "The word is heron."},
        {"role": "assistant", "content": long},
        {"role": "user", "content": "What was it?"},
    ])
}

#[tokio::test]
async fn a_prompt_over_the_threshold_is_summed_up_and_the_run_goes_on() {
    let script = vec![says("never read"), says("The word: heron."), says("Heron.")];
    let scene = scene(long_talk(), 300, script).await;
    let response = scene.answer().await;
    assert_eq!(show(&response), "compacted sealed 16 bytes\nmessage   Heron.\ncompleted");
    let read = last_read(&scene);
    for stays in ["Be kind.", "The word is heron.", "What was it?", "so far:\\nThe word: heron."] {
        assert!(read.contains(stays), "{stays}: {read}");
    }
    assert!(!read.contains("xxx"), "{read}");
    let requests = scene.backend.requests();
    assert!(format!("{:?}", requests[1].turns).contains("Sum up the conversation"));
    let tokens = |text: &str| text.len() as u64;
    let usage = response.usage.unwrap();
    assert_eq!(usage.output_tokens, tokens("The word: heron.") + tokens("Heron."));
}

#[tokio::test]
async fn below_the_threshold_nothing_is_summed_up() {
    let scene = scene(long_talk(), 5_000, vec![says("Heron.")]).await;
    assert_eq!(show(&scene.answer().await), "message   Heron.\ncompleted");
}

#[tokio::test]
async fn a_question_that_stands_alone_is_not_summed_up() {
    let input = json!([{"role": "user", "content": "x".repeat(500)}]);
    let scene = scene(input, 100, vec![says("Yes.")]).await;
    assert_eq!(show(&scene.answer().await), "message   Yes.\ncompleted");
}

/// The run is no worse off than without.
#[tokio::test]
async fn where_the_model_writes_no_summary_the_run_goes_on_with_everything() {
    let script = vec![says("never read"), says(""), says("Heron.")];
    let scene = scene(long_talk(), 300, script).await;
    assert_eq!(show(&scene.answer().await), "message   Heron.\ncompleted");
    assert!(last_read(&scene).contains("xxx"));
}

fn in_a_tool_loop() -> Vec<Script> {
    vec![runs("look()"), says("Looked: much, and 7."), runs("print(7)"), says("It is 7.")]
}

async fn loop_scene(script: Vec<Script>) -> Scene {
    scene(json!([{"role": "user", "content": "How many?"}]), 400, script).await
}

fn outputs() -> Vec<ozone_tools::Step> {
    vec![prints(&"y".repeat(2000)), prints("7")]
}

#[tokio::test]
async fn what_tools_printed_is_summed_up_between_two_samples() {
    let scene = loop_scene(in_a_tool_loop()).await;
    let response = scene.run(outputs()).await;
    let shown = show(&response);
    let kinds: Vec<&str> = shown.lines().map(|l| l.split(' ').next().unwrap()).collect();
    let expected =
        ["reasoning", "python", "compacted", "reasoning", "python", "message", "completed"];
    assert_eq!(kinds, expected, "{shown}");
    let read = last_read(&scene);
    assert!(read.contains("How many?") && read.contains("much, and 7."), "{read}");
    assert!(!read.contains("yyy"), "{read}");
}

#[tokio::test]
async fn killed_behind_any_append_a_compacted_run_ends_the_same() {
    let mut scene = loop_scene(in_a_tool_loop()).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_in(recorder.clone(), ScriptedTool::new(outputs())).await;
    let appends = recorder.appends();
    let count = |appends: &[Append], kind: &str| {
        appends.iter().flat_map(|a| &a.records).filter(|r| r["record"] == kind).count()
    };
    assert_eq!(count(&appends, "compacted"), 1);
    for stop in 0..appends.len() {
        let before = &appends[..stop];
        let said = count(before, "sampled") + count(before, "compacted");
        let rest = in_a_tool_loop().into_iter().skip(said);
        scene.backend = Arc::new(ScriptedBackend::new(rest).in_order());
        let tool = ScriptedTool::new(outputs().into_iter().skip(count(before, "tool_done")));
        let response = scene.killed_after(before, tool).await;
        assert_eq!(show(&response), show(&whole), "killed behind append {stop}");
        let usage = |response: &Response| response.usage.unwrap().output_tokens;
        assert_eq!(usage(&response), usage(&whole), "killed behind append {stop}");
    }
}

/// A later turn reads the summary where the earlier one had put it.
#[tokio::test]
async fn a_later_response_goes_on_behind_the_summary() {
    let first = loop_scene(in_a_tool_loop()).await;
    let response = first.run(outputs()).await;
    let records = first.store.records(&first.id).await.unwrap();
    let mut later =
        scene(json!([{"role": "user", "content": "Sure?"}]), 400, vec![says("Yes.")]).await;
    later.request.earlier =
        [first.request.input.clone(), remembered(response.output, records)].concat();
    assert_eq!(show(&later.answer().await), "message   Yes.\ncompleted");
    let read = last_read(&later);
    for stays in ["How many?", "much, and 7.", "It is 7.", "Sure?"] {
        assert!(read.contains(stays), "{stays}: {read}");
    }
    assert!(!read.contains("yyy"), "{read}");
}

/// A tool printed more than the model can read at all.
#[tokio::test]
async fn what_does_not_fit_the_window_is_summed_up_without_its_oldest_exchanges() {
    let long = "x".repeat(400);
    let input = json!([
        {"role": "user", "content": long}, {"role": "assistant", "content": "first"},
        {"role": "user", "content": "second"}, {"role": "assistant", "content": "z".repeat(100)},
        {"role": "user", "content": "third"}
    ]);
    let mut scene = scene(input, 600, vec![]).await;
    let backend = ScriptedBackend::new([says("Summed."), says("Ok.")]);
    scene.backend = Arc::new(backend.in_order().with_context_window(500));
    scene.request.truncation = Truncation::Auto;
    let response = scene.answer().await;
    assert_eq!(show(&response), "compacted sealed 7 bytes\nmessage   Ok.\ncompleted");
}

#[tokio::test]
async fn a_summary_has_its_own_line_in_the_ledger() {
    let scene = loop_scene(in_a_tool_loop()).await;
    let store: Arc<MemoryStore> = scene.store.clone();
    let like = Box::new(Facts::new("", "unknown", Tokens::default()));
    let costs = Costs {
        prices: Prices::Book { book: PriceBook::built_in(), like },
        payer: Payer::default(),
        parent: None,
        budgets: vec![],
        ledger: store.clone(),
        machine: None,
    };
    let tools = vec![Box::new(ScriptedTool::new(outputs())) as _];
    scene.as_run(store.clone(), tools).await.run_costing(costs).await.unwrap();
    let lines = store.ledger(&LedgerQuery::default()).await.unwrap();
    let calls: Vec<&str> = lines.iter().map(|line| line.call.as_str()).collect();
    assert_eq!(calls.iter().filter(|call| call.ends_with(":model")).count(), 4, "{calls:?}");
}
