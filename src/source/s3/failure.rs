//! Converts failures of the store into source errors. The store's error code and request id are logged, which identify
//! the details in the store's own logs, but never buckets, keys or credentials.

use std::fmt::Debug;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::presigned::code_in;
use crate::source::etag::normalize_etag;
use crate::source::{AccessDenied, ObjectMeta, SourceError, is_out_of_descriptors};

/// The metadata from a 304 response, if the error is one.
pub(super) fn not_modified<E>(error: &SdkError<E, HttpResponse>) -> Option<ObjectMeta> {
    let response = error.raw_response()?;
    if response.status().as_u16() != 304 {
        return None;
    }
    let modified = response.headers().get("last-modified").and_then(|date| httpdate::parse_http_date(date).ok());
    let etag = normalize_etag(response.headers().get("etag"), None, None);
    Some(ObjectMeta { etag, modified, is_partial: true, ..ObjectMeta::default() })
}

/// Converts an error of the SDK.
pub(super) fn of<E: ProvideErrorMetadata + Debug>(
    error: &SdkError<E, HttpResponse>,
    denied: AccessDenied,
) -> SourceError {
    let Some(response) = error.raw_response() else { return without_answer(error) };
    let status = response.status().as_u16();
    // The SDK finds none in a document whose end was not read.
    let document = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).or_else(|| code_in(&document));
    let code = code.unwrap_or_default();
    let request_id = response.headers().get("x-amz-request-id").unwrap_or_default();
    classify_error(status, code, request_id, denied)
}

/// The mapping from the store's status and error code to source errors.
pub(super) fn classify_error(status: u16, code: &str, request_id: &str, denied: AccessDenied) -> SourceError {
    let failed = || SourceError::Failed(format!("the store responded with {status} {code}, request {request_id}"));
    match (status, code) {
        (_, "NoSuchKey" | "NoSuchVersion" | "KeyTooLongError") => SourceError::NotFound,
        // Responses to an invalid version id, and to that of a delete marker.
        (400, "InvalidArgument") | (405, "MethodNotAllowed") => SourceError::NotFound,
        (404, "" | "NotFound") => SourceError::NotFound,
        (403, "AccessDenied" | "AllAccessDisabled" | "") => {
            tracing::warn!(request_id, "the store denied access to an original");
            match denied {
                AccessDenied::NotFound => SourceError::NotFound,
                AccessDenied::Forbidden => SourceError::Forbidden,
            }
        }
        // A precondition that the signature of a URL covers is sent as well.
        (412, _) => SourceError::Changed,
        (416, _) => SourceError::Partial,
        (429 | 503, _) => SourceError::Busy,
        (_, "SlowDown" | "TooManyRequests" | "RequestLimitExceeded") => SourceError::Busy,
        (_, "RequestTimeout") | (504, _) => SourceError::TimedOut,
        _ => failed(),
    }
}

fn without_answer<E, R>(error: &SdkError<E, R>) -> SourceError {
    match error {
        SdkError::TimeoutError(_) => SourceError::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => SourceError::TimedOut,
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(|e| is_out_of_descriptors(e)) =>
        {
            SourceError::OutOfDescriptors
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            SourceError::Failed("the store is unreachable, or closed the connection before it responded".to_owned())
        }
        SdkError::ConstructionFailure(_) => {
            SourceError::Failed("the request could not be built: check credentials and region".to_owned())
        }
        _ => SourceError::Failed("the request was not sent: check credentials and region".to_owned()),
    }
}
