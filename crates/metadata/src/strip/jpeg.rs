//! JPEG: keeps the segments that decoding needs, the JFIF and Adobe headers, and the ICC profile.

use std::io::{self, Read, Seek};

use super::Keep;
use super::gain_map::{self, GainMap, mp_segment};
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::blocks::Blocks;
use image_origin_container::jpeg::{self, Segment};
use image_origin_container::{MAX_PARTS, parts};

/// "JFIF", version, unit, densities, and the size of a thumbnail (JFIF 1.02): what is left without the thumbnail.
const JFIF_LEN: usize = 14;
/// "Adobe", version, flags, and the colour transform (Adobe technical note 5116).
const ADOBE_LEN: usize = 12;

/// One image of the file.
pub(super) struct Image {
    /// Its segments up to its EOI; the entropy-coded data belongs to the SOS before it.
    pub(super) segments: Vec<Segment>,
    /// Where it ends.
    pub(super) end: u64,
}

impl Image {
    /// Whether the image has the end that it should have.
    pub(super) fn is_complete(&self) -> bool {
        self.segments.last().is_some_and(|segment| segment.marker == jpeg::EOI)
    }
}

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let image = image(input, 0)?;
    if !image.segments.iter().any(|segment| segment.marker == jpeg::SOS) {
        return Err(Error::Damaged("no image data"));
    }
    let parts = parts::of_jpeg(input, &image.segments, keep.want())?;
    let blocks = for_same_pixels(&parts, keep, input.meter())?;
    match gain_map::find(input, &image)? {
        Some(gain_map) if image.is_complete() => with_gain_map(input, &image, blocks, &gain_map, keep),
        _ => rewrite(input, &image.segments, &blocks.jpeg_segments()).map(|(rewrite, _)| rewrite),
    }
}

/// The image that opens at `start`.
pub(super) fn image<R: Read + Seek>(input: &mut Input<'_, R>, start: u64) -> Result<Image, Error> {
    let mut segments = Vec::new();
    let mut at = start;
    while let Some(mut segment) = jpeg::next_segment(input, at)? {
        if segment.marker == jpeg::SOS {
            segment.range.end = jpeg::scan_end(input, segment.range.end)?;
        }
        at = segment.range.end;
        let last = segment.marker == jpeg::EOI;
        input.entry::<Segment>()?;
        segments.push(segment);
        if last {
            break;
        }
        if segments.len() > MAX_PARTS {
            return Err(Error::Damaged("too many segments"));
        }
    }
    Ok(Image { segments, end: at })
}

/// Both images, and in the first what leads to the second.
fn with_gain_map<R: Read + Seek>(
    input: &mut Input<'_, R>,
    image: &Image,
    blocks: Blocks,
    gain_map: &GainMap,
    keep: Keep,
) -> Result<Rewrite, Error> {
    let gain_map_len = gain_map.content.len();
    let xmp = gain_map.announcing.announce_gain_map(keep == Keep::Copyright, gain_map_len);
    let mut segments = Blocks { xmp: Some(xmp), ..blocks }.jpeg_segments();
    segments.extend_from_slice(&gain_map.iso_segments);
    let mp_at = segments.len();
    segments.extend(mp_segment(0, 0, 0));
    let (first, blocks_at) = rewrite(input, &image.segments, &segments)?;
    segments.truncate(mp_at);
    segments.extend(mp_segment(blocks_at + mp_at as u64, first.len(), gain_map_len));
    let (mut out, _) = rewrite(input, &image.segments, &segments)?;
    out.append(gain_map.content.clone());
    Ok(out)
}

/// Everything that is kept, with `blocks` where readers look for them, and that place: first of all, but after a JFIF
/// header that opens the file (JFIF 1.02 wants to be first, and so does Exif; readers take either order).
fn rewrite<R: Read + Seek>(
    input: &mut Input<'_, R>,
    segments: &[Segment],
    blocks: &[u8],
) -> Result<(Rewrite, u64), Error> {
    let mut out = Rewrite::new(input.len());
    let jfif_first = match segments.get(1) {
        Some(segment) if segment.marker == jpeg::APP0 => header(input, segment, b"JFIF\0", JFIF_LEN)?.is_some(),
        _ => false,
    };
    let mut blocks_at = 0;
    for (index, segment) in segments.iter().enumerate() {
        keep_segment(input, segment, &mut out)?;
        if index == usize::from(jfif_first) {
            blocks_at = out.len();
            out.insert(blocks);
        }
    }
    Ok((out, blocks_at))
}

pub(super) fn keep_segment<R: Read + Seek>(
    input: &mut Input<'_, R>,
    segment: &Segment,
    out: &mut Rewrite,
) -> io::Result<()> {
    match segment.marker {
        // SOFn, DHT, SOI, EOI, SOS, DQT, DNL, DRI, DHP, EXP, DAC (table B.1).
        0xc0..=0xcf | jpeg::SOI..=0xdf => out.copy(segment.range.clone()),
        jpeg::APP0 => keep_header(input, segment, b"JFIF\0", JFIF_LEN, out)?,
        jpeg::APP2 if segment.opens_with(input, jpeg::ICC)? => {
            out.copy(segment.range.clone());
        }
        jpeg::APP14 => keep_header(input, segment, b"Adobe", ADOBE_LEN, out)?,
        _ => {}
    }
    Ok(())
}

/// Keeps the first `len` bytes of a segment that opens with `name`, where decoders look no further.
fn keep_header<R: Read + Seek>(
    input: &mut Input<'_, R>,
    segment: &Segment,
    name: &[u8],
    len: usize,
    out: &mut Rewrite,
) -> io::Result<()> {
    if let Some(bytes) = header(input, segment, name, len)? {
        let clean = jpeg::segment(segment.marker, &[&bytes]);
        if input.copy(segment.range.clone(), jpeg::MAX_PAYLOAD)? == clean {
            out.copy(segment.range.clone());
        } else {
            out.insert(&clean);
        }
    }
    Ok(())
}

/// The first `len` bytes of a segment that opens with `name`, or `None` for one that is shorter: decoders pass it over.
fn header<R: Read + Seek>(
    input: &mut Input<'_, R>,
    segment: &Segment,
    name: &[u8],
    len: usize,
) -> io::Result<Option<Vec<u8>>> {
    if segment.payload.end - segment.payload.start < len as u64 {
        return Ok(None);
    }
    let mut bytes = input.copy(segment.payload.clone(), len)?;
    if !bytes.starts_with(name) {
        return Ok(None);
    }
    if segment.marker == jpeg::APP0 {
        // JFIF 1.02: bytes 12 and 13 are the size of a thumbnail, whose pixels follow.
        bytes.get_mut(12..).unwrap_or_default().fill(0);
    }
    Ok(Some(bytes))
}
