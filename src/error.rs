//! One error for everything that a viewer can be told, and the one table from error to status.
//!
//! A [`Problem`] is what RFC 9457 calls problem details. Its `code` is stable: programs may rely on it, and
//! a page in `docs/errors/` explains each. The detail is for people and never names buckets, paths of this machine or keys.

use http::StatusCode;
use serde_json::{Value, json};

use crate::codec;
use crate::metadata;
use crate::query::BadParameter;
use crate::source::SourceError;
use crate::transform;

/// Declares the codes with their status and title, and the list of all of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// The stable name of a kind of error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $code),+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The name, as it appears in answers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),+ }
            }

            /// A short description that does not change from case to case.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }
        }
    };
}

codes! {
    /// A parameter of the query has a value that is not allowed.
    BadParameter = "bad_parameter", BAD_REQUEST, "A parameter has a value that is not allowed";
    /// The path names no key: it is empty, not UTF-8 or holds a NUL.
    BadPath = "bad_path", BAD_REQUEST, "The path is not the name of an image";
    /// `crop` lies outside the picture.
    CropOutside = "crop_outside", BAD_REQUEST, "The crop lies outside the picture";
    /// `page` names no frame.
    PageOutside = "page_outside", BAD_REQUEST, "There is no such frame";
    /// The source keeps this image from us.
    Forbidden = "forbidden", FORBIDDEN, "This image may not be read";
    /// The configuration does not allow this metadata to be seen.
    MetadataHidden = "metadata_hidden", FORBIDDEN, "This metadata is not shown";
    /// There is no such image.
    NotFound = "not_found", NOT_FOUND, "There is no such image";
    /// Only GET, HEAD and OPTIONS are served.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed";
    /// The viewer wants this answer only if it were another.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The picture is not the one that was meant";
    /// The original has more bytes than the limit.
    SourceTooLarge = "source_too_large", PAYLOAD_TOO_LARGE, "The original has too many bytes";
    /// The door cannot send so many bytes.
    AnswerTooLarge = "answer_too_large", PAYLOAD_TOO_LARGE, "The answer has too many bytes";
    /// The original is no image, or of a kind that is not read.
    UnsupportedImage = "unsupported_image", UNSUPPORTED_MEDIA_TYPE, "The file is not an image that can be read";
    /// The requested range starts after the end.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The range lies outside the file";
    /// The original is damaged beyond use.
    DamagedImage = "damaged_image", UNPROCESSABLE_ENTITY, "The image is damaged";
    /// The picture needs more pixels, memory or side length than the limits allow.
    ImageTooLarge = "image_too_large", UNPROCESSABLE_ENTITY, "The picture is beyond the limits";
    /// No quality makes the output fit into `max_bytes`.
    MaxBytesImpossible = "max_bytes_impossible", UNPROCESSABLE_ENTITY, "The output does not fit into max_bytes";
    /// Something is wrong with the server itself.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server has failed";
    /// The store behind the server has failed.
    SourceFailed = "source_failed", BAD_GATEWAY, "The store of originals has failed";
    /// More work arrived than can be done.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is busy";
    /// The store behind the server did not answer in time.
    SourceTimeout = "source_timeout", GATEWAY_TIMEOUT, "The store of originals did not answer in time";
    /// The work took longer than allowed.
    Deadline = "deadline", GATEWAY_TIMEOUT, "The picture took too long";
}

/// Seconds after which a busy server may be asked again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What a viewer is told when there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of error this is.
    pub code: Code,
    /// What happened in this case and what to do about it.
    pub detail: String,
    /// The parameter that is to blame.
    pub parameter: Option<BadParameter>,
    /// The request, by the id that its log line has.
    pub request_id: Option<String>,
}

/// The project's site, whose pages explain errors; empty where the manifest names none.
const SITE: &str = env!("CARGO_PKG_HOMEPAGE");

/// What identifies a kind of error (RFC 9457, section 3.1.1): the page about it where there is a site, else a URN.
fn type_uri(site: &str, code: Code) -> String {
    match site.trim_end_matches('/') {
        "" => format!("urn:image-origin:problem:{}", code.name()),
        site => format!("{site}/errors/{}.html", code.name()),
    }
}

/// Characters of a detail; sentences have a tenth of that.
const MAX_DETAIL: usize = 1000;

