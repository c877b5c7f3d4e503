//! The way through a frame: a row of macroblocks is read, predicted and summed up, then filtered, then given away.

use super::filter::{Cells, Strength, filter_macroblock};
use super::header::{FilterKind, Header, Start};
use super::lanes::Lanes;
use super::modes::{self, Luma, Macroblock};
use super::predict::{Neighbours, predict_block, predict_whole};
use super::tokens::{self, Coefficients, Residue};
use super::transform::{add_dc, add_inverse_dct};
use super::workspace::{Block, Bottom, START, START_V, Workspace, block_mut};
use super::{Error, Options, Sink, Work, damaged};
use crate::codec::kernel::{Kernel, dispatch};

/// Rows of luma and of chroma above a row of macroblocks that the filter may yet change, or needs; as many as keep pairs
/// together.
const HELD: (usize, usize) = (8, 4);

/// Rows in a macroblock.
const ROWS: (usize, usize) = (16, 8);

/// A sample that there is no data for.
const GREY: u8 = 128;

/// What a macroblock leaves for its neighbours to the right and below.
#[derive(Debug, Clone, Copy)]
struct Border {
    modes: modes::Border,
    tokens: tokens::Border,
}

impl Border {
    fn outside() -> Self {
        Self { modes: modes::OUTSIDE, tokens: tokens::Border::default() }
    }
}

/// A frame on its way.
pub(super) struct Frame<'a> {
    header: Header<'a>,
    width: usize,
    height: usize,
    /// Macroblocks across and down.
    columns: usize,
    rows: usize,
    above: Vec<Border>,
    bottoms: Vec<Bottom>,
    workspace: Workspace,
    coefficients: Coefficients,
    /// Of this row of macroblocks.
    strengths: Vec<Strength>,
    /// Rows of luma, those that are held from before first.
    luma: Vec<Lanes>,
    /// The same of chroma, of which a cell holds eight samples of U and eight of V.
    chroma: Vec<Lanes>,
    /// Whether the data has ended before the frame.
    is_cut: bool,
}

impl<'a> Frame<'a> {
    /// Bytes that a frame of that width allocates, most of them for each column of macroblocks.
    pub(super) fn memory(width: u32) -> u64 {
        let samples = 16 * (HELD.0 + ROWS.0 + HELD.1 + ROWS.1) + 16;
        let column = samples + size_of::<Border>() + size_of::<Bottom>() + size_of::<Strength>();
        u64::from(width.div_ceil(16)) * column as u64 + size_of::<tokens::Probabilities>() as u64
    }

    pub(super) fn new(start: &Start, header: Header<'a>) -> Self {
        let (columns, rows) = (start.width.div_ceil(16), start.height.div_ceil(16));
        Self {
            header,
            width: start.width,
            height: start.height,
            columns,
            rows,
            above: vec![Border::outside(); columns],
            bottoms: vec![Bottom::OUTSIDE; columns],
            workspace: Workspace::new(),
            coefficients: Coefficients::new(),
            strengths: vec![Strength::default(); columns],
            luma: vec![[GREY; 16]; columns * (HELD.0 + ROWS.0)],
            chroma: vec![[GREY; 16]; columns * (HELD.1 + ROWS.1)],
            is_cut: false,
        }
    }

    /// Gives the rows of samples that `options` ask for to `sink`.
    pub(super) fn decode(mut self, options: Options, sink: &mut impl Sink, work: &Work) -> Result<(), Error> {
        let is_filtered = options.is_filtered && self.header.filter != FilterKind::None;
        let mut emitter = Emitter::new(&self);
        for row in 0..self.rows {
            work.check()?;
            let column = dispatch(ReadRow { frame: &mut self, row });
            if row == 0 && column == 0 {
                return Err(damaged("the frame ends before its first macroblock"));
            }
            self.make_grey(column);
            if is_filtered {
                dispatch(FilterRow { frame: &mut self, row });
            }
            emitter.emit(&self, row, sink);
            if emitter.rows_done >= options.rows {
                break;
            }
            self.carry();
        }
        Ok(())
    }

