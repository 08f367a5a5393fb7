//! The engine against a bare loop over llama.cpp, side by side in one process.
//!
//! The bare loop is what one would write with `llama-cpp-2` for exactly this work: no channel, no
//! cache, no scheduler, greedy. What the engine takes longer than it is the price of everything
//! that the engine does. Both work in turns on the same file, and the medians of many short turns
//! are compared, because a machine's speed drifts by more than the difference that is looked for.
//! Random weights will do: speed does not depend on them.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use serde_json::{Value, json};

use crate::engine::{Engine, EngineError, EngineOptions, GenerateRequest, Generated, TokenStream};

const PROMPT_TOKENS: usize = 32;
const PREFIX_TOKENS: usize = 2_000;
const FORKS: usize = 8;
const SEQUENCES: usize = 8;
const CELLS: u32 = 4_096;

/// How long a measurement takes.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Turns of each contender.
    pub rounds: usize,
    /// Tokens of each sequence in one turn.
    pub steps: usize,
    pub threads: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the bare loop failed: {0}")]
    Bare(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Measures one file. Returns JSON for people and programs: tokens a second, and ratios of the
/// engine to the bare loop (1 is equal, 0.97 is 3 % slower).
pub fn measure(path: &Path, options: BenchOptions) -> Result<Value, BenchError> {
    let engine_with = |threads| {
        Engine::load(
            path,
            EngineOptions {
                context_tokens: CELLS,
                cells: CELLS,
                sequences_max: SEQUENCES as u32 + 1,
                threads,
                ..EngineOptions::default()
            },
        )
    };
    let fixed = engine_with(Some(options.threads))?;
    let adapted = engine_with(None)?;
    let backend = LlamaBackend::init().map_err(bare)?;
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default());
    let model = model.map_err(bare)?;
    let bare_context = |sequences: u32, unified: bool| {
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(CELLS))
            .with_n_batch(512)
            .with_n_seq_max(sequences)
            .with_kv_unified(unified)
            .with_n_threads(options.threads as i32)
            .with_n_threads_batch(options.threads as i32);
        model.new_context(&backend, params).map_err(bare)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut report = json!({
        "parameters": fixed.info().parameters,
        "weight_bytes": fixed.info().weight_bytes,
        "threads": options.threads,
        "rounds": options.rounds,
        "steps": options.steps,
    });
    let vocab = fixed.vocab().len();
    for sequences in [1, SEQUENCES] {
        let mut shared = bare_context(sequences as u32, true)?;
        let mut apart = bare_context(sequences as u32, false)?;
        let mut rates = [(); 4].map(|()| Vec::new());
        let mut cpu = [0.0; 4];
        for round in 0..options.rounds {
            let prompts: Vec<_> =
                (0..sequences).map(|i| noise(vocab, PROMPT_TOKENS, round * 31 + i)).collect();
            // Each round begins with another contender, so that none always follows the same one.
            for turn in 0..4 {
                let contender = (turn + round) % 4;
                let cpu_before = cpu_seconds();
                let rate = match contender {
                    0 => bare_decode(&mut shared, &prompts, options.steps)?,
                    1 => bare_decode(&mut apart, &prompts, options.steps)?,
                    2 => runtime.block_on(engine_decode(&fixed, &prompts, options.steps))?,
                    _ => runtime.block_on(engine_decode(&adapted, &prompts, options.steps))?,
                };
                rates[contender].push(rate);
                cpu[contender] += cpu_seconds() - cpu_before;
            }
        }
        let [shared, apart, fixed, adapted] = &rates;
        report[format!("decode_{sequences}")] = json!({
            "bare_tokens_per_s": median(shared.clone()),
            "bare_separate_streams_tokens_per_s": median(apart.clone()),
            "engine_tokens_per_s": median(fixed.clone()),
            "engine_adapted_threads_tokens_per_s": median(adapted.clone()),
            "engine_over_bare": ratio(fixed, shared),
            "engine_over_bare_separate_streams": ratio(fixed, apart),
            "engine_adapted_over_bare": ratio(adapted, shared),
            "engine_over_bare_by_cpu_time": cpu[0] / cpu[2].max(1e-9),
            "engine_over_bare_separate_streams_by_cpu_time": cpu[1] / cpu[2].max(1e-9),
            "engine_adapted_over_bare_by_cpu_time": cpu[0] / cpu[3].max(1e-9),
        });
    }
    report["prefill"] = prefill(&fixed, &mut bare_context(1, true)?, options.rounds, vocab)?;
    report["fork"] = fork(&fixed, options.rounds, vocab)?;
    Ok(report)
}

