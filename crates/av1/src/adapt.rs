//! Adaptive quantization of superblocks, and weights of errors within them: errors are more visible in flat areas.

use super::frame::{DELTA_SHIFT, Plane, SUPERBLOCK};
use super::quantizer::finer;
use super::size::BlockSize;

/// The quantile, from the lowest, of the variances of a superblock's 8 by 8 squares that represents it.
const RANK: f32 = 0.8;

/// The binary logarithm of the variance from which on the quantizer is unchanged.
const BUSY: f32 = 10.0;

/// The maximum factor by which steps get finer.
const FINEST: f32 = 8.0;

/// The factor by which errors count more for each halving of the variance, relative to that of the superblock, as an
/// exponent, and the binary logarithm of the maximum factor in either direction.
const WEIGHT: f32 = 0.15;
const MOST_WEIGHT: f32 = 1.2;

/// The side in units of 4 samples of the squares with a weight of their own, and the number of them in a superblock's row.
const UNITS: usize = 4;
const SQUARES: usize = SUPERBLOCK / UNITS;

/// The weights of errors in the squares of a superblock. They cost no bits: nothing but the encoder's decisions depends on
/// them.
#[derive(Default)]
pub(super) struct Weights([[f32; SQUARES]; SQUARES]);

impl Weights {
    /// The weights for the superblock at a position in samples, in a padded plane. What is beyond the picture does not count.
    pub(super) fn new(luma: &Plane, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Self {
        let logarithm = |x: usize, y: usize| variance(luma, [x, y]).max(1.0).log2();
        let (mut weights, mut sum, mut count) = (Self::default(), 0.0, 0);
        for (row, y) in weights.0.iter_mut().zip((y..).step_by(4 * UNITS)) {
            for (square, x) in row.iter_mut().zip((x..).step_by(4 * UNITS)) {
                for (x, y) in [(x, y), (x + 8, y), (x, y + 8), (x + 8, y + 8)] {
                    let logarithm = logarithm(x, y);
                    *square += logarithm / 4.0;
                    if x < width && y < height {
                        (sum, count) = (sum + logarithm, count + 1);
                    }
                }
            }
        }
        let mean = sum / count.max(1) as f32;
        weights.0.iter_mut().flatten().for_each(|square| *square = (mean - *square) * WEIGHT);
        weights
    }

    /// The weight of errors in a block.
    pub(super) fn of(&self, [row, column]: [usize; 2], size: BlockSize) -> f32 {
        let range = |at: usize, units: usize| {
            let at = at % SUPERBLOCK;
            at / UNITS..(at + units).div_ceil(UNITS)
        };
        let [w, h] = size.units();
        let (rows, columns) = (range(row, h), range(column, w));
        let count = (rows.len() * columns.len()) as f32;
        let sum: f32 = self.0[rows].iter().flat_map(|row| &row[columns.clone()]).sum();
        (sum / count).clamp(-MOST_WEIGHT, MOST_WEIGHT).exp2()
    }
}

/// The `qindex` of the superblock at a position in samples, in a picture of the given size. It is at most `index`, and
/// differs from it by a multiple of 1 << [`DELTA_SHIFT`]. Steps get finer by a factor of 1 plus `boost` for each halving of
/// the variance below 2 to the power of [`BUSY`].
pub(super) fn quantizer(index: u8, boost: f32, luma: &Plane, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> u8 {
    let rows = (y..(y + 64).min(height)).step_by(8);
    let squares = rows.flat_map(|y| (x..(x + 64).min(width)).step_by(8).map(move |x| [x, y]));
    let mut variances: Vec<f32> = squares.map(|place| variance(luma, place)).collect();
    variances.sort_by(f32::total_cmp);
    let variance = variances[((variances.len() - 1) as f32 * RANK) as usize];
    let ratio = (1.0 + boost * (BUSY - variance.max(1.0).log2())).clamp(1.0, FINEST);
    let steps = (index - finer(index, ratio)) >> DELTA_SHIFT;
    // The quantizer must not become lossless.
    let fewest = steps.min((index.max(1) - 1) >> DELTA_SHIFT);
    index - (fewest << DELTA_SHIFT)
}

/// The variance of an 8 by 8 square.
fn variance(luma: &Plane, [x, y]: [usize; 2]) -> f32 {
    let (mut sum, mut squares) = (0u32, 0u32);
    for line in luma.samples[y * luma.stride + x..].chunks(luma.stride).take(8) {
        for sample in &line[..8] {
            sum += u32::from(*sample);
            squares += u32::from(*sample) * u32::from(*sample);
        }
    }
    (squares as f32 - sum as f32 * sum as f32 / 64.0) / 64.0
}
