//! WebP: lossy, lossless and alpha. Reading is safe Rust; writing is libwebp, which only ever sees our own pixels.
//!
//! Lossy pictures are read by our own decoder of VP8, which gives them smaller where that serves; lossless ones and
//! animations by the `image` crate.

mod alpha;
mod colour;
mod container;
mod encode;
mod full;
mod lossy;
mod smaller;
mod vp8;

use container::{Lossy, chunks};
use image::codecs::webp::WebPDecoder;

use super::{Budget, Channels, Decoded, Decoder, Error, Format, Header, Need, Orientation, Work, reader};
use crate::metadata;

/// WebP, both ways.
pub(super) struct WebP;

/// Luma and subsampled chroma of the lossy form, and the canvas of the lossless one, whichever is more: bytes a pixel.
const OVERHEAD: u64 = 4;

fn open<'a>(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<WebPDecoder<reader::WatchedReader<'a>>, Error> {
    let mut decoder = WebPDecoder::new(reader::WatchedReader::new(bytes, work))
        .map_err(|error| reader::map_error(Format::WebP, &error, work))?;
    image::ImageDecoder::set_limits(&mut decoder, reader::limits(budget))
        .map_err(|error| reader::map_error(Format::WebP, &error, work))?;
    Ok(decoder)
}

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::WebP, reason: reason.to_owned() }
}

impl Decoder for WebP {
    fn probe(&self, bytes: &[u8], budget: Budget) -> Result<Header, Error> {
        let Some(Lossy { width, height, alpha, .. }) = Lossy::find(bytes)? else {
            let work = Work::unbounded();
            return reader::header(Format::WebP, &mut open(bytes, budget, &work)?, budget);
        };
        budget.check_pixels(width, height)?;
        let orientation = Orientation::from_exif(metadata::orientation(bytes, Format::WebP));
        let channels = if alpha.is_some() { Channels::Rgba } else { Channels::Rgb };
        Ok(Header { format: Format::WebP, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        match Lossy::find(bytes)? {
            Some(picture) => lossy::decode(&picture, bytes, need),
            None => reader::read(Format::WebP, open(bytes, need.budget, need.work)?, OVERHEAD, need),
        }
    }

    fn count_frames(&self, bytes: &[u8], work: &Work) -> Result<u32, Error> {
        work.check()?;
        let frames = chunks(bytes).filter(|(name, _)| name == b"ANMF").count();
        Ok(u32::try_from(frames).unwrap_or(u32::MAX).max(1))
    }
}

#[cfg(test)]
mod tests;
