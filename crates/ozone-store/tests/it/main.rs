//! One suite for both stores.

mod library;

use std::sync::Arc;

use ozone_store::{
    Append, Durability, Journal, Library, MemoryStore, Owner, Reader, SqliteStore, Store,
    StoreError, Stored,
};
use ozone_types::{Event, EventKind, ResponseId, ResponseStatus};
use serde_json::json;

/// Each test runs on both stores.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident)*) => {
        mod memory { $( $(#[$doc])* #[tokio::test] async fn $name() {
            super::$name(std::sync::Arc::new(super::MemoryStore::default())).await;
        } )* }
        mod sqlite { $( $(#[$doc])* #[tokio::test] async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let store = super::SqliteStore::open(&folder.path().join("test.db")).unwrap();
            super::$name(std::sync::Arc::new(store)).await;
        } )* }
    };
}

// Behind the macro, which it uses too.
mod ledger;
mod passages;

on_both! {
    what_was_appended_is_read_in_order
    an_append_with_a_gap_is_refused_whole
    a_terminal_event_sets_the_status
    an_unknown_response_is_not_found
    a_response_is_created_once
    the_newest_come_first
    a_live_owner_keeps_others_out
    a_reader_follows_until_the_end
    a_reader_ends_when_the_writer_is_gone
    a_stored_journal_is_read_to_its_end
    a_journal_refuses_what_breaks_the_rules
    a_reader_that_fell_far_behind_misses_nothing
    a_refused_append_undoes_no_other
    a_response_is_created_with_its_owner
    records_keep_their_order_with_events_and_without
}

fn stored(id: &ResponseId, created_at: i64) -> Stored {
    Stored {
        id: id.clone(),
        created_at,
        status: ResponseStatus::InProgress,
        model: "m".into(),
        request: json!({"input": "?"}),
    }
}

async fn new<S: Store + ?Sized>(store: &S) -> ResponseId {
    let id = ResponseId::mint();
    store.create(stored(&id, 1)).await.unwrap();
    id
}

fn response(id: &ResponseId, status: ResponseStatus) -> Box<ozone_types::Response> {
    Box::new(
        serde_json::from_value(json!({
            "id": id, "object": "response", "created_at": 1, "completed_at": null,
            "status": status, "background": false, "error": null, "incomplete_details": null,
            "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "model": "m",
            "output": [], "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": null, "mode": "standard", "summary": null}, "service_tier": "default",
            "store": true, "temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0,
            "frequency_penalty": 0.0, "top_logprobs": 0, "text": {}, "tool_choice": "auto",
            "tools": [], "truncation": "disabled", "metadata": {}, "usage": null
        }))
        .unwrap(),
    )
}

fn created(id: &ResponseId) -> EventKind {
    EventKind::Created { response: response(id, ResponseStatus::InProgress) }
}

fn completed(id: &ResponseId) -> EventKind {
    EventKind::Completed { response: response(id, ResponseStatus::Completed) }
}

fn numbered(from: u64, kinds: Vec<EventKind>) -> Append {
    let events = (from..).zip(kinds).map(|(sequence_number, kind)| Event { kind, sequence_number });
    Append { events: events.collect(), ..Append::default() }
}

async fn append<S: Store + ?Sized>(
    store: &S,
    id: &ResponseId,
    append: Append,
) -> Result<(), StoreError> {
    store.append(id, append, Durability::Power).await
}

async fn what_was_appended_is_read_in_order(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let first = numbered(0, vec![created(&id)]);
    let second = Append { records: vec![json!({"n": 1}), json!({"n": 2})], ..Append::default() };
    let third = numbered(1, vec![completed(&id)]);
    for part in [first.clone(), second, third.clone()] {
        append(&*store, &id, part).await.unwrap();
    }
    let all = store.events(&id, 0, 10).await.unwrap();
    assert_eq!(all, [first.events, third.events.clone()].concat());
    assert_eq!(store.events(&id, 1, 10).await.unwrap(), third.events);
    assert_eq!(store.events(&id, 0, 1).await.unwrap().len(), 1);
    assert_eq!(store.records(&id).await.unwrap(), [json!({"n": 1}), json!({"n": 2})]);
}

async fn an_append_with_a_gap_is_refused_whole(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let mut bad = numbered(0, vec![created(&id), completed(&id)]);
    bad.events[1].sequence_number = 5;
    let error = append(&*store, &id, bad).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { expected: 1, .. }), "{error}");
    assert!(store.events(&id, 0, 10).await.unwrap().is_empty());
    assert_eq!(store.get(&id).await.unwrap().status, ResponseStatus::InProgress);
}

