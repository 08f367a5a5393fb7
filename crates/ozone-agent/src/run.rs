//! The async shell of the loop. It waits for the model, the tools and the clock, and journals each
//! step before its effect is visible.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::{Stream, StreamExt};
use ozone_model::{
    Calls, Constraints, ModelBackend, ModelError, Sample, SampleEvent, SampleRequest, SampleStream,
    Sampling, Stop, TokenLogprob, Turn as ModelTurn,
};
use ozone_prompt::{Day, Delta, Message, ToolCall};
use ozone_store::{Durability, Journal, StoreError};
use ozone_tools::{Call, Shown, Tool, ToolOutput, picture_type};
use ozone_types::item::Known;
use ozone_types::{
    CodeOutput, ErrorBody, ErrorCode, EventKind, FoundPassage, IncompleteDetails, IncompleteReason,
    Item, ItemStatus, Response, ResponseError, ResponseStatus, SeenLines, Truncation, Usage,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::ahead::{self, Ahead, Ran};
use crate::choice::Offer;
use crate::cite::Marks;
use crate::context;
use crate::costs::{Costs, NoRoom, Spending};
use crate::logprobs::Logprobs;
use crate::mcp;
use crate::pictures;
use crate::record::{MadeFile, Record, Replay, Said, Sampled};
use crate::request::{self, Limits, Request};
use crate::spans;
use crate::turn::{Decided, Outcome, Rules, SampleEnd, Turn, Used};
use crate::vote;
use crate::writer::{CallResult, Seal, View, Writer, Written};

/// Readers hear from a response at least this often (rule S11).
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a sample waits for room in a budget that others hold, and how often it looks.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);
const ROOM_POLL: Duration = Duration::from_millis(50);
/// The most sampled chunks that are journaled in one transaction.
const CHUNKS_MAX: usize = 16;
/// A picture larger than this stays a file and is not put into the item.
const IMAGE_BYTES_MAX: usize = 1 << 20;

/// The response could not be run to an end that is journaled.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the journal of {id} cannot be understood")]
    Journal {
        id: String,
        #[source]
        source: serde_json::Error,
    },
}

/// One response on its way. Dropping it leaves a journal that can be resumed.
pub struct Run {
    pub backend: Arc<dyn ModelBackend>,
    pub tools: Vec<Box<dyn Tool>>,
    pub journal: Journal,
    pub request: Request,
    pub limits: Limits,
    /// Seconds since 1970.
    pub clock: fn() -> i64,
    pub cancel: CancellationToken,
    /// Makes `encrypted_content`: of summaries, and of reasoning where it was asked for.
    pub seal: Option<Seal>,
}

/// Why a step did not come to its end.
pub(crate) enum Stopped {
    Store(StoreError),
    Ended(Outcome),
}

impl From<StoreError> for Stopped {
    fn from(e: StoreError) -> Self {
        Stopped::Store(e)
    }
}

/// Why there is no sample, and the same may be tried in another way.
enum Missed {
    Model(ModelError),
    /// The prompt is longer than the client wants it.
    TooLong,
}

/// What a running response knows.
pub(crate) struct State {
    pub writer: Writer,
    pub turns: Vec<ModelTurn>,
    /// So many of the oldest turns do not go to the model.
    pub dropped: usize,
    /// The tokens of the last prompt and its sample, and how many turns they were.
    pub read: Option<(u64, usize)>,
    /// For the sample that is due.
    pub tried_to_compact: bool,
    offer: Offer,
    pub used: Used,
    pub usage: Usage,
    /// What the sample under way has used so far: it counts where the sample is cut.
    partial: Option<Usage>,
    /// What the run costs, where somebody pays.
    pub spending: Option<Spending>,
    /// Ids of the cut sample of a run that was killed.
    started: Vec<u32>,
    /// The sample under way has said something, whoever may have read it.
    has_said: bool,
    logprobs: Logprobs,
    /// The logprobs of the sample under way, where its confidence is measured.
    measured: Vec<Option<f32>>,
    /// Calls that the client is to run.
    handed: Vec<ToolCall>,
    /// What the calls of the last sample gave to see, each by the id of its call.
    pictures: Vec<(String, Vec<u8>)>,
    pub deadline: Instant,
}

/// Puts a response into the journal that a later [`Run`] takes up: it is `queued` until then.
pub async fn enqueue(
    journal: &mut Journal,
    request: &Request,
    now: i64,
) -> Result<Response, StoreError> {
    let mut response = request.response(journal.id().clone(), now, &[]);
    response.status = ResponseStatus::Queued;
    let shown = || Box::new(response.clone());
    let kinds =
        vec![EventKind::Created { response: shown() }, EventKind::Queued { response: shown() }];
    journal.append(kinds, vec![], Durability::Power).await?;
    Ok(response)
}

impl Run {
    /// Runs the response to its one outcome, from wherever its journal stands. A response that has
    /// ended already is given as it is.
    pub async fn run(self) -> Result<Response, AgentError> {
        self.run_for(None).await
    }

    /// The same for somebody who pays: each call gets its line in the ledger, and a budget that is
    /// spent ends the response as incomplete.
    pub async fn run_costing(self, costs: Costs) -> Result<Response, AgentError> {
        self.run_for(Some(costs)).await
    }

    pub(crate) async fn run_for(self, costs: Option<Costs>) -> Result<Response, AgentError> {
        if let Some(finished) = self.journal.fold().finished() {
            return Ok(finished.clone());
        }
        let span = spans::agent(&self.request, self.journal.id());
        spans::within(span, self.run_to_end(costs)).await
    }

