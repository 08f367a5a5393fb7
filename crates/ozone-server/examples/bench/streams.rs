//! Many streams at once at 20 tokens a second each; each event of each stream is checked.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::Error;
use crate::client::{Client, Token};
use crate::figures::{cpu_ms, own_cpu_ms, quantiles, rounded, rss_mb, us_each};
use crate::mock::now_ns;
use crate::server::{UnderTest, stream};

/// The streams begin within so many seconds.
const RAMP_SECONDS: u64 = 5;

pub async fn measure(
    server: &UnderTest,
    upstream: SocketAddr,
    count: usize,
    seconds: u64,
) -> Result<Value, Error> {
    // Each lasts so long after the last one began that all of them run together.
    let model = stream((RAMP_SECONDS + seconds).min(120)).name();
    let direct = run(Client::new(upstream), count, model.clone(), seconds, Way::Direct).await;
    let (before, own) = (cpu_ms(server.pid)?, own_cpu_ms()?);
    let (ours, tokens) =
        run(Client::new(server.address), count, model.clone(), seconds, Way::Server).await;
    let (cpu, own) = (cpu_ms(server.pid)? - before, own_cpu_ms()? - own);
    let (rss, rss_max) = rss_mb(server.pid)?;
    Ok(json!({
        "streams": count,
        "pace": model,
        "tokens_per_second_asked": count * 20,
        "direct": direct.0,
        "server": ours,
        "server_cpu_us_per_token": us_each(cpu, tokens),
        "clients_and_mock_cpu_us_per_token": us_each(own, tokens),
        "rss_mb": rss,
        "rss_mb_max": rss_max,
        "database_mb": server.database_bytes() as f64 / 1e6,
    }))
}

/// Where the streams go.
#[derive(Clone, Copy)]
enum Way {
    Direct,
    Server,
}

/// The report, and how many tokens came in all.
async fn run(
    client: Client,
    count: usize,
    model: String,
    seconds: u64,
    way: Way,
) -> (Value, usize) {
    let client = Rc::new(client);
    let tasks = LocalSet::new();
    let began = now_ns();
    let all = tasks.run_until(async move {
        let mut tasks = vec![];
        for _ in 0..count {
            let (client, model) = (client.clone(), model.clone());
            tasks.push(tokio::task::spawn_local(async move {
                match way {
                    Way::Direct => client.chat(&model).await,
                    Way::Server => client.responses(&model).await,
                }
            }));
            tokio::time::sleep(Duration::from_secs(RAMP_SECONDS) / count as u32).await;
        }
        let mut ended = vec![];
        for task in tasks {
            ended.push(task.await.map_err(Error::from).flatten());
        }
        ended
    });
    let (mut broken, mut gaps, mut transits, mut in_time) = (vec![], vec![], vec![], 0);
    // While all of them run.
    let from = began + RAMP_SECONDS * 1_000_000_000;
    let all_run = from..from + seconds * 1_000_000_000;
    for ended in all.await {
        match ended {
            Ok(tokens) => {
                let transit = |t: &Token| t.received_ns as i64 - t.sent_ns as i64;
                transits.extend(tokens.iter().map(transit));
                gaps.extend(tokens.windows(2).map(|pair| transit(&pair[1]) - transit(&pair[0])));
                in_time += tokens.iter().filter(|t| all_run.contains(&t.received_ns)).count();
            }
            Err(e) => broken.push(e.to_string()),
        }
    }
    let tokens = transits.len();
    let report = json!({
        "broken": broken.len(),
        "first_fault": broken.first(),
        "tokens": tokens,
        "tokens_per_second": in_time as u64 / seconds.max(1),
        "took_seconds": rounded((now_ns() - began) as f64 / 1e9),
        "token_on_its_way": quantiles(transits),
        "added_between_tokens": quantiles(gaps),
    });
    (report, tokens)
}
