//! URLs of pictures and files in a request, fetched from a server on loopback that the configuration
//! allows.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use ozone_model::{ScriptedBackend, Turn};
use ozone_prompt::Message;
use ozone_server::{FetchLimits, Mcp};
use ozone_tools::egress::Egress;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Answer, Setup, TestServer, says};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

/// Somebody's web server.
async fn site() -> String {
    let typed = |kind: &'static str, body: Vec<u8>| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], body).into_response() })
    };
    let router = Router::new()
        .route("/cat.png", typed("image/png", PNG.to_vec()))
        .route("/untyped", typed("application/octet-stream", PNG.to_vec()))
        .route("/page", typed("text/html; charset=utf-8", b"<h1>no picture</h1>".to_vec()))
        .route("/notes.md", typed("text/markdown", "# Größe: 3 m".into()))
        .route("/data.json", typed("application/json", b"{\"a\": 1}".to_vec()))
        .route("/paper.pdf", typed("application/pdf", b"%PDF-1.7 plain enough".to_vec()))
        .route("/latin1.txt", typed("text/plain", b"Gr\xf6\xdfe".to_vec()))
        .route("/empty", typed("image/png", vec![]))
        .route("/big", typed("image/png", [PNG, &[0; 5000]].concat()))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/moved", get(|| async { Redirect::temporary("/cat.png") }))
        .route("/inside", get(|| async { Redirect::temporary("http://10.0.0.1/secret") }))
        .route("/never", get(std::future::pending::<&'static str>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A server that may reach loopback, with small limits, and its model to look into.
async fn serving(model: ScriptedBackend) -> (TestServer, Arc<ScriptedBackend>) {
    let backend = Arc::new(model);
    let mut setup = Setup::with_backend(backend.clone());
    let egress = Egress::new(["127.0.0.0/8".parse().unwrap()]).unwrap();
    setup.mcp = Mcp { servers: vec![], egress };
    setup.limits.fetch =
        FetchLimits { count_max: 3, bytes_max: 4096, time_max: Duration::from_secs(60) };
    (setup.start().await, backend)
}

fn seeing() -> ScriptedBackend {
    ScriptedBackend::new([says("Seen.")]).that_sees()
}

fn image(url: &str) -> Value {
    json!({ "type": "input_image", "image_url": url })
}

fn file(url: &str) -> Value {
    json!({ "type": "input_file", "file_url": url })
}

async fn ask(server: &TestServer, parts: &[Value]) -> Answer {
    let text = json!({ "type": "input_text", "text": "What is it?" });
    let content = [vec![text], parts.to_vec()].concat();
    let input = json!([{ "role": "user", "content": content }]);
    server.post("/v1/responses", json!({ "model": "scripted", "input": input })).await
}

fn seen_by(backend: &ScriptedBackend) -> Vec<(String, Vec<u8>)> {
    let request = backend.requests().pop().unwrap();
    let images = request.turns.into_iter().filter_map(|turn| match turn {
        Turn::Shown { images, .. } | Turn::Returned { images, .. } => Some(images),
        Turn::Given(_) | Turn::Sampled { .. } => None,
    });
    images.flatten().map(|image| (image.media_type, image.bytes.to_vec())).collect()
}

#[tokio::test]
async fn a_picture_at_a_url_is_shown_to_the_model() {
    let (site, (server, backend)) = (site().await, serving(seeing()).await);
    for path in ["/cat.png", "/untyped", "/moved"] {
        ask(&server, &[image(&format!("{site}{path}"))]).await.ok();
        assert_eq!(seen_by(&backend), [("image/png".to_owned(), PNG.to_vec())], "{path}");
    }
}

#[tokio::test]
async fn a_picture_of_a_tools_output_and_of_a_chat_is_fetched_too() {
    let (site, (server, backend)) = (site().await, serving(seeing()).await);
    let url = format!("{site}/cat.png");
    let input = json!([
        {"role": "user", "content": "Take a photo."},
        {"type": "function_call", "call_id": "c1", "name": "photo", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [image(&url)]},
    ]);
    server.respond(json!({ "input": input })).await;
    assert_eq!(seen_by(&backend).len(), 1);
    let content = json!([{"type": "image_url", "image_url": {"url": url}}]);
    let messages = json!([{ "role": "user", "content": content }]);
    let body = json!({ "model": "scripted", "messages": messages });
    server.post("/v1/chat/completions", body).await.ok();
    assert_eq!(seen_by(&backend).len(), 1);
}

#[tokio::test]
async fn a_text_file_at_a_url_is_read_by_the_model() {
    let site = site().await;
    let (server, backend) = serving(ScriptedBackend::new([says("Read.")])).await;
    let named = json!({
        "type": "input_file", "filename": "b.json", "file_url": format!("{site}/data.json?token=x"),
    });
    let (notes, latin) = (file(&format!("{site}/notes.md?token=x")), format!("{site}/latin1.txt"));
    ask(&server, &[notes, named, file(&latin)]).await.ok();
    let request = backend.requests().pop().unwrap();
    let Turn::Given(Message::User { text }) = &request.turns[0] else { panic!("{request:?}") };
    assert!(text.contains("<file name=\"notes.md\">\n# Größe: 3 m\n</file>"), "{text}");
    assert!(text.contains("<file name=\"b.json\">\n{\"a\": 1}\n</file>"), "{text}");
    assert!(text.contains("<file name=\"latin1.txt\">\nGröße\n</file>"), "{text}");
}

/// So a later turn, a listing and a resumed run need the address no more.
#[tokio::test]
async fn what_was_fetched_is_what_is_stored() {
    let (site, (server, _)) = (site().await, serving(seeing()).await);
    let response = ask(&server, &[image(&format!("{site}/cat.png?token=x"))]).await.ok();
    let id = response["id"].as_str().unwrap();
    let items = server.get(&format!("/v1/responses/{id}/input_items")).await.ok();
    let url = items["data"][0]["content"][1]["image_url"].as_str().unwrap();
    assert!(url.starts_with("data:image/png;base64,"), "{url}");
}

#[tokio::test]
async fn what_cannot_be_had_is_an_error_that_names_its_parameter() {
    let (site, (server, backend)) = (site().await, serving(seeing()).await);
    let at = |path: &str| format!("{site}{path}");
    let cases = [
        (image(&at("/page")), "image_url unsupported_image_media_type"),
        (image(&at("/gone")), "image_url failed_to_download_image"),
        (image(&at("/empty")), "image_url failed_to_download_image"),
        (image(&at("/big")), "image_url image_file_too_large"),
        (image(&at("/inside")), "image_url invalid_image_url"),
        (image("http://10.0.0.1/cat.png"), "image_url invalid_image_url"),
        (image("http://[fd00::1]/cat.png"), "image_url invalid_image_url"),
        (image("file:///etc/passwd"), "image_url invalid_image_url"),
        (image("cat.png"), "image_url invalid_image_url"),
        (image("data:image/png;base64,%%%"), "image_url invalid_base64_image"),
        (image("data:image/png,plain"), "image_url invalid_base64_image"),
        (json!({"type": "input_image", "image_url": 7}), "image_url invalid_type"),
        (file(&at("/gone")), "file_url failed_to_download_file"),
        (file(&at("/big")), "file_url file_too_large"),
        (file(&at("/inside")), "file_url invalid_file_url"),
    ];
    for (part, expected) in cases {
        let refused = ask(&server, std::slice::from_ref(&part)).await;
        assert_eq!(refused.error(), format!("400 input[0].content[1].{expected}"), "{part}");
    }
    let broken = ask(&server, &[file(&at("/paper.pdf"))]).await;
    assert_eq!(broken.error(), "400 input[0].content[1] invalid_file");
    assert!(backend.requests().is_empty());
    assert!(server.store.list(10).await.unwrap().is_empty(), "nothing is stored");
}

#[tokio::test]
async fn a_secret_in_a_url_is_in_no_error() {
    let (site, (server, _)) = (site().await, serving(seeing()).await);
    for path in ["/gone?sig=hush", "/page?sig=hush"] {
        let refused = ask(&server, &[image(&format!("{site}{path}"))]).await;
        assert!(!refused.body.to_string().contains("hush"), "{}", refused.body);
    }
}

#[tokio::test]
async fn an_address_that_never_answers_is_given_up() {
    let mut setup = Setup::with(seeing());
    setup.mcp.egress = Egress::new(["127.0.0.0/8".parse().unwrap()]).unwrap();
    setup.limits.fetch.time_max = Duration::from_millis(50);
    let (site, server) = (site().await, setup.start().await);
    let refused = ask(&server, &[image(&format!("{site}/never"))]).await;
    assert_eq!(refused.error(), "400 input[0].content[1].image_url failed_to_download_image");
}

#[tokio::test]
async fn a_request_names_only_so_many_urls() {
    let (site, (server, _)) = (site().await, serving(seeing()).await);
    let parts = vec![image(&format!("{site}/cat.png")); 4];
    let refused = ask(&server, &parts).await;
    assert_eq!(refused.error(), "400 input[0].content[4].image_url invalid_image_url");
    ask(&server, &parts[..3]).await.ok();
}

#[tokio::test]
async fn loopback_is_not_reached_unless_the_configuration_says_so() {
    let site = site().await;
    let server = Setup::with(seeing()).start().await;
    for url in [format!("{site}/cat.png"), site.replace("127.0.0.1", "localhost")] {
        let refused = ask(&server, &[image(&url)]).await;
        assert_eq!(refused.error(), "400 input[0].content[1].image_url invalid_image_url");
    }
}

/// A model that sees nothing is not worth a fetch.
#[tokio::test]
async fn a_picture_for_a_model_that_sees_none_is_not_fetched() {
    let (server, _) = serving(ScriptedBackend::new([says("?")])).await;
    let refused = ask(&server, &[image("http://nowhere.invalid/cat.png")]).await;
    assert_eq!(refused.error(), "400 input unsupported_parameter");
}
