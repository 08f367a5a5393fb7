//! What MCP servers add to a response beside calls: the list of what they offer, which comes before
//! the first sample, and calls that wait for somebody's consent.
//!
//! A call that needs consent ends its response with an `mcp_approval_request`. The next response
//! has the answer in its input: it makes the call before it samples, and the model reads the result
//! where it made the call. A call that was made is in the output with the id of its request, so no
//! consent serves twice.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use ozone_store::{Durability, Journal, StoreError};
use ozone_tools::Shown;
use ozone_types::item::Known;
use ozone_types::{EventKind, Item, ItemId, McpTool, ResponseStatus};
use serde_json::{Map, Value};

use crate::request::Request;

/// Readers hear from a response at least this often (rule S11).
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Shows that a server is asked for its tools, and what it said: items before the first sample. An
/// answer that the journal holds already is given again, and `listing` is not waited for.
///
/// An error is the server's: it stands in its item, and the response goes on without these tools.
pub async fn list_tools(
    journal: &mut Journal,
    request: &Request,
    now: i64,
    server_label: &str,
    listing: impl Future<Output = Result<Vec<McpTool>, String>>,
) -> Result<Result<Vec<McpTool>, String>, StoreError> {
    let is_it = |item: &&Item| {
        matches!(item, Item::Known(Known::McpListTools { server_label: own, .. })
            if own == server_label)
    };
    if let Some(Item::Known(Known::McpListTools { tools, error, .. })) =
        journal.fold().items().iter().find(is_it)
    {
        return Ok(match error {
            None => Ok(tools.clone()),
            Some(error) => Err(text(error)),
        });
    }
    let mut events = vec![];
    let mut response = match journal.fold().created() {
        Some(created) => created.clone(),
        None => {
            let response = request.response(journal.id().clone(), now, &[]);
            events.push(EventKind::Created { response: Box::new(response.clone()) });
            response
        }
    };
    response.status = ResponseStatus::InProgress;
    let in_progress = || EventKind::InProgress { response: Box::new(response.clone()) };
    if !journal.fold().started() {
        events.push(in_progress());
    }
    let open = journal.fold().open().map(|open| &open.item).filter(is_it).and_then(Item::id);
    let output_index = journal.fold().items().len() as u64;
    let item = |id: &ItemId, tools, error| -> Item {
        let (id, server_label) = (id.clone(), server_label.to_owned());
        Known::McpListTools { id, server_label, tools, error }.into()
    };
    let id = match open.and_then(|id| serde_json::from_value(Value::from(id)).ok()) {
        Some(id) => id,
        None => {
            let id = ItemId::mcp_list_tools();
            events.push(EventKind::OutputItemAdded { output_index, item: item(&id, vec![], None) });
            events.push(EventKind::McpListToolsInProgress { item_id: id.clone(), output_index });
            id
        }
    };
    journal.append(events, vec![], Durability::Process).await?;
    let mut listing = std::pin::pin!(listing);
    let listed = loop {
        tokio::select! {
            biased;
            listed = &mut listing => break listed,
            () = tokio::time::sleep(KEEP_ALIVE) => {
                journal.append(vec![in_progress()], vec![], Durability::Process).await?;
            }
        }
    };
    let item_id = id.clone();
    let events = match &listed {
        Ok(tools) => vec![
            EventKind::McpListToolsCompleted { item_id, output_index },
            EventKind::OutputItemDone { output_index, item: item(&id, tools.clone(), None) },
        ],
        Err(why) => vec![
            EventKind::McpListToolsFailed { item_id, output_index },
            EventKind::OutputItemDone {
                output_index,
                item: item(&id, vec![], Some(Value::from(why.as_str()))),
            },
        ],
    };
    journal.append(events, vec![], Durability::Power).await?;
    Ok(listed)
}

/// The newest list of a server among these items: while a conversation holds one, the server is not
/// asked again.
pub fn known_tools<'a>(
    items: impl DoubleEndedIterator<Item = &'a Item>,
    server_label: &str,
) -> Option<&'a [McpTool]> {
    items.rev().find_map(|item| match item {
        Item::Known(Known::McpListTools { server_label: own, tools, error: None, .. })
            if own == server_label =>
        {
            Some(tools.as_slice())
        }
        _ => None,
    })
}

