//! Inverse transforms, exactly as in decoders (7.13).
//!
//! Butterflies process eight columns (or rows) at once, so that compilers vectorize them.

use super::size::BlockSize;
use super::tables::COSINE;

/// The number of samples that are transformed at once.
const LANES: usize = 8;

type Lanes = [i32; LANES];

/// The range of intermediate values: 16 bits for 8-bit samples.
const LOW: i32 = -(1 << 15);
const HIGH: i32 = (1 << 15) - 1;

/// The transforms of columns and rows; the numbers are those of `PlaneTxType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TxType(pub(super) u8);

impl TxType {
    pub(super) const DCT: Self = Self(0);

    /// All types with an ADST.
    pub(super) const WITH_ADST: [Self; 3] = [Self(1), Self(2), Self(3)];

    pub(super) fn columns_are_adst(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn rows_are_adst(self) -> bool {
        self.0 & 2 != 0
    }
}

/// Adds the residual of `coefficients` to samples. `coefficients` are those of the coded part, row by row, and are
/// overwritten.
pub(super) fn add(coefficients: &mut [i32], size: BlockSize, tx_type: TxType, samples: &mut [u8], stride: usize) {
    let (width, height, coded) = (size.width(), size.height(), size.coded());
    let row_shift = [0u32, 1, 2, 2, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2][size.transform_index()];
    let oblong = size.w.abs_diff(size.h) == 1;
    let mut lanes = [[0; LANES]; 64];
    let mut rows = [0i32; 64 * 64];
    for top in (0..coded.height()).step_by(LANES) {
        let band = &coefficients[top * coded.width()..(top + LANES).min(coded.height()) * coded.width()];
        if band.iter().all(|value| *value == 0) {
            continue;
        }
        lanes[..width].fill([0; LANES]);
        for (y, row) in band.chunks_exact(coded.width()).enumerate() {
            for (x, value) in row.iter().enumerate() {
                lanes[x][y] = if oblong { round(value * 2896, 12) } else { *value };
            }
        }
        transform(&mut lanes[..width], size.w, tx_type.rows_are_adst());
        for y in 0..LANES.min(height - top) {
            for (x, lane) in lanes[..width].iter().enumerate() {
                rows[(top + y) * width + x] = round(lane[y], row_shift).clamp(LOW, HIGH);
            }
        }
    }
    for left in (0..width).step_by(LANES) {
        let count = LANES.min(width - left);
        for (y, lane) in lanes[..height].iter_mut().enumerate() {
            lane[..count].copy_from_slice(&rows[y * width + left..][..count]);
        }
        transform(&mut lanes[..height], size.h, tx_type.columns_are_adst());
        for (y, lane) in lanes[..height].iter().enumerate() {
            for (sample, value) in samples[y * stride + left..][..count].iter_mut().zip(lane) {
                *sample = (i32::from(*sample) + round(*value, 4)).clamp(0, 255) as u8;
            }
        }
    }
}

fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits }
}

fn transform(t: &mut [Lanes], log2: u8, adst: bool) {
    match (adst, log2) {
        (false, _) => dct(t, log2.into()),
        (true, 2) => adst4(t),
        (true, 3) => adst8(t),
        (true, _) => adst16(t),
    }
}

fn cosine(angle: i32) -> i32 {
    let angle = angle & 255;
    match angle {
        0..=64 => COSINE[angle as usize],
        65..=128 => -COSINE[128 - angle as usize],
        129..=192 => -COSINE[angle as usize - 128],
        _ => COSINE[256 - angle as usize],
    }
}

/// `B(a, b, angle, flip)`: a butterfly rotation.
#[inline(always)]
fn rotate(t: &mut [Lanes], a: usize, b: usize, angle: i32, flip: bool) {
    let (cos, sin) = (cosine(angle), cosine(angle - 64));
    let (mut x, mut y) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        x[lane] = round(t[a][lane] * cos - t[b][lane] * sin, 12);
        y[lane] = round(t[a][lane] * sin + t[b][lane] * cos, 12);
    }
    (t[a], t[b]) = if flip { (y, x) } else { (x, y) };
}

/// `H(a, b, flip)`: a Hadamard rotation, sum and difference.
#[inline(always)]
fn hadamard(t: &mut [Lanes], a: usize, b: usize, flip: bool) {
    let (a, b) = if flip { (b, a) } else { (a, b) };
    let (x, y) = (t[a], t[b]);
    t[a] = std::array::from_fn(|lane| (x[lane] + y[lane]).clamp(LOW, HIGH));
    t[b] = std::array::from_fn(|lane| (x[lane] - y[lane]).clamp(LOW, HIGH));
}

