//! Dates and windows, with the instant given.

use ozone_cost::{DAY, Hours, Period, civil_date, parse_instant};

use crate::support::{at, book, in_and_out, row, total};

const MILLION: u64 = 1_000_000;

/// A million tokens in, for the shipped DeepSeek rows.
fn chat(instant: &str) -> String {
    total(&in_and_out("deepseek-chat", MILLION, 0), at(instant))
}

#[test]
fn a_window_over_midnight_is_half_open() {
    for (instant, cost) in [
        ("2025-06-01T16:29:59Z", "0.27"),
        ("2025-06-01T16:30:00Z", "0.135"),
        ("2025-06-01T23:59:59Z", "0.135"),
        ("2025-06-02T00:00:00Z", "0.135"),
        ("2025-06-02T00:29:59Z", "0.135"),
        ("2025-06-02T00:30:00Z", "0.27"),
    ] {
        assert_eq!(chat(instant), cost, "{instant}");
    }
}

#[test]
fn rows_change_at_their_instant() {
    for (instant, cost) in [
        ("2025-02-26T16:29:59Z", "0.27"),
        ("2025-02-26T16:30:00Z", "0.135"),
        // The last second of the night's discount that was left, and the new list.
        ("2025-09-05T15:59:59Z", "0.27"),
        ("2025-09-05T16:00:00Z", "0.56"),
        ("2025-09-05T18:00:00Z", "0.56"),
        ("2025-09-28T23:59:59Z", "0.56"),
        ("2025-09-29T00:00:00Z", "0.28"),
        ("2026-07-24T15:58:59Z", "0.28"),
        ("2026-07-24T15:59:00Z", "no price for `deepseek-chat` on 2026-07-24T15:59:00Z"),
    ] {
        assert_eq!(chat(instant), cost, "{instant}");
    }
}

/// 2026-10-30 is a Friday.
#[test]
fn a_window_may_be_for_weekdays() {
    let pro = |instant: &str| total(&in_and_out("deepseek-v4-pro", MILLION, 0), at(instant));
    for (instant, cost) in [
        ("2026-10-30T00:59:59Z", "0.66"),
        ("2026-10-30T01:00:00Z", "1.32"),
        ("2026-10-30T03:59:59Z", "1.32"),
        ("2026-10-30T04:00:00Z", "0.66"),
        ("2026-10-30T06:00:00Z", "1.32"),
        ("2026-10-30T10:00:00Z", "0.66"),
        ("2026-10-31T02:00:00Z", "0.66"),
        ("2026-11-01T08:00:00Z", "0.66"),
        ("2026-11-02T01:00:00Z", "1.32"),
    ] {
        assert_eq!(pro(instant), cost, "{instant}");
    }
}

/// A stretch that runs over midnight belongs to the day on which it began.
#[test]
fn the_weekday_is_that_of_the_beginning() {
    let text = row(
        "rates = { input = \"4\" }\n[[price.windows]]\nhours = [\"22:00-02:00\"]\nweekdays = [5]\n\
         rates = { input = \"1\" }",
    );
    let book = book(&text);
    let cost = |instant: &str| {
        book.price(&in_and_out("m", MILLION, 0), at(instant)).total.unwrap().to_string()
    };
    assert_eq!(cost("2026-10-30T23:00:00Z"), "1", "Friday night");
    assert_eq!(cost("2026-10-31T01:59:59Z"), "1", "still Friday's");
    assert_eq!(cost("2026-10-31T02:00:00Z"), "4");
    assert_eq!(cost("2026-10-30T01:00:00Z"), "4", "Thursday's");
    assert_eq!(cost("2026-10-31T23:00:00Z"), "4", "Saturday night");
}

#[test]
fn leap_days_are_days() {
    let text = row("from = \"2028-02-29\"\nto = \"2028-03-01\"");
    let book = book(&text);
    let known = |instant: i64| book.price(&in_and_out("m", 1, 0), instant).total.is_some();
    assert!(!known(at("2028-02-29") - 1));
    assert!(known(at("2028-02-29")));
    assert!(known(at("2028-03-01") - 1));
    assert!(!known(at("2028-03-01")));
    assert_eq!(at("2028-03-01") - at("2028-02-29"), DAY);
    assert_eq!(parse_instant("2027-02-29"), None);
}

#[test]
fn months_end_where_the_calendar_says() {
    for (day, start, end) in [
        ("2028-02-29", "2028-02-01", "2028-03-01"),
        ("2027-02-28", "2027-02-01", "2027-03-01"),
        ("2026-12-31", "2026-12-01", "2027-01-01"),
        ("2027-01-01", "2027-01-01", "2027-02-01"),
    ] {
        let instant = at(day) + DAY - 1;
        assert_eq!(civil_date(Period::Month.start(instant)), start);
        assert_eq!(civil_date(Period::Month.end(instant)), end);
        assert_eq!(civil_date(Period::Day.start(instant)), day);
        assert_eq!(Period::Day.end(instant), instant + 1);
    }
    assert_eq!(Period::Day.start(-1), -DAY, "days before 1970 begin at midnight too");
}

/// A summer-time change moves no window: all is UTC.
#[test]
fn clock_changes_move_nothing() {
    for day in ["2025-03-29", "2025-03-30", "2025-03-31", "2025-06-14"] {
        assert_eq!(chat(&format!("{day}T16:29:59Z")), "0.27", "{day}");
        assert_eq!(chat(&format!("{day}T16:30:00Z")), "0.135", "{day}");
    }
}

#[test]
fn an_offset_is_understood_and_a_local_time_is_not() {
    assert_eq!(at("2025-09-06T00:00:00+08:00"), at("2025-09-05T16:00:00Z"));
    assert_eq!(parse_instant("2025-09-06T00:00:00"), None);
    assert_eq!(parse_instant("yesterday"), None);
    assert!(Hours::parse("9:00-17:00").is_none());
    assert!(Hours::parse("24:00-01:00").is_none());
    assert!(Hours::parse("00:00-24:00").unwrap().hold(at("2025-01-01") + DAY - 1, &[3]));
}
