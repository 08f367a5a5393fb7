//! Recall over past conversations: the stored responses of a tenant, by what was said in them.
//!
//! Nothing is indexed ahead: who never asks pays nothing, and what was deleted is gone. So the newest
//! items are looked through, up to a limit, and whoever asks is told where there are more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ozone_agent::{Request, pro};
use ozone_memory::tool::{Recaller, Recalling, best};
use ozone_memory::{Recalled, Turn, words};
use ozone_store::{Library, Order, Page, StoreError};
use ozone_types::item::Known;
use ozone_types::{Item, ResponseId, Role};

use crate::LOCAL_TENANT;
use crate::conversations::CONVERSATION;
use crate::runs::{ITEM, SERVE};

/// The newest items that are looked through.
const ITEMS_MAX: usize = 10_000;
/// Each may hold pictures.
const ITEMS_AT_ONCE: usize = 32;
/// The newest responses that are looked through for those of `ozone ask`, whose items are not kept
/// apart.
const RESPONSES_MAX: usize = 1_000;
/// So much of each thing that was said is looked at.
const SAID_CHARS_MAX: usize = 4_000;
const TITLE_CHARS_MAX: usize = 80;

/// Finds what this tenant and its models said, but for these items and responses: what the model
/// reads anyway.
pub fn recaller(store: Arc<dyn Library>, tenant: &str, skip: HashSet<String>) -> Recaller {
    let (tenant, skip) = (tenant.to_owned(), Arc::new(skip));
    Arc::new(move |question, limit| {
        let (store, tenant, skip) = (store.clone(), tenant.clone(), skip.clone());
        let finding = async move { recall(&*store, &tenant, &skip, question, limit).await };
        Box::pin(finding) as Recalling
    })
}

/// A question and its answer.
struct Exchange {
    response_id: String,
    user: String,
    assistant: String,
}

async fn recall(
    store: &dyn Library,
    tenant: &str,
    skip: &HashSet<String>,
    question: String,
    limit: usize,
) -> Result<Recalled, StoreError> {
    let (mut exchanges, mut is_partial) = of_items(store, tenant, skip).await?;
    // Without keys the server is one person's, and so is what the command line asked.
    if tenant == LOCAL_TENANT {
        let (more, cut) = of_responses(store, skip).await?;
        exchanges.extend(more);
        is_partial |= cut;
    }
    let ranking = tokio::task::spawn_blocking(move || {
        let texts: Vec<String> =
            exchanges.iter().map(|one| format!("{}\n{}", one.user, one.assistant)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = best(&question, &texts, limit);
        let mut exchanges: Vec<Option<Exchange>> = exchanges.into_iter().map(Some).collect();
        found.into_iter().filter_map(|at| exchanges[at].take()).collect::<Vec<_>>()
    });
    let found = ranking.await.map_err(|e| StoreError::Internal(Box::new(e)))?;
    let mut turns = vec![];
    for exchange in found {
        turns.extend(turn(store, tenant, exchange).await?);
    }
    Ok(Recalled { turns, is_partial })
}

/// With its date and its place. `None` when it was deleted meanwhile.
async fn turn(
    store: &dyn Library,
    tenant: &str,
    exchange: Exchange,
) -> Result<Option<Turn>, StoreError> {
    let Exchange { response_id, user, assistant } = exchange;
    let Ok(id) = response_id.parse::<ResponseId>() else { return Ok(None) };
    let stored = match store.get(&id).await {
        Ok(stored) => stored,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(e) => return Err(e),
    };
    let conversation_id = stored.request[SERVE]["conversation"].as_str().map(str::to_owned);
    let mut title = None;
    if let Some(id) = &conversation_id
        && let Some(conversation) = store.document(CONVERSATION, tenant, id).await?
    {
        title = conversation.body["metadata"]["title"].as_str().map(str::to_owned);
    }
    let first_line = || user.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let title = title.unwrap_or_else(|| first_line().trim().to_owned());
    Ok(Some(Turn {
        date: ozone_cost::civil_date(stored.created_at),
        title: title.chars().take(TITLE_CHARS_MAX).collect(),
        response_id,
        conversation_id,
        user,
        assistant,
    }))
}

fn cut(text: &str) -> String {
    text.chars().take(SAID_CHARS_MAX).collect()
}

/// The responses of a server, newest first, by their items; and whether there are older ones.
async fn of_items(
    store: &dyn Library,
    tenant: &str,
    skip: &HashSet<String>,
) -> Result<(Vec<Exchange>, bool), StoreError> {
    let mut exchanges: Vec<Exchange> = vec![];
    let mut places: HashMap<String, usize> = HashMap::new();
    let (mut after, mut looked_at) = (None, 0);
    loop {
        let page = Page { parent: None, after, order: Order::Descending, limit: ITEMS_AT_ONCE };
        let items = store.documents(ITEM, tenant, &page).await?;
        let is_last = items.len() < ITEMS_AT_ONCE;
        looked_at += items.len();
        after = items.last().map(|item| item.id.clone());
        for document in items {
            if skip.contains(&document.id) || skip.contains(&document.parent) {
                continue;
            }
            let Ok(item) = serde_json::from_value::<Item>(document.body) else { continue };
            let Item::Known(Known::Message { role, content, .. }) = &item else { continue };
            let at = *places.entry(document.parent.clone()).or_insert_with(|| {
                let (user, assistant) = (String::new(), String::new());
                exchanges.push(Exchange { response_id: document.parent, user, assistant });
                exchanges.len() - 1
            });
            let exchange = &mut exchanges[at];
            // Newest first: the answer, what was asked last, and then what a client repeats.
            match role {
                _ if !exchange.user.is_empty() => {}
                Role::User => exchange.user = cut(&words::said([&item]).join("\n")),
                Role::Assistant => {
                    let later = std::mem::take(&mut exchange.assistant);
                    exchange.assistant = cut(&format!("{}{later}", content.joined()));
                }
                Role::System | Role::Developer => {}
            }
        }
        if is_last || looked_at >= ITEMS_MAX {
            return Ok((exchanges, !is_last));
        }
    }
}

/// Those that no server has asked.
async fn of_responses(
    store: &dyn Library,
    skip: &HashSet<String>,
) -> Result<(Vec<Exchange>, bool), StoreError> {
    let newest = store.list(RESPONSES_MAX).await?;
    let is_cut = newest.len() >= RESPONSES_MAX;
    let mut exchanges = vec![];
    for stored in newest {
        let is_own = |request: &serde_json::Value| {
            request.get(SERVE).is_none() && request.get(pro::CHILD_OF).is_none()
        };
        if !is_own(&stored.request) || skip.contains(stored.id.as_str()) {
            continue;
        }
        let Some(last) = store.last_event(&stored.id).await? else { continue };
        let Some(ended) = last.kind.terminal() else { continue };
        let Ok(request) = serde_json::from_value::<Request>(stored.request) else { continue };
        let said = request.memory.map(|memory| memory.said).filter(|said| !said.is_empty());
        let said = said.unwrap_or_else(|| words::said(&request.input));
        exchanges.push(Exchange {
            response_id: stored.id.to_string(),
            user: cut(&said.join("\n")),
            assistant: cut(&ended.output_text()),
        });
    }
    Ok((exchanges, is_cut))
}
