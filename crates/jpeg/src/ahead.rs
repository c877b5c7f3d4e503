//! Reads the second half of a long scan on a second thread, where only DC coefficients are needed.
//!
//! Huffman codes synchronize themselves (see [`finder`](super::finder)), so that the second thread starts anywhere in the
//! middle. Once it has read enough MCUs to be in step with the data, probably, it tells at which bit it is: the *meeting*. If
//! the first thread starts an MCU at that very bit, all that was read from there on is what it would have read itself, but
//! for the number of the MCU and the predictions, which it knows. Otherwise it goes on alone, and nothing is lost.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::Permit;
use super::bits::{Window, unstuffed_length};
use super::finder::Finder;
use super::huffman::{HuffmanSpec, SkipTable, Table};
use super::kernel::{Kernel, dispatch};

/// The length of a scan in bytes from which on a second thread pays.
const WORTHWHILE: usize = 512 << 10;
/// The number of MCUs after which a reader is in step with the data, probably.
const LEAD: usize = 512;
/// The number of MCUs that are read between two looks at whether to stop.
const STRETCH: usize = 256;
/// The meeting before it is known, and if there will be none.
const UNKNOWN: usize = usize::MAX;

/// What both threads know of each other.
#[derive(Debug)]
pub(super) struct Shared {
    /// The meeting, in bits from the start of the scan without stuffing, or [`UNKNOWN`].
    meeting: AtomicUsize,
    /// Whether nobody needs more than has been read ahead.
    is_stopped: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self { meeting: AtomicUsize::new(UNKNOWN), is_stopped: AtomicBool::new(false) }
    }
}

/// A component of a scan: its number of blocks in an MCU, and its codes.
pub(super) struct Part {
    pub(super) blocks: usize,
    pub(super) dc: HuffmanSpec,
    pub(super) ac: HuffmanSpec,
}

/// The scan to read ahead.
pub(super) struct Plan<'a> {
    /// The file, and where in it the data of the scan start.
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) parts: Vec<Part>,
    /// The number of MCUs of the picture.
    pub(super) mcus: usize,
}

impl Plan<'_> {
    /// Whether data of this length are worth a second thread.
    pub(super) const fn is_worthwhile(length: usize) -> bool {
        length >= WORTHWHILE
    }

    /// The memory in bytes that reading ahead takes, for a number of MCUs of so many blocks.
    pub(super) const fn bytes(mcus: usize, blocks: usize) -> u64 {
        // Tables are far below what they are counted with.
        (mcus * blocks * size_of::<i16>() + Window::BYTES) as u64 + Finder::BYTES + (256 << 10)
    }
}

/// What was read ahead.
pub(super) struct Ahead<'a> {
    /// The differences of DC coefficients (T.81 F.1.2.1) of whole MCUs from the meeting on, in the order of the scan. They have at
    /// most 15 bits and a sign.
    differences: Vec<i16>,
    taken: usize,
    /// The position behind them.
    pub(super) window: Window<'a>,
}

impl Ahead<'_> {
    /// Takes the differences of `count` blocks, or of as many as there are.
    pub(super) fn take(&mut self, count: usize) -> &[i16] {
        let start = self.taken;
        self.taken = self.differences.len().min(start + count);
        &self.differences[start..self.taken]
    }
}

/// The second thread. It ends early if this is dropped.
pub(super) struct Reader<'scope, 'a> {
    shared: &'scope Shared,
    thread: Option<ScopedJoinHandle<'scope, Option<Ahead<'a>>>>,
}

impl<'scope, 'a: 'scope> Reader<'scope, 'a> {
    /// Starts the thread, which holds the permit until its end. `None` if there cannot be one.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        shared: &'scope Shared,
        plan: Plan<'a>,
        permit: Permit,
    ) -> Option<Self> {
        let read = move || {
            let _permit = permit;
            read(&plan, shared)
        };
        let thread = Builder::new().name("jpeg".to_owned()).spawn_scoped(scope, read).ok()?;
        Some(Self { shared, thread: Some(thread) })
    }

    /// The meeting, if it is known by now.
    pub(super) fn meeting(&self) -> Option<usize> {
        Some(self.shared.meeting.load(Ordering::Relaxed)).filter(|meeting| *meeting != UNKNOWN)
    }

    /// Stops the thread, and returns what it has read ahead. `None` if that is of no use: then it has to be read again.
    pub(super) fn stop(mut self) -> Option<Ahead<'a>> {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        self.thread.take()?.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Reader<'_, '_> {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Reads the second half of a scan.
