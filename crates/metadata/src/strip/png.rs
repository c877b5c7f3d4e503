//! PNG: keeps the chunks that decoding, colour, animation and pixel aspect need, each in the length that it has by the
//! standard, once and where it belongs, and of the pixels the stream of which they are made.

use std::io::{self, Read, Seek, Write as _};
use std::ops::Range;

use super::Keep;
use super::zlib::{Stream, stream};
use crate::rights::for_same_pixels;
use crate::{Error, Piece, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::png::{self, Chunk, SIGNATURE_LEN};
use image_origin_container::{MAX_PARTS, inflate_with_length, parts};

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let chunks = png::chunks(input)?;
    if chunks.len() > MAX_PARTS {
        return Err(Error::Damaged("too many chunks"));
    }
    let blocks = for_same_pixels(&parts::of_png(input, &chunks, keep.want())?, keep, input.meter())?.png_chunks();
    let header = chunks.first().filter(|chunk| &chunk.name == b"IHDR");
    let header = header.ok_or(Error::Damaged("no header"))?;
    let picture = Picture::read(&input.copy(header.data.clone(), 13)?).ok_or(Error::Damaged("the header"))?;
    let mut out = Rewrite::new(input.len());
    out.copy(0..SIGNATURE_LEN);
    put(input, header, &[], header.data.start..header.data.start + 13, &mut out)?;
    out.insert(&blocks);
    let mut writer =
        Writer { input, picture, out, frame: Frame::still(picture), control: None, frames: None, sequence: 0 };
    writer.chunks(&chunks)?;
    Ok(writer.out)
}

/// Size and kind of pixels (11.2.1).
#[derive(Clone, Copy)]
struct Picture {
    width: u32,
    height: u32,
    depth: u8,
    colour_type: u8,
    is_interlaced: bool,
}

