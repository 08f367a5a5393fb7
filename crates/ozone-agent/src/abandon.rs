//! The end of a response that nobody can run: its model is gone, or its store failed it.

use ozone_store::{Durability, Journal, StoreError};
use ozone_types::{
    ErrorBody, ErrorCode, EventKind, ItemStatus, Response, ResponseError, ResponseStatus,
};

use crate::cite::Marks;
use crate::request::Request;
use crate::run::enqueue;
use crate::writer::{View, Writer, Written};

/// Fails the response. What was said of it stands, an open item as incomplete; one that has ended is
/// given as it is. Without its request one that has no beginning is `NotFound`.
pub async fn abandon(
    journal: &mut Journal,
    request: Option<&Request>,
    now: i64,
    message: String,
) -> Result<Response, StoreError> {
    if let Some(finished) = journal.stored().await?.finished() {
        return Ok(finished.clone());
    }
    let mut response = match (journal.fold().created(), request) {
        (Some(created), _) => created.clone(),
        (None, Some(request)) => enqueue(journal, request, now).await?,
        (None, None) => return Err(StoreError::NotFound(journal.id().clone())),
    };
    let raw_reasoning = request.is_some_and(|request| request.raw_reasoning);
    let view = View { raw_reasoning, ..View::default() };
    let mut written = Written::default();
    Writer::restore(journal.fold(), view, vec![], Marks::default(), &[], |_, _| {})
        .close(ItemStatus::Incomplete, &mut written);
    let Written { mut events, records } = written;
    response.output = journal.fold().items().to_vec();
    response.output.extend(events.iter().filter_map(|event| match event {
        EventKind::OutputItemDone { item, .. } => Some(item.clone()),
        _ => None,
    }));
    response.status = ResponseStatus::Failed;
    response.completed_at = Some(now);
    response.error = Some(ResponseError { code: ErrorCode::ServerError, message: message.clone() });
    let code = Some("server_error".to_owned());
    let kind = "server_error".to_owned();
    let error = ErrorBody { message: message.clone(), kind, param: None, code: code.clone() };
    events.extend([
        EventKind::Error { code, message, param: None, error: Some(error) },
        EventKind::Failed { response: Box::new(response.clone()) },
    ]);
    journal.append(events, crate::run::json(&records), Durability::Power).await?;
    Ok(response)
}
