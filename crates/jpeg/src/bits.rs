//! A bit reader for entropy-coded data: a window of unstuffed bytes, and a 64-bit reservoir.
//!
//! [`Window`] removes the stuffed zeros (T.81 B.1.1.5) in advance, up to the next marker, so that the reservoir is
//! refilled eight bytes at a time without inspecting them. The data is followed by zeros; reading them means that the
//! data has ended, which [`Window::is_overrun`] reports.

use super::segments::{find_marker, has_ff, is_restart};

/// An upper bound for the size of an MCU in bytes: ten blocks of 64 coefficients, 32 bits each (T.81 B.2.3, F.1.2).
const MAX_MCU_BYTES: usize = 10 * 64 * 4;
/// The number of zeros after the data: an MCU may start at its very end, and a refill reads eight bytes at once.
const PADDING: usize = MAX_MCU_BYTES + 64;
/// The number of bytes unstuffed at a time, small enough for the first-level cache together with the tables.
const CAPACITY: usize = 16 * 1024;

/// A position in a window, which is kept while the window moves on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The offset in the window of the next byte to refill from.
    pos: usize,
    /// Bits that were read, the next one on top. Those below `count` are correct but not counted yet.
    reservoir: u64,
    count: u32,
    corrupt: bool,
}

/// A bit reader. Reading does not check for the end of the data: [`Window`] guarantees that an MCU fits.
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
            // Unreachable as long as the window keeps its guarantee; zeros are equivalent to the padding.
            place.count |= 56;
            return;
        };
        place.reservoir |= u64::from_be_bytes(next) >> place.count;
        place.pos += ((63 - place.count) >> 3) as usize;
        place.count |= 56;
    }

    /// The next bits, left-aligned; valid are those not consumed since the last refill.
    #[inline(always)]
    pub(super) const fn ahead(&self) -> u64 {
        self.place.reservoir
    }

    /// The next `N` bits as a number.
    #[inline(always)]
    pub(super) const fn peek<const N: u32>(&self) -> usize {
        (self.place.reservoir >> (64 - N)) as usize
    }

    /// Consumes `n` (at most 63) bits.
    #[inline(always)]
    pub(super) const fn consume(&mut self, n: u32) {
        self.place.reservoir <<= n & 63;
        self.place.count = self.place.count.wrapping_sub(n);
    }

    /// Saves the position for [`rewound`](Self::rewound), which is valid until the next refill.
    #[inline(always)]
    pub(super) const fn mark(&self) -> Mark {
        Mark { reservoir: self.place.reservoir, count: self.place.count }
    }

    /// A reader at the saved position.
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

    /// Records that an undefined code occurred.
    #[inline(always)]
    pub(super) const fn note_corrupt(&mut self, corrupt: bool) {
        self.place.corrupt |= corrupt;
    }

    /// The position, for continuing later.
    #[inline(always)]
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Whether the window must be refilled before the next MCU.
    #[inline(always)]
    pub(super) const fn is_beyond(&self, limit: usize) -> bool {
        self.place.pos > limit
    }
}

/// A saved position, small enough for registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    reservoir: u64,
    count: u32,
}

/// The bytes of a window, and padding.
pub(super) type WindowBytes = [u8; CAPACITY + PADDING];

/// The unstuffed bytes of a restart interval, a part at a time.
#[derive(Debug)]
pub(super) struct Window<'a> {
    data: &'a [u8],
    /// The next byte of `data` to be unstuffed; at a marker, its 0xFF.
    next: usize,
    bytes: Box<WindowBytes>,
    /// The number of valid bytes in the window.
    end: usize,
    /// Whether there are no more bytes before the next marker or the end of the file.
    complete: bool,
    place: Place,
    corrupt: bool,
    /// How often the window has been filled.
    filling: usize,
    /// The number of unstuffed bytes in front of the window, since the start of the scan or the last restart.
    passed: usize,
}

impl<'a> Window<'a> {
    /// The memory of a window in bytes.
    pub(super) const BYTES: usize = size_of::<WindowBytes>();

    /// Starts at the first byte of entropy-coded data.
    pub(super) fn new(data: &'a [u8], start: usize) -> Self {
        Self::behind(data, start, 0)
    }

    /// Starts inside of entropy-coded data, behind a number of bytes without stuffing.
    pub(super) fn behind(data: &'a [u8], start: usize, passed: usize) -> Self {
        let mut window = Self {
            data,
            next: start,
            bytes: Box::new([0; CAPACITY + PADDING]),
            end: 0,
            complete: false,
            place: Place::default(),
            corrupt: false,
            filling: 0,
            passed,
        };
        window.fill();
        window
    }

    /// A reader at the current position, and the limit to check before each MCU with [`Bits::is_beyond`].
    #[inline(always)]
    pub(super) fn reader(&self) -> (Bits<'_>, usize) {
        let limit = if self.complete { self.end } else { self.end.saturating_sub(MAX_MCU_BYTES + 16) };
        (Bits { bytes: &*self.bytes, place: self.place }, limit)
    }

    /// Stores the position of a reader.
    #[inline(always)]
    pub(super) const fn keep(&mut self, place: Place) {
        self.place = place;
        self.corrupt |= place.corrupt;
    }

