//! Pictures that a model has made: drawn here, and by an image model on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use ozone_agent::Prices;
use ozone_cost::{LedgerQuery, ModelPrice, Price};
use ozone_model::{Script, ScriptedBackend, Take};
use ozone_tools::drawing::ImageUpstream;
use ozone_types::EventKind;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Setup, Stream, TestServer, says, text_of};

/// A red left half and a blue right half, with a white line between them.
const HALVES: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 100\">\
    <rect width=\"50\" height=\"100\" fill=\"#ff0000\"/>\
    <rect x=\"50\" width=\"50\" height=\"100\" fill=\"#0000ff\"/>\
    <line x1=\"50\" y1=\"0\" x2=\"50\" y2=\"100\" stroke=\"white\" stroke-width=\"4\"/></svg>";

fn draws(svg: &str) -> Script {
    calls(json!({"svg": svg, "title": "Two halves"}))
}

fn calls(arguments: Value) -> Script {
    // The drawing comes first, as the tool's schema has it.
    let call =
        format!("{{\"name\": \"image_generation\", \"arguments\": {}}}", ordered(&arguments));
    says(&format!("<tool_call>\n{call}\n</tool_call>"))
}

fn ordered(arguments: &Value) -> String {
    let mut members: Vec<String> = vec![];
    for name in ["svg", "prompt", "images", "title"] {
        if let Some(value) = arguments.get(name) {
            members.push(format!("\"{name}\": {value}"));
        }
    }
    format!("{{{}}}", members.join(", "))
}

fn tool(options: Value) -> Value {
    let mut tool = json!({"type": "image_generation"});
    tool.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    tool
}

fn pictures(response: &Value) -> Vec<Value> {
    let items = response["output"].as_array().unwrap().iter();
    items.filter(|item| item["type"] == "image_generation_call").cloned().collect()
}

fn bytes_of(base64: &Value) -> Vec<u8> {
    STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

fn pixels_of(bytes: &[u8]) -> ozone_image::RgbaImage {
    ozone_image::decode_with_alpha(bytes, &ozone_image::Limits::default()).unwrap()
}

fn partials(stream: &Stream) -> Vec<Vec<u8>> {
    let partial = |kind: &EventKind| match kind {
        EventKind::ImageGenerationCallPartialImage { partial_image_b64, .. } => {
            Some(STANDARD.decode(partial_image_b64).unwrap())
        }
        _ => None,
    };
    stream.events.iter().filter_map(|event| partial(&event.kind)).collect()
}

#[tokio::test]
async fn a_drawing_comes_with_its_beginnings_and_decodes_to_what_was_drawn() {
    let server = TestServer::scripted([draws(HALVES), says("Here it is.")]).await;
    let options = json!({"partial_images": 2, "size": "200x100"});
    let body = json!({"input": "Two halves, please.", "tools": [tool(options)],
        "tool_choice": {"type": "image_generation"}});
    let stream = server.stream(body).await.sound();
    let of_call: Vec<&str> =
        stream.names().into_iter().filter(|name| name.contains("image_generation_call")).collect();
    assert_eq!(
        of_call,
        [
            "response.image_generation_call.in_progress",
            "response.image_generation_call.generating",
            "response.image_generation_call.partial_image",
            "response.image_generation_call.partial_image",
            "response.image_generation_call.completed",
        ]
    );
    let begun = partials(&stream);
    // The first beginning has two shapes: the line is not there yet.
    assert_eq!(pixels_of(&begun[0]).get_pixel(100, 50).0, [0, 0, 255, 255]);
    let response = stream.last();
    let picture = &pictures(&response)[0];
    let pixels = pixels_of(&bytes_of(&picture["result"]));
    assert_eq!(pixels.dimensions(), (200, 100));
    // The drawing is square, so there is nothing beside it.
    assert_eq!(pixels.get_pixel(10, 50).0[3], 0);
    assert_eq!(pixels.get_pixel(60, 50).0, [255, 0, 0, 255]);
    assert_eq!(pixels.get_pixel(100, 50).0, [255, 255, 255, 255]);
    assert_eq!(pixels.get_pixel(140, 50).0, [0, 0, 255, 255]);
    for (name, value) in [
        ("status", "completed"),
        ("action", "generate"),
        ("size", "200x100"),
        ("background", "transparent"),
        ("output_format", "png"),
        ("revised_prompt", "Two halves"),
        ("x_engine", "svg"),
    ] {
        assert_eq!(picture[name], value, "{name}");
    }
    assert!(picture["id"].as_str().unwrap().starts_with("ig_"));
    assert_eq!(text_of(&response), "Here it is.");
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.ok()["output"], response["output"]);
}

