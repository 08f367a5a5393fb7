//! What was found out about a model, in the store.
//!
//! Each outcome is one document that is written in one transaction once it is known, so a process
//! that is killed in the middle of a trial leaves what was known before.

use ozone_store::{Change, Document, Library, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::places::Placed;
use crate::ways::Probed;

const WAYS: &str = "sight.ways";
const PLACES: &str = "sight.places";

/// Whom the facts are about: a model behind addresses, asked in one dialect. Whatever else is put
/// into each request belongs to it, because it may change what a server makes of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub base_urls: Vec<String>,
    pub api: String,
    pub model: String,
    pub extra: String,
}

impl Subject {
    fn id(&self) -> String {
        let mut urls: Vec<&str> = self.base_urls.iter().map(|u| u.trim_end_matches('/')).collect();
        urls.sort_unstable();
        let parts = urls.into_iter().chain([&*self.api, &*self.model, &*self.extra]);
        let digest = parts.fold(Sha256::new(), |hash, part| {
            hash.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
        });
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// All that is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    #[serde(rename = "pictures")]
    pub probed: Option<Probed>,
    #[serde(rename = "places")]
    pub placed: Option<Placed>,
}

impl Facts {
    pub async fn read(store: &dyn Library, of: &Subject) -> Result<Facts, StoreError> {
        Ok(Facts { probed: read(store, WAYS, of).await?, placed: read(store, PLACES, of).await? })
    }

    pub async fn keep_probed(
        store: &dyn Library,
        of: &Subject,
        probed: &Probed,
    ) -> Result<(), StoreError> {
        let mut changes = vec![put(WAYS, of, probed)?];
        if probed.sees == ozone_model::Delivery::Text.into() {
            // Who sees nothing has no convention for places.
            changes.push(delete(PLACES, of));
        }
        store.apply(changes).await
    }

    pub async fn keep_placed(
        store: &dyn Library,
        of: &Subject,
        placed: &Placed,
    ) -> Result<(), StoreError> {
        store.apply(vec![put(PLACES, of, placed)?]).await
    }

    pub async fn forget(store: &dyn Library, of: &Subject) -> Result<(), StoreError> {
        store.apply(vec![delete(WAYS, of), delete(PLACES, of)]).await
    }
}

async fn read<T: DeserializeOwned>(
    store: &dyn Library,
    kind: &str,
    of: &Subject,
) -> Result<Option<T>, StoreError> {
    let document = store.document(kind, "", &of.id()).await?;
    // What another version wrote, and this one cannot read, is found out anew.
    Ok(document.and_then(|mut d| serde_json::from_value(d.body["found"].take()).ok()))
}

fn put(kind: &str, of: &Subject, found: &impl Serialize) -> Result<Change, StoreError> {
    let internal = |e: serde_json::Error| StoreError::Internal(Box::new(e));
    let found = serde_json::to_value(found).map_err(internal)?;
    let of_whom = serde_json::to_value(of).map_err(internal)?;
    Ok(Change::Put(Document {
        kind: kind.to_owned(),
        tenant: String::new(),
        id: of.id(),
        parent: String::new(),
        body: Value::from_iter([("of", of_whom), ("found", found)]),
    }))
}

fn delete(kind: &str, of: &Subject) -> Change {
    Change::Delete { kind: kind.to_owned(), tenant: String::new(), id: of.id() }
}