fn prefill(
    engine: &Engine,
    context: &mut LlamaContext,
    rounds: usize,
    vocab: usize,
) -> Result<Value, BenchError> {
    let (mut bare_rates, mut engine_rates) = (Vec::new(), Vec::new());
    for round in 0..rounds.div_ceil(4) {
        let prompt = noise(vocab, PREFIX_TOKENS, round + 7_777);
        context.clear_kv_cache();
        let begun = Instant::now();
        bare_prefill(context, std::slice::from_ref(&prompt))?;
        bare_rates.push(PREFIX_TOKENS as f64 / begun.elapsed().as_secs_f64());
        engine.forget();
        let begun = Instant::now();
        finish(engine.generate(GenerateRequest::new(prompt, 1))?)?;
        engine_rates.push(PREFIX_TOKENS as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(json!({
        "bare_tokens_per_s": median(bare_rates.clone()),
        "engine_tokens_per_s": median(engine_rates.clone()),
        "engine_over_bare": ratio(&engine_rates, &bare_rates),
    }))
}

/// One prefix of 2,000 tokens becomes nine sequences: how long that takes beside computing it.
fn fork(engine: &Engine, rounds: usize, vocab: usize) -> Result<Value, BenchError> {
    let prompt = noise(vocab, PREFIX_TOKENS, 4_242);
    engine.forget();
    finish(engine.generate(GenerateRequest::new(prompt.clone(), 1))?)?;
    let seeds: Vec<u64> = (0..=FORKS as u64).collect();
    let mut times_ms = Vec::new();
    for _ in 0..rounds {
        let streams = engine.generate_many(GenerateRequest::new(prompt.clone(), 2), &seeds)?;
        for stream in streams {
            finish(stream)?;
        }
        times_ms.push(engine.stats().fork_last_ns as f64 / 1e6);
    }
    let max = times_ms.iter().copied().fold(0.0, f64::max);
    Ok(json!({
        "prefix_tokens": PREFIX_TOKENS,
        "forks": FORKS,
        "median_ms": median(times_ms),
        "max_ms": max,
    }))
}

fn finish(mut stream: TokenStream) -> Result<(), EngineError> {
    while let Some(event) = stream.blocking_next() {
        event?;
    }
    Ok(())
}

/// Tokens a second over all sequences, from the first token of the last one to start.
async fn engine_decode(
    engine: &Engine,
    prompts: &[Vec<u32>],
    steps: usize,
) -> Result<f64, BenchError> {
    engine.forget();
    let requests = prompts.iter().map(|p| GenerateRequest::new(p.clone(), steps as u32 + 1));
    let streams: Vec<TokenStream> =
        requests.map(|request| engine.generate(request)).collect::<Result<_, _>>()?;
    let read = streams.into_iter().map(|mut stream| async move {
        let mut times = Vec::with_capacity(steps + 1);
        while let Some(event) = stream.next().await {
            if let Generated::Token(_) = event? {
                times.push(Instant::now());
            }
        }
        Ok::<_, EngineError>(times)
    });
    let times: Vec<Vec<Instant>> = join_all(read).await.into_iter().collect::<Result<_, _>>()?;
    let begun = times.iter().filter_map(|times| times.first()).max().copied();
    let ended = times.iter().filter_map(|times| times.last()).max().copied();
    let (Some(begun), Some(ended)) = (begun, ended) else { return Ok(0.0) };
    let tokens = times.iter().flatten().filter(|time| **time > begun).count();
    Ok(per_second(tokens, ended - begun))
}

fn bare_decode(
    context: &mut LlamaContext,
    prompts: &[Vec<u32>],
    steps: usize,
) -> Result<f64, BenchError> {
    context.clear_kv_cache();
    let mut last = bare_prefill(context, prompts)?;
    let mut batch = LlamaBatch::new(prompts.len(), 1);
    let begun = Instant::now();
    for step in 0..steps {
        batch.clear();
        for (sequence, token) in last.iter().enumerate() {
            let position = (prompts[sequence].len() + step) as i32;
            batch.add(*token, position, &[sequence as i32], true).map_err(bare)?;
        }
        context.decode(&mut batch).map_err(bare)?;
        for (sequence, token) in last.iter_mut().enumerate() {
            *token = greedy(context.get_logits_ith(sequence as i32));
        }
    }
    Ok(per_second(steps * prompts.len(), begun.elapsed()))
}

/// Computes the prompts in batches of 512. Returns the first token of each answer.
fn bare_prefill(
    context: &mut LlamaContext,
    prompts: &[Vec<u32>],
) -> Result<Vec<LlamaToken>, BenchError> {
    let mut batch = LlamaBatch::new(512, 1);
    let mut first = vec![LlamaToken(0); prompts.len()];
    let mut rows = Vec::new();
    for (sequence, prompt) in prompts.iter().enumerate() {
        for (position, token) in prompt.iter().enumerate() {
            let is_last = position + 1 == prompt.len();
            let sequence = sequence as i32;
            let token = LlamaToken(*token as i32);
            batch.add(token, position as i32, &[sequence], is_last).map_err(bare)?;
            if is_last {
                rows.push((sequence as usize, batch.n_tokens() - 1));
            }
            if batch.n_tokens() == 512 {
                compute(context, &mut batch, &mut rows, &mut first)?;
            }
        }
    }
    if batch.n_tokens() > 0 {
        compute(context, &mut batch, &mut rows, &mut first)?;
    }
    Ok(first)
}

fn compute(
    context: &mut LlamaContext,
    batch: &mut LlamaBatch,
    rows: &mut Vec<(usize, i32)>,
    first: &mut [LlamaToken],
) -> Result<(), BenchError> {
    context.decode(batch).map_err(bare)?;
    for (sequence, row) in rows.drain(..) {
        first[sequence] = greedy(context.get_logits_ith(row));
    }
    batch.clear();
    Ok(())
}

fn greedy(logits: &[f32]) -> LlamaToken {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    LlamaToken(best as i32)
}

fn bare(error: impl std::fmt::Display) -> BenchError {
    BenchError::Bare(error.to_string())
}

/// Tokens in no order, the same for the same seed.
fn noise(vocab: usize, len: usize, seed: usize) -> Vec<u32> {
    let mut state = seed as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The first 256 tokens are bytes: never a control token.
        ((state >> 33) % vocab.min(256) as u64) as u32
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Processor time of this process so far; 0 where the system does not tell. Other programs on the
/// same cores disturb it far less than they disturb the clock, but threads that wait spin in it.
fn cpu_seconds() -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, which may hold anything, ends with the last bracket; times are fields 14 and 15.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The median of the rounds' ratios: neighbours in time are compared with each other.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs.max(1e-9)).collect())
}