#[tokio::test]
async fn formats_and_backgrounds_are_as_they_were_asked_for() {
    let circle = "<svg viewBox=\"0 0 100 100\" width=\"300\" height=\"300\">\
        <circle cx=\"50\" cy=\"50\" r=\"40\" fill=\"lime\"/></svg>";
    let server = TestServer::scripted([draws(circle), says("Done.")]).await;
    for (options, magic, corner) in [
        (json!({}), &b"\x89PNG"[..], [0, 0, 0, 0]),
        (json!({"background": "opaque"}), b"\x89PNG", [255, 255, 255, 255]),
        (json!({"output_format": "webp"}), b"RIFF", [0, 0, 0, 0]),
        (
            json!({"output_format": "jpeg", "output_compression": 60}),
            b"\xff\xd8\xff",
            [255, 255, 255, 255],
        ),
    ] {
        let response = server.respond(json!({"input": "?", "tools": [tool(options)]})).await;
        let bytes = bytes_of(&pictures(&response)[0]["result"]);
        assert!(bytes.starts_with(magic));
        let pixels = pixels_of(&bytes);
        assert_eq!(pixels.dimensions(), (300, 300));
        assert_eq!(pixels.get_pixel(0, 0).0, corner);
        let middle = pixels.get_pixel(150, 150).0;
        assert!(middle[1] > 240 && middle[0] < 20, "{middle:?}");
    }
}

