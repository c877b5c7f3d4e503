//! Image metadata: reporting it, removing it without decoding, and carrying it over to a new file.
//!
//! No pixel is decoded. Every function terminates on any input: counts and offsets are validated, and a `Meter` bounds
//! steps and memory by the length of the file and checks for cancellation. `docs/metadata.md` describes what is shown,
//! removed and kept, and why.
//!
//! ```
//! use std::io::Cursor;
//! use image_origin_container::Cancellation;
//! use image_origin_metadata::{self as metadata, Keep};
//!
//! // A JPEG of one pixel with a comment and an empty scan.
//! let picture = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9";
//! let file = [b"\xff\xd8\xff\xfe\x00\x07hello", picture.as_slice()].concat();
//! let plan = metadata::strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded())?;
//! assert!(!plan.is_identity());
//!
//! let mut clean = Vec::new();
//! plan.write_to(Cursor::new(&file), &mut clean)?;
//! assert_eq!(clean, [b"\xff\xd8", picture.as_slice()].concat());
//! # Ok::<(), metadata::Error>(())
//! ```

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod carry;
mod exif;
mod focus;
mod gain_map;
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
pub use focus::{MarkedArea, marked_area};
pub use gain_map::{GainMap, Parameters as GainMapParameters, gain_map};
pub use icc::description as icc_description;
pub use report::{Report, Stored, report};
pub use rewrite::{Piece, Rewrite, RewriteReader};
pub use strip::{Keep, sanitize_drawing, strip, strip_with_format};
pub use svg::MAX_LEN as MAX_DRAWING;

use image_origin_container::{self as container, Exhausted, Format};
use image_origin_svg as svg;

/// The error of reading or removing metadata.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format is not recognised.
    #[error("unrecognised image format")]
    Unrecognised,
    /// The container of this format cannot be rewritten.
    #[error("metadata of {0} files cannot be removed without decoding them")]
    Unsupported(Format),
    /// The container is too damaged to be read.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The drawing is no well-formed SVG, or is in an encoding that is not read.
    #[error("the svg cannot be read: {0}")]
    Drawing(svg::Error),
    /// The work was cancelled, or exceeded the budget that follows from the length of the file.
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

impl From<svg::Error> for Error {
    fn from(error: svg::Error) -> Self {
        match error {
            svg::Error::Exhausted(exhausted) => Self::Exhausted(exhausted),
            error => Self::Drawing(error),
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
