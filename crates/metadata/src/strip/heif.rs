//! AVIF and HEIF: everything stays in its place, since offsets into the file are all over it. Items that are not kept
//! leave the `meta` box, which keeps its size; their data becomes zeros, and so does any other byte of the media data
//! that no item uses. Boxes that are not kept become empty space of the same size.

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::ops::Range;

use super::Keep;
use super::edits::{Edit, apply, common, merged, without};
use super::heif_meta::{kept_items, without_items};
use crate::rights::for_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::MAX_PARTS;
use image_origin_container::heif::{Meta, meta};
use image_origin_container::isobmff::{BoxAt, boxes};
use image_origin_container::parts;
use image_origin_container::{Exhausted, Meter};

pub(super) fn strip<R: Read + Seek>(input: &mut Input<'_, R>, keep: Keep) -> Result<Rewrite, Error> {
    let all = top_level(input)?;
    let meta = meta(input)?.ok_or(Error::Damaged("no meta box"))?;
    let kept = kept_items(&meta);
    let replaced = replacements(input, &meta, &kept, keep)?;
    let sequence = all.iter().find(|found| &found.kind == b"moov");

    let mut edits = Vec::new();
    edits.push((meta.range.clone(), Edit::Bytes(new_meta(input, &meta, &kept, &replaced)?)));
    let used = extents_of(&meta, |id| kept.contains(&id));
    let media = media_data(&all);
    // The samples of a sequence lie between the items' data: there, only what is known to be metadata is cleared.
    let unused = match sequence {
        Some(_) => without(&extents_of(&meta, |id| !kept.contains(&id)), &used),
        None => without(&media, &used),
    };
    let cleared = common(&media, &unused);
    let mut filled = Vec::new();
    for (range, bytes) in replaced.iter().flat_map(|replacement| &replacement.extents) {
        if covers(&cleared, range) {
            filled.push(range.clone());
            edits.push((range.clone(), Edit::Bytes(bytes.clone())));
        }
    }
    edits.extend(without(&cleared, &filled).into_iter().map(|range| (range, Edit::Zeros)));
    if let Some(movie) = sequence {
        edit_movie(input, movie, &mut edits)?;
    }
    for found in all.iter().filter(|found| !is_kept(&found.kind)) {
        edit_to_free(found, &mut edits);
    }
    Ok(apply(input.len(), end_of_kept(&all), edits))
}

/// Whether one of these ranges, which are in order and apart from each other, holds all of `range`.
fn covers(ranges: &[Range<u64>], range: &Range<u64>) -> bool {
    let after = ranges.partition_point(|other| other.start <= range.start);
    after.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|other| range.end <= other.end)
}

fn top_level<R: Read + Seek>(input: &mut Input<'_, R>) -> Result<Vec<BoxAt>, Error> {
    let all = boxes(input, 0..input.len())?;
    if all.len() >= MAX_PARTS { Err(Error::Damaged("too many boxes")) } else { Ok(all) }
}

fn is_kept(kind: &[u8; 4]) -> bool {
    matches!(kind, b"ftyp" | b"meta" | b"mdat" | b"moov" | b"moof")
}

/// What comes behind the last box that is kept has nothing that offsets lead to, and is left out.
fn end_of_kept(all: &[BoxAt]) -> u64 {
    all.iter().filter(|found| is_kept(&found.kind)).map(|found| found.range.end).max().unwrap_or(0)
}

fn media_data(all: &[BoxAt]) -> Vec<Range<u64>> {
    all.iter().filter(|found| &found.kind == b"mdat").map(|found| found.payload.clone()).collect()
}

fn extents_of(meta: &Meta, wanted: impl Fn(u32) -> bool) -> Vec<Range<u64>> {
    meta.locations.iter().filter(|location| wanted(location.id)).flat_map(|location| meta.extents(location)).collect()
}

/// An item that stays with new content of the same length.
struct Replacement {
    id: u32,
    extents: Vec<(Range<u64>, Vec<u8>)>,
}

