//! A thread pool with a bounded number of workers and a bounded queue.
//!
//! A job acquires a [`Place`] before anything is opened or read for it. If the queue is full, or so long that the
//! deadline would pass in it, the job is rejected at once. When a worker is free the job acquires a [`Worker`] and
//! runs. No single original can occupy all workers: see [`Fairness`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::fairness::{Entry, Fairness, Turn};
use super::threads::Threads;
use crate::codec::{Cancellation, Cores, Permit};
use crate::error::{Code, Problem};

/// How long after its deadline a job may still respond. After that the response is sent without it; its thread counts
/// as busy until the job really ends.
const GRACE: Duration = Duration::from_millis(500);

/// A pool for CPU-bound work, which never runs on the threads that serve connections.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    workers: usize,
    /// One permit for each running job.
    working: Arc<Semaphore>,
    /// One permit for each job that runs, waits, or is about to.
    places: Arc<Semaphore>,
    /// The total number of places.
    capacity: usize,
    threads: Arc<Threads>,
    pace: Arc<Mutex<Pace>>,
    fairness: Fairness,
}

/// The number of jobs in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Running jobs.
    pub(crate) busy: usize,
    /// Queued jobs.
    pub(crate) queued: usize,
}

/// A place in the queue. It is released on drop.
#[derive(Debug)]
pub(super) struct Place {
    entry: Entry,
    _permit: OwnedSemaphorePermit,
}

/// A worker that is reserved for one job.
#[derive(Debug)]
pub(super) struct Worker {
    pool: Pool,
    deadline: Instant,
    busy: Busy,
    place: Option<Place>,
    turn: Turn,
    permit: OwnedSemaphorePermit,
}

/// A running job. It ends on drop.
#[derive(Debug)]
struct Busy {
    since: Instant,
    pace: Arc<Mutex<Pace>>,
}

impl Busy {
    fn new(pace: Arc<Mutex<Pace>>) -> Self {
        let since = Instant::now();
        lock(&pace).running.push(since);
        Self { since, pace }
    }

    /// Records how long the job took. A cancelled job is ignored, since its full duration is unknown.
    fn note(&self, cancellation: &Cancellation) {
        let (took, mut pace) = (self.since.elapsed(), lock(&self.pace));
        if cancellation.check().is_ok() || took > pace.median() {
            pace.note(took);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let running = &mut lock(&self.pace).running;
        if let Some(place) = running.iter().position(|since| *since == self.since) {
            running.swap_remove(place);
        }
    }
}

/// Statistics of job durations: recent jobs and running jobs.
#[derive(Debug, Default)]
struct Pace {
    /// The start times of the running jobs.
    running: Vec<Instant>,
    /// The durations of the most recent jobs, newest last.
    latest: VecDeque<Duration>,
    /// The shortest duration, which decays towards newer ones.
    least: Duration,
}

impl Pace {
    /// The number of durations that are kept.
    const REMEMBERED: usize = 31;
    /// The rate at which the shortest duration decays with each job.
    const FORGOTTEN: f64 = 0.125;

    fn note(&mut self, took: Duration) {
        if self.latest.is_empty() {
            self.least = took;
        }
        if self.latest.len() == Self::REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(took);
        self.least = took.min(self.least.mul_f64(1.0 + Self::FORGOTTEN));
    }

