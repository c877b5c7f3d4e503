//! The deblocking filter (7.14), of intra frames.

use super::frame::Frame;
use super::tile::Setting;
use super::{Check, DecodeError, go_on};
use crate::sample::Sample;

/// The number of rows of a plane, in units of 4 samples, between calls of the cancellation callback.
const BAND: usize = 16;

/// The limits that differences between samples are compared with (7.14.4), at the depth of samples.
#[derive(Debug, Clone, Copy)]
struct Limits {
    inner: i32,
    edge: i32,
    high: i32,
    /// The largest difference of flat areas.
    flat: i32,
}

/// Filters all edges of transforms; in each plane first the vertical ones, and then the horizontal ones.
pub(super) fn deblock<S: Sample>(
    setting: &Setting<'_>,
    frame: &mut Frame<S>,
    check: Check<'_>,
) -> Result<(), DecodeError> {
    let header = setting.header;
    if !header.deblocks() {
        return Ok(());
    }
    let depth = u32::from(setting.sequence.depth);
    let sharpness = header.loop_filter.sharpness;
    let limits: Vec<Limits> = (0..64).map(|level| limits(level, sharpness, depth)).collect();
    let constant = header.filter_levels(0, [0; 4]);
    for plane in 0..frame.planes.len() {
        if plane > 0 && header.loop_filter.levels[plane + 1] == 0 {
            continue;
        }
        let shifts @ [shift_x, shift_y] = setting.sequence.shifts(plane);
        // What is at least partly visible.
        let [columns, rows] = [(header.coded_width, shift_x), (header.size[1], shift_y)]
            .map(|(side, shift)| (side as usize).div_ceil(4 << shift));
        for is_horizontal in [false, true] {
            let number = if plane == 0 { usize::from(is_horizontal) } else { plane + 1 };
            for band in (0..rows).step_by(BAND) {
                go_on(check)?;
                for row in band..(band + BAND).min(rows) {
                    let edges = Edges { plane, is_horizontal, row, columns, number, constant, shifts, depth };
                    filter_row(frame, &edges, &limits);
                }
            }
        }
    }
    Ok(())
}

/// A row of edges, in units of 4 samples of a plane.
struct Edges {
    plane: usize,
    is_horizontal: bool,
    row: usize,
    columns: usize,
    /// Which of the levels counts.
    number: usize,
    /// The levels, if all blocks have the same.
    constant: [u8; 4],
    shifts: [u32; 2],
    depth: u32,
}

fn filter_row<S: Sample>(frame: &mut Frame<S>, edges: &Edges, limits: &[Limits]) {
    let Edges { row, number, shifts: [shift_x, shift_y], .. } = *edges;
    if edges.is_horizontal && row == 0 {
        return;
    }
    let units = frame.across >> shift_x;
    let transforms = &frame.transforms[edges.plane.min(1)];
    let plane = &mut frame.planes[edges.plane];
    let (stride, is_luma) = (plane.stride, edges.plane == 0);
    let levels = &frame.levels;
    // The level of a unit of the plane.
    let level = |row: usize, column: usize| match levels.is_empty() {
        true => edges.constant[number],
        false => {
            let (row, column) = (row << shift_y | shift_y as usize, column << shift_x | shift_x as usize);
            levels[row * frame.across + column][number]
        }
    };
    for column in usize::from(!edges.is_horizontal)..edges.columns {
        let (before_row, before_column) = if edges.is_horizontal { (row - 1, column) } else { (row, column - 1) };
        let side = |row: usize, column: usize| {
            let packed = transforms[row * units + column];
            if edges.is_horizontal { packed >> 4 } else { packed & 15 }
        };
        let size = side(row, column);
        let position = if edges.is_horizontal { row } else { column };
        if size < 2 || position & ((1 << (size - 2)) - 1) != 0 {
            continue;
        }
        let size = size.min(side(before_row, before_column)).min(if is_luma { 4 } else { 3 });
        let level = match level(row, column) {
            0 => level(before_row, before_column),
            level => level,
        };
        if level == 0 {
            continue;
        }
        let limits = limits[usize::from(level)];
        let (across, along) = if edges.is_horizontal { (stride, 1) } else { (1, stride) };
        for i in 0..4 {
            let at = row * 4 * stride + column * 4 + i * along;
            match (size, is_luma) {
                (..=2, _) => filter::<S, 2>(&mut plane.samples, at, across, limits, edges.depth),
                (3, false) => filter::<S, 3>(&mut plane.samples, at, across, limits, edges.depth),
                (3, true) => filter::<S, 4>(&mut plane.samples, at, across, limits, edges.depth),
                _ => filter::<S, 7>(&mut plane.samples, at, across, limits, edges.depth),
            }
        }
    }
}

