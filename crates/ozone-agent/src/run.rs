//! The async shell of the loop. It waits for the model, the tools and the clock, and journals each
//! step before its effect is visible.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::StreamExt;
use ozone_model::{
    ModelBackend, ModelError, Sample, SampleEvent, SampleRequest, Sampling, Turn as ModelTurn,
};
use ozone_prompt::{Day, Delta, Message, ToolCall, ToolSpec};
use ozone_store::{Durability, Journal, StoreError};
use ozone_tools::{Call, Shown, Tool, ToolError, ToolOutput};
use ozone_types::{
    CodeOutput, ErrorCode, EventKind, IncompleteDetails, IncompleteReason, ItemStatus, Response,
    ResponseError, ResponseStatus, Usage,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::record::{Record, Replay, Sampled};
use crate::request::{self, Limits, Request};
use crate::turn::{Decided, Outcome, SampleEnd, Turn, Used};
use crate::writer::Writer;

/// Readers hear from a response at least this often (rule S11).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
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
}

/// Why a step did not come to its end.
enum Stopped {
    Store(StoreError),
    Ended(Outcome),
}

impl From<StoreError> for Stopped {
    fn from(e: StoreError) -> Self {
        Stopped::Store(e)
    }
}

/// What a running response knows.
struct State {
    writer: Writer,
    turns: Vec<ModelTurn>,
    specs: Vec<ToolSpec>,
    advertised: Vec<String>,
    used: Used,
    usage: Usage,
    /// Ids of the cut sample of a run that was killed.
    started: Vec<u32>,
    deadline: Instant,
}

