//! Traces of the most recent requests, step by step, for the page at `/_cdn/`. Credentials are redacted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use image_origin_edge as edge;
use serde::Serialize;

/// The number of requests that are kept.
const REMEMBERED: usize = 50;

/// The trace of a request.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Trace {
    /// CloudFront's request id.
    pub(super) id: String,
    /// The start time in milliseconds since 1970.
    at: u64,
    method: String,
    /// Path and query as sent by the client.
    url: String,
    status: u16,
    x_cache: String,
    milliseconds: f64,
    steps: Vec<Step>,
    #[serde(skip)]
    started: Instant,
}

/// One step of the processing.
#[derive(Debug, Clone, Serialize)]
struct Step {
    station: &'static str,
    /// The decision and its reason.
    why: String,
    /// The result of the step, as lines.
    what: Vec<String>,
    /// The time since the request arrived.
    milliseconds: f64,
}

impl Trace {
    pub(super) fn start(id: String, request: &edge::Request) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        let query = without_credentials(&request.querystring);
        let separator = if query.is_empty() { "" } else { "?" };
        let mut trace = Self {
            id,
            at,
            method: request.method.clone(),
            url: format!("{}{separator}{query}", request.uri),
            status: 0,
            x_cache: String::new(),
            milliseconds: 0.0,
            steps: Vec::new(),
            started: Instant::now(),
        };
        trace.step("viewer", "asks", shown(&request.headers));
        trace
    }

    pub(super) fn step(&mut self, station: &'static str, why: impl Into<String>, what: Vec<String>) {
        let milliseconds = self.milliseconds_so_far();
        self.steps.push(Step { station, why: why.into(), what, milliseconds });
    }

    pub(super) fn end(&mut self, status: u16, x_cache: &str) {
        (self.status, self.x_cache, self.milliseconds) = (status, x_cache.to_owned(), self.milliseconds_so_far());
    }

    fn milliseconds_so_far(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e5).round() / 100.0
    }
}

/// A request as lines of text.
pub(super) fn described(request: &edge::Request) -> Vec<String> {
    let separator = if request.querystring.is_empty() { "" } else { "?" };
    let mut lines = vec![format!("{} {}{separator}{}", request.method, request.uri, request.querystring)];
    lines.extend(shown(&request.headers));
    lines
}

/// Headers as lines of text, without those that browsers always send and that are not used. Signatures with ephemeral
/// credentials are shown, credentials of clients are not.
pub(super) fn shown(headers: &edge::Headers) -> Vec<String> {
    let line = |(name, value): (&str, &str)| match name {
        "cookie" => format!("{name}: ({} bytes)", value.len()),
        "authorization" if !value.starts_with("AWS4-") => format!("{name}: ({} bytes)", value.len()),
        _ => format!("{name}: {value}"),
    };
    headers.iter().filter(|(name, _)| !name.starts_with("sec-")).map(line).collect()
}

fn without_credentials(query: &str) -> String {
    let hidden = |pair: &str| match form_urlencoded::parse(pair.as_bytes()).next() {
        Some((name, _)) if matches!(&*name, "token" | "signature") => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    query.split('&').map(hidden).collect::<Vec<_>>().join("&")
}

/// The most recent requests.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<VecDeque<Trace>>);

impl Traces {
    pub(super) fn add(&self, trace: Trace) {
        let mut traces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traces.push_front(trace);
        traces.truncate(REMEMBERED);
    }

    /// All traces, newest first.
    pub(super) fn all(&self) -> Vec<Trace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
