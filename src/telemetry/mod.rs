//! Figures of operation: what answers cost and how many there are. An [`Observation`] of each answer comes in; out go
//! Prometheus' text for whoever asks at `/metrics`, or a line of CloudWatch's Embedded Metric Format for each answer.
//! Neither tells keys, queries or viewers.

mod emf;
mod prometheus;

use std::time::Duration;

use crate::config::Metrics;
use crate::transform::Stages;

/// What is known of an answer once it is ready to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation<'a> {
    pub(crate) status: u16,
    /// The media type without its family: `jpeg`, `json`. Empty where there is none.
    pub(crate) format: &'a str,
    pub(crate) bytes_out: u64,
    pub(crate) total: Duration,
    pub(crate) cost: Cost,
    pub(crate) request_id: Option<&'a str>,
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
        let Cost { fetch, stages, .. } = self.cost;
        [
            ("fetch", fetch),
            ("decode", stages.decode),
            ("resize", stages.resize),
            ("encode", stages.encode),
            ("total", self.total),
        ]
    }
}

/// Where figures go.
#[derive(Debug)]
pub(crate) enum Telemetry {
    Prometheus(prometheus::Registry),
    Emf(emf::Lines),
    Nothing,
}

impl Telemetry {
    pub(crate) fn new(metrics: Metrics) -> Self {
        match metrics {
            Metrics::Prometheus => Self::Prometheus(prometheus::Registry::default()),
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
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Prometheus(registry) => Some(registry.text()),
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
