//! The local backend: conversations to tokens, through the engine, and tokens back to deltas.
//!
//! What the model sampled stays the ids that it sampled; what follows is what the template adds.
//! So the tokens of a turn after a tool call begin with exactly those of the turn before, and the
//! engine computes only what is new. Calls are sampled under the grammar of their tools' schemas or
//! of a custom tool's input, an answer that must have a form under the grammar of that form; thinking
//! is ended at its limit, and a killed run's sample goes on behind the ids it had.

mod pictures;
mod tokenizer;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::{FutureExt, Stream, StreamExt};
use ozone_prompt::{
    AnswerCalls, AnswerShape, Appended, ChatTemplate, Conversation, Delta, Format, SpecialToken,
    StreamParser, TemplateError, ToolSpec, Transcript, answer_grammar, call_grammar, input_marks,
};
use ozone_types::{ReasoningBudget, Usage};

use self::pictures::{Given, Seeing};
use self::tokenizer::LocalTokenizer;
use crate::engine::{
    self, Engine, EngineError, EngineOptions, FinishReason, GenerateRequest, Generated,
    GrammarRule, Picture, ThinkingLimit, Token, TokenStream, Trigger, Vocab,
};
use crate::{
    Calls, Constraints, Enforces, ModelBackend, ModelError, ModelInfo, Sample, SampleEvent,
    SampleRequest, SampleStream, Stop, TokenLogprob, Turn,
};

/// The most tokens of the context that are kept free of thinking, for the answer.
const ANSWER_TOKENS_RESERVE: u64 = 1_024;
/// Tokens that one chunk may bring: more are waiting only where the reader is slow.
const CHUNK_TOKENS_MAX: usize = 64;

/// A GGUF file in this process.
#[derive(Debug)]
pub struct LocalBackend {
    engine: Engine,
    info: ModelInfo,
    template: ChatTemplate,
    tokenizer: LocalTokenizer,
    warnings: Vec<String>,
    enforces: OnceLock<Enforces>,
}

impl LocalBackend {
    /// Loads a file. Blocks for as long as the disk takes. `id` is the name it is asked for by.
    pub fn load(
        id: impl Into<String>,
        path: impl AsRef<Path>,
        options: EngineOptions,
    ) -> Result<LocalBackend, EngineError> {
        let path = path.as_ref();
        let engine = Engine::load(path, options)?;
        let tokenizer = LocalTokenizer::new(Arc::clone(engine.vocab()));
        let (template, warnings) = read_template(engine.vocab(), &tokenizer.specials);
        let info = ModelInfo {
            id: id.into(),
            context_window: engine.info().context_tokens.into(),
            reads_images: engine.sees(),
            source: path.display().to_string(),
        };
        let enforces = OnceLock::new();
        Ok(LocalBackend { engine, info, template, tokenizer, warnings, enforces })
    }

    /// Another output syntax than the one that was recognised.
    pub fn with_format(mut self, format: Format) -> LocalBackend {
        self.template = self.template.with_format(format);
        self.enforces = OnceLock::new();
        self
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// What a user should know about this file, in one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn transcript(
        &self,
        request: &SampleRequest,
        pictures: &[Picture],
    ) -> Result<Transcript, ModelError> {
        let invalid = |error: TemplateError| ModelError::InvalidRequest(error.to_string());
        let tokenizer = Seeing { words: &self.tokenizer, pictures };
        let mut turns = request.turns.iter().peekable();
        let given = Given::next(&mut turns);
        let conversation = Conversation {
            instructions: request.instructions.clone(),
            messages: given.messages,
            tools: request.tools.clone(),
            effort: request.effort,
            today: request.today,
            pictures: given.pictures,
        };
        let mut transcript =
            Transcript::start(conversation, &self.template, &tokenizer).map_err(invalid)?;
        while let Some(turn) = turns.next() {
            let Turn::Sampled { ids, message } = turn else { continue };
            transcript.push_sampled(ids, message.clone());
            let Given { messages, pictures } = Given::next(&mut turns);
            let appended = transcript.append_shown(messages, pictures, &self.template, &tokenizer);
            match appended.map_err(invalid)? {
                Appended::Suffix(_) => {}
                Appended::Rerendered(_) => tracing::debug!("the history was rendered anew"),
            }
        }
        Ok(transcript)
    }

