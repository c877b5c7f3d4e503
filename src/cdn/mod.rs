//! A local CDN: the path of a request through CloudFront, in one process.
//!
//! ```text
//! viewer -> viewer-request -> cache -> origin-request -> origin's handler -> origin-response -> cache
//!        <- viewer-response <- cache
//! ```
//!
//! The four functions are those of `crates/edge/`, called natively; the origin is the local server behind a handler
//! that verifies signatures. CloudFront's own parts, the cache and the headers around it, are implemented here
//! according to its Developer Guide.

mod cache;
mod origins;
mod policy;
mod router;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use image_origin_edge::{self as edge, Action, Cf, Config, Context, Keys, Trigger};

pub use origins::{NoRandomNumbers, random_text, sha256};
pub use router::router;

use crate::front::policy::{Held, Lookups, Settled, now};
use crate::purge::Batch;
use crate::source::Source;
use cache::{Answer, Cache, Entry, Key};
use origins::{Arrival, Origins};
use trace::{Trace, Traces, described, shown};

/// The default configuration: everything is public, and requests to the origins are signed.
pub const OPEN: &str = include_str!("open.toml");

/// The domain of the transformer if the configuration does not specify one.
const TRANSFORMER: &str = "transformer.localhost";

/// The CDN with its two origins.
pub struct Cdn {
    held: Arc<Held>,
    lookups: Lookups,
    origins: Origins,
    cache: Arc<Cache>,
    tag_header: Option<HeaderName>,
    traces: Arc<Traces>,
    /// The path of an existing picture, as an example for the page.
    example: Option<String>,
}

/// The settings of the CDN, besides the configuration of the edge.
#[derive(Debug, Clone)]
pub struct CdnSettings {
    /// The total size of the cache in bytes.
    pub cache: u64,
    /// The maximum size of a response from an origin in bytes.
    pub max_answer: u64,
    /// The header with cache tags, which viewers do not get.
    pub tag_header: Option<HeaderName>,
}

/// The values of `X-Cache`.
const HIT: &str = "Hit from cloudfront";
const MISS: &str = "Miss from cloudfront";
const REFRESHED: &str = "RefreshHit from cloudfront";
const ERROR: &str = "Error from cloudfront";
const GENERATED: &str = "LambdaGeneratedResponse from cloudfront";

/// The maximum number of items of an invalidation that the page shows.
const SHOWN_ITEMS: usize = 20;

/// A response for the client.
struct Reply {
    answer: Arc<Answer>,
    x_cache: &'static str,
    /// The time that it has been in the cache, if it comes from there.
    age: Option<Duration>,
}

impl Cdn {
    /// Creates a CDN in front of a transformer, which is any HTTP service, and a storage.
    ///
    /// # Errors
    /// [`NoRandomNumbers`].
    pub fn new(
        mut config: Config,
        mut keys: Keys,
        transformer: Router,
        storage: Box<dyn Source>,
        settings: CdnSettings,
    ) -> Result<Self, NoRandomNumbers> {
        let CdnSettings { cache, max_answer, tag_header } = settings;
        let origins = Origins::new(transformer, storage, max_answer)?;
        config.name_transformer(TRANSFORMER);
        keys.credentials = Some(origins.credentials.clone());
        let cache = Arc::new(Cache::new(cache, tag_header.clone()));
        let (held, lookups) = (Arc::new(Held { config, keys }), Lookups::new());
        Ok(Self { held, lookups, origins, cache, tag_header, traces: Arc::default(), example: None })
    }

    /// Takes over what a CDN with other rules, keys or settings has cached, recorded, and learned of other servers.
    #[must_use]
    pub fn succeeding(mut self, before: &Self) -> Self {
        let mut held = Held { config: self.held.config.clone(), keys: self.held.keys.clone() };
        held.inherit(&before.held);
        self.held = Arc::new(held);
        self.traces = before.traces.clone();
        if self.tag_header == before.tag_header {
            self.cache = before.cache.clone();
        }
        self
    }

    /// Fetches the key sets that issuers publish, again and again.
    pub async fn refresh_key_sets(self: Arc<Self>) {
        while let Some(next) = self.lookups.refresh(&self.held, now).await {
            tokio::time::sleep(next).await;
        }
    }

    /// Sets the path of a picture that the page offers as an example.
    #[must_use]
    pub fn proposing(self, example: Option<String>) -> Self {
        Self { example, ..self }
    }

