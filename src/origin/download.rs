//! Reads originals into memory, within a limit for each and a limit for all of them together.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::body::InMemory;
use super::memory::{Account, Room};
use crate::error::Problem;
use crate::source::{Object, SourceError};

/// The number of bytes after which a download is first inspected, and the factor by which that number grows for each
/// further inspection.
const FIRST_LOOK: usize = 16 * 1024;
const NEXT_LOOK: usize = 8;

/// Reads originals into memory, each up to a limit, all of them up to another.
#[derive(Debug, Clone)]
pub(super) struct Downloads {
    /// The maximum size of one original in bytes.
    max_bytes: u64,
    /// The memory for all originals.
    account: Account,
    /// The memory for originals that are forwarded unchanged, which takes as long as the client does. It is half of all
    /// memory, so that the other half remains available for pictures.
    handed_on: Account,
}

impl Downloads {
    /// Creates limits of `max_bytes` for each original and `memory` for all, which is raised to at least `max_bytes`.
    pub(super) fn new(max_bytes: u64, memory: u64) -> Self {
        let account = |memory: u64| Account::new(memory.max(max_bytes));
        Self { max_bytes, account: account(memory), handed_on: account(memory / 2) }
    }

    /// The same memory with another limit for each original.
    pub(super) fn with_max_bytes(&self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self.clone() }
    }

    /// The number of bytes in use.
    pub(super) fn held(&self) -> u64 {
        self.account.taken()
    }

    /// Reserves memory for originals that are about to be received, or for other data.
    ///
    /// # Errors
    /// Those of [`Account::room`].
    pub(super) async fn room(&self, bytes: u64, deadline: Instant) -> Result<Room, Problem> {
        self.account.room(bytes, deadline).await
    }

    /// Reads an original that is to be forwarded unchanged, like [`Self::read`].
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub(super) async fn read_to_hand_on<F>(
        &self,
        object: Object,
        deadline: Instant,
        look: impl FnMut(Vec<u8>) -> F,
    ) -> Result<InMemory, Problem>
    where
        F: Future<Output = Result<Look, Problem>>,
    {
        let room = self.handed_on.room(self.length(&object)?, deadline).await?;
        let bytes = self.read(object, deadline, look).await?;
        Ok(InMemory::in_room_of(Room::hold(vec![room], bytes), [self.account.clone(), self.handed_on.clone()]))
    }

    /// The maximum number of bytes that an original takes.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`].
    pub(super) fn length(&self, object: &Object) -> Result<u64, SourceError> {
        object.check_length(self.max_bytes)?;
        Ok(object.meta.length.unwrap_or(self.max_bytes))
    }

    /// Reserves memory for an original and receives it, like [`Self::receive`].
    ///
    /// # Errors
    /// Those of [`Self::length`], [`Self::room`] and [`Self::receive`].
    pub(super) async fn read<F>(
        &self,
        object: Object,
        deadline: Instant,
        look: impl FnMut(Vec<u8>) -> F,
    ) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Look, Problem>>,
    {
        let room = self.room(self.length(&object)?, deadline).await?;
        self.receive(object, room, deadline, look).await
    }

    /// Receives an original, for which memory is reserved, until the deadline. While bytes arrive from a store, `look` is
    /// called with those received so far, repeatedly until it reports that it has seen enough, so that an unusable original
    /// does not cost a whole download.
    ///
    /// # Errors
    /// Those of `look`, and any error of reading.
    pub(super) async fn receive<F>(
        &self,
        object: Object,
        room: Room,
        deadline: Instant,
        mut look: impl FnMut(Vec<u8>) -> F,
    ) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Look, Problem>>,
    {
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
        Ok(Room::hold(vec![room], bytes.into()))
    }
}

/// The result of inspecting the beginning of a download.
#[derive(Debug)]
pub(super) struct Look {
    /// The inspected bytes.
    pub(super) bytes: Vec<u8>,
    /// Whether no further inspection is needed.
    pub(super) enough: bool,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Code;
    use crate::source::{Content, ObjectMeta};

    const KIB: u64 = 1024;

    fn object(length: u64, pieces: usize) -> Object {
        let piece = Bytes::from(vec![0; length as usize / pieces]);
        let stream = futures_util::stream::iter((0..pieces).map(move |_| Ok(piece.clone())));
        let meta = ObjectMeta { length: Some(length), ..ObjectMeta::default() };
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
        let downloads = Downloads::new(4 * KIB, 6 * KIB);
        let read = |length| downloads.read(object(length, 1), soon(), enough);
        let first = read(4 * KIB).await.unwrap();
        let part = first.slice(..1);
        drop(first);
        let started = Instant::now();
        assert_eq!(read(3 * KIB).await.unwrap_err().code, Code::Overloaded, "a part holds the whole");
        assert_eq!(started.elapsed(), Duration::from_secs(5), "the rest of the time would not do");
        assert!(read(2 * KIB).await.is_ok());
        drop(part);
        assert!(read(3 * KIB).await.is_ok());
        assert_eq!(read(4 * KIB + 1).await.unwrap_err().code, Code::SourceTooLarge);
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