    fn generate_request(
        &self,
        request: &SampleRequest,
        transcript: &Transcript,
        pictures: Vec<Picture>,
    ) -> GenerateRequest {
        let sampling = &request.sampling;
        let started = request.started.len() as u64;
        let max_tokens = request.output_tokens_max.saturating_sub(started);
        GenerateRequest {
            prompt: transcript.tokens().to_vec(),
            pictures,
            resumed: request.started.clone(),
            max_tokens: u32::try_from(max_tokens).unwrap_or(u32::MAX),
            sampling: engine::Sampling {
                temperature: sampling.temperature,
                top_p: sampling.top_p,
                top_k: sampling.top_k,
                min_p: sampling.min_p,
                seed: sampling.seed,
                ..engine::Sampling::default()
            },
            stop_ids: self.stop_ids(),
            grammars: self.grammars(request, &request.tools, transcript.thinking_open()),
            thinking: self.thinking_limit(
                request,
                transcript.tokens().len() as u64,
                transcript.thinking_open(),
            ),
            logprobs: (sampling.top_logprobs > 0).then_some(sampling.top_logprobs.into()),
            ban: Vec::new(),
            hold: Some(request.key.clone()),
        }
    }

    fn stop_ids(&self) -> Vec<u32> {
        let texts = self.template.format().stop_texts().iter();
        texts.filter_map(|text| self.tokenizer.vocab.special_token(text)).collect()
    }

    fn grammars(
        &self,
        request: &SampleRequest,
        tools: &[ToolSpec],
        thinking_open: bool,
    ) -> Vec<GrammarRule> {
        let has_inputs = tools.iter().any(|tool| tool.grammar.is_some());
        let text_marks = has_inputs.then(|| input_marks(&self.tokenizer)).flatten();
        let shape = shape(&request.constraints);
        if !shape.is_free()
            && let Some(lark) = self.answer_grammar(tools, &shape, thinking_open)
        {
            return vec![GrammarRule { trigger: Trigger::AtOnce, lark, text_marks }];
        }
        let grammar = call_grammar(self.template.format(), tools, Some(&self.tokenizer));
        let rule = grammar.map(|grammar| GrammarRule {
            trigger: match grammar.trigger_token {
                Some(id) => Trigger::Tokens(vec![id]),
                None => Trigger::Text(grammar.trigger),
            },
            lark: grammar.lark,
            text_marks,
        });
        rule.into_iter().collect()
    }

    fn answer_grammar(
        &self,
        tools: &[ToolSpec],
        shape: &AnswerShape<'_>,
        thinking_open: bool,
    ) -> Option<String> {
        answer_grammar(self.template.format(), tools, shape, thinking_open, &self.tokenizer)
    }

    fn thought_end(&self) -> Option<u32> {
        let end = match self.template.format() {
            Format::HermesQwen | Format::DeepSeekR1 => "</think>",
            Format::Harmony => "<|end|>",
            Format::Plain => return None,
        };
        self.tokenizer.vocab.encode(end, true).first().copied()
    }

    /// The limit leaves room for an answer within the context, and for the tokens that end a
    /// thought by force: they are counted as thinking.
    fn thinking_limit(
        &self,
        request: &SampleRequest,
        input_tokens: u64,
        open: bool,
    ) -> Option<ThinkingLimit> {
        let window = self.info.context_window;
        let reserve = ANSWER_TOKENS_RESERVE.min(window / 8);
        let room = window.saturating_sub(input_tokens).saturating_sub(reserve);
        let tokens_max = request.thinking_tokens_max?.min(room);
        let encode = |text: &str| self.tokenizer.vocab.encode(text, true);
        let (start, farewell, end, after) = match self.template.format() {
            Format::HermesQwen | Format::DeepSeekR1 => ("<think>", "\n", "</think>", "\n\n"),
            Format::Harmony => (
                "<|channel|>analysis",
                "",
                "<|end|>",
                "<|start|>assistant<|channel|>final<|message|>",
            ),
            Format::Plain => return None,
        };
        let (farewell, end, after) = (encode(farewell), encode(end), encode(after));
        let closing = (farewell.len() + end.len() + after.len()) as u64;
        Some(ThinkingLimit {
            tokens_max: u32::try_from(tokens_max.saturating_sub(closing)).unwrap_or(u32::MAX),
            start: (!open).then(|| encode(start)),
            end,
            farewell,
            after,
        })
    }

