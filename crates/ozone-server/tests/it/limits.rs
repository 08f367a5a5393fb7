//! Keys, tenants, rates, tiers, and what else keeps a server standing.

use std::time::Duration;

use ozone_model::Script;
use ozone_server::{KeyEntry, Keys, Secret, ServeError};
use ozone_tools::egress::Egress;
use serde_json::json;

use crate::support::{Setup, TestServer, says};

fn key(name: &str) -> KeyEntry {
    KeyEntry {
        name: name.into(),
        key: Secret::new(format!("sk-{name}-12345678")),
        project: None,
        admin: false,
        models: None,
        requests_per_minute: None,
        tokens_per_minute: None,
    }
}

async fn with_keys(keys: Vec<KeyEntry>) -> TestServer {
    let mut setup = Setup::new([says("Yes.")]);
    setup.keys = Keys::new(keys).unwrap();
    setup.start().await
}

fn as_user(server: &mut TestServer, name: &str) {
    server.key = Some(format!("sk-{name}-12345678"));
}

#[tokio::test]
async fn a_key_is_needed_and_must_be_right() {
    let mut server = with_keys(vec![key("ann")]).await;
    assert_eq!(server.get("/v1/models").await.error(), "401 - invalid_api_key");
    as_user(&mut server, "eve");
    assert_eq!(server.get("/v1/models").await.error(), "401 - invalid_api_key");
    as_user(&mut server, "ann");
    server.get("/v1/models").await.ok();
    server.key = None;
    assert_eq!(server.get("/health").await.ok()["status"], "ok");
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let mut server = with_keys(vec![key("ann"), key("bob")]).await;
    as_user(&mut server, "ann");
    let response = server.respond(json!({"input": "?"})).await;
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    let item = response["output"][0]["id"].clone();
    as_user(&mut server, "bob");
    assert_eq!(server.get(&path).await.error(), "404 - -");
    assert_eq!(server.delete(&path).await.error(), "404 - -");
    let body = json!({"model": "scripted", "input": "?", "previous_response_id": response["id"]});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 previous_response_id previous_response_not_found");
    let body = json!({"model": "scripted", "input": [{"type": "item_reference", "id": item}]});
    assert_eq!(server.post("/v1/responses", body).await.error(), "400 input[0].id item_not_found");
    as_user(&mut server, "ann");
    server.get(&path).await.ok();
}

#[tokio::test]
async fn a_key_may_be_kept_from_models() {
    let mut ann = key("ann");
    ann.models = Some(vec!["other".into()]);
    let mut server = with_keys(vec![ann]).await;
    as_user(&mut server, "ann");
    let body = json!({"model": "scripted", "input": "?"});
    assert_eq!(server.post("/v1/responses", body).await.error(), "404 - model_not_found");
    assert_eq!(server.get("/v1/models").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn requests_beyond_the_rate_are_told_when_to_come_back() {
    let mut ann = key("ann");
    ann.requests_per_minute = Some(2);
    let mut server = with_keys(vec![ann, key("bob")]).await;
    as_user(&mut server, "ann");
    let body = || json!({"model": "scripted", "input": "?"});
    let first = server.post("/v1/responses", body()).await;
    assert_eq!(first.headers["x-ratelimit-remaining-requests"], "1");
    first.ok();
    server.post("/v1/responses", body()).await.ok();
    let refused = server.post("/v1/responses", body()).await;
    assert_eq!(refused.error(), "429 - rate_limit_exceeded");
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds));
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("try again in {seconds}s")), "{message}");
    as_user(&mut server, "bob");
    server.post("/v1/responses", body()).await.ok();
}

#[tokio::test]
async fn tokens_beyond_the_rate_are_paid_by_the_next_request() {
    let mut ann = key("ann");
    ann.tokens_per_minute = Some(3);
    let mut server = with_keys(vec![ann]).await;
    as_user(&mut server, "ann");
    let body = || json!({"model": "scripted", "input": "a question"});
    server.post("/v1/responses", body()).await.ok();
    let refused = server.post("/v1/responses", body()).await;
    assert_eq!(refused.error(), "429 - rate_limit_exceeded");
}

#[tokio::test]
async fn without_keys_only_this_machine_is_served() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let asked = |name: &'static str, value: &'static str| {
        server.request(reqwest::Method::GET, "/v1/models").header(name, value).send()
    };
    assert_eq!(asked("origin", "https://evil.example").await.unwrap().status(), 403);
    assert_eq!(asked("host", "evil.example").await.unwrap().status(), 403);
    assert_eq!(asked("origin", "http://localhost:3000").await.unwrap().status(), 200);
    assert_eq!(asked("host", "[::1]:8033").await.unwrap().status(), 200);

    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let open = ozone_server::Server {
        models: vec![],
        store: server.store.clone(),
        tools: std::sync::Arc::new(|_| vec![]),
        mcp: ozone_server::Mcp { servers: vec![], egress: Egress::new([]).unwrap() },
        web: None,
        image_generation: None,
        accounts: ozone_server::Accounts::default(),
        keys: Keys::default(),
        sealing_keys: vec![],
        reader: ozone_files::Reader::new(None, ozone_files::Limits::default()),
        containers_dir: server.containers.path().to_owned(),
        limits: ozone_server::ServerLimits::default(),
        clock: || 0,
    };
    let refused = open.serve(listener, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::OpenToOthers(_))));
}