async fn a_terminal_event_sets_the_status(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    append(&*store, &id, numbered(0, vec![created(&id), completed(&id)])).await.unwrap();
    assert_eq!(store.get(&id).await.unwrap().status, ResponseStatus::Completed);
}

async fn an_unknown_response_is_not_found(store: Arc<dyn Store>) {
    let id = ResponseId::mint();
    let errors = [
        store.get(&id).await.err(),
        append(&*store, &id, numbered(0, vec![created(&id)])).await.err(),
        store.claim(&id, Owner::this_process(), Owner::is_alive).await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(StoreError::NotFound(_))), "{error:?}");
    }
}

async fn a_response_is_created_once(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let error = store.create(stored(&id, 2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists(_)));
    assert_eq!(store.get(&id).await.unwrap().created_at, 1);
}

async fn the_newest_come_first(store: Arc<dyn Store>) {
    for created_at in [5, 9, 7] {
        store.create(stored(&ResponseId::mint(), created_at)).await.unwrap();
    }
    let times: Vec<i64> = store.list(2).await.unwrap().into_iter().map(|s| s.created_at).collect();
    assert_eq!(times, [9, 7]);
}

async fn a_live_owner_keeps_others_out(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let (one, two) = (Owner { process: "b:1:1".into() }, Owner { process: "b:2:2".into() });
    store.claim(&id, one.clone(), |_| true).await.unwrap();
    store.claim(&id, one.clone(), |_| true).await.unwrap();
    let error = store.claim(&id, two.clone(), |_| true).await.unwrap_err();
    assert!(matches!(error, StoreError::Leased { .. }));
    store.claim(&id, two, |_| false).await.unwrap();
}

async fn a_reader_follows_until_the_end(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let mut journal = Journal::open(store, id.clone()).await.unwrap();
    let mut lines = journal.lines(0);
    let reader = tokio::spawn(async move {
        let mut names = vec![];
        while let Some(event) = lines.next().await.unwrap() {
            names.push(event.kind.name());
        }
        names
    });
    journal.append(vec![created(&id)], vec![], Durability::Process).await.unwrap();
    tokio::task::yield_now().await;
    journal.append(vec![completed(&id)], vec![], Durability::Process).await.unwrap();
    assert_eq!(reader.await.unwrap(), ["response.created", "response.completed"]);
}

async fn a_reader_ends_when_the_writer_is_gone(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let mut journal = Journal::open(store, id.clone()).await.unwrap();
    journal.append(vec![created(&id)], vec![], Durability::Process).await.unwrap();
    let mut lines = journal.lines(0);
    drop(journal);
    assert!(lines.next().await.unwrap().is_some());
    assert!(lines.next().await.unwrap().is_none());
}

async fn a_stored_journal_is_read_to_its_end(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    append(&*store, &id, numbered(0, vec![created(&id), completed(&id)])).await.unwrap();
    let reader = Reader::of_stored(store, id);
    let mut lines = reader.lines(1);
    assert_eq!(lines.next().await.unwrap().unwrap().sequence_number, 1);
    assert!(lines.next().await.unwrap().is_none());
    assert!(reader.fold().await.unwrap().finished().is_some());
}

async fn a_journal_refuses_what_breaks_the_rules(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let mut journal = Journal::open(store.clone(), id.clone()).await.unwrap();
    let delta = EventKind::OutputTextDelta {
        item_id: ozone_types::ItemId::message(),
        output_index: 0,
        content_index: 0,
        delta: "x".into(),
        logprobs: vec![],
    };
    journal.append(vec![created(&id), delta], vec![], Durability::Process).await.unwrap_err();
    assert!(store.events(&id, 0, 10).await.unwrap().is_empty());
    journal.append(vec![created(&id), completed(&id)], vec![], Durability::Process).await.unwrap();
    assert_eq!(store.events(&id, 0, 10).await.unwrap().len(), 2);
}

