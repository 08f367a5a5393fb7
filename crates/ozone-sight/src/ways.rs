//! The ways in which a picture may reach a model, tried one after the other.

use std::sync::Arc;
use std::time::Duration;

use ozone_agent::{Aside, Unanswered};
use ozone_model::{
    Constraints, Delivery, Image, ModelError, Sample, SampleRequest, Sampling, Sees, Stop, Turn,
};
use ozone_prompt::{Effort, Message, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::card::Card;

/// Of one question. A server that shows pictures to nobody may never answer.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Room for a model that thinks before it answers with six characters.
pub(crate) const OUTPUT_TOKENS_MAX: u64 = 2_048;
/// A token of base64 is at most so many characters: a picture that costs more tokens than that makes
/// of it was read as text. Measured: 1.4.
const BASE64_CHARS_PER_TOKEN_MAX: u64 = 4;

const TOOL: &str = "show_card";
/// Nine letters and digits: some servers take no other ids.
const CALL_ID: &str = "callcard1";

/// What came of all ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// In seconds since 1970.
    pub at: i64,
    pub sees: Sees,
    /// In the order in which they were tried.
    pub ways: Vec<Way>,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    pub by: Delivery,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Of the whole prompt, as the server counts them.
    pub input_tokens: Option<u64>,
    /// The picture was read as the text of its base64.
    #[serde(default)]
    pub flattened: bool,
}

/// What came of one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It read the code.
    Read,
    /// It answered with something else.
    NotRead { said: String },
    /// The server takes no such request.
    Refused { why: String },
    /// No answer, and nobody knows whether there would have been one.
    NoAnswer { why: String },
}

/// Nothing is known after it.
#[derive(Debug, thiserror::Error)]
pub enum Inconclusive {
    /// Not even a question without a picture was answered.
    #[error("it does not answer: {0}")]
    Down(#[source] Unanswered),
    /// It was not shown to see, nor to be blind.
    #[error("a card that was sent {} was not answered: {why}", by(*.way))]
    Open { way: Delivery, why: String },
    #[error(transparent)]
    Stopped(Unanswered),
}

fn by(way: Delivery) -> &'static str {
    match way {
        Delivery::Tool => "in a tool's message",
        Delivery::User => "in a user's turn",
        Delivery::Text => "as text",
    }
}

/// Tries all three ways. `seed` should be new each time: a code that was used before may be known.
pub async fn probe(aside: &mut Aside, seed: u64) -> Result<Probed, Inconclusive> {
    // The text is tried first: who cannot be reached by it cannot be reached, and it tells what the
    // words around a picture cost.
    let text = try_way(aside, Delivery::Text, seed, 0).await?;
    if let (Outcome::NoAnswer { .. } | Outcome::Refused { .. }, Some(e)) = (&text.0.outcome, text.1)
    {
        return Err(Inconclusive::Down(e));
    }
    let words = text.0.input_tokens.unwrap_or(0);
    let mut ways = vec![text.0];
    for (by, salt) in [(Delivery::Tool, 1), (Delivery::User, 2)] {
        let (way, _) = try_way(aside, by, seed.wrapping_add(salt), words).await?;
        ways.push(way);
    }
    let reads = |by| ways.iter().any(|way| way.by == by && way.outcome == Outcome::Read);
    let sees = match (reads(Delivery::Tool), reads(Delivery::User)) {
        (true, users) => Sees { users, results: Delivery::Tool },
        (false, true) => Sees::from(Delivery::User),
        (false, false) => Sees::from(Delivery::Text),
    };
    let open = ways.iter().find_map(|way| match &way.outcome {
        Outcome::NoAnswer { why } => Some((way.by, why.clone())),
        _ => None,
    });
    match open {
        Some((way, why)) if sees.results == Delivery::Text => Err(Inconclusive::Open { way, why }),
        _ => Ok(Probed { at: aside.now(), sees, ways }),
    }
}

