//! Reads the rows of pictures whose samples are returned as they are stored, whole bytes each: inflates them, and reverses
//! their filters several rows at a time.

use super::super::{Cancellation, Error, Flaw, Format};
use super::chunks::{Chunk, chunks};
use super::unfilter::{FILTERS, Unfilter};

/// The distance that matches may reach back (RFC 1951, section 2), which the buffer keeps.
const WINDOW: usize = 32 << 10;

/// The number of bytes that are inflated at once, at least. The cancellation is checked as often.
const PIECE: usize = 64 << 10;

/// The number of compressed bytes that are inflated at once, at most. If they are damaged, nothing of them is shown.
const STEP: usize = 8 << 10;

/// The memory of the decompressor with its tables, at most.
const DECOMPRESSOR: u64 = 64 << 10;

/// The rows of a picture, or of one pass after the other.
pub(super) struct Rows<'a> {
    chunks: Box<dyn Iterator<Item = Chunk<'a>> + 'a>,
    /// The chunk that is being read, and what is left of it.
    chunk: Option<Chunk<'a>>,
    input: &'a [u8],
    decompressor: Box<fdeflate::Decompressor>,
    /// The inflated bytes, of which some have been used.
    buffer: Vec<u8>,
    used: usize,
    filled: usize,
    unfilter: Unfilter,
    /// The number of rows that are still to be read.
    left: usize,
    /// The rows at hand that have not been returned.
    ready: std::ops::Range<usize>,
    /// What it means that there is no input after this.
    after: Option<Flaw>,
    /// What it means that there are no more bytes than these.
    end: Option<Flaw>,
    cancellation: &'a Cancellation,
}

/// The size of a picture or pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The number of bytes of a pixel, if the samples are returned as they are stored, whole bytes each.
pub(super) fn pixel_bytes(info: &::png::Info<'_>) -> Option<usize> {
    let is_stored = info.color_type != ::png::ColorType::Indexed && info.trns.is_none();
    let depth = match info.bit_depth {
        ::png::BitDepth::Eight => 1,
        ::png::BitDepth::Sixteen => 2,
        _ => return None,
    };
    is_stored.then(|| info.color_type.samples() * depth)
}

impl<'a> Rows<'a> {
    /// Opens the pixels of a file, the largest of whose passes has this width.
    pub(super) fn new(file: &'a [u8], width: u32, pixel: usize, cancellation: &'a Cancellation) -> Self {
        let unfilter = Unfilter::new(width as usize, pixel);
        let needed = unfilter.filtered_len();
        let mut decompressor = Box::new(fdeflate::Decompressor::new());
        decompressor.ignore_adler32();
        Self {
            chunks: Box::new(chunks(file).skip_while(|chunk| &chunk.name != b"IDAT")),
            chunk: None,
            input: &[],
            decompressor,
            buffer: vec![0; WINDOW + needed + 4 * PIECE],
            used: 0,
            filled: 0,
            unfilter,
            left: 0,
            ready: 0..0,
            after: None,
            end: None,
            cancellation,
        }
    }

    /// The memory in bytes for pictures of this width.
    pub(super) fn memory(width: u32, pixel: usize) -> u64 {
        (WINDOW + 4 * PIECE) as u64 + DECOMPRESSOR + Unfilter::memory(width.into(), pixel as u64)
    }

    /// Begins a picture or pass, whose first row has none above it.
    pub(super) fn begin(&mut self, size: Size) {
        self.unfilter.begin(size.width as usize);
        self.left = size.height as usize;
        self.ready = 0..0;
    }

    /// The next row. After the last of them, there is none.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn next_row(&mut self) -> Result<Result<&[u8], Flaw>, Error> {
        if self.ready.is_empty()
            && let Err(flaw) = self.read()?
        {
            return Ok(Err(flaw));
        }
        let row = self.ready.start;
        self.ready.start += 1;
        Ok(Ok(self.unfilter.row(row)))
    }

    /// Reads as many rows as are processed at once.
    fn read(&mut self) -> Result<Result<(), Flaw>, Error> {
        let line = self.unfilter.line() + 1;
        let wanted = self.unfilter.rows_at_once().min(self.left).max(1);
        while self.filled - self.used < wanted * line && self.end.is_none() {
            self.cancellation.check()?;
            self.inflate();
        }
        let count = ((self.filled - self.used) / line).min(wanted);
        let filtered = &self.buffer[self.used..self.used + count * line];
        let known = filtered.chunks_exact(line).take_while(|row| row[0] < FILTERS).count();
        if known == 0 {
            return Ok(Err(if count > 0 { Flaw::Damaged } else { self.end.unwrap_or(Flaw::Damaged) }));
        }
        self.unfilter.reverse(&filtered[..known * line]);
        self.used += known * line;
        self.left = self.left.saturating_sub(known);
        self.ready = 0..known;
        Ok(Ok(()))
    }

    /// Inflates until the buffer is full or the input at hand runs out.
    fn inflate(&mut self) {
        if self.buffer.len() - self.filled < PIECE {
            let keep = self.used.min(self.filled.saturating_sub(WINDOW));
            self.buffer.copy_within(keep..self.filled, 0);
            (self.used, self.filled) = (self.used - keep, self.filled - keep);
        }
        if self.input.is_empty() && self.after.is_none() {
            self.after = self.next_input();
        }
        let input = &self.input[..self.input.len().min(STEP)];
        match self.decompressor.read(input, &mut self.buffer, self.filled, false) {
            Ok((taken, written)) => {
                self.input = &self.input[taken..];
                self.filled += written;
                if self.decompressor.is_done() {
                    self.end = Some(Flaw::Damaged);
                } else if written == 0 && self.input.is_empty() {
                    // Until now it may have held matches.
                    self.end = self.after;
                }
            }
            Err(_) => self.end = Some(Flaw::Damaged),
        }
    }

    /// Goes on to the next chunk with data. If there is none, returns what that means.
    fn next_input(&mut self) -> Option<Flaw> {
        while self.input.is_empty() {
            match self.chunk.take() {
                Some(chunk) if !chunk.is_sound() => return Some(chunk.flaw()),
                _ => {}
            }
            match self.chunks.next() {
                None => return Some(Flaw::CutShort),
                Some(chunk) if &chunk.name != b"IDAT" => return Some(Flaw::Damaged),
                Some(chunk) => {
                    self.input = chunk.content;
                    self.chunk = Some(chunk);
                }
            }
        }
        None
    }
}

/// The error for a picture without any row.
pub(super) fn no_rows(flaw: Flaw) -> Error {
    let reason = match flaw {
        Flaw::CutShort => "the file ends before the first row",
        Flaw::Damaged | Flaw::TextMissing => "the first row cannot be decompressed",
    };
    Error::Damaged { format: Format::Png, reason: reason.to_owned() }
}