/// More events than a journal keeps at hand.
async fn a_reader_that_fell_far_behind_misses_nothing(store: Arc<dyn Store>) {
    const WAITING: u64 = 300;
    let id = new(&*store).await;
    let mut journal = Journal::new(store, id.clone());
    let mut lines = journal.lines(0);
    journal.append(vec![created(&id)], vec![], Durability::Process).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().sequence_number, 0);
    let waiting = || EventKind::InProgress { response: response(&id, ResponseStatus::InProgress) };
    for _ in 0..WAITING {
        journal.append(vec![waiting()], vec![], Durability::Process).await.unwrap();
    }
    journal.append(vec![completed(&id)], vec![], Durability::Process).await.unwrap();
    let mut late = journal.lines(WAITING - 1);
    for lines in [&mut lines, &mut late] {
        let mut numbers = vec![];
        while let Some(event) = lines.next().await.unwrap() {
            numbers.push(event.sequence_number);
        }
        let first = numbers[0];
        assert_eq!(numbers, (first..=WAITING + 1).collect::<Vec<_>>());
        assert!([1, WAITING - 1].contains(&first));
    }
}

/// Appends that come at once may share a transaction.
async fn a_refused_append_undoes_no_other(store: Arc<dyn Store>) {
    let ids = futures::future::join_all((0..40).map(|_| new(&*store))).await;
    let appends = ids.iter().enumerate().map(|(index, id)| {
        let from = if index % 3 == 0 { 7 } else { 0 };
        append(&*store, id, numbered(from, vec![created(id)]))
    });
    let done = futures::future::join_all(appends).await;
    for (index, (id, done)) in ids.iter().zip(done).enumerate() {
        let is_refused = index % 3 == 0;
        assert_eq!(matches!(done, Err(StoreError::Conflict { .. })), is_refused, "{done:?}");
        let stored = store.events(id, 0, 10).await.unwrap();
        assert_eq!(stored.len(), usize::from(!is_refused));
    }
}

async fn a_response_is_created_with_its_owner(store: Arc<dyn Store>) {
    let id = ResponseId::mint();
    let (one, two) = (Owner { process: "b:1:1".into() }, Owner { process: "b:2:2".into() });
    store.create_owned(stored(&id, 1), one).await.unwrap();
    let error = store.claim(&id, two, |_| true).await.unwrap_err();
    assert!(matches!(error, StoreError::Leased { .. }), "{error}");
}

async fn records_keep_their_order_with_events_and_without(store: Arc<dyn Store>) {
    let id = new(&*store).await;
    let with = |events: Append, numbers: &[u64]| Append {
        records: numbers.iter().map(|n| json!({ "n": n })).collect(),
        ..events
    };
    let alone = Append::default;
    let waiting = EventKind::InProgress { response: response(&id, ResponseStatus::InProgress) };
    append(&*store, &id, with(alone(), &[0])).await.unwrap();
    append(&*store, &id, with(numbered(0, vec![created(&id), waiting]), &[1, 2])).await.unwrap();
    append(&*store, &id, with(alone(), &[3])).await.unwrap();
    append(&*store, &id, with(numbered(7, vec![completed(&id)]), &[9])).await.unwrap_err();
    append(&*store, &id, with(alone(), &[4, 5])).await.unwrap();
    append(&*store, &id, with(numbered(2, vec![completed(&id)]), &[6])).await.unwrap();
    let numbers: Vec<_> = (0..7).map(|n| json!({ "n": n })).collect();
    assert_eq!(store.records(&id).await.unwrap(), numbers);
}

/// What was acknowledged is in the file, and closing it loses nothing.
#[tokio::test]
async fn a_database_that_is_opened_again_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = SqliteStore::open(&path).unwrap();
    let id = new(&store).await;
    append(&store, &id, numbered(0, vec![created(&id)])).await.unwrap();
    let later = numbered(1, vec![completed(&id)]);
    store.append(&id, later, Durability::Process).await.unwrap();
    // The files as a killed process leaves them.
    let (other, suffixes) = (folder.path().join("other.db"), ["", "-wal"]);
    for suffix in suffixes {
        let name = |file: &str| folder.path().join(format!("{file}.db{suffix}"));
        std::fs::copy(name("test"), name("other")).unwrap();
    }
    drop(store);
    for path in [path, other] {
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.events(&id, 0, 10).await.unwrap().len(), 2);
        assert_eq!(store.get(&id).await.unwrap().status, ResponseStatus::Completed);
    }
}

/// Two processes with the database open: the second sees what the first wrote.
#[tokio::test]
async fn another_process_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let (one, two) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let id = new(&one).await;
    append(&one, &id, numbered(0, vec![created(&id)])).await.unwrap();
    assert_eq!(two.events(&id, 0, 10).await.unwrap().len(), 1);
}

