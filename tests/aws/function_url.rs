//! The function URL handler: the binary under a server of the Lambda Runtime API.

use std::time::Duration;

use serde_json::{Value, json};

use super::lambda::{Answer, Function, event};
use super::proxy::Proxy;
use super::store::Store;
use crate::common::{Server, fixtures, large};

/// A request through a function URL, in the event that Lambda makes of it.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Value {
    let mut event = event("function-url.json");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event["requestContext"]["http"]["method"] = method.into();
    event["headers"] = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    event
}

fn over_fixtures(environment: &[(&str, &str)]) -> Function {
    let source = fixtures().display().to_string();
    let mut all = vec![("IMAGE_ORIGIN_SOURCE", source.as_str())];
    all.extend(environment);
    Function::start(&all)
}

fn get(function: &Function, target: &str) -> Answer {
    function.invoke(request("GET", target, &[])).streamed()
}

#[test]
fn answers_are_those_of_the_local_door() {
    let (function, local) = (over_fixtures(&[]), Server::start());
    let targets = [
        "/photo.jpg?w=300",
        "/photo.jpg",
        "/photo.jpg?info",
        "/photo.jpg?showExif=true",
        "/photo.jpg?w=abc",
        "/missing.jpg",
        "/broken/text.jpg",
        "/broken/truncated.png?w=3",
        "/names/a%20b+c%2520&d=e'()!*,;@$.jpg?w=30",
        "/names/gr%C3%BCn-%E6%97%A5%E6%9C%AC.jpg?w=30",
        "/names%2Fno-ending?w=30",
        "/../Cargo.toml",
        "/a/./b/../photo.jpg",
        "/back\\slash",
        "//photo.jpg",
        "/%ff",
        "/",
        "/healthz",
    ];
    for target in targets {
        for method in ["GET", "HEAD"] {
            let ours = function.invoke(request(method, target, &[])).streamed();
            let theirs = local.request(method, target, &[]);
            assert_eq!(ours.status, theirs.status, "{method} {target}");
            for name in [
                "content-type",
                "etag",
                "cache-control",
                "content-disposition",
                "last-modified",
                "x-content-type-options",
            ] {
                assert_eq!(ours.header(name), theirs.header(name), "{method} {target} {name}");
            }
            if theirs.header("content-type") == Some("application/problem+json") {
                assert!(method == "HEAD" || ours.json()["code"] == theirs.json()["code"], "{method} {target}");
            } else {
                assert!(ours.body == theirs.body, "{method} {target}");
            }
        }
    }
    let post = function.invoke(request("POST", "/photo.jpg", &[])).streamed();
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn conditions_ranges_and_other_origins_work() {
    let function = over_fixtures(&[]);
    let first = get(&function, "/photo.jpg?w=130");
    let conditions = [("if-none-match", first.header("etag")), ("If-Modified-Since", first.header("last-modified"))];
    for (name, value) in conditions {
        let again = function.invoke(request("GET", "/photo.jpg?w=130", &[(name, value.unwrap())])).streamed();
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, first.header("etag")), "{name}");
    }
    let whole = get(&function, "/photo.jpg");
    let part = function.invoke(request("GET", "/photo.jpg", &[("range", "bytes=700-1299")])).streamed();
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[700..1300]));
    assert_eq!(part.header("content-range").map(|range| range.starts_with("bytes 700-1299/")), Some(true));
    let accepts = function.invoke(request("GET", "/photo.jpg?w=9&format=auto", &[("accept", "image/webp")])).streamed();
    assert_eq!((accepts.header("content-type"), accepts.header("vary")), (Some("image/webp"), Some("accept")));
    let cors = function.invoke(request("GET", "/photo.jpg?w=9", &[("origin", "https://a.example")])).streamed();
    assert_eq!(cors.header("access-control-allow-origin"), Some("*"));
    assert!(first.cookies.is_empty());
}

