//! Runs belong to the server: they are started by a request or by a restart, and read by whoever
//! asks, as long as they last.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ozone_agent::pro;
use ozone_agent::{AgentError, Costs, Request, Run, Seal, abandon};
use ozone_store::{Change, Durability, Journal, Owner, Reader, StoreError, Stored};
use ozone_types::{EventKind, Item, Response, ResponseId, ResponseStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Model, count, document};
use crate::error::{ApiError, causes};
use crate::mcp::{self, McpUse};
use crate::responses::shown;
use crate::schedule::{Entry, Place, Tier};

/// What a stored response is to the server, beside its request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Serve {
    pub tenant: String,
    pub tier: String,
    pub background: bool,
    /// It was asked for as a stream, so it may be replayed as one.
    pub stream: bool,
    pub store: bool,
    pub previous_response_id: Option<ResponseId>,
    pub conversation: Option<String>,
    /// Where its tools work.
    pub container: Option<String>,
    /// Old reasoning is left out.
    pub current_turn_only: bool,
}

pub(crate) const SERVE: &str = "serve";
/// A response whose items are not addressable, nor in its conversation, yet.
pub(crate) const UNSETTLED: &str = "unsettled";
/// An item that `item_reference` finds.
pub(crate) const ITEM: &str = "item";
pub(crate) const CONVERSATION_ITEM: &str = "conversation_item";
/// Readers of a response that waits for its place hear from it so often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long the end of a run waits for a store that takes nothing.
const FAIL_PAUSE: Duration = Duration::from_millis(500);
const FAIL_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A response about to run.
pub(crate) struct Job {
    pub id: ResponseId,
    /// With everything that came before.
    pub request: Request,
    pub serve: Serve,
    pub model: Arc<Model>,
    pub mcp: Vec<McpUse>,
    pub tier: Tier,
    /// Held until the conversation has the response's items.
    pub conversation: Option<OwnedMutexGuard<()>>,
}

/// A response that this process runs.
pub(crate) struct Live {
    pub id: ResponseId,
    pub reader: Reader,
    pub cancel: CancellationToken,
    /// Everything that follows from its end is stored.
    pub done: CancellationToken,
    pub background: bool,
    ended: OnceLock<Response>,
}

impl Live {
    /// Waits for the end.
    pub async fn finished(&self) -> Result<Response, ApiError> {
        self.done.cancelled().await;
        self.ended.get().cloned().ok_or(ApiError::Draining)
    }
}

/// A stored request: what the loop reads, and what the server does.
pub(crate) fn to_stored(request: &Request, serve: &Serve) -> Result<Value, serde_json::Error> {
    // What came before is stored where it came from.
    let mut own = request.clone();
    own.earlier = vec![];
    let mut value = serde_json::to_value(own)?;
    value[SERVE] = serde_json::to_value(serve)?;
    Ok(value)
}

/// The response that a stored one goes on from.
pub(crate) fn before(stored: &Stored) -> Option<ResponseId> {
    stored.request[SERVE]["previous_response_id"].as_str()?.parse().ok()
}

/// `None` when no server stored it.
pub(crate) fn from_stored(mut value: Value) -> Option<Result<(Request, Serve), serde_json::Error>> {
    let serve = value.as_object_mut()?.remove(SERVE)?;
    let read = || Ok((serde_json::from_value(value)?, serde_json::from_value(serve)?));
    Some(read())
}

impl App {
    /// Stores the response and starts it. Refused work leaves nothing behind.
    pub async fn start(self: &Arc<Self>, job: Job) -> Result<Arc<Live>, ApiError> {
        let costs = self.afford(&job).await?;
        let entry = job.model.lanes.enter(job.tier, false)?;
        // Budgets may change while it waits.
        let costs = Some(costs).filter(|_| !matches!(entry, Entry::Later(_)));
        self.start_in(job, entry, costs).await
    }

