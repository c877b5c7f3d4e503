//! Decoding of coefficients from tokens (RFC 6386, section 13).

use super::bool_decoder::BoolDecoder;
use super::header::{Quantizer, Steps};
use super::tables::TokenProbabilities;
use super::transform::{self, BlockRow};

/// Section 13.2: the row and column of each coefficient of a block, in storage order.
const ZIGZAG: [(usize, usize); 16] = [
    (0, 0),
    (0, 1),
    (1, 0),
    (2, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (2, 1),
    (3, 0),
    (3, 1),
    (2, 2),
    (1, 3),
    (2, 3),
    (3, 2),
    (3, 3),
];

/// Section 13.3: the band of each position, and one after the last.
const BANDS: [usize; 17] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0];

/// The probabilities of the extra bits for the four categories of large values (section 13.2).
const LARGE: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// The probabilities at a position of a block, by whether the previous coefficient was 0, 1 or larger.
type AtPosition = [[u8; 11]; 3];

/// The token probabilities by block type and position, so that no band has to be looked up.
pub(super) struct Probabilities([[AtPosition; 17]; 4]);

/// Block types (section 13.3).
const LUMA_WITHOUT_DC: usize = 0;
const LUMA_DC: usize = 1;
const CHROMA: usize = 2;
const LUMA_WITH_DC: usize = 3;

impl Probabilities {
    pub(super) fn new(by_band: &TokenProbabilities) -> Box<Self> {
        Box::new(Self(by_band.map(|kind| BANDS.map(|band| kind[band]))))
    }
}

/// Which blocks at a macroblock's border have coefficients: four of luma, two of each chroma plane, and the DC block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Border {
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
    dc: bool,
}

impl Border {
    /// Clears the border after a macroblock without coefficients. The flag of the DC block is kept if the macroblock
    /// has none.
    pub(super) fn clear(&mut self, has_dc_block: bool) {
        *self = Self { dc: self.dc && !has_dc_block, ..Self::default() };
    }
}

/// The number of rows of blocks: four of luma, and two of chroma, in which two blocks of U precede two of V.
pub(super) const BLOCK_ROWS: usize = 6;

/// The coefficients of a macroblock.
pub(super) struct Coefficients {
    /// Zero unless flagged in `present`.
    rows: [BlockRow; BLOCK_ROWS],
    present: [bool; BLOCK_ROWS],
    /// Whether a block has coefficients besides its first.
    is_full: [bool; BLOCK_ROWS],
}

impl Coefficients {
    pub(super) const fn new() -> Self {
        Self { rows: [[[0; 16]; 4]; BLOCK_ROWS], present: [false; BLOCK_ROWS], is_full: [false; BLOCK_ROWS] }
    }

    /// Returns the residuals of a row of blocks, if there are any, and clears them.
    #[inline(always)]
    pub(super) fn take_row(&mut self, row: usize) -> Option<BlockRow> {
        if !std::mem::take(&mut self.present[row]) {
            return None;
        }
        if !std::mem::take(&mut self.is_full[row]) {
            return Some(transform::inverse_dct_of_first(std::mem::take(&mut self.rows[row][0])));
        }
        let values = transform::inverse_dct(&self.rows[row]);
        self.rows[row] = [[0; 16]; 4];
        Some(values)
    }

