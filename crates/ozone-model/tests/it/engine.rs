//! The engine at the level of tokens, on a model with random weights: every token is possible, so
//! nothing comes out right by good manners of the model.

use std::path::Path;
use std::sync::LazyLock;

use ozone_model::engine::{
    ColdStore, Engine, EngineError, EngineOptions, EngineUsage, FinishReason, GenerateRequest,
    Generated, GrammarRule, KvType, Sampling, ThinkingLimit, Token, TokenStream, Trigger,
};
use ozone_model::synthetic::Shape;

/// One small model file for all tests of this process.
pub static TINY: LazyLock<tempfile::TempPath> = LazyLock::new(|| {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    Shape::tiny().write(&path).unwrap();
    path
});

/// With a KV cache of 32-bit floats, so that no rounding turns another batch into another answer.
fn options() -> EngineOptions {
    EngineOptions {
        context_tokens: 1024,
        cells: 2048,
        kv_type: KvType::F32,
        threads: Some(1),
        ..Default::default()
    }
}

fn engine() -> Engine {
    Engine::load(&*TINY, options()).unwrap()
}

struct Answer {
    tokens: Vec<Token>,
    reason: FinishReason,
    usage: EngineUsage,
}

impl Answer {
    fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.tokens.iter().flat_map(|token| token.bytes.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Reads a stream to its end and checks the order of its events.
fn read(mut stream: TokenStream) -> Result<Answer, EngineError> {
    let mut tokens = Vec::new();
    let mut prompt = None;
    while let Some(event) = stream.blocking_next() {
        match event? {
            Generated::Started { prompt_tokens, cached_tokens, prefilled_tokens } => {
                assert!(prompt.is_none() && tokens.is_empty(), "one start, before all tokens");
                assert_eq!(prompt_tokens, cached_tokens + prefilled_tokens);
                prompt = Some(prompt_tokens);
            }
            Generated::Token(token) => {
                assert!(prompt.is_some());
                tokens.push(token);
            }
            Generated::Finished { reason, usage } => {
                assert_eq!(usage.generated_tokens as usize, tokens.len());
                assert!(Some(usage.prompt_tokens) == prompt || reason == FinishReason::Cancelled);
                assert!(stream.blocking_next().is_none(), "nothing follows the end");
                return Ok(Answer { tokens, reason, usage });
            }
        }
    }
    panic!("a stream ended without its last event");
}

fn answer(engine: &Engine, request: GenerateRequest) -> Answer {
    read(engine.generate(request).unwrap()).unwrap()
}

/// A request whose answer does not end by itself.
fn endless(engine: &Engine, prompt: &str, max_tokens: u32) -> GenerateRequest {
    let prompt = engine.vocab().encode(prompt, true);
    let ban = engine.vocab().end_of_generation().to_vec();
    GenerateRequest { ban, ..GenerateRequest::new(prompt, max_tokens) }
}

fn warm(seed: u64) -> Sampling {
    Sampling { temperature: 1.0, seed, ..Sampling::default() }
}

#[test]
fn an_answer_has_as_many_tokens_as_were_asked_for() {
    let engine = engine();
    let answer = answer(&engine, endless(&engine, "the answer", 17));
    assert_eq!((answer.tokens.len(), answer.reason), (17, FinishReason::Length));
    assert_eq!(engine.info().architecture, "qwen3");
}

#[test]
fn an_end_token_is_reported_and_ends_the_answer() {
    let engine = engine();
    let end = engine.vocab().special_token("<|im_end|>").unwrap();
    assert!(engine.vocab().is_end_of_generation(end));
    let prompt = engine.vocab().encode("the", true);
    let ban = (0..engine.vocab().len() as u32).filter(|id| *id != end).collect();
    let answer = answer(&engine, GenerateRequest { ban, ..GenerateRequest::new(prompt, 9) });
    assert_eq!((answer.ids(), answer.reason), (vec![end], FinishReason::EndOfGeneration));
    assert!(answer.tokens[0].is_special);
}

#[test]
fn a_stop_token_ends_the_answer() {
    let engine = engine();
    let free = answer(&engine, endless(&engine, "once", 30));
    let stop = free.ids()[10];
    let first = free.ids().iter().position(|id| *id == stop).unwrap();
    let request = GenerateRequest { stop_ids: vec![stop], ..endless(&engine, "once", 30) };
    let stopped = answer(&engine, request);
    assert_eq!(stopped.reason, FinishReason::Stop);
    assert_eq!(stopped.ids(), free.ids()[..=first]);
}

#[test]
fn a_seed_gives_the_same_answer_whoever_else_is_served() {
    let engine = engine();
    let request = |seed| GenerateRequest { sampling: warm(seed), ..endless(&engine, "a seed", 40) };
    let alone = answer(&engine, request(7)).ids();
    let others: Vec<_> = (0..5).map(|seed| engine.generate(request(seed)).unwrap()).collect();
    let among_others = answer(&engine, request(7)).ids();
    assert_eq!(alone, among_others);
    let others: Vec<_> = others.into_iter().map(|stream| read(stream).unwrap().ids()).collect();
    assert!(others.iter().all(|ids| *ids != alone), "other seeds say other things");
}

#[test]
fn eight_at_once_say_what_each_says_alone() {
    let engine = engine();
    let prompts: Vec<String> =
        (0..8).map(|i| format!("{i}: the {}", "word ".repeat(i * 7))).collect();
    let alone: Vec<_> =
        prompts.iter().map(|p| answer(&engine, endless(&engine, p, 48)).ids()).collect();
    let fresh = self::engine();
    let streams: Vec<_> =
        prompts.iter().map(|p| fresh.generate(endless(&fresh, p, 48)).unwrap()).collect();
    let together: Vec<_> = streams.into_iter().map(|s| read(s).unwrap().ids()).collect();
    assert_eq!(together, alone);
    assert!(fresh.stats().steps < 8 * 48, "they were batched: {:?}", fresh.stats());
}

#[test]
fn the_next_turn_computes_exactly_its_new_tokens() {
    let engine = engine();
    let mut request = endless(&engine, &"a long system prompt ".repeat(20), 25);
    request.hold = Some("conversation".to_owned());
    let mut prompt = request.prompt.clone();
    for turn in 0..4 {
        request.prompt = prompt.clone();
        let answer = answer(&engine, request.clone());
        let expected = if turn == 0 { prompt.len() } else { 13 };
        assert_eq!(answer.usage.prefilled_tokens as usize, expected, "turn {turn}");
        prompt.extend(answer.ids());
        prompt.extend(engine.vocab().encode("<tool_result>", false));
    }
    let new = engine.vocab().encode("<tool_result>", false).len();
    assert_eq!(new, 13);
    assert_eq!(engine.stats().evictions, 0);
}

#[test]
fn what_was_computed_before_changes_no_answer() {
    let engine = engine();
    let prefix = "shared beginning ".repeat(9);
    let texts: Vec<String> =
        ["x", "yy", "", "yy and more"].map(|end| format!("{prefix}{end}")).into();
    for text in &texts {
        let cached = answer(&engine, endless(&engine, text, 20));
        let fresh = self::engine();
        let alone = answer(&fresh, endless(&fresh, text, 20));
        assert_eq!(cached.ids(), alone.ids());
        assert_eq!(alone.usage.cached_tokens, 0);
    }
    let again = answer(&engine, endless(&engine, &texts[0], 20));
    assert_eq!(again.usage.prefilled_tokens, 1, "only the last token, for its logits");
}

#[test]
fn requests_with_one_prefix_compute_it_once() {
    let engine = engine();
    let prefix = "system prompt of everybody ".repeat(20);
    let prompts: Vec<_> = (0..6).map(|i| endless(&engine, &format!("{prefix}{i}"), 5)).collect();
    let prefix_len = engine.vocab().encode(&prefix, true).len() as u64;
    let streams: Vec<_> = prompts.iter().map(|r| engine.generate(r.clone()).unwrap()).collect();
    for stream in streams {
        read(stream).unwrap();
    }
    assert!(engine.stats().prefilled_tokens < prefix_len + 6 * 32, "{:?}", engine.stats());
}

#[test]
fn forks_say_what_separate_runs_say() {
    let engine = engine();
    let request = endless(&engine, &"think about it ".repeat(30), 30);
    let request = GenerateRequest { sampling: warm(0), ..request };
    let seeds = [11, 12, 13, 14, 15];
    let streams = engine.generate_many(request.clone(), &seeds).unwrap();
    let forked: Vec<_> = streams.into_iter().map(|s| read(s).unwrap()).collect();
    assert_eq!(engine.stats().prefilled_tokens, request.prompt.len() as u64);
    assert_eq!(engine.stats().forks, 4);
    let fresh = self::engine();
    for (seed, forked) in seeds.into_iter().zip(forked) {
        let alone = GenerateRequest { sampling: warm(seed), ..request.clone() };
        assert_eq!(answer(&fresh, alone).ids(), forked.ids());
    }
}

#[test]
fn more_forks_than_places_are_served_in_turn() {
    let options = EngineOptions { sequences_max: 3, ..options() };
    let engine = Engine::load(&*TINY, options).unwrap();
    let request = GenerateRequest { sampling: warm(0), ..endless(&engine, "fork", 10) };
    let seeds: Vec<u64> = (0..10).collect();
    let streams = engine.generate_many(request, &seeds).unwrap();
    let answers: Vec<_> = streams.into_iter().map(|s| read(s).unwrap().ids()).collect();
    assert_eq!(answers.len(), 10);
    assert!(answers.iter().all(|ids| ids.len() == 10));
}

#[test]
fn a_fork_survives_its_first_stream() {
    let engine = engine();
    let request = endless(&engine, &"long enough to be cancelled on the way ".repeat(20), 10);
    let mut streams = engine.generate_many(request, &[1, 2, 3]).unwrap();
    drop(streams.remove(0));
    for stream in streams {
        assert_eq!(read(stream).unwrap().tokens.len(), 10);
    }
}

/// Gives the engine a turn: whatever was dropped before has been noticed after it.
fn barrier(engine: &Engine) {
    answer(engine, endless(engine, "barrier", 2));
}

#[test]
fn dropping_a_stream_cancels_its_sequence() {
    let engine = engine();
    let mut stream = engine.generate(endless(&engine, "forever", 900)).unwrap();
    for _ in 0..5 {
        stream.blocking_next().unwrap().unwrap();
    }
    drop(stream);
    barrier(&engine);
    let after = engine.stats();
    assert!(after.generated_tokens < 600, "{after:?}");
    barrier(&engine);
    assert_eq!(engine.stats().generated_tokens, after.generated_tokens + 2);
}

#[test]
fn a_slow_reader_pauses_its_sequence_and_nobody_else() {
    let engine = engine();
    let slow = engine.generate(endless(&engine, "slow", 800)).unwrap();
    let quick = answer(&engine, endless(&engine, "quick", 800));
    assert_eq!(quick.tokens.len(), 800);
    barrier(&engine);
    let generated = engine.stats().generated_tokens;
    assert!(generated < 800 + 300, "the slow one was paused: {generated}");
    assert_eq!(read(slow).unwrap().tokens.len(), 800);
}

#[test]
fn the_waiting_line_is_bounded() {
    let options = EngineOptions { sequences_max: 1, waiting_max: 3, ..options() };
    let engine = Engine::load(&*TINY, options).unwrap();
    let request = || endless(&engine, "wait", 900);
    let mut streams = Vec::new();
    let busy = loop {
        match engine.generate(request()) {
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
        assert!(streams.len() <= 4);
    };
    assert!(matches!(busy, EngineError::Busy { waiting: 3 }), "{busy:?}");
    streams.clear();
    let served = answer_when_free(&engine, endless(&engine, "served", 3));
    assert_eq!(served.tokens.len(), 3);
}

/// Asks again while the line is full; each attempt is a turn of the engine.
fn answer_when_free(engine: &Engine, request: GenerateRequest) -> Answer {
    loop {
        match engine.generate(request.clone()) {
            Ok(stream) => return read(stream).unwrap(),
            Err(EngineError::Busy { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_full_context_ends_the_answer_with_its_own_reason() {
    let options = EngineOptions { context_tokens: 64, cells: 256, ..options() };
    let engine = Engine::load(&*TINY, options).unwrap();
    let request = endless(&engine, "fill", 1000);
    let prompt = request.prompt.len();
    let answer = answer(&engine, request);
    assert_eq!(answer.reason, FinishReason::ContextFull);
    assert_eq!(prompt + answer.tokens.len(), 64);
    let too_long = engine.generate(endless(&engine, &"x".repeat(64), 5)).unwrap_err();
    assert!(matches!(too_long, EngineError::PromptTooLong { tokens: 64, context_tokens: 64 }));
}

/// Together they need three times the cells there are: some must wait or be computed again.
#[test]
fn sequences_that_do_not_fit_together_are_all_served() {
    let options = EngineOptions { context_tokens: 256, cells: 256, ..options() };
    let engine = Engine::load(&*TINY, options).unwrap();
    let requests: Vec<_> = (0..6).map(|i| endless(&engine, &format!("{i} says "), 120)).collect();
    let alone = self::engine();
    let expected: Vec<_> =
        requests.iter().map(|request| answer(&alone, request.clone()).ids()).collect();
    let streams: Vec<_> =
        requests.into_iter().map(|request| engine.generate(request).unwrap()).collect();
    let together: Vec<_> = streams.into_iter().map(|s| read(s).unwrap().ids()).collect();
    assert_eq!(together, expected);
    assert!(engine.stats().preemptions > 0, "{:?}", engine.stats());
}

#[test]
fn held_sequences_are_evicted_last() {
    let options = EngineOptions { context_tokens: 128, cells: 256, ..options() };
    let engine = Engine::load(&*TINY, options).unwrap();
    let mut held = endless(&engine, &"held ".repeat(10), 5);
    held.hold = Some("a tool runs".to_owned());
    let first = answer(&engine, held.clone());
    for i in 0..8 {
        answer(&engine, endless(&engine, &format!("{i} other {}", "talk ".repeat(12)), 20));
    }
    assert!(engine.stats().evictions > 0);
    held.prompt.extend(first.ids());
    held.prompt.extend(engine.vocab().encode("!!", false));
    assert_eq!(answer(&engine, held.clone()).usage.prefilled_tokens, 2);
    engine.release("a tool runs");
}

#[test]
fn evicted_prefixes_come_back_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = ColdStore { folder: folder.path().to_owned(), bytes_max: 64 << 20 };
    let options =
        EngineOptions { context_tokens: 512, cells: 512, cold_store: Some(store), ..options() };
    let engine = Engine::load(&*TINY, options.clone()).unwrap();
    let request = endless(&engine, &"to be remembered ".repeat(20), 10);
    let expected = answer(&engine, request.clone()).ids();
    let other = endless(&engine, &"something else entirely ".repeat(18), 10);
    answer(&engine, other.clone());
    assert_eq!(engine.stats().cold_saved, 1);
    let back = answer(&engine, request.clone());
    assert_eq!((back.ids(), back.usage.prefilled_tokens), (expected.clone(), 1));
    assert_eq!(engine.stats().cold_restored, 1);
    drop(engine);
    let next = Engine::load(&*TINY, options.clone()).unwrap();
    let back = answer(&next, other);
    assert_eq!(back.usage.prefilled_tokens, 1, "it outlives the process");
    drop(next);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let last = Engine::load(&*TINY, options).unwrap();
    assert_eq!(answer(&last, request).ids(), expected, "a damaged file is not believed");
    assert_eq!(last.stats().cold_restored, 0);
}

#[test]
fn logprobs_are_the_models_own() {
    let engine = engine();
    let request = GenerateRequest { logprobs: Some(5), ..endless(&engine, "how sure", 6) };
    for token in answer(&engine, request).tokens {
        let (best, logprob) = token.top_logprobs[0];
        assert_eq!(best, token.id);
        assert!((token.logprob.unwrap() - logprob).abs() < 1e-6 && logprob < 0.0);
        assert!(token.top_logprobs.is_sorted_by(|a, b| a.1 >= b.1));
        assert_eq!(token.top_logprobs.len(), 5);
    }
    let all = GenerateRequest {
        logprobs: Some(64),
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        ..endless(&engine, "how sure", 1)
    };
    let sum: f32 = answer(&engine, all).tokens[0].top_logprobs.iter().map(|(_, p)| p.exp()).sum();
    assert!(sum <= 1.0 + 1e-3);
}

const CALL: &str = r#"start: "{\"name\": \"python\", \"arguments\": " args "}" </tool_call>
args: %json {"type": "object", "properties": {"code": {"type": "string", "maxLength": 12}, "times": {"type": "integer"}}, "required": ["code", "times"], "additionalProperties": false}
"#;

fn calling(engine: &Engine, seed: u64, trigger: Trigger) -> GenerateRequest {
    let lark = CALL.to_owned();
    GenerateRequest {
        grammars: vec![GrammarRule { trigger, lark, text_marks: None }],
        sampling: warm(seed),
        ..endless(engine, "call it<tool_call>", 400)
    }
}

fn check_call(text: &str) {
    let json = text.strip_suffix("</tool_call>").expect(text);
    let call: serde_json::Value = serde_json::from_str(json).expect(json);
    assert_eq!(call["name"], "python");
    assert!(call["arguments"]["code"].is_string() && call["arguments"]["times"].is_number());
}

#[test]
fn a_grammar_makes_malformed_calls_impossible() {
    let engine = engine();
    for seed in 0..20 {
        let answer = answer(&engine, calling(&engine, seed, Trigger::AtOnce));
        if answer.reason == FinishReason::Length {
            continue; // A number may have any number of digits.
        }
        assert_eq!(answer.reason, FinishReason::GrammarComplete);
        check_call(&answer.text());
        assert!(answer.tokens.iter().any(|token| token.forced), "forced text is not sampled");
    }
}

#[test]
fn a_grammar_wakes_at_its_trigger_each_time() {
    let engine = engine();
    let vocab = engine.vocab();
    let open = vocab.special_token("<tool_call>").unwrap();
    let mut calls = 0;
    for seed in 0..10 {
        let mut request = calling(&engine, seed, Trigger::Tokens(vec![open]));
        request.sampling.temperature = 2.0;
        let text = answer(&engine, request).text();
        for call in text.split("<tool_call>").skip(1) {
            if let Some((call, _)) = call.split_once("</tool_call>") {
                check_call(&format!("{call}</tool_call>"));
                calls += 1;
            }
        }
    }
    assert!(calls > 3, "{calls} calls were seen");
}

#[test]
fn a_textual_trigger_cannot_be_jumped_over() {
    let engine = engine();
    // "the" and " the" are single tokens: the trigger ends within them.
    let some: Vec<u32> = ["t", "th", "the", " the", "h", "0", "5", "9", "x", " "]
        .iter()
        .flat_map(|text| engine.vocab().encode(text, false))
        .collect();
    let ban: Vec<u32> = (0..engine.vocab().len() as u32).filter(|id| !some.contains(id)).collect();
    let mut woken = 0;
    for seed in 0..10 {
        let trigger = Trigger::Text("t".to_owned());
        let lark = "start: /[0-9]{3}/".to_owned();
        let request = GenerateRequest {
            grammars: vec![GrammarRule { trigger, lark, text_marks: None }],
            sampling: Sampling { temperature: 3.0, seed, ..Sampling::default() },
            ban: ban.clone(),
            ..endless(&engine, "go", 60)
        };
        let text = answer(&engine, request).text();
        for rest in text.split('t').skip(1) {
            let digits: String = rest.chars().take(3).collect();
            assert!(digits.chars().all(|c| c.is_ascii_digit()), "{text:?}");
            woken += 1;
        }
    }
    assert!(woken > 20, "{woken}");
}

#[test]
fn a_grammar_that_cannot_be_read_is_refused() {
    let engine = engine();
    let grammars = vec![GrammarRule {
        trigger: Trigger::AtOnce,
        lark: "start: nothing_here".to_owned(),
        text_marks: None,
    }];
    let request = GenerateRequest { grammars, ..endless(&engine, "x", 5) };
    assert!(matches!(engine.generate(request), Err(EngineError::Grammar(_))));
}

#[test]
fn thinking_ends_at_its_limit() {
    let engine = engine();
    let vocab = engine.vocab();
    let end = vec![vocab.special_token("</think>").unwrap()];
    let farewell = vocab.encode("Enough.", false);
    let thinking =
        ThinkingLimit { tokens_max: 32, start: None, end: end.clone(), farewell, after: vec![] };
    let request =
        GenerateRequest { thinking: Some(thinking.clone()), ..endless(&engine, "<think>", 80) };
    let answer_now = answer(&engine, request.clone());
    let at = answer_now.ids().iter().position(|id| *id == end[0]).unwrap();
    assert!(at <= 32 + thinking.farewell.len());
    assert_eq!(answer_now.tokens.len(), 80, "the answer goes on");
    let never = GenerateRequest { ban: [&request.ban[..], &end].concat(), ..request.clone() };
    let forced = answer(&engine, never);
    assert!(forced.text().contains("Enough.</think>"));
    assert_eq!(forced.ids()[32 + thinking.farewell.len()], end[0]);
    let none = ThinkingLimit { tokens_max: 0, ..thinking };
    let none = answer(&engine, GenerateRequest { thinking: Some(none), ..request });
    assert!(none.text().starts_with("Enough.</think>"));
}

#[test]
fn a_resumed_answer_goes_on_as_if_it_had_not_stopped() {
    let engine = engine();
    let open = engine.vocab().special_token("<tool_call>").unwrap();
    for seed in 0..6 {
        let mut request = calling(&engine, seed, Trigger::Tokens(vec![open]));
        request.sampling.temperature = 2.0;
        request.max_tokens = 60;
        let whole = answer(&engine, request.clone()).ids();
        for cut in [1, 7, 20, 33, 59] {
            request.resumed = whole[..cut].to_vec();
            request.max_tokens = 60 - cut as u32;
            let rest = answer(&engine, request.clone());
            assert_eq!(rest.ids(), whole[cut..], "cut at {cut}");
        }
    }
}

#[test]
fn foreign_text_never_becomes_a_special_token() {
    let engine = engine();
    let vocab = engine.vocab();
    let text = "<|im_start|>system\n</tool_response><tool_call><think><<think>>";
    let ids = vocab.encode(text, false);
    assert!(ids.iter().all(|id| !vocab.is_special(*id)));
    assert_eq!(vocab.decode(&ids), text);
    let ours = vocab.encode("<|im_start|>user\nthe <think>", true);
    assert_eq!(ours.iter().filter(|id| vocab.is_special(**id)).count(), 2);
}

#[test]
fn every_text_survives_the_vocabulary() {
    let engine = engine();
    let vocab = engine.vocab();
    for text in ["", "the theatre", "naïve 漢字 🦀\u{0}\t", "   \n\n "] {
        assert_eq!(vocab.decode(&vocab.encode(text, false)), text);
    }
    assert_eq!(vocab.decode_bytes(1_000_000), b"");
    assert!(!vocab.is_special(1_000_000));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let engine = engine();
    let good = endless(&engine, "x", 5);
    let nan = Sampling { temperature: f32::NAN, ..Sampling::default() };
    let bad = [
        GenerateRequest { prompt: vec![], ..good.clone() },
        GenerateRequest { prompt: vec![u32::MAX], ..good.clone() },
        GenerateRequest { max_tokens: 0, ..good.clone() },
        GenerateRequest { logprobs: Some(10_000), ..good.clone() },
        GenerateRequest { sampling: nan, ..good.clone() },
        GenerateRequest {
            thinking: Some(ThinkingLimit {
                tokens_max: 1,
                start: None,
                end: vec![],
                farewell: vec![],
                after: vec![],
            }),
            ..good.clone()
        },
    ];
    for request in bad {
        assert!(matches!(engine.generate(request), Err(EngineError::BadRequest(_))));
    }
    let nothing = (0..engine.vocab().len() as u32).collect();
    let stream = engine.generate(GenerateRequest { ban: nothing, ..good.clone() }).unwrap();
    assert!(matches!(read(stream), Err(EngineError::DeadEnd(_))));
    assert_eq!(answer(&engine, good).tokens.len(), 5, "the engine goes on");
}

#[test]
fn streams_end_when_the_engine_goes() {
    let engine = engine();
    let running = engine.generate(endless(&engine, "running", 900)).unwrap();
    drop(engine);
    assert_eq!(read(running).unwrap().reason, FinishReason::Cancelled);
}

#[tokio::test]
async fn streams_are_futures_streams() {
    use futures::StreamExt;
    let engine = engine();
    let stream = engine.generate(endless(&engine, "async", 12)).unwrap();
    let events: Vec<_> = stream.collect().await;
    assert_eq!(events.len(), 14);
}

// --- Files

fn load_error(path: &Path) -> String {
    let error = Engine::load(path, options()).map(|_| ()).unwrap_err();
    assert!(matches!(error, EngineError::Load { .. }));
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
    text
}

#[test]
fn a_missing_file_is_named() {
    let text = load_error(Path::new("/nowhere/model.gguf"));
    assert!(text.contains("/nowhere/model.gguf") && text.contains("No such file"), "{text}");
    load_error(Path::new("/"));
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let bytes = std::fs::read(&*TINY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    let cuts = (0..64).chain((64..bytes.len()).step_by(bytes.len() / 97)).chain([bytes.len() - 33]);
    for cut in cuts {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let text = load_error(&path);
        assert!(text.contains("cut.gguf"), "{text}");
    }
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let tiny = std::fs::read(&*TINY).unwrap();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = tiny.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let cases = [
        (b"PK\x03\x04 a zip archive".to_vec(), "not a GGUF file"),
        (vec![0; 4096], "not a GGUF file"),
        (with(4, &1u32.to_le_bytes()), "version 1"),
        (with(4, &0x0300_0000u32.to_le_bytes()), "version"),
        (with(8, &u64::MAX.to_le_bytes()), "claims"),
        (with(16, &u64::MAX.to_le_bytes()), "claims"),
        (with(16, &40_000u64.to_le_bytes()), "damaged"),
        (with(24, &u64::MAX.to_le_bytes()), "claims a length"),
        (with(24, &(1u64 << 20).to_le_bytes()), "incomplete"),
    ];
    for (bytes, cause) in cases {
        std::fs::write(&path, bytes).unwrap();
        let text = load_error(&path);
        assert!(text.contains(cause), "{text} should contain {cause}");
    }
}

/// Whatever one byte of the header becomes, loading gives a model or an error, and never aborts.
#[test]
fn a_changed_byte_never_kills_the_process() {
    let tiny = std::fs::read(&*TINY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    // Keys and tensor descriptions; the tokens in between only by samples.
    let header = 24..1_100;
    for at in header.step_by(3) {
        for value in [0u8, 0xFF, tiny[at] ^ 1] {
            let mut bytes = tiny.clone();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            let options = EngineOptions { context_tokens: 64, cells: 64, ..options() };
            if let Err(error) = Engine::load(&path, options) {
                assert!(matches!(error, EngineError::Load { .. }), "{error}");
            }
        }
    }
}
