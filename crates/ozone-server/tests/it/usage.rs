//! What was used and what it cost, over HTTP; spend limits and alerts.

use ozone_agent::Prices;
use ozone_cost::{Facts, Kind, LedgerLine, Meter, ModelPrice, Payer, Price, PriceBook, Tokens};
use ozone_server::{KeyEntry, Keys, Secret};
use ozone_store::{Change, Document};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

/// The clock of every test's server: 2027-01-15, 08:00.
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const TODAY: i64 = NOW - NOW % DAY;

fn key(name: &str, project: Option<&str>, admin: bool) -> KeyEntry {
    KeyEntry {
        name: name.into(),
        key: Secret::new(format!("sk-{name}-12345678")),
        project: project.map(str::to_owned),
        admin,
        models: None,
        requests_per_minute: None,
        tokens_per_minute: None,
    }
}

fn as_user(server: &mut TestServer, name: &str) {
    server.key = Some(format!("sk-{name}-12345678"));
}

/// A thousandth of a dollar for a token that comes out, and nothing for those that go in.
fn dear() -> Prices {
    Prices::Own(ModelPrice {
        input_per_million: Price::ZERO,
        cached_input_per_million: None,
        output_per_million: Price::per_million("1000").unwrap(),
    })
}

fn setup() -> Setup {
    let mut setup = Setup::new([says("Yes.")]);
    setup.models[0].prices = dear();
    setup
}

/// Ann and Bob work in projects of their own, and Eve looks after all of it.
async fn office() -> TestServer {
    let mut setup = setup();
    let keys =
        [key("ann", Some("red"), false), key("bob", Some("blue"), false), key("eve", None, true)];
    setup.keys = Keys::new(keys).unwrap();
    setup.start().await
}

/// A call of o3 at this instant: 0.031 dollars.
fn call(id: usize, at: i64, key: &str, project: &str) -> LedgerLine {
    let tokens = Tokens::default()
        .with(Meter::Input, 4_000)
        .with(Meter::CachedInput, 6_000)
        .with(Meter::Output, 2_500);
    let id = format!("resp_{id}");
    let line = LedgerLine::new(&id, LedgerLine::model_call(1), Kind::Model, "o3", at);
    let payer = Payer { key: key.into(), project: project.into(), ..Payer::default() };
    LedgerLine { payer, ..line.priced(&PriceBook::built_in(), Facts::new("openai", "o3", tokens)) }
}

