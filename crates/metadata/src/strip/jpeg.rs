//! JPEG: keeps what decoders use to show the picture: the frame, its scans and the tables that these use, the JFIF and
//! Adobe headers, and the ICC profile. Trailing bytes after the parameters of a segment are dropped.

use std::io::{self, Cursor};
use std::ops::Range;

use super::Keep;
use super::gain_map::{self, GainMap, mp_segment};
use super::jpeg_tables::{Frame, Scan, Tables};
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite, icc};
use image_origin_container::Input;
use image_origin_container::MAX_PROFILE;
use image_origin_container::Meter;
use image_origin_container::blocks::Blocks;
use image_origin_container::jpeg::{self, Segment};
use image_origin_container::{MAX_PARTS, parts};

/// The length of a JFIF header without thumbnail: "JFIF", version, unit, densities, and thumbnail size (JFIF 1.02).
const JFIF_LEN: usize = 14;
/// The length of an Adobe header: "Adobe", version, flags, and colour transform (Adobe technical note 5116).
const ADOBE_LEN: usize = 12;
/// The number of profile bytes in a segment, besides identifier, number and count (ICC.1:2022, B.4).
const ICC_CHUNK: usize = jpeg::MAX_PAYLOAD - jpeg::ICC.len() - 2;

/// An image in the file.
pub(crate) struct Image {
    /// The segments up to its EOI; entropy-coded data belongs to the preceding SOS.
    pub(super) segments: Vec<Segment>,
    /// The offset of its end.
    pub(crate) end: u64,
}

impl Image {
    /// Whether the image ends with EOI.
    pub(super) fn is_complete(&self) -> bool {
        self.segments.last().is_some_and(|segment| segment.marker == jpeg::EOI)
    }
}

pub(super) fn strip(input: &mut Input<'_>, keep: Keep, keeps_gain_map: bool) -> Result<Rewrite, Error> {
    let image = image(input, 0)?;
    if !image.segments.iter().any(|segment| segment.marker == jpeg::SOS) {
        return Err(Error::Damaged("no image data"));
    }
    let parts = parts::of_jpeg(input, &image.segments, keep.want())?;
    let blocks = for_same_pixels(&parts, keep, input.meter())?;
    let gain_map = if keeps_gain_map { gain_map::find(input, &image)? } else { None };
    match gain_map {
        Some(gain_map) if image.is_complete() => with_gain_map(input, &image, blocks, &gain_map, keep),
        _ => {
            let kept = kept(input, &image.segments)?;
            Ok(rewrite(input, &image.segments, &kept, &blocks.jpeg_segments())?.0)
        }
    }
}

/// Reads the image that begins at `start`.
pub(crate) fn image(input: &mut Input<'_>, start: u64) -> Result<Image, Error> {
    image_with(input, start, false)
}

