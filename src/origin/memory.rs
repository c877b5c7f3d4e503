//! Memory that is shared by requests: a budget, the order in which requests get memory, and the order in which clients
//! lose it.
//!
//! A request waits for [`Room`] of an [`Account`]. Bytes that are being sent to a client are a [`Loan`]: while other
//! requests wait, the account reclaims loans from the slowest clients, so that clients that do not read delay nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};

/// The penalty for large requests: a request for a share of all memory is ordered as if it had arrived later by that
/// share of this time. Small requests overtake large ones, but nobody is overtaken by requests that arrive much later.
const SIZE_PENALTY: Duration = Duration::from_secs(4);

/// The interval at which waiting requests check for slow clients.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long a client may read nothing while others wait for its memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// The rate in bytes per second at which a client does not count as slow.
const PACE: f64 = 64.0 * 1024.0;

/// The weight of the newest sample in the moving average of how long memory is held.
const WEIGHT: f64 = 0.125;

/// A memory budget of fixed size. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Account(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: u64,
    waiting: BTreeMap<Turn, Waiter>,
    /// The number of requests that have waited so far.
    count: u64,
    /// The moving average of how long memory is held, starting at [`PATIENCE`].
    held: Duration,
    loans: Vec<Weak<Loan>>,
}

/// The position of a request in the queue.
type Turn = (Instant, u64);

#[derive(Debug)]
struct Waiter {
    bytes: u64,
    granted: oneshot::Sender<()>,
}

impl State {
    /// Grants memory to the next waiting requests as far as there is enough.
    fn settle(&mut self) {
        while let Some(next) = self.waiting.first_entry().filter(|next| next.get().bytes <= self.free) {
            let Waiter { bytes, granted } = next.remove();
            self.free -= bytes;
            // A waiter removes itself from the table before its receiver is dropped.
            let _ = granted.send(());
        }
    }

    fn give_back(&mut self, bytes: u64) {
        self.free += bytes;
        self.settle();
    }
}

impl Account {
    /// Creates an account of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        let state = State { free: capacity, waiting: BTreeMap::new(), count: 0, held: PATIENCE, loans: Vec::new() };
        Self(Arc::new(Inner { capacity, state: Mutex::new(state) }))
    }

    /// The number of bytes in use.
    pub(super) fn taken(&self) -> u64 {
        self.0.capacity - self.lock().free
    }

    /// Acquires this many bytes, or the whole capacity if that is smaller.
    ///
    /// # Errors
    /// [`Code::Overloaded`]: at once if, by how long memory was held recently, there will be none in time, and after
    /// half of the remaining time, since the rest would be too short for reading and processing.
    pub(super) async fn room(&self, bytes: u64, deadline: Instant) -> Result<Room, Problem> {
        let refused = || Problem::new(Code::Overloaded, "too many originals are being read; try again shortly");
        let (bytes, now) = (bytes.min(self.0.capacity), Instant::now());
        let half = now + deadline.saturating_duration_since(now) / 2;
        let mut waiting = {
            let mut state = self.lock();
            let turn = now + SIZE_PENALTY.mul_f64(self.share(bytes));
            if bytes == 0 || (state.waiting.is_empty() && bytes <= state.free) {
                state.free -= bytes;
                return Ok(Room { account: self.clone(), bytes, since: now });
            }
            if now + self.expected(&state, turn, bytes) > half {
                return Err(refused());
            }
            let (granted, grant) = oneshot::channel();
            state.count += 1;
            let turn = (turn, state.count);
            state.waiting.insert(turn, Waiter { bytes, granted });
            // This request may precede the next waiting one, and fit.
            state.settle();
            Waiting { account: self, turn, bytes, grant, is_over: false }
        };
        loop {
            self.relieve();
            let look = half.min(Instant::now() + LOOK_AGAIN);
            if timeout_at(look, &mut waiting.grant).await.is_ok() {
                waiting.is_over = true;
                return Ok(Room { account: self.clone(), bytes, since: Instant::now() });
            }
            if look == half {
                return Err(refused());
            }
        }
    }

    /// Registers a loan of bytes that occupy [`Room`] of this account.
    fn note(&self, loan: &Arc<Loan>) {
        let mut state = self.lock();
        state.loans.retain(|loan| loan.strong_count() > 0);
        state.loans.push(Arc::downgrade(loan));
    }

    /// The expected time until this request is granted, if memory is held for as long as recently.
    fn expected(&self, state: &State, turn: Instant, bytes: u64) -> Duration {
        let before: u64 = state.waiting.range(..(turn, u64::MAX)).map(|(_, waiter)| waiter.bytes).sum();
        let missing = (before + bytes).saturating_sub(state.free);
        state.held.mul_f64(self.share(missing))
    }

    /// This number of bytes as a fraction of the capacity.
    fn share(&self, bytes: u64) -> f64 {
        bytes as f64 / self.0.capacity.max(1) as f64
    }

    /// Reclaims memory from slow clients, slowest first, until there is enough for the next request.
    fn relieve(&self) {
        loop {
            let loans = {
                let state = self.lock();
                if state.waiting.is_empty() {
                    return;
                }
                state.loans.clone()
            };
            // Without the lock, because dropping a loan acquires it.
            let now = Instant::now();
            let slow = |loan: Arc<Loan>| Some((loan.good_until().filter(|until| *until < now)?, loan));
            let slow = loans.iter().filter_map(Weak::upgrade).filter_map(slow);
            let Some((_, loan)) = slow.min_by_key(|(until, _)| *until) else { return };
            drop(loan.take_back());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for memory.
struct Waiting<'a> {
    account: &'a Account,
    turn: Turn,
    bytes: u64,
    grant: oneshot::Receiver<()>,
    /// Whether it has received the granted memory.
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.account.lock();
        match state.waiting.remove(&self.turn) {
            // Its departure may let others proceed.
            Some(_) => state.settle(),
            None => state.give_back(self.bytes),
        }
    }
}

