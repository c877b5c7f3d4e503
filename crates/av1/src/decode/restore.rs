//! The filters of loop restoration (7.17).

use super::frame::{Plane, RestorationUnit, RestorationUnits};
use super::superres::Upscaling;
use super::tables::SELF_GUIDED;
use super::{Check, DecodeError, go_on};
use crate::sample::Sample;

/// The reach of filters.
const REACH: usize = 3;

/// The height of a stripe of luma, and how far stripes are shifted up.
const STRIPE: usize = 64;
const OFFSET: usize = 8;

/// The memory of [`restore`] in bytes for a plane of this width.
pub(super) fn memory(width: u64) -> u64 {
    // A stripe as integers, and what each of the filters makes of a unit, up to 384 samples wide.
    let rows = (STRIPE + 2 * REACH) as u64;
    rows * 4 * (width + 6) + 4 * rows * 4 * width.min(384 + 8)
}

/// The rows of a plane on both sides of the edges between stripes, before CDEF: two above each edge, and two below.
pub(super) struct Boundaries<S> {
    rows: Vec<S>,
    width: usize,
    shift: u32,
}

impl<S: Sample> Boundaries<S> {
    /// The memory in bytes for a plane of this size, at least.
    pub(super) fn memory(width: u64, height: u64, shift: u32) -> u64 {
        ((height << shift) / STRIPE as u64 + 1) * 4 * width * size_of::<S>() as u64
    }

    /// Copies the rows of a plane of which `height` are visible, and upscales them.
    pub(super) fn new(plane: &Plane<S>, [width, height]: [usize; 2], shift: u32, scaling: Option<Upscaling>) -> Self {
        let mut rows = Vec::new();
        for edge in (STRIPE - OFFSET..).step_by(STRIPE).map(|edge| edge >> shift).take_while(|edge| *edge < height) {
            for y in edge - 2..edge + 2 {
                let source = &plane.samples[y.min(height - 1) * plane.stride..][..plane.stride];
                let start = rows.len();
                match scaling {
                    Some(scaling) => {
                        rows.resize(start + width, S::default());
                        scaling.row(source, &mut rows[start..]);
                    }
                    None => rows.extend_from_slice(&source[..width]),
                }
            }
        }
        Self { rows, width, shift }
    }

    /// Row `i` of the edge above stripe `stripe`, from 0 to 3.
    fn row(&self, stripe: usize, i: usize) -> &[S] {
        &self.rows[((stripe - 1) * 4 + i) * self.width..][..self.width]
    }
}

/// Filters a plane of this size, of units of `1 << log2` samples.
pub(super) fn restore<S: Sample>(
    plane: &mut Plane<S>,
    [width, height]: [usize; 2],
    units: &RestorationUnits,
    log2: u32,
    boundaries: &Boundaries<S>,
    depth: u32,
    check: Check<'_>,
) -> Result<(), DecodeError> {
    let shift = boundaries.shift;
    let stripes = ((height << shift) + OFFSET).div_ceil(STRIPE);
    let mut source = Source { samples: Vec::new(), stride: width + 2 * REACH, rows: 0 };
    let mut space = Space::default();
    for stripe in 0..stripes {
        go_on(check)?;
        let start = (stripe * STRIPE).saturating_sub(OFFSET) >> shift;
        let end = (((stripe + 1) * STRIPE - OFFSET) >> shift).min(height);
        if start >= end {
            continue;
        }
        source.load(plane, [start, end], [width, height], stripe, boundaries);
        let unit_row = (((stripe * STRIPE) >> shift) >> log2).min(units.rows - 1);
        for column in 0..units.columns {
            let left = column << log2;
            let right = if column + 1 == units.columns { width } else { (column + 1) << log2 };
            let out = &mut plane.samples[start * plane.stride + left..];
            let area = [left, right - left];
            match units.units[unit_row * units.columns + column] {
                RestorationUnit::None => {}
                RestorationUnit::Wiener(filters) => wiener(&source, filters, area, out, plane.stride, depth),
                RestorationUnit::SelfGuided(set, weights) => {
                    self_guided(&source, set, weights, area, out, plane.stride, depth, &mut space);
                }
            }
        }
    }
    Ok(())
}

