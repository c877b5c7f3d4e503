//! Sequential scans with all components (T.81 F.2): each row of MCUs is decoded, transformed and emitted before the
//! next, so that no coefficients are stored.

use std::rc::Rc;
use std::thread;

use super::ahead::{self, Ahead, Reader};
use super::bits::{Bits, Window};
use super::context::Context;
use super::error::{DecodeError, Warning};
use super::finder::Finder;
use super::frame::Scan;
use super::huffman::{SkipTable, Table};
use super::idct::{
    self, Block, LAST_OF_FIVE, LAST_OF_HALF, LAST_OF_QUARTER, LAST_OF_THREE, Quarter, QuarterWeights, Reduction,
};
use super::interval::Interval;
use super::kernel::{Kernel, dispatch};
use super::layout::Layout;
use super::output::{Band, Output};
use super::tables::{Quantisation, ZIGZAG};

/// Decodes the scan that starts at `start`, and thereby the picture.
pub(super) fn decode(
    context: &mut Context<'_>,
    layout: &Layout,
    scan: &Scan,
    start: usize,
    output: &mut impl Output,
) -> Result<(), DecodeError> {
    let mut decoder = Sequential::new(context, layout, scan, start)?;
    let shared = ahead::Shared::default();
    thread::scope(|scope| {
        let plan = decoder.plan_ahead(context, scan, start)?;
        let permit = plan.and_then(|plan| Some((plan, context.second_core()?)));
        let mut reader = permit.and_then(|(plan, permit)| Reader::start(scope, &shared, plan, permit));
        for row in 0..layout.rows.end {
            context.check()?;
            decoder.decode_row(row, &mut reader);
            if layout.rows.contains(&row) {
                output.emit(&mut decoder.bands, row);
            }
        }
        Ok(())
    })?;
    context.warn_if(decoder.is_truncated, Warning::Truncated);
    context.warn_if(decoder.window.is_corrupt(), Warning::Corrupt);
    Ok(())
}

/// The memory in bytes for finding blocks in a file of this length, if they are looked for.
pub(super) fn finder_bytes(layout: &Layout, length: usize) -> u64 {
    let uses_dc_only = layout.components.iter().all(|component| component.size == 1);
    // A band has a sample for each coefficient of four bytes.
    if uses_dc_only && length >= LONG { Finder::BYTES + 4 * Band::bytes(layout) } else { 0 }
}

/// The state of a scan.
struct Sequential<'a> {
    layout: &'a Layout,
    window: Window<'a>,
    interval: Interval,
    channels: Vec<Channel>,
    /// The samples of one row of MCUs, in the order of the frame header.
    bands: Vec<Band>,
    /// Present if only the DC coefficients of all blocks are needed, and there are many.
    finder: Option<Finder>,
    /// What another thread has read behind the MCUs so far; the window is behind it then.
    ahead: Option<Ahead<'a>>,
    is_truncated: bool,
}

/// The number of bits before a meeting from which on MCUs are read one by one: more than are looked through at once.
const NEAR: usize = 16 * Window::BYTES;

/// The length of a file in bytes from which on it pays to build the tables of a [`Finder`].
const LONG: usize = 64 << 10;

