//! Inverse transforms in 16 bits (7.13.2), for samples of 8 bits.
//!
//! Their results are those of [`inverse`](crate::inverse), which has 32 bits, where no value can be out of range.

use super::lanes::Lanes;
use crate::inverse::{self, Kind, Shape, TxType, cosine, reversed};
use crate::sample::Sample;

/// The number of rows or columns that are transformed at once.
const LANES: usize = 8;

/// Buffers for a transform block. What they hold between blocks does not matter.
pub(super) struct Space {
    /// Bands of transformed rows, column by column.
    bands: [[Lanes; 64]; 4],
    lanes: [Lanes; 64],
}

impl Space {
    pub(super) fn new() -> Self {
        Self { bands: [[Lanes::splat(0); 64]; 4], lanes: [Lanes::splat(0); 64] }
    }
}

/// Inverse transforms with their buffers.
pub(crate) struct Transforms {
    narrow: Box<Space>,
    /// For values that may not fit 16 bits.
    wide: Box<inverse::Space>,
}

impl Transforms {
    pub(crate) fn new() -> Self {
        Self { narrow: Box::new(Space::new()), wide: Box::new(inverse::Space::new()) }
    }

    /// Adds the residual of `coefficients`, whose magnitudes sum up to `magnitude`, to samples (7.13.3). `coefficients` are
    /// those of the coded part, column by column, and zero afterwards.
    pub(crate) fn add<S: Sample>(
        &mut self,
        coefficients: &mut [i32],
        shape: Shape,
        magnitude: u32,
        samples: &mut [S],
        stride: usize,
    ) {
        let may_be_constant = (shape.tx_type, shape.rows) == (TxType::DCT, 1);
        if shape.depth == 8 && fits(shape.tx_type, magnitude) && !may_be_constant {
            add(coefficients, shape, samples, stride, &mut self.narrow);
        } else {
            inverse::add(coefficients, shape, samples, stride, &mut self.wide);
        }
    }
}

/// Whether every value is in range if the magnitudes of all coefficients sum up to this.
///
/// A coefficient's part of a value is at most itself, which the factors of butterflies multiply to, but for identity
/// transforms, which make it up to four times as large with both directions and shifts. Rounding adds a few units.
pub(super) fn fits(tx_type: TxType, sum: u32) -> bool {
    sum <= if [tx_type.rows(), tx_type.columns()].contains(&Kind::Identity) { 8000 } else { 32_000 }
}

/// Adds the residual of `coefficients` to samples of 8 bits (7.13.3). `coefficients` are those of the coded part, column
/// by column, and zero afterwards.
pub(super) fn add<S: Sample>(
    coefficients: &mut [i32],
    shape: Shape,
    samples: &mut [S],
    stride: usize,
    space: &mut Space,
) {
    let Shape { size, tx_type, rows, .. } = shape;
    let (width, height, coded) = (size.width(), size.height(), size.coded());
    let (row_shift, is_oblong) = (shape.row_shift() as i32, shape.is_oblong());
    let count = rows.div_ceil(LANES);
    let bands = &mut space.bands[..count];
    for (band, lanes) in bands.iter_mut().enumerate() {
        let (top, lanes) = (band * LANES, &mut lanes[..width]);
        let (filled, empty) = lanes.split_at_mut(coded.width());
        for (lane, column) in filled.iter_mut().zip(coefficients.chunks_exact_mut(coded.height())) {
            let column = &mut column[top..(top + LANES).min(coded.height())];
            *lane = Lanes::nearest(match column.first_chunk_mut::<LANES>() {
                Some(column) => std::mem::take(column),
                None => {
                    let mut values = [0; LANES];
                    values[..column.len()].swap_with_slice(column);
                    values
                }
            });
            if is_oblong {
                *lane = scaled(*lane, 2896);
            }
        }
        empty.fill(Lanes::splat(0));
        transform(lanes, size.w, tx_type.rows());
        if row_shift > 0 {
            for lane in lanes {
                *lane = lane.plus(Lanes::splat(1 << (row_shift - 1))).shifted_right(row_shift);
            }
        }
    }
    let lanes = &mut space.lanes[..height];
    for left in (0..width).step_by(LANES) {
        let across = LANES.min(width - left);
        let (filled, empty) = lanes.split_at_mut((count * LANES).min(height));
        for (band, rows) in bands.iter().zip(filled.chunks_mut(LANES)) {
            let square = transposed(band[left..].first_chunk().unwrap_or(&[Lanes::splat(0); LANES]));
            rows.copy_from_slice(&square[..rows.len()]);
        }
        empty.fill(Lanes::splat(0));
        transform(lanes, size.h, tx_type.columns());
        for (line, lane) in samples.chunks_mut(stride).zip(&*lanes) {
            let line = &mut line[left..left + across];
            match line.first_chunk_mut::<LANES>() {
                Some(line) => add_lane(line, *lane),
                None => add_lane(line, *lane),
            }
        }
    }
}

