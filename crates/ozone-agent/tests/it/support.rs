//! A response run with a script, shown as small text.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use ozone_agent::{Limits, Request, Run, Seal};
use ozone_model::{
    Delivery, Enforces, ModelBackend, ModelError, ModelInfo, SampleEvent, SampleRequest,
    SampleStream, Script, ScriptedBackend, Stop, TokenLogprob,
};
use ozone_store::{Append, Durability, Journal, MemoryStore, Store, Stored};
use ozone_tools::{ScriptedTool, Step, Tool};
use ozone_types::item::Known;
use ozone_types::{
    CodeOutput, Content, Event, Fold, Item, ItemStatus, Response, ResponseId, ResponseStatus,
};
use tokio_util::sync::CancellationToken;

/// One scripted response in a store of its own.
pub struct Scene {
    pub store: Arc<MemoryStore>,
    pub id: ResponseId,
    pub backend: Arc<ScriptedBackend>,
    /// What the script's samples are made to be.
    pub manner: Manner,
    pub request: Request,
    pub limits: Limits,
    pub cancel: CancellationToken,
    pub seal: Option<Seal>,
}

/// How a backend differs from the scripted one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// No token ids are known, as of an upstream.
    pub without_ids: bool,
    pub enforces: Enforces,
    /// Every sample is stopped by a content filter where it ends.
    pub filtered: bool,
    /// Each byte has a logprob: minus its place in the sample.
    pub logprobs: bool,
}

struct Mannered(Arc<ScriptedBackend>, Manner);

#[async_trait]
impl ModelBackend for Mannered {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        let manner = self.1;
        let stream = self.0.sample(request).await?;
        let mut said = 0u16;
        let changed = stream.map(move |event| {
            let mut event = event?;
            if let SampleEvent::Chunk { ids, logprobs, .. } = &mut event {
                if manner.logprobs {
                    let one = |id: &u32| {
                        said += 1;
                        let (bytes, logprob) = (vec![*id as u8], -f32::from(said));
                        let top = vec![(bytes.clone(), logprob), (b"?".to_vec(), -999.0)];
                        TokenLogprob { bytes, logprob, top }
                    };
                    *logprobs = ids.iter().map(one).collect();
                }
                if manner.without_ids {
                    ids.clear();
                }
            }
            if let SampleEvent::Finished(sample) = &mut event
                && manner.without_ids
            {
                sample.ids.clear();
            }
            if let SampleEvent::Finished(sample) = &mut event
                && manner.filtered
            {
                sample.stop = Stop::ContentFilter;
            }
            Ok(event)
        });
        Ok(changed.boxed())
    }

    fn enforces(&self) -> Enforces {
        self.1.enforces
    }

    fn delivery(&self) -> Delivery {
        self.0.delivery()
    }

    fn release(&self, key: &str) {
        self.0.release(key);
    }
}

pub async fn create(store: &dyn Store, id: &ResponseId, request: &Request) {
    let stored = Stored {
        id: id.clone(),
        created_at: 0,
        status: ResponseStatus::InProgress,
        model: "scripted".into(),
        request: serde_json::to_value(request).unwrap(),
    };
    store.create(stored).await.unwrap();
}

impl Scene {
    pub async fn new(script: impl IntoIterator<Item = Script>) -> Scene {
        let request = Request::new("scripted", vec![Item::user("What is it?")], false).unwrap();
        Scene::asking(request, script).await
    }

    pub async fn asking(request: Request, script: impl IntoIterator<Item = Script>) -> Scene {
        let scene = Scene {
            store: Arc::default(),
            id: ResponseId::mint(),
            backend: Arc::new(ScriptedBackend::new(script)),
            manner: Manner::default(),
            request,
            limits: Limits { tool_time_max: Duration::from_secs(5), ..Limits::default() },
            cancel: CancellationToken::new(),
            seal: None,
        };
        scene.create_in(&*scene.store).await;
        scene
    }

    pub async fn create_in(&self, store: &dyn Store) {
        create(store, &self.id, &self.request).await;
    }

    /// Runs to the end with this tool script.
    pub async fn run(&self, steps: impl IntoIterator<Item = Step>) -> Response {
        self.run_with(ScriptedTool::new(steps)).await
    }

    pub async fn run_with(&self, tool: impl Tool + 'static) -> Response {
        self.run_in(self.store.clone(), tool).await
    }

    pub async fn run_in(&self, store: Arc<dyn Store>, tool: impl Tool + 'static) -> Response {
        self.run_tools(store, vec![Box::new(tool)]).await
    }

    pub async fn run_tools(&self, store: Arc<dyn Store>, tools: Vec<Box<dyn Tool>>) -> Response {
        self.as_run(store, tools).await.run().await.unwrap()
    }

    pub async fn as_run(&self, store: Arc<dyn Store>, tools: Vec<Box<dyn Tool>>) -> Run {
        Run {
            backend: Arc::new(Mannered(self.backend.clone(), self.manner)),
            tools,
            journal: Journal::open(store, self.id.clone()).await.unwrap(),
            request: self.request.clone(),
            limits: self.limits,
            clock: || 1_800_000_000,
            cancel: self.cancel.clone(),
            seal: self.seal.clone(),
        }
    }

    /// Runs without tools of its own.
    pub async fn answer(&self) -> Response {
        self.run_tools(self.store.clone(), vec![]).await
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.events(&self.id, 0, usize::MAX).await.unwrap()
    }

    /// The names of the events of the output, with runs of one name written once.
    pub async fn event_names(&self) -> String {
        let events = self.events().await;
        let mut names: Vec<&str> = events.iter().map(|e| e.kind.name()).collect();
        names.dedup();
        names.join("\n")
    }