    /// A tool's grammar or schema that is too much for the engine only loses the guarantee, not the
    /// answer; that of the text was promised ([`Enforces::text`]).
    fn start(
        &self,
        mut request: GenerateRequest,
        asked: &SampleRequest,
        thinking_open: bool,
    ) -> Result<TokenStream, ModelError> {
        let mut started = self.engine.generate(request.clone());
        if let Err(EngineError::Grammar(cause)) = &started
            && asked.tools.iter().any(|tool| tool.grammar.is_some())
        {
            tracing::warn!("custom tools are sampled without their grammars: {cause}");
            let free = |tool: &ToolSpec| ToolSpec { grammar: None, ..tool.clone() };
            let tools: Vec<ToolSpec> = asked.tools.iter().map(free).collect();
            request.grammars = self.grammars(asked, &tools, thinking_open);
            started = self.engine.generate(request.clone());
        }
        match started {
            Err(EngineError::Grammar(cause)) if asked.constraints.text.is_some() => {
                Err(ModelError::InvalidRequest(format!(
                    "this model cannot keep to the schema of `text.format`: {cause}"
                )))
            }
            Err(EngineError::Grammar(cause)) if !request.grammars.is_empty() => {
                tracing::warn!("calls are sampled without a grammar: {cause}");
                let request = GenerateRequest { grammars: Vec::new(), ..request };
                Ok(self.engine.generate(request)?)
            }
            other => Ok(other?),
        }
    }

    /// By writing the grammars of a tool that can be anything.
    fn find_enforced(&self) -> Enforces {
        let any = serde_json::json!({});
        let free = Constraints::default();
        let text = AnswerShape { text: Some(&any), ..shape(&free) };
        let calls = AnswerShape { calls: AnswerCalls::Required, ..shape(&free) };
        let (name, description) = ("any".to_owned(), String::new());
        let tool = ToolSpec { name, description, parameters: any.clone(), grammar: None };
        Enforces {
            // A schema may ask for more than grammars know.
            arguments: false,
            calls: self.answer_grammar(std::slice::from_ref(&tool), &calls, false).is_some(),
            text: self.answer_grammar(&[tool], &text, false).is_some(),
        }
    }

    /// Whether the ids of a killed run hold a whole sample already.
    fn is_whole(&self, request: &SampleRequest) -> Option<Stop> {
        let ends = |id: &u32| {
            self.tokenizer.vocab.is_end_of_generation(*id) || self.stop_ids().contains(id)
        };
        if request.started.last().is_some_and(ends) {
            Some(Stop::EndOfTurn)
        } else if request.started.len() as u64 >= request.output_tokens_max {
            Some(Stop::Length)
        } else {
            None
        }
    }
}

#[async_trait]
impl ModelBackend for LocalBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        let pictures = self.look(&request).await?;
        let transcript = self.transcript(&request, &pictures)?;
        let input_tokens = transcript.tokens().len() as u64;
        let context_window = self.info.context_window;
        if input_tokens >= context_window {
            return Err(ModelError::ContextLength { input_tokens, context_window });
        }
        let format = self.template.format();
        let open = transcript.thinking_open();
        let parser = StreamParser::for_tokens(format, &request.tools, open, &self.tokenizer);
        let mut reading = Reading {
            tokens: None,
            parser: Some(parser),
            vocab: Arc::clone(&self.tokenizer.vocab),
            input_tokens,
            cached_tokens: 0,
            ids: Vec::new(),
            in_reasoning: open,
            reasoning_tokens: 0,
            budget: request.thinking_tokens_max.map(|tokens_max| ReasoningBudget {
                tokens_max,
                enforced: format != Format::Plain,
                forced_ends: 0,
            }),
            thought_end: self.thought_end(),
            wants_logprobs: request.sampling.top_logprobs > 0,
        };
        for &id in &request.started {
            reading.read(id, false);
        }
        if let Some(stop) = self.is_whole(&request) {
            let started = SampleEvent::Started { input_tokens, cached_tokens: 0 };
            let events = [started].into_iter().chain(reading.finish(stop));
            return Ok(futures::stream::iter(events.map(Ok)).boxed());
        }
        let generate = self.generate_request(&request, &transcript, pictures);
        reading.tokens = Some(self.start(generate, &request, open)?);
        Ok(reading.events().boxed())
    }

    fn enforces(&self) -> Enforces {
        *self.enforces.get_or_init(|| self.find_enforced())
    }

    fn knows_ids(&self) -> bool {
        true
    }

    fn prompt(&self, request: &SampleRequest) -> Result<Vec<u32>, ModelError> {
        if request.turns.iter().any(|turn| matches!(turn, Turn::Shown { .. })) {
            let why = "a conversation with pictures has no token ids: they are no words";
            return Err(ModelError::InvalidRequest(why.to_owned()));
        }
        Ok(self.transcript(request, &[])?.tokens().to_vec())
    }

    fn measures(&self) -> bool {
        true
    }

    fn release(&self, key: &str) {
        self.engine.release(key);
    }
}

