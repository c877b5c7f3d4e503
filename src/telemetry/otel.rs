//! Traces and metrics by OpenTelemetry, sent over OTLP/HTTP in protobuf.
//!
//! The standard variables configure it, and without an endpoint in them nothing is sent. Each request over HTTP has a span, as
//! a child of the span that `traceparent` names (W3C Trace Context); the stages of its work are spans below that, unless the
//! response was cached. Requests that this program sends meanwhile carry `traceparent`, too. Invariants: a request never waits for the collector; a collector that
//! is not there costs memory for some thousand spans at most.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpError};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use super::{Answered, CacheResult, Gauge, Observation};
use crate::http_client::HttpClient;

/// The name of the instrumentation, and of the service unless a variable names it.
const NAME: &str = "image-origin";

/// How long a batch may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a collector's answer in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// How long the end of the program waits for the last batch.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// What records spans and metrics, once it has been started.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

tokio::task_local! {
    /// The span of the request that is being answered.
    static CURRENT: Context;
}

struct Recorder {
    tracer: Option<SdkTracer>,
    instruments: Option<Instruments>,
}

struct Instruments {
    meter: Meter,
    requests: Counter<u64>,
    problems: Counter<u64>,
    cache: Counter<u64>,
    bytes_in: Counter<u64>,
    bytes_out: Counter<u64>,
    pixels: Counter<u64>,
    durations: Histogram<f64>,
}

/// The exporters, which have to be ended.
#[derive(Debug)]
pub struct Exporters {
    tracers: Option<SdkTracerProvider>,
    meters: Option<SdkMeterProvider>,
}

/// Whether a variable has a value.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether a signal is sent: its endpoint is known, and it is not switched off.
fn is_wanted(signal: &str) -> bool {
    let has = |name: &str, value: &str| std::env::var(name).is_ok_and(|text| text.trim().eq_ignore_ascii_case(value));
    let endpoint = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
    let is_off = has("OTEL_SDK_DISABLED", "true") || has(&format!("OTEL_{signal}_EXPORTER"), "none");
    !is_off && (is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set(&endpoint))
}

/// Starts to send traces and metrics if the variables name an endpoint. It has to be called within the runtime, once.
///
/// # Errors
/// What is wrong with the variables.
pub fn start() -> Result<Option<Exporters>, String> {
    let (traces, metrics) = (is_wanted("TRACES"), is_wanted("METRICS"));
    if !traces && !metrics {
        return Ok(None);
    }
    let client = Client { client: HttpClient::new(), runtime: Handle::current(), is_failing: Arc::default() };
    let failed = |error: &dyn std::fmt::Display| format!("OpenTelemetry cannot be started: {error}");
    let tracers = if traces {
        let exporter = SpanExporter::builder().with_http().with_http_client(client.clone());
        let exporter = exporter.with_protocol(Protocol::HttpBinary).build().map_err(|error| failed(&error))?;
        Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build())
    } else {
        None
    };
    let meters = if metrics {
        let exporter = MetricExporter::builder().with_http().with_http_client(client);
        let exporter = exporter.with_protocol(Protocol::HttpBinary).build().map_err(|error| failed(&error))?;
        Some(SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource()).build())
    } else {
        None
    };
    let _ = RECORDER.set(Recorder {
        tracer: tracers.as_ref().map(|tracers| tracers.tracer(NAME)),
        instruments: meters.as_ref().map(|meters| Instruments::new(meters.meter(NAME))),
    });
    tracing::info!(traces, metrics, "telemetry is sent by OpenTelemetry");
    Ok(Some(Exporters { tracers, meters }))
}

/// The description of this process. Variables may name another service.
fn resource() -> Resource {
    let is_named = is_set("OTEL_SERVICE_NAME")
        || std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name="));
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { resource.build() } else { resource.with_service_name(NAME).build() }
}

impl Exporters {
    /// Sends what has not been sent yet. It blocks for some seconds at most.
    pub fn end(self) {
        // A collector that does not answer has been logged already.
        if let Some(tracers) = self.tracers {
            let _ = tracers.shutdown_with_timeout(LAST_PATIENCE);
        }
        if let Some(meters) = self.meters {
            let _ = meters.shutdown_with_timeout(LAST_PATIENCE);
        }
    }
}

