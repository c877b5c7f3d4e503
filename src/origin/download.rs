//! Originals in memory: how much of it all of them may take together, and reading them into it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};
use crate::source::{Object, SourceError};

/// What one permit stands for.
const UNIT: u64 = 64 * 1024;

/// How many bytes of a download are there when they are first looked at, and how many times as many for each further look.
const FIRST_LOOK: usize = 16 * 1024;
const NEXT_LOOK: usize = 8;

/// Reads originals into memory, each up to a limit, all of them up to another.
#[derive(Debug, Clone)]
pub(super) struct Downloads {
    /// Most bytes of one original.
    max_bytes: u64,
    account: Arc<Account>,
}

/// Who has how much of the memory.
#[derive(Debug)]
struct Account {
    permits: Arc<Semaphore>,
    /// How many there are.
    capacity: u64,
    /// How many are waited for.
    waited_for: AtomicU64,
    /// How long memory was held lately: a mean in which the newest weighs most.
    held: Mutex<Duration>,
}

/// The weight of the newest in that mean.
const WEIGHT: f64 = 0.125;

/// Memory that is taken. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    account: Arc<Account>,
    since: Instant,
    _permits: OwnedSemaphorePermit,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut held = self.account.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.mul_f64(1.0 - WEIGHT) + self.since.elapsed().mul_f64(WEIGHT);
    }
}

/// Units that are waited for, until this is dropped.
struct Waiting<'a>(&'a Account, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waited_for.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Bytes together with the room that they take.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Account {
    /// How long it will take until there is room for so many units, if memory is held for as long as lately.
    fn expected(&self, units: u64) -> Duration {
        let wanted = self.waited_for.load(Ordering::Relaxed) + units;
        let missing = wanted.saturating_sub(self.permits.available_permits() as u64);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.mul_f64(missing as f64 / self.capacity as f64)
    }
}

impl Downloads {
    /// At most `max_bytes` each and `memory` together, which is at least room for one.
    pub(super) fn new(max_bytes: u64, memory: u64) -> Self {
        let capacity = (units(memory.max(max_bytes)) as usize).min(Semaphore::MAX_PERMITS);
        let account = Account {
            permits: Arc::new(Semaphore::new(capacity)),
            capacity: capacity.max(1) as u64,
            waited_for: AtomicU64::new(0),
            held: Mutex::default(),
        };
        Self { max_bytes, account: Arc::new(account) }
    }

    /// How many bytes are taken.
    pub(super) fn held(&self) -> u64 {
        self.account.capacity.saturating_sub(self.account.permits.available_permits() as u64) * UNIT
    }

    /// Room for so many bytes.
    ///
    /// # Errors
    /// [`Code::Overloaded`]: at once when there will be no room in time, by how long memory was held lately, and when
    /// there was none in half of the time that is left, for the rest would not do for reading and working.
    pub(super) async fn room(&self, bytes: u64, deadline: Instant) -> Result<Room, Problem> {
        let refused = || Problem::new(Code::Overloaded, "too many originals are being read; try again shortly");
        let (now, units, account) = (Instant::now(), units(bytes), &self.account);
        let half = now + deadline.saturating_duration_since(now) / 2;
        if now + account.expected(units.into()) > half {
            return Err(refused());
        }
        account.waited_for.fetch_add(units.into(), Ordering::Relaxed);
        let waiting = Waiting(account, units.into());
        let permits = timeout_at(half, account.permits.clone().acquire_many_owned(units)).await;
        drop(waiting);
        let Ok(Ok(permits)) = permits else { return Err(refused()) };
        Ok(Room { account: account.clone(), since: Instant::now(), _permits: permits })
    }

