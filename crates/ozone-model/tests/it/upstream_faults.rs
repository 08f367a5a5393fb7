//! Upstreams that fail in every way that they do: what is tried again, what is not, and who hears.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures::{FutureExt, StreamExt};
use ozone_model::upstream::{Api, OneOrMany, Surroundings, UpstreamBackend, UpstreamConfig};
use ozone_model::{ModelBackend, ModelError, SampleRequest};
use ozone_prompt::Message;
use serde_json::json;

use crate::conformance::{ask, sample};
use crate::upstream::{backend, config, show};
use crate::upstream_dialogs::{answer, chunk, delta, end};
use crate::upstream_fake::{Fake, Play};

const SAID_42: &str = "say 42\nEndOfTurn 9(0) 3(0)";

/// Plays these, then always an answer.
async fn then_answers(plays: Vec<Play>) -> Fake {
    Fake::start(move |n, _| plays.get(n).cloned().unwrap_or_else(|| Play::says(answer("42")))).await
}

async fn asked(fake: &Fake) -> Result<String, ModelError> {
    asked_of(&backend(config(&fake.url))).await
}

async fn asked_of(backend: &UpstreamBackend) -> Result<String, ModelError> {
    sample(backend, &ask("k", "What is 6*7?", 100)).await.map(|sampled| show(&sampled))
}

/// Time that only the test moves, and the pauses that were asked for.
#[derive(Clone)]
struct World {
    now: Arc<Mutex<Instant>>,
    pauses: Arc<Mutex<Vec<Duration>>>,
}

impl World {
    fn new() -> World {
        World { now: Arc::new(Mutex::new(Instant::now())), pauses: Arc::default() }
    }

    fn passes(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    fn pauses(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.pauses.lock().unwrap())
    }

    /// The wall clock stands at 2026-11-22 10:00:00 UTC.
    fn surroundings(&self) -> Surroundings {
        let (clock, world) = (self.now.clone(), self.clone());
        Surroundings {
            now: Arc::new(move || *clock.lock().unwrap()),
            wall: Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_341_600)),
            sleep: Arc::new(move |pause| {
                world.pauses.lock().unwrap().push(pause);
                world.passes(pause);
                futures::future::ready(()).boxed()
            }),
            jitter_seed: 1,
        }
    }

    fn backend(&self, config: UpstreamConfig) -> UpstreamBackend {
        UpstreamBackend::with_surroundings("o3", config, |_| None, self.surroundings()).unwrap()
    }
}