#[test]
fn the_request_id_is_in_the_answer_the_error_and_the_log() {
    let function = over_fixtures(&[]);
    let answer = get(&function, "/missing.jpg?token=secret-token");
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(id.starts_with("8476a536-"), "{id}");
    assert_eq!(answer.json()["request_id"], id.as_str());
    let line = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let log = function.log();
        log.lines().find(|line| line.contains("answered")).map(str::to_owned)
    });
    let line: Value = serde_json::from_str(&line.unwrap()).expect("a line of JSON");
    assert_eq!((&line["request_id"], &line["status"]), (&id.as_str().into(), &404.into()));
    assert!(line["trace"].as_str().unwrap().starts_with("Root=1-5bef4de7"), "{line}");
    assert!(!function.log().contains("secret-token"));
}

#[test]
fn figures_are_lines_of_cloudwatchs_format() {
    let function = over_fixtures(&[]);
    let bytes: Vec<usize> = (0..2).map(|_| get(&function, "/photo.jpg?w=300").body.len()).collect();
    assert_eq!(get(&function, "/metrics").status, 404, "nobody is told here");
    std::thread::sleep(Duration::from_millis(100));
    let log = function.log();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let figures: Vec<&Value> = lines.iter().filter(|line| line.get("_aws").is_some()).collect();
    assert_eq!(figures.len(), 3, "{log}");
    for (index, line) in figures[..2].iter().enumerate() {
        assert_eq!((&line["status"], &line["format"], &line["Requests"]), (&"200".into(), &"jpeg".into(), &1.into()));
        assert_eq!(line["BytesOut"], bytes[index]);
        assert_eq!(line["ColdStart"], u8::from(index == 0));
        assert_eq!(line["Pixels"], if index == 0 { 67_500 } else { 0 });
        assert_eq!(line.get("Decode").is_some(), index == 0);
        assert!(line["Memory"].as_u64().unwrap() > 1_000_000 && line["Total"].as_f64().unwrap() > 0.0);
        assert!(line["request_id"].as_str().unwrap().starts_with("8476a536"));
    }
}

#[test]
fn twenty_five_megabytes_arrive_whole_as_a_stream_and_are_refused_as_a_document() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.pgm"), large(25 << 20)).unwrap();
    let source = folder.path().to_str().unwrap();
    let function = Function::start(&[("IMAGE_ORIGIN_SOURCE", source)]);
    let answer = get(&function, "/large.pgm");
    assert_eq!(answer.status, 200);
    assert!(answer.body == std::fs::read(folder.path().join("large.pgm")).unwrap(), "{} bytes", answer.body.len());

    let buffered = [("IMAGE_ORIGIN_SOURCE", source), ("IMAGE_ORIGIN_LAMBDA_DELIVERY", "buffered")];
    let answer = Function::start(&buffered).invoke(request("GET", "/large.pgm", &[])).buffered();
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"answer_too_large".into()));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    for part in ["26214400", "6291456", "base64", "streaming"] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[test]
fn what_is_beyond_lambdas_limit_is_refused_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.pgm"), large(210 << 20)).unwrap();
    let source = folder.path().to_str().unwrap();
    let function = Function::start(&[("IMAGE_ORIGIN_SOURCE", source), ("IMAGE_ORIGIN_MAX_SOURCE_BYTES", "1G")]);
    let answer = get(&function, "/large.pgm");
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"answer_too_large".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("209715200"), "{}", answer.json());
}

