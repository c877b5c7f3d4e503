//! The one scan of a baseline picture (T.81 F.1).

use super::frame::{Block, Blocks, Frame};
use super::tokens::{END_OF_BLOCK, SIXTEEN_ZEROS, Token, ac_table, dc_table};
use super::zeros::places;
use crate::codec::jpeg::kernel::{Kernel, dispatch};
use crate::codec::jpeg::tables::ZIGZAG;

/// Appends the tokens of a row of MCUs. `blocks` hold that row of each component, and `predictions` the last DC
/// coefficients.
pub(super) fn row_tokens(
    frame: &Frame,
    row: usize,
    blocks: &[Blocks],
    predictions: &mut [i16],
    tokens: &mut Vec<Token>,
) {
    dispatch(McuRow { frame, row, blocks, predictions, tokens });
}

struct McuRow<'a> {
    frame: &'a Frame,
    row: usize,
    blocks: &'a [Blocks],
    predictions: &'a mut [i16],
    tokens: &'a mut Vec<Token>,
}

impl Kernel for McuRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for mcu in 0..self.frame.mcus_across {
            let parts = self.frame.components.iter().zip(self.blocks).zip(&mut *self.predictions);
            for ((component, blocks), prediction) in parts {
                let (dc, ac) = (dc_table(component.tables), ac_table(component.tables));
                for v in 0..component.v {
                    let is_inside = self.row * component.v + v < component.blocks_down;
                    let row = if is_inside { blocks.row(v) } else { &[] };
                    for h in 0..component.h {
                        // Blocks beyond the edges repeat the mean of the one before.
                        match row.get(mcu * component.h + h) {
                            Some(block) => block_tokens(block, dc, ac, prediction, self.tokens),
                            None => self.tokens.extend([Token::value(dc, 0, 0), Token::new(ac, END_OF_BLOCK, 0)]),
                        }
                    }
                }
            }
        }
    }
}

/// Appends the tokens of a block.
#[inline(always)]
fn block_tokens(block: &Block, dc: usize, ac: usize, prediction: &mut i16, out: &mut Vec<Token>) {
    let mut tokens = [Token::default(); 64];
    tokens[0] = Token::value(dc, 0, block[0] - *prediction);
    *prediction = block[0];
    let mut count = 1;
    let mut rest = places(block, |coefficient| coefficient != 0) & !1;
    let mut last = 0;
    while rest != 0 {
        let place = rest.trailing_zeros();
        rest &= rest - 1;
        let mut run = place - last - 1;
        while run > 15 {
            tokens[count & 63] = Token::new(ac, SIXTEEN_ZEROS, 0);
            count += 1;
            run -= 16;
        }
        let coefficient = block[usize::from(ZIGZAG[place as usize]) & 63];
        tokens[count & 63] = Token::value(ac, run, coefficient);
        count += 1;
        last = place;
    }
    if last < 63 {
        tokens[count & 63] = Token::new(ac, END_OF_BLOCK, 0);
        count += 1;
    }
    out.extend_from_slice(&tokens[..count.min(64)]);
}