#[inline(always)]
fn add_lane<S: Sample>(line: &mut [S], lane: Lanes) {
    let residuals = lane.plus(Lanes::splat(1 << 3)).shifted_right(4).to_array();
    for (sample, residual) in line.iter_mut().zip(residuals) {
        // Both have 12 bits at most.
        let sum = Into::<u16>::into(*sample) as i16 + residual;
        *sample = S::of(sum.clamp(0, 255).into());
    }
}

/// Rows become columns: three times, the first and the last four rows are interleaved.
#[inline(always)]
fn transposed(rows: &[Lanes; LANES]) -> [Lanes; LANES] {
    let mut rows = *rows;
    for _ in 0..3 {
        let [a, b, c, d, e, f, g, h] = rows;
        let [[a, b], [c, d], [e, f], [g, h]] = [a.interleaved(e), b.interleaved(f), c.interleaved(g), d.interleaved(h)];
        rows = [a, b, c, d, e, f, g, h];
    }
    rows
}

#[inline(always)]
fn scaled(lane: Lanes, factor: i16) -> Lanes {
    Lanes::combined([lane, Lanes::splat(0)], [factor, 0])
}

/// Transforms as many lanes as `1 << log2`.
fn transform(t: &mut [Lanes], log2: u8, kind: Kind) {
    match log2 {
        2 => transform_of::<4>(t, kind),
        3 => transform_of::<8>(t, kind),
        4 => transform_of::<16>(t, kind),
        5 => transform_of::<32>(t, kind),
        _ => transform_of::<64>(t, kind),
    }
}

#[inline(always)]
fn transform_of<const N: usize>(t: &mut [Lanes], kind: Kind) {
    let Some(t) = t.first_chunk_mut::<N>() else { return };
    match kind {
        Kind::Dct => dct(t),
        Kind::Adst | Kind::Flipped => {
            match N {
                4 => adst4(t),
                8 => adst::<8>(t),
                // There is none of 32.
                _ => adst::<16>(t),
            }
            if kind == Kind::Flipped {
                t.reverse();
            }
        }
        Kind::Identity => identity(t),
    }
}

/// The inverse identity transform process (7.13.2.15).
#[inline(always)]
fn identity<const N: usize>(t: &mut [Lanes; N]) {
    for lane in t {
        *lane = match N {
            4 => scaled(*lane, 5793),
            8 => lane.shifted_left(1),
            16 => scaled(*lane, 11586),
            _ => lane.shifted_left(2),
        };
    }
}

/// `cos128(angle)`.
static COSINES: [i16; 256] = {
    let mut cosines = [0; 256];
    let mut angle = 0;
    while angle < 256 {
        cosines[angle] = cosine(angle as i32) as i16;
        angle += 1;
    }
    cosines
};

/// `B(a, b, angle, flip)`: a butterfly rotation.
#[inline(always)]
fn rotate(t: &mut [Lanes], a: usize, b: usize, angle: usize, flip: bool) {
    // The sine is the cosine three quarters of a turn on.
    let [cos, sin] = [angle, angle + 192].map(|angle| COSINES[angle % 256]);
    let terms = [t[a], t[b]];
    let (x, y) = (Lanes::combined(terms, [cos, -sin]), Lanes::combined(terms, [sin, cos]));
    (t[a], t[b]) = if flip { (y, x) } else { (x, y) };
}

/// `H(a, b, flip)`: a Hadamard rotation, sum and difference.
#[inline(always)]
fn hadamard(t: &mut [Lanes], a: usize, b: usize, flip: bool) {
    let (a, b) = if flip { (b, a) } else { (a, b) };
    (t[a], t[b]) = (t[a].plus(t[b]), t[a].minus(t[b]));
}

/// The angle of the `i`th of rotations whose angles share a turn: `count` of them, or one half.
#[inline(always)]
fn angle(twice_count: usize, i: usize) -> usize {
    64 - 32 / twice_count - (128 / twice_count) * reversed(twice_count.ilog2().saturating_sub(1), i)
}

/// The inverse DCT process (7.13.2.3). The first half of the values, in the order of reversed bits, is a DCT of half the
/// length; the second half goes through rotations between sums and differences in groups of 2, 4 and so on.
#[inline(always)]
fn dct<const N: usize>(t: &mut [Lanes; N]) {
    let copy = *t;
    for (i, lane) in t.iter_mut().enumerate() {
        *lane = copy[reversed(N.ilog2(), i)];
    }
    rotate(t, 0, 1, 32, true);
    if N >= 4 {
        extend::<2>(t);
    }
    if N >= 8 {
        extend::<4>(t);
    }
    if N >= 16 {
        extend::<8>(t);
    }
    if N >= 32 {
        extend::<16>(t);
    }
    if N >= 64 {
        extend::<32>(t);
    }
}

