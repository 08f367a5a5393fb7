//! The tables, and how a file of an earlier version comes to have them.

use rusqlite::{Connection, TransactionBehavior};

use crate::{ledger, passages};

/// Rows that may be large stand in tables by their number, with an index over what they are asked
/// by: the tree that is searched stays flat, and what is appended to many journals at once comes to
/// the same pages. The records of a step stand beside its first event, so that a token is one row:
/// `records` is a list, and `records_end` the number behind its last one; the records of a step
/// without events have a table of their own.
const SCHEMA: &str = "
create table if not exists responses (
    number integer primary key,
    id text not null unique,
    created_at integer not null,
    status text not null,
    model text not null,
    request text not null,
    owner text
);
create index if not exists responses_by_time on responses (created_at, id);
create index if not exists responses_unfinished on responses (created_at, id)
    where status in ('\"queued\"', '\"in_progress\"');
create table if not exists events (
    number integer primary key,
    response_id text not null,
    sequence_number integer not null,
    body text not null,
    records text,
    records_end integer,
    unique (response_id, sequence_number)
);
create table if not exists records (
    response_id text not null,
    number integer not null,
    body text not null,
    primary key (response_id, number)
) without rowid;
create table if not exists documents (
    number integer primary key autoincrement,
    kind text not null,
    tenant text not null,
    id text not null,
    parent text not null,
    body text not null,
    unique (kind, tenant, id)
);
create index if not exists documents_by_parent on documents (kind, tenant, parent, number);
create table if not exists bytes (
    id text primary key,
    body blob not null
);
";

/// Versions 1 and 2 had the rows in the trees that were searched. Around [`SCHEMA`].
const BEFORE_3: &str = "
drop index if exists responses_by_time;
drop index if exists responses_unfinished;
alter table responses rename to earlier_responses;
alter table events rename to earlier_events;
";
const AFTER_3: &str = "
insert into responses (id, created_at, status, model, request, owner)
    select id, created_at, status, model, request, owner from earlier_responses order by id;
insert into events (response_id, sequence_number, body)
    select response_id, sequence_number, body from earlier_events
    order by response_id, sequence_number;
drop table earlier_responses;
drop table earlier_events;
";

/// Version of the schema, kept in the file's `user_version`.
pub const VERSION: i64 = 3;

/// Brings the file to this version; gives the version that it has: one that is newer is left alone.
pub fn bring(connection: &mut Connection) -> rusqlite::Result<i64> {
    let mut version = version_of(connection)?;
    if version < VERSION {
        // Another process may come first.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        version = version_of(&tx)?;
        if version < VERSION {
            let is_earlier = version > 0;
            tx.execute_batch(if is_earlier { BEFORE_3 } else { "" })?;
            tx.execute_batch(SCHEMA)?;
            tx.execute_batch(if is_earlier { AFTER_3 } else { "" })?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        tx.commit()?;
    }
    if version <= VERSION {
        connection.execute_batch(ledger::SCHEMA)?;
        passages::sql::prepare(connection)?;
    }
    Ok(version)
}

fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}
