//! What an upstream's refusal means for us: try again, try elsewhere, ask for less, or give up.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::body;
use super::piece::{Fault, count, excerpt, text};
use crate::ModelError;

/// What was asked, as far as it decides what a refusal means.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// By configuration.
    pub context_window: u64,
    /// A guess, for upstreams that do not give their number.
    pub input_tokens: u64,
}

/// An answer that is not 200. `body` is the beginning of it.
pub fn of_status(
    status: u16,
    retry_after: Option<Duration>,
    body: &str,
    asked: Asked,
    request: &Value,
) -> Fault {
    let parsed: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let error = Refusal::of(&parsed).unwrap_or_else(|| Refusal::plain(body));
    let why = match error.message.is_empty() {
        true => format!("it answered with status {status}"),
        false => format!("it answered with status {status}: {}", excerpt(&error.message)),
    };
    if matches!(status, 400 | 422 | 500) && error.is_about_roles() && !request_is_joined(request) {
        return Fault::Refused { field: body::ROLES_IN_A_ROW.to_owned(), for_good: true };
    }
    match status {
        400 | 413 | 422 => {
            if let Some(fault) = error.context_length(asked, request) {
                return fault;
            }
            if let Some(field) = error.refused_field(request) {
                return Fault::Refused { for_good: error.is_unsupported(), field };
            }
            match error.is_filter() {
                true => Fault::Filtered,
                false => Fault::Final(ModelError::InvalidRequest(format!(
                    "the upstream refused the request: {}",
                    excerpt(&error.message)
                ))),
            }
        }
        401 | 403 => Fault::Unfit(format!(
            "the upstream refused our key ({status}): {}",
            excerpt(&error.message)
        )),
        404 | 405 => Fault::Unfit(format!(
            "the upstream does not know this model or this address ({status}): {}",
            excerpt(&error.message)
        )),
        429 if error.is_quota() => Fault::Unfit(format!("the upstream's quota is used up: {why}")),
        429 => Fault::Limited { why, retry_after },
        503 if retry_after.is_some() => Fault::Limited { why, retry_after },
        408 | 409 | 425 | 500..=599 => Fault::Passing(why),
        300..=399 => {
            Fault::Unfit(format!("the upstream redirects elsewhere, which is not followed: {why}"))
        }
        _ => Fault::Unfit(why),
    }
}

/// Nothing is left to join: the template wants something else.
fn request_is_joined(request: &Value) -> bool {
    let messages = request.get("messages").and_then(Value::as_array);
    let roles: Vec<_> =
        messages.into_iter().flatten().map(|message| text(message, "role")).collect();
    let is_user = |role: &Option<&str>| *role == Some("user");
    let in_a_row = roles.windows(2).any(|pair| pair.iter().all(is_user));
    !in_a_row && !roles.iter().skip(1).any(|role| *role == Some("system"))
}

/// An event that is an error, under status 200.
pub fn in_stream(event: &Value, asked: Asked) -> Fault {
    let Some(error) = Refusal::of(event) else {
        return Fault::Passing(format!("it sent an error: {}", excerpt(&event.to_string())));
    };
    let why = format!("it sent an error: {}", excerpt(&error.message));
    if error.is_filter() {
        return Fault::Filtered;
    }
    if let Some(fault) = error.context_length(asked, &Value::Null) {
        return fault;
    }
    match error.code.as_str() {
        "rate_limit_exceeded" | "429" => Fault::Limited { why, retry_after: None },
        "insufficient_quota" => Fault::Final(ModelError::Internal(why)),
        "invalid_prompt" | "400" => Fault::Final(ModelError::InvalidRequest(why)),
        _ => Fault::Passing(why),
    }
}

/// Whether an event is an error rather than a chunk.
pub fn is_error(event: &Value) -> bool {
    event.get("error").is_some_and(|error| !error.is_null())
        || text(event, "object") == Some("error")
        || text(event, "type") == Some("error")
}

