//! The bytes of an original: a file, or a stream from elsewhere. Comes in: an [`Object`]; goes out: its bytes in memory,
//! never more than allowed, piece by piece for those who want to look at the first of them before the rest comes.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::{Meta, SourceError};

/// Bytes on their way from a store.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// The bytes of an original, not yet read.
pub enum Content {
    /// A file of this machine, which can be read from any place.
    File(File),
    /// What a store sends, once and from its beginning. Dropping it ends the download.
    Stream(ByteStream),
    /// Nothing: only the facts were to be had.
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

/// An original: facts and a handle on the bytes.
#[derive(Debug)]
pub struct Object {
    /// What is known of it.
    pub meta: Meta,
    /// Its bytes.
    pub content: Content,
}

/// Bytes that a buffer begins with where nothing is known of the length.
const UNANNOUNCED: usize = 16 * 1024;

impl Object {
    /// Refuses more bytes than `most`, as far as they are announced.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`].
    pub fn check_length(&self, most: u64) -> Result<(), SourceError> {
        match self.meta.length {
            Some(length) if length > most => Err(SourceError::TooLarge { length, allowed: most }),
            _ => Ok(()),
        }
    }

    /// Begins to read.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] when more than `max_bytes` are announced, [`SourceError::Failed`] when only facts were to
    /// be had.
    pub fn start(self, max_bytes: u64) -> Result<Reading, SourceError> {
        self.check_length(max_bytes)?;
        let announced = self.meta.length;
        let rest = match self.content {
            Content::File(file) => Rest::File(Arc::new(file)),
            Content::Stream(stream) => Rest::Stream(stream),
            Content::Unavailable => return Err(SourceError::Failed("only facts were to be had".to_owned())),
        };
        let capacity = announced.map_or(UNANNOUNCED, |length| length as usize + 1);
        Ok(Reading { bytes: Vec::with_capacity(capacity), rest, announced, max_bytes })
    }

    /// Reads all bytes.
    ///
    /// # Errors
    /// Those of [`Self::start`] and [`Reading::read_to`].
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

/// What has not been read yet.
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
    /// Reads on until there are `count` bytes, and says whether these are all. A file is read to its end at once.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] when there are more bytes than allowed, even if [`Meta::length`] promised fewer,
    /// [`SourceError::Failed`] when there are fewer than it promised.
    pub async fn read_to(&mut self, count: usize) -> Result<bool, SourceError> {
        let stream = match &mut self.rest {
            Rest::File(file) => {
                let file = file.clone();
                let (bytes, max_bytes) = (self.take(), self.max_bytes);
                let read = tokio::task::spawn_blocking(move || read_file(&file, bytes, max_bytes)).await;
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
                        Err(SourceError::Failed(format!("{came} bytes came of {length} announced")))
                    }
                    _ => Ok(true),
                };
            };
            self.bytes.extend_from_slice(&piece?);
            let length = self.bytes.len() as u64;
            if length > self.max_bytes {
                return Err(SourceError::TooLarge { length, allowed: self.max_bytes });
            }
        }
        Ok(false)
    }

    /// Takes what has been read so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Puts what was taken back, so that reading can go on.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }
}

fn read_file(file: &File, mut bytes: Vec<u8>, max_bytes: u64) -> Result<Vec<u8>, SourceError> {
    #[allow(clippy::disallowed_methods, reason = "the bytes are limited, and nothing is made of them here")]
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > max_bytes { Err(SourceError::TooLarge { length, allowed: max_bytes }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(length: Option<u64>, pieces: Vec<Result<&'static [u8], SourceError>>) -> Object {
        let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from_static));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        let meta = Meta { etag: Some("t".into()), length, ..Meta::default() };
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
