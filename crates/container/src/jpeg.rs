//! JPEG marker segments (ISO/IEC 10918-1, annex B) and their application data.
//!
//! The walk yields the location of every segment; entropy-coded data is skipped.

use std::io;
use std::ops::Range;

use super::MAX_PARTS;
use crate::input::Input;

/// Start of image.
pub const SOI: u8 = 0xd8;
/// End of image.
pub const EOI: u8 = 0xd9;
/// Start of scan.
pub const SOS: u8 = 0xda;
/// Define Huffman tables.
pub const DHT: u8 = 0xc4;
/// Define arithmetic coding conditions.
pub const DAC: u8 = 0xcc;
/// Define quantisation tables.
pub const DQT: u8 = 0xdb;
/// Define number of lines.
pub const DNL: u8 = 0xdc;
/// Define restart interval.
pub const DRI: u8 = 0xdd;
/// JFIF.
pub const APP0: u8 = 0xe0;
/// Exif and XMP.
pub const APP1: u8 = 0xe1;
/// ICC profiles, multi-picture format and gain maps.
pub const APP2: u8 = 0xe2;
/// Photoshop resources, which contain IPTC.
pub const APP13: u8 = 0xed;
/// Adobe's colour transform.
pub const APP14: u8 = 0xee;

/// The identifier of an Exif segment (Exif 3.0, 4.7.2).
pub const EXIF: &[u8] = b"Exif\0\0";
/// The identifier of an XMP packet (XMP part 3, 1.1.3).
pub const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// The identifier of a part of a longer XMP packet (1.1.3.1).
pub const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
/// The identifier of a chunk of an ICC profile (ICC.1:2022, B.4).
pub const ICC: &[u8] = b"ICC_PROFILE\0";
/// The identifier of Photoshop resources.
pub const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// The identifier of the multi-picture index (CIPA DC-007, 5.1).
pub const MPF: &[u8] = b"MPF\0";
/// ISO 21496-1, annex C: gain map metadata in a JPEG.
pub const ISO_GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";

/// The maximum payload of a segment: its length field includes itself (B.1.1.4).
pub const MAX_PAYLOAD: usize = 0xffff - 2;

/// A marker, with its parameters if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The second byte of the marker; the first is 0xff.
    pub marker: u8,
    /// From the marker's 0xff to the end of the parameters.
    pub range: Range<u64>,
    /// The parameters without the length field.
    pub payload: Range<u64>,
    /// Whether the file ends within the segment.
    pub cut: bool,
}

impl Segment {
    /// Whether the parameters begin with these bytes.
    pub fn opens_with(&self, input: &mut Input<'_>, name: &[u8]) -> io::Result<bool> {
        let long_enough = self.payload.end - self.payload.start >= name.len() as u64;
        Ok(long_enough && input.peek(self.payload.start, name.len())?.starts_with(name))
    }
}

/// Whether a marker has no parameters: TEM, RSTn, SOI, EOI, and reserved ones, which occur in garbage only (table B.1).
const fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01..=0xbf | 0xd0..=0xd9)
}

/// Finds the first segment at or after `at`. Fill bytes and garbage before it are skipped.
pub fn next_segment(input: &mut Input<'_>, at: u64) -> io::Result<Option<Segment>> {
    let Some((start, marker)) = find_marker(input, at, |marker| !matches!(marker, 0x00 | 0xff))? else {
        return Ok(None);
    };
    let after = start + 2;
    if stands_alone(marker) {
        return Ok(Some(Segment { marker, range: start..after, payload: after..after, cut: false }));
    }
    let end = input.len();
    let Some(length) = input.array::<2>(after)?.map(u16::from_be_bytes) else {
        return Ok(Some(Segment { marker, range: start..end, payload: end..end, cut: true }));
    };
    let full = after + u64::from(length.max(2));
    let payload = after + 2..full.min(end);
    Ok(Some(Segment { marker, range: start..full.min(end), payload, cut: full > end }))
}

/// Returns the end of the entropy-coded data that starts at `at`: the next marker that is neither a stuffed zero nor a
/// restart marker (B.1.1.5), or the end of the file.
pub fn scan_end(input: &mut Input<'_>, at: u64) -> io::Result<u64> {
    let found = find_marker(input, at, |marker| !matches!(marker, 0x00 | 0xff | 0xd0..=0xd7))?;
    Ok(found.map_or(input.len(), |(start, _)| start))
}

/// Returns the end of the entropy-coded data that starts at `at` in a scan without restart markers, at most `end`.
pub fn data_end(input: &mut Input<'_>, at: u64, end: u64) -> io::Result<u64> {
    let found = find_marker(input, at, |marker| !matches!(marker, 0x00 | 0xff))?;
    Ok(found.map_or(end, |(start, _)| start.min(end)))
}

/// Returns the offset of the first 0xff from `at` on whose next byte is a marker accepted by `wanted`.
fn find_marker(input: &mut Input<'_>, mut at: u64, wanted: impl Fn(u8) -> bool) -> io::Result<Option<(u64, u8)>> {
    loop {
        let window = input.peek(at, 2)?;
        if window.len() < 2 {
            return Ok(None);
        }
        let body = &window[..window.len() - 1];
        let mut tried = 0;
        for offset in memchr::memchr_iter(0xff, body) {
            let marker = window[offset + 1];
            if wanted(marker) {
                return Ok(Some((at + offset as u64, marker)));
            }
            tried += 1;
        }
        at += body.len() as u64;
        input.meter().steps(tried).map_err(io::Error::other)?;
    }
}

/// Reads the segments before the first scan.
pub fn header_segments(input: &mut Input<'_>) -> io::Result<Vec<Segment>> {
    header_segments_from(input, 2)
}

/// Reads the segments from `at` to the next scan.
pub fn header_segments_from(input: &mut Input<'_>, mut at: u64) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    while let Some(segment) = next_segment(input, at)? {
        at = segment.range.end;
        if matches!(segment.marker, SOS | EOI) || segments.len() == MAX_PARTS {
            break;
        }
        input.entry::<Segment>()?;
        segments.push(segment);
    }
    Ok(segments)
}

/// Joins the numbered chunks of an ICC profile (ICC.1:2022, B.4). A profile with a missing chunk is invalid.
pub fn join_icc(chunks: &[&[u8]]) -> Option<Vec<u8>> {
    let mut numbered: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| match chunk {
            [number, total, data @ ..] => Some((*number, *total, data)),
            _ => None,
        })
        .collect();
    numbered.sort_by_key(|&(number, ..)| number);
    numbered.dedup_by_key(|&mut (number, ..)| number);
    let total = numbered.first()?.1;
    let complete = numbered.iter().map(|&(number, ..)| number).eq(1..=total);
    complete.then(|| numbered.iter().flat_map(|(.., data)| data.iter().copied()).collect())
}

/// Serializes a segment with up to [`MAX_PAYLOAD`] bytes of parameters; empty if there are more.
pub fn segment(marker: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let Ok(length) = u16::try_from(len + 2) else { return Vec::new() };
    let mut out = vec![0xff, marker];
    out.extend(length.to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
