//! `/vector_stores`: files that can be searched by what they say.
//!
//! A store and each file in it has a card, a document that is the API's object. All changes to a
//! store's cards go through [`Shelf`], one at a time and each in one transaction with the passages,
//! so that its counts are never off. How a file is read and indexed stands in `indexing.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::{get as getting, post};
use axum::{Extension, Json, Router};
use ozone_store::passages::{Chunking, Source, keywords};
use ozone_store::{Change, Order, Page};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::file_search::Looking;
use crate::prepare::{Paging, Who};
use crate::serve::{Body, OptionalBody};

const STORE: &str = "vector_store";
const FILE: &str = "vector_store_file";
const BATCH: &str = "vector_store_batch";
/// A file that waits to be indexed, or is being indexed.
pub(crate) const PENDING: &str = "vector_store_pending";
/// By which a file knows the stores that it is in: its parent is the file.
const ATTACHED: &str = "vector_store_attached";

/// As OpenAI's.
const FILES_MAX: u64 = 10_000;
const ATTACHED_AT_ONCE_MAX: usize = 500;
const DAYS_MAX: u64 = 365;
const NAME_CHARS_MAX: usize = 512;
const DAY_S: i64 = 24 * 60 * 60;
/// A store's last use is noted this exactly.
const ACTIVE_S: i64 = 60;
const CARDS_AT_ONCE: usize = 500;

type Pairs = Query<Vec<(String, String)>>;
type Answer = Result<Json<Value>, ApiError>;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/vector_stores", getting(list).post(create))
        .route("/vector_stores/{id}", getting(get).post(update).delete(delete))
        .route("/vector_stores/{id}/search", post(search))
        .route("/vector_stores/{id}/files", getting(list_files).post(add_file))
        .route(
            "/vector_stores/{id}/files/{file}",
            getting(get_file).post(update_file).delete(delete_file),
        )
        .route("/vector_stores/{id}/files/{file}/content", getting(file_content))
        .route("/vector_stores/{id}/file_batches", post(create_batch))
        .route("/vector_stores/{id}/file_batches/{batch}", getting(get_batch))
        .route("/vector_stores/{id}/file_batches/{batch}/cancel", post(cancel_batch))
        .route("/vector_stores/{id}/file_batches/{batch}/files", getting(batch_files))
}

fn key(store: &str, file: &str) -> String {
    format!("{store}/{file}")
}

fn short(id: &str) -> String {
    id.chars().take(80).collect()
}

fn no_store(id: &str) -> ApiError {
    ApiError::not_found(format!("Vector store with id '{}' not found.", short(id)))
}

fn no_file(store: &str, file: &str) -> ApiError {
    let (file, store) = (short(file), short(store));
    ApiError::not_found(format!("No file '{file}' in vector store '{store}'."))
}

fn no_batch(id: &str) -> ApiError {
    ApiError::not_found(format!("File batch with id '{}' not found.", short(id)))
}

/// A vector store that nobody else changes meanwhile, and what is to be changed of it.
pub(crate) struct Shelf<'a> {
    app: &'a App,
    tenant: &'a str,
    id: String,
    card: Value,
    batches: HashMap<String, Value>,
    pub changes: Vec<Change>,
    _only: OwnedMutexGuard<()>,
}

