//! The positions of nonzero coefficients as a bit mask in zigzag order: runs of zeros are found by counting bits.

use super::frame::Block;
use crate::tables::ZIGZAG;

/// For each row of a block, the zigzag mask of each pattern of its coefficients.
static ZIGZAG_BITS: [[u64; 256]; 8] = {
    let mut bits = [[0; 256]; 8];
    let mut place = 0;
    while place < 64 {
        let (row, column) = (ZIGZAG[place] / 8, ZIGZAG[place] % 8);
        let mut pattern = 0;
        while pattern < 256 {
            if pattern >> column & 1 == 1 {
                bits[row as usize][pattern] |= 1 << place;
            }
            pattern += 1;
        }
        place += 1;
    }
    bits
};

/// The mask of all coefficients for which `predicate` holds.
#[inline(always)]
pub(super) fn places(block: &Block, predicate: impl Fn(i16) -> bool) -> u64 {
    let mut bytes = [0; 64];
    for (byte, &coefficient) in bytes.iter_mut().zip(block) {
        *byte = u8::from(predicate(coefficient));
    }
    let rows = bytes.as_chunks::<8>().0.iter().zip(&ZIGZAG_BITS);
    rows.fold(0, |places, (row, bits)| {
        // The top byte of the product contains the lowest bits of the eight bytes.
        let pattern = u64::from_le_bytes(*row).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        places | bits[pattern as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coefficient_has_its_place() {
        for (place, position) in ZIGZAG.into_iter().enumerate() {
            let mut block = [0; 64];
            block[usize::from(position)] = -3;
            assert_eq!(places(&block, |coefficient| coefficient != 0), 1 << place);
        }
        assert_eq!(places(&[1; 64], |coefficient| coefficient != 0), u64::MAX);
    }
}
