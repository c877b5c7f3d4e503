//! Decoders of the pictures in WebP files: [`lossy`] reads VP8 key frames, [`lossless`] reads VP8L.
//!
//! ```
//! use image_origin_vp8::lossless::{DecodeOptions, decode};
//!
//! // One pixel, whose five codes have one symbol each.
//! let stream = [0x2f, 0, 0, 0, 0, 0x28, 0x60, 0xff, 0x0b, 0xd0, 0xff, 0x02, 0];
//! let picture = decode(&stream, &DecodeOptions::default().max_bytes(1000))?;
//! assert_eq!(picture.samples, [255, 128, 0, 255]);
//! # Ok::<(), image_origin_vp8::DecodeError>(())
//! ```
//!
//! # What it does
//!
//! A VP8 frame is given away as rows of luma and chroma while it is decoded, so that whoever makes a picture smaller never
//! holds all of it; the loop filter can be left out. Its samples equal libwebp's to the bit, and so do VP8L's pixels. What
//! is there of a frame or stream that is cut short is given.
//!
//! No input makes it panic, allocate more than it was allowed, or work longer than the sizes of input and picture warrant.
//! A closure, asked at every row, cancels.
//!
//! # What it does not do
//!
//! It does not read the RIFF container, animations or metadata, does not undo the filters of alpha chunks, and does not
//! convert luma and chroma to RGB. Frames that depend on others, which WebP does not have, are refused. It does not encode.
//!
//! # Speed
//!
//! Bytes to bytes of a whole pipeline around it, one thread, beside sharp (libvips with libwebp), milliseconds of CPU time:
//!
//! | file | to | sharp | with this |
//! | --- | --- | --- | --- |
//! | 4 MP, lossy | JPEG of 300 pixels | 31.2 | 21.4 |
//! | 4 MP, lossy | JPEG of 800 pixels | 40.4 | 27.1 |
//! | 300x300 with alpha | JPEG of 300 pixels | 7.5 | 3.7 |
//!
//! Hot loops are compiled a second time for AVX2 (`image-origin-kernel`). `NOTES.md` in the crate's folder tells what was
//! tried.

pub mod lossless;
pub mod lossy;

use std::fmt;
use std::ops::ControlFlow;

/// Why a picture was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes break the rules of the format, or end, before there is anything to show.
    Damaged(&'static str),
    /// The decode would need more memory than [`lossless::DecodeOptions::max_bytes`].
    TooLarge {
        /// Bytes that the decode would hold.
        needed: u64,
        /// The ceiling it was given.
        limit: u64,
    },
    /// The check of the options asked to stop.
    Cancelled,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(reason) => f.write_str(reason),
            Self::TooLarge { needed, limit } => {
                write!(f, "decoding needs {needed} bytes of memory, limit {limit}")
            }
            Self::Cancelled => f.write_str("decoding was cancelled"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Asked between pieces of work whether to go on.
type Check<'a> = &'a dyn Fn() -> ControlFlow<()>;

/// Asks whether to go on.
fn go_on(check: Check<'_>) -> Result<(), DecodeError> {
    if check().is_break() { Err(DecodeError::Cancelled) } else { Ok(()) }
}

fn damaged(reason: &'static str) -> DecodeError {
    DecodeError::Damaged(reason)
}
