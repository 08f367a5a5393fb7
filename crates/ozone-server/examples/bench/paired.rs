//! Added latency and jitter: each request goes straight to the mock and through the server, in an
//! order that chance decides, and the two are compared.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::Error;
use crate::client::{Client, Token};
use crate::figures::{cpu_ms, quantiles, rss_mb, us_each};
use crate::mock::now_ns;
use crate::server::{SHORT, UnderTest};

const REQUESTS_PER_SECOND: u64 = 100;
/// Connections are opened and pages read before anything counts.
const WARM_UP: u64 = 50;

/// From when the request was due to its first token, and the transit of each token.
struct Seen {
    first_ns: i64,
    /// The same without what the mock waited.
    first_without_mock_ns: i64,
    transits_ns: Vec<i64>,
}

impl Seen {
    fn of(tokens: &[Token], due_ns: u64) -> Result<Seen, Error> {
        let first = tokens.first().ok_or("no token came")?;
        let first_ns = first.received_ns as i64 - due_ns as i64;
        let waited = (first.sent_ns - first.came_in_ns) as i64;
        let transit = |t: &Token| t.received_ns as i64 - t.sent_ns as i64;
        let transits_ns = tokens.iter().map(transit).collect();
        Ok(Seen { first_ns, first_without_mock_ns: first_ns - waited, transits_ns })
    }

    /// By how much each token came later behind the one before than it was sent.
    fn gaps_ns(&self) -> impl Iterator<Item = i64> {
        self.transits_ns.windows(2).map(|pair| pair[1] - pair[0])
    }
}

pub async fn measure(
    server: &UnderTest,
    upstream: SocketAddr,
    seconds: u64,
) -> Result<Value, Error> {
    let (direct, ours) = (Rc::new(Client::new(upstream)), Rc::new(Client::new(server.address)));
    let tasks = LocalSet::new();
    let pairs =
        tasks.run_until(run(direct, ours, WARM_UP + seconds * REQUESTS_PER_SECOND, server.pid));
    let (pairs, cpu) = pairs.await?;
    let pairs = &pairs[WARM_UP as usize..];
    let added = |of: fn(&Seen) -> i64| {
        quantiles(pairs.iter().map(|(direct, ours)| of(ours) - of(direct)).collect())
    };
    let each = |of: fn(&Seen) -> i64| {
        let direct = quantiles(pairs.iter().map(|(direct, _)| of(direct)).collect());
        let ours = quantiles(pairs.iter().map(|(_, ours)| of(ours)).collect());
        json!({ "direct": direct, "server": ours })
    };
    let gaps = pairs.iter().flat_map(|(direct, ours)| {
        ours.gaps_ns().zip(direct.gaps_ns()).map(|(ours, direct)| ours - direct)
    });
    let gaps = quantiles(gaps.collect());
    let both = |of: fn(&(Seen, Seen)) -> &Seen| {
        quantiles(pairs.iter().flat_map(|pair| of(pair).gaps_ns().collect::<Vec<_>>()).collect())
    };
    let (rss, rss_max) = rss_mb(server.pid)?;
    Ok(json!({
        "requests_per_second": REQUESTS_PER_SECOND,
        "pace": SHORT.name(),
        "added_to_first_token": added(|s| s.first_without_mock_ns),
        "added_to_first_token_with_the_mocks_timer": added(|s| s.first_ns),
        "first_token": each(|s| s.first_without_mock_ns),
        "added_between_tokens": gaps,
        "between_tokens": { "direct": both(|p| &p.0), "server": both(|p| &p.1) },
        "server_cpu_us_per_request": us_each(cpu, pairs.len()),
        "rss_mb": rss,
        "rss_mb_max": rss_max,
    }))
}

/// Gives the pairs, and the processor time of the server without its warm-up.
async fn run(
    direct: Rc<Client>,
    ours: Rc<Client>,
    count: u64,
    pid: u32,
) -> Result<(Vec<(Seen, Seen)>, u64), Error> {
    let mut rng = SmallRng::seed_from_u64(7);
    let (began, began_ns) = (Instant::now(), now_ns());
    let (mut pairs, mut cpu) = (vec![], 0);
    for index in 0..count {
        if index == WARM_UP {
            cpu = cpu_ms(pid)?;
        }
        // Two halves of a slot, one for each; which one is first is chance.
        let slot = 1_000_000_000 / REQUESTS_PER_SECOND;
        let (due, half) = (index * slot, slot / 2);
        let direct_first = rng.random_bool(0.5);
        let mut pair = [None, None];
        for turn in 0..2 {
            let due = due + turn * half + rng.random_range(0..half / 2);
            tokio::time::sleep_until(began + Duration::from_nanos(due)).await;
            let (is_direct, due_ns) = ((turn == 0) == direct_first, began_ns + due);
            let client = if is_direct { direct.clone() } else { ours.clone() };
            let task = tokio::task::spawn_local(async move {
                let model = SHORT.name();
                let tokens = match is_direct {
                    true => client.chat(&model).await?,
                    false => client.responses(&model).await?,
                };
                Seen::of(&tokens, due_ns)
            });
            pair[usize::from(!is_direct)] = Some(task);
        }
        pairs.push(pair);
    }
    let mut seen = vec![];
    for [direct, ours] in pairs {
        let (direct, ours) = (direct.ok_or("no pair")?, ours.ok_or("no pair")?);
        seen.push((direct.await??, ours.await??));
    }
    Ok((seen, cpu_ms(pid)? - cpu))
}
