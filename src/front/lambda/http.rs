//! The handler for HTTP requests in Lambda events. `lambda_http` parses the event and serializes the response, streamed
//! or buffered; in between, the request is passed to the same router as in the local server.
//!
//! Path and query bypass `lambda_http`, because it converts them to a URL, which resolves `..`, changes backslashes,
//! and panics on an invalid host or query.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::lambda_runtime::StreamResponse;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, RequestExt as _, Service as _, StreamAdapter, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::Deadlines;
use crate::error::{Code, Problem};
use crate::front::Delivery;
use crate::front::serve::{Invocation, answer as http_answer};
use crate::origin::problem_response;

/// The maximum size of a streamed response in bytes.
const MOST_STREAMED: u64 = 200 << 20;

/// The maximum size of a buffered response in bytes, including the JSON around it.
const MOST_BUFFERED: u64 = 6 << 20;

/// The maximum size of a response to a load balancer in bytes.
const MOST_BALANCED: u64 = 1 << 20;

/// The approximate size in bytes of the JSON around the body of a buffered response.
const DOCUMENT: u64 = 8 << 10;

/// Characters that may occur in the path of an event but not in that of a URI. `%` is kept, because paths are still
/// percent-encoded.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'?').add(b'<').add(b'>').add(b'`');

/// Characters that may occur in the query of an event but not in that of a URI.
const NOT_IN_QUERIES: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'<').add(b'>');

/// Converts events to requests and responses to Lambda's format.
pub(super) struct HttpHandler {
    router: Router,
    delivery: Delivery,
}

impl HttpHandler {
    pub(super) fn new(router: Router, delivery: Delivery) -> Self {
        Self { router, delivery }
    }

    /// Whether the response to this event is streamed.
    pub(super) fn streams(&self, event: &LambdaRequest) -> bool {
        match event {
            LambdaRequest::ApiGatewayV2(_) => self.delivery != Delivery::Buffered,
            LambdaRequest::ApiGatewayV1(_) => self.delivery == Delivery::Streamed,
            _ => false,
        }
    }

    /// The response as a stream.
    pub(super) async fn stream(
        &self,
        mut event: LambdaRequest,
        context: Context,
        deadlines: Deadlines,
    ) -> StreamResponse<impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static> {
        let target = take_target(&mut event);
        let service = service_fn(|request| self.respond(request, &target, deadlines));
        let answering = StreamAdapter::from(service).call(LambdaEvent::new(event, context));
        let Ok(mut answer) = answering.await;
        // Otherwise AWS renames it to x-amzn-remapped-content-length.
        answer.metadata_prelude.headers.remove(header::CONTENT_LENGTH);
        answer
    }

    /// The response as one JSON document.
    pub(super) async fn document(
        &self,
        mut event: LambdaRequest,
        context: Context,
        deadlines: Deadlines,
    ) -> Result<Value, serde_json::Error> {
        let most = if matches!(event, LambdaRequest::Alb(_)) { MOST_BALANCED } else { MOST_BUFFERED };
        let target = take_target(&mut event);
        let service = service_fn(|request| async {
            let response = self.respond(request, &target, deadlines).await?;
            Ok::<_, Infallible>(collect(response, most).await)
        });
        let answering = Adapter::from(service).call(LambdaEvent::new(event, context));
        let Ok(document) = answering.await;
        serde_json::to_value(document)
    }

    /// Calls the router, and checks that the response does not exceed the streaming limit.
    async fn respond(
        &self,
        request: lambda_http::Request,
        target: &Target,
        deadlines: Deadlines,
    ) -> Result<Response<Body>, Infallible> {
        let Ok(uri) = target.path_and_query.parse::<Uri>() else {
            let problem = Problem::new(Code::BadPath, "the path or the query is not valid in a URL");
            return Ok(http_answer(problem_response(problem)));
        };
        let mut request = request.map(|_| Body::empty());
        *request.uri_mut() = uri;
        if let Some(host) = &target.host {
            request.headers_mut().insert(header::HOST, host.clone());
        }
        let context = request.lambda_context_ref();
        let invocation = Invocation {
            request_id: context.map(|context| context.request_id.clone()).unwrap_or_default(),
            trace: context.and_then(|context| context.xray_trace_id.clone()),
            deadline: Some(deadlines.cancellation),
        };
        request.extensions_mut().insert(invocation);
        let response = self.router.clone().call(request).await?;
        Ok(match announced(&response) {
            length if length > MOST_STREAMED => too_large(format!(
                "the response has {length} bytes, which exceeds Lambda's streaming limit of {MOST_STREAMED}"
            )),
            _ => response,
        })
    }
}