    async fn run_to_end(mut self, costs: Option<Costs>) -> Result<Response, AgentError> {
        let id = self.journal.id().clone();
        // Where there are no events there are no records yet.
        let records = match self.journal.fold().next_sequence_number() {
            0 => vec![],
            _ => self.journal.records().await?,
        };
        let replay = Replay::of(records)
            .map_err(|source| AgentError::Journal { id: id.to_string(), source })?;
        let mut state = self.restore(&replay);
        if let Some(costs) = costs {
            let (model, resumed) = (&self.request.model, self.journal.fold().started());
            state.spending = Some(Spending::begin(costs, id.as_str(), model, resumed).await?);
        }
        if !self.journal.fold().started() {
            let response = Box::new(self.in_progress());
            let mut kinds = vec![EventKind::InProgress { response: response.clone() }];
            if self.journal.fold().created().is_none() {
                kinds.insert(0, EventKind::Created { response });
            }
            self.journal.append(kinds, vec![], Durability::Process).await?;
        }
        let turns = self.turns(&mut state, replay).await;
        self.backend.release(id.as_str());
        let error = match turns {
            Ok(outcome) | Err(Stopped::Ended(outcome)) => {
                return self.finish(&mut state, outcome).await;
            }
            Err(Stopped::Store(e)) => e,
        };
        // The store keeps a little room for this. Where that fails, too, the run can be resumed.
        let failed = ResponseError { code: ErrorCode::ServerError, message: error.to_string() };
        let (built_in, view) = self.writes(&state.offer, &state.used);
        let marks = self.marks(&[], &[]);
        state.writer =
            Writer::restore(self.journal.stored().await?, view, built_in, marks, &[], |_, _| {});
        self.finish(&mut state, Outcome::Failed(failed)).await.or(Err(error.into()))
    }

    /// The response as it stands before it has any output.
    fn in_progress(&self) -> Response {
        let mut response = self.journal.fold().created().cloned().unwrap_or_else(|| {
            let mut tools: Vec<_> = self.tools.iter().map(|t| request::echo(t.as_ref())).collect();
            // Several may stand behind one.
            tools.dedup();
            self.request.response(self.journal.id().clone(), (self.clock)(), &tools)
        });
        response.status = ResponseStatus::InProgress;
        response
    }

    fn restore(&mut self, replay: &Replay) -> State {
        let before: Vec<&Item> = self.request.earlier.iter().chain(&self.request.input).collect();
        for tool in &mut self.tools {
            tool.conversation(&before, self.journal.fold().items());
        }
        let finished_calls = replay.steps.iter().map(|s| s.outputs.len()).sum();
        if finished_calls > 0 {
            for tool in &mut self.tools {
                tool.resumed(finished_calls);
            }
        }
        let offer = Offer::of(&self.request.tool_choice, &self.request.tools, &self.tools);
        let fold = self.journal.fold();
        let is_cut = replay.in_sample || fold.open().is_some();
        let said = if is_cut { replay.said.as_slice() } else { &[] };
        // What was used when the sample began that these pieces are of.
        let before =
            replay.steps.len() - usize::from(!replay.in_sample && !replay.steps.is_empty());
        let mut used = Used::default();
        for step in &replay.steps[..before] {
            self.decide(&offer, &mut used, &step.sampled);
        }
        let (built_in, view) = self.writes(&offer, &used);
        let marks = self.marks(&replay.found, &replay.seen);
        // The text of a whole sample was judged already.
        let judged = replay.steps.last().filter(|_| !replay.in_sample && !said.is_empty());
        let judged = judged.map(|step| (self.decide(&offer, &mut used, &step.sampled), step));
        let writer = Writer::restore(fold, view, built_in, marks, said, |writer, written| {
            if let Some((turn, step)) = &judged {
                self.judge(turn, &step.sampled, writer, written);
            }
        });
        State {
            writer: writer.with_files(replay.files.clone()),
            turns: self.given(),
            dropped: replay.dropped,
            read: None,
            tried_to_compact: false,
            offer,
            used: Used::default(),
            usage: Usage::default(),
            partial: None,
            spending: None,
            started: replay.started.clone(),
            has_said: replay.in_sample && !replay.said.is_empty(),
            logprobs: Logprobs::new(self.request.sampling.top_logprobs),
            measured: replay.logprobs.clone(),
            handed: vec![],
            pictures: vec![],
            deadline: Instant::now() + self.limits.time_max,
        }
    }

    /// What the model reads before its first sample.
    fn given(&self) -> Vec<ModelTurn> {
        let (done, reads_images) = (self.journal.fold().items(), self.backend.info().reads_images);
        self.request.turns(done, &self.names(), reads_images)
    }

    /// The tools that run here, by how they stand in the output and by what the model calls them.
    fn names(&self) -> Vec<(Shown, String)> {
        self.tools.iter().map(|tool| (tool.shown(), tool.spec().name.clone())).collect()
    }

    /// By which an answer may cite what this response and those before it found.
    fn marks(&self, found: &[FoundPassage], seen: &[SeenLines]) -> Marks {
        let mut marks = Marks::default();
        if self.tools.iter().any(|tool| matches!(tool.shown(), Shown::Web(_))) {
            marks.expect_lines();
        }
        for item in self.request.earlier.iter().chain(&self.request.input) {
            match item {
                Item::Known(Known::FileSearchCall { results: Some(found), .. }) => {
                    marks.learn(found);
                }
                Item::Known(Known::WebSearchCall { seen: Some(seen), .. }) => {
                    marks.learn_lines(&seen.lines);
                }
                _ => {}
            }
        }
        marks.learn(found);
        marks.learn_lines(seen);
        marks
    }

    /// What the writer of a sample may open and must hold back: a text that is to be judged waits,
    /// and so does one beside a call that is due.
    fn writes(&self, offer: &Offer, used: &Used) -> (Vec<(String, Shown)>, View) {
        let may_run = |tool: &&dyn Tool| {
            used.calls_left(self.tool_calls_max())
                && !tool.needs_approval()
                && offer.built_in.iter().any(|spec| spec == tool.spec())
        };
        let shown = |tool: &dyn Tool| (tool.spec().name.clone(), tool.shown());
        let enforced = self.backend.enforces();
        let is_due = !used.called && matches!(offer.calls, Calls::Required | Calls::Named(_));
        let view = View {
            raw_reasoning: self.request.raw_reasoning,
            summary: self.request.summary,
            search_results: self.request.search_results,
            web_results: self.request.web_results,
            seal: self.seal.clone().filter(|_| self.request.sealed_reasoning),
            judge_text: (self.request.text.format.is_json() && !enforced.text)
                || (is_due && !enforced.calls),
        };
        let tools = self.tools.iter().map(|tool| &**tool);
        (tools.filter(may_run).map(shown).collect(), view)
    }

