//! The partition search: how a superblock is divided so that the rate-distortion cost is minimal.
//!
//! Every partition is evaluated on the frame itself as it would be coded, and the best one is restored.

use super::coefficients::{Extent, Levels, dequantize};
use super::frame::{Block, FrameEncoder, ModeInfo, Node, Partition, Plane, Residual, SUPERBLOCK, TransformBlock};
use super::inverse::{Shape, TxType};
use super::size::BlockSize;
use super::symbols::{BIT, cost};
use super::{SpeedSettings, lossless};

/// The minimum cost of a square in bits for which a division can pay: what four quarters cost at least, and an
/// empirical value if these are 4 by 4.
fn worth_dividing(side: u8) -> u32 {
    if side == 3 { 60 } else { 10 }
}

/// The state that a search of a square modifies.
struct Snapshot {
    pixels: Vec<Vec<u8>>,
    above: Vec<ModeInfo>,
    left: [ModeInfo; SUPERBLOCK],
}

/// A square of `1 << side` luma samples, at a position in units of 4.
#[derive(Clone, Copy)]
pub(super) struct Square {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) side: u8,
}

impl Square {
    /// The four quarters, row by row.
    pub(super) fn quarters(self) -> [Self; 4] {
        let half = 1 << (self.side - 3);
        [[0, 0], [0, half], [half, 0], [half, half]].map(|[down, across]| Self {
            row: self.row + down,
            column: self.column + across,
            side: self.side - 1,
        })
    }

    /// The size of its blocks unless it is divided into quarters.
    fn block(self, partition: Partition) -> BlockSize {
        match partition {
            Partition::Horizontal => BlockSize::new(self.side, self.side - 1),
            Partition::Vertical => BlockSize::new(self.side - 1, self.side),
            _ => BlockSize::square(self.side),
        }
    }

    /// The position of its second block.
    fn second(self, partition: Partition) -> Option<[usize; 2]> {
        match partition {
            Partition::Horizontal => Some([self.row + (1 << (self.side - 3)), self.column]),
            Partition::Vertical => Some([self.row, self.column + (1 << (self.side - 3))]),
            _ => None,
        }
    }
}

/// The minimum difference between samples that counts as a detail.
const DETAIL: u8 = 24;

/// How many times as large as in the flattest quarter of a square the differences in its most detailed quarter are, if
/// details lie beside a flat area.
const CONTRAST: u8 = 3;

/// The share (1/n) of samples of a drawing with details that equal the sample on their left.
const SHARE_OF_EQUAL: usize = 6;

/// The sizes that are tried in a square, as binary logarithms.
#[derive(Clone, Copy)]
struct Limits {
    smallest: u8,
    halves_up_to: u8,
    likelier_halves_up_to: u8,
}

impl Limits {
    /// Whether only the likelier halves of a square may be tried, in one mode.
    fn has_likelier_halves_only(self, side: u8) -> bool {
        side > self.halves_up_to && side <= self.likelier_halves_up_to
    }
}

/// The best result for a square so far.
struct Best {
    node: Node,
    total: f32,
    after: Snapshot,
}

impl FrameEncoder {
    /// Searches the partition of a square, and leaves the frame as decoders will see it. Also returns its cost.
    pub(super) fn search(&mut self, square: Square, speed: &SpeedSettings) -> (Node, f32) {
        if square.row >= self.rows || square.column >= self.columns {
            return (Node::Outside, 0.0);
        }
        let before = self.snapshot(square);
        let limits = self.limits(square, speed);
        let mut best: Option<Best> = None;
        let mut totals = [f32::INFINITY; 4];
        // Blocks of 32 and 64 are rare; their quarters indicate whether they might pay.
        let [first, second] = match square.side {
            5.. => [Partition::Split, Partition::None],
            _ => [Partition::None, Partition::Split],
        };
        for way in [first, second, Partition::Horizontal, Partition::Vertical] {
            let is_plain = way != Partition::None || best.as_ref().is_none_or(|best| best.node.whole_quarters() >= 2);
            if !is_plain || !self.is_worth_trying(square, way, totals, limits, speed.patience) {
                continue;
            }
            if best.is_some() {
                self.restore(square, &before);
            }
            self.forget(square);
            let limit = best.as_ref().map_or(f32::INFINITY, |best| best.total);
            let is_half = matches!(way, Partition::Horizontal | Partition::Vertical);
            let fewer = speed.modes(1).chroma_modes(1);
            let speed = if is_half && limits.has_likelier_halves_only(square.side) { &fewer } else { speed };
            let (node, total) = self.evaluate_partition(square, way, limit * speed.patience, speed);
            totals[way as usize] = total;
            if total < limit {
                best = Some(Best { node, total, after: self.snapshot(square) });
            }
            // Nothing is left that squares of 4 by 4, which have no palettes, could show better.
            let is_painted = square.side == 3 && best.as_ref().is_some_and(|best| best.node.is_painted());
            let is_cheap = total <= self.lambda * (worth_dividing(square.side) * BIT) as f32;
            if way == Partition::None && (is_cheap || is_painted) {
                break;
            }
        }
        let Some(Best { node, total, after }) = best else { return (Node::Outside, f32::INFINITY) };
        self.restore(square, &after);
        (node, total)
    }

