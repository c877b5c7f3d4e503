//! Threads for CPU-bound work, separate from those of the runtime: reading files and resolving names can block the
//! runtime's blocking threads for as long as a disk or a name server hangs, and that must not delay pictures.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The payload of a panic.
pub(super) type Panic = Box<dyn Any + Send>;

/// A fixed maximum number of threads, which are started on demand and end when this is dropped.
#[derive(Debug)]
pub(super) struct Threads {
    name: &'static str,
    most: usize,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    started: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.jobs.len())
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl Threads {
    /// Creates a pool of at most `most` threads with this name.
    pub(super) fn new(name: &'static str, most: usize) -> Self {
        Self { name, most, shared: Arc::default() }
    }

    /// Queues a job. The receiver gets its result or the payload of its panic; its channel is closed if no thread could
    /// be started.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Panic>> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            // The receiver may have been dropped.
            let _ = sender.send(outcome);
        });
        let mut state = self.shared.lock();
        state.jobs.push_back(job);
        if state.idle < state.jobs.len() && state.started < self.most {
            self.start(&mut state);
        }
        drop(state);
        self.shared.wake.notify_one();
        receiver
    }

    fn start(&self, state: &mut State) {
        let shared = self.shared.clone();
        match std::thread::Builder::new().name(self.name.to_owned()).spawn(move || shared.work()) {
            Ok(_) => state.started += 1,
            Err(error) => {
                tracing::error!(%error, "cannot start a thread");
                if state.started == 0 {
                    state.jobs.clear();
                }
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// Locks the state. A panic of a job is caught before it can poison the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn jobs_run_on_as_many_threads_as_there_may_be() {
        let threads = Threads::new("test", 2);
        let (arrive, arrivals) = mpsc::channel();
        let gates: Vec<_> = (0..3)
            .map(|number| {
                let (open, gate) = mpsc::channel::<()>();
                let arrive = arrive.clone();
                let done = threads.run(move || {
                    arrive.send(number).unwrap();
                    gate.recv().unwrap();
                    number
                });
                (open, done)
            })
            .collect();
        let mut first = [arrivals.recv().unwrap(), arrivals.recv().unwrap()];
        first.sort_unstable();
        assert_eq!((first, arrivals.try_recv().is_err()), ([0, 1], true), "the third waits");
        for (number, (open, done)) in gates.into_iter().enumerate() {
            open.send(()).unwrap();
            assert_eq!(done.await.unwrap().unwrap(), number);
        }
        assert_eq!(arrivals.recv(), Ok(2));
        assert_eq!(threads.shared.lock().started, 2);
    }

    #[tokio::test]
    async fn a_panic_is_a_result_and_the_thread_goes_on() {
        let threads = Threads::new("test", 1);
        let panicked = threads.run(|| -> () { panic!("as a decoder might") }).await.unwrap();
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as a decoder might"));
        assert_eq!(threads.run(|| 1).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn threads_end_with_their_owner() {
        let threads = Threads::new("test", 1);
        threads.run(|| ()).await.unwrap().unwrap();
        let shared = Arc::downgrade(&threads.shared);
        drop(threads);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
