//! Reduces rows of samples to pixels that each represent a square of the picture: luma and chroma are averaged, and
//! only the means are converted. [`shrink`](crate::shrink) explains the use of means.

use std::ops::Range;

use super::colour::Convert;
use crate::{Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};
use image_origin_vp8::lossy::Sink;

/// The sums of samples over the rows of the squares.
struct Sums {
    sums: Vec<u16>,
    /// The width of a square in samples.
    across: usize,
    /// The number of rows in the sums.
    rows: usize,
    means: Vec<u8>,
}

impl Sums {
    fn new(width: usize, across: usize) -> Self {
        Self { sums: vec![0; width], across, rows: 0, means: vec![0; width.div_ceil(across)] }
    }

    fn add(&mut self, row: &[u8]) {
        dispatch(Add { sums: &mut self.sums, row });
        self.rows += 1;
    }

    /// Computes the means of the sums, and clears them.
    fn end(&mut self) {
        let Self { sums, across, rows, means } = self;
        dispatch(Mean { sums, across: *across, rows: *rows, means });
        sums.fill(0);
        *rows = 0;
    }
}

struct Add<'r> {
    sums: &'r mut [u16],
    row: &'r [u8],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (sum, sample) in self.sums.iter_mut().zip(self.row) {
            *sum += u16::from(*sample);
        }
    }
}

struct Mean<'r> {
    sums: &'r [u16],
    across: usize,
    rows: usize,
    means: &'r mut [u8],
}

impl Mean<'_> {
    /// Processes squares of a width that is known at compile time.
    #[inline(always)]
    fn of<const ACROSS: usize>(self) {
        let weight = Weight::new(ACROSS * self.rows);
        let (squares, rest) = self.sums.as_chunks::<ACROSS>();
        for (mean, square) in self.means.iter_mut().zip(squares) {
            *mean = weight.mean(square.iter().map(|sum| u32::from(*sum)).sum());
        }
        self.end(rest);
    }

    /// The last square, if it is incomplete.
    #[inline(always)]
    fn end(self, rest: &[u16]) {
        if let Some(last) = self.means.last_mut().filter(|_| !rest.is_empty()) {
            *last = Weight::new(rest.len() * self.rows).mean(rest.iter().map(|sum| u32::from(*sum)).sum());
        }
    }
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.across {
            1 => self.of::<1>(),
            2 => self.of::<2>(),
            4 => self.of::<4>(),
            8 => self.of::<8>(),
            across => {
                let weight = Weight::new(across * self.rows);
                let squares = self.sums.chunks_exact(across);
                let rest = squares.remainder();
                for (mean, square) in self.means.iter_mut().zip(squares) {
                    *mean = weight.mean(square.iter().map(|sum| u32::from(*sum)).sum());
                }
                self.end(rest);
            }
        }
    }
}

/// Division by a number of samples, without a division.
#[derive(Clone, Copy)]
struct Weight {
    half: u32,
    /// The reciprocal in units of `2^-SHIFT`, rounded up: exact for sums over squares of up to 128 by 128 samples.
    reciprocal: u64,
}

impl Weight {
    const SHIFT: u32 = 40;

    fn new(samples: usize) -> Self {
        let samples = samples.max(1) as u64;
        Self { half: (samples / 2) as u32, reciprocal: (1 << Self::SHIFT) / samples + 1 }
    }

    #[inline(always)]
    fn mean(self, total: u32) -> u8 {
        ((u64::from(total + self.half) * self.reciprocal) >> Self::SHIFT) as u8
    }
}

/// Receives the samples of a picture, and reduces some of its rows.
pub(super) struct Smaller {
    height: usize,
    /// The wanted rows; the first one begins a row of squares.
    wanted: Range<usize>,
    factor: usize,
    luma: Sums,
    chroma: [Sums; 2],
    /// The number of rows of luma that were received.
    taken: usize,
    pixels: Vec<u8>,
}

impl Smaller {
    /// Creates a reduction; `factor` must be even.
    pub(super) fn new((width, height): (usize, usize), wanted: Range<usize>, factor: usize) -> Self {
        let (out_width, out_height) = (width.div_ceil(factor), wanted.len().div_ceil(factor));
        let chroma = || Sums::new(width.div_ceil(2), factor / 2);
        Self {
            height,
            wanted,
            factor,
            luma: Sums::new(width, factor),
            chroma: [chroma(), chroma()],
            taken: 0,
            pixels: Vec::with_capacity(out_width * out_height * 3),
        }
    }

    /// The maximum memory in bytes for this number of rows.
    pub(super) fn memory(width: u32, rows: usize, factor: usize) -> u64 {
        let (width, factor) = (u64::from(width), factor as u64);
        width * 6 + width.div_ceil(factor) * (rows as u64).div_ceil(factor) * 3
    }

    /// Returns the reduced picture.
    pub(super) fn finish(mut self) -> Option<Raster> {
        if self.luma.rows > 0 {
            self.end_squares();
        }
        let width = self.luma.means.len();
        let height = self.pixels.len() / (3 * width);
        Raster::new(width as u32, height as u32, Channels::Rgb, Samples::U8(self.pixels))
    }

    fn end_squares(&mut self) {
        self.luma.end();
        self.chroma.iter_mut().for_each(Sums::end);
        let start = self.pixels.len();
        self.pixels.resize(start + 3 * self.luma.means.len(), 0);
        dispatch(Convert::<3> {
            luma: &self.luma.means,
            chroma: self.chroma.each_ref().map(|sums| sums.means.as_slice()),
            out: &mut self.pixels[start..],
        });
    }
}

impl Sink for Smaller {
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]) {
        let y = self.taken;
        self.taken += 2;
        if !self.wanted.contains(&y) {
            return;
        }
        for row in luma.iter().take(self.height - y) {
            self.luma.add(row);
        }
        for (sums, row) in self.chroma.iter_mut().zip(chroma) {
            sums.add(row);
        }
        if self.luma.rows == self.factor {
            self.end_squares();
        }
    }
}
