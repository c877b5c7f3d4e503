//! Metrics in CloudWatch's Embedded Metric Format: one line per response on standard output, which is Lambda's log.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Observation, memory};

/// The namespace of the metrics.
const NAMESPACE: &str = "ImageOrigin";

/// Writes the lines of a function.
#[derive(Debug)]
pub(crate) struct Lines {
    function: String,
    /// Whether a response was sent before. The first one includes the cold start.
    warm: AtomicBool,
}

impl Lines {
    pub(super) fn from_environment() -> Self {
        let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
        Self { function, warm: AtomicBool::new(false) }
    }

    pub(super) fn write(&self, observation: &Observation<'_>) {
        let cold = !self.warm.swap(true, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = document(&self.function, observation, cold, u64::try_from(now).unwrap_or(u64::MAX));
        // Failure to write metrics must not affect responses.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

fn document(function: &str, observation: &Observation<'_>, cold: bool, now: u64) -> Value {
    let cost = &observation.cost;
    let mut metrics = vec![
        ("Requests", "Count", json!(1)),
        ("BytesIn", "Bytes", json!(cost.bytes_in)),
        ("BytesOut", "Bytes", json!(observation.bytes_out)),
        ("Pixels", "Count", json!(cost.pixels)),
        ("ColdStart", "Count", json!(u8::from(cold))),
        ("Memory", "Bytes", json!(memory())),
    ];
    let names = ["Queue", "Fetch", "Store", "Decode", "Resize", "Encode", "Total"];
    for (name, (_, duration)) in names.into_iter().zip(observation.durations()) {
        if !duration.is_zero() {
            metrics.push((name, "Milliseconds", json!(duration.as_secs_f64() * 1000.0)));
        }
    }
    let declared: Vec<_> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut document = json!({
        "_aws": {
            "Timestamp": now,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function"], ["function", "status", "format"]],
                "Metrics": declared,
            }],
        },
        "function": function,
        "status": observation.status.to_string(),
        // CloudWatch rejects empty dimensions.
        "format": if observation.format.is_empty() { "none" } else { observation.format },
        "request_id": observation.request_id,
    });
    for (name, _, value) in metrics {
        document[name] = value;
    }
    document
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_metric_that_is_declared_is_there() {
        let total = Duration::from_millis(12);
        let observation = Observation { status: 304, bytes_out: 5, total, ..Observation::default() };
        let document = document("f", &observation, true, 1_700_000_000_000);
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        let declared = directive["Metrics"].as_array().unwrap();
        assert!(
            declared.len() >= 7 && declared.iter().all(|metric| document[metric["Name"].as_str().unwrap()].is_number())
        );
        for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
            let value = document[dimension.as_str().unwrap()].as_str().unwrap();
            assert!(!value.is_empty(), "{dimension}");
        }
        assert_eq!(
            (&document["ColdStart"], &document["Total"], &document["Fetch"]),
            (&1.into(), &12.0.into(), &Value::Null)
        );
    }
}
