//! RIFF chunks of WebP files (RFC 9649, section 2).

use std::io;
use std::ops::Range;

use super::MAX_PARTS;
use crate::input::Input;

/// The length of the file header: "RIFF", the size and "WEBP".
pub const HEADER_LEN: u64 = 12;

/// Flags of VP8X (section 2.7): an ICC profile.
pub const ICC_FLAG: u8 = 0x20;
/// A frame with alpha.
pub const ALPHA_FLAG: u8 = 0x10;
/// An Exif block.
pub const EXIF_FLAG: u8 = 0x08;
/// An XMP packet.
pub const XMP_FLAG: u8 = 0x04;
/// An animation.
pub const ANIMATION_FLAG: u8 = 0x02;

/// The VP8X flags of a file in the extended format. Demuxers ignore chunks that these do not announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Whether a flag is set.
    pub const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// The location of a chunk in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The type, four characters.
    pub name: [u8; 4],
    /// Name, size, data and padding.
    pub range: Range<u64>,
    /// The data only.
    pub data: Range<u64>,
    /// The size of the data according to the chunk.
    pub size: u32,
    /// The number of announced bytes that are missing in the file.
    pub missing: u64,
}

impl Chunk {
    /// Parses name and size, located at `at` in a container that ends at `end`.
    fn new([n0, n1, n2, n3, size @ ..]: [u8; 8], at: u64, end: u64) -> Self {
        let size = u32::from_le_bytes(size);
        let data = at + 8;
        let data_end = data + u64::from(size);
        let full = data_end + u64::from(size % 2);
        Self {
            name: [n0, n1, n2, n3],
            range: at..full.min(end),
            data: data..data_end.min(end),
            size,
            missing: full.saturating_sub(end),
        }
    }

    /// Whether the container ends within the data.
    pub const fn lacks_data(&self) -> bool {
        self.data.end - self.data.start < self.size as u64
    }
}

/// Parses the chunk at `at`, which is limited to `end`.
pub fn next_chunk(input: &mut Input<'_>, at: u64, end: u64) -> io::Result<Option<Chunk>> {
    if at.saturating_add(8) > end {
        return Ok(None);
    }
    Ok(input.array::<8>(at)?.map(|head| Chunk::new(head, at, end)))
}

/// The chunks of a file in memory, read one by one: those of [`chunks`], of which there may be any number.
pub fn chunks_of(file: &[u8]) -> impl Iterator<Item = Chunk> {
    chunks_within(file, HEADER_LEN, announced_len(file))
}

/// The chunks from `at` to `end` in memory, such as those in the data of a frame.
pub fn chunks_within(bytes: &[u8], mut at: u64, end: u64) -> impl Iterator<Item = Chunk> {
    let end = end.min(bytes.len() as u64);
    std::iter::from_fn(move || {
        let held = bytes.get(usize::try_from(at).ok()?..usize::try_from(end).ok()?)?;
        let chunk = Chunk::new(*held.first_chunk()?, at, end);
        at = chunk.range.end;
        Some(chunk)
    })
}

/// The length of a file in memory by its own size, that of the chunk RIFF.
pub fn announced_len(file: &[u8]) -> u64 {
    riff_len(file.get(4..).and_then(<[u8]>::first_chunk).copied())
}

fn riff_len(size: Option<[u8; 4]>) -> u64 {
    8 + u64::from(size.map_or(0, u32::from_le_bytes))
}

/// Where the RIFF chunk ends by its own size; the file may end before, or go on with what is no part of it.
pub fn riff_end(input: &mut Input<'_>) -> io::Result<u64> {
    Ok(riff_len(input.array(4)?).min(input.len()))
}

/// All chunks of the file.
pub fn chunks(input: &mut Input<'_>) -> io::Result<Vec<Chunk>> {
    let end = riff_end(input)?;
    let mut chunks = Vec::new();
    let mut at = HEADER_LEN;
    while let Some(chunk) = next_chunk(input, at, end)? {
        at = chunk.range.end;
        input.entry::<Chunk>()?;
        chunks.push(chunk);
        if chunks.len() == MAX_PARTS {
            break;
        }
    }
    Ok(chunks)
}

/// What a file in the extended format announces, which alone may hold more than a picture (section 2.7).
pub fn flags(input: &mut Input<'_>, chunks: &[Chunk]) -> io::Result<Option<Flags>> {
    let first = chunks.first().filter(|first| &first.name == b"VP8X" && first.data.end - first.data.start >= 10);
    let Some(first) = first else { return Ok(None) };
    Ok(input.array::<1>(first.data.start)?.map(|[flags]| Flags(flags)))
}

/// A whole chunk, padded to even length.
pub fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend((data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Cancellation, Meter};

    /// Decoders read chunks from memory, and what looks for metadata through a window: each must see what the other does.
    #[test]
    fn chunks_in_memory_are_those_behind_a_window() {
        let file = b"RIFF\x28\0\0\0WEBPVP8X\x03\0\0\0abc\0ALPH\x01\0\0\0x\0VP8 \x04\0\0\0wxyzEXIF";
        let mut changed: Vec<Vec<u8>> = (0..=file.len()).map(|end| file[..end].to_vec()).collect();
        for at in 0..file.len() {
            for byte in [0, 1, 2, 0x7f, 0x80, 0xff] {
                changed.push(file.to_vec());
                changed.last_mut().unwrap()[at] = byte;
            }
        }
        let cancellation = Cancellation::unbounded();
        for file in changed {
            let meter = Meter::new(file.len() as u64, &cancellation);
            let windowed = Input::new(Cursor::new(&file), &meter).and_then(|mut input| chunks(&mut input)).unwrap();
            assert_eq!(chunks_of(&file).collect::<Vec<_>>(), windowed, "{file:?}");
        }
    }
}