    fn tool_calls_max(&self) -> u32 {
        let asked = self.request.max_tool_calls.and_then(|max| u32::try_from(max).ok());
        self.limits.tool_calls_max.min(asked.unwrap_or(u32::MAX))
    }

    /// The loop. Steps that the journal holds are taken from it and not done again.
    async fn turns(&mut self, state: &mut State, replay: Replay) -> Result<Outcome, Stopped> {
        if state.offer.is_impossible() {
            let message = "`tool_choice` asks for a call, and none of its tools can be called here";
            let (code, message) = (ErrorCode::InvalidPrompt, message.to_owned());
            return Ok(Outcome::Failed(ResponseError { code, message }));
        }
        self.make_approved(state).await?;
        let is_cut = replay.in_sample && replay.started.is_empty();
        let mut replayed = replay.steps.into_iter();
        let (mut compactions, mut behind) = (replay.compactions.into_iter().peekable(), 0);
        let users_bytes_max = context::users_bytes_max(self.request.compact_threshold);
        let mut lost = is_cut.then_some(replay.said);
        loop {
            while let Some(made) = compactions.next_if(|made| made.steps == behind) {
                state.summed_up(&made, users_bytes_max);
            }
            behind += 1;
            if replayed.len() == 0
                && let Some(said) = lost.take()
            {
                self.lost(state, &said).await?;
                if !self.start_over(state).await? {
                    let message = "the run was interrupted in the middle of its answer, and this \
                                   model cannot go on from there";
                    let (code, message) = (ErrorCode::ServerError, message.to_owned());
                    let failed = Outcome::Failed(ResponseError { code, message });
                    return Err(Stopped::Ended(failed));
                }
            }
            let (sampled, turn, outputs, begun) = match replayed.next() {
                Some(step) => {
                    let turn = self.decide(&state.offer, &mut state.used, &step.sampled);
                    (step.sampled, turn, step.outputs, step.begun)
                }
                None => {
                    let (sampled, turn) = self.sample(state).await?;
                    (sampled, turn, vec![], vec![])
                }
            };
            state.usage += sampled.usage;
            state.turns.push(sampled.turn());
            let tokens = sampled.usage.input_tokens + sampled.usage.output_tokens;
            state.read = Some((tokens, state.turns.len()));
            let calls = match turn {
                Turn::Finished(outcome) => return Ok(outcome),
                Turn::Again { why } => {
                    state.turns.push(ModelTurn::Given(Message::User { text: format!("[{why}]") }));
                    continue;
                }
                Turn::RunningTools { calls } => calls,
            };
            let is_last = calls.iter().any(|decided| matches!(decided, Decided::Hand(_)));
            let due = |index: &usize| outputs.iter().all(|(done, _)| done != index);
            let due: Vec<usize> = (0..calls.len()).filter(due).collect();
            let mut ahead = self.begin_ahead(state, &calls, &due, begun).await?;
            for (index, decided) in calls.into_iter().enumerate() {
                let before = outputs.iter().find(|(i, _)| *i == index);
                let output = match (before, &decided) {
                    (Some((_, output)), _) => output.clone(),
                    (None, Decided::Hand(call)) => {
                        state.handed.push(call.clone());
                        continue;
                    }
                    (None, Decided::Run(call)) => self.call(state, index, call, &mut ahead).await?,
                    (None, Decided::Refuse { call, why }) => {
                        self.refuse(state, index, call, why).await?;
                        why.clone()
                    }
                };
                push_output(&mut state.turns, decided.call(), output);
            }
            let seen = std::mem::take(&mut state.pictures);
            pictures::show(&mut state.turns, seen, self.backend.delivery());
            if is_last {
                return Ok(Outcome::Completed);
            }
            for problem in sampled.problems.iter().filter(|p| p.call.is_none()) {
                state.turns.push(ModelTurn::Given(unreadable(problem.message.clone())));
            }
        }
    }

    /// What follows a sample.
    fn decide(&self, offer: &Offer, used: &mut Used, sampled: &Sampled) -> Turn {
        let calls = sampled.calls();
        let end = SampleEnd {
            stop: sampled.stop(),
            text: &sampled.text,
            calls: &calls,
            problems: &sampled.problems,
            output_tokens: sampled.usage.output_tokens,
        };
        let rules = Rules {
            offer,
            limits: &self.limits,
            format: &self.request.text.format,
            parallel_calls: self.request.parallel_tool_calls,
            tool_calls_max: self.tool_calls_max(),
            output_tokens_max: self.request.max_output_tokens,
            enforces: self.backend.enforces(),
        };
        used.after(&end, &rules)
    }

    /// A sample that was cut cannot be continued where the backend knows no ids: it is made anew.
    /// `false` when that cannot be, because a part of its answer was read already.
    async fn start_over(&mut self, state: &mut State) -> Result<bool, Stopped> {
        if !std::mem::take(&mut state.has_said) {
            return Ok(true);
        }
        let mut written = Written::default();
        if !state.writer.start_over(&mut written) {
            return Ok(false);
        }
        state.logprobs = Logprobs::new(self.request.sampling.top_logprobs);
        state.measured.clear();
        written.records.push(Record::StartedOver);
        self.append(written, Durability::Process).await?;
        Ok(true)
    }

    /// What the sample of a killed run cost goes into the ledger, as near as it can be told.
    async fn lost(&mut self, state: &mut State, said: &[Said]) -> Result<(), Stopped> {
        let request = self.sample_request(state, &[]);
        let Some(spending) = &mut state.spending else { return Ok(()) };
        let said_bytes = said.iter().map(|piece| piece.bytes() as u64).sum();
        let step = state.used.steps + 1;
        let line = spending.lost(step, &request, said_bytes, (self.clock)()).await?;
        self.journal.charge(line);
        Ok(())
    }

    pub(crate) async fn append(
        &mut self,
        written: Written,
        durability: Durability,
    ) -> Result<(), Stopped> {
        let Written { events, records } = written;
        if events.is_empty() && records.is_empty() {
            return Ok(());
        }
        Ok(self.journal.append(events, json(&records), durability).await?)
    }

