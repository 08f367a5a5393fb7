//! The ledger and the budgets, beside the journals.
//!
//! A line of a call is written in the same transaction as the step that it is for
//! ([`crate::Journal::charge`]); its key makes it one line however often the step is run again.
//! Budgets count in whole 10⁻⁹ dollars, rounded up: a limit never lets more through than it says.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ozone_cost::{Alert, Amount, Budget, LedgerLine, LedgerQuery, Reservation, Reserved, Standing};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::sqlite::Failure;
use crate::{MemoryStore, SqliteStore, StoreError};

/// What was spent, and what may be.
///
/// All methods may be called from any thread and any process at once: a reservation is decided in
/// one transaction, so that reservations that run at once never exceed a limit together.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Writes lines that belong to no step of a journal. A line whose key is known is left as it
    /// is.
    async fn charge(&self, lines: Vec<LedgerLine>) -> Result<(), StoreError>;

    /// The lines that the query asks for, oldest first.
    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerLine>, StoreError>;

    /// Takes room in all of the reservation's budgets, or in none.
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError>;

    /// The call is over and cost this. It counts in full, also when the lease had lapsed. Gives the
    /// alerts that this made due; they are kept.
    async fn settle(
        &self,
        of: &Reservation,
        cost: Amount,
        at: i64,
    ) -> Result<Vec<Alert>, StoreError>;

    /// The call was not made.
    async fn release(&self, id: &str) -> Result<(), StoreError>;

    async fn standing(&self, budget: &Budget, at: i64) -> Result<Standing, StoreError>;

    /// Counts what was spent before there was this budget. What it counts already is left alone.
    async fn adopt(&self, budget: &Budget, spent: Vec<Spent>) -> Result<(), StoreError>;

    /// The newest `limit` alerts, newest first.
    async fn alerts(&self, limit: usize) -> Result<Vec<Alert>, StoreError>;
}

/// A call that was settled: the id of its reservation, what it cost, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub id: String,
    pub amount: Amount,
    pub at: i64,
}

/// Added to every database; older programs leave it alone.
pub(crate) const SCHEMA: &str = "
create table if not exists ledger (
    response_id text not null,
    call text not null,
    at integer not null,
    parent text,
    kind text not null,
    name text not null,
    api_key text not null,
    project text not null,
    body text not null,
    primary key (response_id, call)
) without rowid;
create index if not exists ledger_by_time on ledger (at);
create index if not exists ledger_by_parent on ledger (parent) where parent is not null;
create table if not exists spending (
    scope text not null,
    id text not null,
    at integer not null,
    nano_usd integer not null,
    lease_until integer,
    primary key (scope, id)
) without rowid;
create index if not exists spending_in_time on spending (scope, at, lease_until, nano_usd);
create index if not exists spending_held on spending (scope, lease_until, nano_usd)
    where lease_until is not null;
create index if not exists spending_by_id on spending (id);
create table if not exists alerts (
    scope text not null,
    counted text not null,
    percent integer not null,
    since integer not null,
    at integer not null,
    body text not null,
    primary key (scope, counted, percent, since)
) without rowid;
create index if not exists alerts_by_time on alerts (at);
";

/// Within the journal's transaction.
pub(crate) fn insert(tx: &Connection, lines: &[LedgerLine]) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut insert = tx.prepare_cached(
        "insert or ignore into ledger values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for line in lines {
        insert.execute(params![
            line.response_id,
            line.call,
            line.at,
            line.parent,
            serde_json::to_string(&line.kind)?,
            line.name,
            line.payer.key,
            line.payer.project,
            serde_json::to_string(line)?,
        ])?;
    }
    Ok(())
}

fn select(connection: &Connection, query: &LedgerQuery) -> Result<Vec<LedgerLine>, Failure> {
    // Only what is asked stands in the statement, so that its index is used.
    let mut sql = String::from("select body from ledger where 1");
    let mut values: Vec<Value> = vec![];
    let mut also = |clause: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" and {clause} ?{}", values.len()));
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let kind = query.kind.map(|kind| serde_json::to_string(&kind)).transpose()?;
    also("at >=", query.from.map(Value::Integer));
    also("at <", query.to.map(Value::Integer));
    also("response_id =", text(&query.response_id));
    also("parent =", text(&query.parent));
    also("kind =", kind.map(Value::Text));
    also("name =", text(&query.name));
    also("api_key =", text(&query.key));
    also("project =", text(&query.project));
    sql.push_str(" order by at, response_id, call");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
    rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
}