impl Problem {
    /// A problem without a parameter to blame.
    ///
    /// A detail that is too long for people is cut off: it may repeat what an upload says.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL) {
            detail.truncate(end);
        }
        Self { code, detail, parameter: None, request_id: None }
    }

    /// The document, as `application/problem+json`.
    pub fn to_json(&self) -> Value {
        let mut document = json!({
            "type": type_uri(SITE, self.code),
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "code": self.code.name(),
            "detail": self.detail,
        });
        if let Some(bad) = &self.parameter {
            document["parameter"] = json!({ "name": bad.name, "value": bad.value, "allowed": bad.allowed });
        }
        if let Some(id) = &self.request_id {
            document["request_id"] = json!(id);
        }
        document
    }

    /// After how many seconds the same request may succeed, where that is known.
    pub fn retry_after(&self) -> Option<u32> {
        (self.code == Code::Overloaded).then_some(RETRY_AFTER_SECONDS)
    }

    /// The caches between here and the viewer may keep an error that repeats itself for a moment, to take the load off
    /// the origin. What may pass by itself is not kept, nor what depends on the method or on headers that are part of no
    /// cache's key: one request would spoil the answer for all others.
    pub fn cache_control(&self) -> &'static str {
        match self.code {
            Code::MethodNotAllowed | Code::PreconditionFailed | Code::RangeNotSatisfiable => "no-store",
            code if code.status().is_client_error() => "public, max-age=10",
            _ => "no-store",
        }
    }
}

impl From<BadParameter> for Problem {
    fn from(bad: BadParameter) -> Self {
        Self { parameter: Some(bad.clone()), ..Self::new(Code::BadParameter, bad.to_string()) }
    }
}

impl From<codec::Error> for Problem {
    fn from(error: codec::Error) -> Self {
        let code = match error {
            codec::Error::Unsupported(_) => Code::UnsupportedImage,
            codec::Error::Damaged { .. } => Code::DamagedImage,
            codec::Error::TooLarge { .. } => Code::ImageTooLarge,
            codec::Error::Stopped(_) => Code::Deadline,
            codec::Error::Internal(reason) => {
                tracing::error!(reason, "a picture could not be made");
                Code::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<metadata::Error> for Problem {
    fn from(error: metadata::Error) -> Self {
        let code = match &error {
            metadata::Error::Unrecognised | metadata::Error::Unsupported(_) => Code::UnsupportedImage,
            metadata::Error::Damaged(_) => Code::DamagedImage,
            metadata::Error::Exhausted(exhausted) => return codec::Error::from(*exhausted).into(),
            metadata::Error::Io(cause) => {
                tracing::error!(%cause, "an original could not be read");
                Code::SourceFailed
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<transform::Error> for Problem {
    fn from(error: transform::Error) -> Self {
        match error {
            transform::Error::Codec(error) => error.into(),
            transform::Error::CropOutside { .. } => Self::new(Code::CropOutside, error.to_string()),
            transform::Error::PageOutside { .. } => Self::new(Code::PageOutside, error.to_string()),
            transform::Error::MaxBytes { .. } => Self::new(Code::MaxBytesImpossible, error.to_string()),
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        let code = match error {
            SourceError::NotFound => Code::NotFound,
            SourceError::Forbidden | SourceError::Unsigned(_) => Code::Forbidden,
            SourceError::Changed => Code::PreconditionFailed,
            SourceError::Partial => Code::RangeNotSatisfiable,
            SourceError::TooLarge { .. } => Code::SourceTooLarge,
            SourceError::TimedOut => Code::SourceTimeout,
            SourceError::Busy | SourceError::OutOfDescriptors => Code::Overloaded,
            SourceError::Failed(ref reason) => {
                tracing::error!(reason, "the store of originals has failed");
                Code::SourceFailed
            }
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_leads_to_the_page_where_there_is_a_site() {
        let table = [
            ("", "urn:image-origin:problem:bad_path"),
            ("https://example.com/docs", "https://example.com/docs/errors/bad_path.html"),
            ("https://example.com/", "https://example.com/errors/bad_path.html"),
        ];
        for (site, expected) in table {
            assert_eq!(type_uri(site, Code::BadPath), expected);
        }
    }

    #[test]
    fn details_are_short_enough_for_people() {
        for (text, length) in [("short", 5), (&"ä".repeat(5000), MAX_DETAIL)] {
            assert_eq!(Problem::new(Code::BadParameter, text).detail.chars().count(), length);
        }
    }

    #[test]
    fn a_bad_parameter_is_a_member_of_the_document() {
        let bad = BadParameter { name: "w", value: "x".into(), allowed: "a number".into() };
        let document = Problem::from(bad).to_json();
        assert_eq!(document["status"], 400);
        assert_eq!(document["parameter"], json!({ "name": "w", "value": "x", "allowed": "a number" }));
    }
}
