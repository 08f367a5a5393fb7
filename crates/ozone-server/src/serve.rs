//! The listener: connections, limits, who may enter, and how the server stops.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, count, mint};
use crate::error::ApiError;
use crate::{
    Server, batches, chat, conversations, counting, files, image_routes, models, responses,
    rollouts, uploads, usage, websocket,
};

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "without API keys only this machine may be served, and {0} is open to others; listen on \
         127.0.0.1, or set OZONE_API_KEYS"
    )]
    OpenToOthers(SocketAddr),
    #[error("the server cannot start: {0}")]
    Start(String),
    #[error("the listener failed")]
    Listener(#[from] std::io::Error),
}

/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long runs that were told to stop may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(5);
const HEADERS_MAX: usize = 100;

impl Server {
    /// Serves until `shutdown` resolves, then lets running work end for a while. What is still
    /// running after that goes on at the next start.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if self.keys.is_empty() && !address.ip().is_loopback() {
            return Err(ServeError::OpenToOthers(address));
        }
        let limits = self.limits;
        let start = |e: &dyn std::error::Error| ServeError::Start(crate::error::causes(e));
        let app = App::new(self).await.map_err(|e| start(&e))?;
        if let Some(problem) = app.problem_of_budgets() {
            return Err(ServeError::Start(problem));
        }
        app.adopt_budgets().await.map_err(|e| start(&e))?;
        app.recover().await.map_err(|e| start(&e))?;
        app.resume_batches().await.map_err(|e| start(&e))?;
        app.resume_indexing().await.map_err(|e| start(&e))?;

        let router = router(app.clone());
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(limits.header_bytes_max.max(8192));
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        let (open, closing) = (TaskTracker::new(), CancellationToken::new());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            // At the limit, further clients wait in the listener's backlog.
            let permit = tokio::select! {
                permit = connections.clone().acquire_owned() => permit,
                () = &mut shutdown => break,
            };
            let Some(stream) = (tokio::select! {
                stream = accept(&listener) => Some(stream),
                () = &mut shutdown => None,
            }) else {
                break;
            };
            let service = TowerToHyperService::new(router.clone());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let closing = closing.clone();
            open.spawn(async move {
                let mut connection = std::pin::pin!(connection.with_upgrades());
                // A client that goes away is no fault of ours.
                tokio::select! {
                    _ = &mut connection => {}
                    () = closing.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                }
                drop(permit);
            });
        }
        drop(listener);
        app.draining.cancel();
        drain(&app, limits.drain).await;
        closing.cancel();
        open.close();
        let _ = tokio::time::timeout(LAST_WORDS, open.wait()).await;
        Ok(())
    }
}

