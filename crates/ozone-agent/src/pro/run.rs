//! The async shell of a vote: starts samples, waits for them, cancels those that are no longer
//! needed, and gives the winner's answer as the response's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use ozone_cost::{Budget, Over};
use ozone_model::ModelBackend;
use ozone_store::{Durability, Journal, Store, StoreError, Stored};
use ozone_tools::Tool;
use ozone_types::{
    ErrorCode, EventKind, IncompleteReason, ProReport, ProStop, Response, ResponseError,
    ResponseId, ResponseStatus, Usage,
};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::judge::{self, JUDGED_MAX};
use super::poll::{Choice, Ended, Next, Poll};
use crate::costs::Costs;
use crate::record::Replay;
use crate::request::{Limits, Request};
use crate::run::{self, AgentError, KEEP_ALIVE, Run};
use crate::spans;
use crate::turn::Outcome;
use crate::vote::{self, Ballot};
use crate::writer::Seal;

/// How many events of the winner are read at a time.
const READ_AHEAD: usize = 256;
/// The request of a sample, where it is stored, says whose it is.
pub const CHILD_OF: &str = "child_of";

/// Gives a sample its tools: none of their state may be another sample's. What there is to show of
/// them, as the list of an MCP server, goes into the sample's journal.
pub type Outfit = Arc<
    dyn Fn(
            ResponseId,
            Journal,
        ) -> BoxFuture<'static, Result<(Journal, Vec<Box<dyn Tool>>), AgentError>>
        + Send
        + Sync,
>;

/// Told of the sample that wins.
pub type Crown = Box<dyn Fn(&ResponseId) -> std::io::Result<()> + Send + Sync>;

/// One response in pro mode on its way. Dropping it leaves journals that can be resumed.
pub struct Pro {
    pub backend: Arc<dyn ModelBackend>,
    pub outfit: Outfit,
    /// Where the samples' journals are: the store of `journal`.
    pub store: Arc<dyn Store>,
    pub journal: Journal,
    /// With [`Request::pro`].
    pub request: Request,
    /// Of each sample; the time is that of all of them.
    pub limits: Limits,
    /// Seconds since 1970.
    pub clock: fn() -> i64,
    pub cancel: CancellationToken,
    pub seal: Option<Seal>,
    /// The tools as the response echoes them, where the request does not spell them.
    pub tools_shown: Vec<Value>,
    /// What is stored beside the request of a sample.
    pub mark: Map<String, Value>,
    /// Told who has won before anybody else hears of it: the winner's files become the response's.
    pub crown: Crown,
}

/// A sample that has ended, or the check behind them.
struct Sample {
    /// `None` for the check.
    at: Option<u32>,
    response: Response,
    ballot: Ballot,
}

type Running = FuturesUnordered<BoxFuture<'static, Result<Sample, AgentError>>>;

/// What is known of the samples so far.
struct Vote {
    poll: Poll,
    ended: BTreeMap<u32, Sample>,
    check: Option<Sample>,
    ids: Vec<ResponseId>,
    stop: Option<ProStop>,
    deadline: Instant,
    costs: Option<Costs>,
    /// All samples that are under way.
    cut: CancellationToken,
}

impl Pro {
    /// Runs the vote to its one outcome, from wherever its journals stand. A response that has ended
    /// already is given as it is. With `costs`, each sample's calls are lines of the ledger, as
    /// children of this response.
    pub async fn run(self, costs: Option<Costs>) -> Result<Response, AgentError> {
        if let Some(finished) = self.journal.fold().finished() {
            return Ok(finished.clone());
        }
        let span = spans::agent(&self.request, self.journal.id());
        spans::within(span, self.run_to_end(costs)).await
    }

    async fn run_to_end(mut self, mut costs: Option<Costs>) -> Result<Response, AgentError> {
        let id = self.journal.id().clone();
        if let Some(costs) = &mut costs {
            costs.parent = Some(id.to_string());
            let limit = self.request.pro.as_ref().and_then(|policy| policy.max_cost_usd);
            let budget = |limit| Budget::new(format!("response:{id}:pro"), limit, Over::Ever);
            costs.budgets.extend(limit.map(budget));
        }
        if !self.journal.fold().started() {
            let response = Box::new(self.in_progress(None));
            let mut kinds = vec![EventKind::InProgress { response: response.clone() }];
            if self.journal.fold().created().is_none() {
                let response = Box::new(Response { pro: None, ..*response });
                kinds.insert(0, EventKind::Created { response });
            }
            self.journal.append(kinds, vec![], Durability::Process).await?;
        }
        let held = costs.clone();
        let ended = self.vote(costs).await;
        if let Some(costs) = held {
            let _ = self.hold(&Some(costs), 0).await;
        }
        match ended {
            Ok(response) => Ok(response),
            // The store keeps a little room for this. Where that fails, too, the vote can be
            // resumed.
            Err(error) => {
                self.journal.stored().await?;
                let code = ErrorCode::ServerError;
                let failed = ResponseError { code, message: error.to_string() };
                let mut response = self.in_progress(None);
                response.completed_at = Some((self.clock)());
                let kinds = run::ended(Outcome::Failed(failed), None, &mut response);
                match self.journal.append(kinds, vec![], Durability::Power).await {
                    Ok(()) => Ok(response),
                    Err(_) => Err(error),
                }
            }
        }
    }

