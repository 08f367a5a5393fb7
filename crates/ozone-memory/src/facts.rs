//! Facts as documents of a tenant, and whether the tenant wants any.

use std::sync::Arc;

use ozone_store::{Change, Document, Library, Order, Page, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::words;

/// The most facts of a tenant.
pub const FACTS_MAX: usize = 500;
pub const FACT_CHARS_MAX: usize = 500;

const FACT: &str = "memory";
const SETTINGS: &str = "memory_settings";

/// One writer at a time, so that two calls can neither pass the limit nor store one text twice. Its
/// holders wait for the store alone.
static WRITING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("the fact is empty")]
    Empty,
    #[error("the fact has {chars} characters; at most {FACT_CHARS_MAX} are taken")]
    TooLong { chars: usize },
    #[error("{FACTS_MAX} facts are stored, and no more are taken; delete one first")]
    Full,
    #[error("there is no fact `{0}`")]
    NoFact(String),
    #[error("the fact `{id}` says the same")]
    Same { id: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a fact came here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source {
    /// A model saved it, by these words of the user.
    UserMessage {
        quote: String,
        /// Where they were said; `None` where that is not stored.
        response_id: Option<String>,
        conversation_id: Option<String>,
    },
    /// Added or edited by hand.
    Manual,
}

/// What a fact said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    pub text: String,
    pub updated_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// `mem_…`
    pub id: String,
    pub text: String,
    pub source: Source,
    /// Seconds since 1970.
    pub created_at: i64,
    pub updated_at: i64,
    pub replaced: Option<Replaced>,
    /// The call that wrote it: one that is made again after a crash finds its work done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<String>,
}

impl Fact {
    /// As clients see it.
    pub fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "memory",
            "text": self.text,
            "source": self.source,
            "replaced": self.replaced,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }
}

/// All facts as one list object.
pub fn listed(facts: &[Fact]) -> Value {
    let data: Vec<Value> = facts.iter().map(Fact::view).collect();
    json!({ "object": "list", "data": data })
}

/// A fact that is stored now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    pub fact: Fact,
    /// It was known already.
    pub known: bool,
}

/// The memory of one tenant. Clones share it.
#[derive(Clone)]
pub struct Memory {
    store: Arc<dyn Library>,
    tenant: String,
    clock: fn() -> i64,
}

impl Memory {
    pub fn of(store: Arc<dyn Library>, tenant: impl Into<String>, clock: fn() -> i64) -> Self {
        Memory { store, tenant: tenant.into(), clock }
    }

    /// Facts are told to models, and may be saved by them. So it is until somebody switches it off.
    pub async fn is_on(&self) -> Result<bool, StoreError> {
        let settings = self.store.document(SETTINGS, &self.tenant, SETTINGS).await?;
        Ok(settings.is_none_or(|settings| settings.body["enabled"] != false))
    }

    pub async fn switch(&self, on: bool) -> Result<(), StoreError> {
        let put = self.document(SETTINGS, SETTINGS, json!({ "enabled": on }));
        self.store.apply(vec![Change::Put(put)]).await
    }

    /// All of them, oldest first.
    pub async fn facts(&self) -> Result<Vec<Fact>, StoreError> {
        let page = Page { order: Order::Ascending, limit: FACTS_MAX, ..Page::default() };
        self.page(&page).await
    }

    pub async fn page(&self, page: &Page) -> Result<Vec<Fact>, StoreError> {
        self.store.documents(FACT, &self.tenant, page).await?.into_iter().map(fact).collect()
    }

    pub async fn fact(&self, id: &str) -> Result<Fact, MemoryError> {
        let found = self.store.document(FACT, &self.tenant, id).await?;
        match found {
            Some(document) => Ok(fact(document)?),
            None => Err(MemoryError::NoFact(id.chars().take(80).collect())),
        }
    }

    /// Adds a fact by hand. One that is known already stays as it is.
    pub async fn add(&self, text: &str) -> Result<Added, MemoryError> {
        let _writing = WRITING.lock().await;
        let id = format!("mem_{}", uuid::Uuid::now_v7().simple());
        self.put_new(id, clean(text)?, Source::Manual, None).await
    }

    /// What a call of a model saves. The same call, made again, saves nothing twice.
    pub(crate) async fn save(
        &self,
        call: &str,
        text: &str,
        source: Source,
    ) -> Result<Added, MemoryError> {
        let text = clean(text)?;
        let _writing = WRITING.lock().await;
        let id = id_of(&self.tenant, call);
        match self.fact(&id).await {
            // It was written before the process was killed.
            Ok(fact) => Ok(Added { fact, known: false }),
            Err(MemoryError::NoFact(_)) => self.put_new(id, text, source, Some(call)).await,
            Err(e) => Err(e),
        }
    }

