//! What a file says besides its pixels: telling it, removing it, and carrying it into a new file.
//!
//! Bytes come in, values go out; nothing here knows of HTTP or decodes a pixel. Whatever the bytes are, every function
//! returns: counts and offsets are checked before they are believed, and memory is bounded by the input's own size.

#![allow(dead_code, reason = "the walkers and the writer serve stripping, which follows")]

mod head;
mod inflate;
mod input;
mod jpeg;
mod png;
mod tiff;
mod webp;

pub use head::{icc_profile, orientation};

/// Segments, chunks or boxes that are looked at in one file; a real one has some hundred.
const MAX_PARTS: usize = 1 << 16;
