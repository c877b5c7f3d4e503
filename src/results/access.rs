//! Access to the result store: a request never waits longer than the timeout, and never fails because of the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Claim, Finished, Record, ResultId, ResultStore, ResultsFor, StoreError, Stored, Written};

/// The maximum number of concurrent reads. A store that hangs blocks at most as many threads.
const READS: usize = 64;

/// The maximum number of concurrent writes, for the same reason. A folder store serialises them.
const WRITES: usize = 16;

/// The memory for pending writes in KiB. Results beyond it are not stored.
const WRITE_MEMORY_KIB: u32 = 128 * 1024;

/// The timeout of a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause before a result is looked up again that another process is rendering; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// The number of consecutive failures after which the store is not used for a while.
const FAILURES: u32 = 5;

/// How long the store is not used after these failures.
const PAUSE: Duration = Duration::from_secs(10);

/// The result store with its limits and statistics.
pub(crate) struct Results {
    store: Arc<dyn ResultStore>,
    which: ResultsFor,
    timeout: Duration,
    claims: bool,
    claiming: Arc<Semaphore>,
    /// A store may lack the permission to write, or be full, and still have results.
    claim_health: Mutex<Health>,
    write_health: Mutex<Health>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    write_memory: Arc<Semaphore>,
    health: Mutex<Health>,
    stats: Mutex<Stats>,
}

/// The health of the store.
#[derive(Debug, Default)]
struct Health {
    failures: u32,
    /// The time until which the store is not used.
    paused: Option<Instant>,
}

impl Health {
    fn is_paused(&self) -> bool {
        self.paused.is_some_and(|until| Instant::now() < until)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The statistics of the store since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) errors: u64,
    pub(crate) written: u64,
    /// Results that were not stored because too many writes were pending or the store was unhealthy.
    pub(crate) dropped: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    /// Requests that waited for a result that another process was rendering.
    pub(crate) waits: u64,
}

/// What a lookup has found.
pub(crate) enum Lookup {
    /// The result.
    Stored(Stored),
    /// There is no such result. The request may wait for the store until this time.
    Missing(Instant),
    /// The store does not work.
    Unavailable,
}

/// A decision, which is made in the background, about which process renders a picture.
pub(crate) struct Turn {
    claim: JoinHandle<Result<Option<Claim>, StoreError>>,
    until: Instant,
    results: Arc<Results>,
}

impl Turn {
    /// Waits until it is decided. This process renders the picture unless another one has claimed it; without a claim if
    /// the store does not work.
    pub(crate) async fn decided(&mut self) -> Decision {
        let claimed = match timeout_at(self.until, &mut self.claim).await {
            Ok(Ok(claimed)) => claimed,
            // The task panicked.
            Ok(Err(error)) => Err(StoreError::Io(std::io::Error::other(error))),
            Err(_) => Err(StoreError::Io(std::io::ErrorKind::TimedOut.into())),
        };
        match claimed {
            Ok(claim) => {
                *lock(&self.results.claim_health) = Health::default();
                claim.map_or(Decision::Elsewhere, |claim| Decision::Here(Some(claim)))
            }
            Err(error) => {
                self.results.note_failure(&self.results.claim_health, &error);
                Decision::Here(None)
            }
        }
    }
}

/// Which process renders a picture.
pub(crate) enum Decision {
    /// This one.
    Here(Option<Claim>),
    /// Another one.
    Elsewhere,
}

impl Results {
    /// Uses `store` for at most `timeout` per request, for the results that `which` selects.
    pub(crate) fn new(store: Arc<dyn ResultStore>, which: ResultsFor, timeout: Duration) -> Self {
        Self {
            store,
            which,
            timeout,
            claims: false,
            claiming: Arc::new(Semaphore::new(READS)),
            claim_health: Mutex::default(),
            write_health: Mutex::default(),
            reads: Arc::new(Semaphore::new(READS)),
            writes: Arc::new(Semaphore::new(WRITES)),
            write_memory: Arc::new(Semaphore::new(WRITE_MEMORY_KIB as usize)),
            health: Mutex::default(),
            stats: Mutex::default(),
        }
    }