impl<'a> Shelf<'a> {
    /// Waits for the store. One whose time is over is emptied.
    async fn open(app: &'a App, tenant: &'a str, id: &str) -> Result<Shelf<'a>, ApiError> {
        let only = app.lock(tenant, id).await?;
        let found = app.store.document(STORE, tenant, id).await?;
        let card = found.ok_or_else(|| no_store(id))?.body;
        let (batches, changes) = (HashMap::new(), vec![]);
        let mut shelf =
            Shelf { app, tenant, id: id.to_owned(), card, batches, changes, _only: only };
        if is_over(&shelf.card, app.now()) {
            shelf.clear().await?;
            shelf.card["status"] = json!("expired");
            shelf.card["usage_bytes"] = json!(0);
            shelf.card["file_counts"] = counts();
            shelf.put_card();
            app.store.apply(std::mem::take(&mut shelf.changes)).await?;
        }
        Ok(shelf)
    }

    /// The same, for what an expired store no longer does.
    pub async fn open_living(
        app: &'a App,
        tenant: &'a str,
        id: &str,
    ) -> Result<Shelf<'a>, ApiError> {
        let shelf = Shelf::open(app, tenant, id).await?;
        if shelf.card["status"] == "expired" { Err(expired(id)) } else { Ok(shelf) }
    }

    pub async fn file(&self, file: &str) -> Result<Option<Value>, ApiError> {
        let found = self.app.store.document(FILE, self.tenant, &key(&self.id, file)).await?;
        Ok(found.map(|d| d.body))
    }

    async fn batch(&mut self, id: &str) -> Result<Option<&mut Value>, ApiError> {
        if !self.batches.contains_key(id) {
            let Some(found) = self.app.store.document(BATCH, self.tenant, id).await? else {
                return Ok(None);
            };
            self.batches.insert(id.to_owned(), found.body);
        }
        Ok(self.batches.get_mut(id))
    }

    /// Replaces a file's card, adds one, or takes it away; counts along.
    pub async fn set(
        &mut self,
        file: &str,
        before: Option<&Value>,
        after: Option<Value>,
    ) -> Result<(), ApiError> {
        let status = |body: &Value| body["view"]["status"].as_str().map(str::to_owned);
        let bytes = |body: &Value| body["view"]["usage_bytes"].as_i64().unwrap_or(0);
        let (was, is) = (before.and_then(status), after.as_ref().and_then(status));
        count(&mut self.card["file_counts"], was.as_deref(), is.as_deref());
        let gained = after.as_ref().map_or(0, bytes) - before.map_or(0, bytes);
        let used = self.card["usage_bytes"].as_i64().unwrap_or(0);
        self.card["usage_bytes"] = json!((used + gained).max(0));

        let batch_of = |body: &Value| body["batch"].as_str().map(str::to_owned);
        let (old, new) = (before.and_then(batch_of), after.as_ref().and_then(batch_of));
        if let Some(id) = &old
            && let Some(batch) = self.batch(id).await?
        {
            // A batch remembers what it was asked for: a file that left it undone was cancelled.
            let open = was.as_deref() == Some("in_progress");
            let left = if open { Some("cancelled") } else { was.as_deref() };
            let is = if new == old { is.as_deref() } else { left };
            count(&mut batch["file_counts"], was.as_deref(), is);
        }
        if let Some(id) = new.filter(|new| old.as_ref() != Some(new))
            && let Some(batch) = self.batch(&id).await?
        {
            count(&mut batch["file_counts"], None, is.as_deref());
        }

        let (id, tenant) = (key(&self.id, file), self.tenant.to_owned());
        let gone = |kind: &str, id: &str| Change::Delete {
            kind: kind.to_owned(),
            tenant: tenant.clone(),
            id: id.to_owned(),
        };
        let attached = key(file, &self.id);
        if is.as_deref() == Some("in_progress") {
            let run = after.as_ref().map_or(Value::Null, |body| body["run"].clone());
            let pending = json!({ "run": run, "file": file });
            self.changes.push(Change::Put(document(PENDING, &tenant, &id, &self.id, pending)));
        } else {
            self.changes.push(gone(PENDING, &id));
        }
        match after {
            Some(body) => {
                let store = json!(self.id);
                self.changes.push(Change::Put(document(FILE, &tenant, &id, &self.id, body)));
                self.changes.push(Change::Put(document(ATTACHED, &tenant, &attached, file, store)));
            }
            None => {
                self.changes.extend([gone(FILE, &id), gone(ATTACHED, &attached)]);
                self.forget(file);
            }
        }
        Ok(())
    }

    /// Takes a file's passages out of the index.
    fn forget(&mut self, file: &str) {
        let (shelf, file) = (self.id.clone(), Some(file.to_owned()));
        self.changes.push(Change::DeletePassages { shelf, file });
    }

    /// Takes everything out.
    async fn clear(&mut self) -> Result<(), ApiError> {
        let children = |kind: &str| Change::DeleteChildren {
            kind: kind.to_owned(),
            tenant: self.tenant.to_owned(),
            parent: self.id.clone(),
        };
        let mut changes: Vec<Change> = [FILE, BATCH, PENDING].map(children).into();
        for card in self.app.cards(self.tenant, &self.id).await? {
            let file = card["view"]["id"].as_str().unwrap_or_default();
            changes.push(Change::Delete {
                kind: ATTACHED.to_owned(),
                tenant: self.tenant.to_owned(),
                id: key(file, &self.id),
            });
        }
        changes.push(Change::DeletePassages { shelf: self.id.clone(), file: None });
        self.changes.extend(changes);
        Ok(())
    }

    fn put_card(&mut self) {
        let card = document(STORE, self.tenant, &self.id, "", self.card.clone());
        self.changes.push(Change::Put(card));
    }

    /// The store was used.
    fn touch(&mut self) {
        let now = self.app.now();
        self.card["last_active_at"] = json!(now);
        self.card["expires_at"] = expires_at(&self.card["expires_after"], now);
    }

    /// Makes all changes at once.
    pub async fn commit(mut self) -> Result<Value, ApiError> {
        if self.card["status"] != "expired" {
            let open = self.card["file_counts"]["in_progress"] != 0;
            self.card["status"] = json!(if open { "in_progress" } else { "completed" });
        }
        self.put_card();
        for (id, mut batch) in std::mem::take(&mut self.batches) {
            let counts = &batch["file_counts"];
            let (open, cancelled) = (counts["in_progress"] != 0, counts["cancelled"] != 0);
            let all_failed = counts["total"] != 0 && counts["failed"] == counts["total"];
            batch["status"] = json!(match () {
                () if open => "in_progress",
                () if cancelled => "cancelled",
                () if all_failed => "failed",
                () => "completed",
            });
            let put = Change::Put(document(BATCH, self.tenant, &id, &self.id, batch));
            self.changes.push(put);
        }
        self.app.store.apply(self.changes).await?;
        Ok(self.card)
    }
}