fn limits(level: u8, sharpness: u8, depth: u32) -> Limits {
    let shift = u32::from(sharpness > 0) + u32::from(sharpness > 4);
    let level = i32::from(level);
    let most = if sharpness > 0 { 9 - i32::from(sharpness) } else { i32::MAX };
    let inner = (level >> shift).min(most).max(1);
    let scale = depth - 8;
    Limits {
        inner: inner << scale,
        edge: (2 * (level + 2) + inner) << scale,
        high: (level >> 4) << scale,
        flat: 1 << scale,
    }
}

/// The sample filtering process (7.14.6), with `N` samples on both sides of an edge, `step` apart: 2, 3 of chroma, 4 of
/// luma, or 7.
#[inline(always)]
fn filter<S: Sample, const N: usize>(samples: &mut [S], at: usize, step: usize, limits: Limits, depth: u32) {
    // From the edge away, before and after it.
    let before: [i32; N] = std::array::from_fn(|i| samples[at - (i + 1) * step].into());
    let after: [i32; N] = std::array::from_fn(|i| samples[at + i * step].into());
    let exceeds =
        |i: usize, j: usize, limit: i32| (before[i] - before[j]).abs() > limit || (after[i] - after[j]).abs() > limit;
    let compared = N.min(4);
    if (1..compared).any(|i| exceeds(i, i - 1, limits.inner))
        || (before[0] - after[0]).abs() * 2 + (before[1] - after[1]).abs() / 2 > limits.edge
    {
        return;
    }
    let is_flat = N > 2 && !(1..compared).any(|i| exceeds(i, 0, limits.flat));
    if !is_flat {
        narrow(samples, at, step, exceeds(1, 0, limits.high), depth);
        return;
    }
    let is_wide = N == 7 && !(4..N).any(|i| exceeds(i, 0, limits.flat));
    if is_wide {
        wide::<S, N, 6, 4>(samples, at, step, &before, &after, 1);
    } else if N == 3 {
        wide::<S, N, 2, 3>(samples, at, step, &before, &after, 1);
    } else {
        wide::<S, N, 3, 3>(samples, at, step, &before, &after, 0);
    }
}

/// The narrow filter process (7.14.6.3).
fn narrow<S: Sample>(samples: &mut [S], at: usize, step: usize, is_high: bool, depth: u32) {
    let middle = 1 << (depth - 1);
    let clamped = |value: i32| value.clamp(-middle, middle - 1);
    let [p1, p0, q0, q1] = [at - 2 * step, at - step, at, at + step].map(|at| Into::<i32>::into(samples[at]) - middle);
    let base = if is_high { clamped(p1 - q1) } else { 0 };
    let base = clamped(base + 3 * (q0 - p0));
    let (first, second) = (clamped(base + 4) >> 3, clamped(base + 3) >> 3);
    samples[at] = S::of(clamped(q0 - first) + middle);
    samples[at - step] = S::of(clamped(p0 + second) + middle);
    if !is_high {
        let outer = (first + 1) >> 1;
        samples[at + step] = S::of(clamped(q1 - outer) + middle);
        samples[at - 2 * step] = S::of(clamped(p1 + outer) + middle);
    }
}

/// The wide filter process (7.14.6.4) of `1 << LOG2` taps, which changes `COUNT` samples on both sides; taps up to `near`
/// count twice.
#[inline(always)]
fn wide<S: Sample, const N: usize, const COUNT: usize, const LOG2: u32>(
    samples: &mut [S],
    at: usize,
    step: usize,
    before: &[i32; N],
    after: &[i32; N],
    near: i32,
) {
    let count = COUNT as i32;
    let value = |i: i32| {
        let i = i.clamp(-count - 1, count);
        if i < 0 { before[(-i - 1) as usize] } else { after[i as usize] }
    };
    for i in -count..count {
        let sum: i32 = (-count..=count).map(|j| value(i + j) * if j.abs() <= near { 2 } else { 1 }).sum();
        let place = if i < 0 { at - (-i) as usize * step } else { at + i as usize * step };
        samples[place] = S::of((sum + (1 << (LOG2 - 1))) >> LOG2);
    }
}