    /// Claims pictures before they are rendered, or does not. A picture that may turn out not to be stored is not claimed,
    /// since others would wait for it in vain.
    pub(crate) fn claiming(self, claims: bool) -> Self {
        Self { claims: claims && !matches!(self.which, ResultsFor::SlowerThan(_)), ..self }
    }

    /// Whether results of such requests are stored. `preset` is whether the request names a preset.
    pub(crate) const fn may_hold(&self, preset: bool) -> bool {
        !matches!(self.which, ResultsFor::Presets) || preset
    }

    /// Looks up a result, unless the store takes too long: the timeout, but never more than half of the time to the deadline,
    /// so that the picture can still be rendered.
    pub(crate) async fn get(&self, id: &ResultId, deadline: Instant) -> Lookup {
        if self.is_paused() {
            return Lookup::Unavailable;
        }
        let now = Instant::now();
        let until = now + self.timeout.min(deadline.saturating_duration_since(now) / 2);
        let found = self.get_until(id, until).await;
        if matches!(found, Lookup::Missing(_)) {
            self.count(|stats| stats.misses += 1);
        }
        found
    }

    async fn get_until(&self, id: &ResultId, until: Instant) -> Lookup {
        // A separate task holds the permit until the store has finished, even after the timeout.
        let (store, reads, id) = (self.store.clone(), self.reads.clone(), id.clone());
        let read = async {
            let permit = reads.acquire_owned().await;
            tokio::spawn(async move {
                let _permit = permit;
                store.get(&id).await
            })
            .await
        };
        let found = match timeout_at(until, read).await {
            Ok(Ok(found)) => found,
            // The task panicked.
            Ok(Err(error)) => Err(StoreError::Io(std::io::Error::other(error))),
            Err(_) => Err(StoreError::Io(std::io::ErrorKind::TimedOut.into())),
        };
        match found {
            Ok(Some(stored)) => {
                self.has_worked();
                self.count(|stats| {
                    stats.hits += 1;
                    stats.bytes_read += stored.record.length;
                });
                Lookup::Stored(stored)
            }
            Ok(None) => {
                self.has_worked();
                Lookup::Missing(until)
            }
            Err(error) => {
                self.has_failed(&error);
                Lookup::Unavailable
            }
        }
    }

    /// Claims a missing result in the background, if results are claimed. `until` is the time from the lookup, so that
    /// lookup, claim and wait together take no longer than the timeout.
    pub(crate) fn claim(self: &Arc<Self>, id: ResultId, until: Instant) -> Option<Turn> {
        if !self.claims || lock(&self.claim_health).is_paused() {
            return None;
        }
        let (store, claiming, max_age) = (self.store.clone(), self.claiming.clone(), self.timeout);
        let claim = tokio::spawn(async move {
            let _permit = claiming.acquire_owned().await;
            store.claim(&id, max_age).await
        });
        Some(Turn { claim, until, results: self.clone() })
    }

    /// Waits for a result that another process is rendering.
    pub(crate) async fn wait(&self, id: &ResultId, turn: &Turn) -> Option<Stored> {
        self.count(|stats| stats.waits += 1);
        let mut pause = FIRST_PAUSE;
        while Instant::now() + pause < turn.until && !self.is_paused() {
            tokio::time::sleep(pause).await;
            match self.get_until(id, turn.until).await {
                Lookup::Stored(stored) => return Some(stored),
                Lookup::Missing(_) => pause = (pause * 2).min(LONGEST_PAUSE),
                Lookup::Unavailable => return None,
            }
        }
        None
    }

