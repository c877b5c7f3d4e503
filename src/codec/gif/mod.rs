//! GIF: pictures and animations, composed onto their canvas; writing both, with palettes of their own.

mod read;
mod write;

use super::animation::{Animation, AnimationWriter, Frames};
use super::{
    Budget, Channels, Decoded, Decoder, Encoder, Encoding, Error, Format, Header, Need, Orientation, Raster, Work,
};
use read::GifFrames;
use write::GifWriter;

/// GIF, both ways.
pub(super) struct Gif;

/// A unit of GIF's delays in milliseconds (GIF89a, section 23).
const TICK: u32 = 10;

impl Decoder for Gif {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let (width, height) = read::size(&read::open(bytes, budget, work)?);
        if width == 0 || height == 0 {
            return Err(Error::Damaged { format: Format::Gif, reason: "a side is zero".to_owned() });
        }
        budget.check_pixels(width, height)?;
        let (orientation, channels) = (Orientation::UPRIGHT, Channels::Rgba);
        Ok(Header { format: Format::Gif, width, height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        GifFrames::open(bytes, need.budget, need.work)?.into_first()
    }

    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        let mut decoder = read::open_skipping(bytes, work)?;
        let (width, height) = read::size(&decoder);
        let canvas = u64::from(width) * u64::from(height);
        let mut animation = Animation::empty();
        // A file that breaks off still shows the frames before the break.
        while let Ok(Some(frame)) = decoder.next_frame_info() {
            let pixels = u64::from(frame.width) * u64::from(frame.height);
            animation.add(u32::from(frame.delay) * TICK, pixels, canvas);
        }
        work.check()?;
        // The extension says how often all is repeated after it was played once.
        animation.plays = match decoder.repeat() {
            ::gif::Repeat::Infinite => 0,
            ::gif::Repeat::Finite(repeats) => u32::from(repeats) + 1,
        };
        Ok(animation.with_frames())
    }

    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(GifFrames::open(bytes, budget, work)?))
    }
}

impl Encoder for Gif {
    fn format(&self) -> Format {
        Format::Gif
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &Encoding) -> bool {
        false
    }

    fn encode(&self, raster: &Raster, _: &Encoding, budget: Budget, work: &Work) -> Result<Vec<u8>, Error> {
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
        _: &Encoding,
        budget: Budget,
        work: &'a Work,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        Some(Box::new(GifWriter::new(plays, budget, work)))
    }
}

#[cfg(test)]
mod tests;
