//! Pictures in the engine, with random weights: what is said of a picture is noise, but always the
//! same noise for the same picture, and another for another.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ozone_model::engine::{
    Engine, EngineError, EngineOptions, FinishReason, GenerateRequest, Generated, KvType, Picture,
    Token, TokenStream,
};
use ozone_model::synthetic::{Eyes, Projection, Shape};

pub fn written(write: impl Fn(&Path) -> std::io::Result<()>) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    write(&path).unwrap();
    path
}

/// A model and its encoder.
pub struct Pair {
    pub model: tempfile::TempPath,
    pub eyes: tempfile::TempPath,
}

pub fn pair(shape: Shape, projection: Projection) -> Pair {
    let eyes = Eyes::tiny(projection);
    Pair { model: written(|path| shape.write(path)), eyes: written(|path| eyes.write(path)) }
}

/// A token for each patch.
pub static PLAIN: LazyLock<Pair> = LazyLock::new(|| pair(Shape::tiny(), Projection::Mlp));
/// A picture's tokens see each other.
static WHOLE: LazyLock<Pair> = LazyLock::new(|| pair(Shape::tiny(), Projection::Gemma3));
/// Any size; rows and columns are positions.
pub static GRID: LazyLock<Pair> = LazyLock::new(|| pair(Shape::tiny_mrope(), Projection::Qwen2Vl));

fn all() -> [&'static Pair; 3] {
    [&PLAIN, &WHOLE, &GRID]
}

/// 32-bit floats, so that no rounding turns another batch into another answer.
pub fn options(pair: &Pair) -> EngineOptions {
    EngineOptions {
        context_tokens: 1024,
        cells: 2048,
        kv_type: KvType::F32,
        threads: Some(1),
        mmproj: Some(pair.eyes.to_path_buf()),
        ..EngineOptions::default()
    }
}

fn engine(pair: &Pair) -> Engine {
    Engine::load(&pair.model, options(pair)).unwrap()
}

/// Noise, the same for the same seed.
pub fn pixels(seed: u64, width: u32, height: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let bytes = (0..width * height * 3).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.collect()
}

fn picture(engine: &Engine, seed: u64) -> Picture {
    engine.picture(84, 56, &pixels(seed, 84, 56)).unwrap()
}

