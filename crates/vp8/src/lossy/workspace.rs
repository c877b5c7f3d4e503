//! The samples of one macroblock and their neighbours, for prediction.
//!
//! Rows have a stride of 32 samples, so that offsets are constants. Row 0 is the row above the macroblock. Samples
//! outside of the picture are 127 above it and 129 to its left (RFC 6386, section 12.2).

/// The stride of a row in samples.
pub(super) const STRIDE: usize = 32;

/// The first column of luma and U. The column before belongs to the macroblock to the left.
pub(super) const START: usize = 8;

/// The first column of V.
pub(super) const START_V: usize = 24;

const ABOVE: u8 = 127;
const LEFT: u8 = 129;

/// The last row of a macroblock, which is needed by the one below.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bottom {
    pub(super) luma: [u8; 16],
    /// U and V.
    pub(super) chroma: [[u8; 8]; 2],
}

impl Bottom {
    /// The row above the first row of macroblocks.
    pub(super) const OUTSIDE: Self = Self { luma: [ABOVE; 16], chroma: [[ABOVE; 8]; 2] };
}

/// A block of 4x4 samples with its neighbours: the row above from the sample above left, then four rows from the sample
/// to the left.
pub(super) type Block = [u8; 4 * STRIDE + 5];

/// The samples of one macroblock. To the right of luma, four samples are stored above each row of blocks.
pub(super) struct Workspace {
    pub(super) luma: [u8; STRIDE * 17],
    pub(super) chroma: [u8; STRIDE * 9],
}

impl Workspace {
    pub(super) const fn new() -> Self {
        Self { luma: [0; STRIDE * 17], chroma: [0; STRIDE * 9] }
    }

    /// Makes the finished macroblock the left neighbour, or sets the edge of the picture.
    #[inline(always)]
    pub(super) fn advance(&mut self, is_first_row: bool, is_first_column: bool) {
        let corner = if is_first_row { ABOVE } else { LEFT };
        for (y, row) in self.luma.as_chunks_mut::<STRIDE>().0.iter_mut().enumerate() {
            let outside = if y == 0 { corner } else { LEFT };
            row[START - 1] = if is_first_column { outside } else { row[START + 15] };
        }
        for (y, row) in self.chroma.as_chunks_mut::<STRIDE>().0.iter_mut().enumerate() {
            let outside = if y == 0 { corner } else { LEFT };
            for start in [START, START_V] {
                row[start - 1] = if is_first_column { outside } else { row[start + 7] };
            }
        }
    }

    /// Sets the samples above, and those above right for each row of blocks, which all come from the macroblock row
    /// above.
    #[inline(always)]
    pub(super) fn set_above(&mut self, above: &Bottom, above_right: [u8; 4]) {
        self.luma[START..START + 16].copy_from_slice(&above.luma);
        for row in [0, 4, 8, 12] {
            self.luma[STRIDE * row + START + 16..][..4].copy_from_slice(&above_right);
        }
        self.chroma[START..START + 8].copy_from_slice(&above.chroma[0]);
        self.chroma[START_V..START_V + 8].copy_from_slice(&above.chroma[1]);
    }

    /// The last row.
    #[inline(always)]
    pub(super) fn bottom(&self) -> Bottom {
        Bottom {
            luma: row(&self.luma, 16, START),
            chroma: [row(&self.chroma, 8, START), row(&self.chroma, 8, START_V)],
        }
    }

    /// A row of luma.
    #[inline(always)]
    pub(super) fn luma_row(&self, y: usize) -> [u8; 16] {
        row(&self.luma, y + 1, START)
    }

    /// A row of U and one of V.
    #[inline(always)]
    pub(super) fn chroma_row(&self, y: usize) -> [u8; 16] {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&row::<8>(&self.chroma, y + 1, START));
        both[8..].copy_from_slice(&row::<8>(&self.chroma, y + 1, START_V));
        both
    }
}

#[inline(always)]
fn row<const LENGTH: usize>(plane: &[u8], y: usize, start: usize) -> [u8; LENGTH] {
    let mut samples = [0; LENGTH];
    samples.copy_from_slice(&plane[STRIDE * y + start..][..LENGTH]);
    samples
}

/// The block whose first sample is at column `x` of the workspace in row `y` of the macroblock. It exists for every
/// block of a macroblock.
#[inline(always)]
pub(super) fn block_mut(plane: &mut [u8], x: usize, y: usize) -> Option<&mut Block> {
    plane.get_mut(STRIDE * y + x - 1..)?.first_chunk_mut()
}
