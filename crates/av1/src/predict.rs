//! Intra prediction (7.11.2): the samples of a block from those above and to the left.

use super::sample::Sample;
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

type Edge<S> = [S; EDGE];

/// Twice the longest side of a transform, and margins.
const EDGE: usize = ORIGIN + 2 * 64 + 32;

/// The taps of recursive filters, for each of the seven neighbours those of the eight samples.
static TAPS: [[[i16; 8]; 7]; 5] = {
    let mut taps = [[[0; 8]; 7]; 5];
    let mut i = 0;
    while i < 5 * 7 * 8 {
        let (filter, near, sample) = (i / 56, i / 8 % 7, i % 8);
        taps[filter][near][sample] = FILTER_INTRA_TAPS[filter][sample][near] as i16;
        i += 1;
    }
    taps
};

/// The samples adjacent to a block.
#[derive(Clone)]
pub(super) struct Edges<S> {
    above: Edge<S>,
    left: Edge<S>,
    have_above: bool,
    have_left: bool,
    /// The numbers of samples above, and to the left, that are inside the picture.
    inside: [usize; 2],
    /// Whether a neighbour uses smooth prediction.
    beside_smooth: bool,
    depth: u32,
    softens: bool,
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
    /// The depth of samples in bits.
    pub(super) depth: u32,
    /// `enable_intra_edge_filter`.
    pub(super) softens: bool,
}

impl<S: Sample> Edges<S> {
    /// Reads the samples adjacent to a block of `size` at `place` of a plane; those beyond its corners only if `far`,
    /// as directional modes need.
    pub(super) fn read(samples: &[S], stride: usize, size: BlockSize, place: Place, far: bool) -> Self {
        let mut edges = Self::new();
        edges.load(samples, stride, size, place, far);
        edges
    }

    /// Edges of nothing yet.
    pub(super) fn new() -> Self {
        Self {
            above: [S::default(); EDGE],
            left: [S::default(); EDGE],
            have_above: false,
            have_left: false,
            inside: [0; 2],
            beside_smooth: false,
            depth: 8,
            softens: false,
        }
    }

    /// Reads edges as [`Self::read`] does, in place of others.
    pub(super) fn load(&mut self, samples: &[S], stride: usize, size: BlockSize, place: Place, far: bool) {
        let Place { x, y, have_above, have_left, end, depth, .. } = place;
        let (w, h) = (size.width(), size.height());
        let Self { above, left, .. } = self;
        let [across, down] = if far { [w + h; 2] } else { [w, h] };
        let at = |x: usize, y: usize| samples[y * stride + x];
        let middle = 1 << (depth - 1);
        if have_above {
            let limit = (x + if place.have_above_right { 2 * w } else { w }).min(end[0]);
            let line = &samples[(y - 1) * stride + x..(y - 1) * stride + limit];
            let known = line.len().min(across);
            above[ORIGIN..ORIGIN + known].copy_from_slice(&line[..known]);
            above[ORIGIN + known..ORIGIN + across].fill(line[known - 1]);
        } else {
            above[ORIGIN..ORIGIN + across].fill(if have_left { at(x - 1, y) } else { S::of(middle - 1) });
        }
        if have_left {
            let limit = (y + if place.have_below_left { 2 * h } else { h }).min(end[1]);
            let known = (limit - y).min(down);
            let column = samples[y * stride + x - 1..].chunks(stride);
            for (edge, line) in left[ORIGIN..ORIGIN + known].iter_mut().zip(column) {
                *edge = line[0];
            }
            let last = left[ORIGIN + known - 1];
            left[ORIGIN + known..ORIGIN + down].fill(last);
        } else {
            left[ORIGIN..ORIGIN + down].fill(if have_above { at(x, y - 1) } else { S::of(middle + 1) });
        }
        let corner = match (have_above, have_left) {
            (true, true) => at(x - 1, y - 1),
            (true, false) => at(x, y - 1),
            (false, true) => at(x - 1, y),
            (false, false) => S::of(middle),
        };
        (above[ORIGIN - 1], left[ORIGIN - 1]) = (corner, corner);
        self.inside = [w.min(end[0] - x), h.min(end[1] - y)];
        (self.have_above, self.have_left) = (have_above, have_left);
        (self.beside_smooth, self.softens, self.depth) = (place.beside_smooth, place.softens, depth);
    }

