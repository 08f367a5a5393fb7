//! `/organization/…`: what was used, what it cost, and how much may be spent in a month.
//!
//! Usage and costs are the ledger's lines in buckets of time. An administrator's key hears of
//! everybody, any other key of itself; a server without keys serves one person, who is the
//! administrator. A spend limit is a budget rule that is kept in the store in place of the
//! configuration: it holds from the next response on, and counts what was spent before in its month.
//! An alert says once a month, in the log and on itself, that its threshold was reached: Ozone sends
//! no mail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use ozone_cost::usage::{BadQuery, Usage, UsageQuery};
use ozone_cost::{Amount, Budget, BudgetRule, LedgerLine, LedgerQuery, Over, Per};
use ozone_store::{Change, Document, Spent, StoreError};
use ozone_types::ResponseId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::{App, document, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::{Paging, Who};
use crate::serve::Body;

/// One document for each scope that has a limit.
const LIMIT: &str = "spend_limit";
const ALERT: &str = "spend_alert";
/// As `vector_stores` keeps them.
const VECTOR_STORE: &str = "vector_store";
/// A billion dollars.
const CENTS_MAX: u64 = 100_000_000_000;
const ALERTS_MAX: usize = 100;
const RECIPIENTS_MAX: usize = 100;
/// The end of a run waits for its turn here.
const TALLY: &str = "spend_tally";

type Pairs = Query<Vec<(String, String)>>;

impl From<BadQuery> for ApiError {
    fn from(bad: BadQuery) -> Self {
        ApiError::coded(bad.param, "invalid_value", bad.reason)
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    let limit = || get(get_limit).post(set_limit).delete(delete_limit);
    let alerts = || get(list_alerts).post(create_alert);
    let alert = || get(get_alert).post(update_alert).delete(delete_alert);
    Router::new()
        .route("/organization/usage/{name}", get(usage))
        .route("/organization/costs", get(costs))
        .route("/organization/spend_limit", limit())
        .route("/organization/spend_alerts", alerts())
        .route("/organization/spend_alerts/{alert}", alert())
        .route("/organization/projects/{project}/spend_limit", limit())
        .route("/organization/projects/{project}/spend_alerts", alerts())
        .route("/organization/projects/{project}/spend_alerts/{alert}", alert())
}

async fn usage(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(name): Path<String>,
    Query(params): Pairs,
) -> Result<Json<Value>, ApiError> {
    let Some(usage) = Usage::named(&name) else {
        let path = format!("/v1/organization/usage/{}", name.chars().take(80).collect::<String>());
        return Err(ApiError::NoRoute { method: "GET".into(), path });
    };
    page(&app, &tenant, usage, &params).await
}

async fn costs(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(params): Pairs,
) -> Result<Json<Value>, ApiError> {
    page(&app, &tenant, Usage::Costs, &params).await
}

async fn page(
    app: &App,
    tenant: &Tenant,
    usage: Usage,
    params: &[(String, String)],
) -> Result<Json<Value>, ApiError> {
    // What was used in this very second counts too.
    let query = UsageQuery::parse(usage, params, app.now() + 1)?;
    let sees_all = app.is_admin(tenant);
    let query = if sees_all { query } else { query.of_key(&tenant.name) };
    if usage != Usage::VectorStores {
        return Ok(Json(query.page(&app.store.ledger(&query.ledger()).await?)));
    }
    // What is deleted is not remembered: a past bucket shows the stores of then as they are now.
    let stores = app.store.all_documents(VECTOR_STORE).await?;
    let ours = stores.iter().filter(|d| sees_all || d.tenant == tenant.name);
    let held: Vec<(i64, String, u64)> = ours
        .map(|d| {
            let project = app.keys.project(&d.tenant).unwrap_or_default().to_owned();
            let since = d.body["created_at"].as_i64().unwrap_or(i64::MAX);
            (since, project, d.body["usage_bytes"].as_u64().unwrap_or(0))
        })
        .collect();
    Ok(Json(query.stored(|until| {
        let there = held.iter().filter(|(since, ..)| *since < until);
        there.map(|(_, project, bytes)| (project.clone(), *bytes)).collect()
    })))
}

/// Whose spending is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Organization,
    Project(String),
}

impl Scope {
    /// The tenant that its documents are stored under: no key's name, whatever keys are named.
    fn shelf(&self) -> String {
        match self {
            Scope::Organization => "organization".to_owned(),
            Scope::Project(name) => format!("project/{name}"),
        }
    }

    fn of_shelf(shelf: &str) -> Scope {
        match shelf.strip_prefix("project/") {
            Some(name) => Scope::Project(name.to_owned()),
            None => Scope::Organization,
        }
    }

    /// `organization.spend_limit`, `project.spend_alert`.
    fn object(&self, what: &str) -> String {
        match self {
            Scope::Organization => format!("organization.{what}"),
            Scope::Project(_) => format!("project.{what}"),
        }
    }

    fn holds(&self, line: &LedgerLine) -> bool {
        match self {
            Scope::Organization => true,
            Scope::Project(name) => line.payer.project == *name,
        }
    }

    fn rule(&self, amount: Amount) -> BudgetRule {
        let project = match self {
            Scope::Organization => None,
            Scope::Project(name) => Some(name.clone()),
        };
        BudgetRule {
            key: None,
            project,
            model: None,
            per: Per::Month,
            amount,
            currency: "USD".to_owned(),
            alerts: vec![],
        }
    }

    /// What alerts look at: it is only counted there, and holds nobody.
    fn tally(&self) -> Budget {
        Budget::new(format!("alerts:{}", self.shelf()), Amount::LINE_MAX, Over::Month)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Organization => f.write_str("everything"),
            Scope::Project(name) => write!(f, "the project `{name}`"),
        }
    }
}

