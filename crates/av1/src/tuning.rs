//! Constants that photographs and drawings have their own values of. NOTES.md has the measurements.

/// How a kind of picture is quantized, and what decisions about it weigh.
pub(super) struct Tuning {
    /// The levels of the quantizer matrices of luma and of chroma, from 0, the steepest, to 14; 15 stands for none.
    pub(super) matrices: [u8; 2],
    /// How much a squared error of chroma counts, relative to one of luma.
    pub(super) chroma: f32,
    /// The share by which steps of superblocks get finer for each halving of the variance.
    pub(super) boost: f32,
    /// The weight of a bit in SATD costs: the square root of its weight in squared errors, times this.
    pub(super) guess: f32,
}

impl Tuning {
    pub(super) const PHOTOGRAPHS: Self = Self { matrices: [2, 6], chroma: 1.6, boost: 0.1, guess: 0.45 };
    pub(super) const DRAWINGS: Self = Self { matrices: [2; 2], chroma: 1.0, boost: 0.14, guess: 0.6 };
}
