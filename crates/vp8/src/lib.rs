//! Decoders for the bitstreams of WebP: [`lossy`] for VP8 key frames, [`lossless`] for VP8L.
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
//! A VP8 frame is emitted as rows of luma and chroma while it is decoded, so that a caller that reduces a picture never
//! holds all of it; the loop filter can be disabled. A VP8L stream can be emitted as rows of RGBA, beside which its coded
//! pixels are held. Its samples equal libwebp's, and so do VP8L's pixels. Truncated
//! frames and streams are decoded as far as possible.
//!
//! No input makes it panic, allocate more than the limit, or take time out of proportion to the sizes of input and
//! picture. A callback, called at every row, cancels.
//!
//! # What it does not do
//!
//! It does not parse the RIFF container, animations or metadata, does not reverse the filters of alpha chunks, and does
//! not convert luma and chroma to RGB. Inter frames, which WebP does not use, are rejected. There is no encoder.
//!
//! # Speed
//!
//! CPU time in milliseconds of a whole pipeline from file to file, on one thread, compared with sharp (libvips with
//! libwebp):
//!
//! | file | to | sharp | with this |
//! | --- | --- | --- | --- |
//! | 4 MP, lossy | JPEG of 300 pixels | 31.2 | 21.4 |
//! | 4 MP, lossy | JPEG of 800 pixels | 40.4 | 27.1 |
//! | 300x300 with alpha | JPEG of 300 pixels | 7.5 | 3.7 |
//!
//! Hot loops are compiled a second time for AVX2 (`image-origin-kernel`). `NOTES.md` in the crate's folder describes
//! experiments.

pub mod lossless;
pub mod lossy;

use std::fmt;
use std::ops::ControlFlow;

/// The error of decoding a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data violates the format, or ends, before anything can be shown.
    Damaged(&'static str),
    /// Decoding would need more memory than [`lossless::DecodeOptions::max_bytes`].
    TooLarge {
        /// The required memory in bytes.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The cancellation callback stopped the decode.
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

/// A cancellation callback, called between pieces of work.
type Check<'a> = &'a dyn Fn() -> ControlFlow<()>;

/// Calls the cancellation callback.
fn go_on(check: Check<'_>) -> Result<(), DecodeError> {
    if check().is_break() { Err(DecodeError::Cancelled) } else { Ok(()) }
}

fn damaged(reason: &'static str) -> DecodeError {
    DecodeError::Damaged(reason)
}
