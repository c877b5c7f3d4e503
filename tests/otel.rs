//! OpenTelemetry as a collector sees it: an OTLP/HTTP endpoint of the test, which decodes the protobuf by itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::common::{Server, fixtures, request};

/// What a field of a message holds (https://protobuf.dev/programming-guides/encoding/).
#[derive(Debug, Clone)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message, by number.
struct Message(Vec<(u64, Field)>);

impl Message {
    fn decode(mut bytes: &[u8]) -> Self {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut number = 0;
            for shift in (0..64).step_by(7) {
                let (first, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                number |= u64::from(first & 0x7f) << shift;
                if first & 0x80 == 0 {
                    break;
                }
            }
            number
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                0 => {
                    fields.push((key >> 3, Field::Number(varint(&mut bytes))));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (value, rest) = bytes.split_at(length);
            bytes = rest;
            let field = match key & 7 {
                1 => Field::Number(u64::from_le_bytes(value.try_into().unwrap())),
                _ => Field::Bytes(value.to_vec()),
            };
            fields.push((key >> 3, field));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(known, _)| *known == number).filter_map(|(_, field)| match field {
            Field::Bytes(bytes) => Some(bytes.as_slice()),
            Field::Number(_) => None,
        })
    }

    fn messages(&self, number: u64) -> impl Iterator<Item = Self> {
        self.all(number).map(Self::decode)
    }

    fn text(&self, number: u64) -> String {
        self.all(number).next().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }

    fn hex(&self, number: u64) -> String {
        self.all(number).next().unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn number(&self, number: u64) -> u64 {
        let found = self.0.iter().find(|(known, _)| *known == number);
        found.map_or(0, |(_, field)| match field {
            Field::Number(value) => *value,
            Field::Bytes(_) => panic!("field {number} is no number"),
        })
    }

    /// `repeated KeyValue` with texts and integers.
    fn attributes(&self, number: u64) -> BTreeMap<String, String> {
        let pairs = self.messages(number).map(|pair| {
            let value = pair.messages(2).next().unwrap();
            let text = value.text(1);
            (pair.text(1), if text.is_empty() { value.number(3).to_string() } else { text })
        });
        pairs.collect()
    }
}

#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    start: u64,
    end: u64,
    attributes: BTreeMap<String, String>,
    service: String,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    metrics: BTreeMap<String, usize>,
    headers: Vec<HeaderMap>,
    asked: Vec<HeaderMap>,
    fails: bool,
}

type Shared = Arc<Mutex<Received>>;

async fn traces(State(received): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mut received = received.lock().unwrap();
    if received.fails {
        return StatusCode::BAD_REQUEST;
    }
    received.headers.push(headers);
    for resource_spans in Message::decode(&body).messages(1) {
        let resource = resource_spans.messages(1).next().unwrap().attributes(1);
        for span in resource_spans.messages(2).flat_map(|scope| scope.messages(2).collect::<Vec<_>>()) {
            received.spans.push(Span {
                trace: span.hex(1),
                id: span.hex(2),
                parent: span.hex(4),
                name: span.text(5),
                kind: span.number(6),
                start: span.number(7),
                end: span.number(8),
                attributes: span.attributes(9),
                service: resource["service.name"].clone(),
            });
        }
    }
    StatusCode::OK
}

async fn metrics(State(received): State<Shared>, body: Bytes) -> StatusCode {
    let mut received = received.lock().unwrap();
    for resource_metrics in Message::decode(&body).messages(1) {
        for metric in resource_metrics.messages(2).flat_map(|scope| scope.messages(2).collect::<Vec<_>>()) {
            // A gauge, a sum or a histogram with its points.
            let points = [5, 7, 9].into_iter().flat_map(|kind| metric.messages(kind).collect::<Vec<_>>());
            let points = points.map(|data| data.messages(1).count()).sum();
            received.metrics.insert(metric.text(1), points);
        }
    }
    StatusCode::OK
}

async fn jwks(State(received): State<Shared>, headers: HeaderMap) -> axum::Json<serde_json::Value> {
    received.lock().unwrap().asked.push(headers);
    axum::Json(json!({"keys": []}))
}

fn collector(received: &Shared) -> Server {
    let router = Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .route("/introspect", get(jwks).post(jwks))
        .layer(DefaultBodyLimit::disable())
        .with_state(received.clone());
    Server::serving(router)
}

/// A server whose log goes to standard error of the test.
struct Served(Child, std::net::SocketAddr);

impl Served {
    fn start(arguments: &[&str], variables: &[(&str, String)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-origin"))
            .args(["serve", &fixtures().display().to_string(), "--listen", "127.0.0.1:0", "--deadline", "120"])
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.parse().unwrap();
        Self(child, address)
    }

    /// Ends the server, which sends what it has left.
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_raw(self.0.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn variables(collector: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address)),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=images".to_owned()),
        ("OTEL_SERVICE_NAME", "pictures".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ]
}

const PARENT: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

#[test]
fn a_request_is_a_span_with_its_stages_and_is_counted() {
    let received = Shared::default();
    let collector = collector(&received);
    let server = Served::start(&[], &variables(&collector));
    let parent = format!("00-{}-{}-01", PARENT.0, PARENT.1);
    let made = request(server.1, "GET", "/photo.jpg?width=20&utm_source=x", &[("traceparent", &parent)]);
    assert_eq!(made.status, 200);
    let cached = format!("00-{}-{}-01", "2".repeat(32), PARENT.1);
    request(server.1, "GET", "/photo.jpg?w=20", &[("traceparent", &cached)]);
    let unsampled = format!("00-{}-{}-00", "1".repeat(32), PARENT.1);
    request(server.1, "GET", "/photo.jpg?w=20", &[("traceparent", &unsampled)]);
    request(server.1, "GET", "/missing.jpg?w=20", &[("traceparent", "nonsense")]);
    server.stop();

    let received = received.lock().unwrap();
    assert!(received.headers.iter().all(|headers| headers["x-team"] == "images"));
    assert!(received.spans.iter().all(|span| span.service == "pictures"));
    let roots: Vec<&Span> = received.spans.iter().filter(|span| span.kind == 2).collect();
    assert_eq!(roots.len(), 3, "{roots:?}");
    let root = roots.iter().find(|span| span.trace == PARENT.0).unwrap();
    assert_eq!((root.parent.as_str(), root.name.as_str()), (PARENT.1, "GET"));
    let expected = [
        ("http.request.method", "GET"),
        ("url.path", "/photo.jpg"),
        ("url.query", "w=20"),
        ("http.response.status_code", "200"),
        ("image_origin.cache", "miss"),
    ];
    for (name, value) in expected {
        assert_eq!(root.attributes[name], value, "{name}");
    }
    assert_eq!(root.attributes["http.response.body.size"], made.body.len().to_string());
    let stages: Vec<&Span> = received.spans.iter().filter(|span| span.parent == root.id).collect();
    let names: Vec<&str> = stages.iter().map(|span| span.name.as_str()).collect();
    for name in ["queue", "fetch", "decode", "resize", "encode"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    for span in stages {
        assert!(root.start <= span.start && span.start <= span.end && span.end <= root.end, "{span:?} in {root:?}");
        assert_eq!(span.trace, PARENT.0);
    }
    let cached: Vec<&Span> = received.spans.iter().filter(|span| span.trace == "2".repeat(32)).collect();
    let [cached] = cached.as_slice() else { panic!("one span, without stages: {cached:?}") };
    assert_eq!(cached.attributes["image_origin.cache"], "hit");
    let missing = roots.iter().find(|span| span.attributes["url.path"] == "/missing.jpg").unwrap();
    assert_eq!((missing.parent.as_str(), missing.attributes["error.type"].as_str()), ("", "not_found"));
    assert_eq!(missing.attributes["http.response.status_code"], "404");
    assert!(!received.spans.iter().any(|span| span.trace == "1".repeat(32)), "not sampled");
    for (name, points) in [
        ("image_origin.requests", 2),
        ("image_origin.problems", 1),
        ("image_origin.cache.requests", 2),
        ("image_origin.duration", 6),
        ("image_origin.bytes_out", 1),
        ("image_origin.queue_length", 2),
        ("image_origin.cache_entries", 1),
    ] {
        let found = received.metrics.get(name).copied().unwrap_or_default();
        assert!(found >= points, "{name}: {found} of {points} in {:?}", received.metrics);
    }
}

#[test]
fn a_trace_goes_on_at_the_servers_that_are_asked() {
    let received = Shared::default();
    let collector = collector(&received);
    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        "[[rules]]\npath = \"/*\"\nallow = [\"introspect\"]\n[introspection]\nurl = \"http://{}/introspect\"\n",
        collector.address
    );
    let keys = json!({"introspection": {"client_id": "a", "client_secret": "b"}}).to_string();
    for (name, text) in [("edge.toml", rules), ("keys.json", keys)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let server =
        Served::start(&["--edge", &file("edge.toml"), "--edge-keys", &file("keys.json")], &variables(&collector));
    let parent = format!("00-{}-{}-01", PARENT.0, PARENT.1);
    let headers = [("traceparent", parent.as_str()), ("authorization", "Bearer opaque")];
    assert_eq!(request(server.1, "GET", "/photo.jpg?w=20", &headers).status, 503);
    server.stop();
    let received = received.lock().unwrap();
    let root = received.spans.iter().find(|span| span.trace == PARENT.0).unwrap();
    assert_eq!(root.attributes["error.type"], "authorization_unavailable");
    let asked = received.asked[0]["traceparent"].to_str().unwrap();
    assert_eq!(asked, format!("00-{}-{}-01", PARENT.0, root.id));
}

#[test]
fn a_collector_that_fails_holds_nothing_up_and_without_one_nothing_is_sent() {
    let received = Shared::default();
    received.lock().unwrap().fails = true;
    let collector = collector(&received);
    let server = Served::start(&[], &variables(&collector));
    for width in 1..50 {
        assert_eq!(request(server.1, "GET", &format!("/photo.jpg?w={width}"), &[]).status, 200);
    }
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    // An endpoint is needed, and is of no use where everything is off.
    for more in [("OTEL_SDK_DISABLED", "true"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")] {
        let received = Shared::default();
        let collector = self::collector(&received);
        let mut variables = variables(&collector);
        variables.push((more.0, more.1.to_owned()));
        let server = Served::start(&[], &variables);
        assert_eq!(request(server.1, "GET", "/photo.jpg?w=20", &[]).status, 200);
        server.stop();
        let received = received.lock().unwrap();
        assert!(received.spans.is_empty() && received.metrics.is_empty(), "{}", more.0);
    }
}