    /// Reads a macroblock's coefficients, and returns whether there are any. Those of the previous macroblock must have
    /// been taken.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        partition: &mut BoolDecoder<'_>,
        Probabilities(probabilities): &Probabilities,
        quantizer: &Quantizer,
        has_dc_block: bool,
        above: &mut Border,
        left: &mut Border,
    ) -> bool {
        let mut reader = *partition;
        let (luma, chroma) = self.rows.split_at_mut(4);
        let (mut first, mut kind) = (0, &probabilities[LUMA_WITH_DC]);
        if has_dc_block {
            let mut dc = [[0; 16]; 4];
            let context = usize::from(above.dc) + usize::from(left.dc);
            let end = read_block(&mut reader, &probabilities[LUMA_DC], context, &quantizer.y2, 0, &mut dc, 0);
            (above.dc, left.dc) = (end > 0, end > 0);
            if end > 0 {
                let dc = std::array::from_fn(|place| dc[place / 4][place % 4]);
                transform::inverse_walsh_hadamard(&dc, end > 1, luma);
            }
            (first, kind) = (1, &probabilities[LUMA_WITHOUT_DC]);
        }
        let flags = self.present.iter_mut().zip(&mut self.is_full);
        for ((row, (present, is_full)), left) in luma.iter_mut().zip(flags).zip(&mut left.luma) {
            for (column, above) in above.luma.iter_mut().enumerate() {
                let context = usize::from(*above) + usize::from(*left);
                let end = read_block(&mut reader, kind, context, &quantizer.y1, first, row, column);
                (*above, *left) = (end > first, end > first);
                *present |= end > 1 || row[0][4 * column] != 0;
                *is_full |= end > 1;
            }
        }
        for place in 0..8 {
            let (plane, y, x) = (place / 4, place / 2 % 2, place % 2);
            let (above, left) = (&mut above.chroma[plane][x], &mut left.chroma[plane][y]);
            let (row, column) = (&mut chroma[y], 2 * plane + x);
            let context = usize::from(*above) + usize::from(*left);
            let end = read_block(&mut reader, &probabilities[CHROMA], context, &quantizer.chroma, 0, row, column);
            (*above, *left) = (end > 0, end > 0);
            self.present[4 + y] |= end > 1 || row[0][4 * column] != 0;
            self.is_full[4 + y] |= end > 1;
        }
        *partition = reader;
        self.present.contains(&true)
    }
}

/// Reads the block in a column of `row` from position `first` on, and returns the position after its last token, or
/// `first` if there is none.
#[inline(always)]
fn read_block(
    reader: &mut BoolDecoder<'_>,
    kind: &[AtPosition; 17],
    context: usize,
    steps: &Steps,
    first: usize,
    row: &mut BlockRow,
    column: usize,
) -> usize {
    let mut probabilities = &kind[first][context];
    let mut place = first;
    while place < 16 {
        reader.refill();
        if !reader.bit(probabilities[0]) {
            return place;
        }
        while !reader.bit(probabilities[1]) {
            place += 1;
            if place == 16 {
                return 16;
            }
            probabilities = &kind[place][0];
            reader.refill();
        }
        let next = &kind[place + 1];
        let magnitude = if reader.bit(probabilities[2]) {
            let magnitude = read_large(reader, probabilities);
            probabilities = &next[2];
            magnitude
        } else {
            probabilities = &next[1];
            1
        };
        let step = steps[usize::from(place > 0)];
        // Values that do not fit only occur in damaged files.
        let (y, x) = ZIGZAG[place];
        row[y][4 * column + x] = (reader.signed(magnitude) * step) as i16;
        place += 1;
    }
    16
}

/// Reads a value of 2 or more. At most two booleans may have been read since the last refill.
#[inline(always)]
fn read_large(reader: &mut BoolDecoder<'_>, p: &[u8; 11]) -> i32 {
    if !reader.bit(p[3]) {
        return if !reader.bit(p[4]) { 2 } else { 3 + i32::from(reader.bit(p[5])) };
    }
    let (value, local) = read_larger(*reader, p);
    *reader = local;
    value
}

/// Reads a value of 5 or more.
fn read_larger<'a>(mut reader: BoolDecoder<'a>, p: &[u8; 11]) -> (i32, BoolDecoder<'a>) {
    let bit = |reader: &mut BoolDecoder<'_>, probability| i32::from(reader.read(probability));
    let value = if !reader.read(p[6]) {
        if !reader.read(p[7]) {
            5 + bit(&mut reader, 159)
        } else {
            7 + 2 * bit(&mut reader, 165) + bit(&mut reader, 145)
        }
    } else {
        let kind = if reader.read(p[8]) { 2 + usize::from(reader.read(p[10])) } else { usize::from(reader.read(p[9])) };
        let extra = LARGE[kind].iter().fold(0, |extra, probability| 2 * extra + bit(&mut reader, *probability));
        3 + (8 << kind) + extra
    };
    reader.refill();
    (value, reader)
}
