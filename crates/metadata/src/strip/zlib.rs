//! Finds the end of a zlib stream that is split into pieces of a file, as in a PNG: anything after it is invisible.

use std::io::Write as _;
use std::ops::Range;

use flate2::{Compression, Decompress, FlushDecompress, Status};

use crate::Error;
use image_origin_container::Input;

/// The number of bytes inflated at a time.
const PIECE: u64 = 64 << 10;
/// The number of bytes that are inflated in the time of one step.
const BYTES_PER_STEP: u64 = 64;

/// The result of parsing a stream.
pub(super) enum Stream {
    /// The stream has this many bytes.
    Bytes(u64),
    /// The stream is truncated or invalid.
    Damaged,
    /// The stream yields more than is needed: these bytes yield exactly that.
    Rewritten(Vec<u8>),
}

/// Parses the stream in these pieces, of whose inflated content decoders use `wanted` bytes.
#[allow(clippy::disallowed_methods, reason = "what is inflated is counted")]
pub(super) fn stream(input: &mut Input<'_>, pieces: &[Range<u64>], wanted: u64) -> Result<Stream, Error> {
    let mut inflater = Decompress::new(true);
    let end = each_part(input, pieces, &mut inflater, wanted, |_| Ok(()))?;
    if inflater.total_out() <= wanted {
        return Ok(end.map_or(Stream::Damaged, Stream::Bytes));
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    let (mut left, mut held, meter) = (wanted, 0, input.meter());
    each_part(input, pieces, &mut Decompress::new(true), wanted, |part| {
        let take = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= take as u64;
        // Writing to memory cannot fail.
        encoder.write_all(part.get(..take).unwrap_or_default())?;
        let len = encoder.get_ref().len() as u64;
        meter.hold(len - held)?;
        held = len;
        Ok(())
    })?;
    Ok(Stream::Rewritten(encoder.finish()?))
}

/// Inflates at most one piece more than needed. Returns the length of the stream if it is complete.
fn each_part(
    input: &mut Input<'_>,
    pieces: &[Range<u64>],
    inflater: &mut Decompress,
    wanted: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Option<u64>, Error> {
    let meter = input.meter();
    let size = wanted.saturating_add(1).min(PIECE) as usize;
    meter.steps(1 + size as u64 / BYTES_PER_STEP)?;
    let mut out = vec![0; size];
    for piece in pieces {
        let mut at = piece.start;
        while at < piece.end {
            let bytes = input.stream(at)?;
            let len = bytes.len().min(usize::try_from(piece.end - at).unwrap_or(usize::MAX));
            let Some(bytes) = bytes.get(..len).filter(|bytes| !bytes.is_empty()) else { break };
            let mut used = 0;
            loop {
                let (before_in, before_out) = (inflater.total_in(), inflater.total_out());
                let rest = bytes.get(used..).unwrap_or_default();
                let status = inflater.decompress(rest, &mut out, FlushDecompress::None);
                let produced = inflater.total_out() - before_out;
                used += (inflater.total_in() - before_in) as usize;
                meter.steps(1 + produced / BYTES_PER_STEP)?;
                take(out.get(..produced as usize).unwrap_or_default())?;
                match status {
                    Ok(Status::StreamEnd) => return Ok(Some(inflater.total_in())),
                    Err(_) => return Ok(None),
                    Ok(_) if inflater.total_out() > wanted => return Ok(None),
                    // The output buffer may be filled several times before the decoder needs more input.
                    Ok(_) if used == bytes.len() && (produced as usize) < out.len() => break,
                    Ok(_) if produced == 0 && inflater.total_in() == before_in => return Ok(None),
                    Ok(_) => {}
                }
            }
            at += len as u64;
        }
    }
    Ok(None)
}
