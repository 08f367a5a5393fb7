//! Usage to money, exactly.
//!
//! A provider's usage becomes [`Facts`] (`normalise`), a [`PriceBook`] and an instant make them a
//! [`Priced`] whose lines add up to the last digit, and a [`LedgerLine`] keeps it beside the row
//! that it was priced with. A missing price or a missing count gives no amount and says why:
//! unknown is not zero. No sockets, no tensors, no clock: the instant is an argument.

mod amount;
mod book;
mod budget;
mod compare;
mod facts;
mod ledger;
pub mod litellm;
mod model_price;
mod normalise;
mod pricing;
mod report;
mod row;
mod rule;
mod suite;
mod time;
pub mod usage;
mod worst;

pub use amount::{Amount, BadPrice, Price};
pub use book::{BookError, FileKind, PriceBook};
pub use budget::{Alert, Budget, Over, Reservation, Reserved, Standing};
pub use compare::{Compared, Comparison, compare, compare_suite};
pub use facts::{
    Facts, Meter, TIER_BATCH, TIER_DEFAULT, TIER_FLEX, TIER_PRIORITY, Tokens, ToolUse,
};
pub use ledger::{Kind, LedgerLine, LedgerQuery, Payer, Total};
pub use model_price::ModelPrice;
pub use normalise::{anthropic, gemini, openai, response};
pub use pricing::{Line, Original, Priced, RowName, RowRef, Unknown};
pub use report::{By, Group, Report, columns, escaped};
pub use row::{File, Free, MachineRow, PriceRow, RateRow, Rates, Tier, ToolRow, Window};
pub use rule::{BadRule, BudgetRule, Per};
pub use suite::{BadSuite, Suite, Tally};
pub use time::{DAY, Hours, Period, civil_date, parse_instant, show_instant};
pub use worst::WorstCase;
