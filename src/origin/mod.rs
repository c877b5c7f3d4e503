//! The origin: converts an [`OriginRequest`] into an [`OriginResponse`], independently of the protocol.
//!
//! The order of the steps matters. The query is parsed before the source is queried; a place in the queue is acquired
//! before anything is opened; equal requests are coalesced; and preconditions are evaluated only once a response
//! exists, so that a 304 always stands for what would have been a 200. Every failure becomes a [`Problem`].

mod body;
pub(crate) mod conditional;
mod download;
mod fairness;
mod fallback;
mod file_name;
mod flight;
pub mod freshness;
mod job;
mod memory;
mod outcome;
mod overlays;
mod pipeline;
mod pool;
mod request;
mod response;
mod settings;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;

pub use body::{Body, Frames, InMemory, Original};
pub use conditional::{RangeRequest, Validators, content_range, range, unsatisfied_range};
pub use request::OriginRequest;
#[cfg(feature = "lambda")]
pub(crate) use response::unsatisfiable;
pub use response::{Content, OriginResponse, problem_response};
pub(crate) use response::{IMAGE_QUALITY, Report};
pub use settings::{ExposeMetadata, OriginSettings, SvgMode};

pub use crate::telemetry::Metrics;

use crate::error::{Code, Problem};
use crate::query::{self, Answer as Wanted, FormatChoice, Metadata, Transform};
use crate::results::{self, Record};
use crate::source::{Key, Located, ObjectMeta, Source, Sources};
use crate::telemetry::{CacheResult, Cost, Gauge, Observation, Telemetry};
use crate::transform::Likeness;
use flight::{Flights, Role};
use outcome::{Outcome, Reply};
use pipeline::Pipeline;
use request::{ParsedRequest, accepted, host, variant};
use response::{ascii, finished, made, named, original_response};

/// A finished response, as it is cached.
#[derive(Debug, Clone)]
struct Answer {
    bytes: Bytes,
    media_type: &'static str,
    /// What `q=auto` has led to.
    likeness: Option<Likeness>,
    cost: Cost,
}

/// Responds to requests for the originals of one source, or of several.
pub struct Origin {
    sources: Sources,
    pipeline: Arc<Pipeline>,
    flights: Flights<Reply>,
    telemetry: Arc<Telemetry>,
    is_draining: Arc<AtomicBool>,
}

/// Whether requests had better come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They are welcome.
    Ready,
    /// They would be refused, since the queue is full.
    Full,
    /// They had better go elsewhere, since the server is about to end.
    Draining,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("load", &self.pipeline.load()).finish_non_exhaustive()
    }
}

/// The source that a request is served from.
#[derive(Clone, Copy)]
enum Store<'a> {
    /// The origin's own source, for which equal requests are coalesced.
    Own,
    /// A source that was opened for this request alone.
    Other(&'a dyn Source),
}

impl Origin {
    /// Creates an origin for the originals of these sources.
    ///
    /// # Errors
    /// [`results::OpenError`] if the configured result store cannot be opened.
    pub fn new(sources: impl Into<Sources>, settings: OriginSettings) -> Result<Self, results::OpenError> {
        let telemetry = Telemetry::new(settings.metrics, settings.deadline);
        let results = settings.results.as_ref().map(results::open).transpose()?;
        let pipeline = Arc::new(Pipeline::new(settings, results.map(Arc::new)));
        Ok(Self {
            sources: sources.into(),
            pipeline,
            flights: Flights::default(),
            telemetry: Arc::new(telemetry),
            is_draining: Arc::default(),
        })
    }

    /// An origin of the same sources with other settings. It shares workers, queues, memory, caches, result store and metrics
    /// with this one, so that the settings for these have no effect.
    #[must_use]
    pub fn with_settings(&self, settings: OriginSettings) -> Self {
        Self {
            sources: self.sources.clone(),
            pipeline: Arc::new(self.pipeline.with_settings(settings)),
            flights: Flights::default(),
            telemetry: self.telemetry.clone(),
            is_draining: self.is_draining.clone(),
        }
    }

    /// Waits until every picture rendered so far has been stored in the result store, or failed to be.
    pub async fn settle(&self) {
        self.pipeline.settle().await;
    }

    fn settings(&self) -> &OriginSettings {
        &self.pipeline.settings
    }

