//! The constrained directional enhancement filter (7.15).

use std::ops::ControlFlow;

use super::frame::Frame;
use super::tile::Setting;
use super::{Check, DecodeError, go_on};
use crate::frame::Plane;
use crate::sample::Sample;

/// A sample outside of the frame: so far from all others that it does not count.
const OUTSIDE: i16 = i16::MAX;

/// The reach of the filter.
const REACH: usize = 2;

/// `Cdef_Directions`: rows and columns of the first and the second tap.
const DIRECTIONS: [[[isize; 2]; 2]; 8] = [
    [[-1, 1], [-2, 2]],
    [[0, 1], [-1, 2]],
    [[0, 1], [0, 2]],
    [[0, 1], [1, 2]],
    [[1, 1], [2, 2]],
    [[1, 0], [2, 1]],
    [[1, 0], [2, 0]],
    [[1, 0], [2, -1]],
];

/// Samples before filtering: some rows of a plane, and [`REACH`] rows and columns on all sides.
struct Band {
    samples: Vec<i16>,
    stride: usize,
    rows: usize,
}

impl Band {
    fn new<S: Sample>(samples: &[S], source_stride: usize, [width, height]: [usize; 2], rows: usize) -> Self {
        let stride = width + 2 * REACH;
        let mut band = Self { samples: vec![OUTSIDE; stride * (rows + 2 * REACH)], stride, rows };
        for row in 0..rows + REACH {
            band.load(samples, source_stride, [width, height], row, row + REACH);
        }
        band
    }

    fn load<S: Sample>(&mut self, samples: &[S], stride: usize, [width, height]: [usize; 2], y: usize, row: usize) {
        let line = &mut self.samples[row * self.stride + REACH..][..width];
        if y < height {
            let source = &samples[y * stride..][..width];
            line.iter_mut().zip(source).for_each(|(place, sample)| *place = Into::<i32>::into(*sample) as i16);
        } else {
            line.fill(OUTSIDE);
        }
    }

    /// The samples from a place on.
    #[inline(always)]
    fn at<const W: usize>(&self, at: usize) -> [i16; W] {
        std::array::from_fn(|i| self.samples[at..at + W][i])
    }

    /// Moves on to the rows from `y` on.
    fn advance<S: Sample>(&mut self, samples: &[S], stride: usize, size: [usize; 2], y: usize) {
        let kept = 2 * REACH * self.stride;
        let start = self.rows * self.stride;
        self.samples.copy_within(start..start + kept, 0);
        for row in 2 * REACH..self.rows + 2 * REACH {
            self.load(samples, stride, size, y + row - REACH, row);
        }
    }
}

/// The memory of [`filter`] in bytes, for as many samples in a row of all planes.
pub(crate) fn memory(samples: u64) -> u64 {
    (8 + 2 * REACH as u64) * 2 * (samples + 12)
}

