//! WebP: lossy, lossless, and alpha. Decoding is safe Rust; encoding is libwebp's, which only receives pixels of this
//! program, except that large lossless pictures, and their alpha, are encoded in Rust with less memory.
//!
//! The decoders are those of the crate `image-origin-vp8`: VP8, for lossy pictures, and VP8L, for lossless pictures and
//! alpha. Pictures are reduced while they are decoded. Animations consist of such pictures.

mod alpha;
mod colour;
mod container;
mod encode;
mod frames;
mod full;
mod large;
mod libwebp;
mod lossless;
mod lossy;
mod mask;
mod planes;
mod prefix;
mod smaller;
mod weighted;
mod writer;

pub use encode::{libwebp_quality, trial_length};

use image_origin_vp8::DecodeError;

use container::Picture;
use frames::WebPFrames;

use super::animation::{Animation, Frames};
use super::{
    Budget, Cancellation, Cancelled, Channels, DecodeOptions, Decoded, Decoder, Error, Format, Header, MEMORY,
    Orientation,
};

/// The WebP decoder and encoder.
pub(super) struct WebP;

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Damaged(reason) => damaged(reason),
            DecodeError::TooLarge { needed, limit } => Self::TooLarge { what: MEMORY, needs: needed, allowed: limit },
            DecodeError::Cancelled => Cancelled.into(),
            _ => Self::Internal("the decoders of WebP fail in a way that is not known here"),
        }
    }
}

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::WebP, reason: reason.to_owned() }
}

impl Decoder for WebP {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let picture = Picture::find(bytes)?;
        let (width, height) = picture.size();
        let channels = if picture.has_alpha() { Channels::Rgba } else { Channels::Rgb };
        budget.check_pixels(width, height)?;
        let orientation =
            Orientation::from_exif(image_origin_container::orientation(bytes, Format::WebP, cancellation)?);
        Ok(Header { format: Format::WebP, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        match Picture::find(bytes)? {
            Picture::Lossy(picture) => lossy::decode(&picture, bytes, options),
            Picture::Lossless(picture) => lossless::decode(&picture, bytes, options),
            Picture::Animation(_) => {
                WebPFrames::open(bytes, options.budget, options.cancellation)?.into_first(Format::WebP)
            }
        }
    }

    fn animation(&self, bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
        frames::animation(bytes, cancellation)
    }

    fn frames<'a>(
        &self,
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(WebPFrames::open(bytes, budget, cancellation)?))
    }
}

#[cfg(test)]
mod tests;
