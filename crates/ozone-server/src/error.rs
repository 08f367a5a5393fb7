//! Errors as HTTP, in OpenAI's shape. The one place where a kind of error becomes a status, and
//! where our own faults are logged.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ozone_store::StoreError;
use ozone_types::ErrorBody;

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The client's mistake; `param` is where.
    #[error("{message}")]
    Invalid { message: String, param: Option<String>, code: Option<&'static str> },
    #[error("{0}")]
    Unauthorized(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{message}")]
    NotFound { message: String, code: Option<&'static str> },
    #[error("there is no {method} {path}")]
    NoRoute { method: String, path: String },
    #[error("{0}")]
    Conflict(String),
    #[error("this route is a WebSocket: ask for an upgrade, or send a POST")]
    UpgradeRequired,
    #[error("the body is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error(
        "Rate limit reached for {what}. Please try again in {}s.",
        seconds(*.retry_after)
    )]
    RateLimited { what: String, retry_after: Duration },
    /// A budget is spent. Waiting does not help, or not soon.
    #[error("You exceeded your current quota: {0}.")]
    QuotaSpent(String),
    /// Flex work finds no room: nothing is billed, and the client may try again.
    #[error("there is no room for flex work now; try again later, or use another service_tier")]
    FlexUnavailable,
    #[error("the server is busy: {waiting} requests wait already. Please try again in 2s.")]
    Overloaded { waiting: usize },
    #[error("the server is stopping; try again on another one, or in a moment")]
    Draining,
    /// The connection has lived long enough; a new one may go on.
    #[error("{message}")]
    Limit { message: String, code: &'static str },
    /// The response failed, and there is no object to say so in.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whole seconds, rounded up: clients parse the number out of the message.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

const OVERLOADED_RETRY: Duration = Duration::from_secs(2);

impl ApiError {
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        ApiError::Invalid {
            message: message.into(),
            param: (!param.is_empty()).then(|| param.to_owned()),
            code: None,
        }
    }

    pub fn coded(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        ApiError::Invalid {
            message: message.into(),
            param: (!param.is_empty()).then(|| param.to_owned()),
            code: Some(code),
        }
    }

    pub fn missing(param: &str) -> Self {
        let message = format!("Missing required parameter: '{param}'.");
        ApiError::coded(param, "missing_required_parameter", message)
    }

    pub fn unsupported(param: &str, message: impl Into<String>) -> Self {
        ApiError::coded(param, "unsupported_parameter", message)
    }

    /// A tool that the model would not know how to use.
    pub fn untrained(place: &str, model: &str, what: &str) -> Self {
        let message = format!(
            "Unsupported tool: '{place}': the model '{model}' has not been trained for {what}; ask \
             another one."
        );
        ApiError::unsupported(place, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError::NotFound { message: message.into(), code: None }
    }

    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        ApiError::Internal(Box::new(cause))
    }

    /// Status, `type`, `code` and `param`.
    fn parts(&self) -> (StatusCode, &'static str, Option<&'static str>, Option<String>) {
        const INVALID: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        const QUOTA: &str = "insufficient_quota";
        match self {
            ApiError::Invalid { param, code, .. } => {
                (StatusCode::BAD_REQUEST, INVALID, *code, param.clone())
            }
            ApiError::Unauthorized(_) => {
                (StatusCode::UNAUTHORIZED, INVALID, Some("invalid_api_key"), None)
            }
            ApiError::Forbidden(_) => (StatusCode::FORBIDDEN, INVALID, None, None),
            ApiError::NotFound { code, .. } => (StatusCode::NOT_FOUND, INVALID, *code, None),
            ApiError::NoRoute { .. } => (StatusCode::NOT_FOUND, INVALID, Some("unknown_url"), None),
            ApiError::Conflict(_) => (StatusCode::CONFLICT, INVALID, Some("conflict"), None),
            ApiError::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, INVALID, None, None),
            ApiError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, None, None),
            ApiError::RateLimited { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                Some("rate_limit_exceeded"),
                None,
            ),
            ApiError::QuotaSpent(_) => (StatusCode::TOO_MANY_REQUESTS, QUOTA, Some(QUOTA), None),
            ApiError::FlexUnavailable => {
                (StatusCode::TOO_MANY_REQUESTS, SERVER, Some("resource_unavailable"), None)
            }
            ApiError::Overloaded { .. } | ApiError::Draining => {
                (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("server_overloaded"), None)
            }
            ApiError::Limit { code, .. } => (StatusCode::BAD_REQUEST, INVALID, Some(code), None),
            ApiError::Store(StoreError::NotFound(_)) => {
                (StatusCode::NOT_FOUND, INVALID, None, None)
            }
            ApiError::Store(StoreError::Exists(_) | StoreError::Leased { .. }) => {
                (StatusCode::CONFLICT, INVALID, Some("conflict"), None)
            }
            ApiError::Store(
                StoreError::Conflict { .. }
                | StoreError::DiskFull { .. }
                | StoreError::Locked { .. }
                | StoreError::Damaged { .. }
                | StoreError::Unwritable { .. }
                | StoreError::Internal(_),
            )
            | ApiError::Failed(_)
            | ApiError::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, SERVER, Some(SERVER), None)
            }
        }
    }

    pub fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// What the client reads. A fault of ours is logged here and not explained to it.
    pub fn body(&self) -> ErrorBody {
        let (status, kind, code, param) = self.parts();
        let message = match self {
            ApiError::Store(e) if status.is_server_error() => {
                tracing::error!("store: {}", causes(e));
                "The server could not read or write its store.".to_owned()
            }
            ApiError::Internal(cause) => {
                tracing::error!("{}", causes(&**cause));
                "The server failed; the cause is in its log.".to_owned()
            }
            other => other.to_string(),
        };
        ErrorBody { message, kind: kind.to_owned(), param, code: code.map(str::to_owned) }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            ApiError::RateLimited { retry_after, .. } => Some(*retry_after),
            ApiError::Overloaded { .. } | ApiError::Draining => Some(OVERLOADED_RETRY),
            _ => None,
        }
    }
}

/// An error with everything that caused it.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.body() });
        let mut response = (self.status(), Json(body)).into_response();
        if let Some(wait) = self.retry_after() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
            let ms = HeaderName::from_static("retry-after-ms");
            headers.insert(ms, HeaderValue::from(wait.as_millis().min(86_400_000) as u64));
        }
        if matches!(self, ApiError::FlexUnavailable | ApiError::QuotaSpent(_)) {
            // A client that retries at once would find the same.
            let no = HeaderName::from_static("x-should-retry");
            response.headers_mut().insert(no, HeaderValue::from_static("false"));
        }
        response
    }
}