    async fn put_new(
        &self,
        id: String,
        text: String,
        source: Source,
        call: Option<&str>,
    ) -> Result<Added, MemoryError> {
        let facts = self.facts().await?;
        if let Some(fact) = facts.iter().find(|fact| words::are_same(&fact.text, &text)) {
            return Ok(Added { fact: fact.clone(), known: true });
        }
        if facts.len() >= FACTS_MAX {
            return Err(MemoryError::Full);
        }
        let now = (self.clock)();
        let call = call.map(str::to_owned);
        let fact =
            Fact { id, text, source, created_at: now, updated_at: now, replaced: None, call };
        self.put(&fact).await?;
        Ok(Added { fact, known: false })
    }

    /// What a call of a model puts in the place of a fact.
    pub(crate) async fn replace(
        &self,
        call: &str,
        id: &str,
        text: &str,
        source: Source,
    ) -> Result<Fact, MemoryError> {
        let text = clean(text)?;
        let _writing = WRITING.lock().await;
        let old = self.fact(id).await?;
        if old.call.as_deref() == Some(call) {
            return Ok(old);
        }
        self.rewrite(old, text, source, Some(call)).await
    }

    /// Another text by hand.
    pub async fn edit(&self, id: &str, text: &str) -> Result<Fact, MemoryError> {
        let text = clean(text)?;
        let _writing = WRITING.lock().await;
        let old = self.fact(id).await?;
        self.rewrite(old, text, Source::Manual, None).await
    }

    async fn rewrite(
        &self,
        old: Fact,
        text: String,
        source: Source,
        call: Option<&str>,
    ) -> Result<Fact, MemoryError> {
        let facts = self.facts().await?;
        let same = |fact: &&Fact| fact.id != old.id && words::are_same(&fact.text, &text);
        if let Some(other) = facts.iter().find(same) {
            return Err(MemoryError::Same { id: other.id.clone() });
        }
        let replaced = Some(Replaced { text: old.text, updated_at: old.updated_at });
        let (updated_at, call) = ((self.clock)(), call.map(str::to_owned));
        let fact = Fact { text, source, updated_at, replaced, call, ..old };
        self.put(&fact).await?;
        Ok(fact)
    }

    pub async fn delete(&self, id: &str) -> Result<Fact, MemoryError> {
        let _writing = WRITING.lock().await;
        let fact = self.fact(id).await?;
        let (kind, tenant) = (FACT.to_owned(), self.tenant.clone());
        self.store.apply(vec![Change::Delete { kind, tenant, id: fact.id.clone() }]).await?;
        Ok(fact)
    }

    /// Deletes all, and tells how many they were.
    pub async fn clear(&self) -> Result<usize, StoreError> {
        let _writing = WRITING.lock().await;
        let count = self.facts().await?.len();
        let (kind, tenant) = (FACT.to_owned(), self.tenant.clone());
        let all = Change::DeleteChildren { kind, tenant, parent: String::new() };
        self.store.apply(vec![all]).await?;
        Ok(count)
    }

    /// A response or a conversation is gone: facts keep the words that were said, and no longer
    /// name where.
    pub async fn unlink(&self, gone: &str) -> Result<(), StoreError> {
        let _writing = WRITING.lock().await;
        let mut changes = vec![];
        for mut fact in self.facts().await? {
            let Source::UserMessage { response_id, conversation_id, .. } = &mut fact.source else {
                continue;
            };
            let is_gone = |id: &mut String| id == gone;
            let unlinked = [response_id.take_if(is_gone), conversation_id.take_if(is_gone)];
            if unlinked.iter().any(Option::is_some) {
                changes.push(Change::Put(self.fact_document(&fact)?));
            }
        }
        if changes.is_empty() { Ok(()) } else { self.store.apply(changes).await }
    }

    async fn put(&self, fact: &Fact) -> Result<(), StoreError> {
        self.store.apply(vec![Change::Put(self.fact_document(fact)?)]).await
    }

    fn fact_document(&self, fact: &Fact) -> Result<Document, StoreError> {
        let body = serde_json::to_value(fact).map_err(|e| StoreError::Internal(Box::new(e)))?;
        Ok(self.document(FACT, &fact.id, body))
    }

    fn document(&self, kind: &str, id: &str, body: Value) -> Document {
        Document {
            kind: kind.to_owned(),
            tenant: self.tenant.clone(),
            id: id.to_owned(),
            parent: String::new(),
            body,
        }
    }
}

fn fact(document: Document) -> Result<Fact, StoreError> {
    serde_json::from_value(document.body).map_err(|e| StoreError::Internal(Box::new(e)))
}

/// The id of what a call saves is a function of the call.
fn id_of(tenant: &str, call: &str) -> String {
    let digest = Sha256::digest(format!("{tenant}/{call}"));
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("mem_{hex}")
}

/// One line, without characters that show nothing or turn the direction of others.
fn clean(text: &str) -> Result<String, MemoryError> {
    let is_hidden = |c: &char| {
        matches!(c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let plain: String = text.nfc().filter(|c| !is_hidden(c)).collect();
    let spaced: String = plain.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0 => Err(MemoryError::Empty),
        chars if chars > FACT_CHARS_MAX => Err(MemoryError::TooLong { chars }),
        _ => Ok(line),
    }
}
