//! The inverse transforms (RFC 6386, section 14).
//!
//! They work in 16 bits, as libwebp's vector code does: what an encoder writes fits, and for what does not, any picture
//! is as good as another.

use super::workspace::{Block, STRIDE};

/// Section 14.3: from the coefficients of luma's DC coefficients to the first coefficient of each block. With `full`
/// unset, only the first of `input` is not zero.
#[inline(always)]
pub(super) fn inverse_walsh_hadamard(input: &[i16; 16], full: bool, blocks: &mut [[i16; 16]; 24]) {
    if !full {
        let dc = ((i32::from(input[0]) + 3) >> 3) as i16;
        for block in &mut blocks[..16] {
            block[0] = dc;
        }
        return;
    }
    let mut columns = [[0; 4]; 4];
    for i in 0..4 {
        let at = |row: usize| i32::from(input[4 * row + i]);
        let (a0, a1, a2, a3) = (at(0) + at(3), at(1) + at(2), at(1) - at(2), at(0) - at(3));
        columns[0][i] = a0 + a1;
        columns[1][i] = a3 + a2;
        columns[2][i] = a0 - a1;
        columns[3][i] = a3 - a2;
    }
    for (row, four) in columns.iter().zip(blocks.as_chunks_mut::<4>().0) {
        let dc = row[0] + 3;
        let (a0, a1, a2, a3) = (dc + row[3], row[1] + row[2], row[1] - row[2], dc - row[3]);
        for (block, value) in four.iter_mut().zip([a0 + a1, a3 + a2, a0 - a1, a3 - a2]) {
            block[0] = (value >> 3) as i16;
        }
    }
}

/// `x * sqrt(2) * cos(pi / 8)`.
#[inline(always)]
fn times_cos(x: i16) -> i16 {
    x.wrapping_add(((i32::from(x) * 20_091) >> 16) as i16)
}

/// `x * sqrt(2) * sin(pi / 8)`: the factor of 35468 / 65536 does not fit 16 bits with a sign.
#[inline(always)]
fn times_sin(x: i16) -> i16 {
    x.wrapping_add(((i32::from(x) * (35_468 - 65_536)) >> 16) as i16)
}

/// The four-point transform, of four columns at once.
#[inline(always)]
fn transform_columns(rows: &[[i16; 4]; 4], rounding: i16) -> [[i16; 4]; 4] {
    let mut out = [[0i16; 4]; 4];
    for i in 0..4 {
        let dc = rows[0][i].wrapping_add(rounding);
        let a = dc.wrapping_add(rows[2][i]);
        let b = dc.wrapping_sub(rows[2][i]);
        let c = times_sin(rows[1][i]).wrapping_sub(times_cos(rows[3][i]));
        let d = times_cos(rows[1][i]).wrapping_add(times_sin(rows[3][i]));
        out[0][i] = a.wrapping_add(d);
        out[1][i] = b.wrapping_add(c);
        out[2][i] = b.wrapping_sub(c);
        out[3][i] = a.wrapping_sub(d);
    }
    out
}

#[inline(always)]
fn transposed(rows: &[[i16; 4]; 4]) -> [[i16; 4]; 4] {
    let [a, b, c, d] = *rows;
    [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]
}

/// Section 14.4: adds the inverse DCT of `coefficients` to the samples of `block`.
#[inline(always)]
pub(super) fn add_inverse_dct(coefficients: &[i16; 16], block: &mut Block) {
    let &[a, b, c, d] = coefficients.as_chunks::<4>().0 else { return };
    let columns = transform_columns(&[a, b, c, d], 0);
    let rows = transposed(&transform_columns(&transposed(&columns), 4));
    for (y, row) in rows.iter().enumerate() {
        for (sample, value) in block[STRIDE * (y + 1) + 1..][..4].iter_mut().zip(row) {
            *sample = add(*sample, value >> 3);
        }
    }
}

/// The same for a block of which only the first coefficient is not zero.
#[inline(always)]
pub(super) fn add_dc(dc: i16, block: &mut Block) {
    let value = dc.wrapping_add(4) >> 3;
    for y in 0..4 {
        for sample in &mut block[STRIDE * (y + 1) + 1..][..4] {
            *sample = add(*sample, value);
        }
    }
}

#[inline(always)]
fn add(sample: u8, value: i16) -> u8 {
    // No overflow: the value was shifted right by three bits.
    (i16::from(sample) + value).clamp(0, 255) as u8
}
