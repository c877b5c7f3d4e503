//! Who may see what, and ask for what, in a server without a CDN in front: the functions of the CDN's edge, called by the
//! handlers themselves.
//!
//! Comes in: a viewer's request. Goes out: what of it goes on to the origin, or the answer that refuses it; and for the
//! origin's answer, what caches are told. What must always hold: nothing is decided here that the edge's functions do not
//! decide, so a picture is as open without a CDN as with one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use image_origin_edge::{self as edge, Action, Cf, Config, Context, Keys, Trigger};

use crate::query::Presets;

/// What signs requests in URLs: not the grammar's, and no slips either.
pub(super) const CREDENTIALS: [&str; 3] = ["token", "expires", "signature"];

/// How often files are looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
    clock: fn() -> u64,
}

#[derive(Debug)]
struct Held {
    config: Config,
    keys: Keys,
}

/// Where a policy was read from.
#[derive(Debug)]
struct Files {
    config: PathBuf,
    keys: Option<PathBuf>,
    /// The presets of the server's settings.
    presets: BTreeSet<String>,
    /// When the files were changed last, as far as they have been read.
    read: Mutex<Stamps>,
}

/// Time and length of the two files.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Policy {
    /// A policy of a configuration and keys that are there already. `clock` tells seconds since 1970.
    #[must_use]
    pub fn new(config: Config, keys: Keys, clock: fn() -> u64) -> Self {
        Self { held: RwLock::new(Arc::new(Held { config, keys })), files: None, clock }
    }

    /// Reads `edge.toml` and, if there are any, its keys. Limits may name these presets.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, and what in it is wrong or would let nobody pass.
    pub fn open(config: &Path, keys: Option<&Path>, presets: &Presets) -> Result<Self, PolicyError> {
        let (config, keys) = (config.to_owned(), keys.map(Path::to_owned));
        let files = Files { config, keys, presets: presets.keys().cloned().collect(), read: Mutex::default() };
        let held = files.read()?;
        Ok(Self { held: RwLock::new(Arc::new(held)), files: Some(files), clock: now })
    }

    /// Reads the files again. What cannot be used is left aside, and what was held before stays.
    ///
    /// # Errors
    /// Those of [`Policy::open`].
    pub fn reload(&self) -> Result<(), PolicyError> {
        let Some(files) = &self.files else { return Ok(()) };
        let held = Arc::new(files.read()?);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    /// Reads the files again whenever the process is sent SIGHUP, or one of them has changed.
    pub async fn watch(self: Arc<Self>) {
        if self.files.is_none() {
            return;
        }
        #[cfg(unix)]
        let mut hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        loop {
            #[cfg(unix)]
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => drop(hangups.recv().await),
                    None => std::future::pending().await,
                }
            };
            #[cfg(not(unix))]
            let hangup = std::future::pending::<()>();
            let is_asked = tokio::select! {
                () = hangup => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let policy = self.clone();
            let looked = tokio::task::spawn_blocking(move || policy.look(is_asked)).await;
            if let Err(error) = looked {
                tracing::error!(%error, "the edge's files could not be looked at");
            }
        }
    }

    /// Reads the files again if that is asked for or they have changed.
    fn look(&self, is_asked: bool) {
        let has_changed = |files: &Files| files.stamps() != *files.read.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_asked && !self.files.as_ref().is_some_and(has_changed) {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!("the edge's configuration and keys were read again"),
            Err(error) => tracing::error!(%error, "the edge's configuration and keys stay as they were"),
        }
    }

    /// Decides about a request.
    ///
    /// # Errors
    /// [`Refusal`] where it may not pass.
    pub(super) fn decide(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Passed, Refusal> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = edge::Request {
            client_ip: String::new(),
            headers: pairs(headers).collect(),
            method: method.to_string(),
            uri: uri.path().to_owned(),
            querystring: uri.query().unwrap_or_default().to_owned(),
            origin: None,
            body: None,
        };
        let outcome =
            edge::viewer_request(&event(Trigger::ViewerRequest, request), &held.config, (self.clock)(), &held.keys);
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
    fn stamps(&self) -> Stamps {
        let stamp = |file: &Path| {
            let facts = std::fs::metadata(file).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        };
        [stamp(&self.config), self.keys.as_deref().and_then(stamp)]
    }

    fn read(&self) -> Result<Held, PolicyError> {
        // Before they are read, so that no change goes unnoticed.
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = self.stamps();
        let named = |file: &Path, problem: String| PolicyError(format!("{}: {problem}", file.display()));
        let text = |file: &Path| {
            std::fs::read_to_string(file)
                .map_err(|error| PolicyError(format!("{} cannot be read: {error}", file.display())))
        };
        let config =
            read_config(&text(&self.config)?, Some(THIS_SERVER)).map_err(|error| named(&self.config, error))?;
        let keys = match &self.keys {
            Some(file) => Keys::from_json(&text(file)?).map_err(|error| named(file, error.to_string()))?,
            None => Keys::default(),
        };
        let config = config.config;
        let mut problems = config.unmet_by(&keys);
        problems.extend(config.unpackaged(&keys).into_iter().map(|issuer| {
            format!("jwt.issuers: this server fetches no key sets: put that of `{issuer}` into jwks of the keys")
        }));
        let unknown = config.presets().into_iter().filter(|name| !self.presets.contains(*name));
        problems
            .extend(unknown.map(|name| format!("the limits name the preset `{name}`, which the settings do not have")));
        if problems.is_empty() { Ok(Held { config, keys }) } else { Err(named(&self.config, problems.join("; "))) }
    }
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
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
