//! Counters and histograms in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CacheResult, Gauge, Observation, memory};

/// The upper bounds of the histogram buckets in seconds. Those above the deadline are replaced by the deadline.
pub(super) const BOUNDS: [f64; 20] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0,
    600.0,
];

/// The metrics since the start.
#[derive(Debug)]
pub(crate) struct Registry {
    /// The upper bounds of the histogram buckets.
    bounds: Vec<f64>,
    started: f64,
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    requests: BTreeMap<(u16, String), u64>,
    cache: BTreeMap<CacheResult, u64>,
    problems: BTreeMap<&'static str, u64>,
    bytes_in: u64,
    bytes_out: u64,
    pixels: u64,
    durations: BTreeMap<&'static str, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// The number of samples in each bucket, not cumulative.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Registry {
    pub(super) fn new(deadline: Duration) -> Self {
        let deadline = deadline.as_secs_f64();
        let bounds = BOUNDS.into_iter().filter(|bound| *bound < deadline).chain([deadline]).collect();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { bounds, started, figures: Mutex::default() }
    }

    pub(super) fn record(&self, observation: &Observation<'_>) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        *figures.requests.entry((observation.status, observation.format.to_owned())).or_default() += 1;
        if let Some(result) = observation.cache {
            *figures.cache.entry(result).or_default() += 1;
        }
        if let Some(code) = observation.problem {
            *figures.problems.entry(code).or_default() += 1;
        }
        figures.bytes_in += observation.cost.bytes_in;
        figures.bytes_out += observation.bytes_out;
        figures.pixels += observation.cost.pixels;
        for (stage, duration) in observation.durations() {
            if !duration.is_zero() {
                figures.durations.entry(stage).or_default().add(duration.as_secs_f64(), &self.bounds);
            }
        }
    }

    pub(super) fn text(&self, gauges: &[Gauge]) -> String {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = figures.write(&mut text, &self.bounds);
        drop(figures);
        let _ = write_gauges(&mut text, gauges, self.started);
        text
    }
}

impl Histogram {
    fn add(&mut self, seconds: f64, bounds: &[f64]) {
        self.counts.resize(bounds.len(), 0);
        self.count += 1;
        self.sum += seconds;
        let fits = bounds.iter().position(|bound| seconds <= *bound);
        if let Some(count) = fits.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
    }
}

fn write_head(text: &mut String, name: &str, help: &str, kind: &str) -> std::fmt::Result {
    writeln!(text, "# HELP image_origin_{name} {help}\n# TYPE image_origin_{name} {kind}")
}

impl Figures {
    fn write(&self, text: &mut String, bounds: &[f64]) -> std::fmt::Result {
        write_head(text, "requests_total", "Responses by status and format.", "counter")?;
        for ((status, format), count) in &self.requests {
            writeln!(text, "image_origin_requests_total{{status=\"{status}\",format=\"{format}\"}} {count}")?;
        }
        write_head(text, "cache_requests_total", "Finished responses by origin.", "counter")?;
        for (result, count) in &self.cache {
            writeln!(text, "image_origin_cache_requests_total{{result=\"{}\"}} {count}", result.name())?;
        }
        write_head(text, "problems_total", "Errors by code.", "counter")?;
        for (code, count) in &self.problems {
            writeln!(text, "image_origin_problems_total{{code=\"{code}\"}} {count}")?;
        }
        let counters = [
            ("bytes_in_total", "Bytes read of originals.", self.bytes_in),
            ("bytes_out_total", "Bytes of responses.", self.bytes_out),
            ("pixels_total", "Pixels of rendered pictures.", self.pixels),
        ];
        for (name, help, value) in counters {
            write_head(text, name, help, "counter")?;
            writeln!(text, "image_origin_{name} {value}")?;
        }
        write_head(text, "duration_seconds", "Duration by stage, and total.", "histogram")?;
        let name = "image_origin_duration_seconds";
        for (stage, histogram) in &self.durations {
            let mut within = 0;
            for (bound, count) in bounds.iter().zip(&histogram.counts) {
                within += count;
                writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"{bound}\"}} {within}")?;
            }
            writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"+Inf\"}} {}", histogram.count)?;
            writeln!(text, "{name}_sum{{stage=\"{stage}\"}} {}", histogram.sum)?;
            writeln!(text, "{name}_count{{stage=\"{stage}\"}} {}", histogram.count)?;
        }
        Ok(())
    }
}

/// Writes the gauges. Those with the same name must be adjacent.
fn write_gauges(text: &mut String, gauges: &[Gauge], started: f64) -> std::fmt::Result {
    let mut last = "";
    for Gauge { name, help, value } in gauges {
        let family = name.split('{').next().unwrap_or(name);
        if family != last {
            write_head(text, family, help, "gauge")?;
            last = family;
        }
        writeln!(text, "image_origin_{name} {value}")?;
    }
    write_head(text, "build_info", "The version of the program.", "gauge")?;
    writeln!(text, "image_origin_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
    let name = "process_start_time_seconds";
    writeln!(
        text,
        "# HELP {name} Start time of the process in seconds since 1970.\n# TYPE {name} gauge\n{name} {started}"
    )?;
    let name = "process_resident_memory_bytes";
    writeln!(text, "# HELP {name} Resident memory.\n# TYPE {name} gauge\n{name} {}", memory())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Cost;

    #[test]
    fn what_is_observed_adds_up() {
        let registry = Registry::new(Duration::from_secs(10));
        let cost = Cost { bytes_in: 10, pixels: 7, fetch: Duration::from_millis(3), ..Cost::default() };
        let cache = Some(CacheResult::Miss);
        let observation =
            Observation { status: 200, format: "jpeg", bytes_out: 5, cost, cache, ..Observation::default() };
        for total in [Duration::from_millis(2), Duration::from_millis(60), Duration::from_secs(60)] {
            registry.record(&Observation { total, ..observation });
        }
        registry.record(&Observation { status: 503, problem: Some("overloaded"), ..Observation::default() });
        let queue = |name, value| Gauge { name, help: "Jobs that wait.", value };
        let gauges = [queue("queue_length{pool=\"pixels\"}", 3), queue("queue_length{pool=\"headers\"}", 0)];
        let text = registry.text(&gauges);
        for line in [
            "image_origin_requests_total{status=\"200\",format=\"jpeg\"} 3",
            "image_origin_cache_requests_total{result=\"miss\"} 3",
            "image_origin_problems_total{code=\"overloaded\"} 1",
            "image_origin_bytes_in_total 30",
            "image_origin_bytes_out_total 15",
            "image_origin_pixels_total 21",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"0.0025\"} 1",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"0.1\"} 2",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"7.5\"} 2",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"10\"} 2",
            "image_origin_duration_seconds_bucket{stage=\"total\",le=\"+Inf\"} 3",
            "image_origin_duration_seconds_count{stage=\"fetch\"} 3",
            "image_origin_queue_length{pool=\"pixels\"} 3",
            "image_origin_queue_length{pool=\"headers\"} 0",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in {text}");
        }
        assert!(!text.contains("stage=\"decode\""), "what did not happen has no time");
        assert_eq!(text.matches("# TYPE image_origin_queue_length gauge").count(), 1);
    }

    #[test]
    fn buckets_end_at_the_deadline() {
        let table = [(0.25, 0.1), (10.0, 7.5), (12.0, 10.0), (900.0, 600.0)];
        for (deadline, before) in table {
            let bounds = Registry::new(Duration::from_secs_f64(deadline)).bounds;
            assert!(bounds.ends_with(&[before, deadline]) && bounds.is_sorted(), "{bounds:?}");
        }
    }
}
