//! Models that fail and a disk that is full: who hears of it, and what is tried again.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use ozone_model::{
    ModelBackend, ModelError, ModelInfo, Sample, SampleEvent, SampleRequest, SampleStream, Stop,
};
use ozone_prompt::{Delta, Message};
use ozone_types::Usage;
use serde_json::json;

use crate::kill::{Child, Client, has_ended, kill_child};
use crate::support::{Setup, Stream, TestServer, text_of};

type Play = Result<Vec<Result<SampleEvent, ModelError>>, ModelError>;

/// A model without ids that does what a test says, sample by sample.
struct Faulty<F> {
    info: ModelInfo,
    play: F,
    asked: AtomicUsize,
}

#[async_trait]
impl<F: Fn(usize) -> Play + Send + Sync + 'static> ModelBackend for Faulty<F> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn sample(&self, _: SampleRequest) -> Result<SampleStream, ModelError> {
        let events = (self.play)(self.asked.fetch_add(1, Ordering::Relaxed))?;
        Ok(futures::stream::iter(events).boxed())
    }

    fn release(&self, _: &str) {}
}

async fn serving(play: impl Fn(usize) -> Play + Send + Sync + 'static) -> TestServer {
    let info = ModelInfo {
        id: "scripted".into(),
        context_window: 10_000,
        reads_images: false,
        source: "a test".into(),
    };
    Setup::with_backend(Arc::new(Faulty { info, play, asked: AtomicUsize::new(0) })).start().await
}

fn started() -> Result<SampleEvent, ModelError> {
    Ok(SampleEvent::Started { input_tokens: 3, cached_tokens: 0 })
}

fn delta(delta: Delta) -> Result<SampleEvent, ModelError> {
    Ok(SampleEvent::Chunk { ids: vec![], deltas: vec![delta], logprobs: vec![] })
}

fn says(text: &str) -> Result<SampleEvent, ModelError> {
    delta(Delta::Text(text.into()))
}

fn finished(text: &str, stop: Stop) -> Result<SampleEvent, ModelError> {
    let message = Message::Assistant { reasoning: None, text: text.into(), tool_calls: vec![] };
    Ok(SampleEvent::Finished(Sample {
        stop,
        ids: vec![],
        message,
        problems: vec![],
        usage: Usage::of_sample(3, 0, 2, 0),
        usage_estimated: false,
    }))
}

fn broke_off() -> Result<SampleEvent, ModelError> {
    Err(ModelError::BrokeOff("its stream ended before the answer did".into()))
}

/// Also where the wait is longer than ours would be.
#[tokio::test]
async fn a_model_that_wants_to_be_left_alone_is_told_with_its_wait() {
    let limited = || ModelError::RateLimited { retry_after: Some(Duration::from_secs(90)) };
    let server = serving(move |_| Err(limited())).await;
    let body = json!({"model": "scripted", "input": "?"});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "429 - rate_limit_exceeded");
    assert_eq!(refused.headers["retry-after"], "90");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("Please try again in 90s."), "{message}");
    let last = server.stream(json!({"input": "?"})).await.sound().last();
    assert_eq!(last["error"]["code"], "rate_limit_exceeded");
    assert!(last["error"]["message"].as_str().unwrap().contains("try again in 90s"), "{last}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_with_its_error() {
    let server = serving(|_| Ok(vec![started(), says("It is"), broke_off()])).await;
    let stream = server.stream(json!({"input": "?"})).await.sound();
    let names = stream.names();
    assert_eq!(names[names.len() - 2..], ["error", "response.failed"]);
    let last = stream.last();
    assert_eq!(last["error"]["code"], "server_error");
    let message = last["error"]["message"].as_str().unwrap();
    assert!(message.contains("broke off in the middle"), "{message}");
    assert_eq!(
        (text_of(&last).as_str(), &last["output"][0]["status"]),
        ("It is", &json!("incomplete"))
    );
    let id = last["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), last);
}

#[tokio::test]
async fn a_thought_that_breaks_off_is_thought_again() {
    let server = serving(|n| {
        Ok(match n {
            0 => vec![started(), delta(Delta::Reasoning("Let me".into())), broke_off()],
            _ => vec![started(), says("42"), finished("42", Stop::EndOfTurn)],
        })
    })
    .await;
    let last = server.stream(json!({"input": "?"})).await.sound().last();
    assert_eq!((&last["status"], text_of(&last).as_str()), (&json!("completed"), "42"));
}

#[tokio::test]
async fn a_filtered_answer_is_incomplete() {
    let filtered = |_| Ok(vec![started(), says("It"), finished("It", Stop::ContentFilter)]);
    let server = serving(filtered).await;
    let last = server.stream(json!({"input": "?"})).await.sound().last();
    assert_eq!(last["status"], "incomplete");
    assert_eq!(last["incomplete_details"]["reason"], "content_filter");
    assert_eq!(text_of(&last), "It");
    let body = json!({"model": "scripted", "messages": [{"role": "user", "content": "?"}]});
    let chat = server.post("/v1/chat/completions", body).await.ok();
    assert_eq!(chat["choices"][0]["finish_reason"], "content_filter");
}

/// A file system of its own with little room: a user namespace may mount one, and its process shows
/// it to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_what_runs_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs \"$1\" && exec \"$0\" \"$1\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]).arg(kill_child()).arg(folder.path());
    let child = Child::of(command);
    let client = Client::of(&child);
    let filler = PathBuf::from(format!("/proc/{}/root{}", child.id(), folder.path().display()));
    let filler = filler.join("filler");

    let streams = [0, 1].map(|_| tokio::spawn(client.clone().stream("steady", true)));
    let mut seen = client.seen.subscribe();
    seen.wait_for(|seen| *seen > 12).await.unwrap();
    let mut file = std::fs::File::create(&filler).unwrap();
    // Room that is given back is taken again for a while: what failed may not even say so.
    for _ in 0..200 {
        while file.write_all(&[1; 4 << 10]).is_ok() {}
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::remove_file(&filler).unwrap();
    drop(file);
    for stream in streams {
        stream.await.unwrap();
    }
    assert!(client.told().streams.values().all(|(_, frames)| has_ended(frames)), "it was cut");
    let ids: Vec<String> = client.told().streams.keys().cloned().collect();
    let mut failed = 0;
    for id in ids {
        let path = format!("/responses/{id}");
        let last = client.settled(&path, &["queued", "in_progress"]).await;
        let whole = Stream::parse(&client.text(&format!("{path}?stream=true")).await).sound();
        assert_eq!(whole.last(), last);
        if last["status"] == "failed" {
            failed += 1;
            let why = last["error"]["message"].as_str().unwrap();
            assert!(why.starts_with("the disk is full"), "{why}");
        }
    }
    assert!(failed > 0, "the disk was never full");
    let body = json!({"model": "brief", "input": "?"});
    assert_eq!(client.post("/responses", body).await.unwrap()["status"], "completed");
}
