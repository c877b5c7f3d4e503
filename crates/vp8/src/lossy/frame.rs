//! Decoding of a frame: each row of macroblocks is parsed, predicted and reconstructed, then filtered, then emitted.

use super::filter::{Column, HELD, Strength, filter_macroblock};
use super::header::{FilterKind, Header, Start};
use super::modes::{self, Luma, Macroblock};
use super::predict::{Neighbours, predict_block, predict_whole};
use super::tokens::{self, Coefficients};
use super::transform::{add_block, add_rows};
use super::workspace::{Bottom, START, START_V, Workspace, block_mut};
use super::{DecodeError, DecodeOptions, Sink, damaged, go_on};
use image_origin_kernel::{Kernel, dispatch};

/// The number of rows in a macroblock.
const ROWS: (usize, usize) = (16, 8);

/// The value of missing samples.
const GREY: u8 = 128;

const GREY_COLUMN: Column = Column { luma: [[GREY; 16]; HELD.0 + ROWS.0], chroma: [[GREY; 16]; HELD.1 + ROWS.1] };

/// The contexts of a macroblock for its neighbours to the right and below.
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

/// A frame that is being decoded.
pub(super) struct Frame<'a> {
    header: Header<'a>,
    width: usize,
    height: usize,
    /// The number of macroblocks in a row, and of rows.
    columns: usize,
    rows: usize,
    above: Vec<Border>,
    bottoms: Vec<Bottom>,
    workspace: Workspace,
    coefficients: Coefficients,
    /// The filter parameters of the current row of macroblocks.
    strengths: Vec<Strength>,
    /// The samples of the current row of macroblocks.
    samples: Vec<Column>,
    /// Whether the data has ended early.
    is_cut: bool,
}

