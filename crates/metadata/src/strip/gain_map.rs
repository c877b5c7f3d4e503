//! HDR gain maps in JPEG (Ultra HDR, Adobe's gain map specification; ISO 21496-1): a second JPEG after the first, which
//! is applied on HDR displays. It affects the appearance of the picture, so it is kept, with only the metadata that is
//! needed to apply it.
//!
//! Both images are stripped; the directory that refers to the second one (CIPA DC-007, "MPF") and the XMP that
//! describes its application are rewritten. A gain map that these do not lead to is dropped, with everything that
//! announces it.

use std::io::{self, Read, Seek};

use super::jpeg::{Image, image, kept};
use crate::xmp::Xmp;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::jpeg::{self, Segment};
use image_origin_container::tiff::Block;

/// The tag of the MP entries (CIPA DC-007, 5.2.3.3), which have 16 bytes per image.
const MP_ENTRIES: u16 = 0xb002;
/// The maximum number of images in an MP directory; cameras write two to four.
const MAX_IMAGES: usize = 16;
/// The maximum number of images that are searched for their end; a file has one gain map.
const MAX_WALKS: usize = 2;
/// The maximum size of ISO 21496-1 metadata, which needs some 60 bytes per colour channel.
const MAX_ISO_METADATA: u64 = 512;

/// A gain map that is kept.
pub(super) struct GainMap {
    /// The stripped second image.
    pub(super) content: Rewrite,
    /// The XMP of the first image, which announces the gain map.
    pub(super) announcing: Xmp,
    /// The serialized ISO 21496-1 version segments of the first image.
    pub(super) iso_segments: Vec<u8>,
}

/// Finds the gain map of the first image, if that announces one and it is at its announced location.
pub(super) fn find<R: Read + Seek>(input: &mut Input<'_, R>, primary: &Image) -> Result<Option<GainMap>, Error> {
    let announcing = gain_map_xmp(input, &primary.segments)?;
    let iso_segments = iso_segments(input, &primary.segments)?;
    if announcing.is_none() && iso_segments.is_empty() {
        return Ok(None);
    }
    let mut candidates = mp_offsets(input, &primary.segments)?;
    candidates.push(primary.end);
    candidates.retain(|&start| start >= primary.end);
    let mut walks = 0;
    for start in candidates {
        if input.array::<3>(start)? != Some([0xff, jpeg::SOI, 0xff]) || !opens_gain_map(input, start)? {
            continue;
        }
        if walks == MAX_WALKS {
            break;
        }
        walks += 1;
        if let Some(content) = secondary(input, start)? {
            return Ok(Some(GainMap { content, announcing: announcing.unwrap_or_default(), iso_segments }));
        }
    }
    Ok(None)
}

/// Whether the header of the image at `start` declares it as a gain map.
fn opens_gain_map<R: Read + Seek>(input: &mut Input<'_, R>, start: u64) -> Result<bool, Error> {
    let header = jpeg::header_segments_from(input, start + 2)?;
    Ok(gain_map_xmp(input, &header)?.is_some() || !iso_segments(input, &header)?.is_empty())
}

/// The second image with only what is needed to apply it; `None` if it is no gain map or is truncated.
fn secondary<R: Read + Seek>(input: &mut Input<'_, R>, start: u64) -> Result<Option<Rewrite>, Error> {
    let image = image(input, start)?;
    let xmp = gain_map_xmp(input, &image.segments)?.and_then(|xmp| xmp.gain_map());
    let iso = iso_segments(input, &image.segments)?;
    let complete = image.is_complete() && image.segments.iter().any(|segment| segment.marker == jpeg::SOS);
    if !complete || (xmp.is_none() && iso.is_empty()) {
        return Ok(None);
    }
    let mut out = Rewrite::new(input.len());
    for (index, kept) in kept(input, &image.segments)?.into_iter().enumerate() {
        out.append(kept);
        if index == 0 {
            out.insert(&xmp.as_ref().map(|packet| jpeg::segment(jpeg::APP1, &[jpeg::XMP, packet])).unwrap_or_default());
            out.insert(&iso);
        }
    }
    Ok(Some(out))
}