    /// One sample, tried again while the model is not to be had.
    async fn sample(&mut self, state: &mut State) -> Result<(Sampled, Turn), Stopped> {
        let mut started = std::mem::take(&mut state.started);
        let mut tries = 0;
        let (built_in, view) = self.writes(&state.offer, &state.used);
        state.writer.prepare(built_in, view);
        state.tried_to_compact = false;
        loop {
            if started.is_empty() && self.is_over(state) {
                self.compact(state).await?;
            }
            let once = self.sample_once(state, &mut started).await;
            let partial = state.partial.take();
            if matches!(once, Err(Stopped::Ended(_)))
                && let Some(partial) = partial
            {
                state.usage += partial;
            }
            if !matches!(once, Ok(Ok(_))) {
                self.cut(state).await?;
            }
            let failed = match once? {
                Ok(sampled) => return Ok(sampled),
                Err(Missed::Model(e)) => e,
                Err(Missed::TooLong) => {
                    self.compact(state).await?;
                    continue;
                }
            };
            if matches!(failed, ModelError::ContextLength { .. }) && self.can_compact(state) {
                self.compact(state).await?;
                continue;
            }
            if self.request.truncation == Truncation::Auto
                && let ModelError::ContextLength { input_tokens, context_window } = failed
                && let Some(dropped) =
                    context::to_drop(&state.turns, state.dropped, input_tokens, context_window)
            {
                tracing::info!("{dropped} of the oldest turns no longer fit and are left out");
                state.dropped = dropped;
                let records = vec![Record::Dropped { turns: dropped }];
                self.append(Written { records, ..Written::default() }, Durability::Process).await?;
                continue;
            }
            let again = match failed {
                ModelError::Unavailable(_) | ModelError::Busy { .. } => true,
                // Nobody can take back what was read of an answer, but a thought can be thought
                // again.
                ModelError::BrokeOff(_) => started.is_empty(),
                _ => false,
            };
            if !again || tries >= self.limits.retries_max {
                return Err(Stopped::Ended(Outcome::Failed(told(&failed))));
            }
            if started.is_empty() && !self.start_over(state).await? {
                return Err(Stopped::Ended(Outcome::Failed(told(&failed))));
            }
            tries += 1;
            tracing::warn!("sample {tries} of {}: {failed}", self.limits.retries_max);
            let wait = Duration::from_millis(250) * 4u32.pow(tries - 1);
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Makes room for a sample in the budgets, or ends the response. Waits a while for what others
    /// hold: they reserve their worst case and rarely use it.
    pub(crate) async fn reserve(
        &mut self,
        state: &mut State,
        request: &mut SampleRequest,
    ) -> Result<(), Stopped> {
        let (step, window) = (state.used.steps + 1, self.backend.info().context_window);
        let (give_up, mut heard) = (Instant::now() + ROOM_WAIT_MAX, Instant::now());
        loop {
            let now = (self.clock)();
            let Some(spending) = &mut state.spending else { return Ok(()) };
            let room = spending.reserve(step, request, window, now, self.limits.time_max).await;
            match room {
                Ok(()) => return Ok(()),
                Err(NoRoom::Store(e)) => return Err(e.into()),
                Err(NoRoom::Taken(_)) if Instant::now() < give_up => {}
                Err(NoRoom::Limit(standing) | NoRoom::Taken(standing)) => {
                    tracing::info!("the budget of {} is spent", standing.budget);
                    spending.stopped_by(&standing, now);
                    let reason = IncompleteReason::CostLimit;
                    return Err(Stopped::Ended(Outcome::Incomplete(reason)));
                }
                Err(NoRoom::NoPrice(why)) => {
                    let message = format!(
                        "there is a budget, and nothing to measure it by: {why}; give the model a \
                         price"
                    );
                    let code = ErrorCode::ServerError;
                    return Err(Stopped::Ended(Outcome::Failed(ResponseError { code, message })));
                }
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep_until(state.deadline) => return Err(out_of_time()),
                () = tokio::time::sleep(ROOM_POLL) => {}
            }
            if heard.elapsed() >= KEEP_ALIVE {
                heard = Instant::now();
                keep_alive(&mut self.journal).await?;
            }
        }
    }

    /// A sample ended before its time: what is known of its cost.
    pub(crate) async fn cut(&mut self, state: &mut State) -> Result<(), Stopped> {
        let Some(spending) = &mut state.spending else { return Ok(()) };
        if let Some(line) = spending.cut((self.clock)()).await? {
            self.journal.charge(line);
        }
        Ok(())
    }

    /// The outer error ends the response, the inner one may be tried again; what was sampled until
    /// then stands in `started` and in the journal.
    async fn sample_once(
        &mut self,
        state: &mut State,
        started: &mut Vec<u32>,
    ) -> Result<Result<(Sampled, Turn), Missed>, Stopped> {
        let mut request = self.sample_request(state, started);
        self.reserve(state, &mut request).await?;
        let span = spans::chat(&self.request.model, &request);
        let sampling = self.sample_of(state, started, request).instrument(span.clone());
        let once = sampling.await?;
        match &once {
            Ok((sampled, _)) => spans::sampled(&span, sampled),
            Err(Missed::Model(e)) => spans::sample_failed(&span, e),
            Err(Missed::TooLong) => {}
        }
        Ok(once)
    }

    async fn sample_of(
        &mut self,
        state: &mut State,
        started: &mut Vec<u32>,
        request: SampleRequest,
    ) -> Result<Result<(Sampled, Turn), Missed>, Stopped> {
        if self.request.recorded && started.is_empty() {
            match self.backend.prompt(&request) {
                Ok(ids) => {
                    let records = vec![Record::Prompted { ids }];
                    let written = Written { records, ..Written::default() };
                    self.append(written, Durability::Process).await?;
                }
                Err(e) => return Ok(Err(Missed::Model(e))),
            }
        }
        let stream = match self.open(request, state.deadline).await? {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(Missed::Model(e))),
        };
        let mut chunks = stream.ready_chunks(CHUNKS_MAX);
        // The rest of a tag at the end of a sample, said without an id: a killed run says it again, so
        // it is journaled with the end.
        let mut rest: Vec<(Vec<Delta>, Vec<TokenLogprob>)> = vec![];
        loop {
            let Some(ready) = self.next_of(&mut chunks, state.deadline).await? else {
                let why = "its stream ended too early".to_owned();
                return Ok(Err(Missed::Model(ModelError::Unavailable(why))));
            };
            let (mut written, mut ids, mut said) = (Written::default(), vec![], vec![]);
            let (mut measured, mut ended) = (vec![], None);
            for event in ready {
                match event {
                    Ok(SampleEvent::Started { input_tokens, cached_tokens }) => {
                        let before = started.len() as u64;
                        let usage = Usage::of_sample(input_tokens, cached_tokens, before, 0);
                        state.partial = Some(usage);
                        if let Some(spending) = &mut state.spending {
                            spending.started(input_tokens);
                        }
                        if started.is_empty() && self.is_over_with(state, input_tokens) {
                            return Ok(Err(Missed::TooLong));
                        }
                    }
                    Ok(SampleEvent::Chunk { ids: new, deltas, logprobs }) => {
                        if let Some(spending) = &mut state.spending {
                            spending.saw(new.len(), &deltas);
                        }
                        if let Some(partial) = &mut state.partial {
                            // Of one whose ids nobody knows, about a token comes at a time.
                            *partial += Usage::of_sample(0, 0, new.len().max(1) as u64, 0);
                        }
                        if self.request.is_measured() {
                            // Of an upstream's tokens only their logprobs are known.
                            measured.extend(match new.is_empty() {
                                true => logprobs.iter().map(|token| Some(token.logprob)).collect(),
                                false => TokenLogprob::of_each(&new, &logprobs),
                            });
                        }
                        let is_rest = new.is_empty();
                        ids.extend(new);
                        let knows_ids = !(started.is_empty() && ids.is_empty());
                        match is_rest && knows_ids {
                            true => rest.push((deltas, logprobs)),
                            false => self.say(state, deltas, logprobs, &mut written, &mut said),
                        }
                    }
                    Ok(SampleEvent::Finished(sample)) => {
                        for (deltas, logprobs) in rest.drain(..) {
                            self.say(state, deltas, logprobs, &mut written, &mut said);
                        }
                        ended = Some(Ok(sample));
                    }
                    Err(e) => ended = Some(Err(e)),
                }
            }
            started.extend(&ids);
            state.has_said |= !said.is_empty();
            state.measured.extend(&measured);
            if !ids.is_empty() || !said.is_empty() {
                written.records.insert(0, Record::Ids { ids, said, logprobs: measured });
            }
            if ended.is_none() {
                self.sketch(state, &mut written).await;
            }
            match ended {
                Some(Ok(sample)) => return self.sampled(state, sample, written).await.map(Ok),
                ended => {
                    self.append(written, Durability::Process).await?;
                    if let Some(Err(e)) = ended {
                        return Ok(Err(Missed::Model(e)));
                    }
                }
            }
        }
    }

    fn say(
        &self,
        state: &mut State,
        deltas: Vec<Delta>,
        logprobs: Vec<TokenLogprob>,
        written: &mut Written,
        said: &mut Vec<Said>,
    ) {
        if self.request.logprobs {
            state.logprobs.push(logprobs);
        }
        for delta in deltas {
            let logprobs = match &delta {
                Delta::Text(text) => state.logprobs.take(text),
                Delta::Reasoning(text)
                | Delta::Commentary(text)
                | Delta::ToolCallArguments { text, .. } => {
                    state.logprobs.skip(text);
                    vec![]
                }
                Delta::ToolCallStart { .. } | Delta::ToolCallEnd { .. } => vec![],
            };
            let piece = Said::of(delta, logprobs);
            state.writer.say(&piece, written);
            Said::join(said, piece);
        }
    }

    /// What becomes of the text that waited.
    fn judge(&self, turn: &Turn, sampled: &Sampled, writer: &mut Writer, written: &mut Written) {
        let format = &self.request.text.format;
        match turn {
            Turn::Finished(Outcome::Completed) if format.is_json() => {
                let text = format.read(&sampled.text).unwrap_or_else(|_| sampled.text.clone());
                writer.replace_text(Some(&text), written);
            }
            Turn::RunningTools { .. } if format.is_json() => writer.replace_text(None, written),
            Turn::Again { .. }
            | Turn::Finished(
                Outcome::Failed(_) | Outcome::Incomplete(IncompleteReason::MaxSteps),
            ) => writer.replace_text(None, written),
            Turn::RunningTools { .. } | Turn::Finished(_) => writer.release(written),
        }
    }

    /// Waits for the model to begin.
    pub(crate) async fn open(
        &mut self,
        request: SampleRequest,
        deadline: Instant,
    ) -> Result<Result<SampleStream, ModelError>, Stopped> {
        let backend = self.backend.clone();
        let mut opening = backend.sample(request);
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep_until(deadline) => return Err(out_of_time()),
                opened = &mut opening => return Ok(opened),
                () = tokio::time::sleep(KEEP_ALIVE) => keep_alive(&mut self.journal).await?,
            }
        }
    }

    /// Waits for what comes next of a sample.
    pub(crate) async fn next_of<S: Stream + Unpin>(
        &mut self,
        stream: &mut S,
        deadline: Instant,
    ) -> Result<Option<S::Item>, Stopped> {
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep_until(deadline) => return Err(out_of_time()),
                next = stream.next() => return Ok(next),
                () = tokio::time::sleep(KEEP_ALIVE) => keep_alive(&mut self.journal).await?,
            }
        }
    }

    pub(crate) fn sample_request(&self, state: &State, started: &[u32]) -> SampleRequest {
        let options = self.request.sampling;
        let left =
            self.request.max_output_tokens.map(|m| m.saturating_sub(state.used.output_tokens));
        let thought = state.usage.output_tokens_details.reasoning_tokens;
        let window = self.backend.info().context_window;
        let thinking = self.request.effort.map(|e| e.thinking_tokens_max().unwrap_or(window));
        let built_in = state.offer.built_in.iter().cloned();
        let client = state.offer.client.iter().map(|t| t.spec.clone());
        let none_left = !state.used.calls_left(self.tool_calls_max());
        let due = match &state.offer.calls {
            _ if none_left && state.offer.client.is_empty() => Calls::None,
            Calls::Required | Calls::Named(_) if state.used.called => Calls::Auto,
            calls => calls.clone(),
        };
        SampleRequest {
            key: self.journal.id().to_string(),
            cache_key: self.request.echo.prompt_cache_key.clone(),
            instructions: self.request.told(),
            turns: context::kept(&state.turns, state.dropped),
            tools: built_in.chain(client).collect(),
            effort: self.request.effort.map(request::effort),
            today: Some(Day::from_unix_seconds((self.clock)())),
            sampling: Sampling {
                temperature: options.temperature,
                top_p: options.top_p,
                top_k: options.top_k,
                min_p: options.min_p,
                seed: options.seed,
                top_logprobs: match self.request.logprobs {
                    true => options.top_logprobs.max(1),
                    false => u8::from(self.request.is_measured() && self.backend.measures()),
                },
            },
            output_tokens_max: left.unwrap_or(window),
            thinking_tokens_max: thinking.map(|max| max.saturating_sub(thought)),
            started: started.to_vec(),
            constraints: Constraints {
                calls: due,
                parallel_calls: self.request.parallel_tool_calls,
                text: self.request.text.format.schema(),
            },
        }
    }

    /// Journals the end of a sample. Items that were being written are complete, unless the sample
    /// was cut by its length or a call is still to run; text that waited is judged.
    async fn sampled(
        &mut self,
        state: &mut State,
        sample: Sample,
        mut written: Written,
    ) -> Result<(Sampled, Turn), Stopped> {
        let is_estimate = sample.usage_estimated;
        let measured = std::mem::take(&mut state.measured).into_iter().flatten();
        let confidence = vote::confidence(&measured.collect::<Vec<_>>());
        let sampled = Sampled::of(sample, confidence);
        state.has_said = false;
        let mut turn = self.decide(&state.offer, &mut state.used, &sampled);
        if let Some(spending) = &mut state.spending {
            let line = spending.sampled(&sampled.usage, is_estimate, (self.clock)()).await?;
            self.journal.charge(line);
            if spending.capped && sampled.stop() == Stop::Length {
                turn = Turn::Finished(Outcome::Incomplete(IncompleteReason::CostLimit));
            }
        }
        self.judge(&turn, &sampled, &mut state.writer, &mut written);
        if sampled.stop() == Stop::EndOfTurn {
            state.writer.end_turn(&mut written);
        }
        written.records.push(Record::Sampled(sampled.clone()));
        self.append(written, Durability::Process).await?;
        Ok((sampled, turn))
    }

    /// Tells the model why a call was not run. One that was shown while it was sampled ends.
    async fn refuse(
        &mut self,
        state: &mut State,
        index: usize,
        call: &ToolCall,
        why: &str,
    ) -> Result<(), Stopped> {
        tracing::info!("call of `{}` refused: {why}", call.name);
        let mut written = Written::default();
        let outputs = vec![CodeOutput::Logs { logs: why.to_owned() }];
        let result = CallResult { text: why.to_owned(), outputs, failed: true };
        state.writer.call_done(result, &mut written);
        let output = why.to_owned();
        written.records.push(Record::ToolDone { index, output, files: vec![] });
        self.append(written, Durability::Process).await
    }

    /// Begins those of the calls that are `due` which need not wait for the first one.
    async fn begin_ahead(
        &mut self,
        state: &State,
        calls: &[Decided],
        due: &[usize],
        interrupted: Vec<usize>,
    ) -> Result<Ahead, Stopped> {
        let runs = |index: &&usize| matches!(calls[**index], Decided::Run(_));
        let beside = |index: usize| {
            let call = calls[index].call();
            let tool = self.tools.iter().find(|tool| tool.spec().name == call.name)?.beside()?;
            Some((index, call.clone(), tool))
        };
        let behind = due.iter().filter(runs).skip(1).copied();
        let independent: Vec<_> = behind.filter_map(beside).collect();
        let mut ahead = Ahead::new(interrupted, self.cancel.child_token());
        let started = independent.iter().map(|(index, ..)| Record::ToolStarted { index: *index });
        let records: Vec<Record> = started.collect();
        self.append(Written { records, ..Written::default() }, Durability::Power).await?;
        for (index, call, mut tool) in independent {
            if ahead.interrupted.contains(&index) {
                tool.interrupted();
            }
            let key = self.key(state, index);
            let request = self.tool_call(key, &call.arguments, &ahead.cancel);
            ahead.begin(index, tool, request, spans::tool(&call.name, &call.id));
        }
        Ok(ahead)
    }

    /// Runs one call, or waits for it where it runs already. Gives what the model reads.
    async fn call(
        &mut self,
        state: &mut State,
        index: usize,
        call: &ToolCall,
        ahead: &mut Ahead,
    ) -> Result<String, Stopped> {
        if state.writer.shows_otherwise(&call.arguments) {
            let why = "not run: an argument is given twice; give each once".to_owned();
            self.refuse(state, index, call, &why).await?;
            return Ok(why);
        }
        let at = self.tools.iter().position(|tool| tool.spec().name == call.name);
        let at = at.expect("`Used::after` runs offered tools only");
        let (mut written, shown) = (Written::default(), self.tools[at].shown());
        let (step, now) = (state.used.steps, (self.clock)());
        let price = self.tools[at].paid().filter(|_| state.spending.is_some());
        if let (Some(price), Some(spending)) = (&price, &mut state.spending) {
            let time_max = self.limits.time_max;
            let room = spending.reserve_paid(step, index, price, now, time_max).await?;
            if let Err(why) = room {
                self.refuse(state, index, call, &why).await?;
                return Ok(why);
            }
        }
        if ahead.interrupted.contains(&index) {
            self.tools[at].interrupted();
        }
        state.writer.call_runs(&call.name, shown.clone(), &call.arguments, &mut written);
        if !ahead.has(index) {
            written.records.push(Record::ToolStarted { index });
        }
        let Written { events, records } = written;
        self.journal.append(events, json(&records), Durability::Power).await?;

        let ran = if ahead.has(index) {
            let cancel = ahead.cancel.clone();
            wait(&mut self.journal, ahead.ended(index), &cancel, state.deadline).await?
        } else {
            let (key, deadline) = (self.key(state, index), state.deadline);
            match shown {
                Shown::ImageGeneration => self.draw(state, at, key, call, deadline).await?,
                _ => self.execute(at, key, call, deadline).await?,
            }
        };
        let mut output = self.output(&call.name, ran.output, state.deadline)?;
        let mut written = Written::default();
        let (text, failed) = (output.text.clone(), output.failed);
        let (is_drawn, paid) = (shown == Shown::ImageGeneration, output.paid.take());
        let files = match shown {
            Shown::CodeInterpreter { container_id, .. }
            | Shown::Shell { container_id }
            | Shown::Patch { container_id } => {
                let names = output.files.iter().map(|file| file.name.clone());
                names.map(|name| MadeFile { container_id: container_id.clone(), name }).collect()
            }
            Shown::FileSearch
            | Shown::Web(_)
            | Shown::ImageGeneration
            | Shown::McpCall { .. }
            | Shown::FunctionCall => vec![],
        };
        state.writer.made(&files);
        let seen = output.images.iter().map(|picture| (call.id.clone(), picture.clone()));
        state.pictures.extend(seen);
        if is_drawn {
            // The item has it already.
            output.images.clear();
        }
        state.writer.drew(output.picture.take());
        state.writer.found(output.found.clone());
        state.writer.saw(output.web.clone());
        state.writer.printed(output.shell.clone());
        let result = CallResult { text: text.clone(), outputs: outputs(output), failed };
        state.writer.call_done(result, &mut written);
        written.records.push(Record::ToolDone { index, output: text.clone(), files });
        if let Some(spending) = &mut state.spending {
            let (name, took, now) = (&call.name, ran.took, (self.clock)());
            let line = match &price {
                Some(held) => {
                    spending.paid((step, index), name, took, held, paid.as_ref(), now).await?
                }
                None => spending.tool(step, index, name, took, now),
            };
            self.journal.charge(line);
        }
        let Written { events, records } = written;
        self.journal.append(events, json(&records), Durability::Power).await?;
        Ok(text)
    }

    /// The same when a killed run makes the call again.
    fn key(&self, state: &State, index: usize) -> String {
        format!("{}:{}:{index}", self.journal.id(), state.used.steps)
    }

    pub(crate) fn tool_call(
        &self,
        key: String,
        arguments: &str,
        cancel: &CancellationToken,
    ) -> Call {
        Call {
            key,
            arguments: arguments.to_owned(),
            timeout: self.limits.tool_time_max,
            output_chars_max: self.limits.tool_output_chars_max,
            cancel: cancel.clone(),
        }
    }

    /// Makes a call of the tool at this place.
    async fn execute(
        &mut self,
        at: usize,
        key: String,
        call: &ToolCall,
        deadline: Instant,
    ) -> Result<Ran, StoreError> {
        let cancel = self.cancel.child_token();
        let request = self.tool_call(key, &call.arguments, &cancel);
        let tool = &mut *self.tools[at];
        let running = ahead::run(tool, request, spans::tool(&call.name, &call.id));
        wait(&mut self.journal, running, &cancel, deadline).await
    }

    /// What a call gave, unless the response ends here.
    fn output(
        &self,
        name: &str,
        output: Result<ToolOutput, String>,
        deadline: Instant,
    ) -> Result<ToolOutput, Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Ended(Outcome::Cancelled));
        }
        if Instant::now() >= deadline {
            return Err(out_of_time());
        }
        output.map_err(|cause| {
            tracing::error!("`{name}` failed: {cause}");
            let message = format!("the tool `{name}` failed on our side: {cause}");
            let code = ErrorCode::ServerError;
            Stopped::Ended(Outcome::Failed(ResponseError { code, message }))
        })
    }

    /// Makes the calls that the input agrees to, before the first sample.
    async fn make_approved(&mut self, state: &mut State) -> Result<(), Stopped> {
        let approved = self.request.approved(self.journal.fold().items());
        for (index, approved) in approved.iter().enumerate() {
            let (mut written, shown) = (Written::default(), approved.shown());
            let at = self.tools.iter().position(|tool| tool.shown() == shown);
            if let Some(at) = at.filter(|_| state.writer.has_begun()) {
                self.tools[at].interrupted();
            }
            state.writer.approved(&approved.request_id);
            state.writer.call_runs(&approved.name, shown, &approved.arguments, &mut written);
            self.append(written, Durability::Power).await?;
            let key = format!("{}:approved:{}", self.journal.id(), approved.request_id);
            let ran = match at {
                Some(at) => {
                    let call = ToolCall {
                        id: approved.request_id.clone(),
                        name: approved.name.clone(),
                        arguments: approved.arguments.clone(),
                    };
                    self.execute(at, key, &call, state.deadline).await?
                }
                None => {
                    let text =
                        format!("not run: `{}` does not offer it now", approved.server_label);
                    let output = ToolOutput { text, failed: true, ..ToolOutput::default() };
                    Ran { output: Ok(output), took: Duration::ZERO }
                }
            };
            let output = self.output(&approved.name, ran.output, state.deadline)?;
            let mut written = Written::default();
            let (text, failed) = (output.text.clone(), output.failed);
            let result = CallResult { text, outputs: outputs(output), failed };
            state.writer.call_done(result, &mut written);
            if let Some(spending) = &mut state.spending {
                let now = (self.clock)();
                self.journal.charge(spending.tool(0, index, &approved.name, ran.took, now));
            }
            self.append(written, Durability::Power).await?;
        }
        if !approved.is_empty() {
            state.turns = self.given();
        }
        let made = self.journal.fold().items().iter().filter(|item| mcp::was_approved(item));
        state.used.tool_calls += made.count() as u32;
        Ok(())
    }

    /// Journals the one outcome.
    async fn finish(mut self, state: &mut State, outcome: Outcome) -> Result<Response, AgentError> {
        let mut written = Written::default();
        let open = match outcome {
            Outcome::Completed => ItemStatus::Completed,
            _ => ItemStatus::Incomplete,
        };
        state.writer.close(open, &mut written);
        if outcome == Outcome::Completed {
            for call in &state.handed {
                if let Some(tool) = state.offer.client_tool(&call.name) {
                    state.writer.client_call(tool, &call.arguments, &mut written);
                } else if let Some(tool) =
                    self.tools.iter().find(|tool| tool.spec().name == call.name)
                {
                    state.writer.ask_approval(&tool.shown(), &call.arguments, &mut written);
                }
            }
        }
        let Written { mut events, records } = written;
        let mut response = self.in_progress();
        response.output = self.journal.fold().items().to_vec();
        response.output.extend(done(&events).cloned());
        response.completed_at = Some((self.clock)());
        let cost = state.spending.as_ref().map(Spending::cost);
        response.usage = Some(Usage { cost, ..state.usage });
        let why = state.spending.as_mut().and_then(|spending| spending.why.take());
        events.extend(ended(outcome, why, &mut response));
        self.journal.append(events, json(&records), Durability::Power).await?;
        Ok(response)
    }
}

