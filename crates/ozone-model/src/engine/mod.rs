//! The local engine: one thread owns a GGUF model's context, everybody else talks to it.
//!
//! Requests join and leave a continuous batch between two decode steps. What a finished sequence
//! has computed stays in the KV cache until its room is needed, so that the next turn of the same
//! conversation computes only its new tokens, and a thousand conversations with one system prompt
//! compute that once. Dropping a stream cancels its sequence within one step. A failure of the
//! engine reaches every stream as an error; none waits forever.
//!
//! The engine deals in token ids. What they mean is `ozone-prompt`'s business, and who asks is the
//! backend's (`local.rs`).

mod cells;
mod constraint;
mod disk;
mod gguf;
mod guide;
mod llama;
mod mmproj;
mod run;
mod sampling;
mod sight;
mod threads;
mod vocab;
mod worker;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::task::{Context as TaskContext, Poll};
use std::thread::JoinHandle;

use futures::Stream;
use tokio::sync::mpsc;

pub use disk::ColdStore;
pub use gguf::{GgufError, GgufHeader, GgufValue};
pub use sampling::Sampling;
pub use sight::Picture;
pub use vocab::Vocab;

use constraint::Constraint;
use run::{Child, Run};
use sight::{Eyes, Sight};
use worker::{Command, Worker};

/// Events that may wait for a slow reader before its sequence pauses.
const EVENTS_WAITING_MAX: usize = 256;
/// Tokens that may be written by force in one step.
const FORCED_TOKENS_MAX: usize = 64;
/// Alternatives that may be asked for beside each token.
pub const TOP_LOGPROBS_MAX: u32 = 64;

/// What can go wrong, one variant for each thing a caller does differently.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The file is no model that can be run.
    #[error("cannot load {}: {cause}. {advice}", path.display())]
    Load { path: PathBuf, cause: String, advice: &'static str },
    #[error("the prompt has {tokens} tokens, and the context holds {context_tokens}")]
    PromptTooLong { tokens: usize, context_tokens: u32 },
    #[error("{0}")]
    BadRequest(String),
    #[error("the grammar cannot be used: {0}")]
    Grammar(String),
    /// A picture could not be encoded.
    #[error("a picture could not be encoded: {0}")]
    Picture(String),
    /// The waiting line is full. Try again later.
    #[error("{waiting} requests are waiting already")]
    Busy { waiting: usize },
    /// llama.cpp could not compute a step.
    #[error("the engine could not compute a step (llama.cpp's code {code})")]
    Compute { code: i32 },
    /// The model gave no usable probabilities, or the grammar left no token to choose.
    #[error("no token can follow: {0}")]
    DeadEnd(&'static str),
    /// The engine thread has ended.
    #[error("the engine has stopped")]
    Stopped,
}

impl EngineError {
    /// llguidance adds the parser's state to its errors; the first line is the cause.
    fn grammar(error: impl std::fmt::Display) -> EngineError {
        let text = error.to_string();
        EngineError::Grammar(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// How the KV cache stores its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvType {
    /// Twice the memory of the default, and slower; what else is in the batch then moves a
    /// probability by some 1e-6, not by 1e-3 (flash attention adds in 16 bits).
    F32,
    F16,
    /// Half the memory of the default, a little less exact.
    Q8_0,
}

/// How an engine runs. The defaults work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// The most tokens that one sequence may have; the model's own limit where that is smaller.
    pub context_tokens: u32,
    /// Cells of the KV cache, shared by all sequences. At least `context_tokens`.
    pub cells: u32,
    pub kv_type: KvType,
    /// Sequences that are computed at once.
    pub sequences_max: u32,
    /// Requests that may wait for a place.
    pub waiting_max: usize,
    /// Tokens in one step: a long prompt is computed in pieces of at most this.
    pub batch_tokens: u32,
    /// Tokens of prompts in one step while other sequences are decoding.
    pub prefill_beside_decode_tokens: u32,
    /// None: the machine's cores, or one where that is faster (measured all the time).
    pub threads: Option<u32>,
    /// Conversations whose KV is kept while a tool runs.
    pub holds_max: usize,
    /// Where evicted prefixes are kept, if anywhere.
    pub cold_store: Option<ColdStore>,
    /// Forbids the system to swap the weights out.
    pub lock_memory: bool,
    /// The encoder of pictures that belongs to the model, if it shall see.
    pub mmproj: Option<PathBuf>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            context_tokens: 8_192,
            cells: 16_384,
            kv_type: KvType::F16,
            sequences_max: 8,
            waiting_max: 64,
            batch_tokens: 512,
            prefill_beside_decode_tokens: 128,
            threads: None,
            holds_max: 16,
            cold_store: None,
            lock_memory: false,
            mmproj: None,
        }
    }
}

