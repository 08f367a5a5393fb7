//! Chat Completions servers that treat pictures as the servers of the world do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_sight::Board;
use serde_json::{Value, json};

use super::reader;

/// What a server makes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    /// Its model sees whatever comes.
    Open,
    /// Pictures of tools are dropped in silence.
    OfUsers,
    /// Pictures of users are dropped in silence.
    OfTools,
    /// 400.
    Refusing,
    /// 500, in the words of llama-server.
    Failing,
    /// Pictures become the text of their base64.
    Flattening,
    /// As Flattening, with a context too small for it.
    Overflowing,
    /// Never answers to a picture.
    Hanging,
    /// Nothing is dropped, and it makes up what it sees.
    Lying,
    /// Nothing at all is answered.
    Gone,
}

/// How its model writes boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hand {
    /// The sides of the picture are so long to it; how far off it is, in parts of a side.
    Within([f64; 2], f64),
    /// y before x.
    Turned,
    Nonsense,
    Prose,
}

pub struct Fake {
    pub url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    pub fn start(eyes: Eyes, hand: Hand) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let bodies = Arc::<Mutex<Vec<Value>>>::default();
        let seen = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                std::thread::spawn(move || serve(stream, eyes, hand, &seen));
            }
        });
        Fake { url, bodies }
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, eyes: Eyes, hand: Hand, bodies: &Mutex<Vec<Value>>) {
    let Some(body) = body(&stream) else { return };
    bodies.lock().unwrap().push(body.clone());
    let (by, png) = match picture(&body) {
        Some((by, png)) => (by, Some(png)),
        None => (String::new(), None),
    };
    let words = 150;
    let flat = png.as_ref().map_or(0, |png| png.len() as u64 * 4 / 3 * 5 / 7);
    let pixels = if png.is_some() { 110 } else { 0 };
    let blind = || ("none".to_owned(), words);
    let (said, tokens) = match (eyes, &png) {
        (Eyes::Gone, _) => return refuse(&mut stream, 503, "overloaded"),
        (_, None) => (told(&body), words),
        (Eyes::Refusing, _) => {
            return refuse(&mut stream, 400, "messages: content must be a string");
        }
        (Eyes::Failing, _) => {
            return refuse(&mut stream, 500, "image input is not supported: no mmproj");
        }
        (Eyes::Overflowing, _) => {
            let why = format!(
                "This model's maximum context length is 4096 tokens. However, your messages \
                 resulted in {} tokens.",
                words + flat
            );
            return refuse(&mut stream, 400, &why);
        }
        (Eyes::Hanging, _) => {
            // Until the client gives up.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        (Eyes::Flattening, _) => ("I see a long text.".to_owned(), words + flat),
        (Eyes::Lying, Some(png)) if reader::is_board(png) => (boxes(png, hand), words + pixels),
        (Eyes::Lying, _) => ("The code is 1B8SZO.".to_owned(), words + pixels),
        (Eyes::OfUsers, _) if by == "tool" => blind(),
        (Eyes::OfTools, _) if by == "user" => blind(),
        (_, Some(png)) if reader::is_board(png) => (boxes(png, hand), words + pixels),
        (_, Some(png)) => (format!("The code is **{}**.", reader::code(png)), words + pixels),
    };
    answer(&mut stream, &said, tokens);
}

/// The text of the last message, as far as it tells a code; otherwise something polite.
fn told(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|m| m.last()).cloned().unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default();
    match text.strip_prefix("The code on the card is ") {
        Some(code) => code.trim_end_matches('.').to_owned(),
        None => "It shows a receipt.".to_owned(),
    }
}

fn boxes(png: &[u8], hand: Hand) -> String {
    let list = |each: &mut dyn FnMut([f64; 4], usize) -> [f64; 4]| {
        let boxes = reader::boxes(png);
        let all: Vec<Value> = (0..4)
            .map(|at| json!({"label": Board::COLOURS[at], "bbox_2d": each(boxes[at], at)}))
            .collect();
        format!("```json\n{}\n```", Value::from(all))
    };
    match hand {
        Hand::Within([wide, high], noise) => list(&mut |[x0, y0, x1, y1], at| {
            // To the left of one, to the right of the next.
            let off = if at % 2 == 0 { noise } else { -noise };
            [(x0 + off) * wide, (y0 - off) * high, (x1 + off) * wide, (y1 - off) * high]
        }),
        Hand::Turned => {
            list(&mut |[x0, y0, x1, y1], _| [y0, x0, y1, x1].map(|v| (v * 1000.0).round()))
        }
        Hand::Nonsense => list(&mut |_, at| [at as f64 * 7000.0, 3.0, 8.0, 20_000.0]),
        Hand::Prose => "The red box is at the top left, the others are elsewhere.".to_owned(),
    }
}

/// The last picture of a request, and whose message it stands in.
fn picture(body: &Value) -> Option<(String, Vec<u8>)> {
    let messages = body["messages"].as_array()?;
    messages.iter().rev().find_map(|message| {
        let parts = message["content"].as_array()?;
        let url = parts.iter().find_map(|part| part["image_url"]["url"].as_str())?;
        let bytes = STANDARD.decode(url.strip_prefix("data:image/png;base64,")?).ok()?;
        Some((message["role"].as_str()?.to_owned(), bytes))
    })
}

fn answer(stream: &mut TcpStream, said: &str, tokens: u64) {
    let chunk = |choices: Value, usage: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m",
               "choices": choices, "usage": usage})
    };
    let choices = json!([{"index": 0, "finish_reason": "stop",
                          "delta": {"role": "assistant", "content": said}}]);
    let first = chunk(choices, Value::Null);
    let usage = json!({"prompt_tokens": tokens, "completion_tokens": 9});
    let last = chunk(json!([]), usage);
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
         data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n"
    );
}

fn refuse(stream: &mut TcpStream, status: u16, why: &str) {
    let body = json!({"error": {"message": why, "type": "invalid_request_error"}}).to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn body(mut stream: &TcpStream) -> Option<Value> {
    let (mut text, mut part) = (vec![], [0; 65536]);
    loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&part[..count]);
        let Some(head_end) = text.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..head_end]).to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        if text.len() >= head_end + 4 + length.unwrap_or(0) {
            return serde_json::from_slice(&text[head_end + 4..]).ok();
        }
    }
}
