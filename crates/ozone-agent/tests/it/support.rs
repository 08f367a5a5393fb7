//! A response run with a script, shown as small text.

use std::sync::Arc;
use std::time::Duration;

use ozone_agent::{Limits, Request, Run};
use ozone_model::{Script, ScriptedBackend};
use ozone_store::{Append, Durability, Journal, MemoryStore, Store, Stored};
use ozone_tools::{ScriptedTool, Step, Tool};
use ozone_types::item::Known;
use ozone_types::{
    CodeOutput, Event, Fold, Item, ItemStatus, Response, ResponseId, ResponseStatus,
};
use tokio_util::sync::CancellationToken;

/// One scripted response in a store of its own.
pub struct Scene {
    pub store: Arc<MemoryStore>,
    pub id: ResponseId,
    pub backend: Arc<ScriptedBackend>,
    pub request: Request,
    pub limits: Limits,
    pub cancel: CancellationToken,
}

impl Scene {
    pub async fn new(script: impl IntoIterator<Item = Script>) -> Scene {
        let request = Request::new("scripted", vec![Item::user("What is it?")], false).unwrap();
        let scene = Scene {
            store: Arc::default(),
            id: ResponseId::mint(),
            backend: Arc::new(ScriptedBackend::new(script)),
            request,
            limits: Limits { tool_time_max: Duration::from_secs(5), ..Limits::default() },
            cancel: CancellationToken::new(),
        };
        scene.create_in(&*scene.store).await;
        scene
    }

    pub async fn create_in(&self, store: &dyn Store) {
        let stored = Stored {
            id: self.id.clone(),
            created_at: 0,
            status: ResponseStatus::InProgress,
            model: "scripted".into(),
            request: serde_json::to_value(&self.request).unwrap(),
        };
        store.create(stored).await.unwrap();
    }

    /// Runs to the end with this tool script.
    pub async fn run(&self, steps: impl IntoIterator<Item = Step>) -> Response {
        self.run_with(ScriptedTool::new(steps)).await
    }

    pub async fn run_with(&self, tool: impl Tool + 'static) -> Response {
        self.run_in(self.store.clone(), tool).await
    }

    pub async fn run_in(&self, store: Arc<dyn Store>, tool: impl Tool + 'static) -> Response {
        let run = Run {
            backend: self.backend.clone(),
            tools: vec![Box::new(tool)],
            journal: Journal::open(store, self.id.clone()).await.unwrap(),
            request: self.request.clone(),
            limits: self.limits,
            clock: || 1_800_000_000,
            cancel: self.cancel.clone(),
        };
        run.run().await.unwrap()
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.events(&self.id, 0, usize::MAX).await.unwrap()
    }

    /// The same response as a process would find it that was killed after `events` events and the
    /// records that were written with them.
    pub async fn killed_after(&self, appends: &[Append], tool: ScriptedTool) -> Response {
        let store = Arc::new(MemoryStore::default());
        self.create_in(&*store).await;
        for append in appends {
            store.append(&self.id, append.clone(), Durability::Process).await.unwrap();
        }
        let response = self.run_in(store.clone(), tool).await;
        let events = store.events(&self.id, 0, usize::MAX).await.unwrap();
        Fold::of(&events).unwrap();
        response
    }
}

/// One line an item: its kind, its text, and its status when that is not `completed`.
pub fn show(response: &Response) -> String {
    let mut lines: Vec<String> = response.output.iter().map(show_item).collect();
    let status = serde_json::to_value(response.status).unwrap();
    let reason = response.incomplete_details.map(|d| serde_json::to_value(d.reason).unwrap());
    let error = response.error.as_ref().map(|e| e.message.clone());
    let why = reason.and_then(|r| r.as_str().map(str::to_owned)).or(error).unwrap_or_default();
    lines.push(format!("{} {why}", status.as_str().unwrap()).trim().to_owned());
    lines.join("\n")
}

fn show_item(item: &Item) -> String {
    let Item::Known(known) = item else { return "other".into() };
    let (kind, text, status) = match known {
        Known::Message { content, status, .. } => ("message  ", content.joined(), *status),
        Known::Reasoning { content, status, .. } => {
            ("reasoning", content.iter().filter_map(|c| c.text()).collect(), *status)
        }
        Known::CodeInterpreterCall { code, outputs, status, .. } => {
            let logs: Vec<_> = outputs
                .iter()
                .flatten()
                .map(|o| match o {
                    CodeOutput::Logs { logs } => logs.as_str(),
                    CodeOutput::Image { .. } => "[image]",
                })
                .collect();
            ("python   ", format!("{code} -> {}", logs.join(" ")), Some(*status))
        }
        _ => ("other    ", String::new(), None),
    };
    let status = match status {
        None | Some(ItemStatus::Completed) => String::new(),
        Some(other) => format!(" ({})", serde_json::to_value(other).unwrap().as_str().unwrap()),
    };
    format!("{kind} {text}{status}")
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