    async fn respond(self: &Arc<Self>, request: edge::Request, id: &str) -> Reply {
        let mut trace = Trace::start(id.to_owned(), &request);
        let event = cf(Trigger::ViewerRequest, id, request);
        let reply = self.reply(&event, id, &mut trace).await;
        let reply = self.towards_viewer(reply, event.request, id, &mut trace);
        trace.step(
            "viewer",
            format!("gets {}, {}", reply.answer.status, reply.x_cache),
            headers_in_lines(&reply.answer),
        );
        trace.end(reply.answer.status, reply.x_cache);
        self.traces.add(trace);
        reply
    }

    /// Forgets what a batch names; gives how many answers that were.
    fn invalidate(&self, batch: &Batch, id: &str) -> usize {
        let request = edge::Request {
            client_ip: String::new(),
            headers: edge::Headers::default(),
            method: "POST".to_owned(),
            uri: "/2020-05-31/distribution/LOCAL/invalidation".to_owned(),
            querystring: String::new(),
            origin: None,
            body: None,
        };
        let mut trace = Trace::start(id.to_owned(), &request);
        let forgotten = self.cache.invalidate(&batch.items);
        let shown = batch.items.iter().take(SHOWN_ITEMS).cloned().collect();
        trace.step("cache", format!("forgets {forgotten} answers by {} items", batch.items.len()), shown);
        trace.end(201, "");
        self.traces.add(trace);
        forgotten
    }

    async fn reply(self: &Arc<Self>, event: &Cf, id: &str, trace: &mut Trace) -> Reply {
        let decide = || edge::viewer_request(event, &self.held.config, now(), &self.held.keys);
        let Settled { outcome, asked } = self.lookups.settle(&self.held, now, decide).await;
        for url in asked {
            trace.step("viewer-request", format!("asked {url}"), Vec::new());
        }
        match outcome.action {
            Action::Respond(response) => {
                trace.step("viewer-request", outcome.why, Vec::new());
                Reply { answer: Arc::new(generated(*response)), x_cache: GENERATED, age: None }
            }
            Action::Forward(forwarded) => {
                let ignored = explain_ignored(&event.request.querystring, &self.held.config);
                trace.step("viewer-request", outcome.why, described(&forwarded).into_iter().chain(ignored).collect());
                let request = forwarded;
                self.through_cache(*request, id, trace).await
            }
        }
    }

    /// Applies the viewer-response function. CloudFront does not call it for errors and for responses generated by a
    /// function.
    fn towards_viewer(&self, reply: Reply, request: edge::Request, id: &str, trace: &mut Trace) -> Reply {
        if reply.answer.status >= 400 || reply.x_cache == GENERATED {
            return reply;
        }
        let mut event = cf(Trigger::ViewerResponse, id, request);
        event.response = Some(without_body(&reply.answer));
        let outcome = edge::viewer_response(&event, &self.held.config, now(), &self.held.keys);
        trace.step("viewer-response", outcome.why, Vec::new());
        match outcome.action {
            Action::Respond(response) => {
                let answer = Arc::new(replaced(*response, reply.answer.body.clone()));
                Reply { answer, ..reply }
            }
            Action::Forward(_) => reply,
        }
    }

    async fn through_cache(self: &Arc<Self>, request: edge::Request, id: &str, trace: &mut Trace) -> Reply {
        let key = Key::of(&request);
        if let Some(hit) = self.hit(&key, trace).await {
            return hit;
        }
        if let Some(entry) = self.cache.find(&key).filter(Entry::may_wait) {
            let age = Some(entry.age());
            trace.step("cache", "serves a stale response while a new one is fetched", vec![key.to_string()]);
            let (cdn, id) = (self.clone(), id.to_owned());
            tokio::spawn(async move { cdn.renew(request, &key, &id).await });
            return Reply { answer: entry.answer, x_cache: HIT, age };
        }
        self.past_cache(request, &key, id, trace).await
    }

    /// Fetches a new response while clients receive the stale one. It is traced as a separate request.
    async fn renew(&self, request: edge::Request, key: &Key, id: &str) {
        if self.cache.is_under_way(key) {
            return;
        }
        let mut trace = Trace::start(format!("{id}-renewal"), &request);
        let reply = self.past_cache(request, key, id, &mut trace).await;
        trace.end(reply.answer.status, reply.x_cache);
        self.traces.add(trace);
    }

