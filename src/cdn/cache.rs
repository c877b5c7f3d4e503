//! The cache between client and origin: which responses are kept, for how long, and which request fetches a missing
//! one.
//!
//! Of concurrent requests for the same key, one goes to the origin and the others wait for its response ("request
//! collapsing"). If that response may not be cached, they all go to the origin.

use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use image_origin_edge as edge;

use super::policy::{self, Freshness};
use crate::memory_cache::MemoryCache;

/// A complete response.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A cached response.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) answer: Arc<Answer>,
    tags: Arc<[String]>,
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

    /// Whether it may be served stale while a new response is fetched.
    pub(super) fn may_wait(&self) -> bool {
        self.age() < self.freshness.lifetime + self.freshness.while_revalidate
    }

    /// Whether it may be served stale if the origin fails.
    pub(super) fn outlives_errors(&self) -> bool {
        self.freshness.if_error.is_none_or(|time| self.age() < self.freshness.lifetime + time)
    }
}

/// The cache key: path, query, `Accept`, and whether there is a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    method: String,
    /// Path and query.
    url: String,
    accept: String,
}

impl Key {
    /// The key of a request after viewer-request.
    pub(super) fn of(request: &edge::Request) -> Self {
        let separator = if request.querystring.is_empty() { "" } else { "?" };
        Self {
            method: request.method.clone(),
            url: format!("{}{separator}{}", request.uri, request.querystring),
            accept: request.headers.single("accept").unwrap_or_default().to_owned(),
        }
    }

    /// The keys under which a response may be found: a response to GET serves HEAD as well.
    fn answering(&self) -> impl Iterator<Item = Self> {
        let of_get = (self.method == "HEAD").then(|| Self { method: Method::GET.to_string(), ..self.clone() });
        of_get.into_iter().chain([self.clone()])
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.method, self.url, self.accept)
    }
}

/// What is invalidated, by CloudFront's Developer Guide ("Invalidate files", "What you need to know when invalidating tags").
#[derive(Debug, Default)]
struct Items {
    /// Answers with one of these tags, in lower case: case does not count.
    tags: HashSet<String>,
    /// The answers to these paths and queries.
    urls: HashSet<String>,
    /// Answers whose path and query begin like one of these.
    starts: Vec<String>,
}

impl Items {
    fn new(texts: &[String]) -> Self {
        let mut items = Self::default();
        for text in texts {
            match (text.strip_prefix('#'), text.strip_suffix('*')) {
                (Some(tag), _) => drop(items.tags.insert(tag.to_ascii_lowercase())),
                (None, Some(start)) => items.starts.push(start.to_owned()),
                (None, None) => drop(items.urls.insert(text.clone())),
            }
        }
        items
    }

    fn name(&self, key: &Key, tags: &[String]) -> bool {
        self.urls.contains(&key.url)
            || tags.iter().any(|tag| self.tags.contains(tag))
            || self.starts.iter().any(|start| key.url.starts_with(start))
    }
}

/// The last invalidations, so that an answer that was under way meanwhile is not kept.
#[derive(Debug, Default)]
struct Invalidations {
    count: u64,
    last: VecDeque<Arc<Items>>,
}

/// Invalidations that are remembered. What was under way for longer than all of them is not kept.
const REMEMBERED: usize = 256;

impl Invalidations {
    fn add(&mut self, items: Arc<Items>) {
        self.count += 1;
        self.last.push_front(items);
        self.last.truncate(REMEMBERED);
    }

    /// Whether an answer that was asked for after so many invalidations has been invalidated since.
    fn have_met(&self, since: u64, key: &Key, tags: &[String]) -> bool {
        let missed = usize::try_from(self.count - since).unwrap_or(usize::MAX);
        missed > self.last.len() || self.last.iter().take(missed).any(|items| items.name(key, tags))
    }
}

/// The approximate overhead of an entry in bytes, besides its body.
const ENTRY_OVERHEAD: usize = 2048;

