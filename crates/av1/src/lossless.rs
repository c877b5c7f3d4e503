//! Lossless blocks: the Walsh-Hadamard transform of 4 by 4 samples (7.13.2.10), whose coefficients are the levels.

use super::coefficients::{Levels, SCANS};
use super::sample::Sample;
use super::size::BlockSize;

/// The transform size of lossless blocks.
pub(super) const SIZE: BlockSize = BlockSize::square(2);

/// The levels of differences, row by row.
pub(super) fn levels(differences: &[i32; 16]) -> Levels {
    let mut values = *differences;
    for column in 0..4 {
        let at = |row: usize| row * 4 + column;
        forward(&mut values, [at(0), at(1), at(2), at(3)]);
    }
    for row in 0..4 {
        forward(&mut values, [row * 4, row * 4 + 1, row * 4 + 2, row * 4 + 3]);
    }
    let mut levels: Vec<i16> =
        SCANS[SIZE.transform_index()].iter().map(|position| values[usize::from(*position)] as i16).collect();
    levels.truncate(levels.iter().rposition(|level| *level != 0).map_or(0, |last| last + 1));
    Levels(levels)
}

/// Adds the residuals that levels represent to samples.
pub(super) fn add(levels: &Levels, samples: &mut [u8], stride: usize) {
    let mut values = [0; 16];
    for (level, position) in levels.0.iter().zip(&SCANS[SIZE.transform_index()]) {
        values[usize::from(*position)] = i32::from(*level);
    }
    add_values(&mut values, 8, samples, stride);
}

/// Adds the residuals of coefficients, row by row and without the quantizer's step of 4, to samples.
pub(super) fn add_values<S: Sample>(values: &mut [i32; 16], depth: u32, samples: &mut [S], stride: usize) {
    for row in 0..4 {
        inverse(values, [row * 4, row * 4 + 1, row * 4 + 2, row * 4 + 3]);
    }
    for column in 0..4 {
        let at = |row: usize| row * 4 + column;
        inverse(values, [at(0), at(1), at(2), at(3)]);
    }
    for (line, values) in samples.chunks_mut(stride).zip(values.chunks_exact(4)) {
        for (sample, value) in line.iter_mut().zip(values) {
            *sample = S::clamped(Into::<i32>::into(*sample).saturating_add(*value), depth);
        }
    }
}

/// The inverse of [`inverse`].
fn forward(values: &mut [i32; 16], at: [usize; 4]) {
    let [mut a, mut b, mut c, mut d] = at.map(|i| values[i]);
    a += b;
    d -= c;
    let e = (a - d) >> 1;
    b = e - b;
    c = e - c;
    a -= c;
    d += b;
    for (i, value) in at.into_iter().zip([a, c, d, b]) {
        values[i] = value;
    }
}

/// The inverse Walsh-Hadamard transform process, without the shift for the quantizer's step of 4.
fn inverse(values: &mut [i32; 16], at: [usize; 4]) {
    let [mut a, mut c, mut d, mut b] = at.map(|i| values[i]);
    a += c;
    d -= b;
    let e = (a - d) >> 1;
    b = e - b;
    c = e - c;
    a -= b;
    d += c;
    for (i, value) in at.into_iter().zip([a, b, c, d]) {
        values[i] = value;
    }
}