/// What a loaded file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufInfo {
    pub name: Option<String>,
    pub architecture: String,
    /// llama.cpp's number for the mixture of tensor types.
    pub file_type: Option<u64>,
    pub parameters: u64,
    pub weight_bytes: u64,
    /// What the model was trained for.
    pub context_trained: u32,
    /// What a sequence of this engine may have.
    pub context_tokens: u32,
}

/// Where a grammar begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// With the first token; the answer ends with the grammar.
    AtOnce,
    /// After these tokens, each time that they are generated.
    Tokens(Vec<u32>),
    /// After this text, each time that it is generated.
    Text(String),
}

/// A Lark grammar (llguidance's dialect) that holds from its trigger to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrammarRule {
    pub trigger: Trigger,
    pub lark: String,
    /// Special tokens that stand in the grammar around a text which is sampled as a JSON string: one of
    /// them behind its opening quote, one before its closing quote. Never sampled.
    pub text_marks: Option<[u32; 2]>,
}

/// Ends thinking that takes too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinkingLimit {
    pub tokens_max: u32,
    /// What opens thinking; `None` where the prompt has opened it.
    pub start: Option<Vec<u32>>,
    /// What ends it. Made likelier during the last eighth, written by force at the limit.
    pub end: Vec<u32>,
    /// Written before `end` where it is forced, such as "I must answer now.".
    pub farewell: Vec<u32>,
    /// Written after `end` where it is forced: what the family's answers begin with.
    pub after: Vec<u32>,
}

impl ThinkingLimit {
    fn forced(&self) -> Vec<u32> {
        [&self.farewell[..], &self.end, &self.after].concat()
    }
}

/// One answer to be generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// Of the vocabulary, and [`Picture::ids`].
    pub prompt: Vec<u32>,
    /// Those that are in the prompt, in any order.
    pub pictures: Vec<Picture>,
    /// The beginning of the answer, generated earlier: it goes on behind it, and these tokens are
    /// neither reported nor counted as generated again. Grammars, seeds and limits know them.
    pub resumed: Vec<u32>,
    pub max_tokens: u32,
    pub sampling: Sampling,
    /// Tokens that end the answer, beside the model's own.
    pub stop_ids: Vec<u32>,
    pub grammars: Vec<GrammarRule>,
    pub thinking: Option<ThinkingLimit>,
    /// None: no logprobs. Some(n): each token's own and those of its n likeliest rivals.
    pub logprobs: Option<u32>,
    /// Tokens that are never generated.
    pub ban: Vec<u32>,
    /// Keeps the KV cache of the finished sequence, its last token included, for the next turn.
    pub hold: Option<String>,
}

impl GenerateRequest {
    pub fn new(prompt: Vec<u32>, max_tokens: u32) -> GenerateRequest {
        GenerateRequest {
            prompt,
            pictures: Vec::new(),
            resumed: Vec::new(),
            max_tokens,
            sampling: Sampling::default(),
            stop_ids: Vec::new(),
            grammars: Vec::new(),
            thinking: None,
            logprobs: None,
            ban: Vec::new(),
            hold: None,
        }
    }
}

