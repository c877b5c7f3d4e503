//! VP8L, which is what lossless WebP pictures and most alpha channels are (RFC 9649, section 3, whose sections the comments
//! cite).
//!
//! The bytes of a stream come in, its pixels go out. What must hold: no input makes it panic, hold more than
//! [`DecodeOptions::max_bytes`], or work longer than the sizes of stream and picture warrant. Damage before the pixels begin
//! is a [`DecodeError`]; after that, the picture is given as far as whole rows go.

mod bits;
mod codes;
mod pixels;
mod transform;

use std::ops::ControlFlow;

use crate::{Check, DecodeError, damaged, go_on};
use bits::Bits;
use pixels::Source;
use transform::Transforms;

/// Red, green, blue, alpha.
type Pixel = [u8; 4];

/// The first byte of a stream (section 3.4).
const SIGNATURE: u8 = 0x2f;

/// What a stream says of its picture (section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// In `1..=16384`.
    pub width: u32,
    /// In `1..=16384`.
    pub height: u32,
    /// Whether pixels may be transparent; if not, their alpha means nothing.
    pub has_alpha: bool,
}

impl Header {
    /// Bytes that it takes.
    const LEN: usize = 5;

    /// Reads the header of a stream.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] if it is none.
    pub fn read(stream: &[u8]) -> Result<Self, DecodeError> {
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

/// The longest side of a picture (section 3.4).
const MAX_SIDE: u32 = 1 << 14;

/// How to decode. Each method sets one option and returns the options.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    max_bytes: u64,
    check: Check<'a>,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self { max_bytes: 512 << 20, check: &|| ControlFlow::Continue(()) }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

impl<'a> DecodeOptions<'a> {
    /// The ceiling for the memory of the decode, the picture included; checked before anything is allocated. 512 MiB
    /// unless set.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Asked at least once for every row of pixels whether to go on. It always says yes unless set.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// A decoded stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct Picture {
    /// Red, green, blue and alpha, row by row. Below `rows` they are zero.
    pub samples: Vec<u8>,
    /// Rows that could be decoded, counted from the top; at least one.
    pub rows: usize,
}

/// Decodes a stream with its header.
///
/// # Errors
/// [`DecodeError::Damaged`] where not even the first row is there, [`DecodeError::TooLarge`] and [`DecodeError::Cancelled`].
pub fn decode(stream: &[u8], options: &DecodeOptions<'_>) -> Result<Picture, DecodeError> {
    let Header { width, height, .. } = Header::read(stream)?;
    decode_headless(stream.get(Header::LEN..).unwrap_or_default(), (width, height), options)
}

/// Decodes a stream without header, of a picture of that width and height, as alpha is stored (section 2.7.1.2).
///
/// # Errors
/// As [`decode`]; [`DecodeError::Damaged`] as well for a side that is not in `1..=16384`.
pub fn decode_headless(
    stream: &[u8],
    (width, height): (u32, u32),
    options: &DecodeOptions<'_>,
) -> Result<Picture, DecodeError> {
    if [width, height].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        return Err(damaged("a side of the lossless picture is out of range"));
    }
    let check = options.check;
    let mut memory = Memory { spent: 0, limit: options.max_bytes };
    let (width, height) = (width as usize, height as usize);
    let mut samples = zeroed_samples(width * height, &mut memory)?;
    let mut source = Source { bits: Bits::new(stream), memory: &mut memory, check };
    let transforms = Transforms::read(&mut source, width, height)?;
    let coded_width = transforms.coded_width();
    let (pixels, _) = samples.as_chunks_mut::<4>();
    let decoded = source.main_image(coded_width, height, &mut pixels[..coded_width * height])?;
    let rows = decoded / coded_width;
    if rows == 0 {
        return Err(damaged("the lossless picture ends before its first row"));
    }
    transforms.undo(&mut pixels[..width * rows], rows, check)?;
    pixels[width * rows..].fill([0; 4]);
    Ok(Picture { samples, rows })
}

/// What has been allocated for one picture, held against the limit.
struct Memory {
    spent: u64,
    limit: u64,
}

impl Memory {
    /// Counts what is about to be allocated.
    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.spent = self.spent.saturating_add(bytes as u64);
        let Self { spent: needed, limit } = *self;
        if needed > limit { Err(DecodeError::TooLarge { needed, limit }) } else { Ok(()) }
    }

    /// Counts what is no longer held.
    fn give_back(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_sub(bytes as u64);
    }
}

/// Samples of so many pixels.
fn zeroed_samples(pixels: usize, memory: &mut Memory) -> Result<Vec<u8>, DecodeError> {
    memory.spend(pixels * size_of::<Pixel>())?;
    Ok(vec![0; pixels * size_of::<Pixel>()])
}

#[cfg(test)]
mod tests;