/// Reserved memory. It is released on drop.
#[derive(Debug)]
pub(super) struct Room {
    account: Account,
    bytes: u64,
    since: Instant,
}

impl Room {
    /// Separates this many bytes, or all if there are fewer, so that they can be released on their own.
    pub(super) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { account: self.account.clone(), bytes, since: self.since }
    }

    /// Attaches the memory to these bytes until the last part of them is dropped.
    pub(super) fn hold(rooms: Vec<Self>, bytes: Bytes) -> Bytes {
        struct Held {
            bytes: Bytes,
            _rooms: Vec<Room>,
        }
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }
        Bytes::from_owner(Held { bytes, _rooms: rooms })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.account.lock();
        state.held = state.held.mul_f64(1.0 - WEIGHT) + self.since.elapsed().mul_f64(WEIGHT);
        state.give_back(self.bytes);
    }
}

/// Bytes that are being sent to a client.
#[derive(Debug)]
pub(super) struct Loan(Mutex<Lent>);

#[derive(Debug)]
struct Lent {
    /// `None` once they have been reclaimed.
    bytes: Option<Bytes>,
    /// The time until which the client may stay without reading.
    good_until: Instant,
}

impl Loan {
    /// Lends bytes to a client until they are sent, or until one of the accounts reclaims the memory that they occupy.
    pub(super) fn new(bytes: Bytes, accounts: &[Account]) -> Arc<Self> {
        let lent = Lent { bytes: Some(bytes), good_until: Instant::now() + PATIENCE };
        let loan = Arc::new(Self(Mutex::new(lent)));
        for account in accounts {
            account.note(&loan);
        }
        loan
    }

    /// A copy of these bytes, which occupies no memory of the account; `None` once they have been reclaimed.
    pub(super) fn copy(&self, range: std::ops::Range<usize>) -> Option<Bytes> {
        let mut lent = self.lock();
        let piece = Bytes::copy_from_slice(lent.bytes.as_ref()?.get(range)?);
        let now = Instant::now();
        let earned = Duration::from_secs_f64(piece.len() as f64 / PACE);
        lent.good_until = (lent.good_until.max(now) + earned).min(now + PATIENCE);
        Some(piece)
    }

    /// The time until which the client may keep the unread bytes if others wait for them.
    fn good_until(&self) -> Option<Instant> {
        let lent = self.lock();
        lent.bytes.as_ref().map(|_| lent.good_until)
    }

