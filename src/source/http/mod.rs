//! A source for the files of a web server, by HTTP/1.1 with and without TLS.
//!
//! It returns the metadata from the headers of the response, and the body as an unread stream, whose first bytes have been
//! recognised as an image. An interrupted download is resumed where it ended if the server has a strong entity tag for it.
//! What may be connected to is decided in `connect.rs`: no key and no response can lead elsewhere.

mod address;
mod connect;
mod settings;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

pub use address::{Network, special_use};
pub use connect::{Resolve, SystemResolver};
pub use settings::{HeaderTemplate, HttpSettings, header_name};
pub use target::{BadUrl, Host};

use super::etag::{is_made_up, modified as made_up_time, normalize_etag};
use super::retry::{ATTEMPTS, is_passing, pause_after};
use super::{
    AccessDenied, BoxFuture, ByteStream, Content, GetOptions, GetResult, Key, Object, ObjectMeta, OpenError, Source,
    SourceError, SourceSettings, is_out_of_descriptors,
};
use crate::codec::{SNIFF_LEN, sniff};
use crate::http_client;
use connect::{Guard, HttpClient, Refusal};
use settings::HeaderError;
use target::Target;

/// The maximum number of redirects of one request.
const REDIRECTS: usize = 3;

/// The number of times that a download is continued by another request.
const CONTINUATIONS: u32 = 3;

/// The header in which a response may list cache tags.
const CACHE_TAGS: HeaderName = HeaderName::from_static("cache-tag");

/// The characters of keys that are not percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Files below a URL.
pub struct Http {
    base: Target,
    denied: AccessDenied,
    first_bytes: Option<u64>,
    requests: Arc<Requests>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("host", &self.base.host).finish_non_exhaustive()
    }
}

impl Http {
    /// Checks a URL and its settings, without the environment.
    ///
    /// # Errors
    /// [`OpenError::Url`], [`OpenError::Query`] and [`OpenError::Guarded`].
    pub fn check(url: &str, settings: &SourceSettings) -> Result<(), OpenError> {
        let base = base(url)?;
        guard(&base, &settings.http).check(&base).map_err(|refusal| OpenError::Guarded(refusal.to_string()))
    }

    /// Creates a source for the files below a URL.
    ///
    /// # Errors
    /// Those of [`Self::check`], [`OpenError::Header`] and [`OpenError::Tls`].
    pub fn new(url: &str, settings: &SourceSettings) -> Result<Self, OpenError> {
        Self::with_resolver(url, settings, Arc::new(SystemResolver))
    }