impl<'a> Sequential<'a> {
    fn new(context: &Context<'a>, layout: &'a Layout, scan: &Scan, start: usize) -> Result<Self, DecodeError> {
        let mut channels: Vec<Channel> = Vec::with_capacity(scan.components.len());
        let skips_blocks = layout.columns.len() < layout.mcus.0 || layout.rows.start > 0;
        for part in &scan.components {
            let component = &layout.components[part.index];
            let ac = context.tables.ac_table(part.ac_table)?;
            let quantisation = context.quantisation(part.index)?;
            // Both chroma components usually share a table, and building it takes as long as decoding hundreds of
            // blocks.
            let made = channels.iter().find(|channel| channel.ac_number == part.ac_table);
            let made = made.and_then(|channel| channel.skip.clone());
            channels.push(Channel {
                index: part.index,
                h: component.h,
                v: component.v,
                dc: Table::new(&context.tables.dc_table(part.dc_table)?),
                ac: Table::new(&ac),
                ac_number: part.ac_table,
                skip: (component.size < 8 || skips_blocks)
                    .then(|| made.unwrap_or_else(|| Rc::new(SkipTable::new(&ac)))),
                dc_step: i32::from(quantisation[0]),
                method: Method::new(component.size, &quantisation, layout.reduction()),
                prediction: 0,
                coefficients: Vec::new(),
            });
        }
        let looks_for_blocks = finder_bytes(layout, context.bytes.len()) > 0;
        let finder = if looks_for_blocks { Self::finder(context, scan, &channels)? } else { None };
        Ok(Self {
            layout,
            finder,
            window: Window::new(context.bytes, start),
            interval: Interval::new(context.tables.restart_interval),
            channels,
            bands: Band::all(layout),
            ahead: None,
            is_truncated: false,
        })
    }

    /// A finder of the blocks of a scan.
    fn finder(context: &Context<'_>, scan: &Scan, channels: &[Channel]) -> Result<Option<Finder>, DecodeError> {
        let mut tables = Vec::with_capacity(scan.components.len());
        for part in &scan.components {
            tables.push((context.tables.dc_table(part.dc_table)?, context.tables.ac_table(part.ac_table)?));
        }
        let blocks: Vec<_> = channels.iter().map(|channel| channel.h * channel.v).collect();
        Ok(Finder::new(&tables, &blocks))
    }

    /// What another thread is to read ahead, if that pays and there is memory for it.
    fn plan_ahead(
        &self,
        context: &Context<'a>,
        scan: &Scan,
        start: usize,
    ) -> Result<Option<ahead::Plan<'a>>, DecodeError> {
        let Some(finder) = &self.finder else { return Ok(None) };
        let (bytes, (columns, rows)) = (context.bytes, self.layout.mcus);
        let is_worthwhile = ahead::Plan::is_worthwhile(bytes.len() - start.min(bytes.len()));
        let mcus = columns * rows;
        let has_memory = context.has_memory_beside(ahead::Plan::bytes(mcus, finder.blocks()));
        if context.tables.restart_interval > 0 || !is_worthwhile || !has_memory {
            return Ok(None);
        }
        let parts = scan.components.iter().zip(&self.channels).map(|(part, channel)| {
            let (dc, ac) = (context.tables.dc_table(part.dc_table)?, context.tables.ac_table(part.ac_table)?);
            Ok(ahead::Part { blocks: channel.h * channel.v, dc, ac })
        });
        let parts = parts.collect::<Result<_, DecodeError>>()?;
        Ok(Some(ahead::Plan { bytes, start, parts, mcus }))
    }

    /// Decodes one row of MCUs, restart interval by restart interval; grey if there is no data.
    fn decode_row(&mut self, row: usize, reader: &mut Option<Reader<'_, 'a>>) {
        let columns = self.layout.mcus.0;
        let is_kept = self.layout.rows.contains(&row);
        let first_kept = self.layout.rows.start * columns;
        let mut column = 0;
        while column < columns {
            if self.interval.is_over() {
                self.interval.restart(&mut self.window);
                self.finder.iter_mut().for_each(Finder::clear);
                self.channels.iter_mut().for_each(|channel| channel.prediction = 0);
            }
            let end = column + self.interval.take(columns - column);
            if self.interval.is_alive && self.interval.end() > first_kept {
                column = self.decode_span(column, end, is_kept, reader);
                self.is_truncated |= is_kept && self.window.is_overrun();
            }
            if column < end {
                self.interval.is_alive = false;
                self.is_truncated |= is_kept;
                self.clear(column, end);
            }
            column = end;
        }
    }

    /// Decodes the MCUs from `start` to `end`; returns the position at which the data ended.
    fn decode_span(&mut self, start: usize, end: usize, is_kept: bool, reader: &mut Option<Reader<'_, 'a>>) -> usize {
        let kept = if is_kept { self.layout.columns.clone() } else { end..end };
        let cuts = [kept.start, kept.end, usize::MAX].map(|cut| cut.clamp(start, end));
        let mut column = start;
        for (cut, keep) in cuts.into_iter().zip([false, true, false]) {
            while column < cut {
                let meeting = reader.as_ref().and_then(Reader::meeting);
                column = dispatch(Span {
                    window: &mut self.window,
                    ahead: self.ahead.as_mut(),
                    finder: self.finder.as_mut(),
                    channels: &mut self.channels,
                    bands: &mut self.bands,
                    columns: column..cut,
                    first_kept: self.layout.columns.start,
                    keep,
                    meeting,
                });
                if meeting.is_some_and(|meeting| meeting < self.window.bits_passed()) {
                    *reader = None;
                }
                if column == cut {
                    break;
                }
                if meeting != Some(self.window.bits_passed()) {
                    return column;
                }
                if let Some(ahead) = reader.take().and_then(Reader::stop) {
                    self.go_on_behind(ahead);
                }
            }
        }
        column
    }

    /// Goes on with what was read from here on by another thread.
    fn go_on_behind(&mut self, mut ahead: Ahead<'a>) {
        let is_corrupt = self.window.is_corrupt();
        std::mem::swap(&mut self.window, &mut ahead.window);
        self.window.note_corruption(is_corrupt);
        self.ahead = Some(ahead);
    }

    /// Fills the kept MCUs from `start` to `end` with grey.
    fn clear(&mut self, start: usize, end: usize) {
        let kept = &self.layout.columns;
        let (start, end) =
            (start.clamp(kept.start, kept.end) - kept.start, end.clamp(kept.start, kept.end) - kept.start);
        for (band, component) in self.bands.iter_mut().zip(&self.layout.components) {
            let width = component.h * component.size;
            band.clear_columns(start * width..end * width);
        }
    }
}

