//! Rows of raw samples out of compressed strips and tiles.

use std::io::Read;
use std::ops::ControlFlow;

use super::super::{Error, Work, jpeg};
use super::layout::{Compression, Layout, Photometric};
use super::{Window, damaged};

/// What a decompressor holds at most: LZW's tables, or Deflate's window with its Huffman tables.
const DECOMPRESSOR: u64 = 64 << 10;

/// Rows that a decoded JPEG may have beyond those of its strip: it is decoded in whole MCUs, and with a margin.
const JPEG_MARGIN: u64 = 32;

/// What a band holds for each chunk beside its decompressor.
const CHUNK: u64 = 64;

/// One row of chunks that is being read from top to bottom, as far as the window needs it.
pub(super) struct Band<'a, 'w> {
    layout: &'w Layout<'a>,
    /// By plane, and then from left to right.
    chunks: Vec<Vec<Box<dyn Read + 'a>>>,
    /// Columns of the first chunk's left edge.
    origin: u32,
    window: (u32, u32),
    bytes: Vec<u8>,
    row: Vec<u16>,
}

impl<'a, 'w> Band<'a, 'w> {
    /// `spare` is what JPEGs inside may take.
    pub(super) fn open(
        bytes: &'a [u8],
        layout: &'w Layout<'a>,
        down: u32,
        window: &Window,
        spare: u64,
        work: &Work,
    ) -> Result<Self, Error> {
        let across = columns(layout, window);
        let planes = if layout.planar { layout.samples } else { 1 };
        let mut chunks = Vec::with_capacity(planes);
        for plane in 0..planes {
            let open = |across| {
                work.check()?;
                open(layout, layout.chunk(bytes, plane, down, across)?, spare, work)
            };
            chunks.push(across.clone().map(open).collect::<Result<Vec<_>, Error>>()?);
        }
        Ok(Self {
            layout,
            chunks,
            origin: across.start * layout.chunk_width,
            window: (window.left, window.right),
            bytes: vec![0; layout.row_bytes() as usize],
            row: Vec::new(),
        })
    }

    /// Bytes that a band holds.
    pub(super) fn memory(layout: &Layout<'_>, window: &Window) -> u64 {
        let planes = if layout.planar { layout.samples as u64 } else { 1 };
        let chunks = columns(layout, window).len() as u64 * planes;
        let decompressor = match layout.compression {
            // They are decompressed as a whole; `check_jpeg` sees to it that they are no larger than this.
            Compression::Jpeg => layout.row_bytes().saturating_mul(u64::from(layout.chunk_height) + JPEG_MARGIN),
            Compression::None | Compression::PackBits => 0,
            Compression::Lzw | Compression::Deflate => DECOMPRESSOR,
        };
        let held = decompressor.saturating_add(CHUNK);
        // A row in bytes, and as samples before and after they are converted.
        let rows = layout.row_bytes().saturating_mul(1 + 8 * 4).saturating_mul(columns(layout, window).len() as u64);
        chunks.saturating_mul(held).saturating_add(rows)
    }

    /// The samples of the window's columns, pixel by pixel.
    pub(super) fn next_row(&mut self, work: &Work) -> Result<&[u16], Error> {
        let Self { layout, chunks, origin, window, bytes, row } = self;
        let (samples, planes) = (layout.samples, chunks.len());
        row.clear();
        row.resize((window.1 - window.0) as usize * samples, 0);
        for (plane, chunks) in chunks.iter_mut().enumerate() {
            let mut left = *origin;
            for chunk in chunks {
                work.check()?;
                chunk.read_exact(bytes).map_err(|error| damaged(format!("a strip or tile breaks off: {error}")))?;
                if layout.differences {
                    add_up(layout, bytes);
                }
                let right = left.saturating_add(layout.chunk_width).min(window.1);
                let first = left.max(window.0);
                let skipped = (first - left) as usize;
                let to = &mut row[(first - window.0) as usize * samples..(right - window.0) as usize * samples];
                let step = if planes > 1 { samples } else { 1 };
                let to = to.iter_mut().skip(plane).step_by(step);
                unpack(layout, bytes, skipped * layout.chunk_samples(), to);
                left = right;
            }
        }
        Ok(row)
    }
}

/// The chunks that the window touches, from left to right.
fn columns(layout: &Layout<'_>, window: &Window) -> std::ops::Range<u32> {
    window.left / layout.chunk_width..(window.right - 1) / layout.chunk_width + 1
}

