//! Reports the metadata of an original, with size and orientation as its decoder reads them.

use image_origin_codec::{self as codec, Budget, Cancellation, Exhausted, sniff};
use image_origin_metadata::{self as metadata, Report, Stored};

/// The budget of a decoder for parsing a header, whatever size it declares.
const PROBE: Budget = Budget { pixels: u64::MAX, memory: 16 << 20 };

/// Reports all metadata of an original. If no decoder supports it, the size is that in the container.
///
/// # Errors
/// The errors of [`metadata::report`].
pub fn report(bytes: &[u8], cancellation: &Cancellation) -> Result<Report, metadata::Error> {
    let format = sniff(bytes).ok_or(metadata::Error::Unrecognised)?;
    let stored = match codec::decoder(format).map(|decoder| decoder.probe(bytes, PROBE, cancellation)) {
        Some(Ok(codec::Header { width, height, orientation, .. })) => Some(Stored { width, height, orientation }),
        Some(Err(codec::Error::Cancelled(stopped))) => return Err(Exhausted::from(stopped).into()),
        _ => None,
    };
    metadata::report(bytes, stored, cancellation)
}
