//! Response bodies: empty, bytes in memory, or an original that is streamed with parts removed or replaced.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::memory::{Account, Loan, Room};
use crate::codec::{Cancellation, Format, SNIFF_LEN, sniff};
use crate::metadata::{self, Keep, Piece, Rewrite, RewriteReader};
use crate::source::{ByteStream, Content};

/// The number of bytes that are read from a file, or copied from memory, at a time, and thus held for each download in
/// progress.
pub(super) const CHUNK: usize = 64 * 1024;

/// Bytes in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct InMemory {
    bytes: Bytes,
    /// The accounts whose memory this is, if they may reclaim it while the bytes are sent.
    accounts: Arc<[Account]>,
}

impl InMemory {
    /// The same bytes, which keep memory in use until they are sent.
    pub(super) fn in_room(self, room: Room) -> Self {
        Self { bytes: Room::hold(vec![room], self.bytes), ..self }
    }

    /// Bytes that occupy memory of these accounts.
    pub(super) fn in_room_of(bytes: Bytes, accounts: impl Into<Arc<[Account]>>) -> Self {
        Self { bytes, accounts: accounts.into() }
    }
}

impl From<Bytes> for InMemory {
    fn from(bytes: Bytes) -> Self {
        Self::in_room_of(bytes, [])
    }
}

/// The bytes of an original that is forwarded without decoding. Clones share them.
#[derive(Debug, Clone)]
pub enum Original {
    /// A file, which is read while it is sent.
    File(Arc<File>),
    /// All bytes, in memory.
    Memory(InMemory),
}

impl Original {
    /// Detects the format.
    pub(super) fn format(&self) -> Result<Format, metadata::Error> {
        match self {
            Self::File(file) => {
                let mut head = Vec::with_capacity(SNIFF_LEN);
                #[allow(clippy::disallowed_methods, reason = "the head has a fixed length")]
                FileView::new(file.clone()).take(SNIFF_LEN as u64).read_to_end(&mut head)?;
                sniffed(&head)
            }
            Self::Memory(memory) => sniffed(&memory.bytes),
        }
    }

    /// The bytes in memory, those of a file up to a maximum length.
    pub(super) fn into_memory(self, max_bytes: usize) -> io::Result<InMemory> {
        match self {
            Self::File(file) => {
                let mut bytes = Vec::new();
                #[allow(clippy::disallowed_methods, reason = "the length is limited")]
                FileView::new(file).take(max_bytes as u64).read_to_end(&mut bytes)?;
                Ok(Bytes::from(bytes).into())
            }
            Self::Memory(memory) => Ok(memory),
        }
    }

    /// The content for a source.
    pub(super) fn into_content(self) -> Content {
        match self {
            // The worker that looked at the file is done with it.
            Self::File(file) => match Arc::try_unwrap(file) {
                Ok(file) => Content::File(file),
                Err(_) => Content::Unavailable,
            },
            Self::Memory(memory) => Content::Stream(Box::pin(stream::iter([Ok(memory.bytes)]))),
        }
    }

    /// Detects the format, and plans the content without its metadata.
    pub(super) fn strip(
        &self,
        keep: Keep,
        keeps_gain_map: bool,
        cancellation: &Cancellation,
    ) -> Result<(Format, Rewrite), metadata::Error> {
        match self {
            Self::File(file) => {
                metadata::strip_with_format(&mut FileView::new(file.clone()), keep, keeps_gain_map, cancellation)
            }
            Self::Memory(memory) => {
                metadata::strip_with_format(&mut Cursor::new(&*memory.bytes), keep, keeps_gain_map, cancellation)
            }
        }
    }
}

/// Detects the format of a file from its first bytes.
pub(super) fn sniffed(head: &[u8]) -> Result<Format, metadata::Error> {
    sniff(head).ok_or(metadata::Error::Unrecognised)
}

/// A file with its own position, so that several readers can share one descriptor.
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

