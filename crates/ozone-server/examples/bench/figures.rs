//! Quantiles, and what a process uses.

use serde_json::{Value, json};

use crate::Error;

/// In milliseconds, of values in nanoseconds.
pub fn quantiles(mut values: Vec<i64>) -> Value {
    values.sort_unstable();
    let at = |q: f64| {
        let index = ((values.len() as f64 * q).ceil() as usize).clamp(1, values.len().max(1)) - 1;
        values.get(index).map(|ns| rounded(*ns as f64 / 1e6))
    };
    json!({
        "n": values.len(), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99),
        "max_ms": at(1.0),
    })
}

pub fn median(mut values: Vec<i64>) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).map_or(0.0, |ns| *ns as f64 / 1e6)
}

pub fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// Milliseconds of processor time that the process has used (proc(5), fields 14 and 15; a tick is
/// 10 ms on Linux).
pub fn cpu_ms(pid: u32) -> Result<u64, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() * 10)
}

/// The same of this process: the clients and the mock.
pub fn own_cpu_ms() -> Result<u64, Error> {
    cpu_ms(std::process::id())
}

/// Microseconds of processor time for each of so many.
pub fn us_each(cpu_ms: u64, count: usize) -> f64 {
    rounded(cpu_ms as f64 * 1000.0 / count.max(1) as f64)
}

/// Resident memory in MB (10⁶ bytes): now, and the most there ever was.
pub fn rss_mb(pid: u32) -> Result<(f64, f64), Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.map_or(0.0, |kib| rounded(kib * 1024.0 / 1e6))
    };
    Ok((kib("VmRSS:"), kib("VmHWM:")))
}