/// The samples of a stripe, and [`REACH`] rows and columns on all sides.
struct Source {
    samples: Vec<i32>,
    stride: usize,
    rows: usize,
}

impl Source {
    fn load<S: Sample>(
        &mut self,
        plane: &Plane<S>,
        [start, end]: [usize; 2],
        [width, height]: [usize; 2],
        stripe: usize,
        boundaries: &Boundaries<S>,
    ) {
        self.rows = end - start;
        self.samples.clear();
        for i in 0..self.rows + 2 * REACH {
            let y = (start + i).checked_sub(REACH);
            let line = match y {
                Some(y) if (start..end).contains(&y) => &plane.samples[y * plane.stride..][..width],
                // Rows of the stripe above: its last two, the first of which is repeated.
                _ if i < REACH && start > 0 => boundaries.row(stripe, i.saturating_sub(1)),
                _ if i < REACH => &plane.samples[..width],
                // Beyond the frame, its last row is repeated, which may be that of the stripe below.
                Some(y) if end < height => {
                    let beyond = y.min(height - 1) - end;
                    boundaries.row(stripe + 1, 2 + beyond.min(1))
                }
                _ => &plane.samples[(end - 1) * plane.stride..][..width],
            };
            let of = |sample: S| Into::<i32>::into(sample);
            self.samples.extend([of(line[0]); REACH]);
            self.samples.extend(line.iter().map(|sample| of(*sample)));
            self.samples.extend([of(line[width - 1]); REACH]);
        }
    }

    /// A row, from -[`REACH`] on, of columns from `left` - [`REACH`] on.
    fn row(&self, i: usize, left: usize) -> &[i32] {
        &self.samples[i * self.stride + left..]
    }
}

/// The Wiener filter process (7.17.4).
fn wiener<S: Sample>(
    source: &Source,
    filters: [[i8; 3]; 2],
    [left, width]: [usize; 2],
    out: &mut [S],
    stride: usize,
    depth: u32,
) {
    let [down, across] = filters.map(|coefficients| {
        let [a, b, c] = coefficients.map(i32::from);
        [a, b, c, 128 - 2 * (a + b + c), c, b, a]
    });
    let first_round = if depth == 12 { 5 } else { 3 };
    let second_round = 14 - first_round;
    let offset = 1 << (depth + 7 - first_round - 1);
    let most = (1 << (depth + 8 - first_round)) - 1 - offset;
    let filtered: Vec<i32> = (0..source.rows + 2 * REACH)
        .flat_map(|i| {
            source.row(i, left)[..width + 2 * REACH].windows(7).map(|near| {
                let sum: i32 = near.iter().zip(across).map(|(sample, tap)| sample * tap).sum();
                ((sum + (1 << (first_round - 1))) >> first_round).clamp(-offset, most)
            })
        })
        .collect();
    for (i, line) in out.chunks_mut(stride).take(source.rows).enumerate() {
        for (j, sample) in line[..width].iter_mut().enumerate() {
            let sum: i32 = down.iter().enumerate().map(|(t, tap)| tap * filtered[(i + t) * width + j]).sum();
            *sample = S::clamped((sum + (1 << (second_round - 1))) >> second_round, depth);
        }
    }
}

/// Buffers of the self-guided filter.
#[derive(Default)]
struct Space {
    /// `A` and `B`, of one row and one column more on all sides.
    a: Vec<u32>,
    b: Vec<u32>,
    filtered: [Vec<i32>; 2],
}

