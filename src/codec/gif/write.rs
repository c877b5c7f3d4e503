//! Writing frames: of each only the rectangle that changes, in which what stays is transparent.

use ::gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use super::super::animation::{AnimationWriter, Pixels, Rect};
use super::super::palette::{self, Indexed};
use super::super::{Error, Raster, Stopped, Work, check_sides};
use super::TICK;

/// From here on a pixel is opaque: there is nothing between opaque and transparent in a GIF.
const OPAQUE: u8 = 128;

/// By how much samples may change before a pixel is written anew.
const UNSEEN: u8 = 2;

/// Writes one frame behind: how a frame is disposed of depends on the next one.
pub(super) struct GifWriter<'a> {
    plays: u32,
    /// The file, once its first frame is known.
    file: Option<File>,
    /// The last frame, which has not been written yet.
    pending: Option<Pending>,
    /// What earlier delays were longer than their whole ticks, in milliseconds.
    owed: i64,
    work: &'a Work,
}

struct File {
    /// Has written a table of full size, to be replaced in the end.
    encoder: Encoder<Vec<u8>>,
    /// The colours that frames share.
    palette: Vec<[u8; 4]>,
}

/// Bytes before the colour table (GIF89a, sections 17 and 18), the place of its size, and its own bytes at most.
const HEADER_LEN: usize = 13;
const FLAGS: usize = 10;
const TABLE_LEN: usize = 3 * 256;

/// A frame and what it is drawn over.
struct Pending {
    below: Pixels,
    frame: Pixels,
    ticks: u16,
}

impl<'a> GifWriter<'a> {
    pub(super) fn new(plays: u32, work: &'a Work) -> Self {
        Self { plays, file: None, pending: None, owed: 0, work }
    }

    /// A delay in ticks. What is rounded off one frame is made up for by the next ones, so that all of it lasts as long
    /// as it should; but of a single tick browsers make ten.
    fn ticks(&mut self, delay: u32) -> u16 {
        let tick = i64::from(TICK);
        let due = i64::from(delay) + self.owed;
        let least = if delay > TICK { 2 } else { 0 };
        let ticks = (due + tick / 2).div_euclid(tick).clamp(least, u16::MAX.into());
        self.owed = (due - ticks * tick).clamp(-tick, tick);
        u16::try_from(ticks).unwrap_or(u16::MAX)
    }

    /// Writes the pending frame, and gives what it leaves for the next one to be drawn over.
    fn write_pending(&mut self, next: Option<&Pixels>) -> Result<Option<Pixels>, Error> {
        let Some(Pending { below, mut frame, ticks }) = self.pending.take() else { return Ok(None) };
        frame.settle(&below, UNSEEN);
        let changed = frame.bounds(&below, |new, old| new != old);
        // What the next frame no longer shows can only be taken away with all of this frame's rectangle.
        let vanishing = next.and_then(|next| frame.bounds(next, |now, then| now[3] != 0 && then[3] == 0));
        let rect = match (changed, vanishing) {
            // Some programs take the first frame's size for that of the canvas.
            _ if self.file.is_none() => frame.whole(),
            (Some(changed), Some(vanishing)) => changed.union(vanishing),
            (Some(rect), None) | (None, Some(rect)) => rect,
            (None, None) => Rect { left: 0, top: 0, width: 1, height: 1 },
        };
        let dispose = if vanishing.is_some() { DisposalMethod::Background } else { DisposalMethod::Keep };
        // Frames of an animation share a palette where they can, and later ones leave pixels out.
        let is_still = self.file.is_none() && next.is_none();
        let indexed = indexed(&below, &frame, rect, !is_still);
        self.work.check()?;
        // Sides were checked when the frame came in.
        let [left, top, width, height] =
            [rect.left, rect.top, rect.width, rect.height].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let transparent = indexed.colors.first().is_some_and(|color| color[3] == 0).then_some(0);
        let out = Frame { left, top, width, height, dispose, delay: ticks, transparent, ..Frame::default() };
        self.write(&frame, indexed, out).map_err(|_| Stopped)?;
        if vanishing.is_some() {
            frame.clear(rect);
        }
        Ok(Some(frame))
    }

