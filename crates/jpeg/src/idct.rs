//! The inverse DCT (T.81 A.3.3) to 8x8 samples, and to 5x5, 4x4, 3x3, 2x2 and 1x1.
//!
//! The full transform yields the results of Loeffler, Ligtenberg and Moschytz (1989) in 13-bit fixed point with
//! rounding after each pass, the "islow" transform that is the reference for other decoders. With integers, the
//! factorized form and the matrix yield the same result, and the matrix suits multiply-and-add vector instructions
//! better.
//!
//! The reduced transforms use the low frequencies only, as a transform with that many points, attenuated by half (in
//! decibels) of what averaging samples would cause. Plain averaging, as in other decoders, is softer and aliases high
//! frequencies; low frequencies at full strength cause ringing. `NOTES.md` has the measurements. At 1/8, where only the
//! mean is possible for luma, chroma is averaged as well.

use std::f64::consts::SQRT_2;

use super::tables::ZIGZAG;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::idct_portable::{five, full, half, three};
#[cfg(target_arch = "x86_64")]
pub(super) use super::kernel::{idct_five as five, idct_full as full, idct_half as half, idct_three as three};

/// Dequantised coefficients of a block, in natural order.
pub(super) type Block = [i16; 64];

/// Fraction bits of the constants.
pub(super) const FRACTION: u32 = 13;
/// The number of fraction bits that are kept between the two passes.
pub(super) const BETWEEN: u32 = 2;
/// Each pass scales by the square root of 8.
pub(super) const GAIN: u32 = 3;

/// The last zigzag index that affects 5x5 samples.
pub(super) const LAST_OF_FIVE: usize = 40;
/// The last zigzag index that affects 4x4 samples.
pub(super) const LAST_OF_HALF: usize = 24;
/// The last zigzag index that affects 3x3 samples.
pub(super) const LAST_OF_THREE: usize = 12;
/// The last zigzag index that affects 2x2 samples, unless they are means.
pub(super) const LAST_OF_QUARTER: usize = 4;

