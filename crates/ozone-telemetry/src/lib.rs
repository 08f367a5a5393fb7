//! Spans of responses, samples and tool calls, sent to a collector by OTLP over HTTP (JSON).
//!
//! The loop writes `tracing` spans with the names of OpenTelemetry's GenAI conventions
//! (`ozone-agent/src/spans.rs` is their table) and knows nothing of who reads them. Here a `tracing`
//! layer turns them into OTLP. It is our own because no OpenTelemetry crate is in the tree and this is
//! one JSON body; since the spans use the fields of `tracing-opentelemetry` (`otel.name`,
//! `otel.kind`), that layer can take its place.
//!
//! A response never waits for a collector: spans go through a bounded queue to one thread, and what
//! does not fit is counted and dropped. Only what the table names is sent: no contents.

mod export;
mod options;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

pub use options::{BadOptions, Options};

use export::Message;
use span::Spans;

/// Spans with this target are sent.
pub const TARGET: &str = "ozone::spans";
/// Spans that wait to be sent.
const WAITING_MAX: usize = 4096;

/// Sends spans until [`Telemetry::stop`].
#[derive(Debug)]
pub struct Telemetry {
    queue: mpsc::Sender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Telemetry {
    pub fn start(options: Options) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let exporter = export::Exporter::new(options).map_err(std::io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || runtime.block_on(exporter.run(waiting)))?;
        Ok(Telemetry { queue, dropped: Arc::default() })
    }

    /// What reads the spans.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = filter_fn(|of| of.is_span() && of.target() == TARGET);
        Spans { queue: self.queue.clone(), dropped: self.dropped.clone() }.with_filter(ours)
    }

    /// Spans that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends what waits now. `false` when it took longer than this, or could not be sent.
    pub fn flush(&self, within: Duration) -> bool {
        let (said, sent) = std::sync::mpsc::channel();
        self.queue.try_send(Message::Flush(said)).is_ok()
            && sent.recv_timeout(within).unwrap_or(false)
    }

    /// The last spans of a program that ends.
    pub fn stop(self, within: Duration) {
        self.flush(within);
        match self.dropped() {
            0 => {}
            dropped => tracing::warn!("{dropped} spans found no room and were not sent"),
        }
    }
}