/// From the DCT of `HALF` values to one of twice as many.
#[inline(always)]
fn extend<const HALF: usize>(t: &mut [Lanes]) {
    let last = 2 * HALF - 1;
    for i in 0..HALF / 2 {
        rotate(t, HALF + i, last - i, angle(HALF, i), false);
    }
    let mut group = 2;
    while group < HALF {
        for i in 0..HALF / group {
            for j in 0..group / 2 {
                let first = HALF + group * i;
                hadamard(t, first + j, first + group - 1 - j, i & 1 != 0);
            }
        }
        let twice_count = HALF / (2 * group);
        for i in 0..twice_count.div_ceil(2) {
            for j in 0..if twice_count > 1 { group } else { group / 2 } {
                let (from, turn) = (group / 2 + 2 * group * i + j, if j < group / 2 { 0 } else { 64 });
                rotate(t, last - from, HALF + from, angle(twice_count, i) + turn, true);
            }
        }
        group *= 2;
    }
    for i in 0..HALF {
        hadamard(t, i, last - i, false);
    }
}

/// The inverse ADST4 process (7.13.2.6), whose basis is sin((2k + 1)(n + 1)π / 9).
#[inline(always)]
fn adst4(t: &mut [Lanes]) {
    const FACTORS: [[i16; 4]; 4] =
        [[1321, 3344, 3803, 2482], [2482, 3344, -1321, -3803], [3344, 0, -3344, 3344], [3803, -3344, 2482, -1321]];
    let Some(t) = t.first_chunk_mut::<4>() else { return };
    *t = FACTORS.map(|factors| Lanes::combined_4(*t, factors));
}

/// The inverse ADST8 and ADST16 processes (7.13.2.7, 7.13.2.8), and their permutations (7.13.2.4, 7.13.2.5).
#[inline(always)]
fn adst<const N: usize>(t: &mut [Lanes]) {
    let Some(t) = t.first_chunk_mut::<N>() else { return };
    let copy = *t;
    for (i, lane) in t.iter_mut().enumerate() {
        *lane = copy[if i & 1 != 0 { i - 1 } else { N - i - 1 }];
    }
    for i in 0..N / 2 {
        rotate(t, 2 * i, 2 * i + 1, 64 - 32 / N - 128 / N * i, true);
    }
    for i in 0..N / 2 {
        hadamard(t, i, N / 2 + i, false);
    }
    if N == 16 {
        for i in 0..2 {
            rotate(t, 8 + 2 * i, 9 + 2 * i, 56 - 32 * i, true);
            rotate(t, 13 + 2 * i, 12 + 2 * i, 8 + 32 * i, true);
        }
        for i in 0..4 {
            for j in 0..2 {
                hadamard(t, 8 * j + i, 4 + 8 * j + i, false);
            }
        }
    }
    for i in 0..2 {
        for j in 0..N / 8 {
            rotate(t, 4 + 8 * j + 3 * i, 5 + 8 * j + i, 48 - 32 * i, true);
        }
    }
    for i in 0..2 {
        for j in 0..N / 4 {
            hadamard(t, 4 * j + i, 2 + 4 * j + i, false);
        }
    }
    for i in 0..N / 4 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    let copy = *t;
    for (i, lane) in t.iter_mut().enumerate() {
        let gray = i ^ i >> 1;
        let from = copy[reversed(N.ilog2(), gray)];
        *lane = if i & 1 != 0 { Lanes::splat(0).minus(from) } else { from };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inverse;
    use crate::size::BlockSize;

    #[test]
    fn results_are_those_of_32_bits() {
        let mut state = 1u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((u64::from(state) * u64::from(below)) >> 32) as u32
        };
        let (mut space, mut wide) = (Space::new(), inverse::Space::new());
        for size in BlockSize::transforms() {
            for tx_type in (0..16).map(TxType) {
                let longest = size.longest();
                let kinds = [tx_type.rows(), tx_type.columns()];
                if longest > 5 && tx_type != TxType::DCT
                    || longest > 4 && kinds.iter().any(|kind| !matches!(kind, Kind::Dct | Kind::Identity))
                {
                    continue;
                }
                let most = if kinds.contains(&Kind::Identity) { 8000 } else { 32_000 };
                assert!(fits(tx_type, most) && !fits(tx_type, most + 1));
                let (coded, width) = (size.coded(), size.width());
                for round in 0..40 {
                    let rows = 1 + next(coded.height() as u32) as usize;
                    let mut coefficients = vec![0; coded.area()];
                    // One is as large as it may be, or many share the sum.
                    let count = if round % 2 == 0 { 1 } else { 1 + next(100) as i32 };
                    let mut left = most as i32;
                    for _ in 0..count {
                        let at = next(coded.width() as u32) as usize * coded.height() + next(rows as u32) as usize;
                        if coefficients[at] == 0 {
                            let value = (most as i32 / count).min(left);
                            left -= value;
                            coefficients[at] = if next(2) == 0 { value } else { -value };
                        }
                    }
                    let mut samples: Vec<u8> = (0..size.area()).map(|_| next(256) as u8).collect();
                    let mut expected = samples.clone();
                    let mut copy = coefficients.clone();
                    let shape = Shape { size, tx_type, rows, depth: 8 };
                    inverse::add(&mut copy, shape, &mut expected, width, &mut wide);
                    add(&mut coefficients, shape, &mut samples, width, &mut space);
                    assert_eq!(samples, expected, "{size:?} {tx_type:?} {round}");
                    assert!(coefficients.iter().all(|value| *value == 0));
                }
            }
        }
    }
}
