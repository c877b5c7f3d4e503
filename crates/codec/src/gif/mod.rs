//! GIF: pictures and animations, composed onto their canvas; written with optimized palettes.

mod read;
mod write;

use super::animation::{Animation, AnimationWriter, Frames};
use super::{
    Budget, Channels, Decoded, Decoder, EncodeOptions, Encoder, Error, Format, Header, Need, Orientation, Raster, Work,
};
use read::GifFrames;
use write::GifWriter;

/// The GIF decoder and encoder.
pub(super) struct Gif;

/// The unit of GIF delays in milliseconds (GIF89a, section 23).
const TICK: u32 = 10;

impl Decoder for Gif {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let (width, height) = read::size(bytes, work)?;
        budget.check_pixels(width, height)?;
        let (orientation, channels) = (Orientation::UPRIGHT, Channels::Rgba);
        Ok(Header { format: Format::Gif, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        GifFrames::open(bytes, need.budget, need.work)?.into_first(Format::Gif)
    }

    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        read::animation(bytes, work)
    }

    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(GifFrames::open(bytes, budget, work)?))
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

    fn encode(&self, raster: &Raster, _: &EncodeOptions, budget: Budget, work: &Work) -> Result<Vec<u8>, Error> {
        let mut writer = Box::new(GifWriter::new(1, budget, work));
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
        work: &'a Work,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        Some(Box::new(GifWriter::new(plays, budget, work)))
    }
}

#[cfg(test)]
mod tests;
