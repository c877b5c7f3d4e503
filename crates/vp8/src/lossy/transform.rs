//! The inverse transforms (RFC 6386, section 14).
//!
//! A row of four blocks is transformed together, so that vector instructions process sixteen values. The arithmetic has
//! 16 bits, as in libwebp's vector code: values from an encoder fit, and for others the result is arbitrary.

use super::workspace::{Block, STRIDE};

/// Four adjacent blocks: four rows of sixteen coefficients, or of residuals after the transform.
pub(super) type BlockRow = [[i16; 16]; 4];

/// Section 14.3: from the coefficients of the DC block to the first coefficient of each luma block. Unless `is_full`,
/// only the first value of `input` is not zero.
#[inline(always)]
pub(super) fn inverse_walsh_hadamard(input: &[i16; 16], is_full: bool, rows: &mut [BlockRow]) {
    if !is_full {
        let dc = ((i32::from(input[0]) + 3) >> 3) as i16;
        for row in rows {
            [row[0][0], row[0][4], row[0][8], row[0][12]] = [dc; 4];
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
    for (column, row) in columns.iter().zip(rows) {
        let dc = column[0] + 3;
        let (a0, a1, a2, a3) = (dc + column[3], column[1] + column[2], column[1] - column[2], dc - column[3]);
        [row[0][0], row[0][4], row[0][8], row[0][12]] =
            [a0 + a1, a3 + a2, a0 - a1, a3 - a2].map(|value| (value >> 3) as i16);
    }
}

/// Section 14.4: the inverse DCT.
#[inline(always)]
pub(super) fn inverse_dct(coefficients: &BlockRow) -> BlockRow {
    let columns = transposed(transform_columns(coefficients, 0));
    let mut rows = transposed(transform_columns(&columns, 4));
    for value in rows.as_flattened_mut() {
        *value >>= 3;
    }
    rows
}

/// The inverse DCT where only the first coefficient of each block may differ from 0: the first row is given.
#[inline(always)]
pub(super) fn inverse_dct_of_first(first: [i16; 16]) -> BlockRow {
    [std::array::from_fn(|i| first[i / 4 * 4].wrapping_add(4) >> 3); 4]
}

/// The four-point transform of sixteen columns.
#[inline(always)]
fn transform_columns(rows: &BlockRow, rounding: i16) -> BlockRow {
    let mut out = [[0; 16]; 4];
    for i in 0..16 {
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

/// Transposes each of the four blocks, first by quarters, then within each quarter.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "two rows of one array")]
fn transposed(rows: BlockRow) -> BlockRow {
    // An integer is a row of one block, in native byte order, which the swaps do not depend on.
    let mut rows: [[u64; 4]; 4] = bytemuck::cast(rows);
    for (high, low, shift, mask) in [
        (0, 2, 32, 0x0000_0000_ffff_ffff),
        (1, 3, 32, 0x0000_0000_ffff_ffff),
        (0, 1, 16, 0x0000_ffff_0000_ffff),
        (2, 3, 16, 0x0000_ffff_0000_ffff),
    ] {
        for block in 0..4 {
            let (a, b) = (rows[high][block].to_le(), rows[low][block].to_le());
            let swap = ((a >> shift) ^ b) & mask;
            rows[high][block] = (a ^ swap << shift).to_le();
            rows[low][block] = (b ^ swap).to_le();
        }
    }
    bytemuck::cast(rows)
}

/// Adds the residuals from `first` on to rows of a macroblock, from its row `y` and the workspace's column `x` on.
#[inline(always)]
pub(super) fn add_rows<const LENGTH: usize>(plane: &mut [u8], x: usize, y: usize, values: &BlockRow, first: usize) {
    for (row, values) in plane.as_chunks_mut::<STRIDE>().0.iter_mut().skip(y + 1).zip(values) {
        for (sample, value) in row[x..x + LENGTH].iter_mut().zip(&values[first..first + LENGTH]) {
            *sample = add(*sample, *value);
        }
    }
}

/// Adds the residuals of the block at a position of the row to one block.
#[inline(always)]
pub(super) fn add_block(block: &mut Block, values: &BlockRow, place: usize) {
    for (y, values) in values.iter().enumerate() {
        let samples = &mut block[STRIDE * (y + 1) + 1..][..4];
        for (sample, value) in samples.iter_mut().zip(&values[4 * place..4 * place + 4]) {
            *sample = add(*sample, *value);
        }
    }
}

#[inline(always)]
fn add(sample: u8, value: i16) -> u8 {
    // This cannot overflow: the value was shifted right by three bits.
    (i16::from(sample) + value).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_coefficients_alone_take_a_shorter_way() {
        for first in [[0, 1, -1, 3], [4, -4, -5, 2047], [-2048, 12_345, i16::MAX, i16::MIN]] {
            let mut rows = [[0; 16]; 4];
            for (block, value) in first.into_iter().enumerate() {
                rows[0][4 * block] = value;
            }
            assert_eq!(inverse_dct_of_first(rows[0]), inverse_dct(&rows));
        }
    }
}