    /// The same for work that was acknowledged before: it may wait, and is not refused.
    pub async fn start_known(self: &Arc<Self>, job: Job) -> Result<Arc<Live>, ApiError> {
        let entry = job.model.lanes.enter(job.tier, true)?;
        self.start_in(job, entry, None).await
    }

    async fn start_in(
        self: &Arc<Self>,
        job: Job,
        entry: Entry,
        costs: Option<Costs>,
    ) -> Result<Arc<Live>, ApiError> {
        let app = self.clone();
        // On its own task: a client that goes away here must not leave half a response.
        let started = tokio::spawn(async move {
            let store = app.store_of(job.serve.store);
            let queued = job.serve.background || matches!(entry, Entry::Later(_));
            let status = if queued { ResponseStatus::Queued } else { ResponseStatus::InProgress };
            let stored = Stored {
                id: job.id.clone(),
                created_at: app.now(),
                status,
                model: job.request.model.clone(),
                request: to_stored(&job.request, &job.serve).map_err(ApiError::internal)?,
            };
            let owner = app.owner.clone();
            if job.serve.store {
                let (tenant, id) = (&job.serve.tenant, job.id.as_str());
                let conversation = job.serve.conversation.as_deref().unwrap_or_default();
                let unsettled = document(UNSETTLED, tenant, id, conversation, Value::Null);
                app.store.create_with(stored, owner, vec![Change::Put(unsettled)]).await?;
            } else {
                store.create_owned(stored, owner).await?;
            }
            let journal = Journal::new(store, job.id.clone());
            app.launch(job, journal, entry, costs).await
        });
        started.await.map_err(ApiError::internal)?
    }

    /// Runs a stored response that this process has claimed.
    async fn launch(
        self: &Arc<Self>,
        job: Job,
        mut journal: Journal,
        entry: Entry,
        costs: Option<Costs>,
    ) -> Result<Arc<Live>, ApiError> {
        let queued = job.serve.background || matches!(entry, Entry::Later(_));
        if journal.fold().created().is_none() && queued {
            ozone_agent::enqueue(&mut journal, &job.request, self.now()).await?;
        }
        let live = Arc::new(Live {
            id: job.id.clone(),
            reader: journal.reader(),
            cancel: CancellationToken::new(),
            done: CancellationToken::new(),
            background: job.serve.background,
            ended: OnceLock::new(),
        });
        let mut all = self.live.lock().unwrap_or_else(|e| e.into_inner());
        all.insert(job.id.to_string(), live.clone());
        drop(all);
        self.tasks.spawn(self.clone().execute(job, journal, entry, costs, live.clone()));
        Ok(live)
    }

    async fn execute(
        self: Arc<Self>,
        job: Job,
        mut journal: Journal,
        entry: Entry,
        costs: Option<Costs>,
        live: Arc<Live>,
    ) {
        // Also when the run panics: nobody may wait for ever.
        let _leave = Leave { app: self.clone(), live: live.clone() };
        let Some(_place) = self.wait_for_place(&job, &mut journal, entry, &live).await else {
            return;
        };
        let ended = match job.request.pro {
            Some(_) => self.vote(&job, journal, costs, &live).await,
            None => self.run_loop(&job, journal, costs, &live).await,
        };
        let Some(ended) = ended else { return };
        let Job { id, request, serve, model, mcp: _, tier, conversation } = job;
        let response = match ended {
            Ok(response) => response,
            Err(e) => {
                tracing::error!("{id} could not be brought to its end: {}", causes(&e));
                match self.fail_at_last(&id, &request, &serve, e.to_string()).await {
                    Some(failed) => failed,
                    None => return,
                }
            }
        };
        self.record(&response, &model.entry.id, tier);
        self.charge(&serve.tenant, &response);
        if serve.store
            && let Err(e) = self.settle(&response, &request.input, &serve).await
        {
            tracing::error!("the items of {id} could not be stored: {}", causes(&e));
        }
        if let Err(e) = self.tally(&id).await {
            tracing::error!("{id} could not be counted for spend alerts: {}", causes(&e));
        }
        let _ = live.ended.set(response);
        drop(conversation);
    }

