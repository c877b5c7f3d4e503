//! The inverse DCT (T.81 A.3.3) to 8x8 samples, and to 4x4, 2x2 and 1x1.
//!
//! The full transform is the one of Loeffler, Ligtenberg and Moschytz (1989) in 13 bit fixed point with rounding after
//! each pass, like the "islow" transform that other decoders are compared with.
//!
//! The reduced transforms use the low frequencies only, as a transform with that many points, and weaken them by half
//! (in decibels) of what the mean of the samples would. The plain mean, which is what other decoders give, is softer and
//! lets high frequencies through as aliases; low frequencies at full strength ring. `NOTES.md` has the figures. At 1/8,
//! where luma has no choice but the mean, chroma is the mean as well.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

use super::tables::ZIGZAG;

/// Dequantised coefficients of a block, in natural order.
pub(super) type Block = [i16; 64];

/// Fraction bits of the constants.
const FRACTION: u32 = 13;
/// Fraction bits that are kept between the two passes.
const BETWEEN: u32 = 2;
/// Both passes scale by the square root of 8.
const GAIN: u32 = 3;

/// A constant in fixed point.
const fn fixed(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// Numbers that go the same way, so that the compiler can put them into vector registers. Arithmetic wraps:
/// only nonsense overflows, and it must not panic.
#[derive(Debug, Clone, Copy)]
struct Lanes<const N: usize>([i32; N]);

impl<const N: usize> Lanes<N> {
    #[inline(always)]
    fn map(self, f: impl Fn(i32) -> i32) -> Self {
        Self(self.0.map(f))
    }
    #[inline(always)]
    fn descale(self, bits: u32) -> Self {
        self.map(|x| x.wrapping_add(1 << (bits - 1)) >> bits)
    }
    #[inline(always)]
    fn shift_left(self, bits: u32) -> Self {
        self.map(|x| x << bits)
    }
}

impl<const N: usize> Add for Lanes<N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }
}

impl<const N: usize> Sub for Lanes<N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
    }
}

impl<const N: usize> Mul<f64> for Lanes<N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f64) -> Self {
        let factor = fixed(factor);
        self.map(|x| x.wrapping_mul(factor))
    }
}

/// The sample that `value` (eighths of a sample, around zero) stands for.
#[inline(always)]
fn sample(value: i32) -> u8 {
    (value.wrapping_add(128)).clamp(0, 255) as u8
}

/// The one sample of a block whose DC coefficient alone is wanted.
#[inline(always)]
pub(super) fn flat(dc: i32) -> u8 {
    sample(dc.wrapping_add(4) >> 3)
}

/// Writes the 8x8 samples of a block. `out` begins at its first sample; `stride` leads from row to row.
#[inline(always)]
pub(super) fn full(block: &Block, out: &mut [u8], stride: usize) {
    let rows: [Lanes<8>; 8] = from_fn(|v| Lanes(from_fn(|u| i32::from(block[v * 8 + u]))));
    let columns = transpose(one_dimension(rows).map(|lanes| lanes.descale(FRACTION - BETWEEN)));
    let rows = transpose(one_dimension(columns).map(|lanes| lanes.descale(FRACTION + BETWEEN + GAIN)));
    for (row, line) in rows.iter().zip(out.chunks_mut(stride)) {
        let Some(line) = line.first_chunk_mut::<8>() else { return };
        *line = row.0.map(sample);
    }
}

#[inline(always)]
fn transpose<const N: usize>(rows: [Lanes<N>; N]) -> [Lanes<N>; N] {
    from_fn(|x| Lanes(from_fn(|y| rows[y].0[x])))
}

/// Eight one-dimensional transforms, scaled by the square root of 8 and by the fraction of the constants.
#[inline(always)]
fn one_dimension(x: [Lanes<8>; 8]) -> [Lanes<8>; 8] {
    // Even part: figure 1 of the paper, a rotation by 6 sixteenths of pi and a butterfly.
    let rotated = (x[2] + x[6]) * 0.541_196_100;
    let even2 = rotated - x[6] * 1.847_759_065;
    let even3 = rotated + x[2] * 0.765_366_865;
    let even0 = (x[0] + x[4]).shift_left(FRACTION);
    let even1 = (x[0] - x[4]).shift_left(FRACTION);
    let (a0, a3, a1, a2) = (even0 + even3, even0 - even3, even1 + even2, even1 - even2);

    // Odd part, figure 8: eleven multiplications for the whole transform.
    let (s17, s35, s13, s57) = (x[7] + x[1], x[5] + x[3], x[7] + x[3], x[5] + x[1]);
    let shared = (s13 + s57) * 1.175_875_602;
    let (s17, s35) = (s17 * 0.899_976_223, s35 * 2.562_915_447);
    let (s13, s57) = (shared - s13 * 1.961_570_560, shared - s57 * 0.390_180_644);
    let b0 = x[7] * 0.298_631_336 - s17 + s13;
    let b1 = x[5] * 2.053_119_869 - s35 + s57;
    let b2 = x[3] * 3.072_711_026 - s35 + s13;
    let b3 = x[1] * 1.501_321_110 - s17 + s57;

    [a0 + b3, a1 + b2, a2 + b1, a3 + b0, a3 - b0, a2 - b1, a1 - b2, a0 - b3]
}

