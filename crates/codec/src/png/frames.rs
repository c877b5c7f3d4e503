//! Animated PNG (PNG 3rd edition, 4.9): frames are stored like the picture itself, and drawn onto its canvas.

use std::borrow::Cow;

use ::png::{
    BlendOp, ColorType, DecodingError, DisposeOp, FrameControl, InterlaceInfo, Transformations, splat_interlaced_row,
};

use super::super::animation::{Animation, Canvas, Composed, Disposal, Place, Source};
use super::super::{Budget, Cancellation, Error, Flaw, Format, Meter, over};
use super::chunks::{chunks, sanitized};
use super::{Reader, colours, flaw, map_error, open, rows_of_passes};
use image_origin_container as container;
use image_origin_container::png::{self, Control, Role};

/// Reads the animation of a file. The `acTL` chunk precedes the picture, so that still pictures are detected early.
pub(super) fn animation(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
    Ok(announced(bytes, cancellation)?.and_then(|(animation, _)| animation.with_frames()))
}

/// The flaw of the animation in a file, whose still picture may be intact.
pub(super) fn animation_flaw(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Flaw>, Error> {
    Ok(announced(bytes, cancellation)?
        .and_then(|(animation, flaw)| flaw.or(animation.is_cut.then_some(Flaw::CutShort))))
}

/// The frames of a file that declares an animation, up to the first with a wrong sequence number, at which viewers stop
/// (11.3.6.2).
fn announced(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<(Animation, Option<Flaw>)>, Error> {
    let mut sequence = png::Sequence::default();
    let (mut animation, mut canvas) = (Animation::empty(), 0);
    let (mut has_end, mut is_cut) = (false, false);
    let meter = Meter::new(bytes.len() as u64, cancellation);
    for chunk in chunks(bytes) {
        meter.step()?;
        let role = sequence.next(&chunk.part());
        match &chunk.name {
            b"IHDR" => canvas = pixels(sequence.canvas().unwrap_or_default()),
            b"IDAT" if !sequence.is_animated() => return Ok(None),
            b"IEND" => has_end = true,
            _ => {}
        }
        match role {
            Role::Animation { plays } => animation.plays = plays,
            Role::Data { control, .. } => {
                is_cut |= chunk.is_cut;
                if let Some(control) = control {
                    animation.add(delay(control), pixels(control.size), canvas);
                }
            }
            Role::Control(_) | Role::None => {}
        }
    }
    animation.is_cut = !sequence.is_damaged() && !has_end && (is_cut || sequence.missing() > 0);
    Ok(sequence.is_animated().then(|| (animation, sequence.is_damaged().then_some(Flaw::Damaged))))
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

/// The delay of a frame in milliseconds. A denominator of 0 means hundredths of a second (11.3.6.2).
fn delay(control: Control) -> u32 {
    let (numerator, denominator) = control.delay;
    let denominator = if denominator == 0 { 100 } else { u32::from(denominator) };
    (u32::from(numerator) * 1000 + denominator / 2) / denominator
}

/// Draws the frames of a file.
pub(super) struct PngFrames<'a> {
    reader: Reader<'a>,
    /// The samples of the current frame as stored.
    samples: Vec<u8>,
    icc: Option<Vec<u8>>,
    next: Next,
    flaw: Option<Flaw>,
    cancellation: &'a Cancellation,
}

/// The position of the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At the first pixels in the file.
    First,
    /// In or after the pixels of a frame.
    Later,
    /// Nothing more can be read.
    Nothing,
}

impl<'a> PngFrames<'a> {
    pub(super) fn open(
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Composed<'a, Self>, Error> {
        let transformations = Transformations::normalize_to_color8() | Transformations::ALPHA;
        let reader = open(sanitized(bytes, budget)?, transformations, budget, cancellation)?;
        let icc = container::icc_profile(bytes, Format::Png, cancellation)?.map(Cow::into_owned);
        let size = reader.info().size();
        Composed::new(size, budget, cancellation, |budget| {
            let needed = reader.output_buffer_size().unwrap_or(usize::MAX);
            budget.check_memory(needed as u64)?;
            Ok(Self { reader, samples: vec![0; needed], icc, next: Next::First, flaw: None, cancellation })
        })
    }

    /// Advances to the pixels of the next frame; `None` after the last.
    fn next_frame(&mut self) -> Result<Option<FrameControl>, Error> {
        while self.next != Next::Nothing {
            if std::mem::replace(&mut self.next, Next::Later) == Next::Later {
                match self.reader.next_frame_info() {
                    Ok(_) => {}
                    Err(DecodingError::Parameter(_)) => self.next = Next::Nothing,
                    Err(error) => return Err(map_error(&error, self.cancellation)),
                }
            }
            // Without a `fcTL` chunk before it, the default image is not a frame.
            if self.next != Next::Nothing
                && let Some(control) = self.reader.info().frame_control
            {
                return Ok(Some(control));
            }
        }
        Ok(None)
    }

    /// Reads the pixels of a frame, and returns the number of available rows.
    fn read(&mut self, FrameControl { width, height, .. }: FrameControl) -> Result<usize, Error> {
        let line = self.reader.output_line_size(width).unwrap_or_default();
        let (color, _) = self.reader.output_color_type();
        self.samples.fill(0);
        let is_interlaced = self.reader.info().interlaced;
        let count = if is_interlaced { rows_of_passes(width, height) } else { height };
        let mut rows = 0;
        let mut end = Ok(());
        for number in 0..count as usize {
            let read = match is_interlaced {
                true => self.reader.next_interlaced_row().map(|row| {
                    if let Some(row) = row
                        && let InterlaceInfo::Adam7(place) = row.interlace()
                    {
                        splat_interlaced_row(&mut self.samples, line, row.data(), place, 8 * color.samples() as u8);
                    }
                }),
                false => self.reader.read_row(&mut self.samples[number * line..]).map(|_| ()),
            };
            if read.is_err() {
                end = read;
                break;
            }
            // The first pass covers the whole frame.
            rows = if is_interlaced { height as usize } else { number + 1 };
        }
        if let Err(error) = end {
            self.flaw = Some(flaw(&error, self.cancellation)?);
            self.next = Next::Nothing;
            if rows == 0 {
                return Err(map_error(&error, self.cancellation));
            }
        }
        Ok(rows)
    }
}

impl Source for PngFrames<'_> {
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error> {
        let Some(control) = self.next_frame()? else { return Ok(false) };
        let rows = self.read(control)?;
        let place =
            Place { left: control.x_offset, top: control.y_offset, width: control.width, height: control.height };
        let disposal = match control.dispose_op {
            DisposeOp::None => Disposal::Keep,
            DisposeOp::Background => Disposal::Clear,
            DisposeOp::Previous => Disposal::Restore,
        };
        let put = match control.blend_op {
            BlendOp::Source => |to: &mut [u8; 4], from| *to = from,
            BlendOp::Over => over,
        };
        let stride = control.width as usize;
        match self.reader.output_color_type().0 {
            ColorType::GrayscaleAlpha => {
                let pixels = &self.samples.as_chunks::<2>().0[..rows * stride];
                canvas.draw(place, disposal, (pixels, stride), |to, [l, a]| put(to, [l, l, l, a]))?;
            }
            _ => {
                let pixels = &self.samples.as_chunks::<4>().0[..rows * stride];
                canvas.draw(place, disposal, (pixels, stride), put)?;
            }
        }
        Ok(true)
    }

    fn held(&self) -> u64 {
        self.samples.capacity() as u64
    }

    fn icc(&self) -> Option<Vec<u8>> {
        // Grey was converted to RGB.
        colours(self.reader.info(), self.icc.clone(), false)
    }

    fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Decoder as _;
    use super::super::Png;
    use super::*;

    /// The number of frames that can be shown.
    fn shown(bytes: &[u8]) -> Result<usize, Error> {
        let (cancellation, budget) = (Cancellation::unbounded(), Budget { pixels: 1 << 16, memory: 1 << 22 });
        let mut frames = Png.frames(bytes, budget, &cancellation)?;
        let mut count = 0;
        while frames.next_frame()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn an_animation_ends_with_the_part_of_a_frame_that_is_there() {
        let bytes = include_bytes!("../../../../fixtures/png/disposing.png");
        let announced = |bytes: &[u8]| animation(bytes, &Cancellation::unbounded()).unwrap();
        let (whole, frames) = (announced(bytes).unwrap(), shown(bytes).unwrap());
        assert_eq!((whole.frames() as usize, whole.is_cut), (frames, false));
        assert_eq!(
            (shown(&bytes[..bytes.len() - 14]), announced(&bytes[..bytes.len() - 14])),
            (Ok(frames), Some(whole))
        );
        let data = bytes.windows(4).rposition(|name| name == b"fdAT").unwrap();
        // Truncated within the pixels, before the first pixel, and within the chunk name.
        for (end, expected) in [(bytes.len() - 26, frames), (data + 8, frames - 1), (data, frames - 1)] {
            assert_eq!(shown(&bytes[..end]), Ok(expected), "{end} of {}", bytes.len());
            assert!(announced(&bytes[..end]).unwrap().is_cut, "{end}");
        }
    }
}