/// One component of the scan.
struct Channel {
    /// Its index in the frame header.
    index: usize,
    /// Its number of blocks in an MCU.
    h: usize,
    v: usize,
    dc: Table,
    ac: Table,
    /// The index of its AC table (T.81 B.2.3).
    ac_number: usize,
    /// Present if blocks are skipped.
    skip: Option<Rc<SkipTable>>,
    /// The first quantisation step.
    dc_step: i32,
    method: Method,
    /// The DC coefficient of the previous block (T.81 F.1.1.5.1).
    prediction: i32,
    /// The DC coefficients of the MCUs that were found.
    coefficients: Vec<i32>,
}

/// The reconstruction of a block.
enum Method {
    /// One sample, from the DC coefficient alone.
    One,
    /// 2x2 samples from the low frequencies.
    Two(Box<QuarterWeights>),
    /// 2x2 samples that depend on all coefficients.
    TwoMeans(Box<QuarterWeights>),
    /// 3x3 samples; the steps are in zigzag order, as all below.
    Three(Quantisation),
    /// 4x4 samples.
    Four(Quantisation),
    /// 5x5 samples.
    Five(Quantisation),
    /// 8x8 samples.
    Eight(Quantisation),
}

impl Method {
    fn new(size: usize, quantisation: &Quantisation, reduction: Reduction) -> Self {
        let steps = ZIGZAG.map(|position| quantisation[usize::from(position)]);
        let weights = || Box::new(idct::quarter_weights(quantisation, reduction));
        match size {
            1 => Self::One,
            2 if reduction == Reduction::Mean => Self::TwoMeans(weights()),
            2 => Self::Two(weights()),
            3 => Self::Three(steps),
            4 => Self::Four(steps),
            5 => Self::Five(steps),
            _ => Self::Eight(steps),
        }
    }
}

