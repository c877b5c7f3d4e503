//! AVIF (AV1 Image File Format 1.1): AV1 pictures in a HEIF container.
//!
//! Both decoder and encoder are those of `image-origin-av1`. Of several layers, the last that does not refer to another
//! is shown.

mod decode;
mod encode;
mod source;
mod subsampled;
mod write;

pub(super) use encode::Avif;
pub use encode::{DEFAULT_SPEED, SPEEDS, quantizer};
pub use subsampled::{halving_memory, with_halved_chroma};

use super::heif::{self, Codec, Description, Planes};
use super::{Budget, Cancellation, Cancelled, DecodeOptions, Decoded, Decoder, Error, Format, Header, MEMORY};
use image_origin_av1::decode::DecodeError;

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged { format: Format::Avif, reason: reason.into() }
}

impl Codec for Avif {
    const FORMAT: Format = Format::Avif;
    const ITEM: [u8; 4] = *b"av01";
    /// The maximum memory in bytes for decoding, including the planes.
    type Stream = u64;

    fn describe(data: &[u8], _configuration: &[u8]) -> Result<Description, Error> {
        decode::describe(data)
    }

    fn read(data: &[u8], _configuration: &[u8], cancellation: &Cancellation) -> Result<u64, Error> {
        Ok(decode::decoder(data, cancellation)?.memory(true))
    }

    fn memory(stream: &u64, _length: usize) -> u64 {
        *stream
    }

    fn decode(
        data: &[u8],
        _stream: &u64,
        filtered: bool,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Box<dyn Planes>, Error> {
        let planes = decode::decode(data, filtered, budget, cancellation)?;
        Ok(Box::new(planes))
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Damaged(reason) => damaged(reason),
            DecodeError::TooLarge { needed, limit } => Self::TooLarge { what: MEMORY, needs: needed, allowed: limit },
            DecodeError::Cancelled => Cancelled.into(),
            _ => Self::Internal("the decoder of AV1 fails in a way that is not known here"),
        }
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