/// A tier that is asked for is the tier of the queue: who pays for priority goes first.
#[tokio::test]
async fn higher_tiers_go_first() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let mut setup = Setup::new([hangs]);
    setup.models[0].running_max = 1;
    let server = setup.start().await;
    let ask = |tier: &'static str| {
        server.respond(json!({"input": "?", "background": true, "service_tier": tier}))
    };
    let id = |response: serde_json::Value| response["id"].as_str().unwrap().to_owned();
    let running = id(ask("default").await);
    server.until(&running, "in_progress").await;
    let mut waiting = vec![];
    for tier in ["flex", "auto", "fast"] {
        let response = ask(tier).await;
        assert_eq!(response["status"], "queued");
        waiting.push((response["service_tier"].clone(), id(response)));
    }
    let tiers: Vec<_> = waiting.iter().map(|(tier, _)| tier.as_str().unwrap()).collect();
    assert_eq!(tiers, ["flex", "default", "priority"]);
    let mut before = running;
    for (_, next) in waiting.iter().rev() {
        server.post(&format!("/v1/responses/{before}/cancel"), json!({})).await.ok();
        server.until(next, "in_progress").await;
        before = next.clone();
    }
}

#[tokio::test]
async fn flex_is_refused_when_the_queue_is_long() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let mut setup = Setup::new([hangs]);
    setup.models[0].running_max = 1;
    setup.limits.flex_waiting_max = 0;
    let server = setup.start().await;
    let first = server.respond(json!({"input": "?", "background": true})).await;
    server.until(first["id"].as_str().unwrap(), "in_progress").await;
    let body = json!({"model": "scripted", "input": "?", "service_tier": "flex"});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "429 - resource_unavailable");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let mut setup = Setup::new([says("Yes.")]);
    setup.limits.body_bytes_max = 1000;
    let server = setup.start().await;
    let body = json!({"model": "scripted", "input": "x".repeat(2000)});
    assert_eq!(server.post("/v1/responses", body).await.status, 413);
}

#[tokio::test]
async fn models_are_listed_for_every_client() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let list = server.get("/v1/models?client_version=0.169.0").await.ok();
    assert_eq!(list["data"][0]["id"], "scripted");
    for field in [
        "slug",
        "display_name",
        "supported_reasoning_levels",
        "shell_type",
        "visibility",
        "supported_in_api",
        "priority",
        "support_verbosity",
        "truncation_policy",
        "experimental_supported_tools",
        "base_instructions",
    ] {
        assert!(!list["models"][0][field].is_null(), "{field} is missing");
    }
    // Codex tells the model this and nothing else.
    let told = list["models"][0]["base_instructions"].as_str().unwrap();
    assert!(told.contains("coding agent"), "{told}");
    assert_eq!(server.get("/v1/models/scripted").await.ok(), list["data"][0]);
    assert_eq!(server.get("/v1/models/none").await.error(), "404 - model_not_found");
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let server = TestServer::scripted([says("Yes.")]).await;
    server.respond(json!({"input": "a secret question"})).await;
    let text = server.get("/metrics").await.body.as_str().unwrap().to_owned();
    let wanted = r#"ozone_responses_total{model="scripted",tier="default",status="completed"} 1"#;
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains(r#"ozone_tokens_total{model="scripted",kind="output"} 4"#), "{text}");
    assert!(!text.contains("secret"));
}

/// Stopping refuses new work while old work ends.
#[tokio::test]
async fn a_stopped_server_is_left_in_order() {
    let mut setup = Setup::new([Script::Hangs { text: "A long story".into(), after: 5 }]);
    setup.limits.drain = Duration::ZERO;
    let store = setup.store.clone();
    let server = setup.start().await;
    let asked = {
        let (url, client) = (server.url.clone(), server.client.clone());
        let body = json!({"model": "scripted", "input": "?"});
        tokio::spawn(async move {
            client
                .post(format!("{url}/v1/responses"))
                .json(&body)
                .send()
                .await
                .unwrap()
                .text()
                .await
        })
    };
    while store.list(1).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop().await;
    // Who waited gets the end of its response.
    let answer = asked.await.unwrap().unwrap();
    assert!(answer.contains("\"cancelled\""), "{answer}");
}
