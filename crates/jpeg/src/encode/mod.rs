//! The encoder: converts grey or RGB pixels, or planes, to a baseline or progressive file with optimized Huffman codes.
//!
//! Its coefficients are those of libjpeg at the same quality and subsampling, so that the decoded pixels are equal, unless
//! [tuned tables](Tables::Tuned) are asked for. A row of MCUs at a time is converted, transformed and quantised, and becomes [tokens](tokens); only these are kept, or
//! the coefficients of a progressive picture.

mod bits;
mod buffer;
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

use std::ops::ControlFlow;

use buffer::{Allowance, OutputBuffer};
use frame::{Block, Blocks, Component, Frame};
use quantisation::Quantiser;
use samples::RowSamples;
use scan::{Band, ScanWriter};

use crate::EncodeError;

/// A picture to encode, with the number of samples that its size requires.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    width: u16,
    height: u16,
    pixels: Pixels<'a>,
}

/// 8-bit samples in contiguous rows.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Pixels<'a> {
    /// One sample per pixel.
    Grey(&'a [u8]),
    /// Interleaved red, green and blue.
    Rgb(&'a [u8]),
    /// Separate planes of JFIF's Y, Cb and Cr in full range; chroma has half the columns and rows, rounded up.
    Planes([&'a [u8]; 3]),
}

impl<'a> Picture<'a> {
    /// Creates a picture of this size in pixels.
    ///
    /// # Errors
    /// [`EncodeError::Empty`] if a side is 0, and [`EncodeError::SampleCount`] if the number of samples does not match
    /// the size.
    pub fn new(width: u16, height: u16, pixels: Pixels<'a>) -> Result<Self, EncodeError> {
        if width == 0 || height == 0 {
            return Err(EncodeError::Empty);
        }
        let area = |width: u16, height: u16| u64::from(width) * u64::from(height);
        let filled = |samples: &[u8], expected: u64| {
            let actual = samples.len() as u64;
            if actual == expected { Ok(()) } else { Err(EncodeError::SampleCount { expected, actual }) }
        };
        match pixels {
            Pixels::Grey(samples) => filled(samples, area(width, height))?,
            Pixels::Rgb(samples) => filled(samples, 3 * area(width, height))?,
            Pixels::Planes([luma, cb, cr]) => {
                let chroma = area(width.div_ceil(2), height.div_ceil(2));
                filled(luma, area(width, height))?;
                filled(cb, chroma)?;
                filled(cr, chroma)?;
            }
        }
        Ok(Self { width, height, pixels })
    }
}

/// How a quality becomes steps of quantisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Tables {
    /// libjpeg's tables, those of T.81 Annex K.1, and its rounding: its pixels to the bit.
    #[default]
    Standard,
    /// Tables and rounding that make shorter files of the same likeness: photographs have the SSIMULACRA2 that they have with
    /// [`Tables::Standard`] at the same quality, in about 0.85 of the bytes.
    Tuned,
}

/// A cancellation callback, called between pieces of work.
type Check<'a> = &'a dyn Fn() -> ControlFlow<()>;

/// Calls the cancellation callback.
fn go_on(check: Check<'_>) -> Result<(), EncodeError> {
    if check().is_break() { Err(EncodeError::Cancelled) } else { Ok(()) }
}

/// The options of an encode.
#[derive(Clone, Copy)]
pub struct EncodeOptions<'a> {
    quality: u8,
    tables: Tables,
    full_chroma: bool,
    progressive: bool,
    max_bytes: u64,
    check: Check<'a>,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        Self {
            quality: 80,
            tables: Tables::Standard,
            full_chroma: false,
            progressive: false,
            max_bytes: 512 << 20,
            check: &|| ControlFlow::Continue(()),
        }
    }
}

