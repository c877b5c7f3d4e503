//! Intra prediction (7.11.2): the samples of a block from those above and to the left.

use super::size::BlockSize;
use super::tables::{DERIVATIVE, FILTER_INTRA_TAPS, SMOOTH_4, SMOOTH_8, SMOOTH_16, SMOOTH_32, SMOOTH_64};

pub(super) const DC: u8 = 0;
pub(super) const VERTICAL: u8 = 1;
pub(super) const HORIZONTAL: u8 = 2;
pub(super) const D67: u8 = 8;
pub(super) const SMOOTH: u8 = 9;
pub(super) const SMOOTH_V: u8 = 10;
pub(super) const SMOOTH_H: u8 = 11;
pub(super) const PAETH: u8 = 12;
/// Chroma from luma.
pub(super) const FROM_LUMA: u8 = 13;

/// A prediction mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    /// One of the constants of this module.
    pub(super) base: u8,
    /// The angle delta in steps of 3 degrees, -3 to 3.
    pub(super) delta: i8,
    /// `filter_intra_mode`, with [`DC`] for `base`.
    pub(super) filter: Option<u8>,
}

impl Mode {
    pub(super) const fn plain(base: u8) -> Self {
        Self { base, delta: 0, filter: None }
    }

    pub(super) fn is_directional(self) -> bool {
        (VERTICAL..=D67).contains(&self.base)
    }

    pub(super) fn is_smooth(base: u8) -> bool {
        (SMOOTH..=SMOOTH_H).contains(&base)
    }
}

/// The index of `AboveRow[0]` and `LeftCol[0]`; there are samples before them.
const ORIGIN: usize = 16;

type Edge = [u8; ORIGIN + 2 * 128 + 16];

/// The samples adjacent to a block.
#[derive(Clone)]
pub(super) struct Edges {
    above: Edge,
    left: Edge,
    have_above: bool,
    have_left: bool,
    /// The numbers of samples above, and to the left, that are inside the picture.
    inside: [usize; 2],
    /// Whether a neighbour uses smooth prediction.
    beside_smooth: bool,
}

/// The position of a block, and its decoded neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) have_above: bool,
    pub(super) have_left: bool,
    pub(super) have_above_right: bool,
    pub(super) have_below_left: bool,
    /// The coded numbers of columns and rows of the plane.
    pub(super) end: [usize; 2],
    pub(super) beside_smooth: bool,
}

impl Edges {
    /// Reads the samples adjacent to a block of `size` at `place` of a plane.
    pub(super) fn read(samples: &[u8], stride: usize, size: BlockSize, place: Place) -> Self {
        let Place { x, y, have_above, have_left, end, .. } = place;
        let (w, h) = (size.width(), size.height());
        let (mut above, mut left) = ([0; size_of::<Edge>()], [0; size_of::<Edge>()]);
        let count = w + h;
        let at = |x: usize, y: usize| samples[y * stride + x];
        if have_above {
            let limit = (x + if place.have_above_right { 2 * w } else { w }).min(end[0]);
            let line = &samples[(y - 1) * stride + x..(y - 1) * stride + limit];
            let known = line.len().min(count);
            above[ORIGIN..ORIGIN + known].copy_from_slice(&line[..known]);
            above[ORIGIN + known..ORIGIN + count].fill(line[known - 1]);
        } else {
            above[ORIGIN..ORIGIN + count].fill(if have_left { at(x - 1, y) } else { 127 });
        }
        if have_left {
            let limit = (y + if place.have_below_left { 2 * h } else { h }).min(end[1]) - 1;
            for (i, sample) in left[ORIGIN..ORIGIN + count].iter_mut().enumerate() {
                *sample = at(x - 1, limit.min(y + i));
            }
        } else {
            left[ORIGIN..ORIGIN + count].fill(if have_above { at(x, y - 1) } else { 129 });
        }
        let corner = match (have_above, have_left) {
            (true, true) => at(x - 1, y - 1),
            (true, false) => at(x, y - 1),
            (false, true) => at(x - 1, y),
            (false, false) => 128,
        };
        (above[ORIGIN - 1], left[ORIGIN - 1]) = (corner, corner);
        let inside = [w.min(end[0] - x), h.min(end[1] - y)];
        Self { above, left, have_above, have_left, inside, beside_smooth: place.beside_smooth }
    }

