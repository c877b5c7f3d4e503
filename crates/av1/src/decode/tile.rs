//! Tiles: partitions, and the parts of blocks (5.11.2 to 5.11.4).

use super::coefficients::Workspace;
use super::context::{Edge, LARGEST};
use super::frame::Frame;
use super::headers::FrameHeader;
use super::probabilities::Probabilities;
use super::sequence::Sequence;
use super::symbols::Symbols;
use super::{Check, DecodeError, damaged, go_on};
use crate::matrices;
use crate::predict::Edges;
use crate::sample::Sample;
use crate::size::BlockSize;
use crate::tables::{AC_QUANTIZER, DC_QUANTIZER};

/// What all tiles of a frame have in common.
pub(super) struct Setting<'a> {
    pub(super) sequence: &'a Sequence,
    pub(super) header: &'a FrameHeader,
    /// The quantizer matrices of each plane by transform size, if there are any.
    matrices: [Vec<Vec<u8>>; 3],
}

impl<'a> Setting<'a> {
    pub(super) fn new(sequence: &'a Sequence, header: &'a FrameHeader) -> Self {
        let of_plane = |plane: usize| match header.matrices.map(|levels| levels[plane]) {
            Some(level) if level < matrices::LEVELS => {
                BlockSize::transforms().map(|size| matrices::matrix(level, plane > 0, size)).collect()
            }
            _ => Vec::new(),
        };
        Self { sequence, header, matrices: std::array::from_fn(of_plane) }
    }

    /// The quantizer matrix of a plane, if there is one.
    pub(super) fn matrix(&self, plane: usize, size: BlockSize) -> Option<&[u8]> {
        self.matrices[plane].get(size.transform_index()).map(Vec::as_slice)
    }
}

/// The steps of quantizers of DC and AC for each plane (7.12.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantizer {
    /// The `qindex` that the steps are for.
    index: u8,
    pub(super) steps: [[u32; 2]; 3],
}

impl Quantizer {
    fn new(header: &FrameHeader, depth: u8, index: u8) -> Self {
        let tables = [&DC_QUANTIZER, &AC_QUANTIZER].map(|tables| &tables[usize::from(depth - 8) / 2]);
        let steps = header
            .quantizer_deltas
            .map(|deltas| [0, 1].map(|i| tables[i][(i32::from(index) + deltas[i]).clamp(0, 255) as usize].into()));
        Self { index, steps }
    }
}

/// The state of a tile that is being decoded.
pub(super) struct Tile<'t, S> {
    pub(super) setting: &'t Setting<'t>,
    pub(super) frame: &'t mut Frame<S>,
    pub(super) symbols: Symbols<'t>,
    pub(super) p: Box<Probabilities>,
    pub(super) above: &'t mut Edge,
    pub(super) left: Edge,
    pub(super) space: &'t mut Workspace,
    /// The first and the last column and row, in units of 4 luma samples.
    pub(super) columns: [usize; 2],
    pub(super) rows: [usize; 2],
    /// The units of 4 samples of the current superblock and around it that are decoded, a row each, from one above and
    /// one to the left on.
    decoded: [[u64; LARGEST + 2]; 3],
    pub(super) quantizer: Quantizer,
    /// `CurrentQIndex`.
    pub(super) quantizer_index: u8,
    /// `DeltaLF`.
    pub(super) filter_deltas: [i32; 4],
    /// `ReadDeltas`.
    pub(super) reads_deltas: bool,
    /// The references of loop restoration: coefficients of both directions, and weights.
    pub(super) wiener: [[[i8; 3]; 2]; 3],
    pub(super) self_guided: [[i8; 2]; 3],
    /// The colour indices of palettes of luma and chroma, in rows of 64.
    pub(super) colours: [Box<[u8; 64 * 64]>; 2],
    pub(super) edges: Box<Edges<S>>,
    /// Deviations of luma from its mean.
    pub(super) luma: Box<[i16; 32 * 32]>,
    /// The end of the coded part of luma in the current block, in samples (`MaxLumaW`, `MaxLumaH`).
    pub(super) luma_end: [usize; 2],
    /// The sizes of luma's transforms in copies in the current superblock, as in a frame's `transforms`.
    pub(super) split_transforms: Box<[u8; LARGEST * LARGEST]>,
    /// The types of luma's transforms in the current superblock.
    pub(super) tx_types: Box<[u8; LARGEST * LARGEST]>,
}

/// Buffers that all tiles of a frame use.
pub(super) struct Buffers {
    pub(super) above: Edge,
    pub(super) space: Workspace,
}

impl Buffers {
    pub(super) fn new<S: Sample>(frame: &Frame<S>, header: &FrameHeader) -> Self {
        Self { above: Edge::new(frame.across, header.has_screen_content), space: Workspace::new() }
    }
}

