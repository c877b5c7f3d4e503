//! What can go wrong, sorted by what the caller answers to it.

use std::fmt;

/// Why a JPEG was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A JPEG of a kind that this decoder does not read: arithmetic coding, 12 bit samples, lossless, hierarchical.
    Unsupported(&'static str),
    /// Not a JPEG, or damaged before the first picture data could be read.
    Damaged(&'static str),
    /// The decode would need more memory than [`DecodeOptions::max_bytes`](crate::DecodeOptions::max_bytes).
    TooLarge {
        /// Bytes that the decode would allocate.
        needed: u64,
        /// The ceiling it was given.
        limit: u64,
    },
    /// [`DecodeOptions::check`](crate::DecodeOptions::check) asked to stop.
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

/// Why a picture was not encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The picture has no columns or no rows.
    Empty,
    /// A plane has more or fewer samples than its width and height ask for.
    SampleCount {
        /// Samples that there should be.
        expected: u64,
        /// Samples that there are.
        actual: u64,
    },
    /// The encoder would need more memory than [`EncodeOptions::max_bytes`](crate::EncodeOptions::max_bytes).
    TooLarge {
        /// Bytes that one of its parts would allocate.
        needed: u64,
        /// What the other parts have left of the ceiling.
        limit: u64,
    },
    /// [`EncodeOptions::check`](crate::EncodeOptions::check) asked to stop.
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

/// Damage that left a usable picture. Each kind is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// Entropy-coded data ended before the picture did; what is missing is grey, or less detailed if progressive.
    Truncated,
    /// Codes that no table defines, or restart markers out of order: some blocks are wrong.
    Corrupt,
    /// A segment after the first scan could not be understood; the scans from there on were not used.
    BadSegment,
    /// More scans than any encoder has reason to write; those beyond the limit were not used.
    TooManyScans,
}
