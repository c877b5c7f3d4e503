//! Access to the result store: a request never waits longer than the timeout, and never fails because of the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Record, ResultId, ResultStore, ResultsFor, StoreError, Stored, Written};

/// The maximum number of concurrent reads. A store that hangs blocks at most as many threads.
const READS: usize = 64;

/// The maximum number of concurrent writes, for the same reason. A folder store serialises them.
const WRITES: usize = 16;

/// The memory for pending writes in KiB. Results beyond it are not stored.
const WRITE_MEMORY_KIB: u32 = 128 * 1024;

/// The timeout of a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of consecutive failures after which the store is not used for a while.
const FAILURES: u32 = 5;

/// How long the store is not used after these failures.
const PAUSE: Duration = Duration::from_secs(10);

/// The result store with its limits and statistics.
pub(crate) struct Results {
    store: Arc<dyn ResultStore>,
    which: ResultsFor,
    timeout: Duration,
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
}

impl Results {
    /// Uses `store` for at most `timeout` per request, for the results that `which` selects.
    pub(crate) fn new(store: Arc<dyn ResultStore>, which: ResultsFor, timeout: Duration) -> Self {
        Self {
            store,
            which,
            timeout,
            reads: Arc::new(Semaphore::new(READS)),
            writes: Arc::new(Semaphore::new(WRITES)),
            write_memory: Arc::new(Semaphore::new(WRITE_MEMORY_KIB as usize)),
            health: Mutex::default(),
            stats: Mutex::default(),
        }
    }

    /// Whether results of such requests are stored. `preset` is whether the request names a preset.
    pub(crate) const fn may_hold(&self, preset: bool) -> bool {
        !matches!(self.which, ResultsFor::Presets) || preset
    }

    /// Looks up a result, unless the store takes too long.
    pub(crate) async fn get(&self, id: &ResultId, deadline: Instant) -> Option<Stored> {
        if self.is_paused() {
            return None;
        }
        let until = deadline.min(Instant::now() + self.timeout);
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
            Ok(found) => {
                self.has_worked();
                self.count(|stats| match &found {
                    Some(stored) => {
                        stats.hits += 1;
                        stats.bytes_read += stored.record.length;
                    }
                    None => stats.misses += 1,
                });
                found
            }
            Err(error) => {
                self.has_failed(&error);
                None
            }
        }
    }

    /// Stores a result in the background. `took` is the time that rendering took.
    pub(crate) fn keep(self: &Arc<Self>, id: ResultId, media_type: &'static str, bytes: Bytes, took: Duration) {
        if matches!(self.which, ResultsFor::SlowerThan(least) if took < least) {
            return;
        }
        let kib = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(u32::MAX);
        let permit = if self.is_paused() { None } else { self.write_memory.clone().try_acquire_many_owned(kib).ok() };
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
                let record = tokio::task::spawn_blocking(move || Record::of(media_type, &hashed)).await;
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
                    results.has_worked();
                    results.count(|stats| {
                        stats.written += 1;
                        stats.bytes_written += length;
                    });
                }
                Ok(Ok((Written::AlreadyThere, _))) => results.has_worked(),
                Ok(Ok((Written::TooLarge, _))) => results.count(|stats| stats.dropped += 1),
                Ok(Err(error)) => results.has_failed(&error),
                Err(_) => results.has_failed(&StoreError::Io(std::io::ErrorKind::TimedOut.into())),
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
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, add: impl FnOnce(&mut Stats)) {
        add(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn is_paused(&self) -> bool {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.paused.is_some_and(|until| Instant::now() < until)
    }

    fn has_worked(&self) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Health::default();
    }

    fn has_failed(&self, error: &StoreError) {
        self.count(|stats| stats.errors += 1);
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.failures += 1;
        // A single damaged result does not make the store unhealthy.
        if health.failures >= FAILURES && !matches!(error, StoreError::Damaged) {
            *health = Health { failures: FAILURES - 1, paused: Some(Instant::now() + PAUSE) };
            tracing::warn!(%error, "the result store is unhealthy and will not be used for {} s", PAUSE.as_secs());
        } else {
            tracing::debug!(%error, "the result store failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::results::StoredResult;

    /// The behaviour of a test store.
    #[derive(Debug, Clone, Copy)]
    enum Manner {
        Hangs,
        Refuses,
        Panics,
        IsEmpty,
    }

    struct Odd(Manner, AtomicU64);

    impl ResultStore for Odd {
        fn get<'a>(&'a self, _: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                match self.0 {
                    Manner::Hangs => std::future::pending().await,
                    Manner::Refuses => Err(StoreError::Io(std::io::ErrorKind::PermissionDenied.into())),
                    Manner::Panics => panic!("on purpose"),
                    Manner::IsEmpty => Ok(None),
                }
            })
        }

        fn put<'a>(&'a self, _: &'a ResultId, _: &'a Record, _: Bytes) -> BoxFuture<'a, Result<Written, StoreError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                match self.0 {
                    Manner::Hangs => std::future::pending().await,
                    Manner::Refuses | Manner::Panics => Err(StoreError::Io(std::io::ErrorKind::StorageFull.into())),
                    Manner::IsEmpty => Ok(Written::Stored),
                }
            })
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

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_work_costs_the_timeout_and_is_left_alone() {
        for manner in [Manner::Hangs, Manner::Refuses, Manner::Panics] {
            let (odd, results) = results(manner, ResultsFor::All);
            let started = Instant::now();
            for _ in 0..20 {
                let asked = Instant::now();
                assert!(results.get(&ResultId::of("k", "x"), asked + Duration::from_secs(10)).await.is_none());
                assert!(asked.elapsed() <= Duration::from_millis(210), "{manner:?}");
            }
            assert_eq!(odd.1.load(Ordering::Relaxed), u64::from(FAILURES), "{manner:?}");
            assert_eq!(results.stats().errors, u64::from(FAILURES), "{manner:?}");
            // One request tests whether the store has recovered.
            tokio::time::sleep_until(started + PAUSE + Duration::from_secs(5)).await;
            for _ in 0..2 {
                assert!(results.get(&ResultId::of("k", "x"), Instant::now() + Duration::from_secs(10)).await.is_none());
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
                tokio::spawn(async move {
                    results.get(&ResultId::of("k", "x"), Instant::now() + Duration::from_secs(10)).await.is_none()
                })
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
            results.keep(ResultId::of("k", "x"), "image/png", bytes.clone(), Duration::ZERO);
        }
        assert_eq!(results.stats().dropped, 2);
        results.settle().await;
        assert_eq!(results.stats().errors, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_hang_hold_no_more_than_their_permits() {
        let (odd, results) = results(Manner::Hangs, ResultsFor::All);
        for _ in 0..3 * WRITES {
            results.keep(ResultId::of("k", "x"), "image/png", Bytes::from_static(b"x"), Duration::ZERO);
        }
        results.settle().await;
        assert_eq!((odd.1.load(Ordering::Relaxed), results.stats().errors), (WRITES as u64, 3 * WRITES as u64));
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
                results.keep(ResultId::of("k", "x"), "image/png", Bytes::from_static(b"x"), took);
            }
            results.settle().await;
            assert_eq!((results.stats().written, results.stats().bytes_written), (written, written));
        }
    }
}
