//! The cache between viewer and origin: what is kept, for how long, and who goes to the origin for what is missing.
//!
//! Comes in: a key and an answer. Goes out: the answer with its age. Of requests for the same key, one goes to the origin
//! and the others wait for its answer ("request collapsing"); if that may not be kept, they all go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method};
use image_origin_edge as edge;

use super::policy::{self, Freshness};

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer that was kept.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) answer: Arc<Answer>,
    since: Instant,
    pub(super) freshness: Freshness,
}

impl Entry {
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.age() < self.freshness.lifetime
    }

    /// Whether it may be given while a new answer is fetched.
    pub(super) fn may_wait(&self) -> bool {
        self.age() < self.freshness.lifetime + self.freshness.while_revalidate
    }

    /// Whether it may be given when the origin fails.
    pub(super) fn outlives_errors(&self) -> bool {
        self.freshness.if_error.is_none_or(|time| self.age() < self.freshness.lifetime + time)
    }
}

/// What distinguishes answers: path, query, `Accept`, and whether there is a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

impl Key {
    /// The key of a request as viewer-request has left it.
    pub(super) fn of(request: &edge::Request) -> Self {
        let accept = request.headers.single("accept").unwrap_or_default();
        Self(format!("{} {}?{} {accept}", request.method, request.uri, request.querystring))
    }

    /// The keys under which an answer to a request may be found: what was got answers HEAD as well.
    fn answering(&self) -> impl Iterator<Item = Self> {
        let of_get = self.0.strip_prefix("HEAD ").map(|rest| Self(format!("{} {rest}", Method::GET)));
        of_get.into_iter().chain([self.clone()])
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes that an entry takes beside its body, roughly.
const ENTRY_OVERHEAD: usize = 2048;

/// The answers that are kept.
#[derive(Debug)]
pub(super) struct Cache {
    entries: moka::future::Cache<Key, Entry>,
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
}

impl Cache {
    pub(super) fn new(bytes: u64) -> Self {
        let weigh =
            |_: &Key, entry: &Entry| u32::try_from(entry.answer.body.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX);
        let entries = moka::future::Cache::builder().max_capacity(bytes).weigher(weigh).build();
        Self { entries, flights: Mutex::default() }
    }

    /// What is kept for a key, fresh or not.
    pub(super) async fn find(&self, key: &Key) -> Option<Entry> {
        for key in key.answering() {
            if let Some(entry) = self.entries.get(&key).await {
                return Some(entry);
            }
        }
        None
    }

    /// Keeps an answer as long as it may be; gives how long.
    pub(super) async fn keep(&self, key: &Key, answer: &Arc<Answer>) -> Duration {
        let freshness = policy::freshness(answer.status, &answer.headers, SystemTime::now());
        if freshness.lifetime.is_zero() {
            self.entries.invalidate(key).await;
        } else {
            let entry = Entry { answer: answer.clone(), since: Instant::now(), freshness };
            self.entries.insert(key.clone(), entry).await;
        }
        freshness.lifetime
    }

    /// Waits until nobody else is on the way to the origin for this key.
    pub(super) async fn turn(&self, key: &Key) -> Turn<'_> {
        let flight = self.flights().entry(key.clone()).or_default().clone();
        // Made before the wait, so that a viewer who leaves meanwhile leaves nothing behind.
        let mut turn = Turn { cache: self, key: key.clone(), flight, _guard: None };
        let guard = turn.flight.turn.clone().lock_owned().await;
        if !turn.flight.is_pointless.load(Ordering::Relaxed) {
            turn._guard = Some(guard);
        }
        turn
    }

    /// Whether somebody is on the way to the origin for this key.
    pub(super) fn is_under_way(&self, key: &Key) -> bool {
        self.flights().contains_key(key)
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests for one key that are under way at the same time.
#[derive(Debug, Default)]
struct Flight {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// An answer came that nobody else may be given, so there is nothing to wait for.
    is_pointless: AtomicBool,
}

/// The right to ask the origin. It passes on when it is dropped, also with a viewer who left.
pub(super) struct Turn<'a> {
    cache: &'a Cache,
    key: Key,
    flight: Arc<Flight>,
    /// Held until the turn is over, unless there is nothing to wait for.
    _guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Turn<'_> {
    /// Tells those who wait that they wait for nothing.
    pub(super) fn was_pointless(&self) {
        self.flight.is_pointless.store(true, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        // Held by the map and by this turn only: nobody waits.
        if flights
            .get(&self.key)
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight) && Arc::strong_count(flight) <= 2)
        {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, query: &str) -> Key {
        Key(format!("{method} /a.jpg?{query} */*"))
    }

    fn answer(cache_control: &str) -> Arc<Answer> {
        let headers = HeaderMap::from_iter([(http::header::CACHE_CONTROL, cache_control.parse().unwrap())]);
        Arc::new(Answer { status: 200, headers, body: Bytes::from_static(b"x") })
    }

    #[tokio::test]
    async fn an_entry_gets_old() {
        let cache = Cache::new(1 << 20);
        assert_eq!(cache.keep(&key("GET", ""), &answer("max-age=10")).await.as_secs(), 10);
        let mut entry = cache.find(&key("HEAD", "")).await.unwrap();
        entry.since -= Duration::from_secs(9);
        assert_eq!((entry.is_fresh(), entry.age().as_secs()), (true, 9));
        entry.since -= Duration::from_secs(1);
        assert!(!entry.is_fresh());
        assert!(cache.find(&key("GET", "w=1")).await.is_none());
        cache.keep(&key("GET", ""), &answer("no-store")).await;
        assert!(cache.find(&key("GET", "")).await.is_none(), "the newer answer replaces it");
    }

    #[tokio::test]
    async fn one_goes_at_a_time_unless_it_is_pointless() {
        let cache = Arc::new(Cache::new(1 << 20));
        let first = cache.turn(&key("GET", "")).await;
        drop(cache.turn(&key("GET", "w=1")).await);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    let turn = cache.turn(&key("GET", "")).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    turn._guard.is_some()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        let leaves = tokio::time::timeout(Duration::from_millis(1), cache.turn(&first.key)).await;
        assert!(leaves.is_err());
        first.was_pointless();
        drop(first);
        for task in waiting {
            assert!(!task.await.unwrap(), "nobody holds anybody up");
        }
        assert!(cache.flights().is_empty());
    }
}
