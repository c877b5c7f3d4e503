//! AVIF and HEIF: everything stays at its offset, since the file contains absolute offsets. Dropped items are removed
//! from the `meta` box, whose size is kept; their data is overwritten with zeros, as is any other media data that no
//! item and no sample of a sequence uses. Dropped boxes become free space of the same size.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Keep;
use super::edits::{Edit, apply, common, merged, without};
use super::heif_meta::{derived_len, is_metadata, kept_items, without_items};
use super::heif_movie::samples;
use super::heif_units::{Coding, Units};
use crate::gain_map::MAX_PARAMETERS;
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::MAX_PARTS;
use image_origin_container::heif::{Location, Meta, meta};
use image_origin_container::isobmff::{BoxAt, boxes};
use image_origin_container::parts;
use image_origin_container::{Exhausted, Meter};

/// Brands that affect decoding (ISO/IEC 23008-12, annex B; AV1 Image File Format, 7; MIAF, annex A). Other brands have
/// no meaning for a decoder.
const BRANDS: [&[u8; 4]; 34] = [
    b"avif", b"avis", b"avio", b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHA", b"MiHB", b"MiHE", b"MiPr",
    b"MA1A", b"MA1B", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"avci", b"avcs",
    b"jpeg", b"jpgs", b"tmap", b"1pic", b"iso3", b"iso4", b"iso5", b"iso6", b"iso8", b"isom",
];

pub(super) fn strip(input: &mut Input<'_>, keep: Keep, keeps_gain_map: bool) -> Result<Rewrite, Error> {
    let all = top_level(input)?;
    let sequence = all.iter().find(|found| &found.kind == b"moov" && !found.cut);
    // A file without a primary image is a sequence only.
    let meta = meta(input)?.filter(|meta| meta.primary.is_some() || sequence.is_none());
    if meta.is_none() && sequence.is_none() {
        return Err(Error::Damaged("no meta box"));
    }
    let mut edits = Vec::new();
    let (mut used, mut replaced) = (Vec::new(), Vec::new());
    let derived = meta.as_ref().map(|meta| derived_images(input, meta)).transpose()?.unwrap_or_default();
    let tone_mapped = derived.iter().filter(|(_, image)| keeps_gain_map && image.is_tone_mapped && image.len > 0);
    let tone_mapped: BTreeSet<_> = tone_mapped.map(|(id, _)| *id).collect();
    let kept = meta.as_ref().map(|meta| kept_items(meta, &tone_mapped)).unwrap_or_default();
    let media = media_data(&all);
    let items = meta.as_ref().map(|meta| meta.payload_at + meta.idat.start..meta.payload_at + meta.idat.end);
    let mut units = Units::new(&media.iter().cloned().chain(items).collect::<Vec<_>>());
    if let Some(meta) = &meta {
        replaced = replacements(input, meta, &kept, keep)?;
        add_items(input, meta, &kept, &mut units)?;
        used = used_by(meta, &kept, &derived);
        let idat = meta.payload_at + meta.idat.start..meta.payload_at + meta.idat.end;
        let around = without(std::slice::from_ref(&meta.range), std::slice::from_ref(&idat));
        if !common(&around, &used).is_empty() {
            return Err(Error::Damaged("image data within the meta box"));
        }
    }
    let used_by_items = used.clone();
    if let Some(movie) = sequence {
        used.extend(samples(input, movie, &mut edits, &mut units)?);
    }
    if let Some(meta) = &meta {
        check_apart(meta, &kept, &used)?;
    }
    let padding = units.padding()?;
    if let Some(meta) = &meta {
        edits.push((
            meta.range.clone(),
            Edit::Bytes(new_meta(input, meta, &kept, &used_by_items, &replaced, &padding)?),
        ));
    }
    let file_type = all.iter().find(|found| &found.kind == b"ftyp");
    if let Some(found) = file_type {
        let has_gain_map = kept.iter().any(|id| tone_mapped.contains(id));
        edit_brands(input, found, has_gain_map, &mut edits)?;
    }
    let meta_at = meta.as_ref().map(|meta| meta.range.start);
    let is_kept = |found: &BoxAt| match &found.kind {
        b"ftyp" => file_type.is_some_and(|kept| kept.range == found.range),
        b"moov" => sequence.is_some_and(|kept| kept.range == found.range),
        b"meta" => meta_at == Some(found.range.start),
        kind => kind == b"mdat",
    };
    // The file ends after the last kept box and the last referenced byte.
    let places = used.iter().map(|range| range.end).filter(|end| *end <= input.len());
    let end = all.iter().filter(|found| is_kept(found)).map(|found| found.range.end).chain(places).max().unwrap_or(0);
    // Offsets are arbitrary: in damaged files they may refer to boxes of other types, or outside of any box.
    let others = all.iter().filter(|found| !is_kept(found));
    let no_box = into_free(all.last().map_or(0, |last| last.range.end)..end, &mut edits);
    let headers = all.iter().map(|found| found.range.start..found.payload.start).chain([no_box.header]);
    if !common(&headers.collect::<Vec<_>>(), &used).is_empty() {
        return Err(Error::Damaged("image data where a box begins"));
    }
    let room: Vec<_> = others
        .clone()
        .map(|found| found.payload.clone())
        .chain(media.iter().cloned())
        .chain([no_box.content])
        .collect();
    let cleared = without(&common(&room, std::slice::from_ref(&(0..end))), &used);
    let outside_meta = |range: &Range<u64>| meta.as_ref().is_none_or(|meta| !meta.range.contains(&range.start));
    let padding = padding.into_iter().filter(|(range, _)| outside_meta(range));
    edits.extend(padding.map(|(range, bytes)| (range, Edit::Bytes(bytes))));
    let (media, mut filled) = (common(&media, &cleared), Vec::new());
    for (range, bytes) in replaced.iter().flat_map(|replacement| &replacement.extents) {
        if covers(&media, range) {
            filled.push(range.clone());
            edits.push((range.clone(), Edit::Bytes(bytes.clone())));
        }
    }
    edits.extend(without(&cleared, &filled).into_iter().map(|range| (range, Edit::Zeros)));
    let kinds = others.map(|found| found.range.start + 4..found.range.start + 8);
    edits.extend(kinds.map(|range| (range, Edit::Bytes(b"free".to_vec()))));
    Ok(apply(input.len(), end, edits))
}

