//! The scan of a baseline picture (T.81 F.1).

use super::frame::{Block, Blocks, Frame};
use super::tokens::{END_OF_BLOCK, SIXTEEN_ZEROS, Token, ac_table, dc_table};
use super::zeros::places;
use crate::kernel::{Kernel, dispatch};
use crate::tables::ZIGZAG;

/// Appends the tokens of a row of MCUs. `blocks` contain that row of each component, and `predictions` the last DC
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
        let mut buffer = [Token::default(); MOST_IN_MCU];
        for mcu in 0..self.frame.mcus_across {
            let mut count = 0;
            let parts = self.frame.components.iter().zip(self.blocks).zip(&mut *self.predictions);
            for ((component, blocks), prediction) in parts {
                let (dc, ac) = (dc_table(component.tables), ac_table(component.tables));
                for v in 0..component.v {
                    let is_inside = self.row * component.v + v < component.blocks_down;
                    let row = if is_inside { blocks.row(v) } else { &[] };
                    for h in 0..component.h {
                        // There is space for every block of an MCU.
                        let Some(out) = buffer.get_mut(count..).and_then(<[Token]>::first_chunk_mut) else { return };
                        count += match row.get(mcu * component.h + h) {
                            Some(block) => block_tokens(block, dc, ac, prediction, out),
                            None => {
                                // Blocks beyond the edges repeat the DC of the previous block.
                                (out[0], out[1]) = (Token::value(dc, 0, 0), Token::new(ac, END_OF_BLOCK, 0));
                                2
                            }
                        };
                    }
                }
            }
            self.tokens.extend_from_slice(&buffer[..count.min(MOST_IN_MCU)]);
        }
    }
}

/// The maximum number of tokens of a block: one for each coefficient.
const MOST_IN_BLOCK: usize = 64;

/// The maximum number of tokens of an MCU: four blocks of luma and two of chroma.
const MOST_IN_MCU: usize = 6 * MOST_IN_BLOCK;

/// The maximum number of tokens of a row of MCUs.
pub(super) fn most_tokens(frame: &Frame) -> usize {
    frame.mcus_across
        * frame.components.iter().map(|component| component.h * component.v).sum::<usize>()
        * MOST_IN_BLOCK
}

/// Writes the tokens of a block and returns their number.
#[inline(always)]
fn block_tokens(
    block: &Block,
    dc: usize,
    ac: usize,
    prediction: &mut i16,
    tokens: &mut [Token; MOST_IN_BLOCK],
) -> usize {
    tokens[0] = Token::value(dc, 0, block[0] - *prediction);
    *prediction = block[0];
    let mut count = 1;
    let mut put = |token| {
        tokens[count % MOST_IN_BLOCK] = token;
        count += 1;
    };
    let mut rest = places(block, |coefficient| coefficient != 0) & !1;
    let mut next = 1;
    while rest != 0 {
        let place = rest.trailing_zeros();
        rest &= rest - 1;
        let mut zeros = place - next;
        while zeros > 15 {
            put(Token::new(ac, SIXTEEN_ZEROS, 0));
            zeros -= 16;
        }
        put(Token::value(ac, zeros, block[usize::from(ZIGZAG[place as usize]) % 64]));
        next = place + 1;
    }
    if next < 64 {
        put(Token::new(ac, END_OF_BLOCK, 0));
    }
    count
}
