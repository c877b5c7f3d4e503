//! Inverse transforms, exactly as in decoders (7.13).
//!
//! Butterflies process eight columns (or rows) at once, so that compilers vectorize them.

use super::sample::Sample;
use super::size::BlockSize;
use super::tables::COSINE;

/// The number of samples that are transformed at once.
const LANES: usize = 8;

type Lanes = [i32; LANES];

/// The transforms of columns and rows; the numbers are those of `PlaneTxType` (6.10.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TxType(pub(super) u8);

/// A one-dimensional transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dct,
    Adst,
    /// The ADST, backwards.
    Flipped,
    Identity,
}

impl TxType {
    pub(super) const DCT: Self = Self(0);

    /// All types with an ADST and without flips.
    pub(super) const WITH_ADST: [Self; 3] = [Self(1), Self(2), Self(3)];

    /// Those with an ADST, and that for single samples.
    pub(super) const WITH_ADST_AND_IDENTITY: [Self; 4] = [Self(1), Self(2), Self(3), Self::IDENTITY];

    /// `IDTX`, the first of the types with identity transforms.
    pub(super) const IDENTITY: Self = Self(9);

    /// `Mode_To_Txfm` (9.3).
    pub(super) fn of_mode(base: u8) -> Self {
        const OF_MODES: [u8; 14] = [0, 1, 2, 0, 3, 1, 2, 2, 1, 3, 1, 2, 3, 0];
        Self(OF_MODES[usize::from(base)])
    }

    pub(super) fn columns_are_adst(self) -> bool {
        self.columns() == Kind::Adst
    }

    pub(super) fn rows_are_adst(self) -> bool {
        self.rows() == Kind::Adst
    }

    pub(super) fn columns(self) -> Kind {
        match self.0 {
            1 | 3 | 7 | 12 => Kind::Adst,
            4 | 6 | 8 | 14 => Kind::Flipped,
            9 | 11 | 13 | 15 => Kind::Identity,
            _ => Kind::Dct,
        }
    }

    pub(super) fn rows(self) -> Kind {
        match self.0 {
            2 | 3 | 8 | 13 => Kind::Adst,
            5 | 6 | 7 | 15 => Kind::Flipped,
            9 | 10 | 12 | 14 => Kind::Identity,
            _ => Kind::Dct,
        }
    }
}

/// Buffers for a transform block. What they hold between blocks does not matter.
pub(super) struct Space {
    /// Bands of transformed rows, column by column.
    bands: [[Lanes; 64]; 4],
    lanes: [Lanes; 64],
}

impl Space {
    pub(super) fn new() -> Self {
        Self { bands: [[[0; LANES]; 64]; 4], lanes: [[0; LANES]; 64] }
    }
}

/// The residual of a transform block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) size: BlockSize,
    pub(super) tx_type: TxType,
    /// The number of rows of coefficients that may differ from 0.
    pub(super) rows: usize,
    /// The depth of samples in bits.
    pub(super) depth: u32,
}

impl Shape {
    /// The largest intermediate values of rows and of columns.
    fn limits(self) -> (i32, i32) {
        ((1 << (self.depth + 7)) - 1, (1 << (self.depth.max(10) + 5)) - 1)
    }

    pub(super) fn row_shift(self) -> u32 {
        [0, 1, 2, 2, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2][self.size.transform_index()]
    }

    /// Whether one side is twice as long as the other.
    pub(super) fn is_oblong(self) -> bool {
        self.size.w.abs_diff(self.size.h) == 1
    }
}

