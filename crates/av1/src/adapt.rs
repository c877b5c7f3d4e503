//! How fine each superblock is quantized: eyes see errors more easily where there is little else to see.

use super::frame::{DELTA_SHIFT, Plane};
use super::quantizer::finer;

/// Which of the variances of a superblock's squares of 8, from the least, stands for it.
const RANK: f32 = 0.8;

/// How many times finer the steps get with each halving of the variance below [`BUSY`].
const BOOST: f32 = 0.14;

/// The log2 of the variance from which on nothing is changed.
const BUSY: f32 = 10.0;

/// How many times finer steps may get.
const FINEST: f32 = 8.0;

/// The `qindex` of the superblock at a place in samples, within a picture of a size. It is at most `index`, and differs
/// from it by a multiple of 1 << [`DELTA_SHIFT`].
pub(super) fn quantizer(index: u8, luma: &Plane, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> u8 {
    let rows = (y..(y + 64).min(height)).step_by(8);
    let squares = rows.flat_map(|y| (x..(x + 64).min(width)).step_by(8).map(move |x| [x, y]));
    let mut variances: Vec<f32> = squares.map(|place| variance(luma, place)).collect();
    variances.sort_by(f32::total_cmp);
    let variance = variances[((variances.len() - 1) as f32 * RANK) as usize];
    let ratio = (1.0 + BOOST * (BUSY - variance.max(1.0).log2())).clamp(1.0, FINEST);
    let steps = (index - finer(index, ratio)) >> DELTA_SHIFT;
    // Without loss is another thing altogether.
    let fewest = steps.min((index.max(1) - 1) >> DELTA_SHIFT);
    index - (fewest << DELTA_SHIFT)
}

/// The variance of a square of 8.
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
