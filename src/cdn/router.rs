//! The HTTP handler of the local CDN: client requests, the page that shows their traces, and direct access to the
//! origins.
//!
//! Requests for an origin's host name reach its handler directly, as in the cloud, where they are rejected unless they
//! are signed. `/` and `/_cdn/` are the page, `/_cdn/requests` is its data; CloudFront's API accepts invalidations under
//! its own path; every other path is a client request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use image_origin_edge::{self as edge, Service};

use super::cache::Answer;
use super::origins::{Arrival, Origins};
use super::{Cdn, Reply, VIA, pairs};
use crate::front::serve::with_cors;
use crate::origin::conditional::{self, RangeRequest};
use crate::purge::{Batch, BatchError};

const PAGE: &str = include_str!("page.html");
/// The page runs its own script only.
const PAGE_POLICY: &str = "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; style-src 'unsafe-inline'; \
                           script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The router with all routes.
pub fn router(cdn: Arc<Cdn>, cors: Option<&str>) -> Router {
    let viewers = with_cors(Router::new().fallback(viewer).with_state(cdn.clone()), cors);
    // Scripts of other web origins may read pictures, but not the traces.
    Router::new()
        .route("/", get(page))
        .route("/_cdn/", get(page))
        .route("/_cdn/requests", get(requests))
        .route("/2020-05-31/distribution/{id}/invalidation", post(invalidate))
        .with_state(cdn.clone())
        .fallback_service(viewers)
        .layer(middleware::from_fn_with_state(cdn, origins_by_name))
}

async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (header::CACHE_CONTROL, "no-store")], Html(PAGE)).into_response()
}

async fn requests(State(cdn): State<Arc<Cdn>>) -> Response {
    let (cookies, requests) = (cdn.held.config.cookies(), cdn.traces.all());
    let document = serde_json::json!({ "cookies": cookies, "example": cdn.example, "requests": requests });
    ([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response()
}

/// `CreateInvalidation` of CloudFront's API, for any distribution. No signature is required, since every client may see
/// the same pictures. Scripts of other web origins cannot call it, because the media type requires a CORS preflight.
async fn invalidate(State(cdn): State<Arc<Cdn>>, headers: HeaderMap, body: Bytes) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
    let answer = |status: StatusCode, xml: String| {
        (status, [(header::CONTENT_TYPE, "application/xml"), (header::CACHE_CONTROL, "no-store")], xml).into_response()
    };
    let refuse = |status: StatusCode, code: &str, message: &str| {
        let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
        answer(status, format!("<ErrorResponse xmlns=\"{NAMESPACE}\"><Error>{error}</Error></ErrorResponse>"))
    };
    if text(&headers, header::CONTENT_TYPE) != Some("application/xml") {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "InvalidArgument", "The body must be application/xml");
    }
    let batch = std::str::from_utf8(&body).map_err(|_| BatchError::Malformed).and_then(Batch::from_xml);
    match batch {
        Ok(batch) => {
            let id = format!("I{:013}", COUNT.fetch_add(1, Ordering::Relaxed));
            let forgotten = cdn.invalidate(&batch, &id);
            tracing::info!(id, items = batch.items.len(), forgotten, "invalidated responses");
            let xml =
                format!("<Invalidation xmlns=\"{NAMESPACE}\"><Id>{id}</Id><Status>Completed</Status></Invalidation>");
            answer(StatusCode::CREATED, xml)
        }
        Err(error @ BatchError::Malformed) => refuse(StatusCode::BAD_REQUEST, "MalformedXML", &error.to_string()),
        Err(error @ BatchError::Items) => refuse(StatusCode::BAD_REQUEST, "InvalidArgument", &error.to_string()),
    }
}

/// Passes requests for the host name of an origin to the handler of that origin.
async fn origins_by_name(State(cdn): State<Arc<Cdn>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let Some(target) = Origins::target(&cdn.held.config, name).filter(|target| target.service != Service::None) else {
        return next.run(request).await;
    };
    let mut headers: edge::Headers = pairs(request.headers()).collect();
    headers.set("host", name);
    let (method, uri) = (request.method(), request.uri());
    let arrival = Arrival { method, path: uri.path(), query: uri.query().unwrap_or_default(), headers };
    let (response, why) = cdn.origins.answer(&cdn.held.config, target, &arrival).await;
    tracing::info!(%method, path = uri.path(), origin = name, status = response.status().as_u16(), why, "direct request to an origin");
    response
}

async fn viewer(State(cdn): State<Arc<Cdn>>, request: Request) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("local-{:08}", COUNT.fetch_add(1, Ordering::Relaxed));
    let (parts, _) = request.into_parts();
    let reply = cdn.respond(viewers_request(&parts), &id).await;
    let x_cache = reply.x_cache;
    let mut response = for_viewer(&reply, &parts);
    let status = response.status().as_u16();
    tracing::info!(method = %parts.method, path = parts.uri.path(), status, x_cache, id, "request");
    let headers = response.headers_mut();
    if let Some(name) = &cdn.tag_header {
        headers.remove(name);
    }
    headers.insert("x-cache", HeaderValue::from_static(x_cache));
    headers.insert(header::VIA, HeaderValue::from_static(VIA));
    headers.insert("x-amz-cf-pop", HeaderValue::from_static("LOCAL1"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amz-cf-id", id);
    }
    if let Some(age) = reply.age {
        headers.insert(header::AGE, age.as_secs().into());
    }
    response
}

fn viewers_request(parts: &Parts) -> edge::Request {
    edge::Request {
        client_ip: "127.0.0.1".to_owned(),
        headers: pairs(&parts.headers).collect(),
        method: parts.method.to_string(),
        uri: parts.uri.path().to_owned(),
        querystring: parts.uri.query().unwrap_or_default().to_owned(),
        origin: None,
        body: None,
    }
}

/// The response to a client, with preconditions and ranges applied to the cached response.
fn for_viewer(reply: &Reply, parts: &Parts) -> Response {
    let Answer { status, headers, body } = &*reply.answer;
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = headers.clone();
    if parts.method == Method::HEAD {
        // A response to HEAD has its length in the header; a response to GET has a body.
        if !body.is_empty() {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
        }
        return response(status, headers, Body::empty());
    }
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    if status != StatusCode::OK {
        return response(status, headers, body.clone().into());
    }
    let tag = text(&headers, header::ETAG).unwrap_or_default().to_owned();
    let modified = text(&headers, header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    if conditional::is_not_modified(&parts.headers, &tag, modified) {
        headers.remove(header::CONTENT_LENGTH);
        return response(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    let length = body.len() as u64;
    let (status, shown, body) = match conditional::range(&parts.headers, &tag, modified, length) {
        RangeRequest::All => return response(status, headers, body.clone().into()),
        RangeRequest::Part(part) => {
            let shown = conditional::content_range(&part, length);
            (StatusCode::PARTIAL_CONTENT, shown, body.slice(part.start as usize..part.end as usize))
        }
        RangeRequest::Unsatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, conditional::unsatisfied_range(length), Bytes::new())
        }
    };
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CONTENT_RANGE, shown);
    response(status, headers, body.into())
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
