//! The search for the best prediction and the best transform of a block of luma, and what it shares with chroma.

use super::coefficients::{self, Site};
use super::inverse::Kind;
use super::predict::{D67, DC, Edges, HORIZONTAL, Mode, PAETH, SMOOTH, SMOOTH_H, SMOOTH_V, VERTICAL};
use super::quantize::{self, Quantized, quantize};
use super::size::Size;
use super::symbols::{Sink, Tally};
use super::tile::{Plane, Tile};
use super::{Effort, forward, lossless};

/// What a bit costs beside a guess of what coding differences costs: the root of what it costs beside squares of
/// errors, times this.
const GUESS: f32 = 0.6;

/// A way to code the luma of a block.
pub(super) struct Luma {
    pub(super) mode: Mode,
    pub(super) kind: Kind,
    pub(super) quantized: Quantized,
    pub(super) total: f32,
    pub(super) prediction: Vec<u8>,
}

impl Luma {
    /// What stands for the lack of a way.
    fn none(size: Size) -> Self {
        let (mode, kind, prediction) = (Mode::plain(DC), Kind::DCT, vec![128; size.area()]);
        Self { mode, kind, quantized: Quantized::default(), total: f32::INFINITY, prediction }
    }
}

/// A mode that a first look finds likely.
#[derive(Clone, Copy)]
struct Likely {
    guess: f32,
    mode: Mode,
    /// Bits that it costs to say so.
    rate: u32,
}

/// The block to be coded.
struct Task {
    place: [usize; 2],
    size: Size,
    wanted: Vec<u8>,
    edges: Edges,
    site: Site,
}

impl Tile {
    /// The best that is found for the luma of a block at a row and a column.
    pub(super) fn best_luma(&mut self, [row, column]: [usize; 2], size: Size, effort: &Effort) -> Luma {
        let [x, y] = [column * 4, row * 4];
        let place = self.place(0, x, y, size, self.is_beside_smooth(false, row, column));
        let task = Task {
            place: [row, column],
            size,
            wanted: self.wanted(0, [x, y], size),
            edges: Edges::read(&self.frame[0].samples, self.frame[0].stride, size, place),
            site: self.site(0, x, y, size, size),
        };
        let likely = self.likely(&task, effort);
        let plain = |likely: &Likely| {
            let mut prediction = vec![0; size.area()];
            task.edges.predict(likely.mode, size, &mut prediction);
            self.coded(&task, *likely, prediction, &[Kind::DCT])
        };
        let mut coded: Vec<Luma> = likely.iter().map(plain).collect();
        let least = coded.iter().map(|coded| coded.total).fold(f32::INFINITY, f32::min);
        let kinds: &[Kind] = if size.longest() <= 4 && !self.is_lossless { &Kind::WITH_ADST } else { &[] };
        // Types of transforms make less of a difference than modes that are not alike.
        let limit = least * if effort.kinds_of_each { 1.05 } else { 1.0 };
        for (i, likely) in likely.into_iter().enumerate().filter(|_| !kinds.is_empty()) {
            if coded[i].total <= limit {
                let prediction = coded[i].prediction.clone();
                coded.push(self.coded(&task, likely, prediction, kinds));
            }
        }
        let best = coded.into_iter().reduce(|best, coded| if coded.total < best.total { coded } else { best });
        best.unwrap_or_else(|| Luma::none(size))
    }

