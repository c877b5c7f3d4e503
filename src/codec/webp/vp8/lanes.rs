//! Sixteen samples side by side, in loops that compilers make vector instructions of: no branches, and nothing wider
//! than the samples where that can be.

/// Samples at the same distance from an edge, along it.
pub(super) type Lanes = [u8; 16];

/// Eight samples across an edge.
pub(super) type Segment = [u8; 8];

/// Sixteen segments, as what lies at each of their eight places.
#[inline(always)]
pub(super) fn transposed(segments: &[Segment; 16]) -> [Lanes; 8] {
    let mut lanes = [[0; 16]; 8];
    lanes.as_flattened_mut().copy_from_slice(segments.as_flattened());
    shuffle(&mut lanes, 4);
    lanes
}

/// The way back from [`transposed`].
#[inline(always)]
pub(super) fn transpose_back(mut lanes: [Lanes; 8], segments: &mut [Segment; 16]) {
    shuffle(&mut lanes, 3);
    segments.as_flattened_mut().copy_from_slice(lanes.as_flattened());
}

/// Shuffles like cards: what is in the upper half goes between what is in the lower. Each round rotates the bits of all
/// indices by one to the left. So of 128 samples, four rounds make columns of rows of 8, and three make columns of rows
/// of 16.
#[inline(never)] // Inlined, the rounds are unrolled and done value by value.
fn shuffle<T: Copy + Default, const ROWS: usize>(rows: &mut [[T; 16]; ROWS], rounds: u32) {
    for _ in 0..rounds {
        let mut shuffled = [[T::default(); 16]; ROWS];
        for i in 0..ROWS / 2 {
            [shuffled[2 * i], shuffled[2 * i + 1]] = zip(&rows[i], &rows[i + ROWS / 2]);
        }
        *rows = shuffled;
    }
}

#[inline(always)]
fn zip<T: Copy + Default>(low: &[T; 16], high: &[T; 16]) -> [[T; 16]; 2] {
    let mut pairs = [[T::default(); 2]; 16];
    for i in 0..16 {
        pairs[i] = [low[i], high[i]];
    }
    let mut zipped = [[T::default(); 16]; 2];
    zipped.as_flattened_mut().copy_from_slice(pairs.as_flattened());
    zipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns_and_rows_again() {
        let segments: [Segment; 16] = std::array::from_fn(|y| std::array::from_fn(|x| (8 * y + x) as u8));
        let lanes = transposed(&segments);
        for (x, column) in lanes.iter().enumerate() {
            assert_eq!(*column, std::array::from_fn(|y| (8 * y + x) as u8));
        }
        let mut again = [[0; 8]; 16];
        transpose_back(lanes, &mut again);
        assert_eq!(again, segments);
    }
}