#[test]
fn documents_for_api_gateway_and_load_balancers_hold_the_same_answers() {
    let function = over_fixtures(&[("IMAGE_ORIGIN_LAMBDA_DELIVERY", "buffered")]);
    let local = Server::start();
    let expected = local.get("/names/a%20b+c%2520&d=e'()!*,;@$.jpg?w=30&bg=%23ff0000");
    let path = "/names/a%20b+c%2520&d=e'()!*,;@$.jpg";
    let mut two = event("http-api.json");
    two["rawPath"] = path.into();
    two["rawQueryString"] = "w=30&bg=%23ff0000".into();
    let mut one = event("rest-api.json");
    one["path"] = path.into();
    one["httpMethod"] = "GET".into();
    one["queryStringParameters"] = json!({"w": "30", "bg": "#ff0000"});
    one["multiValueQueryStringParameters"] = Value::Null;
    let mut balancer = event("load-balancer.json");
    balancer["path"] = path.into();
    balancer["queryStringParameters"] = json!({"w": "30", "bg": "%23ff0000"});
    let mut several = event("load-balancer-multi-value.json");
    several["path"] = path.into();
    several["multiValueQueryStringParameters"] = json!({"w": ["20", "30"], "bg": ["%23ff0000"]});
    for (name, event) in [("2.0", two), ("1.0", one), ("balancer", balancer), ("several", several)] {
        let reply = function.invoke(event);
        assert_eq!(reply.json()["isBase64Encoded"], true, "{name}");
        let answer = reply.buffered();
        assert_eq!((answer.status, answer.header("etag")), (200, expected.header("etag")), "{name}");
        assert!(answer.body == expected.body, "{name}");
    }
    let info = function.invoke(request("GET", "/photo.jpg?info", &[]));
    assert_eq!(info.json()["isBase64Encoded"], false, "text is text");
    assert_eq!(info.buffered().json()["width"], 1200);
    let head = function.invoke(request("HEAD", "/photo.jpg?w=300", &[])).buffered();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let problem = function.invoke(request("GET", "/missing.jpg", &[])).buffered();
    assert_eq!((problem.status, &problem.json()["code"]), (404, &"not_found".into()));
}

#[test]
fn twelve_megabytes_are_streamed_to_a_rest_api() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.pgm"), large(12 << 20)).unwrap();
    let source = folder.path().to_str().unwrap();
    let mut rest = event("rest-api.json");
    rest["path"] = "/large.pgm".into();
    rest["httpMethod"] = "GET".into();
    rest["queryStringParameters"] = Value::Null;
    rest["multiValueQueryStringParameters"] = Value::Null;
    let streamed = Function::start(&[("IMAGE_ORIGIN_SOURCE", source), ("IMAGE_ORIGIN_LAMBDA_DELIVERY", "streamed")]);
    let answer = streamed.invoke(rest.clone()).streamed();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/x-portable-anymap")));
    assert!(answer.body == std::fs::read(folder.path().join("large.pgm")).unwrap(), "{} bytes", answer.body.len());
    rest["path"] = "/missing.jpg".into();
    let missing = streamed.invoke(rest.clone()).streamed();
    assert_eq!((missing.status, &missing.json()["code"]), (404, &"not_found".into()));

    // Where nothing is said, the integration is one that takes documents.
    rest["path"] = "/large.pgm".into();
    let buffered = Function::start(&[("IMAGE_ORIGIN_SOURCE", source)]).invoke(rest).buffered();
    assert_eq!((buffered.status, &buffered.json()["code"]), (413, &"answer_too_large".into()));
}

#[test]
fn managed_instances_answer_several_events_at_a_time() {
    let function = over_fixtures(&[("AWS_LAMBDA_MAX_CONCURRENCY", "3")]);
    let slow = "/photo.jpg?w=3000&h=3000&fit=fill&blur=100&format=webp&lossless";
    function.send(request("GET", slow, &[]), Duration::from_secs(4));
    for _ in 0..3 {
        // One at a time, these would wait for that.
        assert_eq!(get(&function, "/missing.jpg").status, 404);
    }
    assert_eq!(function.reply(Duration::from_secs(30)).streamed().status, 504, "the slow one comes last");
}

#[test]
fn a_load_balancer_gets_no_more_than_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.pgm"), large(1 << 20)).unwrap();
    let function = Function::start(&[("IMAGE_ORIGIN_SOURCE", folder.path().to_str().unwrap())]);
    let mut event = event("load-balancer.json");
    event["path"] = "/large.pgm".into();
    event["queryStringParameters"] = Value::Null;
    let answer = function.invoke(event).buffered();
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"answer_too_large".into()));
}

#[test]
fn an_answer_comes_before_the_functions_time_is_over() {
    let function = over_fixtures(&[]);
    let target = "/photo.jpg?w=3000&h=3000&fit=fill&blur=100&format=webp&lossless";
    // That the origin has a second less than the function is a test of the handler's own, which waits for no processor.
    function.send(request("GET", target, &[]), Duration::from_secs(3));
    let answer = function.reply(Duration::from_secs(60)).streamed();
    assert_eq!((answer.status, &answer.json()["code"]), (504, &"deadline".into()));
    // At a busy machine the worker notices late that nobody waits for it.
    assert!((0..4).any(|_| get(&function, "/photo.jpg?w=20").status == 200), "and the next is served");
}

