//! What an answer consists of: nothing, bytes in memory, or an original that is handed on piece by piece, part of it left
//! out or replaced.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::codec::{Format, SNIFF_LEN, Work, sniff};
use crate::metadata::{self, Keep, Piece, Rewrite, RewriteReader};

/// Bytes that are read from a file at once, and so held for each download in progress.
const CHUNK: usize = 128 * 1024;

/// The bytes of an original that is handed on without being decoded. Copies share them.
#[derive(Debug, Clone)]
pub enum Original {
    /// A file, which is read as it is sent.
    File(Arc<File>),
    /// All bytes, in memory.
    Memory(Bytes),
}

impl Original {
    /// The format, and the plan for the content without its metadata.
    pub(super) fn strip(&self, keep: Keep, work: &Work) -> Result<(Format, Rewrite), metadata::Error> {
        match self {
            Self::File(file) => strip(&mut FileView::new(file.clone()), keep, work),
            Self::Memory(bytes) => strip(&mut Cursor::new(&**bytes), keep, work),
        }
    }
}

fn strip(source: &mut (impl Read + Seek), keep: Keep, work: &Work) -> Result<(Format, Rewrite), metadata::Error> {
    let mut head = [0; SNIFF_LEN];
    let length = source.read(&mut head)?;
    let format = sniffed(&head[..length])?;
    Ok((format, metadata::strip(source, keep, work)?))
}

/// The format of a file that begins like this.
pub(super) fn sniffed(head: &[u8]) -> Result<Format, metadata::Error> {
    sniff(head).ok_or(metadata::Error::Unrecognised)
}

/// A file with a position of its own, so that several readers can share one descriptor.
#[derive(Debug)]
struct FileView {
    file: Arc<File>,
    position: u64,
}

impl FileView {
    const fn new(file: Arc<File>) -> Self {
        Self { file, position: 0 }
    }
}

impl Read for FileView {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let length = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, self.position)?;
        #[cfg(windows)]
        let length = std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, self.position)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for FileView {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// No bytes.
    Empty,
    /// All bytes, in memory.
    Bytes(Bytes),
    /// An original, part of which may be left out or replaced.
    Original(Rewrite, Original),
}

impl Body {
    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Original(rewrite, _) => rewrite.len(),
        }
    }

    /// These bytes of it.
    #[must_use]
    pub fn slice(self, range: Range<u64>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Bytes(bytes) => {
                let within = |at: u64| (at as usize).min(bytes.len());
                Self::Bytes(bytes.slice(within(range.start)..within(range.end)))
            }
            Self::Original(rewrite, original) => Self::Original(rewrite.slice(range), original),
        }
    }

    /// The body in pieces. Files are read off the async threads, one piece ahead of nobody; what is in memory is not
    /// copied.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        match self {
            Self::Empty => stream::empty().left_stream().left_stream(),
            Self::Bytes(bytes) => stream::once(async { Ok(bytes) }).right_stream().left_stream(),
            Self::Original(rewrite, Original::Memory(bytes)) => {
                stream::iter(pieces(rewrite, bytes).map(Ok)).left_stream().right_stream()
            }
            Self::Original(rewrite, Original::File(file)) => {
                stream::try_unfold(rewrite.reader(FileView::new(file)), next_piece).right_stream().right_stream()
            }
        }
    }
}

fn pieces(rewrite: Rewrite, source: Bytes) -> impl Iterator<Item = Bytes> + Send {
    // Made when they are needed: they would be as many bytes of the program.
    static ZEROS: LazyLock<Bytes> = LazyLock::new(|| vec![0; CHUNK].into());
    rewrite.into_pieces().into_iter().flat_map(move |piece| {
        let (bytes, zeros) = match piece {
            // The plan was made for these very bytes, so its ranges lie inside.
            Piece::Copy(range) => (source.slice(range.start as usize..range.end as usize), 0),
            Piece::Insert(bytes) => (bytes.into(), 0),
            Piece::Zeros(count) => (Bytes::new(), count),
        };
        let whole = (0..zeros / CHUNK as u64).map(|_| ZEROS.clone());
        let rest = ZEROS.slice(..(zeros % CHUNK as u64) as usize);
        [bytes].into_iter().chain(whole).chain([rest]).filter(|bytes| !bytes.is_empty())
    })
}

async fn next_piece(mut reader: RewriteReader<FileView>) -> io::Result<Option<(Bytes, RewriteReader<FileView>)>> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(CHUNK);
        #[allow(clippy::disallowed_methods, reason = "a piece has a fixed length")]
        reader.by_ref().take(CHUNK as u64).read_to_end(&mut piece)?;
        Ok((!piece.is_empty()).then(|| (piece.into(), reader)))
    });
    read.await.map_err(io::Error::other)?
}
