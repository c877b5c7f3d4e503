//! Boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2), the container of AVIF and HEIF.

use std::io::{self, Cursor};
use std::ops::Range;

use super::MAX_PARTS;
use crate::input::{Input, from_memory};
use crate::{Exhausted, Meter};

/// The location of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxAt {
    /// The type, four characters.
    pub kind: [u8; 4],
    /// Header and payload.
    pub range: Range<u64>,
    /// The bytes after the header.
    pub payload: Range<u64>,
    /// Whether the enclosing range ends within the box.
    pub cut: bool,
}

/// Parses the box at `at`, which is limited to `end`. A size of 1 is followed by a 64-bit size, and a size of 0 extends
/// to the end.
pub fn next_box(input: &mut Input<'_>, at: u64, end: u64) -> io::Result<Option<BoxAt>> {
    if at.saturating_add(8) > end {
        return Ok(None);
    }
    let Some([s0, s1, s2, s3, kind @ ..]) = input.array::<8>(at)? else { return Ok(None) };
    let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (8, end - at),
        1 => match input.array::<8>(at + 8)? {
            Some(large) if at + 16 <= end => (16, u64::from_be_bytes(large)),
            _ => return Ok(None),
        },
        size => (8, size.into()),
    };
    if size < header {
        return Ok(None);
    }
    let full = at.saturating_add(size);
    Ok(Some(BoxAt { kind, range: at..full.min(end), payload: at + header..full.min(end), cut: full > end }))
}

/// Reads the boxes in this range, up to the first invalid one.
pub fn boxes(input: &mut Input<'_>, range: Range<u64>) -> io::Result<Vec<BoxAt>> {
    let mut boxes = Vec::new();
    let mut at = range.start;
    while let Some(found) = next_box(input, at, range.end)? {
        at = found.range.end;
        input.entry::<BoxAt>()?;
        boxes.push(found);
        if boxes.len() == MAX_PARTS {
            break;
        }
    }
    Ok(boxes)
}

/// Reads the boxes in these bytes.
pub fn children(bytes: &[u8], meter: &Meter<'_>) -> Result<Vec<BoxAt>, Exhausted> {
    let end = bytes.len() as u64;
    let found = Input::new(Cursor::new(bytes), meter).and_then(|mut input| boxes(&mut input, 0..end));
    Ok(from_memory(found)?.unwrap_or_default())
}

/// Serializes a box.
pub fn write_box(kind: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = ((payload.len() + 8) as u32).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend_from_slice(payload);
    out
}

/// A reader of big-endian fields.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// Reads `len` bytes; `None` if fewer are left.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// Reads an unsigned integer of up to 8 bytes; 0 if the length is 0.
    pub fn uint(&mut self, len: usize) -> Option<u64> {
        self.bytes(len).map(|bytes| bytes.iter().fold(0, |sum, &b| sum << 8 | u64::from(b)))
    }

    /// Reads an unsigned 16-bit integer.
    pub fn u16(&mut self) -> Option<u16> {
        self.uint(2).map(|v| v as u16)
    }

    /// Reads an unsigned 32-bit integer.
    pub fn u32(&mut self) -> Option<u32> {
        self.uint(4).map(|v| v as u32)
    }

    /// Reads version and flags of a full box (4.2.2), and returns the version.
    pub fn version(&mut self) -> Option<u8> {
        self.uint(4).map(|v| (v >> 24) as u8)
    }
}