/// A step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Generated {
    /// The prompt is in; the first token follows.
    Started {
        prompt_tokens: u32,
        cached_tokens: u32,
        prefilled_tokens: u32,
    },
    Token(Token),
    /// Exactly one, the last.
    Finished {
        reason: FinishReason,
        usage: EngineUsage,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub id: u32,
    /// Need not be whole characters.
    pub bytes: Vec<u8>,
    pub is_special: bool,
    /// Not drawn: the grammar or the thinking limit left no choice.
    pub forced: bool,
    /// The model's own probability, before temperature and constraints.
    pub logprob: Option<f32>,
    pub top_logprobs: Vec<(u32, f32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model's own end token, which was reported as the last token.
    EndOfGeneration,
    /// One of `stop_ids`, which was reported as the last token.
    Stop,
    /// An `AtOnce` grammar is complete.
    GrammarComplete,
    /// `max_tokens`.
    Length,
    /// The sequence's context or the whole KV cache is full.
    ContextFull,
    /// The engine is shutting down.
    Cancelled,
}

/// What an answer took. `prompt_tokens == cached_tokens + prefilled_tokens` unless the sequence
/// had to make room for others on the way and was computed again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineUsage {
    pub prompt_tokens: u32,
    /// Tokens of the prompt whose KV was there already.
    pub cached_tokens: u32,
    /// Tokens of the prompt that were computed for this answer.
    pub prefilled_tokens: u32,
    pub generated_tokens: u32,
}

/// Counters since the engine was loaded, for monitoring and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    pub steps: u64,
    pub prefilled_tokens: u64,
    pub cached_tokens: u64,
    pub generated_tokens: u64,
    /// Tokens written into the KV cache after an answer was finished, for held sequences.
    pub flushed_tokens: u64,
    pub evictions: u64,
    pub preemptions: u64,
    pub forks: u64,
    /// How long the latest fork of a prefix took, for all of its children together.
    pub fork_last_ns: u64,
    pub cold_saved: u64,
    pub cold_restored: u64,
    pub cells_used: u64,
    pub cells: u64,
    pub sequences_active: u64,
    pub sequences_resident: u64,
    pub threads: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        #[derive(Default)]
        struct Counters { $($name: AtomicU64),* }
        impl Counters {
            fn snapshot(&self) -> EngineStats {
                EngineStats { $($name: self.$name.load(Ordering::Relaxed)),* }
            }
        }
    };
}
counters!(
    steps,
    prefilled_tokens,
    cached_tokens,
    generated_tokens,
    flushed_tokens,
    evictions,
    preemptions,
    forks,
    fork_last_ns,
    cold_saved,
    cold_restored,
    cells_used,
    cells,
    sequences_active,
    sequences_resident,
    threads
);

/// What the handle and the thread share.
struct Shared {
    /// Requests that were sent and have no place yet.
    waiting: AtomicUsize,
    /// Stops a running step; set when the engine is dropped.
    abort: Arc<AtomicBool>,
    counters: Counters,
}

