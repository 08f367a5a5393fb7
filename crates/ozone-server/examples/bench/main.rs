//! What the server adds to its upstream: latency, jitter, many streams, a long history. Prints JSON;
//! `cargo xtask bench server` runs it.
//!
//! The server under test is a process of its own, the mock upstream and the clients share this one.
//! Arrivals follow a clock and not the answers (open loop), and each latency counts from when its
//! request was due, so that a server that stalls is charged for all who had to wait.

mod client;
mod figures;
mod history;
mod mock;
mod paired;
mod server;
mod streams;

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use server::UnderTest;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What may be measured, in this order.
const PARTS: [&str; 3] = ["latency", "streams", "history"];

struct Options {
    seconds: u64,
    only: Option<String>,
    streams: usize,
    /// Stored responses behind the measured ones.
    history: usize,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
        let mut options = Options { seconds: 20, only: None, streams: 1000, history: 10_000 };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            match name.as_str() {
                "--seconds" => options.seconds = value.parse()?,
                "--streams" => options.streams = value.parse()?,
                "--history" => options.history = value.parse()?,
                "--only" if PARTS.contains(&value.as_str()) => options.only = Some(value),
                "--only" => return Err(format!("`--only` is one of {}", PARTS.join(", ")).into()),
                other => return Err(format!("`{other}` is no option").into()),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("serve").is_some() {
        return server::serve(args);
    }
    let options = Options::parse(args)?;
    let upstream = mock::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&options, upstream))?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

async fn measure(options: &Options, upstream: SocketAddr) -> Result<Value, Error> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut report = Map::new();
    report.insert("conditions".into(), json!({ "cores": cores, "seconds": options.seconds }));
    if options.wants("latency") {
        let server = UnderTest::start(upstream)?;
        report.insert("latency".into(), paired::measure(&server, upstream, options.seconds).await?);
    }
    if options.wants("streams") {
        let server = UnderTest::start(upstream)?;
        // Twice: without the server, and with it.
        let (count, seconds) = (options.streams, options.seconds.div_ceil(2));
        let streams = streams::measure(&server, upstream, count, seconds).await?;
        report.insert("streams".into(), streams);
    }
    if options.wants("history") {
        let history = history::measure(upstream, options.history, options.seconds).await?;
        report.insert("history".into(), history);
    }
    Ok(Value::Object(report))
}
