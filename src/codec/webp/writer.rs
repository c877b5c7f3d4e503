//! Writing animations (RFC 9649, section 2.7): of each frame only the rectangle that changes, laid over what is there
//! without blending, so that nothing ever has to be disposed of.

use super::super::animation::{AnimationWriter, Pixels, Rect};
use super::super::{Channels, Encoding, Error, Raster, Samples, Stopped, Work};
use super::container::{ALPHA, ANIMATION, chunk, chunks, file_of};
use super::encode;

/// The last byte of a frame's header: do not blend, or blend; dispose of nothing.
const OVERWRITE: u8 = 0x02;
const BLEND: u8 = 0;

/// The longest time that 24 bits can hold.
const MAX_DELAY: u32 = (1 << 24) - 1;

pub(super) struct WebPWriter<'a> {
    plays: u32,
    encoding: Encoding,
    /// What the next frame is drawn over, as it was before it was encoded.
    shown: Option<Pixels>,
    /// The chunks of all frames.
    frames: Vec<u8>,
    has_alpha: bool,
    work: &'a Work,
}

impl<'a> WebPWriter<'a> {
    pub(super) fn new(plays: u32, encoding: Encoding, work: &'a Work) -> Self {
        Self { plays, encoding, shown: None, frames: Vec::new(), has_alpha: false, work }
    }

    fn write(&mut self, picture: &Raster, rect: Rect, delay: u32, blending: u8) -> Result<(), Error> {
        // Of a single pixel, the lossless form is the shorter one.
        let lossless = self.encoding.lossless || rect.width * rect.height == 1;
        let file = encode::encode(picture, &Encoding { lossless, ..self.encoding }, self.work)?;
        let mut content = Vec::with_capacity(file.len() + 16);
        for number in [rect.left / 2, rect.top / 2, rect.width - 1, rect.height - 1, delay.min(MAX_DELAY) as usize] {
            content.extend(&(number as u32).to_le_bytes()[..3]);
        }
        content.push(blending);
        for part in chunks(&file).filter(|part| matches!(&part.name, b"ALPH" | b"VP8 " | b"VP8L")) {
            chunk(&mut content, part.name, part.content);
        }
        chunk(&mut self.frames, *b"ANMF", &content);
        self.has_alpha |= picture.channels().has_alpha();
        Ok(())
    }
}

impl AnimationWriter for WebPWriter<'_> {
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error> {
        let mut frame = Pixels::new(frame).ok_or(Stopped)?;
        let changed = match &self.shown {
            Some(shown) => {
                frame.settle(shown, tolerance(&self.encoding));
                frame.bounds(shown, |new, old| new != old).map(even)
            }
            None => Some(frame.whole()),
        };
        match changed {
            Some(rect) => self.write(&frame.cut(rect).ok_or(Stopped)?, rect, delay, OVERWRITE)?,
            None => {
                // A frame has to have a pixel, and a transparent one is laid over the picture unseen.
                let nothing = Raster::new(1, 1, Channels::Rgba, Samples::U8(vec![0; 4])).ok_or(Stopped)?;
                self.write(&nothing, Rect { left: 0, top: 0, width: 1, height: 1 }, delay, BLEND)?;
            }
        }
        self.shown = Some(frame);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.frames.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error> {
        let size = self.shown.as_ref().ok_or(Stopped)?.whole();
        let mut extended = vec![ANIMATION | if self.has_alpha { ALPHA } else { 0 }, 0, 0, 0];
        for side in [size.width, size.height] {
            extended.extend(&(side as u32 - 1).to_le_bytes()[..3]);
        }
        let plays = u16::try_from(self.plays).unwrap_or(u16::MAX).to_le_bytes();
        let mut file = file_of(&[(*b"VP8X", &extended), (*b"ANIM", &[0, 0, 0, 0, plays[0], plays[1]])]);
        file.extend(self.frames);
        let length = u32::try_from(file.len() - 8).map_err(|_| Stopped)?;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        Ok(file)
    }
}

/// By how much samples may change before a pixel is written anew: less than what the quality does to them anyway.
fn tolerance(encoding: &Encoding) -> u8 {
    if encoding.lossless { 0 } else { (100 - encoding.quality.min(100)) / 5 }
}

/// The rectangle grown so that it starts at even places, which are all that can be written.
fn even(rect: Rect) -> Rect {
    let (left, top) = (rect.left / 2 * 2, rect.top / 2 * 2);
    Rect { left, top, width: rect.width + rect.left - left, height: rect.height + rect.top - top }
}
