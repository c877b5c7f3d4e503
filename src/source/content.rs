//! The content of an original, as a file or a stream. An [`Object`] is read into memory up to a limit, optionally step
//! by step, so that the caller can inspect the beginning before the rest arrives.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::{ObjectMeta, SourceError};

/// A stream of bytes from a store.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// The content of an original, not yet read.
pub enum Content {
    /// A local file with random access.
    File(File),
    /// A stream that can be read once, from the beginning. Dropping it aborts the download.
    Stream(ByteStream),
    /// No content: only the metadata is available.
    Unavailable,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Unavailable => f.write_str("Unavailable"),
        }
    }
}

/// An original: its metadata and a handle to its content.
#[derive(Debug)]
pub struct Object {
    /// The metadata of the original.
    pub meta: ObjectMeta,
    /// The content.
    pub content: Content,
}

/// The initial capacity of a buffer if the length is unknown.
const UNANNOUNCED: usize = 16 * 1024;

/// The capacity up to which such a buffer doubles. A longer one has the maximum length at once: the pages that nothing is
/// written to take no memory, while copies of longer and longer buffers would take twice as much as is accounted for.
const DOUBLED: usize = 1 << 20;

impl Object {
    /// Checks that the announced length does not exceed `most` bytes.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`].
    pub fn check_length(&self, most: u64) -> Result<(), SourceError> {
        match self.meta.length {
            Some(length) if length > most => Err(SourceError::TooLarge { length, allowed: most }),
            _ => Ok(()),
        }
    }

    /// Starts reading.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] if the announced length exceeds `max_bytes`, [`SourceError::Failed`] if only the
    /// metadata is available.
    pub fn start(self, max_bytes: u64) -> Result<Reading, SourceError> {
        self.check_length(max_bytes)?;
        let announced = self.meta.length;
        let rest = match self.content {
            Content::File(file) => Rest::File(Arc::new(file)),
            Content::Stream(stream) => Rest::Stream(stream),
            Content::Unavailable => return Err(SourceError::Failed("only metadata is available".to_owned())),
        };
        let capacity = announced.map_or(UNANNOUNCED, |length| length as usize + 1);
        Ok(Reading { bytes: Vec::with_capacity(capacity), rest, announced, max_bytes })
    }

    /// Reads all bytes.
    ///
    /// # Errors
    /// The errors of [`Self::start`] and [`Reading::read_to`].
    pub async fn read(self, max_bytes: u64) -> Result<Bytes, SourceError> {
        let mut reading = self.start(max_bytes)?;
        while !reading.read_to(usize::MAX).await? {}
        Ok(reading.take().into())
    }
}

/// An original that is being read into memory.
pub struct Reading {
    bytes: Vec<u8>,
    rest: Rest,
    announced: Option<u64>,
    max_bytes: u64,
}