    /// Reads a row of macroblocks up to the column where the data ends.
    #[inline(always)]
    fn read_row(&mut self, row: usize) -> usize {
        let mut left = Border::outside();
        for column in 0..self.columns {
            if self.is_cut {
                return column;
            }
            self.read_macroblock(row, column, &mut left);
        }
        self.columns - usize::from(self.is_cut)
    }

    /// Reads a macroblock, and predicts it from its neighbours.
    #[inline(always)]
    fn read_macroblock(&mut self, row: usize, column: usize, left: &mut Border) {
        let above = &mut self.above[column];
        let macroblock = Macroblock::read(&mut self.header, &mut above.modes, &mut left.modes);
        let in_blocks = matches!(macroblock.luma, Luma::Blocks(_));
        let partitions = self.header.partitions.len();
        let partition = &mut self.header.partitions[row % partitions];
        let has_residue = if macroblock.is_skipped {
            above.tokens.clear(!in_blocks);
            left.tokens.clear(!in_blocks);
            false
        } else {
            self.coefficients.read(
                partition,
                &self.header.tokens,
                &self.header.quantizers[macroblock.segment],
                !in_blocks,
                &mut above.tokens,
                &mut left.tokens,
            )
        };
        if partition.is_exhausted() && !macroblock.is_skipped || self.header.modes.is_exhausted() {
            self.is_cut = true;
            return;
        }
        let strength = self.header.strengths[macroblock.segment][usize::from(in_blocks)];
        self.strengths[column] = strength.with_inner(in_blocks || has_residue);
        self.predict(&macroblock, row, column, has_residue);
        self.store(column);
    }

    #[inline(always)]
    fn predict(&mut self, macroblock: &Macroblock, row: usize, column: usize, has_residue: bool) {
        let neighbours = Neighbours { above: row > 0, left: column > 0 };
        let above = &self.bottoms[column];
        let above_right = match self.bottoms.get(column + 1) {
            Some(Bottom { luma: [a, b, c, d, ..], .. }) => [*a, *b, *c, *d],
            None => [above.luma[15]; 4],
        };
        let (workspace, coefficients) = (&mut self.workspace, &mut self.coefficients);
        workspace.advance(!neighbours.above, !neighbours.left);
        workspace.set_above(above, above_right);
        match &macroblock.luma {
            Luma::Whole(mode) => predict_whole::<16, START>(&mut workspace.luma, *mode, neighbours),
            Luma::Blocks(modes) => {
                for (place, mode) in modes.iter().enumerate() {
                    if let Some(block) = block_mut(&mut workspace.luma, START + place % 4 * 4, place / 4 * 4) {
                        predict_block(block, *mode);
                        add_residue(coefficients, place, block);
                    }
                }
            }
        }
        predict_whole::<8, START>(&mut workspace.chroma, macroblock.chroma, neighbours);
        predict_whole::<8, START_V>(&mut workspace.chroma, macroblock.chroma, neighbours);
        if !has_residue {
            return;
        }
        if matches!(macroblock.luma, Luma::Whole(_)) {
            for place in 0..16 {
                if let Some(block) = block_mut(&mut workspace.luma, START + place % 4 * 4, place / 4 * 4) {
                    add_residue(coefficients, place, block);
                }
            }
        }
        for place in 0..8 {
            let start = if place < 4 { START } else { START_V };
            if let Some(block) = block_mut(&mut workspace.chroma, start + place % 2 * 4, place / 2 % 2 * 4) {
                add_residue(coefficients, 16 + place, block);
            }
        }
    }

