//! Converts pixels to the samples of each component, one row of MCUs at a time.
//!
//! Colour conversion and chroma subsampling match libjpeg exactly, and so does the padding of MCUs at the right and
//! bottom edge, which repeats the last column of pixels and the last row of samples.

use super::frame::{Component, Frame};
use super::{Picture, Pixels};
use crate::kernel::{Kernel, dispatch};

/// Rows of samples of one component.
#[derive(Debug)]
pub(super) struct Plane {
    /// The stride in samples: whole MCUs.
    pub(super) stride: usize,
    pub(super) samples: Vec<u8>,
}

impl Plane {
    fn new(stride: usize, rows: usize) -> Self {
        Self { stride, samples: vec![0; stride * rows] }
    }

    /// Eight rows of samples, a row of blocks.
    pub(super) fn block_row(&self, row: usize) -> &[u8] {
        &self.samples[row * 8 * self.stride..][..8 * self.stride]
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.samples[row * self.stride..][..self.stride]
    }

    fn row_mut(&mut self, row: usize) -> &mut [u8] {
        &mut self.samples[row * self.stride..][..self.stride]
    }
}

/// The samples of one row of MCUs.
#[derive(Debug)]
pub(super) struct RowSamples {
    /// One for each component.
    pub(super) planes: Vec<Plane>,
    /// Cb and Cr of two rows of pixels, before subsampling.
    chroma: [Plane; 2],
}

impl RowSamples {
    pub(super) fn new(frame: &Frame) -> Self {
        let planes =
            frame.components.iter().map(|component| Plane::new(frame.mcus_across * component.h * 8, component.v * 8));
        let planes: Vec<_> = planes.collect();
        let chroma = std::array::from_fn(|_| Plane::new(planes[0].stride, 2));
        Self { planes, chroma }
    }

    /// The memory in bytes.
    pub(super) fn memory(frame: &Frame) -> u64 {
        let stride = |component: &Component| frame.mcus_across * component.h * 8;
        let planes: usize = frame.components.iter().map(|component| stride(component) * component.v * 8).sum();
        (planes + 2 * 2 * frame.components.first().map_or(0, stride)) as u64
    }

    /// Converts the pixels of a row of MCUs.
    pub(super) fn fill(&mut self, picture: &Picture<'_>, frame: &Frame, row: usize) {
        match picture.pixels {
            Pixels::Grey(samples) => self.fill_from_planes(&[samples], frame, row),
            Pixels::Planes(planes) => self.fill_from_planes(&planes, frame, row),
            Pixels::Rgb(samples) => {
                let pixels: Vec<_> = rows(samples.as_chunks().0, usize::from(frame.width), row, frame.mcu_height());
                self.fill_from_rgb(&pixels, frame.mcu_height() / 8);
            }
        }
        for (plane, component) in self.planes.iter_mut().zip(&frame.components) {
            let (filled, all) = (component.rows_in(row), component.v * 8);
            let last = (filled - 1) * plane.stride..filled * plane.stride;
            (filled..all).for_each(|missing| plane.samples.copy_within(last.clone(), missing * plane.stride));
        }
    }

    fn fill_from_planes(&mut self, sources: &[&[u8]], frame: &Frame, row: usize) {
        for ((plane, component), source) in self.planes.iter_mut().zip(&frame.components).zip(sources) {
            for (y, samples) in rows(source, component.width, row, component.v * 8).into_iter().enumerate() {
                let (inside, outside) = plane.row_mut(y).split_at_mut(samples.len());
                inside.copy_from_slice(samples);
                outside.fill(samples[samples.len() - 1]);
            }
        }
    }

    /// `step` rows of pixels yield one row of chroma.
    fn fill_from_rgb(&mut self, rows: &[&[[u8; 3]]], step: usize) {
        let [luma, cb, cr] = self.planes.as_mut_slice() else { return };
        for (y, rows) in rows.chunks(step).enumerate() {
            if step == 1 {
                convert(rows[0], [luma.row_mut(y), cb.row_mut(y), cr.row_mut(y)]);
                continue;
            }
            let [whole_cb, whole_cr] = &mut self.chroma;
            for i in 0..2 {
                let pixels = rows[i.min(rows.len() - 1)];
                convert(pixels, [luma.row_mut(y * 2 + i), whole_cb.row_mut(i), whole_cr.row_mut(i)]);
            }
            for (whole, half) in self.chroma.iter().zip([&mut *cb, &mut *cr]) {
                dispatch(Halve { rows: [whole.row(0), whole.row(1)], half: half.row_mut(y) });
            }
        }
    }
}

/// The rows of the picture in a row of MCUs, up to `height`.
fn rows<T>(samples: &[T], width: usize, row: usize, height: usize) -> Vec<&[T]> {
    samples.chunks_exact(width).skip(row * height).take(height).collect()
}

/// Converts a row of pixels and repeats the last one.
fn convert(pixels: &[[u8; 3]], [luma, cb, cr]: [&mut [u8]; 3]) {
    dispatch(Convert { pixels, luma, cb, cr });
    for row in [luma, cb, cr] {
        let last = row[pixels.len() - 1];
        row[pixels.len()..].fill(last);
    }
}

/// JFIF's YCbCr from RGB, in 16-bit fixed point.
struct Convert<'a> {
    pixels: &'a [[u8; 3]],
    luma: &'a mut [u8],
    cb: &'a mut [u8],
    cr: &'a mut [u8],
}

impl Kernel for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        const HALF: i32 = 1 << 15;
        /// The centre of the range, and a rounding that keeps the largest chroma at 255.
        const CENTRE: i32 = (128 << 16) + HALF - 1;
        let count = self.pixels.len();
        let (luma, cb, cr) = (&mut self.luma[..count], &mut self.cb[..count], &mut self.cr[..count]);
        // Channels are separated first, in their own loop: both loops are then vectorized.
        for (i, &[r, g, b]) in self.pixels.iter().enumerate() {
            (luma[i], cb[i], cr[i]) = (r, g, b);
        }
        for i in 0..count {
            let [r, g, b] = [luma[i], cb[i], cr[i]].map(i32::from);
            luma[i] = ((19_595 * r + 38_470 * g + 7_471 * b + HALF) >> 16) as u8;
            cb[i] = ((-11_059 * r - 21_709 * g + 32_768 * b + CENTRE) >> 16) as u8;
            cr[i] = ((32_768 * r - 27_439 * g - 5_329 * b + CENTRE) >> 16) as u8;
        }
    }
}

/// Averages of four samples each. Halves are alternately rounded down and up, to avoid a bias.
struct Halve<'a> {
    rows: [&'a [u8]; 2],
    half: &'a mut [u8],
}

impl Kernel for Halve<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [upper, lower] = self.rows.map(|row| row.as_chunks::<4>().0);
        for ((upper, lower), half) in upper.iter().zip(lower).zip(self.half.as_chunks_mut::<2>().0) {
            let sum = |i: usize| {
                u16::from(upper[i]) + u16::from(upper[i + 1]) + u16::from(lower[i]) + u16::from(lower[i + 1])
            };
            half[0] = ((sum(0) + 1) >> 2) as u8;
            half[1] = ((sum(2) + 2) >> 2) as u8;
        }
    }
}
