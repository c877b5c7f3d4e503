//! Responses: of pictures that were made, of originals and of problems.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::body::Body;
use super::conditional::{RangeRequest, Validators, content_range, range, unsatisfied_range};
use super::request::{OriginRequest, ParsedRequest};
use super::{Answer, file_name};
use crate::codec::Format;
use crate::error::{Code, Problem};
use crate::telemetry::{CacheResult, Cost};
use crate::transform::Likeness;

/// A response, independent of the handler's protocol.
#[derive(Debug)]
pub struct OriginResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those that concern the connection.
    pub headers: HeaderMap,
    /// The body; empty for HEAD, whose headers are those of GET.
    pub body: Body,
    /// The problem, if the response is one.
    pub problem: Option<Problem>,
    /// The validators for preconditions.
    pub validators: Validators,
    /// The data for the log and the metrics.
    pub(crate) report: Report,
}

/// The `Content-Security-Policy` of drawings, should something pass the sanitiser: a document without scripts, an origin,
/// links and requests, whose own styles and embedded pictures work.
const DRAWING_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// The type and length of the body of a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// The media type.
    pub media_type: &'static str,
    /// The number of bytes.
    pub length: u64,
}

impl OriginResponse {
    /// A response without content.
    pub(super) fn empty_response(status: StatusCode, headers: HeaderMap) -> Self {
        let (problem, validators, report) = (None, Validators::default(), Report::default());
        Self { status, headers, body: Body::Empty, problem, validators, report }
    }

    /// A complete response with this content.
    #[cfg(all(test, feature = "lambda"))]
    pub(crate) fn whole(body: Body, content: Content) -> Self {
        Self::empty_response(StatusCode::OK, HeaderMap::new()).with_content(body, content)
    }

    /// Adds a body, which for GET is all of `content`, and the headers that describe it.
    fn with_content(mut self, body: Body, content: Content) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        self.headers.insert(header::CONTENT_LENGTH, content.length.into());
        if content.media_type == Format::Svg.media_type() {
            self.headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DRAWING_POLICY));
        }
        self.report.content = Some(content);
        Self { body, ..self }
    }

    /// The content of the response to GET, even if this is the response to HEAD.
    pub const fn content(&self) -> Option<Content> {
        self.report.content
    }

    /// The given range of this response, which must be complete.
    pub(crate) fn part(mut self, part: std::ops::Range<u64>) -> Self {
        let Some(Content { media_type, length }) = self.content() else { return self };
        self.headers.insert(header::CONTENT_RANGE, content_range(&part, length));
        self.status = StatusCode::PARTIAL_CONTENT;
        let content = Content { media_type, length: part.end - part.start };
        let body = std::mem::replace(&mut self.body, Body::Empty).slice(part);
        self.with_content(body, content)
    }
}

/// The response to a range that starts after the end of `length` bytes.
pub(crate) fn unsatisfiable(what: &str, length: u64) -> OriginResponse {
    let problem = Problem::new(Code::RangeNotSatisfiable, format!("the {what} has {length} bytes"));
    let mut response = problem_response(problem);
    response.headers.insert(header::CONTENT_RANGE, unsatisfied_range(length));
    response
}

/// The data about a response for the log and the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// The canonical text of the query, if it is valid. It contains no credentials.
    pub(crate) query: Option<String>,
    /// Where a finished response came from.
    pub(crate) cache: Option<CacheResult>,
    pub(crate) cost: Cost,
    /// The code of the problem, if the response is one, and what it says.
    pub(crate) problem: Option<Code>,
    pub(crate) reason: Option<String>,
    /// The content of the response to GET.
    pub(crate) content: Option<Content>,
}

/// The original's compressed pixels, or the requested range of them (RFC 9110, 14.2).
pub(super) fn original_response(
    request: OriginRequest<'_>,
    validators: &Validators,
    format: Format,
    whole: Body,
    mut headers: HeaderMap,
) -> OriginResponse {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let content = Content { media_type: format.media_type(), length: whole.len() };
    let response = OriginResponse::empty_response(StatusCode::OK, headers).with_content(whole, content);
    if *request.method != Method::GET {
        return response;
    }
    match range(request.headers, &validators.tag, validators.modified, content.length) {
        RangeRequest::All => response,
        RangeRequest::Part(part) => response.part(part),
        RangeRequest::Unsatisfiable => unsatisfiable("file", content.length),
    }
}

pub(super) fn finished(answer: &Answer, body: Body, cache: CacheResult, headers: HeaderMap) -> OriginResponse {
    let content = Content { media_type: answer.media_type, length: answer.bytes.len() as u64 };
    made(content, answer.likeness, body, &server_timing(cache, answer), headers)
}

/// Adds the file name to a response whose type is known. A 304 needs none: the client keeps the one that it has.
pub(super) fn named(mut response: OriginResponse, parsed: &ParsedRequest) -> OriginResponse {
    let content = response.content().filter(|_| response.problem.is_none());
    if let Some(Content { media_type, .. }) = content {
        let key = parsed.located.key().as_str();
        let value = file_name::content_disposition(parsed.download.as_ref(), key, media_type);
        response.headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// The header that says what `q=auto` has led to.
pub(crate) const IMAGE_QUALITY: HeaderName = HeaderName::from_static("image-quality");

/// A response that was computed from an original.
pub(super) fn made(
    content: Content,
    likeness: Option<Likeness>,
    body: Body,
    timing: &str,
    mut headers: HeaderMap,
) -> OriginResponse {
    headers.insert("server-timing", ascii(timing));
    if let Some(likeness) = likeness {
        headers.insert(IMAGE_QUALITY, ascii(&likeness.to_string()));
    }
    OriginResponse::empty_response(StatusCode::OK, headers).with_content(body, content)
}

/// Milliseconds by stage, for browsers' developer tools (W3C Server Timing).
fn server_timing(cache: CacheResult, answer: &Answer) -> String {
    if cache != CacheResult::Miss {
        return format!("cache;desc={}", cache.name());
    }
    let mut text = String::new();
    for (name, duration) in answer.cost.durations() {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{name};dur={:.3}", duration.as_secs_f64() * 1000.0);
    }
    text
}

/// A header value from ASCII text written by this crate.
pub(super) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Converts a problem into a response.
pub fn problem_response(problem: Problem) -> OriginResponse {
    let body = Body::Bytes(Bytes::from(problem.to_json().to_string()).into());
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(problem.cache_control()));
    if let Some(seconds) = problem.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::MethodNotAllowed {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let content = Content { media_type: "application/problem+json", length: body.len() };
    let mut response = OriginResponse::empty_response(problem.code.status(), headers).with_content(body, content);
    response.report.problem = Some(problem.code);
    response.problem = Some(problem);
    response
}