/// A loaded model, ready to generate. Clones share it; the last one to go ends the thread.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Option<std_mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    vocab: Arc<Vocab>,
    info: GgufInfo,
    header: GgufHeader,
    options: EngineOptions,
    sight: Option<Sight>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("info", &self.inner.info).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads a model. Blocks for as long as the disk takes.
    pub fn load(path: impl AsRef<Path>, options: EngineOptions) -> Result<Engine, EngineError> {
        let path = path.as_ref();
        let fail = |cause: String, advice| EngineError::Load { path: path.into(), cause, advice };
        let header =
            GgufHeader::read(path).map_err(|error| fail(error.to_string(), error.advice()))?;
        let model = llama::Model::load(path, options.lock_memory)
            .map_err(|cause| fail(or_unknown(cause), ADVICE_UNSUPPORTED))?;
        if model.vocab_len() == 0 || !model.has_decoder() {
            let cause = "it is not a model that generates text".to_owned();
            return Err(fail(cause, "Choose a text generation model."));
        }
        let model = Arc::new(model);
        let projector = match &options.mmproj {
            Some(mmproj) => Some(Arc::new(mmproj::load(mmproj, path, &model, &options)?)),
            None => None,
        };
        let mut options = settle(options, &model);
        if projector.as_ref().is_some_and(|projector| projector.is_non_causal()) {
            options.batch_tokens = options.batch_tokens.max(sight::WHOLE_PICTURE_TOKENS);
        }
        let shared = Arc::new(Shared {
            waiting: AtomicUsize::new(0),
            abort: Arc::new(AtomicBool::new(false)),
            counters: Counters::default(),
        });
        let context = new_context(&model, &options, &shared)
            .map_err(|cause| fail(or_unknown(cause), ADVICE_MEMORY))?;
        let info = GgufInfo {
            name: header.text("general.name").map(str::to_owned),
            architecture: header.architecture().to_owned(),
            file_type: header.unsigned("general.file_type"),
            parameters: model.parameters(),
            weight_bytes: model.bytes(),
            context_trained: model.context_trained(),
            context_tokens: options.context_tokens,
        };
        let vocab = Arc::new(Vocab::new(Arc::clone(&model)));
        let disk = options.cold_store.clone().and_then(|store| open_disk(store, path, &options));
        let (commands, receiver) = std_mpsc::channel();
        let no_thread =
            |error: std::io::Error| fail(error.to_string(), "The system allows no more threads.");
        let eyes = match &projector {
            Some(projector) => {
                Some(Eyes::open(Arc::clone(projector), commands.clone()).map_err(no_thread)?)
            }
            None => None,
        };
        let sight = projector.map(|projector| Sight::new(projector, options.batch_tokens));
        let worker = Worker::new(
            context,
            Arc::clone(&vocab),
            model.is_recurrent(),
            options.clone(),
            Arc::clone(&shared),
            receiver,
            disk,
        )
        .with_eyes(eyes);
        let thread = std::thread::Builder::new()
            .name("ozone-engine".to_owned())
            .spawn(move || worker.run())
            .map_err(no_thread)?;
        let (commands, thread) = (Some(commands), Some(thread));
        let inner = Inner { commands, thread, shared, vocab, info, header, options, sight };
        Ok(Engine { inner: Arc::new(inner) })
    }

    pub fn vocab(&self) -> &Arc<Vocab> {
        &self.inner.vocab
    }

    pub fn info(&self) -> &GgufInfo {
        &self.inner.info
    }

    /// Every key of the file.
    pub fn header(&self) -> &GgufHeader {
        &self.inner.header
    }

    /// The options after they were adapted to the model.
    pub fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    pub fn stats(&self) -> EngineStats {
        self.inner.shared.counters.snapshot()
    }

    /// Starts an answer. Returns at once; the stream brings the tokens.
    pub fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError> {
        let seed = request.sampling.seed;
        let mut streams = self.generate_many(request, &[seed])?;
        streams.pop().ok_or(EngineError::Stopped)
    }

    /// Starts one answer per seed, all from one computation of the prompt.
    pub fn generate_many(
        &self,
        request: GenerateRequest,
        seeds: &[u64],
    ) -> Result<Vec<TokenStream>, EngineError> {
        self.check(&request, seeds)?;
        let pictures = self.placed(&request)?;
        let mut children = Vec::with_capacity(seeds.len());
        let mut streams = Vec::with_capacity(seeds.len());
        for &seed in seeds {
            let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
            let paused = Arc::new(AtomicBool::new(false));
            let commands = self.commands()?.clone();
            let constraint = self.constraint(&request)?;
            children.push(Child { seed, events: sender, paused: Arc::clone(&paused), constraint });
            streams.push(TokenStream { events: receiver, paused, commands, ended: false });
        }
        self.enter_waiting_line(seeds.len())?;
        let run = Box::new(Run::new(request, pictures, children));
        if self.commands()?.send(Command::Generate(run)).is_err() {
            return Err(EngineError::Stopped);
        }
        Ok(streams)
    }

    /// Lets go of what was kept under a `hold`.
    pub fn release(&self, hold: &str) {
        if let Ok(commands) = self.commands() {
            // A stopped engine holds nothing.
            let _ = commands.send(Command::Release(hold.to_owned()));
        }
    }

    /// Drops what finished sequences have left in the KV cache, held ones included.
    pub fn forget(&self) {
        if let Ok(commands) = self.commands() {
            // A stopped engine has nothing left.
            let _ = commands.send(Command::Forget);
        }
    }

    fn commands(&self) -> Result<&std_mpsc::Sender<Command>, EngineError> {
        self.inner.commands.as_ref().ok_or(EngineError::Stopped)
    }

    fn check(&self, request: &GenerateRequest, seeds: &[u64]) -> Result<(), EngineError> {
        let bad = |text: &str| Err(EngineError::BadRequest(text.to_owned()));
        let context_tokens = self.inner.options.context_tokens;
        let tokens = request.prompt.len() + request.resumed.len();
        if seeds.is_empty() {
            return bad("at least one answer must be asked for");
        }
        if request.prompt.is_empty() {
            return bad("the prompt is empty");
        }
        if tokens >= context_tokens as usize {
            return Err(EngineError::PromptTooLong { tokens, context_tokens });
        }
        if request.max_tokens == 0 {
            return bad("at least one token must be asked for");
        }
        let unknown = |ids: &[u32]| ids.iter().any(|id| *id as usize >= self.vocab().len());
        if unknown(&request.resumed) {
            return bad("the prompt has a token id that the model does not have");
        }
        if let Some(limit) = &request.thinking {
            let forced = limit.forced();
            if limit.end.is_empty() || unknown(&forced) {
                return bad("the end of thinking must be tokens of the model");
            }
            if forced.len() > FORCED_TOKENS_MAX {
                return bad("the end of thinking is too long");
            }
        }
        if request.logprobs.is_some_and(|n| n > TOP_LOGPROBS_MAX) {
            return bad("too many alternatives are asked for beside each token");
        }
        match request.sampling.problem() {
            Some(problem) => bad(problem),
            None => Ok(()),
        }
    }

    /// Grammars are compiled by the caller, so that a slow one does not stop the others.
    fn constraint(&self, request: &GenerateRequest) -> Result<Constraint, EngineError> {
        let rules = request.grammars.iter().map(|rule| {
            let guide = self.vocab().guide(rule)?;
            Ok((rule.trigger.clone(), guide))
        });
        Ok(Constraint::new(rules.collect::<Result<_, EngineError>>()?))
    }

    fn enter_waiting_line(&self, places: usize) -> Result<(), EngineError> {
        let (waiting, max) = (&self.inner.shared.waiting, self.inner.options.waiting_max);
        let entered = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            (now + places <= max).then_some(now + places)
        });
        entered.map(|_| ()).map_err(|waiting| EngineError::Busy { waiting })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.abort.store(true, Ordering::Relaxed);
        if let Some(commands) = self.commands.take() {
            // A thread that has ended already needs no telling.
            let _ = commands.send(Command::Shutdown);
        }
        if let Some(thread) = self.thread.take() {
            // A panic was reported to every stream already.
            let _ = thread.join();
        }
    }
}