fn results(page: &Value) -> Vec<Value> {
    let buckets = page["data"].as_array().unwrap().iter();
    buckets.flat_map(|bucket| bucket["results"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn what_a_response_used_stands_in_its_bucket() {
    let server = setup().start().await;
    let response = server.respond(json!({"input": "Is it?"})).await;
    let path = format!("/v1/organization/usage/completions?start_time={TODAY}&group_by=model");
    let page = server.get(&path).await.ok();
    assert_eq!((&page["object"], &page["has_more"]), (&json!("page"), &json!(false)));
    let bucket = &page["data"][0];
    assert_eq!((&bucket["start_time"], &bucket["end_time"]), (&json!(TODAY), &json!(NOW + 1)));
    let result = &results(&page)[0];
    assert_eq!(result["model"], "scripted");
    assert_eq!(result["num_model_requests"], 1);
    for name in ["input_tokens", "output_tokens"] {
        assert_eq!(result[name], response["usage"][name], "{name}");
        assert_ne!(result[name], 0, "{name}");
    }
    let path = format!("/v1/organization/costs?start_time={TODAY}&group_by[]=line_item");
    let costs = results(&server.get(&path).await.ok());
    let tokens = result["output_tokens"].as_u64().unwrap();
    assert_eq!(costs[0]["amount"]["value"], json!(tokens as f64 / 1000.0));
    assert_eq!(
        (&costs[0]["line_item"], &costs[0]["unknown_calls"]),
        (&json!("scripted"), &json!(0))
    );
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let server = setup().start().await;
    let lines = (0..40).map(|day| call(day as usize, TODAY - day * DAY, "", "")).collect();
    server.store.charge(lines).await.unwrap();
    let start = TODAY - 39 * DAY;
    let first = format!("/v1/organization/costs?start_time={start}&limit=7");
    let (mut path, mut pages, mut sum) = (first.clone(), 0, 0.0);
    loop {
        let page = server.get(&path).await.ok();
        pages += 1;
        sum += results(&page).iter().map(|r| r["amount"]["value"].as_f64().unwrap()).sum::<f64>();
        match page["next_page"].as_str() {
            Some(next) => path = format!("{first}&page={next}"),
            None => break,
        }
    }
    assert_eq!((pages, format!("{sum:.3}")), (6, "1.240".to_owned()));
    let hours = format!(
        "/v1/organization/usage/completions?start_time={}&end_time={TODAY}&bucket_width=1h",
        TODAY - DAY
    );
    let page = server.get(&hours).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 24);
    assert_eq!(results(&page).len(), 1, "the edge of the range belongs to the next one");
}

#[tokio::test]
async fn a_key_hears_of_itself_and_an_administrator_of_everybody() {
    let mut server = office().await;
    let lines = vec![
        call(1, TODAY, "ann", "red"),
        call(2, TODAY, "bob", "blue"),
        call(3, TODAY + 1, "bob", "blue"),
    ];
    server.store.charge(lines).await.unwrap();
    let path = format!("/v1/organization/usage/completions?start_time={TODAY}");
    assert_eq!(server.get(&path).await.error(), "401 - invalid_api_key");
    let requests = |page: Value| -> Vec<u64> {
        results(&page).iter().map(|r| r["num_model_requests"].as_u64().unwrap()).collect()
    };
    as_user(&mut server, "ann");
    assert_eq!(requests(server.get(&path).await.ok()), [1]);
    let of_bob = format!("{path}&api_key_ids=bob&project_ids=blue");
    assert_eq!(requests(server.get(&of_bob).await.ok()), [] as [u64; 0]);
    as_user(&mut server, "eve");
    assert_eq!(requests(server.get(&path).await.ok()), [3]);
    assert_eq!(requests(server.get(&of_bob).await.ok()), [2]);
    let grouped = server.get(&format!("{path}&group_by=project_id")).await.ok();
    let projects: Vec<_> = results(&grouped).iter().map(|r| r["project_id"].clone()).collect();
    assert_eq!(projects, [json!("blue"), json!("red")]);
}

#[tokio::test]
async fn what_vector_stores_hold_is_told_by_bucket() {
    let mut server = office().await;
    let store = |tenant: &str, id: &str, created_at: i64, bytes: u64| {
        Change::Put(Document {
            kind: "vector_store".into(),
            tenant: tenant.into(),
            id: id.into(),
            parent: String::new(),
            body: json!({"id": id, "created_at": created_at, "usage_bytes": bytes}),
        })
    };
    let stores = vec![
        store("ann", "vs_1", TODAY - DAY, 7),
        store("ann", "vs_2", TODAY + 60, 20),
        store("bob", "vs_3", TODAY + 60, 100),
    ];
    server.store.apply(stores).await.unwrap();
    let path = format!("/v1/organization/usage/vector_stores?start_time={}", TODAY - DAY);
    let bytes = |page: Value| -> Vec<u64> {
        results(&page).iter().map(|r| r["usage_bytes"].as_u64().unwrap()).collect()
    };
    as_user(&mut server, "ann");
    assert_eq!(bytes(server.get(&path).await.ok()), [7, 27]);
    as_user(&mut server, "eve");
    assert_eq!(bytes(server.get(&path).await.ok()), [7, 127]);
    let blue = server.get(&format!("{path}&project_ids=blue&group_by=project_id")).await.ok();
    assert_eq!(results(&blue)[0]["project_id"], "blue");
    assert_eq!(bytes(blue), [100]);
}

#[tokio::test]
async fn a_wrong_query_is_named() {
    let server = setup().start().await;
    for (path, error) in [
        ("usage/completions", "400 start_time invalid_value"),
        ("usage/completions?start_time=0&bucket_width=2d", "400 bucket_width invalid_value"),
        ("usage/completions?start_time=0&limit=32", "400 limit invalid_value"),
        ("usage/completions?start_time=0&group_by=shoe", "400 group_by invalid_value"),
        ("costs?start_time=0&bucket_width=1h", "400 bucket_width invalid_value"),
        ("costs?start_time=0&page=2", "400 page invalid_value"),
        ("usage/horses?start_time=0", "404 - unknown_url"),
    ] {
        let answer = server.get(&format!("/v1/organization/{path}")).await;
        assert_eq!(answer.error(), error, "{path}");
    }
}

fn limit(cents: u64) -> Value {
    json!({"threshold_amount": cents, "currency": "USD", "interval": "month"})
}

const LIMIT: &str = "/v1/organization/spend_limit";

#[tokio::test]
async fn a_spend_limit_counts_its_month_and_stops_what_goes_beyond() {
    let server = setup().start().await;
    assert_eq!(server.get(LIMIT).await.error(), "404 - -");
    // One call of this month counts against it, one of the month before does not.
    let month = NOW - 14 * DAY - NOW % DAY;
    let lines = vec![call(1, month, "", ""), call(2, month - 1, "", "")];
    server.store.charge(lines).await.unwrap();
    let set = server.post(LIMIT, limit(10_000)).await.ok();
    assert_eq!(
        set,
        json!({
            "object": "organization.spend_limit", "threshold_amount": 10_000, "currency": "USD",
            "interval": "month", "enforcement": {"status": "inactive"}, "spent": "0.031"
        })
    );
    let body = || json!({"model": "scripted", "input": "?", "max_output_tokens": 100});
    server.post("/v1/responses", body()).await.ok();
    let set = server.post(LIMIT, limit(3)).await.ok();
    assert_eq!(set["enforcement"]["status"], "enforcing");
    let refused = server.post("/v1/responses", body()).await;
    assert_eq!(refused.error(), "429 - insufficient_quota");
    let deleted = server.delete(LIMIT).await.ok();
    assert_eq!(deleted, json!({"object": "organization.spend_limit.deleted", "deleted": true}));
    server.post("/v1/responses", body()).await.ok();
    assert_eq!(server.delete(LIMIT).await.error(), "404 - -");
    // What was spent while there was no limit counts in the next one.
    let costs = format!("/v1/organization/costs?start_time={month}&limit=31");
    let costs = results(&server.get(&costs).await.ok());
    let exact: f64 = costs.iter().map(|r| r["amount"]["value"].as_f64().unwrap()).sum();
    let set = server.post(LIMIT, limit(10_000)).await.ok();
    let spent: f64 = set["spent"].as_str().unwrap().parse().unwrap();
    assert!((spent - exact).abs() < 1e-9, "{spent} {exact}");
}

#[tokio::test]
async fn the_limit_of_a_project_holds_its_keys_alone() {
    let mut server = office().await;
    let red = "/v1/organization/projects/red/spend_limit";
    as_user(&mut server, "ann");
    assert_eq!(server.post(red, limit(0)).await.error(), "403 - -");
    assert_eq!(server.get(LIMIT).await.error(), "403 - -");
    as_user(&mut server, "eve");
    assert_eq!(server.get("/v1/organization/projects/green/spend_limit").await.error(), "404 - -");
    let set = server.post(red, limit(0)).await.ok();
    assert_eq!(set["object"], "project.spend_limit");
    let body = || json!({"model": "scripted", "input": "?"});
    as_user(&mut server, "ann");
    assert_eq!(server.post("/v1/responses", body()).await.error(), "429 - insufficient_quota");
    as_user(&mut server, "bob");
    server.post("/v1/responses", body()).await.ok();
}

#[tokio::test]
async fn what_is_no_limit_is_refused() {
    let server = setup().start().await;
    let with = |name: &str, value: Value| {
        let mut body = limit(5);
        body[name] = value;
        body
    };
    for (body, error) in [
        (json!({}), "400 currency missing_required_parameter"),
        (with("currency", json!("EUR")), "400 currency invalid_value"),
        (with("interval", json!("day")), "400 interval invalid_value"),
        (with("threshold_amount", Value::Null), "400 threshold_amount missing_required_parameter"),
        (with("threshold_amount", json!(-1)), "400 threshold_amount invalid_value"),
        (with("threshold_amount", json!(0.5)), "400 threshold_amount invalid_value"),
        (with("threshold_amount", json!(u64::MAX)), "400 threshold_amount invalid_value"),
        (with("threshold_amount", json!("5")), "400 threshold_amount invalid_type"),
        (json!([]), "400 - invalid_type"),
    ] {
        assert_eq!(server.post(LIMIT, body.clone()).await.error(), error, "{body}");
    }
    assert_eq!(server.get(LIMIT).await.error(), "404 - -");
}

/// A limit that something could pass unseen would be none.
#[tokio::test]
async fn no_limit_is_taken_over_a_model_without_a_price() {
    let server = Setup::new([says("Yes.")]).start().await;
    let refused = server.post(LIMIT, limit(500)).await;
    assert_eq!(refused.error(), "400 - -");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("scripted") && message.contains("price"), "{message}");
    assert_eq!(server.get(LIMIT).await.error(), "404 - -");
    server.respond(json!({"input": "?"})).await;
}

const ALERTS: &str = "/v1/organization/spend_alerts";

fn alert(cents: u64) -> Value {
    let mut body = limit(cents);
    body["notification_channel"] = json!({"type": "email", "recipients": ["eve@example.com"]});
    body
}

#[tokio::test]
async fn alerts_are_kept_listed_changed_and_deleted() {
    let server = setup().start().await;
    let first = server.post(ALERTS, alert(500)).await.ok();
    let id = first["id"].as_str().unwrap().to_owned();
    assert_eq!(
        first,
        json!({
            "id": id, "object": "organization.spend_alert", "threshold_amount": 500,
            "currency": "USD", "interval": "month",
            "notification_channel": {
                "type": "email", "recipients": ["eve@example.com"], "subject_prefix": null
            },
            "triggered_at": null
        })
    );
    let second = server.post(ALERTS, alert(900)).await.ok();
    let page = server.get(&format!("{ALERTS}?limit=1&order=asc")).await.ok();
    assert_eq!((&page["data"], &page["has_more"]), (&json!([first]), &json!(true)));
    let page = server.get(&format!("{ALERTS}?order=asc&after={id}")).await.ok();
    assert_eq!((&page["data"], &page["has_more"]), (&json!([second]), &json!(false)));
    let path = format!("{ALERTS}/{id}");
    let changed = server.post(&path, alert(700)).await.ok();
    assert_eq!((&changed["id"], &changed["threshold_amount"]), (&json!(id), &json!(700)));
    assert_eq!(server.get(&path).await.ok(), changed);
    let deleted = json!({"object": "organization.spend_alert.deleted", "id": id, "deleted": true});
    assert_eq!(server.delete(&path).await.ok(), deleted);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(server.send(method, &path, None).await.error(), "404 - -");
    }
    assert_eq!(server.post(&path, alert(1)).await.error(), "404 - -");
    let mut wrong = alert(1);
    wrong["notification_channel"]["recipients"] = json!(["nobody"]);
    let param = "400 notification_channel.recipients invalid_value";
    assert_eq!(server.post(ALERTS, wrong.clone()).await.error(), param);
    wrong["notification_channel"] = json!({"type": "pigeon", "recipients": ["a@b"]});
    let param = "400 notification_channel.type invalid_value";
    assert_eq!(server.post(ALERTS, wrong).await.error(), param);
}

