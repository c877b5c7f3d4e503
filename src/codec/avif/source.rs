//! The samples that the encoder gets: luma and chroma of one cell of a picture, from pixels or from planes.

use crate::codec::{Raster, Samples, Stopped};

/// Where samples come from.
#[derive(Clone, Copy)]
pub(super) enum Source<'r> {
    /// The colours, or the greys, of pixels.
    Colour(&'r Raster),
    /// The transparency of pixels.
    Alpha(&'r Raster),
    /// Luma and two chromas at half of its size, ready to be written.
    Planes(&'r [Raster; 3]),
}

/// How much chroma there is beside luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    Grey,
    /// Half of the columns and of the rows.
    Halved,
    Full,
    /// Green, blue and red as they are.
    Rgb,
}

/// The part of a picture that is encoded by itself.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Source<'_> {
    pub(super) fn size(&self) -> [u32; 2] {
        let raster = match self {
            Self::Colour(raster) | Self::Alpha(raster) => raster,
            Self::Planes([luma, ..]) => luma,
        };
        [raster.width(), raster.height()]
    }

    /// The samples of each plane. Beyond the picture's edges its last pixels go on.
    pub(super) fn planes(&self, cell: Cell, sampling: Sampling) -> Result<Vec<Vec<u8>>, Stopped> {
        match *self {
            Self::Planes([luma, chromas @ ..]) => {
                let half = |length: usize| length.div_ceil(2);
                let Cell { x, y, width, height } = cell;
                let halved = Cell { x: half(x), y: half(y), width: half(width), height: half(height) };
                let chromas = chromas.iter().map(|chroma| {
                    let rows = rows(chroma, halved, grey)?;
                    Ok(if sampling == Sampling::Full { doubled(&rows, cell) } else { rows.concat() })
                });
                std::iter::once(rows(luma, cell, grey).map(|rows| rows.concat())).chain(chromas).collect()
            }
            Self::Alpha(raster) => Ok(vec![rows(raster, cell, alpha)?.concat()]),
            Self::Colour(raster) if sampling == Sampling::Grey => Ok(vec![rows(raster, cell, grey)?.concat()]),
            Self::Colour(raster) if sampling == Sampling::Rgb => {
                let rows = rows(raster, cell, bytes)?;
                let channel = |channel: usize| rows.iter().flatten().map(|pixel| pixel[channel]).collect();
                Ok([1, 2, 0].map(channel).into())
            }
            Self::Colour(raster) => luma_and_chroma(raster, cell, if sampling == Sampling::Halved { 2 } else { 1 }),
        }
    }
}

fn grey(pixel: &[u8]) -> u8 {
    pixel.first().copied().unwrap_or(0)
}

fn alpha(pixel: &[u8]) -> u8 {
    pixel.last().copied().unwrap_or(255)
}

fn colour(pixel: &[u8]) -> [i32; 3] {
    bytes(pixel).map(i32::from)
}

fn bytes(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [r, g, b, ..] => [r, g, b],
        _ => [grey(pixel); 3],
    }
}

/// The rows of a cell, each pixel as `read` reads it.
fn rows<T: Copy + Default>(raster: &Raster, cell: Cell, read: fn(&[u8]) -> T) -> Result<Vec<Vec<T>>, Stopped> {
    let Samples::U8(samples) = raster.samples() else { return Err(Stopped) };
    let (count, columns, rows) = (raster.channels().count(), raster.width() as usize, raster.height() as usize);
    let row = |y: usize| {
        let start = y.min(rows - 1) * columns * count;
        let pixels = samples[start..start + columns * count].chunks_exact(count).skip(cell.x).map(read);
        let mut pixels: Vec<T> = pixels.take(cell.width).collect();
        pixels.resize(cell.width, pixels.last().copied().unwrap_or_default());
        pixels
    };
    Ok((cell.y..cell.y + cell.height).map(row).collect())
}

/// Each sample twice in its row, and each row twice, as far as the cell goes.
fn doubled(rows: &[Vec<u8>], cell: Cell) -> Vec<u8> {
    let sample = |i: usize| rows[i / cell.width / 2][i % cell.width / 2];
    (0..cell.width * cell.height).map(sample).collect()
}

/// Planes of luma and of the chroma of squares of `size` pixels.
fn luma_and_chroma(raster: &Raster, cell: Cell, size: usize) -> Result<Vec<Vec<u8>>, Stopped> {
    let mut planes = vec![Vec::new(); 3];
    for top in (0..cell.height).step_by(size) {
        let band = rows(raster, Cell { y: cell.y + top, height: size.min(cell.height - top), ..cell }, colour)?;
        for row in &band {
            planes[0].extend(row.iter().copied().map(luma));
        }
        for left in (0..cell.width).step_by(size) {
            let square = band.iter().flat_map(|row| &row[left..(left + size).min(cell.width)]);
            let [blue, red] = chroma(square);
            planes[1].push(blue);
            planes[2].push(red);
        }
    }
    Ok(planes)
}

/// ITU-R BT.601 in 16 bits behind the point, as JFIF has it.
fn luma([r, g, b]: [i32; 3]) -> u8 {
    ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8
}

/// Both chromas of the mean of some pixels.
fn chroma<'p>(pixels: impl Iterator<Item = &'p [i32; 3]>) -> [u8; 2] {
    let ([mut r, mut g, mut b], mut count) = ([0; 3], 0);
    for pixel in pixels {
        r += pixel[0];
        g += pixel[1];
        b += pixel[2];
        count += 1;
    }
    let rounded = |sum: i32| ((sum / count + (128 << 16) + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [rounded(-11_059 * r - 21_709 * g + 32_768 * b), rounded(32_768 * r - 27_439 * g - 5_329 * b)]
}