/// Reads an image whose restart interval may be defined elsewhere.
fn image_with(input: &mut Input<'_>, start: u64, mut has_restarts: bool) -> Result<Image, Error> {
    let mut segments = Vec::new();
    let mut at = start;
    while let Some(mut segment) = jpeg::next_segment(input, at)? {
        at = segment.range.end;
        match segment.marker {
            jpeg::SOS => {
                at = jpeg::scan_end(input, segment.range.end)?;
                // Without a restart interval, decoders stop at the first restart marker (B.2.1).
                segment.range.end = if has_restarts { at } else { jpeg::data_end(input, segment.range.end, at)? };
            }
            jpeg::DRI => has_restarts = input.array::<2>(segment.payload.start)?.is_some_and(|count| count != [0, 0]),
            _ => {}
        }
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

/// Both images, and in the first one the references to the second.
fn with_gain_map(
    input: &mut Input<'_>,
    image: &Image,
    blocks: Blocks,
    gain_map: &GainMap,
    keep: Keep,
) -> Result<Rewrite, Error> {
    let gain_map_len = gain_map.content.len();
    let announcement = gain_map.announcing.as_ref().map(|xmp| xmp.announce_gain_map(keep, gain_map_len));
    let mut segments = Blocks { xmp: announcement.or(blocks.xmp), ..blocks }.jpeg_segments();
    segments.extend_from_slice(&gain_map.iso_segments);
    let mp_at = segments.len();
    segments.extend(mp_segment(0, 0, 0));
    let kept = kept(input, &image.segments)?;
    let (first, blocks_at) = rewrite(input, &image.segments, &kept, &segments)?;
    segments.truncate(mp_at);
    segments.extend(mp_segment(blocks_at + mp_at as u64, first.len(), gain_map_len));
    let (mut out, _) = rewrite(input, &image.segments, &kept, &segments)?;
    out.append(gain_map.content.clone());
    Ok(out)
}

/// An image within another file.
pub(super) struct Embedded {
    pub(super) kept: Rewrite,
    /// The offset of its end.
    pub(super) end: u64,
    /// Whether it ends with EOI.
    pub(super) is_complete: bool,
}

/// Reads an image within another file, which may define its tables elsewhere; `None` for one that no decoder reads.
pub(super) fn embedded(
    input: &mut Input<'_>,
    range: Range<u64>,
    has_restarts: bool,
) -> Result<Option<Embedded>, Error> {
    input.up_to(range.end, |input| {
        if input.array(range.start)? != Some([0xff, jpeg::SOI]) {
            return Ok(None);
        }
        let image = image_with(input, range.start, has_restarts)?;
        let kept = match kept(input, &image.segments) {
            Ok(kept) => kept,
            Err(Error::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut out = Rewrite::new(input.len());
        kept.into_iter().for_each(|kept| out.append(kept));
        let found = Embedded { end: image.end, is_complete: image.is_complete(), kept: out };
        Ok(Some(found).filter(|found| found.kept.len() <= found.end - range.start))
    })
}

/// The shared tables of images within another file (TIFF technical note 2), and whether they define a restart interval.
pub(super) fn shared_tables(tables: &[u8], meter: &Meter<'_>) -> Result<(Vec<u8>, bool), Error> {
    let mut input = Input::new(Cursor::new(tables), meter)?;
    let segments = image(&mut input, 0)?.segments;
    let (mut defined, mut contents, mut restarts) = (Tables::default(), Vec::new(), Vec::new());
    for (index, segment) in segments.iter().enumerate() {
        let content = payload(&mut input, segment)?;
        match segment.marker {
            _ if segment.cut => {}
            jpeg::DQT | jpeg::DHT => defined.define(index, segment.marker, &content),
            jpeg::DRI if content.len() >= 2 => {
                restarts = jpeg::segment(jpeg::DRI, &[content.get(..2).unwrap_or_default()]);
            }
            _ => {}
        }
        contents.push(content);
    }
    defined.take_all();
    let mut out = vec![0xff, jpeg::SOI];
    for (index, ranges) in defined.used() {
        let (Some(segment), Some(content)) = (segments.get(index), contents.get(index)) else { continue };
        let parts: Vec<_> = ranges.into_iter().filter_map(|range| content.get(range)).collect();
        out.extend(jpeg::segment(segment.marker, &parts));
    }
    let has_restarts = !restarts.is_empty();
    out.extend(restarts);
    out.extend([0xff, jpeg::EOI]);
    Ok((out, has_restarts))
}

/// Everything that is kept, with `blocks` where readers expect them, and that offset: at the beginning, but after a
/// leading JFIF header (both JFIF 1.02 and Exif require to be first; readers accept either order).
fn rewrite(input: &Input<'_>, segments: &[Segment], kept: &[Rewrite], blocks: &[u8]) -> io::Result<(Rewrite, u64)> {
    let mut out = Rewrite::new(input.len());
    let jfif_first = segments.get(1).is_some_and(|segment| segment.marker == jpeg::APP0)
        && kept.get(1).is_some_and(|kept| !kept.is_empty());
    let mut blocks_at = 0;
    for (index, kept) in kept.iter().enumerate() {
        out.append(kept.clone());
        if index == usize::from(jfif_first) {
            blocks_at = out.len();
            out.insert(blocks);
        }
    }
    Ok((out, blocks_at))
}

/// The kept part of each segment of an image.
///
/// # Errors
/// [`Error::Damaged`] if no decoder could show the image: a scan does not match its frame header.
pub(super) fn kept(input: &mut Input<'_>, segments: &[Segment]) -> Result<Vec<Rewrite>, Error> {
    let source_len = input.len();
    let mut kept: Vec<_> = segments.iter().map(|_| Rewrite::new(source_len)).collect();
    input.meter().hold((segments.len() * size_of::<Rewrite>()) as u64)?;
    let (mut frame, mut tables): (Option<Frame>, _) = (None, Tables::default());
    let (mut scans, mut has_jfif, mut adobe, mut is_over) = (0, false, None, false);
    for (index, segment) in segments.iter().enumerate() {
        // The height may be defined after the first scan (B.2.5).
        let needs_height = scans == 1
            && frame.as_ref().is_some_and(|frame| frame.height == 0)
            && segments.get(index.wrapping_sub(1)).is_some_and(|before| before.marker == jpeg::SOS);
        match segment.marker {
            jpeg::SOI if index == 0 => kept[index].copy(segment.range.clone()),
            jpeg::EOI => kept[index].copy(segment.range.clone()),
            jpeg::DNL if needs_height && !segment.cut => {
                trimmed(input, segment, 2, &mut kept[index])?;
            }
            // A truncated segment is the last one in the file.
            _ if segment.cut || is_over => {}
            jpeg::APP0 if !has_jfif && scans == 0 => {
                has_jfif = keep_header(input, segment, b"JFIF\0", JFIF_LEN, &mut kept[index])?;
            }
            jpeg::APP14 if scans == 0 => {
                let mut header = Rewrite::new(source_len);
                // If there are several, the last one is used.
                if keep_header(input, segment, b"Adobe", ADOBE_LEN, &mut header)? {
                    adobe = Some((index, header));
                }
            }
            jpeg::DQT | jpeg::DHT | jpeg::DAC => tables.define(index, segment.marker, &payload(input, segment)?),
            jpeg::DRI => trimmed(input, segment, 2, &mut kept[index])?,
            jpeg::SOS => {
                let content = payload(input, segment)?;
                let scan = frame.as_mut().and_then(|frame| Some((Scan::read(&content, frame)?, frame)));
                let Some((scan, frame)) = scan else {
                    if scans == 0 {
                        return Err(Error::Damaged("a scan that fits no frame header"));
                    }
                    is_over = true;
                    continue;
                };
                tables.take(&scan, frame);
                scans += 1;
                is_over = frame.is_over_with(&scan);
                trimmed(input, segment, scan.header_len, &mut kept[index])?;
                kept[index].copy(segment.payload.end..segment.range.end);
            }
            // Decoders stop at a second frame.
            marker if Frame::is_marker(marker) && frame.is_some() => is_over = true,
            marker if Frame::is_marker(marker) => {
                let read = Frame::read(marker, &payload(input, segment)?).ok_or(Error::Damaged("the frame header"))?;
                trimmed(input, segment, read.header_len, &mut kept[index])?;
                frame = Some(read);
            }
            _ => {}
        }
    }
    if scans == 0 {
        return Err(Error::Damaged("no image data"));
    }
    if let Some((index, header)) = adobe {
        kept[index] = header;
    }
    for (index, used) in tables.used() {
        let Some(segment) = segments.get(index) else { continue };
        let parts = payload(input, segment)?;
        let parts: Vec<_> = used.into_iter().filter_map(|range| parts.get(range)).collect();
        replaced(input, segment, &jpeg::segment(segment.marker, &parts), &mut kept[index])?;
    }
    keep_profile(input, segments, &mut kept)?;
    Ok(kept)
}

fn payload(input: &mut Input<'_>, segment: &Segment) -> io::Result<Vec<u8>> {
    input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)
}

/// Keeps the first `len` bytes of the parameters.
fn trimmed(input: &mut Input<'_>, segment: &Segment, len: usize, out: &mut Rewrite) -> io::Result<()> {
    if segment.payload.end - segment.payload.start > len as u64 {
        let payload = input.copy(segment.payload.clone(), len)?;
        out.insert(&jpeg::segment(segment.marker, &[&payload]));
    } else {
        out.copy(segment.range.start..segment.payload.end);
    }
    Ok(())
}

/// Keeps a segment with new content, as a copy if it is unchanged.
fn replaced(input: &mut Input<'_>, segment: &Segment, content: &[u8], out: &mut Rewrite) -> io::Result<()> {
    if input.copy(segment.range.clone(), content.len().saturating_add(1))? == content {
        out.copy(segment.range.clone());
    } else {
        out.insert(content);
    }
    Ok(())
}

/// Keeps the segments of a complete profile, in their order. A profile with trailing bytes is rewritten without them.
fn keep_profile(input: &mut Input<'_>, segments: &[Segment], kept: &mut [Rewrite]) -> Result<(), Error> {
    let mut chunks = Vec::new();
    let mut room = MAX_PROFILE + jpeg::MAX_PAYLOAD;
    for (index, segment) in segments.iter().enumerate().take_while(|(_, segment)| segment.marker != jpeg::SOS) {
        if segment.marker == jpeg::APP2 && !segment.cut && segment.opens_with(input, jpeg::ICC)? {
            let payload = payload(input, segment)?;
            let Some(left) = room.checked_sub(payload.len()) else { return Ok(()) };
            room = left;
            chunks.push((index, payload.get(jpeg::ICC.len()..).unwrap_or_default().to_vec()));
        }
    }
    let numbered: Vec<_> = chunks.iter().map(|(_, chunk)| chunk.as_slice()).collect();
    let Some(profile) = jpeg::join_icc(&numbered) else { return Ok(()) };
    let Some(len) = icc::len(&profile).filter(|len| *len <= MAX_PROFILE) else { return Ok(()) };
    // If several chunks have the same number, the first one is used.
    let mut seen = [false; 256];
    let first = |(_, chunk): &&(usize, Vec<u8>)| {
        let number = usize::from(chunk.first().copied().unwrap_or_default());
        !std::mem::replace(&mut seen[number], true)
    };
    let used: Vec<_> = chunks.iter().filter(first).map(|(index, _)| *index).collect();
    if len == profile.len() {
        used.iter().for_each(|&index| kept[index].copy(segments[index].range.clone()));
    } else if let Some(&index) = used.first() {
        let profile = profile.get(..len).unwrap_or_default();
        let count = len.div_ceil(ICC_CHUNK) as u8;
        for (number, chunk) in (1..=count).zip(profile.chunks(ICC_CHUNK)) {
            kept[index].insert(&jpeg::segment(jpeg::APP2, &[jpeg::ICC, &[number, count], chunk]));
        }
    }
    Ok(())
}

/// Keeps the first `len` bytes of a segment that begins with `name`, which is all that decoders read, and returns
/// whether it is long enough: decoders ignore a shorter one.
fn keep_header(
    input: &mut Input<'_>,
    segment: &Segment,
    name: &[u8],
    len: usize,
    out: &mut Rewrite,
) -> io::Result<bool> {
    let mut bytes = input.copy(segment.payload.clone(), len)?;
    if bytes.len() < len || !bytes.starts_with(name) {
        return Ok(false);
    }
    if segment.marker == jpeg::APP0 {
        // JFIF 1.02: bytes 12 and 13 are the thumbnail size, followed by its pixels.
        bytes.get_mut(12..).unwrap_or_default().fill(0);
    }
    replaced(input, segment, &jpeg::segment(segment.marker, &[&bytes]), out)?;
    Ok(true)
}
