//! The requests to other servers that decisions need: key sets of token issuers, and introspection of tokens.
//!
//! Input: a decision that may name a lookup. Output: the decision with its answer. Invariants: a decision that needs no
//! answer waits for nothing; one lookup is under way for each subject, however many requests wait for its answer; without
//! an answer, nobody passes.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use image_origin_edge::{CacheControl, Config, Keys, Lookup, Outcome};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Clock, Held};
use crate::http_client::HttpClient;
use crate::telemetry::otel::carried;

/// The maximum number of lookups of a request: its tokens, for its picture and for the overlay.
const MAX_LOOKUPS: usize = 8;

/// How long a request waits for all of its lookups.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one lookup may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum size of an answer in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The number of lookups that may be under way at a time.
const TURNS: usize = 64;

/// How often published key sets are fetched if their issuer does not say how long they are fresh, and the limits of that.
const REFRESH: Duration = Duration::from_secs(10 * 60);
const REFRESH_LIMITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(60 * 60)];

/// Sends lookups.
#[derive(Debug, Clone)]
pub(crate) struct Lookups {
    client: HttpClient,
    /// Locked while a lookup of its share of the subjects is under way.
    turns: Arc<[Arc<Mutex<()>>]>,
}

/// A decision after its lookups.
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    /// The URLs that were asked.
    pub(crate) asked: Vec<String>,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Self { client: HttpClient::new(), turns: (0..TURNS).map(|_| Arc::default()).collect() }
    }

    /// Decides, with lookups if the decision needs them.
    pub(crate) async fn settle(&self, held: &Arc<Held>, now: Clock, decide: impl Fn() -> Outcome) -> Settled {
        let deadline = Instant::now() + PATIENCE;
        let mut settled = Settled { outcome: decide(), asked: Vec::new() };
        for _ in 0..MAX_LOOKUPS {
            let Some(lookup) = settled.outcome.lookup.take() else { break };
            let url = lookup.url.clone();
            match tokio::time::timeout_at(deadline, self.ask(held, lookup, now, &decide)).await {
                Ok(was_sent) => settled.asked.extend(was_sent.then_some(url)),
                Err(_) => break,
            }
            settled.outcome = decide();
        }
        settled
    }

    /// Sends a lookup, unless the decision has changed by the time that it is its turn.
    async fn ask(&self, held: &Arc<Held>, lookup: Box<Lookup>, now: Clock, decide: impl Fn() -> Outcome) -> bool {
        let turn = BuildHasherDefault::<DefaultHasher>::default().hash_one(&lookup.subject) as usize % TURNS;
        let turn = self.turns[turn].clone().lock_owned().await;
        if decide().lookup.as_ref() != Some(&lookup) {
            return false;
        }
        let (lookups, held) = (self.clone(), held.clone());
        // A client that leaves does not end it, so that it cannot cause more of them by leaving.
        let asking = tokio::spawn(carried(async move {
            let _turn = turn;
            lookups.learn(&held.config, &held.keys, &lookup, now).await;
        }));
        asking.await.is_ok()
    }

    /// Sends a lookup, and stores its answer, or that there was none. Returns how long the answer is fresh by its headers.
    async fn learn(&self, config: &Config, keys: &Keys, lookup: &Lookup, now: Clock) -> Option<Duration> {
        let answer = self.send(lookup).await;
        let (body, fresh) = match &answer {
            Ok((body, fresh)) => (Some(body.as_str()), Some(*fresh)),
            Err(_) => (None, None),
        };
        let is_good = keys.learn(config, &lookup.subject, body, now());
        match answer {
            Err(error) => tracing::warn!(url = lookup.url, error, "a lookup for the access rules has failed"),
            Ok(_) if !is_good => {
                tracing::warn!(url = lookup.url, "the answer to a lookup for the access rules is of no use");
            }
            Ok(_) => tracing::debug!(url = lookup.url, "answered a lookup for the access rules"),
        }
        fresh.filter(|_| is_good)
    }

    async fn send(&self, lookup: &Lookup) -> Result<(String, Duration), String> {
        let mut request = http::Request::builder().method(lookup.method).uri(&lookup.url);
        for (name, value) in &lookup.headers {
            request = request.header(*name, value);
        }
        let body = lookup.body.clone().map_or_else(Body::empty, Body::from);
        let request = request.body(body).map_err(|error| error.to_string())?;
        let response =
            self.client.send(request, ANSWER_TIMEOUT, MAX_ANSWER).await.map_err(|error| error.to_string())?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("the status is {}", response.status().as_u16()));
        }
        let caching = response.headers().get_all(http::header::CACHE_CONTROL).iter();
        let max_age = CacheControl::parse(caching.filter_map(|value| value.to_str().ok())).max_age;
        let [least, most] = REFRESH_LIMITS;
        let fresh = max_age.map_or(REFRESH, |seconds| Duration::from_secs(seconds.into())).clamp(least, most);
        let body = String::from_utf8(response.into_body().into()).map_err(|_| "the answer is not UTF-8".to_owned())?;
        Ok((body, fresh))
    }

    /// Fetches all published key sets, and returns when they should be fetched again; `None` if there are none.
    pub(crate) async fn refresh(&self, held: &Held, now: Clock) -> Option<Duration> {
        let mut next = None;
        for lookup in held.config.key_sets() {
            let fresh = self.learn(&held.config, &held.keys, &lookup, now).await.unwrap_or(REFRESH_LIMITS[0]);
            next = Some(next.map_or(fresh, |next: Duration| next.min(fresh)));
        }
        next
    }
}
