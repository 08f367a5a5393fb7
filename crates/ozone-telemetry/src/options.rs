//! Where spans go, as OpenTelemetry's own environment variables say it.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Where spans go.
#[derive(Clone)]
pub struct Options {
    pub(crate) url: Url,
    /// They may hold a secret.
    pub(crate) headers: HeaderMap,
    /// Of the process: `service.name` and the like.
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {why}")]
pub struct BadOptions {
    pub variable: &'static str,
    pub why: String,
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const TRACES_TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

impl Options {
    /// Spans to this address, which is used as it is.
    pub fn to(url: &str) -> Result<Self, BadOptions> {
        Ok(Options {
            url: address(TRACES_ENDPOINT, url)?,
            headers: HeaderMap::new(),
            resource: vec![("service.name".into(), "ozone".into())],
            timeout: Duration::from_secs(10),
        })
    }

    /// `None` where no endpoint is set, or telemetry is turned off.
    /// Source: OpenTelemetry, "OTLP Exporter Configuration" and "SDK Configuration".
    pub fn from_env(getenv: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadOptions> {
        let get = |name: &str| getenv(name).filter(|value| !value.trim().is_empty());
        let off = get("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
        if off {
            return Ok(None);
        }
        let mut options = match (get(TRACES_ENDPOINT), get(ENDPOINT)) {
            (Some(url), _) => Options::to(&url)?,
            (None, Some(base)) => {
                address(ENDPOINT, &base)?;
                Options::to(&format!("{}/v1/traces", base.trim_end_matches('/')))?
            }
            (None, None) => return Ok(None),
        };
        let first =
            |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, get(name)?)));
        if let Some((variable, protocol)) = first([TRACES_PROTOCOL, PROTOCOL])
            && protocol.trim() == "grpc"
        {
            let why = "`grpc` is not spoken here; name an HTTP endpoint (port 4318, as a rule) and \
                       use `http/json`";
            return Err(BadOptions { variable, why: why.into() });
        }
        for name in [HEADERS, TRACES_HEADERS] {
            for (key, value) in pairs(name, get(name))? {
                let bad = |_| BadOptions { variable: name, why: format!("`{key}` is no header") };
                let header: HeaderName = key.parse().map_err(|_| bad(()))?;
                let mut value = HeaderValue::from_str(&value).map_err(|_| bad(()))?;
                value.set_sensitive(true);
                options.headers.insert(header, value);
            }
        }
        for (key, value) in pairs(RESOURCE, get(RESOURCE))? {
            options.resource.retain(|(known, _)| *known != key);
            options.resource.push((key, value));
        }
        if let Some(name) = get("OTEL_SERVICE_NAME") {
            options.resource.retain(|(known, _)| known != "service.name");
            options.resource.push(("service.name".into(), name));
        }
        if let Some((variable, text)) = first([TRACES_TIMEOUT, TIMEOUT]) {
            let milliseconds = text.trim().parse().map_err(|_| {
                let why = format!("`{text}` is no number of milliseconds");
                BadOptions { variable, why }
            })?;
            options.timeout = Duration::from_millis(milliseconds);
        }
        Ok(Some(options))
    }
}

fn address(variable: &'static str, text: &str) -> Result<Url, BadOptions> {
    let bad = |why: String| BadOptions { variable, why };
    let url = Url::parse(text.trim()).map_err(|e| bad(format!("no URL: {e}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(bad(format!("`{other}` is not spoken here; use http or https"))),
    }
}

/// `key=value,key=value`, with percent signs for what would be read otherwise.
fn pairs(
    variable: &'static str,
    text: Option<String>,
) -> Result<Vec<(String, String)>, BadOptions> {
    let text = text.unwrap_or_default();
    let given = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    given
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| BadOptions {
                variable,
                // Not shown: it may be a secret.
                why: "expected key=value, with commas between".into(),
            })?;
            Ok((key.trim().to_owned(), decoded(value.trim())))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
