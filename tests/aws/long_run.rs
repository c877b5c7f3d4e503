//! Many requests in a row, good and bad, through one function: nothing is left behind.

use std::time::Duration;

use serde_json::Value;

use super::function_url::request;
use super::lambda::{Function, event};
use super::proxy::{Fault, Proxy};
use super::store::{BUCKET, Store};

const REQUESTS: usize = 1000;

/// Memory may still grow by this much once every kind of request has been seen a few times.
const SLACK: u64 = 8 * 1024;

#[test]
fn a_thousand_mixed_requests_leak_nothing() {
    let store = Store::start();
    let small = std::fs::read(crate::common::fixtures().join("orientation/6.jpg")).unwrap();
    store.put("small.jpg", &small);
    store.put("text.jpg", &[b'x'; 10_000]);
    let proxy = Proxy::before(store.address);
    let function = Function::start(&[
        ("IMAGE_ORIGIN_SOURCE", &format!("s3://{BUCKET}")),
        ("IMAGE_ORIGIN_S3_ENDPOINT", &format!("http://{}", proxy.address)),
        ("IMAGE_ORIGIN_S3_PATH_STYLE", "true"),
        ("IMAGE_ORIGIN_CACHE", "1M"),
        ("IMAGE_ORIGIN_LOG", "warn"),
    ]);
    let mut early = 0;
    for number in 0..REQUESTS {
        let (event, fault, status) = case(number, &store);
        proxy.set(fault);
        let reply = function.invoke_within(event, Duration::from_secs(20));
        if reply.headers.contains_key("lambda-runtime-function-response-mode") {
            assert_eq!(reply.streamed().status, status, "request {number}");
        }
        while store.written.try_recv().is_ok() {}
        if number == REQUESTS * 2 / 5 {
            early = function.memory();
        }
    }
    let late = function.memory();
    println!("resident memory: {early} KiB after {}, {late} KiB after {REQUESTS} requests", REQUESTS * 2 / 5);
    assert!(late <= early + SLACK, "{early} KiB has become {late} KiB");
}

fn case(number: usize, store: &Store) -> (Value, Fault, u16) {
    let get = |target: &str| request("GET", target, &[]);
    let width = 8 + number % 40;
    match number % 20 {
        0 => (get(&format!("/small.jpg?w={width}")), Fault::None, 200),
        1 => (get("/small.jpg"), Fault::None, 200),
        2 => (get("/missing.jpg?w=5"), Fault::None, 404),
        3 => (get(&format!("/small.jpg?w={width}&q={width}")), Fault::Cut(1000), 502),
        4 => (get("/text.jpg?w=5"), Fault::None, 415),
        5 => (get("/small.jpg?w=x"), Fault::None, 400),
        6 => (get("/small.jpg"), Fault::Cut(1000), 502),
        // This one is asked again, with pauses.
        7 if number % 100 == 7 => (get("/small.jpg?info"), Fault::Hangup, 502),
        7 => (get("/small.jpg?info"), Fault::None, 200),
        8 => (request("GET", "/small.jpg?w=9", &[("range", "bytes=0-1")]), Fault::None, 200),
        9 => {
            let mut object = event("object-lambda-get.json");
            object["getObjectContext"]["inputS3Url"] = format!("http://{}/{BUCKET}/small.jpg", store.address).into();
            (object, Fault::None, 0)
        }
        // The store has no part in what follows.
        10 => (get("/%ff"), Fault::None, 400),
        11 => (get("/"), Fault::None, 400),
        12 => (get(&format!("/small.jpg?preset={width}")), Fault::None, 400),
        13 => (get(&format!("/small.jpg?w={}", "9".repeat(5000))), Fault::None, 400),
        14 => (get("/healthz"), Fault::None, 200),
        15 => (request("POST", "/small.jpg", &[("content-type", "image/jpeg")]), Fault::None, 405),
        16 => (event("load-balancer.json"), Fault::None, 0),
        17 => (serde_json::json!({ "rawPath": "/small.jpg" }), Fault::None, 0),
        18 => (serde_json::json!({ "getObjectContext": { "inputS3Url": "http://127.0.0.1:9/" } }), Fault::None, 0),
        _ => (serde_json::json!(["x".repeat(5000)]), Fault::None, 0),
    }
}