/// The tokens of one answer. Dropping it cancels the answer.
#[derive(Debug)]
pub struct TokenStream {
    events: mpsc::Receiver<Result<Generated, EngineError>>,
    /// Set by the engine when it stopped this sequence because nobody read.
    paused: Arc<AtomicBool>,
    commands: std_mpsc::Sender<Command>,
    ended: bool,
}

impl TokenStream {
    fn note(
        &mut self,
        event: Option<Result<Generated, EngineError>>,
    ) -> Option<Result<Generated, EngineError>> {
        if self.ended {
            return None;
        }
        if self.paused.swap(false, Ordering::AcqRel) {
            // A stopped engine ends the stream by itself.
            let _ = self.commands.send(Command::Wake);
        }
        // A channel that closes without a last event means that the engine thread is gone.
        let event = event.unwrap_or(Err(EngineError::Stopped));
        self.ended = matches!(event, Ok(Generated::Finished { .. }) | Err(_));
        Some(event)
    }

    /// The next event, blocking the thread. For synchronous callers only.
    pub fn blocking_next(&mut self) -> Option<Result<Generated, EngineError>> {
        let event = if self.ended { None } else { self.events.blocking_recv() };
        self.note(event)
    }
}

impl Stream for TokenStream {
    type Item = Result<Generated, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.events.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(event) => Poll::Ready(self.note(event)),
        }
    }
}

