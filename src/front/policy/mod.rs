//! Who may see what, and ask for what, in a server without a CDN in front: the functions of the CDN's edge, called by the
//! handlers themselves.
//!
//! Input: a viewer's request. Output: the request for the origin, or a refusal; and `Cache-Control` for the origin's
//! response. Invariant: every decision is made by the edge's functions, so that a picture is exactly as public without a
//! CDN as with one.

#[cfg(feature = "http-client")]
mod lookups;
#[cfg(not(feature = "http-client"))]
#[path = "offline.rs"]
mod lookups;
mod place;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use image_origin_edge::{self as edge, Action, Cf, Config, Context, Keys, Trigger};
use tokio::sync::Notify;

pub(crate) use lookups::{Lookups, Settled};
pub use place::KeysPlace;

use crate::query::Presets;
use crate::text_file;

/// What signs requests in URLs: not the grammar's, and no slips either.
pub(super) const CREDENTIALS: [&str; 3] = ["token", "expires", "signature"];

/// How often files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often a parameter of AWS Systems Manager is read again.
const READ_PARAMETER_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long the task that refreshes key sets sleeps where there are none, unless it is woken up.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells the seconds since 1970.
pub(crate) type Clock = fn() -> u64;

/// The origin of a configuration that names none, since there is no CDN that would have to know.
const THIS_SERVER: &str = "[origins.transformer]\nservice = \"none\"\ndomain = \"localhost\"\n";

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

/// What is decided by: rules, limits and keys.
#[derive(Debug)]
pub struct Policy {
    held: RwLock<Arc<Held>>,
    files: Option<Files>,
    lookups: Lookups,
    /// Notified when there are other rules and keys.
    changed: Notify,
    clock: Clock,
}

/// Rules, limits and keys that belong together.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) config: Config,
    pub(crate) keys: Keys,
}

impl Held {
    /// Takes over what others have learned of other servers, if it is valid under these as well.
    pub(crate) fn inherit(&mut self, old: &Self) {
        if self.config.learns_alike(&old.config) && self.keys.is_same_client(&old.keys) {
            self.keys.inherit(&old.keys);
        }
    }
}

/// Where a policy was read from.
#[derive(Debug)]
struct Files {
    config: PathBuf,
    keys: Option<KeysPlace>,
    /// The presets of the server's settings.
    presets: BTreeSet<String>,
}

/// Tells when rules or keys have changed that are in files.
#[derive(Debug)]
pub struct Changes {
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
}

/// Time and length of a file; `None` if it cannot be found.
type Stamp = Option<(SystemTime, u64)>;

impl Changes {
    /// Those after now of a configuration and keys. Keys in other places than files never change.
    pub async fn of(config: &Path, keys: Option<&KeysPlace>) -> Self {
        let mut files = vec![config.to_owned()];
        if let Some(KeysPlace::File(file)) = keys {
            files.push(file.clone());
        }
        let seen = Self::stamps(&files).await;
        Self { files, seen }
    }

    /// Waits for the next change, within seconds of it.
    pub async fn next(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let stamps = Self::stamps(&self.files).await;
            if stamps != self.seen {
                self.seen = stamps;
                return;
            }
        }
    }

    async fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
        let mut stamps = Vec::with_capacity(files.len());
        for file in files {
            let facts = tokio::fs::metadata(file).await.ok();
            stamps.push(facts.and_then(|facts| Some((facts.modified().ok()?, facts.len()))));
        }
        stamps
    }
}

impl Policy {
    /// A policy of a configuration and keys that are there already. `clock` tells seconds since 1970.
    #[must_use]
    pub fn new(config: Config, keys: Keys, clock: fn() -> u64) -> Self {
        Self::holding(Held { config, keys }, None, clock)
    }

    /// Reads `edge.toml` and, if there are any, its keys. Limits may name these presets.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, and what in it is wrong or would let nobody pass.
    pub async fn open(config: &Path, keys: Option<KeysPlace>, presets: &Presets) -> Result<Self, PolicyError> {
        let files = Files { config: config.to_owned(), keys, presets: presets.keys().cloned().collect() };
        Ok(Self::holding(files.read().await?, Some(files), now))
    }

