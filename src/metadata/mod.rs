//! What a file says besides its pixels: telling it, removing it, and carrying it into a new file.
//!
//! Bytes come in, values go out; nothing here knows of HTTP or decodes a pixel. Whatever the bytes are, every function
//! returns: counts and offsets are checked before they are believed, and a `Meter` bounds steps and memory by the file's
//! own length and asks whether to go on.
//! What is shown, removed and kept, and why, stands in `docs/metadata.md`.
//!
//! ```
//! use std::io::Cursor;
//! use image_origin::codec::Work;
//! use image_origin::metadata::{self, Keep};
//!
//! // A JPEG with nothing but a comment and an empty scan.
//! let file = b"\xff\xd8\xff\xfe\x00\x07hello\xff\xda\x00\x02\xff\xd9";
//! let plan = metadata::strip(&mut Cursor::new(file), Keep::None, &Work::unbounded())?;
//! assert!(!plan.is_identity());
//!
//! let mut clean = Vec::new();
//! plan.write_to(Cursor::new(file), &mut clean)?;
//! assert_eq!(clean, b"\xff\xd8\xff\xda\x00\x02\xff\xd9");
//! # Ok::<(), metadata::Error>(())
//! ```

mod blocks;
mod carry;
mod dimensions;
mod exif;
pub(crate) mod gif;
mod head;
mod heif;
mod icc;
mod inflate;
mod input;
mod iptc;
mod isobmff;
mod jpeg;
mod parts;
mod photoshop;
mod png;
mod report;
mod rewrite;
mod rights;
mod strip;
pub(crate) mod tiff;
mod webp;
mod xmp;

pub use carry::{Carried, carry, embed};
#[cfg(feature = "heic")]
pub(crate) use dimensions::dimensions as stored_size;
pub use exif::ExifGroups;
pub(crate) use head::heif_picture;
pub use head::{icc_profile, orientation};
pub(crate) use heif::{CleanAperture, Coded, Nclx, Picture};
pub(crate) use isobmff::write_box;
pub(crate) use png::chunk as png_chunk;
pub use report::{Report, report};
pub use rewrite::{Piece, Rewrite, RewriteReader};
pub use strip::{Keep, strip};

use crate::codec::{self, Exhausted, Format};

/// Segments, chunks or blocks that are looked at in one file; a real one has some hundred.
const MAX_PARTS: usize = 1 << 16;

/// Why a file's metadata could not be told or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are of no format that is recognised.
    #[error("not an image of a known format")]
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
    #[error("the source could not be read")]
    Io(#[source] std::io::Error),
}

impl Error {
    /// The same in the words of the codecs, of a file of this format.
    pub(crate) fn into_codec(self, format: Format) -> codec::Error {
        match self {
            Self::Exhausted(exhausted) => exhausted.into(),
            Self::Damaged(reason) => codec::Error::Damaged { format, reason: reason.to_owned() },
            error => codec::Error::Damaged { format, reason: error.to_string() },
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match input::exhausted(&error) {
            Some(exhausted) => Self::Exhausted(exhausted),
            None => Self::Io(error),
        }
    }
}
