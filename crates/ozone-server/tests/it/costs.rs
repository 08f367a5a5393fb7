//! What a server's responses cost, and where its budgets stop them.

use std::sync::Arc;
use std::time::Duration;

use ozone_agent::Prices;
use ozone_cost::{
    Amount, Budget, BudgetRule, Kind, LedgerLine, LedgerQuery, ModelPrice, Over, Total,
};
use ozone_model::{Script, ScriptedBackend};
use ozone_server::{KeyEntry, Keys, Secret, ServeError};
use ozone_store::{Library, SqliteStore};
use ozone_tools::Step;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

/// A dollar for a thousand tokens in, two for a thousand out; a token is a byte of the script.
fn priced(script: impl IntoIterator<Item = Script>) -> Setup {
    let mut setup = Setup::with(ScriptedBackend::new(script).with_context_window(100_000));
    let price = json!({"input_per_million": "1000", "output_per_million": "2000"});
    let price: ModelPrice = serde_json::from_value(price).unwrap();
    setup.models[0].prices = Prices::Own(price);
    setup
}

fn rule(written: Value) -> BudgetRule {
    serde_json::from_value(written).unwrap()
}

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

fn key(name: &str, project: Option<&str>) -> KeyEntry {
    KeyEntry {
        name: name.into(),
        key: Secret::new(format!("sk-{name}-12345678")),
        project: project.map(str::to_owned),
        admin: false,
        models: None,
        requests_per_minute: None,
        tokens_per_minute: None,
    }
}

fn as_user(server: &mut TestServer, name: &str) {
    server.key = Some(format!("sk-{name}-12345678"));
}

fn runs(code: &str) -> Script {
    Script::runs("Let me see.", code)
}

fn python() -> Value {
    json!([{"type": "code_interpreter", "container": {"type": "auto"}}])
}

async fn lines(server: &TestServer) -> Vec<LedgerLine> {
    server.store.ledger(&LedgerQuery::default()).await.unwrap()
}

async fn lines_of(server: &TestServer, id: &Value) -> Vec<LedgerLine> {
    server.store.ledger(&LedgerQuery::response(id.as_str().unwrap())).await.unwrap()
}

/// The exact cost that a response or a completion shows.
#[track_caller]
fn cost(response: &Value) -> Amount {
    let details = &response["usage"]["cost_details"];
    assert_eq!(details["currency"], "usd");
    usd(details["amount"].as_str().unwrap_or_else(|| panic!("{response}")))
}

fn sum(lines: &[LedgerLine]) -> Amount {
    Total::of(lines).amount().unwrap()
}

#[tokio::test]
async fn each_call_of_a_response_has_its_line() {
    let mut setup = priced([runs("print(1)"), says("One.")]);
    setup.tool_steps = vec![Step::Prints("1".into())];
    setup.keys = Keys::new([key("ann", Some("shop"))]).unwrap();
    let mut server = setup.start().await;
    as_user(&mut server, "ann");
    let body = json!({"input": "?", "tools": python(), "safety_identifier": "u7"});
    let response = server.respond(body).await;
    let lines = lines_of(&server, &response["id"]).await;
    let calls: Vec<&str> = lines.iter().map(|line| line.call.as_str()).collect();
    assert_eq!(calls, ["1:model", "1:tool:0", "2:model"]);
    for line in &lines {
        let payer = &line.payer;
        assert_eq!((&*payer.key, &*payer.project, &*payer.user), ("ann", "shop", "u7"));
    }
    assert_eq!(lines[1].kind, Kind::Tool);
    assert!(lines[1].machine_ms.is_some());
    assert_eq!(cost(&response), sum(&lines));
    let usage = &response["usage"];
    let thousandths =
        usage["input_tokens"].as_u64().unwrap() + 2 * usage["output_tokens"].as_u64().unwrap();
    assert_eq!(cost(&response), Amount::from_nano(thousandths as i64 * 1_000_000));
    // The number beside it is for clients that know no other.
    let number = usage["cost"].as_f64().unwrap();
    assert!((number - thousandths as f64 / 1000.0).abs() < 1e-9);
}

