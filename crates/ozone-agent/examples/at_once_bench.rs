//! How long ten independent calls of one sample take against the slowest of them, in the loop with a
//! journal on disk. Prints JSON.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ozone_agent::{Limits, Request, Run};
use ozone_model::{Script, ScriptedBackend};
use ozone_prompt::ToolSpec;
use ozone_store::{Journal, SqliteStore, Store, Stored};
use ozone_tools::{Call, OnText, Shown, Tool, ToolError, ToolOutput};
use ozone_types::{Item, ResponseId, ResponseStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const CALLS: u64 = 10;
const SLOWEST_MS: u64 = 500;

/// Waits as long as it is told.
#[derive(Clone)]
struct Wait(ToolSpec);

#[async_trait]
impl Tool for Wait {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn shown(&self) -> Shown {
        Shown::McpCall { server_label: "bench".into(), name: "wait".into() }
    }

    fn resumed(&mut self, _: usize) {}

    fn beside(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let asked: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let wait = Duration::from_millis(asked["ms"].as_u64().unwrap_or_default());
        tokio::time::sleep(wait).await;
        Ok(ToolOutput { text: "waited".into(), ..ToolOutput::default() })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repeats: usize = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("bench.db"))?);
    let mut took = vec![];
    for _ in 0..repeats {
        took.push(ms(once(&store, CALLS).await?) - ms(once(&store, 0).await?));
    }
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    let figures = json!({
        "calls": CALLS,
        "slowest_ms": SLOWEST_MS,
        "all_ms": median,
        "over_slowest_percent": 100.0 * (median / SLOWEST_MS as f64 - 1.0),
    });
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// One response with so many calls at once, from its start to its end.
async fn once(store: &Arc<dyn Store>, calls: u64) -> Result<Duration, Box<dyn std::error::Error>> {
    let id = ResponseId::mint();
    let request = Request::new("scripted", vec![Item::user("Wait.")], false)?;
    let stored = Stored {
        id: id.clone(),
        created_at: 0,
        status: ResponseStatus::InProgress,
        model: "scripted".into(),
        request: serde_json::to_value(&request)?,
    };
    store.create(stored).await?;
    let asked = (0..calls).map(|n| {
        let call = json!({"name": "wait", "arguments": {"ms": SLOWEST_MS - 20 * n}});
        format!("<tool_call>\n{call}\n</tool_call>")
    });
    let asked: Vec<String> = asked.collect();
    let mut script = vec![Script::says("Done.")];
    if !asked.is_empty() {
        script.insert(0, Script::says(asked.join("\n")));
    }
    let spec = ToolSpec {
        name: "wait".into(),
        description: "Waits.".into(),
        parameters: json!({"type": "object"}),
        grammar: None,
    };
    let run = Run {
        backend: Arc::new(ScriptedBackend::new(script)),
        tools: vec![Box::new(Wait(spec))],
        journal: Journal::open(store.clone(), id).await?,
        request,
        limits: Limits::default(),
        clock: || 1_800_000_000,
        cancel: CancellationToken::new(),
        seal: None,
    };
    let began = Instant::now();
    let response = run.run().await?;
    let took = began.elapsed();
    assert_eq!(response.status, ResponseStatus::Completed);
    Ok(took)
}
