//! Many streams at once at 20 tokens a second each; each event of each stream is checked.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::Error;
use crate::client::{Client, Token};
use crate::figures::{cpu_ms, quantiles, rss_mb};
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
    let direct = run(Client::new(upstream), count, model.clone(), true).await;
    let before = cpu_ms(server.pid)?;
    let ours = run(Client::new(server.address), count, model.clone(), false).await;
    let cpu = cpu_ms(server.pid)? - before;
    let (rss, rss_max) = rss_mb(server.pid)?;
    Ok(json!({
        "streams": count,
        "pace": model,
        "direct": direct,
        "server": ours,
        "server_cpu_ms": cpu,
        "rss_mb": rss,
        "rss_mb_max": rss_max,
        "database_mb": server.database_bytes() as f64 / 1e6,
    }))
}

async fn run(client: Client, count: usize, model: String, direct: bool) -> Value {
    let client = Rc::new(client);
    let tasks = LocalSet::new();
    let all = tasks.run_until(async move {
        let mut tasks = vec![];
        for _ in 0..count {
            let (client, model) = (client.clone(), model.clone());
            tasks.push(tokio::task::spawn_local(async move {
                match direct {
                    true => client.chat(&model).await,
                    false => client.responses(&model).await,
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
    let (mut broken, mut gaps, mut transits) = (vec![], vec![], vec![]);
    for ended in all.await {
        match ended {
            Ok(tokens) => {
                let transit = |t: &Token| t.received_ns as i64 - t.sent_ns as i64;
                transits.extend(tokens.iter().map(transit));
                gaps.extend(tokens.windows(2).map(|pair| transit(&pair[1]) - transit(&pair[0])));
            }
            Err(e) => broken.push(e.to_string()),
        }
    }
    json!({
        "broken": broken.len(),
        "first_fault": broken.first(),
        "token_on_its_way": quantiles(transits),
        "added_between_tokens": quantiles(gaps),
    })
}
