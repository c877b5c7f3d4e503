//! Why a picture was not decoded or encoded.

use super::container::{self, Cancelled, Exhausted, Format};
use image_origin_svg::Error as DrawingError;

/// The error of decoding or encoding a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not an image, or its format or variant is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// The file violates its format so severely that no picture can be decoded.
    #[error("the {format} is damaged: {reason}")]
    Damaged {
        /// The detected format.
        format: Format,
        /// The reason, as reported by the decoder.
        reason: String,
    },
    /// The picture exceeds a limit.
    #[error("{what} is {needs}, which exceeds the limit of {allowed}")]
    TooLarge {
        /// The exceeded quantity.
        what: &'static str,
        /// The required amount.
        needs: u64,
        /// The limit.
        allowed: u64,
    },
    /// The deadline has passed or the work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A bug: an invariant was violated.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<Exhausted> for Error {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Cancelled(cancelled) => Self::Cancelled(cancelled),
            Exhausted::TooMuch { what, allowed } => Self::TooLarge { what, needs: allowed.saturating_add(1), allowed },
        }
    }
}

impl Error {
    /// Converts the error of parsing the container of a file of this format.
    pub(super) fn of_container(format: Format, error: container::Error) -> Self {
        match error {
            container::Error::Exhausted(exhausted) => exhausted.into(),
            container::Error::Damaged(reason) => Self::Damaged { format, reason: reason.to_owned() },
        }
    }

    /// Converts the error of reading a drawing.
    pub fn of_drawing(error: DrawingError) -> Self {
        match error {
            DrawingError::Exhausted(exhausted) => exhausted.into(),
            DrawingError::TooMuch { what, allowed } => {
                let allowed = allowed as u64;
                Self::TooLarge { what, needs: allowed + 1, allowed }
            }
            DrawingError::Encoding => Self::Unsupported(format!("the svg cannot be read: {error}")),
            DrawingError::NotWellFormed { .. } | DrawingError::Undecodable(_) => {
                Self::Damaged { format: Format::Svg, reason: error.to_string() }
            }
        }
    }
}
