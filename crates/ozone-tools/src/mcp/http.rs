//! Streamable HTTP for the SDK, by way of [`Egress`]: its own client would go to any address.
//!
//! The stream that a server may open for news of its own is not asked for: nothing here listens.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use crate::egress::{self, Egress, EgressError};

/// One answer, as JSON or as events.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const SESSION_ID: &str = "Mcp-Session-Id";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

#[derive(Clone)]
pub(super) struct HttpClient {
    pub egress: Egress,
}

type Failed = StreamableHttpError<EgressError>;

impl HttpClient {
    fn request(
        &self,
        method: Method,
        uri: &str,
        session_id: Option<&str>,
        auth: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Request, Failed> {
        let url = self.egress.url(uri).map_err(Failed::Client)?;
        let mut request = self.egress.request(method, url);
        let map = request.headers_mut();
        map.extend(headers);
        map.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let text = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Failed::UnexpectedServerResponse("a header that is no text".into()))
        };
        if let Some(id) = session_id {
            map.insert(SESSION_ID, text(id)?);
        }
        if let Some(token) = auth {
            let mut value = text(&format!("Bearer {token}"))?;
            value.set_sensitive(true);
            map.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn post(
        &self,
        mut request: Request,
        message: ClientJsonRpcMessage,
        has_session: bool,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        // Only a request waits for an answer.
        let waits = matches!(message, ClientJsonRpcMessage::Request(_));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        *request.body_mut() = Some(serde_json::to_vec(&message)?.into());
        let response = self.egress.send(request).await.map_err(Failed::Client)?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(Failed::SessionExpired);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let (is_json, is_events) =
            (kind.eq_ignore_ascii_case(JSON), kind.eq_ignore_ascii_case(EVENTS));
        let session = response.headers().get(SESSION_ID).and_then(|v| v.to_str().ok());
        let session = session.map(str::to_owned);
        if status.is_success() && !waits {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status.is_success() && is_events {
            let events =
                SseStream::from_bytes_stream(egress::chunks(response, ANSWER_BYTES_MAX)).boxed();
            return Ok(StreamableHttpPostResponse::Sse(events, session));
        }
        if !is_json {
            return Err(answered(status));
        }
        let body = egress::body(response, ANSWER_BYTES_MAX).await.map_err(Failed::Client)?;
        match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(message @ ServerJsonRpcMessage::Error(_)) => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            Ok(message) if status.is_success() => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            Ok(_) | Err(_) => Err(answered(status)),
        }
    }
}

/// The status says enough; a body might repeat what was sent.
fn answered(status: StatusCode) -> Failed {
    let what = match status {
        StatusCode::UNAUTHORIZED => {
            "it answered with HTTP 401: the credentials are missing or wrong".into()
        }
        StatusCode::FORBIDDEN => "it answered with HTTP 403: the credentials do not suffice".into(),
        status if status.is_success() => "it answered with something that is not MCP".into(),
        status => format!("it answered with HTTP {}", status.as_u16()).into(),
    };
    Failed::UnexpectedServerResponse(what)
}

impl StreamableHttpClient for HttpClient {
    type Error = EgressError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let session = session_id.as_deref();
        let request = self.request(Method::POST, &uri, session, auth_header, custom_headers)?;
        self.post(request, message, session.is_some()).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let session = Some(&*session_id);
        let request = self.request(Method::DELETE, &uri, session, auth_header, custom_headers)?;
        self.egress.send(request).await.map_err(Failed::Client)?;
        Ok(())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        Err(Failed::ServerDoesNotSupportSse)
    }
}
