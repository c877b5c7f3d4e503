//! What can go wrong, sorted by what the caller answers to it.

use std::fmt;

/// Why a picture was not encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A side is 0, longer than 4096, or the picture has more than 2304 superblocks of 64 by 64 (5.9.15).
    Dimensions {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A plane has more or fewer samples than its size asks for.
    SampleCount {
        /// Samples that there should be.
        expected: usize,
        /// Samples that there are.
        actual: usize,
    },
    /// The matrix is the identity, and chroma is halved (6.4.2).
    HalvedIdentity,
    /// The stream would need more memory than [`EncodeOptions::max_bytes`](crate::EncodeOptions::max_bytes).
    TooLarge {
        /// Bytes that the stream would hold.
        needed: u64,
        /// The ceiling it was given.
        limit: u64,
    },
    /// [`EncodeOptions::check`](crate::EncodeOptions::check) asked to stop.
    Cancelled,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dimensions { width, height } => {
                write!(f, "a picture of {width}x{height} pixels does not fit into one tile of AV1")
            }
            Self::SampleCount { expected, actual } => {
                write!(f, "a plane has {actual} samples, but its size requires {expected}")
            }
            Self::HalvedIdentity => f.write_str("the identity matrix requires chroma planes at full resolution"),
            Self::TooLarge { needed, limit } => {
                write!(f, "encoding needs {needed} bytes of memory, limit {limit}")
            }
            Self::Cancelled => f.write_str("encoding was cancelled"),
        }
    }
}

impl std::error::Error for EncodeError {}
