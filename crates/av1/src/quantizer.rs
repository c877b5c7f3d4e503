//! Quantizer steps (7.12.2, 7.12.3), and the weights of quantization errors.

use super::inverse::TxType;
use super::matrices::matrix;
use super::size::BlockSize;
use super::tables::{AC_QUANTIZER, DC_QUANTIZER};
use super::tuning::Tuning;

/// The neutral entry of a quantizer matrix.
const NEUTRAL: u8 = 32;

/// The steps of a transform's coefficients, row by row.
#[derive(Default)]
pub(super) struct Steps {
    /// The coefficient of a level of 1, at the scale of the transforms.
    pub(super) step: Vec<f32>,
    pub(super) inverse: Vec<f32>,
    /// The weight of a squared error: lower at high frequencies, to the degree that the matrix is coarser there.
    pub(super) weight: Vec<f32>,
}

/// The steps for every transform size of luma and of chroma.
pub(super) struct Quantizer {
    steps: [Vec<Steps>; 2],
    /// The steps of identity transforms, which matrices do not apply to, by size.
    flat: Vec<Steps>,
}

impl Quantizer {
    /// Creates the quantizer for a `qindex`; with matrices, or with the same step for all frequencies.
    pub(super) fn new(index: u8, tuning: &Tuning, with_matrices: bool) -> Self {
        let of =
            |is_chroma, size| with_matrices.then(|| matrix(tuning.matrices[usize::from(is_chroma)], is_chroma, size));
        let all = |is_chroma| BlockSize::transforms().map(|size| steps(size, index, of(is_chroma, size))).collect();
        let mut all: [Vec<Steps>; 2] = [false, true].map(all);
        all[1].iter_mut().flat_map(|steps| &mut steps.weight).for_each(|weight| *weight *= tuning.chroma);
        let flat = BlockSize::transforms().zip(&all[0]).map(|(size, with_matrix)| {
            // A sample has a share in all frequencies.
            let mean = with_matrix.weight.iter().sum::<f32>() / with_matrix.weight.len() as f32;
            // There are no larger ones in intra blocks.
            let mut flat = if size.longest() <= 4 { steps(size, index, None) } else { Steps::default() };
            flat.weight = vec![mean; flat.step.len().max(1)];
            flat
        });
        Self { flat: flat.collect(), steps: all }
    }

    pub(super) fn steps(&self, is_chroma: bool, size: BlockSize, tx_type: TxType) -> &Steps {
        if tx_type == TxType::IDENTITY {
            return &self.flat[size.transform_index()];
        }
        &self.steps[usize::from(is_chroma)][size.transform_index()]
    }
}

/// The quantizer step of a `qindex`, in sample values.
pub(super) fn step_of_samples(index: u8) -> f32 {
    f32::from(AC_QUANTIZER[0][usize::from(index)]) / 8.0
}

/// The `qindex` with the step nearest to that of `index` divided by `ratio`.
pub(super) fn finer(index: u8, ratio: f32) -> u8 {
    let target = f32::from(AC_QUANTIZER[0][usize::from(index)]) / ratio;
    AC_QUANTIZER[0].partition_point(|step| f32::from(*step) < target).min(index.into()) as u8
}

fn steps(size: BlockSize, index: u8, matrix: Option<Vec<u8>>) -> Steps {
    let coded = size.coded();
    let entry = |i: usize| f32::from(matrix.as_ref().map_or(NEUTRAL, |matrix| matrix[i]));
    // A transform of 64 samples uses a matrix of 32, which represents the lower half of the frequencies.
    let shown = |i: usize| {
        let (x, y) = (i % coded.width(), i / coded.width());
        (y >> (size.h / 6)) * coded.width() + (x >> (size.w / 6))
    };
    let mut steps = Steps::default();
    for i in 0..coded.area() {
        let table = if i == 0 { &DC_QUANTIZER[0] } else { &AC_QUANTIZER[0] };
        let step = (f32::from(table[usize::from(index)]) * entry(i) / 32.0 + 0.5).floor();
        steps.step.push(step);
        steps.inverse.push(1.0 / step);
        // Transforms are scaled by 8.
        steps.weight.push((f32::from(NEUTRAL) / entry(shown(i))).powi(2) / 64.0);
    }
    steps
}
