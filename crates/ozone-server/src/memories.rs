//! What a tenant wants to be remembered: `/memories`, and the tools behind
//! `{"type": "mcp", "server_label": "memory"}`.
//!
//! Without that tool a request reads and writes nothing here. With it, the facts are told to the
//! model and recorded with the request, so that a run that goes on after a crash reads the same ones.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use ozone_agent::{Remembered, Request};
use ozone_memory::{Memory, MemoryError, Session, words};
use ozone_store::StoreError;
use ozone_tools::Tool;
use ozone_types::ResponseId;
use serde_json::{Value, json};

use crate::app::App;
use crate::built_in::{MEMORY, only_allowed};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::past;
use crate::prepare::{Paging, Who};
use crate::runs::Serve;
use crate::serve::Body;

type Pairs = Query<Vec<(String, String)>>;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/memories", get(list).post(add).delete(clear))
        .route("/memories/settings", get(settings).post(set))
        .route("/memories/{id}", get(one).post(edit).delete(delete))
}

impl App {
    pub fn memory(&self, tenant: &str) -> Memory {
        Memory::of(self.store.clone(), tenant, self.clock)
    }

    /// What a request is told, and which of its words are the user's.
    pub async fn remembered(
        &self,
        tenant: &str,
        request: &Request,
    ) -> Result<Remembered, StoreError> {
        let (memory, said) = (self.memory(tenant), words::said(&request.input));
        if !memory.is_on().await? {
            return Ok(Remembered { told: None, said });
        }
        let facts = memory.facts().await?;
        let question = match said.is_empty() {
            true => words::said(&request.earlier).pop().unwrap_or_default(),
            false => said.join("\n"),
        };
        Ok(Remembered { told: ozone_memory::block(&facts, &question), said })
    }

    /// The memory tools of a request that asked for them. Nothing is saved without a response that
    /// may: the samples of a vote only recall.
    pub fn memory_tools(
        &self,
        request: &Request,
        serve: &Serve,
        saver: Option<&ResponseId>,
    ) -> Vec<Box<dyn Tool>> {
        let Some(remembered) = &request.memory else { return vec![] };
        let mut said = words::said(&request.earlier);
        said.extend(remembered.said.iter().cloned());
        let ids = request.earlier.iter().filter_map(|item| item.id().map(str::to_owned));
        let skip: HashSet<String> = ids.chain(saver.map(ResponseId::to_string)).collect();
        let session = Session {
            memory: self.memory(&serve.tenant),
            said,
            // A fact never names a response that is not stored.
            response_id: saver.filter(|_| serve.store).map(ResponseId::to_string),
            conversation_id: serve.conversation.clone().filter(|_| serve.store),
            recaller: past::recaller(self.store.clone(), &serve.tenant, skip),
            reads_only: saver.is_none(),
        };
        let mut tools = ozone_memory::tools(session);
        if let Some(tool) = request.tools.spelt().iter().find(|tool| MEMORY.is_it(tool)) {
            only_allowed(&mut tools, tool);
        }
        tools
    }
}

impl From<MemoryError> for ApiError {
    fn from(error: MemoryError) -> Self {
        let message = format!("Invalid 'text': {error}.");
        match error {
            MemoryError::Empty => ApiError::missing("text"),
            MemoryError::TooLong { .. } => {
                ApiError::coded("text", "string_above_max_length", message)
            }
            MemoryError::Full => ApiError::coded("text", "memory_full", message),
            MemoryError::Same { .. } => ApiError::coded("text", "invalid_value", message),
            MemoryError::NoFact(id) => {
                ApiError::not_found(format!("Memory with id '{id}' not found."))
            }
            MemoryError::Store(e) => e.into(),
        }
    }
}

async fn list(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    let paging = Paging::parse(&query, 100)?;
    let memory = app.memory(&tenant.name);
    if let Some(after) = &paging.page.after {
        memory.fact(after).await.map_err(|e| match e {
            MemoryError::NoFact(id) => {
                let message = format!("Memory with id '{id}' not found.");
                ApiError::coded("after", "invalid_value", message)
            }
            other => other.into(),
        })?;
    }
    let facts = memory.page(&paging.page).await?;
    Ok(Json(paging.list(facts.iter().map(|fact| fact.view()).collect())))
}

async fn add(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let text = Fields::of(&body, "")?.required("text")?;
    Ok(Json(app.memory(&tenant.name).add(text).await?.fact.view()))
}

async fn clear(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
) -> Result<Json<Value>, ApiError> {
    let count = app.memory(&tenant.name).clear().await?;
    Ok(Json(json!({ "object": "memory.deleted", "deleted": true, "count": count })))
}

async fn one(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.memory(&tenant.name).fact(&id).await?.view()))
}

async fn edit(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let text = Fields::of(&body, "")?.required("text")?;
    Ok(Json(app.memory(&tenant.name).edit(&id, text).await?.view()))
}

async fn delete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.memory(&tenant.name).delete(&id).await?;
    Ok(Json(json!({ "id": id, "object": "memory.deleted", "deleted": true })))
}

async fn settings(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
) -> Result<Json<Value>, ApiError> {
    let enabled = app.memory(&tenant.name).is_on().await?;
    Ok(Json(json!({ "object": "memory.settings", "enabled": enabled })))
}

async fn set(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let enabled = Fields::of(&body, "")?.bool("enabled")?;
    let enabled = enabled.ok_or_else(|| ApiError::missing("enabled"))?;
    app.memory(&tenant.name).switch(enabled).await?;
    Ok(Json(json!({ "object": "memory.settings", "enabled": enabled })))
}