/// Whatever the door: a response costs the same and is in the ledger once.
#[tokio::test]
async fn every_way_in_is_charged() {
    let server = priced([says("Yes.")]).start().await;
    let whole = usd("0.009");
    let plain = server.respond(json!({"input": "?"})).await;
    let streamed = server.stream(json!({"input": "?"})).await.sound().last();
    let unstored = server.respond(json!({"input": "?", "store": false})).await;
    let started = server.respond(json!({"input": "?", "background": true})).await;
    let background = server.until(started["id"].as_str().unwrap(), "completed").await;
    for response in [&plain, &streamed, &unstored, &background] {
        assert_eq!(cost(response), whole);
        assert_eq!(sum(&lines_of(&server, &response["id"]).await), whole);
    }
    // It stays with a response that is asked for again.
    let path = format!("/v1/responses/{}", plain["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.ok()["usage"], plain["usage"]);
    assert_eq!(lines(&server).await.len(), 4);

    let chat = json!({"model": "scripted", "messages": [{"role": "user", "content": "?"}]});
    let completion = server.post("/v1/chat/completions", chat).await.ok();
    assert_eq!(cost(&completion), whole);
    assert_eq!(lines(&server).await.len(), 5);
    let body = json!({"model": "scripted", "input": "?"});
    let compacted = server.post("/v1/responses/compact", body.clone()).await.ok();
    assert_eq!(cost(&compacted), sum(&lines_of(&server, &compacted["id"]).await));
    server.post("/v1/responses/input_tokens", body).await.ok();
    assert_eq!(lines(&server).await.len(), 7);
}

#[tokio::test]
async fn a_price_that_nobody_knows_is_null_and_not_zero() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let last = server.stream(json!({"input": "?"})).await.sound().last();
    assert_eq!(last["usage"]["cost"], Value::Null);
    let details = json!({
        "amount": null, "currency": "usd", "is_estimate": false, "unknown_calls": 1,
    });
    assert_eq!(last["usage"]["cost_details"], details);
    assert_eq!(lines(&server).await[0].unknown, ["no price for the model `scripted`"]);
}

/// A stream that breaks was paid for: its cost is an estimate, and says so.
#[tokio::test]
async fn an_estimate_is_marked() {
    let text = "0123456789".to_owned();
    let server = priced([Script::Breaks { text, after: 4, times: 1 }]).start().await;
    let response = server.respond(json!({"input": "?"})).await;
    assert_eq!(response["usage"]["cost_details"]["is_estimate"], true);
    let lines = lines_of(&server, &response["id"]).await;
    let calls: Vec<_> = lines.iter().map(|line| (line.call.as_str(), line.estimate)).collect();
    assert_eq!(calls, [("1:model", false), ("1:model:cut:0", true)]);
    assert_eq!(cost(&response), sum(&lines));
}

#[tokio::test]
async fn a_key_whose_budget_is_spent_is_refused_and_told_why() {
    let mut setup = priced([says("Yes.")]);
    setup.keys = Keys::new([key("ann", None), key("bob", None)]).unwrap();
    setup.accounts.budgets = vec![rule(json!({"key": "ann", "per": "day", "amount": "0.6"}))];
    let mut server = setup.start().await;
    as_user(&mut server, "ann");
    let body = json!({"model": "scripted", "input": "?"});
    let mut made = 0;
    let refused = loop {
        let answer = server.post("/v1/responses", body.clone()).await;
        if !answer.status.is_success() {
            break answer;
        }
        made += 1;
        assert!(made < 100, "nothing stops it");
    };
    assert!(made > 0);
    assert_eq!(refused.error(), "429 - insufficient_quota");
    assert_eq!(refused.body["error"]["type"], "insufficient_quota");
    assert_eq!(refused.headers["x-should-retry"], "false");
    let message = refused.body["error"]["message"].as_str().unwrap();
    let spent = sum(&lines(&server).await);
    let told = format!(
        "You exceeded your current quota: of the budget of $0.6 a day for the key `ann`, ${spent} \
         is spent, and ${} does not pay for more; it begins anew at 2027-01-16T00:00:00Z.",
        usd("0.6") - spent
    );
    assert_eq!(message, told);
    assert_eq!(server.store.list(999).await.unwrap().len(), made, "refused work was stored");
    for route in ["/v1/responses/compact", "/v1/responses/input_tokens"] {
        assert_eq!(server.post(route, body.clone()).await.error(), "429 - insufficient_quota");
    }
    let chat = json!({"model": "scripted", "messages": [{"role": "user", "content": "?"}]});
    let refused = server.post("/v1/chat/completions", chat).await;
    assert_eq!(refused.error(), "429 - insufficient_quota");
    as_user(&mut server, "bob");
    server.respond(json!({"input": "?"})).await;
}

/// The loop stops in its middle, and what was done is kept and paid for.
#[tokio::test]
async fn a_response_that_reaches_its_budget_is_incomplete() {
    let samples: Vec<Script> = (0..30).map(|i| runs(&format!("print({i})"))).collect();
    let mut setup = priced(samples);
    setup.tool_steps = (0..30).map(|i| Step::Prints(i.to_string())).collect();
    setup.accounts.budgets = vec![rule(json!({"per": "request", "amount": "3"}))];
    let server = setup.start().await;
    let response = server.stream(json!({"input": "?", "tools": python()})).await.sound().last();
    assert_eq!(response["status"], "incomplete");
    assert_eq!(response["incomplete_details"]["reason"], "cost_limit");
    let message = response["incomplete_details"]["message"].as_str().unwrap();
    assert!(message.contains("the budget of $3 for one request"), "{message}");
    let lines = lines_of(&server, &response["id"]).await;
    assert!(lines.len() > 3, "{}", lines.len());
    assert_eq!(cost(&response), sum(&lines));
    assert!(sum(&lines) <= usd("3"));
    // The next request has a budget of its own.
    server.stream(json!({"input": "?", "tools": python()})).await.sound();
}

/// An answer is as long as the budget pays for.
#[tokio::test]
async fn an_answer_is_cut_where_the_money_ends() {
    let mut setup = priced([says(&"word ".repeat(2_000))]);
    setup.accounts.budgets = vec![rule(json!({"model": "scripted", "per": "24h", "amount": "4"}))];
    let server = setup.start().await;
    let response = server.respond(json!({"input": "?"})).await;
    assert_eq!(response["incomplete_details"]["reason"], "cost_limit");
    let tokens = response["usage"]["output_tokens"].as_u64().unwrap();
    assert!((100..10_000).contains(&tokens), "{tokens}");
    assert!(cost(&response) <= usd("4"));
}

/// 64 requests at once, in every mixture of short and long answers: what they cost together never
/// passes the limit, and nothing stays reserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_requests_at_once_cannot_overspend() {
    for (limit, max_output_tokens) in [("5", Some(40)), ("3", Some(200)), ("2", None)] {
        let mut setup = priced([runs("print(1)"), says("It is one, and it stays one.")]);
        setup.tool_steps = vec![Step::Prints("1".into())];
        let budget = json!({"per": "month", "amount": limit, "alerts": [20]});
        setup.accounts.budgets = vec![rule(budget)];
        let server = Arc::new(setup.start().await);
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..64 {
            let server = server.clone();
            asked.spawn(async move {
                let mut body = json!({"model": "scripted", "input": "?", "tools": python()});
                if let Some(max) = max_output_tokens {
                    body["max_output_tokens"] = json!(max + n);
                }
                let answer = server.post("/v1/responses", body).await;
                match answer.status.as_u16() {
                    200 => answer.body["status"].as_str().unwrap().to_owned(),
                    429 => answer.body["error"]["code"].as_str().unwrap().to_owned(),
                    other => panic!("{other} {}", answer.body),
                }
            });
        }
        let outcomes = asked.join_all().await;
        let made = outcomes.iter().filter(|o| *o == "completed" || *o == "incomplete").count();
        let others = outcomes.len() - made;
        assert_eq!(outcomes.iter().filter(|o| *o == "insufficient_quota").count(), others);
        assert!(made > 0, "{outcomes:?}");
        let spent = sum(&lines(&server).await);
        let budget = Budget::new("all", usd(limit), Over::Month);
        let standing = server.store.standing(&budget, 1_800_000_000).await.unwrap();
        assert_eq!(standing.spent, spent);
        assert!(standing.reserved.is_zero());
        assert!(spent <= usd(limit), "{spent} of {limit}");
        // The limit holds back only what does not fit.
        assert!(spent > Amount::from_nano(usd(limit).nano_rounded_up() / 4), "{spent} of {limit}");
        let alerts = server.store.alerts(9).await.unwrap();
        let said: Vec<_> = alerts.iter().map(|a| (a.percent, a.budget.scope.as_str())).collect();
        assert_eq!(said, [(20, "all")]);
    }
}