/// Filters all 8 by 8 blocks with coefficients.
pub(super) fn filter<S: Sample>(
    setting: &Setting<'_>,
    frame: &mut Frame<S>,
    check: Check<'_>,
) -> Result<(), DecodeError> {
    let Some(cdef) = &setting.header.cdef else { return Ok(()) };
    if cdef.strengths[..1 << cdef.bits].iter().flatten().flatten().all(|strength| *strength == 0) {
        return Ok(());
    }
    let sequence = setting.sequence;
    let depth = u32::from(sequence.depth);
    let sizes: Vec<[usize; 2]> = (0..frame.planes.len())
        .map(|plane| {
            let [x, y] = sequence.shifts(plane);
            [(frame.columns * 4) >> x, (frame.rows * 4) >> y]
        })
        .collect();
    let heights: Vec<usize> = (0..frame.planes.len()).map(|plane| 8 >> sequence.shifts(plane)[1]).collect();
    let mut bands: Vec<Band> = Vec::with_capacity(3);
    for ((plane, size), rows) in frame.planes.iter().zip(&sizes).zip(&heights) {
        bands.push(Band::new(&plane.samples, plane.stride, *size, *rows));
    }
    for row in (0..frame.rows).step_by(2) {
        if row % 16 == 0 {
            go_on(check)?;
        }
        if row > 0 {
            for (plane, band) in bands.iter_mut().enumerate() {
                let source = &frame.planes[plane];
                band.advance(&source.samples, source.stride, sizes[plane], row / 2 * heights[plane]);
            }
        }
        for column in (0..frame.columns).step_by(2) {
            let index = frame.cdef[frame.cdef_at(row, column)];
            if index < 0 || !frame.is_coded[row / 2 * (frame.across / 2) + column / 2] {
                continue;
            }
            let strengths = cdef.strengths[index as usize];
            let (direction, variance) = direction(&bands[0], column * 4, depth);
            for (plane, band) in bands.iter().enumerate() {
                let [x, y] = sequence.shifts(plane);
                let is_chroma = plane > 0;
                let [mut primary, secondary] =
                    strengths[usize::from(is_chroma)].map(|strength| i16::from(strength) << (depth - 8));
                let mut direction = if primary == 0 { 0 } else { direction };
                if !is_chroma {
                    primary = adjusted(primary, variance);
                } else if primary > 0 {
                    direction = match (x, y) {
                        (1, 0) => [7, 0, 2, 4, 5, 6, 6, 6][direction],
                        (0, 1) => [1, 2, 2, 2, 3, 4, 6, 0][direction],
                        _ => direction,
                    };
                }
                if primary == 0 && secondary == 0 {
                    continue;
                }
                let filter = Filter {
                    primary,
                    secondary,
                    damping: cdef.damping + depth - 8 - u32::from(is_chroma),
                    direction,
                    depth,
                };
                let target = &mut frame.planes[plane];
                let (left, top) = ((column * 4) >> x, (row * 4) >> y);
                let out = &mut target.samples[top * target.stride + left..];
                if x == 1 {
                    filter.apply::<S, 4>(band, left, 8 >> y, out, target.stride);
                } else {
                    filter.apply::<S, 8>(band, left, 8 >> y, out, target.stride);
                }
            }
        }
    }
    Ok(())
}

/// The primary strength for luma with a distinct direction (7.15).
fn adjusted(primary: i16, variance: u32) -> i16 {
    let log2 = if variance >> 6 > 0 { ((variance >> 6).ilog2() as i16).min(12) } else { 0 };
    if variance > 0 { (primary * (4 + log2) + 8) >> 4 } else { 0 }
}

/// The filter of the luma of a whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Luma {
    /// From 3 to 6.
    pub(crate) damping: u32,
    /// Primary, from 0 to 15, and secondary, from 0 to 2.
    pub(crate) strengths: [u8; 2],
}

impl Luma {
    /// The sum of squared differences from the source that each filter leaves of a reconstruction, in every fourth row of blocks. All
    /// blocks count, even those without coefficients. `size` is that of the frame in luma samples. Breaks off where `check` says so.
    pub(crate) fn errors<const N: usize>(
        filters: [Self; N],
        reconstruction: &Plane,
        source: &Plane,
        size: [usize; 2],
        check: Check<'_>,
    ) -> ControlFlow<(), [u64; N]> {
        let Plane { samples, stride } = reconstruction;
        let [width, height] = size.map(|side| side.next_multiple_of(8));
        let mut band = Band::new(samples, *stride, [width, height], 8);
        let mut errors = [0; N];
        for y in (0..height).step_by(8) {
            if y > 0 {
                band.advance(samples, *stride, [width, height], y);
            }
            if y / 8 % 4 != 0 {
                continue;
            }
            check()?;
            for x in (0..width).step_by(8) {
                let (direction, variance) = direction(&band, x, 8);
                for (error, Self { damping, strengths }) in errors.iter_mut().zip(filters) {
                    let [primary, secondary] = strengths.map(i16::from);
                    let filter = Filter {
                        primary: adjusted(primary, variance),
                        secondary,
                        damping,
                        direction: if primary == 0 { 0 } else { direction },
                        depth: 8,
                    };
                    let mut filtered = [0u8; 64];
                    filter.apply::<u8, 8>(&band, x, 8, &mut filtered, 8);
                    let lines = source.samples[y * source.stride + x..].chunks(source.stride);
                    for (filtered, line) in filtered.chunks_exact(8).zip(lines) {
                        let squares = filtered.iter().zip(line).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
                        *error += squares.sum::<u64>();
                    }
                }
            }
        }
        ControlFlow::Continue(errors)
    }
}