    /// Whether a partition is allowed, and promising given the costs of others.
    fn is_worth_trying(&self, square: Square, way: Partition, totals: [f32; 4], limits: Limits, patience: f32) -> bool {
        let [has_row, has_column] = self.has_middle(square);
        let is_whole = has_row && has_column;
        match way {
            _ if square.side == 2 => way == Partition::None,
            _ if self.is_lossless => way == Partition::Split,
            Partition::None => is_whole && square.side <= self.largest_block(),
            Partition::Split => !is_whole || square.side > limits.smallest,
            _ if square.side == 3 && !is_whole => false,
            Partition::Horizontal if !has_column => false,
            Partition::Vertical if !has_row => false,
            _ if square.side > limits.halves_up_to.max(limits.likelier_halves_up_to) => false,
            _ if is_whole && limits.has_likelier_halves_only(square.side) && self.likelier_halves(square) != way => {
                false
            }
            _ => {
                // If the costs of the whole and of the quarters differ much, halves are seldom better than both.
                let [none, .., split] = totals;
                !is_whole || square.side <= limits.smallest || none.max(split) <= none.min(split) * patience
            }
        }
    }

    /// The sizes to try in a square.
    fn limits(&self, square: Square, speed: &SpeedSettings) -> Limits {
        let SpeedSettings { smallest, halves_up_to, likelier_halves_up_to, uneven_up_to, .. } = *speed;
        if square.side > 2 && square.side <= uneven_up_to && self.is_uneven(square) {
            let halves_up_to = halves_up_to.max(uneven_up_to);
            Limits { smallest: smallest.min(square.side - 1), halves_up_to, likelier_halves_up_to }
        } else {
            Limits { smallest, halves_up_to, likelier_halves_up_to }
        }
    }

    /// The halves whose means differ more.
    fn likelier_halves(&self, square: Square) -> Partition {
        let Plane { samples, stride } = &self.source[0];
        let lines = samples[square.row * 4 * stride + square.column * 4..].chunks(*stride);
        let (side, half) = (1usize << square.side, 1usize << (square.side - 1));
        let mut sums = [0i32; 4];
        for (y, line) in lines.take(side).enumerate() {
            for (x, part) in line[..side].chunks_exact(half).enumerate() {
                sums[y / half * 2 + x] += part.iter().copied().map(i32::from).sum::<i32>();
            }
        }
        let [a, b, c, d] = sums;
        if (a + b - c - d).abs() > (a + c - b - d).abs() { Partition::Horizontal } else { Partition::Vertical }
    }

    /// Whether details of the source lie beside flat areas in a square, or among equal samples.
    fn is_uneven(&self, square: Square) -> bool {
        let Plane { samples, stride } = &self.source[0];
        let lines = samples[square.row * 4 * stride + square.column * 4..].chunks(*stride);
        let (side, half) = (1usize << square.side, 1usize << (square.side - 1));
        let mut ranges = [[u8::MAX, 0]; 4];
        let mut equal = 0;
        for (y, line) in lines.take(side).enumerate() {
            equal += line[..side].windows(2).filter(|pair| pair[0] == pair[1]).count();
            for (x, part) in line[..side].chunks_exact(half).enumerate() {
                let [low, high] = &mut ranges[y / half * 2 + x];
                for sample in part {
                    (*low, *high) = ((*low).min(*sample), (*high).max(*sample));
                }
            }
        }
        let ranges = ranges.map(|[low, high]| high - low);
        let (least, most) = ranges.iter().fold((u8::MAX, 0), |(low, high), range| (low.min(*range), high.max(*range)));
        most >= DETAIL && (least <= most / CONTRAST || equal * SHARE_OF_EQUAL >= side * side)
    }

    /// Full-resolution chroma has no transforms of 64 (5.11.37).
    fn largest_block(&self) -> u8 {
        if self.source.len() > 1 && !self.is_halved { 5 } else { 6 }
    }

    /// Codes a square with one partition; aborts if the cost exceeds `limit`.
    fn evaluate_partition(&mut self, square: Square, way: Partition, limit: f32, speed: &SpeedSettings) -> (Node, f32) {
        let mut total = self.partition_cost(square, way) as f32 * self.lambda;
        if way == Partition::Split {
            let mut nodes = Vec::with_capacity(4);
            for quarter in square.quarters() {
                let (node, cost) = self.search(quarter, speed);
                nodes.push(node);
                total += cost;
                if total >= limit {
                    break;
                }
            }
            return (Node::Split(nodes), total);
        }
        let size = square.block(way);
        let (first, cost) = self.code([square.row, square.column], size, speed);
        total += cost;
        let mut blocks = vec![first];
        let second = square.second(way).filter(|[row, column]| *row < self.rows && *column < self.columns);
        if let Some(place) = second
            && total < limit
        {
            let (block, cost) = self.code(place, size, speed);
            blocks.push(block);
            total += cost;
        }
        (Node::Blocks(way, blocks), total)
    }

