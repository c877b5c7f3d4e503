//! The search for the prediction mode and the transform of a luma block, and code shared with chroma.

use super::coefficients::{self, CoefContext};
use super::frame::{FrameEncoder, Plane, TransformBlock};
use super::inverse::TxType;
use super::palette::{Palette, Site};
use super::predict::{D67, DC, Edges, HORIZONTAL, Mode, PAETH, SMOOTH, SMOOTH_H, SMOOTH_V, VERTICAL};
use super::quantize::{self, Quantized, quantize};
use super::size::BlockSize;
use super::symbols::{Sink, Tally};
use super::{SpeedSettings, forward, lossless};

/// A candidate coding of the luma of a block.
pub(super) struct Luma {
    pub(super) mode: Mode,
    pub(super) tx_type: TxType,
    pub(super) quantized: Quantized,
    pub(super) total: f32,
    pub(super) prediction: Vec<u8>,
    pub(super) palette: Option<Palette>,
}

impl Luma {
    /// A candidate that is worse than any other.
    fn none(size: BlockSize) -> Self {
        let (mode, tx_type, prediction) = (Mode::plain(DC), TxType::DCT, vec![128; size.area()]);
        Self { mode, tx_type, quantized: Quantized::default(), total: f32::INFINITY, prediction, palette: None }
    }
}

/// A prediction mode and its estimated cost.
#[derive(Clone, Copy)]
struct Candidate {
    satd_cost: f32,
    mode: Mode,
    /// The number of signalling bits.
    rate: u32,
}

/// The block to be coded.
struct Task {
    place: [usize; 2],
    size: BlockSize,
    source: Vec<u8>,
    edges: Edges<u8>,
    context: CoefContext,
}

impl FrameEncoder {
    /// Searches the best coding of the luma of a block at a row and a column.
    pub(super) fn best_luma(&mut self, [row, column]: [usize; 2], size: BlockSize, speed: &SpeedSettings) -> Luma {
        let [x, y] = [column * 4, row * 4];
        let area = TransformBlock { plane: 0, x, y, size };
        let place = self.place(area, self.is_beside_smooth(false, row, column));
        let task = Task {
            place: [row, column],
            size,
            source: self.source_block(area),
            edges: Edges::read(&self.frame[0].samples, self.frame[0].stride, size, place, true),
            context: self.context(area, size),
        };
        let candidates = self.candidates(&task, speed);
        let plain = |candidates: &Candidate| {
            let mut prediction = vec![0; size.area()];
            task.edges.predict(candidates.mode, size, &mut prediction, size.width());
            self.coded(&task, *candidates, prediction)
        };
        let mut coded: Vec<Luma> = candidates.iter().map(plain).collect();
        self.try_palettes(&task, &mut coded);
        let least = coded.iter().map(|coded| coded.total).fold(f32::INFINITY, f32::min);
        let tx_types: &[TxType] = match size.longest() {
            _ if self.is_lossless => &[],
            ..=4 if self.has_single_samples => &TxType::WITH_ADST_AND_IDENTITY,
            ..=4 => &TxType::WITH_ADST,
            _ => &[],
        };
        // Transform types make less of a difference than dissimilar modes.
        let limit = least * if speed.tx_types_of_each_mode { 1.05 } else { 1.0 };
        for (candidate, coded) in candidates.into_iter().zip(&mut coded) {
            // Differences of which the DCT leaves nothing but a mean have no shape of their own; single samples have.
            let has_shape = coded.quantized.levels.0.len() > 1 || self.has_single_samples;
            if coded.total <= limit && has_shape && !tx_types.is_empty() {
                self.try_tx_types(&task, candidate, tx_types, coded);
            }
        }
        let best = coded.into_iter().reduce(|best, coded| if coded.total < best.total { coded } else { best });
        best.unwrap_or_else(|| Luma::none(size))
    }

    /// Codes a block with the palettes that are worth trying.
    fn try_palettes(&mut self, task: &Task, coded: &mut Vec<Luma>) {
        let site = Site { place: task.place, block: task.size, plane: 0 };
        for (palette, colours_rate) in self.palettes(site, &[&task.source], false) {
            let mut rate = Tally(colours_rate);
            let mode = Mode::plain(DC);
            self.put_mode(task.place[0], task.place[1], mode, &mut rate);
            let candidate = Candidate { satd_cost: 0.0, mode, rate: rate.0 };
            let luma = self.coded(task, candidate, palette.paint(0));
            coded.push(Luma { palette: Some(palette), ..luma });
        }
    }

