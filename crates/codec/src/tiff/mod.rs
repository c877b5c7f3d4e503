//! TIFF (TIFF 6.0 and its supplements, BigTIFF): the first page, in strips or tiles.
//!
//! Input: a file. Output: the required rows, reduced while they are read if that suffices. A strip or tile is read row by
//! row, so that memory does not grow with its size, and every offset and count is checked against the file and the budget
//! before it is used. Damaged or truncated strips and tiles are decoded as far as possible. Other variants are
//! [`Error::Unsupported`].

mod chunks;
mod colours;
mod decompress;
mod layout;
mod lzw;
mod pixels;
mod samples;

use std::borrow::Cow;

use super::shrink::{self, Shrink, Window};
use super::{
    Budget, Cancellation, DecodeOptions, Decoded, Decoder, Error, Format, Header, Orientation, Raster, Samples,
};
use chunks::Rows;
use image_origin_container as container;
use layout::Layout;
use pixels::{Converted, Pixels};

/// TIFF, to be read only.
pub(super) struct Tiff;

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged { format: Format::Tiff, reason: reason.into() }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("the tiff is of a kind that is not read: {what}"))
}

impl Decoder for Tiff {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let layout = Layout::read(bytes, budget)?;
        let orientation = Orientation::from_exif(container::orientation(bytes, Format::Tiff, cancellation)?);
        let channels = Pixels::new(&layout, None)?.channels;
        Ok(Header { format: Format::Tiff, width: layout.width, height: layout.height, orientation, channels })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let layout = Layout::read(bytes, options.budget)?;
        let window = Window::new(options.area, layout.width, layout.height);
        let icc = container::icc_profile(bytes, Format::Tiff, options.cancellation)?;
        let mut pixels = Pixels::new(&layout, icc.as_deref())?;
        let factor = if pixels.sixteen_bits { 1 } else { shrink::factor(options.scale) };
        let held = memory(&layout, &pixels, &window, factor).saturating_add(Pixels::memory(&layout, icc.as_deref()));
        options.budget.check_memory(held)?;
        let data = if layout.reversed { Cow::Owned(in_order(bytes)) } else { Cow::Borrowed(bytes) };
        let mut rows = Rows::new(&data, &layout, &window, options.budget.memory - held, options.cancellation);
        let mut out = Out::new(&pixels, &window, factor);
        let (first, last) = (window.top / layout.chunk_height, (window.bottom - 1) / layout.chunk_height);
        for band in first..=last {
            rows.open_band(band)?;
            let top = band * layout.chunk_height;
            for y in top..(top.saturating_add(layout.chunk_height)).min(window.bottom) {
                options.cancellation.check()?;
                let row = rows.next_row()?;
                if y >= window.top {
                    out.push(pixels.convert(&row));
                }
            }
        }
        let flaw = match rows.flaw {
            Some((_, reason)) if !rows.has_data => return Err(damaged(reason)),
            Some((flaw, reason)) => {
                tracing::debug!(reason, "the tiff is shown as far as it goes");
                Some(flaw)
            }
            None => None,
        };
        let raster = out.finish(&pixels, &window).ok_or_else(|| damaged("the rows do not fill the picture"))?;
        let area = window.covered_by(&raster, factor);
        let icc = icc.filter(|_| !pixels.is_srgb).map(Cow::into_owned);
        Ok(Decoded { raster, area, blur: shrink::blur(factor), icc, flaw })
    }
}

/// The bytes with the first of their bits as the highest.
fn in_order(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.reverse_bits()).collect()
}

/// Bytes that decoding holds beside what a JPEG inside takes.
fn memory(layout: &Layout<'_>, pixels: &Pixels, window: &Window, factor: usize) -> u64 {
    let (width, height) = (window.width(), window.height());
    let out = match factor {
        1 => {
            u64::from(width) * u64::from(height) * pixels.channels.count() as u64 * (1 + u64::from(pixels.sixteen_bits))
        }
        factor => Shrink::memory(width, height, pixels.channels, factor),
    };
    out.saturating_add(Rows::memory(layout, window))
}

/// Where rows go.
enum Out {
    Whole(Samples),
    Smaller(Shrink),
}

impl Out {
    fn new(pixels: &Pixels, window: &Window, factor: usize) -> Self {
        let count = window.width() as usize * window.height() as usize * pixels.channels.count();
        match factor {
            1 if pixels.sixteen_bits => Self::Whole(Samples::U16(Vec::with_capacity(count))),
            1 => Self::Whole(Samples::U8(Vec::with_capacity(count))),
            factor => Self::Smaller(Shrink::new(window.width(), pixels.channels, factor)),
        }
    }

    fn push(&mut self, row: Converted<'_>) {
        match (self, row) {
            (Self::Whole(Samples::U8(out)), Converted::Bytes(row)) => out.extend_from_slice(row),
            (Self::Whole(Samples::U8(out)), Converted::Words(row)) => out.extend(row.iter().map(|word| *word as u8)),
            (Self::Whole(Samples::U16(out)), Converted::Words(row)) => out.extend_from_slice(row),
            (Self::Whole(Samples::U16(out)), Converted::Bytes(row)) => {
                out.extend(row.iter().map(|byte| u16::from(*byte)));
            }
            (Self::Smaller(shrink), Converted::Bytes(row)) => shrink.push(row),
            (Self::Smaller(shrink), Converted::Words(row)) => {
                shrink.push(&row.iter().map(|word| *word as u8).collect::<Vec<_>>());
            }
        }
    }

    fn finish(self, pixels: &Pixels, window: &Window) -> Option<Raster> {
        match self {
            Self::Whole(samples) => Raster::new(window.width(), window.height(), pixels.channels, samples),
            Self::Smaller(shrink) => shrink.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
