//! Parsers for the structure of image files: one for each container format, shared by decoders, metadata strippers and
//! reports.
//!
//! They locate segments, chunks, blocks, boxes and fields, and read what is required to display pixels: orientation,
//! colour profile, and stored size. No pixel is decoded, and Exif, XMP and IPTC are not interpreted. Every function
//! terminates on any input: counts and offsets are validated, and a [`Meter`] bounds steps and memory by the length of
//! the file and checks for cancellation.
//!
//! ```
//! use std::io::Cursor;
//! use image_origin_container::{Cancellation, Input, Meter, jpeg};
//!
//! // A JPEG with nothing but a comment and an empty scan.
//! let file = b"\xff\xd8\xff\xfe\x00\x07hello\xff\xda\x00\x02\xff\xd9";
//! # #[allow(clippy::disallowed_methods)]
//! let cancellation = Cancellation::unbounded();
//! let meter = Meter::new(file.len() as u64, &cancellation);
//! let segments = jpeg::header_segments(&mut Input::new(Cursor::new(file), &meter)?)?;
//! assert_eq!((segments[0].marker, segments[0].payload.clone()), (0xfe, 6..11));
//! # Ok::<(), std::io::Error>(())
//! ```

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod blocks;
mod cancellation;
mod dimensions;
pub mod fax;
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

pub use cancellation::{Cancellation, Cancelled, Spent};
pub use dimensions::stored_size;
pub use format::{Format, SNIFF_LEN, sniff};
pub use head::{MAX_PROFILE, icc_profile, icc_profile_within, orientation, orientation_within, slice};
pub use inflate::{GZIP, gunzip, inflate, inflate_with_length};
pub use input::{Input, exhausted, from_memory};
pub use meter::{Exhausted, Meter};
pub use orientation::Orientation;

/// The maximum number of segments, chunks or blocks in a file; real files have some hundred.
pub const MAX_PARTS: usize = 1 << 16;

/// The error of reading a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The container is too damaged to be read.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The work was cancelled, or exceeded the budget that follows from the length of the file.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}
