//! The output buffer, which grows within a limit.

use super::EncodeError;

/// The initial capacity in bytes.
const SMALLEST: usize = 4 << 10;

/// The number of bytes that may still be allocated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance(pub(super) u64);

impl Allowance {
    /// Fails if more memory is needed than remains.
    pub(super) fn check(self, needed: u64) -> Result<(), EncodeError> {
        if needed > self.0 { Err(EncodeError::TooLarge { needed, limit: self.0 }) } else { Ok(()) }
    }

    /// The remaining allowance if `held` bytes are in use.
    pub(super) fn beside(self, held: u64) -> Result<Self, EncodeError> {
        self.check(held)?;
        Ok(Self(self.0 - held))
    }
}

/// A buffer that grows by half of its size at a time, within its allowance.
#[derive(Debug)]
pub(super) struct OutputBuffer {
    bytes: Vec<u8>,
    allowance: Allowance,
}

impl OutputBuffer {
    /// Creates an empty buffer.
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { bytes: Vec::new(), allowance }
    }

    /// Sets the limit for further growth, after working memory was allocated.
    pub(super) fn set_allowance(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// The capacity in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Reserves capacity for this many more bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] if the old and the new allocation together exceed the allowance.
    pub(super) fn reserve(&mut self, additional: usize) -> Result<(), EncodeError> {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - length >= additional {
            return Ok(());
        }
        let larger = (length + additional).max(capacity + capacity / 2).max(SMALLEST);
        self.allowance.check((capacity + larger) as u64)?;
        self.bytes.reserve_exact(larger - length);
        Ok(())
    }

    /// The bytes, for writing: room is [reserved](Self::reserve) first.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Returns the written bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_held_against_the_allowance_before_it_happens() {
        let mut buffer = OutputBuffer::new(Allowance(20_000));
        buffer.reserve(4096).unwrap();
        buffer.bytes_mut().extend([1; 4096]);
        buffer.reserve(1).unwrap();
        assert_eq!(buffer.capacity(), 6144);
        buffer.bytes_mut().extend([2; 2048]);
        let refused = buffer.reserve(8000);
        assert_eq!(refused, Err(EncodeError::TooLarge { needed: 20_288, limit: 20_000 }));
        assert_eq!(buffer.into_bytes().len(), 6144);
    }
}