#[tokio::test]
async fn what_fails_before_the_first_word_is_tried_again() {
    let faults = [
        Play::refuses(500, r#"{"error": {"message": "CUDA out of memory"}}"#),
        Play::Status(502, String::new(), "<html>Bad gateway</html>".into()),
        Play::refuses(503, ""),
        Play::refuses(504, ""),
        Play::refuses(429, r#"{"error": "slow down"}"#),
        Play::HangsUp,
        Play::Dies(vec![]),
        Play::Dies(vec![delta(json!({"role": "assistant", "content": ""})).into_bytes()]),
        Play::says("data: {\"choices\": [{\"delta\":\n\n"),
        Play::says("\u{0}\u{1}garbage without a line end"),
        Play::says("data: [DONE]\n\n"),
        Play::says("data: {\"error\": {\"message\": \"engine died\", \"code\": 500}}\n\n"),
        Play::says("event: error\ndata: {\"message\": \"engine died\"}\n\n"),
        Play::says(""),
    ];
    for fault in faults {
        let fake = then_answers(vec![fault.clone(), fault.clone()]).await;
        assert_eq!(asked(&fake).await.unwrap(), SAID_42, "{fault:?}");
        assert_eq!(fake.seen().len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_silent_upstream_is_left_at_its_limit() {
    let fake = then_answers(vec![Play::Silence, Play::Hangs(vec![])]).await;
    let mut config = config(&fake.url);
    config.limits.first_byte_ms_max = 200;
    assert_eq!(asked_of(&backend(config)).await.unwrap(), SAID_42);
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn tries_have_an_end() {
    let fake = Fake::always(Play::refuses(500, r#"{"error": {"message": "broken"}}"#)).await;
    let refused = asked(&fake).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the model stopped answering: it answered with status 500: broken"
    );
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let fake = Fake::always(Play::HangsUp).await;
    let url = fake.url.clone();
    drop(fake);
    let refused = asked_of(&backend(config(&url))).await.unwrap_err();
    assert!(matches!(&refused, ModelError::Unavailable(_)), "{refused:?}");
}

#[tokio::test]
async fn pauses_double_and_an_upstream_may_ask_for_longer_ones() {
    let after = |header: &str| Play::Status(429, format!("{header}\r\n"), "{}".into());
    let dated = "retry-after: Sun, 22 Nov 2026 10:00:09 GMT";
    let fake =
        then_answers(vec![Play::refuses(500, ""), after("retry-after: 7"), after(dated)]).await;
    let world = World::new();
    let mut config = config(&fake.url);
    config.limits.pause_ms = 1000;
    assert_eq!(asked_of(&world.backend(config)).await.unwrap(), SAID_42);
    let pauses = world.pauses();
    assert!(pauses[0] >= Duration::from_millis(500) && pauses[0] <= Duration::from_secs(1));
    assert_eq!(pauses[1..], [Duration::from_secs(7), Duration::from_secs(9)]);
}

#[tokio::test]
async fn a_pause_that_is_too_long_goes_to_the_client() {
    let fake = Fake::always(Play::Status(429, "retry-after: 90\r\n".into(), "{}".into())).await;
    let world = World::new();
    let backend = world.backend(config(&fake.url));
    let refused = asked_of(&backend).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the model takes no more requests now: please try again in 90s"
    );
    world.passes(Duration::from_secs(30));
    let refused = asked_of(&backend).await.unwrap_err();
    assert!(refused.to_string().ends_with("try again in 60s"), "{refused}");
    assert_eq!(fake.seen().len(), 1, "it is not asked before");
    world.passes(Duration::from_secs(50));
    asked_of(&backend).await.unwrap_err();
    assert_eq!(world.pauses(), [Duration::from_secs(10)]);
    assert_eq!(fake.seen().len(), 2, "the last ten seconds are waited for");
}

/// Somebody has read the beginning: it cannot be said twice.
#[tokio::test]
async fn what_fails_in_the_middle_is_final() {
    let said = || chunk("It is").into_bytes();
    let faults = [
        (Play::Dies(vec![said()]), ""),
        (Play::Dies(vec![said(), b"data: {\"choices\": [{\"del".to_vec()]), ""),
        (Play::Stream(vec![said()]), "its stream ended before the answer did"),
        (Play::Stream(vec![said(), b"data: {{{\n\n".to_vec()]), "it sent what is not JSON: `{{{`"),
        (
            Play::Stream(vec![said(), b"data: {\"error\": \"out of memory\"}\n\n".to_vec()]),
            "it sent an error: out of memory",
        ),
        (
            Play::Stream(vec![said(), end("abort", 1, 1).into_bytes()]),
            "it ended the answer with `abort`",
        ),
        (Play::Hangs(vec![said()]), "it said nothing for 200ms"),
    ];
    for (fault, told) in faults {
        let fake = then_answers(vec![fault.clone()]).await;
        let mut config = config(&fake.url);
        config.limits.idle_ms_max = 200;
        match asked_of(&backend(config)).await {
            Err(ModelError::BrokeOff(why)) => assert!(why.contains(told), "{why}"),
            other => panic!("{fault:?}: {other:?}"),
        }
        assert_eq!(fake.seen().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_without_its_last_formalities_is_an_answer() {
    let whole = format!("{}{}", chunk("42"), end("stop", 9, 3));
    let without_done = whole.replace("data: [DONE]\n\n", "");
    let cut_short = without_done.trim_end().to_owned();
    let crlf = whole.replace('\n', "\r\n");
    let noisy = whole.replace("data: ", ": keep-alive\n\nid: 3\nretry: 10\ndata:");
    let plays = [
        Play::says(&without_done),
        Play::says(&cut_short),
        Play::Dies(vec![without_done.clone().into_bytes()]),
        Play::says(crlf),
        Play::says(noisy),
        Play::says(format!("\u{feff}{whole}data: {{\"after\": \"the end\"}}\n\n")),
    ];
    for play in plays {
        let fake = Fake::always(play.clone()).await;
        assert_eq!(asked(&fake).await.unwrap(), SAID_42, "{play:?}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_with_its_numbers() {
    let bodies = [
        json!({"error": {"message": "This model's maximum context length is 4096 tokens. However, \
            you requested 5100 tokens (5000 in the messages, 100 in the completion). Please reduce \
            the length of the messages or completion.", "code": "context_length_exceeded"}}),
        json!({"object": "error", "message": "This model's maximum context length is 4096 tokens. \
            However, your request has 5000 input tokens. Please reduce the length of the input \
            messages.", "type": "BadRequestError", "code": 400}),
        json!({"error": {"code": 400, "message": "the request exceeds the available context size, \
            try increasing it", "type": "exceed_context_size_error", "n_prompt_tokens": 5000,
            "n_ctx": 4096}}),
        json!({"error": {"message": "The input (5000 tokens) is longer than the model's context \
            length (4096 tokens)."}}),
    ];
    for body in bodies {
        let fake = Fake::always(Play::refuses(400, &body.to_string())).await;
        match asked(&fake).await {
            Err(ModelError::ContextLength { input_tokens, context_window }) => {
                assert_eq!((input_tokens, context_window), (5000, 4096), "{body}");
            }
            other => panic!("{body}: {other:?}"),
        }
        assert_eq!(fake.seen().len(), 1);
    }
}

/// vLLM refuses a limit that does not fit behind the prompt: then the window is the limit.
#[tokio::test]
async fn an_output_limit_that_does_not_fit_is_left_out() {
    let fake = Fake::start(|_, seen| match seen.body.get("max_tokens") {
        Some(_) => Play::refuses(
            400,
            r#"{"error": {"message": "This model's maximum context length is 4096 tokens. However, you requested 9999 tokens (1000 in the messages, 8999 in the completion)."}}"#,
        ),
        None => Play::says(answer("42")),
    })
    .await;
    let request = ask("k", "?", 8999);
    let sampled = sample(&backend(config(&fake.url)), &request).await.unwrap();
    assert_eq!(show(&sampled), SAID_42);
}

/// OpenAI's reasoning models, and servers that check names strictly.
#[tokio::test]
async fn a_refused_field_is_left_out_from_then_on() {
    let fake = Fake::start(|_, seen| {
        let refuse = |param: &str, message: &str| {
            let error = json!({"message": message, "type": "invalid_request_error",
                "param": param, "code": "unsupported_parameter"});
            Play::refuses(400, &json!({"error": error}).to_string())
        };
        let has = |field: &str| seen.body.get(field).is_some();
        if has("max_tokens") {
            refuse("max_tokens", "Use 'max_completion_tokens' instead: unsupported.")
        } else if has("temperature") {
            refuse("temperature", "Unsupported value")
        } else if has("stream_options") {
            Play::refuses(422, r#"{"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}"#)
        } else {
            Play::says(answer("42"))
        }
    })
    .await;
    let backend = backend(config(&fake.url));
    for _ in 0..2 {
        assert_eq!(asked_of(&backend).await.unwrap(), SAID_42);
    }
    assert_eq!(fake.seen().len(), 3 + 1 + 1);
    assert_eq!(fake.seen()[4].body["max_completion_tokens"], 100);
}

/// Mistral's and Gemma's templates.
#[tokio::test]
async fn messages_in_a_row_are_joined_where_the_template_wants_roles_to_alternate() {
    let fake = Fake::start(|_, seen| {
        let messages = seen.body["messages"].as_array().unwrap();
        let roles: Vec<_> = messages.iter().map(|message| message["role"].clone()).collect();
        match roles.windows(2).all(|pair| pair[0] != pair[1])
            && !roles[1..].contains(&json!("system"))
        {
            true => Play::says(answer("42")),
            false => Play::refuses(
                500,
                r#"{"error": {"message": "Conversation roles must alternate user/assistant"}}"#,
            ),
        }
    })
    .await;
    let given = |message| ozone_model::Turn::Given(message);
    let text = |text: &str| text.to_owned();
    let mut request = ask("k", "Read this.", 100);
    request.turns.push(given(Message::User { text: text("What is 6*7?") }));
    request.turns.push(given(Message::Developer { text: text("Be brief.") }));
    let backend = backend(config(&fake.url));
    for _ in 0..2 {
        assert_eq!(show(&sample(&backend, &request).await.unwrap()), SAID_42);
    }
    assert_eq!(fake.seen().len(), 3, "it is remembered");
    let messages = &fake.seen()[2].body["messages"];
    assert_eq!(messages[1]["content"], "Read this.\n\nWhat is 6*7?\n\nBe brief.");
}

/// A value that is refused is left out once, so that the next limit counts again.
#[tokio::test]
async fn a_refused_value_is_left_out_once() {
    let fake = Fake::start(|_, seen| match seen.body["max_tokens"].as_u64() {
        Some(4001..) => Play::refuses(
            400,
            r#"{"error": {"message": "max_tokens is too large", "param": "max_tokens", "code": "invalid_value"}}"#,
        ),
        _ => Play::says(answer("42")),
    })
    .await;
    let backend = backend(config(&fake.url));
    sample(&backend, &ask("k", "?", 9000)).await.unwrap();
    sample(&backend, &ask("k", "?", 50)).await.unwrap();
    let last = fake.seen().last().unwrap().clone();
    assert_eq!(last.body["max_tokens"], 50);
}

#[tokio::test]
async fn what_no_second_try_mends_is_final_and_keeps_the_key_secret() {
    let cases = [
        (401, r#"{"error": {"message": "Incorrect API key provided: sk-secret"}}"#, "our key"),
        (404, r#"{"error": {"message": "The model `x` does not exist"}}"#, "does not know"),
        (400, r#"{"error": {"message": "messages: bad sk-secret"}}"#, "refused the request"),
        (429, r#"{"error": {"message": "No credit", "code": "insufficient_quota"}}"#, "used up"),
        (307, "", "redirects elsewhere"),
        (418, "teapot", "status 418: teapot"),
    ];
    for (status, body, told) in cases {
        let fake = Fake::always(Play::refuses(status, body)).await;
        let config = UpstreamConfig { api_key_env: Some("KEY".into()), ..config(&fake.url) };
        let env = |_: &str| Some("sk-secret".to_owned());
        let backend = UpstreamBackend::new("o3", config, env).unwrap();
        let refused = asked_of(&backend).await.unwrap_err().to_string();
        assert!(refused.contains(told) && !refused.contains("sk-secret"), "{refused}");
        assert_eq!(fake.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_content_filter_is_told() {
    let fake =
        Fake::always(Play::says(format!("{}{}", chunk("It"), end("content_filter", 1, 1)))).await;
    assert_eq!(asked(&fake).await.unwrap(), "say It\nContentFilter 1(0) 1(0)");
    let error = json!({"error": {"message": "no", "code": "content_filter"}});
    let late = format!("{}data: {error}\n\n", chunk("It is"));
    let fake = Fake::always(Play::says(late)).await;
    let said = asked(&fake).await.unwrap();
    assert!(said.starts_with("say It is\nContentFilter"), "{said}");
    // The prompt itself is refused: nothing was said that could be incomplete.
    for refusal in
        [Play::refuses(400, &error.to_string()), Play::says(format!("data: {error}\n\n"))]
    {
        let fake = Fake::always(refusal).await;
        let refused = asked(&fake).await.unwrap_err();
        assert!(matches!(refused, ModelError::InvalidRequest(_)), "{refused:?}");
        assert_eq!(refused.to_string(), "the upstream's content filter stopped the answer");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_its_limit() {
    let flood: Vec<Vec<u8>> = (0..100).map(|_| chunk(&"x".repeat(1000)).into_bytes()).collect();
    let fake = Fake::always(Play::Hangs(flood)).await;
    let mut config = config(&fake.url);
    config.limits.response_bytes_max = 50_000;
    match asked_of(&backend(config)).await {
        Err(ModelError::BrokeOff(why)) => assert!(why.contains("longer than the limit"), "{why}"),
        other => panic!("{other:?}"),
    }
    fake.client_left().await;
}

/// The upstream stops working for nobody.
#[tokio::test]
async fn a_dropped_sample_closes_its_connection() {
    let fake = Fake::always(Play::Hangs(vec![chunk("It is").into_bytes()])).await;
    let backend = backend(config(&fake.url));
    let mut stream = backend.sample(ask("k", "?", 100)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    fake.client_left().await;
}

#[tokio::test]
async fn a_sample_dropped_before_its_first_word_closes_its_connection() {
    let fake = Fake::always(Play::Silence).await;
    let backend = backend(config(&fake.url));
    let opening = tokio::spawn(async move { backend.sample(ask("k", "?", 100)).await.map(drop) });
    fake.saw(1).await;
    opening.abort();
    fake.client_left().await;
}

#[tokio::test]
async fn an_upstream_that_keeps_failing_is_left_alone_and_probed_later() {
    let healthy = Arc::new(Mutex::new(false));
    let fake = Fake::start({
        let healthy = healthy.clone();
        move |_, _| match *healthy.lock().unwrap() {
            true => Play::says(answer("42")),
            false => Play::refuses(500, ""),
        }
    })
    .await;
    let world = World::new();
    let mut config = config(&fake.url);
    (config.limits.retries_max, config.limits.failures_max) = (0, 3);
    config.limits.open_ms = 10_000;
    let backend = world.backend(config);
    for _ in 0..3 {
        asked_of(&backend).await.unwrap_err();
    }
    let told = asked_of(&backend).await.unwrap_err().to_string();
    assert!(
        told.ends_with("it has failed too often and is left alone; try again in 10s"),
        "{told}"
    );
    assert_eq!(fake.seen().len(), 3, "open: nobody asks");
    world.passes(Duration::from_secs(10));
    asked_of(&backend).await.unwrap_err();
    asked_of(&backend).await.unwrap_err();
    assert_eq!(fake.seen().len(), 4, "one probe, and it is open again");
    world.passes(Duration::from_secs(10));
    *healthy.lock().unwrap() = true;
    for _ in 0..2 {
        assert_eq!(asked_of(&backend).await.unwrap(), SAID_42);
    }
    assert_eq!(fake.seen().len(), 6, "closed");
}

/// A probe whose client went away decides nothing, and does not block the next one.
#[tokio::test]
async fn a_probe_that_is_dropped_makes_room_for_another() {
    let fake = Fake::start(|n, _| match n {
        0 => Play::refuses(500, ""),
        1 => Play::Silence,
        _ => Play::says(answer("42")),
    })
    .await;
    let world = World::new();
    let mut config = config(&fake.url);
    (config.limits.retries_max, config.limits.failures_max) = (0, 1);
    let backend = Arc::new(world.backend(config));
    asked_of(&backend).await.unwrap_err();
    world.passes(Duration::from_secs(60));
    let probe = tokio::spawn({
        let backend = backend.clone();
        async move { backend.sample(ask("k", "?", 100)).await.map(drop) }
    });
    fake.saw(2).await;
    let meanwhile = asked_of(&backend).await.unwrap_err();
    assert!(matches!(meanwhile, ModelError::Unavailable(_)));
    probe.abort();
    let _ = probe.await;
    assert_eq!(asked_of(&backend).await.unwrap(), SAID_42);
}

async fn three(play: impl Fn(usize) -> Play) -> (Vec<Fake>, UpstreamConfig) {
    let mut fakes = vec![];
    for i in 0..3 {
        fakes.push(Fake::always(play(i)).await);
    }
    let urls = fakes.iter().map(|fake| fake.url.clone()).collect();
    let config = UpstreamConfig { base_url: OneOrMany::Many(urls), ..config("") };
    (fakes, config)
}

#[tokio::test]
async fn conversations_with_one_cache_key_stay_with_one_upstream() {
    let (fakes, config) = three(|_| Play::says(answer("42"))).await;
    let backend = backend(config);
    let with_key = |key: String| SampleRequest { cache_key: Some(key), ..ask("k", "?", 100) };
    for user in 0..60 {
        let before: Vec<usize> = fakes.iter().map(|fake| fake.seen().len()).collect();
        for _ in 0..3 {
            sample(&backend, &with_key(format!("user {user}"))).await.unwrap();
        }
        let more: Vec<usize> =
            fakes.iter().zip(&before).map(|(fake, before)| fake.seen().len() - before).collect();
        assert!(more.contains(&3), "user {user}: {more:?}");
    }
    let shares: Vec<usize> = fakes.iter().map(|fake| fake.seen().len()).collect();
    assert!(shares.iter().all(|share| *share >= 9), "60 users on three upstreams: {shares:?}");
}

#[tokio::test]
async fn another_upstream_answers_at_once_when_one_fails() {
    let (fakes, config) = three(|i| match i {
        0 => Play::refuses(500, ""),
        1 => Play::Status(429, "retry-after: 5\r\n".into(), "{}".into()),
        _ => Play::says(answer("42")),
    })
    .await;
    let world = World::new();
    let backend = world.backend(config);
    for i in 0..60 {
        let sampled = sample(&backend, &ask(&format!("{i}"), "?", 100)).await.unwrap();
        assert_eq!(show(&sampled), SAID_42);
    }
    assert_eq!(world.pauses(), [], "nobody waits while one of them answers");
    assert_eq!(fakes[1].seen().len(), 1, "it asked for a pause");
    assert_eq!(fakes[0].seen().len(), 5, "its breaker opened");
    assert_eq!(fakes[2].seen().len(), 60);
}

#[tokio::test]
async fn an_upstream_that_does_not_know_the_model_leaves_it_to_the_others() {
    let (fakes, config) = three(|i| match i {
        2 => Play::says(answer("42")),
        _ => Play::refuses(404, r#"{"error": {"message": "no such model"}}"#),
    })
    .await;
    let world = World::new();
    let backend = world.backend(config);
    for i in 0..20 {
        sample(&backend, &ask(&format!("{i}"), "?", 100)).await.unwrap();
    }
    assert_eq!(world.pauses(), []);
    assert!(fakes[0].seen().len() + fakes[1].seen().len() > 0);
}

#[tokio::test]
async fn the_responses_api_fails_in_its_own_words() {
    let event = |value: serde_json::Value| {
        format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
    };
    let failed = |code: &str| {
        event(json!({"type": "response.failed", "response": {"status": "failed",
            "error": {"code": code, "message": "no"}}}))
    };
    let incomplete = |reason: &str| {
        event(json!({"type": "response.incomplete", "response": {"status": "incomplete",
            "incomplete_details": {"reason": reason}, "output": [{"type": "message",
            "content": [{"type": "output_text", "text": "It is"}]}],
            "usage": {"input_tokens": 5, "output_tokens": 100}}}))
    };
    let too_long = event(json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "context_length_exceeded", "message": "Your input exceeds the context \
            window of this model. Please adjust your input and try again."}}}));
    let cases = [
        (too_long, "Err(ContextLength { input_tokens: 10000, context_window: 10000 })"),
        (failed("server_error"), "Err(Unavailable(\"it sent an error: no\"))"),
        (failed("rate_limit_exceeded"), "Err(RateLimited { retry_after: None })"),
        (failed("invalid_prompt"), "Err(InvalidRequest(\"it sent an error: no\"))"),
        (
            event(json!({"type": "error", "code": "server_error", "message": "no"})),
            "Err(Unavailable(\"it sent an error: no\"))",
        ),
        (incomplete("max_output_tokens"), "Ok(\"say It is\\nLength 5(0) 100(0)\")"),
        (incomplete("content_filter"), "Ok(\"say It is\\nContentFilter 5(0) 100(0)\")"),
    ];
    for (body, told) in cases {
        let fake = Fake::always(Play::says(body)).await;
        let config = UpstreamConfig { api: Api::Responses, ..config(&fake.url) };
        assert_eq!(format!("{:?}", asked_of(&backend(config)).await), told);
    }
}