#[tokio::test]
async fn a_broken_drawing_comes_back_to_the_model_which_mends_it() {
    let broken = HALVES.replace("fill=\"#0000ff\"", "fill=\"#0000ff");
    let backend = Arc::new(ScriptedBackend::new([draws(&broken), draws(HALVES), says("Mended.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let body = json!({"input": "?", "tools": [tool(json!({}))], "stream": true});
    let response = server.stream(body).await.sound().last();
    let made = pictures(&response);
    assert_eq!((&made[0]["status"], &made[1]["status"]), (&json!("failed"), &json!("completed")));
    assert_eq!(made[0]["result"], Value::Null);
    let told = format!("{:?}", backend.requests()[1].turns);
    assert!(told.contains("not drawn: line 1:"), "{told}");
    assert!(!format!("{:?}", backend.requests()[2].turns).contains("iVBOR"), "pixels in a text");
}

#[tokio::test]
async fn nothing_outside_of_a_drawing_is_looked_at() {
    let inner = [
        "<image href=\"file:///etc/passwd\" width=\"9\" height=\"9\"/>",
        "<image href=\"http://127.0.0.1/x.png\" width=\"9\" height=\"9\"/>",
        "<image href=\"data:image/png;base64,iVBORw0KGgo=\" width=\"9\" height=\"9\"/>",
        "<image href=\"image:1\" width=\"9\" height=\"9\"/>",
        "<rect width=\"9\" height=\"9\" fill=\"url(http://127.0.0.1/a.svg#b)\"/>",
        "<style>@import url(http://127.0.0.1/a.css);</style><rect width=\"9\" height=\"9\"/>",
        "<script>alert(1)</script><rect width=\"9\" height=\"9\"/>",
        "<rect width=\"9\" height=\"9\" onclick=\"alert(1)\"/>",
        "<foreignObject width=\"9\" height=\"9\"/>",
    ];
    for inner in inner {
        let svg = format!("<svg viewBox=\"0 0 9 9\">{inner}</svg>");
        let server = TestServer::scripted([draws(&svg), says("No.")]).await;
        let response = server.respond(json!({"input": "?", "tools": [tool(json!({}))]})).await;
        let made = pictures(&response);
        assert_eq!(made[0]["status"], "failed", "{inner}");
        server.stop().await;
    }
}

#[tokio::test]
async fn the_next_turn_changes_the_picture_of_the_last() {
    let blue = "<svg viewBox=\"0 0 100 100\"><image href=\"image:1\" width=\"100\" height=\"100\"/>\
        <rect width=\"20\" height=\"20\" fill=\"lime\"/></svg>";
    let takes =
        [Take::new([draws(HALVES), says("Here.")]), Take::new([draws(blue), says("There.")])];
    let backend = Arc::new(ScriptedBackend::takes(takes));
    let server = Setup::with_backend(backend.clone()).start().await;
    let options = json!({"size": "100x100", "partial_images": 1});
    let body = json!({"input": "Halves.", "tools": [tool(options.clone())], "seed": 0});
    let first = server.respond(body).await;
    let next = json!({"input": "A green corner.", "tools": [tool(options)], "seed": 1,
        "previous_response_id": first["id"]});
    let second = server.stream(next).await.sound().last();
    let picture = &pictures(&second)[0];
    assert_eq!(picture["action"], "edit");
    let pixels = pixels_of(&bytes_of(&picture["result"]));
    assert_eq!(pixels.get_pixel(5, 5).0, [0, 255, 0, 255]);
    assert_eq!(pixels.get_pixel(30, 80).0, [255, 0, 0, 255]);
    let asked = &backend.requests()[2];
    assert!(asked.tools[0].description.contains("image:1: 100x100, made by you: Two halves"));
    let told = format!("{:?}", asked.turns);
    assert!(told.contains("fill=\\\\\\\"#ff0000"), "the model reads its drawing again: {told}");
    assert!(!told.contains("iVBOR"), "pixels in a text");
    // The same with the items in hand: nothing is stored.
    let mut input = vec![json!({"role": "user", "content": "Halves."})];
    input.extend(first["output"].as_array().unwrap().clone());
    input.push(json!({"role": "user", "content": "A green corner."}));
    let body = json!({"input": input, "tools": [tool(json!({"size": "100x100"}))], "seed": 1,
        "store": false});
    let third = server.respond(body).await;
    assert_eq!(pictures(&third)[0]["result"], picture["result"]);
}

/// Three quarters are kept, and the user's picture is a file of its own.
#[tokio::test]
async fn a_mask_keeps_what_it_covers() {
    let mut mask = ozone_image::RgbaImage::from_pixel(100, 100, ozone_image::Rgba([0, 0, 0, 255]));
    for (x, y) in (0..50).flat_map(|x| (0..50).map(move |y| (x, y))) {
        mask.put_pixel(x, y, ozone_image::Rgba([0, 0, 0, 0]));
    }
    let url = |png: Vec<u8>| format!("data:image/png;base64,{}", STANDARD.encode(png));
    let mask = url(ozone_image::encode::png_with_alpha(&mask).unwrap());
    let given = ozone_image::RgbaImage::from_pixel(100, 100, ozone_image::Rgba([9, 9, 9, 255]));
    let given = url(ozone_image::encode::png_with_alpha(&given).unwrap());
    let white =
        "<svg viewBox=\"0 0 10 10\"><rect width=\"10\" height=\"10\" fill=\"white\"/></svg>";
    let server = TestServer::scripted([draws(white), says("Done.")]).await;
    let input = json!([{"role": "user", "content": [
        {"type": "input_text", "text": "Make the corner white."},
        {"type": "input_image", "image_url": given}]}]);
    let options = json!({"input_image_mask": {"image_url": mask}, "action": "edit"});
    let body = json!({"input": input, "tools": [tool(options.clone())]});
    let response = server.respond(body).await;
    let pixels = pixels_of(&bytes_of(&pictures(&response)[0]["result"]));
    assert_eq!(pixels.dimensions(), (100, 100));
    assert_eq!(pixels.get_pixel(20, 20).0, [255, 255, 255, 255]);
    assert_eq!(pixels.get_pixel(80, 80).0, [9, 9, 9, 255]);
    let body = json!({"model": "scripted", "input": "?", "tools": [tool(options)]});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 tools[0].input_image_mask invalid_value");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_field() {
    let mut setup = Setup::new([]);
    let mut trained = setup.models[0].clone();
    (trained.id, trained.narrow) = ("mini".into(), true);
    setup.models.push(trained);
    let server = setup.start().await;
    for (options, error) in [
        (json!({"size": "30000x30000"}), "400 tools[0].size invalid_value"),
        (json!({"size": "big"}), "400 tools[0].size invalid_value"),
        (json!({"partial_images": 4}), "400 tools[0].partial_images invalid_value"),
        (json!({"action": "paint"}), "400 tools[0].action invalid_value"),
        (json!({"action": "edit"}), "400 tools[0].action invalid_value"),
        (json!({"quality": 7}), "400 tools[0].quality invalid_type"),
        (json!({"model": "gpt-image-1"}), "400 tools[0].model invalid_value"),
        (
            json!({"background": "transparent", "output_format": "jpeg"}),
            "400 tools[0].background invalid_value",
        ),
        (
            json!({"output_format": "webp", "output_compression": 50}),
            "400 tools[0].output_compression unsupported_parameter",
        ),
        (json!({"input_image_mask": {}}), "400 tools[0].input_image_mask invalid_value"),
    ] {
        let body = json!({"model": "scripted", "input": "?", "tools": [tool(options.clone())]});
        assert_eq!(server.post("/v1/responses", body).await.error(), error, "{options}");
    }
    let body = json!({"model": "mini", "input": "?", "tools": [tool(json!({}))]});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 tools[0] unsupported_parameter");
    let item = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed",
        "result": "no base64!"});
    let body = json!({"model": "scripted", "input": [item]});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 input[0].result invalid_value");
}

/// What an image model was asked, and what it says.
#[derive(Clone)]
struct Fake {
    asked: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    count: Arc<watch::Sender<usize>>,
    says: Arc<dyn Fn(usize) -> Response<Body> + Send + Sync>,
}

impl Fake {
    async fn start(
        says: impl Fn(usize) -> Response<Body> + Send + Sync + 'static,
    ) -> (Fake, String) {
        let count = Arc::new(watch::channel(0).0);
        let fake = Fake { asked: Arc::default(), count, says: Arc::new(says) };
        let answer = |State(fake): State<Fake>, headers: HeaderMap, body: Bytes| async move {
            let at = {
                let mut asked = fake.asked.lock().unwrap();
                asked.push((headers, body));
                asked.len() - 1
            };
            fake.count.send_replace(at + 1);
            (fake.says)(at)
        };
        let routes = Router::new()
            .route("/v1/images/generations", post(answer))
            .route("/v1/images/edits", post(answer))
            .with_state(fake.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (fake, url)
    }

    fn asked(&self, at: usize) -> (HeaderMap, String) {
        let (headers, body) = self.asked.lock().unwrap()[at].clone();
        (headers, String::from_utf8_lossy(&body).into_owned())
    }

    fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn answered(kind: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().header("content-type", kind).body(body.into()).unwrap()
}

fn png(colour: [u8; 4]) -> String {
    let pixels = ozone_image::RgbaImage::from_pixel(64, 64, ozone_image::Rgba(colour));
    STANDARD.encode(ozone_image::encode::png_with_alpha(&pixels).unwrap())
}

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];

fn plain(colour: [u8; 4]) -> Response<Body> {
    let data = json!({"data": [{"b64_json": png(colour), "revised_prompt": "as it was made"}]});
    answered("application/json", data.to_string())
}

fn with_model(url: &str, script: impl IntoIterator<Item = Script>, price: Option<&str>) -> Setup {
    let price = price.map(|price| Price::per_unit(price).unwrap().amount());
    let time_max = Duration::from_secs(300);
    let upstream = ImageUpstream::new(url, "gpt-image-1", Some("key"), price, time_max).unwrap();
    Setup { image_generation: Some(Arc::new(upstream)), ..Setup::new(script) }
}

fn asks(prompt: &str) -> Script {
    calls(json!({"prompt": prompt}))
}

#[tokio::test]
async fn an_image_model_streams_its_beginnings_and_its_price_is_a_line() {
    let (fake, url) = Fake::start(|_| {
        let event = |event: Value| format!("event: {}\ndata: {event}\n\n", event["type"]);
        let partial = |at: u64| {
            event(json!({"type": "image_generation.partial_image", "b64_json": png(GREEN),
                "partial_image_index": at}))
        };
        let last = event(json!({"type": "image_generation.completed", "b64_json": png(RED),
            "quality": "low"}));
        answered("text/event-stream", format!("{}{}{last}", partial(0), partial(1)))
    })
    .await;
    let setup = with_model(&url, [asks("A red square."), says("Here.")], Some("0.04"));
    let server = setup.start().await;
    let options = json!({"partial_images": 2, "quality": "low", "size": "1024x1536"});
    let body = json!({"input": "A red square.", "tools": [tool(options)]});
    let stream = server.stream(body).await.sound();
    let begun = partials(&stream);
    assert_eq!(begun.len(), 2);
    assert_eq!(pixels_of(&begun[0]).get_pixel(0, 0).0, GREEN);
    let response = stream.last();
    let picture = &pictures(&response)[0];
    assert_eq!(pixels_of(&bytes_of(&picture["result"])).get_pixel(0, 0).0, RED);
    let host = url.trim_start_matches("http://").trim_end_matches("/v1");
    assert_eq!(picture["x_engine"], format!("gpt-image-1 at {host}"));
    // What it is, and not what was asked for.
    assert_eq!((&picture["size"], &picture["quality"]), (&json!("64x64"), &json!("low")));
    let (headers, sent) = fake.asked(0);
    assert_eq!(headers["authorization"], "Bearer key");
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let wanted = json!({"model": "gpt-image-1", "prompt": "A red square.", "n": 1,
        "size": "1024x1536", "quality": "low", "stream": true, "partial_images": 2});
    assert_eq!(sent, wanted);
    let lines = server.store.ledger(&LedgerQuery::default()).await.unwrap();
    let line = lines.iter().find(|line| line.name == "image_generation").unwrap();
    assert_eq!(line.amount.unwrap().to_string(), "0.04");
    assert_eq!(line.facts.model, "gpt-image-1");
}

#[tokio::test]
async fn an_image_model_is_asked_again_while_it_is_busy_and_its_price_may_be_unknown() {
    let (fake, url) = Fake::start(|at| match at {
        0 => Response::builder().status(StatusCode::TOO_MANY_REQUESTS).body(Body::empty()).unwrap(),
        _ => plain(RED),
    })
    .await;
    let server = with_model(&url, [asks("Red."), says("Here.")], None).start().await;
    let response = server.respond(json!({"input": "?", "tools": [tool(json!({}))]})).await;
    let picture = &pictures(&response)[0];
    assert_eq!((&picture["status"], fake.times()), (&json!("completed"), 2));
    assert_eq!(picture["revised_prompt"], "as it was made");
    assert_eq!(fake.asked(0).0["idempotency-key"], fake.asked(1).0["idempotency-key"]);
    let lines = server.store.ledger(&LedgerQuery::default()).await.unwrap();
    let line = lines.iter().find(|line| line.name == "image_generation").unwrap();
    assert_eq!((line.amount, line.unknown.len()), (None, 1));
}

#[tokio::test]
async fn what_an_image_model_does_wrong_is_the_models_to_read() {
    for (says_wrong, told) in [
        (0, "something that is no picture"),
        (1, "something that is no picture"),
        (2, "larger than"),
        (3, "refused (400): no such style"),
    ] {
        let (_, url) = Fake::start(move |_| match says_wrong {
            0 => answered("application/json", "{\"data\": \"garbage\"}"),
            1 => answered("application/json", "{\"data\": [{\"b64_json\": \"bm8gcGljdHVyZQ==\"}]}"),
            2 => {
                let endless = futures::stream::repeat_with(|| {
                    Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20]))
                });
                answered("application/json", Body::from_stream(endless))
            }
            _ => {
                let body = json!({"error": {"message": "no such style"}}).to_string();
                Response::builder().status(400).body(body.into()).unwrap()
            }
        })
        .await;
        let backend = Arc::new(ScriptedBackend::new([asks("Red."), says("It failed.")]));
        let setup = Setup { ..with_model(&url, [], None) };
        let models = Setup::with_backend(backend.clone()).models;
        let server = Setup { models, ..setup }.start().await;
        let response = server.respond(json!({"input": "?", "tools": [tool(json!({}))]})).await;
        assert_eq!(pictures(&response)[0]["status"], "failed");
        assert_eq!(text_of(&response), "It failed.");
        let read = format!("{:?}", backend.requests()[1].turns);
        assert!(read.contains(told), "{read}");
        server.stop().await;
    }
}

