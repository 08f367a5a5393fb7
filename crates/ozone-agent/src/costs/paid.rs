//! Calls that somebody else is paid for: a picture of an image model.
//!
//! Its price is held in every budget before it is made. Without a price there is no line without a
//! gap, and where there is a budget, no call.

use std::time::Duration;

use ozone_cost::{Facts, Kind, LedgerLine, Reservation, Reserved, Tokens};
use ozone_store::StoreError;
use ozone_tools::Paid;

use super::{LEASE_SLACK_SECONDS, Spending, told_of};

impl Spending {
    /// Holds room for a call. `Err`: why it cannot be made, for the model.
    pub async fn reserve_paid(
        &mut self,
        step: u32,
        index: usize,
        paid: &Paid,
        at: i64,
        time_max: Duration,
    ) -> Result<Result<(), String>, StoreError> {
        if self.costs.budgets.is_empty() {
            return Ok(Ok(()));
        }
        let Some(reservation) = self.of_paid(step, index, paid, at, time_max) else {
            return Ok(Err(format!(
                "not run: there is a budget, and nobody knows what a call of {} costs; its operator \
                 must configure the price",
                paid.to
            )));
        };
        // A run that goes on makes room for itself first.
        self.costs.ledger.release(&reservation.id).await?;
        Ok(match self.costs.ledger.reserve(&reservation).await? {
            Reserved::Refused(standing) => Err(format!("not run: {}", told_of(&standing, at))),
            _ => Ok(()),
        })
    }

    /// The call has ended: its line. `held` is what was reserved, `paid` what it came to.
    pub async fn paid(
        &mut self,
        (step, index): (u32, usize),
        tool: &str,
        took: Duration,
        held: &Paid,
        paid: Option<&Paid>,
        at: i64,
    ) -> Result<LedgerLine, StoreError> {
        let Some(paid) = paid else {
            // It was refused, or never reached anybody.
            if let Some(reservation) = self.of_paid(step, index, held, at, Duration::ZERO)
                && !self.costs.budgets.is_empty()
            {
                self.costs.ledger.release(&reservation.id).await?;
            }
            return Ok(self.tool(step, index, tool, took, at));
        };
        let call = LedgerLine::tool_call(step, index);
        let line = LedgerLine::new(&self.response_id, call, Kind::Tool, tool, at);
        let facts = Facts::new("", &paid.to, Tokens::default());
        let line = match paid.amount {
            Some(amount) => line.costing(facts, amount),
            None => {
                let unknown = vec![format!("the price of a picture of {}", paid.to)];
                LedgerLine { facts, unknown, ..line }
            }
        };
        let line = self.of_payer(LedgerLine { machine_ms: Some(took.as_millis() as u64), ..line });
        self.total.add(&line);
        if let Some(reservation) = self.of_paid(step, index, held, at, Duration::ZERO)
            && !self.costs.budgets.is_empty()
        {
            let cost = paid.amount.unwrap_or(reservation.amount);
            for alert in self.costs.ledger.settle(&reservation, cost, at).await? {
                tracing::warn!("{} % of the budget of {} is spent", alert.percent, alert.budget);
            }
        }
        Ok(line)
    }

    fn of_paid(
        &self,
        step: u32,
        index: usize,
        paid: &Paid,
        at: i64,
        time_max: Duration,
    ) -> Option<Reservation> {
        Some(Reservation {
            id: format!("{}:{}", self.response_id, LedgerLine::tool_call(step, index)),
            budgets: self.costs.budgets.clone(),
            amount: paid.amount?,
            at,
            lease_until: at + time_max.as_secs() as i64 + LEASE_SLACK_SECONDS,
        })
    }
}
