//! S3 Object Lambda: events with URLs that are really signed, and a store that checks what comes back.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use axum::body::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::lambda::{Function, event};
use super::proxy::{Fault, Proxy};
use super::store::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use crate::common::{Server, fixtures, request};

/// A store, a proxy before it, a client for signing, and the function.
pub(crate) struct Place {
    pub(crate) store: Store,
    proxy: Proxy,
    client: Client,
    pub(crate) function: Function,
}

/// What the caller of GetObject would get.
pub(crate) struct Written {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Written {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn status(&self) -> u16 {
        self.text("x-amz-fwd-status").unwrap().parse().unwrap()
    }

    /// A header that the caller gets.
    fn header(&self, name: &str) -> Option<&str> {
        self.text(&format!("x-amz-fwd-header-{name}"))
    }

    /// Status and code of an error.
    fn error(&self) -> (u16, &str) {
        assert!(self.body.is_empty() && self.text("x-amz-fwd-error-message").is_some_and(|text| text.len() > 10));
        (self.status(), self.text("x-amz-fwd-error-code").unwrap())
    }
}

/// Signing waits for nothing, but is asynchronous.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn expiring() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(600)).unwrap()
}

impl Place {
    pub(crate) fn start() -> Self {
        let store = Store::with_photo();
        let proxy = Proxy::before(store.address);
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{}", proxy.address))
            .force_path_style(true)
            .build();
        let endpoint = format!("http://{}", store.address);
        let function = Function::start(&[("IMAGE_ORIGIN_S3_ENDPOINT", &endpoint)]);
        Self { store, proxy, client: Client::from_conf(config), function }
    }

    pub(crate) fn sign(&self, key: &str) -> PresignedRequest {
        wait_for(self.client.get_object().bucket(BUCKET).key(key).presigned(expiring())).unwrap()
    }

    /// An event for the photograph whose URL's signature covers a header of the caller's.
    fn event_with_signed(&self, query: &str, name: &str, value: &str) -> Value {
        let host = self.proxy.address.to_string();
        let path = format!("/{BUCKET}/photo.jpg");
        let url = super::signature::presigned(&host, &path, "x-id=GetObject", Some((name, value)));
        let mut event = event("object-lambda-get.json");
        event["getObjectContext"]["inputS3Url"] = url.into();
        event["userRequest"]["url"] =
            format!("https://ap.s3-object-lambda.us-east-1.amazonaws.com/photo.jpg?{query}").into();
        event["userRequest"]["headers"][name] = value.into();
        event
    }

    pub(crate) fn sign_head(&self, key: &str) -> PresignedRequest {
        wait_for(self.client.head_object().bucket(BUCKET).key(key).presigned(expiring())).unwrap()
    }

    /// The entity tag that the store itself gives.
    fn original_tag(&self, key: &str) -> String {
        let signed = self.sign_head(key);
        let host = self.proxy.address.to_string();
        let (_, target) = signed.uri().split_once(&host).unwrap();
        request(self.proxy.address, "HEAD", target, &[("host", &host)]).header("etag").unwrap().to_owned()
    }