    /// Creates a source that looks up hosts by a resolver of its own.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn with_resolver(url: &str, settings: &SourceSettings, resolver: Arc<dyn Resolve>) -> Result<Self, OpenError> {
        Self::check(url, settings)?;
        let base = base(url)?;
        let guard = Arc::new(guard(&base, &settings.http));
        let client = connect::client(guard.clone(), resolver).map_err(|error| OpenError::Tls(error.to_string()))?;
        let HttpSettings { headers, timeout, first_bytes, .. } = &settings.http;
        let requests = Requests { client, guard, own_headers: filled(headers)?, own: base.clone(), timeout: *timeout };
        Ok(Self { base, denied: settings.denied, first_bytes: *first_bytes, requests: Arc::new(requests) })
    }

    /// The URL of a key. `None` if servers may read it in different ways.
    fn target(&self, key: &Key) -> Option<Target> {
        let is_plain = key.is_plain() && !key.as_str().contains(|c: char| c.is_control() || c == '\\');
        is_plain.then(|| self.base.below(&utf8_percent_encode(key.as_str(), PLAIN).to_string()))
    }

    async fn get(&self, options: GetOptions<'_>) -> Result<GetResult, SourceError> {
        let target = self.target(options.key).ok_or(SourceError::NotFound)?;
        let conditions = conditions(options.if_none_match);
        if let Some(first) = self.first_bytes {
            let mut headers = conditions.clone();
            headers.insert(header::RANGE, range(0, Some(first)));
            let answer = self.requests.ask(&target, headers).await?;
            // A part whose rest could not be told from that of another version is not used, nor is an answer to the range of
            // a file that has none.
            match answer.response.status().as_u16() {
                206 if Part::of(answer.response.headers()).is_none_or(|part| part.start != 0 || part.tag.is_none()) => {
                }
                416 => {}
                _ => return self.found(answer, options.if_none_match).await,
            }
        }
        self.found(self.requests.ask(&target, conditions).await?, options.if_none_match).await
    }

    async fn found(&self, answer: Answered, held: Option<&str>) -> Result<GetResult, SourceError> {
        let headers = answer.response.headers();
        let status = answer.response.status().as_u16();
        let failed = |reason: String| Err(SourceError::Failed(reason));
        match status {
            200 | 206 => {
                let coding = text(headers, header::CONTENT_ENCODING).unwrap_or("identity");
                if !coding.eq_ignore_ascii_case("identity") {
                    return failed(format!(
                        "the server responded with the content coding {coding}, which was not accepted"
                    ));
                }
                let length = match Part::of(headers) {
                    Some(Part { start: 0, total, .. }) if status == 206 => Some(total),
                    _ if status == 206 => return failed("the server responded with a part of the file".to_owned()),
                    _ => text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
                };
                let meta = meta(headers, length);
                let tag = strong_tag(headers);
                let download = Download {
                    requests: self.requests.clone(),
                    target: answer.target,
                    body: answer.response.into_body(),
                    received: 0,
                    length,
                    tag,
                    continuations: 0,
                };
                Ok(GetResult::Object(Object { meta, content: Content::Stream(download.recognised().await?) }))
            }
            304 if held.is_some() => Ok(GetResult::NotModified(ObjectMeta {
                etag: held.map(str::to_owned),
                modified: modified(headers),
                is_partial: true,
                ..ObjectMeta::default()
            })),
            401 | 403 => {
                tracing::warn!(status, host = %answer.target.host, "the server denied access to an original");
                Err(match self.denied {
                    AccessDenied::NotFound => SourceError::NotFound,
                    AccessDenied::Forbidden => SourceError::Forbidden,
                })
            }
            404 | 410 => Err(SourceError::NotFound),
            408 | 504 => Err(SourceError::TimedOut),
            429 | 503 => Err(SourceError::Busy),
            _ => failed(format!("the server {} responded with {status}", answer.target.host)),
        }
    }
}

impl Source for Http {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(self.get(options))
    }
}

fn base(url: &str) -> Result<Target, OpenError> {
    let base = Target::parse(url).map_err(|error| OpenError::Url(error.to_string()))?;
    if base.has_query() || url.contains('#') {
        return Err(OpenError::Query);
    }
    if base.path().ends_with('/') { Ok(base) } else { Ok(base.below("/")) }
}

fn guard(base: &Target, settings: &HttpSettings) -> Guard {
    let HttpSettings { redirect_hosts, networks, ports, .. } = settings.clone();
    Guard { own: (base.host.clone(), base.port), hosts: redirect_hosts, networks, ports }
}

