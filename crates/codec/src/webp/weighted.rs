//! As [`smaller`](super::smaller), for pictures with alpha: all samples are weighted by it, so that transparent pixels
//! lend no colour. The weight of a chroma sample is the alpha of its four pixels.

use std::ops::Range;

use super::colour::Convert;
use crate::shrink::Divisor;
use crate::{Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};
use image_origin_vp8::lossy::Sink;

/// Luma, both chroma planes, and alpha.
const PLANES: usize = 4;

/// Receives the samples of a picture, and reduces some of its rows.
pub(super) struct Weighted {
    width: usize,
    height: usize,
    /// The wanted rows; the first one begins a row of squares.
    wanted: Range<usize>,
    factor: usize,
    /// The alpha of the whole picture, and a transparent row.
    alpha: Vec<u8>,
    nothing: Vec<u8>,
    /// For each pair of columns, the weighted sums of the samples, and the sum of alpha, over the rows of the squares.
    sums: [Vec<u32>; PLANES],
    /// The number of rows in the sums.
    rows: usize,
    /// The means of a row of squares.
    means: [Vec<u8>; PLANES],
    /// The number of rows of luma that were received.
    taken: usize,
    pixels: Vec<u8>,
}

impl Weighted {
    /// Creates a reduction; `factor` must be even and at most 128, and `alpha` has a sample for each pixel.
    pub(super) fn new((width, height): (usize, usize), wanted: Range<usize>, factor: usize, alpha: Vec<u8>) -> Self {
        let (out_width, out_height) = (width.div_ceil(factor), wanted.len().div_ceil(factor));
        Self {
            width,
            height,
            wanted,
            factor,
            alpha,
            nothing: vec![0; width],
            sums: [(); PLANES].map(|()| vec![0; width.div_ceil(2)]),
            rows: 0,
            means: [(); PLANES].map(|()| vec![0; out_width]),
            taken: 0,
            pixels: Vec::with_capacity(out_width * out_height * PLANES),
        }
    }

    /// The maximum memory in bytes for this number of rows, besides alpha.
    pub(super) fn memory(width: u32, rows: usize, factor: usize) -> u64 {
        let (width, factor) = (u64::from(width), factor as u64);
        width * 12 + width.div_ceil(factor) * ((rows as u64).div_ceil(factor) + 1) * PLANES as u64
    }

    /// Returns the reduced picture.
    pub(super) fn finish(mut self) -> Option<Raster> {
        if self.rows > 0 {
            self.end_squares();
        }
        let width = self.means[0].len();
        let height = self.pixels.len() / (PLANES * width);
        Raster::new(width as u32, height as u32, Channels::Rgba, Samples::U8(self.pixels))
    }

    fn end_squares(&mut self) {
        let Self { width, factor, sums, rows, means, pixels, .. } = self;
        let shape = Shape { width: *width, factor: *factor, rows: *rows };
        dispatch(Mean { sums: sums.each_ref().map(Vec::as_slice), shape, means });
        let start = pixels.len();
        pixels.resize(start + PLANES * means[0].len(), 0);
        let out = &mut pixels[start..];
        let [luma, blue, red, alpha] = means.each_ref().map(Vec::as_slice);
        dispatch(Convert::<PLANES> { luma, chroma: [blue, red], out });
        for (pixel, alpha) in out.as_chunks_mut::<PLANES>().0.iter_mut().zip(alpha) {
            pixel[3] = *alpha;
            if *alpha == 0 {
                *pixel = [0; PLANES];
            }
        }
        sums.iter_mut().for_each(|sums| sums.fill(0));
        *rows = 0;
    }
}

impl Sink for Weighted {
    fn pair(&mut self, luma: [&[u8]; 2], chroma: [&[u8]; 2]) {
        let y = self.taken;
        self.taken += 2;
        if !self.wanted.contains(&y) {
            return;
        }
        let width = self.width;
        let row = |y: usize| self.alpha.get(y * width..(y + 1) * width).unwrap_or(&self.nothing);
        let alpha = [row(y), row(y + 1)];
        dispatch(Add { sums: self.sums.each_mut().map(Vec::as_mut_slice), luma, chroma, alpha });
        self.rows += (self.height - y).min(2);
        if self.rows >= self.factor {
            self.end_squares();
        }
    }
}

