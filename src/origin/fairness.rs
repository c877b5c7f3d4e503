//! Fairness between originals: an original that is not known to be processed quickly can occupy neither all workers nor
//! most of the queue, so that a single malicious upload delays only the requests for itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};
use crate::memory_cache::MemoryCache;

/// The duration up to which a job counts as quick.
const QUICK: Duration = Duration::from_millis(300);
/// The number of originals that are remembered as quick.
const REMEMBERED: u32 = 10_000;

/// The jobs in the pool by original, and the originals known to be quick.
#[derive(Debug, Clone)]
pub(super) struct Fairness {
    /// The number of workers that one original may occupy: all but one, if there are several.
    workers: usize,
    /// The number of jobs, queued and running, that one original may have.
    places: usize,
    quick: MemoryCache<String, ()>,
    present: Arc<Mutex<HashMap<String, Weak<Jobs>>>>,
}

/// The queued and running jobs of one original.
#[derive(Debug)]
struct Jobs {
    original: String,
    count: AtomicUsize,
    turns: Arc<Semaphore>,
}

/// One of these jobs. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    jobs: Arc<Jobs>,
    quick: MemoryCache<String, ()>,
}

/// The permit of a job to occupy a worker; `None` for an original that is known to be quick.
pub(super) type Turn = Option<OwnedSemaphorePermit>;

impl Fairness {
    /// Creates the bookkeeping for a pool with this number of workers and total places.
    pub(super) fn new(workers: usize, capacity: usize) -> Self {
        let share = workers.saturating_sub(1).max(1);
        Self {
            workers: share,
            // Even in the shortest queue, one job may wait for another.
            places: (capacity / 2).max(share + 1),
            quick: MemoryCache::of_entries(REMEMBERED),
            present: Arc::default(),
        }
    }

    /// Registers a job of this original.
    ///
    /// # Errors
    /// [`Code::Overloaded`] if its jobs already fill half of the queue.
    pub(super) fn enter(&self, original: &str) -> Result<Entry, Problem> {
        let jobs = self.jobs_of(original);
        let is_quick = self.quick.contains(&jobs.original);
        if jobs.count.fetch_add(1, Ordering::Relaxed) >= self.places && !is_quick {
            jobs.count.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::new(
                Code::Overloaded,
                "too many requests are waiting for this picture; try again shortly",
            ));
        }
        Ok(Entry { jobs, quick: self.quick.clone() })
    }

    fn jobs_of(&self, original: &str) -> Arc<Jobs> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = present.get(original).and_then(Weak::upgrade) {
            return jobs;
        }
        // Dead entries are removed occasionally, which costs each new entry a constant number of steps on average.
        if present.len() >= 2 * self.places.max(64) {
            present.retain(|_, jobs| jobs.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(self.workers));
        let jobs = Arc::new(Jobs { original: original.to_owned(), count: AtomicUsize::new(0), turns });
        present.insert(original.to_owned(), Arc::downgrade(&jobs));
        jobs
    }
}

impl Entry {
    /// Waits until the original may occupy one more worker.
    ///
    /// # Errors
    /// [`Code::Deadline`] if that does not happen in time.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<Turn, Problem> {
        if self.quick.contains(&self.jobs.original) {
            return Ok(None);
        }
        match timeout_at(deadline, self.jobs.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => Err(Problem::new(Code::Deadline, "the picture was not ready in time")),
        }
    }

    /// Records how long the job took.
    pub(super) fn took(&self, time: Duration) {
        if time <= QUICK {
            self.quick.insert(self.jobs.original.clone(), ());
        } else {
            self.quick.remove(&self.jobs.original);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.jobs.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_original_leaves_a_worker_to_others() {
        let fairness = Fairness::new(3, 20);
        let entries: Vec<_> = (0..3).map(|_| fairness.enter("slow").unwrap()).collect();
        let first = entries[0].turn(soon()).await.unwrap();
        let _second = entries[1].turn(soon()).await.unwrap();
        assert_eq!(entries[2].turn(soon()).await.unwrap_err().code, Code::Deadline);
        assert!(fairness.enter("other").unwrap().turn(soon()).await.is_ok());
        drop(first);
        assert!(entries[2].turn(soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_original_may_have_all_workers_until_it_is_slow() {
        let fairness = Fairness::new(1, 20);
        let entries: Vec<_> = (0..2).map(|_| fairness.enter("a").unwrap()).collect();
        let _held = entries[0].turn(soon()).await.unwrap();
        assert!(entries[1].turn(soon()).await.is_err());
        entries[0].took(QUICK);
        assert!(entries[1].turn(soon()).await.unwrap().is_none());
        entries[1].took(QUICK * 2);
        assert!(entries[1].turn(soon()).await.is_err());
    }

    #[tokio::test]
    async fn the_requests_for_one_original_fill_half_of_the_queue() {
        let fairness = Fairness::new(2, 6);
        let entries: Vec<_> = (0..3).map(|_| fairness.enter("a").unwrap()).collect();
        assert_eq!(fairness.enter("a").unwrap_err().code, Code::Overloaded);
        assert!(fairness.enter("b").is_ok());
        drop(entries);
        let entry = fairness.enter("a").unwrap();
        entry.took(QUICK);
        let many: Vec<_> = (0..20).map(|_| fairness.enter("a")).collect();
        assert!(many.iter().all(Result::is_ok), "of quick ones as many as there are places");
    }

    #[tokio::test]
    async fn originals_that_have_gone_are_forgotten() {
        let fairness = Fairness::new(2, 6);
        for index in 0..1000 {
            fairness.enter(&index.to_string()).unwrap();
        }
        assert!(fairness.present.lock().unwrap().len() <= 128);
    }
}