    async fn vote(&mut self, costs: Option<Costs>) -> Result<Response, AgentError> {
        let policy = self.request.pro.clone().unwrap_or_default();
        let time_max = match policy.deadline_s {
            Some(seconds) => self.limits.time_max.min(Duration::from_secs(seconds)),
            None => self.limits.time_max,
        };
        self.limits.time_max = time_max;
        let samples_max = self.hold(&costs, policy.n_max).await?;
        let mut vote = Vote {
            poll: Poll::new(policy, samples_max),
            ended: BTreeMap::new(),
            check: None,
            ids: vec![],
            stop: None,
            deadline: Instant::now() + time_max,
            costs,
            cut: self.cancel.child_token(),
        };
        let mut running = Running::new();
        self.restore(&mut vote, &mut running).await?;
        vote.stop = Some(self.sample(&mut vote, &mut running).await?);
        // At once; each still journals its end and what it has used.
        vote.cut.cancel();
        while let Some(sample) = running.next().await {
            vote.take(sample?);
        }
        if self.cancel.is_cancelled() {
            vote.stop = Some(ProStop::CutShort);
            return self.finish(vote, None, Some(Outcome::Cancelled)).await;
        }
        match vote.poll.choice() {
            Choice::Sample(at) => {
                let winner = vote.response(at);
                self.finish(vote, winner, None).await
            }
            Choice::Among(among) => self.among(vote, among).await,
            Choice::Nobody => {
                // An answer that was cut is better than none.
                let is_cut = |s: &Sample| s.response.status == ResponseStatus::Incomplete;
                let cut = vote.ended.values().find(|s| is_cut(s)).map(|s| s.response.clone());
                let failed = vote.ended.values().find_map(|s| s.response.error.clone());
                let outcome = match (&cut, failed) {
                    (None, Some(error)) => Some(Outcome::Failed(error)),
                    (None, None) => Some(Outcome::Incomplete(IncompleteReason::TimeLimit)),
                    (Some(_), _) => None,
                };
                self.finish(vote, cut, outcome).await
            }
        }
    }

    /// Samples until the vote is decided.
    async fn sample(
        &mut self,
        vote: &mut Vote,
        running: &mut Running,
    ) -> Result<ProStop, AgentError> {
        loop {
            match vote.poll.next() {
                Next::Stop(stop) => return Ok(stop),
                Next::Start(count) => {
                    for _ in 0..count {
                        self.start(vote, running).await?;
                    }
                    self.tell(vote).await?;
                }
                Next::Wait => {}
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Ok(ProStop::CutShort),
                sample = running.next() => {
                    let Some(sample) = sample else { continue };
                    vote.take(sample?);
                    self.tell(vote).await?;
                }
                () = tokio::time::sleep(KEEP_ALIVE) => self.tell(vote).await?,
            }
        }
    }

    /// A reader hears how the vote stands.
    async fn tell(&mut self, vote: &Vote) -> Result<(), AgentError> {
        let response = Box::new(self.in_progress(Some(vote.report())));
        let told = vec![EventKind::InProgress { response }];
        Ok(self.journal.append(told, vec![], Durability::Process).await?)
    }

    fn in_progress(&self, report: Option<ProReport>) -> Response {
        let mut response = self.journal.fold().created().cloned().unwrap_or_else(|| {
            let id = self.journal.id().clone();
            self.request.response(id, (self.clock)(), &self.tools_shown)
        });
        response.status = ResponseStatus::InProgress;
        response.pro = report.map(Box::new);
        response
    }

    async fn hold(&self, costs: &Option<Costs>, samples: u32) -> Result<u32, AgentError> {
        let Some(costs) = costs else { return Ok(samples) };
        let (id, info) = (self.journal.id().as_str(), self.backend.info());
        let (now, time_max) = ((self.clock)(), self.limits.time_max);
        Ok(costs.hold(id, &self.request, info, samples, now, time_max).await?)
    }

