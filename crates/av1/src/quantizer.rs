//! Quantizer steps (7.12.2, 7.12.3), and the weights of quantization errors.

use super::matrices::MATRICES;
use super::size::BlockSize;
use super::tables::{AC_QUANTIZER, DC_QUANTIZER};

/// `Qm_Offset` (9.5.2): the offset of the matrix of each transform size.
const OFFSETS: [usize; 19] =
    [0, 16, 80, 336, 336, 1360, 1392, 1424, 1552, 1680, 2192, 336, 336, 2704, 2768, 2832, 3088, 1680, 2192];

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
}

impl Quantizer {
    /// Creates the quantizer for a `qindex`; with matrices, or with the same step for all frequencies.
    pub(super) fn new(index: u8, with_matrices: bool) -> Self {
        let steps =
            |matrix| BlockSize::transforms().map(|size| steps(size, index, with_matrices.then_some(matrix))).collect();
        Self { steps: MATRICES.each_ref().map(steps) }
    }

    pub(super) fn steps(&self, is_chroma: bool, size: BlockSize) -> &Steps {
        &self.steps[usize::from(is_chroma)][size.transform_index()]
    }
}

/// The quantizer step of a `qindex`, in sample values.
pub(super) fn step_of_samples(index: u8) -> f32 {
    f32::from(AC_QUANTIZER[usize::from(index)]) / 8.0
}

/// The `qindex` with the step nearest to that of `index` divided by `ratio`.
pub(super) fn finer(index: u8, ratio: f32) -> u8 {
    let target = f32::from(AC_QUANTIZER[usize::from(index)]) / ratio;
    AC_QUANTIZER.partition_point(|step| f32::from(*step) < target).min(index.into()) as u8
}

fn steps(size: BlockSize, index: u8, matrix: Option<&[u8; 3344]>) -> Steps {
    let coded = size.coded();
    let entry = |i: usize| f32::from(matrix.map_or(NEUTRAL, |matrix| matrix[OFFSETS[size.transform_index()] + i]));
    // A transform of 64 samples uses a matrix of 32, which represents the lower half of the frequencies.
    let shown = |i: usize| {
        let (x, y) = (i % coded.width(), i / coded.width());
        (y >> (size.h / 6)) * coded.width() + (x >> (size.w / 6))
    };
    let mut steps = Steps::default();
    for i in 0..coded.area() {
        let table = if i == 0 { &DC_QUANTIZER } else { &AC_QUANTIZER };
        let step = (f32::from(table[usize::from(index)]) * entry(i) / 32.0 + 0.5).floor();
        steps.step.push(step);
        steps.inverse.push(1.0 / step);
        // Transforms are scaled by 8.
        steps.weight.push((f32::from(NEUTRAL) / entry(shown(i))).powi(2) / 64.0);
    }
    steps
}
