//! What every backend promises (`ModelBackend`'s contract), asked of each of them.
//!
//! `check_all` is run on the scripted and on the local backend, and a new backend is done when it
//! passes too. `check_without_ids` are the laws for upstreams, which report no ids and count late.

use futures::StreamExt;
use ozone_model::{
    ModelBackend, ModelError, Sample, SampleEvent, SampleRequest, Sampling, Stop, Turn,
};
use ozone_prompt::{Delta, Message, ToolSpec};

/// A sample with all that led to it.
#[derive(Debug)]
pub struct Sampled {
    pub input_tokens: u64,
    pub cached_tokens: u64,
    /// Reported in chunks.
    pub ids: Vec<u32>,
    pub deltas: Vec<Delta>,
    pub sample: Sample,
}

/// Asks a question under a key.
pub fn ask(key: &str, question: &str, output_tokens_max: u64) -> SampleRequest {
    SampleRequest {
        key: key.to_owned(),
        cache_key: None,
        instructions: Some("Answer well.".to_owned()),
        turns: vec![Turn::Given(Message::User { text: question.to_owned() })],
        tools: vec![python()],
        effort: None,
        today: None,
        sampling: Sampling::default(),
        output_tokens_max,
        thinking_tokens_max: None,
        started: Vec::new(),
        constraints: Default::default(),
    }
}

pub fn python() -> ToolSpec {
    ToolSpec {
        name: "python".to_owned(),
        description: "Runs Python.".to_owned(),
        parameters: serde_json::json!({
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
            "additionalProperties": false
        }),
        grammar: None,
    }
}

/// Reads a sample to its end and checks the laws that hold for each.
pub async fn sample(
    backend: &dyn ModelBackend,
    request: &SampleRequest,
) -> Result<Sampled, ModelError> {
    let mut stream = backend.sample(request.clone()).await?;
    let Some(first) = stream.next().await else { panic!("an empty stream") };
    let SampleEvent::Started { input_tokens, cached_tokens } = first? else {
        panic!("the first event is not `Started`");
    };
    let (mut ids, mut deltas) = (Vec::new(), Vec::new());
    let sample = loop {
        match stream.next().await.expect("a stream ends with `Finished`")? {
            SampleEvent::Started { .. } => panic!("a second `Started`"),
            SampleEvent::Chunk { ids: more, deltas: said, .. } => {
                ids.extend(more);
                deltas.extend(said);
            }
            SampleEvent::Finished(sample) => break sample,
        }
    };
    assert!(stream.next().await.is_none(), "nothing follows `Finished`");
    let usage = &sample.usage;
    assert_eq!(usage.total_tokens, usage.input_tokens + usage.output_tokens);
    assert!(usage.input_tokens_details.cached_tokens <= usage.input_tokens);
    assert!(usage.output_tokens_details.reasoning_tokens <= usage.output_tokens);
    if !sample.ids.is_empty() {
        assert_eq!(usage.input_tokens, input_tokens);
        assert_eq!(usage.input_tokens_details.cached_tokens, cached_tokens);
        assert_eq!(usage.output_tokens, sample.ids.len() as u64);
    }
    assert_eq!([&request.started[..], &ids].concat(), sample.ids, "every id is reported once");
    if request.started.is_empty() {
        check_message(&deltas, &sample.message);
    }
    Ok(Sampled { input_tokens, cached_tokens, ids, deltas, sample })
}

/// Deltas joined equal the message, but for the space between its parts.
fn check_message(deltas: &[Delta], message: &Message) {
    let Message::Assistant { reasoning, text, tool_calls } = message else {
        panic!("a sample is an assistant's message");
    };
    let (mut said_reasoning, mut said_text) = (String::new(), String::new());
    let mut calls: Vec<(usize, String, String)> = Vec::new();
    for delta in deltas {
        match delta {
            Delta::Reasoning(more) => said_reasoning.push_str(more),
            Delta::Text(more) => said_text.push_str(more),
            Delta::Commentary(_) => {}
            Delta::ToolCallStart { index, name } => {
                calls.push((*index, name.clone(), String::new()));
            }
            Delta::ToolCallArguments { index, text } => {
                let call = calls.iter_mut().find(|call| call.0 == *index);
                call.expect("arguments belong to a call").2.push_str(text);
            }
            Delta::ToolCallEnd { index, .. } => {
                assert!(calls.iter().any(|call| call.0 == *index));
            }
        }
    }
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(dense(&said_reasoning), dense(reasoning.as_deref().unwrap_or("")));
    assert_eq!(dense(&said_text), dense(text));
    let said: Vec<_> = calls.iter().map(|(_, name, arguments)| (name, arguments)).collect();
    let had: Vec<_> = tool_calls.iter().map(|call| (&call.name, &call.arguments)).collect();
    assert_eq!(said, had);
}

/// All laws. `backend` must be able to answer each of the keys used here once or more, with the
/// same words for the same request, and say at least 12 tokens.
pub async fn check_all(backend: &dyn ModelBackend) {
    an_answer_stops_at_its_limit(backend).await;
    the_same_request_gives_the_same_sample(backend).await;
    many_at_once_say_what_each_says_alone(backend).await;
    a_killed_sample_goes_on_behind_its_ids(backend).await;
    a_dropped_sample_disturbs_nobody(backend).await;
    what_does_not_fit_is_refused_with_its_numbers(backend).await;
    what_was_computed_is_not_computed_again(backend).await;
    let sampled = sample(backend, &ask("ids", "Count.", 7)).await.unwrap();
    assert_eq!(sampled.ids.len(), 7);
}