/// The header and the content of free space.
struct Free {
    header: Range<u64>,
    content: Range<u64>,
}

/// Makes free space of what follows the last box up to the end of the file. Zeros alone would be a box without a type.
fn into_free(rest: Range<u64>, edits: &mut Vec<(Range<u64>, Edit)>) -> Free {
    // A box of size 0 extends to the end.
    const HEADER: &[u8; 8] = b"\0\0\0\0free";
    let header = rest.start..rest.start.saturating_add(HEADER.len() as u64);
    if rest.end < header.end {
        return Free { header: rest.start..rest.start, content: rest };
    }
    let content = header.end..rest.end;
    edits.push((header.clone(), Edit::Bytes(HEADER.to_vec())));
    Free { header, content }
}

/// Clears the version of the major brand, and overwrites unknown brands with the major brand. Readers refuse a file with the
/// brand of gain maps that has none.
fn edit_brands(
    input: &mut Input<'_>,
    found: &BoxAt,
    has_gain_map: bool,
    edits: &mut Vec<(Range<u64>, Edit)>,
) -> Result<(), Error> {
    let mut content = input.copy(found.payload.clone(), usize::MAX)?;
    let Some(major) = content.first_chunk::<4>().copied() else { return Ok(()) };
    let (brands, rest) = content.as_chunks_mut::<4>();
    rest.fill(0);
    if let Some(version) = brands.get_mut(1) {
        *version = [0; 4];
    }
    let stays = |brand: &[u8; 4]| BRANDS.contains(&brand) && (has_gain_map || brand != b"tmap");
    for brand in brands.iter_mut().skip(2).filter(|brand| !stays(brand)) {
        *brand = major;
    }
    edits.push((found.payload.clone(), Edit::Bytes(content)));
    Ok(())
}

/// Whether one of these sorted, disjoint ranges contains `range`.
fn covers(ranges: &[Range<u64>], range: &Range<u64>) -> bool {
    let after = ranges.partition_point(|other| other.start <= range.start);
    after.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|other| range.end <= other.end)
}

fn top_level(input: &mut Input<'_>) -> Result<Vec<BoxAt>, Error> {
    let all = boxes(input, 0..input.len())?;
    if all.len() >= MAX_PARTS { Err(Error::Damaged("too many boxes")) } else { Ok(all) }
}

