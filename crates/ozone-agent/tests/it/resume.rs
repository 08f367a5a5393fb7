//! A run that is killed at any moment goes on, and no finished call is made twice.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ozone_store::{Append, Durability, IsAlive, MemoryStore, Owner, Store, StoreError, Stored};
use ozone_tools::ScriptedTool;
use ozone_types::{Event, ResponseId, ResponseStatus};

use crate::support::{Scene, prints, runs, says, show};

/// Keeps each append apart, so that a test can stop behind any of them.
#[derive(Default)]
pub struct Recorder {
    inner: MemoryStore,
    appends: Mutex<Vec<Append>>,
}

impl Recorder {
    pub fn appends(&self) -> Vec<Append> {
        self.appends.lock().unwrap().clone()
    }
}

#[async_trait]
impl Store for Recorder {
    async fn create(&self, stored: Stored) -> Result<(), StoreError> {
        self.inner.create(stored).await
    }
    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        self.inner.get(id).await
    }
    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.inner.list(limit).await
    }
    async fn append(&self, id: &ResponseId, a: Append, d: Durability) -> Result<(), StoreError> {
        self.appends.lock().unwrap().push(a.clone());
        self.inner.append(id, a, d).await
    }
    async fn events(&self, id: &ResponseId, n: u64, m: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(id, n, m).await
    }
    async fn records(&self, id: &ResponseId) -> Result<Vec<serde_json::Value>, StoreError> {
        self.inner.records(id).await
    }
    async fn claim(&self, id: &ResponseId, o: Owner, alive: IsAlive) -> Result<(), StoreError> {
        self.inner.claim(id, o, alive).await
    }
}

#[tokio::test]
async fn killed_behind_any_append_it_ends_the_same() {
    let script = [runs("n = 6 * 7; print(n)"), runs("print(n + 1)"), says("It is **43**.")];
    let outputs = || [prints("42"), prints("43")];
    let scene = Scene::new(script).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_in(recorder.clone(), ScriptedTool::new(outputs())).await;
    let appends = recorder.appends.lock().unwrap().clone();
    assert!(appends.len() > 10, "a test with few places to stop shows little");

    for stop in 0..appends.len() {
        let done = appends[..stop]
            .iter()
            .flat_map(|a| &a.records)
            .filter(|r| r["record"] == "tool_done")
            .count();
        let tool = ScriptedTool::new(outputs().into_iter().skip(done));
        let calls = tool.calls();
        let response = scene.killed_after(&appends[..stop], tool).await;
        assert_eq!(show(&response), show(&whole), "killed behind append {stop}");
        assert_eq!(calls.lock().unwrap().len(), 2 - done, "killed behind append {stop}");
        assert_eq!(response.usage.unwrap().output_tokens, whole.usage.unwrap().output_tokens);
    }
}

#[tokio::test]
async fn a_call_made_again_has_the_same_key() {
    let scene = Scene::new([runs("print(1)"), says("1")]).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let tool = ScriptedTool::new([prints("1")]);
    let first = tool.calls();
    scene.run_in(recorder.clone(), tool).await;
    let appends = recorder.appends.lock().unwrap().clone();
    let started = appends
        .iter()
        .position(|a| a.records.iter().any(|r| r["record"] == "tool_started"))
        .unwrap();
    let tool = ScriptedTool::new([prints("1")]);
    let again = tool.calls();
    scene.killed_after(&appends[..=started], tool).await;
    assert_eq!(first.lock().unwrap()[0].0, again.lock().unwrap()[0].0);
}

#[tokio::test]
async fn a_finished_response_is_given_as_it_is() {
    let scene = Scene::new([says("done")]).await;
    let first = scene.run([]).await;
    let count = scene.events().await.len();
    assert_eq!(scene.run([]).await, first);
    assert_eq!(scene.events().await.len(), count);
    assert_eq!(first.status, ResponseStatus::Completed);
}
