//! A reader of headers: bits, the highest first (8.1, 4.10).

use super::DecodeError;

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The position in bits.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn take(&mut self, count: u32) -> Result<u32, DecodeError> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.take(8).map(|byte| byte as u8)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        let byte = self.bytes.get(self.at / 8).ok_or(DecodeError::Damaged("a header is cut off"))?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// `su(n)`: a signed value.
    pub(super) fn signed(&mut self, count: u32) -> Result<i32, DecodeError> {
        let value = self.take(count)? as i32;
        Ok(if value >> (count - 1) & 1 == 1 { value - (1 << count) } else { value })
    }

    /// `ns(n)`: a value below `n`, which is at least 1.
    pub(super) fn non_symmetric(&mut self, n: u32) -> Result<u32, DecodeError> {
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        let value = self.take(width - 1)?;
        Ok(if value < short { value } else { (value << 1) - short + self.take(1)? })
    }

    /// `uvlc()`.
    pub(super) fn skip_uvlc(&mut self) -> Result<(), DecodeError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 {
            self.take(zeros)?;
        }
        Ok(())
    }

    /// The bytes after the current one, or from the current position if it is at the start of a byte.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at.div_ceil(8)..).unwrap_or_default()
    }
}