/// Sends batches from the threads of the SDK by the program's own client, which belongs to the runtime.
#[derive(Debug, Clone)]
struct Client {
    client: HttpClient,
    runtime: Handle,
    /// Whether the last batch was lost, which is logged once.
    is_failing: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl opentelemetry_http::HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = async move { client.send(request.map(Body::from), SEND_TIMEOUT, MAX_ANSWER).await };
        let answer = match self.runtime.spawn(sending).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => {
                self.warn(&format!("the status is {}", response.status().as_u16()));
                return Ok(response);
            }
            Ok(Err(error)) => Err(HttpError::from(error)),
            Err(error) => Err(HttpError::from(error)),
        };
        match &answer {
            Ok(_) => self.is_failing.store(false, Ordering::Relaxed),
            Err(error) => self.warn(&error.to_string()),
        }
        answer
    }
}

impl Client {
    fn warn(&self, error: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "the OpenTelemetry collector does not take telemetry");
        }
    }
}

/// The span of a request.
#[derive(Debug)]
pub(crate) struct RequestSpan(Option<Open>);

#[derive(Debug)]
struct Open {
    context: Context,
    since: SystemTime,
    started: Instant,
}

impl RequestSpan {
    /// Starts the span of a request, if traces are sent and this one is sampled.
    pub(crate) fn start(method: &Method, headers: &HeaderMap) -> Self {
        let Some(tracer) = RECORDER.get().and_then(|recorder| recorder.tracer.as_ref()) else { return Self(None) };
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let (since, started) = (SystemTime::now(), Instant::now());
        let builder = tracer.span_builder(method.to_string()).with_kind(SpanKind::Server).with_start_time(since);
        let span = builder.with_attributes([KeyValue::new("http.request.method", method.to_string())]);
        let context = parent.with_span(span.start_with_context(tracer, &parent));
        Self(Some(Open { context, since, started }))
    }

    /// Runs the work on a request. Requests to other servers within carry this span as their parent.
    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(open) => CURRENT.scope(open.context.clone(), work).await,
            None => work.await,
        }
    }

    /// Ends the span. Spans of the stages are laid out one after the other from its start, unless the response was cached.
    pub(crate) fn end(self, answered: &Answered<'_>) {
        let Some(Open { context, since, started }) = self.0 else { return };
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let text = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
        let mut attributes = vec![
            text("url.path", answered.path),
            KeyValue::new("http.response.status_code", i64::from(answered.status)),
            text("image_origin.request_id", answered.request_id),
        ];
        attributes.extend(answered.query.map(|query| text("url.query", query)));
        attributes.extend(answered.cache.map(|cache| text("image_origin.cache", cache)));
        attributes.extend(answered.problem.map(|problem| text("error.type", problem)));
        let bytes = answered.bytes.and_then(|bytes| i64::try_from(bytes).ok());
        attributes.extend(bytes.map(|bytes| KeyValue::new("http.response.body.size", bytes)));
        span.set_attributes(attributes);
        if answered.status >= 500 {
            span.set_status(Status::error(answered.problem.unwrap_or("error")));
        }
        // A response from the cache is ready in less time than its stages take to be recorded.
        let has_stages = answered.cache != Some(CacheResult::Hit.name());
        let tracer = RECORDER.get().and_then(|recorder| recorder.tracer.as_ref());
        if let Some(tracer) = tracer.filter(|_| has_stages) {
            let mut start = since;
            for (name, took) in answered.stages.into_iter().filter(|(_, took)| !took.is_zero()) {
                let stage = tracer.span_builder(name).with_start_time(start);
                start += took;
                opentelemetry::trace::Span::end_with_timestamp(&mut stage.start_with_context(tracer, &context), start);
            }
        }
        span.end_with_timestamp(since + started.elapsed());
    }
}

/// Work that another task does for the request that is being answered.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = CURRENT.try_with(Clone::clone).ok();
    async move {
        match context {
            Some(context) => CURRENT.scope(context, work).await,
            None => work.await,
        }
    }
}

