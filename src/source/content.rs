//! The bytes of an original: a file, or a stream from elsewhere. Comes in: an [`Object`]; goes out: its bytes in memory,
//! never more than allowed, and given up on as soon as the first of them tell that there is no use for the rest.

use std::fmt;
use std::fs::File;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncReadExt as _;

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

/// How many bytes of a download are there when they are first looked at, and how much more there must be for each
/// further look.
const FIRST_LOOK: usize = 16 * 1024;
const NEXT_LOOK: usize = 8;

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

    /// Reads all bytes. Of a stream, `look` is shown what has come so far, again and again until it says that it has
    /// seen enough, so that an original that cannot be used costs no whole download.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] when there are more than `most`, even if [`Meta::length`] promised fewer,
    /// [`SourceError::Failed`] when there are fewer than it promised; and what `look` refuses.
    pub async fn read<E: From<SourceError>>(
        self,
        most: u64,
        look: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<Bytes, E> {
        self.check_length(most)?;
        let announced = self.meta.length;
        let bytes = match self.content {
            Content::File(file) => read_file(file, announced, most).await?,
            Content::Stream(stream) => read_stream(stream, announced, most, look).await?,
            Content::Unavailable => return Err(SourceError::Failed("only facts were to be had".to_owned()).into()),
        };
        Ok(bytes.into())
    }
}

fn buffer(announced: Option<u64>) -> Vec<u8> {
    Vec::with_capacity(announced.map_or(FIRST_LOOK, |length| length as usize + 1))
}

async fn read_file(file: File, announced: Option<u64>, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = buffer(announced);
    tokio::fs::File::from_std(file).take(most + 1).read_to_end(&mut bytes).await?;
    let length = bytes.len() as u64;
    if length > most { Err(SourceError::TooLarge { length, allowed: most }) } else { Ok(bytes) }
}

async fn read_stream<E: From<SourceError>>(
    mut stream: ByteStream,
    announced: Option<u64>,
    most: u64,
    mut look: impl FnMut(&[u8]) -> Result<bool, E>,
) -> Result<Vec<u8>, E> {
    let mut bytes = buffer(announced);
    let mut next_look = FIRST_LOOK;
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
        let length = bytes.len() as u64;
        if length > most {
            return Err(SourceError::TooLarge { length, allowed: most }.into());
        }
        if bytes.len() >= next_look {
            let enough = look(&bytes)?;
            next_look = if enough { usize::MAX } else { bytes.len().saturating_mul(NEXT_LOOK) };
        }
    }
    match announced {
        Some(length) if length != bytes.len() as u64 => {
            Err(SourceError::Failed(format!("{} bytes came of {length} announced", bytes.len())).into())
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(length: Option<u64>, pieces: Vec<Result<&'static [u8], SourceError>>) -> Object {
        let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from_static));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        let meta = Meta { etag: "t".into(), modified: None, length };
        Object { meta, content: Content::Stream(Box::pin(stream)) }
    }

    async fn read(object: Object) -> Result<Bytes, SourceError> {
        object.read(10, |_| Ok(false)).await
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
    async fn a_refusal_ends_the_download() {
        static KILOBYTES: [u8; 20_000] = [0; 20_000];
        let mut looks = Vec::new();
        let pieces = vec![Ok(KILOBYTES.as_slice()), Ok(KILOBYTES.as_slice()), Err(SourceError::TimedOut)];
        let read = streamed(None, pieces).read(1_000_000, |seen| {
            looks.push(seen.len());
            Err(SourceError::Forbidden)
        });
        assert_eq!((read.await, looks), (Err(SourceError::Forbidden), vec![20_000]));
    }
}
