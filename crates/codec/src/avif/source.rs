//! The encoder's input: luma and chroma of one cell of a picture, from pixels or from planes.

use super::subsampled;
use crate::{Error, Raster, Samples};

/// The source of the samples.
#[derive(Clone, Copy)]
pub(super) enum Source<'r> {
    /// The colours of pixels, or their grey.
    Colour(&'r Raster),
    /// The same of a photograph.
    Photograph(&'r Raster),
    /// The alpha of pixels.
    Alpha(&'r Raster),
    /// Luma and two chroma planes at half its size, ready to be encoded.
    Planes(&'r [Raster; 3]),
}

/// The chroma subsampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    Grey,
    /// Half of the columns and rows (4:2:0).
    Halved,
    Full,
    /// Unconverted green, blue and red.
    Rgb,
}

/// A part of a picture that is encoded separately.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Sampling {
    /// The maximum number of samples of a cell in all planes.
    pub(super) fn samples(self, cell: [usize; 2]) -> u64 {
        let [luma, halved] = [1, 2].map(|step| cell.iter().map(|side| side.div_ceil(step) as u64).product::<u64>());
        match self {
            Self::Grey => luma,
            Self::Halved => luma + 2 * halved,
            Self::Full | Self::Rgb => luma * 3,
        }
    }
}

impl Source<'_> {
    /// The maximum memory of [`Self::planes`] in bytes, including its result.
    pub(super) fn memory(&self, cell: [usize; 2], sampling: Sampling) -> u64 {
        /// Two rows of pixels as integers, in bytes per pixel.
        const BAND: u64 = 2 * 12;
        let band = match self {
            // Chroma before upsampling.
            Self::Planes(_) if sampling == Sampling::Full => Sampling::Halved.samples(cell) / 6,
            Self::Photograph(_) if sampling == Sampling::Halved => subsampled::memory(cell),
            Self::Colour(_) | Self::Photograph(_) if sampling != Sampling::Grey => cell[0] as u64 * BAND,
            _ => 0,
        };
        sampling.samples(cell) + band
    }

    pub(super) fn size(&self) -> [u32; 2] {
        let raster = match self {
            Self::Colour(raster) | Self::Photograph(raster) | Self::Alpha(raster) => raster,
            Self::Planes([luma, ..]) => luma,
        };
        [raster.width(), raster.height()]
    }

    /// The samples of each plane. The last column and row are repeated beyond the edges of the picture.
    pub(super) fn planes(&self, cell: Cell, sampling: Sampling) -> Result<Vec<Vec<u8>>, Error> {
        match *self {
            Self::Planes([luma, chromas @ ..]) => {
                let half = |length: usize| length.div_ceil(2);
                let Cell { x, y, width, height } = cell;
                let halved = Cell { x: half(x), y: half(y), width: half(width), height: half(height) };
                let chromas = chromas.iter().map(|chroma| {
                    let samples = pixels(chroma, halved, grey)?;
                    Ok(if sampling == Sampling::Full { doubled(&samples, cell) } else { samples })
                });
                std::iter::once(pixels(luma, cell, grey)).chain(chromas).collect()
            }
            Self::Alpha(raster) => Ok(vec![pixels(raster, cell, alpha)?]),
            Self::Photograph(raster) if sampling == Sampling::Halved => subsampled::planes(raster, cell),
            Self::Colour(raster) | Self::Photograph(raster) if sampling == Sampling::Grey => {
                Ok(vec![pixels(raster, cell, grey)?])
            }
            Self::Colour(raster) | Self::Photograph(raster) if sampling == Sampling::Rgb => {
                let channels =
                    [|pixel: &[u8]| bytes(pixel)[1], |pixel: &[u8]| bytes(pixel)[2], |pixel: &[u8]| bytes(pixel)[0]];
                channels.into_iter().map(|channel| pixels(raster, cell, channel)).collect()
            }
            Self::Colour(raster) | Self::Photograph(raster) => {
                luma_and_chroma(raster, cell, if sampling == Sampling::Halved { 2 } else { 1 })
            }
        }
    }
}