/// Adds `traceparent` to a request to another server, if it is sent for a request that is traced.
pub(crate) fn inject(headers: &mut HeaderMap) {
    let _ = CURRENT.try_with(|context| {
        TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
    });
}

impl Instruments {
    fn new(meter: Meter) -> Self {
        let counter = |name: &'static str, help: &'static str| meter.u64_counter(name).with_description(help);
        Self {
            requests: counter("image_origin.requests", "Responses by status and format.").build(),
            problems: counter("image_origin.problems", "Errors by code.").build(),
            cache: counter("image_origin.cache.requests", "Finished responses by origin.").build(),
            bytes_in: counter("image_origin.bytes_in", "Bytes read of originals.").with_unit("By").build(),
            bytes_out: counter("image_origin.bytes_out", "Bytes of responses.").with_unit("By").build(),
            pixels: counter("image_origin.pixels", "Pixels of rendered pictures.").build(),
            durations: meter
                .f64_histogram("image_origin.duration")
                .with_description("Duration by stage, and total.")
                .with_unit("s")
                .with_boundaries(super::prometheus::BOUNDS.to_vec())
                .build(),
            meter,
        }
    }
}

/// Records a response, if metrics are sent.
pub(super) fn record(observation: &Observation<'_>) {
    let Some(instruments) = RECORDER.get().and_then(|recorder| recorder.instruments.as_ref()) else { return };
    let label = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
    let status = KeyValue::new("http.response.status_code", i64::from(observation.status));
    instruments.requests.add(1, &[status, label("format", observation.format)]);
    if let Some(code) = observation.problem {
        instruments.problems.add(1, &[label("error.type", code)]);
    }
    if let Some(cache) = observation.cache {
        instruments.cache.add(1, &[label("result", cache.name())]);
    }
    let amounts = [
        (&instruments.bytes_in, observation.cost.bytes_in),
        (&instruments.bytes_out, observation.bytes_out),
        (&instruments.pixels, observation.cost.pixels),
    ];
    for (counter, amount) in amounts.into_iter().filter(|(_, amount)| *amount > 0) {
        counter.add(amount, &[]);
    }
    for (stage, took) in observation.durations().into_iter().filter(|(_, took)| !took.is_zero()) {
        instruments.durations.record(took.as_secs_f64(), &[KeyValue::new("stage", stage)]);
    }
}

/// Sends gauges, if metrics are sent. They are sampled for each batch.
pub(crate) fn observe(gauges: impl Fn() -> Vec<Gauge> + Send + Sync + 'static) {
    let Some(instruments) = RECORDER.get().and_then(|recorder| recorder.instruments.as_ref()) else { return };
    let gauges = Arc::new(gauges);
    let mut families: Vec<(&str, &str)> = Vec::new();
    for Gauge { name, help, .. } in gauges() {
        let family = family(name).0;
        if families.last().is_none_or(|(last, _)| *last != family) {
            families.push((family, help));
        }
    }
    for (name, help) in families {
        let gauges = gauges.clone();
        let instrument = instruments.meter.u64_observable_gauge(format!("image_origin.{name}")).with_description(help);
        let observed = instrument.with_callback(move |observer| {
            for gauge in gauges() {
                match family(gauge.name) {
                    (known, None) if known == name => observer.observe(gauge.value, &[]),
                    (known, Some((label, value))) if known == name => {
                        observer.observe(gauge.value, &[KeyValue::new(label, value)]);
                    }
                    _ => {}
                }
            }
        });
        observed.build();
    }
}

/// The name of a gauge, and its label if it has one.
fn family(name: &'static str) -> (&'static str, Option<(&'static str, &'static str)>) {
    let Some((family, label)) = name.split_once('{') else { return (name, None) };
    (family, label.trim_end_matches('}').split_once('=').map(|(label, value)| (label, value.trim_matches('"'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_gauges_are_attributes() {
        let table = [
            ("cache_bytes", ("cache_bytes", None)),
            ("queue_length{pool=\"pixels\"}", ("queue_length", Some(("pool", "pixels")))),
        ];
        for (name, expected) in table {
            assert_eq!(family(name), expected);
        }
    }
}
