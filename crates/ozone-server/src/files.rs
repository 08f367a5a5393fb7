//! `/files` and `/containers`: bytes that a tenant keeps here, and the folders that tools work in.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ozone_store::Change;
use ozone_tools::{ToolFile, files_below};
use serde_json::{Map, Value, json};

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::{Paging, Who};
use crate::serve::{Body, OptionalBody};

const FILE: &str = "file";
const CONTAINER: &str = "container";
/// Seconds without use after which OpenAI's containers expire; ours are kept so long at least.
const CONTAINER_IDLE_S: i64 = 20 * 60;
/// The most files of a container that are listed.
const CONTAINER_FILES_MAX: usize = 1000;
pub(crate) const PURPOSES: &[&str] =
    &["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

type Pairs = Query<Vec<(String, String)>>;

/// A stored file, read.
pub(crate) struct Stored {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The picture formats that models read, by their first bytes.
pub(crate) fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes.get(..4)? {
        b"\x89PNG" => Some("image/png"),
        [0xff, 0xd8, 0xff, _] => Some("image/jpeg"),
        b"GIF8" => Some("image/gif"),
        b"RIFF" => Some("image/webp"),
        _ => None,
    }
}

/// The last part of a name, without what a folder or a shell would read into it.
pub(crate) fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    match name.trim() {
        "" | "." | ".." => "file".into(),
        name => name.to_owned(),
    }
}

impl App {
    /// The card of a file.
    pub async fn file(&self, tenant: &Tenant, id: &str) -> Result<Value, ApiError> {
        let found = self.store.document(FILE, &tenant.name, id).await?.map(|d| d.body);
        let alive = |file: &Value| file["expires_at"].as_i64().is_none_or(|at| at > self.now());
        match found {
            Some(file) if alive(&file) => Ok(file),
            expired => {
                if expired.is_some() {
                    self.delete_file(tenant, id).await?;
                }
                let id: String = id.chars().take(80).collect();
                Err(ApiError::not_found(format!("No such File object: {id}")))
            }
        }
    }

    /// A file that is deleted is in no vector store any more.
    async fn delete_file(&self, tenant: &Tenant, id: &str) -> Result<(), ApiError> {
        self.detach_everywhere(&tenant.name, id).await?;
        let (kind, name) = (FILE.to_owned(), tenant.name.clone());
        let changes = vec![
            Change::Delete { kind, tenant: name, id: id.to_owned() },
            Change::DeleteBytes { id: id.to_owned() },
        ];
        Ok(self.store.apply(changes).await?)
    }

    /// A file that a request names.
    pub async fn file_bytes(
        &self,
        tenant: &Tenant,
        id: &str,
        param: &str,
    ) -> Result<Stored, ApiError> {
        let missing =
            |_| ApiError::coded(param, "file_not_found", format!("File '{id}' not found."));
        let file = self.file(tenant, id).await.map_err(missing)?;
        let bytes = self.store.bytes(id).await?.unwrap_or_default();
        Ok(Stored { name: file["filename"].as_str().unwrap_or("file").to_owned(), bytes })
    }

    /// A new file's object, and the changes that store it: what else says that the file is there
    /// goes into the same transaction.
    pub fn made_file(
        &self,
        tenant: &str,
        name: &str,
        purpose: &str,
        bytes: Vec<u8>,
        expires_at: Option<i64>,
    ) -> (Value, Vec<Change>) {
        let id = mint("file-");
        let file = json!({
            "id": id,
            "object": "file",
            "bytes": bytes.len(),
            "created_at": self.now(),
            "expires_at": expires_at,
            "filename": plain_name(name),
            "purpose": purpose,
            "status": "processed",
            "status_details": null,
        });
        let changes = vec![
            Change::Put(document(FILE, tenant, &id, purpose, file.clone())),
            Change::PutBytes { id, bytes },
        ];
        (file, changes)
    }