enum Part<'a> {
    Words(&'a str),
    Shows(&'a Picture),
}
use Part::{Shows, Words};

/// An answer of `max_tokens` that does not end by itself, with the logprob of each token.
fn request(engine: &Engine, parts: &[Part<'_>], max_tokens: u32) -> GenerateRequest {
    let prompt = parts.iter().flat_map(|part| match part {
        Words(words) => engine.vocab().encode(words, true),
        Shows(picture) => picture.ids(),
    });
    let pictures = parts.iter().filter_map(|part| match part {
        Words(_) => None,
        Shows(picture) => Some((*picture).clone()),
    });
    GenerateRequest {
        pictures: pictures.collect(),
        ban: engine.vocab().end_of_generation().to_vec(),
        logprobs: Some(0),
        ..GenerateRequest::new(prompt.collect(), max_tokens)
    }
}

struct Answer {
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    prompt: u32,
    cached: u32,
}

fn read(mut stream: TokenStream) -> Result<Answer, EngineError> {
    let mut answer = Answer { ids: vec![], logprobs: vec![], prompt: 0, cached: 0 };
    while let Some(event) = stream.blocking_next() {
        match event? {
            Generated::Started { prompt_tokens, cached_tokens, prefilled_tokens } => {
                assert_eq!(prompt_tokens, cached_tokens + prefilled_tokens);
                (answer.prompt, answer.cached) = (prompt_tokens, cached_tokens);
            }
            Generated::Token(Token { id, logprob, .. }) => {
                answer.ids.push(id);
                answer.logprobs.push(logprob.unwrap());
            }
            Generated::Finished { reason, .. } => assert_eq!(reason, FinishReason::Length),
        }
    }
    Ok(answer)
}

fn answer(engine: &Engine, request: GenerateRequest) -> Answer {
    read(engine.generate(request).unwrap()).unwrap()
}

/// The same words with the same certainty, but for the last bits of floats.
#[track_caller]
fn assert_same(a: &Answer, b: &Answer) {
    assert_eq!(a.ids, b.ids);
    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
    assert!(a.logprobs.iter().zip(&b.logprobs).all(near), "{:?} {:?}", a.logprobs, b.logprobs);
}

/// Another prompt makes the first token's logprob another one; random weights are not sure of any.
#[track_caller]
fn assert_differ(a: &Answer, b: &Answer) {
    let same = a.ids == b.ids && (a.logprobs[0] - b.logprobs[0]).abs() < 1e-3;
    assert!(!same, "{:?} {:?}", a.logprobs, b.logprobs);
}

#[test]
fn the_same_picture_is_answered_alike_and_another_one_is_not() {
    for pair in all() {
        let engine = engine(pair);
        assert!(engine.sees());
        let ask = |seed| {
            let picture = picture(&engine, seed);
            answer(&engine, request(&engine, &[Words("See: "), Shows(&picture), Words(" and?")], 8))
        };
        let first = ask(1);
        engine.forget();
        let again = ask(1);
        assert_eq!(again.cached, 0);
        assert_same(&first, &again);
        assert_differ(&first, &ask(2));
        let blind = answer(&engine, request(&engine, &[Words("See:  and?")], 8));
        assert_differ(&first, &blind);
    }
}

#[test]
fn the_order_of_pictures_matters() {
    for pair in all() {
        let engine = engine(pair);
        let (a, b) = (picture(&engine, 1), picture(&engine, 2));
        let ask = |first, second| {
            let parts = [Words("x"), Shows(first), Shows(second), Words("y")];
            answer(&engine, request(&engine, &parts, 6))
        };
        let (ab, ba) = (ask(&a, &b), ask(&b, &a));
        assert_differ(&ab, &ba);
        let words = |picture: &Picture| {
            picture.ids().iter().take_while(|id| **id < engine.vocab().len() as u32).count()
        };
        assert_eq!(ba.cached as usize, 1 + words(&a), "only the words before them are the same");
    }
}

/// What is found in the KV cache is what would have been computed.
#[test]
fn a_follow_up_equals_a_fresh_prefill_and_computes_only_what_is_new() {
    for pair in all() {
        let engine = engine(pair);
        let (a, b) = (picture(&engine, 1), picture(&engine, 2));
        let first = request(&engine, &[Words("See: "), Shows(&a), Words(" what?")], 10);
        let held = GenerateRequest { hold: Some("talk".to_owned()), ..first.clone() };
        let said = answer(&engine, held);
        let more = request(
            &engine,
            &[Words(" And "), Shows(&b), Words(" or "), Shows(&a), Words("?")],
            10,
        );
        let prompt = [&first.prompt[..], &said.ids, &more.prompt].concat();
        let follow = GenerateRequest {
            prompt,
            pictures: vec![a.clone(), b.clone()],
            hold: Some("talk".to_owned()),
            ..more
        };
        let seen = first.prompt.len() + said.ids.len();
        let warm = answer(&engine, follow.clone());
        assert_eq!(warm.cached as usize, seen);
        engine.forget();
        let cold = answer(&engine, follow);
        assert_eq!((cold.cached, cold.prompt), (0, warm.prompt));
        assert_same(&warm, &cold);
    }
}

/// Also when the pictures are as many tokens, and one was there just now.
#[test]
fn two_pictures_at_one_place_never_share_a_prefix() {
    for pair in all() {
        let engine = engine(pair);
        // With those that the model wants before each picture.
        let words = engine.vocab().encode("Look here", true);
        let own = picture(&engine, 0).ids();
        let own = own.iter().take_while(|id| **id < engine.vocab().len() as u32);
        let before = (words.len() + own.count()) as u32;
        let ask = |engine: &Engine, seed| {
            let picture = picture(engine, seed);
            let parts = [Words("Look here"), Shows(&picture), Words("!")];
            answer(engine, request(engine, &parts, 5))
        };
        let alone: Vec<Answer> = (0..4)
            .map(|seed| {
                let answer = ask(&engine, seed);
                engine.forget();
                answer
            })
            .collect();
        for round in 0..2 {
            for (seed, alone) in alone.iter().enumerate() {
                let now = ask(&engine, seed as u64);
                assert_same(&now, alone);
                let cached = if round == 0 && seed == 0 { 0 } else { before };
                assert!(now.cached == cached || round > 0, "{} {round} {seed}", now.cached);
            }
        }
        // One pixel makes another picture.
        let mut other = pixels(0, 84, 56);
        other[7] ^= 1;
        let other = engine.picture(84, 56, &other).unwrap();
        assert_ne!(other.ids(), picture(&engine, 0).ids());
        assert_eq!(other.ids().len(), picture(&engine, 0).ids().len());
    }
}

#[test]
fn sequences_with_and_without_pictures_say_beside_each_other_what_each_says_alone() {
    for pair in all() {
        let engine = engine(pair);
        let pictures: Vec<Picture> = (0..3).map(|seed| picture(&engine, seed)).collect();
        let requests = |at: usize| {
            let words = format!("Number {at}");
            match at % 2 {
                0 => request(&engine, &[Words(&words), Words(", words only")], 24),
                _ => {
                    let (a, b) = (&pictures[at % 3], &pictures[(at + 1) % 3]);
                    let parts = [Words(&words), Shows(a), Words("to"), Shows(b), Words("?")];
                    request(&engine, &parts, 24)
                }
            }
        };
        let alone: Vec<Answer> = (0..8)
            .map(|at| {
                engine.forget();
                answer(&engine, requests(at))
            })
            .collect();
        engine.forget();
        let streams: Vec<TokenStream> =
            (0..8).map(|at| engine.generate(requests(at)).unwrap()).collect();
        for (stream, alone) in streams.into_iter().zip(&alone) {
            assert_same(&read(stream).unwrap(), alone);
        }
    }
}

#[test]
fn forks_of_a_prompt_with_pictures_say_what_each_says_alone() {
    for pair in all() {
        let engine = engine(pair);
        let picture = picture(&engine, 4);
        let parts = [Words("Vote on "), Shows(&picture), Words(" now")];
        let mut asked = request(&engine, &parts, 12);
        asked.sampling.temperature = 1.0;
        let seeds = [1, 2, 3, 4];
        let forked = engine.generate_many(asked.clone(), &seeds).unwrap();
        let forked: Vec<Answer> = forked.into_iter().map(|s| read(s).unwrap()).collect();
        assert_eq!(engine.stats().forks, 3);
        for (seed, forked) in seeds.into_iter().zip(&forked) {
            engine.forget();
            let mut alone = asked.clone();
            alone.sampling.seed = seed;
            assert_same(&answer(&engine, alone), forked);
        }
    }
}

/// With room for about two of them, sequences make room for each other and are computed again.
#[test]
fn pictures_survive_a_shortage_of_cells() {
    for pair in all() {
        let options = EngineOptions { context_tokens: 160, cells: 200, ..options(pair) };
        let engine = Engine::load(&pair.model, options).unwrap();
        let pictures: Vec<Picture> = (0..4).map(|seed| picture(&engine, seed)).collect();
        let requests = |at: usize| {
            let parts = [Words("Show"), Shows(&pictures[at]), Words("and say much")];
            request(&engine, &parts, 90)
        };
        let alone: Vec<Answer> = (0..4).map(|at| answer(&engine, requests(at))).collect();
        let streams: Vec<TokenStream> =
            (0..4).map(|at| engine.generate(requests(at)).unwrap()).collect();
        for (stream, alone) in streams.into_iter().zip(&alone) {
            assert_same(&read(stream).unwrap(), alone);
        }
    }
}

#[test]
fn a_sequence_that_is_dropped_while_its_picture_is_taken_in_leaves_nothing() {
    for pair in all() {
        let engine = engine(pair);
        let ask =
            |picture: &Picture| request(&engine, &[Words("See"), Shows(picture), Words("?")], 6);
        let wanted = picture(&engine, 100);
        let expected = answer(&engine, ask(&wanted));
        engine.forget();
        for seed in 0..12 {
            let dropped = picture(&engine, seed);
            drop(engine.generate(ask(&dropped)).unwrap());
            // Some are dropped before, some while and some after they are encoded.
            let also = engine.generate(ask(&dropped)).unwrap();
            if seed % 3 == 0 {
                let answer = read(also).unwrap();
                assert_eq!(answer.ids.len(), 6);
            }
        }
        assert_same(&answer(&engine, ask(&wanted)), &expected);
        // That one was dropped is seen when its picture is computed.
        let deadline = Instant::now() + Duration::from_secs(60);
        let (words, stats) = loop {
            engine.forget();
            // A step after `forget`, so that the counters are of now.
            let words = answer(&engine, request(&engine, &[Words("Hello")], 3));
            let stats = engine.stats();
            if stats.sequences_active == 0 || Instant::now() > deadline {
                break (words, stats);
            }
        };
        assert_eq!(stats.sequences_active, 0);
        assert!(stats.cells_used <= u64::from(words.prompt) + 3, "{stats:?}");
    }
}

/// Dropping the engine does not wait for what nobody wants.
#[test]
fn an_engine_is_dropped_in_the_middle_of_a_picture() {
    let engine = engine(&GRID);
    let large = engine.picture(560, 560, &pixels(9, 560, 560)).unwrap();
    let stream = engine.generate(request(&engine, &[Shows(&large), Words("?")], 4)).unwrap();
    drop(engine);
    let outcome = read_to_end(stream);
    assert!(
        matches!(outcome, Some(Ok(Generated::Finished { reason: FinishReason::Cancelled, .. }))),
        "{outcome:?}"
    );
}

fn read_to_end(mut stream: TokenStream) -> Option<Result<Generated, EngineError>> {
    let mut last = None;
    while let Some(event) = stream.blocking_next() {
        last = Some(event);
    }
    last
}

#[test]
fn a_picture_of_a_grid_has_as_many_tokens_as_its_size_wants() {
    let engine = engine(&GRID);
    let tokens =
        |width, height| engine.picture(width, height, &pixels(1, width, height)).unwrap().tokens();
    let around = tokens(112, 56) - 8;
    assert_eq!(tokens(280, 140) - around, 50);
    assert_eq!(tokens(140, 280) - around, 50);
    let fixed = self::engine(&PLAIN);
    assert_eq!(fixed.picture(300, 9, &pixels(1, 300, 9)).unwrap().tokens(), 16);
}

#[test]
fn a_prompt_with_half_a_picture_or_a_strangers_is_refused() {
    let engine = engine(&PLAIN);
    let (a, b) = (picture(&engine, 1), picture(&engine, 2));
    let good = request(&engine, &[Words("x"), Shows(&a), Words("y")], 4);
    let refused = |change: &dyn Fn(&mut GenerateRequest)| {
        let mut request = good.clone();
        change(&mut request);
        match engine.generate(request) {
            Err(EngineError::BadRequest(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let half = refused(&|request| _ = request.prompt.remove(3));
    assert!(half.contains("only some of the tokens"), "{half}");
    let stranger = refused(&|request| request.pictures = vec![b.clone()]);
    assert!(stranger.contains("token id that the model does not have"), "{stranger}");
    let last = refused(&|request| _ = request.prompt.pop());
    assert!(last.contains("words must follow"), "{last}");
    let blind = Engine::load(&PLAIN.model, EngineOptions::default()).unwrap();
    assert!(!blind.sees());
    let error = blind.picture(2, 2, &[0; 12]).unwrap_err();
    assert!(error.to_string().contains("reads no pictures"), "{error}");
    for (width, height, len) in [(2, 2, 11), (0, 0, 0), (u32::MAX, u32::MAX, 12)] {
        let error = engine.picture(width, height, &vec![0; len]).unwrap_err();
        assert!(matches!(&error, EngineError::BadRequest(_)), "{error}");
    }
}

/// The sum of llama.cpp's own parts, without this crate's engine: its helpers compute the prompt,
/// and each next token is the likeliest.
mod reference {
    use std::ffi::CString;
    use std::num::NonZeroU32;
    use std::path::Path;
    use std::sync::LazyLock;

    use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
    use llama_cpp_2::llama_backend::LlamaBackend;
    use llama_cpp_2::llama_batch::LlamaBatch;
    use llama_cpp_2::model::LlamaModel;
    use llama_cpp_2::model::params::LlamaModelParams;
    use llama_cpp_2::mtmd::{
        MtmdBitmap, MtmdContext, MtmdContextParams, MtmdInputText, mtmd_default_marker,
    };
    use llama_cpp_2::token::LlamaToken;

    static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| LlamaBackend::init().unwrap());

    /// `text` with a marker for each picture of 84 by 56 pixels.
    pub fn answer(
        model: &Path,
        eyes: &Path,
        text: &str,
        pictures: &[Vec<u8>],
        banned: &[u32],
        count: usize,
    ) -> (Vec<u32>, Vec<f32>) {
        let model =
            LlamaModel::load_from_file(&BACKEND, model, &LlamaModelParams::default()).unwrap();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(1024))
            .with_n_batch(1024)
            .with_n_ubatch(1024)
            .with_n_threads(1)
            .with_n_threads_batch(1)
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32)
            .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED);
        let mut context = model.new_context(&BACKEND, params).unwrap();
        let params = MtmdContextParams {
            media_marker: CString::new(mtmd_default_marker()).unwrap(),
            print_timings: false,
            n_threads: 1,
            ..MtmdContextParams::default()
        };
        let mut eyes =
            MtmdContext::init_from_file(eyes.to_str().unwrap(), &model, &params).unwrap();
        let bitmaps: Vec<MtmdBitmap> =
            pictures.iter().map(|rgb| MtmdBitmap::from_image_data(84, 56, rgb).unwrap()).collect();
        let text = text.replace("<picture>", mtmd_default_marker());
        let input = MtmdInputText { text, add_special: false, parse_special: true };
        let chunks = eyes.tokenize(input, &bitmaps.iter().collect::<Vec<_>>()).unwrap();
        let begin = chunks.eval_chunks(&mut eyes, &mut context, 0, 0, 1024, true).unwrap();
        let (mut ids, mut logprobs) = (vec![], vec![]);
        for position in (begin..).take(count) {
            let logits = context.get_logits_ith(-1);
            let max = logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = logits.iter().map(|x| (x - max).exp()).sum();
            let allowed =
                logits.iter().enumerate().filter(|(id, _)| !banned.contains(&(*id as u32)));
            let (id, logit) = allowed.max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            logprobs.push(logit - max - sum.ln());
            ids.push(id as u32);
            let mut batch = LlamaBatch::new(1, 1);
            batch.add(LlamaToken(id as i32), position, &[0], true).unwrap();
            context.decode(&mut batch).unwrap();
        }
        (ids, logprobs)
    }
}

#[test]
fn the_engine_says_what_llama_cpp_itself_says() {
    for pair in all() {
        let engine = engine(pair);
        let (a, b) = (picture(&engine, 1), picture(&engine, 2));
        let parts = [Words("First "), Shows(&a), Words(" then "), Shows(&b), Words(" so?")];
        let own = answer(&engine, request(&engine, &parts, 10));
        let (ids, logprobs) = reference::answer(
            &pair.model,
            &pair.eyes,
            "First <picture> then <picture> so?",
            &[pixels(1, 84, 56), pixels(2, 84, 56)],
            engine.vocab().end_of_generation(),
            10,
        );
        let expected = Answer { ids, logprobs, prompt: 0, cached: 0 };
        assert_same(&own, &expected);
    }
}