/// One way, and why it was not answered, if so. `words`: the tokens of the same question without a
/// picture.
async fn try_way(
    aside: &mut Aside,
    by: Delivery,
    seed: u64,
    words: u64,
) -> Result<(Way, Option<Unanswered>), Inconclusive> {
    let card = Card::of_seed(seed);
    let base64_chars = card.png.len() as u64 / 3 * 4;
    let as_text = |tokens: u64| {
        by != Delivery::Text
            && tokens.saturating_sub(words) >= base64_chars / BASE64_CHARS_PER_TOKEN_MAX
    };
    let way = |outcome, input_tokens: Option<u64>| {
        // Who has read the code was shown it, at whatever price.
        let flattened = outcome != Outcome::Read && input_tokens.is_some_and(as_text);
        Way { by, outcome, input_tokens, flattened }
    };
    match aside.ask(question(&card, by), ANSWER_MAX).await {
        Ok(sample) => {
            let tokens = (!sample.usage_estimated).then_some(sample.usage.input_tokens);
            Ok((way(outcome(&card, &sample), tokens), None))
        }
        Err(Unanswered::Model(e)) => {
            let tokens = match &e {
                ModelError::ContextLength { input_tokens, .. } => Some(*input_tokens),
                _ => None,
            };
            Ok((way(unanswered(&e), tokens), Some(Unanswered::Model(e))))
        }
        Err(e @ Unanswered::OutOfTime(_)) => {
            Ok((way(Outcome::NoAnswer { why: e.to_string() }, None), Some(e)))
        }
        Err(e @ (Unanswered::Cancelled | Unanswered::NoMoney(_) | Unanswered::Store(_))) => {
            Err(Inconclusive::Stopped(e))
        }
    }
}

fn outcome(card: &Card, sample: &Sample) -> Outcome {
    let text = text_of(sample);
    match sample.stop {
        _ if card.is_read(text) => Outcome::Read,
        Stop::Length | Stop::ContextFull if text.trim().is_empty() => {
            Outcome::NotRead { said: format!("[nothing within {OUTPUT_TOKENS_MAX} tokens]") }
        }
        _ => Outcome::NotRead { said: excerpt(text) },
    }
}

pub(crate) fn text_of(sample: &Sample) -> &str {
    match &sample.message {
        Message::Assistant { text, .. } => text,
        _ => "",
    }
}

/// A refusal is an answer; a server that is down, or busy, has given none.
fn unanswered(e: &ModelError) -> Outcome {
    let why = excerpt(&e.to_string());
    match e {
        ModelError::InvalidRequest(_) | ModelError::ContextLength { .. } => {
            Outcome::Refused { why }
        }
        // Some answer pictures with a 500 that says so.
        ModelError::Unavailable(text) | ModelError::Internal(text) if is_about_pictures(text) => {
            Outcome::Refused { why }
        }
        _ => Outcome::NoAnswer { why },
    }
}

fn is_about_pictures(text: &str) -> bool {
    let text = text.to_lowercase();
    ["image", "vision", "multimodal", "multi-modal", "mmproj", "picture"]
        .iter()
        .any(|word| text.contains(word))
}

/// The beginning of what somebody said, in one line.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// As the loop would show the picture of a call.
fn question(card: &Card, by: Delivery) -> SampleRequest {
    let image = || Image { media_type: "image/png".to_owned(), bytes: Arc::from(&*card.png) };
    let result = |output: &str| Message::ToolResult {
        call_id: CALL_ID.to_owned(),
        name: TOOL.to_owned(),
        output: output.to_owned(),
    };
    let asked = Message::User {
        text: format!(
            "Call {TOOL} once. Then answer with the code on the card, and with nothing else: it is \
             {} capital letters and digits. Do not guess: if you are shown no card, answer `none`.",
            Card::CHARS
        ),
    };
    let tool_calls =
        vec![ToolCall { id: CALL_ID.into(), name: TOOL.into(), arguments: "{}".into() }];
    let called = Message::Assistant { reasoning: None, text: String::new(), tool_calls };
    let mut turns = vec![Turn::Given(asked), Turn::Given(called)];
    match by {
        Delivery::Text => {
            turns.push(Turn::Given(result(&format!("The code on the card is {}.", card.code))));
        }
        Delivery::Tool => {
            let result = result("The card is in this picture.");
            turns.push(Turn::Returned { result, images: vec![image()] });
        }
        Delivery::User => {
            turns.push(Turn::Given(result("The card is in the picture below.")));
            let text = "[The picture of the call above]".to_owned();
            turns.push(Turn::Shown { text, images: vec![image()] });
        }
    }
    let tool = ToolSpec {
        name: TOOL.to_owned(),
        description: "Shows a card with a code on it.".to_owned(),
        parameters: json!({"type": "object", "properties": {}, "required": []}),
        grammar: None,
    };
    request(turns, vec![tool])
}

/// Short answers, and the same ones each time, as far as the server can.
pub(crate) fn request(turns: Vec<Turn>, tools: Vec<ToolSpec>) -> SampleRequest {
    SampleRequest {
        key: "sight".to_owned(),
        cache_key: None,
        instructions: None,
        turns,
        tools,
        effort: Some(Effort::None),
        today: None,
        sampling: Sampling::default(),
        output_tokens_max: OUTPUT_TOKENS_MAX,
        thinking_tokens_max: None,
        started: vec![],
        constraints: Constraints::default(),
    }
}
