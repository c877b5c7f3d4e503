//! What can go wrong, sorted by what the caller answers to it.

/// Why a JPEG was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A JPEG of a kind that this decoder does not read: arithmetic coding, 12 bit samples, lossless, hierarchical.
    #[error("this kind of JPEG is not read: {0}")]
    Unsupported(&'static str),
    /// Not a JPEG, or damaged before the first picture data could be read.
    #[error("damaged JPEG: {0}")]
    Damaged(&'static str),
    /// The decode would need more memory than [`Options::max_bytes`](super::Options::max_bytes).
    #[error("decoding needs {needed} bytes of memory, {limit} are allowed")]
    TooLarge {
        /// Bytes that the decode would allocate.
        needed: u64,
        /// The ceiling it was given.
        limit: u64,
    },
    /// [`Options::check`](super::Options::check) asked to stop.
    #[error("decoding was stopped")]
    Stopped,
}

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
