//! Laws: whatever a model says, the stream keeps its rules, and a run that was killed anywhere ends
//! as it would have.

use std::sync::Arc;

use ozone_agent::{OfferedTools, Request, TextFormat};
use ozone_model::{Enforces, Script};
use ozone_store::{Append, Durability, Store};
use ozone_tools::ScriptedTool;
use ozone_types::item::Known;
use ozone_types::{Content, Event, EventKind, Fold, Item, Summary};
use proptest::prelude::*;
use serde_json::json;

use crate::resume::Recorder;
use crate::support::{Manner, Scene, call, prints, says, show};

/// A piece of what a model says.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z .\n]{1,30}".prop_map(|t| format!("<think>\n{t}\n</think>\n\n")),
        "[a-zé .{}\"]{1,20}".prop_map(|t| t),
        "[a-z()\n\"\\\\]{0,20}".prop_map(|c| call("python", json!({"code": c}))),
        "[a-z]{1,8}".prop_map(|c| call("look", json!({"at": c}))),
        Just(call("look", json!({"wrong": 1}))),
        "[a-z*]{1,8}".prop_map(|c| call("edit", json!({"input": c}))),
        Just(call("nowhere", json!({}))),
        Just("<tool_call>\n{\"name\": \"python\", \"arg\n</tool_call>".to_owned()),
        Just("{\"n\": 1}".to_owned()),
    ]
}

fn script() -> impl Strategy<Value = Vec<Script>> {
    let sample = prop::collection::vec(piece(), 1..4).prop_map(|p| says(&p.concat()));
    prop::collection::vec(sample, 1..5)
}

fn request() -> impl Strategy<Value = Request> {
    let tools = json!([
        {"type": "function", "name": "look", "strict": true, "parameters":
            {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}},
        {"type": "custom", "name": "edit", "format":
            {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}}
    ]);
    let summary = prop_oneof![Just(None), Just(Some(Summary::Auto)), Just(Some(Summary::Detailed))];
    let format = prop_oneof![3 => Just(TextFormat::Text), 1 => Just(TextFormat::JsonObject)];
    let choice = prop_oneof![3 => Just("auto"), 1 => Just("required"), 1 => Just("none")];
    let cut = prop_oneof![3 => Just(None), 1 => (1u64..120).prop_map(Some)];
    (any::<bool>(), summary, format, choice, any::<bool>(), cut, any::<bool>()).prop_map(
        move |(raw, summary, format, choice, parallel, cut, offers)| {
            let mut request =
                Request::new("scripted", vec![Item::user("What is it?")], false).unwrap();
            request.raw_reasoning = raw;
            request.summary = summary;
            request.text.format = format;
            request.tool_choice = serde_json::from_value(json!(choice)).unwrap();
            request.parallel_tool_calls = parallel;
            request.max_output_tokens = cut;
            if offers {
                request.tools = serde_json::from_value(tools.clone()).unwrap();
            }
            request
        },
    )
}

async fn scene(request: Request, script: Vec<Script>, enforces: bool) -> Scene {
    let mut scene = Scene::asking(request, script).await;
    scene.limits.steps_max = 6;
    let enforces = Enforces { text: enforces, ..Enforces::default() };
    scene.manner = Manner { enforces, ..Manner::default() };
    scene
}

fn tool(done: usize) -> ScriptedTool {
    ScriptedTool::new((0..40).skip(done).map(|n| prints(&format!("out {n}"))))
}