/// The rights that are kept, in the place of the Exif and XMP items that they come from. Rights that need more room
/// than there was are left out.
fn replacements<R: Read + Seek>(
    input: &mut Input<'_, R>,
    meta: &Meta,
    images: &BTreeSet<u32>,
    keep: Keep,
) -> Result<Vec<Replacement>, Error> {
    if keep == Keep::None {
        return Ok(Vec::new());
    }
    let mut parts = parts::of_heif(input, meta, keep.want())?;
    // Items are shown as their properties say, so the block need not say it.
    parts.orientation = None;
    let blocks = for_same_pixels(&parts, keep, input.meter())?;
    let meter = input.meter();
    // The offset of the TIFF header behind this field (ISO/IEC 23008-12, A.2.1).
    let exif = blocks.exif.map(|exif| [vec![0; 4], exif].concat());
    let exif = meta.exif_items().next().zip(exif).map(|(id, data)| fill(meta, id, &data, 0, meter)).transpose()?;
    let xmp =
        meta.xmp_items().next().zip(blocks.xmp).map(|(id, data)| fill(meta, id, &data, b' ', meter)).transpose()?;
    let replacements = exif.flatten().into_iter().chain(xmp.flatten());
    Ok(without_overlaps(replacements.filter(|replacement| !images.contains(&replacement.id)).collect()))
}

/// None at all where two of their extents overlap, since neither content would be whole.
fn without_overlaps(replacements: Vec<Replacement>) -> Vec<Replacement> {
    let ranges: Vec<_> = replacements.iter().flat_map(|r| r.extents.iter().map(|(range, _)| range.clone())).collect();
    let length = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
    if length(&merged(&ranges)) == length(&ranges) { replacements } else { Vec::new() }
}

/// The extents of an item filled with new data and padding, if it fits.
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

/// The meta box with the items that stay, in the size that it had.
fn new_meta<R: Read + Seek>(
    input: &mut Input<'_, R>,
    meta: &Meta,
    kept: &BTreeSet<u32>,
    replaced: &[Replacement],
) -> Result<Vec<u8>, Error> {
    let metadata = replaced.iter().map(|replacement| replacement.id).collect();
    let mut payload = meta.payload.clone();
    // Data of items inside the meta box itself (8.11.11).
    let idat = meta.payload_at + meta.idat.start..meta.payload_at + meta.idat.end;
    let used = extents_of(meta, |id| kept.contains(&id));
    for range in without(std::slice::from_ref(&idat), &used) {
        overwrite(&mut payload, meta.payload_at, &range, |_| 0);
    }
    for (range, bytes) in replaced.iter().flat_map(|replacement| &replacement.extents) {
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

/// Turns a box into empty space.
fn edit_to_free(found: &BoxAt, edits: &mut Vec<(Range<u64>, Edit)>) {
    let kind_at = found.range.start + 4;
    edits.push((kind_at..kind_at + 4, Edit::Bytes(b"free".to_vec())));
    edits.push((found.payload.clone(), Edit::Zeros));
}

/// Takes user data, metadata and dates out of a sequence's movie box (8.2 to 8.4).
fn edit_movie<R: Read + Seek>(
    input: &mut Input<'_, R>,
    parent: &BoxAt,
    edits: &mut Vec<(Range<u64>, Edit)>,
) -> Result<(), Error> {
    for child in boxes(input, parent.payload.clone())? {
        match &child.kind {
            b"mvhd" | b"tkhd" | b"mdhd" => {
                // Version and flags, then the times of creation and modification.
                let version = input.array::<1>(child.payload.start)?.unwrap_or_default();
                let times = child.payload.start + 4;
                let end = times + if version == [0] { 8 } else { 16 };
                edits.push((times..end.min(child.payload.end).max(times), Edit::Zeros));
            }
            // Each of these is inside the one before, so this ends.
            b"trak" if &parent.kind == b"moov" => edit_movie(input, &child, edits)?,
            b"mdia" if &parent.kind == b"trak" => edit_movie(input, &child, edits)?,
            b"trak" | b"mdia" | b"mvex" | b"tref" | b"edts" | b"hdlr" | b"minf" => {}
            _ => edit_to_free(&child, edits),
        }
    }
    Ok(())
}