    /// The query parameters that are passed to the source.
    pub(crate) fn parameters(&self) -> &'static [&'static str] {
        self.sources.parameters()
    }

    /// Sends the gauges of this origin by OpenTelemetry, if that has been started.
    #[cfg(feature = "otel")]
    pub fn send_gauges(self: Arc<Self>) {
        crate::telemetry::otel::observe(move || self.pipeline.gauges());
    }

    /// The metrics in Prometheus' text format, including the given gauges of the handler; `None` if metrics are not
    /// collected that way.
    pub(crate) fn metrics(&self, mut gauges: Vec<Gauge>) -> Option<String> {
        gauges.extend(self.pipeline.gauges());
        self.telemetry.text(&gauges)
    }

    /// Responds to a request. This never fails: errors are responses, too.
    pub async fn respond(&self, request: OriginRequest<'_>) -> OriginResponse {
        self.respond_to(Store::Own, request).await
    }

    /// Responds to a request for an original of another source.
    pub async fn respond_from(&self, source: &dyn Source, request: OriginRequest<'_>) -> OriginResponse {
        self.respond_to(Store::Other(source), request).await
    }

    async fn respond_to(&self, store: Store<'_>, request: OriginRequest<'_>) -> OriginResponse {
        let started = Instant::now();
        let mut report = Report::default();
        let (parsed, answer) = match self.parse(store, request) {
            Ok(parsed) => {
                report.query = Some(parsed.transform.canonical());
                let parsed = Arc::new(parsed);
                let answer = match self.answer(store, &parsed, request, &mut report).await {
                    Err(problem) => self.instead(problem, &parsed, request, &mut report).await,
                    answer => answer,
                };
                (Some(parsed), answer)
            }
            Err(problem) => (None, Err(problem)),
        };
        let parsed = parsed.as_ref();
        let mut response = answer.unwrap_or_else(|problem| {
            let mut response =
                problem_response(Problem { request_id: request.request_id.map(str::to_owned), ..problem });
            // The tags allow a cached 404 to be purged when the original is uploaded.
            parsed.into_iter().for_each(|parsed| self.add_cache_tags(&mut response.headers, parsed, None));
            response
        });
        let problem = response.problem.as_ref().map(|problem| problem.code);
        let reason = response.problem.as_ref().map(|problem| problem.detail.clone());
        response.report = Report { problem, reason, content: response.report.content, ..report };
        if parsed.is_some_and(|parsed| parsed.transform.output.format == Some(FormatChoice::Auto)) {
            response.headers.insert(header::VARY, HeaderValue::from_static("accept"));
        }
        response.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if request.method == Method::HEAD {
            response.body = Body::Empty;
        }
        self.observe(&response, started.elapsed(), request.request_id);
        response
    }

    fn observe(&self, response: &OriginResponse, total: Duration, request_id: Option<&str>) {
        let Report { cache, cost, problem, content, .. } = response.report;
        let format = content.and_then(|content| content.media_type.split_once('/'));
        self.telemetry.record(&Observation {
            status: response.status.as_u16(),
            format: format.map_or("", |(_, format)| format),
            bytes_out: response.body.len(),
            total,
            cost,
            cache,
            problem: problem.map(Code::name),
            request_id,
        });
    }

    /// Says from now on that requests had better go elsewhere. Those that come are answered all the same.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether requests had better come here.
    pub fn readiness(&self) -> Readiness {
        match self.is_draining.load(Ordering::Relaxed) {
            true => Readiness::Draining,
            false if self.pipeline.is_full() => Readiness::Full,
            false => Readiness::Ready,
        }
    }

    /// Counts a request that was refused before it came here.
    pub(crate) fn refused(&self, status: StatusCode, code: Option<&'static str>, took: Duration, request_id: &str) {
        self.telemetry.record(&Observation {
            status: status.as_u16(),
            format: "",
            bytes_out: 0,
            total: took,
            cost: Cost::default(),
            cache: None,
            problem: code,
            request_id: Some(request_id),
        });
    }

    async fn answer(
        &self,
        store: Store<'_>,
        parsed: &Arc<ParsedRequest>,
        request: OriginRequest<'_>,
        report: &mut Report,
    ) -> Result<OriginResponse, Problem> {
        let mut if_none_match = self.if_none_match(parsed, request.headers).await;
        loop {
            let is_asked = if_none_match.is_some();
            let (Reply { outcome, parsed }, role) = self.run(store, parsed, if_none_match.take()).await?;
            let meta = outcome.meta();
            let tag = meta.etag.as_deref().map(|tag| conditional::entity_tag(tag, &parsed.variant));
            let headers = self.headers(meta, tag.as_deref(), &parsed);
            let tag = tag.unwrap_or_default();
            let validators = Validators { tag: tag.clone(), modified: meta.modified };
            if conditional::is_other(request.headers, &tag, meta.modified) {
                return Err(Problem::new(Code::PreconditionFailed, "the picture has changed"));
            }
            if conditional::is_not_modified(request.headers, &tag, meta.modified) {
                return Ok(OriginResponse::empty_response(StatusCode::NOT_MODIFIED, headers));
            }
            let response = match outcome {
                // The response was evicted in the meantime, or the precondition concerned another response.
                Outcome::NotModified(_) if is_asked => continue,
                // The signature of a URL may cover the client's own precondition, which must be sent unchanged.
                Outcome::NotModified(_) => Ok(OriginResponse::empty_response(StatusCode::NOT_MODIFIED, headers)),
                // Type and length are known only of a response that exists.
                Outcome::Facts(_) => Ok(OriginResponse::empty_response(StatusCode::OK, headers)),
                Outcome::Finished { answer, cache, .. } => {
                    let cache = match (role, cache) {
                        (Role::Follower, CacheResult::Miss) => CacheResult::Coalesced,
                        _ => cache,
                    };
                    report.cache = Some(cache);
                    if matches!(cache, CacheResult::Miss | CacheResult::Stored) {
                        report.cost = answer.cost;
                    }
                    let body = match *request.method {
                        Method::HEAD => Body::Empty,
                        _ => self.pipeline.body(answer.bytes.clone(), parsed.deadline).await?,
                    };
                    Ok(finished(&answer, body, cache, headers))
                }
                Outcome::Stored { stored, .. } => match stored.body() {
                    Some(body) => {
                        (report.cache, report.cost) = (Some(CacheResult::Stored), stored.cost);
                        let timing = format!("cache;desc={}", CacheResult::Stored.name());
                        let Record { media_type, length, likeness, .. } = stored.record;
                        Ok(made(Content { media_type, length }, likeness, body, &timing, headers))
                    }
                    // Another request is consuming the bytes, which can be read only once.
                    None => continue,
                },
                Outcome::Original { meta, format, rewrite, original } => {
                    if role == Role::Leader {
                        report.cost.bytes_in = meta.length.unwrap_or(0);
                    }
                    let whole = Body::Original(Arc::unwrap_or_clone(rewrite), original);
                    Ok(original_response(request, &validators, format, whole, headers))
                }
            };
            return response.map(|response| OriginResponse { validators, ..named(response, &parsed) });
        }
    }

    /// The source's entity tag of a copy that is probably current, and whose response is cached here or by the client.
    async fn if_none_match(&self, parsed: &ParsedRequest, headers: &HeaderMap) -> Option<String> {
        let verified = self.pipeline.verified(parsed);
        let cached = verified.as_ref().filter(|tag| self.pipeline.is_cached(parsed, tag));
        // An entity tag implies an earlier successful response, while a date or `*` does not.
        let viewers = || conditional::held(headers, parsed.has_known_variant().then_some(&parsed.variant));
        let conditional = || verified.clone().filter(|_| conditional::is_conditional(headers));
        cached.cloned().or_else(viewers).or_else(conditional)
    }

    async fn run(
        &self,
        store: Store<'_>,
        parsed: &Arc<ParsedRequest>,
        if_none_match: Option<String>,
    ) -> Result<(Reply, Role), Problem> {
        match store {
            Store::Other(source) => Ok((self.pipeline.run(Some(source), parsed, if_none_match).await?, Role::Leader)),
            Store::Own => {
                let id = format!("{}\n{}", parsed.id(), if_none_match.as_deref().unwrap_or_default());
                let work = || {
                    let (pipeline, parsed, if_none_match) =
                        (self.pipeline.clone(), parsed.clone(), if_none_match.clone());
                    async move { pipeline.run(None, &parsed, if_none_match).await }
                };
                self.flights.join(&id, parsed.deadline, work).await
            }
        }
    }

    /// Parses the request, as far as that is possible without the original.
    fn parse(&self, store: Store<'_>, request: OriginRequest<'_>) -> Result<ParsedRequest, Problem> {
        if !matches!(*request.method, Method::GET | Method::HEAD) {
            let detail = format!("the method {} is not supported; use GET", request.method);
            return Err(Problem::new(Code::MethodNotAllowed, detail));
        }
        let settings = self.settings();
        let deadline = Instant::now() + settings.deadline;
        let deadline = request.deadline.map_or(deadline, |requested| requested.min(deadline));
        let mut transform = query::parse(request.query, &settings.presets)?;
        // Revision and download change neither the bytes nor their entity tag, so that requests that differ in them alone
        // share one result. The cache of a CDN keeps one response for each, since both are part of the canonical query.
        let has_revision = transform.revision.take().is_some();
        let download = transform.download.take();
        self.check_exposure(&transform)?;
        self.pipeline.overlays.check(&transform)?;
        let host = host(request.headers);
        let key = Key::from_url_path(request.path).ok_or_else(|| {
            Problem::new(Code::BadPath, "the path must be a non-empty key in percent-encoded UTF-8 without NUL")
        })?;
        let accepted = accepted(&transform, request.headers, &settings.auto_formats);
        let overlay = self.pipeline.overlays.requested(&self.sources, host.as_deref(), &transform);
        let variant = variant(&transform, accepted, overlay.as_ref(), settings);
        let located = match store {
            Store::Own => self.sources.locate(host.as_deref(), &key),
            Store::Other(_) => Some(Located::elsewhere(key)),
        };
        let located = located.ok_or_else(|| Problem::new(Code::NotFound, "no source is configured for this path"))?;
        let end = deadline;
        let deadline = fallback::deadline(&located, end);
        let version = match store {
            Store::Own => located.source().version(request.query),
            Store::Other(_) => self.sources.version(request.query),
        };
        let presets = query::preset_names(request.query);
        // A version does not change either.
        let has_revision = has_revision || version.is_some();
        Ok(ParsedRequest {
            located,
            version,
            presets,
            has_revision,
            download,
            transform,
            overlay,
            accepted,
            variant,
            deadline,
            end,
        })
    }

    /// Rejects a request for metadata that the configuration does not expose.
    fn check_exposure(&self, transform: &Transform) -> Result<(), Problem> {
        let expose = self.settings().expose_metadata;
        let parameter = match (transform.answer, transform.metadata) {
            (Wanted::Metadata, _) if expose == ExposeMetadata::None => "showExif",
            (_, Metadata::All) if expose != ExposeMetadata::All => "metadata=all",
            _ => return Ok(()),
        };
        let detail = format!("{parameter} is disabled by the setting `expose_metadata`");
        Err(Problem::new(Code::MetadataHidden, detail))
    }

    /// The headers of every successful response, including 304.
    fn headers(&self, meta: &ObjectMeta, tag: Option<&str>, parsed: &ParsedRequest) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(tag) = tag {
            headers.insert(header::ETAG, ascii(tag));
        }
        // A cache keeps the stored headers that a 304 does not contain (RFC 9111, 3.2).
        if !meta.is_partial {
            let OriginSettings { max_age, max_age_limit, .. } = *self.settings();
            let original = meta.cache_control.as_deref();
            let value = freshness::cache_control(original, parsed.has_revision, max_age, max_age_limit);
            headers.insert(header::CACHE_CONTROL, ascii(&value));
            self.add_cache_tags(&mut headers, parsed, meta.cache_tags.as_deref());
        }
        if let Some(modified) = meta.modified {
            headers.insert(header::LAST_MODIFIED, ascii(&httpdate::fmt_http_date(modified)));
        }
        headers
    }

    /// Adds cache tags to a response that may be cached. `also` are those of the original.
    fn add_cache_tags(&self, headers: &mut HeaderMap, parsed: &ParsedRequest, also: Option<&str>) {
        let may_be_kept = headers.get(header::CACHE_CONTROL).is_some_and(|value| value != "no-store");
        let Some(name) = self.settings().cache_tag_header.as_ref().filter(|_| may_be_kept) else { return };
        let overlay = parsed.overlay.as_ref().map(|overlay| freshness::key_tag(&overlay.name));
        let also = overlay.iter().map(String::as_str).chain(also).collect::<Vec<_>>().join(",");
        let tags = freshness::cache_tags(parsed.located.name(), &parsed.presets, &also);
        headers.insert(name.clone(), ascii(&tags));
    }
}
