//! A proxy that checks the stream rules S1 to S12 on everything that passes:
//! `cargo run --release -p ozone-server --example recorder -- http://127.0.0.1:8033 [PORT]`.
//!
//! Clients speak to the address that it prints. At Ctrl-C it tells what it saw, and fails where a
//! rule was broken.

mod proxy;
mod rules;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let upstream = args.next().ok_or("the address of a server?")?;
    let port = args.next().unwrap_or_else(|| "0".into());
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
        // Heard from here on: in a shell's background Ctrl-C is ignored until somebody listens.
        let mut ctrl_c = signal(SignalKind::interrupt())?;
        println!("listening on {}", listener.local_addr()?);
        let recorder = proxy::Recorder::new(upstream);
        tokio::select! {
            served = proxy::serve(recorder.clone(), listener) => served?,
            _ = ctrl_c.recv() => {}
        }
        let seen = recorder.seen();
        println!("{seen}");
        Ok(if seen.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