/// The process dies between two steps: the next one charges nothing twice and forgets nothing.
#[tokio::test]
async fn a_restart_charges_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Library> =
        Arc::new(SqliteStore::open(&folder.path().join("ozone.db")).unwrap());
    let budget = || vec![rule(json!({"per": "day", "amount": "900"}))];
    let hangs = Script::Hangs { text: "It is one.".into(), after: 4 };
    let mut first = priced([runs("print(1)"), hangs]);
    first.store = store.clone();
    first.tool_steps = vec![Step::Prints("1".into())];
    first.limits.drain = Duration::ZERO;
    first.accounts.budgets = budget();
    let first = first.start().await;
    let body = json!({"input": "?", "background": true, "tools": python()});
    let started = first.respond(body).await;
    let id = started["id"].as_str().unwrap().to_owned();
    // The first step is charged, and the second one has begun.
    while lines(&first).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    let limit = Budget::new("all", usd("900"), Over::Day);
    while store.standing(&limit, 1_800_000_000).await.unwrap().reserved.is_zero() {
        tokio::task::yield_now().await;
    }
    first.stop().await;
    let before = store.ledger(&LedgerQuery::response(&id)).await.unwrap();

    let mut second = priced([runs("print(1)"), says("It is one.")]);
    second.store = store.clone();
    second.accounts.budgets = budget();
    let second = second.start().await;
    let done = second.until(&id, "completed").await;
    let after = store.ledger(&LedgerQuery::response(&id)).await.unwrap();
    assert_eq!(after[..before.len()], before);
    let calls: Vec<&str> = after.iter().map(|line| line.call.as_str()).collect();
    assert_eq!(calls, ["1:model", "1:tool:0", "2:model"]);
    assert_eq!(cost(&done), sum(&after));
    let standing = store.standing(&limit, 1_800_000_000).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (sum(&after), Amount::ZERO));
}

