//! Counters and histograms in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::{Observation, memory};

/// Upper bounds of the histograms, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What was observed since the start.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    requests: BTreeMap<(u16, String), u64>,
    bytes_in: u64,
    bytes_out: u64,
    pixels: u64,
    durations: BTreeMap<&'static str, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// How many were within each bound, those within a lower one not counted again.
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Registry {
    pub(super) fn record(&self, observation: &Observation<'_>) {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *figures.requests.entry((observation.status, observation.format.to_owned())).or_default() += 1;
        figures.bytes_in += observation.cost.bytes_in;
        figures.bytes_out += observation.bytes_out;
        figures.pixels += observation.cost.pixels;
        for (stage, duration) in observation.durations() {
            if !duration.is_zero() {
                figures.durations.entry(stage).or_default().add(duration.as_secs_f64());
            }
        }
    }

    pub(super) fn text(&self) -> String {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = figures.write(&mut text);
        text
    }
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        let fits = BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = fits.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
    }
}

impl Figures {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# HELP image_origin_requests_total Answers by status and format.")?;
        writeln!(text, "# TYPE image_origin_requests_total counter")?;
        for ((status, format), count) in &self.requests {
            writeln!(text, "image_origin_requests_total{{status=\"{status}\",format=\"{format}\"}} {count}")?;
        }
        let counters = [
            ("bytes_in_total", "Bytes of originals that were read.", self.bytes_in),
            ("bytes_out_total", "Bytes of answers.", self.bytes_out),
            ("pixels_total", "Pixels of pictures that were made.", self.pixels),
        ];
        for (name, help, value) in counters {
            writeln!(text, "# HELP image_origin_{name} {help}\n# TYPE image_origin_{name} counter")?;
            writeln!(text, "image_origin_{name} {value}")?;
        }
        let name = "image_origin_duration_seconds";
        writeln!(text, "# HELP {name} Time by stage of the work, and total.\n# TYPE {name} histogram")?;
        for (stage, histogram) in &self.durations {
            let mut within = 0;
            for (bound, count) in BOUNDS.iter().zip(histogram.counts) {
                within += count;
                writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"{bound}\"}} {within}")?;
            }
            writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"+Inf\"}} {}", histogram.count)?;
            writeln!(text, "{name}_sum{{stage=\"{stage}\"}} {}", histogram.sum)?;
            writeln!(text, "{name}_count{{stage=\"{stage}\"}} {}", histogram.count)?;
        }
        let name = "process_resident_memory_bytes";
        writeln!(text, "# HELP {name} Resident memory.\n# TYPE {name} gauge\n{name} {}", memory())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Cost;

    #[test]
    fn what_is_observed_adds_up() {
        let registry = Registry::default();
        let cost = Cost { bytes_in: 10, pixels: 7, fetch: Duration::from_millis(3), ..Cost::default() };
        let observation = Observation { status: 200, format: "jpeg", bytes_out: 5, cost, ..Observation::default() };
        for total in [Duration::from_millis(2), Duration::from_millis(60), Duration::from_secs(60)] {
            registry.record(&Observation { total, ..observation });
        }
        let text = registry.text();
        for line in [
            "image_origin_requests_total{status=\"200\",format=\"jpeg\"} 3",
            "image_origin_bytes_in_total 30",
            "image_origin_bytes_out_total 15",
            "image_origin_pixels_total 21",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"0.0025\"} 1",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"0.1\"} 2",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"10\"} 2",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"+Inf\"} 3",
            "image_origin_duration_seconds_count{stage=\"fetch\"} 3",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in {text}");
        }
        assert!(!text.contains("stage=\"decode\""), "what did not happen has no time");
    }
}
