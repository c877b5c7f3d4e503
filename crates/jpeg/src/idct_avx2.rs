//! The inverse DCT to 8x8 and 5x5 samples with AVX2: as in [`idct_x86`](super::idct_x86), but with eight 32-bit sums per register,
//! and without transposing 16-bit numbers between the passes, since pairs of them stay next to each other.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi128_si64, _mm_setzero_si128, _mm_unpackhi_epi16, _mm_unpackhi_epi64, _mm_unpacklo_epi16,
    _mm256_add_epi32, _mm256_adds_epi16, _mm256_castsi128_si256, _mm256_castsi256_si128, _mm256_cvtepu16_epi32,
    _mm256_extracti128_si256, _mm256_inserti128_si256, _mm256_madd_epi16, _mm256_packs_epi32, _mm256_packus_epi16,
    _mm256_permute4x64_epi64, _mm256_set_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_shuffle_epi8,
    _mm256_srai_epi32, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64,
};

use super::idct::{Block, EVEN, FIVE_EVEN, FIVE_ODD, ODD};
use super::idct_x86::{FIRST_PASS, ONE, SECOND_PASS, load};

/// Writes the 8x8 samples of a block. `out` begins at its first sample; `stride` is the stride of a row.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn full(block: &Block, out: &mut [u8], stride: usize) {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows(block);
    let pairs = [interleaved(r0, r4), interleaved(r2, r6), interleaved(r1, r3), interleaved(r5, r7)];
    let [r0, r1, r2, r3, r4, r5, r6, r7] = eight_points::<FIRST_PASS>(pairs);
    // Each row becomes the pairs (0, 4), (2, 6), (1, 3) and (5, 7).
    let order = _mm256_set_epi8(
        15, 14, 11, 10, 7, 6, 3, 2, 13, 12, 5, 4, 9, 8, 1, 0, 15, 14, 11, 10, 7, 6, 3, 2, 13, 12, 5, 4, 9, 8, 1, 0,
    );
    let halves = [ordered(r0, r4, order), ordered(r1, r5, order), ordered(r2, r6, order), ordered(r3, r7, order)];
    let [x0, x1, x2, x3, x4, x5, x6, x7] = eight_points::<SECOND_PASS>(transposed(halves));
    let left = samples(_mm256_packs_epi32(x0, x1), _mm256_packs_epi32(x2, x3));
    let right = samples(_mm256_packs_epi32(x4, x5), _mm256_packs_epi32(x6, x7));
    let (even, odd) = (_mm256_unpacklo_epi32(left, right), _mm256_unpackhi_epi32(left, right));
    for (pair, samples) in [low(even), low(odd), high(even), high(odd)].into_iter().enumerate() {
        let upper = _mm_cvtsi128_si64(samples).to_le_bytes();
        let lower = _mm_cvtsi128_si64(_mm_unpackhi_epi64(samples, samples)).to_le_bytes();
        out[2 * pair * stride..][..8].copy_from_slice(&upper);
        out[(2 * pair + 1) * stride..][..8].copy_from_slice(&lower);
    }
}

/// Writes the 5x5 samples of a block.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn five(block: &Block, out: &mut [u8], stride: usize) {
    let [r0, r1, r2, r3, r4, ..] = rows(block);
    // With coefficients of 0.
    let r4 = _mm256_cvtepu16_epi32(r4);
    let pairs = [interleaved(r0, r2), r4, interleaved(r1, r3)];
    let [r0, r1, r2, r3, r4] = five_points::<FIRST_PASS>(pairs);
    // Each row becomes the pairs (0, 2), (4, 5) and (1, 3). Nothing depends on coefficient 5.
    let order = _mm256_set_epi8(
        15, 14, 13, 12, 7, 6, 3, 2, 11, 10, 9, 8, 5, 4, 1, 0, 15, 14, 13, 12, 7, 6, 3, 2, 11, 10, 9, 8, 5, 4, 1, 0,
    );
    let halves = [ordered(r0, r4, order), ordered(r1, r1, order), ordered(r2, r2, order), ordered(r3, r3, order)];
    let [x02, x4, x13, _] = transposed(halves);
    let [x0, x1, x2, x3, x4] = five_points::<SECOND_PASS>([x02, x4, x13]);
    let left = samples(_mm256_packs_epi32(x0, x1), _mm256_packs_epi32(x2, x3));
    let right = samples(_mm256_packs_epi32(x4, x4), _mm256_packs_epi32(x4, x4));
    let (even, odd) = (_mm256_unpacklo_epi32(left, right), _mm256_unpackhi_epi32(left, right));
    let pairs = [low(even), low(odd), high(even)];
    for (pair, samples) in pairs.into_iter().enumerate() {
        let upper = _mm_cvtsi128_si64(samples).to_le_bytes();
        out[2 * pair * stride..][..5].copy_from_slice(&upper[..5]);
        if pair < 2 {
            let lower = _mm_cvtsi128_si64(_mm_unpackhi_epi64(samples, samples)).to_le_bytes();
            out[(2 * pair + 1) * stride..][..5].copy_from_slice(&lower[..5]);
        }
    }
}

