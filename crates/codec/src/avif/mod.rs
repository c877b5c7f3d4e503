//! AVIF (AV1 Image File Format 1.1): AV1 pictures in a HEIF container.
//!
//! Decoder and encoder are both written in Rust; NOTES.md explains the choice.

mod decode;
mod encode;
mod source;
mod stream;
mod tiles;
mod write;

pub(super) use encode::Avif;
pub use encode::{DEFAULT_SPEED, SPEEDS, quantizer};
use stream::{Sequence, Stream};

use super::heif::{self, Codec, Description, Planes};
use super::{Budget, Cancellation, DecodeOptions, Decoded, Decoder, Error, Format, Header, Meter};
use image_origin_container::heif::Nclx;

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged { format: Format::Avif, reason: reason.into() }
}

impl Codec for Avif {
    const FORMAT: Format = Format::Avif;
    const ITEM: [u8; 4] = *b"av01";
    type Stream = Stream;

    fn describe(data: &[u8], _configuration: &[u8]) -> Result<Description, Error> {
        Ok(Sequence::read(data).map_err(damaged)?.description())
    }

    fn read(data: &[u8], _configuration: &[u8], cancellation: &Cancellation) -> Result<Stream, Error> {
        Stream::read(data, &Meter::new(data.len() as u64, cancellation))
    }

    fn memory(stream: &Stream, length: usize) -> u64 {
        decode::memory(stream, length)
    }

    fn decode(data: &[u8], stream: &Stream, filtered: bool, budget: Budget) -> Result<Box<dyn Planes>, Error> {
        stream.check().map_err(damaged)?;
        let sequence = stream.sequence;
        // Each frame is decoded without interruption, whether it is shown or not.
        budget.check_pixels(sequence.width, sequence.height.saturating_mul(stream.frames()))?;
        budget.check_memory(decode::memory(stream, data.len()))?;
        // Filters also change what later frames refer to.
        let planes = decode::decode(data, sequence, filtered || stream.frames() > 1).map_err(damaged)?;
        Ok(Box::new(planes))
    }
}

impl Sequence {
    fn description(&self) -> Description {
        let Self { width, height, depth, is_monochrome, subsampling, .. } = *self;
        let Self { primaries, transfer, matrix, full_range, .. } = *self;
        let meaning =
            Nclx { primaries: primaries.into(), transfer: transfer.into(), matrix: matrix.into(), full_range };
        Description { width, height, depth, is_monochrome, subsampling, meaning }
    }
}

impl Decoder for Avif {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        heif::probe::<Self>(bytes, budget, cancellation)
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        heif::decode::<Self>(bytes, options)
    }
}

#[cfg(test)]
mod tests;