/// Adds the residual of `coefficients` to samples (7.13.3). `coefficients` are those of the coded part, column by
/// column, and zero afterwards.
pub(super) fn add<S: Sample>(
    coefficients: &mut [i32],
    shape: Shape,
    samples: &mut [S],
    stride: usize,
    space: &mut Space,
) {
    let Shape { size, tx_type, rows, depth } = shape;
    let (width, height, coded) = (size.width(), size.height(), size.coded());
    let (row_high, high) = shape.limits();
    let (row_shift, is_oblong) = (shape.row_shift(), shape.is_oblong());
    if tx_type == TxType::DCT
        && rows == 1
        && coefficients[coded.height()..].iter().step_by(coded.height()).all(|c| *c == 0)
    {
        add_constant(coefficients, shape, samples, stride);
        return;
    }
    let count = rows.div_ceil(LANES);
    let bands = &mut space.bands[..count];
    for (band, lanes) in bands.iter_mut().enumerate() {
        let (top, lanes) = (band * LANES, &mut lanes[..width]);
        let (filled, empty) = lanes.split_at_mut(coded.width());
        for (lane, column) in filled.iter_mut().zip(coefficients.chunks_exact_mut(coded.height())) {
            let column = &mut column[top..(top + LANES).min(coded.height())];
            match column.first_chunk_mut::<LANES>() {
                Some(column) => {
                    *lane = *column;
                    *column = [0; LANES];
                }
                None => {
                    *lane = [0; LANES];
                    lane[..column.len()].copy_from_slice(column);
                    column.fill(0);
                }
            }
            if is_oblong {
                *lane = lane.map(|value| round(value.wrapping_mul(2896), 12));
            }
        }
        empty.fill([0; LANES]);
        transform(lanes, size.w, tx_type.rows(), row_high);
        for lane in lanes {
            *lane = lane.map(|value| round(value, row_shift).clamp(-high - 1, high));
        }
    }
    let lanes = &mut space.lanes[..height];
    for left in (0..width).step_by(LANES) {
        let across = LANES.min(width - left);
        let (filled, empty) = lanes.split_at_mut((count * LANES).min(height));
        for (band, rows) in bands.iter().zip(filled.chunks_mut(LANES)) {
            for (x, column) in band[left..left + across].iter().enumerate() {
                for (row, value) in rows.iter_mut().zip(column) {
                    row[x] = *value;
                }
            }
        }
        empty.fill([0; LANES]);
        transform(lanes, size.h, tx_type.columns(), high);
        for (line, lane) in samples.chunks_mut(stride).zip(&*lanes) {
            let line = &mut line[left..left + across];
            match line.first_chunk_mut::<LANES>() {
                Some(line) => add_lane(line, lane, depth),
                None => add_lane(line, lane, depth),
            }
        }
    }
}

#[inline(always)]
fn add_lane<S: Sample>(line: &mut [S], lane: &Lanes, depth: u32) {
    for (sample, value) in line.iter_mut().zip(lane) {
        *sample = S::clamped(Into::<i32>::into(*sample) + round(*value, 4), depth);
    }
}

/// Adds the residual of the first coefficient alone, which is the same for all samples.
fn add_constant<S: Sample>(coefficients: &mut [i32], shape: Shape, samples: &mut [S], stride: usize) {
    let (_, high) = shape.limits();
    let scaled = |value: i32| round(value.wrapping_mul(2896), 12);
    let first = if shape.is_oblong() { scaled(coefficients[0]) } else { coefficients[0] };
    coefficients[0] = 0;
    let row = round(scaled(first), shape.row_shift()).clamp(-high - 1, high);
    let residual = round(scaled(row), 4);
    for line in samples.chunks_mut(stride).take(shape.size.height()) {
        for sample in &mut line[..shape.size.width()] {
            *sample = S::clamped(Into::<i32>::into(*sample) + residual, shape.depth);
        }
    }
}

#[inline(always)]
fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { value.wrapping_add(1 << (bits - 1)) >> bits }
}

/// Transforms as many lanes as `1 << log2`.
fn transform(t: &mut [Lanes], log2: u8, kind: Kind, high: i32) {
    match log2 {
        2 => transform_of::<4>(t, kind, high),
        3 => transform_of::<8>(t, kind, high),
        4 => transform_of::<16>(t, kind, high),
        5 => transform_of::<32>(t, kind, high),
        _ => transform_of::<64>(t, kind, high),
    }
}

