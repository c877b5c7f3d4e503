//! Error responses: problem JSON (RFC 9457) with a stable `code`.

use std::borrow::Cow;

use serde::Serialize;

use crate::event::{Headers, Response};

/// An error, in words that may be shown to any client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The reason phrase of the status.
    pub title: &'static str,
    /// The status of the response.
    pub status: u16,
    /// One sentence about this error.
    pub detail: Cow<'static, str>,
    /// The stable code of the problem.
    pub code: &'static str,
    /// The parameter that is to blame.
    #[cfg(feature = "viewer-request")]
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<Blamed>,
}

/// A parameter that is to blame, as the origin's own problems tell it.
#[cfg(feature = "viewer-request")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Blamed {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    allowed: String,
}

impl Problem {
    pub(crate) const fn new(status: u16, code: &'static str, detail: &'static str) -> Self {
        Self {
            kind: "about:blank",
            title: reason_phrase(status),
            status,
            detail: Cow::Borrowed(detail),
            code,
            #[cfg(feature = "viewer-request")]
            parameter: None,
        }
    }

    /// The same with the parameter that the limits do not permit.
    #[cfg(feature = "viewer-request")]
    pub(crate) fn blaming(self, bad: &crate::limits::NotPermitted) -> Self {
        let crate::limits::NotPermitted { name, value, allowed } = bad.clone();
        Self { detail: Cow::Owned(bad.to_string()), parameter: Some(Blamed { name, value, allowed }), ..self }
    }

    /// The response to a request with this method. It must not be cached.
    pub(crate) fn response(&self, method: &str) -> Response {
        let mut headers = Headers::default();
        headers.set("Cache-Control", "no-store");
        self.write_into(method, headers)
    }

    /// The response with additional headers.
    pub(crate) fn write_into(&self, method: &str, mut headers: Headers) -> Response {
        headers.set("Content-Type", "application/problem+json");
        disarm(&mut headers);
        // A `Problem` consists of text and a number, so serialization cannot fail. RFC 9110, section 9.3.2: HEAD has no
        // body.
        let body = if method == "HEAD" { String::new() } else { serde_json::to_string(self).unwrap_or_default() };
        Response {
            status: self.status.to_string(),
            status_description: Some(self.title.to_owned()),
            headers,
            body: Some(body),
            body_encoding: None,
        }
    }
}

/// The policy that disarms an upload shown as a page.
pub(crate) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// Adds the security headers of every response: an upload must not become a page that runs scripts on this host.
pub(crate) fn disarm(headers: &mut Headers) {
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
}

const fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}