/// The cached responses.
#[derive(Debug)]
pub(super) struct Cache {
    entries: MemoryCache<Key, Entry>,
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
    invalidations: Mutex<Invalidations>,
    tag_header: Option<HeaderName>,
}

impl Cache {
    /// Keeps answers of so many bytes together, and the tags that they have in the header `tag_header`.
    pub(super) fn new(bytes: u64, tag_header: Option<HeaderName>) -> Self {
        let entries = MemoryCache::of_bytes(bytes, |_, entry: &Entry| entry.answer.body.len() + ENTRY_OVERHEAD);
        Self { entries, flights: Mutex::default(), invalidations: Mutex::default(), tag_header }
    }

    /// The tags of an answer, in lower case.
    fn tags(&self, answer: &Answer) -> Arc<[String]> {
        let values = self.tag_header.iter().flat_map(|name| answer.headers.get_all(name));
        let tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        tags.map(|tag| tag.trim().to_ascii_lowercase()).collect()
    }

    /// How many invalidations there have been, for what is fetched from now on.
    pub(super) fn invalidated(&self) -> u64 {
        self.invalidations().count
    }

    /// Forgets what these tags (`#tag`) and paths (`/path`, `/path*`) name; gives how many answers that were.
    pub(super) fn invalidate(&self, items: &[String]) -> usize {
        let items = Arc::new(Items::new(items));
        self.invalidations().add(items.clone());
        let forgotten = Cell::new(0);
        self.entries.retain(|key, entry| {
            let is_named = items.name(key, &entry.tags);
            forgotten.set(forgotten.get() + usize::from(is_named));
            !is_named
        });
        forgotten.get()
    }

    fn invalidations(&self) -> std::sync::MutexGuard<'_, Invalidations> {
        self.invalidations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up an entry, fresh or stale.
    pub(super) fn find(&self, key: &Key) -> Option<Entry> {
        for key in key.answering() {
            if let Some(entry) = self.entries.get(&key) {
                return Some(entry);
            }
        }
        None
    }

    /// Caches a response for its lifetime, and returns that. `invalidated` is the number of invalidations before it was
    /// requested.
    pub(super) fn keep(&self, key: &Key, answer: &Arc<Answer>, invalidated: u64) -> Duration {
        let freshness = policy::freshness(answer.status, &answer.headers, SystemTime::now());
        let tags = self.tags(answer);
        if freshness.lifetime.is_zero() || self.invalidations().have_met(invalidated, key, &tags) {
            self.entries.remove(key);
            return Duration::ZERO;
        }
        let entry = Entry { answer: answer.clone(), tags: tags.clone(), since: Instant::now(), freshness };
        self.entries.insert(key.clone(), entry);
        // One that came in between has not seen it.
        if self.invalidations().have_met(invalidated, key, &tags) {
            self.entries.remove(key);
            return Duration::ZERO;
        }
        freshness.lifetime
    }