fn shape(constraints: &Constraints) -> AnswerShape<'_> {
    AnswerShape {
        calls: match &constraints.calls {
            Calls::Auto => AnswerCalls::Auto,
            Calls::None => AnswerCalls::None,
            Calls::Required => AnswerCalls::Required,
            Calls::Named(name) => AnswerCalls::Named(name),
        },
        parallel_calls: constraints.parallel_calls,
        text: constraints.text.as_ref(),
    }
}

/// The file's own template; ChatML where it has none or one that cannot be read.
fn read_template(vocab: &Vocab, specials: &[SpecialToken]) -> (ChatTemplate, Vec<String>) {
    let text = |id: Option<u32>| {
        id.map(|id| String::from_utf8_lossy(vocab.decode_bytes(id)).into_owned())
            .unwrap_or_default()
    };
    let Some(source) = vocab.chat_template() else {
        let warning = "the file has no chat template: ChatML is used".to_owned();
        return (ChatTemplate::chatml(), vec![warning]);
    };
    match ChatTemplate::new(&source, &text(vocab.bos()), &text(vocab.eos()), specials) {
        Ok(template) => (template, Vec::new()),
        Err(error) => (ChatTemplate::chatml(), vec![format!("{error}: ChatML is used")]),
    }
}

/// A sample that is being read.
struct Reading {
    /// None once the sample has ended: dropping it is what cancels.
    tokens: Option<TokenStream>,
    parser: Option<StreamParser>,
    vocab: Arc<Vocab>,
    input_tokens: u64,
    cached_tokens: u64,
    ids: Vec<u32>,
    in_reasoning: bool,
    reasoning_tokens: u64,
    budget: Option<ReasoningBudget>,
    /// What a thought ends with.
    thought_end: Option<u32>,
    wants_logprobs: bool,
}

impl Reading {
    /// Reads one id: what it says. `forced`: it was not drawn.
    fn read(&mut self, id: u32, forced: bool) -> Vec<Delta> {
        self.ids.push(id);
        if forced && self.in_reasoning && self.thought_end == Some(id) {
            self.budget.iter_mut().for_each(|budget| budget.forced_ends += 1);
        }
        let bytes = self.vocab.decode_bytes(id);
        let special = self.vocab.is_special(id);
        let deltas =
            self.parser.as_mut().map_or_else(Vec::new, |parser| parser.push_piece(bytes, special));
        // Tags say nothing: they count as what they end.
        self.in_reasoning |= deltas.iter().any(|delta| matches!(delta, Delta::Reasoning(_)));
        self.reasoning_tokens += u64::from(self.in_reasoning);
        if deltas.iter().any(|delta| !matches!(delta, Delta::Reasoning(_))) {
            self.in_reasoning = false;
        }
        deltas
    }

    fn events(self) -> impl Stream<Item = Result<SampleEvent, ModelError>> + Send {
        let steps = futures::stream::unfold(self, |mut reading| async move {
            let tokens = reading.tokens.as_mut()?;
            let mut batch = vec![tokens.next().await];
            // What has come meanwhile comes along: a slow reader gets larger chunks.
            while batch.len() < CHUNK_TOKENS_MAX && batch.last().is_some_and(goes_on) {
                match tokens.next().now_or_never() {
                    Some(event) => batch.push(event),
                    None => break,
                }
            }
            Some((reading.take_in(batch), reading))
        });
        steps.flat_map(futures::stream::iter)
    }