/// Thinking is held to its limit, and the sample says so. `thinks` is a request whose sample would
/// think for more than 100 tokens; `closing` tokens may be needed to end a thought by force.
pub async fn check_thinking(backend: &dyn ModelBackend, thinks: &SampleRequest, closing: u64) {
    for limit in [0, closing, closing + 20, 90] {
        let request = SampleRequest { thinking_tokens_max: Some(limit), ..thinks.clone() };
        let usage = sample(backend, &request).await.unwrap().sample.usage;
        let details = usage.output_tokens_details;
        assert!(details.reasoning_tokens <= limit.max(closing), "{usage:?} for {limit}");
        let budget = usage.reasoning_budget.expect("a limit is a budget");
        assert_eq!((budget.tokens_max, budget.enforced), (limit, true));
        assert_eq!(budget.forced_ends, 1, "{usage:?} for {limit}");
    }
    let free = sample(backend, thinks).await.unwrap().sample.usage;
    assert_eq!(free.reasoning_budget, None);
}

/// The laws that need no ids.
pub async fn check_without_ids(backend: &dyn ModelBackend) {
    an_answer_stops_at_its_limit(backend).await;
    the_same_request_gives_the_same_sample(backend).await;
    many_at_once_say_what_each_says_alone(backend).await;
    a_dropped_sample_disturbs_nobody(backend).await;
    what_does_not_fit_is_refused_with_its_numbers(backend).await;
}

async fn an_answer_stops_at_its_limit(backend: &dyn ModelBackend) {
    let sampled = sample(backend, &ask("limit", "Count.", 7)).await.unwrap();
    assert_eq!((sampled.sample.stop, sampled.sample.usage.output_tokens), (Stop::Length, 7));
}

async fn the_same_request_gives_the_same_sample(backend: &dyn ModelBackend) {
    for temperature in [0.0, 1.0] {
        let sampling = Sampling { temperature, seed: 5, ..Sampling::default() };
        let request = |key: &str| SampleRequest { sampling, ..ask(key, "Again?", 12) };
        let first = sample(backend, &request("first")).await.unwrap();
        let second = sample(backend, &request("second")).await.unwrap();
        assert_eq!(first.ids, second.ids);
        assert_eq!(first.sample.message, second.sample.message);
    }
}

async fn many_at_once_say_what_each_says_alone(backend: &dyn ModelBackend) {
    let request = |i: usize, round: &str| ask(&format!("{round} {i}"), &format!("Say {i}."), 12);
    let mut alone = Vec::new();
    for i in 0..8 {
        alone.push(said(sample(backend, &request(i, "alone")).await.unwrap()));
    }
    let requests: Vec<_> = (0..8).map(|i| request(i, "together")).collect();
    let together = futures::future::join_all(requests.iter().map(|r| sample(backend, r))).await;
    let together: Vec<_> = together.into_iter().map(|s| said(s.unwrap())).collect();
    assert_eq!(together, alone);
}

async fn a_killed_sample_goes_on_behind_its_ids(backend: &dyn ModelBackend) {
    let whole = sample(backend, &ask("whole", "Go on.", 12)).await.unwrap();
    for cut in [0, 1, 5, 11, 12] {
        let started = whole.ids[..cut].to_vec();
        let request = SampleRequest { started, ..ask(&format!("cut {cut}"), "Go on.", 12) };
        let rest = sample(backend, &request).await.unwrap();
        assert_eq!(rest.ids, whole.ids[cut..]);
        assert_eq!(rest.sample.message, whole.sample.message);
        assert_eq!(rest.sample.stop, whole.sample.stop);
    }
}

async fn a_dropped_sample_disturbs_nobody(backend: &dyn ModelBackend) {
    let before = sample(backend, &ask("before", "Calm?", 12)).await.unwrap();
    for i in 0..20 {
        let mut stream = backend.sample(ask(&format!("dropped {i}"), "Long?", 500)).await.unwrap();
        for _ in 0..i % 3 {
            stream.next().await.unwrap().unwrap();
        }
    }
    let after = sample(backend, &ask("after", "Calm?", 12)).await.unwrap();
    assert_eq!(said(before), said(after));
}

fn said(sampled: Sampled) -> (Vec<u32>, Message) {
    (sampled.ids, sampled.sample.message)
}

async fn what_does_not_fit_is_refused_with_its_numbers(backend: &dyn ModelBackend) {
    let window = backend.info().context_window;
    let question = "too long ".repeat(window as usize);
    match sample(backend, &ask("long", &question, 5)).await {
        Err(ModelError::ContextLength { input_tokens, context_window }) => {
            assert!(input_tokens >= context_window && context_window == window);
        }
        other => panic!("{other:?}"),
    }
}

async fn what_was_computed_is_not_computed_again(backend: &dyn ModelBackend) {
    let mut request = ask("turns", "Use a tool.", 12);
    let first = sample(backend, &request).await.unwrap();
    let Sample { ids, message, .. } = first.sample;
    request.turns.push(Turn::Sampled { ids, message });
    request.turns.push(Turn::Given(Message::ToolResult {
        call_id: "call_0".to_owned(),
        name: "python".to_owned(),
        output: "42".to_owned(),
    }));
    let second = sample(backend, &request).await.unwrap();
    assert!(second.cached_tokens >= first.input_tokens + first.ids.len() as u64);
    backend.release("turns");
}
