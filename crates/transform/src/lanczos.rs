//! Resizes pictures: a Lanczos filter with a support of three lobes, both directions in one pass.
//!
//! The source rows of eight output rows, as floats, are reduced to columns of the eight, a block of columns at a time, and these
//! to the eight rows: vector lanes are columns first and rows then, so there are no horizontal sums, no rounding between the
//! directions, and the working set fits into the innermost cache. Beyond an edge the outermost sample is repeated. See
//! Turkowski, "Filters for Common Resampling Tasks", Graphics Gems I, 1990.
//!
//! A decoder that gave means of pixels has blurred the picture. Their inverse, as a filter of three taps with the negative of their
//! variance, is part of the weights, so that the result is what the stored pixels would have given.

use std::f64::consts::PI;

use image_origin_codec::{Area, Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};

/// The number of lobes on each side.
const LOBES: f64 = 3.0;
/// The number of output rows that are computed together.
const LANES: usize = 8;
/// The number of columns that are computed together; a row of intermediate columns is padded to a multiple of it.
const COLUMNS: usize = 64;

/// A linear conversion of sample levels, applied together with the resize, so that samples are rounded once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    pub(super) scale: f32,
    pub(super) offset: f32,
}

impl Levels {
    /// The identity.
    pub(super) const SAME: Self = Self { scale: 1.0, offset: 0.0 };

    /// The converted level, not rounded.
    #[inline(always)]
    pub(super) fn of(self, sample: f32) -> f32 {
        sample.clamp(0.0, 255.0) * self.scale + self.offset
    }
}

/// Resizes the part `area` of a raster, in its own pixels, to `width` by `height`, and converts its levels, which are those
/// of 8 bits. Channels are independent. Samples outside of `field`, which has integer coordinates, are not used. `blur` is that of
/// [`Decoded`](image_origin_codec::Decoded).
pub(super) fn resize(
    raster: &Raster,
    (field, area): (Area, Area),
    blur: f64,
    (width, height): (u32, u32),
    levels: Levels,
) -> Raster {
    let part = Part {
        channels: raster.channels(),
        stride: raster.width() as usize * raster.channels().count(),
        field,
        levels,
        columns: Weights::new((area.x - field.x, area.width), field.width as usize, width as usize, blur),
        rows: Weights::new((area.y - field.y, area.height), field.height as usize, height as usize, blur),
    };
    let samples = match raster.samples() {
        Samples::U8(samples) => Samples::U8(part.resized(samples)),
        Samples::U16(samples) => Samples::U16(part.resized(samples)),
    };
    match Raster::new(width, height, raster.channels(), samples) {
        Some(raster) => raster,
        None => unreachable!("there are as many samples as there are weights for"),
    }
}

/// A sample of a raster.
trait Sample: Copy + Default + Into<f32> {
    /// The largest sample.
    const MAX: f32;

    /// The lowest bits.
    fn of_bits(bits: u32) -> Self;
}

impl Sample for u8 {
    const MAX: f32 = 255.0;

    #[inline(always)]
    fn of_bits(bits: u32) -> Self {
        bits as Self
    }
}

impl Sample for u16 {
    const MAX: f32 = 65535.0;

    #[inline(always)]
    fn of_bits(bits: u32) -> Self {
        bits as Self
    }
}

/// A part of a raster, whatever its samples are, and its new size.
struct Part {
    channels: Channels,
    /// The number of samples in a row of the raster.
    stride: usize,
    field: Area,
    levels: Levels,
    columns: Weights,
    rows: Weights,
}

impl Part {
    fn resized<S: Sample>(self, samples: &[S]) -> Vec<S> {
        let channels = self.channels.count();
        let samples = &samples[self.field.y as usize * self.stride + self.field.x as usize * channels..];
        match self.channels {
            Channels::L => dispatch(Resize::<S, 1> { samples, part: self }),
            Channels::La => dispatch(Resize::<S, 2> { samples, part: self }),
            Channels::Rgb => dispatch(Resize::<S, 3> { samples, part: self }),
            Channels::Rgba | Channels::Cmyk => dispatch(Resize::<S, 4> { samples, part: self }),
        }
    }
}

