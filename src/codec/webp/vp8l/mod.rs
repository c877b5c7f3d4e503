//! A decoder for VP8L, which is what lossless WebP pictures and most alpha channels are (RFC 9649, section 3, whose
//! sections the comments cite).
//!
//! The bytes of a stream come in, its pixels go out. What must hold: no input makes it panic, hold more than the budget
//! allows, or work longer than the sizes of stream and picture warrant. Damage before the pixels begin is an [`Error`];
//! after that, the picture is given as far as whole rows go.

mod bits;
mod codes;
mod pixels;
mod transform;

use super::damaged;
use crate::codec::{Budget, Error, Work};
use bits::Bits;
use pixels::Source;
use transform::Transforms;

/// Red, green, blue, alpha.
pub(super) type Pixel = [u8; 4];

/// The first byte of a stream (section 3.4).
const SIGNATURE: u8 = 0x2f;

/// What a stream says of its picture (section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// In `1..=16384`.
    pub(super) width: u32,
    /// In `1..=16384`.
    pub(super) height: u32,
    /// Whether pixels may be transparent; if not, their alpha means nothing.
    pub(super) has_alpha: bool,
}

impl Header {
    /// Bytes that it takes.
    const LEN: usize = 5;

    /// Reads the header of a stream.
    pub(super) fn read(stream: &[u8]) -> Result<Self, Error> {
        let Some(&[signature, a, b, c, d]) = stream.first_chunk::<{ Self::LEN }>() else {
            return Err(damaged("the lossless picture ends within its header"));
        };
        let fields = u32::from_le_bytes([a, b, c, d]);
        if signature != SIGNATURE || fields >> 29 != 0 {
            return Err(damaged("the lossless picture is of an unknown version"));
        }
        let side = |shift: u32| (fields >> shift & 0x3fff) + 1;
        Ok(Self { width: side(0), height: side(14), has_alpha: fields >> 28 & 1 == 1 })
    }
}

/// A decoded stream.
#[derive(Debug)]
pub(super) struct Picture {
    /// Red, green, blue and alpha, row by row. Below `rows` they are zero.
    pub(super) samples: Vec<u8>,
    /// Rows that could be decoded, counted from the top; at least one.
    pub(super) rows: usize,
}

/// Decodes a stream with its header.
///
/// # Errors
/// [`Error::Damaged`] where not even the first row is there, [`Error::TooLarge`] and [`Error::Stopped`].
pub(super) fn decode(stream: &[u8], budget: Budget, work: &Work) -> Result<Picture, Error> {
    let Header { width, height, .. } = Header::read(stream)?;
    decode_headless(stream.get(Header::LEN..).unwrap_or_default(), (width, height), budget, work)
}

/// Decodes a stream without header, of a picture of that size.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_headless(
    stream: &[u8],
    (width, height): (u32, u32),
    budget: Budget,
    work: &Work,
) -> Result<Picture, Error> {
    let mut memory = Memory { spent: 0, budget };
    let (width, height) = (width as usize, height as usize);
    let mut samples = zeroed_samples(width * height, &mut memory)?;
    let mut source = Source { bits: Bits::new(stream), memory: &mut memory, work };
    let transforms = Transforms::read(&mut source, width, height)?;
    let coded_width = transforms.coded_width();
    let (pixels, _) = samples.as_chunks_mut::<4>();
    let decoded = source.main_image(coded_width, height, &mut pixels[..coded_width * height])?;
    let rows = decoded / coded_width;
    if rows == 0 {
        return Err(damaged("the lossless picture ends before its first row"));
    }
    transforms.undo(&mut pixels[..width * rows], rows, work)?;
    pixels[width * rows..].fill([0; 4]);
    Ok(Picture { samples, rows })
}

/// What has been allocated for one picture, held against the budget.
struct Memory {
    spent: u64,
    budget: Budget,
}

impl Memory {
    /// Counts what is about to be allocated.
    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.spent = self.spent.saturating_add(bytes as u64);
        self.budget.check_memory(self.spent)
    }

    /// Counts what is no longer held.
    fn give_back(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_sub(bytes as u64);
    }
}

/// Samples of so many pixels.
fn zeroed_samples(pixels: usize, memory: &mut Memory) -> Result<Vec<u8>, Error> {
    memory.spend(pixels * size_of::<Pixel>())?;
    Ok(vec![0; pixels * size_of::<Pixel>()])
}

#[cfg(test)]
mod tests;
