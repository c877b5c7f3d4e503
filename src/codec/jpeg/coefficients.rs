//! The coefficients of a picture that comes in several scans, and the way from them to samples.

use super::idct::{self, Block, Quarter, QuarterWeights};
use super::kernel::{Kernel, dispatch};
use super::layout::{ComponentLayout, Layout};
use super::output::Band;
use super::tables::Quantisation;

/// The coefficients of one component, in natural order.
pub(super) struct Store {
    /// Blocks from one row to the next, padding to whole MCUs included.
    pub(super) blocks_per_row: usize,
    pub(super) block_rows: usize,
    /// Coefficients that are kept of each block: 1 or 64.
    pub(super) depth: usize,
    pub(super) coefficients: Vec<i16>,
    /// As it was when the first scan of the component began (T.81 B.2.4.1 lets tables be redefined later).
    pub(super) quantisation: Option<Quantisation>,
}

impl Store {
    pub(super) fn new(layout: &Layout, component: &ComponentLayout) -> Self {
        let (blocks_per_row, block_rows) = (layout.mcus.0 * component.h, layout.rows.end * component.v);
        let depth = if component.size == 1 { 1 } else { 64 };
        let coefficients = vec![0; blocks_per_row * block_rows * depth];
        Self { blocks_per_row, block_rows, depth, coefficients, quantisation: None }
    }

    /// Memory that the coefficients of all components take.
    pub(super) fn bytes(layout: &Layout) -> u64 {
        let blocks = |c: &ComponentLayout| (layout.mcus.0 * c.h * layout.rows.end * c.v) as u64;
        layout.components.iter().map(|c| blocks(c) * if c.size == 1 { 2 } else { 128 }).sum()
    }

    /// The coefficients of a block.
    #[inline(always)]
    pub(super) fn block_mut(&mut self, x: usize, y: usize) -> &mut [i16] {
        let start = (y * self.blocks_per_row + x) * self.depth;
        &mut self.coefficients[start..start + self.depth]
    }

    /// Makes the samples of a row of MCUs.
    pub(super) fn reconstruct(&self, layout: &Layout, component: &ComponentLayout, row: usize, band: &mut Band) {
        // Without a scan all coefficients are zero, and any steps will do.
        let quantisation = self.quantisation.unwrap_or([1; 64]);
        let weights = idct::quarter_weights(&quantisation);
        let blocks = layout.columns.start * component.h..layout.columns.end * component.h;
        for y in 0..component.v {
            let start = (row * component.v + y) * self.blocks_per_row;
            let row = &self.coefficients[(start + blocks.start) * self.depth..(start + blocks.end) * self.depth];
            dispatch(Reconstruct {
                blocks: row,
                size: component.size,
                quantisation: &quantisation,
                weights: &weights,
                y: y * component.size,
                band,
            });
        }
    }
}

/// A row of blocks of one component.
struct Reconstruct<'s> {
    blocks: &'s [i16],
    size: usize,
    quantisation: &'s Quantisation,
    weights: &'s QuarterWeights,
    /// The first sample row.
    y: usize,
    band: &'s mut Band,
}

impl Kernel for Reconstruct<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { blocks, size, quantisation, weights, y, band } = self;
        let dc_step = i32::from(quantisation[0]);
        let stride = band.stride();
        if size == 1 {
            for (out, &dc) in band.row_mut(y, 0).iter_mut().zip(blocks) {
                *out = idct::flat(i32::from(dc).wrapping_mul(dc_step));
            }
            return;
        }
        for (x, block) in blocks.as_chunks::<64>().0.iter().enumerate() {
            match size {
                2 => {
                    let samples = Quarter::of(block, weights).samples(i32::from(block[0]).wrapping_mul(dc_step));
                    for (line, samples) in samples.iter().enumerate() {
                        if let Some(out) = band.row_mut(y + line, x * 2).first_chunk_mut() {
                            *out = *samples;
                        }
                    }
                }
                4 => idct::half(&dequantise(block, quantisation), band.rows_mut(y, x * 4), stride),
                _ => idct::full(&dequantise(block, quantisation), band.rows_mut(y, x * 8), stride),
            }
        }
    }
}

#[inline(always)]
fn dequantise(block: &Block, quantisation: &Quantisation) -> Block {
    std::array::from_fn(|i| block[i].wrapping_mul(quantisation[i].cast_signed()))
}