    /// The same response as a process would find it that was killed after `events` events and the
    /// records that were written with them.
    pub async fn killed_after(&self, appends: &[Append], tool: impl Tool + 'static) -> Response {
        self.killed_with(appends, vec![Box::new(tool)]).await
    }

    pub async fn killed_with(&self, appends: &[Append], tools: Vec<Box<dyn Tool>>) -> Response {
        let store = Arc::new(MemoryStore::default());
        self.create_in(&*store).await;
        for append in appends {
            store.append(&self.id, append.clone(), Durability::Process).await.unwrap();
        }
        let response = self.run_tools(store.clone(), tools).await;
        let events = store.events(&self.id, 0, usize::MAX).await.unwrap();
        Fold::of(&events).unwrap();
        response
    }
}

/// One line an item: its kind, its text, and its status when that is not `completed`.
pub fn show(response: &Response) -> String {
    let mut lines: Vec<String> = response.output.iter().map(show_item).collect();
    let status = serde_json::to_value(response.status).unwrap();
    let reason =
        response.incomplete_details.as_ref().map(|d| serde_json::to_value(d.reason).unwrap());
    let error = response.error.as_ref().map(|e| e.message.clone());
    let why = reason.and_then(|r| r.as_str().map(str::to_owned)).or(error).unwrap_or_default();
    lines.push(format!("{} {why}", status.as_str().unwrap()).trim().to_owned());
    lines.join("\n")
}

fn show_item(item: &Item) -> String {
    let Item::Known(known) = item else { return "other".into() };
    let named = |namespace: &Option<String>, name: &str| match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    };
    let (kind, text) = match known {
        Known::Message { content, .. } => ("message  ", content.joined()),
        Known::Reasoning { content, summary, encrypted_content, .. } => {
            let raw: String = content.iter().filter_map(Content::text).collect();
            let summary: Vec<_> = summary.iter().filter_map(Content::text).collect();
            let mut text = raw;
            if !summary.is_empty() {
                text.push_str(&format!("[{}]", summary.join(" | ")));
            }
            if let Some(sealed) = encrypted_content {
                text.push_str(&format!("<{sealed}>"));
            }
            ("reasoning", text)
        }
        Known::CodeInterpreterCall { code, outputs, .. } => {
            let logs: Vec<_> = outputs
                .iter()
                .flatten()
                .map(|o| match o {
                    CodeOutput::Logs { logs } => logs.as_str(),
                    CodeOutput::Image { .. } => "[image]",
                })
                .collect();
            ("python   ", format!("{code} -> {}", logs.join(" ")))
        }
        Known::FunctionCall { name, namespace, arguments, .. } => {
            ("function ", format!("{} {arguments}", named(namespace, name)))
        }
        Known::FunctionCallOutput { output, .. } => ("output   ", output.joined()),
        Known::CustomToolCall { name, namespace, input, .. } => {
            ("custom   ", format!("{} {input}", named(namespace, name)))
        }
        Known::CustomToolCallOutput { output, .. } => ("output   ", output.joined()),
        Known::ShellCall { action, .. } => ("shell    ", action.commands.join("; ")),
        Known::ShellCallOutput { output, .. } => {
            ("output   ", ozone_tools::shell::told(output, 1_000))
        }
        Known::ApplyPatchCall { operation, .. } => {
            ("patch    ", serde_json::to_string(operation).unwrap())
        }
        Known::ApplyPatchCallOutput { status, output, .. } => {
            ("output   ", format!("{status:?} {output:?}"))
        }
        Known::Compaction { encrypted_content, text, .. } => {
            assert_eq!(*text, None, "no client reads it");
            ("compacted", encrypted_content.clone().unwrap_or_default())
        }
        Known::McpListTools { server_label, tools, error, .. } => {
            let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            ("list     ", format!("{server_label} {names:?} {error:?}"))
        }
        Known::McpApprovalRequest { server_label, name, arguments, .. } => {
            ("approve? ", format!("{server_label}/{name} {arguments}"))
        }
        Known::McpApprovalResponse { approve, .. } => ("approve  ", approve.to_string()),
        Known::FileSearchCall { queries, results, .. } => {
            let found = results.iter().flatten().map(|found| found.filename.as_str());
            ("search   ", format!("{queries:?} -> {}", found.collect::<Vec<_>>().join(" ")))
        }
        Known::WebSearchCall { action, seen, .. } => {
            assert_eq!(*seen, None, "no client reads it");
            ("web      ", serde_json::to_string(action).unwrap())
        }
        Known::ImageGenerationCall { result, facts, drawn, .. } => {
            assert_eq!(*drawn, None, "no client reads it");
            ("picture  ", format!("{:?} {}", facts.revised_prompt, result.is_some()))
        }
        Known::McpCall { server_label, name, arguments, output, error, .. } => {
            let result = output.clone().or(error.as_ref().map(ToString::to_string));
            ("mcp      ", format!("{server_label}/{name} {arguments} -> {result:?}"))
        }
    };
    let status = match item.status() {
        None | Some(ItemStatus::Completed) => String::new(),
        Some(other) => format!(" ({})", serde_json::to_value(other).unwrap().as_str().unwrap()),
    };
    format!("{kind} {text}{status}").trim_end().to_owned()
}

pub fn prints(text: &str) -> Step {
    Step::Prints(text.into())
}

pub fn says(text: &str) -> Script {
    Script::says(text)
}

pub fn runs(code: &str) -> Script {
    Script::runs("I compute it.", code)
}

/// A call as the model writes it.
pub fn call(name: &str, arguments: serde_json::Value) -> String {
    let call = serde_json::json!({"name": name, "arguments": arguments});
    format!("<tool_call>\n{call}\n</tool_call>")
}
