//! The syntax of image files: one reader for each container, which decoders, strippers and reports share.
//!
//! Bytes come in; the places of segments, chunks, blocks, boxes and fields go out, and what pixels cannot be shown
//! without: orientation, colour profile, and size as stored. Nothing here decodes a pixel or knows what Exif, XMP or IPTC
//! say. Whatever the bytes are, every function returns: counts and offsets are checked before they are believed, and a
//! [`Meter`] bounds steps and memory by the file's own length and asks whether to go on.
//!
//! ```
//! use std::io::Cursor;
//! use image_origin_container::{Input, Meter, Work, jpeg};
//!
//! // A JPEG with nothing but a comment and an empty scan.
//! let file = b"\xff\xd8\xff\xfe\x00\x07hello\xff\xda\x00\x02\xff\xd9";
//! # #[allow(clippy::disallowed_methods)]
//! let work = Work::unbounded();
//! let meter = Meter::new(file.len() as u64, &work);
//! let segments = jpeg::header_segments(&mut Input::new(Cursor::new(file), &meter)?)?;
//! assert_eq!((segments[0].marker, segments[0].payload.clone()), (0xfe, 6..11));
//! # Ok::<(), std::io::Error>(())
//! ```

// Tests have no caller whose work they could take.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod blocks;
mod dimensions;
mod format;
pub mod gif;
mod head;
pub mod heif;
mod inflate;
mod input;
pub mod isobmff;
pub mod jpeg;
mod meter;
mod orientation;
pub mod parts;
pub mod photoshop;
pub mod png;
pub mod tiff;
pub mod webp;
mod work;

pub use dimensions::stored_size;
pub use format::{Format, SNIFF_LEN, sniff};
pub use head::{MAX_PROFILE, icc_profile, icc_profile_within, orientation, orientation_within, slice};
pub use inflate::{inflate, inflate_with_length};
pub use input::{Input, exhausted, from_memory};
pub use meter::{Exhausted, Meter};
pub use orientation::Orientation;
pub use work::{Spent, Stopped, Work};

/// Segments, chunks or blocks that are looked at in one file; a real one has some hundred.
pub const MAX_PARTS: usize = 1 << 16;

/// Why a container could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The container is damaged beyond use.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The work was stopped, or reading cost more than the file's length can pay for.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}
