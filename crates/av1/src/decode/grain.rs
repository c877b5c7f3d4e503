//! Film grain synthesis (7.18.3).

use super::frame::Plane;
use super::headers::FilmGrain;
use super::sequence::Sequence;
use super::tables::GAUSSIAN;
use crate::sample::Sample;

/// The size of the grain of luma, and of chroma that is not subsampled.
const WIDTH: usize = 82;
const HEIGHT: usize = 73;

/// The margin that the autoregressive filter needs.
const MARGIN: usize = 3;

/// The height of a stripe of luma, and how many rows its noise reaches beyond.
const STRIPE: usize = 32;
const OVERLAP: usize = 2;

/// `RandomRegister`.
struct Random(u16);

impl Random {
    fn bits(&mut self, count: u32) -> usize {
        let r = self.0;
        let bit = (r ^ r >> 1 ^ r >> 3 ^ r >> 12) & 1;
        self.0 = r >> 1 | bit << 15;
        usize::from(self.0 >> (16 - count))
    }
}

fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits }
}

/// The grain of a plane, by rows of [`WIDTH`].
type Grain = Vec<i32>;

/// The rows of noise of a stripe of a plane.
#[derive(Default, Clone)]
struct Noise {
    rows: Vec<i32>,
    width: usize,
}

/// Film grain for a picture.
struct Synthesis<'a> {
    grain: &'a FilmGrain,
    sequence: &'a Sequence,
    depth: u32,
    /// The least and the greatest grain.
    range: [i32; 2],
}

/// The memory of [`apply`] in bytes, for a picture of this width.
pub(super) fn memory(width: u64) -> u64 {
    2 * 3 * (STRIPE + OVERLAP) as u64 * 4 * (width + 2) + (1 << 18)
}

/// Adds film grain to a picture of this size.
pub(super) fn apply<S: Sample>(planes: &mut [Plane<S>], size: [usize; 2], sequence: &Sequence, grain: &FilmGrain) {
    let depth = u32::from(sequence.depth);
    let middle = 128 << (depth - 8);
    let synthesis = Synthesis { grain, sequence, depth, range: [-middle, middle - 1] };
    let templates = synthesis.templates(planes.len());
    let scalings: Vec<[i32; 257]> = (0..planes.len()).map(|plane| synthesis.scaling(plane)).collect();
    let mut before = vec![Noise::default(); planes.len()];
    for (number, top) in (0..size[1]).step_by(STRIPE).enumerate() {
        let noise = synthesis.stripe(number, size[0], &templates);
        // Chroma depends on luma without noise.
        for plane in (0..planes.len()).rev() {
            let (luma, chroma) = planes.split_at_mut(1);
            let parts = (&noise[plane], &before[plane]);
            if plane == 0 {
                synthesis.add_luma(&mut luma[0], [top, size[1].min(top + STRIPE)], size[0], parts, &scalings[0]);
            } else {
                let target = &mut chroma[plane - 1];
                synthesis.add_chroma(target, &luma[0], plane, top, size, parts, &scalings[plane]);
            }
        }
        before = noise;
    }
}

