//! The encoder for animations (RFC 9649, section 2.7): of each frame it writes only the rectangle that changes, so that frames
//! need no disposal. It replaces what is shown, or, if it is lossless, only what differs in it. What is drawn is written in
//! the shorter form, lossy or lossless. Equal frames are merged.

use image_origin_container::webp::{ALPHA_FLAG, ANIMATION_FLAG};

use super::super::animation::{AnimationWriter, Pixels, Rect};
use super::super::buffer::OutputBuffer;
use super::super::{Budget, Cancellation, Channels, EncodeOptions, Error, Raster, Samples, content};
use super::container::{chunk, chunks, file_of};
use super::encode::{self, Role};

/// The last byte of a frame header: do not blend, or blend; no disposal.
const OVERWRITE: u8 = 0x02;
const BLEND: u8 = 0;

/// The length of an ANMF chunk before the picture: position, size, delay and flags.
const FRAME_HEADER: usize = 16;

/// The offset of the delay in an ANMF chunk, including the chunk's header.
const DELAY: usize = 8 + 12;

/// The memory in bytes per pixel besides the given frame: the current canvas, the frame as it is compared, the cropped
/// rectangle, and the changes in it.
const HELD: u64 = 4 * 4;

/// The error for frames with other than 8-bit samples, or without frames.
const NO_PIXELS: Error = Error::Internal("a webp is made from frames of 8 bit samples");

/// The maximum delay, which is stored in 24 bits.
const MAX_DELAY: u32 = (1 << 24) - 1;

pub(super) struct WebPWriter<'a> {
    plays: u32,
    options: EncodeOptions,
    /// The canvas onto which the next frame is drawn, before encoding.
    shown: Option<Pixels>,
    /// The chunks of all frames.
    frames: OutputBuffer,
    /// The offset of the last frame's chunk, and the frame's delay.
    last: (usize, u32),
    has_alpha: bool,
    budget: Budget,
    cancellation: &'a Cancellation,
}

/// The part of a frame that has changed.
struct Change {
    file: Vec<u8>,
    /// [`OVERWRITE`] or [`BLEND`].
    blending: u8,
    has_alpha: bool,
}

impl<'a> WebPWriter<'a> {
    pub(super) fn new(plays: u32, options: EncodeOptions, budget: Budget, cancellation: &'a Cancellation) -> Self {
        let frames = OutputBuffer::new(budget);
        Self { plays, options, shown: None, frames, last: (0, 0), has_alpha: false, budget, cancellation }
    }

    /// Encodes the part of a frame that has changed since `shown`. `budget` is for all memory besides pixels.
    fn encoded(&self, frame: &Pixels, shown: Option<&Pixels>, rect: Rect, budget: Budget) -> Result<Change, Error> {
        let encode = |picture: &Raster, lossless: bool, budget: Budget| {
            encode::encode(picture, Role::Frame, &EncodeOptions { lossless, ..self.options }, budget, self.cancellation)
        };
        let picture = frame.cut(rect).ok_or(NO_PIXELS)?;
        let has_alpha = picture.channels().has_alpha();
        let overwriting = |file| Ok(Change { file, blending: OVERWRITE, has_alpha });
        // For a single pixel, the lossless form is shorter.
        let is_lossless = self.options.lossless || rect.width * rect.height == 1;
        let whole = encode(&picture, is_lossless, budget)?;
        // Of a photograph the lossless form is never the shorter one, and takes several times as long.
        if !content::repetition(&picture).is_drawn() {
            return overwriting(whole);
        }
        let changes = shown.and_then(|shown| frame.cut_changes(shown, rect));
        let (exact, blending) = match (&changes, is_lossless) {
            (Some(changes), _) => (encode(changes, true, budget.beside(whole.capacity() as u64)?), BLEND),
            (None, false) => (encode(&picture, true, budget.beside(whole.capacity() as u64)?), OVERWRITE),
            (None, true) => return overwriting(whole),
        };
        match exact {
            Ok(file) if file.len() < whole.len() => {
                Ok(Change { file, blending, has_alpha: has_alpha || blending == BLEND })
            }
            Ok(_) | Err(Error::TooLarge { .. }) => overwriting(whole),
            Err(error) => Err(error),
        }
    }

