//! A writer of entropy-coded data (T.81 F.1.2.3): bits from the most significant on, with byte stuffing.

use super::tokens::{INDICES, Token};

/// A bit writer.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    /// The last written bits, the latest in the lowest position.
    word: u64,
    /// The number of bits that are not in the output yet: fewer than 64.
    pending: u32,
}

/// A code, shifted to leave space for the bits that follow it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) length: u32,
}

impl BitWriter {
    /// Writes up to 32 bits.
    #[inline(always)]
    pub(super) fn write(&mut self, bits: u64, length: u32, out: &mut Vec<u8>) {
        let free = 64 - self.pending;
        if length < free {
            self.word = self.word << length | bits;
            self.pending += length;
        } else {
            let left = length - free;
            push(self.word << free | bits >> left, out);
            self.word = bits;
            self.pending = left;
        }
    }

    /// Writes tokens with their codes.
    pub(super) fn write_tokens(&mut self, tokens: &[Token], codes: &[Code; INDICES], out: &mut Vec<u8>) {
        let mut writer = std::mem::take(self);
        for token in tokens {
            let code = codes[token.index()];
            writer.write(u64::from(code.bits) | token.extra(), code.length, out);
        }
        *self = writer;
    }

    /// Pads the last byte with ones.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let padding = self.pending.wrapping_neg() % 8;
        self.write((1 << padding) - 1, padding, out);
        for place in (0..self.pending / 8).rev() {
            push_byte((self.word >> (place * 8)) as u8, out);
        }
    }
}

/// Appends eight bytes.
#[inline(always)]
fn push(word: u64, out: &mut Vec<u8>) {
    const LOW: u64 = 0x0101_0101_0101_0101;
    // A byte is 0xFF if its complement borrows when one is subtracted.
    let has_ones = (!word).wrapping_sub(LOW) & word & (LOW << 7);
    if has_ones == 0 {
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        word.to_be_bytes().into_iter().for_each(|byte| push_byte(byte, out));
    }
}

fn push_byte(byte: u8, out: &mut Vec<u8>) {
    out.push(byte);
    if byte == 0xFF {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_order_with_zeros_after_ones() {
        let mut state = 1u32;
        let pieces: Vec<(u64, u32)> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let length = state >> 27;
            // Half of them consist of ones.
            (if state & 1024 == 0 { u64::from(state >> 3) } else { u64::MAX } & ((1 << length) - 1), length)
        })
        .take(2000)
        .collect();
        for count in (0..pieces.len()).step_by(37) {
            let (mut writer, mut out) = (BitWriter::default(), Vec::new());
            let mut expected = Vec::new();
            for &(bits, length) in &pieces[..count] {
                writer.write(bits, length, &mut out);
                expected.extend((0..length).rev().map(|place| bits >> place & 1 == 1));
            }
            writer.finish(&mut out);
            expected.resize(expected.len().next_multiple_of(8), true);
            let bytes = expected.chunks(8).map(|bits| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit)));
            let stuffed: Vec<u8> =
                bytes.flat_map(|byte| [byte, 0].into_iter().take(1 + usize::from(byte == 255))).collect();
            assert!(out == stuffed, "{count} pieces");
        }
    }
}
