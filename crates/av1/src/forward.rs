//! Forward transforms: orthonormal transforms, times the factor of 8 of dequantized coefficients (7.13.3).
//!
//! The decoder does not depend on them, so they are matrix products in floating point, which compilers vectorize.

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::inverse::TxType;
use super::size::BlockSize;

/// The scale of coefficients relative to an orthonormal transform.
const SCALE: f32 = 8.0;

/// A basis matrix and its transpose.
struct Basis {
    /// By frequency, then by sample.
    rows: Vec<f32>,
    /// By sample, then by frequency.
    columns: Vec<f32>,
}

impl Basis {
    fn new(log2: u32, weight: impl Fn(f32, f32) -> f32) -> Self {
        let (samples, coded) = (1 << log2, 1 << log2.min(5));
        let rows = (0..coded * samples).map(|i| weight((i / samples) as f32, (i % samples) as f32)).collect();
        let columns = (0..coded * samples).map(|i| weight((i % coded) as f32, (i / coded) as f32)).collect();
        Self { rows, columns }
    }
}

/// The DCT bases for 4 to 64 samples.
static DCT: LazyLock<[Basis; 5]> = LazyLock::new(|| {
    [2, 3, 4, 5, 6].map(|log2| {
        let n = (1 << log2) as f32;
        Basis::new(log2, |k, i| {
            let norm = if k == 0.0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
            norm * (PI * (2.0 * i + 1.0) * k / (2.0 * n)).cos()
        })
    })
});

/// The ADST bases: type VII for 4 samples, type IV for 8 and 16.
static ADST: LazyLock<[Basis; 3]> = LazyLock::new(|| {
    [2, 3, 4].map(|log2| {
        let n = (1 << log2) as f32;
        Basis::new(log2, |k, i| match log2 {
            2 => 2.0 / 3.0 * (PI * (2.0 * k + 1.0) * (i + 1.0) / 9.0).sin(),
            _ => (2.0 / n).sqrt() * (PI * (2.0 * i + 1.0) * (2.0 * k + 1.0) / (4.0 * n)).sin(),
        })
    })
});

fn basis(log2: u8, adst: bool) -> &'static Basis {
    let index = usize::from(log2) - 2;
    if adst { &ADST[index] } else { &DCT[index] }
}

/// Transforms differences, row by row, to the coefficients of the coded part, row by row.
pub(super) fn transform(differences: &[f32], size: BlockSize, tx_type: TxType, coefficients: &mut [f32]) {
    if tx_type == TxType::IDENTITY {
        for (coefficient, difference) in coefficients.iter_mut().zip(differences) {
            *coefficient = difference * SCALE;
        }
        return;
    }
    match size.w {
        2 => transform_wide::<4, 4>(differences, size, tx_type, coefficients),
        3 => transform_wide::<8, 8>(differences, size, tx_type, coefficients),
        4 => transform_wide::<16, 16>(differences, size, tx_type, coefficients),
        5 => transform_wide::<32, 32>(differences, size, tx_type, coefficients),
        _ => transform_wide::<64, 32>(differences, size, tx_type, coefficients),
    }
}

/// [`transform`] for a width of `W`, of which `C` coefficients are coded.
#[inline(always)]
fn transform_wide<const W: usize, const C: usize>(
    differences: &[f32],
    size: BlockSize,
    tx_type: TxType,
    coefficients: &mut [f32],
) {
    let (vertical, horizontal) = (basis(size.h, tx_type.columns_are_adst()), basis(size.w, tx_type.rows_are_adst()));
    let (lines, columns) = (differences.as_chunks::<W>().0, horizontal.columns.as_chunks::<C>().0);
    for (weights, out) in vertical.rows.chunks_exact(size.height()).zip(coefficients.as_chunks_mut::<C>().0) {
        let mut row = [0.0; W];
        for (weight, line) in weights.iter().zip(lines) {
            for (sum, value) in row.iter_mut().zip(line) {
                *sum += value * weight;
            }
        }
        let mut sums = [0.0; C];
        for (value, weights) in row.iter().zip(columns) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        *out = sums.map(|sum| sum * SCALE);
    }
}
