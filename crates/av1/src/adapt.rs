//! Adaptive quantization of superblocks: errors are more visible in flat areas.

use super::frame::{DELTA_SHIFT, Plane};
use super::quantizer::finer;

/// The quantile, from the lowest, of the variances of a superblock's 8 by 8 squares that represents it.
const RANK: f32 = 0.8;

/// The factor by which steps get finer for each halving of the variance below [`BUSY`], as an exponent.
const BOOST: f32 = 0.14;

/// The binary logarithm of the variance from which on the quantizer is unchanged.
const BUSY: f32 = 10.0;

/// The maximum factor by which steps get finer.
const FINEST: f32 = 8.0;

/// The `qindex` of the superblock at a position in samples, in a picture of the given size. It is at most `index`, and
/// differs from it by a multiple of 1 << [`DELTA_SHIFT`].
pub(super) fn quantizer(index: u8, luma: &Plane, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> u8 {
    let rows = (y..(y + 64).min(height)).step_by(8);
    let squares = rows.flat_map(|y| (x..(x + 64).min(width)).step_by(8).map(move |x| [x, y]));
    let mut variances: Vec<f32> = squares.map(|place| variance(luma, place)).collect();
    variances.sort_by(f32::total_cmp);
    let variance = variances[((variances.len() - 1) as f32 * RANK) as usize];
    let ratio = (1.0 + BOOST * (BUSY - variance.max(1.0).log2())).clamp(1.0, FINEST);
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
