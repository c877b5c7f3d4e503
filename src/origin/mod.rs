//! The heart: one [`OriginRequest`] in, one [`OriginResponse`] out, whatever door it came through.
//!
//! The order matters: the query is parsed before the store is asked; the store's facts answer conditional requests
//! before a byte is read; the cache answers before anything is decoded; and pixel work waits its turn in the pool. What
//! goes wrong anywhere becomes a [`Problem`], and nothing else.

mod body;
pub(crate) mod conditional;
mod download;
mod pool;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;

pub use body::{Body, Original};
pub use conditional::{RangeRequest, range};

use crate::codec::{self, Format, Work, sniff};
use crate::config::{ExposeMetadata, Settings};
use crate::error::{Code, Problem};
use crate::metadata;
use crate::query::{self, Answer as Wanted, FormatChoice, Metadata, Transform};
use crate::source::{Ask, Content, Found, Holds, Key, Meta, Object, Source, SourceError};
use crate::telemetry::{Cost, Observation, Telemetry};
use crate::transform::{self, Accepted, Preferences, Stages};
use conditional::Variant;
use download::Downloads;
use pool::Pool;

/// A request, free of the door's own protocol.
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
    /// When the door must have its answer, if that is sooner than the setting says.
    pub deadline: Option<Instant>,
    /// The id that errors and the log have in common.
    pub request_id: Option<&'a str>,
}

/// An answer, free of the door's own protocol.
#[derive(Debug)]
pub struct OriginResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those of the connection.
    pub headers: HeaderMap,
    /// The body; empty for HEAD, whose headers are those of GET.
    pub body: Body,
}

/// A finished answer, as the cache keeps it.
#[derive(Debug, Clone)]
struct Answer {
    bytes: Bytes,
    media_type: &'static str,
    cost: Cost,
}

/// What a request comes down to.
struct Wish {
    key: Key,
    version: Option<String>,
    transform: Transform,
    accepted: Accepted,
    variant: Variant,
    deadline: Instant,
}

/// Bytes that a cache entry takes beside its answer, roughly.
const ENTRY_OVERHEAD: usize = 512;

/// Originals whose newest tag is remembered, so that a store can be asked whether a finished answer is current.
const REMEMBERED_TAGS: u64 = 10_000;

