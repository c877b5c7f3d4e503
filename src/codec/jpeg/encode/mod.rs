//! A JPEG encoder.
//!
//! Pixels of grey or RGB and [`Settings`] come in; a JPEG file (ISO/IEC 10918-1, also ITU-T T.81, which the comments
//! cite) goes out, baseline or progressive, with Huffman codes that fit it. Its coefficients are those that libjpeg
//! makes at the same quality and sampling, so that pictures look exactly alike.
//!
//! A row of MCUs at a time goes through colour conversion, transform and quantisation, and becomes [tokens](tokens);
//! only these are kept, or the coefficients of a progressive picture.

mod bits;
mod fdct;
mod frame;
mod huffman;
mod markers;
mod progressive;
mod quantisation;
mod samples;
mod scan;
mod sequential;
mod tokens;
mod zeros;

use frame::{Block, Blocks, Component, Frame};
use quantisation::Quantiser;
use samples::RowSamples;
use scan::{Band, ScanWriter};

use crate::codec::buffer::OutputBuffer;
use crate::codec::{Budget, Error, Stopped, Work};

/// A picture to be encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    /// At least 1.
    pub(super) width: u16,
    /// At least 1.
    pub(super) height: u16,
    /// As many as width and height say.
    pub(super) pixels: Pixels<'a>,
}

/// Samples of 8 bits, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pixels<'a> {
    /// One for each pixel.
    Grey(&'a [u8]),
    /// Red, green and blue for each pixel.
    Rgb(&'a [u8]),
    /// JFIF's Y, Cb and Cr apart; chroma has half the columns and rows, rounded up.
    Planes([&'a [u8]; 3]),
}

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// In `1..=100`.
    pub(super) quality: u8,
    /// Whether chroma keeps the resolution of luma (4:4:4) instead of half of it in both directions (4:2:0). Planes
    /// cannot have this.
    pub(super) full_chroma: bool,
    /// Whether the picture comes in several scans, each of which refines it.
    pub(super) progressive: bool,
}

/// Tokens that are gathered before codes are chosen for a scan, at most: 16 MB, or twelve megapixels at a usual quality.
/// The codes of longer scans fit their beginning.
const MOST_TOKENS: usize = 4 << 20;

/// Encodes a picture. `budget` is for what is held beside the pixels; `work` is asked at every row of MCUs.
pub(super) fn encode(
    picture: &Picture<'_>,
    settings: &Settings,
    budget: Budget,
    work: &Work,
) -> Result<Vec<u8>, Error> {
    encode_within(picture, settings, MOST_TOKENS, budget, work)
}

fn encode_within(
    picture: &Picture<'_>,
    settings: &Settings,
    most_tokens: usize,
    budget: Budget,
    work: &Work,
) -> Result<Vec<u8>, Error> {
    let frame = Frame::new(picture, settings);
    let budget = budget.beside(memory(&frame, settings.progressive))?;
    let mut transform = Transform::new(picture, &frame, settings.quality);
    let mut out = OutputBuffer::new(budget);
    out.reserve(scan::HEADERS)?;
    markers::begin(&frame, &transform.quantisers, settings.progressive, out.bytes_mut());
    let writer = ScanWriter::new(most_tokens, budget, work, &mut out);
    if settings.progressive {
        progressive::write(&frame, &transform.all(work)?, writer)?;
    } else {
        write_baseline(&frame, &mut transform, writer)?;
    }
    markers::end(out.bytes_mut());
    Ok(out.into_bytes())
}

/// Bytes that are held beside tokens and file: the samples of a row of MCUs, and the coefficients of that row, or of the
/// whole picture.
fn memory(frame: &Frame, progressive: bool) -> u64 {
    let blocks =
        |component: &Component| component.blocks_across * if progressive { component.blocks_down } else { component.v };
    let blocks: usize = frame.components.iter().map(blocks).sum();
    (blocks * size_of::<Block>()) as u64 + RowSamples::memory(frame) + fdct::Scratch::memory(frame) + scan::FIXED
}

/// From pixels to coefficients.
struct Transform<'a> {
    picture: &'a Picture<'a>,
    frame: &'a Frame,
    quantisers: Vec<Quantiser>,
    samples: RowSamples,
    scratch: fdct::Scratch,
}

impl<'a> Transform<'a> {
    fn new(picture: &'a Picture<'a>, frame: &'a Frame, quality: u8) -> Self {
        let tables = frame.components.len().min(2);
        Self {
            picture,
            frame,
            quantisers: (0..tables).map(|table| Quantiser::new(table, quality)).collect(),
            samples: RowSamples::new(frame),
            scratch: fdct::Scratch::default(),
        }
    }

    /// Makes the coefficients of a row of MCUs, which becomes row `to` of the blocks.
    fn row(&mut self, row: usize, to: usize, blocks: &mut [Blocks]) {
        self.samples.fill(self.picture, self.frame, row);
        for ((component, plane), blocks) in self.frame.components.iter().zip(&self.samples.planes).zip(blocks) {
            let quantiser = &self.quantisers[component.tables];
            for v in 0..component.v.min(component.blocks_down - row * component.v) {
                let blocks = blocks.row_mut(to * component.v + v);
                fdct::transform(plane.block_row(v), plane.stride, quantiser, &mut self.scratch, blocks);
            }
        }
    }

    /// The coefficients of the whole picture.
    fn all(&mut self, work: &Work) -> Result<Vec<Blocks>, Stopped> {
        let components = self.frame.components.iter();
        let mut blocks: Vec<_> = components.map(|component| Blocks::new(component, component.blocks_down)).collect();
        for row in 0..self.frame.mcu_rows {
            work.check()?;
            self.row(row, row, &mut blocks);
        }
        Ok(blocks)
    }
}

/// Writes the scan of a baseline picture.
fn write_baseline(frame: &Frame, transform: &mut Transform<'_>, mut writer: ScanWriter<'_>) -> Result<(), Error> {
    let components: Vec<_> = (0..frame.components.len()).collect();
    let band = Band { components: &components, first: 0, last: 63, before: 0, bit: 0 };
    let mut blocks: Vec<_> = frame.components.iter().map(|component| Blocks::new(component, component.v)).collect();
    let mut predictions = [0; 3];
    for row in 0..frame.mcu_rows {
        writer.begin_row(sequential::most_tokens(frame))?;
        transform.row(row, 0, &mut blocks);
        sequential::row_tokens(frame, row, &blocks, &mut predictions, &mut writer.tokens);
        writer.end_row(&band)?;
    }
    writer.end_scan(&band)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::{Options, decode};

    #[test]
    fn scans_that_are_too_long_for_fitting_codes_are_whole() {
        let samples: Vec<u8> = (0..160u32 * 120 * 3).map(|i| (i / 7 + i.wrapping_mul(i) % 61) as u8).collect();
        let picture = Picture { width: 160, height: 120, pixels: Pixels::Rgb(&samples) };
        for progressive in [false, true] {
            let settings = Settings { quality: 90, full_chroma: false, progressive };
            let encoded =
                |most| encode_within(&picture, &settings, most, Budget::UNLIMITED, &Work::unbounded()).unwrap();
            let fitted = encoded(MOST_TOKENS);
            for most in [0, 2000] {
                let bytes = encoded(most);
                let decoded = decode(&bytes, &Options::default()).unwrap();
                assert_eq!(decoded.warnings, []);
                assert!(decoded == decode(&fitted, &Options::default()).unwrap(), "{most}");
                assert!((fitted.len() + 1..fitted.len() * 2).contains(&bytes.len()), "{most}: {}", bytes.len());
            }
        }
    }
}
