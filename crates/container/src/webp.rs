//! WebP's RIFF chunks (RFC 9649, section 2).

use std::io::{self, Read, Seek};
use std::ops::Range;

use super::MAX_PARTS;
use crate::input::Input;

/// "RIFF", the size and "WEBP".
pub const HEADER_LEN: u64 = 12;

/// Flags of VP8X (section 2.7).
pub const ICC_FLAG: u8 = 0x20;
/// Some frame has alpha.
pub const ALPHA_FLAG: u8 = 0x10;
/// There is an Exif block.
pub const EXIF_FLAG: u8 = 0x08;
/// There is an XMP packet.
pub const XMP_FLAG: u8 = 0x04;
/// There are frames.
pub const ANIMATION_FLAG: u8 = 0x02;

/// The flags of a file in the extended format. Demuxers pass over chunks that these do not announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Whether a flag is set.
    pub const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// One chunk's place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The type, four characters.
    pub name: [u8; 4],
    /// Name, size, data and padding.
    pub range: Range<u64>,
    /// The data alone.
    pub data: Range<u64>,
    /// Bytes that the chunk announces and the file lacks.
    pub missing: u64,
}

/// The chunk at `at`, which may not reach beyond `end`.
pub fn next_chunk<R: Read + Seek>(input: &mut Input<'_, R>, at: u64, end: u64) -> io::Result<Option<Chunk>> {
    if at.saturating_add(8) > end {
        return Ok(None);
    }
    let Some([n0, n1, n2, n3, size @ ..]) = input.array::<8>(at)? else { return Ok(None) };
    let size = u64::from(u32::from_le_bytes(size));
    let data = at + 8;
    let data_end = data + size;
    let full = data_end + size % 2;
    Ok(Some(Chunk {
        name: [n0, n1, n2, n3],
        range: at..full.min(end),
        data: data..data_end.min(end),
        missing: full.saturating_sub(end),
    }))
}

/// Where the RIFF chunk ends by its own size; the file may end before, or go on with what is no part of it.
pub fn riff_end<R: Read + Seek>(input: &mut Input<'_, R>) -> io::Result<u64> {
    let size = input.array::<4>(4)?.map_or(0, u32::from_le_bytes);
    Ok((8 + u64::from(size)).min(input.len()))
}

/// All chunks of the file.
pub fn chunks<R: Read + Seek>(input: &mut Input<'_, R>) -> io::Result<Vec<Chunk>> {
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
pub fn flags<R: Read + Seek>(input: &mut Input<'_, R>, chunks: &[Chunk]) -> io::Result<Option<Flags>> {
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
