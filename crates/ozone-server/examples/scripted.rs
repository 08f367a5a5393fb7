//! A server over a script, for trials with real clients:
//! `cargo run --release -p ozone-server --example scripted -- 8033 script.json`.
//!
//! The script is a JSON object of model names to lists of samples, as `ScriptedBackend` reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ozone_model::{Script, ScriptedBackend};
use ozone_server::{Accounts, Keys, Mcp, ModelEntry, Server, ServerLimits};
use ozone_store::MemoryStore;
use ozone_tools::egress::Egress;
use ozone_tools::{ScriptedTool, Step};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (port, path) = (args.next().ok_or("a port?")?, args.next().ok_or("a script?")?);
    let scripts: BTreeMap<String, Vec<Script>> =
        serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let models = scripts.into_iter().map(|(id, script)| {
        let backend = ScriptedBackend::new(script).named(&id, "a script");
        ModelEntry::new(id, Arc::new(backend))
    });
    let server = Server {
        models: models.collect(),
        store: Arc::new(MemoryStore::default()),
        tools: Arc::new(|_| vec![Box::new(ScriptedTool::new([Step::Prints("42".into())])) as _]),
        mcp: Mcp { servers: vec![], egress: Egress::new([])? },
        accounts: Accounts::default(),
        keys: Keys::default(),
        sealing_keys: vec![],
        containers_dir: std::env::temp_dir().join("ozone-scripted"),
        limits: ServerLimits::default(),
        clock: || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
        println!("listening on {}", listener.local_addr()?);
        let stop = async { drop(tokio::signal::ctrl_c().await) };
        Ok(server.serve(listener, stop).await?)
    })
}