/// A call that still runs will end now or later: it counts whenever it began.
fn standing(connection: &Connection, budget: &Budget, at: i64) -> Result<Standing, Failure> {
    let mut statement = connection.prepare_cached(
        "select
            (select coalesce(sum(nano_usd), 0) from spending
             where scope = ?1 and at >= ?2 and lease_until is null),
            (select coalesce(sum(nano_usd), 0) from spending
             where scope = ?1 and lease_until > ?3)",
    )?;
    let since = budget.over.since(at);
    let (spent, reserved) = statement
        .query_row(params![budget.scope, since, at], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(standing_of(budget, spent, reserved))
}

fn standing_of(budget: &Budget, spent: i64, reserved: i64) -> Standing {
    let (spent, reserved) = (Amount::from_nano(spent), Amount::from_nano(reserved));
    Standing { budget: budget.clone(), spent, reserved }
}

/// Whether there is no room for the reservation. A limit is exact: it may be reached.
fn is_too_much(standing: &Standing, asked: &Reservation) -> bool {
    Amount::from_nano(asked.amount.nano_rounded_up()) > standing.left()
}

fn reserve(tx: &Connection, asked: &Reservation) -> Result<Reserved, Failure> {
    for budget in &asked.budgets {
        let own: Option<(i64, Option<i64>)> = tx
            .query_row(
                "select nano_usd, lease_until from spending where scope = ?1 and id = ?2",
                params![budget.scope, asked.id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        if matches!(own, Some((_, None))) {
            // Settled.
            continue;
        }
        let mut standing = standing(tx, budget, asked.at)?;
        if let Some((nano_usd, Some(until))) = own
            && until > asked.at
        {
            // Its own earlier reservation of the same id makes room for the new one.
            standing.reserved = standing.reserved - Amount::from_nano(nano_usd);
        }
        if is_too_much(&standing, asked) {
            return Ok(Reserved::Refused(standing));
        }
    }
    for budget in &asked.budgets {
        tx.execute(
            "delete from spending where scope = ?1 and lease_until is not null
             and (id = ?2 or lease_until <= ?3)",
            params![budget.scope, asked.id, asked.at],
        )?;
        tx.execute(
            "insert or ignore into spending values (?1, ?2, ?3, ?4, ?5)",
            params![
                budget.scope,
                asked.id,
                asked.at,
                asked.amount.nano_rounded_up(),
                asked.lease_until
            ],
        )?;
    }
    Ok(Reserved::Granted)
}

fn settle(tx: &Connection, of: &Reservation, cost: Amount, at: i64) -> Result<Vec<Alert>, Failure> {
    let watched: Vec<&Budget> = of.budgets.iter().filter(|b| !b.alerts.is_empty()).collect();
    let mut before = vec![];
    for budget in &watched {
        before.push(standing(tx, budget, at)?.spent);
    }
    for budget in &of.budgets {
        tx.execute(
            "insert or replace into spending values (?1, ?2, ?3, ?4, null)",
            params![budget.scope, of.id, at, cost.nano_rounded_up()],
        )?;
    }
    let mut due = vec![];
    for (budget, before) in watched.into_iter().zip(before) {
        for alert in alerts_of(budget, before, standing(tx, budget, at)?.spent, at) {
            let is_new = tx.execute(
                "insert or ignore into alerts values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    budget.scope,
                    serde_json::to_string(&budget.over)?,
                    alert.percent,
                    alert.since,
                    at,
                    serde_json::to_string(&alert)?
                ],
            )?;
            if is_new == 1 {
                due.push(alert);
            }
        }
    }
    Ok(due)
}

fn alerts_of(budget: &Budget, before: Amount, after: Amount, at: i64) -> Vec<Alert> {
    let since = budget.over.since(at);
    let alert = |percent| Alert { budget: budget.clone(), percent, since, spent: after, at };
    budget.alerts(before, after).into_iter().map(alert).collect()
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn charge(&self, lines: Vec<LedgerLine>) -> Result<(), StoreError> {
        self.write(move |tx| insert(tx, &lines)).await
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerLine>, StoreError> {
        let query = query.clone();
        self.read(move |connection| select(connection, &query)).await
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        let asked = reservation.clone();
        self.write(move |tx| reserve(tx, &asked)).await
    }

    async fn settle(
        &self,
        of: &Reservation,
        cost: Amount,
        at: i64,
    ) -> Result<Vec<Alert>, StoreError> {
        let of = of.clone();
        self.write(move |tx| settle(tx, &of, cost, at)).await
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            tx.execute("delete from spending where id = ?1 and lease_until is not null", [id])?;
            Ok(())
        })
        .await
    }

    async fn standing(&self, budget: &Budget, at: i64) -> Result<Standing, StoreError> {
        let budget = budget.clone();
        self.read(move |connection| standing(connection, &budget, at)).await
    }

    async fn adopt(&self, budget: &Budget, spent: Vec<Spent>) -> Result<(), StoreError> {
        let scope = budget.scope.clone();
        self.write(move |tx| {
            for Spent { id, amount, at } in &spent {
                tx.execute(
                    "insert or ignore into spending values (?1, ?2, ?3, ?4, null)",
                    params![scope, id, at, amount.nano_rounded_up()],
                )?;
            }
            Ok(())
        })
        .await
    }

    async fn alerts(&self, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select body from alerts order by at desc, scope, percent desc limit ?1",
            )?;
            let rows = statement.query_map([limit], |row| row.get::<_, String>(0))?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
        .await
    }
}