    /// Waits until no other request for this key is at the origin.
    pub(super) async fn turn(&self, key: &Key) -> Turn<'_> {
        let flight = self.flights().entry(key.clone()).or_default().clone();
        // Created before the wait, so that a client that disconnects in the meantime leaves no entry behind.
        let mut turn = Turn { cache: self, key: key.clone(), flight, _guard: None };
        let guard = turn.flight.turn.clone().lock_owned().await;
        if !turn.flight.is_pointless.load(Ordering::Relaxed) {
            turn._guard = Some(guard);
        }
        turn
    }

    /// Whether a request for this key is at the origin.
    pub(super) fn is_under_way(&self, key: &Key) -> bool {
        self.flights().contains_key(key)
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The concurrent requests for one key.
#[derive(Debug, Default)]
struct Flight {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether the response may not be shared, so that waiting is pointless.
    is_pointless: AtomicBool,
}

/// The permission to contact the origin. It is passed on when dropped, even if the client disconnected.
pub(super) struct Turn<'a> {
    cache: &'a Cache,
    key: Key,
    flight: Arc<Flight>,
    /// Held until the end of the turn, unless waiting is pointless.
    _guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Turn<'_> {
    /// Releases the waiting requests, since the response may not be shared.
    pub(super) fn was_pointless(&self) {
        self.flight.is_pointless.store(true, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        // Only the map and this turn hold it, so nobody waits.
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
        Key { method: method.to_owned(), url: format!("/a.jpg?{query}"), accept: "*/*".to_owned() }
    }

    fn answer(cache_control: &str) -> Arc<Answer> {
        let headers = HeaderMap::from_iter([(http::header::CACHE_CONTROL, cache_control.parse().unwrap())]);
        Arc::new(Answer { status: 200, headers, body: Bytes::from_static(b"x") })
    }

    #[tokio::test]
    async fn an_entry_gets_old() {
        let cache = Cache::new(1 << 20, None);
        assert_eq!(cache.keep(&key("GET", ""), &answer("max-age=10"), 0).as_secs(), 10);
        let mut entry = cache.find(&key("HEAD", "")).unwrap();
        entry.since -= Duration::from_secs(9);
        assert_eq!((entry.is_fresh(), entry.age().as_secs()), (true, 9));
        entry.since -= Duration::from_secs(1);
        assert!(!entry.is_fresh());
        assert!(cache.find(&key("GET", "w=1")).is_none());
        cache.keep(&key("GET", ""), &answer("no-store"), 0);
        assert!(cache.find(&key("GET", "")).is_none(), "the newer answer replaces it");
    }

    #[tokio::test]
    async fn what_is_invalidated_is_forgotten_and_nothing_else() {
        const TAGS: HeaderName = HeaderName::from_static("cache-tag");
        let tagged = |tags: &'static str| {
            let mut answer = Answer::clone(&answer("max-age=10"));
            answer.headers.append(TAGS, tags.parse().unwrap());
            Arc::new(answer)
        };
        let table: [(&[&str], &[&str]); 8] = [
            (&["#k-1"], &["w=1", "w=2"]),
            (&["#K-1"], &["w=1", "w=2"]),
            (&["#p-card", "#none"], &["w=2"]),
            (&["#f-1"], &["w=1", "w=2", "w=3"]),
            (&["#f-"], &[]),
            (&["/a.jpg"], &[]),
            (&["/a.jpg?w=1"], &["w=1"]),
            (&["/a.jpg*", "/b*"], &["w=1", "w=2", "w=3"]),
        ];
        for (items, expected) in table {
            let cache = Cache::new(1 << 20, Some(TAGS));
            for (query, tags) in [("w=1", "k-1,f-1"), ("w=2", "k-1, f-1, P-card"), ("w=3", "k-2,f-1")] {
                cache.keep(&key("GET", query), &tagged(tags), cache.invalidated());
            }
            let items: Vec<_> = items.iter().map(|&item| item.to_owned()).collect();
            assert_eq!(cache.invalidate(&items), expected.len(), "{items:?}");
            for query in ["w=1", "w=2", "w=3"] {
                let is_gone = cache.find(&key("GET", query)).is_none();
                assert_eq!(is_gone, expected.contains(&query), "{items:?} {query}");
            }
        }
        let cache = Cache::new(1 << 20, Some(TAGS));
        let before = cache.invalidated();
        cache.invalidate(&["#k-1".to_owned()]);
        assert!(cache.keep(&key("GET", ""), &tagged("k-1"), before).is_zero(), "it was under way");
        assert!(!cache.keep(&key("GET", ""), &tagged("k-2"), before).is_zero());
        for _ in 0..=REMEMBERED {
            cache.invalidate(&["#other".to_owned()]);
        }
        assert!(cache.keep(&key("GET", ""), &tagged("k-2"), before).is_zero(), "for longer than is known");
    }

    #[tokio::test]
    async fn one_goes_at_a_time_unless_it_is_pointless() {
        let cache = Arc::new(Cache::new(1 << 20, None));
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
