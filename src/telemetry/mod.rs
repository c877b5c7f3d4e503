//! Metrics. Each response is recorded as an [`Observation`], and published either in Prometheus' text format at
//! `/metrics`, or as one line of CloudWatch's Embedded Metric Format per response. Neither contains keys, queries or
//! client addresses.

mod emf;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(not(feature = "otel"))]
#[path = "untraced.rs"]
pub(crate) mod otel;
mod prometheus;

use std::time::Duration;

use crate::config::words;
use crate::transform::Stages;

words! {
    /// Where metrics are published.
    Metrics {
        /// At `/metrics` on a separate address, in Prometheus' text format.
        Prometheus = "prometheus",
        /// On standard output, one line of CloudWatch's Embedded Metric Format per response.
        Emf = "emf",
        /// Metrics are disabled.
        None = "none",
    }
}

/// The measurements of a response that is ready to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation<'a> {
    pub(crate) status: u16,
    /// The subtype of the media type, such as `jpeg` or `json`; empty if there is no content.
    pub(crate) format: &'a str,
    pub(crate) bytes_out: u64,
    pub(crate) total: Duration,
    pub(crate) cost: Cost,
    /// Where the response came from, if it was derived from an original.
    pub(crate) cache: Option<CacheResult>,
    /// The error code, if the response is an error.
    pub(crate) problem: Option<&'static str>,
    pub(crate) request_id: Option<&'a str>,
}

/// What the span of a request tells once the request has been answered.
#[derive(Debug)]
#[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "only spans have it"))]
pub(crate) struct Answered<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
    pub(crate) cache: Option<&'static str>,
    pub(crate) problem: Option<&'static str>,
    pub(crate) request_id: &'a str,
    /// How long each stage of the work took.
    pub(crate) stages: [(&'static str, Duration); 6],
}

/// Where a finished response came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CacheResult {
    /// From the cache.
    Hit,
    /// Rendered for this request.
    Miss,
    /// Rendered for a concurrent equal request.
    Coalesced,
    /// From the result store.
    Stored,
}

impl CacheResult {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Stored => "stored",
        }
    }
}

/// The cost of a response besides time. All zero if it was not rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The number of bytes read of the original.
    pub(crate) bytes_in: u64,
    /// The number of pixels of the rendered picture.
    pub(crate) pixels: u64,
    /// The time of waiting for a worker.
    pub(crate) queue: Duration,
    /// The time of reading the original.
    pub(crate) fetch: Duration,
    /// The time of looking into the result store.
    pub(crate) store: Duration,
    pub(crate) stages: Stages,
}

impl Observation<'_> {
    /// The durations by stage; the last one is the total.
    fn durations(&self) -> [(&'static str, Duration); 7] {
        let [queue, fetch, store, decode, resize, encode] = self.cost.durations();
        [queue, fetch, store, decode, resize, encode, ("total", self.total)]
    }
}

impl Cost {
    /// The durations by stage.
    pub(crate) const fn durations(&self) -> [(&'static str, Duration); 6] {
        let Self { queue, fetch, store, stages: Stages { decode, resize, encode }, .. } = *self;
        [
            ("queue", queue),
            ("fetch", fetch),
            ("store", store),
            ("decode", decode),
            ("resize", resize),
            ("encode", encode),
        ]
    }

    /// How long it would take to make the picture again with a free worker.
    pub(crate) fn work(&self) -> Duration {
        let Stages { decode, resize, encode } = self.stages;
        self.fetch + decode + resize + encode
    }
}

/// A gauge, sampled when the metrics are requested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge {
    /// The name including labels, without the common prefix.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: u64,
}

/// The metrics backend.
#[derive(Debug)]
pub(crate) enum Telemetry {
    Prometheus(prometheus::Registry),
    Emf(emf::Lines),
    Nothing,
}

impl Telemetry {
    /// Creates the backend. `deadline` is the longest expected duration of a response.
    pub(crate) fn new(metrics: Metrics, deadline: Duration) -> Self {
        match metrics {
            Metrics::Prometheus => Self::Prometheus(prometheus::Registry::new(deadline)),
            Metrics::Emf => Self::Emf(emf::Lines::from_environment()),
            Metrics::None => Self::Nothing,
        }
    }

    pub(crate) fn record(&self, observation: &Observation<'_>) {
        #[cfg(feature = "otel")]
        otel::record(observation);
        match self {
            Self::Prometheus(registry) => registry.record(observation),
            Self::Emf(lines) => lines.write(observation),
            Self::Nothing => {}
        }
    }

    /// The metrics in Prometheus' text format, if that backend is in use.
    pub(crate) fn text(&self, gauges: &[Gauge]) -> Option<String> {
        match self {
            Self::Prometheus(registry) => Some(registry.text(gauges)),
            _ => None,
        }
    }
}

/// The resident memory of this process in bytes, from Linux's `/proc`; 0 elsewhere.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
