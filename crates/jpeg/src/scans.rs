//! Pictures with several scans: progressive ones, and sequential ones with one component after the other.
//!
//! Scans are accumulated in stored coefficients, from which the picture is reconstructed at the end. Scans that do not
//! contribute at the requested scale are skipped.

use super::bits::{Bits, Window};
use super::coefficients::Store;
use super::context::Context;
use super::error::{DecodeError, Warning};
use super::frame::{Process, Scan};
use super::interval::Interval;
use super::kernel::{Kernel, dispatch};
use super::layout::Layout;
use super::output::{Band, Output};
use super::progressive::{AcFirst, AcRefinement, DcFirst, DcRefinement, Sequential};
use super::segments::{EOI, SOS, Segments, end_of_scan};

/// The maximum number of scans: the longest usual scripts have about twenty.
const MAX_SCANS: usize = 1000;
/// The maximum average number of visits to each block; encoders need about ten for luma.
const MAX_VISITS: usize = 100;

/// Decodes the scans from `first` on, whose data is next in `segments`, and reconstructs the picture.
pub(super) fn decode(
    context: &mut Context<'_>,
    layout: &Layout,
    first: Scan,
    segments: &mut Segments<'_>,
    output: &mut impl Output,
) -> Result<(), DecodeError> {
    let mut stores: Vec<_> = layout.components.iter().map(|component| Store::new(layout, component)).collect();
    let blocks: usize = stores.iter().map(|store| store.blocks_per_row * store.block_rows).sum();
    let mut visits_left = blocks.saturating_mul(MAX_VISITS);
    let mut next = Some(first);
    for number in 0.. {
        let Some(scan) = next else { break };
        let visits: usize =
            scan.components.iter().map(|c| stores[c.index].blocks_per_row * stores[c.index].block_rows).sum();
        if number == MAX_SCANS || visits > visits_left {
            context.warn_if(true, Warning::TooManyScans);
            break;
        }
        visits_left -= visits;
        let start = segments.offset();
        let end = match decode_scan(context, layout, &mut stores, &scan, start) {
            Ok(end) => end,
            Err(DecodeError::Damaged(_)) if number > 0 => {
                context.warn_if(true, Warning::BadSegment);
                break;
            }
            Err(error) => return Err(error),
        };
        segments.set_offset(end_of_scan(context.bytes, end));
        next = next_scan(context, segments);
    }
    context.warn_if(stores.iter().any(|store| store.quantisation.is_none()), Warning::Truncated);
    make_picture(context, layout, &stores, output)
}

/// Processes the segments up to the next scan; `None` at the end of the file, or if it is invalid.
fn next_scan(context: &mut Context<'_>, segments: &mut Segments<'_>) -> Option<Scan> {
    for segment in segments.by_ref() {
        if segment.marker == EOI {
            return None;
        }
        if !segment.complete {
            break;
        }
        let scan = match segment.marker {
            SOS => Scan::parse(&context.frame, segment.payload).map(Some),
            marker if Process::of_marker(marker).is_some() => Err(DecodeError::Damaged("more than one frame")),
            marker => context.tables.define(marker, segment.payload).map(|()| None),
        };
        match scan {
            Ok(Some(scan)) => return Some(scan),
            Ok(None) => {}
            Err(_) => {
                context.warn_if(true, Warning::BadSegment);
                return None;
            }
        }
    }
    // A progressive file that merely lacks the EOI marker looks like one that is truncated between scans.
    context.warn_if(context.frame.process == Process::Progressive, Warning::Truncated);
    None
}

/// Decodes the scan whose data is at `start`. Returns an offset that is not past the end of this scan's data.
fn decode_scan(
    context: &mut Context<'_>,
    layout: &Layout,
    stores: &mut [Store],
    scan: &Scan,
    start: usize,
) -> Result<usize, DecodeError> {
    for part in &scan.components {
        let store = &mut stores[part.index];
        if store.quantisation.is_none() {
            store.quantisation = Some(context.quantisation(part.index)?);
        }
    }
    let (first, is_refinement) = (scan.spectral.0, scan.approximation.0 > 0);
    let is_sequential = context.frame.process != Process::Progressive;
    if first > 0 || is_sequential {
        scan.components.iter().for_each(|part| stores[part.index].prepare_ac());
    }
    let is_needed = first == 0 || stores[scan.components[0].index].uses_ac();
    match context.frame.process {
        // Errors in the header of a scan must not depend on whether the scan is needed.
        Process::Progressive if !is_needed => context.tables.ac_table(scan.components[0].ac_table).map(|_| start),
        Process::Progressive if first > 0 && is_refinement => {
            let coder = AcRefinement::new(&context.tables, scan)?;
            walk(context, layout, stores, scan, start, coder)
        }
        Process::Progressive if first > 0 => {
            let coder = AcFirst::new(&context.tables, scan)?;
            walk(context, layout, stores, scan, start, coder)
        }
        Process::Progressive if is_refinement => walk(context, layout, stores, scan, start, DcRefinement::new(scan)),
        Process::Progressive => {
            let coder = DcFirst::new(&context.tables, scan)?;
            walk(context, layout, stores, scan, start, coder)
        }
        _ => {
            let coder = Sequential::new(&context.tables, scan)?;
            walk(context, layout, stores, scan, start, coder)
        }
    }
}

