//! The local door: an HTTP/1.1 server, with what a server needs around the origin: health, CORS, an access log, and a
//! graceful end.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::error::{Code, Problem};
use crate::origin::{Origin, OriginRequest, OriginResponse, problem_response};

/// How long running requests may take to end once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);

/// Serves until `stop` resolves, then lets running requests end.
///
/// # Errors
/// What the listener fails with.
pub async fn serve(
    listener: TcpListener,
    origin: Arc<Origin>,
    cors: Option<&str>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let graceful = async move {
        stop.await;
        tracing::info!("stopping: no new connections, running requests may end");
        let _ = stopping.send(true);
    };
    let server = axum::serve(listener, router(origin, cors)).with_graceful_shutdown(graceful);
    let too_long = async move {
        // The sender lives as long as the server; when it is gone, so is the need to wait.
        if stopped.wait_for(|stopped| *stopped).await.is_ok() {
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = server => ended,
        () = too_long => Ok(()),
    }
}

/// All routes: `/healthz`, and an image for every other path.
pub fn router(origin: Arc<Origin>, cors: Option<&str>) -> Router {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(image)
        .with_state(origin)
        .layer(CatchPanicLayer::custom(|_| {
            answer(problem_response(&Problem::new(Code::Internal, "a bug; see the log")))
        }))
        .layer(middleware::from_fn(access_log));
    match cors.and_then(|allowed| allowed.parse::<HeaderValue>().ok()) {
        Some(allowed) => router.layer(cors_layer(allowed)),
        None => router,
    }
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

async fn image(State(origin): State<Arc<Origin>>, request: Request) -> Response {
    let uri = request.uri();
    let request = OriginRequest {
        method: request.method(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: request.headers(),
        deadline: None,
    };
    answer(origin.respond(request).await)
}

fn answer(response: OriginResponse) -> Response {
    let mut answer = Response::new(axum::body::Body::from_stream(response.body.into_stream()));
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    answer
}

/// One line a request. Queries may carry tokens, so they are not logged.
async fn access_log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let header = |name: header::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    tracing::info!(
        %method,
        path,
        status = response.status().as_u16(),
        bytes = header(header::CONTENT_LENGTH),
        media_type = header(header::CONTENT_TYPE),
        milliseconds = started.elapsed().as_secs_f64() * 1000.0,
        "answered"
    );
    response
}