/// A call that somebody agreed to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Approved {
    pub request_id: String,
    pub server_label: String,
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

impl Approved {
    pub fn shown(&self) -> Shown {
        Shown::McpCall { server_label: self.server_label.clone(), name: self.name.clone() }
    }
}

/// What `input` agrees to, in its order, but for calls that were made.
pub(crate) fn approved<'a>(input: &[Item], items: impl Iterator<Item = &'a Item>) -> Vec<Approved> {
    let (mut asked, mut made) = (HashMap::new(), vec![]);
    for item in items {
        match item {
            Item::Known(Known::McpApprovalRequest { id, server_label, name, arguments }) => {
                asked.insert(id.as_str(), (server_label, name, arguments));
            }
            Item::Known(Known::McpCall { approval_request_id: Some(id), .. }) => {
                made.push(id.as_str());
            }
            _ => {}
        }
    }
    let mut approved: Vec<Approved> = vec![];
    for item in input {
        let Item::Known(Known::McpApprovalResponse {
            approval_request_id: id, approve: true, ..
        }) = item
        else {
            continue;
        };
        let Some((server_label, name, arguments)) = asked.get(id.as_str()) else { continue };
        if made.contains(&id.as_str()) || approved.iter().any(|a| a.request_id == *id) {
            continue;
        }
        approved.push(Approved {
            request_id: id.clone(),
            server_label: server_label.to_string(),
            name: name.to_string(),
            arguments: arguments.to_string(),
        });
    }
    approved
}

/// What the model reads of each call that somebody was asked about, by the id of the request.
pub(crate) fn answers(items: &[&Item]) -> HashMap<String, String> {
    let mut answers = HashMap::new();
    for item in items {
        match item {
            Item::Known(Known::McpApprovalResponse {
                approval_request_id,
                approve: false,
                reason,
                ..
            }) => {
                let mut answer = "not run: the user did not agree to this call".to_owned();
                if let Some(reason) = reason.as_deref().filter(|r| !r.trim().is_empty()) {
                    answer.push_str(&format!("; the reason given: {reason}"));
                }
                answers.insert(approval_request_id.clone(), answer);
            }
            Item::Known(Known::McpCall {
                approval_request_id: Some(id), output, error, ..
            }) => {
                answers.insert(id.clone(), result(output.as_deref(), error.as_ref()));
            }
            _ => {}
        }
    }
    answers
}

/// The first answer that nobody asked for.
pub(crate) fn unasked<'a>(items: impl Iterator<Item = &'a Item>) -> Option<String> {
    let mut asked: Vec<&str> = vec![];
    for item in items {
        match item {
            Item::Known(Known::McpApprovalRequest { id, .. }) => asked.push(id.as_str()),
            Item::Known(Known::McpApprovalResponse { approval_request_id: id, .. })
                if !asked.contains(&id.as_str()) =>
            {
                return Some(id.chars().take(80).collect());
            }
            _ => {}
        }
    }
    None
}

/// What a response's output holds before its first sample, and the model reads.
pub(crate) fn is_prelude(item: &Item) -> bool {
    was_approved(item) || matches!(item, Item::Known(Known::McpListTools { error: Some(_), .. }))
}

/// A call that somebody agreed to.
pub(crate) fn was_approved(item: &Item) -> bool {
    matches!(item, Item::Known(Known::McpCall { approval_request_id: Some(_), .. }))
}

pub(crate) fn is_tool(shown: &Shown, server_label: &str, name: &str) -> bool {
    matches!(shown, Shown::McpCall { server_label: label, name: own }
        if label == server_label && own == name)
}

pub(crate) fn is_object(arguments: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(arguments).is_ok()
}

/// What a call gave, for the model.
pub(crate) fn result(output: Option<&str>, error: Option<&Value>) -> String {
    output.map(str::to_owned).or_else(|| error.map(text)).unwrap_or_default()
}

/// An error as text: other servers write objects.
pub(crate) fn text(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
