//! The inverse DCT with SSE2, which every x86-64 CPU supports: eight 16-bit coefficients per register, multiplied and
//! added in pairs to 32-bit sums. The code is safe; the unsafe calls are in `kernel`.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_adds_epi16, _mm_cvtsi128_si64, _mm_madd_epi16, _mm_packs_epi32, _mm_packus_epi16,
    _mm_set_epi16, _mm_set1_epi16, _mm_set1_epi32, _mm_shuffle_epi32, _mm_shufflehi_epi16, _mm_shufflelo_epi16,
    _mm_srai_epi32, _mm_sub_epi32, _mm_unpackhi_epi16, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi8,
    _mm_unpacklo_epi16, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
};

use super::idct::{
    BETWEEN, Block, EVEN, FIVE_EVEN, FIVE_ODD, FRACTION, GAIN, HALF_EVEN, HALF_ODD, ODD, THREE_EVEN, THREE_ODD,
};

pub(super) const ONE: i16 = 1 << FRACTION;
pub(super) const FIRST_PASS: i32 = (FRACTION - BETWEEN) as i32;
pub(super) const SECOND_PASS: i32 = (FRACTION + BETWEEN + GAIN) as i32;

/// Writes the 8x8 samples of a block. `out` begins at its first sample; `stride` is the stride of a row.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn full(block: &Block, out: &mut [u8], stride: usize) {
    let mut rows = [_mm_set1_epi16(0); 8];
    for (row, coefficients) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
        *row = load(coefficients);
    }
    let columns = transpose(eight_points::<FIRST_PASS>(rows));
    let rows = transpose(eight_points::<SECOND_PASS>(columns));
    let middle = _mm_set1_epi16(128);
    for pair in 0..4 {
        let [top, bottom] = [rows[pair * 2], rows[pair * 2 + 1]].map(|row| _mm_adds_epi16(row, middle));
        let samples = _mm_packus_epi16(top, bottom);
        let lines = [samples, _mm_unpackhi_epi64(samples, samples)].map(|line| _mm_cvtsi128_si64(line).to_le_bytes());
        for (y, line) in (pair * 2..).zip(lines) {
            out[y * stride..][..8].copy_from_slice(&line);
        }
    }
}

/// Eight coefficients, compiled to a single load.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load(x: &[i16; 8]) -> __m128i {
    _mm_set_epi16(x[7], x[6], x[5], x[4], x[3], x[2], x[1], x[0])
}

/// A pair of factors in each lane.
#[inline]
#[target_feature(enable = "sse2")]
fn factors(first: i16, second: i16) -> __m128i {
    _mm_set_epi16(second, first, second, first, second, first, second, first)
}

/// Eight transforms, one in each lane, with the result rounded by `BITS`.
#[inline]
#[target_feature(enable = "sse2")]
fn eight_points<const BITS: i32>(x: [__m128i; 8]) -> [__m128i; 8] {
    // Pairs of coefficients, for the low and the high lanes.
    let low = |a: usize, b: usize| _mm_unpacklo_epi16(x[a], x[b]);
    let high = |a: usize, b: usize| _mm_unpackhi_epi16(x[a], x[b]);
    let low = eight_of_pairs::<BITS>([low(0, 4), low(2, 6), low(1, 3), low(5, 7)]);
    let high = eight_of_pairs::<BITS>([high(0, 4), high(2, 6), high(1, 3), high(5, 7)]);
    let mut out = low;
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = _mm_packs_epi32(low, high);
    }
    out
}

/// Four transforms of the coefficient pairs (0, 4), (2, 6), (1, 3) and (5, 7).
#[inline]
#[target_feature(enable = "sse2")]
fn eight_of_pairs<const BITS: i32>([x04, x26, x13, x57]: [__m128i; 4]) -> [__m128i; 8] {
    let rounding = _mm_set1_epi32(1 << (BITS - 1));
    let sum = _mm_add_epi32(_mm_madd_epi16(x04, factors(ONE, ONE)), rounding);
    let difference = _mm_add_epi32(_mm_madd_epi16(x04, factors(ONE, -ONE)), rounding);
    let even0 = _mm_madd_epi16(x26, factors(EVEN[0][0], EVEN[0][1]));
    let even1 = _mm_madd_epi16(x26, factors(EVEN[1][0], EVEN[1][1]));
    let a = [
        _mm_add_epi32(sum, even0),
        _mm_add_epi32(difference, even1),
        _mm_sub_epi32(difference, even1),
        _mm_sub_epi32(sum, even0),
    ];
    let mut out = [sum; 8];
    for (i, odd) in ODD.iter().enumerate() {
        let b =
            _mm_add_epi32(_mm_madd_epi16(x13, factors(odd[0], odd[1])), _mm_madd_epi16(x57, factors(odd[2], odd[3])));
        out[i] = _mm_srai_epi32::<BITS>(_mm_add_epi32(a[i], b));
        out[7 - i] = _mm_srai_epi32::<BITS>(_mm_sub_epi32(a[i], b));
    }
    out
}