fn read<'a>(plan: &Plan<'a>, shared: &Shared) -> Option<Ahead<'a>> {
    let Plan { bytes, start, .. } = *plan;
    let mut end = bytes.len();
    // Where the data end before the middle of the file, it has other things behind them.
    let (middle, passed) = loop {
        let middle = middle(bytes, start, end)?;
        match unstuffed_length(bytes.get(start..middle)?) {
            Ok(passed) => break (middle, passed),
            Err(marker) if Plan::is_worthwhile(marker) => end = start + marker,
            Err(_) => return None,
        }
    };
    let mut window = Window::behind(bytes, middle, passed);
    let channels: Vec<_> = plan.parts.iter().map(Channel::new).collect();
    let tables: Vec<_> = plan.parts.iter().map(|part| (part.dc.clone(), part.ac.clone())).collect();
    let mut finder = Finder::new(&tables, &plan.parts.iter().map(|part| part.blocks).collect::<Vec<_>>())?;
    let blocks = finder.blocks();
    let most = plan.mcus * blocks;
    let mut differences = Vec::with_capacity(most);
    let read = |window: &mut Window<'a>, finder: Option<&mut Finder>, differences: &mut Vec<i16>, mcus| {
        let before = differences.len();
        dispatch(Stretch { window, finder, channels: &channels, differences, blocks, mcus });
        differences.len() == before + mcus * blocks
    };
    if !read(&mut window, None, &mut differences, LEAD.min(plan.mcus)) {
        return None;
    }
    differences.clear();
    window.forget_corruption();
    shared.meeting.store(window.bits_passed(), Ordering::Relaxed);
    while differences.len() < most {
        // The window is behind all MCUs that were found.
        let is_stopped = shared.is_stopped.load(Ordering::Relaxed);
        let mcus = if is_stopped { finder.left() } else { STRETCH };
        let mcus = mcus.min((most - differences.len()) / blocks);
        if !read(&mut window, Some(&mut finder), &mut differences, mcus) || is_stopped {
            break;
        }
    }
    // Whether the picture has the corrupt MCUs is not known here.
    (!window.is_corrupt()).then_some(Ahead { differences, taken: 0, window })
}

/// An offset about halfway between two others that is not inside of a stuffed byte.
fn middle(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let middle = start + (end - start) / 2;
    (middle..end).find(|middle| bytes.get(middle - 1).is_some_and(|before| *before != 0xFF))
}

/// A component of the scan.
struct Channel {
    blocks: usize,
    dc: Table,
    skip: SkipTable,
}

impl Channel {
    fn new(part: &Part) -> Self {
        Self { blocks: part.blocks, dc: Table::new(&part.dc), skip: SkipTable::new(&part.ac) }
    }
}

/// Consecutive MCUs.
struct Stretch<'s, 'a> {
    window: &'s mut Window<'a>,
    finder: Option<&'s mut Finder>,
    channels: &'s [Channel],
    differences: &'s mut Vec<i16>,
    /// The number of blocks in an MCU.
    blocks: usize,
    /// The number of MCUs to read, if there are so many before the window has the end of the data: what is read there may not be
    /// part of the picture.
    mcus: usize,
}

