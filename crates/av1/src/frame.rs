//! The encoder state of a frame: source and reconstructed planes, above and left contexts, and adapted probabilities.

use std::rc::Rc;

use super::adapt::Weights;
use super::coefficients::{CoefContext, Levels};
use super::decode::Transforms;
use super::inverse::TxType;
use super::palette::{KnownColours, Palette};
use super::partition::Square;
use super::predict::{Mode, Place};
use super::probabilities::Probabilities;
use super::quantizer::Quantizer;
use super::rates::Costs;
use super::size::BlockSize;
use super::symbols::cost;
use super::tuning::Tuning;

/// The side of a superblock in units of 4 luma samples.
pub(super) const SUPERBLOCK: usize = 16;

/// The binary logarithm of the unit of quantizer differences between superblocks.
pub(super) const DELTA_SHIFT: u32 = 2;

/// The samples of a plane, padded to whole superblocks.
#[derive(Clone)]
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
}

/// The mode info of 4 by 4 luma samples at the edge of the coded area, for the contexts of later blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModeInfo {
    pub(super) mode: u8,
    pub(super) chroma_mode: u8,
    pub(super) is_skipped: bool,
    pub(super) block: BlockSize,
    /// `culLevel` of each plane; that of subsampled chroma is stored at even units.
    pub(super) level: [u8; 3],
    /// `dcCategory` of each plane.
    pub(super) sign: [u8; 3],
    /// The colours of the palettes of luma, and of the second plane.
    pub(super) colours: [KnownColours; 2],
}

impl ModeInfo {
    /// The mode info of blocks outside of the frame.
    pub(super) const OUTSIDE: Self = Self {
        mode: 0,
        chroma_mode: 0,
        is_skipped: false,
        block: BlockSize::square(15),
        level: [0; 3],
        sign: [0; 3],
        colours: [KnownColours::NONE; 2],
    };
}

/// An area of a plane, usually a transform block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransformBlock {
    pub(super) plane: usize,
    /// The position in the plane, in samples.
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) size: BlockSize,
}

/// The levels of one transform block.
#[derive(Debug, Clone)]
pub(super) struct Residual {
    pub(super) area: TransformBlock,
    pub(super) tx_type: TxType,
    pub(super) levels: Levels,
}

/// The prediction of chroma.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chroma {
    pub(super) mode: Mode,
    /// The factors of luma's deviations in eighths, if `mode` is chroma from luma.
    pub(super) alphas: [i8; 2],
}

/// A block with all of its decisions.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// The position in units of 4 luma samples.
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) size: BlockSize,
    pub(super) mode: Mode,
    pub(super) chroma: Option<Chroma>,
    /// The palettes of luma and of chroma.
    pub(super) palettes: [Option<Palette>; 2],
    pub(super) residuals: Vec<Residual>,
}

impl Block {
    pub(super) fn is_skipped(&self) -> bool {
        self.residuals.iter().all(|residual| residual.levels.0.is_empty())
    }
}

/// The partition of a square; the numbers are those of `partition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partition {
    None = 0,
    Horizontal = 1,
    Vertical = 2,
    Split = 3,
}

/// A square of blocks.
pub(super) enum Node {
    Outside,
    Blocks(Partition, Vec<Block>),
    Split(Vec<Node>),
}

impl Node {
    /// Whether this is one block that is shown exactly enough by its palettes.
    pub(super) fn is_painted(&self) -> bool {
        let Self::Blocks(Partition::None, blocks) = self else { return false };
        blocks.iter().all(|block| block.palettes[0].is_some() && block.is_skipped())
    }

    /// The number of quarters that are not divided further.
    pub(super) fn whole_quarters(&self) -> usize {
        let Self::Split(quarters) = self else { return 0 };
        quarters.iter().filter(|quarter| matches!(quarter, Self::Blocks(Partition::None, _))).count()
    }
}