/// The last events of a response that ends so. `why` is what a person is told of a spent budget.
pub(crate) fn ended(
    outcome: Outcome,
    why: Option<String>,
    response: &mut Response,
) -> Vec<EventKind> {
    let incomplete = |reason, message| Some(IncompleteDetails { reason, message });
    let mut events = vec![];
    let event: fn(Box<Response>) -> EventKind = match outcome {
        Outcome::Completed => {
            response.status = ResponseStatus::Completed;
            |response| EventKind::Completed { response }
        }
        Outcome::Incomplete(reason) => {
            response.status = ResponseStatus::Incomplete;
            let why = why.filter(|_| reason == IncompleteReason::CostLimit);
            response.incomplete_details = incomplete(reason, why);
            |response| EventKind::Incomplete { response }
        }
        Outcome::Cancelled => {
            response.status = ResponseStatus::Cancelled;
            response.incomplete_details = incomplete(IncompleteReason::Cancelled, None);
            |response| EventKind::Incomplete { response }
        }
        Outcome::Failed(error) => {
            response.status = ResponseStatus::Failed;
            events.push(EventKind::Error {
                code: serde_json::to_value(error.code)
                    .ok()
                    .and_then(|c| c.as_str().map(str::to_owned)),
                message: error.message.clone(),
                param: None,
                error: Some(error_body(&error)),
            });
            response.error = Some(error);
            |response| EventKind::Failed { response }
        }
    };
    events.push(event(Box::new(response.clone())));
    events
}