impl Run {
    /// Runs the response to its one outcome, from wherever its journal stands. A response that has
    /// ended already is given as it is.
    pub async fn run(mut self) -> Result<Response, AgentError> {
        if let Some(finished) = self.journal.fold().finished() {
            return Ok(finished.clone());
        }
        let id = self.journal.id().clone();
        let replay = Replay::of(self.journal.records().await?)
            .map_err(|source| AgentError::Journal { id: id.to_string(), source })?;
        let mut state = self.restore(&replay);
        if self.journal.fold().created().is_none() {
            let response = Box::new(self.opening());
            let created = EventKind::Created { response: response.clone() };
            let kinds = vec![created, EventKind::InProgress { response }];
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
        state.writer = Writer::restore(self.journal.stored().await?, self.request.raw_reasoning);
        self.finish(&mut state, Outcome::Failed(failed)).await.or(Err(error.into()))
    }

    /// The response as it stands at its beginning.
    fn opening(&self) -> Response {
        let tools: Vec<_> = self.tools.iter().map(|t| request::echo(t.spec())).collect();
        self.request.response(self.journal.id().clone(), (self.clock)(), &tools)
    }

    fn restore(&mut self, replay: &Replay) -> State {
        let finished_calls = replay.steps.iter().map(|s| s.outputs.len()).sum();
        if finished_calls > 0 {
            for tool in &mut self.tools {
                tool.resumed(finished_calls);
            }
        }
        let specs: Vec<ToolSpec> = self.tools.iter().map(|t| t.spec().clone()).collect();
        State {
            writer: Writer::restore(self.journal.fold(), self.request.raw_reasoning),
            turns: self.request.messages().into_iter().map(ModelTurn::Given).collect(),
            advertised: specs.iter().map(|s| s.name.clone()).collect(),
            specs,
            used: Used::default(),
            usage: Usage::default(),
            started: replay.started.clone(),
            deadline: Instant::now() + self.limits.time_max,
        }
    }

    /// The loop. Steps that the journal holds are taken from it and not done again.
    async fn turns(&mut self, state: &mut State, replay: Replay) -> Result<Outcome, Stopped> {
        let mut replayed = replay.steps.into_iter();
        loop {
            let (sampled, outputs) = match replayed.next() {
                Some(step) => (step.sampled, step.outputs),
                None => (self.sample(state).await?, vec![]),
            };
            state.usage += sampled.usage;
            let calls = sampled.calls();
            let end = SampleEnd {
                stop: sampled.stop(),
                calls: &calls,
                problems: &sampled.problems,
                output_tokens: sampled.usage.output_tokens,
            };
            let turn = state.used.after(
                &end,
                &state.advertised,
                &self.limits,
                self.request.max_output_tokens,
            );
            state.turns.push(sampled.turn());
            match turn {
                Turn::Finished(outcome) => return Ok(outcome),
                Turn::RunningTools { calls } => {
                    for (index, decided) in calls.iter().enumerate() {
                        let before = outputs.iter().find(|(i, _)| *i == index);
                        let output = match before {
                            Some((_, output)) => output.clone(),
                            None => self.call(state, index, decided).await?,
                        };
                        push_output(&mut state.turns, decided.call(), output);
                    }
                }
            }
            for problem in sampled.problems.iter().filter(|p| p.call.is_none()) {
                state.turns.push(ModelTurn::Given(unreadable(problem.message.clone())));
            }
        }
    }

    /// One sample, tried again while the model is not to be had.
    async fn sample(&mut self, state: &mut State) -> Result<Sampled, Stopped> {
        let mut started = std::mem::take(&mut state.started);
        let mut tries = 0;
        loop {
            let failed = match self.sample_once(state, &mut started).await? {
                Ok(sampled) => return Ok(sampled),
                Err(e) => e,
            };
            let again = matches!(failed, ModelError::Unavailable(_) | ModelError::Busy { .. });
            if !again || tries >= self.limits.retries_max {
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

    /// The outer error ends the response, the inner one may be tried again; what was sampled until
    /// then stands in `started` and in the journal.
    async fn sample_once(
        &mut self,
        state: &mut State,
        started: &mut Vec<u32>,
    ) -> Result<Result<Sampled, ModelError>, Stopped> {
        let (backend, request) = (self.backend.clone(), self.sample_request(state, started));
        let opening = backend.sample(request);
        let mut opening = std::pin::pin!(opening);
        let stream = loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep_until(state.deadline) => return Err(out_of_time()),
                opened = &mut opening => break opened,
                () = tokio::time::sleep(KEEP_ALIVE) => keep_alive(&mut self.journal).await?,
            }
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(e)),
        };
        let mut chunks = stream.ready_chunks(CHUNKS_MAX);
        loop {
            let ready = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stopped::Ended(Outcome::Cancelled)),
                () = tokio::time::sleep_until(state.deadline) => return Err(out_of_time()),
                ready = chunks.next() => ready,
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    keep_alive(&mut self.journal).await?;
                    continue;
                }
            };
            let Some(ready) = ready else {
                return Ok(Err(ModelError::Unavailable("its stream ended too early".into())));
            };
            let (mut events, mut ids, mut ended) = (vec![], vec![], None);
            for event in ready {
                match event {
                    Ok(SampleEvent::Started { .. }) => {}
                    Ok(SampleEvent::Chunk { ids: new, deltas, .. }) => {
                        ids.extend(new);
                        for delta in deltas {
                            match delta {
                                Delta::Reasoning(text) => {
                                    state.writer.reasoning(&text, &mut events);
                                }
                                Delta::Text(text) => state.writer.text(&text, &mut events),
                                // A call's item opens when it is about to run.
                                _ => {}
                            }
                        }
                    }
                    Ok(SampleEvent::Finished(sample)) => ended = Some(Ok(sample)),
                    Err(e) => ended = Some(Err(e)),
                }
            }
            started.extend(&ids);
            match ended {
                Some(Ok(sample)) => return self.sampled(state, sample, events).await.map(Ok),
                ended => {
                    let records = if ids.is_empty() { vec![] } else { vec![Record::Ids { ids }] };
                    self.journal.append(events, json(&records), Durability::Process).await?;
                    if let Some(Err(e)) = ended {
                        return Ok(Err(e));
                    }
                }
            }
        }
    }

    fn sample_request(&self, state: &State, started: &[u32]) -> SampleRequest {
        let options = self.request.sampling;
        let left =
            self.request.max_output_tokens.map(|m| m.saturating_sub(state.used.output_tokens));
        let thought = state.usage.output_tokens_details.reasoning_tokens;
        let thinking = self.request.effort.and_then(|e| e.thinking_tokens_max());
        SampleRequest {
            key: self.journal.id().to_string(),
            cache_key: None,
            instructions: self.request.instructions.clone(),
            turns: state.turns.clone(),
            tools: state.specs.clone(),
            effort: self.request.effort.map(request::effort),
            today: Some(Day::from_unix_seconds((self.clock)())),
            sampling: Sampling {
                temperature: options.temperature,
                top_p: options.top_p,
                top_k: options.top_k,
                min_p: options.min_p,
                seed: options.seed,
                top_logprobs: options.top_logprobs,
            },
            output_tokens_max: left.unwrap_or(self.backend.info().context_window),
            thinking_tokens_max: thinking.map(|max| max.saturating_sub(thought)),
            started: started.to_vec(),
            constraints: Default::default(),
        }
    }

    /// Journals the end of a sample. Items that were being written are complete, unless the sample
    /// was cut by its length.
    async fn sampled(
        &mut self,
        state: &mut State,
        sample: Sample,
        mut events: Vec<EventKind>,
    ) -> Result<Sampled, Stopped> {
        let sampled = Sampled::of(sample);
        if sampled.stop() == ozone_model::Stop::EndOfTurn {
            state.writer.close(ItemStatus::Completed, &mut events);
        }
        let records = json(&[Record::Sampled(sampled.clone())]);
        self.journal.append(events, records, Durability::Process).await?;
        Ok(sampled)
    }

    /// Runs one call, or tells the model why not. Gives what the model reads.
    async fn call(
        &mut self,
        state: &mut State,
        index: usize,
        decided: &Decided,
    ) -> Result<String, Stopped> {
        let call = match decided {
            Decided::Run(call) => call,
            Decided::Refuse { call, why } => {
                tracing::info!("call of `{}` refused: {why}", call.name);
                let done = Record::ToolDone { index, output: why.clone() };
                self.journal.append(vec![], json(&[done]), Durability::Process).await?;
                return Ok(why.clone());
            }
        };
        let at = state.specs.iter().position(|s| s.name == call.name);
        let tool = &mut self.tools[at.expect("`Used::decide` runs advertised tools only")];
        let Shown::CodeInterpreter { container_id, code_argument } = tool.shown();
        let mut events = vec![];
        if !state.writer.code_is_open() {
            let code = argument(&call.arguments, code_argument);
            state.writer.code_started(&container_id, &code, &mut events);
        }
        let started = json(&[Record::ToolStarted { index }]);
        self.journal.append(events, started, Durability::Power).await?;

        let cancel = self.cancel.child_token();
        let request = Call {
            key: format!("{}:{}:{index}", self.journal.id(), state.used.steps),
            arguments: call.arguments.clone(),
            timeout: self.limits.tool_time_max,
            output_chars_max: self.limits.tool_output_chars_max,
            cancel: cancel.clone(),
        };
        let mut ignore = |_: &str| {};
        let mut running = std::pin::pin!(tool.call(request, &mut ignore));
        let result = loop {
            tokio::select! {
                biased;
                result = &mut running => break result,
                () = tokio::time::sleep_until(state.deadline), if !cancel.is_cancelled() => {
                    cancel.cancel();
                }
                () = tokio::time::sleep(KEEP_ALIVE) => keep_alive(&mut self.journal).await?,
            }
        };
        if self.cancel.is_cancelled() {
            return Err(Stopped::Ended(Outcome::Cancelled));
        }
        if Instant::now() >= state.deadline {
            return Err(out_of_time());
        }
        let output = match result {
            Ok(output) => output,
            Err(ToolError::BadArguments(text) | ToolError::Unavailable(text)) => {
                ToolOutput { text, failed: true, ..ToolOutput::default() }
            }
            Err(ToolError::Internal(cause)) => {
                tracing::error!("`{}` failed: {cause}", call.name);
                let message = format!("the tool `{}` failed on our side: {cause}", call.name);
                let code = ErrorCode::ServerError;
                return Err(Stopped::Ended(Outcome::Failed(ResponseError { code, message })));
            }
        };
        let mut events = vec![];
        let status = if output.failed { ItemStatus::Failed } else { ItemStatus::Completed };
        let text = output.text.clone();
        state.writer.code_done(outputs(output), status, &mut events);
        let done = json(&[Record::ToolDone { index, output: text.clone() }]);
        self.journal.append(events, done, Durability::Power).await?;
        Ok(text)
    }

    /// Journals the one outcome.
    async fn finish(mut self, state: &mut State, outcome: Outcome) -> Result<Response, AgentError> {
        let mut events = vec![];
        let open = match outcome {
            Outcome::Completed => ItemStatus::Completed,
            _ => ItemStatus::Incomplete,
        };
        state.writer.close(open, &mut events);
        let mut response = self.journal.fold().created().cloned().unwrap_or_else(|| self.opening());
        response.output = self.journal.fold().items().to_vec();
        response.output.extend(events.iter().filter_map(|e| match e {
            EventKind::OutputItemDone { item, .. } => Some(item.clone()),
            _ => None,
        }));
        response.completed_at = Some((self.clock)());
        response.usage = Some(state.usage);
        let incomplete = |reason| Some(IncompleteDetails { reason });
        let event: fn(Box<Response>) -> EventKind = match outcome {
            Outcome::Completed => {
                response.status = ResponseStatus::Completed;
                |response| EventKind::Completed { response }
            }
            Outcome::Incomplete(reason) => {
                response.status = ResponseStatus::Incomplete;
                response.incomplete_details = incomplete(reason);
                |response| EventKind::Incomplete { response }
            }
            Outcome::Cancelled => {
                response.status = ResponseStatus::Cancelled;
                response.incomplete_details = incomplete(IncompleteReason::Cancelled);
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
                });
                response.error = Some(error);
                |response| EventKind::Failed { response }
            }
        };
        events.push(event(Box::new(response.clone())));
        self.journal.append(events, vec![], Durability::Power).await?;
        Ok(response)
    }
}