    /// Writes the prediction, row by row.
    pub(super) fn predict(&self, mode: Mode, size: BlockSize, out: &mut [u8]) {
        let (w, h) = (size.width(), size.height());
        let (above, left) = (&self.above[ORIGIN..ORIGIN + w], &self.left[ORIGIN..ORIGIN + h]);
        let rows = out.chunks_exact_mut(w).zip(left);
        match mode {
            Mode { filter: Some(filter), .. } => self.filtered(filter, w, h, out),
            Mode { base: DC, .. } | Mode { base: FROM_LUMA, .. } => out[..w * h].fill(self.mean(w, h)),
            Mode { base: VERTICAL, delta: 0, .. } => rows.for_each(|(row, _)| row.copy_from_slice(above)),
            Mode { base: HORIZONTAL, delta: 0, .. } => rows.for_each(|(row, left)| row.fill(*left)),
            Mode { base: PAETH, .. } => {
                let corner = self.above[ORIGIN - 1];
                rows.for_each(|(row, left)| paeth(row, above, *left, corner));
            }
            Mode { base: SMOOTH..=SMOOTH_H, .. } => smooth(mode.base, above, left, out),
            _ => self.directional(mode, size, out),
        }
    }

    fn mean(&self, w: usize, h: usize) -> u8 {
        let sum =
            |edge: &Edge, count: usize| edge[ORIGIN..ORIGIN + count].iter().map(|s| usize::from(*s)).sum::<usize>();
        match (self.have_above, self.have_left) {
            (true, true) => ((sum(&self.above, w) + sum(&self.left, h) + ((w + h) >> 1)) / (w + h)) as u8,
            (true, false) => ((sum(&self.above, w) + (w >> 1)) / w) as u8,
            (false, true) => ((sum(&self.left, h) + (h >> 1)) / h) as u8,
            (false, false) => 128,
        }
    }

    /// The recursive intra prediction process (7.11.2.3): blocks of 4 by 2 from 7 neighbours.
    fn filtered(&self, filter: u8, w: usize, h: usize, out: &mut [u8]) {
        let taps = &FILTER_INTRA_TAPS[usize::from(filter)];
        let taps: [[i16; 8]; 7] = std::array::from_fn(|i| taps.map(|taps| taps[i].into()));
        // Including the samples above and to the left.
        let mut samples = [0u8; (32 + 1) * (32 + 1)];
        let stride = w + 1;
        samples[..stride].copy_from_slice(&self.above[ORIGIN - 1..ORIGIN + w]);
        for (row, left) in samples.chunks_exact_mut(stride).skip(1).zip(&self.left[ORIGIN..ORIGIN + h]) {
            row[0] = *left;
        }
        for y in (0..h).step_by(2) {
            for x in (0..w).step_by(4) {
                let at = y * stride + x;
                let near = [at, at + 1, at + 2, at + 3, at + 4, at + stride, at + 2 * stride];
                let mut sums = [0i16; 8];
                for (taps, i) in taps.iter().zip(near) {
                    let sample = i16::from(samples[i]);
                    for (sum, tap) in sums.iter_mut().zip(taps) {
                        *sum += tap * sample;
                    }
                }
                let block = sums.map(|sum| ((sum + 8) >> 4).clamp(0, 255) as u8);
                samples[at + stride + 1..][..4].copy_from_slice(&block[..4]);
                samples[at + 2 * stride + 1..][..4].copy_from_slice(&block[4..]);
            }
        }
        for (row, samples) in out.chunks_exact_mut(w).zip(samples.chunks_exact(stride).skip(1)) {
            row.copy_from_slice(&samples[1..]);
        }
    }

    /// The directional intra prediction process (7.11.2.4).
    fn directional(&self, mode: Mode, size: BlockSize, out: &mut [u8]) {
        let (w, h) = (size.width(), size.height());
        let angle = [0, 90, 180, 45, 135, 113, 157, 203, 67][usize::from(mode.base)] + 3 * i32::from(mode.delta);
        let (mut above, mut left) = (self.above, self.left);
        if 90 < angle && angle < 180 && w + h >= 24 {
            let sum = u32::from(left[ORIGIN]) * 5 + u32::from(above[ORIGIN - 1]) * 6 + u32::from(above[ORIGIN]) * 5;
            let corner = ((sum + 8) >> 4) as u8;
            (above[ORIGIN - 1], left[ORIGIN - 1]) = (corner, corner);
        }
        let (down, across) = (if angle < 90 { h } else { 0 }, if angle > 180 { w } else { 0 });
        if self.have_above {
            let strength = strength(w + h, self.beside_smooth, (angle - 90).abs());
            soften(&mut above, self.inside[0] + down + 1, strength);
        }
        if self.have_left {
            let strength = strength(w + h, self.beside_smooth, (angle - 180).abs());
            soften(&mut left, self.inside[1] + across + 1, strength);
        }
        let finer_above = is_upsampled(w + h, self.beside_smooth, (angle - 90).abs());
        let finer_left = is_upsampled(w + h, self.beside_smooth, (angle - 180).abs());
        if finer_above {
            upsample(&mut above, w + down);
        }
        if finer_left {
            upsample(&mut left, h + across);
        }
        let derivative = |degrees: i32| i32::from(DERIVATIVE[degrees as usize]);
        if angle < 90 {
            from_above(&above, finer_above, derivative(angle), w, h, out);
        } else if angle < 180 {
            let (dx, dy) = (derivative(180 - angle), derivative(angle - 90));
            from_both((&above, finer_above, dx), (&left, finer_left, dy), w, out);
        } else {
            from_left(&left, finer_left, derivative(270 - angle), w, out);
        }
    }
}