/// The rows of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn rows(block: &Block) -> [__m128i; 8] {
    let mut rows = [_mm_setzero_si128(); 8];
    for (row, coefficients) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
        *row = load(coefficients);
    }
    rows
}

/// The coefficients of two rows in turn.
#[inline]
#[target_feature(enable = "avx2")]
fn interleaved(a: __m128i, b: __m128i) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(_mm_unpacklo_epi16(a, b)), _mm_unpackhi_epi16(a, b))
}

/// A pair of factors in each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn factors(first: i16, second: i16) -> __m256i {
    _mm256_set1_epi32(i32::from(second) << 16 | i32::from(first.cast_unsigned()))
}

/// Two rows of 32 bits as rows of 16 bits in the two halves of a register, each with its bytes in `order`.
#[inline]
#[target_feature(enable = "avx2")]
fn ordered(row: __m256i, other: __m256i, order: __m256i) -> __m256i {
    let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(row, other));
    _mm256_shuffle_epi8(rows, order)
}

/// Transposes four rows of four pairs in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed([r0, r1, r2, r3]: [__m256i; 4]) -> [__m256i; 4] {
    let (a, b) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpacklo_epi32(r2, r3));
    let (c, d) = (_mm256_unpackhi_epi32(r0, r1), _mm256_unpackhi_epi32(r2, r3));
    [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d)]
}

/// Four columns of four samples around zero in each half, as four rows of samples.
#[inline]
#[target_feature(enable = "avx2")]
fn samples(left: __m256i, right: __m256i) -> __m256i {
    let middle = _mm256_set1_epi16(128);
    let columns = _mm256_packus_epi16(_mm256_adds_epi16(left, middle), _mm256_adds_epi16(right, middle));
    let order = _mm256_set_epi8(
        15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0, 15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0,
    );
    _mm256_shuffle_epi8(columns, order)
}

#[inline]
#[target_feature(enable = "avx2")]
fn low(x: __m256i) -> __m128i {
    _mm256_castsi256_si128(x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn high(x: __m256i) -> __m128i {
    _mm256_extracti128_si256::<1>(x)
}

/// Eight transforms of the coefficient pairs (0, 4), (2, 6), (1, 3) and (5, 7), with the result rounded by `BITS`.
#[inline]
#[target_feature(enable = "avx2")]
fn eight_points<const BITS: i32>([x04, x26, x13, x57]: [__m256i; 4]) -> [__m256i; 8] {
    let rounding = _mm256_set1_epi32(1 << (BITS - 1));
    let sum = _mm256_add_epi32(_mm256_madd_epi16(x04, factors(ONE, ONE)), rounding);
    let difference = _mm256_add_epi32(_mm256_madd_epi16(x04, factors(ONE, -ONE)), rounding);
    let even0 = _mm256_madd_epi16(x26, factors(EVEN[0][0], EVEN[0][1]));
    let even1 = _mm256_madd_epi16(x26, factors(EVEN[1][0], EVEN[1][1]));
    let a = [
        _mm256_add_epi32(sum, even0),
        _mm256_add_epi32(difference, even1),
        _mm256_sub_epi32(difference, even1),
        _mm256_sub_epi32(sum, even0),
    ];
    let mut out = [sum; 8];
    for (i, odd) in ODD.iter().enumerate() {
        let b = _mm256_add_epi32(
            _mm256_madd_epi16(x13, factors(odd[0], odd[1])),
            _mm256_madd_epi16(x57, factors(odd[2], odd[3])),
        );
        out[i] = _mm256_srai_epi32::<BITS>(_mm256_add_epi32(a[i], b));
        out[7 - i] = _mm256_srai_epi32::<BITS>(_mm256_sub_epi32(a[i], b));
    }
    out
}

/// Eight transforms of the coefficient pairs (0, 2), (4, any) and (1, 3), with the result rounded by `BITS`.
#[inline]
#[target_feature(enable = "avx2")]
fn five_points<const BITS: i32>([x02, x4, x13]: [__m256i; 3]) -> [__m256i; 5] {
    let rounding = _mm256_set1_epi32(1 << (BITS - 1));
    let mut a = [rounding; 3];
    for (a, [two, four]) in a.iter_mut().zip(FIVE_EVEN) {
        let sum = _mm256_add_epi32(_mm256_madd_epi16(x02, factors(ONE, two)), _mm256_madd_epi16(x4, factors(four, 0)));
        *a = _mm256_add_epi32(*a, sum);
    }
    let mut b = [rounding; 2];
    for (b, [one, three]) in b.iter_mut().zip(FIVE_ODD) {
        *b = _mm256_madd_epi16(x13, factors(one, three));
    }
    [
        _mm256_srai_epi32::<BITS>(_mm256_add_epi32(a[0], b[0])),
        _mm256_srai_epi32::<BITS>(_mm256_add_epi32(a[1], b[1])),
        _mm256_srai_epi32::<BITS>(a[2]),
        _mm256_srai_epi32::<BITS>(_mm256_sub_epi32(a[1], b[1])),
        _mm256_srai_epi32::<BITS>(_mm256_sub_epi32(a[0], b[0])),
    ]
}
