//! Palettes (5.11.46, 5.11.49, 7.11.4).

use super::block::Block;
use super::context::LARGEST;
use super::tile::Tile;
use crate::colours::{self, Order, bits_of};
use crate::predict::DC;
use crate::sample::Sample;
use crate::size::BlockSize;

/// The width of rows of colour indices.
const STRIDE: usize = 64;

impl<S: Sample> Tile<'_, S> {
    /// `palette_mode_info` (5.11.46).
    pub(super) fn read_palettes(&mut self, block: &mut Block) {
        let size = usize::from(block.size.w + block.size.h) - 6;
        if block.luma.base == DC {
            let (column, row) = (block.column, block.row % LARGEST);
            let has = |sizes: &[u8], at: usize| usize::from(sizes[at] > 0);
            let context = has(&self.above.palette_sizes[0], column) + has(&self.left.palette_sizes[0], row);
            if self.symbols.flag(&mut self.p.palette_y_mode[size][context]) {
                self.read_palette(block, 0, size);
            }
        }
        if block.has_chroma && block.chroma.base == DC {
            let context = usize::from(block.palette_sizes[0] > 0);
            if self.symbols.flag(&mut self.p.palette_uv_mode[context]) {
                self.read_palette(block, 1, size);
                self.read_last_palette(block);
            }
        }
    }

    /// The colours of luma, or of the second plane.
    fn read_palette(&mut self, block: &mut Block, plane: usize, size: usize) {
        let depth = u32::from(self.setting.sequence.depth);
        let most = (1 << depth) - 1;
        let count = self.symbols.symbol(&mut self.p.palette_size[plane][size]) + 2;
        let mut colours = Vec::with_capacity(8);
        for colour in self.cached_colours(block, plane) {
            if colours.len() < count && self.symbols.bit() == 1 {
                colours.push(colour);
            }
        }
        if colours.len() < count {
            colours.push(self.symbols.literal(depth) as u16);
            // Differences of luma are at least 1.
            let least = u32::from(plane == 0);
            let mut bits = if colours.len() < count { depth - 3 + self.symbols.literal(2) } else { 0 };
            while colours.len() < count {
                let last = colours.last().copied().map_or(0, u32::from);
                let colour = (last + self.symbols.literal(bits) + least).min(most);
                colours.push(colour as u16);
                bits = bits.min(bits_of(most + 1 - colour - least));
            }
        }
        colours.sort_unstable();
        block.palette_sizes[plane] = count;
        block.palettes[plane][..count].copy_from_slice(&colours);
    }

    /// The colours of the third plane.
    fn read_last_palette(&mut self, block: &mut Block) {
        let depth = u32::from(self.setting.sequence.depth);
        let count = block.palette_sizes[1];
        let mut colours = [0; 8];
        if self.symbols.bit() == 1 {
            let range = 1 << depth;
            let bits = depth - 4 + self.symbols.literal(2);
            let mut colour = self.symbols.literal(depth) as i32;
            colours[0] = colour as u16;
            for place in &mut colours[1..count] {
                let mut delta = self.symbols.literal(bits) as i32;
                if delta != 0 && self.symbols.bit() == 1 {
                    delta = -delta;
                }
                colour = (colour + delta).rem_euclid(range);
                *place = colour as u16;
            }
        } else {
            for place in &mut colours[..count] {
                *place = self.symbols.literal(depth) as u16;
            }
        }
        block.palettes[2] = colours;
    }

    /// `get_palette_cache`: the colours of the blocks above and to the left, in order.
    fn cached_colours(&self, block: &Block, plane: usize) -> Vec<u16> {
        let (column, row) = (block.column, block.row % LARGEST);
        // Nothing is kept of the superblocks above.
        let above = if block.row.is_multiple_of(16) { 0 } else { self.above.palette_sizes[plane][column] };
        let left = self.left.palette_sizes[plane][row];
        let above = &self.above.palettes[plane][column][..usize::from(above)];
        let left = &self.left.palettes[plane][row][..usize::from(left)];
        colours::of_neighbours(above, left)
    }

    /// `palette_tokens` (5.11.49).
    pub(super) fn read_colours(&mut self, block: &Block) {
        let [w, h] = [block.size.width(), block.size.height()];
        let inside = [w.min((self.frame.columns - block.column) * 4), h.min((self.frame.rows - block.row) * 4)];
        for plane in 0..2 {
            let count = block.palette_sizes[plane];
            if count == 0 {
                continue;
            }
            let shifts = self.setting.sequence.shifts(plane);
            // The chroma of 4 samples is that of the block before, too.
            let side = |length: usize, inside: usize, shift: u32| {
                let more = if length >> shift < 4 { 2 } else { 0 };
                [(length >> shift) + more, (inside >> shift) + more]
            };
            let [w, inside_w] = side(w, inside[0], shifts[0]);
            let [h, inside_h] = side(h, inside[1], shifts[1]);
            let first = self.symbols.non_symmetric(count as u32) as u8;
            self.colours[plane][0] = first;
            for diagonal in 1..inside_h + inside_w - 1 {
                for x in (diagonal.saturating_sub(inside_h - 1)..=diagonal.min(inside_w - 1)).rev() {
                    self.read_colour(plane, count, [x, diagonal - x]);
                }
            }
            let colours = &mut self.colours[plane];
            for line in colours.chunks_mut(STRIDE).take(inside_h) {
                let last = line[inside_w - 1];
                line[inside_w..w].fill(last);
            }
            for row in inside_h..h {
                colours.copy_within((inside_h - 1) * STRIDE..inside_h * STRIDE, row * STRIDE);
            }
        }
    }

    /// Reads a colour index. Colours of neighbours come first (`get_palette_color_context`, 5.11.50).
    fn read_colour(&mut self, plane: usize, count: usize, [x, y]: [usize; 2]) {
        let order = Order::new(&self.colours[plane][..], STRIDE, [x, y]);
        let context = order.context;
        let p = &mut self.p;
        let rank = match count {
            2 => self.symbols.symbol(&mut p.palette_2[plane][context]),
            3 => self.symbols.symbol(&mut p.palette_3[plane][context]),
            4 => self.symbols.symbol(&mut p.palette_4[plane][context]),
            5 => self.symbols.symbol(&mut p.palette_5[plane][context]),
            6 => self.symbols.symbol(&mut p.palette_6[plane][context]),
            7 => self.symbols.symbol(&mut p.palette_7[plane][context]),
            _ => self.symbols.symbol(&mut p.palette_8[plane][context]),
        };
        self.colours[plane][y * STRIDE + x] = order.colour(rank);
    }

    /// The palette prediction process (7.11.4), at a position in units of 4 samples of a plane.
    pub(super) fn paint(
        &mut self,
        block: &Block,
        plane: usize,
        [x, y]: [usize; 2],
        origin: [usize; 2],
        size: BlockSize,
    ) {
        let target = &mut self.frame.planes[plane];
        let stride = target.stride;
        let palette = block.palettes[plane].map(|colour| S::of(colour.into()));
        let (left, top) = ((x - origin[0]) * 4, (y - origin[1]) * 4);
        let rows = self.colours[plane.min(1)][top * STRIDE..].chunks(STRIDE).take(size.height());
        for (line, colours) in target.samples[y * 4 * stride + x * 4..].chunks_mut(stride).zip(rows) {
            for (sample, colour) in line.iter_mut().zip(&colours[left..left + size.width()]) {
                *sample = palette[usize::from(*colour & 7)];
            }
        }
    }
}