    /// Samples that an earlier process has begun. Those that have ended are only read; the others
    /// go on once somebody waits for them.
    async fn restore(&self, vote: &mut Vote, running: &mut Running) -> Result<(), AgentError> {
        loop {
            let (at, id) = (vote.poll.started(), self.journal.id().part(vote.poll.started()));
            match self.store.get(&id).await {
                Ok(_) => {}
                Err(StoreError::NotFound(_)) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
            vote.poll.start();
            vote.ids.push(id.clone());
            let journal = Journal::open(self.store.clone(), id.clone()).await?;
            match journal.fold().finished().cloned() {
                Some(response) => {
                    let sample = Sample::of(Some(at), response, &journal, &self.request).await?;
                    vote.take(sample);
                }
                None => running.push(self.child(Some(at), id, self.sampled(at), vote)),
            }
        }
    }

    async fn start(&mut self, vote: &mut Vote, running: &mut Running) -> Result<(), AgentError> {
        let at = vote.poll.start();
        let left = vote.poll.samples_max().saturating_sub(vote.poll.started());
        self.hold(&vote.costs, left).await?;
        let id = self.journal.id().part(at);
        vote.ids.push(id.clone());
        running.push(self.child(Some(at), id, self.sampled(at), vote));
        Ok(())
    }

    /// The request of a sample.
    fn sampled(&self, at: u32) -> Request {
        let mut request = self.request.clone();
        request.pro = None;
        request.measured = true;
        request.sampling.seed = request.sampling.seed.wrapping_add(u64::from(at));
        request
    }

    /// A response of its own, from wherever its journal stands; the check has no tools.
    fn child(
        &self,
        at: Option<u32>,
        id: ResponseId,
        request: Request,
        vote: &Vote,
    ) -> BoxFuture<'static, Result<Sample, AgentError>> {
        let mut value = serde_json::to_value(&request).expect("requests are plain data");
        if let Some(fields) = value.as_object_mut() {
            // What came before is stored where it came from.
            fields.insert("earlier".into(), Value::Array(vec![]));
            fields.insert(CHILD_OF.into(), self.journal.id().as_str().into());
            fields.extend(self.mark.clone());
        }
        let stored = Stored {
            id: id.clone(),
            created_at: (self.clock)(),
            status: ResponseStatus::InProgress,
            model: request.model.clone(),
            request: value,
        };
        let (store, backend) = (self.store.clone(), self.backend.clone());
        let outfit = at.map(|_| self.outfit.clone());
        let left = vote.deadline.saturating_duration_since(Instant::now());
        let limits = Limits { time_max: left, ..self.limits };
        let (clock, seal, costs) = (self.clock, self.seal.clone(), vote.costs.clone());
        let cancel = if at.is_some() { vote.cut.clone() } else { self.cancel.child_token() };
        let asked = self.request.clone();
        let run = async move {
            match store.create(stored).await {
                Ok(()) | Err(StoreError::Exists(_)) => {}
                Err(e) => return Err(e.into()),
            }
            let mut journal = Journal::open(store.clone(), id.clone()).await?;
            let mut tools = vec![];
            if let Some(outfit) = outfit
                && !cancel.is_cancelled()
            {
                (journal, tools) = outfit(id.clone(), journal).await?;
            }
            let run = Run { backend, tools, journal, request, limits, clock, cancel, seal };
            let response = run.run_for(costs).await?;
            let journal = Journal::open(store, id).await?;
            Sample::of(at, response, &journal, &asked).await
        };
        run.boxed()
    }

    /// Nobody agrees with anybody: the model decides.
    async fn among(&mut self, mut vote: Vote, among: Vec<u32>) -> Result<Response, AgentError> {
        let among = &among[..among.len().min(JUDGED_MAX)];
        let output = |at: &u32| vote.ended.get(at).map_or(&[][..], |s| &s.response.output);
        let answers: Vec<String> = among.iter().map(|at| judge::shown(output(at))).collect();
        let fuses = vote.poll.fuses();
        let mut asked = self.sampled(vote.poll.samples_max());
        asked = match fuses {
            true => judge::fuse(&asked, &answers),
            false => judge::choose(&asked, &answers),
        };
        let id = self.journal.id().part("check");
        vote.ids.push(id.clone());
        let check = self.child(None, id, asked, &vote);
        let mut check = std::pin::pin!(check);
        let check = loop {
            tokio::select! {
                biased;
                check = &mut check => break check?,
                () = tokio::time::sleep(KEEP_ALIVE) => self.tell(&vote).await?,
            }
        };
        let is_done = check.response.status == ResponseStatus::Completed;
        let best = judge::chosen(&check.response, among.len()).filter(|_| is_done && !fuses);
        let surest = vote.poll.surest(among);
        let fused = (is_done && fuses).then(|| check.response.clone());
        vote.check = Some(check);
        if self.cancel.is_cancelled() {
            vote.stop = Some(ProStop::CutShort);
            return self.finish(vote, None, Some(Outcome::Cancelled)).await;
        }
        if fused.is_some() {
            vote.stop = Some(ProStop::Fused);
            return self.finish(vote, fused, None).await;
        }
        if best.is_some() {
            vote.stop = Some(ProStop::Verified);
        }
        let winner = best.map(|at| among[at]).or(surest);
        let winner = winner.and_then(|at| vote.response(at));
        self.finish(vote, winner, None).await
    }