/// Adds the units of the kept items.
fn add_items(input: &mut Input<'_>, meta: &Meta, kept: &BTreeSet<u32>, units: &mut Units) -> Result<(), Error> {
    let kinds: BTreeMap<_, _> = meta.items.iter().map(|item| (item.id, item.kind)).collect();
    for location in meta.locations.iter().filter(|location| kept.contains(&location.id)) {
        let Some(kind) = kinds.get(&location.id) else { continue };
        let configuration = |kind| meta.properties_of(location.id, kind).next();
        if let Some(coding) = Coding::of(*kind, configuration) {
            units.add(input, coding, &meta.extents(location))?;
        }
    }
    Ok(())
}

fn media_data(all: &[BoxAt]) -> Vec<Range<u64>> {
    all.iter().filter(|found| &found.kind == b"mdat").map(|found| found.payload.clone()).collect()
}

/// An image that is computed from others: an identity, an overlay, or a tone-mapped rendition.
struct DerivedImage {
    is_tone_mapped: bool,
    /// The number of bytes of its data that are meaningful.
    len: u64,
}

/// The derived images by their ids. An id that a coded image has as well is not among them.
fn derived_images(input: &mut Input<'_>, meta: &Meta) -> Result<BTreeMap<u32, DerivedImage>, Error> {
    let inputs = meta.references.iter().filter(|reference| &reference.kind == b"dimg");
    let inputs: BTreeMap<_, _> = inputs.map(|reference| (reference.from, reference.to.len())).collect();
    let (mut found, mut coded) = (BTreeMap::new(), BTreeSet::new());
    for item in &meta.items {
        input.meter().step()?;
        if derived_len(item.kind, &[], 0).is_none() {
            coded.insert(item.id);
        }
        if coded.contains(&item.id) || found.contains_key(&item.id) {
            continue;
        }
        let head = meta.data(input, item.id, 1 + MAX_PARAMETERS)?;
        let len = derived_len(item.kind, &head, inputs.get(&item.id).copied().unwrap_or(0)).unwrap_or(0);
        found.insert(item.id, DerivedImage { is_tone_mapped: &item.kind == b"tmap", len });
    }
    found.retain(|id, _| !coded.contains(id));
    Ok(found)
}

/// The ranges of the file that the kept items use.
fn used_by(meta: &Meta, kept: &BTreeSet<u32>, derived: &BTreeMap<u32, DerivedImage>) -> Vec<Range<u64>> {
    let locations = meta.locations.iter().filter(|location| kept.contains(&location.id));
    let of_one = |location: &Location| {
        let mut left = derived.get(&location.id).map_or(u64::MAX, |image| image.len);
        meta.extents(location).into_iter().filter_map(move |range| {
            let end = range.end.min(range.start.saturating_add(left));
            left = left.saturating_sub(end.saturating_sub(range.start));
            (range.start < end).then_some(range.start..end)
        })
    };
    locations.flat_map(of_one).collect()
}

/// Refuses files that have metadata in what pictures use, or two places for a kept item: one of them may be that of metadata.
fn check_apart(meta: &Meta, kept: &BTreeSet<u32>, used: &[Range<u64>]) -> Result<(), Error> {
    let metadata: BTreeSet<_> =
        meta.items.iter().filter(|item| is_metadata(item) && !kept.contains(&item.id)).map(|item| item.id).collect();
    let (mut placed, mut of_metadata) = (BTreeSet::new(), Vec::new());
    for location in meta.locations.iter() {
        if kept.contains(&location.id) && !placed.insert(location.id) {
            return Err(Error::Damaged("an image has its data in two places"));
        }
        if metadata.contains(&location.id) {
            of_metadata.extend(meta.extents(location));
        }
    }
    if common(&of_metadata, used).is_empty() {
        Ok(())
    } else {
        Err(Error::Damaged("metadata within the data of an image"))
    }
}

/// An item that is kept with new content of the same length.
struct Replacement {
    id: u32,
    extents: Vec<(Range<u64>, Vec<u8>)>,
}

/// The rights metadata that replaces the Exif and XMP items that it was taken from. It is dropped if it needs more
/// space than these have.
fn replacements(
    input: &mut Input<'_>,
    meta: &Meta,
    images: &BTreeSet<u32>,
    keep: Keep,
) -> Result<Vec<Replacement>, Error> {
    if keep == Keep::None {
        return Ok(Vec::new());
    }
    let mut parts = parts::of_heif(input, meta, keep.want())?;
    // The orientation of items is stored in properties, so the block need not contain it.
    parts.orientation = None;
    let blocks = for_same_pixels(&parts, keep, input.meter())?;
    let meter = input.meter();
    // The offset of the TIFF header after this field (ISO/IEC 23008-12, A.2.1).
    let exif = blocks.exif.map(|exif| [vec![0; 4], exif].concat());
    let exif = meta.exif_items().next().zip(exif).map(|(id, data)| fill(meta, id, &data, 0, meter)).transpose()?;
    let xmp =
        meta.xmp_items().next().zip(blocks.xmp).map(|(id, data)| fill(meta, id, &data, b' ', meter)).transpose()?;
    let replacements = exif.flatten().into_iter().chain(xmp.flatten());
    Ok(without_overlaps(replacements.filter(|replacement| !images.contains(&replacement.id)).collect()))
}

