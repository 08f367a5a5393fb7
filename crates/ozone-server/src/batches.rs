//! `/batches`: a file of requests, worked off below every other tier, and a file of answers.
//!
//! Each line is noted before it starts and kept when it is done, so that a restart goes on where the
//! last process stood and makes no line twice.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use futures::StreamExt;
use ozone_store::{Change, Order, Page};
use ozone_types::{ResponseId, ResponseStatus};
use serde_json::{Value, json};

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::{Paging, Who};
use crate::request::Create;
use crate::responses::snapshot;
use crate::schedule::Tier;
use crate::serve::Body;

const BATCH: &str = "batch";
const LINE: &str = "batch_line";
const LINES_MAX: usize = 50_000;
/// Lines of one batch that are worked on at once; the scheduler decides when each one runs.
const AT_ONCE: usize = 8;
const WINDOW_S: i64 = 24 * 60 * 60;
const ENDPOINT: &str = "/v1/responses";

type Pairs = Query<Vec<(String, String)>>;

/// One line of the input.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    index: usize,
    custom_id: String,
    body: Value,
}

fn parse(text: &str) -> Result<Vec<Line>, Vec<Value>> {
    let (mut lines, mut errors, mut ids) = (vec![], vec![], std::collections::HashSet::new());
    let said = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (index, line) in said {
        let mut bad = |code: &str, message: String| {
            errors.push(json!({
                "code": code, "message": message, "param": null, "line": index + 1,
            }));
        };
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(e) => {
                bad("invalid_json_line", format!("This line is not parseable as JSON: {e}."));
                continue;
            }
        };
        let Some(custom_id) = value["custom_id"].as_str() else {
            bad("missing_required_parameter", "A line needs a 'custom_id'.".into());
            continue;
        };
        if !ids.insert(custom_id.to_owned()) {
            bad("duplicate_custom_id", format!("'{custom_id}' is the id of another line."));
        } else if value["method"] != "POST" || value["url"] != ENDPOINT {
            bad("mismatched_endpoint", format!("Each line must be a POST to {ENDPOINT}."));
        } else if !value["body"].is_object() {
            bad("missing_required_parameter", "A line needs a 'body'.".into());
        } else {
            let custom_id = custom_id.to_owned();
            lines.push(Line { index, custom_id, body: value["body"].clone() });
        }
    }
    if lines.is_empty() && errors.is_empty() {
        errors.push(json!({
            "code": "empty_file", "message": "The file has no lines.", "param": null, "line": null,
        }));
    }
    if lines.len() > LINES_MAX {
        errors.push(json!({
            "code": "too_many_lines", "message": format!("At most {LINES_MAX} lines are taken."),
            "param": null, "line": null,
        }));
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

impl App {
    async fn batch(&self, tenant: &str, id: &str) -> Result<Value, ApiError> {
        let found = self.store.document(BATCH, tenant, id).await?;
        found.map(|d| d.body).ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("No batch found with id '{id}'."))
        })
    }

    /// Together with these changes.
    async fn put_batch(
        &self,
        tenant: &str,
        batch: &Value,
        mut changes: Vec<Change>,
    ) -> Result<(), ApiError> {
        let id = batch["id"].as_str().unwrap_or_default();
        changes.push(Change::Put(document(BATCH, tenant, id, "", batch.clone())));
        Ok(self.store.apply(changes).await?)
    }

    /// Changes a batch as it is now: its work and its client may both do so.
    async fn update_batch(
        &self,
        tenant: &str,
        id: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, ApiError> {
        self.update_batch_with(tenant, id, vec![], change).await
    }

    async fn update_batch_with(
        &self,
        tenant: &str,
        id: &str,
        changes: Vec<Change>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, ApiError> {
        let _only = self.lock(tenant, id).await?;
        let mut batch = self.batch(tenant, id).await?;
        change(&mut batch);
        self.put_batch(tenant, &batch, changes).await?;
        Ok(batch)
    }

    /// Goes on with the batches of a process that is gone.
    pub async fn resume_batches(self: &Arc<Self>) -> Result<(), ApiError> {
        for batch in self.store.all_documents(BATCH).await? {
            let open = ["validating", "in_progress", "finalizing", "cancelling"];
            if batch.body["status"].as_str().is_some_and(|status| open.contains(&status)) {
                self.tasks.spawn(self.clone().work(batch.tenant, batch.id));
            }
        }
        Ok(())
    }

    async fn work(self: Arc<Self>, tenant: String, id: String) {
        let worked = tokio::select! {
            worked = self.work_off(&tenant, &id) => worked,
            () = self.draining.cancelled() => return,
        };
        let Err(e) = worked else { return };
        tracing::error!("batch {id}: {}", crate::error::causes(&e));
        let failed = self.fail_batch(&tenant, &id, vec![json!(e.body())]).await;
        if let Err(e) = failed {
            tracing::error!("batch {id}: {}", crate::error::causes(&e));
        }
    }

    async fn fail_batch(&self, tenant: &str, id: &str, data: Vec<Value>) -> Result<(), ApiError> {
        let now = self.now();
        let failed = self.update_batch(tenant, id, |batch| {
            batch["status"] = json!("failed");
            batch["failed_at"] = json!(now);
            batch["errors"] = json!({ "object": "list", "data": data });
        });
        failed.await.map(drop)
    }

    async fn work_off(self: &Arc<Self>, tenant: &str, id: &str) -> Result<(), ApiError> {
        let batch = self.batch(tenant, id).await?;
        let file = batch["input_file_id"].as_str().unwrap_or_default().to_owned();
        let bytes = self.store.bytes(&file).await?.unwrap_or_default();
        let parsed = match String::from_utf8(bytes) {
            Ok(text) => parse(&text),
            Err(_) => Err(vec![json!({
                "code": "invalid_encoding", "message": "The file is no UTF-8.", "param": null,
                "line": null,
            })]),
        };
        let lines = match parsed {
            Ok(lines) => lines,
            Err(found) => return self.fail_batch(tenant, id, found).await,
        };
        let now = self.now();
        self.update_batch(tenant, id, |batch| {
            if batch["status"] == "validating" {
                batch["status"] = json!("in_progress");
                batch["in_progress_at"] = json!(now);
            }
            batch["request_counts"]["total"] = json!(lines.len());
        })
        .await?;

        let total = lines.len();
        let work = |line: Line| {
            let (app, tenant, id) = (self.clone(), tenant.to_owned(), id.to_owned());
            async move { app.line(&tenant, &id, &line).await }
        };
        let done = futures::stream::iter(lines).map(work).buffered(AT_ONCE);
        let mut done = std::pin::pin!(done);
        let (mut answers, mut failures) = (String::new(), String::new());
        let (mut completed, mut failed) = (0, 0);
        while let Some(answer) = done.next().await {
            let Some(answer) = answer? else { continue };
            if answer["error"].is_null() && answer["response"]["status_code"] == 200 {
                completed += 1;
                answers.push_str(&format!("{answer}\n"));
            } else {
                failed += 1;
                failures.push_str(&format!("{answer}\n"));
            }
            self.update_batch(tenant, id, |batch| {
                batch["request_counts"]["completed"] = json!(completed);
                batch["request_counts"]["failed"] = json!(failed);
            })
            .await?;
        }
        let (mut files, mut changes) = (vec![], vec![]);
        for (text, field) in [(answers, "output_file_id"), (failures, "error_file_id")] {
            if !text.is_empty() {
                let name = format!("{id}_{field}.jsonl");
                let (file, stored) =
                    self.made_file(tenant, &name, "batch_output", text.into_bytes(), None);
                files.push((field, file["id"].clone()));
                changes.extend(stored);
            }
        }
        let (now, all) = (self.now(), completed + failed == total);
        self.update_batch_with(tenant, id, changes, |batch| {
            for (field, file) in files {
                batch[field] = file;
            }
            let end = match batch["status"].as_str() {
                Some("cancelling") => "cancelled",
                _ if !all => "expired",
                _ => "completed",
            };
            batch["status"] = json!(end);
            batch[format!("{end}_at")] = json!(now);
        })
        .await
        .map(drop)
    }

    /// The answer of one line; `None` when the batch was ended before it began.
    async fn line(
        self: &Arc<Self>,
        tenant: &str,
        batch: &str,
        line: &Line,
    ) -> Result<Option<Value>, ApiError> {
        let id = format!("{batch}:{}", line.index);
        let mut response_id = None;
        if let Some(known) = self.store.document(LINE, tenant, &id).await? {
            if known.body["answer"].is_object() {
                return Ok(Some(known.body["answer"].clone()));
            }
            response_id = known.body["response_id"].as_str().and_then(|id| id.parse().ok());
        }
        let response_id = match response_id {
            Some(started) if self.store.get(&started).await.is_ok() => Ok(started),
            _ => {
                let state = self.batch(tenant, batch).await?;
                let over = state["expires_at"].as_i64().is_some_and(|at| at <= self.now());
                if state["status"] == "cancelling" || over {
                    return Ok(None);
                }
                self.begin(tenant, batch, &id, line).await
            }
        };
        let (status, body) = match response_id {
            Ok(response_id) => self.answer(&response_id).await?,
            Err(e) => (e.status().as_u16(), json!({ "error": e.body() })),
        };
        let answer = json!({
            "id": mint("batch_req_"),
            "custom_id": line.custom_id,
            "response": { "status_code": status, "request_id": mint("req_"), "body": body },
            "error": null,
        });
        let kept = document(LINE, tenant, &id, batch, json!({ "answer": answer }));
        self.store.apply(vec![Change::Put(kept)]).await?;
        Ok(Some(answer))
    }

    async fn begin(
        self: &Arc<Self>,
        tenant: &str,
        batch: &str,
        id: &str,
        line: &Line,
    ) -> Result<ResponseId, ApiError> {
        let mut body = line.body.clone();
        body["stream"] = Value::Null;
        body["background"] = json!(true);
        body["service_tier"] = Value::Null;
        body["store"] = json!(true);
        let mut create = Create::parse(&body)?;
        create.tier = Tier::Batch;
        let tenant = Tenant::named(tenant);
        let job = self.prepare(&tenant, create).await?;
        self.afford(&job).await?;
        let response_id = job.id.clone();
        let body = json!({ "response_id": response_id });
        let noted = document(LINE, &tenant.name, id, batch, body);
        self.store.apply(vec![Change::Put(noted)]).await?;
        let live = self.start_known(job).await?;
        // A cancellation looks for what runs: this may have been too late for it to see.
        if self.batch(&tenant.name, batch).await?["status"] == "cancelling" {
            live.cancel.cancel();
        }
        Ok(response_id)
    }

    async fn answer(&self, id: &ResponseId) -> Result<(u16, Value), ApiError> {
        if let Some(live) = self.live(id) {
            live.done.cancelled().await;
        }
        let response = snapshot(self, id).await?;
        let status = match response.status {
            ResponseStatus::Failed => 500,
            ResponseStatus::Completed | ResponseStatus::Incomplete | ResponseStatus::Cancelled => {
                200
            }
            ResponseStatus::Queued | ResponseStatus::InProgress => return Err(ApiError::Draining),
        };
        Ok((status, serde_json::to_value(response).map_err(ApiError::internal)?))
    }
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&body, "")?;
    let file = fields.required("input_file_id")?;
    let endpoint = fields.required("endpoint")?;
    if endpoint != ENDPOINT {
        return Err(fields.bad_word("endpoint", endpoint, &format!("'{ENDPOINT}'")));
    }
    let window = fields.required("completion_window")?;
    if window != "24h" {
        return Err(fields.bad_word("completion_window", window, "'24h'"));
    }
    app.file_bytes(&tenant, file, "input_file_id").await?;
    let (id, now) = (mint("batch_"), app.now());
    let batch = json!({
        "id": id,
        "object": "batch",
        "endpoint": endpoint,
        "errors": null,
        "input_file_id": file,
        "completion_window": window,
        "status": "validating",
        "output_file_id": null,
        "error_file_id": null,
        "created_at": now,
        "in_progress_at": null,
        "expires_at": now + WINDOW_S,
        "finalizing_at": null,
        "completed_at": null,
        "failed_at": null,
        "expired_at": null,
        "cancelling_at": null,
        "cancelled_at": null,
        "request_counts": { "total": 0, "completed": 0, "failed": 0 },
        "metadata": fields.metadata()?,
    });
    app.put_batch(&tenant.name, &batch, vec![]).await?;
    app.tasks.spawn(app.clone().work(tenant.name.clone(), id));
    Ok(Json(batch))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    let paging = Paging::parse(&query, 100)?;
    let found = app.store.documents(BATCH, &tenant.name, &paging.page).await?;
    Ok(Json(paging.list(found.into_iter().map(|d| d.body).collect())))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.batch(&tenant.name, &id).await?))
}

/// Lines that run are stopped, lines that wait are not begun.
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let now = app.now();
    let change = |batch: &mut Value| {
        if matches!(batch["status"].as_str(), Some("validating" | "in_progress")) {
            batch["status"] = json!("cancelling");
            batch["cancelling_at"] = json!(now);
        }
    };
    let batch = app.update_batch(&tenant.name, &id, change).await?;
    if let Some(status @ ("completed" | "failed" | "expired")) = batch["status"].as_str() {
        return Err(ApiError::Conflict(format!("Batch '{id}' is {status} already.")));
    }
    let page = Page { parent: Some(id), after: None, order: Order::Ascending, limit: LINES_MAX };
    for line in app.store.documents(LINE, &tenant.name, &page).await? {
        let started = line.body["response_id"].as_str().and_then(|id| id.parse().ok());
        if let Some(live) = started.and_then(|id| app.live(&id)) {
            live.cancel.cancel();
        }
    }
    Ok(Json(batch))
}
