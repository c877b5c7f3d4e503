//! What a source's settings show instead of a problem: a fallback picture, or the original without parameters.
//!
//! Neither takes the place of the picture that was asked for. It has the status of the problem or is a redirect, has no
//! entity tag, and is kept no longer than the problem would be. There is no fallback of a fallback.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use super::{
    CacheResult, Origin, OriginRequest, OriginResponse, ParsedRequest, Report, Store, Validators, ascii, finished,
    host, variant,
};
use crate::error::{Code, Problem};
use crate::query::{Answer as Wanted, Effects, Transform};
use crate::source::{Located, OnError};

/// The header that names the problem, by its code.
const FALLBACK: HeaderName = HeaderName::from_static("x-image-origin-fallback");

/// The maximum time that is kept for a fallback picture, and its share of the time of a request.
const RESERVE: Duration = Duration::from_secs(1);
const RESERVED_SHARE: u32 = 4;

/// When the work for a request has to end, so that there is time for a fallback picture until `end`.
pub(super) fn deadline(located: &Located, end: Instant) -> Instant {
    if located.fallback_image().is_none() {
        return end;
    }
    let left = end.saturating_duration_since(Instant::now());
    end - RESERVE.min(left / RESERVED_SHARE)
}

/// Whether a fallback picture is shown instead of this problem, which is one of the original: missing, unusable or late.
fn is_of_original(code: Code) -> bool {
    let is_of_overlay = matches!(code, Code::OverlayNotFound | Code::OverlayUnreadable);
    let status = code.status();
    let is_shown = [
        StatusCode::NOT_FOUND,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    is_shown.contains(&status) && !is_of_overlay
}

/// Whether the original shows nothing that the picture would not: only its size, framing and encoding differ.
fn only_scales(transform: &Transform) -> bool {
    let Transform { redaction, crop, overlay, effects, answer, .. } = transform;
    let is_picture = *answer == Wanted::Picture && !transform.is_original();
    is_picture && redaction.is_none() && crop.is_none() && overlay.is_none() && *effects == Effects::default()
}

impl Origin {
    /// What is shown instead of a problem; the problem if that is nothing.
    pub(super) async fn instead(
        &self,
        problem: Problem,
        parsed: &ParsedRequest,
        request: OriginRequest<'_>,
        report: &mut Report,
    ) -> Result<OriginResponse, Problem> {
        let (code, transform) = (problem.code, &parsed.transform);
        if code == Code::Deadline && parsed.located.on_error() == OnError::Original && only_scales(transform) {
            return Ok(to_original(parsed, request, code));
        }
        let image = parsed.located.fallback_image();
        let Some(image) = image.filter(|_| transform.answer == Wanted::Picture && is_of_original(code)) else {
            return Err(problem);
        };
        let host = host(request.headers);
        let Some(located) = self.sources.locate(host.as_deref(), image) else { return Err(problem) };
        let overlay = self.pipeline.overlays.requested(&self.sources, host.as_deref(), transform);
        let fallback = Arc::new(ParsedRequest {
            located,
            version: None,
            presets: parsed.presets.clone(),
            has_revision: false,
            download: None,
            transform: transform.clone(),
            variant: variant(transform, parsed.accepted, overlay.as_ref(), self.settings()),
            overlay,
            accepted: parsed.accepted,
            deadline: parsed.end,
            end: parsed.end,
        });
        let mut headers = request.headers.clone();
        for name in [
            header::IF_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::IF_UNMODIFIED_SINCE,
            header::RANGE,
        ] {
            headers.remove(name);
        }
        let request = OriginRequest { headers: &headers, ..request };
        let shown = match self.answer(Store::Own, &fallback, request, report).await {
            // Where its source does not answer either, what it said last has to do.
            Err(error) => self.pipeline.last_known(&fallback).ok_or(error).map(|answer| {
                let body = super::Body::Bytes(answer.bytes.clone().into());
                finished(&answer, body, CacheResult::Hit, HeaderMap::new())
            }),
            shown => shown,
        };
        match shown {
            Ok(shown) => Ok(self.as_fallback(shown, problem, parsed, request)),
            Err(error) => {
                tracing::warn!(code = error.code.name(), reason = error.detail, "the fallback picture cannot be shown");
                Err(problem)
            }
        }
    }

    /// A response with the status and the lifetime of a problem.
    fn as_fallback(
        &self,
        mut shown: OriginResponse,
        problem: Problem,
        parsed: &ParsedRequest,
        request: OriginRequest<'_>,
    ) -> OriginResponse {
        shown.status = problem.code.status();
        shown.validators = Validators::default();
        let headers = &mut shown.headers;
        for name in [header::ACCEPT_RANGES, header::CONTENT_DISPOSITION, header::ETAG, header::LAST_MODIFIED] {
            headers.remove(name);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(problem.cache_control()));
        headers.insert(FALLBACK, HeaderValue::from_static(problem.code.name()));
        // Those of the picture that is missing, so that uploading it purges this response.
        self.settings().cache_tag_header.as_ref().map(|name| headers.remove(name));
        self.add_cache_tags(headers, parsed, None);
        shown.problem = Some(Problem { request_id: request.request_id.map(str::to_owned), ..problem });
        shown
    }
}

/// A redirect to the original without parameters, relative to the URL of the request, whose beginning only the handler knows.
fn to_original(parsed: &ParsedRequest, request: OriginRequest<'_>, code: Code) -> OriginResponse {
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let original = Transform { metadata: parsed.transform.metadata, ..Transform::default() }.canonical();
    let version = parsed.version.as_ref().zip(parsed.located.source().parameters().first());
    let version = version.map(|(version, name)| format!("{name}={}", utf8_percent_encode(version, NON_ALPHANUMERIC)));
    let query: Vec<String> = [original].into_iter().filter(|text| !text.is_empty()).chain(version).collect();
    let separator = if query.is_empty() { "" } else { "?" };
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, ascii(&format!("./{name}{separator}{}", query.join("&"))));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, 0.into());
    headers.insert(FALLBACK, HeaderValue::from_static(code.name()));
    OriginResponse::empty_response(StatusCode::FOUND, headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{self, Presets};

    #[test]
    fn an_original_takes_the_place_only_of_what_shows_as_much() {
        let table = [
            ("w=300", true),
            ("w=300&h=200&fit=cover&format=webp&q=70&dpr=2", true),
            ("preset-less=1", false),
            ("metadata=all", false),
            ("w=300&redact=faces", false),
            ("w=300&crop=0,0,10,10", false),
            ("w=300&blur=20", false),
            ("w=300&pixelate=20", false),
            ("w=300&grayscale", false),
            ("w=300&overlay=a.png", false),
            ("info", false),
            ("showExif", false),
        ];
        for (text, expected) in table {
            let transform = query::parse(text, &Presets::new()).unwrap();
            assert_eq!(only_scales(&transform), expected, "{text}");
        }
    }

    #[test]
    fn problems_of_the_original_are_covered_up_and_no_others() {
        let shown: Vec<_> = Code::ALL.iter().filter(|code| is_of_original(**code)).map(|code| code.name()).collect();
        let expected = [
            "not_found",
            "unsupported_image",
            "damaged_image",
            "image_too_large",
            "max_bytes_impossible",
            "source_timeout",
            "deadline",
        ];
        assert_eq!(shown, expected);
    }
}