/// The items that these events finish.
fn done(events: &[EventKind]) -> impl Iterator<Item = &Item> {
    events.iter().filter_map(|event| match event {
        EventKind::OutputItemDone { item, .. } => Some(item),
        _ => None,
    })
}

fn error_body(error: &ResponseError) -> ErrorBody {
    let code = serde_json::to_value(error.code).ok();
    let kind = match error.code {
        ErrorCode::ServerError | ErrorCode::VectorStoreTimeout => "server_error",
        ErrorCode::RateLimitExceeded => "rate_limit_error",
        _ => "invalid_request_error",
    };
    ErrorBody {
        message: error.message.clone(),
        kind: kind.into(),
        param: None,
        code: code.and_then(|c| c.as_str().map(str::to_owned)),
    }
}

fn out_of_time() -> Stopped {
    Stopped::Ended(Outcome::Incomplete(IncompleteReason::TimeLimit))
}

/// Waits for a call; at the deadline it is told to end. Readers hear from the response meanwhile.
async fn wait(
    journal: &mut Journal,
    running: impl Future<Output = Ran>,
    cancel: &CancellationToken,
    deadline: Instant,
) -> Result<Ran, StoreError> {
    let mut running = std::pin::pin!(running);
    loop {
        tokio::select! {
            biased;
            ran = &mut running => return Ok(ran),
            () = tokio::time::sleep_until(deadline), if !cancel.is_cancelled() => cancel.cancel(),
            () = tokio::time::sleep(KEEP_ALIVE) => keep_alive(journal).await?,
        }
    }
}