    /// The prediction modes with the lowest estimated costs, best first; at least one.
    fn candidates(&mut self, task: &Task, speed: &SpeedSettings) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(32);
        let mut prediction = vec![0; task.size.area()];
        let mut consider = |encoder: &mut Self, candidates: &mut Vec<Candidate>, mode: Mode| {
            task.edges.predict(mode, task.size, &mut prediction, task.size.width());
            let rate = encoder.mode_rate(task, mode);
            candidates.push(Candidate {
                satd_cost: encoder.satd_cost(&task.source, &prediction, task.size, rate),
                mode,
                rate,
            });
        };
        if speed.few_modes {
            for base in [DC, SMOOTH, PAETH, VERTICAL, HORIZONTAL] {
                consider(self, &mut candidates, Mode::plain(base));
            }
            candidates.sort_by(|a, b| a.satd_cost.total_cmp(&b.satd_cost));
            candidates.truncate(speed.modes);
            return candidates;
        }
        for base in [DC, SMOOTH, SMOOTH_V, SMOOTH_H, PAETH].into_iter().chain(VERTICAL..=D67) {
            consider(self, &mut candidates, Mode::plain(base));
        }
        if task.size.longest() <= 5 && task.size.w == task.size.h {
            for filter in 0..5 {
                consider(self, &mut candidates, Mode { base: DC, delta: 0, filter: Some(filter) });
            }
        }
        candidates.sort_by(|a, b| a.satd_cost.total_cmp(&b.satd_cost));
        if task.size.has_angles() {
            let best = candidates
                .iter()
                .take(6)
                .map(|candidates| candidates.mode)
                .filter(|mode| mode.is_directional())
                .take(2);
            for mode in best.collect::<Vec<_>>() {
                // Two steps to either side, continuing from the better one.
                for delta in [-2, 2] {
                    consider(self, &mut candidates, Mode { delta, ..mode });
                }
                let side = if candidates[candidates.len() - 1].satd_cost < candidates[candidates.len() - 2].satd_cost {
                    1
                } else {
                    -1
                };
                for delta in [side, 3 * side] {
                    consider(self, &mut candidates, Mode { delta, ..mode });
                }
            }
            candidates.sort_by(|a, b| a.satd_cost.total_cmp(&b.satd_cost));
        }
        candidates.truncate(speed.modes);
        candidates
    }

    fn mode_rate(&mut self, task: &Task, mode: Mode) -> u32 {
        let mut rate = Tally(0);
        let [row, column] = task.place;
        self.put_mode(row, column, mode, &mut rate);
        self.put_angle(task.size, mode, &mut rate);
        self.put_luma_palette(Site { place: task.place, block: task.size, plane: 0 }, mode, None, &mut rate);
        self.put_filter(task.size, mode, &mut rate);
        rate.0
    }

    /// Codes a block in one mode, with its prediction and the DCT.
    fn coded(&mut self, task: &Task, candidate: Candidate, prediction: Vec<u8>) -> Luma {
        let (mode, tx_type, total) = (candidate.mode, TxType::DCT, f32::INFINITY);
        let mut luma = Luma { mode, tx_type, quantized: Quantized::default(), total, prediction, palette: None };
        self.try_tx_types(task, candidate, &[TxType::DCT], &mut luma);
        luma
    }

    /// Codes a block with each of the given transforms, and keeps the best.
    fn try_tx_types(&mut self, task: &Task, candidate: Candidate, tx_types: &[TxType], luma: &mut Luma) {
        let Candidate { mode, rate, .. } = candidate;
        for tx_type in tx_types {
            let mut tx_type_rate = Tally(0);
            self.put_tx_type(task.size, mode, *tx_type, &mut tx_type_rate);
            let quantized = self.quantized(&task.source, &luma.prediction, task.context, *tx_type, tx_type_rate.0);
            let total = quantized.distortion + self.lambda * (quantized.rate + rate) as f32;
            if total < luma.total {
                (luma.tx_type, luma.quantized, luma.total) = (*tx_type, quantized, total);
            }
        }
    }

    /// The source samples of a block, row by row.
    pub(super) fn source_block(&self, area: TransformBlock) -> Vec<u8> {
        let TransformBlock { plane, x, y, size } = area;
        let Plane { samples, stride } = &self.source[plane];
        let mut source = Vec::with_capacity(size.area());
        for line in samples[y * stride + x..].chunks(*stride).take(size.height()) {
            source.extend_from_slice(&line[..size.width()]);
        }
        source
    }

    /// An estimate of a prediction's rate-distortion cost: the sum of absolute Hadamard-transformed differences (SATD),
    /// and `rate` bits of signalling.
    pub(super) fn satd_cost(&self, source: &[u8], prediction: &[u8], size: BlockSize, rate: u32) -> f32 {
        hadamard(source, prediction, size) + self.lambda.sqrt() * self.tuning.guess * rate as f32
    }

    /// The quantized levels of a transform block.
    pub(super) fn quantized(
        &mut self,
        source: &[u8],
        prediction: &[u8],
        context: CoefContext,
        tx_type: TxType,
        tx_type_rate: u32,
    ) -> Quantized {
        if self.is_lossless {
            return self.exact(source, prediction, context);
        }
        let size = context.size;
        let differences = &mut self.differences[..size.area()];
        for ((difference, source), predicted) in differences.iter_mut().zip(source).zip(prediction) {
            *difference = f32::from(i16::from(*source) - i16::from(*predicted));
        }
        let coefficients = &mut self.coefficients[..size.coded().area()];
        forward::transform(differences, size, tx_type, coefficients);
        let steps = self.quantizer.steps(context.is_chroma, size, tx_type);
        let mut quantized = quantize(quantize::Task {
            coefficients,
            steps,
            context,
            costs: &self.costs,
            lambda: self.lambda,
            type_rate: tx_type_rate,
        });
        if size.longest() > 5 {
            // The high frequencies of large transforms are always lost.
            let all: f32 = differences.iter().map(|difference| difference * difference).sum();
            let coded: f32 = coefficients.iter().map(|value| value * value / 64.0).sum();
            let weight = steps.weight.last().map_or(1.0, |weight| weight * 64.0);
            quantized.distortion += (all - coded).max(0.0) * weight;
        }
        quantized
    }

    /// The levels of a lossless transform block.
    fn exact(&mut self, source: &[u8], prediction: &[u8], context: CoefContext) -> Quantized {
        let difference = |i: usize| i32::from(source[i]) - i32::from(prediction[i]);
        let levels = lossless::levels(&std::array::from_fn(difference));
        let mut rate = Tally(0);
        let is_zero = levels.0.is_empty();
        rate.symbol(
            &mut self.probabilities.all_zero[context.size.context()][context.zero_context],
            usize::from(is_zero),
        );
        if !is_zero {
            coefficients::write(&levels, context, &mut self.probabilities, &mut rate);
        }
        Quantized { levels, rate: rate.0, distortion: 0.0 }
    }
}