#[inline]
#[target_feature(enable = "sse2")]
fn transpose(r: [__m128i; 8]) -> [__m128i; 8] {
    // Transposes by squares of 16, 32 and 64 bits.
    let a = [
        _mm_unpacklo_epi16(r[0], r[1]),
        _mm_unpackhi_epi16(r[0], r[1]),
        _mm_unpacklo_epi16(r[2], r[3]),
        _mm_unpackhi_epi16(r[2], r[3]),
        _mm_unpacklo_epi16(r[4], r[5]),
        _mm_unpackhi_epi16(r[4], r[5]),
        _mm_unpacklo_epi16(r[6], r[7]),
        _mm_unpackhi_epi16(r[6], r[7]),
    ];
    let b = [
        _mm_unpacklo_epi32(a[0], a[2]),
        _mm_unpackhi_epi32(a[0], a[2]),
        _mm_unpacklo_epi32(a[1], a[3]),
        _mm_unpackhi_epi32(a[1], a[3]),
        _mm_unpacklo_epi32(a[4], a[6]),
        _mm_unpackhi_epi32(a[4], a[6]),
        _mm_unpacklo_epi32(a[5], a[7]),
        _mm_unpackhi_epi32(a[5], a[7]),
    ];
    [
        _mm_unpacklo_epi64(b[0], b[4]),
        _mm_unpackhi_epi64(b[0], b[4]),
        _mm_unpacklo_epi64(b[1], b[5]),
        _mm_unpackhi_epi64(b[1], b[5]),
        _mm_unpacklo_epi64(b[2], b[6]),
        _mm_unpackhi_epi64(b[2], b[6]),
        _mm_unpacklo_epi64(b[3], b[7]),
        _mm_unpackhi_epi64(b[3], b[7]),
    ]
}

/// Writes the 5x5 samples of a block.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn five(block: &Block, out: &mut [u8], stride: usize) {
    let mut rows = [_mm_set1_epi16(0); 5];
    for (row, coefficients) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
        *row = load(coefficients);
    }
    let none = _mm_set1_epi16(0);
    let [r0, r1, r2, r3, r4] = five_points::<FIRST_PASS>(rows);
    let [c0, c1, c2, c3, c4, ..] = transpose([r0, r1, r2, r3, r4, none, none, none]);
    let [r0, r1, r2, r3, r4] = five_points::<SECOND_PASS>([c0, c1, c2, c3, c4]);
    let rows = transpose([r0, r1, r2, r3, r4, none, none, none]);
    let middle = _mm_set1_epi16(128);
    for pair in 0..3 {
        let [top, bottom] = [rows[pair * 2], rows[pair * 2 + 1]].map(|row| _mm_adds_epi16(row, middle));
        let samples = _mm_packus_epi16(top, bottom);
        let lines = [samples, _mm_unpackhi_epi64(samples, samples)].map(|line| _mm_cvtsi128_si64(line).to_le_bytes());
        for (y, line) in (pair * 2..5).zip(lines) {
            out[y * stride..][..5].copy_from_slice(&line[..5]);
        }
    }
}

/// Eight transforms of five points, one in each lane, with the result rounded by `BITS`.
#[inline]
#[target_feature(enable = "sse2")]
fn five_points<const BITS: i32>(x: [__m128i; 5]) -> [__m128i; 5] {
    let none = _mm_set1_epi16(0);
    let low = |a: __m128i, b: __m128i| _mm_unpacklo_epi16(a, b);
    let high = |a: __m128i, b: __m128i| _mm_unpackhi_epi16(a, b);
    let low = five_of_pairs::<BITS>([low(x[0], x[2]), low(x[4], none), low(x[1], x[3])]);
    let high = five_of_pairs::<BITS>([high(x[0], x[2]), high(x[4], none), high(x[1], x[3])]);
    let mut out = low;
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = _mm_packs_epi32(low, high);
    }
    out
}

/// Four transforms of the coefficient pairs (0, 2), (4, nothing) and (1, 3).
#[inline]
#[target_feature(enable = "sse2")]
fn five_of_pairs<const BITS: i32>([x02, x4, x13]: [__m128i; 3]) -> [__m128i; 5] {
    let rounding = _mm_set1_epi32(1 << (BITS - 1));
    let mut a = [rounding; 3];
    for (a, [two, four]) in a.iter_mut().zip(FIVE_EVEN) {
        let sum = _mm_add_epi32(_mm_madd_epi16(x02, factors(ONE, two)), _mm_madd_epi16(x4, factors(four, 0)));
        *a = _mm_add_epi32(*a, sum);
    }
    let mut b = [rounding; 2];
    for (b, [one, three]) in b.iter_mut().zip(FIVE_ODD) {
        *b = _mm_madd_epi16(x13, factors(one, three));
    }
    [
        _mm_srai_epi32::<BITS>(_mm_add_epi32(a[0], b[0])),
        _mm_srai_epi32::<BITS>(_mm_add_epi32(a[1], b[1])),
        _mm_srai_epi32::<BITS>(a[2]),
        _mm_srai_epi32::<BITS>(_mm_sub_epi32(a[1], b[1])),
        _mm_srai_epi32::<BITS>(_mm_sub_epi32(a[0], b[0])),
    ]
}

