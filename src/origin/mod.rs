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
mod memory;
mod overlays;
mod pipeline;
mod pool;
mod settings;
mod threads;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;

pub use body::{Body, Frames, InMemory, Original};
pub use conditional::{RangeRequest, Validators, content_range, range, unsatisfied_range};
pub use settings::{ExposeMetadata, OriginSettings, SvgMode};

pub use crate::telemetry::Metrics;

use crate::codec::Format;
use crate::error::{Code, Problem};
use crate::query::{self, Anchor, Answer as Wanted, Download, FormatChoice, Gravity, Metadata, Transform};
use crate::results::{self, Record};
use crate::source::{Key, Located, ObjectMeta, Source, Sources};
use crate::telemetry::{CacheResult, Cost, Gauge, Observation, Telemetry};
use crate::transform::{Accepted, Likeness};
use conditional::Variant;
use flight::{Flights, Role};
use overlays::RequestedOverlay;
use pipeline::{Outcome, Pipeline, Reply};

/// A request, independent of the handler's protocol.
#[derive(Debug, Clone, Copy)]
pub struct OriginRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as sent, percent-encoded.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The deadline of the handler, if that is earlier than the setting's.
    pub deadline: Option<Instant>,
    /// The id that is included in errors and in the log.
    pub request_id: Option<&'a str>,
}

/// A response, independent of the handler's protocol.
#[derive(Debug)]
pub struct OriginResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those that concern the connection.
    pub headers: HeaderMap,
    /// The body; empty for HEAD, whose headers are those of GET.
    pub body: Body,
    /// The problem, if the response is one.
    pub problem: Option<Problem>,
    /// The validators for preconditions.
    pub validators: Validators,
    /// The data for the log and the metrics.
    pub(crate) report: Report,
}

/// The `Content-Security-Policy` of drawings, should something pass the sanitiser: a document without scripts, an origin,
/// links and requests, whose own styles and embedded pictures work.
const DRAWING_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// The type and length of the body of a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// The media type.
    pub media_type: &'static str,
    /// The number of bytes.
    pub length: u64,
}

impl OriginResponse {
    /// A response without content.
    fn empty_response(status: StatusCode, headers: HeaderMap) -> Self {
        let (problem, validators, report) = (None, Validators::default(), Report::default());
        Self { status, headers, body: Body::Empty, problem, validators, report }
    }

    /// A complete response with this content.
    #[cfg(all(test, feature = "lambda"))]
    pub(crate) fn whole(body: Body, content: Content) -> Self {
        Self::empty_response(StatusCode::OK, HeaderMap::new()).with_content(body, content)
    }

    /// Adds a body, which for GET is all of `content`, and the headers that describe it.
    fn with_content(mut self, body: Body, content: Content) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        self.headers.insert(header::CONTENT_LENGTH, content.length.into());
        if content.media_type == Format::Svg.media_type() {
            self.headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DRAWING_POLICY));
        }
        self.report.content = Some(content);
        Self { body, ..self }
    }

    /// The content of the response to GET, even if this is the response to HEAD.
    pub const fn content(&self) -> Option<Content> {
        self.report.content
    }

    /// The given range of this response, which must be complete.
    pub(crate) fn part(mut self, part: std::ops::Range<u64>) -> Self {
        let Some(Content { media_type, length }) = self.content() else { return self };
        self.headers.insert(header::CONTENT_RANGE, content_range(&part, length));
        self.status = StatusCode::PARTIAL_CONTENT;
        let content = Content { media_type, length: part.end - part.start };
        let body = std::mem::replace(&mut self.body, Body::Empty).slice(part);
        self.with_content(body, content)
    }
}

/// The response to a range that starts after the end of `length` bytes.
pub(crate) fn unsatisfiable(what: &str, length: u64) -> OriginResponse {
    let problem = Problem::new(Code::RangeNotSatisfiable, format!("the {what} has {length} bytes"));
    let mut response = problem_response(problem);
    response.headers.insert(header::CONTENT_RANGE, unsatisfied_range(length));
    response
}

