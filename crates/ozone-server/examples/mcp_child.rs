//! The tests' MCP server as a child process: speaks on its standard input and output.

use std::fs::File;
use std::os::fd::AsFd;

#[path = "../tests/it/toy.rs"]
mod toy;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    eprintln!("the child has begun");
    tokio::runtime::Runtime::new()?.block_on(async {
        let pipes = (tokio::fs::File::from_std(input), tokio::fs::File::from_std(output));
        let service = rmcp::serve_server(toy::Toy::default(), pipes).await?;
        service.waiting().await?;
        Ok(())
    })
}
