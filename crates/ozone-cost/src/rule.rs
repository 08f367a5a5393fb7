//! A budget as its owner writes it down: whose spending, over which time, in which currency.
//!
//! A rule covers any number of responses. For one of them it becomes a [`Budget`], whose scope names
//! what is counted together: all that a key spends, or this response alone.

use std::fmt;

use serde::Deserialize;

use crate::{Amount, BadPrice, Budget, Over, Payer, Price, PriceBook, Unknown};

/// One `[[budget]]`. What it does not name, it does not ask for: one that names nothing holds
/// everything that is spent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct BudgetRule {
    /// `*`: each key has its own.
    pub key: Option<String>,
    /// `*`: each project has its own.
    pub project: Option<String>,
    /// `*`: each model has its own.
    pub model: Option<String>,
    pub per: Per,
    /// In `currency`.
    pub amount: Amount,
    pub currency: String,
    /// Percent, in their order.
    pub alerts: Vec<u8>,
}

/// Over which time a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One response, with all its steps.
    Request,
    Day,
    Month,
    /// The last so many seconds.
    Rolling(i64),
}

/// Everything that stands for each one.
const EACH: &str = "*";
/// Longer than any window somebody means: ten years.
const ROLLING_MAX: i64 = 10 * 366 * crate::DAY;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: Option<String>,
    project: Option<String>,
    model: Option<String>,
    per: String,
    amount: String,
    currency: Option<String>,
    #[serde(default)]
    alerts: Vec<i64>,
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    #[error("`amount`: {0}")]
    Amount(#[from] BadPrice),
    #[error(
        "`per` = `{0}` is none of request, day and month, and no window such as 90m, 24h or 7d"
    )]
    Per(String),
    #[error("`currency` = `{0}` is no code of three letters, as USD")]
    Currency(String),
    #[error("`alerts` holds {0}; each is a percentage of the amount from 1 to 100")]
    Alert(i64),
    #[error("`{0}` is empty; leave it out to hold all of them")]
    Empty(&'static str),
}

impl TryFrom<Written> for BudgetRule {
    type Error = BadRule;

    fn try_from(written: Written) -> Result<Self, BadRule> {
        let named = |field, name: Option<String>| match name.as_deref().map(str::trim) {
            Some("") => Err(BadRule::Empty(field)),
            name => Ok(name.map(str::to_owned)),
        };
        let currency = written.currency.unwrap_or_else(|| "USD".to_owned()).to_uppercase();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(BadRule::Currency(currency));
        }
        let mut alerts = vec![];
        for percent in written.alerts {
            let share = u8::try_from(percent).ok().filter(|p| (1..=100).contains(p));
            alerts.push(share.ok_or(BadRule::Alert(percent))?);
        }
        alerts.sort_unstable();
        alerts.dedup();
        Ok(BudgetRule {
            key: named("key", written.key)?,
            project: named("project", written.project)?,
            model: named("model", written.model)?,
            per: written.per.parse()?,
            amount: Price::per_unit(&written.amount)?.amount(),
            currency,
            alerts,
        })
    }
}

impl std::str::FromStr for Per {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Per, BadRule> {
        let bad = || BadRule::Per(text.to_owned());
        match text.trim() {
            "request" => return Ok(Per::Request),
            "day" => return Ok(Per::Day),
            "month" => return Ok(Per::Month),
            _ => {}
        }
        let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', crate::DAY)];
        let written = |(unit, seconds)| Some((text.trim().strip_suffix(unit)?, seconds));
        let (number, unit) = units.into_iter().find_map(written).ok_or_else(bad)?;
        let is_plain = number.bytes().all(|b| b.is_ascii_digit());
        let number: i64 = number.parse().ok().filter(|_| is_plain).ok_or_else(bad)?;
        let seconds = number.checked_mul(unit).filter(|s| (1..=ROLLING_MAX).contains(s));
        seconds.map(Per::Rolling).ok_or_else(bad)
    }
}