    /// One run of the loop. `None` when it could not begin, or the server stops first.
    async fn run_loop(
        self: &Arc<Self>,
        job: &Job,
        mut journal: Journal,
        costs: Option<Costs>,
        live: &Live,
    ) -> Option<Result<Response, AgentError>> {
        let mut tools = match self.tools_of(job).await {
            Ok(tools) => tools,
            Err(e) => {
                let message = "the container's folder could not be made".to_owned();
                tracing::error!("{}: {message}: {e}", job.id);
                self.fail(journal, job, live, message).await;
                return None;
            }
        };
        tools.extend(self.memory_tools(&job.request, &job.serve, Some(&job.id)));
        let (now, cancel, mcp) = (self.now(), &live.cancel, job.mcp.clone());
        let taken = tools.iter().map(|tool| tool.spec().name.clone()).collect();
        let listed = tokio::select! {
            () = self.hard_stop.cancelled() => return None,
            listed = mcp::tools(mcp, &mut journal, &job.request, now, taken, cancel) => listed,
        };
        match listed {
            Ok(more) => tools.extend(more),
            Err(e) => {
                tracing::error!("{}: {}", job.id, causes(&e));
                self.fail(journal, job, live, "the store failed".into()).await;
                return None;
            }
        }
        let Some(costs) = self.costs_of(job, costs).await else {
            self.fail(journal, job, live, "its budget could not be told".to_owned()).await;
            return None;
        };
        let (request, serve, model) = (&job.request, &job.serve, &job.model);
        let folder = serve.container.as_ref().map(|id| self.containers_dir.join(id));
        let run = Run {
            backend: model.entry.backend.clone(),
            tools: self.with_searches(tools, &serve.tenant, request.tools.spelt(), folder),
            journal,
            request: request.clone(),
            limits: self.limits.run,
            clock: self.clock,
            cancel: live.cancel.clone(),
            seal: Some(self.seal_for(&job.serve.tenant, &job.model.entry.id)),
        };
        tokio::select! {
            () = self.hard_stop.cancelled() => None,
            ended = run.run_costing(costs) => Some(ended),
        }
    }

    /// What `told` says, unless it had to wait. `None`, and the reason in the log, when the budgets
    /// cannot be told.
    pub async fn costs_of(&self, job: &Job, told: Option<Costs>) -> Option<Costs> {
        if told.is_some() {
            return told;
        }
        match self.costs(&job.serve.tenant, &job.id, &job.request, &job.model).await {
            Ok(costs) => Some(costs),
            Err(e) => {
                tracing::error!("{}: {}", job.id, causes(&e));
                None
            }
        }
    }

