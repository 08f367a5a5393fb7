//! An image model behind OpenAI's images API: `/images/generations` and `/images/edits`.
//!
//! A request is tried again while the server is busy, and no more once it has sent anything: a picture
//! costs money. The key of the call goes along as `Idempotency-Key`, so that a server that heeds it
//! makes a picture once, also where a killed run asks again.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use ozone_cost::Amount;
use ozone_image::{Limits, decode_with_alpha};
use ozone_types::ImageFacts;
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sse_stream::SseStream;
use url::Url;

use super::{
    Action, Background, Easel, Made, OutputFormat, PictureOptions, bad, numbers, size_of, stopped,
};
use crate::egress::{self, Egress, EgressError, body};
use crate::{Paid, ToolError, ToolOutput};

/// Of one answer, with all its pictures.
const ANSWER_BYTES_MAX: usize = 96 << 20;
const PICTURE_BYTES_MAX: usize = 32 << 20;
const PROMPT_CHARS_MAX: usize = 32_000;
const CAUSE_CHARS_MAX: usize = 400;
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The most pictures that one change is made of.
const CHANGED_MAX: usize = 16;

/// The configuration names no server that could be asked.
#[derive(Debug, thiserror::Error)]
pub enum BadImageUpstream {
    #[error("`{0}` is no address such as https://api.openai.com/v1")]
    Address(String),
    #[error("its key holds what no header may")]
    Key,
    #[error(transparent)]
    Egress(#[from] EgressError),
}

/// An image model.
pub struct ImageUpstream {
    base: Url,
    /// The server's name for it.
    model: String,
    key: Option<HeaderValue>,
    egress: Egress,
    price: Option<Amount>,
    time_max: Duration,
}

impl fmt::Debug for ImageUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageUpstream({} at {})", self.model, self.base)
    }
}

pub(super) fn described(options: &PictureOptions) -> (String, Value) {
    let mut told = "Has an image model make a picture, and shows it to the user. Describe in the \
         prompt all that matters: the subject, the style, the composition, the light, texts word for \
         word. It takes up to some minutes, and each picture costs money: make no more than were \
         asked for."
        .to_owned();
    let mut properties = json!({
        "prompt": {"type": "string", "description": "What the picture shows."}
    });
    if options.action != Action::Generate {
        told.push_str(
            " To change pictures, name their numbers in `images` and say in the prompt what changes \
             and what stays.",
        );
        properties["images"] = json!({
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "description": "The pictures to change or to use, as [1] for image:1."
        });
    }
    if options.mask.is_some() {
        told.push_str(" The user's mask lets a part of the newest picture be changed only.");
    }
    let parameters = json!({
        "type": "object",
        "properties": properties,
        "required": ["prompt"],
        "additionalProperties": false
    });
    (told, parameters)
}

/// What a request is made of.
struct Order<'a> {
    prompt: &'a str,
    /// Of an edit: bytes and media types.
    images: Vec<(Vec<u8>, &'static str)>,
    mask: Option<Vec<u8>>,
    options: &'a PictureOptions,
    streams: bool,
}

/// Why there is no picture, in words for the model.
struct Failed {
    why: String,
    /// It may work in a moment.
    passing: Option<Duration>,
    /// The server was at it, and may have charged for it.
    charged: bool,
    /// It does not stream.
    about_streams: bool,
}

impl Failed {
    fn of(why: impl Into<String>) -> Failed {
        let why = why.into();
        Failed { why, passing: None, charged: false, about_streams: false }
    }

    fn charged(why: impl Into<String>) -> Failed {
        Failed { charged: true, ..Failed::of(why) }
    }
}

struct Answered {
    bytes: Vec<u8>,
    revised_prompt: Option<String>,
    quality: Option<String>,
    background: Option<String>,
}

