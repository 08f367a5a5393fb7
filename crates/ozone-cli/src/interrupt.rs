//! Ctrl-C and SIGTERM.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both, heard from [`Interrupts::listen`] on: one that comes before the first
/// [`Interrupts::next`] waits for it. A shell starts what stands before `&` with Ctrl-C ignored, so
/// one that came too early would be lost without a word.
pub struct Interrupts {
    ctrl_c: Signal,
    term: Signal,
}

impl Interrupts {
    pub fn listen() -> io::Result<Self> {
        let ctrl_c = signal(SignalKind::interrupt())?;
        Ok(Interrupts { ctrl_c, term: signal(SignalKind::terminate())? })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}