fn filled(headers: &[(HeaderName, HeaderTemplate)]) -> Result<HeaderMap, OpenError> {
    let fill = |(name, template): &(HeaderName, HeaderTemplate)| {
        let value = template.fill(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let value = value.map_err(|error| match error {
            HeaderError::Unset(variable) => {
                OpenError::Header(format!("the variable {variable}, which the header {name} contains, is not set"))
            }
            HeaderError::Characters => {
                OpenError::Header(format!("the header {name} contains characters that no header has"))
            }
        })?;
        Ok((name.clone(), value))
    };
    headers.iter().map(fill).collect()
}

/// The preconditions of a request for something that is here already.
fn conditions(held: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(tag) = held else { return headers };
    let (name, value) = match made_up_time(tag) {
        Some(time) if is_made_up(tag) => (header::IF_MODIFIED_SINCE, httpdate::fmt_http_date(time)),
        _ => (header::IF_NONE_MATCH, format!("\"{tag}\"")),
    };
    headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
    headers
}

/// The value of `Range` for the bytes from `start` on, or for the first `count`.
fn range(start: u64, count: Option<u64>) -> HeaderValue {
    let end = count.map(|count| start.saturating_add(count).saturating_sub(1).to_string()).unwrap_or_default();
    // Digits and ASCII punctuation are always a valid header value.
    HeaderValue::try_from(format!("bytes={start}-{end}")).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn modified(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok())
}

fn meta(headers: &HeaderMap, length: Option<u64>) -> ObjectMeta {
    let modified = modified(headers);
    ObjectMeta {
        etag: normalize_etag(text(headers, header::ETAG), modified, length),
        modified,
        length,
        cache_control: text(headers, header::CACHE_CONTROL).map(str::to_owned),
        cache_tags: text(headers, CACHE_TAGS).map(str::to_owned),
        focus: None,
        is_partial: false,
    }
}

/// The entity tag, if equal tags mean equal bytes (RFC 9110, section 8.8.1).
fn strong_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).cloned()
}

/// The part of a file in a response with the status 206.
struct Part {
    start: u64,
    total: u64,
    tag: Option<HeaderValue>,
}

impl Part {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let (part, total) = text(headers, header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = part.split_once('-')?;
        let (start, end, total) = (start.parse().ok()?, end.parse::<u64>().ok()?, total.parse().ok()?);
        (start <= end && end < total).then(|| Self { start, total, tag: strong_tag(headers) })
    }
}

/// A response, and the URL that it came from after redirects.
struct Answered {
    response: Response<Incoming>,
    target: Target,
}

/// Makes requests.
struct Requests {
    client: HttpClient,
    guard: Arc<Guard>,
    /// The headers of requests to the source's own scheme, host and port.
    own_headers: HeaderMap,
    own: Target,
    timeout: Duration,
}

impl Requests {
    /// Makes a request, follows redirects, and retries what may pass.
    async fn ask(&self, target: &Target, headers: HeaderMap) -> Result<Answered, SourceError> {
        let mut target = target.clone();
        for _ in 0..=REDIRECTS {
            self.guard.check(&target).map_err(|refusal| refused(&refusal))?;
            let response = self.ask_once(&target, &headers).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Answered { response, target });
            }
            let location = text(response.headers(), header::LOCATION).unwrap_or_default();
            let next = target.join(location).map_err(|error| refused(&error.into()))?;
            if target.is_tls && !next.is_tls {
                return Err(refused(&Refusal::Downgrade));
            }
            target = next;
        }
        Err(refused(&Refusal::Redirects(REDIRECTS)))
    }

    async fn ask_once(&self, target: &Target, headers: &HeaderMap) -> Result<Response<Incoming>, SourceError> {
        for attempt in 1.. {
            let answer = self.send(target, headers).await;
            let is_last = attempt == ATTEMPTS;
            match answer {
                Ok(response) if is_last || !is_passing(response.status().as_u16()) => return Ok(response),
                Err(Failure { error, may_pass }) if is_last || !may_pass => return Err(error),
                _ => pause_after(attempt).await,
            }
        }
        Err(SourceError::TimedOut)
    }

    async fn send(&self, target: &Target, headers: &HeaderMap) -> Result<Response<Incoming>, Failure> {
        let unfit = |error: http::Error| Failure { error: SourceError::Failed(error.to_string()), may_pass: false };
        let mut request = Request::get(target.uri().map_err(unfit)?).body(Empty::new()).map_err(unfit)?;
        let sent = request.headers_mut();
        sent.insert(header::ACCEPT, HeaderValue::from_static("image/*, */*;q=0.1"));
        sent.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        sent.insert(header::USER_AGENT, HeaderValue::from_static(concat!("image-origin/", env!("CARGO_PKG_VERSION"))));
        if target.is_same_origin(&self.own) {
            sent.extend(self.own_headers.clone());
            http_client::trace(sent);
        }
        sent.extend(headers.clone());
        match timeout(self.timeout, self.client.request(request)).await {
            Ok(answered) => answered.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure { error: SourceError::TimedOut, may_pass: true }),
        }
    }
}

