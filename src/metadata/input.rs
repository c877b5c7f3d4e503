//! Random access to a source through one small window, so that a walk over a 200 MB file needs 64 KiB of memory.
//!
//! What comes in is anything that reads and seeks; what goes out are short slices of it. Asking beyond the end gives
//! fewer bytes, never an error: a truncated file is the rule here, not the exception.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// How much is read at a time.
const WINDOW: usize = 64 * 1024;

pub(super) struct Input<R> {
    source: R,
    len: u64,
    window: Vec<u8>,
    start: u64,
}

impl<R: Read + Seek> Input<R> {
    pub(super) fn new(mut source: R) -> io::Result<Self> {
        let len = source.seek(SeekFrom::End(0))?;
        Ok(Self { source, len, window: Vec::new(), start: 0 })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The buffered bytes from `at` on: at least `want` of them, or all that the source has left.
    pub(super) fn peek(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let wanted_end = at.saturating_add(want as u64).min(self.len);
        let window_end = self.start + self.window.len() as u64;
        if at < self.start || at > window_end || wanted_end > window_end {
            self.fill(at, want.max(WINDOW))?;
        }
        let skip = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Ok(self.window.get(skip..).unwrap_or_default())
    }

    /// Whatever comes after `at`, a window full at most, without reading a byte twice. Empty at the end.
    pub(super) fn stream(&mut self, at: u64) -> io::Result<&[u8]> {
        self.peek(at, 1)
    }

    /// The `N` bytes at `at`, or `None` where the source ends before.
    pub(super) fn array<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.peek(at, N)?.first_chunk::<N>().copied())
    }

    /// A copy of `range`, cut at the end of the source and at `limit` bytes.
    pub(super) fn copy(&mut self, range: Range<u64>, limit: usize) -> io::Result<Vec<u8>> {
        let len = range.end.min(self.len).saturating_sub(range.start).min(limit as u64);
        let mut bytes = Vec::new();
        self.source.seek(SeekFrom::Start(range.start))?;
        self.source.by_ref().take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, at: u64, want: usize) -> io::Result<()> {
        self.window.clear();
        self.start = at;
        self.source.seek(SeekFrom::Start(at))?;
        self.source.by_ref().take(want as u64).read_to_end(&mut self.window)?;
        Ok(())
    }
}
