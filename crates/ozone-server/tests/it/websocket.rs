//! The same events over a WebSocket.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use ozone_model::{Script, ScriptedBackend};
use ozone_types::{Event, Fold};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Setup, TestServer, says, text_of};

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(server: &TestServer) -> Socket {
    let url = format!("{}/v1/responses", server.url.replacen("http", "ws", 1));
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

async fn send(socket: &mut Socket, mut body: Value) {
    body["type"] = json!("response.create");
    body["model"] = json!("scripted");
    socket.send(Message::Text(body.to_string().into())).await.unwrap();
}

async fn receive(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("the connection was closed").unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            _ => continue,
        }
    }
}

/// The finished response of one turn, whose events keep the rules.
async fn turn(socket: &mut Socket, body: Value) -> Value {
    send(socket, body).await;
    let mut fold = Fold::default();
    loop {
        let frame = receive(socket).await;
        assert_ne!(frame["type"], "error", "{frame}");
        let event: Event = serde_json::from_value(frame.clone()).unwrap();
        fold.push(&event).unwrap();
        if fold.finished().is_some() {
            return frame["response"].clone();
        }
    }
}

#[tokio::test]
async fn turns_follow_one_another_on_one_socket() {
    let backend = Arc::new(ScriptedBackend::new([says("Four.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let mut socket = connect(&server).await;
    let first = turn(&mut socket, json!({"input": "2 + 2?", "store": false})).await;
    assert_eq!(text_of(&first), "Four.");
    let next = json!({"input": "Sure?", "store": false, "previous_response_id": first["id"]});
    turn(&mut socket, next).await;
    assert_eq!(backend.requests().pop().unwrap().turns.len(), 3);
    assert!(server.store.list(9).await.unwrap().is_empty());

    // What one socket remembers, no other does.
    let mut other = connect(&server).await;
    send(&mut other, json!({"input": "Sure?", "previous_response_id": first["id"]})).await;
    let error = receive(&mut other).await;
    assert_eq!((&error["type"], &error["status"]), (&json!("error"), &json!(400)));
    assert_eq!(error["error"]["code"], "previous_response_not_found");
}

/// A frame has no headers; this is how Codex sends them. It is kept for a run that goes on after a
/// restart.
#[tokio::test]
async fn a_frame_says_whose_span_has_asked() {
    let server = Setup::new([says("Four.")]).start().await;
    let mut socket = connect(&server).await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let metadata = json!({"ws_request_header_traceparent": traceparent});
    let response = turn(&mut socket, json!({"input": "?", "client_metadata": metadata})).await;
    let id = response["id"].as_str().unwrap().parse().unwrap();
    let stored = server.store.get(&id).await.unwrap();
    assert_eq!(stored.request["traceparent"], traceparent);
}

#[tokio::test]
async fn a_warm_up_gives_an_id_to_go_on_from() {
    let backend = Arc::new(ScriptedBackend::new([says("Four.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let mut socket = connect(&server).await;
    let warm = turn(&mut socket, json!({"input": "Be brief.", "generate": false})).await;
    assert_eq!(warm["output"], json!([]));
    assert!(backend.requests().is_empty());
    let next = json!({"input": "2 + 2?", "store": false, "previous_response_id": warm["id"]});
    turn(&mut socket, next).await;
    assert_eq!(backend.requests()[0].turns.len(), 2);
}

#[tokio::test]
async fn mistakes_leave_the_socket_open() {
    let server = TestServer::scripted([says("Four.")]).await;
    let mut socket = connect(&server).await;
    for (text, param) in [
        ("no json", Value::Null),
        (r#"{"type": "response.destroy"}"#, json!("type")),
        (r#"{"type": "response.create", "model": "scripted"}"#, json!("input")),
        (
            r#"{"type": "response.create", "model": "scripted", "input": "?", "background": true}"#,
            json!("background"),
        ),
    ] {
        socket.send(Message::Text(text.into())).await.unwrap();
        let error = receive(&mut socket).await;
        assert_eq!(
            (&error["type"], &error["error"]["param"]),
            (&json!("error"), &param),
            "{error}"
        );
    }
    assert_eq!(text_of(&turn(&mut socket, json!({"input": "?"})).await), "Four.");
}

/// A lane that hangs holds no other lane up.
#[tokio::test]
async fn lanes_run_side_by_side() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let mut setup = Setup::new([hangs]);
    let quick = Arc::new(ScriptedBackend::new([says("Four.")]));
    setup.models.push(ozone_server::ModelEntry::new("quick", quick));
    let server = setup.start().await;
    let mut socket = connect(&server).await;
    send(&mut socket, json!({"input": "?", "stream_id": "slow"})).await;
    let body = json!({
        "type": "response.create", "model": "quick", "input": "?", "stream_id": "fast",
    });
    socket.send(Message::Text(body.to_string().into())).await.unwrap();
    loop {
        let frame = receive(&mut socket).await;
        if frame["type"] == "response.completed" {
            assert_eq!(frame["stream_id"], "fast");
            break;
        }
    }
}

#[tokio::test]
async fn a_socket_that_closes_stops_its_run() {
    let hangs = Script::Hangs { text: "A long story".into(), after: 5 };
    let server = TestServer::scripted([hangs]).await;
    let mut socket = connect(&server).await;
    send(&mut socket, json!({"input": "?"})).await;
    let created = receive(&mut socket).await;
    drop(socket);
    let id = created["response"]["id"].as_str().unwrap();
    server.until(id, "cancelled").await;
}

#[tokio::test]
async fn a_plain_get_is_told_to_upgrade() {
    let server = TestServer::scripted([says("Four.")]).await;
    assert_eq!(server.get("/v1/responses").await.status, 426);
}
