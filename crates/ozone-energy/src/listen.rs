//! As much of HTTP as a test server needs: one request for each connection, a thread for each.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const BODY_BYTES_MAX: u64 = 64 << 20;
const HEAD_BYTES_MAX: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    /// With its query, as it was asked for.
    pub path: String,
    pub host: String,
    pub body: Vec<u8>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listening {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Hands each request to `answer`, which writes the answer whole. Listens when it returns.
pub fn listen(
    answer: impl Fn(Heard, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<Listening> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let stop = Arc::<AtomicBool>::default();
    let (stopped, answer) = (stop.clone(), Arc::new(answer));
    let thread = std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            let answer = answer.clone();
            std::thread::spawn(move || {
                // Whoever asked may be gone: that is what some tests are about.
                if let Ok(heard) = hear(&stream) {
                    let _ = answer(heard, &mut stream);
                }
            });
        }
    });
    Ok(Listening { address, stop, thread: Some(thread) })
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn hear(stream: &TcpStream) -> io::Result<Heard> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = vec![];
    let mut limited = reader.by_ref().take(HEAD_BYTES_MAX);
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let of = |line: &String| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.iter().skip(1).find_map(of).unwrap_or_default()
    };
    let mut parts = head.first().map(String::as_str).unwrap_or_default().split(' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let path = parts.next().unwrap_or_default().to_owned();
    let length: u64 = header("content-length").parse().unwrap_or(0);
    let mut body = vec![];
    reader.take(length.min(BODY_BYTES_MAX)).read_to_end(&mut body)?;
    let host = header("host");
    Ok(Heard { method, path, host, body })
}

pub fn head(status: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n")
}

pub fn whole(
    stream: &mut TcpStream,
    status: &str,
    media_type: &str,
    body: &[u8],
) -> io::Result<()> {
    let more = format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(head(status, &more).as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}
