//! What a trainer outside of this machine learns from: a recorded response as the model saw it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use ozone_types::Passage;
use serde_json::{Value, json};

use crate::ModelEntry;
use crate::app::App;
use crate::error::ApiError;
use crate::prepare::Who;
use crate::responses::{parse_id, snapshot};

/// Whether `x_record` can be had of this model.
pub(crate) fn check(entry: &ModelEntry) -> Result<(), ApiError> {
    let id = &entry.id;
    let message = if !entry.rollouts {
        format!(
            "Rollouts of the model '{id}' are not given away here: they hold its instructions and \
             its reasoning. Its entry needs 'rollouts = true'."
        )
    } else if !entry.backend.knows_ids() {
        format!(
            "The model '{id}' runs elsewhere, and its tokens are not known here: record where it \
             runs."
        )
    } else {
        return Ok(());
    };
    Err(ApiError::unsupported("x_record", message))
}

/// `GET /v1/responses/{id}/rollout`: one passage of tokens, unless the history was rendered anew on
/// the way. What was sampled has a mask of 1.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = parse_id(&id)?;
    let (request, _) = app.stored(&tenant.name, &id).await?;
    if !request.recorded {
        let message = format!("Response '{id}' was not recorded: create it with 'x_record': true.");
        return Err(ApiError::invalid("x_record", message));
    }
    let response = snapshot(&app, &id).await?;
    let records = app.store.records(&id).await?;
    let passages = ozone_agent::passages(records).map_err(ApiError::internal)?;
    let passages: Vec<Value> = passages.iter().map(shown).collect();
    Ok(Json(json!({
        "object": "response.rollout",
        "response_id": id,
        "model": response.model,
        "status": response.status,
        "passages": passages,
        "sampling": request.sampling,
        "output_text": response.output_text(),
        "usage": response.usage,
    })))
}

fn shown(passage: &Passage) -> Value {
    let mask: Vec<u8> = passage.logprobs.iter().map(|l| u8::from(l.is_some())).collect();
    json!({ "ids": passage.ids, "logprobs": passage.logprobs, "mask": mask })
}