    fn get_event(&self, signed: &PresignedRequest, target: &str, headers: &[(&str, &str)]) -> Value {
        let mut event = event("object-lambda-get.json");
        event["getObjectContext"]["inputS3Url"] = signed.uri().into();
        event["userRequest"]["url"] =
            format!("https://ap-111122223333.s3-object-lambda.us-east-1.amazonaws.com{target}").into();
        for (name, value) in signed.headers().chain(headers.iter().copied()) {
            event["userRequest"]["headers"][name] = value.into();
        }
        event
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Written {
        let key = target.trim_start_matches('/').split('?').next().unwrap();
        let key = percent_encoding::percent_decode_str(key).decode_utf8().unwrap().into_owned();
        self.send(self.get_event(&self.sign(&key), target, headers))
    }

    fn send(&self, event: Value) -> Written {
        let reply = self.function.invoke(event);
        assert_eq!(reply.kind, "response", "{:?}", reply.body);
        let written = self.written();
        assert_eq!(written.text("x-amz-request-route"), Some("io-use1-001"));
        assert_eq!(written.text("x-amz-request-token"), Some("OutputToken"));
        assert_eq!(reply.json()["statusCode"], written.status());
        written
    }

    /// What the function has written back just now.
    pub(crate) fn written(&self) -> Written {
        let (headers, body) = self.store.written.recv_timeout(Duration::from_secs(1)).expect("an answer to S3");
        Written { headers, body }
    }
}

#[test]
fn pictures_originals_and_reports_are_written_back() {
    let place = Place::start();
    let local = Server::start();
    for target in [
        "/photo.jpg?w=300",
        "/photo.jpg",
        "/photo.jpg?info",
        "/photo.jpg?showExif&x-id=GetObject",
        "/photo.jpg?download=gr%C3%BCn",
    ] {
        let (written, expected) = (place.get(target, &[]), local.get(target));
        assert_eq!(written.status(), 200, "{target}");
        assert!(written.body == expected.body, "{target}");
        for name in ["content-type", "cache-control", "content-disposition"] {
            assert_eq!(written.header(name), expected.header(name), "{target} {name}");
        }
        assert_eq!(written.header("accept-ranges"), Some("bytes"));
        assert!(written.header("etag").is_some() && written.header("last-modified").is_some());
        assert!(written.text("x-amz-fwd-error-code").is_none());
    }
}

#[test]
fn signed_headers_are_sent_as_the_caller_sent_them() {
    let place = Place::start();
    let whole = place.get("/photo.jpg?w=20", &[]);
    let length = std::fs::metadata(fixtures().join("photo.jpg")).unwrap().len();
    let tag = place.original_tag("photo.jpg");
    let (all, ours) = (format!("bytes=0-{}", length - 1), whole.header("etag").unwrap());
    let table = [
        ("x-amz-expected-bucket-owner", "111122223333", 200, ""),
        ("x-amz-checksum-mode", "ENABLED", 200, ""),
        // A picture is made of all bytes: a part gives none, even if the caller wants but a part of the picture.
        ("range", &all, 206, ""),
        ("range", "bytes=0-99", 416, "InvalidRange"),
        ("range", "bytes=99999999-", 416, "InvalidRange"),
        // S3 knows nothing of the picture's own entity tag.
        ("if-match", "\"other\"", 412, "PreconditionFailed"),
        ("if-match", ours, 412, "PreconditionFailed"),
        ("if-none-match", ours, 304, ""),
        ("if-none-match", "\"other\"", 200, ""),
        ("if-none-match", &tag, 200, ""),
    ];
    for (index, (name, value, status, code)) in table.into_iter().enumerate() {
        // A part of what has been made already is to be had.
        let width = if name == "range" { 30 + index } else { 20 };
        let event = place.event_with_signed(&format!("w={width}"), name, value);
        let mut without = event.clone();
        let written = place.send(event);
        assert_eq!(written.status(), status, "{name}: {value}");
        if !code.is_empty() {
            assert_eq!(written.error(), (status, code), "{name}: {value}");
        }
        without["userRequest"]["headers"] = Value::Null;
        let written = place.send(without);
        assert_eq!(written.error(), (403, "AccessDenied"), "{name}");
        assert!(written.text("x-amz-fwd-error-message").unwrap().contains(name), "the answer says what is missing");
    }
}

#[test]
fn a_signed_condition_that_holds_for_the_original_alone_ends() {
    let place = Place::start();
    let tag = place.original_tag("photo.jpg");
    place.store.requests();
    let event = place.event_with_signed("w=20", "if-none-match", &tag);
    assert_eq!(place.send(event.clone()).status(), 304);
    assert_eq!(place.store.requests(), ["304 photo.jpg"]);
    let made = place.get("/photo.jpg?w=20", &[]);
    assert_eq!((made.status(), place.send(event).body), (200, made.body), "from the cache");
}

#[test]
fn what_the_owner_noted_is_passed_on() {
    let place = Place::start();
    let photo = std::fs::read(fixtures().join("orientation/1.jpg")).unwrap();
    place.store.put("noted.jpg", &photo);
    place.store.note("noted.jpg", "title", "A bridge");
    let written = place.get("/noted.jpg?w=20", &[]);
    assert_eq!(written.text("x-amz-meta-title"), Some("A bridge"));
}

#[test]
fn conditions_are_answered_without_a_download() {
    let place = Place::start();
    let first = place.get("/photo.jpg?w=130", &[]);
    let tag = first.header("etag").unwrap().to_owned();
    place.store.requests();
    let same = place.get("/photo.jpg?w=130", &[("If-None-Match", &tag)]);
    assert_eq!((same.status(), same.body.len(), same.header("etag")), (304, 0, Some(tag.as_str())));
    assert_eq!(place.store.requests(), ["304 photo.jpg"]);
    assert_eq!(place.get("/photo.jpg?w=130", &[("If-Match", &tag)]).status(), 200);
    assert_eq!(place.get("/photo.jpg?w=130", &[("If-Match", "\"other\"")]).error(), (412, "PreconditionFailed"));
}

#[test]
fn parts_are_taken_of_what_comes_out() {
    let place = Place::start();
    for target in ["/photo.jpg?w=300", "/photo.jpg"] {
        let whole = place.get(target, &[]);
        let length = whole.body.len();
        let separator = if target.contains('?') { '&' } else { '?' };
        let cases = [
            (target.to_owned(), Some("bytes=100-199"), 100..200),
            (format!("{target}{separator}Range=bytes%3D100-199"), None, 100..200),
            (target.to_owned(), Some("bytes=-7"), length - 7..length),
            (format!("{target}{separator}partNumber=1"), None, 0..length),
        ];
        for (target, range, expected) in cases {
            let headers: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
            let part = place.get(&target, &headers);
            assert_eq!(part.status(), 206, "{target} {range:?}");
            assert!(part.body == whole.body[expected.clone()], "{target} {range:?}");
            let shown = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
            assert_eq!(part.header("content-range"), Some(shown.as_str()));
            assert_eq!(part.header("x-amz-mp-parts-count"), target.contains("partNumber").then_some("1"));
        }
        let outside = place.get(target, &[("Range", "bytes=99999999-")]);
        assert_eq!(outside.error(), (416, "InvalidRange"));
    }
}

#[test]
fn every_failure_is_answered_in_time_and_in_s3s_words() {
    let place = Place::start();
    for name in ["broken/text.jpg", "broken/truncated.png", "broken/header-only.jpg", "broken/60000x60000.png"] {
        place.store.put(name, &std::fs::read(fixtures().join(name)).unwrap());
    }
    let table = [
        ("/missing.jpg?w=3", 404, "NoSuchKey"),
        ("/denied/x.jpg?w=3", 403, "AccessDenied"),
        ("/photo.jpg?w=abc", 400, "InvalidArgument"),
        ("/photo.jpg?w=20&max_bytes=1", 400, "MaxBytesImpossible"),
        ("/broken/text.jpg?w=3", 400, "UnsupportedImage"),
        ("/broken/header-only.jpg?w=3", 400, "DamagedImage"),
        ("/broken/60000x60000.png?w=3", 400, "ImageTooLarge"),
    ];
    for (target, status, code) in table {
        assert_eq!(place.get(target, &[]).error(), (status, code), "{target}");
    }
    let table = [
        (Fault::Status(500, "InternalError", 100), 500, "SourceFailed"),
        (Fault::Status(503, "SlowDown", 100), 503, "SlowDown"),
        (Fault::Status(403, "ExpiredToken", 100), 500, "SourceFailed"),
        (Fault::Cut(1000), 500, "SourceFailed"),
        (Fault::Length("\r\ncontent-length: 999999999999"), 400, "EntityTooLarge"),
        (Fault::Length("\r\ncontent-length: 999999"), 500, "SourceFailed"),
        (Fault::Drip(1000, Duration::from_millis(200)), 503, "SourceTimeout"),
        (Fault::Silence(Duration::from_secs(20)), 503, "SourceTimeout"),
        (Fault::Hangup, 500, "SourceFailed"),
        (Fault::Noise, 500, "SourceFailed"),
    ];
    for (fault, status, code) in table {
        place.proxy.set(fault.clone());
        let event = place.get_event(&place.sign("photo.jpg"), "/photo.jpg?w=77", &[]);
        let started = Instant::now();
        let reply = place.function.invoke_within(event, Duration::from_secs(3));
        assert!(started.elapsed() < Duration::from_secs(3), "{fault:?}");
        assert_eq!(reply.kind, "response");
        assert_eq!(place.written().error(), (status, code), "{fault:?}");
    }
    place.proxy.set(Fault::Status(503, "SlowDown", 2));
    assert_eq!(place.get("/photo.jpg?w=78", &[]).status(), 200, "a passing fault is not seen");
}

#[test]
fn heads_tell_what_is_known_without_the_bytes() {
    let place = Place::start();
    let head = |key: &str, target: &str, headers: Value| {
        let mut event = event("object-lambda-head.json");
        event["headObjectContext"]["inputS3Url"] = place.sign_head(key).uri().into();
        event["userRequest"]["url"] = format!("https://ap.s3-object-lambda.us-east-1.amazonaws.com{target}").into();
        event["userRequest"]["headers"] = headers;
        let reply = place.function.invoke(event);
        assert_eq!(reply.kind, "response");
        reply.json()
    };
    let answer = head("photo.jpg", "/photo.jpg?w=130", json!({}));
    assert_eq!(
        (&answer["headers"]["content-length"], &answer["headers"]["content-type"]),
        (&Value::Null, &Value::Null)
    );
    let made = place.get("/photo.jpg?w=130", &[]);
    let tag = made.header("etag").unwrap().to_owned();
    assert_eq!((&answer["statusCode"], &answer["headers"]["etag"]), (&200.into(), &tag.as_str().into()), "{answer}");
    assert_eq!(answer["headers"]["cache-control"], "public, max-age=2592000");
    assert!(answer["headers"]["last-modified"].as_str().unwrap().ends_with("GMT"));
    let again = head("photo.jpg", "/photo.jpg?w=130", json!({}));
    assert_eq!(again["headers"]["content-length"], made.body.len().to_string(), "known by now");
    assert_eq!(again["headers"]["content-type"], "image/jpeg");
    assert_eq!(head("photo.jpg", "/photo.jpg?w=130", json!({ "If-None-Match": tag }))["statusCode"], 304);
    let missing = head("missing.jpg", "/missing.jpg", json!({}));
    assert_eq!((&missing["statusCode"], &missing["errorCode"]), (&404.into(), &"NoSuchKey".into()), "{missing}");
    assert!(place.store.requests().iter().all(|line| line.starts_with("head") || line.starts_with("200")));
}

#[test]
fn listings_pass_through() {
    let place = Place::start();
    place.store.put("a/b.jpg", b"x");
    let host = place.store.address.to_string();
    let unsigned = format!("http://{host}/{BUCKET}?list-type=2");
    let signed = super::signature::presigned(&host, &format!("/{BUCKET}"), "list-type=2", None);
    let nowhere = "http://127.0.0.1:9/".to_owned();
    for name in ["object-lambda-list.json", "object-lambda-list-v2.json"] {
        for (url, status, code) in
            [(&signed, 200, ""), (&unsigned, 403, "AccessDenied"), (&nowhere, 500, "SourceFailed")]
        {
            let mut event = event(name);
            let context = if name.contains("v2") { "listObjectsV2Context" } else { "listObjectsContext" };
            event[context]["inputS3Url"] = url.as_str().into();
            let result = place.function.pass_on(event).json();
            assert_eq!(
                (&result["statusCode"], result["errorCode"].as_str().unwrap_or("")),
                (&status.into(), code),
                "{name}"
            );
            let listing = result["listResultXml"].as_str().unwrap_or_default();
            assert_eq!(listing.contains("<Key>a/b.jpg</Key>"), status == 200, "{result}");
        }
    }
}

#[test]
fn one_deployment_serves_both_doors() {
    let store = Store::with_photo();
    let source = fixtures().display().to_string();
    let endpoint = format!("http://{}", store.address);
    let function = Function::start(&[("IMAGE_ORIGIN_S3_ENDPOINT", &endpoint), ("IMAGE_ORIGIN_SOURCE", &source)]);
    let url = super::function_url::request("GET", "/photo.jpg?w=31", &[]);
    assert_eq!(function.invoke(url.clone()).streamed().status, 200);
    let mut object = event("object-lambda-get.json");
    object["getObjectContext"]["inputS3Url"] = format!("{endpoint}/{BUCKET}/photo.jpg").into();
    let reply = function.invoke(object);
    assert_eq!(reply.json()["statusCode"], 403, "nobody signed it: {}", reply.json());
    let (headers, _) = store.written.recv_timeout(Duration::from_secs(1)).unwrap();
    assert_eq!(headers["x-amz-fwd-error-code"], "AccessDenied");
    assert_eq!(function.invoke(url).streamed().status, 200);
    let nowhere = Function::start(&[]);
    let answer = nowhere.invoke(super::function_url::request("GET", "/photo.jpg?w=31", &[])).streamed();
    assert_eq!((answer.status, &answer.json()["code"]), (502, &"source_failed".into()));
}

#[test]
fn a_store_that_does_not_take_the_answer_is_an_error_of_the_function() {
    let store = Store::with_photo();
    let proxy = Proxy::before(store.address);
    proxy.set(Fault::Hangup);
    let function = Function::start(&[("IMAGE_ORIGIN_S3_ENDPOINT", &format!("http://{}", proxy.address))]);
    let mut object = event("object-lambda-get.json");
    object["getObjectContext"]["inputS3Url"] = format!("http://{}/{BUCKET}/photo.jpg", store.address).into();
    let reply = function.invoke_within(object, Duration::from_secs(3));
    assert_eq!((reply.kind, &reply.json()["errorType"]), ("error", &"WriteGetObjectResponse".into()));
}