impl<'t, S: Sample> Tile<'t, S> {
    /// Decodes the tile with this number.
    pub(super) fn decode(
        setting: &'t Setting<'t>,
        frame: &'t mut Frame<S>,
        buffers: &'t mut Buffers,
        number: usize,
        data: &'t [u8],
        check: Check<'_>,
    ) -> Result<(), DecodeError> {
        let Setting { sequence, header, .. } = setting;
        let tiles = &header.tiles;
        let across = tiles.columns.len() - 1;
        let (column, row) = (number % across, number / across);
        buffers.above.clear();
        let mut tile = Self {
            setting,
            frame,
            symbols: Symbols::new(data, header.adapts),
            p: Box::new(Probabilities::new(header.quantizer)),
            above: &mut buffers.above,
            left: Edge::new(LARGEST, header.has_screen_content),
            space: &mut buffers.space,
            columns: [tiles.columns[column], tiles.columns[column + 1]],
            rows: [tiles.rows[row], tiles.rows[row + 1]],
            decoded: [[0; LARGEST + 2]; 3],
            quantizer: Quantizer::new(header, sequence.depth, header.quantizer),
            quantizer_index: header.quantizer,
            filter_deltas: [0; 4],
            reads_deltas: false,
            wiener: [[[3, -7, 15]; 2]; 3],
            self_guided: [[-32, 31]; 3],
            colours: std::array::from_fn(|_| Box::new([0; 64 * 64])),
            edges: Box::new(Edges::new()),
            luma: Box::new([0; 32 * 32]),
            luma_end: [0; 2],
            split_transforms: Box::new([0; LARGEST * LARGEST]),
            tx_types: Box::new([0; LARGEST * LARGEST]),
        };
        let side = sequence.superblock() / 4;
        let size = BlockSize::square(if side == LARGEST { 7 } else { 6 });
        for row in (tile.rows[0]..tile.rows[1]).step_by(side) {
            tile.left.clear();
            for column in (tile.columns[0]..tile.columns[1]).step_by(side) {
                go_on(check)?;
                tile.reads_deltas = header.delta_q.is_some();
                tile.clear_decoded(row, column, side);
                tile.read_restoration(row, column, side);
                tile.partition(row, column, size)?;
            }
        }
        Ok(())
    }

    /// `clear_block_decoded_flags` (5.11.3).
    fn clear_decoded(&mut self, row: usize, column: usize, side: usize) {
        for (plane, rows) in self.decoded[..self.setting.sequence.planes()].iter_mut().enumerate() {
            let [x, y] = self.setting.sequence.shifts(plane);
            let (across, down) = (((self.columns[1] - column) >> x).min((side >> x) + 1), (self.rows[1] - row) >> y);
            rows.fill(0);
            rows[0] = (1 << (across + 1)) - 1;
            let down = down.min(side >> y);
            rows[1..=down].fill(1);
        }
    }

    /// Marks the units of a block of a plane as decoded.
    #[inline(always)]
    pub(super) fn mark_decoded(&mut self, plane: usize, [x, y]: [usize; 2], size: BlockSize) {
        let [w, h] = size.units();
        let bits = ((1u64 << w) - 1) << (x + 1);
        for row in &mut self.decoded[plane][y + 1..y + 1 + h] {
            *row |= bits;
        }
    }

    /// Whether units above and to the right, and below and to the left, of a block of a plane are decoded.
    #[inline(always)]
    pub(super) fn beyond(&self, plane: usize, [x, y]: [usize; 2], size: BlockSize) -> [bool; 2] {
        let [w, h] = size.units();
        let rows = &self.decoded[plane];
        [rows[y] >> (x + 1 + w) & 1 == 1, rows[y + 1 + h] >> x & 1 == 1]
    }

    /// Whether a unit is in the tile (`is_inside`).
    pub(super) fn is_inside(&self, row: usize, column: usize) -> bool {
        (self.columns[0]..self.columns[1]).contains(&column) && (self.rows[0]..self.rows[1]).contains(&row)
    }

    /// Makes the quantizer that of a segment of the current superblock.
    pub(super) fn choose_quantizer(&mut self, segment: u8) {
        let Setting { sequence, header, .. } = self.setting;
        let index = header.quantizer_of(self.quantizer_index, segment);
        if index != self.quantizer.index {
            self.quantizer = Quantizer::new(header, sequence.depth, index);
        }
    }