/// Writes the 4x4 samples of a block.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn half(block: &Block, out: &mut [u8], stride: usize) {
    low::<4>(block, out, stride);
}

/// Writes the 3x3 samples of a block.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn three(block: &Block, out: &mut [u8], stride: usize) {
    low::<3>(block, out, stride);
}

/// Writes the `N` by `N` samples of a block, where `N` is 3 or 4.
#[inline]
#[target_feature(enable = "sse2")]
fn low<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    let row = |v: usize| load(block.as_chunks().0.get(v).unwrap_or(&[0; 8]));
    let pairs = [_mm_unpacklo_epi16(row(0), row(2)), _mm_unpacklo_epi16(row(1), row(3))];
    let [r0, r1, r2, r3] = points::<N, FIRST_PASS>(pairs);
    // In each row, coefficients 0 and 2, and 1 and 3, become adjacent; then the pairs of the four rows.
    let pair = |rows: __m128i| _mm_shufflehi_epi16::<0b11_01_10_00>(_mm_shufflelo_epi16::<0b11_01_10_00>(rows));
    let (top, bottom) = (pair(_mm_packs_epi32(r0, r1)), pair(_mm_packs_epi32(r2, r3)));
    let sorted = |rows: __m128i| _mm_shuffle_epi32::<0b11_01_10_00>(rows);
    let (top, bottom) = (sorted(top), sorted(bottom));
    let pairs = [_mm_unpacklo_epi64(top, bottom), _mm_unpackhi_epi64(top, bottom)];
    let [c0, c1, c2, c3] = points::<N, SECOND_PASS>(pairs);
    let middle = _mm_set1_epi16(128);
    let (left, right) = (_mm_packs_epi32(c0, c1), _mm_packs_epi32(c2, c3));
    let columns = _mm_packus_epi16(_mm_adds_epi16(left, middle), _mm_adds_epi16(right, middle));
    let mixed = _mm_unpacklo_epi8(columns, _mm_unpackhi_epi64(columns, columns));
    let rows = _mm_unpacklo_epi8(mixed, _mm_unpackhi_epi64(mixed, mixed));
    let halves = [_mm_cvtsi128_si64(rows), _mm_cvtsi128_si64(_mm_unpackhi_epi64(rows, rows))];
    for (y, line) in halves.iter().flat_map(|half| [*half as u32, (*half >> 32) as u32]).take(N).enumerate() {
        out[y * stride..][..N].copy_from_slice(&line.to_le_bytes()[..N]);
    }
}

/// Four transforms of `N` points, of the coefficient pairs (0, 2) and (1, 3).
#[inline]
#[target_feature(enable = "sse2")]
fn points<const N: usize, const BITS: i32>(pairs: [__m128i; 2]) -> [__m128i; 4] {
    if N == 3 { three_points::<BITS>(pairs) } else { four_points::<BITS>(pairs) }
}

/// Four transforms of the coefficient pair (0, 2) and of coefficient 1; the last result is unused.
#[inline]
#[target_feature(enable = "sse2")]
fn three_points<const BITS: i32>([x02, x1]: [__m128i; 2]) -> [__m128i; 4] {
    let rounding = _mm_set1_epi32(1 << (BITS - 1));
    let outer = _mm_add_epi32(_mm_madd_epi16(x02, factors(ONE, THREE_EVEN[0])), rounding);
    let middle = _mm_add_epi32(_mm_madd_epi16(x02, factors(ONE, THREE_EVEN[1])), rounding);
    let odd = _mm_madd_epi16(x1, factors(THREE_ODD, 0));
    [
        _mm_srai_epi32::<BITS>(_mm_add_epi32(outer, odd)),
        _mm_srai_epi32::<BITS>(middle),
        _mm_srai_epi32::<BITS>(_mm_sub_epi32(outer, odd)),
        _mm_set1_epi32(0),
    ]
}

/// Four transforms of the coefficient pairs (0, 2) and (1, 3).
#[inline]
#[target_feature(enable = "sse2")]
fn four_points<const BITS: i32>([x02, x13]: [__m128i; 2]) -> [__m128i; 4] {
    let rounding = _mm_set1_epi32(1 << (BITS - 1));
    let a0 = _mm_add_epi32(_mm_madd_epi16(x02, factors(ONE, HALF_EVEN)), rounding);
    let a1 = _mm_add_epi32(_mm_madd_epi16(x02, factors(ONE, -HALF_EVEN)), rounding);
    let b0 = _mm_madd_epi16(x13, factors(HALF_ODD[0][0], HALF_ODD[0][1]));
    let b1 = _mm_madd_epi16(x13, factors(HALF_ODD[1][0], HALF_ODD[1][1]));
    [
        _mm_srai_epi32::<BITS>(_mm_add_epi32(a0, b0)),
        _mm_srai_epi32::<BITS>(_mm_add_epi32(a1, b1)),
        _mm_srai_epi32::<BITS>(_mm_sub_epi32(a1, b1)),
        _mm_srai_epi32::<BITS>(_mm_sub_epi32(a0, b0)),
    ]
}
