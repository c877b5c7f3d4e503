//! A decoder for VP8 key frames, which lossy WebP pictures consist of (RFC 6386, whose sections the comments cite).
//!
//! Samples are emitted row by row, luma and subsampled chroma, so that only a few rows of macroblocks are in memory.
//! They equal those of libwebp.
//!
//! No input makes it panic, allocate more than [`memory`], or take time out of proportion to the size of the picture.
//! Damage before the first macroblock is a [`DecodeError`]; after that the picture is emitted as far as possible, with
//! grey below.

mod bool_decoder;
mod filter;
mod frame;
mod header;
mod modes;
mod predict;
mod tables;
mod tokens;
mod transform;
mod workspace;

use std::ops::ControlFlow;

use crate::{Check, DecodeError, damaged, go_on};
use frame::Frame;
use header::{Header, Start};

/// The options of a decode.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    filtered: bool,
    rows: usize,
    check: Check<'a>,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self { filtered: true, rows: usize::MAX, check: &|| ControlFlow::Continue(()) }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions")
            .field("filtered", &self.filtered)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<'a> DecodeOptions<'a> {
    /// Whether the loop filter is applied (section 15). It is by default. A large picture that becomes a
    /// third as wide afterwards looks the same without it, or better.
    #[must_use]
    pub const fn filtered(mut self, filtered: bool) -> Self {
        self.filtered = filtered;
        self
    }

    /// The number of rows that are needed, counted from the top; a few more may be emitted. All rows by default.
    #[must_use]
    pub const fn rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// A cancellation callback, called at every row of macroblocks. By default the decode is never cancelled.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// A receiver of samples.
pub trait Sink {
    /// Receives the next two rows of luma, and the corresponding row of U and of V. In the last pair of a picture of
    /// odd height, the second row of luma is not part of the picture.
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]);
}

/// The width and height of a frame, each in `1..=16383`.
///
/// # Errors
/// [`DecodeError::Damaged`] if the bytes do not begin with the header of a key frame.
pub fn size(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let start = Start::read(bytes)?;
    Ok((start.width as u32, start.height as u32))
}

/// The maximum memory in bytes for decoding a frame of this width.
pub fn memory(width: u32) -> u64 {
    Frame::memory(width)
}

/// Decodes the required rows.
///
/// # Errors
/// [`DecodeError::Damaged`] if not even the first macroblock can be decoded, and [`DecodeError::Cancelled`].
pub fn decode(bytes: &[u8], options: &DecodeOptions<'_>, sink: &mut dyn Sink) -> Result<(), DecodeError> {
    let start = Start::read(bytes)?;
    let header = Header::read(&start, bytes)?;
    Frame::new(&start, header).decode(options, sink)
}
