//! Compressed strips and tiles as readers of their rows.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use image_origin_container::fax::Fax;
use image_origin_jpeg::{self as jpeg, Colour, DecodeOptions, Inks};

use super::super::{Cancellation, Error, Flaw};
use super::layout::{Compression, Layout, Photometric};
use super::lzw::{self, Lzw};
use super::{damaged, unsupported};

/// What the tables of old LZW take at most, or Deflate's window with its Huffman tables.
const DICTIONARY: u64 = 64 << 10;

/// Rows that a decoded JPEG may have beyond those of its strip: it is decoded in whole MCUs, and with a margin.
const JPEG_MARGIN: u64 = 32;

/// Bytes that the reader of a chunk holds at most, as long as it is read.
pub(super) fn memory(layout: &Layout<'_>) -> u64 {
    let decompressor = match layout.compression {
        // They are decompressed as a whole; `check_jpeg` sees to it that they are no larger than this.
        Compression::Jpeg => layout.row_bytes().saturating_mul(u64::from(layout.chunk_height) + JPEG_MARGIN),
        Compression::None | Compression::PackBits => 0,
        Compression::Deflate => DICTIONARY,
        Compression::Lzw => lzw::MEMORY.max(DICTIONARY),
        Compression::Fax(_) => Fax::memory(layout.chunk_width),
    };
    let subsampled = if layout.is_subsampled() { Subsampled::memory(layout) } else { 0 };
    decompressor.saturating_add(subsampled)
}

/// A reader of the chunk's rows, each of [`Layout::row_bytes`], and what is wrong with them as far as that is known. A JPEG
/// may take `spare` bytes while it is decoded.
///
/// # Errors
/// [`Error::Damaged`] if there is nothing to be read; [`Error::TooLarge`], [`Error::Unsupported`] and
/// [`Error::Cancelled`] of a JPEG.
#[allow(clippy::disallowed_methods, reason = "rows are read one at a time")]
pub(super) fn open<'a>(
    layout: &Layout<'_>,
    chunk: &'a [u8],
    spare: u64,
    cancellation: &Cancellation,
) -> Result<(Box<dyn Read + 'a>, Option<Flaw>), Error> {
    let mut flaw = None;
    let reader: Box<dyn Read + 'a> = match layout.compression {
        Compression::None => Box::new(chunk),
        Compression::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(chunk)),
        Compression::PackBits => Box::new(PackBits { input: chunk, literals: 0, repeated: (0, 0) }),
        // The first code clears the table. It says whether this is a file of the first writers.
        Compression::Lzw if matches!(chunk, [0, second, ..] if second & 1 == 1) => Box::new(OldLzw::new(chunk)),
        Compression::Lzw => Box::new(Lzw::new(chunk)),
        Compression::Jpeg => {
            let image = open_jpeg(layout, chunk, spare, cancellation)?;
            flaw = super::super::jpeg::flaw(&image.warnings);
            Box::new(Cursor::new(image.pixels))
        }
        Compression::Fax(scheme) => Box::new(Fax::new(chunk, scheme, layout.chunk_width)),
    };
    Ok((if layout.is_subsampled() { Box::new(Subsampled::new(layout, reader)) } else { reader }, flaw))
}

/// The pixels of a JPEG, whose tables may stand in a field of their own (TIFF technical note 2).
fn open_jpeg(layout: &Layout<'_>, chunk: &[u8], spare: u64, cancellation: &Cancellation) -> Result<jpeg::Image, Error> {
    const SOI: [u8; 2] = [0xff, 0xd8];
    const EOI: [u8; 2] = [0xff, 0xd9];
    let body = chunk.strip_prefix(&SOI).ok_or_else(|| damaged("a strip or tile is no JPEG"))?;
    let file = match &layout.jpeg_tables {
        None => Cow::Borrowed(chunk),
        Some(tables) => {
            let needs = tables.value.len() as u64 + body.len() as u64;
            if needs > spare {
                return Err(Error::TooLarge { what: "the memory for a JPEG in bytes", needs, allowed: spare });
            }
            Cow::Owned([tables.value.strip_suffix(&EOI).unwrap_or(&tables.value), body].concat())
        }
    };
    check_jpeg(layout, &file)?;
    let copied = if matches!(file, Cow::Owned(_)) { file.len() as u64 } else { 0 };
    let check = || cancellation.go_on();
    let options = DecodeOptions::default()
        .region(jpeg::Rect { x: 0, y: 0, width: layout.chunk_width, height: layout.chunk_height })
        .colour(jpeg_colour(layout)?)
        .inks(Inks::Plain)
        .max_bytes(spare - copied)
        .check(&check);
    Ok(jpeg::decode(&file, &options)?)
}

/// What the components of JPEGs mean, whatever markers these have: like libtiff, by what the TIFF says. But for luma and
/// chroma, samples are taken as they are.
fn jpeg_colour(layout: &Layout<'_>) -> Result<Colour, Error> {
    match (layout.chunk_samples(), layout.photometric) {
        (1, _) => Ok(Colour::Grey),
        (3, Photometric::YCbCr) => Ok(Colour::YCbCr),
        (_, Photometric::YCbCr) => Err(unsupported("JPEGs of luma and chroma with further samples")),
        (3, _) => Ok(Colour::Rgb),
        (4, _) => Ok(Colour::Cmyk),
        (count, _) => Err(unsupported(&format!("JPEGs of {count} components"))),
    }
}