/// The body of a response.
pub enum Body {
    /// An empty body.
    Empty,
    /// All bytes, in memory.
    Bytes(InMemory),
    /// An original, with parts removed or replaced.
    Original(Rewrite, Original),
    /// Bytes streamed from another machine.
    Stream {
        /// The number of bytes.
        length: u64,
        /// The bytes, which end in an error if there are fewer than `length`.
        pieces: ByteStream,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Body {
    /// A body of this byte range of a file, which must not exceed the file.
    pub(super) fn file(file: Arc<File>, range: Range<u64>) -> Self {
        Self::Original(Rewrite::identity(range.end).slice(range), Original::File(file))
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(memory) => memory.bytes.len() as u64,
            Self::Original(rewrite, _) => rewrite.len(),
            Self::Stream { length, .. } => *length,
        }
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The given byte range of this body.
    #[must_use]
    pub fn slice(self, range: Range<u64>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Bytes(InMemory { bytes, accounts }) => {
                let within = |at: u64| (at as usize).min(bytes.len());
                Self::Bytes(InMemory { bytes: bytes.slice(within(range.start)..within(range.end)), accounts })
            }
            Self::Original(rewrite, original) => Self::Original(rewrite.slice(range), original),
            Self::Stream { length, pieces } => {
                let (start, end) = (range.start.min(length), range.end.min(length));
                Self::Stream { length: end.saturating_sub(start), pieces: part(pieces, start..end) }
            }
        }
    }

    /// Converts the body into frames for a client that reads them one by one. Files are read off the async threads.
    /// Bytes in memory are copied, so that a client that does not read holds at most one piece after the memory is
    /// reclaimed.
    pub fn into_frames(self) -> Frames {
        let remaining = self.len();
        let content = match self {
            Self::Empty => FrameSource::Memory(FramesOfMemory::default()),
            Self::Bytes(memory) => FrameSource::Memory(FramesOfMemory::new([Piece::Copy(0..remaining)].into(), memory)),
            Self::Original(rewrite, Original::Memory(memory)) => {
                FrameSource::Memory(FramesOfMemory::new(rewrite.into_pieces().into(), memory))
            }
            Self::Original(rewrite, Original::File(file)) => {
                FrameSource::File(FramesOfFile::Idle(rewrite.reader(FileView::new(file))))
            }
            Self::Stream { pieces, .. } => FrameSource::Stream(FramesOfStream(pieces)),
        };
        Frames { remaining, source: content }
    }

    /// Like [`Self::into_frames`], for a client that reads everything at once or is the only one: bytes in memory are
    /// neither copied nor reclaimed.
    #[must_use]
    pub fn into_shared_frames(mut self) -> Frames {
        if let Self::Bytes(memory) | Self::Original(_, Original::Memory(memory)) = &mut self {
            memory.accounts = [].into();
        }
        self.into_frames()
    }
}

/// The given byte range of a stream. The bytes before it are read and discarded.
fn part(pieces: ByteStream, range: Range<u64>) -> ByteStream {
    let cut = stream::try_unfold((pieces, 0_u64), move |(mut pieces, mut at)| {
        let range = range.clone();
        async move {
            while at < range.end {
                let Some(mut piece) = pieces.next().await.transpose()? else { break };
                let end = at + piece.len() as u64;
                piece.truncate((range.end - at).min(piece.len() as u64) as usize);
                let skipped = range.start.saturating_sub(at).min(piece.len() as u64);
                let piece = piece.slice(skipped as usize..);
                at = end;
                if !piece.is_empty() {
                    return Ok(Some((piece, (pieces, at))));
                }
            }
            Ok(None)
        }
    });
    Box::pin(cut)
}

/// An HTTP body of known length.
#[derive(Debug)]
pub struct Frames {
    /// The number of bytes not yet returned.
    remaining: u64,
    source: FrameSource,
}

#[derive(Debug)]
enum FrameSource {
    Memory(FramesOfMemory),
    File(FramesOfFile),
    Stream(FramesOfStream),
}

/// The rest of a stream from another machine.
struct FramesOfStream(ByteStream);

impl fmt::Debug for FramesOfStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramesOfStream").finish_non_exhaustive()
    }
}

