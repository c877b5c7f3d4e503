//! The bytes of a file that is being written, which grow within a budget.
//!
//! The length of a file is only known once it is written. Encoders check their working memory before they start, and the
//! file is checked against the remaining budget each time it grows.

use std::io;

use super::{Budget, Cancellation, Error};

/// Bytes that are set aside when the first ones are written.
const SMALLEST: usize = 4 << 10;

/// Grows by half of its size at a time, and never beyond its budget.
#[derive(Debug)]
pub(super) struct OutputBuffer {
    bytes: Vec<u8>,
    budget: Budget,
}

impl OutputBuffer {
    /// An empty buffer that may take all of `budget`.
    pub(super) fn new(budget: Budget) -> Self {
        Self { bytes: Vec::new(), budget }
    }

    /// Sets the budget for what comes, after the encoder has taken or given back working memory.
    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Bytes that are set aside.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for this many more bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: the old bytes and their larger copy together are more than the budget.
    pub(super) fn reserve(&mut self, additional: usize) -> Result<(), Error> {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - length >= additional {
            return Ok(());
        }
        let larger = (length + additional).max(capacity + capacity / 2).max(SMALLEST);
        self.budget.check_memory((capacity + larger) as u64)?;
        self.bytes.reserve_exact(larger - length);
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes, for those who write many small pieces: they [`reserve`](Self::reserve) room first.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What has been written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All that has been written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// An [`OutputBuffer`] for encoders that write to [`io::Write`]: refuses more bytes once the work is stopped.
#[derive(Debug)]
pub(super) struct OutputWriter<'a> {
    buffer: OutputBuffer,
    cancellation: &'a Cancellation,
    /// Why no more was taken; [`io::Error`] has no place for it.
    failure: Option<Error>,
}

impl<'a> OutputWriter<'a> {
    /// An empty file.
    pub(super) fn new(budget: Budget, cancellation: &'a Cancellation) -> Self {
        Self { buffer: OutputBuffer::new(budget), cancellation, failure: None }
    }

    /// What has been written.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Bytes that are set aside.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// As [`OutputBuffer::set_budget`].
    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.buffer.set_budget(budget);
    }

    /// Why a write failed; a failure that is not of this writer's making is a bug, since sizes and types fit.
    pub(super) fn failure(&mut self) -> Error {
        self.failure.take().unwrap_or(Error::Internal("an encoder refuses a picture that it should take"))
    }

    /// All that has been written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.buffer.into_bytes()
    }
}

impl io::Write for OutputWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.cancellation.check().map_err(Error::from).and_then(|()| self.buffer.extend(bytes));
        match written {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.failure = Some(error.clone());
                Err(io::Error::other(error))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn growth_is_held_against_the_budget_before_it_happens() {
        let mut buffer = OutputBuffer::new(Budget { pixels: 0, memory: 20_000 });
        buffer.extend(&[1; 4096]).unwrap();
        buffer.extend(&[2; 1]).unwrap();
        assert_eq!(buffer.capacity(), 6144);
        buffer.extend(&[2; 2047]).unwrap();
        assert!(matches!(buffer.extend(&[3; 8000]), Err(Error::TooLarge { needs: 20_288, allowed: 20_000, .. })));
        assert_eq!(buffer.into_bytes().len(), 6144);
    }

    #[test]
    fn a_writer_remembers_why_it_refused() {
        let cancellation = Cancellation::unbounded();
        let mut writer = OutputWriter::new(Budget { pixels: 0, memory: 5000 }, &cancellation);
        writer.write_all(&[0; 4096]).unwrap();
        assert!(writer.write_all(&[0; 1]).is_err());
        assert!(matches!(writer.failure(), Error::TooLarge { .. }));
        cancellation.cancel();
        assert!(writer.write_all(&[0; 1]).is_err());
        assert!(matches!(writer.failure(), Error::Cancelled(_)));
    }
}