/// Writes the 4x4 samples of a block.
#[inline(always)]
pub(super) fn half(block: &Block, out: &mut [u8], stride: usize) {
    let rows: [Lanes<4>; 4] = from_fn(|v| Lanes(from_fn(|u| i32::from(block[v * 8 + u]))));
    let columns = transpose(four_points(rows).map(|lanes| lanes.descale(FRACTION - BETWEEN)));
    let rows = transpose(four_points(columns).map(|lanes| lanes.descale(FRACTION + BETWEEN + GAIN)));
    for (row, line) in rows.iter().zip(out.chunks_mut(stride)) {
        let Some(line) = line.first_chunk_mut::<4>() else { return };
        *line = row.0.map(sample);
    }
}

/// Four-point transforms of the low half of the frequencies, scaled like [`one_dimension`].
#[inline(always)]
fn four_points(x: [Lanes<4>; 4]) -> [Lanes<4>; 4] {
    /// Cosines of 1 and 3 eighths of pi, by the square root of 2.
    const ROTATION: (f64, f64) = (1.306_562_965, 0.541_196_100);
    let dc = x[0].shift_left(FRACTION);
    let even = x[2] * SOFT_HALF[2];
    let odd0 = x[1] * (SOFT_HALF[1] * ROTATION.0) + x[3] * (SOFT_HALF[3] * ROTATION.1);
    let odd1 = x[1] * (SOFT_HALF[1] * ROTATION.1) - x[3] * (SOFT_HALF[3] * ROTATION.0);
    [dc + even + odd0, dc - even + odd1, dc - even - odd1, dc + even - odd0]
}

/// Square roots of the cosines of 0 to 3 sixteenths of pi; see the head of this file.
const SOFT_HALF: [f64; 4] = [1.0, 0.990_346_0, 0.961_186_5, 0.911_849_6];
/// The same for the mean of four samples: the root of 0.906.
const SOFT_QUARTER: f64 = 0.951_907_3;

/// The last place in zigzag order that 4x4 samples depend on.
pub(super) const LAST_OF_HALF: usize = 24;
/// The last place that 2x2 samples depend on, unless they are means.
pub(super) const LAST_OF_QUARTER: usize = 4;

/// How the 2x2 samples of a block are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    /// From the low frequencies.
    LowPass,
    /// As means of 4x4 samples each, like the single sample of a block is the mean of all.
    Mean,
}

/// What a coefficient adds to the horizontal, vertical and diagonal differences between the 2x2 samples of a block.
pub(super) type QuarterWeights = [[i32; 4]; 64];

/// The weights for a quantisation table, in zigzag order.
pub(super) fn quarter_weights(quantisation: &[u16; 64], reduction: Reduction) -> QuarterWeights {
    // Means of the cosines of each frequency over four neighbours, by the square root of 2. Even ones cancel out.
    let line = match reduction {
        Reduction::LowPass => [0.0, SOFT_QUARTER, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        Reduction::Mean => [0.0, 0.906_127_446, 0.0, -0.318_189_645, 0.0, 0.212_607_523, 0.0, -0.180_239_955],
    };
    ZIGZAG.map(|position| {
        let (v, u) = (usize::from(position / 8), usize::from(position % 8));
        let weights = match (u, v) {
            (0, 0) => [0.0; 3],
            (_, 0) => [line[u], 0.0, 0.0],
            (0, _) => [0.0, line[v], 0.0],
            _ => [0.0, 0.0, line[u] * line[v]],
        };
        let step = i32::from(quantisation[usize::from(position)]);
        let [horizontal, vertical, diagonal] = weights.map(|weight| fixed(weight).wrapping_mul(step));
        [horizontal, vertical, diagonal, 0]
    })
}

/// Sums of coefficients times [`QuarterWeights`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quarter([i32; 4]);

impl Quarter {
    /// Adds the coefficient at the place of `weights`.
    #[inline(always)]
    pub(super) fn add(&mut self, coefficient: i32, weights: [i32; 4]) {
        self.0 = from_fn(|i| self.0[i].wrapping_add(coefficient.wrapping_mul(weights[i])));
    }

    /// The 2x2 samples, row by row, of a block with the dequantised DC coefficient `dc`.
    #[inline(always)]
    pub(super) fn samples(self, dc: i32) -> [[u8; 2]; 2] {
        let [h, v, d, _] = self.0.map(std::num::Wrapping);
        let dc = std::num::Wrapping(dc << FRACTION) + std::num::Wrapping(1 << (FRACTION + GAIN - 1));
        let descale = |sum: std::num::Wrapping<i32>| sample(sum.0 >> (FRACTION + GAIN));
        [[descale(dc + h + v + d), descale(dc - h + v - d)], [descale(dc + h - v - d), descale(dc - h - v + d)]]
    }
}
