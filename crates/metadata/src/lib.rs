//! What a file says besides its pixels: telling it, removing it, and carrying it into a new file.
//!
//! Bytes come in, values go out; nothing here knows of HTTP or decodes a pixel. Whatever the bytes are, every function
//! returns: counts and offsets are checked before they are believed, and a `Meter` bounds steps and memory by the file's
//! own length and asks whether to go on.
//! What is shown, removed and kept, and why, stands in `docs/metadata.md`.
//!
//! ```
//! use std::io::Cursor;
//! use image_origin_container::Work;
//! use image_origin_metadata::{self as metadata, Keep};
//!
//! // A JPEG of one pixel with a comment and an empty scan.
//! let picture = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9";
//! let file = [b"\xff\xd8\xff\xfe\x00\x07hello", picture.as_slice()].concat();
//! let plan = metadata::strip(&mut Cursor::new(&file), Keep::None, &Work::unbounded())?;
//! assert!(!plan.is_identity());
//!
//! let mut clean = Vec::new();
//! plan.write_to(Cursor::new(&file), &mut clean)?;
//! assert_eq!(clean, [b"\xff\xd8", picture.as_slice()].concat());
//! # Ok::<(), metadata::Error>(())
//! ```

// Tests have no caller whose work they could take.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod carry;
mod exif;
mod heif_items;
mod icc;
mod iptc;
mod parts;
mod report;
mod rewrite;
mod rights;
mod strip;
mod xmp;

pub use carry::{Carried, carry, embed};
pub use exif::ExifGroups;
pub use report::{Report, Stored, report};
pub use rewrite::{Piece, Rewrite, RewriteReader};
pub use strip::{Keep, strip, strip_with_format};

use image_origin_container::{self as container, Exhausted, Format};

/// Why a file's metadata could not be told or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are of no format that is recognised.
    #[error("unrecognised image format")]
    Unrecognised,
    /// The format is known, but its container cannot be rewritten.
    #[error("metadata of {0} files cannot be removed without decoding them")]
    Unsupported(Format),
    /// The container is damaged beyond use.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The work was stopped, or the metadata cost more than the file's length can pay for.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The source could not be read.
    #[error("cannot read the source")]
    Io(#[source] std::io::Error),
}

impl From<container::Error> for Error {
    fn from(error: container::Error) -> Self {
        match error {
            container::Error::Damaged(reason) => Self::Damaged(reason),
            container::Error::Exhausted(exhausted) => Self::Exhausted(exhausted),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match container::exhausted(&error) {
            Some(exhausted) => Self::Exhausted(exhausted),
            None => Self::Io(error),
        }
    }
}