/// Converts the levels of a plane that already has the desired size.
pub(super) fn with_levels(mut plane: Raster, levels: Levels) -> Raster {
    if levels != Levels::SAME {
        let table: [u8; 256] = std::array::from_fn(|sample| levels.of(sample as f32).round() as u8);
        plane.samples_mut().iter_mut().for_each(|sample| *sample = table[usize::from(*sample)]);
    }
    plane
}

/// The maximum memory of [`resize`] in bytes besides its source and its result: intermediate columns, and weights.
pub(super) fn memory(raster: &Raster, area: Area, (width, height): (u32, u32)) -> u64 {
    let scale = |length: f64, side: u32| (length / f64::from(side)).max(1.0);
    let taps = |available: u32, scale: f64| ((2.0 * LOBES * scale) as u64 + 4).min(available.into());
    let (across, down) = (scale(area.width, width), scale(area.height, height));
    let (channels, lanes) = (raster.channels().count() as u64, LANES as u64);
    let columns = (u64::from(raster.width()) * channels + COLUMNS as u64) * lanes;
    let block = (taps(raster.height(), down) + (down * lanes as f64) as u64 + 1) * COLUMNS as u64;
    let weights = u64::from(width) * (taps(raster.width(), across) + 2 + lanes * channels)
        + u64::from(height) * (taps(raster.height(), down) + 2);
    (columns + block + weights) * size_of::<f32>() as u64
}

/// The filter weights in one direction.
struct Weights {
    /// The number of source samples for each output sample.
    taps: usize,
    /// The first source sample of each output sample.
    starts: Vec<usize>,
    /// `taps` weights for each output sample, which add up to 1.
    values: Vec<f32>,
}

impl Weights {
    /// Weights for `count` samples that divide `length` samples from `start` on, in a source with `available` samples and this
    /// blur.
    fn new((start, length): (f64, f64), available: usize, count: usize, blur: f64) -> Self {
        let scale = length / count as f64;
        // The filter is stretched to pass only frequencies that the output can represent.
        let stretch = scale.max(1.0);
        // So many samples lie within the lobes, among one more from the first that may.
        let within = (2.0 * LOBES * stretch).ceil() as usize;
        // The inverse of the blur reaches one sample further on each side.
        let beside = usize::from(blur > 0.0);
        let taps = (within + 2 * beside).min(available);
        let last = available as i64 - 1;
        let sines = Sines::new(stretch, within + 1);
        let (mut starts, mut values) = (Vec::with_capacity(count), vec![0.0; count * taps]);
        let mut weights = vec![0.0; within + 1 + 2 * beside];
        for (i, values) in values.chunks_exact_mut(taps).enumerate() {
            let centre = start + (i as f64 + 0.5) * scale;
            let first = (centre - LOBES * stretch).floor() as i64;
            weights.fill(0.0);
            sines.lanczos((first as f64 + 0.5 - centre) / stretch, |k, weight| weights[k + beside] = weight);
            let first = first - beside as i64;
            sharpen(&mut weights, blur / 2.0);
            let from = (first + i64::from(weights[0] == 0.0)).clamp(0, (available - taps) as i64);
            for (x, weight) in (first..).zip(&weights) {
                // Behind the others there is none but what rounding makes of 0.
                if let Some(value) = values.get_mut((x.clamp(0, last) - from) as usize) {
                    *value += *weight as f32;
                }
            }
            let sum: f64 = weights.iter().sum();
            values.iter_mut().for_each(|value| *value /= sum as f32);
            starts.push(from as usize);
        }
        Self { taps, starts, values }
    }

    /// Iterates over groups of `size` output samples: the first source sample of each, and the weights of all.
    fn groups(&self, size: usize) -> impl Iterator<Item = (&[usize], &[f32])> {
        self.starts.chunks(size).zip(self.values.chunks(size * self.taps))
    }

    /// The largest number of source samples from the first to the last that a group uses.
    fn reach(&self, size: usize) -> usize {
        self.starts.chunks(size).map(|group| group[group.len() - 1] - group[0]).max().unwrap_or(0) + self.taps
    }

    /// Iterates over the output samples: the first source sample and the weights.
    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.starts.iter().copied().zip(self.values.chunks_exact(self.taps))
    }
}