/// Adds two rows to the sums.
struct Add<'r> {
    sums: [&'r mut [u32]; PLANES],
    luma: [&'r [u8]; 2],
    chroma: [&'r [u8]; 2],
    alpha: [&'r [u8]; 2],
}

/// The number of pairs of columns that are added together, and of columns.
const PAIRS: usize = 32;
const COLUMNS: usize = 2 * PAIRS;

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { mut sums, luma, chroma, alpha } = self;
        let pairs = sums[0].len();
        for start in (0..pairs).step_by(PAIRS) {
            // Columns behind the last one have no weight.
            let two = |rows: [&[u8]; 2]| rows.map(|row| group::<COLUMNS>(row, 2 * start));
            let one = chroma.map(|row| group::<PAIRS>(row, start));
            let added = weighted(two(luma), one, two(alpha));
            for (sums, added) in sums.iter_mut().zip(&added) {
                sums[start..].iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
            }
        }
    }
}

/// The samples from a place on, and zeros behind the last one.
#[inline(always)]
fn group<const COUNT: usize>(row: &[u8], start: usize) -> [u8; COUNT] {
    let rest = row.get(start..).unwrap_or_default();
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut samples = [0; COUNT];
        samples.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        samples
    })
}

/// For each pair of columns of two rows, the weighted sums of luma and chroma, and the sum of alpha.
#[inline(always)]
fn weighted(luma: [[u8; COLUMNS]; 2], chroma: [[u8; PAIRS]; 2], alpha: [[u8; COLUMNS]; 2]) -> [[u32; PAIRS]; PLANES] {
    let mut sums = [[0; PAIRS]; PLANES];
    for (luma, alpha) in luma.iter().zip(&alpha) {
        let pairs = luma.as_chunks::<2>().0.iter().zip(alpha.as_chunks::<2>().0);
        for (place, (luma, alpha)) in pairs.enumerate() {
            // Both columns as one word: vectors of these need not be taken apart.
            let (luma, alpha) = (u16::from_le_bytes(*luma), u16::from_le_bytes(*alpha));
            let (left, right) = ((luma & 0xff).wrapping_mul(alpha & 0xff), (luma >> 8).wrapping_mul(alpha >> 8));
            sums[0][place] += u32::from(left) + u32::from(right);
            sums[3][place] += u32::from((alpha & 0xff) + (alpha >> 8));
        }
    }
    for place in 0..PAIRS {
        let weight = sums[3][place];
        for (plane, chroma) in [1, 2].into_iter().zip(&chroma) {
            sums[plane][place] = u32::from(chroma[place]) * weight;
        }
    }
    sums
}

/// The size of a row of squares.
#[derive(Clone, Copy)]
struct Shape {
    /// The width in pixels.
    width: usize,
    /// The width and the height of a square.
    factor: usize,
    rows: usize,
}

/// Computes the means of the sums.
struct Mean<'r> {
    sums: [&'r [u32]; PLANES],
    shape: Shape,
    means: &'r mut [Vec<u8>; PLANES],
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sums, shape: Shape { width, factor, rows }, means: [luma, blue, red, alpha] } = self;
        let squares = luma.len();
        let whole = Divisor::new((factor * rows) as u32);
        for start in (0..squares).step_by(SQUARES) {
            let totals = sums.map(|sums| totals(&sums[start * factor / 2..], factor / 2));
            let divisors = totals[3].map(Divisor::new);
            for (means, totals) in [&mut *luma, &mut *blue, &mut *red].into_iter().zip(&totals) {
                let totals: [u8; SQUARES] = std::array::from_fn(|place| divisors[place].mean(totals[place]));
                means[start..].iter_mut().zip(totals).for_each(|(mean, total)| *mean = total);
            }
            let weights = totals[3].map(|weight| whole.mean(weight));
            alpha[start..].iter_mut().zip(weights).for_each(|(mean, weight)| *mean = weight);
            if squares - start <= SQUARES {
                // The last square may be narrower.
                let last = squares - 1;
                let columns = width - last * factor;
                alpha[last] = Divisor::new((columns * rows) as u32).mean(totals[3][last - start]);
            }
        }
    }
}

