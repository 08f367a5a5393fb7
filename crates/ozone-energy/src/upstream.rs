//! A model's server, compatible with OpenAI's Chat Completions, with a script in place of a model.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::listen::{self, Heard, Listening};
use crate::script::{self, Manner};
use crate::seen::{Act, Seen};

const USAGE_CHARS: usize = 4;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This request, counted from 1, is refused with 429.
    TooMany { at: usize },
    /// The first request that tells of so many calls of Python is never answered.
    Silent { python_calls: usize },
}

#[derive(Debug, Default)]
struct Log {
    requests: Mutex<Vec<Value>>,
    answers: Mutex<Vec<String>>,
    is_silent: Mutex<bool>,
    fell_silent: Condvar,
}

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Upstream {
    listening: Listening,
    log: Arc<Log>,
}

impl Upstream {
    /// `pace` is the time between two words.
    pub fn serve(manner: Manner, faults: Vec<Fault>, pace: Duration) -> io::Result<Upstream> {
        let log = Arc::<Log>::default();
        let own = log.clone();
        let listening = listen::listen(move |heard, stream| {
            if heard.method == "GET" {
                let models =
                    json!({"object": "list", "data": [{"id": "script", "object": "model"}]});
                let body = models.to_string();
                return listen::whole(stream, "200 OK", "application/json", body.as_bytes());
            }
            answer(&heard, stream, manner, &faults, pace, &own)
        })?;
        Ok(Upstream { listening, log })
    }

    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// The requests until now, refused ones among them.
    pub fn requests(&self) -> Vec<Value> {
        self.log.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answers as they were said, with their marks.
    pub fn answers(&self) -> Vec<String> {
        self.log.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a request was left without an answer; `false` if none was in time.
    pub fn wait_for_silence(&self, patience: Duration) -> bool {
        let silent = self.log.is_silent.lock().unwrap_or_else(PoisonError::into_inner);
        let speaks = |silent: &mut bool| !*silent;
        let waited = self.log.fell_silent.wait_timeout_while(silent, patience, speaks);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn answer(
    heard: &Heard,
    stream: &mut TcpStream,
    manner: Manner,
    faults: &[Fault],
    pace: Duration,
    log: &Log,
) -> io::Result<()> {
    let Ok(request) = serde_json::from_slice::<Value>(&heard.body) else {
        return listen::whole(stream, "400 Bad Request", "application/json", b"{}");
    };
    let seen = Seen::of(&request);
    let number = {
        let mut requests = log.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
        requests.len()
    };
    for fault in faults {
        match fault {
            Fault::TooMany { at } if *at == number => {
                let body = json!({"error": {"message": "too many requests", "code": 429}});
                let body = body.to_string();
                let more = format!(
                    "Retry-After: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                    body.len()
                );
                stream.write_all(listen::head("429 Too Many Requests", &more).as_bytes())?;
                return stream.write_all(body.as_bytes());
            }
            Fault::Silent { python_calls } if seen.calls_of("python") >= *python_calls => {
                let was_silent = {
                    let mut silent = log.is_silent.lock().unwrap_or_else(PoisonError::into_inner);
                    std::mem::replace(&mut *silent, true)
                };
                if !was_silent {
                    log.fell_silent.notify_all();
                    // Whoever asked hangs up, or is killed.
                    stream.set_read_timeout(None)?;
                    let _ = io::Read::read(stream, &mut [0]);
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    let length = heard.body.len();
    let act = script::next(manner, seen);
    if let Act::Answer { text, .. } = &act {
        log.answers.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
    }
    speak(stream, &act, length, number, pace)
}

/// Streams an act as servers do.
fn speak(
    stream: &mut TcpStream,
    act: &Act,
    prompt_chars: usize,
    number: usize,
    pace: Duration,
) -> io::Result<()> {
    let more = "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n";
    stream.write_all(listen::head("200 OK", more).as_bytes())?;
    let mut chars = 0;
    let mut send = |delta: Value, finish: Option<&str>| {
        let chunk = json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "model": "script",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
        });
        stream.write_all(format!("data: {chunk}\n\n").as_bytes())?;
        stream.flush()
    };
    send(json!({"role": "assistant"}), None)?;
    let (Act::Calls { thought, .. } | Act::Answer { thought, .. }) = act;
    let mut say = |field: &str, text: &str| -> io::Result<()> {
        for word in text.split_inclusive(' ') {
            chars += word.len();
            send(json!({ field: word }), None)?;
            std::thread::sleep(pace);
        }
        Ok(())
    };
    say("reasoning_content", thought)?;
    let finish = match act {
        Act::Answer { text, .. } => {
            say("content", text)?;
            "stop"
        }
        Act::Calls { calls, .. } => {
            for (index, call) in calls.iter().enumerate() {
                let id = format!("call_{number}_{index}");
                let function = json!({"name": call.name, "arguments": ""});
                let begun =
                    json!({"index": index, "id": id, "type": "function", "function": function});
                send(json!({"tool_calls": [begun]}), None)?;
                let function = json!({"arguments": call.arguments});
                send(json!({"tool_calls": [{"index": index, "function": function}]}), None)?;
            }
            "tool_calls"
        }
    };
    send(json!({}), Some(finish))?;
    let completion = chars / USAGE_CHARS + 1;
    let usage = json!({
        "id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "choices": [],
        "usage": {
            "prompt_tokens": prompt_chars / USAGE_CHARS, "completion_tokens": completion,
            "total_tokens": prompt_chars / USAGE_CHARS + completion
        }
    });
    stream.write_all(format!("data: {usage}\n\ndata: [DONE]\n\n").as_bytes())?;
    stream.flush()
}