impl Drop for TokenStream {
    fn drop(&mut self) {
        self.events.close();
        if !self.ended {
            let _ = self.commands.send(Command::Wake);
        }
    }
}

const ADVICE_UNSUPPORTED: &str =
    "The file may need a newer llama.cpp or be damaged: download it again or choose another.";
const ADVICE_MEMORY: &str =
    "There is too little memory for its context: ask for a shorter context or a smaller model.";

impl GgufError {
    fn advice(&self) -> &'static str {
        match self {
            GgufError::Io(_) => "Check the path and its permissions.",
            GgufError::Magic(_) => "Give the path of a .gguf file.",
            GgufError::Version(_) => "Convert the model again with a current llama.cpp.",
            GgufError::Truncated(_) => "Download or copy it again.",
            GgufError::Damaged(_) => "Download it again, or choose another file.",
            GgufError::Missing(_) => "Choose a text generation model in GGUF format.",
            GgufError::NotProjector(_) => {
                "Give the mmproj file for pictures that was published beside the model."
            }
        }
    }
}

fn or_unknown(cause: String) -> String {
    if cause.is_empty() { "llama.cpp refused it without a reason".to_owned() } else { cause }
}

/// Adapts options to the model and to each other.
fn settle(mut options: EngineOptions, model: &llama::Model) -> EngineOptions {
    let trained = match model.context_trained() {
        0 => u32::MAX,
        n => n,
    };
    options.context_tokens = options.context_tokens.clamp(16, 1 << 24).min(trained);
    options.cells = options.cells.max(options.context_tokens).min(1 << 26);
    options.sequences_max = options.sequences_max.clamp(1, 64);
    options.batch_tokens = options.batch_tokens.clamp(options.sequences_max.max(32), 8_192);
    options.prefill_beside_decode_tokens =
        options.prefill_beside_decode_tokens.clamp(1, options.batch_tokens);
    options.waiting_max = options.waiting_max.max(1);
    options
}

/// Sequences of the context: those at work and as many finished ones, and some more.
fn slots(options: &EngineOptions) -> u32 {
    options.sequences_max * 2 + 8
}

fn new_context(
    model: &Arc<llama::Model>,
    options: &EngineOptions,
    shared: &Arc<Shared>,
) -> Result<llama::Context, String> {
    let params = llama::ContextParams {
        cells: options.cells,
        kv_type: options.kv_type,
        sequences: slots(options),
        batch_tokens: options.batch_tokens,
        threads: threads_max(options),
    };
    llama::Context::new(model, &params, Arc::clone(&shared.abort))
}

fn threads_max(options: &EngineOptions) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    options.threads.unwrap_or(cores as u32).clamp(1, 512)
}

/// Cold prefixes belong to one file, one build and one shape of context.
fn open_disk(store: ColdStore, path: &Path, options: &EngineOptions) -> Option<disk::Disk> {
    let meta = std::fs::metadata(path).ok()?;
    let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let text = format!(
        "{}|{}|{}|{:?}|{}|{}",
        path.canonicalize().ok()?.display(),
        meta.len(),
        modified.as_nanos(),
        options.kv_type,
        slots(options),
        env!("CARGO_PKG_VERSION")
    );
    let fingerprint = disk::fnv(0xCBF2_9CE4_8422_2325, text.as_bytes());
    disk::Disk::open(store, fingerprint)
        .inspect_err(|error| tracing::warn!("cold prefixes are not kept: {error}"))
        .ok()
}

/// How many tokens two sequences have in common at their beginning.
fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
