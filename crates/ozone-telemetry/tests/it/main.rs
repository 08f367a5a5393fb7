//! What a collector receives of a scripted response.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ozone_agent::{Limits, Request, Run};
use ozone_model::{Script, ScriptedBackend};
use ozone_store::{Journal, MemoryStore, Store, Stored};
use ozone_telemetry::{Options, Telemetry};
use ozone_tools::{ScriptedTool, Step};
use ozone_types::{Item, Response, ResponseId, ResponseStatus};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

/// An HTTP server on loopback that keeps what it gets.
#[derive(Clone, Default)]
struct Collector {
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Collector {
    /// Answers each request with the next of these, and the last one for ever.
    fn start(answers: &'static [&'static str]) -> (Collector, String) {
        let collector = Collector::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = collector.clone();
        // A thread of its own: a flush blocks the test's.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(kept.serve(listener, answers));
        });
        (collector, url)
    }

    async fn serve(self, listener: std::net::TcpListener, answers: &[&str]) {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let mut served = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap();
            self.requests.lock().unwrap().push((head, body));
            let answer = answers[served.min(answers.len() - 1)];
            served += 1;
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// All spans, in the order in which they ended.
    fn spans(&self) -> Vec<Value> {
        let bodies = self.requests().into_iter().map(|(_, body)| body);
        bodies
            .flat_map(|body| {
                let body: Value = serde_json::from_str(&body).unwrap();
                body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
            })
            .collect()
    }
}

/// The attributes of a span as `key` to what its value holds.
fn attributes(span: &Value) -> HashMap<String, Value> {
    let of = |attribute: &Value| {
        let value = attribute["value"].as_object().unwrap().values().next().unwrap().clone();
        (attribute["key"].as_str().unwrap().to_owned(), value)
    };
    span["attributes"].as_array().unwrap().iter().map(of).collect()
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

/// A loaded machine may be slow; nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "heron";

/// A response that runs a tool and answers.
fn script() -> Vec<Script> {
    vec![Script::runs("the word is heron", "print('heron')"), Script::says("It is heron.")]
}

fn question() -> Request {
    Request::new("scripted", vec![Item::user("Is it heron?")], false).unwrap()
}

async fn respond(request: Request, script: Vec<Script>, steps: Vec<Step>) -> Response {
    let store = Arc::new(MemoryStore::default());
    let id = ResponseId::mint();
    let stored = Stored {
        id: id.clone(),
        created_at: 0,
        status: ResponseStatus::InProgress,
        model: "scripted".into(),
        request: serde_json::to_value(&request).unwrap(),
    };
    store.create(stored).await.unwrap();
    let run = Run {
        backend: Arc::new(ScriptedBackend::new(script)),
        tools: vec![Box::new(ScriptedTool::new(steps))],
        journal: Journal::open(store, id).await.unwrap(),
        request,
        limits: Limits { retries_max: 0, ..Limits::default() },
        clock: || 1_800_000_000,
        cancel: CancellationToken::new(),
        seal: None,
    };
    run.run().await.unwrap()
}

/// The same with this telemetry listening.
async fn traced(telemetry: &Telemetry, script: Vec<Script>, steps: Vec<Step>) -> Response {
    traced_as(question(), telemetry, script, steps).await
}

async fn traced_as(
    request: Request,
    telemetry: &Telemetry,
    script: Vec<Script>,
    steps: Vec<Step>,
) -> Response {
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());
    let _listening = tracing::subscriber::set_default(subscriber);
    respond(request, script, steps).await
}

/// The spans of a response to a request with this `traceparent`.
async fn asked_by(traceparent: &str) -> Vec<Value> {
    let (collector, url) = Collector::start(&["200 OK"]);
    let telemetry = to(&url);
    let request = Request { traceparent: Some(traceparent.into()), ..question() };
    traced_as(request, &telemetry, vec![Script::says("Yes.")], vec![]).await;
    assert!(telemetry.flush(PATIENCE));
    collector.spans()
}

fn to(url: &str) -> Telemetry {
    Telemetry::start(Options::to(&format!("{url}/v1/traces")).unwrap()).unwrap()
}

fn prints(text: &str) -> Step {
    Step::Prints(text.into())
}