impl<'a> Frame<'a> {
    /// The memory in bytes for a frame of this width, mostly for each column of macroblocks.
    pub(super) fn memory(width: u32) -> u64 {
        let rows = 16 + 16 + 8 + 8;
        let column = rows + size_of::<Column>() + size_of::<Border>() + size_of::<Bottom>() + size_of::<Strength>();
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
            samples: vec![GREY_COLUMN; columns],
            is_cut: false,
        }
    }

    /// Emits the rows of samples that `options` request to `sink`.
    pub(super) fn decode(mut self, options: &DecodeOptions<'_>, sink: &mut dyn Sink) -> Result<(), DecodeError> {
        let is_filtered = options.filtered && self.header.filter != FilterKind::None;
        let mut emitter = Emitter::new(&self);
        for row in 0..self.rows {
            go_on(options.check)?;
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

    /// Reads a row of macroblocks, and returns the column at which the data ends.
    #[inline(always)]
    fn read_row(&mut self, row: usize) -> usize {
        let mut left = Border::outside();
        for column in 0..self.columns {
            self.is_cut = self.is_cut || !self.read_macroblock(row, column, &mut left);
            if self.is_cut {
                return column;
            }
        }
        self.columns
    }

    /// Reads and reconstructs a macroblock; returns whether its data was complete.
    #[inline(always)]
    fn read_macroblock(&mut self, row: usize, column: usize, left: &mut Border) -> bool {
        let above = &mut self.above[column];
        let macroblock = Macroblock::read(&mut self.header, &mut above.modes, &mut left.modes);
        let in_blocks = matches!(macroblock.luma, Luma::Blocks(_));
        let partitions = self.header.partitions.len();
        let partition = &mut self.header.partitions[row % partitions];
        let has_coefficients = if macroblock.is_skipped {
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
            return false;
        }
        let strength = self.header.strengths[macroblock.segment][usize::from(in_blocks)];
        self.strengths[column] = strength.with_inner(in_blocks || has_coefficients);
        self.predict(&macroblock, row, column);
        self.store(column);
        true
    }

    #[inline(always)]
    fn predict(&mut self, macroblock: &Macroblock, row: usize, column: usize) {
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
            Luma::Whole(mode) => {
                predict_whole::<16, START>(&mut workspace.luma, *mode, neighbours);
                for row in 0..4 {
                    if let Some(values) = coefficients.take_row(row) {
                        add_rows::<16>(&mut workspace.luma, START, 4 * row, &values, 0);
                    }
                }
            }
            Luma::Blocks(modes) => {
                for (row, modes) in modes.as_chunks::<4>().0.iter().enumerate() {
                    let values = coefficients.take_row(row);
                    for (column, mode) in modes.iter().enumerate() {
                        let Some(block) = block_mut(&mut workspace.luma, START + 4 * column, 4 * row) else { continue };
                        predict_block(block, *mode);
                        if let Some(values) = &values {
                            add_block(block, values, column);
                        }
                    }
                }
            }
        }
        predict_whole::<8, START>(&mut workspace.chroma, macroblock.chroma, neighbours);
        predict_whole::<8, START_V>(&mut workspace.chroma, macroblock.chroma, neighbours);
        for row in 0..2 {
            if let Some(values) = coefficients.take_row(4 + row) {
                add_rows::<8>(&mut workspace.chroma, START, 4 * row, &values, 0);
                add_rows::<8>(&mut workspace.chroma, START_V, 4 * row, &values, 8);
            }
        }
    }

    /// Copies the macroblock out of the workspace.
    #[inline(always)]
    fn store(&mut self, column: usize) {
        self.bottoms[column] = self.workspace.bottom();
        let Column { luma, chroma } = &mut self.samples[column];
        for (y, row) in luma[HELD.0..].iter_mut().enumerate() {
            *row = self.workspace.luma_row(y);
        }
        for (y, row) in chroma[HELD.1..].iter_mut().enumerate() {
            *row = self.workspace.chroma_row(y);
        }
    }

    /// Fills the macroblocks from a column on with grey.
    fn make_grey(&mut self, column: usize) {
        for Column { luma, chroma } in &mut self.samples[column..] {
            luma[HELD.0..].fill([GREY; 16]);
            chroma[HELD.1..].fill([GREY; 16]);
        }
        self.strengths[column..].fill(Strength::default());
    }

    #[inline(always)]
    fn filter_row(&mut self, row: usize) {
        let mut left = None;
        for (column, strength) in self.samples.iter_mut().zip(&self.strengths) {
            filter_macroblock(self.header.filter, *strength, left, column, row == 0);
            left = Some(column);
        }
    }

    /// Keeps the last rows for the next row of macroblocks.
    fn carry(&mut self) {
        for Column { luma, chroma } in &mut self.samples {
            luma.copy_within(ROWS.0.., 0);
            chroma.copy_within(ROWS.1.., 0);
        }
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

/// Emits rows as soon as they are filtered.
struct Emitter {
    /// Complete rows: two of luma and one of each chroma plane.
    luma: [Vec<u8>; 2],
    chroma: [Vec<u8>; 2],
    /// The number of rows of luma that were emitted.
    rows_done: usize,
}

impl Emitter {
    fn new(frame: &Frame<'_>) -> Self {
        let row = |samples: usize| vec![0; frame.columns * samples];
        Self { luma: [row(16), row(16)], chroma: [row(8), row(8)], rows_done: 0 }
    }

    fn emit(&mut self, frame: &Frame<'_>, row: usize, sink: &mut dyn Sink) {
        let first = if row == 0 { HELD.1 } else { 0 };
        let end = if row + 1 == frame.rows { HELD.1 + ROWS.1 } else { ROWS.1 };
        for y in first..end {
            if self.rows_done >= frame.height {
                return;
            }
            self.gather(&frame.samples, y);
            let (width, half) = (frame.width, frame.width.div_ceil(2));
            let ([one, other], [u, v]) = (&self.luma, &self.chroma);
            sink.pair([&one[..width], &other[..width]], [&u[..half], &v[..half]]);
            self.rows_done += 2;
        }
    }

    /// Assembles the rows of samples that belong to a row of chroma.
    fn gather(&mut self, columns: &[Column], y: usize) {
        let [one, other] = self.luma.each_mut().map(|row| row.as_chunks_mut::<16>().0);
        let [u, v] = self.chroma.each_mut().map(|row| row.as_chunks_mut::<8>().0);
        for ((((column, one), other), u), v) in columns.iter().zip(one).zip(other).zip(u).zip(v) {
            *one = column.luma[2 * y];
            *other = column.luma[2 * y + 1];
            u.copy_from_slice(&column.chroma[y][..8]);
            v.copy_from_slice(&column.chroma[y][8..]);
        }
    }
}
