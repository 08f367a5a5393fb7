//! `kill -9` of a real server at many moments: nothing acknowledged is lost or changed, every run ends
//! by itself after the next start, and nothing is done or charged twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use ozone_cost::{LedgerQuery, Meter};
use ozone_store::{Ledger, Library, SqliteStore, Store, Stored};
use ozone_types::{Fold, Response, ResponseStatus};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Stream, text_of};

const KILLS: usize = 50;
const SEED: u64 = 20_261_122;
/// How long a busy machine may take for what a quiet one does in a second.
const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER: &str = "It is noted, twice.";

pub fn kill_child() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.parent().unwrap().parent().unwrap().join("examples/kill_child")
}

/// The server in a process of its own.
pub struct Child {
    process: std::process::Child,
    url: String,
}

impl Child {
    fn start(folder: &Path) -> Child {
        let mut command = Command::new(kill_child());
        command.arg(folder);
        Child::of(command)
    }

    /// A command that comes to be one.
    pub fn of(mut command: Command) -> Child {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Child { process, url: format!("http://{}", address.trim()) }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// SIGKILL.
impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What clients were told, and what the server is held to from then on.
#[derive(Default)]
pub struct Told {
    /// The model and the frames of each stream, by the id of its response.
    pub streams: BTreeMap<String, (String, Vec<String>)>,
    /// Responses that were accepted.
    accepted: BTreeSet<String>,
    /// What lies under a path.
    objects: BTreeMap<String, Value>,
    bytes: BTreeMap<String, Vec<u8>>,
    deleted: BTreeSet<String>,
    /// Items that a conversation has.
    conversations: BTreeMap<String, BTreeSet<String>>,
    /// Uploads whose one part, of this id, is there.
    parts: BTreeMap<String, String>,
    /// Vector stores, and a word of their file.
    shelves: BTreeMap<String, String>,
    /// Batches, and the mark in the metadata of their lines.
    batches: BTreeMap<String, String>,
}

/// A client of one process of the server. Each answer is noted once it is whole; what breaks off was
/// not acknowledged.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    told: Arc<Mutex<Told>>,
    /// Frames that were read.
    pub seen: watch::Sender<usize>,
}

impl Client {
    pub fn of(child: &Child) -> Client {
        Client {
            http: reqwest::Client::new(),
            url: child.url.clone(),
            told: Arc::default(),
            seen: watch::Sender::new(0),
        }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}/v1{path}", self.url))
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Option<Value> {
        let response = request.send().await.ok()?;
        let status = response.status();
        let bytes = response.bytes().await.ok()?;
        assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&bytes));
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    pub async fn post(&self, path: &str, body: Value) -> Option<Value> {
        self.read(self.request(Method::POST, path).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.read(self.request(Method::GET, path)).await.expect("it lives")
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.unwrap()
    }

    /// Reads frames until the stream ends or breaks.
    async fn frames(&self, model: &str, request: reqwest::RequestBuilder, mut id: Option<String>) {
        let Ok(response) = request.send().await else { return };
        assert!(response.status().is_success(), "{:?}", response.text().await);
        let (mut bytes, mut text) = (response.bytes_stream(), vec![]);
        while let Some(Ok(chunk)) = bytes.next().await {
            text.extend_from_slice(&chunk);
            while let Some(at) = text.windows(2).position(|w| w == b"\n\n") {
                let frame = String::from_utf8(text.drain(..at + 2).collect()).unwrap();
                let Some((_, data)) = frame.split_once("\ndata: ") else {
                    assert_eq!(frame, "data: [DONE]\n\n");
                    continue;
                };
                let id = id.get_or_insert_with(|| {
                    let created: Value = serde_json::from_str(data).unwrap();
                    created["response"]["id"].as_str().unwrap().to_owned()
                });
                let mut told = self.told();
                let stream = told.streams.entry(id.clone()).or_default();
                stream.0 = model.to_owned();
                stream.1.push(frame);
                self.seen.send_modify(|seen| *seen += 1);
            }
        }
    }

    pub async fn stream(self, model: &'static str, background: bool) {
        let body = json!({
            "model": model, "input": "Note it twice.", "stream": true, "background": background,
            "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        });
        let request = self.request(Method::POST, "/responses").json(&body);
        self.frames(model, request, None).await;
    }

    /// Goes on with a stream that the last kill cut.
    async fn follow(self, id: String) {
        let (model, seen) = {
            let told = self.told();
            let (model, frames) = &told.streams[&id];
            (model.clone(), frames.len() as u64)
        };
        let path = format!("/responses/{id}?stream=true&starting_after={}", seen - 1);
        let request = self.request(Method::GET, &path);
        self.frames(&model, request, Some(id)).await;
    }

    async fn background(self) -> Option<()> {
        let body = json!({
            "model": "steady", "input": "Note it.", "background": true,
            "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        });
        let response = self.post("/responses", body).await?;
        self.told().accepted.insert(id_of(&response));
        Some(())
    }

    /// Two stored responses, one behind the other, and one that is deleted.
    async fn chain(self) -> Option<()> {
        let mut before = Value::Null;
        for _ in 0..2 {
            let body = json!({"model": "brief", "input": "?", "previous_response_id": before});
            let response = self.post("/responses", body).await?;
            before = response["id"].clone();
            self.told().objects.insert(format!("/responses/{}", id_of(&response)), response);
        }
        let gone = self.post("/responses", json!({"model": "brief", "input": "?"})).await?;
        let path = format!("/responses/{}", id_of(&gone));
        self.read(self.request(Method::DELETE, &path)).await?;
        self.told().deleted.insert(path);
        Some(())
    }

    async fn conversation(self) -> Option<()> {
        let conversation = self.post("/conversations", json!({"metadata": {"a": "b"}})).await?;
        let id = id_of(&conversation);
        self.told().objects.insert(format!("/conversations/{id}"), conversation);
        let items = json!({"items": [{"role": "user", "content": "Begin."}]});
        let added = self.post(&format!("/conversations/{id}/items"), items).await?;
        let mut have = BTreeSet::from([id_of(&added["data"][0])]);
        self.told().conversations.insert(id.clone(), have.clone());
        for _ in 0..2 {
            let body = json!({"model": "brief", "input": "?", "conversation": id});
            let response = self.post("/responses", body).await?;
            have.insert(id_of(&response["output"][0]));
            self.told().conversations.insert(id.clone(), have.clone());
        }
        Some(())
    }

    async fn upload(&self, name: &str, purpose: &str, text: &str) -> Option<String> {
        let part = Part::text(text.to_owned()).file_name(name.to_owned());
        let form = Form::new().text("purpose", purpose.to_owned()).part("file", part);
        let file = self.read(self.request(Method::POST, "/files").multipart(form)).await?;
        let path = format!("/files/{}", id_of(&file));
        let mut told = self.told();
        told.bytes.insert(format!("{path}/content"), text.as_bytes().to_vec());
        let id = id_of(&file);
        told.objects.insert(path, file);
        Some(id)
    }

    async fn files(self, word: String) -> Option<()> {
        let text = format!("The password of the harbour is {word}.");
        let body = json!({
            "filename": format!("{word}.txt"), "purpose": "user_data", "bytes": text.len(),
            "mime_type": "text/plain",
        });
        let upload = id_of(&self.post("/uploads", body).await?);
        let form = Form::new().part("data", Part::text(text.clone()).file_name("data"));
        let path = format!("/uploads/{upload}/parts");
        let part = id_of(&self.read(self.request(Method::POST, &path).multipart(form)).await?);
        self.told().parts.insert(upload.clone(), part.clone());
        let body = json!({"part_ids": [part]});
        let done = self.post(&format!("/uploads/{upload}/complete"), body).await?;
        let mut told = self.told();
        told.parts.remove(&upload);
        told.bytes.insert(format!("/files/{}/content", id_of(&done["file"])), text.into_bytes());
        Some(())
    }

    async fn shelf(self, word: String) -> Option<()> {
        let text = format!("The ferry to Calderon is called {word}.\n\n").repeat(3);
        let file = self.upload("ferry.md", "user_data", &text).await?;
        let store = self.post("/vector_stores", json!({"file_ids": [file]})).await?;
        self.told().shelves.insert(format!("/vector_stores/{}", id_of(&store)), word);
        Some(())
    }

    /// Lines that note something each.
    async fn batch(self, mark: String) -> Option<()> {
        let line = |n: usize| {
            let body = json!({
                "model": "steady", "input": "Note it.", "metadata": {"mark": format!("{mark}-{n}")},
                "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
            });
            let url = "/v1/responses";
            json!({"custom_id": format!("{n}"), "method": "POST", "url": url, "body": body})
        };
        let lines: Vec<String> = (0..2).map(|n| line(n).to_string()).collect();
        let file = self.upload("in.jsonl", "batch", &lines.join("\n")).await?;
        let body = json!({
            "input_file_id": file, "endpoint": "/v1/responses", "completion_window": "24h",
        });
        let batch = self.post("/batches", body).await?;
        self.told().batches.insert(id_of(&batch), mark);
        Some(())
    }

    /// Everything at once.
    fn work(&self, round: usize) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let cut: Vec<String> = {
            let told = self.told();
            let open = told.streams.iter().filter(|(_, (_, frames))| !has_ended(frames));
            open.map(|(id, _)| id.clone()).collect()
        };
        for id in cut {
            tasks.spawn(self.clone().follow(id));
        }
        tasks.spawn(self.clone().stream("steady", true));
        tasks.spawn(self.clone().stream("without-ids", true));
        let word = format!("Quaoar{round}");
        let one = self.clone();
        match round % 3 {
            0 => tasks.spawn(async move {
                let _ = one.batch(word).await;
            }),
            1 => tasks.spawn(async move {
                let _ = one.shelf(word).await;
            }),
            _ => tasks.spawn(async move {
                let _ = one.files(word).await;
            }),
        };
        let (chain, conversation, background) = (self.clone(), self.clone(), self.clone());
        tasks.spawn(async move {
            let _ = chain.chain().await;
        });
        tasks.spawn(async move {
            let _ = conversation.conversation().await;
        });
        tasks.spawn(async move {
            let _ = background.background().await;
        });
        tasks
    }

    /// Asks until nothing of it is under way.
    pub async fn settled(&self, path: &str, open: &[&str]) -> Value {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let object = self.get(path).await;
                if !open.contains(&object["status"].as_str().unwrap()) {
                    return object;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{path} stays {open:?}"))
    }
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("{object}")).to_owned()
}

pub fn has_ended(frames: &[String]) -> bool {
    let ends = ["completed", "incomplete", "failed"].map(|end| format!("event: response.{end}\n"));
    frames.last().is_some_and(|last| ends.iter().any(|end| last.starts_with(end)))
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often the tool was called under each key that a client has seen the end of.
fn note_finished_calls(told: &Told, folder: &Path, finished: &mut BTreeMap<String, usize>) {
    let calls = lines(&folder.join("calls.log"));
    for (id, (_, frames)) in &told.streams {
        let done = "event: response.code_interpreter_call.completed\n";
        let done = frames.iter().filter(|frame| frame.starts_with(done)).count();
        for step in 1..=done {
            let key = format!("{id}:{step}:0");
            let count = calls.iter().filter(|call| **call == key).count();
            finished.entry(key).or_insert(count);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut rng = SmallRng::seed_from_u64(SEED);
    let told: Arc<Mutex<Told>> = Arc::default();
    let connect = |child: &Child| Client { told: told.clone(), ..Client::of(child) };
    let mut finished = BTreeMap::new();
    for round in 0..KILLS {
        let child = Child::start(folder);
        let client = connect(&child);
        let mut tasks = client.work(round);
        // Either so many frames were read, or so much time has passed, also in the start itself.
        let (frames, time) = match rng.random_range(0..3) {
            0 => (usize::MAX, Duration::from_micros(rng.random_range(0..250_000))),
            _ => (rng.random_range(1..150), Duration::from_secs(2)),
        };
        let mut seen = client.seen.subscribe();
        let counted = seen.wait_for(|seen| *seen >= frames);
        let _ = tokio::time::timeout(time, counted).await;
        drop(child);
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        note_finished_calls(&told.lock().unwrap(), folder, &mut finished);
    }
    let child = Child::start(folder);
    let client = connect(&child);
    let told = std::mem::take(&mut *told.lock().unwrap());
    streams_are_whole(&client, &told).await;
    objects_are_as_they_were(&client, &told).await;
    work_is_done(&client, &told).await;
    let store = SqliteStore::open(&folder.join("ozone.db")).unwrap();
    nothing_is_under_way(&store).await;
    drop(child);
    let calls = lines(&folder.join("calls.log"));
    for (key, before) in finished {
        let now = calls.iter().filter(|call| **call == key).count();
        assert_eq!(now, before, "{key} was done and is made again");
    }
    journals_and_books_are_sound(&store, folder, &told).await;
}

/// What was read is the beginning of what is replayed, from any number on, and the last object is
/// what GET gives.
async fn streams_are_whole(client: &Client, told: &Told) {
    assert!(told.streams.len() > KILLS / 10, "few streams have begun: {}", told.streams.len());
    let (mut cut, mut failed) = (0, 0);
    for (id, (model, frames)) in &told.streams {
        let path = format!("/responses/{id}");
        client.settled(&path, &["queued", "in_progress"]).await;
        let whole = Stream::parse(&client.text(&format!("{path}?stream=true")).await).sound();
        assert_eq!(whole.frames[..frames.len()], frames[..], "{id}: an event was changed");
        cut += usize::from(frames.len() < whole.frames.len());
        let from = frames.len() / 2;
        let rest = client.text(&format!("{path}?stream=true&starting_after={from}")).await;
        assert_eq!(Stream::parse(&rest).frames, whole.frames[from + 1..], "{id} from {from}");
        let last = whole.last();
        assert_eq!(client.get(&path).await, last, "{id}");
        if last["status"] == "failed" {
            failed += 1;
            assert_eq!(model, "without-ids", "{last}");
            let why = last["error"]["message"].as_str().unwrap();
            assert!(why.contains("cannot go on from there"), "{why}");
        } else {
            assert_eq!(last["status"], "completed", "{last}");
            assert_eq!(text_of(&last), ANSWER);
        }
        for item in last["output"].as_array().unwrap() {
            let reference = json!({"type": "item_reference", "id": item["id"]});
            let input = json!([reference, {"role": "user", "content": "And?"}]);
            let counted = client
                .post("/responses/input_tokens", json!({"model": "brief", "input": input}))
                .await;
            assert_eq!(counted.unwrap()["object"], "response.input_tokens");
        }
    }
    assert!(cut > 0, "no stream was cut for good");
    assert!(failed < told.streams.len(), "all have failed");
}

async fn objects_are_as_they_were(client: &Client, told: &Told) {
    for id in &told.accepted {
        let path = format!("/responses/{id}");
        let response = client.settled(&path, &["queued", "in_progress"]).await;
        assert_eq!(text_of(&response), ANSWER, "{response}");
    }
    for (path, object) in &told.objects {
        assert_eq!(client.get(path).await, *object, "{path}");
    }
    for (path, bytes) in &told.bytes {
        assert_eq!(client.text(path).await.as_bytes(), bytes, "{path}");
    }
    for path in &told.deleted {
        let answer = client.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path} is there again");
    }
    for (id, have) in &told.conversations {
        let path = format!("/conversations/{id}/items?order=asc&limit=100");
        let list = client.get(&path).await;
        let items: Vec<&Value> = list["data"].as_array().unwrap().iter().collect();
        let ids: BTreeSet<String> = items.iter().map(|item| id_of(item)).collect();
        assert_eq!(ids.len(), items.len(), "{id}: an item is there twice");
        assert!(have.is_subset(&ids), "{id}: {have:?} of {ids:?}");
        let roles = items.iter().skip(1).map(|item| item["role"].as_str().unwrap());
        let wanted = ["user", "assistant"].iter().cycle();
        assert!(roles.clone().zip(wanted).all(|(role, wanted)| role == *wanted), "{list}");
        assert_eq!(roles.count() % 2, 0, "{id}: a question without its answer: {list}");
    }
}

async fn work_is_done(client: &Client, told: &Told) {
    for (upload, part) in &told.parts {
        // It was kept, or the upload was completed and nobody heard of it.
        let path = format!("/uploads/{upload}/complete");
        let body = json!({"part_ids": [part]});
        let answer = client.request(Method::POST, &path).json(&body).send().await.unwrap();
        assert!([200, 409].contains(&answer.status().as_u16()), "{}", answer.status());
    }
    for (path, word) in &told.shelves {
        let store = client.settled(path, &["in_progress"]).await;
        assert_eq!(store["file_counts"]["completed"], 1, "{store}");
        let query = json!({"query": format!("ferry {word}")});
        let page = client.post(&format!("{path}/search"), query).await.unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
        assert!(page.to_string().contains(word), "{page}");
    }
    let open = ["validating", "in_progress", "finalizing"];
    for (id, mark) in &told.batches {
        let batch = client.settled(&format!("/batches/{id}"), &open).await;
        assert_eq!(batch["status"], "completed", "{mark}: {batch}");
        let output = batch["output_file_id"].as_str().unwrap_or_else(|| panic!("{batch}"));
        let text = client.text(&format!("/files/{output}/content")).await;
        let ids: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["custom_id"].clone())
            .collect();
        assert_eq!(ids, [json!("0"), json!("1")], "{text}");
    }
    // One file for each batch, and for each upload, also where nobody was told.
    let batches = client.get("/batches?limit=100").await;
    for batch in batches["data"].as_array().unwrap() {
        client.settled(&format!("/batches/{}", id_of(batch)), &open).await;
    }
    let outputs = client.get("/files?purpose=batch_output&limit=10000").await;
    let count = |list: &Value| list["data"].as_array().unwrap().len();
    assert_eq!(count(&outputs), count(&batches), "{outputs}");
    let files = client.get("/files?purpose=user_data&limit=10000").await;
    let names = files["data"].as_array().unwrap().iter().map(|f| f["filename"].as_str().unwrap());
    let uploaded: Vec<&str> = names.filter(|name| name.ends_with(".txt")).collect();
    let different: BTreeSet<&str> = uploaded.iter().copied().collect();
    assert_eq!(different.len(), uploaded.len(), "an upload gave two files: {uploaded:?}");
}

/// Waits for what nobody was told of, too.
async fn nothing_is_under_way(store: &SqliteStore) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !store.unfinished().await.unwrap().is_empty()
            || !store.all_documents("unsettled").await.unwrap().is_empty()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("runs are left under way");
}

/// Also of what nobody was told.
async fn journals_and_books_are_sound(store: &SqliteStore, folder: &Path, told: &Told) {
    let effects = lines(&folder.join("effects.log"));
    let mut marks = BTreeMap::<String, usize>::new();
    let mut known = BTreeSet::new();
    for stored in store.list(100_000).await.unwrap() {
        let events = store.events(&stored.id, 0, 100_000).await.unwrap();
        let fold = Fold::of(&events).unwrap();
        let last = fold.finished().unwrap_or_else(|| panic!("{} has no end", stored.id));
        assert_eq!(last.status, stored.status);
        if let Some(mark) = last.metadata.get("mark") {
            *marks.entry(mark.as_str().unwrap().to_owned()).or_default() += 1;
        }
        let prefix = format!("{}:", stored.id);
        let effects: Vec<&String> = effects.iter().filter(|e| e.starts_with(&prefix)).collect();
        known.extend(effects.iter().copied().cloned());
        let wanted = [1, 2].map(|step| format!("{}:{step}:0", stored.id));
        if stored.model != "brief" {
            assert!(effects.iter().zip(&wanted).all(|(e, w)| *e == w), "{effects:?}");
            assert!(effects.len() == 2 || last.status == ResponseStatus::Failed, "{effects:?}");
        }
        if stored.model == "steady" {
            books_are_sound(store, &stored, last).await;
        }
    }
    assert_eq!(known.len(), effects.len(), "an effect of no response");
    assert!(marks.values().all(|n| *n == 1), "a line of a batch was run twice: {marks:?}");
    for mark in told.batches.values() {
        assert!((0..2).all(|n| marks.contains_key(&format!("{mark}-{n}"))), "{mark}");
    }
}

/// A line for each step, of what the response used.
async fn books_are_sound(store: &SqliteStore, stored: &Stored, response: &Response) {
    let query = LedgerQuery::response(stored.id.as_str());
    let lines = store.ledger(&query).await.unwrap();
    let calls: BTreeSet<&str> = lines.iter().map(|line| line.call.as_str()).collect();
    let wanted = ["1:model", "1:tool:0", "2:model", "2:tool:0", "3:model"];
    assert_eq!(calls, BTreeSet::from(wanted), "{}", stored.id);
    let meters = [Meter::Output, Meter::ReasoningOutput];
    let used = |meter| lines.iter().map(|line| line.facts.tokens.get(meter)).sum::<u64>();
    let output: u64 = meters.map(used).iter().sum();
    assert_eq!(output, response.usage.unwrap().output_tokens, "{}", stored.id);
}