    fn holding(held: Held, files: Option<Files>, clock: Clock) -> Self {
        let held = RwLock::new(Arc::new(held));
        Self { held, files, lookups: Lookups::new(), changed: Notify::new(), clock }
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what another policy has learned of other servers, if it is valid under this one.
    pub fn inherit(&self, other: &Self) {
        let (old, held) = (other.held(), self.held());
        self.hold(Held { config: held.config.clone(), keys: held.keys.clone() }, &old);
    }

    fn hold(&self, mut new: Held, old: &Held) {
        new.inherit(old);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        self.changed.notify_one();
    }

    /// Reads the files again. What cannot be used is left aside, and what was held before stays.
    ///
    /// # Errors
    /// Those of [`Policy::open`].
    pub async fn reload(&self) -> Result<(), PolicyError> {
        let Some(files) = &self.files else { return Ok(()) };
        let new = files.read().await?;
        self.hold(new, &self.held());
        Ok(())
    }

    /// Reads the files again when one of them has changed, and a parameter of Systems Manager every few minutes.
    pub async fn watch(self: Arc<Self>) {
        let Some(files) = &self.files else { return };
        let reads_parameter = matches!(files.keys, Some(KeysPlace::Parameter(_)));
        let mut changes = Changes::of(&files.config, files.keys.as_ref()).await;
        loop {
            let has_changed = tokio::select! {
                () = changes.next() => true,
                () = tokio::time::sleep(READ_PARAMETER_EVERY), if reads_parameter => false,
            };
            match self.reload().await {
                Ok(()) if !has_changed => tracing::debug!("the parameter with the edge's keys was read again"),
                Ok(()) => tracing::info!("the edge's configuration and keys were read again"),
                Err(error) => tracing::error!(%error, "the edge's configuration and keys stay as they were"),
            }
        }
    }

    /// Fetches the key sets that issuers publish, and again before they are out of date. Requests do not wait for it, unless
    /// they show a token with a key that is not known yet.
    pub async fn refresh_key_sets(self: Arc<Self>) {
        loop {
            let held = self.held();
            let next = self.lookups.refresh(&held, self.clock).await.unwrap_or(LONG);
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Decides about a request. It waits for other servers only if nothing is known about a token.
    ///
    /// # Errors
    /// [`Refusal`] where it may not pass.
    pub(super) async fn decide(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Passed, Refusal> {
        let held = self.held();
        let request = edge::Request {
            client_ip: String::new(),
            headers: pairs(headers).collect(),
            method: method.to_string(),
            uri: uri.path().to_owned(),
            querystring: uri.query().unwrap_or_default().to_owned(),
            origin: None,
            body: None,
        };
        let event = event(Trigger::ViewerRequest, request);
        let decide = || edge::viewer_request(&event, &held.config, (self.clock)(), &held.keys);
        let Settled { outcome, .. } = self.lookups.settle(&held, self.clock, decide).await;
        match outcome.action {
            Action::Forward(request) => Ok(Passed { request: *request, held }),
            Action::Respond(response) => Err(Refusal { response, code: outcome.code, why: outcome.why }),
        }
    }
}

/// A request that may pass.
#[derive(Debug)]
pub(super) struct Passed {
    request: edge::Request,
    held: Arc<Held>,
}

impl Passed {
    /// The path in its canonical form.
    pub(super) fn path(&self) -> &str {
        &self.request.uri
    }

    /// The query in its canonical form, within the limits.
    pub(super) fn query(&self) -> &str {
        &self.request.querystring
    }

    /// The viewer's headers without credentials, and with what counts of `Accept`.
    pub(super) fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        headers.remove(header::AUTHORIZATION);
        headers.remove(header::COOKIE);
        match self.request.headers.single("accept").map(HeaderValue::try_from) {
            Some(Ok(accept)) => drop(headers.insert(header::ACCEPT, accept)),
            _ => drop(headers.remove(header::ACCEPT)),
        }
        headers
    }

    /// Tells caches and browsers about the answer what the edge would tell them.
    pub(super) fn finish(self, response: &mut Response) {
        let Held { config, keys } = &*self.held;
        let mut event = event(Trigger::OriginResponse, self.request);
        event.response = Some(edge::Response {
            status: response.status().as_u16().to_string(),
            status_description: None,
            headers: pairs(response.headers()).collect(),
            body: None,
            body_encoding: None,
        });
        let functions = [edge::origin_response, edge::viewer_response];
        // CloudFront does not call the second one for errors.
        let count = if response.status().as_u16() < 400 { 2 } else { 1 };
        for function in &functions[..count] {
            if let Action::Respond(changed) = function(&event, config, 0, keys).action {
                event.response = Some(*changed);
            }
        }
        let changed = event.response.map(|response| response.headers).unwrap_or_default();
        for name in [header::CACHE_CONTROL, header::CONTENT_SECURITY_POLICY, header::X_CONTENT_TYPE_OPTIONS] {
            match changed.single(name.as_str()).map(HeaderValue::try_from) {
                Some(Ok(value)) => drop(response.headers_mut().insert(name, value)),
                _ => drop(response.headers_mut().remove(name)),
            }
        }
    }
}

/// A request that may not pass.
#[derive(Debug)]
pub(super) struct Refusal {
    response: Box<edge::Response>,
    /// The stable name of the problem.
    pub(super) code: Option<&'static str>,
    /// The reason, for operators only: it may name rules and claims.
    pub(super) why: String,
}

impl Refusal {
    /// The answer to the viewer.
    pub(super) fn into_response(self) -> Response {
        let edge::Response { status, headers, body, .. } = *self.response;
        let mut response = Response::new(Body::from(body.unwrap_or_default()));
        let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
        *response.status_mut() = status.unwrap_or(StatusCode::FORBIDDEN);
        for (name, value) in headers.iter() {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

impl Files {
    async fn read(&self) -> Result<Held, PolicyError> {
        let named = |problem: String| PolicyError(format!("{}: {problem}", self.config.display()));
        let config = read_config(&read_file(&self.config).await?, Some(THIS_SERVER)).map_err(named)?;
        let keys = match &self.keys {
            Some(place) => read_keys(place).await?,
            None => Keys::default(),
        };
        let config = config.config;
        let mut problems = config.unmet_by(&keys);
        problems.extend(needs_network(&config, &keys));
        let unknown = config.presets().into_iter().filter(|name| !self.presets.contains(*name));
        problems
            .extend(unknown.map(|name| format!("the limits name the preset `{name}`, which the settings do not have")));
        if problems.is_empty() { Ok(Held { config, keys }) } else { Err(named(problems.join("; "))) }
    }
}

/// Why a program without an HTTP client cannot decide by a configuration.
fn needs_network(config: &Config, keys: &Keys) -> Vec<String> {
    if cfg!(feature = "http-client") {
        return Vec::new();
    }
    let issuers = config.unpackaged(keys).into_iter();
    let mut problems: Vec<String> = issuers
        .map(|issuer| format!("jwt.issuers: this program was built without the feature http-client: put the key set of `{issuer}` into jwks of the keys"))
        .collect();
    if config.introspects() {
        problems.push("introspection: this program was built without the feature http-client".to_owned());
    }
    problems
}

async fn read_file(file: &Path) -> Result<String, PolicyError> {
    let path = file.to_owned();
    let read =
        tokio::task::spawn_blocking(move || text_file::read(&path)).await.map_err(std::io::Error::other).flatten();
    read.map_err(|error| PolicyError(format!("{} cannot be read: {error}", file.display())))
}

/// Reads keys.
///
/// # Errors
/// [`PolicyError`] names the place and the problem, and contains no secret.
pub async fn read_keys(place: &KeysPlace) -> Result<Keys, PolicyError> {
    let text = match place {
        KeysPlace::File(file) => read_file(file).await?,
        KeysPlace::Parameter(name) => {
            read_parameter(name).await.map_err(|error| PolicyError(format!("{place}: {error}")))?
        }
        KeysPlace::Inline(text) => text.clone(),
    };
    Keys::from_json(&text).map_err(|error| PolicyError(format!("{place}: {error}")))
}

#[cfg(feature = "s3")]
async fn read_parameter(name: &str) -> Result<String, String> {
    crate::parameter_store::read(name).await.map_err(|error| error.to_string())
}

#[cfg(not(feature = "s3"))]
async fn read_parameter(_: &str) -> Result<String, String> {
    Err("this program was built without the AWS SDK, the feature s3".to_owned())
}

/// A configuration of the edge in both forms.
#[derive(Debug)]
pub struct ReadConfig {
    /// What the functions go by.
    pub config: Config,
    /// What is packaged with them.
    pub json: String,
    /// Whether it has no origins of its own, and the ones that were offered instead took their place.
    pub borrows_origins: bool,
}

/// Reads the text of an `edge.toml`. The table `[origins]` of the text `origins` takes the place of one that is not there;
/// without it, that is an error.
///
/// # Errors
/// What is wrong, by field.
pub fn read_config(text: &str, origins: Option<&str>) -> Result<ReadConfig, String> {
    let parse = |text: &str| -> Result<serde_json::Map<String, serde_json::Value>, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    };
    let mut written = parse(text)?;
    let origins = origins.filter(|_| !written.contains_key("origins"));
    if let Some(origins) = origins {
        written.extend(parse(origins)?.remove_entry("origins"));
    }
    let json = Config::compile(&written.into()).map_err(|error| error.to_string())?;
    let config = Config::from_json(&json).map_err(|error| error.to_string())?;
    Ok(ReadConfig { config, json, borrows_origins: origins.is_some() })
}

/// An event in the form that the functions take.
fn event(event_type: Trigger, request: edge::Request) -> Cf {
    let config = Context {
        distribution_domain_name: String::new(),
        distribution_id: String::new(),
        event_type,
        request_id: String::new(),
    };
    Cf { config, request, response: None }
}

/// The headers whose values are text.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