fn round_signed(value: i32, bits: u32) -> i32 {
    let half = 1 << (bits - 1);
    if value < 0 { -((-value + half) >> bits) } else { (value + half) >> bits }
}

/// Interpolates the samples of an edge from `base` on, at an offset of `shift` 32nds.
#[inline(always)]
fn interpolate(edge: &Edge, base: i32, finer: bool, shift: i32, out: &mut [u8]) {
    let start = (ORIGIN as i32 + base) as usize;
    let (near, far) = (32 - shift as u16, shift as u16);
    let blend = |a: u8, b: u8| ((u16::from(a) * near + u16::from(b) * far + 16) >> 5) as u8;
    if finer {
        for (sample, pair) in out.iter_mut().zip(edge[start..].as_chunks::<2>().0) {
            *sample = blend(pair[0], pair[1]);
        }
    } else {
        for (sample, (a, b)) in out.iter_mut().zip(edge[start..].iter().zip(&edge[start + 1..])) {
            *sample = blend(*a, *b);
        }
    }
}

fn from_above(above: &Edge, finer: bool, dx: i32, w: usize, h: usize, out: &mut [u8]) {
    let up = u32::from(finer);
    let last = ((w + h - 1) << up) as i32;
    for (i, row) in out.chunks_exact_mut(w).take(h).enumerate() {
        let index = (i as i32 + 1) * dx;
        let base = index >> (6 - up);
        // The last sample is repeated beyond the end.
        let inside = ((last - base).max(0) as usize).div_ceil(1 << up).min(w);
        interpolate(above, base, finer, ((index << up) >> 1) & 31, &mut row[..inside]);
        row[inside..].fill(above[ORIGIN + last as usize]);
    }
}

fn from_both(above: (&Edge, bool, i32), left: (&Edge, bool, i32), w: usize, out: &mut [u8]) {
    let ((above, finer, dx), (left, finer_left, dy)) = (above, left);
    let (up, up_left) = (u32::from(finer), u32::from(finer_left));
    let h = out.len() / w;
    let mut column = [0; 64];
    for j in 0..w {
        let index = -(j as i32 + 1) * dy;
        let base = index >> (6 - up_left);
        // Rows before that do not use the left edge.
        let from = (-(base >> up_left) - 1).clamp(0, h as i32) as usize;
        let start = base + ((from as i32) << up_left);
        if from < h {
            interpolate(left, start, finer_left, ((index << up_left) >> 1) & 31, &mut column[from..h]);
        }
        for (row, sample) in out.chunks_exact_mut(w).zip(column).skip(from) {
            row[j] = sample;
        }
    }
    for (i, row) in out.chunks_exact_mut(w).enumerate() {
        let index = -(i as i32 + 1) * dx;
        let base = index >> (6 - up);
        // The first column that uses the edge above.
        let from = (-(base >> up) - 1).clamp(0, w as i32) as usize;
        if from < w {
            interpolate(above, base + ((from as i32) << up), finer, ((index << up) >> 1) & 31, &mut row[from..]);
        }
    }
}

fn from_left(left: &Edge, finer: bool, dy: i32, w: usize, out: &mut [u8]) {
    let up = u32::from(finer);
    let h = out.len() / w;
    let mut column = [0; 64];
    for j in 0..w {
        let index = (j as i32 + 1) * dy;
        interpolate(left, index >> (6 - up), finer, ((index << up) >> 1) & 31, &mut column[..h]);
        for (row, sample) in out.chunks_exact_mut(w).zip(column) {
            row[j] = sample;
        }
    }
}