    /// Contacts the origin, unless another request has done so in the meantime.
    async fn past_cache(&self, request: edge::Request, key: &Key, id: &str, trace: &mut Trace) -> Reply {
        let turn = self.cache.turn(key).await;
        // The request that was at the origin may have filled the cache.
        if let Some(hit) = self.hit(key, trace).await {
            return hit;
        }
        let stale = self.cache.find(key);
        let invalidated = self.cache.invalidated();
        trace.step("cache", if stale.is_some() { "stale" } else { "miss" }, vec![key.to_string()]);
        let answer = Arc::new(self.fetch(request, stale.as_ref(), id, trace).await);
        if let Some(entry) = stale {
            let old = &entry.answer;
            if answer.status == 304 {
                let renewed = Arc::new(renewed(old, &answer));
                let lifetime = self.cache.keep(key, &renewed, invalidated);
                trace.step("cache", format!("revalidated; kept for {} more s", lifetime.as_secs()), Vec::new());
                return Reply { answer: renewed, x_cache: REFRESHED, age: None };
            }
            if answer.status >= 500 && entry.outlives_errors() {
                trace.step("cache", "serves a stale response because the origin failed", Vec::new());
                return Reply { answer: old.clone(), x_cache: HIT, age: None };
            }
        }
        let lifetime = self.cache.keep(key, &answer, invalidated);
        if lifetime.is_zero() {
            turn.was_pointless();
            trace.step("cache", "response not cached", Vec::new());
        } else {
            trace.step("cache", format!("response cached for {} s", lifetime.as_secs()), Vec::new());
        }
        let x_cache = if answer.status >= 400 { ERROR } else { MISS };
        Reply { answer, x_cache, age: None }
    }

    async fn hit(&self, key: &Key, trace: &mut Trace) -> Option<Reply> {
        let entry = self.cache.find(key).filter(Entry::is_fresh)?;
        let (age, lifetime) = (entry.age(), entry.freshness.lifetime);
        let why = format!("hit, {} s old, fresh for {} s", age.as_secs(), lifetime.as_secs());
        trace.step("cache", why, vec![key.to_string()]);
        let x_cache = if entry.answer.status >= 400 { ERROR } else { HIT };
        Some(Reply { answer: entry.answer, x_cache, age: Some(age) })
    }

    /// Sends a request to the origin, through origin-request and origin-response.
    async fn fetch(&self, mut request: edge::Request, stale: Option<&Entry>, id: &str, trace: &mut Trace) -> Answer {
        towards_origin(&mut request, stale);
        let cf_request = cf(Trigger::OriginRequest, id, request);
        let outcome = edge::origin_request(&cf_request, &self.held.config, now(), &self.held.keys);
        let request = match outcome.action {
            Action::Respond(response) => {
                trace.step("origin-request", outcome.why, Vec::new());
                return generated(*response);
            }
            Action::Forward(request) => *request,
        };
        trace.step("origin-request", outcome.why, described(&request));
        let answer = match self.ask(&request, id, trace).await {
            Ok(answer) => answer,
            Err(status) => {
                let text = format!("{status}: the local CDN received no response from the origin\n");
                return Answer { status: status.as_u16(), headers: HeaderMap::new(), body: text.into() };
            }
        };
        let mut event = cf(Trigger::OriginResponse, id, request);
        event.response = Some(without_body(&answer));
        let outcome = edge::origin_response(&event, &self.held.config, now(), &self.held.keys);
        let answer = match outcome.action {
            Action::Respond(response) => replaced(*response, answer.body),
            Action::Forward(_) => answer,
        };
        trace.step("origin-response", outcome.why, headers_in_lines(&answer));
        answer
    }