impl FramesOfStream {
    /// Returns the next bytes, or none at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            match ready!(self.0.as_mut().poll_next(cx)).transpose() {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Ok(piece.unwrap_or_default())),
                Err(error) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { remaining, source } = self.get_mut();
        if *remaining == 0 {
            return Poll::Ready(None);
        }
        let piece = match source {
            FrameSource::Memory(memory) => memory.next(),
            FrameSource::File(file) => ready!(file.poll_next(cx)),
            FrameSource::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        let piece = piece.and_then(|piece| match piece.len() {
            0 => Err(io::Error::other("the response ended early")),
            _ => Ok(piece),
        });
        *remaining = piece.as_ref().map_or(0, |piece| remaining.saturating_sub(piece.len() as u64));
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// The rest of a body in memory.
#[derive(Debug, Default)]
struct FramesOfMemory {
    pieces: VecDeque<Piece>,
    bytes: MemoryOfFrames,
}

#[derive(Debug)]
enum MemoryOfFrames {
    /// Bytes that are returned without copying.
    Own(Bytes),
    /// Bytes that are copied piece by piece.
    Lent(Arc<Loan>),
}

impl Default for MemoryOfFrames {
    fn default() -> Self {
        Self::Own(Bytes::new())
    }
}

impl FramesOfMemory {
    fn new(pieces: VecDeque<Piece>, InMemory { bytes, accounts }: InMemory) -> Self {
        let bytes = match &*accounts {
            [] => MemoryOfFrames::Own(bytes),
            accounts => MemoryOfFrames::Lent(Loan::new(bytes, accounts)),
        };
        Self { pieces, bytes }
    }

    /// Returns the next bytes, or none at the end.
    fn next(&mut self) -> io::Result<Bytes> {
        // Created lazily: a static array would add as many bytes to the binary.
        static ZEROS: LazyLock<Bytes> = LazyLock::new(|| vec![0; CHUNK].into());
        let piece = loop {
            match self.pieces.pop_front() {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => break piece,
                None => return Ok(Bytes::new()),
            }
        };
        let (first, rest) = match piece {
            // Inserted bytes are part of the plan and few.
            Piece::Insert(bytes) => return Ok(bytes.into()),
            Piece::Zeros(count) => {
                let first = count.min(CHUNK as u64);
                (ZEROS.slice(..first as usize), Piece::Zeros(count - first))
            }
            Piece::Copy(range) => match &self.bytes {
                // The plan was made for exactly these bytes, so its ranges are in bounds.
                MemoryOfFrames::Own(bytes) => return Ok(bytes.slice(range.start as usize..range.end as usize)),
                MemoryOfFrames::Lent(loan) => {
                    let end = range.end.min(range.start + CHUNK as u64);
                    let first = loan.copy(range.start as usize..end as usize);
                    (first.ok_or_else(too_slow)?, Piece::Copy(end..range.end))
                }
            },
        };
        self.pieces.push_front(rest);
        Ok(first)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly while others wait for memory")
}

/// The rest of a file. A piece is read when it is requested.
#[derive(Debug)]
enum FramesOfFile {
    Idle(RewriteReader<FileView>),
    Reading(JoinHandle<io::Result<(Bytes, RewriteReader<FileView>)>>),
    /// A read failed.
    Broken,
}

impl FramesOfFile {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut reading = match std::mem::replace(self, Self::Broken) {
            Self::Idle(reader) => tokio::task::spawn_blocking(|| read_piece(reader)),
            Self::Reading(reading) => reading,
            Self::Broken => return Poll::Ready(Ok(Bytes::new())),
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            *self = Self::Reading(reading);
            return Poll::Pending;
        };
        let (piece, reader) = read.map_err(io::Error::other)??;
        *self = Self::Idle(reader);
        Poll::Ready(Ok(piece))
    }
}

fn read_piece<R: Read>(mut reader: R) -> io::Result<(Bytes, R)> {
    let mut piece = Vec::with_capacity(CHUNK);
    #[allow(clippy::disallowed_methods, reason = "a piece has a fixed length")]
    reader.by_ref().take(CHUNK as u64).read_to_end(&mut piece)?;
    Ok((piece.into(), reader))
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;
    use crate::source::SourceError;

    /// Reads all bytes, or returns the error and the number of bytes before it.
    async fn read(body: Body) -> Result<Vec<u8>, (usize, io::Error)> {
        let (mut frames, mut bytes) = (body.into_frames(), Vec::new());
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut frames).poll_frame(cx)).await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
                Err(error) => return Err((bytes.len(), error)),
            }
        }
        Ok(bytes)
    }

    fn streamed(length: u64, pieces: Vec<Result<&'static [u8], SourceError>>) -> Body {
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.map(Bytes::from_static)).collect();
        Body::Stream { length, pieces: Box::pin(stream::iter(pieces)) }
    }

    #[tokio::test]
    async fn a_part_of_a_stream_is_that_part() {
        let whole = b"0123456789";
        for start in 0..=11 {
            for end in start..=12 {
                let pieces = [b"012".as_slice(), b"", b"3456", b"789"].map(Ok);
                let body = streamed(10, pieces.into()).slice(start..end);
                let expected = &whole[(start as usize).min(10)..(end as usize).min(10)];
                assert_eq!(body.len(), expected.len() as u64);
                assert_eq!(read(body).await.unwrap(), expected, "{start}..{end}");
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_an_error() {
        let broken = read(streamed(10, vec![Ok(b"01"), Err(SourceError::TimedOut)]).slice(1..5)).await;
        assert_eq!(broken.unwrap_err().0, 1);
        assert_eq!(read(streamed(10, vec![Ok(b"01")])).await.unwrap_err().0, 2);
    }
}
