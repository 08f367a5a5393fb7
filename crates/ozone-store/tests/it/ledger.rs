//! One suite for both ledgers: lines that are written once, and limits that hold.

use std::sync::Arc;

use ozone_cost::{
    Amount, Budget, Facts, Kind, LedgerLine, LedgerQuery, Meter, Over, Payer, PriceBook,
    Reservation, Reserved, Tokens, Total,
};
use ozone_store::{Append, Durability, Journal, Ledger, MemoryStore, Spent, SqliteStore, Store};
use proptest::prelude::*;

use crate::{created, new, numbered};

on_both! {
    a_line_is_written_once_however_often_its_step_is_run
    lines_are_found_by_what_is_asked
    a_step_and_its_line_are_stored_together
    an_append_that_fails_charges_nothing
    children_add_up_to_their_parent
    a_reservation_counts_until_it_is_settled
    a_reservation_that_is_released_or_lapsed_counts_no_more
    the_same_id_reserves_once
    no_budget_is_touched_when_one_refuses
    windows_move_with_the_clock
    what_is_settled_late_still_counts
    a_call_that_runs_over_midnight_counts_on_both_days
    an_alert_is_given_once_and_kept
    what_was_spent_before_a_budget_is_adopted_once
}

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

fn line(response: &str, step: u32, at: i64) -> LedgerLine {
    let tokens = Tokens::default().with(Meter::Input, 4_000).with(Meter::Output, 500);
    let facts = Facts::new("openai", "o3", tokens);
    LedgerLine::new(response, LedgerLine::model_call(step), Kind::Model, "o3", at)
        .priced(&PriceBook::built_in(), facts)
}

/// 2026-11-22.
const TODAY: i64 = 1_795_305_600;

async fn a_line_is_written_once_however_often_its_step_is_run<S: Store + Ledger>(store: Arc<S>) {
    let first = line("resp_a", 1, TODAY);
    let again = line("resp_a", 1, TODAY + 5);
    store.charge(vec![first.clone()]).await.unwrap();
    store.charge(vec![again, line("resp_a", 2, TODAY + 6)]).await.unwrap();
    let lines = store.ledger(&LedgerQuery::response("resp_a")).await.unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], first);
    assert_eq!(Total::of(&lines).amount(), Some(usd("0.024")));
}

async fn lines_are_found_by_what_is_asked<S: Store + Ledger>(store: Arc<S>) {
    let payer = Payer { key: "k1".into(), project: "p1".into(), ..Payer::default() };
    let tool = LedgerLine::new("resp_b", LedgerLine::tool_call(1, 0), Kind::Tool, "python", TODAY);
    store
        .charge(vec![
            LedgerLine { payer: payer.clone(), ..line("resp_a", 1, TODAY - 1) },
            LedgerLine { payer, parent: Some("resp_a".into()), ..line("resp_b", 1, TODAY) },
            tool,
            line("resp_c", 1, TODAY + 1),
        ])
        .await
        .unwrap();
    let found = async |query: LedgerQuery| -> Vec<String> {
        let lines = store.ledger(&query).await.unwrap();
        lines.iter().map(|l| format!("{} {}", l.response_id, l.call)).collect()
    };
    let all = LedgerQuery::default;
    assert_eq!(
        found(all()).await,
        ["resp_a 1:model", "resp_b 1:model", "resp_b 1:tool:0", "resp_c 1:model"]
    );
    assert_eq!(
        found(LedgerQuery::between(TODAY, TODAY + 1)).await,
        ["resp_b 1:model", "resp_b 1:tool:0"]
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found(LedgerQuery { key: some("k1"), ..all() }).await.len(), 2);
    assert_eq!(found(LedgerQuery { project: some("p2"), ..all() }).await.len(), 0);
    assert_eq!(found(LedgerQuery { name: some("python"), ..all() }).await, ["resp_b 1:tool:0"]);
    assert_eq!(found(LedgerQuery { kind: Some(Kind::Model), ..all() }).await.len(), 3);
    assert_eq!(found(LedgerQuery::children("resp_a")).await, ["resp_b 1:model"]);
}

async fn a_step_and_its_line_are_stored_together<S: Store + Ledger>(store: Arc<S>) {
    let id = new(&*store).await;
    let mut journal = Journal::open(store.clone(), id.clone()).await.unwrap();
    journal.charge(line(id.as_str(), 1, TODAY));
    assert!(store.ledger(&LedgerQuery::default()).await.unwrap().is_empty());
    journal.append(vec![created(&id)], vec![], Durability::Power).await.unwrap();
    assert_eq!(store.ledger(&LedgerQuery::response(id.as_str())).await.unwrap().len(), 1);
}