/// `retry-after` in seconds or as a date; `retry-after-ms` is OpenAI's.
pub fn retry_after(
    header: Option<&str>,
    milliseconds: Option<&str>,
    now: SystemTime,
) -> Option<Duration> {
    if let Some(ms) = milliseconds.and_then(|ms| ms.trim().parse::<u64>().ok()) {
        return Some(Duration::from_millis(ms));
    }
    let header = header?.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// An error object of any upstream.
struct Refusal {
    message: String,
    kind: String,
    code: String,
    param: Option<String>,
    /// llama-server counts.
    input_tokens: Option<u64>,
    context_window: Option<u64>,
}

impl Refusal {
    fn of(body: &Value) -> Option<Refusal> {
        let error = match body.get("error").filter(|error| !error.is_null()) {
            Some(error) => error,
            // FastAPI, and vLLM before 0.10.
            None => body.get("detail").unwrap_or(body),
        };
        let string = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let message = match error {
            Value::String(message) => message.clone(),
            Value::Array(_) => error.to_string(),
            _ => string(error.get("message")),
        };
        let refusal = Refusal {
            kind: string(error.get("type")),
            code: string(error.get("code")),
            param: text(error, "param").map(str::to_owned),
            input_tokens: count(error, &["n_prompt_tokens"]),
            context_window: count(error, &["n_ctx"]),
            message,
        };
        (!refusal.message.is_empty() || !refusal.code.is_empty()).then_some(refusal)
    }

    fn plain(body: &str) -> Refusal {
        Refusal {
            message: body.trim().to_owned(),
            kind: String::new(),
            code: String::new(),
            param: None,
            input_tokens: None,
            context_window: None,
        }
    }

    fn is_quota(&self) -> bool {
        self.code == "insufficient_quota" || self.kind == "insufficient_quota"
    }

    fn is_filter(&self) -> bool {
        matches!(self.code.as_str(), "content_filter" | "content_policy_violation")
    }

    /// The field itself, not its value.
    fn is_unsupported(&self) -> bool {
        const SIGNS: [&str; 7] = [
            "unsupported",
            "not supported",
            "does not support",
            "unrecognized",
            "unknown",
            "extra inputs",
            "not permitted",
        ];
        let message = self.message.to_lowercase();
        self.code.starts_with("unsupported_") || SIGNS.iter().any(|sign| message.contains(sign))
    }

    /// Templates of Mistral, Gemma and some others.
    fn is_about_roles(&self) -> bool {
        let message = self.message.to_lowercase();
        let place = ["at the beginning", "must be first", "first message", "not supported"];
        message.contains("must alternate")
            || (message.contains("system") && place.iter().any(|place| message.contains(place)))
    }

    fn context_length(&self, asked: Asked, request: &Value) -> Option<Fault> {
        const SIGNS: [&str; 5] = [
            "context length",
            "context size",
            "context window",
            "maximum model length",
            "maximum input length",
        ];
        let message = self.message.to_lowercase();
        let known = self.code == "context_length_exceeded"
            || self.kind == "exceed_context_size_error"
            || SIGNS.iter().any(|sign| message.contains(sign));
        if !known {
            return None;
        }
        let numbers = numbers(&message);
        let context_window = self
            .context_window
            .or_else(|| number_after(&numbers, &["maximum", "context length (", "context size"]))
            .unwrap_or(asked.context_window);
        let input = self.input_tokens.or_else(|| {
            let signs = ["in the messages", "input tokens", "from the input", "in your prompt"];
            number_before(&numbers, &[&signs[..], &["tokens) is longer"]].concat())
        });
        let limit = ["max_tokens", "max_completion_tokens"];
        if input.is_some_and(|input| input < context_window)
            && limit.iter().any(|name| request.get(name).is_some())
        {
            return Some(Fault::OutputLimit);
        }
        let largest = numbers.iter().map(|(number, ..)| *number).max().unwrap_or(0);
        let input_tokens = input.unwrap_or(largest.max(asked.input_tokens)).max(context_window);
        Some(Fault::Final(ModelError::ContextLength { input_tokens, context_window }))
    }

    /// An optional field of the request that the message is about.
    fn refused_field(&self, body: &Value) -> Option<String> {
        let mentions = |field: &str| {
            let root = |param: &str| param.split(['.', '[']).next() == Some(field);
            let quoted = |quote: char| self.message.contains(&format!("{quote}{field}{quote}"));
            self.param.as_deref().is_some_and(root) || quoted('\'') || quoted('"') || quoted('`')
        };
        let sent = |field: &&&str| body.get(**field).is_some();
        body::OPTIONAL.iter().filter(sent).find(|field| mentions(field)).map(|f| (*f).to_owned())
    }
}

/// Each whole number, with the text before and after it.
fn numbers(message: &str) -> Vec<(u64, &str, &str)> {
    let mut out = vec![];
    let mut at = 0;
    while let Some(start) = message[at..].find(|c: char| c.is_ascii_digit()).map(|i| at + i) {
        let rest = &message[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).map_or(message.len(), |i| start + i);
        if let Ok(number) = message[start..end].parse() {
            out.push((number, &message[at..start], &message[end..]));
        }
        at = end;
    }
    out
}

/// The number whose words before it, up to the number before, hold a sign.
fn number_after(numbers: &[(u64, &str, &str)], signs: &[&str]) -> Option<u64> {
    let holds = |before: &str| signs.iter().any(|sign| before.contains(sign));
    numbers.iter().find(|(_, before, _)| holds(before)).map(|(number, ..)| *number)
}

/// The number directly before a sign: with no word but "tokens" between.
fn number_before(numbers: &[(u64, &str, &str)], signs: &[&str]) -> Option<u64> {
    let follows = |after: &str| {
        let after = after.trim_start();
        let bare = after.strip_prefix("tokens").unwrap_or(after).trim_start();
        signs.iter().any(|sign| after.starts_with(sign) || bare.starts_with(sign))
    };
    numbers.iter().find(|(_, _, after)| follows(after)).map(|(number, ..)| *number)
}
