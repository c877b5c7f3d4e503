//! Originals on their way into memory: how much of it all of them may take together.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};
use crate::source::{Object, SourceError};

/// What one permit stands for.
const UNIT: u64 = 64 * 1024;

/// Reads originals into memory, each up to a limit, all of them up to another.
#[derive(Debug)]
pub(super) struct Downloads {
    /// Most bytes of one original.
    most: u64,
    room: Arc<Semaphore>,
}

/// Bytes together with the room that they take.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Downloads {
    /// At most `most` bytes each and `memory` together, which is at least room for one.
    pub(super) fn new(most: u64, memory: u64) -> Self {
        let room = (units(memory.max(most)) as usize).min(Semaphore::MAX_PERMITS);
        Self { most, room: Arc::new(Semaphore::new(room)) }
    }

    /// Reads an original, for as long as the deadline allows. See [`Object::read`] for `look`.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there was no room in time, and whatever reading fails with.
    pub(super) async fn read(
        &self,
        object: Object,
        deadline: Instant,
        look: impl FnMut(&[u8]) -> Result<bool, Problem>,
    ) -> Result<Bytes, Problem> {
        object.check_length(self.most)?;
        let room = self.room.clone().acquire_many_owned(units(object.meta.length.unwrap_or(self.most)));
        let Ok(Ok(room)) = timeout_at(deadline, room).await else {
            return Err(Problem::new(Code::Overloaded, "too many originals are being read; try again shortly"));
        };
        let read = timeout_at(deadline, object.read(self.most, look)).await;
        let bytes = read.unwrap_or_else(|_| Err(SourceError::TimedOut.into()))?;
        Ok(Bytes::from_owner(Held { bytes, _room: room }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::source::{Content, Meta};

    fn object(length: u64) -> Object {
        let bytes = Bytes::from(vec![0; length as usize]);
        let stream = futures_util::stream::once(async { Ok(bytes) });
        let meta = Meta { etag: "t".into(), modified: None, length: Some(length) };
        Object { meta, content: Content::Stream(Box::pin(stream)) }
    }

    #[tokio::test]
    async fn originals_wait_for_room_and_give_it_back() {
        let downloads = Downloads::new(4 * UNIT, 6 * UNIT);
        let read = |length| downloads.read(object(length), Instant::now() + Duration::from_millis(50), |_| Ok(true));
        let first = read(4 * UNIT).await.unwrap();
        let part = first.slice(..1);
        drop(first);
        assert_eq!(read(3 * UNIT).await.unwrap_err().code, Code::Overloaded, "a part holds the whole");
        assert!(read(2 * UNIT).await.is_ok());
        drop(part);
        assert!(read(3 * UNIT).await.is_ok());
        assert_eq!(read(4 * UNIT + 1).await.unwrap_err().code, Code::SourceTooLarge);
    }
}
