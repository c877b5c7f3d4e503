//! TIFF (TIFF 6.0 and its supplements, BigTIFF): the first page, in strips or tiles, of any depth up to 16 bits.
//!
//! Bytes come in; the rows that are needed go out, made smaller on the way where that is enough. A strip or tile is read
//! row by row, so that what is held does not grow with its size, and no offset or count is believed before it was held
//! against the file and the budget. What no reader here knows (fax, floating point, Lab, digital negatives) is
//! [`Error::Unsupported`] and says so.

mod chunks;
mod layout;
mod pixels;

use super::shrink::{self, Shrink};
use super::{Area, Budget, Decoded, Decoder, Error, Format, Header, Need, Orientation, Raster, Samples, Work};
use crate::metadata;
use chunks::Band;
use layout::Layout;
use pixels::Pixels;

/// TIFF, to be read only.
pub(super) struct Tiff;

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged { format: Format::Tiff, reason: reason.into() }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("the tiff is of a kind that is not read: {what}"))
}

impl Decoder for Tiff {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let layout = Layout::read(bytes, budget)?;
        let orientation = Orientation::from_exif(metadata::orientation(bytes, Format::Tiff, work)?);
        let channels = Pixels::new(&layout)?.channels;
        Ok(Header { format: Format::Tiff, width: layout.width, height: layout.height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        let layout = Layout::read(bytes, need.budget)?;
        let mut pixels = Pixels::new(&layout)?;
        let window = Window::new(need.area, &layout);
        let factor = if pixels.sixteen_bits { 1 } else { shrink::factor(need.scale) };
        let held = memory(&layout, &pixels, &window, factor);
        need.budget.check_memory(held)?;
        let spare = need.budget.memory - held;
        let mut out = Out::new(&pixels, &window, factor);
        let (first, last) = (window.top / layout.chunk_height, (window.bottom - 1) / layout.chunk_height);
        for row_of_chunks in first..=last {
            let mut band = Band::open(bytes, &layout, row_of_chunks, &window, spare, need.work)?;
            let top = row_of_chunks * layout.chunk_height;
            for y in top..(top.saturating_add(layout.chunk_height)).min(window.bottom) {
                need.work.check()?;
                let row = band.next_row(need.work)?;
                if y >= window.top {
                    out.push(pixels.convert(row));
                }
            }
        }
        let (raster, side) = (out.finish(&pixels, &window), factor as f64);
        let raster = raster.ok_or_else(|| damaged("the rows do not fill the picture"))?;
        let area = Area {
            x: window.left.into(),
            y: window.top.into(),
            width: f64::from(raster.width()) * side,
            height: f64::from(raster.height()) * side,
        };
        let icc = metadata::icc_profile(bytes, Format::Tiff, need.work)?.map(std::borrow::Cow::into_owned);
        Ok(Decoded { raster, area, icc, flaw: None })
    }
}

/// The whole pixels that are needed; at least one.
struct Window {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
}

impl Window {
    fn new(area: Area, layout: &Layout<'_>) -> Self {
        let range = |start: f64, length: f64, side: u32| {
            let first = (start.floor().max(0.0) as u32).min(side - 1);
            (first, ((start + length).ceil() as u32).clamp(first + 1, side))
        };
        let (left, right) = range(area.x, area.width, layout.width);
        let (top, bottom) = range(area.y, area.height, layout.height);
        Self { left, right, top, bottom }
    }

    fn width(&self) -> u32 {
        self.right - self.left
    }
}

/// Bytes that decoding holds beside what a JPEG inside takes.
fn memory(layout: &Layout<'_>, pixels: &Pixels, window: &Window, factor: usize) -> u64 {
    let (width, height) = (window.width(), window.bottom - window.top);
    let out = match factor {
        1 => {
            u64::from(width) * u64::from(height) * pixels.channels.count() as u64 * (1 + u64::from(pixels.sixteen_bits))
        }
        factor => Shrink::memory(width, height, pixels.channels, factor),
    };
    out.saturating_add(Band::memory(layout, window))
}

/// Where rows go.
enum Out {
    Whole(Samples),
    Smaller(Shrink),
}

impl Out {
    fn new(pixels: &Pixels, window: &Window, factor: usize) -> Self {
        let count = window.width() as usize * (window.bottom - window.top) as usize * pixels.channels.count();
        match factor {
            1 if pixels.sixteen_bits => Self::Whole(Samples::U16(Vec::with_capacity(count))),
            1 => Self::Whole(Samples::U8(Vec::with_capacity(count))),
            factor => Self::Smaller(Shrink::new(window.width(), pixels.channels, factor)),
        }
    }

    fn push(&mut self, row: &[u16]) {
        match self {
            Self::Whole(Samples::U16(out)) => out.extend_from_slice(row),
            Self::Whole(Samples::U8(out)) => out.extend(row.iter().map(|sample| *sample as u8)),
            Self::Smaller(shrink) => shrink.push(&row.iter().map(|sample| *sample as u8).collect::<Vec<_>>()),
        }
    }

    fn finish(self, pixels: &Pixels, window: &Window) -> Option<Raster> {
        match self {
            Self::Whole(samples) => Raster::new(window.width(), window.bottom - window.top, pixels.channels, samples),
            Self::Smaller(shrink) => shrink.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