    /// The median of the recent durations, which a few deliberately slow jobs do not affect.
    fn median(&self) -> Duration {
        let mut sorted: Vec<_> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

fn lock(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    // No code panics while it holds the lock.
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cancels the job when the future that waits for it is dropped.
struct CancelOnDrop(Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn late() -> Problem {
    Problem::new(Code::Deadline, "the picture was not ready in time")
}

impl Pool {
    /// Creates a pool of `workers` threads with this name, and a queue for `queue` further jobs.
    pub(super) fn new(name: &'static str, workers: usize, queue: usize) -> Self {
        let capacity = workers.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Self {
            workers,
            working: Arc::new(Semaphore::new(workers.min(Semaphore::MAX_PERMITS))),
            places: Arc::new(Semaphore::new(capacity)),
            capacity,
            threads: Arc::new(Threads::new(name, workers)),
            pace: Arc::default(),
            fairness: Fairness::new(workers, capacity),
        }
    }

    /// The current number of jobs.
    pub(super) fn load(&self) -> Load {
        let busy = self.workers.saturating_sub(self.working.available_permits());
        let taken = self.capacity.saturating_sub(self.places.available_permits());
        Load { busy, queued: taken.saturating_sub(busy) }
    }

    /// Whether no further job would find a place.
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// A permit for another core, if nothing waits for one and there is an idle worker.
    fn idle_core(&self) -> Option<Permit> {
        if self.load().queued > 0 {
            return None;
        }
        let permit = self.working.clone().try_acquire_owned().ok()?;
        Some(Box::new(permit))
    }

    /// Reserves a place in the queue for a job on this original.
    ///
    /// # Errors
    /// [`Code::Overloaded`] if the queue is full, or if the jobs ahead are expected to take until the deadline, given
    /// how long recent jobs took.
    pub(super) fn place(&self, original: &str, deadline: Instant) -> Result<Place, Problem> {
        let entry = self.fairness.enter(original)?;
        let ahead = self.capacity.saturating_sub(self.places.available_permits());
        let refused = || Problem::new(Code::Overloaded, "the queue is full; try again shortly");
        if Instant::now() + self.expected(ahead) > deadline {
            return Err(refused());
        }
        self.places.clone().try_acquire_owned().map(|permit| Place { entry, _permit: permit }).map_err(|_| refused())
    }

    /// A lower bound on the time until a job with `ahead` jobs before it ends: the wait for a worker if jobs take the
    /// recent median, plus the shortest duration for the job itself. Zero if a worker is free.
    fn expected(&self, ahead: usize) -> Duration {
        if ahead < self.workers {
            return Duration::ZERO;
        }
        let pace = lock(&self.pace);
        let median = pace.median();
        let waiting = ahead.saturating_sub(pace.running.len());
        let begun: Duration = pace.running.iter().map(|since| median.saturating_sub(since.elapsed())).sum();
        (begun + median.mul_f64(waiting as f64)).div_f64(self.workers as f64) + pace.least
    }

    /// Waits for a worker. A job that depends on another job's place needs none of its own.
    ///
    /// # Errors
    /// [`Code::Deadline`] if no worker becomes free early enough for even the shortest recent job to end in time.
    pub(super) async fn worker(&self, place: Option<Place>, deadline: Instant) -> Result<Worker, Problem> {
        let turn = match &place {
            Some(place) => place.entry.turn(deadline).await?,
            None => None,
        };
        let permit = match self.working.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let waited = timeout_at(deadline, self.working.clone().acquire_owned()).await;
                let Ok(Ok(permit)) = waited else { return Err(late()) };
                let least = lock(&self.pace).least;
                if deadline.saturating_duration_since(Instant::now()) <= least {
                    return Err(late());
                }
                permit
            }
        };
        Ok(Worker { pool: self.clone(), deadline, busy: Busy::new(self.pace.clone()), place, turn, permit })
    }
}

impl Worker {
    /// The cores that the job may use besides its own: those of idle workers. What comes in the meantime waits for them like for
    /// any job, but not for longer than the decode.
    pub(super) fn cores(&self) -> Cores {
        let pool = self.pool.clone();
        Cores::new(move || pool.idle_core())
    }

    /// Runs `job` on a thread of the pool.
    ///
    /// # Errors
    /// [`Code::Deadline`] if the job did not end in time, [`Code::DamagedImage`] if it panicked.
    pub(super) async fn run<T: Send + 'static>(
        self,
        job: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Self { pool, deadline, busy, place, turn, permit } = self;
        let cancellation = Cancellation::until(deadline.into_std());
        let _cancel = CancelOnDrop(cancellation.clone());
        let running = pool.threads.run(move || {
            let (busy, place, _held) = (busy, place, (turn, permit));
            let done = job(&cancellation);
            busy.note(&cancellation);
            if let Some(Place { entry, .. }) = &place {
                entry.took(busy.since.elapsed());
            }
            done
        });
        match timeout_at(deadline + GRACE, running).await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(panic))) => {
                let panic = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
                tracing::error!(panic, "a decoder panicked");
                Err(Problem::new(Code::DamagedImage, "the image is damaged in an unexpected way"))
            }
            Ok(Err(_)) => Err(Problem::new(Code::Overloaded, "no worker thread is available; try again shortly")),
            Err(_) => Err(late()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Returns a name of an original that no other job uses.
    fn original() -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        COUNT.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Runs a job that reads nothing.
    async fn run<T: Send + 'static>(
        pool: &Pool,
        deadline: Instant,
        job: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = pool.place(&original(), deadline)?;
        pool.worker(Some(place), deadline).await?.run(job).await
    }