/// Consecutive MCUs of a row.
struct Span<'s, 'a> {
    window: &'s mut Window<'a>,
    ahead: Option<&'s mut Ahead<'a>>,
    finder: Option<&'s mut Finder>,
    channels: &'s mut [Channel],
    bands: &'s mut [Band],
    columns: std::ops::Range<usize>,
    /// The first kept column.
    first_kept: usize,
    /// The place where another thread has begun, in bits: the span ends there if an MCU does.
    meeting: Option<usize>,
    /// Whether the samples are kept.
    keep: bool,
}

impl Kernel for Span<'_, '_> {
    /// The column after the last MCU with data.
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self { window, mut ahead, mut finder, channels, bands, columns, first_kept, keep, meeting } = self;
        let mut column = columns.start;
        loop {
            if let Some(ahead) = &mut ahead {
                let blocks = channels.iter().map(|channel| channel.h * channel.v).sum();
                let differences = ahead.take((columns.end - column) * blocks);
                let mut first = 0;
                for channel in channels.iter_mut() {
                    let band = keep.then(|| (&mut bands[channel.index], column - first_kept));
                    channel.take_read(differences, first, blocks, band);
                    first += channel.h * channel.v;
                }
                column += differences.len() / blocks;
            }
            if let Some(finder) = &mut finder {
                let blocks = finder.blocks();
                let starts = finder.take(columns.len() - (column - columns.start));
                let mut first = 0;
                for channel in channels.iter_mut() {
                    let band = keep.then(|| (&mut bands[channel.index], column - first_kept));
                    channel.read_found(window, starts, first, blocks, band);
                    first += channel.h * channel.v;
                }
                column += starts.len() / blocks;
            }
            if column == columns.end || !window.has_more() {
                break;
            }
            let left = meeting.and_then(|meeting| meeting.checked_sub(window.bits_passed()));
            if left == Some(0) {
                break;
            }
            let is_near = left.is_some_and(|left| left < NEAR);
            if let Some(finder) = &mut finder
                && !is_near
                && finder.search(window)
            {
                continue;
            }
            let (mut bits, limit) = window.reader();
            loop {
                for channel in channels.iter_mut() {
                    if keep {
                        channel.decode_blocks(&mut bits, &mut bands[channel.index], column - first_kept);
                    } else {
                        channel.skip_blocks(&mut bits);
                    }
                }
                column += 1;
                if column == columns.end || bits.is_beyond(limit) || is_near {
                    break;
                }
            }
            let place = bits.place();
            window.keep(place);
        }
        column
    }
}

impl Channel {
    /// Decodes the blocks of one MCU into `band`, where the MCU has index `column`.
    #[inline(always)]
    fn decode_blocks(&mut self, bits: &mut Bits<'_>, band: &mut Band, column: usize) {
        let column = column * self.h;
        if let (Method::One, Some(skip)) = (&self.method, &self.skip) {
            // The most frequent case by far, without anything that is not needed per block.
            let mut prediction = self.prediction;
            for y in 0..self.v {
                for out in &mut band.row_mut(y, column)[..self.h] {
                    let dc = read_dc(bits, &self.dc, &mut prediction);
                    skip.skip_block(bits, 0);
                    *out = idct::flat(dc.wrapping_mul(self.dc_step));
                }
            }
            self.prediction = prediction;
            return;
        }
        for y in 0..self.v {
            for x in column..column + self.h {
                self.decode_block(bits, band, x, y);
            }
        }
    }