fn transform_of<const N: usize>(t: &mut [Lanes], kind: Kind, high: i32) {
    let Some(t) = t.first_chunk_mut::<N>() else { return };
    match kind {
        Kind::Dct => dct(t, high),
        Kind::Adst | Kind::Flipped => {
            match N {
                4 => adst4(t),
                8 => adst8(t, high),
                // There is none of 32.
                _ => adst16(&mut t[..N.min(16)], high),
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
        *lane = lane.map(|value| match N {
            4 => round(value.wrapping_mul(5793), 12),
            8 => value.wrapping_mul(2),
            16 => round(value.wrapping_mul(11586), 12),
            _ => value.wrapping_mul(4),
        });
    }
}

/// `cos128(angle)`.
#[inline(always)]
pub(super) const fn cosine(angle: i32) -> i32 {
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
        x[lane] = round(t[a][lane].wrapping_mul(cos).wrapping_sub(t[b][lane].wrapping_mul(sin)), 12);
        y[lane] = round(t[a][lane].wrapping_mul(sin).wrapping_add(t[b][lane].wrapping_mul(cos)), 12);
    }
    (t[a], t[b]) = if flip { (y, x) } else { (x, y) };
}

/// `H(a, b, flip)`: a Hadamard rotation, sum and difference.
#[inline(always)]
fn hadamard(t: &mut [Lanes], a: usize, b: usize, flip: bool, high: i32) {
    let (a, b) = if flip { (b, a) } else { (a, b) };
    let (x, y) = (t[a], t[b]);
    t[a] = std::array::from_fn(|lane| x[lane].wrapping_add(y[lane]).clamp(-high - 1, high));
    t[b] = std::array::from_fn(|lane| x[lane].wrapping_sub(y[lane]).clamp(-high - 1, high));
}

/// The value of the lowest `bits` in reversed order.
pub(super) fn reversed(bits: u32, value: usize) -> usize {
    if bits == 0 { 0 } else { value.reverse_bits() >> (usize::BITS - bits) }
}

/// The inverse DCT process (7.13.2.3), step by step.
#[inline(always)]
fn dct<const N: usize>(t: &mut [Lanes; N], high: i32) {
    let n = N.ilog2();
    let copy = *t;
    for (i, lane) in t.iter_mut().enumerate() {
        *lane = copy[reversed(n, i)];
    }
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
            hadamard(t, 32 + i * 2, 33 + i * 2, i & 1 != 0, high);
        }
    }
    if n >= 4 {
        for i in 0..4 {
            rotate(t, 8 + i, 15 - i, 12 + ((reversed(2, 3 - i) as i32) << 4), false);
        }
    }
    if n >= 5 {
        for i in 0..8 {
            hadamard(t, 16 + 2 * i, 17 + 2 * i, i & 1 != 0, high);
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
            hadamard(t, 8 + 2 * i, 9 + 2 * i, i & 1 != 0, high);
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
                hadamard(t, 32 + i * 4 + j, 35 + i * 4 - j, i & 1 != 0, high);
            }
        }
    }
    for i in 0..2 {
        rotate(t, 2 * i, 2 * i + 1, 32 + 16 * i as i32, i == 0);
    }
    if n >= 3 {
        for i in 0..2 {
            hadamard(t, 4 + 2 * i, 5 + 2 * i, i != 0, high);
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
                hadamard(t, 16 + 4 * i + j, 19 + 4 * i - j, i & 1 != 0, high);
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
        hadamard(t, i, 3 - i, false, high);
    }
    if n >= 3 {
        rotate(t, 6, 5, 32, true);
    }
    if n >= 4 {
        for i in 0..2 {
            for j in 0..2 {
                hadamard(t, 8 + 4 * i + j, 11 + 4 * i - j, i != 0, high);
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
                hadamard(t, 32 + 8 * i + j, 39 + 8 * i - j, i & 1 != 0, high);
            }
        }
    }
    if n >= 3 {
        for i in 0..4 {
            hadamard(t, i, 7 - i, false, high);
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
                hadamard(t, 16 + i * 8 + j, 23 + i * 8 - j, i != 0, high);
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
            hadamard(t, i, 15 - i, false, high);
        }
    }
    if n >= 5 {
        for i in 0..4 {
            rotate(t, 27 - i, 20 + i, 32, true);
        }
    }
    if n == 6 {
        for i in 0..8 {
            hadamard(t, 32 + i, 47 - i, false, high);
            hadamard(t, 48 + i, 63 - i, true, high);
        }
    }
    if n >= 5 {
        for i in 0..16 {
            hadamard(t, i, 31 - i, false, high);
        }
    }
    if n == 6 {
        for i in 0..8 {
            rotate(t, 55 - i, 40 + i, 32, true);
        }
        for i in 0..32 {
            hadamard(t, i, 63 - i, false, high);
        }
    }
}

