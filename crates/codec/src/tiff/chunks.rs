//! Reads rows of raw samples from compressed strips and tiles ("chunks").

use std::io::{ErrorKind, Read};
use std::ops::Range;

use super::super::shrink::Window;
use super::super::{Cancellation, Error, Flaw};
use super::layout::{Compression, Kind, Layout, Predictor};
use super::{damaged, decompress, samples};

/// The memory of a chunk in bytes besides its decompressor.
const CHUNK: u64 = 96;

/// The maximum total size of the compressed chunks of a picture as a multiple of the file length, in addition to the
/// bytes of its samples. Writers store equal tiles once, so chunks may share bytes; but each is decompressed
/// separately.
const MAX_SHARING: u64 = 16;

/// A chunk whose rows are being read, until it ends or fails.
type Chunk<'a> = Option<Box<dyn Read + 'a>>;

/// The needed columns of a row.
pub(super) struct Row<'r> {
    /// The interleaved samples.
    pub(super) samples: RowSamples<'r>,
    /// The missing pixels, whose samples are undefined.
    pub(super) missing: &'r [Range<usize>],
}

/// The samples of a row: bytes where they are stored as bytes in one plane, else words.
pub(super) enum RowSamples<'r> {
    Bytes(&'r [u8]),
    Words(&'r [u16]),
}

/// The rows of a picture, read from one row of chunks ("band") after the other.
pub(super) struct Rows<'a> {
    bytes: &'a [u8],
    layout: &'a Layout<'a>,
    window: &'a Window,
    cancellation: &'a Cancellation,
    /// The memory that embedded JPEGs may use for decoding.
    spare: u64,
    /// The number of compressed bytes that may still be opened.
    openable: u64,
    /// The chunks of the band, by plane and then from left to right.
    chunks: Vec<Vec<Chunk<'a>>>,
    stored: Vec<u8>,
    scratch: Vec<u8>,
    /// The row, in one of these two buffers, as [`stores_bytes`] decides.
    bytes_of_row: Vec<u8>,
    row: Vec<u16>,
    missing: Vec<Range<usize>>,
    /// Whether any data was read.
    pub(super) has_data: bool,
    /// The first flaw, and its description.
    pub(super) flaw: Option<(Flaw, String)>,
}

impl<'a> Rows<'a> {
    /// Creates a reader of rows from `bytes`, the file with its bits in the right order.
    pub(super) fn new(
        bytes: &'a [u8],
        layout: &'a Layout<'a>,
        window: &'a Window,
        spare: u64,
        cancellation: &'a Cancellation,
    ) -> Self {
        let stored = vec![0; layout.row_bytes() as usize];
        Self {
            bytes,
            layout,
            window,
            cancellation,
            spare,
            openable: layout.sample_bytes().saturating_add((bytes.len() as u64).saturating_mul(MAX_SHARING)),
            chunks: Vec::new(),
            stored,
            scratch: Vec::new(),
            bytes_of_row: Vec::new(),
            row: Vec::new(),
            missing: Vec::new(),
            has_data: false,
            flaw: None,
        }
    }

    /// The memory in bytes, besides that for decoding a JPEG.
    pub(super) fn memory(layout: &Layout<'_>, window: &Window) -> u64 {
        let columns = columns(layout, window).len() as u64;
        let held = decompress::memory(layout).saturating_add(CHUNK);
        let reversed = if layout.reversed { layout.file_bytes() } else { 0 };
        // A row as bytes twice, and as samples before and after conversion.
        let rows = layout.row_bytes().saturating_mul(2 + 8 * 4).saturating_mul(columns);
        let chunks = columns.saturating_mul(layout.planes() as u64);
        chunks.saturating_mul(held).saturating_add(rows).saturating_add(reversed)
    }

