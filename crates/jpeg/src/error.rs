//! Error and warning types.

use std::fmt;

/// The error of decoding a JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The JPEG uses an unsupported feature: arithmetic coding, 12-bit samples, lossless, hierarchical.
    Unsupported(&'static str),
    /// Not a JPEG, or damaged before the first picture data.
    Damaged(&'static str),
    /// Decoding would need more memory than [`DecodeOptions::max_bytes`](crate::DecodeOptions::max_bytes).
    TooLarge {
        /// The required memory in bytes.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// [`DecodeOptions::check`](crate::DecodeOptions::check) cancelled the decode.
    Cancelled,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(kind) => write!(f, "unsupported JPEG: {kind}"),
            Self::Damaged(reason) => write!(f, "damaged JPEG: {reason}"),
            Self::TooLarge { needed, limit } => {
                write!(f, "decoding needs {needed} bytes of memory, limit {limit}")
            }
            Self::Cancelled => f.write_str("decoding was cancelled"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// The error of encoding a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The picture has no columns or no rows.
    Empty,
    /// A plane has more or fewer samples than its width and height require.
    SampleCount {
        /// The required number of samples.
        expected: u64,
        /// The actual number of samples.
        actual: u64,
    },
    /// Encoding would need more memory than [`EncodeOptions::max_bytes`](crate::EncodeOptions::max_bytes).
    TooLarge {
        /// The memory in bytes that an allocation requires.
        needed: u64,
        /// The remaining part of the limit.
        limit: u64,
    },
    /// [`EncodeOptions::check`](crate::EncodeOptions::check) cancelled the encode.
    Cancelled,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a JPEG needs at least one pixel"),
            Self::SampleCount { expected, actual } => {
                write!(f, "the picture has {actual} samples, but its size requires {expected}")
            }
            Self::TooLarge { needed, limit } => {
                write!(f, "encoding needs {needed} bytes of memory, limit {limit}")
            }
            Self::Cancelled => f.write_str("encoding was cancelled"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Damage in spite of which a picture was decoded. Each kind is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// The entropy-coded data is truncated; missing parts are grey, or less detailed if progressive.
    Truncated,
    /// Undefined codes, or restart markers out of order: some blocks are wrong.
    Corrupt,
    /// A segment after the first scan is invalid; the scans from there on were ignored.
    BadSegment,
    /// More scans than any encoder has reason to write; those beyond the limit were ignored.
    TooManyScans,
}