/// The inverse ADST4 process (7.13.2.6), whose basis is sin((2k + 1)(n + 1)π / 9).
fn adst4(t: &mut [Lanes]) {
    const SINPI: [i32; 5] = [0, 1321, 2482, 3344, 3803];
    let [t0, t1, t2, t3] = [t[0], t[1], t[2], t[3]];
    let times = |k: usize, value: i32| SINPI[k].wrapping_mul(value);
    for lane in 0..LANES {
        let [a, b, c, d] = [t0[lane], t1[lane], t2[lane], t3[lane]];
        let s0 = times(1, a).wrapping_add(times(4, c)).wrapping_add(times(2, d));
        let s1 = times(2, a).wrapping_sub(times(1, c)).wrapping_sub(times(4, d));
        let s2 = times(3, a.wrapping_sub(c).wrapping_add(d));
        let s3 = times(3, b);
        let sums = [s0.wrapping_add(s3), s1.wrapping_add(s3), s2, s0.wrapping_add(s1).wrapping_sub(s3)];
        for (row, x) in t.iter_mut().zip(sums) {
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
fn adst8(t: &mut [Lanes], high: i32) {
    permute_in(t);
    for i in 0..4 {
        rotate(t, 2 * i, 2 * i + 1, 60 - 16 * i as i32, true);
    }
    for i in 0..4 {
        hadamard(t, i, 4 + i, false, high);
    }
    for i in 0..2 {
        rotate(t, 4 + 3 * i, 5 + i, 48 - 32 * i as i32, true);
    }
    for i in 0..2 {
        for j in 0..2 {
            hadamard(t, 4 * j + i, 2 + 4 * j + i, false, high);
        }
    }
    for i in 0..2 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    permute_out(t, 3);
}

/// The inverse ADST16 process (7.13.2.8).
fn adst16(t: &mut [Lanes], high: i32) {
    permute_in(t);
    for i in 0..8 {
        rotate(t, 2 * i, 2 * i + 1, 62 - 8 * i as i32, true);
    }
    for i in 0..8 {
        hadamard(t, i, 8 + i, false, high);
    }
    for i in 0..2 {
        rotate(t, 8 + 2 * i, 9 + 2 * i, 56 - 32 * i as i32, true);
        rotate(t, 13 + 2 * i, 12 + 2 * i, 8 + 32 * i as i32, true);
    }
    for i in 0..4 {
        for j in 0..2 {
            hadamard(t, 8 * j + i, 4 + 8 * j + i, false, high);
        }
    }
    for i in 0..2 {
        for j in 0..2 {
            rotate(t, 4 + 8 * j + 3 * i, 5 + 8 * j + i, 48 - 32 * i as i32, true);
        }
    }
    for i in 0..2 {
        for j in 0..4 {
            hadamard(t, 4 * j + i, 2 + 4 * j + i, false, high);
        }
    }
    for i in 0..4 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    permute_out(t, 4);
}