pub(crate) async fn keep_alive(journal: &mut Journal) -> Result<(), StoreError> {
    let Some(mut response) = journal.fold().created().cloned() else { return Ok(()) };
    response.status = ResponseStatus::InProgress;
    response.output = journal.fold().items().to_vec();
    for item in &mut response.output {
        // Its own event has the picture; it is not journaled again each time.
        if let Item::Known(Known::ImageGenerationCall { result, .. }) = item {
            *result = None;
        }
    }
    let event = EventKind::InProgress { response: Box::new(response) };
    journal.append(vec![event], vec![], Durability::Process).await
}

pub(crate) fn json(records: &[Record]) -> Vec<serde_json::Value> {
    records.iter().map(|r| serde_json::to_value(r).expect("records are plain data")).collect()
}

fn push_output(turns: &mut Vec<ModelTurn>, call: &ToolCall, output: String) {
    let output = pictures::without_pixels(&output).into_owned();
    turns.push(ModelTurn::Given(Message::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        output,
    }));
}

/// What the model reads of a call that could not be parsed.
fn unreadable(text: String) -> Message {
    Message::ToolResult { call_id: String::new(), name: String::new(), output: text }
}

fn outputs(output: ToolOutput) -> Vec<CodeOutput> {
    let mut outputs = vec![CodeOutput::Logs { logs: output.text }];
    for picture in output.images.iter().filter(|picture| picture.len() <= IMAGE_BYTES_MAX) {
        let data = base64::engine::general_purpose::STANDARD.encode(picture);
        let url = format!("data:{};base64,{data}", picture_type(picture));
        outputs.push(CodeOutput::Image { url });
    }
    outputs
}

/// What the user is told of a model's failure.
fn told(error: &ModelError) -> ResponseError {
    let code = match error {
        ModelError::ContextLength { .. } => ErrorCode::ContextLengthExceeded,
        ModelError::InvalidRequest(_) => ErrorCode::InvalidPrompt,
        ModelError::Busy { .. } | ModelError::RateLimited { .. } => ErrorCode::RateLimitExceeded,
        ModelError::Unavailable(_) | ModelError::BrokeOff(_) | ModelError::Internal(_) => {
            ErrorCode::ServerError
        }
    };
    ResponseError { code, message: error.to_string() }
}
