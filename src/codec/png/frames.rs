//! Animated PNG (PNG 3rd edition, 4.9): frames that are stored as the picture itself is, and drawn onto its canvas.

use ::png::{BlendOp, ColorType, DecodingError, DisposeOp, Transformations};

use super::super::animation::{Animation, Canvas, Composed, Disposal, Place, Source};
use super::super::{Budget, Error, Meter, Work, over};
use super::chunks::{chunks, forgiving};
use super::{WatchedReader, colours, header, map_error};

/// What a file says of its animation. The `acTL` chunk stands before the picture, so that still ones are found out soon.
pub(super) fn animation(bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
    let (mut frames, mut canvas) = (None, 0);
    let mut animation = Animation::empty();
    let meter = Meter::new(bytes.len() as u64, work);
    for (name, content) in chunks(bytes) {
        meter.step()?;
        match (&name, frames) {
            (b"IHDR", _) => canvas = pair(content, 0).map_or(0, |(width, height)| u64::from(width) * u64::from(height)),
            (b"acTL", None) => frames = pair(content, 0),
            (b"IDAT", None) => return Ok(None),
            (b"fcTL", Some((frames, plays))) if animation.frames() < frames => {
                animation.plays = plays;
                let Some((delay, pixels)) = frame(content) else { continue };
                animation.add(delay, pixels, canvas);
            }
            _ => {}
        }
    }
    Ok(animation.with_frames())
}

/// Two numbers that stand one after the other.
fn pair(content: &[u8], at: usize) -> Option<(u32, u32)> {
    let bytes: &[u8; 8] = content.get(at..)?.first_chunk()?;
    let &[a, b, c, d, e, f, g, h] = bytes;
    Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

/// Delay and number of pixels of a frame, from its `fcTL` chunk (11.3.6.2): after its number, width, height, and place
/// stands the delay as a fraction of a second, in hundredths where the denominator is 0.
fn frame(content: &[u8]) -> Option<(u32, u64)> {
    let (width, height) = pair(content, 4)?;
    let &[n0, n1, d0, d1] = content.get(20..)?.first_chunk()?;
    let (numerator, denominator) = (u32::from(u16::from_be_bytes([n0, n1])), u32::from(u16::from_be_bytes([d0, d1])));
    let denominator = if denominator == 0 { 100 } else { denominator };
    let delay = (numerator * 1000 + denominator / 2) / denominator;
    Some((delay, u64::from(width) * u64::from(height)))
}

/// Draws the frames of a file.
pub(super) struct PngFrames<'a> {
    reader: ::png::Reader<WatchedReader<'a>>,
    /// The current frame as it is stored.
    samples: Vec<u8>,
    work: &'a Work,
}

impl<'a> PngFrames<'a> {
    pub(super) fn open(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Composed<'a, Self>, Error> {
        let mut decoder = header(forgiving(bytes, budget)?, budget, work);
        decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let reader = decoder.read_info().map_err(|error| map_error(&error, work))?;
        let size = reader.info().size();
        Composed::new(size, budget, work, |budget| {
            let needed = reader.output_buffer_size().unwrap_or(usize::MAX);
            budget.check_memory(needed as u64)?;
            Ok(Self { reader, samples: vec![0; needed], work })
        })
    }
}

impl Source for PngFrames<'_> {
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error> {
        let stored = loop {
            match self.reader.next_frame(&mut self.samples) {
                // Without a `fcTL` chunk before it, the picture is no frame.
                Ok(_) if self.reader.info().frame_control.is_none() => {}
                Ok(stored) => break stored,
                Err(DecodingError::Parameter(_)) => return Ok(false),
                Err(error) => return Err(map_error(&error, self.work)),
            }
        };
        let Some(control) = self.reader.info().frame_control else { return Ok(false) };
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
        // Rows of interlaced frames are as far apart as those of the whole picture.
        let stride = if self.reader.info().interlaced { self.reader.info().width } else { stored.width } as usize;
        match stored.color_type {
            ColorType::GrayscaleAlpha => {
                let pixels = self.samples.as_chunks::<2>().0;
                canvas.draw(place, disposal, (pixels, stride), |to, [l, a]| put(to, [l, l, l, a]));
            }
            _ => canvas.draw(place, disposal, (self.samples.as_chunks::<4>().0, stride), put),
        }
        Ok(true)
    }

    fn icc(&self) -> Option<Vec<u8>> {
        // Grey was drawn as colour.
        colours(self.reader.info(), false)
    }
}
