//! Intra block copy: vectors (5.11.26, 7.10.2), and prediction (7.11.3).

use super::block::Block;
use super::frame::Copied;
use super::tile::Tile;
use crate::sample::Sample;

/// The distance in samples that a copied block keeps from the current one (3, `INTRABC_DELAY_PIXELS`).
const DELAY: i32 = 256;

/// How far vectors may point outside of the frame, in eighths of samples (`MV_BORDER`).
const BORDER: i32 = 128;

/// The weight that makes the nearest vectors come first (`REF_CAT_LEVEL`).
const NEAREST: u32 = 640;

/// The maximum number of candidates (`MAX_REF_MV_STACK_SIZE`).
const MOST: usize = 8;

/// The vectors of neighbours, with weights.
#[derive(Default)]
struct Candidates(Vec<([i32; 2], u32)>);

impl Candidates {
    fn add(&mut self, vector: [i32; 2], weight: u32) {
        if let Some((_, sum)) = self.0.iter_mut().find(|(known, _)| *known == vector) {
            *sum += weight;
        } else if self.0.len() < MOST {
            self.0.push((vector, weight));
        }
    }
}

impl<S: Sample> Tile<'_, S> {
    /// The vector of a block, in eighths of samples down and right: `assign_mv`.
    pub(super) fn read_vector(&mut self, block: &Block) -> [i32; 2] {
        let predicted = self.predicted_vector(block);
        let joint = self.symbols.symbol(&mut self.p.mv_joint);
        let down = if joint >= 2 { self.read_component(0) } else { 0 };
        let right = if joint & 1 == 1 { self.read_component(1) } else { 0 };
        [predicted[0] + down, predicted[1] + right]
    }

    /// `read_mv_component` (5.11.32), in whole samples.
    fn read_component(&mut self, component: usize) -> i32 {
        let is_negative = self.symbols.flag(&mut self.p.mv_sign[component]);
        let class = self.symbols.symbol(&mut self.p.mv_class[component]);
        let magnitude = if class == 0 {
            i32::from(self.symbols.flag(&mut self.p.mv_class_0_bit[component])) + 1
        } else {
            let bits = (0..class).map(|i| i32::from(self.symbols.flag(&mut self.p.mv_bit[component][i])) << i);
            bits.sum::<i32>() + (2 << (class - 1)) + 1
        };
        8 * if is_negative { -magnitude } else { magnitude }
    }

    fn predicted_vector(&self, block: &Block) -> [i32; 2] {
        let found = self.candidates(block);
        if let Some(vector) = found.into_iter().take(2).find(|vector| *vector != [0; 2]) {
            return vector;
        }
        let side = self.setting.sequence.superblock();
        if block.row < self.rows[0] + side / 4 { [0, -(side as i32 + DELAY) * 8] } else { [-(side as i32) * 8, 0] }
    }

    /// The motion vectors of neighbours, the best first (7.10.2).
    fn candidates(&self, block: &Block) -> Vec<[i32; 2]> {
        let [w, h] = block.size.units();
        let mut found = Candidates::default();
        self.scan_row(block, -1, &mut found);
        self.scan_column(block, -1, &mut found);
        if w.max(h) <= 16 {
            self.scan_point(block, w as isize, &mut found);
        }
        let nearest = found.0.len();
        found.0.iter_mut().for_each(|(_, weight)| *weight += NEAREST);
        self.scan_point(block, -1, &mut found);
        self.scan_row(block, -3, &mut found);
        self.scan_column(block, -3, &mut found);
        if h > 1 {
            self.scan_row(block, -5, &mut found);
        }
        if w > 1 {
            self.scan_column(block, -5, &mut found);
        }
        let (first, rest) = found.0.split_at_mut(nearest);
        for part in [first, rest] {
            part.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        }
        let border = |units: usize| BORDER + units as i32 * 32;
        let clamped = |value: i32, at: usize, units: usize, all: usize| {
            let (before, after) = (at as i32 * 32, (all as i32 - units as i32 - at as i32) * 32);
            value.clamp(-before - border(units), (after + border(units)).max(-before - border(units)))
        };
        let vectors = found.0.into_iter().map(|([down, right], _)| {
            [clamped(down, block.row, h, self.frame.rows), clamped(right, block.column, w, self.frame.columns)]
        });
        vectors.collect()
    }

    /// The block at a unit, if that is in the tile and decoded.
    fn copied(&self, row: isize, column: isize) -> Option<Copied> {
        let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
        if !self.is_inside(row, column) {
            return None;
        }
        self.frame.copied.get(row * self.frame.across + column).copied().flatten()
    }

    /// The scan row process (7.10.2.2).
    fn scan_row(&self, block: &Block, delta: isize, found: &mut Candidates) {
        let w = block.size.units()[0];
        let end = w.min(self.frame.columns - block.column).min(16);
        let is_far = delta < -1;
        let (row, mut column) = (block.row as isize + delta, block.column);
        let row = if is_far { row + (block.row & 1) as isize } else { row };
        column += if is_far { 1 - (block.column & 1) } else { 0 };
        let mut i = 0;
        while i < end {
            let Some(candidate) = self.copied(row, (column + i) as isize) else { break };
            i += weigh(candidate, candidate.size.units()[0], w, is_far, found);
        }
    }

    /// The scan col process (7.10.2.3).
    fn scan_column(&self, block: &Block, delta: isize, found: &mut Candidates) {
        let h = block.size.units()[1];
        let end = h.min(self.frame.rows - block.row).min(16);
        let is_far = delta < -1;
        let (mut row, column) = (block.row, block.column as isize + delta);
        let column = if is_far { column + (block.column & 1) as isize } else { column };
        row += if is_far { 1 - (block.row & 1) } else { 0 };
        let mut i = 0;
        while i < end {
            let Some(candidate) = self.copied((row + i) as isize, column) else { break };
            i += weigh(candidate, candidate.size.units()[1], h, is_far, found);
        }
    }

    /// The scan point process (7.10.2.4), in the row above.
    fn scan_point(&self, block: &Block, delta: isize, found: &mut Candidates) {
        let candidate = self.copied(block.row as isize - 1, block.column as isize + delta);
        if let Some(vector) = candidate.and_then(|candidate| candidate.vector) {
            found.add(vector, 4);
        }
    }

    /// Predicts all planes of a block that is a copy.
    pub(super) fn copy(&mut self, block: &Block) {
        let Some(vector) = block.vector else { return };
        let planes = if block.has_chroma { 3 } else { 1 };
        let [x, y] = self.setting.sequence.subsampling;
        for plane in 0..planes {
            let [shift_x, shift_y] = self.setting.sequence.shifts(plane);
            let size = if plane > 0 { block.size.in_planes(x, y) } else { block.size };
            let (left, top) = ((block.column >> shift_x) * 4, (block.row >> shift_y) * 4);
            let last =
                [(self.frame.columns * 4) >> shift_x, (self.frame.rows * 4) >> shift_y].map(|end| end as i32 - 1);
            // Half samples between two, or four.
            let [down, right] = [vector[0] >> 3, vector[1] >> 3];
            let (half_x, half_y) = (right & ((1 << shift_x) - 1), down & ((1 << shift_y) - 1));
            let (from_x, from_y) = (left as i32 + (right >> shift_x), top as i32 + (down >> shift_y));
            let target = &mut self.frame.planes[plane];
            let stride = target.stride;
            let mut rows = vec![S::default(); size.area()];
            let at = |x: i32, y: i32| -> u32 {
                target.samples[y.clamp(0, last[1]) as usize * stride + x.clamp(0, last[0]) as usize].into()
            };
            for (y, row) in rows.chunks_exact_mut(size.width()).enumerate() {
                let y = from_y.saturating_add(y as i32);
                for (x, sample) in row.iter_mut().enumerate() {
                    let x = from_x.saturating_add(x as i32);
                    let sum = match (half_x, half_y) {
                        (0, 0) => at(x, y),
                        (_, 0) => (at(x, y) + at(x + 1, y) + 1) >> 1,
                        (0, _) => (at(x, y) + at(x, y + 1) + 1) >> 1,
                        _ => (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1) + 2) >> 2,
                    };
                    *sample = S::of(sum as i32);
                }
            }
            let lines = target.samples[top * stride + left..].chunks_mut(stride);
            for (line, row) in lines.zip(rows.chunks_exact(size.width())) {
                line[..row.len()].copy_from_slice(row);
            }
        }
    }
}

/// Adds a candidate of a row or a column beside `side` units; returns how many of them it covers.
fn weigh(candidate: Copied, length: usize, side: usize, is_far: bool, found: &mut Candidates) -> usize {
    let mut length = length.min(side);
    if is_far {
        length = length.max(2);
    }
    if side >= 16 {
        length = length.max(4);
    }
    if let Some(vector) = candidate.vector {
        found.add(vector, 2 * length as u32);
    }
    length
}
