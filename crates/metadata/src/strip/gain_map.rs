//! HDR gain maps in JPEG (Ultra HDR, Adobe's gain map specification; ISO 21496-1; Apple's own form): a second JPEG after
//! the first, which is applied on HDR displays. It affects the appearance of the picture, so it is kept, with only the
//! metadata that is needed to apply it. Of Apple's form this is partly in the maker notes of the first image, and is
//! written into the second.
//!
//! Both images are stripped; the directory that refers to the second one (CIPA DC-007, "MPF") and the XMP that
//! describes its application are rewritten. A gain map that these do not lead to is dropped, with everything that
//! announces it.

use std::io;

use super::jpeg::{Image, image, kept};
use crate::gain_map::{apple, exif, without_trailing, xmp};
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
    /// The XMP of the first image, if the gain map is announced there, as in all forms but Apple's.
    pub(super) announcing: Option<Xmp>,
    /// The serialized ISO 21496-1 version segments of the first image.
    pub(super) iso_segments: Vec<u8>,
}

/// Finds the gain map of the first image, if that announces one and it is at its announced location, or Apple's.
pub(super) fn find(input: &mut Input<'_>, primary: &Image) -> Result<Option<GainMap>, Error> {
    let announcing = gain_map_xmp(input, &primary.segments)?;
    let iso_segments = iso_segments(input, &primary.segments)?;
    let is_announced = announcing.is_some() || !iso_segments.is_empty();
    let mut candidates = mp_offsets(input, &primary.segments)?;
    if is_announced || !candidates.is_empty() {
        candidates.push(primary.end);
    }
    candidates.retain(|&start| start >= primary.end);
    let mut walks = 0;
    for start in candidates {
        if input.array::<3>(start)? != Some([0xff, jpeg::SOI, 0xff]) {
            continue;
        }
        let header = jpeg::header_segments_from(input, start + 2)?;
        let applied = match applied(input, &header)? {
            Some(applied) if is_announced => applied,
            Some(_) => continue,
            None => match apples(input, primary, &header)? {
                Some(applied) => applied,
                None => continue,
            },
        };
        if walks == MAX_WALKS {
            break;
        }
        walks += 1;
        if let Some(content) = secondary(input, start, &applied)? {
            let announcing = is_announced.then(|| announcing.unwrap_or_default());
            return Ok(Some(GainMap { content, announcing, iso_segments }));
        }
    }
    Ok(None)
}

/// Whether the segments of the first image announce a gain map.
pub(crate) fn is_announced(input: &mut Input<'_>, segments: &[Segment]) -> io::Result<bool> {
    let has_version = |xmp: Xmp| xmp.gain_map().is_some();
    Ok(iso_payload(input, segments)?.is_some() || xmp(input, segments)?.is_some_and(has_version))
}

/// The serialized segments by which a gain map with this header is applied; `None` if it has none.
fn applied(input: &mut Input<'_>, header: &[Segment]) -> Result<Option<Vec<u8>>, Error> {
    let xmp = gain_map_xmp(input, header)?.and_then(|xmp| xmp.gain_map());
    let iso = iso_segments(input, header)?;
    let segments = [xmp.map(|packet| xmp_segment(&packet)).unwrap_or_default(), iso].concat();
    Ok((!segments.is_empty()).then_some(segments))
}

/// The same for a gain map in Apple's form.
fn apples(input: &mut Input<'_>, primary: &Image, header: &[Segment]) -> Result<Option<Vec<u8>>, Error> {
    let Some(xmp) = xmp(input, header)?.filter(apple::is_gain_map) else { return Ok(None) };
    let exif = exif(input, &primary.segments)?;
    Ok(apple::packet(&xmp, exif.as_deref()).map(|packet| xmp_segment(&packet)))
}

fn xmp_segment(packet: &[u8]) -> Vec<u8> {
    jpeg::segment(jpeg::APP1, &[jpeg::XMP, packet])
}

