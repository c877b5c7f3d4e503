//! Operations on sixteen samples at once, written as loops that compilers vectorize: without branches, and without
//! wider types than needed.

/// Samples at the same distance from an edge, along it; or two groups of eight samples across it.
pub(super) type Lanes = [u8; 16];

/// Transposes rows and columns, in each half separately: first by quarters, then by their quarters, then by samples.
#[inline(always)]
pub(super) fn transposed(rows: [Lanes; 8]) -> [Lanes; 8] {
    // An integer is a row of one half, in native byte order, which the swaps do not depend on.
    let mut rows: [[u64; 2]; 8] = bytemuck::cast(rows);
    swap::<4>(&mut rows, [0, 1, 2, 3], 32, 0x0000_0000_ffff_ffff);
    swap::<2>(&mut rows, [0, 1, 4, 5], 16, 0x0000_ffff_0000_ffff);
    swap::<1>(&mut rows, [0, 2, 4, 6], 8, 0x00ff_00ff_00ff_00ff);
    bytemuck::cast(rows)
}

/// Exchanges parts of rows with parts of the rows `DISTANCE` below.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "two rows of one array")]
fn swap<const DISTANCE: usize>(rows: &mut [[u64; 2]; 8], upper: [usize; 4], shift: u32, mask: u64) {
    for row in upper {
        for half in 0..2 {
            let (a, b) = (rows[row][half].to_le(), rows[row + DISTANCE][half].to_le());
            let part = ((a >> shift) ^ b) & mask;
            rows[row][half] = (a ^ part << shift).to_le();
            rows[row + DISTANCE][half] = (b ^ part).to_le();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let rows: [Lanes; 8] = std::array::from_fn(|y| std::array::from_fn(|x| (16 * y + x) as u8));
        let columns = transposed(rows);
        for (x, column) in columns.iter().enumerate() {
            assert_eq!(*column, std::array::from_fn(|y| (16 * (y % 8) + y / 8 * 8 + x) as u8));
        }
        assert_eq!(transposed(columns), rows);
    }
}
