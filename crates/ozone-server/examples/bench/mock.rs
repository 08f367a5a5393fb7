//! An upstream that speaks Chat Completions at a pace that the name of its model tells, such as
//! `first20-gap10-tokens16` in milliseconds. Each token says when its request came in and when it
//! was sent, so that the waits of the mock itself can be told from those of others.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub first_ms: u64,
    pub gap_ms: u64,
    pub tokens: u64,
}

impl Pace {
    pub fn name(self) -> String {
        format!("first{}-gap{}-tokens{}", self.first_ms, self.gap_ms, self.tokens)
    }

    fn parse(name: &str) -> Option<Pace> {
        let mut parts = name.split('-');
        let mut next = |prefix| parts.next()?.strip_prefix(prefix)?.parse().ok();
        Some(Pace { first_ms: next("first")?, gap_ms: next("gap")?, tokens: next("tokens")? })
    }
}

/// Nanoseconds on the clock that the mock and the clients share.
pub fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Serves on a thread of its own for as long as the process lives.
pub fn start() -> Result<SocketAddr, Error> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener of this process");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        // A client that goes away ends its connection.
                        let _ = connection(stream).await;
                    });
                }
            }
        })
    });
    Ok(address)
}

async fn connection(mut stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![];
    while let Some(body) = request(&mut stream, &mut buffer).await? {
        let came_in = now_ns();
        let model = body.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let pace = model.and_then(Pace::parse).ok_or("a request for no pace")?;
        answer(&mut stream, pace, came_in).await?;
    }
    Ok(())
}

/// The body of the next request; `None` when the client has closed.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<String>, Error> {
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let headers = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let length = headers.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.ok_or("a request without a length")?.trim().parse()?;
    while buffer.len() < head + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err("a request broke off".into());
        }
    }
    let body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
    buffer.drain(..head + length);
    Ok(Some(body))
}

async fn answer(stream: &mut TcpStream, pace: Pace, came_in: u64) -> Result<(), Error> {
    let began = tokio::time::Instant::now();
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
              transfer-encoding: chunked\r\n\r\n",
        )
        .await?;
    for token in 0..pace.tokens {
        let due = Duration::from_millis(pace.first_ms + token * pace.gap_ms);
        if !due.is_zero() {
            tokio::time::sleep_until(began + due).await;
        }
        let delta = format!("{{\"content\":\"{token}:{came_in}:{};\"}}", now_ns());
        stream.write_all(&chunk(&event(&delta, "null"))).await?;
    }
    let usage = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"mock\",\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\
         \"completion_tokens\":{0},\"total_tokens\":{1}}}}}\n\ndata: [DONE]\n\n",
        pace.tokens,
        pace.tokens + 10
    );
    let end = chunk(&(event("{}", "\"stop\"") + &usage));
    stream.write_all(&[&end[..], b"0\r\n\r\n"].concat()).await?;
    Ok(())
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"mock\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
         \"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