/// The decoding of blocks in a kind of scan.
pub(super) trait Coder {
    /// Resets the state between blocks, at a restart.
    fn restart(&mut self);

    /// Decodes block `block` of component `part` of the scan into `store`.
    fn decode(&mut self, bits: &mut Bits<'_>, part: usize, store: &mut Store, block: usize);
}

/// Applies a coder to all blocks of a scan, in the order of T.81 A.2.
fn walk<C: Coder>(
    context: &mut Context<'_>,
    layout: &Layout,
    stores: &mut [Store],
    scan: &Scan,
    start: usize,
    mut coder: C,
) -> Result<usize, DecodeError> {
    let parts = parts(layout, scan);
    let [Part { component, .. }, ..] = parts[..] else { return Ok(start) };
    let (columns, rows) = if scan.is_interleaved() {
        (layout.mcus.0, layout.rows.end)
    } else {
        let (columns, rows) = layout.components[component].blocks;
        (columns, rows.min(stores[component].block_rows))
    };
    let mut window = Window::new(context.bytes, start);
    let mut interval = Interval::new(context.tables.restart_interval);
    let mut is_truncated = false;
    for row in 0..rows {
        context.check()?;
        let mut column = 0;
        while column < columns {
            if interval.is_over() {
                interval.restart(&mut window);
                coder.restart();
            }
            let end = column + interval.take(columns - column);
            if interval.is_alive {
                let (window, coder, parts) = (&mut window, &mut coder, parts.as_slice());
                column = dispatch(Units { window, coder, parts, stores, row, columns: column..end });
            }
            is_truncated |= column < end || window.is_overrun();
            interval.is_alive &= column == end;
            column = end;
        }
        if !interval.is_alive && interval.end() == usize::MAX {
            break;
        }
    }
    context.warn_if(is_truncated, Warning::Truncated);
    context.warn_if(window.is_corrupt(), Warning::Corrupt);
    Ok(window.source_position())
}

/// A component of a scan, with the number of its blocks in a unit: an MCU, or one block if it is the only component.
struct Part {
    component: usize,
    h: usize,
    v: usize,
}

fn parts(layout: &Layout, scan: &Scan) -> Vec<Part> {
    let part = |index: usize| {
        let component = &layout.components[index];
        let (h, v) = if scan.is_interleaved() { (component.h, component.v) } else { (1, 1) };
        Part { component: index, h, v }
    };
    scan.components.iter().map(|component| part(component.index)).collect()
}

/// Consecutive units of a row.
struct Units<'s, 'a, C> {
    window: &'s mut Window<'a>,
    coder: &'s mut C,
    parts: &'s [Part],
    stores: &'s mut [Store],
    row: usize,
    columns: std::ops::Range<usize>,
}

impl<C: Coder> Kernel for Units<'_, '_, C> {
    /// The column after the last unit with data.
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self { window, coder, parts, stores, row, columns } = self;
        let mut column = columns.start;
        while column < columns.end && window.has_more() {
            let (mut bits, limit) = window.reader();
            loop {
                for (number, part) in parts.iter().enumerate() {
                    let store = &mut stores[part.component];
                    for y in 0..part.v {
                        for x in 0..part.h {
                            let block = (row * part.v + y) * store.blocks_per_row + column * part.h + x;
                            coder.decode(&mut bits, number, store, block);
                        }
                    }
                }
                column += 1;
                if column == columns.end || bits.is_beyond(limit) {
                    break;
                }
            }
            let place = bits.place();
            window.keep(place);
        }
        column
    }
}

/// Reconstructs the picture from the coefficients.
fn make_picture(
    context: &Context<'_>,
    layout: &Layout,
    stores: &[Store],
    output: &mut impl Output,
) -> Result<(), DecodeError> {
    let mut bands = Band::all(layout);
    for row in layout.rows.clone() {
        context.check()?;
        for ((store, component), band) in stores.iter().zip(&layout.components).zip(&mut bands) {
            store.reconstruct(layout, component, row, band);
        }
        output.emit(&mut bands, row);
    }
    Ok(())
}
