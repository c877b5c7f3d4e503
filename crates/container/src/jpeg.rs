//! JPEG's marker segments (ISO/IEC 10918-1, annex B) and what applications put into them.
//!
//! The walk yields every segment with its place in the file; entropy-coded data is jumped over, not kept.

use std::io::{self, Read, Seek};
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
/// Photoshop's resources, and IPTC within.
pub const APP13: u8 = 0xed;
/// Adobe's colour transform.
pub const APP14: u8 = 0xee;

/// How an Exif segment opens (Exif 3.0, 4.7.2).
pub const EXIF: &[u8] = b"Exif\0\0";
/// How an XMP packet opens (XMP part 3, 1.1.3).
pub const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// How a part of a longer XMP packet opens (1.1.3.1).
pub const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
/// How a chunk of an ICC profile opens (ICC.1:2022, B.4).
pub const ICC: &[u8] = b"ICC_PROFILE\0";
/// How Photoshop's resources open.
pub const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// How the multi-picture index opens (CIPA DC-007, 5.1).
pub const MPF: &[u8] = b"MPF\0";
/// ISO 21496-1, annex C: gain map metadata in a JPEG.
pub const ISO_GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";

/// The most that one segment can hold: its length field counts itself (B.1.1.4).
pub const MAX_PAYLOAD: usize = 0xffff - 2;

/// A marker and, for most, its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The second byte of the marker; the first is 0xff.
    pub marker: u8,
    /// From the marker's 0xff to the end of the parameters.
    pub range: Range<u64>,
    /// The parameters without the length field.
    pub payload: Range<u64>,
    /// The file ends before the segment does.
    pub cut: bool,
}

impl Segment {
    /// Whether the parameters open with these bytes.
    pub fn opens_with<R: Read + Seek>(&self, input: &mut Input<'_, R>, name: &[u8]) -> io::Result<bool> {
        let long_enough = self.payload.end - self.payload.start >= name.len() as u64;
        Ok(long_enough && input.peek(self.payload.start, name.len())?.starts_with(name))
    }
}

/// Markers that stand alone: TEM, RSTn, SOI, EOI, and reserved ones, which are met in junk only (table B.1).
const fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01..=0xbf | 0xd0..=0xd9)
}

/// The first segment at or after `at`. Fill bytes and junk before it belong to no segment.
pub fn next_segment<R: Read + Seek>(input: &mut Input<'_, R>, at: u64) -> io::Result<Option<Segment>> {
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

/// Where the entropy-coded data from `at` on ends: at the next marker that is neither a stuffed zero nor a restart
/// marker (B.1.1.5), or at the end of the file.
pub fn scan_end<R: Read + Seek>(input: &mut Input<'_, R>, at: u64) -> io::Result<u64> {
    let found = find_marker(input, at, |marker| !matches!(marker, 0x00 | 0xff | 0xd0..=0xd7))?;
    Ok(found.map_or(input.len(), |(start, _)| start))
}

/// Where the entropy-coded data from `at` on ends if there are no restart markers in it, which ends at `end` otherwise.
pub fn data_end<R: Read + Seek>(input: &mut Input<'_, R>, at: u64, end: u64) -> io::Result<u64> {
    let found = find_marker(input, at, |marker| !matches!(marker, 0x00 | 0xff))?;
    Ok(found.map_or(end, |(start, _)| start.min(end)))
}

/// The place of the first 0xff from `at` on whose next byte is a marker that `wanted` accepts.
fn find_marker<R: Read + Seek>(
    input: &mut Input<'_, R>,
    mut at: u64,
    wanted: impl Fn(u8) -> bool,
) -> io::Result<Option<(u64, u8)>> {
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

/// The segments before the first scan, in order.
pub fn header_segments<R: Read + Seek>(input: &mut Input<'_, R>) -> io::Result<Vec<Segment>> {
    header_segments_from(input, 2)
}

/// The segments from `at` on before the next scan, in order.
pub fn header_segments_from<R: Read + Seek>(input: &mut Input<'_, R>, mut at: u64) -> io::Result<Vec<Segment>> {
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

/// Puts the numbered chunks of an ICC profile together (ICC.1:2022, B.4). A profile with a chunk missing is no
/// profile.
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

/// Wraps parameters of up to [`MAX_PAYLOAD`] bytes into a segment; more cannot be said in one and gives nothing.
pub fn segment(marker: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let Ok(length) = u16::try_from(len + 2) else { return Vec::new() };
    let mut out = vec![0xff, marker];
    out.extend(length.to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
