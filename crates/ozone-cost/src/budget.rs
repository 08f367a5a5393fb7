//! Budgets: how much may be spent, by whom, in which time.
//!
//! Before a call its worst case is reserved; after it, the reservation is settled at what the call
//! cost, or released. A reservation has a lease, so that one whose process died holds nothing back
//! for long. What is reserved counts as spent until then: calls that run at once cannot overspend.

use serde::{Deserialize, Serialize};

use crate::{Amount, Period};

/// Over which time spending is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Calendar days in UTC.
    Day,
    /// Calendar months in UTC.
    Month,
    /// The last so many seconds.
    Rolling(i64),
    /// All of it: one response, one run.
    Ever,
}

impl Over {
    /// The first instant that counts.
    pub fn since(self, at: i64) -> i64 {
        match self {
            Over::Day => Period::Day.start(at),
            Over::Month => Period::Month.start(at),
            // What was spent exactly so long ago counts no more.
            Over::Rolling(seconds) => at.saturating_sub(seconds.max(0)).saturating_add(1),
            Over::Ever => i64::MIN,
        }
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Over::Day => f.write_str("a day"),
            Over::Month => f.write_str("a month"),
            Over::Rolling(seconds) => write!(f, "{seconds} seconds"),
            Over::Ever => f.write_str("all"),
        }
    }
}

impl Over {
    /// When what was spent until `at` counts no more, where that is one instant.
    pub fn renewed(self, at: i64) -> Option<i64> {
        match self {
            Over::Day => Some(Period::Day.end(at)),
            Over::Month => Some(Period::Month.end(at)),
            Over::Rolling(_) | Over::Ever => None,
        }
    }
}

/// A limit on what one scope may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Whose spending is counted: `key:…`, `project:…`, `response:…`, `run:…`.
    pub scope: String,
    pub limit: Amount,
    pub over: Over,
    /// Percent of the limit at which somebody wants to hear of it.
    #[serde(default)]
    pub alerts: Vec<u8>,
}

impl Budget {
    pub fn new(scope: impl Into<String>, limit: Amount, over: Over) -> Budget {
        Budget { scope: scope.into(), limit, over, alerts: vec![] }
    }

    /// The alerts that are due when spending went from `before` to `after`.
    pub fn alerts(&self, before: Amount, after: Amount) -> Vec<u8> {
        let limit = self.limit.nano_rounded_up();
        let reached = |spent: Amount, percent: u8| {
            i128::from(spent.nano_rounded_up()) * 100 >= i128::from(limit) * i128::from(percent)
        };
        let due = |percent: &u8| !reached(before, *percent) && reached(after, *percent);
        self.alerts.iter().copied().filter(due).collect()
    }
}

/// For people: `$5 a day for the key `ann``.
impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${}", self.limit)?;
        match self.over {
            Over::Day => f.write_str(" a day")?,
            Over::Month => f.write_str(" a month")?,
            Over::Rolling(seconds) => write!(f, " in {}", crate::rule::window(seconds))?,
            Over::Ever => {}
        }
        let parts = self.scope.split(' ').map(|part| match part.split_once(':') {
            Some(("response", _)) => "one request".to_owned(),
            Some((what, name)) => {
                format!("the {what} `{}`", name.replace("%20", " ").replace("%25", "%"))
            }
            None => "everything".to_owned(),
        });
        write!(f, " for {}", parts.collect::<Vec<_>>().join(" and "))
    }
}

/// A share of a budget that was reached: said once in the budget's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub budget: Budget,
    pub percent: u8,
    /// From where on was counted.
    pub since: i64,
    /// Settled until then.
    pub spent: Amount,
    pub at: i64,
}

/// Where a budget stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub budget: Budget,
    /// Settled in the budget's time.
    pub spent: Amount,
    /// Reserved by calls that still run.
    pub reserved: Amount,
}

impl Standing {
    /// What was not spent, whatever of it is reserved; never less than nothing.
    pub fn unspent(&self) -> Amount {
        (self.budget.limit - self.spent).max(Amount::ZERO)
    }

    /// What may still be reserved; never less than nothing.
    pub fn left(&self) -> Amount {
        let left = self.budget.limit - self.spent - self.reserved;
        left.max(Amount::ZERO)
    }
}

/// Asks for room in every one of `budgets` at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The same id asks for the same room: a step that is run again reserves nothing more.
    pub id: String,
    pub budgets: Vec<Budget>,
    /// The worst case.
    pub amount: Amount,
    pub at: i64,
    /// When it lapses by itself.
    pub lease_until: i64,
}

/// The answer to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    Granted,
    /// The first budget that has no room for it. Nothing was reserved.
    Refused(Standing),
}
