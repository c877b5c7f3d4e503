//! A server of the Lambda Runtime API, and the binary as a function under it.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::program::{Watched, assert_discreet, command};

/// What the function said.
#[derive(Debug)]
pub(crate) struct Reply {
    /// `response`, `error` or `init/error`.
    pub(crate) kind: &'static str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// An answer to a viewer, unpacked as Lambda unpacks it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A streamed answer: metadata, eight zeros, the body.
    pub(crate) fn streamed(&self) -> Answer {
        assert_eq!(self.kind, "response", "{:?}", self.body);
        assert_eq!(self.headers["lambda-runtime-function-response-mode"], "streaming");
        assert_eq!(self.headers["content-type"], "application/vnd.awslambda.http-integration-response");
        assert_eq!(self.trailers, None, "the stream ended well");
        let end = self.body.windows(8).position(|window| window == [0; 8]).expect("a delimiter");
        let prelude: Value = serde_json::from_slice(&self.body[..end]).unwrap();
        let headers = prelude["headers"].as_object().unwrap().iter();
        let headers: HashMap<_, _> = headers.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())).collect();
        assert!(!headers.contains_key("content-length"), "it would be renamed");
        Answer {
            status: prelude["statusCode"].as_u64().unwrap() as u16,
            headers,
            cookies: serde_json::from_value(prelude["cookies"].clone()).unwrap(),
            body: self.body.slice(end + 8..),
        }
    }

    /// An answer in one document, whose whole must be no larger than Lambda takes.
    pub(crate) fn buffered(&self) -> Answer {
        use base64::Engine as _;
        assert_eq!(self.kind, "response", "{:?}", self.body);
        assert!(self.body.len() <= 6_291_556, "{} bytes", self.body.len());
        let document = self.json();
        let one = document["headers"].as_object().into_iter().flatten().map(|(n, v)| (n.clone(), v.clone()));
        let several = document["multiValueHeaders"].as_object().into_iter().flatten();
        let several = several.map(|(n, v)| (n.clone(), v[0].clone()));
        let headers = one.chain(several).map(|(n, v)| (n, v.as_str().unwrap().to_owned())).collect();
        let body = document["body"].as_str().unwrap();
        let body = match document["isBase64Encoded"].as_bool().unwrap() {
            true => base64::engine::general_purpose::STANDARD.decode(body).unwrap().into(),
            false => body.to_owned().into(),
        };
        Answer { status: document["statusCode"].as_u64().unwrap() as u16, headers, cookies: Vec::new(), body }
    }
}

#[derive(Clone)]
struct Api {
    events: Arc<tokio::sync::Mutex<tokio::sync::mpsc::Receiver<(Value, Duration)>>>,
    replies: mpsc::Sender<Reply>,
    count: Arc<std::sync::atomic::AtomicUsize>,
}

/// The binary as a function.
pub(crate) struct Function {
    pub(crate) watched: Watched,
    events: tokio::sync::mpsc::Sender<(Value, Duration)>,
    replies: mpsc::Receiver<Reply>,
}

impl Function {
    /// Starts the binary with these variables in its environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let (events, waiting) = tokio::sync::mpsc::channel(1);
        let (replied, replies) = mpsc::channel();
        let api = Api { events: Arc::new(waiting.into()), replies: replied, count: Arc::default() };
        let (started, start) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, routes(api)).await.unwrap();
            });
        });
        let address = start.recv().unwrap();
        let mut command = command();
        command
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "image-origin")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/image-origin")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("IMAGE_ORIGIN_LOG", "trace")
            .envs(environment.iter().copied());
        let mut watched = Watched::spawn(&mut command);
        let stdout = watched.child.stdout.take().unwrap();
        watched.keep(stdout);
        Self { watched, events, replies }
    }

    /// Sends an event and waits for what the function says to it.
    pub(crate) fn invoke(&self, event: Value) -> Reply {
        self.invoke_within(event, Duration::from_secs(30))
    }

    pub(crate) fn invoke_within(&self, event: Value, time: Duration) -> Reply {
        self.events.blocking_send((event, time)).unwrap();
        let reply = self.reply(time);
        assert_discreet(&format!("{:?}{}", reply.headers, String::from_utf8_lossy(&reply.body)));
        reply
    }

    /// Sends an event that has so much time, and does not wait.
    pub(crate) fn send(&self, event: Value, time: Duration) {
        self.events.blocking_send((event, time)).unwrap();
    }

    /// The same for a listing, which names the bucket, as it comes from S3 and goes to S3.
    pub(crate) fn pass_on(&self, event: Value) -> Reply {
        let time = Duration::from_secs(30);
        self.events.blocking_send((event, time)).unwrap();
        self.reply(time)
    }

    /// What the function says unasked, or to the last event.
    pub(crate) fn reply(&self, within: Duration) -> Reply {
        self.replies.recv_timeout(within).unwrap_or_else(|_| panic!("no answer in {within:?}: {}", self.log()))
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.watched.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.watched.log()
    }
}

fn routes(api: Api) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(api)
}

async fn next(State(api): State<Api>) -> Response<Body> {
    let Some((event, time)) = api.events.lock().await.recv().await else { std::future::pending().await };
    let number = api.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap().as_millis();
    Response::builder()
        .header("lambda-runtime-aws-request-id", format!("8476a536-e9f4-11e8-9739-{number:012}"))
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:image-origin")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
        .header("content-type", "application/json")
        .body(Body::from(event.to_string()))
        .unwrap()
}

async fn take(api: &Api, kind: &'static str, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    api.replies.send(Reply { kind, headers: parts.headers, body: collected.to_bytes(), trailers }).unwrap();
    Response::builder().status(202).body(Body::from("{\"status\":\"OK\"}")).unwrap()
}

async fn response(State(api): State<Api>, Path(_): Path<String>, request: Request<Body>) -> Response<Body> {
    take(&api, "response", request).await
}

async fn error(State(api): State<Api>, Path(_): Path<String>, request: Request<Body>) -> Response<Body> {
    take(&api, "error", request).await
}

async fn init_error(State(api): State<Api>, request: Request<Body>) -> Response<Body> {
    take(&api, "init/error", request).await
}

/// An event of AWS's documentation.
pub(crate) fn event(name: &str) -> Value {
    let path = crate::common::fixtures().join("events").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
