//! The decoder for animations: each frame is a separate picture, drawn onto the canvas (RFC 9649, section 2.7.1.1).

use super::super::animation::{Animation, Canvas, Composed, Disposal, Place, Source};
use super::super::{Area, Budget, Cancellation, Channels, DecodeOptions, Error, Flaw, Format, Meter, Raster, over};
use super::container::{Chunk, Extended, Picture, chunks, chunks_in, is_cut};
use super::{damaged, lossless, lossy};
use image_origin_container as container;

/// The flags "do not blend" and "dispose to background", in the last byte of a frame header.
const OVERWRITE: u8 = 0x02;
const DISPOSE: u8 = 0x01;

/// Reads the animation of a file.
pub(super) fn animation(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
    cancellation.check()?;
    let Some(Extended { width, height, .. }) = Extended::find(bytes).filter(|canvas| canvas.is_animated) else {
        return Ok(None);
    };
    let canvas = u64::from(width) * u64::from(height);
    let mut animation = Animation::empty();
    let mut has_plays = false;
    let meter = Meter::new(bytes.len() as u64, cancellation);
    for chunk in chunks(bytes) {
        meter.step()?;
        match (&chunk.name, chunk.content) {
            // If there are several, the first one is used, as in libwebp.
            (b"ANIM", [_, _, _, _, low, high, ..]) if !has_plays => {
                has_plays = true;
                animation.plays = u16::from_le_bytes([*low, *high]).into();
            }
            (b"ANMF", content) => {
                animation.is_cut |= chunk.is_cut;
                // A frame without a picture ends the animation, both here and in the stripper.
                let Some(Frame { place, delay, data, .. }) = Frame::read(content) else {
                    animation.is_cut = true;
                    break;
                };
                if !has_picture(data, &meter)? {
                    animation.is_cut = true;
                    break;
                }
                animation.add(delay, u64::from(place.width) * u64::from(place.height), canvas);
            }
            _ => {}
        }
    }
    // A file that is truncated between frames is shorter than its declared size.
    animation.is_cut |= is_cut(bytes);
    Ok(animation.with_frames())
}

/// Whether the chunks of a frame contain a picture, even a damaged one.
fn has_picture(data: &[u8], meter: &Meter) -> Result<bool, Error> {
    for chunk in chunks_in(data) {
        meter.step()?;
        if matches!(&chunk.name, b"VP8 " | b"VP8L") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A frame of the file.
struct Frame<'a> {
    place: Place,
    /// The delay in milliseconds.
    delay: u32,
    is_blended: bool,
    disposal: Disposal,
    /// The chunks of the picture.
    data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Parses an ANMF chunk: five numbers of 24 bits, flags, and chunks. Offsets are in units of two pixels.
    fn read(content: &'a [u8]) -> Option<Self> {
        let (numbers, rest) = content.split_first_chunk::<15>()?;
        let (&flags, data) = rest.split_first()?;
        let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], 0]);
        let place = Place { left: number(0) * 2, top: number(3) * 2, width: number(6) + 1, height: number(9) + 1 };
        let disposal = if flags & DISPOSE == 0 { Disposal::Keep } else { Disposal::Clear };
        Some(Self { place, delay: number(12), is_blended: flags & OVERWRITE == 0, disposal, data })
    }

    fn decode(&self, budget: Budget, cancellation: &Cancellation) -> Result<Raster, Error> {
        let (width, height) = (self.place.width, self.place.height);
        budget.check_pixels(width, height)?;
        let options = DecodeOptions::new(Area::whole(width, height), budget, cancellation);
        let raster = match Picture::first(chunks_in(self.data), true)? {
            Some(Picture::Lossy(picture)) => lossy::decode(&picture, &[], &options)?.raster,
            Some(Picture::Lossless(picture)) => lossless::decode_frame(&picture, &options)?,
            _ => return Err(damaged("a frame has no picture")),
        };
        if (raster.width(), raster.height()) != (width, height) {
            return Err(damaged("a frame is not of the size that it announces"));
        }
        Ok(raster)
    }
}

/// Draws the frames of a file.
pub(super) struct WebPFrames<'a> {
    icc: Option<Vec<u8>>,
    flaw: Option<Flaw>,
    /// Whether the file ends early, even between frames.
    is_cut: bool,
    chunks: Box<dyn Iterator<Item = Chunk<'a>> + 'a>,
    budget: Budget,
    cancellation: &'a Cancellation,
}

impl<'a> WebPFrames<'a> {
    pub(super) fn open(
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Composed<'a, Self>, Error> {
        let Some(Extended { width, height, is_animated: true }) = Extended::find(bytes) else {
            return Err(Error::Unsupported("the webp is no animation".to_owned()));
        };
        let icc = container::icc_profile(bytes, Format::WebP, cancellation)?.map(std::borrow::Cow::into_owned);
        let is_cut = is_cut(bytes);
        let source =
            |budget| Ok(Self { icc, flaw: None, is_cut, chunks: Box::new(chunks(bytes)), budget, cancellation });
        Composed::new((width, height), budget, cancellation, source)
    }
}

impl Source for WebPFrames<'_> {
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error> {
        let Some(chunk) = self.chunks.find(|chunk| &chunk.name == b"ANMF") else { return Ok(false) };
        let frame = Frame::read(chunk.content).ok_or_else(|| damaged("a frame is cut short"))?;
        let raster = frame.decode(self.budget, self.cancellation)?;
        self.flaw = (self.is_cut || chunk.is_cut).then_some(Flaw::CutShort);
        let (place, disposal, stride) = (frame.place, frame.disposal, frame.place.width as usize);
        let samples = raster.samples().as_bytes();
        match raster.channels() {
            Channels::Rgba if frame.is_blended => {
                canvas.draw(place, disposal, (samples.as_chunks::<4>().0, stride), over)?;
            }
            Channels::Rgba => {
                canvas.draw(place, disposal, (samples.as_chunks::<4>().0, stride), |to, from| *to = from)?;
            }
            _ => {
                let pixels = samples.as_chunks::<3>().0;
                canvas.draw(place, disposal, (pixels, stride), |to, [r, g, b]| *to = [r, g, b, 255])?;
            }
        }
        Ok(true)
    }

    fn icc(&self) -> Option<Vec<u8>> {
        self.icc.clone()
    }

    fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}