    pub async fn named_container(
        &self,
        tenant: &Tenant,
        id: &str,
        param: &str,
    ) -> Result<Value, ApiError> {
        let found = self.store.document(CONTAINER, &tenant.name, id).await?.map(|d| d.body);
        found.ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            let message = format!("Container with id '{id}' not found.");
            if param.is_empty() {
                ApiError::not_found(message)
            } else {
                ApiError::coded(param, "container_not_found", message)
            }
        })
    }

    pub async fn remove_container(&self, tenant: &Tenant, id: &str) -> Result<(), ApiError> {
        let (kind, tenant) = (CONTAINER.to_owned(), tenant.name.clone());
        self.store.apply(vec![Change::Delete { kind, tenant, id: id.to_owned() }]).await?;
        match std::fs::remove_dir_all(self.containers_dir.join(id)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("the folder of container {id} could not be removed: {e}");
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a container with files in it.
    pub async fn new_container(
        &self,
        tenant: &Tenant,
        id: &str,
        name: &str,
        file_ids: &[Value],
        place: &str,
    ) -> Result<Value, ApiError> {
        let folder = self.containers_dir.join(id);
        std::fs::create_dir_all(&folder).map_err(ApiError::internal)?;
        for (index, file_id) in file_ids.iter().enumerate() {
            let param = format!("{place}.file_ids[{index}]");
            let file_id = file_id.as_str().ok_or_else(|| {
                let message = format!("Invalid type for '{param}': expected a string.");
                ApiError::coded(&param, "invalid_type", message)
            })?;
            let file = self.file_bytes(tenant, file_id, &param).await?;
            write(&folder, &file.name, &file.bytes).map_err(ApiError::internal)?;
        }
        let now = self.now();
        let container = json!({
            "id": id,
            "object": "container",
            "created_at": now,
            "last_active_at": now,
            "name": name,
            "status": "running",
            "expires_after": { "anchor": "last_active_at", "minutes": CONTAINER_IDLE_S / 60 },
        });
        let own = document(CONTAINER, &tenant.name, id, "", container.clone());
        self.store.apply(vec![Change::Put(own)]).await?;
        Ok(container)
    }
}

/// Code of a model works in these folders: a name in there may be a link to anywhere, so nothing is
/// followed.
fn write(folder: &FilePath, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(plain_name(name));
    if path.symlink_metadata().is_ok() {
        std::fs::remove_file(&path)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    std::io::Write::write_all(&mut file, bytes)
}

/// `O_NOFOLLOW` of Linux (asm-generic/fcntl.h).
const NO_FOLLOW: i32 = 0o400000;

fn read(path: &FilePath, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let file = std::fs::OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path)?;
    let mut bytes = vec![];
    file.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A form with one file and short fields.
pub(crate) struct Form {
    /// `(field, file name, bytes)`
    file: Option<(String, String, Vec<u8>)>,
    fields: Map<String, Value>,
}

const FIELD_BYTES_MAX: usize = 4096;

impl Form {
    pub async fn read(request: Request, app: &Arc<App>) -> Result<Form, ApiError> {
        let bad = |e: &dyn std::fmt::Display| {
            ApiError::invalid("", format!("The form of your request could not be read: {e}."))
        };
        let mut form =
            Multipart::from_request(request, app).await.map_err(|e| bad(&e.body_text()))?;
        let mut read = Form { file: None, fields: Map::new() };
        while let Some(mut field) = form.next_field().await.map_err(|e| bad(&e.body_text()))? {
            let name = field.name().unwrap_or_default().to_owned();
            let is_file = name == "file" || name == "data";
            let filename = field.file_name().unwrap_or("file").to_owned();
            let max = if is_file { app.limits.file_bytes_max } else { FIELD_BYTES_MAX };
            let mut bytes = vec![];
            while let Some(chunk) = field.chunk().await.map_err(|e| bad(&e.body_text()))? {
                if bytes.len() + chunk.len() > max {
                    return Err(ApiError::TooLarge { max });
                }
                bytes.extend_from_slice(&chunk);
            }
            if is_file {
                read.file = Some((name, filename, bytes));
            } else {
                let text = String::from_utf8(bytes).map_err(|e| bad(&e))?;
                read.fields.insert(name, text.into());
            }
        }
        Ok(read)
    }

    /// The file of this field, with its name.
    pub fn file(&mut self, field: &str) -> Result<(String, Vec<u8>), ApiError> {
        let found = self.file.take().filter(|(name, _, _)| name == field);
        found.map(|(_, name, bytes)| (name, bytes)).ok_or_else(|| ApiError::missing(field))
    }
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let mut form = Form::read(request, &app).await?;
    let fields = Value::Object(form.fields.clone());
    let fields = Fields::of(&fields, "")?;
    let purpose = fields.required("purpose")?.to_owned();
    if !PURPOSES.contains(&purpose.as_str()) {
        let allowed = format!("'{}'", PURPOSES.join("', '"));
        return Err(fields.bad_word("purpose", &purpose, &allowed));
    }
    let expires_at = match fields.string("expires_after[seconds]")? {
        None => None,
        Some(text) => {
            let seconds = text.parse::<i64>().ok().filter(|s| (3600..=2_592_000).contains(s));
            let message = "Invalid 'expires_after.seconds': expected 3600 to 2592000.";
            let bad = || ApiError::coded("expires_after.seconds", "invalid_value", message);
            Some(app.now() + seconds.ok_or_else(bad)?)
        }
    };
    let (name, bytes) = form.file("file")?;
    let (file, changes) = app.made_file(&tenant.name, &name, &purpose, bytes, expires_at);
    app.store.apply(changes).await?;
    Ok(Json(file))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    let mut paging = Paging::parse(&query, 10_000)?;
    // A file's purpose is its parent: lists by purpose are lists of children.
    paging.page.parent = query.iter().find(|(k, _)| k == "purpose").map(|(_, v)| v.clone());
    let found = app.store.documents(FILE, &tenant.name, &paging.page).await?;
    Ok(Json(paging.list(found.into_iter().map(|d| d.body).collect())))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.file(&tenant, &id).await?))
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.file(&tenant, &id).await?;
    app.delete_file(&tenant, &id).await?;
    Ok(Json(json!({ "id": id, "object": "file", "deleted": true })))
}