/// The encoder state of a frame: source and reconstructed planes, above and left contexts, probabilities.
pub(super) struct FrameEncoder {
    pub(super) source: Vec<Plane>,
    pub(super) frame: Vec<Plane>,
    /// Width and height in units of 4 luma samples; even.
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Whether chroma has half of the columns and rows.
    pub(super) is_halved: bool,
    pub(super) is_lossless: bool,
    /// Whether blocks may have palettes, and whether transforms of single samples are tried.
    pub(super) has_palettes: bool,
    pub(super) has_single_samples: bool,
    pub(super) above: Vec<ModeInfo>,
    pub(super) left: [ModeInfo; SUPERBLOCK],
    /// The decoded parts of the current superblock: rows from -1 on, whose bits are columns from -1 on.
    decoded: [[u32; SUPERBLOCK + 2]; 3],
    pub(super) probabilities: Probabilities,
    pub(super) costs: Costs,
    pub(super) tuning: &'static Tuning,
    pub(super) quantizer: Rc<Quantizer>,
    /// The quantizer of the current superblock, and the last that was written.
    pub(super) quantizer_index: u8,
    pub(super) written_quantizer_index: u8,
    /// The cost of 1/[`BIT`](super::symbols::BIT) bit in squared sample values.
    pub(super) lambda: f32,
    /// How much errors count in the current superblock.
    pub(super) weights: Weights,
    /// Buffers for the input and output of a transform.
    pub(super) differences: Box<[f32; 64 * 64]>,
    pub(super) coefficients: Box<[f32; 32 * 32]>,
    /// Zeros, where levels are dequantized to, and buffers for inverse transforms.
    pub(super) dequantized: Box<[i32; 32 * 32]>,
    pub(super) transforms: Transforms,
}

impl FrameEncoder {
    /// The state before the first superblock. `units` are width and height in units of 4 luma samples.
    pub(super) fn new(
        source: Vec<Plane>,
        units: [usize; 2],
        is_halved: bool,
        index: u8,
        tuning: &'static Tuning,
        with_matrices: bool,
    ) -> Self {
        let [columns, rows] = units;
        let mut probabilities = Probabilities::new(index);
        Self {
            frame: source.clone(),
            source,
            columns,
            rows,
            is_halved,
            is_lossless: index == 0,
            has_palettes: false,
            has_single_samples: false,
            above: vec![ModeInfo::OUTSIDE; columns.next_multiple_of(SUPERBLOCK)],
            left: [ModeInfo::OUTSIDE; SUPERBLOCK],
            decoded: [[0; SUPERBLOCK + 2]; 3],
            costs: Costs::new(&mut probabilities),
            probabilities,
            quantizer: Rc::new(Quantizer::new(index, tuning, with_matrices)),
            tuning,
            quantizer_index: index,
            written_quantizer_index: index,
            lambda: 0.0,
            weights: Weights::default(),
            differences: Box::new([0.0; 64 * 64]),
            coefficients: Box::new([0.0; 32 * 32]),
            dequantized: Box::new([0; 32 * 32]),
            transforms: Transforms::new(),
        }
    }

    pub(super) fn is_chroma_halved(&self, plane: usize) -> bool {
        plane > 0 && self.is_halved
    }

    fn shift(&self, plane: usize) -> u32 {
        u32::from(self.is_chroma_halved(plane))
    }

    /// Whether a block contains the chroma of its position (5.11.5).
    pub(super) fn has_chroma(&self, row: usize, column: usize, size: BlockSize) -> bool {
        let whole = |length: u8, at: usize| length > 2 || at % 2 == 1 || !self.is_halved;
        self.source.len() > 1 && whole(size.h, row) && whole(size.w, column)
    }

    /// `clear_block_decoded_flags` (5.11.3).
    pub(super) fn clear_decoded(&mut self, row: usize, column: usize) {
        for plane in 0..self.source.len() {
            let shift = self.shift(plane);
            let side = SUPERBLOCK >> shift;
            let (right, below) = ((self.columns - column) >> shift, (self.rows - row) >> shift);
            let rows = &mut self.decoded[plane];
            for (y, bits) in rows.iter_mut().enumerate().take(side + 2) {
                *bits = if y == 0 { (1 << (right + 1).min(side + 2)) - 1 } else { u32::from(y - 1 < below) };
            }
            rows[side + 1] = 0;
        }
    }

