//! The server of the kill tests: `kill_child FOLDER` keeps everything in that folder and prints its
//! address. Its tool leaves a line for each call, and one for each key that it had not seen before.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::StreamExt;
use ozone_model::{
    ModelBackend, ModelError, ModelInfo, SampleEvent, SampleRequest, SampleStream, Script,
    ScriptedBackend,
};
use ozone_prompt::ToolSpec;
use ozone_server::{Accounts, Keys, Mcp, ModelEntry, Server, ServerLimits};
use ozone_store::SqliteStore;
use ozone_tools::egress::Egress;
use ozone_tools::{Call, OnText, Shown, Tool, ToolError, ToolOutput};

/// A model as an upstream is one: nobody knows its ids.
struct WithoutIds(ScriptedBackend);

#[async_trait]
impl ModelBackend for WithoutIds {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        let stream = self.0.sample(request).await?;
        let without = stream.map(|event| {
            let mut event = event?;
            match &mut event {
                SampleEvent::Chunk { ids, .. } => ids.clear(),
                SampleEvent::Finished(sample) => sample.ids.clear(),
                SampleEvent::Started { .. } => {}
            }
            Ok(event)
        });
        Ok(without.boxed())
    }

    fn release(&self, key: &str) {
        self.0.release(key);
    }
}

/// Has its effect once for one key, as the contract of `Tool` wants it.
struct Note {
    spec: ToolSpec,
    container_id: String,
    folder: PathBuf,
}

fn add_line(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[async_trait]
impl Tool for Note {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::CodeInterpreter { container_id: self.container_id.clone(), code_argument: "code" }
    }

    fn resumed(&mut self, _: usize) {}

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let internal = |e: std::io::Error| ToolError::Internal(Box::new(e));
        add_line(&self.folder.join("calls.log"), &call.key).map_err(internal)?;
        // Room to be killed on either side of the effect.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let effects = self.folder.join("effects.log");
        let known = std::fs::read_to_string(&effects).unwrap_or_default();
        if !known.lines().any(|line| line == call.key) {
            add_line(&effects, &call.key).map_err(internal)?;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(ToolOutput { text: "noted".into(), ..ToolOutput::default() })
    }
}

/// Two thoughts with a call each, then an answer.
fn script() -> Vec<Script> {
    let answer = "<think>\nBoth are noted.\n</think>\n\nIt is noted, twice.";
    vec![Script::runs("First.", "one"), Script::runs("Then.", "two"), Script::says(answer)]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("a folder?")?);
    let pace = Duration::from_micros(500);
    let paced = || ScriptedBackend::new(script()).with_pace(pace);
    let models = vec![
        ModelEntry::new("steady", Arc::new(paced())),
        ModelEntry {
            raw_reasoning: true,
            ..ModelEntry::new("without-ids", Arc::new(WithoutIds(paced())))
        },
        ModelEntry::new("brief", Arc::new(ScriptedBackend::new([Script::says("Yes.")]))),
    ];
    let notes = folder.clone();
    let parameters = serde_json::json!({
        "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"],
    });
    let spec =
        ToolSpec { name: "python".into(), description: "Notes.".into(), parameters, grammar: None };
    let server = Server {
        models,
        store: Arc::new(SqliteStore::open(&folder.join("ozone.db"))?),
        tools: Arc::new(move |workplace| {
            let (spec, folder) = (spec.clone(), notes.clone());
            vec![Box::new(Note { spec, container_id: workplace.container_id, folder }) as _]
        }),
        mcp: Mcp { servers: vec![], egress: Egress::new([])? },
        web: None,
        image_generation: None,
        accounts: Accounts::default(),
        keys: Keys::default(),
        sealing_keys: vec![],
        reader: ozone_files::Reader::new(None, ozone_files::Limits::default()),
        containers_dir: folder.join("containers"),
        limits: ServerLimits::default(),
        clock: || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64),
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        Ok(server.serve(listener, std::future::pending()).await?)
    })
}
