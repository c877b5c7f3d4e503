//! The scans of a progressive picture (T.81 G.1): first the DC coefficients, then frequencies from low to high, and the
//! refinement bits at the end.

use super::EncodeError;
use super::frame::{Block, Blocks, Component, Frame};
use super::scan::{Band, ScanWriter};
use super::tokens::{END_OF_BLOCK, SIXTEEN_ZEROS, Token, ac_table, dc_table};
use super::zeros::places;
use crate::kernel::{Kernel, dispatch};
use crate::tables::ZIGZAG;

/// A scan of all components, or of one.
const fn scan(components: &[usize], (first, last): (u8, u8), (before, bit): (u8, u8)) -> Band<'_> {
    Band { components, first, last, before, bit }
}

/// libjpeg's scan script for grey pictures.
const GREY_SCRIPT: [Band<'static>; 6] = [
    scan(&[0], (0, 0), (0, 1)),
    scan(&[0], (1, 5), (0, 2)),
    scan(&[0], (6, 63), (0, 2)),
    scan(&[0], (1, 63), (2, 1)),
    scan(&[0], (0, 0), (1, 0)),
    scan(&[0], (1, 63), (1, 0)),
];

/// libjpeg's scan script for colour pictures: chroma comes early, since it is small.
const COLOUR_SCRIPT: [Band<'static>; 10] = [
    scan(&[0, 1, 2], (0, 0), (0, 1)),
    scan(&[0], (1, 5), (0, 2)),
    scan(&[2], (1, 63), (0, 1)),
    scan(&[1], (1, 63), (0, 1)),
    scan(&[0], (6, 63), (0, 2)),
    scan(&[0], (1, 63), (2, 1)),
    scan(&[0, 1, 2], (0, 0), (1, 0)),
    scan(&[2], (1, 63), (1, 0)),
    scan(&[1], (1, 63), (1, 0)),
    scan(&[0], (1, 63), (1, 0)),
];

/// Writes all scans of a picture with these coefficients.
pub(super) fn write(frame: &Frame, blocks: &[Blocks], mut writer: ScanWriter<'_>) -> Result<(), EncodeError> {
    let script: &[Band<'_>] = if frame.components.len() == 1 { &GREY_SCRIPT } else { &COLOUR_SCRIPT };
    for band in script {
        match (band.first, band.components) {
            (1.., &[component]) => {
                let (blocks, component) = (&blocks[component], &frame.components[component]);
                let mut scan = AcScan::new(*band, component);
                for row in 0..component.blocks_down {
                    writer.begin_row(component.blocks_across * MOST_IN_BLOCK)?;
                    dispatch(AcRow { scan: &mut scan, blocks: blocks.row(row), tokens: &mut writer.tokens });
                    writer.end_row(band)?;
                }
                writer.begin_row(scan.corrections.len() + 1)?;
                scan.end_run(&mut writer.tokens);
            }
            _ => {
                let mut predictions = [0; 3];
                let most = frame.mcus_across * frame.components.iter().map(|c| c.h * c.v).sum::<usize>();
                for row in 0..frame.mcu_rows {
                    writer.begin_row(most)?;
                    dc_row(frame, row, blocks, band, &mut predictions, &mut writer.tokens);
                    writer.end_row(band)?;
                }
            }
        }
        writer.end_scan(band)?;
    }
    Ok(())
}

/// The maximum number of tokens of a block: one for each coefficient, and one for a run that it ends.
const MOST_IN_BLOCK: usize = 65;

/// Appends the tokens of the DC coefficients of a row of MCUs.
fn dc_row(
    frame: &Frame,
    row: usize,
    blocks: &[Blocks],
    band: &Band<'_>,
    predictions: &mut [i16; 3],
    tokens: &mut Vec<Token>,
) {
    for mcu in 0..frame.mcus_across {
        for ((component, blocks), last) in frame.components.iter().zip(blocks).zip(&mut *predictions) {
            for v in 0..component.v {
                let down = row * component.v + v;
                let row = if down < component.blocks_down { blocks.row(down) } else { &[] };
                for h in 0..component.h {
                    // Blocks beyond the edges repeat the DC of the previous block.
                    let dc = row.get(mcu * component.h + h).map_or(*last, |block| block[0] >> band.bit);
                    tokens.push(match band.before {
                        0 => Token::value(dc_table(component.tables), 0, dc - *last),
                        _ => Token::bits(1, dc as u16 & 1),
                    });
                    *last = dc;
                }
            }
        }
    }
}

/// A scan of AC coefficients.
struct AcScan<'a> {
    band: Band<'a>,
    /// The index of its Huffman table.
    table: usize,
    /// The mask of the coded zigzag indices.
    places: u64,
    /// The length of the current end-of-band run.
    run: u16,
    /// The correction bits of those blocks, which follow the length of the run.
    corrections: Vec<Token>,
}