/// The second image with the segments by which it is applied; `None` if it is truncated.
fn secondary(input: &mut Input<'_>, start: u64, applied: &[u8]) -> Result<Option<Rewrite>, Error> {
    let image = image(input, start)?;
    if !image.is_complete() || !image.segments.iter().any(|segment| segment.marker == jpeg::SOS) {
        return Ok(None);
    }
    let mut out = Rewrite::new(input.len());
    for (index, kept) in kept(input, &image.segments)?.into_iter().enumerate() {
        out.append(kept);
        if index == 0 {
            out.insert(applied);
        }
    }
    Ok(Some(out))
}

/// The XMP of these segments, if it describes a gain map.
fn gain_map_xmp(input: &mut Input<'_>, segments: &[Segment]) -> Result<Option<Xmp>, Error> {
    Ok(xmp(input, segments)?.filter(|xmp| xmp.gain_map().is_some()))
}

/// The ISO 21496-1 segment among these, serialized again; empty if there is none.
fn iso_segments(input: &mut Input<'_>, segments: &[Segment]) -> io::Result<Vec<u8>> {
    let payload = iso_payload(input, segments)?;
    let segment = |payload: Vec<u8>| jpeg::segment(jpeg::APP2, &[jpeg::ISO_GAIN_MAP, without_trailing(&payload)]);
    Ok(payload.map(segment).unwrap_or_default())
}