    /// Writing to memory fails only for sides or palettes that types and checks rule out.
    fn write(&mut self, canvas: &Pixels, indexed: Indexed, mut frame: Frame<'static>) -> Result<(), EncodingError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::new(canvas, &indexed, self.plays)?),
        };
        match indexed.in_palette(&mut file.palette) {
            Some(indices) => frame.buffer = indices.into(),
            None => {
                frame.palette = Some(table(&indexed.colors));
                frame.buffer = indexed.indices.into();
            }
        }
        file.encoder.write_frame(&frame)
    }
}

impl File {
    fn new(canvas: &Pixels, first: &Indexed, plays: u32) -> Result<Self, EncodingError> {
        let [width, height] = [canvas.width(), canvas.height()].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let mut encoder = Encoder::new(Vec::new(), width, height, &[0; TABLE_LEN])?;
        // The extension says how often all is repeated after it was played once.
        encoder.set_repeat(match plays {
            0 => Repeat::Infinite,
            plays => Repeat::Finite(u16::try_from(plays - 1).unwrap_or(u16::MAX)),
        })?;
        Ok(Self { encoder, palette: first.colors.clone() })
    }

    /// The whole file, with the palette as it has become.
    fn finish(self) -> Result<Vec<u8>, EncodingError> {
        let mut bytes = self.encoder.into_inner()?;
        // The size of the table is written as the power of two less one (GIF89a, section 18).
        let bits = (self.palette.len().next_power_of_two().max(2)).trailing_zeros() as usize;
        let mut table = table(&self.palette);
        table.resize(3 << bits, 0);
        bytes[FLAGS] = bytes[FLAGS] & !7 | (bits - 1) as u8;
        bytes.splice(HEADER_LEN..HEADER_LEN + TABLE_LEN, table);
        Ok(bytes)
    }
}

impl AnimationWriter for GifWriter<'_> {
    fn push(&mut self, frame: &Raster, delay: u32) -> Result<(), Error> {
        self.work.check()?;
        check_sides([frame.width(), frame.height()], "a side of a gif in pixels", u16::MAX.into())?;
        let mut frame = Pixels::new(frame).ok_or(Stopped)?;
        for pixel in frame.all_mut() {
            *pixel = if pixel[3] >= OPAQUE { [pixel[0], pixel[1], pixel[2], 255] } else { [0; 4] };
        }
        let below = self.write_pending(Some(&frame))?;
        let below = below.unwrap_or_else(|| Pixels::transparent(frame.width(), frame.height()));
        let ticks = self.ticks(delay);
        self.pending = Some(Pending { below, frame, ticks });
        Ok(())
    }

    fn written(&self) -> u64 {
        // Of the table only what is used will be left.
        let length = |file: &File| file.encoder.get_ref().len() + 3 * file.palette.len() - TABLE_LEN;
        self.file.as_ref().map_or(0, |file| length(file) as u64)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Error> {
        self.write_pending(None)?;
        Ok(self.file.ok_or(Stopped)?.finish().map_err(|_| Stopped)?)
    }
}

/// The rectangle of a frame in which what is already there is nothing.
fn indexed(below: &Pixels, frame: &Pixels, rect: Rect, has_nothing: bool) -> Indexed {
    let keep = |(new, old): (&[u8; 4], &[u8; 4])| if new == old { [0; 4] } else { *new };
    let rows = frame.rows(rect).zip(below.rows(rect));
    let pixels: Vec<_> = rows.flat_map(|(row, below)| row.iter().zip(below).map(keep)).collect();
    palette::opaque(&pixels, rect.width, has_nothing)
}

fn table(colors: &[[u8; 4]]) -> Vec<u8> {
    colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
}