    /// Journals the one outcome: the winner's answer as it was streamed to its own journal, or none.
    async fn finish(
        &mut self,
        vote: Vote,
        winner: Option<Response>,
        outcome: Option<Outcome>,
    ) -> Result<Response, AgentError> {
        let mut report = vote.report();
        let usage = vote.usage();
        report.cost_usd = usage.cost.and_then(|cost| cost.dollars());
        let (mut kinds, mut records) = (vec![], vec![]);
        let mut response = self.in_progress(None);
        if let Some(winner) = &winner {
            (self.crown)(&winner.id).map_err(|e| StoreError::Internal(Box::new(e)))?;
            kinds = self.answer(&winner.id).await?;
            records = self.store.records(&winner.id).await?;
            // The rest is about how it came to it.
            records.retain(|r| matches!(r["record"].as_str(), Some("reasoned" | "found")));
            response.output = winner.output.clone();
            response.incomplete_details = winner.incomplete_details.clone();
            report.winner = Some(winner.id.clone());
        }
        response.pro = Some(Box::new(report));
        response.completed_at = Some((self.clock)());
        response.usage = Some(usage);
        let outcome = match (outcome, &response.incomplete_details) {
            (Some(outcome), _) => outcome,
            (None, Some(details)) => Outcome::Incomplete(details.reason),
            (None, None) => Outcome::Completed,
        };
        let why = response.incomplete_details.as_ref().and_then(|d| d.message.clone());
        kinds.extend(run::ended(outcome, why, &mut response));
        self.journal.append(kinds, records, Durability::Power).await?;
        Ok(response)
    }

    /// The events of a sample's output.
    async fn answer(&self, id: &ResponseId) -> Result<Vec<EventKind>, AgentError> {
        let (mut kinds, mut from) = (vec![], 0);
        loop {
            let events = self.store.events(id, from, READ_AHEAD).await?;
            let Some(last) = events.last() else { return Ok(kinds) };
            from = last.sequence_number + 1;
            let of_output = |kind: &EventKind| {
                !matches!(
                    kind,
                    EventKind::Created { .. }
                        | EventKind::Queued { .. }
                        | EventKind::InProgress { .. }
                        | EventKind::Error { .. }
                ) && kind.terminal().is_none()
            };
            kinds.extend(events.into_iter().map(|event| event.kind).filter(of_output));
        }
    }
}

impl Sample {
    /// As its journal has it: what it was sure of stands in the records.
    async fn of(
        at: Option<u32>,
        response: Response,
        journal: &Journal,
        request: &Request,
    ) -> Result<Sample, AgentError> {
        let id = response.id.to_string();
        let replay = Replay::of(journal.records().await?)
            .map_err(|source| AgentError::Journal { id, source })?;
        let sure = replay.steps.iter().filter_map(|step| step.sampled.confidence);
        let confidence = sure.reduce(f64::min);
        let answer = vote::ballot(&response.output, &request.text.format);
        Ok(Sample { at, response, ballot: Ballot { answer, confidence } })
    }
}

impl Vote {
    fn take(&mut self, sample: Sample) {
        let Some(at) = sample.at else { return };
        let reason = sample.response.incomplete_details.as_ref().map(|d| d.reason);
        if matches!(reason, Some(IncompleteReason::TimeLimit | IncompleteReason::CostLimit)) {
            self.poll.close();
        }
        let ended = match sample.response.status {
            ResponseStatus::Completed => Ended::Voted(sample.ballot.clone()),
            ResponseStatus::Cancelled => Ended::Cut,
            ResponseStatus::Incomplete
            | ResponseStatus::Failed
            | ResponseStatus::Queued
            | ResponseStatus::InProgress => Ended::Void,
        };
        self.poll.end(at, ended);
        self.ended.insert(at, sample);
    }

    fn response(&self, at: u32) -> Option<Response> {
        self.ended.get(&at).map(|sample| sample.response.clone())
    }

    fn report(&self) -> ProReport {
        let (child_ids, stop_reason) = (self.ids.clone(), self.stop);
        ProReport { child_ids, stop_reason, ..self.poll.report() }
    }

    /// Of all samples, also of those that were cut, and of the check.
    fn usage(&self) -> Usage {
        let all = || self.ended.values().chain(&self.check).filter_map(|s| s.response.usage);
        let mut usage = Usage::default();
        all().for_each(|of_one| usage += of_one);
        usage.cost = all().filter_map(|of_one| of_one.cost).reduce(ozone_types::Cost::and);
        usage
    }
}
