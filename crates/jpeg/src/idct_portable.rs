//! The inverse DCT in portable Rust, for targets without a specialized version, and as a reference in tests.

use super::idct::{
    BETWEEN, Block, EVEN, FIVE_EVEN, FIVE_ODD, FRACTION, GAIN, HALF_EVEN, HALF_ODD, ODD, THREE_EVEN, THREE_ODD,
};

/// Writes the 8x8 samples of a block. `out` begins at its first sample; `stride` is the stride of a row.
pub(super) fn full(block: &Block, out: &mut [u8], stride: usize) {
    transform(block, out, stride, eight_points);
}

/// Writes the 5x5 samples of a block.
pub(super) fn five(block: &Block, out: &mut [u8], stride: usize) {
    transform(block, out, stride, five_points);
}

/// Writes the 3x3 samples of a block.
pub(super) fn three(block: &Block, out: &mut [u8], stride: usize) {
    transform(block, out, stride, three_points);
}

/// Writes the 4x4 samples of a block.
pub(super) fn half(block: &Block, out: &mut [u8], stride: usize) {
    transform(block, out, stride, four_points);
}

/// Transforms the columns of the first `N` rows and columns, then the rows.
fn transform<const N: usize>(
    block: &Block,
    out: &mut [u8],
    stride: usize,
    one_dimension: impl Fn([i16; N]) -> [i32; N],
) {
    let mut rows = [[0i16; N]; N];
    for x in 0..N {
        let column = one_dimension(std::array::from_fn(|v| block[v * 8 + x]));
        for (row, value) in rows.iter_mut().zip(column) {
            row[x] = descale(value, FRACTION - BETWEEN);
        }
    }
    for (y, row) in rows.into_iter().enumerate() {
        let samples = one_dimension(row).map(|value| descale(value, FRACTION + BETWEEN + GAIN));
        for (out, sample) in out[y * stride..][..N].iter_mut().zip(samples) {
            *out = sample.saturating_add(128).clamp(0, 255) as u8;
        }
    }
}

/// Removes fraction bits with rounding. Values that do not fit are invalid and saturate, as in vector instructions.
fn descale(value: i32, bits: u32) -> i16 {
    (value.wrapping_add(1 << (bits - 1)) >> bits).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// A transform scaled by the square root of 8 and by the constants' fixed-point factor. Sums wrap, as above.
fn eight_points(x: [i16; 8]) -> [i32; 8] {
    let even = |low: i32, factors: [i16; 2]| low.wrapping_add(dot([x[2], x[6]], factors));
    let (sum, difference) =
        (dot([x[0], x[4]], [1 << FRACTION; 2]), dot([x[0], x[4]], [1 << FRACTION, -(1 << FRACTION)]));
    let a = [even(sum, EVEN[0]), even(difference, EVEN[1])];
    // The other two are equal except for the sign of the contribution.
    let a = [a[0], a[1], difference.wrapping_mul(2).wrapping_sub(a[1]), sum.wrapping_mul(2).wrapping_sub(a[0])];
    let b = ODD.map(|factors| dot([x[1], x[3], x[5], x[7]], factors));
    std::array::from_fn(|i| if i < 4 { a[i].wrapping_add(b[i]) } else { a[7 - i].wrapping_sub(b[7 - i]) })
}

/// The same with four points.
fn four_points(x: [i16; 4]) -> [i32; 4] {
    let a = [dot([x[0], x[2]], [1 << FRACTION, HALF_EVEN]), dot([x[0], x[2]], [1 << FRACTION, -HALF_EVEN])];
    let b = HALF_ODD.map(|factors| dot([x[1], x[3]], factors));
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[1].wrapping_sub(b[1]), a[0].wrapping_sub(b[0])]
}

/// The same with five points.
fn five_points(x: [i16; 5]) -> [i32; 5] {
    let a = FIVE_EVEN.map(|[two, four]| dot([x[0], x[2], x[4]], [1 << FRACTION, two, four]));
    let b = FIVE_ODD.map(|factors| dot([x[1], x[3]], factors));
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[2], a[1].wrapping_sub(b[1]), a[0].wrapping_sub(b[0])]
}

/// The same with three points.
fn three_points(x: [i16; 3]) -> [i32; 3] {
    let [outer, middle] = THREE_EVEN.map(|two| dot([x[0], x[2]], [1 << FRACTION, two]));
    let odd = dot([x[1]], [THREE_ODD]);
    [outer.wrapping_add(odd), middle, outer.wrapping_sub(odd)]
}

fn dot<const N: usize>(x: [i16; N], factors: [i16; N]) -> i32 {
    x.iter().zip(factors).fold(0, |sum, (&x, factor)| sum.wrapping_add(i32::from(x) * i32::from(factor)))
}