    /// Reads the DC coefficients of consecutive MCUs, of `blocks` blocks each that start at these bits of the window; this
    /// component's are those from `first` on. With a band and the index of the first MCU there, sets its samples.
    #[inline(always)]
    fn read_found(
        &mut self,
        window: &Window<'_>,
        starts: &[u32],
        first: usize,
        blocks: usize,
        band: Option<(&mut Band, usize)>,
    ) {
        let (count, mut prediction) = (self.h * self.v, self.prediction);
        self.coefficients.clear();
        for mcu in starts.chunks_exact(blocks) {
            for start in &mcu[first..first + count] {
                prediction = prediction.wrapping_add(self.dc.read(&mut window.reader_at(*start)).1);
                self.coefficients.push(prediction);
            }
        }
        self.prediction = prediction;
        if let Some((band, column)) = band {
            self.set_samples(band, column);
        }
    }

    /// The same from the differences of their DC coefficients.
    #[inline(always)]
    fn take_read(&mut self, differences: &[i16], first: usize, blocks: usize, band: Option<(&mut Band, usize)>) {
        let (count, mut prediction) = (self.h * self.v, self.prediction);
        self.coefficients.clear();
        for mcu in differences.chunks_exact(blocks) {
            for difference in &mcu[first..first + count] {
                prediction = prediction.wrapping_add(i32::from(*difference));
                self.coefficients.push(prediction);
            }
        }
        self.prediction = prediction;
        if let Some((band, column)) = band {
            self.set_samples(band, column);
        }
    }

    /// Sets the samples of the MCUs from index `column` on from the DC coefficients that have been read.
    #[inline(always)]
    fn set_samples(&self, band: &mut Band, column: usize) {
        let count = self.h * self.v;
        for y in 0..self.v {
            let row = band.row_mut(y, column * self.h).chunks_exact_mut(self.h);
            for (out, mcu) in row.zip(self.coefficients.chunks_exact(count)) {
                for (out, coefficient) in out.iter_mut().zip(&mcu[y * self.h..]) {
                    *out = idct::flat(coefficient.wrapping_mul(self.dc_step));
                }
            }
        }
    }

    /// Decodes a block and reconstructs its samples.
    #[inline(always)]
    fn decode_block(&mut self, bits: &mut Bits<'_>, band: &mut Band, x: usize, y: usize) {
        let stride = band.stride();
        let dc = read_dc(bits, &self.dc, &mut self.prediction).wrapping_mul(self.dc_step);
        match (&self.method, &self.skip) {
            (Method::Two(weights), Some(skip)) => {
                let mut quarter = Quarter::default();
                read_low_ac(bits, &self.ac, skip, LAST_OF_QUARTER, |k, value| quarter.add(value, weights[k]));
                write_pairs(quarter.samples(dc), band, x * 2, y * 2);
            }
            (Method::TwoMeans(weights), _) => {
                let mut quarter = Quarter::default();
                read_ac(bits, &self.ac, |k, value| quarter.add(value, weights[k]));
                write_pairs(quarter.samples(dc), band, x * 2, y * 2);
            }
            (Method::Three(steps), Some(skip)) => {
                let block = read_low_block(bits, &self.ac, skip, LAST_OF_THREE, dc, steps);
                idct::three(&block, band.rows_mut(y * 3, x * 3), stride);
            }
            (Method::Four(steps), Some(skip)) => {
                let block = read_low_block(bits, &self.ac, skip, LAST_OF_HALF, dc, steps);
                idct::half(&block, band.rows_mut(y * 4, x * 4), stride);
            }
            (Method::Five(steps), Some(skip)) => {
                let block = read_low_block(bits, &self.ac, skip, LAST_OF_FIVE, dc, steps);
                idct::five(&block, band.rows_mut(y * 5, x * 5), stride);
            }
            (Method::Eight(steps), _) => {
                let mut block = [0; 64];
                block[0] = dc as i16;
                read_ac(bits, &self.ac, |k, value| dequantise(&mut block, steps, k, value));
                idct::full(&block, band.rows_mut(y * 8, x * 8), stride);
            }
            // `One` is handled elsewhere, and `skip` is present for all sizes below 8.
            (Method::One, _) | (Method::Two(_) | Method::Three(_) | Method::Four(_) | Method::Five(_), None) => {}
        }
    }