    /// Marks a block's samples as decoded, or not decoded.
    pub(super) fn mark_decoded(&mut self, area: TransformBlock, decoded: bool) {
        let TransformBlock { plane, x, y, size } = area;
        let side = SUPERBLOCK >> self.shift(plane);
        let [w, h] = size.units();
        let (left, top) = (x / 4 % side + 1, y / 4 % side + 1);
        let bits = ((1u32 << w) - 1) << left;
        for row in &mut self.decoded[plane][top..(top + h).min(side + 1)] {
            *row = if decoded { *row | bits } else { *row & !bits };
        }
    }

    fn is_decoded(&self, plane: usize, row: usize, column: usize) -> bool {
        self.decoded[plane][row] >> column & 1 != 0
    }

    /// The position of a transform block, and its decoded neighbours.
    pub(super) fn place(&self, area: TransformBlock, beside_smooth: bool) -> Place {
        let TransformBlock { plane, x, y, size } = area;
        let shift = self.shift(plane);
        let side = SUPERBLOCK >> shift;
        let [w, h] = size.units();
        let (column, row) = (x / 4 % side, y / 4 % side);
        Place {
            x,
            y,
            have_above: y > 0,
            have_left: x > 0,
            have_above_right: self.is_decoded(plane, row, column + w + 1),
            have_below_left: self.is_decoded(plane, row + h + 1, column),
            end: [(self.columns * 4) >> shift, (self.rows * 4) >> shift],
            beside_smooth,
            depth: 8,
            softens: true,
        }
    }

    /// The intra filter type process (7.11.2.8).
    pub(super) fn is_beside_smooth(&self, is_chroma: bool, row: usize, column: usize) -> bool {
        let [above, left] = self.beside(row, column, is_chroma && self.is_halved);
        let is_smooth = |unit: &ModeInfo| Mode::is_smooth(if is_chroma { unit.chroma_mode } else { unit.mode });
        is_smooth(above) || is_smooth(left)
    }

    /// The units above and to the left; with `with_chroma` those that contain chroma.
    pub(super) fn beside(&self, row: usize, column: usize, with_chroma: bool) -> [&ModeInfo; 2] {
        let odd = usize::from(with_chroma);
        [&self.above[column | odd], &self.left[(row | odd) % SUPERBLOCK]]
    }

    /// The contexts for the coefficients of a transform block, in a block of this size.
    pub(super) fn context(&self, area: TransformBlock, block: BlockSize) -> CoefContext {
        let TransformBlock { plane, x, y, size } = area;
        let shift = self.shift(plane);
        let [w, h] = size.units();
        let (x4, y4) = (x / 4, y / 4);
        let across = (x4..(x4 + w).min(self.columns >> shift)).map(|x| &self.above[x << shift]);
        let down = (y4..(y4 + h).min(self.rows >> shift)).map(|y| &self.left[(y << shift) % SUPERBLOCK]);
        let signs = across.clone().chain(down.clone()).map(|unit| match unit.sign[plane] {
            1 => -1,
            2 => 1,
            _ => 0,
        });
        let sign_context = match signs.sum::<i32>() {
            ..0 => 1,
            0 => 0,
            _ => 2,
        };
        let block = block.in_plane(shift > 0);
        let zero_context = if plane == 0 {
            let top = across.map(|unit| unit.level[0]).max().unwrap_or(0);
            let left = down.map(|unit| unit.level[0]).max().unwrap_or(0);
            match (top.min(left), top.max(left)) {
                _ if block == size => 0,
                (0, 0) => 1,
                (0, most) => 2 + usize::from(most > 3),
                (_, ..=3) => 4,
                (..=3, _) => 5,
                _ => 6,
            }
        } else {
            let is_set = |unit: &ModeInfo| unit.level[plane] != 0 || unit.sign[plane] != 0;
            let smaller = if block.area() > size.area() { 3 } else { 0 };
            7 + smaller + usize::from(across.clone().any(is_set)) + usize::from(down.clone().any(is_set))
        };
        CoefContext { size, is_chroma: plane > 0, zero_context, sign_context }
    }