/// The data about a response for the log and the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// The canonical text of the query, if it is valid. It contains no credentials.
    pub(crate) query: Option<String>,
    /// Where a finished response came from.
    pub(crate) cache: Option<CacheResult>,
    pub(crate) cost: Cost,
    /// The code of the problem, if the response is one, and what it says.
    pub(crate) problem: Option<Code>,
    pub(crate) reason: Option<String>,
    /// The content of the response to GET.
    pub(crate) content: Option<Content>,
}

/// A finished response, as it is cached.
#[derive(Debug, Clone)]
struct Answer {
    bytes: Bytes,
    media_type: &'static str,
    /// What `q=auto` has led to.
    likeness: Option<Likeness>,
    cost: Cost,
}

/// A parsed request: original, version, transform, negotiated formats, variant of the entity tag, deadline.
#[derive(Debug, Clone)]
struct ParsedRequest {
    located: Located,
    version: Option<String>,
    /// The presets that the query names.
    presets: Vec<String>,
    /// Whether the query names a revision of the original.
    has_revision: bool,
    /// Whether and under which name the client saves the response.
    download: Option<Download>,
    /// Without revision and download, which do not change the response's bytes.
    transform: Transform,
    overlay: Option<RequestedOverlay>,
    accepted: Accepted,
    /// Of the overlay as it was when its source was last asked.
    variant: Variant,
    deadline: Instant,
    /// When the response must be there: later than `deadline`, if a fallback picture may have to be made in between.
    end: Instant,
}

impl ParsedRequest {
    /// Whether the focus that is stored with the original decides about the response.
    fn uses_focus(&self) -> bool {
        let is_automatic = self.transform.gravity == Gravity::Named(Anchor::Auto);
        self.transform.answer == Wanted::Info || is_automatic
    }

    /// The same request, whose overlay has this entity tag.
    fn with_overlay_tag(&self, tag: Option<String>, settings: &OriginSettings) -> Self {
        let overlay = self.overlay.clone().map(|overlay| overlay.with_tag(tag));
        let variant = variant(&self.transform, self.accepted, overlay.as_ref(), settings);
        Self { overlay, variant, ..self.clone() }
    }

    /// Whether the variant is that of the response, unless the overlay has changed since its source was last asked.
    fn has_known_variant(&self) -> bool {
        self.overlay.as_ref().is_none_or(|overlay| overlay.tag.is_some())
    }