#[test]
fn what_is_no_request_is_an_error_of_the_function_and_not_its_end() {
    let function = over_fixtures(&[]);
    let strange = [json!({}), json!([]), json!("x"), json!(null), json!({"rawPath": "/x"}), json!({"Records": []})];
    for event in strange {
        let reply = function.invoke(event.clone());
        assert_eq!((reply.kind, &reply.json()["errorType"]), ("error", &"UnknownEvent".into()), "{event}");
    }
    // No front end of AWS lets these in.
    for event in [request("G E T", "/photo.jpg", &[]), request("GET", "/photo.jpg", &[("a b", "c")])] {
        assert_eq!(function.invoke(event).kind, "error");
    }
    let odd = [("host", "[::bad"), ("x-forwarded-proto", ":"), ("accept", "ü"), ("cookie", "ü")];
    assert_eq!(function.invoke(request("GET", "/photo.jpg?w=20", &odd)).streamed().status, 200);
    for name in ["queryStringParameters", "multiValueQueryStringParameters"] {
        let mut valueless = event("load-balancer-multi-value.json");
        valueless[name] = json!({"w": [], "h": ["20"]});
        assert_eq!(function.invoke(valueless).buffered().status, 400, "the path is no key, but it is read");
    }
    let long = format!("/{}", "x".repeat(70_000));
    for target in [
        &long,
        "/ü <>\"`{}|^#\u{0}",
        "photo.jpg",
        ":99999/x",
        "/photo.jpg?w=1 #",
        "?",
        "/\u{1F980}",
        "?w=1",
        "/photo.jpg?w=1&\u{0}ü <>#x",
    ] {
        let answer = get(&function, target);
        assert!([200, 400, 404].contains(&answer.status), "{target}: {}", answer.status);
    }
    assert_eq!(function.invoke(request("BREW", "/photo.jpg", &[])).streamed().status, 405);
    let mut body = request("GET", "/photo.jpg?w=20", &[]);
    (body["body"], body["isBase64Encoded"]) = ("no base64".into(), true.into());
    assert_eq!(function.invoke(body).streamed().status, 200);
}

#[test]
fn a_function_that_cannot_start_says_why() {
    for (name, value, why) in [
        ("IMAGE_ORIGIN_DEADLINE", "0", "deadline"),
        ("IMAGE_ORIGIN_QUEUE", "many", "queue"),
        ("IMAGE_ORIGIN_SOURCE", "/no/such/folder", "/no/such/folder"),
    ] {
        let mut function = over_fixtures(&[(name, value)]);
        let reply = function.reply(Duration::from_secs(5));
        assert_eq!((reply.kind, &reply.json()["errorType"]), ("init/error", &"Configuration".into()));
        assert_eq!(reply.headers["lambda-runtime-function-error-type"], "Configuration");
        let message = reply.json()["errorMessage"].as_str().unwrap().to_owned();
        assert!(message.contains(why), "{message}");
        assert!(!function.watched.child.wait().unwrap().success());
    }
}

#[test]
fn originals_of_s3_come_through_this_door_too() {
    let store = Store::with_photo();
    let proxy = Proxy::before(store.address);
    let function = Function::start(&[
        ("IMAGE_ORIGIN_SOURCE", "s3://very-private-originals"),
        ("IMAGE_ORIGIN_S3_ENDPOINT", &format!("http://{}", proxy.address)),
        ("IMAGE_ORIGIN_S3_PATH_STYLE", "true"),
    ]);
    let first = get(&function, "/photo.jpg?w=300");
    assert_eq!(first.status, 200);
    let again = request("GET", "/photo.jpg?w=300", &[("if-none-match", first.header("etag").unwrap())]);
    assert_eq!(function.invoke(again).streamed().status, 304);
    assert_eq!(store.requests(), ["200 photo.jpg", "304 photo.jpg"]);
    let traced =
        |head: &String| head.to_lowercase().contains("x-amzn-trace-id: root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700");
    assert!(proxy.asked().iter().all(traced), "S3 is told of the trace");
}