impl Synthesis<'_> {
    fn clamped(&self, value: i32) -> i32 {
        value.clamp(self.range[0], self.range[1])
    }

    fn has_grain(&self, plane: usize) -> bool {
        !self.grain.points[plane].is_empty() || plane > 0 && self.grain.chroma_from_luma
    }

    /// The generate grain process (7.18.3.3).
    fn templates(&self, planes: usize) -> Vec<Grain> {
        let grain = self.grain;
        let shift = 12 - self.depth + grain.scale_shift;
        let mut templates: Vec<Grain> = Vec::with_capacity(planes);
        for plane in 0..planes {
            let [x, y] = self.sequence.shifts(plane);
            let (width, height) = (if x == 1 { 44 } else { WIDTH }, if y == 1 { 38 } else { HEIGHT });
            let mut random = Random(grain.seed ^ [0, 0xb524, 0x49d8][plane]);
            let mut template = vec![0; WIDTH * HEIGHT];
            if self.has_grain(plane) {
                for line in template.chunks_exact_mut(WIDTH).take(height) {
                    line[..width].fill_with(|| round(GAUSSIAN[random.bits(11)].into(), shift));
                }
            }
            let luma_weight = (plane > 0 && !grain.points[0].is_empty()).then(|| grain.coefficients[plane].last());
            for row in MARGIN..height {
                for column in MARGIN..width - MARGIN {
                    let mut sum = 0;
                    let mut coefficients = grain.coefficients[plane].iter();
                    for above in (0..=grain.lag).rev() {
                        let count = if above > 0 { 2 * grain.lag + 1 } else { grain.lag };
                        let start = (row - above) * WIDTH + column - grain.lag;
                        for (value, coefficient) in template[start..start + count].iter().zip(&mut coefficients) {
                            sum += value * coefficient;
                        }
                    }
                    if let Some(Some(weight)) = luma_weight {
                        let (left, top) = (((column - MARGIN) << x) + MARGIN, ((row - MARGIN) << y) + MARGIN);
                        let luma: i32 = (top..=top + y as usize)
                            .flat_map(|row| (left..=left + x as usize).map(move |column| row * WIDTH + column))
                            .map(|at| templates[0][at])
                            .sum();
                        sum += round(luma, x + y) * weight;
                    }
                    let at = row * WIDTH + column;
                    template[at] = self.clamped(template[at] + round(sum, grain.coefficient_shift));
                }
            }
            templates.push(template);
        }
        templates
    }

    /// The scaling lookup initialization process (7.18.3.4); the last entry is repeated.
    fn scaling(&self, plane: usize) -> [i32; 257] {
        let points = &self.grain.points[if self.grain.chroma_from_luma { 0 } else { plane }];
        let mut table = [0; 257];
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return table };
        table[..usize::from(first[0])].fill(first[1].into());
        for pair in points.windows(2) {
            let [[from, from_scale], [to, to_scale]] = [pair[0], pair[1]].map(|point| point.map(i32::from));
            let delta = (to_scale - from_scale) * ((65536 + ((to - from) >> 1)) / (to - from));
            for (x, entry) in table[from as usize..to as usize].iter_mut().enumerate() {
                *entry = from_scale + ((x as i32 * delta + 32768) >> 16);
            }
        }
        table[usize::from(last[0])..].fill(last[1].into());
        table
    }

    /// `scale_lut`.
    fn scale(&self, table: &[i32; 257], index: i32) -> i32 {
        let shift = self.depth - 8;
        let x = (index >> shift) as usize;
        let rest = index - ((x as i32) << shift);
        if shift == 0 || x == 255 { table[x] } else { table[x] + round((table[x + 1] - table[x]) * rest, shift) }
    }

    /// The noise of a stripe of all planes, whose squares overlap (7.18.3.5).
    fn stripe(&self, number: usize, width: usize, templates: &[Grain]) -> Vec<Noise> {
        let mut random = Random(self.grain.seed);
        random.0 ^= (((number * 37 + 178) & 255) << 8) as u16;
        random.0 ^= ((number * 173 + 105) & 255) as u16;
        let mut noise: Vec<Noise> = (0..templates.len())
            .map(|plane| {
                let [x, y] = self.sequence.shifts(plane);
                let width = width.div_ceil(1 << x);
                Noise { rows: vec![0; ((STRIPE + OVERLAP) >> y) * width], width }
            })
            .collect();
        for left in (0..width).step_by(STRIPE) {
            let offsets = random.bits(8);
            let (offset_x, offset_y) = (offsets >> 4, offsets & 15);
            for (plane, (noise, template)) in noise.iter_mut().zip(templates).enumerate() {
                let [x, y] = self.sequence.shifts(plane);
                let from_x = if x == 1 { 6 + offset_x } else { 9 + offset_x * 2 };
                let from_y = if y == 1 { 6 + offset_y } else { 9 + offset_y * 2 };
                let left = left >> x;
                let count = ((STRIPE + OVERLAP) >> x).min(noise.width - left);
                for (i, line) in noise.rows.chunks_exact_mut(noise.width).enumerate() {
                    let grain = &template[(from_y + i) * WIDTH + from_x..];
                    for (j, (place, grain)) in line[left..left + count].iter_mut().zip(grain).enumerate() {
                        *place =
                            if left > 0 && self.grain.overlaps { self.blended(j, x, *place, *grain) } else { *grain };
                    }
                }
            }
        }
        noise
    }

    /// The grain at a place from the start of a square or stripe, of which the first two overlap with the one before, or
    /// the first of subsampled planes.
    fn blended(&self, place: usize, shift: u32, before: i32, grain: i32) -> i32 {
        let weights = match (place, shift) {
            (0, 0) => [27, 17],
            (1, 0) => [17, 27],
            (0, _) => [23, 22],
            _ => return grain,
        };
        self.clamped(round(before * weights[0] + grain * weights[1], 5))
    }

    /// The noise at a row of a stripe and a column.
    fn noise(&self, (noise, before): (&Noise, &Noise), i: usize, x: usize, shift: u32) -> i32 {
        let grain = noise.rows[i * noise.width + x];
        if !self.grain.overlaps || before.width == 0 || i >= OVERLAP >> shift {
            return grain;
        }
        self.blended(i, shift, before.rows[(i + (STRIPE >> shift)) * noise.width + x], grain)
    }

    /// The least and the greatest sample.
    fn limits(&self, is_chroma: bool) -> [i32; 2] {
        let scale = self.depth - 8;
        match (self.grain.is_restricted, is_chroma && self.sequence.colour.matrix != 0) {
            (false, _) => [0, (256 << scale) - 1],
            (true, false) => [16 << scale, 235 << scale],
            (true, true) => [16 << scale, 240 << scale],
        }
    }

    fn add_luma<S: Sample>(
        &self,
        plane: &mut Plane<S>,
        [top, bottom]: [usize; 2],
        width: usize,
        noise: (&Noise, &Noise),
        table: &[i32; 257],
    ) {
        if !self.has_grain(0) {
            return;
        }
        let [least, most] = self.limits(false);
        for y in top..bottom {
            for (x, sample) in plane.samples[y * plane.stride..][..width].iter_mut().enumerate() {
                let value: i32 = (*sample).into();
                let noise = self.noise(noise, y - top, x, 0);
                let added = round(self.scale(table, value) * noise, self.grain.scaling_shift);
                *sample = S::of((value + added).clamp(least, most));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a row of chroma depends on")]
    fn add_chroma<S: Sample>(
        &self,
        plane: &mut Plane<S>,
        luma: &Plane<S>,
        number: usize,
        top: usize,
        [width, height]: [usize; 2],
        noise: (&Noise, &Noise),
        table: &[i32; 257],
    ) {
        if !self.has_grain(number) {
            return;
        }
        let [least, most] = self.limits(true);
        let [shift_x, shift_y] = self.sequence.shifts(number);
        let [multiplier, luma_multiplier, offset] = self.grain.chroma[number - 1];
        let start = top >> shift_y;
        let end = height.div_ceil(1 << shift_y).min(start + (STRIPE >> shift_y));
        for y in start..end {
            let beside = &luma.samples[(y << shift_y) * luma.stride..][..width];
            let line = &mut plane.samples[y * plane.stride..][..width.div_ceil(1 << shift_x)];
            for (x, sample) in line.iter_mut().enumerate() {
                let left: i32 = beside[x << shift_x].into();
                let average = if shift_x == 1 {
                    let right: i32 = beside[(x * 2 + 1).min(width - 1)].into();
                    (left + right + 1) >> 1
                } else {
                    left
                };
                let value: i32 = (*sample).into();
                let merged = if self.grain.chroma_from_luma {
                    average
                } else {
                    let combined = average * luma_multiplier + value * multiplier;
                    ((combined >> 6) + (offset << (self.depth - 8))).clamp(0, (1 << self.depth) - 1)
                };
                let noise = self.noise(noise, y - start, x, shift_y);
                let added = round(self.scale(table, merged) * noise, self.grain.scaling_shift);
                *sample = S::of((value + added).clamp(least, most));
            }
        }
    }
}