/// The payload of the ISO 21496-1 segment among these, after its identifier.
pub(crate) fn iso_payload(input: &mut Input<'_>, segments: &[Segment]) -> io::Result<Option<Vec<u8>>> {
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
pub(crate) fn mp_offsets(input: &mut Input<'_>, segments: &[Segment]) -> io::Result<Vec<u64>> {
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Keep, gain_map as found, strip_with_format};
    use image_origin_container::Cancellation;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)).unwrap()
    }

    /// A picture with this Exif block, and behind it a gain map with these properties of Apple's.
    fn apple(exif: &[u8], properties: &str) -> Vec<u8> {
        let packet = format!(
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description xmlns:apdi=\"http://ns.apple.com/pixeldatainfo/1.0/\" \
             xmlns:HDRGainMap=\"http://ns.apple.com/HDRGainMap/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             dc:title=\"Ann\" {properties}/></rdf:RDF></x:xmpmeta>"
        );
        let insert = |file: &[u8], segments: &[u8]| [&file[..2], segments, &file[2..]].concat();
        let map = insert(&fixture("jpeg/grey.jpg"), &xmp_segment(packet.as_bytes()));
        let (plain, exif) = (fixture("photo.jpg"), jpeg::segment(jpeg::APP1, &[jpeg::EXIF, exif]));
        let directory = mp_segment(0, 0, 0).len();
        let length = (plain.len() + exif.len() + directory) as u64;
        let segments = [exif.clone(), mp_segment(2 + exif.len() as u64, length, map.len() as u64)].concat();
        [insert(&plain, &segments), map].concat()
    }

    /// An Exif block with Apple's maker notes, in which the headroom is 2 to the power of 1.5.
    fn notes() -> Vec<u8> {
        let entry = |tag: u16, at: u32| [&tag.to_be_bytes()[..], &[0, 10, 0, 0, 0, 1], &at.to_be_bytes()].concat();
        let rational = |n: i32, d: i32| [n.to_be_bytes(), d.to_be_bytes()].concat();
        // 14 bytes of header, a count, and two entries.
        let note = [
            b"Apple iOS\0\0\x01MM".as_slice(),
            &[0, 2],
            &entry(33, 40),
            &entry(48, 48),
            &rational(1, 2),
            &rational(1, 1),
        ]
        .concat();
        let field = |tag: u16, kind: u16, count: u32, value: u32| {
            let (tag, kind) = (tag.to_be_bytes(), kind.to_be_bytes());
            [&tag[..], &kind, &count.to_be_bytes(), &value.to_be_bytes()].concat()
        };
        let (head, none) = (b"MM\0\x2a\0\0\0\x08".as_slice(), [0; 4]);
        let exif = field(0x8769, 4, 1, 26);
        let maker = field(0x927c, 7, note.len() as u32, 44);
        [head, &[0, 1], &exif, &none, &[0, 1], &maker, &none, &note].concat()
    }

    const AUXILIARY: &str = "apdi:AuxiliaryImageType=\"urn:com:apple:photo:2020:aux:hdrgainmap\"";

    fn stripped(file: &[u8], keep: Keep, keeps_gain_map: bool) -> Vec<u8> {
        let cancellation = Cancellation::unbounded();
        let (_, plan) = strip_with_format(&mut Cursor::new(file), keep, keeps_gain_map, &cancellation).unwrap();
        let mut out = Vec::new();
        plan.write_to(Cursor::new(file), &mut out).unwrap();
        out
    }

    #[test]
    fn maps_of_apple_stay_with_their_headroom() {
        let version = "HDRGainMap:HDRGainMapVersion=\"65536\"";
        for (name, exif, properties, stays) in [
            ("maker notes", notes(), format!("{AUXILIARY} {version}"), true),
            ("its own", Vec::new(), format!("{AUXILIARY} {version} HDRGainMap:HDRGainMapHeadroom=\"2.828427\""), true),
            ("no headroom", Vec::new(), format!("{AUXILIARY} {version}"), false),
            ("no number", notes(), format!("{AUXILIARY} HDRGainMap:HDRGainMapVersion=\"Ann\""), false),
            ("another image", notes(), version.to_owned(), false),
        ] {
            let original = apple(&exif, &properties);
            for keep in [Keep::None, Keep::Marks, Keep::Copyright] {
                let out = stripped(&original, keep, true);
                let map = found(&out, &Cancellation::unbounded()).unwrap();
                assert_eq!(map.is_some(), stays, "{name} {keep:?}");
                if let Some(map) = map {
                    let text = String::from_utf8_lossy(&out[map.start..]).into_owned();
                    assert!(text.contains("HDRGainMapHeadroom=\"2.828427\""), "{name}: {text}");
                }
                let has = |text: &[u8]| out.windows(text.len()).any(|window| window == text);
                assert!(!has(b"Ann") && !has(b"Apple iOS"), "{name} {keep:?}");
                assert_eq!(stripped(&out, keep, true), out, "{name} {keep:?}");
                assert!(found(&stripped(&original, keep, false), &Cancellation::unbounded()).unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_map_that_the_picture_shows_stays_in_the_original_too() {
        let packet = |properties: &str| {
            let packet = format!(
                "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
                 <rdf:Description xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" {properties}/></rdf:RDF></x:xmpmeta>"
            );
            xmp_segment(packet.as_bytes())
        };
        let insert = |file: &[u8], segments: &[u8]| [&file[..2], segments, &file[2..]].concat();
        let how = packet("hdrgm:Version=\"1.0\" hdrgm:GainMapMax=\"2\" hdrgm:HDRCapacityMax=\"2\"");
        let map = insert(&fixture("jpeg/grey.jpg"), &how);
        let plain = fixture("photo.jpg");
        let announcements =
            [packet("hdrgm:Version=\"1.0\""), jpeg::segment(jpeg::APP2, &[jpeg::ISO_GAIN_MAP, &[0; 4]]), Vec::new()];
        for (index, announcement) in announcements.iter().enumerate() {
            let mp_at = 2 + announcement.len() as u64;
            let length = plain.len() as u64 + announcement.len() as u64 + mp_segment(0, 0, 0).len() as u64;
            let directories = [
                mp_segment(mp_at, length, map.len() as u64),
                mp_segment(mp_at, length - 700, map.len() as u64),
                Vec::new(),
            ];
            for directory in directories {
                let file = [insert(&plain, &[announcement.as_slice(), &directory].concat()), map.clone()].concat();
                let is_found = |file: &[u8]| found(file, &Cancellation::unbounded()).unwrap().is_some();
                let what = format!("announcement {index}, directory of {} bytes", directory.len());
                assert_eq!(is_found(&file), !announcement.is_empty(), "{what}");
                assert_eq!(is_found(&stripped(&file, Keep::None, true)), !announcement.is_empty(), "{what}");
            }
        }
    }
}