/// Who has just written knows where a journal ends, until another process writes it.
#[tokio::test]
async fn a_writer_sees_what_another_process_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let (one, two) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let id = new(&one).await;
    let waiting = |from| {
        let response = response(&id, ResponseStatus::InProgress);
        numbered(from, vec![EventKind::InProgress { response }])
    };
    append(&one, &id, numbered(0, vec![created(&id)])).await.unwrap();
    append(&two, &id, waiting(1)).await.unwrap();
    let error = append(&one, &id, waiting(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { expected: 2, .. }), "{error}");
    append(&one, &id, waiting(2)).await.unwrap();
    two.delete(&id).await.unwrap();
    let error = append(&one, &id, waiting(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)), "{error}");
    assert!(one.events(&id, 0, 10).await.unwrap().is_empty());
}

/// As version 2 made it.
const VERSION_2: &str = "
pragma journal_mode = wal;
create table responses (
    id text primary key, created_at integer not null, status text not null, model text not null,
    request text not null, owner text
) without rowid;
create index responses_by_time on responses (created_at);
create table events (
    response_id text not null, sequence_number integer not null, body text not null,
    primary key (response_id, sequence_number)
) without rowid;
create table records (
    response_id text not null, number integer not null, body text not null,
    primary key (response_id, number)
) without rowid;
create table documents (
    number integer primary key autoincrement, kind text not null, tenant text not null,
    id text not null, parent text not null, body text not null, unique (kind, tenant, id)
);
create index documents_by_parent on documents (kind, tenant, parent, number);
create table bytes (id text primary key, body blob not null);
create index responses_unfinished on responses (created_at)
    where status in ('\"queued\"', '\"in_progress\"');
pragma user_version = 2;
";

#[tokio::test]
async fn a_database_of_an_earlier_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let id = ResponseId::mint();
    let first = numbered(0, vec![created(&id)]).events;
    let earlier = rusqlite::Connection::open(&path).unwrap();
    earlier.execute_batch(VERSION_2).unwrap();
    let sql = "insert into responses values (?1, 1, '\"in_progress\"', 'm', '{}', 'b:1:1')";
    earlier.execute(sql, [id.as_str()]).unwrap();
    let sql = "insert into events values (?1, 0, ?2)";
    earlier.execute(sql, [id.as_str(), &serde_json::to_string(&first[0]).unwrap()]).unwrap();
    let sql = "insert into records values (?1, 0, '{\"n\":0}')";
    earlier.execute(sql, [id.as_str()]).unwrap();
    drop(earlier);
    for _ in 0..2 {
        let store = SqliteStore::open(&path).unwrap();
        let unfinished = store.unfinished().await.unwrap();
        assert_eq!(unfinished[0].owner, Some(Owner { process: "b:1:1".into() }));
        assert_eq!(store.events(&id, 0, 10).await.unwrap(), first);
    }
    let store = SqliteStore::open(&path).unwrap();
    let last = Append { records: vec![json!({"n": 1})], ..numbered(1, vec![completed(&id)]) };
    append(&store, &id, last.clone()).await.unwrap();
    assert_eq!(store.events(&id, 0, 10).await.unwrap(), [first, last.events].concat());
    assert_eq!(store.records(&id).await.unwrap(), [json!({"n": 0}), json!({"n": 1})]);
    assert!(store.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    std::fs::write(&path, b"this is no database, and long enough to be looked at".repeat(40))
        .unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let error = SqliteStore::open(&folder.path().join("no/such/folder.db")).err().unwrap();
    assert!(matches!(error, StoreError::Unwritable { .. }), "{error}");
}

/// A writer waits for another process, but not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_process_holds_locked_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = SqliteStore::open(&path).unwrap();
    let id = new(&store).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let error = append(&store, &id, numbered(0, vec![created(&id)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(store.events(&id, 0, 10).await.unwrap().is_empty(), "readers do not wait");
    let waits = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move { append(&store, &id, numbered(0, vec![created(&id)])).await }
    });
    tokio::task::yield_now().await;
    other.execute_batch("rollback").unwrap();
    waits.await.unwrap().unwrap();
    assert_eq!(store.events(&id, 0, 10).await.unwrap().len(), 1);
}

#[test]
fn this_process_is_alive_and_another_boot_is_not() {
    assert!(Owner::this_process().is_alive());
    assert!(!Owner { process: "other-boot:1:1".into() }.is_alive());
    assert!(!Owner { process: String::new() }.is_alive());
}