/// Lines of a batch that find no money are in the file of errors, with the reason.
#[tokio::test]
async fn a_batch_stops_at_its_budget() {
    let mut setup = priced([says("Yes.")]);
    setup.accounts.budgets = vec![rule(json!({"per": "day", "amount": "0.1"}))];
    let server = setup.start().await;
    let line = json!({
        "custom_id": "a", "method": "POST", "url": "/v1/responses",
        "body": {"model": "scripted", "input": "?"},
    });
    let part = reqwest::multipart::Part::text(line.to_string()).file_name("in.jsonl");
    let form = reqwest::multipart::Form::new().text("purpose", "batch").part("file", part);
    let sent = server.request(reqwest::Method::POST, "/v1/files").multipart(form).send();
    let file: Value = sent.await.unwrap().json().await.unwrap();
    let batch = json!({
        "input_file_id": file["id"], "endpoint": "/v1/responses", "completion_window": "24h",
    });
    let batch = server.post("/v1/batches", batch).await.ok();
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let errors = loop {
        let batch = server.get(&path).await.ok();
        if batch["status"] == "completed" {
            break batch["error_file_id"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    };
    let answer = server.get(&format!("/v1/files/{errors}/content")).await.ok();
    assert_eq!(answer["response"]["status_code"], 429);
    assert_eq!(answer["response"]["body"]["error"]["code"], "insufficient_quota");
}

/// What was spent before there was a budget counts towards it.
#[tokio::test]
async fn a_new_budget_knows_what_was_spent_before() {
    let setup = priced([says("Yes.")]);
    let store = setup.store.clone();
    let server = setup.start().await;
    for _ in 0..3 {
        server.respond(json!({"input": "?"})).await;
    }
    let spent = sum(&lines(&server).await);
    server.stop().await;
    let limit = Budget::new("model:scripted", usd("0.6"), Over::Month);
    for _ in 0..2 {
        let mut setup = priced([says("Yes.")]);
        setup.store = store.clone();
        let budget = json!({"model": "scripted", "per": "month", "amount": "0.6"});
        setup.accounts.budgets = vec![rule(budget)];
        setup.start().await.stop().await;
        assert_eq!(store.standing(&limit, 1_800_000_000).await.unwrap().spent, spent);
    }
}

/// Another name of a model is no way around its budget.
#[tokio::test]
async fn an_alias_spends_from_the_budget_of_its_model() {
    let mut setup = priced([says("Yes.")]);
    let mut alias = setup.models[0].clone();
    alias.id = "o3".into();
    setup.models.push(alias);
    let budget = json!({"model": "scripted", "per": "day", "amount": "0.001"});
    setup.accounts.budgets = vec![rule(budget)];
    let server = setup.start().await;
    let refused = server.post("/v1/responses", json!({"model": "o3", "input": "?"})).await;
    assert_eq!(refused.error(), "429 - insufficient_quota");
}

#[tokio::test]
async fn a_budget_that_could_not_hold_is_refused_at_the_start() {
    let start = async |written: Value, is_priced: bool| -> String {
        let mut setup = if is_priced { priced([]) } else { Setup::new([]) };
        setup.keys = Keys::new([key("ann", Some("shop"))]).unwrap();
        setup.accounts.budgets = vec![rule(written)];
        match setup.refused().await {
            ServeError::Start(why) => why,
            other => panic!("{other}"),
        }
    };
    let day = |field: &str, name: &str| json!({"per": "day", "amount": "1", field: name});
    assert_eq!(
        start(day("key", "eve"), true).await,
        "the budget of $1 a day for the key `eve`: no API key is named `eve`"
    );
    assert_eq!(
        start(day("project", "none"), true).await,
        "the budget of $1 a day for the project `none`: no API key belongs to the project `none`"
    );
    assert_eq!(
        start(day("model", "o3"), true).await,
        "the budget of $1 a day for the model `o3`: no model is named `o3`"
    );
    let euros = start(day("currency", "EUR"), true).await;
    assert!(euros.starts_with("the budget of 1 EUR a day: no rate of EUR to USD on "), "{euros}");
    assert_eq!(
        start(day("key", "*"), false).await,
        "the budget of $1 a day for each key: it covers the model `scripted`, and nothing measures \
         what that costs (no price for the model `scripted`); give it a price"
    );
}