/// Adds what a filter of the taps `-tap`, `1 + 2 * tap` and `-tap` adds to weights of which the first and the last are 0.
fn sharpen(weights: &mut [f64], tap: f64) {
    let mut before = 0.0;
    for i in 0..weights.len() {
        let (own, after) = (weights[i], weights.get(i + 1).copied().unwrap_or(0.0));
        weights[i] += tap * (2.0 * own - before - after);
        before = own;
    }
}

/// Precomputed sines and cosines of the filter's steps; the addition theorem yields those at any offset.
struct Sines {
    /// The step of the filter between two source samples.
    step: f64,
    /// Of `PI` times each step, and of `PI / LOBES` times each step.
    steps: Vec<[(f64, f64); 2]>,
}

impl Sines {
    fn new(stretch: f64, reach: usize) -> Self {
        let step = stretch.recip();
        let angles = (0..reach).map(|k| k as f64 * step * PI);
        Self { step, steps: angles.map(|angle| [angle.sin_cos(), (angle / LOBES).sin_cos()]).collect() }
    }

    /// Passes the filter's value at each step from `first` on: `sinc(x) * sinc(x / LOBES)` within the lobes.
    fn lanczos(&self, first: f64, mut take: impl FnMut(usize, f64)) {
        let [(sin, cos), (slow_sin, slow_cos)] = [(first * PI).sin_cos(), (first * PI / LOBES).sin_cos()];
        for (k, [(a, b), (c, d)]) in self.steps.iter().enumerate() {
            let x = first + k as f64 * self.step;
            let weight = match x.abs() {
                near if near < 1e-6 => 1.0,
                far if far >= LOBES => 0.0,
                _ => LOBES * (sin * b + cos * a) * (slow_sin * d + slow_cos * c) / (PI * PI * x * x),
            };
            take(k, weight);
        }
    }
}

/// 2^23, from which on floats are integers: adding it rounds a sum, and the low bits are the result, without a
/// conversion instruction that compilers would not vectorize.
const INTEGERS: f32 = 8_388_608.0;

/// A resize of interleaved samples of `N` channels; `samples` begins with those of the field.
struct Resize<'a, S, const N: usize> {
    samples: &'a [S],
    part: Part,
}

impl<S: Sample, const N: usize> Kernel for Resize<'_, S, N> {
    type Output = Vec<S>;

    #[inline(always)]
    fn run(self) -> Vec<S> {
        let Part { columns: of_columns, rows: of_rows, levels, .. } = &self.part;
        let (width, height) = (of_columns.starts.len() * N, of_rows.starts.len());
        let length = self.part.field.width as usize * N;
        let mut columns = vec![[0.0; LANES]; length.next_multiple_of(COLUMNS)];
        let mut narrow = vec![[[0; LANES]; N]; width / N];
        let mut block = vec![[0.0; COLUMNS]; of_rows.reach(LANES)];
        let mut out = vec![S::default(); width * height];
        for ((starts, weights), out) in of_rows.groups(LANES).zip(out.chunks_mut(LANES * width)) {
            for (first, columns) in (0..length).step_by(COLUMNS).zip(columns.as_chunks_mut().0) {
                self.blend_rows(starts, weights, first, &mut block, columns);
            }
            for (narrow, (start, weights)) in narrow.iter_mut().zip(of_columns.iter()) {
                *narrow = blend_columns::<S, N>(columns[start * N..].as_chunks().0, weights, *levels);
            }
            for (lane, row) in out.chunks_exact_mut(width).enumerate() {
                row.iter_mut().zip(narrow.as_flattened()).for_each(|(out, bits)| *out = S::of_bits(bits[lane]));
            }
        }
        out
    }
}