#[allow(clippy::disallowed_methods, reason = "rows are read one at a time")]
fn open<'a>(layout: &Layout<'a>, chunk: &'a [u8], spare: u64, work: &Work) -> Result<Box<dyn Read + 'a>, Error> {
    Ok(match layout.compression {
        Compression::None => Box::new(chunk),
        Compression::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(chunk)),
        Compression::PackBits => Box::new(PackBits { input: chunk, literals: 0, repeated: (0, 0) }),
        Compression::Lzw => {
            let decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            Box::new(Lzw { decoder, input: chunk })
        }
        Compression::Jpeg => Box::new(std::io::Cursor::new(open_jpeg(layout, chunk, spare, work)?)),
    })
}

/// The samples of a JPEG, whose tables may stand in a field of their own (TIFF technical note 2). What colours it has is
/// said by the TIFF, so it is told to our decoder in the words of Adobe.
fn open_jpeg(layout: &Layout<'_>, chunk: &[u8], spare: u64, work: &Work) -> Result<Vec<u8>, Error> {
    const SOI: [u8; 2] = [0xff, 0xd8];
    const EOI: [u8; 2] = [0xff, 0xd9];
    let tables = layout.jpeg_tables.as_ref().map_or(SOI.as_slice(), |field| &field.value);
    let adobe = |transform: u8| [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
    let colours = match layout.photometric {
        Photometric::Rgb if !layout.planar => adobe(0),
        Photometric::YCbCr => adobe(1),
        _ => Vec::new(),
    };
    let body = chunk.strip_prefix(&SOI).ok_or_else(|| damaged("a strip or tile is no JPEG"))?;
    let file = [tables.strip_suffix(&EOI).unwrap_or(tables), &colours, body].concat();
    check_jpeg(layout, &file)?;
    let check = || if work.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let region = Some(jpeg::Rect { x: 0, y: 0, width: layout.chunk_width, height: layout.chunk_height });
    let options =
        jpeg::Options { region, inks: jpeg::Inks::Plain, max_bytes: spare, check: &check, ..jpeg::Options::default() };
    Ok(jpeg::decode(&file, &options)?.pixels)
}

/// Holds the header of a JPEG against its strip or tile before anything is decoded. Only a strip may be longer than the
/// rows that it has to give, since some writers fill up the last one; libtiff reads these alike.
fn check_jpeg(layout: &Layout<'_>, file: &[u8]) -> Result<(), Error> {
    let header = jpeg::read_header(file)?;
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

/// Turns differences into samples (TIFF 6.0, section 14).
fn add_up(layout: &Layout<'_>, row: &mut [u8]) {
    let step = layout.chunk_samples();
    if layout.bits == 8 {
        for index in step..row.len() {
            row[index] = row[index].wrapping_add(row[index - step]);
        }
        return;
    }
    let little = layout.little_endian();
    let read = |bytes| if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    let write = |sample: u16| if little { sample.to_le_bytes() } else { sample.to_be_bytes() };
    let samples = row.as_chunks_mut::<2>().0;
    for index in step..samples.len() {
        samples[index] = write(read(samples[index]).wrapping_add(read(samples[index - step])));
    }
}

/// Writes the samples from `skipped` on into `to`, as many as it takes.
fn unpack<'t>(layout: &Layout<'_>, row: &[u8], skipped: usize, to: impl Iterator<Item = &'t mut u16>) {
    match (layout.bits, layout.little_endian() && layout.compression != Compression::Jpeg) {
        (16, true) => fill(to, row.as_chunks().0.iter().skip(skipped).map(|bytes| u16::from_le_bytes(*bytes))),
        (16, false) => fill(to, row.as_chunks().0.iter().skip(skipped).map(|bytes| u16::from_be_bytes(*bytes))),
        (8, _) => fill(to, row.iter().skip(skipped).map(|byte| u16::from(*byte))),
        (bits, _) => {
            let bits = usize::from(bits);
            let sample = |index: usize| {
                let (byte, place) = (index * bits / 8, index * bits % 8);
                u16::from((row[byte] << place) >> (8 - bits))
            };
            fill(to, (skipped..row.len() * 8 / bits).map(sample));
        }
    }
}

fn fill<'t>(to: impl Iterator<Item = &'t mut u16>, from: impl Iterator<Item = u16>) {
    to.zip(from).for_each(|(to, from)| *to = from);
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

/// LZW with codes of growing length, the high bits first (TIFF 6.0, section 13).
struct Lzw<'a> {
    decoder: weezl::decode::Decoder,
    input: &'a [u8],
}

impl Read for Lzw<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let result = self.decoder.decode_bytes(self.input, out);
            self.input = &self.input[result.consumed_in..];
            let status = result.status.map_err(std::io::Error::other)?;
            let ended = matches!(status, weezl::LzwStatus::Done | weezl::LzwStatus::NoProgress);
            if result.consumed_out > 0 || ended || result.consumed_in == 0 {
                return Ok(result.consumed_out);
            }
        }
    }
}
