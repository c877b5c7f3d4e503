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
    /// A request to an access point of S3 Object Lambda.
    ObjectLambda(ObjectLambdaEvent),
}

/// A request to an access point of S3 Object Lambda.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectLambdaEvent {
    #[serde(flatten)]
    pub(super) operation: Operation,
    pub(super) user_request: UserRequest,
}

/// What is asked for, with a URL that is signed for just that.
#[derive(Deserialize)]
pub(super) enum Operation {
    #[serde(rename = "getObjectContext")]
    Get {
        #[serde(rename = "inputS3Url")]
        url: String,
        #[serde(flatten)]
        output: OutputRoute,
    },
    #[serde(rename = "headObjectContext")]
    Head {
        #[serde(rename = "inputS3Url")]
        url: String,
    },
    #[serde(rename = "listObjectsContext", alias = "listObjectsV2Context")]
    List {
        #[serde(rename = "inputS3Url")]
        url: String,
    },
}

impl std::fmt::Debug for Operation {
    /// Without its URL, which is a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Get { .. } => "Get",
            Self::Head { .. } => "Head",
            Self::List { .. } => "List",
        })
    }
}

/// Where S3 waits for the answer.
#[derive(Deserialize)]
pub(super) struct OutputRoute {
    #[serde(rename = "outputRoute")]
    pub(super) route: String,
    #[serde(rename = "outputToken")]
    pub(super) token: String,
}

/// What the caller sent.
#[derive(Debug, Deserialize)]
pub(super) struct UserRequest {
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
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
    pub(super) fn read(mut payload: Value) -> Result<Self, String> {
        if let Value::Object(members) = &mut payload {
            members.retain(|_, value| !value.is_null());
        }
        let has = |name: &str| payload.get(name).is_some();
        if has("rawPath") || has("httpMethod") {
            let event = serde_json::from_value(payload);
            return event
                .map(Self::Http)
                .map_err(|_| "a request over HTTP lacks a part of its payload format".to_owned());
        }
        let contexts = ["getObjectContext", "headObjectContext", "listObjectsContext", "listObjectsV2Context"];
        if contexts.into_iter().any(has) {
            let event = serde_json::from_value(payload);
            return event
                .map(Self::ObjectLambda)
                .map_err(|_| "an event of S3 Object Lambda lacks its URLs or its route".to_owned());
        }
        Err("the event is no request over HTTP (payload format 2.0 or 1.0, or a load balancer's) and none of S3 Object Lambda".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_events_are_told_apart() {
        let table = [
            ("function-url", "Two"),
            ("http-api", "Two"),
            ("rest-api", "One"),
            ("load-balancer", "One"),
            ("load-balancer-multi-value", "One"),
            ("object-lambda-get", "Get"),
            ("object-lambda-head", "Head"),
            ("object-lambda-list", "List"),
            ("object-lambda-list-v2", "List"),
        ];
        for (name, expected) in table {
            let path = format!("{}/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let event = Event::read(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
            let shown = format!("{event:?}");
            assert!(
                shown.contains(&format!("({expected}")) || shown.contains(&format!("operation: {expected},")),
                "{shown}"
            );
            assert!(!shown.contains("X-Amz-Security-Token"), "{shown}");
        }
    }

    #[test]
    fn an_event_that_lacks_something_is_told_without_repeating_it() {
        let table = [
            serde_json::json!({ "getObjectContext": { "inputS3Url": "secret" } }),
            serde_json::json!({ "rawPath": "/secret" }),
            serde_json::json!({ "httpMethod": "secret" }),
        ];
        for payload in table {
            let reason = Event::read(payload).unwrap_err();
            assert!(reason.contains("lacks") && !reason.contains("secret"), "{reason}");
        }
    }
}
