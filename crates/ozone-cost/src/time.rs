//! Instants, days and windows in UTC. An instant is seconds since 1970, as everywhere in Ozone.

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Seconds of a day. UTC has no others here: leap seconds are not counted since 1970.
pub const DAY: i64 = 86_400;

/// `2025-06-10`, which is its midnight in UTC, or an instant such as `2025-09-05T16:00:00Z`.
pub fn parse_instant(text: &str) -> Option<i64> {
    if text.len() == "2025-06-10".len() {
        let date: civil::Date = text.parse().ok()?;
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second());
    }
    let instant: jiff::Timestamp = text.parse().ok()?;
    (instant.subsec_nanosecond() == 0).then(|| instant.as_second())
}

/// `2025-06-10T00:00:00Z`.
pub fn show_instant(at: i64) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |t| t.to_string())
}

/// `2025-06-10`.
pub fn civil_date(at: i64) -> String {
    date_of(at).to_string()
}

fn date_of(at: i64) -> civil::Date {
    let clamped = jiff::Timestamp::from_second(at).unwrap_or_default();
    clamped.to_zoned(TimeZone::UTC).date()
}

/// A calendar period in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Month,
}

impl Period {
    /// When the period began that holds `at`.
    pub fn start(self, at: i64) -> i64 {
        match self {
            Period::Day => at.div_euclid(DAY) * DAY,
            Period::Month => midnight(date_of(at).first_of_month(), at),
        }
    }

    /// When it ends: the first instant of the next one.
    pub fn end(self, at: i64) -> i64 {
        match self {
            Period::Day => self.start(at) + DAY,
            Period::Month => midnight(date_of(at).last_of_month(), at) + DAY,
        }
    }
}

fn midnight(date: civil::Date, otherwise: i64) -> i64 {
    date.to_zoned(TimeZone::UTC).map_or(otherwise, |zoned| zoned.timestamp().as_second())
}

/// A half-open stretch of the day in UTC, `[start, end)`, that may run over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Seconds after midnight, below a day.
    start: i64,
    /// Seconds after the midnight before `start`; beyond a day where it runs over midnight.
    end: i64,
}

impl Hours {
    /// `16:30-00:30`. `00:00-00:00` is the whole day.
    pub fn parse(text: &str) -> Option<Hours> {
        let (start, end) = text.split_once('-')?;
        let (start, end) = (minutes(start)? * 60, minutes(end)? * 60);
        if start >= DAY {
            return None;
        }
        Some(Hours { start, end: if end > start { end } else { end + DAY } })
    }

    /// Whether `at` lies in the stretch that began on one of `weekdays` (1 is Monday).
    pub fn hold(&self, at: i64, weekdays: &[u8]) -> bool {
        let (day, second) = (at.div_euclid(DAY), at.rem_euclid(DAY));
        let began = |day: i64| weekdays.contains(&weekday(day));
        let today = second >= self.start && second < self.end && began(day);
        let since_yesterday = second + DAY < self.end && began(day - 1);
        today || since_yesterday
    }
}

/// 1970-01-01, day 0, was a Thursday (4).
fn weekday(day: i64) -> u8 {
    ((day + 3).rem_euclid(7) + 1) as u8
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two = |s: &str| -> Option<i64> {
        (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60 || hours == 24 && minutes == 0).then_some(hours * 60 + minutes)
}
