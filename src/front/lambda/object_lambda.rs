//! The handler for S3 Object Lambda. A GetObject is answered through WriteGetObjectResponse, a HeadObject and a listing
//! through the function's result. The original is read from the presigned URL in the event; the query is that of the
//! caller's URL.
//!
//! Every event is answered: S3 reports errors to the caller by code, and supports a few statuses only.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::write_get_object_response::builders::WriteGetObjectResponseFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat, SdkBody};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, header};
use lambda_http::Context;
use lambda_http::lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::Deadlines;
use super::body::Pieces;
use super::event::{ObjectLambdaEvent, Operation, OutputRoute};
use super::http::header_map;
use super::part;
use super::route::without_route;
use crate::error::{Code, Problem};
use crate::origin::{Origin, OriginRequest, OriginResponse, problem_response};
use crate::source::s3::{Fetcher, Presigned, code_in, start_client};
use crate::source::{SourceError, SourceSettings};

/// The maximum size in bytes of a listing, which is part of the function's result.
const MOST_LISTED: usize = 5 << 20;

/// The handler for events of S3 Object Lambda.
pub(super) struct ObjectLambdaHandler {
    origin: Arc<Origin>,
    settings: SourceSettings,
    fetcher: Arc<Fetcher>,
    client: OnceCell<Client>,
}

impl ObjectLambdaHandler {
    pub(super) fn new(origin: Arc<Origin>, settings: SourceSettings) -> Self {
        Self { origin, settings, fetcher: Arc::default(), client: OnceCell::new() }
    }

    pub(super) async fn answer(
        &self,
        event: ObjectLambdaEvent,
        context: &Context,
        deadlines: Deadlines,
    ) -> Result<Value, Diagnostic> {
        let headers = header_map(event.user_request.headers());
        let caller = Caller { url: &event.user_request.url, headers: &headers, context, deadlines };
        match event.operation {
            Operation::Get { url, output } => self.get(url, &output, &caller).await,
            Operation::Head { url } => Ok(self.head(url, &caller).await),
            Operation::List { url } => Ok(self.list(url, &caller).await),
        }
    }

    async fn get(&self, url: String, output: &OutputRoute, caller: &Caller<'_>) -> Result<Value, Diagnostic> {
        let source = Presigned::new(self.fetcher.clone(), Method::GET, url, caller.headers);
        let response = self.respond(&source, caller).await;
        let response = part::of(response, caller.query(), caller.headers);
        let failure = Failure::of(&response);
        let status = failure.as_ref().map_or(response.status.as_u16(), |failure| failure.status);
        self.write(response, failure, source.received(), output, caller.deadlines.end).await.map_err(|reason| {
            tracing::error!(reason, request_id = caller.context.request_id, "S3 rejected the response");
            Diagnostic { error_type: "WriteGetObjectResponse".to_owned(), error_message: reason }
        })?;
        Ok(json!({ "statusCode": status }))
    }

    async fn respond(&self, source: &Presigned, caller: &Caller<'_>) -> OriginResponse {
        let mut headers = caller.headers.clone();
        // S3 passes ranges of the transformed object to the function, so they are applied to the result.
        headers.remove(header::RANGE);
        let request = OriginRequest {
            method: &Method::GET,
            path: caller.path(),
            query: caller.query(),
            headers: &headers,
            deadline: Some(caller.deadlines.cancellation),
            request_id: Some(&caller.context.request_id),
        };
        let responding = std::panic::AssertUnwindSafe(self.origin.respond_from(source, request)).catch_unwind();
        responding
            .await
            .unwrap_or_else(|_| problem_response(Problem::new(Code::Internal, "internal error; see the log")))
    }