    /// Reads an original, for as long as the deadline allows. Of what a store sends, `look` gets what has come so far,
    /// again and again until it says that it has seen enough, so that an original that cannot be used costs no whole
    /// download.
    ///
    /// # Errors
    /// [`Code::SourceTooLarge`], those of [`Self::room`], and whatever reading fails with.
    pub(super) async fn read<F>(
        &self,
        object: Object,
        deadline: Instant,
        mut look: impl FnMut(Vec<u8>) -> F,
    ) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Look, Problem>>,
    {
        object.check_length(self.max_bytes)?;
        let room = self.room(object.meta.length.unwrap_or(self.max_bytes), deadline).await?;
        let reading = async {
            let mut reading = object.start(self.max_bytes)?;
            let mut next = FIRST_LOOK;
            while !reading.read_to(next).await? {
                let seen = look(reading.take()).await?;
                next = if seen.enough { usize::MAX } else { seen.bytes.len().saturating_mul(NEXT_LOOK) };
                reading.put_back(seen.bytes);
            }
            Ok::<_, Problem>(reading.take())
        };
        let bytes = timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(SourceError::TimedOut.into()))?;
        Ok(Bytes::from_owner(Held { bytes: bytes.into(), _room: room }))
    }
}

/// What a look at the beginning of a download says.
#[derive(Debug)]
pub(super) struct Look {
    /// The bytes that were looked at.
    pub(super) bytes: Vec<u8>,
    /// Whether there is no need to look again.
    pub(super) enough: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Content, Meta};

    fn object(length: u64, pieces: usize) -> Object {
        let piece = Bytes::from(vec![0; length as usize / pieces]);
        let stream = futures_util::stream::iter((0..pieces).map(move |_| Ok(piece.clone())));
        let meta = Meta { etag: None, modified: None, length: Some(length) };
        Object { meta, content: Content::Stream(Box::pin(stream)) }
    }

    async fn enough(bytes: Vec<u8>) -> Result<Look, Problem> {
        Ok(Look { bytes, enough: true })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn originals_wait_for_room_and_give_it_back() {
        let downloads = Downloads::new(4 * UNIT, 6 * UNIT);
        let read = |length| downloads.read(object(length, 1), soon(), enough);
        let first = read(4 * UNIT).await.unwrap();
        let part = first.slice(..1);
        drop(first);
        let started = Instant::now();
        assert_eq!(read(3 * UNIT).await.unwrap_err().code, Code::Overloaded, "a part holds the whole");
        assert_eq!(started.elapsed(), Duration::from_secs(5), "the rest of the time would not do");
        assert!(read(2 * UNIT).await.is_ok());
        drop(part);
        assert!(read(3 * UNIT).await.is_ok());
        assert_eq!(read(4 * UNIT + 1).await.unwrap_err().code, Code::SourceTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_find_no_room_in_time_is_refused_at_once() {
        let downloads = Downloads::new(4 * UNIT, 4 * UNIT);
        let room = |units| downloads.room(units * UNIT, soon());
        *downloads.account.held.lock().unwrap() = Duration::from_secs(8);
        let held = room(4).await.unwrap();
        let started = Instant::now();
        assert_eq!(room(3).await.unwrap_err().code, Code::Overloaded, "three quarters of the memory take 6 s");
        assert_eq!(started.elapsed(), Duration::ZERO);
        let waiting = tokio::spawn({
            let downloads = downloads.clone();
            async move { downloads.room(2 * UNIT, soon()).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(room(1).await.unwrap_err().code, Code::Overloaded, "those who wait already come first");
        drop(held);
        assert!(waiting.await.unwrap().is_ok());
        assert_eq!(downloads.account.waited_for.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_refusal_ends_the_download() {
        let downloads = Downloads::new(1 << 20, 1 << 20);
        let mut looks = Vec::new();
        let read = downloads.read(object(100_000, 5), soon(), |seen| {
            looks.push(seen.len());
            async { Err(Problem::new(Code::UnsupportedImage, "no image")) }
        });
        assert_eq!((read.await.unwrap_err().code, looks), (Code::UnsupportedImage, vec![20_000]));
    }
}
