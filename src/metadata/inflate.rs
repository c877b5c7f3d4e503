//! Zlib streams inside metadata, with a bound on what they may grow to.

use std::io::Read;

/// The most that one compressed profile or text may become.
const MAX_INFLATED: u64 = 16 << 20;

/// What the stream holds, or `None` if it is damaged or grows beyond the bound.
pub(super) fn inflate(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(compressed).take(MAX_INFLATED + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= MAX_INFLATED).then_some(out)
}