/// Drops all replacements if any of their extents overlap, since they would overwrite each other.
fn without_overlaps(replacements: Vec<Replacement>) -> Vec<Replacement> {
    let ranges: Vec<_> = replacements.iter().flat_map(|r| r.extents.iter().map(|(range, _)| range.clone())).collect();
    let length = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
    if length(&merged(&ranges)) == length(&ranges) { replacements } else { Vec::new() }
}

/// The extents of an item filled with new data and padding; `None` if it does not fit.
fn fill(meta: &Meta, id: u32, data: &[u8], padding: u8, meter: &Meter<'_>) -> Result<Option<Replacement>, Exhausted> {
    let Some(location) = meta.locations.of(id) else { return Ok(None) };
    let ranges = meta.extents(location);
    let room = ranges.iter().try_fold(0, |sum: u64, range| sum.checked_add(range.end.checked_sub(range.start)?));
    let Some(room) = room.filter(|room| (data.len() as u64..=parts::MAX_BLOCK as u64).contains(room)) else {
        return Ok(None);
    };
    meter.hold(room)?;
    meter.steps(ranges.len() as u64 + room / 16)?;
    let mut bytes = data.iter().copied().chain(std::iter::repeat(padding));
    let take = |range: Range<u64>| {
        let len = (range.end - range.start) as usize;
        (range, bytes.by_ref().take(len).collect())
    };
    Ok(Some(Replacement { id, extents: ranges.into_iter().map(take).collect() }))
}

/// The meta box with the kept items, in its original size.
fn new_meta(
    input: &mut Input<'_>,
    meta: &Meta,
    kept: &BTreeSet<u32>,
    used: &[Range<u64>],
    replaced: &[Replacement],
    padding: &[(Range<u64>, Vec<u8>)],
) -> Result<Vec<u8>, Error> {
    let metadata = replaced.iter().map(|replacement| replacement.id).collect();
    let mut payload = meta.payload.clone();
    // The data of items in the meta box itself (8.11.11).
    let idat = meta.payload_at + meta.idat.start..meta.payload_at + meta.idat.end;
    for range in without(std::slice::from_ref(&idat), used) {
        overwrite(&mut payload, meta.payload_at, &range, |_| 0);
    }
    for (range, bytes) in replaced.iter().flat_map(|replacement| &replacement.extents).chain(padding) {
        if range.start >= idat.start && range.end <= idat.end {
            overwrite(&mut payload, meta.payload_at, range, |index| bytes.get(index).copied().unwrap_or(0));
        }
    }
    let header = input.copy(meta.range.start..meta.payload_at, 16)?;
    Ok([header, without_items(meta, &payload, kept, &metadata, input.meter())?].concat())
}

fn overwrite(payload: &mut [u8], payload_at: u64, range: &Range<u64>, byte: impl Fn(usize) -> u8) {
    let start = usize::try_from(range.start.saturating_sub(payload_at)).unwrap_or(usize::MAX);
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    payload.iter_mut().skip(start).take(len).enumerate().for_each(|(index, to)| *to = byte(index));
}