/// The parts of a route.
#[derive(Deserialize)]
struct Target {
    project: Option<String>,
    alert: Option<String>,
}

impl Target {
    /// Limits and alerts are an administrator's.
    fn scope(&self, app: &App, tenant: &Tenant) -> Result<Scope, ApiError> {
        if !app.is_admin(tenant) {
            let message = "This needs an administrator's key: one with `admin = true`.";
            return Err(ApiError::Forbidden(message.into()));
        }
        match &self.project {
            None => Ok(Scope::Organization),
            Some(name) if app.keys.projects().any(|known| known == name) => {
                Ok(Scope::Project(name.clone()))
            }
            Some(name) => {
                let name: String = name.chars().take(80).collect();
                Err(ApiError::not_found(format!("No key belongs to the project '{name}'.")))
            }
        }
    }

    fn alert(&self) -> &str {
        self.alert.as_deref().unwrap_or_default()
    }
}

/// `threshold_amount` in cents. Only what OpenAI has too: dollars, by the month.
fn threshold(fields: &Fields<'_>) -> Result<u64, ApiError> {
    for (name, only) in [("currency", "USD"), ("interval", "month")] {
        let given = fields.required(name)?;
        if given != only {
            return Err(fields.bad_word(name, given, &format!("'{only}'")));
        }
    }
    let cents = fields.integer("threshold_amount", 0, CENTS_MAX)?;
    cents.ok_or_else(|| ApiError::missing("threshold_amount"))
}

/// How old what every request looks at may be: so late does a server see a limit that was set by
/// another one over the same database.
const RECENT: Duration = Duration::from_secs(1);

/// Limits and alerts as they were read last.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Read>);

#[derive(Default)]
struct Read {
    known: HashMap<&'static str, (Instant, Arc<Vec<Document>>)>,
    /// So that what was read before a change is not kept after it.
    changes: u64,
}

impl Recent {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// With the number of changes so far.
    fn get(&self, kind: &'static str) -> (Option<Arc<Vec<Document>>>, u64) {
        let read = self.read();
        let known = read.known.get(kind).filter(|(at, _)| at.elapsed() < RECENT);
        (known.map(|(_, documents)| documents.clone()), read.changes)
    }

    fn keep(&self, kind: &'static str, documents: Arc<Vec<Document>>, changes: u64) {
        let mut read = self.read();
        if read.changes == changes {
            read.known.insert(kind, (Instant::now(), documents));
        }
    }

    fn forget(&self) {
        let mut read = self.read();
        read.known.clear();
        read.changes += 1;
    }
}

fn dollars(cents: u64) -> Amount {
    Amount::from_nano(i64::try_from(cents.min(CENTS_MAX)).unwrap_or(i64::MAX) * 10_000_000)
}

fn cents_of(body: &Value) -> u64 {
    body["threshold_amount"].as_u64().unwrap_or_default()
}

impl App {
    /// Whether this tenant may hear of others and set limits.
    fn is_admin(&self, tenant: &Tenant) -> bool {
        self.keys.is_empty() || tenant.admin
    }

    /// The stored spend limits, as rules beside those of the configuration.
    pub async fn spend_rules(&self) -> Result<Vec<BudgetRule>, StoreError> {
        let limits = self.recent(LIMIT).await?;
        let rule = |d: &Document| Scope::of_shelf(&d.tenant).rule(dollars(cents_of(&d.body)));
        Ok(limits.iter().map(rule).collect())
    }