pub(crate) async fn content(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.file(&tenant, &id).await?;
    let bytes = app.store.bytes(&id).await?.unwrap_or_default();
    Ok(download(bytes))
}

/// Bytes as a download: never shown by a browser in this server's name.
fn download(bytes: Vec<u8>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) async fn create_container(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&body, "")?;
    let name = fields.required("name")?;
    let file_ids = fields.list("file_ids")?.map_or(&[][..], Vec::as_slice);
    Ok(Json(app.new_container(&tenant, &mint("cntr_"), name, file_ids, "").await?))
}

pub(crate) async fn list_containers(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    let paging = Paging::parse(&query, 100)?;
    let found = app.store.documents(CONTAINER, &tenant.name, &paging.page).await?;
    Ok(Json(paging.list(found.into_iter().map(|d| d.body).collect())))
}

pub(crate) async fn get_container(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.named_container(&tenant, &id, "").await?))
}

pub(crate) async fn delete_container(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.named_container(&tenant, &id, "").await?;
    app.remove_container(&tenant, &id).await?;
    Ok(Json(json!({ "id": id, "object": "container.deleted", "deleted": true })))
}

/// A file of a container.
struct InContainer {
    id: String,
    name: String,
    path: PathBuf,
    bytes: u64,
    created_at: i64,
}

impl InContainer {
    fn view(&self, container: &str) -> Value {
        json!({
            "id": self.id,
            "object": "container.file",
            "container_id": container,
            "created_at": self.created_at,
            "bytes": self.bytes,
            "path": format!("/mnt/data/{}", self.name),
            "source": "assistant",
        })
    }
}

/// The files of a container's folder by their names within it; ours are hidden.
fn in_container(folder: &FilePath, container: &str) -> Vec<InContainer> {
    let file = |path: PathBuf| {
        let name = path.strip_prefix(folder).ok()?.to_str()?.to_owned();
        let metadata = path.metadata().ok()?;
        let modified = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH);
        Some(InContainer {
            id: ToolFile::id(container, &name),
            name,
            path,
            bytes: metadata.len(),
            created_at: modified.map_or(0, |d| d.as_secs() as i64),
        })
    };
    files_below(folder).into_iter().filter_map(file).take(CONTAINER_FILES_MAX).collect()
}

impl App {
    async fn container_file(
        &self,
        tenant: &Tenant,
        container: &str,
        id: &str,
    ) -> Result<InContainer, ApiError> {
        self.named_container(tenant, container, "").await?;
        let files = in_container(&self.containers_dir.join(container), container);
        files.into_iter().find(|f| f.id == id).ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("File with id '{id}' not found in this container."))
        })
    }
}

pub(crate) async fn add_container_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(container): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    app.named_container(&tenant, &container, "").await?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let (name, bytes) = if kind.is_some_and(|kind| kind.starts_with("multipart/")) {
        Form::read(request, &app).await?.file("file")?
    } else {
        let Body(body) = Body::from_request(request, &app).await?;
        let id = Fields::of(&body, "")?.required("file_id")?.to_owned();
        let file = app.file_bytes(&tenant, &id, "file_id").await?;
        (file.name, file.bytes)
    };
    let folder = app.containers_dir.join(&container);
    std::fs::create_dir_all(&folder)
        .and_then(|()| write(&folder, &name, &bytes))
        .map_err(ApiError::internal)?;
    let name = plain_name(&name);
    let files = in_container(&folder, &container);
    let written = files.iter().find(|f| f.name == name).map(|f| f.view(&container));
    written.map(Json).ok_or_else(|| {
        let message = format!("A container holds at most {CONTAINER_FILES_MAX} files.");
        ApiError::invalid("file", message)
    })
}

pub(crate) async fn list_container_files(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(container): Path<String>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    app.named_container(&tenant, &container, "").await?;
    let paging = Paging::parse(&query, 100)?;
    let mut files = in_container(&app.containers_dir.join(&container), &container);
    if paging.page.order == ozone_store::Order::Descending {
        files.reverse();
    }
    if let Some(after) = &paging.page.after {
        let at = files.iter().position(|f| f.id == *after).map_or(files.len(), |at| at + 1);
        files.drain(..at);
    }
    files.truncate(paging.page.limit);
    Ok(Json(paging.list(files.iter().map(|f| f.view(&container)).collect())))
}

pub(crate) async fn get_container_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((container, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.container_file(&tenant, &container, &id).await?.view(&container)))
}

pub(crate) async fn container_file_content(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((container, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let file = app.container_file(&tenant, &container, &id).await?;
    let bytes = read(&file.path, app.limits.file_bytes_max).map_err(ApiError::internal)?;
    Ok(download(bytes))
}

pub(crate) async fn delete_container_file(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((container, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let file = app.container_file(&tenant, &container, &id).await?;
    std::fs::remove_file(&file.path).map_err(ApiError::internal)?;
    Ok(Json(json!({ "id": id, "object": "container.file.deleted", "deleted": true })))
}