pub(crate) fn expired(id: &str) -> ApiError {
    let message = format!("Vector store '{}' has expired.", short(id));
    ApiError::coded("vector_store_id", "vector_store_expired", message)
}

fn counts() -> Value {
    json!({ "in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0 })
}

/// One file less of the one status, one more of the other.
fn count(counts: &mut Value, was: Option<&str>, is: Option<&str>) {
    let mut add = |name: &str, n: i64| {
        let now = counts[name].as_i64().unwrap_or(0);
        counts[name] = json!((now + n).max(0));
    };
    for (status, n) in [(was, -1), (is, 1)] {
        if let Some(status) = status {
            add(status, n);
            add("total", n);
        }
    }
}

fn is_over(card: &Value, now: i64) -> bool {
    card["status"] != "expired" && card["expires_at"].as_i64().is_some_and(|at| at <= now)
}

fn expires_at(after: &Value, active_at: i64) -> Value {
    after["days"].as_i64().map_or(Value::Null, |days| json!(active_at + days * DAY_S))
}

/// A file on its way into a store.
struct NewFile {
    id: String,
    name: String,
    attributes: Map<String, Value>,
    chunking: Chunking,
}

impl NewFile {
    fn card(&self, store: &str, batch: Option<&str>, now: i64) -> Value {
        let view = json!({
            "id": self.id,
            "object": "vector_store.file",
            "usage_bytes": 0,
            "created_at": now,
            "vector_store_id": store,
            "status": "in_progress",
            "last_error": null,
            "chunking_strategy": {
                "type": "static",
                "static": {
                    "max_chunk_size_tokens": self.chunking.tokens_max(),
                    "chunk_overlap_tokens": self.chunking.overlap_tokens(),
                },
            },
            "attributes": self.attributes,
        });
        json!({ "view": view, "filename": self.name, "batch": batch, "run": mint("run_") })
    }
}

pub(crate) fn chunking_of(view: &Value) -> Chunking {
    let tokens = |name: &str| view["chunking_strategy"]["static"][name].as_u64();
    let (max, overlap) = (tokens("max_chunk_size_tokens"), tokens("chunk_overlap_tokens"));
    max.zip(overlap)
        .and_then(|(max, overlap)| Chunking::new(max as usize, overlap as usize))
        .unwrap_or_default()
}

fn chunking(fields: &Fields<'_>) -> Result<Option<Chunking>, ApiError> {
    let Some(strategy) = fields.object("chunking_strategy")? else { return Ok(None) };
    match strategy.required("type")? {
        "auto" => Ok(Some(Chunking::default())),
        "static" => {
            let fixed = strategy.object("static")?;
            let fixed = fixed.ok_or_else(|| ApiError::missing("chunking_strategy.static"))?;
            let max = fixed.integer("max_chunk_size_tokens", 100, 4096)?;
            let max =
                max.ok_or_else(|| ApiError::missing(&fixed.param("max_chunk_size_tokens")))?;
            let overlap = fixed.integer("chunk_overlap_tokens", 0, max / 2)?;
            let overlap =
                overlap.ok_or_else(|| ApiError::missing(&fixed.param("chunk_overlap_tokens")))?;
            Ok(Chunking::new(max as usize, overlap as usize))
        }
        other => Err(strategy.bad_word("type", other, "'auto', 'static'")),
    }
}

/// At most 16 pairs; values are short strings, numbers and booleans.
fn attributes(fields: &Fields<'_>) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(given) = fields.get("attributes") else { return Ok(None) };
    let param = fields.param("attributes");
    let wrong = |message: String| ApiError::coded(&param, "invalid_value", message);
    let Value::Object(map) = given else {
        let message = format!("Invalid type for '{param}': expected an object.");
        return Err(ApiError::coded(&param, "invalid_type", message));
    };
    if map.len() > 16 {
        return Err(wrong(format!("Invalid '{param}': at most 16 pairs are taken.")));
    }
    for (key, value) in map {
        let fits = match value {
            Value::String(text) => text.chars().count() <= 512,
            Value::Number(_) | Value::Bool(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits || key.chars().count() > 64 {
            return Err(wrong(format!(
                "Invalid '{param}': keys have at most 64 characters, and values are strings of at \
                 most 512, numbers or booleans."
            )));
        }
    }
    Ok(Some(map.clone()))
}

/// `null` where there is none.
fn expiry(fields: &Fields<'_>) -> Result<Value, ApiError> {
    let Some(after) = fields.object("expires_after")? else { return Ok(Value::Null) };
    let anchor = after.required("anchor")?;
    if anchor != "last_active_at" {
        return Err(after.bad_word("anchor", anchor, "'last_active_at'"));
    }
    let days = after.integer("days", 1, DAYS_MAX)?;
    let days = days.ok_or_else(|| ApiError::missing("expires_after.days"))?;
    Ok(json!({ "anchor": anchor, "days": days }))
}

fn text(fields: &Fields<'_>, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = fields.string(name)? else { return Ok(None) };
    if text.chars().count() > NAME_CHARS_MAX {
        let message = format!("Invalid '{name}': at most {NAME_CHARS_MAX} characters are taken.");
        return Err(ApiError::coded(name, "invalid_value", message));
    }
    Ok(Some(text.to_owned()))
}

impl App {
    /// A store's card as it is now.
    async fn vector_store(&self, tenant: &str, id: &str) -> Result<Value, ApiError> {
        let found = self.store.document(STORE, tenant, id).await?;
        let card = found.ok_or_else(|| no_store(id))?.body;
        match is_over(&card, self.now()) {
            true => Ok(Shelf::open(self, tenant, id).await?.card),
            false => Ok(card),
        }
    }

    /// A store that can be searched. Its use is noted.
    pub async fn use_vector_store(&self, tenant: &str, id: &str) -> Result<(), ApiError> {
        let card = self.vector_store(tenant, id).await?;
        if card["status"] == "expired" {
            return Err(expired(id));
        }
        let noted = card["last_active_at"].as_i64().unwrap_or(0);
        if self.now() - noted >= ACTIVE_S {
            let mut shelf = Shelf::open_living(self, tenant, id).await?;
            shelf.touch();
            shelf.commit().await?;
        }
        Ok(())
    }

    /// Whether a request may name this store.
    pub async fn check_vector_store(&self, tenant: &Tenant, id: &str) -> Result<(), ApiError> {
        let card = self.vector_store(&tenant.name, id).await?;
        if card["status"] == "expired" { Err(expired(id)) } else { Ok(()) }
    }

    /// The card of a file in a store, with its name.
    pub async fn vector_store_file(
        &self,
        tenant: &str,
        store: &str,
        file: &str,
    ) -> Result<Option<Value>, ApiError> {
        Ok(self.store.document(FILE, tenant, &key(store, file)).await?.map(|d| d.body))
    }

    /// All cards of a store's files, oldest first.
    pub async fn cards(&self, tenant: &str, store: &str) -> Result<Vec<Value>, ApiError> {
        let page = Page {
            parent: Some(store.to_owned()),
            after: None,
            order: Order::Ascending,
            limit: FILES_MAX as usize,
        };
        let found = self.store.documents(FILE, tenant, &page).await?;
        Ok(found.into_iter().map(|d| d.body).collect())
    }

    /// A file that shall go into a store; what it does not say, `defaults` do.
    async fn new_file(
        &self,
        tenant: &Tenant,
        fields: &Fields<'_>,
        defaults: &(Map<String, Value>, Chunking),
    ) -> Result<NewFile, ApiError> {
        let id = fields.required("file_id")?.to_owned();
        let (attributes, chunking) = (attributes(fields)?, chunking(fields)?);
        let param = fields.param("file_id");
        let missing = |_| {
            let message = format!("File '{}' not found.", short(&id));
            ApiError::coded(&param, "file_not_found", message)
        };
        let file = self.file(tenant, &id).await.map_err(missing)?;
        let name = file["filename"].as_str().unwrap_or("file").to_owned();
        let (attributes, chunking) =
            (attributes.unwrap_or(defaults.0.clone()), chunking.unwrap_or(defaults.1));
        Ok(NewFile { id, name, attributes, chunking })
    }

    /// The files of `file_ids` or, one by one, of `files`.
    async fn new_files(
        &self,
        tenant: &Tenant,
        fields: &Fields<'_>,
    ) -> Result<Vec<NewFile>, ApiError> {
        let defaults =
            (attributes(fields)?.unwrap_or_default(), chunking(fields)?.unwrap_or_default());
        let (ids, files) = (fields.list("file_ids")?, fields.list("files")?);
        if ids.is_some() && files.is_some() {
            let message = "'file_ids' and 'files' cannot both be given.";
            return Err(ApiError::coded("files", "mutually_exclusive_parameters", message));
        }
        let name = if files.is_some() { "files" } else { "file_ids" };
        let given: Vec<Value> = match (ids, files) {
            (Some(ids), _) => ids.iter().map(|id| json!({ "file_id": id })).collect(),
            (None, Some(files)) => files.clone(),
            (None, None) => vec![],
        };
        if given.len() > ATTACHED_AT_ONCE_MAX {
            let message = format!(
                "Invalid '{name}': at most {ATTACHED_AT_ONCE_MAX} files are taken at once."
            );
            return Err(ApiError::coded(name, "invalid_value", message));
        }
        let mut new: Vec<NewFile> = vec![];
        for (index, file) in given.iter().enumerate() {
            let place = format!("{name}[{index}]");
            let file = self.new_file(tenant, &Fields::of(file, &place)?, &defaults).await?;
            // The last word on a file that is named twice is the last one.
            new.retain(|other| other.id != file.id);
            new.push(file);
        }
        Ok(new)
    }

    /// Puts files into an open store, and starts to index them.
    async fn attach(
        self: &Arc<Self>,
        mut shelf: Shelf<'_>,
        files: &[NewFile],
        batch: Option<&str>,
    ) -> Result<(), ApiError> {
        let (tenant, store) = (shelf.tenant.to_owned(), shelf.id.clone());
        let mut runs = vec![];
        for file in files {
            let before = shelf.file(&file.id).await?;
            let card = file.card(&store, batch, self.now());
            runs.push((file.id.clone(), card["run"].clone()));
            shelf.set(&file.id, before.as_ref(), Some(card)).await?;
            shelf.forget(&file.id);
        }
        if shelf.card["file_counts"]["total"].as_u64() > Some(FILES_MAX) {
            let message = format!("A vector store holds at most {FILES_MAX} files.");
            return Err(ApiError::coded("file_ids", "invalid_value", message));
        }
        shelf.touch();
        shelf.commit().await?;
        for (file, run) in runs {
            self.tasks.spawn(self.clone().index(tenant.clone(), store.clone(), file, run));
        }
        Ok(())
    }

    /// A file is deleted: no store has it any more.
    pub async fn detach_everywhere(&self, tenant: &str, file: &str) -> Result<(), ApiError> {
        let page = Page {
            parent: Some(file.to_owned()),
            after: None,
            order: Order::Ascending,
            limit: usize::MAX >> 1,
        };
        for attached in self.store.documents(ATTACHED, tenant, &page).await? {
            let Some(store) = attached.body.as_str() else { continue };
            match self.detach(tenant, store, file).await {
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    async fn detach(&self, tenant: &str, store: &str, file: &str) -> Result<(), ApiError> {
        let mut shelf = Shelf::open(self, tenant, store).await?;
        let before = shelf.file(file).await?.ok_or_else(|| no_file(store, file))?;
        shelf.set(file, Some(&before), None).await?;
        shelf.commit().await?;
        Ok(())
    }

    /// A page of a store's files: those that are kept, as they are shown.
    async fn file_page(
        &self,
        tenant: &str,
        store: &str,
        query: &[(String, String)],
        keep: impl Fn(&Value) -> bool,
    ) -> Answer {
        let get = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let paging = Paging::parse(query, 100)?;
        let status = get("filter");
        const STATUSES: &[&str] = &["in_progress", "completed", "failed", "cancelled"];
        if let Some(other) = status.filter(|status| !STATUSES.contains(status)) {
            let message = format!(
                "Invalid value: '{}'. Supported values are: '{}'.",
                short(other),
                STATUSES.join("', '")
            );
            return Err(ApiError::coded("filter", "invalid_value", message));
        }
        // What stands before an entry is what follows it the other way round.
        let back = get("before").filter(|_| paging.page.after.is_none());
        let order = match (paging.page.order, back) {
            (order, None) => order,
            (Order::Ascending, Some(_)) => Order::Descending,
            (Order::Descending, Some(_)) => Order::Ascending,
        };
        let from = back.or(paging.page.after.as_deref());
        let mut page = Page {
            parent: Some(store.to_owned()),
            after: from.map(|file| key(store, file)),
            order,
            limit: CARDS_AT_ONCE,
        };
        let mut views = vec![];
        while views.len() < paging.page.limit {
            let found = self.store.documents(FILE, tenant, &page).await?;
            let is_last = found.len() < page.limit;
            page.after = found.last().map(|d| d.id.clone());
            let wanted = found.into_iter().map(|d| d.body).filter(|card| {
                keep(card) && status.is_none_or(|status| card["view"]["status"] == status)
            });
            views.extend(wanted.map(|mut card| card["view"].take()));
            if is_last {
                break;
            }
        }
        views.truncate(paging.page.limit);
        let mut list = paging.list(views);
        if back.is_some()
            && let Some(data) = list["data"].as_array_mut()
        {
            data.reverse();
            let (first, last) = (list["first_id"].take(), list["last_id"].take());
            (list["first_id"], list["last_id"]) = (last, first);
        }
        Ok(Json(list))
    }
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    OptionalBody(body): OptionalBody,
) -> Answer {
    let fields = Fields::of(&body, "")?;
    let (id, now) = (mint("vs_"), app.now());
    let after = expiry(&fields)?;
    let card = json!({
        "id": id,
        "object": "vector_store",
        "created_at": now,
        "name": text(&fields, "name")?.unwrap_or_default(),
        "description": text(&fields, "description")?,
        "usage_bytes": 0,
        "file_counts": counts(),
        "status": "completed",
        "expires_after": after,
        "expires_at": expires_at(&after, now),
        "last_active_at": now,
        "metadata": fields.metadata()?.unwrap_or_default(),
    });
    let files = app.new_files(&tenant, &fields).await?;
    let put = Change::Put(document(STORE, &tenant.name, &id, "", card));
    app.store.apply(vec![put]).await?;
    if !files.is_empty() {
        let shelf = Shelf::open(&app, &tenant.name, &id).await?;
        app.attach(shelf, &files, None).await?;
    }
    Ok(Json(app.vector_store(&tenant.name, &id).await?))
}

async fn list(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
) -> Answer {
    let paging = Paging::parse(&query, 100)?;
    let found = app.store.documents(STORE, &tenant.name, &paging.page).await?;
    let now = app.now();
    let shown = found.into_iter().map(|d| {
        let mut card = d.body;
        if is_over(&card, now) {
            card["status"] = json!("expired");
        }
        card
    });
    Ok(Json(paging.list(shown.collect())))
}

async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(app.vector_store(&tenant.name, &id).await?))
}

async fn update(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer {
    let fields = Fields::of(&body, "")?;
    let (name, description) = (text(&fields, "name")?, text(&fields, "description")?);
    let metadata = fields.metadata()?;
    let after = body.get("expires_after").map(|_| expiry(&fields)).transpose()?;
    let mut shelf = Shelf::open(&app, &tenant.name, &id).await?;
    if let Some(name) = name {
        shelf.card["name"] = json!(name);
    }
    if let Some(description) = description {
        shelf.card["description"] = json!(description);
    }
    if let Some(metadata) = metadata {
        shelf.card["metadata"] = metadata.into();
    }
    if let Some(after) = after {
        shelf.card["expires_after"] = after;
        shelf.touch();
    }
    Ok(Json(shelf.commit().await?))
}

async fn delete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Answer {
    let mut shelf = Shelf::open(&app, &tenant.name, &id).await?;
    shelf.clear().await?;
    shelf.changes.push(Change::Delete {
        kind: STORE.to_owned(),
        tenant: tenant.name.clone(),
        id: id.clone(),
    });
    app.store.apply(shelf.changes).await?;
    Ok(Json(json!({ "id": id, "object": "vector_store.deleted", "deleted": true })))
}

async fn search(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer {
    let fields = Fields::of(&body, "")?;
    let mut queries: Vec<String> = match fields.get("query") {
        None => return Err(ApiError::missing("query")),
        Some(Value::String(query)) => vec![query.clone()],
        Some(Value::Array(all)) => {
            let texts: Option<Vec<String>> =
                all.iter().map(|query| query.as_str().map(str::to_owned)).collect();
            let message = "Invalid type for 'query': expected a string or an array of strings.";
            texts.ok_or_else(|| ApiError::coded("query", "invalid_type", message))?
        }
        Some(_) => {
            let message = "Invalid type for 'query': expected a string or an array of strings.";
            return Err(ApiError::coded("query", "invalid_type", message));
        }
    };
    if queries.is_empty() || queries.iter().any(|query| query.trim().is_empty()) {
        return Err(ApiError::coded("query", "invalid_value", "Invalid 'query': it is empty."));
    }
    let looking = Looking::parse(&fields, vec![id], 10)?;
    if fields.bool("rewrite_query")?.unwrap_or(false) {
        queries.iter_mut().for_each(|query| *query = keywords(query));
    }
    let found = app.look(&tenant.name, &looking, &queries).await?;
    let data: Vec<Value> = found
        .into_iter()
        .map(|passage| {
            json!({
                "file_id": passage.file_id,
                "filename": passage.filename,
                "score": passage.score,
                "attributes": passage.attributes,
                "page": passage.page,
                "content": [{ "type": "text", "text": passage.text }],
            })
        })
        .collect();
    Ok(Json(json!({
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": data,
        "has_more": false,
        "next_page": null,
    })))
}

async fn add_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer {
    let shelf = Shelf::open_living(&app, &tenant.name, &id).await?;
    let defaults = (Map::new(), Chunking::default());
    let file = app.new_file(&tenant, &Fields::of(&body, "")?, &defaults).await?;
    app.attach(shelf, std::slice::from_ref(&file), None).await?;
    app.shown_file(&tenant, &id, &file.id).await
}

impl App {
    async fn shown_file(&self, tenant: &Tenant, store: &str, file: &str) -> Answer {
        self.vector_store(&tenant.name, store).await?;
        let card = self.vector_store_file(&tenant.name, store, file).await?;
        let mut card = card.ok_or_else(|| no_file(store, file))?;
        Ok(Json(card["view"].take()))
    }

    async fn shown_batch(&self, tenant: &Tenant, store: &str, id: &str) -> Answer {
        self.vector_store(&tenant.name, store).await?;
        let found = self.store.document(BATCH, &tenant.name, id).await?;
        let batch = found.filter(|d| d.parent == store).ok_or_else(|| no_batch(id))?;
        Ok(Json(batch.body))
    }
}

async fn list_files(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Query(query): Pairs,
) -> Answer {
    app.vector_store(&tenant.name, &id).await?;
    app.file_page(&tenant.name, &id, &query, |_| true).await
}

async fn get_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, file)): Path<(String, String)>,
) -> Answer {
    app.shown_file(&tenant, &id, &file).await
}

async fn update_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, file)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    let fields = Fields::of(&body, "")?;
    let new = attributes(&fields)?.unwrap_or_default();
    if body.get("attributes").is_none() {
        return Err(ApiError::missing("attributes"));
    }
    let mut shelf = Shelf::open(&app, &tenant.name, &id).await?;
    let before = shelf.file(&file).await?.ok_or_else(|| no_file(&id, &file))?;
    let mut after = before.clone();
    after["view"]["attributes"] = new.into();
    let view = after["view"].clone();
    shelf.set(&file, Some(&before), Some(after)).await?;
    shelf.commit().await?;
    Ok(Json(view))
}

async fn delete_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, file)): Path<(String, String)>,
) -> Answer {
    app.detach(&tenant.name, &id, &file).await?;
    Ok(Json(json!({ "id": file, "object": "vector_store.file.deleted", "deleted": true })))
}