    /// All limits, or all alerts, as they stood a moment ago.
    async fn recent(&self, kind: &'static str) -> Result<Arc<Vec<Document>>, StoreError> {
        let (known, changes) = self.recent.get(kind);
        if let Some(known) = known {
            return Ok(known);
        }
        let read = Arc::new(self.store.all_documents(kind).await?);
        self.recent.keep(kind, read.clone(), changes);
        Ok(read)
    }

    /// Changes a limit or an alert.
    async fn change_recent(&self, change: Change) -> Result<(), StoreError> {
        let changed = self.store.apply(vec![change]).await;
        // Whatever became of it.
        self.recent.forget();
        changed
    }

    async fn limit(&self, scope: &Scope) -> Result<Value, ApiError> {
        let found = self.store.document(LIMIT, &scope.shelf(), LIMIT).await?;
        let cents = found
            .map(|d| cents_of(&d.body))
            .ok_or_else(|| ApiError::not_found(format!("There is no spend limit for {scope}.")))?;
        let mut object = json!({
            "object": scope.object("spend_limit"),
            "threshold_amount": cents,
            "currency": "USD",
            "interval": "month",
        });
        let rule = scope.rule(dollars(cents));
        let payer = ozone_cost::Payer {
            project: rule.project.clone().unwrap_or_default(),
            ..Default::default()
        };
        let budget = rule.budget(&payer, "", "", &self.accounts.book, self.now());
        if let Some(budget) = budget.map_err(ApiError::internal)? {
            let standing = self.store.standing(&budget, self.now()).await?;
            let reached = standing.unspent().is_zero();
            object["enforcement"] =
                json!({ "status": if reached { "enforcing" } else { "inactive" } });
            // Ours, in dollars: what counts against it by now.
            object["spent"] = json!(standing.spent);
        }
        Ok(object)
    }

    /// An alert as it is stored.
    async fn alert(&self, scope: &Scope, id: &str) -> Result<Value, ApiError> {
        let found = self.store.document(ALERT, &scope.shelf(), id).await?;
        found.map(|d| d.body).ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            ApiError::not_found(format!("No spend alert found with id '{id}'."))
        })
    }

    /// Counts the lines for the alerts of this scope. Each line is counted once, however often.
    async fn count(&self, scope: &Scope, lines: &[LedgerLine]) -> Result<(), StoreError> {
        let spent = |line: &LedgerLine| {
            let id = format!("{}/{}", line.response_id, line.call);
            Some(Spent { id, amount: line.amount?, at: line.at })
        };
        let ours = lines.iter().filter(|line| scope.holds(line));
        self.store.adopt(&scope.tally(), ours.filter_map(spent).collect()).await
    }

    /// Says which alerts of this scope are due, and keeps that it was said.
    async fn say_due(&self, scope: &Scope) -> Result<(), StoreError> {
        let now = self.now();
        let spent = self.store.standing(&scope.tally(), now).await?.spent;
        let month = Over::Month.since(now);
        for mut alert in self.store.all_documents(ALERT).await? {
            let told = alert.body["triggered_at"].as_i64().is_some_and(|at| at >= month);
            let cents = cents_of(&alert.body);
            if alert.tenant != scope.shelf() || told || spent < dollars(cents) {
                continue;
            }
            tracing::warn!(
                alert = %alert.id,
                recipients = %alert.body["notification_channel"]["recipients"],
                "spend alert: {scope} cost ${spent} this month, and ${} is its threshold",
                dollars(cents)
            );
            alert.body["triggered_at"] = json!(now);
            self.change_recent(Change::Put(alert)).await?;
        }
        Ok(())
    }

    /// After a response: what it cost may make an alert due.
    pub async fn tally(&self, id: &ResponseId) -> Result<(), ApiError> {
        let alerts = self.recent(ALERT).await?;
        let mut shelves: Vec<&str> = alerts.iter().map(|d| d.tenant.as_str()).collect();
        shelves.sort_unstable();
        shelves.dedup();
        if shelves.is_empty() {
            return Ok(());
        }
        let mut lines = self.store.ledger(&LedgerQuery::response(id.as_str())).await?;
        lines.extend(self.store.ledger(&LedgerQuery::children(id.as_str())).await?);
        let _only = self.lock("", TALLY).await?;
        for scope in shelves.into_iter().map(Scope::of_shelf) {
            self.count(&scope, &lines).await?;
            self.say_due(&scope).await?;
        }
        Ok(())
    }
}

async fn get_limit(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    Ok(Json(app.limit(&scope).await?))
}

async fn set_limit(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    let cents = threshold(&Fields::of(&body, "")?)?;
    if let Some(problem) = app.problem_of(&scope.rule(dollars(cents))) {
        return Err(ApiError::invalid("", problem));
    }
    let kept = json!({ "threshold_amount": cents });
    let put = Change::Put(document(LIMIT, &scope.shelf(), LIMIT, "", kept));
    app.change_recent(put).await?;
    app.adopt_budgets().await?;
    Ok(Json(app.limit(&scope).await?))
}