    /// Writes the prediction to rows that are `stride` samples apart.
    pub(super) fn predict(&self, mode: Mode, size: BlockSize, out: &mut [S], stride: usize) {
        let (w, h) = (size.width(), size.height());
        let (above, left) = (&self.above[ORIGIN..ORIGIN + w], &self.left[ORIGIN..ORIGIN + h]);
        match mode {
            Mode { filter: Some(filter), .. } => self.filtered(filter, w, h, out, stride),
            Mode { base: DC, .. } | Mode { base: FROM_LUMA, .. } => {
                let mean = self.mean(w, h);
                out.chunks_mut(stride).take(h).for_each(|row| row[..w].fill(mean));
            }
            Mode { base: VERTICAL, delta: 0, .. } => {
                out.chunks_mut(stride).take(h).for_each(|row| row[..w].copy_from_slice(above));
            }
            Mode { base: HORIZONTAL, delta: 0, .. } => {
                out.chunks_mut(stride).zip(left).for_each(|(row, left)| row[..w].fill(*left));
            }
            Mode { base: PAETH, .. } => {
                let corner = self.above[ORIGIN - 1];
                out.chunks_mut(stride).zip(left).for_each(|(row, left)| paeth(&mut row[..w], above, *left, corner));
            }
            Mode { base: SMOOTH..=SMOOTH_H, .. } => smooth(mode.base, above, left, out, stride),
            _ => self.directional(mode, size, out, stride),
        }
    }

    fn mean(&self, w: usize, h: usize) -> S {
        let sum = |edge: &Edge<S>, count: usize| {
            edge[ORIGIN..ORIGIN + count].iter().map(|sample| Into::<u32>::into(*sample)).sum::<u32>()
        };
        let [count_above, count_left] = [w as u32, h as u32];
        let (sum, count) = match (self.have_above, self.have_left) {
            (true, true) => (sum(&self.above, w) + sum(&self.left, h), count_above + count_left),
            (true, false) => (sum(&self.above, w), count_above),
            (false, true) => (sum(&self.left, h), count_left),
            (false, false) => (1 << (self.depth - 1), 1),
        };
        S::of(((sum + (count >> 1)) / count) as i32)
    }

    /// The recursive intra prediction process (7.11.2.3): blocks of 4 by 2 from 7 neighbours.
    fn filtered(&self, filter: u8, w: usize, h: usize, out: &mut [S], stride: usize) {
        let taps = &TAPS[usize::from(filter)];
        // The samples above, from the corner on.
        let mut above = [S::default(); 33];
        above[..=w].copy_from_slice(&self.above[ORIGIN - 1..ORIGIN + w]);
        let left = self.left[ORIGIN - 1..].windows(3).step_by(2);
        for (rows, beside) in out.chunks_mut(2 * stride).take(h / 2).zip(left) {
            let (first, second) = rows.split_at_mut(stride);
            above[0] = beside[0];
            let mut beside = [beside[1], beside[2]];
            for x in (0..w).step_by(4) {
                let near: [S; 5] = std::array::from_fn(|i| above[x + i]);
                let near = [near[0], near[1], near[2], near[3], near[4], beside[0], beside[1]];
                let block = S::filtered(near, taps, self.depth);
                first[x..x + 4].copy_from_slice(&block[..4]);
                second[x..x + 4].copy_from_slice(&block[4..]);
                beside = [block[3], block[7]];
            }
            above[1..=w].copy_from_slice(&second[..w]);
        }
    }

