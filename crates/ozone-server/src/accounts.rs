//! Who pays for a response, at which prices, and up to which limits.
//!
//! A rule of the configuration becomes a budget for each response that it speaks of. The loop
//! reserves and settles; here is only what is decided before a run begins: whether the request may
//! begin at all, and what a budget that is new has to count of the time before it.

use std::sync::Arc;

use async_trait::async_trait;
use ozone_agent::{Costs, Request};
use ozone_cost::{BudgetRule, Payer, PriceBook};
use ozone_store::{
    Append, Durability, IsAlive, Ledger, MemoryStore, Owner, Store, StoreError, Stored,
};
use ozone_types::{Event, ResponseId};
use serde_json::Value;

use crate::app::{App, Model};
use crate::error::ApiError;
use crate::runs::Job;

/// The books of a server. Its ledger is its store.
#[derive(Debug, Clone)]
pub struct Accounts {
    pub book: Arc<PriceBook>,
    pub budgets: Vec<BudgetRule>,
    /// The machine of the price book that models run on in this process, for the second ledger.
    pub machine: Option<String>,
}

/// The shipped price book, and no limit.
impl Default for Accounts {
    fn default() -> Self {
        Accounts { book: PriceBook::built_in(), budgets: vec![], machine: None }
    }
}

impl App {
    /// Why the configured budgets cannot be held, if so: each would let something through unseen.
    pub fn problem_of_budgets(&self) -> Option<String> {
        self.accounts.budgets.iter().find_map(|rule| self.problem_of(rule))
    }

    pub fn problem_of(&self, rule: &BudgetRule) -> Option<String> {
        let now = self.now();
        let problem = |what: String| Some(format!("the budget of {rule}: {what}"));
        let named = |name: &Option<String>| name.clone().filter(|name| name != "*");
        if let Some(key) = named(&rule.key).filter(|key| !self.keys.has(key)) {
            return problem(format!("no API key is named `{key}`"));
        }
        if let Some(project) = named(&rule.project)
            && !self.keys.projects().any(|known| known == project)
        {
            return problem(format!("no API key belongs to the project `{project}`"));
        }
        if let Some(model) = named(&rule.model)
            && !self.models.iter().any(|m| m.entry.budgeted_as == model)
        {
            return problem(format!("no model is named `{model}`"));
        }
        if let Err(e) = rule.limit(&self.accounts.book, now) {
            return problem(e.to_string());
        }
        let covered = |m: &&Arc<Model>| rule.covers_model(&m.entry.budgeted_as);
        self.models.iter().filter(covered).find_map(|model| {
            let why = model.entry.prices.worst_case(1, now).err()?;
            let id = &model.entry.id;
            problem(format!(
                "it covers the model `{id}`, and nothing measures what that costs ({why}); \
                     give it a price"
            ))
        })
    }

    /// The rules of the configuration, and the spend limits that were set over HTTP.
    async fn rules(&self) -> Result<Vec<BudgetRule>, StoreError> {
        let mut rules = self.accounts.budgets.clone();
        rules.extend(self.spend_rules().await?);
        Ok(rules)
    }

    pub async fn costs(
        &self,
        tenant: &str,
        id: &ResponseId,
        request: &Request,
        model: &Model,
    ) -> Result<Costs, ApiError> {
        let entry = &model.entry;
        let payer = Payer {
            // Without keys nobody is told apart.
            key: if self.keys.is_empty() { String::new() } else { tenant.to_owned() },
            project: self.keys.project(tenant).unwrap_or_default().to_owned(),
            user: request
                .echo
                .safety_identifier
                .clone()
                .or(request.echo.user.clone())
                .unwrap_or_default(),
        };
        let accounts = &self.accounts;
        let mut budgets = vec![];
        for rule in self.rules().await? {
            let name = &entry.budgeted_as;
            let budget = rule.budget(&payer, name, id.as_str(), &accounts.book, self.now());
            budgets.extend(budget.map_err(ApiError::internal)?);
        }
        let machine = accounts.machine.as_ref().filter(|_| entry.runs_here);
        Ok(Costs {
            prices: entry.prices.clone(),
            payer,
            parent: None,
            budgets,
            ledger: self.store.clone(),
            machine: machine.map(|name| (accounts.book.clone(), name.clone())),
        })
    }

    /// Refuses what its budgets cannot pay for, and tells who pays.
    pub async fn afford(&self, job: &Job) -> Result<Costs, ApiError> {
        let costs = self.costs(&job.serve.tenant, &job.id, &job.request, &job.model).await?;
        let info = job.model.entry.backend.info();
        match costs.refusal(&job.request, info, self.now()).await? {
            Some(why) => Err(ApiError::QuotaSpent(why)),
            None => Ok(costs),
        }
    }

    /// Lets budgets that were not there at the last start count what was spent in their time.
    pub async fn adopt_budgets(&self) -> Result<(), StoreError> {
        let known_as = |name: &str| {
            let model = self.models.iter().find(|m| m.entry.id == name);
            model.map_or(name, |m| m.entry.budgeted_as.as_str()).to_owned()
        };
        let (rules, book) = (self.rules().await?, &self.accounts.book);
        ozone_agent::costs::adopt(&*self.store, &rules, known_as, book, self.now()).await
    }
}

/// The store of a response that shall leave nothing behind but what it cost.
pub(crate) struct Unstored {
    memory: MemoryStore,
    ledger: Arc<dyn Ledger>,
}

impl Unstored {
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Unstored { memory: MemoryStore::default(), ledger }
    }
}

#[async_trait]
impl Store for Unstored {
    async fn create(&self, stored: Stored) -> Result<(), StoreError> {
        self.memory.create(stored).await
    }

    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        self.memory.get(id).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.memory.list(limit).await
    }

    async fn append(
        &self,
        id: &ResponseId,
        mut append: Append,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let lines = std::mem::take(&mut append.ledger);
        if !lines.is_empty() {
            self.ledger.charge(lines).await?;
        }
        self.memory.append(id, append, durability).await
    }

    async fn events(
        &self,
        id: &ResponseId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.memory.events(id, from, limit).await
    }

    async fn records(&self, id: &ResponseId) -> Result<Vec<Value>, StoreError> {
        self.memory.records(id).await
    }

    async fn claim(&self, id: &ResponseId, owner: Owner, alive: IsAlive) -> Result<(), StoreError> {
        self.memory.claim(id, owner, alive).await
    }
}
