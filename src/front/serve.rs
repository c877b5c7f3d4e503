//! The HTTP handler: an HTTP/1.1 server with a health check, CORS, an access log and graceful shutdown around the
//! origin.

use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::connections::{Connections, Peer};
use super::ignored::ignored_parameters;
use super::listen::Listener;
use super::policy::{CREDENTIALS, Policy};
use crate::error::{Code, Problem};
use crate::origin::{IMAGE_QUALITY, Origin, OriginRequest, OriginResponse, Readiness, Report, problem_response};
use crate::telemetry::Answered;
use crate::telemetry::otel::RequestSpan;
use crate::telemetry::{CacheResult, Gauge};

/// How long running requests may take after the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);

/// Serves a router until `stop` resolves, then waits for running requests.
pub async fn serve(
    listener: impl Into<Listener>,
    router: Router,
    connections: &Connections,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let graceful = async move {
        stop.await;
        tracing::info!("shutting down: accepting no new connections, waiting for running requests");
        let _ = stopping.send(true);
    };
    let server = connections.serve(listener.into(), router, graceful);
    let too_long = async move {
        // The sender lives as long as the server. An error means that the server is gone.
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

/// The maximum length of a request id that is taken from a header.
const MAX_REQUEST_ID: usize = 128;

/// The maximum length of a trace header: root, parent, sampling and lineage together.
const MAX_TRACE: usize = 512;

/// The maximum length of `X-Forwarded-For` in a log line, in bytes.
const MAX_FORWARDED_FOR: usize = 256;

/// The maximum length of any other text in a log line, in bytes.
const MAX_LOGGED: usize = 1024;

/// The context of a request.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id of the request in the log, in errors and in the header `x-request-id`.
    pub request_id: String,
    /// The trace of the request, in the format of the header `x-amzn-trace-id`, or of `traceparent`.
    pub trace: Option<String>,
    /// The deadline of the caller, if that is earlier than the setting's.
    pub deadline: Option<tokio::time::Instant>,
}

impl Invocation {
    /// Derives the context from the headers of a network request.
    fn of(headers: &HeaderMap) -> Self {
        let header = |name, most: usize| {
            let value = headers.get(name)?.to_str().ok()?;
            let sane = value.len() <= most && value.bytes().all(|byte| byte.is_ascii_graphic());
            sane.then(|| value.to_owned())
        };
        let request_id = header("x-request-id", MAX_REQUEST_ID).unwrap_or_else(new_request_id);
        let trace = header("x-amzn-trace-id", MAX_TRACE).or_else(|| header("traceparent", MAX_TRACE));
        Self { request_id, trace, deadline: None }
    }
}

/// An id that is very probably unique among all processes.
fn new_request_id() -> String {
    static STARTED: LazyLock<u128> = LazyLock::new(|| {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since_epoch.unwrap_or_default().as_nanos() ^ (u128::from(std::process::id()) << 64)
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", *STARTED, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The settings for clients and the access log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewerSettings {
    /// The web origin whose scripts may read pictures.
    pub cors: Option<String>,
    /// Whether log lines contain `X-Forwarded-For`.
    pub log_forwarded_for: bool,
}

/// The paths of health checks.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// What requests for images are answered by.
#[derive(Clone)]
struct Served {
    origin: Arc<Origin>,
    policy: Option<Arc<Policy>>,
}

/// The router for clients: `/healthz` and `/readyz`, and an image for every other path.
pub fn router(origin: Arc<Origin>, settings: &ViewerSettings) -> Router {
    policed(origin, settings, None)
}

/// The same, where a policy says who may see and ask for what.
pub fn policed(origin: Arc<Origin>, settings: &ViewerSettings, policy: Option<Arc<Policy>>) -> Router {
    let forwarded = settings.log_forwarded_for;
    let router = Router::new()
        .merge(probes(origin.clone()))
        .fallback(image)
        .with_state(Served { origin, policy })
        .layer(CatchPanicLayer::custom(|_| {
            answer(problem_response(Problem::new(Code::Internal, "internal error; see the log")))
        }))
        .layer(middleware::from_fn_with_state(forwarded, access_log));
    with_cors(router, settings.cors.as_deref())
}

/// A router that can be replaced while requests are running: those end as they began. Clones are replaced together.
#[derive(Debug, Clone)]
pub struct Replaceable(Arc<RwLock<Router>>);

impl Replaceable {
    /// Starts with this router.
    pub fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// Passes requests from now on to another router.
    pub fn replace(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// A router that passes each request to the current one.
    pub fn router(self) -> Router {
        Router::new().fallback(move |request: Request| {
            let router = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
            router.oneshot(request)
        })
    }
}

/// Nests a router below a path such as `/img`. `/healthz` and `/readyz` also work without that prefix; any other path is a 404.
pub fn below(base_path: &str, router: Router) -> Router {
    if base_path.is_empty() {
        return router;
    }
    let base: Arc<str> = base_path.into();
    let problem = Problem::new(Code::NotFound, format!("all pictures are below {base}/"));
    let outside = Router::new()
        .fallback(move || std::future::ready(answer(problem_response(problem.clone()))))
        .layer(middleware::from_fn_with_state(false, access_log));
    Router::new().fallback(move |mut request: Request| {
        let router = match without_base(&base, request.uri()) {
            Some(uri) => {
                *request.uri_mut() = uri;
                &router
            }
            None if PROBES.contains(&request.uri().path()) => &router,
            None => &outside,
        };
        router.clone().oneshot(request)
    })
}

/// The target of a request without the path prefix.
fn without_base(base: &str, uri: &Uri) -> Option<Uri> {
    let path = match uri.path().strip_prefix(base)? {
        "" => "/",
        path if path.starts_with('/') => path,
        _ => return None,
    };
    match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok(),
        None => path.parse().ok(),
    }
}

/// The router for operators: `/healthz`, `/readyz`, and `/metrics` with the metrics of the origin and of the connections of
/// clients.
pub fn metrics_router(origin: Arc<Origin>, connections: Connections) -> Router {
    let probes = probes(origin.clone());
    let metrics = move || {
        let gauge = |name, help, value| Gauge { name, help, value: value as u64 };
        let gauges = vec![
            gauge("connections", "Open client connections.", connections.open()),
            gauge("connections_limit", "Maximum number of client connections.", connections.capacity()),
        ];
        let text = origin.metrics(gauges).unwrap_or_default();
        let version = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        std::future::ready(([(header::CONTENT_TYPE, version)], text))
    };
    probes.route("/metrics", get(metrics))
}

/// What those ask who start, stop and spread servers: whether this one lives, and whether requests had better come here.
fn probes<S: Clone + Send + Sync + 'static>(origin: Arc<Origin>) -> Router<S> {
    let ready = move || {
        std::future::ready(match origin.readiness() {
            Readiness::Ready => (StatusCode::OK, "ready\n"),
            Readiness::Full => (StatusCode::SERVICE_UNAVAILABLE, "the queue is full\n"),
            Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        })
    };
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

/// Adds CORS headers that allow scripts of this web origin to read responses.
pub fn with_cors(router: Router, cors: Option<&str>) -> Router {
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
        .expose_headers([header::ETAG, header::CONTENT_LENGTH, header::CONTENT_RANGE, IMAGE_QUALITY])
        .max_age(Duration::from_secs(24 * 60 * 60))
}

async fn image(
    State(Served { origin, policy }): State<Served>,
    Extension(invocation): Extension<Invocation>,
    request: Request,
) -> Response {
    let (uri, query) = (request.uri(), request.uri().query().unwrap_or_default());
    let mut known = origin.parameters().to_vec();
    let mut answer = match &policy {
        None => {
            let asked = OriginRequest {
                method: request.method(),
                path: uri.path(),
                query,
                headers: request.headers(),
                deadline: invocation.deadline,
                request_id: Some(&invocation.request_id),
            };
            answer(origin.respond(asked).await)
        }
        Some(policy) => {
            known.extend(CREDENTIALS);
            let started = Instant::now();
            match policy.decide(request.method(), uri, request.headers()).await {
                Ok(passed) => {
                    let headers = passed.headers(request.headers());
                    let asked = OriginRequest {
                        method: request.method(),
                        path: passed.path(),
                        query: passed.query(),
                        headers: &headers,
                        deadline: invocation.deadline,
                        request_id: Some(&invocation.request_id),
                    };
                    let mut answer = answer(origin.respond(asked).await);
                    passed.finish(&mut answer);
                    answer
                }
                Err(refusal) => {
                    let told = Refused { code: refusal.code, why: refusal.why.clone() };
                    let mut answer = refusal.into_response();
                    origin.refused(answer.status(), told.code, started.elapsed(), &invocation.request_id);
                    answer.extensions_mut().insert(told);
                    answer
                }
            }
        }
    };
    if let Some(ignored) = ignored_parameters(query, &known) {
        answer.headers_mut().insert("image-ignored-parameters", ignored);
    }
    answer
}

/// Why a request was not let through, for the log.
#[derive(Debug, Clone)]
struct Refused {
    code: Option<&'static str>,
    why: String,
}

/// Converts a response of the origin to HTTP.
pub(super) fn answer(response: OriginResponse) -> Response {
    let mut answer = Response::new(axum::body::Body::new(response.body.into_frames()));
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    answer.extensions_mut().insert(response.report);
    answer
}

/// Writes one log line per request. Queries may contain tokens, so the canonical text is logged, which never does.
async fn access_log(State(forwarded): State<bool>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let invocation = request.extensions().get::<Invocation>().cloned();
    let invocation = invocation.unwrap_or_else(|| Invocation::of(request.headers()));
    request.extensions_mut().insert(invocation.clone());
    let line = Line {
        method: request.method().clone(),
        path: bounded(request.uri().path()).to_owned(),
        client: request.extensions().get::<Peer>().map(|Peer(address)| address.ip()),
        forwarded_for: forwarded_for(request.headers()).filter(|_| forwarded),
        invocation,
    };
    let span = RequestSpan::start(request.method(), request.headers());
    let mut response = span.scope(next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(&line.invocation.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    line.write(&response, started.elapsed(), span);
    response
}

/// The fields of a log line.
struct Line {
    method: Method,
    path: String,
    client: Option<IpAddr>,
    forwarded_for: Option<String>,
    invocation: Invocation,
}

impl Line {
    fn write(&self, response: &Response, took: Duration, span: RequestSpan) {
        let report = response.extensions().get::<Report>();
        let refused = response.extensions().get::<Refused>();
        let problem = report.and_then(|report| report.problem).map(Code::name);
        let content = report.and_then(|report| report.content);
        let cost = report.map(|report| report.cost).unwrap_or_default();
        let stages = cost.durations();
        let [queue, fetch, store, decode, resize, encode] =
            stages.map(|(_, took)| (!took.is_zero()).then(|| millis(took)));
        let problem = problem.or(refused.and_then(|refused| refused.code));
        let reason = refused.map(|refused| refused.why.as_str());
        let reason = reason.or(report.and_then(|report| report.reason.as_deref())).map(bounded);
        let query = report.and_then(|report| report.query.as_deref()).map(bounded);
        let cache = report.and_then(|report| report.cache).map(CacheResult::name);
        span.end(&Answered {
            path: &self.path,
            query,
            status: response.status().as_u16(),
            bytes: content.map(|content| content.length),
            cache,
            problem,
            request_id: &self.invocation.request_id,
            stages,
        });
        // `tracing` needs the level at compile time.
        macro_rules! write {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = %self.method,
                    path = self.path,
                    query,
                    status = response.status().as_u16(),
                    bytes = content.map(|content| content.length),
                    media_type = content.map(|content| content.media_type),
                    problem,
                    reason,
                    cache,
                    bytes_in = Some(cost.bytes_in).filter(|bytes| *bytes > 0),
                    queue_milliseconds = queue,
                    fetch_milliseconds = fetch,
                    store_milliseconds = store,
                    decode_milliseconds = decode,
                    resize_milliseconds = resize,
                    encode_milliseconds = encode,
                    milliseconds = millis(took),
                    client = self.client.map(tracing::field::display),
                    forwarded_for = self.forwarded_for,
                    request_id = self.invocation.request_id,
                    trace = self.invocation.trace,
                    "answered"
                )
            };
        }
        // Probes are frequent.
        if PROBES.contains(&self.path.as_str()) {
            write!(tracing::Level::DEBUG);
        } else {
            write!(tracing::Level::INFO);
        }
    }
}

/// Milliseconds, rounded to three digits.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Truncates a text for a log line.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LOGGED)).unwrap_or_default()
}

/// The end of `X-Forwarded-For`, which was written by the nearest proxies.
fn forwarded_for(headers: &HeaderMap) -> Option<String> {
    let lists: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let list = lists.join(", ");
    let start = list.len().saturating_sub(MAX_FORWARDED_FOR);
    list.get(start..).filter(|list| !list.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_a_request_says_of_itself_is_bounded() {
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        let table = [(root.to_owned(), Some(root)), ("x".repeat(513), None), ("a b".to_owned(), None)];
        for (trace, expected) in table {
            let invocation = Invocation::of(&headers("x-amzn-trace-id", &[&trace]));
            assert_eq!(invocation.trace.as_deref(), expected, "{trace}");
        }
        assert_eq!(Invocation::of(&headers("x-request-id", &["mine"])).request_id, "mine");
        let long = "x".repeat(129);
        assert_ne!(Invocation::of(&headers("x-request-id", &[&long])).request_id, long);
        assert_eq!((bounded("short"), bounded(&"ü".repeat(600)).len()), ("short", 1024));
    }

    #[test]
    fn the_nearest_proxies_are_believed_first() {
        let list = |values: &[&str]| forwarded_for(&headers("x-forwarded-for", values));
        assert_eq!(list(&[]), None);
        assert_eq!(list(&["10.0.0.1, 10.0.0.2", "10.0.0.3"]).as_deref(), Some("10.0.0.1, 10.0.0.2, 10.0.0.3"));
        let long = list(&[&"1".repeat(10_000), "10.0.0.3"]).unwrap();
        assert!(long.len() == 256 && long.ends_with("1, 10.0.0.3"), "{long}");
    }

    #[test]
    fn what_is_below_a_path_is_known_without_it() {
        let table = [
            ("/img/a.jpg?w=3", Some("/a.jpg?w=3")),
            ("/img/%2Fa%20b.jpg", Some("/%2Fa%20b.jpg")),
            ("/img//a.jpg", Some("//a.jpg")),
            ("/img/", Some("/")),
            ("/img", Some("/")),
            ("/img?w=3", Some("/?w=3")),
            ("/images/a.jpg", None),
            ("/a.jpg", None),
            ("/IMG/a.jpg", None),
        ];
        for (target, expected) in table {
            let uri = without_base("/img", &target.parse().unwrap());
            assert_eq!(uri.map(|uri| uri.to_string()).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn milliseconds_have_three_digits() {
        assert_eq!(millis(Duration::from_nanos(1_826_804_993)), 1826.805);
    }
}