async fn drain(app: &App, grace: Duration) {
    app.tasks.close();
    if tokio::time::timeout(grace, app.tasks.wait()).await.is_ok() {
        return;
    }
    // Background work goes on at the next start; those who wait for an answer now get its end.
    for live in app.live.lock().unwrap_or_else(|e| e.into_inner()).values() {
        if !live.background {
            live.cancel.cancel();
        }
    }
    let foreground = async {
        loop {
            let waiting: Vec<_> = {
                let live = app.live.lock().unwrap_or_else(|e| e.into_inner());
                live.values().filter(|l| !l.background).map(|l| l.done.clone()).collect()
            };
            if waiting.is_empty() {
                return;
            }
            for done in waiting {
                done.cancelled().await;
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, foreground).await;
    app.hard_stop.cancel();
    let _ = tokio::time::timeout(LAST_WORDS, app.tasks.wait()).await;
}

/// The next client. Errors of single connections and a lack of file handles pass.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A frame is one write and shall go out at once.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(e) => {
                tracing::warn!("a connection was not accepted: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn router(app: Arc<App>) -> Router {
    let v1 = Router::new()
        .route("/responses", get(websocket::connect).post(responses::create))
        .route("/images/generations", post(image_routes::create))
        .route("/responses/input_tokens", post(counting::input_tokens))
        .route("/responses/compact", post(counting::compact))
        .route("/responses/{id}", get(responses::get).delete(responses::delete))
        .route("/responses/{id}/cancel", post(responses::cancel))
        .route("/responses/{id}/input_items", get(responses::input_items))
        .route("/responses/{id}/rollout", get(rollouts::get))
        .route("/batches", get(batches::list).post(batches::create))
        .route("/batches/{id}", get(batches::get))
        .route("/batches/{id}/cancel", post(batches::cancel))
        .merge(crate::memories::routes())
        .merge(crate::vector_stores::routes())
        .route("/chat/completions", post(chat::create))
        .route("/conversations", post(conversations::create))
        .route(
            "/conversations/{id}",
            get(conversations::get).post(conversations::update).delete(conversations::delete),
        )
        .route(
            "/conversations/{id}/items",
            get(conversations::list_items).post(conversations::add_items),
        )
        .route(
            "/conversations/{id}/items/{item}",
            get(conversations::get_item).delete(conversations::delete_item),
        )
        .route("/files", get(files::list).post(files::create))
        .route("/files/{id}", get(files::get).delete(files::delete))
        .route("/files/{id}/content", get(files::content))
        .route("/containers", get(files::list_containers).post(files::create_container))
        .route("/containers/{id}", get(files::get_container).delete(files::delete_container))
        .route(
            "/containers/{id}/files",
            get(files::list_container_files).post(files::add_container_file),
        )
        .route(
            "/containers/{id}/files/{file}",
            get(files::get_container_file).delete(files::delete_container_file),
        )
        .route("/containers/{id}/files/{file}/content", get(files::container_file_content))
        .route("/uploads", post(uploads::create))
        .route("/uploads/{id}/parts", post(uploads::add_part))
        .route("/uploads/{id}/complete", post(uploads::complete))
        .route("/uploads/{id}/cancel", post(uploads::cancel))
        .merge(usage::routes())
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::get))
        // Each reader of a body has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(app.clone(), enter));
    Router::new()
        .nest("/v1", v1)
        .route("/health", get(health))
        .route("/metrics", get(models::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

async fn health(State(app): State<Arc<App>>) -> Response {
    if app.draining.is_cancelled() {
        return ApiError::Draining.into_response();
    }
    Json(json!({ "status": "ok" })).into_response()
}

async fn no_route(method: Method, uri: Uri) -> ApiError {
    let path = uri.path().chars().take(200).collect();
    ApiError::NoRoute { method: method.to_string(), path }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Every answer has an id and is counted; nothing of its contents is logged.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).filter(|id| id.len() <= 128).cloned();
    let id = given.unwrap_or_else(|| {
        HeaderValue::from_str(&mint("req_")).expect("ids are letters, digits and underscores")
    });
    let route = request.extensions().get::<MatchedPath>().map_or("other", |p| p.as_str());
    let route = format!("{} {route}", request.method());
    let mut response = next.run(request).await;
    tracing::info!(
        request_id = %id.to_str().unwrap_or("?"),
        status = response.status().as_u16(),
        "{route}"
    );
    count(&app.metrics.requests, (route, response.status().as_u16()), 1);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Who may enter: the tenant of the key. Without keys, only pages and programs of this machine.
async fn enter(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if app.draining.is_cancelled() && request.method() == Method::POST {
        return ApiError::Draining.into_response();
    }
    let headers = request.headers();
    if app.keys.is_empty()
        && let Err(e) = only_from_here(headers)
    {
        return e.into_response();
    }
    let key = headers.get(header::AUTHORIZATION).or_else(|| headers.get("x-api-key"));
    match app.keys.tenant(key.and_then(|k| k.to_str().ok())) {
        Ok(tenant) => {
            request.extensions_mut().insert(tenant);
            next.run(request).await
        }
        Err(e) => e.into_response(),
    }
}

/// A page of another site could send its visitor's browser here, under its own name.
fn only_from_here(headers: &HeaderMap) -> Result<(), ApiError> {
    let here = |host: &str| {
        let host = host.rsplit_once("://").map_or(host, |(_, host)| host);
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => host.split(':').next().unwrap_or(host),
        };
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    for name in [header::HOST, header::ORIGIN] {
        let Some(value) = headers.get(&name) else { continue };
        if !value.to_str().is_ok_and(here) {
            let message = format!(
                "Without API keys only this machine is served, and the `{name}` header names \
                 another one."
            );
            return Err(ApiError::Forbidden(message));
        }
    }
    Ok(())
}

/// A JSON body, within its limit.
pub(crate) struct Body(pub Value);

impl FromRequest<Arc<App>> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = read(request, app.limits.body_bytes_max).await?;
        Ok(Body(json(&bytes)?))
    }
}

/// A body whose absence means `{}`.
pub(crate) struct OptionalBody(pub Value);

impl FromRequest<Arc<App>> for OptionalBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = read(request, app.limits.body_bytes_max).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(OptionalBody(json!({})));
        }
        Ok(OptionalBody(json(&bytes)?))
    }
}

pub(crate) fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|e| {
        let message = format!("We could not parse the JSON body of your request: {e}.");
        ApiError::invalid("", message)
    })
}

async fn read(request: Request, max: usize) -> Result<Bytes, ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|l| l.to_str().ok()).and_then(|l| l.parse::<u64>().ok());
    if length.is_some_and(|l| l > max as u64) {
        return Err(ApiError::TooLarge { max });
    }
    axum::body::to_bytes(request.into_body(), max).await.map_err(|e| {
        let mut cause: Option<&dyn std::error::Error> = Some(&e);
        while let Some(error) = cause {
            if error.to_string().contains("length limit exceeded") {
                return ApiError::TooLarge { max };
            }
            cause = error.source();
        }
        ApiError::invalid("", "The body of your request broke off.")
    })
}