/// Holds the header of a JPEG against its strip or tile before anything is decoded. Only a strip may be longer than the
/// rows that it has to give, since some writers fill up the last one; libtiff reads these alike.
fn check_jpeg(layout: &Layout<'_>, file: &[u8]) -> Result<(), Error> {
    let header = jpeg::read_header(file)?;
    header.check_supported()?;
    if header.components.len() != layout.chunk_samples() {
        return Err(damaged("a JPEG inside has other components than its strip or tile"));
    }
    if header.width != layout.chunk_width || (layout.tiled && header.height > layout.chunk_height) {
        let (inner, outer) = ((header.width, header.height), (layout.chunk_width, layout.chunk_height));
        let reason = format!("a JPEG inside has {inner:?} pixels, and its strip or tile {outer:?}");
        return Err(damaged(reason));
    }
    Ok(())
}

/// Runs of bytes (TIFF 6.0, section 9).
struct PackBits<'a> {
    input: &'a [u8],
    /// Bytes that are still to be copied.
    literals: usize,
    /// A byte, and how often it is still to be repeated.
    repeated: (u8, usize),
}

impl Read for PackBits<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.literals == 0 && self.repeated.1 == 0 {
            match self.input {
                [0x80, rest @ ..] => self.input = rest,
                [count @ 0..=0x7f, rest @ ..] => (self.input, self.literals) = (rest, usize::from(*count) + 1),
                [count, byte, rest @ ..] => (self.input, self.repeated) = (rest, (*byte, 257 - usize::from(*count))),
                _ => return Ok(0),
            }
        }
        if self.literals > 0 {
            let length = self.literals.min(out.len());
            let read = (&self.input[..self.input.len().min(length)]).read(out)?;
            self.input = &self.input[read..];
            // What is cut off is not waited for.
            self.literals = if self.input.is_empty() { 0 } else { self.literals - read };
            return Ok(read);
        }
        let length = self.repeated.1.min(out.len());
        out[..length].fill(self.repeated.0);
        self.repeated.1 -= length;
        Ok(length)
    }
}

/// LZW as the first writers had it: the low bits first, and longer codes one code later than TIFF 6.0 has them.
struct OldLzw<'a> {
    decoder: weezl::decode::Decoder,
    input: &'a [u8],
    /// Whether there was a code that has no meaning, behind which others would mean something else.
    is_damaged: bool,
}

impl<'a> OldLzw<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { decoder: weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8), input, is_damaged: false }
    }
}

impl Read for OldLzw<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.is_damaged {
                return Err(std::io::Error::other(weezl::LzwError::InvalidCode));
            }
            let result = self.decoder.decode_bytes(self.input, out);
            self.input = &self.input[result.consumed_in..];
            self.is_damaged = result.status.is_err();
            if result.consumed_out > 0 {
                return Ok(result.consumed_out);
            }
            let ended = matches!(result.status, Ok(weezl::LzwStatus::Done | weezl::LzwStatus::NoProgress));
            if !self.is_damaged && (ended || result.consumed_in == 0) {
                return Ok(0);
            }
        }
    }
}

/// Luma and chroma, of which chroma has less resolution, as samples of equal resolution. What is stored is units of
/// several lumas and one sample of each chroma (TIFF 6.0, section 21).
struct Subsampled<'a> {
    units: Box<dyn Read + 'a>,
    across: usize,
    down: usize,
    /// The units of as many rows as share chroma, and those rows.
    stored: Vec<u8>,
    rows: Vec<u8>,
    row_bytes: usize,
    /// Bytes of the rows that have been given out.
    given: usize,
}

impl<'a> Subsampled<'a> {
    fn new(layout: &Layout<'_>, units: Box<dyn Read + 'a>) -> Self {
        let (across, down) = (layout.subsampling.0 as usize, layout.subsampling.1 as usize);
        let stored = vec![0; (layout.chunk_width as usize).div_ceil(across) * (across * down + 2)];
        let row_bytes = layout.row_bytes() as usize;
        let rows = vec![0; row_bytes * down];
        Self { units, across, down, stored, given: rows.len(), rows, row_bytes }
    }

    fn memory(layout: &Layout<'_>) -> u64 {
        // Units hold no more than twice the samples of their rows: a row of pixels may be the first of four.
        layout.row_bytes().saturating_mul(u64::from(layout.subsampling.1) * 2 + 8)
    }

    fn expand(&mut self) {
        let unit_bytes = self.across * self.down + 2;
        for (y, row) in self.rows.chunks_exact_mut(self.row_bytes).enumerate() {
            for (pixels, unit) in row.chunks_mut(3 * self.across).zip(self.stored.chunks_exact(unit_bytes)) {
                let (lumas, chroma) = unit.split_at(unit_bytes - 2);
                for (pixel, luma) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(&lumas[y * self.across..]) {
                    *pixel = [*luma, chroma[0], chroma[1]];
                }
            }
        }
    }
}

impl Read for Subsampled<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.rows.len() {
            self.units.read_exact(&mut self.stored)?;
            self.expand();
            self.given = 0;
        }
        let read = (&self.rows[self.given..]).read(out)?;
        self.given += read;
        Ok(read)
    }
}