#[tokio::test]
async fn a_response_is_a_tree_of_spans_with_the_names_of_the_conventions() {
    let (collector, url) = Collector::start(&["200 OK"]);
    let telemetry = to(&url);
    let response = traced(&telemetry, script(), vec![prints("heron")]).await;
    assert!(telemetry.flush(PATIENCE));
    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    let expected = ["chat scripted", "execute_tool python", "chat scripted", "invoke_agent ozone"];
    assert_eq!(names, expected);

    let root = &spans[3];
    assert!(root.get("parentSpanId").is_none());
    assert_eq!(root["traceId"].as_str().unwrap().len(), 32);
    for span in &spans {
        assert_eq!(span["traceId"], root["traceId"]);
        let time = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
        assert!(time("startTimeUnixNano") > 1_700_000_000_000_000_000);
        assert_eq!(span["status"], json!({}));
    }
    for child in &spans[..3] {
        assert_eq!(child["parentSpanId"], root["spanId"]);
    }

    let agent = attributes(root);
    assert_eq!(agent["gen_ai.operation.name"], "invoke_agent");
    assert_eq!(agent["gen_ai.response.id"], response.id.as_str());
    assert_eq!(agent["ozone.response.status"], "completed");
    let usage = response.usage.unwrap();
    assert_eq!(agent["gen_ai.usage.input_tokens"], usage.input_tokens.to_string());
    assert_eq!(agent["gen_ai.usage.output_tokens"], usage.output_tokens.to_string());

    let chat = attributes(&spans[0]);
    assert_eq!(spans[0]["kind"], 3);
    assert_eq!(chat["gen_ai.operation.name"], "chat");
    assert_eq!(chat["gen_ai.request.model"], "scripted");
    assert_eq!(chat["gen_ai.response.finish_reasons"]["values"][0]["stringValue"], "tool_call");
    let tokens = |span: &Value| -> u64 {
        attributes(span)["gen_ai.usage.output_tokens"].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(tokens(&spans[0]) + tokens(&spans[2]), usage.output_tokens);

    let tool = attributes(&spans[1]);
    assert_eq!(tool["gen_ai.operation.name"], "execute_tool");
    assert_eq!(tool["gen_ai.tool.name"], "python");
}

#[tokio::test]
async fn a_response_belongs_to_the_trace_of_whoever_asked() {
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let spans = asked_by(traceparent).await;
    assert_eq!(spans.len(), 2);
    for span in &spans {
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(!attributes(span).contains_key("traceparent"));
    }
    assert_eq!(spans[1]["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(spans[0]["parentSpanId"], spans[1]["spanId"]);
    assert!(asked_by(&traceparent.replace("-01", "-00")).await.is_empty(), "it is not kept there");
}

#[tokio::test]
async fn a_traceparent_that_cannot_be_read_begins_a_new_trace() {
    for bad in [
        "",
        "heron",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-éééééééééééééééé-00f067aa0ba902b7-01",
    ] {
        let spans = asked_by(bad).await;
        assert_eq!(spans.len(), 2, "{bad}");
        assert!(spans[1].get("parentSpanId").is_none(), "{bad}");
        assert_ne!(spans[1]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736", "{bad}");
    }
}

/// A collector refuses the whole batch for a number that it cannot hold.
#[tokio::test]
async fn a_seed_past_63_bits_is_text() {
    let (collector, url) = Collector::start(&["200 OK"]);
    let telemetry = to(&url);
    let mut request = question();
    request.sampling.seed = u64::MAX;
    traced_as(request, &telemetry, vec![Script::says("Yes.")], vec![]).await;
    assert!(telemetry.flush(PATIENCE));
    let chat = collector.spans().remove(0);
    let seed =
        json!({ "key": "gen_ai.request.seed", "value": { "stringValue": "18446744073709551615" } });
    assert!(chat["attributes"].as_array().unwrap().contains(&seed), "{chat}");
}

#[tokio::test]
async fn no_contents_are_sent() {
    let (collector, url) = Collector::start(&["200 OK"]);
    let telemetry = to(&url);
    let response = traced(&telemetry, script(), vec![prints("heron")]).await;
    assert!(response.output_text().contains(SECRET));
    assert!(telemetry.flush(PATIENCE));
    for (_, body) in collector.requests() {
        assert!(!body.contains(SECRET), "{body}");
    }
}

#[tokio::test]
async fn what_failed_is_an_error() {
    let (collector, url) = Collector::start(&["200 OK"]);
    let telemetry = to(&url);
    let down = Script::Unavailable { text: String::new(), times: 99 };
    let response = traced(&telemetry, vec![down], vec![]).await;
    assert_eq!(response.status, ResponseStatus::Failed);
    assert!(telemetry.flush(PATIENCE));
    let spans = collector.spans();
    let chat = named(&spans, "chat scripted")[0];
    assert_eq!(chat["status"]["code"], 2);
    assert_eq!(attributes(chat)["error.type"], "unavailable");
    let reasons = &attributes(chat)["gen_ai.response.finish_reasons"];
    assert_eq!(reasons["values"][0]["stringValue"], "error");
    let agent = named(&spans, "invoke_agent ozone")[0];
    assert_eq!(agent["status"]["code"], 2);
    assert_eq!(attributes(agent)["error.type"], "server_error");
    assert_eq!(attributes(agent)["ozone.response.status"], "failed");
}

#[tokio::test]
async fn a_collector_that_is_down_changes_no_response() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let telemetry = to(&url);
    let response = traced(&telemetry, script(), vec![prints("heron")]).await;
    assert_eq!(response.output_text(), "It is heron.");
    assert!(!telemetry.flush(PATIENCE));
}

/// It takes connections and says nothing: spans pile up to their limit, and responses go on.
#[tokio::test]
async fn spans_that_find_no_room_are_counted_and_dropped() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let telemetry = to(&format!("http://{}", silent.local_addr().unwrap()));
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..10_000 {
            tracing::info_span!(target: ozone_telemetry::TARGET, "chat").in_scope(|| {});
        }
    });
    assert!(telemetry.dropped() > 0);
    let response = traced(&telemetry, script(), vec![prints("heron")]).await;
    assert_eq!(response.output_text(), "It is heron.");
}