    /// The key by which equal requests are coalesced. A version may contain anything, but a key no NUL, and a variant is a digest.
    fn id(&self) -> String {
        format!("{}\n{}\0{}", self.variant.as_str(), self.located.id(), self.version.as_deref().unwrap_or_default())
    }
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

/// The host that a request was sent to, in lower case and without its port; `None` if it names none, or several.
fn host(headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let host = host.to_str().ok()?.to_ascii_lowercase();
    // The address of IPv6 contains colons, too, and stands in brackets.
    let end = host.rfind(']').map_or(0, |at| at + 1);
    let name = host[end..].find(':').map_or(host.as_str(), |colon| &host[..end + colon]);
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The original's compressed pixels, or the requested range of them (RFC 9110, 14.2).
fn original_response(
    request: OriginRequest<'_>,
    validators: &Validators,
    format: Format,
    whole: Body,
    mut headers: HeaderMap,
) -> OriginResponse {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let content = Content { media_type: format.media_type(), length: whole.len() };
    let response = OriginResponse::empty_response(StatusCode::OK, headers).with_content(whole, content);
    if *request.method != Method::GET {
        return response;
    }
    match range(request.headers, &validators.tag, validators.modified, content.length) {
        RangeRequest::All => response,
        RangeRequest::Part(part) => response.part(part),
        RangeRequest::Unsatisfiable => unsatisfiable("file", content.length),
    }
}

/// The digest of everything that decides the bytes of a response besides the original.
fn variant(
    transform: &Transform,
    accepted: Accepted,
    overlay: Option<&RequestedOverlay>,
    settings: &OriginSettings,
) -> Variant {
    let (expose, speed) = (settings.expose_metadata.name(), settings.avif_speed.to_string());
    let setting = match transform.answer {
        Wanted::Picture if transform.is_original() => None,
        Wanted::Picture => Some(("avif_speed", speed.as_str())),
        Wanted::Info => None,
        Wanted::Metadata => Some(("expose_metadata", expose)),
    };
    let (query, accept) = (transform.canonical(), accepted.canonical());
    let parts = [("query", query.as_str()), ("accept", accept.as_str())];
    let svg = (settings.svg != SvgMode::Sanitize).then_some(("svg", settings.svg.name()));
    let marks = (!settings.keep_ai_marks).then_some(("keep_ai_marks", "false"));
    let fonts = fonts().map(|digest| format!("{digest:016x}"));
    let fonts = fonts.as_deref().map(|digest| ("svg_fonts", digest));
    let overlay = overlay.map(RequestedOverlay::id);
    let overlay = overlay.as_deref().map(|id| ("overlay", id));
    let rest = [svg, marks, fonts, overlay].into_iter().flatten();
    Variant::new(&parts.into_iter().chain(setting).chain(rest).collect::<Vec<_>>())
}

/// A digest of the fonts for the text of drawings, if there are any.
fn fonts() -> Option<u64> {
    #[cfg(feature = "svg-text")]
    return crate::codec::svg_fonts();
    #[cfg(not(feature = "svg-text"))]
    None
}

fn finished(answer: &Answer, body: Body, cache: CacheResult, headers: HeaderMap) -> OriginResponse {
    let content = Content { media_type: answer.media_type, length: answer.bytes.len() as u64 };
    made(content, answer.likeness, body, &server_timing(cache, answer), headers)
}

/// Adds the file name to a response whose type is known. A 304 needs none: the client keeps the one that it has.
fn named(mut response: OriginResponse, parsed: &ParsedRequest) -> OriginResponse {
    let content = response.content().filter(|_| response.problem.is_none());
    if let Some(Content { media_type, .. }) = content {
        let key = parsed.located.key().as_str();
        let value = file_name::content_disposition(parsed.download.as_ref(), key, media_type);
        response.headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// The header that says what `q=auto` has led to.
pub(crate) const IMAGE_QUALITY: HeaderName = HeaderName::from_static("image-quality");

/// A response that was computed from an original.
fn made(
    content: Content,
    likeness: Option<Likeness>,
    body: Body,
    timing: &str,
    mut headers: HeaderMap,
) -> OriginResponse {
    headers.insert("server-timing", ascii(timing));
    if let Some(likeness) = likeness {
        headers.insert(IMAGE_QUALITY, ascii(&likeness.to_string()));
    }
    OriginResponse::empty_response(StatusCode::OK, headers).with_content(body, content)
}

/// The formats that `Accept` allows; none unless the query leaves the choice of the format to the server.
fn accepted(transform: &Transform, headers: &HeaderMap, formats: &[Format]) -> Accepted {
    if transform.output.format != Some(FormatChoice::Auto) {
        return Accepted::default();
    }
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Accepted::from_header(&values.collect::<Vec<_>>().join(","), formats)
}

/// Milliseconds by stage, for browsers' developer tools (W3C Server Timing).
fn server_timing(cache: CacheResult, answer: &Answer) -> String {
    if cache != CacheResult::Miss {
        return format!("cache;desc={}", cache.name());
    }
    let mut text = String::new();
    for (name, duration) in answer.cost.durations() {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{name};dur={:.3}", duration.as_secs_f64() * 1000.0);
    }
    text
}

/// A header value from ASCII text written by this crate.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Converts a problem into a response.
pub fn problem_response(problem: Problem) -> OriginResponse {
    let body = Body::Bytes(Bytes::from(problem.to_json().to_string()).into());
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(problem.cache_control()));
    if let Some(seconds) = problem.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::MethodNotAllowed {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let content = Content { media_type: "application/problem+json", length: body.len() };
    let mut response = OriginResponse::empty_response(problem.code.status(), headers).with_content(body, content);
    response.report.problem = Some(problem.code);
    response.problem = Some(problem);
    response
}
