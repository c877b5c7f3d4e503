//! Finds the end of LZW data, as used by GIF and TIFF (GIF89a, appendix F; TIFF 6.0, section 13): codes are parsed
//! without decoding their values.

/// The maximum length of a code in bits.
const MAX_CODE_BITS: u32 = 12;

/// The bit order, and the point at which codes get longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Least significant bits first; codes get longer when all codes of a length are used (GIF, and early TIFF
    /// writers).
    LowFirst,
    /// Most significant bits first; codes get longer one code earlier (TIFF).
    HighFirst,
}

/// Parses codes up to the end of the data.
pub(super) struct Codes {
    order: Order,
    bits: u64,
    bit_count: u32,
    /// The number of bits of a single value.
    value_bits: u32,
    code_bits: u32,
    /// The number of values that each code represents.
    lengths: Vec<u16>,
    /// The number of values of the previous code, unless it was a clear code.
    previous: Option<u16>,
    /// The number of remaining values.
    left: u64,
    is_over: bool,
}

impl Codes {
    /// Parses codes for values of `value_bits` bits, up to `wanted` values.
    pub(super) fn new(order: Order, value_bits: u32, wanted: u64) -> Self {
        let mut codes = Self {
            order,
            bits: 0,
            bit_count: 0,
            value_bits,
            code_bits: 0,
            lengths: Vec::new(),
            previous: None,
            left: wanted,
            is_over: false,
        };
        codes.clear();
        codes
    }

    fn clear(&mut self) {
        self.lengths.clear();
        self.lengths.resize((1 << self.value_bits) + 2, 1);
        (self.code_bits, self.previous) = (self.value_bits + 1, None);
    }

    /// Consumes bytes. Returns how many of them are needed, if they contain the end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut needed = 0;
        for (index, byte) in bytes.iter().enumerate() {
            match self.order {
                Order::LowFirst => self.bits |= u64::from(*byte) << self.bit_count,
                Order::HighFirst => self.bits = self.bits << 8 | u64::from(*byte),
            }
            self.bit_count += 8;
            while self.bit_count >= self.code_bits && !self.is_over {
                let code = self.next_code();
                if self.is_needed(code) {
                    needed = index + 1;
                }
            }
            if self.is_over {
                break;
            }
        }
        self.is_over.then_some(needed)
    }

    fn next_code(&mut self) -> usize {
        let mask = (1 << self.code_bits) - 1;
        self.bit_count -= self.code_bits;
        match self.order {
            Order::LowFirst => {
                let code = self.bits & mask;
                self.bits >>= self.code_bits;
                code as usize
            }
            Order::HighFirst => {
                let code = self.bits >> self.bit_count & mask;
                self.bits &= (1 << self.bit_count) - 1;
                code as usize
            }
        }
    }

    /// Consumes a code, and returns whether it is needed.
    fn is_needed(&mut self, code: usize) -> bool {
        let clear = 1 << self.value_bits;
        if code == clear {
            self.clear();
            return true;
        }
        self.is_over = code == clear + 1 || self.left == 0;
        if self.is_over {
            return code == clear + 1;
        }
        let next = self.lengths.len();
        let grown = self.previous.map(|length| length.saturating_add(1));
        let length = match (self.lengths.get(code), grown) {
            (Some(length), _) => *length,
            (None, Some(length)) if code == next => length,
            // Decoders stop at an invalid code.
            _ => {
                self.is_over = true;
                return true;
            }
        };
        if let Some(grown) = grown.filter(|_| next < 1 << MAX_CODE_BITS) {
            self.lengths.push(grown);
        }
        let early = usize::from(self.order == Order::HighFirst);
        if self.lengths.len() + early >= 1 << self.code_bits && self.code_bits < MAX_CODE_BITS {
            self.code_bits += 1;
        }
        self.previous = Some(length);
        self.left = self.left.saturating_sub(length.into());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_end_where_an_encoder_has_ended_them() {
        for len in [0, 1, 2, 300, 5000, 40_000] {
            let values: Vec<u8> = (0..len).map(|i: u32| (i.wrapping_mul(i) >> 7) as u8).collect();
            for (order, bytes) in [
                (Order::LowFirst, weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(&values).unwrap()),
                (
                    Order::HighFirst,
                    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&values).unwrap(),
                ),
            ] {
                let long = [bytes.as_slice(), b"and more"].concat();
                for wanted in [u64::from(len), u64::MAX] {
                    assert_eq!(Codes::new(order, 8, wanted).take(&long), Some(bytes.len()), "{order:?} {len} {wanted}");
                }
                assert_eq!(Codes::new(order, 8, u64::MAX).take(&bytes[..bytes.len() - 1]), None, "{order:?} {len}");
                // Fewer values need fewer bytes.
                if len > 2 {
                    let half = Codes::new(order, 8, u64::from(len / 2)).take(&long).unwrap();
                    assert!(half < bytes.len() && half > 0, "{order:?} {len}: {half}");
                }
            }
        }
    }
}
