//! Figures of operation: what answers cost and how many there are. An [`Observation`] of each answer comes in; out go
//! Prometheus' text for whoever asks at `/metrics`, or a line of CloudWatch's Embedded Metric Format for each answer.
//! Neither tells keys, queries or viewers.

mod emf;
mod prometheus;

use std::time::Duration;

use crate::config::words;
use crate::transform::Stages;

words! {
    /// Where figures of operation go.
    Metrics {
        /// To whoever asks for `/metrics` at an address of its own, in Prometheus' text format.
        Prometheus = "prometheus",
        /// To standard output, a line of CloudWatch's Embedded Metric Format for each answer.
        Emf = "emf",
        /// Nowhere.
        None = "none",
    }
}

/// What is known of an answer once it is ready to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation<'a> {
    pub(crate) status: u16,
    /// The media type without its family: `jpeg`, `json`. Empty where there is none.
    pub(crate) format: &'a str,
    pub(crate) bytes_out: u64,
    pub(crate) total: Duration,
    pub(crate) cost: Cost,
    /// Where the answer came from, if it is one that is made of an original.
    pub(crate) cache: Option<CacheResult>,
    /// The code of the problem, if that is the answer.
    pub(crate) problem: Option<&'static str>,
    pub(crate) request_id: Option<&'a str>,
}

/// Where a finished answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CacheResult {
    /// It was in the cache.
    Hit,
    /// It was made for this request.
    Miss,
    /// It was made for an equal request at the same time.
    Coalesced,
    /// It was in the result store.
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

/// What making an answer took, beside time. All zero for what was there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Bytes of the original that were read.
    pub(crate) bytes_in: u64,
    /// Pixels of the picture that was made.
    pub(crate) pixels: u64,
    pub(crate) fetch: Duration,
    pub(crate) stages: Stages,
}

impl Observation<'_> {
    /// Time by stage; the last is all of it.
    fn durations(&self) -> [(&'static str, Duration); 5] {
        let [fetch, decode, resize, encode] = self.cost.durations();
        [fetch, decode, resize, encode, ("total", self.total)]
    }
}

impl Cost {
    /// Time by stage.
    pub(crate) const fn durations(&self) -> [(&'static str, Duration); 4] {
        let Stages { decode, resize, encode } = self.stages;
        [("fetch", self.fetch), ("decode", decode), ("resize", resize), ("encode", encode)]
    }
}

/// A figure that is looked at when it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge {
    /// With its labels, and without what all names begin with.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: u64,
}

/// Where figures go.
#[derive(Debug)]
pub(crate) enum Telemetry {
    Prometheus(prometheus::Registry),
    Emf(emf::Lines),
    Nothing,
}

impl Telemetry {
    /// `deadline` is the longest that answers usually take.
    pub(crate) fn new(metrics: Metrics, deadline: Duration) -> Self {
        match metrics {
            Metrics::Prometheus => Self::Prometheus(prometheus::Registry::new(deadline)),
            Metrics::Emf => Self::Emf(emf::Lines::from_environment()),
            Metrics::None => Self::Nothing,
        }
    }

    pub(crate) fn record(&self, observation: &Observation<'_>) {
        match self {
            Self::Prometheus(registry) => registry.record(observation),
            Self::Emf(lines) => lines.write(observation),
            Self::Nothing => {}
        }
    }

    /// Prometheus' text, where figures are kept for it.
    pub(crate) fn text(&self, gauges: &[Gauge]) -> Option<String> {
        match self {
            Self::Prometheus(registry) => Some(registry.text(gauges)),
            _ => None,
        }
    }
}

/// Resident memory of this process, from Linux's `/proc`; 0 elsewhere.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
