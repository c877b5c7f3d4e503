//! Zlib streams inside metadata, with a bound on what they may grow to.

use std::io::Read;

use crate::{Exhausted, Meter};

/// Bytes that are inflated at a time.
const PIECE: usize = 64 << 10;

/// What the stream holds, or `None` if it is damaged or grows beyond `max_bytes`.
pub fn inflate(compressed: &[u8], max_bytes: usize, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    Ok(inflate_with_length(compressed, max_bytes, meter)?.map(|(content, _)| content))
}

/// What the stream holds, and how many bytes it has itself, as for [`inflate`].
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
