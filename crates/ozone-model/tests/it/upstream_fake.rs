//! A model server of a few lines: plays what a test tells it to, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The first line and the headers, in lower case.
    pub head: String,
    pub body: Value,
}

/// What one request gets.
#[derive(Debug, Clone)]
pub enum Play {
    /// An event stream in these pieces, and its end.
    Stream(Vec<Vec<u8>>),
    /// As `Stream`, but the connection closes before the end.
    Dies(Vec<Vec<u8>>),
    /// As `Stream`, but nothing more comes.
    Hangs(Vec<Vec<u8>>),
    /// The request is read and never answered.
    Silence,
    /// The connection closes without an answer.
    HangsUp,
    /// Any other answer: status, further headers, body.
    Status(u16, String, String),
}

impl Play {
    /// One text, written at once.
    pub fn says(text: impl Into<String>) -> Play {
        Play::Stream(vec![text.into().into_bytes()])
    }

    pub fn refuses(status: u16, body: &str) -> Play {
        Play::Status(status, "content-type: application/json\r\n".into(), body.into())
    }
}

pub struct Fake {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    left: Arc<Notify>,
    task: JoinHandle<()>,
}

type Script = Arc<dyn Fn(usize, &Seen) -> Play + Send + Sync>;

impl Fake {
    /// `script` answers the n-th request, counted from 0.
    pub async fn start(script: impl Fn(usize, &Seen) -> Play + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (seen, left) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(Notify::new()));
        let script: Script = Arc::new(script);
        let task = tokio::spawn({
            let (seen, left) = (seen.clone(), left.clone());
            async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    let (seen, left, script) = (seen.clone(), left.clone(), script.clone());
                    connections.spawn(async move {
                        let _ = serve(socket, seen, left, script).await;
                    });
                }
            }
        });
        Fake { url, seen, left, task }
    }

    /// The same answer for everybody.
    pub async fn always(play: Play) -> Fake {
        Fake::start(move |_, _| play.clone()).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a client has closed its connection in the middle of an answer.
    pub async fn client_left(&self) {
        let wait = tokio::time::timeout(Duration::from_secs(1), self.left.notified());
        wait.await.expect("the client still holds its connection after a second");
    }

    /// Waits until so many requests have arrived.
    pub async fn saw(&self, requests: usize) {
        while self.seen.lock().unwrap().len() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    left: Arc<Notify>,
    script: Script,
) -> std::io::Result<()> {
    let mut buffer = vec![];
    while let Some(request) = read_request(&mut socket, &mut buffer).await? {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        match script(number, &request) {
            Play::Stream(pieces) => {
                stream(&mut socket, &pieces).await?;
                socket.write_all(b"0\r\n\r\n").await?;
            }
            Play::Dies(pieces) => return stream(&mut socket, &pieces).await,
            Play::Hangs(pieces) => {
                stream(&mut socket, &pieces).await?;
                return until_left(&mut socket, &left).await;
            }
            Play::Silence => return until_left(&mut socket, &left).await,
            Play::HangsUp => return Ok(()),
            Play::Status(status, headers, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n");
                socket.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
            }
        }
    }
    Ok(())
}

async fn stream(socket: &mut TcpStream, pieces: &[Vec<u8>]) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                transfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        socket.write_all(&chunk).await?;
        socket.flush().await?;
    }
    Ok(())
}

async fn until_left(socket: &mut TcpStream, left: &Notify) -> std::io::Result<()> {
    let mut bytes = [0; 64];
    while !matches!(socket.read(&mut bytes).await, Ok(0) | Err(_)) {}
    left.notify_one();
    Ok(())
}

async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<Seen>> {
    let mut bytes = [0; 16_384];
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let body = serde_json::from_slice(&buffer[end + 4..]).unwrap_or(Value::Null);
                *buffer = rest;
                return Ok(Some(Seen { head, body }));
            }
        }
        match socket.read(&mut bytes).await? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&bytes[..read]),
        }
    }
}