/// The XMP of these segments, if it describes a gain map.
fn gain_map_xmp<R: Read + Seek>(input: &mut Input<'_, R>, segments: &[Segment]) -> Result<Option<Xmp>, Error> {
    for segment in segments.iter().filter(|segment| segment.marker == jpeg::APP1) {
        if segment.opens_with(input, jpeg::XMP)? {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            let xmp = Xmp::new(&[payload.strip_prefix(jpeg::XMP).unwrap_or_default().to_vec()], input.meter())?;
            return Ok(xmp.gain_map().is_some().then_some(xmp));
        }
    }
    Ok(None)
}

/// The ISO 21496-1 segment among these, serialized again; empty if there is none.
fn iso_segments<R: Read + Seek>(input: &mut Input<'_, R>, segments: &[Segment]) -> io::Result<Vec<u8>> {
    let payload = iso_payload(input, segments)?;
    Ok(payload.map(|payload| jpeg::segment(jpeg::APP2, &[jpeg::ISO_GAIN_MAP, &payload])).unwrap_or_default())
}

/// The payload of the ISO 21496-1 segment among these, after its identifier.
pub(crate) fn iso_payload<R: Read + Seek>(
    input: &mut Input<'_, R>,
    segments: &[Segment],
) -> io::Result<Option<Vec<u8>>> {
    for segment in segments.iter().filter(|segment| segment.marker == jpeg::APP2) {
        let short = segment.range.end - segment.range.start <= MAX_ISO_METADATA && !segment.cut;
        if short && segment.opens_with(input, jpeg::ISO_GAIN_MAP)? {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            return Ok(payload.strip_prefix(jpeg::ISO_GAIN_MAP).map(<[u8]>::to_vec));
        }
    }
    Ok(None)
}

/// The offsets of further images in the MP directory.
pub(crate) fn mp_offsets<R: Read + Seek>(input: &mut Input<'_, R>, segments: &[Segment]) -> io::Result<Vec<u64>> {
    for segment in segments.iter().filter(|segment| segment.marker == jpeg::APP2) {
        let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
        let Some(data) = payload.strip_prefix(jpeg::MPF) else { continue };
        let Some(block) = Block::new(data) else { continue };
        // Offsets are relative to the header of the MP block (5.2.3.3.3).
        let base = segment.payload.start + jpeg::MPF.len() as u64;
        let entries = block.primary(MP_ENTRIES).map(|field| field.value).unwrap_or_default();
        let offsets = entries.chunks_exact(16).take(MAX_IMAGES).filter_map(|entry| block.u32(entry.get(8..)?));
        return Ok(offsets.filter(|&offset| offset != 0).map(|offset| base + u64::from(offset)).collect());
    }
    Ok(Vec::new())
}

/// Serializes the segment with the MP directory of two images (CIPA DC-007, 5.2). `at` is its offset in the new file.
pub(crate) fn mp_segment(at: u64, primary_len: u64, gain_map_len: u64) -> Vec<u8> {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
    let header_at = at + 4 + jpeg::MPF.len() as u64;
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x03".to_vec();
    block.extend(b"\xb0\x00\0\x07\0\0\0\x040100");
    block.extend(b"\xb0\x01\0\x04\0\0\0\x01\0\0\0\x02");
    block.extend(b"\xb0\x02\0\x07\0\0\0\x20\0\0\0\x32");
    block.extend([0; 4]);
    // The first image: "baseline MP primary image", at offset 0 by definition.
    block.extend(b"\0\x03\0\0");
    block.extend(number(primary_len));
    block.extend([0; 8]);
    // The second image: of undefined type, as the gain map specification requires.
    block.extend([0; 4]);
    block.extend(number(gain_map_len));
    block.extend(number(primary_len.saturating_sub(header_at)));
    block.extend([0; 4]);
    jpeg::segment(jpeg::APP2, &[jpeg::MPF, &block])
}
