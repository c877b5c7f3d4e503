//! Request coalescing: concurrent equal requests share one computation.
//!
//! The future of the first caller is shared with all callers that arrive while it runs. Every waiting caller polls it,
//! so it continues if the first caller leaves, and is dropped when the last one does.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};

type Flight<T> = BoxFuture<'static, Result<T, Problem>>;

/// The computations in flight, by key.
#[derive(Debug)]
pub(super) struct Flights<T>(Arc<Mutex<Table<T>>>);

#[derive(Debug)]
struct Table<T> {
    flights: HashMap<String, (u64, WeakShared<Flight<T>>)>,
    next: u64,
}

/// Removes a flight from the table when it ends or is dropped.
struct Entry<T> {
    table: Arc<Mutex<Table<T>>>,
    key: String,
    number: u64,
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        // A newer flight may have replaced an abandoned one.
        if table.flights.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            table.flights.remove(&self.key);
        }
    }
}

fn lock<T>(table: &Mutex<Table<T>>) -> MutexGuard<'_, Table<T>> {
    // No code panics while it holds the lock.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a request computed its response itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It computed the response.
    Leader,
    /// It waited for the computation of another request.
    Follower,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table { flights: HashMap::new(), next: 0 })))
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Returns the result of the flight for this key, or starts one with `work`.
    ///
    /// A failure that concerns only the leader, such as its deadline, is not passed on to the followers: they try again
    /// until their own deadline.
    ///
    /// # Errors
    /// The errors of `work`; [`Code::Deadline`] if the deadline of a follower has passed.
    pub(super) async fn join<F>(&self, key: &str, deadline: Instant, work: impl Fn() -> F) -> Result<(T, Role), Problem>
    where
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let mut refused = false;
        loop {
            let (flight, role) = self.board(key, &work);
            if role == Role::Leader {
                return Ok((flight.await?, role));
            }
            let Ok(outcome) = timeout_at(deadline, flight).await else {
                return Err(Problem::new(Code::Deadline, "the picture was not ready in time"));
            };
            match outcome {
                Ok(done) => return Ok((done, role)),
                Err(Problem { code: Code::Deadline | Code::SourceTimeout, .. }) if Instant::now() < deadline => {}
                // Retried once only, so that overload is reported at once, however many requests are coalesced.
                Err(Problem { code: Code::Overloaded, .. }) if !refused => refused = true,
                Err(problem) => return Err(problem),
            }
        }
    }

    fn board<F>(&self, key: &str, work: impl Fn() -> F) -> (Shared<Flight<T>>, Role)
    where
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let mut table = lock(&self.0);
        if let Some(flight) = table.flights.get(key).and_then(|(_, flight)| flight.upgrade()) {
            return (flight, Role::Follower);
        }
        let number = table.next;
        table.next += 1;
        let entry = Entry { table: self.0.clone(), key: key.to_owned(), number };
        let work = work();
        let flight = async move {
            let _entry = entry;
            work.await
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(key.to_owned(), (number, weak));
        }
        (flight, Role::Leader)
    }

    /// The number of flights.
    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).flights.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    /// Flights that wait at a gate, and fail with the error passed to the first.
    struct Airport {
        flights: Flights<usize>,
        gate: Arc<Semaphore>,
        flown: Arc<AtomicUsize>,
    }

    impl Airport {
        fn new() -> Arc<Self> {
            Arc::new(Self { flights: Flights::default(), gate: Arc::new(Semaphore::new(0)), flown: Arc::default() })
        }

        /// Starts a flight. The first one ends with `first`, all others with their number.
        fn ask(
            self: &Arc<Self>,
            seconds: u64,
            first: Option<Code>,
        ) -> tokio::task::JoinHandle<Result<(usize, Role), Code>> {
            let airport = self.clone();
            let deadline = Instant::now() + Duration::from_secs(seconds);
            tokio::spawn(async move {
                let work = || {
                    let (gate, flown) = (airport.gate.clone(), airport.flown.clone());
                    async move {
                        let number = flown.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.unwrap().forget();
                        match first {
                            Some(code) if number == 0 => Err(Problem::new(code, "the first")),
                            _ => Ok(number),
                        }
                    }
                };
                airport.flights.join("key", deadline, work).await.map_err(|problem| problem.code)
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn equal_requests_are_worked_once() {
        let airport = Airport::new();
        let all = [airport.ask(9, None), airport.ask(9, None), airport.ask(9, None)];
        tokio::time::sleep(Duration::from_secs(1)).await;
        airport.gate.add_permits(1);
        let roles = futures_util::future::join_all(all).await.into_iter().map(|done| done.unwrap().unwrap());
        let expected = [(0, Role::Leader), (0, Role::Follower), (0, Role::Follower)];
        assert_eq!((roles.collect::<Vec<_>>().as_slice(), airport.flights.len()), (expected.as_slice(), 0));
        airport.gate.add_permits(1);
        assert_eq!(airport.ask(9, None).await.unwrap(), Ok((1, Role::Leader)), "what has ended is not joined");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_leader_fails_with_is_tried_again_if_it_was_its_own_fault() {
        let table = [
            (Code::Deadline, Ok(1)),
            (Code::SourceTimeout, Ok(1)),
            (Code::Overloaded, Ok(1)),
            (Code::DamagedImage, Err(Code::DamagedImage)),
        ];
        for (code, expected) in table {
            let airport = Airport::new();
            let (leader, follower) = (airport.ask(9, Some(code)), airport.ask(9, Some(code)));
            tokio::time::sleep(Duration::from_secs(1)).await;
            airport.gate.add_permits(2);
            assert_eq!(leader.await.unwrap(), Err(code));
            assert_eq!(follower.await.unwrap().map(|(number, _)| number), expected, "{code:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_has_a_deadline_of_its_own() {
        let airport = Airport::new();
        let (leader, follower) = (airport.ask(9, None), airport.ask(2, None));
        assert_eq!(follower.await.unwrap(), Err(Code::Deadline));
        airport.gate.add_permits(1);
        assert_eq!(leader.await.unwrap(), Ok((0, Role::Leader)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_goes_on_when_the_leader_leaves_and_ends_with_the_last_follower() {
        let airport = Airport::new();
        let (leader, follower, last) = (airport.ask(9, None), airport.ask(9, None), airport.ask(9, None));
        tokio::time::sleep(Duration::from_secs(1)).await;
        leader.abort();
        tokio::time::sleep(Duration::from_secs(1)).await;
        airport.gate.add_permits(1);
        assert_eq!(follower.await.unwrap(), Ok((0, Role::Follower)));
        assert!(last.await.unwrap().is_ok());
        let alone = airport.ask(9, None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(airport.flights.len(), 1);
        alone.abort();
        assert!(alone.await.unwrap_err().is_cancelled());
        assert_eq!(airport.flights.len(), 0);
    }
}
