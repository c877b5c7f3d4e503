//! The events of Lambda. HTTP requests are parsed by `lambda_http`. The types for S3 Object Lambda are defined here and
//! contain only the fields that are used, so that an unexpected field elsewhere cannot make an event fail, and no URL
//! or token can be printed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lambda_http::request::LambdaRequest;
use serde::Deserialize;
use serde_json::Value;

use super::changes::Changes;

/// An event, distinguished by its shape.
#[derive(Debug)]
pub(super) enum Event {
    /// An HTTP request from a function URL, API Gateway or a load balancer.
    Http(Box<LambdaRequest>),
    /// A request to an S3 Object Lambda access point.
    ObjectLambda(ObjectLambdaEvent),
    /// Messages of changed originals.
    Changes(Changes),
}

/// A request to an S3 Object Lambda access point.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectLambdaEvent {
    #[serde(flatten)]
    pub(super) operation: Operation,
    pub(super) user_request: UserRequest,
}

/// The requested operation, with a URL that is presigned for it.
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
    /// Omits the URL, which is a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Get { .. } => "Get",
            Self::Head { .. } => "Head",
            Self::List { .. } => "List",
        })
    }
}

/// The route and token for WriteGetObjectResponse.
#[derive(Deserialize)]
pub(super) struct OutputRoute {
    #[serde(rename = "outputRoute")]
    pub(super) route: String,
    #[serde(rename = "outputToken")]
    pub(super) token: String,
}

/// The caller's request.
#[derive(Debug, Deserialize)]
pub(super) struct UserRequest {
    pub(super) url: String,
    #[serde(default)]
    headers: Value,
}

impl UserRequest {
    /// The headers whose values are strings.
    pub(super) fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.headers.as_object().into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
    }
}

/// The members of an event that contain the contexts of S3 Object Lambda.
const OPERATIONS: [&str; 4] = ["getObjectContext", "headObjectContext", "listObjectsContext", "listObjectsV2Context"];

impl Event {
    /// Parses an event. The error is for the function's log and contains nothing of the event.
    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let mut members: serde_json::Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| "the event is not a JSON object")?;
        // Emulators and older versions send null for absent members.
        members.retain(|_, value| !value.is_null());
        // `lambda_http` requires a value for every parameter.
        for name in ["queryStringParameters", "multiValueQueryStringParameters"] {
            if let Some(Value::Object(parameters)) = members.get_mut(name) {
                parameters.retain(|_, values| values.as_array().is_none_or(|values| !values.is_empty()));
            }
        }
        if members.contains_key("rawPath") || members.contains_key("httpMethod") {
            return serde_json::from_value(members.into())
                .map(|request| Self::Http(Box::new(request)))
                .map_err(|_| "an HTTP request does not match its payload format");
        }
        if OPERATIONS.into_iter().any(|name| members.contains_key(name)) {
            return serde_json::from_value(members.into())
                .map(Self::ObjectLambda)
                .map_err(|_| "an S3 Object Lambda event lacks its URL or its route");
        }
        if let Some(changes) = Changes::read(&members) {
            return changes
                .map(Self::Changes)
                .map_err(|_| "a message about a changed original lacks its bucket or key");
        }
        Err(
            "the event is neither an HTTP request (payload format 2.0 or 1.0, or a load balancer's), nor one of S3 Object \
             Lambda, nor a message about a changed original",
        )
    }
}

/// Events between the layer that parses them and the handler that answers them, by request id.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashMap<String, Result<Event, &'static str>>>);

impl Pending {
    pub(super) fn put(&self, request_id: &str, event: Result<Event, &'static str>) {
        self.lock().insert(request_id.to_owned(), event);
    }

    pub(super) fn take(&self, request_id: &str) -> Result<Event, &'static str> {
        self.lock().remove(request_id).unwrap_or(Err("the event was lost"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Result<Event, &'static str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_events_are_told_apart() {
        let table = [
            ("function-url", "Http(ApiGatewayV2("),
            ("http-api", "Http(ApiGatewayV2("),
            ("rest-api", "Http(ApiGatewayV1("),
            ("load-balancer", "Http(Alb("),
            ("load-balancer-multi-value", "Http(Alb("),
            ("object-lambda-get", "operation: Get,"),
            ("object-lambda-head", "operation: Head,"),
            ("object-lambda-list", "operation: List,"),
            ("object-lambda-list-v2", "operation: List,"),
            ("object-created", "Changes(Direct("),
            ("s3-notification", "Changes(Direct("),
            ("queue", "Changes(Queued("),
        ];
        for (name, expected) in table {
            let path = format!("{}/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let event = Event::read(&std::fs::read(path).unwrap());
            let shown = format!("{event:?}");
            assert!(shown.contains(expected), "{shown}");
            assert!(!shown.contains("X-Amz-Security-Token"), "{shown}");
        }
    }

    #[test]
    fn an_event_that_lacks_something_is_none() {
        let table = [
            serde_json::json!({ "getObjectContext": { "inputS3Url": "secret" } }),
            serde_json::json!({ "rawPath": "/secret" }),
            serde_json::json!({ "httpMethod": "secret" }),
        ];
        for payload in table {
            assert!(Event::read(payload.to_string().as_bytes()).is_err(), "{payload}");
        }
    }
}