/// What `Fold` does not see.
fn check(events: &[Event]) {
    let fold = Fold::of(events).unwrap();
    let last = fold.finished().expect("a response ends");
    let ends = events.iter().filter(|e| e.kind.terminal().is_some()).count();
    assert_eq!(ends, 1);
    assert!(last.usage.is_some(), "S9");
    for event in events {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<Event>(&text).unwrap(), event, "it survives its JSON");
        if let EventKind::OutputItemAdded { item, .. } = &event.kind {
            let done = last.output.iter().filter(|o| o.id() == item.id()).count();
            assert_eq!(done, 1, "S6: {:?}", item.id());
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_a_model_says_the_stream_keeps_its_rules(
        request in request(), script in script(), enforces in any::<bool>()
    ) {
        block_on(async {
            let scene = scene(request, script, enforces).await;
            scene.run_with(tool(0)).await;
            check(&scene.events().await);
        });
    }

    #[test]
    fn killed_anywhere_it_ends_the_same(
        request in request(), script in script(), enforces in any::<bool>(), at in any::<prop::sample::Index>()
    ) {
        block_on(async {
            let scene = scene(request, script, enforces).await;
            let recorder = Arc::new(Recorder::default());
            scene.create_in(&*recorder).await;
            let whole = scene.run_in(recorder.clone(), tool(0)).await;
            let appends = recorder.appends();
            let stop = at.index(appends.len());
            let ran = |r: &&serde_json::Value| {
                r["record"] == "tool_done" && r["output"].as_str().is_some_and(|o| o.starts_with("out"))
            };
            let done = appends[..stop].iter().flat_map(|a| &a.records).filter(ran).count();
            let response = scene.killed_after(&appends[..stop], tool(done)).await;
            assert_eq!(show(&response), show(&whole), "killed behind append {stop}");
            let kept: Vec<_> = appends[..stop].iter().flat_map(|a| &a.events).collect();
            let ids = kept.iter().filter_map(|e| match &e.kind {
                EventKind::OutputItemAdded { item, .. } => item.id(),
                _ => None,
            });
            for id in ids {
                assert!(response.output.iter().any(|i| i.id() == Some(id)), "S6: {id} is gone");
            }
        });
    }
}

/// What an upstream has said cannot be taken back, and it knows no ids to go on from.
#[tokio::test]
async fn without_ids_a_cut_answer_fails_and_a_cut_thought_is_thought_again() {
    let script = [says("<think>\nLet me think of it.\n</think>\n\nThe answer is long enough.")];
    let mut scene =
        Scene::asking(Request::new("scripted", vec![Item::user("Well?")], false).unwrap(), script)
            .await;
    scene.manner.without_ids = true;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    scene.run_in(recorder.clone(), tool(0)).await;
    let appends = recorder.appends();
    let (mut failed, mut again) = (0, 0);
    for stop in 1..appends.len() {
        let response = scene.killed_after(&appends[..stop], tool(0)).await;
        let text = show(&response);
        if text.ends_with("cannot go on from there") {
            failed += 1;
        } else {
            assert!(text.ends_with("message   The answer is long enough.\ncompleted"), "{text}");
            again += 1;
        }
    }
    assert!(failed > 0 && again > 0, "{failed} failed, {again} went on");
}

/// The sample of a killed run that is made anew is killed, too: what was said before it is over.
#[tokio::test]
async fn without_ids_a_run_may_be_killed_again_and_again() {
    const THOUGHT: &str = "Let me think of it.";
    let script = [says(&format!("<think>\n{THOUGHT}\n</think>\n\nThe answer is long enough."))];
    let mut scene =
        Scene::asking(Request::new("scripted", vec![Item::user("Well?")], false).unwrap(), script)
            .await;
    scene.manner.without_ids = true;
    let recorded = async |before: &[Append]| {
        let recorder = Arc::new(Recorder::default());
        scene.create_in(&*recorder).await;
        for append in before {
            let append = append.clone();
            recorder.append(&scene.id, append, Durability::Process).await.unwrap();
        }
        scene.run_in(recorder.clone(), tool(0)).await;
        recorder.appends()
    };
    let first = recorded(&[]).await;
    for once in (2..first.len()).step_by(5) {
        let second = recorded(&first[..once]).await;
        for twice in (once + 1..second.len()).step_by(3) {
            let response = scene.killed_after(&second[..twice], tool(0)).await;
            for item in &response.output {
                if let Item::Known(Known::Reasoning { content, .. }) = item {
                    let thought: String = content.iter().filter_map(Content::text).collect();
                    assert!(THOUGHT.starts_with(&thought), "{once}, {twice}: {thought}");
                }
            }
        }
    }
}

/// A killed run's summary is made of longer pieces than a live one's, and is the same.
#[tokio::test]
async fn cuts_change_no_summary() {
    let steps = (0..90).map(|n| format!("Step {n}: so the sum of the numbers is {} now.\n", n * n));
    let thought: String = steps.collect();
    let script = [says(&format!("<think>\n{thought}</think>\n\nDone."))];
    let mut request = Request::new("scripted", vec![Item::user("Well?")], false).unwrap();
    request.raw_reasoning = false;
    request.summary = Some(Summary::Detailed);
    let scene = Scene::asking(request, script).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = show(&scene.run_in(recorder.clone(), tool(0)).await);
    assert!(whole.matches(" | ").count() > 2, "several parts: {whole}");
    let appends = recorder.appends();
    for stop in (1..appends.len()).step_by(29) {
        let response = scene.killed_after(&appends[..stop], tool(0)).await;
        assert_eq!(show(&response), whole, "killed behind append {stop}");
    }
}

/// A stored request is the request.
#[test]
fn a_request_survives_its_storage() {
    let tools = vec![json!({"type": "function", "name": "look"}), json!({"type": "tool_search"})];
    let mut request = Request::new("m", vec![Item::user("x")], false).unwrap();
    request.tools = OfferedTools::parse(tools).unwrap();
    request.echo.conversation = Some("conv_1".into());
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(serde_json::from_value::<Request>(stored).unwrap(), request);
}