    #[tokio::test]
    async fn what_exceeds_the_queue_is_refused_and_the_rest_is_done() {
        let pool = Pool::new("test", 1, 1);
        let (release, gate) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { run(&pool, soon(), move |_| gate.recv().is_ok()).await }
        });
        while pool.load() != (Load { busy: 1, queued: 0 }) {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { run(&pool, soon(), |_| 2).await }
        });
        while pool.load() != (Load { busy: 1, queued: 1 }) {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.place(&original(), soon()).unwrap_err().code, Code::Overloaded);
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(true), Ok(2)));
        assert_eq!(run(&pool, soon(), |_| 4).await, Ok(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_lasts_beyond_the_deadline_refuses_at_once() {
        let pool = Pool::new("test", 2, 10);
        pool.pace.lock().unwrap().note(Duration::from_secs(4));
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let code = |seconds| pool.place(&original(), at(seconds)).map(drop).map_err(|problem| problem.code);
        let refused = Err(Code::Overloaded);
        let [first, second] = [pool.worker(None, at(9)).await.unwrap(), pool.worker(None, at(9)).await.unwrap()];
        assert_eq!(code(1), Ok(()), "where nobody has a place, a job may be shorter than others were");
        let places = [pool.place(&original(), at(9)).unwrap(), pool.place(&original(), at(9)).unwrap()];
        // Each worker has 4 s of work, and it takes 4 s itself.
        assert_eq!((code(7), code(9)), (refused, Ok(())));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!((code(4), code(6)), (refused, Ok(())));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!((code(3), code(5)), (refused, Ok(())), "what takes longer than others may end at any time");
        drop((first, second));
        assert_eq!((code(7), code(9)), (refused, Ok(())), "those with places have not begun");
        drop(places);
        assert_eq!(code(1), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waited_is_not_begun_when_no_job_of_late_would_have_ended_in_time() {
        let pool = Pool::new("test", 1, 1);
        pool.pace.lock().unwrap().note(Duration::from_secs(8));
        pool.pace.lock().unwrap().note(Duration::from_secs(2));
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let first = pool.worker(None, at(1)).await.unwrap();
        let waits = |seconds| {
            let (pool, deadline) = (pool.clone(), at(seconds));
            tokio::spawn(async move { pool.worker(None, deadline).await.map(drop).map_err(|problem| problem.code) })
        };
        let (short, long) = (waits(2), waits(3));
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!((short.await.unwrap(), long.await.unwrap()), (Err(Code::Deadline), Ok(())));
    }

    #[tokio::test]
    async fn a_deadline_ends_the_work_and_frees_the_worker() {
        let pool = Pool::new("test", 1, 0);
        let (ended, end) = mpsc::channel();
        let deadline = Instant::now() + Duration::from_millis(30);
        let endless = move |cancellation: &Cancellation| {
            while cancellation.check().is_ok() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            Err::<(), _>(Problem::new(Code::Deadline, "stopped"))
        };
        assert_eq!(run(&pool, deadline, endless).await.and_then(|r| r).unwrap_err().code, Code::Deadline);
        end.recv().unwrap();
        let worker = pool.worker(None, soon()).await.unwrap();
        assert_eq!(worker.run(|_| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_cancelled() {
        let pool = Pool::new("test", 1, 0);
        let (ended, end) = mpsc::channel();
        let abandoned = tokio::spawn({
            let pool = pool.clone();
            async move {
                let job = move |cancellation: &Cancellation| {
                    while cancellation.check().is_ok() {
                        std::thread::yield_now();
                    }
                    ended.send(()).unwrap();
                };
                run(&pool, soon(), job).await
            }
        });
        while pool.load().busy == 0 {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        tokio::task::spawn_blocking(move || end.recv().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_job_gets_the_core_of_an_idle_worker_unless_others_wait() {
        let pool = Pool::new("test", 2, 2);
        let place = pool.place(&original(), soon()).unwrap();
        let first = pool.worker(Some(place), soon()).await.unwrap();
        let cores = first.cores();
        let core = cores.second().unwrap();
        assert_eq!(pool.load().busy, 2);
        assert!(cores.second().is_none(), "there are two");
        drop(core);
        let waiting = pool.place(&original(), soon()).unwrap();
        assert!(cores.second().is_none(), "it is for what waits");
        let second = pool.worker(Some(waiting), soon()).await.unwrap();
        assert!(cores.second().is_none());
        drop(second);
        assert!(cores.second().is_some());
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let pool = Pool::new("test", 1, 0);
        let outcome = run(&pool, soon(), |_| -> () { panic!("as a decoder might") }).await;
        assert_eq!(outcome.unwrap_err().code, Code::DamagedImage);
        let worker = pool.worker(None, soon()).await.unwrap();
        assert_eq!(worker.run(|_| 1).await, Ok(1));
    }
}