    /// Skips the blocks of one MCU, and updates the prediction only.
    #[inline(always)]
    fn skip_blocks(&mut self, bits: &mut Bits<'_>) {
        let Some(skip) = &self.skip else { return };
        for _ in 0..self.h * self.v {
            bits.refill();
            self.prediction = self.prediction.wrapping_add(self.dc.read(bits).1);
            skip.skip_block(bits, 0);
        }
    }
}

/// Reads a DC coefficient (T.81 F.2.2.1).
#[inline(always)]
pub(super) fn read_dc(bits: &mut Bits<'_>, table: &Table, prediction: &mut i32) -> i32 {
    bits.refill();
    *prediction = prediction.wrapping_add(table.read(bits).1);
    *prediction
}

/// Reads the AC coefficients of a block (T.81 F.2.2.2) and passes each with its zigzag index. The caller has refilled,
/// and has read at most one symbol since.
#[inline(always)]
pub(super) fn read_ac(bits: &mut Bits<'_>, table: &Table, each: impl FnMut(usize, i32)) {
    read_ac_to(63, bits, table, each);
}

/// Reads AC coefficients up to index `last` (at most 47) and skips the others. Otherwise like [`read_ac`].
#[inline(always)]
fn read_low_ac(bits: &mut Bits<'_>, table: &Table, skip: &SkipTable, last: usize, each: impl FnMut(usize, i32)) {
    let k = read_ac_to(last, bits, table, each);
    // Only an end of block advances more than the 16 indices of a run.
    if k < 64 {
        bits.refill();
        skip.skip_block(bits, k);
    }
}

/// Reads the coefficients of a block up to index `last` and skips the others; `dc` is dequantised already.
#[inline(always)]
fn read_low_block(
    bits: &mut Bits<'_>,
    table: &Table,
    skip: &SkipTable,
    last: usize,
    dc: i32,
    steps: &Quantisation,
) -> Block {
    let mut block = [0; 64];
    block[0] = dc as i16;
    read_low_ac(bits, table, skip, last, |k, value| dequantise(&mut block, steps, k, value));
    block
}

/// Reads AC coefficients up to index `last`; returns the index of the last one that was read, which may be larger.
/// Refills for every second symbol: see [`Table::read`].
#[inline(always)]
fn read_ac_to(last: usize, bits: &mut Bits<'_>, table: &Table, mut each: impl FnMut(usize, i32)) -> usize {
    let mut k = 0;
    while read_next_ac(last, bits, table, &mut k, &mut each) {
        bits.refill();
        if !read_next_ac(last, bits, table, &mut k, &mut each) {
            break;
        }
    }
    k
}

/// Reads the coefficient after index `k`; returns whether there may be another one up to `last`.
#[inline(always)]
fn read_next_ac(
    last: usize,
    bits: &mut Bits<'_>,
    table: &Table,
    k: &mut usize,
    each: &mut impl FnMut(usize, i32),
) -> bool {
    let (symbol, value) = table.read(bits);
    *k += symbol.advance();
    if *k <= last {
        each(*k, value);
    }
    *k < last
}

/// Stores a coefficient at its natural index; `steps` are in zigzag order.
#[inline(always)]
fn dequantise(block: &mut Block, steps: &Quantisation, k: usize, value: i32) {
    block[usize::from(ZIGZAG[k & 63] & 63)] = value.wrapping_mul(i32::from(steps[k & 63])) as i16;
}

/// Writes 2x2 samples.
#[inline(always)]
pub(super) fn write_pairs(samples: [[u8; 2]; 2], band: &mut Band, x: usize, y: usize) {
    for (line, samples) in samples.iter().enumerate() {
        if let Some(out) = band.row_mut(y + line, x).first_chunk_mut() {
            *out = *samples;
        }
    }
}
