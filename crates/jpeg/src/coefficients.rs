//! The coefficients of a picture with several scans, and their reconstruction.

use super::idct::{self, Block, Quarter, QuarterWeights, Reduction};
use super::kernel::{Kernel, dispatch};
use super::layout::{ComponentLayout, Layout};
use super::output::Band;
use super::sequential::write_pairs;
use super::tables::{Quantisation, ZIGZAG};

/// The coefficients of a component, as decoded so far.
pub(super) struct Store {
    /// The number of blocks in a row, including padding to whole MCUs.
    pub(super) blocks_per_row: usize,
    pub(super) block_rows: usize,
    /// The number of samples per block in each direction.
    size: usize,
    reduction: Reduction,
    /// The DC coefficients, stored separately because they have their own scans.
    pub(super) dc: Vec<i16>,
    /// Which AC coefficients are not zero: a bit for each zigzag index. Empty until the first AC scan.
    pub(super) history: Vec<u64>,
    pub(super) ac: Ac,
    /// The quantisation table at the start of the component's first scan (tables may be redefined later, T.81 B.2.4.1).
    pub(super) quantisation: Option<Quantisation>,
}

/// AC coefficients, in the form that the size requires.
pub(super) enum Ac {
    /// Not needed.
    Unused,
    /// Their contribution to 2x2 samples.
    Sums(Vec<Sums>, Box<QuarterWeights>),
    /// All coefficients, in natural order.
    Blocks(Vec<Block>),
}

/// The contribution of a block's AC coefficients to 2x2 samples. It is a sum, so that the coefficients need not be
/// kept, only their signs for refinement scans.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    quarter: Quarter,
    /// Which coefficients are negative, as in [`Store::history`].
    negative: u64,
}

/// A block to which AC coefficients are added by zigzag index.
pub(super) trait AcBlock {
    /// Adds a coefficient that was zero.
    fn put(&mut self, k: usize, value: i16);

    /// Moves a coefficient away from zero.
    fn refine(&mut self, k: usize, by: i16);
}

impl AcBlock for &mut Block {
    #[inline(always)]
    fn put(&mut self, k: usize, value: i16) {
        self[usize::from(ZIGZAG[k & 63] & 63)] = value;
    }

    #[inline(always)]
    fn refine(&mut self, k: usize, by: i16) {
        let coefficient = &mut self[usize::from(ZIGZAG[k & 63] & 63)];
        *coefficient = coefficient.wrapping_add(if *coefficient < 0 { -by } else { by });
    }
}

impl AcBlock for (&mut Sums, &QuarterWeights) {
    #[inline(always)]
    fn put(&mut self, k: usize, value: i16) {
        self.0.negative |= u64::from(value < 0) << (k & 63);
        self.0.quarter.add(i32::from(value), self.1[k & 63]);
    }

    #[inline(always)]
    fn refine(&mut self, k: usize, by: i16) {
        let by = if self.0.negative >> (k & 63) & 1 == 1 { -by } else { by };
        self.0.quarter.add(i32::from(by), self.1[k & 63]);
    }
}

impl Store {
    pub(super) fn new(layout: &Layout, component: &ComponentLayout) -> Self {
        let (blocks_per_row, block_rows) = (layout.mcus.0 * component.h, layout.rows.end * component.v);
        Self {
            blocks_per_row,
            block_rows,
            size: component.size,
            reduction: layout.reduction(),
            dc: vec![0; blocks_per_row * block_rows],
            history: Vec::new(),
            ac: Ac::Unused,
            quantisation: None,
        }
    }

    /// The memory in bytes for the coefficients of all components.
    pub(super) fn bytes(layout: &Layout) -> u64 {
        let bytes = |c: &ComponentLayout| {
            let ac = match c.size {
                1 => 0,
                2 => size_of::<u64>() + size_of::<Sums>(),
                _ => size_of::<u64>() + size_of::<Block>(),
            };
            (layout.mcus.0 * c.h * layout.rows.end * c.v * (size_of::<i16>() + ac)) as u64
        };
        layout.components.iter().map(bytes).sum()
    }

    /// Whether AC coefficients affect the samples.
    pub(super) const fn uses_ac(&self) -> bool {
        self.size > 1
    }

    /// Allocates memory for AC coefficients, unless that has been done.
    pub(super) fn prepare_ac(&mut self) {
        if let (Ac::Unused, Some(quantisation)) = (&self.ac, &self.quantisation) {
            let blocks = self.dc.len();
            self.ac = match self.size {
                1 => return,
                2 => {
                    let weights = idct::quarter_weights(quantisation, self.reduction);
                    Ac::Sums(vec![Sums::default(); blocks], Box::new(weights))
                }
                _ => Ac::Blocks(vec![[0; 64]; blocks]),
            };
            self.history = vec![0; blocks];
        }
    }

    /// Reconstructs the samples of a row of MCUs.
    pub(super) fn reconstruct(&self, layout: &Layout, component: &ComponentLayout, row: usize, band: &mut Band) {
        // Without a scan all coefficients are zero, so the steps do not matter.
        let quantisation = &self.quantisation.unwrap_or([1; 64]);
        for y in 0..component.v {
            let start = (row * component.v + y) * self.blocks_per_row;
            let blocks = start + layout.columns.start * component.h..start + layout.columns.end * component.h;
            let y = y * component.size;
            dispatch(Reconstruct { store: self, blocks, quantisation, y, band });
        }
    }
}

/// A row of blocks of one component.
struct Reconstruct<'s> {
    store: &'s Store,
    blocks: std::ops::Range<usize>,
    quantisation: &'s Quantisation,
    /// The first sample row.
    y: usize,
    band: &'s mut Band,
}

impl Kernel for Reconstruct<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { store, blocks, quantisation, y, band } = self;
        let step = i32::from(quantisation[0]);
        let stride = band.stride();
        let dc = store.dc[blocks.clone()].iter().map(|&dc| i32::from(dc).wrapping_mul(step));
        match &store.ac {
            Ac::Unused => {
                for (x, dc) in dc.enumerate() {
                    for line in 0..store.size {
                        band.row_mut(y + line, x * store.size)[..store.size].fill(idct::flat(dc));
                    }
                }
            }
            Ac::Sums(sums, _) => {
                for (x, (sums, dc)) in sums[blocks].iter().zip(dc).enumerate() {
                    let samples = sums.quarter.samples(dc);
                    write_pairs(samples, band, x * 2, y);
                }
            }
            Ac::Blocks(stored) => {
                for (x, (block, dc)) in stored[blocks].iter().zip(dc).enumerate() {
                    let mut block: Block =
                        std::array::from_fn(|i| block[i].wrapping_mul(quantisation[i].cast_signed()));
                    block[0] = dc as i16;
                    let out = band.rows_mut(y, x * store.size);
                    match store.size {
                        3 => idct::three(&block, out, stride),
                        4 => idct::half(&block, out, stride),
                        5 => idct::five(&block, out, stride),
                        _ => idct::full(&block, out, stride),
                    }
                }
            }
        }
    }
}