    fn take_back(&self) -> Option<Bytes> {
        self.lock().bytes.take()
    }

    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Spawns a request for memory.
    fn asks(account: &Account, bytes: u64) -> tokio::task::JoinHandle<Result<Room, Code>> {
        let account = account.clone();
        tokio::spawn(async move { account.room(bytes, soon()).await.map_err(|problem| problem.code) })
    }

    async fn a_moment() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_find_no_room_in_time_is_refused_at_once() {
        let account = Account::new(4);
        account.lock().held = Duration::from_secs(8);
        let held = account.room(4, soon()).await.unwrap();
        let started = Instant::now();
        assert_eq!(asks(&account, 3).await.unwrap().unwrap_err(), Code::Overloaded, "three quarters take 6 s");
        assert_eq!(started.elapsed(), Duration::ZERO);
        let waiting = asks(&account, 2);
        a_moment().await;
        assert_eq!(
            asks(&account, 2).await.unwrap().unwrap_err(),
            Code::Overloaded,
            "those who wait already come first"
        );
        drop(held);
        assert!(waiting.await.unwrap().is_ok());
        assert_eq!((account.taken(), account.lock().waiting.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_pass_a_large_one_for_a_while_and_then_no_more() {
        let account = Account::new(100);
        let held = account.room(50, soon()).await.unwrap();
        let large = asks(&account, 100);
        a_moment().await;
        for _ in 0..8 {
            let small = asks(&account, 1).await.unwrap();
            assert!(small.is_ok(), "there is room for it, and the large one has not waited for long");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let late = asks(&account, 1);
        a_moment().await;
        assert!(!late.is_finished() && !large.is_finished(), "it is the turn of the large one");
        drop(held);
        let large = large.await.unwrap().unwrap();
        assert!(!late.is_finished());
        drop(large);
        assert!(late.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_leave_hold_nobody_up() {
        let account = Account::new(100);
        let held = account.room(50, soon()).await.unwrap();
        let large = asks(&account, 100);
        tokio::time::sleep(SIZE_PENALTY).await;
        let small = asks(&account, 40);
        a_moment().await;
        assert!(!small.is_finished());
        large.abort();
        assert!(small.await.unwrap().is_ok());
        // A request that is dropped after it was granted memory and before it noticed.
        let waiting = asks(&account, 100);
        a_moment().await;
        drop(held);
        waiting.abort();
        let _ = waiting.await;
        assert_eq!(account.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_memory_is_released_on_its_own() {
        let account = Account::new(100);
        let mut room = account.room(80, soon()).await.unwrap();
        let part = room.split(30);
        let waiting = asks(&account, 50);
        a_moment().await;
        assert_eq!(asks(&account, 0).await.unwrap().unwrap().bytes, 0, "nothing waits for nothing");
        assert!(!waiting.is_finished());
        drop(part);
        let waiting = waiting.await.unwrap().unwrap();
        assert_eq!((account.taken(), room.split(60).bytes, room.bytes), (100, 50, 0));
        drop((waiting, room));
        assert_eq!(account.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_do_not_read_lose_their_bytes_to_those_who_wait() {
        let account = Account::new(100);
        let lend = async || {
            let room = account.room(50, soon()).await.unwrap();
            let accounts = std::slice::from_ref(&account);
            Loan::new(Room::hold(vec![room], Bytes::from(vec![7; 50])), accounts)
        };
        let (stalled, reading) = (lend().await, lend().await);
        let reads = reading.clone();
        let reader = tokio::spawn(async move {
            for at in 0..20 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                // A rate of 64 KiB a second, scaled to the smaller memory.
                assert!(reads.copy(0..50).is_some(), "{at}");
                reads.lock().good_until = Instant::now() + PATIENCE;
            }
        });
        tokio::time::sleep(PATIENCE + Duration::from_millis(1)).await;
        assert_eq!(stalled.copy(0..1).unwrap(), &[7][..], "nobody waits for them");
        let first = asks(&account, 50);
        tokio::time::sleep(PATIENCE - LOOK_AGAIN).await;
        drop(first.await.unwrap().unwrap());
        assert_eq!((stalled.copy(0..1), reading.copy(0..1).is_some()), (None, true));
        reader.await.unwrap();
    }
}