async fn an_append_that_fails_charges_nothing<S: Store + Ledger>(store: Arc<S>) {
    let id = new(&*store).await;
    let mut gap = numbered(1, vec![created(&id)]);
    gap.ledger.push(line(id.as_str(), 1, TODAY));
    store.append(&id, gap, Durability::Power).await.unwrap_err();
    assert!(store.ledger(&LedgerQuery::default()).await.unwrap().is_empty());
    let alone = Append { ledger: vec![line(id.as_str(), 1, TODAY)], ..Append::default() };
    store.append(&id, alone, Durability::Power).await.unwrap();
    assert_eq!(store.ledger(&LedgerQuery::default()).await.unwrap().len(), 1);
}

async fn children_add_up_to_their_parent<S: Store + Ledger>(store: Arc<S>) {
    let child = |n: u32| LedgerLine {
        parent: Some("resp_p".into()),
        ..line(&format!("resp_p_{n}"), 1, TODAY)
    };
    store.charge((0..8).map(child).collect()).await.unwrap();
    store.charge(vec![line("resp_p", 1, TODAY)]).await.unwrap();
    let own = store.ledger(&LedgerQuery::response("resp_p")).await.unwrap();
    let children = store.ledger(&LedgerQuery::children("resp_p")).await.unwrap();
    let total = Total::of(own.iter().chain(&children));
    assert_eq!(total.amount(), Some(usd("0.108")));
    assert_eq!(Total::of(&children).amount(), Some(usd("0.096")));
}

fn asks(id: &str, budgets: &[Budget], amount: &str, at: i64) -> Reservation {
    let (id, budgets) = (id.to_owned(), budgets.to_vec());
    Reservation { id, budgets, amount: usd(amount), at, lease_until: at + 60 }
}

fn is_granted(reserved: &Reserved) -> bool {
    *reserved == Reserved::Granted
}

async fn a_reservation_counts_until_it_is_settled<S: Store + Ledger>(store: Arc<S>) {
    let budget = Budget::new("key:a", usd("1"), Over::Day);
    let budgets = std::slice::from_ref(&budget);
    let first = asks("1", budgets, "0.6", TODAY);
    assert!(is_granted(&store.reserve(&first).await.unwrap()));
    let second = asks("2", budgets, "0.5", TODAY);
    match store.reserve(&second).await.unwrap() {
        Reserved::Refused(standing) => {
            assert_eq!((standing.spent, standing.reserved), (Amount::ZERO, usd("0.6")));
            assert_eq!(standing.left(), usd("0.4"));
        }
        granted => panic!("{granted:?}"),
    }
    // It cost less than its worst case: the rest is free again, to the last cent.
    store.settle(&first, usd("0.5"), TODAY + 1).await.unwrap();
    assert!(is_granted(&store.reserve(&second).await.unwrap()));
    store.settle(&second, usd("0.5"), TODAY + 1).await.unwrap();
    let standing = store.standing(&budget, TODAY + 2).await.unwrap();
    assert_eq!((standing.spent, standing.left()), (usd("1"), Amount::ZERO));
    assert!(!is_granted(&store.reserve(&asks("3", budgets, "0.0000001", TODAY)).await.unwrap()));
}

async fn a_reservation_that_is_released_or_lapsed_counts_no_more<S: Store + Ledger>(store: Arc<S>) {
    let budgets = [Budget::new("key:a", usd("1"), Over::Ever)];
    assert!(is_granted(&store.reserve(&asks("1", &budgets, "1", TODAY)).await.unwrap()));
    assert!(!is_granted(&store.reserve(&asks("2", &budgets, "1", TODAY + 59)).await.unwrap()));
    assert!(is_granted(&store.reserve(&asks("2", &budgets, "1", TODAY + 60)).await.unwrap()));
    store.release("2").await.unwrap();
    assert!(is_granted(&store.reserve(&asks("3", &budgets, "1", TODAY + 61)).await.unwrap()));
}