/// The CDEF direction process (7.15.2): the direction of a block of luma, and its variance.
fn direction(band: &Band, left: usize, depth: u32) -> (usize, u32) {
    const DIVISORS: [i32; 9] = [0, 840, 420, 280, 210, 168, 140, 120, 105];
    let mut partial = [[0i32; 15]; 8];
    for i in 0..8 {
        let line = &band.samples[(i + REACH) * band.stride + REACH + left..][..8];
        for (j, sample) in line.iter().enumerate() {
            let x = i32::from(sample >> (depth - 8)) - 128;
            partial[0][i + j] += x;
            partial[1][i + j / 2] += x;
            partial[2][i] += x;
            partial[3][3 + i - j / 2] += x;
            partial[4][7 + i - j] += x;
            partial[5][3 - i / 2 + j] += x;
            partial[6][j] += x;
            partial[7][i / 2 + j] += x;
        }
    }
    let square = |sum: i32| sum * sum;
    let mut cost = [0i32; 8];
    for k in [2, 6] {
        cost[k] = partial[k][..8].iter().map(|sum| square(*sum)).sum::<i32>() * DIVISORS[8];
    }
    for k in [0, 4] {
        cost[k] = square(partial[k][7]) * DIVISORS[8];
        for i in 0..7 {
            cost[k] += (square(partial[k][i]) + square(partial[k][14 - i])) * DIVISORS[i + 1];
        }
    }
    for k in [1, 3, 5, 7] {
        cost[k] = partial[k][3..8].iter().map(|sum| square(*sum)).sum::<i32>() * DIVISORS[8];
        for j in 0..3 {
            cost[k] += (square(partial[k][j]) + square(partial[k][10 - j])) * DIVISORS[2 * j + 2];
        }
    }
    let mut best = 0;
    for k in 1..8 {
        if cost[k] > cost[best] {
            best = k;
        }
    }
    (best, ((cost[best] - cost[(best + 4) & 7]) >> 10) as u32)
}

/// The parameters of the filter for a block.
struct Filter {
    primary: i16,
    secondary: i16,
    damping: u32,
    direction: usize,
    depth: u32,
}

/// A pair of samples on opposite sides.
#[derive(Debug, Clone, Copy)]
struct Tap {
    offset: isize,
    weight: i16,
    strength: i16,
    damping: u32,
}

impl Filter {
    /// The taps of a row of samples that are `stride` apart from the next. Those without strength do not count.
    fn taps(&self, stride: usize) -> impl Iterator<Item = Tap> {
        let Self { primary, secondary, damping, direction, depth } = *self;
        let weights = if primary >> (depth - 8) & 1 == 1 { [3, 3] } else { [4, 2] };
        let tap = move |turn: usize, k: usize, weight: i16, strength: i16| {
            let [y, x] = DIRECTIONS[(direction + turn) & 7][k];
            let damping = damping.saturating_sub(strength.max(1).ilog2());
            Tap { offset: y * stride as isize + x, weight, strength, damping }
        };
        let taps = (0..2).flat_map(move |k| {
            let second = 2 - k as i16;
            [tap(0, k, weights[k], primary), tap(2, k, second, secondary), tap(6, k, second, secondary)]
        });
        taps.filter(|tap| tap.strength > 0)
    }

    /// The CDEF filter process (7.15.3), of a block of `W` columns.
    fn apply<S: Sample, const W: usize>(&self, band: &Band, left: usize, rows: usize, out: &mut [S], stride: usize) {
        let mut taps = [Tap { offset: 0, weight: 0, strength: 0, damping: 0 }; 6];
        let count = taps.iter_mut().zip(self.taps(band.stride)).map(|(place, tap)| *place = tap).count();
        for (i, line) in out.chunks_mut(stride).take(rows).enumerate() {
            let at = (i + REACH) * band.stride + REACH + left;
            let x: [i16; W] = band.at(at);
            let (mut sum, mut most, mut least) = ([0i16; W], x, x);
            for Tap { offset, weight, strength, damping } in taps[..count].iter().copied() {
                for offset in [offset, -offset] {
                    let near: [i16; W] = band.at(at.wrapping_add_signed(offset));
                    for j in 0..W {
                        let difference = near[j] - x[j];
                        let magnitude = difference.abs();
                        let limited = (strength - (magnitude >> damping)).max(0).min(magnitude);
                        sum[j] += weight * if difference < 0 { -limited } else { limited };
                        most[j] = most[j].max(if near[j] == OUTSIDE { x[j] } else { near[j] });
                        least[j] = least[j].min(near[j]);
                    }
                }
            }
            for (j, sample) in line[..W].iter_mut().enumerate() {
                let value = x[j] + ((8 + sum[j] - i16::from(sum[j] < 0)) >> 4);
                *sample = S::of(value.max(least[j]).min(most[j]).into());
            }
        }
    }
}
