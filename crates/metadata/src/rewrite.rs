//! A plan for the new content of a file: the ranges of the source that are kept, and the bytes between them.
//!
//! A plan is small, whatever the size of the file, so its content can be streamed, and any byte range of it can be
//! produced without the bytes before it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use image_origin_container::Input;

/// A part of the new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the source.
    Copy(Range<u64>),
    /// Inserted bytes.
    Insert(Vec<u8>),
    /// This many zero bytes, where data was removed and the following offsets must not change.
    Zeros(u64),
}

impl Piece {
    /// The number of bytes.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Copy(range) => range.end.saturating_sub(range.start),
            Self::Insert(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }

    /// Whether the piece is empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Copy(source) => Self::Copy(source.start + range.start..source.start + range.end),
            Self::Insert(bytes) => Self::Insert(image_origin_container::slice(bytes, &range).to_vec()),
            Self::Zeros(_) => Self::Zeros(range.end - range.start),
        }
    }
}

/// The new content of a file, as a list of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    pieces: Vec<Piece>,
    source_len: u64,
}

impl Rewrite {
    /// A plan that changes nothing.
    pub fn identity(source_len: u64) -> Self {
        let mut rewrite = Self::new(source_len);
        rewrite.copy(0..source_len);
        rewrite
    }

    /// An empty plan for a source of this length.
    pub(super) const fn new(source_len: u64) -> Self {
        Self { pieces: Vec::new(), source_len }
    }

    pub(super) fn copy(&mut self, range: Range<u64>) {
        match self.pieces.last_mut() {
            Some(Piece::Copy(last)) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.pieces.push(Piece::Copy(range)),
        }
    }

    pub(super) fn insert(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Insert(last)) => last.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(Piece::Insert(bytes.to_vec())),
        }
    }

    pub(super) fn zeros(&mut self, len: u64) {
        if len > 0 {
            self.pieces.push(Piece::Zeros(len));
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for piece in other.pieces {
            match piece {
                Piece::Copy(range) => self.copy(range),
                Piece::Insert(bytes) => self.insert(&bytes),
                Piece::Zeros(len) => self.zeros(len),
            }
        }
    }

    /// Replaces inserted bytes that the source contains at the same offset by copies, so that a file without metadata
    /// is recognised as unchanged.
    pub(super) fn recognise(self, input: &mut Input<'_>) -> io::Result<Self> {
        if self.len() != self.source_len {
            return Ok(self);
        }
        let mut recognised = Self::new(self.source_len);
        let mut at = 0;
        for piece in self.pieces {
            let range = at..at + piece.len();
            at = range.end;
            match piece {
                Piece::Insert(bytes) if input.copy(range.clone(), bytes.len())? == bytes => recognised.copy(range),
                Piece::Insert(bytes) => recognised.insert(&bytes),
                Piece::Zeros(len) if is_zero(input, range.clone())? => recognised.copy(at - len..at),
                Piece::Zeros(len) => recognised.zeros(len),
                Piece::Copy(range) => recognised.copy(range),
            }
        }
        Ok(recognised)
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Converts the plan to its pieces, in order.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// The length of the new content.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether the new content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the new content equals the source: there was nothing to remove.
    pub fn is_identity(&self) -> bool {
        match self.pieces.as_slice() {
            [] => self.source_len == 0,
            [Piece::Copy(range)] => *range == (0..self.source_len),
            _ => false,
        }
    }

    /// The plan for this range of the new content, truncated to its end.
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut part = Self::new(self.source_len);
        let mut at = 0;
        for piece in &self.pieces {
            let (start, end) = (at, at + piece.len());
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                part.pieces.push(piece.slice(from - start..to - start));
            }
            at = end;
        }
        part
    }

    /// Writes the new content to `out`, and returns its length.
    pub fn write_to<R: Read + Seek, W: Write + ?Sized>(&self, source: R, out: &mut W) -> io::Result<u64> {
        io::copy(&mut self.clone().reader(source), out)
    }

    /// Returns a reader for the new content. If the source has become shorter in the meantime, reading fails.
    pub fn reader<R: Read + Seek>(self, source: R) -> RewriteReader<R> {
        RewriteReader { pieces: self.pieces.into_iter(), current: None, at: 0, source }
    }
}

fn is_zero(input: &mut Input<'_>, range: Range<u64>) -> io::Result<bool> {
    let mut at = range.start;
    while at < range.end {
        let bytes = input.stream(at)?;
        let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let bytes = bytes.get(..left.min(bytes.len())).unwrap_or_default();
        if bytes.is_empty() || bytes.iter().any(|&b| b != 0) {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// A reader for the content of a [`Rewrite`].
#[derive(Debug)]
pub struct RewriteReader<R> {
    pieces: std::vec::IntoIter<Piece>,
    current: Option<Piece>,
    /// The number of bytes that were read of the current piece.
    at: u64,
    source: R,
}

impl<R: Read + Seek> Read for RewriteReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.as_ref().is_none_or(|piece| self.at >= piece.len()) {
            let Some(next) = self.pieces.next() else { return Ok(0) };
            if let Piece::Copy(range) = &next {
                self.source.seek(SeekFrom::Start(range.start))?;
            }
            self.current = Some(next);
            self.at = 0;
        }
        let Some(piece) = &self.current else { return Ok(0) };
        let left = usize::try_from(piece.len() - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let given = match piece {
            Piece::Copy(_) => self.source.read(buffer)?,
            Piece::Insert(bytes) => {
                image_origin_container::slice(bytes, &(self.at..bytes.len() as u64)).read(buffer)?
            }
            Piece::Zeros(_) => {
                buffer.fill(0);
                wanted
            }
        };
        if given == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source ended before the plan for it"));
        }
        self.at += given as u64;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::{Cancellation, Meter};
    use std::io::Cursor;

    fn written(rewrite: &Rewrite, source: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        rewrite.write_to(Cursor::new(source), &mut out).unwrap();
        out
    }

    fn plan() -> Rewrite {
        let mut plan = Rewrite::new(10);
        plan.copy(0..3);
        plan.insert(b"xy");
        plan.copy(5..7);
        plan.zeros(2);
        plan.copy(7..10);
        plan
    }

    #[test]
    fn every_slice_is_that_part_of_the_whole() {
        let source = b"0123456789";
        let whole = written(&plan(), source);
        assert_eq!(whole, b"012xy56\0\x00789");
        assert_eq!(plan().len(), whole.len() as u64);
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                let part = plan().slice(start as u64..end as u64);
                assert_eq!(written(&part, source), &whole[start..end]);
            }
        }
        assert!(plan().slice(50..60).is_empty());
    }

    #[test]
    fn a_plan_that_gives_the_source_is_the_identity() {
        let mut plan = Rewrite::new(6);
        plan.copy(0..2);
        plan.insert(b"23");
        plan.zeros(2);
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(6, &cancellation);
        let mut same = Input::new(Cursor::new(b"0123\0\0".as_slice()), &meter).unwrap();
        assert!(plan.clone().recognise(&mut same).unwrap().is_identity());
        let mut other = Input::new(Cursor::new(b"01x3\0\0".as_slice()), &meter).unwrap();
        assert!(!plan.recognise(&mut other).unwrap().is_identity());
    }

    #[test]
    fn a_source_that_shrank_is_an_error() {
        let mut out = Vec::new();
        assert!(plan().write_to(Cursor::new(b"0123"), &mut out).is_err());
    }
}