/// The same in memory.
#[derive(Default)]
pub(crate) struct Books {
    lines: BTreeMap<(String, String), LedgerLine>,
    /// By scope and id.
    spending: BTreeMap<(String, String), Entry>,
    /// By what is said once: scope, time, percent, and since when.
    alerts: BTreeMap<(String, String, u8, i64), Alert>,
}

struct Entry {
    at: i64,
    nano_usd: i64,
    lease_until: Option<i64>,
}

impl Books {
    pub(crate) fn insert(&mut self, lines: Vec<LedgerLine>) {
        for line in lines {
            let key = (line.response_id.clone(), line.call.clone());
            self.lines.entry(key).or_insert(line);
        }
    }

    fn standing(&self, budget: &Budget, at: i64) -> Standing {
        let since = budget.over.since(at);
        let counted = self.spending.iter().filter(|((scope, _), _)| *scope == budget.scope);
        let (mut spent, mut reserved) = (0i64, 0i64);
        for (_, entry) in counted {
            match entry.lease_until {
                None if entry.at >= since => spent = spent.saturating_add(entry.nano_usd),
                None => {}
                Some(until) if until > at => reserved = reserved.saturating_add(entry.nano_usd),
                Some(_) => {}
            }
        }
        standing_of(budget, spent, reserved)
    }

    fn reserve(&mut self, asked: &Reservation) -> Reserved {
        let key = |budget: &Budget| (budget.scope.clone(), asked.id.clone());
        for budget in &asked.budgets {
            let is_settled = |s: &Entry| s.lease_until.is_none();
            if self.spending.get(&key(budget)).is_some_and(is_settled) {
                continue;
            }
            let mut standing = self.standing(budget, asked.at);
            let own = self.spending.get(&key(budget));
            let counts = |s: &&Entry| s.lease_until > Some(asked.at);
            if let Some(own) = own.filter(counts) {
                standing.reserved = standing.reserved - Amount::from_nano(own.nano_usd);
            }
            if is_too_much(&standing, asked) {
                return Reserved::Refused(standing);
            }
        }
        for budget in &asked.budgets {
            let entry = self.spending.entry(key(budget)).or_insert(Entry {
                at: asked.at,
                nano_usd: 0,
                lease_until: Some(asked.lease_until),
            });
            if entry.lease_until.is_some() {
                *entry = Entry {
                    at: asked.at,
                    nano_usd: asked.amount.nano_rounded_up(),
                    lease_until: Some(asked.lease_until),
                };
            }
        }
        Reserved::Granted
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn charge(&self, lines: Vec<LedgerLine>) -> Result<(), StoreError> {
        self.books().insert(lines);
        Ok(())
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerLine>, StoreError> {
        let books = self.books();
        let mut lines: Vec<_> = books.lines.values().filter(|l| query.holds(l)).cloned().collect();
        // Stable: lines of one instant stay in the order of their keys.
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        Ok(self.books().reserve(reservation))
    }

    async fn settle(
        &self,
        of: &Reservation,
        cost: Amount,
        at: i64,
    ) -> Result<Vec<Alert>, StoreError> {
        let mut books = self.books();
        let before: Vec<_> = of.budgets.iter().map(|b| books.standing(b, at).spent).collect();
        for budget in &of.budgets {
            let spent = Entry { at, nano_usd: cost.nano_rounded_up(), lease_until: None };
            books.spending.insert((budget.scope.clone(), of.id.clone()), spent);
        }
        let mut due = vec![];
        for (budget, before) in of.budgets.iter().zip(before) {
            let after = books.standing(budget, at).spent;
            for alert in alerts_of(budget, before, after, at) {
                let (scope, over) = (budget.scope.clone(), budget.over.to_string());
                let key = (scope, over, alert.percent, alert.since);
                if let std::collections::btree_map::Entry::Vacant(new) = books.alerts.entry(key) {
                    due.push(new.insert(alert).clone());
                }
            }
        }
        Ok(due)
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        self.books().spending.retain(|(_, of), s| of != id || s.lease_until.is_none());
        Ok(())
    }

    async fn standing(&self, budget: &Budget, at: i64) -> Result<Standing, StoreError> {
        Ok(self.books().standing(budget, at))
    }

    async fn adopt(&self, budget: &Budget, spent: Vec<Spent>) -> Result<(), StoreError> {
        let mut books = self.books();
        for Spent { id, amount, at } in spent {
            let entry = Entry { at, nano_usd: amount.nano_rounded_up(), lease_until: None };
            books.spending.entry((budget.scope.clone(), id)).or_insert(entry);
        }
        Ok(())
    }

    async fn alerts(&self, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let books = self.books();
        let mut alerts: Vec<Alert> = books.alerts.values().cloned().collect();
        alerts.sort_by(|a, b| {
            let key = |x: &Alert| (-x.at, x.budget.scope.clone(), std::cmp::Reverse(x.percent));
            key(a).cmp(&key(b))
        });
        alerts.truncate(limit);
        Ok(alerts)
    }
}