/// The sum of the absolute Hadamard-transformed differences, which approximates the coding cost.
fn hadamard(source: &[u8], prediction: &[u8], size: BlockSize) -> f32 {
    let sum = if size.shortest() == 2 {
        2 * hadamard_of_squares::<4, 16>(source, prediction, size.width())
    } else {
        hadamard_of_squares::<8, 64>(source, prediction, size.width())
    };
    sum as f32 / 8.0
}

fn hadamard_of_squares<const N: usize, const AREA: usize>(source: &[u8], prediction: &[u8], width: usize) -> u32 {
    let mut sum = 0;
    let [mut square, mut next] = [[0i16; AREA]; 2];
    for (source, prediction) in source.chunks_exact(N * width).zip(prediction.chunks_exact(N * width)) {
        for x in (0..width).step_by(N) {
            for (y, row) in square.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                let at = y * width + x;
                let (source, predicted) = (&source[at..at + N], &prediction[at..at + N]);
                for (i, value) in row.iter_mut().enumerate() {
                    *value = i16::from(source[i]) - i16::from(predicted[i]);
                }
            }
            butterflies(&square, &mut next);
            for _ in 1..N.ilog2() {
                butterflies(&next, &mut square);
                butterflies(&square, &mut next);
            }
            sum += last_sums(&next);
        }
    }
    sum
}

/// A pass of the Hadamard transform with constant geometry (M. C. Pease, 1968): sums and differences of the two halves in
/// turn. The transform of a square is that of its samples in a row, but for the order. Every pass reads and writes in
/// order, and is a function of its own, so that compilers make vectors of it instead of unrolling it.
#[inline(never)]
fn butterflies(from: &[i16], to: &mut [i16]) {
    let (low, high) = from.split_at(from.len() / 2);
    for ((to, a), b) in to.as_chunks_mut::<2>().0.iter_mut().zip(low).zip(high) {
        *to = [*a + *b, *a - *b];
    }
}

/// The sum of the absolute values after the last pass: those of a sum and a difference add up to twice the larger term.
#[inline(never)]
fn last_sums(values: &[i16]) -> u32 {
    let (low, high) = values.split_at(values.len() / 2);
    2 * low.iter().zip(high).map(|(a, b)| u32::from(a.unsigned_abs().max(b.unsigned_abs()))).sum::<u32>()
}