/// A request without a response.
struct Failure {
    error: SourceError,
    /// Whether the same request may succeed.
    may_pass: bool,
}

impl Failure {
    fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut causes = std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
        if let Some(refusal) = causes.clone().find_map(|cause| cause.downcast_ref::<Refusal>()) {
            return Self { error: refused(refusal), may_pass: false };
        }
        if is_out_of_descriptors(error) {
            return Self { error: SourceError::OutOfDescriptors, may_pass: false };
        }
        if causes.any(<dyn std::error::Error>::is::<tokio::time::error::Elapsed>) {
            return Self { error: SourceError::TimedOut, may_pass: true };
        }
        let reason = "the server is unreachable, or closed the connection before it responded";
        Self { error: SourceError::Failed(reason.to_owned()), may_pass: true }
    }
}

fn refused(refusal: &Refusal) -> SourceError {
    SourceError::Failed(format!("a request was refused: {refusal}"))
}

/// A file that is being received.
struct Download {
    requests: Arc<Requests>,
    target: Target,
    body: Incoming,
    received: u64,
    /// The length of the whole file.
    length: Option<u64>,
    /// The strong entity tag by which the rest is known to be of the same version.
    tag: Option<HeaderValue>,
    continuations: u32,
}

impl Download {
    /// The whole file as a stream, after its first bytes have been recognised as an image.
    async fn recognised(mut self) -> Result<ByteStream, SourceError> {
        let mut head = Vec::new();
        while head.len() < SNIFF_LEN {
            let Some(piece) = self.next().await? else { break };
            head.extend_from_slice(&piece);
        }
        if sniff(&head).is_none() {
            return Err(SourceError::Unrecognised);
        }
        let rest = stream::try_unfold(self, |mut download| async move {
            Ok(download.next().await?.map(|piece| (piece, download)))
        });
        Ok(Box::pin(stream::iter([Ok(Bytes::from(head))]).chain(rest)))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        loop {
            let frame = timeout(self.requests.timeout, self.body.frame()).await.map_err(|_| SourceError::TimedOut)?;
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are of no use.
                    let Ok(piece) = frame.into_data() else { continue };
                    self.received += piece.len() as u64;
                    return Ok(Some(piece));
                }
                None if self.length.is_none_or(|length| self.received >= length) => return Ok(None),
                None | Some(Err(_)) => self.resume().await?,
            }
        }
    }

    /// Requests what has not been received, if it is of the same version.
    async fn resume(&mut self) -> Result<(), SourceError> {
        let interrupted = || SourceError::Failed("the download was interrupted".to_owned());
        self.continuations += 1;
        if self.length.is_none() || self.continuations > CONTINUATIONS {
            return Err(interrupted());
        }
        let tag = self.tag.clone().ok_or_else(interrupted)?;
        let headers = HeaderMap::from_iter([(header::RANGE, range(self.received, None)), (header::IF_RANGE, tag)]);
        let Answered { response, .. } = self.requests.ask(&self.target, headers).await?;
        match (response.status().as_u16(), Part::of(response.headers())) {
            (206, Some(part))
                if part.start == self.received && Some(part.total) == self.length && part.tag == self.tag =>
            {
                self.body = response.into_body();
                Ok(())
            }
            (200 | 206, _) => Err(SourceError::Failed("the original changed while it was received".to_owned())),
            _ => Err(interrupted()),
        }
    }
}
