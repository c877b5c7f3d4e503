//! Random access to a source through one small window, so that walking a 200 MB file takes 64 KiB of memory.
//!
//! The source is anything that implements `Read` and `Seek`. Reading past the end returns fewer bytes, never an error,
//! since truncated files are common. A [`Meter`] counts everything that is read, so that no parser can run without
//! bound.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::{Exhausted, Meter};

/// The size of the window in bytes.
const WINDOW: usize = 64 * 1024;
/// The number of bytes that are read or copied in the time of one step.
const BYTES_PER_STEP: u64 = 64;

/// What an [`Input`] reads from.
trait Source: Read + Seek {}

impl<R: Read + Seek> Source for R {}

/// A source with a window, metered.
pub struct Input<'m> {
    // Windows are large, so that calls are few; parsers are compiled once instead of once for each kind of source.
    source: Box<dyn Source + 'm>,
    len: u64,
    window: Vec<u8>,
    start: u64,
    meter: &'m Meter<'m>,
}

impl<'m> Input<'m> {
    /// Creates an input for the whole source.
    ///
    /// # Errors
    /// The errors of the source. All other methods also return the errors of the meter, see [`exhausted`].
    pub fn new(mut source: impl Read + Seek + 'm, meter: &'m Meter<'_>) -> io::Result<Self> {
        let len = source.seek(SeekFrom::End(0))?;
        Ok(Self { source: Box::new(source), len, window: Vec::new(), start: 0, meter })
    }

    /// The length of the source in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the source is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The meter.
    pub const fn meter(&self) -> &'m Meter<'m> {
        self.meter
    }

    /// Counts an entry of a list that is built from this source.
    pub fn entry<T>(&self) -> io::Result<()> {
        self.meter.entry::<T>().map_err(io::Error::other)
    }

    /// Returns buffered bytes starting at `at`: at least `want` of them, or all remaining bytes of the source.
    pub fn peek(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        self.meter.step().map_err(io::Error::other)?;
        let wanted_end = at.saturating_add(want as u64).min(self.len);
        let window_end = self.start + self.window.len() as u64;
        if at < self.start || at > window_end || wanted_end > window_end {
            self.fill(at, want.max(WINDOW))?;
        }
        let skip = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let there = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = self.window.get(skip..).unwrap_or_default();
        Ok(bytes.get(..there.min(bytes.len())).unwrap_or_default())
    }

    /// Calls `read` as if the source ended at `end`.
    pub fn up_to<T>(&mut self, end: u64, read: impl FnOnce(&mut Self) -> T) -> T {
        let len = self.len;
        self.len = end.min(len);
        let outcome = read(self);
        self.len = len;
        outcome
    }

    /// Returns bytes starting at `at`, at most one window, for sequential reading without overlap. Empty at the end.
    pub fn stream(&mut self, at: u64) -> io::Result<&[u8]> {
        self.peek(at, 1)
    }

    /// Returns the `N` bytes at `at`, or `None` if the source ends before.
    pub fn array<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.peek(at, N)?.first_chunk::<N>().copied())
    }

    /// Copies `range`, truncated to the end of the source and to `limit` bytes.
    pub fn copy(&mut self, range: Range<u64>, limit: usize) -> io::Result<Vec<u8>> {
        let len = range.end.min(self.len).saturating_sub(range.start).min(limit as u64);
        if len == 0 {
            return Ok(Vec::new());
        }
        self.meter.hold(len).and_then(|()| self.meter.steps(1 + len / BYTES_PER_STEP)).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        self.source.seek(SeekFrom::Start(range.start))?;
        #[allow(clippy::disallowed_methods, reason = "the bytes are counted")]
        self.source.by_ref().take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills the window. Seeking past the end is an error in some sources, such as files at offsets beyond 2^63.
    fn fill(&mut self, at: u64, want: usize) -> io::Result<()> {
        self.meter.steps(WINDOW as u64 / BYTES_PER_STEP).map_err(io::Error::other)?;
        self.window.clear();
        self.start = at.min(self.len);
        if at < self.len {
            self.source.seek(SeekFrom::Start(at))?;
            #[allow(clippy::disallowed_methods, reason = "a window is counted")]
            self.source.by_ref().take(want as u64).read_to_end(&mut self.window)?;
        }
        Ok(())
    }
}

/// Converts the result of reading from memory, which can only fail if the meter is exhausted.
pub fn from_memory<T>(outcome: io::Result<T>) -> Result<Option<T>, Exhausted> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) => exhausted(&error).map_or(Ok(None), Err),
    }
}

/// Returns the meter's error, if it caused this error.
pub fn exhausted(error: &io::Error) -> Option<Exhausted> {
    error.get_ref()?.downcast_ref().copied()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::Cancellation;

    #[test]
    fn what_lies_beyond_the_end_is_empty() {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(4, &cancellation);
        let mut input = Input::new(Cursor::new(b"0123"), &meter).unwrap();
        for at in [4, 5, 1 << 40, 1 << 63, u64::MAX] {
            assert_eq!(input.peek(at, 8).unwrap(), b"", "{at}");
            assert_eq!(input.array::<1>(at).unwrap(), None);
            assert_eq!(input.copy(at..u64::MAX, 9).unwrap(), b"");
        }
        assert_eq!(input.peek(2, 8).unwrap(), b"23");
        assert_eq!(input.copy(1..u64::MAX, 2).unwrap(), b"12");
    }

    #[test]
    fn reading_is_counted() {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(0, &cancellation);
        let bytes = vec![0; 1 << 20];
        let mut input = Input::new(Cursor::new(&bytes), &meter).unwrap();
        let copies = (0..).map_while(|_| input.copy(0..1 << 20, usize::MAX).ok()).count();
        assert_eq!(copies, 4, "of a megabyte, where four may be held");
        cancellation.cancel();
        let outcome = (0..100_000).try_for_each(|at| input.peek(at, 1).map(|_| ()));
        assert!(matches!(exhausted(&outcome.unwrap_err()), Some(Exhausted::Cancelled(_))));
    }
}