    /// The directional intra prediction process (7.11.2.4).
    fn directional(&self, mode: Mode, size: BlockSize, out: &mut [S], stride: usize) {
        let (w, h) = (size.width(), size.height());
        let angle = [0, 90, 180, 45, 135, 113, 157, 203, 67][usize::from(mode.base)] + 3 * i32::from(mode.delta);
        let (mut above, mut left) = (self.above, self.left);
        let (mut finer_above, mut finer_left) = (false, false);
        if self.softens {
            if 90 < angle && angle < 180 && w + h >= 24 {
                let [a, b, c] = [left[ORIGIN], above[ORIGIN - 1], above[ORIGIN]].map(Into::<i32>::into);
                let corner = S::of((a * 5 + b * 6 + c * 5 + 8) >> 4);
                (above[ORIGIN - 1], left[ORIGIN - 1]) = (corner, corner);
            }
            let (down, across) = (if angle < 90 { h } else { 0 }, if angle > 180 { w } else { 0 });
            if self.have_above && angle < 180 {
                let strength = strength(w + h, self.beside_smooth, (angle - 90).abs());
                soften(&mut above, self.inside[0] + down + 1, strength);
            }
            if self.have_left && angle > 90 {
                let strength = strength(w + h, self.beside_smooth, (angle - 180).abs());
                soften(&mut left, self.inside[1] + across + 1, strength);
            }
            finer_above = is_upsampled(w + h, self.beside_smooth, (angle - 90).abs());
            finer_left = is_upsampled(w + h, self.beside_smooth, (angle - 180).abs());
            if finer_above {
                upsample(&mut above, w + down, self.depth);
            }
            if finer_left {
                upsample(&mut left, h + across, self.depth);
            }
        }
        let derivative = |degrees: i32| i32::from(DERIVATIVE[degrees as usize]);
        if angle < 90 {
            from_above(&above, finer_above, derivative(angle), [w, h], out, stride);
        } else if angle < 180 {
            let (dx, dy) = (derivative(180 - angle), derivative(angle - 90));
            from_both((&above, finer_above, dx), (&left, finer_left, dy), [w, h], out, stride);
        } else {
            from_left(&left, finer_left, derivative(270 - angle), [w, h], out, stride);
        }
    }
}

fn round_signed(value: i32, bits: u32) -> i32 {
    let half = 1 << (bits - 1);
    if value < 0 { -((-value + half) >> bits) } else { (value + half) >> bits }
}

/// Interpolates the samples of an edge from `base` on, at an offset of `shift` 32nds.
#[inline(always)]
fn interpolate<S: Sample>(edge: &Edge<S>, base: i32, finer: bool, shift: i32, out: &mut [S]) {
    let start = (ORIGIN as i32 + base) as usize;
    let shift = shift as u16;
    if finer {
        for (sample, pair) in out.iter_mut().zip(edge[start..].as_chunks::<2>().0) {
            *sample = pair[0].between(pair[1], shift);
        }
    } else {
        for (sample, (a, b)) in out.iter_mut().zip(edge[start..].iter().zip(&edge[start + 1..])) {
            *sample = a.between(*b, shift);
        }
    }
}

fn from_above<S: Sample>(above: &Edge<S>, finer: bool, dx: i32, [w, h]: [usize; 2], out: &mut [S], stride: usize) {
    let up = u32::from(finer);
    let last = ((w + h - 1) << up) as i32;
    for (i, row) in out.chunks_mut(stride).take(h).enumerate() {
        let index = (i as i32 + 1) * dx;
        let base = index >> (6 - up);
        // The last sample is repeated beyond the end.
        let inside = ((last - base).max(0) as usize).div_ceil(1 << up).min(w);
        interpolate(above, base.min(last), finer, ((index << up) >> 1) & 31, &mut row[..inside]);
        row[inside..w].fill(above[ORIGIN + last as usize]);
    }
}

fn from_both<S: Sample>(
    above: (&Edge<S>, bool, i32),
    left: (&Edge<S>, bool, i32),
    [w, h]: [usize; 2],
    out: &mut [S],
    stride: usize,
) {
    let ((above, finer, dx), (left, finer_left, dy)) = (above, left);
    let (up, up_left) = (u32::from(finer), u32::from(finer_left));
    let mut column = [S::default(); 64];
    for j in 0..w {
        let index = -(j as i32 + 1) * dy;
        let base = index >> (6 - up_left);
        // Rows before that do not use the left edge.
        let from = (-(base >> up_left) - 1).clamp(0, h as i32) as usize;
        let start = base + ((from as i32) << up_left);
        if from < h {
            interpolate(left, start, finer_left, ((index << up_left) >> 1) & 31, &mut column[from..h]);
        }
        for (row, sample) in out.chunks_mut(stride).zip(&column[..h]).skip(from) {
            row[j] = *sample;
        }
    }
    for (i, row) in out.chunks_mut(stride).take(h).enumerate() {
        let index = -(i as i32 + 1) * dx;
        let base = index >> (6 - up);
        // The first column that uses the edge above.
        let from = (-(base >> up) - 1).clamp(0, w as i32) as usize;
        if from < w {
            interpolate(above, base + ((from as i32) << up), finer, ((index << up) >> 1) & 31, &mut row[from..w]);
        }
    }
}