fn grey(pixel: &[u8]) -> u8 {
    pixel.first().copied().unwrap_or(0)
}

fn alpha(pixel: &[u8]) -> u8 {
    pixel.last().copied().unwrap_or(255)
}

pub(super) fn colour(pixel: &[u8]) -> [i32; 3] {
    bytes(pixel).map(i32::from)
}

fn bytes(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [r, g, b, ..] => [r, g, b],
        _ => [grey(pixel); 3],
    }
}

/// Reads the pixels of a cell with `read`.
pub(super) fn pixels<T: Copy + Default>(raster: &Raster, cell: Cell, read: fn(&[u8]) -> T) -> Result<Vec<T>, Error> {
    let Samples::U8(samples) = raster.samples() else {
        return Err(Error::Internal("the encoder of AV1 takes samples of 8 bits"));
    };
    let (count, columns, rows) = (raster.channels().count(), raster.width() as usize, raster.height() as usize);
    let mut pixels = Vec::with_capacity(cell.width * cell.height);
    for y in cell.y..cell.y + cell.height {
        let start = y.min(rows - 1) * columns * count;
        let row = samples[start..start + columns * count].chunks_exact(count).skip(cell.x);
        pixels.extend(row.take(cell.width).map(read));
        let last = pixels.last().copied().unwrap_or_default();
        pixels.resize((y + 1 - cell.y) * cell.width, last);
    }
    Ok(pixels)
}

/// Doubles samples in both directions, up to the size of the cell.
fn doubled(samples: &[u8], cell: Cell) -> Vec<u8> {
    let narrow = cell.width.div_ceil(2);
    let sample = |i: usize| samples[i / cell.width / 2 * narrow + i % cell.width / 2];
    (0..cell.width * cell.height).map(sample).collect()
}

/// Planes of luma, and of chroma averaged over squares of `size` pixels.
fn luma_and_chroma(raster: &Raster, cell: Cell, size: usize) -> Result<Vec<Vec<u8>>, Error> {
    let chroma_length = cell.width.div_ceil(size) * cell.height.div_ceil(size);
    let mut planes = [cell.width * cell.height, chroma_length, chroma_length].map(Vec::with_capacity);
    for top in (0..cell.height).step_by(size) {
        let band = pixels(raster, Cell { y: cell.y + top, height: size.min(cell.height - top), ..cell }, colour)?;
        planes[0].extend(band.iter().copied().map(luma));
        for left in (0..cell.width).step_by(size) {
            let square = band.chunks_exact(cell.width).flat_map(|row| &row[left..(left + size).min(cell.width)]);
            let [blue, red] = chroma(square, 0).map(|sample| sample.clamp(0, 255) as u8);
            planes[1].push(blue);
            planes[2].push(red);
        }
    }
    Ok(planes.into())
}

fn luma(pixel: [i32; 3]) -> u8 {
    ((exact_luma(&pixel) + (1 << 15)) >> 16) as u8
}

/// ITU-R BT.601 luma as in JFIF, with 16 fractional bits.
pub(super) fn exact_luma([r, g, b]: &[i32; 3]) -> i32 {
    19_595 * r + 38_470 * g + 7_471 * b
}

/// Both chroma values of the mean of some pixels, from 0 on, with so many fractional bits.
pub(super) fn chroma<'p>(pixels: impl Iterator<Item = &'p [i32; 3]>, fraction: u32) -> [i32; 2] {
    let ([mut r, mut g, mut b], mut count) = ([0; 3], 0);
    for pixel in pixels {
        r += pixel[0];
        g += pixel[1];
        b += pixel[2];
        count += 1;
    }
    let rounded = |sum: i32| (sum / count + (128 << 16) + (1 << (15 - fraction))) >> (16 - fraction);
    [rounded(-11_059 * r - 21_709 * g + 32_768 * b), rounded(32_768 * r - 27_439 * g - 5_329 * b)]
}
