//! Whether a response is slower when thousands are stored before it, and what a long chain of
//! `previous_response_id` costs.

use std::net::SocketAddr;
use std::rc::Rc;

use ozone_store::{SqliteStore, Store};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::Error;
use crate::client::Client;
use crate::figures::{cpu_ms, median, quantiles, rounded, us_each};
use crate::mock::now_ns;
use crate::server::{AT_ONCE, UnderTest};

/// Stored responses of the small database.
const FEW: usize = 10;
/// Turns behind a response that goes on with a chain.
const CHAIN: usize = 10;
const LONG_CHAIN: usize = 200;
/// Clients that fill the large database.
const FILLING: usize = 8;

pub async fn measure(upstream: SocketAddr, many: usize, seconds: u64) -> Result<Value, Error> {
    let (small, large) = (UnderTest::start(upstream)?, UnderTest::start(upstream)?);
    let clients = [Client::new(small.address), Client::new(large.address)];
    let [small_client, large_client] = clients.map(Rc::new);
    let filled = LocalSet::new();
    let (filling, count) = (cpu_ms(large.pid)?, many.saturating_sub(CHAIN));
    filled.run_until(fill(large_client.clone(), count)).await?;
    let filling = cpu_ms(large.pid)? - filling;
    let mut ends = vec![];
    for (client, rest) in [(&small_client, FEW.saturating_sub(CHAIN)), (&large_client, 0)] {
        for _ in 0..rest {
            create(client, None).await?;
        }
        ends.push(chain(client, CHAIN).await?);
    }
    // Alternating, in an order that chance decides: a machine that slows down slows both.
    let mut rng = SmallRng::seed_from_u64(11);
    let mut times: [[Vec<i64>; 4]; 2] = Default::default();
    let pids = [small.pid, large.pid];
    let before = [cpu_ms(pids[0])?, cpu_ms(pids[1])?];
    for _ in 0..seconds * 25 {
        let first = usize::from(rng.random_bool(0.5));
        for which in [first, 1 - first] {
            let (client, end) = ([&small_client, &large_client][which], &ends[which]);
            let end_path = format!("/v1/responses/{end}");
            for (kind, times) in times[which].iter_mut().enumerate() {
                let began = now_ns();
                match kind {
                    0 => drop(create(client, None).await?),
                    1 => drop(create(client, Some(end)).await?),
                    2 => drop(client.json("GET", &end_path, "").await?),
                    _ => drop(client.json("GET", &format!("{end_path}/input_items"), "").await?),
                }
                times.push((now_ns() - began) as i64);
            }
        }
    }
    let cpu = [cpu_ms(pids[0])? - before[0], cpu_ms(pids[1])? - before[1]];
    let [few, much] = times;
    let mut report = serde_json::Map::new();
    let kinds = ["create", "create_on_a_chain", "get", "input_items"];
    for ((kind, few), much) in kinds.iter().zip(few).zip(much) {
        let ratio = rounded(median(much.clone()) / median(few.clone()));
        let figures = json!({
            "small": quantiles(few), "large": quantiles(much), "ratio_p50": ratio
        });
        report.insert((*kind).to_owned(), figures);
    }
    // Of all that was measured above: a loaded machine changes it less than it does times.
    let cpu = json!({
        "small": cpu[0], "large": cpu[1], "ratio": rounded(cpu[1] as f64 / cpu[0].max(1) as f64)
    });
    report.insert("server_cpu_ms".into(), cpu);
    report.insert("server_cpu_us_per_create".into(), us_each(filling, count).into());
    report.insert("stored_small".into(), FEW.into());
    report.insert("stored_large".into(), many.into());
    report.insert("chain_turns".into(), CHAIN.into());
    report.insert("long_chain".into(), long_chain(upstream).await?);
    Ok(Value::Object(report))
}

async fn create(client: &Client, previous: Option<&str>) -> Result<String, Error> {
    let mut body = json!({ "model": AT_ONCE.name(), "input": "Go." });
    if let Some(previous) = previous {
        body["previous_response_id"] = previous.into();
    }
    let response = client.json("POST", "/v1/responses", &body.to_string()).await?;
    match response["status"].as_str() {
        Some("completed") => Ok(response["id"].as_str().ok_or("no id")?.to_owned()),
        _ => Err(format!("a response did not complete: {response}").into()),
    }
}

/// Gives the last response of a new chain.
async fn chain(client: &Client, turns: usize) -> Result<String, Error> {
    let mut last = None;
    for _ in 0..turns {
        last = Some(create(client, last.as_deref()).await?);
    }
    last.ok_or_else(|| "a chain has a turn".into())
}

async fn fill(client: Rc<Client>, count: usize) -> Result<(), Error> {
    let mut tasks = vec![];
    for task in 0..FILLING {
        let client = client.clone();
        tasks.push(tokio::task::spawn_local(async move {
            for _ in (task..count).step_by(FILLING) {
                create(&client, None).await?;
            }
            Ok::<(), Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// One conversation of many turns: what a turn takes, and what it adds to the database, at its
/// beginning and at its end.
async fn long_chain(upstream: SocketAddr) -> Result<Value, Error> {
    let server = UnderTest::start(upstream)?;
    let client = Client::new(server.address);
    let (mut last, mut times) = (None, vec![]);
    for _ in 0..LONG_CHAIN {
        let began = now_ns();
        last = Some(create(&client, last.as_deref()).await?);
        times.push((now_ns() - began) as i64);
    }
    let bytes = stored_bytes(&server).await?;
    let mean = |turns: &[usize]| turns.iter().sum::<usize>() / turns.len().max(1);
    let tenth = LONG_CHAIN / 10;
    Ok(json!({
        "turns": LONG_CHAIN,
        "first_turns_ms_p50": rounded(median(times[..tenth].to_vec())),
        "last_turns_ms_p50": rounded(median(times[LONG_CHAIN - tenth..].to_vec())),
        "first_turns_stored_bytes": mean(&bytes[..tenth]),
        "last_turns_stored_bytes": mean(&bytes[bytes.len() - tenth..]),
    }))
}

/// What is stored of each response, oldest first.
async fn stored_bytes(server: &UnderTest) -> Result<Vec<usize>, Error> {
    let store = SqliteStore::open(&server.database())?;
    let mut all = store.list(LONG_CHAIN).await?;
    all.reverse();
    let mut bytes = vec![];
    for stored in all {
        let mut sum = stored.request.to_string().len();
        for event in store.events(&stored.id, 0, 1000).await? {
            sum += serde_json::to_string(&event)?.len();
        }
        let records = store.records(&stored.id).await?;
        bytes.push(sum + records.iter().map(|record| record.to_string().len()).sum::<usize>());
    }
    Ok(bytes)
}