/// The number of squares whose means are computed together.
const SQUARES: usize = 16;

/// The totals of the first squares that are `side` sums wide.
#[inline(always)]
fn totals(sums: &[u32], side: usize) -> [u32; SQUARES] {
    if let (1, Some(sums)) = (side, sums.first_chunk()) {
        return *sums;
    }
    let mut totals = [0; SQUARES];
    totals.iter_mut().zip(sums.chunks(side)).for_each(|(total, square)| *total = square.iter().sum());
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture, pixel by pixel.
    fn expected(width: usize, height: usize, factor: usize, planes: [&[u8]; 4]) -> Vec<[u8; 4]> {
        let [luma, blue, red, alpha] = planes;
        let squares = (0..height).step_by(factor).flat_map(|y| (0..width).step_by(factor).map(move |x| (x, y)));
        let mean = |(left, top): (usize, usize)| {
            let (mut totals, mut weight, mut count) = ([0.0; 3], 0.0, 0);
            for (x, y) in
                (top..height.min(top + factor)).flat_map(|y| (left..width.min(left + factor)).map(move |x| (x, y)))
            {
                let (here, half) = (y * width + x, y / 2 * width.div_ceil(2) + x / 2);
                for (total, sample) in totals.iter_mut().zip([luma[here], blue[half], red[half]]) {
                    *total += f64::from(sample) * f64::from(alpha[here]);
                }
                weight += f64::from(alpha[here]);
                count += 1;
            }
            let [luma, blue, red] = totals.map(|total| (total / weight).round() as u8);
            let mut pixel = [0, 0, 0, (weight / f64::from(count)).round() as u8];
            Convert::<4> { luma: &[luma], chroma: [&[blue], &[red]], out: &mut pixel }.run();
            if pixel[3] == 0 { [0; 4] } else { pixel }
        };
        squares.map(mean).collect()
    }

    #[test]
    fn samples_are_weighted_by_alpha() {
        let mut seed = 7u32;
        let mut noise = |length: usize| -> Vec<u8> {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            };
            (0..length).map(|_| next()).collect()
        };
        for (width, height, factor) in
            [(1usize, 1usize, 2), (2, 2, 2), (7, 5, 2), (8, 8, 4), (33, 18, 4), (40, 31, 6), (129, 9, 128)]
        {
            let half = width.div_ceil(2);
            let (luma, mut alpha) = (noise(width * (height + 1)), noise(width * height));
            // Some squares are transparent, and others are opaque.
            alpha.iter_mut().for_each(|alpha| *alpha = if *alpha < 90 { 0 } else { alpha.saturating_mul(2) });
            alpha.iter_mut().take(width * 2).for_each(|alpha| *alpha = 0);
            let [blue, red] = [(); 2].map(|()| noise(half * height.div_ceil(2)));
            let mut weighted = Weighted::new((width, height), 0..height, factor, alpha.clone());
            for y in (0..height).step_by(2) {
                let row = |y: usize| &luma[y * width..][..width];
                let [blue, red] = [&blue, &red].map(|plane| &plane[y / 2 * half..][..half]);
                weighted.pair([row(y), row(y + 1)], [blue, red]);
            }
            let raster = weighted.finish().unwrap();
            assert_eq!(raster.width() as usize, width.div_ceil(factor));
            let expected = expected(width, height, factor, [&luma, &blue, &red, &alpha]);
            assert_eq!(raster.samples().as_bytes().as_chunks::<4>().0, expected, "{width}x{height} / {factor}");
        }
    }
}
