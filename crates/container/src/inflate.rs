//! Inflation of zlib streams in metadata, and of files that are compressed as a whole, with a size limit.

use std::io::Read;

use crate::{Exhausted, Meter};

/// The number of bytes inflated at a time.
const PIECE: usize = 64 << 10;

/// The first bytes of a gzip file with DEFLATE (RFC 1952, 2.3.1).
pub const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Inflates a gzip file up to `max_bytes`; `None` if it is damaged before that.
#[allow(clippy::disallowed_methods, reason = "what is inflated is counted")]
pub fn gunzip(compressed: &[u8], max_bytes: usize, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    let mut stream = flate2::bufread::GzDecoder::new(compressed);
    let mut out = Vec::new();
    while out.len() < max_bytes {
        let before = out.len();
        if stream.by_ref().take(PIECE.min(max_bytes - before) as u64).read_to_end(&mut out).is_err() {
            return Ok(None);
        }
        let grown = (out.len() - before) as u64;
        if grown == 0 {
            break;
        }
        meter.hold(grown)?;
        meter.steps(grown / 16)?;
    }
    Ok(Some(out))
}

/// The beginning of what a gzip file contains, as far as `head` shows it and at most as long as a whole head.
pub(crate) fn gunzip_head(head: &[u8], max_bytes: usize) -> Vec<u8> {
    let mut stream = flate2::bufread::GzDecoder::new(head);
    let mut out = vec![0; max_bytes];
    let mut length = 0;
    // The end of the head is an error, before which everything is good.
    while let Ok(read @ 1..) = stream.read(&mut out[length..]) {
        length += read;
    }
    out.truncate(length);
    out
}

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
