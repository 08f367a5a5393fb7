//! A small HTTP client whose own work is a few microseconds: what is measured is the other side.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Error;
use crate::mock::now_ns;

/// Keeps connections open from one request to the next.
pub struct Client {
    address: SocketAddr,
    idle: RefCell<Vec<TcpStream>>,
}

/// A token and when its frame was there.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    pub came_in_ns: u64,
    pub sent_ns: u64,
    pub received_ns: u64,
}

/// The body of an answer as it comes.
struct Body {
    raw: Vec<u8>,
    /// Of the chunk that is being read; `None` between chunks.
    left: Option<usize>,
    chunked: bool,
    ended: bool,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Client { address, idle: RefCell::default() }
    }

    /// Sends a request and gives each piece of its answer's body.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: &str,
        mut piece: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u16, Error> {
        let idle = self.idle.borrow_mut().pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut raw = Vec::with_capacity(4096);
        let head = loop {
            if let Some(at) = raw.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut raw).await? == 0 {
                return Err("the connection closed before an answer".into());
            }
        };
        let headers = String::from_utf8_lossy(&raw[..head]).to_lowercase();
        let status = headers.split(' ').nth(1).ok_or("no status")?.parse()?;
        let length = headers.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
        let length = length.map(|l| l.trim().parse()).transpose()?;
        raw.drain(..head);
        let mut body = Body { raw, left: length, chunked: length.is_none(), ended: false };
        loop {
            body.take(&mut piece)?;
            if body.ended {
                break;
            }
            if stream.read_buf(&mut body.raw).await? == 0 {
                return Err("the answer broke off".into());
            }
        }
        self.idle.borrow_mut().push(stream);
        Ok(status)
    }

    /// A JSON answer.
    pub async fn json(&self, method: &str, path: &str, body: &str) -> Result<Value, Error> {
        let mut text = vec![];
        let status = self
            .exchange(method, path, body, |piece| {
                text.extend_from_slice(piece);
                Ok(())
            })
            .await?;
        match status {
            200 => Ok(serde_json::from_slice(&text)?),
            _ => {
                Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&text)).into())
            }
        }
    }

    /// The tokens of a Chat Completions stream.
    pub async fn chat(&self, model: &str) -> Result<Vec<Token>, Error> {
        let body = format!(
            r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"Go."}}]}}"#
        );
        let (mut frames, mut tokens, mut done) = (Frames::default(), Tokens::default(), false);
        let piece = |piece: &[u8]| {
            let received = now_ns();
            frames.push(piece, |data| {
                if data == b"[DONE]" {
                    done = true;
                    return Ok(());
                }
                let chunk: Chunk = serde_json::from_slice(data)?;
                let text = chunk.choices.into_iter().next().and_then(|c| c.delta.content);
                tokens.push(text.as_deref().unwrap_or_default(), received)
            })
        };
        let status = self.exchange("POST", "/v1/chat/completions", &body, piece).await?;
        if status == 200 && done { Ok(tokens.all) } else { Err("a direct stream broke".into()) }
    }

    /// The tokens of a stream of the Responses API, whose events are checked: without gaps, each
    /// token once, one end.
    pub async fn responses(&self, model: &str) -> Result<Vec<Token>, Error> {
        let body = format!(r#"{{"model":"{model}","stream":true,"input":"Go."}}"#);
        let (mut frames, mut tokens) = (Frames::default(), Tokens::default());
        let (mut next, mut completed, mut done) = (0, false, false);
        let piece = |piece: &[u8]| {
            let received = now_ns();
            frames.push(piece, |data| {
                if data == b"[DONE]" {
                    done = completed;
                    return Ok(());
                }
                let event: Event = serde_json::from_slice(data)
                    .map_err(|e| format!("{e} in {}", String::from_utf8_lossy(data)))?;
                if completed || event.sequence_number != next {
                    return Err(
                        format!("event {} where {next} was due", event.sequence_number).into()
                    );
                }
                next += 1;
                completed = event.kind == "response.completed";
                match event.kind == "response.output_text.delta" {
                    true => tokens.push(event.delta.as_deref().unwrap_or_default(), received),
                    false => Ok(()),
                }
            })
        };
        let status = self.exchange("POST", "/v1/responses", &body, piece).await?;
        match status == 200 && done {
            true => Ok(tokens.all),
            false => Err(format!("a stream of the server broke ({status})").into()),
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    sequence_number: u64,
    #[serde(borrow, default)]
    delta: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

impl Body {
    fn take(&mut self, mut piece: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let mut at = 0;
        while !self.ended {
            let rest = &self.raw[at..];
            match self.left {
                Some(left) => {
                    let taken = left.min(rest.len());
                    piece(&rest[..taken])?;
                    at += taken;
                    self.left = Some(left - taken);
                    if left > taken {
                        break;
                    }
                    if !self.chunked {
                        self.ended = true;
                    } else if self.raw.len() - at >= 2 {
                        at += 2;
                        self.left = None;
                    } else {
                        break;
                    }
                }
                None => {
                    let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { break };
                    let size =
                        usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
                    if size == 0 {
                        // The empty line behind the last chunk.
                        if rest.len() < end + 4 {
                            break;
                        }
                        at += end + 4;
                        self.ended = true;
                    } else {
                        at += end + 2;
                        self.left = Some(size);
                    }
                }
            }
        }
        self.raw.drain(..at);
        Ok(())
    }
}

/// Server-sent events with one `data:` line.
#[derive(Default)]
struct Frames {
    open: Vec<u8>,
}

impl Frames {
    fn push(
        &mut self,
        bytes: &[u8],
        mut frame: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.open.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(end) = self.open[at..].windows(2).position(|w| w == b"\n\n") {
            let data = self.open[at..at + end]
                .split(|b| *b == b'\n')
                .find_map(|line| line.strip_prefix(b"data: "));
            if let Some(data) = data {
                frame(data)?;
            }
            at += end + 2;
        }
        self.open.drain(..at);
        Ok(())
    }
}

/// Tokens of the mock, however a stream cuts them.
#[derive(Default)]
struct Tokens {
    open: String,
    all: Vec<Token>,
}

impl Tokens {
    fn push(&mut self, text: &str, received_ns: u64) -> Result<(), Error> {
        self.open.push_str(text);
        while let Some((token, rest)) = self.open.split_once(';') {
            let mut numbers = token.split(':').map(str::parse::<u64>);
            let mut next = || numbers.next().ok_or("a token is cut")?.map_err(Error::from);
            let (number, came_in_ns, sent_ns) = (next()?, next()?, next()?);
            if number != self.all.len() as u64 {
                return Err(format!("token {number} where {} was due", self.all.len()).into());
            }
            self.all.push(Token { came_in_ns, sent_ns, received_ns });
            self.open = rest.to_owned();
        }
        Ok(())
    }
}