    /// Takes the macroblock out of the workspace.
    #[inline(always)]
    fn store(&mut self, column: usize) {
        self.bottoms[column] = self.workspace.bottom();
        for (y, cells) in self.luma.chunks_exact_mut(self.columns).skip(HELD.0).enumerate() {
            cells[column] = self.workspace.luma_row(y);
        }
        for (y, cells) in self.chroma.chunks_exact_mut(self.columns).skip(HELD.1).enumerate() {
            cells[column] = self.workspace.chroma_row(y);
        }
    }

    /// Makes the macroblocks from a column on grey.
    fn make_grey(&mut self, column: usize) {
        for cells in self.luma.chunks_exact_mut(self.columns).skip(HELD.0) {
            cells[column..].fill([GREY; 16]);
        }
        for cells in self.chroma.chunks_exact_mut(self.columns).skip(HELD.1) {
            cells[column..].fill([GREY; 16]);
        }
        self.strengths[column..].fill(Strength::default());
    }

    #[inline(always)]
    fn filter_row(&mut self, row: usize) {
        let columns = self.columns;
        let mut luma = Cells { cells: &mut self.luma[(HELD.0 - 4) * columns..], columns };
        let mut chroma = Cells { cells: &mut self.chroma, columns };
        for (column, strength) in self.strengths.iter().enumerate() {
            filter_macroblock(self.header.filter, *strength, &mut luma, &mut chroma, column, row == 0);
        }
    }

    /// Keeps the last rows for the next row of macroblocks.
    fn carry(&mut self) {
        self.luma.copy_within(self.columns * ROWS.0.., 0);
        self.chroma.copy_within(self.columns * ROWS.1.., 0);
    }
}

/// Adds what there is to add to the prediction of a block, and forgets it.
#[inline(always)]
fn add_residue(coefficients: &mut Coefficients, place: usize, block: &mut Block) {
    match std::mem::take(&mut coefficients.residues[place]) {
        Residue::None => {}
        Residue::Dc => add_dc(std::mem::take(&mut coefficients.blocks[place][0]), block),
        Residue::Full => add_inverse_dct(&std::mem::take(&mut coefficients.blocks[place]), block),
    }
}

struct ReadRow<'f, 'a> {
    frame: &'f mut Frame<'a>,
    row: usize,
}

impl Kernel for ReadRow<'_, '_> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        self.frame.read_row(self.row)
    }
}

struct FilterRow<'f, 'a> {
    frame: &'f mut Frame<'a>,
    row: usize,
}

impl Kernel for FilterRow<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.frame.filter_row(self.row);
    }
}

/// Gives rows away as soon as the filter is done with them.
struct Emitter {
    /// Rows of chroma, of whole macroblocks.
    chroma: [Vec<u8>; 2],
    /// Rows of luma that were given.
    rows_done: usize,
}

impl Emitter {
    fn new(frame: &Frame<'_>) -> Self {
        Self { chroma: [vec![0; frame.columns * 8], vec![0; frame.columns * 8]], rows_done: 0 }
    }

    fn emit(&mut self, frame: &Frame<'_>, row: usize, sink: &mut impl Sink) {
        let (columns, width) = (frame.columns, frame.width);
        let first = if row == 0 { HELD.1 } else { 0 };
        let end = if row + 1 == frame.rows { HELD.1 + ROWS.1 } else { ROWS.1 };
        for y in first..end {
            if self.rows_done >= frame.height {
                return;
            }
            let [u, v] = &mut self.chroma;
            let cells = frame.chroma[y * columns..][..columns].iter();
            for ((cell, u), v) in cells.zip(u.as_chunks_mut::<8>().0).zip(v.as_chunks_mut::<8>().0) {
                u.copy_from_slice(&cell[..8]);
                v.copy_from_slice(&cell[8..]);
            }
            let luma = frame.luma[2 * y * columns..][..2 * columns].as_flattened();
            let (one, other) = luma.split_at(16 * columns);
            let half = width.div_ceil(2);
            sink.pair([&one[..width], &other[..width]], [&u[..half], &v[..half]]);
            self.rows_done += 2;
        }
    }
}