/// A constant in fixed point.
const fn fixed(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// The contribution of coefficients 2 and 6 to the first and second sample of eight.
pub(super) const EVEN: [[i16; 2]; 2] = {
    let shared = fixed(0.541_196_100);
    let (two, six) = (fixed(0.765_366_865), fixed(1.847_759_065));
    [[(shared + two) as i16, shared as i16], [shared as i16, (shared - six) as i16]]
};

/// The contribution of coefficients 1, 3, 5 and 7 to the first four samples of eight, negated for the last four.
pub(super) const ODD: [[i16; 4]; 4] = {
    let shared = fixed(1.175_875_602);
    let (a, b) = (fixed(0.899_976_223), fixed(2.562_915_447));
    let (c, d) = (fixed(1.961_570_560), fixed(0.390_180_644));
    let own = [fixed(1.501_321_110), fixed(3.072_711_026), fixed(2.053_119_869), fixed(0.298_631_336)];
    [
        [(own[0] - a + shared - d) as i16, shared as i16, (shared - d) as i16, (shared - a) as i16],
        [shared as i16, (own[1] - b + shared - c) as i16, (shared - b) as i16, (shared - c) as i16],
        [(shared - d) as i16, (shared - b) as i16, (own[2] - b + shared - d) as i16, shared as i16],
        [(shared - a) as i16, (shared - c) as i16, shared as i16, (own[3] - a + shared - c) as i16],
    ]
};

/// Half of the attenuation, by frequency from 1 on, of averaging over 8/5 samples: the square roots of
/// sin(k pi / 10) / (8/5 sin(k pi / 16)).
const SOFT_FIVE: [f64; 4] = [0.994_977_7, 0.979_782_1, 0.954_002_1, 0.916_855_0];
/// The same over 8/3 samples: the square roots of sin(k pi / 6) / (8/3 sin(k pi / 16)).
const SOFT_THREE: [f64; 2] = [0.980_353_7, 0.921_215_3];
/// Square roots of the cosines of 1, 2 and 3 sixteenths of pi: half of the attenuation of averaging two samples.
const SOFT_HALF: [f64; 3] = [0.990_346_0, 0.961_186_5, 0.911_849_6];
/// The same for averaging four samples.
const SOFT_QUARTER: f64 = 0.951_907_3;

/// The contribution of coefficient 2 to the first sample of four, negated for the second.
pub(super) const HALF_EVEN: i16 = fixed(SOFT_HALF[1]) as i16;

/// The contribution of coefficients 1 and 3 to the first two samples of four, negated for the last two.
pub(super) const HALF_ODD: [[i16; 2]; 2] = {
    /// Cosines of 1 and 3 eighths of pi, by the square root of 2.
    const ROTATION: (f64, f64) = (1.306_562_965, 0.541_196_100);
    [
        [fixed(SOFT_HALF[0] * ROTATION.0) as i16, fixed(SOFT_HALF[2] * ROTATION.1) as i16],
        [fixed(SOFT_HALF[0] * ROTATION.1) as i16, fixed(-SOFT_HALF[2] * ROTATION.0) as i16],
    ]
};

/// The contribution of coefficients 2 and 4 to the first three samples of five, which is the same for the last two.
pub(super) const FIVE_EVEN: [[i16; 2]; 3] = {
    /// Cosines of 1 and 2 fifths of pi, by the square root of 2.
    const A: (f64, f64) = (1.144_122_806, 0.437_016_024);
    [
        [fixed(SOFT_FIVE[1] * A.0) as i16, fixed(SOFT_FIVE[3] * A.1) as i16],
        [fixed(-SOFT_FIVE[1] * A.1) as i16, fixed(-SOFT_FIVE[3] * A.0) as i16],
        [fixed(-SOFT_FIVE[1] * SQRT_2) as i16, fixed(SOFT_FIVE[3] * SQRT_2) as i16],
    ]
};

/// The contribution of coefficients 1 and 3 to the first two samples of five, negated for the last two.
pub(super) const FIVE_ODD: [[i16; 2]; 2] = {
    /// Cosines of 1 and 3 tenths of pi, by the square root of 2.
    const A: (f64, f64) = (1.344_997_024, 0.831_253_876);
    [
        [fixed(SOFT_FIVE[0] * A.0) as i16, fixed(SOFT_FIVE[2] * A.1) as i16],
        [fixed(SOFT_FIVE[0] * A.1) as i16, fixed(-SOFT_FIVE[2] * A.0) as i16],
    ]
};

/// The contribution of coefficient 2 to the outer and the middle sample of three.
pub(super) const THREE_EVEN: [i16; 2] =
    [fixed(SOFT_THREE[1] * SQRT_2 / 2.0) as i16, fixed(-SOFT_THREE[1] * SQRT_2) as i16];

/// The contribution of coefficient 1 to the first sample of three, negated for the last.
pub(super) const THREE_ODD: i16 = fixed(SOFT_THREE[0] * 1.224_744_871) as i16;

/// Converts a value around zero to a sample.
#[inline(always)]
fn sample(value: i32) -> u8 {
    value.wrapping_add(128).clamp(0, 255) as u8
}

/// The single sample of a block from its DC coefficient.
#[inline(always)]
pub(super) fn flat(dc: i32) -> u8 {
    sample(dc.wrapping_add(4) >> 3)
}

/// The reduction of a block to 2x2 samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    /// From the low frequencies.
    LowPass,
    /// By averaging 4x4 samples each, just as the single sample of a block is the mean of all.
    Mean,
}

/// The contribution of a coefficient to the horizontal, vertical and diagonal differences between the 2x2 samples of a
/// block.
pub(super) type QuarterWeights = [[i32; 4]; 64];