    /// Stores a result in the background, and ends its claim. `took` is the time that rendering took.
    pub(crate) fn keep(
        self: &Arc<Self>,
        id: ResultId,
        Finished { media_type, likeness, bytes }: Finished,
        took: Duration,
        claim: Option<Claim>,
    ) {
        if matches!(self.which, ResultsFor::SlowerThan(least) if took < least) {
            return;
        }
        let kib = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(u32::MAX);
        let is_paused = self.is_paused() || lock(&self.write_health).is_paused();
        let permit = if is_paused { None } else { self.write_memory.clone().try_acquire_many_owned(kib).ok() };
        let Some(permit) = permit else {
            self.count(|stats| stats.dropped += 1);
            return;
        };
        let results = self.clone();
        tokio::spawn(async move {
            let write = async {
                let length = bytes.len() as u64;
                // Not before the response is sent: hashing megabytes takes milliseconds.
                let hashed = bytes.clone();
                let record = tokio::task::spawn_blocking(move || Record::of(media_type, likeness, &hashed)).await;
                let record = record.map_err(std::io::Error::other)?;
                let turn = results.writes.clone().acquire_owned().await;
                // A task of its own, as for a read.
                let store = results.store.clone();
                let put = tokio::spawn(async move {
                    let _turn = turn;
                    store.put(&id, &record, bytes).await
                });
                Ok((put.await.map_err(std::io::Error::other)??, length))
            };
            match timeout(WRITE_TIMEOUT, write).await {
                Ok(Ok((Written::Stored, length))) => {
                    results.has_written();
                    results.count(|stats| {
                        stats.written += 1;
                        stats.bytes_written += length;
                    });
                }
                Ok(Ok((Written::AlreadyThere, _))) => results.has_written(),
                Ok(Ok((Written::TooLarge, _))) => results.count(|stats| stats.dropped += 1),
                Ok(Err(error)) => results.note_failure(&results.write_health, &error),
                Err(_) => {
                    results.note_failure(&results.write_health, &StoreError::Io(std::io::ErrorKind::TimedOut.into()));
                }
            }
            if let Some(claim) = claim {
                // The result is there already, or never will be.
                let _ = timeout(results.timeout, claim.release()).await;
            }
            drop(permit);
        });
    }

    /// Waits until every pending write has completed or failed.
    pub(crate) async fn settle(&self) {
        // Each writer holds some of the permits.
        let _all = self.write_memory.acquire_many(WRITE_MEMORY_KIB).await;
    }

    /// The statistics since the start.
    pub(crate) fn stats(&self) -> Stats {
        *lock(&self.stats)
    }

    fn count(&self, add: impl FnOnce(&mut Stats)) {
        add(&mut lock(&self.stats));
    }

    fn is_paused(&self) -> bool {
        lock(&self.health).is_paused()
    }

    fn has_worked(&self) {
        *lock(&self.health) = Health::default();
    }

    fn has_written(&self) {
        *lock(&self.write_health) = Health::default();
    }

    fn has_failed(&self, error: &StoreError) {
        self.note_failure(&self.health, error);
    }