/// Replaces a box by free space.
pub(super) fn edit_to_free(found: &BoxAt, edits: &mut Vec<(Range<u64>, Edit)>) {
    let kind_at = found.range.start + 4;
    edits.push((kind_at..kind_at + 4, Edit::Bytes(b"free".to_vec())));
    edits.push((found.payload.clone(), Edit::Zeros));
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::strip_with_format;
    use image_origin_container::Cancellation;
    use image_origin_container::isobmff::write_box;

    /// What stands for the data of a coded image.
    const DATA: &[u8] = b"coded image";

    /// An AVIF file of a picture and its gain map, which a rendition of this data and length leads to. Behind the data are
    /// secrets.
    fn tone_mapped_avif(rendition: &[u8], len: u32) -> Vec<u8> {
        let start = b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaftmap".to_vec();
        let data = [DATA, DATA, rendition];
        let meta = |media_at: u32| {
            let entry =
                |id: u8, kind: &[u8]| write_box(*b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], kind, b"\0"].concat());
            let entries = [entry(1, b"av01"), entry(2, b"av01"), entry(3, b"tmap")];
            let mut places = vec![0, 0, 0, 0, 0x44, 0, 0, 3];
            let mut at = media_at;
            for (id, len) in [(1, DATA.len() as u32), (2, DATA.len() as u32), (3, len)] {
                places.extend([0, id, 0, 0, 0, 1]);
                places.extend([at.to_be_bytes(), len.to_be_bytes()].concat());
                at += DATA.len() as u32;
            }
            let children = [
                write_box(*b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                write_box(*b"pitm", &[0, 0, 0, 0, 0, 1]),
                write_box(*b"iloc", &places),
                write_box(*b"iinf", &[&[0, 0, 0, 0, 0, 3][..], &entries.concat()].concat()),
                write_box(*b"iref", &[&[0; 4][..], &write_box(*b"dimg", &[0, 3, 0, 2, 0, 1, 0, 2])].concat()),
                // A property that is longer than what contains it.
                write_box(*b"iprp", &write_box(*b"ipco", b"\0\0\0\xffudesSecretText")),
                write_box(
                    *b"grpl",
                    &write_box(*b"altr", &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1]),
                ),
            ];
            write_box(*b"meta", &[&[0; 4][..], &children.concat()].concat())
        };
        let media_at = start.len() + meta(0).len() + 8;
        let media = write_box(*b"mdat", &[data.concat().as_slice(), b"SecretTrailer"].concat());
        [start, meta(media_at as u32), media].concat()
    }

    #[test]
    fn gain_maps_of_avif_stay_without_what_follows_their_parameters() {
        // A rendition's version and flags, and fractions of one denominator.
        let parameters: Vec<u8> = [0, 0, 0, 0, 0, 0x48].into_iter().chain([1; 4 + 7 * 4]).collect();
        let length = parameters.len() as u32;
        let secret = [parameters.as_slice(), b"SecretComment"].concat();
        let newer: Vec<u8> = [0, 0, 1].into_iter().chain(parameters[3..].iter().copied()).collect();
        let table: [(&str, &[u8], u32, bool); 6] = [
            ("right", &parameters, length, true),
            ("with a trailer", &secret, length + 13, true),
            ("to the end of the file", &secret, 0, true),
            ("too short", &parameters, length - 1, false),
            ("of a later version", &newer, length, false),
            ("no parameters", b"SecretComment", 13, false),
        ];
        for (name, rendition, len, stays) in table {
            let file = tone_mapped_avif(rendition, len);
            for keeps_gain_map in [true, false] {
                let plan = |file: &[u8]| {
                    let cancellation = Cancellation::unbounded();
                    strip_with_format(&mut Cursor::new(file), Keep::None, keeps_gain_map, &cancellation).unwrap().1
                };
                let mut out = Vec::new();
                plan(&file).write_to(Cursor::new(&file), &mut out).unwrap();
                let stays = stays && keeps_gain_map;
                let count = |bytes: &[u8]| out.windows(bytes.len()).filter(|window| *window == bytes).count();
                assert_eq!(count(b"Secret"), 0, "{name}");
                // The brand, the item, and the group of alternatives.
                let stays = usize::from(stays);
                for mark in [b"miaftmap".as_slice(), b"\0\x03\0\0tmap", b"altr", &parameters] {
                    assert_eq!(count(mark), stays, "{name}: {mark:?}");
                }
                assert_eq!(count(DATA), 1 + stays, "{name}");
                assert!(plan(&out).is_identity(), "{name}");
            }
        }
    }

    #[test]
    fn derived_images_have_a_length() {
        let table: [([u8; 4], &[u8], Option<u64>); 9] = [
            (*b"iden", b"Secret", Some(0)),
            (*b"iovl", &[0, 0, 9], Some(10 + 4 + 3 * 4)),
            (*b"iovl", &[0, 1], Some(10 + 8 + 3 * 8)),
            (*b"iovl", &[1, 0], Some(0)),
            (*b"iovl", &[], Some(0)),
            (*b"tmap", &[0; 80], Some(1 + 5 + 7 * 8)),
            (*b"tmap", &[0; 61], Some(0)),
            (*b"grid", &[0; 8], None),
            (*b"av01", &[0; 8], None),
        ];
        for (kind, head, expected) in table {
            assert_eq!(derived_len(kind, head, 3), expected, "{kind:?} {head:?}");
        }
    }
}