fn reversed(bits: u32, value: usize) -> usize {
    value.reverse_bits() >> (usize::BITS - bits)
}

/// The inverse DCT process (7.13.2.3), step by step.
fn dct(t: &mut [Lanes], n: u32) {
    let mut permuted = [[0; LANES]; 64];
    for (i, lane) in permuted[..1 << n].iter_mut().enumerate() {
        *lane = t[reversed(n, i)];
    }
    t.copy_from_slice(&permuted[..1 << n]);
    if n == 6 {
        for i in 0..16 {
            rotate(t, 32 + i, 63 - i, 63 - 4 * reversed(4, i) as i32, false);
        }
    }
    if n >= 5 {
        for i in 0..8 {
            rotate(t, 16 + i, 31 - i, 6 + ((reversed(3, 7 - i) as i32) << 3), false);
        }
    }
    if n == 6 {
        for i in 0..16 {
            hadamard(t, 32 + i * 2, 33 + i * 2, i & 1 != 0);
        }
    }
    if n >= 4 {
        for i in 0..4 {
            rotate(t, 8 + i, 15 - i, 12 + ((reversed(2, 3 - i) as i32) << 4), false);
        }
    }
    if n >= 5 {
        for i in 0..8 {
            hadamard(t, 16 + 2 * i, 17 + 2 * i, i & 1 != 0);
        }
    }
    if n == 6 {
        for i in 0..4 {
            for j in 0..2 {
                let angle = 60 - 16 * reversed(2, i) as i32 + 64 * j as i32;
                rotate(t, 62 - i * 4 - j, 33 + i * 4 + j, angle, true);
            }
        }
    }
    if n >= 3 {
        for i in 0..2 {
            rotate(t, 4 + i, 7 - i, 56 - 32 * i as i32, false);
        }
    }
    if n >= 4 {
        for i in 0..4 {
            hadamard(t, 8 + 2 * i, 9 + 2 * i, i & 1 != 0);
        }
    }
    if n >= 5 {
        for i in 0..2 {
            for j in 0..2 {
                let angle = 24 + ((j as i32) << 6) + ((1 - i as i32) << 5);
                rotate(t, 30 - 4 * i - j, 17 + 4 * i + j, angle, true);
            }
        }
    }
    if n == 6 {
        for i in 0..8 {
            for j in 0..2 {
                hadamard(t, 32 + i * 4 + j, 35 + i * 4 - j, i & 1 != 0);
            }
        }
    }
    for i in 0..2 {
        rotate(t, 2 * i, 2 * i + 1, 32 + 16 * i as i32, i == 0);
    }
    if n >= 3 {
        for i in 0..2 {
            hadamard(t, 4 + 2 * i, 5 + 2 * i, i != 0);
        }
    }
    if n >= 4 {
        for i in 0..2 {
            rotate(t, 14 - i, 9 + i, 48 + 64 * i as i32, true);
        }
    }
    if n >= 5 {
        for i in 0..4 {
            for j in 0..2 {
                hadamard(t, 16 + 4 * i + j, 19 + 4 * i - j, i & 1 != 0);
            }
        }
    }
    if n == 6 {
        for i in 0..2 {
            for j in 0..4 {
                let angle = 56 - i as i32 * 32 + (j as i32 >> 1) * 64;
                rotate(t, 61 - i * 8 - j, 34 + i * 8 + j, angle, true);
            }
        }
    }
    for i in 0..2 {
        hadamard(t, i, 3 - i, false);
    }
    if n >= 3 {
        rotate(t, 6, 5, 32, true);
    }
    if n >= 4 {
        for i in 0..2 {
            for j in 0..2 {
                hadamard(t, 8 + 4 * i + j, 11 + 4 * i - j, i != 0);
            }
        }
    }
    if n >= 5 {
        for i in 0..4 {
            rotate(t, 29 - i, 18 + i, 48 + (i as i32 >> 1) * 64, true);
        }
    }
    if n == 6 {
        for i in 0..4 {
            for j in 0..4 {
                hadamard(t, 32 + 8 * i + j, 39 + 8 * i - j, i & 1 != 0);
            }
        }
    }
    if n >= 3 {
        for i in 0..4 {
            hadamard(t, i, 7 - i, false);
        }
    }
    if n >= 4 {
        for i in 0..2 {
            rotate(t, 13 - i, 10 + i, 32, true);
        }
    }
    if n >= 5 {
        for i in 0..2 {
            for j in 0..4 {
                hadamard(t, 16 + i * 8 + j, 23 + i * 8 - j, i != 0);
            }
        }
    }
    if n == 6 {
        for i in 0..8 {
            rotate(t, 59 - i, 36 + i, if i < 4 { 48 } else { 112 }, true);
        }
    }
    if n >= 4 {
        for i in 0..8 {
            hadamard(t, i, 15 - i, false);
        }
    }
    if n >= 5 {
        for i in 0..4 {
            rotate(t, 27 - i, 20 + i, 32, true);
        }
    }
    if n == 6 {
        for i in 0..8 {
            hadamard(t, 32 + i, 47 - i, false);
            hadamard(t, 48 + i, 63 - i, true);
        }
    }
    if n >= 5 {
        for i in 0..16 {
            hadamard(t, i, 31 - i, false);
        }
    }
    if n == 6 {
        for i in 0..8 {
            rotate(t, 55 - i, 40 + i, 32, true);
        }
        for i in 0..32 {
            hadamard(t, i, 63 - i, false);
        }
    }
}

