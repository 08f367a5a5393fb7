//! `/conversations`: items that outlive their responses, in one order.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use ozone_store::{Change, Document};
use serde_json::{Value, json};

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::{Paging, Who};
use crate::responses::shown;
use crate::runs::CONVERSATION_ITEM;
use crate::serve::{Body, OptionalBody};

pub(crate) const CONVERSATION: &str = "conversation";
/// The most items that one call adds.
const ADDED_MAX: usize = 20;

type Pairs = Query<Vec<(String, String)>>;

impl App {
    pub async fn conversation(&self, tenant: &Tenant, id: &str) -> Result<Value, ApiError> {
        let found = self.store.document(CONVERSATION, &tenant.name, id).await?;
        found.map(|d| d.body).ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("Conversation with id '{id}' not found."))
        })
    }

    async fn conversation_item(
        &self,
        tenant: &Tenant,
        conversation: &str,
        id: &str,
    ) -> Result<Document, ApiError> {
        self.conversation(tenant, conversation).await?;
        let found = self.store.document(CONVERSATION_ITEM, &tenant.name, id).await?;
        found.filter(|d| d.parent == conversation).ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("Item with id '{id}' not found in this conversation."))
        })
    }

    /// Documents for items that a client adds, and what it is shown of them.
    async fn new_items(
        &self,
        tenant: &Tenant,
        conversation: &str,
        items: &[Value],
    ) -> Result<(Vec<Change>, Vec<Value>), ApiError> {
        if items.len() > ADDED_MAX {
            let message = format!("Invalid 'items': at most {ADDED_MAX} are added at once.");
            return Err(ApiError::coded("items", "invalid_value", message));
        }
        let mut fetches = self.fetches(true, ozone_agent::request::INPUT_BYTES_MAX / 2);
        let (mut changes, mut views) = (vec![], vec![]);
        for (index, given) in items.iter().enumerate() {
            // Sealed reasoning belongs to a model: it is opened when a response uses it.
            let place = format!("items[{index}]");
            let item = self.input_item(tenant, "", given, &place, &mut fetches).await?;
            let view = serde_json::to_value(shown(&item)).map_err(ApiError::internal)?;
            let kept = serde_json::to_value(&item).map_err(ApiError::internal)?;
            let id = item.id().unwrap_or_default().to_owned();
            let body = json!({ "shown": view, "kept": kept });
            let item = document(CONVERSATION_ITEM, &tenant.name, &id, conversation, body);
            changes.push(Change::Put(item));
            views.push(view);
        }
        Ok((changes, views))
    }
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::of(&body, "")?;
    let id = mint("conv_");
    let conversation = json!({
        "id": id,
        "object": "conversation",
        "created_at": app.now(),
        "metadata": fields.metadata()?.unwrap_or_default(),
    });
    let items = fields.list("items")?.map_or(&[][..], Vec::as_slice);
    let (mut changes, _) = app.new_items(&tenant, &id, items).await?;
    let own = document(CONVERSATION, &tenant.name, &id, "", conversation.clone());
    changes.insert(0, Change::Put(own));
    app.store.apply(changes).await?;
    Ok(Json(conversation))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.conversation(&tenant, &id).await?))
}

pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let mut conversation = app.conversation(&tenant, &id).await?;
    let metadata = Fields::of(&body, "")?.metadata()?;
    let metadata = metadata.ok_or_else(|| ApiError::missing("metadata"))?;
    conversation["metadata"] = metadata.into();
    let own = document(CONVERSATION, &tenant.name, &id, "", conversation.clone());
    app.store.apply(vec![Change::Put(own)]).await?;
    Ok(Json(conversation))
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.conversation(&tenant, &id).await?;
    let name = || tenant.name.clone();
    let changes = vec![
        Change::Delete { kind: CONVERSATION.into(), tenant: name(), id: id.clone() },
        Change::DeleteChildren {
            kind: CONVERSATION_ITEM.into(),
            tenant: name(),
            parent: id.clone(),
        },
    ];
    app.memory(&tenant.name).unlink(&id).await?;
    app.store.apply(changes).await?;
    Ok(Json(json!({ "id": id, "object": "conversation.deleted", "deleted": true })))
}

pub(crate) async fn add_items(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    app.conversation(&tenant, &id).await?;
    let fields = Fields::of(&body, "")?;
    let items = fields.list("items")?.ok_or_else(|| ApiError::missing("items"))?;
    let (changes, views) = app.new_items(&tenant, &id, items).await?;
    app.store.apply(changes).await?;
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    Ok(Json(json!({
        "object": "list",
        "first_id": id(views.first()),
        "last_id": id(views.last()),
        "has_more": false,
        "data": views,
    })))
}

pub(crate) async fn list_items(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    app.conversation(&tenant, &id).await?;
    let paging = Paging::parse(&query, 100)?.within(&id);
    if let Some(after) = &paging.page.after {
        app.conversation_item(&tenant, &id, after).await.map_err(|_| {
            let message = format!("Item with id '{after}' is not in this conversation.");
            ApiError::coded("after", "invalid_value", message)
        })?;
    }
    let found = app.store.documents(CONVERSATION_ITEM, &tenant.name, &paging.page).await?;
    let views = found.into_iter().map(|mut d| d.body["shown"].take()).collect();
    Ok(Json(paging.list(views)))
}

pub(crate) async fn get_item(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, item)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let mut found = app.conversation_item(&tenant, &id, &item).await?;
    Ok(Json(found.body["shown"].take()))
}

pub(crate) async fn delete_item(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path((id, item)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    app.conversation_item(&tenant, &id, &item).await?;
    let (kind, name) = (CONVERSATION_ITEM.to_owned(), tenant.name.clone());
    app.store.apply(vec![Change::Delete { kind, tenant: name, id: item }]).await?;
    Ok(Json(app.conversation(&tenant, &id).await?))
}
