//! The GIF encoder: of each frame it writes only the rectangle that changes, with unchanged pixels transparent. Equal
//! frames are merged.

use ::gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use super::super::animation::{AnimationWriter, Pixels, Rect};
use super::super::buffer::OutputWriter;
use super::super::palette::{self, Indexed};
use super::super::{Budget, Cancellation, Error, Raster, check_sides};
use super::TICK;

/// The alpha from which a pixel is opaque: GIF has no partial transparency.
const OPAQUE: u8 = 128;

/// The maximum difference of samples for which a pixel counts as unchanged.
const UNSEEN: u8 = 2;

/// The memory of a frame in bytes per pixel.
const FRAME: u64 = 4;

/// The maximum size of a compressed index in bytes, in a buffer that has grown.
const COMPRESSED: u64 = 3;

/// The fixed memory in bytes: colour tables, and the dictionary of the compressor.
const FIXED: u64 = 256 << 10;

/// Writes with a delay of one frame, because the disposal of a frame depends on the next one.
pub(super) struct GifWriter<'a> {
    plays: u32,
    /// The file, once its first frame is known.
    file: Option<File<'a>>,
    /// The last frame, which has not been written yet.
    pending: Option<Pending>,
    /// The accumulated rounding error of the delays, in milliseconds.
    owed: i64,
    budget: Budget,
    cancellation: &'a Cancellation,
}

struct File<'a> {
    /// It has written a colour table of full size, which is replaced at the end.
    encoder: Encoder<OutputWriter<'a>>,
    /// The shared palette.
    palette: Vec<[u8; 4]>,
}

/// The length of the header before the colour table (GIF89a, sections 17 and 18), the position of the table size, and
/// its maximum length.
const HEADER_LEN: usize = 13;
const FLAGS: usize = 10;
const TABLE_LEN: usize = 3 * 256;

/// A frame and the canvas that it is drawn onto.
struct Pending {
    below: Pixels,
    frame: Pixels,
    ticks: u16,
}

impl<'a> GifWriter<'a> {
    pub(super) fn new(plays: u32, budget: Budget, cancellation: &'a Cancellation) -> Self {
        Self { plays, file: None, pending: None, owed: 0, budget, cancellation }
    }

    /// Converts a delay to ticks. Rounding errors are carried over to later frames, so that the total duration is kept;
    /// delays of a single tick are avoided, since browsers treat them as ten.
    fn ticks(&mut self, delay: u32) -> u16 {
        let tick = i64::from(TICK);
        let due = i64::from(delay) + self.owed;
        let least = if delay > TICK { 2 } else { 0 };
        let ticks = (due + tick / 2).div_euclid(tick).clamp(least, u16::MAX.into());
        self.owed = (due - ticks * tick).clamp(-tick, tick);
        u16::try_from(ticks).unwrap_or(u16::MAX)
    }

    /// Writes the pending frame, and returns the canvas that it leaves for the next one.
    fn write_pending(&mut self, next: Option<&Pixels>) -> Result<Option<Pixels>, Error> {
        let Some(Pending { below, mut frame, ticks }) = self.pending.take() else { return Ok(None) };
        let budget = self.budget(&frame, if next.is_some() { 3 } else { 2 })?;
        frame.settle(&below, UNSEEN);
        let changed = frame.bounds(&below, |new, old| new != old);
        // Pixels that become transparent in the next frame can only be removed by disposing of this frame's rectangle.
        let vanishing = next.and_then(|next| frame.bounds(next, |now, then| now[3] != 0 && then[3] == 0));
        let rect = match (changed, vanishing) {
            // Some programs use the size of the first frame as that of the canvas.
            _ if self.file.is_none() => frame.whole(),
            (Some(changed), Some(vanishing)) => changed.union(vanishing),
            (Some(rect), None) | (None, Some(rect)) => rect,
            (None, None) => Rect { left: 0, top: 0, width: 1, height: 1 },
        };
        let dispose = if vanishing.is_some() { DisposalMethod::Background } else { DisposalMethod::Keep };
        // Frames of an animation share a palette if possible, and later frames omit unchanged pixels.
        let is_still = self.file.is_none() && next.is_none();
        let written = self.file.as_ref().map_or(0, |file| file.encoder.get_ref().capacity() as u64);
        let rest = budget.beside(written)?;
        let indexed = indexed(&below, &frame, rect, !is_still, rest)?;
        self.cancellation.check()?;
        // The sides were checked when the frame was added.
        let [left, top, width, height] =
            [rect.left, rect.top, rect.width, rect.height].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let transparent = indexed.colors.first().is_some_and(|color| color[3] == 0).then_some(0);
        let out = Frame { left, top, width, height, dispose, delay: ticks, transparent, ..Frame::default() };
        self.write(&frame, indexed, out, budget)?;
        if vanishing.is_some() {
            frame.clear(rect);
        }
        Ok(Some(frame))
    }

