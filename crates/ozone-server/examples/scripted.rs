//! A server over a script, for trials with real clients:
//! `cargo run --release -p ozone-server --example scripted -- 8033 script.json`.
//!
//! The script is a JSON object of model names to lists of samples, as `ScriptedBackend` reads them.
//! After each message of the user a model begins with its first sample and goes on with the next
//! one after each of its turns; the last one is repeated. So it makes no difference whether a
//! client keeps its conversation or the server does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use ozone_model::{
    ModelBackend, ModelError, ModelInfo, SampleRequest, SampleStream, Script, ScriptedBackend, Turn,
};
use ozone_prompt::Message;
use ozone_server::{Accounts, Keys, Mcp, ModelEntry, Server, ServerLimits};
use ozone_store::MemoryStore;
use ozone_tools::egress::Egress;
use ozone_tools::{ScriptedTool, Shown, Step};
use ozone_types::Effort;
use tokio::signal::unix::{SignalKind, signal};

/// A model that says its script again after each message of the user.
struct Dialogue {
    info: ModelInfo,
    /// One backend for each sample, which has nothing else to say.
    samples: Vec<ScriptedBackend>,
}

/// How often one response may ask for the same sample.
const REPEATS_MAX: usize = 64;

impl Dialogue {
    fn new(id: &str, script: Vec<Script>) -> Self {
        let only = |sample| {
            ScriptedBackend::new(std::iter::repeat_n(sample, REPEATS_MAX)).named(id, "a script")
        };
        let samples: Vec<ScriptedBackend> = script.into_iter().map(only).collect();
        let mut info = ScriptedBackend::new([]).named(id, "a script").info().clone();
        info.reads_images = true;
        Dialogue { info, samples }
    }
}

#[async_trait]
impl ModelBackend for Dialogue {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        let is_user =
            |turn: &Turn| matches!(turn, Turn::Given(Message::User { .. }) | Turn::Shown { .. });
        let is_own = |turn: &&Turn| {
            matches!(turn, Turn::Given(Message::Assistant { .. }) | Turn::Sampled { .. })
        };
        let asked = request.turns.iter().rposition(is_user).map_or(0, |at| at + 1);
        let said = request.turns[asked..].iter().filter(is_own).count();
        let sample = self.samples.get(said).or(self.samples.last());
        sample.ok_or(ModelError::Unavailable("the script is empty".into()))?.sample(request).await
    }

    fn release(&self, key: &str) {
        self.samples.iter().for_each(|sample| sample.release(key));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (port, path) = (args.next().ok_or("a port?")?, args.next().ok_or("a script?")?);
    let scripts: BTreeMap<String, Vec<Script>> =
        serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let models = scripts.into_iter().map(|(id, script)| {
        let backend = Arc::new(Dialogue::new(&id, script));
        let mut entry = ModelEntry::new(id, backend);
        entry.effort = Some(Effort::Medium);
        entry
    });
    let server = Server {
        models: models.collect(),
        store: Arc::new(MemoryStore::default()),
        tools: Arc::new(|workplace| {
            let container_id = workplace.container_id;
            let shown = Shown::CodeInterpreter { container_id, code_argument: "code" };
            let tool = ScriptedTool::new([Step::Prints("42".into())]).shown_as("python", shown);
            vec![Box::new(tool) as _]
        }),
        mcp: Mcp { servers: vec![], egress: Egress::new([])? },
        web: None,
        image_generation: None,
        accounts: Accounts::default(),
        keys: Keys::default(),
        sealing_keys: vec![],
        reader: ozone_files::Reader::new(None, ozone_files::Limits::default()),
        containers_dir: std::env::temp_dir().join(format!("ozone-scripted-{}", std::process::id())),
        limits: ServerLimits::default(),
        clock: || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64),
    };
    let containers = server.containers_dir.clone();
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
        let mut ctrl_c = signal(SignalKind::interrupt())?;
        println!("listening on {}", listener.local_addr()?);
        let stop = async move {
            ctrl_c.recv().await;
        };
        Ok(server.serve(listener, stop).await?)
    });
    let _ = std::fs::remove_dir_all(containers);
    served
}