    /// `None` when the server stops first.
    async fn wait_for_place(
        &self,
        job: &Job,
        journal: &mut Journal,
        entry: Entry,
        live: &Live,
    ) -> Option<Option<Place>> {
        let mut place = std::pin::pin!(entry.place());
        loop {
            tokio::select! {
                biased;
                () = self.hard_stop.cancelled() => return None,
                // It runs to its end as a cancelled one, which needs no place.
                () = live.cancel.cancelled() => return Some(None),
                place = &mut place => return Some(Some(place)),
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    let Some(response) = journal.fold().created().cloned() else { continue };
                    let waiting = EventKind::Queued { response: Box::new(response) };
                    let kept = journal.append(vec![waiting], vec![], Durability::Process).await;
                    if let Err(e) = kept {
                        tracing::warn!("{}: {}", job.id, causes(&e));
                    }
                }
            }
        }
    }

    pub fn seal_for(self: &Arc<Self>, tenant: &str, model: &str) -> Seal {
        let (app, tenant, model) = (self.clone(), tenant.to_owned(), model.to_owned());
        Arc::new(move |text: &str| app.sealer.seal(&tenant, &model, text))
    }

    fn record(&self, response: &Response, model: &str, tier: Tier) {
        let status = match response.status {
            ResponseStatus::Completed => "completed",
            ResponseStatus::Incomplete => "incomplete",
            ResponseStatus::Cancelled => "cancelled",
            ResponseStatus::Failed | ResponseStatus::Queued | ResponseStatus::InProgress => {
                "failed"
            }
        };
        count(&self.metrics.responses, (model.to_owned(), tier.name(), status), 1);
        let Some(usage) = &response.usage else { return };
        for (kind, n) in [
            ("input", usage.input_tokens),
            ("cached", usage.input_tokens_details.cached_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.output_tokens_details.reasoning_tokens),
        ] {
            count(&self.metrics.tokens, (model.to_owned(), kind), n);
        }
    }

    fn charge(&self, tenant: &str, response: &Response) {
        let tokens = response.usage.map_or(0, |usage| usage.total_tokens);
        self.keys.used(tenant, tokens);
    }

    /// Makes the items of a finished response addressable, and its conversation longer.
    async fn settle(
        &self,
        response: &Response,
        input: &[Item],
        serve: &Serve,
    ) -> Result<(), ApiError> {
        let (tenant, id) = (&serve.tenant, response.id.as_str());
        let mut kept = response.output.clone();
        if ozone_agent::is_remembered_otherwise(&kept) {
            let records = self.store.records(&response.id).await?;
            kept = ozone_agent::remembered(kept, records);
        }
        let mut changes = vec![];
        let input = input.iter().map(|item| (shown(item), item));
        let output = response.output.iter().cloned().zip(&kept);
        for (shown, kept) in input.chain(output) {
            let Some(item_id) = shown.id() else { continue };
            let body = |item| serde_json::to_value(item).map_err(ApiError::internal);
            let kept = body(kept)?;
            let item = document(ITEM, tenant, item_id, id, kept.clone());
            changes.push(Change::Put(item));
            if let Some(conversation) = &serve.conversation {
                let body = json!({ "shown": body(&shown)?, "kept": kept });
                let item = document(CONVERSATION_ITEM, tenant, item_id, conversation, body);
                changes.push(Change::Put(item));
            }
        }
        let (kind, tenant) = (UNSETTLED.to_owned(), tenant.clone());
        changes.push(Change::Delete { kind, tenant, id: id.to_owned() });
        Ok(self.store.apply(changes).await?)
    }

    pub fn live(&self, id: &ResponseId) -> Option<Arc<Live>> {
        let live = self.live.lock().unwrap_or_else(|e| e.into_inner());
        live.get(id.as_str()).cloned()
    }

    /// Goes on with what a process that is gone left behind: each of its responses is run to its
    /// end, or fails with a reason.
    pub async fn recover(self: &Arc<Self>) -> Result<(), ApiError> {
        for unsettled in self.store.all_documents(UNSETTLED).await? {
            let Ok(id) = unsettled.id.parse::<ResponseId>() else { continue };
            let last = self.store.last_event(&id).await.unwrap_or_default();
            let stored = self.store.get(&id).await.ok().and_then(|s| from_stored(s.request));
            match (last.as_ref().and_then(|e| e.kind.terminal()), stored) {
                (Some(response), Some(Ok((request, serve)))) => {
                    self.settle(response, &request.input, &serve).await?;
                }
                // Not stored, or not ended: the loop below goes on with it.
                (_, Some(Ok(_))) => {}
                // Nothing was stored behind the mark, or it was deleted since.
                (_, None | Some(Err(_))) => {
                    let (tenant, id) = (unsettled.tenant, unsettled.id);
                    let gone = Change::Delete { kind: UNSETTLED.into(), tenant, id };
                    self.store.apply(vec![gone]).await?;
                }
            }
        }
        for unfinished in self.store.unfinished().await? {
            let stored = unfinished.stored;
            // A sample goes on with its vote.
            if stored.request.get(pro::CHILD_OF).is_some() {
                continue;
            }
            // What `ozone ask` left behind is gone on with there.
            let Some(read) = from_stored(stored.request) else { continue };
            let id = stored.id;
            match self.store.claim(&id, self.owner.clone(), Owner::is_alive).await {
                Ok(()) => {}
                Err(StoreError::Leased { .. }) => continue,
                Err(e) => return Err(e.into()),
            }
            let (why, request) = match read {
                Ok((request, serve)) => {
                    match self.resume(id.clone(), request.clone(), serve).await {
                        Ok(()) => continue,
                        Err(why) => (why, Some(request)),
                    }
                }
                Err(e) => (format!("its request cannot be read ({e})"), None),
            };
            tracing::warn!("{id} cannot go on: {why}");
            let mut journal = Journal::open(self.base_store(), id.clone()).await?;
            let message = format!("the server was restarted: {why}");
            if let Err(e) = abandon(&mut journal, request.as_ref(), self.now(), message).await {
                tracing::error!("{id}: {}", causes(&e));
            }
        }
        Ok(())
    }

    async fn resume(
        self: &Arc<Self>,
        id: ResponseId,
        mut request: Request,
        serve: Serve,
    ) -> Result<(), String> {
        let model = self.models.iter().find(|m| m.entry.id == request.model).cloned();
        let model = model.ok_or_else(|| format!("there is no model `{}` now", request.model))?;
        let conversation = match &serve.conversation {
            Some(conversation) => {
                Some(self.lock(&serve.tenant, conversation).await.map_err(|e| e.to_string())?)
            }
            None => None,
        };
        request.earlier = self.earlier_of(&serve).await.map_err(|e| e.to_string())?;
        let tier = Tier::parse(&serve.tier).unwrap_or(Tier::Default);
        let entry = model.lanes.enter(tier, true).map_err(|e| e.to_string())?;
        let mut spelt = request.tools.spelt().to_vec();
        let servers = self.mcp_servers(&mut spelt).map_err(|e| e.to_string())?;
        let mcp = McpUse::of(servers, &[&request.earlier, &request.input]);
        let job = Job { id, request, serve, model, mcp, tier, conversation };
        let journal = Journal::open(self.base_store(), job.id.clone()).await;
        let journal = journal.map_err(|e| e.to_string())?;
        self.launch(job, journal, entry, None).await.map(drop).map_err(|e| e.to_string())
    }

    pub async fn fail(&self, mut journal: Journal, job: &Job, live: &Live, message: String) {
        let failed = abandon(&mut journal, Some(&job.request), self.now(), message.clone()).await;
        drop(journal);
        let failed = match failed {
            Ok(failed) => Some(failed),
            Err(e) => {
                tracing::error!("{}: {}", job.id, causes(&e));
                self.fail_at_last(&job.id, &job.request, &job.serve, message).await
            }
        };
        if let Some(failed) = failed {
            let _ = live.ended.set(failed);
        }
    }

    /// Ends a run that the store has failed, as soon as the store takes its end. `None` when it is
    /// gone, or the server stops first.
    async fn fail_at_last(
        &self,
        id: &ResponseId,
        request: &Request,
        serve: &Serve,
        message: String,
    ) -> Option<Response> {
        if !serve.store {
            return None;
        }
        let mut pause = FAIL_PAUSE;
        loop {
            tokio::select! {
                () = self.hard_stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(FAIL_PAUSE_MAX);
            let failed = async {
                let mut journal = Journal::open(self.base_store(), id.clone()).await?;
                abandon(&mut journal, Some(request), self.now(), message.clone()).await
            };
            match failed.await {
                Ok(failed) => return Some(failed),
                Err(StoreError::NotFound(_)) => return None,
                Err(e) => tracing::error!("{id} has no end yet: {}", causes(&e)),
            }
        }
    }
}

/// Takes a run off the list when it is over, however it ended.
struct Leave {
    app: Arc<App>,
    live: Arc<Live>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut all = self.app.live.lock().unwrap_or_else(|e| e.into_inner());
        all.remove(self.live.id.as_str());
        drop(all);
        self.live.done.cancel();
    }
}