fn from_left<S: Sample>(left: &Edge<S>, finer: bool, dy: i32, [w, h]: [usize; 2], out: &mut [S], stride: usize) {
    let up = u32::from(finer);
    let mut column = [S::default(); 64];
    for j in 0..w {
        let index = (j as i32 + 1) * dy;
        let base = (index >> (6 - up)).min(((w + h) << up) as i32);
        interpolate(left, base, finer, ((index << up) >> 1) & 31, &mut column[..h]);
        for (row, sample) in out.chunks_mut(stride).zip(&column[..h]) {
            row[j] = *sample;
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
fn soften<S: Sample>(edge: &mut Edge<S>, count: usize, strength: u8) {
    let kernel = match strength {
        0 => return,
        1 => [0, 4, 8, 4, 0],
        2 => [0, 5, 6, 5, 0],
        _ => [2, 4, 4, 4, 2u32],
    };
    let before = *edge;
    for i in 1..count {
        let tap =
            |j: usize| Into::<u32>::into(before[ORIGIN - 1 + (i + j).saturating_sub(2).min(count - 1)]) * kernel[j];
        edge[ORIGIN - 1 + i] = S::of((((0..5).map(tap).sum::<u32>() + 8) >> 4) as i32);
    }
}

/// The intra edge upsample selection process (7.11.2.10).
fn is_upsampled(sides: usize, beside_smooth: bool, degrees: i32) -> bool {
    0 < degrees && degrees < 40 && sides <= if beside_smooth { 8 } else { 16 }
}

/// The intra edge upsample process (7.11.2.11).
fn upsample<S: Sample>(edge: &mut Edge<S>, count: usize, depth: u32) {
    let before = *edge;
    let at = |i: usize| Into::<i32>::into(before[(ORIGIN + i - 2).clamp(ORIGIN - 1, ORIGIN + count - 1)]);
    edge[ORIGIN - 2] = before[ORIGIN - 1];
    for i in 0..count {
        let sum = 9 * (at(i + 1) + at(i + 2)) - at(i) - at(i + 3);
        edge[ORIGIN + 2 * i - 1] = S::clamped((sum + 8) >> 4, depth);
        edge[ORIGIN + 2 * i] = before[ORIGIN + i];
    }
}

#[inline(always)]
fn paeth<S: Sample>(row: &mut [S], above: &[S], left: S, corner: S) {
    let [left_signed, corner_signed] = [left, corner].map(Into::<i32>::into);
    for (sample, above) in row.iter_mut().zip(above) {
        let top: i32 = (*above).into();
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
#[inline(always)]
fn smooth<S: Sample>(base: u8, above: &[S], left: &[S], out: &mut [S], stride: usize) {
    let (across, down) = (weights(above.len()), weights(left.len()));
    let [right, bottom] = [above[above.len() - 1], left[left.len() - 1]].map(Into::<i32>::into);
    let blend = |weight: u8, near: i32, far: i32| i32::from(weight) * near + (256 - i32::from(weight)) * far;
    for ((row, beside), wy) in out.chunks_mut(stride).zip(left).zip(down) {
        let beside: i32 = (*beside).into();
        let row = row[..above.len()].iter_mut().zip(above);
        match base {
            SMOOTH => {
                for ((sample, top), wx) in row.zip(across) {
                    let sum = blend(*wy, (*top).into(), bottom) + blend(*wx, beside, right);
                    *sample = S::of((sum + 256) >> 9);
                }
            }
            SMOOTH_V => row.for_each(|(sample, top)| *sample = S::of((blend(*wy, (*top).into(), bottom) + 128) >> 8)),
            _ => {
                for ((sample, _), wx) in row.zip(across) {
                    *sample = S::of((blend(*wx, beside, right) + 128) >> 8);
                }
            }
        }
    }
}

/// Adds luma's deviation from its mean, times `alpha` / 8, to chroma (7.11.5). `deviations` are in eighths.
#[inline(always)]
pub(super) fn add_luma<S: Sample>(samples: &mut [S], deviations: &[i16], alpha: i8, depth: u32) {
    for (sample, deviation) in samples.iter_mut().zip(deviations) {
        let scaled = round_signed(i32::from(alpha) * i32::from(*deviation), 6);
        *sample = S::clamped(Into::<i32>::into(*sample) + scaled, depth);
    }
}
