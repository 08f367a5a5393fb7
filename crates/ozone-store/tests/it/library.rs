//! One suite for both libraries: documents, bytes, and what a restart finds.

use std::sync::Arc;

use ozone_store::{
    Append, Change, Document, Library, MemoryStore, Order, Owner, Page, SqliteStore, StoreError,
    Stored,
};
use ozone_types::{ResponseId, ResponseStatus};
use serde_json::{Value, json};

use crate::{append, completed, created, new, numbered};

/// Each test runs on both stores.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod memory { $( #[tokio::test] async fn $name() {
            super::$name(std::sync::Arc::new(super::MemoryStore::default())).await;
        } )* }
        mod sqlite { $( #[tokio::test] async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let store = super::SqliteStore::open(&folder.path().join("test.db")).unwrap();
            super::$name(std::sync::Arc::new(store)).await;
        } )* }
    };
}

on_both! {
    a_document_belongs_to_its_tenant
    a_list_is_paged_in_both_orders
    a_replaced_document_keeps_its_place
    children_go_together
    bytes_are_given_back
    what_has_not_ended_is_found_with_its_owner
    a_deleted_response_is_gone_with_its_journal
    the_last_event_is_the_newest
    a_chain_is_read_from_its_newest_end
}

fn put(tenant: &str, id: &str, parent: &str, body: Value) -> Change {
    Change::Put(Document {
        kind: "note".into(),
        tenant: tenant.into(),
        id: id.into(),
        parent: parent.into(),
        body,
    })
}

async fn ids(store: &dyn Library, page: Page) -> Vec<String> {
    let page = store.documents("note", "ann", &page).await.unwrap();
    page.into_iter().map(|d| d.id).collect()
}

fn page(parent: Option<&str>, after: Option<&str>, order: Order, limit: usize) -> Page {
    Page { parent: parent.map(str::to_owned), after: after.map(str::to_owned), order, limit }
}

async fn a_document_belongs_to_its_tenant(store: Arc<dyn Library>) {
    let changes = vec![put("ann", "a", "", json!({"n": 1})), put("bob", "a", "", json!({"n": 2}))];
    store.apply(changes).await.unwrap();
    let body = |d: Option<Document>| d.map(|d| d.body);
    assert_eq!(body(store.document("note", "ann", "a").await.unwrap()), Some(json!({"n": 1})));
    assert_eq!(body(store.document("note", "bob", "a").await.unwrap()), Some(json!({"n": 2})));
    assert_eq!(body(store.document("note", "eve", "a").await.unwrap()), None);
    assert_eq!(body(store.document("list", "ann", "a").await.unwrap()), None);
    assert_eq!(store.all_documents("note").await.unwrap().len(), 2);
}

async fn a_list_is_paged_in_both_orders(store: Arc<dyn Library>) {
    let all =
        ["a", "b", "c", "d"].map(|id| put("ann", id, if id == "d" { "q" } else { "p" }, json!(0)));
    store.apply(all.into()).await.unwrap();
    use Order::{Ascending, Descending};
    assert_eq!(ids(&*store, page(None, None, Ascending, 2)).await, ["a", "b"]);
    assert_eq!(ids(&*store, page(None, Some("b"), Ascending, 9)).await, ["c", "d"]);
    assert_eq!(ids(&*store, page(Some("p"), None, Descending, 2)).await, ["c", "b"]);
    assert_eq!(ids(&*store, page(Some("p"), Some("b"), Descending, 9)).await, ["a"]);
    assert!(ids(&*store, page(None, Some("none"), Ascending, 9)).await.is_empty());
}

async fn a_replaced_document_keeps_its_place(store: Arc<dyn Library>) {
    store.apply(["a", "b"].map(|id| put("ann", id, "", json!(1))).into()).await.unwrap();
    store.apply(vec![put("ann", "a", "", json!(2))]).await.unwrap();
    assert_eq!(ids(&*store, page(None, None, Order::Ascending, 9)).await, ["a", "b"]);
    assert_eq!(store.document("note", "ann", "a").await.unwrap().unwrap().body, json!(2));
}