    /// Sends a request to an origin's handler. The error is CloudFront's own status for the failure.
    async fn ask(&self, request: &edge::Request, id: &str, trace: &mut Trace) -> Result<Answer, StatusCode> {
        let domain = request.origin.as_ref().map_or("", edge::Origin::domain_name);
        let target = Origins::target(&self.held.config, domain).ok_or(StatusCode::BAD_GATEWAY)?;
        let method: Method = request.method.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        let mut headers = request.headers.clone();
        headers.set("x-amz-cf-id", id);
        let path = format!("{}{}", target.path, request.uri);
        let arrival = Arrival { method: &method, path: &path, query: &request.querystring, headers };
        let most = usize::try_from(self.origins.most).unwrap_or(usize::MAX);
        let limit = Duration::from_secs(target.read_timeout_seconds.into());
        let asked = async {
            let (response, why) = self.origins.answer(&self.held.config, target, &arrival).await;
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, most).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((Answer { status: parts.status.as_u16(), headers: parts.headers, body }, why))
        };
        let (why, status) = match tokio::time::timeout(limit, asked).await {
            Ok(Ok((answer, why))) => {
                trace.step("origin", format!("{why}; responded with {}", answer.status), headers_in_lines(&answer));
                return Ok(answer);
            }
            Ok(Err(error)) => (format!("the response could not be read completely: {error}"), StatusCode::BAD_GATEWAY),
            Err(_) => (format!("no response within {} s", limit.as_secs()), StatusCode::GATEWAY_TIMEOUT),
        };
        trace.step("origin", why, Vec::new());
        Err(status)
    }
}

/// The first ignored parameters with suggestions; `None` if all are known.
pub fn explain_ignored(query: &str, config: &Config) -> Option<String> {
    let is_known = |name: &str| match name {
        "token" | "expires" | "signature" => true,
        "versionId" => config.has_versions(),
        _ => false,
    };
    let ignored = crate::query::ignored_names(query).filter(|ignored| !is_known(&ignored.name));
    let names = ignored.map(|ignored| match ignored.meant {
        Some(meant) => format!("{} (did you mean {meant}?)", ignored.name),
        None => ignored.name,
    });
    let names = names.take(8).collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("ignored: {names}"))
}

fn cf(event_type: Trigger, id: &str, request: edge::Request) -> Cf {
    let config = Context {
        distribution_domain_name: "localhost".to_owned(),
        distribution_id: "LOCAL".to_owned(),
        event_type,
        request_id: id.to_owned(),
    };
    Cf { config, request, response: None }
}

/// Converts the client's headers as CloudFront does: only those in the cache key are forwarded, and its own are added.
/// Preconditions and ranges of the client are evaluated by the cache; a stale entry is revalidated with a conditional
/// request.
fn towards_origin(request: &mut edge::Request, stale: Option<&Entry>) {
    request.headers.retain(|name| matches!(name, "accept" | "traceparent" | "tracestate"));
    request.headers.set("User-Agent", "Amazon CloudFront");
    request.headers.set("Via", VIA);
    let Some(entry) = stale else { return };
    for (validator, condition) in [(header::ETAG, "If-None-Match"), (header::LAST_MODIFIED, "If-Modified-Since")] {
        if let Some(value) = entry.answer.headers.get(validator).and_then(|value| value.to_str().ok()) {
            request.headers.set(condition, value);
        }
    }
}

const VIA: &str = "2.0 localhost (CloudFront)";

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

fn header_map(headers: &edge::Headers) -> HeaderMap {
    let parsed = headers
        .iter()
        .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?)));
    let mut map = HeaderMap::new();
    for (name, value) in parsed {
        map.append(name, value);
    }
    map
}

/// A response as functions see it, without the body, which CloudFront does not show them.
fn without_body(answer: &Answer) -> edge::Response {
    edge::Response {
        status: answer.status.to_string(),
        status_description: None,
        headers: pairs(&answer.headers).collect(),
        body: None,
        body_encoding: None,
    }
}

/// A response generated by a function instead of the origin.
fn generated(response: edge::Response) -> Answer {
    replaced(response, Bytes::new())
}

/// A response as changed by a function. Unless the function sets a body, it keeps that of the origin.
fn replaced(response: edge::Response, body: Bytes) -> Answer {
    let mut headers = header_map(&response.headers);
    let body = match response.body {
        Some(text) => {
            headers.remove(header::CONTENT_LENGTH);
            text.into()
        }
        None => body,
    };
    Answer { status: response.status.parse().unwrap_or(502), headers, body }
}

/// A stale response with the headers of the 304 that confirmed it (RFC 9111, section 4.3.4).
fn renewed(old: &Answer, confirmed: &Answer) -> Answer {
    let mut renewed = old.clone();
    for (name, value) in &confirmed.headers {
        if name != header::CONTENT_LENGTH {
            renewed.headers.insert(name, value.clone());
        }
    }
    renewed
}

fn headers_in_lines(answer: &Answer) -> Vec<String> {
    let mut lines = vec![format!("{} with {} bytes", answer.status, answer.body.len())];
    lines.extend(shown(&pairs(&answer.headers).collect()));
    lines
}