impl std::fmt::Debug for EncodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodeOptions")
            .field("quality", &self.quality)
            .field("tables", &self.tables)
            .field("full_chroma", &self.full_chroma)
            .field("progressive", &self.progressive)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl<'a> EncodeOptions<'a> {
    /// The quality on libjpeg's scale, clamped to 1 to 100. 80 by default.
    #[must_use]
    pub const fn quality(mut self, quality: u8) -> Self {
        self.quality = match quality {
            0 => 1,
            101.. => 100,
            _ => quality,
        };
        self
    }

    /// The steps for a quality: libjpeg's by default.
    #[must_use]
    pub const fn tables(mut self, tables: Tables) -> Self {
        self.tables = tables;
        self
    }

    /// Whether chroma has the resolution of luma (4:4:4) instead of half of it in both directions (4:2:0), which is the
    /// default. It does not apply to [`Pixels::Planes`], whose chroma is already subsampled.
    #[must_use]
    pub const fn full_chroma(mut self, full_chroma: bool) -> Self {
        self.full_chroma = full_chroma;
        self
    }

    /// Whether to write a progressive JPEG. Off by default.
    #[must_use]
    pub const fn progressive(mut self, progressive: bool) -> Self {
        self.progressive = progressive;
        self
    }

    /// The memory limit of the encoder in bytes besides the pixels, including the file; checked before anything is
    /// allocated. 512 MiB by default.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// A cancellation callback, called at every row of MCUs. By default the encode is never cancelled.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// The maximum number of tokens that are collected before codes are chosen for a scan: 16 MB, or twelve megapixels at a
/// usual quality. The codes of longer scans are optimized for their beginning.
const MOST_TOKENS: usize = 4 << 20;

/// Encodes a picture as a JPEG file.
///
/// # Errors
/// [`EncodeError::TooLarge`], or [`EncodeError::Cancelled`].
pub fn encode(picture: &Picture<'_>, options: &EncodeOptions<'_>) -> Result<Vec<u8>, EncodeError> {
    encode_within(picture, options, MOST_TOKENS)
}

fn encode_within(
    picture: &Picture<'_>,
    options: &EncodeOptions<'_>,
    most_tokens: usize,
) -> Result<Vec<u8>, EncodeError> {
    let frame = Frame::new(picture, options);
    let allowance = Allowance(options.max_bytes).beside(memory(&frame, options.progressive))?;
    let mut transform = Transform::new(picture, &frame, options);
    let mut out = OutputBuffer::new(allowance);
    out.reserve(scan::HEADERS)?;
    markers::begin(&frame, &transform.quantisers, options.progressive, out.bytes_mut());
    let writer = ScanWriter::new(most_tokens, allowance, options.check, &mut out);
    if options.progressive {
        progressive::write(&frame, &transform.all(options.check)?, writer)?;
    } else {
        write_baseline(&frame, &mut transform, writer)?;
    }
    markers::end(out.bytes_mut());
    Ok(out.into_bytes())
}

/// The memory in bytes besides tokens and file: the samples of a row of MCUs, and the coefficients of that row, or of
/// the whole picture.
fn memory(frame: &Frame, progressive: bool) -> u64 {
    let blocks =
        |component: &Component| component.blocks_across * if progressive { component.blocks_down } else { component.v };
    let blocks: usize = frame.components.iter().map(blocks).sum();
    (blocks * size_of::<Block>()) as u64 + RowSamples::memory(frame) + fdct::Scratch::memory(frame) + scan::FIXED
}

/// The conversion of pixels to coefficients.
struct Transform<'a> {
    picture: &'a Picture<'a>,
    frame: &'a Frame,
    quantisers: Vec<Quantiser>,
    samples: RowSamples,
    scratch: fdct::Scratch,
}

impl<'a> Transform<'a> {
    fn new(picture: &'a Picture<'a>, frame: &'a Frame, options: &EncodeOptions<'_>) -> Self {
        let count = frame.components.len().min(2);
        Self {
            picture,
            frame,
            quantisers: (0..count)
                .map(|table| Quantiser::new(options.tables, frame.chroma(), table, options.quality))
                .collect(),
            samples: RowSamples::new(frame),
            scratch: fdct::Scratch::default(),
        }
    }

    /// Computes the coefficients of a row of MCUs, which becomes row `to` of the blocks.
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

    /// Computes the coefficients of the whole picture.
    fn all(&mut self, check: Check<'_>) -> Result<Vec<Blocks>, EncodeError> {
        let components = self.frame.components.iter();
        let mut blocks: Vec<_> = components.map(|component| Blocks::new(component, component.blocks_down)).collect();
        for row in 0..self.frame.mcu_rows {
            go_on(check)?;
            self.row(row, row, &mut blocks);
        }
        Ok(blocks)
    }
}

/// Writes the scan of a baseline picture.
fn write_baseline(frame: &Frame, transform: &mut Transform<'_>, mut writer: ScanWriter<'_>) -> Result<(), EncodeError> {
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
    use crate::{DecodeOptions, decode};

    #[test]
    fn scans_that_are_too_long_for_fitting_codes_are_whole() {
        let samples: Vec<u8> = (0..160u32 * 120 * 3).map(|i| (i / 7 + i.wrapping_mul(i) % 61) as u8).collect();
        let picture = Picture::new(160, 120, Pixels::Rgb(&samples)).unwrap();
        for progressive in [false, true] {
            let options = EncodeOptions::default().quality(90).progressive(progressive);
            let encoded = |most| encode_within(&picture, &options, most).unwrap();
            let fitted = encoded(MOST_TOKENS);
            for most in [0, 2000] {
                let bytes = encoded(most);
                let decoded = decode(&bytes, &DecodeOptions::default()).unwrap();
                assert_eq!(decoded.warnings, []);
                assert!(decoded == decode(&fitted, &DecodeOptions::default()).unwrap(), "{most}");
                assert!((fitted.len() + 1..fitted.len() * 2).contains(&bytes.len()), "{most}: {}", bytes.len());
            }
        }
    }
}
