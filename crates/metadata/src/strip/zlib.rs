//! Where a zlib stream ends that stands in pieces of a file, as it does in a PNG: what is behind shows nothing.

use std::io::{Read, Seek, Write as _};
use std::ops::Range;

use flate2::{Compression, Decompress, FlushDecompress, Status};

use crate::Error;
use image_origin_container::Input;

/// Bytes that are inflated at a time.
const PIECE: u64 = 64 << 10;
/// Bytes that are inflated in the time of a step.
const BYTES_PER_STEP: u64 = 64;

/// What is known of a stream.
pub(super) enum Stream {
    /// So many of its bytes are the stream.
    Bytes(u64),
    /// It has no end, or is not such a stream where it should go on.
    Damaged,
    /// It holds more than was wanted: these bytes hold what was.
    Rewritten(Vec<u8>),
}

/// Looks at the stream whose pieces stand at these places, of which decoders take `wanted` bytes once it is inflated.
#[allow(clippy::disallowed_methods, reason = "what is inflated is counted")]
pub(super) fn stream<R: Read + Seek>(
    input: &mut Input<'_, R>,
    pieces: &[Range<u64>],
    wanted: u64,
) -> Result<Stream, Error> {
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
        // Writing to memory does not fail.
        encoder.write_all(part.get(..take).unwrap_or_default())?;
        let len = encoder.get_ref().len() as u64;
        meter.hold(len - held)?;
        held = len;
        Ok(())
    })?;
    Ok(Stream::Rewritten(encoder.finish()?))
}

/// Inflates no more than a piece beyond what is wanted. Gives the length of a stream that has an end.
fn each_part<R: Read + Seek>(
    input: &mut Input<'_, R>,
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
                    // The output is full again and again until there is nothing left in the decoder.
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