/// What `lambda_http` would build a URL from.
struct Target {
    path_and_query: String,
    host: Option<HeaderValue>,
}

/// Removes path, query, host and everything else from an event from which `lambda_http` would build a URL, and returns them
/// as sent. The body is removed as well, since it is never used.
fn take_target(event: &mut LambdaRequest) -> Target {
    let (path, query, host) = match event {
        LambdaRequest::ApiGatewayV2(event) => {
            let host = event.headers.remove(header::HOST);
            (event.request_context.domain_name, event.request_context.stage, event.body) = (None, None, None);
            (event.raw_path.take(), event.raw_query_string.take().unwrap_or_default(), host)
        }
        LambdaRequest::ApiGatewayV1(event) => {
            let host = event.headers.remove(header::HOST);
            (event.request_context.domain_name, event.request_context.stage, event.body) = (None, None, None);
            let several = std::mem::take(&mut event.multi_value_query_string_parameters);
            let one = std::mem::take(&mut event.query_string_parameters);
            // API Gateway has decoded these.
            (event.path.take(), if several.is_empty() { one } else { several }.to_query_string(), host)
        }
        LambdaRequest::Alb(event) => {
            let host = event.headers.remove(header::HOST);
            event.body = None;
            let several = std::mem::take(&mut event.multi_value_query_string_parameters);
            let one = std::mem::take(&mut event.query_string_parameters);
            (event.path.take(), as_sent(&if several.is_empty() { one } else { several }), host)
        }
        // There are no other variants with the enabled features.
        _ => (None, String::new(), None),
    };
    let path = path.unwrap_or_default();
    let mut target = utf8_percent_encode(&path, NOT_IN_PATHS).to_string();
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if !query.is_empty() {
        target.push('?');
        target.extend(utf8_percent_encode(&query, NOT_IN_QUERIES));
    }
    Target { path_and_query: target, host }
}

/// Formats a query that is still percent-encoded, as load balancers send it.
fn as_sent(query: &QueryMap) -> String {
    query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Converts headers, and skips invalid ones.
pub(super) fn header_map(pairs: impl Iterator<Item = (String, String)>) -> HeaderMap {
    let pairs =
        pairs.filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// The `Content-Length` of a response; every response here has one.
fn announced(response: &Response<Body>) -> u64 {
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Collects a response if it fits into a document of at most `most` bytes. `lambda_http` embeds text as it is, and
/// anything else in base64.
async fn collect(response: Response<Body>, most: u64) -> Response<lambda_http::Body> {
    let (mut parts, body) = fit(response, most).into_parts();
    let bytes = match axum::body::to_bytes(body, most as usize).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "sending a response failed");
            parts.status = StatusCode::BAD_GATEWAY;
            parts.headers.clear();
            Bytes::new()
        }
    };
    // The length is set again by the recipient. For HEAD, the length of the omitted body must be kept.
    if !bytes.is_empty() {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    Response::from_parts(parts, lambda_http::Body::Binary(bytes.to_vec()))
}

/// Returns the response, or an error if it exceeds `most` bytes.
fn fit(response: Response<Body>, most: u64) -> Response<Body> {
    let length = announced(&response);
    let room = most - DOCUMENT;
    // Text is JSON or SVG here, which at most doubles in size when it is embedded in JSON, since quotes, backslashes and
    // line feeds are escaped.
    let packed = if is_text(response.headers()) { length * 2 } else { length.div_ceil(3) * 4 };
    if packed <= room {
        return response;
    }
    too_large(format!(
        "the answer has {length} bytes, and as this function answers with whole documents of {most} bytes, in which \
         pictures are base64, {} fit; a function URL and a REST API with response streaming have no such limit",
        room / 4 * 3
    ))
}

fn is_text(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = matches!(media_type, "application/json" | "application/problem+json");
    is_json || media_type.starts_with("text/") || media_type.ends_with("+xml")
}

fn too_large(detail: String) -> Response<Body> {
    http_answer(problem_response(Problem::new(Code::AnswerTooLarge, detail)))
}