/// The part that has not been read yet.
enum Rest {
    File(Arc<File>),
    Stream(ByteStream),
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Reading {
    /// Continues reading until `count` bytes are available, and returns whether the end was reached. A file is read to
    /// its end at once.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] if there are more bytes than allowed, even if [`ObjectMeta::length`] announced fewer,
    /// [`SourceError::Failed`] if there are fewer than announced, or if a file changes while it is read.
    pub async fn read_to(&mut self, count: usize) -> Result<bool, SourceError> {
        let stream = match &mut self.rest {
            Rest::File(file) => {
                let file = file.clone();
                let (bytes, announced, max_bytes) = (self.take(), self.announced, self.max_bytes);
                let read = tokio::task::spawn_blocking(move || read_file(&file, bytes, announced, max_bytes)).await;
                self.bytes = read.unwrap_or_else(|error| Err(SourceError::Failed(error.to_string())))?;
                return Ok(true);
            }
            Rest::Stream(stream) => stream,
        };
        while self.bytes.len() < count {
            let Some(piece) = stream.next().await else {
                return match self.announced {
                    Some(length) if length != self.bytes.len() as u64 => {
                        let came = self.bytes.len();
                        Err(SourceError::Failed(format!("received {came} of {length} announced bytes")))
                    }
                    _ => Ok(true),
                };
            };
            let piece = piece?;
            let length = self.bytes.len() + piece.len();
            if length as u64 > self.max_bytes {
                return Err(SourceError::TooLarge { length: length as u64, allowed: self.max_bytes });
            }
            if length > self.bytes.capacity() {
                let capacity = if length > DOUBLED { self.max_bytes as usize } else { length.next_power_of_two() };
                let more = capacity - self.bytes.len();
                self.bytes.try_reserve_exact(more).map_err(|error| SourceError::Failed(error.to_string()))?;
            }
            self.bytes.extend_from_slice(&piece);
        }
        Ok(false)
    }

    /// Takes the bytes read so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Returns taken bytes, so that reading can continue.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }
}

fn read_file(file: &File, mut bytes: Vec<u8>, announced: Option<u64>, max_bytes: u64) -> Result<Vec<u8>, SourceError> {
    let modified = file.metadata()?.modified().ok();
    #[allow(clippy::disallowed_methods, reason = "the bytes are limited, and nothing is made of them here")]
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > max_bytes {
        return Err(SourceError::TooLarge { length, allowed: max_bytes });
    }
    // A file that is written in place is neither the old one nor the new one.
    if announced.is_some_and(|announced| announced != length) || file.metadata()?.modified().ok() != modified {
        return Err(SourceError::Failed("the file changed while it was read".to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(length: Option<u64>, pieces: Vec<Result<&'static [u8], SourceError>>) -> Object {
        let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from_static));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        let meta = ObjectMeta { etag: Some("t".into()), length, ..ObjectMeta::default() };
        Object { meta, content: Content::Stream(Box::pin(stream)) }
    }

    async fn read(object: Object) -> Result<Bytes, SourceError> {
        object.read(10).await
    }

    #[tokio::test]
    async fn a_stream_is_held_to_its_limit_and_its_promise() {
        let five = || Ok(b"12345".as_slice());
        assert_eq!(read(streamed(Some(10), vec![five(), five()])).await.unwrap(), "1234512345");
        assert_eq!(read(streamed(None, vec![five()])).await.unwrap(), "12345");
        let too_large = |length| Err(SourceError::TooLarge { length, allowed: 10 });
        assert_eq!(read(streamed(Some(11), vec![])).await, too_large(11));
        assert_eq!(read(streamed(None, vec![five(), five(), five()])).await, too_large(15));
        assert_eq!(read(streamed(Some(3), vec![five(), five(), five()])).await, too_large(15));
        for (length, pieces) in [(6, vec![five()]), (4, vec![five()]), (6, vec![five(), Err(SourceError::TimedOut)])] {
            assert!(read(streamed(Some(length), pieces)).await.is_err(), "{length}");
        }
    }

    #[tokio::test]
    async fn a_long_stream_of_unknown_length_is_copied_once_at_most() {
        const MAX: u64 = 64 << 20;
        let pieces = (0..40).map(|_| Ok(Bytes::from(vec![7; 1 << 20])));
        let content = Content::Stream(Box::pin(futures_util::stream::iter(pieces.collect::<Vec<_>>())));
        let mut reading = Object { meta: ObjectMeta::default(), content }.start(MAX).unwrap();
        assert_eq!(reading.read_to((1 << 20) + 1).await, Ok(false));
        let place = reading.bytes.as_ptr();
        assert_eq!(reading.read_to(usize::MAX).await, Ok(true));
        assert_eq!((reading.bytes.len(), reading.bytes.capacity() as u64), (40 << 20, MAX));
        assert_eq!(reading.bytes.as_ptr(), place);
    }

    #[tokio::test]
    async fn a_stream_is_read_as_far_as_it_is_wanted() {
        let pieces = vec![Ok(b"12345".as_slice()), Ok(b"678".as_slice()), Err(SourceError::TimedOut)];
        let mut reading = streamed(None, pieces).start(10).unwrap();
        assert_eq!(reading.read_to(1).await, Ok(false));
        let seen = reading.take();
        assert_eq!(seen, b"12345");
        reading.put_back(seen);
        assert_eq!(reading.read_to(6).await, Ok(false));
        assert_eq!((reading.read_to(9).await, reading.take()), (Err(SourceError::TimedOut), b"12345678".to_vec()));
    }
}
