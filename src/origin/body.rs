//! What an answer consists of: nothing, bytes in memory, or a file that is streamed piece by piece.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::metadata::RewriteReader;

/// Bytes that are read from a file at once, and so held for each download in progress.
const CHUNK: usize = 128 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// No bytes.
    Empty,
    /// All bytes, in memory.
    Bytes(Bytes),
    /// A file, part of which may be left out or replaced.
    File(RewriteReader<File>),
}

impl Body {
    /// The body in pieces. Files are read off the async threads, one piece ahead of nobody.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        match self {
            Self::Empty => stream::empty().left_stream(),
            Self::Bytes(bytes) => stream::once(async { Ok(bytes) }).left_stream().right_stream(),
            Self::File(reader) => stream::try_unfold(reader, next_piece).right_stream().right_stream(),
        }
    }
}

async fn next_piece(mut reader: RewriteReader<File>) -> io::Result<Option<(Bytes, RewriteReader<File>)>> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(CHUNK);
        reader.by_ref().take(CHUNK as u64).read_to_end(&mut piece)?;
        Ok((!piece.is_empty()).then(|| (piece.into(), reader)))
    });
    read.await.map_err(io::Error::other)?
}