#[tokio::test]
async fn a_busy_collector_gets_the_spans_again() {
    let (collector, url) = Collector::start(&["503 Service Unavailable", "200 OK"]);
    let telemetry = to(&url);
    traced(&telemetry, vec![Script::says("Yes.")], vec![]).await;
    assert!(telemetry.flush(PATIENCE));
    let requests = collector.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].1, requests[1].1);
}

#[tokio::test]
async fn the_variables_of_opentelemetry_say_where_spans_go() {
    let (collector, url) = Collector::start(&["200 OK"]);
    let environment = HashMap::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{url}/otel/")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-team=a".into()),
        ("OTEL_SERVICE_NAME", "ozone-test".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab".into()),
    ]);
    let options = Options::from_env(|name| environment.get(name).cloned()).unwrap().unwrap();
    let telemetry = Telemetry::start(options).unwrap();
    traced(&telemetry, vec![Script::says("Yes.")], vec![]).await;
    assert!(telemetry.flush(PATIENCE));
    let (head, body) = collector.requests().pop().unwrap();
    let head = head.to_ascii_lowercase();
    for line in
        ["post /otel/v1/traces", "content-type: application/json", "bearer abc", "x-team: a"]
    {
        assert!(head.contains(line), "{line}: {head}");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let resource = attributes(&body["resourceSpans"][0]["resource"]);
    assert_eq!(resource["service.name"], "ozone-test");
    assert_eq!(resource["deployment.environment.name"], "lab");
}

fn options(variables: &[(&str, &str)]) -> Result<bool, String> {
    let get = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
    };
    Options::from_env(get).map(|options| options.is_some()).map_err(|e| e.to_string())
}

#[test]
fn without_an_endpoint_nothing_is_sent() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    assert_eq!(options(&[]), Ok(false));
    assert_eq!(options(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), Ok(false));
    assert_eq!(options(&[ENDPOINT]), Ok(true));
    assert_eq!(options(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]), Ok(false));
    assert_eq!(options(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
}

#[test]
fn a_variable_that_cannot_be_read_is_named_and_its_secret_is_not() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let bad = options(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318")]).unwrap_err();
    assert!(bad.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: "), "{bad}");
    let grpc = options(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
    assert!(grpc.contains("http/json"), "{grpc}");
    let headers = options(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "hush")]).unwrap_err();
    assert!(headers.starts_with("OTEL_EXPORTER_OTLP_HEADERS: "), "{headers}");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json");
    assert_eq!(options(&[endpoint, grpc, of_traces]), Ok(true));
    assert!(!headers.contains("hush"), "{headers}");
}