    /// Opens a row of chunks.
    ///
    /// # Errors
    /// As [`decompress::open`], except for damage: the pixels of such a chunk are missing. [`Error::Damaged`] if chunks
    /// share bytes so often that the cost of reading is unrelated to the length of the file.
    pub(super) fn open_band(&mut self, down: u32) -> Result<(), Error> {
        self.chunks.clear();
        for plane in 0..self.layout.planes() {
            let mut chunks = Vec::with_capacity(columns(self.layout, self.window).len());
            for across in columns(self.layout, self.window) {
                self.cancellation.check()?;
                let chunk = match self.layout.chunk(self.bytes, plane, down, across) {
                    Ok(chunk) => chunk,
                    Err(reason) => {
                        self.flaw.get_or_insert((Flaw::CutShort, reason.to_owned()));
                        chunks.push(None);
                        continue;
                    }
                };
                // Of uncompressed chunks, only the bytes of the needed rows are read.
                if self.layout.compression != Compression::None {
                    let rest = self.openable.checked_sub(chunk.len() as u64);
                    self.openable =
                        rest.ok_or_else(|| damaged("its strips or tiles use the same bytes over and over"))?;
                }
                chunks.push(match decompress::open(self.layout, chunk, self.spare, self.cancellation) {
                    Ok((reader, flaw)) => {
                        let of_jpeg = flaw.map(|flaw| (flaw, "a JPEG inside is damaged".to_owned()));
                        self.flaw = self.flaw.take().or(of_jpeg);
                        Some(reader)
                    }
                    Err(Error::Damaged { reason, .. }) => {
                        self.flaw.get_or_insert((Flaw::Damaged, reason));
                        None
                    }
                    Err(error) => return Err(error),
                });
            }
            self.chunks.push(chunks);
        }
        Ok(())
    }

    /// Reads the next row of the band.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn next_row(&mut self) -> Result<Row<'_>, Error> {
        let Self { layout, window, stored, bytes_of_row, row, missing, .. } = self;
        let (samples, planes) = (layout.samples, self.chunks.len());
        let (length, stores_bytes) = (window.width() as usize * samples, stores_bytes(layout));
        bytes_of_row.resize(if stores_bytes { length } else { 0 }, 0);
        row.resize(if stores_bytes { 0 } else { length }, 0);
        missing.clear();
        for (plane, chunks) in self.chunks.iter_mut().enumerate() {
            let mut left = columns(layout, window).start * layout.chunk_width;
            for chunk in chunks {
                self.cancellation.check()?;
                let right = left.saturating_add(layout.chunk_width).min(window.right);
                let first = left.max(window.left);
                let columns = (first - window.left) as usize..(right - window.left) as usize;
                let Some(reader) = chunk else {
                    missing.push(columns);
                    left = right;
                    continue;
                };
                let (filled, flaw) = read(reader, stored);
                if flaw.is_some() {
                    self.flaw = self.flaw.take().or(flaw);
                    *chunk = None;
                }
                self.has_data |= filled > 0;
                let known = restore(layout, stored, filled, &mut self.scratch);
                let there = left.saturating_add(known).clamp(first, right);
                if there < right {
                    missing.push((there - window.left) as usize..columns.end);
                }
                let skipped = (first - left) as usize * layout.chunk_samples();
                let to = columns.start * samples..columns.end * samples;
                if stores_bytes {
                    let length = to.len();
                    bytes_of_row[to].copy_from_slice(&stored[skipped..skipped + length]);
                } else {
                    let step = if planes > 1 { samples } else { 1 };
                    samples::unpack(layout, stored, skipped, row[to].iter_mut().skip(plane).step_by(step));
                }
                left = right;
            }
        }
        let samples = if stores_bytes { RowSamples::Bytes(bytes_of_row) } else { RowSamples::Words(row) };
        Ok(Row { samples, missing })
    }
}

/// Whether the samples of a pixel are stored as consecutive bytes.
fn stores_bytes(layout: &Layout<'_>) -> bool {
    layout.kind == Kind::Unsigned && layout.bits == 8 && layout.planes() == 1
}

/// The chunks that the window touches, from left to right.
fn columns(layout: &Layout<'_>, window: &Window) -> Range<u32> {
    window.left / layout.chunk_width..(window.right - 1) / layout.chunk_width + 1
}

/// Fills the row; returns the number of bytes, and the flaw if that is not all.
fn read(reader: &mut dyn Read, row: &mut [u8]) -> (usize, Option<(Flaw, String)>) {
    let mut filled = 0;
    while filled < row.len() {
        match reader.read(&mut row[filled..]) {
            Ok(0) => return (filled, Some((Flaw::CutShort, "a strip or tile breaks off".to_owned()))),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return (filled, Some((Flaw::CutShort, "a strip or tile breaks off".to_owned())));
            }
            Err(error) => return (filled, Some((Flaw::Damaged, format!("a strip or tile is damaged: {error}")))),
        }
    }
    (filled, None)
}

/// Reverses the predictor of a row of which `filled` bytes were read, and returns the number of valid pixels.
fn restore(layout: &Layout<'_>, row: &mut [u8], filled: usize, scratch: &mut Vec<u8>) -> u32 {
    let known = match layout.predictor {
        // Its bytes are spread over the whole row.
        Predictor::FloatingPoint if filled < row.len() => 0,
        _ => filled,
    };
    samples::restore(layout, &mut row[..known], scratch);
    (known as u64 * 8 / (u64::from(layout.bits) * layout.chunk_samples() as u64)) as u32
}