    fn take_in(
        &mut self,
        batch: Vec<Option<Result<Generated, EngineError>>>,
    ) -> Vec<Result<SampleEvent, ModelError>> {
        let mut events = Vec::new();
        let (mut ids, mut deltas, mut logprobs) = (Vec::new(), Vec::new(), Vec::new());
        let mut end = None;
        for event in batch {
            match event {
                Some(Ok(Generated::Started { cached_tokens, .. })) => {
                    let input_tokens = self.input_tokens;
                    self.cached_tokens = u64::from(cached_tokens).min(input_tokens);
                    let cached_tokens = self.cached_tokens;
                    events.push(Ok(SampleEvent::Started { input_tokens, cached_tokens }));
                }
                Some(Ok(Generated::Token(token))) => {
                    ids.push(token.id);
                    deltas.extend(self.read(token.id, token.forced));
                    if self.wants_logprobs {
                        logprobs.extend(self.logprob(token));
                    }
                    if self.parser.as_ref().is_some_and(StreamParser::finished) {
                        end = Some(Ok(Stop::EndOfTurn));
                        break;
                    }
                }
                Some(Ok(Generated::Finished { reason, .. })) => end = Some(stop(reason)),
                Some(Err(error)) => end = Some(Err(error.into())),
                None => end = Some(Err(EngineError::Stopped.into())),
            }
        }
        if !ids.is_empty() {
            events.push(Ok(SampleEvent::Chunk { ids, deltas: joined(deltas), logprobs }));
        }
        match end {
            None => {}
            Some(Ok(stop)) => events.extend(self.finish(stop).into_iter().map(Ok)),
            Some(Err(error)) => {
                self.tokens = None;
                events.push(Err(error));
            }
        }
        events
    }

    fn logprob(&self, token: Token) -> Option<TokenLogprob> {
        let bytes = |id: u32| self.vocab.decode_bytes(id).to_vec();
        Some(TokenLogprob {
            bytes: token.bytes,
            logprob: token.logprob?,
            top: token.top_logprobs.into_iter().map(|(id, logprob)| (bytes(id), logprob)).collect(),
        })
    }

    /// The last events of the sample.
    fn finish(&mut self, stop: Stop) -> Vec<SampleEvent> {
        self.tokens = None;
        let Some(parser) = self.parser.take() else { return Vec::new() };
        let (deltas, parsed) = match stop {
            Stop::EndOfTurn => parser.finish(),
            Stop::Length | Stop::ContextFull | Stop::ContentFilter => parser.finish_cut_off(),
        };
        let mut events = Vec::new();
        if !deltas.is_empty() {
            let (ids, logprobs) = (Vec::new(), Vec::new());
            events.push(SampleEvent::Chunk { ids, deltas, logprobs });
        }
        let ids = std::mem::take(&mut self.ids);
        events.push(SampleEvent::Finished(Sample {
            stop,
            message: parsed.to_message(|index| format!("call_{index}")),
            problems: parsed.problems,
            usage: Usage::of_sample(
                self.input_tokens,
                self.cached_tokens,
                ids.len() as u64,
                self.reasoning_tokens,
            )
            .with_budget(self.budget),
            usage_estimated: false,
            ids,
        }));
        events
    }
}

fn goes_on(event: &Option<Result<Generated, EngineError>>) -> bool {
    matches!(event, Some(Ok(Generated::Started { .. } | Generated::Token(_))))
}

/// Neighbours of one kind become one.
fn joined(deltas: Vec<Delta>) -> Vec<Delta> {
    let mut out: Vec<Delta> = Vec::with_capacity(deltas.len());
    for delta in deltas {
        match (out.last_mut(), delta) {
            (Some(Delta::Reasoning(a)), Delta::Reasoning(b))
            | (Some(Delta::Text(a)), Delta::Text(b))
            | (Some(Delta::Commentary(a)), Delta::Commentary(b)) => a.push_str(&b),
            (
                Some(Delta::ToolCallArguments { index: i, text: a }),
                Delta::ToolCallArguments { index, text },
            ) if *i == index => a.push_str(&text),
            (_, delta) => out.push(delta),
        }
    }
    out
}

fn stop(reason: FinishReason) -> Result<Stop, ModelError> {
    match reason {
        FinishReason::EndOfGeneration | FinishReason::Stop | FinishReason::GrammarComplete => {
            Ok(Stop::EndOfTurn)
        }
        FinishReason::Length => Ok(Stop::Length),
        FinishReason::ContextFull => Ok(Stop::ContextFull),
        FinishReason::Cancelled => Err(EngineError::Stopped.into()),
    }
}

impl From<EngineError> for ModelError {
    fn from(error: EngineError) -> ModelError {
        match error {
            EngineError::PromptTooLong { tokens, context_tokens } => ModelError::ContextLength {
                input_tokens: tokens as u64,
                context_window: context_tokens.into(),
            },
            EngineError::Busy { waiting } => ModelError::Busy { waiting },
            EngineError::BadRequest(text) => ModelError::InvalidRequest(text),
            EngineError::Stopped => ModelError::Unavailable(error.to_string()),
            EngineError::Load { .. }
            | EngineError::Picture(_)
            | EngineError::Grammar(_)
            | EngineError::Compute { .. }
            | EngineError::DeadEnd(_) => ModelError::Internal(error.to_string()),
        }
    }
}