    /// Sends a response through WriteGetObjectResponse.
    async fn write(
        &self,
        response: OriginResponse,
        failure: Option<Failure>,
        received: Option<&HeaderMap>,
        output: &OutputRoute,
        end: Instant,
    ) -> Result<(), String> {
        let settings = &self.settings;
        let client = self.client.get_or_init(|| start_client(settings)).await;
        let request = client.write_get_object_response().request_route(&output.route).request_token(&output.token);
        let request = match failure {
            Some(failure) => request
                .status_code(failure.status.into())
                .error_code(failure.code)
                .error_message(failure.message)
                .content_length(0),
            None => with_answer(request, response, received).await?,
        };
        let mut sending = request.customize();
        if settings.endpoint.is_some() {
            sending = sending.interceptor(without_route());
        }
        match tokio::time::timeout_at(end, sending.send()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                let code = error.as_service_error().and_then(aws_sdk_s3::error::ProvideErrorMetadata::code);
                Err(format!("WriteGetObjectResponse failed: status {status:?}, code {code:?}"))
            }
            Err(_) => Err("WriteGetObjectResponse timed out".to_owned()),
        }
    }

    /// Responds to HeadObject with the headers that are known without the content, which this URL does not provide.
    async fn head(&self, url: String, caller: &Caller<'_>) -> Value {
        let source = Presigned::new(self.fetcher.clone(), Method::HEAD, url, caller.headers);
        let response = self.respond(&source, caller).await;
        if let Some(failure) = Failure::of(&response) {
            return failure.as_result();
        }
        let shown = response.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let mut headers: serde_json::Map<String, Value> =
            shown.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        for (name, value) in user_metadata(source.received()) {
            headers.insert(format!("{METADATA}{name}"), json!(value));
        }
        json!({ "statusCode": response.status.as_u16(), "headers": headers })
    }

    /// Responds to a listing, which is passed on unchanged.
    async fn list(&self, url: String, caller: &Caller<'_>) -> Value {
        let source = Presigned::new(self.fetcher.clone(), Method::GET, url, caller.headers);
        let fetched = tokio::time::timeout_at(caller.deadlines.cancellation, source.fetch(MOST_LISTED)).await;
        match fetched.unwrap_or(Err(SourceError::TimedOut)) {
            Ok((200, document)) => {
                json!({ "statusCode": 200, "listResultXml": String::from_utf8_lossy(&document) })
            }
            Ok((status, document)) => {
                let code = String::from_utf8_lossy(&document);
                let code = code_in(&code).unwrap_or("InternalError");
                json!({ "statusCode": status, "errorCode": code, "errorMessage": "Listing is not allowed." })
            }
            Err(error) => match Failure::of(&problem_response(Problem::from(error))) {
                Some(failure) => failure.as_result(),
                None => json!({ "statusCode": 500, "errorCode": "InternalError", "errorMessage": "" }),
            },
        }
    }
}

/// The caller of an event: its request, its context and its deadline.
struct Caller<'a> {
    url: &'a str,
    headers: &'a HeaderMap,
    context: &'a Context,
    deadlines: Deadlines,
}

impl Caller<'_> {
    fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url, |(_, rest)| rest);
        let rest = rest.find('/').map_or("/", |at| &rest[at..]);
        rest.split('?').next().unwrap_or_default()
    }

    fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }
}

/// The prefix of the headers with user-defined metadata.
const METADATA: &str = "x-amz-meta-";

fn user_metadata(received: Option<&HeaderMap>) -> impl Iterator<Item = (String, String)> {
    let pairs = received.into_iter().flatten();
    pairs.filter_map(|(name, value)| {
        Some((name.as_str().strip_prefix(METADATA)?.to_owned(), value.to_str().ok()?.to_owned()))
    })
}

async fn with_answer(
    request: WriteGetObjectResponseFluentBuilder,
    response: OriginResponse,
    received: Option<&HeaderMap>,
) -> Result<WriteGetObjectResponseFluentBuilder, String> {
    let text = |name: header::HeaderName| response.headers.get(name).and_then(|value| value.to_str().ok());
    let date = |text: &str| DateTime::from_str(text, DateTimeFormat::HttpDate).ok();
    let mut request = request
        .status_code(response.status.as_u16().into())
        .set_e_tag(text(header::ETAG).map(str::to_owned))
        .set_content_type(text(header::CONTENT_TYPE).map(str::to_owned))
        .set_cache_control(text(header::CACHE_CONTROL).map(str::to_owned))
        .set_content_disposition(text(header::CONTENT_DISPOSITION).map(str::to_owned))
        .set_content_range(text(header::CONTENT_RANGE).map(str::to_owned))
        .set_last_modified(text(header::LAST_MODIFIED).and_then(date))
        .accept_ranges("bytes");
    if let Some(parts) = response.headers.get(part::PARTS_COUNT).and_then(|value| value.to_str().ok()?.parse().ok()) {
        request = request.parts_count(parts);
    }
    for (name, value) in user_metadata(received) {
        request = request.metadata(name, value);
    }
    let pieces = Pieces::collect(response.body).await.map_err(|_| "reading the response body failed".to_owned())?;
    let length = i64::try_from(pieces.len()).unwrap_or(i64::MAX);
    // A clone of the pieces copies no bytes, so the SDK can retry the request.
    let body = SdkBody::retryable(move || SdkBody::from_body_1_x(pieces.clone()));
    Ok(request.content_length(length).body(ByteStream::new(body)))
}

