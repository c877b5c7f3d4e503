//! The bits of entropy-coded data: a window of bytes without stuffing, and a 64 bit reservoir over it.
//!
//! [`Window`] takes the stuffed zeros out (T.81 B.1.1.5) ahead of decoding, up to the next marker, so that the
//! reservoir is refilled eight bytes at a time without looking at any of them. Behind the last byte lie zeros; who
//! reads into them has come to the end of the data and is told so by [`Window::is_overrun`].

use super::segments::{find_marker, has_ff, is_restart};

/// More than any MCU takes: ten blocks of 64 coefficients, 32 bits each (T.81 B.2.3, F.1.2).
const MAX_MCU_BYTES: usize = 10 * 64 * 4;
/// Zeros behind the data: an MCU may start at its very end, and a refill reads eight bytes at once.
const PADDING: usize = MAX_MCU_BYTES + 64;
/// Bytes unstuffed at a time, small enough to stay in the first-level cache with the tables.
const CAPACITY: usize = 16 * 1024;

/// The place in a window, to be kept while the window itself moves on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The next byte of the window that a refill reads.
    pos: usize,
    /// Bits that were read, the next one on top. Those below `count` are right but do not count yet.
    reservoir: u64,
    count: u32,
    corrupt: bool,
}

/// A reader of bits. Reading is unchecked against the end of data: [`Window`] guarantees that an MCU fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'w> {
    bytes: &'w [u8],
    place: Place,
}

impl<'w> Bits<'w> {
    /// Makes sure that at least 56 bits can be consumed.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let place = &mut self.place;
        let Some(Ok(next)) = self.bytes.get(place.pos..place.pos + 8).map(<[u8; 8]>::try_from) else {
            // Not reached as long as the window keeps its word; zeros are as good as the padding.
            place.count |= 56;
            return;
        };
        place.reservoir |= u64::from_be_bytes(next) >> place.count;
        place.pos += ((63 - place.count) >> 3) as usize;
        place.count |= 56;
    }

    /// The coming bits, left-aligned; as many are valid as were not consumed since the refill.
    #[inline(always)]
    pub(super) const fn ahead(&self) -> u64 {
        self.place.reservoir
    }

    /// The next `N` bits as a number.
    #[inline(always)]
    pub(super) const fn peek<const N: u32>(&self) -> usize {
        (self.place.reservoir >> (64 - N)) as usize
    }

    /// Moves on by `n` (at most 63) bits.
    #[inline(always)]
    pub(super) const fn consume(&mut self, n: u32) {
        self.place.reservoir <<= n & 63;
        self.place.count = self.place.count.wrapping_sub(n);
    }

    /// Remembers the place for [`rewound`](Self::rewound), as long as nothing is refilled.
    #[inline(always)]
    pub(super) const fn mark(&self) -> Mark {
        Mark { reservoir: self.place.reservoir, count: self.place.count }
    }

    /// A reader at the place that was marked.
    #[inline(always)]
    pub(super) const fn rewound(mut self, mark: Mark) -> Self {
        self.place.reservoir = mark.reservoir;
        self.place.count = mark.count;
        self
    }

    /// Reads `n` bits (1 to 16) as a number.
    #[inline(always)]
    pub(super) const fn take(&mut self, n: u32) -> u32 {
        let value = (self.place.reservoir >> (64 - n)) as u32;
        self.consume(n);
        value
    }

    /// Remembers that a code was met which no table defines.
    #[inline(always)]
    pub(super) const fn note_corrupt(&mut self, corrupt: bool) {
        self.place.corrupt |= corrupt;
    }

    /// Where to go on later.
    #[inline(always)]
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Whether the window should be asked for more before the next MCU.
    #[inline(always)]
    pub(super) const fn is_beyond(&self, limit: usize) -> bool {
        self.place.pos > limit
    }
}

/// A place to go back to, small enough to stay in registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    reservoir: u64,
    count: u32,
}

/// Unstuffed bytes of one restart interval, a part at a time.
#[derive(Debug)]
pub(super) struct Window<'a> {
    data: &'a [u8],
    /// The next byte of `data` to be unstuffed; the marker's 0xFF once that is reached.
    next: usize,
    bytes: Box<[u8]>,
    /// Valid bytes in the window.
    end: usize,
    /// No more bytes follow before the next marker or the end of the file.
    complete: bool,
    place: Place,
    corrupt: bool,
}

impl<'a> Window<'a> {
    /// Memory that a window takes.
    pub(super) const BYTES: usize = CAPACITY + PADDING;

