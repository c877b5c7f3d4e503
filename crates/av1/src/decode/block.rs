//! Blocks: their modes (5.11.5 to 5.11.17), and their residuals (5.11.34, 5.11.35).

use super::context::LARGEST;
use super::frame::Copied;
use super::tile::Tile;
use super::{DecodeError, coefficients, damaged};
use crate::inverse::{Shape, TxType};
use crate::lossless;
use crate::predict::{self, DC, FROM_LUMA, Mode, Place};
use crate::sample::Sample;
use crate::size::BlockSize;
use crate::write::{FILTER_DIRECTION, MODE_CONTEXT};

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
    segment: u8,
    pub(super) is_lossless: bool,
    pub(super) luma: Mode,
    pub(super) chroma: Mode,
    /// The factors of luma's deviations in eighths.
    alphas: [i8; 2],
    /// The number of colours of luma and chroma.
    pub(super) palette_sizes: [usize; 2],
    pub(super) palettes: [[u16; 8]; 3],
    /// The vector of a copy.
    pub(super) vector: Option<[i32; 2]>,
    transform: BlockSize,
    /// Whether a neighbour of luma, and of chroma, uses smooth prediction.
    beside_smooth: [bool; 2],
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
fn halved(size: BlockSize) -> BlockSize {
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

    /// `residual` (5.11.34).
    fn residual(&mut self, block: &Block) {
        let Block { row, column, size, .. } = *block;
        let planes = if block.has_chroma { 3 } else { 1 };
        let chunk = BlockSize::new(size.w.min(6), size.h.min(6));
        let [x, y] = self.setting.sequence.subsampling;
        for chunk_row in (0..size.units()[1]).step_by(16) {
            for chunk_column in (0..size.units()[0]).step_by(16) {
                let origin = [column + chunk_column, row + chunk_row];
                for plane in 0..planes {
                    let [shift_x, shift_y] = self.setting.sequence.shifts(plane);
                    let area = if plane > 0 { chunk.in_planes(x, y) } else { chunk };
                    // Units of the plane.
                    let start = [origin[0] >> shift_x, origin[1] >> shift_y];
                    if block.is_copy() && !block.is_lossless && plane == 0 {
                        self.transform_tree(block, start, area);
                        continue;
                    }
                    let transform = match plane {
                        0 => block.transform,
                        _ if block.is_lossless => BlockSize::square(2),
                        _ => size.in_planes(x, y).coded(),
                    };
                    let [w, h] = area.units();
                    let [step_x, step_y] = transform.units();
                    for y in (start[1]..start[1] + h).step_by(step_y) {
                        for x in (start[0]..start[0] + w).step_by(step_x) {
                            self.transform_block(block, plane, [x, y], transform);
                        }
                    }
                }
            }
        }
    }

    /// `transform_tree` (5.11.36).
    fn transform_tree(&mut self, block: &Block, [x, y]: [usize; 2], size: BlockSize) {
        if x >= self.frame.columns || y >= self.frame.rows {
            return;
        }
        let coded = if self.setting.header.selects_tx && !block.is_skipped && block.size != BlockSize::square(2) {
            let packed = self.split_transforms[y % LARGEST * LARGEST + x % LARGEST];
            BlockSize::new(packed & 15, packed >> 4)
        } else {
            block.transform
        };
        if size.w <= coded.w && size.h <= coded.h {
            self.transform_block(block, 0, [x, y], size);
            return;
        }
        let part = halved(size);
        let [w, h] = size.units();
        let [step_x, step_y] = part.units();
        for y in (y..y + h).step_by(step_y) {
            for x in (x..x + w).step_by(step_x) {
                self.transform_tree(block, [x, y], part);
            }
        }
    }

    /// `transform_block` (5.11.35), at a position in units of 4 samples of a plane.
    fn transform_block(&mut self, block: &Block, plane: usize, [x, y]: [usize; 2], size: BlockSize) {
        let [shift_x, shift_y] = self.setting.sequence.shifts(plane);
        let end = [self.frame.columns >> shift_x, self.frame.rows >> shift_y];
        if x >= end[0] || y >= end[1] {
            return;
        }
        let mask = self.setting.sequence.superblock() / 4 - 1;
        let place = [x & (mask >> shift_x), y & (mask >> shift_y)];
        let origin = [block.column >> shift_x, block.row >> shift_y];
        let is_chroma = plane > 0;
        if !block.is_copy() {
            if block.palette_sizes[usize::from(is_chroma)] > 0 {
                self.paint(block, plane, [x, y], origin, size);
            } else {
                self.predict(block, plane, [x, y], origin, place, size);
            }
        }
        if !is_chroma {
            self.luma_end = [(x << 2) + size.width(), (y << 2) + size.height()];
        }
        if !block.is_skipped {
            self.read_residual(block, plane, [x, y], size);
        }
        self.mark_decoded(plane, place, size);
        if plane < 2 && !self.frame.transforms[plane].is_empty() {
            let [w, h] = size.units();
            let stride = self.frame.across >> shift_x;
            let packed = size.w | size.h << 4;
            for line in self.frame.transforms[plane].chunks_mut(stride).skip(y).take(h) {
                line[x..x + w].fill(packed);
            }
        }
    }

    fn predict(
        &mut self,
        block: &Block,
        plane: usize,
        [x, y]: [usize; 2],
        origin: [usize; 2],
        place: [usize; 2],
        size: BlockSize,
    ) {
        let sequence = self.setting.sequence;
        let is_chroma = plane > 0;
        let mode = if is_chroma { block.chroma } else { block.luma };
        let [shift_x, shift_y] = sequence.shifts(plane);
        let [have_above_right, have_below_left] = self.beyond(plane, place, size);
        let is_directional = mode.is_directional();
        let depth = u32::from(sequence.depth);
        let at = Place {
            x: x * 4,
            y: y * 4,
            have_above: block.has_above[usize::from(is_chroma)] || y > origin[1],
            have_left: block.has_left[usize::from(is_chroma)] || x > origin[0],
            have_above_right,
            have_below_left,
            end: [(self.frame.columns * 4) >> shift_x, (self.frame.rows * 4) >> shift_y],
            beside_smooth: block.beside_smooth[usize::from(is_chroma)],
            depth,
            softens: sequence.syntax.has_edge_filter,
        };
        let from_luma = is_chroma && mode.base == FROM_LUMA;
        if from_luma {
            self.measure_luma([x * 4, y * 4], size);
        }
        let target = &mut self.frame.planes[plane];
        let stride = target.stride;
        self.edges.load(&target.samples, stride, size, at, is_directional);
        let out = &mut target.samples[y * 4 * stride + x * 4..];
        self.edges.predict(mode, size, out, stride);
        if from_luma {
            let deviations = self.luma.chunks(size.width()).take(size.height());
            for (line, deviations) in out.chunks_mut(stride).zip(deviations) {
                predict::add_luma(&mut line[..size.width()], deviations, block.alphas[plane - 1], depth);
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

    /// The deviations of luma from its mean at the samples of a chroma block (7.11.5), in eighths.
    fn measure_luma(&mut self, [x, y]: [usize; 2], size: BlockSize) {
        let [shift_x, shift_y] = self.setting.sequence.shifts(1);
        let target = &self.frame.planes[0];
        let (stride, samples) = (target.stride, &target.samples);
        let [w, h] = [size.width(), size.height()];
        // What lies beyond the coded area repeats its last samples.
        let inside = [(self.luma_end[0] >> shift_x) - x, (self.luma_end[1] >> shift_y) - y];
        let [inside_w, inside_h] = [inside[0].min(w), inside[1].min(h)];
        let scale = 3 - shift_x - shift_y;
        let mut sum = 0;
        for (row, line) in self.luma.chunks_mut(w).take(h).enumerate() {
            let top = (y + row.min(inside_h - 1)) << shift_y;
            let first = &samples[top * stride + (x << shift_x)..];
            let values = line[..inside_w].iter_mut();
            let of = |sample: S| Into::<i32>::into(sample);
            match (shift_x, shift_y) {
                (1, 1) => {
                    let second = first[stride..].as_chunks::<2>().0;
                    for ((value, a), b) in values.zip(first.as_chunks::<2>().0).zip(second) {
                        *value = ((of(a[0]) + of(a[1]) + of(b[0]) + of(b[1])) << scale) as i16;
                    }
                }
                (1, _) => {
                    for (value, a) in values.zip(first.as_chunks::<2>().0) {
                        *value = ((of(a[0]) + of(a[1])) << scale) as i16;
                    }
                }
                _ => values.zip(first).for_each(|(value, a)| *value = (of(*a) << scale) as i16),
            }
            let last = line[inside_w - 1];
            line[inside_w..].fill(last);
            sum += line.iter().map(|value| i32::from(*value)).sum::<i32>();
        }
        let bits = u32::from(size.w + size.h);
        let mean = ((sum + (1 << (bits - 1))) >> bits) as i16;
        self.luma[..w * h].iter_mut().for_each(|value| *value -= mean);
    }

    /// The type of a transform (5.11.40, 5.11.47).
    fn read_tx_type(&mut self, block: &Block, plane: usize, [x, y]: [usize; 2], size: BlockSize) -> TxType {
        /// `Tx_Type_Intra_Inv_Set1` and its successors.
        const INTRA_7: [u8; 7] = [9, 0, 10, 11, 3, 1, 2];
        const INTRA_5: [u8; 5] = [9, 0, 3, 1, 2];
        const INTER_16: [u8; 16] = [9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 4, 5, 3, 6, 7, 8];
        const INTER_12: [u8; 12] = [9, 10, 11, 0, 1, 2, 4, 5, 3, 6, 7, 8];
        const INTER_2: [u8; 2] = [9, 0];
        if block.is_lossless || size.longest() > 5 {
            return TxType::DCT;
        }
        let header = self.setting.header;
        let square = usize::from(size.shortest()) - 2;
        let is_reduced = header.reduced_tx_set;
        if plane > 0 {
            let tx_type = if block.is_copy() {
                let [shift_x, shift_y] = self.setting.sequence.shifts(plane);
                let (x, y) = ((x << shift_x).max(block.column), (y << shift_y).max(block.row));
                TxType(self.tx_types[y % LARGEST * LARGEST + x % LARGEST])
            } else {
                TxType::of_mode(block.chroma.base)
            };
            let is_allowed = match (block.is_copy(), size.longest()) {
                (false, 5) => tx_type == TxType::DCT,
                (true, 5) => matches!(tx_type.0, 0 | 9),
                (true, _) if is_reduced => matches!(tx_type.0, 0 | 9),
                (true, _) => square < 2 || tx_type.0 < 12,
                // Modes imply only what all other sets have.
                (false, _) => true,
            };
            return if is_allowed { tx_type } else { TxType::DCT };
        }
        let symbols = &mut self.symbols;
        let is_quantized = header.quantizer_of(header.quantizer, block.segment) > 0;
        let number = if !is_quantized {
            0
        } else if block.is_copy() {
            match (is_reduced || size.longest() == 5, square) {
                (true, _) => INTER_2[symbols.symbol(&mut self.p.inter_tx_type_2[square])],
                (false, 2) => INTER_12[symbols.symbol(&mut self.p.inter_tx_type_12)],
                (false, _) => INTER_16[symbols.symbol(&mut self.p.inter_tx_type_16[square])],
            }
        } else if size.longest() == 5 {
            0
        } else {
            let filter = block.luma.filter.map(|filter| FILTER_DIRECTION[usize::from(filter)]);
            let direction = usize::from(filter.unwrap_or(block.luma.base));
            if is_reduced || square == 2 {
                INTRA_5[symbols.symbol(&mut self.p.tx_type_5[square][direction])]
            } else {
                INTRA_7[symbols.symbol(&mut self.p.tx_type_7[square][direction])]
            }
        };
        TxType(number)
    }

    /// Reads the coefficients of a transform block, and adds its residual.
    fn read_residual(&mut self, block: &Block, plane: usize, [x, y]: [usize; 2], size: BlockSize) {
        let sequence = self.setting.sequence;
        let [shift_x, shift_y] = sequence.shifts(plane);
        let [w, h] = size.units();
        let visible = [w.min((self.frame.columns >> shift_x) - x), h.min((self.frame.rows >> shift_y) - y)];
        let left = y % LARGEST;
        let above_levels = &self.above.level[plane][x..x + visible[0]];
        let left_levels = &self.left.level[plane][left..left + visible[1]];
        let levels = above_levels.iter().chain(left_levels);
        let sign_context = match levels.map(|level| [0i32, -1, 1, 0][usize::from(level >> 6)]).sum::<i32>() {
            0 => 0,
            ..0 => 1,
            _ => 2,
        };
        let zero_context = if plane == 0 {
            let [top, left] =
                [above_levels, left_levels].map(|levels| levels.iter().map(|level| level & 63).max().unwrap_or(0));
            match (top.min(left), top.max(left)) {
                _ if block.size == size => 0,
                (0, 0) => 1,
                (0, most) => 2 + usize::from(most > 3),
                (_, ..=3) => 4,
                (..=3, _) => 5,
                _ => 6,
            }
        } else {
            let area = block.size.in_planes(sequence.subsampling[0], sequence.subsampling[1]);
            let [top, left] =
                [above_levels, left_levels].map(|levels| usize::from(levels.iter().any(|level| *level != 0)));
            7 + if area.area() > size.area() { 3 } else { 0 } + top + left
        };
        let is_zero = self.symbols.flag(&mut self.p.all_zero[size.context()][zero_context]);
        let tx_type = if is_zero { TxType::DCT } else { self.read_tx_type(block, plane, [x, y], size) };
        if plane == 0 && block.is_copy() {
            for row in y..y + h {
                let start = row % LARGEST * LARGEST + x % LARGEST;
                self.tx_types[start..start + w].fill(tx_type.0);
            }
        }
        let mut context = 0;
        if !is_zero {
            let depth = u32::from(sequence.depth);
            let has_matrix = tx_type.0 < TxType::IDENTITY.0 && !block.is_lossless;
            let coded = coefficients::Block {
                size,
                tx_type,
                is_chroma: plane > 0,
                sign_context,
                steps: self.quantizer.steps[plane],
                matrix: if has_matrix { self.setting.matrix(plane, size) } else { None },
                depth,
            };
            let read = coefficients::read(coded, &mut self.p, &mut self.symbols, self.space);
            context = read.context;
            let target = &mut self.frame.planes[plane];
            let stride = target.stride;
            let out = &mut target.samples[y * 4 * stride + x * 4..];
            let values = &mut self.space.coefficients[..size.coded().area()];
            let shape = Shape { size, tx_type, rows: read.rows, depth };
            if block.is_lossless {
                let mut rows: [i32; 16] = std::array::from_fn(|i| values[i % 4 * 4 + i / 4] >> 2);
                values.fill(0);
                lossless::add_values(&mut rows, depth, out, stride);
            } else {
                self.space.transforms.add(values, shape, read.magnitude, out, stride);
            }
        }
        self.above.level[plane][x..x + w].fill(context);
        self.left.level[plane][left..left + h].fill(context);
    }
}
