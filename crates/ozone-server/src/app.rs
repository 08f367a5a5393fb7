//! What all handlers share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ozone_store::{Change, Document, Library, Owner, Store, StoreError};
use ozone_tools::drawing::ImageUpstream;
use ozone_tools::web::Web;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::{Accounts, Unstored};
use crate::auth::{Keys, Tenant};
use crate::error::ApiError;
use crate::runs::Live;
use crate::schedule::{Lanes, Room};
use crate::seal::{Sealer, SealingKey};
use crate::usage::Recent;
use crate::{Mcp, ModelEntry, Server, ServerLimits, ToolFactory};

pub(crate) struct App {
    /// In the order of the configuration.
    pub models: Vec<Arc<Model>>,
    pub store: Arc<dyn Library>,
    pub tools: ToolFactory,
    pub mcp: Mcp,
    pub web: Option<Arc<Web>>,
    pub image_generation: Option<Arc<ImageUpstream>>,
    pub accounts: Accounts,
    pub keys: Keys,
    pub sealer: Sealer,
    pub reader: ozone_files::Reader,
    pub containers_dir: PathBuf,
    pub limits: ServerLimits,
    pub clock: fn() -> i64,
    pub owner: Owner,
    /// Responses that this process runs.
    pub live: Mutex<HashMap<String, Arc<Live>>>,
    /// One at a time works on a conversation.
    pub conversations: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub tasks: TaskTracker,
    /// Files that are indexed at once.
    pub indexing: tokio::sync::Semaphore,
    /// No new work.
    pub draining: CancellationToken,
    /// Runs are dropped where they stand; their journals go on at the next start.
    pub hard_stop: CancellationToken,
    pub metrics: Metrics,
    pub recent: Recent,
}

/// A model and its places.
pub(crate) struct Model {
    pub entry: ModelEntry,
    pub lanes: Lanes,
}

/// Counted since the start. Labels are few and ours: never a client's text.
#[derive(Default)]
pub(crate) struct Metrics {
    /// By (model, tier, status).
    pub responses: Mutex<HashMap<(String, &'static str, &'static str), u64>>,
    /// By (model, kind).
    pub tokens: Mutex<HashMap<(String, &'static str), u64>>,
    /// By (route, status).
    pub requests: Mutex<HashMap<(String, u16), u64>>,
}

pub(crate) fn count<K: std::hash::Hash + Eq>(counter: &Mutex<HashMap<K, u64>>, key: K, n: u64) {
    *counter.lock().unwrap_or_else(|e| e.into_inner()).entry(key).or_default() += n;
}

/// Files that are read and indexed at once: the processor has other work.
const INDEXING_MAX: usize = 2;
const SEALING_KEY: &str = "sealing_key";

impl App {
    pub async fn new(server: Server) -> Result<Arc<App>, StoreError> {
        let Server {
            models,
            store,
            tools,
            mcp,
            web,
            image_generation,
            accounts,
            keys,
            mut sealing_keys,
            reader,
            containers_dir,
            limits,
            clock,
        } = server;
        if sealing_keys.is_empty() {
            sealing_keys.push(own_sealing_key(&*store).await?);
        }
        let models = models
            .into_iter()
            .map(|entry| {
                let room = Room {
                    running_max: entry.running_max.max(1),
                    waiting_max: limits.waiting_max,
                    flex_waiting_max: limits.flex_waiting_max,
                };
                Arc::new(Model { entry, lanes: Lanes::new(room) })
            })
            .collect();
        Ok(Arc::new(App {
            models,
            store,
            tools,
            mcp,
            web,
            image_generation,
            accounts,
            keys,
            sealer: Sealer::new(sealing_keys),
            reader,
            containers_dir,
            limits,
            clock,
            owner: Owner::this_process(),
            live: Mutex::default(),
            conversations: Mutex::default(),
            tasks: TaskTracker::new(),
            indexing: tokio::sync::Semaphore::new(INDEXING_MAX),
            draining: CancellationToken::new(),
            hard_stop: CancellationToken::new(),
            metrics: Metrics::default(),
            recent: Recent::default(),
        }))
    }

    /// The model of a request, if there is one that this tenant may use.
    pub fn model(&self, tenant: &Tenant, id: &str) -> Result<Arc<Model>, ApiError> {
        let found = self.models.iter().find(|m| m.entry.id == id).filter(|_| tenant.may_use(id));
        found.cloned().ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            let message =
                format!("The model `{id}` does not exist or you do not have access to it.");
            ApiError::NotFound { message, code: Some("model_not_found") }
        })
    }

    pub fn base_store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Where the journal of one response goes.
    pub fn store_of(&self, is_stored: bool) -> Arc<dyn Store> {
        match is_stored {
            true => self.base_store(),
            false => Arc::new(Unstored::new(self.store.clone())),
        }
    }

    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Waits for the only place on a conversation, or whatever else has an id.
    pub async fn lock(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<tokio::sync::OwnedMutexGuard<()>, ApiError> {
        let lock = {
            let mut locks = self.conversations.lock().unwrap_or_else(|e| e.into_inner());
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(format!("{tenant}/{id}")).or_default().clone()
        };
        let waited = tokio::time::timeout(self.limits.conversation_wait, lock.lock_owned()).await;
        waited.map_err(|_| {
            ApiError::Conflict(
                "Another response is running on this conversation. Please try again when it has \
                 ended."
                    .into(),
            )
        })
    }
}

/// A key that is made once and kept beside what it protects.
async fn own_sealing_key(store: &dyn Library) -> Result<SealingKey, StoreError> {
    if let Some(bytes) = store.bytes(SEALING_KEY).await?
        && let Ok(bytes) = <[u8; 32]>::try_from(bytes)
    {
        return Ok(SealingKey::new(bytes));
    }
    let bytes: [u8; 32] = rand::random();
    let put = Change::PutBytes { id: SEALING_KEY.into(), bytes: bytes.to_vec() };
    store.apply(vec![put]).await?;
    Ok(SealingKey::new(bytes))
}

/// A new id: ids that are made later sort later.
pub(crate) fn mint(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::now_v7().simple())
}

pub(crate) fn document(
    kind: &str,
    tenant: &str,
    id: &str,
    parent: &str,
    body: serde_json::Value,
) -> Document {
    Document {
        kind: kind.to_owned(),
        tenant: tenant.to_owned(),
        id: id.to_owned(),
        parent: parent.to_owned(),
        body,
    }
}
