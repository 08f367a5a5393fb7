//! Budgets without a store.

use ozone_cost::{Amount, Budget, Over, Standing};

use crate::support::at;

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn an_alert_is_due_once_when_its_share_is_reached() {
    let budget = Budget { alerts: vec![50, 80, 100], ..Budget::new("key:a", usd("10"), Over::Day) };
    assert_eq!(budget.alerts(usd("0"), usd("4.99")), [] as [u8; 0]);
    assert_eq!(budget.alerts(usd("4.99"), usd("5")), [50]);
    assert_eq!(budget.alerts(usd("5"), usd("7")), [] as [u8; 0]);
    assert_eq!(budget.alerts(usd("7"), usd("12")), [80, 100]);
}

#[test]
fn what_is_left_is_never_less_than_nothing() {
    let budget = Budget::new("key:a", usd("1"), Over::Ever);
    let standing = Standing { budget, spent: usd("0.8"), reserved: usd("0.7") };
    assert_eq!(standing.left(), Amount::ZERO);
}

#[test]
fn a_window_begins_where_its_calendar_says() {
    let instant = at("2028-02-29T13:14:15Z");
    assert_eq!(Over::Day.since(instant), at("2028-02-29"));
    assert_eq!(Over::Month.since(instant), at("2028-02-01"));
    assert_eq!(Over::Rolling(60).since(instant), instant - 59);
    assert_eq!(Over::Ever.since(instant), i64::MIN);
    assert!(Over::Rolling(i64::MAX).since(i64::MIN) <= i64::MIN + 1);
}