/// Answers requests for the originals of one source.
pub struct Origin {
    source: Box<dyn Source>,
    settings: Settings,
    pool: Pool,
    downloads: Downloads,
    telemetry: Telemetry,
    /// Finished answers by key and entity tag. It also sees to it that equal requests in flight are worked once.
    cache: moka::future::Cache<String, Answer>,
    /// The source's tag under which an answer was last made, by key and variant.
    tags: moka::future::Cache<String, String>,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Origin {
    /// Serves the originals of `source`.
    pub fn new(source: Box<dyn Source>, settings: Settings) -> Self {
        let weigh = |key: &String, answer: &Answer| {
            u32::try_from(key.len() + answer.bytes.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
        };
        let cache = moka::future::Cache::builder().max_capacity(settings.cache).weigher(weigh).build();
        let tags = moka::future::Cache::new(if settings.cache == 0 { 0 } else { REMEMBERED_TAGS });
        let pool = Pool::new(settings.workers, settings.queue);
        let downloads = Downloads::new(settings.max_source_bytes, settings.download_memory);
        let telemetry = Telemetry::new(settings.metrics);
        Self { source, settings, pool, downloads, telemetry, cache, tags }
    }

    /// The settings that hold.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Figures of operation in Prometheus' text format, if they are kept.
    pub fn metrics(&self) -> Option<String> {
        self.telemetry.text()
    }

    /// Answers a request. This never fails: errors are answers, too.
    pub async fn respond(&self, request: OriginRequest<'_>) -> OriginResponse {
        self.respond_from(&*self.source, request).await
    }

    /// Answers a request for an original of another source.
    pub async fn respond_from(&self, source: &dyn Source, request: OriginRequest<'_>) -> OriginResponse {
        let started = Instant::now();
        let answer = self.answer(source, request).await;
        let (mut response, cost) = answer.unwrap_or_else(|problem| {
            let problem = Problem { request_id: request.request_id.map(str::to_owned), ..problem };
            (problem_response(&problem), Cost::default())
        });
        response.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if request.method == Method::HEAD {
            response.body = Body::Empty;
        }
        self.observe(&response, cost, started.elapsed(), request.request_id);
        response
    }

    fn observe(&self, response: &OriginResponse, cost: Cost, total: Duration, request_id: Option<&str>) {
        let text = |name| response.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let format = text(header::CONTENT_TYPE).and_then(|media_type| media_type.split_once('/'));
        let bodiless = matches!(response.body, Body::Empty);
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
        self.telemetry.record(&Observation {
            status: response.status.as_u16(),
            format: format.map_or("", |(_, format)| format),
            bytes_out: if bodiless { 0 } else { length },
            total,
            cost,
            request_id,
        });
    }

    async fn answer(&self, source: &dyn Source, request: OriginRequest<'_>) -> Result<(OriginResponse, Cost), Problem> {
        let wish = self.wish(request)?;
        let tags_key = format!("{}\n{:?}\n{:?}", wish.key.as_str(), wish.version, wish.variant);
        let viewers = conditional::held(request.headers, &wish.variant);
        let ours = if viewers.is_none() { self.tags.get(&tags_key).await.map(Holds::Tag) } else { None };
        let started = Instant::now();
        let mut found = open(source, &wish, viewers.or(ours)).await?;
        loop {
            let (Found::Object(Object { meta, .. }) | Found::Same(meta)) = &found;
            let tag = conditional::entity_tag(meta, &wish.variant);
            let headers = self.headers(meta, &wish.transform, &tag);
            if conditional::is_other(request.headers, &tag, meta.modified) {
                return Err(Problem::new(Code::PreconditionFailed, "the picture has changed"));
            }
            if conditional::is_not_modified(request.headers, &tag, meta.modified) {
                return Ok((bare(StatusCode::NOT_MODIFIED, headers), Cost::default()));
            }
            let cache_key = format!("{}\n{tag}", wish.key.as_str());
            match found {
                Found::Object(Object { content: Content::Unavailable, .. }) => {
                    // Type and length are known only of what has been made already.
                    let response = match self.cache.get(&cache_key).await {
                        Some(answer) => finished(&answer, false, headers),
                        None => bare(StatusCode::OK, headers),
                    };
                    return Ok((response, Cost::default()));
                }
                Found::Object(object) if wish.transform.is_original() => {
                    let cost = Cost { bytes_in: object.meta.length.unwrap_or(0), ..Cost::default() };
                    let response = self.original(object, &wish, request, headers, &tag).await?;
                    return Ok((response, cost));
                }
                Found::Object(object) => {
                    self.tags.insert(tags_key, object.meta.etag.clone()).await;
                    return self.transformed(cache_key, object, wish, started.elapsed(), headers).await;
                }
                Found::Same(_) => match self.cache.get(&cache_key).await {
                    Some(answer) => return Ok((finished(&answer, false, headers), Cost::default())),
                    // It was dropped in the meantime.
                    None => match open(source, &wish, None).await? {
                        // The signature of a URL may cover the viewer's own condition, which has to be asked as it is.
                        Found::Same(_) => return Ok((bare(StatusCode::NOT_MODIFIED, headers), Cost::default())),
                        object => found = object,
                    },
                },
            }
        }
    }

    /// Reads the request, as far as that needs no original.
    fn wish(&self, request: OriginRequest<'_>) -> Result<Wish, Problem> {
        if !matches!(*request.method, Method::GET | Method::HEAD) {
            let detail = format!("{} is not served; use GET", request.method);
            return Err(Problem::new(Code::MethodNotAllowed, detail));
        }
        let deadline = Instant::now() + self.settings.deadline;
        let deadline = request.deadline.map_or(deadline, |doors| doors.min(deadline));
        let transform = query::parse(request.query, &self.settings.presets)?;
        self.check_exposure(&transform)?;
        let key = Key::from_url_path(request.path).ok_or_else(|| {
            Problem::new(Code::BadPath, "the path must name an image, percent-encoded as UTF-8, without NUL")
        })?;
        let accepted = accepted(&transform, request.headers, &self.settings.auto_formats);
        let variant = Variant::new(&format!("{}\n{accepted:?}", transform.canonical()));
        let version = if self.settings.versions { version(request.query) } else { None };
        Ok(Wish { key, version, transform, accepted, variant, deadline })
    }

    /// The original's own compressed pixels, without its metadata.
    async fn original(
        &self,
        object: Object,
        wish: &Wish,
        request: OriginRequest<'_>,
        mut headers: HeaderMap,
        tag: &str,
    ) -> Result<OriginResponse, Problem> {
        object.check_length(self.settings.max_source_bytes)?;
        let Object { meta, content } = object;
        let mut original = match content {
            Content::File(file) => Original::File(file),
            stream => {
                let object = Object { meta: meta.clone(), content: stream };
                Original::Memory(self.downloads.read(object, wish.deadline, look_at_format).await?)
            }
        };
        let keep = wish.transform.metadata.into();
        let work = Work::until(wish.deadline.into_std());
        let planned = tokio::task::spawn_blocking(move || {
            let (format, rewrite) = original.strip(keep, &work)?;
            Ok::<_, metadata::Error>((format, rewrite, original))
        });
        let (format, rewrite, original) = planned.await.map_err(|_| panicked())??;
        let length = rewrite.len();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let (status, rewrite) = match range(request.headers, tag, meta.modified, length) {
            RangeRequest::All => (StatusCode::OK, rewrite),
            RangeRequest::Part(range) => {
                let shown = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                headers.insert(header::CONTENT_RANGE, ascii(&shown));
                (StatusCode::PARTIAL_CONTENT, rewrite.slice(range))
            }
            RangeRequest::Unsatisfiable => {
                let problem = Problem::new(Code::RangeNotSatisfiable, format!("the file has {length} bytes"));
                let mut response = problem_response(&problem);
                response.headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes */{length}")));
                return Ok(response);
            }
        };
        headers.insert(header::CONTENT_LENGTH, rewrite.len().into());
        Ok(OriginResponse { status, headers, body: Body::Original(rewrite, original) })
    }

    async fn transformed(
        &self,
        cache_key: String,
        object: Object,
        wish: Wish,
        opened: Duration,
        headers: HeaderMap,
    ) -> Result<(OriginResponse, Cost), Problem> {
        let making = self.make(object, wish, opened);
        let entry = self.cache.entry(cache_key).or_try_insert_with(making).await;
        let entry = entry.map_err(|problem: Arc<Problem>| Arc::unwrap_or_clone(problem))?;
        let fresh = entry.is_fresh();
        let answer = entry.into_value();
        let cost = if fresh { answer.cost } else { Cost::default() };
        Ok((finished(&answer, fresh, headers), cost))
    }

    async fn make(&self, object: Object, wish: Wish, opened: Duration) -> Result<Answer, Problem> {
        let (started, limits, expose) = (Instant::now(), self.settings.limits, self.settings.expose_metadata);
        let Wish { transform, accepted, deadline, .. } = wish;
        let preferences = Preferences { accepted, avif_speed: self.settings.avif_speed };
        let reads_pixels = transform.answer != Wanted::Metadata;
        let looking = Work::until(deadline.into_std());
        let look = |head: &[u8]| {
            if reads_pixels { Ok(codec::look(head, limits.budget, &looking)?) } else { look_at_format(head) }
        };
        let bytes = self.downloads.read(object, deadline, look).await?;
        let cost = Cost { bytes_in: bytes.len() as u64, fetch: opened + started.elapsed(), ..Cost::default() };
        let job = move |work: &Work| -> Result<Answer, Problem> {
            match transform.answer {
                Wanted::Picture => {
                    let rendered = transform::render(&bytes, &transform, preferences, limits, work)?;
                    let media_type = rendered.format.media_type();
                    let pixels = u64::from(rendered.width) * u64::from(rendered.height);
                    let cost = Cost { pixels, stages: rendered.stages, ..cost };
                    Ok(Answer { bytes: rendered.bytes.into(), media_type, cost })
                }
                Wanted::Info => json_answer(&transform::inspect(&bytes, limits, work)?, cost),
                Wanted::Metadata => {
                    let report = metadata::report(&bytes, work)?;
                    let shown = if expose == ExposeMetadata::All { report } else { report.without_location() };
                    json_answer(&shown, cost)
                }
            }
        };
        self.pool.run(deadline, job).await?
    }

    /// Refuses to show metadata that the configuration hides.
    fn check_exposure(&self, transform: &Transform) -> Result<(), Problem> {
        let expose = self.settings.expose_metadata;
        let parameter = match (transform.answer, transform.metadata) {
            (Wanted::Metadata, _) if expose == ExposeMetadata::None => "showExif",
            (_, Metadata::All) if expose != ExposeMetadata::All => "metadata=all",
            _ => return Ok(()),
        };
        let detail = format!("{parameter} is switched off here by the setting expose_metadata");
        Err(Problem::new(Code::MetadataHidden, detail))
    }

    /// The headers that every good answer has, 304 included.
    fn headers(&self, meta: &Meta, transform: &Transform, tag: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, ascii(tag));
        headers.insert(header::CACHE_CONTROL, ascii(&format!("public, max-age={}", self.settings.max_age)));
        if let Some(modified) = meta.modified {
            headers.insert(header::LAST_MODIFIED, ascii(&httpdate::fmt_http_date(modified)));
        }
        if transform.output.format == Some(FormatChoice::Auto) {
            headers.insert(header::VARY, HeaderValue::from_static("accept"));
        }
        headers
    }
}

/// Asks the source, until the deadline.
async fn open(source: &dyn Source, wish: &Wish, holds: Option<Holds>) -> Result<Found, Problem> {
    let ask = Ask { key: &wish.key, version: wish.version.as_deref(), holds, deadline: wish.deadline };
    let opened = tokio::time::timeout_at(wish.deadline, source.open(ask)).await;
    Ok(opened.unwrap_or(Err(SourceError::TimedOut))?)
}

/// The version that the query names, in S3's own word for it.
fn version(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, value)| name == "versionId" && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// Refuses a download that is no image as soon as its first bytes are there.
fn look_at_format(head: &[u8]) -> Result<bool, Problem> {
    if sniff(head).is_some() { Ok(true) } else { Err(metadata::Error::Unrecognised.into()) }
}

/// An answer without a body.
const fn bare(status: StatusCode, headers: HeaderMap) -> OriginResponse {
    OriginResponse { status, headers, body: Body::Empty }
}

fn finished(answer: &Answer, fresh: bool, mut headers: HeaderMap) -> OriginResponse {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media_type));
    headers.insert(header::CONTENT_LENGTH, answer.bytes.len().into());
    headers.insert("server-timing", ascii(&server_timing(fresh, answer)));
    OriginResponse { status: StatusCode::OK, headers, body: Body::Bytes(answer.bytes.clone()) }
}