/// The intra edge filter strength selection process (7.11.2.9).
fn strength(sides: usize, beside_smooth: bool, degrees: i32) -> u8 {
    let steps: &[(i32, u8)] = match (beside_smooth, sides) {
        (false, ..=8) => &[(56, 1)],
        (false, ..=16) => &[(40, 1)],
        (false, ..=24) => &[(8, 1), (16, 2), (32, 3)],
        (false, ..=32) => &[(0, 1), (4, 2), (32, 3)],
        (true, ..=8) => &[(40, 1), (64, 2)],
        (true, ..=16) => &[(20, 1), (48, 2)],
        (true, ..=24) => &[(4, 3)],
        _ => &[(0, 3)],
    };
    steps.iter().rev().find(|(from, _)| degrees >= *from).map_or(0, |(_, strength)| *strength)
}

/// The intra edge filter process (7.11.2.12) over `count` samples, the first of which is the one before [`ORIGIN`].
fn soften(edge: &mut Edge, count: usize, strength: u8) {
    let kernel = match strength {
        0 => return,
        1 => [0, 4, 8, 4, 0],
        2 => [0, 5, 6, 5, 0],
        _ => [2, 4, 4, 4, 2u32],
    };
    let before = *edge;
    for i in 1..count {
        let tap = |j: usize| u32::from(before[ORIGIN - 1 + (i + j).saturating_sub(2).min(count - 1)]) * kernel[j];
        edge[ORIGIN - 1 + i] = (((0..5).map(tap).sum::<u32>() + 8) >> 4) as u8;
    }
}

/// The intra edge upsample selection process (7.11.2.10).
fn is_upsampled(sides: usize, beside_smooth: bool, degrees: i32) -> bool {
    0 < degrees && degrees < 40 && sides <= if beside_smooth { 8 } else { 16 }
}

/// The intra edge upsample process (7.11.2.11).
fn upsample(edge: &mut Edge, count: usize) {
    let before = *edge;
    let at = |i: usize| i32::from(before[(ORIGIN + i - 2).clamp(ORIGIN - 1, ORIGIN + count - 1)]);
    edge[ORIGIN - 2] = before[ORIGIN - 1];
    for i in 0..count {
        let sum = 9 * (at(i + 1) + at(i + 2)) - at(i) - at(i + 3);
        edge[ORIGIN + 2 * i - 1] = ((sum + 8) >> 4).clamp(0, 255) as u8;
        edge[ORIGIN + 2 * i] = before[ORIGIN + i];
    }
}

fn paeth(row: &mut [u8], above: &[u8], left: u8, corner: u8) {
    let (left_signed, corner_signed) = (i16::from(left), i16::from(corner));
    for (sample, above) in row.iter_mut().zip(above) {
        let top = i16::from(*above);
        let (p_left, p_top) = ((top - corner_signed).abs(), (left_signed - corner_signed).abs());
        let p_corner = (top + left_signed - 2 * corner_signed).abs();
        *sample = if p_left <= p_top && p_left <= p_corner {
            left
        } else if p_top <= p_corner {
            *above
        } else {
            corner
        };
    }
}

fn weights(length: usize) -> &'static [u8] {
    match length {
        4 => &SMOOTH_4,
        8 => &SMOOTH_8,
        16 => &SMOOTH_16,
        32 => &SMOOTH_32,
        _ => &SMOOTH_64,
    }
}

/// The smooth intra prediction process (7.11.2.6).
fn smooth(base: u8, above: &[u8], left: &[u8], out: &mut [u8]) {
    let (across, down) = (weights(above.len()), weights(left.len()));
    let (right, bottom) = (i32::from(above[above.len() - 1]), i32::from(left[left.len() - 1]));
    let blend = |weight: u8, near: u8, far: i32| i32::from(weight) * i32::from(near) + (256 - i32::from(weight)) * far;
    for ((row, beside), wy) in out.chunks_exact_mut(above.len()).zip(left).zip(down) {
        for ((sample, top), wx) in row.iter_mut().zip(above).zip(across) {
            *sample = match base {
                SMOOTH => (blend(*wy, *top, bottom) + blend(*wx, *beside, right) + 256) >> 9,
                SMOOTH_V => (blend(*wy, *top, bottom) + 128) >> 8,
                _ => (blend(*wx, *beside, right) + 128) >> 8,
            } as u8;
        }
    }
}

/// Adds luma's deviation from its mean, times `alpha` / 8, to chroma (7.11.5). `deviations` are in eighths.
pub(super) fn add_luma(samples: &mut [u8], deviations: &[i16], alpha: i8) {
    for (sample, deviation) in samples.iter_mut().zip(deviations) {
        let scaled = round_signed(i32::from(alpha) * i32::from(*deviation), 6);
        *sample = (i32::from(*sample) + scaled).clamp(0, 255) as u8;
    }
}