impl Kernel for Stretch<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { window, mut finder, channels, differences, blocks, mcus } = self;
        let end = differences.len() + mcus * blocks;
        loop {
            if let Some(finder) = &mut finder {
                let starts = finder.take((end - differences.len()) / blocks);
                let before = differences.len();
                differences.resize(before + starts.len(), 0);
                let mut first = 0;
                for channel in channels {
                    let range = first..first + channel.blocks;
                    first = range.end;
                    let found = differences[before..].chunks_exact_mut(blocks);
                    for (found, mcu) in found.zip(starts.chunks_exact(blocks)) {
                        for (difference, start) in found[range.clone()].iter_mut().zip(&mcu[range.clone()]) {
                            *difference = channel.dc.read(&mut window.reader_at(*start)).1 as i16;
                        }
                    }
                }
            }
            if differences.len() >= end || !window.has_more() || window.has_end() {
                return;
            }
            if let Some(finder) = &mut finder
                && finder.search(window)
            {
                continue;
            }
            let (mut bits, limit) = window.reader();
            loop {
                for channel in channels {
                    for _ in 0..channel.blocks {
                        bits.refill();
                        differences.push(channel.dc.read(&mut bits).1 as i16);
                        channel.skip.skip_block(&mut bits, 0);
                    }
                }
                if differences.len() >= end || bits.is_beyond(limit) {
                    break;
                }
            }
            let place = bits.place();
            window.keep(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Scan;
    use super::super::header::Start;
    use super::super::{EncodeOptions, Picture, Pixels, encode};
    use super::*;

    /// A photograph of noise on slopes, more than long enough for a second thread.
    fn file() -> Vec<u8> {
        const SIDE: usize = 1600;
        let mut grain = 1u32;
        let samples = (0..SIDE * SIDE).flat_map(|at| {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (grain >> 27) as u8;
            [(at % SIDE / 8) as u8 + noise, (at / SIDE / 8) as u8 + noise, 100 + noise]
        });
        let samples: Vec<_> = samples.collect();
        let picture = Picture::new(SIDE as u16, SIDE as u16, Pixels::Rgb(&samples)).unwrap();
        encode(&picture, &EncodeOptions::default().quality(90)).unwrap()
    }

    fn plan(bytes: &[u8]) -> Plan<'_> {
        let Start { frame, tables, scan, segments } = Start::read(bytes).unwrap();
        let scan = Scan::parse(&frame, scan).unwrap();
        let parts = scan.components.iter().map(|part| {
            let component = &frame.components[part.index];
            let blocks = usize::from(component.h) * usize::from(component.v);
            Part { blocks, dc: tables.dc_table(part.dc_table).unwrap(), ac: tables.ac_table(part.ac_table).unwrap() }
        });
        Plan { bytes, start: segments.offset(), parts: parts.collect(), mcus: 100 * 100 }
    }

    /// The differences of MCUs, read one by one, and the bits at which these start.
    fn all(plan: &Plan<'_>) -> (Vec<usize>, Vec<i16>) {
        let channels: Vec<_> = plan.parts.iter().map(Channel::new).collect();
        let (mut window, mut starts, mut differences) = (Window::new(plan.bytes, plan.start), Vec::new(), Vec::new());
        for _ in 0..plan.mcus {
            starts.push(window.bits_passed());
            let (window, differences) = (&mut window, &mut differences);
            dispatch(Stretch { window, finder: None, channels: &channels, differences, blocks: 6, mcus: 1 });
        }
        (starts, differences)
    }

    #[test]
    fn the_second_half_is_what_is_read_from_the_beginning() {
        let file = file();
        // Another picture behind the end, as of a gain map.
        for behind in [0, file.len() / 4, 3 * file.len()] {
            let bytes = [file.as_slice(), &vec![7; behind]].concat();
            let (plan, shared) = (plan(&bytes), Shared::default());
            assert!(Plan::is_worthwhile(file.len()));
            let (starts, expected) = all(&plan);
            let mut ahead = read(&plan, &shared).unwrap();
            let first = starts.binary_search(&shared.meeting.load(Ordering::Relaxed)).unwrap();
            assert!((4000..8500).contains(&first), "{behind}: {first}");
            let read = ahead.take(6 * plan.mcus);
            let both = read.len().min(expected.len() - 6 * first);
            assert!(both > 6 * 1000, "{behind}: {both}");
            assert!(read[..both] == expected[6 * first..][..both], "{behind}");
        }
    }

    #[test]
    fn a_stopped_reader_returns_what_it_has_and_a_damaged_rest_is_of_no_use() {
        let mut file = file();
        let stopped = Shared { is_stopped: AtomicBool::new(true), ..Shared::default() };
        assert!(read(&plan(&file), &stopped).unwrap().take(1000).is_empty());
        let at = file.len() / 8 * 7;
        file[at..at + 1000].copy_from_slice(&[0xFF, 0].repeat(500));
        assert!(read(&plan(&file), &Shared::default()).is_none());
    }
}
