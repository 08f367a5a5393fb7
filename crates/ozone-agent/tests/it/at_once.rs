//! Calls of one sample that do not depend on one another are made at the same time.

use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use ozone_model::Script;
use ozone_prompt::ToolSpec;
use ozone_store::Append;
use ozone_tools::{Call, OnText, Shown, Tool, ToolError, ToolOutput};
use ozone_types::Fold;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::resume::Recorder;
use crate::support::{Scene, call, says, show};

/// Answers with the `n` that it is given.
#[derive(Clone)]
struct Echo {
    spec: ToolSpec,
    independent: bool,
    /// A call ends once so many are under way.
    meet: Arc<Barrier>,
    seen: Arc<Mutex<Seen>>,
    interrupted: bool,
}

#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    interrupted: Vec<u64>,
    under_way: usize,
    most: usize,
}

impl Echo {
    fn new(independent: bool, meet: usize) -> Echo {
        let spec = ToolSpec {
            name: "echo".into(),
            description: "Says a number.".into(),
            parameters: json!({"type": "object"}),
            grammar: None,
        };
        let meet = Arc::new(Barrier::new(meet));
        Echo { spec, independent, meet, seen: Arc::default(), interrupted: false }
    }
}

#[async_trait]
impl Tool for Echo {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::McpCall { server_label: "test".into(), name: "echo".into() }
    }

    fn resumed(&mut self, _: usize) {}

    fn interrupted(&mut self) {
        self.interrupted = true;
    }

    fn beside(&self) -> Option<Box<dyn Tool>> {
        self.independent.then(|| Box::new(self.clone()) as Box<dyn Tool>)
    }

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let n = serde_json::from_str::<Value>(&call.arguments).unwrap()["n"].as_u64().unwrap();
        {
            let mut seen = self.seen.lock().unwrap();
            seen.keys.push(call.key.clone());
            if std::mem::take(&mut self.interrupted) {
                seen.interrupted.push(n);
            }
            seen.under_way += 1;
            seen.most = seen.most.max(seen.under_way);
        }
        self.meet.wait().await;
        // Later ones end first.
        tokio::time::sleep(std::time::Duration::from_millis(100 - 10 * n)).await;
        self.seen.lock().unwrap().under_way -= 1;
        Ok(ToolOutput { text: format!("out {n}"), ..ToolOutput::default() })
    }
}

fn three() -> [Script; 2] {
    let calls: Vec<String> = (0..3).map(|n| call("echo", json!({ "n": n }))).collect();
    [says(&calls.join("\n")), says("Three.")]
}

#[tokio::test(start_paused = true)]
async fn independent_calls_run_at_once_and_are_shown_in_their_order() {
    let scene = Scene::new(three()).await;
    // One after another they would wait for ever.
    let response = scene.run_with(Echo::new(true, 3)).await;
    insta::assert_snapshot!(show(&response), @r#"
    mcp       test/echo {"n":0} -> Some("out 0")
    mcp       test/echo {"n":1} -> Some("out 1")
    mcp       test/echo {"n":2} -> Some("out 2")
    message   Three.
    completed
    "#);
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_depend_on_one_another_run_one_by_one() {
    let scene = Scene::new(three()).await;
    let tool = Echo::new(false, 1);
    let seen = tool.seen.clone();
    let response = scene.run_with(tool).await;
    assert!(show(&response).ends_with("message   Three.\ncompleted"));
    assert_eq!(seen.lock().unwrap().most, 1);
}

#[tokio::test(start_paused = true)]
async fn killed_behind_any_append_no_call_that_ended_is_made_again() {
    let scene = Scene::new(three()).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let tool = Echo::new(true, 1);
    let first = tool.seen.clone();
    let whole = scene.run_in(recorder.clone(), tool).await;
    let mut keys = first.lock().unwrap().keys.clone();
    keys.sort();
    assert_eq!(keys.len(), 3);
    let appends = recorder.appends();
    for stop in 0..appends.len() {
        let before = &appends[..stop];
        let (started, done) = (indexes(before, "tool_started"), indexes(before, "tool_done"));
        let tool = Echo::new(true, 1);
        let seen = tool.seen.clone();
        let response = scene.killed_after(before, tool).await;
        assert_eq!(show(&response), show(&whole), "killed behind append {stop}");
        let mut seen = seen.lock().unwrap();
        seen.keys.sort();
        assert_eq!(seen.keys, keys[done.len()..], "the same calls under the same keys");
        seen.interrupted.sort_unstable();
        let interrupted: Vec<u64> = started.into_iter().filter(|n| !done.contains(n)).collect();
        assert_eq!(seen.interrupted, interrupted, "killed behind append {stop}");
    }
}

fn indexes(appends: &[Append], kind: &str) -> Vec<u64> {
    let records = appends.iter().flat_map(|append| &append.records);
    let mut all: Vec<u64> =
        records.filter(|r| r["record"] == kind).filter_map(|r| r["index"].as_u64()).collect();
    all.sort_unstable();
    all
}
