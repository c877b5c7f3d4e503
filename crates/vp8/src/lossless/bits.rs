//! A reader of little-endian bit fields (section 3.3).

/// Reads bits. After the end it returns zeros, which [`Bits::is_overrun`] reports. Hot loops copy it to registers and store it
/// back.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    buffer: u64,
    /// The number of bits in the buffer; negative if more were consumed than exist.
    count: i32,
}

impl<'a> Bits<'a> {
    /// The number of bits in the buffer after [`Bits::fill`], unless the end is near.
    pub(super) const FILLED: u32 = 56;

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, buffer: 0, count: 0 }
    }

    /// Fills the buffer.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        match self.rest.first_chunk::<8>() {
            Some(bytes) if self.count >= 0 => {
                self.buffer |= u64::from_le_bytes(*bytes) << self.count;
                self.rest = &self.rest[(63 - self.count) as usize / 8..];
                self.count |= Self::FILLED as i32;
            }
            _ => *self = self.filled_slowly(),
        }
    }

    /// By value, so that this path does not force the reader into memory.
    #[cold]
    fn filled_slowly(mut self) -> Self {
        while self.count >= 0
            && self.count < Self::FILLED as i32
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.buffer |= u64::from(*byte) << self.count;
            self.count += 8;
            self.rest = rest;
        }
        self
    }

    /// The next bits, of which as many are valid as the buffer contains.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Consumes bits of the buffer.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count as i32;
    }

    /// Reads a number of up to 32 bits from the buffer.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = self.buffer & ((1 << count) - 1);
        self.consume(count);
        value as u32
    }

    /// Fills the buffer and reads a number of up to 32 bits.
    pub(super) fn read(&mut self, count: u32) -> u32 {
        self.fill();
        self.take(count)
    }

    /// Fills the buffer and reads a flag.
    pub(super) fn flag(&mut self) -> bool {
        self.read(1) == 1
    }

    /// The number of bits that were not consumed; it wraps around if more were consumed than exist.
    #[inline(always)]
    pub(super) fn unread_bits(&self) -> usize {
        (self.rest.len() * 8).wrapping_add_signed(self.count as isize)
    }

    /// The number of whole bytes that no bit was consumed of.
    pub(super) fn unread(&self) -> usize {
        self.rest.len() + usize::try_from(self.count).unwrap_or(0) / 8
    }

    /// Whether more bits were consumed than exist.
    #[inline(always)]
    pub(super) fn is_overrun(&self) -> bool {
        self.count < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_lowest_first_and_the_end_is_told() {
        let bytes: Vec<u8> = (0..40u8).map(|i| i.wrapping_mul(37) ^ 11).collect();
        let expected = |at: usize, count: usize| {
            (at..at + count).rev().fold(0, |value, bit| value << 1 | u32::from(bytes[bit / 8] >> (bit % 8) & 1))
        };
        for count in 1..=32 {
            let mut bits = Bits::new(&bytes);
            for at in (0..=bytes.len() * 8 - count).step_by(count) {
                assert_eq!(bits.read(count as u32), expected(at, count), "{count} at {at}");
                assert!(!bits.is_overrun());
            }
            for _ in 0..40 {
                bits.read(32);
            }
            assert!(bits.is_overrun());
            assert_eq!(bits.read(9), 0);
        }
    }
}