/// An error in the form that S3 expects.
struct Failure {
    status: u16,
    code: &'static str,
    message: String,
}

impl Failure {
    fn of(response: &OriginResponse) -> Option<Self> {
        let problem = response.problem.as_ref()?;
        // The message is sent as a header.
        let message = problem.detail.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
        let status = match problem.code.status().as_u16() {
            status @ (400 | 401 | 403 | 404 | 405 | 409 | 411 | 412 | 416 | 500 | 503) => status,
            504 => 503,
            status if status < 500 => 400,
            _ => 500,
        };
        Some(Self { status, code: s3_code(problem.code), message })
    }

    fn as_result(&self) -> Value {
        json!({ "statusCode": self.status, "errorCode": self.code, "errorMessage": self.message })
    }
}

/// S3's error code where one exists, else the code of this program in S3's spelling.
const fn s3_code(code: Code) -> &'static str {
    match code {
        Code::NotFound => "NoSuchKey",
        Code::Forbidden | Code::MetadataHidden | Code::OverlayNotAllowed => "AccessDenied",
        Code::BadParameter | Code::BadPath | Code::CropOutside => "InvalidArgument",
        Code::BadRequest => "InvalidRequest",
        Code::MethodNotAllowed => "MethodNotAllowed",
        Code::PreconditionFailed => "PreconditionFailed",
        Code::RangeNotSatisfiable => "InvalidRange",
        Code::SourceTooLarge | Code::AnswerTooLarge => "EntityTooLarge",
        Code::Overloaded => "SlowDown",
        Code::Internal => "InternalError",
        Code::PageOutside => "PageOutside",
        Code::NotSvg => "NotSvg",
        Code::OverlayNotFound => "OverlayNotFound",
        Code::OverlayUnreadable => "OverlayUnreadable",
        Code::UnsupportedImage => "UnsupportedImage",
        Code::DamagedImage => "DamagedImage",
        Code::ImageTooLarge => "ImageTooLarge",
        Code::MaxBytesImpossible => "MaxBytesImpossible",
        Code::SourceFailed => "SourceFailed",
        Code::SourceTimeout => "SourceTimeout",
        Code::Deadline => "Deadline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_code_and_a_status_that_s3_knows() {
        const STATUSES: [u16; 11] = [400, 401, 403, 404, 405, 409, 411, 412, 416, 500, 503];
        for code in Code::ALL {
            let failure = Failure::of(&problem_response(Problem::new(*code, "grün\nrot"))).unwrap();
            assert!(STATUSES.contains(&failure.status), "{code:?}: {}", failure.status);
            let letters = failure.code.bytes().all(|byte| byte.is_ascii_alphabetic());
            assert!(letters && failure.code.starts_with(|c: char| c.is_ascii_uppercase()), "{}", failure.code);
            assert_eq!(failure.message, "gr n rot");
        }
    }

    #[test]
    fn urls_are_taken_apart_as_they_are() {
        let headers = HeaderMap::new();
        let context = Context::default();
        let deadlines = Deadlines { cancellation: Instant::now(), end: Instant::now() };
        let table = [
            ("https://ap.s3-object-lambda.example/a%20b/../c.jpg?w=3&x=?", "/a%20b/../c.jpg", "w=3&x=?"),
            ("https://ap.s3-object-lambda.example", "/", ""),
            ("/a?b", "/a", "b"),
            ("", "/", ""),
        ];
        for (url, path, query) in table {
            let caller = Caller { url, headers: &headers, context: &context, deadlines };
            assert_eq!((caller.path(), caller.query()), (path, query), "{url}");
        }
    }
}
