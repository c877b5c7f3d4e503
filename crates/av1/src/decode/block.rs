//! Blocks: their modes (5.11.5 to 5.11.17).

use super::context::LARGEST;
use super::frame::Copied;
use super::tile::Tile;
use super::{DecodeError, damaged};
use crate::predict::{DC, FROM_LUMA, Mode};
use crate::sample::Sample;
use crate::size::BlockSize;
use crate::write::MODE_CONTEXT;

/// A block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// The position in units of 4 luma samples.
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) size: BlockSize,
    pub(super) has_chroma: bool,
    /// Whether the blocks above and to the left are in the tile; for luma, and for chroma.
    pub(super) has_above: [bool; 2],
    pub(super) has_left: [bool; 2],
    pub(super) is_skipped: bool,
    pub(super) segment: u8,
    pub(super) is_lossless: bool,
    pub(super) luma: Mode,
    pub(super) chroma: Mode,
    /// The factors of luma's deviations in eighths.
    pub(super) alphas: [i8; 2],
    /// The number of colours of luma and chroma.
    pub(super) palette_sizes: [usize; 2],
    pub(super) palettes: [[u16; 8]; 3],
    /// The vector of a copy.
    pub(super) vector: Option<[i32; 2]>,
    pub(super) transform: BlockSize,
    /// Whether a neighbour of luma, and of chroma, uses smooth prediction.
    pub(super) beside_smooth: [bool; 2],
}

impl Block {
    pub(super) fn is_copy(&self) -> bool {
        self.vector.is_some()
    }
}

/// The largest transform of a block (`Max_Tx_Size_Rect`).
fn largest_transform(block: BlockSize) -> BlockSize {
    BlockSize::new(block.w.min(6), block.h.min(6))
}

/// `Split_Tx_Size`: halves of the longer side, or quarters.
pub(super) fn halved(size: BlockSize) -> BlockSize {
    match size.w.cmp(&size.h) {
        std::cmp::Ordering::Equal => BlockSize::square((size.w - 1).max(2)),
        std::cmp::Ordering::Greater => BlockSize::new(size.w - 1, size.h),
        std::cmp::Ordering::Less => BlockSize::new(size.w, size.h - 1),
    }
}

/// `neg_deinterleave` (5.11.9).
fn deinterleaved(difference: i32, reference: i32, count: i32) -> i32 {
    let near = |difference: i32| {
        if difference & 1 == 1 { reference + ((difference + 1) >> 1) } else { reference - (difference >> 1) }
    };
    if reference == 0 {
        difference
    } else if reference >= count - 1 {
        count - difference - 1
    } else if 2 * reference < count {
        if difference <= 2 * reference { near(difference) } else { difference }
    } else if difference <= 2 * (count - reference - 1) {
        near(difference)
    } else {
        count - (difference + 1)
    }
}

