//! The error type.

use std::fmt;

/// The error of encoding a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A side is 0 or exceeds 4096, or the picture has more than 2304 superblocks of 64 by 64 (5.9.15).
    Dimensions {
        /// The width.
        width: u32,
        /// The height.
        height: u32,
    },
    /// A plane has more or fewer samples than its size requires.
    SampleCount {
        /// The required number of samples.
        expected: usize,
        /// The actual number of samples.
        actual: usize,
    },
    /// The identity matrix was combined with subsampled chroma (6.4.2).
    HalvedIdentity,
    /// The stream would need more memory than [`EncodeOptions::max_bytes`](crate::EncodeOptions::max_bytes).
    TooLarge {
        /// The required memory in bytes.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// [`EncodeOptions::check`](crate::EncodeOptions::check) cancelled the encode.
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
