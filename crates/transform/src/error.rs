//! The error of rendering a picture.

use image_origin_codec::{self as codec, Budget, Format};

/// The error of rendering a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The original cannot be decoded, or the output cannot be encoded.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// `crop` contains no part of the picture.
    #[error("crop={crop} lies outside the picture, which is {width} by {height} pixels after orientation")]
    CropOutside {
        /// The requested crop.
        crop: String,
        /// Width of the upright picture.
        width: u32,
        /// Height of the upright picture.
        height: u32,
    },
    /// `page` is not the number of a frame.
    #[error("page={page} does not exist: the image has {frames} frame(s), counted from 0")]
    PageOutside {
        /// The requested frame.
        page: u32,
        /// The number of frames.
        frames: u32,
    },
    /// `format=svg` is requested of a picture that is no drawing.
    #[error("the original is {0}, and only originals in SVG can be sent as svg")]
    NoDrawing(Format),
    /// `format=svg` is requested with parameters that change pixels.
    #[error("a drawing is sent as svg only as a whole, without parameters that crop, turn or change it")]
    ChangedDrawing,
    /// `format=svg` is requested while drawings are rendered only.
    #[error("drawings are sent as pictures only: the setting `svg` is rasterize")]
    RasterizedDrawing,
    /// The overlay cannot be decoded.
    #[error("the overlay cannot be used: {0}")]
    Overlay(codec::Error),
    /// The output does not fit into `max_bytes` at the lowest quality.
    #[error("the smallest output has {smallest} bytes, which exceeds max_bytes={allowed}")]
    MaxBytes {
        /// The size of the smallest output in bytes.
        smallest: u64,
        /// The requested limit in bytes.
        allowed: u64,
    },
}

impl Error {
    /// Converts a memory error to one about the whole budget, instead of the remaining budget.
    pub(super) fn in_all(self, budget: Budget) -> Self {
        let in_all = |error| match error {
            codec::Error::TooLarge { what: codec::MEMORY, needs, allowed } => {
                let held = budget.memory.saturating_sub(allowed);
                let (needs, allowed) = (needs.saturating_add(held), allowed + held);
                codec::Error::TooLarge { what: codec::MEMORY, needs, allowed }
            }
            other => other,
        };
        match self {
            Self::Codec(error) => Self::Codec(in_all(error)),
            Self::Overlay(error) => Self::Overlay(in_all(error)),
            other => other,
        }
    }

    /// What kept the overlay from being used. That the work is to stop is about the whole of it.
    pub(super) fn of_overlay(error: codec::Error) -> Self {
        match error {
            codec::Error::Cancelled(stopped) => stopped.into(),
            error => Self::Overlay(error),
        }
    }

    pub(super) fn output_side(needs: u64, allowed: u64) -> Self {
        Self::Codec(codec::Error::TooLarge { what: "a side of the output in pixels", needs, allowed })
    }
}

impl From<codec::Exhausted> for Error {
    fn from(exhausted: codec::Exhausted) -> Self {
        Self::Codec(exhausted.into())
    }
}

impl From<codec::Cancelled> for Error {
    fn from(stopped: codec::Cancelled) -> Self {
        Self::Codec(stopped.into())
    }
}
