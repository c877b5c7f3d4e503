//! The inverse DCT (T.81 A.3.3) to 8x8 samples, and to 4x4, 2x2 and 1x1.
//!
//! The full transform is the one of Loeffler, Ligtenberg and Moschytz (1989) in 13 bit fixed point with rounding after
//! each pass, like the "islow" transform that other decoders are compared with.
//!
//! The reduced transforms give the mean of the full transform's samples under each output sample. In terms of
//! coefficients, the mean of neighbours folds frequency `8-k` onto frequency `k`.

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

/// Eight numbers that go the same way, so that the compiler can put them into vector registers. Arithmetic wraps:
/// only nonsense overflows, and it must not panic.
#[derive(Debug, Clone, Copy)]
struct Lanes([i32; 8]);

impl Lanes {
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

impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
    }
}

impl Mul<f64> for Lanes {
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
    let rows: [Lanes; 8] = from_fn(|v| Lanes(from_fn(|u| i32::from(block[v * 8 + u]))));
    let columns = transpose(one_dimension(rows).map(|lanes| lanes.descale(FRACTION - BETWEEN)));
    let rows = transpose(one_dimension(columns).map(|lanes| lanes.descale(FRACTION + BETWEEN + GAIN)));
    for (row, line) in rows.iter().zip(out.chunks_mut(stride)) {
        let Some(line) = line.first_chunk_mut::<8>() else { return };
        *line = row.0.map(sample);
    }
}

#[inline(always)]
fn transpose(rows: [Lanes; 8]) -> [Lanes; 8] {
    from_fn(|x| Lanes(from_fn(|y| rows[y].0[x])))
}

/// Eight one-dimensional transforms, scaled by the square root of 8 and by the fraction of the constants.
#[inline(always)]
fn one_dimension(x: [Lanes; 8]) -> [Lanes; 8] {
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

/// Writes the 4x4 samples of a block, each the mean of 2x2 of the full transform.
#[inline(always)]
pub(super) fn half(block: &Block, out: &mut [u8], stride: usize) {
    let rows: [Lanes; 8] = from_fn(|v| Lanes(from_fn(|u| i32::from(block[v * 8 + u]))));
    let halved = four_of_eight(rows).map(|lanes| lanes.descale(FRACTION - BETWEEN));
    let columns: [Lanes; 8] = from_fn(|x| Lanes(from_fn(|y| if y < 4 { halved[y].0[x] } else { 0 })));
    let columns = four_of_eight(columns).map(|lanes| lanes.descale(FRACTION + BETWEEN + GAIN));
    for (y, line) in (0..4).zip(out.chunks_mut(stride)) {
        let Some(line) = line.first_chunk_mut::<4>() else { return };
        *line = from_fn(|x| sample(columns[x].0[y]));
    }
}

/// Cosines of odd sixteenths of pi: how much of each odd frequency is left in the mean of two neighbours.
const PAIR: [f64; 4] = [0.980_785_280, 0.831_469_612, 0.555_570_233, 0.195_090_322];
/// The rotation of the odd part of a four-point transform: cosines of 1 and 3 eighths of pi by the square root of 2.
const ROTATION: (f64, f64) = (1.306_562_965, 0.541_196_100);

/// The means of neighbours of eight one-dimensional transforms, scaled like [`one_dimension`].
///
/// They are a four-point transform of the coefficients, each weakened by the mean and with frequency `8-k` folded onto
/// `k` with its sign turned; frequency 4 cancels out.
#[inline(always)]
fn four_of_eight(x: [Lanes; 8]) -> [Lanes; 4] {
    const A: [f64; 4] = [PAIR[0] * ROTATION.0, PAIR[1] * ROTATION.0, PAIR[2] * ROTATION.0, PAIR[3] * ROTATION.0];
    const B: [f64; 4] = [PAIR[0] * ROTATION.1, PAIR[1] * ROTATION.1, PAIR[2] * ROTATION.1, PAIR[3] * ROTATION.1];
    let dc = x[0].shift_left(FRACTION);
    let even = x[2] * 0.923_879_533 - x[6] * 0.382_683_432;
    let odd0 = x[1] * A[0] - x[7] * A[3] + x[3] * B[1] - x[5] * B[2];
    let odd1 = x[1] * B[0] - x[7] * B[3] - x[3] * A[1] + x[5] * A[2];
    [dc + even + odd0, dc - even + odd1, dc - even - odd1, dc + even - odd0]
}

/// What a coefficient adds to the horizontal, vertical and diagonal differences between the 2x2 samples of a block, each
/// the mean of 4x4 of the full transform. Coefficients with an even frequency, other than 0, cancel out.
pub(super) type QuarterWeights = [[i32; 4]; 64];

/// The weights for a quantisation table, in zigzag order.
pub(super) fn quarter_weights(quantisation: &[u16; 64]) -> QuarterWeights {
    /// Means of the cosines of odd frequencies over four neighbours, by the square root of 2.
    const MEAN: [f64; 8] = [0.0, 0.906_127_446, 0.0, -0.318_189_645, 0.0, 0.212_607_523, 0.0, -0.180_239_955];
    ZIGZAG.map(|position| {
        let (v, u) = (usize::from(position / 8), usize::from(position % 8));
        let weights = match (u, v) {
            (0, 0) => [0.0; 3],
            (_, 0) => [MEAN[u], 0.0, 0.0],
            (0, _) => [0.0, MEAN[v], 0.0],
            _ => [0.0, 0.0, MEAN[u] * MEAN[v]],
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
