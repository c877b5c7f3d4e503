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
        let Self { sums: [luma_sums, blue_sums, red_sums, alpha_sums], luma, chroma: [blue, red], alpha } = self;
        for start in (0..alpha_sums.len()).step_by(PAIRS) {
            // Columns behind the last one have no weight.
            let alpha = [group(alpha[0], 2 * start), group(alpha[1], 2 * start)];
            let luma = [group(luma[0], 2 * start), group(luma[1], 2 * start)];
            let weights = sums_of(&alpha);
            add(&mut luma_sums[start..], &products(&luma, &alpha));
            add(&mut blue_sums[start..], &weighted(&group(blue, start), &weights));
            add(&mut red_sums[start..], &weighted(&group(red, start), &weights));
            add(&mut alpha_sums[start..], &weights);
        }
    }
}

#[inline(always)]
fn add(sums: &mut [u32], more: &[u32; PAIRS]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// The samples from a place on, and zeros behind the last one.
#[inline(always)]
fn group<const COUNT: usize>(row: &[u8], start: usize) -> [u8; COUNT] {
    let rest = row.get(start..).unwrap_or_default();
    if let Some(samples) = rest.first_chunk() {
        return *samples;
    }
    let mut samples = [0; COUNT];
    samples.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    samples
}

/// Both columns of a pair as one word: vectors of these need not be taken apart.
#[inline(always)]
fn pair(row: &[u8; COLUMNS], place: usize) -> u16 {
    u16::from_le_bytes([row[2 * place], row[2 * place + 1]])
}

/// For each pair of columns of two rows, the sum of its samples.
#[inline(always)]
fn sums_of(rows: &[[u8; COLUMNS]; 2]) -> [u32; PAIRS] {
    let mut sums = [0; PAIRS];
    for (place, sum) in sums.iter_mut().enumerate() {
        let (above, below) = (pair(&rows[0], place), pair(&rows[1], place));
        *sum = u32::from((above & 0xff) + (above >> 8) + (below & 0xff) + (below >> 8));
    }
    sums
}

/// For each pair of columns of two rows, the sum of the products of their samples with those of other rows.
#[inline(always)]
fn products(rows: &[[u8; COLUMNS]; 2], others: &[[u8; COLUMNS]; 2]) -> [u32; PAIRS] {
    let mut sums = [0; PAIRS];
    for (row, other) in rows.iter().zip(others) {
        for (place, sum) in sums.iter_mut().enumerate() {
            let (one, other) = (pair(row, place), pair(other, place));
            let (left, right) = ((one & 0xff).wrapping_mul(other & 0xff), (one >> 8).wrapping_mul(other >> 8));
            *sum += u32::from(left) + u32::from(right);
        }
    }
    sums
}

#[inline(always)]
fn weighted(samples: &[u8; PAIRS], weights: &[u32; PAIRS]) -> [u32; PAIRS] {
    let mut sums = [0; PAIRS];
    for ((sum, sample), weight) in sums.iter_mut().zip(samples).zip(weights) {
        *sum = u32::from(*sample) * weight;
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
            let totals_of = |sums: &[u32]| totals(&sums[start * factor / 2..], factor / 2);
            let weights = totals_of(sums[3]);
            let mut divisors = [whole; SQUARES];
            divisors.iter_mut().zip(&weights).for_each(|(divisor, weight)| *divisor = Divisor::new(*weight));
            set_means(&mut luma[start..], &totals_of(sums[0]), &divisors);
            set_means(&mut blue[start..], &totals_of(sums[1]), &divisors);
            set_means(&mut red[start..], &totals_of(sums[2]), &divisors);
            set_means(&mut alpha[start..], &weights, &[whole; SQUARES]);
            if squares - start <= SQUARES {
                // The last square may be narrower.
                let last = squares - 1;
                let columns = width - last * factor;
                alpha[last] = Divisor::new((columns * rows) as u32).mean(weights[last - start]);
            }
        }
    }
}

/// The number of squares whose means are computed together.
const SQUARES: usize = 16;

#[inline(always)]
fn set_means(means: &mut [u8], totals: &[u32; SQUARES], divisors: &[Divisor; SQUARES]) {
    let mut group = [0; SQUARES];
    for ((mean, total), divisor) in group.iter_mut().zip(totals).zip(divisors) {
        *mean = divisor.mean(*total);
    }
    means.iter_mut().zip(group).for_each(|(mean, new)| *mean = new);
}

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
