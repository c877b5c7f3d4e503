//! The local door: an HTTP/1.1 server, with what a server needs around the origin: health, CORS, an access log, and a
//! graceful end.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::connections;
use super::ignored::ignored_parameters;
use crate::config::Metrics;
use crate::error::{Code, Problem};
use crate::origin::{Origin, OriginRequest, OriginResponse, problem_response};

/// How long running requests may take to end once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);

/// Serves these routes until `stop` resolves, then lets running requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()> + Send + 'static) {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let graceful = async move {
        stop.await;
        tracing::info!("stopping: no new connections, running requests may end");
        let _ = stopping.send(true);
    };
    let server = connections::serve(listener, router, connections::HEADER_TIMEOUT, graceful);
    let too_long = async move {
        // The sender lives as long as the server; when it is gone, so is the need to wait.
        if stopped.wait_for(|stopped| *stopped).await.is_ok() {
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = server => {}
        () = too_long => {}
    }
}

/// What is known of a request beside what it says.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Names the request in the log, in errors and in the header `x-request-id`.
    pub request_id: String,
    /// The trace that the request is part of, in the form of the header `x-amzn-trace-id`.
    pub trace: Option<String>,
    /// When the answer must be there, if that is sooner than the settings say.
    pub deadline: Option<tokio::time::Instant>,
}

impl Invocation {
    /// As a request over the network tells it.
    fn of(headers: &HeaderMap) -> Self {
        let sane = |value: &&str| value.len() <= 128 && value.bytes().all(|byte| byte.is_ascii_graphic());
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = header("x-request-id").filter(sane).map_or_else(new_request_id, str::to_owned);
        Self { request_id, trace: header("x-amzn-trace-id").map(str::to_owned), deadline: None }
    }
}

/// An id that no other request to this or another process is likely to have.
fn new_request_id() -> String {
    static STARTED: LazyLock<u128> = LazyLock::new(|| {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since_epoch.unwrap_or_default().as_nanos() ^ (u128::from(std::process::id()) << 64)
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", *STARTED, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// All routes: `/healthz`, `/metrics` if figures are kept for it, and an image for every other path.
pub fn router(origin: Arc<Origin>, cors: Option<&str>) -> Router {
    let mut router = Router::new().route("/healthz", get(|| async { "ok\n" }));
    if origin.settings().metrics == Metrics::Prometheus {
        router = router.route("/metrics", get(metrics));
    }
    let router = router
        .fallback(image)
        .with_state(origin)
        .layer(CatchPanicLayer::custom(|_| {
            answer(problem_response(&Problem::new(Code::Internal, "a bug; see the log")))
        }))
        .layer(middleware::from_fn(access_log));
    with_cors(router, cors)
}

/// Routes whose answers the scripts of this web origin may read.
pub(crate) fn with_cors(router: Router, cors: Option<&str>) -> Router {
    match cors.and_then(|allowed| allowed.parse::<HeaderValue>().ok()) {
        Some(allowed) => router.layer(cors_layer(allowed)),
        None => router,
    }
}

async fn metrics(State(origin): State<Arc<Origin>>) -> Response {
    let mut answer = Response::new(origin.metrics().unwrap_or_default().into());
    let version = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, version);
    answer
}

fn cors_layer(allowed: HeaderValue) -> CorsLayer {
    let origins = if allowed == "*" { AllowOrigin::any() } else { AllowOrigin::exact(allowed) };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE])
        .expose_headers([header::ETAG, header::CONTENT_LENGTH, header::CONTENT_RANGE])
        .max_age(Duration::from_secs(24 * 60 * 60))
}

async fn image(
    State(origin): State<Arc<Origin>>,
    Extension(invocation): Extension<Invocation>,
    request: Request,
) -> Response {
    let uri = request.uri();
    let ignored = ignored_parameters(uri.query().unwrap_or_default(), origin.settings().versions);
    let request = OriginRequest {
        method: request.method(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: request.headers(),
        deadline: invocation.deadline,
        request_id: Some(&invocation.request_id),
    };
    let mut answer = answer(origin.respond(request).await);
    if let Some(ignored) = ignored {
        answer.headers_mut().insert("image-ignored-parameters", ignored);
    }
    answer
}

/// The origin's answer as one of HTTP.
pub(super) fn answer(response: OriginResponse) -> Response {
    let mut answer = Response::new(axum::body::Body::from_stream(response.body.into_stream()));
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    answer
}

/// One line a request. Queries may carry tokens, so they are not logged.
async fn access_log(mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let invocation = request.extensions().get::<Invocation>().cloned();
    let invocation = invocation.unwrap_or_else(|| Invocation::of(request.headers()));
    request.extensions_mut().insert(invocation.clone());
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&invocation.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    let header = |name: header::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    tracing::info!(
        %method,
        path,
        status = response.status().as_u16(),
        bytes = header(header::CONTENT_LENGTH),
        media_type = header(header::CONTENT_TYPE),
        milliseconds = started.elapsed().as_secs_f64() * 1000.0,
        request_id = invocation.request_id,
        trace = invocation.trace,
        "answered"
    );
    response
}