impl BudgetRule {
    /// The budget that this rule sets for a response, or `None` where it does not speak of it. A
    /// limit in another currency is one in dollars at the rate of the instant.
    pub fn budget(
        &self,
        payer: &Payer,
        model: &str,
        response_id: &str,
        book: &PriceBook,
        at: i64,
    ) -> Result<Option<Budget>, Unknown> {
        let parts = [
            ("key", &self.key, payer.key.as_str()),
            ("project", &self.project, payer.project.as_str()),
            ("model", &self.model, model),
        ];
        let mut scope: Vec<String> = vec![];
        for (name, asked, is) in parts {
            let Some(asked) = asked else { continue };
            // Who has no key has no budget of its own either.
            if is.is_empty() || (asked != is && asked != EACH) {
                return Ok(None);
            }
            scope.push(format!("{name}:{}", is.replace('%', "%25").replace(' ', "%20")));
        }
        let scope = match (self.per, scope.is_empty()) {
            (Per::Request, _) => format!("response:{response_id}"),
            (_, true) => "all".to_owned(),
            (_, false) => scope.join(" "),
        };
        let (limit, alerts) = (self.limit(book, at)?, self.alerts.clone());
        Ok(Some(Budget { scope, limit, over: self.over(), alerts }))
    }

    pub fn over(&self) -> Over {
        match self.per {
            Per::Request => Over::Ever,
            Per::Day => Over::Day,
            Per::Month => Over::Month,
            Per::Rolling(seconds) => Over::Rolling(seconds),
        }
    }

    /// Names what is counted and over which time, whatever the limit is.
    pub fn counts(&self) -> String {
        let parts = [&self.key, &self.project, &self.model];
        let parts = parts.map(|part| part.as_deref().unwrap_or_default().replace('/', "%2F"));
        format!("{}/{:?}", parts.join("/"), self.per)
    }

    /// In dollars.
    pub fn limit(&self, book: &PriceBook, at: i64) -> Result<Amount, Unknown> {
        if self.currency == "USD" {
            return Ok(self.amount);
        }
        let unknown = || Unknown::Rate { currency: self.currency.clone(), at };
        let (rate, _) = book.rate(&self.currency, at).ok_or_else(unknown)?;
        self.amount.converted(rate).ok_or_else(unknown)
    }

    /// Whether it may speak of this model.
    pub fn covers_model(&self, model: &str) -> bool {
        self.model.as_ref().is_none_or(|asked| asked == model || asked == EACH)
    }
}

/// For people: `5 EUR a day for the key `ann``.
impl fmt::Display for BudgetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.currency.as_str() {
            "USD" => write!(f, "${}", self.amount)?,
            other => write!(f, "{} {other}", self.amount)?,
        }
        match self.per {
            Per::Request => f.write_str(" a request")?,
            Per::Day => f.write_str(" a day")?,
            Per::Month => f.write_str(" a month")?,
            Per::Rolling(seconds) => write!(f, " in {}", window(seconds))?,
        }
        let parts = [("key", &self.key), ("project", &self.project), ("model", &self.model)];
        let mut named = vec![];
        for (what, name) in parts {
            match name.as_deref() {
                None => {}
                Some(EACH) => named.push(format!("each {what}")),
                Some(name) => named.push(format!("the {what} `{name}`")),
            }
        }
        match named.is_empty() {
            true => Ok(()),
            false => write!(f, " for {}", named.join(" and ")),
        }
    }
}

/// `24 hours`, `7 days`, `90 minutes`.
pub(crate) fn window(seconds: i64) -> String {
    let units = [(crate::DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    // A day is better known as 24 hours.
    let fits = |(unit, _): &&(i64, &str)| {
        seconds % unit == 0 && (seconds > crate::DAY || *unit < crate::DAY)
    };
    let (unit, name) = units.iter().find(fits).unwrap_or(&(1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}