    fn note_failure(&self, health: &Mutex<Health>, error: &StoreError) {
        self.count(|stats| stats.errors += 1);
        let mut health = lock(health);
        health.failures += 1;
        // A single damaged result does not make the store unhealthy.
        if health.failures >= FAILURES && !matches!(error, StoreError::Damaged) {
            *health = Health { failures: FAILURES - 1, paused: Some(Instant::now() + PAUSE) };
            tracing::warn!(%error, "the result store is unhealthy and will be used less for {} s", PAUSE.as_secs());
        } else {
            tracing::debug!(%error, "the result store failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::results::StoredResult;

    fn finished(bytes: Bytes) -> Finished {
        Finished { media_type: "image/png", likeness: None, bytes }
    }

    /// The behaviour of a test store.
    #[derive(Debug, Clone, Copy)]
    enum Manner {
        Hangs,
        Refuses,
        Panics,
        IsEmpty,
        IsFull,
    }

    struct Odd(Manner, AtomicU64);

    impl Odd {
        /// What there is in this store.
        async fn nothing<T>(&self) -> Result<Option<T>, StoreError> {
            match self.0 {
                Manner::Hangs => std::future::pending().await,
                Manner::Refuses => Err(StoreError::Io(std::io::ErrorKind::PermissionDenied.into())),
                Manner::Panics => panic!("on purpose"),
                Manner::IsEmpty | Manner::IsFull => Ok(None),
            }
        }
    }

    impl ResultStore for Odd {
        fn get<'a>(&'a self, _: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(self.nothing())
        }

        fn put<'a>(&'a self, _: &'a ResultId, _: &'a Record, _: Bytes) -> BoxFuture<'a, Result<Written, StoreError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                match self.0 {
                    Manner::Hangs => std::future::pending().await,
                    Manner::Refuses | Manner::Panics | Manner::IsFull => {
                        Err(StoreError::Io(std::io::ErrorKind::StorageFull.into()))
                    }
                    Manner::IsEmpty => Ok(Written::Stored),
                }
            })
        }

        fn claim<'a>(&'a self, _: &'a ResultId, _: Duration) -> BoxFuture<'a, Result<Option<Claim>, StoreError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(self.nothing())
        }

        fn list<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<StoredResult>, StoreError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
            Box::pin(async { Ok(()) })
        }
    }

    fn results(manner: Manner, which: ResultsFor) -> (Arc<Odd>, Arc<Results>) {
        let odd = Arc::new(Odd(manner, AtomicU64::new(0)));
        (odd.clone(), Arc::new(Results::new(odd, which, Duration::from_millis(200))))
    }

    async fn is_unavailable(results: &Results) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        matches!(results.get(&ResultId::of("k", "x"), deadline).await, Lookup::Unavailable)
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_costs_no_more_than_the_timeout() {
        let id = ResultId::of("k", "x");
        for manner in [Manner::Hangs, Manner::Refuses, Manner::Panics, Manner::IsEmpty] {
            let odd = Arc::new(Odd(manner, AtomicU64::new(0)));
            let results = Results::new(odd.clone(), ResultsFor::All, Duration::from_millis(200)).claiming(true);
            let results = Arc::new(results);
            let started = Instant::now();
            let mut turn = results.claim(id.clone(), started + Duration::from_millis(200)).unwrap();
            // Only the empty store says that another process is rendering, and that never ends.
            let elsewhere = matches!(turn.decided().await, Decision::Elsewhere);
            assert_eq!(elsewhere, matches!(manner, Manner::IsEmpty), "{manner:?}");
            if elsewhere {
                assert!(results.wait(&id, &turn).await.is_none());
                assert_eq!(results.stats().waits, 1);
                assert!((4..12).contains(&odd.1.load(Ordering::Relaxed)), "few lookups");
            }
            assert!(started.elapsed() <= Duration::from_millis(201), "{manner:?}");
            // A store that cannot be written to is not asked each time.
            for _ in 1..FAILURES {
                if let Some(mut turn) = results.claim(id.clone(), Instant::now() + Duration::from_millis(200)) {
                    turn.decided().await;
                }
            }
            let next = results.claim(id.clone(), Instant::now() + Duration::from_millis(200));
            assert_eq!(next.is_some(), elsewhere, "{manner:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_time_to_the_deadline_is_left() {
        let (_, results) = results(Manner::Hangs, ResultsFor::All);
        let asked = Instant::now();
        let found = results.get(&ResultId::of("k", "x"), asked + Duration::from_millis(100)).await;
        assert!(matches!(found, Lookup::Unavailable));
        assert!(asked.elapsed() <= Duration::from_millis(51), "{:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn what_may_not_be_stored_is_not_claimed() {
        for (which, claims, expected) in [
            (ResultsFor::All, true, true),
            (ResultsFor::All, false, false),
            (ResultsFor::Presets, true, true),
            (ResultsFor::SlowerThan(Duration::ZERO), true, false),
        ] {
            let odd = Arc::new(Odd(Manner::IsEmpty, AtomicU64::new(0)));
            let results = Arc::new(Results::new(odd, which, Duration::from_secs(1)).claiming(claims));
            assert_eq!(results.claim(ResultId::of("k", "x"), Instant::now()).is_some(), expected, "{which:?} {claims}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_work_costs_the_timeout_and_is_left_alone() {
        for manner in [Manner::Hangs, Manner::Refuses, Manner::Panics] {
            let (odd, results) = results(manner, ResultsFor::All);
            let started = Instant::now();
            for _ in 0..20 {
                let asked = Instant::now();
                assert!(is_unavailable(&results).await);
                assert!(asked.elapsed() <= Duration::from_millis(210), "{manner:?}");
            }
            assert_eq!(odd.1.load(Ordering::Relaxed), u64::from(FAILURES), "{manner:?}");
            assert_eq!(results.stats().errors, u64::from(FAILURES), "{manner:?}");
            // One request tests whether the store has recovered.
            tokio::time::sleep_until(started + PAUSE + Duration::from_secs(5)).await;
            for _ in 0..2 {
                assert!(is_unavailable(&results).await);
            }
            assert_eq!(results.stats().errors, u64::from(FAILURES) + 1, "{manner:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_holds_no_more_than_its_permits() {
        let (odd, results) = results(Manner::Hangs, ResultsFor::All);
        let asked: Vec<_> = (0..3 * READS)
            .map(|_| {
                let results = results.clone();
                tokio::spawn(async move { is_unavailable(&results).await })
            })
            .collect();
        for asked in asked {
            assert!(asked.await.unwrap());
        }
        assert_eq!(odd.1.load(Ordering::Relaxed), READS as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_to_be_written_is_bounded() {
        let (_, results) = results(Manner::Hangs, ResultsFor::All);
        let bytes = Bytes::from(vec![0; 60 * 1024 * 1024]);
        for _ in 0..4 {
            results.keep(ResultId::of("k", "x"), finished(bytes.clone()), Duration::ZERO, None);
        }
        assert_eq!(results.stats().dropped, 2);
        results.settle().await;
        assert_eq!(results.stats().errors, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_hang_hold_no_more_than_their_permits() {
        let (odd, results) = results(Manner::Hangs, ResultsFor::All);
        for _ in 0..3 * WRITES {
            results.keep(ResultId::of("k", "x"), finished(Bytes::from_static(b"x")), Duration::ZERO, None);
        }
        results.settle().await;
        assert_eq!((odd.1.load(Ordering::Relaxed), results.stats().errors), (WRITES as u64, 3 * WRITES as u64));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_cannot_be_written_to_is_still_read() {
        let (_, results) = results(Manner::IsFull, ResultsFor::All);
        for _ in 0..2 * FAILURES {
            results.keep(ResultId::of("k", "x"), finished(Bytes::from_static(b"x")), Duration::ZERO, None);
            results.settle().await;
            assert!(!is_unavailable(&results).await);
        }
        let stats = results.stats();
        assert_eq!((stats.errors, stats.dropped), (FAILURES.into(), FAILURES.into()), "writing is paused");
    }

    #[tokio::test]
    async fn results_are_chosen_by_what_they_took() {
        let slow = ResultsFor::SlowerThan(Duration::from_millis(200));
        for (which, written, preset) in [(ResultsFor::All, 2, false), (slow, 1, false), (ResultsFor::Presets, 2, true)]
        {
            let (_, results) = results(Manner::IsEmpty, which);
            assert!(results.may_hold(true));
            assert_ne!(results.may_hold(false), preset);
            for milliseconds in [100, 300] {
                let took = Duration::from_millis(milliseconds);
                results.keep(ResultId::of("k", "x"), finished(Bytes::from_static(b"x")), took, None);
            }
            results.settle().await;
            assert_eq!((results.stats().written, results.stats().bytes_written), (written, written));
        }
    }
}
