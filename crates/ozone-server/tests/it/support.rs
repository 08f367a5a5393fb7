//! A server on a port of its own, over a script; and a client that checks each stream it reads.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ozone_model::{ModelBackend, Script, ScriptedBackend};
use ozone_server::{
    Accounts, Keys, Mcp, ModelEntry, SealingKey, ServeError, Server, ServerLimits, ToolFactory,
    Workplace,
};
use ozone_store::{Library, MemoryStore};
use ozone_tools::egress::Egress;
use ozone_tools::{PythonTool, ScriptedTool, Source, Step, Tool};
use ozone_types::{Event, Fold};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a test may change of its server.
pub struct Setup {
    pub models: Vec<ModelEntry>,
    pub store: Arc<dyn Library>,
    pub accounts: Accounts,
    pub keys: Keys,
    pub limits: ServerLimits,
    pub tool_steps: Vec<Step>,
    pub mcp: Mcp,
    pub web: Option<Arc<ozone_tools::web::Web>>,
    pub image_generation: Option<Arc<ozone_tools::drawing::ImageUpstream>>,
    pub containers: Arc<tempfile::TempDir>,
}

impl Setup {
    /// One model, `scripted`, with this script.
    pub fn new(script: impl IntoIterator<Item = Script>) -> Self {
        Setup::with(ScriptedBackend::new(script))
    }

    pub fn with(backend: ScriptedBackend) -> Self {
        Setup::with_backend(Arc::new(backend))
    }

    pub fn with_backend(backend: Arc<dyn ModelBackend>) -> Self {
        Setup {
            models: vec![ModelEntry::new("scripted", backend)],
            store: Arc::new(MemoryStore::default()),
            accounts: Accounts::default(),
            keys: Keys::default(),
            limits: ServerLimits { drain: Duration::from_millis(200), ..Default::default() },
            tool_steps: vec![],
            mcp: Mcp { servers: vec![], egress: Egress::new([]).unwrap() },
            web: None,
            image_generation: None,
            containers: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    fn server(&self) -> Server {
        let steps = self.tool_steps.clone();
        let tools: ToolFactory = Arc::new(move |place: Workplace| {
            let refused = Source::Refused { cause: "no jail".into() };
            let python = PythonTool::new(refused, place.container_id, Some(place.folder));
            vec![
                Box::new(ScriptedTool::new(steps.clone())) as Box<dyn Tool>,
                Box::new(python.patch()),
            ]
        });
        Server {
            models: self.models.clone(),
            store: self.store.clone(),
            tools,
            mcp: self.mcp.clone(),
            web: self.web.clone(),
            image_generation: self.image_generation.clone(),
            accounts: self.accounts.clone(),
            keys: self.keys.clone(),
            sealing_keys: vec![SealingKey::from_text("a test's key")],
            reader: file_reader(),
            containers_dir: self.containers.path().to_owned(),
            limits: self.limits,
            clock: || 1_800_000_000,
        }
    }

    /// Why the server does not start.
    pub async fn refused(self) -> ServeError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.server().serve(listener, async {}).await.unwrap_err()
    }

    pub async fn start(self) -> TestServer {
        let server = self.server();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server.serve(listener, stopped).await.unwrap();
        });
        TestServer {
            url: format!("http://{address}"),
            client: reqwest::Client::new(),
            key: None,
            store: self.store,
            containers: self.containers,
            stop: Some(stop),
            task,
        }
    }
}

/// The example `read_file` is the process in which files are read.
fn file_reader() -> ozone_files::Reader {
    let exe = std::env::current_exe().unwrap();
    let example = exe.parent().unwrap().parent().unwrap().join("examples/read_file");
    // A loaded machine is no reason to fail.
    let time_max = std::time::Duration::from_secs(300);
    let limits = ozone_files::Limits { time_max, ..ozone_files::Limits::default() };
    ozone_files::Reader::new(Some(&example), limits)
}

pub struct TestServer {
    pub url: String,
    pub client: reqwest::Client,
    pub key: Option<String>,
    pub store: Arc<dyn Library>,
    pub containers: Arc<tempfile::TempDir>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub async fn scripted(script: impl IntoIterator<Item = Script>) -> TestServer {
        Setup::new(script).start().await
    }

    /// Stops as SIGTERM would, and waits for the end.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.task).await.unwrap();
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A finished response to `input`.
    pub async fn respond(&self, mut body: Value) -> Value {
        body["model"] = json!("scripted");
        self.post("/v1/responses", body).await.ok()
    }

    /// The frames of a streamed response.
    pub async fn stream(&self, mut body: Value) -> Stream {
        body["model"] = json!("scripted");
        body["stream"] = json!(true);
        let request = self.request(Method::POST, "/v1/responses").json(&body);
        Stream::of(request.send().await.unwrap()).await
    }

    /// Polls until the response has this status.
    pub async fn until(&self, id: &str, status: &str) -> Value {
        for _ in 0..2000 {
            let response = self.get(&format!("/v1/responses/{id}")).await.ok();
            if response["status"] == status {
                return response;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("response {id} did not become {status}");
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// `status param code` of an error in OpenAI's shape.
    #[track_caller]
    pub fn error(&self) -> String {
        let error = self.body["error"].as_object().unwrap_or_else(|| panic!("{:?}", self.body));
        let keys: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["message", "type", "param", "code"]);
        assert!(!error["message"].as_str().unwrap().is_empty());
        let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", self.status.as_u16(), text("param"), text("code"))
    }
}

/// A stream that was read to its end, checked by the rules.
pub struct Stream {
    pub frames: Vec<String>,
    pub events: Vec<Event>,
}

impl Stream {
    pub async fn of(response: reqwest::Response) -> Stream {
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        Stream::parse(&text)
    }

    #[track_caller]
    pub fn parse(text: &str) -> Stream {
        let mut frames: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
        assert_eq!(frames.pop().as_deref(), Some("data: [DONE]\n\n"));
        let events = frames.iter().map(|frame| event(frame)).collect();
        Stream { frames, events }
    }

    /// The events keep the rules S2 to S10.
    #[track_caller]
    pub fn sound(self) -> Self {
        let fold = Fold::of(&self.events).unwrap();
        assert!(fold.finished().is_some());
        self
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(|e| e.kind.name()).collect()
    }

    /// The object of the last event.
    #[track_caller]
    pub fn last(&self) -> Value {
        let last = self.events.last().unwrap().kind.terminal().unwrap();
        serde_json::to_value(last).unwrap()
    }
}

/// The event of a frame: `event:` equals `type` (S1).
#[track_caller]
fn event(frame: &str) -> Event {
    let (name, data) = frame.trim_end().split_once('\n').unwrap();
    let value: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(name.strip_prefix("event: "), value["type"].as_str());
    serde_json::from_value(value).unwrap()
}

/// A stream's first `n` frames; then the client hangs up.
pub async fn first_frames(response: reqwest::Response, n: usize) -> Vec<String> {
    let mut bytes = response.bytes_stream();
    let mut text = String::new();
    while text.matches("\n\n").count() < n {
        let Some(chunk) = bytes.next().await else { break };
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    text.split_inclusive("\n\n").take(n).map(str::to_owned).collect()
}

pub fn says(text: &str) -> Script {
    Script::says(text)
}

/// The texts of the output's messages.
pub fn text_of(response: &Value) -> String {
    let items = response["output"].as_array().into_iter().flatten();
    let parts = items
        .filter(|item| item["type"] == "message")
        .flat_map(|item| item["content"].as_array().cloned().unwrap_or_default());
    parts.filter_map(|part| part["text"].as_str().map(str::to_owned)).collect()
}