    /// Updates the contexts of later transform blocks with this one's levels.
    pub(super) fn update_level_contexts(&mut self, area: TransformBlock, levels: &Levels) {
        let TransformBlock { plane, x, y, size } = area;
        let shift = self.shift(plane);
        let [w, h] = size.units();
        let [level, sign] = levels.contexts();
        for x in x / 4..x / 4 + w {
            let unit = &mut self.above[x << shift];
            (unit.level[plane], unit.sign[plane]) = (level, sign);
        }
        for y in y / 4..y / 4 + h {
            let unit = &mut self.left[(y << shift) % SUPERBLOCK];
            (unit.level[plane], unit.sign[plane]) = (level, sign);
        }
    }

    /// Updates the contexts of later blocks with this one.
    pub(super) fn update_block_contexts(&mut self, block: &Block) {
        let [w, h] = block.size.units();
        let is_skipped = block.is_skipped();
        let colours = block.palettes.each_ref().map(|palette| KnownColours::of(palette.as_ref()));
        let note = |unit: &mut ModeInfo| {
            unit.colours = colours;
            unit.mode = block.mode.base;
            unit.is_skipped = is_skipped;
            unit.block = block.size;
            if let Some(chroma) = block.chroma {
                unit.chroma_mode = chroma.mode.base;
            }
        };
        self.above[block.column..block.column + w].iter_mut().for_each(note);
        let top = block.row % SUPERBLOCK;
        self.left[top..top + h].iter_mut().for_each(note);
    }

    /// Whether the centre of a square is inside the frame: its row, and its column.
    pub(super) fn has_middle(&self, square: Square) -> [bool; 2] {
        let half = 1 << (square.side.max(3) - 3);
        [square.row + half < self.rows, square.column + half < self.columns]
    }

    /// The syntax element for the partition of a square.
    pub(super) fn partition_symbol(&mut self, square: Square) -> PartitionSymbol {
        let [above, left] = self.beside(square.row, square.column, false);
        let context = usize::from(left.block.h < square.side) * 2 + usize::from(above.block.w < square.side);
        match self.has_middle(square) {
            _ if square.side == 2 => PartitionSymbol::None,
            [true, true] => PartitionSymbol::Partition(context),
            [false, false] => PartitionSymbol::None,
            [has_row, _] => {
                // The partitions that count as a split, as opposed to horizontal or vertical halves.
                let symbols: [usize; 6] = if has_row { [1, 3, 4, 5, 6, 8] } else { [2, 3, 4, 6, 7, 9] };
                let cdf = self.probabilities.partition(square.side, context);
                let sum: u16 = symbols.iter().map(|i| cdf[*i] - cdf[i - 1]).sum();
                PartitionSymbol::SplitOr([(1 << 15) - sum, 1 << 15, 0])
            }
        }
    }

    /// The cost of a partition, in units of 1/[`BIT`](super::symbols::BIT) bit.
    pub(super) fn partition_cost(&mut self, square: Square, partition: Partition) -> u32 {
        match self.partition_symbol(square) {
            PartitionSymbol::None => 0,
            PartitionSymbol::Partition(context) => {
                cost(self.probabilities.partition(square.side, context), partition as usize)
            }
            PartitionSymbol::SplitOr(cdf) => cost(&cdf, usize::from(partition == Partition::Split)),
        }
    }
}

/// The syntax element for the partition of a square.
pub(super) enum PartitionSymbol {
    /// None, because there is no choice.
    None,
    /// `partition`, with its context.
    Partition(usize),
    /// `split_or_horz` or `split_or_vert` (8.3.2), with its fixed probabilities.
    SplitOr([u16; 3]),
}
