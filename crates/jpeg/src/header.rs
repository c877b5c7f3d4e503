//! Parsing of the headers before the first scan.

use super::frame::{Colour, Component, Frame, Process};
use super::segments::{APP1, APP2, DNL, EOI, SOI, SOS, Segments, end_of_scan};
use super::tables::Tables;
use super::{DecodeError, Rect};

/// The properties of a JPEG, from its header segments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Width of the stored picture, before any EXIF orientation.
    pub width: u32,
    /// Height of the stored picture.
    pub height: u32,
    /// Bits per sample.
    pub precision: u8,
    /// The coding process.
    pub process: Process,
    /// The components with their sampling factors.
    pub components: Vec<Component>,
    /// The colour model.
    pub colour: Colour,
    /// The colour transform of an Adobe segment, if there is one.
    pub adobe_transform: Option<u8>,
}

impl Header {
    /// The area of the whole picture.
    pub const fn area(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// Checks that [`decode`](super::decode) supports this JPEG.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] with the unsupported feature.
    pub fn check_supported(&self) -> Result<(), DecodeError> {
        let frame = Frame {
            process: self.process,
            precision: self.precision,
            width: 1,
            height: 1,
            components: self.components.clone(),
        };
        frame.check_supported()
    }
}

/// Parses the header of any JPEG, including those that [`decode`](super::decode) does not support.
///
/// # Errors
/// [`DecodeError::Damaged`] if a frame header or a scan is missing.
pub fn read_header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let start = Start::read(bytes)?;
    Ok(Header {
        width: start.frame.width.into(),
        height: start.frame.height.into(),
        precision: start.frame.precision,
        process: start.frame.process,
        colour: start.frame.colour(start.tables.has_jfif, start.tables.adobe_transform),
        components: start.frame.components,
        adobe_transform: start.tables.adobe_transform,
    })
}

/// Everything before the first scan.
pub(super) struct Start<'a> {
    pub(super) frame: Frame,
    pub(super) tables: Tables,
    /// The parameters of the first scan.
    pub(super) scan: &'a [u8],
    /// The segments, positioned at the entropy-coded data of the first scan.
    pub(super) segments: Segments<'a>,
}

impl<'a> Start<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut segments = Segments::new(bytes);
        if !bytes.starts_with(&[0xFF, SOI]) {
            return Err(DecodeError::Damaged("no start of image"));
        }
        let (mut frame, mut tables) = (None, Tables::default());
        while let Some(segment) = segments.next() {
            if !segment.complete {
                break;
            }
            if let Some(process) = Process::of_marker(segment.marker) {
                if frame.is_some() {
                    return Err(DecodeError::Damaged("more than one frame"));
                }
                frame = Some(Frame::parse(process, segment.payload)?);
            } else if segment.marker == SOS {
                let mut frame = frame.ok_or(DecodeError::Damaged("scan before the frame header"))?;
                if frame.height == 0 {
                    frame.height = height_behind_scan(bytes, segments.offset());
                }
                if frame.height == 0 {
                    return Err(DecodeError::Damaged("height of zero"));
                }
                return Ok(Self { frame, tables, scan: segment.payload, segments });
            } else if segment.marker == EOI {
                return Err(DecodeError::Damaged("no scan"));
            } else {
                tables.define(segment.marker, segment.payload)?;
            }
        }
        Err(DecodeError::Damaged("ends before the first scan"))
    }
}

/// The number of lines in a DNL segment after the first scan (T.81 B.2.5), 0 if there is none.
fn height_behind_scan(bytes: &[u8], scan: usize) -> u16 {
    let mut segments = Segments::new(bytes);
    segments.set_offset(end_of_scan(bytes, scan));
    match segments.next() {
        Some(segment) if segment.marker == DNL => {
            segment.payload.first_chunk().map_or(0, |&lines| u16::from_be_bytes(lines))
        }
        _ => 0,
    }
}

/// Returns the TIFF structure of the first EXIF segment.
pub fn exif(bytes: &[u8]) -> Option<&[u8]> {
    header_segments(bytes, APP1).find_map(|payload| payload.strip_prefix(b"Exif\0")?.get(1..))
}

/// Returns the ICC profile, joined from its chunks (ICC.1 B.4). `None` if there is none or a chunk is missing.
pub fn icc_profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut chunks: Vec<(u8, u8, &[u8])> = header_segments(bytes, APP2)
        .filter_map(|payload| payload.strip_prefix(b"ICC_PROFILE\0"))
        .filter_map(|chunk| Some((*chunk.first()?, *chunk.get(1)?, chunk.get(2..)?)))
        .collect();
    chunks.sort_by_key(|chunk| chunk.0);
    let complete = !chunks.is_empty()
        && chunks.iter().zip(1..).all(|(chunk, number)| chunk.0 == number)
        && usize::from(chunks[0].1) == chunks.len();
    complete.then(|| chunks.iter().flat_map(|chunk| chunk.2).copied().collect())
}

/// The payloads of all segments with a marker before the first scan.
fn header_segments(bytes: &[u8], marker: u8) -> impl Iterator<Item = &[u8]> {
    Segments::new(bytes)
        .take_while(|segment| segment.complete && segment.marker != SOS)
        .filter(move |segment| segment.marker == marker)
        .map(|segment| segment.payload)
}
