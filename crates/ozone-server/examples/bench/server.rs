//! The server under test: `ozone_server` with the upstream backend over a SQLite file, in a process
//! of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ozone_model::upstream::{Api, UpstreamBackend, UpstreamConfig};
use ozone_server::{Accounts, Keys, Mcp, ModelEntry, Server, ServerLimits};
use ozone_store::SqliteStore;
use ozone_tools::egress::Egress;
use tempfile::TempDir;

use crate::Error;
use crate::mock::Pace;

/// 100 requests a second: 16 tokens, 100 of them a second.
pub const SHORT: Pace = Pace { first_ms: 20, gap_ms: 10, tokens: 16 };
/// No wait at all: what remains is the server.
pub const AT_ONCE: Pace = Pace { first_ms: 0, gap_ms: 0, tokens: 4 };

/// 20 tokens a second for so many seconds.
pub fn stream(seconds: u64) -> Pace {
    Pace { first_ms: 50, gap_ms: 50, tokens: seconds * 20 }
}

pub struct UnderTest {
    pub address: SocketAddr,
    pub pid: u32,
    folder: TempDir,
    child: Child,
}

impl UnderTest {
    pub fn start(upstream: SocketAddr) -> Result<UnderTest, Error> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(folder.path())
            .arg(upstream.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| "the server did not start")?;
        Ok(UnderTest { address, pid: child.id(), folder, child })
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("ozone.db")
    }

    /// The database with its log.
    pub fn database_bytes(&self) -> u64 {
        let size = |path| std::fs::metadata(path).map_or(0, |m: std::fs::Metadata| m.len());
        size(self.database()) + size(self.database().with_extension("db-wal"))
    }
}

impl Drop for UnderTest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `serve FOLDER UPSTREAM`: until its input closes.
pub fn serve(mut args: impl Iterator<Item = String>) -> Result<(), Error> {
    let (folder, upstream) = (args.next().ok_or("a folder?")?, args.next().ok_or("an upstream?")?);
    let folder = Path::new(&folder);
    let entry = |name: String| -> Result<ModelEntry, Error> {
        let url = format!("http://{upstream}/v1");
        let config = UpstreamConfig::new(&url, Api::Chat, &name, 131_072);
        let backend = UpstreamBackend::new(&name, config, |_| None)?;
        Ok(ModelEntry { running_max: 2000, ..ModelEntry::new(name, Arc::new(backend)) })
    };
    let long = (1..=120).map(stream);
    let models = [SHORT, AT_ONCE].into_iter().chain(long).map(|pace| entry(pace.name()));
    let server = Server {
        models: models.collect::<Result<_, _>>()?,
        store: Arc::new(SqliteStore::open(&folder.join("ozone.db"))?),
        tools: Arc::new(|_| vec![]),
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
    std::thread::spawn(|| {
        // With the process that measures this one ends, too.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        Ok(server.serve(listener, std::future::pending()).await?)
    })
}
