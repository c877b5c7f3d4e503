//! Residuals of blocks (5.11.34, 5.11.35), and the prediction that each is added to.

use super::block::{Block, halved};
use super::coefficients;
use super::context::LARGEST;
use super::tile::Tile;
use crate::inverse::{Shape, TxType};
use crate::lossless;
use crate::predict::{self, FROM_LUMA, Place};
use crate::sample::Sample;
use crate::size::BlockSize;
use crate::write::FILTER_DIRECTION;

impl<S: Sample> Tile<'_, S> {
    /// `residual` (5.11.34).
    pub(super) fn residual(&mut self, block: &Block) {
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