/// The self guided filter process (7.17.2).
#[expect(clippy::too_many_arguments, reason = "the parameters of one process of the specification")]
fn self_guided<S: Sample>(
    source: &Source,
    set: u8,
    weights: [i8; 2],
    area @ [left, width]: [usize; 2],
    out: &mut [S],
    stride: usize,
    depth: u32,
    space: &mut Space,
) {
    let passes = SELF_GUIDED[usize::from(set)];
    for (pass, parameters) in passes.into_iter().enumerate() {
        if parameters[0] > 0 {
            box_filter(source, parameters, pass, area, depth, space);
        }
    }
    let [w0, w1] = weights.map(i32::from);
    let w2 = 128 - w0 - w1;
    for (i, line) in out.chunks_mut(stride).take(source.rows).enumerate() {
        let values = &source.row(i + REACH, left)[REACH..];
        for (j, (sample, value)) in line[..width].iter_mut().zip(values).enumerate() {
            let u = value << 4;
            let of = |pass: usize| if passes[pass][0] > 0 { space.filtered[pass][i * width + j] } else { u };
            let v = w1 * u + w0 * of(0) + w2 * of(1);
            *sample = S::clamped((v + (1 << 10)) >> 11, depth);
        }
    }
}

/// The box filter process (7.17.3).
fn box_filter(
    source: &Source,
    [radius, strength]: [u8; 2],
    pass: usize,
    [left, width]: [usize; 2],
    depth: u32,
    space: &mut Space,
) {
    let r = usize::from(radius);
    let side = 2 * r + 1;
    let n = (side * side) as u32;
    let scaled = n * n * u32::from(strength);
    let s = ((1 << 20) + scaled / 2) / scaled;
    let one_over_n = ((1 << 12) + n / 2) / n;
    let (across, down) = (width + 2, source.rows + 2);
    let round = |value: u32, bits: u32| if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits };
    space.a.resize(across * down, 0);
    space.b.resize(across * down, 0);
    let mut sums = vec![[0u32; 2]; across + 2 * r];
    for i in 0..down {
        // Only odd rows of the first pass count, of which the first is -1.
        if pass == 0 && i % 2 == 1 {
            continue;
        }
        sums.fill([0; 2]);
        for row in 0..side {
            let values = &source.row(i + row + REACH - 1 - r, left)[REACH - 1 - r..];
            for (sum, value) in sums.iter_mut().zip(values) {
                let value = *value as u32;
                *sum = [sum[0] + value * value, sum[1] + value];
            }
        }
        let a_row = &mut space.a[i * across..(i + 1) * across];
        let b_row = &mut space.b[i * across..(i + 1) * across];
        for ((near, a), b) in sums.windows(side).zip(a_row).zip(b_row) {
            let [squares, sum] = near.iter().fold([0; 2], |[a, b], sums| [a + sums[0], b + sums[1]]);
            let (c, d) = (round(squares, 2 * (depth - 8)), round(sum, depth - 8));
            let p = (c * n).saturating_sub(d * d);
            let z = ((u64::from(p) * u64::from(s) + (1 << 19)) >> 20) as u32;
            let a2 = match z {
                255.. => 256,
                0 => 1,
                _ => ((z << 8) + z / 2) / (z + 1),
            };
            *a = a2;
            *b = round((256 - a2) * sum * one_over_n, 12);
        }
    }
    let filtered = &mut space.filtered[pass];
    filtered.clear();
    for i in 0..source.rows {
        let values = &source.row(i + REACH, left)[REACH..];
        let row = |i: usize| i * across;
        for (j, value) in values[..width].iter().enumerate() {
            let near = |sums: &[u32], i: usize, middle: u32, side: u32| {
                let at = row(i) + j;
                sums[at + 1] * middle + (sums[at] + sums[at + 2]) * side
            };
            let weighted = |sums: &[u32]| match (pass, i % 2) {
                (0, 0) => near(sums, i, 6, 5) + near(sums, i + 2, 6, 5),
                (0, _) => near(sums, i + 1, 6, 5),
                _ => near(sums, i, 4, 3) + near(sums, i + 1, 4, 4) + near(sums, i + 2, 4, 3),
            };
            let shift = if pass == 0 && i % 2 == 1 { 4 } else { 5 };
            let v = weighted(&space.a) * *value as u32 + weighted(&space.b);
            filtered.push(round(v, 8 + shift - 4) as i32);
        }
    }
}
