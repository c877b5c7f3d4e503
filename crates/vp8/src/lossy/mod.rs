//! VP8 key frames, which are what lossy WebP pictures are (RFC 6386, whose sections the comments cite).
//!
//! The bytes of a frame come in; its samples go out row by row, luma and subsampled chroma, so that a few rows of
//! macroblocks are all that is ever held. At full size the samples are those that libwebp gives.
//!
//! What must hold: no input makes it panic, allocate more than [`memory`], or work longer than the size of the picture
//! warrants. Damage before the first macroblock is a [`DecodeError`]; after that the picture is given as far as it goes, and
//! grey below.

mod bool_decoder;
mod filter;
mod frame;
mod header;
mod lanes;
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

/// How to decode. Each method sets one option and returns the options.
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
    /// Whether the loop filter is run (section 15). It is unless set. A picture that is made eight times smaller afterwards
    /// looks the same without.
    #[must_use]
    pub const fn filtered(mut self, filtered: bool) -> Self {
        self.filtered = filtered;
        self
    }

    /// Rows that are needed, counted from the top; a few more may come. All of them unless set.
    #[must_use]
    pub const fn rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// Asked at every row of macroblocks whether to go on. It always says yes unless set.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// What the samples are given to.
pub trait Sink {
    /// Takes the next two rows of luma and the row of U and of V that belongs to them. The second row of luma is not part
    /// of the picture where its height is odd and this is the end of it.
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

/// Most bytes that decoding a frame of that width allocates.
pub fn memory(width: u32) -> u64 {
    Frame::memory(width)
}

/// Decodes the rows that are needed, or a few more.
///
/// # Errors
/// [`DecodeError::Damaged`] where there is not even a first macroblock, and [`DecodeError::Cancelled`].
pub fn decode(bytes: &[u8], options: &DecodeOptions<'_>, sink: &mut dyn Sink) -> Result<(), DecodeError> {
    let start = Start::read(bytes)?;
    let header = Header::read(&start, bytes)?;
    Frame::new(&start, header).decode(options, sink)
}
