//! The Responses API over HTTP: the same loop and the same journal as `ozone ask`, for many at once.
//!
//! Alone in knowing axum. A request is checked once, at the edge (`request`), and becomes a run
//! (`runs`) that belongs to the server, not to its connection: streams, polls and a later process
//! all read its journal. The crate is given its models, tools, store, keys and clock, so that it runs
//! the same over a script as over a cluster.

mod accounts;
mod app;
mod auth;
mod batches;
mod built_in;
mod chat;
mod check;
mod conversations;
mod counting;
mod documents;
mod error;
mod eyes;
mod fetch;
mod fields;
mod file_search;
mod files;
mod image_generation;
mod image_routes;
mod images;
mod indexing;
mod mcp;
mod memories;
mod models;
mod past;
mod prepare;
mod pro;
mod request;
mod responses;
mod rollouts;
mod runs;
mod schedule;
mod seal;
mod serve;
mod sse;
mod uploads;
mod usage;
mod vector_stores;
mod web_search;
mod websocket;
mod workplace;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ozone_agent::{Prices, ProPolicy, SamplingOptions};
use ozone_cost::{Facts, PriceBook, Tokens};
use ozone_model::ModelBackend;
use ozone_store::Library;
use ozone_tools::Tool;
use ozone_tools::drawing::ImageUpstream;
use ozone_tools::egress::Egress;
use ozone_tools::image::Coords;
use ozone_tools::mcp::McpServer;
use ozone_tools::web::Web;
use ozone_types::Effort;

pub use accounts::Accounts;
pub use auth::{BadKeys, KeyEntry, Keys, LOCAL_TENANT, Secret};
pub use check::{Dialect, check_request};
pub use eyes::Eyes;
pub use fetch::FetchLimits;
pub use mcp::{McpUse, tools as mcp_tools};
pub use past::recaller;
pub use seal::SealingKey;
pub use serve::ServeError;

/// One name that a client may ask for. Several may share a backend.
#[derive(Clone)]
pub struct ModelEntry {
    pub id: String,
    pub backend: Arc<dyn ModelBackend>,
    /// What the model is told when a request brings no instructions of its own.
    pub instructions: Option<String>,
    /// The efforts that it takes; empty takes all.
    pub efforts: Vec<Effort>,
    /// The effort of a request that names none.
    pub effort: Option<Effort>,
    /// How samples vote where a request asks for pro mode.
    pub pro: ProPolicy,
    /// How it writes places in pictures; by itself, pixels of what it was shown.
    pub coords: Option<Coords>,
    /// Nobody knows yet what it sees: whoever brings the first picture looks.
    pub eyes: Option<Arc<Eyes>>,
    /// It was trained for Python and the image tools alone, and is refused others that run here.
    pub narrow: bool,
    /// Streams the reasoning as it is, in place of summaries.
    pub raw_reasoning: bool,
    /// Requests may have the tokens recorded that the model sees and samples, its instructions and
    /// its reasoning included (`x_record`).
    pub rollouts: bool,
    /// Where a request says nothing.
    pub sampling: SamplingOptions,
    /// How many responses run at once.
    pub running_max: usize,
    pub owned_by: String,
    pub prices: Prices,
    /// The name that budgets know it by: another name of a model spends from that model's budget.
    pub budgeted_as: String,
    /// On this machine, whose time is counted.
    pub runs_here: bool,
}

impl ModelEntry {
    /// An entry with the defaults of the API: temperature 1, any effort, no raw reasoning. Its price
    /// is the shipped book's for its name, if that has one.
    pub fn new(id: impl Into<String>, backend: Arc<dyn ModelBackend>) -> Self {
        let id = id.into();
        let like = Box::new(Facts::new("", &id, Tokens::default()));
        ModelEntry {
            prices: Prices::Book { book: PriceBook::built_in(), like },
            budgeted_as: id.clone(),
            runs_here: false,
            id,
            backend,
            instructions: None,
            efforts: vec![],
            effort: None,
            pro: ProPolicy::default(),
            coords: None,
            eyes: None,
            narrow: false,
            raw_reasoning: false,
            rollouts: false,
            sampling: SamplingOptions { temperature: 1.0, ..SamplingOptions::default() },
            running_max: 64,
            owned_by: "ozone".into(),
        }
    }
}

/// Where the tools of one response work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workplace {
    /// `cntr_…`
    pub container_id: String,
    /// Takes and gives the container's files. It exists.
    pub folder: PathBuf,
}

/// MCP servers as tools.
#[derive(Debug, Clone)]
pub struct Mcp {
    /// Those that a request may name by their label alone.
    pub servers: Vec<McpServer>,
    /// By which the URLs of a request are reached: its own servers, its pictures, its files.
    pub egress: Egress,
}

/// Makes the tools of a container, of which a response gets those that it asked for: Python for
/// `code_interpreter`, the shell and the patches for a `shell` and an `apply_patch` whose environment
/// is a container.
pub type ToolFactory = Arc<dyn Fn(Workplace) -> Vec<Box<dyn Tool>> + Send + Sync>;

/// What the server may use up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerLimits {
    /// Of one response.
    pub run: ozone_agent::Limits,
    pub body_bytes_max: usize,
    pub header_bytes_max: usize,
    /// One file of `/files`.
    pub file_bytes_max: usize,
    /// URLs of pictures and files in a request.
    pub fetch: FetchLimits,
    pub connections_max: usize,
    /// Responses that wait for a place, per model.
    pub waiting_max: usize,
    /// Flex and batch work is refused when so many wait already.
    pub flex_waiting_max: usize,
    /// Responses behind one another by `previous_response_id`.
    pub chain_max: usize,
    /// How long a request waits for another one on its conversation.
    pub conversation_wait: Duration,
    /// How long running work may go on after the server was told to stop.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            run: ozone_agent::Limits::default(),
            body_bytes_max: 32 << 20,
            header_bytes_max: 64 << 10,
            file_bytes_max: 64 << 20,
            fetch: FetchLimits::default(),
            connections_max: 4096,
            waiting_max: 512,
            flex_waiting_max: 32,
            chain_max: 1000,
            conversation_wait: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

/// Everything that a server is made of. [`Server::serve`] runs it.
pub struct Server {
    pub models: Vec<ModelEntry>,
    pub store: Arc<dyn Library>,
    pub tools: ToolFactory,
    pub mcp: Mcp,
    /// What `{"type": "web_search"}` searches and opens; without it the tool is not offered.
    pub web: Option<Arc<Web>>,
    /// What makes pictures; without it models draw them as SVG.
    pub image_generation: Option<Arc<ImageUpstream>>,
    pub accounts: Accounts,
    /// None: only loopback is served.
    pub keys: Keys,
    /// The first seals `encrypted_content`, all open it. Empty: one is made and kept in the store.
    pub sealing_keys: Vec<SealingKey>,
    /// Makes text of users' files.
    pub reader: ozone_files::Reader,
    /// Holds a folder for each container.
    pub containers_dir: PathBuf,
    pub limits: ServerLimits,
    /// Seconds since 1970.
    pub clock: fn() -> i64,
}