    /// Starts at the first byte of entropy-coded data.
    pub(super) fn new(data: &'a [u8], start: usize) -> Self {
        let bytes = vec![0; Self::BYTES].into_boxed_slice();
        let place = Place::default();
        let mut window = Self { data, next: start, bytes, end: 0, complete: false, place, corrupt: false };
        window.fill();
        window
    }

    /// A reader at the current place, and the limit to be checked before each MCU with [`Bits::is_beyond`].
    #[inline(always)]
    pub(super) fn reader(&self) -> (Bits<'_>, usize) {
        let limit = if self.complete { self.end } else { self.end.saturating_sub(MAX_MCU_BYTES + 16) };
        (Bits { bytes: &self.bytes, place: self.place }, limit)
    }

    /// Keeps the place of a reader that is given up.
    #[inline(always)]
    pub(super) const fn keep(&mut self, place: Place) {
        self.place = place;
        self.corrupt |= place.corrupt;
    }

    /// Makes sure that an MCU can be read; false if the data has ended.
    #[inline(always)]
    pub(super) fn has_more(&mut self) -> bool {
        let (bits, limit) = self.reader();
        if !self.complete && bits.is_beyond(limit) {
            self.fill();
        }
        !self.is_overrun()
    }

    /// Whether bits behind the end of the data have been consumed.
    pub(super) const fn is_overrun(&self) -> bool {
        self.complete && self.place.pos * 8 > self.end * 8 + self.place.count as usize
    }

    /// How far the file has been read; no marker other than RSTn has been passed.
    pub(super) const fn source_position(&self) -> usize {
        self.next
    }

    /// Whether a code was met that no table defines.
    pub(super) const fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    /// Where the scan continues or ends: at a marker, or at the end of the file.
    fn skip_to_marker(&mut self) -> usize {
        if !self.complete {
            self.next = find_marker(self.data, self.next).unwrap_or(self.data.len());
            self.complete = true;
        }
        self.next
    }

    /// Begins the restart interval with the number `expected` (modulo 8). False if there is no data for it.
    ///
    /// A marker that comes too early stays where it is and leaves this interval empty; one that comes too late is passed
    /// over: the numbers tell which of the two it is (T.81 F.2.2.5 leaves the recovery to the decoder).
    pub(super) fn restart(&mut self, expected: usize) -> bool {
        loop {
            let at = self.skip_to_marker();
            let Some(&marker) = self.data.get(at + 1) else { return false };
            if !is_restart(marker) {
                return false;
            }
            let ahead = (usize::from(marker & 7) + 8 - expected % 8) % 8;
            self.corrupt |= ahead != 0;
            self.place = Place::default();
            self.end = 0;
            match ahead {
                1 | 2 => return false,
                6 | 7 => {
                    self.next = at + 2;
                    self.complete = false;
                }
                _ => {
                    self.next = at + 2;
                    self.complete = false;
                    self.fill();
                    return true;
                }
            }
        }
    }

    /// Moves what is left to the front and unstuffs more behind it.
    #[cold]
    #[inline(never)]
    fn fill(&mut self) {
        let start = self.place.pos.min(self.end);
        self.bytes.copy_within(start..self.end, 0);
        self.end -= start;
        self.place.pos -= start;
        while self.end + 32 <= CAPACITY {
            let rest = &self.data[self.next.min(self.data.len())..];
            if let Some(chunk) = rest.get(..32).filter(|chunk| !has_ff(chunk)) {
                self.bytes[self.end..self.end + 32].copy_from_slice(chunk);
                self.end += 32;
                self.next += 32;
            } else if !self.fill_with_care(rest) {
                self.complete = true;
                self.bytes[self.end..self.end + PADDING].fill(0);
                return;
            }
        }
    }

    /// Unstuffs up to 32 bytes one by one; false at a marker and at the end of the file.
    fn fill_with_care(&mut self, rest: &[u8]) -> bool {
        let mut at = 0;
        while at < 32 {
            let Some(&byte) = rest.get(at) else { break };
            let mut length = 1;
            if byte == 0xFF {
                match rest.get(at + 1) {
                    Some(0) => length = 2,
                    // A fill byte before a marker (T.81 B.1.1.2), dropped like the 0xFF that ends a cut file.
                    Some(0xFF) => {
                        at += 1;
                        continue;
                    }
                    _ => break,
                }
            }
            self.bytes[self.end] = byte;
            self.end += 1;
            at += length;
        }
        self.next += at;
        at >= 32
    }
}
