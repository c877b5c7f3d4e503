//! A decoder for VP8 key frames, which are what lossy WebP pictures are (RFC 6386, whose sections the comments cite).
//!
//! The bytes of a frame come in; its samples go out row by row, luma and subsampled chroma, so that a few rows of
//! macroblocks are all that is ever held. At full size the samples are those that libwebp gives.
//!
//! What must hold: no input makes it panic, allocate more than [`memory`], or work longer than the size of the picture
//! warrants. Damage before the first macroblock is an [`Error`]; after that the picture is given as far as it goes, and
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

use super::damaged;
use crate::codec::{Error, Work};
use frame::Frame;
use header::{Header, Start};

/// How to decode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Whether the loop filter is run.
    pub(super) is_filtered: bool,
    /// Rows that are needed, counted from the top.
    pub(super) rows: usize,
}

/// What the samples are given to.
pub(super) trait Sink {
    /// Takes the next two rows of luma and the row of U and of V that belongs to them. The second row of luma is not part
    /// of the picture where its height is odd and this is the end of it.
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]);
}

/// The width and height of a frame.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Error> {
    let start = Start::read(bytes)?;
    Ok((start.width as u32, start.height as u32))
}

/// Most bytes that decoding a frame of that width allocates.
pub(super) fn memory(width: u32) -> u64 {
    Frame::memory(width)
}

/// Decodes the rows that are needed, or a few more.
pub(super) fn decode(bytes: &[u8], options: Options, sink: &mut impl Sink, work: &Work) -> Result<(), Error> {
    let start = Start::read(bytes)?;
    let header = Header::read(&start, bytes)?;
    Frame::new(&start, header).decode(options, sink, work)
}