    /// `decode_partition` (5.11.4).
    fn partition(&mut self, row: usize, column: usize, size: BlockSize) -> Result<(), DecodeError> {
        let frame = &*self.frame;
        if row >= frame.rows || column >= frame.columns {
            return Ok(());
        }
        let side = size.units()[0];
        let (half, quarter) = (side / 2, side / 4);
        let (has_rows, has_columns) = (row + half < frame.rows, column + half < frame.columns);
        let partition = match (has_rows, has_columns) {
            _ if size.w == 2 => 0,
            (true, true) => self.read_partition(row, column, size),
            (false, false) => 3,
            (has_rows, _) => self.read_split(row, column, size, has_rows),
        };
        let log2 = size.w;
        let (wide, tall) = (BlockSize::new(log2, log2 - 1), BlockSize::new(log2 - 1, log2));
        let split = BlockSize::square(log2 - 1);
        match partition {
            0 => self.block(row, column, size),
            1 => {
                self.block(row, column, wide)?;
                if has_rows { self.block(row + half, column, wide) } else { Ok(()) }
            }
            2 => {
                self.block(row, column, tall)?;
                if has_columns { self.block(row, column + half, tall) } else { Ok(()) }
            }
            3 => {
                if log2 == 3 {
                    self.block(row, column, split)?;
                    self.block(row, column + half, split)?;
                    self.block(row + half, column, split)?;
                    return self.block(row + half, column + half, split);
                }
                self.partition(row, column, split)?;
                self.partition(row, column + half, split)?;
                self.partition(row + half, column, split)?;
                self.partition(row + half, column + half, split)
            }
            4 => {
                self.block(row, column, split)?;
                self.block(row, column + half, split)?;
                self.block(row + half, column, wide)
            }
            5 => {
                self.block(row, column, wide)?;
                self.block(row + half, column, split)?;
                self.block(row + half, column + half, split)
            }
            6 => {
                self.block(row, column, split)?;
                self.block(row + half, column, split)?;
                self.block(row, column + half, tall)
            }
            7 => {
                self.block(row, column, tall)?;
                self.block(row, column + half, split)?;
                self.block(row + half, column + half, split)
            }
            8 => {
                let size = BlockSize::new(log2, log2 - 2);
                for row in (0..4).map(|i| row + i * quarter) {
                    if row < self.frame.rows {
                        self.block(row, column, size)?;
                    }
                }
                Ok(())
            }
            _ => {
                let size = BlockSize::new(log2 - 2, log2);
                for column in (0..4).map(|i| column + i * quarter) {
                    if column < self.frame.columns {
                        self.block(row, column, size)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The context of `partition` (8.3.2).
    fn partition_context(&self, row: usize, column: usize, size: BlockSize) -> usize {
        let above = self.above.block[column] < size.w;
        let left = self.left.block[row % LARGEST] < size.h;
        usize::from(left) * 2 + usize::from(above)
    }

    fn read_partition(&mut self, row: usize, column: usize, size: BlockSize) -> usize {
        let context = self.partition_context(row, column, size);
        match size.w {
            3 => self.symbols.symbol(&mut self.p.partition_8[context]),
            4 => self.symbols.symbol(&mut self.p.partition_16[context]),
            5 => self.symbols.symbol(&mut self.p.partition_32[context]),
            6 => self.symbols.symbol(&mut self.p.partition_64[context]),
            _ => self.symbols.symbol(&mut self.p.partition_128[context]),
        }
    }

    /// `split_or_horz`, if the lower half is outside of the frame, or `split_or_vert`. Squares of 8 are inside as a whole.
    fn read_split(&mut self, row: usize, column: usize, size: BlockSize, has_rows: bool) -> usize {
        let context = self.partition_context(row, column, size);
        let mut cdf = [0; 10];
        match size.w {
            4 => cdf[..9].copy_from_slice(&self.p.partition_16[context][..9]),
            5 => cdf[..9].copy_from_slice(&self.p.partition_32[context][..9]),
            6 => cdf[..9].copy_from_slice(&self.p.partition_64[context][..9]),
            _ => cdf[..7].copy_from_slice(&self.p.partition_128[context][..7]),
        }
        // The partitions that divide the half that is inside.
        let dividing: &[usize] = match (has_rows, size.w) {
            (true, 7) => &[1, 3, 4, 5, 6],
            (true, _) => &[1, 3, 4, 5, 6, 8],
            (false, 7) => &[2, 3, 4, 6, 7],
            (false, _) => &[2, 3, 4, 6, 7, 9],
        };
        let set = dividing.iter().map(|i| u32::from(cdf[i - 1]) - u32::from(cdf[*i])).sum();
        match (self.symbols.fixed_flag(set), has_rows) {
            (true, _) => 3,
            (false, true) => 2,
            (false, false) => 1,
        }
    }

    /// Rejects blocks whose chroma would have no size (5.11.38).
    pub(super) fn check_size(&self, size: BlockSize) -> Result<(), DecodeError> {
        let is_tall = self.setting.sequence.subsampling == [true, false] && size.h > size.w;
        if is_tall && !self.setting.sequence.is_monochrome {
            return Err(damaged("its chroma has blocks that do not exist"));
        }
        Ok(())
    }
}