/// Correction bits of coefficients that are known to be nonzero. They have no code.
#[derive(Debug, Default)]
struct Corrections {
    bits: u64,
    count: u32,
}

impl Corrections {
    fn push(&mut self, bit: u16) {
        self.bits = self.bits << 1 | u64::from(bit);
        self.count += 1;
    }

    /// Moves all bits to the tokens.
    fn flush(&mut self, tokens: &mut Vec<Token>) {
        while self.count > 0 {
            let count = self.count.min(16);
            self.count -= count;
            tokens.push(Token::bits(count, (self.bits >> self.count) as u16 & (u16::MAX >> (16 - count))));
        }
    }
}

/// A row of blocks in such a scan.
struct AcRow<'a, 'b> {
    scan: &'a mut AcScan<'b>,
    blocks: &'a [Block],
    tokens: &'a mut Vec<Token>,
}

impl Kernel for AcRow<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for block in self.blocks {
            if self.scan.band.before == 0 {
                self.scan.first(block, self.tokens);
            } else {
                self.scan.refine(block, self.tokens);
            }
        }
    }
}

impl<'a> AcScan<'a> {
    /// The longest end-of-band run that a symbol can represent.
    const LONGEST_RUN: u16 = 0x7FFF;

    fn new(band: Band<'a>, component: &Component) -> Self {
        let places = (u64::MAX << band.first) & (u64::MAX >> (63 - band.last));
        Self { band, table: ac_table(component.tables), places, run: 0, corrections: Vec::new() }
    }

    /// Writes the end-of-band run, and its correction bits.
    fn end_run(&mut self, tokens: &mut Vec<Token>) {
        if self.run > 0 {
            let bits = self.run.ilog2();
            tokens.push(Token::new(self.table, (bits as u8) << 4 | END_OF_BLOCK, self.run - (1 << bits)));
            self.run = 0;
        }
        tokens.append(&mut self.corrections);
    }

    /// Ends a block.
    #[inline(always)]
    fn end_block(&mut self, tokens: &mut Vec<Token>) {
        self.run += 1;
        if self.run == Self::LONGEST_RUN {
            self.end_run(tokens);
        }
    }

    /// The first bits of a block's coefficients (T.81 G.1.2.2).
    #[inline(always)]
    fn first(&mut self, block: &Block, tokens: &mut Vec<Token>) {
        let bit = self.band.bit;
        let mut rest = places(block, |coefficient| coefficient.unsigned_abs() >> bit != 0) & self.places;
        if rest != 0 {
            self.end_run(tokens);
        }
        let mut next = u32::from(self.band.first);
        while rest != 0 {
            let place = rest.trailing_zeros();
            rest &= rest - 1;
            let mut zeros = place - next;
            while zeros > 15 {
                tokens.push(Token::new(self.table, SIXTEEN_ZEROS, 0));
                zeros -= 16;
            }
            // Magnitudes are shifted, rounding towards zero.
            let coefficient = block[usize::from(ZIGZAG[place as usize])] / (1 << bit);
            tokens.push(Token::value(self.table, zeros, coefficient));
            next = place + 1;
        }
        if next <= u32::from(self.band.last) {
            self.end_block(tokens);
        }
    }

    /// One more bit of a block's coefficients (T.81 G.1.2.3).
    #[inline(always)]
    fn refine(&mut self, block: &Block, tokens: &mut Vec<Token>) {
        let bit = self.band.bit;
        let mut rest = places(block, |coefficient| coefficient.unsigned_abs() >> bit != 0) & self.places;
        let new = places(block, |coefficient| coefficient.unsigned_abs() >> bit == 1) & self.places;
        let mut next = u32::from(self.band.first);
        let mut zeros = 0;
        // The correction bits since the last symbol; those of earlier blocks stay separate until their run is written.
        let mut corrections = Corrections::default();
        while rest != 0 {
            let place = rest.trailing_zeros();
            rest &= rest - 1;
            zeros += place - next;
            next = place + 1;
            let is_before_the_last_new = new >> place != 0;
            while zeros > 15 && is_before_the_last_new {
                self.end_run(tokens);
                tokens.push(Token::new(self.table, SIXTEEN_ZEROS, 0));
                corrections.flush(tokens);
                zeros -= 16;
            }
            let coefficient = block[usize::from(ZIGZAG[place as usize])];
            if new >> place & 1 == 0 {
                corrections.push(coefficient.unsigned_abs() >> bit & 1);
                continue;
            }
            self.end_run(tokens);
            tokens.push(Token::value(self.table, zeros, coefficient.signum()));
            corrections.flush(tokens);
            zeros = 0;
        }
        if next <= u32::from(self.band.last) || zeros > 0 || corrections.count > 0 {
            corrections.flush(&mut self.corrections);
            self.end_block(tokens);
        }
    }
}