async fn children_go_together(store: Arc<dyn Library>) {
    let notes = vec![
        put("ann", "a", "p", json!(1)),
        put("ann", "b", "p", json!(1)),
        put("ann", "c", "q", json!(1)),
    ];
    store.apply(notes).await.unwrap();
    let (kind, tenant) = ("note".to_owned(), "ann".to_owned());
    let parent = "p".to_owned();
    store
        .apply(vec![Change::DeleteChildren { kind: kind.clone(), tenant: tenant.clone(), parent }])
        .await
        .unwrap();
    assert_eq!(ids(&*store, page(None, None, Order::Ascending, 9)).await, ["c"]);
    store.apply(vec![Change::Delete { kind, tenant, id: "c".into() }]).await.unwrap();
    assert!(ids(&*store, page(None, None, Order::Ascending, 9)).await.is_empty());
}

async fn bytes_are_given_back(store: Arc<dyn Library>) {
    let bytes: Vec<u8> = (0..=255).collect();
    let id = || "file-1".to_owned();
    store.apply(vec![Change::PutBytes { id: id(), bytes: bytes.clone() }]).await.unwrap();
    assert_eq!(store.bytes("file-1").await.unwrap(), Some(bytes));
    store.apply(vec![Change::DeleteBytes { id: id() }]).await.unwrap();
    assert_eq!(store.bytes("file-1").await.unwrap(), None);
}

async fn what_has_not_ended_is_found_with_its_owner(store: Arc<dyn Library>) {
    let (ended, running, waiting) = (new(&*store).await, new(&*store).await, new(&*store).await);
    append(&*store, &ended, numbered(0, vec![created(&ended), completed(&ended)])).await.unwrap();
    let owner = Owner { process: "b:1:1".into() };
    store.claim(&running, owner.clone(), |_| true).await.unwrap();
    let found: Vec<(ResponseId, Option<Owner>)> =
        store.unfinished().await.unwrap().into_iter().map(|u| (u.stored.id, u.owner)).collect();
    assert_eq!(found, [(running, Some(owner)), (waiting, None)]);
}

async fn a_deleted_response_is_gone_with_its_journal(store: Arc<dyn Library>) {
    let id = new(&*store).await;
    append(&*store, &id, numbered(0, vec![created(&id)])).await.unwrap();
    store.delete(&id).await.unwrap();
    assert!(matches!(store.get(&id).await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.delete(&id).await, Err(StoreError::NotFound(_))));
    assert!(store.events(&id, 0, 9).await.unwrap_or_default().is_empty());
}

async fn the_last_event_is_the_newest(store: Arc<dyn Library>) {
    let id = new(&*store).await;
    assert_eq!(store.last_event(&id).await.unwrap(), None);
    append(&*store, &id, numbered(0, vec![created(&id), completed(&id)])).await.unwrap();
    let last = store.last_event(&id).await.unwrap().unwrap();
    assert_eq!((last.sequence_number, last.kind.name()), (1, "response.completed"));
}

fn before(stored: &Stored) -> Option<ResponseId> {
    stored.request["before"].as_str()?.parse().ok()
}

async fn a_chain_is_read_from_its_newest_end(store: Arc<dyn Library>) {
    let ids: Vec<ResponseId> = (0..4).map(|_| ResponseId::mint()).collect();
    for (index, id) in ids.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| ids[before].as_str());
        let stored = Stored {
            id: id.clone(),
            created_at: 1,
            status: ResponseStatus::InProgress,
            model: "m".into(),
            request: json!({ "before": before }),
        };
        store.create(stored).await.unwrap();
        append(&*store, id, numbered(0, vec![created(id), completed(id)])).await.unwrap();
        let records = vec![json!({ "n": index })];
        append(&*store, id, Append { records, ..Append::default() }).await.unwrap();
    }
    let read = async |limit| {
        let links = store.chain(&ids[3], before, limit).await.unwrap();
        assert!(links.iter().all(|l| l.last.as_ref().is_some_and(|e| e.sequence_number == 1)));
        let numbers = links.iter().map(|l| l.records[0]["n"].as_u64().unwrap());
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(read(10).await, [3, 2, 1, 0]);
    assert_eq!(read(2).await, [3, 2]);
    store.delete(&ids[1]).await.unwrap();
    assert_eq!(read(10).await, [3, 2]);
    assert!(store.chain(&ResponseId::mint(), before, 10).await.unwrap().is_empty());
}