    /// Codes a block, with its errors weighted, and leaves it as decoders will see it.
    fn code(&mut self, place: [usize; 2], size: BlockSize, speed: &SpeedSettings) -> (Block, f32) {
        let (lambda, weight) = (self.lambda, self.weights.of(place, size));
        // The cost of bits is divided instead of multiplying every error.
        self.lambda = lambda / weight;
        let (block, total) = self.code_unweighted(place, size, speed);
        self.lambda = lambda;
        (block, total * weight)
    }

    fn code_unweighted(&mut self, place: [usize; 2], size: BlockSize, speed: &SpeedSettings) -> (Block, f32) {
        let [row, column] = place;
        let luma = self.best_luma([row, column], size, speed);
        let mut total = luma.total;
        let mut block = Block {
            row,
            column,
            size,
            mode: luma.mode,
            chroma: None,
            palettes: [luma.palette, None],
            residuals: Vec::with_capacity(3),
        };
        let area = TransformBlock { plane: 0, x: column * 4, y: row * 4, size };
        block.residuals.push(self.reconstruct(area, luma.tx_type, luma.quantized.levels, &luma.prediction));
        if self.has_chroma(row, column, size) {
            let chroma = self.best_chroma([row, column], size, (luma.mode, block.palettes[0].is_some()), speed);
            block.chroma = Some(chroma.chroma);
            block.palettes[1] = chroma.palette;
            total += chroma.total;
            for (area, quantized, prediction) in chroma.parts {
                block.residuals.push(self.reconstruct(area, chroma.tx_type, quantized.levels, &prediction));
            }
        }
        let [above, left] = self.beside(row, column, false).map(|unit| usize::from(unit.is_skipped));
        total += self.lambda * cost(&self.probabilities.skip[above + left], usize::from(block.is_skipped())) as f32;
        self.update_block_contexts(&block);
        (block, total)
    }

    /// Reconstructs a transform block in the frame, like a decoder.
    fn reconstruct(&mut self, area: TransformBlock, tx_type: TxType, levels: Levels, prediction: &[u8]) -> Residual {
        let TransformBlock { plane, x, y, size } = area;
        let Plane { samples, stride } = &mut self.frame[plane];
        let samples = &mut samples[y * *stride + x..];
        for (line, predicted) in samples.chunks_mut(*stride).zip(prediction.chunks_exact(size.width())) {
            line[..size.width()].copy_from_slice(predicted);
        }
        if self.is_lossless {
            lossless::add(&levels, samples, *stride);
        } else if !levels.0.is_empty() {
            let coefficients = &mut self.dequantized[..size.coded().area()];
            let steps = self.quantizer.steps(plane > 0, size, tx_type);
            let Extent { rows, magnitude } = dequantize(&levels, steps, size, coefficients);
            let shape = Shape { size, tx_type, rows, depth: 8 };
            self.transforms.add(coefficients, shape, magnitude, samples, *stride);
        }
        self.update_level_contexts(area, &levels);
        self.mark_decoded(area, true);
        Residual { area, tx_type, levels }
    }

    fn snapshot(&self, square: Square) -> Snapshot {
        let pixels = self.frame.iter().enumerate().map(|(plane, Plane { samples, stride })| {
            let TransformBlock { x, y, size, .. } = self.area(plane, square);
            let lines = samples[y * stride + x..].chunks(*stride).take(size.height());
            lines.flat_map(|line| &line[..size.width()]).copied().collect()
        });
        let units = 1 << (square.side - 2);
        Snapshot {
            pixels: pixels.collect(),
            above: self.above[square.column..square.column + units].to_vec(),
            left: self.left,
        }
    }

    fn restore(&mut self, square: Square, snapshot: &Snapshot) {
        for (plane, pixels) in snapshot.pixels.iter().enumerate() {
            let area @ TransformBlock { x, y, size, .. } = self.area(plane, square);
            let Plane { samples, stride } = &mut self.frame[plane];
            let lines = samples[y * *stride + x..].chunks_mut(*stride);
            for (line, pixels) in lines.zip(pixels.chunks_exact(size.width())) {
                line[..size.width()].copy_from_slice(pixels);
            }
            self.mark_decoded(area, true);
        }
        self.above[square.column..square.column + snapshot.above.len()].copy_from_slice(&snapshot.above);
        self.left = snapshot.left;
    }

    /// Marks a square as not decoded. Subsampled chroma of a 4 by 4 square belongs to that of 8 by 8.
    fn forget(&mut self, square: Square) {
        for plane in 0..self.frame.len() {
            if square.side > 2 || !self.is_chroma_halved(plane) {
                self.mark_decoded(self.area(plane, square), false);
            }
        }
    }

    /// The area of a square in a plane.
    fn area(&self, plane: usize, square: Square) -> TransformBlock {
        let shift = u32::from(self.is_chroma_halved(plane));
        let at = |unit: usize| (unit >> shift) * 4;
        let size = BlockSize::square(square.side).in_plane(shift > 0);
        TransformBlock { plane, x: at(square.column), y: at(square.row), size }
    }
}