/// What could be read of the file, as it is searched.
async fn file_content(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, file)): Path<(String, String)>,
) -> Answer {
    app.shown_file(&tenant, &id, &file).await.map(drop)?;
    let source = Source { shelf: id, file };
    let pieces = app.store.passages(&source, 0, usize::MAX >> 1).await?;
    let text: String = pieces.iter().filter_map(|p| p.text.get(p.overlap..)).collect();
    let data = if text.is_empty() { vec![] } else { vec![json!({ "type": "text", "text": text })] };
    Ok(Json(json!({
        "object": "vector_store.file_content.page",
        "data": data,
        "has_more": false,
        "next_page": null,
    })))
}

async fn create_batch(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(store): Path<String>,
    Body(body): Body,
) -> Answer {
    let fields = Fields::of(&body, "")?;
    let files = app.new_files(&tenant, &fields).await?;
    if files.is_empty() {
        return Err(ApiError::missing("file_ids"));
    }
    let mut shelf = Shelf::open_living(&app, &tenant.name, &store).await?;
    let id = mint("vsfb_");
    let batch = json!({
        "id": id,
        "object": "vector_store.files_batch",
        "created_at": app.now(),
        "vector_store_id": store,
        "status": "in_progress",
        "file_counts": counts(),
    });
    shelf.batches.insert(id.clone(), batch);
    app.attach(shelf, &files, Some(&id)).await?;
    app.shown_batch(&tenant, &store, &id).await
}