impl<S: Sample, const N: usize> Resize<'_, S, N> {
    /// Reduces the samples from column `first` on to those of up to [`LANES`] rows, which become the lanes of `columns`.
    /// `starts` and `weights` are those of the rows; `block` holds the samples, so that each is converted once.
    #[inline(always)]
    fn blend_rows(
        &self,
        starts: &[usize],
        weights: &[f32],
        first: usize,
        block: &mut [[f32; COLUMNS]],
        columns: &mut [[f32; LANES]; COLUMNS],
    ) {
        let (taps, top, length) = (self.part.rows.taps, starts[0], self.part.field.width as usize * N);
        for (block, y) in block.iter_mut().zip(top..starts[starts.len() - 1] + taps) {
            let row = &self.samples[y * self.part.stride..][..length][first..];
            match row.first_chunk::<COLUMNS>() {
                Some(row) => *block = row.map(Into::into),
                None => block.iter_mut().zip(row).for_each(|(out, sample)| *out = (*sample).into()),
            }
        }
        let mut sums = [[0.0; COLUMNS]; LANES];
        for ((sums, start), weights) in sums.iter_mut().zip(starts).zip(weights.chunks_exact(taps)) {
            let mut sum = [0.0; COLUMNS];
            for (weight, row) in weights.iter().zip(&block[start - top..]) {
                sum.iter_mut().zip(row).for_each(|(sum, sample)| *sum += weight * sample);
            }
            *sums = sum;
        }
        for (x, column) in columns.iter_mut().enumerate() {
            *column = std::array::from_fn(|lane| sums[lane][x]);
        }
    }
}

