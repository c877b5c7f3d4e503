//! A bounded number of threads for pixel work, and a bounded queue before them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::codec::Work;
use crate::error::{Code, Problem};

/// How much later than its deadline work may notice it. After that the answer is given without it; its thread counts as
/// busy until it is really done.
const GRACE: Duration = Duration::from_millis(500);

/// Where pixel work is done: never on the threads that serve connections.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    /// One permit for each picture that is being worked on.
    workers: Arc<Semaphore>,
    /// One permit for each picture that is worked on or waits.
    places: Arc<Semaphore>,
}

/// Cancels the work when the one who waits for it goes away.
struct CancelOnDrop(Work);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Pool {
    pub(super) fn new(workers: usize, queue: usize) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { workers: permits(workers), places: permits(workers.saturating_add(queue)) }
    }

    /// Runs `job` on a thread of its own as soon as a worker is free.
    ///
    /// # Errors
    /// [`Code::Overloaded`] at once when the queue is full, [`Code::Deadline`] when no worker was free in time or the
    /// job did not end, [`Code::DamagedImage`] when a decoder panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Work) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Problem::new(Code::Overloaded, "too many pictures are waiting to be made; try again shortly"));
        };
        let late = || Problem::new(Code::Deadline, "the picture was not ready in time");
        let waited = timeout_at(deadline, self.workers.clone().acquire_owned()).await;
        let Ok(Ok(worker)) = waited else { return Err(late()) };
        let work = Work::until(deadline.into_std());
        let _cancel = CancelOnDrop(work.clone());
        let running = tokio::task::spawn_blocking(move || {
            let _held = (place, worker);
            job(&work)
        });
        match timeout_at(deadline + GRACE, running).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => {
                tracing::error!(%panic, "a picture made its decoder panic");
                Err(Problem::new(Code::DamagedImage, "the image is damaged in a way that its decoder did not expect"))
            }
            Err(_) => Err(late()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[tokio::test]
    async fn what_exceeds_the_queue_is_refused_and_the_rest_is_done() {
        let pool = Pool::new(1, 1);
        let (release, gate) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(soon(), move |_| gate.recv().is_ok()).await }
        });
        while pool.workers.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(soon(), |_| 2).await }
        });
        while pool.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(soon(), |_| 3).await.unwrap_err().code, Code::Overloaded);
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(true), Ok(2)));
        assert_eq!(pool.run(soon(), |_| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn a_deadline_ends_the_work_and_frees_the_worker() {
        let pool = Pool::new(1, 0);
        let (ended, end) = mpsc::channel();
        let deadline = Instant::now() + Duration::from_millis(30);
        let endless = move |work: &Work| {
            while work.check().is_ok() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            Err::<(), _>(Problem::new(Code::Deadline, "stopped"))
        };
        assert_eq!(pool.run(deadline, endless).await.and_then(|r| r).unwrap_err().code, Code::Deadline);
        end.recv().unwrap();
        assert_eq!(pool.run(soon(), |_| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_cancelled() {
        let pool = Pool::new(1, 0);
        let (ended, end) = mpsc::channel();
        let abandoned = tokio::spawn({
            let pool = pool.clone();
            async move {
                let job = move |work: &Work| {
                    while work.check().is_ok() {
                        std::thread::yield_now();
                    }
                    ended.send(()).unwrap();
                };
                pool.run(soon(), job).await
            }
        });
        while pool.workers.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        tokio::task::spawn_blocking(move || end.recv().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let pool = Pool::new(1, 0);
        let outcome = pool.run(soon(), |_| -> () { panic!("as a decoder might") }).await;
        assert_eq!(outcome.unwrap_err().code, Code::DamagedImage);
        assert_eq!(pool.run(soon(), |_| 1).await, Ok(1));
    }
}