    /// Makes sure that an MCU can be read; false at the end of the data.
    #[inline(always)]
    pub(super) fn has_more(&mut self) -> bool {
        let (bits, limit) = self.reader();
        if !self.complete && bits.is_beyond(limit) {
            self.fill();
        }
        !self.is_overrun()
    }

    /// The bytes; those behind the data are padding.
    pub(super) const fn bytes(&self) -> &WindowBytes {
        &self.bytes
    }

    /// How often the window has been filled.
    pub(super) const fn filling(&self) -> usize {
        self.filling
    }

    /// The offset in bits of the next bit.
    const fn position(&self) -> usize {
        self.place.pos * 8 - self.place.count as usize
    }

    /// The number of bits without stuffing before the next one, since the start of the scan or the last restart.
    pub(super) const fn bits_passed(&self) -> usize {
        self.passed * 8 + self.position()
    }

    /// The offset in bits of the next bit, and one before which an MCU can be read; the same twice if the end of the data is in
    /// the window.
    pub(super) const fn searchable(&self) -> (u32, u32) {
        let start = self.position();
        let end = if self.complete { 0 } else { self.end.saturating_sub(MAX_MCU_BYTES + 16) * 8 };
        (start as u32, if end > start { end as u32 } else { start as u32 })
    }

    /// A reader from an offset in bits on, which is valid for 49 of them.
    #[inline(always)]
    pub(super) fn reader_at(&self, bit: u32) -> Bits<'_> {
        // Seven bytes, so that the count is below 64.
        let reservoir = Self::word(&self.bytes, bit) & (!0xff << (bit & 7));
        let place = Place { pos: (bit as usize >> 3) + 7, reservoir, count: 56 - (bit & 7), corrupt: false };
        Bits { bytes: &*self.bytes, place }
    }

    /// Goes to an offset in bits.
    pub(super) fn move_to(&mut self, bit: u32) {
        self.place = Place { corrupt: self.place.corrupt, ..self.reader_at(bit).place };
    }

    /// The bits from an offset on, the first highest: at least 57.
    #[inline(always)]
    pub(super) fn word(bytes: &WindowBytes, bit: u32) -> u64 {
        // All data is in front of the padding.
        let start = (bit >> 3) as usize % CAPACITY;
        let bytes = bytes[start..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        bytes << (bit & 7)
    }

    /// Whether the end of the data is in the window.
    pub(super) const fn has_end(&self) -> bool {
        self.complete
    }

    /// Whether bits after the end of the data have been consumed.
    pub(super) const fn is_overrun(&self) -> bool {
        self.complete && self.place.pos * 8 > self.end * 8 + self.place.count as usize
    }

    /// The offset up to which the file has been read; only RSTn markers have been passed.
    pub(super) const fn source_position(&self) -> usize {
        self.next
    }

    /// Whether an undefined code occurred.
    pub(super) const fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    /// Forgets that undefined codes occurred.
    pub(super) const fn forget_corruption(&mut self) {
        self.corrupt = false;
        self.place.corrupt = false;
    }

    /// Records that an undefined code occurred.
    pub(super) const fn note_corruption(&mut self, corrupt: bool) {
        self.corrupt |= corrupt;
    }

    /// The offset at which the scan continues or ends: a marker, or the end of the file.
    fn skip_to_marker(&mut self) -> usize {
        if !self.complete {
            self.next = find_marker(self.data, self.next).unwrap_or(self.data.len());
            self.complete = true;
        }
        self.next
    }

    /// Starts the restart interval with index `expected` (modulo 8). False if there is no data for it.
    ///
    /// A marker that comes too early is kept for later and leaves this interval empty; one that comes too late is
    /// skipped: the index distinguishes the cases (T.81 F.2.2.5 leaves recovery to the decoder).
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
            self.passed = 0;
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

    /// Moves the remaining bytes to the front and unstuffs more.
    #[cold]
    #[inline(never)]
    fn fill(&mut self) {
        self.filling += 1;
        let bit = self.position();
        let start = (bit >> 3).min(self.end);
        self.bytes.copy_within(start..self.end, 0);
        self.end -= start;
        self.passed += start;
        self.unstuff();
        self.move_to((bit - start * 8) as u32);
    }

    /// Unstuffs bytes until the window is full or there are no more.
    fn unstuff(&mut self) {
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
                    // A fill byte before a marker (T.81 B.1.1.2), dropped like the 0xFF at the end of a truncated file.
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

/// The number of bytes of entropy-coded data without stuffing.
///
/// # Errors
/// The offset of the first 0xFF that is not stuffed.
pub(super) fn unstuffed_length(data: &[u8]) -> Result<usize, usize> {
    let (mut at, mut stuffed) = (0, 0);
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        let chunk = &rest[..rest.len().min(32)];
        if !has_ff(chunk) {
            at += chunk.len();
            continue;
        }
        let plain = chunk.iter().take_while(|byte| **byte != 0xFF).count();
        if rest.get(plain + 1) != Some(&0) {
            return Err(at + plain);
        }
        at += plain + 2;
        stuffed += 1;
    }
    Ok(at - stuffed)
}