#[tokio::test]
async fn an_image_model_changes_the_users_picture() {
    let (fake, url) = Fake::start(|_| plain(GREEN)).await;
    let call = calls(json!({"prompt": "Make it green.", "images": [1]}));
    let server = with_model(&url, [call, says("Green.")], None).start().await;
    let image_url = format!("data:image/png;base64,{}", png(RED));
    let input = json!([{"role": "user", "content": [
        {"type": "input_text", "text": "Make it green."},
        {"type": "input_image", "image_url": image_url}]}]);
    let response = server.respond(json!({"input": input, "tools": [tool(json!({}))]})).await;
    assert_eq!(pictures(&response)[0]["action"], "edit");
    let (headers, sent) = fake.asked(0);
    assert!(headers["content-type"].to_str().unwrap().starts_with("multipart/form-data"));
    assert!(sent.contains("name=\"prompt\"\r\n\r\nMake it green."), "{sent}");
    assert!(sent.contains("name=\"image\"; filename=\"image_1.png\"\r\nContent-Type: image/png"));
}

/// The server goes away while the second picture is made: the first is not made again.
#[tokio::test]
async fn a_picture_that_was_finished_is_not_paid_for_again() {
    let (fake, url) = Fake::start(|at| match at {
        1 => answered(
            "application/json",
            Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()),
        ),
        _ => plain(RED),
    })
    .await;
    let script = || [asks("First."), asks("Second."), says("Both.")];
    let setup = with_model(&url, script(), Some("0.04"));
    let (store, containers) = (setup.store.clone(), setup.containers.clone());
    let server = setup.start().await;
    let body = json!({"model": "scripted", "input": "?", "background": true,
        "tools": [tool(json!({"partial_images": 1}))]});
    let id = server.post("/v1/responses", body).await.ok()["id"].as_str().unwrap().to_owned();
    let mut count = fake.count.subscribe();
    count.wait_for(|count| *count == 2).await.unwrap();
    server.stop().await;
    let setup = Setup { store, containers, ..with_model(&url, script(), Some("0.04")) };
    let server = setup.start().await;
    let response = server.until(&id, "completed").await;
    let made = pictures(&response);
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|picture| picture["status"] == "completed"));
    assert_eq!(fake.times(), 3, "the second is asked for again");
    let key = |at: usize| fake.asked(at).0["idempotency-key"].clone();
    assert_ne!(key(0), key(1));
    assert_eq!(key(1), key(2));
    let lines = server.store.ledger(&LedgerQuery::default()).await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.name == "image_generation").count(), 2);
    assert_eq!(text_of(&response), "Both.");
}

