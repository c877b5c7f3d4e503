//! Reading frames.

use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodeOptions, DecodingError, DisposalMethod, MemoryLimit};

use super::super::animation::{Canvas, Composed, Disposal, Place, Source};
use super::super::reader::WatchedReader;
use super::super::{Budget, Error, Format, Work};

/// A decoder of the `gif` crate.
pub(super) type GifDecoder<'a> = ::gif::Decoder<WatchedReader<'a>>;

/// Reads the header.
pub(super) fn open<'a>(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<GifDecoder<'a>, Error> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(NonZeroU64::new(budget.memory).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    options.read_info(WatchedReader::new(bytes, work)).map_err(|error| map_error(&error, work))
}

/// Reads the header, to go on from frame to frame without their pixels.
pub(super) fn open_skipping<'a>(bytes: &'a [u8], work: &'a Work) -> Result<GifDecoder<'a>, Error> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    options.read_info(WatchedReader::new(bytes, work)).map_err(|error| map_error(&error, work))
}

/// Size of the canvas.
pub(super) fn size(decoder: &GifDecoder<'_>) -> (u32, u32) {
    (decoder.width().into(), decoder.height().into())
}

/// The stop shows up as one more I/O error.
fn map_error(error: &DecodingError, work: &Work) -> Error {
    match work.check() {
        Ok(()) => Error::Damaged { format: Format::Gif, reason: error.to_string() },
        Err(stopped) => stopped.into(),
    }
}

/// Draws the frames of a file.
pub(super) struct GifFrames<'a> {
    decoder: GifDecoder<'a>,
    /// Indices of the current frame.
    indices: Vec<u8>,
    budget: Budget,
    work: &'a Work,
}

impl<'a> GifFrames<'a> {
    pub(super) fn open(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Composed<'a, Self>, Error> {
        let decoder = open(bytes, budget, work)?;
        let size = size(&decoder);
        Composed::new(size, budget, work, |budget| Ok(Self { decoder, indices: Vec::new(), budget, work }))
    }
}

impl Source for GifFrames<'_> {
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error> {
        let failed = |error: DecodingError| map_error(&error, self.work);
        let Some(frame) = self.decoder.next_frame_info().map_err(failed)? else { return Ok(false) };
        let [left, top, width, height] = [frame.left, frame.top, frame.width, frame.height].map(u32::from);
        let (disposal, transparent) = (disposal(frame.dispose), frame.transparent);
        self.budget.check_pixels(width, height)?;
        let pixels = u64::from(width) * u64::from(height);
        self.budget.check_memory(pixels)?;
        self.indices.clear();
        self.indices.resize(pixels as usize, 0);
        if pixels > 0 {
            self.decoder.read_into_buffer(&mut self.indices).map_err(failed)?;
        }
        let colors = colors(self.decoder.palette().map_err(failed)?, transparent);
        let place = Place { left, top, width, height };
        canvas.draw(place, disposal, (&self.indices, width as usize), |to, index: u8| {
            if let Some(color) = colors[usize::from(index)] {
                *to = color;
            }
        });
        Ok(true)
    }

    fn icc(&self) -> Option<Vec<u8>> {
        self.decoder.icc_profile().map(<[u8]>::to_vec)
    }
}

/// What each index draws: nothing, where it is the transparent one or names no colour.
fn colors(palette: &[u8], transparent: Option<u8>) -> [Option<[u8; 4]>; 256] {
    let mut colors = [None; 256];
    for (color, &[r, g, b]) in colors.iter_mut().zip(palette.as_chunks().0) {
        *color = Some([r, g, b, 255]);
    }
    if let Some(index) = transparent {
        colors[usize::from(index)] = None;
    }
    colors
}

fn disposal(method: DisposalMethod) -> Disposal {
    match method {
        DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
        DisposalMethod::Background => Disposal::Clear,
        DisposalMethod::Previous => Disposal::Restore,
    }
}
