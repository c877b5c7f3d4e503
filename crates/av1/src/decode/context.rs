//! What blocks above and to the left determine: the contexts of symbols, and predictions.

use crate::predict::DC;

/// The largest superblock in units of 4 luma samples.
pub(super) const LARGEST: usize = 32;

/// The properties of blocks along an edge, by units of 4 samples; above, those of widths, and to the left, of heights.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) mode: Vec<u8>,
    /// At units that contain chroma.
    pub(super) chroma_mode: Vec<u8>,
    pub(super) is_skipped: Vec<bool>,
    /// The binary logarithm of the block's side.
    pub(super) block: Vec<u8>,
    /// The binary logarithm of the transform's side; of copies, that of the block.
    pub(super) transform: Vec<u8>,
    /// The same; of copies, that of the transform if they have coefficients.
    pub(super) split: Vec<u8>,
    /// The number of colours of the palettes of luma and chroma.
    pub(super) palette_sizes: [Vec<u8>; 2],
    /// The colours of palettes of the first and the second plane, if there are any.
    pub(super) palettes: [Vec<[u16; 8]>; 2],
    /// `culLevel`, and `dcCategory` in the upper two bits, by units of each plane.
    pub(super) level: [Vec<u8>; 3],
}

impl Edge {
    /// An edge of as many units, outside of a tile.
    pub(super) fn new(units: usize, has_palettes: bool) -> Self {
        // Blocks may reach beyond the end.
        let units = units + LARGEST;
        let palettes = if has_palettes { units } else { 0 };
        Self {
            mode: vec![DC; units],
            chroma_mode: vec![DC; units],
            is_skipped: vec![false; units],
            block: vec![u8::MAX; units],
            transform: vec![0; units],
            split: vec![6; units],
            palette_sizes: std::array::from_fn(|_| vec![0; units]),
            palettes: std::array::from_fn(|_| vec![[0; 8]; palettes]),
            level: std::array::from_fn(|_| vec![0; units]),
        }
    }

    /// Resets all units to those outside of a tile.
    pub(super) fn clear(&mut self) {
        self.mode.fill(DC);
        self.chroma_mode.fill(DC);
        self.is_skipped.fill(false);
        self.block.fill(u8::MAX);
        self.transform.fill(0);
        self.split.fill(6);
        self.palette_sizes.iter_mut().for_each(|sizes| sizes.fill(0));
        self.level.iter_mut().for_each(|level| level.fill(0));
    }
}