    /// Writes an encoded frame. `budget` is for memory besides the file so far.
    fn write(&mut self, file: &[u8], rect: Rect, delay: u32, blending: u8, budget: Budget) -> Result<(), Error> {
        let parts = || chunks(file).filter(|part| matches!(&part.name, b"ALPH" | b"VP8 " | b"VP8L"));
        let length = FRAME_HEADER + parts().map(|part| 8 + part.content.len().next_multiple_of(2)).sum::<usize>();
        self.frames.set_budget(budget.beside(file.len() as u64)?);
        self.frames.reserve(8 + length)?;
        let frames = self.frames.bytes_mut();
        self.last = (frames.len(), delay.min(MAX_DELAY));
        frames.extend(b"ANMF");
        frames.extend((length as u32).to_le_bytes());
        for number in [rect.left / 2, rect.top / 2, rect.width - 1, rect.height - 1, delay.min(MAX_DELAY) as usize] {
            frames.extend(&(number as u32).to_le_bytes()[..3]);
        }
        frames.push(blending);
        parts().for_each(|part| chunk(frames, part.name, part.content));
        Ok(())
    }

    /// Shows the last frame for longer; `None` if its delay has no room for that.
    fn prolong(&mut self, delay: u32) -> Option<()> {
        let (offset, before) = self.last;
        let delay = before.checked_add(delay).filter(|delay| *delay <= MAX_DELAY)?;
        let field = self.frames.bytes_mut().get_mut(offset + DELAY..offset + DELAY + 3)?;
        field.copy_from_slice(&delay.to_le_bytes()[..3]);
        self.last = (offset, delay);
        Some(())
    }
}

impl AnimationWriter for WebPWriter<'_> {
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error> {
        let pixels = u64::from(frame.width()) * u64::from(frame.height());
        let budget = self.budget.beside(HELD * pixels)?;
        let mut frame = Pixels::new(frame).ok_or(NO_PIXELS)?;
        let changed = match &self.shown {
            Some(shown) => {
                frame.settle(shown, tolerance(&self.options));
                frame.bounds(shown, |new, old| new != old).map(even)
            }
            None => Some(frame.whole()),
        };
        match changed {
            Some(rect) => {
                let beside = budget.beside(self.frames.capacity() as u64)?;
                let Change { file, blending, has_alpha } = self.encoded(&frame, self.shown.as_ref(), rect, beside)?;
                self.has_alpha |= has_alpha;
                self.write(&file, rect, delay, blending, budget)?;
            }
            None if self.prolong(delay).is_some() => {}
            None => {
                // A frame must contain a pixel; a transparent one is blended without effect.
                let nothing = Raster::new(1, 1, Channels::Rgba, Samples::U8(vec![0; 4])).ok_or(NO_PIXELS)?;
                let lossless = EncodeOptions { lossless: true, ..self.options };
                let beside = budget.beside(self.frames.capacity() as u64)?;
                let file = encode::encode(&nothing, Role::Frame, &lossless, beside, self.cancellation)?;
                self.has_alpha = true;
                self.write(&file, Rect { left: 0, top: 0, width: 1, height: 1 }, delay, BLEND, budget)?;
            }
        }
        self.shown = Some(frame);
        Ok(())
    }

    fn held(&self) -> u64 {
        self.shown.as_ref().map_or(0, Pixels::bytes) + self.frames.capacity() as u64
    }

    fn written(&self) -> u64 {
        self.frames.bytes().len() as u64
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error> {
        let Self { plays, shown, mut frames, has_alpha, budget, .. } = *self;
        let size = shown.ok_or(NO_PIXELS)?.whole();
        let mut extended = vec![ANIMATION_FLAG | if has_alpha { ALPHA_FLAG } else { 0 }, 0, 0, 0];
        for side in [size.width, size.height] {
            extended.extend(&(side as u32 - 1).to_le_bytes()[..3]);
        }
        let plays = u16::try_from(plays).unwrap_or(u16::MAX).to_le_bytes();
        let mut head = file_of(&[(*b"VP8X", &extended), (*b"ANIM", &[0, 0, 0, 0, plays[0], plays[1]])]);
        let length = (head.len() + frames.bytes().len() - 8) as u64;
        let allowed = u32::MAX.into();
        let length = u32::try_from(length).map_err(|_| Error::TooLarge {
            what: "the length of a webp in bytes",
            needs: length,
            allowed,
        })?;
        head[4..8].copy_from_slice(&length.to_le_bytes());
        frames.set_budget(budget);
        frames.reserve(head.len())?;
        let mut file = std::mem::take(frames.bytes_mut());
        file.splice(..0, head);
        Ok(file)
    }
}

/// The maximum difference of samples for which a pixel counts as unchanged: less than the loss of the quality setting.
fn tolerance(options: &EncodeOptions) -> u8 {
    if options.lossless { 0 } else { (100 - options.quality.min(100)) / 5 }
}

/// The rectangle extended to even offsets, which the format requires.
fn even(rect: Rect) -> Rect {
    let (left, top) = (rect.left / 2 * 2, rect.top / 2 * 2);
    Rect { left, top, width: rect.width + rect.left - left, height: rect.height + rect.top - top }
}
