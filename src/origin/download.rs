//! Originals in memory: how much of it all of them may take together, and reading them into it.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::body::InMemory;
use super::memory::{Account, Room};
use crate::error::Problem;
use crate::source::{Object, SourceError};

/// How many bytes of a download are there when they are first looked at, and how many times as many for each further look.
const FIRST_LOOK: usize = 16 * 1024;
const NEXT_LOOK: usize = 8;

/// Reads originals into memory, each up to a limit, all of them up to another.
#[derive(Debug, Clone)]
pub(super) struct Downloads {
    /// Most bytes of one original.
    max_bytes: u64,
    /// For all of them.
    account: Account,
    /// For those that are handed on as they are, which takes as long as their clients take: half of the memory, so that these
    /// leave the other half to pictures.
    handed_on: Account,
}

impl Downloads {
    /// At most `max_bytes` each and `memory` together, which is at least room for one.
    pub(super) fn new(max_bytes: u64, memory: u64) -> Self {
        let account = |memory: u64| Account::new(memory.max(max_bytes));
        Self { max_bytes, account: account(memory), handed_on: account(memory / 2) }
    }

    /// How many bytes are taken.
    pub(super) fn held(&self) -> u64 {
        self.account.taken()
    }

    /// Room for so many bytes beside the originals.
    ///
    /// # Errors
    /// Those of [`Account::room`].
    pub(super) async fn room(&self, bytes: u64, deadline: Instant) -> Result<Room, Problem> {
        self.account.room(bytes, deadline).await
    }

    /// Reads an original that is to be handed on, like [`Self::read`].
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
        object.check_length(self.max_bytes)?;
        let room = self.handed_on.room(self.length(&object), deadline).await?;
        let bytes = self.read(object, deadline, look).await?;
        Ok(InMemory::in_room_of(Room::hold(vec![room], bytes), [self.account.clone(), self.handed_on.clone()]))
    }

    /// The most that an original takes.
    fn length(&self, object: &Object) -> u64 {
        object.meta.length.unwrap_or(self.max_bytes)
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
        let room = self.room(self.length(&object), deadline).await?;
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
    use std::time::Duration;

    use super::*;
    use crate::error::Code;
    use crate::source::{Content, Meta};

    const KIB: u64 = 1024;

    fn object(length: u64, pieces: usize) -> Object {
        let piece = Bytes::from(vec![0; length as usize / pieces]);
        let stream = futures_util::stream::iter((0..pieces).map(move |_| Ok(piece.clone())));
        let meta = Meta { length: Some(length), ..Meta::default() };
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
