//! Inflation of zlib streams in metadata, with a size limit.

use std::io::Read;

use crate::{Exhausted, Meter};

/// The number of bytes inflated at a time.
const PIECE: usize = 64 << 10;

/// Inflates a stream; `None` if it is damaged or exceeds `max_bytes`.
pub fn inflate(compressed: &[u8], max_bytes: usize, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    Ok(inflate_with_length(compressed, max_bytes, meter)?.map(|(content, _)| content))
}

/// Inflates a stream like [`inflate`], and also returns its compressed length.
#[allow(clippy::disallowed_methods, reason = "what is inflated is counted")]
pub fn inflate_with_length(
    compressed: &[u8],
    max_bytes: usize,
    meter: &Meter<'_>,
) -> Result<Option<(Vec<u8>, usize)>, Exhausted> {
    let mut stream = flate2::bufread::ZlibDecoder::new(compressed);
    let mut out = Vec::new();
    loop {
        let before = out.len();
        if stream.by_ref().take(PIECE as u64).read_to_end(&mut out).is_err() || out.len() > max_bytes {
            return Ok(None);
        }
        let grown = (out.len() - before) as u64;
        if grown == 0 {
            return Ok(Some((out, stream.total_in() as usize)));
        }
        meter.hold(grown)?;
        meter.steps(grown / 16)?;
    }
}
