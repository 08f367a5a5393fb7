//! `cargo run --release -p ozone-model --features local --example engine_bench -- small` (or
//! `600m`, or a GGUF file, with rounds, steps and threads behind it): the engine beside a bare loop, as JSON.

use ozone_model::bench::{BenchOptions, measure};
use ozone_model::synthetic::Shape;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default| arguments.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let cores = std::thread::available_parallelism()?.get();
    let threads = number(3, cores) as u32;
    let options = BenchOptions { rounds: number(1, 20), steps: number(2, 64), threads };
    let folder = tempfile::tempdir()?;
    let written = folder.path().join("random.gguf");
    let path = match arguments.first().map(String::as_str) {
        Some("600m") => {
            Shape::qwen3_600m().write(&written)?;
            written.clone()
        }
        None | Some("small") => {
            Shape::small().write(&written)?;
            written.clone()
        }
        Some(file) => file.into(),
    };
    println!("{:#}", measure(&path, options)?);
    Ok(())
}
