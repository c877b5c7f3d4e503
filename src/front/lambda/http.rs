//! Requests over HTTP, in events. Each becomes a request for the very router that serves locally; its answer is streamed,
//! or packed into a document where the protocol wants one.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use lambda_runtime::{Context, Service as _};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::Deadlines;
use super::event::{HttpEvent, PayloadOne, PayloadTwo};
use crate::config::Delivery;
use crate::error::{Code, Problem};
use crate::front::serve::{Invocation, answer as http_answer};
use crate::origin::problem_response;

/// Most bytes of a streamed answer.
const MOST_STREAMED: u64 = 200 << 20;

/// Most bytes of an answer that is one document, all of the document counted.
const MOST_BUFFERED: u64 = 6 << 20;

/// The same, behind a load balancer.
const MOST_BALANCED: u64 = 1 << 20;

/// What an answer's document holds beside its body, roughly.
const DOCUMENT: u64 = 8 << 10;

/// What a path may hold that a URI may not. `%` is let through: paths come as they were sent, percent-encoded.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'?').add(b'<').add(b'>').add(b'`');

/// What a query may hold that a URI may not.
const NOT_IN_QUERIES: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'<').add(b'>');

/// Takes requests out of events and puts answers into what Lambda passes on.
pub(super) struct Door {
    router: Router,
    delivery: Delivery,
}

impl Door {
    pub(super) fn new(router: Router, delivery: Delivery) -> Self {
        Self { router, delivery }
    }

    /// Whether the answer to this is to be a stream.
    pub(super) fn streams(&self, event: &HttpEvent) -> bool {
        self.delivery == Delivery::Streamed && matches!(event, HttpEvent::Two(_))
    }

    /// The answer, which announces its length and is no longer than what can be streamed.
    pub(super) async fn respond(&self, event: HttpEvent, context: &Context, deadlines: Deadlines) -> Response<Body> {
        let invocation = Invocation {
            request_id: context.request_id.clone(),
            trace: context.xray_trace_id.clone(),
            deadline: Some(deadlines.work),
        };
        let response = match request(event, invocation) {
            Ok(request) => {
                let mut router = self.router.clone();
                router.call(request).await.unwrap_or_else(|never| match never {})
            }
            Err(problem) => http_answer(problem_response(&problem)),
        };
        match announced(&response) {
            length if length > MOST_STREAMED => {
                too_large(format!("the answer has {length} bytes, and Lambda streams {MOST_STREAMED} at most"))
            }
            _ => response,
        }
    }

    /// The answer as one document.
    pub(super) async fn document(&self, event: HttpEvent, context: &Context, deadlines: Deadlines) -> Value {
        let several = matches!(&event, HttpEvent::One(one) if one.multi_value_headers.is_some());
        let balanced = matches!(&event, HttpEvent::One(one) if one.request_context.elb.is_some());
        let most = if balanced { MOST_BALANCED } else { MOST_BUFFERED };
        document(self.respond(event, context, deadlines).await, most, several).await
    }
}

/// The request in an event.
fn request(event: HttpEvent, invocation: Invocation) -> Result<Request<Body>, Problem> {
    let (method, path, query, headers) = match event {
        HttpEvent::Two(PayloadTwo { raw_path, raw_query_string, headers, cookies, request_context }) => {
            let mut headers = header_map(headers.into_iter());
            if let Ok(cookies) = HeaderValue::from_str(&cookies.join("; "))
                && !cookies.is_empty()
            {
                headers.insert(header::COOKIE, cookies);
            }
            (request_context.http.method, raw_path, raw_query_string, headers)
        }
        HttpEvent::One(one) => {
            let query = query(&one);
            let single = one.headers.unwrap_or_default().into_iter();
            let several = one.multi_value_headers.unwrap_or_default().into_iter();
            let several = several.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
            let mut headers = header_map(several);
            if headers.is_empty() {
                headers = header_map(single);
            }
            (one.http_method, one.path, query, headers)
        }
    };
    let mut target = utf8_percent_encode(&path, NOT_IN_PATHS).to_string();
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if !query.is_empty() {
        target.push('?');
        target.extend(utf8_percent_encode(&query, NOT_IN_QUERIES));
    }
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(target.parse().map_err(|_| bad_uri())?);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method.as_bytes())
        .map_err(|_| Problem::new(Code::MethodNotAllowed, "the method is none of HTTP"))?;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| bad_uri())?;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(invocation);
    Ok(request)
}

fn bad_uri() -> Problem {
    Problem::new(Code::BadPath, "the path or the query is no part of a URL")
}

pub(super) fn header_map(pairs: impl Iterator<Item = (String, String)>) -> HeaderMap {
    let pairs =
        pairs.filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// The query of payload format 1.0, put together again. Load balancers leave it encoded, API Gateway does not.
fn query(event: &PayloadOne) -> String {
    let one = event.query_string_parameters.iter().flatten();
    let several = event.multi_value_query_string_parameters.iter().flatten();
    let several: Vec<_> = several.flat_map(|(name, values)| values.iter().map(move |value| (name, value))).collect();
    let pairs: Vec<_> = if several.is_empty() { one.collect() } else { several };
    if event.request_context.elb.is_some() {
        return pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    }
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The length that an answer announces; every answer here does.
fn announced(response: &Response<Body>) -> u64 {
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// An answer as a document of at most so many bytes. Text stands in it as it is; all else is base64.
async fn document(response: Response<Body>, most: u64, several: bool) -> Value {
    let length = announced(&response);
    let packed = if is_text(response.headers()) { length } else { length.div_ceil(3) * 4 } + DOCUMENT;
    let response = if packed > most {
        too_large(format!(
            "the answer has {length} bytes, and as this function answers with whole documents of {most} bytes, in which \
             pictures are base64, {} fit; a function URL with response streaming has no such limit",
            (most - DOCUMENT) / 4 * 3
        ))
    } else {
        response
    };
    let textual = is_text(response.headers());
    let (mut parts, body) = response.into_parts();
    let (status, body) = match axum::body::to_bytes(body, most as usize).await {
        Ok(bytes) => (parts.status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            parts.headers.clear();
            (StatusCode::BAD_GATEWAY, bytes::Bytes::new())
        }
    };
    // Whoever unpacks the document counts again. For HEAD the length of what is not sent must stay.
    if !body.is_empty() {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let text = textual.then(|| std::str::from_utf8(&body).ok()).flatten();
    let mut document = json!({
        "statusCode": status.as_u16(),
        "isBase64Encoded": text.is_none() && !body.is_empty(),
        "body": text.map_or_else(|| base64::engine::general_purpose::STANDARD.encode(&body), str::to_owned),
    });
    let values = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    if several {
        document["multiValueHeaders"] = values.map(|(name, value)| (name.to_owned(), json!([value]))).collect();
    } else {
        document["headers"] = values.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    }
    document
}

fn is_text(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.starts_with("text/") || media_type == "application/json" || media_type == "application/problem+json"
}

fn too_large(detail: String) -> Response<Body> {
    http_answer(problem_response(&Problem::new(Code::AnswerTooLarge, detail)))
}
