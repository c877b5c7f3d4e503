//! The boolean entropy decoder (RFC 6386, section 7).
//!
//! The next bits are at the top of a 64-bit word, which is refilled without a branch. Reading past the end returns
//! zeros, which is recorded.

/// Reads booleans with given probabilities. It is small: hot loops copy it to registers and store it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoolDecoder<'a> {
    /// The bytes that have not been counted into the word.
    rest: &'a [u8],
    value: u64,
    /// The number of valid bits at the top of `value`.
    bits: u32,
    /// The range, `128..=255`.
    range: u32,
    /// The number of zero bytes that were appended after the end.
    missing: usize,
}

impl<'a> BoolDecoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, value: 0, bits: 0, range: 255, missing: 0 }
    }

    /// Whether a boolean was read whose bits are not all part of the data. This never happens with the output of an
    /// encoder, which ends with more than the 8 bits that a decoder looks at.
    #[inline]
    pub(super) fn is_exhausted(&self) -> bool {
        8 * (self.missing + 1) > self.bits as usize + 8 * self.rest.len()
    }

    /// Makes at least 56 bits valid, which suffices for seven calls of [`bit`](Self::bit).
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let taken = ((63 - self.bits) >> 3) as usize;
        if let Some((bytes, _)) = self.rest.split_first_chunk() {
            self.value |= u64::from_be_bytes(*bytes) >> self.bits;
            self.rest = &self.rest[taken..];
        } else {
            *self = self.refilled_near_end(taken);
        }
        self.bits |= 56;
    }

    /// By value, so that this path does not force the reader into memory.
    #[cold]
    fn refilled_near_end(mut self, taken: usize) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(self.rest) {
            *to = *from;
        }
        self.value |= u64::from_be_bytes(bytes) >> self.bits;
        let real = taken.min(self.rest.len());
        self.rest = &self.rest[real..];
        self.missing += taken - real;
        self
    }

    /// Reads a boolean, which is false with a probability of `probability / 256`. At least 8 bits must be valid, of
    /// which up to 7 are consumed.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let threshold = u64::from(split) << 56;
        let bit = self.value >= threshold;
        if bit {
            self.range -= split;
            self.value -= threshold;
        } else {
            self.range = split;
        }
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.value <<= shift;
        self.bits -= shift;
        bit
    }

    /// `magnitude` or its negative with equal probability, without a branch.
    #[inline(always)]
    pub(super) fn signed(&mut self, magnitude: i32) -> i32 {
        let split = self.range.div_ceil(2);
        let threshold = u64::from(split) << 56;
        let is_negative = self.value >= threshold;
        let mask = u64::from(is_negative).wrapping_neg();
        self.value -= threshold & mask;
        self.range = if is_negative { self.range - split } else { split };
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.value <<= shift;
        self.bits -= shift;
        (magnitude ^ mask as i32) - mask as i32
    }

    /// Reads a boolean, regardless of the number of valid bits.
    #[inline(always)]
    pub(super) fn read(&mut self, probability: u8) -> bool {
        self.refill();
        self.bit(probability)
    }

    /// Reads a boolean with equal probabilities.
    pub(super) fn flag(&mut self) -> bool {
        self.read(128)
    }

    /// Reads an unsigned number, the highest bit first.
    pub(super) fn literal(&mut self, bits: u32) -> u8 {
        (0..bits).fold(0, |number, _| number << 1 | u8::from(self.flag()))
    }

    /// Reads a magnitude and a sign, if a flag says that they are present.
    pub(super) fn optional_signed(&mut self, bits: u32) -> Option<i8> {
        self.flag().then(|| {
            let magnitude = self.literal(bits) as i8;
            if self.flag() { -magnitude } else { magnitude }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoder of section 7.3 in its simplest form: exact arithmetic on a growing number.
    fn encode(bits: &[(bool, u8)]) -> Vec<u8> {
        let (mut out, mut range, mut bottom, mut count) = (Vec::new(), 255u32, 0u64, 24);
        for &(bit, probability) in bits.iter().chain(&[(false, 128); 32]) {
            let split = 1 + (((range - 1) * u32::from(probability)) >> 8);
            if bit {
                bottom += u64::from(split);
                range -= split;
            } else {
                range = split;
            }
            while range < 128 {
                range <<= 1;
                if bottom & (1 << 31) != 0 {
                    carry(&mut out);
                }
                bottom = bottom << 1 & 0xffff_ffff;
                count -= 1;
                if count == 0 {
                    out.push((bottom >> 24) as u8);
                    bottom &= 0xff_ffff;
                    count = 8;
                }
            }
        }
        out
    }

    fn carry(out: &mut [u8]) {
        for byte in out.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }

    #[test]
    fn what_was_encoded_comes_back() {
        let mut state = 1u32;
        let bits: Vec<(bool, u8)> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let probability = (state >> 24).max(1) as u8;
                ((state >> 8) as u8 >= probability, probability)
            })
            .collect();
        let bytes = encode(&bits);
        let mut decoder = BoolDecoder::new(&bytes);
        for (place, &(bit, probability)) in bits.iter().enumerate() {
            let read = if probability == 128 {
                decoder.refill();
                decoder.signed(1) < 0
            } else {
                decoder.read(probability)
            };
            assert_eq!(read, bit, "{place}");
        }
        assert!(!decoder.is_exhausted());
    }

    #[test]
    fn the_end_is_noticed() {
        for length in 0..20 {
            let bytes = vec![0x55; length];
            let mut decoder = BoolDecoder::new(&bytes);
            let read = (0..).take_while(|_| {
                decoder.refill();
                decoder.signed(1);
                !decoder.is_exhausted()
            });
            let read = read.count();
            assert!(read <= 8 * length && read + 16 > 8 * length, "{read} of {length} bytes");
        }
    }
}