#[tokio::test]
async fn a_budget_holds_the_price_of_a_picture_and_makes_none_without_one() {
    let (fake, url) = Fake::start(|_| plain(RED)).await;
    for (price, made) in [(Some("0.04"), ["completed", "failed"]), (None, ["failed", "failed"])] {
        let script = [asks("First."), asks("Second."), says("Done.")];
        let mut setup = with_model(&url, script, price);
        setup.models[0].prices = Prices::Own(ModelPrice::FREE);
        let rule = json!({"per": "day", "amount": "0.05"});
        setup.accounts.budgets = vec![serde_json::from_value(rule).unwrap()];
        let server = setup.start().await;
        let response = server.respond(json!({"input": "?", "tools": [tool(json!({}))]})).await;
        let pictures = pictures(&response);
        let statuses: Vec<&Value> = pictures.iter().map(|picture| &picture["status"]).collect();
        assert_eq!(statuses, made, "{response:#}");
        server.stop().await;
    }
    assert_eq!(fake.times(), 1);
}

/// The server goes away while the model writes the drawing: its beginnings are shown once each.
#[tokio::test]
async fn a_drawing_that_was_cut_goes_on_behind_the_beginnings_that_were_shown() {
    let script = || [draws(HALVES), says("Here.")];
    let slow = ScriptedBackend::new(script()).with_pace(Duration::from_millis(3));
    let setup = Setup::with(slow);
    let (store, containers) = (setup.store.clone(), setup.containers.clone());
    let server = setup.start().await;
    let body = json!({"model": "scripted", "input": "?", "background": true, "stream": true,
        "tools": [tool(json!({"partial_images": 2}))]});
    let response = server.request(reqwest::Method::POST, "/v1/responses").json(&body).send().await;
    let mut bytes = response.unwrap().bytes_stream();
    let mut read = String::new();
    while !read.contains("event: response.image_generation_call.partial_image") {
        let chunk = bytes.next().await.unwrap().unwrap();
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let created = read.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let created: Value = serde_json::from_str(created).unwrap();
    let id = created["response"]["id"].as_str().unwrap().to_owned();
    server.stop().await;
    let setup = Setup { store, containers, ..Setup::new(script()) };
    let server = setup.start().await;
    server.until(&id, "completed").await;
    let path = format!("/v1/responses/{id}?stream=true");
    let text = server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await;
    let stream = Stream::parse(&text.unwrap()).sound();
    assert_eq!(partials(&stream).len(), 2);
    assert_eq!(pictures(&stream.last())[0]["status"], "completed");
}

#[tokio::test]
async fn the_plain_route_gives_pictures() {
    let server = TestServer::scripted([draws(HALVES), says("Here.")]).await;
    let body = json!({"prompt": "Two halves.", "n": 2, "size": "64x64", "output_format": "webp"});
    let made = server.post("/v1/images/generations", body).await.ok();
    assert_eq!((&made["size"], &made["x_engine"]), (&json!("64x64"), &json!("svg")));
    assert_eq!(made["data"].as_array().unwrap().len(), 2);
    let pixels = pixels_of(&bytes_of(&made["data"][0]["b64_json"]));
    assert_eq!(pixels.get_pixel(8, 8).0, [255, 0, 0, 255]);
    assert_eq!(made["data"][0]["revised_prompt"], "Two halves");

    let refused = [
        (json!({"size": "64x64"}), "400 prompt missing_required_parameter"),
        (json!({"prompt": "?", "n": 9}), "400 n invalid_value"),
        (json!({"prompt": "?", "stream": true}), "400 stream unsupported_parameter"),
        (json!({"prompt": "?", "model": "dall-e-3"}), "400 tools[0].model invalid_value"),
    ];
    for (body, error) in refused {
        assert_eq!(server.post("/v1/images/generations", body).await.error(), error);
    }
    let server = TestServer::scripted([says("That would be a photograph.")]).await;
    let body = json!({"prompt": "A photograph of a cat."});
    let answer = server.post("/v1/images/generations", body).await;
    assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{answer:?}");
}
