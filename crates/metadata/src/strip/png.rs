//! PNG: keeps the chunks that are required for decoding, colour, animation and pixel aspect ratio, each once, at its
//! standard length and in its proper position, and of the image data only the zlib stream of the pixels.

use std::io::{self, Write as _};
use std::ops::Range;

use super::Keep;
use super::zlib::{Stream, stream};
use crate::rights::for_same_pixels;
use crate::{Error, Piece, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::png::{self, CONTROL_LEN, Chunk, Control, Part, Role, SIGNATURE_LEN, Sequence};
use image_origin_container::{MAX_PARTS, inflate_with_length, parts};

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
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
    let mut writer = Writer { input, picture, out, frame: Frame::still(picture), control: None, sequence: 0 };
    writer.chunks(&chunks)?;
    Ok(writer.out)
}

/// The size and pixel format (11.2.1).
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

    /// The uncompressed size of a frame in bytes, including the filter type of each row.
    fn inflated_len(&self, width: u32, height: u32) -> u64 {
        // The offsets and steps of each interlacing pass (8.1).
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
        let passes = PASSES.iter().map(|&[x, y, across, down]| rows(part(width, x, across), part(height, y, down)));
        passes.fold(0, u64::saturating_add)
    }

    const fn samples(&self) -> u64 {
        match self.colour_type {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// The number of meaningful bytes of a chunk before the pixels (11.3), as decoders interpret it: invalid chunks are
    /// ignored.
    fn kept_len(&self, name: [u8; 4], data: &[u8], has_palette: bool) -> Option<usize> {
        let len = data.len();
        let is_valid = match (&name, self.colour_type) {
            (b"PLTE", 3) => return Some(len.min(3 << self.depth.min(8)) / 3 * 3),
            (b"tRNS", 3) => return (has_palette && (1..=256).contains(&len)).then_some(len),
            (b"tRNS", 0) => len == 2,
            (b"tRNS", 2) => len == 6,
            (b"bKGD", 3) => len == 1 && has_palette,
            (b"bKGD", 0 | 4) => len == 2,
            (b"bKGD", 2 | 6) => len == 6,
            (b"sBIT", 0) => len == 1,
            (b"sBIT", 4) => len == 2,
            (b"sBIT", 6) => len == 4,
            (b"sBIT", _) => len == 3,
            (b"cHRM", _) => len == 32,
            (b"gAMA", _) => len == 4 && data != [0; 4],
            (b"sRGB", _) => matches!(data, [0..=3]),
            (b"pHYs", _) => matches!(data, [.., 0 | 1] if len == 9),
            // The matrix must be identity (RGB); the last number is a flag.
            (b"cICP", _) => matches!(data, [_, _, 0, 0 | 1]) && !has_palette,
            (b"mDCV", _) => len == 24 && !has_palette,
            (b"cLLI", _) => len == 8,
            _ => false,
        };
        is_valid.then_some(len)
    }
}

/// The data chunks of a frame.
struct Frame {
    /// The uncompressed size of the frame.
    wanted: u64,
    /// The data chunks in order, with the range of the stream in each.
    data: Vec<(Chunk, Range<u64>)>,
}

impl Frame {
    fn still(picture: Picture) -> Self {
        Self { wanted: picture.inflated_len(picture.width, picture.height), data: Vec::new() }
    }
}

/// Writes chunks to the new file.
struct Writer<'i, 'm> {
    input: &'i mut Input<'m>,
    picture: Picture,
    out: Rewrite,
    frame: Frame,
    /// The `fcTL` chunk of the next frame.
    control: Option<Chunk>,
    /// The sequence number of the next `fcTL` or `fdAT` chunk to be written.
    sequence: u32,
}

impl Writer<'_, '_> {
    fn chunks(&mut self, chunks: &[Chunk]) -> Result<(), Error> {
        let mut seen = Vec::new();
        let (mut sequence, mut has_picture) = (Sequence::default(), false);
        for chunk in chunks {
            let name = chunk.name;
            match self.role(chunk, &mut sequence)? {
                Role::Animation { .. } => put(self.input, chunk, &[], chunk.data.clone(), &mut self.out)?,
                Role::Control(_) => {
                    self.flush()?;
                    self.control = Some(chunk.clone());
                }
                Role::Data { is_first, control } => {
                    has_picture = true;
                    if is_first {
                        self.begin_frame(chunk, control)?;
                    }
                    self.add_data(chunk, if &name == b"fdAT" { 4 } else { 0 })?;
                }
                Role::None if &name == b"IEND" => {
                    self.flush()?;
                    put(self.input, chunk, &[], chunk.data.start..chunk.data.start, &mut self.out)?;
                }
                Role::None if has_picture || chunk.cut || seen.contains(&name) => {}
                Role::None if &name == b"iCCP" => {
                    seen.push(name);
                    self.profile(chunk)?;
                }
                Role::None => self.header_chunk(chunk, &mut seen)?,
            }
        }
        self.flush()?;
        if has_picture { Ok(()) } else { Err(Error::Damaged("no image data")) }
    }

    fn role(&mut self, chunk: &Chunk, sequence: &mut Sequence) -> Result<Role, Error> {
        let name = chunk.name;
        let head = self.input.copy(chunk.data.clone(), CONTROL_LEN)?;
        let is_sound = !matches!(&name, b"IDAT" | b"fdAT") && png::is_sound(self.input, chunk)?;
        Ok(sequence.next(&Part { name, len: chunk.data.end - chunk.data.start, head: &head, is_sound }))
    }

    fn header_chunk(&mut self, chunk: &Chunk, seen: &mut Vec<[u8; 4]>) -> Result<(), Error> {
        // The longest such chunk is a palette.
        let data = self.input.copy(chunk.data.clone(), (3 << 8) + 1)?;
        let Some(len) = self.picture.kept_len(chunk.name, &data, seen.contains(b"PLTE")) else { return Ok(()) };
        if png::is_sound(self.input, chunk)? {
            seen.push(chunk.name);
            put(self.input, chunk, &[], chunk.data.start..chunk.data.start + len as u64, &mut self.out)?;
        }
        Ok(())
    }

    /// Writes the `fcTL` chunk of the frame whose data begins with this chunk.
    fn begin_frame(&mut self, chunk: &Chunk, control: Option<Control>) -> Result<(), Error> {
        let (Some(Control { size: (width, height), .. }), Some(told)) = (control, self.control.take()) else {
            return Ok(());
        };
        if &chunk.name == b"fdAT" {
            self.frame.wanted = self.picture.inflated_len(width, height);
        }
        let number = self.next_number();
        put(self.input, &told, &number, told.data.start + 4..told.data.end, &mut self.out)?;
        Ok(())
    }

    fn add_data(&mut self, chunk: &Chunk, skipped: u64) -> Result<(), Error> {
        self.input.entry::<(Chunk, Range<u64>)>()?;
        let start = (chunk.data.start + skipped).min(chunk.data.end);
        self.frame.data.push((chunk.clone(), start..chunk.data.end));
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
            // Decoders show what precedes the damage, and may differ in where they detect it.
            Stream::Damaged => u64::MAX,
            _ if !is_numbered && !self.are_sound(&data)? => u64::MAX,
            Stream::Rewritten(bytes) => {
                let number = if is_numbered { self.next_number().to_vec() } else { Vec::new() };
                self.out.insert(&png::chunk(first.name, &[number, bytes].concat()));
                return Ok(());
            }
        };
        for (chunk, range) in data {
            // Decoders accept empty chunks.
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

    /// Whether the CRCs of all these chunks match.
    fn are_sound(&mut self, data: &[(Chunk, Range<u64>)]) -> Result<bool, Error> {
        for (chunk, _) in data {
            if !png::is_sound(self.input, chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a profile under a neutral name, without trailing bytes (11.3.2.3).
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

/// Writes a chunk whose data is `first` followed by these bytes: as a copy, if the source contains it unchanged.
fn put(input: &mut Input<'_>, chunk: &Chunk, first: &[u8], rest: Range<u64>, out: &mut Rewrite) -> io::Result<()> {
    let is_whole = rest.end == chunk.data.end && rest.start == chunk.data.start + first.len() as u64;
    if is_whole && input.peek(chunk.data.start, first.len())?.starts_with(first) {
        out.copy(chunk.range.clone());
        return Ok(());
    }
    input.entry::<[Piece; 3]>()?;
    let sum = png::checksum(input, chunk.name, first, rest.clone())?;
    let len = first.len() as u64 + (rest.end - rest.start);
    out.insert(&[&(len as u32).to_be_bytes(), chunk.name.as_slice(), first].concat());
    out.copy(rest);
    out.insert(&sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_frame_saturates_whatever_the_header_says() {
        for is_interlaced in [false, true] {
            let picture = Picture { width: u32::MAX, height: u32::MAX, depth: 61, colour_type: 6, is_interlaced };
            assert_eq!(picture.inflated_len(picture.width, picture.height), u64::MAX, "{is_interlaced}");
        }
        let small = Picture { width: 5, height: 3, depth: 8, colour_type: 2, is_interlaced: true };
        assert_eq!(small.inflated_len(5, 3), 52);
    }
}