async fn delete_limit(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    app.limit(&scope).await?;
    let (kind, id) = (LIMIT.to_owned(), LIMIT.to_owned());
    app.change_recent(Change::Delete { kind, tenant: scope.shelf(), id }).await?;
    // A limit that is set again later counts anew what was spent without it.
    app.adopt_budgets().await?;
    Ok(Json(json!({ "object": scope.object("spend_limit.deleted"), "deleted": true })))
}

/// The body of an alert, checked, as it is kept and shown.
fn read_alert(scope: &Scope, id: &str, body: &Value) -> Result<Value, ApiError> {
    let fields = Fields::of(body, "")?;
    let cents = threshold(&fields)?;
    let channel = fields
        .object("notification_channel")?
        .ok_or_else(|| ApiError::missing("notification_channel"))?;
    let kind = channel.required("type")?;
    if kind != "email" {
        return Err(channel.bad_word("type", kind, "'email'"));
    }
    let name = channel.param("recipients");
    let list = channel.list("recipients")?.ok_or_else(|| ApiError::missing(&name))?;
    let recipients: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let is_one = |text: &&str| text.contains('@') && text.len() <= 254;
    let recipients = recipients
        .filter(|all| !all.is_empty() && all.len() <= RECIPIENTS_MAX && all.iter().all(is_one))
        .ok_or_else(|| {
            let message = format!("Invalid '{name}': expected 1 to {RECIPIENTS_MAX} addresses.");
            ApiError::coded(&name, "invalid_value", message)
        })?;
    let prefix = channel.string("subject_prefix")?;
    if prefix.is_some_and(|text| text.chars().count() > 200) {
        let param = channel.param("subject_prefix");
        let message = format!("Invalid '{param}': at most 200 characters are taken.");
        return Err(ApiError::coded(&param, "invalid_value", message));
    }
    Ok(json!({
        "id": id,
        "object": scope.object("spend_alert"),
        "threshold_amount": cents,
        "currency": "USD",
        "interval": "month",
        "notification_channel": {
            "type": "email", "recipients": recipients, "subject_prefix": prefix,
        },
        // Ours: when it was last said that the threshold is reached.
        "triggered_at": null,
    }))
}

async fn create_alert(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    let _only = app.lock("", TALLY).await?;
    let known = app.store.all_documents(ALERT).await?;
    if known.iter().filter(|d| d.tenant == scope.shelf()).count() >= ALERTS_MAX {
        let message = format!("There are {ALERTS_MAX} alerts already; delete one first.");
        return Err(ApiError::invalid("", message));
    }
    keep_alert(&app, &scope, &mint("alert_"), &body).await
}

async fn update_alert(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    let _only = app.lock("", TALLY).await?;
    app.alert(&scope, target.alert()).await?;
    keep_alert(&app, &scope, target.alert(), &body).await
}

/// A new threshold is looked at now: it may be reached already.
async fn keep_alert(
    app: &App,
    scope: &Scope,
    id: &str,
    body: &Value,
) -> Result<Json<Value>, ApiError> {
    let alert = read_alert(scope, id, body)?;
    let put = Change::Put(document(ALERT, &scope.shelf(), id, "", alert));
    app.change_recent(put).await?;
    let from = Some(Over::Month.since(app.now()));
    let lines = app.store.ledger(&LedgerQuery { from, ..LedgerQuery::default() }).await?;
    app.count(scope, &lines).await?;
    app.say_due(scope).await?;
    Ok(Json(app.alert(scope, id).await?))
}

async fn list_alerts(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    let paging = Paging::parse(&query, 100)?;
    let found = app.store.documents(ALERT, &scope.shelf(), &paging.page).await?;
    Ok(Json(paging.list(found.into_iter().map(|d| d.body).collect())))
}

async fn get_alert(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    Ok(Json(app.alert(&scope, target.alert()).await?))
}

async fn delete_alert(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(target): Path<Target>,
) -> Result<Json<Value>, ApiError> {
    let scope = target.scope(&app, &tenant)?;
    let _only = app.lock("", TALLY).await?;
    app.alert(&scope, target.alert()).await?;
    let (kind, id) = (ALERT.to_owned(), target.alert().to_owned());
    app.change_recent(Change::Delete { kind, tenant: scope.shelf(), id: id.clone() }).await?;
    let object = scope.object("spend_alert.deleted");
    Ok(Json(json!({ "object": object, "id": id, "deleted": true })))
}