fn json_answer(value: &impl serde::Serialize, cost: Cost) -> Result<Answer, Problem> {
    let bytes = serde_json::to_vec(value).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    Ok(Answer { bytes: bytes.into(), media_type: "application/json", cost })
}

/// What of `Accept` matters, which is nothing unless the format is left to us.
fn accepted(transform: &Transform, headers: &HeaderMap, formats: &[Format]) -> Accepted {
    if transform.output.format != Some(FormatChoice::Auto) {
        return Accepted::default();
    }
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Accepted::from_header(&values.collect::<Vec<_>>().join(","), formats)
}

/// Milliseconds by stage, for browsers' developer tools (W3C Server Timing).
fn server_timing(fresh: bool, answer: &Answer) -> String {
    if !fresh {
        return "cache;desc=hit".to_owned();
    }
    let Stages { decode, resize, encode } = answer.cost.stages;
    let stages = [("fetch", answer.cost.fetch), ("decode", decode), ("resize", resize), ("encode", encode)];
    let mut text = String::new();
    for (name, duration) in stages {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{name};dur={:.3}", duration.as_secs_f64() * 1000.0);
    }
    text
}

fn panicked() -> Problem {
    Problem::new(Code::DamagedImage, "the image is damaged in a way that its reader did not expect")
}

/// A header value of ASCII that this crate itself wrote.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A problem as an answer.
pub fn problem_response(problem: &Problem) -> OriginResponse {
    let body = Bytes::from(problem.to_json().to_string());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(problem.cache_control()));
    if let Some(seconds) = problem.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::MethodNotAllowed {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    OriginResponse { status: problem.code.status(), headers, body: Body::Bytes(body) }
}
