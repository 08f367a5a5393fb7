//! `/uploads`: a file in parts.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use ozone_store::{Change, Order, Page};
use serde_json::{Value, json};

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::files::{Form, PURPOSES, plain_name};
use crate::prepare::Who;
use crate::serve::Body;

const UPLOAD: &str = "upload";
const PART: &str = "upload_part";
const LIFETIME_S: i64 = 60 * 60;
/// The most parts of one upload.
const PARTS_MAX: usize = 1000;

impl App {
    /// An upload that still takes parts.
    async fn pending(&self, tenant: &Tenant, id: &str) -> Result<Value, ApiError> {
        let upload = self.store.document(UPLOAD, &tenant.name, id).await?.map(|d| d.body);
        let upload = upload.ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("No such Upload object: {id}"))
        })?;
        let expired = upload["expires_at"].as_i64().is_some_and(|at| at <= self.now());
        match upload["status"].as_str() {
            Some("pending") if !expired => Ok(upload),
            Some("pending") => {
                self.close(tenant, &upload, vec![]).await?;
                Err(ApiError::Conflict(format!("Upload '{id}' has expired.")))
            }
            status => {
                let status = status.unwrap_or("unknown");
                Err(ApiError::Conflict(format!("Upload '{id}' is {status} already.")))
            }
        }
    }

    /// The parts in the order in which they came, as `(id, bytes)`.
    async fn parts(&self, tenant: &Tenant, id: &str) -> Result<Vec<(String, u64)>, ApiError> {
        let page = Page {
            parent: Some(id.to_owned()),
            after: None,
            order: Order::Ascending,
            limit: PARTS_MAX,
        };
        let parts = self.store.documents(PART, &tenant.name, &page).await?;
        Ok(parts.into_iter().map(|p| (p.id, p.body["bytes"].as_u64().unwrap_or(0))).collect())
    }

    /// Keeps the upload as it ended, and lets its parts go, together with these changes.
    async fn close(
        &self,
        tenant: &Tenant,
        upload: &Value,
        mut changes: Vec<Change>,
    ) -> Result<(), ApiError> {
        let id = upload["id"].as_str().unwrap_or_default();
        for (part, _) in self.parts(tenant, id).await? {
            changes.push(Change::DeleteBytes { id: part });
        }
        let (kind, name, parent) = (PART.to_owned(), tenant.name.clone(), id.to_owned());
        changes.push(Change::DeleteChildren { kind, tenant: name, parent });
        changes.push(Change::Put(document(UPLOAD, &tenant.name, id, "", upload.clone())));
        Ok(self.store.apply(changes).await?)
    }
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&body, "")?;
    let (filename, purpose) = (fields.required("filename")?, fields.required("purpose")?);
    if !PURPOSES.contains(&purpose) {
        return Err(fields.bad_word("purpose", purpose, &format!("'{}'", PURPOSES.join("', '"))));
    }
    let max = app.limits.file_bytes_max as u64;
    let bytes = fields.integer("bytes", 0, max)?.ok_or_else(|| ApiError::missing("bytes"))?;
    fields.required("mime_type")?;
    let (id, now) = (mint("upload_"), app.now());
    let upload = json!({
        "id": id,
        "object": "upload",
        "bytes": bytes,
        "created_at": now,
        "expires_at": now + LIFETIME_S,
        "filename": plain_name(filename),
        "purpose": purpose,
        "status": "pending",
        "file": null,
    });
    let put = document(UPLOAD, &tenant.name, &id, "", upload.clone());
    app.store.apply(vec![Change::Put(put)]).await?;
    Ok(Json(upload))
}

pub(crate) async fn add_part(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(upload): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let wanted = app.pending(&tenant, &upload).await?["bytes"].as_u64().unwrap_or(0);
    let (_, data) = Form::read(request, &app).await?.file("data")?;
    let _only = app.lock(&tenant.name, &upload).await?;
    let parts = app.parts(&tenant, &upload).await?;
    let sent: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    if parts.len() >= PARTS_MAX || sent + data.len() as u64 > wanted {
        let message = format!("The parts are more than the {wanted} bytes of the upload.");
        return Err(ApiError::invalid("data", message));
    }
    let (id, created_at) = (mint("part_"), app.now());
    let body = json!({ "bytes": data.len() });
    let changes = vec![
        Change::Put(document(PART, &tenant.name, &id, &upload, body)),
        Change::PutBytes { id: id.clone(), bytes: data },
    ];
    app.store.apply(changes).await?;
    Ok(Json(json!({
        "id": id, "object": "upload.part", "created_at": created_at, "upload_id": upload,
    })))
}

pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&body, "")?;
    if fields.get("md5").is_some() {
        let message = "Unsupported parameter: 'md5': the length is checked.";
        return Err(ApiError::unsupported("md5", message));
    }
    let order = fields.list("part_ids")?.ok_or_else(|| ApiError::missing("part_ids"))?;
    let _only = app.lock(&tenant.name, &id).await?;
    let mut upload = app.pending(&tenant, &id).await?;
    let parts = app.parts(&tenant, &id).await?;
    let mut bytes = vec![];
    for (index, part) in order.iter().enumerate() {
        let known = parts.iter().find(|(id, _)| Some(id.as_str()) == part.as_str());
        let (part, _) = known.ok_or_else(|| {
            let param = format!("part_ids[{index}]");
            ApiError::invalid(&param, format!("Invalid '{param}': no part of this upload."))
        })?;
        bytes.extend(app.store.bytes(part).await?.unwrap_or_default());
    }
    let wanted = upload["bytes"].as_u64().unwrap_or(0);
    if bytes.len() as u64 != wanted {
        let message = format!("The parts have {} bytes, not {wanted}.", bytes.len());
        return Err(ApiError::invalid("part_ids", message));
    }
    let text = |name: &str| upload[name].as_str().unwrap_or_default().to_owned();
    let (name, purpose) = (text("filename"), text("purpose"));
    let (file, changes) = app.made_file(&tenant.name, &name, &purpose, bytes, None);
    upload["status"] = json!("completed");
    upload["file"] = file;
    app.close(&tenant, &upload, changes).await?;
    Ok(Json(upload))
}

pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let _only = app.lock(&tenant.name, &id).await?;
    let mut upload = app.pending(&tenant, &id).await?;
    upload["status"] = json!("cancelled");
    app.close(&tenant, &upload, vec![]).await?;
    Ok(Json(upload))
}
