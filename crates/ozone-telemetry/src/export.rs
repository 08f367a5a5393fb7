//! The one thread that speaks to the collector.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::options::Options;
use crate::span::Span;

/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// How often a batch is sent before it is given up. Where somebody waits for it, a collector that
/// cannot be reached is not tried again.
const TRIES_MAX: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) enum Message {
    Ended(Box<Span>),
    /// Send what waits, and say whether it arrived.
    Flush(std::sync::mpsc::Sender<bool>),
}

pub(crate) struct Exporter {
    options: Options,
    client: Client,
    /// The collector did not take the last batch: said once, not with each.
    is_down: bool,
}

impl Exporter {
    pub fn new(options: Options) -> reqwest::Result<Self> {
        let client = Client::builder()
            .timeout(options.timeout)
            .user_agent(concat!("ozone/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Exporter { options, client, is_down: false })
    }

    /// Until the queue is closed.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut batch = vec![];
        let mut due: Option<Instant> = None;
        loop {
            let later = due.unwrap_or_else(|| Instant::now() + BATCH_WAIT);
            let message = tokio::select! {
                message = queue.recv() => message,
                () = tokio::time::sleep_until(later), if due.is_some() => {
                    self.send(&mut batch, true).await;
                    due = None;
                    continue;
                }
            };
            match message {
                Some(Message::Ended(span)) => {
                    batch.push(span.otlp());
                    due.get_or_insert(later);
                    if batch.len() >= BATCH_MAX {
                        self.send(&mut batch, true).await;
                        due = None;
                    }
                }
                Some(Message::Flush(said)) => {
                    // Whoever asked may have stopped waiting.
                    let _ = said.send(self.send(&mut batch, false).await);
                    due = None;
                }
                None => {
                    self.send(&mut batch, false).await;
                    return;
                }
            }
        }
    }

    /// Sends a batch, or gives it up.
    async fn send(&mut self, batch: &mut Vec<Value>, patient: bool) -> bool {
        let spans = std::mem::take(batch);
        if spans.is_empty() {
            return true;
        }
        let body = self.body(spans).to_string();
        let mut tries = 1;
        let failed = loop {
            let (why, again) = match self.post(body.clone()).await {
                Ok(status) if status.is_success() => {
                    self.is_down = false;
                    return true;
                }
                Ok(status) => {
                    let again = matches!(status.as_u16(), 429 | 502 | 503 | 504);
                    (format!("it answered {status}"), again)
                }
                Err(e) => (causes(e), patient),
            };
            // A collector that is down gets no second chance with each batch.
            if !again || self.is_down || tries >= TRIES_MAX {
                break why;
            }
            tokio::time::sleep(RETRY_WAIT * tries).await;
            tries += 1;
        };
        if !std::mem::replace(&mut self.is_down, true) {
            tracing::warn!("no spans reach the collector: {failed}");
        }
        false
    }

    async fn post(&self, body: String) -> reqwest::Result<StatusCode> {
        let request = self.client.post(self.options.url.clone());
        let request = request.headers(self.options.headers.clone());
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        Ok(request.send().await?.status())
    }

    fn body(&self, spans: Vec<Value>) -> Value {
        let of = |(key, value): &(String, String)| json!({ "key": key, "value": { "stringValue": value } });
        let resource: Vec<Value> = self.options.resource.iter().map(of).collect();
        let scope = json!({ "name": "ozone", "version": env!("CARGO_PKG_VERSION") });
        json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }] })
    }
}

/// Without the URL: a token may stand there.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