/// The inverse ADST4 process (7.13.2.6), whose basis is sin((2k + 1)(n + 1)π / 9).
fn adst4(t: &mut [Lanes]) {
    const SINPI: [i32; 5] = [0, 1321, 2482, 3344, 3803];
    let [t0, t1, t2, t3] = [t[0], t[1], t[2], t[3]];
    for lane in 0..LANES {
        let s0 = SINPI[1] * t0[lane] + SINPI[4] * t2[lane] + SINPI[2] * t3[lane];
        let s1 = SINPI[2] * t0[lane] - SINPI[1] * t2[lane] - SINPI[4] * t3[lane];
        let s2 = SINPI[3] * (t0[lane] - t2[lane] + t3[lane]);
        let s3 = SINPI[3] * t1[lane];
        for (row, x) in t.iter_mut().zip([s0 + s3, s1 + s3, s2, s0 + s1 - s3]) {
            row[lane] = round(x, 12);
        }
    }
}

/// The input permutation of an inverse ADST (7.13.2.4).
fn permute_in(t: &mut [Lanes]) {
    let mut copy = [[0; LANES]; 16];
    let count = t.len();
    copy[..count].copy_from_slice(t);
    for (i, lane) in t.iter_mut().enumerate() {
        *lane = copy[if i & 1 != 0 { i - 1 } else { count - i - 1 }];
    }
}

/// The output permutation of an inverse ADST (7.13.2.5).
fn permute_out(t: &mut [Lanes], n: usize) {
    let mut copy = [[0; LANES]; 16];
    copy[..t.len()].copy_from_slice(t);
    for (i, lane) in t.iter_mut().enumerate() {
        let bit = |k: usize| i >> k & 1;
        let (a, b, c, d) = (bit(3), bit(2) ^ bit(3), bit(1) ^ bit(2), bit(0) ^ bit(1));
        let from = copy[(d << 3 | c << 2 | b << 1 | a) >> (4 - n)];
        *lane = if i & 1 != 0 { from.map(|value| -value) } else { from };
    }
}

/// The inverse ADST8 process (7.13.2.7).
fn adst8(t: &mut [Lanes]) {
    permute_in(t);
    for i in 0..4 {
        rotate(t, 2 * i, 2 * i + 1, 60 - 16 * i as i32, true);
    }
    for i in 0..4 {
        hadamard(t, i, 4 + i, false);
    }
    for i in 0..2 {
        rotate(t, 4 + 3 * i, 5 + i, 48 - 32 * i as i32, true);
    }
    for i in 0..2 {
        for j in 0..2 {
            hadamard(t, 4 * j + i, 2 + 4 * j + i, false);
        }
    }
    for i in 0..2 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    permute_out(t, 3);
}

/// The inverse ADST16 process (7.13.2.8).
fn adst16(t: &mut [Lanes]) {
    permute_in(t);
    for i in 0..8 {
        rotate(t, 2 * i, 2 * i + 1, 62 - 8 * i as i32, true);
    }
    for i in 0..8 {
        hadamard(t, i, 8 + i, false);
    }
    for i in 0..2 {
        rotate(t, 8 + 2 * i, 9 + 2 * i, 56 - 32 * i as i32, true);
        rotate(t, 13 + 2 * i, 12 + 2 * i, 8 + 32 * i as i32, true);
    }
    for i in 0..4 {
        for j in 0..2 {
            hadamard(t, 8 * j + i, 4 + 8 * j + i, false);
        }
    }
    for i in 0..2 {
        for j in 0..2 {
            rotate(t, 4 + 8 * j + 3 * i, 5 + 8 * j + i, 48 - 32 * i as i32, true);
        }
    }
    for i in 0..2 {
        for j in 0..4 {
            hadamard(t, 4 * j + i, 2 + 4 * j + i, false);
        }
    }
    for i in 0..4 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    permute_out(t, 4);
}