#[tokio::test]
async fn an_alert_goes_off_when_a_response_reaches_its_threshold() {
    let mut server = office().await;
    as_user(&mut server, "eve");
    let red = "/v1/organization/projects/red/spend_alerts";
    let id = |alert: &Value| alert["id"].as_str().unwrap().to_owned();
    let far = id(&server.post(ALERTS, alert(1_000_000)).await.ok());
    let near = id(&server.post(ALERTS, alert(1)).await.ok());
    let others = id(&server.post(red, alert(1)).await.ok());
    // Without keys' costs so far, nothing is due: 10 tokens at least cost a cent.
    let at = async |server: &TestServer, path: String| {
        server.get(&path).await.ok()["triggered_at"].clone()
    };
    assert_eq!(at(&server, format!("{ALERTS}/{near}")).await, Value::Null);
    as_user(&mut server, "bob");
    for _ in 0..10 {
        server.respond(json!({"input": "?"})).await;
    }
    as_user(&mut server, "eve");
    assert_eq!(at(&server, format!("{ALERTS}/{near}")).await, json!(NOW));
    assert_eq!(at(&server, format!("{ALERTS}/{far}")).await, Value::Null);
    assert_eq!(at(&server, format!("{red}/{others}")).await, Value::Null, "bob is not of red");
    // One that is reached when it is set says so at once.
    let late = server.post(ALERTS, alert(1)).await.ok();
    assert_eq!(late["triggered_at"], json!(NOW));
}