impl ImageUpstream {
    /// `price`: of one picture; without it the cost is unknown.
    pub fn new(
        base_url: &str,
        model: &str,
        key: Option<&str>,
        price: Option<Amount>,
        time_max: Duration,
    ) -> Result<ImageUpstream, BadImageUpstream> {
        let bad = || BadImageUpstream::Address(base_url.to_owned());
        let mut base = Url::parse(base_url).map_err(|_| bad())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad());
        }
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        let egress = Egress::trusting(base.as_str())?;
        let key = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let mut key = key.transpose().map_err(|_| BadImageUpstream::Key)?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(ImageUpstream { base, model: model.to_owned(), key, egress, price, time_max })
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    /// As `gpt-image-1 at api.openai.com`.
    pub fn name(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{} at {host}:{port}", self.model),
            None => format!("{} at {host}", self.model),
        }
    }

    /// What one picture costs.
    pub fn paid(&self) -> Paid {
        Paid { to: self.model.clone(), amount: self.price }
    }

    pub(super) async fn make(
        &self,
        easel: &Easel,
        arguments: &Value,
        key: &str,
    ) -> Result<Result<Made, ToolOutput>, ToolError> {
        let options = &easel.options;
        let prompt = arguments.get("prompt").and_then(Value::as_str).unwrap_or_default().trim();
        if prompt.is_empty() {
            return Err(bad("`prompt` is missing: say what the picture shows"));
        }
        if prompt.chars().count() > PROMPT_CHARS_MAX {
            return Err(bad(format!("the prompt has more than {PROMPT_CHARS_MAX} characters")));
        }
        let mut wanted = numbers(arguments, "images")?;
        if options.action == Action::Generate && !wanted.is_empty() {
            return Err(bad("the user wants a new picture: name no earlier one"));
        }
        if wanted.len() > CHANGED_MAX {
            return Err(bad(format!("at most {CHANGED_MAX} pictures can be changed at once")));
        }
        let must_edit = options.action == Action::Edit || options.mask.is_some();
        if wanted.is_empty() && must_edit {
            wanted.push(easel.sources.last_number());
        }
        // A mask belongs to the first picture.
        if options.mask.is_some() {
            let newest = easel.sources.last_number();
            wanted.retain(|number| *number != newest);
            wanted.insert(0, newest);
        }
        let mut images = vec![];
        for number in wanted {
            let source = easel.sources.get(number)?.clone();
            let file = tokio::task::spawn_blocking(move || source.file()).await;
            let (bytes, media_type) = file.map_err(super::internal)??;
            images.push((bytes.to_vec(), media_type));
        }
        let is_edit = !images.is_empty();
        let mask = options.mask.as_ref().map(|mask| mask.to_vec());
        let streams = options.partial_images > 0 && easel.watch.is_some();
        let order = Order { prompt, images, mask, options, streams };
        let asked = tokio::time::timeout(self.time_max, self.ask(order, easel, key)).await;
        let answered = asked.unwrap_or_else(|_| {
            let seconds = self.time_max.as_secs();
            Err(Failed::charged(format!("{} gave no picture within {seconds} s", self.name())))
        });
        let finished = match answered {
            Ok(answered) => self.finished(answered, is_edit, options).await?,
            Err(failed) => Err(failed),
        };
        Ok(finished.map_err(|failed| {
            let paid = failed.charged.then(|| self.paid());
            stopped(&format!("no picture: {}", failed.why), paid)
        }))
    }

    /// Asks until there is an answer, or no hope of one.
    async fn ask(
        &self,
        mut order: Order<'_>,
        easel: &Easel,
        key: &str,
    ) -> Result<Answered, Failed> {
        let mut tries = 0;
        loop {
            let failed = match self.ask_once(&order, easel, key).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            if failed.about_streams && order.streams {
                order.streams = false;
                continue;
            }
            tries += 1;
            let Some(pause) = failed.passing.filter(|pause| *pause <= PAUSE_MAX) else {
                return Err(failed);
            };
            if tries >= TRIES_MAX {
                return Err(failed);
            }
            tracing::warn!("{}: {}; asked again", self.name(), failed.why);
            tokio::time::sleep(pause.max(PAUSE * 4u32.pow(tries - 1))).await;
        }
    }

    async fn ask_once(
        &self,
        order: &Order<'_>,
        easel: &Easel,
        key: &str,
    ) -> Result<Answered, Failed> {
        let request = self.request(order, key)?;
        let response = self.egress.send(request).await.map_err(|e| {
            let pause = matches!(e, EgressError::Http { .. }).then_some(Duration::ZERO);
            Failed { passing: pause, ..Failed::of(format!("{}: {e}", self.name())) }
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(status, response).await);
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return self.streamed(response, easel).await;
        }
        let bytes = body(response, ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|e| Failed::charged(format!("{}: {e}", self.name())))?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| self.no_picture())?;
        let first = answer["data"].get(0).ok_or_else(|| self.no_picture())?;
        let bytes = match (first["b64_json"].as_str(), first["url"].as_str()) {
            (Some(data), _) => STANDARD.decode(data.trim()).map_err(|_| self.no_picture())?,
            (None, Some(url)) => self.fetched(url).await?,
            (None, None) => return Err(self.no_picture()),
        };
        let text = |name: &str| first[name].as_str().or(answer[name].as_str()).map(str::to_owned);
        Ok(Answered {
            bytes,
            revised_prompt: text("revised_prompt"),
            quality: text("quality"),
            background: text("background"),
        })
    }

    /// The pictures of a stream; the last one counts.
    async fn streamed(&self, response: Response, easel: &Easel) -> Result<Answered, Failed> {
        let mut events =
            pin!(SseStream::from_bytes_stream(egress::chunks(response, ANSWER_BYTES_MAX)));
        let mut shown = 0;
        while let Some(event) = events.next().await {
            let broken = |e| Failed::charged(format!("{} broke off: {e}", self.name()));
            let event = event.map_err(|e| broken(e.to_string()))?;
            let Some(data) = event.data.filter(|data| data.trim() != "[DONE]") else { continue };
            let event: Value = serde_json::from_str(&data).map_err(|_| self.no_picture())?;
            let kind = event["type"].as_str().unwrap_or_default();
            let decoded = || {
                let data = event["b64_json"].as_str().ok_or_else(|| self.no_picture())?;
                STANDARD.decode(data.trim()).map_err(|_| self.no_picture())
            };
            if kind.ends_with(".partial_image") {
                let bytes = decoded()?;
                if let Some(watch) = &easel.watch
                    && watch.shown + shown < easel.options.partial_images
                    && size_of(&bytes).is_some()
                {
                    shown += 1;
                    // Nobody may watch any more.
                    let _ = watch.pictures.send(bytes).await;
                }
            } else if kind.ends_with(".completed") {
                let text = |name: &str| event[name].as_str().map(str::to_owned);
                return Ok(Answered {
                    bytes: decoded()?,
                    revised_prompt: text("revised_prompt"),
                    quality: text("quality"),
                    background: text("background"),
                });
            } else if kind == "error" || !event["error"].is_null() {
                return Err(Failed::charged(format!("{}{}", self.name(), cause(&event))));
            }
        }
        Err(Failed::charged(format!("{} ended without a picture", self.name())))
    }

    fn no_picture(&self) -> Failed {
        Failed::charged(format!("{} answered with something that is no picture", self.name()))
    }

    /// Some servers give an address in place of the picture.
    async fn fetched(&self, url: &str) -> Result<Vec<u8>, Failed> {
        let failed = |e: EgressError| {
            Failed::charged(format!("{} made a picture that cannot be fetched: {e}", self.name()))
        };
        let url = self.egress.url(url).map_err(failed)?;
        let response =
            self.egress.send(self.egress.request(Method::GET, url)).await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(self.no_picture());
        }
        body(response, PICTURE_BYTES_MAX).await.map_err(failed)
    }

    async fn refused(&self, status: StatusCode, response: Response) -> Failed {
        const REFUSAL_BYTES_MAX: usize = 64 << 10;
        let after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let after = after.and_then(|after| after.trim().parse::<u64>().ok());
        let after = after.map(Duration::from_secs);
        let said = body(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        let cause = cause(&said);
        let is_passing = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || status.is_server_error();
        let is_spent = said.pointer("/error/code").is_some_and(|code| code == "insufficient_quota");
        Failed {
            passing: (is_passing && !is_spent).then(|| after.unwrap_or_default()),
            about_streams: status.is_client_error()
                && (cause.contains("stream") || cause.contains("partial_images")),
            ..Failed::of(format!("{} refused ({}){cause}", self.name(), status.as_u16()))
        }
    }

    fn request(&self, order: &Order<'_>, key: &str) -> Result<Request, Failed> {
        let route = if order.images.is_empty() { "images/generations" } else { "images/edits" };
        let url = self.base.join(route).map_err(|e| Failed::of(e.to_string()))?;
        let fields = self.fields(order);
        let (content_type, body) = match order.images.is_empty() {
            true => {
                let body: serde_json::Map<String, Value> = fields.into_iter().collect();
                ("application/json".to_owned(), Value::Object(body).to_string().into_bytes())
            }
            false => form(&fields, &order.images, order.mask.as_deref()),
        };
        let mut request = self.egress.request(Method::POST, url);
        let headers = request.headers_mut();
        let kind = HeaderValue::from_str(&content_type).map_err(|e| Failed::of(e.to_string()))?;
        headers.insert(header::CONTENT_TYPE, kind);
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        let once: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Ok(once) = HeaderValue::from_str(&once) {
            headers.insert(HeaderName::from_static("idempotency-key"), once);
        }
        headers.extend(self.key.clone().map(|key| (header::AUTHORIZATION, key)));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    /// What the client said; where it said nothing, the server knows best.
    fn fields(&self, order: &Order<'_>) -> Vec<(String, Value)> {
        let options = order.options;
        let mut fields =
            vec![("model", json!(self.model)), ("prompt", json!(order.prompt)), ("n", json!(1))];
        if let Some([width, height]) = options.size {
            fields.push(("size", json!(format!("{width}x{height}"))));
        }
        match options.background {
            Background::Auto => {}
            Background::Opaque => fields.push(("background", json!("opaque"))),
            Background::Transparent => fields.push(("background", json!("transparent"))),
        }
        if options.format != OutputFormat::Png {
            fields.push(("output_format", json!(options.format.name())));
        }
        fields.extend(options.compression.map(|n| ("output_compression", json!(n))));
        fields.extend(options.quality.as_ref().map(|quality| ("quality", json!(quality))));
        fields.extend(options.moderation.as_ref().map(|how| ("moderation", json!(how))));
        if !order.images.is_empty() {
            let fidelity = options.input_fidelity.as_ref();
            fields.extend(fidelity.map(|fidelity| ("input_fidelity", json!(fidelity))));
        }
        // These give an address otherwise, and the newer ones refuse the field.
        if self.model.starts_with("dall-e") {
            fields.push(("response_format", json!("b64_json")));
        }
        if order.streams {
            fields.push(("stream", json!(true)));
            fields.push(("partial_images", json!(options.partial_images)));
        }
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The outer error is ours.
    async fn finished(
        &self,
        answered: Answered,
        is_edit: bool,
        options: &PictureOptions,
    ) -> Result<Result<Made, Failed>, ToolError> {
        let Answered { bytes, revised_prompt, quality, background } = answered;
        let options = options.clone();
        let format = options.format.name().to_owned();
        let checked = tokio::task::spawn_blocking(move || {
            let pixels = decode_with_alpha(&bytes, &Limits::default()).ok()?;
            let has_holes = !ozone_image::encode::is_opaque(&pixels);
            match options.format.is_of(&bytes) {
                true => Some((bytes, has_holes)),
                // Some servers know one format only.
                false => Some((options.encoded(&pixels).ok()?, has_holes)),
            }
        });
        let Some((bytes, has_holes)) = checked.await.map_err(super::internal)? else {
            return Ok(Err(self.no_picture()));
        };
        let seen = if has_holes { "transparent" } else { "opaque" };
        let facts = ImageFacts {
            action: Some(if is_edit { "edit" } else { "generate" }.to_owned()),
            background: Some(background.unwrap_or_else(|| seen.to_owned())),
            output_format: Some(format),
            quality,
            revised_prompt,
            size: size_of(&bytes),
            x_engine: Some(self.name()),
        };
        Ok(Ok(Made { bytes, facts, notes: vec![], paid: Some(self.paid()) }))
    }
}

/// What the server says about it.
fn cause(said: &Value) -> String {
    let places = ["/error/message", "/error", "/message", "/detail"];
    let text = places.iter().find_map(|at| said.pointer(at)?.as_str());
    text.map_or(String::new(), |text| {
        format!(": {}", text.chars().take(CAUSE_CHARS_MAX).collect::<String>())
    })
}

/// A form with files.
fn form(
    fields: &[(String, Value)],
    images: &[(Vec<u8>, &str)],
    mask: Option<&[u8]>,
) -> (String, Vec<u8>) {
    // Long enough that no picture holds it.
    let mut hash = Sha256::new();
    images.iter().for_each(|(bytes, _)| hash.update(bytes));
    let boundary: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut form = vec![];
    let mut part = |head: String, body: &[u8]| {
        form.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; {head}").as_bytes(),
        );
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(body);
        form.extend_from_slice(b"\r\n");
    };
    for (name, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        part(format!("name=\"{name}\""), text.as_bytes());
    }
    let file = |name: &str, file: &str, media_type: &str| {
        format!("name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: {media_type}")
    };
    let name = if images.len() == 1 { "image" } else { "image[]" };
    for (at, (bytes, media_type)) in images.iter().enumerate() {
        let end = media_type.trim_start_matches("image/");
        part(file(name, &format!("image_{}.{end}", at + 1), media_type), bytes);
    }
    if let Some(mask) = mask {
        part(file("mask", "mask.png", "image/png"), mask);
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), form)
}