/// The weights for a quantisation table, in zigzag order.
pub(super) fn quarter_weights(quantisation: &[u16; 64], reduction: Reduction) -> QuarterWeights {
    // The means of each frequency's cosine over four neighbours, times the square root of 2. Even ones cancel out.
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

/// The sums of coefficients times [`QuarterWeights`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quarter([i32; 4]);

impl Quarter {
    /// Adds the coefficient at the index of `weights`.
    #[inline(always)]
    pub(super) fn add(&mut self, coefficient: i32, weights: [i32; 4]) {
        for (sum, weight) in self.0.iter_mut().zip(weights) {
            *sum = sum.wrapping_add(coefficient.wrapping_mul(weight));
        }
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

#[cfg(test)]
mod tests {
    use super::{Block, five, full, half, three};
    use crate::idct_portable;

    /// Blocks from nearly flat to invalid.
    fn blocks() -> impl Iterator<Item = Block> {
        let mut state = 7u32;
        (0..3000).map(move |number| {
            std::array::from_fn(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let range = [4, 60, 600, 16_000][number % 4] / (1 + if number % 4 < 3 { i as i32 / 4 } else { 0 });
                ((state >> 8) as i32 % (2 * range + 1) - range) as i16
            })
        })
    }

    #[test]
    fn vector_and_portable_transforms_agree() {
        for block in blocks() {
            let (mut vector, mut portable) = ([0; 80], [0; 80]);
            full(&block, &mut vector, 10);
            idct_portable::full(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
            half(&block, &mut vector, 10);
            idct_portable::half(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
            five(&block, &mut vector, 10);
            idct_portable::five(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
            three(&block, &mut vector, 10);
            idct_portable::three(&block, &mut portable, 10);
            assert_eq!(vector, portable, "{block:?}");
        }
    }

    /// Each yields the samples of a transform of as many points, of low frequencies that are weakened by the square root of
    /// what averaging does to them.
    #[test]
    fn reduced_transforms_are_softened_inverse_dcts() {
        type Reduced = fn(&Block, &mut [u8], usize);
        let table: [(usize, Reduced); 3] = [(3, three), (4, half), (5, five)];
        for (points, reduced) in table {
            let basis = |k: usize, at: usize| {
                let angle = k as f64 * std::f64::consts::PI;
                let softened = (angle / (2 * points) as f64).sin() * points as f64 / 8.0 / (angle / 16.0).sin();
                let norm = if k == 0 { 0.5f64.sqrt() } else { softened.sqrt() };
                norm * ((2 * at + 1) as f64 * angle / (2 * points) as f64).cos()
            };
            for block in blocks().filter(|block| block.iter().all(|coefficient| coefficient.abs() <= 600)) {
                let mut samples = [0; 64];
                reduced(&block, &mut samples, 8);
                for (x, y) in (0..points).flat_map(|y| (0..points).map(move |x| (x, y))) {
                    let low = (0..points * points).map(|i| (i % points, i / points));
                    let terms = low.map(|(u, v)| f64::from(block[v * 8 + u]) * basis(u, x) * basis(v, y));
                    let exact = (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0);
                    let sample = f64::from(samples[y * 8 + x]);
                    assert!((sample - exact).abs() < 1.1, "{points}: {sample}, exactly {exact}");
                }
            }
        }
    }

    #[test]
    fn full_transform_is_the_inverse_dct() {
        for block in blocks().filter(|block| block.iter().all(|coefficient| coefficient.abs() <= 600)) {
            let mut samples = [0; 64];
            full(&block, &mut samples, 8);
            for (i, sample) in samples.into_iter().enumerate() {
                let (x, y) = ((i % 8) as f64, (i / 8) as f64);
                let basis = |k: usize, at: f64| {
                    let norm = if k == 0 { 0.5f64.sqrt() } else { 1.0 };
                    norm * ((2.0 * at + 1.0) * k as f64 * std::f64::consts::PI / 16.0).cos()
                };
                let terms = block.iter().enumerate().map(|(k, &c)| f64::from(c) * basis(k % 8, x) * basis(k / 8, y));
                let exact = (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0);
                assert!((f64::from(sample) - exact).abs() < 1.1, "{sample}, exactly {exact}");
            }
        }
    }
}
