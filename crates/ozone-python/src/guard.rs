//! Stands between a kernel's sockets and our ZeroMQ client.
//!
//! Two things that a ZeroMQ client does are wrong towards an enemy: it takes memory for a frame
//! as large as the peer announces, and it reconnects to a path that the peer may meanwhile have
//! made a link to another socket. The guard connects once, before any code has run in the kernel,
//! and passes on only frames within limits; the client connects to the guard, in a folder that the
//! jail cannot see. ZMTP 3.1, <https://rfc.zeromq.org/spec/37/>.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One frame; a picture travels in one. Parsed as JSON it may take 16 times the memory.
pub(crate) const MAX_FRAME_BYTES: u64 = 8 << 20;
const MAX_MESSAGE_BYTES: u64 = 10 << 20;
const MAX_MESSAGE_FRAMES: u32 = 64;
const GREETING_BYTES: usize = 64;

/// Why a channel was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The kernel is gone.
    ByKernel,
    /// The kernel sent what no kernel sends.
    ByGuard,
}

/// Where a channel's first loss is told.
pub(crate) type Lost = Arc<watch::Sender<Option<Closed>>>;

/// Joins one channel: accepts one client at `listen`, connects it to the kernel's socket.
pub(crate) fn channel(
    listen: PathBuf,
    kernel: UnixStream,
    lost: Lost,
) -> io::Result<JoinHandle<()>> {
    let listener = UnixListener::bind(listen)?;
    Ok(tokio::spawn(async move {
        let Ok((client, _)) = listener.accept().await else { return };
        // A second client, which a reconnect would be, finds nobody.
        drop(listener);
        let (from_kernel, to_kernel) = kernel.into_split();
        let (from_client, to_client) = client.into_split();
        let down = async {
            match pass_frames(from_kernel, to_client).await {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => Closed::ByGuard,
                _ => Closed::ByKernel,
            }
        };
        let up = pass_bytes(from_client, to_kernel);
        let closed = tokio::select! {
            closed = down => closed,
            // Our own client has gone: nobody is left to tell.
            _ = up => return,
        };
        lost.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert(closed);
            first
        });
    }))
}

async fn pass_bytes(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

/// What must be known of a message to bound it.
#[derive(Default)]
struct Message {
    bytes: u64,
    frames: u32,
}

impl Message {
    /// Counts a frame in, or refuses it.
    fn add(&mut self, more: bool, bytes: u64) -> io::Result<()> {
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let fits = bytes <= MAX_FRAME_BYTES
            && self.bytes <= MAX_MESSAGE_BYTES
            && self.frames <= MAX_MESSAGE_FRAMES;
        if !more {
            *self = Message::default();
        }
        fits.then_some(()).ok_or(io::ErrorKind::InvalidData.into())
    }
}

async fn pass_frames(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut from = tokio::io::BufReader::with_capacity(64 << 10, from);
    let mut greeting = [0; GREETING_BYTES];
    from.read_exact(&mut greeting).await?;
    to.write_all(&greeting).await?;
    let mut message = Message::default();
    loop {
        let flags = from.read_u8().await?;
        let (more, long, command) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let mut header = vec![flags];
        let bytes = match long {
            true => {
                let bytes = from.read_u64().await?;
                header.extend(bytes.to_be_bytes());
                bytes
            }
            false => {
                let bytes = from.read_u8().await?;
                header.push(bytes);
                bytes.into()
            }
        };
        message.add(more && !command, bytes)?;
        to.write_all(&header).await?;
        let passed = tokio::io::copy_buf(&mut (&mut from).take(bytes), &mut to).await?;
        if passed < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passed(frames: &[u8]) -> (io::ErrorKind, usize) {
        let bytes: Vec<u8> = [0u8; GREETING_BYTES].iter().chain(frames).copied().collect();
        let mut out = Vec::new();
        let end = pass_frames(bytes.as_slice(), &mut out).await.expect_err("the input ends");
        (end.kind(), out.len() - GREETING_BYTES)
    }

    #[tokio::test]
    async fn frames_pass_unchanged() {
        let frames = [1, 2, b'a', b'b', 0, 1, b'c', 2, 0, 0, 0, 0, 0, 0, 0, 1, b'd', 4, 0];
        assert_eq!(passed(&frames).await, (io::ErrorKind::UnexpectedEof, frames.len()));
    }

    #[tokio::test]
    async fn a_frame_that_announces_too_much_is_refused_before_it_is_read() {
        let header: Vec<u8> = [2].into_iter().chain((1u64 << 60).to_be_bytes()).collect();
        assert_eq!(passed(&header).await, (io::ErrorKind::InvalidData, 0));
    }

    #[tokio::test]
    async fn a_message_without_end_is_refused() {
        let frames = [1u8, 0].repeat(100);
        assert_eq!(passed(&frames).await, (io::ErrorKind::InvalidData, 128));
    }
}