fn out_of_time() -> Stopped {
    Stopped::Ended(Outcome::Incomplete(IncompleteReason::TimeLimit))
}

async fn keep_alive(journal: &mut Journal) -> Result<(), StoreError> {
    let Some(mut response) = journal.fold().created().cloned() else { return Ok(()) };
    response.output = journal.fold().items().to_vec();
    let event = EventKind::InProgress { response: Box::new(response) };
    journal.append(vec![event], vec![], Durability::Process).await
}

fn json(records: &[Record]) -> Vec<serde_json::Value> {
    records.iter().map(|r| serde_json::to_value(r).expect("records are plain data")).collect()
}

fn push_output(turns: &mut Vec<ModelTurn>, call: &ToolCall, output: String) {
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

/// The text of one string argument; the whole arguments when it is not to be had.
fn argument(arguments: &str, name: &str) -> String {
    serde_json::from_str::<serde_json::Value>(arguments)
        .ok()
        .and_then(|v| v.get(name)?.as_str().map(str::to_owned))
        .unwrap_or_else(|| arguments.to_owned())
}

fn outputs(output: ToolOutput) -> Vec<CodeOutput> {
    let mut outputs = vec![CodeOutput::Logs { logs: output.text }];
    for png in output.images.iter().filter(|png| png.len() <= IMAGE_BYTES_MAX) {
        let data = base64::engine::general_purpose::STANDARD.encode(png);
        outputs.push(CodeOutput::Image { url: format!("data:image/png;base64,{data}") });
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
