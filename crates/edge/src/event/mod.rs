//! The JSON documents that CloudFront and a Lambda@Edge function exchange.
//!
//! Field names are AWS's; see "Lambda@Edge event structure" in the CloudFront developer guide. `fixtures/events/`
//! contains one document for each trigger.

mod headers;

use serde::{Deserialize, Serialize};

pub use headers::{Header, Headers};

/// The event that Lambda passes to the function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The records. The format allows several, but CloudFront always sends one.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

impl Event {
    /// Returns the CloudFront record of the event.
    #[must_use]
    pub fn into_cf(self) -> Option<Cf> {
        self.records.into_iter().next().map(|record| record.cf)
    }
}

/// One entry of [`Event::records`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The CloudFront part, the only one there is.
    pub cf: Cf,
}

/// A request at one of the four triggers, with the response if there is one already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cf {
    /// The distribution and the trigger.
    pub config: Context,
    /// The request at this trigger.
    pub request: Request,
    /// The origin's response, in response events.
    #[cfg_attr(not(any(feature = "origin", feature = "viewer-response")), serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
}

/// The context of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The distribution's own domain name.
    #[serde(default)]
    pub distribution_domain_name: String,
    /// The distribution's identifier.
    #[serde(default)]
    pub distribution_id: String,
    /// The trigger.
    pub event_type: Trigger,
    /// CloudFront's request id; the origin receives it as `x-amz-cf-id`.
    #[serde(default)]
    pub request_id: String,
}

/// The four triggers of Lambda@Edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Before the cache.
    ViewerRequest,
    /// After a cache miss, before the origin.
    OriginRequest,
    /// After the origin, before the cache.
    OriginResponse,
    /// Before the viewer.
    ViewerResponse,
}

/// An HTTP request in CloudFront's form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The client's address.
    #[serde(default)]
    pub client_ip: String,
    /// The headers, by lower-case name.
    #[serde(default)]
    pub headers: Headers,
    /// The method, which an edge function cannot change.
    pub method: String,
    /// The path, percent-encoded as received.
    pub uri: String,
    /// The query without its `?`, as received.
    #[serde(default)]
    pub querystring: String,
    /// The origin that will receive the request, in origin events.
    #[cfg_attr(not(feature = "origin"), serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The body, if the trigger includes it; passed through unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
}

/// The origin of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An HTTP server.
    Custom(CustomOrigin),
    /// A bucket.
    S3(S3Origin),
}

impl Origin {
    /// The host that CloudFront connects to.
    #[must_use]
    pub fn domain_name(&self) -> &str {
        match self {
            Self::Custom(origin) => &origin.domain_name,
            Self::S3(origin) => &origin.domain_name,
        }
    }

    /// The headers that the distribution adds for this origin.
    #[must_use]
    pub fn custom_headers(&self) -> &Headers {
        match self {
            Self::Custom(origin) => &origin.custom_headers,
            Self::S3(origin) => &origin.custom_headers,
        }
    }
}

/// An HTTP server as origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomOrigin {
    /// Headers that CloudFront adds; they must not occur among the request's headers.
    #[serde(default)]
    pub custom_headers: Headers,
    /// A DNS name, without a port; IP addresses are not allowed.
    pub domain_name: String,
    /// 1 to 60 seconds.
    pub keepalive_timeout: u32,
    /// A prefix of the path, without a trailing slash.
    #[serde(default)]
    pub path: String,
    /// 80, 443 or 1024 to 65535.
    pub port: u16,
    /// `http` or `https`.
    pub protocol: String,
    /// 4 to 60 seconds.
    pub read_timeout: u32,
    /// The TLS versions that CloudFront may use.
    #[serde(default)]
    pub ssl_protocols: Vec<String>,
}

/// A bucket as origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Origin {
    /// `origin-access-identity` or `none`.
    #[serde(default)]
    pub auth_method: String,
    /// Headers that CloudFront adds.
    #[serde(default)]
    pub custom_headers: Headers,
    /// The bucket's DNS name.
    pub domain_name: String,
    /// A prefix of the key, without a trailing slash.
    #[serde(default)]
    pub path: String,
    /// The bucket's region, required for an origin access identity.
    #[serde(default)]
    pub region: String,
}

/// An HTTP response in CloudFront's form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The status code, as text.
    pub status: String,
    /// The reason phrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_description: Option<String>,
    /// The headers, by lower-case name.
    #[serde(default)]
    pub headers: Headers,
    /// The body. CloudFront never sends it; if it is absent from a result, the origin's body is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The encoding of [`Response::body`]; absent means text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_encoding: Option<BodyEncoding>,
}

/// The encoding of a response body in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyEncoding {
    /// Plain text.
    Text,
    /// Base64.
    Base64,
}
