//! Coefficients out of tokens (RFC 6386, section 13).

use super::bool_decoder::BoolDecoder;
use super::header::{Quantizer, Steps};
use super::tables::TokenProbabilities;
use super::transform;

/// Section 13.2: where in a block the coefficients stand, in the order in which they are stored.
const ZIGZAG: [u8; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// Section 13.3: the band of each position, and one behind the last.
const BANDS: [usize; 17] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0];

/// Extra bits of the four kinds of large values (section 13.2).
const LARGE: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// Probabilities at one position of a block, by how large the coefficient before was: 0, 1 or more.
type AtPosition = [[u8; 11]; 3];

/// Token probabilities by kind of block and position, so that no band has to be looked up.
pub(super) struct Probabilities([[AtPosition; 17]; 4]);

/// Kinds of blocks (section 13.3).
const LUMA_WITHOUT_DC: usize = 0;
const LUMA_DC: usize = 1;
const CHROMA: usize = 2;
const LUMA_WITH_DC: usize = 3;

impl Probabilities {
    pub(super) fn new(by_band: &TokenProbabilities) -> Box<Self> {
        Box::new(Self(by_band.map(|kind| BANDS.map(|band| kind[band]))))
    }
}

/// Which blocks along a macroblock's border have coefficients: four of luma, two of each chroma plane, and the one of
/// luma's DC coefficients.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Border {
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
    dc: bool,
}

impl Border {
    /// After a macroblock without coefficients. That of the DC coefficients is kept where there is no such block.
    pub(super) fn clear(&mut self, has_dc_block: bool) {
        *self = Self { dc: self.dc && !has_dc_block, ..Self::default() };
    }
}

/// What there is to add to the prediction of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Residue {
    #[default]
    None,
    /// The same everywhere.
    Dc,
    Full,
}

/// The coefficients of a macroblock: 16 blocks of luma, 4 of each chroma plane. Those of a block are zero unless its
/// residue says otherwise.
pub(super) struct Coefficients {
    pub(super) blocks: [[i16; 16]; 24],
    pub(super) residues: [Residue; 24],
}

impl Coefficients {
    pub(super) const fn new() -> Self {
        Self { blocks: [[0; 16]; 24], residues: [Residue::None; 24] }
    }

    /// Reads a macroblock's coefficients; whether there are any. The blocks must be zero before.
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
        let (mut first, mut kind) = (0, &probabilities[LUMA_WITH_DC]);
        let mut any = false;
        if has_dc_block {
            let mut dc = [0; 16];
            let context = usize::from(above.dc) + usize::from(left.dc);
            let end = read_block(&mut reader, &probabilities[LUMA_DC], context, &quantizer.y2, 0, &mut dc);
            (above.dc, left.dc) = (end > 0, end > 0);
            if end > 0 {
                transform::inverse_walsh_hadamard(&dc, end > 1, &mut self.blocks);
            }
            (first, kind) = (1, &probabilities[LUMA_WITHOUT_DC]);
        }
        let (luma, chroma) = self.blocks.split_at_mut(16);
        let (luma_residues, chroma_residues) = self.residues.split_at_mut(16);
        for (row, left) in left.luma.iter_mut().enumerate() {
            for (column, above) in above.luma.iter_mut().enumerate() {
                let block = &mut luma[4 * row + column];
                let context = usize::from(*above) + usize::from(*left);
                let end = read_block(&mut reader, kind, context, &quantizer.y1, first, block);
                (*above, *left) = (end > first, end > first);
                let residue = residue(end, block);
                luma_residues[4 * row + column] = residue;
                any |= residue != Residue::None;
            }
        }
        for place in 0..8 {
            let (plane, row, column) = (place / 4, place / 2 % 2, place % 2);
            let (above, left) = (&mut above.chroma[plane][column], &mut left.chroma[plane][row]);
            let block = &mut chroma[place];
            let context = usize::from(*above) + usize::from(*left);
            let end = read_block(&mut reader, &probabilities[CHROMA], context, &quantizer.chroma, 0, block);
            (*above, *left) = (end > 0, end > 0);
            let residue = residue(end, block);
            chroma_residues[place] = residue;
            any |= residue != Residue::None;
        }
        *partition = reader;
        any
    }
}

#[inline(always)]
fn residue(end: usize, block: &[i16; 16]) -> Residue {
    if end > 1 {
        Residue::Full
    } else if block[0] != 0 {
        Residue::Dc
    } else {
        Residue::None
    }
}

/// Reads one block from the position `first` on; the position behind its last token, or `first` if there is none.
#[inline(always)]
fn read_block(
    reader: &mut BoolDecoder<'_>,
    kind: &[AtPosition; 17],
    context: usize,
    steps: &Steps,
    first: usize,
    block: &mut [i16; 16],
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
        // Only damaged files have values that do not fit.
        block[usize::from(ZIGZAG[place])] = (reader.signed(magnitude) * step) as i16;
        place += 1;
    }
    16
}

/// A value of 2 or more. A refill, and not more than two booleans after it, must have gone before.
#[inline(always)]
fn read_large(reader: &mut BoolDecoder<'_>, p: &[u8; 11]) -> i32 {
    if !reader.bit(p[3]) {
        return if !reader.bit(p[4]) { 2 } else { 3 + i32::from(reader.bit(p[5])) };
    }
    let (value, local) = read_larger(*reader, p);
    *reader = local;
    value
}

/// A value of 5 or more.
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