    fn write(
        &mut self,
        canvas: &Pixels,
        indexed: Indexed,
        mut frame: Frame<'static>,
        budget: Budget,
    ) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::new(canvas, &indexed, self.plays, budget, self.cancellation)?),
        };
        // The indices twice, and compressed, which for noise is larger than the indices.
        let indices = indexed.indices.len() as u64;
        file.encoder.get_mut().set_budget(budget.beside(indices * (2 + COMPRESSED))?);
        match indexed.in_palette(&mut file.palette) {
            Some(indices) => frame.buffer = indices.into(),
            None => {
                frame.palette = Some(table(&indexed.colors));
                frame.buffer = indexed.indices.into();
            }
        }
        file.encoder.write_frame(&frame).map_err(refused)
    }

    /// The budget for memory besides frames of this size, of which `frames` are held at a time.
    fn budget(&self, frame: &Pixels, frames: u64) -> Result<Budget, Error> {
        let pixels = (frame.width() * frame.height()) as u64;
        self.budget.beside(frames * FRAME * pixels + FIXED)
    }
}

impl<'a> File<'a> {
    fn new(
        canvas: &Pixels,
        first: &Indexed,
        plays: u32,
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Self, Error> {
        let [width, height] = [canvas.width(), canvas.height()].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let out = OutputWriter::new(budget, cancellation);
        let mut encoder = Encoder::new(out, width, height, &[0; TABLE_LEN]).map_err(refused)?;
        // The extension contains the number of repetitions after the first play.
        let repeat = match plays {
            0 => Repeat::Infinite,
            plays => Repeat::Finite(u16::try_from(plays - 1).unwrap_or(u16::MAX)),
        };
        encoder.set_repeat(repeat).map_err(refused)?;
        Ok(Self { encoder, palette: first.colors.clone() })
    }

    /// Returns the file with the final palette.
    fn finish(self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.encoder.into_inner().map_err(refused)?.into_bytes();
        // The table size is stored as the exponent of a power of two, less one (GIF89a, section 18).
        let bits = (self.palette.len().next_power_of_two().max(2)).trailing_zeros() as usize;
        let mut table = table(&self.palette);
        table.resize(3 << bits, 0);
        bytes[FLAGS] = bytes[FLAGS] & !7 | (bits - 1) as u8;
        bytes.splice(HEADER_LEN..HEADER_LEN + TABLE_LEN, table);
        Ok(bytes)
    }
}

/// Converts an error of the encoder. Sides and palettes are checked before, so that only output errors remain.
fn refused(error: EncodingError) -> Error {
    let cause = if let EncodingError::Io(cause) = error { cause.into_inner() } else { None };
    let cause = cause.and_then(|cause| cause.downcast::<Error>().ok());
    cause.map_or(Error::Internal("a gif could not be written"), |cause| *cause)
}

/// The error for frames with other than 8-bit samples.
const NO_PIXELS: Error = Error::Internal("a gif is made from samples of 8 bits");

impl AnimationWriter for GifWriter<'_> {
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error> {
        self.cancellation.check()?;
        check_sides([frame.width(), frame.height()], "a side of a gif in pixels", u16::MAX.into())?;
        self.budget.check_memory(FRAME * u64::from(frame.width()) * u64::from(frame.height()))?;
        let mut frame = Pixels::new(frame).ok_or(NO_PIXELS)?;
        for pixel in frame.all_mut() {
            *pixel = if pixel[3] >= OPAQUE { [pixel[0], pixel[1], pixel[2], 255] } else { [0; 4] };
        }
        // A frame that looks like the one before only prolongs it.
        if let Some(pending) = self.pending.as_ref().filter(|pending| frame.settles(&pending.frame, UNSEEN)) {
            let before = (pending.ticks, self.owed);
            let ticks = u32::from(before.0) + u32::from(self.ticks(delay));
            match (u16::try_from(ticks), &mut self.pending) {
                (Ok(ticks), Some(pending)) => {
                    pending.ticks = ticks;
                    return Ok(());
                }
                _ => self.owed = before.1,
            }
        }
        let below = self.write_pending(Some(&frame))?;
        let below = below.unwrap_or_else(|| Pixels::transparent(frame.width(), frame.height()));
        let ticks = self.ticks(delay);
        self.pending = Some(Pending { below, frame, ticks });
        Ok(())
    }

    fn held(&self) -> u64 {
        let frames = self.pending.as_ref().map_or(0, |pending| 2 * pending.frame.bytes());
        frames + self.file.as_ref().map_or(0, |file| file.encoder.get_ref().capacity() as u64)
    }

    fn written(&self) -> u64 {
        // Only the used part of the colour table remains.
        let length = |file: &File<'_>| file.encoder.get_ref().bytes().len() + 3 * file.palette.len() - TABLE_LEN;
        self.file.as_ref().map_or(0, |file| length(file) as u64)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Error> {
        self.write_pending(None)?;
        self.file.ok_or(Error::Internal("an animation without a frame"))?.finish()
    }
}

/// The rectangle of a frame with unchanged pixels transparent.
fn indexed(below: &Pixels, frame: &Pixels, rect: Rect, has_nothing: bool, budget: Budget) -> Result<Indexed, Error> {
    let keep = |(new, old): (&[u8; 4], &[u8; 4])| if new == old { [0; 4] } else { *new };
    let rows = frame.rows(rect).zip(below.rows(rect));
    let budget = budget.beside(FRAME * (rect.width * rect.height) as u64)?;
    let mut pixels = Vec::with_capacity(rect.width * rect.height);
    rows.for_each(|(row, below)| pixels.extend(row.iter().zip(below).map(keep)));
    palette::opaque(&pixels, rect.width, has_nothing, budget)
}

fn table(colors: &[[u8; 4]]) -> Vec<u8> {
    colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
}
