//! Pictures and files that a request only names by a URL, fetched while it is prepared.
//!
//! They go on as if the client had sent them: a picture as a `data:` URL, a file as its text. So
//! what is stored does not change when the address does, nothing is fetched twice, and an upstream
//! is never told of an address. Where a URL may lead is `Egress`'s to say.

use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_tools::egress::{Egress, EgressError, body};
use tokio::time::Instant;

use crate::ServerLimits;
use crate::error::ApiError;
use crate::files;

/// What the URLs of one request may use up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FetchLimits {
    pub count_max: usize,
    /// Of one picture or file. All of a request together are held to the size of a body.
    pub bytes_max: usize,
    /// For all of a request together.
    pub time_max: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        FetchLimits { count_max: 16, bytes_max: 20 << 20, time_max: Duration::from_secs(20) }
    }
}

/// What the URLs of one request have left.
pub(crate) struct Fetches {
    egress: Egress,
    /// `false`: the model sees no pictures, so none are fetched.
    pictures: bool,
    limits: FetchLimits,
    count: usize,
    bytes_left: usize,
    /// Of the text of files, wherever they come from.
    text_bytes_left: usize,
    deadline: Instant,
}

/// What a URL gave.
struct Fetched {
    /// As `text/plain`, in small letters; empty where nobody said.
    media_type: String,
    bytes: Vec<u8>,
    /// The last part of its path.
    name: String,
}

impl Fetches {
    pub fn new(
        egress: &Egress,
        limits: &ServerLimits,
        pictures: bool,
        text_bytes_left: usize,
    ) -> Self {
        Fetches {
            egress: egress.clone(),
            pictures,
            limits: limits.fetch,
            count: 0,
            bytes_left: limits.body_bytes_max,
            text_bytes_left,
            deadline: Instant::now() + limits.fetch.time_max,
        }
    }

    /// Whether the model sees pictures.
    pub fn pictures(&self) -> bool {
        self.pictures
    }

    /// So much room for the text of files is still left.
    pub fn text_bytes_left(&self) -> usize {
        self.text_bytes_left
    }

    pub fn took_text(&mut self, bytes: usize) {
        self.text_bytes_left = self.text_bytes_left.saturating_sub(bytes);
    }

    /// The picture of an `image_url` as a `data:` URL, unless it is one already.
    pub async fn image(&mut self, url: &str, param: &str) -> Result<Option<String>, ApiError> {
        if let Some(data) = url.strip_prefix("data:") {
            return inline(data, param).map(|()| None);
        }
        if !self.pictures {
            return Ok(None);
        }
        let fetched = self.fetch(url, param, "image/*", IMAGE).await?;
        let mime = files::image_type(&fetched.bytes).ok_or_else(|| {
            let message = format!(
                "Invalid '{param}': the address gave {}, and no PNG, JPEG, GIF or WebP picture.",
                fetched.kind()
            );
            ApiError::coded(param, "unsupported_image_media_type", message)
        })?;
        Ok(Some(format!("data:{mime};base64,{}", STANDARD.encode(&fetched.bytes))))
    }

    /// The name and the content of a `file_url`.
    pub async fn file(&mut self, url: &str, param: &str) -> Result<(String, Vec<u8>), ApiError> {
        let fetched = self.fetch(url, param, "*/*", FILE).await?;
        Ok((fetched.name, fetched.bytes))
    }

    async fn fetch(
        &mut self,
        url: &str,
        param: &str,
        accept: &'static str,
        codes: Codes,
    ) -> Result<Fetched, ApiError> {
        let invalid =
            |code, why: String| ApiError::coded(param, code, format!("Invalid '{param}': {why}."));
        self.count += 1;
        if self.count > self.limits.count_max {
            let why = format!("a request may name at most {} URLs", self.limits.count_max);
            return Err(invalid(codes.invalid, why));
        }
        let max = self.limits.bytes_max.min(self.bytes_left);
        let failed = |e: EgressError| match e {
            EgressError::BadUrl(_) | EgressError::Refused { .. } => {
                invalid(codes.invalid, e.to_string())
            }
            EgressError::TooLarge { .. } => invalid(codes.too_large, e.to_string()),
            EgressError::NotFound { .. }
            | EgressError::TooManyRedirects
            | EgressError::BadRedirect(_)
            | EgressError::Http { .. } => {
                invalid(codes.failed, format!("it could not be fetched: {e}"))
            }
        };
        let url = self.egress.url(url).map_err(failed)?;
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let name = files::plain_name(name);
        let mut request = self.egress.request(Method::GET, url);
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
        let fetching = async {
            let response = self.egress.send(request).await?;
            let status = response.status();
            let media_type = response.headers().get(header::CONTENT_TYPE);
            let media_type = media_type.and_then(|value| value.to_str().ok());
            let media_type = media_type.and_then(|t| t.split(';').next()).unwrap_or_default();
            let media_type = media_type.trim().to_ascii_lowercase();
            // What comes with an error is nobody's picture.
            let bytes = if status.is_success() { body(response, max).await? } else { vec![] };
            Ok::<_, EgressError>((status, Fetched { media_type, bytes, name }))
        };
        let (status, fetched) = match tokio::time::timeout_at(self.deadline, fetching).await {
            Ok(fetched) => fetched.map_err(failed)?,
            Err(_) => {
                let max = self.limits.time_max.as_secs_f32();
                let why = format!("it could not be fetched: it took longer than {max} seconds");
                return Err(invalid(codes.failed, why));
            }
        };
        if !status.is_success() {
            let why = format!("it could not be fetched: the address answered {}", status.as_u16());
            return Err(invalid(codes.failed, why));
        }
        if fetched.bytes.is_empty() {
            return Err(invalid(codes.failed, "the address gave nothing".into()));
        }
        self.bytes_left -= fetched.bytes.len();
        Ok(fetched)
    }
}

/// OpenAI's words for what went wrong.
#[derive(Clone, Copy)]
struct Codes {
    invalid: &'static str,
    failed: &'static str,
    too_large: &'static str,
}

const IMAGE: Codes = Codes {
    invalid: "invalid_image_url",
    failed: "failed_to_download_image",
    too_large: "image_file_too_large",
};
const FILE: Codes = Codes {
    invalid: "invalid_file_url",
    failed: "failed_to_download_file",
    too_large: "file_too_large",
};

impl Fetched {
    fn kind(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/+-._".contains(c);
        match self.media_type.as_str() {
            kind if !kind.is_empty() && kind.len() <= 80 && kind.chars().all(plain) => {
                format!("`{kind}`")
            }
            _ => format!("{} bytes of no stated kind", self.bytes.len()),
        }
    }
}

/// A picture that came with the request: the model would be shown nothing of what is no base64.
fn inline(data: &str, param: &str) -> Result<(), ApiError> {
    let encoded = data.split_once(',').filter(|(head, _)| head.ends_with(";base64"));
    match encoded.map(|(_, encoded)| STANDARD.decode(encoded)) {
        Some(Ok(bytes)) if !bytes.is_empty() => Ok(()),
        Some(_) | None => {
            let message = format!(
                "Invalid '{param}': expected a base64-encoded data URL, as \
                 'data:image/png;base64,…'."
            );
            Err(ApiError::coded(param, "invalid_base64_image", message))
        }
    }
}