async fn the_same_id_reserves_once<S: Store + Ledger>(store: Arc<S>) {
    let budget = Budget::new("key:a", usd("1"), Over::Ever);
    let budgets = std::slice::from_ref(&budget);
    for _ in 0..3 {
        assert!(is_granted(&store.reserve(&asks("1", budgets, "0.7", TODAY)).await.unwrap()));
    }
    assert_eq!(store.standing(&budget, TODAY).await.unwrap().reserved, usd("0.7"));
    // A step that was settled and is run again after a crash reserves nothing.
    let one = asks("1", budgets, "0.7", TODAY);
    store.settle(&one, usd("0.2"), TODAY).await.unwrap();
    store.settle(&one, usd("0.2"), TODAY).await.unwrap();
    assert!(is_granted(&store.reserve(&one).await.unwrap()));
    let standing = store.standing(&budget, TODAY).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (usd("0.2"), Amount::ZERO));
}

async fn no_budget_is_touched_when_one_refuses<S: Store + Ledger>(store: Arc<S>) {
    let wide = Budget::new("project:p", usd("10"), Over::Month);
    let narrow = Budget::new("key:k", usd("1"), Over::Day);
    let both = [wide.clone(), narrow.clone()];
    match store.reserve(&asks("1", &both, "2", TODAY)).await.unwrap() {
        Reserved::Refused(standing) => assert_eq!(standing.budget, narrow),
        granted => panic!("{granted:?}"),
    }
    assert_eq!(store.standing(&wide, TODAY).await.unwrap().left(), usd("10"));
}

async fn windows_move_with_the_clock<S: Store + Ledger>(store: Arc<S>) {
    let over = |over| Budget::new("key:a", usd("5"), over);
    let spent = asks("1", &[over(Over::Ever)], "2", TODAY + 10);
    store.reserve(&spent).await.unwrap();
    store.settle(&spent, usd("2"), TODAY + 10).await.unwrap();
    let day = 86_400;
    for (window, at, expected) in [
        (Over::Day, TODAY + day - 1, "2"),
        (Over::Day, TODAY + day, "0"),
        (Over::Month, TODAY + 8 * day, "2"),
        (Over::Month, TODAY + 9 * day, "0"),
        (Over::Rolling(3_600), TODAY + 10 + 3_599, "2"),
        (Over::Rolling(3_600), TODAY + 10 + 3_600, "0"),
        (Over::Ever, TODAY + 9_999 * day, "2"),
    ] {
        let standing = store.standing(&over(window), at).await.unwrap();
        assert_eq!(standing.spent, usd(expected), "{window:?} at {at}");
    }
}

async fn what_is_settled_late_still_counts<S: Store + Ledger>(store: Arc<S>) {
    let budget = Budget::new("key:a", usd("1"), Over::Ever);
    let budgets = std::slice::from_ref(&budget);
    let slow = asks("slow", budgets, "0.8", TODAY);
    assert!(is_granted(&store.reserve(&slow).await.unwrap()));
    // Its lease lapses, another takes the room, and only then it ends.
    let other = asks("other", budgets, "0.8", TODAY + 100);
    assert!(is_granted(&store.reserve(&other).await.unwrap()));
    store.settle(&slow, usd("0.8"), TODAY + 101).await.unwrap();
    let standing = store.standing(&budget, TODAY + 101).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (usd("0.8"), usd("0.8")));
    assert_eq!(standing.left(), Amount::ZERO);
}

async fn a_call_that_runs_over_midnight_counts_on_both_days<S: Store + Ledger>(store: Arc<S>) {
    let budget = Budget::new("key:a", usd("1"), Over::Day);
    let budgets = std::slice::from_ref(&budget);
    let late = asks("late", budgets, "0.8", TODAY - 1);
    assert!(is_granted(&store.reserve(&late).await.unwrap()));
    assert!(!is_granted(&store.reserve(&asks("early", budgets, "0.8", TODAY)).await.unwrap()));
    store.settle(&late, usd("0.5"), TODAY + 1).await.unwrap();
    assert_eq!(store.standing(&budget, TODAY + 1).await.unwrap().spent, usd("0.5"));
}