/// One pixel in each of [`LANES`] rows.
#[inline(always)]
fn blend_columns<S: Sample, const N: usize>(
    columns: &[[[f32; LANES]; N]],
    weights: &[f32],
    levels: Levels,
) -> [[u32; LANES]; N] {
    let mut sums = [[0.0; LANES]; N];
    for (weight, column) in weights.iter().zip(columns) {
        for (sums, samples) in sums.iter_mut().zip(column) {
            sums.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += weight * sample);
        }
    }
    let level = |sum: f32| sum.clamp(0.0, S::MAX) * levels.scale + levels.offset;
    // Loops, since `array::map` is a call for each sample here.
    let mut bits = [[0; LANES]; N];
    for (bits, sums) in bits.iter_mut().zip(sums) {
        bits.iter_mut().zip(sums).for_each(|(bits, sum)| *bits = (level(sum) + INTEGERS).to_bits());
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: u32, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / width;
        Raster::new(width, height, Channels::L, Samples::U8(samples)).unwrap()
    }

    /// The filter by its definition, in double precision.
    fn by_definition(plane: &Raster, area: Area, width: u32, height: u32) -> Vec<f64> {
        let lanczos = |x: f64| match x.abs() {
            near if near < 1e-9 => 1.0,
            far if far >= 3.0 => 0.0,
            _ => (PI * x).sin() / (PI * x) * (PI * x / 3.0).sin() / (PI * x / 3.0),
        };
        let weights = |start: f64, length: f64, i: u32, count: u32| {
            let scale = length / f64::from(count);
            let centre = start + (f64::from(i) + 0.5) * scale;
            let all = (-200..400).map(|x| (x, lanczos((f64::from(x) + 0.5 - centre) / scale.max(1.0))));
            let sum: f64 = all.clone().map(|(_, weight)| weight).sum();
            all.filter(|(_, weight)| *weight != 0.0).map(|(x, weight)| (x, weight / sum)).collect::<Vec<_>>()
        };
        let at = |x: i32, y: i32| {
            let (x, y) = (x.clamp(0, plane.width() as i32 - 1), y.clamp(0, plane.height() as i32 - 1));
            f64::from(plane.samples().as_bytes()[y as usize * plane.width() as usize + x as usize])
        };
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let rows = weights(area.y, area.height, y, height);
                let columns = weights(area.x, area.width, x, width);
                let row = |y: i32| columns.iter().map(|(x, weight)| weight * at(*x, y)).sum::<f64>();
                out.push(rows.iter().map(|(y, weight)| weight * row(*y)).sum::<f64>().clamp(0.0, 255.0));
            }
        }
        out
    }

    #[test]
    fn it_is_the_filter_of_its_definition() {
        let mut state = 1_u32;
        let noise = (0..61 * 47).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let plane = plane(61, noise.collect());
        let whole = Area::whole(61, 47);
        let inner = Area { x: 3.25, y: 1.5, width: 40.5, height: 44.0 };
        let outer = Area { x: -0.5, y: -0.5, width: 62.0, height: 48.0 };
        for (area, width, height) in
            [(whole, 30, 23), (whole, 7, 11), (whole, 1, 1), (whole, 100, 60), (inner, 33, 9), (outer, 31, 24)]
        {
            for levels in [Levels::SAME, Levels { scale: 0.75, offset: 16.0 }] {
                let out = resize(&plane, (whole, area), 0.0, (width, height), levels);
                for (got, expected) in out.samples().as_bytes().iter().zip(by_definition(&plane, area, width, height)) {
                    let expected = expected * f64::from(levels.scale) + f64::from(levels.offset);
                    let is_near = (f64::from(*got) - expected).abs() < 0.51;
                    assert!(is_near, "{area:?} to {width}x{height}, {levels:?}: {got}, {expected}");
                }
            }
        }
    }

    #[test]
    fn samples_outside_the_field_are_not_looked_at() {
        let half = plane(20, (0..400).map(|i| if i % 20 < 10 { 0 } else { 200 }).collect());
        let right = Area { x: 10.0, y: 0.0, width: 10.0, height: 20.0 };
        assert_eq!(resize(&half, (right, right), 0.0, (3, 5), Levels::SAME).samples(), &Samples::U8(vec![200; 15]));
    }

    #[test]
    fn channels_are_resized_as_planes_are() {
        let mut state = 7_u32;
        for channels in [Channels::La, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            let count = channels.count();
            let noise = (0..33 * 21 * count).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            });
            let samples: Vec<u8> = noise.collect();
            let raster = Raster::new(33, 21, channels, Samples::U8(samples.clone())).unwrap();
            let field = Area { x: 2.0, y: 1.0, width: 30.0, height: 20.0 };
            let area = Area { x: 2.5, y: 3.25, width: 25.0, height: 15.5 };
            for (width, height) in [(11, 9), (1, 40), (64, 3)] {
                let out = resize(&raster, (field, area), 0.0, (width, height), Levels::SAME);
                for channel in 0..count {
                    let of_channel =
                        |samples: &[u8]| samples.iter().skip(channel).step_by(count).copied().collect::<Vec<_>>();
                    let alone =
                        resize(&plane(33, of_channel(&samples)), (field, area), 0.0, (width, height), Levels::SAME);
                    let together = of_channel(out.samples().as_bytes());
                    assert_eq!(together, alone.samples().as_bytes(), "{channels:?} {width}x{height}");
                }
            }
        }
    }

    /// Chirps up to a wave in 3.3 pixels of the result, of which means are resized to half of their number.
    #[test]
    fn what_means_of_pixels_have_lost_is_restored() {
        let (width, height) = (960, 240);
        for side in [2, 4, 8] {
            let chirp = |at: u32, length: u32| (0.15 * PI * f64::from(at * at) / f64::from(side * length)).sin();
            let wave = |x, y| 128.0 + 60.0 * chirp(x, width) + 60.0 * chirp(y, height);
            let full = plane(width, (0..width * height).map(|i| wave(i % width, i / width).round() as u8).collect());
            let mean = |i: u32| {
                let (left, top) = (i % (width / side) * side, i / (width / side) * side);
                let square = (0..side * side).map(|k| wave(left + k % side, top + k / side));
                (square.sum::<f64>() / f64::from(side * side)).round() as u8
            };
            let means = plane(width / side, (0..width * height / side / side).map(mean).collect());
            let resized = |raster: &Raster, blur| {
                let whole = Area::whole(raster.width(), raster.height());
                let out = resize(raster, (whole, whole), blur, (width / side / 2, height / side / 2), Levels::SAME);
                out.samples().as_bytes().to_vec()
            };
            let expected = resized(&full, 0.0);
            let error = |blur| {
                let pairs = resized(&means, blur).into_iter().zip(&expected);
                pairs.map(|(a, b)| (f64::from(a) - f64::from(*b)).powi(2)).sum::<f64>()
            };
            let errors = [error(0.0), error((1.0 - f64::from(side).powi(-2)) / 12.0)];
            assert!(errors[1] < 0.2 * errors[0], "{side}: {errors:?}");
        }
    }

    #[test]
    fn a_single_sample_fills_any_size() {
        let out = resize(&plane(1, vec![77]), (Area::whole(1, 1), Area::whole(1, 1)), 0.0, (9, 17), Levels::SAME);
        assert_eq!(out.samples(), &Samples::U8(vec![77; 9 * 17]));
    }
}
