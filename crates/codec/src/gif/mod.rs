//! GIF: pictures and animations, composed onto their canvas; written with optimized palettes.

mod lzw;
mod read;
mod write;

use super::animation::{Animation, AnimationWriter, Frames};
use super::{
    Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, EncodeOptions, Encoder, Error, Format, Header,
    Orientation, Raster,
};
use read::GifFrames;
use write::GifWriter;

/// The GIF decoder and encoder.
pub(super) struct Gif;

/// The unit of GIF delays in milliseconds (GIF89a, section 23).
const TICK: u32 = 10;

impl Decoder for Gif {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let (width, height) = read::size(bytes, cancellation)?;
        budget.check_pixels(width, height)?;
        let (orientation, channels) = (Orientation::UPRIGHT, Channels::Rgba);
        Ok(Header { format: Format::Gif, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        GifFrames::open(bytes, options.budget, options.cancellation)?.into_first(Format::Gif)
    }

    fn animation(&self, bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
        read::animation(bytes, cancellation)
    }

    fn frames<'a>(
        &self,
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(GifFrames::open(bytes, budget, cancellation)?))
    }
}

impl Encoder for Gif {
    fn format(&self) -> Format {
        Format::Gif
    }

    fn max_side(&self) -> u32 {
        u16::MAX.into()
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &EncodeOptions) -> bool {
        false
    }

    fn encode(
        &self,
        raster: &Raster,
        _: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        let mut writer = Box::new(GifWriter::new(1, budget, cancellation));
        writer.push(raster, 0)?;
        writer.finish()
    }

    fn has_animation(&self) -> bool {
        true
    }

    fn animate<'a>(
        &self,
        plays: u32,
        _: &EncodeOptions,
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        Some(Box::new(GifWriter::new(plays, budget, cancellation)))
    }
}

#[cfg(test)]
mod tests;
