//! PNG's chunks (PNG 3rd edition, section 5).

use std::io::{self, Read, Seek};
use std::ops::Range;

use super::MAX_PARTS;
use super::input::Input;

/// The eight bytes before the first chunk.
pub(super) const SIGNATURE_LEN: u64 = 8;

/// One chunk's place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) name: [u8; 4],
    /// Length, name, data and CRC.
    pub(super) range: Range<u64>,
    pub(super) data: Range<u64>,
    /// The file ends before the chunk does.
    pub(super) cut: bool,
}

/// The chunk at `at`, or `None` where no whole chunk header is left or the length is out of range (section 5.3).
pub(super) fn next_chunk<R: Read + Seek>(input: &mut Input<R>, at: u64) -> io::Result<Option<Chunk>> {
    let Some([l0, l1, l2, l3, name @ ..]) = input.array::<8>(at)? else { return Ok(None) };
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if length > 0x7fff_ffff || !name.iter().all(u8::is_ascii_alphabetic) {
        return Ok(None);
    }
    let data = at + 8;
    let data_end = data + u64::from(length);
    let (end, len) = (data_end + 4, input.len());
    Ok(Some(Chunk { name, range: at..end.min(len), data: data..data_end.min(len), cut: end > len }))
}

/// The chunks before the image data.
pub(super) fn header_chunks<R: Read + Seek>(input: &mut Input<R>) -> io::Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let mut at = SIGNATURE_LEN;
    while let Some(chunk) = next_chunk(input, at)? {
        at = chunk.range.end;
        if matches!(&chunk.name, b"IDAT" | b"IEND") || chunks.len() == MAX_PARTS {
            break;
        }
        chunks.push(chunk);
    }
    Ok(chunks)
}