    /// The most likely modes, the best first; there is at least one.
    fn likely(&mut self, task: &Task, effort: &Effort) -> Vec<Likely> {
        let mut likely = Vec::with_capacity(32);
        let mut prediction = vec![0; task.size.area()];
        let mut look = |tile: &mut Self, likely: &mut Vec<Likely>, mode: Mode| {
            task.edges.predict(mode, task.size, &mut prediction);
            let rate = tile.mode_rate(task, mode);
            likely.push(Likely { guess: tile.guess(&task.wanted, &prediction, task.size, rate), mode, rate });
        };
        if effort.looks_at_few {
            for base in [DC, SMOOTH, PAETH, VERTICAL, HORIZONTAL] {
                look(self, &mut likely, Mode::plain(base));
            }
            likely.sort_by(|a, b| a.guess.total_cmp(&b.guess));
            likely.truncate(effort.modes);
            return likely;
        }
        for base in [DC, SMOOTH, SMOOTH_V, SMOOTH_H, PAETH].into_iter().chain(VERTICAL..=D67) {
            look(self, &mut likely, Mode::plain(base));
        }
        if task.size.longest() <= 5 && task.size.w == task.size.h {
            for filter in 0..5 {
                look(self, &mut likely, Mode { base: DC, delta: 0, filter: Some(filter) });
            }
        }
        likely.sort_by(|a, b| a.guess.total_cmp(&b.guess));
        if task.size.has_angles() {
            let best = likely.iter().take(6).map(|likely| likely.mode).filter(|mode| mode.is_directional()).take(2);
            for mode in best.collect::<Vec<_>>() {
                // Two steps to either side, and on from the better.
                for delta in [-2, 2] {
                    look(self, &mut likely, Mode { delta, ..mode });
                }
                let side = if likely[likely.len() - 1].guess < likely[likely.len() - 2].guess { 1 } else { -1 };
                for delta in [side, 3 * side] {
                    look(self, &mut likely, Mode { delta, ..mode });
                }
            }
            likely.sort_by(|a, b| a.guess.total_cmp(&b.guess));
        }
        likely.truncate(effort.modes);
        likely
    }

    fn mode_rate(&mut self, task: &Task, mode: Mode) -> u32 {
        let mut rate = Tally(0);
        let [row, column] = task.place;
        self.put_mode(row, column, mode, &mut rate);
        self.put_angle(task.size, mode, &mut rate);
        self.put_filter(task.size, mode, &mut rate);
        rate.0
    }

    /// A block coded in one mode, with its prediction, by the best of some transforms, of which there is at least one.
    fn coded(&mut self, task: &Task, likely: Likely, prediction: Vec<u8>, kinds: &[Kind]) -> Luma {
        let Likely { mode, rate, .. } = likely;
        let mut best = (Kind::DCT, Quantized::default(), f32::INFINITY);
        for kind in kinds {
            let mut kind_rate = Tally(0);
            self.put_kind(task.size, mode, *kind, &mut kind_rate);
            let quantized = self.quantized(&task.wanted, &prediction, task.site, *kind, kind_rate.0);
            let total = quantized.distortion + self.lambda * (quantized.rate + rate) as f32;
            if total < best.2 {
                best = (*kind, quantized, total);
            }
        }
        let (kind, quantized, total) = best;
        Luma { mode, kind, quantized, total, prediction }
    }

    /// The samples that a block should have.
    pub(super) fn wanted(&self, plane: usize, [x, y]: [usize; 2], size: Size) -> Vec<u8> {
        let Plane { samples, stride } = &self.source[plane];
        let mut wanted = Vec::with_capacity(size.area());
        for line in samples[y * stride + x..].chunks(*stride).take(size.height()) {
            wanted.extend_from_slice(&line[..size.width()]);
        }
        wanted
    }

    /// What a prediction is likely to cost in the end, if saying which it is takes `rate` bits.
    pub(super) fn guess(&self, wanted: &[u8], prediction: &[u8], size: Size, rate: u32) -> f32 {
        hadamard(wanted, prediction, size) + self.lambda.sqrt() * GUESS * rate as f32
    }

