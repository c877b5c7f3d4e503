//! What Lambda is invoked with, as far as it matters here. Fields that nobody reads are not required, so that an event
//! is not lost over them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// An event, told by its shape.
#[derive(Debug)]
pub(super) enum Event {
    /// A request that came over HTTP.
    Http(HttpEvent),
}

/// A request by way of a function URL or API Gateway (payload format 2.0), or of a load balancer or API Gateway (1.0).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum HttpEvent {
    Two(PayloadTwo),
    One(PayloadOne),
}

/// Payload format 2.0.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayloadTwo {
    pub(super) raw_path: String,
    #[serde(default)]
    pub(super) raw_query_string: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) cookies: Vec<String>,
    pub(super) request_context: ContextTwo,
}

#[derive(Debug, Deserialize)]
pub(super) struct ContextTwo {
    pub(super) http: HttpContext,
}

#[derive(Debug, Deserialize)]
pub(super) struct HttpContext {
    pub(super) method: String,
}

/// Payload format 1.0, and that of load balancers. A name stands in the map of one value or in that of several.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayloadOne {
    pub(super) http_method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub(super) query_string_parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub(super) request_context: ContextOne,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ContextOne {
    /// Load balancers alone have this, and leave the query as it was sent.
    pub(super) elb: Option<Value>,
}

impl Event {
    /// Tells the kind of an event. The error is for the function's log, and repeats nothing of the event.
    pub(super) fn read(payload: Value) -> Result<Self, String> {
        let has = |name: &str| payload.get(name).is_some_and(|value| !value.is_null());
        if has("rawPath") || has("httpMethod") {
            let event = serde_json::from_value(payload);
            return event
                .map(Self::Http)
                .map_err(|_| "a request over HTTP lacks a part of its payload format".to_owned());
        }
        Err("the event is no request over HTTP (payload format 2.0 or 1.0, or a load balancer's)".to_owned())
    }
}