impl Picture {
    fn read(header: &[u8]) -> Option<Self> {
        let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, colour_type, _, _, interlace] = header.first_chunk::<13>()?;
        let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        Some(Self { width, height, depth, colour_type, is_interlaced: interlace == 1 })
    }

    /// Bytes of the rows of a frame of this size, each with its filter, before they are compressed.
    fn inflated_len(&self, width: u32, height: u32) -> u64 {
        // Where each pass starts, and its steps (8.1).
        const PASSES: [[u32; 4]; 7] =
            [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
        let rows = |width: u32, height: u32| match (width, height) {
            (0, _) => 0,
            _ => {
                let bits = u64::from(width).saturating_mul(u64::from(self.depth) * self.samples());
                (1 + bits.div_ceil(8)).saturating_mul(height.into())
            }
        };
        if !self.is_interlaced {
            return rows(width, height);
        }
        let part = |size: u32, start: u32, step: u32| size.saturating_sub(start).div_ceil(step);
        PASSES.iter().map(|&[x, y, across, down]| rows(part(width, x, across), part(height, y, down))).sum()
    }

    const fn samples(&self) -> u64 {
        match self.colour_type {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// The length of a chunk that stands before the pixels (11.3), as far as it has a meaning here.
    const fn length_of(&self, name: [u8; 4]) -> Option<Length> {
        Some(match (&name, self.colour_type) {
            (b"cHRM", _) => Length::First(32),
            (b"gAMA", _) => Length::First(4),
            (b"sRGB", _) => Length::First(1),
            (b"pHYs", _) => Length::First(9),
            (b"acTL", _) => Length::First(8),
            (b"sBIT", 0) => Length::First(1),
            (b"sBIT", 4) => Length::First(2),
            (b"sBIT", 6) => Length::First(4),
            (b"sBIT", _) => Length::First(3),
            (b"bKGD", 3) => Length::First(1),
            (b"bKGD", 0 | 4) | (b"tRNS", 0) => Length::First(2),
            (b"bKGD", _) | (b"tRNS", 2) => Length::First(6),
            (b"tRNS", 3) => Length::UpTo(1 << 8),
            (b"PLTE", 3) => Length::UpTo(3 << if self.depth > 8 { 8 } else { self.depth }),
            // Those of another length are passed over.
            (b"cICP", _) => Length::Exactly(4),
            (b"mDCV", _) => Length::Exactly(24),
            (b"cLLI", _) => Length::Exactly(8),
            _ => return None,
        })
    }
}

/// How much of a chunk decoders read.
#[derive(Clone, Copy)]
enum Length {
    /// So many bytes, which must be there.
    First(u64),
    /// No more than so many.
    UpTo(u64),
    /// All, if these are so many.
    Exactly(u64),
}

/// What stands in the chunks of a frame.
struct Frame {
    /// Bytes of it once inflated.
    wanted: u64,
    /// Its chunks, one behind the other, and where in them the stream goes on.
    data: Vec<(Chunk, Range<u64>)>,
}

impl Frame {
    fn still(picture: Picture) -> Self {
        Self { wanted: picture.inflated_len(picture.width, picture.height), data: Vec::new() }
    }
}

/// Chunks on their way into the new file.
struct Writer<'i, 'm, R> {
    input: &'i mut Input<'m, R>,
    picture: Picture,
    out: Rewrite,
    frame: Frame,
    /// The `fcTL` chunk of the frame that comes next.
    control: Option<Chunk>,
    /// How many frames of the animation are still to come; `None` if it is none.
    frames: Option<u32>,
    /// The number of the next `fcTL` or `fdAT` chunk that is written.
    sequence: u32,
}

impl<R: Read + Seek> Writer<'_, '_, R> {
    fn chunks(&mut self, chunks: &[Chunk]) -> Result<(), Error> {
        let mut seen = Vec::new();
        let (mut has_picture, mut last, mut numbers) = (false, [0; 4], 0);
        for chunk in chunks.iter().skip(1) {
            let name = chunk.name;
            match &name {
                // What stands between chunks of pixels ends these.
                b"IDAT" if !has_picture || (last == name && !self.frame.data.is_empty()) => {
                    has_picture = true;
                    self.begin_frame(chunk)?;
                    self.add_data(chunk, 0)?;
                }
                b"fcTL" | b"fdAT" if self.frames.is_some() && !(chunk.cut && &name == b"fcTL") => {
                    // Viewers end an animation where a number is missing.
                    if self.input.array::<4>(chunk.data.start)?.map(u32::from_be_bytes) != Some(numbers) {
                        self.flush()?;
                        (self.frames, self.control) = (None, None);
                        continue;
                    }
                    numbers += 1;
                    if &name == b"fcTL" {
                        self.flush()?;
                        self.control = (chunk.data.end - chunk.data.start >= 26).then(|| chunk.clone());
                    } else if has_picture && (self.control.is_some() || !self.frame.data.is_empty()) {
                        self.begin_frame(chunk)?;
                        self.add_data(chunk, 4)?;
                    }
                }
                b"IEND" => {
                    self.flush()?;
                    put(self.input, chunk, &[], chunk.data.start..chunk.data.start, &mut self.out)?;
                }
                b"iCCP" if !has_picture && !chunk.cut && !seen.contains(&name) => {
                    seen.push(name);
                    self.profile(chunk)?;
                }
                _ if !has_picture && !chunk.cut && !seen.contains(&name) => self.header_chunk(chunk, &mut seen)?,
                _ => {}
            }
            last = name;
        }
        self.flush()?;
        if has_picture { Ok(()) } else { Err(Error::Damaged("no image data")) }
    }

    fn header_chunk(&mut self, chunk: &Chunk, seen: &mut Vec<[u8; 4]>) -> Result<(), Error> {
        let Some(length) = self.picture.length_of(chunk.name) else { return Ok(()) };
        let there = chunk.data.end - chunk.data.start;
        let len = match length {
            Length::First(len) if there >= len => len,
            Length::Exactly(len) if there == len => len,
            Length::UpTo(most) if &chunk.name == b"PLTE" => there.min(most) / 3 * 3,
            Length::UpTo(most) => there.min(most),
            _ => return Ok(()),
        };
        seen.push(chunk.name);
        if &chunk.name == b"acTL" {
            self.frames = self.input.array::<4>(chunk.data.start)?.map(u32::from_be_bytes);
        }
        put(self.input, chunk, &[], chunk.data.start..chunk.data.start + len, &mut self.out)?;
        Ok(())
    }

    /// Writes the `fcTL` chunk, if the data of a frame begins with this chunk.
    fn begin_frame(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let Some(control) = self.control.take() else { return Ok(()) };
        let left = self.frames.unwrap_or_default().checked_sub(1);
        let (Some(left), Some(size)) = (left, self.input.array::<8>(control.data.start + 4)?) else {
            // More frames than the file announces.
            self.frames = None;
            return Ok(());
        };
        self.frames = Some(left);
        if &chunk.name == b"fdAT" {
            let [w0, w1, w2, w3, h0, h1, h2, h3] = size;
            let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
            self.frame.wanted = self.picture.inflated_len(width, height);
        }
        let number = self.next_number();
        let rest = control.data.start + 4..control.data.start + 26;
        put(self.input, &control, &number, rest, &mut self.out)?;
        Ok(())
    }

    fn add_data(&mut self, chunk: &Chunk, skipped: u64) -> Result<(), Error> {
        if &chunk.name == b"IDAT" || self.frames.is_some() {
            self.input.entry::<(Chunk, Range<u64>)>()?;
            let start = (chunk.data.start + skipped).min(chunk.data.end);
            self.frame.data.push((chunk.clone(), start..chunk.data.end));
        }
        Ok(())
    }

    fn next_number(&mut self) -> [u8; 4] {
        self.sequence += 1;
        (self.sequence - 1).to_be_bytes()
    }

    /// Writes the data of a frame up to the end of its stream.
    fn flush(&mut self) -> Result<(), Error> {
        let data = std::mem::take(&mut self.frame.data);
        let Some((first, _)) = data.first() else { return Ok(()) };
        let pieces: Vec<_> = data.iter().map(|(_, range)| range.clone()).collect();
        let is_numbered = &first.name == b"fdAT";
        let mut left = match stream(self.input, &pieces, self.frame.wanted)? {
            Stream::Bytes(len) => len,
            Stream::Rewritten(bytes) => {
                let number = if is_numbered { self.next_number().to_vec() } else { Vec::new() };
                self.out.insert(&png::chunk(first.name, &[number, bytes].concat()));
                return Ok(());
            }
        };
        for (chunk, range) in data {
            // Decoders take empty chunks for what they are.
            if left == 0 && range.start < range.end {
                break;
            }
            let len = left.min(range.end - range.start);
            left -= len;
            let number = if is_numbered { self.next_number().to_vec() } else { Vec::new() };
            put(self.input, &chunk, &number, range.start..range.start + len, &mut self.out)?;
        }
        Ok(())
    }

    /// A profile under a name that says nothing, without what stands behind its end (11.3.2.3).
    fn profile(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let content = self.input.copy(chunk.data.clone(), MAX_PROFILE)?;
        let name_end = content.iter().take(80).position(|&byte| byte == 0);
        let Some([0, compressed @ ..]) = name_end.and_then(|end| content.get(end + 1..)) else { return Ok(()) };
        let Some((profile, used)) = inflate_with_length(compressed, MAX_PROFILE, self.input.meter())? else {
            return Ok(());
        };
        let Some(len) = icc::len(&profile) else { return Ok(()) };
        let mut clean = b"icc\0\0".to_vec();
        if len == profile.len() {
            clean.extend_from_slice(compressed.get(..used).unwrap_or_default());
        } else {
            let mut encoder = flate2::write::ZlibEncoder::new(clean, flate2::Compression::best());
            encoder.write_all(profile.get(..len).unwrap_or_default())?;
            clean = encoder.finish()?;
        }
        if clean == content {
            self.out.copy(chunk.range.clone());
        } else {
            self.out.insert(&png::chunk(chunk.name, &clean));
        }
        Ok(())
    }
}

/// Writes a chunk with `first` and these bytes of its data: as a copy, where that is what it holds.
fn put<R: Read + Seek>(
    input: &mut Input<'_, R>,
    chunk: &Chunk,
    first: &[u8],
    rest: Range<u64>,
    out: &mut Rewrite,
) -> io::Result<()> {
    let is_whole = rest.end == chunk.data.end && rest.start == chunk.data.start + first.len() as u64;
    if is_whole && input.peek(chunk.data.start, first.len())?.starts_with(first) {
        out.copy(chunk.range.clone());
        return Ok(());
    }
    input.entry::<[Piece; 3]>()?;
    let mut crc = flate2::Crc::new();
    crc.update(&chunk.name);
    crc.update(first);
    let mut at = rest.start;
    while at < rest.end {
        let bytes = input.stream(at)?;
        let len = bytes.len().min(usize::try_from(rest.end - at).unwrap_or(usize::MAX));
        if len == 0 {
            break;
        }
        crc.update(bytes.get(..len).unwrap_or_default());
        at += len as u64;
    }
    let len = first.len() as u64 + (rest.end - rest.start);
    out.insert(&[&(len as u32).to_be_bytes(), chunk.name.as_slice(), first].concat());
    out.copy(rest);
    out.insert(&crc.sum().to_be_bytes());
    Ok(())
}
