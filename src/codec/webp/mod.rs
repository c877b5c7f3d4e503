//! WebP: lossy, lossless and alpha. Reading is safe Rust; writing is libwebp, which only ever sees our own pixels.
//!
//! Lossy pictures are read by our own decoder of VP8, which gives them smaller where that serves; lossless ones by the
//! `image` crate. Animations are files of such pictures.

mod alpha;
mod colour;
mod container;
mod encode;
mod frames;
mod full;
mod lossy;
mod smaller;
mod vp8;
mod writer;

pub use encode::libwebp_quality;

use container::{Extended, Lossy};
use frames::WebPFrames;
use image::codecs::webp::WebPDecoder;

use super::animation::{Animation, Frames};
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
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let (width, height, channels) = match (Lossy::find(bytes)?, Extended::find(bytes)) {
            (Some(Lossy { width, height, alpha: None, .. }), _) => (width, height, Channels::Rgb),
            (Some(Lossy { width, height, .. }), _) => (width, height, Channels::Rgba),
            (None, Some(Extended { width, height, is_animated: true })) => (width, height, Channels::Rgba),
            (None, _) => {
                return reader::header(Format::WebP, &mut open(bytes, budget, work)?, budget);
            }
        };
        budget.check_pixels(width, height)?;
        let orientation = Orientation::from_exif(metadata::orientation(bytes, Format::WebP, work)?);
        Ok(Header { format: Format::WebP, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        match (Lossy::find(bytes)?, Extended::find(bytes)) {
            (Some(picture), _) => lossy::decode(&picture, bytes, need),
            (None, Some(Extended { is_animated: true, .. })) => {
                WebPFrames::open(bytes, need.budget, need.work)?.into_first()
            }
            (None, _) => reader::read(Format::WebP, open(bytes, need.budget, need.work)?, OVERHEAD, need),
        }
    }

    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        frames::animation(bytes, work)
    }

    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(WebPFrames::open(bytes, budget, work)?))
    }
}

#[cfg(test)]
mod tests;