    /// The levels of a transform.
    pub(super) fn quantized(
        &mut self,
        wanted: &[u8],
        prediction: &[u8],
        site: Site,
        kind: Kind,
        kind_rate: u32,
    ) -> Quantized {
        if self.is_lossless {
            return self.exact(wanted, prediction, site);
        }
        let size = site.size;
        let differences = &mut self.differences[..size.area()];
        for ((difference, wanted), predicted) in differences.iter_mut().zip(wanted).zip(prediction) {
            *difference = f32::from(i16::from(*wanted) - i16::from(*predicted));
        }
        let coefficients = &mut self.coefficients[..size.coded().area()];
        forward::transform(differences, size, kind, coefficients);
        let steps = self.quantizer.steps(site.is_chroma, size);
        let mut quantized = quantize(quantize::Task {
            coefficients,
            steps,
            site,
            costs: &self.costs,
            lambda: self.lambda,
            type_rate: kind_rate,
        });
        if size.longest() > 5 {
            // High frequencies of large transforms are lost in any case.
            let all: f32 = differences.iter().map(|difference| difference * difference).sum();
            let coded: f32 = coefficients.iter().map(|value| value * value / 64.0).sum();
            let weight = steps.weight.last().map_or(1.0, |weight| weight * 64.0);
            quantized.distortion += (all - coded).max(0.0) * weight;
        }
        quantized
    }

    /// The levels of a transform without loss.
    fn exact(&mut self, wanted: &[u8], prediction: &[u8], site: Site) -> Quantized {
        let difference = |i: usize| i32::from(wanted[i]) - i32::from(prediction[i]);
        let levels = lossless::levels(&std::array::from_fn(difference));
        let mut rate = Tally(0);
        let is_zero = levels.0.is_empty();
        rate.symbol(&mut self.probabilities.all_zero[site.size.context()][site.zero_context], usize::from(is_zero));
        if !is_zero {
            coefficients::write(&levels, site, &mut self.probabilities, &mut rate);
        }
        Quantized { levels, rate: rate.0, distortion: 0.0 }
    }
}

/// The sum of the absolute values of the differences' Hadamard transforms: about what coding them costs.
fn hadamard(wanted: &[u8], prediction: &[u8], size: Size) -> f32 {
    let sum = if size.shortest() == 2 {
        2 * hadamard_of_squares::<4>(wanted, prediction, size.width())
    } else {
        hadamard_of_squares::<8>(wanted, prediction, size.width())
    };
    sum as f32 / 8.0
}

fn hadamard_of_squares<const N: usize>(wanted: &[u8], prediction: &[u8], width: usize) -> u32 {
    let mut sum = 0;
    for (wanted, prediction) in wanted.chunks_exact(N * width).zip(prediction.chunks_exact(N * width)) {
        for x in (0..width).step_by(N) {
            let mut square = [[0i16; N]; N];
            for (y, row) in square.iter_mut().enumerate() {
                let at = y * width + x;
                let (wanted, predicted) = (&wanted[at..at + N], &prediction[at..at + N]);
                for (i, value) in row.iter_mut().enumerate() {
                    *value = i16::from(wanted[i]) - i16::from(predicted[i]);
                }
            }
            for row in butterflies(transposed(butterflies(square))) {
                for value in row {
                    sum += u32::from(value.unsigned_abs());
                }
            }
        }
    }
    sum
}

/// The Hadamard transform of every column.
#[inline(always)]
fn butterflies<const N: usize>(mut rows: [[i16; N]; N]) -> [[i16; N]; N] {
    let mut step = 1;
    while step < N {
        for pair in rows.chunks_exact_mut(2 * step) {
            let (upper, lower) = pair.split_at_mut(step);
            for (y, upper) in upper.iter_mut().enumerate() {
                for (x, above) in upper.iter_mut().enumerate() {
                    let below = lower[y][x];
                    lower[y][x] = *above - below;
                    *above += below;
                }
            }
        }
        step *= 2;
    }
    rows
}

/// Written as a loop: without optimisation over the parts of a crate, `array::from_fn` calls a function for each sample.
#[inline(always)]
fn transposed<const N: usize>(rows: [[i16; N]; N]) -> [[i16; N]; N] {
    let mut columns = [[0; N]; N];
    for (y, row) in rows.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            columns[x][y] = *value;
        }
    }
    columns
}
