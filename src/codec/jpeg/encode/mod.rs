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

use frame::{Blocks, Frame};
use quantisation::Quantiser;
use samples::McuRow;
use scan::{Band, ScanWriter};

use crate::codec::{Stopped, Work};

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

/// Encodes a picture. `work` is asked at every row of MCUs.
pub(super) fn encode(picture: &Picture<'_>, settings: &Settings, work: &Work) -> Result<Vec<u8>, Stopped> {
    let frame = Frame::new(picture, settings);
    let quantisers: Vec<_> =
        (0..frame.components.len().min(2)).map(|table| Quantiser::new(table, settings.quality)).collect();
    let mut out = Vec::new();
    markers::begin(&frame, &quantisers, settings.progressive, &mut out);
    let transform = Transform { picture, frame: &frame, quantisers: &quantisers };
    if settings.progressive {
        progressive::write(&frame, &transform.all(work)?, work, &mut out)?;
    } else {
        transform.write_baseline(work, &mut out)?;
    }
    markers::end(&mut out);
    Ok(out)
}

/// From pixels to coefficients.
struct Transform<'a> {
    picture: &'a Picture<'a>,
    frame: &'a Frame,
    quantisers: &'a [Quantiser],
}

impl Transform<'_> {
    /// Hands every row of MCUs, with its number, to `store`, which says where its blocks belong.
    fn rows(
        &self,
        work: &Work,
        blocks: &mut [Blocks],
        first_row: impl Fn(usize) -> usize,
        mut done: impl FnMut(usize, &[Blocks]),
    ) -> Result<(), Stopped> {
        let mut samples = McuRow::new(self.frame);
        let mut scratch = fdct::Scratch::default();
        for row in 0..self.frame.mcu_rows {
            work.check()?;
            samples.fill(self.picture, self.frame, row);
            for ((component, plane), blocks) in self.frame.components.iter().zip(&samples.planes).zip(&mut *blocks) {
                let quantiser = &self.quantisers[component.tables];
                let inside = component.v.min(component.blocks_down - row * component.v);
                for v in 0..inside {
                    let blocks = blocks.row_mut(first_row(row) * component.v + v);
                    fdct::transform(plane.block_row(v), plane.stride, quantiser, &mut scratch, blocks);
                }
            }
            done(row, blocks);
        }
        Ok(())
    }

    /// The coefficients of the whole picture.
    fn all(&self, work: &Work) -> Result<Vec<Blocks>, Stopped> {
        let components = self.frame.components.iter();
        let mut blocks: Vec<_> = components.map(|component| Blocks::new(component, component.blocks_down)).collect();
        self.rows(work, &mut blocks, |row| row, |_, _| ())?;
        Ok(blocks)
    }

    /// The scan of a baseline picture.
    fn write_baseline(&self, work: &Work, out: &mut Vec<u8>) -> Result<(), Stopped> {
        let components = &self.frame.components;
        let numbers: Vec<_> = (0..components.len()).collect();
        let band = Band { components: &numbers, first: 0, last: 63, before: 0, bit: 0 };
        let mut blocks: Vec<_> = components.iter().map(|component| Blocks::new(component, component.v)).collect();
        let mut predictions = [0; 3];
        let mut scan = ScanWriter::new();
        self.rows(
            work,
            &mut blocks,
            |_| 0,
            |row, blocks| {
                sequential::row_tokens(self.frame, row, blocks, &mut predictions, &mut scan.tokens);
                scan.end_row(&band, out);
            },
        )?;
        work.check()?;
        scan.end_scan(&band, out);
        Ok(())
    }
}