async fn get_batch(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((store, id)): Path<(String, String)>,
) -> Answer {
    app.shown_batch(&tenant, &store, &id).await
}

/// Files that are indexed stay, the others are not.
async fn cancel_batch(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((store, id)): Path<(String, String)>,
) -> Answer {
    app.shown_batch(&tenant, &store, &id).await.map(drop)?;
    let mut shelf = Shelf::open(&app, &tenant.name, &store).await?;
    for card in app.cards(&tenant.name, &store).await? {
        if card["batch"] != id.as_str() || card["view"]["status"] != "in_progress" {
            continue;
        }
        let file = card["view"]["id"].as_str().unwrap_or_default().to_owned();
        let mut after = card.clone();
        after["view"]["status"] = json!("cancelled");
        after["view"]["usage_bytes"] = json!(0);
        shelf.set(&file, Some(&card), Some(after)).await?;
        shelf.forget(&file);
    }
    shelf.commit().await?;
    app.shown_batch(&tenant, &store, &id).await
}

async fn batch_files(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((store, id)): Path<(String, String)>,
    Query(query): Pairs,
) -> Answer {
    app.shown_batch(&tenant, &store, &id).await.map(drop)?;
    app.file_page(&tenant.name, &store, &query, |card| card["batch"] == id.as_str()).await
}