async fn an_alert_is_given_once_and_kept<S: Store + Ledger>(store: Arc<S>) {
    let day = Budget { alerts: vec![50, 100], ..Budget::new("key:a", usd("1"), Over::Day) };
    let month = Budget { alerts: vec![10], ..Budget::new("key:a", usd("9"), Over::Month) };
    let budgets = [day, month];
    let spend = async |id: &str, amount: &str, at: i64| -> Vec<String> {
        let due = store.settle(&asks(id, &budgets, amount, at), usd(amount), at).await.unwrap();
        due.iter().map(|a| format!("{} % of {} at ${}", a.percent, a.budget, a.spent)).collect()
    };
    assert!(spend("1", "0.4", TODAY).await.is_empty());
    assert_eq!(spend("2", "0.2", TODAY + 1).await, ["50 % of $1 a day for the key `a` at $0.6"]);
    // A step that is run again after a crash says nothing again.
    assert!(spend("2", "0.2", TODAY + 2).await.is_empty());
    assert_eq!(
        spend("3", "0.4", TODAY + 3).await,
        ["100 % of $1 a day for the key `a` at $1", "10 % of $9 a month for the key `a` at $1"]
    );
    // A new day may alert anew.
    assert_eq!(spend("4", "0.5", TODAY + 86_400).await.len(), 1);
    let kept = store.alerts(10).await.unwrap();
    let percents: Vec<u8> = kept.iter().map(|alert| alert.percent).collect();
    assert_eq!(percents, [50, 100, 10, 50]);
    assert_eq!((kept[0].at, kept[0].since), (TODAY + 86_400, TODAY + 86_400));
    assert_eq!(store.alerts(1).await.unwrap().len(), 1);
}

async fn what_was_spent_before_a_budget_is_adopted_once<S: Store + Ledger>(store: Arc<S>) {
    let budget = Budget::new("all", usd("1"), Over::Day);
    let budgets = std::slice::from_ref(&budget);
    store.settle(&asks("1", budgets, "0.3", TODAY), usd("0.3"), TODAY).await.unwrap();
    let spent = |id: &str, amount: &str, at| Spent { id: id.into(), amount: usd(amount), at };
    for _ in 0..2 {
        let before = vec![spent("0", "0.2", TODAY), spent("1", "0.9", TODAY)];
        store.adopt(&budget, before).await.unwrap();
    }
    store.adopt(&budget, vec![spent("old", "5", TODAY - 1)]).await.unwrap();
    assert_eq!(store.standing(&budget, TODAY).await.unwrap().spent, usd("0.5"));
}

/// 64 calls at once, each with its own worst case and cost: what was granted never exceeds the
/// limit, at no instant and in no order.
fn sixty_four_at_once(store: Arc<dyn Ledger>, asks: Vec<(u32, u32)>, limit: u32) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let cents = |n: u32| Amount::from_nano(i64::from(n) * 10_000_000);
    let budget = Budget::new("project:p", cents(limit), Over::Day);
    runtime.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for (n, (worst, percent)) in asks.into_iter().enumerate() {
            let (store, budget) = (store.clone(), budget.clone());
            calls.spawn(async move {
                let reservation = Reservation {
                    id: format!("call {n}"),
                    budgets: vec![budget.clone()],
                    amount: cents(worst),
                    at: TODAY,
                    lease_until: TODAY + 600,
                };
                if !is_granted(&store.reserve(&reservation).await.unwrap()) {
                    return 0;
                }
                let standing = store.standing(&budget, TODAY).await.unwrap();
                assert!(standing.spent + standing.reserved <= budget.limit);
                let cost = worst * percent / 100;
                store.settle(&reservation, cents(cost), TODAY).await.unwrap();
                cost
            });
        }
        let costs = calls.join_all().await;
        let spent: u32 = costs.iter().sum();
        let standing = store.standing(&budget, TODAY).await.unwrap();
        assert_eq!((standing.spent, standing.reserved), (cents(spent), Amount::ZERO));
        assert!(spent <= limit);
        // The limit refuses only what does not fit: somebody always gets through.
        assert!(spent > 0);
    });
}

fn calls() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((2u32..100, 50u32..=100), 64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn concurrent_calls_cannot_overspend_in_memory(asks in calls(), limit in 200u32..2_000) {
        sixty_four_at_once(Arc::new(MemoryStore::default()), asks, limit);
    }

    #[test]
    fn concurrent_calls_cannot_overspend_in_sqlite(asks in calls(), limit in 200u32..2_000) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db")).unwrap();
        sixty_four_at_once(Arc::new(store), asks, limit);
    }
}

/// Two processes have the database open: a limit is one limit.
#[tokio::test]
async fn another_process_shares_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let (one, two) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let budgets = [Budget::new("key:a", usd("1"), Over::Day)];
    assert!(is_granted(&one.reserve(&asks("1", &budgets, "0.6", TODAY)).await.unwrap()));
    assert!(!is_granted(&two.reserve(&asks("2", &budgets, "0.6", TODAY)).await.unwrap()));
}
