//! The inverse DCT (T.81 A.3.3) to 8x8 samples, and to 4x4, 2x2 and 1x1.
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

use super::tables::ZIGZAG;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::idct_portable::{full, half};
#[cfg(target_arch = "x86_64")]
pub(super) use super::kernel::{idct_full as full, idct_half as half};

/// Dequantised coefficients of a block, in natural order.
pub(super) type Block = [i16; 64];

/// Fraction bits of the constants.
pub(super) const FRACTION: u32 = 13;
/// The number of fraction bits that are kept between the two passes.
pub(super) const BETWEEN: u32 = 2;
/// Each pass scales by the square root of 8.
pub(super) const GAIN: u32 = 3;

/// The last zigzag index that affects 4x4 samples.
pub(super) const LAST_OF_HALF: usize = 24;
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
    use super::{Block, full, half};
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
