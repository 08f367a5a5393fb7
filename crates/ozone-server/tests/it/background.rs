//! Background runs: polled, cancelled, and gone on with after a stop.

use std::sync::Arc;
use std::time::Duration;

use ozone_model::{Script, ScriptedBackend};
use ozone_store::{Library, SqliteStore};
use ozone_types::{Fold, ResponseId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, Stream, TestServer, first_frames, says, text_of};

async fn in_background(server: &TestServer) -> Value {
    server.respond(json!({"input": "?", "background": true})).await
}

#[tokio::test]
async fn a_background_response_is_queued_then_done() {
    let server = TestServer::scripted([says("It is 4.")]).await;
    let response = in_background(&server).await;
    assert_eq!(response["background"], true);
    let id = response["id"].as_str().unwrap();
    let done = server.until(id, "completed").await;
    assert_eq!(text_of(&done), "It is 4.");
    assert_eq!(done["id"], response["id"]);
}

#[tokio::test]
async fn cancelling_twice_gives_the_same_object() {
    let script = [Script::Hangs { text: "A long story".into(), after: 5 }];
    let server = TestServer::scripted(script).await;
    let id = in_background(&server).await["id"].as_str().unwrap().to_owned();
    server.until(&id, "in_progress").await;
    let path = format!("/v1/responses/{id}/cancel");
    let first = server.post(&path, json!({})).await.ok();
    assert_eq!(first["status"], "cancelled");
    assert_eq!(server.post(&path, json!({})).await.ok(), first);
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), first);
}

#[tokio::test]
async fn only_background_responses_are_cancelled() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let response = server.respond(json!({"input": "?"})).await;
    let path = format!("/v1/responses/{}/cancel", response["id"].as_str().unwrap());
    assert_eq!(server.post(&path, json!({})).await.error(), "400 response_id invalid_value");
}

/// One place: the second waits as queued, and can be cancelled there.
#[tokio::test]
async fn a_response_that_waits_is_queued_and_can_be_cancelled() {
    let mut setup = Setup::new([Script::Hangs { text: "A long story".into(), after: 5 }]);
    setup.models[0].running_max = 1;
    let server = setup.start().await;
    let first = in_background(&server).await["id"].as_str().unwrap().to_owned();
    server.until(&first, "in_progress").await;
    let second = in_background(&server).await;
    assert_eq!(second["status"], "queued");
    let id = second["id"].as_str().unwrap();
    let path = format!("/v1/responses/{id}/cancel");
    assert_eq!(server.post(&path, json!({})).await.ok()["status"], "cancelled");
    assert_eq!(server.get(&format!("/v1/responses/{first}")).await.ok()["status"], "in_progress");
}

#[tokio::test]
async fn a_running_stream_is_left_and_joined_again() {
    let backend = ScriptedBackend::new([says("One two three four five.")])
        .with_pace(Duration::from_millis(2));
    let server = Setup::with(backend).start().await;
    let body = json!({
        "model": "scripted", "input": "?", "background": true, "stream": true,
    });
    let request = server.request(Method::POST, "/v1/responses").json(&body);
    let begin = first_frames(request.send().await.unwrap(), 4).await;
    let created: Value = serde_json::from_str(begin[0].split_once("data: ").unwrap().1).unwrap();
    let id = created["response"]["id"].as_str().unwrap();
    let path = format!("/v1/responses/{id}?stream=true&starting_after=3");
    let rest = server.request(Method::GET, &path).send().await.unwrap();
    let rest = Stream::of(rest).await;
    let whole = server.request(Method::GET, &format!("/v1/responses/{id}?stream=true"));
    let whole = Stream::of(whole.send().await.unwrap()).await.sound();
    assert_eq!([begin, rest.frames].concat(), whole.frames);
    assert_eq!(text_of(&whole.last()), "One two three four five.");
}

/// The server stops in the middle of a run; the next one finishes it from where it stood.
#[tokio::test]
async fn a_run_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Library> =
        Arc::new(SqliteStore::open(&folder.path().join("ozone.db")).unwrap());
    let text = "It is 4, and that will not change.";
    let hangs = Script::Hangs { text: text.into(), after: 10 };
    let mut first = Setup::new([hangs]);
    first.store = store.clone();
    first.limits.drain = Duration::ZERO;
    let first = first.start().await;
    let id = in_background(&first).await["id"].as_str().unwrap().to_owned();
    let parsed: ResponseId = id.parse().unwrap();
    // Wait until something of the sample is journaled.
    while store.events(&parsed, 0, 99).await.unwrap().len() < 6 {
        tokio::task::yield_now().await;
    }
    first.stop().await;
    let cut = store.events(&parsed, 0, 999).await.unwrap();
    assert!(Fold::of(&cut).unwrap().finished().is_none(), "the run ended before it was cut");

    let mut second = Setup::new([says(text)]);
    second.store = store.clone();
    let second = second.start().await;
    let done = second.until(&id, "completed").await;
    assert_eq!(text_of(&done), text);
    let whole = store.events(&parsed, 0, 9999).await.unwrap();
    assert_eq!(whole[..cut.len()], cut, "an acknowledged event was changed");
    Fold::of(&whole).unwrap();
}

/// A model that is gone after the restart: its runs fail with a reason.
#[tokio::test]
async fn a_run_that_cannot_go_on_fails() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let mut first = Setup::new([hangs]);
    first.limits.drain = Duration::ZERO;
    let store = first.store.clone();
    let first = first.start().await;
    let id = in_background(&first).await["id"].as_str().unwrap().to_owned();
    first.until(&id, "in_progress").await;
    first.stop().await;

    let mut second = Setup::new([says("Yes.")]);
    second.models[0].id = "another".into();
    second.store = store;
    let second = second.start().await;
    let failed = second.until(&id, "failed").await;
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("no model `scripted`"), "{message}");
    // What was said of it stands.
    let message = &failed["output"][0];
    assert_eq!((&message["status"], text_of(&failed).as_str()), (&json!("incomplete"), "A lon"));
    let events = second.store.events(&id.parse().unwrap(), 0, 999).await.unwrap();
    Fold::of(&events).unwrap();
}

/// Nothing of what a request that was refused asked for stays behind.
#[tokio::test]
async fn refused_work_leaves_nothing() {
    let mut setup = Setup::new([Script::Hangs { text: "A long story".into(), after: 5 }]);
    setup.models[0].running_max = 1;
    setup.limits.waiting_max = 0;
    let server = setup.start().await;
    let first = in_background(&server).await["id"].as_str().unwrap().to_owned();
    server.until(&first, "in_progress").await;
    let body = json!({"model": "scripted", "input": "?"});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "503 - server_overloaded");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(server.store.list(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn stopping_lets_running_work_end() {
    let backend =
        ScriptedBackend::new([says("One two three.")]).with_pace(Duration::from_millis(2));
    let mut setup = Setup::with(backend);
    setup.limits.drain = Duration::from_secs(20);
    let store = setup.store.clone();
    let server = setup.start().await;
    let id = in_background(&server).await["id"].as_str().unwrap().to_owned();
    server.stop().await;
    let last = store.last_event(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(last.kind.name(), "response.completed");
}
