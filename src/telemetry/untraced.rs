//! Spans of a build without the feature `otel`: none.

use std::time::Duration;

use http::{HeaderMap, Method};

/// The span of a request.
pub(crate) struct RequestSpan;

/// What is known of a request once it has been answered.
#[allow(dead_code, reason = "only spans have it")]
pub(crate) struct Answered<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
    pub(crate) cache: Option<&'static str>,
    pub(crate) problem: Option<&'static str>,
    pub(crate) request_id: &'a str,
    pub(crate) stages: [(&'static str, Duration); 6],
}

/// Work that another task does for the request that is being answered.
#[cfg(feature = "http-client")]
pub(crate) const fn carried<F: Future>(work: F) -> F {
    work
}

impl RequestSpan {
    pub(crate) const fn start(_: &Method, _: &HeaderMap) -> Self {
        Self
    }

    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        work.await
    }

    pub(crate) const fn end(self, _: &Answered<'_>) {}
}
