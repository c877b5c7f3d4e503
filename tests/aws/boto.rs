//! boto3 as a client of the Object Lambda handler.
//!
//! A gateway stands where S3 is: it makes the documented event of each request, with a signed URL into the store, and gives
//! back what the function writes. So this shows that a real client is content with statuses, headers, errors and parts. It
//! does not show what only AWS can: how S3 itself checks the caller, routes by `x-amz-request-route`, or limits time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use http::{HeaderName, Method, Response};
use serde_json::{Value, json};

use super::lambda::event;
use super::object_lambda::{Place, Written};
use super::signature;
use super::store::BUCKET;
use crate::common::{Server, python};

type Shared = Arc<Mutex<Place>>;

const CHECKSUM_MODE: &str = "x-amz-checksum-mode";

/// What S3 hands to the function.
fn event_of(place: &Place, request: &Request) -> Value {
    let headers: HashMap<_, _> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let (_, path) = request.uri().path()[1..].split_once('/').unwrap_or_default();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let key = percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned();
    let host = place.store.address.to_string();
    let mut event = match (request.method(), path) {
        (&Method::GET, "") => {
            let mut event = event("object-lambda-list-v2.json");
            event["listObjectsV2Context"]["inputS3Url"] =
                signature::presigned(&host, &format!("/{BUCKET}"), "list-type=2", None).into();
            event
        }
        (&Method::GET, _) => {
            let mut event = event("object-lambda-get.json");
            // S3's signature covers what the caller asks for by `x-amz-` headers.
            let signed = request.headers().get(CHECKSUM_MODE).map(|value| (CHECKSUM_MODE, value.to_str().unwrap()));
            let path = format!("/{BUCKET}/{path}");
            event["getObjectContext"]["inputS3Url"] =
                signature::presigned(&host, &path, "x-id=GetObject", signed).into();
            event
        }
        _ => {
            let mut event = event("object-lambda-head.json");
            event["headObjectContext"]["inputS3Url"] = place.sign_head(&key).uri().into();
            event
        }
    };
    event["userRequest"] =
        json!({ "url": format!("https://ap.s3-object-lambda.example/{path}{query}"), "headers": headers });
    event
}

/// What S3 gives to the caller.
fn answer(place: &Place, request: &Request) -> Response<Body> {
    let reply = place.function.pass_on(event_of(place, request));
    assert_eq!(reply.kind, "response", "{:?}", reply.body);
    let result = reply.json();
    if request.method() == Method::GET && result.get("listResultXml").is_none() {
        return of_written(place.written());
    }
    let mut response = Response::builder().status(result["statusCode"].as_u64().unwrap() as u16);
    for (name, value) in result["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap());
    }
    response.body(result["listResultXml"].as_str().unwrap_or_default().to_owned().into()).unwrap()
}

fn of_written(written: Written) -> Response<Body> {
    let mut response = Response::builder().status(written.status());
    for (name, value) in &written.headers {
        let name = name.as_str();
        let passed = name.strip_prefix("x-amz-fwd-header-").or_else(|| name.starts_with("x-amz-meta-").then_some(name));
        if let Some(name) = passed {
            response = response.header(HeaderName::try_from(name).unwrap(), value);
        }
    }
    match (written.text("x-amz-fwd-error-code"), written.text("x-amz-fwd-error-message")) {
        (Some(code), Some(message)) => {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            response.header("content-type", "application/xml").body(body.into()).unwrap()
        }
        _ => response.body(written.body.into()).unwrap(),
    }
}

async fn gateway(State(place): State<Shared>, request: Request) -> Response<Body> {
    let answering = tokio::task::spawn_blocking(move || {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&place, &request)
    });
    answering.await.unwrap()
}

#[test]
#[ignore = "installs and runs boto3: cargo test --test all -- --ignored"]
fn boto3_gets_pictures_heads_parts_errors_and_listings() {
    let mut python = python::with("boto3", "boto3==1.43.11");
    let place = Place::start();
    place.store.note("photo.jpg", "title", "A bridge");
    let server = Server::serving(axum::Router::new().fallback(gateway).with_state(Arc::new(Mutex::new(place))));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/boto.py");
    let run = python.args([script, &format!("http://{}", server.address)]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
