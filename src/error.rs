//! The error type of responses, and the table that maps errors to status codes.
//!
//! A [`Problem`] is a problem details document (RFC 9457). Its `code` is stable, so that programs may rely on it, and
//! each code has a page in `docs/errors/`. The detail is for people and never contains buckets, local paths or keys.

use http::StatusCode;
use serde_json::{Value, json};

use crate::codec;
use crate::metadata;
use crate::query::BadParameter;
use crate::source::SourceError;
use crate::transform;

/// Declares the codes with their status and title, and the list of all codes.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// The stable code of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $code),+ }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The code as text, as it appears in responses.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The HTTP status of the code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),+ }
            }

            /// A short description, which is the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }
        }
    };
}

codes! {
    /// A query parameter has an invalid value.
    BadParameter = "bad_parameter", BAD_REQUEST, "Invalid parameter value";
    /// The request is invalid HTTP.
    BadRequest = "bad_request", BAD_REQUEST, "Bad request";
    /// The path contains no key: it is empty, not UTF-8 or contains a NUL.
    BadPath = "bad_path", BAD_REQUEST, "The path does not name an image";
    /// `crop` lies outside the picture.
    CropOutside = "crop_outside", BAD_REQUEST, "The crop lies outside the picture";
    /// `page` is not the number of a frame.
    PageOutside = "page_outside", BAD_REQUEST, "The frame does not exist";
    /// `format=svg` is requested of what cannot be sent as SVG.
    NotSvg = "not_svg", BAD_REQUEST, "The picture cannot be sent as SVG";
    /// The source denies access to the original.
    Forbidden = "forbidden", FORBIDDEN, "Access to the image is denied";
    /// The configuration does not expose this metadata.
    MetadataHidden = "metadata_hidden", FORBIDDEN, "The metadata is not exposed";
    /// The configuration does not allow this picture as an overlay.
    OverlayNotAllowed = "overlay_not_allowed", FORBIDDEN, "The overlay is not allowed";
    /// There is no such overlay.
    OverlayNotFound = "overlay_not_found", NOT_FOUND, "Overlay not found";
    /// There is no such original.
    NotFound = "not_found", NOT_FOUND, "Image not found";
    /// Only GET, HEAD and OPTIONS are supported.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed";
    /// A precondition of the request failed.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "A precondition failed";
    /// The original exceeds the size limit.
    SourceTooLarge = "source_too_large", PAYLOAD_TOO_LARGE, "The original is too large";
    /// The response exceeds the size limit of the handler.
    AnswerTooLarge = "answer_too_large", PAYLOAD_TOO_LARGE, "The response is too large";
    /// The original is not an image, or its format is not supported.
    UnsupportedImage = "unsupported_image", UNSUPPORTED_MEDIA_TYPE, "Unsupported image";
    /// The requested range starts after the end.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The range lies outside the file";
    /// The original is too damaged to be decoded.
    DamagedImage = "damaged_image", UNPROCESSABLE_ENTITY, "The image is damaged";
    /// The overlay cannot be read, or is not an image.
    OverlayUnreadable = "overlay_unreadable", UNPROCESSABLE_ENTITY, "The overlay cannot be read";
    /// The picture exceeds a limit on pixels, memory or side length.
    ImageTooLarge = "image_too_large", UNPROCESSABLE_ENTITY, "The image exceeds a limit";
    /// No quality makes the output fit into `max_bytes`.
    MaxBytesImpossible = "max_bytes_impossible", UNPROCESSABLE_ENTITY, "The output does not fit into max_bytes";
    /// An internal error.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal server error";
    /// The store of originals failed.
    SourceFailed = "source_failed", BAD_GATEWAY, "The store of originals failed";
    /// The load exceeds the capacity.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded";
    /// The store of originals did not respond in time.
    SourceTimeout = "source_timeout", GATEWAY_TIMEOUT, "The store of originals did not answer in time";
    /// The deadline passed.
    Deadline = "deadline", GATEWAY_TIMEOUT, "The deadline passed";
}

/// The `Retry-After` of an overloaded server in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code of the error.
    pub code: Code,
    /// A description of this occurrence and its remedy.
    pub detail: String,
    /// The invalid parameter, if there is one.
    pub parameter: Option<BadParameter>,
    /// The id of the request, which is also in its log line.
    pub request_id: Option<String>,
}

/// The documentation site with a page for each error; empty if the manifest names none.
const SITE: &str = env!("CARGO_PKG_HOMEPAGE");

/// The `type` of a problem (RFC 9457, section 3.1.1): the page about the code if there is a site, else a URN.
fn type_uri(site: &str, code: Code) -> String {
    match site.trim_end_matches('/') {
        "" => format!("urn:image-origin:problem:{}", code.name()),
        site => format!("{site}/errors/{}.html", code.name()),
    }
}

/// The maximum length of a detail in characters; usual messages have a tenth of that.
const MAX_DETAIL: usize = 1000;

impl Problem {
    /// Creates a problem without a parameter.
    ///
    /// A detail that is too long is truncated, since it may repeat a part of the upload.
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

    /// The number of seconds after which the same request may succeed, if known.
    pub fn retry_after(&self) -> Option<u32> {
        (self.code == Code::Overloaded).then_some(RETRY_AFTER_SECONDS)
    }

    /// The value of `Cache-Control`. Caches may keep an error that would repeat itself for a short time, which relieves
    /// the origin. Temporary errors are not cached, nor are errors that depend on the method or on headers outside of
    /// the cache key: one request would affect the responses to all others.
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
            codec::Error::Cancelled(_) => Code::Deadline,
            codec::Error::Internal(reason) => {
                tracing::error!(reason, "rendering a picture failed");
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
            metadata::Error::Drawing(error) => return codec::Error::of_drawing(error.clone()).into(),
            metadata::Error::Damaged(_) => Code::DamagedImage,
            metadata::Error::Exhausted(exhausted) => return codec::Error::from(*exhausted).into(),
            metadata::Error::Io(cause) => {
                tracing::error!(%cause, "reading an original failed");
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
            transform::Error::Overlay(ref cause) => {
                let detail = error.to_string();
                let code = match Self::from(cause.clone()).code {
                    Code::UnsupportedImage | Code::DamagedImage => Code::OverlayUnreadable,
                    code => code,
                };
                Self::new(code, detail)
            }
            transform::Error::NoDrawing(_) | transform::Error::ChangedDrawing | transform::Error::RasterizedDrawing => {
                Self::new(Code::NotSvg, error.to_string())
            }
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
            SourceError::Unrecognised => Code::UnsupportedImage,
            SourceError::TimedOut => Code::SourceTimeout,
            SourceError::Busy | SourceError::OutOfDescriptors => Code::Overloaded,
            SourceError::Failed(ref reason) => {
                tracing::error!(reason, "the store of originals failed");
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