impl<S: Sample> Tile<'_, S> {
    /// `decode_block` (5.11.5).
    pub(super) fn block(&mut self, row: usize, column: usize, size: BlockSize) -> Result<(), DecodeError> {
        self.check_size(size)?;
        let [w, h] = size.units();
        let [x, y] = self.setting.sequence.shifts(1);
        // Of blocks of 4 samples, every second has the chroma of two.
        let is_first = h == 1 && y == 1 && row.is_multiple_of(2) || w == 1 && x == 1 && column.is_multiple_of(2);
        let has_chroma = !(self.setting.sequence.is_monochrome || is_first);
        let (has_above, has_left) = (row > self.rows[0], column > self.columns[0]);
        let above_chroma = if y == 1 && h == 1 { row > self.rows[0] + 1 } else { has_above };
        let left_chroma = if x == 1 && w == 1 { column > self.columns[0] + 1 } else { has_left };
        let mut block = Block {
            row,
            column,
            size,
            has_chroma,
            has_above: [has_above, has_chroma && above_chroma],
            has_left: [has_left, has_chroma && left_chroma],
            is_skipped: false,
            segment: 0,
            is_lossless: false,
            luma: Mode::plain(DC),
            chroma: Mode::plain(DC),
            alphas: [0; 2],
            palette_sizes: [0; 2],
            palettes: [[0; 8]; 3],
            vector: None,
            transform: BlockSize::square(2),
            beside_smooth: [false; 2],
        };
        self.read_modes(&mut block)?;
        self.read_colours(&block);
        self.read_transform_sizes(&mut block);
        block.beside_smooth = [false, true].map(|is_chroma| self.is_beside_smooth(&block, is_chroma));
        self.note(&block);
        if block.is_copy() {
            self.copy(&block);
        }
        self.residual(&block);
        Ok(())
    }

    /// `intra_frame_mode_info` (5.11.7).
    fn read_modes(&mut self, block: &mut Block) -> Result<(), DecodeError> {
        let header = self.setting.header;
        let precedes_skip = header.segmentation.as_ref().is_some_and(|segmentation| segmentation.precedes_skip);
        if precedes_skip {
            self.read_segment(block)?;
        }
        let Block { row, column, size, .. } = *block;
        let skips = precedes_skip && header.segmentation.as_ref().is_some_and(|s| s.skips(block.segment));
        block.is_skipped = skips || {
            let context = usize::from(self.above.is_skipped[column]) + usize::from(self.left.is_skipped[row % LARGEST]);
            self.symbols.flag(&mut self.p.skip[context])
        };
        if !precedes_skip {
            self.read_segment(block)?;
        }
        block.is_lossless = header.lossless[usize::from(block.segment)];
        self.read_cdef(block);
        self.read_deltas(block);
        self.reads_deltas = false;
        self.choose_quantizer(block.segment);
        if header.allows_copies && self.symbols.flag(&mut self.p.intrabc) {
            block.vector = Some(self.read_vector(block));
            return Ok(());
        }
        let [above, left] =
            [self.above.mode[column], self.left.mode[row % LARGEST]].map(|mode| MODE_CONTEXT[usize::from(mode)]);
        block.luma.base = self.symbols.symbol(&mut self.p.y_mode[above][left]) as u8;
        block.luma.delta = self.read_angle(size, block.luma);
        if block.has_chroma {
            self.read_chroma(block);
        }
        if header.has_screen_content && size.has_angles() && size.longest() <= 6 {
            self.read_palettes(block);
        }
        let can_filter = self.setting.sequence.syntax.has_filter_intra && size.longest() <= 5;
        if can_filter && block.luma.base == DC && block.palette_sizes[0] == 0 {
            let is_filtered = self.symbols.flag(&mut self.p.filter_intra[size.block_index()]);
            if is_filtered {
                block.luma.filter = Some(self.symbols.symbol(&mut self.p.filter_intra_mode) as u8);
            }
        }
        Ok(())
    }

    fn read_angle(&mut self, size: BlockSize, mode: Mode) -> i8 {
        if mode.is_directional() && size.has_angles() {
            self.symbols.symbol(&mut self.p.angle_delta[usize::from(mode.base) - 1]) as i8 - 3
        } else {
            0
        }
    }

    fn read_chroma(&mut self, block: &mut Block) {
        let size = block.size;
        let [x, y] = self.setting.sequence.subsampling;
        let can_be_from_luma =
            if block.is_lossless { size.in_planes(x, y) == BlockSize::square(2) } else { size.longest() <= 5 };
        let luma = usize::from(block.luma.base);
        block.chroma.base = if can_be_from_luma {
            self.symbols.symbol(&mut self.p.uv_mode_cfl[luma])
        } else {
            self.symbols.symbol(&mut self.p.uv_mode[luma])
        } as u8;
        if block.chroma.base == FROM_LUMA {
            let signs = self.symbols.symbol(&mut self.p.cfl_sign) + 1;
            let [u, v] = [signs / 3, signs % 3];
            for (alpha, sign, other) in [(0, u, v), (1, v, u)] {
                if sign > 0 {
                    let magnitude = self.symbols.symbol(&mut self.p.cfl_alpha[(sign - 1) * 3 + other]) as i8 + 1;
                    block.alphas[alpha] = if sign == 1 { -magnitude } else { magnitude };
                }
            }
        }
        block.chroma.delta = self.read_angle(size, block.chroma);
    }

    /// `intra_segment_id` (5.11.8).
    fn read_segment(&mut self, block: &mut Block) -> Result<(), DecodeError> {
        let Some(segmentation) = &self.setting.header.segmentation else { return Ok(()) };
        let Block { row, column, size, .. } = *block;
        let (above, left) = (block.has_above[0], block.has_left[0]);
        let at = |row: usize, column: usize| i32::from(self.frame.segments[row * self.frame.across + column]);
        let corner = if above && left { at(row - 1, column - 1) } else { -1 };
        let above = if above { at(row - 1, column) } else { -1 };
        let left = if left { at(row, column - 1) } else { -1 };
        let predicted = match (above, left) {
            (-1, -1) => 0,
            (-1, left) => left,
            (above, -1) => above,
            _ if corner == above => above,
            _ => left,
        };
        let context = match (corner == above, corner == left, above == left) {
            _ if corner < 0 => 0,
            (true, true, _) => 2,
            (false, false, false) => 0,
            _ => 1,
        };
        let segment = if block.is_skipped {
            predicted
        } else {
            let difference = self.symbols.symbol(&mut self.p.segment_id[context]) as i32;
            deinterleaved(difference, predicted, i32::from(segmentation.last_active) + 1)
        };
        if !(0..=i32::from(segmentation.last_active)).contains(&segment) {
            return Err(damaged("a block is of an unknown segment"));
        }
        block.segment = segment as u8;
        let [w, h] = size.units();
        let (across, end) = (self.frame.across, (column + w).min(self.frame.across));
        for row in self.frame.segments.chunks_mut(across).skip(row).take(h) {
            row[column..end].fill(block.segment);
        }
        Ok(())
    }

    /// `read_cdef` (5.11.56).
    fn read_cdef(&mut self, block: &Block) {
        let Some(cdef) = self.setting.header.cdef.as_ref().filter(|_| !block.is_skipped) else { return };
        let (row, column) = (block.row / 16 * 16, block.column / 16 * 16);
        if self.frame.cdef[self.frame.cdef_at(row, column)] >= 0 {
            return;
        }
        let index = self.symbols.literal(cdef.bits) as i8;
        let [w, h] = block.size.units();
        for row in (row..row + h).step_by(16) {
            for column in (column..column + w).step_by(16) {
                let at = self.frame.cdef_at(row, column);
                if column < self.frame.across
                    && let Some(place) = self.frame.cdef.get_mut(at)
                {
                    *place = index;
                }
            }
        }
    }

    /// `read_delta_qindex` and `read_delta_lf` (5.11.38, 5.11.39).
    fn read_deltas(&mut self, block: &Block) {
        let Some(resolution) = self.setting.header.delta_q.filter(|_| self.reads_deltas) else { return };
        let superblock = self.setting.sequence.superblock();
        if block.is_skipped && block.size.width() == superblock && block.size.height() == superblock {
            return;
        }
        let magnitude = self.symbols.symbol(&mut self.p.delta_q);
        let delta = self.read_delta(magnitude) << resolution;
        if delta != 0 {
            self.quantizer_index = (i32::from(self.quantizer_index) + delta).clamp(1, 255) as u8;
        }
        if let Some((resolution, is_multi)) = self.setting.header.delta_lf {
            let count = match (is_multi, self.setting.sequence.is_monochrome) {
                (false, _) => 1,
                (true, true) => 2,
                (true, false) => 4,
            };
            for i in 0..count {
                let cdf = if is_multi { &mut self.p.delta_lf_multi[i] } else { &mut self.p.delta_lf };
                let magnitude = self.symbols.symbol(cdf);
                let delta = self.read_delta(magnitude) << resolution;
                self.filter_deltas[i] = (self.filter_deltas[i] + delta).clamp(-63, 63);
            }
        }
    }

    /// The rest of a difference between superblocks.
    fn read_delta(&mut self, magnitude: usize) -> i32 {
        let mut magnitude = magnitude as i32;
        if magnitude == 3 {
            let bits = self.symbols.literal(3) + 1;
            magnitude = self.symbols.literal(bits) as i32 + (1 << bits) + 1;
        }
        if magnitude > 0 && self.symbols.bit() == 1 { -magnitude } else { magnitude }
    }

    /// `read_block_tx_size` (5.11.16).
    fn read_transform_sizes(&mut self, block: &mut Block) {
        let size = block.size;
        let largest = largest_transform(size);
        let selects = self.setting.header.selects_tx && size != BlockSize::square(2) && !block.is_lossless;
        let top = block.row % LARGEST;
        let [w, h] = size.units();
        if block.is_copy() && selects && !block.is_skipped {
            let [step_x, step_y] = largest.units();
            for row in (block.row..block.row + h).step_by(step_y) {
                for column in (block.column..block.column + w).step_by(step_x) {
                    self.read_split_transform(block, row, column, largest, 0);
                }
            }
        } else {
            block.transform = if block.is_lossless { BlockSize::square(2) } else { largest };
            if selects && !block.is_copy() {
                for _ in 0..self.read_depth(block, largest) {
                    block.transform = halved(block.transform);
                }
            }
            let (above, left) = if block.is_copy() && block.is_skipped {
                (size.w, size.h)
            } else {
                (block.transform.w, block.transform.h)
            };
            self.above.split[block.column..block.column + w].fill(above);
            self.left.split[top..top + h].fill(left);
        }
        let (above, left) = if block.is_copy() { (size.w, size.h) } else { (block.transform.w, block.transform.h) };
        self.above.transform[block.column..block.column + w].fill(above);
        self.left.transform[top..top + h].fill(left);
    }

    /// `tx_depth`.
    fn read_depth(&mut self, block: &Block, largest: BlockSize) -> usize {
        let above = self.above.transform[block.column] >= largest.w;
        let left = self.left.transform[block.row % LARGEST] >= largest.h;
        let context = usize::from(above) + usize::from(left);
        match block.size.longest() {
            ..=3 => self.symbols.symbol(&mut self.p.tx_8[context]),
            4 => self.symbols.symbol(&mut self.p.tx_16[context]),
            5 => self.symbols.symbol(&mut self.p.tx_32[context]),
            _ => self.symbols.symbol(&mut self.p.tx_64[context]),
        }
    }

    /// `read_var_tx_size` (5.11.17).
    fn read_split_transform(&mut self, block: &Block, row: usize, column: usize, size: BlockSize, depth: u8) {
        if row >= self.frame.rows || column >= self.frame.columns {
            return;
        }
        let [w, h] = size.units();
        let is_split = size != BlockSize::square(2) && depth < 2 && {
            let above = self.above.split[column] < size.w;
            let left = self.left.split[row % LARGEST] < size.h;
            let longest = block.size.longest().min(6);
            let context = usize::from(size.longest() != longest) * 3
                + usize::from(6 - longest) * 6
                + usize::from(above)
                + usize::from(left);
            self.symbols.flag(&mut self.p.tx_split[context])
        };
        if is_split {
            let part = halved(size);
            let [step_x, step_y] = part.units();
            for row in (row..row + h).step_by(step_y) {
                for column in (column..column + w).step_by(step_x) {
                    self.read_split_transform(block, row, column, part, depth + 1);
                }
            }
        } else {
            self.above.split[column..column + w].fill(size.w);
            let top = row % LARGEST;
            self.left.split[top..top + h].fill(size.h);
            for row in 0..h {
                let start = (top + row) * LARGEST + column % LARGEST;
                self.split_transforms[start..start + w].fill(size.w | size.h << 4);
            }
        }
    }

    /// Notes what later blocks and filters need.
    fn note(&mut self, block: &Block) {
        let Block { row, column, size, .. } = *block;
        let [w, h] = size.units();
        let (across, down) = (column..column + w, row % LARGEST..row % LARGEST + h);
        for (edge, range, side) in [(&mut *self.above, across.clone(), size.w), (&mut self.left, down.clone(), size.h)]
        {
            edge.mode[range.clone()].fill(block.luma.base);
            if block.has_chroma {
                edge.chroma_mode[range.clone()].fill(block.chroma.base);
            }
            edge.is_skipped[range.clone()].fill(block.is_skipped);
            edge.block[range.clone()].fill(side);
            if self.setting.header.has_screen_content {
                for plane in 0..2 {
                    edge.palette_sizes[plane][range.clone()].fill(block.palette_sizes[plane] as u8);
                    edge.palettes[plane][range.clone()].fill(block.palettes[plane]);
                }
            }
        }
        if block.is_skipped {
            let planes = if block.has_chroma { 3 } else { 1 };
            for plane in 0..planes {
                let [x, y] = self.setting.sequence.shifts(plane);
                self.above.level[plane][column >> x..(column + w) >> x].fill(0);
                let start = (row >> y) % LARGEST;
                let length = ((row + h) >> y) - (row >> y);
                self.left.level[plane][start..start + length].fill(0);
            }
        }
        let frame = &mut *self.frame;
        let (end, bottom) = ((column + w).min(frame.across), row + h);
        if !frame.is_coded.is_empty() && !block.is_skipped {
            let across = frame.across / 2;
            for line in frame.is_coded.chunks_mut(across).take(bottom.div_ceil(2)).skip(row / 2) {
                line[column / 2..end.div_ceil(2)].fill(true);
            }
        }
        if !frame.levels.is_empty() {
            let levels = self.setting.header.filter_levels(block.segment, self.filter_deltas);
            for line in frame.levels.chunks_mut(frame.across).take(bottom).skip(row) {
                line[column..end].fill(levels);
            }
        }
        if !frame.copied.is_empty() {
            let copied = Copied { size, vector: block.vector };
            for line in frame.copied.chunks_mut(frame.across).take(bottom).skip(row) {
                line[column..end].fill(Some(copied));
            }
        }
    }

    /// The intra filter type process (7.11.2.8).
    fn is_beside_smooth(&self, block: &Block, is_chroma: bool) -> bool {
        let [x, y] = self.setting.sequence.shifts(usize::from(is_chroma)).map(|shift| shift as usize);
        let (column, row) = (block.column | x, (block.row | y) % LARGEST);
        let modes = if is_chroma {
            [self.above.chroma_mode[column], self.left.chroma_mode[row]]
        } else {
            [self.above.mode[column], self.left.mode[row]]
        };
        modes.into_iter().any(Mode::is_smooth)
    }
}
